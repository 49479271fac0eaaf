# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D4 D5 whenever the power fails, what a flush or a repair has promised is there
# kernels: all
# timeout: 90
# boot: shared
# cpus: 1
#
# dm-log-writes below records what comes; every prefix of it is checked.
# GRID_CUT_SEED and GRID_CUT_TRANSACTIONS in the environment.
. "$GRID_TOP/tools/testing/load/run.sh"

transactions=100
[[ $GRID_KERNEL != debug* ]] || transactions=40
transactions=${GRID_CUT_TRANSACTIONS:-$transactions}
seed=${GRID_CUT_SEED:-$RANDOM}
bs=8192

load_modules
need_module dm-log-writes
ram_disk 4
disk=$REPLY
ram_disk 64
log_disk=$REPLY
dm_create log "0 $(sectors "$disk") log-writes $disk $log_disk"
lower=$REPLY
dm_create t0 "$(grid_table no_helper_ms:3600000 park_timeout_ms:3600000)"
dev=$REPLY

log "seed $seed"
"$load/cut" run "$dev" "$lower" log transactions="$transactions" seed="$seed" ||
	fail "seed $seed: an answer was wrong"
assert_verified
dm_remove t0
dm_remove log
"$load/cut" check "$log_disk" $bs || fail "seed $seed: lost when the power fails"
