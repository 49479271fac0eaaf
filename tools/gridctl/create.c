// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl create: a device, by a table line that is looked at before.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "area.h"
#include "ctl.h"
#include "dm.h"

/*
 * Bytes and number of a block device, that nothing lies on ahead of @begin; CTL_GOOD
 * or an exit code.
 */
static int lower_device(const struct ctl *ctl, const char *path, uint64_t begin,
			uint64_t *size, unsigned int *major,
			unsigned int *minor)
{
	struct stat st;
	int fd, err = 0, code = CTL_GOOD;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ctl_open_error(ctl, errno, "%s", path);
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISBLK(st.st_mode))
		err = -ENOTBLK;
	else if (ioctl(fd, BLKGETSIZE64, size))
		err = -errno;
	else
		code = ctl_check_ahead(ctl, path, fd, begin);
	close(fd);
	if (err)
		return ctl_open_error(ctl, err, "%s", path);
	if (code)
		return code;
	*major = major(st.st_rdev);
	*minor = minor(st.st_rdev);
	return CTL_GOOD;
}

/* Append "key:value" for option @name, if it was given. */
static void add_word(const struct ctl *ctl, char *words, size_t size,
		     unsigned int *count, const char *name, const char *key)
{
	const char *value = ctl_option(ctl, name);
	size_t len = strlen(words);

	if (!value)
		return;
	snprintf(words + len, size - len, " %s:%s", key, value);
	++*count;
}

static bool add_number(const struct ctl *ctl, char *words, size_t size,
		       unsigned int *count, const char *name, const char *key,
		       bool time)
{
	size_t len = strlen(words);
	uint64_t value;

	if (!ctl_option(ctl, name))
		return true;
	if (!(time ? ctl_ms(ctl, name, &value) : ctl_u64(ctl, name, &value)))
		return false;
	/* Only a tracker without tables makes sense of a 0. */
	if (!time &&
	    (value > UINT32_MAX || (!value && strcmp(name, "tables-max")))) {
		ctl_fail(ctl, CTL_USAGE, "--%s=%s: must be from 1 to %u", name,
			 ctl_option(ctl, name), UINT32_MAX);
		return false;
	}
	snprintf(words + len, size - len, " %s:%" PRIu64, key, value);
	++*count;
	return true;
}

static bool one_of(const struct ctl *ctl, const char *name, const char *a,
		   const char *b)
{
	const char *value = ctl_option(ctl, name);

	if (!value || !strcmp(value, a) || !strcmp(value, b))
		return true;
	ctl_fail(ctl, CTL_USAGE, "--%s=%s: must be %s or %s", name, value, a,
		 b);
	return false;
}

/* ------------------------------------------------------------------ create */

static bool new_uuid(char *uuid, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/uuid", "re");
	char text[40] = "";

	if (f && !fgets(text, sizeof(text), f))
		*text = 0;
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = 0;
	snprintf(uuid, size, "GRID-%s", text);
	return *text;
}

/* Does @path look like the data device that @sb was made for? */
static int check_data(const struct ctl *ctl, const struct gmeta_super *sb,
		      const char *path)
{
	struct gmeta_super now = {};
	const char *what;
	int code;

	code = area_identify(ctl, path, &now);
	if (code)
		return code;
	what = area_other(sb, &now);
	if (!what)
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_FAILED,
		"the metadata is not that of %s: its %s is another one, or can't be seen (\"gridctl metadata set --data\" if you are sure that its blocks are the same)",
		path, what);
}

/*
 * What the metadata says of the grid: its line's words go to @words, what was
 * not given to the others.  CTL_GOOD or an exit code.
 */
static int from_metadata(const struct ctl *ctl, const char *path, char *words,
			 size_t size, unsigned int *count,
			 struct gmeta_super *sb)
{
	const char *metadata = ctl_option(ctl, "metadata");
	static const char *const maxima[] = { "blocks-max", "tables-max",
					      "table-values-max" };
	char uuid[AREA_UUID_TEXT];
	struct gmeta_loaded l;
	uint64_t start, block_size = 0;
	struct area a;
	struct stat st;
	int code, err;

