// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that know other sizes of the kernel's structs than the library: an
 * older one's are not overrun, a newer one finds zero in what nobody knew.
 *
 * The kernel here knows structs of any size and fills all that it is told to be
 * the caller's.  What the caller has is allocated exactly, so that the address
 * sanitizer sees any byte too far.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gridmissing.h"

#define FILL 0x5a
#define COUNT 5

int __wrap_ioctl(int fd, unsigned long request, ...);

/* What the kernel doesn't know; and what it was asked. */
static size_t unknown;
static unsigned int calls;

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct grid_missing_vector *v;
	struct grid_missing_status *s;
	uint32_t i, known;
	va_list args;
	void *arg;

	(void)fd;
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	calls++;
	if (request == GRID_MISSING_STATUS || request == GRID_MISSING_QUERY ||
	    request == GRID_MISSING_CREATE) {
		s = arg;
		assert_int_equal(s->flags, 0);
		known = s->size - (uint32_t)unknown;
		memset((char *)arg + 8, FILL, known - 8);
		return 0;
	}
	v = arg;
	assert_int_equal(v->size, sizeof(*v));
	known = v->elem_size - (uint32_t)unknown;
	for (i = 0; i < v->count; i++)
		memset((void *)(uintptr_t)(v->elems + i * v->elem_size), FILL,
		       known);
	v->done = v->count;
	v->cursor = UINT64_MAX;
	return 0;
}

static void filled(const void *p, size_t from, size_t to, int with)
{
	const uint8_t *b = p;

	for (; from < to; from++)
		assert_int_equal(b[from], with);
}

static struct gm_dev dev = { .fd = 1 };

static void test_one_struct(void **state)
{
	static const size_t sizes[] = { 8, 16, 24, 256, 264, 272, 400 };
	struct grid_missing_status *s;
	struct grid_missing_query *q;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		s = malloc(sizes[i]);
		memset(s, 0xee, sizes[i]);
		unknown = sizes[i] > 264 ? sizes[i] - 264 : 0;
		assert_int_equal((gm_status)(&dev, s, sizes[i]), 0);
		assert_int_equal(s->size, sizes[i]);
		filled(s, 8, sizes[i] - unknown, FILL);
		filled(s, sizes[i] - unknown, sizes[i], 0);
		free(s);

		q = malloc(sizes[i]);
		memset(q, 0xee, sizes[i]);
		unknown = sizes[i] > 24 ? sizes[i] - 24 : 0;
		assert_int_equal((gm_query)(&dev, q, sizes[i]), 0);
		assert_int_equal(q->size, sizes[i]);
		filled(q, 8, sizes[i] - unknown, FILL);
		filled(q, sizes[i] - unknown, sizes[i], 0);
		free(q);
	}
	unknown = 0;
}

/* Less than the compiler would have of what it is used as. */
static void *room(size_t size)
{
	void *p = malloc(size);

	assert_non_null(p);
	memset(p, 0, size);
	return p;
}

static void test_too_small(void **state)
{
	struct grid_missing_status *s = room(4);

	(void)state;
	calls = 0;
	assert_int_equal((gm_status)(&dev, s, 4), -EINVAL);
	assert_int_equal((gm_query)(&dev, (void *)s, 4), -EINVAL);
	assert_int_equal((gm_create)(&dev, (void *)s, 4), -EINVAL);
	assert_int_equal(calls, 0);
	free(s);
}

static void test_create(void **state)
{
	struct grid_missing_create *c = room(16);

	(void)state;
	assert_int_equal((gm_create)(&dev, c, 16), 0);
	assert_int_equal(c->size, 16);
	dev.id = 0;
	free(c);
}

/* Elements, @size bytes apart. */
static void test_vectors(void **state)
{
	static const size_t sizes[] = { 8, 16, 24, 32, 56, 64, 168, 200 };
	uint64_t cursor;
	size_t i, size, bytes, done;
	void *v;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size = sizes[i];
		bytes = size * COUNT;
		v = malloc(bytes);
#define VECTOR(call)                           \
	do {                                   \
		memset(v, 0, bytes);           \
		assert_int_equal(call, 0);     \
		assert_int_equal(done, COUNT); \
		filled(v, 0, bytes, FILL);     \
	} while (0)
#define LIST(call)                             \
	do {                                   \
		cursor = 0;                    \
		memset(v, 0, bytes);           \
		assert_int_equal(call, COUNT); \
		filled(v, 0, bytes, FILL);     \
	} while (0)
		VECTOR((gm_enqueue)(&dev, v, COUNT, &done, size));
		VECTOR((gm_commence)(&dev, v, COUNT, &done, size));
		VECTOR((gm_unavailable)(&dev, v, COUNT, &done, size));
		VECTOR((gm_retry)(&dev, v, COUNT, &done, size));
		VECTOR((gm_cancel)(&dev, v, COUNT, 0, &done, size));
		VECTOR((gm_repair)(&dev, v, COUNT, &done, size));
		VECTOR((gm_complete)(&dev, v, COUNT, &done, size));
		VECTOR((gm_enqueue_values)(&dev, v, COUNT, &done, size));
		LIST((gm_batch)(&dev, v, COUNT, GM_KEEP_AGE, size));
		LIST((gm_batch_urgent)(&dev, v, COUNT, GM_KEEP_AGE, size));
		LIST((gm_reclaim)(&dev, v, COUNT, size));
		LIST((gm_list_faults)(&dev, &cursor, v, COUNT, size));
		LIST((gm_list_range)(&dev, 0, 9, &cursor, v, COUNT, size));
		LIST((gm_list_tables)(&dev, &cursor, v, COUNT, size));
		LIST((gm_list_released)(&dev, &cursor, v, COUNT, size));
		LIST((gm_list_trackers)(&dev, &cursor, v, COUNT, size));
		free(v);
	}
}

