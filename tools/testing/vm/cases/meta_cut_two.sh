# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M2 M3 M9 whatever the caches of two disks lose, what was promised is there
# kernels: stock
# timeout: 150
# boot: shared
# cpus: 1
#
# As meta_cut, with metadata on a disk of its own: both disks record what they do
# in one sequence. After each record of it any subset of what no flush has made
# durable is lost, torn by sector; the metadata is loaded, and what the store was
# promised has to hold. A file at the device's end is written with FUA alone.
# GRID_CUT_SEED, GRID_CUT_TRANSACTIONS and GRID_CUT_SUBSETS in the environment.
. "$GRID_TOP/tools/testing/load/run.sh"

transactions=${GRID_CUT_TRANSACTIONS:-40}
seed=${GRID_CUT_SEED:-$RANDOM}
bs=8192 store=512
sequence=$(mktemp /tmp/sequence.XXXXXX)
defer rm -f "$sequence"

load_modules
need_module ext4
disk_start data /dev/nbd0 12 flush fua trim record="$sequence",0
disk_start meta /dev/nbd1 16 flush fua record="$sequence",1
lower=/dev/nbd0
meta_create /dev/nbd1 --block-size=8K --blocks-max=256
gridctl set t0 no_helper_ms:3600000 park_timeout_ms:3600000

# Behind a FUA write of the node comes a flush, behind one of such a file none.
dm_create f0 "0 16384 linear $dev $((store * bs / 512))"
mkfs.ext4 -q -b 4096 -N 16 -O ^has_journal,^resize_inode -E nodiscard /dev/mapper/f0
unmount() { ! mountpoint -q /mnt/fua || umount /mnt/fua; }
defer unmount
mkdir -p /mnt/fua
mount -o noatime /dev/mapper/f0 /mnt/fua
file=/mnt/fua/file
dd if=/dev/zero of=$file bs=$((17 * bs)) count=1 oflag=direct conv=fsync status=none
sync
# One extent; its first page may be the second of a block.
assert_match "$(filefrag -v $file)" ' 0: +0\.\. +33: +([0-9]+)\.\. ' "the file's only extent"
page=${BASH_REMATCH[1]}
odd=$((page % 2))

log "seed $seed"
tell data jitter "$seed"
tell meta jitter $((seed + 1))
"$load/cut" run $dev $lower "$sequence" transactions="$transactions" seed="$seed" blocks=$store \
	fua=$file fua_start=$((odd * 4096)) fua_first=$((store + (page + odd) / 2)) fua_count=16 ||
	fail "seed $seed: an answer was wrong"
assert_eq "$(dm_get t0 metadata)" ok
assert_verified
unmount
dm_remove f0
dm_remove t0
"$load/cut" check "$sequence" $bs area=$((16 << 20)) seed="$seed" subsets="${GRID_CUT_SUBSETS:-2}" ||
	fail "seed $seed: lost when the power fails"
