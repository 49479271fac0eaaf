# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 gridrepaird waits for its server and its device, and comes back to both
# kernels: newest
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"
load_modules

log "neither device nor server are there"
repaird --source nbd://127.0.0.1:10809/
wait_until 30 grep -q "t0: the device is not there" /tmp/repaird.log
grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
wait_until 30 grep -q "t0: attached" /tmp/repaird.log
wait_until 30 grep -q "source nbd://127.0.0.1:10809/: cannot connect" /tmp/repaird.log
lose 1 2 3
# Nobody waits for a source that has never answered.
wait_until 40 is unavailable 3
read_fails 2 "No data available"
must_fail "all 3 blocks left are marked unavailable" gridctl wait t0 --timeout=1s
serve 10809 file "$replica"
server=$REPLY
wait_until 60 is waiting 0
assert_eq "$(sum_dev 2)" "$(sum_replica 2)"

log "the server is killed, and comes back"
kill -9 "$server"
wait "$server" || :
lose 5 6
serve 10809 file "$replica"
wait_until 60 is waiting 0

log "the device is removed under it, and comes back"
missed() { gridrepaird --status | grep -q "^device t0: not there"; }
! missed || fail "it is away already"
dm_remove t0
wait_until 30 missed
dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000)"
lose 7 8
wait_until 60 is waiting 0
stop_repaird
cmp "$replica" "$dev"
