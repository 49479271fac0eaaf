// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: the format, bytes to structs and back, and what is wrong with them.
 *
 * Pure; see meta.h, and kmod/Documentation/metadata.rst for the format itself.
 * Decoding trusts nothing: whatever it lets through is within the superblock's
 * limits, and a superblock that it lets through has places that don't overlap
 * and hold what the limits come to.
 */
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "meta.h"

#define GMETA_SUPER_CRC offsetof(struct grid_meta_disk_super, crc)
#define GMETA_HEAD_CRC offsetof(struct grid_meta_disk_head, crc)
#define GMETA_HEAD sizeof(struct grid_meta_disk_head)
#define GMETA_ENTRY sizeof(struct grid_meta_disk_entry)
#define GMETA_RUN sizeof(struct grid_meta_disk_run)
#define GMETA_PIECE_ENTRIES ((GRID_META_PIECE_MAX - GMETA_HEAD) / GMETA_ENTRY)

/* As many faults as the tracker can number. */
#define GMETA_RECORDS_LIMIT 0x40000000ULL

/* Nothing lies beyond that, whatever the unit: no sum of two overflows. */
#define GMETA_UNITS_LIMIT 0x4000000000000ULL

static bool gmeta_power_of_two(u64 n, u64 least, u64 most)
{
	return n >= least && n <= most && !(n & (n - 1));
}

/* CRC-32C of @bytes bytes, the four at @at counting as 0. */
static u32 gmeta_crc(const void *buf, u32 bytes, size_t at)
{
	const u8 *p = buf;
	u32 crc = ~0U;

	crc = crc32c(crc, p, at);
	crc = crc32c(crc, "\0\0\0", 4);
	return ~crc32c(crc, p + at + 4, bytes - at - 4);
}

static bool gmeta_is_zero(const u8 *p, size_t bytes)
{
	for (; bytes; bytes--)
		if (*p++)
			return false;
	return true;
}

/*
 * Superblocks
 */

/* Most records that a map with these limits has; one a block at most. */
u64 gmeta_records_max(const struct gmeta_super *sb)
{
	u64 n = (u64)sb->tables_max * sb->table_values_max;

	if (n > GMETA_RECORDS_LIMIT)
		return U64_MAX;
	return min(sb->blocks, n + sb->blocks_max + GMETA_RESERVE);
}

/* The longest commit: a table's values are one group (M1), which is never cut. */
u64 gmeta_commit_bytes(u32 table_values_max)
{
	u64 bytes = GMETA_HEAD + (table_values_max + 4ULL) * GMETA_ENTRY;

	bytes = (bytes + GRID_META_UNIT_MAX - 1) & ~(GRID_META_UNIT_MAX - 1ULL);
	return max_t(u64, bytes, GRID_META_COMMIT_MIN);
}

/* Room for a snapshot of the largest map. */
u64 gmeta_snapshot_bytes(const struct gmeta_super *sb)
{
	u64 n = gmeta_records_max(sb);

	if (n > GMETA_RECORDS_LIMIT)
		return U64_MAX;
	/* 2^63 bytes are not reached, a division by a constant is cheap. */
	n += sb->tables_max;
	return ((u32)((n >> 1) / (u32)(GMETA_PIECE_ENTRIES / 2)) + 1ULL) *
	       GRID_META_PIECE_MAX;
}

/**
 * gmeta_super_encode - a superblock as it is on disk
 * @sb: what it says
 * @block: out: GRID_META_SUPER_SIZE bytes
 */
