// SPDX-License-Identifier: GPL-2.0
/*
 * Whom to ask for which block, and when; see policy.h.
 *
 * Everything is allocated by policy_init(): jobs, requests, the hash by
 * address, the heap of hedging times.  A job is in exactly one place: a ready
 * list, the heap, the idle list, or the unserved list; an accepted one is in none.
 * It is freed when the caller has finished it and no request of it is out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "random.h"

#define REST_AFTER 8U /* answers that can be compared, before it may rest */
#define REST_AGAIN 4U /* after it has rested already */
#define REST_MIN_US 100000ULL
#define REST_MAX_US 10000000ULL
#define LOOK_MAX 128U /* ready jobs looked at for one that can be sent */
#define LOOK_AGAIN_US 1000U /* and then others */
#define HOLD_MIN_US \
	20000ULL /* after a request that was lost without a reason */
#define HELD_MAX 64U /* background jobs taken while the rate holds them */
#define RECENT 4U /* answers that must all be slow before a budget shrinks */
#define QUEUE_MIN 4U /* requests that delay alone doesn't take away */
#define READERS_US 1000000ULL /* readers are about for so long after one */
#define AHEAD_US 2000U /* of the background, ahead of a reader's request */
#define AHEAD_MIN 2U /* but so many: one under way, one to come */
#define PROBE_US 30000000ULL /* measure a source alone that often */
#define PROBE_LIMIT_US 500000ULL /* but hold the background no longer */

/* ------------------------------------------------------------------- lists */

static void list_init(struct policy_link *head)
{
	head->next = head;
	head->prev = head;
}

static bool list_empty(const struct policy_link *head)
{
	return head->next == head;
}

static void list_add(struct policy_link *link, struct policy_link *head)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static void list_del(struct policy_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Both structs begin with their link. */
static struct policy_job *job_of(struct policy_link *link)
{
	return (struct policy_job *)link;
}

static struct policy_request *request_of(struct policy_link *link)
{
	return (struct policy_request *)link;
}

/* -------------------------------------------------------------- randomness */

/* @period, or up to half of it more. */
static uint64_t jitter(struct policy *p, uint64_t period)
{
	return period +
	       (period > 1 ? random_next(&p->random) % (period / 2) : 0);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
	return x ^ x >> 29;
}

/* -------------------------------------------------------------------- heap */

static void heap_set(struct policy *p, size_t i, struct policy_job *job)
{
	p->heap[i] = job;
	job->heap = i;
}

static void heap_up(struct policy *p, size_t i, struct policy_job *job)
{
	for (; i && p->heap[(i - 1) / 2]->hedge > job->hedge; i = (i - 1) / 2)
		heap_set(p, i, p->heap[(i - 1) / 2]);
	heap_set(p, i, job);
}

static void heap_down(struct policy *p, size_t i, struct policy_job *job)
{
	size_t child;

	while ((child = 2 * i + 1) < p->heap_count) {
		if (child + 1 < p->heap_count &&
		    p->heap[child + 1]->hedge < p->heap[child]->hedge)
			child++;
		if (p->heap[child]->hedge >= job->hedge)
			break;
		heap_set(p, i, p->heap[child]);
		i = child;
	}
	heap_set(p, i, job);
}

static void heap_add(struct policy *p, struct policy_job *job)
{
	heap_up(p, p->heap_count++, job);
}

static void heap_del(struct policy *p, struct policy_job *job)
{
	struct policy_job *last = p->heap[--p->heap_count];
	size_t i = job->heap;

	if (last == job)
		return;
	if (i && p->heap[(i - 1) / 2]->hedge > last->hedge)
		heap_up(p, i, last);
	else
		heap_down(p, i, last);
}

/* -------------------------------------------------------------------- jobs */

static struct policy_job **hash_slot(struct policy *p, uint64_t address)
{
	return &p->hash[mix(address) & p->hash_mask];
}

static struct policy_job *find(struct policy *p, uint64_t address)
{
	struct policy_job *job = *hash_slot(p, address);

	while (job && job->address != address)
		job = job->chain;
	return job;
}

static void unhash(struct policy *p, struct policy_job *job)
{
	struct policy_job **at = hash_slot(p, job->address);

	while (*at != job)
		at = &(*at)->chain;
	*at = job->chain;
}

/* Out of the place it is in. */
static void leave(struct policy *p, struct policy_job *job)
{
	switch (job->state) {
	case JOB_READY:
		p->ready_count[job->urgency]--;
		p->passed_count[job->urgency] -= job->passed;
		job->passed = false;
		list_del(&job->link);
		break;
	case JOB_ASKED:
		heap_del(p, job);
		break;
	case JOB_IDLE:
		list_del(&job->link);
		break;
	}
}

static void enter(struct policy *p, struct policy_job *job, uint8_t state)
{
	job->state = state;
	switch (state) {
	case JOB_READY:
		p->ready_count[job->urgency]++;
		list_add(&job->link, &p->ready[job->urgency]);
		break;
	case JOB_ASKED:
		heap_add(p, job);
		break;
	case JOB_IDLE:
		list_add(&job->link, &p->idle);
		break;
	}
}

static void move(struct policy *p, struct policy_job *job, uint8_t state)
{
	leave(p, job);
	enter(p, job, state);
}

/* Free it when neither the caller nor an answer to come needs it. */
static void put(struct policy *p, struct policy_job *job)
{
	if (job->state != JOB_ENDED || job->busy || job->asked)
		return;
	job->chain = p->jobs_free;
	p->jobs_free = job;
}

static void end(struct policy *p, struct policy_job *job)
{
	leave(p, job);
	list_init(&job->link);
	job->state = JOB_ENDED;
	job->busy = true;
	p->job_count--;
}

static void let_go(struct policy *p, struct policy_job *job)
{
	end(p, job);
	list_add(&job->link, &p->unserved);
}

void policy_finish(struct policy *p, struct policy_job *job)
{
	job->busy = false;
	/* An answer may never come: the block can be asked for again. */
	unhash(p, job);
	put(p, job);
}

/* ----------------------------------------------------------------- sources */

static uint64_t bit(unsigned int source)
{
	return 1ULL << source;
}

/*
 * Sources whose word counts for this block: it can be verified, or the source
 * is trusted, or agreement is allowed.
 */
static uint64_t eligible(const struct policy *p, const struct policy_job *job)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (job->verifiable || p->sources[i].trust ||
		    p->config.agree >= 2)
			mask |= bit(i);
	return mask;
}

