// SPDX-License-Identifier: GPL-2.0
/*
 * Who acts on a tracker: the target that is bound to it while its table is
 * live, and the files that are attached.
 *
 * gm->bind is held for read around every call that needs the target, so that
 * whoever has it for write knows that none is running: a bind, an unbind, a
 * suspend, a removal, a move to another capacity.  gm->suspended is set before,
 * so that later calls turn away instead of queueing behind him.
 *
 * Locks, outermost first: gm_file->lock, gm->bind, gm->helpers_lock,
 * gm->tracker.lock, gm->files_lock; see core.h.
 */
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "core.h"
#include "trace.h"

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
		gm->tracker.recording = ops->record;
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
		gm->tracker.recording = false;
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
	bool changed = READ_ONCE(gm->suspended) != suspended;

	/* First the flag: later calls turn away instead of queueing. */
	WRITE_ONCE(gm->suspended, suspended);
	if (suspended) {
		down_write(&gm->bind);
		up_write(&gm->bind);
	}
	trace_grid_missing_tracker(
		gm->id, suspended ? GM_TRACE_SUSPENDED : GM_TRACE_RESUMED, 0);
	if (changed)
		gm_tell_event(gm,
			      suspended ? GRID_MISSING_WHY_SUSPENDED :
					  GRID_MISSING_WHY_RESUMED,
			      0, 0);
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

/* ---- looking, while nobody moves it ---- */

/* gm_list_faults(); may sleep.  How many, or as gm_begin(). */
int gm_faults(struct grid_missing *gm, u64 *cursor, u32 max,
	      struct grid_missing_fault *out)
{
	int n = gm_begin(gm, false);

	if (n)
		return n;
	n = gm_list_faults(&gm->tracker, cursor, max, out);
	gm_end(gm);
	return n;
}

/* gm_list_range(); likewise. */
int gm_faults_of(struct grid_missing *gm, u64 first, u64 last, u64 *cursor,
		 u32 max, struct grid_missing_fault *out)
{
	int n = gm_begin(gm, false);

	if (n)
		return n;
	n = gm_list_range(&gm->tracker, first, last, cursor, max, out);
	gm_end(gm);
	return n;
}

/* gm_list_tables(); likewise. */
int gm_tables(struct grid_missing *gm, u64 *cursor, u32 max,
	      struct grid_missing_table *out)
{
	int n = gm_begin(gm, false);

	if (n)
		return n;
	n = gm_list_tables(&gm->tracker, cursor, max, out);
	gm_end(gm);
	return n;
}

/* gm_verify() has the lock over all of them: not over more slots, or buckets. */
#define GM_VERIFY_MAX 1048576U

/* gm_verify(); may sleep.  -E2BIG: there are too many. */
int gm_verify_idle(struct grid_missing *gm, char *why, size_t len)
{
	int ret;

	down_read(&gm->bind);
	if (max_t(u64, READ_ONCE(gm->tracker.used), gm->tracker.buckets_count) >
	    GM_VERIFY_MAX) {
		scnprintf(why, len, "too large to be counted under its lock");
		ret = -E2BIG;
	} else {
		ret = gm_verify(&gm->tracker, why, len);
	}
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
