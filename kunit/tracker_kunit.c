// SPDX-License-Identifier: GPL-2.0
/*
 * The tracker's rules, one or more cases each, named after the rule (T1 to
 * T16); then random operations beside a model.  Runs in KUnit, and in
 * userspace by tools/testing/user.
 *
 * The tracker is included, not linked, so that nothing need be exported; with
 * slices of two entries, so that sweeps are in pieces here too; a case may have others.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

void model_pause(void);
static void pause_hook(void);

static int slice;

#define GM_SLICE slice
#define GM_AHEAD 3
#define GM_VECTOR 4
#define gm_pause() pause_hook()
#include "tracker_sources.h"
#include "model_sources.h"

struct env {
	struct gm_tracker t;
	bool live;
	struct grid_missing_fault out[64];
	struct model_run run;
};

static struct env *env;
static struct gm_tracker *T;

/* What happens between two slices of a sweep. */
static void (*on_pause)(void);
static u32 pauses;

static void pause_hook(void)
{
	pauses++;
	if (on_pause)
		on_pause();
}

static struct grid_missing_checksum sum_of(u64 address)
{
	struct grid_missing_checksum sum = { .bytes = { 1 } };

	memcpy(sum.bytes + 8, &address, sizeof(address));
	return sum;
}

static struct grid_missing_checksum sum_buf;

#define SUM(address) (sum_buf = sum_of(address), &sum_buf)
#define EQ(a, b) KUNIT_EXPECT_EQ(test, (long long)(a), (long long)(b))
#define YES(a) KUNIT_EXPECT_TRUE(test, a)
#define VERIFIED() verified(test, __LINE__)

static void verified(struct kunit *test, int line)
{
	char why[160];

	if (gm_verify(T, why, sizeof(why)))
		KUNIT_FAIL(test, "line %d: %s", line, why);
}

static void make(struct kunit *test, u32 blocks, u32 tables, u32 values)
{
	struct gm_limits limits = { blocks, tables, values };

	if (env->live)
		gm_tracker_exit(T);
	env->live = false;
	KUNIT_ASSERT_EQ(test, gm_tracker_init(T, &limits, NULL), 0);
	env->live = true;
}

static int tracker_init(struct kunit *test)
{
	env = vzalloc(sizeof(*env));
	if (!env)
		return -ENOMEM;
	T = &env->t;
	on_pause = NULL;
	pauses = 0;
	slice = 2;
	return 0;
}

static void tracker_exit(struct kunit *test)
{
	if (env->live)
		gm_tracker_exit(T);
	vfree(env);
	env = NULL;
}

static int fault(u64 a)
{
	return gm_enqueue_block(T, a, SUM(a), GRID_MISSING_WHY_ENQUEUED);
}

static int begin_table(u64 a)
{
	return gm_enqueue_table(T, a, SUM(a));
}

static int begin_write(u64 a)
{
	return gm_repair_commence(T, a, SUM(a), 0, 1, T->now);
}

static int end_write(u64 a)
{
	return gm_repair_complete(T, a, SUM(a), 1, NULL, 0);
}

/* Complete the index @a with the values from @first on. */
static int complete_index(u64 a, u64 first, u32 n)
{
	struct grid_missing_value v[32];
	u32 i;

	for (i = 0; i < n; i++) {
		v[i].address = first + i;
		v[i].checksum = sum_of(first + i);
	}
	return gm_repair_complete(T, a, SUM(a), 1, v, n);
}

/* A table whose index @a was written, with values from @first on. */
static void filling(struct kunit *test, u64 a, u64 first, u32 n)
{
	EQ(begin_table(a), GM_INSERTED);
	EQ(begin_write(a), 0);
	EQ(complete_index(a, first, n), 0);
}

static u8 find(u64 a)
{
	unsigned long flags;
	u8 state;

	GM_LOCK(T, flags);
	state = __gm_find(T, a, &env->out[0]);
	GM_UNLOCK(T, flags);
	return state;
}

static int readers(u64 a, bool on)
{
	unsigned long flags;
	int r;

	GM_LOCK(T, flags);
	r = __gm_set_readers(T, a, on);
	GM_UNLOCK(T, flags);
	return r;
}

static int wanted(u64 a)
{
	unsigned long flags;
	int r;

	GM_LOCK(T, flags);
	r = __gm_set_wanted(T, a);
	GM_UNLOCK(T, flags);
	return r;
}

static int unavailable(u64 a, bool hold)
{
	unsigned long flags;
	int r;

	GM_LOCK(T, flags);
	r = __gm_set_unavailable(T, a, GRID_MISSING_WHY_UNAVAILABLE, hold);
	GM_UNLOCK(T, flags);
	return r;
}

static struct gm_counts counts(void)
{
	struct gm_counts c;

	gm_get_counts(T, &c);
	return c;
}

/* The state of the table at @a, 0 if there is none; the last if several. */
static u32 table_state(u64 a)
{
	struct grid_missing_table o;
	u64 cursor = 0;
	u32 state = 0;

	while (cursor != U64_MAX)
		if (gm_list_tables(T, &cursor, 1, &o) && o.address == a)
			state = o.state;
	return state;
}

static struct model_set some_set;

static const struct gm_set *set_of(const u64 *v, u32 n, bool by_set)
{
	memcpy(some_set.v, v, n * sizeof(*v));
	some_set.n = n;
	some_set.set.count = by_set ? 0 : n + 100;
	some_set.set.test = model_set_test;
	some_set.set.next = model_set_next;
	return &some_set.set;
}

/* env->out must be exactly this. */
static void out_is(struct kunit *test, int line, u32 got, const u64 *want,
		   u32 n)
{
	u32 i;

	if (got != n)
		KUNIT_FAIL(test, "line %d: %u handed out, not %u", line, got,
			   n);
	for (i = 0; i < got && i < n; i++)
		if (env->out[i].address != want[i])
			KUNIT_FAIL(test, "line %d: place %u is %llu, not %llu",
				   line, i,
				   (unsigned long long)env->out[i].address,
				   (unsigned long long)want[i]);
}

#define OUT_IS(call, ...)                                               \
	do {                                                            \
		static const u64 _want[] = { __VA_ARGS__ };             \
		out_is(test, __LINE__, call, _want, ARRAY_SIZE(_want)); \
	} while (0)
#define BATCH(max, age, now, ...) \
	OUT_IS(gm_next_batch(T, max, age, now, env->out), __VA_ARGS__)
#define URGENT(max, age, now, ...) \
	OUT_IS(gm_next_urgent(T, max, age, now, env->out), __VA_ARGS__)
#define NO_BATCH(max, age, now) EQ(gm_next_batch(T, max, age, now, env->out), 0)
#define NO_URGENT(max, age, now) \
	EQ(gm_next_urgent(T, max, age, now, env->out), 0)

/* T1: so many fit, and not one more; tables and single blocks apart. */
static void t01_capacity_is_exact(struct kunit *test)
{
	u32 i;

	make(test, 5, 2, 3);
	for (i = 0; i < 5; i++)
		EQ(fault(i), GM_INSERTED);
	EQ(fault(5), -ENOSPC);
	filling(test, 100, 101, 3);
	filling(test, 200, 201, 3);
	EQ(begin_table(300), -ENOSPC);
	EQ(fault(5), -ENOSPC);
	EQ(counts().blocks_single, 5);
	EQ(counts().blocks_table, 6);
	VERIFIED();
	/* Full of tables, but single blocks have their own room. */
	for (i = 0; i < 5; i++)
		EQ(gm_supersede(T, i), 0);
	for (i = 10; i < 15; i++)
		EQ(fault(i), GM_INSERTED);
	VERIFIED();
}

