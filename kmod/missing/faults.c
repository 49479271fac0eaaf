// SPDX-License-Identifier: GPL-2.0
/*
 * What a target does with the faults of its tracker: most of what
 * include/linux/grid_missing.h exports, and what the ioctls share of it.
 *
 * Calls that begin with __ want the tracker's lock, as in a bio's end_io.  The
 * others are for messages (which never wait: they try gm->bind and else answer
 * EAGAIN), for repairs, which ops->repair makes while its caller holds
 * gm->bind, and for checkpoints.
 *
 * Locks, outermost first: gm->bind, gm->tracker.lock; see core.h.
 */
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/rwsem.h>
#include <linux/string.h>

#include "core.h"
#include "trace.h"

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

#ifdef CONFIG_LOCKDEP
/**
 * grid_missing_assert_locked - complain when the tracker's lock is not held
 * @gm: the tracker
 */
void grid_missing_assert_locked(const struct grid_missing *gm)
{
	lockdep_assert_held(&gm->tracker.lock);
}
EXPORT_SYMBOL_GPL(grid_missing_assert_locked);
#endif

/**
 * __grid_missing_find - the state of a block
 * @gm: the tracker
 * @address: the block
 * @flags: out: its GRID_MISSING_F_*, 0 when there is no fault; may be NULL
 *
 * What a sweep is about to do there is done: up to three changes.
 *
 * Context: lock held.
 * Return: enum grid_missing_state, GRID_MISSING_STATE_GONE when the block is
 * not a fault.
 */
u8 __grid_missing_find(struct grid_missing *gm, u64 address, u32 *flags)
{
	struct grid_missing_fault info = {};
	u8 state;

	lockdep_assert_held(&gm->tracker.lock);
	state = __gm_find(&gm->tracker, address, flags ? &info : NULL);
	if (flags)
		*flags = info.flags;
	return state;
}
EXPORT_SYMBOL_GPL(__grid_missing_find);

/**
 * __grid_missing_peek - likewise, for who has no room for changes
 * @gm: the tracker
 * @address: the block
 * @flags: out: its GRID_MISSING_F_*, 0 when there is no fault
 * @freed: out: there is one, but a checkpoint is about to take it
 *
 * Context: lock held.
 * Return: as __grid_missing_find(); what a sweep is about to take is gone.
 */
u8 __grid_missing_peek(struct grid_missing *gm, u64 address, u32 *flags,
		       bool *freed)
{
	struct grid_missing_fault info = {};
	u8 state;

	lockdep_assert_held(&gm->tracker.lock);
	state = __gm_peek(&gm->tracker, address, &info, freed);
	*flags = info.flags;
	return state;
}
EXPORT_SYMBOL_GPL(__grid_missing_peek);

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
	lockdep_assert_held(&gm->tracker.lock);
	/* It joins the never-requested: due at once, and no change tells so. */
	if (!readers)
		__gm_wake(gm, GM_WAKE_WORK);
	return __gm_set_readers(&gm->tracker, address, readers);
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
	lockdep_assert_held(&gm->tracker.lock);
	return __gm_set_wanted(&gm->tracker, address);
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
 * May @address be enqueued on this tracker, @as what it is: 0, -ERANGE, -EBUSY,
 * -ENOSPC, -EAGAIN, also while no target is there to say.  Lock held.
 */
int __gm_enqueue_ok(struct grid_missing *gm, u64 address,
		    enum grid_missing_as as)
{
	lockdep_assert_held(&gm->tracker.lock);
	if (gm->private)
		return 0;
	if (address >= gm->geometry.blocks)
		return -ERANGE;
	if (!gm->ops)
		return -EAGAIN;
	if (!gm->ops->enqueue_ok)
		return 0;
	return gm->ops->enqueue_ok(gm->priv, address, as);
}

/* The tracker's hook: the same of tables and their values.  Lock held. */
int gm_may_enqueue(struct gm_tracker *t, u64 address, enum grid_missing_as as)
{
	return __gm_enqueue_ok(container_of(t, struct grid_missing, tracker),
			       address, as);
}

/*
 * An enqueue met a full tracker: say which maximum it was, and what twice as
 * much would take (D9).  Context: any; lock not held.
 */
