# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D6 a write that heals a block while a failed read of it decides is not lost
# kernels: stock
# timeout: 90
# boot: shared
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
random_file /tmp/whole "$bs"

log "the read fails, and before its error is known the block is healed: no fault"
disk bad $((3 * bs)) 4096
hold land read 3
read_background 3 /tmp/out
reader=$REPLY
wait_until 60 held 1
put /tmp/whole 3
disk release
wait "$reader"
cmp /tmp/out /tmp/whole || fail "the reader got something else"
assert_eq "$(dm_get t0 detected)" 0 "a healed block became a fault"

log "a write in flight when it decides: a fault, until the write has ended"
disk bad $((5 * bs)) 4096
hold keep write 5
begin write put /tmp/whole 5
wait_until 60 held 1
read_background 5 /tmp/out
reader=$REPLY
wait_until 60 is waiting 1
disk release
wait "$reader"
finish_well write
cmp /tmp/out /tmp/whole || fail "the reader got something else"
assert_eq "$(dm_get t0 superseded)" 1
assert_eq "$(dm_get t0 waiting)" 0

log "a write in flight that ends between the read that decides and its error: no fault"
write_beside_decision 4 /tmp/whole
cmp /tmp/out /tmp/whole || fail "the reader got something else"
assert_eq "$(dm_get t0 detected)" 1 "a healed block became a fault"
assert_eq "$(dm_get t0 waiting)" 0

log "a write that comes while it decides waits, and then makes good"
disk bad $((7 * bs)) 4096
hold land read 7 2
disk mark
read_background 7 /tmp/out
reader=$REPLY
wait_until 60 held 1
begin write put /tmp/whole 7
wait_until 60 parked 1
came write 7
assert_eq "$REPLY" 0 "the write went down beside the decision"
disk release
finish_well write
wait "$reader"
cmp /tmp/out /tmp/whole || fail "the reader got something else"
assert_eq "$(dm_get t0 detected)" 2
assert_eq "$(dm_get t0 superseded)" 2
assert_eq "$(dm_get t0 waiting)" 0
holds 7 /tmp/whole

log "a block that it has closed stays so when its fault goes"
disk bad $((11 * bs)) 4096
hold land read 11 2
disk mark
begin reader dd if="$dev" of=/tmp/out bs="$bs" skip=11 count=1 iflag=direct status=none
wait_until 60 held 1
miss 11
gridctl cancel t0 11 --force
begin write put /tmp/whole 11
wait_until 60 parked 1
came write 11
assert_eq "$REPLY" 0 "the write went down beside the decision"
disk release
finish_well write reader
holds 11 /tmp/whole

log "its neighbours in the read stay open; what waits for it has a deadline"
dmsetup message t0 0 set park_timeout_ms:1000
disk bad $((17 * bs)) $((2 * bs + 4096))
hold keep read 17 2
begin reader dd if="$dev" of=/dev/null bs=$((2 * bs)) skip=8 count=1 iflag=direct status=none
wait_until 60 held 1
begin next dd if="$dev" of=/dev/null bs="$bs" skip=19 count=1 iflag=direct status=none
assert_eq "$(within 60 dd if="$dev" bs="$bs" skip=16 count=1 iflag=direct status=none | sha256sum | cut -c1-64)" \
	"$(sum_replica 16)" "a good block beside the bad one"
finish next
assert_ne "$REPLY" 0 "read a bad sector"
held 1 || fail "nothing is decided any more"
disk release
finish reader
assert_ne "$REPLY" 0 "read a bad sector"
dmsetup message t0 0 set park_timeout_ms:60000
repair 17
assert_eq "$(sum_dev 17)" "$(sum_replica 17)"

log "one that is freed becomes no fault: what comes of it is for its discard to say"
disk bad $((13 * bs)) 4096
discard 13
hold keep trim 13
flush
wait_until 60 held 1
read_fails 13 "Input/output error"
assert_eq "$(dm_get t0 waiting)" 0 "a freed block became a fault"
disk release
wait_until 60 is discarding 0
