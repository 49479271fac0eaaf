# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M2 a FUA write that makes a block good when it is looked at once more waits for that as well
# kernels: newest
# timeout: 90
# boot: shared
# cpus: 1
#
# As in meta_fua the writes are those of a file; the metadata is on a disk that
# lets one commit pass after the other.

. "$GRID_TOP/tools/testing/load/run.sh"

fua_disk
disk_start meta /dev/nbd0 64
tell meta mark
meta_create /dev/nbd0 --block-size=4K --checksum=sha256 --blocks-max=1024
fua_file 1040
# Of the file's blocks the one where a group begins by which writes are looked for.
edge=$((1024 - first % 1024))
[ "$edge" -gt 12 ] || fail "block $edge is of use otherwise"
defer disk_let_go meta

# REPLY is how many writes have ended below.
writes_below()
{
	local stat
	read -ra stat < "/sys/block/${lower#/dev/}/stat"
	REPLY=${stat[4]}
}
# One more has than before, and is kept by the grid.
kept()
{
	writes_below
	[ "$REPLY" -gt "$before" ] && in_flight 1
}
keep() { tell meta keep write 0 $((64 << 20)); }
meta_held() { tell meta held; [ "$REPLY" = 1 ]; }
# into N [FLAG [FROM]]: a write of the file's block N, or of FROM to N
into()
{
	local from=${3:-$1}
	dd if=/tmp/new of=/mnt/fua/file bs=$((($1 - from + 1) * bs)) seek=$((from * bs)) count=1 \
		oflag="direct,seek_bytes${2:+,$2}" conv=notrunc,nocreat status=none
}
# fua_and_enqueue N [FROM]: with a commit that is held, `other`, and one block missing: a
# FUA write of the file's block N, or of FROM to N, waits for the next commit, which an
# enqueue of block N joins, and which is held then.
fua_and_enqueue()
{
	writes_below
	before=$REPLY
	begin fua into "$1" dsync "${2:-$1}"
	wait_until 20 kept
	not_ended fua "it waits for no commit"
	begin again gridctl enqueue t0 "$((first + $1)):$(checksum $((first + $1)))"
	wait_until 20 is waiting 2
	keep
	tell meta release
	wait_until 20 meta_held
	finish_well other
	not_ended fua "it did not wait for its commit"
}
dd if=/dev/urandom of=/tmp/new bs="$bs" count=2 status=none
lose $((first + 2))
flush

log "a commit is under way; the FUA write waits for the next one, and an enqueue joins that"
keep
begin other gridctl enqueue t0 "$((first + 9)):$(checksum $((first + 9)))"
wait_until 20 meta_held
into 2
wait_until 20 is waiting 1
fua_and_enqueue 1

log "with that it supersedes the fault, and waits on"
keep
tell meta release
finish_well again
wait_until 20 is waiting 1
wait_until 20 meta_held
nap 1
not_ended fua "what it made good is not committed"
disk_let_go meta
finish_well fua
dd if=/mnt/fua/file bs="$bs" skip=1 count=1 iflag=direct status=none | cmp -n "$bs" - /tmp/new
mend $((first + 9))
assert_verified

log "a fault that came while it waited, and went: it waits for that end as well"
commits_asked_for
lose $((first + 4))
# With an inode that is dirty ext4 asks for a flush, and not for FUA.
sync
keep
begin other gridctl enqueue t0 "$((first + 10)):$(checksum $((first + 10)))"
wait_until 20 meta_held
mend $((first + 4))
fua_and_enqueue "$edge" $((edge - 1))
into "$edge"
wait_until 20 is waiting 1
keep
tell meta release
finish_well again
wait_until 20 meta_held
nap 1
not_ended fua "a commit says missing, and the next one is not there"
disk_let_go meta
finish_well fua
mend $((first + 10))
assert_verified
