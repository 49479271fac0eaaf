// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl format: metadata for a data device, on a device of its own or at the
 * head of the data device itself (SPEC M1, M6, M7).
 *
 * What could be somebody's is not overwritten without --force: a device in use
 * never, one that libblkid knows something of, or that has metadata already, only
 * then.  Nothing is written before everything has been checked.
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "area.h"

#define LOG_BYTES_MIN (8U << 20)
#define MAX_DEFAULT 65536U
#define TABLES_DEFAULT 8U
#define VALUES_DEFAULT 16384U

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static bool limit(const struct ctl *ctl, const char *name, uint32_t least,
		  uint32_t *value)
{
	uint64_t n = *value;

	if (!ctl_u64(ctl, name, &n))
		return false;
	if (n < least || n > UINT32_MAX) {
		ctl_fail(ctl, CTL_USAGE, "--%s=%s: must be from %u to %u", name,
			 ctl_option(ctl, name), least, UINT32_MAX);
		return false;
	}
	*value = (uint32_t)n;
	return true;
}

/* Is something there that somebody may want to keep? */
static int check_blank(const struct ctl *ctl, const struct area *a)
{
	char uuid[AREA_UUID_TEXT];
	const char *type = NULL;
	struct gmeta_loaded l;
	blkid_probe probe;
	int code = CTL_GOOD, err;

	if (ctl_option(ctl, "force"))
		return CTL_GOOD;
	err = gmeta_load_super(&a->dev, &l);
	if (!err || err == -EOPNOTSUPP || err == -ENOSPC)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s holds grid metadata already (uuid %s): \"gridctl metadata check\" tells what; --force overwrites it",
			a->path, area_uuid(l.super.uuid, uuid));
	if (err == -EUCLEAN)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s holds damaged grid metadata: \"gridctl metadata check\" tells more; --force overwrites it",
			a->path);
	probe = ctl_probe(ctl, a->path, a->fd, a->start);
	if (!probe)
		return CTL_FAILED;
	err = blkid_do_safeprobe(probe);
	if (err != 1) {
		if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) &&
		    blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL))
			type = err ? "several things" : "something";
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s holds %s: choose another device, or --force to overwrite it",
			a->path, type);
	}
	blkid_free_probe(probe);
	return code;
}

