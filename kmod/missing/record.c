// SPDX-License-Identifier: GPL-2.0
/*
 * For a target that keeps the map elsewhere (M1, M2): what it is told of every
 * change, and what waits until changes are committed there.
 *
 * The target numbers its commits; who has changed something takes a ticket
 * while the target is bound, lets go of everything, and waits until that is
 * committed, has failed, or the device is gone.  So a commit that takes its
 * time holds up neither a suspend nor a removal.
 *
 * Locks: gm->tracker.lock for what begins with __ and the hooks; gm->bind is
 * held for read by who calls gm_room() and gm_ticket().
 */
#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/wait.h>

#include "core.h"

/* What a sweep's slice may change. */
#define GM_ROOM_SLICE 2048U

void gm_record_init(struct grid_missing *gm)
{
	init_waitqueue_head(&gm->commit_wait);
}

/* ---- the tracker's hooks ---- */

void gm_record(struct gm_tracker *t, u64 address)
{
	struct grid_missing *gm = container_of(t, struct grid_missing, tracker);

	lockdep_assert_held(&t->lock);
	gm->ops->record(gm->priv, address);
}

void gm_record_table(struct gm_tracker *t, u32 s)
{
	struct grid_missing *gm = container_of(t, struct grid_missing, tracker);

	lockdep_assert_held(&t->lock);
	gm->ops->record_table(gm->priv, s);
}

/* Before each slice of a sweep, that a bound target or an ioctl runs. */
void gm_record_room(struct gm_tracker *t)
{
	struct grid_missing *gm = container_of(t, struct grid_missing, tracker);
	const struct grid_missing_ops *ops = READ_ONCE(gm->ops);

	if (ops && ops->room)
		ops->room(gm->priv, GM_ROOM_SLICE, GRID_MISSING_ROOM_WAIT);
}

/* ---- what calls wait for ---- */

/*
 * Room for so many changes, kept until gm_room_done(); bind is held for read, and
 * stays so.  0, -EINTR.
 */
int gm_room(struct grid_missing *gm, u32 changes)
{
	if (!gm->ops || !gm->ops->room)
		return 0;
	return gm->ops->room(gm->priv, changes, GRID_MISSING_ROOM_KEEP);
}

/* Likewise, of who doesn't wait: 0, -EAGAIN. */
int gm_try_room(struct grid_missing *gm, u32 changes)
{
	if (!gm->ops || !gm->ops->room)
		return 0;
	return gm->ops->room(gm->priv, changes, GRID_MISSING_ROOM_TRY);
}

void gm_room_done(struct grid_missing *gm, u32 changes)
{
	if (gm->ops && gm->ops->room_done)
		gm->ops->room_done(gm->priv, changes);
}

/* What gm_wait_committed() waits for; bind is held for read.  0: nothing. */
u64 gm_ticket(struct grid_missing *gm)
{
	if (!gm->ops || !gm->ops->ticket)
		return 0;
	return gm->ops->ticket(gm->priv);
}

/*
 * Sleep until everything up to @ticket is committed; nothing is held.  -EIO,
 * -ENODEV, -EINTR.
 */
int gm_wait_committed(struct grid_missing *gm, u64 ticket)
{
	int ret;

	ret = wait_event_interruptible(gm->commit_wait,
				       READ_ONCE(gm->committed) >= ticket ||
					       READ_ONCE(gm->commit_failed) ||
					       gm_removed(gm));
	if (READ_ONCE(gm->committed) >= ticket)
		return 0;
	if (ret)
		return -EINTR;
	return gm_removed(gm) ? -ENODEV : -EIO;
}

/* A jump has ended: the map need not keep what it dropped (M3). */
void gm_jump_over(struct grid_missing *gm)
{
	if (gm->ops && gm->ops->jump_over)
		gm->ops->jump_over(gm->priv);
}

/* ---- for the target ---- */

