# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 U3 a helper that is stopped, or killed while stopped, holds nothing
# kernels: stock
# timeout: 180
# boot: shared
. "$GRID_TOP/tools/testing/vm/repaird.sh"

grid_setup 4 65536 checksum:sha256 park_timeout_ms:3600000 no_helper_ms:3600000
gridctl manifest "$replica" --block-size=64K --output=/tmp/manifest
defer rm -f /tmp/manifest /tmp/out /tmp/out.status /tmp/out.error

log "stopped before there was anything to do: it counts as a helper, and time alone ends readers"
repaird --source "$replica"
wait_until 60 is helpers 1
kill -STOP "$daemon"
lose_all
read_background 3 /tmp/out
reader=$REPLY
wait_until 60 parked 1
dmsetup message t0 0 set no_helper_ms:1
assert_eq "$(dm_get t0 parked)" 1 "a stopped helper is one, too"
dmsetup message t0 0 set park_timeout_ms:1
wait "$reader"
assert_ne "$(cat /tmp/out.status)" 0
assert_match "$(cat /tmp/out.error)" "Input/output error"

log "killed while stopped: readers have no_helper_ms from then on"
dmsetup message t0 0 set park_timeout_ms:3600000
dmsetup message t0 0 set no_helper_ms:2000
read_background 5 /tmp/out
reader=$REPLY
wait_until 60 parked 1
wait_until 60 waited_ms 2000
begin=$(now_ms)
kill_wait "$daemon"
wait "$reader"
# A tick of either clock does not matter.
waited=$(($(now_ms) - begin))
[ $waited -ge 1900 ] || fail "it was given $waited ms"
assert_ne "$(cat /tmp/out.status)" 0
assert_match "$(cat /tmp/out.error)" "Input/output error"
assert_eq "$(dm_get t0 helpers)" 0
assert_eq "$(dm_get t0 timeouts)" 2

log "stopped and going on over a suspend, with readers of everything"
dmsetup message t0 0 set no_helper_ms:3600000
gridctl retry t0 --all > /dev/null
cmp "$replica" "$dev" &
reader=$!
repaird --source "$replica"
for _ in {1..3}; do
	kill -STOP "$daemon"
	within 100 dmsetup suspend --noflush --nolockfs t0
	kill -CONT "$daemon"
	dmsetup resume t0
done
gridctl wait t0 --timeout="$(long 90)s"
wait $reader
stop_repaird
assert_eq "$(dm_get t0 repaired)" "$blocks"
