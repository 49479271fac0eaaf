// SPDX-License-Identifier: GPL-2.0
/*
 * CRC-32C (Castagnoli), bit-reflected, as the kernel's crc32c(): the caller
 * begins with all ones and inverts the result.
 */
#include "crc32c.h"

static uint32_t table[256];

__attribute__((constructor)) static void fill(void)
{
	uint32_t i, crc;
	int bit;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78U : crc >> 1;
		table[i] = crc;
	}
}

uint32_t gm_crc32c(uint32_t crc, const void *buf, size_t bytes)
{
	const uint8_t *p = buf;

	while (bytes--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return crc;
}
