# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U1 poll without lost wake-ups, events
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/dev/run.sh"
dev_test poll
