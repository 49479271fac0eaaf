// SPDX-License-Identifier: GPL-2.0
/*
 * Flushes: what one of ours may have taken from the application's (D2).
 *
 * A disk tells of a lost write once, to the next flush.  Where that is one of
 * ours, which no flush of the application asked for (a repair's, `durable`'s),
 * the application's next one would succeed.  So ours that fail are counted,
 * and a flush of the application fails as well
 *
 *  - when the count grew while it was under way;
 *  - when it is the first to come since the count grew (`told`).
 *
 * The first does not do instead of the second: it may have come before the
 * write that was lost.
 *
 *   application              disk            repair
 *   flush A comes
 *   write W is acknowledged
 *                            W is lost
 *                                            its flush fails: counted
 *   A ends: fails
 *   flush B comes, for W: fails
 *
 * What ours was told is known when it has ended, so whoever ends well while one
 * of ours is under way waits for that one.  It is counted where it ends, not
 * by the task that waits for it.
 *
 * `durable` relies on the disk as a flush does, and has a `told` of its own.
 *
 * Of PREFLUSH with data dm makes an empty flush, whose error it drops, and then a
 * write.  A journal's commit record is PREFLUSH with FUA, so writes with FUA have a
 * `told` of their own, too: the first to come since a flush failed, be it one of ours
 * or of the application's, fails before it goes down.  Two of them: dm sends that
 * write from a kernel thread, and no O_DSYNC of a task is to take it from a journal.
 * (A task's that was throttled, or put off by a suspend, comes from one as well.)
 *
 *   journal            dm                     repair
 *   write W is acknowledged, and lost
 *                                             its flush fails: counted
 *   PREFLUSH|FUA comes
 *                      its flush fails: counted, and dropped
 *                      its FUA write comes: fails
 *
 * Where the disk has no FUA, the kernel flushes it behind such a write, whose error
 * the write's is then: it may be the disk's word of what was repaired.  And a flush
 * beside it may have taken the word of that write itself, which then fails, too.
 *
 * The other way round, what was repaired relies on ours, and a flush of the
 * application that failed may have been told of it: see ends.c.  Where flushes go
 * down side by side it may be told a moment after ours has ended well, and so may
 * another of ours: what relies on one that ended well waits for all that were begun
 * before its end.
 */
#include <linux/blk-cgroup.h>

#include "grid.h"

/** struct grid_own_flush - a flush of ours that is under way */
struct grid_own_flush {
	struct list_head node; /* in grid->own_flushes, by nr (the lock) */
	u64 nr;
	struct grid *grid;
	struct completion done;
	struct bio bio;
};

/**
 * __grid_flush_note - what relies on the disk's flush comes
 * @g: the grid
 * @note: out
 * @told: how many failures its kind knows of
 *
 * Context: the lock is held.
 */
void __grid_flush_note(struct grid *g, struct grid_flush_note *note, u32 *told)
{
	grid_assert_locked(g);
	note->failures = g->flush_failures;
	note->owed = *told != g->flush_failures;
	*told = g->flush_failures;
}

static bool grid_flush_lost(const struct grid_flush_note *note, u32 failures)
{
	return note->owed || note->failures != failures;
}

/**
 * __grid_flush_fails - a flush of the application is about to end
 * @g: the grid
 * @status: with that; if it is an error, who sent the flush may never hear
 *
 * Context: the lock is held.
 */
void __grid_flush_fails(struct grid *g, blk_status_t status)
{
	grid_assert_locked(g);
	if (status)
		WRITE_ONCE(g->any_failures, g->any_failures + 1);
}

/**
 * __grid_own_failed - a flush of ours failed, or what may have been one
 * @g: the grid
 *
 * Context: the lock is held.
 */
void __grid_own_failed(struct grid *g)
{
	grid_assert_locked(g);
	WRITE_ONCE(g->flush_failures, g->flush_failures + 1);
	WRITE_ONCE(g->any_failures, g->any_failures + 1);
	__grid_flush_failed(g);
}

/**
 * grid_fua_owed - a write with FUA comes: is it told of a flush that failed?
 * @g: the grid
 * @io: the write
 *
 * Context: who submits it; the lock not held.
 */
bool grid_fua_owed(struct grid *g, struct grid_io *io)
{
	u32 *told = &g->fua_told[!!(current->flags & PF_KTHREAD)];
	unsigned long flags;
	bool owed;

	io->failures = READ_ONCE(g->flush_failures);
	if (likely(READ_ONCE(*told) == READ_ONCE(g->any_failures)))
		return false;
	grid_lock(g, &flags);
	owed = *told != g->any_failures;
	WRITE_ONCE(*told, g->any_failures);
	grid_unlock(g, flags);
	return owed;
}

