# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the cases dev_*.sh: build one of the programs here, and run it as a
# 64-bit program and, where the guest can, as a 32-bit one.

dev_test()
{
	local m

	load_modules grid_missing
	if ! mountpoint -q /sys/kernel/debug; then
		mount -t debugfs debugfs /sys/kernel/debug
		defer umount /sys/kernel/debug
	fi
	for m in -m64 -m32; do
		log "$1 $m"
		make -s -C "$GRID_TOP/tools/testing/dev" O="/tmp/dev$m" M=$m \
			CFLAGS=-O0 WARN= "/tmp/dev$m/$1"
		"/tmp/dev$m/$1" || fail "$1 $m: $?"
	done
}
