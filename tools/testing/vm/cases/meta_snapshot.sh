# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M2 a commit of the background is wanted while a snapshot is being written
# kernels: newest
# timeout: 90
# boot: shared
# cpus: 1
#
# The metadata's disk holds a piece of a snapshot, and so the worker that writes it.

. "$GRID_TOP/tools/testing/load/run.sh"

bs=4096
n=40000 # records: so that half of the log is full soon
load_modules
need_module nbd
file_disk data lower 192
disk_start meta /dev/nbd1 64 flush fua
set_for_now /sys/module/dm_grid/parameters/commit_ms 1
meta_create /dev/nbd1 --block-size=4K --checksum=none --blocks-max=$((n + 10))
defer disk_let_go meta
seq -f '%.0f -' 0 $((n - 1)) > /tmp/many
defer rm -f /tmp/many /tmp/stop
tracing
event=$t/events/workqueue/workqueue_execute_end/enable
defer eval "echo 0 > $event"

# Both places of a snapshot: from 1 MiB on, up to the log.
log_place=$(($(od -An -t u8 -j 384 -N 8 "/tmp/meta.data") * 4096))
piece_held()
{
	tell meta held
	[ "$REPLY" = 1 ]
}
churn()
{
	while [ ! -e /tmp/stop ]; do
		gridctl enqueue t0 - < /tmp/many || return
		gridctl cancel t0 --all --force || return
	done
}
ticked() { grep -q 'function grid_meta_ticker' $t/trace; }

log "the tick comes though the worker is held (M2)"
tell meta keep write 1048576 $((log_place - 1048576))
begin churn churn
wait_until 120 piece_held
touch /tmp/stop
echo > $t/trace
echo 1 > "$event"
# A change that nobody waits for.
wait_until 60 dmsetup message t0 0 enqueue $((n + 1))
wait_until 120 ticked
echo 0 > "$event"
piece_held || fail "the worker went on"
tell meta release
finish_well churn
assert_eq "$(dm_get t0 metadata)" ok
gridctl metadata check /tmp/meta.data > /dev/null
assert_verified
