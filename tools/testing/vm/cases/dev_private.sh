# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U1 T2-T12 every verb on a private tracker
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/dev/run.sh"
dev_test private
