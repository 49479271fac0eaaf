// SPDX-License-Identifier: GPL-2.0
/*
 * Repair: what is being written, and how that ends (T6, U3); and what became
 * good by other means (T15).
 *
 * A fault that is being written is in no queue.  Its link holds instead who
 * writes it and since when, and only he can end it: a helper by what he is,
 * the kernel as GM_OWNER_KERNEL.
 *
 * Lock: the tracker's; see tracker.h.
 */
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include "private.h"

/*
 * The fault at @k, for a repair, which has asked for no room (M1): what a sweep is to
 * take counts as gone, and is left to that.  A pair that it is to merge: -EAGAIN.
 */
static noinline int gm_get_beside_sweep(struct gm_tracker *t,
					const struct gm_key *k, u32 *slot)
{
	*slot = gm_see(t, k);
	if (*slot == GM_NIL)
		return 0;
	/* One that is set aside. */
	if (t->jump && gm_is_member(&t->faults[*slot]))
		*slot = GM_NIL;
	else if (gm_is_waiting(&t->faults[*slot]) && gm_is_due(t, k))
		return -EAGAIN;
	return 0;
}

/* Both that call it are hot. */
static __always_inline int
gm_commence_key(struct gm_tracker *t, const struct gm_key *k,
		const struct grid_missing_checksum *sum, u64 serial, u32 owner,
		u64 now)
{
	struct gm_fault *f;
	u32 slot;

	if (unlikely(t->recording && gm_is_due(t, k))) {
		int r = gm_get_beside_sweep(t, k, &slot);

		if (r)
			return r;
	} else {
		slot = gm_get(t, k);
	}
	if (unlikely(slot == GM_NIL))
		return -ENOENT;
	f = &t->faults[slot];
	if (unlikely(!gm_sum_fits(f, sum) || !gm_serial_fits(f, serial)))
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
 * @serial: of the fault that the data is for, or 0; only compared where nothing
 *	but this number tells an older fault from the one that is there
 * @owner: who writes
 * @now: time in ms, for gm_revert_older()
 *
 * Context: any.
 * Return: 0; -ENOENT; -ESTALE; -EBUSY when it is not waiting; -EAGAIN when too
 * many tables' blocks are being written, or aborting, at once.
 */
int gm_repair_commence(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u64 serial,
		       u32 owner, u64 now)
{
	unsigned long flags;
	struct gm_key k;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_commence_key(t, &k, sum, serial, owner, now);
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

static inline int gm_complete_key(struct gm_tracker *t, const struct gm_key *k,
				  const struct grid_missing_checksum *sum,
				  u32 owner,
				  const struct grid_missing_value *values,
				  u32 n)
{
	struct gm_table *tab;
	struct gm_fault *f;
	u32 slot, base;
	int r;

	r = gm_get_writing(t, k, sum, false, owner, &slot);
	if (unlikely(r))
		return r;
	f = &t->faults[slot];
	if (unlikely(gm_pos(f) == GM_POS_ABORTING)) {
		gm_remove_key(t, slot, gm_abort_why(f), k);
		return -ECANCELED;
	}
	if (likely(!gm_is_index(f))) {
		if (unlikely(n))
			return -EINVAL;
		goto out_repaired;
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
	gm_recorded_table(t, tab);
out_repaired:
	t->unverified += !(f->word & GM_W_SUM);
	gm_remove_key(t, slot, GRID_MISSING_WHY_REPAIRED, k);
	return 0;
}

/**
 * __gm_repair_complete() - gm_repair_complete() with the lock held
 * @t: tracker
 * @address: the block
 * @sum: checksum of the data
 * @owner: who commenced
 * @values: an index block's values, else NULL
 * @n: how many
 *
 * Context: lock held, any context.
 * Return: as gm_repair_complete().
 */
int __gm_repair_complete(struct gm_tracker *t, u64 address,
			 const struct grid_missing_checksum *sum, u32 owner,
			 const struct grid_missing_value *values, u32 n)
{
	struct gm_key k;

	lockdep_assert_held(&t->lock);
	gm_key_init(t, address, &k);
	return gm_complete_key(t, &k, sum, owner, values, n);
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
	struct gm_key k;
	int r;

	gm_key_init(t, address, &k);
	GM_LOCK(t, flags);
	r = gm_complete_key(t, &k, sum, owner, values, n);
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

/*
 * Vectors.
 */

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
			gm_fetch_vector(t, v, some, k, true);
			for (i = 0; i < some; i++, v++) {
				if (v->flags & ~GRID_MISSING_F_NO_CHECKSUM)
					v->result = -EINVAL;
				else
					v->result = gm_commence_key(
						t, &k[i], gm_block_sum(v), 0,
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
 *	GRID_MISSING_F_FAILED; results in the elements
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
	u32 i, j, some;

	while (n) {
		GM_LOCK(t, flags);
		for (j = 0; j < GM_VECTOR && n; j += some) {
			some = min_t(u32, n, GM_AHEAD);
			gm_fetch_vector(t, v, some, k, false);
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
				v->result = gm_complete_key(t, &k[i],
							    gm_block_sum(v),
							    owner, NULL, 0);
			}
			n -= some;
		}
		GM_UNLOCK(t, flags);
	}
}

/*
 * What an owner leaves behind.
 */

/*
 * End, or revert, what is being written at @slot; true if there was something.
 * What a sweep was about to abort is aborting now, and still its owner's.
 */
static bool gm_end_writing(struct gm_tracker *t, u32 slot)
{
	struct gm_fault *f = &t->faults[slot];
	struct gm_key k;

	gm_settle(t, slot);
	if (gm_pos(f) == GM_POS_WRITING) {
		gm_revert_slot(t, slot);
		return true;
	}
	if (gm_pos(f) != GM_POS_ABORTING)
		return false;
	gm_key_init(t, f->address, &k);
	gm_remove_key(t, slot, gm_abort_why(f), &k);
	return true;
}

/*
 * Did what began at @start, modulo 2^32 ms, begin before @than?  True for 47
 * days; what began in the last two days of the circle began after @than, since
 * clocks are read before the lock is taken.
 */
static bool gm_older(u32 start, u64 than)
{
	u32 age = (u32)than - start;

	return age && age < U32_MAX - 2U * 24 * 3600 * 1000;
}

/* End the writes by @owner, or those since before *@older_than. */
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
			if (slot >= t->used || !(t->writing + t->aborting))
				break;
			if (gm_pos(&t->faults[slot]) >= GM_POS_WRITING) {
				const struct gm_link l = t->links[slot];
				bool match = l.prev == owner;

				if (older_than)
					match = l.prev != GM_OWNER_KERNEL &&
						gm_older(l.next, *older_than);
				if (match)
					n += gm_end_writing(t, slot);
			}
			slot++;
		}
		if (slot >= t->used || !(t->writing + t->aborting))
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
 * What is aborting ends: nobody else may end it, and a checkpoint waits for it.
 * Afterwards no fault is @owner's, so that another may get its number.
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
 *	kernel, is reverted, or ends if it is aborting.  Right for
 *	whatever has been written for less than 47 days.
 *
 * Context: may sleep.
 * Return: how many faults.
 */
u64 gm_revert_older(struct gm_tracker *t, u64 older_than)
{
	return gm_revert(t, GM_OWNER_KERNEL, &older_than);
}

/*
 * What became good by other means (T15).
 */

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
