# SPDX-License-Identifier: GPL-2.0
#
# rule: D2 D3 D9 suspends of all kinds and reloads under verified load, with blocks lost and mended, hang and lose nothing
# kernels: stock
# timeout: 240
# boot: shared
#
# GRID_ACK_WRITES, GRID_ACK_SEED and GRID_ROUNDS (of blocks lost under fio) in the
# environment make it longer.
. "$GRID_TOP/tools/testing/load/run.sh"

seed=${GRID_ACK_SEED:-$RANDOM}
RANDOM=$seed
# What ends a parked bio is its repair; under a flush suspend it has 10 s, which
# may be too little somewhere.
options="park_timeout_ms:3600000 no_helper_ms:3600000"

# One of: a noflush suspend, with a larger table or without; a flush suspend;
# dm's internal suspend.
disturb()
{
	local id
	case $((RANDOM % 4)) in
	0 | 1)
		within 100 dmsetup suspend --noflush --nolockfs t0
		if [ $((RANDOM % 2)) = 0 ]; then
			blocks_max=$((blocks_max + 64))
			# shellcheck disable=SC2086
			dmsetup load t0 --table "$(grid_table $options blocks_max:$blocks_max)"
			count load
		fi
		within 100 dmsetup resume t0
		count noflush
		;;
	2)
		within 100 dmsetup suspend --nolockfs t0
		within 100 dmsetup resume t0
		count flush
		;;
	3)
		id=$(within 100 dmsetup message t0 0 @stats_create - /1)
		within 100 dmsetup message t0 0 @stats_delete "${id%%:*}"
		count stats
		;;
	esac
}

declare -A counts
count() { counts[$1]=$((${counts[$1]:-0} + 1)); }

# disturbed NAME: until `begin NAME` has ended, and each kind had its turn.
disturbed()
{
	local end=$((SECONDS + $(long 200)))
	counts=()
	blocks_max=1024
	until ended "$1" && [ ${#counts[@]} = 4 ]; do
		[ $SECONDS -lt $end ] || fail "$1: no end"
		disturb
	done
	finish_well "$1"
	for kind in "${!counts[@]}"; do
		log "$kind: ${counts[$kind]}"
	done
	assert_verified
	assert_eq "$(dm_get t0 waiting)" 0
	assert_eq "$(dm_get t0 parked)" 0
}

# shellcheck disable=SC2086
grid_setup 4 65536 $options
defer rm -f /tmp/{ack,load}.{out,status}

log "the checker of acknowledged writes, seed $seed"
begin ack within 200 "$load/ack" "$dev" "$lower" errors=1 seed="$seed" \
	writes="${GRID_ACK_WRITES:-600}"
disturbed ack
result=$(tail -n 1 /tmp/ack.out)
log "$result"
if is timeouts 0; then
	assert_match "$result" ", 0 errors$"
fi

log "fio: half of it is written, enqueued and repaired with what it is; half lost, mended and read"
dm_remove t0
options="checksum:sha256 $options"
dd if="$replica" of="$lower" bs=1M oflag=direct status=none
# shellcheck disable=SC2086
dm_create t0 "$(grid_table $options)"
half=$((blocks / 2))
cat > /tmp/job <<JOB
[global]
filename=$dev
direct=1
ioengine=libaio
iodepth=8
[blocks]
size=$((half * bs / 2))
rw=randwrite
bs=64k
loops=8
# Time for something to come in between.
thinktime=20000
verify=crc32c
verify_fatal=1
verify_state_save=0
fsync=8
[pages]
offset=$((half * bs / 2))
size=$((half * bs / 2))
rw=randwrite
bsrange=4k-32k
loops=2
thinktime=20000
verify=crc32c
verify_fatal=1
verify_state_save=0
fsync=32
[read]
offset=$((half * bs))
size=$((half * bs))
rw=randread
bsrange=4k-256k
loops=4
JOB
defer rm -f /tmp/job /tmp/now /tmp/said
truncate -s $((blocks * bs)) /tmp/now

# A device that is suspended takes nothing: try again.
again()
{
	local end=$((SECONDS + $(long 100)))
	until "$@" > /tmp/said 2>&1; do
		[ $SECONDS -lt $end ] || fail "not before the limit: $*: $(cat /tmp/said)"
		nap 0.05
	done
}

# some OF FROM N: REPLY is N of OF blocks, from FROM on.
some()
{
	mapfile -t REPLY < <(shuf -n "$3" -i "$2-$(($2 + $1 - 1))")
}

# What is below once the enqueue has returned is right: a write that is not in
# it yet is issued anew after the repair, or has made the block good.
mend_both()
{
	mend "${lost[@]}" --trust || :
	dd if="$lower" of=/tmp/now bs="$bs" count=$half iflag=direct conv=notrunc status=none
	gridctl repair t0 --trust --from /tmp/now "${mine[@]}" || :
	is waiting 0
}

loss()
{
	local lost mine b rounds
	for ((rounds = 0; rounds < ${GRID_ROUNDS:-10}; rounds++)); do
		some $half 0 8
		mine=("${REPLY[@]}")
		some $half $half 2
		lost=("${REPLY[@]}")
		again gridctl enqueue t0 "${mine[@]}" "${lost[@]}"
		for b in "${lost[@]}"; do
			spoil "$b"
		done
		again mend_both
	done
}

fio_and_loss()
{
	local losing
	loss &
	losing=$!
	while kill -0 $losing 2> /dev/null; do
		within 200 fio /tmp/job || ! is timeouts 0 || return 1
	done
	wait $losing
	echo "# $(dm_get t0 repaired) repairs, $(dm_get t0 superseded) superseded, $(dm_get t0 timeouts) time-outs"
}
begin load fio_and_loss
disturbed load
grep '^#' /tmp/load.out
assert_ne "$(dm_get t0 repaired)" 0
cmp -i $((half * bs)) "$replica" "$dev"
