# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M4 metadata that fails is told, holds up nothing that is good, and comes back
# kernels: all
# timeout: 90
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=65536
load_modules
ram_disk 16
lower=$REPLY
file_disk meta_file meta_disk 64
good="0 $(sectors "$meta_disk") linear $meta_disk 0"
dm_create m0 "$good"
replica_setup 16
meta_create /dev/mapper/m0 --block-size=64K --checksum=sha256 --blocks-max=64

# metadata error|good: what is below it from now on
metadata()
{
	local table=$good
	[ "$1" = good ] || table="0 $(sectors "$meta_disk") error"
	retable m0 "$table"
}
# enqueue_fails BLOCK[:CHECKSUM]
enqueue_fails() { must_fail "stopped after 0 of 1 blocks: .*, or the metadata did" gridctl enqueue t0 "$1"; }

lose 1 2 3

log "an enqueue that can't be kept says so, and its block is missing"
metadata error
spoil 4
enqueue_fails "4:$(checksum 4)"
assert_eq "$(dm_get t0 metadata)" failed
assert_eq "$(dm_get t0 waiting)" 4
enqueue_fails 1
gridctl check t0 > /tmp/check || status=$?
assert_eq "${status:-0}" 2 "check: $(cat /tmp/check)"

log "what is good is read, what is missing is repaired, and a clean flush ends well, but for the first: the data's disk might be the same (M7)"
flush_fails
flush
assert_eq "$(sum_dev 9)" "$(sum_replica 9)"
read_background 1 /tmp/out
reader=$REPLY
wait_until 10 parked 1
mend 1
wait "$reader"
assert_eq "$(sha256sum < /tmp/out | cut -c1-64)" "$(sum_replica 1)"

log "what became good and can't be kept so fails the flush that relies on it"
dd if="$replica" of="$dev" bs=$bs skip=2 seek=2 count=1 oflag=direct conv=notrunc status=none
flush_fails
must_fail "error writing .*: Input/output error" dd if="$replica" of="$dev" bs=$bs skip=2 seek=2 count=1 oflag=direct,dsync conv=notrunc status=none

log "nothing leaves the mode by itself; a retry does, with the whole map"
metadata good
flush_fails
assert_eq "$(dm_get t0 metadata)" failed
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
flush
assert_eq "$(faults)" "3 4 "
lose 5
gridctl metadata check "$meta_file" > /dev/null
assert_eq "$(known 1)$(known 2)$(known 3)$(known 4)$(known 5)" 00111
must_fail "Invalid argument" dmsetup message t0 0 metadata retry
mend 3 4 5

log "the whole map has what a sync jump has dropped, until that is over (M3)"
lose 10 11
gridctl sync-jump t0 commence
assert_eq "$(faults)" ""
metadata error
enqueue_fails "12:$(checksum 12)"
dd if="$replica" of="$dev" bs=$bs skip=11 seek=11 count=1 oflag=direct conv=notrunc status=none
metadata good
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
assert_eq "$(known 10)$(known 11)$(known 12)" 101
# As long as the map has them they count: here are 12, and 10.
gridctl enqueue t0 100-161 > /dev/null
must_fail "block 162: the tracker is full" gridctl enqueue t0 162
gridctl cancel t0 {100..161} --force > /dev/null
gridctl sync-jump t0 complete
flush_fails
flush
assert_eq "$(known 10)$(known 11)$(known 12)" 001
lose 13
gridctl sync-jump t0 commence
flush
assert_eq "$(known 13)" 1
gridctl cancel t0 --all --force > /dev/null
flush
assert_eq "$(known 12)$(known 13)" 00

log "a barrier whose commit fails: what it dropped is not good, nor discarded"
lose 20 21 22 23 25
discard 20 6
metadata error
flush_fails
assert_eq "$(dm_get t0 metadata)" failed
assert_eq "$(dm_get t0 waiting)" 0
read_fails 20 "Input/output error"
read_fails 21 "Input/output error"
assert_eq "$(sum_dev 24)" "$(sum_replica 24)"
assert_eq "$(dm_get t0 discarding)" 0
dd if="$replica" of="$dev" bs=$bs skip=21 seek=21 count=1 oflag=direct conv=notrunc status=none
assert_eq "$(sum_dev 21)" "$(sum_replica 21)"
enqueue_fails "22:$(checksum 22)"
mend 22
assert_eq "$(sum_dev 22)" "$(sum_replica 22)"
# It was released: a part of it is written as one likes, and then nothing undoes that.
read_fails 25 "Input/output error"
dd if="$replica" of="$dev" bs=4096 seek=$((25 * bs / 4096)) count=1 oflag=direct conv=notrunc status=none
flush_fails
read_fails 20 "Input/output error"
# It is done, and told that the metadata does not say so.
must_fail "checkpoint revert: the lower device failed" gridctl checkpoint t0 revert
assert_eq "$(faults)" "20 23 "
assert_eq "$(dd if="$dev" bs=4096 skip=$((25 * bs / 4096)) count=1 iflag=direct status=none | sha256sum)" \
	"$(dd if="$replica" bs=4096 count=1 status=none | sha256sum)"
metadata good
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
discard 23
flush
assert_eq "$(known 20)$(known 21)$(known 22)$(known 23)" 1000
assert_eq "$(faults)" "20 "
gridctl repair t0 --from "$replica" --trust 20 > /dev/null
assert_eq "$(sum_dev 20)" "$(sum_replica 20)"

log "... nor are the values of a table whose index alone is freed, should that be in use again"
table_index 30 31 2
spoil 30 31 32
gridctl enqueue-table t0 "30:$(checksum 30)" > /dev/null
mend 30
assert_eq "$(faults)" "31 32 "
flush
discard 30
metadata error
flush_fails
assert_eq "$(faults)" ""
read_fails 31 "Input/output error"
# It is done, and told that the metadata does not say so.
must_fail "checkpoint revert: the lower device failed" gridctl checkpoint t0 revert
assert_eq "$(faults)" "31 32 "
metadata good
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
flush_fails
flush
assert_eq "$(faults)" "31 32 "
gridctl repair t0 --from "$replica" --trust 31 32 > /dev/null
assert_eq "$(sum_dev 31)$(sum_dev 32)" "$(sum_replica 31)$(sum_replica 32)"

log "a failure holds up no suspend ..."
lose 6
metadata error
mend 6
log "... and what became good and is not committed is not forgotten by a reload"
dmsetup table t0 | dmsetup load t0
dmsetup suspend t0
dmsetup resume t0
assert_eq "$(dm_get t0 metadata)" failed
flush_fails
assert_eq "$(known 6)" 1
metadata good
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
flush
assert_eq "$(known 6)" 0
assert_verified
