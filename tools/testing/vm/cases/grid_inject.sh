# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D3 U6 memory that fails and a disk that fails: no report, no hang, and all is right afterwards
# kernels: debug
# timeout: 60
# boot: shared
#
# Allocations fail at random where one of the modules is on the stack, and
# requests to the lower device fail, while the checker of acknowledged writes
# runs; then nothing fails any more, and every block must become good.
# GRID_ACK_WRITES and GRID_ACK_SEED in the environment make it longer.
. "$GRID_TOP/tools/testing/load/run.sh"
. "$GRID_TOP/tools/testing/vm/inject.sh"

writes=${GRID_ACK_WRITES:-40}
seed=${GRID_ACK_SEED:-$RANDOM}

# ack_run EXPLICIT SEED: what failed of $kinds comes to $count
ack_run()
{
	local name
	log "seed $2, explicit=$1"
	inject fail_make_request 3
	"$load/ack" "$dev" "$lower" explicit="$1" errors=1 seed="$2" \
		writes="$writes" calm="bash /tmp/calm" || fail "seed $2: an answer was wrong"
	assert_verified
	assert_eq "$(dm_get t0 parked)" 0
	for name in failslab fail_page_alloc fail_make_request; do
		injected $name
		log "$name: $REPLY"
		count[$name]=$REPLY
	done
}

options="no_helper_ms:3600000 park_timeout_ms:3600000"
# shellcheck disable=SC2086
grid_setup 2 65536 $options
set_for_now "/sys/block/${lower#/dev/}/make-it-fail" 1
defer inject_calm
{
	declare -p inject_debug
	declare -f inject_calm
	echo inject_calm
} > /tmp/calm
defer rm -f /tmp/calm
declare -A count

# Bios come from dm-grid's pool, the copies of what is to be written from
# grid_missing.
inject_memory failslab 20 dm_grid
inject_memory fail_page_alloc 20 grid_missing
ack_run 0 "$seed"
assert_ne "${count[failslab]}" 0 "failures of memory for dm-grid"
assert_ne "${count[fail_page_alloc]}" 0 "failures of pages for grid_missing"
assert_ne "${count[fail_make_request]}" 0 "failures of the lower device"

dm_remove t0
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options checkpoint:explicit)"
inject_memory failslab 10 grid_missing
inject_memory fail_page_alloc 20 dm_grid
ack_run 1 $((seed + 1))
assert_ne "${count[failslab]}" 0 "failures of memory for grid_missing"
inject_leaks_seen
