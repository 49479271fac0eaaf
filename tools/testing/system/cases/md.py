# SPDX-License-Identifier: GPL-2.0
"""S2: an md array below a grid, which nobody mounts, and an array on a grid

mdadm's rules look at an array themselves and make links of it, later than those of
other disks. An array below a grid is watched and assembled as any other; when a disk
of it doesn't come, the grid waits until the array runs without. Debian's mdadm is
installed in the guest.
"""

import glob
import os
import subprocess

from common import DATA, FSTAB, healthy, last_minute, missing, same
from run import HERE, MIB, UUID, check

MIRROR = "/dev/disk/by-id/virtio-gridmirror"
TAB = "store %s none block-size=64K,checksum=sha256,start=clean,_netdev,nofail\n"
CONF = "HOMEHOST <system>\nMAILADDR root\n"
CREATE = ("mdadm --create %s --run --level=1 --raid-devices=2 --metadata=1.2 --size=65536 "
          "--bitmap=none --assume-clean %s %s 2>&1 && udevadm settle")
FILL = ("dd if=/dev/disk/by-id/virtio-replica of=%s bs=1M skip=1 count=64 oflag=direct "
        "status=none && udevadm settle")


def blank(m):
    for name in ("gridlower", "gridmirror"):
        with open(m.path(name), "wb") as f:
            f.truncate(80 * MIB)


def properties(m, disk):
    return dict(l.split("=", 1) for l in m.run("udevadm info -q property " + disk).splitlines())


def hidden(m, disk, text):
    p = properties(m, disk)
    links = p["DEVLINKS"].split()
    check(p.get("ID_FS_TYPE") == "grid_member" and p.get("SYSTEMD_READY") == "0" and
          "ID_FS_UUID" not in p and not [l for l in links if "by-uuid" in l or "by-label" in l],
          "%s: the array was seen: %s" % (text, p))
    check([l for l in links if "/dev/md/" in l] and [l for l in links if "by-id/md-uuid-" in l],
          "%s: the array's own links are gone: %s" % (text, p))


def members(m, disks):
    for disk in disks:
        p = properties(m, disk)
        check(p.get("ID_FS_TYPE") == "linux_raid_member" and
              p.get("SYSTEMD_READY") != "0", "a member of the array: %s" % p)


def below(m, array):
    return sorted(m.run("ls /sys/block/$(basename $(readlink -f %s))/slaves" % array).split())


