# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rule: M1 calls about many large tables at once find room in the log, each when it is its turn
# kernels: all
# timeout: 120
# boot: shared
# cpus: 2

. "$GRID_TOP/tools/testing/vm/grid.sh"

bs=4096
load_modules
file_disk data lower 512
file_disk meta meta_dev 512
gridctl format "$lower" --metadata="$meta_dev" --block-size=4K --checksum=sha256 \
	--blocks-max=64 --tables-max=120 --table-values-max=24400 > /dev/null
gridctl create t0 "$lower" --metadata="$meta_dev" > /dev/null
defer dm_remove t0

cat > /tmp/tables.py << 'END'
# Tables of so many values each, by so many threads at once; then they are cancelled.
import ctypes, fcntl, os, struct, sys, threading
tables, values, threads = map(int, sys.argv[1:])
NO_CHECKSUM, TABLE = 1, int(os.environ["F_TABLE"])

def attach():
    fd = os.open("/dev/grid_missing", os.O_RDWR)
    major, minor = map(int, os.environ["NUMBERS"].split(":"))
    fcntl.ioctl(fd, 0xBD02, bytearray(struct.pack("IIQIIIIQ64s", 104, 0, 0, major, minor, 0, 0, 0, b"")))
    return fd

def call(fd, nr, size, elems):
    """Its vector's results, of elements of that size."""
    v = bytearray(struct.pack("6I4Q", 56, 0, size, len(elems) // size, 0, 0, 0,
                              ctypes.addressof(elems), 0, 0))
    fcntl.ioctl(fd, 0xBD00 | nr, v)
    assert struct.unpack("6I4Q", v)[4] == len(elems) // size, "not all was done"

def enqueue(fd, t):
    base = t * (values + 1)
    v = b"".join(struct.pack("Q16s", base + 1 + i, b"sum") for i in range(values))
    v = ctypes.create_string_buffer(v, len(v))
    e = struct.pack("Q16sIiQQIIQ", base, b"index", 0, 0, 0, ctypes.addressof(v), values, 24, 0)
    e = ctypes.create_string_buffer(e, len(e))
    call(fd, 0x14, 64, e)
    result = struct.unpack("Q16sIiQQIIQ", e.raw)[3]
    assert result == 0, "table %d: %d" % (t, result)

failures = []
def work(first):
    try:
        fd = attach()
        for t in range(first, tables, threads):
            enqueue(fd, t)
    except Exception as e:
        failures.append(e)

all_ = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
for t in all_: t.start()
for t in all_: t.join()
assert not failures, failures
fd = attach()
# The log's memory is a fifth full already when most of them come.
for some in range(min(12, tables)), range(min(12, tables), tables):
    e = b"".join(struct.pack("Q16sIi", t * (values + 1), b"", TABLE, 0) for t in some)
    e = ctypes.create_string_buffer(e, len(e))
    if some:
        call(fd, 0x0b, 32, e)
    for i, t in enumerate(some):
        result = struct.unpack_from("Q16sIi", e.raw, i * 32)[3]
        assert result == 0, "cancel of table %d: %d" % (t, result)
END
export NUMBERS F_TABLE
NUMBERS=$(dmsetup info -c --noheadings --separator : -o major,minor t0)
F_TABLE=$(($(sed -n 's/^#define GRID_MISSING_F_TABLE (\(1U << [0-9]*\)).*/\1/p' \
	"$GRID_TOP/include/uapi/linux/grid_missing.h" | tr -d U)))

log "120 tables of a thousand values"
python3 /tmp/tables.py 120 1000 4
assert_eq "$(dm_get t0 metadata)" ok
gridctl reclaim t0 > /dev/null
log "a few of as many as fit into a commit, by four threads at once"
python3 /tmp/tables.py 5 24000 5
assert_eq "$(dm_get t0 metadata)" ok
dd if=/dev/null of=/dev/mapper/t0 conv=fsync,notrunc status=none
assert_eq "$(dm_get t0 metadata)" ok
assert_verified
