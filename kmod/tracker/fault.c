// SPDX-License-Identifier: GPL-2.0
/*
 * A fault: how it is found by its address, comes, changes and goes.
 *
 * It is found through a hash table of one cache line a bucket, so that a miss
 * costs one line and a hit two.  Its slot comes from a list of free ones, and
 * never changes while it lives.  A waiting fault is in exactly one queue (or
 * held, then in none), one that is written or aborting in none.
 *
 * Lock: the tracker's; see tracker.h.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/prefetch.h>
#include "private.h"

/* The part of gm_note() that is not inline. */
void gm_tell(struct gm_tracker *t, u64 address, u8 from, u8 to, u8 why,
	     bool part)
{
	struct gm_change c = {
		.address = address,
		.from = from,
		.to = to,
		.why = why,
		.part = part,
	};

	t->change(t, &c);
}

/*
 * Hash table: address to slot.  Its keys are in private.h.
 */

/* gm_lookup() in the buckets after the home: some that belong there are away. */
u32 gm_lookup_away(const struct gm_tracker *t, const struct gm_key *k)
{
	u32 far = gm_bucket_far(t, &t->buckets[k->bucket]);
	u32 n = k->bucket;

	while (far--) {
		u32 i = 0, slot;

		n = gm_bucket_after(t, n);
		slot = gm_bucket_find(t, &t->buckets[n], k, &i);
		if (slot != GM_NIL)
			return slot;
	}
	return GM_NIL;
}

/*
 * The faults at @k: there may be one that is a table's member and one that is
 * not (a single fault of a jump, or one that is aborting).
 */
void gm_lookup_both(const struct gm_tracker *t, const struct gm_key *k,
		    u32 *other, u32 *member)
{
	u32 far = gm_bucket_far(t, &t->buckets[k->bucket]);
	u32 n = k->bucket;

	*other = GM_NIL;
	*member = GM_NIL;
	for (;;) {
		u32 i = 0, slot;

		while ((slot = gm_bucket_find(t, &t->buckets[n], k, &i)) !=
		       GM_NIL) {
			if (gm_is_member(&t->faults[slot]))
				*member = slot;
			else
				*other = slot;
		}
		if (!far--)
			return;
		n = gm_bucket_after(t, n);
	}
}

/* A guess at the slot of @k, to fetch it ahead. */
static inline u32 gm_peek(const struct gm_tracker *t, const struct gm_key *k)
{
	const struct gm_bucket *b = &t->buckets[k->bucket];
	const u32 used = b->info & GM_B_USED;
	u32 i;

	for (i = 0; i < used; i++) {
		u32 slot = b->cell[i] ^ k->tag;

		if (slot < t->slot_mask)
			return slot;
	}
	return GM_NIL;
}

/*
 * What calls on @n blocks will touch, on its way to the cache; their buckets
 * are on theirs already.
 */
void gm_fetch(struct gm_tracker *t, const struct gm_key *k, u32 n,
	      bool neighbours)
{
	u32 i, slot;

	for (i = 0; i < n; i++) {
		slot = gm_peek(t, &k[i]);
		if (slot == GM_NIL)
			continue;
		prefetchw(&t->faults[slot]);
		prefetchw(&t->links[slot]);
	}
	if (!neighbours)
		return;
	for (i = 0; i < n; i++) {
		struct gm_link l;

		slot = gm_peek(t, &k[i]);
		if (slot == GM_NIL)
			continue;
		/* Of a fault being written these are no slots. */
		l = t->links[slot];
		if (l.prev < t->slots)
			prefetchw(&t->links[l.prev]);
		if (l.next < t->slots)
			prefetchw(&t->links[l.next]);
	}
}

/* The keys of the @n blocks of a vector, and gm_fetch() for them. */
void gm_fetch_vector(struct gm_tracker *t, const struct grid_missing_block *v,
		     u32 n, struct gm_key *k, bool neighbours)
{
	u32 i;

	for (i = 0; i < n; i++) {
		gm_key_init(t, v[i].address, &k[i]);
		prefetchw(&t->buckets[k[i].bucket]);
	}
	gm_fetch(t, k, n, neighbours);
}

