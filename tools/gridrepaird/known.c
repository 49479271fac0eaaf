// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums that a manifest states; see known.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "known.h"

static int compare_entries(const void *a, const void *b)
{
	const struct known_entry *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* Which of two checksums is right, nobody knows. */
static int contradiction(const struct known *k, const char *path, char *error,
			 size_t size)
{
	size_t i;

	for (i = 1; i < k->count; i++) {
		const struct known_entry *a = &k->entries[i - 1], *b = a + 1;

		if (a->address != b->address ||
		    gm_checksum_equal(&a->checksum, &b->checksum))
			continue;
		snprintf(error, size,
			 "%s: block %" PRIu64
			 " is listed twice, with different checksums",
			 path, a->address);
		return -EINVAL;
	}
	return 0;
}

int known_load(struct known *k, const char *path, char *error, size_t size)
{
	struct grid_missing_block block;
	struct known_entry *more;
	struct gm_manifest m;
	size_t room = 0;
	int got;

	got = gm_manifest_open(&m, path);
	if (got) {
		snprintf(error, size, "%s", m.error);
		return got;
	}
	while ((got = gm_manifest_next(&m, &block)) > 0) {
		if (block.flags & GRID_MISSING_F_NO_CHECKSUM)
			continue;
		if (k->count == room) {
			room = room ? 2 * room : 4096;
			more = realloc(k->entries, room * sizeof(*more));
			if (!more) {
				snprintf(m.error, sizeof(m.error),
					 "%s: out of memory", path);
				got = -ENOMEM;
				break;
			}
			k->entries = more;
		}
		/* All of it, the padding too: these are compared as bytes. */
		memset(&k->entries[k->count], 0, sizeof(*k->entries));
		k->entries[k->count].address = block.address;
		k->entries[k->count++].checksum = block.checksum;
	}
	if (got)
		snprintf(error, size, "%s", m.error);
	gm_manifest_close(&m);
	if (got || !k->count)
		return got;
	qsort(k->entries, k->count, sizeof(*k->entries), compare_entries);
	return contradiction(k, path, error, size);
}

const struct grid_missing_checksum *known_find(const struct known *k,
					       uint64_t address)
{
	struct known_entry key = { .address = address }, *hit;

	if (!k->count)
		return NULL;
	hit = bsearch(&key, k->entries, k->count, sizeof(*k->entries),
		      compare_entries);
	return hit ? &hit->checksum : NULL;
}

bool known_equal(const struct known *a, const struct known *b)
{
	return a->count == b->count &&
	       (!a->count || !memcmp(a->entries, b->entries,
				     a->count * sizeof(*a->entries)));
}

void known_free(struct known *k)
{
	free(k->entries);
	memset(k, 0, sizeof(*k));
}
