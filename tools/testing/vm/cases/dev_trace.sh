# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U7 tracepoints tell every transition with its reason, and who did it
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/dev/run.sh"

dev_begin grid_missing
tracing
# The names' numbers, or perf and trace-cmd could not tell what they mean.
must_fail "^exit status 1$" grep -q 'GRID_MISSING_\|GM_TRACE_' \
	$t/events/grid_missing/grid_missing_change/format
must_fail "^exit status 1$" grep -q 'GRID_MISSING_\|GM_TRACE_' \
	$t/events/grid_missing/grid_missing_tracker/format
# Whole tables come by: nothing may be pushed out.
echo 16384 > $t/buffer_size_kb
echo > $t/trace
echo 1 > $t/events/grid_missing/enable
defer eval "echo 0 > $t/events/grid_missing/enable"
dev_run -m64 private
echo 0 > $t/events/grid_missing/enable
grep -v "^#" $t/trace > /tmp/trace
for want in 'gone->waiting why=enqueued who=[1-9]' \
	'waiting->waiting why=promoted' 'waiting->writing why=commenced' \
	'writing->gone why=repaired' 'writing->waiting why=write-failed' \
	'waiting->gone why=freed' 'writing->aborting why=freed' \
	'why=cancelled' 'why=unavailable' 'why=retried' \
	' created value=8' ' checkpoint-taken value=1' ' durable-commenced' \
	' durable-completed' ' jump-commenced' ' jump-completed' ' removed ' \
	' freed value=' ' helpers value=1'; do
	grep -q -- "$want" /tmp/trace || fail "no trace of: $want"
done
