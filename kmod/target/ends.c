// SPDX-License-Identifier: GPL-2.0
/*
 * Ends: blocks that became good by a write that no flush has followed (F1, M2).
 *
 * A repair's fault is gone, and its readers read, as soon as its write has
 * ended; the flush comes after.  Until one has succeeded a record is kept of what
 * the block was.  When one fails, whoever asked for it, the disk may have lost
 * that write, and tells nobody twice: whatever has a record left is missing
 * again.  A write to the block, or another fault of it, takes the record away:
 * what is there now is not ours to undo (D2).  A block with a record may still be
 * missing, where a sync jump has set aside another fault of it (T12).
 *
 *   without metadata   the records are the items of a repair, which is listed
 *                      in grid->repairs until its flush has ended
 *   with metadata      the log has them, until a commit's flush has ended; also
 *                      those of blocks that were superseded
 *
 * Writers learn of a record by a bit in grid->unflushed.  It is a hint: set
 * before the block's bit in grid->missing is cleared, cleared by the first
 * write that finds it, and not when the flush has succeeded.
 *
 *   repair                          write, mapped after the repair
 *   unflushed = 1
 *   wmb                             finds missing == 0
 *   missing = 0                     rmb (grid_is_late())
 *                                   at its end: finds unflushed == 1
 *
 * A block that is to be missing again when the tracker is full is *lost*: its
 * reads fail until a fault goes and it gets the slot, a whole write comes, or it is
 * freed or cancelled.
 *
 * All __ functions want the lock held.
 */
#include "meta_io.h"

/**
 * __grid_end_begin - a missing block is about to be good, by a write
 * @g: the grid
 * @b: the block; it is missing
 */
void __grid_end_begin(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	__grid_end_forget(g, b);
	set_bit(b, g->unflushed);
	/* Pairs with grid_is_late(); litmus: late. */
	smp_wmb();
}

static void __grid_drop_items(struct grid *g, u64 b)
{
	struct grid_repair *rep;
	u32 i;

	list_for_each_entry(rep, &g->repairs, node) {
		if (b < rep->first || b > rep->last)
			continue;
		for (i = 0; i < rep->n; i++)
			if (rep->items[i].address == b)
				rep->items[i].ended = false;
	}
}

/**
 * __grid_end_written - a write to block @b has ended
 * @g: the grid
 * @b: the block; one without a record is no error
 */
void __grid_end_written(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	if (!test_and_clear_bit(b, g->unflushed))
		return;
	if (g->meta)
		gmeta_log_written(&g->meta->log, b);
	else
		__grid_drop_items(g, b);
}

/**
 * __grid_end_forget - block @b is missing for a reason of its own, or good anew
 * @g: the grid
 * @b: the block; one without a record is no error
 */
void __grid_end_forget(struct grid *g, u64 b)
{
	grid_assert_locked(g);
	/* The log sees that for itself. */
	if (!g->meta && test_and_clear_bit(b, g->unflushed))
		__grid_drop_items(g, b);
}

/**
 * __grid_lose - what block @b was made good with may be lost: it is missing
 * @g: the grid
 * @b: the block
 * @sum: what it was, or NULL
 *
 * Return: 0 when it became a fault.
 */
int __grid_lose(struct grid *g, u64 b, const struct grid_missing_checksum *sum)
{
	int r;

	grid_assert_locked(g);
	r = __grid_missing_enqueue_again(g->gm, b, sum);
	if (r >= 0 || r == -ESTALE || r == -EBUSY)
		return r;
	DMWARN_LIMIT(
		"%u:%u: block %llu, whose last write may be lost, has no slot (%d): its reads fail until there is one",
		g->major, g->minor, b, r);
	set_bit(b, g->missing);
	grid_bits_set(&g->lost, b);
	return r;
}

/**
 * __grid_found - a whole write came to a block that may be lost
 * @g: the grid
 * @b: the block
 *
 * Return: whether it was; it is missing no more.
 */
bool __grid_found(struct grid *g, u64 b)
{
	const struct gmeta_fault f = { .address = b };

	grid_assert_locked(g);
	if (!grid_bits_clear(&g->lost, b))
		return false;
	if (g->meta) {
		/* Its log has it as missing. */
		__grid_end_begin(g, b);
		gmeta_log_end(&g->meta->log, &f, false, false);
		gmeta_log_want(&g->meta->log);
		queue_work(g->meta->wq, &g->meta->work);
	}
	return true;
}

/**
 * __grid_flush_failed - the lower device failed a flush, whoever asked for it
 * @g: the grid
 */
