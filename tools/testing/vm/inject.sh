# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Failure injection, for the cases of the debug kernel. Each kind of failure
# (failslab, fail_page_alloc, fail_make_request) has one range of code that
# must be on the stack.

inject_debug=/sys/kernel/debug

# inject_range MODULE: $from and $to are where its code lies. Exactly: next to
# it may be the code of any other module.
inject_range()
{
	local size
	from=$(cat "/sys/module/$1/sections/.text")
	size=$(readelf -SW "$GRID_MODULES/${1/dm_grid/dm-grid}.ko" |
		sed -n 's/^ *\[ *[0-9]*\] \.text  *[A-Z]*  *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\) .*/\1/p')
	[ -n "$size" ] || fail "$1: no size of its .text"
	to=$(printf '0x%x' $((from + 16#$size)))
}

# inject NAME PERCENT ATTRIBUTE=VALUE...: from now on; `inject_calm` ends it.
# The filters come first: without them nothing would live long.
inject()
{
	local name=$1 percent=$2 a
	shift 2
	for a in interval=1 verbose=0 task-filter=0 times=1000000000 "$@" \
		probability="$percent"; do
		echo "${a#*=}" > "$inject_debug/$name/${a%%=*}"
	done
}

# inject_memory NAME PERCENT MODULE: failslab or fail_page_alloc, wherever that
# module is on the stack.
inject_memory()
{
	local from to
	inject_range "$3"
	[ "$1" != fail_page_alloc ] || set -- "$@" min-order=0 ignore-gfp-highmem=0
	inject "$1" "$2" ignore-gfp-wait=0 stacktrace-depth=32 \
		"require-start=$from" "require-end=$to" "${@:4}"
}

# injected NAME: REPLY is how often it has failed since `inject`.
injected() { REPLY=$((1000000000 - $(cat "$inject_debug/$1/times"))); }

inject_calm()
{
	local name
	for name in failslab fail_page_alloc fail_make_request; do
		echo 0 > "$inject_debug/$name/probability"
		echo 0 > "$inject_debug/$name/require-start"
		echo 0xffffffffffffffff > "$inject_debug/$name/require-end"
	done
}

# kmemleak gives up for good when it can't get memory of its own.
inject_leaks_seen() { echo scan=off > "$inject_debug/kmemleak"; }
