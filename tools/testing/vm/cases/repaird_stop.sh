# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 D3 a stopped gridrepaird costs readers EIO in time; when it goes on all is well
# kernels: newest
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"
grid_setup 4 65536 checksum:sha256 park_timeout_ms:2000
serve 10809 file "$replica"
repaird --source nbd://127.0.0.1:10809/
wait_until 60 grep -q connected /tmp/repaird.log
kill -STOP "$daemon"
stopped() { [ -z "$(grep -L "^State:.T" /proc/"$daemon"/task/*/status || :)" ]; }
wait_until 20 stopped
lose 1 2 3
read_background 2 /tmp/out
defer rm -f /tmp/out /tmp/out.status /tmp/out.error
reader=$REPLY
wait "$reader"
assert_ne "$(cat /tmp/out.status)" 0 "a reader of what nobody repairs"
grep -q "Input/output error" /tmp/out.error || fail "the reader: $(cat /tmp/out.error)"
assert_eq "$(dm_get t0 repaired)" 0
kill -CONT "$daemon"
gridctl wait t0 --timeout="$(long 40)s"
cmp "$replica" "$dev"
assert_eq "$(dm_get t0 repaired)" 3
assert_eq "$(dm_get t0 unavailable)" 0
stop_repaird
