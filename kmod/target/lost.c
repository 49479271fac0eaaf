// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks that are missing without a fault: their reads fail.
 *
 *   lost      to be missing again while the tracker was full (ends.c).  It gets
 *             the slot of the next fault that goes
 *   dropped   taken by a barrier, which no commit says yet (M2).  Nobody repairs
 *             it any more, and it is not good either
 *
 * Both end by a whole write, an enqueue or a cancel; the first also when a barrier
 * frees the block: then it is dropped; the second by that barrier's commit, or when
 * the block is in use again: then it is missing, or lost.
 *
 * Locking: grid_lock(), given away between slices; with room for what the
 * metadata is told (grid_meta_lock()).
 */
#include "grid.h"

/**
 * __grid_undrop - a dropped or lost block is good
 * @g: the grid
 * @b: the block; one that is neither is no error
 *
 * Context: the lock is held.
 */
void __grid_undrop(struct grid *g, u64 b)
{
	bool bad;

	grid_assert_locked(g);
	bad = grid_bits_clear(&g->dropped, b);
	bad |= __grid_found(g, b);
	if (bad && !__grid_closed(g, b))
		clear_bit(b, g->missing);
}

/**
 * grid_undrop_all - what barriers dropped is committed
 * @g: the grid
 *
 * Context: process; gives the lock away between slices.
 */
void grid_undrop_all(struct grid *g)
{
	unsigned long flags;
	unsigned int i;
	u64 b = 0;

	do {
		grid_lock(g, &flags);
		for (i = 0; i < GRID_SLICE; i++) {
			b = grid_bits_next(&g->dropped, b);
			if (b == U64_MAX)
				break;
			__grid_undrop(g, b);
		}
		grid_unlock(g, flags);
		cond_resched();
	} while (b != U64_MAX);
}

/*
 * A fault went: there may be a slot for what is lost; not for what is being freed,
 * which the barrier is about to drop.
 */
static void grid_lost_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, lost_work);
	unsigned long flags;
	bool more;
	u64 b = 0;

	do {
		grid_meta_lock(g, 1, &flags);
		b = g->stopped ? U64_MAX : grid_bits_next(&g->lost, b);
		more = b != U64_MAX;
		/* Then change() takes it out. */
		if (more && !__grid_is_freed(g, b))
			more = __grid_missing_enqueue_again(g->gm, b, NULL) >=
			       0;
		b++;
		grid_unlock(g, flags);
		cond_resched();
	} while (more);
}

/* Lost block @b is good, whatever it holds; the lock is held, there is room. */
static void __grid_good_lost(struct grid *g, u64 b)
{
	grid_bits_clear(&g->lost, b);
	if (g->meta)
		__grid_meta_good(g, b, 1, false);
	if (!__grid_closed(g, b))
		clear_bit(b, g->missing);
}

/**
 * grid_cancel_lost - ops->cancel: lost blocks are good, says userspace
 * @priv: the grid
 * @first: the first block
 * @last: the last one
 *
 * Context: process, the bind lock held for read; for one block it does not sleep.
 * Return: how many were lost.
 */
u64 grid_cancel_lost(void *priv, u64 first, u64 last)
{
	struct grid *g = priv;
	u64 b = first, found = 0;
	unsigned long flags;
	unsigned int i;

	do {
		if (first == last)
			grid_lock(g, &flags);
		else
			grid_meta_lock(g, GRID_SLICE, &flags);
		for (i = 0; b <= last && i < GRID_SLICE; i++) {
			b = grid_bits_next(&g->lost, b);
			if (b > last || b == U64_MAX)
				break;
			__grid_good_lost(g, b++);
			found++;
		}
		grid_unlock(g, flags);
		cond_resched();
	} while (b <= last && b != U64_MAX);
	return found;
}

/**
 * grid_drop_lost - what is lost and taken is dropped
 * @g: the grid
 *
 * It has no fault that the tracker could drop.  Nobody needs it any more: neither is
 * it a fault once there is a slot.
 *
 * Context: process; gives the lock away between slices.
 */
void grid_drop_lost(struct grid *g)
{
	unsigned long flags;
	unsigned int i;
	u64 b = 0;

	do {
		grid_meta_lock(g, GRID_SLICE, &flags);
		for (i = 0; i < GRID_SLICE; i++, b++) {
			b = grid_bits_next(&g->lost, b);
			if (b == U64_MAX)
				break;
			if (!grid_bits_test(&g->taken, b))
				continue;
			grid_bits_clear(&g->lost, b);
			if (g->meta) {
				grid_bits_set(&g->dropped, b);
				__grid_meta_good(g, b, 1, false);
			} else if (!__grid_closed(g, b)) {
				clear_bit(b, g->missing);
			}
		}
		grid_unlock(g, flags);
		cond_resched();
	} while (b != U64_MAX);
}

void grid_lost_init(struct grid *g)
{
	INIT_WORK(&g->lost_work, grid_lost_worker);
}
