// SPDX-License-Identifier: GPL-2.0
/* Manifests: tools/lib/manifest.c. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridmissing.h"
#include "known.h"
#include "temp_file.h"

static void with(const char *text, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	fclose(f);
}

#define WITH(text) with(text, sizeof(text) - 1)

static void test_good(void **state)
{
	struct grid_missing_block b;
	struct gm_manifest m;
	char sum[GM_CHECKSUM_TEXT];

	(void)state;
	WITH("# a comment\n#! block_size 64K\n#! checksum sha256\n"
	     "#! later whatever\n\n"
	     "0 00112233445566778899aabbccddeeff\n"
	     "  0x11\tdeadbeef00112233deadbeef00112233   table # an index\r\n"
	     "7 -\n8 - table\n#! end 4");
	assert_int_equal(gm_manifest_open(&m, path), 0);
	assert_int_equal(gm_manifest_next(&m, &b), 1);
	assert_int_equal(m.block_size, 65536);
	assert_string_equal(m.checksum, "sha256");
	assert_int_equal(b.address, 0);
	assert_int_equal(b.flags, 0);
	assert_string_equal(gm_format_checksum(&b.checksum, sum),
			    "00112233445566778899aabbccddeeff");
	assert_int_equal(gm_manifest_next(&m, &b), 1);
	assert_int_equal(b.address, 17);
	assert_int_equal(b.flags, GRID_MISSING_F_TABLE);
	assert_string_equal(gm_format_checksum(&b.checksum, sum),
			    "deadbeef00112233deadbeef00112233");
	assert_int_equal(gm_manifest_next(&m, &b), 1);
	assert_int_equal(b.flags, GRID_MISSING_F_NO_CHECKSUM);
	assert_int_equal(gm_manifest_next(&m, &b), 1);
	assert_int_equal(b.address, 8);
	assert_int_equal(b.flags,
			 GRID_MISSING_F_NO_CHECKSUM | GRID_MISSING_F_TABLE);
	assert_false(m.ended);
	assert_int_equal(gm_manifest_next(&m, &b), 0);
	assert_true(m.ended);
	assert_int_equal(m.count, 4);
	assert_int_equal(gm_manifest_next(&m, &b), 0);
	gm_manifest_close(&m);
}

/*
 * One that was cut anywhere is refused, or is known to have no end: it never
 * passes for a whole one.
 */
static void test_cut(void **state)
{
	static const char whole[] =
		"#! block_size 4096\n#! checksum sha256\n"
		"0 00112233445566778899aabbccddeeff\n"
		"1 00112233445566778899aabbccddeeff\n"
		"12 00112233445566778899aabbccddeeff table\n#! end 3\n";
	struct grid_missing_block b;
	struct gm_manifest m;
	size_t size;
	int got;

	(void)state;
	for (size = 0; size < sizeof(whole); size++) {
		with(whole, size);
		assert_int_equal(gm_manifest_open(&m, path), 0);
		while ((got = gm_manifest_next(&m, &b)) == 1)
			;
		/* Only the last newline says nothing. */
		if (!got && m.ended != (size >= sizeof(whole) - 2))
			fail_msg("cut to %zu bytes it counts as whole", size);
		gm_manifest_close(&m);
	}
}

static void refused(const char *text, size_t size, const char *want)
{
	struct grid_missing_block b;
	struct gm_manifest m;
	int got;

	with(text, size);
	assert_int_equal(gm_manifest_open(&m, path), 0);
	while ((got = gm_manifest_next(&m, &b)) == 1)
		;
	assert_int_equal(got, -EINVAL);
	if (!strstr(m.error, want))
		fail_msg("\"%s\" doesn't say \"%s\"", m.error, want);
	gm_manifest_close(&m);
}

#define REFUSED(text, want) refused(text, sizeof(text) - 1, want)

static void test_refused(void **state)
{
	struct gm_manifest m;
	char longest[8192];

	(void)state;
	REFUSED("1 aaaa\nx aaaa\n", ":2: \"x\" is not a block address");
	REFUSED("-1 aaaa\n", ":1: \"-1\" is not a block address");
	REFUSED("99999999999999999999 aaaa\n", "(too large)");
	REFUSED("1\n", "has no checksum");
	REFUSED("1 xyz\n", "not a checksum");
	REFUSED("1 aaa\n", "not a checksum");
	REFUSED("1 aaaa tabel\n", "unknown word \"tabel\"");
	REFUSED("1 aa\0bb\n", "not text");
	REFUSED("1 aa\n", "no hash has checksums of 1 bytes");
	REFUSED("1 00112233445566778899aabbccddeeff\n2 0011223344556677\n",
		":2: \"0011223344556677\" has 8 bytes, the checksums before it have 16");
	REFUSED("1 aaaa\r2 aaaa\r", ":1: a carriage return");
	REFUSED("1 aaaa # \r2 aaaa\n", ":1: a carriage return");
	REFUSED("1 aaaa\n#! end 2\n", ":2: its end says \"2\" blocks, but it lists 1");
	REFUSED("1 aaaa\n#! end\tx\n", "its end says");
	REFUSED("1 aaaa\n#! end 1\n2 aaaa\n", ":3: a block after the end mark");
	REFUSED("#! block_size many\n", "block size \"many\"");
	REFUSED("#! block_size 2M\n", "block size");
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "#! checksum ", 12);
	refused(longest, 4095, "name is too long");
	memcpy(longest, "aaaaaaaaaaaa", 12);
	refused(longest, 4095, "is not a block address");
	/* An end without a line's end never fills memory. */
	refused(longest, 4096, ":1: the line is too long");
	refused(longest, sizeof(longest), ":1: the line is too long");
	assert_int_equal(gm_manifest_open(&m, "/nosuch/file"), -ENOENT);
	assert_string_equal(m.error, "/nosuch/file: No such file or directory");
	gm_manifest_close(&m);
}

