# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 D10 every parked bio ends in time, and later readers fail at once
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_setup 16 65536 checksum:sha256 park_timeout_ms:1000 no_helper_ms:60000
lose 3 4

log "a read ends with EIO when its time is over"
read_fails 3 "Input/output error"
assert_eq "$(dm_get t0 timeouts)" 1
assert_eq "$(dm_get t0 unavailable)" 1

log "half its time over, a warning named the block"
defer rm -f /tmp/log
# Both halves may be over at once where the machine stalls.
warned()
{
	case_dmesg > /tmp/log
	grep -q "block 3: half of the time" /tmp/log && return
	gridctl retry t0 3
	read_fails 3 "Input/output error"
	return 1
}
wait_until 60 warned
timeouts=$(dm_get t0 timeouts)

log "later ones fail at once, until retry"
dmsetup message t0 0 set park_timeout_ms:60000
read_fails 3 "No data available"
assert_eq "$(dm_get t0 timeouts)" "$timeouts" "the second one waited"
gridctl retry t0 3
read_background 3 /tmp/out
reader=$REPLY
wait_until 10 parked 1
mend 3
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
assert_eq "$(dm_get t0 unavailable)" 0

log "no helper: the shorter limit"
dmsetup message t0 0 set park_timeout_ms:3600000
dmsetup message t0 0 set no_helper_ms:500
read_fails 4 "Input/output error"
assert_eq "$(dm_get t0 timeouts)" $((timeouts + 1))

log "a helper says that nobody has it: readers fail, also those that wait"
dmsetup message t0 0 set no_helper_ms:60000
gridctl retry t0 4
read_background 4 /tmp/out
reader=$REPLY
wait_until 10 parked 1
gridctl unavailable t0 4
wait "$reader"
assert_ne "$(cat /tmp/out.status)" 0
gridctl retry t0 4
mend 4
assert_eq "$(sum_dev 4)" "$(sum_replica 4)"

log "more at once than the kernel ends in one go"
dmsetup message t0 0 set park_timeout_ms:3600000
gridctl enqueue t0 0-$((blocks - 1)) > /dev/null
fio --name=r --filename="$dev" --rw=read --bs=4k --size=10M --direct=1 --ioengine=libaio \
	--iodepth=2560 --continue_on_error=read --output=/dev/null &
reader=$!
wait_until 60 parked 2560
dmsetup message t0 0 set park_timeout_ms:0
wait "$reader" || :
assert_eq "$(dm_get t0 parked)" 0
gridctl cancel t0 --all --force

log "a time-out of 0 fails at once"
dmsetup message t0 0 set park_timeout_ms:0
lose 5
read_fails 5 "Input/output error"
mend 5
