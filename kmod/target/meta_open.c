// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: a grid gets to know its map from it, and that it is its own (M1,
 * M6).
 *
 * The first constructor of a grid loads; a reload shares what is in memory, and
 * has to name the same metadata.  Nothing is written here: the first commit of
 * a grid that has become live says that there is a new session.
 *
 * Refused, with a sentence that names the thing: metadata that is blank, damaged,
 * retired, of another uuid, block size, length, hash or place on the data device,
 * smaller than the maxima of the line, or that another grid uses.
 *
 * Locks: grid_list_lock is held by callers, but not of grid_meta_first(), which
 * waits for devices.
 */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uuid.h>
#include <linux/vmalloc.h>

#include "meta_io.h"

static int grid_meta_read(void *priv, u64 from, void *buf, u32 bytes)
{
	struct grid_meta *m = priv;

	/* A long log on a slow disk is no reason not to die. */
	if (fatal_signal_pending(current))
		return -EINTR;
	return grid_meta_rw(m->g, m->bdev, REQ_OP_READ,
			    m->start + (from >> SECTOR_SHIFT), buf, bytes);
}

/* Does what was loaded belong to this line?  Says what doesn't fit, but its length. */
static bool grid_meta_fits(const struct gmeta_super *sb,
			   const struct grid_table *t, const char **why)
{
	const struct grid_missing_limits *l = &t->opt.limits;

	if (memcmp(sb->uuid, t->opt.meta_uuid.b, sizeof(sb->uuid)))
		*why = "metadata: another uuid than the line's: is it another disk's?";
	else if (sb->state != GRID_META_ACTIVE)
		*why = "metadata: retired: its map was given up";
	else if (sb->block_size != t->geo.block_size)
		*why = "metadata: of another block size";
	else if (strcmp(sb->hash, t->opt.checksum))
		*why = "metadata: of another checksum";
	else if (sb->data_start != t->start)
		*why = "metadata: of another offset on the data device";
	else if (sb->ro_compat & ~GRID_META_RO_COMPAT_KNOWN)
		*why = "metadata: of a newer module";
	else if (l->blocks_max > sb->blocks_max ||
		 l->tables_max > sb->tables_max ||
		 l->table_values_max > sb->table_values_max)
		*why = "metadata: has less room than the line's maxima";
	else
		return true;
	return false;
}

/* Do these two ranges, of disks or partitions, meet? */
static bool grid_ranges_meet(struct block_device *a, sector_t a_start,
			     sector_t a_len, struct block_device *b,
			     sector_t b_start, sector_t b_len)
{
	a_start += get_start_sect(a);
	b_start += get_start_sect(b);
	return a->bd_disk == b->bd_disk && a_start < b_start + b_len &&
	       b_start < a_start + a_len;
}

/* Do these two tables' data meet? */
static bool grid_data_meet(const struct grid_table *a,
			   const struct grid_table *b)
{
	return grid_ranges_meet(a->dev->bdev, a->start, a->ti->len,
				b->dev->bdev, b->start, b->ti->len);
}

/* Does the data of @t lie where @m keeps its map? */
static bool grid_data_meets_map(const struct grid_table *t,
				const struct grid_meta *m)
{
	return grid_ranges_meet(t->dev->bdev, t->start, t->ti->len, m->bdev,
				m->start, m->sectors);
}

/**
 * grid_meta_overlap - does another grid use what a table is to use (M6)
 * @g: the table's grid
 * @t: the table
 * @other: one of another grid
 *
 * Where either has a map, neither may lie where the other's does, nor where its data
 * are; and their data are not the same: what one writes, the other's map doesn't know.
 * Of a map that was not loaded yet only the begin is known.
 */
