# SPDX-License-Identifier: GPL-2.0
#
# rule: U1 gridctl monitor tells what happened to which block, why, and who did it
# kernels: newest debug
# timeout: 60
# boot: shared
# cpus: 1
. "$GRID_TOP/tools/testing/vm/grid.sh"
grid_setup 16 65536 checksum:sha256 no_helper_ms:60000

monitor_begin
lose 3
head -c 65536 /dev/zero > /tmp/zero
must_fail "block 3: the data doesn.t match the checksum" gridctl repair t0 3 --data=/tmp/zero
mend 3
lose 4
gridctl cancel t0 4 --force > /dev/null
lose 5
dd if=/tmp/zero of="$dev" bs=65536 seek=5 count=1 oflag=direct status=none
gridctl enqueue t0 6 > /dev/null
gridctl unavailable t0 6 > /dev/null
gridctl retry t0 6 > /dev/null

wait_until 20 told retried 6 waiting
lose 7
dd if="$dev" of=/dev/null bs=4096 skip=112 count=1 iflag=direct status=none &
reader=$!
wait_until 20 told wanted 7 waiting
mend 7
wait $reader
wait_until 20 told repaired 7 gone
told enqueued 3 waiting
told verify-failed 3 waiting
told repaired 3 gone
told cancelled 4 gone
told superseded 5 gone
told unavailable 6 waiting
# Once that a read wants it, once that a reader waits.
assert_eq "$(told_times wanted)" 2
python3 - << 'END'
import json
last = 0
for line in open("/tmp/events"):
    e = json.loads(line)
    assert e["schema_version"] == 1
    assert e["sequence"] == last + 1, line
    last = e["sequence"]
END
monitor_end
within 20 gridctl monitor t0 --count=1 --timeout=200ms
dm_remove t0
