// SPDX-License-Identifier: GPL-2.0
/*
 * Repair: the only way by which data comes back (U2, D2, D4).
 *
 * verify (no byte that fails its checksum goes further), commence (later
 * writes park), drain (earlier writes have ended, or know that they came
 * late), write, complete (readers wake), flush once (F1; ends.c tells what if
 * that fails).  The vector is in kernel memory: what was verified is what is
 * written.
 *
 * Every end of a write lets its fault go on: gone, waiting again, or gone
 * because it was aborting.  Nothing here depends on userspace.
 */
#include "grid.h"

/**
 * grid_hash_init - find the hash of checksum:NAME
 * @out: out: the hash, NULL for none
 * @name: of an unkeyed hash, or "none"
 * @error: out: a sentence
 *
 * Return: 0, -EINVAL, or why the hash can't be had.
 */
int grid_hash_init(struct crypto_shash **out, const char *name, char **error)
{
	struct crypto_shash *hash;

	*out = NULL;
	if (!strcmp(name, "none"))
		return 0;
	hash = crypto_alloc_shash(name, 0, 0);
	if (IS_ERR(hash)) {
		*error = "checksum: the kernel has no such hash";
		return PTR_ERR(hash);
	}
	if (crypto_shash_get_flags(hash) & CRYPTO_TFM_NEED_KEY) {
		*error = "checksum: this hash needs a key";
		crypto_free_shash(hash);
		return -EINVAL;
	}
	*out = hash;
	return 0;
}

/* 0; -EBADMSG; -EINVAL: nothing to compare with. */
static int grid_verify(struct grid *g, const struct grid_missing_item *item)
{
	SHASH_DESC_ON_STACK(desc, g->hash);
	u8 digest[HASH_MAX_DIGESTSIZE];
	struct grid_missing_checksum sum = {};
	int r;

	if (!g->hash)
		return 0;
	if (!item->has_sum)
		return -EINVAL;
	desc->tfm = g->hash;
	r = crypto_shash_digest(desc, item->data, g->geo.block_size, digest);
	shash_desc_zero(desc);
	if (r)
		return r;
	memcpy(sum.bytes, digest,
	       min_t(size_t, sizeof(sum.bytes),
		     crypto_shash_digestsize(g->hash)));
	return memcmp(&sum, &item->sum, sizeof(sum)) ? -EBADMSG : 0;
}

/* The write of @item has ended, as its result says. */
static void grid_repair_end(struct grid *g, struct grid_missing_item *item)
{
	struct grid_missing_record was;
	unsigned long flags;
	int r;

	if (item->result) {
		r = grid_missing_failed(g->gm, item, false);
		if (r == -ECANCELED)
			item->result = r;
		return;
	}
	/* Its block or its table, and their values. */
	grid_meta_lock(g, item->values_count + 2, &flags);
	__grid_end_begin(g, item->address);
	__grid_missing_record(g->gm, item->address, &was);
	item->result = __grid_meta_complete(g, item, &was);
	item->ended = !item->result;
	item->had_sum = was.has_sum;
	grid_unlock(g, flags);
	/* A list that can't be taken: the index stays missing. */
	if (item->result && item->result != -ECANCELED)
		grid_missing_failed(g->gm, item, true);
}

/*
 * Write, complete, flush: whoever waits for a block waits for its write alone.
 * With metadata the commit flushes, and has the records (M2).
 */
static void grid_repair_write(struct grid_table *t,
			      struct grid_missing_item *items, u32 n)
{
	struct grid_repair rep = { .items = items, .n = n };
	struct grid *g = t->grid;
	bool any = false;
	u32 i;

	grid_repair_begin(g, &rep);
	grid_write_items(t, items, n);
	grid_repair_written(g, &rep);
	for (i = 0; i < n; i++)
		if (items[i].commenced) {
			grid_repair_end(g, &items[i]);
			any |= items[i].ended;
			cond_resched();
		}
	if (any && !g->meta)
		grid_flush_own(t);
	grid_repair_finish(g, &rep);
}

/**
 * grid_repair - the operation behind GRID_MISSING_REPAIR
 * @priv: the grid
 * @items: blocks in kernel memory; those whose result is set are left alone
 * @n: how many
 *
 * Context: process, under the bind lock: no suspend ends meanwhile, so the
 * live table stays.  Bounded by the lower device.
 * Return: 0; each item has its own result.
 */
int grid_repair(void *priv, struct grid_missing_item *items, u32 n)
{
	struct grid *g = priv;
	struct grid_table *t = READ_ONCE(g->live);
	bool any = false;
	u32 i;

	if (!t)
		return -EAGAIN;
	for (i = 0; i < n; i++) {
		struct grid_missing_item *item = &items[i];

		item->commenced = false;
		item->ended = false;
		if (item->result)
			continue;
		if (item->address >= g->geo.blocks) {
			item->result = -ERANGE;
			continue;
		}
		item->result = grid_verify(g, item);
		if (item->result == -EBADMSG)
			grid_missing_verify_failed(g->gm, item->address);
		cond_resched();
	}
	/* Only now: a helper's CPU is its own affair, what commenced is ours. */
	for (i = 0; i < n; i++) {
		if (items[i].result)
			continue;
		items[i].result = grid_missing_commence(g->gm, &items[i]);
		items[i].commenced = !items[i].result;
		any |= items[i].commenced;
	}
	if (!any)
		return 0;
	grid_drain(g, items, n);
	grid_repair_write(t, items, n);
	return 0;
}
