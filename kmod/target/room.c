// SPDX-License-Identifier: GPL-2.0
/*
 * What a grid has memory for, and how it gets another shape (D9).
 *
 * Three things hang on the table line: the bitmaps (on the number of blocks),
 * the tracker's arrays (on the maxima), and whatever a block's size and hash
 * determine, the tracker's identity among it.  A constructor that wants any of
 * them otherwise than the grid has it takes the memory, a struct grid_room;
 * preresume moves what is known there and swaps.  What was there before then
 * lies in the room and goes with the table.
 *
 *   longer, other maxima              everything known stays
 *   shorter, another device, offset   only while nothing is known
 *   another block size or hash        likewise; and it is a new tracker: files
 *                                     attached to the old one get ENODEV, since
 *                                     whoever has them open goes by that size
 *
 * "Nothing is known": no fault, no table, no released block, no checkpoint or
 * sync jump under way.  That is asked by the constructor and again by
 * preresume, as faults may come in between.
 *
 * Locking: reloads come one at a time (grid_list_lock); preresume has a
 * device that is suspended, with all work of ours at rest.  The swaps are done
 * under the lock for those who only want a status.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "alloc.h"
#include "grid.h"

/* What has to become another one. */
#define GRID_ROOM_MAPS BIT(0)
#define GRID_ROOM_LIMITS BIT(1)
#define GRID_ROOM_SHAPE BIT(2) /* block size or hash; implies maps */

/**
 * struct grid_room - memory of a grid, not in use yet or no more
 * @what: GRID_ROOM_*: what there is
 * @missing: maps: grid->missing
 * @marked: grid->marked
 * @unflushed: grid->unflushed
 * @by_error: grid->by_error
 * @open: grid->open
 * @taken: grid->taken
 * @freed: grid->freed
 * @lost: grid->lost
 * @dropped: grid->dropped, with metadata
 * @jumped: grid->jumped, likewise
 * @faults: limits: the tracker's arrays
 * @detect_buf: shape: grid->detect_buf
 * @hash: grid->hash
 * @gm: a tracker that was not added yet, or was removed
 */
struct grid_room {
	unsigned int what;
	unsigned long *missing, *marked, *unflushed, *by_error;
	struct grid_bits open, taken, freed, lost, dropped, jumped;
	struct grid_missing_room *faults;
	void *detect_buf;
	struct crypto_shash *hash;
	struct grid_missing *gm;
};

static u64 grid_map_bytes(u64 blocks)
{
	return BITS_TO_LONGS(blocks) * sizeof(long);
}

/* What grid_room_maps() takes. */
static u64 grid_maps_bytes(u64 blocks, bool meta)
{
	return 4 * grid_map_bytes(blocks) +
	       (meta ? 6 : 4) * grid_bits_bytes(blocks);
}

/*
 * Refuse what no memory can hold before taking any.  What a grid has until the swap is
 * no longer available, so a reload is asked for what it takes besides.
 */
static int grid_check_memory(const struct grid_table *t, unsigned int what,
			     char **error)
{
	u64 have = (u64)si_mem_available() << PAGE_SHIFT;
	u64 faults = 0, maps = 0;

	if (what & (GRID_ROOM_SHAPE | GRID_ROOM_LIMITS))
		faults = grid_missing_bytes(&t->opt.limits);
	if (what & GRID_ROOM_MAPS)
		maps = grid_maps_bytes(t->geo.blocks, t->meta_dev);
	if (faults <= have && maps <= have - faults)
		return 0;
	DMERR("the tracker would need %llu MiB for faults and %llu MiB for %llu blocks; the machine has %llu MiB, of which %llu MiB are available",
	      faults >> 20, maps >> 20, t->geo.blocks,
	      (u64)totalram_pages() >> (20 - PAGE_SHIFT), have >> 20);
	*error = "more faults or blocks than memory can hold";
	return -ENOMEM;
}