/* @slot is found at @k from now on. */
void gm_hash_insert(struct gm_tracker *t, const struct gm_key *k, u32 slot)
{
	struct gm_bucket *home = &t->buckets[k->bucket], *b = home;
	u32 n = k->bucket, distance = 0, far, away;

	/* There are more cells than slots. */
	while (unlikely((b->info & GM_B_USED) == GM_CELLS)) {
		n = gm_bucket_after(t, n);
		b = &t->buckets[n];
		distance++;
	}
	b->cell[b->info & GM_B_USED] = k->tag | slot;
	b->info++;
	if (likely(!distance))
		return;

	far = max(distance, (home->info & GM_B_FAR) >> GM_B_FAR_SHIFT);
	far = min(far, GM_B_FAR >> GM_B_FAR_SHIFT);
	away = home->info >> GM_B_AWAY_SHIFT;
	if (away < GM_B_AWAY >> GM_B_AWAY_SHIFT)
		away++;
	home->info = (home->info & GM_B_USED) | far << GM_B_FAR_SHIFT |
		     away << GM_B_AWAY_SHIFT;
}

static void gm_hash_remove(struct gm_tracker *t, const struct gm_key *k,
			   u32 slot)
{
	struct gm_bucket *home = &t->buckets[k->bucket], *b = home;
	u32 n = k->bucket, cell = k->tag | slot, i, used, away;

	for (;;) {
		used = b->info & GM_B_USED;
		for (i = 0; i < used; i++)
			if (b->cell[i] == cell)
				goto found;
		n = gm_bucket_after(t, n);
		b = &t->buckets[n];
	}
found:
	used--;
	b->cell[i] = b->cell[used];
	b->cell[used] = GM_NIL;
	b->info--;
	if (likely(b == home))
		return;

	away = home->info >> GM_B_AWAY_SHIFT;
	if (away == GM_B_AWAY >> GM_B_AWAY_SHIFT)
		return;
	if (away == 1)
		home->info &= GM_B_USED;
	else
		home->info -= 1U << GM_B_AWAY_SHIFT;
}

/*
 * Slots.
 */

static u32 gm_slot_alloc(struct gm_tracker *t)
{
	u32 slot = t->free;

	if (slot != GM_NIL) {
		t->free = t->links[slot].next;
		if (t->free != GM_NIL) {
			prefetchw(&t->links[t->free]);
			prefetchw(&t->faults[t->free]);
		}
	} else if (t->used < t->slots) {
		slot = t->used++;
	} else {
		return GM_NIL;
	}
	t->groups[slot >> GM_GROUP_BITS]++;
	return slot;
}

static void gm_slot_free(struct gm_tracker *t, u32 slot)
{
	t->faults[slot].word = GM_POS_FREE;
	t->groups[slot >> GM_GROUP_BITS]--;
	t->links[slot].next = t->free;
	t->free = slot;
}

/*
 * Coming, changing, going.
 */

/* A new fault; GM_NIL when no slot is left. */
u32 gm_insert(struct gm_tracker *t, const struct gm_key *k, u32 member,
	      const struct grid_missing_checksum *sum)
{
	u32 slot = gm_slot_alloc(t);
	struct gm_fault *f;

	if (unlikely(slot == GM_NIL))
		return GM_NIL;
	f = &t->faults[slot];
	f->address = k->address;
	f->word = GM_POS_NEVER;
	if (likely(sum)) {
		gm_copy_sum(f->sum, sum);
		f->word |= GM_W_SUM;
	} else {
		gm_number(t, f);
	}
	f->member = GM_SINGLE;
	gm_hash_insert(t, k, slot);
	t->waiting++;
	if (member == GM_SINGLE) {
		t->single++;
	} else {
		t->members_count++;
		gm_enter(t, slot, member);
	}
	if (unlikely(t->special) && gm_born(t, k->address))
		f->word |= GM_W_BORN;
	gm_push(t, &gm_side(t, f)->never[GM_CLASS_NORMAL], slot);
	return slot;
}

static void gm_count_state(struct gm_tracker *t, u8 state, int n)
{
	if (state == GRID_MISSING_STATE_WAITING)
		t->waiting += n;
	else if (state == GRID_MISSING_STATE_WRITING)
		t->writing += n;
	else
		t->aborting += n;
}