/* T1: impossible limits; no tables at all. */
static void t01_limits(struct kunit *test)
{
	static const struct gm_limits bad[] = {
		{ 0, 1, 1 },
		{ 1, 1, 0 },
		{ U32_MAX, 0, 1 },
		{ 1, U32_MAX, U32_MAX },
		{ U32_MAX, U32_MAX, U32_MAX },
		{ 1, 1U << 16, 1U << 16 },
		{ 1, 1, GM_VALUES_MAX + 1 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EQ(gm_tracker_init(T, &bad[i], NULL), -EINVAL);
	YES(gm_tracker_bytes(&bad[4]) > 1ULL << 40);
	make(test, 1, 0, 1);
	EQ(begin_table(1), -ENOSPC);
	EQ(fault(1), GM_INSERTED);
	EQ(fault(2), -ENOSPC);
	VERIFIED();
}

/* T2 */
static void t02_enqueue_block(struct kunit *test)
{
	make(test, 2, 1, 2);
	EQ(fault(0), GM_INSERTED);
	EQ(fault(0), GM_DUPLICATE);
	EQ(fault(U64_MAX), GM_INSERTED);
	/* Duplicate also when full, and with any cause. */
	EQ(fault(0), GM_DUPLICATE);
	EQ(fault(1), -ENOSPC);
	filling(test, 10, 11, 2);
	EQ(fault(11), GM_DUPLICATE);
	EQ(gm_enqueue_block(T, 11, NULL, GRID_MISSING_WHY_ENQUEUED),
	   GM_DUPLICATE);
	EQ(gm_enqueue_block(T, 11, SUM(12), GRID_MISSING_WHY_ENQUEUED),
	   -ESTALE);
	EQ(gm_enqueue_block(T, 0, SUM(1), GRID_MISSING_WHY_ENQUEUED), -ESTALE);
	EQ(begin_write(0), 0);
	EQ(fault(0), GM_DUPLICATE);
	VERIFIED();
}

/* T2: a known checksum is adopted by a fault that has none. */
static void t02_checksum_is_adopted(struct kunit *test)
{
	make(test, 4, 1, 2);
	EQ(gm_enqueue_block(T, 1, NULL, GRID_MISSING_WHY_DETECTED),
	   GM_INSERTED);
	EQ(find(1), GRID_MISSING_STATE_WAITING);
	EQ(env->out[0].flags, GRID_MISSING_F_NO_CHECKSUM);
	EQ(fault(1), GM_DUPLICATE);
	find(1);
	EQ(env->out[0].flags, 0);
	YES(model_same(&env->out[0].checksum, SUM(1)));
	EQ(gm_enqueue_block(T, 1, SUM(2), GRID_MISSING_WHY_ENQUEUED), -ESTALE);
	/* While it is being written: the kernel's write can still fail. */
	EQ(gm_enqueue_block(T, 3, NULL, GRID_MISSING_WHY_DETECTED),
	   GM_INSERTED);
	EQ(gm_repair_commence(T, 3, SUM(9), 0, GM_OWNER_KERNEL, 0), 0);
	EQ(fault(3), GM_DUPLICATE);
	EQ(gm_repair_complete(T, 3, SUM(9), GM_OWNER_KERNEL, NULL, 0), -ESTALE);
	EQ(gm_repair_failed(T, 3, SUM(9), GM_OWNER_KERNEL, 0), 0);
	EQ(find(3), GRID_MISSING_STATE_WAITING);
	/* Of a table, too. */
	EQ(gm_enqueue_table(T, 2, NULL), GM_INSERTED);
	EQ(begin_table(2), GM_DUPLICATE);
	EQ(gm_enqueue_table(T, 2, SUM(3)), -ESTALE);
	VERIFIED();
}

/* D2: data for an older fault of an address is not for the one there now. */
static void d02_serial(struct kunit *test)
{
	struct grid_missing_value v[2] = { { 4, sum_of(4) }, { 5, sum_of(5) } };
	u64 first;

	make(test, 4, 2, 2);
	EQ(gm_enqueue_block(T, 1, NULL, GRID_MISSING_WHY_DETECTED),
	   GM_INSERTED);
	find(1);
	first = env->out[0].serial;
	YES(first && first != GRID_MISSING_SERIAL_CHECKSUM);
	EQ(gm_supersede(T, 1), 0);
	EQ(gm_repair_commence(T, 1, SUM(1), first, 1, 0), -ENOENT);
	EQ(gm_enqueue_block(T, 1, NULL, GRID_MISSING_WHY_DETECTED),
	   GM_INSERTED);
	find(1);
	YES(env->out[0].serial != first);
	EQ(gm_repair_commence(T, 1, SUM(1), first, 1, 0), -ESTALE);
	EQ(gm_repair_commence(T, 1, SUM(1), GRID_MISSING_SERIAL_CHECKSUM, 1, 0),
	   -ESTALE);
	EQ(gm_repair_commence(T, 1, SUM(1), env->out[0].serial, 1, 0), 0);
	EQ(gm_repair_revert(T, 1, 1), 0);
	EQ(gm_repair_commence(T, 1, SUM(1), 0, 1, 0), 0);
	EQ(gm_repair_revert(T, 1, 1), 0);
	/* A checksum says more than the number. */
	EQ(fault(1), GM_DUPLICATE);
	find(1);
	EQ(env->out[0].serial, GRID_MISSING_SERIAL_CHECKSUM);
	EQ(gm_repair_commence(T, 1, SUM(1), first, 1, 0), 0);
	EQ(end_write(1), 0);

	/* A checksum that is taken back leaves the number as it was. */
	EQ(gm_enqueue_block(T, 4, NULL, GRID_MISSING_WHY_DETECTED),
	   GM_INSERTED);
	find(4);
	first = env->out[0].serial;
	EQ(gm_enqueue_block(T, 5, SUM(6), GRID_MISSING_WHY_ENQUEUED),
	   GM_INSERTED);
	EQ(begin_table(2), GM_INSERTED);
	EQ(begin_write(2), 0);
	EQ(gm_repair_complete(T, 2, SUM(2), 1, v, 2), -ESTALE);
	VERIFIED();
	find(4);
	EQ(env->out[0].flags, GRID_MISSING_F_NO_CHECKSUM);
	EQ(env->out[0].serial, first);
	EQ(gm_repair_commence(T, 4, SUM(4), first + 1, 1, 0), -ESTALE);
	EQ(gm_repair_commence(T, 4, SUM(4), first, 1, 0), 0);
	VERIFIED();
}

/* T3 */
static void t03_enqueue_table(struct kunit *test)
{
	make(test, 4, 2, 2);
	EQ(begin_table(1), GM_INSERTED);
	EQ(begin_table(1), GM_DUPLICATE);
	EQ(begin_write(1), 0);
	EQ(begin_table(1), GM_DUPLICATE);
	EQ(complete_index(1, 10, 2), 0);
	/* Still active though its index was written. */
	EQ(begin_table(1), GM_DUPLICATE);
	EQ(gm_enqueue_table(T, 1, SUM(2)), -ESTALE);
	EQ(fault(1), GM_INSERTED);
	EQ(begin_table(1), GM_DUPLICATE);
	/* A value is no index. */
	EQ(begin_table(10), -EEXIST);
	EQ(begin_table(2), GM_INSERTED);
	EQ(begin_table(3), -ENOSPC);
	EQ(begin_table(2), GM_DUPLICATE);
	EQ(begin_write(10), 0);
	EQ(end_write(10), 0);
	EQ(begin_write(11), 0);
	EQ(end_write(11), 0);
	/* Done: no duplicate any more, but its slot is still in use. */
	EQ(gm_supersede(T, 1), 0);
	EQ(begin_table(1), -ENOSPC);
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
	EQ(begin_table(1), GM_INSERTED);
	VERIFIED();
}

/* T4: a promoted fault keeps its state; one count moves. */
static void t04_promotion(struct kunit *test)
{
	make(test, 4, 2, 4);
	EQ(fault(1), GM_INSERTED);
	EQ(fault(10), GM_INSERTED);
	EQ(fault(11), GM_INSERTED);
	EQ(begin_write(1), 0);
	EQ(begin_write(10), 0);
	EQ(begin_table(1), GM_INSERTED);
	EQ(find(1), GRID_MISSING_STATE_WRITING);
	EQ(env->out[0].cause, GRID_MISSING_CAUSE_TABLE_INDEX);
	EQ(counts().blocks_single, 2);
	EQ(counts().blocks_table, 1);
	EQ(complete_index(1, 10, 3), 0);
	EQ(counts().blocks_single, 0);
	EQ(counts().blocks_table, 3);
	EQ(find(10), GRID_MISSING_STATE_WRITING);
	EQ(env->out[0].table, 1);
	EQ(find(11), GRID_MISSING_STATE_WAITING);
	EQ(env->out[0].value_index, 1);
	/* What is being written already counts as received. */
	EQ(T->tables[0].writing, 1);
	VERIFIED();
	EQ(end_write(10), 0);
	EQ(T->tables[0].writing, 0);
	EQ(T->tables[0].gone, 1);
	VERIFIED();
}

/* T5: never-requested first, then requested longest ago. */
static void t05_order(struct kunit *test)
{
	u32 i;

	make(test, 8, 1, 1);
	for (i = 1; i <= 6; i++)
		fault(i);
	BATCH(2, 0, 10, 1, 2);
	BATCH(2, 0, 20, 3, 4);
	fault(7);
	BATCH(4, 0, 30, 5, 6, 7, 1);
	BATCH(3, 0, 40, 2, 3, 4);
	BATCH(9, 0, 50, 5, 6, 7, 1, 2, 3, 4);
	VERIFIED();
	EQ(begin_write(5), 0);
	BATCH(2, 0, 60, 6, 7);
	EQ(gm_repair_revert(T, 5, 1), 0);
	/* What falls back joins the tail of the never-requested. */
	fault(8);
	BATCH(3, 0, 70, 5, 8, 1);
	VERIFIED();
}

/* T5: a batch of one advances. */
static void t05_batch_of_one(struct kunit *test)
{
	make(test, 8, 1, 1);
	fault(1);
	fault(2);
	fault(3);
	BATCH(1, 0, 1, 1);
	BATCH(1, 0, 2, 2);
	BATCH(1, 0, 3, 3);
	BATCH(1, 0, 4, 1);
	BATCH(1, 0, 5, 2);
	NO_BATCH(0, 0, 6);
	VERIFIED();
}

/* T5, T16: what was handed out less than the minimum age ago is not. */
static void t05_minimum_age(struct kunit *test)
{
	static const u64 gaps[] = {
		100,   101,	   65535,      65536,
		65636, 1ULL << 20, 1ULL << 31, 0xffffffffULL
	};
	u64 now = 5;
	u32 i;

	make(test, 8, 1, 1);
	EQ(gm_next_due(T, 100, now), GM_NEVER);
	fault(1);
	EQ(gm_next_due(T, 100, now), 0);
	BATCH(4, 100, now, 1);
	for (i = 0; i < ARRAY_SIZE(gaps); i++) {
		NO_BATCH(4, 100, now);
		EQ(gm_next_due(T, 100, now + 60), 40);
		NO_BATCH(4, 100, now + 99);
		now += gaps[i];
		EQ(gm_next_due(T, 100, now), 0);
		BATCH(4, 100, now, 1);
		VERIFIED();
	}
	/* Each helper has its own minimum. */
	NO_BATCH(4, 4000000000U, now + 3999999999U);
	BATCH(4, 0, now, 1);
	/* Only the head is young. */
	fault(2);
	BATCH(4, 50, now, 2);
	VERIFIED();
}

/* T16: a clock read before the lock was taken may be behind. */
static void t16_time_does_not_run_back(struct kunit *test)
{
	make(test, 8, 1, 1);
	fault(1);
	BATCH(1, 100, 1000, 1);
	NO_BATCH(1, 100, 950);
	NO_BATCH(1, 100, 0);
	EQ(gm_next_due(T, 100, 0), 100);
	BATCH(1, 100, 1100, 1);
	VERIFIED();
}

/* T5: parked readers come first, but leave half to the others. */
static void t05_readers_first(struct kunit *test)
{
	u32 i;

	make(test, 20, 1, 1);
	for (i = 1; i <= 16; i++)
		fault(i);
	for (i = 11; i <= 16; i++)
		EQ(readers(i, true), 0);
	EQ(counts().readers, 6);
	EQ(wanted(8), 0);
	VERIFIED();
	BATCH(4, 0, 1, 11, 12, 8, 1);
	/* The odd place goes to either in turn. */
	BATCH(3, 0, 2, 13, 14, 2);
	BATCH(3, 0, 3, 15, 3, 4);
	BATCH(3, 0, 4, 16, 11, 5);
	BATCH(1, 0, 5, 6);
	BATCH(1, 0, 6, 12);
	BATCH(1, 0, 7, 7);
	/* All of it when no others wait that may be handed out. */
	BATCH(4, 0, 8, 13, 14, 9, 10);
	BATCH(6, 2, 9, 15, 16, 11, 8, 1, 2);
	for (i = 1; i <= 10; i++)
		EQ(begin_write(i), 0);
	BATCH(5, 0, 10, 12, 13, 14, 15, 16);
	EQ(env->out[0].flags, GRID_MISSING_F_READERS);
	VERIFIED();
}

/* T5: only what readers or read-ahead want; the rest is as if nobody asked. */
static void t05_urgent(struct kunit *test)
{
	u32 i;

	make(test, 20, 1, 1);
	for (i = 1; i <= 8; i++)
		fault(i);
	NO_URGENT(8, 0, 1);
	EQ(readers(3, true), 0);
	EQ(readers(5, true), 0);
	EQ(readers(7, true), 0);
	EQ(wanted(8), 0);
	EQ(wanted(2), 0);
	VERIFIED();
	/* All of it may be readers', but half while others are wanted. */
	URGENT(4, 0, 2, 3, 5, 8, 2);
	URGENT(4, 0, 3, 7, 3, 5);
	NO_URGENT(4, 100, 50);
	VERIFIED();
	/* The rest has its turn, and no age. */
	BATCH(8, 100, 60, 1, 4, 6);
	/* Who gains a reader is due by its age. */
	EQ(readers(4, true), 0);
	NO_URGENT(8, 100, 100);
	URGENT(8, 100, 160, 7, 3, 5, 4);
	VERIFIED();
}

/* T5: who loses its last reader, joins the tail of the never-requested. */
static void t05_readers_lost(struct kunit *test)
{
	make(test, 20, 1, 1);
	fault(1);
	fault(2);
	fault(3);
	EQ(readers(1, true), 0);
	BATCH(3, 0, 1, 1, 2, 3);
	fault(4);
	EQ(readers(1, false), 0);
	fault(5);
	BATCH(3, 0, 2, 4, 1, 5);
	EQ(counts().readers, 0);
	EQ(readers(1, false), 0);
	BATCH(2, 0, 3, 2, 3);
	VERIFIED();
}

/* T5: who gains readers comes first, but not before its minimum age. */
static void t05_readers_gained(struct kunit *test)
{
	make(test, 20, 1, 1);
	fault(1);
	fault(2);
	fault(3);
	fault(4);
	BATCH(1, 0, 10, 1);
	BATCH(1, 0, 20, 2);
	BATCH(1, 0, 30, 3);
	EQ(readers(3, true), 0);
	EQ(readers(1, true), 0);
	EQ(readers(2, true), 0);
	VERIFIED();
	/* By the time they were handed out, not by that of the readers. */
	BATCH(8, 15, 40, 1, 2, 4);
	BATCH(8, 15, 45, 3);
	EQ(wanted(4), 0);
	BATCH(8, 0, 50, 1, 2, 3, 4);
	VERIFIED();
}

/* T5: more than gm_sort() looks at: a place in front, and nothing lost. */
static void t05_readers_gained_many(struct kunit *test)
{
	u32 i, n;

	make(test, 3000, 1, 1);
	for (i = 0; i < 3000; i++)
		fault(i);
	for (i = 0; i < 3000; i += n)
		n = gm_next_batch(T, 50, 0, 1 + i, env->out);
	for (i = 0; i < 3000; i += 2)
		EQ(readers(i, true), 0);
	for (i = 0; i < 3000; i += 2)
		EQ(readers((i * 7 + 1) % 3000, true), 0);
	VERIFIED();
	EQ(counts().readers, 3000);
	for (i = 0; i < 3000; i += n) {
		n = gm_next_batch(T, 50, 0, 5000, env->out);
		KUNIT_ASSERT_EQ(test, n, 50);
	}
	VERIFIED();
}

/* T5: a failed write backs off 1 s, doubling to 60 s. */
static void t05_back_off(struct kunit *test)
{
	static const u32 delays[] = { 1000,  2000,  4000,  8000,
				      16000, 32000, 60000, 60000 };
	u64 now = 100;
	u32 i;

	make(test, 8, 1, 1);
	fault(1);
	for (i = 0; i < ARRAY_SIZE(delays); i++) {
		EQ(begin_write(1), 0);
		EQ(gm_repair_failed(T, 1, SUM(1), 1, now), 0);
		EQ(gm_next_due(T, 0, now), delays[i]);
		NO_BATCH(1, 0, now + delays[i] - 1);
		VERIFIED();
		now += delays[i];
		BATCH(1, 0, now, 1);
		EQ(env->out[0].failures, i + 1);
	}
	for (; i < 300; i++) {
		EQ(begin_write(1), 0);
		EQ(gm_repair_failed(T, 1, SUM(1), 1, now), 0);
	}
	find(1);
	EQ(env->out[0].failures, 255);
	EQ(gm_retry(T, 1), 0);
	find(1);
	EQ(env->out[0].failures, 0);
	/* Behind those that were never requested before. */
	fault(2);
	EQ(begin_write(1), 0);
	EQ(gm_repair_failed(T, 1, SUM(1), 1, now), 0);
	fault(3);
	BATCH(1, 0, now + 1, 2);
	BATCH(1, 0, now + 1000, 3);
	BATCH(1, 0, now + 1000, 1);
	VERIFIED();
}

/* T5: one that nobody can serve doesn't delay the others. */
static void t05_nobody_can_serve(struct kunit *test)
{
	u32 i, seen = 0, round;

	make(test, 64, 1, 1);
	for (i = 0; i < 40; i++)
		fault(i);
	/* Nothing is ever repaired: all come by all the same. */
	for (round = 0; round < 100; round++) {
		u32 n = gm_next_batch(T, 4, 0, round, env->out);

		EQ(n, 4);
		for (i = 0; i < n; i++)
			seen += env->out[i].address == 39;
	}
	YES(seen >= 9 && seen <= 11);
	/* Held ones don't come at all. */
	for (i = 0; i < 39; i++)
		EQ(unavailable(i, true), 0);
	BATCH(4, 0, 200, 39);
	EQ(gm_retry_all(T), 39);
	EQ(gm_next_batch(T, 64, 0, 201, env->out), 40);
	VERIFIED();
}

/*
 * T5: two helpers in turn, each with a replica that has only half of the
 * blocks, as it happens the half that the other one is offered.
 */
static void t05_no_resonance(struct kunit *test)
{
	u32 size, i, n, round, left;

	for (size = 1; size <= 16; size *= 2) {
		make(test, 64, 1, 1);
		left = 2 * size;
		for (i = 0; i < left; i++)
			fault(i);
		for (round = 0; left && round < 2000; round++) {
			n = gm_next_batch(T, size, 0, round, env->out);
			for (i = 0; i < n; i++) {
				u64 a = env->out[i].address;

				/* Helper 0 has the upper half. */
				if ((a < size) != (round & 1))
					continue;
				EQ(begin_write(a), 0);
				EQ(end_write(a), 0);
				left--;
			}
		}
		EQ(left, 0);
		VERIFIED();
	}
}

/* T5: aborting and written ones are not handed out. */
static void t05_only_waiting(struct kunit *test)
{
	static const u64 freed[] = { 1 };
	struct gm_counts c;

	make(test, 8, 1, 4);
	fault(1);
	fault(2);
	fault(3);
	EQ(begin_write(1), 0);
	EQ(begin_write(2), 0);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
	BATCH(8, 0, 1, 3);
	c = counts();
	EQ(c.waiting, 1);
	EQ(c.writing, 1);
	EQ(c.aborting, 1);
	VERIFIED();
}

/* T6 */
static void t06_life(struct kunit *test)
{
	make(test, 8, 1, 4);
	fault(1);
	EQ(begin_write(1), 0);
	EQ(find(1), GRID_MISSING_STATE_WRITING);
	EQ(gm_repair_failed(T, 1, SUM(1), 1, 0), 0);
	EQ(find(1), GRID_MISSING_STATE_WAITING);
	EQ(begin_write(1), 0);
	EQ(end_write(1), 0);
	EQ(find(1), GRID_MISSING_STATE_GONE);
	VERIFIED();
	/* A table without values is done at once. */
	EQ(begin_table(2), GM_INSERTED);
	EQ(begin_write(2), 0);
	EQ(complete_index(2, 0, 0), 0);
	EQ(table_state(2), GRID_MISSING_TABLE_DONE);
	/* As many values as a table may have, with all else full. */
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
	EQ(begin_table(2), GM_INSERTED);
	EQ(begin_write(2), 0);
	EQ(complete_index(2, 10, 4), 0);
	VERIFIED();
}

/* T6, T13: a bad list of values changes nothing and says why. */
static void t06_all_or_nothing(struct kunit *test)
{
	static const u64 freed[] = { 50 };
	struct grid_missing_value v[5];
	u32 i, bad;

	make(test, 8, 3, 4);
	filling(test, 200, 201, 2);
	EQ(begin_table(100), GM_INSERTED);
	EQ(begin_write(100), 0);
	fault(50);
	EQ(begin_write(50), 0);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
	/* One that is promoted and one that adopts come before the bad one. */
	fault(10);
	EQ(gm_enqueue_block(T, 11, NULL, GRID_MISSING_WHY_ENQUEUED), 0);
	fault(12);
	EQ(begin_write(12), 0);
	for (bad = 0; bad < 8; bad++) {
		static const int why[] = { -EEXIST, -EEXIST, -EEXIST, -ESTALE,
					   -EBUSY,  -E2BIG,  -EINVAL, -EEXIST };
		struct gm_counts c = counts();
		u32 n = 4;

		for (i = 0; i < 5; i++) {
			v[i].address = 10 + i;
			v[i].checksum = sum_of(10 + i);
		}
		if (bad == 0)
			v[3].address = 201; /* another table's value */
		if (bad == 1)
			v[3].address = 13, v[2].address = 13; /* twice */
		if (bad == 2)
			v[3].address = 100; /* its own index */
		if (bad == 3)
			v[2].checksum = sum_of(99);
		if (bad == 4)
			v[3].address = 50; /* aborting */
		if (bad == 5)
			n = 5;
		if (bad == 7)
			v[3].address = 11, v[3].checksum = v[1].checksum;
		EQ(gm_repair_complete(T, 100, SUM(100), 1, bad == 6 ? NULL : v,
				      n),
		   why[bad]);
		VERIFIED();
		EQ(find(100), GRID_MISSING_STATE_WRITING);
		EQ(counts().waiting, c.waiting);
		EQ(counts().writing, c.writing);
		EQ(counts().blocks_single, c.blocks_single);
		EQ(counts().blocks_table, c.blocks_table);
		EQ(find(13), GRID_MISSING_STATE_GONE);
		EQ(find(10), GRID_MISSING_STATE_WAITING);
		EQ(env->out[0].cause, GRID_MISSING_CAUSE_BLOCK);
		EQ(find(11), GRID_MISSING_STATE_WAITING);
		EQ(env->out[0].flags, GRID_MISSING_F_NO_CHECKSUM);
		EQ(find(12), GRID_MISSING_STATE_WRITING);
	}
	for (i = 0; i < 4; i++) {
		v[i].address = 10 + i;
		v[i].checksum = sum_of(10 + i);
	}
	EQ(gm_repair_complete(T, 100, SUM(100), 1, v, 4), 0);
	EQ(counts().blocks_table, 6);
	VERIFIED();
}

/* T7 */
static void t07_ends_of_tables(struct kunit *test)
{
	make(test, 8, 2, 4);
	filling(test, 1, 10, 2);
	EQ(begin_table(2), GM_INSERTED);
	EQ(gm_reclaim_tables(T, 1, NULL), 0);
	EQ(begin_write(10), 0);
	EQ(end_write(10), 0);
	EQ(table_state(1), GRID_MISSING_TABLE_FILLING);
	EQ(begin_write(11), 0);
	EQ(end_write(11), 0);
	EQ(table_state(1), GRID_MISSING_TABLE_DONE);
	EQ(gm_cancel(T, 2, false), 0);
	EQ(table_state(2), GRID_MISSING_TABLE_CANCELLED);
	/* Only then reusable. */
	EQ(begin_table(3), -ENOSPC);
	EQ(counts().tables, 2);
	EQ(counts().tables_free, 2);
	EQ(gm_reclaim_tables(T, 1, NULL), 1);
	EQ(table_state(1), 0);
	EQ(table_state(2), GRID_MISSING_TABLE_CANCELLED);
	EQ(begin_table(3), GM_INSERTED);
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 0);
	VERIFIED();
}

/* T7: a table that lost a value to a cancel is not all there. */
static void t07_cancelled_values(struct kunit *test)
{
	u32 keep;

	for (keep = 0; keep < 2; keep++) {
		make(test, 8, 2, 4);
		filling(test, 1, 10, 2);
		filling(test, 2, 20, 2);
		EQ(gm_cancel(T, 10, keep), 0);
		EQ(begin_write(20), 0);
		EQ(gm_cancel(T, 20, keep), 0);
		EQ(begin_write(11), 0);
		EQ(end_write(11), 0);
		EQ(table_state(1), GRID_MISSING_TABLE_CANCELLED);
		EQ(gm_cancel(T, 21, keep), 0);
		EQ(table_state(2), GRID_MISSING_TABLE_CANCELLED);
		VERIFIED();
	}
}

/* T8 */
static void t08_checkpoint(struct kunit *test)
{
	static const u64 freed[] = { 1, 2, 10, 20, 99 };
	u32 by_set;

	for (by_set = 0; by_set < 2; by_set++) {
		make(test, 16, 3, 4);
		EQ(gm_checkpoint_complete(T), -EINVAL);
		fault(1);
		fault(2);
		fault(3);
		EQ(begin_write(2), 0);
		EQ(begin_table(10), GM_INSERTED);
		filling(test, 20, 21, 3);
		EQ(begin_write(21), 0);
		EQ(gm_checkpoint_commence(T, set_of(freed, 5, by_set)), 0);
		VERIFIED();
		EQ(find(1), GRID_MISSING_STATE_GONE);
		EQ(find(2), GRID_MISSING_STATE_ABORTING);
		EQ(find(3), GRID_MISSING_STATE_WAITING);
		EQ(find(10), GRID_MISSING_STATE_GONE);
		EQ(table_state(10), GRID_MISSING_TABLE_CANCELLED);
		EQ(table_state(20), GRID_MISSING_TABLE_CANCELLED);
		EQ(find(21), GRID_MISSING_STATE_ABORTING);
		EQ(find(22), GRID_MISSING_STATE_GONE);
		EQ(gm_checkpoint_commence(T, set_of(freed, 5, by_set)), -EBUSY);
		EQ(gm_checkpoint_complete(T), -EAGAIN);
		EQ(end_write(2), -ECANCELED);
		EQ(gm_checkpoint_complete(T), -EAGAIN);
		/* Its end touches no table: the slot is another's by now. */
		EQ(gm_reclaim_tables(T, U32_MAX, NULL), 2);
		filling(test, 30, 31, 3);
		EQ(end_write(21), -ECANCELED);
		EQ(T->tables[T->active_head].gone, 0);
		EQ(T->tables[T->active_head].left, 3);
		VERIFIED();
		EQ(gm_checkpoint_complete(T), 0);
		EQ(gm_checkpoint_complete(T), -EINVAL);
		EQ(counts().checkpoint, false);
	}
}

/* T8: a write that fails, or is given up, while aborting is gone as well. */
static void t08_aborting_ends(struct kunit *test)
{
	static const u64 freed[] = { 1, 2 };

	make(test, 16, 3, 4);
	fault(1);
	fault(2);
	EQ(begin_write(1), 0);
	EQ(begin_write(2), 0);
	EQ(gm_checkpoint_commence(T, set_of(freed, 2, false)), 0);
	EQ(gm_repair_failed(T, 1, SUM(1), 1, 0), -ECANCELED);
	EQ(find(1), GRID_MISSING_STATE_GONE);
	EQ(gm_repair_revert(T, 2, 1), -ECANCELED);
	EQ(find(2), GRID_MISSING_STATE_GONE);
	EQ(gm_checkpoint_complete(T), 0);
	VERIFIED();
}

static struct kunit *pause_test;

/* Everyone sees what is to be freed as gone already. */
static void t08_pause(void)
{
	struct kunit *test = pause_test;
	u64 a;

	on_pause = NULL; /* once */
	VERIFIED();
	for (a = 0; a < 40; a++) {
		if (a % 4 == 3)
			EQ(find(a), GRID_MISSING_STATE_ABORTING);
		else
			EQ(find(a), GRID_MISSING_STATE_GONE);
	}
	EQ(fault(39), -EBUSY);
	EQ(begin_write(38), -ENOENT);
	EQ(gm_checkpoint_complete(T), T->checkpoint ? -EAGAIN : -EINVAL);
	/* One that comes back during the sweep is not meant by it. */
	EQ(fault(38), GM_INSERTED);
	EQ(begin_write(38), 0);
	EQ(gm_cancel_all(T, true), -EBUSY);
	EQ(gm_sync_jump_commence(T), -EBUSY);
	EQ(gm_sync_jump_complete(T, NULL, 0), -EBUSY);
	VERIFIED();
}

/* The last aborting write ends while a cancel is under way. */
static void t08_cancel_pause(void)
{
	struct kunit *test = pause_test;

	on_pause = NULL; /* once */
	EQ(end_write(3), -ECANCELED);
	EQ(counts().checkpoint, true);
	EQ(gm_checkpoint_complete(T), 0);
	EQ(gm_checkpoint_complete(T), -EINVAL);
	VERIFIED();
}

/* T8, T11: whoever waits for aborting faults learns how the checkpoint ended. */
static void t08_cancel_meanwhile(struct kunit *test)
{
	u64 freed[] = { 3 };
	u32 i;

	pause_test = test;
	make(test, 64, 3, 4);
	for (i = 0; i < 40; i++)
		fault(i);
	EQ(begin_write(3), 0);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
	EQ(gm_checkpoint_complete(T), -EAGAIN);
	on_pause = t08_cancel_pause;
	EQ(gm_cancel_all(T, true), 0);
	YES(!on_pause);
	EQ(counts().checkpoint, false);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
	/* One that drops all closes it, and says so. */
	EQ(gm_cancel_all(T, false), 0);
	EQ(gm_checkpoint_complete(T), -EINVAL);
	VERIFIED();
}

/* Owner 1 dies in the middle of a commence. */
static void t11_pause(void)
{
	struct kunit *test = pause_test;

	on_pause = NULL; /* once */
	EQ(gm_revert_owner(T, 1), 40);
	EQ(counts().writing, 0);
	EQ(counts().aborting, 0);
	VERIFIED();
}

/* T11, U3: what a dead owner was writing does not keep a checkpoint open. */
static void t11_owner_dies(struct kunit *test)
{
	u64 freed[MODEL_ADDRESSES];
	u32 i, meanwhile;

	pause_test = test;
	for (meanwhile = 0; meanwhile < 2; meanwhile++) {
		make(test, 64, 3, 4);
		for (i = 0; i < 40; i++) {
			fault(i);
			EQ(begin_write(i), 0);
		}
		for (i = 0; i < MODEL_ADDRESSES; i++)
			freed[i] = i;
		on_pause = meanwhile ? t11_pause : NULL;
		EQ(gm_checkpoint_commence(T, set_of(freed, MODEL_ADDRESSES,
						    false)),
		   0);
		YES(!on_pause);
		if (!meanwhile)
			EQ(gm_revert_owner(T, 1), 40);
		EQ(gm_checkpoint_complete(T), 0);
		EQ(counts().waiting, 40 - MODEL_ADDRESSES);
		/* Whoever has his number next finds nothing of his. */
		EQ(gm_revert_owner(T, 1), 0);
		VERIFIED();
	}
}

/* T8: in slices; from the first on all of it is gone. */
static void t08_slices(struct kunit *test)
{
	u64 freed[MODEL_ADDRESSES];
	u32 by_set, i;

	pause_test = test;
	for (by_set = 0; by_set < 2; by_set++) {
		make(test, 64, 3, 4);
		for (i = 0; i < 40; i++) {
			fault(i);
			if (i % 4 == 3)
				EQ(begin_write(i), 0);
		}
		pauses = 0;
		on_pause = t08_pause;
		/* The whole range by test() and next() of its own. */
		for (i = 0; i < MODEL_ADDRESSES; i++)
			freed[i] = i;
		if (by_set) {
			/* A set holds so many: the rest goes before. */
			for (i = MODEL_ADDRESSES; i < 40; i++)
				gm_cancel(T, i, true);
			EQ(gm_checkpoint_commence(
				   T, set_of(freed, MODEL_ADDRESSES, true)),
			   0);
		} else {
			EQ(gm_cancel_all(T, true), 0);
		}
		YES(pauses > 5);
		EQ(find(38), GRID_MISSING_STATE_WRITING);
		EQ(find(37), GRID_MISSING_STATE_GONE);
		EQ(counts().waiting, 0);
		EQ(counts().writing, 1);
		EQ(counts().aborting, 10);
		EQ(T->sweep.born, 0);
		VERIFIED();
	}
}

/* T9: only what is in the set: what was released later is the next's. */
static void t09_only_the_set(struct kunit *test)
{
	static const u64 before[] = { 1 }, after[] = { 2 };
	u32 by_set;

	for (by_set = 0; by_set < 2; by_set++) {
		make(test, 16, 3, 4);
		fault(1);
		fault(2);
		EQ(gm_checkpoint_commence(T, set_of(before, 1, by_set)), 0);
		EQ(find(2), GRID_MISSING_STATE_WAITING);
		EQ(gm_checkpoint_complete(T), 0);
		EQ(gm_checkpoint_commence(T, set_of(after, 1, by_set)), 0);
		EQ(find(2), GRID_MISSING_STATE_GONE);
		EQ(gm_checkpoint_complete(T), 0);
	}
}

/* T10: an aborting address answers EBUSY to every enqueue. */
static void t10_aborting_is_busy(struct kunit *test)
{
	static const u64 freed[] = { 1 };

	make(test, 2, 2, 4);
	fault(1);
	EQ(begin_write(1), 0);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
	EQ(fault(1), -EBUSY);
	EQ(gm_enqueue_block(T, 1, SUM(2), GRID_MISSING_WHY_ENQUEUED), -EBUSY);
	EQ(gm_enqueue_block(T, 1, NULL, GRID_MISSING_WHY_DETECTED), -EBUSY);
	EQ(begin_table(1), -EBUSY);
	EQ(begin_write(1), -EBUSY);
	EQ(gm_supersede(T, 1), -EBUSY);
	EQ(gm_cancel(T, 1, true), -EBUSY);
	EQ(gm_retry(T, 1), -EBUSY);
	EQ(readers(1, true), -EBUSY);
	EQ(wanted(1), -EBUSY);
	EQ(unavailable(1, true), -EBUSY);
	EQ(find(1), GRID_MISSING_STATE_ABORTING);
	EQ(counts().tables, 0);
	/* It counts as a single block still. */
	fault(2);
	EQ(fault(3), -ENOSPC);
	EQ(end_write(1), -ECANCELED);
	EQ(fault(3), GM_INSERTED);
	VERIFIED();
}

/* T10: a table that loses some members finishes with the rest. */
static void t10_table_loses_members(struct kunit *test)
{
	static const u64 freed[] = { 10, 12 }, rest[] = { 11 };
	u32 by_set;

	for (by_set = 0; by_set < 2; by_set++) {
		make(test, 2, 2, 4);
		filling(test, 1, 10, 3);
		EQ(begin_write(12), 0);
		EQ(gm_checkpoint_commence(T, set_of(freed, 2, by_set)), 0);
		EQ(table_state(1), GRID_MISSING_TABLE_FILLING);
		EQ(begin_table(1), GM_DUPLICATE);
		EQ(end_write(12), -ECANCELED);
		EQ(gm_checkpoint_complete(T), 0);
		if (by_set) {
			/* The last of them is freed, too: done. */
			EQ(gm_checkpoint_commence(T, set_of(rest, 1, true)), 0);
		} else {
			EQ(begin_write(11), 0);
			EQ(end_write(11), 0);
		}
		EQ(table_state(1), GRID_MISSING_TABLE_DONE);
		EQ(counts().tables_free, 1);
		VERIFIED();
	}
}

/* T10: a table that loses its index loses its values with it. */
static void t10_table_loses_index(struct kunit *test)
{
	static const u64 freed[] = { 1 };
	u32 by_set;

	for (by_set = 0; by_set < 2; by_set++) {
		make(test, 2, 2, 4);
		filling(test, 1, 10, 4);
		EQ(begin_write(13), 0);
		EQ(gm_checkpoint_commence(T, set_of(freed, 1, by_set)), 0);
		EQ(counts().blocks_table, 1);
		EQ(counts().waiting, 0);
		EQ(find(13), GRID_MISSING_STATE_ABORTING);
		EQ(table_state(1), GRID_MISSING_TABLE_CANCELLED);
		EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
		EQ(begin_table(1), GM_INSERTED);
		VERIFIED();
	}
}

/* T10: old aborting members never count against the new table. */
static void t10_room_for_the_next(struct kunit *test)
{
	static const u64 freed[] = { 1 };
	u32 i;

	make(test, 1, 1, 4);
	fault(1000);
	filling(test, 1, 10, 4);
	for (i = 10; i < 14; i++)
		EQ(begin_write(i), 0);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
	EQ(counts().aborting, 4);
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
	filling(test, 2, 20, 4);
	for (i = 20; i < 24; i++)
		EQ(begin_write(i), 0);
	VERIFIED();
	for (i = 20; i < 24; i++)
		EQ(gm_cancel(T, i, true), 0);
	/* As many are aborting as there is room for: no more may begin. */
	EQ(counts().aborting, 8);
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
	EQ(begin_table(3), GM_INSERTED);
	EQ(begin_write(3), -EAGAIN);
	EQ(end_write(10), -ECANCELED);
	EQ(begin_write(3), 0);
	EQ(complete_index(3, 30, 4), 0);
	EQ(begin_write(1000), 0);
	VERIFIED();
}

/* T10: when there is no room for more aborting ones, none may begin. */
static void t10_reserve(struct kunit *test)
{
	u32 i, n;

	make(test, 1, 1, 2);
	for (n = 0; n < 2; n++) {
		filling(test, 1 + n, 10 + 10 * n, 2);
		for (i = 0; i < 2; i++) {
			u64 a = 10 + 10 * n + i;

			/* The index counts while it is being written. */
			EQ(begin_write(a), 0);
			EQ(gm_cancel(T, a, true), 0);
		}
		EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
		VERIFIED();
		if (n == 0)
			EQ(end_write(10), -ECANCELED);
	}
	EQ(T->orphans, 3);
	EQ(begin_table(3), GM_INSERTED);
	EQ(begin_write(3), 0);
	EQ(complete_index(3, 30, 2), 0);
	EQ(begin_write(30), 0);
	EQ(begin_write(31), -EAGAIN);
	EQ(end_write(11), -ECANCELED);
	EQ(begin_write(31), 0);
	VERIFIED();
}

/* T11 */
static void t11_cancel_all(struct kunit *test)
{
	static const u64 freed[] = { 3 };
	u32 keep;

	for (keep = 0; keep < 2; keep++) {
		make(test, 8, 2, 4);
		fault(1);
		fault(2);
		fault(3);
		EQ(begin_write(2), 0);
		EQ(begin_write(3), 0);
		filling(test, 10, 11, 3);
		EQ(begin_write(11), 0);
		EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
		EQ(gm_cancel_all(T, keep), 0);
		VERIFIED();
		EQ(counts().waiting, 0);
		EQ(counts().writing, 0);
		EQ(counts().aborting, keep ? 3 : 0);
		EQ(table_state(10), GRID_MISSING_TABLE_CANCELLED);
		EQ(counts().checkpoint, keep);
		EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
		if (keep) {
			EQ(gm_checkpoint_complete(T), -EAGAIN);
			EQ(end_write(2), -ECANCELED);
			EQ(end_write(3), -ECANCELED);
			EQ(end_write(11), -ECANCELED);
			EQ(gm_checkpoint_complete(T), 0);
		}
		EQ(end_write(2), -ENOENT);
		EQ(fault(2), GM_INSERTED);
		VERIFIED();
	}
}

/* T11: revert: what its owner was writing, never another's. */
/* In the middle of a cancel of table 1: all of it is gone already. */
static void t11_table_pause(void)
{
	struct kunit *test = pause_test;
	u32 i, seen = 0;

	on_pause = NULL; /* once */
	for (i = 0; i < 30; i++)
		seen += find(100 + i) == GRID_MISSING_STATE_WAITING;
	EQ(seen, 0);
	EQ(fault(129), GM_INSERTED);
	EQ(gm_cancel_table(T, 1, true), -EBUSY);
	EQ(gm_cancel_table(T, 2, true), -EBUSY);
	EQ(table_state(1), GRID_MISSING_TABLE_CANCELLED);
	VERIFIED();
}

/* T11: a table by its index, also when that is written; in slices. */
static void t11_cancel_table(struct kunit *test)
{
	u32 keep;

	pause_test = test;
	for (keep = 0; keep < 2; keep++) {
		make(test, 8, 4, 64);
		filling(test, 1, 100, 30);
		filling(test, 2, 200, 2);
		EQ(begin_table(3), GM_INSERTED);
		EQ(begin_write(100), 0);
		EQ(gm_cancel(T, 1, keep), -ENOENT);
		on_pause = t11_table_pause;
		EQ(gm_cancel_table(T, 1, keep), 0);
		YES(!on_pause);
		EQ(table_state(1), GRID_MISSING_TABLE_CANCELLED);
		EQ(table_state(2), GRID_MISSING_TABLE_FILLING);
		EQ(counts().aborting, keep);
		EQ(counts().waiting, 4);
		EQ(end_write(100), keep ? -ECANCELED : -ENOENT);
		/* What came meanwhile is another fault. */
		EQ(find(129), GRID_MISSING_STATE_WAITING);
		EQ(gm_cancel_table(T, 1, keep), -ENOENT);
		EQ(gm_cancel_table(T, 200, keep), -ENOENT);
		/* One whose index is not written goes with that. */
		EQ(gm_cancel_table(T, 3, keep), 0);
		EQ(find(3), GRID_MISSING_STATE_GONE);
		EQ(gm_reclaim_tables(T, 4, NULL), 2);
		filling(test, 1, 100, 3);
		/* A jump decides about its tables. */
		EQ(gm_sync_jump_commence(T), 0);
		EQ(gm_cancel_table(T, 1, keep), -EBUSY);
		VERIFIED();
	}
}

static void t11_revert(struct kunit *test)
{
	u32 i;

	make(test, 20, 2, 4);
	for (i = 1; i <= 9; i++) {
		fault(i);
		EQ(gm_repair_commence(T, i, SUM(i), 0, i % 3, 100 * i), 0);
	}
	filling(test, 10, 11, 2);
	EQ(begin_write(11), 0);
	EQ(gm_cancel(T, 1, true), 0);
	EQ(gm_revert_owner(T, 1), 4);
	EQ(find(4), GRID_MISSING_STATE_WAITING);
	EQ(find(7), GRID_MISSING_STATE_WAITING);
	EQ(find(11), GRID_MISSING_STATE_WAITING);
	EQ(find(1), GRID_MISSING_STATE_GONE);
	EQ(find(2), GRID_MISSING_STATE_WRITING);
	EQ(find(3), GRID_MISSING_STATE_WRITING);
	EQ(table_state(10), GRID_MISSING_TABLE_FILLING);
	VERIFIED();
	/* By age, of any owner but the kernel. */
	EQ(gm_revert_older(T, 500), 1);
	EQ(find(2), GRID_MISSING_STATE_WAITING);
	EQ(find(3), GRID_MISSING_STATE_WRITING);
	EQ(find(5), GRID_MISSING_STATE_WRITING);
	EQ(gm_revert_older(T, 501), 1);
	EQ(find(5), GRID_MISSING_STATE_WAITING);
	/* A month later as well; what began after the clock was read is young. */
	EQ(gm_repair_commence(T, 5, SUM(5), 0, 2, 600), 0);
	EQ(gm_revert_older(T, 599), 0);
	EQ(gm_revert_older(T, 600 + 30ULL * 24 * 3600 * 1000), 2);
	EQ(find(5), GRID_MISSING_STATE_WAITING);
	EQ(gm_revert_owner(T, 1), 0);
	VERIFIED();
}

/* T12 */
static void t12_jump(struct kunit *test)
{
	static const u64 freed[] = { 1 };
	u64 cancel[] = { 20, 30 };

	make(test, 8, 3, 4);
	EQ(gm_sync_jump_complete(T, NULL, 0), -EINVAL);
	fault(1);
	EQ(begin_write(1), 0);
	EQ(gm_sync_jump_commence(T), -EBUSY);
	EQ(gm_repair_revert(T, 1, 1), 0);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), 0);
	EQ(gm_sync_jump_commence(T), -EBUSY);
	EQ(gm_checkpoint_complete(T), 0);
	fault(1);
	fault(2);
	filling(test, 10, 11, 2);
	BATCH(1, 0, 100, 1);
	filling(test, 20, 21, 2);
	EQ(begin_table(30), GM_INSERTED);
	EQ(gm_sync_jump_commence(T), 0);
	VERIFIED();
	EQ(counts().sync_jump, true);
	EQ(counts().blocks_single, 0);
	EQ(counts().blocks_table, 5);
	NO_BATCH(8, 0, 200);
	EQ(gm_next_due(T, 0, 200), GM_NEVER);
	EQ(begin_table(40), -EBUSY);
	EQ(gm_checkpoint_commence(T, set_of(freed, 1, true)), -EBUSY);
	EQ(begin_write(11), -ENOENT);
	/* Aside, but missing. */
	EQ(find(11), GRID_MISSING_STATE_WAITING);
	EQ(env->out[0].flags, GRID_MISSING_F_ASIDE);
	/* Single faults come and go. */
	EQ(fault(1), GM_INSERTED);
	EQ(fault(11), GM_INSERTED);
	EQ(fault(3), GM_INSERTED);
	BATCH(8, 0, 300, 1, 11, 3);
	EQ(begin_write(1), 0);
	EQ(gm_sync_jump_commence(T), -EBUSY);
	EQ(end_write(1), 0);
	/* The target moved on. */
	EQ(gm_sync_jump_commence(T), 0);
	EQ(counts().blocks_single, 0);
	EQ(fault(5), GM_INSERTED);
	VERIFIED();
	cancel[1] = 77;
	EQ(gm_sync_jump_complete(T, cancel, 2), -ENOENT);
	EQ(counts().sync_jump, true);
	VERIFIED();
	cancel[1] = 30;
	EQ(gm_sync_jump_complete(T, cancel, 2), 0);
	VERIFIED();
	EQ(counts().sync_jump, false);
	EQ(table_state(10), GRID_MISSING_TABLE_FILLING);
	EQ(table_state(20), GRID_MISSING_TABLE_CANCELLED);
	EQ(table_state(30), GRID_MISSING_TABLE_CANCELLED);
	BATCH(8, 0, 400, 11, 12, 5);
	/* Listed although it has ended already. */
	EQ(gm_sync_jump_commence(T), 0);
	EQ(gm_sync_jump_complete(T, cancel, 2), 0);
}