	if (!area_start(ctl, &start))
		return CTL_USAGE;
	if (!strcmp(metadata, "internal"))
		metadata = path;
	code = area_open(ctl, &a, metadata, start, false);
	if (code)
		return code;
	err = gmeta_load_super(&a.dev, &l);
	area_close(&a);
	if (err)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: %s: \"gridctl format\" makes metadata, \"gridctl metadata check\" tells more",
			metadata,
			err == -ENODATA ? "holds no grid metadata" : l.why);
	*sb = l.super;
	area_uuid(sb->uuid, uuid);
	if (ctl_option(ctl, "metadata-uuid") &&
	    strcasecmp(ctl_option(ctl, "metadata-uuid"), uuid))
		return ctl_fail(ctl, CTL_FAILED,
				"%s: the metadata there has the uuid %s",
				metadata, uuid);
	if (sb->state == GRID_META_RETIRED)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: retired metadata: writes may have come since that its map knows nothing of; \"gridctl format --force\" makes it anew (\"gridctl metadata set --state=active\" if there were none)",
			metadata);
	if (ctl_option(ctl, "block-size")) {
		if (!ctl_size(ctl, "block-size", &block_size))
			return CTL_USAGE;
		if (block_size != sb->block_size)
			return ctl_fail(
				ctl, CTL_FAILED,
				"%s: the metadata there is of blocks of %u bytes, not %" PRIu64
				": leave --block-size out, or \"gridctl format\" it anew",
				metadata, sb->block_size, block_size);
	}
	code = check_data(ctl, sb, path);
	if (code)
		return code;
	if (stat(metadata, &st) || !S_ISBLK(st.st_mode))
		return ctl_fail(ctl, CTL_FAILED, "%s: not a block device",
				metadata);
	snprintf(words + strlen(words), size - strlen(words),
		 " metadata:%u:%u metadata_start:%" PRIu64 " metadata_uuid:%s",
		 major(st.st_rdev), minor(st.st_rdev), start / 512, uuid);
	*count += 3;
	if (!ctl_option(ctl, "checksum") && strcmp(sb->hash, "none")) {
		snprintf(words + strlen(words), size - strlen(words),
			 " checksum:%s", sb->hash);
		++*count;
	}
	for (size_t i = 0; i < 3; i++) {
		const uint32_t most[] = { sb->blocks_max, sb->tables_max,
					  sb->table_values_max };
		static const char *const keys[] = { "blocks_max", "tables_max",
						    "table_values_max" };

		if (ctl_option(ctl, maxima[i]))
			continue;
		snprintf(words + strlen(words), size - strlen(words), " %s:%u",
			 keys[i], most[i]);
		++*count;
	}
	return CTL_GOOD;
}

/*
 * Without --metadata: the data must not lie where a map is kept, and a map that
 * is in use knows nothing of what is written without it.
 */
static int check_internal(const struct ctl *ctl, const char *path)
{
	struct gmeta_loaded l;
	struct area a;
	int code, err;

	code = area_open(ctl, &a, path, 0, false);
	if (code)
		return code;
	err = gmeta_load_super(&a.dev, &l);
	area_close(&a);
	if (err || l.super.state != GRID_META_ACTIVE)
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_FAILED,
		"%s holds grid metadata: --metadata=internal uses it; \"gridctl metadata set --state=retired\" gives its map up",
		path);
}

#define UNUSED \
	"%s: the last %" PRIu64 " bytes of %s are no whole block, and unused"

/**
 * struct plan - the device that is to be
 * @path: the disk below, which is @major:@minor
 * @words: of its table line, each behind a blank; @count of them
 * @offset: where it begins on the disk, in bytes
 * @length: likewise; 0: as long as there is room
 * @unused: bytes of the disk's end that are no block
 */
struct plan {
	const char *name, *path;
	char words[1024];
	unsigned int count, major, minor;
	uint64_t block_size, offset, length, unused;
};

/* Sizes and places, of the options and of the metadata. */
static int plan_place(const struct ctl *ctl, struct plan *p)
{
	struct gmeta_super sb;
	int code;

	if (!ctl_option(ctl, "block-size") && !ctl_option(ctl, "metadata"))
		return ctl_fail(ctl, CTL_USAGE,
				"--block-size is required (4K to 1M)");
	if (ctl_option(ctl, "metadata")) {
		code = from_metadata(ctl, p->path, p->words, sizeof(p->words),
				     &p->count, &sb);
		if (code)
			return code;
		p->block_size = sb.block_size;
		p->offset = sb.data_start * 512;
		p->length = sb.blocks * sb.block_size;
	} else if (ctl_option(ctl, "metadata-start")) {
		return ctl_fail(ctl, CTL_USAGE,
				"--metadata-start is for --metadata");
	}
	if (!ctl_block_size(ctl, &p->block_size) ||
	    !ctl_size(ctl, "offset", &p->offset) ||
	    !ctl_size(ctl, "length", &p->length))
		return CTL_USAGE;
	if (p->offset % 512)
		return ctl_fail(ctl, CTL_USAGE,
				"--offset=%s: must be a multiple of 512",
				ctl_option(ctl, "offset"));
	return CTL_GOOD;
}

