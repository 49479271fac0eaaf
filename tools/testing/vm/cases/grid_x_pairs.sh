# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D3 D5 T9 T11 T12 features that meet on one block or one barrier (tools/testing/vm/MATRIX)
# kernels: newest
# timeout: 200
# boot: shared
#
# Each paragraph is a pair that no other case forces.
. "$GRID_TOP/tools/testing/load/run.sh"

barrier_waits() { is aborting 1; }
suspended() { is suspended 1; }
# Nothing is left open: the next barrier frees, and a jump comes and goes.
all_closed()
{
	discard 31
	flush
	wait_until 60 is released 0
	wait_until 60 is discarding 0
	gridctl sync-jump t0 commence > /dev/null
	gridctl sync-jump t0 complete > /dev/null
}

options="no_helper_ms:3600000 park_timeout_ms:3600000"
# shellcheck disable=SC2086
grid_on_disk 2 65536 "flush trim" $options
random_file /tmp/page 4096
random_file /tmp/whole "$bs"
random_file /tmp/other "$bs"

log "cancel one x barrier: a barrier waits for what a cancel made aborting, and no longer"
miss 2
hold keep write 2
begin repair repair 2
wait_until 60 held 1
dmsetup message t0 0 cancel 2
wait_until 60 barrier_waits
discard 3
begin barrier flush
chance
not_ended barrier "the barrier ended before the write"
disk release
finish_well barrier
finish repair
all_closed

log "cancel one x write held behind the repair: issued once, after it"
miss 4
hold keep write 4
begin repair repair 4
wait_until 60 held 1
begin write put /tmp/page 4 2
wait_until 60 parked 1
dmsetup message t0 0 cancel 4
chance
not_ended write "the write went down beside the cancelled repair"
disk release
finish_well write
finish repair
holds 4 /tmp/page 2

log "cancel one x write that was in flight at the enqueue: issued anew"
hold land write 5
begin write put /tmp/page 5 1
wait_until 60 held 1
miss 5
disk release
wait_until 60 parked 1
dmsetup message t0 0 cancel 5
finish_well write
holds 5 /tmp/page 1

log "cancel all x barrier in its flush: nothing stays open"
miss 6 7
discard 6
hold keep flush 0
begin barrier flush
wait_until 60 held 1
dmsetup message t0 0 cancel all
wait_until 60 is waiting 0
disk release
finish_well barrier
all_closed

log "cancel all x barrier that waits for aborting writes: it ends with them"
miss 8
hold keep write 8
begin repair repair 8
wait_until 60 held 1
discard 8
begin barrier flush
wait_until 60 barrier_waits
dmsetup message t0 0 cancel all
disk release
finish_well barrier
finish repair
all_closed

log "sync jump x barrier: a flush passes, frees nothing, and the next one after the jump does"
discard 9
gridctl sync-jump t0 commence > /dev/null
flush
assert_eq "$(dm_get t0 released)" 1
# A write takes its block out of what was put off.
put /tmp/whole 9
assert_eq "$(dm_get t0 released)" 0
discard 10
gridctl sync-jump t0 complete > /dev/null
flush
wait_until 60 is released 0
holds 9 /tmp/whole

log "sync jump x parked reader, parked write, write held back: dropped, so they go on"
miss 11 12
read_background 11 /tmp/out
reader=$REPLY
begin write put /tmp/page 12 1
wait_until 60 parked 2
gridctl sync-jump t0 commence > /dev/null
wait "$reader"
finish_well write
holds 12 /tmp/page 1
miss 12
repair 12
gridctl sync-jump t0 complete > /dev/null
assert_eq "$(dm_get t0 waiting)" 0

log "repair x noflush suspend with a reload: it waits for the repair, which counts"
miss 13
hold keep write 13
begin repair repair 13
wait_until 60 held 1
# shellcheck disable=SC2086
dmsetup load t0 --table "$(grid_table $options blocks_max:100)"
begin suspend dmsetup suspend --noflush --nolockfs t0
wait_until 60 suspended
chance
not_ended suspend "suspended beside a repair"
disk release
finish_well repair suspend
dmsetup resume t0
assert_eq "$(dm_get t0 waiting)" 0
assert_eq "$(sum_dev 13)" "$(sum_replica 13)"

log "flush barriers and a held discard x noflush suspend: all end first"
discard 14
hold keep flush 0
begin first flush
wait_until 60 held 1
# Who comes too late waits for the resume; a discard that comes before the second
# flush is not held.
begin_flush second
begin discard discard 15
wait_until 60 waits_for_bio "blkdiscard -f -o $((15 * bs))"
begin suspend dmsetup suspend --noflush --nolockfs t0
wait_until 60 suspended
not_ended suspend "suspended beside a barrier"
disk release
finish_well first second discard suspend
dmsetup resume t0
all_closed

