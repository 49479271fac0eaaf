// SPDX-License-Identifier: GPL-2.0
/*
 * Detection: a read error of the lower device becomes faults (D6).
 *
 * A read that failed is kept back, parked like others (it may time out, and
 * goes back to dm under noflush).  A worker reads its blocks one by one.  One
 * that fails again is closed to later bios, and read once more: if that fails,
 * too, and no write of it has succeeded meanwhile, it is bad.  A write that was
 * mapped before and ends later finds the fault (again.c).  Without the closing,
 * a write that just healed a block could come between the failed read and the
 * fault, and the repair would undo it:
 *
 *   CPU A (detection)               CPU B (application)
 *   the read fails
 *                                   whole-block write heals the block
 *                                   acknowledged
 *   fault enqueued
 *   repair: the old content is back
 *
 * Then the read is tried anew: it parks on what is missing, or is issued
 * again.
 */
#include <linux/blkdev.h>
#include <linux/vmalloc.h>

#include "grid.h"

/* The medium itself says that it can't give the block. */
static bool grid_is_medium(blk_status_t status)
{
	return status == BLK_STS_MEDIUM || status == BLK_STS_PROTECTION;
}

static bool grid_is_alive(struct grid_table *t)
{
	struct block_device *bdev = t->dev->bdev;

	return !blk_queue_dying(bdev_get_queue(bdev)) &&
	       !test_bit(GD_DEAD, &bdev->bd_disk->state);
}

/* Does @status speak of a bad block? The lock is held, or a guess will do. */
static bool grid_is_fault(struct grid *g, struct grid_table *t,
			  blk_status_t status)
{
	if (grid_is_medium(status))
		return true;
	return status == BLK_STS_IOERR && grid_is_alive(t) &&
	       READ_ONCE(g->by_error_count) < GRID_DETECTED_MAX;
}

/*
 * A read error that is no fault goes to whoever reads block @b, and is counted
 * by what it says.  AGAIN is none: with NOWAIT, nobody was asked.
 */
static void __grid_pass_up(struct grid *g, u64 b, blk_status_t status)
{
	u32 i;

	grid_assert_locked(g);
	if (status == BLK_STS_AGAIN)
		return;
	g->passed_up++;
	g->passed_up_medium += grid_is_medium(status);
	g->passed_up_io += status == BLK_STS_IOERR;
	/* Those that came after its last time move on, and it comes first. */
	for (i = 0; i < g->passed_up_count && g->passed_up_blocks[i] != b; i++)
		;
	if (i == g->passed_up_count && i < GRID_MISSING_PASSED_UP)
		g->passed_up_count++;
	for (i = min(i, GRID_MISSING_PASSED_UP - 1U); i; i--)
		g->passed_up_blocks[i] = g->passed_up_blocks[i - 1];
	g->passed_up_blocks[0] = b;
}

/**
 * grid_detect - a read failed: keep it back if its error may mean bad blocks
 * @g: the grid
 * @t: the table that mapped it
 * @io: the read
 * @error: what the lower device said
 *
 * Context: any.
 * Return: true when it is kept back; @io must not be touched any more then.
 */
bool grid_detect(struct grid *g, struct grid_table *t, struct grid_io *io,
		 blk_status_t error)
{
	unsigned long flags;
	bool kept = false;

	grid_io_begin(io);
	grid_lock(g, &flags);
	if (t->opt.detect && io->tries < GRID_READ_TRIES &&
	    grid_is_fault(g, t, error)) {
		io->kind = GRID_IO_BACK;
		io->error = error;
		io->tries++;
		__grid_park(g, io, GRID_DETECTING, true);
		if (dm_noflush_suspending(g->live->ti))
			__grid_unpark(g, io, BLK_STS_DM_REQUEUE);
		else
			queue_work(g->wq, &g->detect_work);
		kept = true;
	} else {
		__grid_pass_up(g, grid_first(g, io), error);
	}
	grid_unlock(g, flags);
	return kept;
}

/* From now on every bio that comes to block @b parks. */
static void grid_close(struct grid *g, u64 b)
{
	unsigned long flags;

	grid_lock(g, &flags);
	g->closed_begin = b;
	g->closed_end = b + 1;
	g->closed_written = false;
	set_bit(b, g->missing);
	grid_unlock(g, flags);
}

