// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata: the log as it is written (M1), and what waits for it (M2).
 *
 * A state machine without I/O: gmeta_log_next() says what to do, gmeta_log_told()
 * is told how it ended; one thing at a time.  The same source runs below a
 * work item, in the crash simulator and in KUnit.  Every call is under the
 * caller's lock (the tracker's, whose order is the order of the entries),
 * gmeta_log_seal() alone is not.  Nothing is allocated after the constructor.
 *
 * Two commits: changes are appended to the open one; the other has been cut and
 * is under way.  Its steps: flush of the data device, when it has ends; then its
 * write.  Between commits a snapshot goes on, a piece at a time; where it began
 * in the log, a replay begins.  It counts when a commit that was cut after
 * its last piece is written: only then is all durable that the pieces show.
 *
 * An end keeps a record (what its block was) until a data flush succeeds.  When
 * it fails, the records go into the same commit behind the ends, so that their
 * blocks are missing after it as before.  Room for that is taken with the end.
 *
 * Failed (M4): nothing is appended, and what is on disk stays a state that was.
 * A retry repeats what failed, unchanged, and then writes a whole snapshot; as
 * changes in between are in no commit, it has none to close it, and changes
 * are held while it is written.  Who can't wait changes something all the same:
 * then it is stale, and written once more.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "alloc.h"
#include "meta.h"

#define GL_HEAD sizeof(struct grid_meta_disk_head)
#define GL_ENTRY ((u32)sizeof(struct grid_meta_disk_entry))
#define GL_NONE U32_MAX
/* A snapshot that had no room begins anew so often. */
#define GL_TRIES 8U

/* Of gmeta_log.step: what is done next, or under way. */
enum {
	GL_IDLE,
	GL_DATA,
	GL_COMMIT,
	GL_FILL,
	GL_PIECE,
	GL_FLUSH,
	GL_SUPER0,
	GL_SUPER1
};

/* Of gmeta_log.snapshot. */
enum { GL_NO_SNAPSHOT, GL_FILLING, GL_CLOSING, GL_CLOSED };

static u32 gl_hash(const struct gmeta_log *log, u64 address)
{
	return address * 0x9e3779b97f4a7c15ULL >> 32 & log->heads_mask;
}

/* An empty commit; its records go, too. */
static void gl_empty(struct gmeta_log *log, struct gmeta_commit *c, u64 serial)
{
	u32 i;

	for (i = 0; i < c->count; i++)
		c->heads[gl_hash(log, c->ends[i].address)] = GL_NONE;
	gmeta_begin(&c->w, c->w.buf, log->sb.commit_max);
	c->serial = serial;
	c->count = 0;
	c->unflushed = false;
	c->good = false;
	c->flush = false;
}

/**
 * gmeta_log_init - a log that goes on where a load ended
 * @log: out
 * @l: what was loaded, without an error
 *
 * @log->again and @log->priv are the caller's to set.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int gmeta_log_init(struct gmeta_log *log, const struct gmeta_loaded *l)
{
	u32 i, n, cells = 1;

	memset(log, 0, sizeof(*log));
	log->sb = l->super;
	log->last = l->last;
	log->unit = l->next_unit;
	log->used = l->used_units;
	log->next_sb = log->sb;
	/* Whatever a session before this one wrote, its numbers are lower. */
	log->next_sb.floor = max(log->sb.floor, l->highest) + GRID_META_SESSION;
	log->ends_max = min_t(u32,
			      (log->sb.commit_max - GL_HEAD) / (GL_ENTRY + 16),
			      GMETA_ENDS_MAX);
	while (cells < log->ends_max)
		cells *= 2;
	log->heads_mask = cells - 1;
	log->super = grid_alloc_named(GRID_META_SUPER_SIZE);
	log->piece_buf = grid_alloc_named(GRID_META_PIECE_MAX);
	if (!log->super || !log->piece_buf)
		goto err;
	for (i = 0; i < 2; i++) {
		struct gmeta_commit *c = &log->commits[i];

		c->w.buf = grid_alloc_named(log->sb.commit_max);
		c->ends = grid_alloc_named(log->ends_max * sizeof(*c->ends));
		c->heads = grid_alloc_named(cells * sizeof(*c->heads));
		if (!c->w.buf || !c->ends || !c->heads)
			goto err;
		for (n = 0; n < cells; n++)
			c->heads[n] = GL_NONE;
		gl_empty(log, c, 1);
	}
	log->open = &log->commits[0];
	return 0;

