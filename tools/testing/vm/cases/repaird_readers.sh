# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 T5 readers of missing blocks don't wait for a sync that fills its source, nor it for them
# kernels: newest
# timeout: 180
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/repaird.sh"
grid_setup 16 65536 checksum:sha256 no_helper_ms:60000
gridctl manifest "$replica" --block-size=64K --output=/tmp/manifest
defer rm -f /tmp/manifest /tmp/latency /tmp/latency.py /tmp/requests
# It serves one block after the other: what is asked for only queues there.
: > /tmp/requests
serve 10809 -t 1 --filter=log --filter=delay file "$replica" rdelay=20ms logfile=/tmp/requests
# Connections and offsets (hexadecimal), in the order of the requests.
requests() { sed -n 's/.* connection=\([0-9]*\) Read .*offset=\(0x[0-9a-f]*\) count=.*/\1 \2/p' /tmp/requests; }

cat > /tmp/latency.py << 'END'
import mmap, os, sys, time
dev, bs, blocks = sys.argv[1], int(sys.argv[2]), [int(b) for b in sys.argv[3:]]
fd = os.open(dev, os.O_RDONLY | os.O_DIRECT)
buf = mmap.mmap(-1, bs)
times = []
for b in blocks:
    begin = time.monotonic()
    assert os.preadv(fd, [buf], b * bs) == bs
    times.append(int((time.monotonic() - begin) * 1000))
times.sort()
print("median %d ms, 99th percentile %d ms of %d reads" %
      (times[len(times) // 2], times[len(times) * 99 // 100], len(times)))
END

# readers WHAT REPAIRD-OPTION...: read 24 blocks one by one, here and there, the
# first parked before the daemon starts.
readers()
{
	local what=$1 reader i before ahead order=()
	shift
	before=$(requests | wc -l)
	gridctl cancel t0 --all --force > /dev/null
	lose_all
	for i in {1..24}; do
		order+=($((i * 101 % blocks)))
	done
	python3 /tmp/latency.py "$dev" "$bs" "${order[@]}" > /tmp/latency 2>&1 &
	reader=$!
	wait_until 60 parked 1
	repaird --source nbd://127.0.0.1:10809/ --hedge 60s --expiry 60s "$@"
	wait "$reader" || fail "a reader: $(cat /tmp/latency)"
	log "$what: $(cat /tmp/latency)"
	log "$(counter urgent) urgent blocks, overtaken by $(counter overtaken) others; $(dm_get t0 waiting) are left"
	# Two connections may be served in any order: it waits for its own one only.
	ahead=$(requests | awk -v before="$before" -v offset="$(printf '0x%x' $((order[0] * bs)))" '
		NR <= before || found { next }
		$2 == offset { found = 1; print ahead[$1] + 0; next }
		{ ahead[$1]++ }')
	assert_eq "$ahead" 0 "requests ahead of the first reader's on its connection"
	[ "$(counter urgent)" -ge 1 ] || fail "no block was urgent"
	# Without a place of their own, the whole budget goes before each.
	[ "$(counter overtaken)" -le $((2 * $(counter urgent))) ] ||
		fail "requests were sent before a reader's"
}

readers "idle" --rate 4096
stop_repaird
# What it has no room for it doesn't take: nobody would get that for an hour.
readers "little memory" --rate 4096 --memory 4M --min-age 1h
stop_repaird
readers "under a sync" --budget 16
gridctl wait t0 --timeout="$(long 90)s"
stop_repaird
cmp "$replica" "$dev"
