// SPDX-License-Identifier: GPL-2.0
/*
 * What the verbs of gridctl share: errors, options, operands, attaching, JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "stack.h"

/* ------------------------------------------------------------------ errors */

static int say(const struct ctl *ctl, int code, int err, const char *reason,
	       const char *format, va_list args)
{
	struct json_object *o;
	char text[1024];
	size_t len;

	vsnprintf(text, sizeof(text), format, args);
	len = strlen(text);
	if (reason)
		snprintf(text + len, sizeof(text) - len, ": %s", reason);
	if (!ctl->json) {
		fprintf(stderr, "gridctl: %s%s%s\n", ctl->verb->name ?: "",
			ctl->verb->name ? ": " : "", text);
		return code;
	}
	o = ctl_object();
	ctl_put_string(o, code ? "error" : "note", text);
	if (ctl->verb->name)
		ctl_put_string(o, "command", ctl->verb->name);
	if (err)
		ctl_put_string(o, "errno", strerrorname_np(abs(err)));
	if (code)
		ctl_put_u64(o, "exit", (uint64_t)code);
	fprintf(stderr, "%s\n",
		json_object_to_json_string_ext(
			o, JSON_C_TO_STRING_PLAIN |
				   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return code;
}

int ctl_fail(const struct ctl *ctl, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(ctl, code, 0, NULL, format, args);
	va_end(args);
	return code;
}

int ctl_error(const struct ctl *ctl, int err, const char *format, ...)
{
	int code = abs(err) == ENODEV ? CTL_NO_DEVICE : CTL_FAILED;
	va_list args;

	va_start(args, format);
	say(ctl, code, err, gm_reason(err), format, args);
	va_end(args);
	return code;
}

int ctl_open_error(const struct ctl *ctl, int err, const char *format, ...)
{
	int code = abs(err) == ENOENT || abs(err) == ENODEV ||
				   abs(err) == ENXIO ?
			   CTL_NO_DEVICE :
			   CTL_FAILED;
	va_list args;

	va_start(args, format);
	say(ctl, code, err, gm_open_reason(err), format, args);
	va_end(args);
	return code;
}

int ctl_dm_error(const struct ctl *ctl, int err, const char *format, ...)
{
	int code = abs(err) == ENXIO || abs(err) == ENODEV ||
				   abs(err) == ENOSYS ?
			   CTL_NO_DEVICE :
			   CTL_FAILED;
	va_list args;

	va_start(args, format);
	say(ctl, code, err, gm_dm_reason(err), format, args);
	va_end(args);
	return code;
}

void ctl_note(const struct ctl *ctl, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(ctl, 0, 0, NULL, format, args);
	va_end(args);
}

/* ----------------------------------------------------------------- options */

const char *ctl_option(const struct ctl *ctl, const char *name)
{
	int i;

	for (i = 0; ctl->verb->options[i].name; i++)
		if (!strcmp(ctl->verb->options[i].name, name))
			return ctl->values[i];
	return NULL;
}

static bool number(const struct ctl *ctl, const char *name, const char *what,
		   int err)
{
	if (!err)
		return true;
	ctl_fail(ctl, CTL_USAGE, "--%s=%s: %s%s", name, ctl_option(ctl, name),
		 what, err == -ERANGE ? " (too large)" : "");
	return false;
}

bool ctl_u64(const struct ctl *ctl, const char *name, uint64_t *value)
{
	const char *s = ctl_option(ctl, name);

	return !s || number(ctl, name, "not a number", gm_parse_u64(s, value));
}

bool ctl_size(const struct ctl *ctl, const char *name, uint64_t *value)
{
	const char *s = ctl_option(ctl, name);

	return !s || number(ctl, name, "not a size (such as 64K)",
			    gm_parse_size(s, value));
}

bool ctl_ms(const struct ctl *ctl, const char *name, uint64_t *value)
{
	const char *s = ctl_option(ctl, name);

	return !s || number(ctl, name,
			    "not a time with a unit (such as 500ms or 10s)",
			    gm_parse_ms(s, value));
}

bool ctl_block_size(const struct ctl *ctl, uint64_t *value)
{
	if (!ctl_size(ctl, "block-size", value))
		return false;
	if (!ctl_option(ctl, "block-size") ||
	    (*value >= GM_BLOCK_SIZE_MIN && *value <= GM_BLOCK_SIZE_MAX &&
	     !(*value & (*value - 1))))
		return true;
	ctl_fail(ctl, CTL_USAGE,
		 "--block-size=%s: must be a power of two from 4K to 1M",
		 ctl_option(ctl, "block-size"));
	return false;
}

/* ------------------------------------------------------------------ device */

static bool exists(unsigned int major, unsigned int minor)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major, minor);
	return !access(path, F_OK);
}

