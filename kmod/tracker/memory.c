// SPDX-License-Identifier: GPL-2.0
/*
 * The tracker's memory: all of it is taken at creation (T1), or before a move
 * to another capacity (D9).
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/vmalloc.h>
#include "private.h"

struct gm_sizes {
	u64 slots;
	u64 buckets;
	u64 values;
	u64 hash;
	u64 reserve;
};

/*
 * T1's capacity, and some slots more: an aborting member no longer belongs to
 * its table but still needs a slot, while its table's slot may be in use again
 * (T10).  gm_commence_key() sees to it that these suffice.
 */
static bool gm_init_sizes(const struct gm_limits *l, struct gm_sizes *z)
{
	z->values = (u64)l->tables_max * l->table_values_max;
	z->slots = l->blocks_max + z->values;
	z->reserve = clamp_t(u64, z->slots / 64, 16384, 65536);
	z->reserve = min(z->reserve, 2 * z->values);
	z->slots += z->reserve;
	z->buckets = (div_u64(z->slots, GM_FILL_QUARTERS) + 1) * 4;
	z->hash = l->tables_max > (1U << 31) ?
			  1ULL << 32 :
			  roundup_pow_of_two(max(l->tables_max, 1U));
	return z->slots < GM_SLOTS_MAX && l->table_values_max <= GM_VALUES_MAX;
}

/**
 * gm_tracker_bytes() - memory that a tracker takes
 * @limits: its capacity
 *
 * Return: what gm_tracker_init() allocates, in bytes; also for limits that it
 * refuses.
 */
u64 gm_tracker_bytes(const struct gm_limits *limits)
{
	struct gm_sizes z;

	gm_init_sizes(limits, &z);
	/* Too large for the sum below: too large for anything. */
	if (z.slots >= 1ULL << 56)
		return U64_MAX;
	return z.slots * (sizeof(struct gm_fault) + sizeof(struct gm_link) +
			  sizeof(u16)) +
	       z.buckets * sizeof(struct gm_bucket) +
	       (z.slots >> GM_GROUP_BITS) + 1 + z.values * sizeof(u32) +
	       limits->tables_max * (u64)sizeof(struct gm_table) +
	       z.hash * sizeof(u32);
}

/* An array that may be larger than 2 GiB; @zero: else its contents are any. */
static void *gm_array(u64 n, size_t size, bool zero)
{
	u64 bytes = max_t(u64, n * size, 1);
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	void *p;

	if ((unsigned long)bytes != bytes)
		return NULL;
	if (zero)
		gfp |= __GFP_ZERO;
	/*
	 * Large pages, where they are to be had: nearly every access is a TLB miss
	 * otherwise.  Too much is -ENOMEM: no process is to be killed for it (D9).
	 */
	p = vmalloc_huge(bytes, gfp | __GFP_NORETRY);
	return p ? p : __vmalloc(bytes, gfp | __GFP_RETRY_MAYFAIL);
}

/* No fault is in any queue, nor has a batch begun with one. */
static void gm_empty_queues(struct gm_tracker *t)
{
	u32 i, s;

	for (s = 0; s < 2; s++) {
		/* All queues of a side, as one array. */
		struct gm_queue *q = (struct gm_queue *)&t->side[s];

		for (i = 0; i < sizeof(t->side[s]) / sizeof(*q); i++) {
			q[i].head = GM_NIL;
			q[i].tail = GM_NIL;
			q[i].mark = GM_NIL;
		}
	}
}

