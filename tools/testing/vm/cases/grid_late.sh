# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D3 a write that is held below holds no repair, and is not lost
# kernels: newest
# timeout: 240
# boot: shared
#
# A repair that has waited for drain_ms goes on beside the write. It may end on
# top of what the write brought, so the write is issued anew.
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 4 65536 "flush trim" no_helper_ms:3600000 park_timeout_ms:3600000
random_file /tmp/page 4096
random_file /tmp/whole "$bs"
random_file /tmp/two $((2 * bs))
drain_ms 100

# issued BLOCK N: so many writes of it have come below.
issued()
{
	came write "$1"
	assert_eq "$REPLY" "$2" "writes of block $1 below"
}

for how in land keep; do
	log "$how: a small write that came before the enqueue: the repair goes past it"
	disk mark
	hold $how write 9
	begin write put /tmp/page 9 3
	wait_until 60 held 1
	miss 9
	repair 9
	assert_eq "$(dm_get t0 waiting)" 0
	assert_eq "$(sum_dev 9)" "$(sum_replica 9)"
	not_ended write "acknowledged while it is held"
	disk release
	finish_well write
	issued 9 3
	holds 9 /tmp/page 3

	log "$how: a whole-block write that came after the enqueue"
	miss 10
	disk mark
	hold $how write 10
	begin write put /tmp/whole 10
	wait_until 60 held 1
	repair 10
	disk release
	finish_well write
	issued 10 3
	holds 10 /tmp/whole

	log "$how: the repair fails: it may have been on top all the same"
	miss 11
	disk mark
	hold $how write 11
	begin write put /tmp/whole 11
	wait_until 60 held 1
	hold fail write 11
	must_fail "block 11: the lower device failed the write" repair 11
	assert_eq "$(dm_get t0 waiting)" 1
	disk release
	finish_well write
	issued 11 3
	assert_eq "$(dm_get t0 waiting)" 0
	holds 11 /tmp/whole
done

log "one that is still held when a second repair comes; one of two blocks, whose second is repaired"
hold land write 14
begin write put /tmp/two 14
wait_until 60 held 1
miss 15
repair 15
miss 15
repair 15
disk release
finish_well write
dd if="$dev" bs="$bs" skip=14 count=2 iflag=direct status=none | cmp - /tmp/two ||
	fail "the write is lost"

log "one that no repair went past is issued once; a fault found at its end is its own affair"
disk mark
hold land write 20
begin write put /tmp/whole 20
wait_until 60 held 1
miss 21
repair 21
disk release
finish_well write
issued 20 1
hold land write 22
begin write put /tmp/page 22 1
wait_until 60 held 1
miss 23
repair 23
miss 22
disk release
wait_until 60 parked 1
repair 22
finish_well write
holds 22 /tmp/page 1

log "more of them than there are slots: the repairs of all go on, and no write is lost"
for b in 30 31 32 33 34 35; do
	hold land write $b
	begin write$b put /tmp/page $b 2
	wait_until 60 held $((b - 29))
	miss $b
	repair $b
done
put /tmp/page 40 1
miss 41
repair 41
# Of the epoch that nobody waits for any more, and already through.
holds 40 /tmp/page 1
disk release
for b in 30 31 32 33 34 35; do
	finish_well write$b
	holds $b /tmp/page 2
done

log "when all have ended a repair waits for writes as before"
drain_ms 60000
hold land write 50
begin write put /tmp/page 50 3
wait_until 60 held 1
miss 50
disk mark
begin repair repair 50
wait_until 60 is writing 1
chance
issued 50 0
disk release
finish_well write repair
holds 50 /tmp/page 3
assert_verified