int ctl_open(const struct ctl *ctl, struct gm_dev *dev, int flags)
{
	int err = gm_open(dev, flags);

	if (err == -ENOENT || err == -ENXIO || err == -ENODEV)
		return ctl_fail(
			ctl, CTL_NO_DEVICE,
			"%s is not there: load the module (modprobe grid_missing)",
			GRID_MISSING_DEVICE);
	return err ? ctl_open_error(ctl, err, "%s", GRID_MISSING_DEVICE) :
		     CTL_GOOD;
}

int ctl_attach(const struct ctl *ctl, struct gm_dev *dev, int flags)
{
	const char *name = ctl->argv[0];
	unsigned int major, minor;
	int err, resolved;

	err = ctl_open(ctl, dev, flags);
	if (err)
		return err;
	err = gm_attach(dev, name, 0);
	if (!err)
		return CTL_GOOD;
	gm_close(dev);
	if (!strncmp(name, "id:", 3)) {
		if (err == -EINVAL)
			return ctl_fail(ctl, CTL_USAGE,
					"\"%s\" is not a tracker's id", name);
		return ctl_error(ctl, err, "%s", name);
	}
	resolved = gm_resolve(name, &major, &minor);
	if (resolved == -ENODEV ||
	    (err == -ENODEV && !resolved && !exists(major, minor)))
		return ctl_fail(
			ctl, CTL_NO_DEVICE,
			"%s: there is no such device (gridctl list shows those of target grid)",
			name);
	/* Its name, rather than a call on the tracker. */
	if (resolved)
		return ctl_open_error(ctl, resolved, "%s", name);
	if (err == -ENODEV)
		return ctl_fail(ctl, CTL_NO_DEVICE,
				"%s (%u:%u) is not a device of target grid",
				name, major, minor);
	return ctl_error(ctl, err, "%s", name);
}

int ctl_dm_name(const struct ctl *ctl, char *name, size_t size)
{
	unsigned int major, minor;
	int err = gm_resolve(ctl->argv[0], &major, &minor);

	if (err == -ENODEV)
		return ctl_fail(ctl, CTL_NO_DEVICE,
				"%s: there is no such device", ctl->argv[0]);
	if (err)
		return ctl_open_error(ctl, err, "%s", ctl->argv[0]);
	if (gm_dm_name(major, minor, name, size))
		return ctl_fail(ctl, CTL_NO_DEVICE,
				"%s (%u:%u) is not a device-mapper device",
				ctl->argv[0], major, minor);
	return CTL_GOOD;
}

int ctl_target(const char *name, char type[16])
{
	char *target, *params;
	int err = gm_dm_info(name, true, &target, &params);

	if (err)
		return err;
	snprintf(type, 16, "%s", target);
	free(target);
	free(params);
	return 0;
}

int ctl_must_be_grid(const struct ctl *ctl, const char *name)
{
	char type[16];
	int err = ctl_target(name, type);

	if (err)
		return ctl_dm_error(ctl, err, "%s", name);
	if (strcmp(type, "grid"))
		return ctl_fail(ctl, CTL_NO_DEVICE,
				"%s is not a device of target grid", name);
	return CTL_GOOD;
}

int ctl_open_block(unsigned int major, unsigned int minor, int flags)
{
	char path[64], line[128], name[48];
	FILE *f;
	int fd;

	/* Not all systems have a udev that makes /dev/block. */
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", major,
		 minor);
	f = fopen(path, "re");
	snprintf(path, sizeof(path), "/dev/block/%u:%u", major, minor);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "DEVNAME=%47s", name) == 1)
			snprintf(path, sizeof(path), "/dev/%s", name);
	if (f)
		fclose(f);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ctl_open_below(const struct gm_dev *dev, int flags, uint64_t *offset)
{
	uint64_t sector;
	dev_t data;
	int err, fd;

	err = gm_stack_data(makedev(dev->major, dev->minor), &data, &sector);
	if (err)
		return err;
	fd = ctl_open_block(major(data), minor(data), flags);
	*offset = fd < 0 ? 0 : sector * 512;
	return fd;
}

/* ---------------------------------------------------------------- operands */

