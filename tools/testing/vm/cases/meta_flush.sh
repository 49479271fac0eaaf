# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: F1 F2 M2 a repair needs no flush of its own; a commit whose flush fails ends nothing
# kernels: newest
# timeout: 90
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/load/run.sh"

meta_on_disk 4 16384 "flush trim"
meta_create "$meta_disk" --block-size=16K --checksum=sha256 --blocks-max=1024
defer disk_let_go
random_file /tmp/block "$bs"

log "what was repaired is read before any flush, and no vector has one of its own"
lose 0 1 2 3 4 5 6 7 8 9
flush
disk mark
hold keep flush 0
for b in 0 1 2 3 4 5 6 7 8; do
	mend $b
done
assert_eq "$(sum_dev 1)" "$(sum_replica 1)"
assert_eq "$(faults)" "9 "
assert_eq "$(known 1)" 1 "in the metadata, before the flush"
begin flush flush
wait_until 60 held 1
disk count flush 0 0
assert_eq "$REPLY" 1 "flushes for nine vectors"
not_ended flush "it did not wait for the commit"
assert_eq "$(known 1)" 1 "in the metadata, while it is flushed"
disk release
finish_well flush
assert_eq "$(known 0)$(known 1)$(known 8)$(known 9)" 0001

log "a flush that fails: what has a record left is missing again, and on disk as well"
mend 9
lose 3 4 5 6
flush
hold keep flush 0
mend 3
begin flush flush
wait_until 60 held 1
mend 4 5
put /tmp/block 5
put /tmp/block 6
assert_eq "$(faults)" ""
disk refuse flush
finish flush
assert_ne "$REPLY" 0 "exit status of a flush that failed"
wait_until 60 has_faults "3 4 6 "
holds 5 /tmp/block
assert_eq "$(gridctl --json faults t0 | grep -c "$(checksum 4)")" 1
assert_eq "$(dm_get t0 metadata)" ok
# Whoever came before the loss was told, and who comes first after it.
flush_fails
flush
must_fail "error writing .*: Input/output error" put_fua /tmp/block 15
put_fua /tmp/block 15
assert_eq "$(known 3)$(known 4)$(known 5)$(known 6)" 1101
mend 3 4
put /tmp/block 6
flush
assert_eq "$(known 3)$(known 4)$(known 6)" 000

log "a barrier's that fails, and ours after it does not"
lose 7
discard 9
hold keep flush 0
begin flush flush
wait_until 60 held 1
mend 7
assert_eq "$(faults)" ""
disk refuse flush
finish flush
assert_ne "$REPLY" 0 "exit status of a flush that failed"
wait_until 60 has_faults "7 "
mend 7
assert_eq "$(dm_get t0 metadata)" ok
# The one that counted as failed is told to the next one.
flush || flush
assert_eq "$(faults)" ""

log "a barrier's that succeeds, and its commit's after it does not: no event says durable"
monitor_begin
lose 10
discard 12
put /tmp/block 10
hold fail flush 0 1
flush_fails
wait_until 60 has_faults "10 "
wait_until 20 told checkpoint-commenced
mend 10
flush || flush
assert_eq "$(faults)" ""
wait_until 20 told checkpoint-durable
assert_eq "$(told_times checkpoint-commenced) $(told_times checkpoint-durable)" "2 1" "$(cat /tmp/events)"
# They come in order: the first one's would have come before.
assert_eq "$(grep -o 'checkpoint-[a-z]*' /tmp/events | tail -n 1)" checkpoint-durable
monitor_end

log "a cancel while a barrier commits is one: its block is good at once (M2)"
lose 11 13 14
discard 13
# The barrier's own flush, and its commit's, which is held.
hold keep flush 0 1
mend 14
begin flush flush
wait_until 60 held 1
read_fails 13 "Input/output error"
gridctl cancel t0 11 --force > /dev/null
assert_eq "$(sum_dev 11)" "$(sum_lower 11)"
not_ended flush "the barrier did not wait for its commit"
disk release
finish_well flush
assert_eq "$(sum_dev 13)" "$(sum_lower 13)"
assert_eq "$(faults)" ""
assert_verified

log "before a map is relied on what was read of it is durable, and the data with it (M1)"
gridctl remove t0
disk mark
gridctl create t0 "$lower" --metadata="$meta_disk" > /dev/null
disk count flush 0 0
assert_ne "$REPLY" 0 "flushes by a load"

log "a disk that hangs while a grid loads its map holds up no other grid (D3)"
dmsetup table t0 > /tmp/table
gridctl remove t0
dm_create m0 "0 $(sectors "$meta_disk") linear $meta_disk 0"
dmsetup suspend --noflush --nolockfs m0
defer dmsetup resume m0
begin load dmsetup create t0 --noudevsync \
	--table "$(sed "s|metadata:[0-9:]*|metadata:/dev/mapper/m0|" /tmp/table)"
wait_until 60 grep -q ok /sys/kernel/debug/grid_missing/verify
ram_disk 4
begin other sh -c "dmsetup create t2 --noudevsync --table '0 8192 grid $REPLY 0 8' &&
	dmsetup remove --noudevsync t2"
finish_well other
not_ended load "it has loaded, though its disk hangs"
dmsetup resume m0
finish_well load
assert_eq "$(dm_get t0 metadata)" ok
gridctl remove t0
