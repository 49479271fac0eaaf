// SPDX-License-Identifier: GPL-2.0
/*
 * Power cuts (M9): the log's engine on two simulated disks, a random workload,
 * a cut anywhere, a load, and M3 against a model of what was acknowledged.
 *
 *   cut [SEED [CUTS]]	from this seed on, at least so many cuts
 *   cut -m MINUTES	from the clock, for so long
 *
 * The data disk has a volatile cache: of the values written to a block since the
 * last flush any one may be there after a cut.  What is written to the metadata is
 * torn by sector; an error leaves any part of it.  A flush that fails loses some
 * of what was cached, and is told once.
 *
 * The model doesn't ask the engine what it thinks, except when it cuts.
 */
#include <stdarg.h>
#include <time.h>
#include "image.h"

#define BLOCKS 256
#define TABLES 3
#define VALUES 60
#define PENDING 6
#define WAITERS 64
#define NOWHERE (~0ULL)

/* A state of the map. */
struct state {
	struct gmeta_fault f[BLOCKS];
	struct gmeta_table t[TABLES];
};

/* A block of the data disk; values grow, 0 is garbage. */
struct block {
	u32 durable, pending[PENDING], n, flushing;
	u32 claim; /* at least that is there after a cut */
	bool claimed_good; /* ... and it isn't missing */
	bool acked; /* its ENQUEUE returned: it is missing or right */
	bool must; /* ... and nothing ended it */
	bool freed; /* a barrier that freed it has ended */
	bool busy; /* in a barrier that has not ended */
	u32 epoch; /* counts what makes waiters' knowledge old */
	bool aside; /* dropped by a jump under way: still in the map */
	/* Ends that no data flush has made durable: of the open commit, the cut */
	struct end {
		bool on, dropped, touched, has_sum;
		u8 sum[16];
	} open, cut;
};

enum { W_NONE, W_ENQUEUE, W_FUA, W_FLUSH, W_BARRIER };

struct waiter {
	int kind;
	u64 ticket;
	struct gmeta_flush flush;
	bool own; /* nothing was dirty: a flush of the application's own */
	u32 first, count;
	u32 value[BLOCKS], epoch[BLOCKS];
};

static struct gmeta_log engine;
static struct state now, at_cut, committed, whole;
static bool have_cut, have_whole;
static struct block blocks[BLOCKS];
static struct waiter waiters[WAITERS];
static u32 value, jump;
static u64 rng, seed, highest, cuts, commits, snapshots, sessions, steps;
static u64 failures, retries, bad_flushes, suspends;
static struct gmeta_io io;
static bool trouble, unknown;
/* A data flush failed, and no flush of the application was told yet. */
static bool owed;
/* One that the engine did not ask for failed: its next one counts as failed. */
static bool told_others;
/* What a cut is to follow soon: an answer while a commit is under way. */
static bool early;
/* The last commit that was written, and its number; no session's: 0. */
static u64 last_from, last_bytes, last_number;
/* The write under way, as a cut has it. */
static u8 overlay[4 * 1024 * 1024];
static u64 overlay_from, overlay_bytes;

static u32 rnd(u32 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 20) % n;
}

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("seed %llu step %llu: ", (unsigned long long)seed,
	       (unsigned long long)steps);
	vprintf(fmt, ap);
	printf("\n");
	exit(1);
}

/*
 * The disks
 */

static u32 current(const struct block *b)
{
	return b->n ? b->pending[b->n - 1] : b->durable;
}

static void put(struct block *b, u32 v)
{
	if (b->n == PENDING) {
		b->durable = b->pending[0];
		b->n--;
		b->flushing -= !!b->flushing;
		memmove(b->pending, b->pending + 1, b->n * sizeof(u32));
	}
	b->pending[b->n++] = v;
}

static void put_fua(struct block *b, u32 v)
{
	b->durable = v;
	b->n = b->flushing = 0;
}

static void flush_begin(void)
{
	u32 i;

	for (i = 0; i < BLOCKS; i++)
		blocks[i].flushing = blocks[i].n;
}

static void lost(struct block *b)
{
	if ((b->open.on && !b->open.dropped) ||
	    (b->cut.on && !b->cut.dropped && !b->cut.touched))
		return;
	b->acked = false;
	b->epoch++;
}

