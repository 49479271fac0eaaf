// SPDX-License-Identifier: GPL-2.0
/*
 * Reading /etc/gridtab; see gridtab.h.
 *
 * Fields are separated by blanks and tabs; a blank in one is \040, as in fstab.
 * What an option's value must be is gridctl create's matter: here only its
 * name counts, and whether it has a value, so that a misspelt option is told
 * rather than ignored (a grid without its checksum= would be another grid).
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridmissing.h"
#include "gridtab.h"

#define LINE_MAX_BYTES 4096

enum value { NO_VALUE, VALUE, TIME, ANY };

static const struct {
	const char *name;
	enum value value;
} known[] = {
	/* of the table line: gridctl create's */
	{ "block-size", VALUE },
	{ "offset", VALUE },
	{ "length", VALUE },
	{ "checksum", VALUE },
	{ "on-missing", VALUE },
	{ "park-timeout", VALUE },
	{ "no-helper", VALUE },
	{ "checkpoint", VALUE },
	{ "start", VALUE },
	{ "detect", VALUE },
	{ "blocks-max", VALUE },
	{ "tables-max", VALUE },
	{ "table-values-max", VALUE },
	{ "read-only", NO_VALUE },
	{ "metadata-start", VALUE },
	{ "metadata-uuid", VALUE },
	/* of attaching */
	{ "manifest", VALUE },
	{ "manifest-undoes-writes", NO_VALUE },
	{ "ready-timeout", TIME },
	/* of systemd's tab files */
	{ "defaults", NO_VALUE },
	{ "auto", NO_VALUE },
	{ "noauto", NO_VALUE },
	{ "fail", NO_VALUE },
	{ "nofail", NO_VALUE },
	{ "_netdev", NO_VALUE },
	{ "x-systemd.device-timeout", TIME },
	{ "x-systemd.after", VALUE },
	{ "x-systemd.before", VALUE },
	{ "x-systemd.requires", VALUE },
	{ "x-systemd.wants", VALUE },
};

/* The first thing wrong with a line is told. */
__attribute__((format(printf, 2, 3))) static void wrong(struct gridtab_entry *e,
							const char *format, ...)
{
	va_list args;

	if (e->error)
		return;
	va_start(args, format);
	if (vasprintf(&e->error, format, args) < 0)
		e->error = NULL;
	va_end(args);
}

/* ----------------------------------------------------------------- a line */

/* Replace \ooo in place; false when it is no such thing, or a NUL. */
static bool unescape(char *s)
{
	char *to = s;
	int i, c;

	for (; *s; s++) {
		if (*s != '\\') {
			*to++ = *s;
			continue;
		}
		for (c = 0, i = 1; i < 4; i++) {
			if (s[i] < '0' || s[i] > '7')
				return false;
			c = c * 8 + s[i] - '0';
		}
		if (!c || c > 255)
			return false;
		*to++ = (char)c;
		s += 3;
	}
	*to = 0;
	return true;
}

/* What could forge a line of a unit, or of the log; a character of UTF-8 is none. */
static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

/* A time as systemd's options have it: a bare number is seconds. */
static bool parse_time(const char *text, uint64_t *ms)
{
	char copy[32];
	size_t len = strlen(text);

	if (!strcmp(text, "infinity")) {
		*ms = GRIDTAB_FOREVER;
		return true;
	}
	if (!gm_parse_u64(text, ms)) {
		*ms = *ms < UINT64_MAX / 1000 ? *ms * 1000 : GRIDTAB_FOREVER;
		return true;
	}
	if (!gm_parse_ms(text, ms))
		return true;
	/* systemd also knows "min", "sec" and the like. */
	if (len > 3 && len < sizeof(copy) &&
	    (!strcmp(text + len - 3, "min") ||
	     !strcmp(text + len - 3, "sec"))) {
		memcpy(copy, text, len + 1);
		copy[len - 2] = 0;
		return !gm_parse_ms(copy, ms);
	}
	return false;
}

