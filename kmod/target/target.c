// SPDX-License-Identifier: GPL-2.0
/*
 * The device-mapper target `grid`: construction, status, messages, suspend
 * and resume.  grid.h tells where the rest lives, and the
 * lock order.
 *
 *   <start> <len> grid <device> <offset> <block_sectors> [<#args> key:value ...]
 *
 * A struct grid is found by the number of the mapped device, so a second table
 * for the same device finds the tracker of the first (D9).  While both exist,
 * grid->live is the one that I/O goes through; preresume switches it.
 *
 * Neither prepare_ioctl nor DAX, PASSES_INTEGRITY or PASSES_CRYPTO: they would
 * go round map() (D1).
 */
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

#include "grid.h"
#include "compat.h"

static LIST_HEAD(grid_list);
static DEFINE_MUTEX(grid_list_lock);

/*
 * What the tracker asks of us
 */

/*
 * Is it a barrier that takes the fault, itself or with its table (M2)?  Not a
 * cancel beside it: that says that the block is good.  The lock is held.
 */
static bool __grid_is_dropped(const struct grid *g, u8 why)
{
	return g->meta && g->barrier_freeing && why == GRID_MISSING_WHY_FREED;
}

/*
 * A fault changed.  The lock is held.  The bit in grid->missing is set before
 * the enqueue returns, which is what D1 needs, and cleared only when the fault
 * is gone and detection has not closed the block; and if a barrier took it,
 * when that is committed (M2).
 */
static void grid_change(void *priv, u64 b, u8 from, u8 to, u8 why)
{
	struct grid *g = priv;

	if (b >= g->geo.blocks)
		return;
	if (from != to) {
		g->aborting += to == GRID_MISSING_STATE_ABORTING;
		g->aborting -= from == GRID_MISSING_STATE_ABORTING;
		if (from == GRID_MISSING_STATE_ABORTING && !g->aborting)
			wake_up_all(&g->barrier_wait);
	}

	/* It may come beside one that a jump has set aside. */
	if (from == GRID_MISSING_STATE_GONE || why == GRID_MISSING_WHY_ENQUEUED)
		__grid_end_forget(g, b);
	if (from == GRID_MISSING_STATE_GONE) {
		set_bit(b, g->missing);
		grid_bits_clear(&g->dropped, b);
		grid_bits_clear(&g->lost, b);
		grid_bits_clear(&g->jumped, b);
		if (!g->faults++)
			queue_work(g->wq, &g->event_work);
	} else if (to == GRID_MISSING_STATE_GONE) {
		if (why == GRID_MISSING_WHY_JUMPED)
			__grid_jump_took(g, b);
		if (__grid_is_dropped(g, why))
			grid_bits_set(&g->dropped, b);
		else if (!__grid_closed(g, b))
			clear_bit(b, g->missing);
		if (!--g->faults)
			queue_work(g->wq, &g->event_work);
		if (__test_and_clear_bit(b, g->by_error))
			g->by_error_count--;
		__grid_wake(g, b, why == GRID_MISSING_WHY_FREED);
		if (g->lost.count)
			queue_work(g->wq, &g->lost_work);
	} else if (to == GRID_MISSING_STATE_WAITING &&
		   (from != to || why == GRID_MISSING_WHY_UNAVAILABLE ||
		    why == GRID_MISSING_WHY_TIMED_OUT ||
		    why == GRID_MISSING_WHY_CANCELLED ||
		    why == GRID_MISSING_WHY_SUPERSEDED ||
		    why == GRID_MISSING_WHY_JUMPED)) {
		/* Of the last three: another one is missing there, as it stands. */
		__grid_wake(g, b, false);
	}
}

static void grid_helpers(void *priv, u32 n)
{
	struct grid *g = priv;
	unsigned long flags;

	grid_lock(g, &flags);
	if (g->helpers && !n)
		g->helpers_gone_at = jiffies;
	g->helpers = n;
	__grid_rearm(g);
	grid_unlock(g, flags);
}

