// SPDX-License-Identifier: GPL-2.0
/*
 * The engine of the metadata's log (M1, M2, M4): in which order it has things
 * done, who waits for which commit, what a failure leaves.  What it wrote is
 * loaded again after each step, as after a crash.  Runs in KUnit, and in
 * userspace by tools/testing/meta, whose cut.c throws random runs at it.
 */
#include "meta_sources.h"
#include "../kmod/target/meta_log.c"

#define ML_BLOCKS 1000
#define ML_PIECE 100
#define ML_BYTES (2 * META_BYTES)

static struct {
	u8 *bytes; /* the device */
	struct gmeta_device dev;
	struct gmeta_log log;
	struct gmeta_io io; /* the last thing done */
	bool missing[ML_BLOCKS]; /* what a snapshot gets */
	u64 fill;
	u64 again; /* the last block that was a fault again, and how many were */
	u8 again_sum;
	u32 agains;
} ml;

static int ml_read(void *priv, u64 from, void *buf, u32 bytes)
{
	if (from + bytes > ML_BYTES)
		return -EINVAL;
	memcpy(buf, ml.bytes + from, bytes);
	return 0;
}

static void ml_again(void *priv, const struct gmeta_end *end)
{
	ml.again = end->address;
	ml.again_sum = end->sum[0];
	ml.agains++;
	ml.missing[end->address] = true;
}

/* A new session: as a load leaves the log. */
static int ml_session(void)
{
	struct gmeta_loaded *l = gmeta_alloc(1, sizeof(*l));
	int r = -ENOMEM;

	if (!l)
		return r;
	r = gmeta_load(&ml.dev, l);
	if (!r)
		r = gmeta_log_init(&ml.log, l);
	ml.log.again = ml_again;
	gmeta_unload(l);
	vfree(l);
	return r;
}

static int ml_start(struct kunit *test)
{
	struct gmeta_super sb;

	memset(&ml, 0, sizeof(ml));
	ml.bytes = gmeta_alloc(ML_BYTES, 1);
	if (!ml.bytes)
		return -ENOMEM;
	ml.dev.read = ml_read;
	ml.dev.bytes = ML_BYTES;
	meta_init_super(&sb);
	sb.blocks_max = ML_BLOCKS;
	/* Beyond its half, where a snapshot begins, there is room for commits. */
	sb.area_units += sb.log_units;
	sb.log_units *= 2;
	meta_put_supers(&sb, ml.bytes);
	return ml_session();
}

static void ml_stop(struct kunit *test)
{
	gmeta_log_exit(&ml.log);
	vfree(ml.bytes);
}

/* What a crash now would leave missing: how many, and is @b (any: U64_MAX). */
static u64 ml_after_crash(struct kunit *test, u64 b, bool *is)
{
	struct gmeta_loaded *l = gmeta_alloc(1, sizeof(*l));
	u64 n = U64_MAX;

	KUNIT_ASSERT_TRUE(test, l);
	KUNIT_EXPECT_EQ(test, gmeta_load(&ml.dev, l), 0);
	KUNIT_EXPECT_FALSE(test, l->damaged);
	n = l->map.count;
	if (is)
		*is = gmeta_map_find(&l->map, b);
	gmeta_unload(l);
	vfree(l);
	return n;
}

static bool ml_survives(struct kunit *test, u64 b)
{
	bool is = false;

	ml_after_crash(test, b, &is);
	return is;
}

static void ml_fault(u64 b, u8 sum)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK,
				 .address = b,
				 .has_sum = sum };

	e.sum[0] = sum;
	ml.missing[b] = true;
	gmeta_log_add(&ml.log, &e);
}

static void ml_end(u64 b, u8 sum, bool durable)
{
	struct gmeta_fault f = { .kind = GRID_META_BLOCK,
				 .address = b,
				 .has_sum = sum };

	f.sum[0] = sum;
	ml.missing[b] = false;
	gmeta_log_end(&ml.log, &f, durable, false);
}

/* What is to be done next; it is under way then. */
static enum gmeta_do ml_next(void)
{
	gmeta_log_next(&ml.log, &ml.io);
	if (ml.io.what == GMETA_WRITE)
		gmeta_log_seal(&ml.log, &ml.io);
	return ml.io.what;
}

