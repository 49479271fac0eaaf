# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U4 U6 every allocation and every user copy fails once: told, nothing stuck
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/dev/run.sh"

dev_begin
ram_disk 8
dm_create g "0 16384 grid $REPLY 0 8"
# The allocations of the debug kernel fail on demand, whatever they may wait for.
for f in /sys/kernel/debug/fail{slab,_page_alloc}; do
	[ -d "$f" ] || continue
	set_for_now "$f/ignore-gfp-wait" N
	set_for_now "$f/verbose" 0
	[ ! -e "$f/ignore-gfp-highmem" ] || set_for_now "$f/ignore-gfp-highmem" N
	[ ! -e "$f/min-order" ] || set_for_now "$f/min-order" 0
done
stride=1
[[ $GRID_KERNEL != debug* ]] || stride=3
dev_run -m64 fail "$(dmsetup info -c --noheadings -o major,minor --separator : g)" $stride
