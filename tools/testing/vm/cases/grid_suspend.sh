# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 D9 suspend (both ways), reload, remove and unload never hang on a parked bio
# kernels: all
# timeout: 120
# boot: shared
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
lose 3 4

log "noflush: the parked read goes back to dm, and comes again"
read_background 3 /tmp/out
reader=$REPLY
wait_until 10 parked 1
gridctl --json faults t0 | grep '"address":3,.*"readers":true' > /dev/null
within 20 dmsetup suspend --noflush --nolockfs t0
assert_eq "$(dm_get t0 parked)" 0
gridctl --json faults t0 > /tmp/faults
defer rm -f /tmp/faults
must_fail "^exit status 1$" grep '"address":3,.*"readers":true' /tmp/faults
assert_eq "$(dm_get t0 waiting)" 2 "the set survives a suspend"
must_fail "suspended" mend 3
within 20 dmsetup resume t0
wait_until 10 parked 1
[ ! -e /tmp/out.status ] || fail "the read ended over the suspend"
mend 3
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0

log "reload with another option while a read is parked: tracker and reader stay"
read_background 4 /tmp/out
reader=$REPLY
wait_until 10 parked 1
id=$(dm_get t0 id)
dmsetup load t0 --table "$(grid_table checksum:sha256 no_helper_ms:50000)"
within 20 dmsetup suspend --noflush --nolockfs t0
within 20 dmsetup resume t0
wait_until 10 parked 1
assert_eq "$(dm_get t0 id)" "$id"
assert_match "$(dmsetup table t0)" "no_helper_ms:50000"
mend 4
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0

log "a reload that can't be: refused, the old table goes on"
lose 5
refused "only length and maxima can change" dmsetup load t0 --table "$(bs=131072 grid_table)"
assert_eq "$(dm_get t0 waiting)" 1

log "with flush: the reader is given 10 s, not the hour it may have"
dmsetup message t0 0 set park_timeout_ms:3600000
dmsetup message t0 0 set no_helper_ms:3600000
read_background 5 /tmp/out
reader=$REPLY
wait_until 10 parked 1
within 60 dmsetup suspend t0 || fail "the suspend hung"
wait "$reader"
assert_ne "$(cat /tmp/out.status)" 0
within 20 dmsetup resume t0

log "the table that dmsetup prints makes the same target"
table=$(dmsetup table t0)
dm_remove t0
dmsetup create t0 --noudevsync --table "$table"
dmsetup mknodes t0
assert_eq "$(dmsetup table t0)" "$table"
assert_ne "$(dm_get t0 id)" "$id" "an id was used twice"
