// SPDX-License-Identifier: GPL-2.0
/*
 * Staged discards, checkpoint barriers, discards in the background (D5, T9).
 *
 * A discard only says that its blocks are released: they stay readable and
 * repairable until the next checkpoint is durable.  A released block is in at
 * most one of
 *
 *   open    released since a checkpoint was taken last
 *   taken   released before that; freed when it is durable
 *   freed   to be discarded below, by a worker
 *   [discard_begin, discard_end)   whose discard is under way
 *
 * and then has its bit in grid->marked, so that a write to it comes here and
 * takes it out again; only from the last it can't: it parks.
 *
 * The barrier (a flush, or `durable`): flush the lower device, let the tracker
 * drop what is taken, wait until no write to such a block is under way, end
 * the flush.  While one runs, flushes that come wait, and all of them become
 * one barrier; discards that come after the first of them wait too, or they
 * would be freed by a flush they followed.
 *
 * With metadata the faults that it takes are *dropped* until a commit says so
 * (M2): their blocks are no longer repaired, and not good either.  Their reads
 * fail until a barrier's commit succeeds, a write or an enqueue comes;
 * when they are in use again, they are missing again, if there is a slot.
 *
 * If the lower device can't flush, or told of a lost write to a flush of ours
 * (flush.c), or the tracker can't commence (a sync jump
 * is open), what was taken goes back to open: later is always safe.
 */
#include <linux/blkdev.h>
#include <linux/delay.h>

#include "grid.h"

/* Entries handled before the lock is given away. */
#define GRID_SLICE 1024U
/* One discard below covers no more; writes to it wait until it is through. */
#define GRID_DISCARD_BYTES (256U * 1024U * 1024U)

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

/* The members of @from join @to.  Gives the lock away between slices. */
static void grid_move(struct grid *g, struct grid_bits *from,
		      struct grid_bits *to)
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

/* Stage the whole blocks of a discard; gives the lock away between slices. */
static void grid_stage(struct grid *g, sector_t begin, sector_t end)
{
	u64 b = round_up(begin, g->block_sectors) >> g->block_shift;
	u64 e = end >> g->block_shift;
	unsigned long flags;
	unsigned int i;

	while (b < e) {
		grid_lock(g, &flags);
		for (i = 0; b < e && i < GRID_SLICE; i++, b++) {
			if (test_and_set_bit(b, g->marked))
				continue;
			grid_bits_set(&g->open, b);
		}
		grid_unlock(g, flags);
		cond_resched();
	}
}

static void grid_discard_end(struct grid *g, struct grid_io *io)
{
	grid_stage(g, io->iter.bi_sector,
		   io->iter.bi_sector + (io->iter.bi_size >> SECTOR_SHIFT));
	grid_end(io, BLK_STS_OK);
}

/* The blocks that a discard covers, from *@begin to before *@end. */
static void grid_discarded(const struct grid *g, const struct bio *bio,
			   u64 *begin, u64 *end)
{
	const struct grid_io *io =
		dm_per_bio_data((struct bio *)bio, sizeof(*io));

	*begin = round_up(io->iter.bi_sector, g->block_sectors) >>
		 g->block_shift;
	*end = (io->iter.bi_sector + (io->iter.bi_size >> SECTOR_SHIFT)) >>
	       g->block_shift;
}

/**
 * __grid_discard_waits - the first block whose discard was not staged yet
 * @g: the grid
 * @first: first block of a write
 * @last: last one
 *
 * Such a discard came before the write, and would release what the write
 * brings (D2: a write does not overtake a discard in flight).
 *
 * Context: the lock is held.
 * Return: the block, or U64_MAX.
 */
u64 __grid_discard_waits(struct grid *g, u64 first, u64 last)
{
	struct bio_list *lists[] = { &g->discards_staging,
				     &g->discards_waiting };
	u64 found = U64_MAX, b, e;
	struct bio *bio;
	unsigned int i;

	grid_assert_locked(g);
	if (!(g->gate & GRID_GATE_DISCARDS))
		return U64_MAX;
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		bio_list_for_each(bio, lists[i]) {
			grid_discarded(g, bio, &b, &e);
			b = max(b, first);
			if (b < e && b <= last)
				found = min(found, b);
		}
	return found;
}

