// SPDX-License-Identifier: GPL-2.0
/*
 * Parked bios: what stops a bio, where it waits, how it wakes, when it has
 * waited long enough (D1, D2, D3, D10).
 *
 * A bio parks on one block at a time, in its per-bio data: in a hash by block,
 * to be woken, and in one of two lists in the order of arrival, to be timed
 * out.  One list waits for userspace, the other for what the kernel ends by
 * itself: a write of repair data, a discard, a re-read.  In each list the
 * deadlines come in the order of the list, whatever the options say, because
 * they apply to all alike; so only the head need be looked at.
 *
 * Waking moves a bio to grid->woken, from where a worker tries it anew: it may
 * park again, on this block or the next one.
 *
 * All __ functions want the lock held: a fault goes away under it, so that no
 * bio parks on a fault that is just gone:
 *
 *   CPU A (map)                       CPU B (repair completes)
 *   lock
 *   fault is there: park on it
 *   unlock
 *                                     lock
 *                                     fault gone: change() wakes all parked
 *                                     unlock
 * and the other way round A finds no fault.
 */
#include <linux/hash.h>

#include "grid.h"

/* How many bios one hold of the lock ends, but for the last block's others. */
#define GRID_TICK_MAX 1024

static struct hlist_head *grid_bucket(struct grid *g, u64 b)
{
	return &g->parked_hash[hash_64(b, GRID_PARK_HASH_BITS)];
}

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
	return dm_noflush_suspending(g->live->ti) ? GRID_REQUEUE : GRID_PARK;
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
	blk_opf_t opf = io->bio->bi_opf;
	u32 flags = 0;
	u8 state;

	*kernel_wait = true;
	if (write && test_bit(b, g->marked) && !__grid_unrelease(g, b))
		goto stopped;
	if (!test_bit(b, g->missing))
		return GRID_GO;
	state = __grid_missing_find(g->gm, b, &flags);
	if (__grid_closed(g, b))
		goto stopped;
	switch (state) {
	case GRID_MISSING_STATE_GONE:
		return GRID_GO;
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
	if (!write && (opf & REQ_RAHEAD)) {
		*status = BLK_STS_IOERR;
		return GRID_FAIL;
	}
	/* What is held back has been submitted already: it may wait. */
	if ((opf & REQ_NOWAIT) && io->kind != GRID_IO_HELD) {
		*status = BLK_STS_AGAIN;
		return GRID_FAIL;
	}
	return __grid_wait(g);
}

/* A read wants everything that is missing in its way, not only the first. */
static void __grid_want(struct grid *g, struct grid_io *io, u64 b, u64 last)
{
	for (b = find_next_bit(g->missing, last + 1, b); b <= last;
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
	enum grid_verdict v;
	u64 b;

	if (g->held) {
		*stop = GRID_NO_BLOCK;
		*kernel_wait = false;
		if (io->bio->bi_opf & (REQ_NOWAIT | REQ_RAHEAD)) {
			*status = io->bio->bi_opf & REQ_NOWAIT ? BLK_STS_AGAIN :
								 BLK_STS_IOERR;
			return GRID_FAIL;
		}
		return __grid_wait(g);
	}
	for (b = grid_first(g, io); b <= last; b++) {
		b = grid_next(g, io, b, last);
		if (b > last)
			break;
		v = __grid_check_block(g, io, b, kernel_wait, status);
		if (v == GRID_GO)
			continue;
		if (!grid_is_write(io))
			__grid_want(g, io, b, last);
		*stop = b;
		return v;
	}
	return GRID_GO;
}

/* Has block @b anyone parked on it who waits for its repair? */
static bool __grid_has_readers(struct grid *g, u64 b)
{
	struct grid_io *io;

	hlist_for_each_entry(io, grid_bucket(g, b), hash)
		if (io->block == b && !io->kernel_wait)
			return true;
	return false;
}

static unsigned long grid_deadline(struct grid *g, const struct grid_io *io)
{
	const struct grid_options *opt = &g->live->opt;
	unsigned long d, c;

	if (io->kernel_wait) {
		d = io->since + msecs_to_jiffies(max(opt->park_timeout_ms,
						     GRID_KERNEL_WAIT_MS));
	} else {
		d = io->since + msecs_to_jiffies(opt->park_timeout_ms);
		if (!g->helpers) {
			c = time_after(g->helpers_gone_at, io->since) ?
				    g->helpers_gone_at :
				    io->since;
			c += msecs_to_jiffies(opt->no_helper_ms);
			if (time_before(c, d))
				d = c;
		}
	}
	if (g->suspending) {
		c = g->suspend_at + msecs_to_jiffies(GRID_SUSPEND_WAIT_MS);
		if (time_before(c, d))
			d = c;
	}
	return d;
}

/* Half the time over (D3). */
static unsigned long grid_half(struct grid *g, const struct grid_io *io)
{
	unsigned long d = grid_deadline(g, io);

	return time_after(d, io->since) ? io->since + (d - io->since) / 2 : d;
}

/**
 * __grid_rearm - let the time-out worker run when the next one is due
 * @g: the grid
 *
 * To be called when a list has a new head or an option changed.
 */
void __grid_rearm(struct grid *g)
{
	struct list_head *lists[] = { &g->waiting, &g->kernel_waiting };
	unsigned long when = 0, t;
	bool any = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		struct grid_io *io = list_first_entry_or_null(
			lists[i], struct grid_io, node);

		if (!io)
			continue;
		t = io->warned ? grid_deadline(g, io) : grid_half(g, io);
		if (!any || time_before(t, when))
			when = t;
		any = true;
	}
	if (any)
		mod_delayed_work(g->wq_io, &g->tick_work,
				 time_after(when, jiffies) ? when - jiffies :
							     0);
}

