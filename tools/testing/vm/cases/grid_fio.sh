# SPDX-License-Identifier: GPL-2.0
#
# rule: D1 D2 D5 fio verifies its writes while blocks are lost, repaired, discarded and flushed
# kernels: all
# timeout: 240
# boot: shared
#
# No replica knows what fio writes, so a repair brings the old content: if any
# acknowledged write is undone by it, fio notices. Blocks are enqueued with the
# checksum of the replica and repaired from it, at random, under load.
. "$GRID_TOP/tools/testing/vm/grid.sh"

# Half of the device: fio's own, nothing there is ever enqueued with bad data
# below. The other half: lost and mended, read by a checker.
mib=32 losses=40
[[ $GRID_KERNEL != debug* ]] || mib=8 losses=10
grid_setup $mib 65536 checksum:sha256 no_helper_ms:60000
half=$((blocks / 2))

loss()
{
	local i b
	for ((i = 0; i < losses; i++)); do
		b=$((half + RANDOM % half))
		lose $b
		mend $b || return 1
	done
}

loss &
losing=$!
fio --name=verify --filename="$dev" --size=$((half * bs)) --direct=1 \
	--ioengine=libaio --iodepth=16 --rw=randwrite --bsrange=4k-128k \
	--verify=crc32c --verify_fatal=1 --loops=1 --fsync=32 --output=/tmp/fio.out \
	--verify_state_save=0 || { cat /tmp/fio.out; fail "fio"; }
wait $losing || fail "a repair failed"
assert_eq "$(dm_get t0 waiting)" 0
dd if="$dev" bs="$bs" skip=$half iflag=direct status=none |
	cmp - <(dd if="$replica" bs="$bs" skip=$half status=none) ||
	fail "the other half is not what it was"
