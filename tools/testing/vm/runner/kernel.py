# SPDX-License-Identifier: GPL-2.0
"""A kernel from the cache, with the project built for it."""
import os
import re
import shutil
import subprocess

from . import HERE
from .verdict import note

STOCK = ["6.1", "6.12", "newest"]
FOREIGN = {"arm64": "aarch64"}
# Kernels full of checks, in an emulator: their cases may take longer.
SLOWER_DEBUG = 4
SLOWER_FOREIGN = 2


class BuildError(Exception):
    pass


class Unavailable(BuildError):
    """The kernel comes from where nobody answers."""


def call(*args, **env):
    p = subprocess.run(args, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, **env))
    if p.returncode:
        raise (Unavailable if p.returncode == 3 else BuildError)("%s failed" % " ".join(
            os.path.relpath(a) if a.startswith("/") else a for a in args))
    return p.stdout.decode().strip()


class Kernel:
    """A kernel from the cache, with the project built for it."""

    khz = None

    def __init__(self, name, opts):
        self.name = name
        self.dir = call(os.path.join(HERE, "kernel"), name)
        with open(os.path.join(self.dir, "release")) as f:
            self.release = f.read().strip()
        self.modules = self.tree = None
        self.cases = opts.cases_from
        if opts.build:
            note("building modules for %s" % self.release)
            self.modules = call(os.path.join(HERE, "build"), name,
                                GRID_KUNIT="1" if opts.kunit else "")
            self.tree = call(os.path.join(HERE, "build"),
                             "user-" + name if name in FOREIGN else "user",
                             GRID_KUNIT="")
        # What its guests have as their root, and are called by QEMU.
        self.root, self.machine = "/", "x86_64"
        if name in FOREIGN:
            self.root = call(os.path.join(HERE, "debian"), "trixie", "guest",
                             name)
            self.machine = FOREIGN[name]
        self.stock = name in STOCK or name in FOREIGN
        self.factor = (1 if name in STOCK else
                       SLOWER_FOREIGN if name in FOREIGN else SLOWER_DEBUG)

    def tsc_khz(self):
        """How fast the host's TSC counts, which guests read."""
        if Kernel.khz is None:
            Kernel.khz = ""
            program = os.path.join(self.tree or "",
                                   "tools/testing/vm/bin/tsckhz")
            if os.path.exists(program):
                r = subprocess.run([program], stdout=subprocess.PIPE,
                                   universal_newlines=True)
                Kernel.khz = r.stdout.strip()
        return Kernel.khz

    def module_list(self):
        if not self.modules:
            return []
        with open(os.path.join(self.modules, "modules.order")) as f:
            names = [re.sub(r"\.o$", ".ko", line.strip()) for line in f]
        paths = [n if os.path.isabs(n) else os.path.join(self.modules, n)
                 for n in names]
        return [p for p in paths if os.path.exists(p)]

    def suites(self):
        return sorted(os.path.basename(m)[:-3] for m in self.module_list()
                      if m.endswith("_kunit.ko"))

    def populate(self, share):
        """A run's own tree and modules: links, as a later build replaces files
        and doesn't write into them."""
        os.mkdir(os.path.join(share, "modules"))
        for m in self.module_list():
            shutil.copy(m, os.path.join(share, "modules"))
        tree = os.path.join(share, "tree")
        if self.tree:
            subprocess.run(["cp", "-al", self.tree, tree], check=True)
        else:
            os.makedirs(os.path.join(tree, "tools/testing"))
            shutil.copytree(HERE, os.path.join(tree, "tools/testing/vm"))
        cases = os.path.join(tree, "tools/testing/vm/cases")
        if self.cases:
            shutil.rmtree(cases)
            shutil.copytree(self.cases, cases)
