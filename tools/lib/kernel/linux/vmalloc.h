/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_VMALLOC_H
#define _KERNEL_LINUX_VMALLOC_H

#include <stdlib.h>
#include <linux/types.h>

#define GFP_KERNEL 0U
#define __GFP_ZERO 0U
#define __GFP_NOWARN 0U
#define __GFP_RETRY_MAYFAIL 0U

/* Zeroed, whatever the flags. */
#define __vmalloc(size, gfp) calloc(1, (size) + 0 * (gfp))
#define vfree(p) free(p)

#endif /* _KERNEL_LINUX_VMALLOC_H */
