# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U1 a tracker's id is never used again, nor after the module was unloaded
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/vm/grid.sh"

id() { gridctl --json status t0 | sed -n 's/.*"id":\([0-9]*\).*/\1/p'; }

before=0
for _ in 1 2; do
	load_modules
	for _ in 1 2; do
		grid_setup 1 4096
		now=$(id)
		log "id $now"
		[ "$now" -gt "$before" ] || fail "id $now after $before"
		# What JSON's readers take for an integer without loss.
		[ "$now" -lt $((1 << 53)) ] || fail "id $now"
		gridctl status "id:$now" > /dev/null
		before=$now
		dm_remove t0
	done
	unload_modules
done
