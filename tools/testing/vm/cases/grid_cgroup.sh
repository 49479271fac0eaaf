# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D3 what has parked is its submitter's; a repair is nobody's, so that io.max of the helper holds none
# kernels: stock
# timeout: 90
# boot: shared
. "$GRID_TOP/tools/testing/load/run.sh"

# written NAME: bytes that it wrote to the lower device
written()
{
	awk -v d="$number" '$1 == d { for (i = 2; i <= NF; i++) if (sub("wbytes=", "", $i)) n = $i }
			    END { print n + 0 }' "/tmp/cgroup/$1/io.stat"
}

# With io.max: a kernel without fails here.
cgroups io app helper
grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
number=$(cat /sys/block/nbd0/dev)
random_file /tmp/page 4096

miss 9
begin write in_cgroup app put /tmp/page 9 3
wait_until 60 parked 1
echo "$number wbps=2" > /tmp/cgroup/helper/io.max
in_cgroup helper within 120 gridctl repair t0 --trust --from "$replica" 9 > /dev/null
finish_well write
holds 9 /tmp/page 3
assert_eq "$(written app)" 4096 "bytes written in the application's name"
assert_eq "$(written helper)" 0 "bytes written in the helper's name"

log "a write that io.max holds below holds no repair, not even of its block, and is not lost"
unlimited() { echo "$number wbps=max" > /tmp/cgroup/app/io.max; }
defer unlimited
echo "$number wbps=2" > /tmp/cgroup/app/io.max
disk mark
begin write in_cgroup app put /tmp/page 12 3
wait_until 60 in_flight 1
miss 12 13
within 120 gridctl repair t0 --trust --from "$replica" 12 13 > /dev/null
assert_eq "$(dm_get t0 waiting)" 0
not_ended write "io.max held nothing: acknowledged"
unlimited
finish_well write
holds 12 /tmp/page 3
