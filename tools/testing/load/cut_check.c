// SPDX-License-Identifier: GPL-2.0
/*
 * What has to hold when the power fails: the model of what was promised.
 *
 * Who reads a log says what the disks hold (check_put), for a moment otherwise
 * (check_try: what a cache may have lost), what comes that nobody may ever read
 * (check_spoils), and what was promised (check_mark).  A cut then asks:
 *
 *  - Is there a whole root, not older than the promised one, of which each block
 *    holds what it had when it was named; or is missing, and its repair brings
 *    just that?
 *  - Is every block that is bad missing, until it is freed?  (Without metadata:
 *    was it enqueued, and has no repair of it ended well?  A crash forgets.)
 *  - Is what a FUA write brought there, or something later?
 *  - Is no block missing that a barrier which has ended has freed?
 *
 * The store is such that the promised root stays whole until the next one is
 * promised; that one may be the only one which holds already.
 */
#include "../../../kmod/target/meta.h"
#include "cut.h"

static unsigned char *image[2];
static uint64_t sectors[2];
static unsigned int block_bytes;
static uint64_t blocks;

static bool area_changed;
static struct gmeta_loaded known, tried;

/* Of each block: */
static bool *spoiled; /* it holds what nobody may ever read */
static bool *repaired; /* ... though its repair has ended well */
static bool *freed; /* ... since when it is about to be discarded */
static bool *gone; /* a barrier that freed it has ended */
static uint32_t *fua; /* which write with FUA has ended; 0: none */

static uint64_t promised; /* the root a flush made durable */
bool check_begun;

static struct {
	unsigned int roots, good, gone, fua, waited, loads;
} seen;

void (*check_tell)(uint64_t begin, uint64_t end, uint64_t where);

void check_init(unsigned int block, uint64_t area)
{
	block_bytes = block;
	sectors[CHECK_DATA] = IMAGE_SECTORS;
	sectors[CHECK_AREA] = area / SECTOR;
	image[CHECK_DATA] = load_memory((size_t)IMAGE_SECTORS * SECTOR);
	if (area)
		image[CHECK_AREA] = load_memory(area);
	area_changed = true;
	blocks = (uint64_t)IMAGE_SECTORS * SECTOR / block;
	spoiled = load_memory(blocks * sizeof(*spoiled));
	repaired = load_memory(blocks * sizeof(*repaired));
	freed = load_memory(blocks * sizeof(*freed));
	gone = load_memory(blocks * sizeof(*gone));
	fua = load_memory(blocks * sizeof(*fua));
}

/*
 * What the disks hold
 */

bool check_fits(enum check_medium m, uint64_t sector, uint64_t count)
{
	return count <= sectors[m] && sector <= sectors[m] - count;
}

const unsigned char *check_at(enum check_medium m, uint64_t sector)
{
	return image[m] + sector * SECTOR;
}

static unsigned char *block_at(uint64_t b)
{
	return image[CHECK_DATA] + b * block_bytes;
}

static void look_at_block(uint64_t b)
{
	struct load_stamp s;
	unsigned int i;

	spoiled[b] = false;
	for (i = 0; i < block_bytes && !spoiled[b]; i += SECTOR)
		spoiled[b] = load_stamp_of(block_at(b) + i, &s) &&
			     s.writer == LOAD_SPOILER;
}

static void put(enum check_medium m, uint64_t sector, const void *data,
		uint64_t count)
{
	uint64_t n = block_bytes / SECTOR, b;

	if (data)
		memcpy(image[m] + sector * SECTOR, data, count * SECTOR);
	else
		memset(image[m] + sector * SECTOR, 0, count * SECTOR);
	if (m == CHECK_DATA && count)
		for (b = sector / n; b <= (sector + count - 1) / n; b++)
			look_at_block(b);
}

/* From now on; without @data zeros. */
void check_put(enum check_medium m, uint64_t sector, const void *data,
	       uint64_t count)
{
	put(m, sector, data, count);
	area_changed |= m == CHECK_AREA;
}

