/* SPDX-License-Identifier: GPL-2.0 */
/* Reading a disk that is written another way.  Not exported. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Have a disk read itself: what a file system or a grid on it writes goes by the
 * page cache of its device node, which keeps what anybody has read there before.
 * True: that can't be, as blocks of @block_size from @offset on begin amid a sector,
 * so that what is cached of each has to be dropped first.  False as well for a file.
 */
bool gm_past_cache(int fd, uint64_t offset, uint64_t block_size);

#endif
