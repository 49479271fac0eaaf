# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M2 M3 D5 a block that is missing again without a slot is so after a snapshot and a crash, and no more when freed
# kernels: stock
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/load/run.sh"

meta_on_disk 4 16384 "flush trim"
defer rm -f /tmp/data.crash /tmp/meta.crash
good="0 $(sectors "$meta_disk") linear $meta_disk 0"
dm_create m0 "$good"
meta_create /dev/mapper/m0 --block-size=16K --checksum=sha256 --blocks-max=4
defer disk_let_go
random_file /tmp/block "$bs"
knows() { [ "$(known "$1")" = "$2" ]; }
unreadable() { ! dd if="$1" of=/dev/null bs="$bs" skip="$2" count=1 iflag=direct status=none 2> /dev/null; }

log "repairs' slots are taken anew, and then their flush fails"
table_index 200 210 2
lose 0 1 2 3
gridctl enqueue-table t0 "200:$(checksum 200)" > /dev/null
flush
hold keep flush 0
mend 0 1
begin lose lose 10 11
wait_until 60 held 1
wait_until 60 has_faults "2 3 10 11 200 "
disk refuse flush
finish lose
unreadable "$dev" 0
unreadable "$dev" 1
flush_fails
flush
assert_eq "$(known 0)$(known 1)$(known 2)$(known 10)" 1111 "in the log"

log "values of a table have room beside what is lost (T1)"
gridctl repair t0 --from "$replica" 200 > /dev/null
assert_eq "$(faults)" "2 3 10 11 210 211 "
assert_eq "$(dm_get t0 lost)" 2
mend 210 211
assert_eq "$(faults)" "2 3 10 11 "
flush

log "a snapshot has what is lost"
retable m0 "0 $(sectors "$meta_disk") error"
put /tmp/block 2
flush_fails
assert_eq "$(dm_get t0 metadata)" failed
retable m0 "$good"
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
wait_until 20 has_faults "0 3 10 11 "
flush || flush
assert_eq "$(known 0)$(known 1)$(known 2)$(known 3)" 1101 "in the snapshot"

log "more is missing after a crash than there are slots"
cp "$disk_file" /tmp/data.crash
cp "$meta_file" /tmp/meta.crash
loop_disk /tmp/data.crash
data=$REPLY
loop_disk /tmp/meta.crash
gridctl create t1 "$data" --metadata="$REPLY" > /dev/null
defer dm_remove t1
gridctl set t1 no_helper_ms:1
for b in 0 1 3 10 11; do
	unreadable /dev/mapper/t1 $b || fail "block $b is good after the crash"
done
dd if=/dev/mapper/t1 bs="$bs" skip=2 count=1 iflag=direct status=none | cmp - /tmp/block
dm_remove t1

log "one that is freed is good, in the map as well, and never a fault"
discard 1
flush
knows 1 0 || fail "it is in the map still"
mend 3
nap 1
assert_eq "$(faults)" "0 10 11 "
dd if=/tmp/block of="$dev" bs=4096 count=1 seek=$((bs / 4096)) oflag=direct conv=notrunc status=none
gridctl repair t0 --from "$replica" --trust 0 10 11 > /dev/null
flush
assert_eq "$(faults)" ""

log "a cancel of one block, and of all, says so of what is lost, too"
lose 0 1 2 3
flush
hold keep flush 0
mend 0 1 2
begin lose lose 10 11 12
wait_until 60 held 1
wait_until 60 has_faults "3 10 11 12 "
disk refuse flush
finish lose
flush_fails
assert_eq "$(dm_get t0 lost)" 3
gridctl cancel t0 0 --force > /dev/null
assert_eq "$(dm_get t0 lost)" 2
assert_eq "$(sum_dev 0)" "$(sum_lower 0)"
unreadable "$dev" 1 || fail "a block is good that nobody cancelled"
must_fail "block 5: no fault" gridctl cancel t0 5 --force
gridctl cancel t0 --all --force > /dev/null
assert_eq "$(sum_dev 1)$(sum_dev 2)" "$(sum_lower 1)$(sum_lower 2)"
nap 1
assert_eq "$(faults)" ""
flush
assert_eq "$(known 0)$(known 1)$(known 2)$(known 3)$(known 10)" 00000

log "a barrier that can free nothing commits all the same what came before it"
lose 30
gridctl sync-jump t0 commence
discard 40
put /tmp/block 30
flush
knows 30 0 || fail "a flushed write would be repaired over"
gridctl sync-jump t0 complete
flush

log "a block that is found bad starts a commit of its own (M2)"
disk bad $((50 * bs)) 4096
read_background 50 /tmp/out
reader=$REPLY
wait_until 20 knows 50 1
gridctl repair t0 --trust --from "$replica" 50 > /dev/null
wait "$reader"

log "what a jump took is out of the map when it was written, though detection has closed it (D2)"
lose 60
gridctl sync-jump t0 commence
write_beside_decision 60 /tmp/block
flush
knows 60 0 || fail "a flushed write would be repaired over"
gridctl sync-jump t0 complete
assert_eq "$(faults)" ""

# The last one: from here on there are commits that nobody asks for.
log "a commit of the background comes after a suspend as before"
commit_ms 1000
lose 20 21 22
dmsetup suspend --noflush --nolockfs m0
defer dmsetup resume m0
begin lose lose 23
wait_until 60 has_faults "20 21 22 23 "
mend 20
begin suspend dmsetup suspend t0
nap 1
dmsetup resume m0
finish_well lose suspend
dmsetup resume t0
mend 21
wait_until 60 knows 21 0
mend 22 23
assert_eq "$(faults)" ""
assert_eq "$(dm_get t0 metadata)" ok
assert_verified
