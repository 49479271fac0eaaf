// SPDX-License-Identifier: GPL-2.0
/*
 * The tracker: which blocks of a grid are missing.  Interface, locking and
 * layout of the data are in tracker.h, what its files do in private.h;
 * rules T1 to T16 in the specification.
 *
 * Here single blocks are enqueued, and faults found, listed and counted.
 */
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include "private.h"

/*
 * Enqueue (T2).
 */

static void gm_adopt(struct gm_tracker *t, u32 slot, const struct gm_key *k,
		     const struct grid_missing_checksum *sum)
{
	struct gm_fault *f = &t->faults[slot];

	gm_copy_sum(f->sum, sum);
	f->word |= GM_W_SUM;
	if (gm_is_index(f)) {
		struct gm_table *tab = gm_table_of(t, f);

		gm_copy_sum(tab->sum, sum);
		tab->has_sum = true;
	}
	if (unlikely(t->twins))
		gm_check_pair(t, k);
	gm_recorded(t, k->address);
	if (gm_is_index(f))
		gm_recorded_table(t, gm_table_of(t, f));
}

/* @sum is enqueued on a fault that is there. */
int gm_again(struct gm_tracker *t, u32 slot, const struct gm_key *k,
	     const struct grid_missing_checksum *sum)
{
	struct gm_fault *f = &t->faults[slot];

	if (unlikely(gm_pos(f) == GM_POS_ABORTING))
		return -EBUSY;
	if (sum) {
		if (unlikely(!(f->word & GM_W_SUM)))
			gm_adopt(t, slot, k, sum);
		else if (!gm_same_sum(f->sum, sum))
			return -ESTALE;
	}
	if (unlikely(f->word & GM_W_UNAVAILABLE))
		gm_retry_slot(t, slot);
	return GM_DUPLICATE;
}

/*
 * What a sweep has not reached yet doesn't count: do some of it.  Where changes
 * are recorded there may be no room for so many; the sweep asks for it.
 */
static noinline int gm_full(struct gm_tracker *t)
{
	if (gm_sweeping(t) && !t->recording)
		gm_sweep_slice(t);
	if (t->single < t->limits.blocks_max)
		return 0;
	return gm_sweeping(t) ? -EAGAIN : -ENOSPC;
}

/* Both that call it are hot. */
static __always_inline int
gm_enqueue_key(struct gm_tracker *t, const struct gm_key *k,
	       const struct grid_missing_checksum *sum, u8 why)
{
	u32 slot = gm_get(t, k);
	u8 from = GRID_MISSING_STATE_GONE;

	if (slot != GM_NIL)
		return gm_again(t, slot, k, sum);
	if (unlikely(t->single >= t->limits.blocks_max)) {
		int r = gm_full(t);

		if (r)
			return r;
	}
	slot = gm_insert(t, k, GM_SINGLE, sum);
	if (unlikely(slot == GM_NIL))
		return -EAGAIN;
	if (unlikely(t->jump))
		from = gm_insert_twin(t, k, slot);
	gm_note(t, k->address, from, GRID_MISSING_STATE_WAITING, why);
	gm_recorded(t, k->address);
	return GM_INSERTED;
}

/**
 * __gm_enqueue_block() - track a missing block (T2)
 * @t: tracker
 * @address: the block
 * @sum: its checksum, or NULL when nobody knows it
 * @why: GRID_MISSING_WHY_ENQUEUED or _DETECTED
 *
 * Context: lock held, any context.
 * Return: GM_INSERTED; GM_DUPLICATE when it is there, also when the tracker is
 * full; -ENOSPC; -ESTALE when it is there with another checksum; -EBUSY when
 * it is aborting; -EAGAIN when it is full of what a checkpoint or cancel is
 * just about to drop, or of aborting writes of former tables.
 */
int __gm_enqueue_block(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u8 why)
{
	struct gm_key k;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	return gm_enqueue_key(t, &k, sum, why);
}

