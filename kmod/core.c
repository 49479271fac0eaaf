// SPDX-License-Identifier: GPL-2.0
/*
 * A tracker with an identity: struct grid_missing.
 *
 * The state machine (tracker.c) knows faults and nothing else.  Here it gets
 * an id that is never used again, a reference count, the target that acts for
 * it while a table is live, counters, a ring of events, and a way to wake
 * those who poll.  Everything that happens to a fault comes by one function,
 * gm_change(), under the tracker's lock.
 *
 * Life: the target holds a reference while the mapped device exists, every
 * attached file holds one.  grid_missing_remove() ends it for the files: they
 * get ENODEV, and hold nothing but memory.
 */
#include <linux/bitops.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "core.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Values whose addresses are looked at in one go, with the lock held. */
#define GM_VALUES_SLICE 256U

/* The trackers that can be found, by id; and what guards their list. */
LIST_HEAD(gm_registry);
DEFINE_MUTEX(gm_registry_lock); /* the list, gm_last_id, the last put */
static u64 gm_last_id;

/* The tracker's idea of time: ms, never going back. */
u64 gm_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

/* ---- waking ---- */

/*
 * A sleeper says what it sleeps for (gm_arm()) and then looks; whoever makes
 * it true wakes only when somebody has said so, and takes that back, so that a
 * storm of faults costs one wake-up until the sleepers have looked again.
 *
 *	poll(), read(), wait			gm_change(), the lock held
 *	--------------------			--------------------------
 *	join the wait queue
 *	lock; armed |= WORK; unlock
 *						a fault waits
 *						armed & WORK: armed &= ~WORK,
 *						  queue wake_work
 *	gm_next_due(): takes the lock,
 *	  so it sees the fault
 *						wake_work: wake the queues
 *
 * If the fault comes before the sleeper arms, then the look that follows sees
 * it; if it comes after, then the sleeper is on its queue already and is
 * woken.  Whoever was woken calls poll() again before it sleeps again, and
 * with that arms again (an epoll item that is not looked at again stays on its
 * ready list and needs no waking).  A file that sleeps for events only is not
 * disarmed by WORK, nor the other way round: each is a bit of its own.
 *
 * The wake-up is an irq_work: wait queues call into epoll and io_uring, which
 * is nothing to do under the tracker's lock, and within one lock hold all
 * faults share one.
 */
static void __gm_wake(struct grid_missing *gm, unsigned int what)
{
	lockdep_assert_held(&gm->tracker.lock);

	what &= gm->armed;
	if (!what)
		return;
	gm->armed &= ~what;
	gm->waking |= what;
	irq_work_queue(&gm->wake_work);
}

static void gm_wake_work(struct irq_work *work)
{
	struct grid_missing *gm =
		container_of(work, struct grid_missing, wake_work);
	struct gm_file *f;
	unsigned long flags;
	unsigned int what;
	__poll_t key = 0;

	GM_LOCK(&gm->tracker, flags);
	what = gm->waking;
	gm->waking = 0;
	GM_UNLOCK(&gm->tracker, flags);

	if (what & GM_WAKE_WORK)
		key |= EPOLLIN | EPOLLRDNORM;
	if (what & GM_WAKE_EVENT)
		key |= EPOLLPRI;
	if (key) {
		spin_lock_irqsave(&gm->files_lock, flags);
		list_for_each_entry(f, &gm->files, node)
			wake_up_interruptible_poll(&f->wait, key);
		spin_unlock_irqrestore(&gm->files_lock, flags);
	}
	if (what & GM_WAKE_IDLE)
		wake_up_all(&gm->idle_wait);
}

/* The caller is on its wait queue and looks after this. */
void gm_arm(struct grid_missing *gm, unsigned int what)
{
	unsigned long flags;

	GM_LOCK(&gm->tracker, flags);
	gm->armed |= what;
	GM_UNLOCK(&gm->tracker, flags);
}

/* Something became true that no change() tells. */
void gm_wake(struct grid_missing *gm, unsigned int what)
{
	unsigned long flags;

	GM_LOCK(&gm->tracker, flags);
	__gm_wake(gm, what);
	GM_UNLOCK(&gm->tracker, flags);
}

/* Something about the whole tracker changed: let everybody look. */
void gm_wake_all(struct grid_missing *gm)
{
	struct gm_file *f;
	unsigned long flags;

	spin_lock_irqsave(&gm->files_lock, flags);
	list_for_each_entry(f, &gm->files, node)
		wake_up_all(&f->wait);
	spin_unlock_irqrestore(&gm->files_lock, flags);
	wake_up_all(&gm->idle_wait);
}

/* ---- events ---- */

/* An ioctl begins: what it changes is its process's doing.  May not nest. */
void gm_call_begin(struct grid_missing *gm, struct gm_call *call)
{
	unsigned long flags;

	call->task = current;
	call->who = task_tgid_nr(current);
	GM_LOCK(&gm->tracker, flags);
	list_add(&call->node, &gm->calls);
	GM_UNLOCK(&gm->tracker, flags);
}

void gm_call_end(struct grid_missing *gm, struct gm_call *call)
{
	unsigned long flags;

	GM_LOCK(&gm->tracker, flags);
	list_del(&call->node);
	GM_UNLOCK(&gm->tracker, flags);
}

