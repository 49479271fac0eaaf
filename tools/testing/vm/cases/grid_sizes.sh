# SPDX-License-Identifier: GPL-2.0
#
# rule: D1 D2 D8 every block size, 4 KiB sectors below, any offset, an odd length, the table fed back
# kernels: stock
# timeout: 180
# boot: shared
# cpus: 1
load_modules
defer rm -f /tmp/sizes.py /tmp/image
defer dm_remove t0
cat > /tmp/sizes.py <<'END'
import hashlib, mmap, os, random, subprocess, sys, threading, time

MIB = 1 << 20
lower, offset, bs = sys.argv[1], int(sys.argv[2]) * 512, int(sys.argv[3])
blocks = 4 * MIB // bs
good = random.Random(bs).randbytes(4 * MIB)
want = bytearray(6 * MIB)		# what is to be on the lower device
want[offset:offset + 4 * MIB] = good
buf = mmap.mmap(-1, 6 * MIB)

def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout

def status(key):
    return int(run("dmsetup", "status", "t0").split(f" {key}=")[1].split()[0])

def put(fd, at, data):
    buf[:len(data)] = data
    if os.pwrite(fd, memoryview(buf)[:len(data)], at) != len(data):
        sys.exit("short write")

def same(fd, at, data, what):
    if os.preadv(fd, [memoryview(buf)[:len(data)]], at) != len(data):
        sys.exit(f"{what}: short")
    if buf[:len(data)] != data:
        sys.exit(f"{what}: not what it should be")

def lose(*addresses):
    argv = []
    for b in addresses:
        data = good[b * bs:(b + 1) * bs]
        argv.append(f"{b}:{hashlib.sha256(data).hexdigest()[:32]}")
        put(disk, offset + b * bs, bytes(bs))
    run("gridctl", "enqueue", "t0", *argv)

# A read or write that waits for a repair, while we repair.
def meanwhile(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    while status("parked") == 0:
        if not thread.is_alive():
            sys.exit("it did not wait")
        time.sleep(0.05)
    run("gridctl", "repair", "t0", "--from=/tmp/sizes.replica")
    thread.join()
    if not done.pop():
        sys.exit("bad")

done = []

def read_all():
    b = mmap.mmap(-1, 4 * MIB)
    done.append(os.preadv(grid, [b], 0) == 4 * MIB and b[:] == good)

def write_small():
    b = mmap.mmap(-1, 12288)
    b[:] = small
    done.append(os.pwrite(grid, b, at) == 12288)

disk = os.open(lower, os.O_RDWR | os.O_DIRECT)
put(disk, 0, want)
with open("/tmp/sizes.replica", "wb") as f:
    f.write(good)
run("dmsetup", "create", "t0", "--noudevsync", "--table",
    f"0 8192 grid {lower} {offset // 512} {bs // 512} 2 checksum:sha256 no_helper_ms:60000")
run("dmsetup", "mknodes", "t0")
grid = os.open("/dev/mapper/t0", os.O_RDWR | os.O_DIRECT)
if status("blocks") != blocks:
    sys.exit("wrong number of blocks")

# First, last and one in the middle, under one read of everything.
lose(0, blocks // 2, blocks - 1)
meanwhile(read_all)
same(disk, 0, want, "the lower device after the repairs")

# A write from the block before to the block after a missing one.
at = blocks // 2 * bs - 4096
small = random.Random(1).randbytes(12288)
lose(blocks // 2)
if bs == 4096:
    write_small()		# covers it
else:
    meanwhile(write_small)
want[offset + at:offset + at + 12288] = small
same(disk, 0, want, "the lower device after the write")
same(grid, 0, want[offset:offset + 4 * MIB], "the grid after the write")
if status("waiting") != 0 or status("repaired") + status("superseded") != 4:
    sys.exit("not all repaired once")
END
defer rm -f /tmp/sizes.replica

ram_disk 6
for args in "8 4096" "2040 524288" "24 1048576"; do
	log "offset and block size: $args"
	# shellcheck disable=SC2086
	python3 /tmp/sizes.py "$REPLY" $args
	dm_remove t0
done

log "sectors of 4 KiB below are sectors of 4 KiB above"
truncate -s 6M /tmp/image
loop_disk /tmp/image --sector-size 4096
lower=$REPLY
python3 /tmp/sizes.py "$lower" 24 65536
assert_eq "$(blockdev --getss /dev/mapper/t0)" 4096
must_fail "error reading .*: Invalid argument" dd if=/dev/mapper/t0 of=/dev/null bs=512 count=1 iflag=direct
dm_remove t0

log "an odd length: refused; gridctl leaves the tail out"
refused "must be a multiple of block_sectors" dmsetup create t0 --noudevsync --table "0 1928 grid $lower 8 256"
gridctl create t0 "$lower" --block-size=1M --offset=4096 > /dev/null
assert_match "$(dmsetup table t0)" "^0 10240 grid [0-9:]+ 8 2048 "
dm_remove t0

log "the table that dmsetup prints makes the same target, every option set"
all="on_missing:error park_timeout_ms:1 checksum:crc32c checkpoint:explicit no_helper_ms:2 start:held detect:off blocks_max:3 tables_max:4 table_values_max:5"
dm_create t0 "0 1024 grid $lower 512 8 10 $all"
table=$(dmsetup table t0)
assert_match "$table" " 512 8 10 $all\$"
dm_remove t0
dm_create t0 "$table"
assert_eq "$(dmsetup table t0)" "$table"
assert_eq "$(dm_get t0 blocks)" 128

log "what IMA is told of a table line"
assert_match "$(dmsetup measure t0)" ",device_name=$(echo "$table" | cut -d' ' -f4),start=512,block_sectors=8,checksum=crc32c,on_missing=error,checkpoint=explicit;"
