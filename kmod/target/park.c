// SPDX-License-Identifier: GPL-2.0
/*
 * Parked bios: where a bio waits, how it wakes, when it has waited long enough
 * (D3, D10).  What stops it is in verdict.c.
 *
 * A bio parks on one block at a time, in its per-bio data: in a hash by block,
 * to be woken, and in one of grid->lots (enum grid_lot), a tree by arrival, to
 * be timed out.  In each of these the deadlines come in the order of arrival,
 * whatever the options say, because they apply to all alike; so only the first
 * need be looked at.
 *
 * Waking moves a bio to grid->woken, from where a worker tries it anew
 * (again.c): it may park again, on this block or the next one.  Of very many on
 * one block a hold of the lock wakes so many; the last of them has the baton, and
 * wakes the next ones before it is tried itself.  What may go joins
 * grid->going, what is only to be ended grid->ending, each with a worker of its
 * own: the one that submits sleeps when the lower device takes no more requests,
 * and nobody's time-out or new verdict waits for that, nor has to be rescued by
 * the thread that does, when there is no memory for workers.
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

/* How many bios one hold of the lock ends. */
#define GRID_TICK_MAX 1024

static struct hlist_head *grid_bucket(struct grid *g, u64 b)
{
	return &g->parked_hash[hash_64(b, GRID_PARK_HASH_BITS)];
}