int gm_enqueue_block(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum, u8 why)
{
	unsigned long flags;
	struct gm_key k;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_enqueue_key(t, &k, sum, why);
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_enqueue_vector() - enqueue blocks and tables
 * @t: tracker
 * @v: what; flags GRID_MISSING_F_NO_CHECKSUM and GRID_MISSING_F_TABLE
 * @n: how many
 *
 * In order, each with its own result: what gm_enqueue_block() or
 * gm_enqueue_table() return, or -EINVAL for an unknown flag.
 *
 * Context: any.
 */
void gm_enqueue_vector(struct gm_tracker *t, struct grid_missing_block *v,
		       u32 n)
{
	struct gm_key k[GM_AHEAD];
	unsigned long flags;
	u32 i, j, some;

	while (n) {
		GM_LOCK(t, flags);
		for (j = 0; j < GM_VECTOR && n; j += some) {
			some = min_t(u32, n, GM_AHEAD);
			gm_fetch_vector(t, v, some, k, false);
			for (i = 0; i < some; i++, v++) {
				const struct grid_missing_checksum *sum =
					gm_block_sum(v);

				if (v->flags & ~(GRID_MISSING_F_NO_CHECKSUM |
						 GRID_MISSING_F_TABLE))
					v->result = -EINVAL;
				else if (v->flags & GRID_MISSING_F_TABLE)
					v->result = gm_enqueue_table_key(
						t, &k[i], sum);
				else
					v->result = gm_enqueue_key(
						t, &k[i], sum,
						GRID_MISSING_WHY_ENQUEUED);
			}
			n -= some;
		}
		GM_UNLOCK(t, flags);
	}
}

/*
 * Looking.
 */

/**
 * __gm_find() - the fault at an address
 * @t: tracker
 * @address: the block
 * @info: filled in when there is one; may be NULL
 *
 * What a sync jump has set aside is found too, with GRID_MISSING_F_ASIDE: its
 * block is missing all the same.
 *
 * Context: lock held, any context.
 * Return: its state, GRID_MISSING_STATE_GONE when there is none.
 */
u8 __gm_find(struct gm_tracker *t, u64 address, struct grid_missing_fault *info)
{
	struct gm_key k;
	u32 slot;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	slot = gm_get_any(t, &k);
	if (slot == GM_NIL)
		return GRID_MISSING_STATE_GONE;
	if (info)
		gm_fill(t, slot, info);
	return gm_state(&t->faults[slot]);
}

/**
 * __gm_peek() - the fault at an address, for who has no room for changes (M1)
 * @t: tracker
 * @address: the block
 * @info: filled in when there is one; may be NULL
 * @freed: out: there is one, but a checkpoint is about to take it
 *
 * Where changes are recorded, what a sweep is about to take is passed over; else
 * as __gm_find().
 *
 * Context: lock held, any context.
 * Return: as __gm_find().
 */
u8 __gm_peek(struct gm_tracker *t, u64 address, struct grid_missing_fault *info,
	     bool *freed)
{
	struct gm_key k;
	u32 slot;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	slot = gm_see(t, &k);
	*freed = slot == GM_NIL && t->sweep.kind == GM_SWEEP_CHECKPOINT &&
		 gm_lookup(t, &k) != GM_NIL;
	if (slot == GM_NIL)
		return GRID_MISSING_STATE_GONE;
	if (info)
		gm_fill(t, slot, info);
	return gm_state(&t->faults[slot]);
}

/**
 * gm_list_faults() - list the faults, some at a time
 * @t: tracker
 * @cursor: 0 to begin; U64_MAX at the end
 * @max: room in @out
 * @out: filled in
 *
 * Context: any.
 * Return: how many; may be 0 before the end.
 */
u32 gm_list_faults(struct gm_tracker *t, u64 *cursor, u32 max,
		   struct grid_missing_fault *out)
{
	int budget = 4 * GM_SLICE;
	unsigned long flags;
	u32 n = 0, slot;

	GM_LOCK(t, flags);
	slot = min_t(u64, *cursor, t->used);
	while (n < max && budget-- > 0) {
		slot = gm_slot_skip(t, slot, t->used, &budget);
		if (slot >= t->used)
			break;
		if (gm_shows(t, slot))
			gm_fill(t, slot, &out[n++]);
		slot++;
	}
	*cursor = slot >= t->used ? U64_MAX : slot;
	GM_UNLOCK(t, flags);
	return n;
}

/* Cursors of gm_list_range(): the next slot, or how far from the first. */
#define GM_RANGE_SLOTS 0x8000000000000000ULL

/* By address: as many look-ups as there are addresses. */
static u32 gm_range_lookup(struct gm_tracker *t, u64 first, u64 last,
			   u64 *cursor, u32 max, struct grid_missing_fault *out)
{
	u64 at = first + *cursor;
	int budget = GM_SLICE;
	struct gm_key k;
	u32 n = 0, slot;

	for (; n < max && budget-- > 0; at++) {
		gm_key_init(t, at, &k);
		slot = gm_see(t, &k);
		if (slot != GM_NIL)
			gm_fill(t, slot, &out[n++]);
		if (at == last) {
			*cursor = U64_MAX;
			return n;
		}
	}
	*cursor = at - first;
	return n;
}

/* Is the fault at @slot the one that calls see at its address? */
static bool gm_is_seen(struct gm_tracker *t, u32 slot)
{
	struct gm_key k;

	if (likely(!t->twins))
		return true;
	gm_key_init(t, t->faults[slot].address, &k);
	return gm_see(t, &k) == slot;
}

/* By slot: all faults are looked at. */
static u32 gm_range_scan(struct gm_tracker *t, u64 first, u64 last, u64 *cursor,
			 u32 max, struct grid_missing_fault *out)
{
	u32 n = 0, slot = min_t(u64, *cursor & ~GM_RANGE_SLOTS, t->used);
	int budget = 4 * GM_SLICE;
	const struct gm_fault *f;

	while (n < max && budget-- > 0) {
		slot = gm_slot_skip(t, slot, t->used, &budget);
		if (slot >= t->used)
			break;
		f = &t->faults[slot];
		if (gm_shows(t, slot) && f->address >= first &&
		    f->address <= last && gm_is_seen(t, slot))
			gm_fill(t, slot, &out[n++]);
		slot++;
	}
	*cursor = slot >= t->used ? U64_MAX : GM_RANGE_SLOTS | slot;
	return n;
}

/**
 * gm_list_range() - list the faults of some addresses, some at a time
 * @t: tracker
 * @first: the first address
 * @last: the last one
 * @cursor: 0 to begin; U64_MAX at the end
 * @max: room in @out
 * @out: filled in, in no order
 *
 * Of two that a sync jump has left at one address, the one that calls see.
 * Costs the number of addresses or that of faults, whichever is smaller.
 *
 * Context: any.
 * Return: how many; may be 0 before the end.
 */
u32 gm_list_range(struct gm_tracker *t, u64 first, u64 last, u64 *cursor,
		  u32 max, struct grid_missing_fault *out)
{
	unsigned long flags;
	u32 n = 0;

	GM_LOCK(t, flags);
	if (!*cursor && last - first >= t->used)
		*cursor = GM_RANGE_SLOTS;
	if (*cursor == U64_MAX || last < first) {
		*cursor = U64_MAX;
	} else if (*cursor & GM_RANGE_SLOTS) {
		n = gm_range_scan(t, first, last, cursor, max, out);
	} else if (*cursor <= last - first && last - first < t->used) {
		n = gm_range_lookup(t, first, last, cursor, max, out);
	} else {
		/* We never gave it. */
		*cursor = U64_MAX;
	}
	GM_UNLOCK(t, flags);
	return n;
}

/**
 * gm_get_counts() - the counters
 * @t: tracker
 * @c: filled in
 *
 * During a sweep what that has not reached yet still counts.
 *
 * Context: any.
 */
void gm_get_counts(struct gm_tracker *t, struct gm_counts *c)
{
	unsigned long flags;

	GM_LOCK(t, flags);
	c->waiting = t->waiting;
	c->writing = t->writing;
	c->aborting = t->aborting;
	c->blocks_single = t->single;
	c->blocks_table = t->members_count;
	c->tables = t->tables_count;
	c->tables_free = t->tables_count - t->tables_active;
	c->readers = t->readers;
	c->unavailable = t->unavailable;
	c->unverified = t->unverified;
	c->checkpoint = t->checkpoint;
	c->sync_jump = t->jump;
	GM_UNLOCK(t, flags);
}