void gm_say_full(struct grid_missing *gm, bool table)
{
	struct gm_limits more = gm->tracker.limits;
	u64 bytes = gm_tracker_bytes(&more);
	struct gm_counts c;
	u32 *max, was;

	/* What counts for blocks_max besides the tracker's, the target knows. */
	gm_get_counts(&gm->tracker, &c);
	table &= c.tables >= more.tables_max;
	max = table ? &more.tables_max : &more.blocks_max;
	was = *max;
	*max = min_t(u64, 2 * (u64)was, U32_MAX);
	pr_warn_ratelimited(
		"grid_missing: %s: full: %s:%u is reached; %s:%u would take %llu KiB more: load a table with it, or reclaim and repair\n",
		gm->name, table ? "tables_max" : "blocks_max", was,
		table ? "tables_max" : "blocks_max", *max,
		(gm_tracker_bytes(&more) - bytes) >> 10);
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
 * discard is not through), -ESTALE, -ENOSPC, -EAGAIN when nothing is bound, the
 * device is suspended, or its metadata has more to write than it has room for.
 */
int grid_missing_enqueue(struct grid_missing *gm, u64 address,
			 const struct grid_missing_checksum *sum)
{
	unsigned long flags;
	int ret;

	if (!gm_try_begin(gm))
		return -EAGAIN;
	ret = gm_try_room(gm, GM_ROOM_ONE);
	if (ret)
		goto out_end;
	GM_LOCK(&gm->tracker, flags);
	ret = __gm_enqueue_ok(gm, address, GRID_MISSING_AS_BLOCK);
	if (!ret)
		ret = __gm_enqueue_block(&gm->tracker, address, sum,
					 GRID_MISSING_WHY_ENQUEUED);
	GM_UNLOCK(&gm->tracker, flags);
	gm_room_done(gm, GM_ROOM_ONE);
	/* A message waits for nothing, but begins it (M2). */
	gm_ticket(gm);
out_end:
	gm_end(gm);
	if (ret == -ENOSPC)
		gm_say_full(gm, false);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_enqueue);

/*
 * Forget what the target alone keeps missing; bind is held for read.  Returns how
 * many that were.
 */
static u64 gm_cancel_slotless(struct grid_missing *gm, u64 first, u64 last)
{
	if (!gm->ops || !gm->ops->cancel)
		return 0;
	return gm->ops->cancel(gm->priv, first, last);
}

/*
 * Forget one fault, or what is missing without one.  bind is held for read; room
 * was asked for.  Doesn't sleep.  0, -ENOENT, -EBUSY when it is aborting already.
 */
int gm_cancel_one(struct grid_missing *gm, u64 address)
{
	int ret = gm_cancel(&gm->tracker, address, !gm->private);

	if (ret == -ENOENT && gm_cancel_slotless(gm, address, address))
		return 0;
	return ret;
}

/**
 * grid_missing_cancel - forget one fault, says a message
 * @gm: the tracker
 * @address: the block; an index cancels its table
 *
 * What is being written becomes aborting; nobody waits for it here.
 *
 * Context: process; lock not held; does not sleep.
 * Return: 0, -ENOENT, -EBUSY when it is aborting already, -EAGAIN as
 * grid_missing_enqueue().
 */
int grid_missing_cancel(struct grid_missing *gm, u64 address)
{
	int ret;

	if (!gm_try_begin(gm))
		return -EAGAIN;
	ret = gm_try_room(gm, GM_ROOM_ONE);
	if (!ret) {
		ret = gm_cancel_one(gm, address);
		gm_room_done(gm, GM_ROOM_ONE);
	}
	gm_end(gm);
	return ret;
}
EXPORT_SYMBOL_GPL(grid_missing_cancel);

/**
 * grid_missing_commence - a block's data is about to be written
 * @gm: the tracker
 * @item: address, stated checksum, and which fault it is for
 *
 * Context: from within ops->repair; lock not held; does not sleep.
 * Return: 0; -ENOENT, -ESTALE, -EBUSY when it is not waiting, -EAGAIN.
 */
