# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What the cases of the target share: a lower disk, its replica, and a grid
# device on top. Sourced by cases/grid_*.sh after lib.sh.
#
#	$lower    the lower device (a loop device on memory)
#	$replica  a file with what every block should be
#	$dev      /dev/mapper/t0, the grid
#	$bs       bytes a block; $blocks how many

# grid_disk MIB BLOCK-BYTES: modules, and a disk for a grid: REPLY
grid_disk()
{
	bs=$2
	blocks=$(($1 * 1048576 / bs))
	load_modules
	ram_disk "$1"
}

# grid_setup MIB BLOCK-BYTES [KEY:VALUE...]
grid_setup()
{
	local mib=$1
	grid_disk "$1" "$2"
	shift 2
	lower=$REPLY
	grid_create "$mib" "$@"
}

# replica_make MIB
replica_make()
{
	replica=$(mktemp /tmp/replica.XXXXXX)
	defer rm -f "$replica"
	# Every block differs, so a misplaced one is noticed.
	openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff \
		-iv 00000000000000000000000000000000 -in /dev/zero 2> /dev/null |
		head -c $(($1 * 1048576)) > "$replica" || :
}

# replica_setup MIB: the replica, and the content of $lower as far as that goes
replica_setup()
{
	replica_make "$1"
	dd if="$replica" of="$lower" bs=1M count=$((($(sectors "$lower") + 2047) / 2048)) \
		oflag=direct status=none
}

# grid_create MIB [KEY:VALUE...]: replica, content and device, on $lower
grid_create()
{
	replica_setup "$1"
	shift
	dm_create t0 "$(grid_table "$@")"
	dev=$REPLY
}

# grid_on_gate MIB BLOCK-BYTES [KEY:VALUE...]: as grid_setup, with a linear device below
# it: what comes from gate_close to gate_open it holds
grid_on_gate()
{
	local mib=$1
	grid_disk "$1" "$2"
	shift 2
	dm_create gate "0 $(sectors "$REPLY") linear $REPLY 0"
	lower=$REPLY
	grid_create "$mib" "$@"
	defer gate_open
}

gate_close() { dmsetup suspend --noflush --nolockfs gate; }
gate_open() { dmsetup resume gate; }

# file_disk FILE-NAME DEVICE-NAME MIB: a sparse file and a loop device on it, in
# variables of these names
file_disk()
{
	declare -g "$1=$(mktemp "/tmp/$1.XXXXXX")"
	defer rm -f "${!1}" "${!1}.crash"
	truncate -s "${3}M" "${!1}"
	loop_disk "${!1}"
	declare -g "$2=$REPLY"
}

# retable NAME LINE: another table for it, though its I/O may not end
retable()
{
	dmsetup load "$1" --table "$2"
	dmsetup suspend --noflush --nolockfs "$1"
	dmsetup resume "$1"
}

# copy_disk FILE: REPLY is a loop device on a copy of it as it is now, FILE.crash, for
# whoever calls to detach
copy_disk()
{
	cp "$1" "$1.crash"
	REPLY=$(losetup -f --show "$1.crash")
}

# known BLOCK: 1 if the metadata in $meta_file has it as missing, or 0
known() { gridctl --json metadata dump "$meta_file" | grep -c '"address":'"$1"'[,}]' || :; }

