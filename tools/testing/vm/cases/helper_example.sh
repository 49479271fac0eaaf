# SPDX-License-Identifier: GPL-2.0
#
# rule: U1 the example helper repairs under asyncio, and is never woken for nothing
# kernels: stock
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"
grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
mapper=/dev/mapper/t0
[ -e "$mapper" ] || mapper=$dev

helper()
{
	python3 "$GRID_TOP/tools/lib/examples/helper.py" "$mapper" "$replica" > /tmp/helper.log 2>&1 &
	helper=$!
	defer kill_wait $helper
	wait_until 60 helps
}
helps() { gridctl --json status t0 | grep -q '"helpers":1,'; }
defer rm -f /tmp/helper.log
helper
lose 1 2 3
wait_until 60 is waiting 0
cmp "$replica" "$dev"
# Without a checksum, many at once, and while somebody reads.
spoil 100 101 102 103
gridctl enqueue t0 100-103 > /dev/null
cmp "$replica" "$dev"
wait_until 60 is waiting 0
# A block that the replica doesn't have is said to be unavailable.
truncate -s -64K "$replica"
spoil 255
gridctl enqueue t0 255 > /dev/null
wait_until 60 is unavailable 1
# Nothing is left to be done: whoever spins now is woken for nothing, or counts
# up time.
ticks() { awk '{ print $14 + $15 }' /proc/$helper/stat; }
before=$(ticks)
sleep 2
log "idle for 2 s: $(($(ticks) - before)) ticks"
kill $helper
wait $helper || fail "$(cat /tmp/helper.log)"
grep -q "^7 repaired, [1-9][0-9]* events, 0 wake-ups for nothing" /tmp/helper.log ||
	fail "$(tail -n 3 /tmp/helper.log)"

# The device goes, and so does a helper.
helper
dm_remove t0
wait $helper || fail "$(cat /tmp/helper.log)"
grep -q "0 wake-ups for nothing" /tmp/helper.log || fail "$(tail -n 3 /tmp/helper.log)"
