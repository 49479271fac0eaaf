// SPDX-License-Identifier: GPL-2.0
/* Numbers, sizes, times, checksums: tools/lib/parse.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gridmissing.h"

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t value;
	} t[] = {
		{ "0", 0, 0 },
		{ "010", 0, 10 },
		{ "0x10", 0, 16 },
		{ "0XfF", 0, 255 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1k", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "0xg", -EINVAL, 0 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		v = 77;
		assert_int_equal(gm_parse_u64(t[i].text, &v), t[i].err);
		assert_int_equal(v, t[i].err ? 77 : t[i].value);
	}
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t value;
	} t[] = {
		{ "4096", 0, 4096 },	     { "64K", 0, 65536 },
		{ "64k", 0, 65536 },	     { "64KiB", 0, 65536 },
		{ "1M", 0, 1 << 20 },	     { "2g", 0, 2ULL << 30 },
		{ "1T", 0, 1ULL << 40 },     { "0x10K", 0, 16384 },
		{ "16777216T", -ERANGE, 0 }, { "1P", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },	     { "1 K", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },	     { "1KiBx", -EINVAL, 0 },
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		v = 77;
		assert_int_equal(gm_parse_size(t[i].text, &v), t[i].err);
		assert_int_equal(v, t[i].err ? 77 : t[i].value);
	}
}

static void test_ms(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(gm_parse_ms("100ms", &v), 0);
	assert_int_equal(v, 100);
	/* Seconds or milliseconds?  Only 0 is the same. */
	assert_int_equal(gm_parse_ms("5", &v), -EINVAL);
	assert_int_equal(gm_parse_ms("0x3c", &v), -EINVAL);
	assert_int_equal(gm_parse_ms("0", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(gm_parse_ms("5s", &v), 0);
	assert_int_equal(v, 5000);
	assert_int_equal(gm_parse_ms("2m", &v), 0);
	assert_int_equal(v, 120000);
	assert_int_equal(gm_parse_ms("1h", &v), 0);
	assert_int_equal(v, 3600000);
	assert_int_equal(gm_parse_ms("1d", &v), -EINVAL);
	assert_int_equal(gm_parse_ms("", &v), -EINVAL);
	assert_int_equal(gm_parse_ms("18446744073709551615h", &v), -ERANGE);
}

static void test_checksum(void **state)
{
	struct grid_missing_checksum sum, other;
	char text[GM_CHECKSUM_TEXT];

	(void)state;
	assert_int_equal(
		gm_parse_checksum("00112233445566778899AaBbCcDdEeFf", &sum), 0);
	assert_string_equal(gm_format_checksum(&sum, text),
			    "00112233445566778899aabbccddeeff");
	/* A short hash is padded, a long one cut: as the kernel does. */
	assert_int_equal(gm_parse_checksum("deadbeef", &sum), 0);
	assert_string_equal(gm_format_checksum(&sum, text),
			    "deadbeef000000000000000000000000");
	assert_int_equal(
		gm_parse_checksum("0x00112233445566778899aabbccddeeff01020304",
				  &other),
		0);
	assert_string_equal(gm_format_checksum(&other, text),
			    "00112233445566778899aabbccddeeff");
	assert_false(gm_checksum_equal(&sum, &other));
	assert_int_equal(gm_parse_checksum("", &sum), -EINVAL);
	/* Of a length that no hash has: it was cut. */
	assert_int_equal(gm_parse_checksum("00112233445566", &sum), -ERANGE);
	assert_int_equal(
		gm_parse_checksum("00112233445566778899aabbccddee", &sum),
		-ERANGE);
	assert_int_equal(gm_parse_checksum("abc", &sum), -EINVAL);
	assert_int_equal(gm_parse_checksum("zz", &sum), -EINVAL);
	assert_int_equal(gm_parse_checksum("aa bb", &sum), -EINVAL);
	/* Nothing was changed by the failures. */
	assert_string_equal(gm_format_checksum(&sum, text),
			    "deadbeef000000000000000000000000");
}

static void test_format_size(void **state)
{
	char t[32];

	(void)state;
	assert_string_equal(gm_format_size(0, t, sizeof(t)), "0 B");
	assert_string_equal(gm_format_size(1023, t, sizeof(t)), "1023 B");
	assert_string_equal(gm_format_size(65536, t, sizeof(t)), "64 KiB");
	assert_string_equal(gm_format_size(1536, t, sizeof(t)), "1.5 KiB");
	assert_string_equal(gm_format_size(UINT64_MAX, t, sizeof(t)),
			    "16.0 EiB");
}

static void test_names(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_string_not_equal(gm_state_name((unsigned int)i), "?");
	assert_string_equal(gm_state_name(4), "?");
	for (i = 1; i <= GRID_MISSING_WHY_JUMPED; i++)
		assert_string_not_equal(gm_why_name((unsigned int)i), "?");
	assert_string_equal(gm_why_name(0), "?");
	assert_string_equal(gm_why_name(UINT32_MAX), "?");
	/* Every errno has a sentence, whatever its sign. */
	for (i = -200; i < 200; i++)
		assert_non_null(gm_reason(i));
	assert_string_equal(gm_reason(EBADMSG), gm_reason(-EBADMSG));
	/* What an errno means depends on who gives it (42). */
	for (i = -200; i < 200; i++) {
		assert_non_null(gm_open_reason(i));
		assert_non_null(gm_dm_reason(i));
	}
	assert_string_equal(gm_reason(-EACCES), "the file was opened read-only");
	assert_string_equal(gm_open_reason(-EACCES), "permission denied");
	assert_non_null(strstr(gm_dm_reason(-EACCES), "root"));
	assert_non_null(strstr(gm_dm_reason(-ENOSYS), "modprobe dm_mod"));
	assert_non_null(strstr(gm_dm_reason(-ENXIO), "no such dm device"));
	assert_null(strstr(gm_open_reason(-ENOENT), "fault"));
	assert_null(strstr(gm_open_reason(-EBUSY), "checkpoint"));
}

static void test_resolve(void **state)
{
	unsigned int major, minor;

	(void)state;
	assert_int_equal(gm_resolve("253:7", &major, &minor), 0);
	assert_int_equal(major, 253);
	assert_int_equal(minor, 7);
	assert_int_equal(gm_resolve("0xfd:0x7", &major, &minor), 0);
	assert_int_equal(major, 253);
	assert_int_equal(gm_resolve("", &major, &minor), -ENODEV);
	assert_int_equal(gm_resolve("no such name", &major, &minor), -ENODEV);
	assert_int_equal(gm_resolve("1:2:3", &major, &minor), -ENODEV);
	assert_int_equal(gm_resolve("/nosuch/path", &major, &minor), -ENODEV);
	assert_int_equal(gm_resolve("/dev/null", &major, &minor), -ENOTBLK);
	assert_int_equal(gm_resolve("/", &major, &minor), -ENOTBLK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_ms),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_format_size),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