def install(t, m):
    directory = subprocess.run([os.path.join(HERE, "image"), "deb", t.suite, "mdadm"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    path, = glob.glob(os.path.join(directory, "*.deb"))
    with open(path, "rb") as f:
        m.put("/var/tmp/mdadm.deb", f.read())
    m.put("/etc/initramfs-tools/update-initramfs.conf", b"update_initramfs=no\n")
    m.put("/etc/mdadm/mdadm.conf", CONF.encode())
    m.start()
    m.booted()
    m.run("DEBIAN_FRONTEND=noninteractive dpkg -i --force-depends --force-confold "
          "/var/tmp/mdadm.deb 2>&1 && modprobe raid1 && udevadm control --reload", 400)


def write(m, name, text):
    m.put_data("file", text.encode())
    m.run("cp /run/file %s && sync" % name)


def array_below(t, m):
    m.run(CREATE % ("/dev/md/store", DATA, MIRROR), 100)
    m.run(FILL % "/dev/md/store", 100)
    array, = [l for l in properties(m, "/dev/md/store")["DEVLINKS"].split()
              if "by-id/md-uuid-" in l]
    # Or the test could not fail.
    out = m.run("readlink -f /dev/md/store /dev/disk/by-uuid/%s; "
                "systemctl is-active dev-md-store.device mdmonitor" % UUID).split()
    check(out[0] == out[1] and out[2:] == ["active", "active"],
          "an array that is below no grid: %s" % out)
    m.run("gridctl format %s --block-size=64K --blocks-max=64 "
          "--tables-max=0 --force && udevadm settle" % array, 100)
    hidden(m, array, "metadata")
    t.ok("an array that begins with grid metadata is hidden, any other one is not")

    write(m, "/etc/gridtab", TAB % array)
    write(m, "/etc/fstab", FSTAB % "")
    m.run(FILL % array, 100)
    m.reboot()
    healthy(m, "boot", array)
    hidden(m, array, "boot")
    members(m, (DATA, MIRROR))
    check(m.run("dmsetup deps -o blkdevname store").count("(md") == 1,
          m.run("dmsetup deps -o blkdevname store"))
    # Its want is of a device that is not ready.
    check(m.run("systemctl is-active mdmonitor", ok=False)[1] == "active",
          "nobody watches the array")
    files = {name: t.file(name) for name in ("a", "b", "c")}
    m.run(missing(t, t.blocks("b")[:5], array) +
          "timeout 200 gridctl wait store --until=clean", 230)
    same(m, files)
    t.ok("an array below a grid: never linked, never mounted, and watched")

    m.run("umount /srv && systemctl stop grid@store", 100)
    m.run("! mount UUID=%s /mnt && ! ls /dev/disk/by-uuid/%s" % (UUID, UUID))
    for name in ("/dev/md/store", m.run("readlink -f " + array)):
        write(m, "/etc/gridtab", TAB % name)
        m.run("udevadm trigger --action=change %s && udevadm settle && "
              "systemctl daemon-reload" % name, 60)
        hidden(m, array, name)
        m.run("systemctl start grid@store && systemctl stop grid@store", 100)
    t.ok("without the grid neither, and by each name of it")

    # Its node is there from the first disk on; it runs when mdadm has waited for the
    # other one.
    write(m, "/etc/mdadm/mdadm.conf", CONF + "ARRAY /dev/md0 UUID=%s\n"
          % array.split("md-uuid-")[1])
    write(m, "/etc/gridtab", TAB % "/dev/md0")
    m.off()
    m.disks.remove("gridmirror")
    m.start()
    healthy(m, "one disk", array)
    check(below(m, "/dev/md0") == [m.run("basename $(readlink -f %s)" % DATA)],
          "it lies on %s" % below(m, "/dev/md0"))
    same(m, files)
    t.ok("a disk of it is not there: the grid waits until the array runs without")


def array_above(t, m):
    device = "DEVICE /dev/mapper/* %s\n" % MIRROR
    write(m, "/etc/mdadm/mdadm.conf", CONF + device)
    write(m, "/etc/gridtab", "store %s none block-size=64K,start=clean,nofail\n" % DATA)
    write(m, "/etc/fstab", "LABEL=gridroot / ext4 defaults,noatime 0 1\n")
    # A machine that is slow assembles it of both, too.
    m.run("mkdir /etc/systemd/system/mdadm-last-resort@.timer.d && "
          "printf '[Timer]\\nOnActiveSec=\\nOnActiveSec=600\\n' > "
          "/etc/systemd/system/mdadm-last-resort@.timer.d/test.conf && sync")
    m.off()
    m.disks.append("gridmirror")
    blank(m)
    m.start()
    check(m.booted() == "running", m.run("systemctl --failed", ok=False)[1])
    m.run(CREATE % ("/dev/md/above", "/dev/mapper/store", MIRROR), 100)
    m.run("mkfs.ext4 -q /dev/md/above && mount /dev/md/above /mnt && "
          "seq 100000 > /mnt/numbers && umount /mnt && udevadm settle", 100)
    m.reboot()
    check(m.booted() == "running", m.run("systemctl --failed", ok=False)[1])
    last_minute(m, None)
    both = sorted(m.run("for d in /dev/mapper/store %s; do basename $(readlink -f $d); done"
                        % MIRROR).split())
    m.run("for i in $(seq 100); do [ -e /dev/md/above ] && exit; sleep 0.3; done; "
          "cat /proc/mdstat; journalctl -b | tail -n 40; exit 1", 100)
    check(below(m, "/dev/md/above") == both, "it lies on %s" % below(m, "/dev/md/above"))
    members(m, ("/dev/mapper/store", MIRROR))
    p = properties(m, DATA)
    check(p.get("ID_FS_TYPE") == "grid_member", "the disk below: %s" % p)
    m.run("mount /dev/md/above /mnt && seq 100000 | cmp - /mnt/numbers && umount /mnt")
    t.ok("an array on a grid is assembled of the grid, not of the disk below")

    # While the grid is there its disk is busy for mdadm.
    m.run("mdadm --stop /dev/md/above && systemctl stop grid@store && udevadm settle", 100)
    disk, mirror = (m.run("basename $(readlink -f %s)" % d) for d in (DATA, MIRROR))
    # What mdadm would take is looked at first, or the test could not fail. A disk that
    # udev looks at just then may be busy.
    for conf, wanted in ((CONF, disk), (CONF + device, mirror)):
        write(m, "/etc/mdadm/mdadm.conf", conf)
        out = m.run("for i in $(seq 50); do mdadm --assemble --scan 2>&1; udevadm settle; "
                    "ls -d /sys/block/md*/slaves/* > /run/slaves 2>&1; "
                    "mdadm --stop --scan 2>&1; grep -q '/%s$' /run/slaves && break; "
                    "sleep 0.3; done; cat /run/slaves" % wanted, 200)
        found = [l.split("/")[-1] for l in out.splitlines() if "/slaves/" in l]
        check(wanted in found and (wanted == disk or disk not in found),
              "without the grid, with %s: %s" % (conf, out))
    t.ok("without the grid mdadm --assemble --scan takes not the disk, with mdadm.conf as "
         "gridtab(5) has it")
    m.off()


def run(t):
    m = t.machine(files={"/etc/blkid.conf": "EVALUATE=udev\n"})
    m.disks.append("gridmirror")
    blank(m)
    install(t, m)
    array_below(t, m)
    array_above(t, m)
