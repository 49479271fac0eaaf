# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: D9 what memory can't hold is ENOMEM, and no process is killed for it
# kernels: all
# timeout: 90
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

meminfo() { awk -v k="$1:" '$1 == k { print $2 }' /proc/meminfo; }
oom_kills() { awk '$1 == "oom_kill" { print $2 }' "${1:-/proc/vmstat}"; }
# limits KIB: maxima that take so much
limits() { echo "blocks_max:$(($1 * 1024 / 48)) tables_max:0 detect:on"; }

# create_private BLOCKS-MAX: a private tracker, gone with its file
create_private()
{
	python3 - "$1" << 'END'
import fcntl, os, struct, sys
fd = os.open("/dev/grid_missing", os.O_RDWR)
arg = bytearray(struct.pack("<IIQIIIIII", 40, 0, 0, int(sys.argv[1]), 0, 1, 0, 0, 0))
fcntl.ioctl(fd, 0xbd03, arg)
END
}

grid_disk 16 65536
lower=$REPLY
before=$(oom_kills)

log "less than the machine has, but more than is available"
# Memory that nobody can take back: there is no swap.
mkdir -p /tmp/eaten
mount -t tmpfs none /tmp/eaten
defer umount /tmp/eaten
head -c $(($(meminfo MemAvailable) * 1024 / 3)) /dev/zero > /tmp/eaten/file
want=$((($(meminfo MemTotal) + $(meminfo MemAvailable)) / 2))
# shellcheck disable=SC2046
refused "would need $((want / 1024 - 1))|would need $((want / 1024))" \
	dmsetup create t0 --noudevsync --table "$(grid_table $(limits $want))"
assert_match "$(marked_dmesg)" "the machine has [0-9]+ MiB, of which [0-9]+ MiB are available"
must_fail "Cannot allocate memory" create_private $((want * 1024 / 48))
rm /tmp/eaten/file

log "a reload is asked for what it takes besides"
# shellcheck disable=SC2046
dm_create t0 "$(grid_table $(limits $(($(meminfo MemAvailable) / 2))))"
# shellcheck disable=SC2046
refused "more faults or blocks than memory can hold" dmsetup load t0 --table \
	"$(grid_table $(limits $(($(meminfo MemAvailable) * 5 / 4))))"
# Its maxima stay: not even what it has is asked for again.
lines=$(sectors "$lower")
retable t0 "$(dmsetup table t0 | sed "s/^0 $lines /0 $((lines / 2)) /")"
dm_remove t0

log "more than its cgroup may have"
cgroups memory small
echo 32M > /tmp/cgroup/small/memory.max
# shellcheck disable=SC2046
refused "create the tracker" in_cgroup small dmsetup create t0 --noudevsync --table \
	"$(grid_table $(limits 131072))"
must_fail "Cannot allocate memory" in_cgroup small create_private $((131072 * 1024 / 48))
assert_eq "$(oom_kills /tmp/cgroup/small/memory.events)" 0 "killed in the cgroup"
assert_eq "$(oom_kills)" "$before" "killed"
