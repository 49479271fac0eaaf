// SPDX-License-Identifier: GPL-2.0
/* The kernel functions that the tracker calls, for userspace. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

u64 shim_seed = 1;
u64 shim_allocs, shim_alloc_fail, shim_bytes;
void (*shim_resched)(void);

/*
 * Small ones by malloc, so that sanitizers see their bounds; large ones on
 * large pages, as vmalloc_huge() does.
 */
#define SHIM_HUGE (2UL << 20)

void *vmalloc_huge(unsigned long size, gfp_t gfp)
{
	void *p;

	if (++shim_allocs == shim_alloc_fail)
		return NULL;
	shim_bytes += size;
	if (size < SHIM_HUGE) {
		p = aligned_alloc(64, (size + 63) & ~63UL);
		/* What was not asked to be zero is anything. */
		if (p)
			memset(p, gfp & __GFP_ZERO ? 0 : 0xa5, size);
		return p;
	}
	p = aligned_alloc(SHIM_HUGE, (size + SHIM_HUGE - 1) & ~(SHIM_HUGE - 1));
	if (!p)
		return NULL;
	madvise(p, size, MADV_HUGEPAGE);
	memset(p, gfp & __GFP_ZERO ? 0 : 0xa5, size);
	return p;
}

/* What vmalloc_huge() has not got for want of large pages; here it tells the truth. */
void *__vmalloc(unsigned long size, gfp_t gfp)
{
	return NULL;
}

void *vzalloc(unsigned long size)
{
	return calloc(1, size);
}

void vfree(const void *p)
{
	free((void *)p);
}