static void flush_end(bool good)
{
	struct block *b;
	u32 i, n;

	for (i = 0; i < BLOCKS; i++) {
		b = &blocks[i];
		n = good ? b->flushing : b->n;
		if (!n)
			continue;
		if (good || rnd(2))
			b->durable = b->pending[n - 1];
		else
			/* Lost; a later write took its record, and is owed none. */
			lost(b);
		b->n -= n;
		memmove(b->pending, b->pending + n, b->n * sizeof(u32));
		b->flushing = 0;
	}
}

/* A place that lost what was there. */
static u64 lose_from = NOWHERE;

static int cut_read(void *priv, u64 from, void *buf, u32 bytes)
{
	u64 a, z;

	image_read(priv, from, buf, bytes);
	if (from == lose_from)
		memset(buf, 0, bytes);
	a = from > overlay_from ? from : overlay_from;
	z = from + bytes < overlay_from + overlay_bytes ?
		    from + bytes :
		    overlay_from + overlay_bytes;
	if (a < z)
		memcpy((u8 *)buf + (a - from), overlay + (a - overlay_from),
		       z - a);
	return 0;
}

/* Some sectors of a write, torn; all of them. */
static void part(u8 *to, const u8 *buf, u32 bytes, bool all)
{
	u32 i, style = rnd(4), at = rnd(bytes / 512 + 1);

	for (i = 0; i < bytes / 512; i++)
		if (all || (style == 0 ? i < at :
			    style == 1 ? i >= at :
					 rnd(2)))
			memcpy(to + i * 512, buf + i * 512, 512);
}

/*
 * The map: every change goes into the model and to the engine
 */

static void touch(u32 i, bool drop)
{
	struct block *b = &blocks[i];

	b->open.dropped |= drop;
	b->cut.touched = true;
	b->aside = false;
}

static void add(u8 kind, u32 address, u32 count, const u8 *sum, u32 table,
		u32 val, bool more)
{
	struct gmeta_entry e = { .kind = kind,
				 .address = address,
				 .count = count,
				 .has_sum = sum,
				 .table = table,
				 .value = val,
				 .more = more };
	u32 i;

	if (sum)
		memcpy(e.sum, sum, 16);
	if (kind == GRID_META_GOOD) {
		for (i = address; i < address + count; i++) {
			touch(i, true);
			now.f[i].kind = 0;
			blocks[i].must = false;
		}
	} else if (kind <= GRID_META_VALUE) {
		struct gmeta_fault *f = &now.f[address];

		touch(address, true);
		memset(f, 0, sizeof(*f));
		f->address = address;
		f->kind = kind;
		f->has_sum = sum;
		memcpy(f->sum, e.sum, 16);
		f->table = table;
		f->value = val;
	} else {
		struct gmeta_table *t = &now.t[table];

		memset(t, 0, sizeof(*t));
		t->kind = kind == GRID_META_FREE ? 0 : kind;
		t->address = address;
		t->has_sum = sum;
		memcpy(t->sum, e.sum, 16);
		t->values = val;
	}
	gmeta_log_add(&engine, &e);
}

/* A write of the whole block has ended, and so has the fault. */
static void ended(u32 i, bool durable, bool more)
{
	struct gmeta_fault f = now.f[i];
	struct block *b = &blocks[i];

	touch(i, true);
	now.f[i].kind = 0;
	b->must = false;
	gmeta_log_end(&engine, &f, durable, more);
	if (durable)
		return;
	b->open.on = true;
	b->open.dropped = false;
	b->open.has_sum = f.has_sum;
	memcpy(b->open.sum, f.sum, 16);
}

static u32 left(u32 table)
{
	u32 i, n = 0;

	for (i = 0; i < BLOCKS; i++)
		n += now.f[i].kind == GRID_META_VALUE &&
		     now.f[i].table == table;
	return n;
}

static const u8 *random_sum(void)
{
	static u8 sum[16];
	u32 i;

	if (!rnd(4))
		return NULL;
	for (i = 0; i < 16; i++)
		sum[i] = rnd(256);
	return sum;
}

