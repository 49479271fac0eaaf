# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M1 M2 M3 M9 whenever the power fails, the map knows every block that is bad
# kernels: stock
# timeout: 150
# boot: shared
# cpus: 1
#
# As grid_cut, with metadata at the head of the disk: after each write that came
# below, it is loaded. GRID_CUT_SEED and GRID_CUT_TRANSACTIONS in the environment.
. "$GRID_TOP/tools/testing/load/run.sh"

transactions=${GRID_CUT_TRANSACTIONS:-60}
seed=${GRID_CUT_SEED:-$RANDOM}
bs=8192

load_modules
need_module dm-log-writes
ram_disk 24
disk=$REPLY
ram_disk 256
log_disk=$REPLY
dm_create log "0 $(sectors "$disk") log-writes $disk $log_disk"
lower=$REPLY
gridctl format "$lower" --block-size=$bs --blocks-max=256 --tables-max=1 \
	--table-values-max=64 --length=4M > /dev/null
gridctl create t0 "$lower" --metadata=internal > /dev/null
defer dm_remove t0
dev=/dev/mapper/t0
gridctl set t0 no_helper_ms:3600000 park_timeout_ms:3600000
start=$(dmsetup table t0 | cut -d' ' -f5)

log "seed $seed"
"$load/cut" run "$dev" "$lower" log transactions="$transactions" seed="$seed" start="$start" ||
	fail "seed $seed: an answer was wrong"
assert_eq "$(dm_get t0 metadata)" ok
assert_verified
dm_remove t0
dm_remove log
"$load/cut" check "$log_disk" $bs start="$start" || fail "seed $seed: lost when the power fails"
