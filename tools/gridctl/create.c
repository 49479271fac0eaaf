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

int verb_create(struct ctl *ctl)
{
	const char *name = ctl->argv[0], *path = ctl->argv[1];
	uint64_t size = 0, block_size = 0, offset = 0, length = 0, unused = 0;
	char words[1024] = "", params[1280], text[1024], human[32], uuid[128];
	bool explicit_length = ctl_option(ctl, "length");
	unsigned int major = 0, minor = 0, count = 0;
	struct gm_dm_create create = { .name = name };
	struct gmeta_super sb;
	dev_t made = 0;
	struct json_object *o;
	int code, err, log;

	if (!ctl_option(ctl, "block-size") && !ctl_option(ctl, "metadata"))
		return ctl_fail(ctl, CTL_USAGE,
				"--block-size is required (4K to 1M)");
	if (ctl_option(ctl, "metadata")) {
		code = from_metadata(ctl, path, words, sizeof(words), &count,
				     &sb);
		if (code)
			return code;
		block_size = sb.block_size;
		offset = sb.data_start * 512;
		length = sb.blocks * sb.block_size;
		explicit_length = true;
	} else if (ctl_option(ctl, "metadata-start")) {
		return ctl_fail(ctl, CTL_USAGE,
				"--metadata-start is for --metadata");
	}
	if (!ctl_block_size(ctl, &block_size) ||
	    !ctl_size(ctl, "offset", &offset) ||
	    !ctl_size(ctl, "length", &length) ||
	    !one_of(ctl, "on-missing", "park", "error") ||
	    !one_of(ctl, "checkpoint", "flush", "explicit") ||
	    !one_of(ctl, "start", "clean", "held") ||
	    !one_of(ctl, "detect", "on", "off"))
		return CTL_USAGE;
	if (offset % 512)
		return ctl_fail(ctl, CTL_USAGE,
				"--offset=%s: must be a multiple of 512",
				ctl_option(ctl, "offset"));
	if (!*name || strlen(name) > 127 || strchr(name, '/'))
		return ctl_fail(ctl, CTL_USAGE,
				"\"%s\" cannot be the name of a dm device",
				name);

	add_word(ctl, words, sizeof(words), &count, "on-missing", "on_missing");
	add_word(ctl, words, sizeof(words), &count, "checksum", "checksum");
	add_word(ctl, words, sizeof(words), &count, "checkpoint", "checkpoint");
	add_word(ctl, words, sizeof(words), &count, "start", "start");
	add_word(ctl, words, sizeof(words), &count, "detect", "detect");
	if (strpbrk(words + (*words ? 1 : 0), "\t\n\\") ||
	    (ctl_option(ctl, "checksum") &&
	     (strlen(ctl_option(ctl, "checksum")) > 63 ||
	      strchr(ctl_option(ctl, "checksum"), ' '))))
		return ctl_fail(ctl, CTL_USAGE,
				"--checksum: not the name of a hash");
	if (!add_number(ctl, words, sizeof(words), &count, "park-timeout",
			"park_timeout_ms", true) ||
	    !add_number(ctl, words, sizeof(words), &count, "no-helper",
			"no_helper_ms", true) ||
	    !add_number(ctl, words, sizeof(words), &count, "blocks-max",
			"blocks_max", false) ||
	    !add_number(ctl, words, sizeof(words), &count, "tables-max",
			"tables_max", false) ||
	    !add_number(ctl, words, sizeof(words), &count, "table-values-max",
			"table_values_max", false))
		return CTL_USAGE;

	/* What format has looked at, and put there, is not looked at again. */
	code = lower_device(ctl, path, ctl_option(ctl, "metadata") ? 0 : offset,
			    &size, &major, &minor);
	if (!code && !ctl_option(ctl, "metadata"))
		code = check_internal(ctl, path);
	if (code)
		return code;
	if (offset >= size)
		return ctl_fail(ctl, CTL_FAILED,
				"%s: --offset=%" PRIu64
				" lies beyond its end (%" PRIu64 " bytes)",
				path, offset, size);
	if (!explicit_length) {
		length = (size - offset) / block_size * block_size;
		unused = size - offset - length;
	}
	if (length % block_size)
		return ctl_fail(
			ctl, CTL_USAGE,
			"--length=%s is not a multiple of the block size",
			ctl_option(ctl, "length"));
	if (!length || length > size - offset)
		return ctl_fail(ctl, CTL_FAILED,
				"%s: %s: it has %" PRIu64
				" bytes after the offset",
				path,
				explicit_length ? "too small for that length" :
						  "too small for one block",
				size - offset);

	snprintf(params, sizeof(params), "%u:%u %" PRIu64 " %" PRIu64, major,
		 minor, offset / 512, block_size / 512);
	if (count)
		snprintf(params + strlen(params),
			 sizeof(params) - strlen(params), " %u%s", count,
			 words);
	if (ctl_option(ctl, "print-table") && ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "name", name);
		ctl_put_u64(o, "sectors", length / 512);
		ctl_put_string(o, "target", "grid");
		ctl_put_string(o, "params", params);
		ctl_put_u64(o, "unused_bytes", unused);
		ctl_print(o);
		return CTL_GOOD;
	}
	if (ctl_option(ctl, "print-table")) {
		printf("0 %" PRIu64 " grid %s\n", length / 512, params);
		if (unused)
			ctl_note(ctl, UNUSED, name, unused, path);
		return CTL_GOOD;
	}

	/* By the prefix the udev rule knows it. */
	if (ctl_option(ctl, "uuid")) {
		if (snprintf(uuid, sizeof(uuid), "%s%s",
			     strncmp(ctl_option(ctl, "uuid"), "GRID-", 5) ?
				     "GRID-" :
				     "",
			     ctl_option(ctl, "uuid")) >= (int)sizeof(uuid))
			return ctl_fail(ctl, CTL_USAGE,
					"--uuid=%s: it is too long",
					ctl_option(ctl, "uuid"));
		create.uuid = uuid;
	} else if (new_uuid(uuid, sizeof(uuid))) {
		create.uuid = uuid;
	}
	create.sectors = length / 512;
	create.params = params;
	create.read_only = ctl_option(ctl, "read-only");
	log = ctl_log_open();
	err = gm_dm_make(&create, &made);
	ctl_log_close(log, major(made), minor(made), text, sizeof(text));
	if (err == -EEXIST)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: a dm device of this name (or uuid) exists already",
			name);
	if (err && strstr(text, "unknown target type"))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: the module dm-grid is not there: \"modprobe dm-grid\" says why (Secure Boot: its key has to be enrolled), \"gridctl doctor\" what to do",
			name);
	if (err && *text)
		return ctl_fail(ctl, CTL_FAILED, "%s on %s: %s (%s)", name,
				path, text, strerrordesc_np(-err));
	if (err == -EINVAL)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s on %s: refused by device-mapper (is the module dm-grid loaded? dmesg may say more)",
			name, path);
	if (err)
		return ctl_dm_error(ctl, err, "%s on %s", name, path);
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "name", name);
		ctl_put_u64(o, "block_size", block_size);
		ctl_put_u64(o, "blocks", length / block_size);
		ctl_put_u64(o, "unused_bytes", unused);
		ctl_put_bool(o, "volatile", !ctl_option(ctl, "metadata"));
		ctl_print(o);
		return CTL_GOOD;
	}
	printf("%s: %" PRIu64 " blocks of %s on %s\n", name,
	       length / block_size,
	       gm_format_size(block_size, human, sizeof(human)), path);
	if (unused)
		printf(UNUSED "\n", name, unused, path);
	if (ctl_option(ctl, "metadata"))
		return CTL_GOOD;
	ctl_note(
		ctl,
		"without --metadata the set of missing blocks is volatile: a crash, a removal or a module upgrade\n"
		"forgets it, and blocks not repaired by then would read as good again.  After a\n"
		"crash start with --start=held and enqueue what is missing; over a planned stop\n"
		"use \"gridctl save\" and \"gridctl load\".");
	return CTL_GOOD;
}
