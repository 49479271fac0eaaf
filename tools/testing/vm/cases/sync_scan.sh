# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 D11 gridctl sync after a crash: what a manifest lists and the disk has not is repaired
# kernels: newest
# timeout: 120
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"

field() { sed -n "s/.*\"$1\":\([a-z0-9]*\).*/\1/p" /tmp/sync.out; }

# sync_t0 STATUS OPTION...: its summary is in /tmp/sync.out
sync_t0()
{
	local want=$1 status=0
	shift
	gridctl --json sync t0 --manifest=/tmp/manifest --timeout="$(long 80)s" "$@" \
		> /tmp/sync.out 2> /tmp/sync.err || status=$?
	assert_eq "$status" "$want" "exit status of sync $* ($(cat /tmp/sync.out /tmp/sync.err))"
}
defer rm -f /tmp/manifest /tmp/sync.out /tmp/sync.err

grid_setup 4 16384 checksum:sha256 no_helper_ms:60000
disk=$lower

# One table: its index is block 3, its values are 100 to 149.
table_index 3 100 50
gridctl manifest "$replica" --block-size=16K --tables --output=/tmp/manifest
assert_eq "$(grep -c '^[0-9]' /tmp/manifest)" $((blocks - 50))
assert_eq "$(grep ' table$' /tmp/manifest | cut -d' ' -f1)" 3

log "all of it, the table by its index"
sync_t0 0 &
pid=$!
wait_until 40 is waiting $((blocks - 50))
# While it only waits, it is no helper that readers would wait for.
wait_until 20 is helpers 0
repaird --source "$replica"
wait $pid
assert_eq "$(field enqueued)" $((blocks - 50))
assert_eq "$(field clean)" true
stop_repaird
cmp "$replica" "$dev"

# A manifest of the disk below sees what is written through the grid, whoever has
# read that disk before.
for round in before after; do
	dd if="$disk" of=/dev/null bs=1M count=1 status=none
	gridctl manifest "$disk" --block-size=16K --output=/tmp/manifest.$round
	dd if=/dev/urandom of="$dev" bs=16K seek=20 count=1 oflag=direct conv=notrunc status=none
done
assert_eq "$(comm -13 <(sort /tmp/manifest.before) <(sort /tmp/manifest.after) | wc -l)" 1 "lines that changed"
dd if="$replica" of="$dev" bs=16K skip=20 seek=20 count=1 oflag=direct conv=notrunc status=none
drop_caches
sync_t0 0 --scan
assert_eq "$(field matched)" "$blocks"
assert_eq "$(field enqueued)" 0

log "after a crash: held, some blocks old, one that cannot be read"
dm_remove t0
spoil 7 120 255
dm_create bad "0 128 linear $disk 0
128 32 error
160 $(($(sectors "$disk") - 160)) linear $disk 160"
lower=/dev/mapper/bad
dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000 start:held)"
read_background 7 /tmp/out
defer rm -f /tmp/out /tmp/out.status /tmp/out.error
sync_t0 0 --scan --nowait --ready
assert_eq "$(field scanned)" "$blocks"
assert_eq "$(field unreadable)" 1
assert_eq "$(gridctl --json faults t0 | sed 's/.*"address":\([0-9]*\),.*/\1/' | sort -n | xargs)" "4 7 120 255"
gridctl --json status t0 | grep -q '"held":false' || fail "it is held still"
# The disk is mended, so that it can be written.
dmsetup suspend --nolockfs --noflush bad
dmsetup load bad --table "0 $(sectors "$disk") linear $disk 0"
dmsetup resume --noudevsync bad
repaird --source "$replica"
sync_t0 0 --scan
assert_eq "$(field clean)" true
wait_until 20 test -s /tmp/out.status
assert_eq "$(cat /tmp/out.status)" 0
assert_eq "$(sha256sum < /tmp/out | cut -c1-64)" "$(sum_replica 7)"
stop_repaird
cmp "$replica" "$dev"

log "more than fits"
dm_remove t0
dd if=/dev/zero of="$disk" bs=1M oflag=direct status=none 2> /dev/null || :
dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000 blocks_max:20)"
sync_t0 1
grep -q "185 blocks don't fit (blocks_max 20.*nothing was changed" /tmp/sync.err ||
	fail "what it said: $(cat /tmp/sync.err)"
assert_eq "$(dm_get t0 waiting)" 0
# Nobody mounts it before all is in.
claim() { python3 -c 'import os, sys; os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL)' "$dev"; }
sync_t0 0 --portions &
pid=$!
# The index has a slot of its own.
wait_until 20 is waiting 21
must_fail "busy" claim
repaird --source "$replica"
wait $pid
stop_repaird
claim
drop_caches
cmp "$replica" "$dev"

log "readers, who share what they have open, all of them seen"
exec 7< "$dev" 8< "$dev"
sleep 300 &
sharer=$!
defer kill_wait $sharer
sync_t0 0 --scan
exec 7<&- 8<&-
kill_wait $sharer

log "not while it is mounted where it isn't seen, though somebody here only reads it"
mkfs.ext4 -q "$dev"
mkdir -p /tmp/elsewhere
unshare -m --propagation private sh -c "mount $dev /tmp/elsewhere; exec sleep 300" &
there=$!
defer kill_wait $there
wait_until 20 grep -q /tmp/elsewhere "/proc/$there/mountinfo"
exec 8< "$dev"
sync_t0 6 --scan
sync_t0 6
exec 8<&-
grep -q "open for writing (mounted on /tmp/elsewhere, for process $there)" /tmp/sync.err ||
	fail "what it said: $(cat /tmp/sync.err)"
