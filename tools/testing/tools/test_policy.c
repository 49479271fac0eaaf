// SPDX-License-Identifier: GPL-2.0
/*
 * The policy of gridrepaird: tools/gridrepaird/policy.c, on a clock of the
 * test's own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy.h"

#define MS 1000ULL
#define S 1000000ULL

static const struct policy_config standard = {
	.hedge_us = 100 * MS,
	.expiry_us = 250 * MS,
	.patience_us = 60 * S,
	.budget = 4,
	.budget_max = 16,
	.block_size = 4096,
	.jobs_max = 256,
	.requests_max = 256,
};

static uint64_t now;

static bool never_equal(const struct policy_request *a,
			const struct policy_request *b)
{
	return a->data == b->data;
}

static bool no_twins(const struct policy_request *a,
		     const struct policy_request *b)
{
	(void)a;
	(void)b;
	return false;
}

static void begin(struct policy *p, const struct policy_config *config,
		  unsigned int sources)
{
	unsigned int i;

	now = 1000 * S;
	assert_int_equal(policy_init(p, config, 42, now), 0);
	p->equal = never_equal;
	p->twins = no_twins;
	for (i = 0; i < sources; i++) {
		policy_add_source(p, false, 0, now);
		policy_source_up(p, i, now);
	}
}

static enum policy_added add(struct policy *p, uint64_t address, uint32_t flags)
{
	struct grid_missing_fault f = { .address = address, .flags = flags };

	return policy_add(p, &f, NULL, true, now);
}

static struct policy_request *next(struct policy *p)
{
	return policy_next(p, now);
}

static struct policy_request *must(struct policy *p)
{
	struct policy_request *r = next(p);

	assert_non_null(r);
	return r;
}

static enum policy_verdict answer(struct policy *p, struct policy_request *r,
				  enum policy_outcome outcome)
{
	return policy_answer(p, r, outcome, now);
}

/* Accepted, written, done with. */
static void accept(struct policy *p, struct policy_request *r)
{
	struct policy_job *job = r->job;

	assert_int_equal(answer(p, r, POLICY_GOOD), POLICY_ACCEPT);
	while (job->kept_count)
		policy_release(p, job->kept[--job->kept_count]);
	policy_release(p, r);
	policy_finish(p, job);
}

static void pass(struct policy *p, uint64_t us)
{
	now += us;
	policy_tick(p, now);
}

static void test_simple(void **state)
{
	struct policy_request *r;
	struct policy p;

	(void)state;
	begin(&p, &standard, 1);
	assert_int_equal(policy_room(&p, false, now), 4);
	assert_int_equal(add(&p, 7, 0), POLICY_ADDED);
	assert_int_equal(add(&p, 7, 0), POLICY_KNOWN);
	assert_int_equal(policy_room(&p, false, now), 3);
	r = must(&p);
	assert_int_equal(r->job->address, 7);
	assert_null(next(&p));
	accept(&p, r);
	assert_int_equal(p.job_count, 0);
	assert_int_equal(policy_room(&p, false, now), 4);
	/* It is forgotten: it may come again. */
	assert_int_equal(add(&p, 7, 0), POLICY_ADDED);
	policy_exit(&p);
}

/* The first source asked is drawn at random, evenly. */
static void test_random_first(void **state)
{
	unsigned int count[4] = { 0 }, i;
	struct policy_request *r;
	struct policy p;

	(void)state;
	begin(&p, &standard, 4);
	for (i = 0; i < 4000; i++) {
		add(&p, i, 0);
		r = must(&p);
		count[r->source]++;
		accept(&p, r);
	}
	for (i = 0; i < 4; i++)
		assert_in_range(count[i], 850, 1150);
	policy_exit(&p);
}

static void test_hedge(void **state)
{
	struct policy_request *a, *b;
	struct policy_job *job;
	struct policy p;

	(void)state;
	begin(&p, &standard, 2);
	add(&p, 1, 0);
	a = must(&p);
	pass(&p, 99 * MS);
	assert_null(next(&p)); /* not before its time */
	assert_true(policy_timer(&p, now) <= now + 51 * MS + 1);
	pass(&p, 51 * MS); /* with jitter, within 150 ms */
	b = must(&p);
	assert_ptr_equal(a->job, b->job);
	assert_int_not_equal(a->source, b->source);
	pass(&p, 10 * S);
	assert_null(next(&p)); /* both are asked: no source is asked twice */
	/* The late answer is used all the same. */
	assert_true(a->late);
	job = a->job;
	assert_int_equal(answer(&p, a, POLICY_GOOD), POLICY_ACCEPT);
	policy_release(&p, a);
	policy_finish(&p, job);
	/* The other answer comes after the end: dropped, nothing dangles. */
	assert_int_equal(answer(&p, b, POLICY_GOOD), POLICY_DROP);
	assert_int_equal(add(&p, 1, 0), POLICY_ADDED);
	policy_exit(&p);
}

static void test_expiry_frees_budget(void **state)
{
	struct policy_request *r[4];
	struct policy p;
	unsigned int i;

	(void)state;
	begin(&p, &standard, 1);
	for (i = 0; i < 8; i++)
		add(&p, i, 0);
	for (i = 0; i < 4; i++)
		r[i] = must(&p);
	assert_null(next(&p)); /* the budget is out */
	assert_int_equal(policy_room(&p, false, now), 0);
	pass(&p, 249 * MS);
	assert_null(next(&p));
	pass(&p, 1 * MS);
	/* Expired: free again, but the budget has halved. */
	assert_int_equal(p.sources[0].budget, 2);
	assert_int_equal(p.sources[0].late, 4);
	must(&p);
	must(&p);
	assert_null(next(&p));
	/* Now it is known that it takes its time: four times the median. */
	now += 150 * MS;
	for (i = 0; i < 4; i++)
		accept(&p, r[i]);
	assert_int_equal(p.sources[0].median, 400 * MS);
	pass(&p, 1000 * MS);
	assert_int_equal(p.sources[0].late, 0);
	assert_int_equal(p.sources[0].inflight, 2);
	policy_exit(&p);
}

static void test_budget_grows(void **state)
{
	struct policy_request *r[17];
	struct policy p;
	unsigned int i, n, round;
	uint64_t address = 0;

	(void)state;
	begin(&p, &standard, 1);
	for (round = 0; round < 100; round++) {
		for (n = 0; n < 16; n++)
			add(&p, address++, 0);
		for (n = 0; (r[n] = next(&p)); n++)
			;
		pass(&p, 1 * MS);
		for (i = 0; i < n; i++)
			accept(&p, r[i]);
		while ((r[0] = next(&p)))
			accept(&p, r[0]);
	}
	assert_int_equal(p.sources[0].budget, 16);
	policy_exit(&p);
}

