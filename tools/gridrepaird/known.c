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
	const struct known_block *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void known_free(void *thing)
{
	struct known *k = thing;

	free(k->blocks);
	free(k->path);
	free(k);
}

/*
 * Those of @v with a checksum, in its memory, which shrinks to what they take.
 * Tables are the kernel's matter.
 */
static void keep(struct known *k, struct grid_missing_block *v, size_t count)
{
	struct known_block one, last = { 0 };
	bool ascending = true;
	void *less;
	size_t i;

	for (i = 0; i < count; i++) {
		if (v[i].flags & GRID_MISSING_F_NO_CHECKSUM)
			continue;
		one.address = v[i].address;
		one.checksum = v[i].checksum;
		ascending &= !k->count || one.address > last.address;
		last = one;
		memcpy((char *)v + k->count++ * sizeof(one), &one, sizeof(one));
	}
	less = realloc(v, (k->count + 1) * sizeof(one));
	k->blocks = less ? less : (void *)v;
	/* It takes as much memory again. */
	if (!ascending)
		qsort(k->blocks, k->count, sizeof(one), compare_blocks);
}

static void *known_load(const char *path, char *error, size_t size)
{
	struct known *k = calloc(1, sizeof(*k));
	struct grid_missing_block *blocks;
	size_t count;

	snprintf(error, size, "out of memory");
	if (!k)
		return NULL;
	k->path = strdup(path);
	if (!k->path)
		goto err_free;
	if (gm_manifest_read(&k->manifest, k->path, &blocks, &count)) {
		snprintf(error, size, "%s", k->manifest.error);
		goto err_free;
	}
	/* What a cut one lacks would be repaired without its checksum (G3). */
	if (!k->manifest.ended) {
		snprintf(
			error, size,
			"%s has no end mark (\"#! end %zu\"), so it may have been cut",
			path, count);
		free(blocks);
		goto err_free;
	}
	keep(k, blocks, count);
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
	struct known_block key = { .address = address }, *hit;

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