/* Has block @b anyone parked on it who waits for its repair? */
bool __grid_has_readers(struct grid *g, u64 b)
{
	struct grid_io *io;

	grid_assert_locked(g);
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

static struct grid_io *grid_oldest(struct grid *g, unsigned int lot)
{
	return rb_entry_safe(rb_first_cached(&g->lots[lot]), struct grid_io,
			     parked);
}

/* Which of grid->lots @io, parked, is in. */
static struct rb_root_cached *grid_lot(struct grid *g, const struct grid_io *io)
{
	return &g->lots[io->block == GRID_DETECTING ? GRID_LOT_DETECT :
			io->kernel_wait		    ? GRID_LOT_KERNEL :
						      GRID_LOT_USER];
}

static bool grid_earlier(struct rb_node *a, const struct rb_node *b)
{
	return time_before(rb_entry(a, struct grid_io, parked)->since,
			   rb_entry(b, struct grid_io, parked)->since);
}

/**
 * __grid_rearm - let the time-out worker run when the next one is due
 * @g: the grid
 *
 * To be called when a list has a new head or an option changed.
 */
void __grid_rearm(struct grid *g)
{
	unsigned long when = 0, t;
	bool any = false;
	unsigned int i;

	grid_assert_locked(g);
	for (i = 0; i < GRID_LOTS; i++) {
		struct grid_io *io = grid_oldest(g, i);

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
	grid_assert_locked(g);
	if (!io->waited) {
		io->waited = true;
		io->since = jiffies;
	}
	/* The poll side must not spin for what waits for a repair. */
	io->bio->bi_opf &= ~REQ_POLLED;
	io->block = b;
	io->kernel_wait = kernel_wait;
	g->deciding += b == GRID_DETECTING;
	hlist_add_head(&io->hash, grid_bucket(g, b));
	g->parked++;
	if (!kernel_wait && b != GRID_NO_BLOCK)
		__grid_missing_readers(g->gm, b, true);
	/* One that comes back belongs before those that came later. */
	if (rb_add_cached(&io->parked, grid_lot(g, io), grid_earlier))
		__grid_rearm(g);
}

/**
 * __grid_unpark - take @io from where it is parked and give it to the worker
 * @g: the grid
 * @io: parked
 * @status: see struct grid_io
 *
 * Context: the lock is held.
 */
void __grid_unpark(struct grid *g, struct grid_io *io, blk_status_t status)
{
	grid_assert_locked(g);
	hlist_del_init(&io->hash);
	rb_erase_cached(&io->parked, grid_lot(g, io));
	g->parked--;
	g->deciding -= io->block == GRID_DETECTING;
	if (g->detecting == io)
		g->detecting = NULL;
	io->status = status;
	__grid_queue(g, io);
}

/** __grid_queue - give @io, on no list, to the worker; the lock is held */
void __grid_queue(struct grid *g, struct grid_io *io)
{
	grid_assert_locked(g);
	if (io->status) {
		list_add_tail(&io->node, &g->ending);
		queue_work(g->wq_io, &g->end_work);
	} else {
		list_add_tail(&io->node, &g->woken);
		queue_work(g->wq_io, &g->wake_work);
	}
}

/**
 * __grid_wake - what is parked on block @b is tried anew
 * @g: the grid
 * @b: the block
 * @freed: a checkpoint freed it: its readers end with an error (D5)
 *
 * When there are very many, those that are left over by now are woken by
 * grid_pass_on().
 *
 * Context: the lock is held; called by change(), so calls no tracker.
 */
void __grid_wake(struct grid *g, u64 b, bool freed)
{
	struct grid_io *io, *last = NULL;
	struct hlist_node *tmp;
	unsigned int n = 0;

	grid_assert_locked(g);
	if (!g->parked)
		return;
	hlist_for_each_entry_safe(io, tmp, grid_bucket(g, b), hash) {
		if (io->block != b)
			continue;
		if (n++ == GRID_TICK_MAX) {
			last->baton = freed ? GRID_BATON_FREED :
					      GRID_BATON_WAKE;
			break;
		}
		__grid_unpark(g, io,
			      freed && !grid_is_write(io) ? BLK_STS_IOERR :
							    BLK_STS_OK);
		last = io;
	}
}

/**
 * grid_pass_on - @io has woken: those that come after it do
 * @g: the grid
 * @io: on no list
 *
 * Its block may be missing anew by now: who waits for that parks once more.
 *
 * Context: process; the lock is not held.
 */
void grid_pass_on(struct grid *g, struct grid_io *io)
{
	unsigned long flags;

	if (likely(io->baton == GRID_BATON_NONE))
		return;
	grid_lock(g, &flags);
	__grid_wake(g, io->block,
		    io->baton == GRID_BATON_FREED &&
			    !test_bit(io->block, g->missing));
	io->baton = GRID_BATON_NONE;
	grid_unlock(g, flags);
}

/**
 * __grid_wake_range - likewise for blocks from @begin to before @end
 * @g: the grid
 * @begin: the first block
 * @end: the one behind the last; few, the lock is held
 */
void __grid_wake_range(struct grid *g, u64 begin, u64 end)
{
	grid_assert_locked(g);
	for (; g->parked && begin < end; begin++)
		__grid_wake(g, begin, false);
}

/**
 * grid_wake_range - likewise for however many
 * @g: the grid
 * @begin: the first block
 * @end: the one behind the last
 *
 * Context: process; the lock is not held, and taken in slices.
 */
void grid_wake_range(struct grid *g, u64 begin, u64 end)
{
	unsigned long flags;
	u64 next;

	for (; begin < end; begin = next) {
		next = min(end, begin + GRID_TICK_MAX);
		grid_lock(g, &flags);
		__grid_wake_range(g, begin, next);
		grid_unlock(g, flags);
		cond_resched();
	}
}

/**
 * grid_wake_held - the device is held no more: what waited for that is tried
 * @g: the grid; its gate is open, so no more of these park
 *
 * Context: process; the lock is not held, and taken in slices.
 */
void grid_wake_held(struct grid *g)
{
	struct hlist_node *tmp;
	struct grid_io *io;
	unsigned long flags;
	unsigned int n;

	do {
		n = 0;
		grid_lock(g, &flags);
		hlist_for_each_entry_safe(io, tmp,
					  grid_bucket(g, GRID_NO_BLOCK), hash) {
			if (io->block != GRID_NO_BLOCK)
				continue;
			if (n++ == GRID_TICK_MAX)
				break;
			__grid_unpark(g, io, BLK_STS_OK);
		}
		grid_unlock(g, flags);
		cond_resched();
	} while (n > GRID_TICK_MAX);
}

/**
 * grid_requeue_all - noflush suspend: dm gets everything back (D3)
 * @g: the grid; it is suspending, so nothing parks any more
 *
 * Context: process; the lock is not held, and taken in slices.
 */
void grid_requeue_all(struct grid *g)
{
	struct grid_io *io;
	unsigned long flags;
	unsigned int i, n;

	for (i = 0; i < GRID_LOTS; i += !n) {
		grid_lock(g, &flags);
		for (n = GRID_TICK_MAX; n && (io = grid_oldest(g, i)); n--)
			__grid_unpark(g, io, BLK_STS_DM_REQUEUE);
		n = !!grid_oldest(g, i);
		grid_unlock(g, flags);
		cond_resched();
	}
}

/**
 * __grid_next_detecting - the failed read that detection is to look at next
 * @g: the grid
 *
 * Context: the lock is held.
 * Return: the one that has waited longest, or NULL.
 */
struct grid_io *__grid_next_detecting(struct grid *g)
{
	grid_assert_locked(g);
	return grid_oldest(g, GRID_LOT_DETECT);
}

/** __grid_oldest_ms - how long the oldest parked bio has waited */
u64 __grid_oldest_ms(struct grid *g)
{
	unsigned long oldest = 0;
	unsigned int i;

	grid_assert_locked(g);
	for (i = 0; i < GRID_LOTS; i++) {
		struct grid_io *io = grid_oldest(g, i);

		if (io)
			oldest = max(oldest, jiffies - io->since);
	}
	return jiffies_to_msecs(oldest);
}

/*
 * End what has waited too long in @lot; *@warn: a block half through.  When
 * there are very many, __grid_rearm() finds that the next one is due.
 */
static void __grid_expire(struct grid *g, unsigned int lot, u64 *warn)
{
	struct rb_node *pos;
	u64 parked = g->parked, b;
	struct grid_io *io;
	unsigned int n = 0;

	grid_assert_locked(g);
	while ((io = grid_oldest(g, lot))) {
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
	for (pos = rb_first_cached(&g->lots[lot]); pos; pos = rb_next(pos)) {
		io = rb_entry(pos, struct grid_io, parked);
		if (n++ == GRID_TICK_MAX ||
		    time_before(jiffies, grid_half(g, io)))
			break;
		if (!io->warned && *warn == GRID_NO_BLOCK &&
		    io->block != GRID_DETECTING)
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
	unsigned int i;

	grid_lock(g, &flags);
	for (i = 0; i < GRID_LOTS; i++)
		__grid_expire(g, i, &warn);
	__grid_rearm(g);
	grid_unlock(g, flags);
	if (warn != GRID_NO_BLOCK)
		DMWARN_LIMIT(
			"%u:%u: block %llu: half of the time to wait for its repair is over",
			g->major, g->minor, warn);
}

void grid_park_init(struct grid *g)
{
	unsigned int i;

	hash_init(g->parked_hash);
	for (i = 0; i < GRID_LOTS; i++)
		g->lots[i] = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&g->woken);
	INIT_LIST_HEAD(&g->going);
	INIT_LIST_HEAD(&g->ending);
	INIT_DELAYED_WORK(&g->tick_work, grid_tick_worker);
	g->helpers_gone_at = jiffies;
}