static void again(void *priv, const struct gmeta_end *end)
{
	u32 i = end->address;

	if (now.f[i].kind)
		die("block %u is to be a fault again, and is one", i);
	if (!(blocks[i].open.on && !blocks[i].open.dropped) &&
	    !(blocks[i].cut.on && !blocks[i].cut.dropped &&
	      !blocks[i].cut.touched))
		die("block %u is a fault again, and was written since", i);
	now.f[i] = (struct gmeta_fault){ .kind = GRID_META_BLOCK,
					 .address = i,
					 .has_sum = end->has_sum };
	memcpy(now.f[i].sum, end->sum, 16);
	blocks[i].claim = 0;
	blocks[i].claimed_good = false;
	blocks[i].epoch++;
}

/* A block turns bad. */
static void spoil(u32 i)
{
	struct block *b = &blocks[i];

	put_fua(b, 0);
	b->claim = 0;
	b->claimed_good = b->acked = b->freed = false;
	b->epoch++;
}

static struct waiter *wait_for(int kind)
{
	u32 i;

	for (i = 0; i < WAITERS; i++)
		if (!waiters[i].kind) {
			waiters[i].kind = kind;
			return &waiters[i];
		}
	return NULL;
}

static void wait_enqueue(u32 i)
{
	struct waiter *w = wait_for(W_ENQUEUE);

	gmeta_log_want(&engine);
	if (!w)
		return;
	w->ticket = gmeta_log_ticket(&engine);
	w->first = i;
	w->epoch[i] = blocks[i].epoch;
}

static void flush(int kind, u32 first, u32 count)
{
	struct waiter *w = wait_for(kind);
	u32 i;

	if (!w)
		return;
	gmeta_log_flush(&engine, &w->flush);
	w->own = !gmeta_log_state(&engine, w->flush.serial);
	w->first = first;
	w->count = count;
	for (i = 0; i < BLOCKS; i++) {
		w->value[i] = now.f[i].kind ? 0 : current(&blocks[i]);
		w->epoch[i] = blocks[i].epoch;
	}
	if (!w->own)
		return;
	/* Not while one of the engine's is under way: it would be the same. */
	if (io.what == GMETA_FLUSH_DATA)
		w->own = false;
	flush_begin();
	flush_end(true);
}

/* The set of a checkpoint that is now durable (D5). */
static void barrier(u32 i)
{
	u32 n = 1 + rnd(6), k;

	for (k = i; k < i + n; k++)
		if (k >= BLOCKS || blocks[k].busy ||
		    now.f[k].kind > GRID_META_BLOCK)
			return;
	if (!gmeta_log_room(&engine, 1, 0))
		return;
	add(GRID_META_GOOD, i, n, NULL, 0, 0, false);
	for (k = i; k < i + n; k++) {
		blocks[k].acked = false;
		blocks[k].busy = true;
		blocks[k].epoch++;
	}
	flush(W_BARRIER, i, n);
}

static void answered(struct waiter *w, int r)
{
	struct block *b;
	u32 i;

	early |= !r && have_cut;
	if (w->kind >= W_FLUSH) {
		if (!r && owed)
			die("a failed flush was told to nobody");
		if (!gmeta_log_state(&engine, w->flush.serial))
			owed = false;
	}
	for (i = 0; !r && w->kind == W_FLUSH && i < BLOCKS; i++) {
		b = &blocks[i];
		if (w->epoch[i] == b->epoch && w->value[i] > b->claim) {
			b->claim = w->value[i];
			b->claimed_good = !now.f[i].kind;
		}
	}
	b = &blocks[w->first];
	if (!r && w->kind == W_ENQUEUE && w->epoch[w->first] == b->epoch) {
		b->acked = true;
		b->must = now.f[w->first].kind && !b->aside;
	}
	if (!r && w->kind == W_FUA && w->epoch[w->first] == b->epoch &&
	    w->value[0] > b->claim) {
		b->claim = w->value[0];
		b->claimed_good = !now.f[w->first].kind;
	}
	for (i = w->first; w->kind == W_BARRIER && i < w->first + w->count;
	     i++) {
		b = &blocks[i];
		b->busy = false;
		if (r)
			continue;
		/* Now the discard, and who likes may write. */
		spoil(i);
		b->freed = !now.f[i].kind;
	}
	w->kind = W_NONE;
}

static void look_at_waiters(void)
{
	struct waiter *w;
	int r;

	for (w = waiters; w < waiters + WAITERS; w++) {
		if (!w->kind)
			continue;
		if (w->kind >= W_FLUSH)
			r = gmeta_log_flush_state(&engine, &w->flush);
		else
			r = gmeta_log_state(&engine, w->ticket);
		if (r != -EINPROGRESS)
			answered(w, r);
	}
}

