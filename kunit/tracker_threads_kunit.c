// SPDX-License-Identifier: GPL-2.0
/*
 * The tracker with several threads at once: each does a fixed number of random
 * operations, long ones too; what the rules promise to a single caller holds
 * for each, and verify finds nothing in between and at the end.
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#define GM_SLICE 16
#include "tracker_sources.h"

#define THREADS 4
#define STEPS 20000
#define SPAN 512 /* addresses */
#define VALUES 8

struct env {
	struct gm_tracker t;
	/* Every address is written by one at a time: who commenced it. */
	u32 writer[SPAN];
};

static struct env *env;

struct worker {
	struct task_struct *task;
	u32 id; /* and owner */
	u64 rng;
	u64 mine[64]; /* being written by this one */
	u32 mine_count;
	u64 released[32];
	u32 released_count;
	struct grid_missing_fault out[16];
	struct grid_missing_block v[16];
	struct gm_set set;
	const char *wrong;
};

static struct worker workers[THREADS];

static u32 below(struct worker *w, u32 bound)
{
	u64 z = w->rng += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return ((z >> 32) * bound) >> 32;
}

static struct grid_missing_checksum sum_of(u64 a)
{
	struct grid_missing_checksum sum = { .bytes = { 3 } };

	memcpy(sum.bytes + 8, &a, sizeof(a));
	return sum;
}

static bool set_test(const struct gm_set *set, u64 address)
{
	const struct worker *w = container_of(set, struct worker, set);
	u32 i;

	for (i = 0; i < w->released_count; i++)
		if (w->released[i] == address)
			return true;
	return false;
}

static u64 set_next(const struct gm_set *set, u64 from, bool *found)
{
	const struct worker *w = container_of(set, struct worker, set);
	u64 next = U64_MAX;
	u32 i;

	*found = false;
	for (i = 0; i < w->released_count; i++) {
		if (w->released[i] < from || w->released[i] >= next)
			continue;
		next = w->released[i];
		*found = true;
	}
	return next;
}

static void wrong(struct worker *w, const char *what)
{
	if (!w->wrong)
		w->wrong = what;
}

static void do_enqueue(struct worker *w)
{
	u32 n = below(w, ARRAY_SIZE(w->v)) + 1, i;

	memset(w->v, 0, sizeof(w->v));
	for (i = 0; i < n; i++) {
		w->v[i].address = below(w, SPAN);
		w->v[i].checksum = sum_of(w->v[i].address);
		if (!below(w, 16))
			w->v[i].flags = GRID_MISSING_F_TABLE;
	}
	gm_enqueue_vector(&env->t, w->v, n);
	for (i = 0; i < n; i++) {
		int r = w->v[i].result;

		if (r != GM_INSERTED && r != GM_DUPLICATE && r != -EBUSY &&
		    r != -ENOSPC && r != -EEXIST && r != -EAGAIN)
			wrong(w, "enqueue");
	}
}

static void do_batch(struct worker *w, u64 now)
{
	u32 n = gm_next_batch(&env->t, ARRAY_SIZE(w->out), below(w, 50), now,
			      w->out);
	u32 i;

	for (i = 0; i < n && w->mine_count < ARRAY_SIZE(w->mine); i++) {
		u64 a = w->out[i].address;
		int r;

		if (w->out[i].state != GRID_MISSING_STATE_WAITING)
			wrong(w, "batch: state");
		r = gm_repair_commence(&env->t, a, &w->out[i].checksum, 0,
				       w->id, now);
		if (r == -ENOENT || r == -EBUSY || r == -EAGAIN)
			continue; /* gone, or another's, meanwhile */
		if (r) {
			wrong(w, "commence");
			continue;
		}
		/* Nobody else can have it until it is completed here. */
		if (xchg(&env->writer[a], w->id))
			wrong(w, "commenced twice");
		w->mine[w->mine_count++] = a;
	}
}

static void do_end(struct worker *w, u64 now)
{
	struct grid_missing_value v[VALUES];
	struct grid_missing_checksum sum;
	u32 n = below(w, VALUES + 1), i;
	u64 a;
	int r;

	if (!w->mine_count)
		return;
	i = below(w, w->mine_count);
	a = w->mine[i];
	sum = sum_of(a);
	for (i = 0; i < n; i++) {
		v[i].address = (a + 1 + i * 7) % SPAN;
		v[i].checksum = sum_of(v[i].address);
	}
	for (i = 0; w->mine[i] != a; i++)
		;
	/* From its end on another may commence it. */
	if (xchg(&env->writer[a], 0) != w->id)
		wrong(w, "another's write");
	switch (below(w, 8)) {
	case 0:
		r = gm_repair_failed(&env->t, a, &sum, w->id, now);
		break;
	case 1:
		r = gm_repair_revert(&env->t, a, w->id);
		break;
	default:
		r = gm_repair_complete(&env->t, a, &sum, w->id, NULL, 0);
		if (r == -EINVAL)
			r = gm_repair_complete(&env->t, a, &sum, w->id, v, n);
		if (r == -EEXIST || r == -EBUSY || r == -EAGAIN)
			r = gm_repair_revert(&env->t, a, w->id);
		break;
	}
	if (r && r != -ECANCELED)
		wrong(w, "complete");
	w->mine[i] = w->mine[--w->mine_count];
}