static void check_option(struct gridtab_entry *e, const char *option)
{
	size_t len = strcspn(option, "="), i;
	uint64_t ms;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i].name) == len &&
		    !strncmp(known[i].name, option, len))
			break;
	if (i == sizeof(known) / sizeof(*known)) {
		/* Whoever else reads this file may have options there. */
		if (!strncmp(option, "x-", 2) &&
		    strncmp(option, "x-systemd.", 10))
			return;
		wrong(e, "unknown option \"%.*s\"", (int)len, option);
		return;
	}
	if (known[i].value == NO_VALUE ? option[len] : !option[len])
		wrong(e, "option \"%s\" %s", known[i].name,
		      option[len] ? "takes no value" : "needs a value");
	else if (known[i].value != NO_VALUE && !option[len + 1])
		wrong(e, "option \"%s\" needs a value", known[i].name);
	else if (known[i].value == TIME && !parse_time(option + len + 1, &ms))
		wrong(e, "%s: not a time", option);
}

/* Commas separate options; of empty ones there may be any number. */
static bool split_options(struct gridtab_entry *e, char *text)
{
	size_t n = 0, max = 1;
	char *s, *save;

	for (s = text; *s; s++)
		max += *s == ',';
	e->options = calloc(max + 1, sizeof(*e->options));
	if (!e->options)
		return false;
	for (s = strtok_r(text, ",", &save); s;
	     s = strtok_r(NULL, ",", &save)) {
		e->options[n] = strdup(s);
		if (!e->options[n])
			return false;
		if (!unescape(e->options[n]))
			wrong(e,
			      "options: \\ must be followed by three octal digits");
		else if (has_control(e->options[n]))
			wrong(e, "options: control characters");
		else
			check_option(e, e->options[n]);
		n++;
	}
	return true;
}

static void check_disk(struct gridtab_entry *e, const char *what,
		       const char *disk)
{
	if (!strncmp(disk, "UUID=", 5) || !strncmp(disk, "LABEL=", 6))
		wrong(e,
		      "%s: %s is what lies on the grid, not its disk: use PARTUUID= or a path in /dev/disk/by-id",
		      what, disk);
	else if (*disk != '/' && strncmp(disk, "PARTUUID=", 9) &&
		 strncmp(disk, "PARTLABEL=", 10))
		wrong(e,
		      "%s: \"%s\" is neither a path nor PARTUUID= or PARTLABEL=",
		      what, disk);
}

/* False: out of memory. */
static bool parse_line(struct gridtab_entry *e, char *line)
{
	char *field[5] = { NULL }, *save;
	static const char *const what[] = { "name", "data device",
					    "metadata device" };
	bool nameless = false;
	int i;

	for (i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " \t\r", &save);
		if (!field[i])
			break;
	}
	if (!field[1])
		wrong(e, "the data device is missing");
	for (i = 0; i < 3 && field[i]; i++) {
		if (!unescape(field[i])) {
			wrong(e,
			      "%s: \\ must be followed by three octal digits",
			      what[i]);
			nameless |= !i;
		} else if (i && has_control(field[i])) {
			wrong(e, "%s: control characters", what[i]);
		}
	}
	/* Whose the disks are is known without a name, too: nobody mounts them. */
	e->data = strdup(field[1] ? field[1] : "");
	e->metadata = strdup(field[1] && field[2] ? field[2] : "none");
	if (!e->data || !e->metadata)
		return false;
	if (nameless)
		return true;
	if (has_control(field[0])) {
		wrong(e, "name: control characters");
		return true;
	}
	if (strchr(field[0], '/') || strlen(field[0]) > 127 ||
	    !strcmp(field[0], "control")) {
		wrong(e, "\"%s\" cannot be the name of a dm device", field[0]);
		return true;
	}
	e->name = strdup(field[0]);
	if (!e->name)
		return false;
	if (!e->error) {
		check_disk(e, "data device", e->data);
		if (strcmp(e->metadata, "none") &&
		    strcmp(e->metadata, "internal"))
			check_disk(e, "metadata device", e->metadata);
	}
	if (field[4])
		wrong(e, "more than four fields (a blank is \\040)");
	if (field[3] && !split_options(e, field[3]))
		return false;
	/* What it doesn't match is repaired back to what it says. */
	if (gridtab_option(e, "manifest") && gridtab_held(e) &&
	    !gridtab_option(e, "read-only") &&
	    !gridtab_option(e, "manifest-undoes-writes"))
		wrong(e,
		      "manifest= of a grid that starts held undoes at each boot what was written since it was made: use a metadata device, read-only, or manifest-undoes-writes");
	return true;
}