/* It ended with @r; 0: it was done. */
static void ml_told(int r)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK };

	if (!r && ml.io.what == GMETA_WRITE)
		memcpy(ml.bytes + ml.io.sector * 512, ml.io.buf, ml.io.bytes);
	if (!r && ml.io.what == GMETA_FILL) {
		if (!ml.log.snap_pieces)
			ml.fill = 0;
		/* Small pieces: a snapshot has some. */
		for (; ml.fill < ML_BLOCKS; ml.fill++) {
			e.address = ml.fill;
			if (ml.io.piece->count == ML_PIECE)
				break;
			if (ml.missing[ml.fill] && gmeta_add(ml.io.piece, &e))
				break;
		}
		r = ml.fill == ML_BLOCKS;
	}
	gmeta_log_told(&ml.log, r);
}

/* Do one thing; what it was. */
static enum gmeta_do ml_step(int r)
{
	enum gmeta_do what = ml_next();

	if (what != GMETA_NOTHING)
		ml_told(r);
	return what;
}

/* Do all there is; each step's crash leaves something that loads. */
static void ml_run(struct kunit *test)
{
	int i;

	for (i = 0; ml_step(0) != GMETA_NOTHING; i++) {
		ml_after_crash(test, 0, NULL);
		KUNIT_ASSERT_TRUE(test, i < 1000);
	}
}

/* Of a session's first commit; then superblocks are no part of a step. */
static void ml_begin(struct kunit *test)
{
	ml_fault(999, 9);
	gmeta_log_want(&ml.log);
	ml_run(test);
	KUNIT_ASSERT_TRUE(test, ml_survives(test, 999));
}

static void commit_order(struct kunit *test)
{
	u64 ticket;

	/* Superblocks first: they say which numbers this session has. */
	ml_fault(5, 1);
	ticket = gmeta_log_ticket(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_NOTHING);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, ml.io.sector, 0);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, ticket), -EINPROGRESS);
	KUNIT_EXPECT_FALSE(test, ml_survives(test, 5));
	/* What makes nothing good wants no flush of the data. */
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, ticket), 0);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 5));
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_NOTHING);

	/* An end does, before its commit. */
	ml_end(5, 1, false);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_FLUSH_DATA);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 5));
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_FALSE(test, ml_survives(test, 5));

	/* With FUA it has none to wait for; what is good by a write has. */
	ml_fault(6, 1);
	ml_end(6, 1, true);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	ml_end(7, 1, true);
	gmeta_log_unflushed(&ml.log);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_FLUSH_DATA);
}

static void who_waits_for_which(struct kunit *test)
{
	struct gmeta_flush f;
	u64 first, second;

	ml_begin(test);
	/* Nothing dirty: nobody waits. */
	gmeta_log_flush(&ml.log, &f);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), 0);
	KUNIT_EXPECT_EQ(
		test, gmeta_log_state(&ml.log, gmeta_log_good_ticket(&ml.log)),
		0);

	ml_fault(1, 1);
	ml_fault(2, 1);
	ml_end(1, 1, false);
	first = gmeta_log_good_ticket(&ml.log);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_next(), GMETA_FLUSH_DATA);
	/* It is cut: who comes now has the next one. */
	gmeta_log_flush(&ml.log, &f);
	ml_end(2, 1, false);
	second = gmeta_log_good_ticket(&ml.log);
	KUNIT_EXPECT_TRUE(test, second > first);
	ml_told(0);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, first), 0);
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, second), -EINPROGRESS);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), -EINPROGRESS);
	/* The flush wants it, and a flush of the data after it came. */
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_FLUSH_DATA);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, second), 0);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), 0);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_NOTHING);

	/* It wants that flush also of a commit without ends. */
	ml_fault(3, 1);
	gmeta_log_flush(&ml.log, &f);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_FLUSH_DATA);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), -EINPROGRESS);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), 0);
}

