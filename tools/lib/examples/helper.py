#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A helper for one device: brings missing blocks back from a replica.

  helper.py /dev/mapper/NAME REPLICA     a file or block device with the same blocks

It shows what a loop that knows no more than "readable" (asyncio, libevent) has to
do. There are two files: what is attached is readable while there is something to
repair, and what EVENTS returns while events are unread. The minimum age keeps
what was tried a moment ago from being due again at once. Table indexes are beyond
this page. For real work there is gridrepaird(8).
"""
import asyncio
import ctypes
import errno
import fcntl
import hashlib
import os
import signal
import struct
import sys

ATTACH, BATCH, REPAIR, UNAVAILABLE, EVENTS = 0xbd02, 0xbd05, 0xbd06, 0xbd09, 0xbd15
NO_CHECKSUM, NONBLOCK, INDEX, MIN_AGE_MS, ROOM = 1, 1, 1, 1000, 64
attach, vector = struct.Struct("=IIQIIIIQ64s"), struct.Struct("=IIIIIIQQQQ")
fault, repair = struct.Struct("=Q16sIBBBBQIIQ"), struct.Struct("=Q16sIiQQIIQ")
block, event = struct.Struct("=Q16sIi"), struct.Struct("=IIQQQQIIQ")


def call(fd, request, elems, size, count):
    """A vector call on @elems, a ctypes buffer; how many were done."""
    v = bytearray(vector.pack(vector.size, 0, size, count, 0, 0, 0,
                              ctypes.addressof(elems), 0, 0))
    fcntl.ioctl(fd, request, v)
    return vector.unpack(v)[4]


class Helper:
    def __init__(self, device, replica):
        number = os.stat(device).st_rdev
        self.fd = os.open("/dev/grid_missing", os.O_RDWR | os.O_CLOEXEC)
        a = bytearray(attach.pack(attach.size, 0, 0, os.major(number), os.minor(number),
                                  MIN_AGE_MS, 0, 0, b""))
        fcntl.ioctl(self.fd, ATTACH, a)
        self.size, name = attach.unpack(a)[6], attach.unpack(a)[8].rstrip(b"\0")
        self.hash = name.decode().replace("-generic", "")
        e = bytearray(struct.pack("=IIiI", 16, NONBLOCK, 0, 0))
        fcntl.ioctl(self.fd, EVENTS, e)
        self.events = struct.unpack("=IIiI", e)[2]
        self.replica = os.open(replica, os.O_RDONLY | os.O_CLOEXEC)
        self.repaired = self.seen = self.idle = 0
        self.done = asyncio.Event()

    def put(self, address, checksum, flags, serial):
        """Fetch a block and repair it; or say that nobody has it."""
        data = os.pread(self.replica, self.size, address * self.size)
        if len(data) < self.size:
            call(self.fd, UNAVAILABLE, ctypes.create_string_buffer(
                block.pack(address, bytes(16), 0, 0), block.size), block.size, 1)
            return
        if flags & NO_CHECKSUM and self.hash:  # what we state is verified at least
            checksum = hashlib.new(self.hash, data).digest()[:16].ljust(16, b"\0")
        flags &= 0 if self.hash else NO_CHECKSUM
        buf = ctypes.create_string_buffer(data, self.size)
        elem = ctypes.create_string_buffer(
            repair.pack(address, checksum, flags, 0, ctypes.addressof(buf), 0, 0, 0,
                        serial), repair.size)
        call(self.fd, REPAIR, elem, repair.size, 1)
        result = repair.unpack(elem.raw)[3]
        if result:
            print("block %d: %s" % (address, errno.errorcode.get(-result)), flush=True)
        else:
            self.repaired += 1

    def work(self):
        """Readable: a batch returns something, or the device is gone."""
        try:
            faults = ctypes.create_string_buffer(ROOM * fault.size)
            n = call(self.fd, BATCH, faults, fault.size, ROOM)
            self.idle += not n
            for f in fault.iter_unpack(faults.raw[:n * fault.size]):
                if f[4] != INDEX:
                    self.put(f[0], f[1], f[2], f[10])
        except OSError as e:
            if e.errno == errno.ENODEV:
                self.done.set()
            elif e.errno not in (errno.EAGAIN, errno.EINTR):
                raise

    def tell(self):
        """Readable: events, or the end of them."""
        data = os.read(self.events, 1 << 16)
        if not data:
            self.done.set()
        while data:
            e = event.unpack_from(data)
            print("event %d: reason %d, block %d, count %d" % (e[2], e[1], e[4], e[5]),
                  flush=True)
            self.seen += 1
            data = data[e[0]:]


async def main():
    h = Helper(*sys.argv[1:])
    loop = asyncio.get_running_loop()
    loop.add_reader(h.fd, h.work)
    loop.add_reader(h.events, h.tell)
    loop.add_signal_handler(signal.SIGTERM, h.done.set)
    await h.done.wait()
    print("%d repaired, %d events, %d wake-ups for nothing" %
          (h.repaired, h.seen, h.idle), flush=True)

asyncio.run(main())