/* Requests of a source that may be late: each has its share of half of all. */
static unsigned int late_share(const struct policy *p)
{
	unsigned int share = p->config.requests_max / 2 / p->source_count;

	return share < 2 ? 2 : share;
}

/* It has yet to answer, or is behind with its answers. */
static bool in_doubt(const struct policy_source *s)
{
	return s->late || !s->sample_count;
}

/* A source is up that doesn't rest: then others may. */
static bool awake(const struct policy *p, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (p->sources[i].up && p->sources[i].rest <= now)
			return true;
	return false;
}

/* How many more requests it may get: urgent ones, or of the background. */
static unsigned int room_of(const struct policy *p,
			    const struct policy_source *s, bool urgent,
			    uint64_t now)
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
	/* Many sources' shares are more than there is. */
	share = p->config.requests_max / 2;
	if (in_doubt(s) && p->doubtful >= (urgent ? share + share / 2 : share))
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

/* Requests, and jobs, that only urgent blocks may take. */
static unsigned int reserved(unsigned int all)
{
	return all / 8;
}

static unsigned int jobs_for(const struct policy *p, bool urgent)
{
	return p->config.jobs_max - (urgent ? 0 : reserved(p->config.jobs_max));
}

static bool is_urgent(unsigned int urgency)
{
	return urgency != POLICY_NORMAL;
}

