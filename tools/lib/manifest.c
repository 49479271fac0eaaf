// SPDX-License-Identifier: GPL-2.0
/*
 * Manifests: what a device should contain, as text.  The format is documented
 * in <gridmissing.h>.
 *
 * It is read line by line, or all of it into memory (gm_manifest_read()): then
 * it is also known not to contradict itself.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gridmissing.h"

int gm_manifest_open(struct gm_manifest *m, const char *path)
{
	memset(m, 0, sizeof(*m));
	if (!strcmp(path, "-")) {
		m->file = stdin;
		m->name = "standard input";
		return 0;
	}
	m->name = path;
	m->file = fopen(path, "re");
	if (!m->file) {
		snprintf(m->error, sizeof(m->error), "%s: %s", path,
			 strerrordesc_np(errno));
		return -errno;
	}
	return 0;
}

void gm_manifest_close(struct gm_manifest *m)
{
	if (m->file && m->file != stdin)
		fclose(m->file);
	m->file = NULL;
}

__attribute__((format(printf, 2, 3))) static int wrong(struct gm_manifest *m,
						       const char *format, ...)
{
	va_list args;
	size_t len;

	snprintf(m->error, sizeof(m->error), "%s:%lu: ", m->name, m->number);
	len = strlen(m->error);
	va_start(args, format);
	vsnprintf(m->error + len, sizeof(m->error) - len, format, args);
	va_end(args);
	return -EINVAL;
}

/* A line "#! KEY VALUE"; keys of later versions are passed over. */
static int directive(struct gm_manifest *m, char *text)
{
	char *save, *key = strtok_r(text, " \t", &save);
	char *value = key ? strtok_r(NULL, " \t", &save) : NULL;
	uint64_t size;

	if (!key || !value)
		return 0;
	if (!strcmp(key, "block_size")) {
		if (gm_parse_size(value, &size) || size > GM_BLOCK_SIZE_MAX)
			return wrong(m, "block size \"%.40s\"", value);
		m->block_size = (uint32_t)size;
	} else if (!strcmp(key, "checksum")) {
		if (strlen(value) >= sizeof(m->checksum))
			return wrong(m, "the hash's name is too long");
		strcpy(m->checksum, value);
	} else if (!strcmp(key, "end")) {
		if (gm_parse_u64(value, &size) || size != m->count)
			return wrong(
				m,
				"its end says \"%.40s\" blocks, but it lists %llu",
				value, (unsigned long long)m->count);
		m->ended = true;
	}
	return 0;
}

/* Of one hash all checksums have the same length: else one was cut. */
static int checksum(struct gm_manifest *m, const char *text,
		    struct grid_missing_block *block)
{
	size_t bytes = strlen(text) / 2;
	int err = gm_parse_checksum(text, &block->checksum);

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		bytes--;
	if (err == -ERANGE)
		return wrong(m,
			     "\"%.130s\": no hash has checksums of %zu bytes",
			     text, bytes);
	if (err)
		return wrong(m, "\"%.40s\" is not a checksum in hexadecimal",
			     text);
	if (m->sum_bytes && m->sum_bytes != bytes)
		return wrong(
			m,
			"\"%.130s\" has %zu bytes, the checksums before it have %zu",
			text, bytes, m->sum_bytes);
	m->sum_bytes = bytes;
	return 0;
}

/* The next line into m->line: 1, 0 at the end, or a negative errno. */
static int read_line(struct gm_manifest *m)
{
	int got;

	m->number++;
	got = gm_read_line(m->file, m->line, sizeof(m->line));
	if (got >= 0)
		return got;
	if (got == -EBADMSG)
		return wrong(m, "not text");
	if (got == -E2BIG)
		return wrong(m, "the line is too long");
	snprintf(m->error, sizeof(m->error), "%s: %s", m->name,
		 strerrordesc_np(-got));
	return got;
}

int(gm_manifest_next)(struct gm_manifest *m, struct grid_missing_block *block,
		      size_t size)
{
	char *address, *sum, *word, *save, *hash;
	uint64_t number;
	size_t len;
	int err;

	if (size < sizeof(*block))
		return wrong(m, "the program is too old");
	for (;;) {
		err = read_line(m);
		if (err <= 0)
			return err;
		len = strlen(m->line);
		if (len && m->line[len - 1] == '\r')
			m->line[--len] = 0;
		if (strchr(m->line, '\r'))
			return wrong(
				m,
				"a carriage return in the line (lines end with a newline)");
		if (m->line[0] == '#' && m->line[1] == '!') {
			err = directive(m, m->line + 2);
			if (err)
				return err;
			continue;
		}
		hash = strchr(m->line, '#');
		if (hash)
			*hash = 0;
		address = strtok_r(m->line, " \t", &save);
		if (address)
			break;
	}
	if (m->ended)
		return wrong(m, "a block after the end mark");
	memset(block, 0, size);
	err = gm_parse_u64(address, &number);
	if (err)
		return wrong(m, "\"%.40s\" is not a block address%s", address,
			     err == -ERANGE ? " (too large)" : "");
	block->address = number;
	sum = strtok_r(NULL, " \t", &save);
	if (!sum)
		return wrong(m, "block %s has no checksum (\"-\" for unknown)",
			     address);
	if (!strcmp(sum, "-"))
		block->flags |= GRID_MISSING_F_NO_CHECKSUM;
	else if (checksum(m, sum, block))
		return -EINVAL;
	while ((word = strtok_r(NULL, " \t", &save))) {
		if (strcmp(word, "table"))
			return wrong(m, "unknown word \"%.40s\"", word);
		block->flags |= GRID_MISSING_F_TABLE;
	}
	m->count++;
	return 1;
}

