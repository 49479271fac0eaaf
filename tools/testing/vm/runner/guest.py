# SPDX-License-Identifier: GPL-2.0
"""A guest: one QEMU, its ports, and what is said over them."""
import ctypes
import os
import queue
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from . import CACHE, HERE

PORTS = ["command", "output", "kmsg", "stream"]
# An emulator copies byte by byte where a CPU says that it does this fast.
CPU = "max,la57=off,erms=off,fsrm=off"
# What a guest has unless its cases ask for less: two emulated CPUs cost a fifth more
# than one, in waits for each other.
CPUS = 2
BOOT_LIMIT = 300
BOOT_SLOWEST = 10       # times as long as usual
# Seconds from QEMU's start to the first answer where two guests run on two
# cores that do nothing else; and how much slower we believe a host to be.
USUAL_BOOT = {"6.1": 14, "6.12": 14, "newest": 16}
USUAL_BOOT_DEBUG = 40
SLOWEST = 6
# On the console of a guest that had one of our modules.
OURS = re.compile(r"dm_grid|grid_missing")
# Somebody wants this run to end.
stopping = threading.Event()
BOOT_MODULES = ["virtio_pci", "virtio_console", "virtio_rng", "9pnet_virtio",
                "9p", "overlay"]


class GuestError(Exception):
    """The guest died, hung or talks nonsense; the message says which."""


class Interrupted(Exception):
    pass


