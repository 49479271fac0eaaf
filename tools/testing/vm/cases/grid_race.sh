# SPDX-License-Identifier: GPL-2.0
#
# rule: D1 D2 a write and a repair of one block, in every order: none is lost
# kernels: all
# timeout: 120
# boot: shared
#
# Below is a disk that answers late what it did at once, and the other way
# round, and lets others pass meanwhile.
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
drain_ms 60000
random_file /tmp/page 4096
random_file /tmp/whole "$bs"

repair_began() { is writing 1 || ended repair; }

# late_write NAME: $1 is in flight, and has landed, when a repair of block 9 comes.
late_write()
{
	wait_until 60 repair_began
	chance
	came write 9
	assert_eq "$REPLY" 0 "the repair did not wait for the write"
	not_ended "$1" "acknowledged before the repair"
	disk release
	finish_well "$1" repair
	assert_eq "$(dm_get t0 waiting)" 0
}

log "a small write mapped before the enqueue is in flight when the repair comes"
hold land write 9
begin write put /tmp/page 9 3
wait_until 60 held 1
miss 9
disk mark
begin repair repair 9
late_write write
holds 9 /tmp/page 3

log "a whole-block write mapped after the enqueue is in flight when the repair comes"
miss 9
hold land write 9
begin write put /tmp/whole 9
wait_until 60 held 1
assert_eq "$(dm_get t0 waiting)" 1 "superseded before the write had ended"
disk mark
begin repair repair 9
late_write write
holds 9 /tmp/whole

log "a small write in flight when its block is enqueued waits for the repair"
hold land write 4
begin write put /tmp/page 4 1
wait_until 60 held 1
miss 4
disk release
wait_until 60 parked 1
not_ended write "acknowledged on a missing block"
repair 4
finish_well write
holds 4 /tmp/page 1

log "a whole-block write in flight when its block is enqueued makes it good"
hold land write 5
begin write put /tmp/whole 5
wait_until 60 held 1
miss 5
disk release
finish_well write
assert_eq "$(dm_get t0 waiting)" 0
holds 5 /tmp/whole

log "a whole-block write makes good when it succeeds, not before, nor when it fails"
miss 6
hold keep write 6
begin write put /tmp/whole 6
wait_until 60 held 1
read_background 6 /tmp/out
reader=$REPLY
wait_until 60 parked 1
assert_eq "$(dm_get t0 waiting)" 1
disk release
finish_well write
wait "$reader"
cmp /tmp/out /tmp/whole || fail "the reader got something else"
assert_eq "$(dm_get t0 waiting)" 0
miss 7
hold fail write 7
must_fail "error writing .*: Input/output error" put /tmp/whole 7
assert_eq "$(dm_get t0 waiting)" 1 "superseded by a write that failed"
repair 7
assert_eq "$(sum_dev 7)" "$(sum_replica 7)"

log "writes, small and whole, and reads wait for a repair that is being written"
for what in page whole; do
	miss 11
	disk mark
	hold keep write 11
	begin repair repair 11
	wait_until 60 held 1
	begin write put /tmp/$what 11
	wait_until 60 parked 1
	read_background 11 /tmp/out
	reader=$REPLY
	wait_until 60 parked 2
	came write 11
	assert_eq "$REPLY" 1 "the write went down beside the repair"
	came read 11
	assert_eq "$REPLY" 0 "the read went down"
	disk release
	finish_well repair write
	wait "$reader"
	assert_eq "$(cat /tmp/out.status)" 0
	if [ $what = page ]; then
		holds 11 /tmp/page 0
	else
		holds 11 /tmp/whole
	fi
done

log "written after the repair, held back or parked before: in flight once more, and its block missing again"
for what in held parked; do
	if [ $what = held ]; then
		hold keep write 12
		begin write put /tmp/page 12 3
		wait_until 60 held 1
		miss 12
		disk release
	else
		miss 12
		begin write put /tmp/page 12 3
	fi
	wait_until 60 parked 1
	# The first to come is the repair.
	hold land write 12 1
	repair 12
	wait_until 60 held 1
	miss 12
	disk mark
	begin repair repair 12
	wait_until 60 repair_began
	chance
	came write 12
	assert_eq "$REPLY" 0 "$what: the repair did not wait for the write"
	not_ended write "$what: acknowledged before the repair"
	disk release
	finish_well write repair
	holds 12 /tmp/page 3
done

log "a repair that is not written is none (one that is not flushed: grid_flush)"
miss 13
read_background 13 /tmp/out
reader=$REPLY
wait_until 60 parked 1
begin write put /tmp/page 13 2
wait_until 60 parked 2
wait_until 60 waited_ms 1000
hold fail write 13
must_fail "block 13: the lower device failed the write" repair 13
assert_eq "$(dm_get t0 waiting)" 1
wait_until 60 parked 2
waited_ms 1000 || fail "its time began anew with a repair that failed"
not_ended write "acknowledged without a repair"
repair 13
wait "$reader"
finish_well write
assert_eq "$(cat /tmp/out.status)" 0
holds 13 /tmp/page 2

log "a whole-block write waits for a repair that fails then, and makes good"
miss 14
hold keep write 14
begin repair repair 14
wait_until 60 held 1
begin write put /tmp/whole 14
wait_until 60 parked 1
hold fail flush 0
disk release
finish_well write
finish repair
assert_ne "$REPLY" 0 "a repair that was not flushed succeeded"
assert_eq "$(dm_get t0 waiting)" 0
holds 14 /tmp/whole
