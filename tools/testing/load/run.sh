# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# For the cases that use disk or ack, on top of grid.sh: a lower device that
# holds what it is told to hold.

. "$GRID_TOP/tools/testing/vm/grid.sh"
load=$GRID_TOP/tools/testing/load/build

declare -A disk_in disk_out disk_pid

# disk_start NAME NODE MIB [OPTION...]: a disk at NODE, whose data is /tmp/NAME.data
# and whose requests are logged in /tmp/NAME.log; `tell NAME` commands it.
disk_start()
{
	local name=$1 node=$2 mib=$3 in out
	local file=/tmp/$1
	shift 3
	need_module nbd
	rm -f "$file".{data,log,in,out}
	truncate -s "${mib}M" "$file.data"
	mkfifo "$file.in" "$file.out"
	exec {in}<> "$file.in" {out}<> "$file.out"
	disk_in[$name]=$in disk_out[$name]=$out
	"$load/disk" "$file.data" "$node" "$file.log" "$@" <&"$in" >&"$out" &
	disk_pid[$name]=$!
	defer disk_end "$name"
	wait_until 20 disk_ready "$node" "$mib"
	# What a test sends is what comes below.
	echo 2 > "/sys/block/${node#/dev/}/queue/nomerges"
	echo none > "/sys/block/${node#/dev/}/queue/scheduler"
}

disk_ready() { [ "$(sectors "$1" 2> /dev/null)" = $(($2 * 2048)) ]; }

# disk_setup MIB [OPTION...]: $lower is such a disk; `disk` commands it.
disk_setup()
{
	lower=/dev/nbd0
	disk_file=/tmp/disk.data
	disk_log=/tmp/disk.log
	disk_start disk $lower "$@"
	disk mark
}

tell_limit=$(long 120)

