// SPDX-License-Identifier: GPL-2.0
/* The daemon's sources: tools/gridrepaird/source.c. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "source.h"

/* Without a descriptor for its queues it touches nobody's. */
static void test_no_descriptors(void **state)
{
	struct config_source config = { .kind = SOURCE_NBD, .uri = "nbd://h" };
	struct source s = { .config = &config, .file_fd = -1 };
	struct rlimit limit, none;
	int in[2], kept, err;
	char c;

	(void)state;
	/* Descriptor 0 is a pipe that is empty. */
	assert_int_equal(pipe(in), 0);
	kept = dup(0);
	assert_true(kept >= 0);
	assert_int_equal(dup2(in[1], 0), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	err = source_start(&s);
	source_stop(&s);
	assert_true(source_join(&s, 0));
	source_free(&s);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(err, -EMFILE);
	/* It is open still, and holds nothing. */
	assert_int_equal(fcntl(0, F_GETFD), 0);
	close(in[1]);
	assert_int_equal(dup2(kept, 0), 0);
	assert_int_equal(read(in[0], &c, 1), 0);
	close(in[0]);
	close(kept);
}

/* A session may name one source more than once; others' count, each once. */
static void test_begin(void **state)
{
	struct config_source config = { .kind = SOURCE_FILE, .uri = "/x" };
	struct source s[5][4] = { 0 };
	struct inbox owner[5];
	unsigned int i, j;

	(void)state;
	for (i = 0; i < 5; i++)
		for (j = 0; j < 4; j++) {
			s[i][j].config = &config;
			s[i][j].device = "d";
			s[i][j].owner = &owner[i];
		}
	for (i = 0; i < 3; i++)
		for (j = 0; j < 4; j++)
			assert_true(source_begin(&s[i][j]));
	assert_false(source_begin(&s[3][0]));
	assert_true(s[3][0].barred);
	/* Another device's. */
	s[4][0].device = "e";
	assert_true(source_begin(&s[4][0]));
	/* One session has ended once all of its have. */
	for (j = 0; j < 4; j++) {
		assert_false(source_begin(&s[3][0]));
		assert_true(source_join(&s[1][j], 0));
	}
	for (j = 0; j < 4; j++)
		assert_true(source_begin(&s[3][j]));
	assert_false(s[3][0].barred);
	for (i = 0; i < 5; i++)
		for (j = 0; j < 4; j++)
			assert_true(source_join(&s[i][j], 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
