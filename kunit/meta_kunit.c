// SPDX-License-Identifier: GPL-2.0
/*
 * The format of the metadata, and its load (M1): what is encoded is what is
 * decoded; what is impossible is an error that names it; a damaged log is told
 * from one that ends.  Runs in KUnit, and in userspace by tools/testing/meta,
 * where every byte is flipped too.
 */
#include "meta_sources.h"

/* A device in memory, and a writer of its log. */
struct mk {
	u8 *bytes;
	u64 size;
	u64 bad_from, bad_to; /* can't be read */
	struct gmeta_super sb;
	struct gmeta_device dev;
	struct gmeta_loaded l;
	struct gmeta_writer w;
	u8 *buf;
	u64 number, unit;
};

static struct mk mk;

static int mk_read(void *priv, u64 from, void *buf, u32 bytes)
{
	if (from + bytes > mk.size)
		return -EINVAL;
	if (from < mk.bad_to && from + bytes > mk.bad_from)
		return -EIO;
	memcpy(buf, mk.bytes + from, bytes);
	return 0;
}

static void mk_super(void)
{
	meta_put_supers(&mk.sb, mk.bytes);
}

static int mk_start(struct kunit *test)
{
	memset(&mk, 0, sizeof(mk));
	mk.size = META_BYTES;
	mk.bytes = gmeta_alloc(mk.size, 1);
	mk.buf = gmeta_alloc(GRID_META_COMMIT_MIN, 1);
	if (!mk.bytes || !mk.buf)
		return -ENOMEM;
	mk.dev.read = mk_read;
	mk.dev.bytes = mk.size;
	meta_init_super(&mk.sb);
	mk.number = mk.sb.floor;
	mk_super();
	gmeta_begin(&mk.w, mk.buf, GRID_META_COMMIT_MIN);
	return 0;
}

static void mk_stop(struct kunit *test)
{
	gmeta_unload(&mk.l);
	vfree(mk.bytes);
	vfree(mk.buf);
}

static void mk_add(u8 kind, u64 address, u8 sum, u32 table, u32 value,
		   bool more)
{
	struct gmeta_entry e = { .kind = kind,
				 .address = address,
				 .has_sum = sum,
				 .more = more,
				 .table = table,
				 .value = value,
				 .count = table };

	e.sum[0] = sum;
	e.sum[15] = sum;
	gmeta_add(&mk.w, &e);
}

static void mk_block(u64 address, u8 sum)
{
	mk_add(GRID_META_BLOCK, address, sum, 0, 0, false);
}

static void mk_good(u64 address, u32 count)
{
	mk_add(GRID_META_GOOD, address, 0, count, 0, false);
}

/* What was added becomes the next commit; returns its unit. */
static u64 mk_commit(void)
{
	struct gmeta_head head = { .previous = mk.number,
				   .number = mk.number + 1 };
	u32 bytes = gmeta_padded(&mk.sb, mk.w.whole);
	u64 at;

	if (bytes / META_UNIT > mk.sb.log_units - mk.unit)
		mk.unit = 0;
	at = mk.unit;
	head.place = at;
	gmeta_end(&mk.w, &mk.sb, &head);
	memcpy(mk.bytes + (mk.sb.log_place + at) * META_UNIT, mk.buf, bytes);
	mk.unit = (at + bytes / META_UNIT) % mk.sb.log_units;
	mk.number++;
	gmeta_begin(&mk.w, mk.buf, GRID_META_COMMIT_MIN);
	return at;
}

/* What was added becomes the only piece of the next snapshot. */
static void mk_snapshot(void)
{
	struct gmeta_head head = { .piece = true };
	u32 bytes;

	mk.sb.snapshot++;
	mk.sb.snapshot_which ^= 1;
	head.number = mk.sb.snapshot;
	head.place = mk.sb.snapshot_place[mk.sb.snapshot_which];
	bytes = gmeta_end(&mk.w, &mk.sb, &head);
	memcpy(mk.bytes + head.place * META_UNIT, mk.buf, bytes);
	mk.sb.snapshot_pieces = 1;
	mk.sb.snapshot_entries = head.count;
	mk.sb.begin_unit = mk.unit;
	mk.sb.begin_previous = mk.number;
	mk.sb.reach = mk.number;
	mk.sb.snapshot_end = mk.number;
	mk.sb.sequence++;
	mk_super();
	gmeta_begin(&mk.w, mk.buf, GRID_META_COMMIT_MIN);
}

