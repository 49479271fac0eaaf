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
bs=8192

load_modules
log_writes 4 64
dm_create t0 "$(grid_table no_helper_ms:3600000 park_timeout_ms:3600000)"
dev=$REPLY
cut_anywhere "${GRID_CUT_SEED:-$RANDOM}" "${GRID_CUT_TRANSACTIONS:-$transactions}"
