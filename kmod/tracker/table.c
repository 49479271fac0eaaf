// SPDX-License-Identifier: GPL-2.0
/*
 * Tables: an index block and the values that it lists (T3, T4, T6, T7).
 *
 * A table is in a hash and in the list of active ones, by its index's address;
 * members[] knows the slots of its values, so that dropping it costs what it
 * has left.  Its index comes first; when that is written the values are
 * enqueued, all or none.  When its last member has gone it joins the ended,
 * done or cancelled, until its slot is reclaimed.  A sweep's cancelled tables
 * are dying until their members have been met.
 *
 * Lock: the tracker's; see tracker.h.
 */
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/prefetch.h>
#include <linux/string.h>
#include "private.h"

/* The hash chain of tables whose index is at @address. */
u32 *gm_table_chain(const struct gm_tracker *t, u64 address)
{
	u64 h = (address ^ t->seed) * 0x9e3779b97f4a7c15ULL;

	return &t->table_hash[(h >> 32) & t->table_hash_mask];
}

/* @s becomes the last of a list. */
void gm_table_append(struct gm_tracker *t, u32 *head, u32 *tail, u32 s)
{
	t->tables[s].next = GM_NIL;
	if (*head == GM_NIL)
		*head = s;
	else
		t->tables[*tail].next = s;
	*tail = s;
}

/* A table has ended; nothing is left of it. */
void gm_table_end(struct gm_tracker *t, u32 s)
{
	const struct gm_table *tab = &t->tables[s];

	gm_table_append(t, &t->ended_head, &t->ended_tail, s);
	gm_tell_table(t, tab,
		      tab->state == GRID_MISSING_TABLE_DONE ?
			      GRID_MISSING_WHY_TABLE_DONE :
			      GRID_MISSING_WHY_TABLE_CANCELLED,
		      tab->values);
}

/* An active table is active no more: ended, or dying while it has faults. */
void gm_table_retire(struct gm_tracker *t, struct gm_table *tab, u8 state)
{
	u32 s = tab - t->tables, *p = gm_table_chain(t, tab->address);

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
	if (tab->left)
		gm_table_append(t, &t->dying_head, &t->dying_tail, s);
	else
		gm_table_end(t, s);
	gm_recorded_table(t, tab);
}

/* After one of its faults went: is there anything left to do for it? */
void gm_table_follow(struct gm_tracker *t, struct gm_table *tab)
{
	if (tab->left)
		return;
	if (tab->state == GRID_MISSING_TABLE_INDEXING)
		gm_table_retire(t, tab, GRID_MISSING_TABLE_CANCELLED);
	else if (tab->state == GRID_MISSING_TABLE_FILLING)
		gm_table_retire(t, tab,
				tab->lost ? GRID_MISSING_TABLE_CANCELLED :
					    GRID_MISSING_TABLE_DONE);
}

/* The active table whose index is at @address, or NULL. */
struct gm_table *gm_table_find(struct gm_tracker *t, u64 address)
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

static u32 gm_table_alloc(struct gm_tracker *t)
{
	u32 s = t->tables_free;

	if (s != GM_NIL)
		t->tables_free = t->tables[s].next;
	else if (t->tables_used < t->limits.tables_max)
		s = t->tables_used++;
	return s;
}

void gm_table_free(struct gm_tracker *t, u32 s)
{
	if (t->tables[s].born)
		t->sweep.born--;
	t->tables[s].born = false;
	t->tables[s].state = 0;
	t->tables[s].next = t->tables_free;
	t->tables_free = s;
}

/* A new table joins the active ones. */
void gm_table_add(struct gm_tracker *t, u32 s)
{
	struct gm_table *tab = &t->tables[s];
	u32 *chain = gm_table_chain(t, tab->address);

	tab->hash_next = *chain;
	*chain = s;
	tab->prev = t->active_tail;
	gm_table_append(t, &t->active_head, &t->active_tail, s);
	t->tables_active++;
	t->tables_count++;
}

/*
 * Members.
 */

/* The table of a fault that is leaving it, or NULL. */
struct gm_table *gm_leave(struct gm_tracker *t, const struct gm_fault *f)
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
void gm_enter(struct gm_tracker *t, u32 slot, u32 member)
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

/* A single fault becomes @member and keeps its state (T4). */
static void gm_promote(struct gm_tracker *t, u32 slot, u32 member)
{
	gm_enter(t, slot, member);
	t->single--;
	t->members_count++;
}

/*
 * Enqueue (T3, T4).
 */

static inline int gm_admit(struct gm_tracker *t, u64 address,
			   enum grid_missing_as as)
{
	return unlikely(t->admit) ? t->admit(t, address, as) : 0;
}

