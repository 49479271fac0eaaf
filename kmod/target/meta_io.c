// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: the log at work (M1, M2, M5).  Changes of the map come in under
 * the lock, one worker does the I/O that the engine (meta_log.c) asks for, and
 * flushes, FUA writes and calls wait here for their commit.
 *
 * What is on its way:
 *
 *   record()          a fault changed, the lock held: an entry is appended
 *   flush, FUA write  held back, if what came before is not committed yet
 *   ENQUEUE           takes a ticket, and waits in grid_missing.ko
 *   the worker        next (locked), seal, I/O, told (locked); then ends who
 *                     waited
 *
 * The worker waits for the two devices and for nobody else, so whoever waits
 * for it waits for them.  It has a queue of its own, with a rescuer; all memory
 * is taken before the device goes live.  It runs through suspends; postsuspend
 * waits until it has nothing left to do.
 *
 * Entries come without asking for room from where nothing may sleep (a write
 * that supersedes, detection, a message).  So who can wait leaves a margin for
 * these; and a write that finds none is held, still counted in, until there is.
 *
 * Locks: the tracker's; it may be taken with any other held but drain_lock's
 * waits, and nothing else is taken here.
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/vmalloc.h>

#include "meta_io.h"
#include "compat.h"

/* A commit that nobody waits for comes so long after the first change ... */
#define GRID_META_MS_MAX 600000U
/* ... and after so many times the last one's duration, but no later than. */
#define GRID_META_TICK_TIMES 9U
#define GRID_META_TICK_MAX (30 * HZ)
/* How often who waits for the worker looks whether it has ended. */
#define GRID_META_PAUSE_MS 20
/* Records that one hold of the lock puts into a snapshot. */
#define GRID_META_FILL 16U

static unsigned int commit_ms = 1000;
module_param(commit_ms, uint, 0644);
MODULE_PARM_DESC(
	commit_ms,
	"how long a change waits for a commit that nobody else asks for (1000)");

/*
 * I/O
 */

/**
 * grid_meta_rw - read or write
 * @g: the grid
 * @bdev: the device
 * @opf: operation and flags
 * @sector: where
 * @buf: from vmalloc(), at the start of a sector of its page
 * @bytes: whole sectors
 *
 * Context: process; as long as the device takes.
 * Return: 0 or a negative errno.
 */
int grid_meta_rw(struct grid *g, struct block_device *bdev, blk_opf_t opf,
		 sector_t sector, void *buf, u32 bytes)
{
	const u32 most = BIO_MAX_VECS << PAGE_SHIFT;
	struct bio *bio;
	int r = 0;
	u32 n;

	if (op_is_write(opf))
		flush_kernel_vmap_range(buf, bytes);
	for (; bytes && !r; bytes -= n, buf += n, sector += n >> SECTOR_SHIFT) {
		n = min_t(u32, bytes, most - offset_in_page(buf));
		bio = grid_kernel_bio(g, bdev, opf, sector, buf, n);
		r = submit_bio_wait(bio);
		bio_put(bio);
		if (!op_is_write(opf))
			invalidate_kernel_vmap_range(buf, n);
	}
	return r;
}

static void __grid_meta_kick(struct grid_meta *m)
{
	grid_assert_locked(m->g);
	gmeta_log_want(&m->log);
	queue_work(m->wq, &m->work);
}

/*
 * Changes
 */

/* There is something to commit: by and by, if nobody waits for it. */
static void __grid_meta_tick(struct grid_meta *m)
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

static void grid_meta_ticker(struct work_struct *work)
{
	struct grid_meta *m =
		container_of(to_delayed_work(work), struct grid_meta, tick);
	unsigned long flags;

	grid_lock(m->g, &flags);
	m->ticking = false;
	__grid_meta_kick(m);
	grid_unlock(m->g, flags);
}

