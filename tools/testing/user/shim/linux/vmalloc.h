/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_VMALLOC_H
#define _SHIM_LINUX_VMALLOC_H

#include <linux/types.h>

#define GFP_KERNEL 0U
#define GFP_KERNEL_ACCOUNT 0U
#define __GFP_ZERO 1U
#define __GFP_NOWARN 2U
#define __GFP_RETRY_MAYFAIL 4U
#define __GFP_NORETRY 8U

/* Counted, and may be told to fail: shim_alloc_fail is the one to fail, from 1. */
extern u64 shim_allocs, shim_alloc_fail, shim_bytes;

void *vmalloc_huge(unsigned long size, gfp_t gfp);
void *__vmalloc(unsigned long size, gfp_t gfp);
void *vzalloc(unsigned long size);
void vfree(const void *p);

#endif /* _SHIM_LINUX_VMALLOC_H */
