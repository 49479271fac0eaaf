// SPDX-License-Identifier: GPL-2.0
/*
 * Manifests: what a device should contain, as text.  The format is documented
 * in <gridmissing.h>.
 *
 * It is read line by line, so that a manifest of millions of blocks takes no
 * memory here.
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
	}
	return 0;
}

/* The next line into m->line: 1, 0 at the end, or a negative errno. */
static int read_line(struct gm_manifest *m)
{
	size_t len = 0;
	int c, err;

	m->number++;
	errno = 0;
	while ((c = getc_unlocked(m->file)) != EOF && c != '\n') {
		if (!c)
			return wrong(m, "not text");
		if (len == sizeof(m->line) - 1)
			return wrong(m, "the line is too long");
		m->line[len++] = (char)c;
	}
	m->line[len] = 0;
	if (c != EOF || !ferror(m->file))
		return c != EOF || len;
	err = errno ? -errno : -EIO;
	snprintf(m->error, sizeof(m->error), "%s: %s", m->name,
		 strerrordesc_np(-err));
	return err;
}

int gm_manifest_next(struct gm_manifest *m, struct grid_missing_block *block)
{
	char *address, *sum, *word, *save, *hash;
	uint64_t number;
	int err;

	for (;;) {
		err = read_line(m);
		if (err <= 0)
			return err;
		m->line[strcspn(m->line, "\r")] = 0;
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
	memset(block, 0, sizeof(*block));
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
	else if (gm_parse_checksum(sum, &block->checksum))
		return wrong(m, "\"%.40s\" is not a checksum in hexadecimal",
			     sum);
	while ((word = strtok_r(NULL, " \t", &save))) {
		if (strcmp(word, "table"))
			return wrong(m, "unknown word \"%.40s\"", word);
		block->flags |= GRID_MISSING_F_TABLE;
	}
	return 1;
}