static int mk_load(void)
{
	gmeta_unload(&mk.l);
	return gmeta_load(&mk.dev, &mk.l);
}

static bool mk_has(u64 address, u8 sum)
{
	const struct gmeta_fault *f = gmeta_map_find(&mk.l.map, address);

	return f && f->has_sum == !!sum && f->sum[15] == sum;
}

static bool mk_says(const char *what)
{
	return strstr(mk.l.why, what);
}

/* The check value that everybody gives for CRC-32C. */
static void crc_is_crc32c(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, ~crc32c(~0U, "123456789", 9), 0xe3069283U);
}

static void super_round(struct kunit *test)
{
	struct gmeta_super got;
	char why[GMETA_WHY];

	KUNIT_EXPECT_EQ(test, sizeof(struct grid_meta_disk_super), 464);
	KUNIT_EXPECT_EQ(test, sizeof(struct grid_meta_disk_head), 64);
	KUNIT_EXPECT_EQ(test, sizeof(struct grid_meta_disk_run), 16);
	KUNIT_EXPECT_EQ(test, sizeof(struct grid_meta_disk_entry), 32);
	KUNIT_ASSERT_EQ(test, gmeta_super_decode(mk.bytes, 0, &got, why), 0);
	KUNIT_EXPECT_TRUE(test, !memcmp(&got, &mk.sb, sizeof(got)));
}

/* A flipped byte is seen, wherever it is. */
static void super_flips(struct kunit *test)
{
	struct gmeta_super got;
	u32 i;

	for (i = 0; i < GRID_META_SUPER_SIZE; i++) {
		mk.bytes[i] ^= 0x40;
		KUNIT_EXPECT_TRUE(test, gmeta_super_decode(mk.bytes, 0, &got,
							   NULL) < 0);
		mk.bytes[i] ^= 0x40;
	}
}

/* Decode @sb, which is as the caller spoilt it. */
static int mk_decode(struct gmeta_super *sb, u64 bytes, char *why)
{
	struct gmeta_super got;
	u8 *block = gmeta_alloc(GRID_META_SUPER_SIZE, 1);
	int r = -ENOMEM;

	if (block) {
		gmeta_super_encode(sb, block);
		r = gmeta_super_decode(block, bytes, &got, why);
		vfree(block);
	}
	meta_init_super(sb);
	return r;
}

#define MK_SPOILT(field, value, error, text)                                   \
	do {                                                                   \
		sb.field = value;                                              \
		KUNIT_EXPECT_EQ(test, mk_decode(&sb, META_BYTES, why), error); \
		KUNIT_EXPECT_TRUE(test, strstr(why, text));                    \
	} while (0)