class Guest:
    """One QEMU with its ports."""

    latest = (0, 1)             # the last boot: when it began, how slow it was

    def __init__(self, kernel, opts, stream=None, qemu=(), cpus=None):
        self.kernel = kernel
        self.opts = opts
        self.cpus = opts.smp or cpus or CPUS
        self.stream = stream
        self.extra = list(qemu)
        self.name = kernel.name
        self.slow = 1
        self.lines = queue.Queue()
        self.output = b""
        self.records = []
        self.next_seq = None
        self.lost = 0
        self.new = threading.Condition()
        self.proc = None
        self.dir = tempfile.mkdtemp(prefix="run-", dir=run_dir())
        self.sockets = tempfile.mkdtemp(prefix="gridvm-")
        self.console = os.path.join(self.dir, "console")

    def start(self):
        share = os.path.join(self.dir, "grid")
        os.mkdir(share)
        self.kernel.populate(share)
        with open(os.path.join(share, "environment"), "w") as f:
            f.write(self.environment())
        if self.opts.shell:
            open(os.path.join(share, "shell"), "w").close()
        if self.opts.exec:
            with open(os.path.join(share, "command"), "w") as f:
                f.write(self.opts.exec + "\n")
        initramfs = make_initramfs(self.kernel, self.dir)
        listeners = {}
        for p in PORTS:
            s = socket.socket(socket.AF_UNIX)
            s.bind(os.path.join(self.sockets, p))
            s.listen(1)
            listeners[p] = s
        log = open(os.path.join(self.dir, "qemu.log"), "wb")
        self.began = time.monotonic()
        interactive = self.opts.shell
        self.proc = subprocess.Popen(
            self.qemu(initramfs, share),
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=None if interactive else log,
            stderr=None if interactive else log,
            preexec_fn=die_with_parent, start_new_session=not interactive)
        self.ports = {}
        for p, s in listeners.items():
            s.settimeout(30)
            try:
                self.ports[p] = s.accept()[0]
            except socket.timeout:
                self.kill()
                raise GuestError("QEMU doesn't start: " + self.qemu_log())
            s.close()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def environment(self):
        env = {"GRID_KERNEL": self.name}
        fd = None
        if self.opts.shell:
            fd = 0
        elif self.opts.exec and sys.stdout.isatty():
            fd = 1
        if fd is not None:
            try:
                size = os.get_terminal_size(fd)
                env["GRID_COLUMNS"] = str(size.columns or 80)
                env["GRID_LINES"] = str(size.lines or 24)
                env["GRID_TERM"] = env["TERM"] = os.environ.get("TERM", "dumb")
            except OSError:
                pass
        for pair in self.opts.env or []:
            k, _, v = pair.partition("=")
            env[k] = v
        return "".join("export %s=%s\n" % (k, shlex.quote(v))
                       for k, v in env.items())

    def qemu(self, initramfs, share):
        o = self.opts
        stock = self.kernel.stock
        x86 = self.kernel.machine == "x86_64"
        mem = o.mem or (1024 if stock else 2048)
        smp = 1 if o.icount else self.cpus
        # QEMU translates code once for each address: with fixed ones a
        # program starts in half the time.
        cmdline = ["console=" + ("ttyS0" if x86 else "ttyAMA0"),
                   "loglevel=%d" % (7 if o.verbose > 1 else 5),
                   "panic=-1", "oops=panic", "mitigations=off", "nokaslr",
                   "log_buf_len=8M", "printk.devkmsg=on", "kasan_multi_shot",
                   "norandmaps", "kunit.enable=1"]
        # On a loaded host a guest measures its TSC wrongly, and then every
        # time limit in it is wrong: it is told. Who can't be reads the HPET,
        # which takes long; without ACPI there is none.
        if x86:
            khz = None if o.icount else self.kernel.tsc_khz()
            if khz:
                cmdline.append("tsc_early_khz=" + khz)
            cmdline.append("tsc=reliable" if khz or not stock or o.icount
                           else "clocksource=hpet")
        if not stock:
            cmdline.append("no_hash_pointers")
        args = ["qemu-system-" + self.kernel.machine,
                "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot",
                "-machine", "pc" if x86 else "virt",
                "-cpu", CPU if x86 else "cortex-a72", "-m", str(mem), "-smp", str(smp),
                "-kernel", os.path.join(self.kernel.dir, "vmlinuz"),
                "-initrd", initramfs, "-append",
                " ".join(cmdline + (o.append or [])),
                "-nic", "none", "-device", "virtio-rng-pci"]
        if o.icount:
            args += ["-accel", "tcg,thread=single,tb-size=512",
                     "-icount", "shift=0,sleep=off"]
        elif o.kvm:
            args += ["-accel", "kvm"]
        else:
            args += ["-accel", "tcg,thread=multi,tb-size=512"]
        if o.shell:
            args += ["-serial", "mon:stdio"]
        else:
            args += ["-serial", "file:" + self.console]
        root = os.path.join(self.kernel.dir, "root/lib/modules")
        for tag, path in (("root", self.kernel.root), ("grid", share), ("modules", root)):
            args += ["-virtfs", "local,path=%s,mount_tag=%s,readonly=on,"
                     "security_model=none,multidevs=remap" % (path, tag)]
        args += ["-device", "virtio-serial-pci,max_ports=8"]
        for p in PORTS:
            args += ["-chardev", "socket,id=%s,path=%s,server=off"
                     % (p, os.path.join(self.sockets, p)),
                     "-device", "virtserialport,chardev=%s,name=grid.%s"
                     % (p, p)]
        for i, d in enumerate(o.disk or []):
            path, _, flags = d.partition(",")
            args += ["-drive", "file=%s,format=raw,if=none,id=disk%d,"
                     "cache=unsafe,discard=unmap,aio=threads%s"
                     % (os.path.abspath(path), i,
                        ",readonly=on" if flags == "ro" else ""),
                     "-device", "virtio-blk-pci,drive=disk%d,serial=disk%d"
                     % (i, i)]
        return args + self.extra + (o.qemu or [])

    # ---- what the guest says ----

    def read(self):
        sel = selectors.DefaultSelector()
        for p, s in self.ports.items():
            sel.register(s, selectors.EVENT_READ, p)
        rest = {p: b"" for p in PORTS}
        while sel.get_map():
            for key, _ in sel.select():
                p = key.data
                try:
                    data = key.fileobj.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    sel.unregister(key.fileobj)
                    continue
                if p == "stream":
                    self.copy_out(data)
                    continue
                if p == "output":
                    with self.new:
                        self.output += data
                        self.new.notify_all()
                    if self.opts.verbose:
                        sys.stderr.buffer.write(data)
                        sys.stderr.flush()
                    continue
                *whole, rest[p] = (rest[p] + data).split(b"\n")
                for line in whole:
                    text = line.decode("utf-8", "replace")
                    if p == "command":
                        self.lines.put(text)
                    else:
                        self.record(text)
        self.lines.put(None)

    def copy_out(self, data):
        try:
            (self.stream or sys.stdout.buffer).write(data)
            (self.stream or sys.stdout.buffer).flush()
        except BrokenPipeError:
            os.kill(os.getpid(), signal.SIGTERM)

    def record(self, text):
        """A line from /dev/kmsg: prio,seq,time,flags;text, or a continuation
        that begins with a blank (we drop those: SUBSYSTEM= and so on)."""
        m = re.match(r"(\d+),(\d+),(\d+),[^;]*;(.*)", text)
        if not m:
            return
        seq = int(m.group(2))
        with self.new:
            if self.next_seq is not None:
                if seq < self.next_seq:
                    return
                self.lost += seq - self.next_seq
            elif seq:
                self.lost += seq
            self.next_seq = seq + 1
            text = re.sub(r"\\x([0-9a-f]{2})",
                          lambda x: chr(int(x.group(1), 16)), m.group(4))
            self.records.append("[%12.6f] %s" % (int(m.group(3)) / 1e6, text))
            self.new.notify_all()

    def answer(self, limit):
        """The next line on the command port."""
        end = time.monotonic() + limit
        while True:
            if stopping.is_set():
                raise Interrupted()
            try:
                line = self.lines.get(timeout=min(
                    0.5, max(0.01, end - time.monotonic())))
            except queue.Empty:
                if self.proc.poll() is not None:
                    raise GuestError("the guest died")
                if time.monotonic() >= end:
                    raise GuestError("the guest hangs: no answer within %d s"
                                     % limit)
                continue
            if line is None:
                try:
                    self.proc.wait(10)
                except subprocess.TimeoutExpired:
                    pass
                raise GuestError("the guest died")
            return line

    def wait_ready(self):
        usual = (USUAL_BOOT.get(self.name) or
                 USUAL_BOOT_DEBUG)
        line = self.answer(min(BOOT_LIMIT, BOOT_SLOWEST * usual))
        if not line.startswith("ready "):
            raise GuestError("the guest says '%s' instead of ready" % line)
        self.boot_time = time.monotonic() - self.began
        self.slow = min(SLOWEST, max(1, self.boot_time / usual))
        Guest.latest = (self.began, self.slow)
        return line.split()

    def slowness(self):
        """How much slower than usual the host is: as far as this guest's boot
        tells, and that of the last that booted after it."""
        began, slow = Guest.latest
        return max(self.slow, slow) if began > self.began else self.slow

    def long(self, seconds):
        """What takes that long on a stock kernel, on a host with nothing else to do."""
        return seconds * self.kernel.factor * self.slowness()

    def say(self, line):
        try:
            self.ports["command"].sendall(line.encode() + b"\n")
        except OSError:
            raise GuestError("the guest died")

    def log_between(self, first, last):
        """Records from mark `first` to mark `last`; without `last` to the
        end. Waits until the last has come."""
        end = time.monotonic() + self.long(60)
        with self.new:
            while last and not any(r.endswith(last) for r in self.records):
                if not self.new.wait(max(0, end - time.monotonic())):
                    raise GuestError("the kernel's log doesn't reach us")
            start = 0
            for i, r in enumerate(self.records):
                if first and r.endswith(first):
                    start = i + 1
            stop = len(self.records)
            if last:
                for i, r in enumerate(self.records):
                    if r.endswith(last):
                        stop = i
            return self.records[start:stop]

    def take_output(self, upto, start):
        end = time.monotonic() + self.long(20)
        with self.new:
            while upto is not None and len(self.output) < upto:
                if not self.new.wait(max(0, end - time.monotonic())):
                    break
            return self.output[start:upto].decode("utf-8", "replace")

    # ---- its end ----

    def qemu_log(self):
        try:
            with open(os.path.join(self.dir, "qemu.log"), errors="replace") as f:
                return f.read()[-2000:].strip()
        except OSError:
            return ""

    def console_text(self):
        try:
            with open(self.console, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def died_without_us(self):
        """The kernel died, and never had a module of ours."""
        text = self.console_text()
        return "Kernel panic" in text and not OURS.search(text)

    def console_tail(self, n=60):
        tail = self.console_text().splitlines()[-n:]
        log = self.qemu_log()
        return "\n".join(["last lines of the console:"] + tail +
                         (["QEMU said:", log] if log else []))

    def quit(self):
        try:
            self.say("quit")
            self.proc.wait(30)
        except (GuestError, subprocess.TimeoutExpired):
            pass
        self.kill()

    def kill(self):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def close(self, keep=None):
        self.kill()
        if keep:
            os.makedirs(keep, exist_ok=True)
            stem = os.path.join(keep, "%s-%s" % (
                self.name, os.path.basename(self.dir)[4:]))
            with open(stem + ".dmesg", "w") as f:
                f.write("\n".join(self.records) + "\n")
            with open(stem + ".output", "wb") as f:
                f.write(self.output)
            if os.path.exists(self.console):
                shutil.copy(self.console, stem + ".console")
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)