/* An error costs the source, not the block. */
static void test_errors(void **state)
{
	struct policy_request *a, *b, *c;
	enum policy_why why;
	struct policy_job *job;
	struct policy p;

	(void)state;
	begin(&p, &standard, 3);
	add(&p, 1, 0);
	a = must(&p);
	assert_null(next(&p));
	assert_int_equal(answer(&p, a, POLICY_ERROR), POLICY_DROP);
	b = must(&p); /* at once */
	assert_int_equal(answer(&p, b, POLICY_WRONG), POLICY_DROP);
	c = must(&p);
	assert_int_equal(answer(&p, c, POLICY_ERROR), POLICY_DROP);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_non_null(job);
	assert_int_equal(why, POLICY_GIVE_UP);
	assert_int_equal(job->requests, 3);
	policy_finish(&p, job);
	assert_null(policy_unserved(&p, &why, now));
	assert_int_equal(p.job_count, 0);
	policy_exit(&p);
}

/* An answer that comes when the block is there counts as any other. */
static void test_late_and_wrong(void **state)
{
	struct policy_request *a, *b;
	struct policy p;
	unsigned int i;

	(void)state;
	begin(&p, &standard, 2);
	for (i = 0; i < 8; i++) {
		p.sources[1].priority = 1;
		add(&p, i, 0);
		a = must(&p);
		assert_int_equal(a->source, 0);
		pass(&p, 151 * MS);
		b = must(&p);
		accept(&p, b);
		assert_int_equal(answer(&p, a, POLICY_WRONG), POLICY_DROP);
	}
	assert_true(p.sources[0].rest > now);
	policy_exit(&p);
}

/* What nobody can check says nothing for its source, when it comes too late. */
static void test_late_unverified(void **state)
{
	struct grid_missing_fault f = { .address = 1 };
	struct policy_request *r;
	struct policy_source *s;
	struct policy p;
	uint64_t rest;

	(void)state;
	f.flags = GRID_MISSING_F_NO_CHECKSUM;
	for (rest = 0; rest <= 3 * S; rest += 3 * S) {
		begin(&p, &standard, 2);
		p.sources[0].trust = true;
		p.sources[1].trust = true;
		assert_int_equal(policy_add(&p, &f, NULL, false, now),
				 POLICY_ADDED);
		r = must(&p);
		s = &p.sources[r->source];
		pass(&p, 151 * MS);
		accept(&p, must(&p));
		s->rest = rest ? now + rest : 0;
		s->compared = 4;
		assert_int_equal(answer(&p, r, POLICY_GOOD), POLICY_DROP);
		assert_int_equal(s->rest, rest ? now + rest : 0);
		assert_int_equal(s->compared, 4);
		policy_exit(&p);
	}
}

/* One that fails half of what others have goes on: it serves the other half. */
static void test_some_errors(void **state)
{
	unsigned int i, asked = 0;
	struct policy_request *r;
	struct policy p;

	(void)state;
	begin(&p, &standard, 2);
	for (i = 0; i < 200; i++) {
		add(&p, i, 0);
		r = must(&p);
		if (!r->source && asked++ % 2) {
			answer(&p, r, POLICY_WRONG);
			r = must(&p);
		}
		accept(&p, r);
		assert_true(p.sources[0].rest <= now);
	}
	assert_in_range(asked, 50, 150);
	policy_exit(&p);
}

static void test_many_errors_rest(void **state)
{
	struct policy_request *r;
	enum policy_why why;
	struct policy_job *job;
	struct policy p;
	unsigned int i, asked[2] = { 0 };

	(void)state;
	begin(&p, &standard, 2);
	for (i = 0; i < 200; i++) {
		add(&p, i, 0);
		r = must(&p);
		asked[r->source]++;
		if (r->source) {
			accept(&p, r);
			continue;
		}
		answer(&p, r, POLICY_WRONG);
		accept(&p, must(&p));
	}
	assert_int_equal(asked[0], 8);
	/* It is tried again later. */
	pass(&p, 1 * S);
	for (i = 0; i < 50; i++) {
		add(&p, i, 0);
		r = must(&p);
		asked[r->source]++;
		accept(&p, r);
	}
	assert_in_range(asked[0], 15, 50);
	/* At rest, it is asked for what is left to no other. */
	p.sources[0].rest = now + 300 * MS;
	add(&p, 1000, 0);
	r = must(&p);
	assert_int_equal(r->source, 1);
	answer(&p, r, POLICY_ERROR);
	r = must(&p);
	assert_int_equal(r->source, 0);
	accept(&p, r);
	/* And when it is alone. */
	policy_source_down(&p, 1, false, now);
	p.sources[0].rest = now + 300 * MS;
	assert_int_not_equal(policy_room(&p, false, now), 0);
	add(&p, 1001, 0);
	accept(&p, must(&p));
	job = policy_unserved(&p, &why, now);
	assert_null(job);
	policy_exit(&p);
}

static void test_source_lost(void **state)
{
	struct policy_request *r;
	enum policy_why why;
	struct policy_job *job;
	struct policy p;

	(void)state;
	begin(&p, &standard, 2);
	p.sources[0].answered = true;
	policy_source_down(&p, 1, false, now);
	add(&p, 1, 0);
	r = must(&p);
	assert_int_equal(r->source, 0);
	/* It goes away: this says nothing about the block. */
	policy_source_down(&p, 0, false, now);
	assert_int_equal(answer(&p, r, POLICY_LOST), POLICY_DROP);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_LATER);
	policy_finish(&p, job);
	/* Put off while nothing has changed … */
	assert_int_equal(add(&p, 1, 0), POLICY_DEFERRED);
	/* … until a source is back. */
	policy_source_up(&p, 1, now);
	assert_int_equal(add(&p, 1, 0), POLICY_ADDED);
	r = must(&p);
	assert_int_equal(r->source, 1);
	/* 1 has an error; 0 is away, but not for long: it may have it. */
	assert_int_equal(answer(&p, r, POLICY_ERROR), POLICY_DROP);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_LATER);
	policy_finish(&p, job);
	/* Away for longer than patience: it doesn't count any more. */
	pass(&p, 61 * S);
	assert_int_equal(add(&p, 1, 0), POLICY_ADDED);
	answer(&p, must(&p), POLICY_ERROR);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_GIVE_UP);
	policy_finish(&p, job);
	policy_exit(&p);
}