err:
	gmeta_log_exit(log);
	return -ENOMEM;
}

void gmeta_log_exit(struct gmeta_log *log)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		vfree(log->commits[i].w.buf);
		vfree(log->commits[i].ends);
		vfree(log->commits[i].heads);
	}
	vfree(log->piece_buf);
	vfree(log->super);
	memset(log, 0, sizeof(*log));
}

/*
 * Changes
 */

/* Is what changes written down? */
static bool gl_appends(const struct gmeta_log *log)
{
	return !log->failed;
}

/**
 * gmeta_log_room - is there room for a change
 * @log: log
 * @entries: it makes at most so many entries, and
 * @ends: so many ends
 *
 * To be asked before the change, which then is made under the same lock.
 *
 * Return: whether there is; if not, a commit is wanted first, and it is to be
 * asked again when one has ended.
 */
bool gmeta_log_room(const struct gmeta_log *log, u32 entries, u32 ends)
{
	const struct gmeta_commit *c = log->open;
	u64 bytes = c->w.used + (u64)c->count * GL_ENTRY;

	if (log->failed)
		/* Held only while a retry writes the whole. */
		return log->stopped || !log->whole;
	return c->count + (u64)ends <= log->ends_max &&
	       bytes + (u64)entries * GL_ENTRY + ends * (16ULL + GL_ENTRY) <=
		       c->w.size;
}

static struct gmeta_end *gl_find(struct gmeta_log *log, struct gmeta_commit *c,
				 u64 address)
{
	u32 i;

	for (i = c->heads[gl_hash(log, address)]; i != GL_NONE;
	     i = c->ends[i].next)
		if (c->ends[i].address == address && !c->ends[i].dropped)
			return &c->ends[i];
	return NULL;
}

static void gl_fail(struct gmeta_log *log)
{
	log->failed = true;
	log->stopped = true;
	log->whole = false;
	log->snap_whole = false;
	log->stale = false;
	log->tried = false;
	log->blocks = 0;
	if (log->snapshot == GL_FILLING || log->snapshot == GL_CLOSING)
		log->snapshot = GL_NO_SNAPSHOT;
	log->dirty |= log->open->unflushed || log->open->good ||
		      (log->cut && (log->cut->unflushed || log->cut->good));
}

/* Blocks changed: what is in the commit under way is not their last word. */
static void gl_changed(struct gmeta_log *log, struct gmeta_commit *c,
		       u64 address, u64 count, bool drop)
{
	struct gmeta_end *end;
	u32 i;

	/* Whichever are fewer: the blocks, or the records. */
	if (count <= c->count) {
		for (; count; count--, address++) {
			end = gl_find(log, c, address);
			if (end) {
				end->again = false;
				end->dropped |= drop;
			}
		}
		return;
	}
	for (i = 0; i < c->count; i++)
		if (c->ends[i].address - address < count) {
			c->ends[i].again = false;
			c->ends[i].dropped |= drop;
		}
}

static void gl_add(struct gmeta_log *log, const struct gmeta_entry *e)
{
	if (!gl_appends(log)) {
		log->dirty |= e->kind == GRID_META_GOOD;
		log->stale |= log->snap_whole;
		return;
	}
	log->open->good |= e->kind == GRID_META_GOOD;
	/* Nobody asked for room: rather failed than a change that is lost. */
	if (gmeta_add(&log->open->w, e))
		gl_fail(log);
}

