# SPDX-License-Identifier: GPL-2.0
#
# rule: D5 D11 U1 checkpoint revert: what is released and not yet freed is in use again, and told
# kernels: stock
# timeout: 90
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/load/run.sh"

# trimmed BLOCK N: so many discards of it have come below.
trimmed()
{
	came trim "$1"
	assert_eq "$REPLY" "$2" "discards of block $1"
}

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
random_file /tmp/page 4096

log "an application died after its discards: the next one's flush frees nothing of it"
discard 3
discard 4
assert_eq "$(dm_get t0 released)" 2
disk mark
gridctl checkpoint t0 revert
assert_eq "$(dm_get t0 released)" 0
put /tmp/page 9 0
flush
wait_until 60 is discarding 0
trimmed 3 0
trimmed 4 0
assert_eq "$(sum_dev 3)" "$(sum_replica 3)"

log "what is discarded afterwards is freed as ever"
discard 4
flush
wait_until 60 is discarding 0
trimmed 4 1

log "a barrier that runs frees what it has; what came later is reverted"
discard 5
disk mark
hold keep flush 0
begin barrier flush
wait_until 60 held 1
discard 6
must_fail "resource busy" dmsetup message t0 0 checkpoint revert
begin revert gridctl checkpoint t0 revert
chance
not_ended revert "reverted beside a barrier"
disk release
finish_well barrier revert
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 released)" 0
flush
trimmed 5 1
trimmed 6 0

log "checkpoint:explicit: both generations, and the checkpoint is none any more"
dm_remove t0
dm_create t0 "$(grid_table no_helper_ms:3600000 checkpoint:explicit)"
monitor_begin
disk mark
discard 7
id=$(dmsetup message t0 0 checkpoint take)
discard 8
dmsetup message t0 0 checkpoint revert
wait_until 60 is released 0
wait_until 20 told checkpoint-reverted 0
told checkpoint-taken "$id"
must_fail "checkpoint durable: .*no such table or checkpoint" gridctl checkpoint t0 durable "$id"
next=$(dmsetup message t0 0 checkpoint take)
[ "$next" -gt "$id" ] || fail "checkpoint $next after $id"
gridctl checkpoint t0 durable "$next"
wait_until 60 is discarding 0
trimmed 7 0
trimmed 8 0

log "durable during a sync jump: busy, and it can be done afterwards"
discard 10
id=$(dmsetup message t0 0 checkpoint take)
gridctl sync-jump t0 commence
must_fail "checkpoint durable: busy" gridctl checkpoint t0 durable "$id"
gridctl sync-jump t0 complete
gridctl checkpoint t0 durable "$id"
wait_until 60 is discarding 0
trimmed 10 1

monitor_end

log "a device that goes while blocks are missing says so"
miss 11 12
dm_remove t0
case_dmesg | grep -q "removed while 2 blocks are missing" ||
	fail "no word of the blocks that were missing"