/**
 * __grid_park - let @io wait for block @b
 * @g: the grid
 * @io: on no list, not counted in as a write in flight
 * @b: the block, or GRID_NO_BLOCK
 * @kernel_wait: as __grid_check() said
 *
 * Context: the lock is held.  Once it is released @io may be gone.
 */
void __grid_park(struct grid *g, struct grid_io *io, u64 b, bool kernel_wait)
{
	struct list_head *list = kernel_wait ? &g->kernel_waiting : &g->waiting;
	struct list_head *pos;

	if (!io->waited) {
		io->waited = true;
		io->since = jiffies;
	}
	/* The poll side must not spin for what waits for a repair. */
	io->bio->bi_opf &= ~REQ_POLLED;
	io->block = b;
	io->kernel_wait = kernel_wait;
	hlist_add_head(&io->hash, grid_bucket(g, b));
	/* One that comes back from the other list belongs before later ones. */
	list_for_each_prev(pos, list)
		if (!time_after(list_entry(pos, struct grid_io, node)->since,
				io->since))
			break;
	list_add(&io->node, pos);
	g->parked++;
	if (!kernel_wait && b != GRID_NO_BLOCK)
		__grid_missing_readers(g->gm, b, true);
	if (list->next == &io->node)
		__grid_rearm(g);
}

/* Take @io from where it is parked and give it to the worker. */
static void __grid_unpark(struct grid *g, struct grid_io *io,
			  blk_status_t status)
{
	hlist_del_init(&io->hash);
	list_del(&io->node);
	g->parked--;
	io->status = status;
	__grid_queue(g, io);
}

/** __grid_queue - give @io, on no list, to the worker; the lock is held */
void __grid_queue(struct grid *g, struct grid_io *io)
{
	list_add_tail(&io->node, &g->woken);
	queue_work(g->wq_io, &g->wake_work);
}

/**
 * __grid_wake - what is parked on block @b is tried anew
 * @g: the grid
 * @b: the block
 * @freed: a checkpoint freed it: its readers end with an error (D5)
 *
 * Context: the lock is held; called by change(), so calls no tracker.
 */
void __grid_wake(struct grid *g, u64 b, bool freed)
{
	struct hlist_node *tmp;
	struct grid_io *io;

	if (!g->parked)
		return;
	hlist_for_each_entry_safe(io, tmp, grid_bucket(g, b), hash)
		if (io->block == b)
			__grid_unpark(g, io,
				      freed && !grid_is_write(io) ?
					      BLK_STS_IOERR :
					      BLK_STS_OK);
}

/** __grid_wake_range - likewise for blocks from @begin to before @end */
void __grid_wake_range(struct grid *g, u64 begin, u64 end)
{
	for (; g->parked && begin < end; begin++)
		__grid_wake(g, begin, false);
}

/** __grid_requeue_all - noflush suspend: dm gets everything back (D3) */
void __grid_requeue_all(struct grid *g)
{
	struct grid_io *io, *tmp;

	list_for_each_entry_safe(io, tmp, &g->waiting, node)
		__grid_unpark(g, io, BLK_STS_OK);
	list_for_each_entry_safe(io, tmp, &g->kernel_waiting, node)
		__grid_unpark(g, io, BLK_STS_OK);
}

/** __grid_oldest_ms - how long the oldest parked bio has waited */
u64 __grid_oldest_ms(struct grid *g)
{
	struct list_head *lists[] = { &g->waiting, &g->kernel_waiting };
	unsigned long oldest = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		struct grid_io *io = list_first_entry_or_null(
			lists[i], struct grid_io, node);

		if (io)
			oldest = max(oldest, jiffies - io->since);
	}
	return jiffies_to_msecs(oldest);
}

