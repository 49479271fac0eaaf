# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M5 D9 a grid with metadata gets longer; what is missing in its new part survives a crash
# kernels: stock
# timeout: 120
# boot: shared
# cpus: 1
#
# A crash is a copy of both disks while nothing is written.

. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=65536
load_modules
file_disk data data_dev 64
file_disk meta meta_dev 64
lower=$data_dev
replica_setup 96
dm_create m0 "0 $(sectors "$meta_dev") linear $meta_dev 0"

# grow: the disk below; the grid does not know yet
grow()
{
	truncate -s "$1" "$data"
	losetup -c "$data_dev"
	dd if="$replica" of="$lower" bs=1M skip=64 seek=64 oflag=direct conv=notrunc status=none 2> /dev/null || :
}

# crash CREATE-OPTION...: what a grid on the copies finds is missing, and its length
crash()
{
	local a b=
	copy_disk "$data"
	a=$REPLY
	if [ "$1" != internal ]; then
		copy_disk "$meta"
		b=$REPLY
		# A longer disk without a name may be another one.
		gridctl metadata set "$b" --data="$a" > /dev/null
	fi
	gridctl create t1 "$a" --metadata="${b:-internal}" > /dev/null
	REPLY="$(dm_get t1 blocks): $(faults_of t1)"
	dm_remove t1
	losetup -d "$a" $b
}

gridctl format "$lower" --metadata=/dev/mapper/m0 --block-size=64K --checksum=sha256 \
	--blocks-max=4096 > /dev/null
gridctl create t0 "$lower" --metadata=/dev/mapper/m0 > /dev/null
defer dm_remove t0
defer dmsetup resume m0
dev=/dev/mapper/t0
gridctl set t0 no_helper_ms:60000

log "a longer disk changes nothing by itself"
lose 3 1000
grow 96M
crash external
assert_eq "$REPLY" "1024: 3 1000 "

log "the grid gets longer, with what is missing and who waits"
read_background 3 /tmp/out
reader=$REPLY
wait_until 10 is parked 1
gridctl resize t0 > /dev/null
assert_eq "$(dm_get t0 blocks)" 1536
assert_eq "$(dm_get t0 metadata)" ok
crash external
assert_eq "$REPLY" "1536: 3 1000 "
lose 1024 1535
crash external
assert_eq "$REPLY" "1536: 3 1000 1024 1535 "
mend 3 1024
wait "$reader"
flush
crash external
assert_eq "$REPLY" "1536: 1000 1535 "
gridctl metadata check /dev/mapper/m0 > /dev/null

log "not shorter, and not while its metadata can't be written"
must_fail "of a longer device" gridctl resize t0 --length=64M
grow 128M
retable m0 "0 $(sectors "$meta_dev") error"
mark_dmesg
must_fail "refused: .*preresume failed, error = -5" gridctl resize t0
assert_match "$(marked_dmesg)" "not resumed: the metadata can't be told of the new length"
assert_eq "$(dm_get t0 blocks)" 1536
assert_eq "$(dm_get t0 metadata)" failed
assert_eq "$(dm_get t0 suspended)" 0
retable m0 "0 $(sectors "$meta_dev") linear $meta_dev 0"
dmsetup message t0 0 metadata retry
wait_until 20 is metadata ok
# It might be on the data's disk (M7).
flush_fails

log "in a sync jump: what is written of what it took is good all the same"
lose 300
gridctl sync-jump t0 commence
gridctl resize t0 > /dev/null
assert_eq "$(dm_get t0 blocks)" 2048
dd if=/dev/urandom of="$dev" bs=$bs seek=300 count=1 oflag=direct conv=fsync,notrunc status=none
crash external
assert_eq "$REPLY" "2048: 1000 1535 "
gridctl sync-jump t0 complete
lose 1000
assert_eq "$(faults)" "1000 "
assert_verified
gridctl remove t0 --force
gridctl create t0 "$lower" --metadata=/dev/mapper/m0 > /dev/null
assert_eq "$(dm_get t0 blocks): $(faults)" "2048: 1000 "
gridctl remove t0 --force

log "one disk that carries both keeps its end free"
truncate -s 64M "$data"
losetup -c "$data_dev"
gridctl format "$lower" --block-size=64K --checksum=sha256 --blocks-max=4096 --force > /dev/null
gridctl create t0 "$lower" --metadata=internal > /dev/null
before=$(dm_get t0 blocks)
gridctl enqueue t0 5 > /dev/null
grow 96M
gridctl resize t0 > /dev/null
blocks=$(dm_get t0 blocks)
assert_eq "$((blocks - before))" 512
gridctl enqueue t0 $((blocks - 1)) > /dev/null
crash internal
assert_eq "$REPLY" "$blocks: 5 $((blocks - 1)) "
