/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_CRC32C_H
#define _KERNEL_LINUX_CRC32C_H

#include <linux/types.h>

#include "../../crc32c.h"

static inline u32 crc32c(u32 crc, const void *buf, size_t bytes)
{
	return gm_crc32c(crc, buf, bytes);
}

#endif /* _KERNEL_LINUX_CRC32C_H */
