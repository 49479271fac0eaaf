# SPDX-License-Identifier: GPL-2.0
"""What is good and what is not: reports in a kernel's log, and results."""
import re
import sys
import threading

# What must not be in the kernel's log (SPEC 7). Injected I/O errors and the
# taint line match none of these.
REPORT = re.compile(
    r"\bWARNING: |\bBUG\b|KASAN|KCSAN|KFENCE:|UBSAN|cut here|"
    r"blocked for more than|soft lockup|hard LOCKUP|workqueue lockup|"
    r"detected stall|self-detected stall|possible recursive locking|"
    r"possible circular locking|possible irq lock|inconsistent lock state|"
    r"bad unlock balance|INFO: trying to register non-static|held lock freed|"
    r"suspicious RCU usage|DEBUG_LOCKS_WARN_ON|DEADLOCK|\bOops\b|"
    r"general protection fault|Kernel panic|unable to handle|ODEBUG|"
    r"new suspected memory leaks|unreferenced object|list_add corruption|"
    r"list_del corruption|refcount_t:|scheduling while atomic|"
    r"Objects remaining in|Freed in|invalid opcode|double fault|"
    r"stack-protector|usercopy|nobody cared")
# Before the first case only what is certainly a report: boot messages talk of
# hardware bugs.
BOOT_REPORT = re.compile(r"cut here|KASAN:|UBSAN:|Oops:|Kernel panic|"
                         r"possible circular locking|INFO: task ")
# A kernel without KASAN and so on announces nothing of the kind; these do.
HARMLESS = re.compile(r"kmemleak: (Kernel memory leak detector|Automatic|"
                      r"scan|Memory pool)|grid-vm: |Modules linked in")
lock = threading.Lock()


def note(text):
    with lock:
        sys.stderr.write("vm: %s\n" % text)
        sys.stderr.flush()


class Results:
    """Numbers, prints and counts; shared by all machines."""

    def __init__(self):
        self.number = 0
        self.passed = self.failed = self.skipped = 0
        print("TAP version 13", flush=True)

    def add(self, ok, name, text="", skip=None, seconds=None):
        with lock:
            self.number += 1
            line = "%sok %d - %s" % ("" if ok else "not ", self.number, name)
            if skip is not None:
                self.skipped += 1
                line += " # SKIP " + skip
            elif ok:
                self.passed += 1
            else:
                self.failed += 1
            if seconds is not None and skip is None:
                line += " # time=%.1fs" % seconds
            print(line)
            for t in text.rstrip("\n").split("\n") if text else []:
                print("  # " + t)
            sys.stdout.flush()


def reports(records, pattern=REPORT):
    """The kernel's reports in a piece of log, with what follows them."""
    found = []
    until = -1
    for i, r in enumerate(records):
        if pattern.search(r) and not HARMLESS.search(r):
            until = i + 60
        if i <= until:
            found.append(r)
    return found


def cut(text, limit=200):
    lines = text.splitlines()
    if len(lines) > limit:
        half = limit // 2
        lines = lines[:half] + ["... %d lines left out (--keep-log DIR keeps "
                                "all)" % (len(lines) - limit)] + lines[-half:]
    return "\n".join(lines)


def count_ktap(text, prefix, results):
    """KUnit's KTAP: every leaf is a result. A line that sums up the deeper
    lines before it is none."""
    deeper = {}
    subtest = {}
    diag = []
    seen = 0
    for line in text.splitlines():
        m = re.match(r"( *)(not )?ok (\d+)(?: -)? ?([^#]*)(#.*)?$", line)
        if not m:
            t = re.match(r"( *)# Subtest: (.*)", line)
            if t:
                subtest[len(t.group(1))] = t.group(2)
            elif line.strip() and not re.match(
                    r" *(KTAP version|\d+\.\.\d+)", line):
                diag.append(line)
            continue
        indent = len(m.group(1))
        leaf = not any(v for k, v in deeper.items() if k > indent)
        for k in [k for k in deeper if k > indent]:
            del deeper[k]
        deeper[indent] = True
        if not leaf:
            continue
        seen += 1
        skip = re.match(r"# SKIP ?(.*)", m.group(5) or "")
        # A parameter's name says little without its test's.
        name = m.group(4).strip()
        if indent >= 8 and indent in subtest:
            name = "%s %s" % (subtest[indent], name)
        results.add(not m.group(2), "%s %s" % (prefix, name),
                    "\n".join(diag) if m.group(2) else "",
                    skip=skip.group(1) if skip else None)
        diag = []
    return seen
