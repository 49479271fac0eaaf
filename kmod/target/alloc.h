/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory in an amount that a table line, or what is on a disk, has named.
 */
#ifndef _DM_GRID_ALLOC_H
#define _DM_GRID_ALLOC_H

#include <linux/vmalloc.h>

/*
 * Zeroed; for vfree().  Too much is -ENOMEM: it is not worth a process that the OOM
 * killer takes (D9).
 */
static inline void *grid_alloc_named(unsigned long bytes)
{
	return __vmalloc(bytes, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN |
					__GFP_RETRY_MAYFAIL);
}

#endif /* _DM_GRID_ALLOC_H */
