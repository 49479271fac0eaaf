// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: the log at work (M1, M2, M5).  One worker does the I/O that the engine
 * (meta_log.c) asks for: what came in (meta_change.c) is committed, who waits
 * (meta_wait.c) is ended.
 *
 *   the worker        next (locked), seal, I/O, told (locked); then ends who
 *                     waited
 *
 * The worker waits for the two devices and for nobody else, so whoever waits
 * for it waits for them.  It has a queue of its own, with a rescuer; all memory
 * is taken before the device goes live.  It runs through suspends; postsuspend
 * waits until it has nothing left to do.
 *
 * Locks: the tracker's; it may be taken with any other held but drain_lock's
 * waits, and nothing else is taken here.
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "meta_io.h"
#include "compat.h"

/* How often who waits for the worker looks whether it has ended. */
#define GRID_META_PAUSE_MS 20
/* Records that one hold of the lock puts into a snapshot. */
#define GRID_META_FILL 16U

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

/*
 * Are data and metadata on one disk?  Where one of them is made of others (LVM, md)
 * nobody can tell.
 */
static bool grid_meta_may_share(const struct grid_meta *m)
{
	const struct grid_table *t = READ_ONCE(m->g->live);

	return !t || t->dev->bdev->bd_disk == m->bdev->bd_disk ||
	       !queue_is_mq(bdev_get_queue(t->dev->bdev)) ||
	       !queue_is_mq(bdev_get_queue(m->bdev));
}

/*
 * A write or flush of the metadata has failed.  FUA may be a flush of the disk, which may
 * have the data, too (M7): it may have told this of data that it lost, and tells nobody
 * twice.
 */
static void grid_meta_lost(struct grid_meta *m)
{
	unsigned long flags;

	grid_lock(m->g, &flags);
	__grid_own_failed(m->g);
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
		if (r < 0 && io.what != GMETA_FLUSH_DATA) {
			if (grid_meta_may_share(m))
				grid_meta_lost(m);
			DMERR_LIMIT("%u:%u: %pg: can't %s metadata (%d)",
				    m->g->major, m->g->minor, m->bdev,
				    io.what == GMETA_WRITE ? "write" : "flush",
				    r);
		}
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
