# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M1 what finds no room in the log waits for it, is not issued again, and fails nothing
# kernels: stock
# timeout: 180
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=4096
n=45000 # more ends than two commits of the least size have room for
load_modules
ram_disk 192
lower=$REPLY
ram_disk 64
meta_disk=$REPLY
dm_create m0 "0 $(sectors "$meta_disk") linear $meta_disk 0"
meta_create /dev/mapper/m0 --block-size=4K --checksum=none --blocks-max=$n
defer dmsetup resume m0
seq -f '%.0f -' 0 $((n - 1)) | gridctl enqueue t0 - > /dev/null

written() { awk '{ print $5 }' "/sys/class/block/${lower#/dev/}/stat"; }
inflight() { awk '{ print $9 }' "$node/stat"; }
node=/sys/dev/block/$(dmsetup info -c --noheadings --separator : -o major,minor t0)

log "writes without room wait, and the disk hears nothing of it"
dmsetup suspend --noflush --nolockfs m0
fio --name=room --filename=/dev/mapper/t0 --rw=write --bs=4k --direct=1 --ioengine=libaio \
	--iodepth=32 --size=$((n * 4))k --verify=crc32c --do_verify=0 \
	--output=/tmp/fio.out &
writer=$!
still()
{
	local a
	a=$(dm_get t0 waiting)
	nap 1
	[ "$a" = "$(dm_get t0 waiting)" ] && [ "$a" != $n ]
}
wait_until 60 still
assert_ne "$(dm_get t0 waiting)" 0
assert_ne "$(inflight)" 0
before=$(written)
nap 1
assert_eq "$(written)" "$before" "writes of the disk"

log "with room they end"
dmsetup resume m0
wait "$writer"
assert_eq "$(dm_get t0 waiting)" 0
dev=/dev/mapper/t0
flush
fio --name=room --filename=/dev/mapper/t0 --rw=write --bs=4k --direct=1 --ioengine=libaio \
	--iodepth=32 --size=$((n * 4))k --verify=crc32c --verify_only --output=/tmp/fio.out
assert_eq "$(dm_get t0 metadata)" ok
assert_verified

log "who lists what a cancel is taking has no room, and takes none of it (M1)"
gridctl remove t0
ram_disk 400
lower=$REPLY
n=100000
gridctl format "$lower" --metadata=/dev/mapper/m0 --block-size=4K --checksum=none --blocks-max=$n --force > /dev/null
gridctl create t0 "$lower" --metadata=/dev/mapper/m0 > /dev/null
seq -f '%.0f -' 0 $((n - 1)) | gridctl enqueue t0 - > /dev/null
flush
# Commits that take their time.
need_module dm-delay
retable m0 "0 $(sectors "$meta_disk") delay $meta_disk 0 0 $meta_disk 0 300"
gridctl cancel t0 --all --force > /tmp/cancel.out 2>&1 &
cancel=$!
while [ -e "/proc/$cancel" ] && [ "$(dm_get t0 waiting)" != 0 ]; do
	gridctl faults t0 > /dev/null
done
wait "$cancel"
assert_eq "$(dm_get t0 metadata)" ok
retable m0 "0 $(sectors "$meta_disk") linear $meta_disk 0"
flush
assert_eq "$(dm_get t0 waiting)" 0
assert_verified
