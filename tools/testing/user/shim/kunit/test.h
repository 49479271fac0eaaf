/* SPDX-License-Identifier: GPL-2.0 */
/* As much of KUnit as the tracker's suites use, for userspace. */
#ifndef _SHIM_KUNIT_TEST_H
#define _SHIM_KUNIT_TEST_H

#include <setjmp.h>
#include <stdio.h>

#define KUNIT_PARAM_DESC_SIZE 128

struct kunit {
	void *priv;
	const void *param_value;
	int failed;
	jmp_buf out;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
	/* The value after @last, or NULL; its name. */
	const void *(*next_param)(const void *last, char *name);
};

struct kunit_suite {
	const char *name;
	int (*init)(struct kunit *test);
	void (*exit)(struct kunit *test);
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(f) { .run_case = f, .name = #f }
#define KUNIT_CASE_SLOW(f) KUNIT_CASE(f)
#define KUNIT_CASE_PARAM(f, next) { .run_case = f, .name = #f, .next_param = next }
#define KUNIT_ARRAY_PARAM(id, array, describe)                           \
	static const void *id##_gen_params(const void *last, char *name) \
	{                                                                \
		typeof(&(array)[0]) v = last;                            \
		v = v ? v + 1 : array;                                   \
		if (v == (array) + sizeof(array) / sizeof((array)[0]))   \
			return NULL;                                     \
		describe(v, name);                                       \
		return v;                                                \
	}

/* Defined by the program, so that there is one suite in each. */
#define kunit_test_suite(s) struct kunit_suite *shim_suite = &(s)
extern struct kunit_suite *shim_suite;

#define SHIM_FAIL(test, fmt, ...)                                     \
	do {                                                          \
		(test)->failed++;                                     \
		printf("# %s:%d: " fmt "\n", __FILE__, __LINE__,      \
		       ##__VA_ARGS__);                                \
	} while (0)
#define KUNIT_FAIL(test, fmt, ...) SHIM_FAIL(test, fmt, ##__VA_ARGS__)

#define KUNIT_EXPECT_EQ(test, a, b)                                       \
	do {                                                              \
		long long _a = (a), _b = (b);                             \
		if (_a != _b)                                             \
			SHIM_FAIL(test, "%s is %lld, not %s = %lld", #a,  \
				  _a, #b, _b);                            \
	} while (0)
#define KUNIT_EXPECT_TRUE(test, a)                          \
	do {                                                \
		if (!(a))                                   \
			SHIM_FAIL(test, "%s is false", #a); \
	} while (0)
#define KUNIT_EXPECT_FALSE(test, a) KUNIT_EXPECT_TRUE(test, !(a))
#define KUNIT_EXPECT_LE(test, a, b) KUNIT_EXPECT_TRUE(test, (a) <= (b))
#define KUNIT_ASSERT_EQ(test, a, b)              \
	do {                                     \
		int _failed = (test)->failed;    \
		KUNIT_EXPECT_EQ(test, a, b);     \
		if ((test)->failed != _failed)   \
			longjmp((test)->out, 1); \
	} while (0)
#define KUNIT_ASSERT_TRUE(test, a)               \
	do {                                     \
		int _failed = (test)->failed;    \
		KUNIT_EXPECT_TRUE(test, a);      \
		if ((test)->failed != _failed)   \
			longjmp((test)->out, 1); \
	} while (0)

#define MODULE_LICENSE(x) struct kunit
#define MODULE_DESCRIPTION(x) struct kunit

#endif /* _SHIM_KUNIT_TEST_H */
