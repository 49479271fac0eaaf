// SPDX-License-Identifier: GPL-2.0
/*
 * The policy: how much each source is asked for at a time: its budget, its pace,
 * its rests.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_parts.h"

#define REST_AFTER 8U /* answers that can be compared, before it may rest */
#define REST_AGAIN 4U /* after it has rested already */
#define REST_MIN_US 100000ULL
#define REST_MAX_US 10000000ULL
#define RECENT 4U /* answers that must all be slow before a budget shrinks */
#define QUEUE_MIN 4U /* requests that delay alone doesn't take away */
#define AHEAD_US 2000U /* of the background, ahead of a reader's request */
#define AHEAD_MIN 2U /* but so many: one under way, one to come */
#define PROBE_US 30000000ULL /* measure a source alone that often */
#define PROBE_LIMIT_US 500000ULL /* but hold the background no longer */

/* Requests of a source that may be late: each has its share of half of all. */
static unsigned int late_share(const struct policy *p)
{
	unsigned int share = p->config.requests_max / 2 / p->source_count;

	return share < 2 ? 2 : share;
}

bool pace_in_doubt(const struct policy_source *s)
{
	return s->late || !s->sample_count;
}

bool pace_awake(const struct policy *p, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (p->sources[i].up && p->sources[i].rest <= now)
			return true;
	return false;
}

unsigned int pace_room(const struct policy *p, const struct policy_source *s,
		       bool urgent, uint64_t now)
{
	unsigned int own = s->inflight - s->background, room, share;

	if (s->hold > now)
		return 0;
	/*
	 * Late ones have no place in the budget, but there is an end to it: each
	 * holds memory that others need.
	 */
	if (s->inflight + s->late >= (urgent ? 4 : 2) * p->config.budget_max)
		return 0;
	share = late_share(p);
	if (s->late >= (urgent ? share + share / 2 : share))
		return 0;
	/*
	 * Many sources' shares are more than there is.  But where they aren't that
	 * many, one with nothing out has one request, or it would never be known.
	 */
	share = p->config.requests_max / 2;
	if (pace_in_doubt(s) &&
	    (s->inflight + s->late ||
	     p->source_count > p->config.requests_max / 8) &&
	    p->doubtful >= (urgent ? share + share / 2 : share))
		return 0;
	if (urgent)
		return s->budget > own ? s->budget - own : 0;
	if (s->probing)
		return !s->inflight;
	share = s->budget < 8 ? 1 : s->budget / 4;
	share = share > s->background ? share - s->background : 0;
	if (s->rest > now)
		return share;
	room = s->budget > s->inflight ? s->budget - s->inflight : 0;
	room = room > share ? room : share;
	/* While readers are about, it is time that bounds what they wait behind. */
	if (s->pace && now < p->readers_until) {
		share = (unsigned int)(AHEAD_US / s->pace);
		share = share > AHEAD_MIN ? share : AHEAD_MIN;
		share = share > s->background ? share - s->background : 0;
		room = room < share ? room : share;
	}
	return room;
}

