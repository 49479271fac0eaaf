/* SPDX-License-Identifier: GPL-2.0 */
/* CRC-32C: of blocks where the kernel offers none, and of the metadata. */
#ifndef GRID_CRC32C_H
#define GRID_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t gm_crc32c(uint32_t crc, const void *buf, size_t bytes);

#endif /* GRID_CRC32C_H */