int ctl_addresses(const struct ctl *ctl, int first, uint64_t **addresses,
		  size_t *count)
{
	uint64_t *v = calloc((size_t)(ctl->argc - first) + 1, sizeof(*v));
	int i, err;

	if (!v)
		return ctl_error(ctl, -ENOMEM, "%d addresses", ctl->argc);
	for (i = first; i < ctl->argc; i++) {
		err = gm_parse_u64(ctl->argv[i], &v[i - first]);
		if (err) {
			free(v);
			return ctl_fail(ctl, CTL_USAGE,
					"\"%s\" is not a block address%s",
					ctl->argv[i],
					err == -ERANGE ? " (too large)" : "");
		}
	}
	*addresses = v;
	*count = (size_t)(ctl->argc - first);
	return CTL_GOOD;
}

static bool looks_like_checksum(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdefABCDEF") == 32;
}

/* "A", "A:SUM" or "A-B" into *@block and *@last. */
static bool parse_block(char *text, struct grid_missing_block *block,
			uint64_t *last)
{
	char *colon = strchr(text, ':'), *dash = strchr(text, '-');
	uint64_t address = 0;
	bool good;

	memset(block, 0, sizeof(*block));
	block->flags = GRID_MISSING_F_NO_CHECKSUM;
	if (colon)
		*colon = 0;
	else if (dash)
		*dash = 0;
	good = !gm_parse_u64(text, &address);
	block->address = address;
	*last = address;
	if (good && colon) {
		block->flags = 0;
		good = !gm_parse_checksum(colon + 1, &block->checksum);
	} else if (good && dash) {
		good = !gm_parse_u64(dash + 1, last) && *last >= address &&
		       *last - address < UINT32_MAX;
	}
	if (colon)
		*colon = ':';
	else if (dash)
		*dash = '-';
	return good;
}

int ctl_blocks(const struct ctl *ctl, const struct gm_dev *dev, int first,
	       uint32_t flags, struct grid_missing_block **blocks,
	       size_t *count)
{
	struct grid_missing_block *v = NULL, *more, block;
	size_t n = 0, room = 0, add;
	uint64_t last;
	int i;

	for (i = first; i < ctl->argc; i++) {
		if (n && i > first && looks_like_checksum(ctl->argv[i]) &&
		    v[n - 1].flags & GRID_MISSING_F_NO_CHECKSUM &&
		    !strchr(ctl->argv[i - 1], '-')) {
			gm_parse_checksum(ctl->argv[i], &v[n - 1].checksum);
			v[n - 1].flags &= ~GRID_MISSING_F_NO_CHECKSUM;
			continue;
		}
		if (!parse_block(ctl->argv[i], &block, &last)) {
			free(v);
			return ctl_fail(
				ctl, CTL_USAGE,
				"\"%s\" is not a block (ADDRESS, ADDRESS:CHECKSUM or FIRST-LAST)",
				ctl->argv[i]);
		}
		/* Before memory is taken for a range that cannot be. */
		if (dev->block_size && last >= dev->blocks) {
			free(v);
			return ctl_fail(
				ctl, CTL_FAILED,
				"%s: block %" PRIu64
				" lies beyond the end of the device (it has %" PRIu64
				" blocks); nothing was changed",
				ctl->argv[0], last, dev->blocks);
		}
		block.flags |= flags;
		/* In 32 bits so many may not be countable. */
		if (last - block.address >= SIZE_MAX / sizeof(*v) - n) {
			free(v);
			return ctl_error(ctl, -ENOMEM, "%s", ctl->argv[i]);
		}
		add = (size_t)(last - block.address) + 1;
		if (n + add > room) {
			room = 2 * room + add;
			more = reallocarray(v, room, sizeof(*v));
			if (!more) {
				free(v);
				return ctl_error(ctl, -ENOMEM, "%zu blocks",
						 room);
			}
			v = more;
		}
		for (; add; add--, block.address++)
			v[n++] = block;
	}
	*blocks = v;
	*count = n;
	return CTL_GOOD;
}

int ctl_check_range(const struct ctl *ctl, const struct gm_dev *dev,
		    const struct grid_missing_block *v, size_t count)
{
	size_t i;

	for (i = 0; dev->block_size && i < count; i++)
		if (v[i].address >= dev->blocks)
			return ctl_fail(
				ctl, CTL_FAILED,
				"%s: block %" PRIu64
				" lies beyond the end of the device (it has %" PRIu64
				" blocks); nothing was changed",
				ctl->argv[0], (uint64_t)v[i].address,
				dev->blocks);
	return CTL_GOOD;
}

