// SPDX-License-Identifier: GPL-2.0
/*
 * How a block or a table stands, for who keeps it elsewhere (M1), and the way
 * back.
 *
 * Whatever changes one of these says so by gm_recorded() under the lock it
 * changes it under; who listens asks here how it stands, so that what he keeps
 * is a picture of the moment when the lock is dropped.  An address has one
 * record: where a sync jump has set a member aside that is it, whatever single
 * fault comes and goes beside it, until it is gone or they merge.  A fault that
 * is aborting was freed or cancelled: its block is good.  Of a table that a sweep
 * has cancelled some members may still have records; they come back as single
 * faults.  So a step of a sweep changes a record or two, and never all of a
 * table's at once.
 *
 * Lock: the tracker's; see tracker.h.
 */
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/string.h>
#include "private.h"

static void gm_record_slot(const struct gm_tracker *t, u32 slot,
			   struct grid_missing_record *out)
{
	const struct gm_fault *f = &t->faults[slot];

	*out = (struct grid_missing_record){
		.address = f->address,
		.kind = GRID_MISSING_RECORD_BLOCK,
		.has_sum = f->word & GM_W_SUM,
	};
	if (out->has_sum)
		memcpy(out->sum.bytes, f->sum, sizeof(f->sum));
	if (!gm_is_member(f))
		return;
	if (f->member & GM_INDEX) {
		out->kind = GRID_MISSING_RECORD_INDEX;
		out->table = f->member & ~GM_INDEX;
	} else {
		out->kind = GRID_MISSING_RECORD_VALUE;
		out->table = f->member / t->limits.table_values_max;
		out->value = f->member % t->limits.table_values_max;
	}
}

/* Which of the two at @k is the record; GM_NIL for none. */
static u32 gm_record_which(const struct gm_tracker *t, const struct gm_key *k)
{
	u32 other, member = GM_NIL;

	if (likely(!t->special))
		other = gm_lookup(t, k);
	else
		gm_lookup_both(t, k, &other, &member);
	if (member != GM_NIL)
		return member;
	if (other != GM_NIL && gm_pos(&t->faults[other]) == GM_POS_ABORTING)
		return GM_NIL;
	return other;
}

/**
 * __gm_record() - how a block stands
 * @t: tracker
 * @address: the block
 * @out: filled in
 *
 * Context: lock held, any context.
 */
void __gm_record(struct gm_tracker *t, u64 address,
		 struct grid_missing_record *out)
{
	struct gm_key k;
	u32 slot;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	slot = gm_record_which(t, &k);
	if (slot == GM_NIL)
		*out = (struct grid_missing_record){ .address = address };
	else
		gm_record_slot(t, slot, out);
}

/**
 * __gm_record_table() - how a table slot stands
 * @t: tracker
 * @s: the slot
 * @out: filled in
 *
 * Context: lock held, any context.
 * Return: whether @s was ever used.
 */
bool __gm_record_table(const struct gm_tracker *t, u32 s,
		       struct grid_missing_record_table *out)
{
	const struct gm_table *tab;

	lockdep_assert_held(&t->lock);
	memset(out, 0, sizeof(*out));
	if (s >= t->tables_used)
		return false;
	tab = &t->tables[s];
	if (!tab->state)
		return true;
	out->address = tab->address;
	out->values = tab->values;
	out->state = tab->state;
	out->has_sum = tab->has_sum;
	out->lost = tab->state == GRID_MISSING_TABLE_FILLING && tab->lost;
	if (tab->has_sum)
		memcpy(out->sum.bytes, tab->sum, sizeof(tab->sum));
	return true;
}

/**
 * __gm_list_records() - all records, some at a time
 * @t: tracker
 * @cursor: 0 to begin; U64_MAX at the end
 * @max: room in @out
 * @out: filled in
 *
 * What changes meanwhile may be there or not: who lists hears of it.
 *
 * Context: lock held, any context.
 * Return: how many; may be 0 before the end.
 */
u32 __gm_list_records(struct gm_tracker *t, u64 *cursor, u32 max,
		      struct grid_missing_record *out)
{
	int budget = 4 * GM_SLICE;
	u32 n = 0, slot;
	struct gm_key k;

