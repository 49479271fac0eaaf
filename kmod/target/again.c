// SPDX-License-Identifier: GPL-2.0
/*
 * Bios that woke are tried anew; those that came back from below are then
 * issued anew (D2, D6).
 *
 * A write that succeeded below but finds one of its blocks missing is not
 * acknowledged: the repair, which brings what the block was before, would undo
 * it.  It waits like a parked bio and is then written once more.  A read that
 * failed waits until detection has decided.
 *
 * A completed clone is never submitted again: block core has changed it on
 * its way (sector, remap flag, cgroup, the iterator).  A fresh bio from our own
 * pool borrows its pages; its iterator is what we saved in map().  It is the
 * root cgroup's: its submitter has paid once.  When it ends, the clone is ended.
 */
#include "grid.h"
#include "compat.h"

static void grid_again_end(struct bio *bio)
{
	struct grid_io *io = container_of(bio, struct grid_bio, bio)->io;
	struct grid *g = io->table->grid;
	blk_status_t status = bio->bi_status;

	bio_put(bio);
	if (grid_is_write(io)) {
		if (io->fua)
			status = grid_fua_ended(g, io, status);
		if (!status && grid_write_ended(g, io))
			return;
		if (!status && unlikely(g->meta) &&
		    grid_meta_write_ended(g, io, &status))
			return;
		grid_epoch_leave(g, io);
	} else if (status && grid_detect(g, io->table, io, status)) {
		return;
	}
	grid_end(io, status);
}

/**
 * grid_again - issue @io anew; its clone ends when that has ended
 * @g: the grid
 * @io: of kind GRID_IO_BACK, nothing in its way; a write is counted in
 *
 * Context: process; waits for a bio of the pool at most, that is, for the
 * lower device.
 */
static void grid_again(struct grid *g, struct grid_io *io)
{
	struct bio *clone = io->bio;
	struct bio *bio;

	/* Nothing of how it was asked for the first time holds for this one. */
	bio = bio_alloc_bioset(io->table->dev->bdev, 0,
			       clone->bi_opf &
				       ~(REQ_POLLED | REQ_NOWAIT | REQ_RAHEAD |
					 REQ_FAILFAST_MASK),
			       GFP_NOIO, &g->bios);
	container_of(bio, struct grid_bio, bio)->io = io;
	bio->bi_io_vec = clone->bi_io_vec;
	bio_set_flag(bio, BIO_CLONED);
	bio->bi_ioprio = clone->bi_ioprio;
	grid_copy_write_hint(bio, clone);
	bio->bi_iter = io->iter;
	bio->bi_iter.bi_sector =
		grid_lower_sector(io->table, io->iter.bi_sector);
	bio->bi_end_io = grid_again_end;
	submit_bio_noacct(bio);
}

/* The next block in [b, last] that is missing or may have a record; or a later one. */
static u64 grid_next_ended(const struct grid *g, u64 b, u64 last)
{
	return min(find_next_bit(g->missing, last + 1, b),
		   find_next_bit(g->unflushed, last + 1, b));
}

/*
 * A write of block @b has ended, which has no fault: what is still known of it that
 * would undo the write goes (D2).  @first: it is looked at for the first time, so a
 * record of its end is of what was there before.
 */
static void __grid_good_written(struct grid *g, u64 b, bool first)
{
	bool lost = grid_bits_test(&g->lost, b);

	__grid_undrop(g, b);
	/* Then the record is of that. */
	if (lost)
		return;
	if (first)
		__grid_end_written(g, b);
	__grid_jump_written(g, b);
}

/* Does more than a record of its end tell of block @b, which has no fault? */
static bool __grid_is_aside(const struct grid *g, u64 b)
{
	grid_assert_locked(g);
	return grid_bits_test(&g->lost, b) || grid_bits_test(&g->dropped, b) ||
	       grid_bits_test(&g->jumped, b);
}

/*
 * As grid_write_ended(); what was good before block @from was seen to already.
 * @listed: it has waited for a commit, and is still listed; not if it is kept back.
 */
