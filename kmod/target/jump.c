// SPDX-License-Identifier: GPL-2.0
/*
 * What a sync jump takes stays in the map until the jump is over (M3).
 *
 * The tracker drops the single faults when a jump commences, and their blocks go
 * on as they are: the store knows what it does.  But its jump is nothing that
 * outlives a crash: after one it begins it again, from a checkpoint in which these
 * blocks are missing.  So with metadata they are *jumped*: no entry says that
 * they are good, and a snapshot has them, as faults without a checksum.
 *
 *   enqueued again     a fault like any other
 *   written            good, when the write has ended: a repair after a crash
 *                      may not undo it (D2).  Writers learn of it as of an end
 *                      without a flush, by grid->unflushed (ends.c)
 *   the jump is over   all that are left are good
 *
 * They count as faults against the map's maxima.
 *
 * All __ functions want the lock held.
 */
#include "meta_io.h"

/* So many are said to be good in one hold of the lock. */
#define GRID_JUMP_SLICE 256U

/**
 * __grid_jump_took - a sync jump has dropped or merged the fault of block @b
 * @g: the grid
 * @b: the block, without a fault; still missing
 */
void __grid_jump_took(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	/* When it lands it is over: what is cancelled then is good. */
	if (!g->meta || !__grid_missing_jumping(g->gm))
		return;
	grid_bits_set(&g->jumped, b);
	__grid_end_begin(g, b);
}

/**
 * __grid_map_room - may block @b be enqueued, as to the map's maxima
 * @g: the grid
 * @b: the block
 * @as: _BLOCK or _TABLE: of a table that begins, all values will have room
 *
 * What a jump took counts.  With metadata so does what is lost: a disk that goes on
 * losing what a store goes on to enqueue would make the map longer than a snapshot has
 * room for.  And what is dropped, which may be in use again, beyond what there is room
 * for; that passes when the barrier's commit has come.
 *
 * Return: 0; -ENOSPC; -EAGAIN.
 */
int __grid_map_room(struct grid *g, u64 b, enum grid_missing_as as)
{
	u64 used = __grid_missing_single(g->gm), more = g->jumped.count;
	u64 max = grid_missing_limits(g->gm)->blocks_max, dropped = 0;

	grid_assert_locked(g);
	if (g->meta) {
		more += g->lost.count;
		if (g->dropped.count > GMETA_DROPPED_MAX)
			dropped = g->dropped.count - GMETA_DROPPED_MAX;
	}
	/* It is in the map already. */
	if (as == GRID_MISSING_AS_BLOCK &&
	    (test_bit(b, g->missing) || grid_bits_test(&g->jumped, b)))
		return 0;
	if (more && used + more >= max)
		return -ENOSPC;
	return dropped && used + more + dropped >= max ? -EAGAIN : 0;
}

/**
 * __grid_jump_written - a write to block @b, which is not missing, has ended
 * @g: the grid
 * @b: the block; any
 *
 * Context: there is room for an end (__grid_meta_starves()).
 */
void __grid_jump_written(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	if (grid_bits_clear(&g->jumped, b))
		__grid_meta_good(g, b, 1, true);
}

/**
 * grid_jump_over - ops->jump_over: what is left of a jump leaves the map
 * @priv: the grid, with metadata
 *
 * When another jump has begun already, what this one left goes with it.
 *
 * Context: process; waits for room in the log.
 */
void grid_jump_over(void *priv)
{
	struct grid *g = priv;
	unsigned long flags;
	u64 b = 0, e, end;
	u32 i;

	do {
		grid_meta_lock(g, GRID_JUMP_SLICE, &flags);
		for (i = 0; i < GRID_JUMP_SLICE; i++) {
			b = __grid_missing_jumping(g->gm) ?
				    U64_MAX :
				    grid_bits_next(&g->jumped, b);
			if (b == U64_MAX)
				break;
			end = min(b + GRID_JUMP_SLICE, g->geo.blocks);
			for (e = b; e < end; e++)
				if (!grid_bits_clear(&g->jumped, e))
					break;
			__grid_meta_good(g, b, e - b, false);
			b = e;
		}
		grid_unlock(g, flags);
		cond_resched();
	} while (b != U64_MAX);
}