bool grid_meta_overlap(const struct grid *g, const struct grid_table *t,
		       const struct grid_table *other)
{
	const struct grid_meta *o = other->grid->meta, *m = g->meta;
	struct block_device *bdev = t->meta_dev ? t->meta_dev->bdev : NULL;
	sector_t start = t->opt.meta_start, sectors = m ? m->sectors : 1;

	if ((bdev || o) && grid_data_meet(t, other))
		return true;
	if (o && grid_data_meets_map(t, o))
		return true;
	if (!bdev)
		return false;
	if (o && grid_ranges_meet(bdev, start, sectors, o->bdev, o->start,
				  o->sectors))
		return true;
	return grid_ranges_meet(bdev, start, sectors, other->dev->bdev,
				other->start, other->ti->len);
}

static int grid_meta_restore_tables(struct grid *g, const struct gmeta_map *map)
{
	static const u8 states[] = {
		[GRID_META_INDEXING - GRID_META_INDEXING] =
			GRID_MISSING_TABLE_INDEXING,
		[GRID_META_FILLING - GRID_META_INDEXING] =
			GRID_MISSING_TABLE_FILLING,
		[GRID_META_DONE - GRID_META_INDEXING] = GRID_MISSING_TABLE_DONE,
		[GRID_META_CANCELLED - GRID_META_INDEXING] =
			GRID_MISSING_TABLE_CANCELLED,
	};
	struct grid_missing_record_table r;
	u32 s, used = map->tables_max;
	int e = 0;

	while (used && !map->tables[used - 1].kind)
		used--;
	for (s = 0; !e && s < used; s++) {
		const struct gmeta_table *t = &map->tables[s];

		memset(&r, 0, sizeof(r));
		if (t->kind) {
			r.address = t->address;
			r.values = t->values;
			r.state = states[t->kind - GRID_META_INDEXING];
			r.has_sum = t->has_sum;
			r.lost = t->lost;
			memcpy(r.sum.bytes, t->sum, sizeof(r.sum.bytes));
		}
		e = grid_missing_restore_table(g->gm, s, &r);
		cond_resched();
	}
	return e;
}

static int grid_meta_restore_fault(struct grid *g, const struct gmeta_fault *f)
{
	struct grid_missing_record r = {
		.kind = f->kind == GRID_META_BLOCK ? GRID_MISSING_RECORD_BLOCK :
			f->kind == GRID_META_INDEX ? GRID_MISSING_RECORD_INDEX :
						     GRID_MISSING_RECORD_VALUE,
		.address = f->address,
		.table = f->table,
		.value = f->value,
		.has_sum = f->has_sum,
	};
	int e;

	memcpy(r.sum.bytes, f->sum, sizeof(r.sum.bytes));
	e = grid_missing_restore(g->gm, &r);
	if (!e)
		g->faults++;
	return e;
}

/*
 * What was loaded is what is missing; blocks last.  Those that find no slot, though
 * the line has the metadata's maxima, were lost (ends.c), and are so again.  Nobody
 * sees the grid yet.
 */
static int grid_meta_restore(struct grid *g, const struct gmeta_loaded *l)
{
	const struct gmeta_map *map = &l->map;
	const struct grid_missing_limits *limits = grid_missing_limits(g->gm);
	bool all = limits->blocks_max >= l->super.blocks_max &&
		   limits->tables_max >= l->super.tables_max &&
		   limits->table_values_max >= l->super.table_values_max;
	u64 i, n = 2 * map->cells;
	int e;

	e = grid_meta_restore_tables(g, map);
	for (i = 0; !e && i < n; i++) {
		bool blocks = i >= map->cells;
		const struct gmeta_fault *f =
			&map->faults[blocks ? i - map->cells : i];

		if (!(i % 1024))
			cond_resched();
		if (!f->kind || (f->kind == GRID_META_BLOCK) != blocks)
			continue;
		e = grid_meta_restore_fault(g, f);
		if (e == -ENOSPC && blocks && all) {
			grid_bits_set(&g->lost, f->address);
			e = 0;
		}
		set_bit(f->address, g->missing);
	}
	return e;
}

