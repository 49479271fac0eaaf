# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D6 a write that heals a block while a failed read of it decides is not lost
# kernels: stock
# timeout: 90
# boot: shared
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
random_file /tmp/whole "$bs"

# Reads of block $1 have come.
read_is_at() { came read "$1" && [ "$REPLY" -ge 1 ]; }

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

log "a write in flight when the read fails: it decides only after that"
disk bad $((5 * bs)) 4096
disk mark
hold keep write 5
begin write put /tmp/whole 5
wait_until 60 held 1
read_background 5 /tmp/out
reader=$REPLY
wait_until 60 read_is_at 5
chance
came read 5
assert_eq "$REPLY" 1 "read anew beside a write"
disk release
wait "$reader"
finish_well write
cmp /tmp/out /tmp/whole || fail "the reader got something else"
assert_eq "$(dm_get t0 detected)" 0 "a healed block became a fault"

log "a write that comes while it decides waits, and then makes good"
disk bad $((7 * bs)) 4096
hold land read 7 1
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
assert_eq "$(dm_get t0 detected)" 1
assert_eq "$(dm_get t0 superseded)" 1
assert_eq "$(dm_get t0 waiting)" 0
holds 7 /tmp/whole

log "a block that it has closed stays so when its fault goes"
disk bad $((10 * bs)) 4096
hold land read 10
begin reader dd if="$dev" of=/tmp/out bs=$((2 * bs)) skip=5 count=1 iflag=direct status=none
wait_until 60 held 1
miss 11
hold keep read 10
disk mark
disk release
wait_until 60 read_is_at 10
gridctl cancel t0 11
begin write put /tmp/whole 11
wait_until 60 parked 1
came write 11
assert_eq "$REPLY" 0 "the write went down beside the decision"
disk release
finish_well write
wait_until 60 is waiting 1
repair 10
finish_well reader
cmp -n "$bs" /tmp/out <(dd if="$replica" bs="$bs" skip=10 count=1 status=none)
holds 11 /tmp/whole

log "one that is freed becomes no fault: what comes of it is for its discard to say"
disk bad $((13 * bs)) 4096
discard 13
hold keep trim 13
flush
wait_until 60 held 1
must_fail dd if="$dev" of=/dev/null bs="$bs" skip=13 count=1 iflag=direct
assert_eq "$(dm_get t0 waiting)" 0 "a freed block became a fault"
disk release
wait_until 60 is discarding 0