/*
 * What waited behind a barrier that runs now is staged and acknowledged.  Each
 * stays where writes find it until then, and those that waited for it go on.
 */
static void grid_stage_waiting(struct grid *g)
{
	unsigned long flags;
	struct bio *bio;
	u64 b, e;

	for (;;) {
		grid_lock(g, &flags);
		bio = bio_list_peek(&g->discards_staging);
		if (!bio && bio_list_empty(&g->discards_waiting))
			__grid_gate(g, GRID_GATE_DISCARDS, false);
		grid_unlock(g, flags);
		if (!bio)
			break;
		grid_discarded(g, bio, &b, &e);
		grid_stage(g, b << g->block_shift, e << g->block_shift);
		grid_lock(g, &flags);
		bio_list_pop(&g->discards_staging);
		grid_unlock(g, flags);
		/* Nobody waits for it any more; its size is the user's. */
		grid_wake_range(g, b, e);
		grid_end(dm_per_bio_data(bio, sizeof(struct grid_io)),
			 BLK_STS_OK);
	}
}

/**
 * grid_map_discard - acknowledge a discard, or hold it behind a barrier
 * @t: the table
 * @bio: the discard
 * @io: its per-bio data, @iter set
 */
int grid_map_discard(struct grid_table *t, struct bio *bio, struct grid_io *io)
{
	struct grid *g = t->grid;
	unsigned long flags;
	bool hold;

	grid_lock(g, &flags);
	hold = !bio_list_empty(&g->flushes_waiting);
	if (hold) {
		bio_list_add(&g->discards_waiting, bio);
		__grid_gate(g, GRID_GATE_DISCARDS, true);
	}
	grid_unlock(g, flags);
	if (!hold)
		grid_discard_end(g, io);
	return DM_MAPIO_SUBMITTED;
}

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

/* What barriers dropped is committed.  Gives the lock away between slices. */
static void grid_undrop_all(struct grid *g)
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

/* What waits becomes the running barrier; the lock is held. */
static void __grid_barrier_start(struct grid *g)
{
	grid_assert_locked(g);
	g->barrier_running = true;
	g->barrier_freeing = false;
	bio_list_merge(&g->flushes, &g->flushes_waiting);
	bio_list_init(&g->flushes_waiting);
	bio_list_merge(&g->discards_staging, &g->discards_waiting);
	bio_list_init(&g->discards_waiting);
	/* In checkpoint:explicit what is taken was taken before. */
	if (!g->checkpoint_taken)
		grid_bits_swap(&g->open, &g->taken);
	/* That of `durable`; each flush has its own. */
	if (bio_list_empty(&g->flushes))
		__grid_flush_note(g, &g->durable_note, &g->durable_told);
	queue_work(g->wq, &g->barrier_work);
}

/**
 * grid_map_flush - a flush is the barrier (checkpoint:flush)
 * @t: the table
 * @bio: the flush, without data
 *
 * With nothing released nor dropped, and no barrier running, it simply goes down.
 */
int grid_map_flush(struct grid_table *t, struct bio *bio)
{
	struct grid *g = t->grid;
	struct grid_io *io = dm_per_bio_data(bio, sizeof(*io));
	unsigned long flags;
	bool plain;

	grid_lock(g, &flags);
	__grid_flush_note(g, &io->note, &g->flush_told);
	plain = t->opt.explicit_checkpoint;
	if (!plain) {
		/* Here `durable` has nothing to tell that a flush doesn't. */
		g->durable_told = g->flush_told;
		plain = !g->barrier_running && !g->open.count &&
			!g->dropped.count &&
			bio_list_empty(&g->flushes_waiting);
	}
	if (!plain) {
		bio->bi_opf &= ~REQ_POLLED;
		bio_list_add(&g->flushes_waiting, bio);
		if (!g->barrier_running)
			__grid_barrier_start(g);
	} else if (!g->meta) {
		__grid_flush_down(g, io);
	}
	grid_unlock(g, flags);
	if (!plain)
		return DM_MAPIO_SUBMITTED;
	io->kind = GRID_IO_FLUSH;
	if (g->meta)
		return grid_meta_flush(t, bio);
	bio_set_dev(bio, t->dev->bdev);
	return DM_MAPIO_REMAPPED;
}

