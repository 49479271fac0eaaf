# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# For the cases that use disk or ack, on top of grid.sh: a lower device that
# holds what it is told to hold.

. "$GRID_TOP/tools/testing/vm/grid.sh"
load=$GRID_TOP/tools/testing/load/build

# disk_setup MIB [flush] [trim]: $lower is a disk whose data is $disk_file and
# whose requests are logged in $disk_log; `disk` commands it.
disk_setup()
{
	local mib=$1
	shift
	need_module nbd
	disk_file=$(mktemp /tmp/disk.XXXXXX)
	disk_log=$disk_file.log
	truncate -s "${mib}M" "$disk_file"
	rm -f /tmp/disk.in /tmp/disk.out
	mkfifo /tmp/disk.in /tmp/disk.out
	exec 7<> /tmp/disk.in 8<> /tmp/disk.out
	lower=/dev/nbd0
	"$load/disk" "$disk_file" $lower "$disk_log" "$@" <&7 >&8 &
	disk_pid=$!
	defer disk_end
	wait_until 20 disk_ready
	# What a test sends is what comes below.
	echo 2 > /sys/block/nbd0/queue/nomerges
	echo none > /sys/block/nbd0/queue/scheduler
	disk mark
}

disk_ready() { [ "$(sectors $lower 2> /dev/null)" = $(($(stat -c %s "$disk_file") / 512)) ]; }

# disk COMMAND...: REPLY is what it answers.
disk()
{
	echo "$*" >&7
	read -r -t 120 REPLY <&8 || fail "disk $*: no answer"
	[[ $REPLY = ok* ]] || fail "disk $*: $REPLY"
	REPLY=${REPLY#ok }
}

disk_let_go() { printf '%s\n' forget release >&7; }

disk_end()
{
	local status=0
	disk_let_go
	echo quit >&7
	wait "$disk_pid" || status=$?
	exec 7>&- 8>&-
	rm -f "$disk_file" "$disk_log" /tmp/disk.in /tmp/disk.out
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

# hold VERB OP BLOCK [SKIP]: `disk VERB` for a block.
hold() { disk "$1" "$2" $(($3 * bs)) "$bs" "${4:-0}"; }

# drain_ms N: so long a repair waits for writes that came before it.
drain_ms() { echo "$1" > /sys/module/dm_grid/parameters/drain_ms; }

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
	) 7>&- 8>&- &
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

# Contents that differ from the replica's and from each other.
random_file() { head -c "$2" /dev/urandom > "$1"; }

# put FILE BLOCK [PAGE]: write it there, in one request.
put()
{
	dd if="$1" of="$dev" bs="$(stat -c %s "$1")" count=1 conv=notrunc status=none \
		oflag=direct,seek_bytes seek=$(($2 * bs + ${3:-0} * 4096))
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
