// SPDX-License-Identifier: GPL-2.0
/*
 * A tracker with an identity: struct grid_missing.
 *
 * The state machine (tracker.h) knows faults and nothing else.  Here it gets
 * an id that is never used again, a reference count, and a place in the list
 * of those that can be found.  Who acts on it is in bind.c, what is told of it
 * in events.c, what a target does with its faults in faults.c.
 *
 * Life: the target holds a reference while the mapped device exists, every
 * attached file holds one.  grid_missing_remove() ends it for the files: they
 * get ENODEV, and hold nothing but memory.
 *
 * Locks, outermost first: gm->bind, gm_registry_lock, gm->tracker.lock; see
 * core.h.  Under gm_registry_lock nobody waits for memory.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "core.h"

#include "trace.h"

/* The trackers that can be found, by id; and what guards their list. */
LIST_HEAD(gm_registry);
DEFINE_MUTEX(gm_registry_lock); /* the list, gm_last_id, the last put */
static u64 gm_last_id;

/* ---- life ---- */

static void gm_free(struct grid_missing *gm)
{
	gm_events_exit(gm);
	gm_tracker_exit(&gm->tracker);
	kvfree(gm->reserve);
	gm_generation_free(gm->taken);
	gm_generation_free(gm->open);
	kfree(gm);
}

/* A target's limits as the tracker wants them, and the way back. */
static struct gm_limits gm_limits_of(const struct grid_missing_limits *limits)
{
	return (struct gm_limits){
		.blocks_max = limits->blocks_max,
		.tables_max = limits->tables_max,
		.table_values_max = limits->table_values_max,
	};
}

static void gm_set_limits(struct grid_missing *gm)
{
	const struct gm_limits *l = &gm->tracker.limits;

	gm->limits.blocks_max = l->blocks_max;
	gm->limits.tables_max = l->tables_max;
	gm->limits.table_values_max = l->table_values_max;
}

static const struct gm_hooks gm_hooks = {
	.change = gm_change,
	.event = gm_table_event,
	.admit = gm_may_enqueue,
	.record = gm_record,
	.record_table = gm_record_table,
	.room = gm_record_room,
};

/* A tracker that nobody can find yet.  ERR_PTR(-EINVAL, -ENOMEM). */
static struct grid_missing *gm_alloc(const struct gm_limits *limits)
{
	struct grid_missing *gm;
	int ret;

	/* What no memory can hold is not even tried: others would be paged out for it. */
	if (gm_tracker_bytes(limits) >> PAGE_SHIFT > si_mem_available())
		return ERR_PTR(-ENOMEM);
	gm = kzalloc(sizeof(*gm), GFP_KERNEL_ACCOUNT);
	if (!gm)
		return ERR_PTR(-ENOMEM);
	ret = gm_tracker_init(&gm->tracker, limits, &gm_hooks);
	if (ret)
		goto err_free;
	gm_set_limits(gm);
	kref_init(&gm->ref);
	INIT_LIST_HEAD(&gm->node);
	init_rwsem(&gm->bind);
	mutex_init(&gm->helpers_lock);
	mutex_init(&gm->reserve_lock);
	mutex_init(&gm->release_lock);
	gm_record_init(gm);
	ret = gm_events_init(gm);
	if (ret)
		goto err_exit;
	return gm;

err_exit:
	gm_tracker_exit(&gm->tracker);
err_free:
	kfree(gm);
	return ERR_PTR(ret);
}

static void gm_register(struct grid_missing *gm)
{
	lockdep_assert_held(&gm_registry_lock);
	/*
	 * Nor do ids come again that the module gave before it was last loaded:
	 * those were fewer than microseconds have gone by (U1).
	 */
	if (!gm_last_id)
		gm_last_id = ktime_to_us(ktime_get_boottime());
	gm->id = ++gm_last_id;
	list_add_tail(&gm->node, &gm_registry);
	trace_grid_missing_tracker(gm->id, GM_TRACE_CREATED,
				   gm->limits.blocks_max);
}

