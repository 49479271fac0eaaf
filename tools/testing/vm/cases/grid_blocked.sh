# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 a lower device that takes no more requests delays no time-out
# kernels: stock
# timeout: 90
# boot: shared
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
set_for_now /sys/block/nbd0/queue/nr_requests 4
random_file /tmp/page 4096

miss 5 6 7
read_background 5 /tmp/out5
first=$REPLY
read_background 6 /tmp/out6
second=$REPLY
read_background 7 /tmp/out7
third=$REPLY
wait_until 60 parked 3
for b in 20 21 22 23; do
	hold keep write $b
	begin write$b put /tmp/page $b
done
wait_until 60 held 4

log "one is tried anew, and sleeps for a request"
dmsetup message t0 0 cancel 5
wait_until 60 parked 2

log "another is woken, and fails at once"
gridctl unavailable t0 7 > /dev/null
wait "$third"
assert_ne "$(cat /tmp/out7.status)" 0 "read what nobody has"

log "the other one times out all the same"
dmsetup message t0 0 set park_timeout_ms:1
wait "$second"
assert_ne "$(cat /tmp/out6.status)" 0 "read what is missing"
assert_eq "$(dm_get t0 timeouts)" 1
held 4 || fail "the lower device took more"
disk release
wait "$first"
assert_eq "$(cat /tmp/out5.status)" 0
finish_well write20 write21 write22 write23