/* One sector, until it is put back: the next cut is told if it is the area's. */
void check_try(enum check_medium m, uint64_t sector, const void *data)
{
	put(m, sector, data, 1);
}

/* A write came: from now on each block that it spoils has to be missing. */
void check_spoils(uint64_t sector, const void *data, uint64_t count)
{
	struct load_stamp s;
	uint64_t i, b;

	for (i = 0; i < count; i++)
		if (load_stamp_of((const char *)data + i * SECTOR, &s) &&
		    s.writer == LOAD_SPOILER) {
			b = (sector + i) * SECTOR / block_bytes;
			repaired[b] = false;
			freed[b] = false;
		}
}

/*
 * What was promised
 */

static void promise(const char *what, uint64_t n)
{
	uint64_t b = n;

	if (!strcmp(what, "fua"))
		b = n >> 32;
	else if (!strcmp(what, "root") || !strcmp(what, "begin"))
		b = 0;
	if (b >= blocks)
		load_die("the mark %s:%llu is wrong", what,
			 (unsigned long long)n);
	if (!strcmp(what, "begin")) {
		check_begun = true;
	} else if (!strcmp(what, "root")) {
		promised = n;
		seen.roots++;
	} else if (!strcmp(what, "good")) {
		repaired[b] = true;
		seen.good++;
	} else if (!strcmp(what, "freed")) {
		freed[b] = true;
	} else if (!strcmp(what, "gone")) {
		gone[b] = true;
		seen.gone++;
	} else if (!strcmp(what, "lost")) {
		gone[b] = false;
	} else if (!strcmp(what, "fua")) {
		fua[b] = (uint32_t)n;
		seen.fua++;
	}
}

void check_mark(const void *text, size_t bytes)
{
	char mark[64] = "", what[16];
	unsigned long long n;

	memcpy(mark, text, bytes < sizeof(mark) ? bytes : sizeof(mark) - 1);
	if (sscanf(mark, "%15[a-z]:%llu", what, &n) == 2)
		promise(what, n);
}

/*
 * A cut
 */

static int area_read(void *priv, u64 from, void *buf, u32 bytes)
{
	(void)priv;
	memcpy(buf, image[CHECK_AREA] + from, bytes);
	return 0;
}

/* The map as the disk has it now. */
static const struct gmeta_loaded *load_map(uint64_t where, bool area_tried)
{
	struct gmeta_loaded *l = area_tried ? &tried : &known;
	const struct gmeta_device dev = {
		.read = area_read,
		.bytes = sectors[CHECK_AREA] * SECTOR,
	};
	int e;

	if (area_tried || area_changed) {
		gmeta_unload(l);
		e = gmeta_load(&dev, l);
		if (e)
			load_die("entry %llu: the metadata: %s (%d)",
				 (unsigned long long)where, l->why, e);
		if (!area_tried)
			area_changed = false;
		seen.loads++;
	}
	return l;
}

/* The number that stands for the repair of a block; 0: it has no checksum. */
static uint64_t repair_of(const struct gmeta_fault *f)
{
	uint64_t number = 0;

	memcpy(&number, f->sum, sizeof(number));
	return number;
}

__attribute__((format(printf, 3, 4), noreturn)) static void
lost(uint64_t where, uint64_t b, const char *format, ...)
{
	uint64_t n = block_bytes / SECTOR;
	va_list args;

	check_tell(b * n, b * n + n, where);
	tell_block(block_at(b), block_bytes);
	printf("entry %llu: block %llu ", (unsigned long long)where,
	       (unsigned long long)b);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	load_die(" (root %llu was promised)", (unsigned long long)promised);
}

/* Does block @b hold write @sequence or a later one? */
static bool fua_holds(const struct gmeta_map *map, uint64_t b,
		      uint32_t sequence)
{
	const struct gmeta_fault *f = gmeta_map_find(map, b);
	struct load_stamp s;
	unsigned int i;

	if (f)
		return (uint32_t)repair_of(f) == sequence;
	for (i = 0; i < block_bytes; i += SECTOR)
		if (!load_stamp_of(block_at(b) + i, &s) ||
		    s.writer == LOAD_SPOILER || s.sequence < sequence)
			return false;
	return true;
}

