// SPDX-License-Identifier: GPL-2.0
/*
 * Writes in flight, and the wait until those mapped before have ended (D2).
 *
 * Every write counts itself in when it is mapped and out when the lower
 * device has ended it, in counters of the CPU it happens to run on, of the
 * epoch (0 or 1) it was mapped in.  grid_drain() flips the epoch, lets an RCU
 * grace period pass, after which nobody can still enter the old one, and waits
 * until as many came out of it as went in.  This is SRCU's scheme, but the
 * count may be given back on any CPU, in interrupt context, by anybody.
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
#include <linux/rcupdate.h>

#include "grid.h"

int grid_epoch_init(struct grid *g)
{
	mutex_init(&g->drain_lock);
	init_waitqueue_head(&g->drain_wait);
	g->epochs = alloc_percpu(struct grid_epoch);
	return g->epochs ? 0 : -ENOMEM;
}

void grid_epoch_exit(struct grid *g)
{
	free_percpu(g->epochs);
	g->epochs = NULL;
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
	unsigned int e = smp_load_acquire(&g->epoch);

	io->epoch = e;
	this_cpu_inc(g->epochs->in[e]);
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
	unsigned int e = io->epoch;

	if (e == GRID_NO_EPOCH)
		return;
	io->epoch = GRID_NO_EPOCH;
	rcu_read_lock();
	this_cpu_inc(g->epochs->out[e]);
	if (unlikely(READ_ONCE(g->draining)))
		wake_up(&g->drain_wait);
	rcu_read_unlock();
}

static bool grid_epoch_empty(struct grid *g, unsigned int e)
{
	unsigned long in = 0, out = 0;
	int cpu;

	/* Out first: a write that is in both sums or in neither can't hide one. */
	for_each_possible_cpu(cpu)
		out += READ_ONCE(per_cpu_ptr(g->epochs, cpu)->out[e]);
	smp_rmb(); /* orders the sums */
	for_each_possible_cpu(cpu)
		in += READ_ONCE(per_cpu_ptr(g->epochs, cpu)->in[e]);
	return in == out;
}

/**
 * grid_drain - wait until every write mapped before this call has ended
 * @g: the grid
 *
 * Context: process, may sleep; bounded by the lower device.  Neither the lock
 * nor an uncounted write of the caller's own may be held.
 */
void grid_drain(struct grid *g)
{
	unsigned int old;

	mutex_lock(&g->drain_lock);
	old = g->epoch;
	WRITE_ONCE(g->draining, true);
	/* Pairs with grid_epoch_enter(). */
	smp_store_release(&g->epoch, !old);
	synchronize_rcu_expedited();
	/* In turns of a second: a slow disk is no hung task. */
	while (!wait_event_timeout(g->drain_wait, grid_epoch_empty(g, old), HZ))
		;
	WRITE_ONCE(g->draining, false);
	mutex_unlock(&g->drain_lock);
}
