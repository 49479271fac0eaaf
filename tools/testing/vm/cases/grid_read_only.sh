# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: D1 D8 a read-only grid is repaired all the same, so its disk has to be writable
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/load/run.sh"

load_modules
ram_disk 16
lower=$REPLY
replica=$(mktemp /tmp/replica.XXXXXX)
defer rm -f "$replica"
random_file "$replica" 1048576

log "what is missing is repaired"
dmsetup create t0 --noudevsync --readonly --table "0 $(sectors "$lower") grid $lower 0 128"
defer dm_remove t0
assert_eq "$(blockdev --getro /dev/mapper/t0)" 1
gridctl enqueue t0 3 > /dev/null
gridctl repair t0 --from "$replica" --trust 3 > /dev/null
cmp -n 65536 -i $((3 * 65536)) "$lower" "$replica"
dm_remove t0

log "of a disk that nobody may write to there is no grid"
blockdev --setro "$lower"
defer blockdev --setrw "$lower"
refused "can't open the lower device" dmsetup create t0 --noudevsync --readonly --table \
	"0 $(sectors "$lower") grid $lower 0 128"