static void super_impossible(struct kunit *test)
{
	struct gmeta_super sb;
	char why[GMETA_WHY] = "";

	meta_init_super(&sb);
	MK_SPOILT(version, 2, -EOPNOTSUPP, "version 2");
	MK_SPOILT(version, 0, -EUCLEAN, "version 0");
	MK_SPOILT(incompat, 0x10, -EOPNOTSUPP, "0x10");
	MK_SPOILT(block_size, 2048, -EUCLEAN, "block size");
	MK_SPOILT(block_size, 12288, -EUCLEAN, "block size");
	MK_SPOILT(unit_size, 512, -EUCLEAN, "unit size");
	MK_SPOILT(blocks, 0, -EUCLEAN, "blocks");
	MK_SPOILT(blocks, U64_MAX, -EUCLEAN, "blocks");
	MK_SPOILT(blocks, 1001, -EUCLEAN, "place of the data");
	MK_SPOILT(data_start, U64_MAX, -EUCLEAN, "place of the data");
	MK_SPOILT(state, 3, -EUCLEAN, "state");
	MK_SPOILT(flags, 2, -EUCLEAN, "flags");
	MK_SPOILT(hash[0], '\n', -EUCLEAN, "hash");
	MK_SPOILT(wwid[100], 'x', -EUCLEAN, "identity");
	MK_SPOILT(blocks_max, 0, -EUCLEAN, "limits");
	MK_SPOILT(tables_max, U32_MAX, -EUCLEAN, "limits");
	MK_SPOILT(table_values_max, 1 << 20, -EUCLEAN, "longest commit");
	MK_SPOILT(commit_max, META_UNIT, -EUCLEAN, "longest commit");
	MK_SPOILT(commit_max, GRID_META_COMMIT_MIN + 1, -EUCLEAN,
		  "longest commit");
	MK_SPOILT(snapshot_place[0], 1, -EUCLEAN, "places");
	MK_SPOILT(snapshot_place[1], sb.log_place - 1, -EUCLEAN, "places");
	MK_SPOILT(snapshot_units, U64_MAX, -EUCLEAN, "places");
	MK_SPOILT(log_units, U64_MAX, -EUCLEAN, "places");
	MK_SPOILT(log_units, 5, -EUCLEAN, "size of the log");
	MK_SPOILT(snapshot_units, 5, -EUCLEAN, "size of the snapshots");
	MK_SPOILT(snapshot_which, 2, -EUCLEAN, "snapshot");
	MK_SPOILT(snapshot_entries, 1, -EUCLEAN, "snapshot");
	MK_SPOILT(floor, U64_MAX - 2, -EUCLEAN, "number");
	MK_SPOILT(reach, U64_MAX - 2, -EUCLEAN, "number");
	MK_SPOILT(snapshot, U64_MAX, -EUCLEAN, "number");
	MK_SPOILT(begin_unit, sb.log_units, -EUCLEAN, "begin");
	MK_SPOILT(reach, 1, -EUCLEAN, "begin");
	MK_SPOILT(area_units, META_BYTES / META_UNIT + 1, -ENOSPC, "only");
	sb.compat = 0x80;
	KUNIT_EXPECT_EQ(test, mk_decode(&sb, META_BYTES, why), 0);
	sb.ro_compat = 0x80;
	KUNIT_EXPECT_EQ(test, mk_decode(&sb, META_BYTES, why), 0);
}

/* Which of two superblocks, and what is told when there is none. */
static void super_two(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_TRUE(test, mk.l.super_same);

	mk.sb.sequence = 2;
	mk.sb.created = 77;
	gmeta_super_encode(&mk.sb, mk.bytes + GRID_META_SUPER_SECOND);
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.super.created, 77);
	KUNIT_EXPECT_FALSE(test, mk.l.super_same);

	mk.bytes[GRID_META_SUPER_SECOND + 100] ^= 1;
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.super.created, 0);
	KUNIT_EXPECT_FALSE(test, mk.l.super_good[1]);

	mk.bytes[100] ^= 1;
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("byte 0: damaged"));

	mk.bad_to = 4096;
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("byte 524288: damaged"));
	mk.bad_to = META_BYTES;
	KUNIT_EXPECT_EQ(test, mk_load(), -EIO);
	mk.bad_to = 0;

	mk_super();
	mk.sb.uuid[3]++;
	gmeta_super_encode(&mk.sb, mk.bytes);
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("contradict"));

	/* Half of it made by a newer version: hands off. */
	mk.sb.uuid[3]--;
	mk_super();
	mk.sb.version = 2;
	gmeta_super_encode(&mk.sb, mk.bytes + GRID_META_SUPER_SECOND);
	KUNIT_EXPECT_EQ(test, mk_load(), -EOPNOTSUPP);

	memset(mk.bytes, 0, META_BYTES);
	KUNIT_EXPECT_EQ(test, mk_load(), -ENODATA);
	KUNIT_EXPECT_TRUE(test, mk_says("blank"));
	mk.bytes[510] = 0x55;
	KUNIT_EXPECT_EQ(test, mk_load(), -ENODATA);
	KUNIT_EXPECT_TRUE(test, mk_says("no grid metadata"));
	mk.dev.bytes = 4096;
	KUNIT_EXPECT_EQ(test, mk_load(), -ENODATA);
	KUNIT_EXPECT_TRUE(test, mk_says("too small"));
}