static int grid_ready(void *priv)
{
	struct grid *g = priv;
	unsigned long flags;
	int r = 0;

	grid_lock(g, &flags);
	if (grid_is_held(g)) {
		__grid_gate(g, GRID_GATE_HELD, false);
		schedule_work(&g->ready_work);
	} else {
		r = -EINVAL;
	}
	grid_unlock(g, flags);
	if (!r)
		grid_wake_held(g);
	return r;
}

/* May block @b be enqueued?  Tables have room of their own.  The lock is held. */
static int grid_enqueue_ok(void *priv, u64 b, enum grid_missing_as as)
{
	struct grid *g = priv;

	if (b >= g->geo.blocks)
		return -ERANGE;
	if (__grid_is_freed(g, b))
		return -EBUSY;
	return as == GRID_MISSING_AS_VALUE ? 0 : __grid_map_room(g, b, as);
}

static void grid_get_status(void *priv, struct grid_missing_status *st)
{
	struct grid *g = priv;
	unsigned long flags;

	grid_lock(g, &flags);
	st->parked = g->parked - g->deciding;
	st->oldest_waiting_ms = __grid_oldest_ms(g);
	st->timeouts = g->timeouts;
	st->detected = g->detected;
	st->lost_full = g->lost_full;
	st->passed_up = g->passed_up;
	st->passed_up_medium = g->passed_up_medium;
	st->passed_up_io = g->passed_up_io;
	st->passed_up_block = g->passed_up_blocks[0];
	memcpy(st->passed_up_blocks, g->passed_up_blocks,
	       sizeof(st->passed_up_blocks));
	st->passed_up_count = g->passed_up_count;
	st->lost = g->lost.count;
	st->checkpoints = g->checkpoints;
	st->released = g->open.count + g->taken.count;
	st->discarding = g->freed.count + g->discard_end - g->discard_begin;
	st->checkpoint_taken = g->checkpoint_taken ? g->checkpoint_id : 0;
	if (g->suspending)
		st->state |= GRID_MISSING_STATUS_SUSPENDED;
	if (grid_is_held(g))
		st->state |= GRID_MISSING_STATUS_HELD;
	if (g->meta)
		st->state |= GRID_MISSING_STATUS_METADATA;
	if (__grid_meta_failed(g))
		st->state |= GRID_MISSING_STATUS_METADATA_FAILED;
	grid_unlock(g, flags);
}

/* What a target does that keeps its map; without metadata nobody is told. */
#define GRID_OPS                                                               \
	.change = grid_change, .helpers = grid_helpers, .repair = grid_repair, \
	.take = grid_take, .durable = grid_durable, .revert = grid_revert,     \
	.ready = grid_ready, .enqueue_ok = grid_enqueue_ok,                    \
	.list_released = grid_list_released, .release = grid_release,          \
	.cancel = grid_cancel_lost, .status = grid_get_status

static const struct grid_missing_ops grid_ops = { GRID_OPS };

static const struct grid_missing_ops grid_meta_ops = {
	GRID_OPS,
	.record = __grid_meta_record,
	.record_table = __grid_meta_record_table,
	.room = grid_meta_room,
	.room_done = grid_meta_room_done,
	.jump_over = grid_jump_over,
	.ticket = grid_meta_ticket,
};

static void grid_event_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, event_work);
	struct grid_table *t = READ_ONCE(g->live);

	if (t)
		dm_table_event(t->ti->table);
}

/*
 * What udev left alone because it was held can be looked at now.  Whoever holds
 * the mutex of uevents may be waiting for I/O of this device, so nobody waits
 * for this who holds anything that a suspend wants.
 */
static void grid_ready_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, ready_work);
	struct grid_table *t = READ_ONCE(g->live);
	struct mapped_device *md;
	unsigned int noio;

	if (!t)
		return;
	md = dm_table_get_md(t->ti->table);
	noio = memalloc_noio_save();
	kobject_uevent(&disk_to_dev(dm_disk(md))->kobj, KOBJ_CHANGE);
	memalloc_noio_restore(noio);
}

