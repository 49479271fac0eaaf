// SPDX-License-Identifier: GPL-2.0
/* The daemon's marks: tools/gridrepaird/marks.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "marks.h"

#define BLOCKS 4000000U
#define HEADER 56 /* bytes; the boot's id begins at 16 */

static char dir[64], file[128];

static struct marks *begin(uint64_t tracker)
{
	struct marks *m = marks_new(dir, "a/b");

	assert_non_null(m);
	assert_int_equal(marks_attach(m, tracker, BLOCKS), 0);
	return m;
}

/* Take all; their number, and each is of every @step th block. */
static unsigned int take_all(struct marks *m, bool lacking, uint64_t step)
{
	uint64_t v[100], cursor = 0, before = 0;
	unsigned int n, i, count = 0;

	while ((n = marks_take(m, lacking, &cursor, v, 100))) {
		assert_in_range(n, 1, 100);
		for (i = 0; i < n; i++) {
			assert_int_equal(v[i] % step, 0);
			assert_true(!(i + count) || v[i] > before);
			before = v[i];
		}
		count += n;
	}
	return count;
}

/* All that is missing may be marked while the sources are away. */
static void test_many(void **state)
{
	unsigned int i, count = 0;
	struct marks *m = begin(7);

	(void)state;
	for (i = 0; i < BLOCKS; i += 17, count++)
		assert_true(marks_add(m, i, true));
	assert_int_equal(take_all(m, true, 17), count);
	assert_int_equal(take_all(m, true, 17), 0);
	marks_put(m);
}

/* A kill -9 costs none of them; another tracker's are not its own. */
static void test_file(void **state)
{
	struct marks *m = begin(7);
	struct marks *next[3];
	unsigned int i;

	(void)state;
	for (i = 0; i < 200000; i++)
		marks_add(m, i * 20, true);
	/* Nobody has closed the file. */
	next[0] = begin(7);
	assert_int_equal(take_all(next[0], false, 20), 200000);
	next[1] = begin(8);
	assert_int_equal(take_all(next[1], false, 20), 0);
	next[2] = begin(7);
	assert_int_equal(take_all(next[2], false, 20), 0);
	for (i = 0; i < 3; i++)
		marks_put(next[i]);
	marks_put(m);
}

/* What is no file of marks is begun anew. */
static void test_bad_file(void **state)
{
	struct marks *m;
	FILE *f = fopen(file, "w");

	(void)state;
	assert_non_null(f);
	fputs("7 100\n7 101\n7 102\n", f);
	fclose(f);
	m = begin(7);
	assert_int_equal(take_all(m, false, 1), 0);
	marks_add(m, 65, false);
	marks_put(m);
	/* Cut short, within the word. */
	assert_int_equal(truncate(file, HEADER + 8 + 4), 0);
	m = begin(7);
	assert_int_equal(take_all(m, false, 1), 1);
	marks_put(m);
}

/* Ids are a boot's: the same one of another boot is another tracker's. */
static void test_boot(void **state)
{
	struct marks *m = begin(7);
	FILE *f;
	int c;

	(void)state;
	marks_add(m, 65, false);
	marks_put(m);
	f = fopen(file, "r+");
	assert_non_null(f);
	fseek(f, 16, SEEK_SET);
	c = fgetc(f);
	fseek(f, 16, SEEK_SET);
	fputc(c == '0' ? '1' : '0', f);
	fclose(f);
	m = begin(7);
	assert_int_equal(take_all(m, false, 1), 0);
	marks_add(m, 130, false);
	marks_put(m);
	m = begin(7);
	assert_int_equal(take_all(m, false, 130), 1);
	marks_put(m);
}

/* What was repaired since is another's to mark, for whoever begins later. */
static void test_forgotten(void **state)
{
	struct marks *m = begin(7);
	uint64_t v[4], cursor = 0;

	(void)state;
	marks_add(m, 5, true);
	marks_add(m, 6, true);
	marks_forget(m, 5);
	/* What was never marked, or where nothing was, is no trouble. */
	marks_forget(m, 7);
	marks_forget(m, BLOCKS - 1);
	marks_put(m);
	m = begin(7);
	assert_int_equal(marks_take(m, false, &cursor, v, 4), 1);
	assert_int_equal(v[0], 6);
	/* One that is taken was repaired as well. */
	marks_forget(m, 6);
	marks_put(m);
	m = begin(7);
	assert_int_equal(take_all(m, false, 1), 0);
	/* And marked again. */
	marks_add(m, 5, true);
	marks_put(m);
	m = begin(7);
	assert_int_equal(take_all(m, false, 5), 1);
	marks_put(m);
}

static void test_each(void **state)
{
	struct marks *m = begin(7);
	uint64_t v[4], cursor = 0;

	(void)state;
	assert_true(marks_add(m, 0, false));
	assert_false(marks_add(m, 0, false));
	assert_true(marks_add(m, 63, true));
	assert_true(marks_add(m, 64, true));
	assert_true(marks_add(m, BLOCKS - 1, true));
	marks_forget(m, 64);
	marks_forget(m, 65);
	/* Beyond the end there is nothing to remember. */
	assert_false(marks_add(m, 2 * BLOCKS, true));
	assert_int_equal(marks_take(m, true, &cursor, v, 4), 2);
	assert_int_equal(v[0], 63);
	assert_int_equal(v[1], BLOCKS - 1);
	marks_restore(m, v, 1);
	cursor = 0;
	assert_int_equal(marks_take(m, true, &cursor, v, 4), 1);
	assert_int_equal(v[0], 63);
	assert_int_equal(take_all(m, false, 1), 1);
	/* A longer table keeps the tracker, and the marks. */
	marks_add(m, 5, true);
	assert_int_equal(marks_attach(m, 7, 2 * BLOCKS), 0);
	assert_true(marks_add(m, 2 * BLOCKS - 1, true));
	assert_int_equal(take_all(m, true, 1), 2);
	marks_put(m);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_marks.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/marked.a!b", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_each, setup, teardown),
	};

	return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
