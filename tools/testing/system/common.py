# SPDX-License-Identifier: GPL-2.0
"""What cases ask of a machine with a grid "store" that is mounted on /srv"""

import hashlib
import json

from run import BLOCK, UUID, check

DATA = "/dev/disk/by-id/virtio-gridlower"
META = "/dev/disk/by-id/virtio-gridmeta"
PAGE = 4096
FSTAB = ("LABEL=gridroot / ext4 defaults,noatime 0 1\n"
         "UUID=%s /srv ext4 %%s_netdev,nofail 0 2\n" % UUID)


def healthy(m, text, disk=DATA):
    """Mounted from the grid on @disk, and only from there; nothing failed."""
    state = m.booted()
    check(state == "running", "%s: the system is %s\n%s" % (text, state, m.run(
        "systemctl --failed --no-legend; systemctl status -l 'grid@*' gridrepaird "
        "srv.mount 'systemd-fsck@*'; journalctl -b -p warning | tail -n 40; "
        "systemctl list-jobs", ok=False)[1]))
    wait_mount(m)
    out = m.run("findmnt -no SOURCE /srv; readlink -f /dev/disk/by-uuid/%s "
                "/dev/disk/by-label/store /dev/mapper/store" % UUID)
    source, uuid, label, grid = out.split()
    check(source == "/dev/mapper/store", "%s: /srv is on %s" % (text, source))
    check(uuid == label == grid, "%s: the links lead to %s" % (text, out))
    raw_hidden(m, disk)


def wait_mount(m):
    m.run("for i in $(seq 200); do findmnt /srv > /dev/null && exit; sleep 0.3; "
          "done; systemctl status 'grid@*' srv.mount gridrepaird; "
          "journalctl -b | tail -n 60; exit 1", 100)


def raw_hidden(m, disk=DATA):
    """In this boot udev gave the disk below, by a link of it that lasts, no link by
    what lies on it, at no time, and the kernel mounted no file system of it."""
    log = m.run("awk '/^=== boot/ { n = NR } END { print n }' /var/log/test-udev > /run/n; "
                "tail -n +$(cat /run/n) /var/log/test-udev | "
                "awk -v RS= -v ORS='\\n\\n' '/%s/'; "
                "dmesg | grep \"EXT4-fs ($(basename $(readlink -f %s)))\" | "
                "sed 's/^/mounted /' || :" % (disk.split("/")[-1], disk))
    check("mounted " not in log, log)
    events = [dict(l.split("=", 1) for l in e.splitlines() if "=" in l)
              for e in log.split("\n\n")]
    events = [e for e in events if "DEVLINKS" in e]
    check(events, "no event of the disk below in the log")
    for e in events:
        if e.get("ACTION") == "remove":
            continue
        check("by-uuid" not in e["DEVLINKS"] and "by-label" not in e["DEVLINKS"]
              and e.get("ID_FS_TYPE") == "grid_member"
              and e.get("SYSTEMD_READY") == "0",
              "the disk below was seen: %s" % e)


def last_minute(m, mounted="/srv"):
    """How the boot before ended: what is mounted goes first, then the helper, then
    the network; nothing is lost and no unit fails."""
    log = m.run("journalctl -b -1 -o short-monotonic | tail -n 150")

    def at(*words):
        found = [i for i, l in enumerate(log.splitlines())
                 if all(w in l for w in words)]
        check(found, "the log has no \"%s\":\n%s" % (" ".join(words), log))
        return found[-1]

    for bad in ("I/O error", "lost async page write", "Lost", "Failed with result",
                "Buffer I/O"):
        check(bad not in log, log)
    if mounted:
        check(at("nmounted", mounted) < at("Stopped", "gridrepaird"), log)
    check(at("Stopped", "gridrepaird") < at("Stopped target", "network.target"),
          log)


def server(m, seconds):
    """The replica's server answers after so long from now on."""
    m.run("echo %g > /etc/test-slow; old=$(pidof nbdkit); kill -9 $old\n"
          "until new=$(pidof nbdkit) && [ \"$new\" != \"$old\" ]; do sleep 0.1; done"
          % seconds, 60)


def missing_now(m):
    """How many blocks of the grid are missing."""
    status = json.loads(m.run("gridctl --json status store"))
    return status["waiting"] + status["writing"] + status["aborting"]


def missing(t, taken, disk=DATA):
    """A script after which these blocks are missing, and garbage below."""
    out = "set -e\nsync; echo 3 > /proc/sys/vm/drop_caches\n"
    for block, _ in taken:
        out += ("yes garbage | head -c %d | dd of=%s bs=%d seek=%d oflag=direct "
                "iflag=fullblock conv=notrunc status=none\n" % (BLOCK, disk, BLOCK, block))
    out += "gridctl enqueue store %s\n" % " ".join(
        "%d:%s" % (block, t.sum(block)) for block, _ in taken)
    return out


def same(m, files):
    """Each file is as it is known to be."""
    sums = m.run("set -o pipefail; cd /srv && sha256sum %s | cut -c1-64"
                 % " ".join(files), 300).split()
    for name, have in zip(files, sums):
        if hashlib.sha256(b"".join(files[name])).hexdigest() == have:
            continue
        found = m.read(name, files[name], [(0, len(files[name]))])
        wrong = [p for p, s in found.items()
                 if hashlib.sha256(files[name][p]).hexdigest() != s]
        check(False, "%s differs in pages %s\n%s" % (name, wrong, m.run(
            "dd if=/srv/%s bs=%d skip=%d count=1 status=none | head -c 200"
            % (name, PAGE, wrong[0]), ok=False)[1]))
