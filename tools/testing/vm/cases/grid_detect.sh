# SPDX-License-Identifier: GPL-2.0
#
# rule: D6 a read error makes faults of exactly the bad blocks
# kernels: all
# timeout: 120
# boot: shared
# cpus: 1
#
# dm-integrity without a journal, tags on a device of their own; blocks are
# overwritten beneath it.
. "$GRID_TOP/tools/testing/vm/grid.sh"
need_module dm-integrity

load_modules
ram_disk 16
data=$REPLY
ram_disk 4
meta=$REPLY
integritysetup format --batch-mode --no-wipe --integrity crc32c --sector-size 4096 \
	--integrity-no-journal --data-device "$data" "$meta" > /dev/null
integritysetup open --integrity crc32c --integrity-no-journal \
	--data-device "$data" "$meta" int0
defer integritysetup close int0
dmsetup mknodes
lower=/dev/mapper/int0
bs=65536
replica=$(mktemp /tmp/replica.XXXXXX)
defer rm -f "$replica"
head -c $(($(sectors "$lower") * 512 / bs * bs)) /dev/urandom > "$replica"
dd if="$replica" of="$lower" bs=1M oflag=direct status=none
dm_create t0 "0 $(($(stat -c %s "$replica") / 512)) grid $lower 0 $((bs / 512)) 2 checksum:sha256 no_helper_ms:60000"
dev=$REPLY

# Two 4 KiB sectors in blocks 3 and 6.
for sector in $((3 * 16 + 5)) $((6 * 16)); do
	head -c 4096 /dev/urandom |
		dd of="$data" bs=4096 seek=$sector oflag=direct conv=notrunc status=none
done
echo 3 > /proc/sys/vm/drop_caches

log "one large read: exactly two faults, and it waits for both"
(
	dd if="$dev" of=/tmp/out bs=1M count=1 iflag=direct status=none
) &
reader=$!
# Before that it parks for detection, which goes on after the first of them.
wait_until 20 detected 2
wait_until 20 parked 1
gridctl --json faults t0 > /tmp/faults
assert_eq "$(dm_get t0 waiting)" 2
assert_eq "$(dm_get t0 detected)" 2
grep -q '"address": *3\b' /tmp/faults || fail "block 3 is no fault: $(cat /tmp/faults)"
grep -q '"address": *6\b' /tmp/faults || fail "block 6 is no fault: $(cat /tmp/faults)"
mend 3 6 --trust
wait $reader
cmp -n 1048576 /tmp/out "$replica"
assert_eq "$(dm_get t0 detected)" 2 "of sixteen"
assert_eq "$(dm_get t0 unverified)" 2
assert_eq "$(dm_get t0 waiting)" 0

log "detect:off: the error passes up"
dmsetup message t0 0 set detect:off
head -c 4096 /dev/urandom | dd of="$data" bs=4096 seek=$((9 * 16)) oflag=direct conv=notrunc status=none
echo 3 > /proc/sys/vm/drop_caches
read_fails 9 "Invalid or incomplete"
assert_eq "$(dm_get t0 waiting)" 0
