// SPDX-License-Identifier: GPL-2.0
/*
 * A metadata area on a device or in a file, offline: open, read, write.
 *
 * What is written is durable in the order that metadata.rst asks for: the
 * pieces of a snapshot, then one superblock, then the other.
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "area.h"
#include "proc.h"

static int area_read(void *priv, uint64_t from, void *buf, uint32_t bytes)
{
	const struct area *a = priv;
	ssize_t n;

	while (bytes) {
		n = pread(a->fd, buf, bytes, (off_t)(a->start + from));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		buf = (char *)buf + n;
		from += (uint64_t)n;
		bytes -= (uint32_t)n;
	}
	return 0;
}

bool area_start(const struct ctl *ctl, uint64_t *start)
{
	uint64_t sectors = 0;

	*start = 0;
	if (!ctl_u64(ctl, "metadata-start", &sectors))
		return false;
	/* As format makes it, and what a file offset can be. */
	if (sectors % 8 || sectors > INT64_MAX / 512) {
		ctl_fail(ctl, CTL_USAGE, "--metadata-start=%s: %s",
			 ctl_option(ctl, "metadata-start"),
			 sectors % 8 ? "must be a multiple of 8" : "too large");
		return false;
	}
	*start = sectors * 512;
	return true;
}

int area_open(const struct ctl *ctl, struct area *a, const char *path,
	      uint64_t start, bool write)
{
	int flags = (write ? O_RDWR : O_RDONLY) | O_CLOEXEC, err;
	uint64_t bytes = 0;
	struct stat st;

	memset(a, 0, sizeof(*a));
	a->path = path;
	a->start = start;
	a->physical = 4096;
	if (!stat(path, &st) && S_ISBLK(st.st_mode) && write)
		flags |= O_EXCL;
	a->fd = open(path, flags);
	if (a->fd < 0) {
		err = errno;
		if (err == EBUSY)
			return ctl_fail(
				ctl, CTL_FAILED,
				"%s is in use: unmount it, or remove the device that is on it, first",
				path);
		if (err == EROFS || err == EACCES || err == EPERM)
			return ctl_fail(
				ctl, CTL_FAILED,
				write ? "%s can't be written: it is read-only, or yours is not the right (%s)" :
					"%s can't be read: yours is not the right (%s)",
				path, strerrordesc_np(err));
		return ctl_fail(ctl, err == ENOENT ? CTL_NO_DEVICE : CTL_FAILED,
				"%s: %s", path, strerrordesc_np(err));
	}
	if (fstat(a->fd, &st))
		st.st_mode = 0;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(a->fd, BLKGETSIZE64, &bytes) ||
		    ioctl(a->fd, BLKPBSZGET, &a->physical))
			bytes = 0;
		/* The kernel's own writes go past the page cache. */
		posix_fadvise(a->fd, 0, 0, POSIX_FADV_DONTNEED);
	} else if (S_ISREG(st.st_mode)) {
		bytes = (uint64_t)st.st_size;
	} else {
		close(a->fd);
		return ctl_fail(ctl, CTL_FAILED,
				"%s is neither a block device nor a file",
				path);
	}
	a->bytes = bytes > start ? bytes - start : 0;
	a->dev.read = area_read;
	a->dev.priv = a;
	a->dev.bytes = a->bytes;
	return CTL_GOOD;
}

void area_close(struct area *a)
{
	close(a->fd);
}

