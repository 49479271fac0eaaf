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

#include "policy_parts.h"

#define LOOK_MAX 128U /* ready jobs looked at for one that can be sent */
#define LOOK_AGAIN_US 1000U /* and then others */
#define HOLD_MIN_US \
	20000ULL /* after a request that was lost without a reason */
#define HELD_MAX 64U /* background jobs taken while the rate holds them */
#define READERS_US 1000000ULL /* readers are about for so long after one */

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
	bool others = !urgent && pace_awake(p, now);

	for (i = 0; i < p->source_count; i++) {
		const struct policy_source *s = &p->sources[i];

		if (s->up && !(others && s->rest > now))
			room += pace_room(p, s, urgent, now);
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
	return &p->deferred[policy_mix(address) % POLICY_DEFERRALS];
}

static void urge(struct policy *p, struct policy_job *job, uint8_t urgency)
{
	if (urgency >= job->urgency)
		return;
	if (job->state != JOB_READY) {
		job->urgency = urgency;
		return;
	}
	job_leave(p, job);
	job->urgency = urgency;
	job->since = p->background_sent;
	job_enter(p, job, JOB_READY);
}

struct policy_job *policy_urge(struct policy *p, uint64_t address)
{
	struct policy_job *job = job_find(p, address);

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
	struct policy_job *job = job_find(p, fault->address);
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
	job->chain = *job_slot(p, job->address);
	*job_slot(p, job->address) = job;
	p->job_count++;
	job_enter(p, job, JOB_READY);
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
		if (!pace_room(p, s, is_urgent(job->urgency), now))
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
	r->doubtful = pace_in_doubt(s);
	s->doubtful += r->doubtful;
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
	job->hedge = now + policy_jitter(p, p->config.hedge_us);
	job_move(p, job, JOB_ASKED);
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
		job_let_go(p, job);
		return;
	}
	job->passed = true;
	p->passed_count[job->urgency]++;
}

static bool any_room(const struct policy *p, bool urgent, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < p->source_count; i++)
		if (p->sources[i].up &&
		    pace_room(p, &p->sources[i], urgent, now))
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
				job_move(p, job, JOB_IDLE);
			else
				job_let_go(p, job);
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
			if (now - r->sent < pace_expiry(p, s))
				break;
			list_del(&r->link);
			r->late = true;
			s->inflight--;
			s->background -= r->background;
			s->late++;
			s->doubtful += !r->doubtful;
			p->doubtful += !r->doubtful && s->up;
			r->doubtful = true;
			if (now - s->shrunk >= pace_expiry(p, s)) {
				s->shrunk = now;
				s->acks = 0;
				s->budget = s->budget > 3 ? s->budget / 2 : 1;
			}
		}
		if (p->config.queue_us)
			pace_probe(p, s, now);
	}
	while (p->heap_count && p->heap[0]->hedge <= now)
		job_move(p, p->heap[0], JOB_READY);
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
			t = request_of(s->requests.next)->sent +
			    pace_expiry(p, s);
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
	s->doubtful -= r->doubtful;
	p->doubtful -= r->doubtful && s->up;
	job->asked &= ~bit(source);
	if (outcome != POLICY_LOST)
		pace_sample(s, now - r->sent);
	if (outcome != POLICY_LOST) {
		s->answered = true;
		s->useful = true;
		s->losses = 0;
	} else if (s->up) {
		/* For no reason that anybody knows: it isn't asked at once. */
		s->hold = now + policy_jitter(p, HOLD_MIN_US << s->losses);
		if (s->losses < 6)
			s->losses++;
	}
	if (outcome == POLICY_GOOD) {
		pace_went_well(p, s, r, now);
		/* What comes too late, and can't be checked, nobody looks at. */
		if (job->state != JOB_ENDED || job->verifiable) {
			s->rest = 0;
			pace_compared(p, s, true, now);
		}
	} else if (outcome != POLICY_LOST && r->sent >= s->rest_end) {
		job->blamed |= bit(source);
	}

	if (job->state == JOB_ENDED) {
		if (job->accepted)
			pace_blame(p, job, now);
		free_request(p, r);
		job_put(p, job);
		return POLICY_DROP;
	}
	if (outcome == POLICY_GOOD) {
		if (job->verifiable || s->trust || agreed(p, job, r)) {
			deferred_slot(p, job->address)->times = 0;
			job_end(p, job);
			job->accepted = true;
			pace_blame(p, job, now);
			return POLICY_ACCEPT;
		}
		if (job->kept_count < POLICY_KEPT_MAX) {
			job->kept[job->kept_count++] = r;
			/* Ask on, unless enough are under way. */
			if (job->state != JOB_READY &&
			    (!job->asked || under_way(job) < p->config.agree))
				job_move(p, job, JOB_READY);
			return POLICY_KEEP;
		}
		job->failed |= bit(source);
	} else if (outcome != POLICY_LOST) {
		job->failed |= bit(source);
	}
	/* An arrival is the moment to ask elsewhere, not the next timer. */
	if (job->state != JOB_READY)
		job_move(p, job, JOB_READY);
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
			policy_jitter(p, 500000ULL << (d->times < 5 ? d->times :
								      5));
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
			job_end(p, job);
			policy_finish(p, job);
		}
	return p->job_count;
}