/* Between two tries of a cancel that something else is in the way of. */
#define GRID_CANCEL_PAUSE_MS 20
#define GRID_CANCEL_TRIES (2 * HZ)

static void grid_cancel_worker(struct work_struct *work)
{
	struct grid *g = container_of(work, struct grid, cancel_work);
	unsigned long end = jiffies + GRID_CANCEL_TRIES;
	int r;

	/* What is being carried out ends; but much later nobody means it any more. */
	while ((r = grid_missing_cancel_all(g->gm)) == -EBUSY &&
	       time_before(jiffies, end))
		msleep(GRID_CANCEL_PAUSE_MS);
	if (r)
		DMWARN("%u:%u: cancel all: suspended, or busy, try again (%d)",
		       g->major, g->minor, r);
}

/*
 * Construction
 */

static void grid_free(struct grid *g)
{
	if (g->wq_io) {
		cancel_delayed_work_sync(&g->tick_work);
		destroy_workqueue(g->wq_io);
	}
	if (g->wq_go)
		destroy_workqueue(g->wq_go);
	if (g->wq)
		destroy_workqueue(g->wq);
	grid_meta_last(g);
	grid_room_last(g);
	if (g->epochs)
		grid_epoch_exit(g);
	bioset_exit(&g->bios);
	kvfree(g);
}

/* It is in no list, and was announced. */
static void grid_forget(struct grid *g)
{
	grid_missing_remove(g->gm);
	grid_free(g);
}

static struct grid *grid_new(struct grid_table *t, unsigned int major,
			     unsigned int minor, const char *name, char **error)
{
	struct grid *g;
	int r;

	*error = "out of memory";
	g = kvzalloc(sizeof(*g), GFP_KERNEL);
	if (!g)
		return ERR_PTR(-ENOMEM);
	g->major = major;
	g->minor = minor;
	g->gate = t->opt.start_held ? GRID_GATE_HELD : 0;
	INIT_LIST_HEAD(&g->tables);
	grid_park_init(g);
	grid_again_init(g);
	grid_barrier_init(g);
	grid_discard_init(g);
	grid_lost_init(g);
	grid_flush_init(g);
	grid_ends_init(g);
	grid_detect_init(g);
	INIT_WORK(&g->event_work, grid_event_worker);
	INIT_WORK(&g->ready_work, grid_ready_worker);
	INIT_WORK(&g->cancel_work, grid_cancel_worker);
	r = bioset_init(&g->bios, GRID_POOL_SIZE,
			offsetof(struct grid_bio, bio), BIOSET_NEED_BVECS);
	if (!r)
		r = grid_epoch_init(g);
	if (r)
		goto err_free;
	r = -ENOMEM;
	g->wq_io = alloc_workqueue("grid_io_%u_%u",
				   WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_PERCPU, 0,
				   major, minor);
	g->wq_go = alloc_workqueue("grid_go_%u_%u",
				   WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_PERCPU, 0,
				   major, minor);
	g->wq = alloc_workqueue("grid_%u_%u", WQ_MEM_RECLAIM | WQ_UNBOUND, 0,
				major, minor);
	if (!g->wq_io || !g->wq_go || !g->wq)
		goto err_free;
	r = grid_room_first(g, t, name, error);
	if (r)
		goto err_forget;
	return g;

err_forget:
	if (g->gm)
		grid_missing_remove(g->gm);

err_free:
	grid_free(g);
	return ERR_PTR(r);
}

/*
 * Loads of maps
 *
 * A load takes as long as its devices do, and so holds up no other grid (D3): the
 * list's lock is given away meanwhile.  Constructors whose disks it uses wait for it,
 * or they would not know of each other what is used (M6); and who lives on what a load
 * is about to read is met before, not after, which might be gone by then.
 */

static u32 grid_loads; /* grid_list_lock: loads that have ended */
static DECLARE_WAIT_QUEUE_HEAD(grid_loaded);