static void test_priority(void **state)
{
	struct policy_request *r;
	struct policy p;
	unsigned int i;

	(void)state;
	begin(&p, &standard, 0);
	policy_add_source(&p, false, 5, now);
	policy_add_source(&p, false, 1, now);
	policy_source_up(&p, 0, now);
	policy_source_up(&p, 1, now);
	for (i = 0; i < 20; i++) {
		add(&p, i, 0);
		r = must(&p);
		assert_int_equal(r->source, 1);
		answer(&p, r, POLICY_ERROR);
		r = must(&p);
		assert_int_equal(r->source, 0);
		accept(&p, r);
		p.sources[1].compared = 0;
	}
	policy_exit(&p);
}

static void test_urgency(void **state)
{
	struct policy_request *r;
	struct policy p;

	(void)state;
	begin(&p, &standard, 1);
	add(&p, 1, 0);
	add(&p, 2, GRID_MISSING_F_WANTED);
	add(&p, 3, GRID_MISSING_F_READERS);
	add(&p, 4, 0);
	/* A reader comes to one that waits already. */
	assert_int_equal(add(&p, 4, GRID_MISSING_F_READERS), POLICY_KNOWN);
	r = must(&p);
	assert_int_equal(r->job->address, 3);
	assert_int_equal(must(&p)->job->address, 4);
	assert_int_equal(must(&p)->job->address, 2);
	assert_int_equal(must(&p)->job->address, 1);
	policy_exit(&p);
}

static void test_untrusted(void **state)
{
	struct policy_config config = standard;
	enum policy_why why;
	struct policy_job *job;
	struct policy p;
	struct policy_request *r;
	struct grid_missing_checksum sum = { { 1 } };
	struct grid_missing_fault f = { .address = 9,
					.flags = GRID_MISSING_F_NO_CHECKSUM };

	(void)state;
	begin(&p, &config, 2);
	add(&p, 1, GRID_MISSING_F_NO_CHECKSUM);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_UNTRUSTED);
	assert_int_equal(job->requests, 0); /* nobody was even asked */
	policy_finish(&p, job);
	/* The manifest knows it. */
	assert_int_equal(policy_add(&p, &f, &sum, true, now), POLICY_ADDED);
	r = must(&p);
	assert_true(r->job->verifiable);
	assert_memory_equal(&r->job->checksum, &sum, sizeof(sum));
	accept(&p, r);
	/* But without a hash it can't be verified. */
	assert_int_equal(policy_add(&p, &f, &sum, false, now), POLICY_ADDED);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_UNTRUSTED);
	policy_finish(&p, job);
	policy_exit(&p);
}

static void test_trust(void **state)
{
	enum policy_why why;
	struct policy_request *r;
	struct policy_job *job;
	struct policy p;
	unsigned int i;

	(void)state;
	begin(&p, &standard, 2);
	policy_add_source(&p, true, 0, now);
	policy_source_up(&p, 2, now);
	for (i = 0; i < 20; i++) {
		add(&p, i, GRID_MISSING_F_NO_CHECKSUM);
		r = must(&p);
		assert_int_equal(r->source, 2);
		accept(&p, r);
	}
	add(&p, 100, GRID_MISSING_F_NO_CHECKSUM);
	answer(&p, must(&p), POLICY_ERROR);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_GIVE_UP);
	policy_finish(&p, job);
	policy_exit(&p);
}

static void test_agree(void **state)
{
	struct policy_config config = standard;
	struct policy_request *r[3];
	enum policy_why why;
	struct policy_job *job;
	struct policy p;
	unsigned int i;

	(void)state;
	config.agree = 2;
	begin(&p, &config, 3);
	add(&p, 1, GRID_MISSING_F_NO_CHECKSUM);
	r[0] = must(&p);
	r[1] = must(&p); /* two at once */
	assert_null(next(&p));
	r[0]->data = (void *)1;
	r[1]->data = (void *)2;
	assert_int_equal(answer(&p, r[0], POLICY_GOOD), POLICY_KEEP);
	assert_null(next(&p));
	assert_int_equal(answer(&p, r[1], POLICY_GOOD), POLICY_KEEP);
	r[2] = must(&p); /* they differ: the third decides */
	r[2]->data = (void *)1;
	assert_int_equal(r[2]->job->kept_count, 2);
	accept(&p, r[2]);

	/* All differ. */
	add(&p, 2, GRID_MISSING_F_NO_CHECKSUM);
	for (i = 0; i < 2; i++)
		r[i] = must(&p);
	for (i = 0; i < 2; i++) {
		r[i]->data = (void *)(uintptr_t)(i + 1);
		answer(&p, r[i], POLICY_GOOD);
	}
	r[2] = must(&p);
	r[2]->data = (void *)3;
	assert_int_equal(answer(&p, r[2], POLICY_GOOD), POLICY_KEEP);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_GIVE_UP);
	assert_int_equal(job->kept_count, 3);
	while (job->kept_count)
		policy_release(&p, job->kept[--job->kept_count]);
	policy_finish(&p, job);

	/* A block with a checksum needs no second opinion. */
	add(&p, 3, 0);
	accept(&p, must(&p));
	policy_exit(&p);
}

static bool even_twins(const struct policy_request *a,
		       const struct policy_request *b)
{
	return !(a->source % 2) && !(b->source % 2);
}

/* What is there by two names doesn't agree with itself. */
static void test_agree_twins(void **state)
{
	struct policy_config config = standard;
	unsigned int address, seen, n, i;
	struct policy_request *r[4];
	struct policy p;
	bool done;

	(void)state;
	config.agree = 3;
	begin(&p, &config, 4);
	p.twins = even_twins;
	for (address = 0; address < 20; address++) {
		add(&p, address, GRID_MISSING_F_NO_CHECKSUM);
		for (done = false, seen = 0; !done;) {
			for (n = 0; (r[n] = next(&p)); n++)
				r[n]->data = (void *)1;
			assert_int_not_equal(n, 0);
			for (i = 0; i < n; i++) {
				seen |= r[i]->source % 2 ? 1 << r[i]->source :
							   1;
				if (__builtin_popcount(seen) == 3) {
					accept(&p, r[i]);
					done = true;
					break;
				}
				assert_int_equal(answer(&p, r[i], POLICY_GOOD),
						 POLICY_KEEP);
			}
		}
	}
	policy_exit(&p);
}

