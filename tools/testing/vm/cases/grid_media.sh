# SPDX-License-Identifier: GPL-2.0
#
# rule: D6 D10 exactly the bad blocks become faults, a dead disk's errors pass up
# kernels: stock
# timeout: 180
# boot: shared
# cpus: 1
#
# A dm table of linear and error segments below: errors of no particular kind.
. "$GRID_TOP/tools/testing/vm/grid.sh"

# table_below BLOCK...: these are bad
table_below()
{
	local b at=0 n=$((bs / 512))
	for b; do
		[ "$at" = $((b * n)) ] || echo "$at $((b * n - at)) linear $disk $at"
		echo "$((b * n)) $n error"
		at=$(((b + 1) * n))
	done
	[ "$at" = "$size" ] || echo "$at $((size - at)) linear $disk $at"
}

below()
{
	retable below "$(table_below "$@")"
}


options="checksum:sha256 no_helper_ms:60000"
grid_setup 8 4096
dm_remove t0
disk=$lower
size=$(sectors "$disk")
dm_create below "0 $size linear $disk 0"
lower=$REPLY
# One MiB less, for now.
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options | sed "s/^0 $size /0 $((size - 2048)) /")"
defer rm -f /tmp/out /tmp/out.status /tmp/out.error

log "the bad blocks of one large read, first and last among them"
below 256 300 301 511
bs=1048576 read_background 1 /tmp/out
reader=$REPLY
wait_until 60 is detected 4
wait_until 60 parked 1
assert_eq "$(faults)" "256 300 301 511 "
below
mend 256 300 301 511 --trust
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
cmp /tmp/out <(dd if="$replica" bs=1M skip=1 count=1 status=none)
assert_eq "$(dm_get t0 unverified)" 4
assert_eq "$(dm_get t0 passed_up)" 0

log "a bad block that is rewritten as a whole is good again, without a repair"
below 7
read_background 7 /tmp/out
reader=$REPLY
wait_until 60 is detected 5
wait_until 60 parked 1
below
head -c "$bs" /dev/urandom > /tmp/new
defer rm -f /tmp/new
dd if=/tmp/new of="$dev" bs="$bs" seek=7 count=1 oflag=direct conv=notrunc status=none
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0
cmp /tmp/out /tmp/new
assert_eq "$(faults)" ""

log "on_missing:error: the reader that meets it is told so"
dmsetup message t0 0 set on_missing:error
below 9
read_fails 9 "No data available"
assert_eq "$(faults)" "9 "
below
mend 9 --trust

log "a dead disk: 1024 faults, and no more"
retable below "0 $size error"
dd if="$dev" of=/dev/null bs=1M iflag=direct conv=noerror status=none 2> /dev/null || :
assert_eq "$(dm_get t0 waiting)" 1024 "open detected faults"
assert_ne "$(dm_get t0 passed_up)" 0
read_fails 1791 "Input/output error"
assert_eq "$(dm_get t0 passed_up_block)" 1791
for b in 1790 1791 1700; do
	read_fails $b "Input/output error"
done
gridctl --json status t0 | grep -q '"passed_up_blocks":\[1700,1791,1790[],]' ||
	fail "the last blocks: $(gridctl --json status t0)"
assert_eq "$(dm_get t0 passed_up_io)" "$(dm_get t0 passed_up)"
assert_eq "$(dm_get t0 passed_up_medium)" 0
assert_eq "$(dm_get t0 waiting)" 1024
must_fail "block 0: the lower device failed the write" mend 0 --trust
assert_eq "$(dm_get t0 waiting)" 1024 "a repair that can't be written"
assert_ne "$(dm_get t0 write_failed)" 0

log "a longer device: they still count"
# shellcheck disable=SC2086
retable t0 "$(grid_table $options on_missing:error)"
read_fails 2047 "Input/output error"
assert_eq "$(dm_get t0 waiting)" 1024

log "one less, one more: the limit is on what is open"
gridctl cancel t0 0 --force
assert_eq "$(dm_get t0 waiting)" 1023
read_fails 2047 "No data available"
assert_eq "$(dm_get t0 waiting)" 1024

log "the disk comes back"
below
gridctl cancel t0 --all --force > /dev/null
assert_eq "$(dm_get t0 waiting)" 0
dd if=/tmp/new of="$replica" bs="$bs" seek=7 count=1 conv=notrunc status=none
cmp "$replica" "$dev"

log "no room for another fault: the read fails, and it is counted"
# shellcheck disable=SC2086
retable t0 "$(grid_table $options on_missing:error blocks_max:2)"
assert_eq "$(dm_get t0 lost_full)" 0
before=$(dm_get t0 detected)
below 20 21 22
for b in "20 No data available" "21 No data available" "22 Input/output error"; do
	read_fails "${b%% *}" "${b#* }"
done
assert_eq "$(faults)" "20 21 "
assert_eq "$(dm_get t0 lost_full)" 1
assert_eq "$(dm_get t0 detected)" $((before + 2))
