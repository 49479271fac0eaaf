# SPDX-License-Identifier: GPL-2.0
#
# rule: D1 D3 D4 a read of a missing block waits, and gets the repaired data
# kernels: all
# timeout: 60
# boot: shared
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
assert_eq "$(sum_dev 7)" "$(sum_replica 7)" "block 7 before"

log "a read of a missing block parks, and wakes with the right data"
lose 3 4 5
read_background 3 /tmp/out3
reader=$REPLY
wait_until 10 parked 1
assert_eq "$(dm_get t0 waiting)" 3
[ ! -e /tmp/out3.status ] || fail "the read ended before the repair"
mend 3
wait "$reader"
assert_eq "$(cat /tmp/out3.status)" 0 "status of the read"
assert_eq "$(sha256sum < /tmp/out3 | cut -c1-64)" "$(sum_replica 3)" "data read"
assert_eq "$(sum_lower 3)" "$(sum_replica 3)" "data below"

# Which is not among the few programs of an arm64 guest.
if type fio > /dev/null 2>&1; then
	log "very many that wait for one block all wake, in slices of 1024"
	lose 6
	fio --name=many --filename="$dev" --direct=1 --rw=read --bs=512 --offset=$((6 * bs)) \
		--size=$bs --ioengine=libaio --iodepth=128 --thread --numjobs=20 \
		--output=/tmp/many &
	many=$!
	wait_until 30 parked 2560
	mend 6
	wait $many
	assert_eq "$(dm_get t0 parked)" 0
fi

log "a read across healthy and missing blocks waits for all it touches"
(
	dd if="$dev" of=/tmp/span bs=$((6 * bs)) count=1 iflag=direct,skip_bytes \
		skip=$((2 * bs)) status=none
) &
reader=$!
wait_until 10 parked 2
mend 4
wait_until 10 is waiting 1
wait_until 10 parked 1
mend 5
wait "$reader"
dd if="$replica" bs="$bs" skip=2 count=6 status=none | cmp - /tmp/span

log "wrong data is refused, and nothing changes below"
lose 9
before=$(sum_lower 9)
head -c "$bs" /dev/urandom > /tmp/wrong
must_fail "block 9: the data doesn.t match the checksum" gridctl repair t0 9 "$(checksum 9)" --data /tmp/wrong
assert_eq "$(sum_lower 9)" "$before" "a refused repair wrote"
assert_eq "$(dm_get t0 waiting)" 1
assert_eq "$(dm_get t0 verify_failed)" 1
mend 9
assert_eq "$(sum_dev 9)" "$(sum_replica 9)"

log "cancel forgets: the lower device's data is back"
lose 11
gridctl cancel t0 11 --force
assert_eq "$(sum_dev 11)" "$(sum_lower 11)"
assert_eq "$(dm_get t0 waiting)" 0
