// SPDX-License-Identifier: GPL-2.0
/*
 * An example of a plug-in for another format of table indexes, and its test's
 * subject; see <gridindex.h>.
 *
 *	cc -shared -fPIC -o text.so index_example.c
 *
 * Here an index block is text: "table", then a line "ADDRESS CHECKSUM" for each
 * value, both hexadecimal, and an empty line at the end.
 */
#include <errno.h>
#include <string.h>

#include <gridindex.h>

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "ADDRESS CHECKSUM\n" between *@at and @end. */
static int parse_value(const char **at, const char *end,
		       struct grid_missing_value *v)
{
	const char *p = *at;
	unsigned int i;

	memset(v, 0, sizeof(*v));
	for (i = 0; p < end && digit(*p) >= 0; i++, p++) {
		if (i == 16)
			return -EBADMSG;
		v->address = v->address << 4 | (unsigned int)digit(*p);
	}
	if (!i || end - p < 34 || *p++ != ' ')
		return -EBADMSG;
	for (i = 0; i < 16; i++, p += 2) {
		if (digit(p[0]) < 0 || digit(p[1]) < 0)
			return -EBADMSG;
		v->checksum.bytes[i] =
			(unsigned char)(digit(p[0]) << 4 | digit(p[1]));
	}
	if (*p++ != '\n')
		return -EBADMSG;
	*at = p;
	return 0;
}

static int decode(const void *block, uint32_t block_size, uint64_t blocks,
		  uint64_t self, struct grid_missing_value *values,
		  uint32_t room, const char **why)
{
	const char *p = block, *end = p + block_size;
	uint32_t n = 0;

	(void)blocks; /* the daemon checks these */
	(void)self;
	*why = "it doesn't begin with \"table\"";
	if (block_size < 6 || memcmp(p, "table\n", 6))
		return -EBADMSG;
	*why = "a line is no value";
	for (p += 6; p < end && *p != '\n'; n++)
		if (n == room || parse_value(&p, end, &values[n]))
			return -EBADMSG;
	*why = "it has no end";
	return p < end ? (int)n : -EBADMSG;
}

const struct grid_index_format grid_index_format = {
	.abi = GRID_INDEX_ABI,
	.entry_size = 35, /* "0 ", 32 digits, the line's end */
	.name = "text",
	.decode = decode,
};