/* The last entry wins, a run ends what it covers (M1). */
static void replay(struct kunit *test)
{
	u32 i;

	mk_block(1, 11);
	mk_block(999, 0);
	mk_snapshot();
	mk_block(2, 0);
	mk_block(2, 22);
	mk_block(3, 33);
	mk_commit();
	mk_good(1, 1);
	for (i = 100; i < 160; i++)
		mk_block(i, 1);
	mk_commit();
	mk_good(101, 58);
	mk_commit();
	KUNIT_ASSERT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.commits, 3);
	KUNIT_EXPECT_EQ(test, mk.l.last, mk.number);
	KUNIT_EXPECT_EQ(test, mk.l.next_unit, 3);
	KUNIT_EXPECT_EQ(test, mk.l.used_units, 3);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 5);
	KUNIT_EXPECT_FALSE(test, gmeta_map_find(&mk.l.map, 1));
	KUNIT_EXPECT_TRUE(test, mk_has(2, 22));
	KUNIT_EXPECT_TRUE(test, mk_has(3, 33));
	KUNIT_EXPECT_TRUE(test, mk_has(100, 1));
	KUNIT_EXPECT_TRUE(test, mk_has(159, 1));
	KUNIT_EXPECT_TRUE(test, mk_has(999, 0));
}

/* Round and round the log, commits of all lengths. */
static void log_wraps(struct kunit *test)
{
	u32 i, n, rounds = 0;
	u64 at = 0, before;

	for (i = 0; rounds < 3; i++) {
		for (n = 0; n < 2000 + i % 7 * 4000; n++)
			mk_block(n % 90, i);
		before = at;
		at = mk_commit();
		rounds += at < before;
		/* As an engine does it long before its log is full. */
		mk_block(91, i);
		if (!(i % 5))
			mk_snapshot();
		else
			gmeta_begin(&mk.w, mk.buf, GRID_META_COMMIT_MIN);
		if (i % 4)
			continue;
		KUNIT_ASSERT_EQ(test, mk_load(), 0);
		KUNIT_EXPECT_EQ(test, mk.l.last, mk.number);
		KUNIT_EXPECT_TRUE(test, i % 5 ? mk_has(89, i) : mk_has(91, i));
	}
}

/* The end of the log, and what is none. */
static void log_ends(struct kunit *test)
{
	u64 at, unit = mk.sb.log_place * META_UNIT;
	u8 *first = mk.bytes + unit;

	mk_block(1, 1);
	mk_commit();
	mk_block(2, 2);
	at = mk_commit() * META_UNIT;
	mk_block(3, 3);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 3);

	/* Torn, as a commit under way may be: that is the end. */
	first[2 * at] ^= 1;
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 2);

	/* But not when it had been written. */
	mk.sb.reach = mk.number;
	mk_super();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk.l.damaged);
	KUNIT_EXPECT_TRUE(test, mk_says("had been written"));
	mk.sb.reach = mk.sb.begin_previous;
	mk_super();
	first[2 * at] ^= 1;

	/* And not before a later commit. */
	first[at + 70] ^= 1;
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("is good"));
	KUNIT_EXPECT_EQ(test, mk.l.highest, mk.number);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 1);
	first[at + 70] ^= 1;

	/* What can't be read is not the end. */
	mk.bad_from = unit + 3 * at;
	mk.bad_to = mk.bad_from + 1;
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("can't read"));
	/* Where no commit can be it does no harm. */
	mk.bad_from = unit + 4 * at;
	mk.bad_to = mk.bad_from + 1;
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.unreadable, 1);
}

/* A commit of another history follows nothing, though it is good. */
static void log_other_history(struct kunit *test)
{
	mk_block(1, 1);
	mk_commit();
	mk_block(2, 2);
	mk_commit();
	/* The second is from before a crash: the first was written anew. */
	mk.unit = 0;
	mk.number = mk.sb.floor + GRID_META_SESSION;
	mk_block(3, 3);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	/* Its predecessor has to be right as well. */
	mk.sb.begin_previous = mk.sb.floor + GRID_META_SESSION;
	mk.sb.snapshot_end = mk.sb.begin_previous;
	mk.sb.reach = mk.sb.begin_previous;
	mk_super();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 1);
	KUNIT_EXPECT_TRUE(test, mk_has(3, 3));
}

