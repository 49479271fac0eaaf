# SPDX-License-Identifier: GPL-2.0
"""The README's examples, word for word, with the packages installed by dkms

Only names differ: of the machine's disks and of the other host.
"""

import os
import re

from common import DATA, missing_now, same
from run import BLOCK, TOP, check

NAMES = {"/dev/sdb": DATA, "/dev/sdc": "/dev/loop0", "/dev/sdd": "/dev/loop1",
         "other-host": "10.77.0.1"}


def examples():
    """The commands of each indented part of "On the storage host"."""
    with open(os.path.join(TOP, "README.md")) as f:
        text = f.read().split("## On the storage host")[1].split("\n## ")[0]
    out = []
    for part in re.findall(r"(?:^    .*\n|^\n)+", text, re.M):
        for name, real in NAMES.items():
            part = part.replace(name, real)
        # Who waits for a script waits for all that may write to its output.
        part = re.sub(r"^(    gridrepaird --device (\S+) .*)&$",
                      r"\1> /tmp/helper.\2 2>&1 < /dev/null &", part, flags=re.M)
        if part.strip():
            out.append([line[4:] for line in part.splitlines() if line.strip()])
    return out


def is_command(line, word):
    return line.startswith(word + " ")


def put_behind(lines, word, more):
    """A line of ours behind the one that runs @word."""
    at = [i for i, line in enumerate(lines) if is_command(line, word)]
    check(len(at) == 1, "%d of %s in %s" % (len(at), word, lines))
    lines.insert(at[0] + 1, more)


def run(t):
    m = t.machine()
    bad = [block for block, _ in t.blocks("a")[:6]]
    m.spoil(bad)
    m.start()
    check(m.booted() == "running", "the system is not well")
    m.run("""
systemctl stop gridrepaird
cd /var/tmp
dd if=/dev/disk/by-id/virtio-replica of=good.img bs=1M skip=1 status=none
truncate -s 16M meta; truncate -s 1G empty
losetup /dev/loop0 meta; losetup /dev/loop1 empty
modprobe dm-grid""", 120)
    # In the order of the text, nothing cleaned up between, as whoever reads it does.
    there = [lines for lines in examples()
             if any(is_command(line, "gridctl") for line in lines)]
    check(len(there) == 3, "the README has %d examples, not three" % len(there))
    lines, more, leave = there
    # As if a read had failed there.
    put_behind(lines, "gridctl create",
               "gridctl enqueue store %s" % " ".join(map(str, bad)))
    # Without a helper readers wait for 5 s: on a slow machine it begins later than that.
    put_behind(lines, "gridrepaird",
               "until grep -q attached /tmp/helper.store; do sleep 0.1; done")
    out = m.run("set -e\n" + "\n".join(lines), 300)
    m.run("mount --bind /mnt /srv")
    same(m, {name: t.file(name) for name in ("a", "b", "c")})
    out = m.run("gridctl wait store --until=clean --timeout=60s; gridctl status store; "
                "gridctl --json status store", 90)
    check('"repaired":%d,' % len(bad) in out, out)
    t.ok("bad sectors are repaired as they are met")

    m.run("set -e; cd /var/tmp\n" + "\n".join(more), 600)
    m.run("cmp -n %d /var/tmp/good.img /dev/mapper/new" % (1024 * BLOCK), 300)
    out = m.run("gridctl --json status new")
    check('"held":false' in out and '"blocks_max":1000000' in out, out)
    check(missing_now(m) == 0, "the first device has changed")
    same(m, {"a": t.file("a")})
    t.ok("an empty disk is a new replica, beside the first device")

    m.run("umount /srv")
    m.run("set -e\n" + "\n".join(leave), 100)
    check(m.run("findmnt -no SOURCE /mnt") == m.run("readlink -f " + DATA),
          "the disk itself is not mounted")
    m.run("mount --bind /mnt /srv")
    same(m, {name: t.file(name) for name in ("a", "b", "c")})
    code, out = m.run("gridctl create store %s --metadata=/dev/loop0" % DATA, ok=False)
    check(code and "retired" in out, "its map is still loaded: " + out)
    t.ok("the disk without the grid; nobody loads the map any more")
    m.off()