static void grid_meta_entry(const struct grid_missing_record *r,
			    struct gmeta_entry *e)
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
static bool grid_meta_table_entry(u32 slot,
				  const struct grid_missing_record_table *r,
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
static void __grid_meta_again(void *priv, const struct gmeta_end *end)
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
static bool __grid_meta_can_end(struct grid_meta *m)
{
	u32 changes = 2 + m->promised;

	grid_assert_locked(m->g);
	if (gmeta_log_room(&m->log, changes + GRID_META_MARGIN / 2, 1))
		return true;
	/* What is promised may need all of a commit. */
	return !m->log.open->w.count && gmeta_log_room(&m->log, changes, 1);
}

/**
 * __grid_meta_starves - a write has ended: is there no room to supersede a block
 * @g: the grid
 * @io: the write, still counted in as in flight
 * @b: which block
 * @listed: it has waited for a commit, and is still listed
 *
 * Context: the lock is held.
 * Return: true when it is held until there is; @io must not be touched any more
 * once the lock is dropped.
 */
bool __grid_meta_starves(struct grid *g, struct grid_io *io, u64 b, bool listed)
{
	struct grid_meta *m = g->meta;

	grid_assert_locked(g);
	if (!m || __grid_meta_can_end(m))
		return false;
	if (listed)
		__grid_meta_unlist(io);
	io->status = BLK_STS_OK;
	/* It waits for no commit in particular: see grid_write_done(). */
	io->meta_serial = 0;
	io->meta_next = b;
	list_add_tail(&io->node, &m->starved);
	__grid_meta_kick(m);
	return true;
}

/*
 * Who waits for a commit
 */

/** grid_meta_ticket - ops->ticket: everything up to now is to be committed */
u64 grid_meta_ticket(void *priv)
{
	struct grid *g = priv;
	struct grid_meta *m = g->meta;
	unsigned long flags;
	u64 ticket;

	grid_lock(g, &flags);
	ticket = gmeta_log_ticket(&m->log);
	if (gmeta_log_state(&m->log, ticket) == -EINPROGRESS)
		__grid_meta_kick(m);
	grid_unlock(g, flags);
	return ticket;
}

static int grid_meta_state(struct grid_meta *m, u64 ticket)
{
	unsigned long flags;
	int r;

	grid_lock(m->g, &flags);
	r = gmeta_log_state(&m->log, ticket);
	grid_unlock(m->g, flags);
	return r;
}

/**
 * grid_meta_sync - commit everything up to now
 * @g: the grid; one without metadata has nothing to commit
 *
 * Context: process, on a queue that wakes nobody; as long as the devices take.
 * Return: 0 or -EIO.
 */
int grid_meta_sync(struct grid *g)
{
	struct grid_meta *m = g->meta;
	u64 ticket;
	int r;

	if (!m)
		return 0;
	ticket = grid_meta_ticket(g);
	while (!wait_event_timeout(
		m->wait, (r = grid_meta_state(m, ticket)) != -EINPROGRESS, HZ))
		;
	return r;
}

/**
 * grid_meta_flush_errors - how many flushes of ours have failed, or count as failed
 * @g: the grid; one without metadata: 0
 *
 * Context: any.
 */
u64 grid_meta_flush_errors(struct grid *g)
{
	unsigned long flags;
	u64 errors;

	if (!g->meta)
		return 0;
	grid_lock(g, &flags);
	errors = g->meta->log.errors;
	grid_unlock(g, flags);
	return errors;
}

/**
 * grid_meta_flush - an application's flush (M2)
 * @t: the table, with metadata
 * @bio: the flush, without data
 *
 * It goes down if nothing that came before it waits for a commit; else the
 * commit, which flushes the data device, ends it.
 */
int grid_meta_flush(struct grid_table *t, struct bio *bio)
{
	struct grid_io *io = dm_per_bio_data(bio, sizeof(*io));
	struct grid *g = t->grid;
	struct grid_meta *m = g->meta;
	struct gmeta_flush f;
	unsigned long flags;
	int r;

	grid_lock(g, &flags);
	gmeta_log_flush(&m->log, &f);
	/* The device has told us of what it lost, and tells nobody twice. */
	r = gmeta_log_flush_state(&m->log, &f);
	if (r == -EINPROGRESS) {
		bio->bi_opf &= ~REQ_POLLED;
		io->meta_serial = f.serial;
		io->meta_errors = f.errors;
		list_add_tail(&io->node, &m->flushes);
		__grid_meta_kick(m);
	} else if (!r) {
		__grid_flush_down(g, io);
	}
	grid_unlock(g, flags);
	if (!r) {
		bio_set_dev(bio, t->dev->bdev);
		return DM_MAPIO_REMAPPED;
	}
	if (r != -EINPROGRESS)
		grid_end(io, errno_to_blk_status(r));
	return DM_MAPIO_SUBMITTED;
}

/** __grid_meta_unlist - @io, a FUA write that waits for a commit, does so no more; locked */
void __grid_meta_unlist(struct grid_io *io)
{
	list_del(&io->node);
	hash_del(&io->hash);
}

/*
 * Is one of the blocks of @io missing?  Before the lock was taken it was not, or was
 * seen to; the commit that is waited for may say so without what makes it good again.
 */
static bool __grid_meta_is_touched(struct grid *g, const struct grid_io *io)
{
	u64 b = grid_first(g, io), last = grid_last(g, io);
	bool freed;
	u32 flags;

	grid_assert_locked(g);
	for (; (b = find_next_bit(g->missing, last + 1, b)) <= last; b++)
		/* Else it is closed, or dropped: no commit says missing. */
		if (grid_bits_test(&g->lost, b) ||
		    __grid_missing_peek(g->gm, b, &flags, &freed) !=
			    GRID_MISSING_STATE_GONE)
			return true;
	return false;
}

/* What makes the blocks of @io good, which is on no list: 0, -EINPROGRESS or -EIO. */
static int __grid_meta_write_waits(struct grid_meta *m, struct grid_io *io)
{
	u64 ticket = gmeta_log_good_ticket(&m->log);
	int r = gmeta_log_state(&m->log, ticket);

	if (r == -EINPROGRESS) {
		io->meta_serial = ticket;
		io->touched = __grid_meta_is_touched(m->g, io);
		list_add_tail(&io->node, &m->writes);
		hash_add(m->hash, &io->hash,
			 grid_first(m->g, io) / GRID_BIO_BLOCKS);
		__grid_meta_kick(m);
	}
	return r;
}

/**
 * grid_meta_write_ended - a write succeeded below, and is through
 * @g: the grid, with metadata
 * @io: the write, still counted in as in flight
 * @status: out: what it is to end with
 *
 * With FUA it waits for what makes its blocks good.
 *
 * Context: any.
 * Return: true when it is kept back; @io must not be touched any more then.
 */
bool grid_meta_write_ended(struct grid *g, struct grid_io *io,
			   blk_status_t *status)
{
	struct grid_meta *m = g->meta;
	unsigned long flags;
	int r;

	if (!io->fua)
		return false;
	grid_lock(g, &flags);
	r = __grid_meta_write_waits(m, io);
	grid_unlock(g, flags);
	if (r && r != -EINPROGRESS)
		*status = errno_to_blk_status(r);
	return r == -EINPROGRESS;
}

/**
 * grid_meta_write_looked - a write that has waited was looked at once more
 * @g: the grid, with metadata
 * @io: the write, with FUA, still listed
 * @status: in, out: what it is to end with
 *
 * When one of its blocks was missing meanwhile, or that look has changed something,
 * it waits anew.
 *
 * Context: process.
 * Return: as grid_meta_write_ended().
 */
bool grid_meta_write_looked(struct grid *g, struct grid_io *io,
			    blk_status_t *status)
{
	unsigned long flags;
	int r = 0;

	grid_lock(g, &flags);
	__grid_meta_unlist(io);
	if (!*status && io->touched)
		r = __grid_meta_write_waits(g->meta, io);
	grid_unlock(g, flags);
	if (r && r != -EINPROGRESS)
		*status = errno_to_blk_status(r);
	return r == -EINPROGRESS;
}

/* Those of @list that wait no more go to @done, with the status of each. */
static void __grid_meta_collect(struct grid_meta *m, struct list_head *list,
				struct list_head *done)
{
	struct grid_io *io, *next;
	struct gmeta_flush f;
	int r;

	list_for_each_entry_safe(io, next, list, node) {
		if (list == &m->flushes) {
			f.serial = io->meta_serial;
			f.errors = io->meta_errors;
			r = gmeta_log_flush_state(&m->log, &f);
			if (!r)
				r = blk_status_to_errno(
					__grid_flush_status(m->g, io));
			if (!r && !list_empty(&m->g->own_flushes)) {
				/* What they are told this one is told, too. */
				list_del(&io->node);
				__grid_flush_waits(m->g, io);
				continue;
			}
		} else {
			r = gmeta_log_state(&m->log, io->meta_serial);
		}
		if (r == -EINPROGRESS)
			continue;
		io->status = errno_to_blk_status(r);
		list_move_tail(&io->node, done);
	}
}

static struct grid_io *grid_meta_first_looked(struct grid_meta *m)
{
	struct grid_io *io;
	unsigned long flags;

	grid_lock(m->g, &flags);
	io = list_first_entry_or_null(&m->looked, struct grid_io, node);
	grid_unlock(m->g, flags);
	return io;
}

static void grid_meta_end_all(struct grid *g, struct list_head *flushes,
			      struct list_head *starved)
{
	struct grid_meta *m = g->meta;
	struct grid_io *io, *next;

	list_for_each_entry_safe(io, next, flushes, node)
		grid_end(io, io->status);
	/* Each takes itself off the list. */
	while ((io = grid_meta_first_looked(m)))
		m->write_done(g, io);
	list_for_each_entry_safe(io, next, starved, node)
		m->write_done(g, io);
}

/*
 * The worker
 */

/*
 * Of what a sync jump took, and of what is lost, there is no slot, and no checksum.
 * They come last: who joins them when they have been passed was met as a fault, or
 * is in the log.  True: that was all.
 */
static bool grid_meta_fill_aside(struct grid_meta *m,
				 struct gmeta_writer *piece, u32 free)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK };
	struct grid *g = m->g;
	unsigned long flags;
	u32 i;

	grid_lock(g, &flags);
	for (i = 0; i < min(free, GRID_META_FILL); i++) {
		e.address = min(grid_bits_next(&g->jumped, m->fill_aside),
				grid_bits_next(&g->lost, m->fill_aside));
		m->fill_aside = e.address;
		if (e.address == U64_MAX)
			break;
		gmeta_add(piece, &e);
		m->fill_aside++;
	}
	grid_unlock(g, flags);
	return m->fill_aside == U64_MAX;
}

