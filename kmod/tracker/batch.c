// SPDX-License-Identifier: GPL-2.0
/*
 * What is handed out, in which order and when (T5); and what others say that
 * changes it: readers, read-ahead, unavailable and retry (D3).
 *
 * Every class of faults (readers, wanted, the rest) has two queues: the
 * never-requested, in the order they came, and the requested, by the time they
 * were handed out.  A batch comes from their heads, so that it costs nothing
 * for what is being written.  What failed waits in one queue a delay, which
 * makes each of them ordered by time as well.
 *
 * Lock: the tracker's; see tracker.h.
 */
#include <linux/errno.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/prefetch.h>
#include "private.h"

static const u32 gm_backoff_ms[GM_LEVELS] = { 1000,  2000,  4000, 8000,
					      16000, 32000, 60000 };

/*
 * Queues.
 */

/* To the tail of the never-requested, from no queue (T5). */
void gm_join(struct gm_tracker *t, u32 slot)
{
	struct gm_fault *f = &t->faults[slot];

	gm_set_pos(f, GM_POS_NEVER);
	gm_push(t, &gm_side(t, f)->never[gm_class(f)], slot);
}

/*
 * Into a requested queue by its time: what was handed out before it gained
 * readers keeps its place in time, or a minimum age would not hold.  Looks
 * from both ends; far from both it settles for a place too far in front: it
 * may then keep those behind it waiting, but at most for one minimum age.
 */
static void gm_sort(struct gm_tracker *t, struct gm_queue *q, u32 slot)
{
	u32 age = gm_age(t, slot), front = q->head, back = q->tail, steps;

	for (steps = GM_SORT_STEPS; back != GM_NIL; steps--) {
		if (gm_age(t, back) >= age)
			break;
		if (gm_age(t, front) < age) {
			back = t->links[front].prev;
			break;
		}
		if (!steps) {
			t->unsorted = true;
			back = t->links[front].prev;
			break;
		}
		back = t->links[back].prev;
		front = t->links[front].next;
	}

	/* After @back; in front of all when that is GM_NIL. */
	front = back == GM_NIL ? q->head : t->links[back].next;
	t->links[slot].prev = back;
	t->links[slot].next = front;
	if (back == GM_NIL)
		q->head = slot;
	else
		t->links[back].next = slot;
	if (front == GM_NIL)
		q->tail = slot;
	else
		t->links[front].prev = slot;
	q->count++;
}

/*
 * Batches.
 */

/*
 * The level whose back-off ends first, GM_NIL when there is none; *@ms: from
 * now, negative when it is over.
 */
static u32 gm_first_due(const struct gm_tracker *t, const struct gm_side *s,
			s64 *ms)
{
	u32 i, first = GM_NIL;

	for (i = 0; i < GM_LEVELS; i++) {
		s64 in;

		if (!s->backoff[i].count)
			continue;
		in = (s64)gm_backoff_ms[i] - gm_age(t, s->backoff[i].head);
		if (first == GM_NIL || in < *ms) {
			first = i;
			*ms = in;
		}
	}
	return first;
}

/*
 * Those whose back-off is over join the never-requested, longest overdue
 * first; no more than could be handed out now.
 */
static void gm_end_backoff(struct gm_tracker *t, struct gm_side *s, u32 max)
{
	u32 level, slot;
	s64 ms;

	while (max--) {
		level = gm_first_due(t, s, &ms);
		if (level == GM_NIL || ms > 0)
			return;
		slot = s->backoff[level].head;
		if (unlikely(t->special) && gm_settle(t, slot))
			continue;
		gm_unlink(t, &s->backoff[level], slot);
		gm_join(t, slot);
	}
}

/* How many of @want could be handed out. */
static u32 gm_eligible(const struct gm_tracker *t, const struct gm_queue *never,
		       const struct gm_queue *requested, u32 want, u32 min_age)
{
	u32 n = min(never->count, want), slot;

	if (n == want || !requested->count)
		return n;
	if (gm_age(t, requested->tail) >= min_age && !t->unsorted)
		return min(want, n + requested->count);
	for (slot = requested->head; slot != GM_NIL && n < want; n++) {
		if (gm_age(t, slot) < min_age)
			break;
		slot = t->links[slot].next;
	}
	return n;
}

/*
 * Hand out @n from @slot on; returns the last of them.  They stay linked.
 * Read-ahead's wish has been fulfilled by that: what is wanted, but can't be
 * served, must not come before the others for ever.
 */
