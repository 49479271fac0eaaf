# SPDX-License-Identifier: GPL-2.0
"""S2, S3: what is not there at boot is told, and the boot goes on; scanners end

One boot with many lines: a grid whose source is gone and whose first block is
missing, one that nobody says ready to, one whose disk is missing, one whose metadata
is damaged, two with wrong lines. Each unit that fails says why, within its time. Then
a boot whose grid has no nofail: what needs it fails, within its time too.
"""

from common import DATA, META
from run import check

TAB = """\
store {0} none block-size=64K,checksum=sha256,length=60M,park-timeout=5s,manifest=/var/lib/m,_netdev,nofail
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
"""


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
    t.ok("the boot goes on, %.0f s" % m.seconds)

    def status(unit, *texts):
        out = m.run("systemctl status --no-pager -l -n 30 %s" % unit, ok=False)[1]
        for text in texts:
            check(text in out, "%s doesn't say \"%s\":\n%s" % (unit, text, out))
        return out

    status("grid@gone", "gone: the data device /dev/disk/by-id/virtio-nothing did "
           "not appear within 10 s")
    status("grid@wrong", '/etc/gridtab:4: unknown option "blok-size"')
    status("grid@small", "--block-size=3K: must be a power of two")
    status("grid@held", "held is held, and nobody said within 15 s that it is ready")
    status("grid@broken", "/dev/disk/by-id/virtio-gridmeta", "metadata", "amaged")
    failed = m.run("systemctl --failed --no-legend --plain | cut -d' ' -f1").split()
    wanted = {"grid@gone.service", "grid@wrong.service", "grid@small.service",
              "grid@held.service", "grid@broken.service"}
    check(wanted <= set(failed), "failed units: %s" % failed)
    log = m.run("journalctl -b -k | grep gridtab-generator")
    check('/etc/gridtab:4: unknown option "blok-size"' in log, log)
    # gridctl's own limit was the first to be reached, not systemd's.
    results = m.run("for u in gone held; do systemctl show -p Result --value "
                    "grid@$u; done")
    check(results.split() == ["exit-code"] * 2, results)
    t.ok("each unit that failed names the cause, within its time")

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

    m.run("""printf '%%s\n' 'store %s none block-size=64K,start=clean,x-systemd.device-timeout=20s' \
> /etc/gridtab
printf '%%s\n' 'LABEL=gridroot / ext4 defaults 0 1' \
'/dev/mapper/store /srv ext4 x-systemd.device-timeout=30s 0 2' > /etc/fstab
sync""" % "/dev/disk/by-id/virtio-nothing")
    m.off()
    m.start()
    m.run("for i in $(seq 300); do systemctl is-active emergency.target && exit; "
          "sleep 1; done; systemctl list-jobs; exit 1", 320)
    status("grid@store", "the data device /dev/disk/by-id/virtio-nothing did "
           "not appear within 20 s")
    t.ok("without nofail the boot ends in the emergency shell, within its time")
    m.off()