/* A reader comes when its block is with a source, or fetched already. */
static void test_urge_late(void **state)
{
	struct policy_request *r;
	struct policy_job *job;
	struct policy p;

	(void)state;
	begin(&p, &standard, 2);
	add(&p, 1, 0);
	r = must(&p);
	job = r->job;
	assert_false(policy_urgent(job));
	assert_ptr_equal(policy_urge(&p, 1), job);
	assert_true(policy_urgent(job));
	/* It is what it was sent as; another source is asked as for a reader. */
	assert_true(r->background);
	pass(&p, 126 * MS);
	assert_false(must(&p)->background);
	accept(&p, r);
	assert_null(policy_urge(&p, 1));

	add(&p, 2, 0);
	r = must(&p);
	job = r->job;
	assert_int_equal(answer(&p, r, POLICY_GOOD), POLICY_ACCEPT);
	assert_false(policy_urgent(job));
	job->data = &p;
	assert_ptr_equal(policy_urge(&p, 2)->data, &p);
	assert_true(policy_urgent(job));
	policy_release(&p, r);
	policy_finish(&p, job);
	assert_null(policy_urge(&p, 2));
	/* The next one at this address knows nothing of that. */
	add(&p, 2, 0);
	r = must(&p);
	assert_null(r->job->data);
	assert_false(policy_urgent(r->job));
	policy_exit(&p);
}

/*
 * Readers' blocks don't wait for the background, nor the background for them:
 * the one finds its budget free however much of the other is out.
 */
static void test_urgent_budget(void **state)
{
	struct policy_config config = standard;
	struct policy_request *r;
	unsigned int i, n = 0, background = 0;
	struct policy p;

	(void)state;
	config.budget = config.budget_max = 16;
	begin(&p, &config, 1);
	for (i = 0; i < 40; i++)
		add(&p, 1000 + i, 0);
	while (next(&p))
		n++;
	assert_int_equal(n, 16);
	assert_int_equal(policy_room(&p, false, now), 0);
	assert_int_equal(policy_room(&p, true, now), 16);
	for (i = 0; i < 20; i++)
		assert_int_equal(add(&p, i,
				     i & 1 ? GRID_MISSING_F_READERS :
					     GRID_MISSING_F_WANTED),
				 POLICY_ADDED);
	/* At once, and before any more of the background. */
	for (i = 0; i < 16; i++) {
		r = must(&p);
		assert_int_equal(r->job->urgency,
				 i < 10 ? POLICY_READERS : POLICY_WANTED);
	}
	assert_null(next(&p));
	/* One of the background's, still queued, that a reader comes to. */
	assert_non_null(policy_urge(&p, 1039));
	assert_null(policy_urge(&p, 777));
	assert_null(next(&p));
	assert_int_equal(p.ready_count[POLICY_WANTED], 5);
	assert_int_equal(p.urgent_sent, 16);
	assert_int_equal(p.overtaken, 0);
	policy_exit(&p);

	/* The other way round: a quarter is the background's. */
	begin(&p, &config, 1);
	for (i = 0; i < 16; i++)
		add(&p, i, GRID_MISSING_F_READERS);
	for (i = 0; i < 16; i++)
		must(&p);
	for (i = 0; i < 40; i++)
		add(&p, 1000 + i, i < 20 ? GRID_MISSING_F_READERS : 0);
	while ((r = next(&p))) {
		assert_int_equal(r->job->urgency, POLICY_NORMAL);
		background++;
	}
	assert_int_equal(background, 4);
	policy_exit(&p);
}

/* The memory for blocks: some of it is for readers only. */
static void test_urgent_memory(void **state)
{
	struct policy_config config = standard;
	unsigned int i;
	struct policy p;

	(void)state;
	config.budget = config.budget_max = 64;
	config.jobs_max = config.requests_max = 16;
	begin(&p, &config, 2);
	/* Both have answered: half is for those that have. */
	for (i = 0; !p.sources[0].sample_count || !p.sources[1].sample_count;
	     i++) {
		add(&p, i, 0);
		accept(&p, must(&p));
	}
	for (i = 0; i < 40; i++)
		add(&p, 1000 + i, 0);
	for (i = 0; next(&p); i++)
		;
	assert_int_equal(i, 14);
	assert_int_equal(add(&p, 1, GRID_MISSING_F_READERS), POLICY_ADDED);
	assert_int_equal(must(&p)->job->address, 1);
	policy_exit(&p);
}

/*
 * A server that serves one block after the other, in @each us, with @waits us
 * on the way, and @later us in the second half: what is asked for at once only
 * queues there.
 */
static unsigned int serial_server(struct policy *p, uint64_t each,
				  uint64_t waits, uint64_t later, uint64_t us)
{
	struct in_flight {
		struct policy_request *r;
		uint64_t at;
	} out[256] = { 0 };
	unsigned int head = 0, tail = 0, served = 0, i;
	uint64_t end = now + us, half = now + us / 2, busy = now;
	static uint64_t address;

	while (now < end) {
		for (i = policy_room(p, false, now); i; i--)
			add(p, ++address, 0);
		while ((out[head % 256].r = next(p))) {
			busy = (busy > now ? busy : now) + each;
			out[head++ % 256].at =
				busy + (now < half ? waits : later);
		}
		pass(p, each / 4);
		while (tail < head && out[tail % 256].at <= now) {
			accept(p, out[tail++ % 256].r);
			served++;
		}
	}
	for (; tail < head; tail++) {
		now = out[tail % 256].at;
		accept(p, out[tail % 256].r);
	}
	return served;
}

static void test_budget_follows_latency(void **state)
{
	struct policy_config config = standard;
	struct policy p;

	(void)state;
	config.budget = 16;
	config.budget_max = 64;
	begin(&p, &config, 1);
	serial_server(&p, 5 * MS, 0, 0, 10 * S);
	/* Without the target, nothing shrinks it (250 ms are not reached). */
	assert_in_range(p.sources[0].budget, 40, 64);
	policy_exit(&p);

	config.queue_us = 25 * MS;
	begin(&p, &config, 1);
	/* 5 ms each: six of them are the 25 ms that may wait; and it is busy. */
	assert_in_range(serial_server(&p, 5 * MS, 0, 0, 100 * S), 19500, 20000);
	assert_in_range(p.sources[0].budget, 4, 9);
	/* It becomes slower for good: that is measured alone, and taken. */
	serial_server(&p, 5 * MS, 0, 60 * MS, 200 * S);
	assert_in_range(p.sources[0].base, 60 * MS, 90 * MS);
	assert_in_range(p.sources[0].budget, 8, 24);
	policy_exit(&p);

	/* One that is far away, but does many at a time, gets many. */
	begin(&p, &config, 1);
	serial_server(&p, 100, 100 * MS, 100 * MS, 20 * S);
	assert_int_equal(p.sources[0].budget, 64);
	policy_exit(&p);
}

/*
 * A serial server of 5 ms a block: a reader comes every 100 ms and waits behind
 * what is on the wire of the background, which is two blocks; the server is busy
 * all the time.
 */