static bool grid_is_disk_of(const struct dm_dev *dev,
			    const struct grid_table *t)
{
	return dev && (dev->bdev->bd_disk == t->dev->bdev->bd_disk ||
		       (t->meta_dev &&
			dev->bdev->bd_disk == t->meta_dev->bdev->bd_disk));
}

/* Take the list's lock when nobody loads from a disk of @t's.  0, -EINTR. */
static int grid_list_get(const struct grid_table *t, char **error)
{
	const struct grid *g;
	bool found;
	u32 seen;

	for (;;) {
		found = false;
		mutex_lock(&grid_list_lock);
		list_for_each_entry(g, &grid_list, list)
			found |= g->loading &&
				 (grid_is_disk_of(t->dev, g->loading) ||
				  grid_is_disk_of(t->meta_dev, g->loading));
		if (!found)
			return 0;
		seen = grid_loads;
		mutex_unlock(&grid_list_lock);
		if (wait_event_interruptible(grid_loaded,
					     READ_ONCE(grid_loads) != seen)) {
			*error =
				"interrupted while a map is loaded from its disk";
			return -EINTR;
		}
	}
}

/* Does what this table uses belong to another grid (M6)?  grid_list_lock is held. */
static int grid_overlaps(const struct grid *g, const struct grid_table *t,
			 char **error)
{
	const struct grid_table *other;
	const struct grid *o;

	/* One that is loading has other disks, and no table yet. */
	list_for_each_entry(o, &grid_list, list) {
		if (o == g)
			continue;
		/* Also those that are loaded, and not live yet or no more. */
		list_for_each_entry(other, &o->tables, node)
			if (grid_meta_overlap(g, t, other))
				goto found;
	}
	return 0;

found:
	DMERR("%u:%u keeps its map or its data there", o->major, o->minor);
	*error = "metadata: another grid uses it";
	return -EBUSY;
}

/* A new grid is in the list: it gets its map.  On failure it is gone. */
static int grid_load(struct grid *g, const struct grid_table *t, char **error)
	__must_hold(&grid_list_lock)
{
	int r;

	/* By where its map begins; its end is known only then. */
	r = grid_overlaps(g, t, error);
	if (r)
		goto err_forget;
	g->loading = t;
	mutex_unlock(&grid_list_lock);
	r = grid_meta_first(g, t, error);
	mutex_lock(&grid_list_lock);
	g->loading = NULL;
	WRITE_ONCE(grid_loads, grid_loads + 1);
	wake_up_all(&grid_loaded);
	if (!r)
		r = grid_overlaps(g, t, error);
	if (!r)
		return 0;

err_forget:
	list_del(&g->list);
	grid_forget(g);
	return r;
}

static struct grid *grid_find(dev_t devt)
{
	struct grid *g;

	list_for_each_entry(g, &grid_list, list)
		if (g->major == MAJOR(devt) && g->minor == MINOR(devt))
			return g;
	return NULL;
}

/*
 * It is in the list: may it have another table, and is there memory for that?  Memory is
 * taken without waiting for I/O: that may be a suspended grid's, this one's too, and
 * whoever is about to resume it may wait for grid_list_lock (D3).
 */
static int grid_next_table(struct grid *g, struct grid_table *t,
			   const char *name, char **error)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	/* It has neither map nor table, and may get none. */
	*error = "another table of it is being loaded";
	r = g->loading ? -EBUSY : grid_meta_next(g, t, error);
	if (!r)
		r = grid_overlaps(g, t, error);
	if (!r)
		r = grid_room_next(g, t, name, error);
	memalloc_noio_restore(noio);
	return r;
}

/* A new grid comes into the list.  On failure it is gone, and the lock not held. */
static int grid_list_add(struct grid *g, struct grid_table *t, char **error)
{
	int r;

	r = grid_list_get(t, error);
	if (r) {
		grid_forget(g);
		return r;
	}
	/* What is known is of these data. */
	g->lower = t->dev->bdev->bd_dev;
	g->start = t->start;
	list_add_tail(&g->list, &grid_list);
	r = grid_load(g, t, error);
	if (r)
		mutex_unlock(&grid_list_lock);
	return r;
}

