/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text of /proc and /sys.  Not exported.
 */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stddef.h>

/* The first line of a small file, without its newline; false: it has none. */
bool gm_first_line(const char *path, char *text, size_t size);

/* "\040" and the like, as the kernel writes paths with blanks; in place. */
void gm_unescape(char *s);

/* A line of mountinfo. */
struct gm_mount {
	unsigned int id, major, minor;
	char *point, *source, *options; /* options: the file system's own */
};

/* It points into @line, which is cut to pieces.  False: that is none. */
bool gm_parse_mount(char *line, struct gm_mount *m);

#endif
