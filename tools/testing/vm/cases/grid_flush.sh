# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D5 F1 a lost write that the disk told to a flush of ours
# kernels: stock
# timeout: 90
# boot: shared
#
# The disk tells a loss to one flush only. Where that is ours, the next one of
# the application's fails for it, and only that.
. "$GRID_TOP/tools/testing/load/run.sh"

options="no_helper_ms:3600000 park_timeout_ms:3600000"
# grid OPTION...: t0 anew
grid()
{
	dm_remove t0
	# shellcheck disable=SC2086
	dm_create t0 "$(grid_table $options "$@")"
}
# The checksums of the faults of a block.
sums_of() { gridctl --json faults t0 | sed -n "s/.*\"address\":$1,.*\"checksum\":\"\?\([0-9a-z]*\).*/\1/p" | sort | xargs printf '%s '; }
# repair_to_fail BLOCK...: a repair of them waits for its flush, which fails when the
# disk releases the application's before it; both are ended by `repair_fails`
repair_to_fail()
{
	hold keep flush 0
	begin flush flush
	wait_until 60 held 1
	hold fail flush 0
	begin repair repair "$@"
	wait_until 60 flushing
}
repair_fails()
{
	disk release
	finish flush
	finish repair
	assert_ne "$REPLY" 0 "exit status of a repair that may be lost"
}
# twice_missing BLOCK CHECKSUM: as the index of a table, with that, which a jump has set
# aside, and by itself: when one of the two is repaired it is still missing
twice_missing()
{
	gridctl enqueue-table t0 "$1:$2" > /dev/null
	gridctl sync-jump t0 commence > /dev/null
	gridctl enqueue t0 "$1:$(checksum "$1")" > /dev/null
}
freed() { is released 0 && is discarding 0; }

# shellcheck disable=SC2086
grid_on_disk 2 65536 "flush trim" $options
random_file /tmp/page 4096

log "a repair's flush fails: so does the next one, once, and the repair can be done again"
put /tmp/page 3
miss 4
hold fail flush 0
must_fail "block 4: the lower device failed the write" repair 4
flush_fails
flush
repair 4
flush

log "readers do not wait for a repair's flush (F1)"
put /tmp/page 11
lose 11
hold keep flush 0
begin repair repair 11
wait_until 60 flushing
assert_eq "$(sum_dev 11)" "$(sum_replica 11)" "data read while the flush is held"
assert_eq "$(faults)" "" "while the flush is held"
not_ended repair "it did not wait for its flush"
disk release
finish_well repair

log "... when it fails, what was not written since is missing again"
random_file /tmp/block "$bs"
random_file /tmp/other "$bs"
put /tmp/other 14
miss 11 12 13 14
repair_to_fail 11 12 13 14
assert_eq "$(faults)" "" "while the flush is held"
put /tmp/block 12
put /tmp/page 13 2
gridctl enqueue t0 "14:$(checksum 14)" > /dev/null
put /tmp/other 14
repair_fails
assert_eq "$(faults)" "11 " "after a flush that failed"
holds 12 /tmp/block
holds 13 /tmp/page 2
holds 14 /tmp/other
repair 11
flush_fails

log "... but not what a whole write made good where a jump had set a table's block aside"
twice_missing 20 "$(checksum 20)"
repair_to_fail 20
put /tmp/block 20
repair_fails
assert_eq "$(faults)" "" "after a flush that failed"
holds 20 /tmp/block
gridctl sync-jump t0 complete > /dev/null
flush_fails
flush

log "... nor where it was enqueued again since"
twice_missing 20 "$(checksum 20)"
repair_to_fail 20
miss 20
repair_fails
assert_eq "$(sums_of 20)" "$(checksum 20) null " "of what is aside, and of what is new"
put /tmp/block 20
gridctl sync-jump t0 complete > /dev/null
flush_fails