void __grid_flush_failed(struct grid *g)
{
	struct grid_repair *rep;

	grid_assert_locked(g);
	if (g->meta) {
		if (gmeta_log_lost(&g->meta->log))
			queue_work(g->meta->wq, &g->meta->work);
		return;
	}
	list_for_each_entry(rep, &g->repairs, node)
		rep->lost |= !rep->durable;
}

/* What is about to be flushed of what is listed: what was written (lock held). */
void __grid_flush_begins(struct grid *g)
{
	struct grid_repair *rep;

	grid_assert_locked(g);
	list_for_each_entry(rep, &g->repairs, node)
		rep->flushing = rep->written;
}

/* ... and it was. */
void __grid_flush_done(struct grid *g)
{
	struct grid_repair *rep;

	grid_assert_locked(g);
	list_for_each_entry(rep, &g->repairs, node)
		rep->durable |= rep->flushing && !rep->lost;
}

/**
 * grid_ends_freed - blocks were freed: what they were is nobody's business now
 * @g: the grid; they are in grid->freed
 *
 * Else a repair that learns only later that its flush had failed would make them
 * missing again, when their discard is through and nothing tells them from others.
 *
 * Context: process; does not sleep.
 */
void grid_ends_freed(struct grid *g)
{
	struct grid_repair *rep;
	unsigned long flags;
	u32 i;

	grid_lock(g, &flags);
	list_for_each_entry(rep, &g->repairs, node)
		for (i = 0; i < rep->n; i++)
			if (rep->items[i].ended &&
			    __grid_is_freed(g, rep->items[i].address))
				rep->items[i].ended = false;
	grid_unlock(g, flags);
}

/**
 * grid_repair_begin - a repair's data is about to be written
 * @g: the grid
 * @rep: its items are set
 */
void grid_repair_begin(struct grid *g, struct grid_repair *rep)
{
	unsigned long flags;
	u32 i;

	rep->first = U64_MAX;
	rep->last = 0;
	for (i = 0; i < rep->n; i++) {
		rep->first = min(rep->first, rep->items[i].address);
		rep->last = max(rep->last, rep->items[i].address);
	}
	grid_lock(g, &flags);
	list_add_tail(&rep->node, &g->repairs);
	grid_unlock(g, flags);
}

/** grid_repair_written - all writes of @rep have ended */
void grid_repair_written(struct grid *g, struct grid_repair *rep)
{
	unsigned long flags;

	grid_lock(g, &flags);
	rep->written = true;
	grid_unlock(g, flags);
}

/* Data of @item is lost: its fault waits, as one whose write failed. */
static void grid_lose_item(struct grid *g, const struct grid_missing_item *item)
{
	struct grid_missing_item again = *item;
	unsigned long flags;
	int r = -ENOENT;

	grid_lock(g, &flags);
	/* A barrier that may still be put off: whether it is freed, it knows. */
	while (item->ended && g->barrier_freeing &&
	       grid_bits_test(&g->taken, item->address)) {
		grid_unlock(g, flags);
		wait_event_timeout(g->barrier_wait,
				   !READ_ONCE(g->barrier_freeing), HZ);
		grid_lock(g, &flags);
	}
	/* What is freed nobody needs any more. */
	if (item->ended && !__grid_is_freed(g, item->address))
		r = __grid_lose(g, item->address,
				item->had_sum ? &item->sum : NULL);
	grid_unlock(g, flags);
	/* It is another fault now. */
	again.serial = 0;
	if (!r && !grid_missing_commence(g->gm, &again))
		grid_missing_failed(g->gm, &again, false);
}

/**
 * grid_repair_finish - a repair's flush has ended, or it needed none
 * @g: the grid
 * @rep: from grid_repair_begin(); if a flush failed, the items whose result was
 *	0 have failed
 *
 * Context: process; may wait for a barrier, which waits for no flush of a repair.
 */
void grid_repair_finish(struct grid *g, struct grid_repair *rep)
{
	unsigned long flags;
	bool lost;
	u32 i;

	grid_lock(g, &flags);
	lost = rep->lost;
	if (!lost)
		list_del(&rep->node);
	grid_unlock(g, flags);
	if (!lost)
		return;
	for (i = 0; i < rep->n; i++) {
		struct grid_missing_item *item = &rep->items[i];

		if (!item->commenced || item->result)
			continue;
		grid_lose_item(g, item);
		item->result = -EIO;
	}
	grid_lock(g, &flags);
	list_del(&rep->node);
	grid_unlock(g, flags);
}

void grid_ends_init(struct grid *g)
{
	INIT_LIST_HEAD(&g->repairs);
}