static void test_readers_beside_a_fill(void **state)
{
	struct policy_config config = standard;
	struct {
		struct policy_request *r;
		uint64_t at;
	} out[256] = { 0 };
	unsigned int head = 0, tail = 0, served = 0, readers = 0, i;
	uint64_t address = 0, busy, worst = 0, end, reader, begun = 0, wait;
	struct policy p;

	(void)state;
	config.budget = config.budget_max = 16;
	begin(&p, &config, 1);
	busy = now;
	reader = now + 500 * MS;
	for (end = now + 10 * S; now < end;) {
		for (i = policy_room(&p, false, now); i; i--)
			add(&p, ++address, 0);
		if (!begun && now >= reader) {
			begun = now;
			add(&p, 1000000 + now, GRID_MISSING_F_READERS);
		}
		while ((out[head % 256].r = next(&p))) {
			busy = (busy > now ? busy : now) + 5 * MS;
			out[head++ % 256].at = busy;
		}
		pass(&p, 1 * MS);
		for (; tail < head && out[tail % 256].at <= now; tail++) {
			if (!out[tail % 256].r->background) {
				wait = now - begun;
				/* The first one meets a full wire. */
				if (readers++)
					worst = wait > worst ? wait : worst;
				begun = 0;
				reader = now + 100 * MS;
			}
			accept(&p, out[tail % 256].r);
			served++;
		}
	}
	assert_in_range(worst, 1, 17 * MS);
	assert_in_range(served, 1980, 2001);
	policy_exit(&p);
}

/* What was never asked for is forgotten; the rest goes its way. */
static void test_drain(void **state)
{
	struct policy_request *r;
	unsigned int i;
	struct policy p;

	(void)state;
	begin(&p, &standard, 2);
	for (i = 0; i < 20; i++)
		add(&p, i, 0);
	r = must(&p);
	must(&p);
	assert_int_equal(policy_drain(&p), 2);
	assert_null(next(&p));
	/* It was wrong: the other source is asked all the same. */
	answer(&p, r, POLICY_WRONG);
	assert_int_equal(policy_drain(&p), 2);
	r = must(&p);
	accept(&p, r);
	assert_int_equal(policy_drain(&p), 1);
	policy_exit(&p);
}

static void test_rate(void **state)
{
	struct policy_config config = standard;
	struct policy_request *r;
	unsigned int sent = 0, i;
	struct policy p;

	(void)state;
	config.rate = 4096 * 100; /* a hundred blocks a second */
	config.budget = config.budget_max = 16;
	begin(&p, &config, 1);
	for (i = 0; i < 2000; i++) {
		/* The daemon keeps the queue full. */
		add(&p, 10000 + i, 0);
		while ((r = next(&p))) {
			sent++;
			accept(&p, r);
		}
		pass(&p, 1 * MS);
	}
	assert_in_range(sent, 190, 220);
	/* What readers wait for isn't held. */
	for (i = 0; i < 16; i++)
		assert_int_equal(add(&p, i, GRID_MISSING_F_READERS),
				 POLICY_ADDED);
	for (i = 0; i < 16; i++)
		assert_int_equal(must(&p)->job->urgency, POLICY_READERS);
	policy_exit(&p);
}

/*
 * A world: blocks that are missing, a kernel that hands them out in batches
 * again and again, sources of which each has some of them.
 */
#define WORLD 1200U

struct source_of_world {
	uint64_t latency;
	bool (*has)(uint64_t address);
	bool mute; /* never answers */
};

struct world {
	const struct source_of_world *sources;
	bool missing[WORLD], reader[WORLD], marked[WORLD];
	uint64_t handed[WORLD], done[WORLD];
	unsigned int cursor, batch, left;
	struct {
		struct policy_request *r;
		uint64_t at;
	} out[512];
};

static void world_batch(struct world *w, struct policy *p)
{
	unsigned int i, n = 0, most = policy_room(p, false, now);
	unsigned int pass, a;

	if (!most && policy_room(p, true, now))
		most = 16;
	most = most < w->batch ? most : w->batch;
	/* Readers first, half of it; as the kernel does. */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < WORLD && n < (pass ? most : (most + 1) / 2);
		     i++) {
			a = (w->cursor + i) % WORLD;
			if (!w->missing[a] || w->marked[a] ||
			    (!pass && !w->reader[a]) ||
			    (w->handed[a] && now - w->handed[a] < 500 * MS))
				continue;
			w->handed[a] = now;
			add(p, a, w->reader[a] ? GRID_MISSING_F_READERS : 0);
			n++;
		}
	w->cursor = (w->cursor + 97) % WORLD;
}

/* Until nothing is left that isn't had or marked, or the time is over. */
static void world_run(struct world *w, struct policy *p, uint64_t us)
{
	uint64_t end = now + us;
	enum policy_why why;
	struct policy_request *r;
	struct policy_job *job;
	unsigned int i;

	while (now < end && w->left) {
		world_batch(w, p);
		while ((r = next(p))) {
			for (i = 0; w->out[i].r; i++)
				;
			w->out[i].r = r;
			w->out[i].at =
				w->sources[r->source].mute ?
					UINT64_MAX :
					now + w->sources[r->source].latency;
		}
		while ((job = policy_unserved(p, &why, now))) {
			if (why != POLICY_LATER) {
				w->marked[job->address] = true;
				w->done[job->address] = now;
				w->left--;
			}
			policy_finish(p, job);
		}
		pass(p, 1 * MS);
		for (i = 0; i < 512; i++) {
			if (!w->out[i].r || w->out[i].at > now)
				continue;
			r = w->out[i].r;
			w->out[i].r = NULL;
			job = r->job;
			if (policy_answer(
				    p, r,
				    w->sources[r->source].has(job->address) ?
					    POLICY_GOOD :
					    POLICY_WRONG,
				    now) != POLICY_ACCEPT)
				continue;
			w->missing[job->address] = false;
			w->done[job->address] = now;
			w->left--;
			policy_release(p, r);
			policy_finish(p, job);
		}
	}
}

static void lose(struct world *w, unsigned int from, unsigned int to,
		 bool readers)
{
	for (; from < to; from++) {
		w->missing[from] = true;
		w->reader[from] = readers;
		w->done[from] = 0;
		w->left++;
	}
}

static bool odd(uint64_t address)
{
	return address % 2;
}

static bool all(uint64_t address)
{
	(void)address;
	return true;
}

static bool none(uint64_t address)
{
	(void)address;
	return false;
}

