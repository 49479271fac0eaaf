# SPDX-License-Identifier: GPL-2.0
"""S1-S4: reboots and power cuts; the map of what is missing is in metadata

GRID_REBOOTS times (10): blocks of a file go missing, part of each is written anew,
and before anything of that reaches the device, the machine reboots. Then
GRID_CUTS times (10): blocks go missing, some are overwritten whole or in part,
with an fsync or without, and the power goes in the middle of it. What is below
the missing blocks is garbage: who reads it has read what was never there.
"""

import hashlib
import os
import random
import time

from common import (DATA, FSTAB, META, PAGE, healthy, last_minute, missing,
                    missing_now, same, server)
from run import BLOCK, check

TAB = "store %s %s _netdev,nofail\n" % (DATA, META)
EACH = 5
PER = BLOCK // PAGE


def run(t):
    reboots = int(os.environ.get("GRID_REBOOTS", 10))
    cuts = int(os.environ.get("GRID_CUTS", 10))
    seed = int(os.environ.get("GRID_SEED", time.time()))
    chance = random.Random(seed)
    # What each file holds, as far as it is known: 4 KiB pages.
    files = {name: t.file(name) for name in ("a", "b", "c")}
    m = t.machine(files={"/etc/gridtab": TAB, "/etc/fstab": FSTAB % ""},
                  metadata=True)
    m.start()
    healthy(m, "boot")
    m.run("systemctl is-active gridrepaird && gridctl --json status store")
    same(m, files)
    t.ok("a boot: mounted by UUID from the grid, the disk below never seen; %.0f s"
         % m.seconds)

    free = {name: list(t.blocks(name)) for name in ("b", "c")}
    for i in range(reboots):
        taken = [free["b"].pop() for _ in range(EACH)]
        server(m, 25)
        begun = time.monotonic()
        pages = missing(t, taken) 
        for block, page in taken:
            pages += dirty(files, "b", page + chance.randrange(PER), "%d/%d" % (i, block))
        m.run(pages, 60)
        check(missing_now(m) == EACH, "%d blocks are missing" % missing_now(m))
        m.off("reboot")
        took = time.monotonic() - begun
        m.start()
        healthy(m, "reboot %d" % i)
        last_minute(m)
        server(m, 0)
        same(m, files)
        t.ok("reboot %d of %d with dirty partial writes to %d missing blocks "
             "(written out in %.0f s): nothing is lost" % (i + 1, reboots, EACH, took))

    for i in range(cuts):
        taken = [free["c"].pop() for _ in range(EACH)]
        server(m, 3)
        script = missing(t, taken)
        # A new one each time: what was removed may come back with the power.
        ack = "/var/lib/acked-%d" % i
        # The first is only missing. The second is overwritten as a whole, each of
        # the others in part; what an fsync has acknowledged is noted.
        maybe = {}
        for number, (block, page) in enumerate(taken[1:]):
            count = 1 if number else PER
            at = page + (chance.randrange(PER) if number else 0)
            data = content("cut %d/%d" % (i, block), count)
            maybe[number] = (at, count, data)
            m.put_data("cut-%d" % number, data)
            script += ("setsid sh -c 'dd if=/run/cut-%d of=/srv/c bs=%d seek=%d "
                       "conv=notrunc%s status=none && echo %d >> %s && sync -d %s' "
                       "> /dev/null 2>&1 &\n"
                       % (number, PAGE, at, ",fsync" if number != 1 else "", number,
                          ack, ack))
        m.run(script, 60)
        wait = chance.choice((0, chance.uniform(0, 8)))
        time.sleep(wait)
        m.cut()
        m.start()
        healthy(m, "cut %d (seed %d)" % (i, seed))
        acked = m.run("cat %s 2> /dev/null || :" % ack).split()
        server(m, 0)
        found = m.read("c", files["c"], [(at, n) for at, n, _ in maybe.values()])
        for number, (at, count, data) in maybe.items():
            for k in range(count):
                old = files["c"][at + k]
                new = data[k * PAGE:(k + 1) * PAGE]
                have = found[at + k]
                # What wasn't acknowledged is there or not, page by page.
                good = (new,) if str(number) in acked and number != 1 else (old, new)
                check(have in [hashlib.sha256(g).hexdigest() for g in good],
                      "cut %d (seed %d): page %d of c, write %d, acknowledged: %s"
                      % (i, seed, at + k, number, acked))
                files["c"][at + k] = new if have == hashlib.sha256(new).hexdigest() else old
        same(m, files)
        m.run("umount /srv && fsck.ext4 -fn /dev/mapper/store && mount /srv", 120)
        t.ok("cut %d of %d after %.1f s, %d writes acknowledged: they are there, no "
             "missing block is served, fsck is clean" % (i + 1, cuts, wait, len(acked)))
    m.off()
    t.ok("an orderly end")


def content(text, pages=1):
    line = ("%s\n" % text).encode()
    return (line * (pages * PAGE // len(line) + 1))[:pages * PAGE]


def dirty(files, name, page, text):
    """A script that writes a page, and leaves it in memory."""
    files[name][page] = content(text)
    return ("yes '%s' | head -c %d | dd of=/srv/%s bs=%d seek=%d iflag=fullblock "
            "conv=notrunc status=none\n" % (text, PAGE, name, PAGE, page))
