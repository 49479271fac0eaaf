# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 a write held back at its completion gets its own time, not that of a bio before it
# kernels: stock
# timeout: 120
# boot: shared
# cpus: 1
#
# dm reuses the memory of a bio that has ended, and the target's part of it is
# not cleared. Reads wait for a while and end; the writes that come next, held
# back, can't have waited longer than since they were submitted.
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_on_gate 4 65536 checksum:sha256 no_helper_ms:60000
defer rm -f /tmp/small

lose {1..4}
readers=()
for b in {1..4}; do
	read_background "$b" "/tmp/out$b"
	defer rm -f "/tmp/out$b" "/tmp/out$b.status" "/tmp/out$b.error"
	readers+=("$REPLY")
done
wait_until 60 parked 4
wait_until 60 waited_ms 2000
mend {1..4}
wait "${readers[@]}"

sums=()
for b in {9..12}; do
	sums[b]=$(checksum "$b")
done
head -c 4096 /dev/urandom > /tmp/small
gate_close
begin=$(now_ms)
writers=()
for b in {9..12}; do
	dd if=/tmp/small of="$dev" bs=4096 seek=$((b * 16 + 1)) count=1 \
		oflag=direct conv=notrunc status=none &
	writers+=($!)
done
wait_until 60 in_flight 4
for b in {9..12}; do
	dmsetup message t0 0 enqueue "$b" "${sums[b]}"
done
gate_open
wait_until 60 parked 4
waited=$(dm_get t0 oldest_waiting_ms)
limit=$(($(now_ms) - begin + 100))
[ "$waited" -le $limit ] ||
	fail "a write has waited for $waited ms, but all of them came in the last $limit ms"
mend {9..12}
wait "${writers[@]}"
assert_eq "$(dm_get t0 timeouts)" 0
