# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What cases use. A case is a bash script that runs with -eEu and pipefail
# after this file: a command that fails, fails the case and is named with its
# line. What a case takes is put on a stack (defer) and given back in reverse
# order when it ends, however it ends; what is left then fails the case.
#
# Functions that make something return its name in REPLY.

set -eEuo pipefail
shopt -s inherit_errexit

grid_deferred=() grid_failed='' grid_mark=0

log() { echo "# $*"; }

fail()
{
	trap - ERR
	echo "$*" > /run/grid/reason
	echo "FAIL: $*"
	exit 1
}

# The case doesn't apply here; say why.
skip()
{
	echo "$*" > /run/grid/reason
	exit 4
}

on_error()
{
	local status=$?
	grid_failed=1
	[ -s /run/grid/reason ] ||
		echo "${BASH_SOURCE[1]##*/}:$1: status $status: $2" > /run/grid/reason
	echo "FAIL: ${BASH_SOURCE[1]##*/}:$1: status $status: $2"
}

# defer COMMAND ARGS...: run it when the case ends.
defer() { grid_deferred+=("$(printf '%q ' "$@")"); }

cleanup()
{
	local status=$? i
	trap - ERR EXIT
	set +e
	# Whatever the command's status was: gridctl's of a time-out is that of skip.
	[ -z "$grid_failed" ] || status=1
	for ((i = ${#grid_deferred[@]} - 1; i >= 0; i--)); do
		if ! eval "${grid_deferred[i]}"; then
			echo "cleanup failed: ${grid_deferred[i]}"
			if [ $status = 0 ]; then
				echo "cleanup failed: ${grid_deferred[i]}" > /run/grid/reason
				status=1
			fi
		fi
	done
	exit $status
}

trap 'on_error $LINENO "$BASH_COMMAND"' ERR
trap cleanup EXIT
trap 'exit 143' TERM

# assert_eq GOT WANTED [WHAT]
assert_eq()
{
	[ "$1" = "$2" ] || fail "${3:-values differ}: got '$1', wanted '$2'"
}

assert_ne()
{
	[ "$1" != "$2" ] || fail "${3:-values are equal}: '$1'"
}

# assert_match GOT REGEX [WHAT]
assert_match()
{
	[[ $1 =~ $2 ]] || fail "${3:-no match}: got '$1', wanted /$2/"
}

# must_fail PATTERN COMMAND...: it fails, and says why: an extended regexp that what it
# printed, or its "exit status N" behind that, must match. A failure for another reason
# proves nothing. REPLY is what it printed.
must_fail()
{
	local pattern=$1 status=0
	shift
	REPLY=$("$@" 2>&1) || status=$?
	[ $status != 0 ] || fail "succeeded, but must not: $*: $REPLY"
	assert_match "${REPLY:+$REPLY$'\n'}exit status $status" "$pattern" "failed for another reason: $*"
}

# long SECONDS: after so many something hangs here. No limit is there to fail early:
# a minute at least, and on a slow host or kernel more by as much.
long() { echo $((($1 > 60 ? $1 : 60) * ${GRID_SLOW:-1})); }

# within SECONDS PROGRAM...: it is killed when it takes longer than that.
within() { timeout -k 5 "$(long "$1")" "${@:2}"; }

# wait_until SECONDS COMMAND...: until it succeeds, but no longer than that.
wait_until()
{
	local limit end
	limit=$(long "$1")
	end=$((SECONDS + limit))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "not so within $limit s: $*"
		nap 0.05
	done
}

# Sleep without a process: they are dear on the debug kernel.
nap() { read -rt "$1" -u 9 || :; }

# The kernel's log since the case began.
case_dmesg()
{
	dmesg -r | awk '/grid-vm: start /{ text = "" } { text = text $0 "\n" }
			END { printf "%s", text }'
}

# tracing: the kernel's is at $t.
tracing()
{
	t=/sys/kernel/tracing
	mountpoint -q $t && return
	mount -t tracefs tracefs $t
	defer umount $t
}

# cgroups CONTROLLER NAME...: of their own, in /tmp/cgroup. Stock kernels have them.
cgroups()
{
	mkdir -p /tmp/cgroup
	mount -t cgroup2 none /tmp/cgroup
	defer umount /tmp/cgroup
	echo "+$1" > /tmp/cgroup/cgroup.subtree_control
	shift
	mkdir "${@/#//tmp/cgroup/}"
	defer rmdir "${@/#//tmp/cgroup/}"
}

# in_cgroup NAME COMMAND...
in_cgroup() { (echo "$BASHPID" > "/tmp/cgroup/$1/cgroup.procs" && shift && "$@"); }

# set_for_now FILE VALUE: a setting of the kernel's, until the case ends.
set_for_now()
{
	defer sh -c "echo $(cat "$1") > $1"
	echo "$2" > "$1"
}

# What the kernel has said since `mark_dmesg`; what it said before may be the same.
mark_dmesg()
{
	grid_mark=$((grid_mark + 1))
	echo "grid-vm: mark $grid_mark" > /dev/kmsg
}

marked_dmesg() { case_dmesg | sed "1,/grid-vm: mark $grid_mark\$/d"; }

# ---- modules ----

# Load the project's modules; both, or those named. The guest unloads them
# after the case, which must work.
load_modules()
{
	local m
	[ $# != 0 ] || set -- grid_missing dm-grid
	# What modprobe would bring: newer kernels have it built in.
	modprobe -q libcrc32c || :
	for m; do
		[ ! -d "/sys/module/${m//-/_}" ] || continue
		insmod "$GRID_MODULES/$m.ko" || fail "can't load $m.ko"
	done
}

unload_modules()
{
	local m
	for m in dm_grid grid_missing; do
		[ ! -d /sys/module/$m ] || rmmod $m
	done
}

# have_module NAME: the kernel has it, as a module or built in.
have_module() { modprobe -nq "$1"; }

need_module()
{
	local m
	for m; do
		have_module "$m" || skip "this kernel has no $m"
		modprobe "$m"
	done
}

# need_hash NAME: the crypto API offers it, whichever module it is in.
need_hash()
{
	modprobe -q "crypto-$1" || :
	grep -qx "name *: $1" /proc/crypto || skip "this kernel has no $1"
}

# ---- disks ----

# ram_disk MIB: a loop device on a sparse file in memory. Discards punch holes.
ram_disk()
{
	local file
	modprobe loop
	file=$(mktemp /tmp/disk.XXXXXX)
	truncate -s "$1M" "$file"
	loop_disk "$file"
	rm "$file"
}

# loop_disk FILE [LOSETUP-OPTION...]: a loop device on a file.
loop_disk()
{
	local file=$1
	shift
	modprobe loop
	REPLY=$(losetup -f --show "$@" "$file")
	defer losetup -d "$REPLY"
}

# null_disk NAME MIB [ATTRIBUTE=VALUE...]: a null_blk with its data in memory;
# attributes are null_blk's (blocksize, discard, cache_size, queue_mode...).
null_disk()
{
	local dir=/sys/kernel/config/nullb/$1 name=$1 a
	[ -d /sys/kernel/config/nullb ] || modprobe null_blk nr_devices=0
	mkdir "$dir"
	defer rmdir "$dir"
	echo "$2" > "$dir/size"
	shift 2
	for a in memory_backed=1 blocksize=512 "$@"; do
		echo "${a#*=}" > "$dir/${a%%=*}"
	done
	echo 1 > "$dir/power"
	# Newer kernels name the disk after the directory.
	REPLY=/dev/$name
	[ -b "$REPLY" ] || REPLY=/dev/nullb$(cat "$dir/index")
	[ -b "$REPLY" ] || fail "null_blk made no $REPLY"
}

sectors() { blockdev --getsz "$1"; }

# ---- device mapper (no udev in the guest) ----

# dm_create NAME TABLE [DMSETUP-OPTION...]: removed at the end of the case.
dm_create()
{
	local name=$1 table=$2
	shift 2
	dmsetup create "$name" --noudevsync "$@" --table "$table"
	defer dm_remove "$name"
	REPLY=/dev/mapper/$name
	[ -e "$REPLY" ] || dmsetup mknodes "$name"
}

# refused SENTENCE COMMAND...: device-mapper refuses what the command asks for, and the
# kernel's log says why: an errno has many reasons.
refused()
{
	local sentence=$1
	shift
	mark_dmesg
	must_fail "(reload|resume) ioctl on .* failed" "$@"
	assert_match "$(marked_dmesg)" "$sentence" "refused, but not for that: $*"
}

# Gone already is fine.
dm_remove()
{
	dmsetup info "$1" > /dev/null 2>&1 || return 0
	within 60 dmsetup remove --retry "$1" 2>&1 | uniq
}

# dm_get NAME KEY: the value of KEY= in the target's status. Waits ask it all
# the time, so it is a program that starts quickly (dmget.c).
dm_get() { "$GRID_TOP/tools/testing/vm/bin/dmget" "$1" "$2"; }

# mount_at DEVICE DIRECTORY [OPTIONS]: unmounted at the end.
mount_at()
{
	mkdir -p "$2"
	mount ${3:+-o "$3"} "$1" "$2"
	defer umount "$2"
}

drop_caches()
{
	sync
	echo 3 > /proc/sys/vm/drop_caches
}
