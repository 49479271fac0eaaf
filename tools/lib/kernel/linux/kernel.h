/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_KERNEL_H
#define _KERNEL_LINUX_KERNEL_H

#include <stdio.h>
#include <linux/types.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

#endif /* _KERNEL_LINUX_KERNEL_H */