static inline u32 gm_hand_out(struct gm_tracker *t, u32 slot, u32 n,
			      enum gm_class cls,
			      struct grid_missing_fault **out)
{
	const u32 clear = GM_W_WHEN | GM_W_POS |
			  (cls == GM_CLASS_WANTED ? GM_W_WANTED : 0);
	const u32 now = t->now;
	u32 ahead = slot, last = slot, i;

	for (i = 0; i < 4 && ahead != GM_NIL; i++) {
		prefetchw(&t->faults[ahead]);
		ahead = t->links[ahead].next;
	}
	while (n--) {
		struct gm_fault *f = &t->faults[slot];

		if (ahead != GM_NIL) {
			prefetchw(&t->faults[ahead]);
			ahead = t->links[ahead].next;
		}
		gm_fill(t, slot, (*out)++);
		f->word = (f->word & ~clear) | GM_POS_REQUESTED |
			  now << GM_W_WHEN_SHIFT;
		t->when_hi[slot] = now >> 16;
		last = slot;
		slot = t->links[slot].next;
	}
	return last;
}

/* Take the run of @n from @first to @last out of @q. */
static void gm_cut(struct gm_tracker *t, struct gm_queue *q, u32 first,
		   u32 last, u32 n)
{
	u32 prev = t->links[first].prev, next = t->links[last].next;

	if (prev == GM_NIL)
		q->head = next;
	else
		t->links[prev].next = next;
	if (next == GM_NIL)
		q->tail = prev;
	else
		t->links[next].prev = prev;
	q->count -= n;
}

static u32 gm_random(struct gm_tracker *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random >> 32;
}

/*
 * Where to begin in a requested queue.  At its head, the one requested longest
 * ago; but two helpers that call in turn, with a number of faults that fits,
 * would each get the same ones for ever, and those that only the other's
 * replica has would never be repaired.  So remember a fault that began a
 * batch.  When it has begun the next two times round as well, the boundaries
 * between batches stand still: shift them once, by leaving some of the oldest,
 * at random, to the next call.
 */
static u32 gm_begin_batch(struct gm_tracker *t, struct gm_queue *q, u32 n,
			  u32 min_age)
{
	u32 slot = q->head, skip, i;

	q->since += n;
	if (q->mark == GM_NIL || q->since / 2 > q->count) {
		q->mark = slot;
		q->aligned = 0;
		q->since = 0;
		return slot;
	}
	if (slot != q->mark)
		return slot;
	q->since = 0;
	if (++q->aligned < 2 || q->count <= n || gm_sweeping(t))
		return slot;
	q->mark = GM_NIL;
	skip = 1 + (u32)(((u64)gm_random(t) * min(n, q->count - n)) >> 32);
	for (i = 0; i < skip; i++)
		slot = t->links[slot].next;
	/* As many must be old enough as without the shift. */
	for (i = 0, skip = slot; i < n; i++) {
		if (gm_age(t, skip) < min_age)
			return q->head;
		skip = t->links[skip].next;
	}
	return slot;
}

struct gm_run {
	u32 first;
	u32 last;
	u32 count;
};

/*
 * Hand out @n of a class; so many are eligible.  They leave their queues: the
 * never-requested in @run[0], the requested in @run[1].
 */
static void gm_take_class(struct gm_tracker *t, struct gm_side *s,
			  enum gm_class cls, u32 n, u32 min_age,
			  struct gm_run *run, struct grid_missing_fault **out)
{
	struct gm_queue *q = &s->never[cls];

	run[0].count = min(n, q->count);
	if (run[0].count) {
		run[0].first = q->head;
		run[0].last = gm_hand_out(t, q->head, run[0].count, cls, out);
		gm_cut(t, q, run[0].first, run[0].last, run[0].count);
	}
	q = &s->requested[cls];
	run[1].count = n - run[0].count;
	if (run[1].count) {
		run[1].first = gm_begin_batch(t, q, run[1].count, min_age);
		run[1].last =
			gm_hand_out(t, run[1].first, run[1].count, cls, out);
		gm_cut(t, q, run[1].first, run[1].last, run[1].count);
	}
}

/*
 * During a sweep: finish what is pending among the first @max of a queue.
 * Returns how many at its head are sure to stay.
 */
static u32 gm_settle_head(struct gm_tracker *t, struct gm_queue *q, u32 max,
			  int *budget, bool *changed)
{
	u32 slot = q->head, sure = 0;

	while (slot != GM_NIL && sure < max && (*budget)-- > 0) {
		u32 prev = t->links[slot].prev;

		if (!gm_settle(t, slot)) {
			sure++;
			slot = t->links[slot].next;
		} else {
			slot = prev == GM_NIL ? q->head : t->links[prev].next;
			*changed = true;
		}
	}
	return sure;
}

