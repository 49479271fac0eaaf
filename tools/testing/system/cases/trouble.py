# SPDX-License-Identifier: GPL-2.0
"""S2, S3: what is not there at boot is told, and the boot goes on; scanners end

One boot with many lines: a grid whose source is gone and whose first block is
missing, one that nobody says ready to, one whose disk is missing, one whose metadata
is damaged, two with wrong lines. Each unit that fails says why, within its time, and
so does what repairs. When the source is there, the grid is as it should be. Then a
boot whose grids have no nofail: what needs them fails, within its time too.
"""

from common import DATA, META
from run import check

TAB = """\
store {0} none block-size=64K,checksum=sha256,length=60M,park-timeout=5s,manifest=/var/lib/m,manifest-undoes-writes,_netdev,nofail
held {0} none block-size=64K,offset=60M,park-timeout=5s,no-helper=5s,ready-timeout=15s,nofail
gone /dev/disk/by-id/virtio-nothing none block-size=64K,x-systemd.device-timeout=10s,nofail
wrong {0} none blok-size=64K,nofail
broken {0} {1} nofail
small {0} none block-size=3K,start=clean,nofail
later {0} none block-size=64K,start=clean,noauto
""".format(DATA, META)
FSTAB = """\
LABEL=gridroot / ext4 defaults,noatime 0 1
/dev/mapper/store /srv ext4 ro,_netdev,nofail,x-systemd.device-timeout=60s 0 2
/dev/mapper/held /mnt ext4 ro,nofail,x-systemd.device-timeout=20s 0 2
/dev/mapper/gone /opt ext4 ro,nofail,x-systemd.device-timeout=20s 0 2
/dev/mapper/broken /media ext4 ro,nofail,x-systemd.device-timeout=20s 0 2
"""
# The same three without nofail.
TAB_NEEDED = """\
held {0} none block-size=64K,offset=60M,park-timeout=5s,no-helper=5s,ready-timeout=15s
gone /dev/disk/by-id/virtio-nothing none block-size=64K,start=clean,x-systemd.device-timeout=20s
broken {0} {1}
""".format(DATA, META)
FSTAB_NEEDED = """\
LABEL=gridroot / ext4 defaults 0 1
/dev/mapper/held /mnt ext4 ro,x-systemd.device-timeout=30s 0 2
/dev/mapper/gone /opt ext4 ro,x-systemd.device-timeout=30s 0 2
/dev/mapper/broken /media ext4 ro,x-systemd.device-timeout=30s 0 2
"""
CAUSES = {
    "held": "held is held, and nobody said within 15 s that it is ready",
    "gone": "gone: the data device /dev/disk/by-id/virtio-nothing did not appear within ",
    "broken": META + ": superblock at byte 0: damaged (its crc is wrong)",
}
MOUNTS = {"held": "mnt", "gone": "opt", "broken": "media"}
SOURCE = "nbd://10.77.0.1/"


def show(m, unit, *names):
    out = m.run("systemctl show -p %s '%s'" % (",".join(names), unit))
    values = dict(l.split("=", 1) for l in out.splitlines())
    return [values[n] for n in names]


def status(m, unit, *texts):
    out = m.run("systemctl status --no-pager -l -n 30 %s" % unit, ok=False)[1]
    for text in texts:
        check(text in out, "%s doesn't say \"%s\":\n%s" % (unit, text, out))
    return out


def unit_failed(m, name, text, least=0):
    """It says why, and gave up itself, after as long as it was to wait: systemd's
    own limit would have another result."""
    unit = "grid@%s.service" % name
    out = status(m, unit, "Active: failed", text)
    result, began, ended = show(m, unit, "Result", "ExecMainStartTimestampMonotonic",
                                "ExecMainExitTimestampMonotonic")
    check(result == "exit-code", "%s: result %s\n%s" % (unit, result, out))
    check(int(ended) - int(began) >= least * 1000000,
          "%s waited from %s to %s us\n%s" % (unit, began, ended, out))


def not_mounted(m, name):
    """What was to be mounted from it isn't, because of its device."""
    unit = MOUNTS[name] + ".mount"
    check(show(m, unit, "ActiveState") == ["inactive"], unit + status(m, unit))
    status(m, unit, "Job %s/start failed with result 'dependency'" % unit)
    check(name == "held" or name not in m.run("gridctl list; ls /dev/mapper").split(),
          name + " is there")


def active(m, **states):
    """Each target is active, or isn't."""
    for name, state in states.items():
        unit = name.replace("_", "-") + ".target"
        check((show(m, unit, "ActiveState") == ["active"]) == state,
              "%s\n%s" % (unit, m.run("systemctl status -l %s; systemctl list-jobs"
                                      % unit, ok=False)[1]))


def source_gone(m):
    """The grid is there, what is missing is told, and who can't bring it says so."""
    status(m, "grid@store", "Active: active", "958 of 960 match, 2 enqueued")
    status(m, "gridrepaird", "Active: active", "source %s: cannot connect" % SOURCE,
           "store: block 0 cannot be repaired: no source answers")
    check(show(m, "srv.mount", "ActiveState", "Result") == ["failed", "exit-code"],
          status(m, "srv.mount"))
    log = m.run("dmesg | grep EXT4-fs")
    check("unable to read superblock" in log, "/srv failed for another reason: " + log)
    code, out = m.run("gridctl check store", ok=False)
    check(code == 2 and "2 blocks" in out, out)
    code, out = m.run("gridctl doctor", ok=False)
    for text in ("store: %s does not answer" % SOURCE, "store: 0 of 1 sources answer",
                 "2 blocks fail their readers", "gone: its disk",
                 'unknown option "blok-size"', 'held: it waits for "gridctl ready"'):
        check(code == 1 and text in out, "doctor doesn't say \"%s\":\n%s" % (text, out))


