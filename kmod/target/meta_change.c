// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: changes of the map come in (M1), with the room in the log that they take.
 *
 * The tracker, writes, detection and the jump tell, with the lock held: an entry is
 * appended to the open commit.  It says how a block stands, so it may be told twice.
 *
 * Entries come without asking for room from where nothing may sleep (a write
 * that supersedes, detection, a message).  So who can wait leaves a margin for
 * these; and a write that finds none is held, still counted in, until there is.
 *
 * Locks: the tracker's; nothing else is taken here.
 */
#include <linux/moduleparam.h>

#include "meta_io.h"

/* A commit that nobody waits for comes so long after the first change ... */
#define GRID_META_MS_MAX 600000U
/* ... and after so many times the last one's duration, but no later than. */
#define GRID_META_TICK_TIMES 9U
#define GRID_META_TICK_MAX (30 * HZ)

static unsigned int commit_ms = 1000;
module_param(commit_ms, uint, 0644);
MODULE_PARM_DESC(
	commit_ms,
	"how long a change waits for a commit that nobody else asks for (1000)");

void __grid_meta_kick(struct grid_meta *m)
{
	grid_assert_locked(m->g);
	gmeta_log_want(&m->log);
	queue_work(m->wq, &m->work);
}

/* There is something to commit: by and by, if nobody waits for it. */
void __grid_meta_tick(struct grid_meta *m)
{
	unsigned long delay, least;

	/* What has failed outside the worker is told by it all the same. */
	if (m->log.failed && !m->was_failed)
		queue_work(m->wq, &m->work);
	if (m->ticking || m->log.failed)
		return;
	m->ticking = true;
	least = msecs_to_jiffies(min(READ_ONCE(commit_ms), GRID_META_MS_MAX));
	delay = min_t(unsigned long, GRID_META_TICK_TIMES * m->took,
		      GRID_META_TICK_MAX);
	delay = max(delay, least);
	queue_delayed_work(m->wq, &m->tick, delay);
}

void grid_meta_entry(const struct grid_missing_record *r, struct gmeta_entry *e)
{
	static const u8 kinds[] = {
		[GRID_MISSING_RECORD_GOOD] = GRID_META_GOOD,
		[GRID_MISSING_RECORD_BLOCK] = GRID_META_BLOCK,
		[GRID_MISSING_RECORD_INDEX] = GRID_META_INDEX,
		[GRID_MISSING_RECORD_VALUE] = GRID_META_VALUE,
	};

	memset(e, 0, sizeof(*e));
	e->kind = kinds[r->kind];
	e->address = r->address;
	e->table = r->table;
	e->value = r->value;
	if (r->kind == GRID_MISSING_RECORD_GOOD)
		e->count = 1;
	e->has_sum = r->has_sum;
	if (r->has_sum)
		memcpy(e->sum, r->sum.bytes, sizeof(e->sum));
}

/* False: nothing to be said of it. */
bool grid_meta_table_entry(u32 slot, const struct grid_missing_record_table *r,
			   struct gmeta_entry *e)
{
	static const u8 kinds[] = {
		[0] = GRID_META_FREE,
		[GRID_MISSING_TABLE_INDEXING] = GRID_META_INDEXING,
		[GRID_MISSING_TABLE_FILLING] = GRID_META_FILLING,
		[GRID_MISSING_TABLE_DONE] = GRID_META_DONE,
		[GRID_MISSING_TABLE_CANCELLED] = GRID_META_CANCELLED,
	};

	/* Without values it is done before the lock is dropped. */
	if (r->state == GRID_MISSING_TABLE_FILLING && !r->values)
		return false;
	memset(e, 0, sizeof(*e));
	e->kind = r->lost ? GRID_META_PARTIAL : kinds[r->state];
	e->address = r->address;
	e->table = slot;
	e->value = r->values;
	e->has_sum = r->has_sum;
	if (r->has_sum)
		memcpy(e->sum, r->sum.bytes, sizeof(e->sum));
	return true;
}

/*
 * Block @b is missing: a commit may say so without what makes it good again.  So who
 * wrote it with FUA, and waits, waits for that as well (M2).  No write begins further
 * before one of its blocks than in the group before.
 */
static void __grid_meta_touch(struct grid_meta *m, u64 b)
{
	struct grid *g = m->g;
	struct grid_io *io;
	unsigned int i;

	for (i = 0; i < 2; i++)
		hash_for_each_possible(m->hash, io, hash,
				       b / GRID_BIO_BLOCKS - i)
			if (b >= grid_first(g, io) && b <= grid_last(g, io))
				io->touched = true;
}

