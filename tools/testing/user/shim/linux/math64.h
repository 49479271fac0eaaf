/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_MATH64_H
#define _SHIM_LINUX_MATH64_H

#include <linux/types.h>

static inline u64 div_u64(u64 n, u32 by)
{
	return n / by;
}

#define DIV_ROUND_UP(n, by) (((n) + (by)-1) / (by))

#endif /* _SHIM_LINUX_MATH64_H */
