// SPDX-License-Identifier: GPL-2.0
/*
 * The log of one dm-log-writes disk, played back write by write.
 *
 * It orders writes as the flushes made them durable, those not flushed are lost:
 * each beginning of the log is what a cut may leave.  A discard may have
 * happened at any time since the last flush, so each is taken to be its first
 * deed.  The head of the disk, where the grid doesn't begin at 0, is its
 * metadata.
 */
#include "cut.h"

/* The log's format: Documentation/admin-guide/device-mapper/log-writes.rst */
#define LOG_MAGIC 0x6a736677736872ULL
#define LOG_FLUSH 1U
#define LOG_DISCARD 4U
#define LOG_MARK 8U

struct log_super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};

struct log_entry {
	uint64_t sector, sectors, flags, length;
	/* In memory only: what was written, or the mark. */
	const unsigned char *data;
};

static uint64_t entries;
static struct log_entry *entry;
static uint64_t start; /* of the grid on the disk, sectors */
static struct {
	unsigned int writes, discards, flushes;
} seen;

bool writes_is_log(const void *log, size_t size)
{
	return log_begins(log, size, sizeof(struct log_super), LOG_MAGIC);
}

static void tell(uint64_t begin, uint64_t end, uint64_t where)
{
	uint64_t i = where < TELL_ENTRIES ? 0 : where - TELL_ENTRIES;

	begin += start;
	end += start;
	for (; i <= where; i++) {
		const struct log_entry *e = &entry[i];

		if (e->flags & LOG_MARK) {
			printf("%6llu %.*s\n", (unsigned long long)i,
			       (int)e->length, e->data);
		} else if (e->flags & LOG_DISCARD) {
			if (e->sector < end && e->sector + e->sectors > begin)
				printf("%6llu discard\n",
				       (unsigned long long)i);
		} else if (!e->sectors) {
			printf("%6llu flush\n", (unsigned long long)i);
		} else {
			check_tell_write(i, e->data, e->sector, e->sectors,
					 begin, end);
		}
	}
}

static void play_write(const struct log_entry *e)
{
	seen.writes++;
	if (e->sector < start) {
		check_put(CHECK_AREA, e->sector, e->data, e->sectors);
		return;
	}
	check_spoils(e->sector - start, e->data, e->sectors);
	check_put(CHECK_DATA, e->sector - start, e->data, e->sectors);
}

static void play_discard(const struct log_entry *e)
{
	if (e->sector >= start)
		check_put(CHECK_DATA, e->sector - start, NULL, e->sectors);
}

/* All entries of the log, their sectors counted in 512 bytes. */
static void read_log(const char *path, const unsigned char *log, size_t size)
{
	struct log_super super;
	uint64_t at, i;

	memcpy(&super, log, sizeof(super));
	if (super.version != 1 || super.sector_size < SECTOR ||
	    super.sector_size % SECTOR)
		load_die("%s: no such log of dm-log-writes is known", path);
	entries = super.entries;
	entry = load_memory((entries + 1) * sizeof(*entry));
	at = super.sector_size;
	for (i = 0; i < entries; i++) {
		struct log_entry *e = &entry[i];
		size_t header = offsetof(struct log_entry, data);

		if (at + super.sector_size > size)
			load_die("%s ends in entry %llu", path,
				 (unsigned long long)i);
		memcpy(e, log + at, header);
		e->data = log + at +
			  (e->flags & LOG_MARK ? header : super.sector_size);
		at += super.sector_size;
		if (!(e->flags & LOG_DISCARD))
			at += e->sectors * super.sector_size;
		e->sector *= super.sector_size / SECTOR;
		e->sectors *= super.sector_size / SECTOR;
		if (at > size ||
		    (e->sector >= start ?
			     !check_fits(CHECK_DATA, e->sector - start,
					 e->sectors) :
			     !check_fits(CHECK_AREA, e->sector, e->sectors)) ||
		    (e->flags & LOG_MARK && e->length > SECTOR - header))
			load_die("%s: entry %llu is wrong", path,
				 (unsigned long long)i);
	}
}

/* What comes between a flush, the entry before @i, and the next may come first. */
static void discard_early(uint64_t i)
{
	for (; i < entries && !(entry[i].flags & LOG_FLUSH); i++)
		if (entry[i].flags & LOG_DISCARD)
			play_discard(&entry[i]);
}

void writes_check(const char *path, const unsigned char *log, size_t size,
		  uint64_t begin)
{
	uint64_t i;

	start = begin;
	read_log(path, log, size);
	check_tell = tell;
	for (i = 0; i < entries; i++) {
		const struct log_entry *e = &entry[i];

		if (e->flags & LOG_MARK) {
			check_mark(e->data, e->length);
		} else if (e->flags & LOG_DISCARD) {
			play_discard(e);
			seen.discards++;
		} else if (e->sectors) {
			play_write(e);
		}
		if (e->flags & LOG_FLUSH) {
			seen.flushes++;
			discard_early(i + 1);
		}
		check_cut(i, false);
	}
	printf("%llu entries: %u writes, %u discards, %u flushes\n",
	       (unsigned long long)entries, seen.writes, seen.discards,
	       seen.flushes);
	if (!seen.writes || !seen.discards || !seen.flushes)
		load_die("the log lacks something");
}
