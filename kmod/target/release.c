// SPDX-License-Identifier: GPL-2.0
/*
 * Released blocks (D5, T9).
 *
 * A discard only says that its blocks are released: they stay readable and
 * repairable until the next checkpoint is durable.  A released block is in at
 * most one of
 *
 *   open    released since a checkpoint was taken last
 *   taken   released before that; freed when it is durable (barrier.c)
 *   freed   to be discarded below, by a worker (discard.c)
 *   [discard_begin, discard_end)   whose discard is under way
 *
 * and then has its bit in grid->marked, so that a write to it comes here and
 * takes it out again; only from the last it can't: it parks.
 *
 * Locking: grid_lock(), given away between slices.
 */
#include "grid.h"

/**
 * __grid_unrelease - a write comes to a marked block
 * @g: the grid
 * @b: the block
 *
 * Context: the lock is held.
 * Return: false when its discard is under way: the write has to wait.
 */
bool __grid_unrelease(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	if (b >= g->discard_begin && b < g->discard_end)
		return false;
	grid_bits_clear(&g->open, b);
	grid_bits_clear(&g->taken, b);
	grid_bits_clear(&g->freed, b);
	clear_bit(b, g->marked);
	return true;
}

/**
 * grid_move - all that is released in one way is now in another
 * @g: the grid
 * @from: a set, empty afterwards
 * @to: the set that its members join
 *
 * Context: process; gives the lock away between slices.
 */
void grid_move(struct grid *g, struct grid_bits *from, struct grid_bits *to)
{
	unsigned long flags;
	unsigned int i;
	u64 b = 0;

	do {
		grid_lock(g, &flags);
		if (!to->count) {
			grid_bits_swap(from, to);
			b = U64_MAX;
		}
		for (i = 0; b != U64_MAX && i < GRID_SLICE; i++) {
			b = grid_bits_next(from, b);
			if (b == U64_MAX)
				break;
			grid_bits_clear(from, b);
			grid_bits_set(to, b);
		}
		grid_unlock(g, flags);
		cond_resched();
	} while (b != U64_MAX);
}

/**
 * __grid_released_in - which set block @b is in
 * @g: the grid
 * @b: the block
 *
 * Context: the lock is held.
 * Return: GRID_MISSING_RELEASED_*, 0 for none.
 */
u32 __grid_released_in(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	if (grid_bits_test(&g->open, b))
		return GRID_MISSING_RELEASED_OPEN;
	if (grid_bits_test(&g->taken, b))
		return GRID_MISSING_RELEASED_TAKEN;
	if (grid_bits_test(&g->freed, b) ||
	    (b >= g->discard_begin && b < g->discard_end))
		return GRID_MISSING_RELEASED_FREED;
	return 0;
}

/* The smallest released block >= @b, or U64_MAX; the lock is held. */
static u64 __grid_next_released(struct grid *g, u64 b)
{
	u64 next = min3(grid_bits_next(&g->open, b),
			grid_bits_next(&g->taken, b),
			grid_bits_next(&g->freed, b));

	grid_assert_locked(g);
	if (b < g->discard_end)
		next = min(next, max(b, g->discard_begin));
	return next;
}

/**
 * grid_list_released - what is released, some at a time
 * @priv: the grid
 * @cursor: the block to begin with; U64_MAX at the end
 * @max: room in @out
 * @out: runs
 *
 * Context: never sleeps.
 * Return: how many; may be 0 before the end.
 */
u32 grid_list_released(void *priv, u64 *cursor, u32 max,
		       struct grid_missing_released *out)
{
	struct grid *g = priv;
	struct grid_missing_released *run;
	unsigned int budget = GRID_SLICE;
	unsigned long flags;
	u64 b = *cursor;
	u32 n;

	grid_lock(g, &flags);
	for (n = 0; n < max && budget; n++) {
		b = __grid_next_released(g, b);
		if (b == U64_MAX)
			break;
		run = &out[n];
		*run = (struct grid_missing_released){
			.address = b,
			.flags = __grid_released_in(g, b),
		};
		for (; budget; b++, budget--)
			if (__grid_released_in(g, b) != run->flags)
				break;
		run->count = b - run->address;
	}
	grid_unlock(g, flags);
	*cursor = b;
	return n;
}

/**
 * grid_release - what was released before a planned stop (start:held)
 * @priv: the grid
 * @runs: which blocks
 * @n: how many runs
 *
 * As a discard of each would, but only while nothing is written: there is
 * nothing to be ordered with.
 *
 * Context: process, the bind lock held for read.
 * Return: 0; -ERANGE, and nothing is changed; -EOPNOTSUPP when not held; -EAGAIN
 * while suspended; -EINTR: where one of these comes about meanwhile, some of them are
 * released.
 */
int grid_release(void *priv, const struct grid_missing_released *runs, u32 n)
{
	struct grid *g = priv;
	u64 blocks = g->geo.blocks, at;
	unsigned long flags;
	int r = 0, budget;
	u32 i;

	for (i = 0; i < n; i++)
		if (runs[i].address >= blocks ||
		    runs[i].count > blocks - runs[i].address)
			return -ERANGE;
	for (i = 0, at = 0; i < n && !r;) {
		grid_lock(g, &flags);
		if (!grid_is_held(g))
			r = -EOPNOTSUPP;
		/* Runs may be long, and there may be many: a suspend waits for us. */
		if (g->suspending)
			r = -EAGAIN;
		for (budget = GRID_SLICE; budget-- && i < n && !r;) {
			u64 address = runs[i].address + at;

			if (!test_and_set_bit(address, g->marked))
				grid_bits_set(&g->open, address);
			if (++at == runs[i].count) {
				at = 0;
				i++;
			}
		}
		grid_unlock(g, flags);
		if (!r && i < n && signal_pending(current))
			r = -EINTR;
		cond_resched();
	}
	return r;
}
