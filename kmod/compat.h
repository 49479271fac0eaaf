/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that we support (from 6.1 on): the only
 * place where a version is asked for, and only where the headers have nothing
 * else to ask for.  It grows to a page at most.
 */
#ifndef _GM_COMPAT_H
#define _GM_COMPAT_H

#include <linux/blkdev.h>
#include <linux/version.h>
#include <linux/workqueue.h>

/*
 * 6.4 gave hex2bin() a header of its own, 7.x took it out of kernel.h.  sparse
 * has no __has_include.
 */
#include <linux/kernel.h>
#ifdef __CHECKER__
#if KERNEL_VERSION(6, 4, 0) <= LINUX_VERSION_CODE
#include <linux/hex.h>
#endif
#elif __has_include("linux/hex.h")
#include <linux/hex.h>
#endif

/*
 * 6.17 wants every queue to say whether its work stays on the CPU that queued
 * it; before, that was what a queue without WQ_UNBOUND did.  An enumerator, so
 * no feature test sees it.
 */
#if KERNEL_VERSION(6, 17, 0) > LINUX_VERSION_CODE
#define WQ_PERCPU 0
#endif

/* 6.5 gave the mode that a device is opened with a type of its own. */
#ifdef BLK_OPEN_WRITE
#define GRID_OPEN_WRITE BLK_OPEN_WRITE
#else
#define GRID_OPEN_WRITE FMODE_WRITE
#endif

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

/* 6.9 has a write hint in the bio again. */
static inline void grid_copy_write_hint(struct bio *to, const struct bio *from)
{
#if KERNEL_VERSION(6, 9, 0) <= LINUX_VERSION_CODE
	to->bi_write_hint = from->bi_write_hint;
#endif
}

#endif /* _GM_COMPAT_H */
