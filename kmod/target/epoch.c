// SPDX-License-Identifier: GPL-2.0
/*
 * Writes in flight, and the wait until those mapped before have ended (D2).
 *
 * grid->epoch is a number that grows; its lowest bits say which slot of
 * counters is in use.  Every write counts itself in when it is mapped and out
 * when the lower device has ended it, in counters of the CPU it happens to run
 * on, in the slot of the epoch it was mapped in.  grid_drain() begins an epoch
 * in another slot, lets an RCU grace period pass, after which nobody can still
 * enter the old one, and waits until as many came out of it as went in.  This is
 * SRCU's scheme, but the count may be given back on any CPU, in interrupt
 * context, by anybody.
 *
 * A write that is held below for long (a throttled cgroup, a dying disk) does
 * not hold the repairs of everybody: after drain_ms the drain gives up on it. It
 * keeps its slot; later drains use the others, and where none is empty they
 * don't wait.  What is repaired while such a write is under way is stamped with
 * the new epoch.  A write that was given up on finds at its end whether one of
 * its blocks has a newer stamp than its own epoch: the repair's data may be on
 * top of it.  Nobody was told yet that it is through, so it is issued anew,
 * after the repair.  That would do without any wait, but two writes of a sector
 * that are under way at once end in an order which the mirrors of a RAID below
 * need not agree on: so first everything is waited for that ends in good time.
 *
 * Why the grace period (one summed counter could read zero early):
 *
 *   CPU A (map of a write)          CPU B (repair)
 *   rcu_read_lock()
 *   e = epoch (old)
 *                                   fault becomes `writing`
 *                                   epoch = new
 *                                   in[old] == out[old]: "drained"
 *   in[old]++
 *   looks at the bitmap: for a block that became missing after the look
 *   this write is one that the repair must wait for
 *   rcu_read_unlock()
 *
 * With the grace period between the flip and the sums, A's increment is seen.
 */
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>

#include "grid.h"

/* Blocks with the same remainder share a stamp: one may be taken for another. */
#define GRID_STAMPS 16384U
#define GRID_DRAIN_MS_MAX 60000U

static unsigned int drain_ms = 3000;
module_param(drain_ms, uint, 0644);
MODULE_PARM_DESC(
	drain_ms,
	"how long a repair waits for writes that came before it (3000)");

int grid_epoch_init(struct grid *g)
{
	mutex_init(&g->drain_lock);
	init_waitqueue_head(&g->drain_wait);
	/* In the slot 0, and after GRID_NO_EPOCH. */
	g->epoch = GRID_SLOTS;
	g->epochs = alloc_percpu(struct grid_epoch);
	g->stamps = kvcalloc(GRID_STAMPS, sizeof(*g->stamps), GFP_KERNEL);
	if (g->epochs && g->stamps)
		return 0;
	grid_epoch_exit(g);
	return -ENOMEM;
}

void grid_epoch_exit(struct grid *g)
{
	free_percpu(g->epochs);
	g->epochs = NULL;
	kvfree(g->stamps);
	mutex_destroy(&g->drain_lock);
}

/**
 * grid_epoch_enter - count @io in as a write in flight
 * @g: the grid
 * @io: the write
 *
 * Context: RCU read side, which must last until the caller has looked at the
 * bitmap for the first time.
 */
void grid_epoch_enter(struct grid *g, struct grid_io *io)
{
	/* Pairs with the release in grid_drain(): new epoch, new bitmap. */
	u32 e = smp_load_acquire(&g->epoch);

	io->epoch = e;
	this_cpu_inc(g->epochs->in[e % GRID_SLOTS]);
}

/**
 * grid_epoch_leave - count @io out; does nothing when it is not counted in
 * @g: the grid
 * @io: the write
 *
 * Context: any.
 *
 * The read side makes the wake-up certain: grid_drain() sets draining before
 * its grace period, so whoever does not see it has counted itself out before
 * the sums are taken.
 */
void grid_epoch_leave(struct grid *g, struct grid_io *io)
{
	u32 e = io->epoch;

	if (e == GRID_NO_EPOCH)
		return;
	io->epoch = GRID_NO_EPOCH;
	rcu_read_lock();
	this_cpu_inc(g->epochs->out[e % GRID_SLOTS]);
	if (unlikely(READ_ONCE(g->draining)))
		wake_up(&g->drain_wait);
	rcu_read_unlock();
}