/* T12, T5: whoever waits for a block waits for its member when the single one goes. */
static void t12_readers_left(struct kunit *test)
{
	make(test, 8, 3, 4);
	filling(test, 10, 11, 3);
	EQ(gm_sync_jump_commence(T), 0);
	EQ(readers(11, true), 0);
	EQ(fault(11), GM_INSERTED);
	EQ(gm_cancel(T, 11, false), 0);
	VERIFIED();
	EQ(counts().readers, 1);
	EQ(readers(13, true), 0);
	EQ(fault(13), GM_INSERTED);
	EQ(gm_sync_jump_commence(T), 0);
	VERIFIED();
	EQ(counts().readers, 2);
	EQ(gm_sync_jump_complete(T, NULL, 0), 0);
	URGENT(8, 0, 100, 11, 13);
	VERIFIED();
}

/* T12: a single fault of the jump meets a resumed table's member. */
static void t12_merge(struct kunit *test)
{
	u64 cancel = 10;

	make(test, 8, 3, 4);
	filling(test, 10, 11, 3);
	EQ(gm_sync_jump_commence(T), 0);
	EQ(fault(11), GM_INSERTED);
	EQ(begin_write(11), 0);
	EQ(gm_enqueue_block(T, 12, SUM(99), GRID_MISSING_WHY_ENQUEUED), 0);
	EQ(gm_enqueue_block(T, 13, NULL, GRID_MISSING_WHY_DETECTED), 0);
	EQ(gm_sync_jump_complete(T, NULL, 0), -ESTALE);
	EQ(counts().sync_jump, true);
	EQ(counts().blocks_single, 3);
	VERIFIED();
	EQ(gm_cancel(T, 12, false), 0);
	EQ(gm_sync_jump_complete(T, NULL, 0), 0);
	VERIFIED();
	EQ(counts().blocks_single, 0);
	EQ(counts().blocks_table, 3);
	/* It keeps its state, and has learnt its checksum. */
	EQ(find(11), GRID_MISSING_STATE_WRITING);
	EQ(env->out[0].table, 10);
	EQ(find(13), GRID_MISSING_STATE_WAITING);
	EQ(env->out[0].flags, 0);
	EQ(end_write(11), 0);
	EQ(T->tables[0].gone, 1);
	/* With another checksum it's none of a cancelled table's business. */
	EQ(gm_sync_jump_commence(T), 0);
	EQ(gm_enqueue_block(T, 12, SUM(99), GRID_MISSING_WHY_ENQUEUED), 0);
	EQ(gm_sync_jump_complete(T, &cancel, 1), 0);
	EQ(counts().blocks_single, 1);
	EQ(counts().blocks_table, 0);
	VERIFIED();
}

