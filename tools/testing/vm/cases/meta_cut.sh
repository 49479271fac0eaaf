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

bs=8192

load_modules
log_writes 24 256
gridctl format "$lower" --block-size=$bs --blocks-max=256 --tables-max=1 \
	--table-values-max=64 --length=4M > /dev/null
gridctl create t0 "$lower" --metadata=internal > /dev/null
defer dm_remove t0
dev=/dev/mapper/t0
gridctl set t0 no_helper_ms:3600000 park_timeout_ms:3600000
cut_anywhere "${GRID_CUT_SEED:-$RANDOM}" "${GRID_CUT_TRANSACTIONS:-60}" \
	start="$(dmsetup table t0 | cut -d' ' -f5)"
