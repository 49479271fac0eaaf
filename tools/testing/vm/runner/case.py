# SPDX-License-Identifier: GPL-2.0
"""A case: its declarations, and which kernels it is for."""
import os
import re
import shlex
import sys

from .guest import CPUS
from .kernel import FOREIGN, STOCK

FEW = ["smoke", "suites", "grid_park", "grid_race", "repaird_ahead"]
BETWEEN = ["smoke", "grid_park", "grid_race", "grid_ack", "grid_cut"]
# What the oldest kernel has otherwise than the newest, as compat.h, dm, the block
# layer and file systems go.
OLDEST = BETWEEN + [
    "ctl_verbs", "dev_dm", "dev_fail", "dev_trace", "grid_detect", "grid_fs",
    "grid_grow", "grid_inflight", "grid_media", "grid_nowait", "grid_polled",
    "grid_scsi", "grid_suspend", "grid_wedge", "grid_write", "meta_fail",
    "meta_fua", "meta_map", "repaird_kill"]


class Case:
    """A case's script and the declarations in its header comment."""

    def __init__(self, name, directory):
        self.name = name
        self.path = os.path.join(directory, name + ".sh")
        head = {}
        try:
            with open(self.path, encoding="utf-8") as f:
                for line in f:
                    if not line.startswith("#"):
                        break
                    m = re.match(r"# (rule|kernels|timeout|boot|cpus|qemu): *(.*)",
                                 line)
                    if m:
                        head.setdefault(m.group(1), m.group(2).strip())
        except FileNotFoundError:
            sys.exit("vm: there is no case '%s' (%s)" % (name, self.path))
        for key in ("rule", "kernels", "timeout", "boot"):
            if key not in head:
                sys.exit("vm: %s lacks '# %s:'" % (self.path, key))
        kernels = head["kernels"].split()
        self.stock = "all" in kernels or "stock" in kernels
        self.kernels = kernels + (["debug", "debug-newest"] if "all" in kernels else [])
        self.timeout = int(head["timeout"])
        self.own = head["boot"] == "own"
        self.cpus = int(head.get("cpus", CPUS))
        self.qemu = shlex.split(head.get("qemu", ""))

    def runs_on(self, kernel):
        return (kernel in self.kernels or self.stock and kernel in STOCK or
                kernel in FOREIGN and self.name in FEW)


def limits(cases):
    return sum(c.timeout for c in cases)
