# SPDX-License-Identifier: GPL-2.0
#
# rule: 5 start:held: what udev left alone it is told to look at once the device is ready
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1
#
# No udev here: what the kernel tells it is seen by a listener of our own.
. "$GRID_TOP/tools/testing/vm/grid.sh"

changes() { grep -c "change .*/$1 " /tmp/events; }
more_than() { [ "$(changes "$2")" -gt "$1" ]; }

marks=0
# An event that no other is mistaken for.
mark()
{
	marks=$((marks + 1))
	echo "change 00000000-0000-0000-0000-$(printf '%012d' $marks)" \
		> "/sys/block/${lower#/dev/}/uevent"
}
marked() { grep -q "SYNTH_UUID=.*-$(printf '%012d' $marks)" /tmp/events; }

# What is sent before anybody listens is lost.
listens()
{
	mark
	nap 0.2
	marked
}

# REPLY is the number of events of $1 so far, without any that is on its way.
events()
{
	mark
	wait_until 60 marked
	REPLY=$(changes "$1") || :
}

wait_for_the_end()
{
	kill "$1"
	wait "$1" || :
}

grid_setup 4 65536 start:held no_helper_ms:3600000
name=$(dmsetup info -c --noheadings -o blkdevname t0)
stdbuf -oL udevadm monitor --kernel --property --subsystem-match=block > /tmp/events &
listener=$!
defer rm -f /tmp/events
defer wait_for_the_end "$listener"
wait_until 60 listens

log "by a message"
read_background 3 /tmp/out
reader=$REPLY
defer rm -f /tmp/out /tmp/out.status /tmp/out.error
wait_until 60 parked 1
events "$name"
assert_eq "$REPLY" 0 "events while it was held"
dmsetup message t0 0 ready
wait_until 60 more_than 0 "$name"
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
must_fail "Invalid argument" dmsetup message t0 0 ready

log "by the ioctl"
dm_remove t0
dm_create t0 "$(grid_table start:held)"
name=$(dmsetup info -c --noheadings -o blkdevname t0)
events "$name"
before=$REPLY
gridctl ready t0
wait_until 60 more_than "$before" "$name"
must_fail "not possible in this state" gridctl ready t0
events "$name"
assert_eq "$REPLY" $((before + 1)) "events for one ready"