/*
 * T12, D2: what is set aside is missing until the jump's end has said whether
 * its table stays, whatever is repaired there meanwhile.  Else an overwrite of
 * the block, good as it seems, would be undone after the jump.
 */
static void t12_twin_is_repaired(struct kunit *test)
{
	make(test, 8, 3, 4);
	filling(test, 10, 11, 2);
	EQ(gm_sync_jump_commence(T), 0);
	/* The same content. */
	EQ(fault(11), GM_INSERTED);
	EQ(begin_write(11), 0);
	EQ(end_write(11), 0);
	EQ(find(11), GRID_MISSING_STATE_WAITING);
	EQ(env->out[0].flags, GRID_MISSING_F_ASIDE);
	/* Another one. */
	EQ(gm_enqueue_block(T, 12, SUM(99), GRID_MISSING_WHY_ENQUEUED), 0);
	EQ(gm_repair_commence(T, 12, SUM(99), 0, 1, 0), 0);
	EQ(gm_repair_complete(T, 12, SUM(99), 1, NULL, 0), 0);
	EQ(find(12), GRID_MISSING_STATE_WAITING);
	EQ(env->out[0].flags, GRID_MISSING_F_ASIDE);
	VERIFIED();
	EQ(gm_sync_jump_complete(T, NULL, 0), 0);
	EQ(begin_write(11), 0);
	EQ(end_write(11), 0);
	EQ(begin_write(12), 0);
	EQ(end_write(12), 0);
	EQ(table_state(10), GRID_MISSING_TABLE_DONE);
	VERIFIED();
}