/* Likewise of a class: first come those that were never requested. */
static u32 gm_settle_class(struct gm_tracker *t, struct gm_side *s, u32 cls,
			   u32 max, int *budget)
{
	u32 sure, twins;
	bool changed;

	do {
		changed = false;
		twins = t->twins;
		sure = gm_settle_head(t, &s->never[cls], max, budget, &changed);
		/* Behind an unsure one nothing is. */
		if (sure == s->never[cls].count)
			sure += gm_settle_head(t, &s->requested[cls], max,
					       budget, &changed);
		/*
		 * One that went has left its readers to the other one of its pair,
		 * which may be ahead of where we were, and pending as well.
		 */
		changed &= !!twins;
	} while (changed && *budget > 0);
	return changed ? 0 : sure;
}

static u32 gm_take_batch(struct gm_tracker *t, bool urgent, u32 max,
			 u32 min_age, u64 now, struct grid_missing_fault *out)
{
	static const u8 class_after[GM_CLASSES] = {
		[GM_CLASS_READERS] = GM_CLASS_READERS,
		[GM_CLASS_WANTED] = GM_CLASS_NORMAL,
		[GM_CLASS_NORMAL] = GM_CLASS_NORMAL,
	};
	struct grid_missing_fault *begin = out;
	u32 n[GM_CLASSES], others, share, i, j;
	struct gm_run run[GM_CLASSES][2];
	int budget = GM_SLICE;
	unsigned long flags;
	struct gm_side *s;

	if (!max)
		return 0;
	GM_LOCK(t, flags);
	gm_tick(t, now);
	s = &t->side[t->jump];
	gm_end_backoff(t, s, max);
	for (i = 0; i < GM_CLASSES; i++) {
		u32 want = urgent && i == GM_CLASS_NORMAL ? 0 : max;

		if (unlikely(gm_sweeping(t)) && want)
			want = min(max, gm_settle_class(t, s, i, max, &budget));
		n[i] = gm_eligible(t, &s->never[i], &s->requested[i], want,
				   min_age);
	}

	others = min(max, n[GM_CLASS_WANTED] + n[GM_CLASS_NORMAL]);
	if (n[GM_CLASS_READERS] > max - others) {
		share = max / 2;
		if ((max & 1) && n[GM_CLASS_READERS] > share &&
		    others > share) {
			share += !t->readers_odd;
			t->readers_odd = !t->readers_odd;
		}
		n[GM_CLASS_READERS] =
			min(n[GM_CLASS_READERS], max(share, max - others));
	}
	n[GM_CLASS_WANTED] = min(n[GM_CLASS_WANTED], max - n[GM_CLASS_READERS]);
	n[GM_CLASS_NORMAL] =
		min(n[GM_CLASS_NORMAL],
		    max - n[GM_CLASS_READERS] - n[GM_CLASS_WANTED]);
	for (i = 0; i < GM_CLASSES; i++)
		gm_take_class(t, s, i, n[i], min_age, run[i], &out);
	for (i = 0; i < GM_CLASSES; i++) {
		struct gm_queue *q = &s->requested[class_after[i]];

		for (j = 0; j < 2; j++)
			if (run[i][j].count)
				gm_append(t, q, run[i][j].first, run[i][j].last,
					  run[i][j].count);
	}
	GM_UNLOCK(t, flags);
	return out - begin;
}

/**
 * gm_next_batch() - what should be repaired next (T5)
 * @t: tracker
 * @max: room in @out
 * @min_age: leave out what was handed out less than that ago (ms)
 * @now: time in ms
 * @out: filled in, in the order they should be repaired
 *
 * Those with parked readers come first, but fill at most half of the batch
 * while others wait (an odd place goes to either in turn); then those that
 * read-ahead has wanted since they were handed out last; then the rest.  In
 * each of these: never-requested, then requested longest ago.
 *
 * Cost: O(@max).  During a sweep it may return less than there is, and makes
 * up to three changes for each of GM_SLICE faults.
 *
 * Context: any.
 * Return: how many.
 */
u32 gm_next_batch(struct gm_tracker *t, u32 max, u32 min_age, u64 now,
		  struct grid_missing_fault *out)
{
	return gm_take_batch(t, false, max, min_age, now, out);
}

