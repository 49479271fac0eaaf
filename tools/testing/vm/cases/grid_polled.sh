# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 D10 polled I/O: who can wait does, who must not gets EAGAIN, nothing hangs
# kernels: stock
# timeout: 90
# boot: shared
#
# A disk whose requests end only when somebody asks, and a block that is
# missing. Older block layers make asynchronous polled I/O NOWAIT; 7.x lets it
# wait.
. "$GRID_TOP/tools/testing/vm/grid.sh"

polled()
{
	local name=$1 engine=$2
	shift 2
	fio --name="$name" --filename="$dev" --direct=1 --ioengine="$engine" --hipri=1 \
		--rw=read --bs="$bs" --output="/tmp/$name.out" "$@"
}

parked_or_gone()
{
	[ "$(dm_get t0 parked)" = 1 ] || ! kill -0 $reader 2> /dev/null
}

load_modules
null_disk polled 4 submit_queues=1 poll_queues=1
lower=$REPLY
bs=65536
grid_create 4 checksum:sha256 no_helper_ms:60000
defer rm -f /tmp/good.out /tmp/sync.out /tmp/async.out
polled good io_uring --size=4m --iodepth=4 || fail "$(cat /tmp/good.out)"
for d in "$lower" "$dev"; do
	assert_eq "$(cat "/sys/dev/block/$(lsblk -dnro MAJ:MIN "$d")/queue/io_poll")" 1 "$d polls"
done

lose 3 4
polled sync pvsync2 --offset=$((3 * bs)) --size="$bs" &
reader=$!
wait_until 60 parked 1
mend 3
wait $reader || fail "$(cat /tmp/sync.out)"
assert_eq "$(dm_get t0 timeouts)" 0

polled async io_uring --offset=$((4 * bs)) --size="$bs" &
reader=$!
wait_until 60 parked_or_gone
if [ "$(dm_get t0 parked)" = 1 ]; then
	mend 4
	wait $reader || fail "$(cat /tmp/async.out)"
	lose 4
else
	! wait $reader || fail "it read a missing block: $(cat /tmp/async.out)"
	grep -q "Resource temporarily unavailable" /tmp/async.out ||
		fail "$(cat /tmp/async.out)"
	# It asked for the block all the same.
	assert_match "$(gridctl --json faults t0)" '"address":4,.*"wanted":true'
fi
assert_eq "$(dm_get t0 parked)" 0
mend 4
polled good io_uring --size=4m --iodepth=4 || fail "$(cat /tmp/good.out)"
cmp "$replica" "$dev"
