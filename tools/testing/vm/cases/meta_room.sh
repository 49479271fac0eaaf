# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M1 a write that finds no room in the log waits for it, and is not issued again
# kernels: stock
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=4096
n=45000 # more ends than two commits of the least size have room for
load_modules
ram_disk 192
lower=$REPLY
ram_disk 64
dm_create m0 "0 $(sectors "$REPLY") linear $REPLY 0"
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