static void cut_map(uint64_t where, const struct gmeta_loaded *l)
{
	const struct gmeta_map *map = &l->map;
	uint64_t b;

	for (b = 0; b < l->super.blocks && b < blocks; b++) {
		if (spoiled[b] && !freed[b] && !gmeta_map_find(map, b))
			lost(where, b, "is bad, and not missing");
		if (gone[b] && gmeta_map_find(map, b))
			lost(where, b,
			     "is missing, and a barrier that freed it has ended");
		if (fua[b] && !fua_holds(map, b, fua[b]))
			lost(where, b, "has not write %u, which had FUA",
			     fua[b]);
	}
}

static bool root_at(unsigned int slot, struct root *r)
{
	memcpy(r, block_at(slot), sizeof(*r));
	return r->magic == ROOT_MAGIC && r->sum == root_sum(r) &&
	       r->version % ROOTS == slot;
}

static bool item_holds(const struct gmeta_map *map, uint32_t b,
		       uint32_t sequence)
{
	bool good = block_is(block_at(b), block_bytes, b, sequence);
	const struct gmeta_fault *f = map ? gmeta_map_find(map, b) : NULL;

	if (map ? !f : good)
		return good;
	seen.waited += !good;
	return map ? (uint32_t)repair_of(f) == sequence :
		     spoiled[b] && !repaired[b];
}

/* Which item of @r is not there; ITEMS: all are. */
static unsigned int not_there(const struct gmeta_map *map, const struct root *r)
{
	unsigned int i;

	for (i = 0; i < ITEMS; i++)
		if (r->item[i].block >= blocks ||
		    !item_holds(map, r->item[i].block, r->item[i].sequence))
			break;
	return i;
}

/* The power fails now.  @where: the entry before; the area is tried otherwise. */
void check_cut(uint64_t where, bool area_tried)
{
	const struct gmeta_loaded *l = NULL;
	unsigned int slot, i = 0;
	struct root r, bad = {};

	if (!check_begun)
		return;
	if (image[CHECK_AREA]) {
		l = load_map(where, area_tried);
		cut_map(where, l);
	}
	if (!promised)
		return;
	for (slot = 0; slot < ROOTS; slot++) {
		if (!root_at(slot, &r) || r.version < promised)
			continue;
		i = not_there(l ? &l->map : NULL, &r);
		if (i == ITEMS)
			return;
		bad = r;
	}
	if (!bad.version)
		load_die("entry %llu: root %llu was promised, and is not there",
			 (unsigned long long)where,
			 (unsigned long long)promised);
	lost(where, bad.item[i].block, "has not write %u, as root %llu says",
	     bad.item[i].sequence, (unsigned long long)bad.version);
}

void check_told(void)
{
	printf("%u roots promised, %u repairs, %u writes with FUA, %u blocks freed; at no moment was anything lost (%u times a block waited for its repair)\n",
	       seen.roots, seen.good, seen.fua, seen.gone, seen.waited);
	if (image[CHECK_AREA])
		printf("the map was loaded %u times\n", seen.loads);
	if (!seen.roots || !seen.good || (image[CHECK_AREA] && !seen.gone))
		load_die("the log lacks something");
}

/* What a write is to who looks at sectors @begin to @end: nothing, or a line. */
void check_tell_write(uint64_t where, const void *data, uint64_t at,
		      uint64_t count, uint64_t begin, uint64_t end)
{
	uint64_t first = at > begin ? at : begin;
	struct load_stamp s = {};
	struct root r;

	if (first < at + count && first < end) {
		load_stamp_of((const char *)data + (first - at) * SECTOR, &s);
		printf("%6llu write %u by %u at +%llu\n",
		       (unsigned long long)where, s.sequence, s.writer,
		       (unsigned long long)(first - begin));
	} else if (count * SECTOR == ROOT_BYTES) {
		memcpy(&r, data, sizeof(r));
		if (r.magic == ROOT_MAGIC)
			printf("%6llu root %llu\n", (unsigned long long)where,
			       (unsigned long long)r.version);
	}
}
