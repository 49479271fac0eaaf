# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M6 two grids, of which one has a map, share neither maps nor data
# kernels: stock
# timeout: 60
# boot: shared
# cpus: 1

. "$GRID_TOP/tools/testing/load/run.sh"

load_modules
number() { lsblk -dno MAJ:MIN "$1" | tr -d ' '; }
ram_disk 16
a=$REPLY
ram_disk 16
b=$REPLY
ram_disk 16
x=$REPLY
file_disk file_a meta_a 32
file_disk file_b meta_b 32
len=$(sectors "$a")

# taken TABLE: t1 can't be made so
taken() { refused "keeps its map or its data there" dmsetup create t1 --noudevsync --table "$1"; }

gridctl format "$b" --metadata="$meta_b" --block-size=64K --blocks-max=64 > /dev/null
gridctl create t1 "$b" --metadata="$meta_b" > /dev/null
dmsetup table t1 > /tmp/table.b
gridctl remove t1
gridctl format "$a" --metadata="$meta_a" --block-size=64K --blocks-max=64 > /dev/null
gridctl create t0 "$a" --metadata="$meta_a" > /dev/null
defer dm_remove t0
dmsetup table t0 > /tmp/table.a

log "the same data, with a map and without"
taken "$(sed "s/ $(number "$b") / $(number "$a") /" /tmp/table.b)"
taken "0 $len grid $a 0 128"
taken "0 128 grid $a $((len - 128)) 128"

log "the same map"
taken "$(sed "s/ $(number "$a") / $(number "$b") /" /tmp/table.a)"

log "data where the map lies, and the map where the data lie"
taken "0 $len grid $meta_a 0 128"
taken "$(sed "s/metadata:$(number "$meta_b")/metadata:$(number "$a")/" /tmp/table.b)"

log "likewise of a table that is loaded, and not live yet"
dmsetup load t0 --table "$(sed "s/ $(number "$a") / $(number "$x") /" /tmp/table.a)"
taken "0 $len grid $x 0 128"
taken "$(sed "s/metadata:$(number "$meta_b")/metadata:$(number "$x")/" /tmp/table.b)"
dmsetup clear t0
dmsetup create t1 --noudevsync --table "0 $len grid $x 0 128"
dm_remove t1
dmsetup create t1 --noudevsync --table "$(cat /tmp/table.b)"
dm_remove t1
