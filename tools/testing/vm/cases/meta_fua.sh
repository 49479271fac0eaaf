# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M2 a FUA write ends when what makes its blocks good is committed
# kernels: all
# timeout: 90
# boot: shared
# cpus: 1
#
# The writes are those of a file: a flush behind one would wait as well.

. "$GRID_TOP/tools/testing/vm/grid.sh"

fua_disk
file_disk meta_file meta_disk 64
good="0 $(sectors "$meta_disk") linear $meta_disk 0"
dm_create m0 "$good"
meta_create /dev/mapper/m0 --block-size=4K --checksum=sha256 --blocks-max=1024
node=/sys/dev/block/$(dmsetup info -c --noheadings --separator : -o major,minor t0)
[ "$(cat "$node/queue/fua")" = 1 ] || fail "$lower has no FUA"

fua_file
# Whatever fails: nobody can be unmounted, nor removed, while it is held.
defer dmsetup resume m0

# write N: a FUA write of the file's block N, in background; /tmp/new is there
# afterwards, /tmp/written when it has ended, with its status.
write()
{
	rm -f /tmp/written
	dd if=/dev/urandom of=/tmp/new bs="$bs" count=1 status=none
	(
		status=0
		dd if=/tmp/new of=/mnt/fua/file bs="$bs" seek="$1" count=1 \
			oflag=direct,dsync conv=notrunc,nocreat status=none 2> /tmp/write.error || status=$?
		echo $status > /tmp/written
	) &
	REPLY=$!
}
of_file() { dd if=/mnt/fua/file bs="$bs" skip="$1" count=1 iflag=direct status=none; }
hold() { dmsetup suspend --noflush --nolockfs m0; }

tracing
echo > $t/trace
echo 1 > $t/events/block/block_bio_queue/enable
defer eval "echo 0 > $t/events/block/block_bio_queue/enable"

log "one that makes a missing block good waits for the commit"
lose "$first"
assert_eq "$(known "$first")" 1
hold
write 0
writer=$REPLY
wait_until 20 is waiting 0
nap 1
[ ! -e /tmp/written ] || fail "it did not wait: $(cat /tmp/written /tmp/write.error)"
dmsetup resume m0
wait "$writer"
assert_eq "$(cat /tmp/written)" 0
assert_eq "$(known "$first")" 0
grep -q "$(tr : , < "$node/dev") WFS $((first * 8)) + 8 " $t/trace ||
	fail "it had no FUA: $(grep -m5 " $((first * 8)) + 8 " $t/trace)"
echo 0 > $t/events/block/block_bio_queue/enable
of_file 0 | cmp - /tmp/new

log "a repair does not pass it while it waits"
lose $((first + 1))
hold
write 1
writer=$REPLY
wait_until 20 is waiting 0
gridctl enqueue t0 "$((first + 1)):$(checksum $((first + 1)))" > /dev/null &
enqueuer=$!
wait_until 20 is waiting 1
mend $((first + 1)) &
mender=$!
wait_until 20 is waiting 0
nap 1
dmsetup resume m0
wait "$writer"
wait "$enqueuer"
wait "$mender"
assert_eq "$(cat /tmp/written)" 0
of_file 1 | cmp - /tmp/new
assert_eq "$(faults)" ""

log "one whose commit fails, fails"
lose $((first + 2)) $((first + 3))
retable m0 "0 $(sectors "$meta_disk") error"
write 2
wait "$REPLY"
assert_ne "$(cat /tmp/written)" 0
assert_eq "$(dm_get t0 metadata)" failed
# The first one might fail as the data's disk could be the same (M7).
for _ in 1 2; do
	write 3
	wait "$REPLY"
	assert_ne "$(cat /tmp/written)" 0
done
retable m0 "$good"
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
write 3
wait "$REPLY"
assert_eq "$(cat /tmp/written)" 0
assert_eq "$(known $((first + 2)))$(known $((first + 3)))" 00
assert_verified
