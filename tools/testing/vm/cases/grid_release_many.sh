# SPDX-License-Identifier: GPL-2.0
#
# rule: D5 thousands of blocks are released and freed at once: all of them, and no other
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1
#
# The target does such work in slices, but a run is one discard below.
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 12 4096 "flush trim" no_helper_ms:3600000

log "while some are freed already, and some are not to be"
discard 0
discard 2
hold keep trim 0
flush
wait_until 60 held 1
discard 4 2500
assert_eq "$(dm_get t0 released)" 2500
flush
assert_eq "$(dm_get t0 released)" 0 "not all are freed"
assert_eq "$(dm_get t0 discarding)" 2502
discard 3000 3
disk mark
disk release
wait_until 60 is discarding 0
disk count trim $((4 * bs)) $((2500 * bs))
assert_eq "$REPLY" 1 "discards below of one run"
assert_eq "$(dm_get t0 released)" 3
for run in 0:1 2:1 4:2500; do
	dd if=/dev/zero of="$replica" bs="$bs" seek=${run%:*} count=${run#*:} conv=notrunc status=none
done
cmp "$replica" "$disk_file"
