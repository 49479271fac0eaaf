# SPDX-License-Identifier: GPL-2.0
"""S2, S3: multipathd beside a held grid; it doesn't take the disk below

multipathd runs from early in the boot and takes each disk it may. multipath.conf has
what gridtab(5) says, without which it would take this one too: which is looked at,
when the grid is gone.
"""

from common import DATA
from run import check

CONF = """\
defaults {
    find_multipaths no
    path_checker directio
}
blacklist {
    devnode "^vda"
    wwid "gridlower"
}
blacklist_exceptions {
    devnode "^vd[b-z]"
    property "ID_SERIAL"
}
"""


def maps(m):
    return [l.split()[0] for l in m.run("dmsetup ls --target multipath").splitlines()
            if l.split()[0] != "No"]


def takes(m, wwid):
    m.run("for i in $(seq 200); do dmsetup ls --target multipath | grep -q '^%s' && exit; "
          "sleep 0.3; done; multipathd show paths; journalctl -b -u multipathd | tail; "
          "exit 1" % wwid, 100)


def run(t):
    m = t.machine(append="", files={
        "/etc/gridtab": "store %s none block-size=64K,ready-timeout=10s,nofail\n" % DATA,
        "/etc/fstab": "LABEL=gridroot / ext4 defaults,noatime 0 1\n",
        "/etc/multipath.conf": CONF})
    m.start()
    m.booted()
    m.run("systemctl is-active multipathd || { journalctl -b -u multipathd; exit 1; }")
    check("store" in m.run("gridctl list").split(), m.run("gridctl list"))
    takes(m, "replica")
    for scanner in ("multipathd reconfigure", "multipath", "multipath -ll",
                    "multipathd show paths", "multipathd show maps"):
        code, out = m.run("timeout 100 %s" % scanner, 130, ok=False)
        check(code != 124, "%s hangs beside a held grid:\n%s" % (scanner, out))
    takes(m, "replica")
    check(maps(m) == ["replica"], "multipathd has taken %s" % maps(m))
    m.run("gridctl ready store && udevadm settle && mount -o ro /dev/mapper/store /mnt && "
          "sha256sum /mnt/a && umount /mnt", 100)
    t.ok("multipathd beside a held grid: all ends, and it takes another disk, not this one")

    m.run("systemctl stop grid@store; gridctl list | grep -q store && gridctl detach store; "
          "multipath; udevadm settle", 200)
    check(maps(m) == ["replica"], "multipath has taken %s" % maps(m))
    m.run("sed -i /gridlower/d /etc/multipath.conf && multipathd reconfigure && multipath || :",
          100)
    takes(m, "gridlower")
    t.ok("without the grid neither, but without blacklist it would")
    m.off()