int ctl_manifest(const struct ctl *ctl, const struct gm_dev *dev,
		 const char *path, struct grid_missing_block **blocks,
		 size_t *count, char *algorithm, bool *ended)
{
	struct gm_manifest m;

	if (gm_manifest_read(&m, path, blocks, count))
		return ctl_fail(ctl, CTL_FAILED, "%s; nothing was changed",
				m.error);
	if (gm_manifest_fits(&m, ctl->argv[0], dev->block_size,
			     dev->checksum)) {
		free(*blocks);
		*blocks = NULL;
		return ctl_fail(ctl, CTL_FAILED, "%s; nothing was changed",
				m.error);
	}
	if (algorithm)
		strcpy(algorithm, m.checksum);
	if (ended)
		*ended = m.ended;
	return CTL_GOOD;
}

int ctl_all_faults(const struct ctl *ctl, struct gm_dev *dev,
		   struct grid_missing_fault **faults, size_t *count)
{
	struct grid_missing_fault *v = NULL, *more;
	size_t n = 0, room = 0;
	uint64_t cursor = 0;
	int got;

	while (cursor != GM_CURSOR_END) {
		if (room - n < GRID_MISSING_VECTOR_MAX) {
			room = 2 * room + GRID_MISSING_VECTOR_MAX;
			more = realloc(v, room * sizeof(*v));
			if (!more) {
				free(v);
				return ctl_error(ctl, -ENOMEM, "%zu faults",
						 room);
			}
			v = more;
		}
		got = gm_list_faults(dev, &cursor, v + n,
				     GRID_MISSING_VECTOR_MAX);
		if (got == -EINTR)
			continue;
		if (got < 0) {
			free(v);
			return ctl_error(ctl, got, "%s", ctl->argv[0]);
		}
		n += (size_t)got;
	}
	*faults = v;
	*count = n;
	return CTL_GOOD;
}

uint64_t ctl_missing(const struct grid_missing_status *s)
{
	return s->waiting + s->writing + s->aborting + s->lost;
}

/* -------------------------------------------------------------------- JSON */

struct json_object *ctl_object(void)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		abort(); /* no memory for some bytes: nothing to be told */
	ctl_put_u64(o, "schema_version", SCHEMA_VERSION);
	return o;
}

void ctl_put_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

/* Bytes of the character of UTF-8 at @s, or 0: there is none. */
static size_t character(const unsigned char *s)
{
	/* The second byte's range is what keeps out what has a shorter form. */
	unsigned char least = 0x80, most = 0xbf;
	size_t n, i;

	if (*s < 0x80)
		return 1;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	n = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	if (*s == 0xe0)
		least = 0xa0;
	else if (*s == 0xf0)
		least = 0x90;
	else if (*s == 0xed) /* surrogates */
		most = 0x9f;
	else if (*s == 0xf4)
		most = 0x8f;
	if (s[1] < least || s[1] > most)
		return 0;
	for (i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

/* Names are any bytes, JSON is UTF-8: each byte that is none becomes U+FFFD. */
static struct json_object *new_string(const char *value)
{
	static const char instead[] = "\xef\xbf\xbd";
	const unsigned char *s = (const unsigned char *)value;
	struct json_object *o;
	char *text, *to;
	size_t n;

	text = malloc(strlen(value) * strlen(instead) + 1);
	if (!text)
		abort(); /* as ctl_object() */
	for (to = text; *s; s += n ? n : 1) {
		n = character(s);
		to = n ? mempcpy(to, s, n) :
			 mempcpy(to, instead, strlen(instead));
	}
	*to = 0;
	o = json_object_new_string(text);
	free(text);
	return o;
}

void ctl_put_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? new_string(value) : NULL);
}

void ctl_put_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void ctl_put_checksum(struct json_object *o, const char *key,
		      const struct grid_missing_checksum *sum, uint32_t flags)
{
	char text[GM_CHECKSUM_TEXT];

	ctl_put_string(o, key,
		       flags & GRID_MISSING_F_NO_CHECKSUM ?
			       NULL :
			       gm_format_checksum(sum, text));
}

void ctl_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/* A file system that has no way to sync a directory says EINVAL. */
int ctl_rename(const char *from, const char *to)
{
	char *copy = strdup(to);
	int fd = -1, err = 0;

	if (!copy)
		return -ENOMEM;
	if (rename(from, to))
		err = -errno;
	else
		fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!err && (fd < 0 || (fsync(fd) && errno != EINVAL)))
		err = -errno;
	if (fd >= 0)
		close(fd);
	free(copy);
	return err;
}

void ctl_pause(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

double ctl_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
