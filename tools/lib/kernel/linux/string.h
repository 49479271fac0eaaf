/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_STRING_H
#define _KERNEL_LINUX_STRING_H

#include <string.h>

#endif /* _KERNEL_LINUX_STRING_H */