/* Nor is anything on the data device ahead of the grid? */
static int check_data(const struct ctl *ctl, uint64_t offset)
{
	int fd, code;

	if (!offset)
		return CTL_GOOD;
	fd = open(ctl->argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ctl_open_error(ctl, errno, "%s", ctl->argv[0]);
	code = ctl_check_ahead(ctl, ctl->argv[0], fd, offset);
	close(fd);
	return code;
}

/* Sizes and places that the limits want; the area's bytes, or 0. */
static uint64_t lay_out(struct gmeta_super *sb, unsigned int physical)
{
	uint64_t snapshot, commit, log;

	sb->unit_size = physical > GRID_META_UNIT_MIN ? physical :
							GRID_META_UNIT_MIN;
	if (sb->unit_size > GRID_META_UNIT_MAX)
		return 0;
	snapshot = gmeta_snapshot_bytes(sb);
	/* A whole table has room beside what others need, or it may wait for long. */
	commit = gmeta_commit_bytes(sb->table_values_max + GRID_META_MARGIN);
	if (snapshot == UINT64_MAX || commit > GRID_META_COMMIT_LIMIT)
		return 0;
	log = 4 * commit;
	if (log < LOG_BYTES_MIN)
		log = LOG_BYTES_MIN;
	if (log < snapshot)
		log = snapshot;
	sb->commit_max = (uint32_t)commit;
	sb->snapshot_units = snapshot / sb->unit_size;
	sb->snapshot_place[0] = GRID_META_HEAD / sb->unit_size;
	sb->snapshot_place[1] = sb->snapshot_place[0] + sb->snapshot_units;
	sb->log_place = sb->snapshot_place[1] + sb->snapshot_units;
	sb->log_units = log / sb->unit_size;
	sb->area_units = sb->log_place + sb->log_units;
	return sb->area_units * sb->unit_size;
}

/* Options into @sb; @offset and @length stay bytes. */
static int parse(const struct ctl *ctl, struct gmeta_super *sb,
		 uint64_t *offset, uint64_t *length)
{
	const char *hash = ctl_option(ctl, "checksum");
	uint64_t block_size = 0;

	if (!ctl_option(ctl, "block-size"))
		return ctl_fail(ctl, CTL_USAGE,
				"--block-size is required (4K to 1M)");
	if (!ctl_block_size(ctl, &block_size) ||
	    !ctl_size(ctl, "offset", offset) ||
	    !ctl_size(ctl, "length", length))
		return CTL_USAGE;
	if (*offset % 512)
		return ctl_fail(ctl, CTL_USAGE,
				"--offset=%s: must be a multiple of 512",
				ctl_option(ctl, "offset"));
	if (*length % block_size)
		return ctl_fail(
			ctl, CTL_USAGE,
			"--length=%s is not a multiple of the block size",
			ctl_option(ctl, "length"));
	if (!hash)
		hash = "none";
	if (!*hash || strlen(hash) > 63 || strpbrk(hash, " \t\n\\"))
		return ctl_fail(ctl, CTL_USAGE,
				"--checksum: not the name of a hash");
	sb->block_size = (uint32_t)block_size;
	strcpy(sb->hash, hash);
	sb->blocks_max = MAX_DEFAULT;
	sb->tables_max = TABLES_DEFAULT;
	sb->table_values_max = VALUES_DEFAULT;
	if (!limit(ctl, "blocks-max", 1, &sb->blocks_max) ||
	    !limit(ctl, "tables-max", 0, &sb->tables_max) ||
	    !limit(ctl, "table-values-max", 1, &sb->table_values_max))
		return CTL_USAGE;
	return CTL_GOOD;
}

/* Where the data lies on its device, and what the metadata takes. */
static int place(const struct ctl *ctl, struct gmeta_super *sb,
		 const struct area *a, bool internal, uint64_t offset,
		 uint64_t length)
{
	uint64_t disk = sb->data_sectors * 512, begin, end, bytes;
	char need[32], have[32];

	/* Of no more blocks than there can be; a few less don't matter. */
	sb->blocks = disk / sb->block_size;
	bytes = sb->blocks ? lay_out(sb, a->physical) : 0;
	if (sb->blocks && !bytes)
		return ctl_fail(
			ctl, CTL_FAILED,
			"blocks_max %u, tables_max %u, table_values_max %u: more than any metadata can hold",
			sb->blocks_max, sb->tables_max, sb->table_values_max);
	begin = internal ? round_up(bytes, 1U << 20) : offset;
	end = internal && disk > GRID_META_TAIL ? disk - GRID_META_TAIL : disk;
	if (!sb->blocks || begin >= end || end - begin < sb->block_size ||
	    (length && length > end - begin))
		return ctl_fail(
			ctl, CTL_FAILED, "%s has %s, too little for %s%s",
			ctl->argv[0], gm_format_size(disk, have, sizeof(have)),
			internal ?
				"the metadata (with --blocks-max and --tables-max it gets smaller) and " :
				"",
			length ? "that length" : "one block");
	sb->data_start = begin / 512;
	sb->blocks = (length ? length : end - begin) / sb->block_size;
	if (bytes > a->bytes)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s has %s, and the metadata needs %s: a larger device, or smaller --blocks-max, --tables-max, --table-values-max",
			a->path, gm_format_size(a->bytes, have, sizeof(have)),
			gm_format_size(bytes, need, sizeof(need)));
	return CTL_GOOD;
}

/*
 * What lay here may have signatures where no zeroes have been written: those in the
 * area go.  What lies behind it on the same device isn't ours to wipe, be it another
 * grid's metadata that looks like it, or this grid's data.
 */
static int wipe(const struct ctl *ctl, const struct area *a,
		const struct gmeta_super *sb)
{
	blkid_probe probe = ctl_probe(ctl, a->path, a->fd, a->start);
	int found, err = probe ? 0 : -ENOMEM;
	const char *name;
	uint64_t at;

	while (!err && (found = ctl_next_signature(probe, &name, &at))) {
		if (found < 0) {
			/* Of bad sectors a disk may have some. */
			ctl_note(
				ctl,
				"%s can't be read everywhere: it may still have a signature of something else",
				a->path);
			break;
		}
		if (at < sb->area_units * sb->unit_size)
			err = blkid_do_wipe(probe, 0) ? -EIO : 0;
		else if (!(sb->flags & GRID_META_INTERNAL))
			ctl_note(
				ctl,
				"%s still has a signature of %s at byte %" PRIu64
				", behind the metadata: wipefs(8) removes it, if it is nobody's",
				a->path, name, a->start + at);
	}
	blkid_free_probe(probe);
	return err;
}

/*
 * Nothing but zeroes, where anybody looks for signatures; then it.  On one disk that
 * is its last 1 MiB, too, which is nobody's (M7): a backup GPT, an md superblock.
 */