/*
 * What comes next of the map goes into the snapshot's piece.  A slot that has
 * been passed is heard of by the log if it changes, one that has not is met
 * as it is then.  1: that was all.
 */
static int grid_meta_fill(struct grid_meta *m, struct gmeta_writer *piece)
{
	struct grid_missing_record r[GRID_META_FILL];
	struct grid_missing_record_table t;
	struct grid *g = m->g;
	struct gmeta_entry e;
	unsigned long flags;
	u32 i, n, free;
	bool more = true;

	if (!m->log.snap_pieces) {
		m->fill_table = 0;
		m->fill_cursor = 0;
		m->fill_aside = 0;
	}
	for (;;) {
		free = (piece->size - piece->used) /
		       sizeof(struct grid_meta_disk_entry);
		if (!free)
			return 0;
		n = 0;
		if (m->fill_cursor == U64_MAX) {
			if (grid_meta_fill_aside(m, piece, free))
				return 1;
			cond_resched();
			continue;
		}
		grid_lock(g, &flags);
		for (i = 0; more && i < min(free, GRID_META_FILL); i++) {
			more = __grid_missing_record_table(g->gm, m->fill_table,
							   &t);
			if (!more)
				break;
			if (t.state &&
			    grid_meta_table_entry(m->fill_table, &t, &e))
				gmeta_add(piece, &e);
			m->fill_table++;
		}
		/* Room was counted for one kind. */
		if (!i)
			n = __grid_missing_list_records(
				g->gm, &m->fill_cursor,
				min(free, GRID_META_FILL), r);
		grid_unlock(g, flags);
		for (i = 0; i < n; i++) {
			grid_meta_entry(&r[i], &e);
			gmeta_add(piece, &e);
		}
		cond_resched();
	}
}