static void grid_open(struct grid *g)
{
	unsigned long flags;
	u64 b;

	grid_lock(g, &flags);
	b = g->closed_begin;
	g->closed_begin = 0;
	g->closed_end = 0;
	if (__grid_missing_find(g->gm, b, NULL) == GRID_MISSING_STATE_GONE &&
	    !grid_bits_test(&g->dropped, b) && !grid_bits_test(&g->lost, b))
		clear_bit(b, g->missing);
	__grid_wake(g, b, false);
	grid_unlock(g, flags);
}

/*
 * Block @b is closed: read it, and enqueue it if that fails.  A write of it that
 * ended meanwhile may have healed it: read it again; only what was mapped before
 * does that.  Returns 0, or what the read that met it is to end with.
 */
static blk_status_t grid_decide(struct grid *g, struct grid_table *t, u64 b)
{
	blk_status_t status;
	unsigned long flags;
	int r = 0;

	for (;;) {
		status = grid_read_block(t, b, g->detect_buf);
		if (!status)
			return BLK_STS_OK;
		grid_meta_lock(g, 2, &flags);
		if (!g->closed_written)
			break;
		g->closed_written = false;
		grid_unlock(g, flags);
	}
	if (!grid_is_fault(g, t, status) || __grid_is_freed(g, b)) {
		__grid_pass_up(g, b, status);
		goto out;
	}
	r = __grid_map_room(g, b, GRID_MISSING_AS_BLOCK) ?:
		    __grid_missing_detected(g->gm, b);
	if (!r) {
		g->detected++;
		set_bit(b, g->by_error);
		g->by_error_count++;
	}
	if (r >= 0)
		status = BLK_STS_OK;
	else if (r == -ENOSPC)
		g->lost_full++;
	else
		__grid_pass_up(g, b, status);
out:
	grid_unlock(g, flags);
	/* It starts a commit, and doesn't wait for it (M2). */
	if (!r && g->meta)
		grid_meta_ticket(g);
	if (r == -ENOSPC)
		DMWARN_LIMIT(
			"%u:%u: block %llu is bad, but blocks_max:%u faults are open; its read fails",
			g->major, g->minor, b,
			grid_missing_limits(g->gm)->blocks_max);
	return status;
}

/* Is block @b missing already?  Then its readers park. */
static bool grid_known(struct grid *g, u64 b)
{
	unsigned long flags;
	bool freed;
	u32 f;
	u8 state;

	grid_lock(g, &flags);
	state = __grid_missing_peek(g->gm, b, &f, &freed);
	grid_unlock(g, flags);
	return state != GRID_MISSING_STATE_GONE;
}

/*
 * A failed read met block @b.  Only one that fails once more is closed, and
 * only it: the neighbours have nothing to wait for.
 */
static blk_status_t grid_look(struct grid *g, struct grid_table *t, u64 b)
{
	blk_status_t status = BLK_STS_OK;

	if (grid_known(g, b) || !grid_read_block(t, b, g->detect_buf))
		return BLK_STS_OK;
	grid_close(g, b);
	if (!grid_known(g, b))
		status = grid_decide(g, t, b);
	grid_open(g);
	return status;
}

static void grid_detect_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, detect_work);
	struct grid_table *t;
	struct grid_io *io;
	unsigned long flags;
	blk_status_t status, s;
	u64 b, last;

	for (;;) {
		grid_lock(g, &flags);
		io = __grid_next_detecting(g);
		g->detecting = io;
		if (io) {
			t = io->table;
			b = grid_first(g, io);
			last = grid_last(g, io);
		}
		grid_unlock(g, flags);
		if (!io)
			break;

		/* Once it has waited too long @io is gone. */
		status = BLK_STS_OK;
		for (; b <= last && READ_ONCE(g->detecting); b++) {
			s = grid_look(g, t, b);
			if (s)
				status = s;
			cond_resched();
		}

		grid_lock(g, &flags);
		if (g->detecting)
			__grid_unpark(g, io, status);
		grid_unlock(g, flags);
	}
}

void grid_detect_init(struct grid *g)
{
	INIT_WORK(&g->detect_work, grid_detect_worker);
}