/*
 * The grid of the mapped device, with room for what this table wants (D9).
 */
static struct grid *grid_get(struct dm_target *ti, struct grid_table *t)
{
	struct mapped_device *md = dm_table_get_md(ti->table);
	dev_t devt = disk_devt(dm_disk(md));
	char name[DM_NAME_LEN] = "";
	struct grid *g;
	int r;

	/* Only for people to read; a rename later does not reach it. */
	dm_copy_name_and_uuid(md, name, NULL);
	r = grid_list_get(t, &ti->error);
	if (r)
		return ERR_PTR(r);
	g = grid_find(devt);
	if (g) {
		r = grid_next_table(g, t, name, &ti->error);
		if (r)
			mutex_unlock(&grid_list_lock);
	} else {
		/*
		 * Without the lock: kthreadd makes the threads of its queues, and may
		 * wait for any disk.  Of two that are new the later finds a tracker.
		 */
		mutex_unlock(&grid_list_lock);
		g = grid_new(t, MAJOR(devt), MINOR(devt), name, &ti->error);
		if (IS_ERR(g))
			return g;
		r = grid_list_add(g, t, &ti->error);
	}
	if (r)
		return ERR_PTR(r);
	g->refs++;
	t->grid = g;
	list_add(&t->node, &g->tables);
	mutex_unlock(&grid_list_lock);
	return g;
}

static void grid_put(struct grid *g, struct grid_table *t)
{
	unsigned long flags;
	bool last;

	grid_lock(g, &flags);
	if (g->live == t)
		g->live = NULL;
	grid_unlock(g, flags);

	mutex_lock(&grid_list_lock);
	list_del(&t->node);
	last = !--g->refs;
	if (last) {
		list_del(&g->list);
		/* Nobody will know any more that they are bad (D11). */
		if (g->faults && !g->meta)
			DMWARN("%u:%u: removed while %llu blocks are missing: below they still hold what was wrong",
			       g->major, g->minor, g->faults);
		/* Before another constructor adds one for the same device. */
		grid_missing_unbind(g->gm, g);
		grid_missing_remove(g->gm);
	}
	mutex_unlock(&grid_list_lock);
	/* No event of ours may look at the table when it is gone. */
	flush_work(&g->event_work);
	flush_work(&g->ready_work);
	if (last) {
		cancel_work_sync(&g->event_work);
		cancel_work_sync(&g->ready_work);
		cancel_work_sync(&g->cancel_work);
		grid_free(g);
	}
}

/*
 * Open a device of a table.  Also that of a read-only one is written to: repairs, and
 * the map.
 */
static int grid_open_one(struct dm_target *ti, const char *path,
			 const char *what, char *error, struct dm_dev **out)
{
	int r;

	ti->error = error;
	r = dm_get_device(ti, path,
			  dm_table_get_mode(ti->table) | GRID_OPEN_WRITE, out);
	if (!r && bdev_read_only((*out)->bdev)) {
		dm_put_device(ti, *out);
		r = -EROFS;
	}
	if (r)
		DMERR("can't open the %s device \"%s\" (%d)", what, path, r);
	return r;
}

static int grid_open(struct dm_target *ti, struct grid_table *t,
		     const char *path)
{
	sector_t size;
	int r;

	r = grid_open_one(ti, path, "lower", "can't open the lower device",
			  &t->dev);
	if (r)
		return r;
	r = -EINVAL;
	if (bdev_is_zoned(t->dev->bdev)) {
		ti->error = "zoned devices are not supported";
		goto err_device;
	}
	size = bdev_nr_sectors(t->dev->bdev);
	if (t->start > size || ti->len > size - t->start) {
		DMERR("%s has %llu sectors, fewer than offset %llu + length %llu",
		      path, (u64)size, (u64)t->start, (u64)ti->len);
		ti->error = "the lower device is too small";
		goto err_device;
	}
	if (t->block_sectors << SECTOR_SHIFT <
	    bdev_logical_block_size(t->dev->bdev)) {
		ti->error =
			"the block is smaller than a sector of the lower device";
		goto err_device;
	}
	if (!t->opt.meta_path)
		return 0;
	r = grid_open_one(ti, t->opt.meta_path, "metadata",
			  "can't open the metadata device", &t->meta_dev);
	if (r) {
		t->meta_dev = NULL;
		goto err_device;
	}
	return 0;

err_device:
	dm_put_device(ti, t->dev);
	return r;
}

