# SPDX-License-Identifier: GPL-2.0
"""S2: LVM volumes on a grid are found there, and never on the disk below

lvm.conf has what gridtab(5) says. Without it, and without the grid, vgchange would
take the disk: which is looked at too, or the test could not fail. The initramfs, in
which LVM runs before any grid is there, has no lvm.conf that would help, but gridtab
and the udev rule.
"""

from common import DATA, last_minute
from run import check

TAB = "store %s none block-size=64K,start=clean,nofail\n" % DATA
LVM_CONF = """\
devices {
    global_filter = [ "a|^/dev/mapper/|", "a|^/dev/dm-|", "r|.*|" ]
}
"""
OPEN = "--config 'devices { global_filter = [ \"a|.*|\" ] }'"


def on_grid(m, text):
    m.run("for i in $(seq 100); do [ -e /dev/vg/lv ] && exit; sleep 0.3; done; "
          "lvs; journalctl -b | tail -n 40; exit 1", 100)
    out = m.run("dmsetup deps -o devname vg-lv")
    check("(store)" in out, "%s: the volume lies on %s" % (text, out))


def run(t):
    m = t.machine(files={
        "/etc/gridtab": TAB,
        "/etc/fstab": "LABEL=gridroot / ext4 defaults,noatime 0 1\n",
        "/etc/lvm/lvm.conf": LVM_CONF})
    m.in_initramfs("/etc/gridtab", TAB)
    m.start()
    check(m.booted() == "running", m.run("systemctl --failed", ok=False)[1])
    m.run("wipefs -qa /dev/mapper/store && pvcreate -qy /dev/mapper/store && "
          "vgcreate -qy vg /dev/mapper/store && lvcreate -qy -n lv -l 50%FREE vg && "
          "mkfs.ext4 -q /dev/vg/lv && udevadm settle", 200)
    on_grid(m, "made")
    m.reboot()
    check(m.booted() == "running", m.run("systemctl --failed", ok=False)[1])
    last_minute(m, None)
    on_grid(m, "boot")
    t.ok("event activation takes the grid")

    for options in ("", OPEN):
        out = m.run("timeout 100 pvs --noheadings -o pv_name %s 2> /dev/null" % options,
                    120)
        check(out.split() == ["/dev/mapper/store"], "pvs %s: %s" % (options, out))
    m.run("vgchange -qan vg; timeout 100 vgchange -ay", 120)
    on_grid(m, "vgchange -ay")
    # It is there twice, then, and LVM takes neither.
    code, out = m.run("vgchange -qan vg; timeout 100 vgchange -ay " + OPEN, 120, ok=False)
    check(code == 5 and "duplicate" in out, "vgchange without the filter: " + out)
    check("vg-lv" not in m.run("dmsetup ls"), "a volume is active: " + out)
    t.ok("pvs and vgchange take the grid, and never the disk, with the filter and without")

    sees = "LVM also sees the physical volume on the disk below it"
    out = m.run("gridctl doctor", ok=False)[1]
    check("signatures" in out and sees not in out, "with the filter: " + out)
    m.run("mv /etc/lvm/lvm.conf /run")
    out = m.run("gridctl doctor", ok=False)[1]
    check("store: %s" % sees in out, "without the filter: " + out)
    m.run("systemctl stop grid@store && udevadm settle", 120)
    out = m.run("gridctl doctor", ok=False)[1]
    check("store: %s" % sees in out, "without the grid: " + out)
    m.run("mv /run/lvm.conf /etc/lvm")
    t.ok("doctor says that LVM sees the disk when no filter keeps it away")

    m.run("timeout 100 vgchange -ay", 120)
    out = m.run("ls /dev/vg; dmsetup ls", ok=False)[1]
    check("vg-lv" not in out, "without the grid: " + out)
    m.run("timeout 100 vgchange -ay " + OPEN, 120)
    out = m.run("dmsetup ls", ok=False)[1]
    check("vg-lv" in out, "the filter isn't what did it: " + out)
    m.run("vgchange -an " + OPEN)
    t.ok("without the grid the filter keeps LVM away from the disk")
    m.off()
