# SPDX-License-Identifier: GPL-2.0
#
# rule: T5 6 blocks that only one of three sources has are repaired among the others, not after them
# kernels: newest
# timeout: 240
# boot: shared
# cpus: 1
#
# 100 000 blocks: GRID_RARE=100000 here, and --mem 4096; it takes ten times as
# long. On the debug kernel (--kernel debug --case sync_rare) two minutes.
. "$GRID_TOP/tools/testing/vm/repaird.sh"

count=${GRID_RARE:-10000}
mib=$((count * 4096 / 1048576 + 1))
grid_setup $mib 4096 checksum:sha256 no_helper_ms:60000 "blocks_max:$count"
cp "$replica" /tmp/partial
python3 - /tmp/partial "$count" > /tmp/rare << 'EOF'
import sys
count = int(sys.argv[2])
with open(sys.argv[1], "r+b") as f:
    for i in range(count):
        if i * 7919 % 10007 < 300:
            f.seek(i * 4096)
            f.write(b"not here")
            print(i)
EOF
defer rm -f /tmp/partial /tmp/rare /tmp/manifest /tmp/events
gridctl manifest "$replica" --block-size=4K --checksum=sha256 --blocks="$count" \
	--output=/tmp/manifest
dd if=/dev/zero of="$lower" bs=1M oflag=direct status=none 2> /dev/null || :
gridctl enqueue t0 --manifest=/tmp/manifest > /dev/null
serve 10809 -t 2 file /tmp/partial
serve 10810 -t 2 file /tmp/partial
serve 10811 -t 2 file "$replica"

# Events are read as they come, by somebody whom nothing delays; if some are lost
# all the same, their sequence numbers tell how far things were.
cat > /tmp/watch.py << 'EOF'
import fcntl, os, select, struct, sys
fd = os.open("/dev/grid_missing", os.O_RDONLY | os.O_NONBLOCK)
attach = struct.pack("<IIQIIIIQ64s", 104, 0, int(sys.argv[1]), 0, 0, 0, 0, 0, b"")
fcntl.ioctl(fd, 0xbd02, bytearray(attach))
events = bytearray(struct.pack("<IIiI", 16, 1, 0, 0))
fcntl.ioctl(fd, 0xbd15, events)
fd = struct.unpack("<IIiI", events)[2]
open("/tmp/watching", "w").close()
poll = select.poll()
poll.register(fd, select.POLLIN)
data = []
while not os.path.exists("/tmp/enough") or poll.poll(0):
    if poll.poll(200):
        data.append(os.read(fd, 1 << 18))
rare = set(map(int, open("/tmp/rare")))
events = [e for d in data for e in struct.iter_unpack("<IIQQQQIIQ", d) if not e[8]]
first, last = events[0][2], events[-1][2]
at = [(e[2] - first) / (last - first) for e in events if e[1] == 5 and e[4] in rare]
print(len(rare), len(at), int(100 * sum(at) / max(len(at), 1)))
EOF
rm -f /tmp/enough /tmp/watching
defer rm -f /tmp/watch.py /tmp/enough /tmp/watching
chrt -f 50 python3 /tmp/watch.py "$(gridctl --json status t0 | sed -n 's/.*"id":\([0-9]*\).*/\1/p')" > /tmp/events &
watcher=$!
defer kill_wait $watcher
wait_until 30 test -e /tmp/watching
repaird --source nbd://127.0.0.1:10809/ --source nbd://127.0.0.1:10810/ \
	--source nbd://127.0.0.1:10811/
gridctl wait t0 --timeout="$(long 200)s"
touch /tmp/enough
wait $watcher
read -r rare seen percent < /tmp/events
log "$rare of $count blocks at one source only: repaired at $percent % of the way on average ($seen seen)"
stop_repaird
assert_eq "$(dm_get t0 repaired)" "$count"
[ "$seen" -ge $((rare / 2)) ] || fail "only $seen of $rare rare blocks were seen"
[ "$percent" -le 60 ] || fail "the rare blocks came at $percent % of the way"
drop_caches
cmp -n $((count * 4096)) "$replica" "$dev"