/* A snapshot counts whole, or the load fails. */
static void snapshot_damaged(struct kunit *test)
{
	u64 at;

	mk_block(1, 1);
	mk_block(2, 2);
	mk_snapshot();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	at = mk.sb.snapshot_place[1] * META_UNIT;
	mk.bytes[at + 4000] ^= 1;
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("piece 0 of snapshot 1"));
	mk.bytes[at + 4000] ^= 1;
	mk.sb.snapshot_entries = 3;
	mk_super();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	mk.sb.snapshot_entries = 2;
	mk.sb.snapshot = 2;
	mk_super();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	mk.sb.snapshot = 1;
	mk.sb.snapshot_pieces = 2;
	mk_super();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("piece 1 of snapshot 1"));
}

/* Entries that can't be: each in a commit with a good crc. */
static void entries_impossible(struct kunit *test)
{
	static const struct gmeta_entry bad[] = {
		{ .kind = 0 },
		{ .kind = 0x02, .count = 1 },
		{ .kind = GRID_META_GOOD, .count = 0 },
		{ .kind = GRID_META_GOOD, .address = 999, .count = 2 },
		{ .kind = GRID_META_GOOD, .address = 1, .count = U64_MAX },
		{ .kind = GRID_META_GOOD, .count = 1, .has_sum = true },
		{ .kind = GRID_META_BLOCK, .address = 1000 },
		{ .kind = GRID_META_BLOCK, .table = 1 },
		{ .kind = GRID_META_BLOCK, .value = 1 },
		{ .kind = 0x13 },
		{ .kind = GRID_META_INDEX, .table = 3 },
		{ .kind = GRID_META_INDEX, .value = 1 },
		{ .kind = GRID_META_VALUE, .value = 10 },
		{ .kind = GRID_META_INDEXING, .value = 1 },
		{ .kind = GRID_META_FILLING, .value = 0 },
		{ .kind = GRID_META_FILLING, .value = 11 },
		{ .kind = GRID_META_DONE, .table = 3 },
		{ .kind = GRID_META_FREE, .address = 1 },
		{ .kind = 0x25 },
		{ .kind = GRID_META_BLOCK, .more = true },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		gmeta_begin(&mk.w, mk.buf, GRID_META_COMMIT_MIN);
		gmeta_add(&mk.w, &bad[i]);
		mk.w.whole = mk.w.used; /* also a group that is cut */
		mk.w.whole_count = 1;
		mk.unit = 0;
		mk.number = mk.sb.floor;
		mk_commit();
		KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
		if (mk_says("impossible") != !bad[i].more)
			KUNIT_FAIL(test, "%u: %s", i, mk.l.why);
	}
}

/* Tables and their members fit together at the end, not before. */
static void tables(struct kunit *test)
{
	mk_add(GRID_META_INDEXING, 5, 55, 1, 0, true);
	mk_add(GRID_META_INDEX, 5, 55, 1, 0, false);
	mk_commit();
	KUNIT_ASSERT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.tables[1].kind, GRID_META_INDEXING);

	/* The index is written: one group. */
	mk_good(5, 1);
	mk_add(GRID_META_FILLING, 5, 55, 1, 2, true);
	mk_add(GRID_META_VALUE, 6, 66, 1, 0, true);
	mk_add(GRID_META_VALUE, 7, 77, 1, 1, false);
	mk_commit();
	KUNIT_ASSERT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.tables[1].left, 2);

	/* Its slot is another table's, with a value at the same address. */
	mk_add(GRID_META_DONE, 5, 55, 1, 2, true);
	mk_good(6, 2);
	mk_add(GRID_META_FILLING, 8, 88, 1, 1, true);
	mk_add(GRID_META_VALUE, 6, 67, 1, 0, false);
	mk_commit();
	KUNIT_ASSERT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.tables[1].left, 1);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 1);

	mk_good(6, 1);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("table 1 has nothing left"));
	mk_add(GRID_META_FREE, 0, 0, 1, 0, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);

	mk_add(GRID_META_VALUE, 6, 66, 0, 0, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN);
	KUNIT_EXPECT_TRUE(test, mk_says("block 6 is said to be a value"));
	mk_add(GRID_META_FILLING, 5, 0, 0, 2, false);
	mk_add(GRID_META_VALUE, 7, 0, 0, 0, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN); /* value 0 twice */
	mk_add(GRID_META_FILLING, 5, 0, 2, 1, false);
	mk_add(GRID_META_VALUE, 7, 0, 2, 0, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN); /* index 5 twice */
	KUNIT_EXPECT_TRUE(test, mk_says("same index block 5"));
	mk_add(GRID_META_FILLING, 4, 0, 2, 1, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	mk_add(GRID_META_INDEXING, 4, 0, 2, 0, false);
	mk_good(7, 1);
	mk_add(GRID_META_INDEX, 9, 0, 2, 0, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), -EUCLEAN); /* not its index */
}

