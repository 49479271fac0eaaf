// SPDX-License-Identifier: GPL-2.0
/*
 * The sync jump: the store goes on from a newer checkpoint (T12).
 *
 * Commence drops the single faults and sets the tables' members aside: they
 * stay, on side 0 of the queues, and hand out nothing, while single faults
 * come and go on side 1.  So one address may have two faults, a single one
 * and a member that is aside: twins.  Complete is a sweep that checks that all
 * twins can be merged (else nothing is changed), joins the two sides, cancels
 * the listed tables and merges the twins that are left, or lets whoever looks
 * one up do it.
 *
 * Lock: the tracker's; see tracker.h.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include "private.h"

/*
 * Sides.
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
void gm_join_sides(struct gm_tracker *t)
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
 * Twins.
 */

/*
 * The fault at @slot is new.  The readers of a member that is set aside there
 * wait for it from now on.  Returns the state that the address had.
 */
u8 gm_insert_twin(struct gm_tracker *t, const struct gm_key *k, u32 slot)
{
	struct gm_fault *m;
	u32 other, member;

	gm_lookup_both(t, k, &other, &member);
	if (member == GM_NIL)
		return GRID_MISSING_STATE_GONE;
	t->twins++;
	m = &t->faults[member];
	if (m->word & GM_W_WANTED)
		gm_want(t, slot, GM_W_WANTED);
	if (m->word & GM_W_READERS) {
		gm_want(t, slot, GM_W_READERS);
		gm_lose_readers(t, member);
	}
	gm_check_pair(t, k);
	return gm_state(m);
}

/* @slot goes: the other one of its pair, that stays; GM_NIL if it has none. */
u32 gm_untwin(struct gm_tracker *t, u32 slot, const struct gm_key *k)
{
	u32 other, member;

	gm_lookup_both(t, k, &other, &member);
	if (other == GM_NIL || member == GM_NIL)
		return GM_NIL;
	t->twins--;
	return slot == other ? member : other;
}

/* Why the twins can't be merged: 0, -EBUSY, -ESTALE. */
int gm_pair_conflict(const struct gm_tracker *t, u32 other, u32 member)
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
void gm_check_pair(struct gm_tracker *t, const struct gm_key *k)
{
	u32 other, member;

	if (t->sweep.kind != GM_SWEEP_LAND || t->sweep.phase != GM_PHASE_CHECK)
		return;
	gm_lookup_both(t, k, &other, &member);
	if (other != GM_NIL && member != GM_NIL && !t->sweep.conflict)
		t->sweep.conflict = gm_pair_conflict(t, other, member);
}

/*
 * A single fault of the jump meets a member that was set aside: it takes the
 * member's place and keeps its own state, as in a promotion (T12, T4).
 */
void gm_merge(struct gm_tracker *t, u32 single, u32 aside,
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
	gm_recorded(t, k->address);
	gm_recorded_table(t, tab);
}

/*
 * The jump.
 */

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

/*
 * Did a table at @address end already?  They are in no hash, so this looks at
 * all slots, in slices: a table that has ended stays where it is until it is
 * reclaimed.
 */
static bool gm_land_ended(struct gm_tracker *t, u64 address, u32 *budget,
			  unsigned long *flags)
{
	u32 s;

	for (s = 0; s < t->tables_used; s++) {
		const struct gm_table *tab = &t->tables[s];

		if (tab->state && !gm_table_active(tab) &&
		    tab->address == address)
			return true;
		if (!--*budget) {
			*budget = GM_SLICE;
			GM_UNLOCK(t, *flags);
			gm_pause();
			GM_LOCK(t, *flags);
		}
	}
	return false;
}

/* Mark the tables to cancel; those that ended already are none. */
static int gm_land_list(struct gm_tracker *t, const u64 *cancel, u32 n,
			unsigned long *flags)
{
	u32 i, budget = GM_SLICE;

	for (i = 0; i < n; i++) {
		struct gm_table *tab = gm_table_find(t, cancel[i]);

		if (tab)
			tab->listed = true;
		else if (!gm_land_ended(t, cancel[i], &budget, flags))
			return -ENOENT;
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