/**
 * grid_fua_ended - a write with FUA ended below
 * @g: the grid
 * @io: the write
 * @status: how
 *
 * Context: any, the lock not held.
 * Return: what it is to end with.
 */
blk_status_t grid_fua_ended(struct grid *g, const struct grid_io *io,
			    blk_status_t status)
{
	unsigned long flags;

	if (!status)
		return READ_ONCE(g->flush_failures) == io->failures ?
			       BLK_STS_OK :
			       BLK_STS_IOERR;
	/* Else no disk was asked: with NOWAIT, or for what it can't do. */
	if (status != BLK_STS_AGAIN && status != BLK_STS_NOTSUPP &&
	    blk_status_to_errno(status) != -EINVAL) {
		grid_lock(g, &flags);
		__grid_flush_failed(g);
		grid_unlock(g, flags);
	}
	return status;
}

/* Have all of ours ended that were begun before number @nr? */
static bool __grid_own_ended(const struct grid *g, u64 nr)
{
	grid_assert_locked(g);
	return list_empty(&g->own_flushes) ||
	       list_first_entry(&g->own_flushes, struct grid_own_flush, node)
			       ->nr >= nr;
}

static bool grid_own_ended(struct grid *g, u64 nr)
{
	unsigned long flags;
	bool ended;

	grid_lock(g, &flags);
	ended = __grid_own_ended(g, nr);
	grid_unlock(g, flags);
	return ended;
}

/** __grid_flush_status - what @io, a flush that ended well, is told; locked */
blk_status_t __grid_flush_status(const struct grid *g, const struct grid_io *io)
{
	grid_assert_locked(g);
	return grid_flush_lost(&io->note, g->flush_failures) ? BLK_STS_IOERR :
							       BLK_STS_OK;
}

/**
 * __grid_flush_down - a flush of the application goes to the lower device
 * @g: the grid
 * @io: the flush; its node is taken until grid_flush_ended()
 *
 * Context: the lock is held.
 */
void __grid_flush_down(struct grid *g, struct grid_io *io)
{
	grid_assert_locked(g);
	io->block = g->flush_nr++;
	list_add_tail(&io->node, &g->flushes_down);
}

/* It came back; the lock is held. */
static void __grid_flush_up(struct grid *g, struct grid_io *io)
{
	grid_assert_locked(g);
	list_del(&io->node);
	wake_up_all(&g->barrier_wait);
}

/* Have those come back that went down before number @nr? */
static bool grid_flushes_up(struct grid *g, u64 nr)
{
	const struct grid_io *io;
	unsigned long flags;
	bool up;

	grid_lock(g, &flags);
	io = list_first_entry_or_null(&g->flushes_down, struct grid_io, node);
	up = !io || io->block >= nr;
	grid_unlock(g, flags);
	return up;
}

/*
 * A flush has ended well: wait for all that went down beside it, whoever's.  One of
 * these may be told of what this one covers; its failure is known then.
 */
static void grid_flushes_settle(struct grid *g)
{
	unsigned long flags;
	u64 nr, own_nr;

	grid_lock(g, &flags);
	nr = g->flush_nr;
	own_nr = g->own_flush_nr;
	grid_unlock(g, flags);
	while (!wait_event_timeout(
		g->barrier_wait,
		grid_flushes_up(g, nr) && grid_own_ended(g, own_nr), HZ))
		;
}

/**
 * grid_flush_below - flush the lower device for flushes of the application
 * @t: the table
 *
 * Context: process; sleeps as long as that takes.
 * Return: 0 or an errno.
 */
int grid_flush_below(struct grid_table *t)
{
	struct grid *g = t->grid;
	struct grid_io io;
	unsigned long flags;
	int r;

	grid_lock(g, &flags);
	__grid_flush_down(g, &io);
	grid_unlock(g, flags);
	r = blkdev_issue_flush(t->dev->bdev);
	grid_lock(g, &flags);
	if (r)
		__grid_flush_failed(g);
	__grid_flush_up(g, &io);
	grid_unlock(g, flags);
	if (!r)
		grid_flushes_settle(g);
	return r;
}

/**
 * __grid_flush_waits - a flush of the application is about to end well
 * @g: the grid
 * @io: the flush, on no list
 *
 * Context: the lock is held.
 * Return: true when it waits for flushes of ours that are under way; @io must not be
 * touched any more once the lock is dropped.
 */