/* ------------------------------------------------------------- all of it */

/* Where a block is listed: its place among the blocks. */
struct place {
	uint64_t address;
	size_t at;
};

static int by_address(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Which of two checksums is right, nobody knows. */
static int contradiction(struct gm_manifest *m, struct place *p,
			 const struct grid_missing_block *v, size_t count)
{
	size_t i, known = 0;

	qsort(p, count, sizeof(*p), by_address);
	for (i = 1; i < count; i++) {
		/* The last of this block that has a checksum. */
		if (p[i].address != p[known].address ||
		    v[p[known].at].flags & GRID_MISSING_F_NO_CHECKSUM) {
			known = i;
			continue;
		}
		if (v[p[i].at].flags & GRID_MISSING_F_NO_CHECKSUM ||
		    gm_checksum_equal(&v[p[known].at].checksum,
				      &v[p[i].at].checksum))
			continue;
		m->number = (unsigned long)v[p[i].at].result;
		return wrong(m,
			     "block %llu has another checksum than in line %d",
			     (unsigned long long)p[i].address,
			     v[p[known].at].result);
	}
	return 0;
}

static int consistent(struct gm_manifest *m, const struct grid_missing_block *v,
		      size_t count)
{
	struct place *p;
	size_t i;
	int err;

	/* Most are in order: nothing can be there twice. */
	for (i = 1; i < count && v[i - 1].address < v[i].address; i++)
		;
	if (i >= count)
		return 0;
	p = calloc(count, sizeof(*p));
	if (!p)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		p[i].address = v[i].address;
		p[i].at = i;
	}
	err = contradiction(m, p, v, count);
	free(p);
	return err;
}

/* The @n blocks at *@v, @size bytes apart. */
static int restride(struct gm_manifest *m, struct grid_missing_block **v,
		    size_t n, size_t size)
{
	char *to = size < sizeof(**v) ? NULL : calloc(n + 1, size);
	size_t i;

	if (!to) {
		snprintf(m->error, sizeof(m->error), "%s: %s", m->name,
			 size < sizeof(**v) ? "the program is too old" :
					      "out of memory");
		return size < sizeof(**v) ? -EINVAL : -ENOMEM;
	}
	for (i = 0; i < n; i++)
		memcpy(to + i * size, &(*v)[i], sizeof(**v));
	free(*v);
	*v = (void *)to;
	return 0;
}

/*
 * All of it is read as this library knows blocks; then each is moved to where
 * the caller looks for it.  Meanwhile a block's result is its line.
 */
int(gm_manifest_read)(struct gm_manifest *m, const char *path,
		      struct grid_missing_block **blocks, size_t *count,
		      size_t size)
{
	struct grid_missing_block *v = NULL, *more;
	size_t n = 0, room = 0, i;
	int got;

	got = gm_manifest_open(m, path);
	if (got)
		return got;
	for (;;) {
		if (n == room) {
			room = room ? room + room / 2 : 4096;
			got = -ENOMEM;
			more = reallocarray(v, room, sizeof(*v));
			if (!more)
				break;
			v = more;
		}
		got = gm_manifest_next(m, &v[n]);
		if (got <= 0)
			break;
		v[n++].result = m->number < INT32_MAX ? (int32_t)m->number :
							INT32_MAX;
	}
	if (!got)
		got = consistent(m, v, n);
	if (got == -ENOMEM)
		snprintf(m->error, sizeof(m->error), "%s: out of memory",
			 m->name);
	gm_manifest_close(m);
	for (i = 0; i < n; i++)
		v[i].result = 0;
	/* What there was room for besides goes back. */
	more = got ? NULL : reallocarray(v, n + 1, sizeof(*v));
	v = more ? more : v;
	if (!got && size != sizeof(*v))
		got = restride(m, &v, n, size);
	if (got) {
		free(v);
		return got;
	}
	*blocks = v;
	*count = n;
	return 0;
}

int gm_manifest_fits(struct gm_manifest *m, const char *device,
		     uint32_t block_size, const char *hash)
{
	if (block_size && m->block_size && m->block_size != block_size) {
		snprintf(m->error, sizeof(m->error),
			 "%s is of blocks of %u bytes, %s has %u", m->name,
			 m->block_size, device, block_size);
		return -EINVAL;
	}
	if (hash && *hash && *m->checksum && strcmp(m->checksum, hash)) {
		snprintf(m->error, sizeof(m->error),
			 "%s has checksums by %s, %s by %s", m->name,
			 m->checksum, device, hash);
		return -EINVAL;
	}
	return 0;
}