/*
 * M3: a cancel that a crash cut short leaves values of a cancelled table, which are
 * faults of their own from then on, also when its slot is another table's.
 */
static void cancel_cut_short(struct kunit *test)
{
	const struct gmeta_fault *f;

	mk_add(GRID_META_FILLING, 5, 0, 1, 3, true);
	mk_add(GRID_META_VALUE, 6, 66, 1, 0, true);
	mk_add(GRID_META_VALUE, 7, 77, 1, 1, true);
	mk_add(GRID_META_VALUE, 8, 88, 1, 2, false);
	mk_commit();
	mk_add(GRID_META_CANCELLED, 5, 0, 1, 3, false);
	mk_good(6, 1);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 2);

	/* Another session: one of them is good, and the slot is reclaimed. */
	mk_good(7, 1);
	mk_add(GRID_META_FREE, 0, 0, 1, 0, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	f = gmeta_map_find(&mk.l.map, 8);
	KUNIT_ASSERT_TRUE(test, f);
	KUNIT_EXPECT_EQ(test, f->kind, GRID_META_BLOCK);
	KUNIT_EXPECT_EQ(test, f->sum[0], 88);

	mk_add(GRID_META_FILLING, 15, 0, 1, 3, true);
	mk_add(GRID_META_VALUE, 16, 0, 1, 2, false);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.tables[1].left, 1);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 2);
}

/*
 * More single blocks than blocks_max are no damage: they have lost their slots (M2), or
 * are values that a cancel had not reached.  But there is an end.
 */
static void too_many(struct kunit *test)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK };
	struct gmeta_super sb;
	struct gmeta_map map;
	char why[GMETA_WHY];
	u64 most;

	meta_init_super(&sb);
	sb.blocks = 1 << 20;
	sb.data_sectors = 1 << 23;
	most = gmeta_records_max(&sb);
	KUNIT_ASSERT_TRUE(test, most < sb.blocks);
	KUNIT_ASSERT_EQ(test, gmeta_map_init(&map, &sb), 0);
	for (; e.address < most; e.address++)
		if (gmeta_map_apply(&map, &e))
			break;
	KUNIT_EXPECT_EQ(test, map.count, most);
	KUNIT_EXPECT_EQ(test, gmeta_map_check(&map, &sb, why), 0);
	KUNIT_EXPECT_EQ(test, gmeta_map_apply(&map, &e), 0);
	KUNIT_EXPECT_EQ(test, gmeta_map_check(&map, &sb, why), -ENOSPC);
	KUNIT_EXPECT_TRUE(test, strstr(why, "blocks are missing"));
	gmeta_map_exit(&map);
}

/* An image says how many there are, not how much memory they may take. */
static void too_many_for_memory(struct kunit *test)
{
	u64 b;

	mk.dev.cells_max = 1024;
	for (b = 0; b < 700; b++)
		mk_block(b, 0);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), 0);
	KUNIT_EXPECT_EQ(test, mk.l.map.count, 700);
	for (; b < 800; b++)
		mk_block(b, 0);
	mk_commit();
	KUNIT_EXPECT_EQ(test, mk_load(), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, mk_says("no memory for more than"));
	mk.dev.cells_max = 0;
}

/* Blocks that meet in one cell by one multiplier don't by another. */
static void map_seeded(struct kunit *test)
{
	const u64 multiplier = 0xd1b54a32d192ed03ULL;
	struct gmeta_super sb;
	struct gmeta_map map;
	u64 inverse = 1, b, i, met[2] = {};

	meta_init_super(&sb);
	KUNIT_ASSERT_EQ(test, gmeta_map_init(&map, &sb), 0);
	/* Newton's: right in twice as many bits each time. */
	for (i = 0; i < 6; i++)
		inverse *= 2 - map.multiplier * inverse;
	for (i = 0; i < 2; i++) {
		for (b = 0; b < 500; b++)
			met[i] += !gmeta_cell(&map, b * inverse);
		map.multiplier = multiplier;
	}
	KUNIT_EXPECT_EQ(test, met[0], 500);
	KUNIT_EXPECT_LE(test, met[1], 50);
	gmeta_map_exit(&map);
}