/**
 * gm_tracker_init() - make a tracker
 * @t: filled in
 * @limits: its capacity
 * @hooks: what to call, or NULL
 *
 * Context: may sleep.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int gm_tracker_init(struct gm_tracker *t, const struct gm_limits *limits,
		    const struct gm_hooks *hooks)
{
	struct gm_sizes z;

	if (!limits->blocks_max || !limits->table_values_max ||
	    !gm_init_sizes(limits, &z))
		return -EINVAL;

	memset(t, 0, sizeof(*t));
	spin_lock_init(&t->lock);
	t->limits = *limits;
	t->change = hooks ? hooks->change : NULL;
	t->admit = hooks ? hooks->admit : NULL;
	t->hooks = hooks;
	t->slots = z.slots;
	t->buckets_count = z.buckets;
	t->slot_mask = roundup_pow_of_two((u32)z.slots + 1) - 1;
	t->near_bits = z.buckets >= 256 ? 6 : 0;
	t->reserve = z.reserve;
	t->table_hash_mask = z.hash - 1;
	t->seed = get_random_u64();
	t->random = get_random_u64() | 1;
	t->free = GM_NIL;
	t->tables_free = GM_NIL;
	t->active_head = GM_NIL;
	t->active_tail = GM_NIL;
	t->ended_head = GM_NIL;
	t->dying_head = GM_NIL;
	gm_empty_queues(t);

	t->faults = gm_array(z.slots, sizeof(*t->faults), false);
	t->links = gm_array(z.slots, sizeof(*t->links), false);
	t->when_hi = gm_array(z.slots, sizeof(*t->when_hi), false);
	t->buckets = gm_array(z.buckets, sizeof(*t->buckets), true);
	t->groups = gm_array((z.slots >> GM_GROUP_BITS) + 1, 1, true);
	t->members = gm_array(z.values, sizeof(*t->members), false);
	t->tables = gm_array(limits->tables_max, sizeof(*t->tables), false);
	t->table_hash = gm_array(z.hash, sizeof(*t->table_hash), false);
	if (!t->faults || !t->links || !t->when_hi || !t->buckets ||
	    !t->groups || !t->members || !t->tables || !t->table_hash) {
		gm_tracker_exit(t);
		return -ENOMEM;
	}
	memset(t->table_hash, 0xff, z.hash * sizeof(*t->table_hash));
	memset(t->members, 0xff, z.values * sizeof(*t->members));
	return 0;
}

/**
 * gm_tracker_exit() - free what a tracker holds
 * @t: tracker; nobody uses it any more, or init failed
 *
 * Context: may sleep.
 */
void gm_tracker_exit(struct gm_tracker *t)
{
	vfree(t->table_hash);
	vfree(t->tables);
	vfree(t->members);
	vfree(t->groups);
	vfree(t->buckets);
	vfree(t->when_hi);
	vfree(t->links);
	vfree(t->faults);
}

/*
 * Another capacity (D9).
 */

static u32 gm_count(const struct gm_tracker *t)
{
	return t->waiting + t->writing + t->aborting;
}

/* Most values of any table that is there, looked for in slices. */
static u32 gm_longest_table(struct gm_tracker *t)
{
	unsigned long flags;
	u32 most = 0, s = 0, end;

	GM_LOCK(t, flags);
	while (s < t->tables_used) {
		end = min_t(u64, (u64)s + GM_SLICE, t->tables_used);
		for (; s < end; s++)
			if (t->tables[s].state)
				most = max(most, t->tables[s].values);
		GM_UNLOCK(t, flags);
		gm_pause();
		GM_LOCK(t, flags);
	}
	GM_UNLOCK(t, flags);
	return most;
}

/**
 * gm_tracker_fits() - would its content fit another capacity
 * @t: tracker
 * @limits: the capacity
 *
 * A fault keeps its slot, since that is the cursor of listings.  So a smaller
 * capacity may be refused for a fault that has a high one.
 *
 * Context: may sleep.
 * Return: 0; -EBUSY when it would not, or a sweep runs; -EINVAL.
 */
int gm_tracker_fits(struct gm_tracker *t, const struct gm_limits *limits)
{
	unsigned long flags;
	struct gm_sizes z;
	u32 longest;
	int r = 0;

	if (!gm_init_sizes(limits, &z))
		return -EINVAL;
	longest = limits->table_values_max < t->limits.table_values_max ?
			  gm_longest_table(t) :
			  0;
	GM_LOCK(t, flags);
	if (t->sweep.kind != GM_SWEEP_NONE || t->single > limits->blocks_max ||
	    longest > limits->table_values_max ||
	    (gm_count(t) && t->used > z.slots) ||
	    (t->tables_count && t->tables_used > limits->tables_max) ||
	    t->members_writing + t->orphans > z.reserve)
		r = -EBUSY;
	GM_UNLOCK(t, flags);
	return r;
}