/**
 * gmeta_log_add - a change that says nothing about data
 * @log: log
 * @e: faults, tables; a run of blocks that are good because they were freed or
 *	cancelled
 */
void gmeta_log_add(struct gmeta_log *log, const struct gmeta_entry *e)
{
	if (e->kind <= GRID_META_VALUE) {
		u64 count = e->kind == GRID_META_GOOD ? e->count : 1;

		gl_changed(log, log->open, e->address, count, true);
		if (log->cut)
			gl_changed(log, log->cut, e->address, count, false);
	}
	gl_add(log, e);
}

/**
 * gmeta_log_end - a block became good because it was written
 * @log: log
 * @f: what it was
 * @durable: the write had FUA: no flush has to come first
 * @more: the group goes on
 */
void gmeta_log_end(struct gmeta_log *log, const struct gmeta_fault *f,
		   bool durable, bool more)
{
	struct gmeta_entry e = { .kind = GRID_META_GOOD,
				 .address = f->address,
				 .count = 1,
				 .more = more };
	struct gmeta_commit *c = log->open;
	struct gmeta_end *end;
	u32 *head;

	gmeta_log_add(log, &e);
	if (durable)
		return;
	c->unflushed = true;
	if (c->count >= log->ends_max) {
		/* Only when failed: the next flush fails, that is all. */
		return;
	}
	head = &c->heads[gl_hash(log, f->address)];
	end = &c->ends[c->count];
	end->address = f->address;
	end->has_sum = f->has_sum;
	memcpy(end->sum, f->sum, sizeof(end->sum));
	end->again = true;
	end->dropped = false;
	end->next = *head;
	*head = c->count++;
}

/**
 * gmeta_log_written - a write to a block that had an end has ended
 * @log: log
 * @address: the block; one without a record is no error
 *
 * Its record goes: nothing may be repaired over that write (D2).  Room for one
 * entry.
 */
void gmeta_log_written(struct gmeta_log *log, u64 address)
{
	struct gmeta_entry e = { .kind = GRID_META_GOOD,
				 .address = address,
				 .count = 1 };

	gl_changed(log, log->open, address, 1, true);
	if (!log->cut || !gl_find(log, log->cut, address))
		return;
	/* Good again right behind what the commit under way may have to say. */
	gmeta_log_add(log, &e);
	log->open->unflushed = true;
}

/**
 * gmeta_log_unflushed - what was added last was made so by a write
 * @log: log
 *
 * So no commit has it before the data device is flushed.  No record is kept.
 */
void gmeta_log_unflushed(struct gmeta_log *log)
{
	log->open->unflushed = true;
}

/**
 * gmeta_log_lost - a flush of the data device failed that the log didn't ask for
 * @log: log
 *
 * What has a record may be lost, and the device tells nobody twice.
 *
 * Return: whether something has; then our next data flush counts as failed.
 */
bool gmeta_log_lost(struct gmeta_log *log)
{
	bool cut = log->cut && log->cut->unflushed && log->step == GL_DATA;

	if (!cut && !log->open->unflushed)
		return false;
	log->lost = true;
	log->wanted = true;
	return true;
}

/*
 * What waits
 */

static bool gl_is_empty(const struct gmeta_commit *c)
{
	return !c->w.count && !c->unflushed && !c->flush;
}

/** gmeta_log_want - let a commit begin now */
void gmeta_log_want(struct gmeta_log *log)
{
	log->wanted = true;
}

/**
 * gmeta_log_ticket - what is waited for by who changed something, or found it so
 * @log: log
 *
 * Return: for gmeta_log_state().
 */
u64 gmeta_log_ticket(const struct gmeta_log *log)
{
	if (log->failed || log->open->w.count)
		return log->open->serial;
	return log->cut ? log->cut->serial : log->done;
}

/**
 * gmeta_log_good_ticket - what a FUA write waits for when it has ended
 * @log: log
 *
 * Else what was missing before it is so after a crash, and repaired over it.
 *
 * Return: for gmeta_log_state().
 */