/*
 * The workload
 */

static void enqueue(u32 i)
{
	struct block *b = &blocks[i];

	if (b->busy)
		return;
	if (now.f[i].kind && !b->aside) {
		/* A duplicate; or a checksum that is adopted. */
		if (now.f[i].kind == GRID_META_BLOCK && !now.f[i].has_sum &&
		    rnd(2) && gmeta_log_room(&engine, 1, 0))
			add(GRID_META_BLOCK, i, 1, random_sum(), 0, 0, false);
		wait_enqueue(i);
		return;
	}
	if (!gmeta_log_room(&engine, 1, 0))
		return;
	spoil(i);
	add(GRID_META_BLOCK, i, 1, random_sum(), 0, 0, false);
	wait_enqueue(i);
}

/* A read error: nobody waits for it, and it doesn't wait for room. */
static void detect(u32 i)
{
	if (blocks[i].busy || now.f[i].kind)
		return;
	spoil(i);
	add(GRID_META_BLOCK, i, 1, NULL, 0, 0, false);
}

static void enqueue_table(u32 i)
{
	const u8 *sum = random_sum();
	u32 t;

	for (t = 0; t < TABLES; t++)
		if (now.t[t].address == i &&
		    (now.t[t].kind == GRID_META_INDEXING ||
		     now.t[t].kind == GRID_META_FILLING))
			return;
	for (t = 0; t < TABLES && now.t[t].kind; t++)
		;
	if (t == TABLES || blocks[i].busy || now.f[i].kind ||
	    !gmeta_log_room(&engine, 2, 0))
		return;
	spoil(i);
	add(GRID_META_INDEXING, i, 1, sum, t, 0, true);
	add(GRID_META_INDEX, i, 1, sum, t, 0, false);
	wait_enqueue(i);
}

/* Its table is cancelled, and the sweep has not come to it. */
static bool is_pending(u32 i)
{
	return now.f[i].kind > GRID_META_BLOCK &&
	       now.t[now.f[i].table].kind == GRID_META_CANCELLED;
}

static void cancel_one(u32 i)
{
	add(GRID_META_GOOD, i, 1, NULL, 0, 0, false);
	blocks[i].acked = false;
	blocks[i].epoch++;
}

/* A cancel goes in slices, between which there may be a commit, and a cut. */
static void cancel_table(u32 t)
{
	u32 i, n = rnd(VALUES);

	if (!now.t[t].kind || !gmeta_log_room(&engine, VALUES + 2, 0))
		return;
	if (now.t[t].kind == GRID_META_INDEXING ||
	    now.t[t].kind == GRID_META_FILLING)
		add(GRID_META_CANCELLED, now.t[t].address, 1,
		    now.t[t].has_sum ? now.t[t].sum : NULL, t, now.t[t].values,
		    false);
	for (i = 0; i < BLOCKS; i++) {
		if (!is_pending(i) || now.f[i].table != t)
			continue;
		if (!n--)
			return;
		cancel_one(i);
	}
	if (!rnd(4))
		add(GRID_META_FREE, 0, 1, NULL, t, 0, false);
}

/* A table's index is there: its values are missing. */
static void index_repaired(u32 i)
{
	u32 t = now.f[i].table, n = 1 + rnd(VALUES), at = rnd(BLOCKS), k, v;
	struct gmeta_table tab = now.t[t];

	for (v = 0, k = 0; k < BLOCKS && v < n; k++) {
		u32 a = (at + k) % BLOCKS;

		v += a != i && !now.f[a].kind && !blocks[a].busy;
	}
	n = v;
	if (!n)
		return;
	put(&blocks[i], ++value);
	ended(i, false, true);
	add(GRID_META_FILLING, i, 1, tab.has_sum ? tab.sum : NULL, t, n, true);
	for (v = 0, k = 0; v < n; k++) {
		u32 a = (at + k) % BLOCKS;

		if (a == i || now.f[a].kind || blocks[a].busy)
			continue;
		spoil(a);
		v++;
		add(GRID_META_VALUE, a, 1, random_sum(), t, v - 1, v < n);
	}
}

