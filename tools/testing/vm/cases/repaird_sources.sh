# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 gridrepaird repairs from TCP, a socket, a file, a disk; bad sources cost no block
# kernels: newest
# timeout: 240
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"
grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
gridctl manifest "$replica" --block-size=64K --output=/tmp/manifest
defer rm -f /tmp/manifest /tmp/wrong

fill()
{
	local begin
	lose_all
	begin=${EPOCHREALTIME/./}
	repaird "$@"
	gridctl wait t0 --timeout="$(long 120)s" || fail "not clean: $(tail -n 5 /tmp/repaird.log)"
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	stop_repaird
	cmp "$replica" "$dev" || fail "wrong blocks landed: $*"
}

log "TCP"
serve 10809 file "$replica"
fill --source nbd://127.0.0.1:10809/
alone=$ms
log "a socket"
nbdkit -f -U /tmp/nbd.sock file "$replica" &
defer kill_wait $!
wait_until 20 test -S /tmp/nbd.sock
fill --source "nbd+unix:///?socket=/tmp/nbd.sock"
log "a file, and a disk"
fill --source "$replica"
loop_disk "$replica" -r
fill --source "$REPLY"

log "one dead, one slow, one wrong in every tenth block, one good"
cp "$replica" /tmp/wrong
at=()
for ((i = 0; i < blocks; i += 10)); do
	at+=($((i * bs + 4711)))
done
"$GRID_TOP/tools/testing/flip" /tmp/wrong "${at[@]}"
serve 10810 --filter=delay file "$replica" rdelay=400ms
# Nothing is asked for once more because an answer takes long.
fill --source nbd://127.0.0.1:9/ --source nbd://127.0.0.1:10810/ \
	--source /tmp/wrong --source nbd://127.0.0.1:10809/ --hedge 10s --expiry 10s
grep -q "source nbd://127.0.0.1:9/: cannot connect: .*refused" /tmp/repaird.log ||
	fail "the dead server was not named: $(cat /tmp/repaird.log)"
log "$ms ms, and $alone ms from the good source alone"
asked=$(sed -n 's/.* asked=\([0-9]*\) .*/\1/p' /tmp/repaird.log | awk '{ n += $1 } END { print n }')
log "$asked requests for $blocks blocks"
sed -n 's/.*\(source .*asked=.*\)/\1/p' /tmp/repaird.log
[ "$asked" -ge "$blocks" ] || fail "only $asked requests for $blocks blocks"
[ "$asked" -le $((2 * blocks)) ] || fail "$asked requests for $blocks blocks"
assert_eq "$(dm_get t0 verify_failed)" 0 "the kernel had to refuse data"
