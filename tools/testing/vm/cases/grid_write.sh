# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 T15 a whole-block write makes good, a smaller one waits for the repair
# kernels: all
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_setup 16 65536 checksum:sha256 no_helper_ms:60000

log "a whole-block write supersedes the fault"
lose 3
head -c "$bs" /dev/urandom > /tmp/new
dd if=/tmp/new of="$dev" bs="$bs" seek=3 count=1 oflag=direct conv=notrunc status=none
assert_eq "$(dm_get t0 waiting)" 0 "faults after the write"
assert_eq "$(dm_get t0 superseded)" 1
dd if="$dev" bs="$bs" skip=3 count=1 iflag=direct status=none | cmp - /tmp/new

log "one that spans blocks supersedes those it covers, and waits for the others"
lose 5 6 7
head -c $((2 * bs)) /dev/urandom > /tmp/new
(
	dd if=/tmp/new of="$dev" bs=$((2 * bs)) count=1 oflag=direct,seek_bytes \
		seek=$((5 * bs + bs / 2)) conv=notrunc status=none
) &
writer=$!
wait_until 10 parked 2
wait_until 10 is superseded 2
mend 5
assert_eq "$(dm_get t0 waiting)" 1 "block 6 is covered"
mend 7
wait $writer
assert_eq "$(dm_get t0 waiting)" 0
{
	dd if="$replica" bs=$((bs / 2)) skip=10 count=1 status=none
	cat /tmp/new
	dd if="$replica" bs=$((bs / 2)) skip=15 count=1 status=none
} > /tmp/want
dd if="$dev" bs="$bs" skip=5 count=3 iflag=direct status=none | cmp - /tmp/want

log "a small write to a missing block is not lost by the repair"
lose 9
head -c 4096 /dev/urandom > /tmp/small
(
	dd if=/tmp/small of="$dev" bs=4096 seek=$((9 * bs / 4096 + 1)) count=1 \
		oflag=direct conv=notrunc status=none
) &
writer=$!
wait_until 10 parked 1
mend 9
wait $writer
dd if="$dev" bs=4096 skip=$((9 * bs / 4096 + 1)) count=1 iflag=direct status=none |
	cmp - /tmp/small
dd if="$dev" bs=4096 skip=$((9 * bs / 4096)) count=1 iflag=direct status=none |
	cmp -n 4096 - <(block 9)

log "all of a block but its last page is not all of it"
lose 10
head -c $((bs - 4096)) /dev/urandom > /tmp/most
dd if=/tmp/most of="$dev" bs=$((bs - 4096)) count=1 oflag=direct,seek_bytes \
	seek=$((10 * bs)) conv=notrunc status=none &
writer=$!
wait_until 10 parked 1
mend 10
wait $writer
dd if="$replica" bs=4096 skip=$((11 * bs / 4096 - 1)) count=1 status=none >> /tmp/most
dd if="$dev" bs="$bs" skip=10 count=1 iflag=direct status=none | cmp - /tmp/most

log "on_missing:error fails reads and small writes, whole writes pass"
dmsetup message t0 0 set on_missing:error
lose 12
read_fails 12 "No data available"
must_fail "error writing .*: No data available" dd if=/tmp/small of="$dev" bs=4096 seek=$((12 * bs / 4096)) count=1 oflag=direct
head -c "$bs" /dev/urandom > /tmp/new
dd if=/tmp/new of="$dev" bs="$bs" seek=12 count=1 oflag=direct conv=notrunc status=none
assert_eq "$(dm_get t0 waiting)" 0

log "a disk that takes little at once cuts no block: the grid gets it whole"
dm_remove t0
set_for_now "/sys/block/${lower#/dev/}/queue/max_sectors_kb" 64
bs=131072
dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000 on_missing:error)"
lose 3 4
head -c $((2 * bs)) /dev/urandom > /tmp/new
dd if=/tmp/new of="$dev" bs=$((2 * bs)) seek=$((3 * bs)) count=1 oflag=direct,seek_bytes \
	conv=notrunc status=none
assert_eq "$(dm_get t0 superseded)" 2
dd if="$dev" bs="$bs" skip=3 count=2 iflag=direct status=none | cmp - /tmp/new
