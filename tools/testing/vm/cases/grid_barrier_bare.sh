# SPDX-License-Identifier: GPL-2.0
#
# rule: D5 a lower device without a write cache and without discard
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "" no_helper_ms:3600000
assert_eq "$(cat /sys/block/nbd0/queue/discard_max_bytes)" 0
assert_match "$(cat /sys/block/nbd0/queue/write_cache)" "write through"

log "a flush is the barrier, and frees"
miss 3 4
discard 3
read_background 3 /tmp/out
reader=$REPLY
wait_until 60 parked 1
dd if=/dev/null of="$dev" conv=fsync,notrunc status=none
wait "$reader"
assert_ne "$(cat /tmp/out.status)" 0 "data was invented"
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 checkpoints)" 1
assert_eq "$(dm_get t0 released)" 0
assert_eq "$(dm_get t0 waiting)" 1
must_fail "block 3: no fault" repair 3
repair 4

log "what was freed may be used, and enqueued"
random_file /tmp/page 4096
put /tmp/page 3 2
miss 3
repair 3
assert_eq "$(sum_dev 3)" "$(sum_replica 3)"
disk count flush 0 0
assert_eq "$REPLY" 0
disk count trim 0 $((blocks * bs))
assert_eq "$REPLY" 0
