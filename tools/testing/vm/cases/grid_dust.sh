# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D6 bad sectors that a write makes good: exactly their blocks become faults, a repair or a write heals them
# kernels: debug
# timeout: 60
# boot: shared
# cpus: 1
#
# dm-dust below: a bad sector fails its reads until it is written, like a disk's.
. "$GRID_TOP/tools/testing/vm/grid.sh"

bad() { dmsetup message dust 0 countbadblocks; }

load_modules
need_module dm-dust
ram_disk 4
disk=$REPLY
bs=16384
dm_create dust "0 $(sectors "$disk") dust $disk 0 512"
lower=$REPLY
grid_create 4 checksum:sha256 no_helper_ms:3600000 park_timeout_ms:3600000

log "one sector in the middle, the first of a block, the last of one"
for sector in $((66 * 32 + 7)) $((70 * 32)) $((127 * 32 + 31)); do
	dmsetup message dust 0 addbadblock $sector
done
dmsetup message dust 0 enable
bs=1048576 read_background 1 /tmp/out
reader=$REPLY
defer rm -f /tmp/out /tmp/out.status /tmp/out.error
wait_until 60 detected 3
wait_until 60 parked 1
assert_eq "$(faults)" "66 70 127 "
mend 66 70 127 --trust
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
cmp /tmp/out <(dd if="$replica" bs=1M skip=1 count=1 status=none)
assert_match "$(bad)" ": 0 badblock" "a repair writes the whole block"

log "a whole write heals one that nobody has read, and one that was found"
dmsetup message dust 0 addbadblock $((10 * 32 + 3))
dmsetup message dust 0 addbadblock $((12 * 32 + 3))
read_background 12 /tmp/out
reader=$REPLY
wait_until 60 detected 4
wait_until 60 parked 1
for b in 10 12; do
	dd if="$replica" of="$dev" bs="$bs" skip=$b seek=$b count=1 oflag=direct conv=notrunc status=none
done
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
assert_eq "$(dm_get t0 waiting)" 0
assert_match "$(bad)" ": 0 badblock"
assert_eq "$(dm_get t0 detected)" 4
cmp "$replica" "$dev"
