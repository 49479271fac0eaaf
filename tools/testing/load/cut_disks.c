// SPDX-License-Identifier: GPL-2.0
/*
 * The sequence of two disks with caches of their own, cut after every record.
 *
 * Disk 0 has the data, disk 1 the metadata.  What a disk holds for certain is
 *
 *  - a write with FUA that was answered;
 *  - what was answered before a flush came that was answered well.
 *
 * Of anything else that came each sector may be there or not: a write is torn,
 * and lost though it was answered, and there though it was not.  A later one
 * of the same sector that is there for certain covers it.  A cut draws some of
 * all that, several times, and puts back what was before.
 */
#include "cut.h"
#include "record.h"

#define PENDING 4096

/* A write or a discard that may be there or not. */
struct pending {
	const struct record *r;
	uint64_t where; /* its place in the sequence */
	uint64_t answered; /* likewise, of its answer; 0: not yet */
	uint64_t sector, count;
	const unsigned char *data; /* NULL: zeros */
	bool *covered; /* per sector */
};

/* A flush that was not answered. */
struct flush {
	const struct record *r;
	uint64_t where;
	bool open;
};

/* A sector as it was. */
struct undo {
	enum check_medium m;
	uint64_t sector;
	unsigned char data[SECTOR];
};

static const struct record **records;
static uint64_t count;
static struct pending pending[PENDING];
static unsigned int pending_count;
static struct flush flushes[64];
static struct undo *undo;
static size_t undo_count, undo_room;
static unsigned int seed;
static struct {
	unsigned int writes, fua, discards, flushes, cuts, torn;
} seen;

bool disks_is_log(const void *log, size_t size)
{
	return log_begins(log, size, sizeof(struct record), RECORD_MAGIC);
}

static const void *data_of(const struct record *r)
{
	return r + 1;
}

static void tell_one(uint64_t where, uint64_t begin, uint64_t end)
{
	const struct record *r = records[where];
	uint64_t at = r->offset / SECTOR, n = r->length / SECTOR;
	unsigned long long i = where;

	if (r->what == RECORD_MARK)
		printf("%6llu %.*s\n", i, (int)r->length,
		       (const char *)data_of(r));
	else if (r->what == RECORD_ANSWER)
		printf("%6llu disk %u: answer to %llu\n", i, r->disk,
		       (unsigned long long)r->request);
	else if (r->what == RECORD_FLUSH || r->disk == CHECK_AREA)
		printf("%6llu disk %u: %llu: %s\n", i, r->disk,
		       (unsigned long long)r->request,
		       r->what == RECORD_FLUSH ? "flush" : "write");
	else
		printf("%6llu disk 0: %llu: %s at sector %llu, %llu\n", i,
		       (unsigned long long)r->request,
		       r->what == RECORD_TRIM ? "discard" :
		       r->fua		      ? "write with FUA" :
						"write",
		       (unsigned long long)at, (unsigned long long)n);
	if (r->what == RECORD_WRITE && r->disk == CHECK_DATA)
		check_tell_write(where, data_of(r), at, n, begin, end);
}

static void tell(uint64_t begin, uint64_t end, uint64_t where)
{
	uint64_t i = where < TELL_ENTRIES ? 0 : where - TELL_ENTRIES;

	for (; i <= where; i++)
		tell_one(i, begin, end);
}

/*
 * What is there for certain
 */

static bool overlap(const struct pending *a, const struct pending *b)
{
	return a->r->disk == b->r->disk && a->sector < b->sector + b->count &&
	       b->sector < a->sector + a->count;
}

static void forget(unsigned int i)
{
	free(pending[i].covered);
	pending_count--;
	memmove(&pending[i], &pending[i + 1],
		(pending_count - i) * sizeof(pending[0]));
}

/* Pending @i is there, where nothing covers it; what came before is not. */
static void settle(unsigned int i)
{
	const struct pending *p = &pending[i];
	unsigned int k;
	uint64_t s;

	for (s = 0; s < p->count; s++)
		if (!p->covered[s])
			check_put(p->r->disk, p->sector + s,
				  p->data ? p->data + s * SECTOR : NULL, 1);
	for (k = 0; k < i; k++) {
		struct pending *old = &pending[k];

		for (s = 0; overlap(old, p) && s < old->count; s++)
			old->covered[s] |= old->sector + s >= p->sector &&
					   old->sector + s <
						   p->sector + p->count;
	}
	forget(i);
}

static void came(uint64_t where, const struct record *r)
{
	struct pending *p = &pending[pending_count];
	unsigned int i;

	if (pending_count == PENDING)
		load_die("entry %llu: too much is pending",
			 (unsigned long long)where);
	*p = (struct pending){
		.r = r,
		.where = where,
		.sector = r->offset / SECTOR,
		.count = r->length / SECTOR,
		.data = r->what == RECORD_WRITE ? data_of(r) : NULL,
	};
	p->covered = calloc(p->count + 1, sizeof(*p->covered));
	if (!p->covered)
		load_die("out of memory");
	/* Which one would win? */
	for (i = 0; i < pending_count; i++)
		if (!pending[i].answered && overlap(&pending[i], p)) {
			tell(p->sector, p->sector + p->count, where);
			load_die(
				"entry %llu: it overlaps entry %llu, which is under way",
				(unsigned long long)where,
				(unsigned long long)pending[i].where);
		}
	pending_count++;
	if (r->what == RECORD_TRIM) {
		seen.discards++;
		return;
	}
	seen.writes++;
	seen.fua += !!r->fua;
	if (r->disk == CHECK_DATA)
		check_spoils(p->sector, p->data, p->count);
}