static bool grid_slot_empty(struct grid *g, unsigned int slot)
{
	unsigned long in = 0, out = 0;
	int cpu;

	/* Out first: a write that is in both sums or in neither can't hide one. */
	for_each_possible_cpu(cpu)
		out += READ_ONCE(per_cpu_ptr(g->epochs, cpu)->out[slot]);
	smp_rmb(); /* orders the sums */
	for_each_possible_cpu(cpu)
		in += READ_ONCE(per_cpu_ptr(g->epochs, cpu)->in[slot]);
	return in == out;
}

/* An empty slot other than @slot, which nobody enters then; or @slot. */
static unsigned int grid_empty_slot(struct grid *g, unsigned int slot)
{
	unsigned int i;

	for (i = 0; i < GRID_SLOTS; i++)
		if (i != slot && grid_slot_empty(g, i))
			return i;
	return slot;
}

/* Is a write under way that was mapped before the epoch in @slot began? */
static bool grid_given_up(struct grid *g, unsigned int slot)
{
	unsigned int i;

	for (i = 0; i < GRID_SLOTS; i++)
		if (i != slot && !grid_slot_empty(g, i))
			return true;
	return false;
}

/* The wait; true: all writes of @slot have ended. */
static bool grid_wait_slot(struct grid *g, unsigned int slot)
{
	unsigned int ms = min(READ_ONCE(drain_ms), GRID_DRAIN_MS_MAX);

	return wait_event_timeout(g->drain_wait, grid_slot_empty(g, slot),
				  msecs_to_jiffies(ms));
}

/**
 * grid_drain - before repair data is submitted: what of earlier writes?
 * @g: the grid
 * @items: what is to be written
 * @n: how many
 *
 * When it returns, every write that was mapped before this call has ended, or
 * will look at the stamps of @items when it ends.
 *
 * Context: process, sleeps for drain_ms at most (times those who wait for
 * drain_lock).  Neither the lock nor an uncounted write of the caller's own may
 * be held.
 */
void grid_drain(struct grid *g, const struct grid_missing_item *items, u32 n)
{
	unsigned int was, slot;
	u32 old, new, i;
	bool all = true;

	mutex_lock(&g->drain_lock);
	old = g->epoch;
	was = old % GRID_SLOTS;
	slot = grid_empty_slot(g, was);
	new = round_down(old, GRID_SLOTS) + GRID_SLOTS + slot;
	if (new < GRID_SLOTS)
		new += GRID_SLOTS;
	WRITE_ONCE(g->draining, true);
	/* Pairs with grid_epoch_enter(). */
	smp_store_release(&g->epoch, new);
	if (slot != was) {
		synchronize_rcu_expedited();
		all = grid_wait_slot(g, was);
	}
	WRITE_ONCE(g->draining, false);
	WRITE_ONCE(g->late, old);
	if (slot == was || grid_given_up(g, slot))
		for (i = 0; i < n; i++)
			if (items[i].commenced)
				WRITE_ONCE(g->stamps[items[i].address %
						     GRID_STAMPS],
					   new);
	/*
	 * All before the repair ends and clears the bit in the bitmap: pairs
	 * with grid_is_late(); litmus: late.
	 */
	smp_wmb();
	mutex_unlock(&g->drain_lock);
	if (!all)
		DMWARN_LIMIT(
			"%u:%u: the lower device holds writes for more than %u ms: repairs go on beside them",
			g->major, g->minor, READ_ONCE(drain_ms));
}

/**
 * __grid_passed - was a block of @io repaired while @io was under way?
 * @g: the grid
 * @io: a write, counted in
 *
 * Context: the lock is held: a repair that has ended took it after it stamped.
 * Return: false only if none was.
 */
bool __grid_passed(struct grid *g, const struct grid_io *io)
{
	u64 b = grid_first(g, io);
	u64 last = min(grid_last(g, io), b + GRID_STAMPS - 1);

	grid_assert_locked(g);
	if (!grid_is_late(g, io))
		return false;
	for (; b <= last; b++)
		if (grid_epoch_after(READ_ONCE(g->stamps[b % GRID_STAMPS]),
				     io->epoch))
			return true;
	return false;
}