u64 gmeta_log_good_ticket(const struct gmeta_log *log)
{
	if (log->open->good || (log->failed && log->dirty))
		return log->open->serial;
	return log->cut && log->cut->good ? log->cut->serial : log->done;
}

/** gmeta_log_state - 0: durable; -EINPROGRESS; -EIO */
int gmeta_log_state(const struct gmeta_log *log, u64 ticket)
{
	if (ticket <= log->done)
		return 0;
	return log->failed ? -EIO : -EINPROGRESS;
}

/**
 * gmeta_log_flush - an application's flush came
 * @log: log
 * @f: out
 *
 * It joins the open commit, whose data flush comes after it; with nothing dirty
 * it is not waited for, and the caller passes the flush down itself.
 */
void gmeta_log_flush(struct gmeta_log *log, struct gmeta_flush *f)
{
	f->errors = log->told;
	f->serial = log->done;
	if (log->failed ? log->dirty : log->cut || !gl_is_empty(log->open)) {
		f->serial = log->open->serial;
		log->open->flush = true;
		log->wanted = true;
	}
}

/** gmeta_log_flush_state - 0: durable; -EINPROGRESS; -EIO: told once */
int gmeta_log_flush_state(struct gmeta_log *log, const struct gmeta_flush *f)
{
	int r = gmeta_log_state(log, f->serial);

	if (!r && log->errors != f->errors) {
		log->told = log->errors;
		r = -EIO;
	}
	return r;
}

/*
 * What to do
 */

static u64 gl_units(const struct gmeta_log *log, u64 bytes)
{
	return gmeta_padded(&log->sb, bytes) / log->sb.unit_size;
}

/* Units that a commit of @units takes, with what is left before the end. */
static u64 gl_takes(const struct gmeta_log *log, u64 units)
{
	u64 left = log->sb.log_units - log->unit;

	return units > left ? left + units : units;
}

/* Does the open commit fit into the log, and leave @more units of it? */
static bool gl_fits(const struct gmeta_log *log, u64 more)
{
	const struct gmeta_commit *c = log->open;
	u64 units = gl_units(log, c->w.used + (u64)c->count * GL_ENTRY);

	return log->used + gl_takes(log, units) + more <= log->sb.log_units;
}

/* Does it leave room for one that closes a snapshot? */
static bool gl_may_cut(const struct gmeta_log *log)
{
	return gl_fits(log, 2ULL * gl_units(log, log->sb.commit_max));
}

static void gl_cut(struct gmeta_log *log)
{
	struct gmeta_commit *c = log->open;

	log->cut = c;
	log->open = &log->commits[c == &log->commits[0]];
	gl_empty(log, log->open, c->serial + 1);
	log->wanted = false;
	log->turn = true;
	log->step = c->unflushed || c->flush ? GL_DATA : GL_COMMIT;
}

static void gl_begin_snapshot(struct gmeta_log *log)
{
	log->snapshot = GL_FILLING;
	log->snap_begin = log->unit;
	log->snap_previous = log->last;
	log->snap_used = log->used;
	log->snap_entries = 0;
	log->snap_pieces = 0;
	log->snap_unit = log->sb.snapshot_place[!log->sb.snapshot_which];
	log->snap_left = log->sb.snapshot_units;
	log->step = GL_FILL;
	log->snap_whole = log->whole;
	log->stale = false;
	if (log->whole && (log->open->unflushed || log->dirty))
		log->step = GL_DATA;
}

static void gl_begin_super(struct gmeta_log *log)
{
	if (log->blocks) {
		log->next_sb.blocks = log->blocks;
		log->next_sb.data_sectors = log->data_sectors;
	}
	log->next_sb.sequence = log->sb.sequence + 1;
	gmeta_super_encode(&log->next_sb, log->super);
	log->step = GL_SUPER0;
}

