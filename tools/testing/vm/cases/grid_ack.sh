# SPDX-License-Identifier: GPL-2.0
#
# rule: D1 D2 D5 no acknowledged write is lost, no bad byte is read, nothing freed is repaired
# kernels: all
# timeout: 120
# boot: shared
#
# Every request takes a random time below, and lands at its begin or its end.
# GRID_ACK_WRITES and GRID_ACK_SEED in the environment make it longer.
. "$GRID_TOP/tools/testing/load/run.sh"

writes=400
[[ $GRID_KERNEL != debug* ]] || writes=60
writes=${GRID_ACK_WRITES:-$writes}
seed=${GRID_ACK_SEED:-$RANDOM}

# ack_run EXPLICIT-OR-0 SEED [OPTION...]
ack_run()
{
	log "seed $2, explicit=$1"
	"$load/ack" "$dev" "$lower" explicit="$1" seed="$2" writes="$writes" \
		log="$disk_log" || fail "seed $2: an answer was wrong"
	assert_verified
}

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000 park_timeout_ms:3600000
disk jitter "$seed"
ack_run 0 "$seed"
# No repair waits for writes that came before it.
drain_ms 0
dm_remove t0
dm_create t0 "$(grid_table no_helper_ms:3600000 park_timeout_ms:3600000 checkpoint:explicit)"
ack_run 1 $((seed + 1))
