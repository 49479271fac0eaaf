# SPDX-License-Identifier: GPL-2.0
#
# rule: D1 D2 D5 D11 ext4 and xfs work on a grid of which 5 % is missing, and are whole afterwards
# kernels: stock
# timeout: 240
# boot: shared
#
# A file system is made and filled; every twentieth block of the device is then
# spoiled, half of them blocks that are in use, and enqueued before the first
# I/O is let through. A daemon repairs while the files are read, new ones
# written, and old ones deleted and discarded.
. "$GRID_TOP/tools/testing/vm/repaird.sh"
need_module ext4 xfs

bs=65536
load_modules
disk=/tmp/fs.disk
replica=/tmp/fs.replica
defer rm -rf "$disk" "$replica" /tmp/fs.py /tmp/fs.sums /tmp/fs.new /tmp/manifest /mnt/fs /tmp/fsck.out
unmount() { ! mountpoint -q /mnt/fs || umount /mnt/fs; }
cat > /tmp/fs.py <<'END'
import hashlib, os, random, sys

rng = random.Random(7)

def files(directory, n, size):
    os.makedirs(directory)
    for i in range(n):
        with open(f"{directory}/{i}", "wb") as f:
            f.write(rng.randbytes(rng.randrange(size)))

# Spoil 5 % of the blocks of a disk, and say what they should be.
def spoil(disk, bs):
    with open(disk, "r+b", 0) as f:
        blocks = f.seek(0, 2) // bs
        used = []
        for b in range(1, blocks):
            if os.lseek(f.fileno(), b * bs, os.SEEK_HOLE) != b * bs:
                used.append(b)
        n = blocks // 20
        some = set(rng.sample(used, min(len(used) // 2, n // 2)))
        rest = [b for b in range(1, blocks) if b not in some]
        some |= set(rng.sample(rest, n - 1 - len(some))) | {0}
        for b in sorted(some):
            f.seek(b * bs)
            sum = hashlib.sha256(f.read(bs)).hexdigest()
            print(b, sum[:32])
            f.seek(b * bs)
            f.write(b"\xa5" * bs)
        os.fsync(f.fileno())

if sys.argv[1] == "files":
    files(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    spoil(sys.argv[2], int(sys.argv[3]))
END

# on_grid MIB MKFS... -- FSCK...
on_grid()
{
	local mkfs=() missing
	rm -f "$disk"
	truncate -s "$1M" "$disk"
	loop_disk "$disk"
	lower=$REPLY
	shift
	while [ "$1" != -- ]; do
		mkfs+=("$1")
		shift
	done
	shift
	log "${mkfs[*]}"
	dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000)"
	dev=$REPLY
	"${mkfs[@]}" "$dev"
	mkdir -p /mnt/fs
	defer unmount
	mount "$dev" /mnt/fs
	python3 /tmp/fs.py files /mnt/fs/old 60 200000
	(cd /mnt/fs && find old -type f -exec sha256sum {} +) > /tmp/fs.sums
	umount /mnt/fs
	dm_remove t0
	cp --sparse=always "$disk" "$replica"

	python3 /tmp/fs.py spoil "$disk" $bs > /tmp/manifest
	missing=$(wc -l < /tmp/manifest)
	dm_create t0 "$(grid_table checksum:sha256 no_helper_ms:60000 start:held)"
	gridctl enqueue t0 --manifest=/tmp/manifest > /dev/null
	assert_eq "$(dm_get t0 waiting)" "$missing"
	repaird --source "$replica"
	gridctl ready t0
	mount -o discard "$dev" /mnt/fs
	(cd /mnt/fs && sha256sum --quiet -c /tmp/fs.sums)
	rm -r /mnt/fs/old/[1-3]*
	sync -f /mnt/fs
	python3 /tmp/fs.py files /mnt/fs/new 40 200000
	sync /mnt/fs/new/* /mnt/fs/new
	(cd /mnt/fs && find old new -type f -exec sha256sum {} +) > /tmp/fs.new
	gridctl wait t0 --timeout="$(long 100)s"
	umount /mnt/fs
	stop_repaird
	log "$missing missing: $(dm_get t0 repaired) repaired, $(dm_get t0 superseded) superseded, $(dm_get t0 freed) freed"
	assert_eq "$(($(dm_get t0 repaired) + $(dm_get t0 superseded) + $(dm_get t0 freed)))" \
		"$missing" "blocks accounted for"
	assert_eq "$(dm_get t0 timeouts)" 0
	dm_remove t0

	# What is below is the file system now, without us.
	blockdev --flushbufs "$lower"
	"$@" "$lower" > /tmp/fsck.out 2>&1 || fail "fsck: $(cat /tmp/fsck.out)"
	mount -o ro "$lower" /mnt/fs
	(cd /mnt/fs && sha256sum --quiet -c /tmp/fs.new)
	umount /mnt/fs
}

on_grid 32 mkfs.ext4 -q -b 4096 -- e2fsck -fn
on_grid 300 mkfs.xfs -q -f -- xfs_repair -n
