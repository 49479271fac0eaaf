// SPDX-License-Identifier: GPL-2.0
/*
 * Every byte of every kind of block flipped, one after the other (M9; of the
 * zeroes behind them every 29th): the load says that something is damaged, or
 * the map is what it was; it is never another one.  The image was suspended, so
 * its superblocks say how far the log goes; the end of one that was not can't
 * be told from a commit under way.
 */
#include <linux/crc32c.h>
#include "image.h"

static u8 buf[GRID_META_COMMIT_MIN];
static struct gmeta_super sb;

static void add(struct gmeta_writer *w, u8 kind, u64 address, u32 table,
		u32 value, bool more)
{
	struct gmeta_entry e = { .kind = kind,
				 .address = address,
				 .count = table,
				 .table = table,
				 .value = value,
				 .more = more,
				 .has_sum = kind != GRID_META_GOOD };

	memset(e.sum, (int)address + 1, sizeof(e.sum));
	gmeta_add(w, &e);
}

static u64 put(struct gmeta_writer *w, bool piece, u64 number, u64 previous,
	       u64 place)
{
	struct gmeta_head head = { .piece = piece,
				   .number = number,
				   .previous = previous,
				   .place = place };
	u64 unit = piece ? place : sb.log_place + place;
	u32 bytes = gmeta_end(w, &sb, &head);

	memcpy(image + unit * IMAGE_UNIT, buf, bytes);
	gmeta_begin(w, buf, sizeof(buf));
	return bytes / IMAGE_UNIT;
}

/* All that is in the map, in one number that no order changes. */
static u64 digest(const struct gmeta_map *map)
{
	u64 sum = map->count, i, k;

	for (i = 0; i < map->cells; i++) {
		const struct gmeta_fault *f = &map->faults[i];
		u64 x = f->address + 1;

		if (!f->kind)
			continue;
		for (k = 0; k < sizeof(f->sum); k++)
			x = (x ^ f->sum[k]) * 0x100000001b3ULL;
		x = (x ^ f->kind ^ f->has_sum << 8) * 0x100000001b3ULL;
		sum += (x ^ f->table ^ (u64)f->value << 32) *
		       0x9e3779b97f4a7c15ULL;
	}
	for (i = 0; i < map->tables_max; i++) {
		const struct gmeta_table *t = &map->tables[i];
		u64 x = (i + 1) * 0x100000001b3ULL ^ t->kind;

		for (k = 0; k < sizeof(t->sum); k++)
			x = (x ^ t->sum[k]) * 0x100000001b3ULL;
		sum += (x ^ t->address ^ (u64)t->values << 32) *
		       0x9e3779b97f4a7c15ULL;
	}
	return sum;
}

static bool zeroes(u64 at)
{
	static const u8 none[64];

	return at >= 32 && !memcmp(image + at - 32, none, sizeof(none));
}

static const u8 flips[] = { 0x01, 0x80, 0xff };