static void test_empty(void **state)
{
	struct grid_missing_block b;
	struct gm_manifest m;

	(void)state;
	WITH("");
	assert_int_equal(gm_manifest_open(&m, path), 0);
	assert_int_equal(gm_manifest_next(&m, &b), 0);
	gm_manifest_close(&m);
}

/* A good manifest with some bytes changed, moved or gone: an answer, always. */
static void test_random(void **state)
{
	static const char good[] =
		"#! block_size 64K\n#! checksum sha256\n"
		"0 00112233445566778899aabbccddeeff\n"
		"0x11 deadbeef00112233deadbeef00112233 table # an index\r\n7 -\n8 - table\n"
		"18446744073709551615 00112233445566778899aabbccddeeff\n";
	static const char bytes[] = "\0\n\r\t #!-x0123456789abcdefKMGT\377";
	unsigned int round, n, accepted = 0, denied = 0;
	struct grid_missing_block b;
	struct gm_manifest m;
	char text[sizeof(good)];
	size_t size, at;
	int got;

	(void)state;
	srandom(11);
	for (round = 0; round < 20000; round++) {
		size = sizeof(good) - 1;
		memcpy(text, good, size);
		for (n = (unsigned int)random() % 8; n; n--) {
			at = (size_t)random() % size;
			if (random() % 2)
				text[at] = bytes[(size_t)random() %
						 (sizeof(bytes) - 1)];
			else
				memmove(text + at,
					text + (size_t)random() % size, 1);
		}
		size -= (size_t)random() % 2 * ((size_t)random() % size);
		memset(&m, 0, sizeof(m));
		m.name = "random";
		m.file = fmemopen(text, size, "r");
		assert_non_null(m.file);
		for (n = 0; (got = gm_manifest_next(&m, &b)) == 1; n++) {
			assert_int_equal(b.flags &
						 ~(GRID_MISSING_F_TABLE |
						   GRID_MISSING_F_NO_CHECKSUM),
					 0);
			assert_in_range(n, 0, size);
		}
		assert_true(!got || got == -EINVAL);
		assert_true(!got || !strncmp(m.error, "random:", 7));
		assert_true(m.block_size <= GM_BLOCK_SIZE_MAX);
		accepted += !got;
		denied += !!got;
		gm_manifest_close(&m);
	}
	/* Both were met often. */
	assert_in_range(accepted, 2000, 18000);
	assert_in_range(denied, 2000, 18000);
}

/* @n blocks in descending order; the last line says @last. */
static void descending(unsigned int n, const char *last)
{
	FILE *f = fopen(path, "w");
	unsigned int i;

	assert_non_null(f);
	for (i = n; i; i--)
		fprintf(f, "%u %032x\n", i, i);
	fputs(last, f);
	fclose(f);
}

/* All of it in memory: no more than there is of it. */
static void test_room(void **state)
{
	struct grid_missing_block *v;
	struct gm_manifest m;
	struct known *known;
	char why[256];
	size_t n, i;

	(void)state;
	descending(5000, "#! end 5000\n");
	assert_int_equal(gm_manifest_read(&m, path, &v, &n), 0);
	assert_int_equal(n, 5000);
	for (i = 0; i < n; i++) {
		assert_int_equal(v[i].address, n - i);
		assert_int_equal(v[i].result, 0);
	}
	assert_in_range(malloc_usable_size(v), n * sizeof(*v),
			(n + 8) * sizeof(*v));
	free(v);
	known = known_kind.load(path, why, sizeof(why));
	assert_non_null(known);
	assert_int_equal(known->count, 5000);
	assert_in_range(malloc_usable_size(known->blocks), n * 24,
			(n + 8) * 24);
	for (i = 1; i <= n; i++)
		assert_int_equal(known_find(known, i)->bytes[15], i & 0xff);
	known_kind.free(known);
	descending(5000, "7 aa\n#! end 5001\n");
	assert_int_equal(gm_manifest_read(&m, path, &v, &n), -EINVAL);
	descending(5000, "7 00112233445566778899aabbccddeeff\n#! end 5001\n");
	assert_int_equal(gm_manifest_read(&m, path, &v, &n), -EINVAL);
	if (!strstr(m.error, ":5001: block 7 has another checksum than in line 4994"))
		fail_msg("\"%s\"", m.error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests_name("manifest", tests, setup, teardown);
}