def die_with_parent():
    """The kernel kills QEMU when this script is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def run_dir():
    path = os.path.join(CACHE, "run")
    os.makedirs(path, exist_ok=True)
    # What killed runs left: nobody's after a day.
    for name in os.listdir(path):
        full = os.path.join(path, name)
        try:
            if time.time() - os.path.getmtime(full) > 86400:
                shutil.rmtree(full, ignore_errors=True)
        except OSError:
            pass
    return path


def make_initramfs(kernel, where):
    """Busybox, our init, and the modules it has to load."""
    stage = os.path.join(where, "initramfs")
    for d in ("bin", "modules", "proc", "sys", "dev"):
        os.makedirs(os.path.join(stage, d))
    busybox = (shutil.which("busybox") or "/bin/busybox"
               if kernel.root == "/" else
               os.path.join(kernel.root, "usr/bin/busybox"))
    shutil.copy(busybox, os.path.join(stage, "bin/busybox"))
    for applet in ("sh", "mount", "mkdir", "insmod", "chmod", "switch_root",
                   "reboot"):
        os.symlink("busybox", os.path.join(stage, "bin", applet))
    shutil.copy(os.path.join(HERE, "init"), os.path.join(stage, "init"))
    order = []
    for m in BOOT_MODULES:
        out = subprocess.run(
            ["modprobe", "-d", os.path.join(kernel.dir, "root"), "-S",
             kernel.release, "-C", "/dev/null", "--show-depends", m],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        for line in out.splitlines():
            if line.startswith("insmod "):
                path = line.split()[1]
                if path not in order:
                    order.append(path)
    with open(os.path.join(stage, "modules/list"), "w") as f:
        for path in order:
            name = os.path.basename(path)
            if name.endswith(".xz"):
                name = name[:-3]
                with open(os.path.join(stage, "modules", name), "wb") as ko:
                    subprocess.run(["xz", "-dc", path], stdout=ko, check=True)
            else:
                shutil.copy(path, os.path.join(stage, "modules", name))
            f.write(name + "\n")
    target = os.path.join(where, "initramfs.cpio")
    with open(target, "wb") as f:
        subprocess.run("find . | cpio -o -H newc --quiet", shell=True,
                       cwd=stage, stdout=f, check=True)
    shutil.rmtree(stage)
    return target