/**
 * gm_next_urgent() - what readers wait for, and what read-ahead wants
 * @t: tracker
 * @max: room in @out
 * @min_age: as for gm_next_batch()
 * @now: likewise
 * @out: likewise
 *
 * A batch without the rest: nothing is handed out to a helper that has no room
 * for it, or none would get it before its minimum age.
 *
 * Context: any.
 * Return: how many.
 */
u32 gm_next_urgent(struct gm_tracker *t, u32 max, u32 min_age, u64 now,
		   struct grid_missing_fault *out)
{
	return gm_take_batch(t, true, max, min_age, now, out);
}

/**
 * gm_next_due() - when would gm_next_batch() return something?
 * @t: tracker
 * @min_age: as for gm_next_batch()
 * @now: likewise
 *
 * During a sweep it may be too early.
 *
 * Context: any.
 * Return: in how many ms; 0 for now; GM_NEVER when nothing waits that could
 * be handed out.
 */
u64 gm_next_due(struct gm_tracker *t, u32 min_age, u64 now)
{
	unsigned long flags;
	struct gm_side *s;
	u64 due = GM_NEVER;
	s64 ms;
	u32 i;

	GM_LOCK(t, flags);
	gm_tick(t, now);
	s = &t->side[t->jump];
	if (gm_first_due(t, s, &ms) != GM_NIL)
		due = max_t(s64, ms, 0);
	for (i = 0; i < GM_CLASSES; i++) {
		u32 age;

		if (s->never[i].count)
			due = 0;
		if (!s->requested[i].count)
			continue;
		age = gm_age(t, s->requested[i].head);
		due = min_t(u64, due, age >= min_age ? 0 : min_age - age);
	}
	GM_UNLOCK(t, flags);
	return due;
}

/*
 * Readers.
 */

/* Set a flag that decides the class, and move the fault to its queue. */
void gm_want(struct gm_tracker *t, u32 slot, u32 flag)
{
	struct gm_fault *f = &t->faults[slot];
	u32 pos = gm_pos(f);

	if (f->word & flag)
		return;
	if (flag == GM_W_READERS)
		t->readers++;
	if (pos != GM_POS_NEVER && pos != GM_POS_REQUESTED) {
		f->word |= flag;
		return;
	}
	gm_dequeue(t, slot);
	f->word |= flag;
	if (pos == GM_POS_NEVER)
		gm_push(t, gm_queue(t, f), slot);
	else
		gm_sort(t, gm_queue(t, f), slot);
}

/* Its readers have gone: with those that were never requested (T5). */
void gm_lose_readers(struct gm_tracker *t, u32 slot)
{
	struct gm_fault *f = &t->faults[slot];
	u32 pos = gm_pos(f);

	t->readers--;
	if (pos != GM_POS_NEVER && pos != GM_POS_REQUESTED) {
		f->word &= ~GM_W_READERS;
		return;
	}
	gm_dequeue(t, slot);
	f->word &= ~GM_W_READERS;
	gm_join(t, slot);
}

/* The fault at @address, to be changed: 0; -ENOENT; -EBUSY when aborting. */
static int gm_get_alive(struct gm_tracker *t, u64 address, struct gm_key *k,
			u32 *slot)
{
	gm_key_init(t, address, k);
	*slot = gm_see(t, k);
	if (*slot == GM_NIL)
		return -ENOENT;
	if (gm_pos(&t->faults[*slot]) == GM_POS_ABORTING)
		return -EBUSY;
	return 0;
}

/**
 * __gm_set_readers() - readers are parked on a fault, or none any more
 * @t: tracker
 * @address: the block
 * @readers: are there any
 *
 * Context: lock held, any context.
 * Return: 0; -ENOENT; -EBUSY when there are and the fault is aborting.
 */
int __gm_set_readers(struct gm_tracker *t, u64 address, bool readers)
{
	struct gm_fault *f;
	struct gm_key k;
	u32 slot;
	int r;

	r = gm_get_alive(t, address, &k, &slot);
	if (r)
		return r == -EBUSY && !readers ? 0 : r;
	/* Those that leave may be the other one's. */
	if (!readers)
		gm_inherit_readers(t, &k, slot);
	f = &t->faults[slot];
	if (readers == !!(f->word & GM_W_READERS))
		return 0;
	if (readers) {
		gm_want(t, slot, GM_W_READERS);
		gm_note(t, address, gm_state(f), gm_state(f),
			GRID_MISSING_WHY_WANTED);
		return 0;
	}
	gm_lose_readers(t, slot);
	return 0;
}