/* Nothing is under way: what comes next? */
static void gl_choose(struct gmeta_log *log)
{
	bool commit = log->wanted && !log->failed && !gl_is_empty(log->open) &&
		      log->open->w.used == log->open->w.whole;
	bool full = commit && !gl_may_cut(log);

	if (!log->begun) {
		if (commit || log->whole || log->blocks)
			gl_begin_super(log);
	} else if (log->blocks && log->snapshot != GL_CLOSED) {
		log->next_sb = log->sb;
		gl_begin_super(log);
	} else if (log->snapshot == GL_CLOSED && log->stale) {
		gl_begin_snapshot(log);
	} else if (log->snapshot == GL_CLOSED) {
		log->next_sb = log->sb;
		log->next_sb.snapshot++;
		log->next_sb.snapshot_which = !log->sb.snapshot_which;
		log->next_sb.snapshot_pieces = log->snap_pieces;
		log->next_sb.snapshot_entries = log->snap_entries;
		log->next_sb.begin_unit = log->snap_begin;
		log->next_sb.begin_previous = log->snap_previous;
		log->next_sb.snapshot_end = log->last;
		log->next_sb.reach = log->last;
		log->step = GL_FLUSH;
	} else if (log->snapshot == GL_CLOSING) {
		if (log->whole || gl_is_empty(log->open))
			log->snapshot = GL_CLOSED;
		else if (log->open->w.used != log->open->w.whole)
			return;
		/* A session that ended before its superblocks has taken the room. */
		else if (gl_fits(log, 0))
			gl_cut(log);
		else
			gl_fail(log);
	} else if (log->snapshot == GL_FILLING &&
		   (log->turn || !commit || full)) {
		log->turn = false;
		log->step = GL_FILL;
	} else if (commit && !full) {
		gl_cut(log);
	} else if (log->whole || full || log->used >= log->sb.log_units / 2) {
		gl_begin_snapshot(log);
	} else if (log->mark && log->sb.reach < log->last) {
		log->next_sb = log->sb;
		log->next_sb.reach = log->last;
		gl_begin_super(log);
	} else {
		log->mark = false;
	}
}

/**
 * gmeta_log_mark - the device is being suspended: say where the log ends
 * @log: log
 *
 * Superblocks are written after what is wanted, so that a load misses a last
 * commit that is lost after that.
 */
void gmeta_log_mark(struct gmeta_log *log)
{
	log->mark = true;
}

/**
 * gmeta_log_grow - there are to be more blocks
 * @log: log
 * @blocks: so many; gmeta_super_check() has found nothing wrong with that
 * @data_sectors: of their device
 *
 * It is so when @log->sb says it.  When the log fails, or has, that is given up; but
 * what was being written may be repeated.
 */
void gmeta_log_grow(struct gmeta_log *log, u64 blocks, u64 data_sectors)
{
	if (log->failed || blocks <= log->sb.blocks)
		return;
	log->blocks = blocks;
	log->data_sectors = data_sectors;
}

/**
 * gmeta_log_retry - try again after a failure
 * @log: log
 *
 * What failed is repeated, then the whole map is written as a snapshot; until
 * that counts the log is failed, and nothing that was asked for is done.
 */
void gmeta_log_retry(struct gmeta_log *log)
{
	if (!log->stopped)
		return;
	log->stopped = false;
	log->whole = true;
	log->snap_tries = 0;
}

/**
 * gmeta_log_next - what to do now
 * @log: log
 * @io: out; GMETA_NOTHING also while something is under way
 *
 * GMETA_WRITE: call gmeta_log_seal() without the lock, then write.
 * GMETA_FILL: gmeta_add() what comes next of the map to @io->piece, under the
 * lock, until it is full or there is no more; gmeta_log_told() 0 or 1.
 */