/* A repair's write, or the application's, of a whole block. */
static void write_block(u32 i, bool fua)
{
	struct gmeta_fault f = now.f[i];
	struct block *b = &blocks[i];
	struct gmeta_table *t;
	struct waiter *w;

	if (b->busy || !gmeta_log_room(&engine, VALUES + 3, 1))
		return;
	if (f.kind == GRID_META_INDEX) {
		index_repaired(i);
		return;
	}
	if (fua)
		put_fua(b, ++value);
	else
		put(b, ++value);
	if (f.kind == GRID_META_VALUE) {
		t = &now.t[f.table];
		ended(i, fua, left(f.table) == 1);
		if (!left(f.table))
			add(GRID_META_DONE, t->address, 1,
			    t->has_sum ? t->sum : NULL, f.table, t->values,
			    false);
	} else if (f.kind) {
		ended(i, fua, false);
	} else {
		gmeta_log_written(&engine, i);
		touch(i, true);
	}
	if (!fua)
		return;
	w = wait_for(W_FUA);
	if (!w)
		return;
	w->ticket = gmeta_log_good_ticket(&engine);
	w->first = i;
	w->value[0] = value;
	w->epoch[i] = b->epoch;
	gmeta_log_want(&engine);
}

/* A sync jump drops the single faults; the map keeps them until it ends. */
static void sync_jump(void)
{
	u32 i;

	if (!jump) {
		for (i = 0; i < BLOCKS; i++)
			blocks[i].aside = now.f[i].kind == GRID_META_BLOCK;
		jump = 1;
		return;
	}
	for (i = 0; i < BLOCKS; i++) {
		if (!blocks[i].aside)
			continue;
		if (!gmeta_log_room(&engine, 1, 0))
			return;
		blocks[i].acked = false;
		blocks[i].epoch++;
		add(GRID_META_GOOD, i, 1, NULL, 0, 0, false);
	}
	jump = 0;
}

/*
 * The worker
 */

static u32 fill_at;

static void fill(void)
{
	u32 n = 0, most = seed % 4 ? 10 + rnd(200) : 5 + rnd(20);
	struct gmeta_entry e;

	for (; fill_at < BLOCKS + TABLES && n < most; fill_at++) {
		memset(&e, 0, sizeof(e));
		if (fill_at < BLOCKS) {
			const struct gmeta_fault *f = &now.f[fill_at];

			if (!f->kind)
				continue;
			e.kind = f->kind;
			e.address = f->address;
			e.has_sum = f->has_sum;
			memcpy(e.sum, f->sum, 16);
			e.table = f->table;
			e.value = f->value;
		} else {
			const struct gmeta_table *t = &now.t[fill_at - BLOCKS];

			if (!t->kind)
				continue;
			e.kind = t->kind;
			e.address = t->address;
			e.has_sum = t->has_sum;
			memcpy(e.sum, t->sum, 16);
			e.table = fill_at - BLOCKS;
			e.value = t->values;
		}
		if (gmeta_add(io.piece, &e))
			break;
		n++;
	}
}

static void work_begin(void)
{
	const struct gmeta_commit *before = engine.cut;
	const struct grid_meta_disk_head *head;
	u32 i;

	gmeta_log_next(&engine, &io);
	if (!before && engine.cut) {
		at_cut = now;
		have_cut = true;
		for (i = 0; i < BLOCKS; i++) {
			blocks[i].cut = blocks[i].open;
			memset(&blocks[i].open, 0, sizeof(blocks[i].open));
		}
	}
	if (io.what == GMETA_FILL && !engine.snap_pieces)
		fill_at = 0;
	if (io.what == GMETA_FLUSH_DATA)
		flush_begin();
	if (io.what != GMETA_WRITE)
		return;
	gmeta_log_seal(&engine, &io);
	head = io.buf;
	if (!memcmp(head->magic, GRID_META_COMMIT_MAGIC, 4)) {
		if (head->number < highest ||
		    (head->number == highest && !unknown))
			die("number %llu used again",
			    (unsigned long long)head->number);
		commits += head->number > highest;
		highest = head->number;
	}
}

