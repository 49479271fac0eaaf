// SPDX-License-Identifier: GPL-2.0
/*
 * The tracker: which blocks of a grid are missing.  Interface, locking and
 * layout of the data are in tracker.h; rules T1 to T16 in the specification.
 *
 * A fault is found by its address through a hash table of one cache line a
 * bucket, so that a miss costs one line and a hit two.  A waiting fault is in
 * exactly one queue (or held, then in none); batches come from the queues'
 * heads and cost nothing for what is being written.  A table knows its members'
 * slots, so that dropping it costs what it has left.
 *
 * Calls that meet very many faults (a checkpoint, a cancel, a sync jump) are
 * *sweeps*: there is at most one, its state is in the tracker, and it works
 * in slices, the lock dropped in between.  What such a sweep has not reached
 * yet is *pending*.  Whoever looks up a pending fault meanwhile finishes it on
 * the spot, so that everyone sees it as gone from the first slice on:
 *
 *	checkpoint				enqueue(5), 5 is to be freed
 *	----------				----------------------------
 *	lock
 *	  sweep = { set = {1, 5, 9} }
 *	  1 is dropped
 *	unlock
 *						lock
 *						  lookup(5): pending, dropped
 *						  5 is enqueued, marked born
 *						unlock
 *	lock
 *	  5 was born in between: not meant
 *	  9 is dropped
 *	unlock
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/prefetch.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include "tracker_private.h"

static const u32 gm_backoff_ms[GM_LEVELS] = { 1000,  2000,  4000, 8000,
					      16000, 32000, 60000 };

static noinline void gm_call(struct gm_tracker *t, u64 address, u8 from, u8 to,
			     u8 why)
{
	struct gm_change c = {
		.address = address,
		.from = from,
		.to = to,
		.why = why,
	};

	t->change(t, &c);
}

static inline void gm_note(struct gm_tracker *t, u64 address, u8 from, u8 to,
			   u8 why)
{
	if (unlikely(t->change))
		gm_call(t, address, from, to, why);
}

/*
 * Hash table: address to slot.  Its keys are in tracker_private.h.
 */

static noinline u32 gm_lookup_away(const struct gm_tracker *t,
				   const struct gm_key *k)
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

