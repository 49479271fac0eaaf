/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the policy share; for others there is policy.h.
 */
#ifndef POLICY_PARTS_H
#define POLICY_PARTS_H

#include "policy.h"
#include "random.h"

static inline void list_init(struct policy_link *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct policy_link *head)
{
	return head->next == head;
}

static inline void list_add(struct policy_link *link, struct policy_link *head)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static inline void list_del(struct policy_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Both structs begin with their link. */
static inline struct policy_job *job_of(struct policy_link *link)
{
	return (struct policy_job *)link;
}

static inline struct policy_request *request_of(struct policy_link *link)
{
	return (struct policy_request *)link;
}

/* @period, or up to half of it more. */
static inline uint64_t policy_jitter(struct policy *p, uint64_t period)
{
	return period +
	       (period > 1 ? random_next(&p->random) % (period / 2) : 0);
}

static inline uint64_t policy_mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
	return x ^ x >> 29;
}

static inline uint64_t bit(unsigned int source)
{
	return 1ULL << source;
}

/* --------------------------------------------------------- policy_jobs.c */

struct policy_job **job_slot(struct policy *p, uint64_t address);
struct policy_job *job_find(struct policy *p, uint64_t address);
/* Out of the place it is in. */
void job_leave(struct policy *p, struct policy_job *job);
void job_enter(struct policy *p, struct policy_job *job, uint8_t state);
void job_move(struct policy *p, struct policy_job *job, uint8_t state);
/* Free it when neither the caller nor an answer to come needs it. */
void job_put(struct policy *p, struct policy_job *job);
void job_end(struct policy *p, struct policy_job *job);
void job_let_go(struct policy *p, struct policy_job *job);

/* --------------------------------------------------------- policy_pace.c */

/* It has yet to answer, or is behind with its answers. */
bool pace_in_doubt(const struct policy_source *s);
/* A source is up that doesn't rest: then others may. */
bool pace_awake(const struct policy *p, uint64_t now);
/* How many more requests it may get: urgent ones, or of the background. */
unsigned int pace_room(const struct policy *p, const struct policy_source *s,
		       bool urgent, uint64_t now);
uint64_t pace_expiry(const struct policy *p, const struct policy_source *s);
void pace_sample(struct policy_source *s, uint64_t latency);
/* Measure it alone now and then: its base may have changed. */
void pace_probe(struct policy *p, struct policy_source *s, uint64_t now);
void pace_went_well(struct policy *p, struct policy_source *s,
		    const struct policy_request *r, uint64_t now);
/*
 * It failed a block that another source had, or (@good) served one.  It rests
 * when it fails most of what can be compared so.
 */
void pace_compared(struct policy *p, struct policy_source *s, bool good,
		   uint64_t now);
/* The block is had: those that failed it are to blame for that. */
void pace_blame(struct policy *p, struct policy_job *job, uint64_t now);

#endif /* POLICY_PARTS_H */