static int grid_meta_do(struct grid_meta *m, struct gmeta_io *io)
{
	switch (io->what) {
	case GMETA_FLUSH_DATA:
		return grid_flush_own(READ_ONCE(m->g->live));
	case GMETA_FLUSH:
		return blkdev_issue_flush(m->bdev);
	case GMETA_FILL:
		return grid_meta_fill(m, io->piece);
	case GMETA_WRITE:
		gmeta_log_seal(&m->log, io);
		return grid_meta_rw(m->g, m->bdev,
				    REQ_OP_WRITE | REQ_SYNC | REQ_FUA,
				    m->start + io->sector, (void *)io->buf,
				    io->bytes);
	default:
		return 0;
	}
}

/* Does what is done flush the data as well?  FUA may be a flush of the disk (M7). */
static bool grid_meta_on_data(const struct grid_meta *m,
			      const struct gmeta_io *io)
{
	const struct grid_table *t = READ_ONCE(m->g->live);

	return (io->what == GMETA_FLUSH || io->what == GMETA_WRITE) && t &&
	       t->dev->bdev->bd_disk == m->bdev->bd_disk;
}

/* The disk may have told it of data that it lost, and tells nobody twice. */
static void grid_meta_lost(struct grid_meta *m)
{
	unsigned long flags;

	grid_lock(m->g, &flags);
	m->g->flush_failures++;
	__grid_flush_failed(m->g);
	grid_unlock(m->g, flags);
}