/* Free what is in it. */
static void grid_room_exit(struct grid_room *room)
{
	grid_missing_put(room->gm);
	if (room->hash)
		crypto_free_shash(room->hash);
	vfree(room->detect_buf);
	grid_missing_room_free(room->faults);
	grid_bits_exit(&room->jumped);
	grid_bits_exit(&room->dropped);
	grid_bits_exit(&room->lost);
	grid_bits_exit(&room->freed);
	grid_bits_exit(&room->taken);
	grid_bits_exit(&room->open);
	vfree(room->by_error);
	vfree(room->unflushed);
	vfree(room->marked);
	vfree(room->missing);
}

/**
 * grid_room_free - give a room's memory back
 * @room: or NULL
 *
 * Context: may sleep; nobody uses what is in it.
 */
void grid_room_free(struct grid_room *room)
{
	if (room)
		grid_room_exit(room);
	kfree(room);
}

static int grid_room_maps(struct grid_room *room, u64 blocks, bool meta)
{
	u64 bytes = grid_map_bytes(blocks);

	room->missing = grid_alloc_named(bytes);
	room->marked = grid_alloc_named(bytes);
	room->unflushed = grid_alloc_named(bytes);
	room->by_error = grid_alloc_named(bytes);
	if (!room->missing || !room->marked || !room->unflushed ||
	    !room->by_error || grid_bits_init(&room->lost, blocks) ||
	    grid_bits_init(&room->open, blocks) ||
	    grid_bits_init(&room->taken, blocks) ||
	    grid_bits_init(&room->freed, blocks) ||
	    (meta && (grid_bits_init(&room->dropped, blocks) ||
		      grid_bits_init(&room->jumped, blocks))))
		return -ENOMEM;
	return 0;
}

static int grid_room_shape(struct grid_room *room, const struct grid *g,
			   struct grid_table *t, const char *name, char **error)
{
	int r = 0;

	room->detect_buf = vmalloc(t->geo.block_size);
	if (!room->detect_buf)
		return -ENOMEM;
	swap(room->hash, t->hash);
	room->gm = grid_missing_create(g->major, g->minor, name, &t->opt.limits,
				       &t->geo);
	if (IS_ERR(room->gm)) {
		r = PTR_ERR(room->gm);
		room->gm = NULL;
		*error = "can't create the tracker";
	}
	return r;
}

static struct grid_room *grid_room_new(const struct grid *g,
				       struct grid_table *t, unsigned int what,
				       const char *name, char **error)
{
	struct grid_room *room;
	int r;

	r = grid_check_memory(t, what, error);
	if (r)
		return ERR_PTR(r);
	*error = "out of memory";
	room = kzalloc(sizeof(*room), GFP_KERNEL);
	if (!room)
		return ERR_PTR(-ENOMEM);
	room->what = what;
	if (what & GRID_ROOM_MAPS)
		r = grid_room_maps(room, t->geo.blocks, t->meta_dev);
	if (!r && (what & GRID_ROOM_SHAPE))
		r = grid_room_shape(room, g, t, name, error);
	if (!r && (what & GRID_ROOM_LIMITS)) {
		room->faults = grid_missing_room_new(&t->opt.limits);
		if (IS_ERR(room->faults)) {
			r = PTR_ERR(room->faults);
			room->faults = NULL;
		}
	}
	if (r) {
		grid_room_free(room);
		return ERR_PTR(r);
	}
	return room;
}

/* What @g has goes to @room, and the other way round. */
static void grid_room_swap(struct grid *g, struct grid_room *room,
			   const struct grid_missing_geometry *geo)
{
	struct grid_missing *gm;

	if (room->what & GRID_ROOM_MAPS) {
		swap(g->missing, room->missing);
		swap(g->marked, room->marked);
		swap(g->unflushed, room->unflushed);
		swap(g->by_error, room->by_error);
		swap(g->open, room->open);
		swap(g->taken, room->taken);
		swap(g->freed, room->freed);
		swap(g->lost, room->lost);
		swap(g->dropped, room->dropped);
		swap(g->jumped, room->jumped);
	}
	if (room->what & GRID_ROOM_SHAPE) {
		swap(g->detect_buf, room->detect_buf);
		swap(g->hash, room->hash);
		gm = g->gm;
		WRITE_ONCE(g->gm, room->gm);
		room->gm = gm;
		g->block_sectors = geo->block_size >> SECTOR_SHIFT;
		g->block_shift = ilog2(g->block_sectors);
	}
	g->geo = *geo;
}

