// SPDX-License-Identifier: GPL-2.0
/*
 * What stops a bio: a missing block, a block that detection has closed, a
 * discard that is under way, that what a barrier dropped is not committed, or
 * that the device is held (D1, D2, D3, D10, M2).
 *
 * All __ functions want the lock held.
 */
#include "grid.h"

/* The next block in [b, last] that @io has to care about, or a later one. */
static u64 grid_next(const struct grid *g, const struct grid_io *io, u64 b,
		     u64 last)
{
	u64 n = find_next_bit(g->missing, last + 1, b);

	if (grid_is_write(io))
		n = min_t(u64, n, find_next_bit(g->marked, last + 1, b));
	return n;
}

/*
 * How it is to wait: parked, or in dm's hands while dm says noflush.  That dm
 * is asked each time: when such a suspend is interrupted dm takes nothing back
 * any more, before it tells us so.
 */
static enum grid_verdict __grid_wait(struct grid *g)
{
	grid_assert_locked(g);
	return dm_noflush_suspending(g->live->ti) ? GRID_REQUEUE : GRID_PARK;
}

/* @io can't go on for now: does it wait, and how? */
static enum grid_verdict __grid_stopped(struct grid *g, struct grid_io *io,
					blk_status_t *status)
{
	blk_opf_t opf = io->bio->bi_opf;

	grid_assert_locked(g);
	if (!grid_is_write(io) && (opf & REQ_RAHEAD)) {
		*status = BLK_STS_IOERR;
		return GRID_FAIL;
	}
	/* What came back has been submitted already: it may wait. */
	if ((opf & REQ_NOWAIT) && io->kind != GRID_IO_BACK) {
		*status = BLK_STS_AGAIN;
		return GRID_FAIL;
	}
	return __grid_wait(g);
}

/*
 * What block @b has to say about @io.  Takes the block of a write out of the
 * release sets, which is right also when another block stops the write: the
 * application means to have it.
 */
static enum grid_verdict __grid_check_block(struct grid *g, struct grid_io *io,
					    u64 b, bool *kernel_wait,
					    blk_status_t *status)
{
	const struct grid_options *opt = &g->live->opt;
	bool write = grid_is_write(io);
	u32 flags = 0;
	bool freed;
	u8 state;

	grid_assert_locked(g);
	*kernel_wait = true;
	if (write && test_bit(b, g->marked) && !__grid_unrelease(g, b))
		goto stopped;
	if (!test_bit(b, g->missing))
		return GRID_GO;
	state = __grid_missing_peek(g->gm, b, &flags, &freed);
	if (__grid_closed(g, b))
		goto stopped;
	switch (state) {
	case GRID_MISSING_STATE_GONE:
		if (grid_bits_test(&g->lost, b) ?
			    write && grid_covers(g, io, b) :
			    write || !(grid_bits_test(&g->dropped, b) ||
				       (g->meta && freed)))
			return GRID_GO;
		*status = BLK_STS_IOERR;
		return GRID_FAIL;
	case GRID_MISSING_STATE_WAITING:
		if (write && grid_covers(g, io, b))
			return GRID_GO;
		*kernel_wait = false;
		break;
	}
	if ((!write || !*kernel_wait) && opt->on_missing_error) {
		*status = BLK_STS_MEDIUM;
		return GRID_FAIL;
	}
	if (!*kernel_wait && (flags & GRID_MISSING_F_UNAVAILABLE)) {
		*status = BLK_STS_MEDIUM;
		return GRID_FAIL;
	}
	if (!*kernel_wait && !opt->park_timeout_ms) {
		*status = BLK_STS_IOERR;
		return GRID_FAIL;
	}
stopped:
	return __grid_stopped(g, io, status);
}

/* Is block @b wanted already?  The lock is held. */
static bool __grid_is_wanted(struct grid *g, u64 b)
{
	bool freed;
	u32 flags;

	__grid_missing_peek(g->gm, b, &flags, &freed);
	return flags & GRID_MISSING_F_WANTED;
}

/*
 * A read wants everything that is missing in its way, not only the first.  What is
 * left of it comes anew, block by block; if both its ends are wanted, so is the rest.
 */
static void __grid_want(struct grid *g, struct grid_io *io, u64 b, u64 last)
{
	u64 next = find_next_bit(g->missing, last + 1, b + 1);

	grid_assert_locked(g);
	while (last > next && !test_bit(last, g->missing))
		last--;
	__grid_missing_wanted(g->gm, b);
	if (next > last ||
	    (__grid_is_wanted(g, next) && __grid_is_wanted(g, last)))
		return;
	for (b = next; b <= last;
	     b = find_next_bit(g->missing, last + 1, b + 1))
		__grid_missing_wanted(g->gm, b);
}

/**
 * __grid_check - what is in the way of @io
 * @g: the grid
 * @io: the bio; its @iter says which blocks
 * @stop: out, unless GRID_GO: the block that stops it
 * @kernel_wait: out: GRID_PARK: it waits for the kernel alone
 * @status: out: GRID_FAIL: what to end it with
 *
 * Context: the lock is held.
 */
enum grid_verdict __grid_check(struct grid *g, struct grid_io *io, u64 *stop,
			       bool *kernel_wait, blk_status_t *status)
{
	u64 last = grid_last(g, io);
	u64 wall = U64_MAX;
	enum grid_verdict v;
	u64 b;

	grid_assert_locked(g);
	if (grid_is_held(g)) {
		*stop = GRID_NO_BLOCK;
		*kernel_wait = false;
		if (io->bio->bi_opf & (REQ_NOWAIT | REQ_RAHEAD)) {
			*status = io->bio->bi_opf & REQ_NOWAIT ? BLK_STS_AGAIN :
								 BLK_STS_IOERR;
			return GRID_FAIL;
		}
		return __grid_wait(g);
	}
	if (grid_is_write(io))
		wall = __grid_discard_waits(g, grid_first(g, io), last);
	*kernel_wait = true;
	for (b = grid_first(g, io); b <= last; b++) {
		b = min(grid_next(g, io, b, last), wall);
		if (b > last)
			break;
		v = b == wall ?
			    __grid_stopped(g, io, status) :
			    __grid_check_block(g, io, b, kernel_wait, status);
		if (v == GRID_GO)
			continue;
		if (!grid_is_write(io))
			__grid_want(g, io, b, last);
		*stop = b;
		return v;
	}
	return GRID_GO;
}