static void flush_came(uint64_t where, const struct record *r)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flushes) && flushes[i].open; i++)
		;
	if (i == ARRAY_SIZE(flushes))
		load_die("entry %llu: too many flushes at once",
			 (unsigned long long)where);
	flushes[i] = (struct flush){ .r = r, .where = where, .open = true };
	seen.flushes++;
}

static bool is_answer(const struct record *r, const struct record *to)
{
	return r->disk == to->disk && r->request == to->request;
}

/* What fails, may have been done or not. */
static void answered(uint64_t where, const struct record *r)
{
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(flushes); i++) {
		if (!flushes[i].open || !is_answer(r, flushes[i].r))
			continue;
		flushes[i].open = false;
		for (k = 0; !r->error && k < pending_count;)
			if (pending[k].r->disk == r->disk &&
			    pending[k].answered &&
			    pending[k].answered < flushes[i].where)
				settle(k);
			else
				k++;
		return;
	}
	for (i = 0; i < pending_count; i++) {
		if (!is_answer(r, pending[i].r))
			continue;
		if (!r->error)
			pending[i].answered = where;
		if (!r->error && pending[i].r->fua)
			settle(i);
		return;
	}
	load_die("entry %llu answers nothing", (unsigned long long)where);
}

/*
 * What may be there
 */

static void try_sector(const struct pending *p, uint64_t s)
{
	struct undo *u;

	if (undo_count == undo_room) {
		undo_room = undo_room * 2 + 1024;
		undo = realloc(undo, undo_room * sizeof(*undo));
		if (!undo)
			load_die("out of memory");
	}
	u = &undo[undo_count++];
	u->m = p->r->disk;
	u->sector = p->sector + s;
	memcpy(u->data, check_at(u->m, u->sector), SECTOR);
	check_try(u->m, u->sector, p->data ? p->data + s * SECTOR : NULL);
}

/* Some of it: nothing, all, a beginning, an end, some sectors. */
static bool try_some(const struct pending *p)
{
	unsigned int way = rand_r(&seed) % 5;
	uint64_t at = rand_r(&seed) % (p->count + 1), s;
	bool any = false, has;

	for (s = 0; s < p->count; s++) {
		has = way == 0 ? false :
		      way == 1 ? true :
		      way == 2 ? s < at :
		      way == 3 ? s >= at :
				 rand_r(&seed) & 1;
		if (!has || p->covered[s])
			continue;
		try_sector(p, s);
		any = true;
	}
	seen.torn += any && way > 1;
	return any;
}

/* The power fails; one time in four nothing is left but what is certain. */
static void cut(uint64_t where)
{
	bool area_tried = false, lost = rand_r(&seed) % 4 == 0;
	unsigned int i;

	if (!check_begun)
		return;
	for (i = 0; i < pending_count && !lost; i++)
		if (try_some(&pending[i]))
			area_tried |= pending[i].r->disk == CHECK_AREA;
	check_cut(where, area_tried);
	for (; undo_count; undo_count--)
		check_try(undo[undo_count - 1].m, undo[undo_count - 1].sector,
			  undo[undo_count - 1].data);
	seen.cuts++;
}

static void read_sequence(const char *path, const unsigned char *log,
			  size_t size)
{
	const struct record *r;
	size_t at, room = 0;
	bool data;

	for (at = 0; at < size;) {
		if (count == room) {
			room = room * 2 + 4096;
			records = realloc(records, room * sizeof(*records));
			if (!records)
				load_die("out of memory");
		}
		r = (const void *)(log + at);
		at += sizeof(*r);
		data = at <= size &&
		       (r->what == RECORD_WRITE || r->what == RECORD_MARK);
		if (data)
			at += r->length;
		if (at > size || r->magic != RECORD_MAGIC ||
		    r->what > RECORD_MARK || r->disk > CHECK_AREA ||
		    (r->what <= RECORD_TRIM &&
		     (r->offset % SECTOR || r->length % SECTOR ||
		      !check_fits(r->disk, r->offset / SECTOR,
				  r->length / SECTOR))))
			load_die("%s: record %llu is wrong", path,
				 (unsigned long long)count);
		records[count++] = r;
	}
}

void disks_check(const char *path, const unsigned char *log, size_t size,
		 unsigned int first_seed, unsigned int subsets)
{
	const struct record *r;
	unsigned int k;
	uint64_t i;

	seed = first_seed;
	read_sequence(path, log, size);
	check_tell = tell;
	for (i = 0; i < count; i++) {
		r = records[i];
		if (r->what == RECORD_MARK)
			check_mark(data_of(r), r->length);
		else if (r->what == RECORD_ANSWER)
			answered(i, r);
		else if (r->what == RECORD_FLUSH)
			flush_came(i, r);
		else
			came(i, r);
		for (k = 0; k < subsets; k++)
			cut(i);
	}
	printf("%llu records: %u writes (%u with FUA), %u discards, %u flushes; %u cuts, %u times a write was torn\n",
	       (unsigned long long)count, seen.writes, seen.fua, seen.discards,
	       seen.flushes, seen.cuts, seen.torn);
	if (!seen.fua || !seen.discards || !seen.flushes || !seen.torn)
		load_die("the sequence lacks something");
}