/* The fault at @k, when there can be only one: neither jump nor sweep. */
static inline u32 gm_lookup(const struct gm_tracker *t, const struct gm_key *k)
{
	const struct gm_bucket *b = &t->buckets[k->bucket];
	u32 i = 0, slot = gm_bucket_find(t, b, k, &i);

	if (slot == GM_NIL && unlikely(b->info & GM_B_AWAY))
		return gm_lookup_away(t, k);
	return slot;
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

/* Skip groups without a fault; each costs some of *@budget. */
static u32 gm_slot_skip(const struct gm_tracker *t, u32 slot, u32 end,
			int *budget)
{
	while (slot < end && !(slot & (GM_GROUP - 1)) &&
	       !t->groups[slot >> GM_GROUP_BITS] && *budget > 0) {
		slot += GM_GROUP;
		(*budget)--;
	}
	return min(slot, end);
}

/*
 * Queues.
 */

/* gm_side() during a jump. */
struct gm_side *gm_side_jump(struct gm_tracker *t, const struct gm_fault *f)
{
	if (!gm_is_single(f))
		return &t->side[0];
	/* What a jump's first commence is about to drop was there before. */
	if (t->sweep.kind == GM_SWEEP_JUMP && !t->sweep.again &&
	    gm_sweeping(t) && !(f->word & GM_W_BORN))
		return &t->side[0];
	return &t->side[1];
}

/* Append the run from @first to @last, linked already, @count of them. */
static inline void gm_append(struct gm_tracker *t, struct gm_queue *q,
			     u32 first, u32 last, u32 count)
{
	t->links[first].prev = q->tail;
	t->links[last].next = GM_NIL;
	if (q->tail == GM_NIL)
		q->head = first;
	else
		t->links[q->tail].next = first;
	q->tail = last;
	q->count += count;
}

static inline void gm_push(struct gm_tracker *t, struct gm_queue *q, u32 slot)
{
	gm_append(t, q, slot, slot, 1);
}

static void gm_unlink(struct gm_tracker *t, struct gm_queue *q, u32 slot)
{
	const struct gm_link l = t->links[slot];

	if (l.prev == GM_NIL)
		q->head = l.next;
	else
		t->links[l.prev].next = l.next;
	if (l.next == GM_NIL)
		q->tail = l.prev;
	else
		t->links[l.next].prev = l.prev;
	q->count--;
}

/* To the tail of the never-requested, from no queue (T5). */
static void gm_join(struct gm_tracker *t, u32 slot)
{
	struct gm_fault *f = &t->faults[slot];

	gm_set_pos(f, GM_POS_NEVER);
	gm_push(t, &gm_side(t, f)->never[gm_class(f)], slot);
}

/* Out of its queue, if it is in one. */
static inline void gm_dequeue(struct gm_tracker *t, u32 slot)
{
	struct gm_queue *q = gm_queue(t, &t->faults[slot]);

	if (q)
		gm_unlink(t, q, slot);
}

/*
 * Into a requested queue by its time: what was handed out before it gained
 * readers keeps its place in time, or a minimum age would not hold.  Looks
 * from both ends; far from both it settles for a place too far in front: it
 * may then keep those behind it waiting, but at most for one minimum age.
 */
static void gm_sort(struct gm_tracker *t, struct gm_queue *q, u32 slot)
{
	u32 age = gm_age(t, slot), front = q->head, back = q->tail, steps;

	for (steps = GM_SORT_STEPS; back != GM_NIL; steps--) {
		if (gm_age(t, back) >= age)
			break;
		if (gm_age(t, front) < age) {
			back = t->links[front].prev;
			break;
		}
		if (!steps) {
			t->unsorted = true;
			back = t->links[front].prev;
			break;
		}
		back = t->links[back].prev;
		front = t->links[front].next;
	}

	/* After @back; in front of all when that is GM_NIL. */
	front = back == GM_NIL ? q->head : t->links[back].next;
	t->links[slot].prev = back;
	t->links[slot].next = front;
	if (back == GM_NIL)
		q->head = slot;
	else
		t->links[back].next = slot;
	if (front == GM_NIL)
		q->tail = slot;
	else
		t->links[front].prev = slot;
	q->count++;
}

/* Put all of @from behind all of @to. */
static void gm_concat(struct gm_tracker *t, struct gm_queue *to,
		      struct gm_queue *from)
{
	if (from->count)
		gm_append(t, to, from->head, from->tail, from->count);
	from->head = GM_NIL;
	from->tail = GM_NIL;
	from->count = 0;
}

/* The jump is over: its single faults join the others (T12). */
static void gm_join_sides(struct gm_tracker *t)
{
	struct gm_side *to = &t->side[0], *from = &t->side[1];
	u32 i;

	for (i = 0; i < GM_CLASSES; i++) {
		gm_concat(t, &to->never[i], &from->never[i]);
		gm_concat(t, &to->requested[i], &from->requested[i]);
	}
	for (i = 0; i < GM_LEVELS; i++)
		gm_concat(t, &to->backoff[i], &from->backoff[i]);
}

/*
 * Tables.
 */

u32 *gm_table_chain(const struct gm_tracker *t, u64 address)
{
	u64 h = (address ^ t->seed) * 0x9e3779b97f4a7c15ULL;

	return &t->table_hash[(h >> 32) & t->table_hash_mask];
}

static void gm_table_retire(struct gm_tracker *t, struct gm_table *tab,
			    u8 state)
{
	u32 s = tab - t->tables, *p = gm_table_chain(t, tab->address);
	u32 *head, *tail;

	while (*p != s)
		p = &t->tables[*p].hash_next;
	*p = tab->hash_next;

	/* Don't let the sweep lose its place. */
	if (t->sweep.kind != GM_SWEEP_NONE && t->sweep.kind != GM_SWEEP_LAND &&
	    t->sweep.phase == GM_PHASE_TABLES && t->sweep.table == s)
		t->sweep.table = tab->next;
	if (tab->prev == GM_NIL)
		t->active_head = tab->next;
	else
		t->tables[tab->prev].next = tab->next;
	if (tab->next == GM_NIL)
		t->active_tail = tab->prev;
	else
		t->tables[tab->next].prev = tab->prev;
	t->tables_active--;
	tab->state = state;

	/* Only a sweep cancels a table that has faults left. */
	head = tab->left ? &t->dying_head : &t->ended_head;
	tail = tab->left ? &t->dying_tail : &t->ended_tail;
	tab->next = GM_NIL;
	if (*head == GM_NIL)
		*head = s;
	else
		t->tables[*tail].next = s;
	*tail = s;
}

/* After one of its faults went: is there anything left to do for it? */
static void gm_table_follow(struct gm_tracker *t, struct gm_table *tab)
{
	if (tab->left)
		return;
	if (tab->state == GRID_MISSING_TABLE_INDEXING)
		gm_table_retire(t, tab, GRID_MISSING_TABLE_CANCELLED);
	else if (tab->state == GRID_MISSING_TABLE_FILLING)
		gm_table_retire(t, tab, GRID_MISSING_TABLE_DONE);
}

/* The table of a fault that is leaving it, or NULL. */
static struct gm_table *gm_leave(struct gm_tracker *t, const struct gm_fault *f)
{
	struct gm_table *tab;

	if (likely(!gm_is_member(f)))
		return NULL;
	tab = gm_table_of(t, f);
	if (f->member & GM_INDEX) {
		tab->index = GM_NIL;
	} else {
		t->members[f->member] = GM_NIL;
		tab->gone++;
	}
	tab->left--;
	if (gm_pos(f) == GM_POS_WRITING) {
		tab->writing--;
		t->members_writing--;
	}
	return tab;
}

/* The fault at @slot becomes @member of its table. */
static void gm_enter(struct gm_tracker *t, u32 slot, u32 member)
{
	struct gm_fault *f = &t->faults[slot];
	struct gm_table *tab;

	f->member = member;
	tab = gm_table_of(t, f);
	if (member & GM_INDEX)
		tab->index = slot;
	else
		t->members[member] = slot;
	tab->left++;
	/* T4: one that is being written already counts as received. */
	if (gm_pos(f) == GM_POS_WRITING) {
		tab->writing++;
		t->members_writing++;
	}
}

/*
 * Sweeps, as far as every call meets them.
 */

static bool gm_table_pending(const struct gm_tracker *t,
			     const struct gm_table *tab)
{
	const struct gm_sweep *sw = &t->sweep;

	if (!gm_sweeping(t) || !gm_table_active(tab))
		return false;
	switch (sw->kind) {
	case GM_SWEEP_CHECKPOINT:
		return !tab->born && sw->set->test(sw->set, tab->address);
	case GM_SWEEP_CANCEL:
		return !tab->born;
	case GM_SWEEP_LAND:
		return tab->listed;
	default:
		return false;
	}
}

/* Is the fault at @slot one that the sweep is going to take? */
static bool gm_pending(const struct gm_tracker *t, u32 slot)
{
	const struct gm_sweep *sw = &t->sweep;
	const struct gm_fault *f = &t->faults[slot];
	const struct gm_table *tab = NULL;

	if (!gm_sweeping(t))
		return false;
	if (gm_pos(f) == GM_POS_ABORTING)
		return sw->kind == GM_SWEEP_CANCEL && !sw->keep &&
		       !(f->word & GM_W_BORN);
	if (gm_is_member(f)) {
		tab = gm_table_of(t, f);
		if (tab->state == GRID_MISSING_TABLE_CANCELLED ||
		    gm_table_pending(t, tab))
			return true;
	}
	if (f->word & GM_W_BORN)
		return false;
	switch (sw->kind) {
	case GM_SWEEP_CHECKPOINT:
		return sw->set->test(sw->set, f->address);
	case GM_SWEEP_CANCEL:
		return true;
	case GM_SWEEP_JUMP:
		return gm_is_single(f);
	default:
		return false;
	}
}

/* What comes during a sweep that would take it is marked. */
static bool gm_born(struct gm_tracker *t, u64 address)
{
	if (!gm_sweeping(t))
		return false;
	if (t->sweep.kind == GM_SWEEP_LAND)
		return false;
	if (t->sweep.kind == GM_SWEEP_CHECKPOINT &&
	    !t->sweep.set->test(t->sweep.set, address))
		return false;
	t->sweep.born++;
	return true;
}

/*
 * Coming, changing, going.
 */

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
static void gm_erase(struct gm_tracker *t, u32 slot, const struct gm_key *k)
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

/* One of a pair goes: a single fault, and a member that is set aside. */
static bool gm_untwin(struct gm_tracker *t, const struct gm_key *k)
{
	u32 other, member;

	gm_lookup_both(t, k, &other, &member);
	if (other == GM_NIL || member == GM_NIL)
		return false;
	t->twins--;
	return true;
}

/* The fault at @slot is gone, because of @why. */
static void gm_remove_key(struct gm_tracker *t, u32 slot, u8 why,
			  const struct gm_key *k)
{
	struct gm_fault *f = &t->faults[slot];
	u8 from = gm_state(f), to = GRID_MISSING_STATE_GONE;
	struct gm_table *tab;
	bool note = true;

	if (unlikely(t->twins) && gm_untwin(t, k)) {
		/* The other one is still there: the block is missing still. */
		if (gm_is_member(f))
			note = false;
		else if (why == GRID_MISSING_WHY_REPAIRED ||
			 why == GRID_MISSING_WHY_SUPERSEDED)
			t->twins_gone = true;
		else
			to = GRID_MISSING_STATE_WAITING;
	}
	tab = gm_leave(t, f);
	gm_erase(t, slot, k);
	if (likely(note))
		gm_note(t, k->address, from, to, why);
	if (tab)
		gm_table_follow(t, tab);
}

static void gm_remove(struct gm_tracker *t, u32 slot, u8 why)
{
	struct gm_key k;

	gm_key_init(t, t->faults[slot].address, &k);
	gm_remove_key(t, slot, why, &k);
}

/*
 * Writing to aborting.  It leaves its table at once: when its write ends, the
 * table's slot may be another table's (T8).
 */
static void gm_abort(struct gm_tracker *t, u32 slot, u8 why)
{
	struct gm_fault *f = &t->faults[slot];
	struct gm_table *tab = gm_leave(t, f);

	if (tab) {
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
	if (tab)
		gm_table_follow(t, tab);
}

static u8 gm_abort_why(const struct gm_fault *f)
{
	return f->word >> GM_W_WHEN_SHIFT;
}

/* Finish what the sweep has not reached yet. */
static void gm_take_pending(struct gm_tracker *t, u32 slot)
{
	static const u8 why[] = {
		[GM_SWEEP_CHECKPOINT] = GRID_MISSING_WHY_FREED,
		[GM_SWEEP_CANCEL] = GRID_MISSING_WHY_CANCELLED,
		[GM_SWEEP_JUMP] = GRID_MISSING_WHY_JUMPED,
		[GM_SWEEP_LAND] = GRID_MISSING_WHY_JUMPED,
	};
	const struct gm_sweep *sw = &t->sweep;
	struct gm_fault *f = &t->faults[slot];

	if (gm_is_member(f)) {
		struct gm_table *tab = gm_table_of(t, f);

		if (gm_table_pending(t, tab))
			gm_table_retire(t, tab, GRID_MISSING_TABLE_CANCELLED);
	}
	if (gm_pos(f) == GM_POS_WRITING &&
	    (sw->kind == GM_SWEEP_CHECKPOINT || sw->keep))
		gm_abort(t, slot, why[sw->kind]);
	else
		gm_remove(t, slot, why[sw->kind]);
}

static int gm_pair_conflict(const struct gm_tracker *t, u32 other, u32 member)
{
	const struct gm_fault *o = &t->faults[other], *m = &t->faults[member];

	if (gm_table_of(t, m)->listed)
		return 0;
	if (gm_pos(o) == GM_POS_ABORTING)
		return -EBUSY;
	if (o->word & m->word & GM_W_SUM && !gm_same_sums(o->sum, m->sum))
		return -ESTALE;
	return 0;
}

/* A single fault came, or learnt its checksum, during a jump. */
static void gm_check_pair(struct gm_tracker *t, const struct gm_key *k)
{
	u32 other, member;

	if (t->sweep.kind != GM_SWEEP_LAND || t->sweep.phase != GM_PHASE_CHECK)
		return;
	gm_lookup_both(t, k, &other, &member);
	if (other != GM_NIL && member != GM_NIL && !t->sweep.conflict)
		t->sweep.conflict = gm_pair_conflict(t, other, member);
}

/* Set a flag that decides the class, and move the fault to its queue. */
static void gm_want(struct gm_tracker *t, u32 slot, u32 flag)
{
	struct gm_fault *f = &t->faults[slot];
	u32 pos = gm_pos(f);

	if (f->word & flag)
		return;
	if (flag == GM_W_READERS)
		t->readers++;
	if (pos != GM_POS_NEVER && pos != GM_POS_REQUESTED) {
		f->word |= flag;
		return;
	}
	gm_dequeue(t, slot);
	f->word |= flag;
	if (pos == GM_POS_NEVER)
		gm_push(t, gm_queue(t, f), slot);
	else
		gm_sort(t, gm_queue(t, f), slot);
}

/*
 * A single fault of the jump meets a member that was set aside: it takes the
 * member's place and keeps its own state, as in a promotion (T12, T4).
 */
static void gm_merge(struct gm_tracker *t, u32 single, u32 aside,
		     const struct gm_key *k)
{
	struct gm_fault *f = &t->faults[single], *m = &t->faults[aside];
	struct gm_table *tab = gm_table_of(t, m);
	u32 member = m->member;

	if (!(f->word & GM_W_SUM) && (m->word & GM_W_SUM)) {
		memcpy(f->sum, m->sum, sizeof(f->sum));
		f->word |= GM_W_SUM;
	}
	if ((member & GM_INDEX) && !tab->has_sum && (f->word & GM_W_SUM)) {
		memcpy(tab->sum, f->sum, sizeof(tab->sum));
		tab->has_sum = true;
	}
	gm_erase(t, aside, k);
	tab->left--;
	gm_enter(t, single, member);
	t->single--;
	t->members_count++;
	t->twins--;
	gm_note(t, k->address, gm_state(f), gm_state(f),
		GRID_MISSING_WHY_JUMPED);
}

/*
 * The fault at @k during a jump or a sweep, after what is pending there was
 * finished.  *@aside, if wanted: the member that a jump has set aside there.
 */
static noinline u32 gm_get_special(struct gm_tracker *t, const struct gm_key *k,
				   u32 *aside)
{
	u32 other, member;

	for (;;) {
		gm_lookup_both(t, k, &other, &member);
		if (other != GM_NIL && gm_pending(t, other))
			gm_take_pending(t, other);
		else if (member != GM_NIL && gm_pending(t, member))
			gm_take_pending(t, member);
		else
			break;
	}
	if (aside)
		*aside = t->jump ? member : GM_NIL;
	if (t->jump || member == GM_NIL)
		return other;
	if (other == GM_NIL)
		return member;
	gm_merge(t, other, member, k);
	return other;
}

/* The fault that calls see at @k, or GM_NIL. */
static inline u32 gm_get(struct gm_tracker *t, const struct gm_key *k)
{
	lockdep_assert_held(&t->lock);
	if (likely(!t->special))
		return gm_lookup(t, k);
	return gm_get_special(t, k, NULL);
}

/* Likewise, or else the one that a jump has set aside. */
static u32 gm_get_any(struct gm_tracker *t, const struct gm_key *k)
{
	u32 slot, aside = GM_NIL;

	lockdep_assert_held(&t->lock);
	if (likely(!t->special))
		return gm_lookup(t, k);
	slot = gm_get_special(t, k, &aside);
	return slot == GM_NIL ? aside : slot;
}

/* Finish the fault at @slot if that is pending.  True when anything changed. */
static bool gm_settle(struct gm_tracker *t, u32 slot)
{
	u32 other, member;
	struct gm_key k;

	if (gm_pending(t, slot)) {
		gm_take_pending(t, slot);
		return true;
	}
	if (likely(!t->twins) || t->jump)
		return false;
	gm_key_init(t, t->faults[slot].address, &k);
	gm_lookup_both(t, &k, &other, &member);
	if (other == GM_NIL || member == GM_NIL)
		return false;
	gm_get_special(t, &k, NULL);
	return true;
}

static struct gm_table *gm_table_find(struct gm_tracker *t, u64 address)
{
	u32 s = *gm_table_chain(t, address);

	while (s != GM_NIL && t->tables[s].address != address)
		s = t->tables[s].hash_next;
	if (s == GM_NIL)
		return NULL;
	if (unlikely(t->special) && gm_table_pending(t, &t->tables[s])) {
		gm_table_retire(t, &t->tables[s], GRID_MISSING_TABLE_CANCELLED);
		return NULL;
	}
	return &t->tables[s];
}

/* A new fault; GM_NIL when no slot is left. */
static inline u32 gm_insert(struct gm_tracker *t, const struct gm_key *k,
			    u32 member, const struct grid_missing_checksum *sum)
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

/* An aside member's readers now wait for the single fault at its address. */
static noinline void gm_insert_twin(struct gm_tracker *t,
				    const struct gm_key *k, u32 slot)
{
	struct gm_fault *m;
	u32 other, member;

	gm_lookup_both(t, k, &other, &member);
	if (member == GM_NIL)
		return;
	t->twins++;
	m = &t->faults[member];
	if (m->word & GM_W_WANTED)
		gm_want(t, slot, GM_W_WANTED);
	if (m->word & GM_W_READERS) {
		gm_want(t, slot, GM_W_READERS);
		t->readers--;
		if (gm_pos(m) == GM_POS_NEVER ||
		    gm_pos(m) == GM_POS_REQUESTED) {
			gm_dequeue(t, member);
			m->word &= ~GM_W_READERS;
			gm_join(t, member);
		} else {
			m->word &= ~GM_W_READERS;
		}
	}
	gm_check_pair(t, k);
}

/* Worth trying again: neither unavailable, nor held, nor in back-off. */
static bool gm_retry_slot(struct gm_tracker *t, u32 slot)
{
	struct gm_fault *f = &t->faults[slot];
	u32 pos = gm_pos(f), word = f->word;

	if (pos == GM_POS_ABORTING)
		return false;
	if (pos == GM_POS_HELD || pos == GM_POS_BACKOFF) {
		gm_dequeue(t, slot);
		f->word &= ~GM_W_FAILURES;
		gm_join(t, slot);
	}
	f->word &= ~(GM_W_FAILURES | GM_W_UNAVAILABLE);
	if (word & GM_W_UNAVAILABLE) {
		t->unavailable--;
		/* Not of one that may be hidden by a single fault. */
		if (likely(!t->twins || !gm_is_member(f)))
			gm_note(t, f->address, gm_state(f), gm_state(f),
				GRID_MISSING_WHY_RETRIED);
	}
	return (word & (GM_W_UNAVAILABLE | GM_W_FAILURES)) ||
	       pos == GM_POS_HELD;
}

/*
 * Enqueue (T2, T3, T4).
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
}

/* @sum is enqueued on a fault that is there. */
static int gm_again(struct gm_tracker *t, u32 slot, const struct gm_key *k,
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

static void gm_sweep_slice(struct gm_tracker *t);

/* What a sweep has not reached yet doesn't count: do some of it. */
static noinline int gm_full(struct gm_tracker *t)
{
	if (gm_sweeping(t))
		gm_sweep_slice(t);
	if (t->single < t->limits.blocks_max)
		return 0;
	return gm_sweeping(t) ? -EAGAIN : -ENOSPC;
}

static inline int gm_enqueue_key(struct gm_tracker *t, const struct gm_key *k,
				 const struct grid_missing_checksum *sum,
				 u8 why)
{
	u32 slot = gm_get(t, k);

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
		gm_insert_twin(t, k, slot);
	gm_note(t, k->address, GRID_MISSING_STATE_GONE,
		GRID_MISSING_STATE_WAITING, why);
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
	int r;

	GM_LOCK(t, flags);
	r = __gm_enqueue_block(t, address, sum, why);
	GM_UNLOCK(t, flags);
	return r;
}

/* A single fault becomes @member and keeps its state (T4). */
static void gm_promote(struct gm_tracker *t, u32 slot, u32 member)
{
	gm_enter(t, slot, member);
	t->single--;
	t->members_count++;
}

static u32 gm_table_alloc(struct gm_tracker *t)
{
	u32 s = t->tables_free;

	if (s != GM_NIL)
		t->tables_free = t->tables[s].next;
	else if (t->tables_used < t->limits.tables_max)
		s = t->tables_used++;
	return s;
}

static void gm_table_free(struct gm_tracker *t, u32 s)
{
	if (t->tables[s].born)
		t->sweep.born--;
	t->tables[s].born = false;
	t->tables[s].state = 0;
	t->tables[s].next = t->tables_free;
	t->tables_free = s;
}

/* A new table joins the active ones. */
static void gm_table_add(struct gm_tracker *t, u32 s)
{
	struct gm_table *tab = &t->tables[s];
	u32 *chain = gm_table_chain(t, tab->address);

	tab->hash_next = *chain;
	*chain = s;
	tab->prev = t->active_tail;
	if (t->active_tail == GM_NIL)
		t->active_head = s;
	else
		t->tables[t->active_tail].next = s;
	t->active_tail = s;
	t->tables_active++;
	t->tables_count++;
}

static int gm_enqueue_table_key(struct gm_tracker *t, const struct gm_key *k,
				const struct grid_missing_checksum *sum)
{
	struct gm_table *tab;
	struct gm_fault *f;
	u32 slot, s;

	/* The jump's target decides about tables: they come after it. */
	if (t->jump)
		return -EBUSY;

	tab = gm_table_find(t, k->address);
	if (tab) {
		if (tab->index != GM_NIL) {
			if (unlikely(t->special))
				gm_get_special(t, k, NULL);
			return gm_again(t, tab->index, k, sum);
		}
		if (sum && tab->has_sum && !gm_same_sum(tab->sum, sum))
			return -ESTALE;
		return GM_DUPLICATE;
	}

	slot = gm_get(t, k);
	if (slot != GM_NIL) {
		f = &t->faults[slot];
		if (gm_pos(f) == GM_POS_ABORTING)
			return -EBUSY;
		if (!gm_is_single(f))
			return -EEXIST;
		if (sum && (f->word & GM_W_SUM) && !gm_same_sum(f->sum, sum))
			return -ESTALE;
	}
	s = gm_table_alloc(t);
	if (s == GM_NIL)
		return -ENOSPC;

	tab = &t->tables[s];
	*tab = (struct gm_table){
		.address = k->address,
		.index = GM_NIL,
		.next = GM_NIL,
		.state = GRID_MISSING_TABLE_INDEXING,
	};
	if (slot == GM_NIL) {
		slot = gm_insert(t, k, GM_INDEX | s, sum);
		if (slot == GM_NIL) {
			gm_table_free(t, s);
			return -EAGAIN;
		}
		gm_note(t, k->address, GRID_MISSING_STATE_GONE,
			GRID_MISSING_STATE_WAITING, GRID_MISSING_WHY_ENQUEUED);
	} else {
		gm_promote(t, slot, GM_INDEX | s);
		gm_again(t, slot, k, sum);
		f = &t->faults[slot];
		gm_note(t, k->address, gm_state(f), gm_state(f),
			GRID_MISSING_WHY_PROMOTED);
	}
	f = &t->faults[slot];
	if (f->word & GM_W_SUM) {
		memcpy(tab->sum, f->sum, sizeof(tab->sum));
		tab->has_sum = true;
	}
	tab->born = gm_born(t, k->address);
	gm_table_add(t, s);
	return GM_INSERTED;
}

/* gm_enqueue_table(), lock held. */
int __gm_enqueue_table(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum)
{
	struct gm_key k;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	return gm_enqueue_table_key(t, &k, sum);
}

/**
 * gm_enqueue_table() - track a whole table, by its index block (T3)
 * @t: tracker
 * @address: its index block
 * @sum: the index block's checksum, or NULL when nobody knows it
 *
 * A single fault at @address is promoted.
 *
 * Context: any.
 * Return: GM_INSERTED, also for a promotion; GM_DUPLICATE when a table with
 * this index is active; -ENOSPC when there is no table slot; -ESTALE; -EBUSY
 * when @address is aborting or a sync jump is open; -EEXIST when @address is a
 * value of an active table; -EAGAIN as for a block.
 */
int gm_enqueue_table(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum)
{
	unsigned long flags;
	int r;

	GM_LOCK(t, flags);
	r = __gm_enqueue_table(t, address, sum);
	GM_UNLOCK(t, flags);
	return r;
}

/* The keys of @n blocks, and what they will touch on its way to the cache. */
static void gm_fetch(struct gm_tracker *t, const struct grid_missing_block *v,
		     u32 n, struct gm_key *k, bool neighbours)
{
	u32 i, slot;

	for (i = 0; i < n; i++) {
		gm_key_init(t, v[i].address, &k[i]);
		prefetchw(&t->buckets[k[i].bucket]);
	}
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

static const struct grid_missing_checksum *
gm_block_sum(const struct grid_missing_block *v)
{
	return v->flags & GRID_MISSING_F_NO_CHECKSUM ? NULL : &v->checksum;
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
			gm_fetch(t, v, some, k, false);
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
 * Batches (T5).
 */

static inline void gm_fill(const struct gm_tracker *t, u32 slot,
			   struct grid_missing_fault *out)
{
	const struct gm_fault *f = &t->faults[slot];
	const u32 word = f->word;

	out->address = f->address;
	out->flags = (word & GM_W_READERS ? GRID_MISSING_F_READERS : 0) |
		     (word & GM_W_WANTED ? GRID_MISSING_F_WANTED : 0) |
		     (word & GM_W_UNAVAILABLE ? GRID_MISSING_F_UNAVAILABLE : 0);
	if (likely(word & GM_W_SUM)) {
		memcpy(out->checksum.bytes, f->sum, sizeof(f->sum));
	} else {
		memset(out->checksum.bytes, 0, sizeof(f->sum));
		out->flags |= GRID_MISSING_F_NO_CHECKSUM;
	}
	out->state = gm_state(f);
	out->cause = GRID_MISSING_CAUSE_BLOCK;
	out->failures = (word & GM_W_FAILURES) / GM_W_FAILURE;
	out->reserved0 = 0;
	out->table = 0;
	out->value_index = 0;
	out->reserved1 = 0;
	out->reserved2 = 0;
	if (likely(gm_is_single(f)))
		return;

	out->cause = GRID_MISSING_CAUSE_TABLE_VALUE;
	if (gm_is_index(f) || f->member == GM_ORPHAN_INDEX)
		out->cause = GRID_MISSING_CAUSE_TABLE_INDEX;
	if (!gm_is_member(f))
		return;
	if (unlikely(t->jump))
		out->flags |= GRID_MISSING_F_ASIDE;
	out->table = gm_table_of(t, f)->address;
	if (out->cause == GRID_MISSING_CAUSE_TABLE_VALUE)
		out->value_index = f->member % t->limits.table_values_max;
}

/*
 * The level whose back-off ends first, GM_NIL when there is none; *@ms: from
 * now, negative when it is over.
 */
static u32 gm_first_due(const struct gm_tracker *t, const struct gm_side *s,
			s64 *ms)
{
	u32 i, first = GM_NIL;

	for (i = 0; i < GM_LEVELS; i++) {
		s64 in;

		if (!s->backoff[i].count)
			continue;
		in = (s64)gm_backoff_ms[i] - gm_age(t, s->backoff[i].head);
		if (first == GM_NIL || in < *ms) {
			first = i;
			*ms = in;
		}
	}
	return first;
}

/*
 * Those whose back-off is over join the never-requested, longest overdue
 * first; no more than could be handed out now.
 */
static void gm_end_backoff(struct gm_tracker *t, struct gm_side *s, u32 max)
{
	u32 level, slot;
	s64 ms;

	while (max--) {
		level = gm_first_due(t, s, &ms);
		if (level == GM_NIL || ms > 0)
			return;
		slot = s->backoff[level].head;
		if (unlikely(t->special) && gm_settle(t, slot))
			continue;
		gm_unlink(t, &s->backoff[level], slot);
		gm_join(t, slot);
	}
}

/* How many of @want could be handed out. */
static u32 gm_eligible(const struct gm_tracker *t, const struct gm_queue *never,
		       const struct gm_queue *requested, u32 want, u32 min_age)
{
	u32 n = min(never->count, want), slot;

	if (n == want || !requested->count)
		return n;
	if (gm_age(t, requested->tail) >= min_age && !t->unsorted)
		return min(want, n + requested->count);
	for (slot = requested->head; slot != GM_NIL && n < want; n++) {
		if (gm_age(t, slot) < min_age)
			break;
		slot = t->links[slot].next;
	}
	return n;
}

/*
 * Hand out @n from @slot on; returns the last of them.  They stay linked.
 * Read-ahead's wish has been fulfilled by that: what is wanted, but can't be
 * served, must not come before the others for ever.
 */
static inline u32 gm_hand_out(struct gm_tracker *t, u32 slot, u32 n,
			      enum gm_class cls,
			      struct grid_missing_fault **out)
{
	const u32 clear = GM_W_WHEN | GM_W_POS |
			  (cls == GM_CLASS_WANTED ? GM_W_WANTED : 0);
	const u32 now = t->now;
	u32 ahead = slot, last = slot, i;

	for (i = 0; i < 4 && ahead != GM_NIL; i++) {
		prefetchw(&t->faults[ahead]);
		ahead = t->links[ahead].next;
	}
	while (n--) {
		struct gm_fault *f = &t->faults[slot];

		if (ahead != GM_NIL) {
			prefetchw(&t->faults[ahead]);
			ahead = t->links[ahead].next;
		}
		gm_fill(t, slot, (*out)++);
		f->word = (f->word & ~clear) | GM_POS_REQUESTED |
			  now << GM_W_WHEN_SHIFT;
		t->when_hi[slot] = now >> 16;
		last = slot;
		slot = t->links[slot].next;
	}
	return last;
}

/* Take the run of @n from @first to @last out of @q. */
static void gm_cut(struct gm_tracker *t, struct gm_queue *q, u32 first,
		   u32 last, u32 n)
{
	u32 prev = t->links[first].prev, next = t->links[last].next;

	if (prev == GM_NIL)
		q->head = next;
	else
		t->links[prev].next = next;
	if (next == GM_NIL)
		q->tail = prev;
	else
		t->links[next].prev = prev;
	q->count -= n;
}

static u32 gm_random(struct gm_tracker *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random >> 32;
}

/*
 * Where to begin in a requested queue.  At its head, the one requested longest
 * ago; but two helpers that call in turn, with a number of faults that fits,
 * would each get the same ones for ever, and those that only the other's
 * replica has would never be repaired.  So remember a fault that began a
 * batch.  When it has begun the next two times round as well, the boundaries
 * between batches stand still: shift them once, by leaving some of the oldest,
 * at random, to the next call.
 */
static u32 gm_begin(struct gm_tracker *t, struct gm_queue *q, u32 n,
		    u32 min_age)
{
	u32 slot = q->head, skip, i;

	q->since += n;
	if (q->mark == GM_NIL || q->since / 2 > q->count) {
		q->mark = slot;
		q->aligned = 0;
		q->since = 0;
		return slot;
	}
	if (slot != q->mark)
		return slot;
	q->since = 0;
	if (++q->aligned < 2 || q->count <= n || gm_sweeping(t))
		return slot;
	q->mark = GM_NIL;
	skip = 1 + (u32)(((u64)gm_random(t) * min(n, q->count - n)) >> 32);
	for (i = 0; i < skip; i++)
		slot = t->links[slot].next;
	/* As many must be old enough as without the shift. */
	for (i = 0, skip = slot; i < n; i++) {
		if (gm_age(t, skip) < min_age)
			return q->head;
		skip = t->links[skip].next;
	}
	return slot;
}

struct gm_run {
	u32 first;
	u32 last;
	u32 count;
};

/*
 * Hand out @n of a class; so many are eligible.  They leave their queues: the
 * never-requested in @run[0], the requested in @run[1].
 */
static void gm_take(struct gm_tracker *t, struct gm_side *s, enum gm_class cls,
		    u32 n, u32 min_age, struct gm_run *run,
		    struct grid_missing_fault **out)
{
	struct gm_queue *q = &s->never[cls];

	run[0].count = min(n, q->count);
	if (run[0].count) {
		run[0].first = q->head;
		run[0].last = gm_hand_out(t, q->head, run[0].count, cls, out);
		gm_cut(t, q, run[0].first, run[0].last, run[0].count);
	}
	q = &s->requested[cls];
	run[1].count = n - run[0].count;
	if (run[1].count) {
		run[1].first = gm_begin(t, q, run[1].count, min_age);
		run[1].last =
			gm_hand_out(t, run[1].first, run[1].count, cls, out);
		gm_cut(t, q, run[1].first, run[1].last, run[1].count);
	}
}

/*
 * During a sweep: finish what is pending among the first @max of a queue.
 * Returns how many at its head are sure to stay.
 */
static u32 gm_settle_head(struct gm_tracker *t, struct gm_queue *q, u32 max,
			  int *budget)
{
	u32 slot = q->head, sure = 0;

	while (slot != GM_NIL && sure < max && (*budget)-- > 0) {
		u32 prev = t->links[slot].prev;

		if (!gm_settle(t, slot)) {
			sure++;
			slot = t->links[slot].next;
		} else {
			slot = prev == GM_NIL ? q->head : t->links[prev].next;
		}
	}
	return sure;
}

/**
 * gm_next_batch() - what should be repaired next (T5)
 * @t: tracker
 * @max: room in @out
 * @min_age: leave out what was handed out less than that ago (ms)
 * @now: time in ms
 * @out: filled in, in the order they should be repaired
 *
 * Those with parked readers come first, but fill at most half of the batch
 * while others wait (an odd place goes to either in turn); then those that
 * read-ahead has wanted since they were handed out last; then the rest.  In
 * each of these: never-requested, then requested longest ago.
 *
 * Cost: O(@max).  During a sweep it may return less than there is.
 *
 * Context: any.
 * Return: how many.
 */
u32 gm_next_batch(struct gm_tracker *t, u32 max, u32 min_age, u64 now,
		  struct grid_missing_fault *out)
{
	static const u8 class_after[GM_CLASSES] = {
		[GM_CLASS_READERS] = GM_CLASS_READERS,
		[GM_CLASS_WANTED] = GM_CLASS_NORMAL,
		[GM_CLASS_NORMAL] = GM_CLASS_NORMAL,
	};
	struct grid_missing_fault *begin = out;
	u32 n[GM_CLASSES], others, share, i, j;
	struct gm_run run[GM_CLASSES][2];
	int budget = GM_SLICE;
	unsigned long flags;
	struct gm_side *s;

	if (!max)
		return 0;
	GM_LOCK(t, flags);
	gm_tick(t, now);
	s = &t->side[t->jump];
	gm_end_backoff(t, s, max);
	for (i = 0; i < GM_CLASSES; i++) {
		u32 want = max;

		if (unlikely(gm_sweeping(t))) {
			u32 sure =
				gm_settle_head(t, &s->never[i], max, &budget);

			/* Behind an unsure one nothing is. */
			if (sure == s->never[i].count)
				sure += gm_settle_head(t, &s->requested[i], max,
						       &budget);
			want = min(max, sure);
		}
		n[i] = gm_eligible(t, &s->never[i], &s->requested[i], want,
				   min_age);
	}

	others = min(max, n[GM_CLASS_WANTED] + n[GM_CLASS_NORMAL]);
	if (n[GM_CLASS_READERS] > max - others) {
		share = max / 2;
		if ((max & 1) && n[GM_CLASS_READERS] > share &&
		    others > share) {
			share += !t->readers_odd;
			t->readers_odd = !t->readers_odd;
		}
		n[GM_CLASS_READERS] =
			min(n[GM_CLASS_READERS], max(share, max - others));
	}
	n[GM_CLASS_WANTED] = min(n[GM_CLASS_WANTED], max - n[GM_CLASS_READERS]);
	n[GM_CLASS_NORMAL] =
		min(n[GM_CLASS_NORMAL],
		    max - n[GM_CLASS_READERS] - n[GM_CLASS_WANTED]);
	for (i = 0; i < GM_CLASSES; i++)
		gm_take(t, s, i, n[i], min_age, run[i], &out);
	for (i = 0; i < GM_CLASSES; i++) {
		struct gm_queue *q = &s->requested[class_after[i]];

		for (j = 0; j < 2; j++)
			if (run[i][j].count)
				gm_append(t, q, run[i][j].first, run[i][j].last,
					  run[i][j].count);
	}
	GM_UNLOCK(t, flags);
	return out - begin;
}

/**
 * gm_next_due() - when would gm_next_batch() return something?
 * @t: tracker
 * @min_age: as for gm_next_batch()
 * @now: likewise
 *
 * During a sweep it may be too early.
 *
 * Context: any.
 * Return: in how many ms; 0 for now; GM_NEVER when nothing waits that could
 * be handed out.
 */
u64 gm_next_due(struct gm_tracker *t, u32 min_age, u64 now)
{
	unsigned long flags;
	struct gm_side *s;
	u64 due = GM_NEVER;
	s64 ms;
	u32 i;

	GM_LOCK(t, flags);
	gm_tick(t, now);
	s = &t->side[t->jump];
	if (gm_first_due(t, s, &ms) != GM_NIL)
		due = max_t(s64, ms, 0);
	for (i = 0; i < GM_CLASSES; i++) {
		u32 age;

		if (s->never[i].count)
			due = 0;
		if (!s->requested[i].count)
			continue;
		age = gm_age(t, s->requested[i].head);
		due = min_t(u64, due, age >= min_age ? 0 : min_age - age);
	}
	GM_UNLOCK(t, flags);
	return due;
}

/*
 * Repair (T6).
 */

static inline int gm_commence_key(struct gm_tracker *t, const struct gm_key *k,
				  const struct grid_missing_checksum *sum,
				  u32 owner, u64 now)
{
	u32 slot = gm_get(t, k);
	struct gm_fault *f;

	if (unlikely(slot == GM_NIL))
		return -ENOENT;
	f = &t->faults[slot];
	if (unlikely(!gm_sum_fits(f, sum)))
		return -ESTALE;
	if (unlikely(!gm_is_waiting(f)))
		return -EBUSY;
	if (gm_is_member(f)) {
		struct gm_table *tab = gm_table_of(t, f);

		/* Should a checkpoint abort them all, there must be room. */
		if (t->members_writing + t->orphans >= t->reserve)
			return -EAGAIN;
		tab->writing++;
		t->members_writing++;
	}
	gm_dequeue(t, slot);
	gm_set_pos(f, GM_POS_WRITING);
	t->links[slot].prev = owner;
	t->links[slot].next = now;
	t->waiting--;
	t->writing++;
	gm_note(t, k->address, GRID_MISSING_STATE_WAITING,
		GRID_MISSING_STATE_WRITING, GRID_MISSING_WHY_COMMENCED);
	return 0;
}

/**
 * gm_repair_commence() - a block's data is about to be written
 * @t: tracker
 * @address: the block
 * @sum: checksum of the data; NULL only for a fault without one
 * @owner: who writes
 * @now: time in ms, for gm_revert_older()
 *
 * Context: any.
 * Return: 0; -ENOENT; -ESTALE; -EBUSY when it is not waiting; -EAGAIN when too
 * many tables' blocks are being written, or aborting, at once.
 */
int gm_repair_commence(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u32 owner,
		       u64 now)
{
	unsigned long flags;
	struct gm_key k;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_commence_key(t, &k, sum, owner, now);
	GM_UNLOCK(t, flags);
	return r;
}

/* The fault that @owner is writing at @k; @any_sum: don't compare checksums. */
static inline int gm_get_writing(struct gm_tracker *t, const struct gm_key *k,
				 const struct grid_missing_checksum *sum,
				 bool any_sum, u32 owner, u32 *slot)
{
	struct gm_fault *f;

	*slot = gm_get(t, k);
	if (unlikely(*slot == GM_NIL))
		return -ENOENT;
	f = &t->faults[*slot];
	if (unlikely(!any_sum && !gm_sum_fits(f, sum)))
		return -ESTALE;
	if (unlikely(gm_pos(f) < GM_POS_WRITING))
		return -EINVAL;
	if (unlikely(t->links[*slot].prev != owner))
		return -EBUSY;
	return 0;
}

/* Undo the first @n of gm_enqueue_values(), newest first. */
static void gm_dequeue_values(struct gm_tracker *t, u32 base, u32 n)
{
	while (n--) {
		u32 cell = t->members[base + n], slot = cell & ~GM_MARKS;
		struct gm_fault *f = &t->faults[slot];
		struct gm_table *tab = gm_table_of(t, f);
		struct gm_key k;

		t->members[base + n] = GM_NIL;
		tab->left--;
		if (cell & GM_MARK_INSERTED) {
			gm_key_init(t, f->address, &k);
			gm_erase(t, slot, &k);
			continue;
		}
		if (gm_pos(f) == GM_POS_WRITING) {
			tab->writing--;
			t->members_writing--;
		}
		if (cell & GM_MARK_ADOPTED)
			f->word &= ~GM_W_SUM;
		f->member = GM_SINGLE;
		t->single++;
		t->members_count--;
	}
}

static int gm_enqueue_value(struct gm_tracker *t, u32 member,
			    const struct gm_key *k,
			    const struct grid_missing_checksum *sum)
{
	u32 slot = gm_get(t, k), mark = 0;
	struct gm_fault *f;

	if (likely(slot == GM_NIL)) {
		slot = gm_insert(t, k, member, sum);
		if (unlikely(slot == GM_NIL))
			return -EAGAIN;
		t->members[member] = slot | GM_MARK_INSERTED;
		return 0;
	}
	f = &t->faults[slot];
	if (gm_pos(f) == GM_POS_ABORTING)
		return -EBUSY;
	/* Another table's, or this one's: twice in the list. */
	if (!gm_is_single(f))
		return -EEXIST;
	if (!(f->word & GM_W_SUM)) {
		gm_copy_sum(f->sum, sum);
		f->word |= GM_W_SUM;
		mark = GM_MARK_ADOPTED;
	} else if (!gm_same_sum(f->sum, sum)) {
		return -ESTALE;
	}
	gm_promote(t, slot, member);
	t->members[member] = slot | mark;
	return 0;
}

/* All values of a table whose index has been written, or none. */
static int gm_enqueue_values(struct gm_tracker *t, u32 base,
			     const struct grid_missing_value *v, u32 n)
{
	struct gm_key k[GM_AHEAD];
	u32 i, j, some;
	int r;

	for (i = 0; i < n; i += some) {
		some = min_t(u32, n - i, GM_AHEAD);
		for (j = 0; j < some; j++) {
			gm_key_init(t, v[i + j].address, &k[j]);
			prefetchw(&t->buckets[k[j].bucket]);
		}
		for (j = 0; j < some; j++) {
			r = gm_enqueue_value(t, base + i + j, &k[j],
					     &v[i + j].checksum);
			if (unlikely(r)) {
				gm_dequeue_values(t, base, i + j);
				return r;
			}
		}
	}

	for (i = 0; i < n; i++) {
		u32 cell = t->members[base + i];
		struct gm_fault *f;

		t->members[base + i] = cell & ~GM_MARKS;
		if (likely(cell & GM_MARK_INSERTED)) {
			gm_note(t, v[i].address, GRID_MISSING_STATE_GONE,
				GRID_MISSING_STATE_WAITING,
				GRID_MISSING_WHY_ENQUEUED);
			continue;
		}
		f = &t->faults[cell & ~GM_MARKS];
		gm_note(t, v[i].address, gm_state(f), gm_state(f),
			GRID_MISSING_WHY_PROMOTED);
		if (f->word & GM_W_UNAVAILABLE)
			gm_retry_slot(t, cell & ~GM_MARKS);
	}
	return 0;
}

static inline int gm_complete_key(struct gm_tracker *t, const struct gm_key *k,
				  const struct grid_missing_checksum *sum,
				  u32 owner,
				  const struct grid_missing_value *values,
				  u32 n, bool *unverified)
{
	struct gm_table *tab;
	struct gm_fault *f;
	u32 slot, base;
	int r;

	r = gm_get_writing(t, k, sum, false, owner, &slot);
	if (unlikely(r))
		return r;
	f = &t->faults[slot];
	*unverified = !(f->word & GM_W_SUM);
	if (unlikely(gm_pos(f) == GM_POS_ABORTING)) {
		gm_remove_key(t, slot, gm_abort_why(f), k);
		return -ECANCELED;
	}
	if (likely(!gm_is_index(f))) {
		if (unlikely(n))
			return -EINVAL;
		gm_remove_key(t, slot, GRID_MISSING_WHY_REPAIRED, k);
		return 0;
	}

	if (!values)
		return -EINVAL;
	if (n > t->limits.table_values_max)
		return -E2BIG;
	tab = gm_table_of(t, f);
	base = (u32)(tab - t->tables) * t->limits.table_values_max;
	r = gm_enqueue_values(t, base, values, n);
	if (r)
		return r;
	tab->values = n;
	tab->state = GRID_MISSING_TABLE_FILLING;
	gm_remove_key(t, slot, GRID_MISSING_WHY_REPAIRED, k);
	return 0;
}

/**
 * gm_enqueue_values_of() - track a table whose index block is good
 * @t: tracker
 * @address: its index block
 * @sum: the index block's checksum, or NULL when nobody knows it
 * @values: those of its values that are missing
 * @n: how many
 *
 * What gm_enqueue_table() and the completion of the index would come to, all in
 * one step: the values are enqueued, or promoted.
 *
 * Context: any.
 * Return: GM_INSERTED; GM_DUPLICATE when the table is active and its index was
 * written.  What follows changes nothing: -EBUSY when the index block is
 * missing, a value is aborting or a sync jump is open; -ESTALE; -ENOSPC when
 * there is no table slot; -EINVAL without values; -E2BIG; -EEXIST when a value
 * is the index block, another active table's, or twice in the list; -EAGAIN as
 * for a block.
 */
int gm_enqueue_values_of(struct gm_tracker *t, u64 address,
			 const struct grid_missing_checksum *sum,
			 const struct grid_missing_value *values, u32 n)
{
	struct gm_table *tab;
	unsigned long flags;
	struct gm_key k;
	u32 s, i;
	int r;

	if (!n)
		return -EINVAL;
	if (n > t->limits.table_values_max)
		return -E2BIG;
	for (i = 0; i < n; i++)
		if (values[i].address == address)
			return -EEXIST;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = -EBUSY;
	if (t->jump || gm_get(t, &k) != GM_NIL)
		goto out_unlock;
	tab = gm_table_find(t, address);
	if (tab) {
		r = GM_DUPLICATE;
		if (sum && tab->has_sum && !gm_same_sum(tab->sum, sum))
			r = -ESTALE;
		goto out_unlock;
	}
	r = -ENOSPC;
	s = gm_table_alloc(t);
	if (s == GM_NIL)
		goto out_unlock;
	tab = &t->tables[s];
	*tab = (struct gm_table){
		.address = address,
		.index = GM_NIL,
		.next = GM_NIL,
		.values = n,
		.state = GRID_MISSING_TABLE_FILLING,
	};
	if (sum) {
		gm_copy_sum(tab->sum, sum);
		tab->has_sum = true;
	}
	/* Before its values come: what would take it is not to take them. */
	tab->born = gm_born(t, address);
	r = gm_enqueue_values(t, s * t->limits.table_values_max, values, n);
	if (r)
		gm_table_free(t, s);
	else
		gm_table_add(t, s);
out_unlock:
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_repair_complete() - a block's data has been written
 * @t: tracker
 * @address: the block
 * @sum: checksum of the data; NULL only for a fault without one
 * @owner: who commenced
 * @values: an index block's values, else NULL
 * @n: how many; 0 with @values is a table without values
 *
 * The fault is gone.  An index's values are enqueued, or promoted where they
 * are single faults, all in one step.
 *
 * Context: any.
 * Return: 0; -ECANCELED when the fault was aborting: it is gone now, and
 * @values were not looked at.  What follows changes nothing: -ENOENT;
 * -ESTALE, also when another checksum was enqueued while a block without one
 * was being written (then it has to be reverted); -EINVAL when it is not being
 * written, or with values that don't fit the cause; -EBUSY when another owner
 * writes it, or a value is aborting; -E2BIG; -EEXIST when a value is another
 * active table's or twice in the list; -EAGAIN when more writes of former
 * tables are under way than the tracker has room for.
 */
int gm_repair_complete(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u32 owner,
		       const struct grid_missing_value *values, u32 n)
{
	unsigned long flags;
	bool unverified;
	struct gm_key k;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_complete_key(t, &k, sum, owner, values, n, &unverified);
	GM_UNLOCK(t, flags);
	return r;
}

/* Writing to waiting, the caller decides where. */
static void gm_stop_writing(struct gm_tracker *t, struct gm_fault *f)
{
	if (gm_is_member(f)) {
		gm_table_of(t, f)->writing--;
		t->members_writing--;
	}
	t->writing--;
	t->waiting++;
}

static void gm_revert_slot(struct gm_tracker *t, u32 slot)
{
	struct gm_fault *f = &t->faults[slot];

	gm_stop_writing(t, f);
	gm_join(t, slot);
	gm_note(t, f->address, GRID_MISSING_STATE_WRITING,
		GRID_MISSING_STATE_WAITING, GRID_MISSING_WHY_REVERTED);
}

static int gm_failed_key(struct gm_tracker *t, const struct gm_key *k,
			 const struct grid_missing_checksum *sum, u32 owner,
			 u64 now)
{
	struct gm_fault *f;
	u32 slot;
	int r;

	/*
	 * A checksum may have been adopted since the write began.  The kernel
	 * knows what it commenced, and its writes must not get stuck.
	 */
	r = gm_get_writing(t, k, sum, owner == GM_OWNER_KERNEL, owner, &slot);
	if (r)
		return r;
	f = &t->faults[slot];
	if (gm_pos(f) == GM_POS_ABORTING) {
		gm_remove_key(t, slot, gm_abort_why(f), k);
		return -ECANCELED;
	}
	gm_tick(t, now);
	gm_stop_writing(t, f);
	if ((f->word & GM_W_FAILURES) != GM_W_FAILURES)
		f->word += GM_W_FAILURE;
	gm_set_pos(f, GM_POS_BACKOFF);
	gm_set_when(t, slot, t->now);
	gm_push(t, gm_queue(t, f), slot);
	gm_note(t, k->address, GRID_MISSING_STATE_WRITING,
		GRID_MISSING_STATE_WAITING, GRID_MISSING_WHY_WRITE_FAILED);
	return 0;
}

/**
 * gm_repair_failed() - a block's data could not be written
 * @t: tracker
 * @address: the block
 * @sum: as for gm_repair_complete(); not looked at for GM_OWNER_KERNEL
 * @owner: who commenced
 * @now: time in ms
 *
 * The fault waits again.  It is not handed out for 1 s, twice that after each
 * further failure, at most for 60 s.
 *
 * Context: any.
 * Return: 0; -ECANCELED when it was aborting and is gone now; -ENOENT;
 * -ESTALE; -EINVAL when it is not being written; -EBUSY when another owner
 * writes it.
 */
int gm_repair_failed(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum, u32 owner,
		     u64 now)
{
	unsigned long flags;
	struct gm_key k;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_failed_key(t, &k, sum, owner, now);
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_repair_revert() - give up a write that was commenced
 * @t: tracker
 * @address: the block
 * @owner: who commenced
 *
 * Context: any.
 * Return: 0: it waits again, without back-off; -ECANCELED when it was aborting
 * and is gone now; -ENOENT; -EINVAL when it is not being written; -EBUSY when
 * another owner writes it.
 */
int gm_repair_revert(struct gm_tracker *t, u64 address, u32 owner)
{
	unsigned long flags;
	struct gm_key k;
	u32 slot;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_get_writing(t, &k, NULL, true, owner, &slot);
	if (!r && gm_pos(&t->faults[slot]) == GM_POS_ABORTING) {
		gm_remove_key(t, slot, gm_abort_why(&t->faults[slot]), &k);
		r = -ECANCELED;
	} else if (!r) {
		gm_revert_slot(t, slot);
	}
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_repair_commence_vector() - gm_repair_commence() for many blocks
 * @t: tracker
 * @v: which; flag GRID_MISSING_F_NO_CHECKSUM; results in the elements
 * @n: how many
 * @owner: who writes
 * @now: time in ms
 *
 * Context: any.
 */
void gm_repair_commence_vector(struct gm_tracker *t,
			       struct grid_missing_block *v, u32 n, u32 owner,
			       u64 now)
{
	struct gm_key k[GM_AHEAD];
	unsigned long flags;
	u32 i, j, some;

	while (n) {
		GM_LOCK(t, flags);
		for (j = 0; j < GM_VECTOR && n; j += some) {
			some = min_t(u32, n, GM_AHEAD);
			gm_fetch(t, v, some, k, true);
			for (i = 0; i < some; i++, v++) {
				if (v->flags & ~GRID_MISSING_F_NO_CHECKSUM)
					v->result = -EINVAL;
				else
					v->result = gm_commence_key(
						t, &k[i], gm_block_sum(v),
						owner, now);
			}
			n -= some;
		}
		GM_UNLOCK(t, flags);
	}
}

/**
 * gm_repair_complete_vector() - gm_repair_complete() for many blocks
 * @t: tracker
 * @v: which; flags GRID_MISSING_F_NO_CHECKSUM and, for gm_repair_failed(),
 *	GRID_MISSING_F_FAILED; results in the elements, and afterwards
 *	GRID_MISSING_F_NO_CHECKSUM where the fault had no checksum of its own
 * @n: how many
 * @owner: who commenced
 * @now: time in ms
 *
 * An index answers -EINVAL, unless it failed or is aborting.
 *
 * Context: any.
 */
void gm_repair_complete_vector(struct gm_tracker *t,
			       struct grid_missing_block *v, u32 n, u32 owner,
			       u64 now)
{
	struct gm_key k[GM_AHEAD];
	unsigned long flags;
	bool unverified;
	u32 i, j, some;

	while (n) {
		GM_LOCK(t, flags);
		for (j = 0; j < GM_VECTOR && n; j += some) {
			some = min_t(u32, n, GM_AHEAD);
			gm_fetch(t, v, some, k, false);
			for (i = 0; i < some; i++, v++) {
				if (v->flags & ~(GRID_MISSING_F_NO_CHECKSUM |
						 GRID_MISSING_F_FAILED)) {
					v->result = -EINVAL;
					continue;
				}
				if (v->flags & GRID_MISSING_F_FAILED) {
					v->result = gm_failed_key(
						t, &k[i], gm_block_sum(v),
						owner, now);
					continue;
				}
				unverified = false;
				v->result = gm_complete_key(t, &k[i],
							    gm_block_sum(v),
							    owner, NULL, 0,
							    &unverified);
				if (unverified)
					v->flags |= GRID_MISSING_F_NO_CHECKSUM;
			}
			n -= some;
		}
		GM_UNLOCK(t, flags);
	}
}

/* Revert what is being written by @owner, or since before *@older_than. */
static u64 gm_revert(struct gm_tracker *t, u32 owner, const u64 *older_than)
{
	unsigned long flags;
	u32 slot = 0;
	u64 n = 0;

	for (;;) {
		int budget = GM_SLICE;

		GM_LOCK(t, flags);
		while (budget-- > 0) {
			slot = gm_slot_skip(t, slot, t->used, &budget);
			if (slot >= t->used || !t->writing)
				break;
			if (gm_pos(&t->faults[slot]) == GM_POS_WRITING) {
				const struct gm_link l = t->links[slot];
				bool match = l.prev == owner;

				if (older_than)
					match = l.prev != GM_OWNER_KERNEL &&
						(s32)((u32)*older_than -
						      l.next) > 0;
				if (match && !gm_settle(t, slot)) {
					gm_revert_slot(t, slot);
					n++;
				}
			}
			slot++;
		}
		if (slot >= t->used || !t->writing)
			break;
		GM_UNLOCK(t, flags);
		gm_pause();
	}
	GM_UNLOCK(t, flags);
	return n;
}

/**
 * gm_revert_owner() - what an owner was writing waits again (T11)
 * @t: tracker
 * @owner: who went away; nothing is commenced in its name meanwhile
 *
 * Context: may sleep.
 * Return: how many faults.
 */
u64 gm_revert_owner(struct gm_tracker *t, u32 owner)
{
	return gm_revert(t, owner, NULL);
}

/**
 * gm_revert_older() - what takes too long waits again (U3)
 * @t: tracker
 * @older_than: time in ms; what was commenced before it, by any owner but the
 *	kernel, is reverted.  Not further back than 24 days.
 *
 * Context: may sleep.
 * Return: how many faults.
 */
u64 gm_revert_older(struct gm_tracker *t, u64 older_than)
{
	return gm_revert(t, GM_OWNER_KERNEL, &older_than);
}

/**
 * __gm_supersede() - a block became good by other means (T15)
 * @t: tracker
 * @address: the block
 *
 * A table whose index was not read yet is cancelled.  During a sync jump also
 * what was set aside at @address is done.
 *
 * Context: lock held, any context.
 * Return: 0; -ENOENT; -EBUSY while it is being written or aborting.
 */
int __gm_supersede(struct gm_tracker *t, u64 address)
{
	u32 slot, aside = GM_NIL;
	struct gm_key k;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	if (likely(!t->special))
		slot = gm_lookup(t, &k);
	else
		slot = gm_get_special(t, &k, &aside);
	if (slot == GM_NIL && aside == GM_NIL)
		return -ENOENT;
	if (slot != GM_NIL && !gm_is_waiting(&t->faults[slot]))
		return -EBUSY;
	if (aside != GM_NIL)
		gm_remove_key(t, aside, GRID_MISSING_WHY_SUPERSEDED, &k);
	if (slot != GM_NIL)
		gm_remove_key(t, slot, GRID_MISSING_WHY_SUPERSEDED, &k);
	return 0;
}

int gm_supersede(struct gm_tracker *t, u64 address)
{
	unsigned long flags;
	int r;

	GM_LOCK(t, flags);
	r = __gm_supersede(t, address);
	GM_UNLOCK(t, flags);
	return r;
}

/*
 * Sweeps (T8, T11, T12).
 */

static void gm_sweep_end(struct gm_tracker *t, int result)
{
	struct gm_sweep *sw = &t->sweep;

	if (!t->jump)
		t->twins_gone = false;
	*sw->result = result;
	sw->result = NULL;
	sw->set = NULL;
	sw->list = NULL;
	sw->kind = GM_SWEEP_NONE;
	t->special = t->jump;
}

static void gm_sweep_phase(struct gm_tracker *t, enum gm_sweep_phase phase)
{
	struct gm_sweep *sw = &t->sweep;

	sw->phase = phase;
	sw->address = 0;
	sw->slot = 0;
	sw->slots_end = t->used;
	sw->table = 0;
	if (phase == GM_PHASE_TABLES && sw->kind != GM_SWEEP_LAND)
		sw->table = t->active_head;
	sw->member = 0;
}

static void gm_sweep_check(struct gm_tracker *t, int *budget)
{
	struct gm_sweep *sw = &t->sweep;
	u32 other, member;
	struct gm_key k;

	while ((*budget)-- > 0) {
		sw->slot = gm_slot_skip(t, sw->slot, sw->slots_end, budget);
		if (sw->slot >= sw->slots_end || sw->conflict || !t->twins)
			break;
		if (gm_state(&t->faults[sw->slot]) &&
		    gm_is_single(&t->faults[sw->slot])) {
			gm_key_init(t, t->faults[sw->slot].address, &k);
			gm_lookup_both(t, &k, &other, &member);
			if (other != GM_NIL && member != GM_NIL)
				sw->conflict =
					gm_pair_conflict(t, other, member);
		}
		sw->slot++;
	}
	if (sw->slot < sw->slots_end && !sw->conflict && t->twins)
		return;
	if (sw->conflict) {
		gm_sweep_phase(t, GM_PHASE_CLEAR);
		return;
	}
	/* From here on the jump is over. */
	t->jump = false;
	gm_join_sides(t);
	gm_sweep_phase(t, GM_PHASE_TABLES);
}

static void gm_sweep_tables(struct gm_tracker *t, int *budget)
{
	struct gm_sweep *sw = &t->sweep;

	if (sw->kind == GM_SWEEP_LAND) {
		/* What is listed is pending: finding it cancels it. */
		while ((*budget)-- > 0 && sw->table < sw->list_count)
			gm_table_find(t, sw->list[sw->table++]);
		if (sw->table == sw->list_count)
			gm_sweep_phase(t, GM_PHASE_DYING);
		return;
	}
	while ((*budget)-- > 0 && sw->table != GM_NIL) {
		struct gm_table *tab = &t->tables[sw->table];

		/* This moves on by itself. */
		if (gm_table_pending(t, tab))
			gm_table_retire(t, tab, GRID_MISSING_TABLE_CANCELLED);
		else
			sw->table = tab->next;
	}
	if (sw->table == GM_NIL)
		gm_sweep_phase(t, sw->by_set ? GM_PHASE_SET : GM_PHASE_SLOTS);
}

/* The faults and tables of up to GM_AHEAD members of the set. */
static void gm_sweep_set(struct gm_tracker *t, int *budget)
{
	struct gm_sweep *sw = &t->sweep;
	struct gm_key k[GM_AHEAD];
	bool found = true;
	u32 n = 0, i, slot;

	while (n < GM_AHEAD && n < *budget) {
		u64 address = sw->set->next(sw->set, sw->address, &found);

		if (!found)
			break;
		gm_key_init(t, address, &k[n]);
		prefetchw(&t->buckets[k[n].bucket]);
		n++;
		sw->address = address + 1;
		if (!sw->address) {
			found = false;
			break;
		}
	}
	for (i = 0; i < n; i++) {
		slot = gm_peek(t, &k[i]);
		if (slot == GM_NIL)
			continue;
		prefetchw(&t->faults[slot]);
		prefetchw(&t->links[slot]);
	}
	for (i = 0; i < n; i++) {
		struct gm_link l;

		slot = gm_peek(t, &k[i]);
		if (slot == GM_NIL)
			continue;
		l = t->links[slot];
		if (l.prev < t->slots)
			prefetchw(&t->links[l.prev]);
		if (l.next < t->slots)
			prefetchw(&t->links[l.next]);
	}
	for (i = 0; i < n; i++) {
		/* That it is in the set need not be tested. */
		slot = gm_lookup(t, &k[i]);
		if (slot != GM_NIL && !(t->faults[slot].word & GM_W_BORN) &&
		    gm_pos(&t->faults[slot]) != GM_POS_ABORTING)
			gm_take_pending(t, slot);
		if (t->tables_active)
			gm_table_find(t, k[i].address);
	}
	*budget -= n;
	if (!found)
		gm_sweep_phase(t, GM_PHASE_DYING);
}

static void gm_sweep_slots(struct gm_tracker *t, int *budget)
{
	struct gm_sweep *sw = &t->sweep;
	u32 pick[GM_AHEAD], n = 0, i;
	struct gm_key k;

	while (n < GM_AHEAD && (*budget)-- > 0) {
		u32 slot = gm_slot_skip(t, sw->slot, sw->slots_end, budget);
		const struct gm_fault *f = &t->faults[slot];

		sw->slot = slot;
		if (slot >= sw->slots_end)
			break;
		sw->slot++;
		if (gm_pos(f) == GM_POS_FREE)
			continue;
		if (sw->kind == GM_SWEEP_LAND) {
			gm_settle(t, slot);
			/* Its address was reported as gone, perhaps. */
			if (t->twins_gone && gm_is_member(f) &&
			    gm_is_waiting(f))
				gm_note(t, f->address, GRID_MISSING_STATE_GONE,
					GRID_MISSING_STATE_WAITING,
					GRID_MISSING_WHY_JUMPED);
			continue;
		}
		if (!gm_pending(t, slot))
			continue;
		gm_key_init(t, f->address, &k);
		prefetchw(&t->buckets[k.bucket]);
		if (t->links[slot].prev < t->slots)
			prefetchw(&t->links[t->links[slot].prev]);
		if (t->links[slot].next < t->slots)
			prefetchw(&t->links[t->links[slot].next]);
		pick[n++] = slot;
	}
	for (i = 0; i < n; i++)
		gm_take_pending(t, pick[i]);
	if (sw->slot >= sw->slots_end)
		gm_sweep_phase(t, sw->kind == GM_SWEEP_LAND ? GM_PHASE_CLEAR :
							      GM_PHASE_DYING);
}

static void gm_sweep_dying(struct gm_tracker *t, int *budget)
{
	struct gm_sweep *sw = &t->sweep;

	while (t->dying_head != GM_NIL && *budget > 0) {
		u32 s = t->dying_head, slot;
		struct gm_table *tab = &t->tables[s];
		u32 base = s * t->limits.table_values_max;

		if (tab->index != GM_NIL)
			gm_take_pending(t, tab->index);
		while (tab->left && sw->member < tab->values &&
		       (*budget)-- > 0) {
			slot = t->members[base + sw->member++];
			if (slot != GM_NIL)
				gm_take_pending(t, slot);
		}
		if (tab->left)
			return;
		(*budget)--;
		sw->member = 0;
		t->dying_head = tab->next;
		tab->next = GM_NIL;
		if (t->ended_head == GM_NIL)
			t->ended_head = s;
		else
			t->tables[t->ended_tail].next = s;
		t->ended_tail = s;
	}
	if (t->dying_head != GM_NIL)
		return;
	if (sw->kind == GM_SWEEP_LAND && (t->twins || t->twins_gone)) {
		gm_sweep_phase(t, GM_PHASE_SLOTS);
		return;
	}
	gm_sweep_phase(t, GM_PHASE_CLEAR);
}

/* What was born becomes ordinary; marks of listed tables go. */
static void gm_sweep_clear(struct gm_tracker *t, int *budget)
{
	struct gm_sweep *sw = &t->sweep;

	while ((sw->born || sw->kind == GM_SWEEP_LAND) && *budget > 0 &&
	       sw->table < t->tables_used) {
		struct gm_table *tab = &t->tables[sw->table++];

		tab->listed = false;
		if (tab->born) {
			tab->born = false;
			sw->born--;
		}
		(*budget)--;
	}
	while (sw->born && (*budget)-- > 0) {
		sw->slot = gm_slot_skip(t, sw->slot, sw->slots_end, budget);
		if (sw->slot >= sw->slots_end)
			break;
		if (t->faults[sw->slot].word & GM_W_BORN) {
			t->faults[sw->slot].word &= ~GM_W_BORN;
			sw->born--;
		}
		sw->slot++;
	}
	if (sw->born && sw->slot < sw->slots_end)
		return;
	if (sw->kind == GM_SWEEP_LAND && sw->table < t->tables_used)
		return;
	gm_sweep_end(t, sw->conflict);
}

/* Some of the sweep, whosoever it is; ends it when nothing is left. */
static void gm_sweep_slice(struct gm_tracker *t)
{
	int budget = GM_SLICE;

	while (t->sweep.kind != GM_SWEEP_NONE && budget > 0) {
		switch (t->sweep.phase) {
		case GM_PHASE_CHECK:
			gm_sweep_check(t, &budget);
			break;
		case GM_PHASE_SET:
			gm_sweep_set(t, &budget);
			break;
		case GM_PHASE_TABLES:
			gm_sweep_tables(t, &budget);
			break;
		case GM_PHASE_SLOTS:
			gm_sweep_slots(t, &budget);
			break;
		case GM_PHASE_DYING:
			gm_sweep_dying(t, &budget);
			break;
		default:
			gm_sweep_clear(t, &budget);
			break;
		}
	}
}

/* A sweep begins.  The lock is held, and stays so until its first slice. */
static void gm_sweep_begin(struct gm_tracker *t, enum gm_sweep_kind kind,
			   enum gm_sweep_phase phase, int *result)
{
	struct gm_sweep *sw = &t->sweep;

	sw->kind = kind;
	sw->keep = false;
	sw->again = false;
	sw->by_set = false;
	sw->conflict = 0;
	sw->seq++;
	sw->result = result;
	sw->set = NULL;
	sw->born = 0;
	t->special = true;
	gm_sweep_phase(t, phase);
}

/* Slice by slice until it has ended; drops the lock. */
static void gm_sweep_run(struct gm_tracker *t, unsigned long *flags)
	__releases(&t->lock)
{
	u32 seq = t->sweep.seq;

	for (;;) {
		gm_sweep_slice(t);
		/* Another call may have ended it, and yet another begun one. */
		if (t->sweep.kind == GM_SWEEP_NONE || t->sweep.seq != seq)
			break;
		GM_UNLOCK(t, *flags);
		gm_pause();
		GM_LOCK(t, *flags);
		if (t->sweep.kind == GM_SWEEP_NONE || t->sweep.seq != seq)
			break;
	}
	GM_UNLOCK(t, *flags);
}

/**
 * gm_checkpoint_commence() - a checkpoint becomes durable (T8)
 * @t: tracker
 * @set: the blocks it frees
 *
 * Waiting faults in @set go, those being written become aborting, tables whose
 * index is in it are cancelled with all they have left.  A table that loses
 * some of its values finishes with the rest.
 *
 * Cost: O(min(faults, members of @set)).
 *
 * Context: may sleep, works in slices.
 * Return: 0; -EBUSY while a checkpoint, a sync jump or another sweep is open.
 */
int gm_checkpoint_commence(struct gm_tracker *t, const struct gm_set *set)
{
	unsigned long flags;
	int result = 0;
	u64 faults;

	GM_LOCK(t, flags);
	if (t->checkpoint || t->special) {
		GM_UNLOCK(t, flags);
		return -EBUSY;
	}
	t->checkpoint = true;
	gm_sweep_begin(t, GM_SWEEP_CHECKPOINT, GM_PHASE_TABLES, &result);
	/* A slot in passing costs much less than a lookup. */
	faults = (u64)t->single + t->members_count;
	if (set->count <= faults / 8) {
		t->sweep.by_set = true;
		/* With more tables than this, look them up by their indexes. */
		if (t->tables_active > set->count + GM_SLICE)
			gm_sweep_phase(t, GM_PHASE_SET);
	}
	t->sweep.set = set;
	gm_sweep_run(t, &flags);
	return result;
}

/**
 * gm_checkpoint_complete() - have all writes to freed blocks ended?
 * @t: tracker
 *
 * Context: any.
 * Return: true once no fault is aborting; the checkpoint is closed then.
 * False also when none is open.
 */
bool gm_checkpoint_complete(struct gm_tracker *t)
{
	unsigned long flags;
	bool done;

	GM_LOCK(t, flags);
	/* What a sweep has not reached yet may be about to abort. */
	done = t->checkpoint && !t->aborting && t->sweep.kind == GM_SWEEP_NONE;
	if (done)
		t->checkpoint = false;
	GM_UNLOCK(t, flags);
	return done;
}

/**
 * gm_cancel_all() - drop every fault and table (T11)
 * @t: tracker
 * @keep_writing: what is being written becomes aborting, else it is dropped
 *	too, as is what is aborting already
 *
 * Ends a sync jump.  Ends an open checkpoint at once; with @keep_writing that
 * stays for gm_checkpoint_complete() to close.
 *
 * Context: may sleep, works in slices.
 * Return: 0; -EBUSY while another sweep runs.
 */
int gm_cancel_all(struct gm_tracker *t, bool keep_writing)
{
	unsigned long flags;
	int result = 0;

	GM_LOCK(t, flags);
	if (t->sweep.kind != GM_SWEEP_NONE) {
		GM_UNLOCK(t, flags);
		return -EBUSY;
	}
	if (t->jump) {
		t->jump = false;
		gm_join_sides(t);
	}
	if (!keep_writing)
		t->checkpoint = false;
	gm_sweep_begin(t, GM_SWEEP_CANCEL, GM_PHASE_TABLES, &result);
	t->sweep.keep = keep_writing;
	gm_sweep_run(t, &flags);
	return result;
}

/**
 * gm_cancel() - drop one fault
 * @t: tracker
 * @address: the block; an index cancels its table
 * @keep_writing: if it is being written it becomes aborting, else it is
 *	dropped
 *
 * Context: any.
 * Return: 0; -ENOENT; -EBUSY when it is aborting already.
 */
int gm_cancel(struct gm_tracker *t, u64 address, bool keep_writing)
{
	unsigned long flags;
	struct gm_key k;
	u32 slot;
	int r = 0;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	slot = gm_get(t, &k);
	if (slot == GM_NIL)
		r = -ENOENT;
	else if (gm_pos(&t->faults[slot]) == GM_POS_ABORTING)
		r = -EBUSY;
	else if (gm_pos(&t->faults[slot]) == GM_POS_WRITING && keep_writing)
		gm_abort(t, slot, GRID_MISSING_WHY_CANCELLED);
	else
		gm_remove_key(t, slot, GRID_MISSING_WHY_CANCELLED, &k);
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_sync_jump_commence() - the store jumps to a newer checkpoint (T12)
 * @t: tracker
 *
 * Single faults are dropped and tables set aside.  May be called again during
 * a jump.
 *
 * Context: may sleep, works in slices.
 * Return: 0; -EBUSY while a fault is being written or aborting, or while a
 * checkpoint or another sweep is open.
 */
int gm_sync_jump_commence(struct gm_tracker *t)
{
	unsigned long flags;
	int result = 0;

	GM_LOCK(t, flags);
	if (t->checkpoint || t->writing || t->aborting ||
	    t->sweep.kind != GM_SWEEP_NONE) {
		GM_UNLOCK(t, flags);
		return -EBUSY;
	}
	gm_sweep_begin(t, GM_SWEEP_JUMP, GM_PHASE_SLOTS, &result);
	t->sweep.again = t->jump;
	t->jump = true;
	gm_sweep_run(t, &flags);
	return result;
}

/* Mark the tables to cancel; those that ended already are none. */
static int gm_land_list(struct gm_tracker *t, const u64 *cancel, u32 n,
			unsigned long *flags)
{
	u32 i, s;

	for (i = 0; i < n; i++) {
		struct gm_table *tab = gm_table_find(t, cancel[i]);

		if (tab) {
			tab->listed = true;
		} else {
			/* Rare, so that this walk is as well. */
			for (s = t->ended_head; s != GM_NIL;
			     s = t->tables[s].next)
				if (t->tables[s].address == cancel[i])
					break;
			if (s == GM_NIL)
				return -ENOENT;
		}
		if (i % GM_SLICE == GM_SLICE - 1 && i + 1 < n) {
			GM_UNLOCK(t, *flags);
			gm_pause();
			GM_LOCK(t, *flags);
		}
	}
	return 0;
}

/**
 * gm_sync_jump_complete() - the jump is over (T12)
 * @t: tracker
 * @cancel: index addresses of the tables that are not in the new checkpoint;
 *	those that are done or cancelled already may be listed too
 * @n: how many
 *
 * The other tables resume where they were.  A single fault at the address of
 * one of their members merges with it.
 *
 * Context: may sleep, works in slices.
 * Return: 0.  Else the jump stays open: -EINVAL when there is none; -ENOENT
 * for an unknown table; -ESTALE when a single fault has another checksum than
 * the member at its address, -EBUSY when it is aborting, or while another
 * sweep runs.
 */
int gm_sync_jump_complete(struct gm_tracker *t, const u64 *cancel, u32 n)
{
	unsigned long flags;
	int result = 0;

	GM_LOCK(t, flags);
	if (!t->jump || t->sweep.kind != GM_SWEEP_NONE) {
		result = t->sweep.kind != GM_SWEEP_NONE ? -EBUSY : -EINVAL;
		GM_UNLOCK(t, flags);
		return result;
	}
	gm_sweep_begin(t, GM_SWEEP_LAND, GM_PHASE_LIST, &result);
	t->sweep.list = cancel;
	t->sweep.list_count = n;
	t->sweep.conflict = gm_land_list(t, cancel, n, &flags);
	gm_sweep_phase(t, t->sweep.conflict ? GM_PHASE_CLEAR : GM_PHASE_CHECK);
	gm_sweep_run(t, &flags);
	return result;
}

/*
 * Tables that ended (T7).
 */

static bool gm_reclaim(struct gm_tracker *t)
{
	u32 s = t->ended_head;

	if (s == GM_NIL)
		return false;
	t->ended_head = t->tables[s].next;
	gm_table_free(t, s);
	t->tables_count--;
	return true;
}

/**
 * gm_reclaim_one() - free the slot of the table that ended first
 * @t: tracker
 *
 * Context: any.
 * Return: false when no table has ended.
 */
bool gm_reclaim_one(struct gm_tracker *t)
{
	unsigned long flags;
	bool r;

	GM_LOCK(t, flags);
	r = gm_reclaim(t);
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_reclaim_tables() - free the slots of all tables that ended
 * @t: tracker
 *
 * Context: any.
 * Return: how many.
 */
u32 gm_reclaim_tables(struct gm_tracker *t)
{
	unsigned long flags;
	u32 n = 0, budget;

	do {
		GM_LOCK(t, flags);
		for (budget = GM_SLICE; budget && gm_reclaim(t); budget--)
			n++;
		GM_UNLOCK(t, flags);
	} while (!budget);
	return n;
}

/*
 * Readers.
 */

/**
 * __gm_set_readers() - readers are parked on a fault, or none any more
 * @t: tracker
 * @address: the block
 * @readers: are there any
 *
 * Context: lock held, any context.
 * Return: 0; -ENOENT; -EBUSY when there are and the fault is aborting.
 */
int __gm_set_readers(struct gm_tracker *t, u64 address, bool readers)
{
	struct gm_fault *f;
	struct gm_key k;
	u32 slot, pos;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	slot = gm_get_any(t, &k);
	if (slot == GM_NIL)
		return -ENOENT;
	f = &t->faults[slot];
	pos = gm_pos(f);
	if (pos == GM_POS_ABORTING)
		return readers ? -EBUSY : 0;
	if (readers == !!(f->word & GM_W_READERS))
		return 0;
	if (readers) {
		gm_want(t, slot, GM_W_READERS);
		gm_note(t, address, gm_state(f), gm_state(f),
			GRID_MISSING_WHY_WANTED);
		return 0;
	}
	t->readers--;
	if (pos == GM_POS_NEVER || pos == GM_POS_REQUESTED) {
		gm_dequeue(t, slot);
		f->word &= ~GM_W_READERS;
		gm_join(t, slot);
	} else {
		f->word &= ~GM_W_READERS;
	}
	return 0;
}

/**
 * __gm_set_wanted() - read-ahead met a fault
 * @t: tracker
 * @address: the block
 *
 * Context: lock held, any context.
 * Return: 0; -ENOENT; -EBUSY when it is aborting.
 */
int __gm_set_wanted(struct gm_tracker *t, u64 address)
{
	struct gm_fault *f;
	struct gm_key k;
	u32 slot;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	slot = gm_get_any(t, &k);
	if (slot == GM_NIL)
		return -ENOENT;
	f = &t->faults[slot];
	if (gm_pos(f) == GM_POS_ABORTING)
		return -EBUSY;
	if (f->word & GM_W_WANTED)
		return 0;
	gm_want(t, slot, GM_W_WANTED);
	gm_note(t, address, gm_state(f), gm_state(f), GRID_MISSING_WHY_WANTED);
	return 0;
}

/**
 * __gm_set_unavailable() - a fault's readers are to fail at once (D3)
 * @t: tracker
 * @address: the block
 * @why: GRID_MISSING_WHY_TIMED_OUT or _UNAVAILABLE
 * @hold: don't hand it out either; without effect while it is being written
 *
 * Context: lock held, any context.
 * Return: 0; -ENOENT; -EBUSY when it is aborting.
 */
int __gm_set_unavailable(struct gm_tracker *t, u64 address, u8 why, bool hold)
{
	struct gm_fault *f;
	struct gm_key k;
	u32 slot;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	slot = gm_get_any(t, &k);
	if (slot == GM_NIL)
		return -ENOENT;
	f = &t->faults[slot];
	if (gm_pos(f) == GM_POS_ABORTING)
		return -EBUSY;
	if (hold && gm_is_waiting(f)) {
		gm_dequeue(t, slot);
		gm_set_pos(f, GM_POS_HELD);
	}
	if (f->word & GM_W_UNAVAILABLE)
		return 0;
	f->word |= GM_W_UNAVAILABLE;
	t->unavailable++;
	gm_note(t, address, gm_state(f), gm_state(f), why);
	return 0;
}

/**
 * gm_retry() - a fault is worth trying again
 * @t: tracker
 * @address: the block
 *
 * Undoes __gm_set_unavailable() and the back-off.
 *
 * Context: any.
 * Return: 0, also when there was nothing to undo; -ENOENT; -EBUSY when it is
 * aborting.
 */
int gm_retry(struct gm_tracker *t, u64 address)
{
	unsigned long flags;
	struct gm_key k;
	int r = 0;
	u32 slot;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	slot = gm_get_any(t, &k);
	if (slot == GM_NIL)
		r = -ENOENT;
	else if (gm_pos(&t->faults[slot]) == GM_POS_ABORTING)
		r = -EBUSY;
	else
		gm_retry_slot(t, slot);
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_retry_all() - every fault is worth trying again
 * @t: tracker
 *
 * Context: may sleep, works in slices.
 * Return: how many were unavailable or had failed.
 */
u64 gm_retry_all(struct gm_tracker *t)
{
	unsigned long flags;
	u32 slot = 0;
	u64 n = 0;

	for (;;) {
		int budget = GM_SLICE;

		GM_LOCK(t, flags);
		while (budget-- > 0) {
			slot = gm_slot_skip(t, slot, t->used, &budget);
			if (slot >= t->used)
				break;
			if (gm_pos(&t->faults[slot]) != GM_POS_FREE &&
			    !gm_settle(t, slot))
				n += gm_retry_slot(t, slot);
			slot++;
		}
		if (slot >= t->used)
			break;
		GM_UNLOCK(t, flags);
		gm_pause();
	}
	GM_UNLOCK(t, flags);
	return n;
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
		if (unlikely(t->special) &&
		    gm_pos(&t->faults[slot]) != GM_POS_FREE)
			gm_settle(t, slot);
		if (gm_pos(&t->faults[slot]) != GM_POS_FREE)
			gm_fill(t, slot, &out[n++]);
		slot++;
	}
	*cursor = slot >= t->used ? U64_MAX : slot;
	GM_UNLOCK(t, flags);
	return n;
}

/**
 * gm_list_tables() - list the tables, some at a time
 * @t: tracker
 * @cursor: 0 to begin; U64_MAX at the end
 * @max: room in @out
 * @out: filled in
 *
 * Context: any.
 * Return: how many; may be 0 before the end.
 */
u32 gm_list_tables(struct gm_tracker *t, u64 *cursor, u32 max,
		   struct grid_missing_table *out)
{
	int budget = 4 * GM_SLICE;
	unsigned long flags;
	u32 n = 0, s;

	GM_LOCK(t, flags);
	s = min_t(u64, *cursor, t->tables_used);
	for (; n < max && s < t->tables_used && budget-- > 0; s++) {
		const struct gm_table *tab = &t->tables[s];
		struct grid_missing_table *o = &out[n];

		if (!tab->state)
			continue;
		memset(o, 0, sizeof(*o));
		o->address = tab->address;
		if (tab->has_sum)
			memcpy(o->checksum.bytes, tab->sum, sizeof(tab->sum));
		else
			o->flags |= GRID_MISSING_F_NO_CHECKSUM;
		o->state = gm_table_pending(t, tab) ?
				   GRID_MISSING_TABLE_CANCELLED :
				   tab->state;
		o->values = tab->values;
		o->values_gone = tab->gone;
		if (t->jump && gm_table_active(tab))
			o->flags |= GRID_MISSING_F_ASIDE;
		n++;
	}
	*cursor = s >= t->tables_used ? U64_MAX : s;
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
	c->checkpoint = t->checkpoint;
	c->sync_jump = t->jump;
	GM_UNLOCK(t, flags);
}