static void flush_failed(void)
{
	struct block *b;
	u32 i;

	bad_flushes++;
	owed = true;
	for (i = 0; i < BLOCKS; i++) {
		b = &blocks[i];
		if (b->open.on && !b->open.dropped && !now.f[i].kind)
			die("block %u: a flush failed, and it is good", i);
		memset(&b->open, 0, sizeof(b->open));
		if (!have_cut || !b->cut.on || b->cut.dropped)
			continue;
		at_cut.f[i] = (struct gmeta_fault){ .kind = GRID_META_BLOCK,
						    .address = i,
						    .has_sum = b->cut.has_sum };
		memcpy(at_cut.f[i].sum, b->cut.sum, 16);
		if (!b->cut.touched && !now.f[i].kind)
			die("block %u: its flush failed, and it is good", i);
	}
}

static void work_end(void)
{
	u64 done = engine.done, counted = engine.sb.snapshot;
	bool bad = trouble && !rnd(3), failed = engine.failed;
	u32 i;
	int r = bad ? -EIO : 0, told = 0;

	if (io.what == GMETA_FLUSH_DATA) {
		r = rnd(12) ? 0 : -EIO;
		flush_end(!r);
		told = r;
		r = r ? r : told_others ? -EIO : 0;
		told_others = false;
	} else if (io.what == GMETA_WRITE) {
		part(image + io.sector * 512, io.buf, io.bytes, !bad);
		if (!memcmp(io.buf, GRID_META_COMMIT_MAGIC, 4)) {
			last_from = io.sector * 512;
			last_bytes = io.bytes;
			last_number = highest;
		}
		/* Only this may be written under the same number again. */
		unknown = bad;
	} else if (io.what == GMETA_FILL) {
		fill();
		r = fill_at == BLOCKS + TABLES;
		/* A retry's: from now on it may be what a load finds. */
		if (r && engine.snap_whole) {
			whole = now;
			have_whole = true;
		}
	}
	gmeta_log_told(&engine, io.what == GMETA_FLUSH_DATA ? told : r);
	if (io.what == GMETA_FLUSH_DATA && r)
		flush_failed();
	io.what = GMETA_NOTHING;
	failures += engine.failed && !failed;
	if (engine.sb.snapshot != counted) {
		snapshots++;
		if (have_whole) {
			committed = whole;
			have_whole = false;
		}
	} else if (engine.done != done) {
		committed = at_cut;
	}
	if (!engine.cut)
		have_cut = false;
	for (i = 0; !have_cut && i < BLOCKS; i++)
		memset(&blocks[i].cut, 0, sizeof(blocks[i].cut));
	/* What is open becomes part of the whole as well, which a flush was behind. */
	if (failed && !engine.failed) {
		told_others = false;
		for (i = 0; i < BLOCKS; i++)
			memset(&blocks[i].open, 0, sizeof(blocks[i].open));
	}
	look_at_waiters();
}

/*
 * A cut
 */

static bool same(const struct gmeta_map *map, const struct state *s)
{
	const struct gmeta_fault *f;
	struct gmeta_fault want;
	u32 i;

	for (i = 0; i < BLOCKS; i++) {
		f = gmeta_map_find(map, i);
		want = s->f[i];
		/* What a cancel had not reached is a fault of its own. */
		if (want.kind > GRID_META_BLOCK &&
		    s->t[want.table].kind == GRID_META_CANCELLED) {
			want.kind = GRID_META_BLOCK;
			want.table = want.value = 0;
		}
		if (!f != !want.kind)
			return false;
		if (f && (f->kind != want.kind || f->table != want.table ||
			  f->value != want.value ||
			  f->has_sum != want.has_sum ||
			  memcmp(f->sum, want.sum, 16)))
			return false;
	}
	for (i = 0; i < TABLES; i++)
		if (map->tables[i].kind != s->t[i].kind ||
		    (s->t[i].kind &&
		     (map->tables[i].address != s->t[i].address ||
		      map->tables[i].values != s->t[i].values ||
		      memcmp(map->tables[i].sum, s->t[i].sum, 16))))
			return false;
	return true;
}