/* T12: readers of what is set aside are not lost. */
static void t12_readers(struct kunit *test)
{
	make(test, 8, 3, 4);
	filling(test, 10, 11, 3);
	EQ(gm_sync_jump_commence(T), 0);
	EQ(readers(11, true), 0);
	EQ(readers(12, true), 0);
	EQ(fault(11), GM_INSERTED);
	EQ(fault(1), GM_INSERTED);
	EQ(counts().readers, 2);
	BATCH(2, 0, 1, 11, 1);
	EQ(gm_sync_jump_complete(T, NULL, 0), 0);
	BATCH(4, 0, 2, 12, 11, 13, 1);
	VERIFIED();
}

/* T13 */
static void t13_wrong_calls(struct kunit *test)
{
	struct grid_missing_value v = { .address = 9 };
	struct gm_counts c;

	make(test, 8, 1, 2);
	EQ(begin_write(1), -ENOENT);
	EQ(end_write(1), -ENOENT);
	EQ(gm_repair_failed(T, 1, SUM(1), 1, 0), -ENOENT);
	EQ(gm_repair_revert(T, 1, 1), -ENOENT);
	EQ(gm_supersede(T, 1), -ENOENT);
	EQ(gm_cancel(T, 1, true), -ENOENT);
	EQ(gm_retry(T, 1), -ENOENT);
	EQ(readers(1, true), -ENOENT);
	EQ(wanted(1), -ENOENT);
	EQ(unavailable(1, true), -ENOENT);
	fault(1);
	EQ(end_write(1), -EINVAL);
	EQ(gm_repair_failed(T, 1, SUM(1), 1, 0), -EINVAL);
	EQ(gm_repair_revert(T, 1, 1), -EINVAL);
	EQ(gm_repair_commence(T, 1, SUM(2), 0, 1, 0), -ESTALE);
	EQ(gm_repair_commence(T, 1, NULL, 0, 1, 0), -ESTALE);
	EQ(begin_write(1), 0);
	EQ(begin_write(1), -EBUSY);
	EQ(gm_repair_complete(T, 1, SUM(2), 1, NULL, 0), -ESTALE);
	EQ(gm_repair_complete(T, 1, NULL, 1, NULL, 0), -ESTALE);
	EQ(gm_repair_complete(T, 1, SUM(1), 2, NULL, 0), -EBUSY);
	EQ(gm_repair_failed(T, 1, SUM(1), 2, 0), -EBUSY);
	EQ(gm_repair_failed(T, 1, SUM(2), 1, 0), -ESTALE);
	EQ(gm_repair_revert(T, 1, 2), -EBUSY);
	EQ(gm_repair_complete(T, 1, SUM(1), 1, &v, 1), -EINVAL);
	VERIFIED();
	c = counts();
	EQ(c.writing, 1);
	EQ(c.waiting, 0);
	EQ(end_write(1), 0);
	/* Without a checksum of its own any will do, or none. */
	EQ(gm_enqueue_block(T, 2, NULL, GRID_MISSING_WHY_DETECTED), 0);
	EQ(gm_repair_commence(T, 2, SUM(7), 0, 1, 0), 0);
	EQ(counts().unverified, 0);
	EQ(gm_repair_complete(T, 2, NULL, 1, NULL, 0), 0);
	EQ(counts().unverified, 1);
	VERIFIED();
}