/**
 * grid_room_first - a grid that has nothing gets what its table wants
 * @g: new; nobody else knows it
 * @t: its first table, whose hash it gets
 * @name: of the device
 * @error: out: a sentence
 *
 * Return: 0, -ENOMEM, -EINVAL, or -EBUSY: another constructor of this device was
 * first.
 */
int grid_room_first(struct grid *g, struct grid_table *t, const char *name,
		    char **error)
{
	struct grid_room *room;
	int r;

	room = grid_room_new(g, t, GRID_ROOM_MAPS | GRID_ROOM_SHAPE, name,
			     error);
	if (IS_ERR(room))
		return PTR_ERR(room);
	r = grid_missing_add(room->gm);
	if (r == -EEXIST)
		r = -EBUSY;
	if (r)
		*error = "another table of it is being loaded";
	else
		grid_room_swap(g, room, &t->geo);
	grid_room_free(room);
	return r;
}

/**
 * grid_room_last - free all that grid_room_first() and later rooms brought
 * @g: nobody uses it any more; may have nothing
 */
void grid_room_last(struct grid *g)
{
	const struct grid_missing_geometry geo = g->geo;
	struct grid_room room = { .what = GRID_ROOM_MAPS | GRID_ROOM_SHAPE };

	grid_room_swap(g, &room, &geo);
	grid_room_exit(&room);
}

static bool grid_knows_nothing(struct grid *g)
{
	struct grid_missing_status st;
	unsigned long flags;
	bool nothing;

	grid_missing_get_status(g->gm, &st);
	grid_lock(g, &flags);
	nothing = !(st.waiting + st.writing + st.aborting + st.tables) &&
		  !(st.state & (GRID_MISSING_STATUS_CHECKPOINT |
				GRID_MISSING_STATUS_SYNC_JUMP)) &&
		  !g->open.count && !g->taken.count && !g->freed.count &&
		  !g->lost.count && g->discard_begin == g->discard_end &&
		  !g->barrier_running && !g->checkpoint_taken;
	grid_unlock(g, flags);
	return nothing;
}

/* What must change for @t to become live; -EBUSY when it can't. */
static int grid_room_need(struct grid *g, const struct grid_table *t,
			  unsigned int *what, char **error)
{
	const struct grid_missing_limits *l = grid_missing_limits(g->gm);
	bool moved = g->lower &&
		     (g->lower != t->dev->bdev->bd_dev || g->start != t->start);
	int r;

	*what = 0;
	if (t->geo.blocks != g->geo.blocks)
		*what |= GRID_ROOM_MAPS;
	if (t->geo.block_size != g->geo.block_size ||
	    strcmp(t->geo.checksum, g->geo.checksum))
		*what |= GRID_ROOM_SHAPE | GRID_ROOM_MAPS;
	if ((moved || (*what & GRID_ROOM_SHAPE) ||
	     t->geo.blocks < g->geo.blocks) &&
	    !grid_knows_nothing(g)) {
		*error =
			"blocks are missing or released: only length and maxima can change";
		return -EBUSY;
	}
	if ((*what & GRID_ROOM_SHAPE) ||
	    (l->blocks_max == t->opt.limits.blocks_max &&
	     l->tables_max == t->opt.limits.tables_max &&
	     l->table_values_max == t->opt.limits.table_values_max))
		return 0;
	*what |= GRID_ROOM_LIMITS;
	r = grid_missing_fits(g->gm, &t->opt.limits);
	if (r == -EBUSY)
		*error = "a maximum is below what is in use";
	else if (r == -EAGAIN)
		*error = "it is being suspended: try again";
	else if (r)
		*error = "impossible maxima";
	return r;
}

