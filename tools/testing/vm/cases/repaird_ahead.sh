# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 D3 a filling replica is read front to back: read-ahead makes one round trip of many
# kernels: newest
# timeout: 180
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"
grid_setup 2 4096 checksum:sha256 no_helper_ms:60000
gridctl manifest "$replica" --block-size=4096 --output=/tmp/manifest
defer rm -f /tmp/manifest /tmp/requests
# Far away, and nothing is fetched but what readers want.
serve 10809 --filter=log --filter=delay file "$replica" rdelay=200ms logfile=/tmp/requests
lose_all
begin=$SECONDS
repaird --source nbd://127.0.0.1:10809/ --rate 4096 --hedge 60s --expiry 60s --min-age 60s \
	--budget 64
wait_until 60 grep -q connected /tmp/repaird.log
cmp "$replica" "$dev"
seconds=$((SECONDS - begin))

# A round trip: from when the source had nothing to do, until that is so again.
read -r requests rounds < <(awk '
	/ Read / && !/\.\.\.Read/ { if (!out++) rounds++; n++ }
	/\.\.\.Read / { out-- }
	END { print n, rounds }' /tmp/requests)
log "$blocks blocks were read by $requests requests in $rounds round trips"
[ "$requests" -ge "$((blocks - 32))" ] || fail "the log has only $requests requests: $(head -n 5 /tmp/requests)"
# One block a second is fetched beside the readers.
[ "$rounds" -le $((blocks / 4 + seconds)) ] || fail "$rounds round trips for $blocks blocks in $seconds s"
assert_eq "$(dm_get t0 timeouts)" 0
stop_repaird
