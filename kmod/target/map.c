// SPDX-License-Identifier: GPL-2.0
/*
 * The way of a bio: map(), with one look at the bitmaps (D7), the slow way for
 * what may be stopped, and end_io().
 */
#include "grid.h"

/*
 * Something is in the way, or was when we looked without the lock.  What comes
 * before it goes down; dm brings the rest anew.  Reads and writes of the block
 * itself are cut to it, and park alone.
 */
static int grid_map_slow(struct grid_table *t, struct bio *bio,
			 struct grid_io *io)
{
	struct grid *g = t->grid;
	blk_status_t status = BLK_STS_OK;
	enum grid_verdict v;
	unsigned long flags;
	bool kernel_wait;
	u64 stop;

	grid_io_begin(io);
	/* Makes it its submitter's, who is not there when it wakes. */
	bio_set_dev(bio, t->dev->bdev);
	grid_lock(g, &flags);
	v = __grid_check(g, io, &stop, &kernel_wait, &status);
	if (v != GRID_GO && stop != GRID_NO_BLOCK) {
		if (stop > grid_first(g, io)) {
			grid_cut(bio, io, stop << g->block_shift);
			v = GRID_GO;
		} else {
			grid_cut(bio, io, (stop + 1) << g->block_shift);
		}
	}
	if (v != GRID_GO)
		grid_epoch_leave(g, io);
	if (v == GRID_PARK) {
		io->kind = GRID_IO_PARKED;
		__grid_park(g, io, stop, kernel_wait);
	}
	grid_unlock(g, flags);

	switch (v) {
	case GRID_PARK:
		return DM_MAPIO_SUBMITTED;
	case GRID_REQUEUE:
		return DM_MAPIO_REQUEUE;
	case GRID_FAIL:
		grid_end(io, status);
		return DM_MAPIO_SUBMITTED;
	default:
		grid_remap(t, bio, io);
		return DM_MAPIO_REMAPPED;
	}
}

int grid_map(struct dm_target *ti, struct bio *bio)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	struct grid_io *io = dm_per_bio_data(bio, sizeof(*io));
	unsigned int gate;
	u64 first, last;
	bool slow;

	io->bio = bio;
	io->table = t;
	io->kind = GRID_IO_PLAIN;
	io->epoch = GRID_NO_EPOCH;
	io->iter = bio->bi_iter;
	io->iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);

	if (unlikely(!bio->bi_iter.bi_size)) {
		if (bio->bi_opf & REQ_PREFLUSH)
			return grid_map_flush(t, bio);
		grid_remap(t, bio, io);
		return DM_MAPIO_REMAPPED;
	}
	first = grid_first(g, io);
	last = grid_last(g, io);
	/* At a block's end: what covers a block is to do so still (T15). */
	if (unlikely(last - first >= GRID_BIO_BLOCKS) &&
	    bio_op(bio) != REQ_OP_DISCARD) {
		grid_cut(bio, io, (first + GRID_BIO_BLOCKS) << g->block_shift);
		last = grid_last(g, io);
	}
	/*
	 * Before the bitmaps, or an enqueue and then `ready` come between the
	 * two looks, and a read goes down to garbage (D1).  Pairs with
	 * __grid_gate(); litmus: ready.
	 */
	gate = smp_load_acquire(&g->gate);
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		slow = (gate & GRID_GATE_HELD) ||
		       grid_any(g->missing, first, last);
		break;
	case REQ_OP_WRITE:
		io->fua = bio->bi_opf & REQ_FUA;
		if (io->fua && unlikely(grid_fua_owed(g, io))) {
			grid_end(io, BLK_STS_IOERR);
			return DM_MAPIO_SUBMITTED;
		}
		/* The read side is explained in epoch.c. */
		rcu_read_lock();
		grid_epoch_enter(g, io);
		slow = gate || grid_any(g->missing, first, last) ||
		       grid_any(g->marked, first, last);
		rcu_read_unlock();
		break;
	case REQ_OP_DISCARD:
		return grid_map_discard(t, bio, io);
	default:
		return DM_MAPIO_KILL;
	}
	if (unlikely(slow))
		return grid_map_slow(t, bio, io);
	grid_remap(t, bio, io);
	return DM_MAPIO_REMAPPED;
}

int grid_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	struct grid_io *io = dm_per_bio_data(bio, sizeof(*io));

	switch (io->kind) {
	case GRID_IO_DONE:
		return DM_ENDIO_DONE;
	case GRID_IO_REQUEUE:
		return DM_ENDIO_REQUEUE;
	case GRID_IO_FLUSH:
		return grid_flush_ended(g, io, error) ? DM_ENDIO_INCOMPLETE :
							DM_ENDIO_DONE;
	}
	if (io->epoch != GRID_NO_EPOCH) {
		if (io->fua)
			*error = grid_fua_ended(g, io, *error);
		if (!*error && grid_write_ended(g, io))
			return DM_ENDIO_INCOMPLETE;
		if (!*error && unlikely(g->meta) &&
		    grid_meta_write_ended(g, io, error))
			return DM_ENDIO_INCOMPLETE;
		grid_epoch_leave(g, io);
	} else if (unlikely(*error) && bio_op(bio) == REQ_OP_READ) {
		if (grid_detect(g, t, io, *error))
			return DM_ENDIO_INCOMPLETE;
	}
	return DM_ENDIO_DONE;
}