/* The last reference is gone; gm_registry_lock is held and dropped here. */
static void gm_last_put(struct kref *ref)
{
	struct grid_missing *gm = container_of(ref, struct grid_missing, ref);

	list_del(&gm->node);
	mutex_unlock(&gm_registry_lock);

	trace_grid_missing_tracker(gm->id, GM_TRACE_FREED, 0);
	WARN_ON_ONCE(!list_empty(&gm->files) || !list_empty(&gm->calls) ||
		     !list_empty(&gm->readers));
	gm_free(gm);
}

/* A tracker without a device.  ERR_PTR(-EINVAL, -ENOMEM).  May sleep. */
struct grid_missing *gm_create_private(const struct gm_limits *limits,
				       u32 revert_age_ms, bool exclusive,
				       const char *name)
{
	struct grid_missing *gm = gm_alloc(limits);

	if (IS_ERR(gm))
		return gm;
	gm->private = true;
	gm->exclusive = exclusive;
	gm->revert_age_ms = revert_age_ms;
	strscpy(gm->name, name, sizeof(gm->name));
	gm->open = gm_generation_new();
	if (!gm->open) {
		gm_free(gm);
		return ERR_PTR(-ENOMEM);
	}
	mutex_lock(&gm_registry_lock);
	gm_register(gm);
	mutex_unlock(&gm_registry_lock);
	return gm;
}

static struct grid_missing *__gm_find_device(unsigned int major,
					     unsigned int minor)
{
	struct grid_missing *gm;

	lockdep_assert_held(&gm_registry_lock);
	list_for_each_entry(gm, &gm_registry, node)
		if (!gm->private && gm->major == major && gm->minor == minor)
			return gm;
	return NULL;
}

/* The tracker @id, referenced, or NULL.  May sleep. */
struct grid_missing *gm_find_id(u64 id)
{
	struct grid_missing *gm = gm_find_next(id);

	if (gm && gm->id != id) {
		grid_missing_put(gm);
		return NULL;
	}
	return gm;
}

/* The first tracker from @id on, referenced, or NULL.  May sleep. */
struct grid_missing *gm_find_next(u64 id)
{
	struct grid_missing *gm;

	mutex_lock(&gm_registry_lock);
	list_for_each_entry(gm, &gm_registry, node) {
		if (gm->id >= id) {
			kref_get(&gm->ref);
			mutex_unlock(&gm_registry_lock);
			return gm;
		}
	}
	mutex_unlock(&gm_registry_lock);
	return NULL;
}

/**
 * grid_missing_create - a tracker for a dm device
 * @major: the mapped device's major number
 * @minor: its minor number
 * @name: its name
 * @limits: capacity
 * @geometry: of the grid
 *
 * Takes all the memory that the tracker will ever need; see
 * grid_missing_bytes().  Nobody finds it before grid_missing_add(), and nothing
 * is bound yet.
 *
 * Context: may sleep.
 * Return: the tracker with one reference, the caller's.  ERR_PTR(-EINVAL) for
 * an impossible limit or geometry, -ENOMEM.
 */
struct grid_missing *
grid_missing_create(unsigned int major, unsigned int minor, const char *name,
		    const struct grid_missing_limits *limits,
		    const struct grid_missing_geometry *geometry)
{
	const struct gm_limits l = gm_limits_of(limits);
	struct grid_missing *gm;

	if (!geometry->blocks || !is_power_of_2(geometry->block_size) ||
	    geometry->block_size < SZ_4K || geometry->block_size > SZ_1M ||
	    strnlen(geometry->checksum, sizeof(geometry->checksum)) ==
		    sizeof(geometry->checksum))
		return ERR_PTR(-EINVAL);

	gm = gm_alloc(&l);
	if (IS_ERR(gm))
		return gm;
	gm->major = major;
	gm->minor = minor;
	gm->geometry = *geometry;
	strscpy(gm->name, name, sizeof(gm->name));
	gm->reserve = kvmalloc(geometry->block_size, GFP_KERNEL);
	if (!gm->reserve) {
		gm_free(gm);
		return ERR_PTR(-ENOMEM);
	}
	return gm;
}
EXPORT_SYMBOL_GPL(grid_missing_create);