void gmeta_super_encode(const struct gmeta_super *sb, void *block)
{
	struct grid_meta_disk_super *d = block;

	memset(block, 0, GRID_META_SUPER_SIZE);
	memcpy(d->magic, GRID_META_MAGIC, sizeof(d->magic));
	d->version = cpu_to_le32(sb->version);
	d->compat = cpu_to_le32(sb->compat);
	d->ro_compat = cpu_to_le32(sb->ro_compat);
	d->incompat = cpu_to_le32(sb->incompat);
	d->state = cpu_to_le32(sb->state);
	memcpy(d->uuid, sb->uuid, sizeof(d->uuid));
	d->sequence = cpu_to_le64(sb->sequence);
	d->created = cpu_to_le64(sb->created);
	d->block_size = cpu_to_le32(sb->block_size);
	d->unit_size = cpu_to_le32(sb->unit_size);
	d->blocks = cpu_to_le64(sb->blocks);
	d->data_start = cpu_to_le64(sb->data_start);
	d->data_sectors = cpu_to_le64(sb->data_sectors);
	d->flags = cpu_to_le32(sb->flags);
	d->blocks_max = cpu_to_le32(sb->blocks_max);
	d->tables_max = cpu_to_le32(sb->tables_max);
	d->table_values_max = cpu_to_le32(sb->table_values_max);
	memcpy(d->hash, sb->hash, sizeof(d->hash));
	memcpy(d->wwid, sb->wwid, sizeof(d->wwid));
	memcpy(d->partuuid, sb->partuuid, sizeof(d->partuuid));
	d->commit_max = cpu_to_le32(sb->commit_max);
	d->area_units = cpu_to_le64(sb->area_units);
	d->snapshot_place[0] = cpu_to_le64(sb->snapshot_place[0]);
	d->snapshot_place[1] = cpu_to_le64(sb->snapshot_place[1]);
	d->snapshot_units = cpu_to_le64(sb->snapshot_units);
	d->log_place = cpu_to_le64(sb->log_place);
	d->log_units = cpu_to_le64(sb->log_units);
	d->floor = cpu_to_le64(sb->floor);
	d->reach = cpu_to_le64(sb->reach);
	d->snapshot = cpu_to_le64(sb->snapshot);
	d->snapshot_which = cpu_to_le32(sb->snapshot_which);
	d->snapshot_pieces = cpu_to_le32(sb->snapshot_pieces);
	d->snapshot_entries = cpu_to_le64(sb->snapshot_entries);
	d->begin_unit = cpu_to_le64(sb->begin_unit);
	d->begin_previous = cpu_to_le64(sb->begin_previous);
	d->snapshot_end = cpu_to_le64(sb->snapshot_end);
	d->crc = cpu_to_le32(
		gmeta_crc(block, GRID_META_SUPER_SIZE, GMETA_SUPER_CRC));
}

