/* SPDX-License-Identifier: GPL-2.0 */
/* Little-endian numbers at any address. */
#ifndef GRID_LE_H
#define GRID_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t get_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t get_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

#endif /* GRID_LE_H */
