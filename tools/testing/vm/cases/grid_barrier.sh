# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D5 T9 T10 barriers: what they wait for, what they free, what they leave alone
# kernels: stock
# timeout: 150
# boot: shared
#
# What reaches the disk below is held and counted there.
. "$GRID_TOP/tools/testing/load/run.sh"

flushes() { disk count flush 0 0; }

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
random_file /tmp/page 4096
random_file /tmp/whole "$bs"

log "a write during the barrier takes its block out of it, and does not wait"
discard 8
discard 9
disk mark
hold keep flush 0
begin barrier flush
wait_until 60 held 1
put /tmp/whole 8
put /tmp/page 9 5
assert_eq "$(dm_get t0 released)" 0
disk release
finish_well barrier
wait_until 60 is discarding 0
came trim 8
assert_eq "$REPLY" 0 "the discard came after the write"
came trim 9
assert_eq "$REPLY" 0 "the discard came after the write"
holds 8 /tmp/whole
holds 9 /tmp/page 5

log "a block that is released again while a barrier frees it is freed once"
discard 7
hold keep flush 0
begin barrier flush
wait_until 60 held 1
discard 7
disk release
finish_well barrier
wait_until 60 is discarding 0
put /tmp/whole 7
flush
wait_until 60 is discarding 0
holds 7 /tmp/whole

log "a write does not overtake a discard in flight; nor is its block enqueued"
discard 10
discard 11
disk mark
hold keep trim 10
begin barrier flush
wait_until 60 held 1
finish_well barrier
begin write put /tmp/whole 10
wait_until 60 parked 1
came write 10
assert_eq "$REPLY" 0 "the write overtook the discard"
must_fail "resource busy" dmsetup message t0 0 enqueue 10
must_fail "resource busy" dmsetup message t0 0 enqueue 11
disk release
finish_well write
wait_until 60 is discarding 0
holds 10 /tmp/whole
miss 10 11
repair 10 11
assert_eq "$(sum_dev 11)" "$(sum_replica 11)"

log "a block that is freed, and not discarded yet: a write takes it out, an enqueue is refused"
discard 17
discard 19
disk mark
hold keep trim 17
flush
wait_until 60 held 1
must_fail "resource busy" dmsetup message t0 0 enqueue 19
put /tmp/whole 19
disk release
wait_until 60 is discarding 0
came trim 19
assert_eq "$REPLY" 0 "the discard came after the write"
holds 19 /tmp/whole

log "the barrier waits for a repair that is being written; later ones are refused"
miss 12
hold keep write 12
begin repair repair 12
wait_until 60 held 1
discard 12
discard 13
begin barrier flush
wait_until 60 is aborting 1
for b in 12 13; do
	must_fail "resource busy" dmsetup message t0 0 enqueue $b
done
begin_flush second
chance
not_ended barrier "the barrier ended before the repair"
not_ended second "a later one ended before the repair"
disk release
finish_well barrier second
disk mark
finish repair
assert_ne "$REPLY" 0 "a repair of a freed block succeeded"
must_fail "block 12: no fault" repair 12
wait_until 60 is discarding 0
came write 12
assert_eq "$REPLY" 0 "a repair of a freed block was written"
cmp -n "$bs" -i 0:$((12 * bs)) /dev/zero "$disk_file" || fail "it was not discarded last"

log "a released block stays repairable; one that a write took out does, too"
miss 14 15
discard 14
discard 15
begin write put /tmp/page 15 1
wait_until 60 parked 1
repair 14
flush
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 waiting)" 1
not_ended write "acknowledged on a missing block"
repair 15
finish_well write
holds 15 /tmp/page 1

log "a write that parked before its block was released is issued when that is freed"
miss 16
begin write put /tmp/page 16 1
wait_until 60 parked 1
discard 16
flush
finish_well write
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 freed)" 2
cmp -n 4096 /tmp/page <(dd if="$dev" bs=4096 skip=$((16 * 16 + 1)) count=1 iflag=direct status=none)

log "barriers that come while one runs become one; what is released after them is not theirs"
discard 20
disk mark
hold keep flush 0
begin first flush
wait_until 60 held 1
begin_flush second
begin_flush third
begin discard blkdiscard -f -o $((21 * bs)) -l "$bs" "$dev"
chance
not_ended discard "a discard was acknowledged behind a waiting barrier"
disk release
finish_well first second third discard
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 released)" 1 "what is released after the waiting barriers came"
flushes
assert_eq "$REPLY" 2 "flushes below"
came trim 20
assert_eq "$REPLY" 1
came trim 21
assert_eq "$REPLY" 0
assert_eq "$(sum_dev 21)" "$(sum_replica 21)"

log "a write does not overtake a discard that waits behind a barrier"
discard 28
disk mark
hold keep flush 0
begin first flush
wait_until 60 held 1
begin_flush second
# By another device, since one that discards locks its node against writes.
dm_create over "0 $(sectors "$dev") linear $dev 0"
begin discard blkdiscard -f -o $((29 * bs)) -l "$bs" /dev/mapper/over
wait_until 60 waits_for_bio "blkdiscard -f -o $((29 * bs))"
disk mark
begin write put /tmp/whole 29
wait_until 60 parked 1
put /tmp/page 30 1
came write 29
assert_eq "$REPLY" 0 "the write overtook the discard"
disk release
finish_well first second discard write
flush
wait_until 60 is discarding 0
dm_remove over
flush
wait_until 60 is discarding 0
holds 29 /tmp/whole
holds 30 /tmp/page 1
came trim 29
assert_eq "$REPLY" 0 "what was written since was discarded"

log "a flush that fails frees nothing; the next one does"
discard 22
disk mark
hold fail flush 0
flush_fails
assert_eq "$(dm_get t0 released)" 1
came trim 22
assert_eq "$REPLY" 0 "freed by a barrier that failed"
flush
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 released)" 0
came trim 22
assert_eq "$REPLY" 1

log "what was discarded may be released again"
discard 22
assert_eq "$(dm_get t0 released)" 1
flush
wait_until 60 is discarding 0
came trim 22
assert_eq "$REPLY" 2

log "checkpoint:explicit: a failed one is still taken; a write takes its block out"
dm_remove t0
dm_create t0 "$(grid_table no_helper_ms:3600000 checkpoint:explicit)"
discard 24
discard 25
id=$(dmsetup message t0 0 checkpoint take)
discard 26
must_fail "resource busy" dmsetup message t0 0 checkpoint take
disk mark
hold fail flush 0
must_fail "checkpoint durable: the lower device failed" gridctl checkpoint t0 durable "$id"
assert_eq "$(dm_get t0 released)" 3
put /tmp/page 25 0
assert_eq "$(dm_get t0 released)" 2
gridctl checkpoint t0 durable "$id"
wait_until 60 is discarding 0
for b in 24=1 25=0 26=0; do
	came trim ${b%=*}
	assert_eq "$REPLY" ${b#*=} "discards of block ${b%=*}"
done
assert_eq "$(dm_get t0 released)" 1
holds 25 /tmp/page 0

log "durable twice, or of an older one: nothing more is freed"
gridctl checkpoint t0 durable "$id"
assert_eq "$(dm_get t0 released)" 1
next=$(dmsetup message t0 0 checkpoint take)
gridctl checkpoint t0 durable "$next"
wait_until 60 is discarding 0
came trim 26
assert_eq "$REPLY" 1
discard 27
must_fail "checkpoint durable: .*no such table or checkpoint" gridctl checkpoint t0 durable "$id"
assert_eq "$(dm_get t0 released)" 1