static void grid_shut(struct dm_target *ti, struct grid_table *t)
{
	if (t->meta_dev)
		dm_put_device(ti, t->meta_dev);
	dm_put_device(ti, t->dev);
}

static int grid_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct grid_table *t;
	struct grid *g;
	int r;

	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	t->ti = ti;
	r = grid_parse(ti, t, argc, argv);
	if (r)
		goto err_free;
	r = grid_open(ti, t, argv[0]);
	if (r)
		goto err_free;
	t->geo.blocks = ti->len >> ilog2(t->block_sectors);
	t->geo.block_size = t->block_sectors << SECTOR_SHIFT;
	if (strcmp(t->opt.checksum, "none"))
		strscpy(t->geo.checksum, t->opt.checksum,
			sizeof(t->geo.checksum));
	/* Before any lock: it may have modprobe run, for as long as that takes. */
	r = grid_hash_init(&t->hash, t->opt.checksum, &ti->error);
	if (r)
		goto err_devices;
	g = grid_get(ti, t);
	/* A grid that has one needs no other. */
	if (t->hash)
		crypto_free_shash(t->hash);
	t->hash = NULL;
	if (IS_ERR(g)) {
		r = PTR_ERR(g);
		goto err_devices;
	}

	ti->private = t;
	ti->per_io_data_size = sizeof(struct grid_io);
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = 1;
	ti->discards_supported = true;
	return 0;

err_devices:
	grid_shut(ti, t);
err_free:
	kfree(t->opt.meta_path);
	kfree(t);
	return r;
}

static void grid_dtr(struct dm_target *ti)
{
	struct grid_table *t = ti->private;

	grid_put(t->grid, t);
	grid_room_free(t->room);
	grid_shut(ti, t);
	kfree(t->opt.meta_path);
	kfree(t);
}

/*
 * Suspend and resume (D3)
 *
 * Presuspend comes before dm stops new I/O.  Under noflush, what is parked or
 * would park from then on goes back to dm; otherwise parking and repairing go
 * on, every deadline capped.  When postsuspend comes, dm has seen all its bios
 * end; what it does not know of, repairs, discards, barriers, is drained there.
 */

static void grid_presuspend(struct dm_target *ti)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	unsigned long flags;

	grid_lock(g, &flags);
	g->suspending = true;
	g->suspend_at = jiffies;
	if (!dm_noflush_suspending(ti))
		__grid_rearm(g);
	grid_unlock(g, flags);
	if (dm_noflush_suspending(ti))
		grid_requeue_all(g);
}

static void grid_presuspend_undo(struct dm_target *ti)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	unsigned long flags;

	grid_lock(g, &flags);
	g->suspending = false;
	__grid_rearm(g);
	grid_unlock(g, flags);
}

static void grid_postsuspend(struct dm_target *ti)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	unsigned long flags;

	grid_missing_suspend(g->gm, true);
	grid_lock(g, &flags);
	g->stopped = true;
	grid_unlock(g, flags);
	flush_work(&g->cancel_work);
	flush_work(&g->barrier_work);
	flush_work(&g->discard_work);
	flush_work(&g->detect_work);
	flush_work(&g->lost_work);
	cancel_delayed_work_sync(&g->tick_work);
	flush_work(&g->end_work);
	flush_work(&g->wake_work);
	flush_work(&g->go_work);
	grid_meta_rest(g);
}

static int grid_preresume(struct dm_target *ti)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	unsigned long flags;
	int r;

	r = grid_room_move(t);
	if (r)
		return r;
	if (!t->opt.explicit_checkpoint)
		grid_untake(g);
	grid_lock(g, &flags);
	g->live = t;
	grid_unlock(g, flags);
	grid_meta_live(t);
	grid_missing_bind(g->gm, g->meta ? &grid_meta_ops : &grid_ops, g);
	return 0;
}