/** struct grid_taken_set - what is taken, as the tracker wants it */
struct grid_taken_set {
	struct grid_missing_set set;
	struct grid_bits *bits;
};

static bool grid_set_test(const struct grid_missing_set *set, u64 b)
{
	return grid_bits_test(
		container_of(set, struct grid_taken_set, set)->bits, b);
}

static u64 grid_set_next(const struct grid_missing_set *set, u64 from,
			 bool *found)
{
	u64 b = grid_bits_next(
		container_of(set, struct grid_taken_set, set)->bits, from);

	*found = b != U64_MAX;
	return b;
}

/* A sync jump lasts as long as userspace likes. */
static bool grid_jumping(struct grid *g)
{
	unsigned long flags;
	bool jumping;

	grid_lock(g, &flags);
	jumping = __grid_missing_jumping(g->gm);
	grid_unlock(g, flags);
	return jumping;
}

/*
 * The tracker drops what is taken.  EBUSY passes while another sweep runs (a
 * cancel); it stays while a sync jump is open, and for that no flush waits.
 */
static int grid_commence(struct grid *g)
{
	struct grid_taken_set taken = {
		.set = { .test = grid_set_test, .next = grid_set_next },
		.bits = &g->taken,
	};
	unsigned long flags;
	unsigned int i;
	int r = -EBUSY;

	for (i = 0; r == -EBUSY && i < 100; i++) {
		if (i)
			msleep(20);
		grid_lock(g, &flags);
		/* From here on an enqueue of these is refused (D2). */
		g->barrier_freeing = true;
		taken.set.count = g->taken.count;
		taken.set.id = g->checkpoint_taken ? g->checkpoint_id : 0;
		grid_unlock(g, flags);
		r = grid_missing_checkpoint_commence(g->gm, &taken.set);
		if (r) {
			grid_lock(g, &flags);
			g->barrier_freeing = false;
			grid_unlock(g, flags);
		}
		if (r && grid_jumping(g))
			break;
	}
	return r;
}

/*
 * Until no write to a freed block is under way.  These are writes of repairs,
 * so the lower device ends them.  A cancel's sweep beside it does not matter.
 */
static void grid_wait_aborting(struct grid *g)
{
	/* Whoever cancels everything may close it first: not ours to wait for. */
	while (grid_missing_checkpoint_complete(g->gm) == -EAGAIN)
		wait_event_timeout(g->barrier_wait, !READ_ONCE(g->aborting),
				   HZ);
}

