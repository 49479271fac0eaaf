# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M8 M2 an overwrite of a missing block and its fsync cost one FUA write more with metadata, and no flush
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1
#
# Counted by the two disks, which have caches and FUA.

. "$GRID_TOP/tools/testing/load/run.sh"

n=8

# overwrite: so many blocks, all of them missing, a write and an fsync each; what came
# to the data's disk is in $writes, $fuas and $flushes
overwrite()
{
	local b
	assert_eq "$(dm_get t0 waiting)" $n "missing before"
	disk mark
	for ((b = 0; b < n; b++)); do
		dd if=/tmp/block of="$dev" bs="$bs" seek=$b count=1 oflag=direct \
			conv=fsync,notrunc status=none
	done
	came_to disk
	assert_eq "$(dm_get t0 waiting)" 0 "missing after"
}

# came_to NAME: ... since its mark
came_to()
{
	tell "$1" count write 0 $((64 << 20))
	writes=$REPLY
	tell "$1" count fua 0 $((64 << 20))
	fuas=$REPLY
	tell "$1" count flush 0 0
	flushes=$REPLY
}

grid_on_disk 4 16384 "flush fua" no_helper_ms:60000
random_file /tmp/block "$bs"

log "without metadata"
miss {0..7}
flush
overwrite
assert_eq "$writes $fuas" "$n 0" "writes of the data, and with FUA"
without=$flushes
assert_eq "$without" $n "flushes of the data for $n fsyncs"
dm_remove t0

log "with"
disk_start meta /dev/nbd1 64 flush fua
commits_asked_for
meta_create /dev/nbd1 --block-size=16K --checksum=none --blocks-max=1024
defer disk_let_go meta
gridctl enqueue t0 0-7 > /dev/null
flush
tell meta mark
overwrite
assert_eq "$writes $fuas" "$n 0" "writes of the data, and with FUA"
# M8 has room for one more each. None is needed: the commit's serves the application, too.
assert_eq "$flushes" "$without" "flushes of the data for $n overwrites, and without metadata"
came_to meta
assert_eq "$writes $fuas $flushes" "$n $n 0" "writes of the metadata, with FUA, and flushes"
assert_verified