static void flush_fails(struct kunit *test)
{
	struct gmeta_flush f;

	ml_begin(test);
	ml_fault(1, 11);
	ml_fault(2, 22);
	ml_end(1, 11, false);
	ml_end(2, 22, false);
	/* Written since: nothing brings its fault back (D2). */
	gmeta_log_written(&ml.log, 2);
	gmeta_log_flush(&ml.log, &f);
	KUNIT_EXPECT_EQ(test, ml_step(-EIO), GMETA_FLUSH_DATA);
	KUNIT_EXPECT_EQ(test, ml.agains, 1);
	KUNIT_EXPECT_EQ(test, ml.again, 1);
	KUNIT_EXPECT_EQ(test, ml.again_sum, 11);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 1));
	KUNIT_EXPECT_FALSE(test, ml_survives(test, 2));
	/* One flush is told, and only one. */
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), -EIO);
	gmeta_log_flush(&ml.log, &f);
	ml_run(test);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), 0);
}

/* A flush that was somebody else's failed. */
static void flush_lost(struct kunit *test)
{
	ml_begin(test);
	KUNIT_EXPECT_FALSE(test, gmeta_log_lost(&ml.log));
	ml_fault(1, 11);
	ml_end(1, 11, false);
	KUNIT_EXPECT_TRUE(test, gmeta_log_lost(&ml.log));
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_FLUSH_DATA);
	KUNIT_EXPECT_EQ(test, ml.agains, 1);
	ml_run(test);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 1));
}

/* D2: what a retry has flushed is no end any more; a later flush doesn't fail for it. */
static void flush_lost_in_retry(struct kunit *test)
{
	enum gmeta_do what;

	ml_begin(test);
	ml_fault(1, 11);
	ml_end(1, 11, false);
	/* Nobody asked for room. */
	while (!ml.log.failed)
		ml_fault(6, 1);
	gmeta_log_retry(&ml.log);
	while ((what = ml_next()) != GMETA_FILL && what != GMETA_NOTHING)
		ml_told(0);
	KUNIT_ASSERT_EQ(test, what, GMETA_FILL);
	gmeta_log_lost(&ml.log);
	ml_told(0);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	ml_fault(2, 12);
	ml_end(2, 12, false);
	gmeta_log_want(&ml.log);
	ml_run(test);
	KUNIT_EXPECT_EQ(test, ml.agains, 0);
}

static void write_fails(struct kunit *test)
{
	u8 *was = gmeta_alloc(META_UNIT, 1);
	struct gmeta_flush f;
	u64 ticket, sector;

	KUNIT_ASSERT_TRUE(test, was);
	ml_begin(test);
	ml_fault(1, 1);
	ticket = gmeta_log_ticket(&ml.log);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_next(), GMETA_WRITE);
	memcpy(was, ml.io.buf, META_UNIT);
	sector = ml.io.sector;
	ml_told(-EIO);
	/* Once more, unchanged, whatever came meanwhile. */
	ml_fault(2, 1);
	KUNIT_EXPECT_EQ(test, ml_next(), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, ml.io.sector, sector);
	KUNIT_EXPECT_EQ(test, memcmp(was, ml.io.buf, META_UNIT), 0);
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, ticket), -EINPROGRESS);
	ml_told(-EIO);
	vfree(was);

	/* Failed (M4): nothing is done, nobody waits. */
	KUNIT_EXPECT_TRUE(test, ml.log.failed);
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, ticket), -EIO);
	ml_fault(3, 1);
	KUNIT_EXPECT_EQ(test,
			gmeta_log_state(&ml.log, gmeta_log_ticket(&ml.log)),
			-EIO);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_NOTHING);
	gmeta_log_flush(&ml.log, &f);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), 0);
	ml_end(2, 1, false);
	gmeta_log_flush(&ml.log, &f);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), -EIO);
	KUNIT_EXPECT_FALSE(test, ml_survives(test, 3));

	/* A retry writes the whole map. */
	gmeta_log_retry(&ml.log);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 1));
	KUNIT_EXPECT_FALSE(test, ml_survives(test, 2));
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 3));
	KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, ticket), 0);
}

