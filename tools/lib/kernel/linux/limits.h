/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_LIMITS_H
#define _KERNEL_LINUX_LIMITS_H

#include <limits.h>

#define U32_MAX ((u32)~0U)
#define U64_MAX ((u64)~0ULL)

#endif /* _KERNEL_LINUX_LIMITS_H */
