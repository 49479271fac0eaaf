# SPDX-License-Identifier: GPL-2.0
#
# rule: T8 T11 D5 a cancel in the middle of a barrier leaves no checkpoint open; one by message beside a sweep comes after it
# kernels: stock
# timeout: 120
# boot: shared
#
# The cancel of very many faults sweeps them in slices. The last write that the
# barrier waits for ends in the middle of that: a checkpoint that stays open
# holds every later flush.
. "$GRID_TOP/tools/testing/load/run.sh"

mib=1024
bs=4096
many=40000
load_modules
disk_setup $mib flush trim
truncate -s 1M /tmp/zeroes
defer rm -f /tmp/zeroes
replica=/tmp/zeroes
dm_create t0 "$(grid_table no_helper_ms:3600000 blocks_max:$((many + 10)))"
dev=$REPLY
blocks=$((mib * 256))
defer disk_let_go
seq -f '%.0f -' 100 $((100 + many - 1)) > /tmp/many
defer rm -f /tmp/many


# The cancel gets what another process on its CPU leaves of it, so that its
# sweep lasts for seconds, and gives the lock away between its slices.
cpu=$(($(nproc) - 1))
hog_end()
{
	kill "$hog"
	wait "$hog" || :
}
taskset -c $cpu sh -c 'while :; do :; done' &
hog=$!
defer hog_end

sweeping()
{
	local n
	n=$(dm_get t0 waiting)
	[ "$n" -gt 0 ] && [ "$n" -lt $many ]
}
begun() { [ "$(dm_get t0 waiting)" -lt $many ]; }
# attempt: true when the write ended in the middle of the sweep.
attempt()
{
	local in_time
	gridctl enqueue t0 - < /tmp/many > /dev/null
	before=$(dm_get t0 checkpoints)
	miss 5
	hold keep write 5
	begin repair repair 5
	wait_until 60 held 1
	discard 5
	begin barrier flush
	wait_until 60 is aborting 1
	begin cancel nice -n 19 taskset -c $cpu gridctl cancel t0 --all --force
	wait_until 60 begun
	disk release
	wait_until 60 is aborting 0
	! sweeping || in_time=y
	finish_well barrier
	finish repair
	finish_well cancel
	wait_until 60 is waiting 0
	assert_eq "$(dm_get t0 checkpoints)" $((before + 1))
	[ -n "${in_time-}" ]
}

for round in 1 2; do
	log "$round: the write ends in the middle of the sweep"
	for try in 1 2 3 4 5; do
		! attempt || break
		log "too late"
		[ "$try" -lt 5 ] || fail "the sweep was over each time"
	done

	log "the next one frees what it should"
	discard 6
	flush
	wait_until 60 is discarding 0
	assert_eq "$(dm_get t0 released)" 0 "released after a flush"
	assert_eq "$(dm_get t0 checkpoints)" $((before + 2))
	discard 7
	gridctl sync-jump t0 commence
	gridctl sync-jump t0 complete
	flush
	wait_until 60 is discarding 0
done

log "cancel all by message beside a sweep: it is tried again, and drops what that left"
gave_up() { marked_dmesg | grep -q 'cancel all: suspended, or busy'; }
is_over() { is table 0 || gave_up; }
# A table, which a jump sets aside.
message_beside_jump()
{
	local in_time
	gridctl enqueue-table t0 20 > /dev/null
	gridctl enqueue t0 - < /tmp/many > /dev/null
	begin jump nice -n 19 taskset -c $cpu gridctl sync-jump t0 commence
	wait_until 60 begun
	mark_dmesg
	dmsetup message t0 0 cancel all
	nap 0.1
	! sweeping || in_time=y
	# It tries for two seconds: the sweep has the CPU for itself.
	kill -STOP "$hog"
	finish_well jump
	# A sweep that was over sooner has left nothing, either.
	wait_until 60 is_over
	kill -CONT "$hog"
	! gave_up || in_time=
	[ -z "${in_time-}" ] || return 0
	gridctl cancel t0 --all --force > /dev/null
	return 1
}
for try in 1 2 3 4 5; do
	! message_beside_jump || break
	log "too late, or given up"
	[ "$try" -lt 5 ] || fail "the sweep was over, or the cancel gave up, each time"
done
must_fail "not possible in this state" gridctl sync-jump t0 complete
assert_eq "$(dm_get t0 waiting)" 0
assert_verified