void gmeta_log_next(struct gmeta_log *log, struct gmeta_io *io)
{
	u64 units, from = 0;

	memset(io, 0, sizeof(*io));
	if (log->busy || log->stopped)
		return;
	if (log->step == GL_IDLE)
		gl_choose(log);
	/* A snapshot that needs no commit to close it. */
	if (log->step == GL_IDLE && log->snapshot == GL_CLOSED)
		gl_choose(log);
	switch (log->step) {
	case GL_IDLE:
		return;
	case GL_DATA:
		io->what = GMETA_FLUSH_DATA;
		break;
	case GL_FLUSH:
		io->what = GMETA_FLUSH;
		break;
	case GL_FILL:
		gmeta_begin(&log->piece, log->piece_buf, GRID_META_PIECE_MAX);
		io->what = GMETA_FILL;
		io->piece = &log->piece;
		break;
	case GL_COMMIT:
		units = gl_units(log, log->cut->w.whole);
		if (!log->sealed) {
			log->number = max(log->last, log->sb.floor) + 1;
			log->place = units > log->sb.log_units - log->unit ?
					     0 :
					     log->unit;
		}
		from = (log->sb.log_place + log->place) * log->sb.unit_size;
		io->what = GMETA_WRITE;
		io->buf = log->cut->w.buf;
		io->bytes = units * log->sb.unit_size;
		break;
	case GL_PIECE:
		from = log->snap_unit * log->sb.unit_size;
		io->what = GMETA_WRITE;
		io->buf = log->piece.buf;
		io->bytes = gmeta_padded(&log->sb, log->piece.whole);
		break;
	case GL_SUPER0:
	case GL_SUPER1:
		from = log->step == GL_SUPER1 ? GRID_META_SUPER_SECOND : 0;
		io->what = GMETA_WRITE;
		io->buf = log->super;
		io->bytes = GRID_META_SUPER_SIZE;
		break;
	}
	io->sector = from / 512;
	log->busy = true;
}

/**
 * gmeta_log_seal - make ready what is written next
 * @log: log
 * @io: from gmeta_log_next()
 *
 * Context: without the lock: it goes over all bytes.  What is written anew
 * stays as it is.
 */
void gmeta_log_seal(struct gmeta_log *log, struct gmeta_io *io)
{
	struct gmeta_head head = {};

	if (log->sealed || io->what != GMETA_WRITE)
		return;
	if (log->step == GL_COMMIT) {
		head.number = log->number;
		head.previous = log->last;
		head.place = log->place;
		gmeta_end(&log->cut->w, &log->sb, &head);
		log->sealed = true;
	} else if (log->step == GL_PIECE) {
		head.piece = true;
		head.number = log->sb.snapshot + 1;
		head.previous = log->snap_pieces;
		head.place = log->snap_unit;
		gmeta_end(&log->piece, &log->sb, &head);
		log->sealed = true;
	}
}

/*
 * How it ended
 */

/*
 * A data flush failed: what this commit calls good is missing after it.  Also
 * in the open one: what the disk lost may have been written after the flush
 * began.
 */
static void gl_revive(struct gmeta_log *log, struct gmeta_commit *c)
{
	struct gmeta_entry e = { .kind = GRID_META_BLOCK };
	u32 i;

	for (i = 0; i < c->count; i++) {
		const struct gmeta_end *end = &c->ends[i];

		if (end->dropped)
			continue;
		e.address = end->address;
		e.has_sum = end->has_sum;
		memcpy(e.sum, end->sum, sizeof(e.sum));
		if ((c == log->cut || gl_appends(log)) && gmeta_add(&c->w, &e))
			gl_fail(log);
		if (end->again && log->again)
			log->again(log->priv, end);
	}
	for (i = 0; i < c->count; i++)
		c->heads[gl_hash(log, c->ends[i].address)] = GL_NONE;
	c->count = 0;
}

static void gl_committed(struct gmeta_log *log)
{
	struct gmeta_commit *c = log->cut;
	u64 units = gl_units(log, c->w.whole);

	if (log->step == GL_COMMIT) {
		log->used += gl_takes(log, units);
		log->unit = (log->place + units) % log->sb.log_units;
		log->last = log->number;
	}
	log->done = c->serial;
	log->cut = NULL;
	log->step = GL_IDLE;
	if (log->snapshot == GL_CLOSING)
		log->snapshot = GL_CLOSED;
}

