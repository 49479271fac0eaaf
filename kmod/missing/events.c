// SPDX-License-Identifier: GPL-2.0
/*
 * What is told of a tracker: counters, tracepoints, a ring of events, and
 * waking those who sleep for one of them.
 *
 * Everything that happens to a fault comes by one function, gm_change(), under
 * the tracker's lock.  It counts, writes the event with the process whose ioctl
 * is under way, tells the target, and wakes.  What happens to many at once, or
 * to the whole, is one event.  The ring keeps the last events for files that
 * read slower (device_events.c); each has its own cursor.
 *
 * Locks: gm->tracker.lock guards all of it but the list of files, which has
 * gm->files_lock.  Nobody is woken under the former: see __gm_wake().
 */
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "core.h"
#include "trace.h"

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
void __gm_wake(struct grid_missing *gm, unsigned int what)
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
	const __poll_t key = EPOLLIN | EPOLLRDNORM;
	struct gm_file *f;
	struct gm_reader *r;
	unsigned long flags;
	unsigned int what;

	GM_LOCK(&gm->tracker, flags);
	what = gm->waking;
	gm->waking = 0;
	GM_UNLOCK(&gm->tracker, flags);

	if (what & (GM_WAKE_WORK | GM_WAKE_EVENT)) {
		spin_lock_irqsave(&gm->files_lock, flags);
		if (what & GM_WAKE_WORK)
			list_for_each_entry(f, &gm->files, node)
				wake_up_interruptible_poll(&f->wait, key);
		if (what & GM_WAKE_EVENT)
			list_for_each_entry(r, &gm->readers, node)
				wake_up_interruptible_poll(&r->wait, key);
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
	struct gm_reader *r;
	unsigned long flags;

	spin_lock_irqsave(&gm->files_lock, flags);
	list_for_each_entry(f, &gm->files, node)
		wake_up_all(&f->wait);
	list_for_each_entry(r, &gm->readers, node)
		wake_up_all(&r->wait);
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

/* A record in the ring.  Lock held. */
static void __gm_record_event(struct grid_missing *gm, u32 who, u8 why,
			      u64 address, u64 count, u8 state)
{
	struct gm_event *e;

	e = &gm->events[++gm->event_last & (GM_EVENTS - 1)];
	e->time_ns = ktime_get_boottime_ns();
	e->address = address;
	e->count = count;
	e->who = who;
	e->why = why;
	e->state = state;
	__gm_wake(gm, GM_WAKE_EVENT);
}

/* An event at a fault, for whoever reads them.  Lock held. */
void __gm_event(struct grid_missing *gm, u64 address, u8 from, u8 to, u8 why)
{
	u32 who = __gm_who(gm);

	trace_grid_missing_change(gm->id, address, from, to, why, who);
	__gm_record_event(gm, who, why, address, 1, to);
}

/* An event of more than one block: what @why says.  Lock held. */
void __gm_tell(struct grid_missing *gm, u8 why, u64 address, u64 count)
{
	__gm_record_event(gm, __gm_who(gm), why, address, count,
			  GRID_MISSING_STATE_GONE);
}

void gm_tell_event(struct grid_missing *gm, u8 why, u64 address, u64 count)
{
	unsigned long flags;

	GM_LOCK(&gm->tracker, flags);
	__gm_tell(gm, why, address, count);
	GM_UNLOCK(&gm->tracker, flags);
}

/* The tracker's hook: lock held, interrupts off. */
void gm_table_event(struct gm_tracker *t, u8 why, u64 address, u64 count)
{
	__gm_tell(container_of(t, struct grid_missing, tracker), why, address,
		  count);
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
void gm_change(struct gm_tracker *t, const struct gm_change *c)
{
	struct grid_missing *gm = container_of(t, struct grid_missing, tracker);
	unsigned int wake = 0;

	lockdep_assert_held(&t->lock);

	__gm_count(gm, c);
	if (likely(!c->part))
		__gm_event(gm, c->address, c->from, c->to, c->why);
	else
		trace_grid_missing_change(gm->id, c->address, c->from, c->to,
					  c->why, __gm_who(gm));
	if (gm->ops && gm->ops->change)
		gm->ops->change(gm->priv, c->address, c->from, c->to, c->why);
	if (c->to == GRID_MISSING_STATE_WAITING)
		wake |= GM_WAKE_WORK;
	if (c->from == GRID_MISSING_STATE_ABORTING)
		wake |= GM_WAKE_IDLE;
	__gm_wake(gm, wake);
}

/* 0, -ENOMEM.  Nobody else sees @gm yet. */
int gm_events_init(struct grid_missing *gm)
{
	INIT_LIST_HEAD(&gm->calls);
	init_irq_work(&gm->wake_work, gm_wake_work);
	spin_lock_init(&gm->files_lock);
	INIT_LIST_HEAD(&gm->files);
	INIT_LIST_HEAD(&gm->readers);
	init_waitqueue_head(&gm->idle_wait);
	gm->events =
		kvcalloc(GM_EVENTS, sizeof(*gm->events), GFP_KERNEL_ACCOUNT);
	return gm->events ? 0 : -ENOMEM;
}

/* Nobody uses @gm any more. */
void gm_events_exit(struct grid_missing *gm)
{
	irq_work_sync(&gm->wake_work);
	kvfree(gm->events);
}

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
		out[n].count = e->count;
		out[n].who = e->who;
		out[n].state = e->state;
		++*cursor;
		n++;
	}
	GM_UNLOCK(&gm->tracker, flags);
	return n;
}

/* @r reads what comes from now on; it has a reference to @gm. */
int gm_add_reader(struct grid_missing *gm, struct gm_reader *r)
{
	unsigned long flags;
	int ret = -EMFILE;

	r->gm = gm;
	GM_LOCK(&gm->tracker, flags);
	r->cursor = gm->event_last + 1;
	GM_UNLOCK(&gm->tracker, flags);

	spin_lock_irqsave(&gm->files_lock, flags);
	if (gm->readers_count < GM_READERS_MAX) {
		gm->readers_count++;
		list_add_tail(&r->node, &gm->readers);
		ret = 0;
	}
	spin_unlock_irqrestore(&gm->files_lock, flags);
	return ret;
}

/* Nobody else uses @r any more. */
void gm_del_reader(struct gm_reader *r)
{
	unsigned long flags;

	spin_lock_irqsave(&r->gm->files_lock, flags);
	list_del(&r->node);
	r->gm->readers_count--;
	spin_unlock_irqrestore(&r->gm->files_lock, flags);
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

/* ---- waiting for aborting faults ---- */

static bool gm_idle(struct grid_missing *gm, const u64 *address)
{
	struct gm_counts c;
	unsigned long flags;
	bool freed;
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
	state = __gm_peek(&gm->tracker, *address, NULL, &freed);
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