/**
 * __gm_set_wanted() - read-ahead met a fault
 * @t: tracker
 * @address: the block
 *
 * Context: lock held, any context.
 * Return: 0; -ENOENT; -EBUSY when it is aborting.
 */
int __gm_set_wanted(struct gm_tracker *t, u64 address)
{
	struct gm_fault *f;
	struct gm_key k;
	u32 slot;
	int r;

	r = gm_get_alive(t, address, &k, &slot);
	if (r)
		return r;
	f = &t->faults[slot];
	if (f->word & GM_W_WANTED)
		return 0;
	gm_want(t, slot, GM_W_WANTED);
	gm_note(t, address, gm_state(f), gm_state(f), GRID_MISSING_WHY_WANTED);
	return 0;
}

/*
 * What no source has, and trying again.
 */

/**
 * __gm_set_unavailable() - a fault's readers are to fail at once (D3)
 * @t: tracker
 * @address: the block
 * @why: GRID_MISSING_WHY_TIMED_OUT or _UNAVAILABLE
 * @hold: don't hand it out either; without effect while it is being written
 *
 * Context: lock held, any context.
 * Return: 0; -ENOENT; -EBUSY when it is aborting.
 */
int __gm_set_unavailable(struct gm_tracker *t, u64 address, u8 why, bool hold)
{
	struct gm_fault *f;
	struct gm_key k;
	u32 slot;
	int r;

	r = gm_get_alive(t, address, &k, &slot);
	if (r)
		return r;
	f = &t->faults[slot];
	if (hold && gm_is_waiting(f)) {
		gm_dequeue(t, slot);
		gm_set_pos(f, GM_POS_HELD);
	}
	if (f->word & GM_W_UNAVAILABLE)
		return 0;
	f->word |= GM_W_UNAVAILABLE;
	t->unavailable++;
	gm_note(t, address, gm_state(f), gm_state(f), why);
	return 0;
}

/* Worth trying again: neither unavailable, nor held, nor in back-off. */
bool gm_retry_slot(struct gm_tracker *t, u32 slot)
{
	struct gm_fault *f = &t->faults[slot];
	u32 pos = gm_pos(f), word = f->word;

	if (pos == GM_POS_ABORTING)
		return false;
	if (pos == GM_POS_HELD || pos == GM_POS_BACKOFF) {
		gm_dequeue(t, slot);
		f->word &= ~GM_W_FAILURES;
		gm_join(t, slot);
	}
	f->word &= ~(GM_W_FAILURES | GM_W_UNAVAILABLE);
	if (word & GM_W_UNAVAILABLE) {
		t->unavailable--;
		/* Not of one that may be hidden by a single fault. */
		if (likely(!t->twins || !gm_is_member(f)))
			gm_note(t, f->address, gm_state(f), gm_state(f),
				GRID_MISSING_WHY_RETRIED);
	}
	return (word & (GM_W_UNAVAILABLE | GM_W_FAILURES)) ||
	       pos == GM_POS_HELD;
}

/**
 * gm_retry() - a fault is worth trying again
 * @t: tracker
 * @address: the block
 *
 * Undoes __gm_set_unavailable() and the back-off.
 *
 * Context: any.
 * Return: 0, also when there was nothing to undo; -ENOENT; -EBUSY when it is
 * aborting.
 */
int gm_retry(struct gm_tracker *t, u64 address)
{
	unsigned long flags;
	struct gm_key k;
	u32 slot;
	int r;

	GM_LOCK(t, flags);
	r = gm_get_alive(t, address, &k, &slot);
	if (!r)
		gm_retry_slot(t, slot);
	GM_UNLOCK(t, flags);
	return r;
}

/**
 * gm_retry_all() - every fault is worth trying again
 * @t: tracker
 *
 * Context: may sleep, works in slices.
 * Return: how many were unavailable or had failed.
 */
u64 gm_retry_all(struct gm_tracker *t)
{
	unsigned long flags;
	u32 slot = 0;
	u64 n = 0;

	for (;;) {
		int budget = GM_SLICE;

		GM_LOCK(t, flags);
		while (budget-- > 0) {
			slot = gm_slot_skip(t, slot, t->used, &budget);
			if (slot >= t->used)
				break;
			if (gm_shows(t, slot))
				n += gm_retry_slot(t, slot);
			slot++;
		}
		if (slot >= t->used)
			break;
		GM_UNLOCK(t, flags);
		gm_pause();
	}
	GM_UNLOCK(t, flags);
	return n;
}