/* T13: vectors answer each element for itself. */
static void t13_vectors(struct kunit *test)
{
	struct grid_missing_block v[9];
	u32 i;

	make(test, 5, 1, 2);
	memset(v, 0, sizeof(v));
	for (i = 0; i < 9; i++) {
		v[i].address = i;
		v[i].checksum = sum_of(i);
	}
	v[1].flags = GRID_MISSING_F_NO_CHECKSUM;
	v[2].flags = GRID_MISSING_F_TABLE;
	v[3].flags = GRID_MISSING_F_READERS;
	v[4].address = 0;
	v[4].checksum = sum_of(0);
	gm_enqueue_vector(T, v, 9);
	EQ(v[0].result, GM_INSERTED);
	EQ(v[1].result, GM_INSERTED);
	EQ(v[2].result, GM_INSERTED);
	EQ(v[3].result, -EINVAL);
	EQ(v[4].result, GM_DUPLICATE);
	EQ(v[5].result, GM_INSERTED);
	EQ(v[7].result, GM_INSERTED);
	EQ(v[8].result, -ENOSPC);
	EQ(counts().waiting, 6);
	v[2].flags = 0;
	v[3].flags = 0;
	gm_repair_commence_vector(T, v, 9, 4, 0);
	EQ(v[0].result, 0);
	EQ(v[1].result, 0);
	EQ(v[2].result, 0);
	EQ(v[3].result, -ENOENT);
	EQ(v[4].result, -EBUSY);
	EQ(v[8].result, -ENOENT);
	EQ(counts().writing, 6);
	v[4].address = 99;
	v[5].flags = GRID_MISSING_F_FAILED;
	v[6].flags = GRID_MISSING_F_TABLE;
	gm_repair_complete_vector(T, v, 9, 4, 0);
	EQ(v[0].result, 0);
	EQ(v[1].result, 0);
	EQ(v[2].result, -EINVAL); /* an index needs its values */
	EQ(v[4].result, -ENOENT);
	EQ(v[5].result, 0);
	EQ(v[6].result, -EINVAL);
	EQ(v[7].result, 0);
	EQ(find(0), GRID_MISSING_STATE_GONE);
	EQ(find(5), GRID_MISSING_STATE_WAITING);
	EQ(env->out[0].failures, 1);
	VERIFIED();
}

/* A table by its values, whose list is of @n blocks from @first on. */
static int values_of(u64 index, u64 first, u32 n)
{
	struct grid_missing_value v[8];
	u32 i;

	for (i = 0; i < n; i++)
		v[i] = (struct grid_missing_value){ first + i,
						    sum_of(first + i) };
	return gm_enqueue_values_of(T, index, SUM(index), v, n);
}

/* Between two slices: what comes now is not what the sweep means. */
static void d11_pause(void)
{
	struct kunit *test = pause_test;
	struct grid_missing_value twice[2] = { { 30, sum_of(30) },
					       { 30, sum_of(30) } };

	on_pause = NULL; /* once */
	EQ(gm_enqueue_values_of(T, 20, SUM(20), twice, 2), -EEXIST);
	VERIFIED();
	/* The table that was there is cancelled by now; this is another one. */
	EQ(values_of(1, 2, 3), GM_INSERTED);
	EQ(values_of(1, 2, 3), GM_DUPLICATE);
	VERIFIED();
}

static struct grid_missing_record_table told_table;

/* Records since it was set to 0, and the most between two pauses. */
static u32 recorded, recorded_most;

static void record_hook(struct gm_tracker *t, u64 address)
{
	recorded++;
}

static void record_table_hook(struct gm_tracker *t, u32 s)
{
	recorded++;
	__gm_record_table(t, s, &told_table);
}

static void start_recording(void)
{
	static const struct gm_hooks hooks = {
		.record = record_hook,
		.record_table = record_table_hook,
	};

	T->hooks = &hooks;
	T->recording = true;
}

static void recorded_pause(void)
{
	recorded_most = max(recorded_most, recorded);
	recorded = 0;
}

/* While changes are recorded, a cancel of 14 blocks; @pause in the midst of it, once. */
static void cancel_all_around(struct kunit *test, void (*pause)(void))
{
	u32 i;

	make(test, 16, 2, 4);
	for (i = 1; i < 15; i++)
		EQ(fault(i), GM_INSERTED);
	start_recording();
	pause_test = test;
	on_pause = pause;
	EQ(gm_cancel_all(T, true), 0);
	YES(!on_pause);
}

static void m1_enqueue_pause(void)
{
	struct kunit *test = pause_test;

	on_pause = NULL; /* once */
	recorded = 0;
	EQ(begin_table(10), GM_INSERTED);
	/* GM_ROOM_TABLE */
	YES(recorded <= 5);
}

/* M1: a table takes the place of one that a cancel has not come to. */
static void m1_enqueue_in_a_sweep(struct kunit *test)
{
	u32 i;

	make(test, 16, 3, 4);
	for (i = 1; i < 8; i++)
		EQ(fault(i), GM_INSERTED);
	EQ(begin_table(20), GM_INSERTED);
	EQ(begin_table(21), GM_INSERTED);
	EQ(begin_table(10), GM_INSERTED);
	EQ(gm_cancel(T, 20, true), 0);
	EQ(gm_cancel(T, 21, true), 0);
	EQ(gm_reclaim_tables(T, 2, NULL), 2);
	EQ(begin_table(20), GM_INSERTED);
	start_recording();
	pause_test = test;
	on_pause = m1_enqueue_pause;
	EQ(gm_cancel_all(T, true), 0);
	YES(!on_pause);
}

static void m1_peek_pause(void)
{
	struct kunit *test = pause_test;
	unsigned long flags;
	bool freed;

	on_pause = NULL; /* once */
	recorded = 0;
	GM_LOCK(T, flags);
	EQ(__gm_peek(T, 14, NULL, &freed), GRID_MISSING_STATE_GONE);
	GM_UNLOCK(T, flags);
	EQ(recorded, 0);
}

/* M1: who only looks has no room for changes. */
static void m1_peek_in_a_sweep(struct kunit *test)
{
	cancel_all_around(test, m1_peek_pause);
}

static void t5_readers_pause(void)
{
	struct kunit *test = pause_test;
	unsigned long flags;

	on_pause = NULL; /* once */
	GM_LOCK(T, flags);
	EQ(__gm_set_readers(T, 14, false), 0);
	GM_UNLOCK(T, flags);
}

/* T5, T12: readers that have gone are gone, whichever of a pair had them. */
static void t5_readers_leave_in_a_jump(struct kunit *test)
{
	unsigned long flags;
	u32 i;

	make(test, 16, 1, 4);
	EQ(values_of(10, 11, 4), GM_INSERTED);
	EQ(gm_sync_jump_commence(T), 0);
	for (i = 1; i < 8; i++)
		EQ(fault(i), GM_INSERTED);
	EQ(fault(14), GM_INSERTED);
	GM_LOCK(T, flags);
	EQ(__gm_set_readers(T, 14, true), 0);
	GM_UNLOCK(T, flags);
	start_recording();
	pause_test = test;
	on_pause = t5_readers_pause;
	EQ(gm_sync_jump_commence(T), 0);
	YES(!on_pause);
	EQ(counts().readers, 0);
}

static void t5_last_pair_pause(void)
{
	struct kunit *test = pause_test;

	on_pause = NULL; /* once */
	EQ(fault(40), GM_INSERTED);
	EQ(readers(40, true), 0);
	/* It looks at no other one. */
	slice = 1;
	BATCH(1, 0, 2, 40);
	/* At all of them. */
	slice = 8;
	BATCH(4, 0, 3, 40);
	VERIFIED();
	slice = 2;
}

/*
 * T5, T11: the single one of the last pair goes, and its readers move to the member,
 * which is in a queue that the batch has looked at, and is about to go as well.
 */
static void t5_last_pair_in_a_sweep(struct kunit *test)
{
	u64 a;

	make(test, 16, 5, 4);
	/* The sweep's first slice ends before it comes to the pair. */
	for (a = 20; a < 22; a++)
		EQ(begin_table(a), GM_INSERTED);
	EQ(values_of(10, 14, 1), GM_INSERTED);
	for (; a < 24; a++)
		EQ(begin_table(a), GM_INSERTED);
	EQ(gm_sync_jump_commence(T), 0);
	EQ(fault(14), GM_INSERTED);
	EQ(readers(14, true), 0);
	BATCH(1, 0, 1, 14);
	pause_test = test;
	on_pause = t5_last_pair_pause;
	EQ(gm_cancel_all(T, true), 0);
	YES(!on_pause);
	EQ(counts().waiting, 1);
	VERIFIED();
}

static void m1_commence_pause(void)
{
	struct kunit *test = pause_test;
	u64 a;

	on_pause = NULL; /* once */
	recorded = 0;
	for (a = 8; a < 15; a++)
		EQ(begin_write(a), -ENOENT);
	EQ(recorded, 0);
	VERIFIED();
}

/* M1: a repair asks for no room: what a sweep is to take, it leaves to that. */
static void m1_commence_in_a_sweep(struct kunit *test)
{
	cancel_all_around(test, m1_commence_pause);
}

/* M1: a table that comes by its values is told of like any other. */
static void m1_table_by_values(struct kunit *test)
{
	make(test, 16, 2, 4);
	start_recording();
	memset(&told_table, 0, sizeof(told_table));
	EQ(values_of(1, 2, 3), GM_INSERTED);
	EQ(told_table.address, 1);
	EQ(told_table.state, GRID_MISSING_TABLE_FILLING);
	EQ(told_table.values, 3);
}

static void m2_full_pause(void)
{
	struct kunit *test = pause_test;

	on_pause = NULL; /* once */
	recorded = 0;
	EQ(counts().blocks_single, 1);
	EQ(fault(2), -EAGAIN);
	EQ(recorded, 0);
}

/*
 * M2: an enqueue that meets a full tracker changes nothing but its own block, as
 * room was asked for no more; what a sweep is about to drop is left to that.
 */
static void m2_full_in_a_sweep(struct kunit *test)
{
	make(test, 1, 1, 4);
	EQ(values_of(10, 11, 4), GM_INSERTED);
	EQ(fault(1), GM_INSERTED);
	start_recording();
	pause_test = test;
	on_pause = m2_full_pause;
	EQ(gm_cancel_all(T, false), 0);
	YES(!on_pause);
	EQ(fault(2), GM_INSERTED);
	VERIFIED();
}

static void m1_values_pause(void)
{
	struct kunit *test = pause_test;

	on_pause = NULL; /* once */
	recorded = 0;
	EQ(values_of(20, 11, 4), -EAGAIN);
	YES(recorded <= 5);
	VERIFIED();
}

/*
 * M1: a list of values takes the room that was asked for: none of what a sweep has not
 * come to, at the same blocks, is finished by it.
 */
static void m1_values_in_a_sweep(struct kunit *test)
{
	make(test, 16, 3, 4);
	EQ(values_of(10, 11, 4), GM_INSERTED);
	start_recording();
	pause_test = test;
	on_pause = m1_values_pause;
	EQ(gm_cancel_all(T, false), 0);
	YES(!on_pause);
	EQ(values_of(20, 11, 4), GM_INSERTED);
	VERIFIED();
}

static void m1_many_pause(void)
{
	struct kunit *test = pause_test;
	u64 cursor = 0;
	u32 n = 0;

	on_pause = NULL; /* once */
	EQ(fault(100), GM_INSERTED);
	recorded = 0;
	while (cursor != U64_MAX)
		n += gm_list_faults(T, &cursor, 1, env->out);
	EQ(n, 1);
	EQ(env->out[0].address, 100);
	for (n = 0, cursor = 0; cursor != U64_MAX;)
		n += gm_list_range(T, 1, 6, &cursor, 64, env->out);
	EQ(n, 0);
	for (n = 0, cursor = 0; cursor != U64_MAX;)
		n += gm_list_range(T, 0, 1000, &cursor, 64, env->out);
	EQ(n, 1);
	EQ(gm_retry_all(T), 0);
	EQ(recorded, 0);
	VERIFIED();
}

/*
 * M1: who looks at many faults while a sweep runs changes none, as nobody asked for
 * room; what is about to go is as if it were gone.
 */
static void m1_many_beside_a_sweep(struct kunit *test)
{
	u64 cursor = 0;
	u32 i;

	make(test, 16, 2, 4);
	for (i = 1; i < 9; i++) {
		EQ(fault(i), GM_INSERTED);
		EQ(unavailable(i, false), 0);
	}
	start_recording();
	pause_test = test;
	on_pause = m1_many_pause;
	EQ(gm_cancel_all(T, false), 0);
	YES(!on_pause);
	EQ(gm_list_faults(T, &cursor, 64, env->out), 1);
	EQ(env->out[0].address, 100);
}

/*
 * M2: however many tables a jump cancels, and whatever is enqueued where their
 * values are, a slice changes two records an entry at most.
 */
