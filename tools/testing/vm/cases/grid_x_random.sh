# SPDX-License-Identifier: GPL-2.0
#
# rule: D1 D2 D3 D5 D6 D9 T9 T11 T12 everything at once: no stale read, no lost write, no hang, and all becomes good
# kernels: newest
# timeout: 400
# boot: own
#
# A repair that goes past a write without a trace it seldom sees: what a replica
# has includes what is under way at the enqueue, as nobody can tell from above
# which of them came first. grid_late and grid_race force that.
#
# A minute; `make check-random MINUTES=` runs it longer.  GRID_ACK_SEED in the
# environment begins with that seed; each round has the next one.
. "$GRID_TOP/tools/testing/load/run.sh"

seconds=${GRID_RANDOM_SECONDS:-60}
seed=${GRID_ACK_SEED:-$RANDOM}
round=${GRID_RANDOM_ROUND:-20}

# What ends a parked bio is its repair, or what frees or cancels it.
options="no_helper_ms:3600000 park_timeout_ms:3600000"
disk_mib=2
load_modules
bs=65536
blocks=$((disk_mib * 1048576 / bs))
disk_setup $disk_mib flush trim
defer disk_let_go
disk jitter "$seed"
# A device that may grow: its first table is shorter.
first=$((blocks * bs * 3 / 4 / 512))

end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
	log "seed $seed"
	# In every other pair of rounds no repair waits for earlier writes.
	drain_ms $(((seed >> 1 & 1) * 3000))
	explicit=$((seed & 1))
	start=clean
	[ $((seed & 2)) = 0 ] || start=held
	# shellcheck disable=SC2086
	set -- $options checkpoint:"$([ $explicit = 1 ] && echo explicit || echo flush)" start:$start \
		blocks_max:256 tables_max:4 table_values_max:8
	# shellcheck disable=SC2154
	dm_create t0 "0 $first grid $lower 0 $((bs / 512)) $# $*"
	dev=$REPLY
	status=0
	within 300 "$load/ack" "$dev" "$lower" explicit=$explicit seed="$seed" \
		held=$((seed >> 1 & 1)) wild=1 seconds="$round" disk=/tmp/disk \
		options="$options" log="$disk_log" || status=$?
	[ $status = 0 ] || fail "seed $seed: status $status: $(dmsetup status t0)"
	assert_verified
	disk forget
	dm_remove t0
	seed=$((seed + 1))
done
