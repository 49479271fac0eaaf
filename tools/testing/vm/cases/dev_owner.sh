# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U3 what is being written belongs to the open file description
# kernels: all
# timeout: 120
# boot: shared

. "$GRID_TOP/tools/testing/dev/run.sh"
dev_test owner
