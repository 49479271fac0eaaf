// SPDX-License-Identifier: GPL-2.0
/*
 * Index blocks: tools/lib/index.c, also against hostile ones.  Blocks are
 * allocated exactly, so that the address sanitizer sees any byte too far.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridmissing.h"

#define BLOCK 4096U
#define BLOCKS 1000U

static struct grid_missing_value *values(uint32_t count)
{
	struct grid_missing_value *v = calloc(count, sizeof(*v));
	uint32_t i;

	assert_non_null(v);
	for (i = 0; i < count; i++) {
		v[i].address = i + 1;
		memset(v[i].checksum.bytes, (int)i, 16);
	}
	return v;
}

static void test_round_trip(void **state)
{
	uint32_t sizes[] = { 1, 2, gm_index_capacity(BLOCK) };
	struct grid_missing_value *in, *out;
	uint8_t *block = malloc(BLOCK);
	size_t i;

	(void)state;
	assert_int_equal(gm_index_capacity(4096), 170);
	assert_int_equal(gm_index_capacity(65536), 2730);
	assert_int_equal(gm_index_capacity(15), 0);
	for (i = 0; i < 3; i++) {
		in = values(sizes[i]);
		out = calloc(sizes[i], sizeof(*out));
		assert_int_equal(gm_index_encode(block, BLOCK, in, sizes[i]),
				 0);
		assert_int_equal(gm_index_decode(block, BLOCK, BLOCKS, 999,
						 NULL, 0, NULL),
				 sizes[i]);
		assert_int_equal(gm_index_decode(block, BLOCK, BLOCKS, 999, out,
						 sizes[i], NULL),
				 sizes[i]);
		assert_memory_equal(in, out, sizes[i] * sizeof(*in));
		assert_int_equal(gm_index_decode(block, BLOCK, BLOCKS, 999, out,
						 sizes[i] - 1, NULL),
				 -E2BIG);
		free(in);
		free(out);
	}
	free(block);
}

static void test_layout(void **state)
{
	static const uint8_t want[] = {
		'G', 'R', 'I',	'D',  'I', 'N', 'D', 'X', 1, 0, 0, 0, 1, 0,
		0,   0,	  0x05, 0x01, 0,   0,	0,   0,	  0, 0, 7, 7, 7, 7,
		7,   7,	  7,	7,    7,   7,	7,   7,	  7, 7, 7, 7, 0,
	};
	struct grid_missing_value v = { .address = 0x105 };
	uint8_t *block = malloc(BLOCK);

	(void)state;
	memset(v.checksum.bytes, 7, 16);
	memset(block, 0xff, BLOCK);
	assert_int_equal(gm_index_encode(block, BLOCK, &v, 1), 0);
	assert_memory_equal(block, want, sizeof(want));
	assert_int_equal(block[BLOCK - 1], 0);
	free(block);
}

static void test_refused(void **state)
{
	struct grid_missing_value *v = values(171);
	uint8_t *block = calloc(1, BLOCK);
	const char *why = NULL;
	uint32_t n;

	(void)state;
	assert_int_equal(gm_index_encode(block, BLOCK, v, 0), -EINVAL);
	assert_int_equal(gm_index_encode(block, BLOCK, v, 171), -E2BIG);

	assert_int_equal(gm_index_decode(block, BLOCK, BLOCKS, 999, NULL, 0,
					 &why),
			 -EBADMSG); /* all zero */
	assert_non_null(why);
	assert_int_equal(gm_index_encode(block, BLOCK, v, 100), 0);
	assert_int_equal(gm_index_decode(block, 15, BLOCKS, 999, NULL, 0, &why),
			 -EBADMSG); /* no room for a header */
	assert_int_equal(gm_index_decode(block, BLOCK, 100, 999, NULL, 0, &why),
			 -EBADMSG); /* value 100 is beyond the end */
	assert_int_equal(gm_index_decode(block, BLOCK, 101, 999, NULL, 0, NULL),
			 100);
	assert_int_equal(gm_index_decode(block, BLOCK, 101, 50, NULL, 0, &why),
			 -EBADMSG); /* it lists itself */
	block[8] = 2;
	assert_int_equal(gm_index_decode(block, BLOCK, 101, 999, NULL, 0, &why),
			 -EBADMSG); /* another version */
	block[8] = 1;
	for (n = 171; n; n = n * 3 + (n >> 20)) {
		memcpy(block + 12, &n, 4);
		assert_int_equal(gm_index_decode(block, BLOCK, BLOCKS, 999, v,
						 171, &why),
				 -EBADMSG); /* more than fit */
		if (n > UINT32_MAX / 3)
			break;
	}
	n = UINT32_MAX;
	memcpy(block + 12, &n, 4);
	assert_int_equal(gm_index_decode(block, BLOCK, BLOCKS, 999, v, 171,
					 &why),
			 -EBADMSG);
	free(block);
	free(v);
}

/* One flipped byte, anywhere, and whole garbage: never out of bounds. */
static void test_hostile(void **state)
{
	struct grid_missing_value *v = values(170), out[170];
	uint8_t *block = malloc(BLOCK);
	uint64_t seed = 1;
	uint32_t i, j;
	int n;

	(void)state;
	for (i = 0; i < 20000; i++) {
		gm_index_encode(block, BLOCK, v, 1 + i % 170);
		if (i % 4) {
			seed = seed * 6364136223846793005ULL +
			       1442695040888963407ULL;
			block[(seed >> 33) % BLOCK] ^= (uint8_t)(seed >> 25);
		} else {
			for (j = i % 8 ? 0 : 8; j < BLOCK; j++) {
				seed = seed * 6364136223846793005ULL + 1;
				block[j] = (uint8_t)(seed >> 56);
			}
		}
		n = gm_index_decode(block, BLOCK, BLOCKS, 999, out, 170, NULL);
		assert_true(n == -EBADMSG || (n > 0 && n <= 170));
		for (j = 0; (int)j < n; j++)
			assert_true(out[j].address < BLOCKS);
	}
	free(block);
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