static void grid_resume(struct dm_target *ti)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	unsigned long flags;

	grid_lock(g, &flags);
	g->suspending = false;
	g->stopped = false;
	queue_work(g->wq, &g->discard_work);
	queue_work(g->wq, &g->lost_work);
	grid_unlock(g, flags);
	grid_missing_suspend(g->gm, false);
}

/*
 * Status, table, messages
 *
 * status: one line of key=value, only ever appended to (D8).
 */

static void grid_emit_status(struct grid *g, char *result, unsigned int maxlen)
{
	struct grid_missing_status st = {};
	unsigned int sz = 0;

	grid_missing_get_status(g->gm, &st);
	grid_get_status(g, &st);
	DMEMIT("id=%llu block_size=%u blocks=%llu", st.id, g->geo.block_size,
	       g->geo.blocks);
	DMEMIT(" waiting=%llu writing=%llu aborting=%llu", st.waiting,
	       st.writing, st.aborting);
	DMEMIT(" single=%llu/%u table=%llu tables=%u/%u tables_free=%u",
	       st.blocks_single, st.blocks_max, st.blocks_table, st.tables,
	       st.tables_max, st.tables_free);
	DMEMIT(" parked=%llu oldest_waiting_ms=%llu timeouts=%llu", st.parked,
	       st.oldest_waiting_ms, st.timeouts);
	DMEMIT(" helpers=%u unavailable=%llu repaired=%llu unverified=%llu",
	       st.helpers, st.unavailable, st.repaired, st.unverified);
	DMEMIT(" superseded=%llu detected=%llu lost_full=%llu", st.superseded,
	       st.detected, st.lost_full);
	DMEMIT(" verify_failed=%llu write_failed=%llu freed=%llu cancelled=%llu",
	       st.verify_failed, st.write_failed, st.freed, st.cancelled);
	DMEMIT(" checkpoints=%llu released=%llu discarding=%llu",
	       st.checkpoints, st.released, st.discarding);
	DMEMIT(" held=%u suspended=%u passed_up=%llu", grid_is_held(g),
	       g->suspending, st.passed_up);
	DMEMIT(" passed_up_medium=%llu passed_up_io=%llu", st.passed_up_medium,
	       st.passed_up_io);
	if (g->meta)
		DMEMIT(" metadata=%s",
		       st.state & GRID_MISSING_STATUS_METADATA_FAILED ?
			       "failed" :
			       "ok");
	if (st.passed_up)
		DMEMIT(" passed_up_block=%llu", st.passed_up_block);
	DMEMIT(" lost=%llu", st.lost);
}