/* Flush the lower device, for the barrier's flushes or for `durable`. */
static int grid_flush_barrier(struct grid *g, struct grid_table *t)
{
	unsigned long flags;
	int r;

	grid_lock(g, &flags);
	__grid_flush_begins(g);
	grid_unlock(g, flags);
	if (!bio_list_empty(&g->flushes))
		r = grid_flush_below(t);
	else
		r = grid_flush_own(t);
	grid_lock(g, &flags);
	if (!r)
		__grid_flush_done(g);
	else if (bio_list_empty(&g->flushes))
		/* It is told of this one by its own result. */
		g->durable_told++;
	grid_unlock(g, flags);
	return r;
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

/*
 * What is lost and taken has no fault that the tracker could drop.  Nobody needs
 * it any more: neither is it a fault once there is a slot.
 */
static void grid_drop_lost(struct grid *g)
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

/*
 * The lower device has what was written before; then the tracker drops what is
 * taken, no write to it is under way any more, and it is freed.
 */
static int grid_free_taken(struct grid *g, struct grid_table *t,
			   blk_status_t *status)
{
	u64 errors = grid_meta_flush_errors(g);
	int r, e;

	r = grid_flush_barrier(g, t);
	if (!r && grid_barrier_lost(g))
		r = -EIO;
	if (r) {
		*status = errno_to_blk_status(r);
		DMERR_LIMIT("%u:%u: %pg can't flush (%d): nothing is freed",
			    g->major, g->minor, t->dev->bdev, r);
	} else {
		r = grid_commence(g);
		if (r)
			DMWARN_LIMIT(
				"%u:%u: checkpoint put off (%d): what is released stays so until the next one",
				g->major, g->minor, r);
	}
	if (!r) {
		grid_wait_aborting(g);
		grid_drop_lost(g);
	}
	/*
	 * What is dropped has to stay so before it is discarded (M2); and what
	 * came before the flush is committed, though nothing is freed.  A flush
	 * of the commit's own that fails undoes what the first one has made
	 * durable, so this barrier's flushes are told of it; one of the application's
	 * that counts as that has undone what is to be freed.
	 */
	if (!*status) {
		e = grid_meta_sync(g);
		if (!e && g->meta &&
		    (grid_barrier_lost(g) ||
		     grid_meta_flush_errors(g) != errors))
			e = -EIO;
		if (e)
			*status = errno_to_blk_status(e);
		r = r ?: e;
	}
	if (!r) {
		grid_undrop_all(g);
		grid_move(g, &g->taken, &g->freed);
		grid_ends_freed(g);
	} else if (!t->opt.explicit_checkpoint) {
		grid_move(g, &g->taken, &g->open);
	}
	return r;
}

/* GRID_MISSING_RELEASED_*: where block @b is; the lock is held. */
static u32 __grid_released_in(struct grid *g, u64 b)
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

/*
 * The members of @set are in use again, so what was dropped of them is missing;
 * nobody knows its checksum any more.  Gives the lock away between slices.
 */
static void grid_unrelease_all(struct grid *g, struct grid_bits *set)
{
	unsigned long flags;
	bool was_dropped;
	unsigned int i;
	u64 b = 0;

	do {
		grid_meta_lock(g, GRID_SLICE, &flags);
		for (i = 0; i < GRID_SLICE; i++) {
			b = grid_bits_next(set, b);
			if (b == U64_MAX)
				break;
			was_dropped = grid_bits_clear(&g->dropped, b);
			grid_bits_clear(set, b);
			if (!__grid_released_in(g, b))
				clear_bit(b, g->marked);
			if (was_dropped)
				__grid_meta_lose_again(g, b);
		}
		grid_unlock(g, flags);
		cond_resched();
	} while (b != U64_MAX);
}

static void grid_barrier_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, barrier_work);
	struct grid_table *t = READ_ONCE(g->live);
	struct bio_list flushes;
	blk_status_t status = BLK_STS_OK;
	unsigned long flags;
	struct bio *bio;
	int r;

	if (g->reverting) {
		grid_unrelease_all(g, &g->taken);
		grid_unrelease_all(g, &g->open);
		/* Values, of whose table the index alone was released. */
		if (g->meta)
			grid_unrelease_all(g, &g->dropped);
		/* Whoever goes back to what was relies on it. */
		WRITE_ONCE(g->revert_error, grid_meta_sync(g));
		r = -ECANCELED;
	} else {
		r = grid_free_taken(g, t, &status);
	}

	grid_lock(g, &flags);
	flushes = g->flushes;
	bio_list_init(&g->flushes);
	if (g->reverting)
		__grid_missing_checkpoint_told(g->gm, 0);
	g->barrier_running = false;
	g->barrier_freeing = false;
	g->barrier_error = r;
	if (g->reverting) {
		g->reverting = false;
		g->checkpoint_taken = false;
	} else if (!r) {
		g->checkpoints++;
		__grid_missing_checkpoint_durable(g->gm);
		g->checkpoint_taken = false;
		g->durable_id = g->checkpoint_id;
	}
	if (!bio_list_empty(&g->flushes_waiting))
		__grid_barrier_start(g);
	if (!g->stopped)
		queue_work(g->wq, &g->discard_work);
	grid_unlock(g, flags);

	wake_up_all(&g->barrier_wait);
	while ((bio = bio_list_pop(&flushes)))
		grid_end(dm_per_bio_data(bio, sizeof(struct grid_io)), status);
	grid_stage_waiting(g);
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