def source_back(m):
    m.run("rm /etc/test-no-server; for i in $(seq 200); do "
          "gridrepaird --status | grep -q 'source.*: up ' && exit; sleep 0.3; done; "
          "gridrepaird --status; systemctl status test-network; exit 1", 120)
    m.run("gridctl retry store --all && timeout 200 gridctl wait store --until=clean && "
          "cmp -n %d -i 0:1048576 /dev/mapper/store /dev/disk/by-id/virtio-replica"
          % (60 << 20), 300)


def run(t):
    m = t.machine(files={"/etc/gridtab": TAB, "/etc/fstab": FSTAB,
                         "/var/lib/m": t.part_manifest(60 << 20),
                         "/etc/test-no-server": ""}, metadata=True)
    m.spoil([0, 5])
    # Both superblocks.
    with open(m.path("gridmeta"), "r+b") as f:
        for at in (100, (512 << 10) + 100):
            f.seek(at)
            f.write(b"garbage")
    m.start()
    state = m.booted()
    check(state == "degraded", "the system is " + state)
    active(m, multi_user=True, grid=True, remote_grid=True, local_fs=True, remote_fs=True)
    check("No jobs" in m.run("systemctl list-jobs"), m.run("systemctl list-jobs"))
    t.ok("the boot goes on, %.0f s" % m.seconds)

    unit_failed(m, "gone", CAUSES["gone"] + "10 s", 10)
    unit_failed(m, "held", CAUSES["held"], 15)
    unit_failed(m, "broken", CAUSES["broken"])
    unit_failed(m, "wrong", '/etc/gridtab:4: unknown option "blok-size"')
    unit_failed(m, "small", "--block-size=3K: must be a power of two")
    for name in MOUNTS:
        not_mounted(m, name)
    check(m.run("dd if=%s bs=1 skip=100 count=7 status=none" % META) == "garbage",
          "the damaged metadata is another now")
    failed = m.run("systemctl --failed --no-legend --plain | cut -d' ' -f1").split()
    wanted = {"grid@gone.service", "grid@wrong.service", "grid@small.service",
              "grid@held.service", "grid@broken.service"}
    check(wanted <= set(failed), "failed units: %s" % failed)
    log = m.run("journalctl -b -k | grep gridtab-generator")
    check('/etc/gridtab:4: unknown option "blok-size"' in log, log)
    t.ok("each unit that failed names the cause, within its time")
    source_gone(m)
    t.ok("a source that is gone is named")

    ready = m.run("udevadm info -q property /dev/mapper/held", ok=False)[1]
    check("SYSTEMD_READY=0" in ready, "a held device: " + ready)
    check(m.run("systemctl is-active dev-mapper-held.device", ok=False)[1] !=
          "active", "the held device is ready for systemd")
    for scanner in ("pvs", "vgchange -ay", "lvs", "lsblk -f", "blkid",
                    "blkid -p /dev/mapper/held", "udisksctl dump",
                    "fdisk -l", "multipath -ll", "udevadm settle",
                    "pvscan --cache"):
        code, out = m.run("timeout 100 %s" % scanner, 130, ok=False)
        check(code != 124, "%s hangs beside a held grid:\n%s" % (scanner, out))
    t.ok("scanners beside a held grid and one without source end")

    m.run("gridctl ready held; udevadm settle; "
          "for i in $(seq 50); do systemctl is-active dev-mapper-held.device && "
          "exit; sleep 0.2; done; exit 1", 60)
    check("later" not in m.run("gridctl list").split(), "noauto is attached")
    m.run("systemctl reset-failed; systemctl start grid@held grid@later && "
          "systemctl stop grid@held", 300)
    out = m.run("systemctl is-active grid@later; gridctl list")
    check("held" not in out.split() and "later" in out.split(), out)
    t.ok("ready makes it a device; stop detaches it")

    source_back(m)
    t.ok("with the source there, what is missing is repaired")

    m.run("gridctl detach --all", 120)
    check(m.run("gridctl list").split().count("later") == 1 and
          "store" not in m.run("gridctl list").split(), m.run("gridctl list"))
    code, out = m.run("gridctl attach --all --nowait", 120, ok=False)
    check(code != 0 and all(text in out for text in (
        CAUSES["gone"], CAUSES["broken"], 'unknown option "blok-size"')), out)
    out = m.run("gridctl list").split()
    check("store" in out and "held" in out, out)
    t.ok("detach and attach of all")

    m.put_data("tab", TAB_NEEDED.encode())
    m.put_data("fstab", FSTAB_NEEDED.encode())
    m.run("cp /run/tab /etc/gridtab && cp /run/fstab /etc/fstab && sync")
    m.off()
    m.start()
    m.run("for i in $(seq 300); do systemctl is-active emergency.target && "
          "! systemctl list-jobs | grep -q grid@ && exit; "
          "sleep 1; done; systemctl list-jobs; exit 1", 320)
    unit_failed(m, "gone", CAUSES["gone"] + "20 s", 20)
    unit_failed(m, "held", CAUSES["held"], 15)
    unit_failed(m, "broken", CAUSES["broken"])
    for name in MOUNTS:
        not_mounted(m, name)
    active(m, emergency=True, grid=False, local_fs=False, multi_user=False)
    status(m, "grid.target", "Dependency failed for grid.target")
    t.ok("without nofail the boot ends in the emergency shell, within its time")
    m.off()