/* Is it a string, and one that can be printed? */
static bool gmeta_is_text(const char *s, size_t size)
{
	size_t i;

	for (i = 0; i < size && s[i]; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return i < size && gmeta_is_zero((const u8 *)s + i, size - i);
}

static bool gmeta_places_good(const struct gmeta_super *sb)
{
	u64 head = GRID_META_HEAD / sb->unit_size;

	if (sb->area_units > GMETA_UNITS_LIMIT ||
	    sb->log_units > GMETA_UNITS_LIMIT ||
	    sb->snapshot_units > GMETA_UNITS_LIMIT ||
	    sb->log_place > GMETA_UNITS_LIMIT ||
	    sb->snapshot_place[0] > GMETA_UNITS_LIMIT ||
	    sb->snapshot_place[1] > GMETA_UNITS_LIMIT)
		return false;
	return sb->snapshot_place[0] >= head &&
	       sb->snapshot_place[1] >=
		       sb->snapshot_place[0] + sb->snapshot_units &&
	       sb->log_place >= sb->snapshot_place[1] + sb->snapshot_units &&
	       sb->area_units >= sb->log_place + sb->log_units;
}

/**
 * gmeta_super_check - does what a superblock says make sense
 * @sb: the superblock
 * @why: out: what is wrong with it; may be NULL
 *
 * Return: 0 or -EUCLEAN.
 */
int gmeta_super_check(const struct gmeta_super *sb, char *why)
{
	const char *what;

	what = "block size";
	if (!gmeta_power_of_two(sb->block_size, 4096, 1024 * 1024))
		goto bad;
	what = "unit size";
	if (!gmeta_power_of_two(sb->unit_size, GRID_META_UNIT_MIN,
				GRID_META_UNIT_MAX))
		goto bad;
	what = "number of blocks";
	if (!sb->blocks || sb->blocks > (1ULL << 63) / sb->block_size)
		goto bad;
	what = "place of the data";
	if (sb->data_sectors > 1ULL << 55 ||
	    sb->data_start > sb->data_sectors ||
	    sb->blocks > (sb->data_sectors - sb->data_start) /
				 (sb->block_size / 512))
		goto bad;
	what = "state";
	if (sb->state != GRID_META_ACTIVE && sb->state != GRID_META_RETIRED)
		goto bad;
	what = "flags";
	if (sb->flags & ~GRID_META_INTERNAL)
		goto bad;
	what = "hash";
	if (!gmeta_is_text(sb->hash, sizeof(sb->hash)) || !*sb->hash)
		goto bad;
	what = "identity of the data device";
	if (!gmeta_is_text(sb->wwid, sizeof(sb->wwid)) ||
	    !gmeta_is_text(sb->partuuid, sizeof(sb->partuuid)))
		goto bad;
	what = "limits";
	if (!sb->blocks_max || !sb->table_values_max ||
	    gmeta_records_max(sb) > GMETA_RECORDS_LIMIT)
		goto bad;
	what = "longest commit";
	if (sb->commit_max > GRID_META_COMMIT_LIMIT ||
	    sb->commit_max % sb->unit_size ||
	    sb->commit_max < gmeta_commit_bytes(sb->table_values_max))
		goto bad;
	what = "places";
	if (!gmeta_places_good(sb))
		goto bad;
	what = "size of the log";
	if (sb->log_units < 4ULL * sb->commit_max / sb->unit_size)
		goto bad;
	what = "size of the snapshots";
	if (sb->snapshot_units < gmeta_snapshot_bytes(sb) / sb->unit_size)
		goto bad;
	what = "snapshot";
	if (sb->snapshot_which > 1 ||
	    sb->snapshot_pieces > sb->snapshot_units ||
	    sb->snapshot_entries >
		    sb->snapshot_pieces * (u64)GMETA_PIECE_ENTRIES)
		goto bad;
	what = "number";
	if (sb->floor > GMETA_NUMBERS / 2 || sb->reach > GMETA_NUMBERS ||
	    sb->snapshot > GMETA_NUMBERS / 2)
		goto bad;
	what = "begin of the replay";
	if (sb->begin_unit >= sb->log_units ||
	    sb->snapshot_end < sb->begin_previous ||
	    sb->reach < sb->snapshot_end)
		goto bad;
	return 0;

bad:
	gmeta_say(why, "impossible %s", what);
	return -EUCLEAN;
}

/**
 * gmeta_super_decode - read a superblock
 * @block: GRID_META_SUPER_SIZE bytes
 * @bytes: size of the area that it is on, or 0: not looked at
 * @sb: out; what it says, also with -EOPNOTSUPP and -ENOSPC
 * @why: out: what is wrong, GMETA_WHY bytes; may be NULL
 *
 * Return: 0; -ENODATA: blank, or something else; -EUCLEAN: damaged;
 * -EOPNOTSUPP: newer than this program; -ENOSPC: the area is cut short.
 */
int gmeta_super_decode(const void *block, u64 bytes, struct gmeta_super *sb,
		       char *why)
{
	const struct grid_meta_disk_super *d = block;
	int r;

	memset(sb, 0, sizeof(*sb));
	if (memcmp(d->magic, GRID_META_MAGIC, sizeof(d->magic))) {
		gmeta_say(why, gmeta_is_zero(block, GRID_META_SUPER_SIZE) ?
				       "blank" :
				       "no grid metadata");
		return -ENODATA;
	}
	if (gmeta_crc(block, GRID_META_SUPER_SIZE, GMETA_SUPER_CRC) !=
	    le32_to_cpu(d->crc)) {
		gmeta_say(why, "damaged (its crc is wrong)");
		return -EUCLEAN;
	}
	sb->version = le32_to_cpu(d->version);
	sb->compat = le32_to_cpu(d->compat);
	sb->ro_compat = le32_to_cpu(d->ro_compat);
	sb->incompat = le32_to_cpu(d->incompat);
	memcpy(sb->uuid, d->uuid, sizeof(d->uuid));
	if (sb->version != GRID_META_VERSION) {
		gmeta_say(why, "of version %u; known is %u", sb->version,
			  GRID_META_VERSION);
		return sb->version ? -EOPNOTSUPP : -EUCLEAN;
	}
	if (sb->incompat & ~GRID_META_INCOMPAT_KNOWN) {
		gmeta_say(why, "uses features that are not known (%#x)",
			  sb->incompat & ~GRID_META_INCOMPAT_KNOWN);
		return -EOPNOTSUPP;
	}
	sb->state = le32_to_cpu(d->state);
	sb->sequence = le64_to_cpu(d->sequence);
	sb->created = le64_to_cpu(d->created);
	sb->block_size = le32_to_cpu(d->block_size);
	sb->unit_size = le32_to_cpu(d->unit_size);
	sb->blocks = le64_to_cpu(d->blocks);
	sb->data_start = le64_to_cpu(d->data_start);
	sb->data_sectors = le64_to_cpu(d->data_sectors);
	sb->flags = le32_to_cpu(d->flags);
	sb->blocks_max = le32_to_cpu(d->blocks_max);
	sb->tables_max = le32_to_cpu(d->tables_max);
	sb->table_values_max = le32_to_cpu(d->table_values_max);
	memcpy(sb->hash, d->hash, sizeof(d->hash));
	memcpy(sb->wwid, d->wwid, sizeof(d->wwid));
	memcpy(sb->partuuid, d->partuuid, sizeof(d->partuuid));
	sb->commit_max = le32_to_cpu(d->commit_max);
	sb->area_units = le64_to_cpu(d->area_units);
	sb->snapshot_place[0] = le64_to_cpu(d->snapshot_place[0]);
	sb->snapshot_place[1] = le64_to_cpu(d->snapshot_place[1]);
	sb->snapshot_units = le64_to_cpu(d->snapshot_units);
	sb->log_place = le64_to_cpu(d->log_place);
	sb->log_units = le64_to_cpu(d->log_units);
	sb->floor = le64_to_cpu(d->floor);
	sb->reach = le64_to_cpu(d->reach);
	sb->snapshot = le64_to_cpu(d->snapshot);
	sb->snapshot_which = le32_to_cpu(d->snapshot_which);
	sb->snapshot_pieces = le32_to_cpu(d->snapshot_pieces);
	sb->snapshot_entries = le64_to_cpu(d->snapshot_entries);
	sb->begin_unit = le64_to_cpu(d->begin_unit);
	sb->begin_previous = le64_to_cpu(d->begin_previous);
	sb->snapshot_end = le64_to_cpu(d->snapshot_end);
	r = gmeta_super_check(sb, why);
	if (r)
		return r;
	if (d->reserved || !gmeta_is_zero((const u8 *)block + sizeof(*d),
					  GRID_META_SUPER_SIZE - sizeof(*d))) {
		gmeta_say(why, "not zero where it has to be");
		return -EUCLEAN;
	}
	if (bytes && sb->area_units > bytes / sb->unit_size) {
		gmeta_say(why, "of an area of %llu bytes; only %llu are there",
			  (unsigned long long)(sb->area_units * sb->unit_size),
			  (unsigned long long)bytes);
		return -ENOSPC;
	}
	return 0;
}

/*
 * Commits and pieces
 */

/**
 * gmeta_begin - an empty commit or piece
 * @w: writer
 * @buf: where it is put together
 * @size: bytes of @buf, whole units
 */
void gmeta_begin(struct gmeta_writer *w, void *buf, u32 size)
{
	w->buf = buf;
	w->size = size;
	w->used = GMETA_HEAD;
	w->count = 0;
	w->whole = w->used;
	w->whole_count = 0;
}

static bool gmeta_is_run(u8 kind)
{
	return kind < GRID_META_BLOCK;
}

/**
 * gmeta_add - one more entry
 * @w: writer
 * @e: the entry
 *
 * Return: 0; -ENOSPC: it doesn't fit, and what had been added of its group is
 * taken out again.
 */
int gmeta_add(struct gmeta_writer *w, const struct gmeta_entry *e)
{
	u32 bytes = gmeta_is_run(e->kind) ? GMETA_RUN : GMETA_ENTRY;
	u64 word = e->address << GRID_META_ADDRESS_SHIFT | e->kind |
		   (e->has_sum ? GRID_META_SUM : 0) |
		   (e->more ? GRID_META_MORE : 0);
	struct grid_meta_disk_entry entry = {};
	struct grid_meta_disk_run run;

	if (bytes > w->size - w->used) {
		w->used = w->whole;
		w->count = w->whole_count;
		return -ENOSPC;
	}
	if (gmeta_is_run(e->kind)) {
		run.word = cpu_to_le64(word);
		run.count = cpu_to_le64(e->count);
		memcpy(w->buf + w->used, &run, sizeof(run));
	} else {
		entry.word = cpu_to_le64(word);
		if (e->has_sum)
			memcpy(entry.sum, e->sum, sizeof(entry.sum));
		entry.table = cpu_to_le32(e->table);
		entry.value = cpu_to_le32(e->value);
		memcpy(w->buf + w->used, &entry, sizeof(entry));
	}
	w->used += bytes;
	w->count++;
	if (!e->more) {
		w->whole = w->used;
		w->whole_count = w->count;
	}
	return 0;
}

/**
 * gmeta_end - seal it
 * @w: writer; a group that has not ended is left out
 * @sb: superblock
 * @head: its @piece, @number, @previous and @place; @length and @count are
 *	filled in
 *
 * Return: bytes to write, whole units.
 */
u32 gmeta_end(struct gmeta_writer *w, const struct gmeta_super *sb,
	      struct gmeta_head *head)
{
	struct grid_meta_disk_head *d = (void *)w->buf;
	u32 bytes = gmeta_padded(sb, w->whole);

	head->length = w->whole;
	head->count = w->whole_count;
	memset(d, 0, sizeof(*d));
	memcpy(d->magic,
	       head->piece ? GRID_META_PIECE_MAGIC : GRID_META_COMMIT_MAGIC,
	       sizeof(d->magic));
	memcpy(d->uuid, sb->uuid, sizeof(d->uuid));
	d->number = cpu_to_le64(head->number);
	d->previous = cpu_to_le64(head->previous);
	d->place = cpu_to_le64(head->place);
	d->length = cpu_to_le32(head->length);
	d->count = cpu_to_le32(head->count);
	memset(w->buf + w->whole, 0, bytes - w->whole);
	d->crc = cpu_to_le32(gmeta_crc(w->buf, bytes, GMETA_HEAD_CRC));
	return bytes;
}

/**
 * gmeta_head_decode - does a commit or a piece begin here, as far as one sees
 * @unit: the first unit of what may be one
 * @sb: superblock
 * @head: out
 *
 * Its crc has still to be looked at: gmeta_crc_good() of gmeta_padded() bytes.
 *
 * Return: 0 or -ENODATA.
 */
int gmeta_head_decode(const void *unit, const struct gmeta_super *sb,
		      struct gmeta_head *head)
{
	const struct grid_meta_disk_head *d = unit;
	u32 most;

	if (!memcmp(d->magic, GRID_META_COMMIT_MAGIC, sizeof(d->magic)))
		head->piece = false;
	else if (!memcmp(d->magic, GRID_META_PIECE_MAGIC, sizeof(d->magic)))
		head->piece = true;
	else
		return -ENODATA;
	head->number = le64_to_cpu(d->number);
	head->previous = le64_to_cpu(d->previous);
	head->place = le64_to_cpu(d->place);
	head->length = le32_to_cpu(d->length);
	head->count = le32_to_cpu(d->count);
	most = head->piece ? GRID_META_PIECE_MAX : sb->commit_max;
	if (memcmp(d->uuid, sb->uuid, sizeof(d->uuid)) ||
	    head->length < GMETA_HEAD || head->length > most || d->flags ||
	    d->reserved || head->number > GMETA_NUMBERS)
		return -ENODATA;
	return 0;
}

bool gmeta_crc_good(const void *buf, u32 bytes)
{
	const struct grid_meta_disk_head *d = buf;

	return gmeta_crc(buf, bytes, GMETA_HEAD_CRC) == le32_to_cpu(d->crc);
}

/* Is a fault or a table's entry within the limits? */
static bool gmeta_entry_good(const struct gmeta_super *sb,
			     const struct gmeta_entry *e)
{
	if (!e->has_sum && !gmeta_is_zero(e->sum, sizeof(e->sum)))
		return false;
	if (e->address >= sb->blocks)
		return false;
	if (e->kind == GRID_META_BLOCK)
		return !e->table && !e->value;
	if (e->table >= sb->tables_max)
		return false;
	switch (e->kind) {
	case GRID_META_INDEX:
	case GRID_META_INDEXING:
		return !e->value;
	case GRID_META_VALUE:
		return e->value < sb->table_values_max;
	case GRID_META_FILLING:
	case GRID_META_PARTIAL:
		return e->value && e->value <= sb->table_values_max;
	case GRID_META_DONE:
	case GRID_META_CANCELLED:
		return e->value <= sb->table_values_max;
	case GRID_META_FREE:
		return !e->has_sum && !e->address && !e->value;
	}
	return false;
}

/**
 * gmeta_next - the next entry of a commit or piece
 * @sb: superblock
 * @head: its head
 * @buf: all of it
 * @at: where to go on, moved; 0 to begin with
 * @e: out
 * @why: out: what is wrong; may be NULL
 *
 * Return: 1; 0 at the end; -EUCLEAN.
 */
int gmeta_next(const struct gmeta_super *sb, const struct gmeta_head *head,
	       const void *buf, u32 *at, struct gmeta_entry *e, char *why)
{
	u32 left, begin = max_t(u32, *at, GMETA_HEAD);
	const u8 *p = (const u8 *)buf + begin;
	struct grid_meta_disk_entry d;
	struct grid_meta_disk_run run;
	bool more = e->more && begin > GMETA_HEAD;
	u64 word;

	left = head->length - begin;
	if (!left) {
		if (!more)
			return 0;
		gmeta_say(why, "its last group is cut");
		return -EUCLEAN;
	}
	memset(e, 0, sizeof(*e));
	if (left < sizeof(run))
		goto bad;
	memcpy(&run, p, sizeof(run));
	word = le64_to_cpu(run.word);
	e->kind = word & GRID_META_KIND;
	e->has_sum = word & GRID_META_SUM;
	e->more = word & GRID_META_MORE;
	e->address = word >> GRID_META_ADDRESS_SHIFT;
	if (gmeta_is_run(e->kind)) {
		e->count = le64_to_cpu(run.count);
		if (e->kind != GRID_META_GOOD || e->has_sum || !e->count ||
		    e->address >= sb->blocks ||
		    e->count > sb->blocks - e->address)
			goto bad;
		*at = begin + sizeof(run);
		return 1;
	}
	if (left < sizeof(d))
		goto bad;
	memcpy(&d, p, sizeof(d));
	memcpy(e->sum, d.sum, sizeof(e->sum));
	e->table = le32_to_cpu(d.table);
	e->value = le32_to_cpu(d.value);
	if (!gmeta_entry_good(sb, e))
		goto bad;
	*at = begin + sizeof(d);
	return 1;

bad:
	gmeta_say(why, "the entry at its byte %u is impossible", begin);
	return -EUCLEAN;
}