/**
 * grid_take - close the open generation (checkpoint:explicit)
 * @priv: the grid
 * @id: in: 0, or the id that it is to have; out: the checkpoint
 *
 * Context: never sleeps.
 * Return: 0; -EAGAIN while suspended; -EOPNOTSUPP in checkpoint:flush; -EBUSY
 * while the one taken before is not durable; -EINVAL when its id is not greater than any before.
 */
int grid_take(void *priv, u64 *id)
{
	struct grid *g = priv;
	unsigned long flags;
	int r = 0;

	grid_lock(g, &flags);
	/* Stopped: preresume may be copying the sets for a longer device. */
	if (!g->live || g->stopped)
		r = -EAGAIN;
	else if (!g->live->opt.explicit_checkpoint)
		r = -EOPNOTSUPP;
	else if (g->checkpoint_taken || g->barrier_running)
		r = -EBUSY;
	else if (*id && *id <= g->checkpoint_id)
		r = -EINVAL;
	if (!r) {
		grid_bits_swap(&g->open, &g->taken);
		g->checkpoint_taken = true;
		g->checkpoint_id = *id ?: g->checkpoint_id + 1;
		*id = g->checkpoint_id;
		__grid_missing_checkpoint_told(g->gm, *id);
	}
	grid_unlock(g, flags);
	return r;
}

/**
 * grid_untake - checkpoint:flush from now on: what was taken is open again
 * @g: the grid
 *
 * The next flush is the barrier for all that was released before it came (D5).
 * Were the set still taken, that flush would free nothing else; and one that a
 * sync jump puts off would leave nothing taken, so that the next one freed
 * nothing at all.
 *
 * Context: preresume: no barrier runs, no discard comes.
 */
void grid_untake(struct grid *g)
{
	unsigned long flags;

	grid_move(g, &g->taken, &g->open);
	grid_lock(g, &flags);
	g->checkpoint_taken = false;
	grid_unlock(g, flags);
}

/**
 * grid_durable_start - start the barrier for checkpoint @id
 * @g: the grid
 * @id: as grid_take() gave it
 *
 * Context: never sleeps (D3: a message starts things).
 * Return: 0, also when it runs or ran already; -ENOENT; -EOPNOTSUPP; -EAGAIN
 * while suspended.
 */
int grid_durable_start(struct grid *g, u64 id)
{
	unsigned long flags;
	int r = 0;

	grid_lock(g, &flags);
	if (!g->live || g->stopped)
		r = -EAGAIN;
	else if (!g->live->opt.explicit_checkpoint)
		r = -EOPNOTSUPP;
	else if (!id || (id != g->durable_id &&
			 (id != g->checkpoint_id || !g->checkpoint_taken)))
		r = -ENOENT;
	else if (id != g->durable_id && g->reverting)
		r = -EBUSY;
	else if (id != g->durable_id && !g->barrier_running)
		__grid_barrier_start(g);
	grid_unlock(g, flags);
	return r;
}

/**
 * grid_durable - the barrier for checkpoint @id, waited for
 * @priv: the grid
 * @id: as grid_take() gave it
 *
 * Context: process, interruptible; the barrier itself goes on.
 * Return: as grid_durable_start(); -EINTR; -EBUSY while a sync jump is open and
 * -EIO when the lower device can't flush: it is still taken, try again.
 */
int grid_durable(void *priv, u64 id)
{
	struct grid *g = priv;
	int r = grid_durable_start(g, id);

	if (r)
		return r;
	r = wait_event_interruptible(g->barrier_wait,
				     !READ_ONCE(g->barrier_running));
	if (r)
		return -EINTR;
	/* The id may be reverted by now, then it is none. */
	if (READ_ONCE(g->durable_id) >= id)
		return 0;
	if (READ_ONCE(g->barrier_error) == -ECANCELED)
		return -ENOENT;
	return READ_ONCE(g->barrier_error) == -EBUSY ? -EBUSY : -EIO;
}

/**
 * grid_revert_start - what is released and not yet freed is to be in use again
 * @g: the grid
 *
 * It takes the place of a barrier: flushes and discards that come meanwhile
 * wait for it, and none is taken nor made durable.
 *
 * Context: never sleeps (D3: a message starts things).
 * Return: 0; -EBUSY while a barrier runs, which may be freeing some of it;
 * -EAGAIN while suspended.
 */