static int write_area(const struct ctl *ctl, struct area *a,
		      struct gmeta_super *sb)
{
	static const uint8_t zeroes[GRID_META_HEAD];
	int err = area_write(a, 0, zeroes, sizeof(zeroes));

	_Static_assert(GRID_META_TAIL == GRID_META_HEAD, "zeroes for both");
	if (!err && sb->flags & GRID_META_INTERNAL)
		err = area_write(a, a->bytes - GRID_META_TAIL, zeroes,
				 GRID_META_TAIL);
	if (!err)
		err = wipe(ctl, a, sb);
	if (!err && fsync(a->fd))
		err = -errno;
	return err ? err : area_write_super(a, sb);
}

static void print(const struct ctl *ctl, const struct gmeta_super *sb,
		  const struct area *a)
{
	char uuid[AREA_UUID_TEXT], size[32], block[32];
	struct json_object *o;

	area_uuid(sb->uuid, uuid);
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "uuid", uuid);
		ctl_put_string(o, "metadata", a->path);
		ctl_put_u64(o, "metadata_bytes",
			    sb->area_units * sb->unit_size);
		ctl_put_bool(o, "internal", sb->flags & GRID_META_INTERNAL);
		ctl_put_u64(o, "block_size", sb->block_size);
		ctl_put_u64(o, "blocks", sb->blocks);
		ctl_put_u64(o, "data_start", sb->data_start * 512);
		ctl_print(o);
		return;
	}
	printf("%s: metadata %s, %s\n", a->path, uuid,
	       gm_format_size(sb->area_units * sb->unit_size, size,
			      sizeof(size)));
	printf("%s: %" PRIu64 " blocks of %s, from byte %" PRIu64 " on\n",
	       ctl->argv[0], sb->blocks,
	       gm_format_size(sb->block_size, block, sizeof(block)),
	       sb->data_start * 512);
}

int verb_format(struct ctl *ctl)
{
	const char *metadata = ctl_option(ctl, "metadata");
	struct gmeta_super sb = { .version = GRID_META_VERSION,
				  .state = GRID_META_ACTIVE,
				  .floor = GRID_META_SESSION,
				  .begin_previous = GRID_META_SESSION,
				  .reach = GRID_META_SESSION,
				  .snapshot_end = GRID_META_SESSION };
	uint64_t offset = 0, length = 0, start;
	bool internal = !metadata || !strcmp(metadata, "internal");
	struct stat data, meta;
	char why[GMETA_WHY];
	struct area a;
	int code, err;

	code = parse(ctl, &sb, &offset, &length);
	if (code)
		return code;
	if (!area_start(ctl, &start))
		return CTL_USAGE;
	if (internal && (offset || start))
		return ctl_fail(
			ctl, CTL_USAGE,
			"--offset and --metadata-start are for --metadata=DEVICE; on one disk their places are computed");
	if (internal)
		metadata = ctl->argv[0];
	else if (!stat(ctl->argv[0], &data) && !stat(metadata, &meta) &&
		 (S_ISBLK(meta.st_mode) ? S_ISBLK(data.st_mode) &&
						  data.st_rdev == meta.st_rdev :
					  data.st_ino == meta.st_ino &&
						  data.st_dev == meta.st_dev))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s is also the data device: without --metadata its head is taken, and the data begins after that",
			metadata);
	code = area_identify(ctl, ctl->argv[0], &sb);
	if (!code)
		code = area_open(ctl, &a, metadata, start, true);
	if (code)
		return code;
	sb.flags = internal ? GRID_META_INTERNAL : 0;
	sb.created = (uint64_t)time(NULL);
	code = place(ctl, &sb, &a, internal, offset, length);
	if (!code)
		code = check_data(ctl, offset);
	if (!code)
		code = check_blank(ctl, &a);
	if (code)
		goto out;
	if (getrandom(sb.uuid, sizeof(sb.uuid), 0) != sizeof(sb.uuid)) {
		code = ctl_fail(ctl, CTL_FAILED, "no random numbers");
		goto out;
	}
	sb.uuid[6] = (sb.uuid[6] & 0x0f) | 0x40;
	sb.uuid[8] = (sb.uuid[8] & 0x3f) | 0x80;
	if (gmeta_super_check(&sb, why)) {
		code = ctl_fail(ctl, CTL_FAILED, "%s: %s", metadata, why);
		goto out;
	}
	err = write_area(ctl, &a, &sb);
	if (err)
		code = ctl_fail(ctl, CTL_FAILED, "%s: %s", metadata,
				strerrordesc_np(-err));
	else
		print(ctl, &sb, &a);
out:
	area_close(&a);
	return code;
}
