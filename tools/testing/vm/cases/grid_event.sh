# SPDX-License-Identifier: GPL-2.0
#
# rule: D8 a dm event for every change between clean and missing, and for nothing else
# kernels: stock
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

events() { dmsetup info -c --noheadings -o events t0; }
events_are() { [ "$(events)" = "$1" ]; }

grid_setup 4 65536 checksum:sha256 no_helper_ms:60000
n=$(events)

log "clean to missing wakes a waiter; more of it doesn't"
dmsetup wait t0 "$n" > /dev/null &
waiter=$!
lose 3
wait $waiter
wait_until 60 events_are $((n + 1))
lose 4 5
mend 4

log "missing to clean wakes one"
dmsetup wait t0 $((n + 1)) > /dev/null &
waiter=$!
mend 3 5
wait $waiter
wait_until 60 events_are $((n + 2))

log "a supersede and a cancel are as good as a repair"
lose 6
wait_until 60 events_are $((n + 3))
dd if="$replica" of="$dev" bs="$bs" skip=6 seek=6 count=1 oflag=direct conv=notrunc status=none
wait_until 60 events_are $((n + 4))
lose 7
wait_until 60 events_are $((n + 5))
gridctl cancel t0 7 --force
wait_until 60 events_are $((n + 6))

log "a reload doesn't count"
dmsetup suspend --noflush --nolockfs t0
dmsetup load t0 --table "$(grid_table checksum:sha256 no_helper_ms:50000)"
dmsetup resume t0
lose 8
wait_until 60 test "$(dm_get t0 waiting)" = 1
mend 8