/* Is there memory for what its superblock asks for?  The line has no say in these. */
static bool grid_meta_affordable(const struct gmeta_super *sb)
{
	u64 bytes = 4ULL * sb->commit_max +
		    (u64)sb->tables_max * sizeof(struct gmeta_table);

	return bytes <= ((u64)totalram_pages() << PAGE_SHIFT) / 2;
}

/*
 * How large the map may get while it is loaded, whatever the image says: what there is
 * memory for; but what the line's maxima come to in any case (D9 has looked at these).
 */
static u64 grid_meta_cells_max(const struct grid_missing_limits *l)
{
	u64 have = ((u64)totalram_pages() << PAGE_SHIFT) / 4 /
		   sizeof(struct gmeta_fault);
	u64 records = l->blocks_max + GMETA_RESERVE +
		      (u64)l->tables_max * l->table_values_max;

	/* It grows when it is full by three quarters. */
	return max(have, 2ULL << fls64(records / 3 * 4));
}

static void grid_meta_free(struct grid_meta *m)
{
	grid_meta_stop(m);
	gmeta_log_exit(&m->log);
	kvfree(m);
}

static int grid_meta_load(struct grid_meta *m, const struct grid_table *t,
			  struct gmeta_loaded *l, char **error)
{
	const struct gmeta_device dev = {
		.read = grid_meta_read,
		.priv = m,
		.bytes = (bdev_nr_sectors(m->bdev) - m->start) << SECTOR_SHIFT,
		.cells_max = grid_meta_cells_max(&t->opt.limits),
		.seed = get_random_u64(),
	};
	const char *why = "metadata: can't be used: see the kernel's log";
	struct grid *g = m->g;
	int r;

	/*
	 * What a crash has left in the caches only may be read now, and lost later,
	 * with what follows it already on disk (M1).
	 */
	strscpy(l->why, "can't flush it, or the data device", sizeof(l->why));
	r = blkdev_issue_flush(t->dev->bdev) ?: blkdev_issue_flush(m->bdev);
	if (r)
		goto err_say;
	r = gmeta_load_super(&dev, l);
	if (r)
		goto err_say;
	r = -EINVAL;
	if (!grid_meta_fits(&l->super, t, &why))
		goto err_why;
	if (!grid_meta_affordable(&l->super)) {
		r = -ENOMEM;
		why = "metadata: longer commits, or more tables, than memory can hold";
		goto err_why;
	}
	if (l->super.blocks != t->geo.blocks) {
		why = "metadata: of another length: create it with that one, then resize it";
		goto err_why;
	}
	r = gmeta_load_map(&dev, l);
	if (r)
		goto err_say;
	r = grid_meta_restore(g, l);
	if (r) {
		strscpy(l->why, "more is missing than the line's maxima",
			sizeof(l->why));
		goto err_say;
	}
	m->sectors = (sector_t)l->super.area_units *
		     (l->super.unit_size >> SECTOR_SHIFT);
	return 0;

err_say:
	if (r == -EINTR)
		strscpy(l->why, "interrupted", sizeof(l->why));
	DMERR("%u:%u: metadata on %pg: %s (%d)", g->major, g->minor, m->bdev,
	      l->why, r);
err_why:
	*error = (char *)why;
	return r;
}

/**
 * grid_meta_first - a new grid loads its map, if its line has metadata
 * @g: new; it has a tracker and bitmaps, and nothing is bound
 * @t: its first table
 * @error: out: a sentence
 *
 * Context: a constructor.
 * Return: 0; -ENODATA, -EUCLEAN, -EOPNOTSUPP, -ENOSPC as gmeta_load(); -EINVAL:
 * it doesn't fit; -EIO; -ENOMEM.
 */
