// SPDX-License-Identifier: GPL-2.0
/*
 * What a batch must be, by the model (T5): which faults are eligible, in what order,
 * and what becomes of their places.  See model.h.
 */
#include <linux/minmax.h>
#include "model.h"

static int model_class(const struct model_fault *f)
{
	return f->readers ? 0 : f->wanted ? 1 : 2;
}

static u64 model_delay(const struct model_fault *f)
{
	static const u64 delay[] = { 0,	   1000,  2000,	 4000,
				     8000, 16000, 32000, 60000 };

	return delay[min(f->failures, 7U)];
}

static void model_end_backoff(struct model *m, u32 max)
{
	struct model_fault *best, *f;
	u64 due, best_due = 0;
	u32 i;

	while (max--) {
		best = NULL;
		for (i = 0; i < m->n; i++) {
			f = &m->faults[i];
			due = f->when + model_delay(f);
			if (f->state != MODEL_WAITING || f->aside ||
			    f->place != MODEL_BACKOFF || due > m->now)
				continue;
			if (best && due == best_due &&
			    min(f->failures, 7U) == min(best->failures, 7U) &&
			    f->seq > best->seq)
				continue;
			if (best && due == best_due &&
			    min(f->failures, 7U) > min(best->failures, 7U))
				continue;
			if (best && due > best_due)
				continue;
			best = f;
			best_due = due;
		}
		if (!best)
			return;
		model_join(m, best);
	}
}

/* The fault of a class and place that comes after @last, in order. */
static struct model_fault *model_after(struct model *m, int cls,
				       enum model_place place,
				       const struct model_fault *last)
{
	struct model_fault *next = NULL, *f;
	u32 i;

	for (i = 0; i < m->n; i++) {
		f = &m->faults[i];
		if (f->state != MODEL_WAITING || f->aside ||
		    f->place != place || model_class(f) != cls)
			continue;
		if (place == MODEL_REQUESTED) {
			if (last &&
			    (f->when < last->when ||
			     (f->when == last->when && f->seq <= last->seq)))
				continue;
			if (next &&
			    (f->when > next->when ||
			     (f->when == next->when && f->seq > next->seq)))
				continue;
		} else {
			if (last && f->seq <= last->seq)
				continue;
			if (next && f->seq > next->seq)
				continue;
		}
		next = f;
	}
	return next;
}

/*
 * @address comes where the model has @f.  The tracker's sweep goes on while others
 * join, the model's is over at once: then one that inherits readers may have got them
 * later than the model says.
 */
static struct model_fault *model_earlier(struct model *m, struct model_fault *f,
					 u64 address)
{
	struct model_fault *g = model_find(m, address, false);
	u64 seq = f->seq;
	u32 i;

	if (!g || g->place != f->place || model_class(g) != model_class(f) ||
	    (!f->inherits && !g->inherits))
		return NULL;
	for (i = 0; i < m->n; i++)
		if (m->faults[i].seq >= seq && m->faults[i].seq < g->seq)
			m->faults[i].seq++;
	g->seq = seq;
	return g;
}

const char *model_check_batch(struct model_run *r, bool urgent, u32 max,
			      u32 min_age, u64 now, u32 n)
{
	struct model *m = &r->m;
	u32 never[3], requested[3], eligible[3], take[3], at = 0, i, j, share;
	struct model_fault *f, *g;
	u32 others;
	int cls;

	m->now = max(m->now, now);
	model_end_backoff(m, max);
	for (cls = 0; cls < 3; cls++) {
		never[cls] = 0;
		requested[cls] = 0;
		eligible[cls] = 0;
		for (f = NULL; (f = model_after(m, cls, MODEL_NEVER, f));)
			never[cls]++;
		for (f = NULL; (f = model_after(m, cls, MODEL_REQUESTED, f));) {
			requested[cls]++;
			eligible[cls] += m->now - f->when >= min_age;
		}
		eligible[cls] = min(max, eligible[cls] + never[cls]);
	}
	if (urgent)
		eligible[2] = 0;
	others = min(max, eligible[1] + eligible[2]);
	take[0] = eligible[0];
	if (eligible[0] + others > max) {
		share = max / 2;
		if (max % 2 && eligible[0] > share && others > share) {
			if (!m->readers_odd)
				share++;
			m->readers_odd = !m->readers_odd;
		}
		take[0] = min(eligible[0], max(share, max - others));
	}
	take[1] = min(eligible[1], max - take[0]);
	take[2] = min(eligible[2], max - take[0] - take[1]);
	if (n != take[0] + take[1] + take[2])
		return "another number";

	for (cls = 0; cls < 3; cls++) {
		u32 first = at, k = min(take[cls], never[cls]);

		for (f = NULL; k--; at++) {
			f = model_after(m, cls, MODEL_NEVER, f);
			if (r->out[at].address != f->address)
				f = model_earlier(m, f, r->out[at].address);
			if (!f)
				return "never-requested out of order";
		}
		k = take[cls] - (at - first);
		f = model_after(m, cls, MODEL_REQUESTED, NULL);
		/*
		 * It may leave some of the oldest to the next call, when there
		 * are more than it takes; those taken are in a row.
		 */
		j = 0;
		while (k && k < requested[cls] && j < k &&
		       f->address != r->out[at].address) {
			f = model_after(m, cls, MODEL_REQUESTED, f);
			j++;
		}
		for (i = 0; i < k; i++, at++) {
			if (!f || r->out[at].address != f->address)
				return "requested out of order";
			if (m->now - f->when < min_age)
				return "too young";
			f = model_after(m, cls, MODEL_REQUESTED, f);
		}
	}
	for (i = 0; i < n; i++) {
		g = model_find(m, r->out[i].address, false);
		g->place = MODEL_REQUESTED;
		g->when = m->now;
		g->seq = ++m->seq;
		if (i >= take[0] && i < take[0] + take[1])
			g->wanted = false;
	}
	return NULL;
}

/* During a sweep fewer may come; but only what is waiting, and none twice. */
const char *model_check_partial(struct model_run *r, u32 min_age, u64 now,
				u32 n)
{
	struct model *m = &r->m;
	struct model_fault *f;
	u32 i, j;

	m->now = max(m->now, now);
	m->readers_odd = r->t.readers_odd;
	for (i = 0; i < n; i++) {
		f = model_find(m, r->out[i].address, false);
		if (!f || f->state != MODEL_WAITING ||
		    (f->place != MODEL_NEVER && f->place != MODEL_REQUESTED))
			return "not waiting";
		if (f->place == MODEL_REQUESTED && m->now - f->when < min_age)
			return "too young";
		for (j = 0; j < i; j++)
			if (r->out[j].address == r->out[i].address)
				return "twice";
	}
	for (i = 0; i < n; i++) {
		f = model_find(m, r->out[i].address, false);
		f->place = MODEL_REQUESTED;
		f->when = m->now;
		f->seq = ++m->seq;
		if (!f->readers)
			f->wanted = false;
	}
	return NULL;
}

u64 model_due(struct model *m, u32 min_age, u64 now)
{
	u64 due = GM_NEVER, at;
	u32 i;

	m->now = max(m->now, now);
	for (i = 0; i < m->n; i++) {
		struct model_fault *f = &m->faults[i];

		if (f->state != MODEL_WAITING || f->aside ||
		    f->place == MODEL_HELD)
			continue;
		at = 0;
		if (f->place == MODEL_REQUESTED)
			at = f->when + min_age;
		else if (f->place == MODEL_BACKOFF)
			at = f->when + model_delay(f);
		due = min(due, at > m->now ? at - m->now : 0);
	}
	return due;
}
