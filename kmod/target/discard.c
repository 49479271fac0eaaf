// SPDX-License-Identifier: GPL-2.0
/*
 * Discards: from above staged (D5), of what was freed issued below.
 *
 * One from above that comes after a flush that waits for the running barrier
 * waits too: its blocks would be freed by a flush that they followed.  Writes
 * don't overtake it (D2): they find it among those that wait.
 *
 * What is freed is discarded below in the background, run by run.  Writes to
 * the run that is under way park.
 *
 * Locking: grid_lock(), given away between slices.
 */
#include <linux/blkdev.h>

#include "grid.h"

/* One discard below covers no more; writes to it wait until it is through. */
#define GRID_DISCARD_BYTES (256U * 1024U * 1024U)

/* Stage the whole blocks of a discard; gives the lock away between slices. */
static void grid_stage(struct grid *g, sector_t begin, sector_t end)
{
	u64 b = round_up(begin, g->block_sectors) >> g->block_shift;
	u64 e = end >> g->block_shift;
	unsigned long flags;
	unsigned int i;

	while (b < e) {
		grid_lock(g, &flags);
		for (i = 0; b < e && i < GRID_SLICE; i++, b++) {
			if (test_and_set_bit(b, g->marked))
				continue;
			grid_bits_set(&g->open, b);
		}
		grid_unlock(g, flags);
		cond_resched();
	}
}

static void grid_discard_end(struct grid *g, struct grid_io *io)
{
	grid_stage(g, io->iter.bi_sector,
		   io->iter.bi_sector + (io->iter.bi_size >> SECTOR_SHIFT));
	grid_end(io, BLK_STS_OK);
}

/* The blocks that a discard covers, from *@begin to before *@end. */
static void grid_discarded(const struct grid *g, const struct bio *bio,
			   u64 *begin, u64 *end)
{
	const struct grid_io *io =
		dm_per_bio_data((struct bio *)bio, sizeof(*io));

	*begin = round_up(io->iter.bi_sector, g->block_sectors) >>
		 g->block_shift;
	*end = (io->iter.bi_sector + (io->iter.bi_size >> SECTOR_SHIFT)) >>
	       g->block_shift;
}

/**
 * __grid_discard_waits - the first block whose discard was not staged yet
 * @g: the grid
 * @first: first block of a write
 * @last: last one
 *
 * Such a discard came before the write, and would release what the write
 * brings (D2: a write does not overtake a discard in flight).
 *
 * Context: the lock is held.
 * Return: the block, or U64_MAX.
 */
u64 __grid_discard_waits(struct grid *g, u64 first, u64 last)
{
	struct bio_list *lists[] = { &g->discards_staging,
				     &g->discards_waiting };
	u64 found = U64_MAX, b, e;
	struct bio *bio;
	unsigned int i;

	grid_assert_locked(g);
	if (!(g->gate & GRID_GATE_DISCARDS))
		return U64_MAX;
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		bio_list_for_each(bio, lists[i]) {
			grid_discarded(g, bio, &b, &e);
			b = max(b, first);
			if (b < e && b <= last)
				found = min(found, b);
		}
	return found;
}

/**
 * grid_stage_waiting - what waited behind a barrier that runs now is staged
 * @g: the grid
 *
 * ... and acknowledged.  Each stays where writes find it until then, and those that
 * waited for it go on.
 *
 * Context: process; gives the lock away between slices.
 */
void grid_stage_waiting(struct grid *g)
{
	unsigned long flags;
	struct bio *bio;
	u64 b, e;

	for (;;) {
		grid_lock(g, &flags);
		bio = bio_list_peek(&g->discards_staging);
		if (!bio && bio_list_empty(&g->discards_waiting))
			__grid_gate(g, GRID_GATE_DISCARDS, false);
		grid_unlock(g, flags);
		if (!bio)
			break;
		grid_discarded(g, bio, &b, &e);
		grid_stage(g, b << g->block_shift, e << g->block_shift);
		grid_lock(g, &flags);
		bio_list_pop(&g->discards_staging);
		grid_unlock(g, flags);
		/* Nobody waits for it any more; its size is the user's. */
		grid_wake_range(g, b, e);
		grid_end(dm_per_bio_data(bio, sizeof(struct grid_io)),
			 BLK_STS_OK);
	}
}

/**
 * grid_map_discard - acknowledge a discard, or hold it behind a barrier
 * @t: the table
 * @bio: the discard
 * @io: its per-bio data, @iter set
 */
int grid_map_discard(struct grid_table *t, struct bio *bio, struct grid_io *io)
{
	struct grid *g = t->grid;
	unsigned long flags;
	bool hold;

	grid_lock(g, &flags);
	hold = !bio_list_empty(&g->flushes_waiting);
	if (hold) {
		bio_list_add(&g->discards_waiting, bio);
		__grid_gate(g, GRID_GATE_DISCARDS, true);
	}
	grid_unlock(g, flags);
	if (!hold)
		grid_discard_end(g, io);
	return DM_MAPIO_SUBMITTED;
}

/*
 * The next run of freed blocks, as far as one discard may reach.  From the
 * moment that a block joins it its writes park; one that comes before ends the
 * run.  Gives the lock away between slices.  False when there is none.
 */
static bool grid_next_discard(struct grid *g)
{
	u64 max = GRID_DISCARD_BYTES / g->geo.block_size, b, i;
	unsigned long flags;
	bool more = false;

	grid_lock(g, &flags);
	b = g->stopped ? U64_MAX : grid_bits_next(&g->freed, 0);
	if (b != U64_MAX) {
		g->discard_begin = b;
		g->discard_end = b;
		more = true;
	}
	while (more) {
		for (i = 0; more && i < GRID_SLICE; i++) {
			more = g->discard_end - b < max &&
			       grid_bits_clear(&g->freed, g->discard_end);
			g->discard_end += more;
		}
		grid_unlock(g, flags);
		cond_resched();
		grid_lock(g, &flags);
	}
	grid_unlock(g, flags);
	return b != U64_MAX;
}

/* The run's discard is through: it is marked no more.  In slices, too. */
static void grid_discarded_run(struct grid *g)
{
	unsigned long flags;
	u64 b, e, n;
	bool more;

	do {
		grid_lock(g, &flags);
		b = g->discard_begin;
		e = min(g->discard_end, b + GRID_SLICE);
		for (n = b; n < e; n++)
			clear_bit(n, g->marked);
		g->discard_begin = e;
		more = e < g->discard_end;
		if (!more) {
			g->discard_begin = 0;
			g->discard_end = 0;
		}
		__grid_wake_range(g, b, e);
		grid_unlock(g, flags);
		cond_resched();
	} while (more);
}

static void grid_discard_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, discard_work);
	struct grid_table *t = READ_ONCE(g->live);
	struct block_device *bdev = t->dev->bdev;
	u64 b;
	int r;

	while (grid_next_discard(g)) {
		b = g->discard_begin;
		r = 0;
		if (bdev_max_discard_sectors(bdev))
			r = blkdev_issue_discard(
				bdev, grid_lower_sector(t, b << g->block_shift),
				(g->discard_end - b) << g->block_shift,
				GFP_NOIO);
		if (r && r != -EOPNOTSUPP)
			DMWARN_LIMIT(
				"%u:%u: %pg: discard of block %llu failed (%d)",
				g->major, g->minor, bdev, b, r);
		grid_discarded_run(g);
	}
}

void grid_discard_init(struct grid *g)
{
	bio_list_init(&g->discards_waiting);
	bio_list_init(&g->discards_staging);
	INIT_WORK(&g->discard_work, grid_discard_worker);
}