int grid_missing_commence(struct grid_missing *gm,
			  const struct grid_missing_item *item)
{
	return gm_repair_commence(&gm->tracker, item->address,
				  item->has_sum ? &item->sum : NULL,
				  item->serial, GM_OWNER_KERNEL, gm_now_ms());
}
EXPORT_SYMBOL_GPL(grid_missing_commence);

/**
 * __grid_missing_complete - a block's data is written
 * @gm: the tracker
 * @item: what was commenced, with an index's values
 *
 * Context: from within ops->repair; lock held.
 * Return: 0: the fault is gone.  -ECANCELED: it was freed or cancelled
 * meanwhile, and is gone.  Anything else: the list of values is bad (-E2BIG,
 * -EEXIST, -ESTALE, -EBUSY, -EINVAL, -ERANGE) and the fault is still writing:
 * call grid_missing_failed().
 */
int __grid_missing_complete(struct grid_missing *gm,
			    const struct grid_missing_item *item)
{
	static const struct grid_missing_value none;
	const struct grid_missing_value *values = NULL;

	lockdep_assert_held(&gm->tracker.lock);
	if (item->is_index)
		values = item->values_count ? item->values : &none;
	return __gm_repair_complete(&gm->tracker, item->address,
				    item->has_sum ? &item->sum : NULL,
				    GM_OWNER_KERNEL, values,
				    item->values_count);
}
EXPORT_SYMBOL_GPL(__grid_missing_complete);

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
	bool freed;
	u8 state;

	GM_LOCK(&gm->tracker, flags);
	gm->counters.verify_failed++;
	state = __gm_peek(&gm->tracker, address, NULL, &freed);
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

/* A checkpoint is becoming durable; so its end is told as well. */
void gm_tell_commenced(struct grid_missing *gm, u64 id, u64 count)
{
	unsigned long flags;

	GM_LOCK(&gm->tracker, flags);
	gm->commence_told = true;
	gm->commence_id = id;
	__gm_tell(gm, GRID_MISSING_WHY_CHECKPOINT_COMMENCED, id, count);
	GM_UNLOCK(&gm->tracker, flags);
}

/**
 * __grid_missing_jumping - is a sync jump open, and not landing for good
 * @gm: the tracker
 *
 * Context: lock held.
 */
bool __grid_missing_jumping(struct grid_missing *gm)
{
	lockdep_assert_held(&gm->tracker.lock);
	return gm->tracker.jump;
}
EXPORT_SYMBOL_GPL(__grid_missing_jumping);

/**
 * __grid_missing_single - how many single faults there are, aborting ones too
 * @gm: the tracker
 *
 * Context: lock held.
 */
u32 __grid_missing_single(struct grid_missing *gm)
{
	lockdep_assert_held(&gm->tracker.lock);
	return gm->tracker.single;
}
EXPORT_SYMBOL_GPL(__grid_missing_single);

/**
 * __grid_missing_checkpoint_told - tell of a checkpoint that the target has
 * @gm: the tracker
 * @id: the one that was taken, or 0: all releases were reverted
 *
 * Context: lock held.
 */
void __grid_missing_checkpoint_told(struct grid_missing *gm, u64 id)
{
	lockdep_assert_held(&gm->tracker.lock);
	__gm_tell(gm,
		  id ? GRID_MISSING_WHY_CHECKPOINT_TAKEN :
		       GRID_MISSING_WHY_CHECKPOINT_REVERTED,
		  id, 0);
}
EXPORT_SYMBOL_GPL(__grid_missing_checkpoint_told);

/**
 * __grid_missing_checkpoint_durable - the checkpoint that was commenced last is durable
 * @gm: the tracker
 *
 * It is counted, and told if its begin was.
 *
 * Context: lock held.
 */