int area_write(struct area *a, uint64_t from, const void *buf, size_t bytes)
{
	ssize_t n;

	while (bytes) {
		n = pwrite(a->fd, buf, bytes, (off_t)(a->start + from));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		buf = (const char *)buf + n;
		from += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

int area_write_super(struct area *a, struct gmeta_super *sb)
{
	static const uint64_t places[2] = { 0, GRID_META_SUPER_SECOND };
	uint8_t block[GRID_META_SUPER_SIZE];
	int i, err;

	sb->sequence++;
	gmeta_super_encode(sb, block);
	for (i = 0; i < 2; i++) {
		err = area_write(a, places[i], block, sizeof(block));
		if (!err && fsync(a->fd))
			err = -errno;
		if (err)
			return err;
	}
	return 0;
}

/* The pieces of a snapshot that is being written. */
struct snapshot {
	struct area *area;
	struct gmeta_super *sb;
	struct gmeta_writer w;
	uint8_t *buf;
	uint64_t place;
};

static int flush_piece(struct snapshot *s)
{
	struct gmeta_head head = { .piece = true };
	uint32_t bytes;
	int err;

	if (!s->w.count)
		return 0;
	head.number = s->sb->snapshot;
	head.previous = s->sb->snapshot_pieces;
	head.place = s->place;
	bytes = gmeta_end(&s->w, s->sb, &head);
	if (s->place + bytes / s->sb->unit_size >
	    s->sb->snapshot_place[s->sb->snapshot_which] +
		    s->sb->snapshot_units)
		return -ENOSPC;
	err = area_write(s->area, s->place * s->sb->unit_size, s->buf, bytes);
	s->sb->snapshot_pieces++;
	s->sb->snapshot_entries += head.count;
	s->place += bytes / s->sb->unit_size;
	gmeta_begin(&s->w, s->buf, GRID_META_PIECE_MAX);
	return err;
}

static int put(struct snapshot *s, const struct gmeta_entry *e)
{
	int err;

	if (!gmeta_add(&s->w, e))
		return 0;
	err = flush_piece(s);
	return err ? err : gmeta_add(&s->w, e);
}

int area_write_map(struct area *a, struct gmeta_super *sb,
		   const struct gmeta_map *map, uint64_t highest)
{
	struct snapshot s = { .area = a, .sb = sb };
	uint64_t i;
	int err = 0;

	s.buf = malloc(GRID_META_PIECE_MAX);
	if (!s.buf)
		return -ENOMEM;
	gmeta_begin(&s.w, s.buf, GRID_META_PIECE_MAX);
	sb->snapshot++;
	sb->snapshot_which ^= 1;
	sb->snapshot_pieces = 0;
	sb->snapshot_entries = 0;
	s.place = sb->snapshot_place[sb->snapshot_which];
	for (i = 0; !err && i < map->tables_max; i++) {
		const struct gmeta_table *t = &map->tables[i];
		struct gmeta_entry e = { .kind = t->lost ? GRID_META_PARTIAL :
							   t->kind,
					 .has_sum = t->has_sum,
					 .address = t->address,
					 .table = (uint32_t)i,
					 .value = t->values };

		memcpy(e.sum, t->sum, sizeof(e.sum));
		if (t->kind)
			err = put(&s, &e);
	}
	for (i = 0; !err && i < map->cells; i++) {
		const struct gmeta_fault *f = &map->faults[i];
		struct gmeta_entry e = { .kind = f->kind,
					 .has_sum = f->has_sum,
					 .address = f->address,
					 .table = f->table,
					 .value = f->value };

		memcpy(e.sum, f->sum, sizeof(e.sum));
		if (f->kind)
			err = put(&s, &e);
	}
	if (!err)
		err = flush_piece(&s);
	free(s.buf);
	if (!err && fsync(a->fd))
		err = -errno;
	if (err)
		return err;
	if (sb->floor < highest)
		sb->floor = highest;
	sb->floor += GRID_META_SESSION;
	sb->begin_previous = sb->floor;
	sb->reach = sb->floor;
	sb->snapshot_end = sb->floor;
	sb->begin_unit = 0;
	return area_write_super(a, sb);
}

/* The first line of a file, each character that is none of a word a '_'. */
static void read_word(const char *path, char *word, size_t size)
{
	size_t i;

	memset(word, 0, size);
	if (!gm_first_line(path, word, size))
		*word = 0;
	i = strlen(word);
	memset(word + i, 0, size - i);
	while (i--)
		if (word[i] <= ' ' || word[i] > '~')
			word[i] = '_';
}

/* As udev has it, but read from the disk: udev may not be there, or not yet done. */
static void read_partuuid(int fd, char *partuuid, size_t size)
{
	blkid_probe probe = blkid_new_probe();
	const char *value;
	size_t len;

	memset(partuuid, 0, size);
	if (!probe || blkid_probe_set_device(probe, fd, 0, 0))
		goto out;
	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
	blkid_do_safeprobe(probe);
	if (!blkid_probe_lookup_value(probe, "PART_ENTRY_UUID", &value, &len) &&
	    len <= size)
		memcpy(partuuid, value, len);
out:
	blkid_free_probe(probe);
}

int area_identify(const struct ctl *ctl, const char *path,
		  struct gmeta_super *sb)
{
	/* A virtio disk has but a serial number, a logical volume but a uuid. */
	static const char *const names[] = {
		"wwid",	  "device/wwid",   "../wwid",	"../device/wwid",
		"serial", "device/serial", "../serial", "dm/uuid",
	};
	char file[128];
	struct stat st;
	struct area a;
	size_t i;
	int code;

	code = area_open(ctl, &a, path, 0, false);
	if (code)
		return code;
	sb->data_sectors = a.bytes / 512;
	memset(sb->wwid, 0, sizeof(sb->wwid));
	memset(sb->partuuid, 0, sizeof(sb->partuuid));
	if (!fstat(a.fd, &st) && S_ISBLK(st.st_mode)) {
		for (i = 0; !*sb->wwid && i < sizeof(names) / sizeof(*names);
		     i++) {
			snprintf(file, sizeof(file), "/sys/dev/block/%u:%u/%s",
				 major(st.st_rdev), minor(st.st_rdev),
				 names[i]);
			read_word(file, sb->wwid, sizeof(sb->wwid));
		}
		read_partuuid(a.fd, sb->partuuid, sizeof(sb->partuuid));
	}
	area_close(&a);
	return CTL_GOOD;
}

const char *area_other(const struct gmeta_super *sb,
		       const struct gmeta_super *now)
{
	bool same_wwid = *sb->wwid && !strcmp(sb->wwid, now->wwid);
	bool same_part = *sb->partuuid && !strcmp(sb->partuuid, now->partuuid);

	if (now->data_sectors <
	    sb->data_start + sb->blocks * (sb->block_size / 512))
		return "size";
	if (*sb->wwid && *now->wwid && !same_wwid)
		return "WWID";
	if (*sb->partuuid && *now->partuuid && !same_part)
		return "PARTUUID";
	/* Metadata on the disk itself can't meet another one. */
	if (sb->flags & GRID_META_INTERNAL)
		return NULL;
	/* A partition has the WWID of its disk, which has no PARTUUID. */
	if (same_wwid && strcmp(sb->partuuid, now->partuuid))
		return "PARTUUID";
	if (same_wwid || same_part)
		return NULL;
	if (*sb->wwid)
		return "WWID";
	if (*sb->partuuid)
		return "PARTUUID";
	return now->data_sectors == sb->data_sectors ? NULL : "size";
}

char *area_uuid(const uint8_t uuid[16], char text[AREA_UUID_TEXT])
{
	char *p = text;
	int i;

	for (i = 0; i < 16; i++)
		p += sprintf(p, "%02x%s", uuid[i],
			     i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
	return text;
}