uint64_t pace_expiry(const struct policy *p, const struct policy_source *s)
{
	return s->median * 4 > p->config.expiry_us ? s->median * 4 :
						     p->config.expiry_us;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void pace_sample(struct policy_source *s, uint64_t latency)
{
	uint64_t sorted[POLICY_SAMPLES];

	s->samples[s->sample_at] = latency;
	s->sample_at = (s->sample_at + 1) % POLICY_SAMPLES;
	if (s->sample_count < POLICY_SAMPLES)
		s->sample_count++;
	else if (s->sample_at % 8)
		return;
	memcpy(sorted, s->samples, s->sample_count * sizeof(*sorted));
	qsort(sorted, s->sample_count, sizeof(*sorted), compare_u64);
	s->median = sorted[s->sample_count / 2];
}

/* How much longer than alone the quickest of the last answers took. */
static uint64_t queue_delay(const struct policy_source *s)
{
	uint64_t least = UINT64_MAX, x;
	unsigned int i;

	if (!s->base || s->sample_count < RECENT)
		return 0;
	for (i = 1; i <= RECENT; i++) {
		x = s->samples[(s->sample_at + POLICY_SAMPLES - i) %
			       POLICY_SAMPLES];
		least = x < least ? x : least;
	}
	return least > s->base ? least - s->base : 0;
}

/* How long it takes for a block while it has others to go on with. */
static void keep_pace(struct policy_source *s, const struct policy_request *r,
		      uint64_t now)
{
	uint64_t since = s->last > r->sent ? s->last : r->sent;

	/* One that was asked alone took the way there and back as well. */
	if (!r->alone && s->last)
		s->pace = s->pace ? (7 * s->pace + (now - since)) / 8 + 1 :
				    now - since + 1;
	s->last = now;
}

/* True while its queue is short enough for the budget to grow. */
static bool follow_latency(struct policy *p, struct policy_source *s,
			   const struct policy_request *r, uint64_t now)
{
	uint64_t latency = now - r->sent;

	if (!p->config.queue_us)
		return true;
	if (r->alone) {
		s->base = latency;
		s->probing = false;
		s->probe_at = now + policy_jitter(p, PROBE_US);
	} else if (!s->base || latency < s->base) {
		s->base = latency;
	}
	if (queue_delay(s) <= p->config.queue_us)
		return true;
	if (s->budget > QUEUE_MIN && now - s->shrunk >= s->median) {
		s->shrunk = now;
		s->acks = 0;
		s->budget -= s->budget / 8 + 1;
		if (s->budget < QUEUE_MIN)
			s->budget = QUEUE_MIN;
	}
	return false;
}

void pace_probe(struct policy *p, struct policy_source *s, uint64_t now)
{
	if (!s->base || now < s->probe_at)
		return;
	s->probing = !s->probing && s->inflight;
	s->probe_at = now + (s->probing ? PROBE_LIMIT_US :
					  policy_jitter(p, PROBE_US));
}

void pace_went_well(struct policy *p, struct policy_source *s,
		    const struct policy_request *r, uint64_t now)
{
	bool may_grow = follow_latency(p, s, r, now);

	keep_pace(s, r, now);
	/* Grow only where the budget may be what holds it. */
	if (!may_grow || r->late || !r->crowded ||
	    s->budget >= p->config.budget_max)
		return;
	if (++s->acks >= s->budget) {
		s->acks = 0;
		s->budget++;
	}
}

void pace_compared(struct policy *p, struct policy_source *s, bool good,
		   uint64_t now)
{
	unsigned int failed, times;
	uint64_t rest = REST_MIN_US;

	/* What was under way when it was put to rest counts once, not each. */
	if (s->rest > now)
		return;
	s->history = s->history << 1 | !good;
	if (s->compared < 32)
		s->compared++;
	failed = (unsigned int)__builtin_popcount(
		s->compared < 32 ? s->history & ((1U << s->compared) - 1) :
				   s->history);
	if (4 * failed < 3 * s->compared) {
		if (s->compared >= REST_AFTER)
			s->rests = 0;
		return;
	}
	if (s->compared < (s->rests ? REST_AGAIN : REST_AFTER))
		return;
	for (times = s->rests++; times && rest < REST_MAX_US; times--)
		rest *= 2;
	s->rest =
		now + policy_jitter(p, rest < REST_MAX_US ? rest : REST_MAX_US);
	s->rest_end = s->rest;
	s->compared = 0;
}

void pace_blame(struct policy *p, struct policy_job *job, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (job->blamed & bit(i))
			pace_compared(p, &p->sources[i], false, now);
	job->blamed = 0;
}

unsigned int policy_add_source(struct policy *p, bool trust,
			       unsigned int priority, uint64_t now)
{
	struct policy_source *s = &p->sources[p->source_count];

	memset(s, 0, sizeof(*s));
	s->trust = trust;
	s->priority = priority;
	s->down_since = now;
	s->useful = true;
	s->budget = p->config.budget;
	s->end = UINT64_MAX;
	list_init(&s->requests);
	return p->source_count++;
}

/* What waits for its answer alone has to look elsewhere. */
static void look_elsewhere(struct policy *p)
{
	struct policy_link *at, *next;

	for (at = p->idle.next; at != &p->idle; at = next) {
		next = at->next;
		job_move(p, job_of(at), JOB_READY);
	}
}

void policy_source_up(struct policy *p, unsigned int source, uint64_t now)
{
	struct policy_source *s = &p->sources[source];

	if (!s->up)
		p->doubtful += s->doubtful;
	s->up = true;
	s->up_since = now;
	s->tried = true;
	s->rest = 0;
	s->rest_end = 0;
	s->rests = 0;
	s->compared = 0;
	s->hold = 0;
	s->losses = 0;
	s->pace = 0;
	s->last = 0;
	s->budget = p->config.budget;
	s->sample_count = 0;
	s->sample_at = 0;
	s->median = 0;
	s->base = 0;
	s->probing = false;
	s->probe_at = now + policy_jitter(p, PROBE_US);
	/* Those that have run out of sources have one more. */
	look_elsewhere(p);
	memset(p->deferred, 0, POLICY_DEFERRALS * sizeof(*p->deferred));
}

void policy_source_end(struct policy *p, unsigned int source, uint64_t blocks)
{
	p->sources[source].end = blocks;
}

void policy_source_down(struct policy *p, unsigned int source, bool silent,
			uint64_t now)
{
	struct policy_source *s = &p->sources[source];

	if (s->up) {
		p->doubtful -= s->doubtful;
		/* One that comes and goes for nothing is away all the time. */
		if (s->useful)
			s->down_since = now;
		s->useful = false;
		s->lost = !silent;
	}
	s->up = false;
	s->tried = true;
	look_elsewhere(p);
}
