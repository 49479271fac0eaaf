# SPDX-License-Identifier: GPL-2.0
#
# rule: D5 D9 a longer device keeps what is taken and what is freed; a table made for another shape is refused
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/load/run.sh"

stopped() { ! dmsetup message t0 0 cancel all 2> /dev/null; }
# table BLOCKS [KEY:VALUE...]
table()
{
	local len=$(($1 * bs / 512))
	shift
	echo "0 $len grid $lower 0 $((bs / 512)) $# $*"
}

grid_on_disk 2 65536 "flush trim" no_helper_ms:3600000
random_file /tmp/whole "$bs"
options="no_helper_ms:3600000 checkpoint:explicit"
dm_remove t0
# shellcheck disable=SC2086
dm_create t0 "$(table 16 $options)"

log "taken, and freed with the discard of another one under way"
for b in 2 4 6; do
	discard $b
done
id=$(dmsetup message t0 0 checkpoint take)
hold keep trim 2
gridctl checkpoint t0 durable "$id"
wait_until 60 held 1
discard 8
discard 10
id=$(dmsetup message t0 0 checkpoint take)
discard 12
# shellcheck disable=SC2086
dmsetup load t0 --table "$(table 32 $options)"
begin suspend dmsetup suspend --noflush --nolockfs t0
wait_until 60 stopped
disk mark
hold keep trim 4
disk release
finish_well suspend
assert_eq "$(dm_get t0 discarding) $(dm_get t0 released)" "2 3"
# Resuming copies the sets: nobody may move between them.
must_fail "temporarily unavailable" dmsetup message t0 0 checkpoint take
dmsetup resume t0
assert_eq "$(dm_get t0 blocks)" 32

log "what is freed is discarded, but for what a write takes out"
wait_until 60 held 1
put /tmp/whole 6
put /tmp/whole 10
disk release
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 released)" 2
gridctl checkpoint t0 durable "$id"
wait_until 60 is discarding 0
assert_eq "$(dm_get t0 released)" 1
for b in 2=0 4=1 6=0 8=1 10=0 12=0; do
	came trim ${b%=*}
	assert_eq "$REPLY" ${b#*=} "discards of block ${b%=*}"
done
holds 6 /tmp/whole
holds 10 /tmp/whole
id=$(dmsetup message t0 0 checkpoint take)
gridctl checkpoint t0 durable "$id"
wait_until 60 is discarding 0

log "a checkpoint that was taken is something known, even an empty one"
id=$(dmsetup message t0 0 checkpoint take)
# shellcheck disable=SC2086
refused "only length and maxima can change" dmsetup load t0 --table "$(table 16 $options)"
gridctl checkpoint t0 durable "$id"

log "loaded while another one was about to become live"
hold keep read 3
begin read dd if="$dev" of=/dev/null bs="$bs" skip=3 count=1 iflag=direct status=none
wait_until 60 held 1
# shellcheck disable=SC2086
dmsetup load t0 --table "$(table 16 $options)"
begin resume dmsetup resume t0
wait_until 60 is suspended 1
# shellcheck disable=SC2086
dmsetup load t0 --table "$(table 32 $options blocks_max:100)"
disk release
finish_well read resume
assert_eq "$(dm_get t0 blocks)" 16
refused "has changed since this table was loaded" dmsetup resume t0
# shellcheck disable=SC2086
dmsetup load t0 --table "$(table 32 $options blocks_max:100)"
dmsetup resume t0
assert_eq "$(dm_get t0 blocks)" 32