/* Try anew what was parked or held back. */
static void grid_try(struct grid *g, struct grid_io *io)
{
	struct grid_table *t = io->table;
	struct bio *bio = io->bio;
	bool write = grid_is_write(io);
	blk_status_t status = BLK_STS_OK;
	enum grid_verdict v;
	bool kernel_wait;
	unsigned long flags;
	u64 was = io->waited ? io->block : GRID_NO_BLOCK;
	u64 stop;

	rcu_read_lock();
	if (write)
		grid_epoch_enter(g, io);
	grid_missing_lock(g->gm, &flags);
	if (io->status) {
		status = io->status;
		v = GRID_FAIL;
	} else {
		v = __grid_check(g, io, &stop, &kernel_wait, &status);
	}
	if (v != GRID_GO)
		grid_epoch_leave(g, io);
	if (v == GRID_PARK)
		__grid_park(g, io, stop, kernel_wait);
	/* It may have been the last reader of the block it waited for (T5). */
	if (was != GRID_NO_BLOCK && test_bit(was, g->missing) &&
	    !__grid_has_readers(g, was))
		__grid_missing_readers(g->gm, was, false);
	grid_missing_unlock(g->gm, flags);
	rcu_read_unlock();

	switch (v) {
	case GRID_PARK:
		break;
	case GRID_REQUEUE:
		grid_requeue(io);
		break;
	case GRID_FAIL:
		grid_end(io, status);
		break;
	case GRID_GO:
		if (io->kind == GRID_IO_HELD) {
			grid_again(g, io);
			break;
		}
		io->kind = GRID_IO_BEGUN;
		bio_set_dev(bio, t->dev->bdev);
		bio->bi_iter.bi_sector =
			grid_lower_sector(t, io->iter.bi_sector);
		submit_bio_noacct(bio);
		break;
	}
}

static void grid_wake_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, wake_work);
	struct grid_io *io;
	unsigned long flags;
	struct blk_plug plug;

	blk_start_plug(&plug);
	for (;;) {
		grid_missing_lock(g->gm, &flags);
		io = list_first_entry_or_null(&g->woken, struct grid_io, node);
		if (io)
			list_del(&io->node);
		grid_missing_unlock(g->gm, flags);
		if (!io)
			break;
		grid_try(g, io);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

/*
 * End what has waited too long on @list; *@warn: a block half through.  When
 * there are very many, __grid_rearm() finds that the next one is due.
 */
static void __grid_expire(struct grid *g, struct list_head *list, u64 *warn)
{
	u64 parked = g->parked, b;
	struct grid_io *io;
	unsigned int n = 0;

	while ((io = list_first_entry_or_null(list, struct grid_io, node))) {
		if (parked - g->parked >= GRID_TICK_MAX)
			return;
		if (time_before(jiffies, grid_deadline(g, io)))
			break;
		b = io->block;
		g->timeouts++;
		if (io->kernel_wait || b == GRID_NO_BLOCK) {
			__grid_unpark(g, io, BLK_STS_IOERR);
			continue;
		}
		/* Its other readers fail with it, and later ones at once (D3). */
		__grid_unpark(g, io, BLK_STS_IOERR);
		__grid_missing_timed_out(g->gm, b);
	}
	list_for_each_entry(io, list, node) {
		if (n++ == GRID_TICK_MAX ||
		    time_before(jiffies, grid_half(g, io)))
			break;
		if (!io->warned && *warn == GRID_NO_BLOCK)
			*warn = io->block;
		io->warned = true;
	}
}

static void grid_tick_worker(struct work_struct *work)
{
	struct grid *g =
		container_of(to_delayed_work(work), struct grid, tick_work);
	u64 warn = GRID_NO_BLOCK;
	unsigned long flags;

	grid_missing_lock(g->gm, &flags);
	__grid_expire(g, &g->waiting, &warn);
	__grid_expire(g, &g->kernel_waiting, &warn);
	__grid_rearm(g);
	grid_missing_unlock(g->gm, flags);
	if (warn != GRID_NO_BLOCK)
		DMWARN_LIMIT(
			"%u:%u: block %llu: half of the time to wait for its repair is over",
			g->major, g->minor, warn);
}

void grid_park_init(struct grid *g)
{
	hash_init(g->parked_hash);
	INIT_LIST_HEAD(&g->waiting);
	INIT_LIST_HEAD(&g->kernel_waiting);
	INIT_LIST_HEAD(&g->woken);
	INIT_WORK(&g->wake_work, grid_wake_worker);
	INIT_DELAYED_WORK(&g->tick_work, grid_tick_worker);
	g->helpers_gone_at = jiffies;
}