/**
 * grid_missing_committed - how far the target's commits have come
 * @gm: the tracker
 * @ticket: everything up to this one of ops->ticket is committed
 * @failed: nothing further is, until it is called again
 *
 * Context: any, also with the lock held: who learns of a state of the target by the
 * lock is to see what belongs to it here.
 */
void grid_missing_committed(struct grid_missing *gm, u64 ticket, bool failed)
{
	WRITE_ONCE(gm->committed, ticket);
	WRITE_ONCE(gm->commit_failed, failed);
	wake_up_all(&gm->commit_wait);
}
EXPORT_SYMBOL_GPL(grid_missing_committed);

/**
 * __grid_missing_record - how a block stands
 * @gm: the tracker
 * @address: the block
 * @out: filled in
 *
 * Context: lock held.
 */
void __grid_missing_record(struct grid_missing *gm, u64 address,
			   struct grid_missing_record *out)
{
	__gm_record(&gm->tracker, address, out);
}
EXPORT_SYMBOL_GPL(__grid_missing_record);

/**
 * __grid_missing_record_table - how a table slot stands
 * @gm: the tracker
 * @slot: which
 * @out: filled in
 *
 * Context: lock held.
 * Return: false beyond the last slot that was ever used.
 */
bool __grid_missing_record_table(struct grid_missing *gm, u32 slot,
				 struct grid_missing_record_table *out)
{
	return __gm_record_table(&gm->tracker, slot, out);
}
EXPORT_SYMBOL_GPL(__grid_missing_record_table);

/**
 * __grid_missing_list_records - all records, some at a time
 * @gm: the tracker
 * @cursor: 0 to begin; U64_MAX at the end
 * @max: room in @out
 * @out: filled in
 *
 * Context: lock held; not across a move to another capacity.
 * Return: how many; may be 0 before the end.
 */
u32 __grid_missing_list_records(struct grid_missing *gm, u64 *cursor, u32 max,
				struct grid_missing_record *out)
{
	return __gm_list_records(&gm->tracker, cursor, max, out);
}
EXPORT_SYMBOL_GPL(__grid_missing_list_records);

/**
 * __grid_missing_enqueue_again - a block is missing after all
 * @gm: the tracker
 * @address: the block
 * @sum: its checksum, or NULL
 *
 * As grid_missing_enqueue(), but ops->enqueue_ok isn't asked.
 *
 * Context: lock held.
 * Return: 0 or GRID_MISSING_DUPLICATE; -ENOSPC; -ESTALE; -EBUSY when it is aborting;
 * -EAGAIN when it is full of what a checkpoint or cancel has not come to.
 */
int __grid_missing_enqueue_again(struct grid_missing *gm, u64 address,
				 const struct grid_missing_checksum *sum)
{
	return __gm_enqueue_block(&gm->tracker, address, sum,
				  GRID_MISSING_WHY_ENQUEUED);
}
EXPORT_SYMBOL_GPL(__grid_missing_enqueue_again);

/**
 * grid_missing_restore_table - a table as it stood
 * @gm: the tracker; nothing was bound to it yet
 * @slot: from 0 on, none left out
 * @r: how it stood
 *
 * Context: any; lock not held.
 * Return: 0; -EINVAL: beyond the limits, or out of turn.
 */
int grid_missing_restore_table(struct grid_missing *gm, u32 slot,
			       const struct grid_missing_record_table *r)
{
	return gm_restore_table(&gm->tracker, slot, r);
}
EXPORT_SYMBOL_GPL(grid_missing_restore_table);

/**
 * grid_missing_restore - a fault as it stood; it waits
 * @gm: the tracker; nothing was bound to it yet, and its tables are there
 * @r: how it stood
 *
 * Context: any; lock not held.
 * Return: 0; -EINVAL: it doesn't fit its table, or is there; -ENOSPC.
 */
int grid_missing_restore(struct grid_missing *gm,
			 const struct grid_missing_record *r)
{
	return gm_restore(&gm->tracker, r);
}
EXPORT_SYMBOL_GPL(grid_missing_restore);
