// SPDX-License-Identifier: GPL-2.0
/*
 * What a manifest states; see known.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "known.h"

static int compare_blocks(const void *a, const void *b)
{
	const struct grid_missing_block *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void known_free(void *thing)
{
	struct known *k = thing;

	free(k->blocks);
	free(k->path);
	free(k);
}

static void *known_load(const char *path, char *error, size_t size)
{
	struct known *k = calloc(1, sizeof(*k));
	size_t i, count, kept = 0;

	snprintf(error, size, "out of memory");
	if (!k)
		return NULL;
	k->path = strdup(path);
	if (!k->path)
		goto err_free;
	if (gm_manifest_read(&k->manifest, k->path, &k->blocks, &count)) {
		snprintf(error, size, "%s", k->manifest.error);
		goto err_free;
	}
	/* What a cut one lacks would be repaired without its checksum (G3). */
	if (!k->manifest.ended) {
		snprintf(
			error, size,
			"%s has no end mark (\"#! end %zu\"), so it may have been cut",
			path, count);
		goto err_free;
	}
	for (i = 0; i < count; i++) {
		if (k->blocks[i].flags & GRID_MISSING_F_NO_CHECKSUM)
			continue;
		k->blocks[kept] = k->blocks[i];
		/* Tables are the kernel's matter; these are compared as bytes. */
		k->blocks[kept++].flags = 0;
	}
	k->count = kept;
	qsort(k->blocks, kept, sizeof(*k->blocks), compare_blocks);
	return k;

err_free:
	known_free(k);
	return NULL;
}

bool known_fits(struct known *k, const char *device, uint32_t block_size,
		const char *hash, char *error, size_t size)
{
	if (!k->count ||
	    !gm_manifest_fits(&k->manifest, device, block_size, hash))
		return true;
	snprintf(error, size, "%s", k->manifest.error);
	return false;
}

const struct grid_missing_checksum *known_find(const struct known *k,
					       uint64_t address)
{
	struct grid_missing_block key = { .address = address }, *hit;

	if (!k->count)
		return NULL;
	hit = bsearch(&key, k->blocks, k->count, sizeof(*k->blocks),
		      compare_blocks);
	return hit ? &hit->checksum : NULL;
}

static bool known_equal(const void *x, const void *y)
{
	const struct known *a = x, *b = y;

	return a->count == b->count &&
	       a->manifest.block_size == b->manifest.block_size &&
	       !strcmp(a->manifest.checksum, b->manifest.checksum) &&
	       (!a->count ||
		!memcmp(a->blocks, b->blocks, a->count * sizeof(*a->blocks)));
}

const struct loader_kind known_kind = {
	.what = "manifest",
	.load = known_load,
	.free = known_free,
	.equal = known_equal,
};
