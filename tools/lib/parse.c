// SPDX-License-Identifier: GPL-2.0
/*
 * Lines, numbers, sizes, times and checksums, from text and to text.
 *
 * A parser takes the whole string or nothing: no sign, no leading or trailing
 * blank, no octal (010 is ten), and what doesn't fit is -ERANGE rather than
 * another number.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "gridmissing.h"

int gm_read_line(FILE *f, char *line, size_t size)
{
	size_t len = 0;
	int c;

	errno = 0;
	while ((c = getc_unlocked(f)) != EOF && c != '\n') {
		if (!c)
			return -EBADMSG;
		if (len == size - 1)
			return -E2BIG;
		line[len++] = (char)c;
	}
	line[len] = 0;
	if (c == EOF && ferror(f))
		return errno ? -errno : -EIO;
	return c != EOF || len;
}

/* A number at the start of @s; *@end is what follows it. */
static int parse_prefix(const char *s, uint64_t *value, const char **end)
{
	unsigned int base = 10, digit;
	const char *p = s;
	uint64_t v = 0;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	s = p;
	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			digit = *p - '0';
		else if (base == 16 && isxdigit((unsigned char)*p))
			digit = tolower((unsigned char)*p) - 'a' + 10;
		else
			break;
		if (v > (UINT64_MAX - digit) / base)
			return -ERANGE;
		v = v * base + digit;
	}
	if (p == s)
		return -EINVAL;
	*value = v;
	*end = p;
	return 0;
}

int gm_parse_u64(const char *s, uint64_t *value)
{
	const char *end;
	uint64_t v;
	int err;

	err = parse_prefix(s, &v, &end);
	if (err)
		return err;
	if (*end)
		return -EINVAL;
	*value = v;
	return 0;
}

int gm_parse_size(const char *s, uint64_t *bytes)
{
	static const char units[] = "kmgt";
	unsigned int shift = 0;
	const char *end, *unit;
	uint64_t v;
	int err;

	err = parse_prefix(s, &v, &end);
	if (err)
		return err;
	if (*end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (!unit)
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
		if (*end && strcmp(end, "iB") && strcmp(end, "ib"))
			return -EINVAL;
	}
	if (v > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = v << shift;
	return 0;
}

int gm_parse_ms(const char *s, uint64_t *ms)
{
	static const struct {
		const char *name;
		unsigned int ms;
	} units[] = {
		{ "ms", 1 },	  { "s", 1000 },    { "m", 60000 },
		{ "min", 60000 }, { "h", 3600000 },
	};
	unsigned int unit = 1;
	const char *end;
	uint64_t v;
	size_t i;
	int err;

	err = parse_prefix(s, &v, &end);
	if (err)
		return err;
	/* Nobody means another thing than others by a bare 0 only. */
	if (v || *end) {
		for (i = 0; i < sizeof(units) / sizeof(*units); i++)
			if (!strcmp(end, units[i].name))
				break;
		if (i == sizeof(units) / sizeof(*units))
			return -EINVAL;
		unit = units[i].ms;
	}
	if (v > UINT64_MAX / unit)
		return -ERANGE;
	*ms = v * unit;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Bytes of the kernel's hashes.  What has another length is no whole checksum:
 * a line that was cut, most likely.
 */
static bool is_digest(size_t bytes)
{
	static const uint8_t sizes[] = {
		2, 4, 8, 16, 20, 24, 28, 32, 40, 48, 64
	};
	size_t i;

	for (i = 0; i < sizeof(sizes); i++)
		if (sizes[i] == bytes)
			return true;
	return false;
}

int gm_parse_checksum(const char *s, struct grid_missing_checksum *sum)
{
	struct grid_missing_checksum c = { { 0 } };
	size_t i, len;
	int hi, lo;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	len = strlen(s);
	if (!len || len % 2)
		return -EINVAL;
	if (strspn(s, "0123456789abcdefABCDEF") != len)
		return -EINVAL;
	if (!is_digest(len / 2))
		return -ERANGE;
	for (i = 0; i < len / 2; i++) {
		hi = hex_digit(s[2 * i]);
		lo = hex_digit(s[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return -EINVAL;
		if (i < sizeof(c.bytes))
			c.bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	*sum = c;
	return 0;
}

char *gm_format_checksum(const struct grid_missing_checksum *sum,
			 char text[GM_CHECKSUM_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < sizeof(sum->bytes); i++) {
		text[2 * i] = digits[sum->bytes[i] >> 4];
		text[2 * i + 1] = digits[sum->bytes[i] & 15];
	}
	text[2 * i] = 0;
	return text;
}

bool gm_checksum_equal(const struct grid_missing_checksum *a,
		       const struct grid_missing_checksum *b)
{
	return !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

char *gm_format_size(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
					     "TiB", "PiB", "EiB" };
	unsigned int u = 0;
	uint64_t unit = 1;

	while (u + 1 < sizeof(units) / sizeof(*units) && bytes / unit >= 1024) {
		unit <<= 10;
		u++;
	}
	if (bytes % unit == 0)
		snprintf(text, size, "%llu %s",
			 (unsigned long long)(bytes / unit), units[u]);
	else
		snprintf(text, size, "%.1f %s", (double)bytes / (double)unit,
			 units[u]);
	return text;
}
