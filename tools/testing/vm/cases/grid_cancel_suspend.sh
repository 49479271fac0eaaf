# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: D3 a message's `cancel all` waits for no suspend, which may wait for what comes behind it
# kernels: all
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_on_gate 4 65536 checkpoint:explicit no_helper_ms:3600000
defer rm -f /tmp/error
lose 3
id=$(gridctl checkpoint t0 take)
id=${id//[!0-9]/}

turned_away()
{
	! dmsetup message t0 0 enqueue 3 2> /tmp/error &&
		grep -q "temporarily unavailable" /tmp/error
}
sleeps_hard() { grep -q '^State:.D' "/proc/$1/status"; }
in_durable() { grep -q grid_durable "/proc/$durable/stack"; }
told() { marked_dmesg | grep -q "$1"; }

log "a suspend waits for durable, and that for a flush of the disk"
gate_close
gridctl checkpoint t0 durable "$id" > /dev/null &
durable=$!
wait_until 60 in_durable
dmsetup suspend --nolockfs t0 &
suspend=$!
wait_until 60 turned_away
wait_until 60 sleeps_hard $suspend
mark_dmesg
dmsetup message t0 0 cancel all
wait_until 60 told "cancel all: suspended, or busy"
sleeps_hard $suspend || fail "the suspend did not wait"
gate_open
wait $durable
wait $suspend
dmsetup resume t0
assert_eq "$(dm_get t0 waiting)" 1 "cancelled all the same"
dmsetup message t0 0 cancel all
nothing_waits() { [ "$(dm_get t0 waiting)" = 0 ]; }
wait_until 60 nothing_waits