log "a killed helper x drain: its repair goes on when the write has ended"
drain_ms 60000
hold land write 16
begin write put /tmp/page 16 3
wait_until 60 held 1
miss 16
gridctl repair t0 --trust --from "$replica" 16 > /dev/null 2>&1 &
helper=$!
wait_until 60 is writing 1
kill -KILL $helper
disk release
wait $helper || :
wait_until 60 is writing 0
! is waiting 1 || repair 16
finish_well write
holds 16 /tmp/page 3

log "enqueue x detection: one that learns its checksum meanwhile is one fault"
disk bad $((17 * bs)) 4096
hold land read 17 1
read_background 17 /tmp/out
reader=$REPLY
wait_until 60 held 1
miss 17
disk release
wait_until 60 is waiting 1
repair 17
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
assert_eq "$(sum_dev 17)" "$(sum_replica 17)"

log "discard x detection: what is released meanwhile is a fault all the same, until it is freed"
disk bad $((18 * bs)) 4096
hold land read 18 1
read_background 18 /tmp/out
reader=$REPLY
wait_until 60 held 1
discard 18
disk release
wait_until 60 is waiting 1
flush
wait "$reader"
assert_ne "$(cat /tmp/out.status)" 0 "data was invented"
all_closed

log "a read that waits for detection x noflush suspend: dm has it back at once, and brings it again"
at_rest() { grep -qs grid_postsuspend /proc/"$(pgrep -x dmsetup)"/stack; }
disk bad $((26 * bs)) 4096
hold land read 26 1
read_background 26 /tmp/out
reader=$REPLY
wait_until 60 held 1
begin suspend dmsetup suspend --noflush --nolockfs t0
# All that dm waits for has come back; detection's own read is still held.
wait_until 60 at_rest
disk forget
disk release
finish_well suspend
dmsetup resume t0
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
assert_eq "$(dm_get t0 waiting)" 0

log "on_missing:error x write held back: it fails, and is not acknowledged"
dm_remove t0
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options on_missing:error)"
hold land write 19
begin write put /tmp/page 19
wait_until 60 held 1
miss 19
disk release
finish write
assert_ne "$REPLY" 0 "acknowledged on a missing block"
repair 19
assert_eq "$(sum_dev 19)" "$(sum_replica 19)"

log "durable x noflush suspend: it waits for the barrier, and the id is durable"
dm_remove t0
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options checkpoint:explicit)"
discard 20
id=$(dmsetup message t0 0 checkpoint take)
discard 21
hold keep flush 0
begin durable gridctl checkpoint t0 durable "$id"
wait_until 60 held 1
must_fail "resource busy" dmsetup message t0 0 checkpoint take
begin suspend dmsetup suspend --noflush --nolockfs t0
wait_until 60 suspended
not_ended suspend "suspended beside a barrier"
disk release
finish_well durable suspend
must_fail "temporarily unavailable" dmsetup message t0 0 checkpoint take
dmsetup resume t0
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 released)" 1

log "taken x reload to checkpoint:flush: the next flush frees it all; a write takes its block out"
# reload_as MODE
# shellcheck disable=SC2086
reload_as() { retable t0 "$(grid_table $options checkpoint:"$1")"; }
id=$(dmsetup message t0 0 checkpoint take)
discard 22
discard 23
reload_as flush
put /tmp/whole 21
put /tmp/other 22
assert_eq "$(dm_get t0 released)" 1
flush
assert_eq "$(dm_get t0 released)" 0 "released before the flush, and not freed by it"
# Also when only what is taken is left, and when the first flush is put off.
reload_as explicit
discard 20
id=$(dmsetup message t0 0 checkpoint take)
reload_as flush
gridctl sync-jump t0 commence > /dev/null
flush
discard 23
gridctl sync-jump t0 complete > /dev/null
flush
assert_eq "$(dm_get t0 released)" 0 "put off for longer than the jump"
# What a flush freed is durable.
reload_as explicit
dmsetup message t0 0 checkpoint durable "$id"
reload_as flush
wait_until 60 is discarding 0
holds 21 /tmp/whole
holds 22 /tmp/other

log "a discard x start:held, with a write that waits for ready: the write is there"
dm_remove t0
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options start:held)"
begin write put /tmp/whole 24
wait_until 60 parked 1
discard 24
flush
wait_until 60 is discarding 0
dmsetup message t0 0 ready
finish_well write
flush
wait_until 60 is discarding 0
holds 24 /tmp/whole

log "a reload with start:held x ready: a device that is ready stays so; one that is held, too"
# shellcheck disable=SC2086
reload_held() { retable t0 "$(grid_table $options start:"$1")"; }
reload_held held
is held 0 || fail "held by a reload"
holds 24 /tmp/whole
dm_remove t0
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options start:held)"
reload_held clean
is held 1 || fail "a reload said ready"

log "enqueue x ready: what was enqueued before ready returns is never read from below"
dm_remove t0
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options start:held)"
spoil 25
read_background 25 /tmp/out
reader=$REPLY
wait_until 60 parked 1
miss 25
dmsetup message t0 0 ready
wait_until 60 is held 0
wait_until 60 parked 1
repair 25
wait "$reader"
cmp /tmp/out <(block 25) || fail "stale"