static uint64_t expiry(const struct policy *p, const struct policy_source *s)
{
	return s->median * 4 > p->config.expiry_us ? s->median * 4 :
						     p->config.expiry_us;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void sample(struct policy_source *s, uint64_t latency)
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
		s->probe_at = now + jitter(p, PROBE_US);
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

/* Measure it alone now and then: its base may have changed. */
static void probe(struct policy *p, struct policy_source *s, uint64_t now)
{
	if (!s->base || now < s->probe_at)
		return;
	s->probing = !s->probing && s->inflight;
	s->probe_at = now + (s->probing ? PROBE_LIMIT_US : jitter(p, PROBE_US));
}

static void went_well(struct policy *p, struct policy_source *s,
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

/*
 * It failed a block that another source had, or (@good) served one.  It rests
 * when it fails most of what can be compared so.
 */
static void compared(struct policy *p, struct policy_source *s, bool good,
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
	s->rest = now + jitter(p, rest < REST_MAX_US ? rest : REST_MAX_US);
	s->rest_end = s->rest;
	s->compared = 0;
}

/* The block is had: those that failed it are to blame for that. */
static void blame(struct policy *p, struct policy_job *job, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (job->blamed & bit(i))
			compared(p, &p->sources[i], false, now);
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
		move(p, job_of(at), JOB_READY);
	}
}

void policy_source_up(struct policy *p, unsigned int source, uint64_t now)
{
	struct policy_source *s = &p->sources[source];

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
	s->probe_at = now + jitter(p, PROBE_US);
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

/* --------------------------------------------------------------- beginning */

int policy_init(struct policy *p, const struct policy_config *config,
		uint64_t seed, uint64_t now)
{
	unsigned int i;

	memset(p, 0, sizeof(*p));
	p->config = *config;
	p->random = seed;
	p->tokens_at = now;
	p->tokens = config->block_size;
	for (i = 0; i < POLICY_URGENCIES; i++)
		list_init(&p->ready[i]);
	list_init(&p->idle);
	list_init(&p->unserved);
	for (p->hash_mask = 64; p->hash_mask < config->jobs_max;)
		p->hash_mask *= 2;
	p->hash = calloc(p->hash_mask, sizeof(*p->hash));
	p->hash_mask--;
	/* Ended jobs stay while answers are out: as many as requests, at most. */
	p->jobs = calloc(config->jobs_max + config->requests_max,
			 sizeof(*p->jobs));
	p->heap = calloc(config->jobs_max + config->requests_max,
			 sizeof(*p->heap));
	p->requests = calloc(config->requests_max, sizeof(*p->requests));
	p->deferred = calloc(POLICY_DEFERRALS, sizeof(*p->deferred));
	if (!p->hash || !p->jobs || !p->heap || !p->requests || !p->deferred) {
		policy_exit(p);
		return -ENOMEM;
	}
	for (i = 0; i < config->jobs_max + config->requests_max; i++) {
		p->jobs[i].chain = p->jobs_free;
		p->jobs_free = &p->jobs[i];
	}
	for (i = 0; i < config->requests_max; i++) {
		p->requests[i].link.next =
			p->requests_free ? &p->requests_free->link : NULL;
		p->requests_free = &p->requests[i];
	}
	p->requests_left = config->requests_max;
	return 0;
}

void policy_exit(struct policy *p)
{
	free(p->hash);
	free(p->jobs);
	free(p->heap);
	free(p->requests);
	free(p->deferred);
	memset(p, 0, sizeof(*p));
}

/* ------------------------------------------------------------------- rate */

static uint64_t bucket(const struct policy *p)
{
	/* A tenth of a second at most, but always room for a block. */
	uint64_t size = p->config.rate / 10;

	return size > p->config.block_size ? size : p->config.block_size;
}

static void fill_bucket(struct policy *p, uint64_t now)
{
	uint64_t add, us = now - p->tokens_at;

	if (!p->config.rate)
		return;
	if (us > 1000000)
		us = 1000000;
	add = us * p->config.rate / 1000000;
	if (!add)
		return; /* don't lose the fraction */
	p->tokens_at = now;
	p->tokens += add;
	if (p->tokens > bucket(p))
		p->tokens = bucket(p);
}

static bool rate_holds(const struct policy *p)
{
	return p->config.rate && p->tokens < p->config.block_size;
}

/* ------------------------------------------------------------------- faults */

/* Gone, but not for long: it may have the block. */
static bool may_return(const struct policy *p, const struct policy_source *s,
		       uint64_t now)
{
	/*
	 * One that never answered isn't waited for, once it was tried; but one
	 * that was lost had no time to, and is being connected to again.
	 */
	return (s->answered || s->lost || !s->tried) &&
	       now - s->down_since < p->config.patience_us;
}

/* Nobody is there to be asked, nor will be: what is missing is to be given up. */
static bool forsaken(const struct policy *p, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (p->sources[i].up || may_return(p, &p->sources[i], now))
			return false;
	return true;
}

unsigned int policy_room(const struct policy *p, bool urgent, uint64_t now)
{
	unsigned int i, room = 0, ready = 0;
	unsigned int most = jobs_for(p, urgent);
	unsigned int left = most > p->job_count ? most - p->job_count : 0;
	bool others = !urgent && awake(p, now);

	for (i = 0; i < p->source_count; i++) {
		const struct policy_source *s = &p->sources[i];

		if (s->up && !(others && s->rest > now))
			room += room_of(p, s, urgent, now);
	}
	if (p->config.rate && !urgent && room > HELD_MAX)
		room = HELD_MAX;
	if (forsaken(p, now))
		return left;
	/* Those that wait for one source alone don't keep the others idle. */
	for (i = 0; i < POLICY_URGENCIES; i++)
		if (!urgent || is_urgent(i))
			ready += p->ready_count[i] - p->passed_count[i];
	room = room > ready ? room - ready : 0;
	return room < left ? room : left;
}

static struct policy_deferred *deferred_slot(struct policy *p, uint64_t address)
{
	return &p->deferred[mix(address) % POLICY_DEFERRALS];
}

static void urge(struct policy *p, struct policy_job *job, uint8_t urgency)
{
	if (urgency >= job->urgency)
		return;
	if (job->state != JOB_READY) {
		job->urgency = urgency;
		return;
	}
	leave(p, job);
	job->urgency = urgency;
	job->since = p->background_sent;
	enter(p, job, JOB_READY);
}

struct policy_job *policy_urge(struct policy *p, uint64_t address)
{
	struct policy_job *job = find(p, address);

	if (job)
		urge(p, job, POLICY_WANTED);
	return job;
}

bool policy_urgent(const struct policy_job *job)
{
	return is_urgent(job->urgency);
}

enum policy_added policy_add(struct policy *p,
			     const struct grid_missing_fault *fault,
			     const struct grid_missing_checksum *stated,
			     bool verifiable, uint64_t now)
{
	uint8_t urgency = fault->flags & GRID_MISSING_F_READERS ?
				  POLICY_READERS :
			  fault->flags & GRID_MISSING_F_WANTED ? POLICY_WANTED :
								 POLICY_NORMAL;
	bool own = !(fault->flags & GRID_MISSING_F_NO_CHECKSUM);
	struct policy_job *job = find(p, fault->address);
	struct policy_deferred *d;

	if (job) {
		urge(p, job, urgency);
		return POLICY_KNOWN;
	}
	d = deferred_slot(p, fault->address);
	if (d->times && d->address == fault->address && now < d->until)
		return POLICY_DEFERRED;
	if (p->job_count >= jobs_for(p, is_urgent(urgency)) || !p->jobs_free)
		return POLICY_FULL;
	job = p->jobs_free;
	p->jobs_free = job->chain;
	memset(job, 0, sizeof(*job));
	job->address = fault->address;
	job->serial = fault->serial;
	job->urgency = urgency;
	job->since = p->background_sent;
	job->index = fault->cause == GRID_MISSING_CAUSE_TABLE_INDEX;
	job->known = own || stated;
	if (own)
		job->checksum = fault->checksum;
	else if (stated)
		job->checksum = *stated;
	job->verifiable = verifiable && job->known;
	job->chain = *hash_slot(p, job->address);
	*hash_slot(p, job->address) = job;
	p->job_count++;
	enter(p, job, JOB_READY);
	return POLICY_ADDED;
}

/* ----------------------------------------------------------------- sending */

/* Data that is there or under way and would count towards an agreement. */
static unsigned int under_way(const struct policy_job *job)
{
	return (unsigned int)__builtin_popcountll(job->asked) + job->kept_count;
}

static uint64_t kept_mask(const struct policy_job *job)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < job->kept_count; i++)
		mask |= bit(job->kept[i]->source);
	return mask;
}

