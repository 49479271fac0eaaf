# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U4 T13 random ioctls find nothing
# kernels: all
# timeout: 300
# boot: own

. "$GRID_TOP/tools/testing/dev/run.sh"

dev_begin
ram_disk 32
dm_create g "0 65536 grid $REPLY 0 8"
seed=${GRID_SEED:-$(date +%s)}
# A million over the kernels; make fuzz-ioctl asks for more.
calls=320000
[[ $GRID_KERNEL != debug* ]] || calls=160000
calls=${GRID_CALLS:-$calls}
dev_run -m64 fuzz "$calls" "$seed"
dev_run -m64 fuzz $((calls / 4)) "$seed" "$(dmsetup info -c --noheadings -o major,minor --separator : g)"
dmsetup remove g