/* 24 blocks that nobody has, and one good source: a reader of another block. */
static void test_nobody_has(void **state)
{
	static const struct source_of_world one[] = { { 2 * MS, odd, false } };
	struct policy_config config = standard;
	static struct world w;
	struct policy p;
	unsigned int i;
	uint64_t begun;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.sources = one;
	w.batch = 64;
	config.budget = 16;
	begin(&p, &config, 1);
	for (i = 0; i < 48; i += 2)
		lose(&w, i, i + 1, false);
	world_run(&w, &p, 20 * MS);
	lose(&w, 101, 102, true);
	begun = now;
	world_run(&w, &p, 20 * S);
	assert_in_range(w.done[101] - begun, 1, 20 * MS);
	assert_int_equal(w.left, 0);
	for (i = 0; i < 48; i += 2)
		assert_true(w.marked[i]);
	policy_exit(&p);
}

/*
 * 300 blocks that nobody has among 300 that one of three sources has, with a
 * reader each: all are had or marked in no time, with batches of any size.
 */
static void test_one_of_three(void **state)
{
	static const struct source_of_world three[] = {
		{ 2 * MS, odd, false },
		{ 5 * MS, none, false },
		{ 3 * MS, none, false },
	};
	static const unsigned int batches[] = { 4, 64 };
	struct policy_config config = standard;
	static struct world w;
	struct policy p;
	unsigned int i, k;

	(void)state;
	for (k = 0; k < 4; k++) {
		memset(&w, 0, sizeof(w));
		w.sources = three;
		w.batch = batches[k % 2];
		config.budget = 16;
		config.budget_max = 64;
		config.jobs_max = config.requests_max = k < 2 ? 256 : 64;
		begin(&p, &config, 3);
		lose(&w, 0, 600, k % 2);
		world_run(&w, &p, 8 * S);
		assert_int_equal(w.left, 0);
		for (i = 0; i < 600; i++)
			assert_int_equal(w.marked[i], !odd(i));
		policy_exit(&p);
	}
}

/* A source that ends in the middle: what lies beyond isn't asked of it. */
static void test_short_source(void **state)
{
	static const struct source_of_world one[] = { { 2 * MS, all, false } };
	static struct world w;
	struct policy p;
	unsigned int i;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.sources = one;
	w.batch = 64;
	begin(&p, &standard, 1);
	policy_source_end(&p, 0, 600);
	lose(&w, 300, 1200, true);
	world_run(&w, &p, 20 * S);
	assert_int_equal(w.left, 0);
	for (i = 300; i < 1200; i++)
		assert_int_equal(w.marked[i], i >= 600);
	policy_exit(&p);
}

/* One that says nothing holds no more than its share of the memory. */
static void test_silent_source(void **state)
{
	static const struct source_of_world two[] = {
		{ 0, all, true }, { 100 * MS, all, false }
	};
	struct policy_config config = standard;
	static struct world w;
	unsigned int round;
	struct policy p;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.sources = two;
	w.batch = 64;
	config.budget = 4;
	config.budget_max = 64;
	config.jobs_max = config.requests_max = 64; /* blocks of 1 MiB */
	begin(&p, &config, 2);
	for (round = 0; round < 4; round++) {
		lose(&w, 0, 1200, false);
		memset(w.handed, 0, sizeof(w.handed));
		world_run(&w, &p, 100 * S);
		assert_int_equal(w.left, 0);
	}
	assert_true(p.sources[0].late <= 24);
	policy_exit(&p);
}

/* Blocks that one slow source alone has don't keep the others idle. */
static bool first_half(uint64_t address)
{
	return address < 600;
}

static bool second_half(uint64_t address)
{
	return address >= 600;
}

static void test_slow_alone(void **state)
{
	static const struct source_of_world two[] = {
		{ 200 * MS, first_half, false },
		{ 2 * MS, second_half, false },
	};
	struct policy_config config = standard;
	static struct world w;
	struct policy p;
	unsigned int i, good = 0;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.sources = two;
	w.batch = 64;
	config.jobs_max = config.requests_max = 128;
	begin(&p, &config, 2);
	lose(&w, 0, 1200, false);
	world_run(&w, &p, 15 * S);
	for (i = 600; i < 1200; i++)
		good += !w.missing[i];
	assert_int_equal(good, 600);
	policy_exit(&p);
}

/* Requests that are lost while their source is up: no more than some a second. */
static void test_lost_for_nothing(void **state)
{
	struct policy_request *r;
	unsigned int asked = 0;
	struct policy p;
	uint64_t end;

	(void)state;
	begin(&p, &standard, 1);
	add(&p, 1, GRID_MISSING_F_READERS);
	for (end = now + 10 * S; now < end; pass(&p, 1 * MS))
		while ((r = next(&p))) {
			asked++;
			answer(&p, r, POLICY_LOST);
		}
	assert_in_range(asked, 5, 40);
	policy_exit(&p);
}

/* A source that never answered isn't waited for, once it was tried. */
static void test_never_answered(void **state)
{
	enum policy_why why;
	struct policy_job *job;
	struct policy p;

	(void)state;
	begin(&p, &standard, 0);
	policy_add_source(&p, false, 0, now);
	policy_add_source(&p, false, 0, now);
	/* Both are being tried: not yet given up. */
	add(&p, 1, GRID_MISSING_F_READERS);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_non_null(job);
	assert_int_equal(why, POLICY_LATER);
	policy_finish(&p, job);
	policy_source_down(&p, 0, false, now);
	policy_source_down(&p, 1, false, now);
	now += 2 * S;
	add(&p, 1, GRID_MISSING_F_READERS);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_non_null(job);
	assert_int_equal(why, POLICY_UNREACHED);
	policy_finish(&p, job);
	/* One that did is, for as long as patience. */
	policy_source_up(&p, 0, now);
	add(&p, 1, 0);
	accept(&p, must(&p));
	policy_source_down(&p, 0, false, now);
	add(&p, 2, 0);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_LATER);
	policy_finish(&p, job);
	policy_exit(&p);
}

static enum policy_why why_of(struct policy *p, uint64_t address)
{
	enum policy_why why;
	struct policy_job *job;

	assert_int_equal(add(p, address, 0), POLICY_ADDED);
	assert_null(next(p));
	job = policy_unserved(p, &why, now);
	assert_non_null(job);
	policy_finish(p, job);
	return why;
}