static void gm_clear_flags(struct gm_tracker *t, struct gm_fault *f)
{
	if (f->word & GM_W_READERS)
		t->readers--;
	if (f->word & GM_W_UNAVAILABLE)
		t->unavailable--;
	f->word &= ~(GM_W_READERS | GM_W_WANTED | GM_W_UNAVAILABLE);
}

/* Forget the fault at @slot; its table is told by the caller. */
void gm_erase(struct gm_tracker *t, u32 slot, const struct gm_key *k)
{
	struct gm_fault *f = &t->faults[slot];

	gm_dequeue(t, slot);
	gm_count_state(t, gm_state(f), -1);
	if (gm_is_single(f)) {
		t->single--;
	} else {
		t->members_count--;
		if (!gm_is_member(f))
			t->orphans--;
	}
	gm_clear_flags(t, f);
	if (unlikely(f->word & GM_W_BORN))
		t->sweep.born--;
	gm_hash_remove(t, k, slot);
	gm_slot_free(t, slot);
}

/* A value was cancelled: the table won't be done. */
static void gm_table_lost(struct gm_tracker *t, struct gm_table *tab)
{
	if (tab->lost)
		return;
	tab->lost = true;
	gm_recorded_table(t, tab);
}

/*
 * The fault at @slot is gone, because of @why.  While the other one of a pair
 * stays, the block is missing as before: what is told is what the single one
 * was, if that went, and nothing else; and its readers are the other one's (T5).
 */
void gm_remove_key(struct gm_tracker *t, u32 slot, u8 why,
		   const struct gm_key *k)
{
	struct gm_fault *f = &t->faults[slot];
	u8 from = gm_state(f), to = GRID_MISSING_STATE_GONE;
	struct gm_table *tab;
	bool note = true;
	u32 twin = GM_NIL, word = f->word;

	if (unlikely(t->twins)) {
		twin = gm_untwin(t, slot, k);
		if (twin != GM_NIL) {
			note = !gm_is_member(f);
			to = gm_state(&t->faults[twin]);
		}
	}
	tab = gm_leave(t, f);
	if (tab && why == GRID_MISSING_WHY_CANCELLED)
		gm_table_lost(t, tab);
	gm_erase(t, slot, k);
	/* Whoever waits for the block waits on; a single one has them all. */
	if (unlikely(twin != GM_NIL && note)) {
		if (word & GM_W_WANTED)
			gm_want(t, twin, GM_W_WANTED);
		if (word & GM_W_READERS)
			gm_want(t, twin, GM_W_READERS);
	}
	if (likely(note))
		gm_note(t, k->address, from, to, why);
	gm_recorded(t, k->address);
	if (tab)
		gm_table_follow(t, tab);
}

/*
 * Writing to aborting.  It leaves its table at once: when its write ends, the
 * table's slot may be another table's (T8).
 */
void gm_abort(struct gm_tracker *t, u32 slot, u8 why)
{
	struct gm_fault *f = &t->faults[slot];
	struct gm_table *tab = gm_leave(t, f);

	if (tab) {
		if (why == GRID_MISSING_WHY_CANCELLED)
			gm_table_lost(t, tab);
		f->member = f->member & GM_INDEX ? GM_ORPHAN_INDEX :
						   GM_ORPHAN_VALUE;
		t->orphans++;
	}
	gm_clear_flags(t, f);
	gm_set_pos(f, GM_POS_ABORTING);
	f->word = (f->word & ~GM_W_WHEN) | (u32)why << GM_W_WHEN_SHIFT;
	t->writing--;
	t->aborting++;
	/* It may have a twin, which can't be merged with it now. */
	if (t->twins && t->sweep.kind == GM_SWEEP_LAND &&
	    t->sweep.phase == GM_PHASE_CHECK)
		t->sweep.conflict = -EBUSY;
	gm_note(t, f->address, GRID_MISSING_STATE_WRITING,
		GRID_MISSING_STATE_ABORTING, why);
	gm_recorded(t, f->address);
	if (tab)
		gm_table_follow(t, tab);
}
