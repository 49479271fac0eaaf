# SPDX-License-Identifier: GPL-2.0
"""S5: a kernel that wants signed modules, and a key that isn't enrolled

The kernel is told module.sig_enforce=1, as one under Secure Boot is. dkms has
signed the modules with the machine's own key, which no firmware knows here. So the
grid isn't there, and nobody may take the disk below it instead (S2).
"""

from run import UUID, check

# A certificate into a keyring, so that /proc/keys lists it: add_key(2).
LIST = """perl -e '
local $/; open(F, $ARGV[0]) or die; my ($t, $d, $c) = ("asymmetric", "", <F>);
syscall(248, $t, $d, $c, length($c), -4) > 0 or die "add_key: $!"' %s"""


def run(t):
    m = t.machine(append="nompath module.sig_enforce=1", files={
        "/etc/gridtab": "store /dev/disk/by-id/virtio-gridlower none "
                        "block-size=64K,start=clean,nofail\n",
        "/etc/blkid.conf": "EVALUATE=udev\n"})
    m.start()
    check(m.booted() == "degraded", "a unit must have failed")
    out = m.run("systemctl status -l -n 30 grid@store", ok=False)[1]
    check("the module dm-grid is not there" in out and "Secure Boot" in out, out)
    log = m.run("dmesg")
    check("Loading of module with unavailable key is rejected" in log or
          "module verification failed" in log or "PKCS#7" in log,
          "the kernel says nothing of the key:\n" + log[-3000:])
    t.ok("the unit fails and says where to look; the kernel names the key")
    out = m.run("gridctl doctor", ok=False)[1]
    signer = m.run("modinfo -F signer dm-grid").strip()
    check(signer, "dkms has signed nothing")
    check('signed modules only (module.sig_enforce), and has no key of "%s"' % signer in out
          and "mokutil --import /var/lib/dkms/mok.pub" in out, out + m.run("cat /proc/keys"))
    known = m.run("modinfo -F signer ext4").strip()
    check("asymmetri %s: " % known in m.run("cat /proc/keys"),
          "the kernel doesn't list the key it has: " + m.run("cat /proc/keys"))
    check("EVALUATE" not in out, out)
    t.ok("doctor names the key that isn't there")
    # Each machine's key has that name.
    m.run("openssl req -new -x509 -newkey rsa:2048 -nodes -subj '/CN=%s' -keyout /run/key "
          "-outform DER -out /run/other 2>&1" % signer)
    m.run(LIST % "/run/other")
    out = m.run("gridctl doctor", ok=False)[1]
    check('has no key of "%s" but another one' % signer in out,
          out + m.run("cat /proc/keys"))
    m.run(LIST % "/var/lib/dkms/mok.pub")
    out = m.run("gridctl doctor", ok=False)[1]
    check('has the key of "%s" that signed dm-grid' % signer in out,
          out + m.run("cat /proc/keys"))
    t.ok("doctor tells it from another one of that name")
    m.run("! mount -o ro UUID=%s /mnt && ! mount -o ro LABEL=store /mnt" % UUID)
    m.run("rm /etc/blkid.conf && mount -o ro UUID=%s /mnt && umount /mnt" % UUID)
    out = m.run("gridctl doctor", ok=False)[1]
    check("EVALUATE=udev" in out, out)
    t.ok("with blkid.conf as gridtab(5) has it, mount UUID= doesn't take the disk")
    t.ok("dkms signs: " + signer)
    m.off()
