// SPDX-License-Identifier: GPL-2.0
/*
 * The policy: jobs, and where they are: found by their address, in a list or in
 * the heap of hedging times.
 */
#include "policy_parts.h"

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

struct policy_job **job_slot(struct policy *p, uint64_t address)
{
	return &p->hash[policy_mix(address) & p->hash_mask];
}

struct policy_job *job_find(struct policy *p, uint64_t address)
{
	struct policy_job *job = *job_slot(p, address);

	while (job && job->address != address)
		job = job->chain;
	return job;
}

static void unhash(struct policy *p, struct policy_job *job)
{
	struct policy_job **at = job_slot(p, job->address);

	while (*at != job)
		at = &(*at)->chain;
	*at = job->chain;
}

void job_leave(struct policy *p, struct policy_job *job)
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

void job_enter(struct policy *p, struct policy_job *job, uint8_t state)
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

void job_move(struct policy *p, struct policy_job *job, uint8_t state)
{
	job_leave(p, job);
	job_enter(p, job, state);
}

void job_put(struct policy *p, struct policy_job *job)
{
	if (job->state != JOB_ENDED || job->busy || job->asked)
		return;
	job->chain = p->jobs_free;
	p->jobs_free = job;
}

void job_end(struct policy *p, struct policy_job *job)
{
	job_leave(p, job);
	list_init(&job->link);
	job->state = JOB_ENDED;
	job->busy = true;
	p->job_count--;
}

void job_let_go(struct policy *p, struct policy_job *job)
{
	job_end(p, job);
	list_add(&job->link, &p->unserved);
}

void policy_finish(struct policy *p, struct policy_job *job)
{
	job->busy = false;
	/* An answer may never come: the block can be asked for again. */
	unhash(p, job);
	job_put(p, job);
}
