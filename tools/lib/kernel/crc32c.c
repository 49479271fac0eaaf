// SPDX-License-Identifier: GPL-2.0
/*
 * CRC-32C (Castagnoli), bit-reflected, as the kernel's crc32c(): the caller
 * begins with all ones and inverts the result.
 */
#include <linux/crc32c.h>

static u32 table[256];

__attribute__((constructor)) static void fill(void)
{
	u32 i, crc;
	int bit;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78U : crc >> 1;
		table[i] = crc;
	}
}

u32 crc32c(u32 crc, const void *buf, size_t bytes)
{
	const u8 *p = buf;

	while (bytes--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return crc;
}
