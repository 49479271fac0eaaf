# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D3 D5 an offset on the lower device: what parks, is held back, repaired or discarded is in its place
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
random_file /tmp/page 4096
dm_remove t0
n=$((bs / 512))
dm_create t0 "0 $((16 * n)) grid $lower $((5 * n)) $n 1 no_helper_ms:3600000"
cp "$replica" /tmp/wanted.disk
defer rm -f /tmp/wanted.disk

# wanted FILE BLOCK [PAGE]: this is to be there, 5 blocks on.
wanted() { dd if="$1" of=/tmp/wanted.disk bs=4096 seek=$((($2 + 5) * bs / 4096 + ${3:-0})) conv=notrunc status=none; }

log "a write that parks"
miss 2
begin write put /tmp/page 2 1
wait_until 60 parked 1
repair 2
finish_well write
wanted <(block 2) 2
wanted /tmp/page 2 1

log "a write that is held back"
hold keep write 9
begin write put /tmp/page 4 2
wait_until 60 held 1
miss 4
disk release
wait_until 60 parked 1
repair 4
finish_well write
wanted <(block 4) 4
wanted /tmp/page 4 2

log "a discard"
discard 7 2
flush
wait_until 60 is discarding 0
wanted <(dd if=/dev/zero bs="$bs" count=2 status=none) 7
cmp /tmp/wanted.disk "$disk_file"