static bool grid_write_ended_from(struct grid *g, struct grid_io *io, u64 from,
				  bool listed)
{
	u64 last = grid_last(g, io);
	unsigned long flags;
	bool keep;
	u64 b;

	/* In this order: see ends.c. */
	if (likely(!grid_any(g->missing, grid_first(g, io), last) &&
		   !grid_is_late(g, io) &&
		   !grid_any(g->unflushed, grid_first(g, io), last)))
		return false;

	grid_lock(g, &flags);
	keep = __grid_passed(g, io);
	for (b = grid_next_ended(g, grid_first(g, io), last); b <= last;
	     b = grid_next_ended(g, b + 1, last)) {
		u8 state = GRID_MISSING_STATE_GONE;

		if (test_bit(b, g->missing)) {
			if (__grid_closed(g, b))
				g->closed_written = true;
			if (keep)
				continue;
			/* What a sweep is about to take is taken here. */
			if (__grid_meta_starves(g, io, max(b, from), listed)) {
				grid_unlock(g, flags);
				return true;
			}
			state = __grid_missing_find(g->gm, b, NULL);
		}
		if (state == GRID_MISSING_STATE_GONE) {
			if (grid_bits_test(&g->lost, b) &&
			    !grid_covers(g, io, b))
				keep = true;
			/* The record may be of what this very write superseded. */
			if (keep || (b < from && !__grid_is_aside(g, b)))
				continue;
			/* The find may have used what there was. */
			if (__grid_meta_starves(g, io, max(b, from), listed)) {
				grid_unlock(g, flags);
				return true;
			}
			__grid_good_written(g, b, b >= from);
			/* With FUA it waits for what came of that, too (M2). */
			io->touched = true;
			continue;
		}
		if (state == GRID_MISSING_STATE_WAITING &&
		    grid_covers(g, io, b) &&
		    !__grid_meta_supersede(g, b, io->fua))
			io->touched = true;
		else
			keep = true;
	}
	if (keep) {
		if (listed)
			__grid_meta_unlist(io);
		grid_epoch_leave(g, io);
		grid_io_begin(io);
		io->kind = GRID_IO_BACK;
		io->status = BLK_STS_OK;
		__grid_queue(g, io);
	}
	grid_unlock(g, flags);
	return keep;
}

/**
 * grid_write_ended - a write succeeded below: what of its missing blocks?
 * @g: the grid
 * @io: the write, still counted in as in flight
 *
 * A waiting block that it covers is superseded.  Any other missing block
 * keeps it back: counted out, and given to the worker, which parks it.  So
 * does a repair that did not wait for it.  A good one has no record of its end
 * any more (ends.c), and one that a barrier dropped stays good.  Without room in
 * the metadata's log it is held as it is.
 *
 * Context: any.
 * Return: true when it is kept back; @io must not be touched any more then.
 */
bool grid_write_ended(struct grid *g, struct grid_io *io)
{
	return grid_write_ended_from(g, io, 0, false);
}

/**
 * grid_write_done - a write waits for metadata no more
 * @g: the grid
 * @io: the write, still counted in as in flight.  One with FUA: what it waited
 *	for is committed, or never will be, as its status says; or there is room.
 *
 * Context: process.
 */
void grid_write_done(struct grid *g, struct grid_io *io)
{
	blk_status_t status = io->status;
	bool listed = io->meta_serial;
	u64 from = listed ? U64_MAX : io->meta_next;

	/* It has been kept back for long: as at completion. */
	if (!status && grid_write_ended_from(g, io, from, listed))
		return;
	if (listed && grid_meta_write_looked(g, io, &status))
		return;
	if (!listed && !status && grid_meta_write_ended(g, io, &status))
		return;
	grid_epoch_leave(g, io);
	grid_end(io, status);
}

/* The block whose repair @io waited for, or GRID_NO_BLOCK. */
static u64 grid_waited_for(const struct grid_io *io)
{
	return !io->waited || io->block == GRID_DETECTING ? GRID_NO_BLOCK :
							    io->block;
}