/* Who relies on what was under way, or not cut yet, when it failed is told (M4). */
static void failed_with_ends(struct kunit *test)
{
	struct gmeta_flush f;
	int cut;

	ml_begin(test);
	for (cut = 0; cut < 2; cut++) {
		ml_fault(1, 1);
		ml_fault(2, 1);
		gmeta_log_want(&ml.log);
		ml_run(test);
		if (cut)
			ml_end(1, 1, false);
		else
			ml_fault(3, 1);
		gmeta_log_want(&ml.log);
		while (ml_next() != GMETA_WRITE)
			ml_told(0);
		if (!cut)
			ml_end(2, 1, false);
		ml_told(-EIO);
		KUNIT_EXPECT_EQ(test, ml_step(-EIO), GMETA_WRITE);
		KUNIT_EXPECT_TRUE(test, ml.log.failed);
		gmeta_log_flush(&ml.log, &f);
		KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), -EIO);
		KUNIT_EXPECT_EQ(test,
				gmeta_log_state(&ml.log,
						gmeta_log_good_ticket(&ml.log)),
				-EIO);
		gmeta_log_retry(&ml.log);
		ml_run(test);
		KUNIT_EXPECT_FALSE(test, ml_survives(test, cut ? 1 : 2));
		gmeta_log_flush(&ml.log, &f);
		KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), 0);
	}
}

/* A whole turn of the log: a snapshot counts only when a commit closed it. */
static void snapshot_turn(struct kunit *test)
{
	u64 snapshot, ticket, b = 0, steps = 0;
	enum gmeta_do what;

	ml_begin(test);
	snapshot = ml.log.sb.snapshot;
	while (ml.log.sb.snapshot < snapshot + 3) {
		KUNIT_ASSERT_TRUE(test, steps++ < 100000);
		if (!ml.missing[b])
			ml_fault(b, 1);
		else
			ml_end(b, 1, true);
		b = (b + 7) % 990;
		ticket = gmeta_log_ticket(&ml.log);
		gmeta_log_want(&ml.log);
		do {
			/* What its pieces show is committed by then. */
			what = ml_step(0);
			/* Commits come in between. */
			if (what == GMETA_FILL) {
				ml_fault(990 + steps % 9, 1);
				ticket = gmeta_log_ticket(&ml.log);
				gmeta_log_want(&ml.log);
			}
			if (what == GMETA_FLUSH)
				KUNIT_EXPECT_EQ(
					test, gmeta_log_state(&ml.log, ticket),
					0);
		} while (what != GMETA_NOTHING);
		KUNIT_EXPECT_EQ(test, gmeta_log_state(&ml.log, ticket), 0);
		if (steps % 64)
			continue;
		KUNIT_EXPECT_EQ(test, ml_survives(test, b), ml.missing[b]);
	}
	for (b = 0, steps = 0; b < ML_BLOCKS; b++)
		steps += ml.missing[b];
	KUNIT_EXPECT_EQ(test, ml_after_crash(test, 0, NULL), steps);
}

/* Until a snapshot that nobody asked for wants its first piece. */
static void ml_until_fill(struct kunit *test)
{
	u64 b = 100, steps = 0;
	enum gmeta_do what;

	do {
		KUNIT_ASSERT_TRUE(test, steps++ < 100000);
		ml_fault(b, 1);
		ml_end(b, 1, true);
		b = b < 900 ? b + 7 : 100;
		gmeta_log_want(&ml.log);
		while ((what = ml_next()) != GMETA_NOTHING &&
		       what != GMETA_FILL)
			ml_told(0);
	} while (what != GMETA_FILL);
}

/*
 * M1: what a sync jump moves is met twice, which can be more than a snapshot has
 * room for: then it begins anew, and what is written is whole.
 */
static void snapshot_too_large(struct kunit *test)
{
	enum gmeta_do what;
	u64 snapshot;

	ml_begin(test);
	ml_fault(5, 1);
	snapshot = ml.log.sb.snapshot;
	ml_until_fill(test);
	ml.log.snap_left = 0;
	ml_told(0);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	KUNIT_EXPECT_EQ(test, ml.log.sb.snapshot, snapshot + 1);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 5));
	/* One that never fits is a failure. */
	ml_until_fill(test);
	do {
		ml.log.snap_left = 0;
		ml_told(0);
	} while (ml_next() == GMETA_FILL);
	KUNIT_EXPECT_TRUE(test, ml.log.failed);
	/* A retry's may begin anew as often. */
	gmeta_log_retry(&ml.log);
	while ((what = ml_next()) != GMETA_FILL && what != GMETA_NOTHING)
		ml_told(0);
	KUNIT_EXPECT_EQ(test, what, GMETA_FILL);
	ml.log.snap_left = 0;
	ml_told(0);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 5));
}

/*
 * M1: the commit that closes a snapshot has room kept for it.  A session that ended
 * between the two has used that: then no place is used again that a load may read.
 */
