# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the cases dev_*.sh: build one of the programs here, and run it as a
# 64-bit program and as a 32-bit one.

# dev_begin: the module, and debugfs for the programs to look into.
dev_begin()
{
	load_modules "$@"
	if ! mountpoint -q /sys/kernel/debug; then
		mount -t debugfs debugfs /sys/kernel/debug
		defer umount /sys/kernel/debug
	fi
}

# dev_run -m64|-m32 PROGRAM [ARGUMENT...]
dev_run()
{
	local m=$1 program=$2
	shift 2
	log "$program $m"
	make -s -C "$GRID_TOP/tools/testing/dev" O="/tmp/dev$m" M="$m" \
		CFLAGS=-O0 WARN= "/tmp/dev$m/$program"
	"/tmp/dev$m/$program" "$@" || fail "$program $m: $?"
}

# dev_test PROGRAM: that needs no device.
dev_test()
{
	dev_begin grid_missing
	dev_run -m64 "$1"
	# What a 32-bit program could meet is in these; the debug kernel is slow.
	case $GRID_KERNEL-$1 in
	debug*-poll | debug*-owner) ;;
	*) dev_run -m32 "$1" ;;
	esac
}
