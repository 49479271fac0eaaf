# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D3 what waits for the lower device alone has 10 s at least, and ends; a noflush suspend has it back at once
# kernels: stock
# timeout: 90
# boot: shared
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
random_file /tmp/page 4096

log "a write behind a repair goes back to dm, and comes again"
miss 3
hold keep write 3
begin repair repair 3
wait_until 60 held 1
begin write put /tmp/page 3 1
wait_until 60 parked 1
begin suspend dmsetup suspend --noflush --nolockfs t0
wait_until 60 parked 0
not_ended write "a noflush suspend ended a write"
disk release
finish_well repair suspend
dmsetup resume t0
finish_well write
holds 3 /tmp/page 1

log "a NOWAIT write that is held back was submitted: it waits"
hold keep write 5
begin write python3 -c "
import mmap, os
fd = os.open('$dev', os.O_WRONLY | os.O_DIRECT)
buf = mmap.mmap(-1, 4096)
buf[:] = open('/tmp/page', 'rb').read()
os.pwritev(fd, [buf], 5 * $bs, os.RWF_NOWAIT)"
wait_until 60 held 1
miss 5
disk release
wait_until 60 parked 1
repair 5
finish_well write
holds 5 /tmp/page 0

log "one behind a repair that never ends does"
dmsetup message t0 0 set park_timeout_ms:1
miss 4
hold keep write 4
begin repair repair 4
wait_until 60 held 1
begin=$(now_ms)
begin write put /tmp/page 4 1
finish write
assert_ne "$REPLY" 0 "a write that never went down succeeded"
# A tick of either clock does not matter.
waited=$(($(now_ms) - begin))
[ $waited -ge 9900 ] || fail "it was given $waited ms"
disk release
finish_well repair
assert_eq "$(dm_get t0 waiting)" 0
assert_eq "$(sum_dev 4)" "$(sum_replica 4)"