static void closes_without_room(struct kunit *test)
{
	u64 used;

	ml_begin(test);
	ml_fault(5, 1);
	ml_until_fill(test);
	ml_fault(6, 1);
	used = ml.log.used;
	ml.log.used = ml.log.sb.log_units;
	ml_told(0);
	ml_run(test);
	KUNIT_EXPECT_TRUE(test, ml.log.failed);
	KUNIT_EXPECT_EQ(test, ml.log.used, ml.log.sb.log_units);
	/* A retry needs no such commit. */
	ml.log.used = used;
	gmeta_log_retry(&ml.log);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 6));
}

/*
 * M3: a snapshot that was being filled when the log failed is none: it shows what no
 * commit says, and what no flush was behind.
 */
static void fails_while_filling(struct kunit *test)
{
	enum gmeta_do what;

	ml_begin(test);
	ml_fault(5, 1);
	gmeta_log_want(&ml.log);
	ml_run(test);
	ml_until_fill(test);
	ml_end(5, 1, false);
	/* Nobody asked for room. */
	while (!ml.log.failed)
		ml_fault(6, 1);
	ml_told(0);
	KUNIT_ASSERT_EQ(test, ml.fill, ML_BLOCKS);
	gmeta_log_retry(&ml.log);
	do {
		KUNIT_EXPECT_TRUE(test, ml_survives(test, 5));
		what = ml_step(0);
	} while (what != GMETA_FLUSH_DATA && what != GMETA_NOTHING);
	KUNIT_EXPECT_EQ(test, what, GMETA_FLUSH_DATA);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	KUNIT_EXPECT_FALSE(test, ml_survives(test, 5));
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 6));
}

/* M4: the change that the log fails for is not durable either. */
static void fails_with_a_good_one(struct kunit *test)
{
	struct gmeta_entry e = { .kind = GRID_META_GOOD,
				 .address = 6,
				 .count = 1 };
	struct gmeta_flush f;

	ml_begin(test);
	while (ml.log.open->w.used + GL_ENTRY <= ml.log.open->w.size)
		ml_fault(6, 1);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	gmeta_log_add(&ml.log, &e);
	KUNIT_EXPECT_TRUE(test, ml.log.failed);
	gmeta_log_flush(&ml.log, &f);
	KUNIT_EXPECT_EQ(test, gmeta_log_flush_state(&ml.log, &f), -EIO);
}

static void room(struct kunit *test)
{
	u64 n = 0, b = 0;

	ml_begin(test);
	while (gmeta_log_room(&ml.log, 1, 1)) {
		KUNIT_ASSERT_TRUE(test, n++ < 1000000);
		ml_fault(b, 1);
		if (!gmeta_log_room(&ml.log, 1, 1))
			break;
		ml_end(b, 1, false);
		b = (b + 1) % 990;
	}
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	gmeta_log_want(&ml.log);
	KUNIT_EXPECT_EQ(test, ml_next(), GMETA_FLUSH_DATA);
	/* It is cut: there is room again, though nothing is written yet. */
	KUNIT_EXPECT_TRUE(test, gmeta_log_room(&ml.log, 1, 1));
	/* And its records have their room, should the flush fail. */
	ml_told(-EIO);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, ml.again));
}

/* How many blocks there are, as a load finds it. */
static u64 ml_blocks(struct kunit *test)
{
	struct gmeta_loaded *l = gmeta_alloc(1, sizeof(*l));
	u64 n;

	KUNIT_ASSERT_TRUE(test, l);
	KUNIT_EXPECT_EQ(test, gmeta_load(&ml.dev, l), 0);
	n = l->super.blocks;
	gmeta_unload(l);
	vfree(l);
	return n;
}