/* A group is in one commit or in the next. */
static void groups_whole(struct kunit *test)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK };
	struct gmeta_writer w;
	struct gmeta_head head = {};

	gmeta_begin(&w, mk.buf, 64 + 3 * 32);
	KUNIT_EXPECT_EQ(test, gmeta_add(&w, &e), 0);
	e.more = true;
	KUNIT_EXPECT_EQ(test, gmeta_add(&w, &e), 0);
	KUNIT_EXPECT_EQ(test, gmeta_add(&w, &e), 0);
	KUNIT_EXPECT_EQ(test, gmeta_add(&w, &e), -ENOSPC);
	KUNIT_EXPECT_EQ(test, w.count, 1);
	gmeta_end(&w, &mk.sb, &head);
	KUNIT_EXPECT_EQ(test, head.count, 1);
	KUNIT_EXPECT_EQ(test, head.length, 64 + 32);
}

/* The dictionary beside an array: all that hashing may get wrong. */
static void map_random(struct kunit *test)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK };
	u64 r = 1, n = 0, i, step;
	struct gmeta_super sb;
	struct gmeta_map map;
	static u8 model[6000];

	meta_init_super(&sb);
	sb.blocks = ARRAY_SIZE(model);
	KUNIT_ASSERT_EQ(test, gmeta_map_init(&map, &sb), 0);
	memset(model, 0, sizeof(model));
	for (step = 0; step < 40000; step++) {
		r = r * 6364136223846793005ULL + 1442695040888963407ULL;
		e.address = (r >> 20) % ARRAY_SIZE(model);
		e.kind = GRID_META_BLOCK;
		if ((r >> 60) < 6) {
			e.kind = GRID_META_GOOD;
			e.count = 1 + ((r >> 40) & ((1 << (r >> 56) % 13) - 1));
			e.count = min(e.count, ARRAY_SIZE(model) - e.address);
			if (step % 1000 == 999)
				e.count = ARRAY_SIZE(model) - e.address;
			for (i = e.address; i < e.address + e.count; i++) {
				n -= !!model[i];
				model[i] = 0;
			}
		} else {
			n += !model[e.address];
			model[e.address] = 1;
		}
		KUNIT_ASSERT_EQ(test, gmeta_map_apply(&map, &e), 0);
		KUNIT_ASSERT_EQ(test, map.count, n);
		if (step % 100)
			continue;
		for (i = 0; i < ARRAY_SIZE(model); i++)
			if (!gmeta_map_find(&map, i) != !model[i])
				KUNIT_FAIL(test, "step %llu block %llu",
					   (unsigned long long)step,
					   (unsigned long long)i);
	}
	gmeta_map_exit(&map);
}

static struct kunit_case meta_cases[] = { KUNIT_CASE(crc_is_crc32c),
					  KUNIT_CASE(super_round),
					  KUNIT_CASE(super_flips),
					  KUNIT_CASE(super_impossible),
					  KUNIT_CASE(super_two),
					  KUNIT_CASE(replay),
					  KUNIT_CASE(log_wraps),
					  KUNIT_CASE(log_ends),
					  KUNIT_CASE(log_other_history),
					  KUNIT_CASE(snapshot_damaged),
					  KUNIT_CASE(entries_impossible),
					  KUNIT_CASE(too_many_for_memory),
					  KUNIT_CASE(map_seeded),
					  KUNIT_CASE(tables),
					  KUNIT_CASE(cancel_cut_short),
					  KUNIT_CASE(too_many),
					  KUNIT_CASE(groups_whole),
					  KUNIT_CASE_SLOW(map_random),
					  {} };

static struct kunit_suite meta_suite = {
	.name = "grid_meta",
	.init = mk_start,
	.exit = mk_stop,
	.test_cases = meta_cases,
};

kunit_test_suite(meta_suite);

MODULE_DESCRIPTION("KUnit: metadata of dm-grid");
MODULE_LICENSE("GPL");
