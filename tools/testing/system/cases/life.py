# SPDX-License-Identifier: GPL-2.0
"""S1-S4: a boot, a reboot with dirty partial writes outstanding, a power cut

The grid is volatile (metadata none). So the application, this test, says at each
boot what is missing: by a manifest while nothing was written, by "nothing" after
an orderly end, by a manifest of what it wrote after the cut.
"""

BLOCK = 65536
OPTIONS = "block-size=64K,checksum=sha256,_netdev,nofail"
DATA = "/dev/disk/by-id/virtio-gridlower"
FSTAB = ("LABEL=gridroot / ext4 defaults,noatime 0 1\n"
         "UUID=12345678-1234-1234-1234-123456789abc /srv ext4 %s_netdev,nofail 0 2\n")
SUMS = "cd /srv && sha256sum %s | cut -c1-64 | xargs"


def tab(options):
    return "store %s none %s\n" % (DATA, OPTIONS + options)


def healthy(m, text):
    """Mounted from the grid, and only from there; nothing failed."""
    state = m.booted()
    check(state == "running", "%s: the system is %s\n%s" % (text, state, m.run(
        "systemctl --failed --no-legend; systemctl status 'grid@*' gridrepaird "
        "srv.mount systemd-fsck@*; journalctl -b -p warning | tail -n 40; "
        "systemctl list-jobs", ok=False)[1]))
    wait_mount(m)
    check(m.run("findmnt -no SOURCE /srv") == "/dev/mapper/store",
          "%s: /srv is on %s" % (text, m.run("findmnt -no SOURCE /srv")))
    link = m.run("readlink -f /dev/disk/by-uuid/12345678-*; "
                 "readlink -f /dev/disk/by-label/store")
    check(set(link.split()) == {m.run("readlink -f /dev/mapper/store")},
          "%s: the links lead to %s" % (text, link))
    raw_hidden(m)


def wait_mount(m):
    m.run("for i in $(seq 100); do findmnt /srv > /dev/null && exit; sleep 0.3; "
          "done; systemctl status 'grid@*' srv.mount gridrepaird; "
          "journalctl -b | tail -n 60; exit 1", 60)


def raw_hidden(m):
    """udev gave the lower disk no link by what lies on it, at no time."""
    log = m.run("cat /var/log/test-udev")
    events = [dict(l.split("=", 1) for l in e.splitlines() if "=" in l)
              for e in log.split("\n\n")]
    seen = [e for e in events if "virtio-gridlower" in e.get("DEVLINKS", "")]
    check(seen, "no event of the lower disk in the log")
    for e in seen:
        if e.get("ACTION") == "remove":
            continue
        check("by-uuid" not in e["DEVLINKS"] and "by-label" not in e["DEVLINKS"]
              and e.get("ID_FS_TYPE") == "grid_member"
              and e.get("SYSTEMD_READY") == "0",
              "the lower disk was seen: %s" % e)


def run(t):
    m = t.machine(files={
        "/etc/gridtab": tab(",manifest=/var/lib/store.manifest"),
        "/etc/fstab": FSTAB % "",
        "/var/lib/store.manifest": t.manifest})
    m.spoil(list(range(16, 40)) + [0, 300, 301])
    m.start()
    healthy(m, "boot")
    sums = m.run(SUMS % "a b c", 300)
    expected = [s.split()[0] for s in host_sums(t)]
    check(sums.split() == expected, "the files differ: %s" % sums)
    t.ok("a boot: mounted by UUID from the grid, the disk below never seen")

    # 24 blocks of a file go missing, 4 KiB of each are written anew, and before any
    # of it reaches the device the machine reboots. The server takes its time.
    m.run("echo 5 > /etc/test-slow; pkill nbdkit; sleep 1; "
          "pidof nbdkit && systemctl is-active gridrepaird")
    out = m.run("""
set -e
sync; echo 3 > /proc/sys/vm/drop_caches
first=$(filefrag -v /srv/b | awk '$1 == "0:" { print int($4) }')
# The first whole block of the grid that holds nothing but /srv/b.
skip=$(( (16 - first % 16) % 16 ))
block=$(( (first + skip) / 16 ))
echo $block $skip > /var/lib/where
for i in $(seq 0 23); do
	sum=$(awk -v b=$((block + i)) '$1 == b { print $2 }' /var/lib/store.manifest)
	args="$args $((block + i)):$sum"
done
head -c 4096 /dev/urandom > /var/lib/page
dd if=/dev/vdb bs=65536 count=24 skip=$block of=/var/lib/was iflag=direct status=none
dd if=/dev/zero bs=65536 count=24 seek=$block of=/dev/vdb oflag=direct status=none
gridctl enqueue store $args
for i in $(seq 0 23); do
	dd if=/var/lib/page of=/srv/b bs=4096 count=1 seek=$((skip + i * 16 + 5)) conv=notrunc status=none
done
printf '%s' '""" + tab(",start=clean") + """
' > /etc/gridtab
sync -d /etc/gridtab /var/lib/page /var/lib/where
gridctl --json status store
""", 120)
    check('"waiting":0,' not in out or '"writing":0,' not in out,
          "nothing is missing any more: %s" % out)
    m.reboot()
    healthy(m, "reboot")
    m.run("""
set -e
read -r block skip < /var/lib/where
for i in $(seq 0 23); do
	dd if=/srv/b bs=4096 count=1 skip=$((skip + i * 16 + 5)) status=none | cmp - /var/lib/page || exit
	dd if=/var/lib/page of=/var/lib/was bs=4096 seek=$((i * 16 + 5)) conv=notrunc status=none
done
# The rest of each block is what the replica has.
dd if=/srv/b bs=4096 skip=$skip count=384 status=none | cmp - /var/lib/was
""", 120)
    log = m.run("journalctl -b -1 -o short-monotonic | tail -n 80")
    check("I/O error" not in log and "Lost" not in log, log)
    t.ok("a reboot with dirty partial writes to missing blocks: nothing is lost")

    # What the application knows now is another manifest. More goes missing, and
    # the power with it.
    m.run("""
set -e
umount /srv
gridctl manifest /dev/mapper/store --block-size=64K --checksum=sha256 > /var/lib/store.manifest
mount -o ro /srv
cd /srv
sha256sum a b c | cut -c1-64 | xargs > /var/lib/sums
rm -f /etc/test-slow
printf '%s' '""" + tab(",manifest=/var/lib/store.manifest") + """
' > /etc/gridtab
sed -i 's/_netdev/ro,_netdev/' /etc/fstab
first=$(filefrag -v /srv/c | awk '$1 == "0:" { print int($4) }')
dd if=/dev/zero bs=65536 count=32 seek=$((first / 16 + 2)) of=/dev/vdb oflag=direct status=none
sync
""", 180)
    m.cut()
    m.start()
    healthy(m, "cut")
    check(m.run(SUMS % "a b c", 300) == m.run("cat /var/lib/sums"),
          "a file differs after the cut")
    status = m.run("gridctl --json status store")
    check('"timeouts":0' in status, status)
    m.run("umount /srv && fsck.ext4 -fn /dev/mapper/store", 120)
    t.ok("a power cut: no missing block is served, fsck is clean")
    m.off()


def host_sums(t):
    import subprocess
    import os
    tree = os.path.join(t.work, "tree")
    return subprocess.run("sha256sum a b c", cwd=tree, shell=True, check=True,
                          stdout=subprocess.PIPE, text=True).stdout.splitlines()