/* With a name: the image for the tests of gridctl, instead. */
static int poke(const char *path, u64 offset, u32 value)
{
	const u64 places[] = { 0, GRID_META_SUPER_SECOND };
	FILE *f = fopen(path, "r+b");
	u32 crc = 0;
	int i;

	if (!f || offset > GRID_META_SUPER_SIZE - 4)
		return 1;
	for (i = 0; i < 2; i++) {
		if (fseek(f, places[i], SEEK_SET) ||
		    fread(buf, 1, GRID_META_SUPER_SIZE, f) !=
			    GRID_META_SUPER_SIZE)
			return 1;
		memcpy(buf + offset, &value, sizeof(value));
		memset(buf + 8, 0, sizeof(crc));
		crc = ~crc32c(~0U, buf, GRID_META_SUPER_SIZE);
		memcpy(buf + 8, &crc, sizeof(crc));
		if (fseek(f, places[i], SEEK_SET) ||
		    fwrite(buf, 1, GRID_META_SUPER_SIZE, f) !=
			    GRID_META_SUPER_SIZE)
			return 1;
	}
	return fclose(f);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "first superblock",
					     "second superblock", "snapshot",
					     "log" };
	u64 first[] = { 0, GRID_META_SUPER_SECOND, 0, IMAGE_LOG }, end[4];
	u64 good, i, errors = 0, same = 0, unit = 0, number;
	struct gmeta_writer w;
	struct gmeta_loaded l;
	int k, r, f;

	sb = image_super();
	gmeta_begin(&w, buf, sizeof(buf));
	add(&w, GRID_META_FILLING, 900, 0, 3, false);
	add(&w, GRID_META_VALUE, 901, 0, 0, false);
	for (i = 0; i < 90; i++)
		add(&w, GRID_META_BLOCK, i * 7, 0, 0, false);
	first[2] = sb.snapshot_place[0] * IMAGE_UNIT;
	sb.snapshot = 5;
	sb.snapshot_entries = w.count;
	sb.snapshot_pieces = 1;
	end[2] = first[2] +
		 put(&w, true, 5, 0, sb.snapshot_place[0]) * IMAGE_UNIT;
	number = sb.begin_previous;
	for (i = 0; i < 3; i++) {
		add(&w, GRID_META_GOOD, 70 * i, 8, 0, false);
		add(&w, GRID_META_BLOCK, 2000 + i, 0, 0, false);
		add(&w, GRID_META_INDEXING, 3000 + i, 1 + i, 0, true);
		add(&w, GRID_META_INDEX, 3000 + i, 1 + i, 0, false);
		unit += put(&w, false, number + 1, number, unit);
		number++;
	}
	end[3] = IMAGE_LOG + unit * IMAGE_UNIT;
	sb.reach = number;
	gmeta_super_encode(&sb, image);
	gmeta_super_encode(&sb, image + GRID_META_SUPER_SECOND);
	end[0] = GRID_META_SUPER_SIZE;
	end[1] = first[1] + GRID_META_SUPER_SIZE;

	/* FILE OFFSET VALUE: another 32-bit number in both superblocks, crc right. */
	if (argc > 3)
		return poke(argv[1], strtoull(argv[2], NULL, 0),
			    strtoull(argv[3], NULL, 0));
	if (argc > 1) {
		FILE *f = fopen(argv[1], "wb");

		return !f ||
		       fwrite(image, 1, sizeof(image), f) != sizeof(image) ||
		       fclose(f);
	}
	r = gmeta_load(&image_device, &l);
	if (r || l.commits != 3 || !l.map.count) {
		printf("the image is bad: %d %s\n", r, l.why);
		return 1;
	}
	good = digest(&l.map);
	gmeta_unload(&l);
	for (k = 0; k < 4; k++) {
		for (i = first[k]; i < end[k]; i++) {
			/* Of a long row of zeroes some will do. */
			if (zeroes(i) && i % 29)
				continue;
			f = flips[i % 3];
			image[i] ^= f;
			r = gmeta_load(&image_device, &l);
			if (r ? !*l.why : digest(&l.map) != good) {
				printf("%s, byte %llu ^ %#x: %d \"%s\"\n",
				       names[k], (unsigned long long)i, f, r,
				       l.why);
				return 1;
			}
			/* The other superblock is there still. */
			if (k < 2 && (r || l.super_good[k])) {
				printf("%s, byte %llu: taken for good\n",
				       names[k], (unsigned long long)i);
				return 1;
			}
			if (k >= 2 && r != -EUCLEAN) {
				printf("%s, byte %llu: nobody saw it\n",
				       names[k], (unsigned long long)i);
				return 1;
			}
			errors += r != 0;
			same += !r;
			gmeta_unload(&l);
			image[i] ^= f;
		}
	}
	printf("%llu damaged, %llu by the other superblock\n",
	       (unsigned long long)errors, (unsigned long long)same);
	return 0;
}
