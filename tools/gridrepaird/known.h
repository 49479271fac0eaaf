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

struct known_entry {
	uint64_t address;
	struct grid_missing_checksum checksum;
};

/* Sorted by address. */
struct known {
	struct known_entry *entries;
	size_t count;
};

/* 0, or a negative errno with @error filled in. */
int known_load(struct known *k, const char *path, char *error, size_t size);
const struct grid_missing_checksum *known_find(const struct known *k,
					       uint64_t address);
bool known_equal(const struct known *a, const struct known *b);
void known_free(struct known *k);

#endif /* KNOWN_H */