log "... nor where what was aside has been repaired since"
cp "$replica" /tmp/table
replica=/tmp/table table_index 20 21 1
index=$(replica=/tmp/table checksum 20)
twice_missing 20 "$index"
hold keep flush 0
begin repair repair 20
wait_until 60 held 1
gridctl sync-jump t0 complete > /dev/null
hold keep flush 0
begin index gridctl repair t0 --trust --from /tmp/table 20
wait_until 60 has_faults "21 "
disk refuse flush
finish repair
wait_until 60 held 1
disk release
finish index
assert_eq "$(sums_of 20)" "$index "
repair 21
put /tmp/block 20
flush_fails
flush

log "... also when the disk tells it to a flush of the application"
miss 15
hold keep flush 0
begin flush flush
wait_until 60 held 1
begin repair repair 15
wait_until 60 flushing
assert_eq "$(faults)" "" "while the flush is held"
disk refuse flush
finish flush
assert_ne "$REPLY" 0 "exit status of a flush that failed"
finish repair
assert_ne "$REPLY" 0 "exit status of a repair that may be lost"
assert_eq "$(faults)" "15 "
repair 15
flush

log "... without a slot its reads fail until there is one, or a whole write"
grid blocks_max:2
miss 16 17
repair_to_fail 16 17
miss 18 19
repair_fails
assert_eq "$(faults)" "18 19 "
read_fails 16 "Input/output error"
read_fails 17 "Input/output error"
must_fail "error writing .*: Input/output error" put /tmp/page 17
put /tmp/block 17
holds 17 /tmp/block
repair 18
wait_until 60 has_faults "16 19 "
repair 16 19
assert_eq "$(sum_dev 16)" "$(sum_replica 16)"
flush_fails
flush

log "a flush that ends well beside one of ours waits for it, and fails with it; so does the one after it: the first may have come before the write"
miss 5
hold keep flush 0
begin first flush
wait_until 60 held 1
hold fail flush 0
# The kernel sends a queue's flushes one after the other.
begin repair repair 5
wait_until 60 flushing
disk release
finish first
assert_ne "$REPLY" 0 "exit status of a flush beside one of ours that failed"
finish repair
assert_ne "$REPLY" 0 "exit status of a repair that was not flushed"
flush_fails
flush
repair 5

log "a barrier frees nothing for such a flush"
discard 6
miss 7
hold fail flush 0
must_fail "block 7: the lower device failed the write" repair 7
flush_fails
assert_eq "$(dm_get t0 released)" 1 "freed by a flush that failed"
repair 7
flush
wait_until 60 freed

log "checkpoint:explicit: a flush of durable's that fails is told to its caller and to the next flush"
grid checkpoint:explicit
discard 8
id=$(dmsetup message t0 0 checkpoint take)
hold fail flush 0
must_fail "checkpoint durable: the lower device failed" gridctl checkpoint t0 durable "$id"
flush_fails
flush
gridctl checkpoint t0 durable "$id"
wait_until 60 freed

log "checkpoint:explicit: a repair's flush that failed is told to both as well, to each once"
discard 9
id=$(dmsetup message t0 0 checkpoint take)
miss 10
hold fail flush 0
must_fail "block 10: the lower device failed the write" repair 10
must_fail "checkpoint durable: the lower device failed" gridctl checkpoint t0 durable "$id"
assert_eq "$(dm_get t0 released)" 1 "made durable though a write may be lost"
flush_fails
flush
gridctl checkpoint t0 durable "$id"
wait_until 60 freed
repair 10

log "checkpoint:explicit: so is one that failed beside durable's: the next durable fails, too"
discard 5
id=$(dmsetup message t0 0 checkpoint take)
miss 10
hold keep flush 0
begin durable gridctl checkpoint t0 durable "$id"
wait_until 60 held 1
hold fail flush 0
begin repair repair 10
wait_until 60 flushing
disk release
finish durable
assert_ne "$REPLY" 0 "exit status of durable beside a flush of ours that failed"
finish repair
must_fail "checkpoint durable: the lower device failed" gridctl checkpoint t0 durable "$id"
flush_fails
flush
assert_eq "$(dm_get t0 released)" 1 "made durable though a write may be lost"
gridctl checkpoint t0 durable "$id"
wait_until 60 freed
repair 10