/* ------------------------------------------------------------------ a file */

/* What is left of a line, unless that is no text file at all. */
static void skip_line(FILE *f)
{
	unsigned int left = 1U << 20;
	int c;

	do
		c = getc(f);
	while (c != '\n' && c != EOF && --left);
	if (!left)
		fseek(f, 0, SEEK_END);
}

int gridtab_read(const char *path, struct gridtab *tab)
{
	char line[LINE_MAX_BYTES], *text;
	struct gridtab_entry *grown, *e;
	const struct gridtab_entry *first;
	unsigned int number = 0;
	FILE *f;
	int err;

	memset(tab, 0, sizeof(*tab));
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while ((err = gm_read_line(f, line, sizeof(line)))) {
		number++;
		if (err < 0 && err != -E2BIG && err != -EBADMSG)
			break;
		text = line + strspn(line, " \t\r");
		if (err > 0 && (!*text || *text == '#'))
			continue;
		grown = reallocarray(tab->entries, tab->count + 1,
				     sizeof(*tab->entries));
		if (!grown) {
			err = -ENOMEM;
			break;
		}
		tab->entries = grown;
		e = &tab->entries[tab->count];
		memset(e, 0, sizeof(*e));
		e->line = number;
		tab->count++;
		if (err < 0) {
			wrong(e, err == -E2BIG ? "the line is too long" :
						 "this is not text");
			skip_line(f);
			continue;
		}
		if (!parse_line(e, text)) {
			err = -ENOMEM;
			break;
		}
		if (!e->name)
			continue;
		first = gridtab_find(tab, e->name);
		if (first != e) {
			wrong(e, "%s is also in line %u", e->name, first->line);
			/* The first one is the grid. */
			free(e->name);
			e->name = NULL;
		}
	}
	fclose(f);
	if (err)
		gridtab_free(tab);
	return err;
}

void gridtab_free(struct gridtab *tab)
{
	size_t i, n;

	for (i = 0; i < tab->count; i++) {
		free(tab->entries[i].error);
		free(tab->entries[i].name);
		free(tab->entries[i].data);
		free(tab->entries[i].metadata);
		for (n = 0;
		     tab->entries[i].options && tab->entries[i].options[n]; n++)
			free(tab->entries[i].options[n]);
		free(tab->entries[i].options);
	}
	free(tab->entries);
	memset(tab, 0, sizeof(*tab));
}

const struct gridtab_entry *gridtab_find(const struct gridtab *tab,
					 const char *name)
{
	size_t i;

	for (i = 0; i < tab->count; i++)
		if (tab->entries[i].name && !strcmp(tab->entries[i].name, name))
			return &tab->entries[i];
	return NULL;
}

const char *gridtab_option(const struct gridtab_entry *entry, const char *name)
{
	size_t len = strlen(name);
	const char *value = NULL;
	char **o;

	/* Of two the last one counts, as in fstab. */
	for (o = entry->options; o && *o; o++) {
		if (strncmp(*o, name, len))
			continue;
		if ((*o)[len] == '=')
			value = *o + len + 1;
		else if (!(*o)[len])
			value = "";
	}
	return value;
}