/* Who makes the change that is being made: there are only a few calls. */
static u32 __gm_who(struct grid_missing *gm)
{
	struct gm_call *call;

	lockdep_assert_held(&gm->tracker.lock);
	if (!in_task())
		return 0;
	list_for_each_entry(call, &gm->calls, node)
		if (call->task == current)
			return call->who;
	return 0;
}

static void __gm_event(struct grid_missing *gm, u64 address, u8 from, u8 to,
		       u8 why)
{
	u32 who = __gm_who(gm);
	struct gm_event *e;

	e = &gm->events[++gm->event_last & (GM_EVENTS - 1)];
	e->time_ns = ktime_get_boottime_ns();
	e->address = address;
	e->who = who;
	e->why = why;
	e->state = to;
	trace_grid_missing_change(gm->id, address, from, to, why, who);
	__gm_wake(gm, GM_WAKE_EVENT);
}

static void __gm_count(struct grid_missing *gm, const struct gm_change *c)
{
	struct gm_counters *n = &gm->counters;

	/* What happens to an aborting fault was counted when it became one. */
	if (c->from == GRID_MISSING_STATE_ABORTING)
		return;
	switch (c->why) {
	case GRID_MISSING_WHY_REPAIRED:
		n->repaired++;
		break;
	case GRID_MISSING_WHY_WRITE_FAILED:
		n->write_failed++;
		break;
	case GRID_MISSING_WHY_SUPERSEDED:
		n->superseded++;
		break;
	case GRID_MISSING_WHY_FREED:
		n->freed++;
		break;
	case GRID_MISSING_WHY_CANCELLED:
		n->cancelled++;
		break;
	}
}

/* The tracker's hook: lock held, interrupts off. */
static void gm_change(struct gm_tracker *t, const struct gm_change *c)
{
	struct grid_missing *gm = container_of(t, struct grid_missing, tracker);
	unsigned int wake = 0;

	lockdep_assert_held(&t->lock);

	__gm_count(gm, c);
	__gm_event(gm, c->address, c->from, c->to, c->why);
	if (gm->ops && gm->ops->change)
		gm->ops->change(gm->priv, c->address, c->from, c->to, c->why);
	if (c->to == GRID_MISSING_STATE_WAITING)
		wake |= GM_WAKE_WORK;
	if (c->from == GRID_MISSING_STATE_ABORTING)
		wake |= GM_WAKE_IDLE;
	__gm_wake(gm, wake);
}

static const struct gm_hooks gm_core_hooks = {
	.change = gm_change,
};

/*
 * Up to @max records from *@cursor on, which is moved.  What was overwritten
 * becomes one record that says how many.  Does not sleep.
 */
u32 gm_events_read(struct grid_missing *gm, u64 *cursor,
		   struct grid_missing_event *out, u32 max)
{
	unsigned long flags;
	u64 oldest;
	u32 n = 0;

	GM_LOCK(&gm->tracker, flags);
	oldest = gm->event_last < GM_EVENTS ? 1 :
					      gm->event_last - GM_EVENTS + 1;
	if (max && *cursor < oldest) {
		memset(&out[n], 0, sizeof(out[n]));
		out[n].size = sizeof(out[n]);
		out[n].lost = oldest - *cursor;
		*cursor = oldest;
		n++;
	}
	while (n < max && *cursor <= gm->event_last) {
		const struct gm_event *e =
			&gm->events[*cursor & (GM_EVENTS - 1)];

		memset(&out[n], 0, sizeof(out[n]));
		out[n].size = sizeof(out[n]);
		out[n].reason = e->why;
		out[n].sequence = *cursor;
		out[n].time_ns = e->time_ns;
		out[n].address = e->address;
		out[n].who = e->who;
		out[n].state = e->state;
		++*cursor;
		n++;
	}
	GM_UNLOCK(&gm->tracker, flags);
	return n;
}

/* How many records from @cursor on there are, lost ones too. */
u64 gm_events_unread(struct grid_missing *gm, u64 cursor)
{
	unsigned long flags;
	u64 n;

	GM_LOCK(&gm->tracker, flags);
	n = gm->event_last + 1 - cursor;
	GM_UNLOCK(&gm->tracker, flags);
	return n;
}

/* ---- life ---- */

