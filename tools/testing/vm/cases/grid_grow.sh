# SPDX-License-Identifier: GPL-2.0
#
# rule: D9 a reload with a longer length or larger maxima keeps everything known; another shape only when nothing is
# kernels: all
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"
grid_setup 16 65536
other=$lower
ram_disk 16
other=$REPLY

# table SECTORS DEVICE OFFSET BLOCK-SECTORS [KEY:VALUE...]
table()
{
	local len=$1 device=$2 offset=$3 sectors=$4
	shift 4
	echo "0 $len grid $device $offset $sectors $# $*"
}
load() { dmsetup load t0 --table "$(table "$@")"; }
# refuse SENTENCE, and as load
refuse() { refused "$1" dmsetup load t0 --table "$(table "${@:2}")"; }
shape="only length and maxima can change"
limit="a maximum is below what is in use"
become() { load "$@" && dmsetup suspend --noflush t0 && dmsetup resume t0; }
listed() { gridctl --json faults t0 | grep -o '"address":[0-9]*' | sort; }
half=$((8 * 2048))
full=$((16 * 2048))

# Half of it, full of faults, with something released and somebody waiting.
become $half "$lower" 0 128 checksum:sha256 blocks_max:4 no_helper_ms:60000
id=$(dm_get t0 id)
lose 0 5 100 127
must_fail "block 7: the tracker is full" gridctl enqueue t0 7
case_dmesg > /tmp/log
defer rm -f /tmp/log
grep -q "t0: full: blocks_max:4 is reached; blocks_max:8 would take [0-9]* KiB more" /tmp/log
discard 20 2
assert_eq "$(dm_get t0 released)" 2
read_background 5 /tmp/five
defer rm -f /tmp/five /tmp/five.status /tmp/five.error
wait_until 20 parked 1
faults=$(listed)
refuse "$shape" $half "$lower" 128 128 checksum:sha256 no_helper_ms:60000

become $full "$lower" 0 128 checksum:sha256 blocks_max:100 tables_max:2 table_values_max:7 no_helper_ms:60000
assert_eq "$(dm_get t0 id)" "$id" "another tracker"
assert_eq "$(dm_get t0 blocks)" 256
assert_eq "$(listed)" "$faults" "faults were lost"
assert_eq "$(dm_get t0 released)" 2 "releases were lost"
wait_until 20 parked 1
assert_verified
lose 200 255
must_fail "256 lies beyond the end" gridctl enqueue t0 256
mend 0 5 200 255
dd if="$replica" of="$dev" bs="$bs" skip=21 seek=21 count=1 oflag=direct conv=notrunc status=none
assert_eq "$(dm_get t0 released)" 1 "a write takes its block out, as before"
wait_until 20 [ -e /tmp/five.status ]
assert_eq "$(cat /tmp/five.status)" 0 "the reader that waited all the time"
cmp -n "$bs" -i $((5 * bs)):0 "$replica" /tmp/five
assert_eq "$(sum_dev 255)" "$(sum_replica 255)"
assert_eq "$(sectors "$dev")" $full

# What would not fit, or is not the same place any more.
wanted="checksum:sha256 no_helper_ms:60000"
refuse "$limit" $full "$lower" 0 128 $wanted blocks_max:1
refuse "$shape" $half "$lower" 0 128 $wanted
refuse "$shape" $half "$lower" 128 128 $wanted
refuse "$shape" $full "$other" 0 128 $wanted
refuse "$shape" $full "$lower" 0 64 $wanted
refuse "$shape" $full "$lower" 0 128 no_helper_ms:60000
mend 100 127
assert_eq "$(dm_get t0 waiting) $(dm_get t0 released)" "0 1"
refuse "$shape" $full "$other" 0 128 $wanted
sync -d "$dev"
wait_until 20 is released 0
wait_until 20 is discarding 0

# Asked again when it is to become live.
load $full "$other" 0 128 $wanted
lose 9 10
dmsetup suspend t0
refused "not resumed: .*$shape" dmsetup resume t0
load $full "$lower" 0 128 $wanted
dmsetup resume t0
assert_eq "$(listed)" $'"address":10\n"address":9'
mend 9 10
load $full "$lower" 0 128 $wanted blocks_max:1
lose 9 10
dmsetup suspend t0
refused "not resumed: $limit" dmsetup resume t0
# U6: suspended, and a message does not wait.
must_fail "Resource temporarily unavailable" dmsetup message t0 0 enqueue 11
load $full "$lower" 0 128 $wanted blocks_max:2
dmsetup resume t0
must_fail "block 11: the tracker is full" gridctl enqueue t0 11
assert_eq "$(dm_get t0 waiting)" 2
mend 9 10
assert_verified

# Nothing is known: any shape will do. Another block size is another tracker.
become $half "$lower" $half 128 $wanted
assert_eq "$(dm_get t0 id)" "$id"
assert_eq "$(dd if="$dev" bs=1M count=8 iflag=direct status=none | sha256sum)" \
	"$(dd if="$lower" bs=1M skip=8 count=8 status=none iflag=direct | sha256sum)"
become $full "$other" 0 64 $wanted
assert_ne "$(dm_get t0 id)" "$id" "the same tracker with another block size"
gridctl enqueue t0 511 > /dev/null
assert_verified
dmsetup suspend t0
dmsetup load t0 --table "$(dmsetup table t0)"
dmsetup resume t0
assert_eq "$(dm_get t0 waiting)" 1
gridctl cancel t0 511 --force > /dev/null