/* The lock is held; tells when the mode has changed. */
static void __grid_meta_mode(struct grid_meta *m)
{
	struct grid *g = m->g;

	grid_assert_locked(g);
	if (m->was_failed == m->log.failed)
		return;
	m->was_failed = m->log.failed;
	if (m->log.failed)
		DMERR("%u:%u: metadata on %pg has failed: enqueue and flushes answer EIO until \"metadata retry\"",
		      g->major, g->minor, m->bdev);
	else
		DMINFO("%u:%u: metadata on %pg is written again", g->major,
		       g->minor, m->bdev);
	queue_work(g->wq, &g->event_work);
}

/* What follows from how the log stands.  Takes the lock over. */
static void grid_meta_tell(struct grid_meta *m, unsigned long flags)
{
	struct gmeta_log *log = &m->log;
	struct grid *g = m->g;
	LIST_HEAD(flushes);
	LIST_HEAD(starved);

	__grid_meta_collect(m, &m->flushes, &flushes);
	__grid_meta_collect(m, &m->writes, &m->looked);
	if (__grid_meta_can_end(m))
		list_splice_tail_init(&m->starved, &starved);
	__grid_meta_mode(m);
	grid_missing_committed(g->gm, log->done, log->failed);
	grid_unlock(g, flags);

	wake_up_all(&m->wait);
	grid_meta_end_all(g, &flushes, &starved);
}

/* It was done. */
static void grid_meta_told(struct grid_meta *m, int r)
{
	struct gmeta_log *log = &m->log;
	unsigned long flags;
	u64 was;

	grid_lock(m->g, &flags);
	was = log->done;
	gmeta_log_told(log, r);
	if (log->done != was) {
		m->took = jiffies - m->began;
		if (log->open->w.count)
			__grid_meta_tick(m);
	}
	grid_meta_tell(m, flags);
}

static void grid_meta_worker(struct work_struct *work)
{
	struct grid_meta *m = container_of(work, struct grid_meta, work);
	struct gmeta_commit *cut = NULL;
	unsigned long flags;
	struct gmeta_io io;
	int r;

	for (;;) {
		grid_lock(m->g, &flags);
		gmeta_log_next(&m->log, &io);
		/* The open one is empty: who needs all of it is not to wait on. */
		if (m->log.cut && m->log.cut != cut) {
			m->began = jiffies;
			wake_up_all(&m->wait);
		}
		cut = m->log.cut;
		/* It failed with nothing under way, or there is room again. */
		if (io.what == GMETA_NOTHING &&
		    (m->was_failed != m->log.failed ||
		     (!list_empty(&m->starved) && __grid_meta_can_end(m)))) {
			grid_meta_tell(m, flags);
			continue;
		}
		grid_unlock(m->g, flags);
		if (io.what == GMETA_NOTHING)
			break;
		r = grid_meta_do(m, &io);
		if (r < 0 && grid_meta_on_data(m, &io))
			grid_meta_lost(m);
		if (r < 0 && io.what != GMETA_FLUSH_DATA)
			DMERR_LIMIT("%u:%u: %pg: can't %s metadata (%d)",
				    m->g->major, m->g->minor, m->bdev,
				    io.what == GMETA_WRITE ? "write" : "flush",
				    r);
		grid_meta_told(m, r);
		cond_resched();
	}
}

/*
 * Life
 */

/**
 * grid_meta_live - a table becomes live, with devices of its own
 * @t: the table
 *
 * Context: preresume.
 */
void grid_meta_live(struct grid_table *t)
{
	struct grid *g = t->grid;
	unsigned long flags;

	if (!g->meta)
		return;
	grid_lock(g, &flags);
	g->meta->bdev = t->meta_dev->bdev;
	/* The tick went with the suspend. */
	g->meta->ticking = false;
	if (g->meta->log.open->w.count)
		__grid_meta_tick(g->meta);
	grid_unlock(g, flags);
}

static bool grid_meta_has_grown(struct grid_meta *m, u64 blocks, int *r)
{
	unsigned long flags;
	bool done;

	grid_lock(m->g, &flags);
	*r = m->log.failed ? -EIO : 0;
	done = *r || m->log.sb.blocks >= blocks;
	grid_unlock(m->g, flags);
	return done;
}

