# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 U3 kill -9 of gridrepaird at any moment loses nothing, while everything is read
# kernels: stock
# timeout: 180
# boot: shared
#
# The long form (10240 blocks, killed a hundred times):
#	run --kernel 6.12 --case repaird_kill --env GRID_LONG=1 --timeout 1800
. "$GRID_TOP/tools/testing/vm/repaird.sh"
if [ -n "${GRID_LONG:-}" ]; then
	grid_setup 40 4096 checksum:sha256 no_helper_ms:60000
	kills_max=100
else
	grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
	kills_max=12
fi
gridctl manifest "$replica" --block-size="$bs" --output=/tmp/manifest
defer rm -f /tmp/manifest
# One request after the other, each late: a kill finds work in flight, and no
# run of the daemon gets far.
serve 10809 -t 1 --filter=delay file "$replica" rdelay=20ms
lose_all

# A reader of everything, buffered, all the time.
(
	status=0
	cmp "$replica" "$dev" > /tmp/read.out 2>&1 || status=$?
	echo $status > /tmp/read.status
) &
reader=$!
defer rm -f /tmp/read.out /tmp/read.status

kills=0
until [ "$(dm_get t0 waiting)" = 0 ] || [ $kills = $kills_max ]; do
	before=$(dm_get t0 repaired)
	repaird --source nbd://127.0.0.1:10809/ --budget 4 --budget-max 4
	for _ in {1..200}; do
		[ "$(dm_get t0 repaired)" = "$before" ] || break
		nap 0.1
	done
	nap 0.$((RANDOM % 3))
	kill_wait "$daemon"
	kills=$((kills + 1))
done
log "killed $kills times, $(dm_get t0 waiting) of $blocks blocks were left"
[ $kills -ge 3 ] || fail "killed only $kills times"
# What is left comes from where nothing is late.
repaird --source "$replica"
# Nothing may be left for it; before it catches signals one would end it badly.
wait_until 30 grep -q "t0: attached" /tmp/repaird.log
gridctl wait t0 --timeout="$(long 90)s"
wait $reader
assert_eq "$(cat /tmp/read.status)" 0 "the reader: $(cat /tmp/read.out)"
stop_repaird
drop_caches
cmp "$replica" "$dev"
assert_eq "$(dm_get t0 repaired)" "$blocks" "a block was repaired twice"
assert_eq "$(dm_get t0 timeouts)" 0
