# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: U1 U2 U3 U6 the ioctls on a device: repair, suspend, reload, removal
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/dev/run.sh"

need_module algif_hash
need_hash sha256
dev_begin
ram_disk 32
a=$REPLY
ram_disk 32
b=$REPLY
dm_create hashed "0 65536 grid $b 0 8 1 checksum:sha256"
sizes=(-m64 -m32)
[[ $GRID_KERNEL != debug* ]] || sizes=(-m64)
for m in "${sizes[@]}"; do
	dm_create plain "0 65536 grid $a 0 8 1 checkpoint:explicit"
	dev_run $m dm plain hashed
	dm_remove plain
done
