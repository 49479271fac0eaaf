# SPDX-License-Identifier: GPL-2.0
"""What ../run is made of, each using only what stands before it:

  verdict   what counts as a report of the kernel; results, as TAP
  kernel    a kernel from the cache, with the project built for it
  guest     a QEMU that runs it, and what is said over its ports
  case      a case's declarations, and which kernels it is for
"""
import os

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.environ.get("GRID_CACHE", "/var/cache/grid-missing")
