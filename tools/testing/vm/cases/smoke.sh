# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: none of the project's: the guest itself works (dm, disks, modprobe).
# kernels: all
# timeout: 60
# boot: shared

ram_disk 16
a=$REPLY
null_disk smoke 16
b=$REPLY
dm_create smoke "0 32768 linear $a 0"
dd if=/dev/urandom of=/tmp/data bs=1M count=8 status=none
dd if=/tmp/data of=/dev/mapper/smoke bs=1M oflag=direct status=none
dd if=/dev/mapper/smoke of="$b" bs=1M count=8 iflag=direct oflag=direct status=none
cmp -n 8388608 /tmp/data "$b"
refused "no-such-target: unknown target type" dmsetup create bad --table "0 8 no-such-target"
need_module dm-delay dm-flakey dm-integrity xfs nbd algif_hash
assert_eq "$(cat /sys/class/net/lo/operstate)" unknown "loopback"
nbdkit --version > /dev/null
