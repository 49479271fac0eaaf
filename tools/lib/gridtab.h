/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /etc/gridtab: which grids a machine has (SPEC S1; gridtab(5) for its text).
 *
 * One reader serves the three who ask: the systemd generator (a unit for each
 * grid), gridctl attach and detach (what those units run), and the helper of
 * the udev rules (is this disk below a grid?).
 *
 * A wrong line does no harm to the others.  It stays in the table with an
 * error, so that whoever starts its grid is told what is wrong with it.
 * Nothing is printed here.
 */
#ifndef GRIDTAB_H
#define GRIDTAB_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRIDTAB_PATH "/etc/gridtab"

/**
 * struct gridtab_entry - a line
 * @line: its number, from 1
 * @error: what is wrong with it, or NULL
 * @name: of the dm device; NULL when not even that could be read
 * @data: the disk as the line says it; NULL when nothing of the line could be read
 * @metadata: the same, or "internal" or "none"
 * @options: NULL-terminated, each NAME or NAME=VALUE
 */
struct gridtab_entry {
	unsigned int line;
	char *error;
	char *name, *data, *metadata;
	char **options;
};

struct gridtab {
	struct gridtab_entry *entries;
	size_t count;
};

/*
 * Read @path.  0, or a negative errno: -ENOENT when it isn't there (which is a
 * machine without grids), -ENOMEM, or what reading says.
 */
int gridtab_read(const char *path, struct gridtab *tab);
void gridtab_free(struct gridtab *tab);

/* The line of grid @name, or NULL.  Of two the first one. */
const struct gridtab_entry *gridtab_find(const struct gridtab *tab,
					 const char *name);
/* An option's value; "" when it has none, NULL when it is not there. */
const char *gridtab_option(const struct gridtab_entry *entry, const char *name);

/*
 * How long to wait for the disks (x-systemd.device-timeout=, 90 s), and for a
 * held grid to become ready (ready-timeout=, 90 s); ms, 0 when the option makes
 * no sense, GRIDTAB_FOREVER without an end.
 */
#define GRIDTAB_FOREVER UINT64_MAX
uint64_t gridtab_device_timeout(const struct gridtab_entry *entry);
uint64_t gridtab_ready_timeout(const struct gridtab_entry *entry);
/* Does it start held? */
bool gridtab_held(const struct gridtab_entry *entry);

/*
 * The path of a disk as a line says it: itself, or the link that udev makes
 * for PARTUUID= and PARTLABEL=.  False: too long.
 */
bool gridtab_path(const char *disk, char path[PATH_MAX]);

/*
 * The device node of a grid: device-mapper makes "a\x20b" of "a b" (libdevmapper's
 * mangling: what udev can't take is written in hexadecimal).  False: too long.
 */
bool gridtab_node(const char *name, char *path, size_t size);

/*
 * A name as systemd escapes it in the names of units, and a path as in those
 * of .device units.  False: too long.
 */
bool gridtab_escape(const char *name, char *text, size_t size);
bool gridtab_escape_path(const char *path, char *text, size_t size);

#endif /* GRIDTAB_H */