static void cut(bool stay)
{
	const struct gmeta_device dev = { .read = cut_read,
					  .bytes = IMAGE_BYTES };
	struct gmeta_loaded l;
	u32 i, v, pick;
	int r;

	cuts++;
	overlay_bytes = 0;
	lose_from = NOWHERE;
	/* Either superblock alone will do, once both are written. */
	if (!stay && engine.begun && engine.step < 6 && !rnd(4))
		lose_from = rnd(2) ? GRID_META_SUPER_SECOND : 0;
	if (io.what == GMETA_WRITE) {
		overlay_from = io.sector * 512;
		overlay_bytes = io.bytes;
		memcpy(overlay, image + overlay_from, io.bytes);
		part(overlay, io.buf, io.bytes, !rnd(6));
	}
	r = gmeta_load(&dev, &l);
	lose_from = NOWHERE;
	if (r)
		die("load: %d: %s", r, l.why);
	if (!same(&l.map, &committed) && !(have_cut && same(&l.map, &at_cut)) &&
	    !(have_whole && same(&l.map, &whole)))
		die("the map is at none of the commits it may be at");
	for (i = 0; i < BLOCKS; i++) {
		bool missing = gmeta_map_find(&l.map, i);
		struct block *b = &blocks[i];

		pick = rnd(b->n + 1);
		v = pick ? b->pending[pick - 1] : b->durable;
		if (b->must && !missing)
			die("block %u: its enqueue returned", i);
		if (b->acked && !missing && !v)
			die("block %u is garbage and not missing", i);
		if (b->claim && v < b->claim)
			die("block %u: %u was durable, %u is there", i,
			    b->claim, v);
		if (b->claim && b->claimed_good && missing && !now.f[i].kind)
			die("block %u: %u is repaired over", i, b->claim);
		if (b->freed && missing && !now.f[i].kind)
			die("block %u: its barrier ended", i);
		if (stay)
			put_fua(b, v);
	}
	if (!stay) {
		gmeta_unload(&l);
		return;
	}
	/* The machine starts again from that. */
	memcpy(image + overlay_from, overlay, overlay_bytes);
	memset(&now, 0, sizeof(now));
	memset(waiters, 0, sizeof(waiters));
	for (i = 0; i < BLOCKS; i++) {
		const struct gmeta_fault *f = gmeta_map_find(&l.map, i);
		struct block *b = &blocks[i];

		b->must = b->acked = f;
		if (f) {
			now.f[i] = *f;
			b->claim = 0;
		}
		b->claimed_good &= !f;
		b->freed = b->freed && !f;
		b->busy = b->aside = false;
		b->epoch++;
		memset(&b->open, 0, sizeof(b->open));
		memset(&b->cut, 0, sizeof(b->cut));
	}
	for (i = 0; i < TABLES; i++)
		now.t[i] = l.map.tables[i];
	committed = now;
	have_cut = have_whole = false;
	jump = 0;
	gmeta_log_exit(&engine);
	if (gmeta_log_init(&engine, &l))
		die("no memory");
	engine.again = again;
	gmeta_unload(&l);
	io.what = GMETA_NOTHING;
	trouble = unknown = owed = told_others = false;
	last_number = 0;
	sessions++;
}

/* A suspend: a last commit that is lost after it is noticed. */
static void suspend(void)
{
	const struct gmeta_device dev = { .read = cut_read,
					  .bytes = IMAGE_BYTES };
	struct gmeta_loaded l;
	int r;

	if (engine.failed || trouble)
		return;
	gmeta_log_mark(&engine);
	for (;;) {
		if (io.what)
			work_end();
		gmeta_log_want(&engine);
		work_begin();
		if (!io.what)
			break;
	}
	if (engine.failed || last_number <= engine.sb.begin_previous)
		return;
	overlay_from = last_from;
	overlay_bytes = last_bytes;
	memset(overlay, 0, last_bytes);
	r = gmeta_load(&dev, &l);
	gmeta_unload(&l);
	if (!r)
		die("the last commit is lost, and nobody says so");
	suspends++;
}

/* So much at once that the log fills: what stands is said again. */
static void burst(void)
{
	u32 i, n;

	for (i = 0; i < BLOCKS && now.f[i].kind != GRID_META_BLOCK; i++)
		;
	if (i == BLOCKS || blocks[i].aside)
		return;
	for (n = 0; n < 30000 && gmeta_log_room(&engine, 1000, 200); n++)
		add(GRID_META_BLOCK, i, 1,
		    now.f[i].has_sum ? now.f[i].sum : NULL, 0, 0, false);
	gmeta_log_want(&engine);
}

/* One of few, so that what is done to it meets. */
static u32 some_block(void)
{
	u32 i = rnd(BLOCKS), n;

	if (!have_cut || rnd(2))
		return i;
	for (n = 0; n < BLOCKS; n++)
		if (blocks[(i + n) % BLOCKS].cut.on ||
		    now.f[(i + n) % BLOCKS].kind !=
			    committed.f[(i + n) % BLOCKS].kind)
			return (i + n) % BLOCKS;
	return i;
}

