# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 a noflush suspend that is interrupted: what dm was given back parks again, and fails nobody
# kernels: stock
# timeout: 60
# boot: shared
#
# A read that the disk below holds keeps the suspend waiting.
. "$GRID_TOP/tools/testing/load/run.sh"

grid_on_disk 2 65536 "flush" park_timeout_ms:3600000 no_helper_ms:3600000
miss 2 3 4
hold keep read 8
begin below dd if="$dev" of=/dev/null bs="$bs" skip=8 count=1 iflag=direct status=none
wait_until 60 held 1
for b in 2 3 4; do
	begin "reader$b" dd if="$dev" of="/tmp/out$b" bs="$bs" skip=$b count=1 iflag=direct status=none
	defer rm -f "/tmp/out$b"
done
wait_until 60 parked 3

for i in 1 2 3; do
	log "interrupted: $i"
	dmsetup suspend --noflush --nolockfs t0 &
	suspend=$!
	wait_until 60 is suspended 1
	wait_until 60 parked 0
	kill -TERM "$suspend"
	wait "$suspend" || :
	wait_until 60 is suspended 0
	wait_until 60 parked 3
	for b in 2 3 4; do
		not_ended "reader$b" "the reader of block $b was failed: $(cat "/tmp/reader$b.out")"
	done
done

repair 2 3 4
finish_well reader2 reader3 reader4
for b in 2 3 4; do
	block $b | cmp - "/tmp/out$b"
done
disk release
finish_well below
assert_eq "$(dm_get t0 timeouts)" 0

log "gridctl's own is interrupted by no signal"
hold keep read 9
begin below dd if="$dev" of=/dev/null bs="$bs" skip=9 count=1 iflag=direct status=none
wait_until 60 held 1
gridctl resize t0 --length=1M --force > /dev/null &
resize=$!
wait_until 60 is suspended 1
kill -USR1 "$resize"
disk release
# It may die of that when it is done.
wait "$resize" || :
finish_well below
assert_eq "$(dm_get t0 blocks)" 16
assert_eq "$(dm_get t0 suspended)" 0