void __grid_missing_checkpoint_durable(struct grid_missing *gm)
{
	lockdep_assert_held(&gm->tracker.lock);
	gm->counters.checkpoints++;
	if (gm->commence_told)
		__gm_tell(gm, GRID_MISSING_WHY_CHECKPOINT_DURABLE,
			  gm->commence_id, 0);
	gm->commence_told = false;
	trace_grid_missing_tracker(gm->id, GM_TRACE_DURABLE_COMPLETED, 0);
}
EXPORT_SYMBOL_GPL(__grid_missing_checkpoint_durable);

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
	unsigned long flags;
	int ret;

	gm_record_room(&gm->tracker);
	ret = gm_checkpoint_commence(&gm->tracker, &s.set);
	if (ret)
		return ret;
	trace_grid_missing_tracker(gm->id, GM_TRACE_DURABLE_COMMENCED,
				   set->count);
	/* Most flushes free nothing. */
	if (set->count) {
		gm_tell_commenced(gm, set->id, set->count);
	} else {
		/* Another one was, and has failed, if it isn't this one. */
		GM_LOCK(&gm->tracker, flags);
		gm->commence_told &= set->id && gm->commence_id == set->id;
		GM_UNLOCK(&gm->tracker, flags);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(grid_missing_checkpoint_commence);

/**
 * grid_missing_checkpoint_complete - are all writes of freed blocks over?
 * @gm: the tracker
 *
 * On a device the checkpoint is not durable by that: its target tells when it is, by
 * __grid_missing_checkpoint_durable().
 *
 * Context: any; lock not held; does not sleep.
 * Return: 0: nothing is aborting, the checkpoint is closed.  -EAGAIN: not yet:
 * ask again after a change() from aborting.  -EINVAL: none is open: a cancel
 * has closed it.
 */
int grid_missing_checkpoint_complete(struct grid_missing *gm)
{
	unsigned long flags;
	int ret = gm_checkpoint_complete(&gm->tracker);

	if (ret)
		return ret;
	GM_LOCK(&gm->tracker, flags);
	if (gm->private)
		__grid_missing_checkpoint_durable(gm);
	GM_UNLOCK(&gm->tracker, flags);
	return 0;
}
EXPORT_SYMBOL_GPL(grid_missing_checkpoint_complete);

/* A cancel that others always come before gives up after so long. */
#define GM_CANCEL_TRIES (2 * HZ)

/*
 * Forget every fault and table, and what is missing without one; on a dm device
 * what is being written becomes aborting.  bind is held for read.  May sleep.  0,
 * -EBUSY: then ask again, some may be forgotten.
 */
int gm_cancel_everything(struct grid_missing *gm)
{
	unsigned long end = jiffies + GM_CANCEL_TRIES;
	int ret;

	/* Then nothing is done at all. */
	if (gm_is_swept(&gm->tracker))
		return -EBUSY;
	/* First, or they would get the slots that become free. */
	gm_cancel_slotless(gm, 0, U64_MAX);
	gm_record_room(&gm->tracker);
	/* One that has begun meanwhile ends by itself; but there may be others. */
	while ((ret = gm_cancel_all(&gm->tracker, !gm->private)) == -EBUSY &&
	       time_before(jiffies, end) && !fatal_signal_pending(current) &&
	       !gm_suspended(gm))
		schedule_timeout_uninterruptible(1);
	if (ret)
		return ret;
	gm_jump_over(gm);
	trace_grid_missing_tracker(gm->id, GM_TRACE_CANCELLED_ALL, 0);
	return 0;
}

/**
 * grid_missing_cancel_all - forget every fault and table
 * @gm: the tracker
 *
 * What is being written becomes aborting; nobody waits for it here.  Ends an
 * open checkpoint once the aborting are gone, and a sync jump.
 *
 * Context: may sleep, but not for a suspend, which may wait for what the caller's
 * queue is to do next; lock not held.
 * Return: 0; -EBUSY while a checkpoint, a sync jump or another cancel is being
 * carried out; -EAGAIN while the device is suspended, or about to be.
 */
int grid_missing_cancel_all(struct grid_missing *gm)
{
	int ret;

	if (!gm_try_begin(gm))
		return -EAGAIN;
	ret = gm_cancel_everything(gm);
	gm_end(gm);
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
		st->state |= GRID_MISSING_STATUS_CHECKPOINT;
	if (c.sync_jump)
		st->state |= GRID_MISSING_STATUS_SYNC_JUMP;
	if (gm_suspended(gm))
		st->state |= GRID_MISSING_STATUS_SUSPENDED;
	if (gm->private)
		st->state |= GRID_MISSING_STATUS_PRIVATE;
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
	st->unverified = c.unverified;
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