static uint64_t up_mask(const struct policy *p)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (p->sources[i].up)
			mask |= bit(i);
	return mask;
}

/*
 * A source to ask for @job now, or -1.  *@hope: one may be free later, though
 * none is asked now; *@dead: nobody is left who could have it.
 */
static int pick(struct policy *p, struct policy_job *job, uint64_t now,
		bool *hope, bool *dead)
{
	uint64_t mask = eligible(p, job), tried = job->asked | job->failed;
	unsigned int best = UINT32_MAX, count = 0, i, which = 0;
	unsigned int candidates[POLICY_SOURCES_MAX];
	bool trusted_first = !job->verifiable, left = false;

	*hope = false;
	*dead = !(job->asked & up_mask(p));
	tried |= kept_mask(job);
	for (i = 0; i < p->source_count; i++) {
		const struct policy_source *s = &p->sources[i];
		bool rests = s->rest > now;
		unsigned int rank;

		if (!(mask & bit(i)) || tried & bit(i) ||
		    job->address >= s->end)
			continue;
		if (!s->up) {
			if (may_return(p, s, now))
				*dead = false;
			continue;
		}
		*dead = false;
		*hope = true;
		left |= !rests;
		if (!room_of(p, s, is_urgent(job->urgency), now))
			continue;
		/* One that rests is asked when no other is left. */
		rank = 2 * s->priority + (trusted_first && !s->trust) +
		       (rests ? UINT32_MAX / 2 : 0);
		if (rank < best) {
			best = rank;
			count = 0;
		}
		if (rank == best)
			candidates[count++] = i;
	}
	if (!count || (left && best >= UINT32_MAX / 2))
		return -1;
	if (count > 1)
		which = (unsigned int)(random_next(&p->random) % count);
	return (int)candidates[which];
}