static void grid_status(struct dm_target *ti, status_type_t type,
			unsigned int status_flags, char *result,
			unsigned int maxlen)
{
	struct grid_table *t = ti->private;

	switch (type) {
	case STATUSTYPE_INFO:
		grid_emit_status(t->grid, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		grid_emit_table(t, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		grid_emit_ima(t, result, maxlen);
		break;
	}
}

static int grid_parse_sum(const char *hex, struct grid_missing_checksum *sum)
{
	if (strlen(hex) != 2 * sizeof(sum->bytes) ||
	    hex2bin(sum->bytes, hex, sizeof(sum->bytes)))
		return -EINVAL;
	return 0;
}

/*
 *   enqueue ADDRESS [CHECKSUM]      cancel ADDRESS|all     ready
 *   checkpoint take                 checkpoint durable ID  set KEY:VALUE
 *   checkpoint revert               metadata retry
 *
 * None of them waits: a message holds dm's SRCU (D3).
 */
static int grid_message(struct dm_target *ti, unsigned int argc, char **argv,
			char *result, unsigned int maxlen)
{
	struct grid_table *t = ti->private;
	struct grid *g = t->grid;
	struct grid_missing_checksum sum;
	unsigned long flags;
	unsigned int sz = 0;
	char *error = "";
	u64 n = 0;
	int r;

	if (argc == 1 && !strcasecmp(argv[0], "ready"))
		return grid_ready(g);

	if (argc == 2 && !strcasecmp(argv[0], "set")) {
		struct grid_options scratch;
		const char *key = argv[1];

		r = grid_parse_option(&scratch, argv[1], &error, grid_tunable);
		if (r)
			return r;
		/* One option only: another message may set another one. */
		grid_lock(g, &flags);
		grid_tunable(&t->opt, key, key + strlen(key) + 1);
		__grid_rearm(g);
		grid_unlock(g, flags);
		return 0;
	}

	if (argc == 2 && !strcasecmp(argv[0], "checkpoint") &&
	    !strcasecmp(argv[1], "take")) {
		r = grid_take(g, &n);
		if (r)
			return r;
		DMEMIT("%llu", n);
		return 1;
	}
	if (argc == 3 && !strcasecmp(argv[0], "checkpoint") &&
	    !strcasecmp(argv[1], "durable") && !kstrtoull(argv[2], 0, &n))
		return grid_durable_start(g, n);
	if (argc == 2 && !strcasecmp(argv[0], "checkpoint") &&
	    !strcasecmp(argv[1], "revert"))
		return grid_revert_start(g);

	if (argc == 2 && !strcasecmp(argv[0], "metadata") &&
	    !strcasecmp(argv[1], "retry"))
		return grid_meta_retry(g);

	if (argc == 2 && !strcasecmp(argv[0], "cancel") &&
	    !strcasecmp(argv[1], "all")) {
		if (g->stopped)
			return -EAGAIN;
		queue_work(g->wq, &g->cancel_work);
		return 0;
	}
	if (argc == 2 && !strcasecmp(argv[0], "cancel") &&
	    !kstrtoull(argv[1], 0, &n))
		return grid_missing_cancel(g->gm, n);

	if ((argc == 2 || argc == 3) && !strcasecmp(argv[0], "enqueue") &&
	    !kstrtoull(argv[1], 0, &n) &&
	    (argc == 2 || !grid_parse_sum(argv[2], &sum))) {
		r = grid_missing_enqueue(g->gm, n, argc == 3 ? &sum : NULL);
		return min(r, 0);
	}

	DMWARN("%u:%u: message \"%s\": unknown, or its arguments are not of its form",
	       g->major, g->minor, argv[0]);
	return -EINVAL;
}

static int grid_iterate_devices(struct dm_target *ti,
				iterate_devices_callout_fn fn, void *data)
{
	struct grid_table *t = ti->private;

	/* The limits are those of the data alone. */
	return fn(ti, t->dev, t->start, ti->len, data);
}

static void grid_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct grid_table *t = ti->private;
	unsigned int sectors = t->block_sectors;

	grid_set_max_discard(limits,
			     round_down(UINT_MAX >> SECTOR_SHIFT, sectors));
	limits->discard_granularity = sectors << SECTOR_SHIFT;
	limits->discard_alignment = 0;
}

static struct target_type grid_target = {
	.name = "grid",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = grid_ctr,
	.dtr = grid_dtr,
	.map = grid_map,
	.end_io = grid_end_io,
	.presuspend = grid_presuspend,
	.presuspend_undo = grid_presuspend_undo,
	.postsuspend = grid_postsuspend,
	.preresume = grid_preresume,
	.resume = grid_resume,
	.status = grid_status,
	.message = grid_message,
	.iterate_devices = grid_iterate_devices,
	.io_hints = grid_io_hints,
};

static int __init dm_grid_init(void)
{
	return dm_register_target(&grid_target);
}

static void __exit dm_grid_exit(void)
{
	dm_unregister_target(&grid_target);
}

module_init(dm_grid_init);
module_exit(dm_grid_exit);

MODULE_DESCRIPTION(
	DM_NAME
	" target that keeps missing blocks away from readers until they are repaired");
MODULE_VERSION(GRID_MISSING_VERSION);
MODULE_LICENSE("GPL");
