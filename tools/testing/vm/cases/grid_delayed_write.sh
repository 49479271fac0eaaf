# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 a write in flight when its block is enqueued and repaired is not lost
# kernels: all
# timeout: 90
# boot: shared
#
# dm-delay below holds writes. A small write is in flight when its block is
# declared missing: the repair must wait for it, the write must not be
# acknowledged before it was issued anew, and both contents must be there.
. "$GRID_TOP/tools/testing/vm/grid.sh"
need_module dm-delay

grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
dm_remove t0
dm_create slow "0 $(sectors "$lower") delay $lower 0 0 $lower 0 700"
disk=$lower
lower=$REPLY
dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000)"

head -c 4096 /dev/urandom > /tmp/small
(
	dd if=/tmp/small of="$dev" bs=4096 seek=$((9 * bs / 4096 + 1)) count=1 \
		oflag=direct conv=notrunc status=none
	date +%s%N > /tmp/acknowledged
) &
writer=$!
sleep 0.3
gridctl enqueue t0 "9:$(checksum 9)" > /dev/null
[ ! -e /tmp/acknowledged ] || fail "the write was not in flight: nothing tested"
mend 9
date +%s%N > /tmp/repaired
wait $writer
assert_eq "$(dm_get t0 waiting)" 0
dd if="$dev" bs=4096 skip=$((9 * bs / 4096 + 1)) count=1 iflag=direct status=none |
	cmp - /tmp/small || fail "the write in flight is lost"
dd if="$dev" bs=4096 skip=$((9 * bs / 4096)) count=1 iflag=direct status=none |
	cmp -n 4096 - <(dd if="$replica" bs="$bs" skip=9 count=1 status=none) ||
	fail "the repair is lost"

log "a whole-block write in flight against a repair: the write wins"
lower=$disk
spoil 12
gridctl enqueue t0 "12:$(checksum 12)" > /dev/null
head -c "$bs" /dev/urandom > /tmp/new
(
	dd if=/tmp/new of="$dev" bs="$bs" seek=12 count=1 oflag=direct conv=notrunc status=none
) &
writer=$!
sleep 0.3
gridctl repair t0 --from "$replica" 12 > /tmp/log 2>&1 || cat /tmp/log
wait $writer
assert_eq "$(dm_get t0 waiting)" 0
dd if="$dev" bs="$bs" skip=12 count=1 iflag=direct status=none | cmp - /tmp/new ||
	fail "the acknowledged write is lost"