static void __grid_meta_add(struct grid_meta *m, const struct gmeta_entry *e)
{
	if (e->kind > GRID_META_GOOD && e->kind <= GRID_META_VALUE)
		__grid_meta_touch(m, e->address);
	gmeta_log_add(&m->log, e);
	__grid_meta_tick(m);
}

/**
 * __grid_meta_good - blocks that were in the map without a fault are good
 * @g: the grid, with metadata
 * @b: the first block
 * @count: how many
 * @written: a write that has ended makes it so: no commit says so before a flush
 *
 * Context: the lock is held, there is room.
 */
void __grid_meta_good(struct grid *g, u64 b, u64 count, bool written)
{
	const struct gmeta_entry e = { .kind = GRID_META_GOOD,
				       .address = b,
				       .count = count };

	grid_assert_locked(g);
	__grid_meta_add(g->meta, &e);
	if (written)
		gmeta_log_unflushed(&g->meta->log);
}

/**
 * __grid_meta_lose_again - a dropped block is in use again: nobody knows what it was
 * @g: the grid, with metadata, which has been told that it is good
 * @b: the block
 *
 * Context: the lock is held, there is room for one change.
 */
void __grid_meta_lose_again(struct grid *g, u64 b)
{
	const struct gmeta_entry e = { .kind = GRID_META_BLOCK, .address = b };

	__grid_lose(g, b, NULL);
	if (grid_bits_test(&g->lost, b))
		__grid_meta_add(g->meta, &e);
}

/* A block that was written is good once a data flush has succeeded. */
static void __grid_meta_end(struct grid_meta *m)
{
	struct gmeta_fault f = {
		.address = m->ending.address,
		.has_sum = m->ending.has_sum,
	};

	memcpy(f.sum, m->ending.sum.bytes, sizeof(f.sum));
	gmeta_log_end(&m->log, &f, m->ending_durable, false);
	__grid_meta_tick(m);
}

/** __grid_meta_record - ops->record: how block @b stands may have changed */
void __grid_meta_record(void *priv, u64 b)
{
	struct grid *g = priv;
	struct grid_meta *m = g->meta;
	struct grid_missing_record r;
	struct gmeta_entry e;

	grid_assert_locked(g);
	/* The engine has said so itself. */
	if (b == m->reviving)
		return;
	__grid_missing_record(g->gm, b, &r);
	/* The map keeps it until the jump is over, or it is written. */
	if (r.kind == GRID_MISSING_RECORD_GOOD && grid_bits_test(&g->jumped, b))
		return;
	if (r.kind == GRID_MISSING_RECORD_GOOD && m->ending.kind &&
	    m->ending.address == b) {
		__grid_meta_end(m);
	} else {
		grid_meta_entry(&r, &e);
		__grid_meta_add(m, &e);
	}
}

/** __grid_meta_record_table - ops->record_table: likewise, table slot @slot */
void __grid_meta_record_table(void *priv, u32 slot)
{
	struct grid *g = priv;
	struct grid_meta *m = g->meta;
	struct grid_missing_record_table r;
	struct gmeta_entry e;

	grid_assert_locked(g);
	__grid_missing_record_table(g->gm, slot, &r);
	if (grid_meta_table_entry(slot, &r, &e))
		__grid_meta_add(m, &e);
}

/**
 * __grid_meta_supersede - a write that has ended makes a missing block good
 * @g: the grid
 * @b: the block
 * @durable: the write had FUA
 *
 * Context: the lock is held.
 * Return: as __grid_missing_supersede().
 */
int __grid_meta_supersede(struct grid *g, u64 b, bool durable)
{
	struct grid_meta *m = g->meta;
	int r;

	if (!m) {
		r = __grid_missing_supersede(g->gm, b);
		if (!r)
			__grid_end_forget(g, b);
		return r;
	}
	if (!durable)
		__grid_end_begin(g, b);
	__grid_missing_record(g->gm, b, &m->ending);
	m->ending_durable = durable;
	r = __grid_missing_supersede(g->gm, b);
	m->ending.kind = 0;
	return r;
}

/**
 * __grid_meta_complete - a repair's write has ended, and makes its block good
 * @g: the grid
 * @item: what was commenced
 * @was: how the block stands
 *
 * Context: grid_meta_lock() with room for its list.
 * Return: as __grid_missing_complete().
 */
int __grid_meta_complete(struct grid *g, const struct grid_missing_item *item,
			 const struct grid_missing_record *was)
{
	struct grid_meta *m = g->meta;
	int r;

	if (!m)
		return __grid_missing_complete(g->gm, item);
	m->ending = *was;
	m->ending_durable = false;
	r = __grid_missing_complete(g->gm, item);
	m->ending.kind = 0;
	return r;
}

