# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M1 M2 M3 M5 M6 the map outlives a crash, and a planned stop
# kernels: all
# timeout: 200
# boot: shared
# cpus: 1
#
# A crash is a copy of both disks while nothing is written: what a power cut
# leaves of disks without a cache.

. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=65536
load_modules
file_disk data data_dev 64
file_disk meta meta_dev 64
lower=$data_dev
replica_setup 64

gridctl format "$data_dev" --metadata="$meta_dev" --block-size=64K \
	--checksum=sha256 --blocks-max=4096 --tables-max=4 --table-values-max=512 > /dev/null

# start NAME DATA META: a grid on them
start()
{
	gridctl create "$1" "$2" --metadata="$3" > /dev/null
	dev=/dev/mapper/$1
	gridctl set "$1" no_helper_ms:60000
}

# What is there is taken away.
rest()
{
	local name
	for name in t0 t1; do
		[ ! -e "/dev/mapper/$name" ] || dm_remove "$name"
	done
	[ -z "$crash_data" ] || losetup -d "$crash_data" "$crash_meta"
}
crash_data='' crash_meta=''
defer rest

# crash: both disks as they are now; a grid t1 on the copies
crash()
{
	copy_disk "$data"
	crash_data=$REPLY
	copy_disk "$meta"
	crash_meta=$REPLY
	start t1 "$crash_data" "$crash_meta"
}

# load_refused SENTENCE TABLE, create_refused NAME SENTENCE TABLE
load_refused() { refused "$1" dmsetup load t0 --table "$2"; }
create_refused() { refused "$2" dmsetup create "$1" --noudevsync --table "$3"; }
reads_of() { [ "$(dm_get "$1" parked)" = "$2" ]; }
uncrash()
{
	dm_remove t1
	losetup -d "$crash_data" "$crash_meta"
	crash_data=''
	dev=/dev/mapper/t0
}

start t0 "$data_dev" "$meta_dev"
assert_eq "$(dm_get t0 metadata)" ok
assert_eq "$(faults_of t0)" "" "a new map"

log "what was enqueued is missing after a crash, with its checksum"
lose 3 4 5 100 1023
crash
assert_eq "$(faults_of t1)" "3 4 5 100 1023 " "after the crash"
assert_eq "$(gridctl --json faults t1 | grep -c "$(checksum 100)")" 1
read_background 100 /tmp/out
reader=$REPLY
wait_until 10 reads_of t1 1
gridctl repair t1 --from "$replica" 100 > /dev/null
wait "$reader"
assert_eq "$(sha256sum < /tmp/out | cut -c1-64)" "$(sum_replica 100)" "data read"
assert_eq "$(dm_get t1 waiting)" 4
uncrash

log "what was repaired, superseded and flushed, or cancelled is not"
mend 3
dd if=/dev/urandom of=/tmp/new bs="$bs" count=1 status=none
dd if=/tmp/new of="$dev" bs="$bs" seek=4 count=1 oflag=direct conv=fsync,notrunc status=none
gridctl cancel t0 5 --force
flush
crash
assert_eq "$(faults_of t1)" "100 1023 " "after the crash"
dd if="$dev" bs="$bs" skip=4 count=1 iflag=direct status=none | cmp - /tmp/new
uncrash

log "a FUA write makes it good as well"
dd if=/tmp/new of="$dev" bs="$bs" seek=100 count=1 oflag=direct,dsync conv=notrunc status=none
crash
assert_eq "$(faults_of t1)" "1023 " "after the crash"
uncrash

log "a table and its progress"
dd if="$replica" of=/tmp/index bs="$bs" skip=200 count=1 status=none
gridctl enqueue-table t0 "200:$(checksum 200)" > /dev/null
crash
assert_eq "$(gridctl --json tables t1 | grep -c '"address":200')" 1
assert_eq "$(faults_of t1)" "200 1023 "
uncrash

log "what a sync jump drops stays in the map until it is over, or is written"
lose 20 21 22 23 24
gridctl sync-jump t0 commence
assert_eq "$(faults_of t0)" "200 "
dd if=/tmp/new of="$dev" bs=4096 seek=$((21 * bs / 4096)) count=1 oflag=direct conv=fsync,notrunc status=none
dd if=/tmp/new of="$dev" bs="$bs" seek=22 count=1 oflag=direct,dsync conv=notrunc status=none
gridctl enqueue t0 "23:$(checksum 7)" > /dev/null
crash
assert_eq "$(faults_of t1)" "20 23 24 200 1023 " "after a crash in the jump"
assert_eq "$(gridctl --json faults t1 | grep -c "$(checksum 7)")" 1
uncrash
gridctl sync-jump t0 complete
flush
crash
assert_eq "$(faults_of t1)" "23 200 " "after the jump"
uncrash
gridctl cancel t0 23 --force
lose 1023

log "what a suspend leaves is what a reload, a removal and another create find"
dmsetup suspend t0
dmsetup resume t0
lose 7 8
dmsetup table t0 > /tmp/table
sed 's/park_timeout_ms:[0-9]*/park_timeout_ms:50000/' /tmp/table |
	dmsetup load t0
dmsetup suspend t0
dmsetup resume t0
assert_eq "$(faults_of t0)" "7 8 200 1023 "
lose 9
gridctl remove t0
gridctl metadata check "$meta_dev" > /dev/null
gridctl create t0 "$data_dev" --metadata="$meta_dev" > /dev/null
assert_eq "$(faults_of t0)" "7 8 9 200 1023 "
assert_eq "$(gridctl --json faults t0 | grep -c "$(checksum 9)")" 1
assert_verified

