/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_ERRNO_H
#define _KERNEL_LINUX_ERRNO_H

#include_next <linux/errno.h>

#endif /* _KERNEL_LINUX_ERRNO_H */