/* One that was lost before it could answer is waited for; a silent one isn't. */
static void test_lost_unanswered(void **state)
{
	enum policy_why why;
	struct policy_request *r;
	struct policy_job *job;
	struct policy p;
	unsigned int i;

	(void)state;
	begin(&p, &standard, 1);
	policy_source_down(&p, 0, false, now);
	assert_int_equal(why_of(&p, 1), POLICY_LATER);
	/* It fails to come up, and was lost all the same. */
	policy_source_down(&p, 0, false, now);
	assert_int_equal(why_of(&p, 2), POLICY_LATER);
	/* One that only comes and goes is away all the time. */
	for (i = 0; i < 10; i++) {
		pass(&p, 6 * S);
		policy_source_up(&p, 0, now);
		policy_source_down(&p, 0, false, now);
	}
	pass(&p, 1 * S);
	assert_int_equal(why_of(&p, 3), POLICY_UNREACHED);
	/* It lasts, and is lost when it is asked at last. */
	policy_source_up(&p, 0, now);
	pass(&p, 100 * S);
	add(&p, 4, 0);
	r = must(&p);
	policy_source_down(&p, 0, false, now);
	answer(&p, r, POLICY_LOST);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_int_equal(why, POLICY_LATER);
	policy_finish(&p, job);
	pass(&p, 59 * S);
	assert_int_equal(why_of(&p, 5), POLICY_LATER);
	pass(&p, 2 * S);
	assert_int_equal(why_of(&p, 6), POLICY_UNREACHED);
	policy_exit(&p);
	begin(&p, &standard, 1);
	policy_source_down(&p, 0, true, now);
	assert_int_equal(why_of(&p, 1), POLICY_UNREACHED);
	policy_exit(&p);
}

/* A request that never comes back keeps nobody from asking again. */
static void test_stuck_request(void **state)
{
	enum policy_why why;
	struct policy_request *r;
	struct policy_job *job;
	struct policy p;

	(void)state;
	begin(&p, &standard, 2);
	policy_source_down(&p, 1, false, now);
	add(&p, 1, 0);
	r = must(&p);
	assert_int_equal(r->source, 0);
	pass(&p, 20 * S);
	assert_null(next(&p));
	/* A disk that says nothing: down, with its request. */
	policy_source_down(&p, 0, false, now);
	assert_null(next(&p));
	job = policy_unserved(&p, &why, now);
	assert_non_null(job);
	policy_finish(&p, job);
	policy_source_up(&p, 1, now);
	assert_int_equal(add(&p, 1, 0), POLICY_ADDED);
	accept(&p, must(&p));
	assert_int_equal(answer(&p, r, POLICY_GOOD), POLICY_DROP);
	assert_int_equal(p.job_count, 0);
	policy_exit(&p);
}

/* Many that say nothing leave half of the memory to one that answers. */
static void test_many_silent(void **state)
{
	struct policy_config config = standard;
	struct policy_request *r;
	unsigned int i, served = 0, urgent = 0;
	uint64_t address = 0;
	struct policy p;

	(void)state;
	config.jobs_max = 64;
	config.requests_max = 64;
	begin(&p, &config, 1);
	add(&p, address++, 0);
	accept(&p, must(&p));
	for (i = 1; i < POLICY_SOURCES_MAX; i++) {
		policy_add_source(&p, false, 0, now);
		policy_source_up(&p, i, now);
	}
	for (i = 0; i < 4000; i++) {
		if (policy_room(&p, false, now))
			add(&p, address++, 0);
		while ((r = next(&p))) {
			if (r->source)
				continue;
			accept(&p, r);
			served++;
		}
		pass(&p, 5 * MS);
		assert_in_range(p.requests_left, 32, 64);
	}
	/* Some jobs wait for these alone; the others are done. */
	assert_in_range(served, 300, 4000);
	/* What readers wait for may take more of it, but not all. */
	for (i = 0; i < 400; i++) {
		if (policy_room(&p, true, now))
			add(&p, address++, GRID_MISSING_F_READERS);
		while ((r = next(&p))) {
			if (r->source)
				continue;
			accept(&p, r);
			urgent++;
		}
		pass(&p, 5 * MS);
		assert_in_range(p.requests_left, 16, 64);
	}
	assert_in_range(urgent, 50, 400);
	policy_exit(&p);
}

/*
 * @hung say nothing, and go down at 2 s; one more comes up at 0.5 s: what it serves
 * till they do, and in all.
 */
static void late_comer(unsigned int hung, unsigned int *before,
		       unsigned int *served)
{
	struct policy_config config = standard;
	struct policy_request *r;
	enum policy_why why;
	struct policy_job *job;
	uint64_t address = 0;
	unsigned int i, t;
	struct policy p;

	config.jobs_max = 64;
	config.requests_max = 64;
	config.budget = 16;
	config.budget_max = 64;
	begin(&p, &config, hung);
	policy_add_source(&p, false, 0, now);
	*before = *served = 0;
	for (t = 0; t < 1000; t++) {
		if (t == 100)
			policy_source_up(&p, hung, now);
		for (i = 0; t == 400 && i < hung; i++)
			policy_source_down(&p, i, true, now);
		for (i = policy_room(&p, false, now); i--;)
			add(&p, address++, 0);
		while ((r = next(&p))) {
			if (r->source != hung)
				continue;
			accept(&p, r);
			*before += t < 400;
			++*served;
		}
		while ((job = policy_unserved(&p, &why, now)))
			policy_finish(&p, job);
		pass(&p, 5 * MS);
	}
	policy_exit(&p);
}

/* What others have never answered keeps none from being asked that comes up later. */
static void test_late_comer(void **state)
{
	unsigned int before, served;

	(void)state;
	late_comer(4, &before, &served);
	assert_in_range(before, 100, UINT32_MAX);
	assert_in_range(served, 300, UINT32_MAX);
	/* So many that one request more of each is too much: once they are down. */
	late_comer(POLICY_SOURCES_MAX - 1, &before, &served);
	assert_in_range(served, 300, UINT32_MAX);
}

/*
 * A simulation, with every kind of source: everything that can be repaired is,
 * nothing that is wrong lands, nothing leaks, and the cost is bounded.
 */
struct in_flight {
	struct policy_request *r;
	uint64_t at;
	enum policy_outcome outcome;
};