static struct policy_request *ask(struct policy *p, struct policy_job *job,
				  unsigned int source, uint64_t now)
{
	struct policy_source *s = &p->sources[source];
	struct policy_request *r = p->requests_free;

	p->requests_free = r->link.next ? request_of(r->link.next) : NULL;
	p->requests_left--;
	r->job = job;
	r->source = source;
	r->sent = now;
	r->late = false;
	r->doubtful = in_doubt(s);
	p->doubtful += r->doubtful;
	r->data = NULL;
	list_add(&r->link, &s->requests);
	r->alone = !s->inflight && !s->late;
	s->useful |= r->alone && now - s->up_since >= POLICY_LASTING_US;
	r->background = !is_urgent(job->urgency);
	if (!r->background)
		p->readers_until = now + READERS_US;
	s->inflight++;
	s->background += r->background;
	r->crowded = 2 * s->inflight > s->budget;
	if (r->background) {
		p->background_sent++;
	} else if (!job->requests) {
		p->urgent_sent++;
		p->overtaken += p->background_sent - job->since;
	}
	job->asked |= bit(source);
	job->requests++;
	if (p->config.rate && r->background)
		p->tokens -= p->tokens < p->config.block_size ?
				     p->tokens :
				     p->config.block_size;
	/* For an agreement, the others are asked at once. */
	if (!job->verifiable && !s->trust && under_way(job) < p->config.agree)
		return r;
	job->hedge = now + jitter(p, p->config.hedge_us);
	move(p, job, JOB_ASKED);
	return r;
}

/* Its sources have no room now: others come first, and it waits beside them. */
static void pass_over(struct policy *p, struct policy_job *job)
{
	list_del(&job->link);
	list_add(&job->link, &p->ready[job->urgency]);
	if (job->passed)
		return;
	/* They are not to fill the memory. */
	if (!is_urgent(job->urgency) && !job->asked &&
	    p->passed_count[job->urgency] >= p->config.jobs_max / 4) {
		let_go(p, job);
		return;
	}
	job->passed = true;
	p->passed_count[job->urgency]++;
}

static bool any_room(const struct policy *p, bool urgent, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (p->sources[i].up && room_of(p, &p->sources[i], urgent, now))
			return true;
	return false;
}

struct policy_request *policy_next(struct policy *p, uint64_t now)
{
	struct policy_link *at, *next;
	struct policy_job *job;
	unsigned int look, u;
	bool hope, dead;
	int source;