int gm_enqueue_table_key(struct gm_tracker *t, const struct gm_key *k,
			 const struct grid_missing_checksum *sum)
{
	struct gm_table *tab;
	struct gm_fault *f;
	u32 slot, s;
	int r;

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
	r = gm_admit(t, k->address, GRID_MISSING_AS_TABLE);
	if (unlikely(r))
		return r;
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
	gm_recorded(t, k->address);
	gm_recorded_table(t, tab);
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
	struct gm_key k;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_enqueue_table_key(t, &k, sum);
	GM_UNLOCK(t, flags);
	return r;
}

/*
 * Values (T6).
 */

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
		f->member = GM_SINGLE;
		t->single++;
		t->members_count--;
	}
}

static int gm_enqueue_value(struct gm_tracker *t, u32 member,
			    const struct gm_key *k,
			    const struct grid_missing_checksum *sum)
{
	u32 slot, mark = 0;
	struct gm_fault *f;
	int r;

	/* The sweep that is to take it comes to it. */
	if (unlikely(t->recording && gm_is_due(t, k)))
		return -EAGAIN;
	slot = gm_get(t, k);
	r = gm_admit(t, k->address, GRID_MISSING_AS_VALUE);
	if (unlikely(r))
		return r;
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
	/* Its number is in the way: what it adopts waits for the whole list. */
	if (!(f->word & GM_W_SUM))
		mark = GM_MARK_ADOPTED;
	else if (!gm_same_sum(f->sum, sum))
		return -ESTALE;
	gm_promote(t, slot, member);
	t->members[member] = slot | mark;
	return 0;
}

/* All values of a table whose index has been written, or none. */
int gm_enqueue_values(struct gm_tracker *t, u32 base,
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
			gm_note_part(t, v[i].address, GRID_MISSING_STATE_GONE,
				     GRID_MISSING_STATE_WAITING,
				     GRID_MISSING_WHY_ENQUEUED);
			gm_recorded(t, v[i].address);
			continue;
		}
		f = &t->faults[cell & ~GM_MARKS];
		if (cell & GM_MARK_ADOPTED) {
			gm_copy_sum(f->sum, &v[i].checksum);
			f->word |= GM_W_SUM;
		}
		gm_note_part(t, v[i].address, gm_state(f), gm_state(f),
			     GRID_MISSING_WHY_PROMOTED);
		gm_recorded(t, v[i].address);
		if (f->word & GM_W_UNAVAILABLE)
			gm_retry_slot(t, cell & ~GM_MARKS);
	}
	if (n)
		gm_tell_table(t, &t->tables[base / t->limits.table_values_max],
			      GRID_MISSING_WHY_VALUES_ENQUEUED, n);
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
	r = gm_admit(t, address, GRID_MISSING_AS_VALUE);
	if (r)
		goto out_unlock;
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
	r = gm_admit(t, address, GRID_MISSING_AS_TABLE);
	if (r)
		goto out_unlock;
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
	if (!r)
		gm_recorded_table(t, tab);
out_unlock:
	GM_UNLOCK(t, flags);
	return r;
}

/*
 * Tables that ended (T7).
 */

/* A table as it is told; lock held. */
static void gm_table_fill(struct gm_tracker *t, const struct gm_table *tab,
			  struct grid_missing_table *o)
{
	memset(o, 0, sizeof(*o));
	o->address = tab->address;
	if (tab->has_sum)
		memcpy(o->checksum.bytes, tab->sum, sizeof(tab->sum));
	else
		o->flags |= GRID_MISSING_F_NO_CHECKSUM;
	o->state = gm_table_pending(t, tab) ? GRID_MISSING_TABLE_CANCELLED :
					      tab->state;
	o->values = tab->values;
	o->values_gone = tab->gone;
	if (t->jump && gm_table_active(tab))
		o->flags |= GRID_MISSING_F_ASIDE;
}

/**
 * gm_reclaim_tables() - free the slots of tables that ended, and say which
 * @t: tracker
 * @max: most of them; the caller bounds how long the lock is held
 * @out: filled in, in the order in which they ended; may be NULL
 *
 * What is freed and what is told are the same under one hold of the lock, so
 * that no table's outcome is lost between a listing and this.
 *
 * Context: any.
 * Return: how many.
 */
u32 gm_reclaim_tables(struct gm_tracker *t, u32 max,
		      struct grid_missing_table *out)
{
	unsigned long flags;
	u32 n, s;

	GM_LOCK(t, flags);
	for (n = 0; n < max && t->ended_head != GM_NIL; n++) {
		s = t->ended_head;
		if (out)
			gm_table_fill(t, &t->tables[s], &out[n]);
		t->ended_head = t->tables[s].next;
		gm_table_free(t, s);
		gm_recorded_table(t, &t->tables[s]);
		t->tables_count--;
	}
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

		if (tab->state)
			gm_table_fill(t, tab, &out[n++]);
	}
	*cursor = s >= t->tables_used ? U64_MAX : s;
	GM_UNLOCK(t, flags);
	return n;
}
