# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 D4 a block whose checksum nobody knows: none, manifest, agree, trust
# kernels: newest
# timeout: 180
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"
grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
cp "$replica" /tmp/stale
cp "$replica" /tmp/third
defer rm -f /tmp/stale /tmp/third /tmp/manifest
for i in 20 21 22; do
	printf old | dd of=/tmp/stale bs=1 seek=$((i * bs)) conv=notrunc status=none
done

forget()
{
	spoil 20 21 22
	gridctl enqueue t0 20 21 22 > /dev/null
}

# It says itself whether it still tries what the one before has marked.
all_repaired()
{
	wait_until 40 is helpers 1
	gridctl wait t0 --timeout="$(long 60)s"
}

marked() { [ "$(dm_get t0 unavailable)" = "$1" ]; }

log "without a policy they stay, and are told of"
forget
repaird --source "$replica"
wait_until 40 marked 3
read_fails 20 "No data available"
grep -q "block 20 cannot be repaired: nobody knows its checksum" /tmp/repaird.log
assert_eq "$(dm_get t0 repaired)" 0
stop_repaird

log "manifest: the stale source is refused"
gridctl manifest "$replica" --block-size=64K --output=/tmp/manifest
repaird --source /tmp/stale --source "$replica" --manifest /tmp/manifest
all_repaired
stop_repaird
cmp "$replica" "$dev"

log "agree: two of three"
forget
repaird --source /tmp/stale --source "$replica" --source /tmp/third --agree 2
all_repaired
stop_repaird
cmp "$replica" "$dev"

log "agree: they don't"
forget
repaird --source /tmp/stale --source "$replica" --agree 2
wait_until 40 marked 3
stop_repaird

log "trust"
repaird --source /tmp/stale --source "$replica" --trust
all_repaired
stop_repaird
cmp "$replica" "$dev"
assert_eq "$(dm_get t0 unverified)" 9

log "trust: a disk as it is, not as it was when somebody read it"
loop_disk /tmp/stale
disk=$REPLY
exec 7< "$disk"
defer eval "exec 7<&-"
dd if="$disk" of=/dev/null bs="$bs" status=none
dm_create above "0 $(sectors "$disk") linear $disk 0"
for i in 20 21 22; do
	dd if="$replica" of="$REPLY" bs="$bs" skip=$i seek=$i count=1 oflag=direct status=none
done
forget
repaird --source "$disk" --trust
all_repaired
stop_repaird
cmp "$replica" "$dev"
forget
gridctl repair t0 --from="$disk" --trust
cmp "$replica" "$dev"

log "trust: so is one where the grid begins amid a page, or a sector"
defer rm -f /tmp/amid
for at in 512 100; do
	rm -f /tmp/amid
	truncate -s $((blocks * bs + 65536)) /tmp/amid
	loop_disk /tmp/amid
	repaird --source "$REPLY" --source-offset $at --trust
	forget
	all_repaired
	dd if="$replica" of=/tmp/amid bs="$bs" seek=$at oflag=seek_bytes conv=notrunc status=none
	forget
	all_repaired
	stop_repaird
	cmp "$replica" "$dev"
done