	fill_bucket(p, now);
	p->look_again = false;
	for (u = 0; u < POLICY_URGENCIES; u++) {
		if (!is_urgent(u) &&
		    (rate_holds(p) ||
		     p->requests_left <= reserved(p->config.requests_max)))
			break;
		/* Without any room there is nobody to ask; but some may be dead. */
		look = p->ready_count[u];
		if (look > LOOK_MAX) {
			look = LOOK_MAX;
			p->look_again |= any_room(p, is_urgent(u), now);
		}
		for (at = p->ready[u].next; look && at != &p->ready[u];
		     at = next, look--) {
			if (!p->requests_free)
				break;
			next = at->next;
			job = job_of(at);
			source = pick(p, job, now, &hope, &dead);
			if (source >= 0)
				return ask(p, job, (unsigned int)source, now);
			if (hope && any_room(p, is_urgent(u), now))
				pass_over(p, job);
			else if (hope)
				continue;
			else if (job->asked & up_mask(p))
				move(p, job, JOB_IDLE);
			else
				let_go(p, job);
		}
	}
	return NULL;
}

void policy_tick(struct policy *p, uint64_t now)
{
	struct policy_source *s;
	struct policy_request *r;
	unsigned int i;

	for (i = 0; i < p->source_count; i++) {
		s = &p->sources[i];
		while (!list_empty(&s->requests)) {
			r = request_of(s->requests.next);
			if (now - r->sent < expiry(p, s))
				break;
			list_del(&r->link);
			r->late = true;
			s->inflight--;
			s->background -= r->background;
			s->late++;
			p->doubtful += !r->doubtful;
			r->doubtful = true;
			if (now - s->shrunk >= expiry(p, s)) {
				s->shrunk = now;
				s->acks = 0;
				s->budget = s->budget > 3 ? s->budget / 2 : 1;
			}
		}
		if (p->config.queue_us)
			probe(p, s, now);
	}
	while (p->heap_count && p->heap[0]->hedge <= now)
		move(p, p->heap[0], JOB_READY);
}

uint64_t policy_timer(const struct policy *p, uint64_t now)
{
	uint64_t when = POLICY_NEVER, t;
	unsigned int i;

	if (p->heap_count)
		when = p->heap[0]->hedge;
	for (i = 0; i < p->source_count; i++) {
		const struct policy_source *s = &p->sources[i];

		if (!list_empty(&s->requests)) {
			t = request_of(s->requests.next)->sent + expiry(p, s);
			when = t < when ? t : when;
		}
		if (s->rest > now)
			when = s->rest < when ? s->rest : when;
		if (s->hold > now)
			when = s->hold < when ? s->hold : when;
		if (s->probing)
			when = s->probe_at < when ? s->probe_at : when;
	}
	if (p->look_again && now + LOOK_AGAIN_US < when)
		when = now + LOOK_AGAIN_US;
	if (rate_holds(p) && p->ready_count[POLICY_NORMAL]) {
		t = now + 1 +
		    (p->config.block_size - p->tokens) * 1000000 /
			    p->config.rate;
		when = t < when ? t : when;
	}
	return when;
}

/* ----------------------------------------------------------------- answers */

static void free_request(struct policy *p, struct policy_request *r)
{
	r->job = NULL;
	r->link.next = p->requests_free ? &p->requests_free->link : NULL;
	p->requests_free = r;
	p->requests_left++;
}

void policy_release(struct policy *p, struct policy_request *r)
{
	free_request(p, r);
}

/* Has one before the i-th said this already, by another name? */
static bool echoed(const struct policy *p, const struct policy_job *job,
		   unsigned int i, const struct policy_request *r)
{
	unsigned int j;

	if (p->twins(job->kept[i], r))
		return true;
	for (j = 0; j < i; j++)
		if (p->equal(job->kept[j], r) &&
		    p->twins(job->kept[j], job->kept[i]))
			return true;
	return false;
}

/* Enough sources say the same as @r? */
static bool agreed(const struct policy *p, const struct policy_job *job,
		   const struct policy_request *r)
{
	unsigned int i, same = 1;

	if (p->config.agree < 2)
		return false;
	for (i = 0; i < job->kept_count; i++)
		if (p->equal(job->kept[i], r) && !echoed(p, job, i, r))
			same++;
	return same >= p->config.agree;
}