bool __grid_flush_waits(struct grid *g, struct grid_io *io)
{
	grid_assert_locked(g);
	if (list_empty(&g->own_flushes))
		return false;
	io->block = g->own_flush_nr;
	list_add_tail(&io->node, &g->flushes_ended);
	return true;
}

static void grid_own_flush_end(struct bio *bio)
{
	struct grid_own_flush *own = bio->bi_private;
	struct grid *g = own->grid;
	struct grid_io *io, *tmp;
	unsigned long flags;
	LIST_HEAD(ended);

	grid_lock(g, &flags);
	list_del(&own->node);
	if (bio->bi_status)
		__grid_own_failed(g);
	list_for_each_entry_safe(io, tmp, &g->flushes_ended, node) {
		if (!__grid_own_ended(g, io->block))
			break;
		io->status = __grid_flush_status(g, io);
		__grid_flush_fails(g, io->status);
		list_move_tail(&io->node, &ended);
	}
	wake_up_all(&g->barrier_wait);
	grid_unlock(g, flags);

	list_for_each_entry_safe(io, tmp, &ended, node)
		grid_end(io, io->status);
	complete(&own->done);
}

/**
 * grid_flush_own - flush the lower device, not for a flush of the application
 * @t: the table
 *
 * What is not durable, though this has ended well, is told to __grid_flush_failed()
 * before it returns.
 *
 * Context: process; sleeps as long as that takes.
 * Return: 0 or an errno.
 */
int grid_flush_own(struct grid_table *t)
{
	struct grid *g = t->grid;
	struct grid_own_flush own = { .grid = g };
	unsigned long flags;
	int r;

	init_completion(&own.done);
	bio_init(&own.bio, t->dev->bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	bio_associate_blkg_from_css(&own.bio, blkcg_root_css);
	own.bio.bi_private = &own;
	own.bio.bi_end_io = grid_own_flush_end;
	grid_lock(g, &flags);
	own.nr = g->own_flush_nr++;
	list_add_tail(&own.node, &g->own_flushes);
	grid_unlock(g, flags);
	submit_bio(&own.bio);
	/* In turns of a second: a slow disk is no hung task. */
	while (!wait_for_completion_timeout(&own.done, HZ))
		;
	r = blk_status_to_errno(own.bio.bi_status);
	bio_uninit(&own.bio);
	if (!r)
		grid_flushes_settle(g);
	else
		DMERR_LIMIT(
			"%u:%u: %pg can't flush (%d): the next flush fails for it",
			g->major, g->minor, t->dev->bdev, r);
	return r;
}

/**
 * grid_flush_ended - a flush of the application ended below
 * @g: the grid
 * @io: the flush, of kind GRID_IO_FLUSH
 * @error: in, out: its status
 *
 * Context: any.
 * Return: true when it is kept back; @io must not be touched any more then.
 */
bool grid_flush_ended(struct grid *g, struct grid_io *io, blk_status_t *error)
{
	unsigned long flags;
	bool kept = false;

	grid_lock(g, &flags);
	if (*error)
		__grid_flush_failed(g);
	__grid_flush_up(g, io);
	if (!*error) {
		*error = __grid_flush_status(g, io);
		kept = !*error && __grid_flush_waits(g, io);
	}
	__grid_flush_fails(g, *error);
	grid_unlock(g, flags);
	return kept;
}

/**
 * grid_barrier_lost - may what the running barrier relies on be lost?
 * @g: the grid; the barrier's own flush has succeeded
 *
 * Context: the barrier's worker; waits for the flushes that are under way, that is,
 * for the lower device.
 */
bool grid_barrier_lost(struct grid *g)
{
	const struct grid_io *io;
	unsigned long flags;
	struct bio *bio;
	u32 failures;

	grid_flushes_settle(g);
	grid_lock(g, &flags);
	failures = g->flush_failures;
	grid_unlock(g, flags);

	if (bio_list_empty(&g->flushes))
		return grid_flush_lost(&g->durable_note, failures);
	bio_list_for_each(bio, &g->flushes) {
		io = dm_per_bio_data(bio, sizeof(*io));
		if (grid_flush_lost(&io->note, failures))
			return true;
	}
	return false;
}

void grid_flush_init(struct grid *g)
{
	INIT_LIST_HEAD(&g->own_flushes);
	INIT_LIST_HEAD(&g->flushes_down);
	INIT_LIST_HEAD(&g->flushes_ended);
}