/* The other words of the table line. */
static int plan_words(const struct ctl *ctl, struct plan *p)
{
	const char *checksum = ctl_option(ctl, "checksum");
	static const char *const words[][2] = {
		{ "on-missing", "on_missing" }, { "checksum", "checksum" },
		{ "checkpoint", "checkpoint" }, { "start", "start" },
		{ "detect", "detect" },
	};
	static const struct {
		const char *name, *key;
		bool time;
	} numbers[] = {
		{ "park-timeout", "park_timeout_ms", true },
		{ "no-helper", "no_helper_ms", true },
		{ "blocks-max", "blocks_max", false },
		{ "tables-max", "tables_max", false },
		{ "table-values-max", "table_values_max", false },
	};
	size_t i;

	if (!one_of(ctl, "on-missing", "park", "error") ||
	    !one_of(ctl, "checkpoint", "flush", "explicit") ||
	    !one_of(ctl, "start", "clean", "held") ||
	    !one_of(ctl, "detect", "on", "off"))
		return CTL_USAGE;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		add_word(ctl, p->words, sizeof(p->words), &p->count,
			 words[i][0], words[i][1]);
	if (strpbrk(p->words + (*p->words ? 1 : 0), "\t\n\\") ||
	    (checksum && (strlen(checksum) > 63 || strchr(checksum, ' '))))
		return ctl_fail(ctl, CTL_USAGE,
				"--checksum: not the name of a hash");
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!add_number(ctl, p->words, sizeof(p->words), &p->count,
				numbers[i].name, numbers[i].key,
				numbers[i].time))
			return CTL_USAGE;
	return CTL_GOOD;
}

/* Is the disk one that it may lie on, and has it room? */
static int plan_disk(const struct ctl *ctl, struct plan *p)
{
	bool given = p->length || ctl_option(ctl, "length");
	uint64_t size = 0;
	int code;

	/* What format has looked at, and put there, is not looked at again. */
	code = lower_device(ctl, p->path,
			    ctl_option(ctl, "metadata") ? 0 : p->offset, &size,
			    &p->major, &p->minor);
	if (!code && !ctl_option(ctl, "metadata"))
		code = check_internal(ctl, p->path);
	if (code)
		return code;
	if (p->offset >= size)
		return ctl_fail(ctl, CTL_FAILED,
				"%s: --offset=%" PRIu64
				" lies beyond its end (%" PRIu64 " bytes)",
				p->path, p->offset, size);
	if (!given) {
		p->length = (size - p->offset) / p->block_size * p->block_size;
		p->unused = size - p->offset - p->length;
	}
	if (p->length % p->block_size)
		return ctl_fail(
			ctl, CTL_USAGE,
			"--length=%s is not a multiple of the block size",
			ctl_option(ctl, "length"));
	if (!p->length || p->length > size - p->offset)
		return ctl_fail(ctl, CTL_FAILED,
				"%s: %s: it has %" PRIu64
				" bytes after the offset",
				p->path,
				given ? "too small for that length" :
					"too small for one block",
				size - p->offset);
	return CTL_GOOD;
}

static void print_table(const struct ctl *ctl, const struct plan *p,
			const char *params)
{
	struct json_object *o;

	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "name", p->name);
		ctl_put_u64(o, "sectors", p->length / 512);
		ctl_put_string(o, "target", "grid");
		ctl_put_string(o, "params", params);
		ctl_put_u64(o, "unused_bytes", p->unused);
		ctl_print(o);
		return;
	}
	printf("0 %" PRIu64 " grid %s\n", p->length / 512, params);
	if (p->unused)
		ctl_note(ctl, UNUSED, p->name, p->unused, p->path);
}

