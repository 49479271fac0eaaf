// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: who waits for a commit (M1, M2).
 *
 *   ENQUEUE    takes a ticket, and waits in grid_missing.ko
 *   flush      is held back, if what came before is not committed yet
 *   FUA write  has ended below, and ends above when what made its blocks good is
 *              committed; when one of them was missing meanwhile, it is looked at once
 *              more (again.c), and waits for what that has changed
 *   any write  that finds no room for what it has made good waits for that
 *
 * The worker (meta_io.c) collects and ends who has waited enough.
 *
 * Locks: the tracker's; nothing else is taken here.
 */
#include "meta_io.h"
#include "compat.h"

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

/*
 * An application's flush that waited for commit @serial is about to end with @r.  When
 * the log has failed, writes with FUA do so for themselves while they rely on it (M4).
 */
static void __grid_meta_flush_fails(struct grid_meta *m, u64 serial, int r)
{
	if (gmeta_log_state(&m->log, serial) != -EIO)
		__grid_flush_fails(m->g, errno_to_blk_status(r));
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
	} else {
		__grid_meta_flush_fails(m, f.serial, r);
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
void __grid_meta_collect(struct grid_meta *m, struct list_head *list,
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
		if (list == &m->flushes)
			__grid_meta_flush_fails(m, io->meta_serial, r);
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

void grid_meta_end_all(struct grid *g, struct list_head *flushes,
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