/* A macro states the size that the program was compiled with. */
static void test_macros(void **state)
{
	struct grid_missing_status *s = malloc(sizeof(*s));
	struct grid_missing_fault *f = malloc(COUNT * sizeof(*f));
	uint64_t cursor = 0;

	(void)state;
	assert_int_equal(gm_status(&dev, s), 0);
	assert_int_equal(s->size, sizeof(*s));
	filled(s, 8, sizeof(*s), FILL);
	assert_int_equal(gm_list_faults(&dev, &cursor, f, COUNT), COUNT);
	filled(f, 0, COUNT * sizeof(*f), FILL);
	free(s);
	free(f);
}

#define BLOCK 4096

static void test_index(void **state)
{
	static const size_t sizes[] = { 24, 40 };
	struct grid_missing_value *value;
	uint8_t *block = malloc(BLOCK);
	size_t i, j;
	char *v;

	(void)state;
	for (i = 0; i < 2; i++) {
		v = calloc(COUNT, sizes[i]);
		for (j = 0; j < COUNT; j++) {
			value = (void *)(v + j * sizes[i]);
			value->address = 10 + j;
			memset(value->checksum.bytes, (int)j, 16);
		}
		assert_int_equal((gm_index_encode)(block, BLOCK, (void *)v,
						   COUNT, sizes[i]),
				 0);
		memset(v, 0xee, COUNT * sizes[i]);
		assert_int_equal((gm_index_decode)(block, BLOCK, 100, 99,
						   (void *)v, COUNT, NULL,
						   sizes[i]),
				 COUNT);
		for (j = 0; j < COUNT; j++) {
			value = (void *)(v + j * sizes[i]);
			assert_int_equal(value->address, 10 + j);
			filled(value->checksum.bytes, 0, 16, (int)j);
			filled(value, sizeof(*value), sizes[i], 0);
		}
		free(v);
	}
	assert_int_equal((gm_index_decode)(block, BLOCK, 100, 99, NULL, 0, NULL,
					   16),
			 -EINVAL);
	free(block);
}

static void test_manifest(void **state)
{
	static const char text[] = "1 0102030405060708 table\n2 -\n#! end 2\n";
	char path[] = "/tmp/test_sizes.XXXXXX";
	struct grid_missing_block *b;
	struct gm_manifest m;
	char *all = NULL;
	size_t n;
	int fd;

	(void)state;
	fd = mkstemp(path);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);

	b = malloc(48);
	memset(b, 0xee, 48);
	assert_int_equal(gm_manifest_open(&m, path), 0);
	assert_int_equal((gm_manifest_next)(&m, b, 48), 1);
	assert_int_equal(b->flags, GRID_MISSING_F_TABLE);
	filled(b, 32, 48, 0);
	assert_int_equal((gm_manifest_next)(&m, b, 31), -EINVAL);
	gm_manifest_close(&m);
	free(b);

	assert_int_equal((gm_manifest_read)(&m, path, (void *)&all, &n, 48), 0);
	assert_int_equal(n, 2);
	b = (void *)(all + 48);
	assert_int_equal(b->address, 2);
	assert_int_equal(b->flags, GRID_MISSING_F_NO_CHECKSUM);
	filled(b, 32, 48, 0);
	free(all);
	unlink(path);
}

/* The library's own never grow; programs have them in their own memory. */
static void test_own(void **state)
{
	(void)state;
	if (sizeof(long) != 8)
		skip();
	assert_int_equal(sizeof(struct gm_dev), 176);
	assert_int_equal(sizeof(struct gm_hash), 32);
	assert_int_equal(sizeof(struct gm_manifest), 4536);
	assert_int_equal(sizeof(struct gm_dm_create), 72);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_struct),
		cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
