# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M7 D2 metadata on the data's disk: a loss that only its write was told of is told to a flush
# kernels: newest
# timeout: 60
# boot: shared
# cpus: 1
#
# "On the data's disk" is any part of it: nobody can tell which disks are one below.
# The disk has no FUA: the block layer flushes it behind each such write.

. "$GRID_TOP/tools/testing/load/run.sh"

bs=16384
load_modules
commits_asked_for
disk_setup 64 flush
random_file /tmp/block $bs

loss_is_told()
{
	put /tmp/block 5
	gridctl enqueue t0 8 > /dev/null
	flush
	put /tmp/block 6
	disk mark
	hold fail flush 0
	gridctl enqueue t0 9 > /dev/null
	disk count flush 0 0
	assert_ne "$REPLY" 0 "flushes behind the metadata's write"
	flush_fails
	flush
	must_fail "error writing .*: Input/output error" put_fua /tmp/block 7
	put_fua /tmp/block 7
	assert_eq "$(dm_get t0 metadata)" ok
	dm_remove t0
}

log "at its head"
meta_create internal --block-size=16K --blocks-max=1024
defer disk_let_go
loss_is_told

log "in another partition of it"
disk=$lower
dm_create m0 "0 32768 linear $disk 32768"
dm_create l0 "0 32768 linear $disk 65536"
lower=/dev/mapper/l0
meta_create /dev/mapper/m0 --block-size=16K --blocks-max=1024
defer disk_let_go
loss_is_told