/* Fault @slot, copied already, gets to know its new surroundings. */
static void gm_move_slot(const struct gm_tracker *t, struct gm_tracker *room,
			 u32 slot)
{
	const u32 from = t->limits.table_values_max;
	const u32 to = room->limits.table_values_max;
	struct gm_fault *f = &room->faults[slot];
	struct gm_key k;

	if (gm_pos(f) == GM_POS_FREE)
		return;
	if (gm_is_member(f) && !(f->member & GM_INDEX))
		f->member = f->member / from * to + f->member % from;
	gm_key_init(room, f->address, &k);
	gm_hash_insert(room, &k, slot);
}

static void gm_move_slots(const struct gm_tracker *t, struct gm_tracker *room)
{
	u32 slot = 0, n;

	for (; slot < room->used; slot += n) {
		n = min_t(u32, room->used - slot, GM_SLICE);
		memcpy(&room->faults[slot], &t->faults[slot],
		       n * sizeof(*t->faults));
		memcpy(&room->links[slot], &t->links[slot],
		       n * sizeof(*t->links));
		memcpy(&room->when_hi[slot], &t->when_hi[slot],
		       n * sizeof(*t->when_hi));
		for (u32 i = slot; i < slot + n; i++)
			gm_move_slot(t, room, i);
		gm_pause();
	}
	memcpy(room->groups, t->groups,
	       DIV_ROUND_UP(room->used, GM_GROUP) * sizeof(*t->groups));
}

static void gm_move_tables(const struct gm_tracker *t, struct gm_tracker *room)
{
	const u32 from = t->limits.table_values_max;
	const u32 to = room->limits.table_values_max;
	u32 s;

	for (s = 0; s < room->tables_used; s++) {
		struct gm_table *tab = &room->tables[s];

		*tab = t->tables[s];
		if (tab->state)
			memcpy(&room->members[(u64)s * to],
			       &t->members[(u64)s * from],
			       tab->values * sizeof(*t->members));
		if (tab->state && gm_table_active(tab)) {
			u32 *chain = gm_table_chain(room, tab->address);

			tab->hash_next = *chain;
			*chain = s;
		}
		gm_pause();
	}
}

/**
 * gm_tracker_move() - give a tracker another capacity (D9)
 * @t: tracker
 * @room: made by gm_tracker_init() with the limits wanted, not used since.
 *	Holds the memory that @t had afterwards: gm_tracker_exit() frees it
 *
 * All that is known stays: every fault in its state, queue and slot.  Takes
 * time in proportion to the faults, none of it with the lock held.
 *
 * Context: may sleep.  The caller keeps every other call away meanwhile, but
 * for gm_get_counts().
 * Return: 0; -EBUSY as gm_tracker_fits(): nothing was changed.
 */
int gm_tracker_move(struct gm_tracker *t, struct gm_tracker *room)
{
	unsigned long flags;
	int r;

	r = gm_tracker_fits(t, &room->limits);
	if (r)
		return r;
	room->free = t->free;
	room->used = t->used;
	if (!gm_count(t)) {
		room->free = GM_NIL;
		room->used = 0;
	}
	room->tables_free = t->tables_free;
	room->tables_used = t->tables_used;
	if (!t->tables_count) {
		room->tables_free = GM_NIL;
		room->tables_used = 0;
	}
	gm_move_slots(t, room);
	gm_move_tables(t, room);

	GM_LOCK(t, flags);
	if (!room->used)
		gm_empty_queues(t);
	swap(t->faults, room->faults);
	swap(t->links, room->links);
	swap(t->when_hi, room->when_hi);
	swap(t->buckets, room->buckets);
	swap(t->groups, room->groups);
	swap(t->members, room->members);
	swap(t->tables, room->tables);
	swap(t->table_hash, room->table_hash);
	t->seed = room->seed;
	t->buckets_count = room->buckets_count;
	t->slot_mask = room->slot_mask;
	t->near_bits = room->near_bits;
	t->slots = room->slots;
	t->table_hash_mask = room->table_hash_mask;
	t->reserve = room->reserve;
	t->limits = room->limits;
	t->free = room->free;
	t->used = room->used;
	t->tables_free = room->tables_free;
	t->tables_used = room->tables_used;
	GM_UNLOCK(t, flags);
	return 0;
}