	lockdep_assert_held(&t->lock);
	slot = min_t(u64, *cursor, t->used);
	while (n < max && budget-- > 0) {
		slot = gm_slot_skip(t, slot, t->used, &budget);
		if (slot >= t->used)
			break;
		if (gm_pos(&t->faults[slot]) != GM_POS_FREE) {
			gm_key_init(t, t->faults[slot].address, &k);
			if (gm_record_which(t, &k) == slot)
				gm_record_slot(t, slot, &out[n++]);
		}
		slot++;
	}
	*cursor = slot >= t->used ? U64_MAX : slot;
	return n;
}

/**
 * gm_restore_table() - a table slot as it stood
 * @t: tracker, that nobody uses yet
 * @s: the slot: from 0 on, none left out
 * @r: how it stood
 *
 * Context: any.
 * Return: 0; -EINVAL: not within the limits, or out of turn.
 */
int gm_restore_table(struct gm_tracker *t, u32 s,
		     const struct grid_missing_record_table *r)
{
	struct gm_table *tab = &t->tables[s];
	unsigned long flags;
	int ret = -EINVAL;

	GM_LOCK(t, flags);
	if (s >= t->limits.tables_max || s != t->tables_used ||
	    r->state > GRID_MISSING_TABLE_CANCELLED ||
	    r->values > t->limits.table_values_max)
		goto out_unlock;
	ret = 0;
	*tab = (struct gm_table){
		.address = r->address,
		.index = GM_NIL,
		.next = GM_NIL,
		.values = r->values,
		/* Each value that is restored is gone no more. */
		.gone = r->values,
		.state = r->state,
		.has_sum = r->has_sum,
		.lost = r->lost,
	};
	if (r->has_sum)
		memcpy(tab->sum, r->sum.bytes, sizeof(tab->sum));
	t->tables_used++;
	if (!r->state) {
		gm_table_free(t, s);
	} else if (gm_table_active(tab)) {
		gm_table_add(t, s);
	} else {
		gm_table_append(t, &t->ended_head, &t->ended_tail, s);
		t->tables_count++;
	}
out_unlock:
	GM_UNLOCK(t, flags);
	return ret;
}

/* The member that @r is to be, or GM_SINGLE; -EINVAL when that can't be. */
static int gm_restore_member(struct gm_tracker *t,
			     const struct grid_missing_record *r, u32 *member)
{
	const struct gm_table *tab;

	*member = GM_SINGLE;
	if (r->kind == GRID_MISSING_RECORD_BLOCK)
		return 0;
	if (r->table >= t->tables_used)
		return -EINVAL;
	tab = &t->tables[r->table];
	if (tab->state == GRID_MISSING_TABLE_CANCELLED)
		return 0;
	if (r->kind == GRID_MISSING_RECORD_INDEX) {
		*member = GM_INDEX | r->table;
		return tab->state != GRID_MISSING_TABLE_INDEXING ||
				       tab->index != GM_NIL ||
				       tab->address != r->address ?
			       -EINVAL :
			       0;
	}
	if (tab->state != GRID_MISSING_TABLE_FILLING || r->value >= tab->values)
		return -EINVAL;
	*member = r->table * t->limits.table_values_max + r->value;
	return t->members[*member] == GM_NIL ? 0 : -EINVAL;
}

/**
 * gm_restore() - a fault as it stood
 * @t: tracker, that nobody uses yet; its tables are there
 * @r: how it stood; it waits
 *
 * There may be more single faults than blocks_max afterwards, where a cancel
 * was cut short.
 *
 * Context: any.
 * Return: 0; -EINVAL: its table doesn't fit, or there is one; -ENOSPC.
 */
int gm_restore(struct gm_tracker *t, const struct grid_missing_record *r)
{
	unsigned long flags;
	struct gm_key k;
	u32 member;
	int ret;

	gm_key_init(t, r->address, &k);
	GM_LOCK(t, flags);
	t->restored = true;
	ret = gm_restore_member(t, r, &member);
	if (!ret && gm_lookup(t, &k) != GM_NIL)
		ret = -EINVAL;
	if (!ret &&
	    gm_insert(t, &k, member, r->has_sum ? &r->sum : NULL) == GM_NIL)
		ret = -ENOSPC;
	if (!ret && member != GM_SINGLE && r->kind == GRID_MISSING_RECORD_VALUE)
		t->tables[r->table].gone--;
	GM_UNLOCK(t, flags);
	return ret;
}