/* A longer device is in both superblocks before any of its blocks is (M5). */
static void grows(struct kunit *test)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK, .address = 1000 };
	u64 sectors = ml.log.sb.data_sectors;

	/* As the first that a session writes, and nothing else comes of it. */
	gmeta_log_grow(&ml.log, 1001, sectors + 8);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, ml.log.sb.blocks, 1000);
	KUNIT_EXPECT_EQ(test, ml_blocks(test), 1001);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, ml.log.sb.blocks, 1001);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_NOTHING);
	gmeta_log_add(&ml.log, &e);
	gmeta_log_want(&ml.log);
	ml_run(test);
	KUNIT_EXPECT_TRUE(test, ml_survives(test, 1000));
	gmeta_log_grow(&ml.log, 1001, sectors + 8);
	KUNIT_EXPECT_EQ(test, ml_step(0), GMETA_NOTHING);

	/* Before a commit that is wanted; it doesn't end the snapshot. */
	gmeta_log_exit(&ml.log);
	KUNIT_ASSERT_EQ(test, ml_session(), 0);
	ml_begin(test);
	ml.log.used = ml.log.sb.log_units / 2;
	ml_fault(1, 1);
	gmeta_log_want(&ml.log);
	while (!ml.log.snapshot)
		KUNIT_ASSERT_TRUE(test, ml_step(0) != GMETA_NOTHING);
	gmeta_log_grow(&ml.log, 1002, sectors + 16);
	while (ml.log.sb.blocks < 1002) {
		KUNIT_ASSERT_TRUE(test, ml_step(0) != GMETA_NOTHING);
		KUNIT_EXPECT_TRUE(test, ml.log.snapshot);
	}
	KUNIT_EXPECT_EQ(test, ml_blocks(test), 1002);
	ml_run(test);
	KUNIT_EXPECT_EQ(test, ml.log.snapshot, 0);
	KUNIT_EXPECT_EQ(test, ml_blocks(test), 1002);

	/* One that fails is made up for by a retry. */
	gmeta_log_grow(&ml.log, 1003, sectors + 24);
	KUNIT_EXPECT_EQ(test, ml_step(-EIO), GMETA_WRITE);
	KUNIT_EXPECT_EQ(test, ml_step(-EIO), GMETA_WRITE);
	KUNIT_EXPECT_TRUE(test, ml.log.failed);
	KUNIT_EXPECT_EQ(test, ml.log.sb.blocks, 1002);
	gmeta_log_retry(&ml.log);
	ml_run(test);
	KUNIT_EXPECT_FALSE(test, ml.log.failed);
	KUNIT_EXPECT_EQ(test, ml_blocks(test), 1003);
}

/* Numbers never repeat, also when what was written did not count (M1). */
static void sessions(struct kunit *test)
{
	const struct grid_meta_disk_head *head;
	u64 number, i;

	ml_begin(test);
	for (i = 0; i < 5; i++) {
		ml_fault(i, 1);
		gmeta_log_want(&ml.log);
		while (ml_next() != GMETA_WRITE)
			ml_told(0);
		/* Of the session's superblocks, then of its commit. */
		while (ml.log.step != GL_COMMIT) {
			ml_told(0);
			ml_next();
		}
		head = ml.io.buf;
		number = le64_to_cpu(head->number);
		/* A crash: it may be there or not, and is not. */
		gmeta_log_exit(&ml.log);
		KUNIT_ASSERT_EQ(test, ml_session(), 0);
		ml_fault(i, 1);
		gmeta_log_want(&ml.log);
		ml_run(test);
		KUNIT_EXPECT_TRUE(test, ml.log.last > number);
		KUNIT_EXPECT_TRUE(test, ml_survives(test, i));
	}
}

static struct kunit_case meta_log_cases[] = { KUNIT_CASE(commit_order),
					      KUNIT_CASE(who_waits_for_which),
					      KUNIT_CASE(flush_fails),
					      KUNIT_CASE(flush_lost),
					      KUNIT_CASE(flush_lost_in_retry),
					      KUNIT_CASE(write_fails),
					      KUNIT_CASE(failed_with_ends),
					      KUNIT_CASE_SLOW(snapshot_turn),
					      KUNIT_CASE(snapshot_too_large),
					      KUNIT_CASE(closes_without_room),
					      KUNIT_CASE(fails_while_filling),
					      KUNIT_CASE(fails_with_a_good_one),
					      KUNIT_CASE(room),
					      KUNIT_CASE(grows),
					      KUNIT_CASE(sessions),
					      {} };

static struct kunit_suite meta_log_suite = {
	.name = "grid_meta_log",
	.init = ml_start,
	.exit = ml_stop,
	.test_cases = meta_log_cases,
};

kunit_test_suite(meta_log_suite);

MODULE_DESCRIPTION("KUnit: metadata log of dm-grid");
MODULE_LICENSE("GPL");
