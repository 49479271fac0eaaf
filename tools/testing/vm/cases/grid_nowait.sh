# SPDX-License-Identifier: GPL-2.0
#
# rule: D3 D7 D10 NOWAIT and read-ahead park nothing, readers want all that is missing, statuses say why
# kernels: all
# timeout: 180
# boot: shared
. "$GRID_TOP/tools/testing/vm/grid.sh"

grid_setup 4 65536 checksum:sha256 no_helper_ms:60000
lose 3 4 5 8 10 12

log "from userspace: NOWAIT, read-ahead, errnos"
python3 - "$dev" "$replica" <<'END'
import errno, mmap, os, subprocess, sys

bs = 65536
fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
cached = os.open(sys.argv[1], os.O_RDONLY)
replica = open(sys.argv[2], "rb")
buf = mmap.mmap(-1, 4 * bs)

def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

def status(key):
    return int(run("dmsetup", "status", "t0").split(f" {key}=")[1].split()[0])

def batch():
    return int(run("gridctl", "--json", "batch", "t0", "--max=1").split('"address":')[1].split(",")[0])

def expect(what, want, function, *args):
    try:
        function(*args)
        got = 0
    except OSError as e:
        got = e.errno
    name = errno.errorcode.get
    if got != want:
        sys.exit(f"{what}: got {name(got, 0)}, wanted {name(want, 0)}")

def read(block, flags=0, size=bs):
    n = os.preadv(fd, [memoryview(buf)[:size]], block * bs, flags)
    if n != size:
        sys.exit(f"block {block}: {n} bytes")

def write(block, flags=0, size=bs):
    if os.pwritev(fd, [memoryview(buf)[:size]], block * bs, flags) != size:
        sys.exit(f"block {block}: short write")

def good(block):
    replica.seek(block * bs)
    return buf[:bs] == replica.read(bs)

# Or EAGAIN below would prove nothing. The lower queue may be full for once.
for _ in range(100):
    try:
        read(7, os.RWF_NOWAIT)
        break
    except BlockingIOError:
        pass
else:
    sys.exit("no NOWAIT read of a good block succeeds")
if not good(7):
    sys.exit("block 7 is not what it should be")

expect("NOWAIT read", errno.EAGAIN, read, 3, os.RWF_NOWAIT)
expect("NOWAIT write of a part", errno.EAGAIN, write, 3, os.RWF_NOWAIT, 4096)
if status("parked") != 0:
    sys.exit("NOWAIT parked something")

# Wanted goes before what nobody asked for, in spite of its later address.
if batch() != 3:
    sys.exit("the block of the NOWAIT read is not handed out first")
os.posix_fadvise(cached, 12 * bs, bs, os.POSIX_FADV_WILLNEED)
if batch() != 12:
    sys.exit("the block that was read ahead is not handed out first")
if status("parked") != 0:
    sys.exit("read-ahead parked something")

run("dmsetup", "message", "t0", "0", "set", "on_missing:error")
expect("read, on_missing:error", errno.ENODATA, read, 3)
expect("small write, on_missing:error", errno.ENODATA, write, 3, 0, 4096)
run("dmsetup", "message", "t0", "0", "set", "on_missing:park")
run("gridctl", "unavailable", "t0", "8")
expect("read of what nobody has", errno.ENODATA, read, 8)
expect("small write to what nobody has", errno.ENODATA, write, 8, 0, 4096)
run("gridctl", "retry", "t0", "8")
run("dmsetup", "message", "t0", "0", "set", "park_timeout_ms:200")
expect("read that times out", errno.EIO, read, 10)
expect("one after it", errno.ENODATA, read, 10)
run("dmsetup", "message", "t0", "0", "set", "park_timeout_ms:0")
expect("read that may not wait", errno.EIO, read, 8)
run("dmsetup", "message", "t0", "0", "set", "park_timeout_ms:60000")
for block in 8, 12:
    write(block)
if status("timeouts") != 1:
    sys.exit("other than one time-out")
END
mend

log "a read that spans several missing blocks wants them all, not only its first"
lose 1 3 4 6 9
(
	dd if="$dev" of=/tmp/span bs=$((6 * bs)) skip=$((2 * bs)) count=1 \
		iflag=direct,skip_bytes status=none
) &
reader=$!
defer rm -f /tmp/span
# dm cuts it where the first one parks and brings the rest.
wait_until 60 parked 3
assert_eq "$(gridctl --json faults t0 | sed -n 's/.*"address":\([0-9]*\),.*"readers":true.*/\1/p' |
	sort -n | tr '\n' ' ')" "3 4 6 " "blocks with readers"
mend
wait $reader
dd if="$replica" bs="$bs" skip=2 count=6 status=none | cmp - /tmp/span

log "io_uring tries with NOWAIT first, and then waits in a thread of its own"
lose 3
fio --name=uring --filename="$dev" --direct=1 --ioengine=io_uring --rw=read \
	--bs="$bs" --offset=$((3 * bs)) --size="$bs" --output=/tmp/fio.out &
reader=$!
defer rm -f /tmp/fio.out
wait_until 60 parked 1
mend
wait $reader || { cat /tmp/fio.out; fail "fio"; }
assert_eq "$(dm_get t0 waiting)" 0

log "before ready: NOWAIT does not park; a read that spans several missing blocks wants them all then"
dm_remove t0
dm_create t0 "$(grid_table checksum:sha256 park_timeout_ms:3600000 no_helper_ms:3600000 start:held)"
must_fail "BlockingIOError" python3 -c "
import mmap, os
fd = os.open('$dev', os.O_RDONLY | os.O_DIRECT)
os.preadv(fd, [mmap.mmap(-1, 4096)], 0, os.RWF_NOWAIT)"
dd if="$dev" of=/tmp/span bs=$((4 * bs)) skip=$((2 * bs)) count=1 iflag=direct,skip_bytes \
	status=none &
reader=$!
wait_until 60 parked 1
lose 1 3 5 7
# Not cut where a block is missing: that would have been when it came.
dmsetup message t0 0 ready
has_reader() { gridctl --json faults t0 | grep '"address":3,.*"readers":true' > /dev/null; }
wait_until 60 has_reader
assert_eq "$(gridctl --json faults t0 |
	sed -n 's/.*"address":\([0-9]*\),.*"\(readers\|wanted\)":true.*/\1/p' |
	sort -n | tr '\n' ' ')" "3 5 " "blocks with readers, or wanted"
mend
wait $reader
dd if="$replica" bs="$bs" skip=2 count=4 status=none | cmp - /tmp/span