# number_of NAME KEY: it, of gridctl's status
number_of() { gridctl --json status "$1" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"; }

# faults_of NAME: what is missing, sorted
faults_of() { gridctl --json faults "$1" | sed 's/.*"address":\([0-9]*\),.*/\1/' | sort -n | tr '\n' ' '; }

# meta_create METADATA FORMAT-OPTION...: t0 on $lower, its map on METADATA
meta_create()
{
	local on=$1
	shift
	gridctl format "$lower" --metadata="$on" --tables-max=1 \
		--table-values-max=64 "$@" > /dev/null
	gridctl create t0 "$lower" --metadata="$on" > /dev/null
	defer dm_remove t0
	dev=/dev/mapper/t0
	gridctl set t0 no_helper_ms:60000
}

# fua_disk: $lower is a disk with FUA. fua_file [BLOCKS]: on a grid on that, of its blocks, a
# file /mnt/fua/file, whose first one is $first; the replica is all there is. On the device node
# the kernel sends a flush behind a FUA write; ext4 sends nothing else for one of a file.
fua_disk()
{
	bs=4096
	load_modules
	need_module ext4 null_blk
	null_disk gridfua 64 cache_size=16
	lower=$REPLY
}

fua_file()
{
	# Nobody writes but who is told to: no journal, no inode table that is zeroed later,
	# and what is dirty stays so.
	set_for_now /proc/sys/vm/dirty_writeback_centisecs 0
	mkfs.ext4 -q -b 4096 -N 16 -E lazy_itable_init=0 -O ^has_journal "$dev"
	mount_at "$dev" /mnt/fua noatime
	dd if=/dev/urandom of=/mnt/fua/file bs=$((${1:-16} * 4096)) count=1 iflag=fullblock \
		oflag=direct conv=fsync status=none
	sync
	filefrag /mnt/fua/file | grep -q ": 1 extent " || fail "the file is in pieces"
	first=$(filefrag -v /mnt/fua/file | awk '$1 == "0:" { print int($4) }')
	replica=$(mktemp /tmp/replica.XXXXXX)
	defer rm -f "$replica"
	dd if="$dev" of="$replica" bs=1M iflag=direct status=none
}

# grid_table [KEY:VALUE...]: the table line
grid_table()
{
	echo "0 $(sectors "$lower") grid $lower 0 $((bs / 512)) $# $*"
}

# What a block should be; and hashed, beside what it is, through grid, or below it.
block() { dd if="$replica" bs="$bs" skip="$1" count=1 status=none; }
sum_replica() { block "$1" | sha256sum | cut -c1-64; }
sum_dev() { dd if="$dev" bs="$bs" skip="$1" count=1 iflag=direct status=none | sha256sum | cut -c1-64; }
sum_lower() { dd if="$lower" bs="$bs" skip="$1" count=1 iflag=direct status=none | sha256sum | cut -c1-64; }

# The tracker's checksum of a block: 32 hex digits.
checksum()
{
	local sum
	sum=$(block "$1" | sha256sum)
	echo "${sum::32}"
}

# table_index BLOCK FIRST COUNT: that block of the replica becomes the index of a table of
# so many values, by sha256
table_index()
{
	python3 - "$replica" "$bs" "$@" << 'END'
import hashlib, struct, sys
bs, index, first, count = map(int, sys.argv[2:])
with open(sys.argv[1], "r+b") as f:
    data = b"GRIDINDX" + struct.pack("<II", 1, count)
    for v in range(first, first + count):
        f.seek(v * bs)
        data += struct.pack("<Q", v) + hashlib.sha256(f.read(bs)).digest()[:16]
    f.seek(index * bs)
    f.write(data.ljust(bs, b"\0"))
END
}

# spoil BLOCK...: what is below is wrong from now on.
spoil()
{
	local b
	for b; do
		dd if=/dev/zero of="$lower" bs="$bs" seek="$b" count=1 \
			oflag=direct conv=notrunc status=none
	done
}

# lose BLOCK...: spoil it and tell the tracker, with its checksum.
lose()
{
	local b known=()
	spoil "$@"
	for b; do
		known+=("$b:$(checksum "$b")")
	done
	gridctl enqueue t0 "${known[@]}" > /dev/null
}

# mend BLOCK...: repair from the replica, which is good, with or without a hash.
mend() { gridctl repair t0 --trust --from "$replica" "$@" > /dev/null; }

# read_background BLOCK FILE: a direct read in background; its status ends
# FILE.status. REPLY is the process.
read_background()
{
	rm -f "$2" "$2.status"
	(
		status=0
		dd if="$dev" of="$2" bs="$bs" skip="$1" count=1 iflag=direct \
			status=none 2> "$2.error" || status=$?
		echo $status > "$2.status"
	) &
	REPLY=$!
}

parked() { [ "$(dm_get t0 parked)" = "$1" ]; }
is() { [ "$(dm_get t0 "$1")" = "$2" ]; }
detected() { [ "$(dm_get t0 detected)" -ge "$1" ]; }
waited_ms() { [ "$(dm_get t0 oldest_waiting_ms)" -ge "$1" ]; }

# in_flight N: so many writes have gone into it, and not come out yet.
in_flight()
{
	local writes
	read -r _ writes < "/sys/dev/block/$(stat -Lc %Hr:%Lr "$dev")/inflight"
	[ "$writes" = "$1" ]
}

# The addresses of all faults, in a line.
faults() { faults_of t0; }
has_faults() { [ "$(faults)" = "$1" ]; }

# read_fails BLOCK WORDS, flush_fails: these are the errno's.
read_fails()
{
	must_fail "error reading .*: $2" within 60 dd if="$dev" of=/dev/null bs="$bs" skip="$1" \
		count=1 iflag=direct
}
flush_fails() { must_fail "fsync failed for .*: Input/output error" flush; }

# discard BLOCK [COUNT]; and a flush of the device.
discard() { blkdiscard -f -o $(($1 * bs)) -l $((${2:-1} * bs)) "$dev"; }
flush() { dd if=/dev/null of="$dev" conv=fsync,notrunc status=none; }

kill_wait()
{
	kill -9 "$1" 2> /dev/null || :
	wait "$1" 2> /dev/null || :
}

# monitor_begin: from here on /tmp/events has the events of t0; $monitor is who writes it.
monitor_begin()
{
	gridctl --json monitor t0 > /tmp/events &
	monitor=$!
	defer rm -f /tmp/events
	defer kill_wait "$monitor"
	# Attached, it waits in poll.
	wait_until 20 grep -q poll "/proc/$monitor/wchan"
}

monitor_end()
{
	kill "$monitor"
	wait "$monitor" || :
}

# told REASON [ADDRESS [STATE]]: there is such an event; told_times REASON: how many.
told() { grep -q "\"reason\":\"$1\",${2:+\"address\":$2,}${3:+\"state\":\"$3\"}" /tmp/events; }
told_times() { grep -c "\"reason\":\"$1\"," /tmp/events || :; }

now_ms() { awk '{ print int($1 * 1000) }' /proc/uptime; }

# The kernel's own check of every tracker.
assert_verified() { assert_match "$(cat /sys/kernel/debug/grid_missing/verify)" '^[^ ]+ ok$' "the tracker"; }
