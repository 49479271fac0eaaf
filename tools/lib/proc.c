// SPDX-License-Identifier: GPL-2.0
/* Text of /proc and /sys: see proc.h. */
#include <stdio.h>
#include <string.h>

#include "proc.h"

bool gm_first_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool good = f && fgets(text, (int)size, f);

	if (f)
		fclose(f);
	if (good)
		text[strcspn(text, "\n")] = 0;
	return good;
}

void gm_unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

bool gm_parse_mount(char *line, struct gm_mount *m)
{
	char *at = line, *word, *words[64];
	unsigned int n = 0, dash;

	line[strcspn(line, "\n")] = 0;
	while (n < 64 && (word = strsep(&at, " ")))
		words[n++] = word;
	for (dash = 6; dash < n && strcmp(words[dash], "-"); dash++)
		;
	if (dash + 3 >= n || sscanf(words[0], "%u", &m->id) != 1 ||
	    sscanf(words[2], "%u:%u", &m->major, &m->minor) != 2)
		return false;
	m->point = words[4];
	m->source = words[dash + 2];
	m->options = words[dash + 3];
	gm_unescape(m->point);
	gm_unescape(m->source);
	return true;
}
