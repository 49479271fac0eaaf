# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U4 U5 wrong calls get their errno and change nothing
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/dev/run.sh"
dev_test reject
