// SPDX-License-Identifier: GPL-2.0
/*
 * Checkpoint barriers: what was released before is freed (D5, T9).
 *
 * The barrier (a flush, or `durable`): flush the lower device, let the tracker
 * drop what is taken, wait until no write to such a block is under way, commit
 * that, end the flush.  While one runs, flushes that come wait, and all of them
 * become one barrier; discards that come after the first of them wait too
 * (discard.c).
 *
 * With metadata the faults that it takes are dropped until a commit says so
 * (lost.c).
 *
 * If the lower device can't flush, or told of a lost write to a flush of ours
 * (flush.c), or the tracker can't commence (a sync jump is open), what was taken
 * goes back to open: later is always safe.
 *
 * A revert takes the place of a barrier: what is released is in use again.
 *
 * Locking: grid_lock().  One barrier at a time: barrier_running.
 */
#include <linux/delay.h>

#include "grid.h"

/* For so long a barrier waits for another sweep: 2 s. */
#define GRID_COMMENCE_TRIES 100
#define GRID_COMMENCE_PAUSE_MS 20

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

	for (i = 0; r == -EBUSY && i < GRID_COMMENCE_TRIES; i++) {
		if (i)
			msleep(GRID_COMMENCE_PAUSE_MS);
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
			wake_up_all(&g->barrier_wait);
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

/* Its flushes are going to be told of one that failed. */
static void grid_barrier_fails(struct grid *g)
{
	unsigned long flags;

	grid_lock(g, &flags);
	if (!bio_list_empty(&g->flushes))
		__grid_flush_fails(g, BLK_STS_IOERR);
	grid_unlock(g, flags);
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
		grid_barrier_fails(g);
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
		     grid_meta_flush_errors(g) != errors)) {
			e = -EIO;
			grid_barrier_fails(g);
		}
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
	/* What is lost got no slot while it was to be freed. */
	if (r && !g->stopped && g->lost.count)
		queue_work(g->wq, &g->lost_work);
	grid_unlock(g, flags);

	wake_up_all(&g->barrier_wait);
	while ((bio = bio_list_pop(&flushes)))
		grid_end(dm_per_bio_data(bio, sizeof(struct grid_io)), status);
	grid_stage_waiting(g);
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

void grid_barrier_init(struct grid *g)
{
	bio_list_init(&g->flushes);
	bio_list_init(&g->flushes_waiting);
	init_waitqueue_head(&g->barrier_wait);
	INIT_WORK(&g->barrier_work, grid_barrier_worker);
}
