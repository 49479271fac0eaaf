/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that we support (6.1 and 6.12): the only
 * place where a version is asked for.  It grows to a page at most.
 */
#ifndef _GM_COMPAT_H
#define _GM_COMPAT_H

#include <linux/blkdev.h>
#include <linux/version.h>

/* 6.9 split the limit of discards into the device's and the administrator's. */
static inline void grid_set_max_discard(struct queue_limits *limits,
					unsigned int sectors)
{
	limits->max_discard_sectors = sectors;
	limits->max_hw_discard_sectors = sectors;
#if KERNEL_VERSION(6, 9, 0) <= LINUX_VERSION_CODE
	limits->max_user_discard_sectors = sectors;
#endif
}

#endif /* _GM_COMPAT_H */