/* The data device could not be flushed: what it lost is missing as before. */
void __grid_meta_again(void *priv, const struct gmeta_end *end)
{
	struct grid_meta *m = priv;
	struct grid *g = m->g;
	struct grid_missing_checksum sum;

	grid_assert_locked(g);
	__grid_meta_touch(m, end->address);
	/* A barrier that is freeing it fails for this flush: then it is in use. */
	if (__grid_is_freed(g, end->address) &&
	    !grid_bits_test(&g->taken, end->address)) {
		/* Nobody needs it any more; the engine has said missing. */
		__grid_meta_good(g, end->address, 1, false);
		return;
	}
	memcpy(sum.bytes, end->sum, sizeof(sum.bytes));
	m->reviving = end->address;
	__grid_lose(g, end->address, end->has_sum ? &sum : NULL);
	m->reviving = GRID_NO_BLOCK;
}

/*
 * Room
 */

/* Room for @changes and @ends of who can wait; the lock is held. */
static bool __grid_meta_has_room(struct grid_meta *m, u32 changes, u32 ends)
{
	grid_assert_locked(m->g);
	if (gmeta_log_room(&m->log, changes + m->promised + GRID_META_MARGIN,
			   ends))
		return true;
	/* What needs all of a commit gets one of its own. */
	return !m->promised && !m->log.open->w.count &&
	       gmeta_log_room(&m->log, changes, ends);
}

static bool grid_meta_has_room(struct grid_meta *m, u32 changes, u32 ends,
			       bool promise)
{
	unsigned long flags;
	bool room;

	grid_lock(m->g, &flags);
	room = __grid_meta_has_room(m, changes, ends);
	if (!room)
		__grid_meta_kick(m);
	else if (promise)
		m->promised += changes;
	grid_unlock(m->g, flags);
	return room;
}

/**
 * grid_meta_room - ops->room: do @changes fit into the log?
 * @priv: the grid
 * @changes: how many, at most
 * @how: whether to wait; and whether the room is the caller's, who takes the lock
 *	only later, until grid_meta_room_done()
 *
 * Context: process; no lock held but the bind lock, which no commit takes.
 * Return: 0, -EINTR or -EAGAIN.
 */
int grid_meta_room(void *priv, u32 changes, enum grid_missing_room_how how)
{
	struct grid *g = priv;
	struct grid_meta *m = g->meta;

	if (!m)
		return 0;
	if (how == GRID_MISSING_ROOM_TRY)
		return grid_meta_has_room(m, changes, 0, true) ? 0 : -EAGAIN;
	if (how == GRID_MISSING_ROOM_KEEP)
		return wait_event_interruptible(m->wait,
						grid_meta_has_room(m, changes,
								   0, true)) ?
			       -EINTR :
			       0;
	/* In turns of a second: a slow disk is no hung task. */
	while (!wait_event_timeout(
		m->wait, grid_meta_has_room(m, changes, 0, false), HZ))
		;
	return 0;
}

/** grid_meta_room_done - ops->room_done: what @changes were for is done */
void grid_meta_room_done(void *priv, u32 changes)
{
	struct grid *g = priv;
	unsigned long flags;

	grid_lock(g, &flags);
	g->meta->promised -= changes;
	if (!list_empty(&g->meta->starved))
		__grid_meta_kick(g->meta);
	grid_unlock(g, flags);
	wake_up_all(&g->meta->wait);
}

/**
 * grid_meta_lock - take the lock when there is room in the log
 * @g: the grid; one without metadata has room
 * @changes: for how many, and an end
 * @flags: as grid_lock()
 *
 * Context: process; no lock held but the bind lock, which no commit takes.
 */
void grid_meta_lock(struct grid *g, u32 changes, unsigned long *flags)
{
	struct grid_meta *m = g->meta;

	for (;;) {
		grid_lock(g, flags);
		if (!m || __grid_meta_has_room(m, changes, 1))
			return;
		__grid_meta_kick(m);
		grid_unlock(g, *flags);
		wait_event_timeout(
			m->wait, grid_meta_has_room(m, changes, 1, false), HZ);
	}
}

/*
 * Room for a block that is superseded; the lock is held.  Half of the margin stays for
 * who can't even be held: failed repairs, messages.
 */
bool __grid_meta_can_end(struct grid_meta *m)
{
	u32 changes = 2 + m->promised;

	grid_assert_locked(m->g);
	if (gmeta_log_room(&m->log, changes + GRID_META_MARGIN / 2, 1))
		return true;
	/* What is promised may need all of a commit. */
	return !m->log.open->w.count && gmeta_log_room(&m->log, changes, 1);
}
