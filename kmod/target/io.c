// SPDX-License-Identifier: GPL-2.0
/*
 * A bio of dm's as a whole: ended, given back to dm, cut.
 */
#include "grid.h"

/**
 * grid_end - end @io with @status; it came to us before, or never went down
 * @io: on no list, not counted in as a write in flight
 * @status: for its submitter
 *
 * Context: any, the lock not held.
 */
void grid_end(struct grid_io *io, blk_status_t status)
{
	io->kind = GRID_IO_DONE;
	io->bio->bi_status = status;
	bio_endio(io->bio);
}

/** grid_requeue - likewise, but dm is to map it again after the suspend */
void grid_requeue(struct grid_io *io)
{
	io->kind = GRID_IO_REQUEUE;
	bio_endio(io->bio);
}

/* Cut @bio, which nobody has submitted yet, to end before @sector. */
void grid_cut(struct bio *bio, struct grid_io *io, sector_t sector)
{
	unsigned int sectors = sector - io->iter.bi_sector;

	if (sectors < io->iter.bi_size >> SECTOR_SHIFT) {
		dm_accept_partial_bio(bio, sectors);
		io->iter.bi_size = sectors << SECTOR_SHIFT;
	}
}
