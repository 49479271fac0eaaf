/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checksums that a manifest states, for blocks whose fault has none.
 */
#ifndef KNOWN_H
#define KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gridmissing.h"
#include "loader.h"

struct known_block {
	uint64_t address;
	struct grid_missing_checksum checksum;
};

/* Those with a checksum, sorted by address. */
struct known {
	struct gm_manifest manifest; /* what it says of itself */
	char *path;
	struct known_block *blocks;
	size_t count;
};

/* Things of this kind are struct known. */
extern const struct loader_kind known_kind;
/* Is it of such a device?  Else @error says why not. */
bool known_fits(struct known *k, const char *device, uint32_t block_size,
		const char *hash, char *error, size_t size);
const struct grid_missing_checksum *known_find(const struct known *k,
					       uint64_t address);

#endif /* KNOWN_H */