log "what doesn't belong to it is refused, and nothing is changed"
dmsetup table t0 > /tmp/table
create_refused t2 "another grid uses it" "$(cat /tmp/table)"
sed 's/ 13 / 10 /; s/ metadata:.*//' /tmp/table > /tmp/bare
load_refused "can't change by a reload: save, remove" "$(cat /tmp/bare)"
load_refused "of a longer device: when nothing is missing, format" \
	"$(awk '{ $2 /= 2; print }' /tmp/table)"
dmsetup clear t0

log "metadata is dropped, and added, by way of a saved map"
gridctl save t0 /tmp/save --suspend > /dev/null
gridctl remove t0 --force
gridctl create t0 "$data_dev" --block-size=64K --checksum=sha256 --start=held \
	--blocks-max=4096 --tables-max=4 --table-values-max=512 > /dev/null
gridctl load t0 /tmp/save > /dev/null
gridctl ready t0
gridctl metadata set "$meta_dev" --state=retired > /dev/null
assert_eq "$(faults_of t0)" "7 8 9 200 1023 "
load_refused "can't change by a reload: save, remove" "$(cat /tmp/table)"
rm -f /tmp/save*
gridctl save t0 /tmp/save --suspend > /dev/null
gridctl remove t0 --force
must_fail "retired" gridctl create t0 "$data_dev" --metadata="$meta_dev"
gridctl format "$data_dev" --metadata="$meta_dev" --block-size=64K --force \
	--checksum=sha256 --blocks-max=4096 --tables-max=4 --table-values-max=512 > /dev/null
gridctl create t0 "$data_dev" --metadata="$meta_dev" --start=held > /dev/null
gridctl load t0 /tmp/save > /dev/null
gridctl ready t0
crash
assert_eq "$(faults_of t1)" "7 8 9 200 1023 "
uncrash
dmsetup table t0 > /tmp/table
log "IMA is told whose map it is"
assert_match "$(dmsetup measure t0)" ",$(sed 's/.* metadata:\([^ ]*\) metadata_start:\([^ ]*\) metadata_uuid:\([^ ]*\).*/metadata_device=\1,metadata_start=\2,metadata_uuid=\3/' /tmp/table);"
gridctl remove t0 --force
create_refused t2 "of another checksum" "$(sed 's/sha256/none/' /tmp/table)"
create_refused t2 "another uuid" "$(sed 's/metadata_uuid:..../metadata_uuid:0000/' /tmp/table)"
must_fail "holds grid metadata: --metadata=internal" gridctl create t2 "$meta_dev" --block-size=64K
dd if=/dev/zero of="$meta_dev" bs=1M count=1 oflag=direct status=none
create_refused t2 "superblock at byte" "$(cat /tmp/table)"
must_fail "no grid metadata" gridctl create t0 "$data_dev" --metadata="$meta_dev"

log "nor the map of another disk, by its name"
one="0 32768 linear $data_dev 0"
dmsetup create a --noudevsync --uuid one --table "$one"
defer dmsetup remove a
dmsetup create b --noudevsync --uuid two --table "$one"
dmsetup create c --noudevsync --table "$one"
dmsetup mknodes
gridctl format /dev/mapper/a --metadata="$meta_dev" --block-size=64K --length=8M --force > /dev/null
for disk in b c; do
	must_fail "its WWID is another one" gridctl create t0 /dev/mapper/$disk --metadata="$meta_dev"
done
dmsetup remove b
dmsetup remove c
# One that has its name may be of another length.
gridctl create t0 /dev/mapper/a --metadata="$meta_dev" > /dev/null
gridctl remove t0
dmsetup remove a
dmsetup create a --noudevsync --uuid one --table "0 16384 linear $data_dev 0"
dmsetup mknodes
gridctl create t0 /dev/mapper/a --metadata="$meta_dev" > /dev/null
gridctl remove t0

log "a create that is ended while the module loads the map leaves a grid, not half of one"
need_module dm-delay
gridctl format "$data_dev" --metadata="$meta_dev" --block-size=64K --force > /dev/null
# gridctl reads the metadata first, so a gate can't be closed before: what is slow
# makes time to close it.
size=$(sectors "$meta_dev")
dm_create slow "0 $size delay $meta_dev 0 $((400 * ${GRID_SLOW:-1}))"
dm_create gate "0 $size linear /dev/mapper/slow 0"
unblock() { [ ! -e /dev/mapper/gate ] || gate_open; }
defer unblock
gridctl create t0 "$data_dev" --metadata=/dev/mapper/gate > /dev/null &
creator=$!
wait_until 60 dmsetup info t0
gate_close
# It has no table yet, and gets none.
assert_eq "$(dmsetup table t0)" ""
kill $creator
retable slow "0 $size linear $meta_dev 0"
gate_open
wait $creator || :
assert_match "$(dmsetup table t0)" " grid "
gridctl remove t0
dm_remove gate
dm_remove slow

log "no map lies where another grid has its data"
ram_disk 16
other_dev=$REPLY
file_disk other_meta other_meta_dev 32
gridctl format "$other_dev" --metadata="$other_meta_dev" --block-size=64K --blocks-max=64 > /dev/null
gridctl create t1 "$other_dev" --metadata="$other_meta_dev" > /dev/null
dmsetup table t1 > /tmp/table
gridctl remove t1
gridctl format "$data_dev" --metadata="$meta_dev" --block-size=64K --force > /dev/null
start t0 "$data_dev" "$meta_dev"
# Data that look like a map.
dd if="$other_meta" of="$dev" bs=1M oflag=direct conv=fsync,notrunc status=none
there=$(lsblk -dno MAJ:MIN "$other_meta_dev" | tr -d ' ')
here=$(lsblk -dno MAJ:MIN "$data_dev" | tr -d ' ')
create_refused t1 "keeps its map or its data there" "$(sed "s/metadata:$there/metadata:$here/" /tmp/table)"
gridctl remove t0
