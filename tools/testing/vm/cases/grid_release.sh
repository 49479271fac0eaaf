# SPDX-License-Identifier: GPL-2.0
#
# rule: D5 T8 T9 discards are staged, a flush is the barrier, what it frees is not repaired
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_setup 16 65536 checksum:sha256 no_helper_ms:60000

log "a discard releases: still readable, still repairable"
lose 3 4
discard 3 4
assert_eq "$(dm_get t0 released)" 4
assert_eq "$(sum_dev 5)" "$(sum_replica 5)"
mend 3
assert_eq "$(sum_dev 3)" "$(sum_replica 3)"

log "a reader of the other waits; the flush frees the block, and it ends with an error"
read_background 4 /tmp/out
reader=$REPLY
wait_until 10 parked 1
flush
wait "$reader"
assert_ne "$(cat /tmp/out.status)" 0 "data was invented"
assert_eq "$(dm_get t0 waiting)" 0
assert_eq "$(dm_get t0 freed)" 1
wait_until 10 is discarding 0
assert_eq "$(dm_get t0 released)" 0
must_fail "block 4: no fault" mend 4

log "the discard went down, for all four"
for b in 3 4 5 6; do
	assert_eq "$(sum_lower $b)" "$(head -c "$bs" /dev/zero | sha256sum | cut -c1-64)" "block $b"
done

log "a write to a released block takes it out of the set"
discard 8 2
head -c "$bs" /dev/urandom > /tmp/new
dd if=/tmp/new of="$dev" bs="$bs" seek=8 count=1 oflag=direct conv=notrunc status=none
assert_eq "$(dm_get t0 released)" 1
flush
wait_until 10 is discarding 0
dd if="$dev" bs="$bs" skip=8 count=1 iflag=direct status=none | cmp - /tmp/new ||
	fail "the discard came after the write"

log "parts of blocks are ignored"
blkdiscard -f -o $((12 * bs + 4096)) -l $((bs - 4096)) "$dev"
blkdiscard -f -o $((14 * bs)) -l $((bs - 4096)) "$dev"
assert_eq "$(dm_get t0 released)" 0

log "checkpoint:explicit: two generations"
dm_remove t0
dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000 checkpoint:explicit)"
lose 20 21
discard 20 1
id=$(gridctl checkpoint t0 take | grep -o '[0-9]*' | head -n 1)
discard 21 1
flush
assert_eq "$(dm_get t0 waiting)" 2 "a flush freed something"
gridctl checkpoint t0 durable "$id"
assert_eq "$(dm_get t0 waiting)" 1 "only the first generation is freed"
mend 21
assert_eq "$(sum_dev 21)" "$(sum_replica 21)"
must_fail "checkpoint durable: .*no such table or checkpoint" gridctl checkpoint t0 durable 77
