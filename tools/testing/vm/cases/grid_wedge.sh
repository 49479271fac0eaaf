# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 removal, internal suspends, held devices and failing disks hang nothing, and nothing hangs them
# kernels: all
# timeout: 180
# boot: shared
#
# Readers may wait for an hour here, so what ends one is never the time. All
# that could hang has a limit, the case's own at last.
. "$GRID_TOP/tools/testing/vm/grid.sh"

state() { sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status"; }
sleeps_hard() { [ "$(state "$1")" = D ]; }
none_sleeps_hard() { ! grep -q '^State:.D' /proc/[0-9]*/status 2> /dev/null; }

# read_missing BLOCK: a read that parks; $reader is its process.
read_missing()
{
	read_background "$1" /tmp/out
	reader=$REPLY
	wait_until 60 parked 1
}

# ends_badly PATTERN, ends_well BLOCK: the reader does.
ends_badly()
{
	wait "$reader"
	assert_ne "$(cat /tmp/out.status)" 0 "data was invented"
	assert_match "$(cat /tmp/out.error)" "$1"
}

ends_well()
{
	wait "$reader"
	assert_eq "$(cat /tmp/out.status)" 0 "$(cat /tmp/out.error)"
	cmp /tmp/out <(block "$1")
}

options="checksum:sha256 park_timeout_ms:3600000 no_helper_ms:3600000"
# shellcheck disable=SC2086
grid_setup 4 65536 $options
defer rm -f /tmp/out /tmp/out.status /tmp/out.error /tmp/small /tmp/out2

log "remove: busy; with --force its readers end, and the module can go"
lose 3
read_missing 3
must_fail "resource busy" dmsetup remove t0
must_fail "dm_grid is in use" rmmod dm-grid
parked 1
within 100 dmsetup remove --force t0 2> /dev/null || :
ends_badly "Input/output error"
dm_remove t0
must_fail "no such device" gridctl status t0
rmmod dm-grid grid_missing
load_modules

log "held: a noflush suspend gives back what waits for ready, also if that comes meanwhile"
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options start:held)"
read_missing 4
within 100 dmsetup suspend --noflush --nolockfs t0
parked 0
dmsetup resume t0
wait_until 60 parked 1
within 100 dmsetup suspend --noflush --nolockfs t0
dmsetup message t0 0 ready
dmsetup resume t0
ends_well 4
# It was forgotten when the device went.
lose 3
mend 3

log "a flush suspend waits for readers, and repairs go on until they have ended"
lose 5
read_missing 5
within 100 dmsetup suspend --nolockfs t0 &
suspend=$!
wait_until 60 is suspended 1
mended=1
mend 5 || mended=0
if [ $mended = 0 ] && is timeouts 0; then
	fail "a repair was refused while the suspend waited for the reader"
fi
wait $suspend
if is timeouts 0; then
	ends_well 5
	dmsetup resume t0
else
	# 10 s were over before the repair came.
	ends_badly "Input/output error"
	dmsetup resume t0
	[ $mended = 1 ] || mend 5
fi

log "an internal suspend calls no hook: a repair ends it, or the time-out"
lose 6 7
read_missing 6
dmsetup message t0 0 @stats_create - /1 > /dev/null &
suspend=$!
wait_until 60 sleeps_hard $suspend
mend 6
wait $suspend
ends_well 6
read_missing 7
dmsetup message t0 0 @stats_create - /1 > /dev/null &
suspend=$!
wait_until 60 sleeps_hard $suspend
parked 1
dmsetup message t0 0 set park_timeout_ms:1
wait $suspend
ends_badly "Input/output error"
mend 7
dm_remove t0

log "the disk below fails for a while"
disk=$lower
dm_create below "0 $(sectors "$disk") linear $disk 0"
lower=$REPLY
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options)"
becomes() { retable below "0 $(sectors "$disk") $*"; }
lose 8 9
read_missing 8
head -c 4096 /dev/urandom > /tmp/small
dd if=/tmp/small of="$dev" bs=4096 seek=$((9 * 16 + 1)) count=1 oflag=direct \
	conv=notrunc status=none &
writer=$!
wait_until 60 parked 2
becomes error
must_fail "block 8: the lower device failed the write.*block 9: the lower device failed the write" mend 8 9
assert_eq "$(dm_get t0 waiting)" 2
assert_eq "$(dm_get t0 write_failed)" 2
must_fail "error writing .*: Input/output error" dd if=/tmp/small of="$dev" bs=4096 count=1 oflag=direct conv=notrunc status=none
dd if="$dev" of=/tmp/out2 bs="$bs" skip=20 count=1 iflag=direct status=none &
other=$!
wait_until 60 is detected 1
wait_until 60 parked 3
within 100 dmsetup suspend --noflush --nolockfs t0
parked 0
becomes linear "$disk" 0
dmsetup resume t0
wait_until 60 parked 3
mend 8 9 20 --trust
ends_well 8
wait $writer
wait $other
cmp /tmp/out2 <(block 20)
dd if=/tmp/small of="$replica" bs=4096 seek=$((9 * 16 + 1)) conv=notrunc status=none
cmp "$replica" "$dev"
assert_eq "$(dm_get t0 waiting)" 0
wait_until 60 none_sleeps_hard