/**
 * grid_missing_add - from now on the tracker can be found
 * @gm: from grid_missing_create(); it gets its id
 *
 * Context: may sleep (a mutex, held briefly; never while memory is allocated).
 * Return: 0; -EEXIST when its device has a tracker that was not removed.
 */
int grid_missing_add(struct grid_missing *gm)
{
	int ret = 0;

	mutex_lock(&gm_registry_lock);
	if (__gm_find_device(gm->major, gm->minor))
		ret = -EEXIST;
	else
		gm_register(gm);
	mutex_unlock(&gm_registry_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_add);

/**
 * grid_missing_find - the tracker of a dm device
 * @major: the device's major number
 * @minor: its minor number
 *
 * Context: may sleep (a mutex, held briefly; never while memory is allocated).
 * Return: the tracker with a reference that the caller drops with
 * grid_missing_put(), or NULL.
 */
struct grid_missing *grid_missing_find(unsigned int major, unsigned int minor)
{
	struct grid_missing *gm;

	mutex_lock(&gm_registry_lock);
	gm = __gm_find_device(major, minor);
	if (gm)
		kref_get(&gm->ref);
	mutex_unlock(&gm_registry_lock);
	return gm;
}
EXPORT_SYMBOL_GPL(grid_missing_find);

/**
 * grid_missing_put - drop a reference
 * @gm: the tracker, or NULL
 *
 * The last one frees it with all its faults.
 *
 * Context: may sleep; no lock of the tracker held.
 */
void grid_missing_put(struct grid_missing *gm)
{
	if (gm)
		kref_put_mutex(&gm->ref, gm_last_put, &gm_registry_lock);
}
EXPORT_SYMBOL_GPL(grid_missing_put);

/**
 * grid_missing_remove - the device is gone
 * @gm: its tracker
 *
 * Nobody finds the tracker any more, attached files get ENODEV and EPOLLHUP,
 * calls that wait return.  A binding that is left is undone.  The caller's
 * reference stays his.  A second time does nothing.
 *
 * Context: may sleep until the calls into the target that are running have
 * returned; not from within ops.
 */
void grid_missing_remove(struct grid_missing *gm)
{
	unsigned long flags;

	mutex_lock(&gm_registry_lock);
	list_del_init(&gm->node);
	mutex_unlock(&gm_registry_lock);

	WRITE_ONCE(gm->removed, true);
	gm_wake_all(gm);
	wake_up_all(&gm->commit_wait);

	down_write(&gm->bind);
	GM_LOCK(&gm->tracker, flags);
	WRITE_ONCE(gm->ops, NULL);
	gm->priv = NULL;
	gm->tracker.recording = false;
	GM_UNLOCK(&gm->tracker, flags);
	up_write(&gm->bind);
	trace_grid_missing_tracker(gm->id, GM_TRACE_REMOVED, 0);
}
EXPORT_SYMBOL_GPL(grid_missing_remove);

/**
 * grid_missing_bytes - what a tracker of these limits takes
 * @limits: capacity
 *
 * Context: any.
 * Return: bytes of memory that grid_missing_create() would allocate, without
 * the block that it keeps in reserve; U64_MAX when no number can say.
 */
u64 grid_missing_bytes(const struct grid_missing_limits *limits)
{
	const struct gm_limits l = gm_limits_of(limits);
	const u64 more = sizeof(struct grid_missing) +
			 GM_EVENTS * sizeof(struct gm_event);
	const u64 bytes = gm_tracker_bytes(&l);

	/* Absurd limits are to look absurd, not small. */
	return bytes > U64_MAX - more ? U64_MAX : bytes + more;
}
EXPORT_SYMBOL_GPL(grid_missing_bytes);

/**
 * grid_missing_limits - a tracker's capacity
 * @gm: the tracker
 *
 * Context: any.
 * Return: its limits, valid as long as the tracker.
 */
const struct grid_missing_limits *
grid_missing_limits(const struct grid_missing *gm)
{
	return &gm->limits;
}
EXPORT_SYMBOL_GPL(grid_missing_limits);

/* ---- another capacity (D9) ---- */

struct grid_missing_room {
	struct gm_tracker tracker;
};

/**
 * grid_missing_room_new - memory for another capacity
 * @limits: the capacity
 *
 * Context: may sleep.
 * Return: for grid_missing_move(), or grid_missing_room_free();
 * ERR_PTR(-EINVAL, -ENOMEM).
 */
struct grid_missing_room *
grid_missing_room_new(const struct grid_missing_limits *limits)
{
	const struct gm_limits l = gm_limits_of(limits);
	struct grid_missing_room *room;
	int ret;

	room = kzalloc(sizeof(*room), GFP_KERNEL_ACCOUNT);
	if (!room)
		return ERR_PTR(-ENOMEM);
	ret = gm_tracker_init(&room->tracker, &l, NULL);
	if (ret) {
		kfree(room);
		return ERR_PTR(ret);
	}
	return room;
}
EXPORT_SYMBOL_GPL(grid_missing_room_new);

/**
 * grid_missing_room_free - give memory back
 * @room: from grid_missing_room_new(), moved to or not; may be NULL
 *
 * Context: may sleep.
 */
void grid_missing_room_free(struct grid_missing_room *room)
{
	if (!room)
		return;
	gm_tracker_exit(&room->tracker);
	kfree(room);
}
EXPORT_SYMBOL_GPL(grid_missing_room_free);

/**
 * grid_missing_fits - would what is there fit another capacity
 * @gm: the tracker
 * @limits: the capacity
 *
 * Context: process; does not sleep; lock not held.
 * Return: 0; -EBUSY; -EAGAIN while a suspend waits for calls to end; -EINVAL for an
 * impossible one.
 */
int grid_missing_fits(struct grid_missing *gm,
		      const struct grid_missing_limits *limits)
{
	const struct gm_limits l = gm_limits_of(limits);
	int ret;

	/* Who asks may hold up others than this device. */
	if (!down_read_trylock(&gm->bind))
		return -EAGAIN;
	ret = gm_tracker_fits(&gm->tracker, &l);
	up_read(&gm->bind);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_fits);

/**
 * grid_missing_move - another capacity, another length
 * @gm: the tracker of a suspended device, whose target is quiet
 * @room: memory for the capacity; has the tracker's old memory afterwards.
 *	NULL: the capacity stays
 * @blocks: length of the grid
 *
 * Every fault stays what it is.  Calls on the tracker wait meanwhile.
 *
 * Context: may sleep; not from within ops.
 * Return: 0, or -EBUSY when what is there does not fit: nothing was changed.
 */
int grid_missing_move(struct grid_missing *gm, struct grid_missing_room *room,
		      u64 blocks)
{
	unsigned long flags;
	int ret = 0;

	down_write(&gm->bind);
	if (room)
		ret = gm_tracker_move(&gm->tracker, &room->tracker);
	if (!ret) {
		GM_LOCK(&gm->tracker, flags);
		gm_set_limits(gm);
		gm->geometry.blocks = blocks;
		GM_UNLOCK(&gm->tracker, flags);
		trace_grid_missing_tracker(gm->id, GM_TRACE_MOVED,
					   gm->limits.blocks_max);
	}
	up_write(&gm->bind);
	gm_wake_all(gm);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_move);