int grid_meta_first(struct grid *g, const struct grid_table *t, char **error)
{
	struct gmeta_loaded *l;
	struct grid_meta *m;
	char name[32];
	int r = -ENOMEM;

	if (!t->meta_dev)
		return 0;
	m = kvzalloc(sizeof(*m), GFP_KERNEL);
	l = kvzalloc(sizeof(*l), GFP_KERNEL);
	if (!m || !l)
		goto err_free;
	m->g = g;
	m->bdev = t->meta_dev->bdev;
	m->start = t->opt.meta_start;
	m->write_done = grid_write_done;
	r = -EINVAL;
	if (m->start >= bdev_nr_sectors(m->bdev)) {
		*error =
			"metadata_start is beyond the end of the metadata device";
		goto err_free;
	}
	r = grid_meta_load(m, t, l, error);
	if (r)
		goto err_unload;
	r = -EINVAL;
	if (grid_data_meets_map(t, m)) {
		*error = "metadata: lies where the data does";
		goto err_unload;
	}
	*error = "out of memory";
	r = gmeta_log_init(&m->log, l);
	if (r)
		goto err_unload;
	snprintf(name, sizeof(name), "grid_meta_%u_%u", g->major, g->minor);
	r = grid_meta_start(m, name);
	if (r) {
		gmeta_log_exit(&m->log);
		goto err_unload;
	}
	DMINFO("%u:%u: %llu blocks are missing, says the metadata on %pg",
	       g->major, g->minor, g->faults, m->bdev);
	g->meta = m;
	gmeta_unload(l);
	kvfree(l);
	return 0;

err_unload:
	gmeta_unload(l);
err_free:
	kvfree(l);
	kvfree(m);
	return r;
}

/**
 * grid_meta_last - the grid is gone; may sleep
 * @g: the grid
 */
void grid_meta_last(struct grid *g)
{
	if (g->meta)
		grid_meta_free(g->meta);
	g->meta = NULL;
}

/* May the grid get longer?  @sb is what its superblocks say. */
static int grid_meta_may_grow(const struct grid_meta *m,
			      const struct grid_table *t,
			      struct gmeta_super *sb, char **error)
{
	int r;

	*error = "metadata: lies where the data would";
	if (grid_data_meets_map(t, m))
		return -EINVAL;
	sb->blocks = t->geo.blocks;
	sb->data_sectors = bdev_nr_sectors(t->dev->bdev);
	r = gmeta_super_check(sb, NULL);
	*error =
		"metadata: has no room for so many blocks: when nothing is missing, format it anew";
	return r ? -ENOSPC : 0;
}

/**
 * grid_meta_next - may another table be loaded, as to its metadata
 * @g: the grid
 * @t: the table
 * @error: out: a sentence
 *
 * Return: 0, -EINVAL, -ENOSPC or -ENOMEM.
 */
int grid_meta_next(struct grid *g, const struct grid_table *t, char **error)
{
	const struct grid_meta *m = g->meta;
	struct gmeta_super *sb;
	unsigned long flags;
	const char *why;
	int r = -EINVAL;

	if (!m && !t->meta_dev)
		return 0;
	if (!m || !t->meta_dev || m->bdev != t->meta_dev->bdev ||
	    m->start != t->opt.meta_start) {
		*error =
			"metadata can't change by a reload: save, remove, create it anew, load";
		return -EINVAL;
	}
	*error = "out of memory";
	sb = kmalloc(sizeof(*sb), GFP_KERNEL);
	if (!sb)
		return -ENOMEM;
	grid_lock(g, &flags);
	*sb = m->log.sb;
	grid_unlock(g, flags);
	if (!grid_meta_fits(sb, t, &why)) {
		*error = (char *)why;
	} else if (t->geo.blocks > g->geo.blocks) {
		r = grid_meta_may_grow(m, t, sb, error);
	} else if (t->geo.blocks == g->geo.blocks) {
		r = 0;
	} else {
		*error =
			"metadata: of a longer device: when nothing is missing, format it anew";
	}
	kfree(sb);
	return r;
}