/* A bio waits for block @b no more: it may have been the last reader (T5). */
static void __grid_left(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	if (b != GRID_NO_BLOCK && test_bit(b, g->missing) &&
	    !__grid_has_readers(g, b))
		__grid_missing_readers(g->gm, b, false);
}

/* End what has waited too long, or give it back to dm. */
static void grid_give_up(struct grid *g, struct grid_io *io)
{
	blk_status_t status = io->status;
	unsigned long flags;
	bool again;

	grid_lock(g, &flags);
	/* Whether dm still takes it back is known only now. */
	again = status == BLK_STS_DM_REQUEUE &&
		!dm_noflush_suspending(g->live->ti);
	if (again) {
		io->status = BLK_STS_OK;
		__grid_queue(g, io);
	} else {
		__grid_left(g, grid_waited_for(io));
	}
	grid_unlock(g, flags);

	if (again)
		return;
	if (status == BLK_STS_DM_REQUEUE)
		grid_requeue(io);
	else
		grid_end(io, status);
}

/* Nothing was in the way of @io when it was looked at: submit it. */
static void grid_go(struct grid *g, struct grid_io *io)
{
	struct bio *bio = io->bio;

	if (io->kind == GRID_IO_BACK) {
		grid_again(g, io);
		return;
	}
	io->kind = GRID_IO_BEGUN;
	bio_set_dev(bio, io->table->dev->bdev);
	bio->bi_iter.bi_sector =
		grid_lower_sector(io->table, io->iter.bi_sector);
	submit_bio_noacct(bio);
}

/*
 * Try anew what was parked or came back.  What goes is in flight from now on,
 * a write counted in, though its worker may have to wait for the lower device.
 */
static void grid_try(struct grid *g, struct grid_io *io)
{
	bool write = grid_is_write(io);
	blk_status_t status = BLK_STS_OK;
	enum grid_verdict v;
	bool kernel_wait;
	unsigned long flags;
	u64 was = grid_waited_for(io);
	u64 stop;

	rcu_read_lock();
	if (write)
		grid_epoch_enter(g, io);
	grid_lock(g, &flags);
	v = __grid_check(g, io, &stop, &kernel_wait, &status);
	if (v != GRID_GO)
		grid_epoch_leave(g, io);
	if (v == GRID_PARK)
		__grid_park(g, io, stop, kernel_wait);
	if (v == GRID_GO) {
		/* What failed while it waited told nothing of it. */
		io->failures = g->flush_failures;
		list_add_tail(&io->node, &g->going);
		queue_work(g->wq_go, &g->go_work);
	}
	__grid_left(g, was);
	grid_unlock(g, flags);
	rcu_read_unlock();

	if (v == GRID_REQUEUE)
		grid_requeue(io);
	else if (v == GRID_FAIL)
		grid_end(io, status);
}

static struct grid_io *grid_next_of(struct grid *g, struct list_head *list)
{
	struct grid_io *io;
	unsigned long flags;

	grid_lock(g, &flags);
	io = list_first_entry_or_null(list, struct grid_io, node);
	if (io)
		list_del(&io->node);
	grid_unlock(g, flags);
	return io;
}

static void grid_wake_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, wake_work);
	struct grid_io *io;

	while ((io = grid_next_of(g, &g->woken))) {
		grid_pass_on(g, io);
		grid_try(g, io);
		cond_resched();
	}
}

/* It sleeps where the lower device has no room for a request. */
static void grid_go_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, go_work);
	struct grid_io *io;
	struct blk_plug plug;

	blk_start_plug(&plug);
	while ((io = grid_next_of(g, &g->going))) {
		grid_go(g, io);
		cond_resched();
	}
	blk_finish_plug(&plug);
}

static void grid_end_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, end_work);
	struct grid_io *io;

	while ((io = grid_next_of(g, &g->ending))) {
		grid_pass_on(g, io);
		grid_give_up(g, io);
		cond_resched();
	}
}

void grid_again_init(struct grid *g)
{
	INIT_WORK(&g->wake_work, grid_wake_worker);
	INIT_WORK(&g->go_work, grid_go_worker);
	INIT_WORK(&g->end_work, grid_end_worker);
}