enum policy_verdict policy_answer(struct policy *p, struct policy_request *r,
				  enum policy_outcome outcome, uint64_t now)
{
	struct policy_source *s = &p->sources[r->source];
	struct policy_job *job = r->job;
	unsigned int source = r->source;

	if (r->late) {
		s->late--;
	} else {
		list_del(&r->link);
		s->inflight--;
		s->background -= r->background;
	}
	p->doubtful -= r->doubtful;
	job->asked &= ~bit(source);
	if (outcome != POLICY_LOST)
		sample(s, now - r->sent);
	if (outcome != POLICY_LOST) {
		s->answered = true;
		s->useful = true;
		s->losses = 0;
	} else if (s->up) {
		/* For no reason that anybody knows: it isn't asked at once. */
		s->hold = now + jitter(p, HOLD_MIN_US << s->losses);
		if (s->losses < 6)
			s->losses++;
	}
	if (outcome == POLICY_GOOD) {
		went_well(p, s, r, now);
		/* What comes too late, and can't be checked, nobody looks at. */
		if (job->state != JOB_ENDED || job->verifiable) {
			s->rest = 0;
			compared(p, s, true, now);
		}
	} else if (outcome != POLICY_LOST && r->sent >= s->rest_end) {
		job->blamed |= bit(source);
	}

	if (job->state == JOB_ENDED) {
		if (job->accepted)
			blame(p, job, now);
		free_request(p, r);
		put(p, job);
		return POLICY_DROP;
	}
	if (outcome == POLICY_GOOD) {
		if (job->verifiable || s->trust || agreed(p, job, r)) {
			deferred_slot(p, job->address)->times = 0;
			end(p, job);
			job->accepted = true;
			blame(p, job, now);
			return POLICY_ACCEPT;
		}
		if (job->kept_count < POLICY_KEPT_MAX) {
			job->kept[job->kept_count++] = r;
			/* Ask on, unless enough are under way. */
			if (job->state != JOB_READY &&
			    (!job->asked || under_way(job) < p->config.agree))
				move(p, job, JOB_READY);
			return POLICY_KEEP;
		}
		job->failed |= bit(source);
	} else if (outcome != POLICY_LOST) {
		job->failed |= bit(source);
	}
	/* An arrival is the moment to ask elsewhere, not the next timer. */
	if (job->state != JOB_READY)
		move(p, job, JOB_READY);
	free_request(p, r);
	return POLICY_DROP;
}

/* A source ends before it. */
static bool beyond(const struct policy *p, const struct policy_job *job)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (job->address >= p->sources[i].end)
			return true;
	return false;
}

struct policy_job *policy_unserved(struct policy *p, enum policy_why *why,
				   uint64_t now)
{
	struct policy_deferred *d;
	struct policy_job *job;
	bool hope, dead;

	if (list_empty(&p->unserved))
		return NULL;
	job = job_of(p->unserved.next);
	list_del(&job->link);
	pick(p, job, now, &hope, &dead);
	if (!eligible(p, job)) {
		*why = POLICY_UNTRUSTED;
	} else if (dead) {
		*why = job->failed || job->kept_count || beyond(p, job) ?
			       POLICY_GIVE_UP :
			       POLICY_UNREACHED;
	} else {
		*why = POLICY_LATER;
		d = deferred_slot(p, job->address);
		if (d->address != job->address)
			d->times = 0;
		d->address = job->address;
		d->until =
			now +
			jitter(p, 500000ULL << (d->times < 5 ? d->times : 5));
		d->times++;
	}
	return job;
}

unsigned int policy_drain(struct policy *p)
{
	struct policy_link *at, *next;
	struct policy_job *job;
	unsigned int u;

	for (u = 0; u < POLICY_URGENCIES; u++)
		for (at = p->ready[u].next; at != &p->ready[u]; at = next) {
			next = at->next;
			job = job_of(at);
			if (job->requests)
				continue;
			end(p, job);
			policy_finish(p, job);
		}
	return p->job_count;
}
