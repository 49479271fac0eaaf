# SPDX-License-Identifier: GPL-2.0
"""S1-S4: a grid without metadata: a boot, a reboot, a power cut

The grid is volatile (metadata none). So the application, this test, says at each
boot what is missing: by a manifest while nothing was written, by "nothing" after
an orderly end, by a manifest of what it wrote after the cut, of a grid that is
read-only by then.
"""

from common import DATA, FSTAB, healthy, last_minute, missing_now, server
from run import check

OPTIONS = "block-size=64K,checksum=sha256,_netdev,nofail"
SUMS = "cd /srv && sha256sum %s | cut -c1-64 | xargs"


def tab(options):
    return "store %s none %s\n" % (DATA, OPTIONS + options)


def run(t):
    m = t.machine(files={
        # Before what is written next is on the disk this line is another one.
        "/etc/gridtab": tab(",manifest-undoes-writes,manifest=/var/lib/store.manifest"),
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
    server(m, 25)
    m.run("""
set -e
disk=/dev/disk/by-id/virtio-gridlower
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
dd if=$disk bs=65536 count=24 skip=$block of=/var/lib/was iflag=direct status=none
dd if=/dev/zero bs=65536 count=24 seek=$block of=$disk oflag=direct status=none
gridctl enqueue store $args
for i in $(seq 0 23); do
	dd if=/var/lib/page of=/srv/b bs=4096 count=1 seek=$((skip + i * 16 + 5)) conv=notrunc status=none
done
printf '%s' '""" + tab(",start=clean") + """
' > /etc/gridtab
sync -d /etc/gridtab /var/lib/page /var/lib/where
""", 120)
    check(missing_now(m) == 24, "%d blocks are missing" % missing_now(m))
    m.reboot()
    healthy(m, "reboot")
    last_minute(m)
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
    t.ok("a reboot with dirty partial writes to missing blocks: nothing is lost")

    # What the application knows now is another manifest. More goes missing, and
    # the power with it.
    m.run("""
set -e
disk=/dev/disk/by-id/virtio-gridlower
umount /srv
gridctl manifest /dev/mapper/store --block-size=64K --checksum=sha256 > /var/lib/store.manifest
mount -o ro /srv
cd /srv
sha256sum a b c | cut -c1-64 | xargs > /var/lib/sums
rm -f /etc/test-slow
printf '%s' '""" + tab(",read-only,manifest=/var/lib/store.manifest") + """
' > /etc/gridtab
sed -i 's/_netdev,nofail 0 2/ro,_netdev,nofail 0 0/' /etc/fstab
first=$(filefrag -v /srv/c | awk '$1 == "0:" { print int($4) }')
dd if=/dev/zero bs=65536 count=32 seek=$((first / 16 + 2)) of=$disk oflag=direct status=none
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