static void m2_twins_in_slices(struct kunit *test)
{
	static const u64 cancel[] = { 10, 20 };
	struct grid_missing_record now;
	unsigned long flags;
	u32 i;

	make(test, 8, 2, 4);
	EQ(values_of(10, 11, 4), GM_INSERTED);
	EQ(values_of(20, 21, 4), GM_INSERTED);
	EQ(gm_sync_jump_commence(T), 0);
	for (i = 0; i < 4; i++) {
		EQ(fault(11 + i), GM_INSERTED);
		EQ(fault(21 + i), GM_INSERTED);
	}
	EQ(T->twins, 8);
	start_recording();
	recorded = 0;
	recorded_most = 0;
	on_pause = recorded_pause;
	EQ(gm_sync_jump_complete(T, cancel, 2), 0);
	recorded_pause();
	on_pause = NULL;
	YES(recorded_most > 0);
	YES(recorded_most <= 2 * GM_SLICE);
	/* The single faults are the records now. */
	for (i = 0; i < 4; i++) {
		GM_LOCK(T, flags);
		__gm_record(T, 11 + i, &now);
		GM_UNLOCK(T, flags);
		EQ(now.kind, GRID_MISSING_RECORD_BLOCK);
	}
	VERIFIED();
}

/* The owner's own idea of what may be enqueued: 5 and 9 may not. */
static int admit_hook(struct gm_tracker *t, u64 address,
		      enum grid_missing_as as)
{
	return address == 5 || address == 9 ? -ERANGE : 0;
}

/* D5: a freed block is no value, and the index of no table. */
static void d5_values_admitted(struct kunit *test)
{
	struct grid_missing_value v[3] = { { 3, sum_of(3) },
					   { 4, sum_of(4) },
					   { 5, sum_of(5) } };

	make(test, 16, 2, 4);
	T->admit = admit_hook;
	EQ(fault(4), GM_INSERTED);
	EQ(values_of(1, 3, 3), -ERANGE);
	EQ(values_of(9, 2, 2), -ERANGE);
	EQ(gm_enqueue_table(T, 1, SUM(1)), GM_INSERTED);
	EQ(begin_write(1), 0);
	EQ(gm_repair_complete(T, 1, SUM(1), 1, v, 3), -ERANGE);
	EQ(find(1), GRID_MISSING_STATE_WRITING);
	EQ(find(3), GRID_MISSING_STATE_GONE);
	EQ(counts().blocks_single, 1);
	VERIFIED();
	EQ(gm_repair_complete(T, 1, SUM(1), 1, v, 2), 0);
	EQ(counts().blocks_single, 0);
	EQ(counts().blocks_table, 2);
	VERIFIED();
}

static int no_table_hook(struct gm_tracker *t, u64 address,
			 enum grid_missing_as as)
{
	return as == GRID_MISSING_AS_TABLE ? -ENOSPC : 0;
}

/* M1: the owner has no room for another table, also where its index is missing. */
static void m1_tables_admitted(struct kunit *test)
{
	make(test, 16, 2, 4);
	EQ(begin_table(1), GM_INSERTED);
	EQ(fault(9), GM_INSERTED);
	T->admit = no_table_hook;
	EQ(begin_table(9), -ENOSPC);
	EQ(begin_table(10), -ENOSPC);
	EQ(values_of(10, 2, 2), -ENOSPC);
	EQ(counts().tables, 1);
	VERIFIED();
	/* What is there goes on. */
	EQ(begin_table(1), GM_DUPLICATE);
	EQ(begin_write(1), 0);
	EQ(complete_index(1, 2, 3), 0);
	EQ(begin_table(1), GM_DUPLICATE);
	EQ(counts().blocks_table, 3);
	VERIFIED();
}

static void d11_table_by_values(struct kunit *test)
{
	make(test, 16, 2, 4);
	EQ(values_of(1, 2, 0), -EINVAL);
	EQ(values_of(1, 2, 5), -E2BIG);
	EQ(values_of(3, 2, 4), -EEXIST);
	EQ(fault(1), GM_INSERTED);
	EQ(values_of(1, 2, 4), -EBUSY);
	EQ(gm_cancel(T, 1, true), 0);
	EQ(fault(4), GM_INSERTED); /* will be promoted */
	EQ(fault(3), GM_INSERTED);
	EQ(begin_write(3), 0);
	EQ(values_of(1, 2, 4), GM_INSERTED);
	EQ(counts().blocks_single, 0);
	EQ(counts().blocks_table, 4);
	EQ(counts().tables, 1);
	VERIFIED();
	/* What is another table's takes nothing with it. */
	EQ(values_of(10, 5, 3), -EEXIST);
	EQ(counts().tables, 1);
	EQ(counts().waiting, 3);
	VERIFIED();
	EQ(values_of(10, 11, 1), GM_INSERTED);
	EQ(values_of(20, 21, 1), -ENOSPC);
	EQ(gm_supersede(T, 11), 0);
	EQ(counts().tables_free, 1);
	VERIFIED();

	pause_test = test;
	on_pause = d11_pause;
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 1);
	EQ(gm_cancel_all(T, false), 0);
	YES(!on_pause);
	EQ(counts().waiting, 3);
	EQ(counts().tables, 2);
	EQ(counts().tables_free, 1);
	VERIFIED();
}

#define BROKEN(what)                                                    \
	do {                                                            \
		char _why[160] = "";                                    \
		what;                                                   \
		KUNIT_EXPECT_EQ(test, gm_verify(T, _why, sizeof(_why)), \
				-EUCLEAN);                              \
		YES(_why[0]);                                           \
	} while (0)

/* Break @field, see that verify notices, mend it. */
#define BREAK(field, value)                 \
	do {                                \
		typeof(field) _was = field; \
		BROKEN(field = (value));    \
		(field) = _was;             \
		VERIFIED();                 \
	} while (0)

/* T14: verify notices what is broken. */
static void t14_verify_notices(struct kunit *test)
{
	static const u64 freed[] = { 4, 22 };
	struct gm_bucket *b;
	u64 elsewhere;
	struct gm_key k;
	u32 slot;

	make(test, 8, 4, 4);
	fault(1);
	fault(2);
	fault(3);
	fault(4);
	EQ(begin_write(3), 0);
	EQ(begin_write(4), 0);
	filling(test, 20, 21, 3);
	EQ(begin_write(21), 0);
	EQ(begin_write(22), 0);
	EQ(begin_table(30), GM_INSERTED);
	EQ(gm_checkpoint_commence(T, set_of(freed, 2, true)), 0);
	EQ(readers(2, true), 0);
	EQ(gm_next_batch(T, 1, 0, 50, env->out), 1);
	EQ(unavailable(1, false), 0);
	EQ(gm_cancel(T, 30, false), 0);
	fault(5);
	gm_cancel(T, 5, false);
	VERIFIED();

	BREAK(T->waiting, T->waiting + 1);
	BREAK(T->writing, 0);
	BREAK(T->aborting, 0);
	BREAK(T->single, T->single - 1);
	BREAK(T->members_count, 0);
	BREAK(T->members_writing, 0);
	BREAK(T->orphans, 0);
	BREAK(T->readers, 0);
	BREAK(T->unavailable, 0);
	BREAK(T->twins, 1);
	BREAK(T->tables_active, 0);
	BREAK(T->tables_count, 3);
	BREAK(T->active_head, GM_NIL);
	BREAK(T->ended_head, GM_NIL);
	BREAK(T->dying_head, 0);
	BREAK(T->free, GM_NIL);
	BREAK(T->special, true);
	BREAK(T->groups[0], 1);
	BREAK(T->side[0].never[GM_CLASS_NORMAL].count, 1);
	BREAK(T->side[0].never[GM_CLASS_NORMAL].tail, 0);
	BREAK(T->side[0].requested[GM_CLASS_READERS].head, GM_NIL);

	gm_key_init(T, 1, &k);
	slot = gm_lookup(T, &k);
	BREAK(T->faults[slot].word, T->faults[slot].word & ~GM_W_POS);
	BREAK(T->faults[slot].word, T->faults[slot].word ^ GM_W_READERS);
	BREAK(T->faults[slot].word, T->faults[slot].word | GM_W_BORN);
	BREAK(T->faults[slot].word, T->faults[slot].word ^ GM_W_UNAVAILABLE);
	BREAK(T->faults[slot].address, 77);
	BREAK(T->faults[slot].address, 2);
	BREAK(T->faults[slot].member, 0);
	BREAK(T->faults[slot].member, GM_ORPHAN_VALUE);
	BREAK(T->links[slot].prev, slot);
	b = &T->buckets[k.bucket];
	BREAK(b->info, b->info - 1);
	BREAK(b->info, b->info | 1U << GM_B_AWAY_SHIFT);
	BREAK(b->info, b->info | 1U << GM_B_FAR_SHIFT);
	BREAK(b->cell[0], b->cell[0] ^ ~T->slot_mask);

	BREAK(T->members[2], GM_NIL);
	BREAK(T->members[1], 0);
	BREAK(T->tables[0].left, 1);
	BREAK(T->tables[0].writing, 0);
	BREAK(T->tables[0].gone, 0);
	BREAK(T->tables[0].values, 4);
	BREAK(T->tables[0].index, 0);
	BREAK(T->tables[0].listed, true);
	BREAK(T->tables[0].born, true);
	for (elsewhere = 21;
	     gm_table_chain(T, elsewhere) == gm_table_chain(T, 20);)
		elsewhere++;
	BREAK(T->tables[0].address, elsewhere);
	BREAK(T->tables[0].hash_next, 0);
	BREAK(T->tables[0].state, GRID_MISSING_TABLE_INDEXING);
	BREAK(T->tables[0].state, GRID_MISSING_TABLE_DONE);
	BREAK(*gm_table_chain(T, 20), GM_NIL);
}

/* T15 */
static void t15_supersede(struct kunit *test)
{
	make(test, 8, 2, 4);
	fault(1);
	EQ(gm_supersede(T, 1), 0);
	EQ(find(1), GRID_MISSING_STATE_GONE);
	fault(2);
	EQ(begin_write(2), 0);
	EQ(gm_supersede(T, 2), -EBUSY);
	EQ(find(2), GRID_MISSING_STATE_WRITING);
	/* A value is done; the last one finishes the table. */
	filling(test, 10, 11, 2);
	EQ(gm_supersede(T, 11), 0);
	EQ(T->tables[0].gone, 1);
	EQ(gm_supersede(T, 12), 0);
	EQ(table_state(10), GRID_MISSING_TABLE_DONE);
	/* An unread index cancels its table. */
	EQ(begin_table(20), GM_INSERTED);
	EQ(gm_supersede(T, 20), 0);
	EQ(table_state(20), GRID_MISSING_TABLE_CANCELLED);
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 2);
	/* What is held or backs off waits, too. */
	fault(3);
	EQ(unavailable(3, true), 0);
	EQ(gm_supersede(T, 3), 0);
	EQ(counts().unavailable, 0);
	fault(4);
	EQ(begin_write(4), 0);
	EQ(gm_repair_failed(T, 4, SUM(4), 1, 0), 0);
	EQ(gm_supersede(T, 4), 0);
	VERIFIED();
	/* Also what a jump has set aside, hidden or not. */
	EQ(gm_repair_revert(T, 2, 1), 0);
	filling(test, 10, 11, 2);
	EQ(gm_sync_jump_commence(T), 0);
	EQ(gm_supersede(T, 11), 0);
	EQ(fault(12), GM_INSERTED);
	EQ(gm_supersede(T, 12), 0);
	EQ(find(12), GRID_MISSING_STATE_GONE);
	EQ(table_state(10), GRID_MISSING_TABLE_DONE);
	EQ(gm_sync_jump_complete(T, NULL, 0), 0);
	VERIFIED();
}

/* D3 as far as it is the tracker's: unavailable, held, retried. */
static void d03_unavailable(struct kunit *test)
{
	make(test, 8, 2, 4);
	fault(1);
	fault(2);
	EQ(unavailable(1, false), 0);
	EQ(unavailable(2, true), 0);
	EQ(counts().unavailable, 2);
	BATCH(4, 0, 1, 1);
	EQ(env->out[0].flags, GRID_MISSING_F_UNAVAILABLE);
	EQ(gm_next_due(T, 0, 1), 0);
	/* An enqueue makes it worth trying again. */
	EQ(fault(2), GM_DUPLICATE);
	EQ(counts().unavailable, 1);
	BATCH(1, 0, 2, 2);
	EQ(unavailable(2, true), 0);
	EQ(gm_retry(T, 2), 0);
	EQ(gm_retry(T, 2), 0);
	BATCH(1, 0, 3, 2);
	/* A held one can be repaired all the same. */
	EQ(unavailable(2, true), 0);
	EQ(begin_write(2), 0);
	EQ(unavailable(2, true), 0);
	EQ(end_write(2), 0);
	EQ(gm_retry_all(T), 1);
	EQ(gm_retry_all(T), 0);
	EQ(counts().unavailable, 0);
	VERIFIED();
}

