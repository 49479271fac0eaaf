// SPDX-License-Identifier: GPL-2.0
/*
 * The release sets' bitmaps (kmod/target/bits.c) against a plain array of flags:
 * sizes around every level's edge, random changes, every walk compared.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/prandom.h>

#include "../kmod/target/bits.c"

#define BITS_MODEL_MAX 300000

static const u64 bits_sizes[] = {
	1, 2, 63, 64, 65, 4095, 4096, 4097, 262143, 262144, 262145,
};

static void bits_size_desc(const u64 *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%llu", *size);
}

KUNIT_ARRAY_PARAM(bits_size, bits_sizes, bits_size_desc);

static u64 bits_model_next(const u8 *model, u64 size, u64 from)
{
	for (; from < size; from++)
		if (model[from])
			return from;
	return U64_MAX;
}

/* Every member, and the end, in one walk; the levels agree with level 0. */
static void bits_compare(struct kunit *test, const struct grid_bits *b,
			 const u8 *model, u64 size)
{
	u64 got = 0, want = 0, n = 0;
	unsigned int l;
	u64 w;

	do {
		got = grid_bits_next(b, got);
		want = bits_model_next(model, size, want);
		KUNIT_ASSERT_EQ(test, got, want);
		if (want != U64_MAX)
			n++;
	} while (want++ != U64_MAX && got++ != U64_MAX);
	KUNIT_EXPECT_EQ(test, b->count, n);

	for (l = 0; l + 1 < b->levels; l++)
		for (w = 0; w <= (size - 1) >> (6 * (l + 1)); w++)
			KUNIT_ASSERT_EQ(test, !!b->level[l][w],
					!!(b->level[l + 1][w / 64] &
					   BIT(w % 64)));
}

/* D5: set, clear, test and next agree with the model after any changes. */
static void bits_random(struct kunit *test)
{
	u64 size = *(const u64 *)test->param_value;
	struct rnd_state rnd;
	struct grid_bits b;
	u8 *model;
	int i;

	model = kunit_kzalloc(test, BITS_MODEL_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, model);
	KUNIT_ASSERT_EQ(test, grid_bits_init(&b, size), 0);
	prandom_seed_state(&rnd, size);
	bits_compare(test, &b, model, size);
	for (i = 1; i <= 3000; i++) {
		u64 n = prandom_u32_state(&rnd) % size;

		/* Mostly filling at first, mostly emptying later. */
		if (prandom_u32_state(&rnd) % 3000 > i) {
			KUNIT_EXPECT_EQ(test, grid_bits_set(&b, n), !model[n]);
			model[n] = 1;
		} else {
			KUNIT_EXPECT_EQ(test, grid_bits_clear(&b, n),
					!!model[n]);
			model[n] = 0;
		}
		KUNIT_EXPECT_EQ(test, grid_bits_test(&b, n), !!model[n]);
		KUNIT_EXPECT_EQ(test, grid_bits_next(&b, n),
				bits_model_next(model, size, n));
		if (i % 1000 == 0)
			bits_compare(test, &b, model, size);
	}
	grid_bits_exit(&b);
}

/* Nothing outside the set can be reached. */
static void bits_outside(struct kunit *test)
{
	struct grid_bits b;

	KUNIT_ASSERT_EQ(test, grid_bits_init(&b, 100), 0);
	KUNIT_EXPECT_FALSE(test, grid_bits_set(&b, 100));
	KUNIT_EXPECT_FALSE(test, grid_bits_set(&b, U64_MAX));
	KUNIT_EXPECT_FALSE(test, grid_bits_test(&b, 100));
	KUNIT_EXPECT_FALSE(test, grid_bits_test(&b, 1 << 20));
	KUNIT_EXPECT_FALSE(test, grid_bits_clear(&b, 100));
	KUNIT_EXPECT_EQ(test, grid_bits_next(&b, 100), U64_MAX);
	KUNIT_EXPECT_EQ(test, b.count, 0);
	grid_bits_exit(&b);
	grid_bits_exit(&b);
}

/* A swap takes members, levels and counts along. */
static void bits_swapped(struct kunit *test)
{
	struct grid_bits a, b;

	KUNIT_ASSERT_EQ(test, grid_bits_init(&a, 5000), 0);
	KUNIT_ASSERT_EQ(test, grid_bits_init(&b, 5000), 0);
	KUNIT_EXPECT_TRUE(test, grid_bits_set(&a, 4999));
	KUNIT_EXPECT_TRUE(test, grid_bits_set(&a, 17));
	grid_bits_swap(&a, &b);
	KUNIT_EXPECT_EQ(test, a.count, 0);
	KUNIT_EXPECT_EQ(test, grid_bits_next(&a, 0), U64_MAX);
	KUNIT_EXPECT_EQ(test, b.count, 2);
	KUNIT_EXPECT_EQ(test, grid_bits_next(&b, 18), 4999);
	KUNIT_EXPECT_TRUE(test, grid_bits_clear(&b, 17));
	KUNIT_EXPECT_FALSE(test, grid_bits_test(&a, 17));
	grid_bits_exit(&a);
	grid_bits_exit(&b);
}

static struct kunit_case bits_cases[] = {
	KUNIT_CASE_PARAM(bits_random, bits_size_gen_params),
	KUNIT_CASE(bits_outside),
	KUNIT_CASE(bits_swapped),
	{}
};

static struct kunit_suite bits_suite = {
	.name = "grid_bits",
	.test_cases = bits_cases,
};

kunit_test_suite(bits_suite);

MODULE_DESCRIPTION("KUnit: bitmaps of dm-grid");
MODULE_LICENSE("GPL");