static uint64_t time_option(const struct gridtab_entry *entry, const char *name)
{
	const char *text = gridtab_option(entry, name);
	uint64_t ms;

	if (!text)
		return 90000;
	return parse_time(text, &ms) ? ms : 0;
}

uint64_t gridtab_device_timeout(const struct gridtab_entry *entry)
{
	return time_option(entry, "x-systemd.device-timeout");
}

uint64_t gridtab_ready_timeout(const struct gridtab_entry *entry)
{
	return time_option(entry, "ready-timeout");
}

bool gridtab_held(const struct gridtab_entry *entry)
{
	const char *start = gridtab_option(entry, "start");

	/* Nobody knows what is missing on a volatile grid after a boot. */
	if (!start)
		return !strcmp(entry->metadata, "none");
	return !strcmp(start, "held");
}

/* ------------------------------------------------------------------- names */

/* As udev encodes what is unsafe in the names of links. */
static bool link_name(const char *directory, const char *value,
		      char path[PATH_MAX])
{
	size_t n = (size_t)snprintf(path, PATH_MAX, "%s", directory);

	for (; *value; value++) {
		if (n + 5 > PATH_MAX)
			return false;
		if ((unsigned char)*value >= 0x80 ||
		    (*value >= '0' && *value <= '9') ||
		    (*value >= 'A' && *value <= 'Z') ||
		    (*value >= 'a' && *value <= 'z') ||
		    strchr("#+-.:=@_", *value))
			path[n++] = *value;
		else
			n += (size_t)sprintf(path + n, "\\x%02x",
					     (unsigned char)*value);
	}
	path[n] = 0;
	return true;
}

bool gridtab_path(const char *disk, char path[PATH_MAX])
{
	char *s;

	if (!strncmp(disk, "PARTUUID=", 9)) {
		if (!link_name("/dev/disk/by-partuuid/", disk + 9, path))
			return false;
		/* Digits in capitals are not how udev has them. */
		for (s = path; *s; s++)
			*s = (char)tolower((unsigned char)*s);
		return true;
	}
	if (!strncmp(disk, "PARTLABEL=", 10))
		return link_name("/dev/disk/by-partlabel/", disk + 10, path);
	return (size_t)snprintf(path, PATH_MAX, "%s", disk) < PATH_MAX;
}

/* One character; @first: at the beginning of the name. */
static size_t escape(char c, bool first, char *to)
{
	if (c == '/') {
		*to = '-';
		return 1;
	}
	if ((c == '.' && first) ||
	    !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	      (c >= 'a' && c <= 'z') || c == ':' || c == '_' || c == '.'))
		return (size_t)sprintf(to, "\\x%02x", (unsigned char)c);
	*to = c;
	return 1;
}

bool gridtab_escape(const char *name, char *text, size_t size)
{
	size_t n = 0, i;

	for (i = 0; name[i]; i++) {
		if (n + 6 > size)
			return false;
		n += escape(name[i], !i, text + n);
	}
	text[n] = 0;
	return true;
}

bool gridtab_node(const char *name, char *path, size_t size)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#+-.:=@_";
	size_t n = (size_t)snprintf(path, size, "/dev/mapper/");

	for (; *name; name++) {
		if (n + 5 > size)
			return false;
		if (strchr(plain, *name))
			path[n++] = *name;
		else
			n += (size_t)sprintf(path + n, "\\x%02x",
					     (unsigned char)*name);
	}
	if (n >= size)
		return false;
	path[n] = 0;
	return true;
}

bool gridtab_escape_path(const char *path, char *text, size_t size)
{
	size_t n = 0, i;

	for (i = strspn(path, "/"); path[i]; i++) {
		if (path[i] == '/' && (path[i + 1] == '/' || !path[i + 1]))
			continue;
		if (n + 6 > size)
			return false;
		n += escape(path[i], !n, text + n);
	}
	text[n] = 0;
	return n;
}