static void gm_free(struct grid_missing *gm)
{
	kvfree(gm->reserve);
	kvfree(gm->events);
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

/* A tracker that nobody can find yet.  ERR_PTR(-EINVAL, -ENOMEM). */
static struct grid_missing *gm_alloc(const struct gm_limits *limits)
{
	struct grid_missing *gm;
	int ret = -ENOMEM;

	/* What no memory can hold is not even tried. */
	if (gm_tracker_bytes(limits) >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);
	gm = kzalloc(sizeof(*gm), GFP_KERNEL_ACCOUNT);
	if (!gm)
		return ERR_PTR(-ENOMEM);
	kref_init(&gm->ref);
	INIT_LIST_HEAD(&gm->node);
	init_rwsem(&gm->bind);
	mutex_init(&gm->helpers_lock);
	INIT_LIST_HEAD(&gm->calls);
	init_irq_work(&gm->wake_work, gm_wake_work);
	spin_lock_init(&gm->files_lock);
	INIT_LIST_HEAD(&gm->files);
	init_waitqueue_head(&gm->idle_wait);
	mutex_init(&gm->reserve_lock);
	mutex_init(&gm->release_lock);
	gm->events =
		kvcalloc(GM_EVENTS, sizeof(*gm->events), GFP_KERNEL_ACCOUNT);
	if (!gm->events)
		goto err_free;
	ret = gm_tracker_init(&gm->tracker, limits, &gm_core_hooks);
	if (ret)
		goto err_free;
	gm_set_limits(gm);
	return gm;

err_free:
	gm_free(gm);
	return ERR_PTR(ret);
}

static void gm_register(struct grid_missing *gm)
{
	lockdep_assert_held(&gm_registry_lock);
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
	WARN_ON_ONCE(!list_empty(&gm->files) || !list_empty(&gm->calls));
	irq_work_sync(&gm->wake_work);
	gm_tracker_exit(&gm->tracker);
	gm_free(gm);
}

/* A tracker without a device.  ERR_PTR(-EINVAL, -ENOMEM).  May sleep. */
struct grid_missing *gm_create_private(const struct gm_limits *limits,
				       u32 revert_age_ms, const char *name)
{
	struct grid_missing *gm = gm_alloc(limits);

	if (IS_ERR(gm))
		return gm;
	gm->private = true;
	gm->revert_age_ms = revert_age_ms;
	strscpy(gm->name, name, sizeof(gm->name));
	gm->open = gm_generation_new();
	if (!gm->open) {
		gm_tracker_exit(&gm->tracker);
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
		gm_tracker_exit(&gm->tracker);
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

	down_write(&gm->bind);
	GM_LOCK(&gm->tracker, flags);
	WRITE_ONCE(gm->ops, NULL);
	gm->priv = NULL;
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
 * the block that it keeps in reserve.
 */
u64 grid_missing_bytes(const struct grid_missing_limits *limits)
{
	const struct gm_limits l = gm_limits_of(limits);

	return gm_tracker_bytes(&l) + sizeof(struct grid_missing) +
	       GM_EVENTS * sizeof(struct gm_event);
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
 * Context: may sleep; lock not held.
 * Return: 0, -EBUSY, -EINVAL for an impossible one.
 */
int grid_missing_fits(struct grid_missing *gm,
		      const struct grid_missing_limits *limits)
{
	const struct gm_limits l = gm_limits_of(limits);
	int ret;

	down_read(&gm->bind);
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

/* ---- looking, while nobody moves it ---- */

/* gm_list_faults(); may sleep. */
u32 gm_faults(struct grid_missing *gm, u64 *cursor, u32 max,
	      struct grid_missing_fault *out)
{
	u32 n;

	down_read(&gm->bind);
	n = gm_list_faults(&gm->tracker, cursor, max, out);
	up_read(&gm->bind);
	return n;
}

/* gm_list_tables(); may sleep. */
u32 gm_tables(struct grid_missing *gm, u64 *cursor, u32 max,
	      struct grid_missing_table *out)
{
	u32 n;

	down_read(&gm->bind);
	n = gm_list_tables(&gm->tracker, cursor, max, out);
	up_read(&gm->bind);
	return n;
}

/* gm_verify(); may sleep. */
int gm_verify_idle(struct grid_missing *gm, char *why, size_t len)
{
	int ret;

	down_read(&gm->bind);
	ret = gm_verify(&gm->tracker, why, len);
	up_read(&gm->bind);
	return ret;
}

/*
 * gm_next_due().  Somebody is about to take bind for write, or has it, when
 * we can't: then nothing is due until he wakes everybody.
 */
u64 gm_due(struct grid_missing *gm, u32 min_age)
{
	u64 due = GM_NEVER;

	if (gm_suspended(gm) || !down_read_trylock(&gm->bind))
		return GM_NEVER;
	due = gm_next_due(&gm->tracker, min_age, gm_now_ms());
	up_read(&gm->bind);
	return due;
}

/* ---- binding ---- */

/*
 * A call on the tracker begins: it may use gm->ops until gm_end().  @live: it
 * needs the target (or would change what the target sees).  No user memory is
 * touched until gm_end().  -ENODEV, -EAGAIN while suspended or unbound,
 * -EINTR.
 */
int gm_begin(struct grid_missing *gm, bool live)
{
	int ret;

	/* Don't queue behind a suspend that waits for a repair. */
	if (gm_removed(gm))
		return -ENODEV;
	if (live && gm_suspended(gm))
		return -EAGAIN;
	if (down_read_interruptible(&gm->bind))
		return -EINTR;
	ret = 0;
	if (gm_removed(gm))
		ret = -ENODEV;
	else if (live && gm_suspended(gm))
		ret = -EAGAIN;
	if (ret)
		up_read(&gm->bind);
	return ret;
}

void gm_end(struct grid_missing *gm)
{
	up_read(&gm->bind);
}

static void gm_tell_helpers(struct grid_missing *gm)
{
	lockdep_assert_held(&gm->bind);
	lockdep_assert_held(&gm->helpers_lock);

	trace_grid_missing_tracker(gm->id, GM_TRACE_HELPERS, gm->helpers);
	if (gm->ops && gm->ops->helpers)
		gm->ops->helpers(gm->priv, gm->helpers);
}

/**
 * grid_missing_bind - a table became live: its target acts for the tracker
 * @gm: the tracker
 * @ops: what the target does
 * @priv: passed to each of them
 *
 * Replaces an earlier binding.  ops->helpers, if there is one, is called once
 * with the number of helpers now.
 *
 * Context: may sleep until no call into the earlier target is running; not
 * from within ops, nor with a lock held that @ops take.
 */
void grid_missing_bind(struct grid_missing *gm,
		       const struct grid_missing_ops *ops, void *priv)
{
	unsigned long flags;

	down_write(&gm->bind);
	if (!gm_removed(gm)) {
		GM_LOCK(&gm->tracker, flags);
		gm->priv = priv;
		WRITE_ONCE(gm->ops, ops);
		GM_UNLOCK(&gm->tracker, flags);

		trace_grid_missing_tracker(gm->id, GM_TRACE_BOUND, 0);
		mutex_lock(&gm->helpers_lock);
		gm_tell_helpers(gm);
		mutex_unlock(&gm->helpers_lock);
	}
	up_write(&gm->bind);
	gm_wake_all(gm);
}
EXPORT_SYMBOL_GPL(grid_missing_bind);

/**
 * grid_missing_unbind - a table is live no more
 * @gm: the tracker
 * @priv: the target that was bound; nothing happens if another is by now
 *
 * When it returns no ops of @priv is running nor will be called.
 *
 * Context: may sleep until calls into the target have returned; not from
 * within ops.
 */
void grid_missing_unbind(struct grid_missing *gm, void *priv)
{
	unsigned long flags;

	down_write(&gm->bind);
	if (gm->priv == priv) {
		GM_LOCK(&gm->tracker, flags);
		WRITE_ONCE(gm->ops, NULL);
		gm->priv = NULL;
		GM_UNLOCK(&gm->tracker, flags);
		trace_grid_missing_tracker(gm->id, GM_TRACE_UNBOUND, 0);
	}
	up_write(&gm->bind);
}
EXPORT_SYMBOL_GPL(grid_missing_unbind);

/**
 * grid_missing_suspend - the device is suspended, or live again
 * @gm: the tracker
 * @suspended: which
 *
 * While suspended, calls that need the target get EAGAIN and poll does not
 * report work.  change() is still called for what goes on.
 *
 * Context: suspending may sleep until no call into the target is running.
 */
void grid_missing_suspend(struct grid_missing *gm, bool suspended)
{
	/* First the flag: later calls turn away instead of queueing. */
	WRITE_ONCE(gm->suspended, suspended);
	if (suspended) {
		down_write(&gm->bind);
		up_write(&gm->bind);
	}
	trace_grid_missing_tracker(
		gm->id, suspended ? GM_TRACE_SUSPENDED : GM_TRACE_RESUMED, 0);
	gm_wake_all(gm);
}
EXPORT_SYMBOL_GPL(grid_missing_suspend);

/**
 * grid_missing_helpers - attached files that can repair
 * @gm: the tracker
 *
 * Context: any.
 * Return: how many files are attached that were opened for writing.
 */
u32 grid_missing_helpers(struct grid_missing *gm)
{
	return READ_ONCE(gm->helpers);
}
EXPORT_SYMBOL_GPL(grid_missing_helpers);

static void gm_add_helpers(struct grid_missing *gm, int n)
{
	down_read(&gm->bind);
	mutex_lock(&gm->helpers_lock);
	WRITE_ONCE(gm->helpers, gm->helpers + n);
	gm_tell_helpers(gm);
	mutex_unlock(&gm->helpers_lock);
	up_read(&gm->bind);
}

/* @f uses @gm from now on, with a reference that it takes over. */
void gm_attach_file(struct grid_missing *gm, struct gm_file *f)
{
	unsigned long flags;

	lockdep_assert_held(&f->lock);

	GM_LOCK(&gm->tracker, flags);
	f->cursor = gm->event_last + 1;
	GM_UNLOCK(&gm->tracker, flags);

	spin_lock_irqsave(&gm->files_lock, flags);
	list_add_tail(&f->node, &gm->files);
	spin_unlock_irqrestore(&gm->files_lock, flags);

	/* Pairs with gm_file_tracker(): who sees gm sees the rest. */
	smp_store_release(&f->gm, gm);
	if (f->writable)
		gm_add_helpers(gm, 1);
	wake_up_all(&f->wait);
}

/* The last close: nothing else uses @f any more. */
void gm_detach_file(struct grid_missing *gm, struct gm_file *f)
{
	unsigned long flags;

	if (f->writable)
		gm_add_helpers(gm, -1);
	spin_lock_irqsave(&gm->files_lock, flags);
	list_del(&f->node);
	spin_unlock_irqrestore(&gm->files_lock, flags);
}

/* ---- for the target: under the lock ---- */

/**
 * grid_missing_lock - take the tracker's lock
 * @gm: the tracker
 * @flags: the interrupt state
 *
 * Context: any but NMI; interrupts are off until grid_missing_unlock().
 */
void grid_missing_lock(struct grid_missing *gm, unsigned long *flags)
	__acquires(&gm->tracker.lock)
{
	GM_LOCK(&gm->tracker, *flags);
}
EXPORT_SYMBOL_GPL(grid_missing_lock);

/**
 * grid_missing_unlock - release the tracker's lock
 * @gm: the tracker
 * @flags: from grid_missing_lock()
 *
 * Context: the lock is held.
 */
void grid_missing_unlock(struct grid_missing *gm, unsigned long flags)
	__releases(&gm->tracker.lock)
{
	GM_UNLOCK(&gm->tracker, flags);
}
EXPORT_SYMBOL_GPL(grid_missing_unlock);

/**
 * __grid_missing_find - the state of a block
 * @gm: the tracker
 * @address: the block
 * @flags: out: its GRID_MISSING_F_*, 0 when there is no fault; may be NULL
 *
 * Context: lock held.
 * Return: enum grid_missing_state, GRID_MISSING_STATE_GONE when the block is
 * not a fault.
 */
u8 __grid_missing_find(struct grid_missing *gm, u64 address, u32 *flags)
{
	struct grid_missing_fault info;
	u8 state;

	lockdep_assert_held(&gm->tracker.lock);
	if (!flags)
		return __gm_find(&gm->tracker, address, NULL);
	state = __gm_find(&gm->tracker, address, &info);
	*flags = state == GRID_MISSING_STATE_GONE ? 0 : info.flags;
	return state;
}
EXPORT_SYMBOL_GPL(__grid_missing_find);

/**
 * __grid_missing_detected - a read error found a block missing
 * @gm: the tracker
 * @address: the block; its checksum is not known
 *
 * Context: lock held.
 * Return: 0 when it became a fault, GRID_MISSING_DUPLICATE when it was one,
 * -ENOSPC, -EBUSY when it is aborting.
 */
int __grid_missing_detected(struct grid_missing *gm, u64 address)
{
	lockdep_assert_held(&gm->tracker.lock);
	return __gm_enqueue_block(&gm->tracker, address, NULL,
				  GRID_MISSING_WHY_DETECTED);
}
EXPORT_SYMBOL_GPL(__grid_missing_detected);

/**
 * __grid_missing_supersede - a full write made a block good
 * @gm: the tracker
 * @address: the block
 *
 * Context: lock held.
 * Return: 0, -ENOENT when it is no fault, -EBUSY while writing or aborting.
 */
int __grid_missing_supersede(struct grid_missing *gm, u64 address)
{
	lockdep_assert_held(&gm->tracker.lock);
	return __gm_supersede(&gm->tracker, address);
}
EXPORT_SYMBOL_GPL(__grid_missing_supersede);

/**
 * __grid_missing_readers - readers are parked on a block, or no longer
 * @gm: the tracker
 * @address: the block
 * @readers: which
 *
 * Faults with readers are handed out first.
 *
 * Context: lock held.
 * Return: 0, -ENOENT when it is no fault.
 */
int __grid_missing_readers(struct grid_missing *gm, u64 address, bool readers)
{
	u32 flags;
	u8 state;
	int ret;

	state = __grid_missing_find(gm, address, &flags);
	ret = __gm_set_readers(&gm->tracker, address, readers);
	if (!ret && readers && !(flags & GRID_MISSING_F_READERS))
		__gm_event(gm, address, state, state, GRID_MISSING_WHY_WANTED);
	return ret;
}
EXPORT_SYMBOL_GPL(__grid_missing_readers);

/**
 * __grid_missing_wanted - read-ahead met a missing block
 * @gm: the tracker
 * @address: the block
 *
 * It is handed out right after those with parked readers.
 *
 * Context: lock held.
 * Return: 0, -ENOENT when it is no fault.
 */
int __grid_missing_wanted(struct grid_missing *gm, u64 address)
{
	u32 flags;
	u8 state;
	int ret;

	state = __grid_missing_find(gm, address, &flags);
	ret = __gm_set_wanted(&gm->tracker, address);
	if (!ret && !(flags & (GRID_MISSING_F_WANTED | GRID_MISSING_F_READERS)))
		__gm_event(gm, address, state, state, GRID_MISSING_WHY_WANTED);
	return ret;
}
EXPORT_SYMBOL_GPL(__grid_missing_wanted);

/**
 * __grid_missing_timed_out - a reader waited in vain
 * @gm: the tracker
 * @address: the block
 *
 * The fault fails its readers at once from now on, until somebody retries,
 * enqueues or repairs it; it is still handed out.
 *
 * Context: lock held.
 * Return: 0, -ENOENT when it is no fault.
 */
int __grid_missing_timed_out(struct grid_missing *gm, u64 address)
{
	lockdep_assert_held(&gm->tracker.lock);
	return __gm_set_unavailable(&gm->tracker, address,
				    GRID_MISSING_WHY_TIMED_OUT, false);
}
EXPORT_SYMBOL_GPL(__grid_missing_timed_out);

/*
 * May @address be enqueued on this tracker: 0, -ERANGE, -EBUSY, -EAGAIN while
 * no target is there to say.  Lock held.
 */
int __gm_enqueue_ok(struct grid_missing *gm, u64 address)
{
	lockdep_assert_held(&gm->tracker.lock);
	if (gm->private)
		return 0;
	if (address >= gm->geometry.blocks)
		return -ERANGE;
	if (!gm->ops)
		return -EAGAIN;
	return gm->ops->enqueue_ok ? gm->ops->enqueue_ok(gm->priv, address) : 0;
}

/* The same of a table's values; lock not held. */
int gm_values_ok(struct grid_missing *gm,
		 const struct grid_missing_value *values, u32 n)
{
	unsigned long flags;
	int ret = 0;
	u32 i = 0;

	if (gm->private)
		return 0;
	while (i < n && !ret) {
		u32 end = min(n - i, GM_VALUES_SLICE) + i;

		GM_LOCK(&gm->tracker, flags);
		for (; i < end && !ret; i++)
			ret = __gm_enqueue_ok(gm, values[i].address);
		GM_UNLOCK(&gm->tracker, flags);
	}
	return ret;
}

/*
 * An enqueue met a full tracker: say which maximum it was, and what twice as
 * much would take (D9).  Context: any; lock not held.
 */
void gm_say_full(struct grid_missing *gm, bool table)
{
	struct grid_missing_limits more = gm->limits;
	u64 bytes = grid_missing_bytes(&more);
	u32 *max = table ? &more.tables_max : &more.blocks_max;
	u32 was = *max;

	*max = min_t(u64, 2 * (u64)was, U32_MAX);
	pr_warn_ratelimited(
		"grid_missing: %s: full: %s:%u is reached; %s:%u would take %llu KiB more: load a table with it, or reclaim and repair\n",
		gm->name, table ? "tables_max" : "blocks_max", was,
		table ? "tables_max" : "blocks_max", *max,
		(grid_missing_bytes(&more) - bytes) >> 10);
}

/* ---- for the target: lock not held ---- */

/* gm_begin(gm, true) for those who must not sleep; false: not now. */
static bool gm_try_begin(struct grid_missing *gm)
{
	if (gm_suspended(gm) || !down_read_trylock(&gm->bind))
		return false;
	if (!gm_suspended(gm))
		return true;
	up_read(&gm->bind);
	return false;
}

/**
 * grid_missing_enqueue - a block is missing, says a message
 * @gm: the tracker
 * @address: the block
 * @sum: its checksum, or NULL when it is not known
 *
 * Context: process; lock not held; does not sleep.
 * Return: 0 or GRID_MISSING_DUPLICATE; -ERANGE, -EBUSY (aborting, or its
 * discard is not through), -ESTALE, -ENOSPC, -EAGAIN when nothing is bound or
 * the device is suspended.
 */
int grid_missing_enqueue(struct grid_missing *gm, u64 address,
			 const struct grid_missing_checksum *sum)
{
	unsigned long flags;
	int ret;

	if (!gm_try_begin(gm))
		return -EAGAIN;
	GM_LOCK(&gm->tracker, flags);
	ret = __gm_enqueue_ok(gm, address);
	if (!ret)
		ret = __gm_enqueue_block(&gm->tracker, address, sum,
					 GRID_MISSING_WHY_ENQUEUED);
	GM_UNLOCK(&gm->tracker, flags);
	gm_end(gm);
	if (ret == -ENOSPC)
		gm_say_full(gm, false);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_enqueue);

/**
 * grid_missing_cancel - forget one fault, says a message
 * @gm: the tracker
 * @address: the block; an index cancels its table
 *
 * What is being written becomes aborting; nobody waits for it here.
 *
 * Context: process; lock not held; does not sleep.
 * Return: 0, -ENOENT, -EBUSY when it is aborting already, -EAGAIN while the
 * device is suspended.
 */
int grid_missing_cancel(struct grid_missing *gm, u64 address)
{
	int ret;

	if (!gm_try_begin(gm))
		return -EAGAIN;
	ret = gm_cancel(&gm->tracker, address, true);
	gm_end(gm);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_cancel);

/**
 * grid_missing_commence - a block's data is about to be written
 * @gm: the tracker
 * @item: address and stated checksum
 * @unverified: out: the fault has no checksum of its own
 *
 * Context: from within ops->repair; lock not held; does not sleep.
 * Return: 0; -ENOENT, -ESTALE, -EBUSY when it is not waiting, -EAGAIN.
 */
int grid_missing_commence(struct grid_missing *gm,
			  const struct grid_missing_item *item,
			  bool *unverified)
{
	unsigned long flags;
	u32 f;

	/*
	 * Asked before, since commence may adopt what is stated.  An enqueue
	 * in between may tell the checksum; then commence compares, and to call
	 * the repair unverified is merely too modest.
	 */
	GM_LOCK(&gm->tracker, flags);
	__grid_missing_find(gm, item->address, &f);
	GM_UNLOCK(&gm->tracker, flags);
	*unverified = f & GRID_MISSING_F_NO_CHECKSUM;

	return gm_repair_commence(&gm->tracker, item->address,
				  item->has_sum ? &item->sum : NULL,
				  GM_OWNER_KERNEL, gm_now_ms());
}
EXPORT_SYMBOL_GPL(grid_missing_commence);

/**
 * grid_missing_complete - a block's data is written and flushed
 * @gm: the tracker
 * @item: what was commenced, with an index's values
 * @unverified: what commence said; for the statistics
 *
 * Context: from within ops->repair; lock not held; does not sleep.
 * Return: 0: the fault is gone.  -ECANCELED: it was freed or cancelled
 * meanwhile, and is gone.  Anything else: the list of values is bad (-E2BIG,
 * -EEXIST, -ESTALE, -EBUSY, -EINVAL, -ERANGE) and the fault is still writing:
 * call grid_missing_failed().
 */
int grid_missing_complete(struct grid_missing *gm,
			  const struct grid_missing_item *item, bool unverified)
{
	static const struct grid_missing_value none;
	const struct grid_missing_value *values = NULL;
	unsigned long flags;
	u8 state;
	int ret;

	if (item->is_index) {
		values = item->values_count ? item->values : &none;
		ret = gm_values_ok(gm, values, item->values_count);
		if (ret) {
			/* An aborting fault ends whatever its list says. */
			GM_LOCK(&gm->tracker, flags);
			state = __gm_find(&gm->tracker, item->address, NULL);
			GM_UNLOCK(&gm->tracker, flags);
			if (state == GRID_MISSING_STATE_WRITING)
				return ret;
		}
	}
	ret = gm_repair_complete(&gm->tracker, item->address,
				 item->has_sum ? &item->sum : NULL,
				 GM_OWNER_KERNEL, values, item->values_count);
	if (!ret && unverified) {
		GM_LOCK(&gm->tracker, flags);
		gm->counters.unverified++;
		GM_UNLOCK(&gm->tracker, flags);
	}
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_complete);

/**
 * grid_missing_failed - a block's data was not written
 * @gm: the tracker
 * @item: what was commenced
 * @retry_now: it was no fault of the lower device: no back-off
 *
 * Context: from within ops->repair; lock not held; does not sleep.
 * Return: 0: it waits again; -ECANCELED: it was freed or cancelled meanwhile,
 * and is gone.
 */
int grid_missing_failed(struct grid_missing *gm,
			const struct grid_missing_item *item, bool retry_now)
{
	if (retry_now)
		return gm_repair_revert(&gm->tracker, item->address,
					GM_OWNER_KERNEL);
	return gm_repair_failed(&gm->tracker, item->address,
				item->has_sum ? &item->sum : NULL,
				GM_OWNER_KERNEL, gm_now_ms());
}
EXPORT_SYMBOL_GPL(grid_missing_failed);

/**
 * grid_missing_verify_failed - data did not match its checksum
 * @gm: the tracker
 * @address: the block; nothing was written
 *
 * Context: any; lock not held; does not sleep.
 */
void grid_missing_verify_failed(struct grid_missing *gm, u64 address)
{
	unsigned long flags;
	u8 state;

	GM_LOCK(&gm->tracker, flags);
	gm->counters.verify_failed++;
	state = __gm_find(&gm->tracker, address, NULL);
	__gm_event(gm, address, state, state, GRID_MISSING_WHY_VERIFY_FAILED);
	GM_UNLOCK(&gm->tracker, flags);
}
EXPORT_SYMBOL_GPL(grid_missing_verify_failed);

/* The target's set as the tracker wants to see it. */
struct gm_outer_set {
	struct gm_set set;
	const struct grid_missing_set *outer;
};

static bool gm_outer_test(const struct gm_set *set, u64 address)
{
	const struct grid_missing_set *outer =
		container_of(set, struct gm_outer_set, set)->outer;

	return outer->test(outer, address);
}

static u64 gm_outer_next(const struct gm_set *set, u64 from, bool *found)
{
	const struct grid_missing_set *outer =
		container_of(set, struct gm_outer_set, set)->outer;

	return outer->next(outer, from, found);
}

/**
 * grid_missing_checkpoint_commence - a checkpoint is becoming durable
 * @gm: the tracker
 * @set: the blocks that it frees; not to change until this returns
 *
 * Waiting faults of the set are dropped, writing ones become aborting, tables
 * whose index is in it are cancelled.  @set's functions are called with the
 * lock held.
 *
 * Context: may sleep; lock not held.
 * Return: 0, -EBUSY when one is open already or another sweep runs.
 */
int grid_missing_checkpoint_commence(struct grid_missing *gm,
				     const struct grid_missing_set *set)
{
	const struct gm_outer_set s = {
		.set = {
			.count = set->count,
			.test = gm_outer_test,
			.next = gm_outer_next,
		},
		.outer = set,
	};
	int ret;

	ret = gm_checkpoint_commence(&gm->tracker, &s.set);
	if (!ret)
		trace_grid_missing_tracker(gm->id, GM_TRACE_DURABLE_COMMENCED,
					   set->count);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_checkpoint_commence);

/**
 * grid_missing_checkpoint_complete - are all writes of freed blocks over?
 * @gm: the tracker
 *
 * Context: any; lock not held; does not sleep.
 * Return: true once nothing is aborting: the checkpoint is closed.  false
 * before that, and when none is open.
 */
bool grid_missing_checkpoint_complete(struct grid_missing *gm)
{
	unsigned long flags;

	if (!gm_checkpoint_complete(&gm->tracker))
		return false;
	GM_LOCK(&gm->tracker, flags);
	gm->counters.checkpoints++;
	GM_UNLOCK(&gm->tracker, flags);
	trace_grid_missing_tracker(gm->id, GM_TRACE_DURABLE_COMPLETED, 0);
	return true;
}
EXPORT_SYMBOL_GPL(grid_missing_checkpoint_complete);

/*
 * Forget every fault and table; on a dm device what is being written becomes
 * aborting.  bind is held for read.  May sleep.  0, -EBUSY.
 */
int gm_cancel_everything(struct grid_missing *gm)
{
	int ret = gm_cancel_all(&gm->tracker, !gm->private);

	if (!ret)
		trace_grid_missing_tracker(gm->id, GM_TRACE_CANCELLED_ALL, 0);
	return ret;
}

/**
 * grid_missing_cancel_all - forget every fault and table
 * @gm: the tracker
 *
 * What is being written becomes aborting; nobody waits for it here.  Ends an
 * open checkpoint once the aborting are gone, and a sync jump.
 *
 * Context: may sleep; lock not held.
 * Return: 0, -EBUSY while what an earlier one made aborting is still there,
 * -EAGAIN while the device is suspended.
 */
int grid_missing_cancel_all(struct grid_missing *gm)
{
	int ret;

	down_read(&gm->bind);
	ret = gm_suspended(gm) ? -EAGAIN : gm_cancel_everything(gm);
	up_read(&gm->bind);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_cancel_all);

/**
 * grid_missing_count - faults now
 * @gm: the tracker
 *
 * Context: any; lock not held; does not sleep.
 * Return: how many faults there are, in whatever state.
 */
u64 grid_missing_count(struct grid_missing *gm)
{
	struct gm_counts c;

	gm_get_counts(&gm->tracker, &c);
	return c.waiting + c.writing + c.aborting;
}
EXPORT_SYMBOL_GPL(grid_missing_count);

/**
 * grid_missing_get_status - counters and capacity
 * @gm: the tracker
 * @st: out: all of it, zero where only the target knows
 *
 * Context: any; lock not held; does not sleep.
 */
void grid_missing_get_status(struct grid_missing *gm,
			     struct grid_missing_status *st)
{
	struct gm_counters n;
	struct gm_counts c;
	unsigned long flags;

	gm_get_counts(&gm->tracker, &c);
	GM_LOCK(&gm->tracker, flags);
	n = gm->counters;
	GM_UNLOCK(&gm->tracker, flags);

	memset(st, 0, sizeof(*st));
	st->size = sizeof(*st);
	if (c.checkpoint)
		st->flags |= GRID_MISSING_STATUS_CHECKPOINT;
	if (c.sync_jump)
		st->flags |= GRID_MISSING_STATUS_SYNC_JUMP;
	if (gm_suspended(gm))
		st->flags |= GRID_MISSING_STATUS_SUSPENDED;
	if (gm->private)
		st->flags |= GRID_MISSING_STATUS_PRIVATE;
	st->id = gm->id;
	st->waiting = c.waiting;
	st->writing = c.writing;
	st->aborting = c.aborting;
	st->blocks_single = c.blocks_single;
	st->blocks_table = c.blocks_table;
	st->tables = c.tables;
	st->tables_free = c.tables_free;
	st->blocks_max = gm->limits.blocks_max;
	st->tables_max = gm->limits.tables_max;
	st->table_values_max = gm->limits.table_values_max;
	st->helpers = grid_missing_helpers(gm);
	st->unavailable = c.unavailable;
	st->repaired = n.repaired;
	st->unverified = n.unverified;
	st->superseded = n.superseded;
	st->verify_failed = n.verify_failed;
	st->write_failed = n.write_failed;
	st->freed = n.freed;
	st->cancelled = n.cancelled;
	st->checkpoints = n.checkpoints;
	st->released = READ_ONCE(gm->released);
	st->checkpoint_taken = READ_ONCE(gm->checkpoint_taken);
	st->block_size = gm->geometry.block_size;
	st->blocks = gm->geometry.blocks;
}
EXPORT_SYMBOL_GPL(grid_missing_get_status);

/* ---- waiting for aborting faults ---- */

static bool gm_idle(struct grid_missing *gm, const u64 *address)
{
	struct gm_counts c;
	unsigned long flags;
	u8 state;

	gm_arm(gm, GM_WAKE_IDLE);
	if (gm_removed(gm))
		return true;
	if (!address) {
		gm_get_counts(&gm->tracker, &c);
		return !c.aborting;
	}
	/* Whoever has bind for write wakes us afterwards. */
	if (!down_read_trylock(&gm->bind))
		return false;
	GM_LOCK(&gm->tracker, flags);
	state = __gm_find(&gm->tracker, *address, NULL);
	GM_UNLOCK(&gm->tracker, flags);
	up_read(&gm->bind);
	return state != GRID_MISSING_STATE_ABORTING;
}

/*
 * Sleep until no fault is aborting, or just the one at @address is not.  What
 * is aborting is being written below, so the lower device bounds this.
 * -ENODEV, -EINTR.
 */
int gm_wait_idle(struct grid_missing *gm, const u64 *address)
{
	if (wait_event_interruptible(gm->idle_wait, gm_idle(gm, address)))
		return -EINTR;
	return gm_removed(gm) ? -ENODEV : 0;
}

/* ---- the module ---- */

static int __init gm_init(void)
{
	int ret;

	gm_debugfs_init();
	ret = gm_device_init();
	if (ret)
		goto err_debugfs;
	return 0;

err_debugfs:
	gm_debugfs_exit();
	return ret;
}

static void __exit gm_exit(void)
{
	gm_device_exit();
	gm_debugfs_exit();
}

module_init(gm_init);
module_exit(gm_exit);

MODULE_DESCRIPTION("The missing blocks of a grid, and their repair");
MODULE_AUTHOR("The grid-missing project");
MODULE_LICENSE("GPL");