/**
 * grid_room_next - take the memory that another table needs
 * @g: the grid
 * @t: the table; its room is set, if it needs any
 * @name: of the device
 * @error: out: a sentence
 *
 * Context: may sleep; grid_list_lock held.
 * Return: 0, -EBUSY, -EAGAIN, -ENOMEM or -EINVAL.
 */
int grid_room_next(struct grid *g, struct grid_table *t, const char *name,
		   char **error)
{
	struct grid_room *room;
	unsigned int what;
	int r;

	r = grid_room_need(g, t, &what, error);
	if (r || !what)
		return r;
	room = grid_room_new(g, t, what, name, error);
	if (IS_ERR(room))
		return PTR_ERR(room);
	t->room = room;
	return 0;
}

static void grid_copy_bits(struct grid_bits *to, const struct grid_bits *from)
{
	u64 n;

	for (n = grid_bits_next(from, 0); n != U64_MAX;
	     n = grid_bits_next(from, n + 1)) {
		grid_bits_set(to, n);
		cond_resched();
	}
}

/* The room's maps become as @g's; it is longer. */
static void grid_copy_maps(const struct grid *g, struct grid_room *room)
{
	u64 bytes = grid_map_bytes(g->geo.blocks);

	memcpy(room->missing, g->missing, bytes);
	memcpy(room->marked, g->marked, bytes);
	/* Writers learn by it of what a sync jump took. */
	memcpy(room->unflushed, g->unflushed, bytes);
	memcpy(room->by_error, g->by_error, bytes);
	grid_copy_bits(&room->open, &g->open);
	grid_copy_bits(&room->taken, &g->taken);
	grid_copy_bits(&room->freed, &g->freed);
	grid_copy_bits(&room->lost, &g->lost);
	if (g->meta) {
		grid_copy_bits(&room->dropped, &g->dropped);
		grid_copy_bits(&room->jumped, &g->jumped);
	}
}

/* A new tracker takes the place of one that knows nothing. */
static int grid_room_replace(struct grid *g, struct grid_room *room)
{
	grid_missing_remove(g->gm);
	grid_missing_suspend(room->gm, true);
	return grid_missing_add(room->gm);
}

/**
 * grid_room_move - the grid becomes what a table wants
 * @t: the table, about to become live
 *
 * Context: preresume; with metadata, and for another length only, as long as its
 * device takes.
 * Return: 0, or nothing was changed: -EBUSY: what became known since the table was
 * loaded is in the way; -EIO: metadata has failed.
 */
int grid_room_move(struct grid_table *t)
{
	struct grid *g = t->grid;
	struct grid_missing *gm = g->gm;
	struct grid_room *room = t->room;
	unsigned long flags;
	unsigned int what;
	char *error = "";
	int r;

	r = grid_room_need(g, t, &what, &error);
	if (!r && what && (!room || room->what != what)) {
		r = -EBUSY;
		error = "the device has changed since this table was loaded";
	}
	if (!r) {
		error = "the metadata can't be told of the new length";
		r = grid_meta_grow(t);
	}
	if (r)
		goto err_say;
	if (what & GRID_ROOM_SHAPE) {
		r = grid_room_replace(g, room);
	} else if (what) {
		if ((what & GRID_ROOM_MAPS) && t->geo.blocks > g->geo.blocks)
			grid_copy_maps(g, room);
		r = grid_missing_move(gm, room->faults, t->geo.blocks);
	}
	if (r)
		goto err_say;

	grid_missing_lock(gm, &flags);
	if (what)
		grid_room_swap(g, room, &t->geo);
	g->lower = t->dev->bdev->bd_dev;
	g->start = t->start;
	grid_missing_unlock(gm, flags);
	if (what)
		DMINFO("%u:%u: %llu blocks of %u bytes, room for %u single faults",
		       g->major, g->minor, g->geo.blocks, g->geo.block_size,
		       t->opt.limits.blocks_max);
	return 0;

err_say:
	DMERR("%u:%u: not resumed: %s (%d)", g->major, g->minor, error, r);
	return r;
}