static void step(void)
{
	u32 i = some_block();

	/* Whoever meets it finishes it first. */
	if (is_pending(i)) {
		if (!gmeta_log_room(&engine, 1, 0))
			return;
		cancel_one(i);
	}
	steps++;
	switch (rnd(40)) {
	case 0 ... 4:
		enqueue(i);
		break;
	case 5:
		if (rnd(2))
			detect(i);
		else
			enqueue_table(i);
		break;
	case 6:
		if (!rnd(3))
			cancel_table(rnd(TABLES));
		break;
	case 7 ... 14:
		for (; i < BLOCKS - 1 && !now.f[i].kind; i++)
			;
		write_block(i, !rnd(6));
		break;
	case 15 ... 16:
		write_block(i, !rnd(2));
		break;
	case 17:
		flush(W_FLUSH, 0, 0);
		break;
	case 18:
		barrier(i);
		break;
	case 19:
		if (!rnd(20))
			sync_jump();
		break;
	case 20:
		/* A barrier's flush fails: who asked for it is told of the loss. */
		if (!rnd(20)) {
			flush_end(false);
			told_others |= gmeta_log_lost(&engine);
		}
		gmeta_log_want(&engine);
		if (!rnd(50))
			gmeta_log_mark(&engine);
		if (!rnd(200))
			suspend();
		else if (!(seed % 4) && !rnd(engine.snapshot ? 2 : 20))
			burst();
		break;
	case 21:
		if (!rnd(100))
			trouble = !trouble;
		if (engine.failed && !rnd(4)) {
			trouble = trouble && rnd(2);
			retries += engine.stopped;
			gmeta_log_retry(&engine);
		}
		break;
	default:
		if (io.what)
			work_end();
		else
			work_begin();
	}
	look_at_waiters();
}

static void run(u64 n)
{
	struct gmeta_loaded l;
	struct gmeta_super sb = image_super();
	u32 i;

	rng = n * 0x9e3779b97f4a7c15ULL + 1;
	seed = n;
	steps = 0;
	value = 0;
	highest = 0;
	memset(blocks, 0, sizeof(blocks));
	memset(waiters, 0, sizeof(waiters));
	memset(&now, 0, sizeof(now));
	memset(image, 0, sizeof(image));
	committed = now;
	have_cut = have_whole = trouble = unknown = owed = told_others = false;
	last_number = 0;
	jump = 0;
	io.what = GMETA_NOTHING;
	for (i = 0; i < BLOCKS; i++)
		blocks[i].durable = ++value;
	sb.blocks = BLOCKS;
	sb.blocks_max = BLOCKS;
	sb.tables_max = TABLES;
	sb.table_values_max = VALUES;
	gmeta_super_encode(&sb, image);
	gmeta_super_encode(&sb, image + GRID_META_SUPER_SECOND);
	if (gmeta_load(&image_device, &l) || gmeta_log_init(&engine, &l))
		die("%s", l.why);
	engine.again = again;
	gmeta_unload(&l);
	for (i = 0; i < 40000; i++) {
		early = false;
		step();
		if (!rnd(400) || (engine.step > 3 && !rnd(20)) ||
		    (early && !rnd(20)))
			cut(false);
		else if (!rnd(4000))
			cut(true);
	}
	gmeta_log_exit(&engine);
}

int main(int argc, char **argv)
{
	u64 n = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	u64 most = argc > 2 ? strtoull(argv[2], NULL, 0) : 1500;
	time_t begin = time(NULL), minutes = 0;

	if (argc > 2 && !strcmp(argv[1], "-m")) {
		minutes = most;
		n = begin;
	}
	do
		run(n++);
	while (minutes ? time(NULL) < begin + minutes * 60 : cuts < most);
	printf("%llu cuts, %llu sessions, %llu commits, %llu snapshots, %llu failures, %llu retries, %llu failed flushes, %llu suspends, %lld s\n",
	       (unsigned long long)cuts, (unsigned long long)sessions,
	       (unsigned long long)commits, (unsigned long long)snapshots,
	       (unsigned long long)failures, (unsigned long long)retries,
	       (unsigned long long)bad_flushes, (unsigned long long)suspends,
	       (long long)(time(NULL) - begin));
	return 0;
}