static void gl_flushed(struct gmeta_log *log, int r)
{
	struct gmeta_commit *c = log->cut;

	if (!c) {
		/* Of a retry, for all ends up to now. */
		if (r) {
			log->errors++;
			gl_revive(log, log->open);
			log->step = GL_IDLE;
			gl_empty(log, log->open, log->open->serial);
			gl_fail(log);
			return;
		}
		log->step = GL_FILL;
		return;
	}
	if (r) {
		log->errors++;
		gl_revive(log, c);
		gl_revive(log, log->open);
	}
	if (c->w.count)
		log->step = GL_COMMIT;
	else
		gl_committed(log);
}

static void gl_supers_written(struct gmeta_log *log)
{
	log->sb = log->next_sb;
	log->begun = true;
	log->step = GL_IDLE;
	if (log->sb.blocks == log->blocks)
		log->blocks = 0;
	if (log->snapshot != GL_CLOSED)
		return;
	/* The log before its begin is free now, and its other place. */
	log->used -= log->snap_used;
	log->snapshot = GL_NO_SNAPSHOT;
	log->snap_tries = 0;
	/* A retry may have had to end another one first. */
	if (!log->snap_whole || log->stale)
		return;
	log->done = log->open->serial;
	gl_empty(log, log->open, log->done + 1);
	log->whole = false;
	log->snap_whole = false;
	log->failed = false;
	log->dirty = false;
	/* Of ends that are none any more: a flush was behind the whole. */
	log->lost = false;
}

/*
 * The snapshot has no room for the next piece.  It has for all that is missing at
 * any moment, but a sync jump moves what was met as faults to where it is met once
 * more: then it begins anew.
 */
static void gl_too_large(struct gmeta_log *log)
{
	if (log->snap_tries++ < GL_TRIES)
		log->snapshot = GL_NO_SNAPSHOT;
	else
		gl_fail(log);
}

/**
 * gmeta_log_told - what was to be done has been done
 * @log: log
 * @r: 0, or a negative errno; of GMETA_FILL: 1: that was all
 *
 * Who waits is to look at its state again, who needs room to ask again.
 */
void gmeta_log_told(struct gmeta_log *log, int r)
{
	log->busy = false;
	if (log->step == GL_DATA) {
		if (log->lost)
			r = -EIO;
		log->lost = false;
		gl_flushed(log, r);
		return;
	}
	if (r < 0) {
		/* Of unknown outcome: once more, unchanged. */
		if (!log->tried) {
			log->tried = true;
			return;
		}
		if (log->step == GL_PIECE || log->step == GL_FILL) {
			log->step = GL_IDLE;
			log->sealed = false;
		}
		gl_fail(log);
		return;
	}
	log->tried = false;
	switch (log->step) {
	case GL_COMMIT:
		log->sealed = false;
		gl_committed(log);
		break;
	case GL_FILL:
		log->step = log->piece.count ? GL_PIECE : GL_IDLE;
		/* It may have failed meanwhile, by a change without room. */
		if (log->snapshot != GL_FILLING) {
			log->step = GL_IDLE;
			break;
		}
		if (gl_units(log, log->piece.whole) > log->snap_left) {
			log->step = GL_IDLE;
			gl_too_large(log);
			break;
		}
		if (r)
			log->snapshot = GL_CLOSING;
		break;
	case GL_PIECE:
		log->sealed = false;
		log->snap_pieces++;
		log->snap_entries += log->piece.whole_count;
		log->snap_unit += gl_units(log, log->piece.whole);
		log->snap_left -= gl_units(log, log->piece.whole);
		log->step = GL_IDLE;
		break;
	case GL_FLUSH:
		gl_begin_super(log);
		break;
	case GL_SUPER0:
		log->step = GL_SUPER1;
		break;
	case GL_SUPER1:
		gl_supers_written(log);
		break;
	}
}