/* Listing by cursor: what stays is neither skipped nor listed twice. */
static void d09_move(struct kunit *test)
{
	static const struct gm_limits more = { 40, 3, 9 }, less = { 6, 1, 4 },
				      one = { 1, 1, 1 };
	struct grid_missing_value v[4];
	struct gm_tracker room;
	u64 cursor = 0;
	u32 n, i;

	make(test, 6, 2, 4);
	EQ(begin_table(100), 0);
	EQ(begin_write(100), 0);
	for (i = 0; i < 4; i++)
		v[i] = (struct grid_missing_value){ 101 + i, sum_of(101 + i) };
	EQ(gm_repair_complete(T, 100, SUM(100), 1, v, 4), 0);
	for (i = 0; i < 6; i++)
		EQ(fault(i), 0);
	EQ(fault(6), -ENOSPC);
	EQ(begin_write(3), 0);
	EQ(begin_write(102), 0);
	EQ(gm_next_batch(T, 2, 0, 5, env->out), 2);

	/* In the middle of a listing: each fault once. */
	n = gm_list_faults(T, &cursor, 3, env->out);
	KUNIT_ASSERT_EQ(test, gm_tracker_init(&room, &more, NULL), 0);
	EQ(gm_tracker_move(T, &room), 0);
	gm_tracker_exit(&room);
	VERIFIED();
	EQ(n, 3);
	while (cursor != U64_MAX)
		n += gm_list_faults(T, &cursor, 3, env->out + n);
	EQ(n, 10);
	for (i = 0; i < n; i++)
		for (u32 j = 0; j < i; j++)
			YES(env->out[i].address != env->out[j].address);

	/* What was being written still is, and there is room. */
	EQ(gm_repair_complete(T, 3, SUM(3), 1, NULL, 0), 0);
	EQ(gm_repair_complete(T, 102, SUM(102), 1, NULL, 0), 0);
	for (i = 6; i < 41; i++)
		EQ(fault(i), 0);
	EQ(fault(41), -ENOSPC);
	EQ(begin_table(200), 0);
	EQ(begin_table(100), GM_DUPLICATE);
	VERIFIED();

	/* Back again only when all fits. */
	KUNIT_ASSERT_EQ(test, gm_tracker_init(&room, &less, NULL), 0);
	EQ(gm_tracker_move(T, &room), -EBUSY);
	VERIFIED();
	EQ(gm_cancel_all(T, false), 0);
	EQ(gm_tracker_move(T, &room), -EBUSY);
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 2);
	EQ(gm_tracker_move(T, &room), 0);
	gm_tracker_exit(&room);
	VERIFIED();
	for (i = 0; i < 6; i++)
		EQ(fault(i), 0);
	EQ(fault(6), -ENOSPC);
	EQ(gm_tracker_fits(T, &one), -EBUSY);
	VERIFIED();
}

/* D9, T10: what aborts after its table needs the reserve of the new capacity. */
static void d09_reserve(struct kunit *test)
{
	static const struct gm_limits less = { 1, 1, 1 };
	u64 i;

	make(test, 1, 4, 4);
	for (i = 0; i < 3; i++) {
		EQ(begin_table(i), 0);
		EQ(begin_write(i), 0);
		EQ(gm_cancel(T, i, true), 0);
	}
	EQ(gm_reclaim_tables(T, U32_MAX, NULL), 3);
	EQ(gm_tracker_fits(T, &less), -EBUSY);
	EQ(end_write(2), -ECANCELED);
	EQ(gm_tracker_fits(T, &less), 0);
}

static void listing(struct kunit *test)
{
	u32 n = 0, round, i, got;
	u64 cursor = 0, seen = 0;

	make(test, 64, 2, 4);
	for (i = 0; i < 60; i++)
		fault(i);
	for (i = 0; i < 60; i += 3)
		EQ(gm_supersede(T, i), 0);
	for (round = 0; cursor != U64_MAX && round < 1000; round++) {
		got = gm_list_faults(T, &cursor, 4, env->out);
		for (i = 0; i < got; i++) {
			u64 bit = 1ULL << env->out[i].address;

			KUNIT_EXPECT_FALSE(test, seen & bit);
			seen |= bit;
		}
		n += got;
		/* Those that come and go may or may not be listed. */
		if (round < 6) {
			EQ(fault(3 * round), GM_INSERTED);
			EQ(gm_supersede(T, 3 * round), 0);
		}
	}
	EQ(n, 40);
	EQ(gm_list_faults(T, &cursor, 4, env->out), 0);
	EQ(cursor, U64_MAX);
}

static u64 range_of(struct kunit *test, u64 first, u64 last, u32 max)
{
	u64 cursor = 0, seen = 0;
	u32 rounds = 0, i, got;

	while (cursor != U64_MAX && rounds++ < 1000) {
		got = gm_list_range(T, first, last, &cursor, max, env->out);
		for (i = 0; i < got; i++) {
			u64 a = env->out[i].address;

			YES(a >= first && a <= last);
			YES(!(seen & 1ULL << a % 64));
			seen |= 1ULL << a % 64;
		}
	}
	EQ(gm_list_range(T, first, last, &cursor, max, env->out), 0);
	return seen;
}

static u32 ones(u64 v)
{
	u32 n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

/* By address, and by slot where there are fewer faults than addresses. */
static void listing_of_a_range(struct kunit *test)
{
	u64 cursor;
	u32 max, i;

	make(test, 64, 2, 4);
	for (i = 0; i < 20; i++)
		fault(1000 + 2 * i);
	fault(0);
	fault(U64_MAX);
	for (max = 1; max < 64; max += 20) {
		EQ(range_of(test, 1002, 1007, max),
		   1ULL << 1002 % 64 | 1ULL << 1004 % 64 | 1ULL << 1006 % 64);
		EQ(range_of(test, 1001, 1001, max), 0);
		EQ(range_of(test, 0, 0, max), 1);
		EQ(range_of(test, U64_MAX - 3, U64_MAX, max), 1ULL << 63);
		EQ(ones(range_of(test, 1, U64_MAX - 1, max)), 20);
		EQ(ones(range_of(test, 1010, 2000, max)), 15);
		EQ(range_of(test, 5, 4, max), 0);
	}
	/* What is no cursor is the end. */
	cursor = 7;
	EQ(gm_list_range(T, 1000, 1002, &cursor, 4, env->out), 0);
	EQ(cursor, U64_MAX);
	cursor = 7;
	EQ(gm_list_range(T, 1000, 1ULL << 40, &cursor, 4, env->out), 0);
	EQ(cursor, U64_MAX);
	VERIFIED();
}

/* Buckets that overflow: many more faults than fit where they belong. */
static void hash_overflow(struct kunit *test)
{
	struct model_source src = model_random(1);
	u32 i, n = 20000, step;
	u64 stride;

	for (step = 0; step < 4; step++) {
		static const u64 strides[] = { 1, 64, 4096, 0 };

		stride = strides[step];
		make(test, n, 1, 1);
		for (i = 0; i < n; i++)
			EQ(fault(stride ? i * stride : i * 0x9e3779b97f4aULL),
			   GM_INSERTED);
		VERIFIED();
		/* Some go and others come, until all have. */
		for (i = 0; i < n; i++) {
			u64 a = stride ? i * stride : i * 0x9e3779b97f4aULL;

			EQ(gm_supersede(T, a), 0);
			if (model_random_below(&src, 4))
				EQ(fault(a + (1ULL << 60)), GM_INSERTED);
		}
		VERIFIED();
		EQ(gm_cancel_all(T, false), 0);
		EQ(counts().waiting, 0);
		VERIFIED();
		for (i = 0; i < T->buckets_count; i++)
			if (T->buckets[i].info)
				break;
		EQ(i, T->buckets_count);
	}
}

static const struct gm_limits model_limits[] = {
	{ 3, 2, 3 }, { 1, 1, 1 },  { 8, 3, 4 },
	{ 5, 0, 1 }, { 20, 8, 8 }, { 2, 1, 8 },
};

static void model_limits_desc(const struct gm_limits *l, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u blocks, %u tables of %u",
		 l->blocks_max, l->tables_max, l->table_values_max);
}

KUNIT_ARRAY_PARAM(model_limits, model_limits, model_limits_desc);

/* Random operations, valid and not, on the tracker and on a model. */
static void model_seeds(struct kunit *test)
{
	const struct gm_limits *limits = test->param_value;
	struct model_run *r = &env->run;
	u32 seed, i;

	on_pause = model_pause;
	for (seed = limits - model_limits; seed < 60;
	     seed += ARRAY_SIZE(model_limits)) {
		KUNIT_ASSERT_EQ(test,
				model_begin(r, limits, model_random(seed)), 0);
		for (i = 0; i < 1000; i++)
			if (!model_step(r))
				break;
		if (!r->failed)
			model_settle(r);
		if (r->failed)
			KUNIT_FAIL(test, "seed %u: %s", seed, r->err);
		model_end(r);
	}
}

static struct kunit_case tracker_cases[] = {
	KUNIT_CASE(t01_capacity_is_exact),
	KUNIT_CASE(t01_limits),
	KUNIT_CASE(t02_enqueue_block),
	KUNIT_CASE(t02_checksum_is_adopted),
	KUNIT_CASE(d02_serial),
	KUNIT_CASE(t03_enqueue_table),
	KUNIT_CASE(t04_promotion),
	KUNIT_CASE(t05_order),
	KUNIT_CASE(t05_batch_of_one),
	KUNIT_CASE(t05_minimum_age),
	KUNIT_CASE(t05_readers_first),
	KUNIT_CASE(t05_urgent),
	KUNIT_CASE(t05_readers_lost),
	KUNIT_CASE(t05_readers_gained),
	KUNIT_CASE(t05_readers_gained_many),
	KUNIT_CASE(t05_back_off),
	KUNIT_CASE(t05_nobody_can_serve),
	KUNIT_CASE(t05_no_resonance),
	KUNIT_CASE(t05_only_waiting),
	KUNIT_CASE(t06_life),
	KUNIT_CASE(t06_all_or_nothing),
	KUNIT_CASE(t07_ends_of_tables),
	KUNIT_CASE(t07_cancelled_values),
	KUNIT_CASE(t08_checkpoint),
	KUNIT_CASE(t08_aborting_ends),
	KUNIT_CASE(t08_slices),
	KUNIT_CASE(t08_cancel_meanwhile),
	KUNIT_CASE(t11_owner_dies),
	KUNIT_CASE(t09_only_the_set),
	KUNIT_CASE(t10_aborting_is_busy),
	KUNIT_CASE(t10_table_loses_members),
	KUNIT_CASE(t10_table_loses_index),
	KUNIT_CASE(t10_room_for_the_next),
	KUNIT_CASE(t10_reserve),
	KUNIT_CASE(t11_cancel_all),
	KUNIT_CASE(t11_cancel_table),
	KUNIT_CASE(t11_revert),
	KUNIT_CASE(t12_jump),
	KUNIT_CASE(t12_readers_left),
	KUNIT_CASE(t12_merge),
	KUNIT_CASE(t12_twin_is_repaired),
	KUNIT_CASE(t12_readers),
	KUNIT_CASE(t13_wrong_calls),
	KUNIT_CASE(t13_vectors),
	KUNIT_CASE(t14_verify_notices),
	KUNIT_CASE(t15_supersede),
	KUNIT_CASE(t16_time_does_not_run_back),
	KUNIT_CASE(d03_unavailable),
	KUNIT_CASE(d09_move),
	KUNIT_CASE(d5_values_admitted),
	KUNIT_CASE(m1_tables_admitted),
	KUNIT_CASE(d11_table_by_values),
	KUNIT_CASE(t5_readers_leave_in_a_jump),
	KUNIT_CASE(t5_last_pair_in_a_sweep),
	KUNIT_CASE(m1_commence_in_a_sweep),
	KUNIT_CASE(m1_peek_in_a_sweep),
	KUNIT_CASE(m1_enqueue_in_a_sweep),
	KUNIT_CASE(m1_table_by_values),
	KUNIT_CASE(m2_full_in_a_sweep),
	KUNIT_CASE(m1_values_in_a_sweep),
	KUNIT_CASE(m1_many_beside_a_sweep),
	KUNIT_CASE(m2_twins_in_slices),
	KUNIT_CASE(d09_reserve),
	KUNIT_CASE(listing),
	KUNIT_CASE(listing_of_a_range),
	KUNIT_CASE(hash_overflow),
	KUNIT_CASE_PARAM(model_seeds, model_limits_gen_params),
	{}
};

static struct kunit_suite tracker_suite = {
	.name = "grid_missing_tracker",
	.init = tracker_init,
	.exit = tracker_exit,
	.test_cases = tracker_cases,
};

kunit_test_suite(tracker_suite);

MODULE_DESCRIPTION("Tests of the tracker of missing blocks");
MODULE_LICENSE("GPL");
