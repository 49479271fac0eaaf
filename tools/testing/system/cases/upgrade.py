# SPDX-License-Identifier: GPL-2.0
"""S5: an upgrade while a grid is in use and blocks are missing

The tools come as packages of version 0.2. The modules' build is the packages test's
matter: here the installed ones only say that they are 0.2. Those that run go on.
"""

import glob
import os
import subprocess

from common import DATA, FSTAB, META, healthy, missing, missing_now, same, server
from run import TOP, check

VERSION = "0.2"


def run(t):
    debs = os.path.join(t.work, "deb")
    with open(debs + ".log", "w") as log:
        subprocess.run([os.path.join(TOP, "tools/packaging/deb"), "--version", VERSION,
                        "--unchecked", debs], check=True, stdout=log, stderr=log)
    m = t.machine(files={"/etc/gridtab": "store %s %s _netdev,nofail\n" % (DATA, META),
                         "/etc/fstab": FSTAB % ""}, metadata=True)
    for name in ("grid-missing-tools_", "libgridmissing0_"):
        path, = glob.glob(os.path.join(debs, name + "*.deb"))
        with open(path, "rb") as f:
            m.put("/var/tmp/%s.deb" % name, f.read())
    m.start()
    healthy(m, "boot")
    old = m.run("gridctl version | sed -n 's/^gridctl //p'; pidof gridrepaird").split()
    check(old[0] != VERSION, "it is %s already" % VERSION)
    files = {name: t.file(name) for name in ("a", "b", "c")}
    # Longer than dpkg takes on any machine.
    server(m, 300)
    m.run(missing(t, t.blocks("b")[:5]), 60)
    # Of an initramfs the packages test knows; here it would take many minutes.
    m.run("echo update_initramfs=no > /etc/initramfs-tools/update-initramfs.conf")
    out = m.run("dpkg -i /var/tmp/*.deb 2>&1; dpkg -s grid-missing-tools | grep ^Version",
                300)
    check("Version: " + VERSION in out, out)
    check(missing_now(m) == 5, "%d are missing" % missing_now(m))
    out = m.run("pidof gridrepaird; systemctl is-active gridrepaird; findmnt -no SOURCE /srv")
    check(out.split()[0] != old[1], "it is the old gridrepaird: " + out)
    check(out.split()[1:] == ["active", "/dev/mapper/store"], out)
    server(m, 0)
    m.run("timeout 200 gridctl wait store --until=clean", 230)
    same(m, files)
    t.ok("the tools: the new helper repairs what the old one had under way")

    out = m.run("gridctl version")
    check("gridctl %s\n" % VERSION in out and
          "module dm-grid: %s runs" % old[0] in out and "next load" not in out, out)
    m.run("""
set -e
for f in $(find /lib/modules/$(uname -r)/updates -name 'dm-grid.ko*' -o -name 'grid_missing.ko*'); do
	case $f in *.xz) xz -d $f; f=${f%.xz} ;; esac
	sed -i 's/\\bversion=0\\.1/version=0.2/' $f
done
depmod""", 200)
    out = m.run("gridctl version")
    check("module dm-grid: %s runs; the next load takes %s" % (old[0], VERSION) in out,
          out)
    out = m.run("gridctl doctor", ok=False)[1]
    check("dm-grid %s runs, and %s is installed" % (old[0], VERSION) in out, out)
    check("source" in out and "1 of 1 sources answer" in out and
          "is locked" in out, out)
    same(m, files)
    t.ok("the modules: the old ones go on, and gridctl says so")
    m.off()
