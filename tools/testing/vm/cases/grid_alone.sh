# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: D3 a constructor that waits for modprobe holds up no other grid
# kernels: all
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_disk 16 65536
lower=$REPLY
ram_disk 16
other=$REPLY
defer rm -f /tmp/modprobe /tmp/asked /tmp/gate /tmp/created /tmp/created.log /tmp/removed
mkfifo /tmp/gate
# It says that it was asked, and ends when the gate opens.
cat > /tmp/modprobe << 'END'
#!/bin/sh
: > /tmp/asked
read line < /tmp/gate
exit 1
END
chmod +x /tmp/modprobe
set_for_now /proc/sys/kernel/modprobe /tmp/modprobe
open_gate()
{
	echo /bin/true > /proc/sys/kernel/modprobe
	# Whoever waits there, now or soon.
	until [ -e /tmp/created ]; do
		timeout 1 sh -c 'echo > /tmp/gate' || :
	done
}

dm_create t0 "0 $(sectors "$lower") grid $lower 0 128"
defer open_gate
{
	dmsetup create t1 --noudevsync --table \
		"0 $(sectors "$other") grid $other 0 128 1 checksum:nohash" > /tmp/created.log 2>&1 || :
	: > /tmp/created
} &
wait_until 60 test -e /tmp/asked
{
	retable t0 "$(grid_table blocks_max:100)"
	dmsetup remove t0
	: > /tmp/removed
} &
wait_until 60 test -e /tmp/removed
must_fail "does not exist" dmsetup info t0 --noheadings -c -o open
[ ! -e /tmp/created ] || fail "modprobe was not waited for"
open_gate
wait
must_fail "does not exist" dmsetup info t1 --noheadings -c -o open
