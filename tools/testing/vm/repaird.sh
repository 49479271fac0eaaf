# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# What the cases of gridrepaird share, on top of grid.sh.

. "$GRID_TOP/tools/testing/vm/grid.sh"

# serve PORT NBDKIT-ARGUMENT...: an NBD server on loopback; REPLY is its process.
# One whose client is killed needs `-t 1`: with more threads nbdkit 1.32 ends
# with an assertion when that happens while requests are in flight.
serve()
{
	local port=$1 pid
	shift
	nbdkit -f -i 127.0.0.1 -p "$port" "$@" 2>> /tmp/nbdkit.log &
	pid=$!
	defer kill_wait $pid
	wait_until 60 listening_or_gone "$port" $pid
	listening "$port" || fail "nbdkit ended: $(tail -n 5 /tmp/nbdkit.log)"
	REPLY=$pid
}

listening() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }
listening_or_gone() { listening "$1" || ! kill -0 "$2" 2> /dev/null; }

# repaird ARGUMENT...: the daemon on t0; $daemon is its process.
repaird()
{
	: > /tmp/repaird.log
	gridrepaird --device t0 "$@" 2> /tmp/repaird.log &
	daemon=$!
	defer kill_wait "$daemon"
}

# counter NAME: of the daemon's status, its sources' added up.
counter()
{
	gridrepaird --status | tr ' ' '\n' |
		awk -F= -v name="$1" '$1 == name { n += $2 } END { print n + 0 }'
}

# It ends by SIGTERM, well.
stop_repaird()
{
	local status=0
	kill "$daemon"
	wait "$daemon" || status=$?
	assert_eq "$status" 0 "gridrepaird ended: $(tail -n 5 /tmp/repaird.log)"
}

# Every block is zero below, and missing, with its checksum.
lose_all()
{
	dd if=/dev/zero of="$lower" bs=1M oflag=direct status=none 2> /dev/null || :
	gridctl enqueue t0 --manifest=/tmp/manifest > /dev/null
	drop_caches
}
