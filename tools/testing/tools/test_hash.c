// SPDX-License-Identifier: GPL-2.0
/*
 * Hashes: tools/lib/hash.c against known vectors, by AF_ALG where the kernel
 * has it (else skipped), and without the kernel.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gridmissing.h"

static const struct {
	const char *algorithm, *data, *sum;
} vectors[] = {
	/* FIPS 180; RFC 1321; RFC 3720; the xxHash specification. */
	{ "sha256", "abc", "ba7816bf8f01cfea414140de5dae2223" },
	{ "sha256", "", "e3b0c44298fc1c149afbf4c8996fb924" },
	{ "sha256", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039" },
	{ "sha1", "abc", "a9993e364706816aba3e25717850c26c" },
	{ "md5", "abc", "900150983cd24fb0d6963f7d28e17f72" },
	{ "crc32c", "123456789", "839206e3000000000000000000000000" },
	{ "xxhash64", "", "99e9d85137db46ef0000000000000000" },
	{ "xxhash64", "abc", "990977adf52cbc440000000000000000" },
	{ "sha512", "abc", "ddaf35a193617abacc417349ae204131" },
	{ "sha3-256", "abc", "3a985da74fe225b2045c172d6bd390bd" },
	{ "blake2b-512", "abc", "ba80a53f981c4d0d6a2797b69f12f6e9" },
};

static bool no_af_alg(void)
{
	struct gm_hash hash;
	int err = gm_hash_open_kernel(&hash, "sha256");

	if (!err)
		gm_hash_close(&hash);
	return err == -EAFNOSUPPORT;
}

static void test_vectors(void **state)
{
	struct grid_missing_checksum sum;
	char text[GM_CHECKSUM_TEXT];
	struct gm_hash hash;
	size_t i;
	int err;

	(void)state;
	if (no_af_alg()) {
		print_message("# this kernel has no AF_ALG\n");
		skip();
	}
	for (i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		err = gm_hash_open_kernel(&hash, vectors[i].algorithm);
		if (err == -ENOENT)
			continue; /* this kernel doesn't have that one */
		assert_int_equal(err, 0);
		/* Twice: the socket is good for any number. */
		gm_hash(&hash, "x", 1, &sum);
		assert_int_equal(gm_hash(&hash, vectors[i].data,
					 strlen(vectors[i].data), &sum),
				 0);
		assert_string_equal(gm_format_checksum(&sum, text),
				    vectors[i].sum);
		gm_hash_close(&hash);
	}
}

static void test_own(void **state)
{
	struct grid_missing_checksum sum;
	char text[GM_CHECKSUM_TEXT];
	struct gm_hash hash;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		assert_int_equal(gm_hash_open_own(&hash, vectors[i].algorithm),
				 0);
		assert_int_equal(gm_hash(&hash, vectors[i].data,
					 strlen(vectors[i].data), &sum),
				 0);
		assert_string_equal(gm_format_checksum(&sum, text),
				    vectors[i].sum);
		gm_hash_close(&hash);
		/* Whatever this kernel offers programs. */
		assert_int_equal(gm_hash_open(&hash, vectors[i].algorithm), 0);
		gm_hash_close(&hash);
	}
	assert_int_equal(gm_hash_open_own(&hash, "nosuchhash"), -ENOENT);
}

/* Every length around the padding, and whole blocks: both must agree. */
static void test_same(void **state)
{
	static const char *const names[] = {
		"sha256",   "sha512",	   "sha384", "sha224",	 "sha1",
		"md5",	    "rmd160",	   "md4",    "sha3-512", "sm3",
		"wp512",    "streebog256", "crc32c", "xxhash64", "streebog512",
		"sha3-224", "blake2b-256"
	};
	struct grid_missing_checksum a, b;
	size_t len, i, size = 1 << 20;
	uint8_t *data = malloc(size);
	struct gm_hash own, kernel;

	(void)state;
	for (len = 0; len < size; len++)
		data[len] = (uint8_t)(len * 2654435761U >> 13);
	if (no_af_alg()) {
		free(data);
		print_message("# this kernel has no AF_ALG\n");
		skip();
	}
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(gm_hash_open_own(&own, names[i]), 0);
		if (gm_hash_open_kernel(&kernel, names[i]))
			continue; /* this kernel doesn't have that one */
		for (len = 1; len <= size;
		     len = len < 200 ? len + 1 : len * 4) {
			assert_int_equal(gm_hash(&own, data, len, &a), 0);
			assert_int_equal(gm_hash(&kernel, data, len, &b), 0);
			assert_true(gm_checksum_equal(&a, &b));
		}
		gm_hash_close(&kernel);
		gm_hash_close(&own);
	}
	free(data);
}

static void test_unknown(void **state)
{
	char name[200];
	struct gm_hash hash;
	int err;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_int_equal(gm_hash_open(&hash, ""), -ENOENT);
	assert_int_equal(gm_hash_open(&hash, name), -ENOENT);
	err = gm_hash_open(&hash, "nosuchhash");
	assert_true(err == -ENOENT || err == -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