static void do_flags(struct worker *w)
{
	u64 a = below(w, SPAN);
	unsigned long flags;

	GM_LOCK(&env->t, flags);
	switch (below(w, 4)) {
	case 0:
		__gm_set_readers(&env->t, a, true);
		break;
	case 1:
		__gm_set_readers(&env->t, a, false);
		break;
	case 2:
		__gm_set_wanted(&env->t, a);
		break;
	default:
		__gm_set_unavailable(&env->t, a, GRID_MISSING_WHY_UNAVAILABLE,
				     below(w, 2));
		break;
	}
	GM_UNLOCK(&env->t, flags);
}

static void do_long(struct worker *w)
{
	u32 i;
	int r = 0;

	switch (below(w, 8)) {
	case 0:
		r = gm_cancel_all(&env->t, true);
		break;
	case 1:
		r = gm_sync_jump_commence(&env->t);
		break;
	case 2:
		r = gm_sync_jump_complete(&env->t, NULL, 0);
		if (r == -EINVAL || r == -ESTALE)
			r = 0;
		break;
	case 3:
		gm_retry_all(&env->t);
		break;
	case 4:
		gm_reclaim_tables(&env->t, U32_MAX, NULL);
		break;
	default:
		w->released_count = below(w, ARRAY_SIZE(w->released));
		for (i = 0; i < w->released_count; i++)
			w->released[i] = below(w, SPAN);
		w->set.count = below(w, 2) ? 0 : SPAN;
		w->set.test = set_test;
		w->set.next = set_next;
		r = gm_checkpoint_commence(&env->t, &w->set);
		break;
	}
	if (r && r != -EBUSY)
		wrong(w, "a long one");
}

static void do_look(struct worker *w)
{
	u64 cursor = 0;
	u32 n;

	while (cursor != U64_MAX) {
		n = gm_list_faults(&env->t, &cursor, ARRAY_SIZE(w->out),
				   w->out);
		while (n--)
			if (!w->out[n].state || w->out[n].address >= SPAN)
				wrong(w, "listing");
	}
}

static void work(struct worker *w)
{
	char why[160];
	u64 now;
	u32 i;

	for (i = 0; i < STEPS && !w->wrong; i++) {
		now = 1000 + i;
		switch (below(w, 32)) {
		case 0 ... 7:
			do_enqueue(w);
			break;
		case 8 ... 13:
			do_batch(w, now);
			break;
		case 14 ... 25:
			do_end(w, now);
			break;
		case 26:
			do_flags(w);
			break;
		case 27:
			gm_supersede(&env->t, below(w, SPAN));
			break;
		case 28:
			gm_checkpoint_complete(&env->t);
			break;
		case 29:
			if (!below(w, 8))
				do_long(w);
			break;
		case 30:
			if (!below(w, 16))
				do_look(w);
			break;
		default:
			gm_next_due(&env->t, 10, now);
			break;
		}
		if (i % 512 == w->id && gm_verify(&env->t, why, sizeof(why)))
			wrong(w, "verify");
	}
	while (w->mine_count)
		do_end(w, 1000 + STEPS);
}

static int thread(void *data)
{
	work(data);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static void threads(struct kunit *test)
{
	static const struct gm_limits limits = { 200, 8, VALUES };
	struct gm_counts c;
	char why[160] = "";
	u32 i, n;

	env = vzalloc(sizeof(*env));
	KUNIT_ASSERT_TRUE(test, env);
	KUNIT_EXPECT_EQ(test, gm_tracker_init(&env->t, &limits, NULL), 0);
	memset(workers, 0, sizeof(workers));
	for (n = 0; n < THREADS; n++) {
		struct worker *w = &workers[n];

		w->id = n + 1;
		w->rng = n;
		w->task = kthread_run(thread, w, "gm-test/%u", n);
		if (IS_ERR(w->task))
			break;
	}
	KUNIT_EXPECT_EQ(test, n, THREADS);
	while (n--)
		kthread_stop(workers[n].task);
	for (i = 0; i < THREADS; i++)
		if (workers[i].wrong)
			KUNIT_FAIL(test, "thread %u: %s", i, workers[i].wrong);
	KUNIT_EXPECT_EQ(test, gm_verify(&env->t, why, sizeof(why)), 0);

	gm_get_counts(&env->t, &c);
	KUNIT_EXPECT_EQ(test, c.writing, 0);
	KUNIT_EXPECT_EQ(test, c.aborting, 0);
	KUNIT_EXPECT_EQ(test, gm_cancel_all(&env->t, false), 0);
	gm_reclaim_tables(&env->t, U32_MAX, NULL);
	gm_get_counts(&env->t, &c);
	KUNIT_EXPECT_EQ(test, c.waiting, 0);
	KUNIT_EXPECT_EQ(test, c.tables, 0);
	KUNIT_EXPECT_EQ(test, gm_verify(&env->t, why, sizeof(why)), 0);
	gm_tracker_exit(&env->t);
	vfree(env);
}

static struct kunit_case threads_cases[] = { KUNIT_CASE(threads), {} };

static struct kunit_suite threads_suite = {
	.name = "grid_missing_tracker_threads",
	.test_cases = threads_cases,
};

kunit_test_suite(threads_suite);

MODULE_DESCRIPTION("Tests of the tracker with several threads");
MODULE_LICENSE("GPL");
