// SPDX-License-Identifier: GPL-2.0
/*
 * Sweeps: calls that meet very many faults, in slices (T8, T11).  Here are
 * the checkpoint and the cancel; the sync jump is in jump.c.
 *
 * There is at most one, its state is in the tracker, and it works in slices,
 * the lock dropped in between.  What it has not reached yet is *pending*.
 * Whoever looks up a pending fault meanwhile finishes it on the spot, so that
 * everyone sees it as gone from the first slice on:
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
 *
 * Lock: the tracker's; see tracker.h.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/prefetch.h>
#include "private.h"

/*
 * As far as every call meets them.
 */

/* Is the sweep going to cancel the table? */
bool gm_table_pending(const struct gm_tracker *t, const struct gm_table *tab)
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

	if (!gm_sweeping(t))
		return false;
	if (gm_pos(f) == GM_POS_ABORTING)
		return sw->kind == GM_SWEEP_CANCEL && !sw->keep &&
		       !(f->word & GM_W_BORN);
	if (gm_is_member(f)) {
		const struct gm_table *tab = gm_table_of(t, f);

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
bool gm_born(struct gm_tracker *t, u64 address)
{
	if (!gm_sweeping(t))
		return false;
	if (t->sweep.kind == GM_SWEEP_LAND || t->sweep.kind == GM_SWEEP_TABLE)
		return false;
	if (t->sweep.kind == GM_SWEEP_CHECKPOINT &&
	    !t->sweep.set->test(t->sweep.set, address))
		return false;
	t->sweep.born++;
	return true;
}

static void gm_remove(struct gm_tracker *t, u32 slot, u8 why)
{
	struct gm_key k;

	gm_key_init(t, t->faults[slot].address, &k);
	gm_remove_key(t, slot, why, &k);
}

/* Finish what the sweep has not reached yet. */
void gm_take_pending(struct gm_tracker *t, u32 slot)
{
	static const u8 why[] = {
		[GM_SWEEP_CHECKPOINT] = GRID_MISSING_WHY_FREED,
		[GM_SWEEP_CANCEL] = GRID_MISSING_WHY_CANCELLED,
		[GM_SWEEP_JUMP] = GRID_MISSING_WHY_JUMPED,
		[GM_SWEEP_LAND] = GRID_MISSING_WHY_JUMPED,
		[GM_SWEEP_TABLE] = GRID_MISSING_WHY_CANCELLED,
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

/*
 * The fault at @k during a jump or a sweep, after what is pending there was
 * finished.  *@aside, if wanted: the member that a jump has set aside there.
 */
u32 gm_get_special(struct gm_tracker *t, const struct gm_key *k, u32 *aside)
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

/* Finish the fault at @slot if that is pending.  True when anything changed. */
bool gm_settle(struct gm_tracker *t, u32 slot)
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

/*
 * For who looks at many.  What is pending is finished on the way; but where changes
 * are recorded there may be no room for so many (M1): then it is passed over.
 */

/*
 * Is the fault at @slot about to go?  One that is being written is about to abort,
 * and does so: there are no more than repairs under way.
 */
static bool gm_going(struct gm_tracker *t, u32 slot)
{
	if (slot == GM_NIL || !gm_pending(t, slot))
		return slot == GM_NIL;
	if (gm_pos(&t->faults[slot]) != GM_POS_WRITING)
		return true;
	gm_take_pending(t, slot);
	return gm_pos(&t->faults[slot]) == GM_POS_FREE;
}

/* The fault at @k that calls see, or one that a jump has set aside; or GM_NIL. */
u32 gm_see(struct gm_tracker *t, const struct gm_key *k)
{
	u32 other, member;

	if (likely(!t->special) || !t->recording)
		return gm_get_any(t, k);
	gm_lookup_both(t, k, &other, &member);
	if (!gm_going(t, other))
		return other;
	return gm_going(t, member) ? GM_NIL : member;
}

/*
 * The member at @slot stays while the other one of its pair is about to go: now it has
 * that one's readers.
 */
void gm_inherit_readers(struct gm_tracker *t, const struct gm_key *k, u32 slot)
{
	u32 other, member;

	if (likely(!t->special) || !t->recording)
		return;
	gm_lookup_both(t, k, &other, &member);
	if (other == GM_NIL || member != slot ||
	    !(t->faults[other].word & GM_W_READERS))
		return;
	gm_lose_readers(t, other);
	gm_want(t, slot, GM_W_READERS);
}

/*
 * Would gm_get() change something at @k first?  Who takes a long list asks where
 * changes are recorded: it has room for its own (M1).
 */
bool gm_is_due(const struct gm_tracker *t, const struct gm_key *k)
{
	u32 other, member;

	if (likely(!t->special))
		return false;
	gm_lookup_both(t, k, &other, &member);
	if (other != GM_NIL && gm_pending(t, other))
		return true;
	if (member == GM_NIL)
		return false;
	return gm_pending(t, member) || (!t->jump && other != GM_NIL);
}

/* Is there a fault at @slot, and is it not about to go? */
bool gm_shows(struct gm_tracker *t, u32 slot)
{
	const struct gm_fault *f = &t->faults[slot];
	struct gm_key k;

	if (unlikely(t->special) && !t->recording && gm_pos(f) != GM_POS_FREE)
		gm_settle(t, slot);
	if (gm_pos(f) == GM_POS_FREE)
		return false;
	if (likely(!t->special) || !t->recording)
		return true;
	if (gm_going(t, slot))
		return false;
	if (!t->twins || t->jump)
		return true;
	/* Of a pair the single one is to stay. */
	gm_key_init(t, f->address, &k);
	return gm_see(t, &k) == slot;
}

/*
 * Slices.
 */

static void gm_sweep_end(struct gm_tracker *t, int result)
{
	struct gm_sweep *sw = &t->sweep;

	*sw->result = result;
	sw->result = NULL;
	sw->set = NULL;
	sw->list = NULL;
	sw->kind = GM_SWEEP_NONE;
	t->special = t->jump;
}

/* The next phase begins, with its cursors at the start. */
void gm_sweep_phase(struct gm_tracker *t, enum gm_sweep_phase phase)
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
	gm_fetch(t, k, n, true);
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
		gm_table_end(t, s);
	}
	if (t->dying_head != GM_NIL)
		return;
	if (sw->kind == GM_SWEEP_LAND && t->twins) {
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
void gm_sweep_slice(struct gm_tracker *t)
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
void gm_sweep_begin(struct gm_tracker *t, enum gm_sweep_kind kind,
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
void gm_sweep_run(struct gm_tracker *t, unsigned long *flags)
	__releases(&t->lock)
{
	u32 seq = t->sweep.seq;
	bool recording;

	for (;;) {
		gm_sweep_slice(t);
		/* Another call may have ended it, and yet another begun one. */
		if (t->sweep.kind == GM_SWEEP_NONE || t->sweep.seq != seq)
			break;
		recording = t->recording;
		GM_UNLOCK(t, *flags);
		gm_pause();
		if (recording && t->hooks->room)
			t->hooks->room(t);
		GM_LOCK(t, *flags);
		if (t->sweep.kind == GM_SWEEP_NONE || t->sweep.seq != seq)
			break;
	}
	GM_UNLOCK(t, *flags);
}

/*
 * Checkpoint (T8) and cancel (T11).
 */

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
 * A cancel in slices does not hold it up: what that has not reached yet is no
 * write to a freed block, or it would be aborting since the commence.
 *
 * Context: any.
 * Return: 0: no fault is aborting, and the checkpoint is closed; -EAGAIN: not
 * yet: ask again when a fault is aborting no more; -EINVAL: none is open, a
 * cancel has closed it perhaps.
 */
int gm_checkpoint_complete(struct gm_tracker *t)
{
	unsigned long flags;
	int r = 0;

	GM_LOCK(t, flags);
	if (!t->checkpoint)
		r = -EINVAL;
	/* What the commence has not reached yet may be about to abort. */
	else if (t->aborting || t->sweep.kind == GM_SWEEP_CHECKPOINT)
		r = -EAGAIN;
	else
		t->checkpoint = false;
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_is_swept() - does a sweep run, so that another can't
 * @t: tracker
 *
 * Context: any.
 */
bool gm_is_swept(struct gm_tracker *t)
{
	unsigned long flags;
	bool is;

	GM_LOCK(t, flags);
	is = t->sweep.kind != GM_SWEEP_NONE;
	GM_UNLOCK(t, flags);
	return is;
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
 * gm_cancel_table() - drop one table with all that it has left
 * @t: tracker
 * @address: its index block, written or not
 * @keep_writing: what of it is being written becomes aborting, else it is
 *	dropped
 *
 * Context: may sleep, works in slices.
 * Return: 0; -ENOENT when no table with this index is active; -EBUSY during a
 * sync jump, which decides about tables, and while another sweep runs.
 */
int gm_cancel_table(struct gm_tracker *t, u64 address, bool keep_writing)
{
	struct gm_table *tab;
	unsigned long flags;
	int result = 0;

	GM_LOCK(t, flags);
	tab = gm_table_find(t, address);
	if (t->special || !tab) {
		result = t->special ? -EBUSY : -ENOENT;
		GM_UNLOCK(t, flags);
		return result;
	}
	gm_sweep_begin(t, GM_SWEEP_TABLE, GM_PHASE_DYING, &result);
	t->sweep.keep = keep_writing;
	gm_table_retire(t, tab, GRID_MISSING_TABLE_CANCELLED);
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