# tell NAME COMMAND...: REPLY is what it answers.
tell()
{
	local name=$1
	shift
	echo "$*" >&"${disk_in[$name]}"
	read -r -t "$tell_limit" REPLY <&"${disk_out[$name]}" || fail "$name: $*: no answer"
	[[ $REPLY = ok* ]] || fail "$name: $*: $REPLY"
	REPLY=${REPLY#ok }
}

disk() { tell disk "$@"; }

# disk_let_go [NAME]: its answers are read, or the next `tell` takes them for its own; for
# those of a disk that has died nobody waits.
disk_let_go()
{
	local name=${1:-disk} command
	kill -0 "${disk_pid[$name]}" 2> /dev/null || return 0
	for command in forget release; do
		echo $command >&"${disk_in[$name]}"
		read -r -t "$tell_limit" _ <&"${disk_out[$name]}" || return
	done
}

disk_end()
{
	local name=$1 status=0
	local in=${disk_in[$1]} out=${disk_out[$1]}
	disk_let_go "$name"
	echo quit >&"$in"
	wait "${disk_pid[$name]}" || status=$?
	exec {in}>&- {out}>&-
	rm -f "/tmp/$name".{data,log,in,out}
	return $status
}

# held N: so many requests are held.
held()
{
	disk held
	[ "$REPLY" = "$1" ]
}

# grid_on_disk MIB BLOCK-BYTES FLAGS [KEY:VALUE...]: as grid_setup, on such a disk
grid_on_disk()
{
	local mib=$1 flags
	bs=$2
	read -ra flags <<< "$3"
	shift 3
	blocks=$((mib * 1048576 / bs))
	load_modules
	disk_setup "$mib" "${flags[@]}"
	grid_create "$mib" "$@"
	# A case that fails leaves nothing held: else t0 could not be removed.
	defer disk_let_go
	disk mark
}

# meta_on_disk MIB BLOCK-BYTES FLAGS: for a grid that is made then: $lower on such a disk,
# its replica; and $meta_disk, on $meta_file, for its map
meta_on_disk()
{
	local flags
	bs=$2
	blocks=$(($1 * 1048576 / bs))
	read -ra flags <<< "$3"
	load_modules
	commits_asked_for
	disk_setup "$1" "${flags[@]}"
	file_disk meta_file meta_disk 64
	replica_setup "$1"
}

# log_writes MIB LOG-MIB: dm-log-writes is $lower, and what comes there is on $log_disk
log_writes()
{
	need_module dm-log-writes
	ram_disk "$1"
	lower=$REPLY
	ram_disk "$2"
	log_disk=$REPLY
	dm_create log "0 $(sectors "$lower") log-writes $lower $log_disk"
	lower=$REPLY
}

# cut_anywhere SEED TRANSACTIONS [start=SECTOR]: so many of a store on t0, on that; then t0
# goes, and every prefix of what came below has to have what the store was promised
cut_anywhere()
{
	local seed=$1 transactions=$2
	shift 2
	log "seed $seed"
	"$load/cut" run "$dev" "$lower" log transactions="$transactions" seed="$seed" "$@" ||
		fail "seed $seed: an answer was wrong"
	[[ ${1:-} != start=* ]] || assert_eq "$(dm_get t0 metadata)" ok
	assert_verified
	dm_remove t0
	dm_remove log
	"$load/cut" check "$log_disk" "$bs" "$@" || fail "seed $seed: lost when the power fails"
}

# hold VERB OP BLOCK [SKIP]: `disk VERB` for a block.
hold() { disk "$1" "$2" $(($3 * bs)) "$bs" "${4:-0}"; }

# drain_ms N: so long a repair waits for writes that came before it.
drain_ms() { echo "$1" > /sys/module/dm_grid/parameters/drain_ms; }

# commit_ms N: so long a change of the map waits for a commit that nobody asks for.
commit_ms() { echo "$1" > /sys/module/dm_grid/parameters/commit_ms; }

# commits_asked_for: until the case ends there are no others, however slow the machine.
commits_asked_for()
{
	set_for_now /sys/module/dm_grid/parameters/commit_ms 600000
}

# came OP BLOCK: REPLY is how many came below since `disk mark`.
came() { disk count "$1" $(($2 * bs)) "$bs"; }

# begin NAME COMMAND...: in background; wait for it with `finish NAME`.
begin()
{
	local name=$1
	shift
	rm -f "/tmp/$name.status"
	(
		trap - ERR EXIT
		status=0
		"$@" > "/tmp/$name.out" 2>&1 || status=$?
		echo $status > "/tmp/$name.status"
	) &
}

ended() { [ -s "/tmp/$1.status" ]; }

# finish NAME: wait for it; REPLY is its exit status.
finish()
{
	wait_until 120 ended "$1"
	read -r REPLY < "/tmp/$1.status"
}

# finish_well NAME...
finish_well()
{
	local name
	for name; do
		finish "$name"
		assert_eq "$REPLY" 0 "$name: $(cat "/tmp/$name.out"): exit status"
	done
}

not_ended() { ! ended "$1" || fail "$2"; }

# waits_for_bio COMMAND-LINE: a process in background has submitted its bio, and sleeps
# until that ends: no function below that one is on its stack.
waits_for_bio()
{
	local pid top
	pid=$(pgrep -n -f "$1") || return
	read -r top < "/proc/$pid/stack" || return
	[[ $top =~ submit_bio_wait|wait_for_completion|bio_await|blk_wait_io ]]
}

flushes_begun=0
# begin_flush NAME: a flush in background has submitted its bio, and waits. (Its block
# size tells it from others.)
begin_flush()
{
	flushes_begun=$((flushes_begun + 1))
	begin "$1" dd if=/dev/null of="$dev" conv=fsync,notrunc status=none \
		bs=$((4096 + flushes_begun))
	wait_until 60 waits_for_bio "bs=$((4096 + flushes_begun))"
}

# A kernel that does what it must not gets its chance to do it: as long as it
# takes to read a little past it (blkdiscard locks the device's inode, on
# which dd would wait). A right one needs no luck.
chance()
{
	dd if="$lower" of=/dev/null bs=4096 skip=$((blocks * bs / 4096 - 200)) \
		count=200 iflag=direct status=none
}

# miss BLOCK...: enqueued, what is below is right.
miss()
{
	local b
	for b; do
		dmsetup message t0 0 enqueue "$b"
	done
}

# repair BLOCK...: from the replica; nothing tells its checksum.
repair() { gridctl repair t0 --trust --from "$replica" "$@" > /dev/null; }

# flushing: a repair is written, and waits for its flush.
flushing()
{
	local p
	for p in $(pgrep -x gridctl); do
		! grep -qs grid_flush_own /proc/"$p"/task/*/stack || return 0
	done
	return 1
}

# Contents that differ from the replica's and from each other.
random_file() { head -c "$2" /dev/urandom > "$1"; }

# put FILE BLOCK [PAGE]: write it there, in one request.
put()
{
	dd if="$1" of="$dev" bs="$(stat -c %s "$1")" count=1 conv=notrunc status=none \
		oflag=direct,seek_bytes seek=$(($2 * bs + ${3:-0} * 4096))
}

# put_fua FILE BLOCK: with FUA; when that has ended well, the kernel flushes.
put_fua()
{
	dd if="$1" of="$dev" bs="$(stat -c %s "$1")" count=1 conv=notrunc status=none \
		oflag=direct,dsync,seek_bytes seek=$(($2 * bs))
}

# write_beside_decision BLOCK FILE: a read finds the block bad, and a write of FILE that
# was in flight heals it between the read that decides and that one's error. What was
# read is in /tmp/out.
write_beside_decision()
{
	local reader
	disk bad $(($1 * bs)) 4096
	hold keep write "$1"
	begin write put "$2" "$1"
	wait_until 60 held 1
	# The third read decides.
	hold land read "$1" 2
	read_background "$1" /tmp/out
	reader=$REPLY
	wait_until 60 held 2
	disk release write
	finish_well write
	disk release
	wait "$reader"
}

# holds BLOCK FILE [PAGE]: the block is FILE; or the replica's but for that page.
holds()
{
	if [ $# = 2 ]; then
		cp "$2" /tmp/wanted
	else
		dd if="$replica" of=/tmp/wanted bs="$bs" skip="$1" count=1 status=none
		dd if="$2" of=/tmp/wanted bs=4096 seek="$3" conv=notrunc status=none
	fi
	dd if="$dev" bs="$bs" skip="$1" count=1 iflag=direct status=none |
		cmp - /tmp/wanted || fail "block $1: not what it should hold"
}
