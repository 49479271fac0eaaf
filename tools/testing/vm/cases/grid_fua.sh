# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: D2 D5 F1 a lost write that the disk told to a flush is told to a journal's FUA write; and what such a write is told
# kernels: stock
# timeout: 90
# boot: shared
#
# Of a commit record, PREFLUSH with FUA, dm makes a flush, whose error it drops, and a
# FUA write. The disk has no FUA: the kernel flushes it behind each such write.
. "$GRID_TOP/tools/testing/load/run.sh"
need_module ext4

# What is not the file system's: from block $free on.
free=1000
fua_fails()
{
	disk mark
	must_fail "error writing .*: Input/output error" put_fua /tmp/block $((free + 20))
	came write $((free + 20))
	assert_eq "$REPLY" 0 "went down, though it fails for a flush"
}
# repair_fails BLOCK: its flush does
repair_fails()
{
	miss "$1"
	hold fail flush 0
	must_fail "block $1: the lower device failed the write" repair "$1"
}
# both_lost: the flush that is held fails, of which a FUA write and a repair may be told
both_lost()
{
	disk refuse flush
	finish fua
	assert_ne "$REPLY" 0 "exit status of a write that may be lost"
	finish repair
	assert_ne "$REPLY" 0 "exit status of a repair that may be lost"
}
# A journal commits when it is told to.
mount_journal()
{
	mount -o noatime,commit=3600 "$dev" /mnt/fua
	sync -f /mnt/fua
}
# In a file that is new, which is a transaction.
fsync_new()
{
	rm -f /mnt/fua/new
	dd if=/tmp/block of=/mnt/fua/new bs="$bs" count=1 conv=fsync status=none
}
journal_fails() { must_fail "fsync failed for .*: Input/output error" fsync_new; }
# It has given up. To unmount it is FUA writes, too, of a task's.
mend_journal()
{
	umount /mnt/fua
	fsck.ext4 -fy "$dev" > /tmp/fsck.out 2>&1 || [ $? -le 1 ] || fail "$(cat /tmp/fsck.out)"
	mount_journal
}

grid_on_disk 64 65536 flush no_helper_ms:3600000 park_timeout_ms:3600000
random_file /tmp/block "$bs"
random_file /tmp/page 4096
mkfs.ext4 -q -b 4096 -E lazy_itable_init=0,lazy_journal_init=0 -J size=4 "$dev" 48M
mkdir -p /mnt/fua
unmount() { ! mountpoint -q /mnt/fua || umount /mnt/fua; }
defer unmount
mount_journal
fsync_new

log "a repair's flush fails: so does the next FUA write, once, whatever the next flush was told"
repair_fails $((free + 1))
flush_fails
flush
fua_fails
put_fua /tmp/block $((free + 20))

log "... and a journal's, though another was told"
journal_fails
mend_journal
fsync_new
put_fua /tmp/block $((free + 20))

log "... which was told of it only by the flush that dm makes of it"
repair_fails $((free + 2))
journal_fails
fua_fails
mend_journal
fsync_new
put_fua /tmp/block $((free + 20))

log "so it is when the disk fails that flush"
hold fail flush 0
journal_fails
fua_fails
mend_journal
fsync_new

log "... also where it is a barrier"
discard $((free + 3))
hold fail flush 0
journal_fails
fua_fails
mend_journal
fsync_new
wait_until 60 is released 0

umount /mnt/fua

log "one that waits meanwhile came before, and does not fail for it"
miss $((free + 4))
begin parked put_fua /tmp/page $((free + 4))
wait_until 60 parked 1
repair_fails $((free + 5))
flush_fails
repair $((free + 4))
finish_well parked
fua_fails
put_fua /tmp/block $((free + 20))

log "the flush behind a FUA write fails: what was repaired before may be lost"
hold keep flush 0
begin fua put_fua /tmp/block $((free + 20))
wait_until 60 held 1
miss $((free + 6))
begin repair repair $((free + 6))
wait_until 60 flushing
both_lost
assert_eq "$(faults)" "$((free + 1)) $((free + 2)) $((free + 5)) $((free + 6)) "
put_fua /tmp/block $((free + 20))
repair $((free + 6))

log "... also behind one that was issued anew"
hold keep write $((free + 7))
begin fua put_fua /tmp/page $((free + 7))
wait_until 60 held 1
miss $((free + 7))
disk release write
wait_until 60 parked 1
hold keep flush 0
# So it is good, without a flush of ours beside that write's.
gridctl cancel t0 $((free + 7)) --force > /dev/null
wait_until 60 held 1
miss $((free + 8))
begin repair repair $((free + 8))
wait_until 60 flushing
both_lost
put_fua /tmp/block $((free + 20))
repair $((free + 8))

log "a repair's flush that fails beside a FUA write may have taken its word"
miss $((free + 9))
hold keep flush 0
begin repair repair $((free + 9))
wait_until 60 held 1
disk mark
begin fua put_fua /tmp/block $((free + 20))
written() { came write $((free + 20)) && [ "$REPLY" = 1 ]; }
wait_until 60 written
both_lost
flush_fails
fua_fails
put_fua /tmp/block $((free + 20))

log "one with NOWAIT, of which no disk was asked, tells nothing of a repair"
# What the disk would have to split is not for NOWAIT.
set_for_now /sys/block/nbd0/queue/max_sectors_kb 4
miss $((free + 10))
hold keep flush 0
begin repair repair $((free + 10))
wait_until 60 held 1
python3 - "$dev" $(((free + 20) * bs)) <<'END'
import errno, mmap, os, sys

fd = os.open(sys.argv[1], os.O_WRONLY | os.O_DIRECT)
try:
    os.pwritev(fd, [mmap.mmap(-1, 65536)], int(sys.argv[2]), os.RWF_NOWAIT | os.RWF_DSYNC)
    sys.exit("it was written")
except OSError as e:
    if e.errno != errno.EAGAIN:
        raise
END
disk release
finish_well repair
put_fua /tmp/page $((free + 20))
flush

repair "$((free + 1))" "$((free + 2))" "$((free + 5))" "$((free + 9))"
assert_eq "$(faults)" ""
flush