/**
 * grid_meta_grow - a longer table becomes live: the superblocks say so first (M5)
 * @t: the table; grid_meta_next() has allowed it
 *
 * Else an entry could come behind the last block that they know of.
 *
 * Context: preresume; as long as the metadata device takes.
 * Return: 0, also when there is nothing to do; -EIO.
 */
int grid_meta_grow(struct grid_table *t)
{
	struct grid *g = t->grid;
	struct grid_meta *m = g->meta;
	u64 blocks = t->geo.blocks;
	unsigned long flags;
	int r;

	if (!m || blocks <= g->geo.blocks)
		return 0;
	grid_lock(g, &flags);
	gmeta_log_grow(&m->log, blocks, bdev_nr_sectors(t->dev->bdev));
	queue_work(m->wq, &m->work);
	grid_unlock(g, flags);
	while (!wait_event_timeout(m->wait, grid_meta_has_grown(m, blocks, &r),
				   HZ))
		;
	/*
	 * A snapshot may follow: what it looks at is about to be another one.  In short
	 * turns: a slow disk is no hung task, and its last wake comes before it ends.
	 */
	while (work_busy(&m->work))
		wait_event_timeout(m->wait, !work_busy(&m->work),
				   msecs_to_jiffies(GRID_META_PAUSE_MS));
	flush_work(&m->work);
	return r;
}

/**
 * grid_meta_rest - commit what there is, mark the end, and be at rest (M5)
 * @g: the grid
 *
 * Context: postsuspend: nothing of ours changes the map any more.
 */
void grid_meta_rest(struct grid *g)
{
	struct grid_meta *m = g->meta;
	unsigned long flags;

	if (!m)
		return;
	cancel_delayed_work_sync(&m->tick);
	grid_lock(g, &flags);
	m->ticking = false;
	gmeta_log_mark(&m->log);
	__grid_meta_kick(m);
	grid_unlock(g, flags);
	flush_work(&m->work);
	/* The tick may have begun beside it, and wanted another commit. */
	cancel_delayed_work_sync(&m->tick);
	flush_work(&m->work);
}

/**
 * grid_meta_retry - try again after a failure: message `metadata retry` (M4)
 * @g: the grid
 *
 * Context: never sleeps.
 * Return: 0; -EINVAL without metadata, or where it has not failed; -EAGAIN while
 * suspended.
 */
int grid_meta_retry(struct grid *g)
{
	struct grid_meta *m = g->meta;
	unsigned long flags;
	int r = 0;

	if (!m)
		return -EINVAL;
	grid_lock(g, &flags);
	if (g->stopped) {
		r = -EAGAIN;
	} else if (!m->log.failed) {
		r = -EINVAL;
	} else {
		gmeta_log_retry(&m->log);
		queue_work(m->wq, &m->work);
	}
	grid_unlock(g, flags);
	return r;
}

/** __grid_meta_failed - has the metadata failed; the lock is held */
bool __grid_meta_failed(const struct grid *g)
{
	grid_assert_locked(g);
	return g->meta && g->meta->log.failed;
}

/**
 * grid_meta_start - all but what was loaded
 * @m: its log is there
 * @name: of its queue
 *
 * Return: 0 or -ENOMEM.
 */
int grid_meta_start(struct grid_meta *m, const char *name)
{
	m->log.again = __grid_meta_again;
	m->log.priv = m;
	m->reviving = GRID_NO_BLOCK;
	INIT_WORK(&m->work, grid_meta_worker);
	INIT_DELAYED_WORK(&m->tick, grid_meta_ticker);
	init_waitqueue_head(&m->wait);
	INIT_LIST_HEAD(&m->flushes);
	INIT_LIST_HEAD(&m->writes);
	INIT_LIST_HEAD(&m->looked);
	hash_init(m->hash);
	INIT_LIST_HEAD(&m->starved);
	/* The tick has to come while the work goes on. */
	m->wq = alloc_workqueue("%s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0, name);
	return m->wq ? 0 : -ENOMEM;
}

/** grid_meta_stop - nothing is to be committed any more; may sleep */
void grid_meta_stop(struct grid_meta *m)
{
	if (!m->wq)
		return;
	cancel_delayed_work_sync(&m->tick);
	destroy_workqueue(m->wq);
}