static void test_simulation(void **state)
{
	enum { BLOCKS = 3000 };
	struct policy_config config = standard;
	struct in_flight out[256] = { 0 };
	unsigned int i, good = 0, asked = 0, queued = 0, n = 0;
	bool done[BLOCKS] = { 0 };
	enum policy_why why;
	struct policy_request *r;
	struct policy_job *job;
	struct policy p;
	uint64_t started;

	(void)state;
	begin(&p, &config, 4);
	policy_source_down(&p, 0, false, now); /* dead from the start */
	started = now;
	while (good < BLOCKS && now - started < 600 * S) {
		while (policy_room(&p, false, now) && queued < 2 * BLOCKS) {
			uint64_t a = queued++ % BLOCKS;

			if (!done[a])
				add(&p, a, 0);
		}
		if (good + n < BLOCKS && queued >= 2 * BLOCKS)
			queued = BLOCKS;
		while ((r = next(&p))) {
			uint64_t a = r->job->address;

			asked++;
			for (i = 0; out[i].r; i++)
				;
			n++;
			out[i].r = r;
			out[i].outcome = POLICY_GOOD;
			out[i].at = now + 2 * MS;
			if (r->source == 1) /* slow */
				out[i].at = now + 400 * MS;
			if (r->source == 2 && a % 10 == 0)
				out[i].outcome = POLICY_WRONG;
		}
		while ((job = policy_unserved(&p, &why, now)))
			policy_finish(&p, job);
		pass(&p, 1 * MS);
		for (i = 0; i < 256; i++) {
			if (!out[i].r || out[i].at > now)
				continue;
			r = out[i].r;
			out[i].r = NULL;
			n--;
			job = r->job;
			if (policy_answer(&p, r, out[i].outcome, now) !=
			    POLICY_ACCEPT)
				continue;
			assert_int_equal(out[i].outcome, POLICY_GOOD);
			assert_false(done[job->address]);
			done[job->address] = true;
			good++;
			policy_release(&p, r);
			policy_finish(&p, job);
		}
	}
	assert_int_equal(good, BLOCKS);
	print_message("# %u blocks, %.2f requests a block, %.1f s\n", good,
		      (double)asked / BLOCKS, (double)(now - started) / S);
	assert_true(asked <= 2 * BLOCKS);
	/* The last answers come in; then nothing is out. */
	for (i = 0; i < 256; i++)
		if (out[i].r)
			answer(&p, out[i].r, POLICY_LOST);
	for (i = 0; i < 4; i++) {
		assert_int_equal(p.sources[i].inflight, 0);
		assert_int_equal(p.sources[i].late, 0);
	}
	assert_int_equal(p.job_count, 0);
	policy_exit(&p);
}

/*
 * Random operations: no state the policy cannot bear, under the sanitizers,
 * and afterwards every job and request is free again.
 */
static void test_storm(void **state)
{
	struct policy_config config = standard;
	struct policy_request *out[64] = { 0 };
	unsigned int i, free_jobs, free_requests;
	struct policy_request *r;
	enum policy_why why;
	struct policy_job *job;
	struct policy p;
	uint64_t step;

	(void)state;
	config.jobs_max = 32;
	config.requests_max = 64;
	config.agree = 2;
	config.patience_us = 1 * S;
	begin(&p, &config, 5);
	srandom(7);
	for (step = 0; step < 300000; step++) {
		unsigned int x = (unsigned int)random();

		switch (x % 8) {
		case 0:
		case 1:
			add(&p, x / 8 % 100,
			    x & 512 ? GRID_MISSING_F_NO_CHECKSUM : 0);
			break;
		case 2:
		case 3:
			for (i = 0; i < 64 && out[i]; i++)
				;
			if (i < 64) {
				out[i] = next(&p);
				if (out[i])
					out[i]->data =
						(void *)(uintptr_t)(x / 8 % 3 +
								    1);
			}
			break;
		case 4:
		case 5:
			i = x / 8 % 64;
			r = out[i];
			if (!r)
				break;
			out[i] = NULL;
			job = r->job;
			if (policy_answer(&p, r, x / 512 % 4, now) ==
			    POLICY_ACCEPT) {
				while (job->kept_count)
					policy_release(
						&p,
						job->kept[--job->kept_count]);
				policy_release(&p, r);
				policy_finish(&p, job);
			}
			break;
		case 6:
			pass(&p, x / 8 % 50000);
			break;
		case 7:
			if (x / 8 % 16 == 0)
				policy_source_down(&p, x / 128 % 5, false, now);
			else if (x / 8 % 16 == 1)
				policy_source_up(&p, x / 128 % 5, now);
			break;
		}
		while ((job = policy_unserved(&p, &why, now))) {
			while (job->kept_count)
				policy_release(&p,
					       job->kept[--job->kept_count]);
			policy_finish(&p, job);
		}
		policy_timer(&p, now);
		policy_room(&p, false, now);
	}
	/* Wind up: everyone goes away, and says so. */
	for (i = 0; i < 5; i++)
		policy_source_down(&p, i, false, now);
	for (i = 0; i < 64; i++) {
		if (!out[i])
			continue;
		assert_int_not_equal(answer(&p, out[i], POLICY_LOST),
				     POLICY_ACCEPT);
	}
	for (i = 0; i < 10; i++) {
		pass(&p, 1 * S);
		assert_null(next(&p));
		while ((job = policy_unserved(&p, &why, now))) {
			while (job->kept_count)
				policy_release(&p,
					       job->kept[--job->kept_count]);
			policy_finish(&p, job);
		}
	}
	assert_int_equal(p.job_count, 0);
	for (free_jobs = 0, job = p.jobs_free; job; job = job->chain)
		free_jobs++;
	assert_int_equal(free_jobs, 32 + 64);
	for (free_requests = 0, r = p.requests_free; r;
	     r = (struct policy_request *)r->link.next)
		free_requests++;
	assert_int_equal(free_requests, 64);
	assert_int_equal(p.doubtful, 0);
	policy_exit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_random_first),
		cmocka_unit_test(test_hedge),
		cmocka_unit_test(test_expiry_frees_budget),
		cmocka_unit_test(test_budget_grows),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_late_and_wrong),
		cmocka_unit_test(test_late_unverified),
		cmocka_unit_test(test_some_errors),
		cmocka_unit_test(test_many_errors_rest),
		cmocka_unit_test(test_source_lost),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_urgency),
		cmocka_unit_test(test_untrusted),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_agree),
		cmocka_unit_test(test_agree_twins),
		cmocka_unit_test(test_urge_late),
		cmocka_unit_test(test_urgent_budget),
		cmocka_unit_test(test_urgent_memory),
		cmocka_unit_test(test_budget_follows_latency),
		cmocka_unit_test(test_readers_beside_a_fill),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_nobody_has),
		cmocka_unit_test(test_one_of_three),
		cmocka_unit_test(test_short_source),
		cmocka_unit_test(test_silent_source),
		cmocka_unit_test(test_slow_alone),
		cmocka_unit_test(test_lost_for_nothing),
		cmocka_unit_test(test_never_answered),
		cmocka_unit_test(test_lost_unanswered),
		cmocka_unit_test(test_stuck_request),
		cmocka_unit_test(test_many_silent),
		cmocka_unit_test(test_late_comer),
		cmocka_unit_test(test_simulation),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