int grid_revert_start(struct grid *g)
{
	unsigned long flags;
	int r = 0;

	grid_lock(g, &flags);
	if (!g->live || g->stopped) {
		r = -EAGAIN;
	} else if (g->barrier_running) {
		r = -EBUSY;
	} else {
		g->barrier_running = true;
		g->reverting = true;
		queue_work(g->wq, &g->barrier_work);
	}
	grid_unlock(g, flags);
	return r;
}

/**
 * grid_revert - likewise, waited for
 * @priv: the grid
 *
 * Context: process, interruptible; what was started goes on.
 * Return: 0; -EAGAIN while suspended; -EINTR; -EIO: it is so, but the metadata does
 * not say so: after a crash some of it may be good.
 */
int grid_revert(void *priv)
{
	struct grid *g = priv;
	int r;

	do {
		if (wait_event_interruptible(g->barrier_wait,
					     !READ_ONCE(g->barrier_running)))
			return -EINTR;
		r = grid_revert_start(g);
	} while (r == -EBUSY);
	if (r)
		return r;
	if (wait_event_interruptible(g->barrier_wait, !READ_ONCE(g->reverting)))
		return -EINTR;
	return READ_ONCE(g->revert_error);
}

/*
 * The next run of freed blocks, as far as one discard may reach.  From the
 * moment that a block joins it its writes park; one that comes before ends the
 * run.  Gives the lock away between slices.  False when there is none.
 */
static bool grid_next_discard(struct grid *g)
{
	u64 max = GRID_DISCARD_BYTES / g->geo.block_size, b, i;
	unsigned long flags;
	bool more = false;

	grid_lock(g, &flags);
	b = g->stopped ? U64_MAX : grid_bits_next(&g->freed, 0);
	if (b != U64_MAX) {
		g->discard_begin = b;
		g->discard_end = b;
		more = true;
	}
	while (more) {
		for (i = 0; more && i < GRID_SLICE; i++) {
			more = g->discard_end - b < max &&
			       grid_bits_clear(&g->freed, g->discard_end);
			g->discard_end += more;
		}
		grid_unlock(g, flags);
		cond_resched();
		grid_lock(g, &flags);
	}
	grid_unlock(g, flags);
	return b != U64_MAX;
}

/* The run's discard is through: it is marked no more.  In slices, too. */
static void grid_discarded_run(struct grid *g)
{
	unsigned long flags;
	u64 b, e, n;
	bool more;

	do {
		grid_lock(g, &flags);
		b = g->discard_begin;
		e = min(g->discard_end, b + GRID_SLICE);
		for (n = b; n < e; n++)
			clear_bit(n, g->marked);
		g->discard_begin = e;
		more = e < g->discard_end;
		if (!more) {
			g->discard_begin = 0;
			g->discard_end = 0;
		}
		__grid_wake_range(g, b, e);
		grid_unlock(g, flags);
		cond_resched();
	} while (more);
}

static void grid_discard_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, discard_work);
	struct grid_table *t = READ_ONCE(g->live);
	struct block_device *bdev = t->dev->bdev;
	u64 b;
	int r;

	while (grid_next_discard(g)) {
		b = g->discard_begin;
		r = 0;
		if (bdev_max_discard_sectors(bdev))
			r = blkdev_issue_discard(
				bdev, grid_lower_sector(t, b << g->block_shift),
				(g->discard_end - b) << g->block_shift,
				GFP_NOIO);
		if (r && r != -EOPNOTSUPP)
			DMWARN_LIMIT(
				"%u:%u: %pg: discard of block %llu failed (%d)",
				g->major, g->minor, bdev, b, r);
		grid_discarded_run(g);
	}
}

void grid_release_init(struct grid *g)
{
	bio_list_init(&g->flushes);
	bio_list_init(&g->flushes_waiting);
	bio_list_init(&g->discards_waiting);
	bio_list_init(&g->discards_staging);
	init_waitqueue_head(&g->barrier_wait);
	INIT_WORK(&g->barrier_work, grid_barrier_worker);
	INIT_WORK(&g->lost_work, grid_lost_worker);
	INIT_WORK(&g->discard_work, grid_discard_worker);
}
