# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 a write in flight when its block is enqueued and repaired is not lost
# kernels: all
# timeout: 90
# boot: shared
#
# A suspended dm-linear below holds what the grid submits, as long as we like.
# A write is in flight when its block is declared missing and a repair comes:
# the write must not be acknowledged before it was issued anew after the
# repair, and both contents must be there.
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_gate 16 65536 checksum:sha256 no_helper_ms:60000
sum9=$(checksum 9)
sum12=$(checksum 12)

# The repair waits for the write.
drain_ms 60000
head -c 4096 /dev/urandom > /tmp/small
gate_close
dd if=/tmp/small of="$dev" bs=4096 seek=$((9 * bs / 4096 + 1)) count=1 \
	oflag=direct conv=notrunc status=none &
writer=$!
wait_until 20 in_flight 1
dmsetup message t0 0 enqueue 9 "$sum9"
mend 9 &
mender=$!
wait_until 20 is writing 1
gate_open
wait $mender
wait $writer
assert_eq "$(dm_get t0 waiting)" 0
dd if="$dev" bs=4096 skip=$((9 * bs / 4096 + 1)) count=1 iflag=direct status=none |
	cmp - /tmp/small || fail "the write in flight is lost"
dd if="$dev" bs=4096 skip=$((9 * bs / 4096)) count=1 iflag=direct status=none |
	cmp -n 4096 - <(block 9) ||
	fail "the repair is lost"

log "a whole-block write in flight against a repair: the write wins"
spoil 12
dmsetup message t0 0 enqueue 12 "$sum12"
head -c "$bs" /dev/urandom > /tmp/new
gate_close
dd if=/tmp/new of="$dev" bs="$bs" seek=12 count=1 oflag=direct conv=notrunc status=none &
writer=$!
wait_until 20 in_flight 1
assert_eq "$(dm_get t0 waiting)" 1 "superseded before the write had succeeded"
mend 12 &
mender=$!
wait_until 20 is writing 1
gate_open
wait $mender
wait $writer
assert_eq "$(dm_get t0 waiting)" 0
dd if="$dev" bs="$bs" skip=12 count=1 iflag=direct status=none | cmp - /tmp/new ||
	fail "the acknowledged write is lost"