/* Why device-mapper made none; @text: what the kernel said. */
static int create_error(const struct ctl *ctl, const struct plan *p, int err,
			const char *text)
{
	if (err == -EEXIST)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: a dm device of this name (or uuid) exists already",
			p->name);
	if (strstr(text, "unknown target type"))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: the module dm-grid is not there: \"modprobe dm-grid\" says why (Secure Boot: its key has to be enrolled), \"gridctl doctor\" what to do",
			p->name);
	if (*text)
		return ctl_fail(ctl, CTL_FAILED, "%s on %s: %s (%s)", p->name,
				p->path, text, strerrordesc_np(-err));
	if (err == -EINVAL)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s on %s: refused by device-mapper (is the module dm-grid loaded? dmesg may say more)",
			p->name, p->path);
	return ctl_dm_error(ctl, err, "%s on %s", p->name, p->path);
}

static void print_created(const struct ctl *ctl, const struct plan *p)
{
	struct json_object *o;
	char human[32];

	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "name", p->name);
		ctl_put_u64(o, "block_size", p->block_size);
		ctl_put_u64(o, "blocks", p->length / p->block_size);
		ctl_put_u64(o, "unused_bytes", p->unused);
		ctl_put_bool(o, "volatile", !ctl_option(ctl, "metadata"));
		ctl_print(o);
		return;
	}
	printf("%s: %" PRIu64 " blocks of %s on %s\n", p->name,
	       p->length / p->block_size,
	       gm_format_size(p->block_size, human, sizeof(human)), p->path);
	if (p->unused)
		printf(UNUSED "\n", p->name, p->unused, p->path);
	if (ctl_option(ctl, "metadata"))
		return;
	ctl_note(
		ctl,
		"without --metadata the set of missing blocks is volatile: a crash, a removal or a module upgrade\n"
		"forgets it, and blocks not repaired by then would read as good again.  After a\n"
		"crash start with --start=held and enqueue what is missing; over a planned stop\n"
		"use \"gridctl save\" and \"gridctl load\".");
}

/* By the prefix the udev rule knows it; NULL in *@uuid: there is no random one. */
static int choose_uuid(const struct ctl *ctl, char *text, size_t size,
		       const char **uuid)
{
	const char *given = ctl_option(ctl, "uuid");

	*uuid = text;
	if (!given) {
		if (!new_uuid(text, size))
			*uuid = NULL;
		return CTL_GOOD;
	}
	if (snprintf(text, size, "%s%s",
		     strncmp(given, "GRID-", 5) ? "GRID-" : "",
		     given) >= (int)size)
		return ctl_fail(ctl, CTL_USAGE, "--uuid=%s: it is too long",
				given);
	return CTL_GOOD;
}

int verb_create(struct ctl *ctl)
{
	struct plan p = { .name = ctl->argv[0], .path = ctl->argv[1] };
	struct gm_dm_create create = { .name = p.name };
	char params[1280], text[1024], uuid[128];
	dev_t made = 0;
	int code, err, log;

	code = plan_place(ctl, &p);
	if (code)
		return code;
	if (!*p.name || strlen(p.name) > 127 || strchr(p.name, '/'))
		return ctl_fail(ctl, CTL_USAGE,
				"\"%s\" cannot be the name of a dm device",
				p.name);
	code = plan_words(ctl, &p);
	if (!code)
		code = plan_disk(ctl, &p);
	if (code)
		return code;
	snprintf(params, sizeof(params), "%u:%u %" PRIu64 " %" PRIu64, p.major,
		 p.minor, p.offset / 512, p.block_size / 512);
	if (p.count)
		snprintf(params + strlen(params),
			 sizeof(params) - strlen(params), " %u%s", p.count,
			 p.words);
	if (ctl_option(ctl, "print-table")) {
		print_table(ctl, &p, params);
		return CTL_GOOD;
	}
	code = choose_uuid(ctl, uuid, sizeof(uuid), &create.uuid);
	if (code)
		return code;
	create.sectors = p.length / 512;
	create.params = params;
	create.read_only = ctl_option(ctl, "read-only");
	log = ctl_log_open();
	err = gm_dm_make(&create, &made);
	ctl_log_close(log, major(made), minor(made), text, sizeof(text));
	if (err)
		return create_error(ctl, &p, err, text);
	print_created(ctl, &p);
	return CTL_GOOD;
}
