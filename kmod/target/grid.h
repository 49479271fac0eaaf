/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dm-grid: what the target's files share.
 *
 * The target lies over one lower device and keeps its users away from blocks
 * that are missing.  A bio that touches no missing and no released block is
 * remapped at once: one look at a bitmap, no lock, no split, no allocation
 * (D7).  Any other is cut to one block, and waits ("parks") until the block's
 * fault is gone.  Where what lives:
 *
 *   target.c   construction, suspend and resume, status, messages
 *   map.c      the way of a bio: map, end_io
 *   room.c     memory by geometry and capacity; another one at a reload (D9)
 *   again.c    bios that woke are tried anew; those that came back from below
 *              are issued anew
 *   verdict.c  what stops a bio
 *   detect.c   read errors become faults
 *   barrier.c  checkpoint barriers: what was released before is freed
 *   discard.c  discards: from above staged, of what was freed issued below
 *   lost.c     blocks that are missing without a fault
 *   release.c  released blocks: which, and until when
 *   repair.c   verify, write, complete, flush (the ioctl's data path)
 *   jump.c     what a sync jump took stays in the map until it is over
 *   meta_open.c  the map is loaded from its metadata
 *   meta_io.c  ... and kept there
 *   meta_wait.c  who waits for a commit
 *   meta_change.c  what changes is told, and has room
 *   meta_log.c, meta_load.c, meta_map.c, meta_format.c  see meta.h
 *   park.c     parked bios: where they wait, how they wake, how they time out
 *   flush.c    what a flush of ours may have taken from the application's
 *   ends.c     blocks that are good, but not flushed yet
 *   io.c       a bio of dm's is ended, requeued, cut
 *   epoch.c    writes in flight, and the wait until earlier ones have ended
 *   lower.c    synchronous and batched I/O of whole blocks to the lower device
 *   bits.c     bitmaps whose walk costs its members
 *   options.c  the table line as text
 *
 * A file calls only files below it in this order, but for calls by pointer
 * (operations, workers); tools/testing/layers checks it from the objects:
 *   target, map, meta_open, again, room, verdict, detect, barrier, discard, lost,
 *   release, repair, jump, meta_io, meta_wait, meta_change, park, flush, ends,
 *   meta_log, meta_load, meta_map, meta_format,
 *   io | epoch | lower | bits | options
 *
 * Words (Documentation/dm-grid.rst):
 *   fault      the tracker's entry for a missing block
 *   closed     of a block: detection is deciding about it
 *   parked     of a bio: it waits for a block
 *   held       of the device: start:held, everything parks until `ready`
 *   came back  of a bio: it ended below, and is issued anew before it is
 *              acknowledged, or waits for detection
 *   released   of a block: discarded, but part of the last durable checkpoint
 *   marked     of a block: released, or its discard is not through
 *   dropped    of a block: a barrier took its fault, but no commit says so yet
 *   jumped     of a block: a sync jump under way took its fault, but it stays in
 *              the map
 *   end        of a block: it became good by a write; unflushed until a flush
 *              has followed
 *   lost       of a block: an end whose flush failed, and no slot is left
 *   barrier    a checkpoint becomes durable: a flush, or the verb `durable`
 *
 * struct grid is the device: tracker, bitmaps, parked bios; it survives a
 * table reload.  struct grid_table is one table line: options and lower
 * device; the live one is grid->live (D9).
 *
 * Locks, outermost first:
 *   grid_list_lock   (mutex) the list of grids, lookup by a constructor
 *   the bind lock of grid_missing.ko, held around grid_missing_ops calls
 *   grid->drain_lock (mutex) one wait for writes in flight at a time
 *   the tracker's lock (spinlock, irqs off; "the lock" in comments): faults,
 *     and everything in struct grid that says so
 */
#ifndef _DM_GRID_H
#define _DM_GRID_H

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/crypto.h>
#include <linux/device-mapper.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/uuid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <crypto/hash.h>

#include <linux/grid_missing.h>

#include "bits.h"

#define DM_MSG_PREFIX "grid"

#define GRID_BLOCK_SIZE_MIN 4096U
#define GRID_BLOCK_SIZE_MAX (1024U * 1024U)
#define GRID_PARK_TIMEOUT_MS 60000U
#define GRID_PARK_TIMEOUT_MS_MAX 3600000U
#define GRID_NO_HELPER_MS 5000U
#define GRID_BLOCKS_MAX 65536U
#define GRID_TABLES_MAX 8U
#define GRID_TABLE_VALUES_MAX 16384U
/* Most faults found by generic I/O errors that may be open (D6). */
#define GRID_DETECTED_MAX 1024U
/* What waits for the kernel alone gets at least this long. */
#define GRID_KERNEL_WAIT_MS 10000U
/* After presuspend (with flush) nothing parks longer than this (D3). */
#define GRID_SUSPEND_WAIT_MS 10000U
/* A read that fails with a medium error is tried anew so often. */
#define GRID_READ_TRIES 3
#define GRID_PARK_HASH_BITS 12
#define GRID_POOL_SIZE 64
/*
 * Blocks of one bio: what is longer is cut, as the lock is held over all of them
 * with interrupts off.
 */
#define GRID_BIO_BLOCKS 1024U
/* Blocks handled before the lock is given away. */
#define GRID_SLICE 1024U

/* Where bios park that wait for `ready` (start:held), not for a block. */
#define GRID_NO_BLOCK U64_MAX
/* Where failed reads park until detection has decided. */
#define GRID_DETECTING (U64_MAX - 1)

struct grid_table;
struct grid_room;
struct grid_meta;

/** struct grid_options - the key:value arguments of a table */
struct grid_options {
	unsigned int park_timeout_ms;
	unsigned int no_helper_ms;
	bool on_missing_error;
	bool explicit_checkpoint;
	char *meta_path; /* NULL: no metadata */
	sector_t meta_start;
	uuid_t meta_uuid;
	bool has_meta_uuid;
	bool start_held;
	bool detect;
	char checksum[CRYPTO_MAX_ALG_NAME];
	struct grid_missing_limits limits;
};

/** enum grid_io_kind - what is to be done with a bio of ours when it wakes */
enum grid_io_kind {
	GRID_IO_PLAIN, /* gone down by the fast path; grid_io_begin() is to come */
	GRID_IO_BEGUN, /* gone down by the slow path */
	GRID_IO_PARKED, /* never went down: the clone itself is submitted */
	GRID_IO_BACK, /* came back from below: issue a fresh bio, then end it */
	GRID_IO_FLUSH, /* a flush that went down: flush.c looks at its end */
	GRID_IO_DONE, /* ended by us: end_io lets it pass */
	GRID_IO_REQUEUE, /* ended by us: end_io asks dm to requeue it */
};

/* Of counters of writes; an epoch's is its number modulo this. */
#define GRID_SLOTS 4U
#define GRID_NO_EPOCH 0U

/* Bits of grid->gate: what stops bios whatever the bitmaps say of their blocks. */
#define GRID_GATE_HELD BIT(0) /* reads and writes: start:held, until `ready` */
#define GRID_GATE_DISCARDS BIT(1) /* writes: discards wait behind a barrier */

/**
 * struct grid_flush_note - what relies on the disk's flush noted when it came
 * @failures: how many flushes of ours had failed
 * @owed: the last of those was not told to its kind yet
 */
struct grid_flush_note {
	u32 failures;
	bool owed;
};

/**
 * enum grid_lot - where a bio is parked, by who ends its wait
 * @GRID_LOT_USER: userspace
 * @GRID_LOT_KERNEL: the kernel: repair data, a discard
 * @GRID_LOT_DETECT: detection; a failed read
 * @GRID_LOTS: how many there are
 */
enum grid_lot {
	GRID_LOT_USER,
	GRID_LOT_KERNEL,
	GRID_LOT_DETECT,
	GRID_LOTS,
};

/**
 * enum grid_baton - who wakes the others that are parked on a bio's block
 * @GRID_BATON_NONE: not this bio
 * @GRID_BATON_WAKE: this one
 * @GRID_BATON_FREED: this one; a checkpoint freed the block
 */
enum grid_baton {
	GRID_BATON_NONE,
	GRID_BATON_WAKE,
	GRID_BATON_FREED,
};

/**
 * struct grid_io - per-bio data
 * @bio: the clone dm gave us
 * @table: the table that mapped it
 * @iter: the clone's iterator as mapped, bi_sector relative to the target
 * @epoch: in which it is counted as a write in flight, or GRID_NO_EPOCH
 * @hash: in grid->parked_hash, by @block; a FUA write that waits for a commit: in its
 *	struct grid_meta (the lock)
 * @parked: in one of grid->lots, by @since (the lock)
 * @node: in ->woken, ->going, ->ending; a flush: ->flushes_ended; waits for a
 *	commit: in its struct grid_meta (the lock)
 * @block: what it is parked on, or GRID_NO_BLOCK, GRID_DETECTING; a flush:
 *	waits for those of ours with smaller numbers
 * @since: jiffies when it parked first
 * @note: a flush: what it noted when it came
 * @kind: enum grid_io_kind
 * @tries: how often it was issued anew after a read error
 * @status: what to end it with instead of trying again; 0: try again;
 *	BLK_STS_DM_REQUEUE: dm is to have it back, while it takes it
 * @error: a read error that detection decides about
 * @kernel_wait: parked on what the kernel alone ends, not userspace
 * @waited: @since is set
 * @warned: the half-time warning was given
 * @baton: woken; others parked on @block are to be woken when this one is
 *	tried or ended: enum grid_baton
 * @fua: a write: it has to be durable when it ends
 * @touched: a FUA write that waits: one of its blocks was missing since its last look,
 *	or is good only by that
 * @failures: a FUA write: how many flushes of ours had failed when it was to go down
 * @meta_serial: a flush or FUA write: the commit it waits for; 0: for room
 * @meta_errors: a flush: see struct gmeta_flush
 * @meta_next: a write that waits for room: its first block not seen to
 */
struct grid_io {
	struct bio *bio;
	struct grid_table *table;
	struct bvec_iter iter;
	u32 epoch;
	struct hlist_node hash;
	union {
		struct rb_node parked;
		struct list_head node;
	};
	u64 block;
	union {
		unsigned long since;
		struct grid_flush_note note;
	};
	u8 kind;
	u8 tries;
	blk_status_t status;
	blk_status_t error;
	bool kernel_wait;
	bool waited;
	bool warned;
	u8 baton;
	bool fua;
	bool touched;
	u32 failures;
	u64 meta_serial;
	union {
		u64 meta_errors;
		u64 meta_next;
	};
};

/** struct grid_epoch - writes that went in and came out, by slot */
struct grid_epoch {
	unsigned long in[GRID_SLOTS];
	unsigned long out[GRID_SLOTS];
};

/**
 * struct grid_bio - what our own bios carry in front
 * @io: a bio issued anew: for whom
 * @item: a repair: which
 * @batch: a repair: with which others
 * @bio: must be last
 */
struct grid_bio {
	struct grid_io *io;
	struct grid_missing_item *item;
	struct grid_batch *batch;
	struct bio bio;
};

/** struct grid - one mapped device; shared by its tables */
struct grid {
	struct list_head list; /* grid_list_lock */
	unsigned int refs; /* grid_list_lock: number of tables */
	struct list_head tables; /* grid_list_lock: grid_table->node */
	const struct grid_table *loading; /* grid_list_lock: its map, for this */
	unsigned int major, minor;
	/* What room.c may change while the device is suspended. */
	struct grid_missing *gm;
	struct grid_missing_geometry geo;
	dev_t lower; /* of the table that was live last, or of the first */
	sector_t start;
	struct workqueue_struct *wq_io; /* wakes, time-outs: waits for nobody */
	struct workqueue_struct *wq_go; /* submits: waits for the lower device */
	struct workqueue_struct *wq; /* barrier, discards, detection, events */
	struct bio_set bios;
	struct crypto_shash *hash; /* NULL: checksum:none */

	/*
	 * Read without a lock on every bio, in a cache line of their own;
	 * changed under the lock, by room.c, or by a drain.
	 */
	unsigned long *missing ____cacheline_aligned; /* faults; closed */
	unsigned long *marked; /* released, or its discard not through */
	unsigned long *unflushed; /* may have a record of its end */
	struct grid_epoch __percpu *epochs; /* counters by CPU: epoch.c */
	u32 epoch; /* counts what is mapped now */
	u32 late; /* up to this one: not waited for any more */
	unsigned int block_shift; /* log2 of the sectors a block */
	unsigned int block_sectors;
	unsigned int gate; /* GRID_GATE_*: what the bitmaps don't say */
	struct grid_meta *meta; /* where the map is kept, or NULL; constant */
	bool draining; /* somebody waits for writes in flight */

	/* The lock guards the rest, but for what says otherwise. */
	struct grid_table *live ____cacheline_aligned;
	u64 faults, aborting; /* as reported by change() */
	unsigned long *by_error; /* faults found by read errors */
	u64 by_error_count;

	/* park.c */
	DECLARE_HASHTABLE(parked_hash, GRID_PARK_HASH_BITS);
	struct rb_root_cached lots[GRID_LOTS]; /* who is parked, by since */
	struct list_head woken; /* to be tried anew */
	struct list_head going; /* nothing in their way: to be submitted */
	struct list_head ending; /* to be ended, or requeued */
	u64 parked;
	u64 timeouts;
	bool suspending; /* presuspend to resume */
	unsigned long suspend_at;
	u32 helpers;
	unsigned long helpers_gone_at;
	struct work_struct wake_work; /* on wq_io */
	struct work_struct go_work; /* on wq_go */
	struct work_struct end_work; /* on wq_io */
	struct delayed_work tick_work; /* on wq_io */

	/* flush.c */
	struct list_head flushes_down; /* of the application, by number */
	u64 flush_nr; /* the next one's */
	struct list_head own_flushes; /* under way, by number */
	u64 own_flush_nr; /* the next one's */
	struct list_head flushes_ended; /* wait for ours, in order of ->block */
	u32 flush_failures; /* of ours */
	u32 flush_told, durable_told; /* so many; until the next one comes */
	u32 any_failures; /* of ours, and of the application's */
	u32 fua_told[2]; /* so many of those: to tasks, to kernel threads */
	struct grid_flush_note durable_note; /* of a barrier without flushes */

	/* ends.c */
	struct list_head repairs; /* struct grid_repair */
	struct grid_bits lost; /* to be faults again; reads fail */
	struct work_struct lost_work;

	/* jump.c */
	struct grid_bits jumped; /* taken by a sync jump; still in the map */

	/* epoch.c; drain_lock guards what begins an epoch, and stamps */
	struct mutex drain_lock; /* one wait at a time */
	u32 *stamps; /* by block: the epoch it was repaired in */
	wait_queue_head_t drain_wait;

	/* detect.c */
	struct grid_io *detecting; /* the read it decides about; NULL: gone */
	u64 deciding; /* reads parked on GRID_DETECTING */
	u64 closed_begin, closed_end; /* blocks closed while it decides */
	bool closed_written; /* a write of them has succeeded */
	u64 detected, lost_full;
	u64 passed_up, passed_up_medium, passed_up_io; /* all, and by cause */
	u64 passed_up_blocks[GRID_MISSING_PASSED_UP]; /* the newest first */
	u32 passed_up_count; /* of them */
	void *detect_buf; /* one block; of the work item alone */
	struct work_struct detect_work;

	/* release.c */
	struct grid_bits open; /* released since the last checkpoint was taken */
	struct grid_bits taken; /* ... before it; freed when it is durable */
	struct grid_bits freed; /* to be discarded */
	u64 discard_begin, discard_end; /* blocks whose discard is under way */
	struct bio_list flushes; /* of the barrier that runs */
	struct bio_list flushes_waiting; /* behind it; all become the next one */
	struct bio_list discards_waiting; /* came after those */
	struct bio_list discards_staging; /* that barrier runs: being staged */
	struct grid_bits dropped; /* by a barrier, not committed: reads fail */
	bool barrier_running; /* taken is being made durable */
	bool barrier_freeing; /* ... and commence was called */
	bool reverting; /* instead of a barrier: what is released is in use */
	int barrier_error; /* of the last one; 0: durable */
	int revert_error; /* of the last revert: is it in the metadata */
	bool checkpoint_taken; /* explicit: taken, not yet durable */
	u64 checkpoint_id; /* last one taken */
	u64 durable_id; /* last one that became durable */
	u64 checkpoints;
	wait_queue_head_t barrier_wait; /* checkpoint steps */
	struct work_struct barrier_work;
	struct work_struct discard_work;

	bool stopped; /* postsuspend to resume: no background work */
	struct work_struct event_work; /* clean or missing: a dm event */
	struct work_struct ready_work; /* system_wq: held no more: a uevent */
	struct work_struct cancel_work; /* `cancel all` of a message */
};

/** struct grid_table - one table line of a grid; constant but for @opt's tunables */
struct grid_table {
	struct dm_target *ti;
	struct grid *grid;
	struct list_head node; /* grid->tables; grid_list_lock */
	struct dm_dev *dev;
	struct dm_dev *meta_dev; /* or NULL */
	sector_t start; /* on the lower device */
	unsigned int block_sectors;
	struct grid_missing_geometry geo;
	struct grid_options opt;
	struct crypto_shash *hash; /* in the constructor, until a room has it */
	struct grid_room *room; /* for preresume; then what was there before */
};

static inline u64 grid_first(const struct grid *g, const struct grid_io *io)
{
	return io->iter.bi_sector >> g->block_shift;
}

static inline u64 grid_last(const struct grid *g, const struct grid_io *io)
{
	return (io->iter.bi_sector + (io->iter.bi_size >> SECTOR_SHIFT) - 1) >>
	       g->block_shift;
}

/* Where @sector of the target lies on the lower device. */
static inline sector_t grid_lower_sector(const struct grid_table *t,
					 sector_t sector)
{
	return t->start + sector;
}

/* Let @bio, which nobody has submitted yet, go down. */
static inline void grid_remap(struct grid_table *t, struct bio *bio,
			      const struct grid_io *io)
{
	bio_set_dev(bio, t->dev->bdev);
	bio->bi_iter.bi_sector = grid_lower_sector(t, io->iter.bi_sector);
}

static inline bool grid_is_write(const struct grid_io *io)
{
	return op_is_write(bio_op(io->bio));
}

/*
 * The first time that @io leaves the fast path: it has not waited, nor been
 * tried anew. The fast path sets none of this, and the memory is used again.
 */
static inline void grid_io_begin(struct grid_io *io)
{
	if (io->kind != GRID_IO_PLAIN)
		return;
	io->kind = GRID_IO_BEGUN;
	io->tries = 0;
	io->waited = false;
	io->warned = false;
	io->baton = GRID_BATON_NONE;
	io->status = BLK_STS_OK;
}

/* Does @io cover all of block @b? */
static inline bool grid_covers(const struct grid *g, const struct grid_io *io,
			       u64 b)
{
	sector_t begin = b << g->block_shift;

	return io->iter.bi_sector <= begin &&
	       io->iter.bi_sector + (io->iter.bi_size >> SECTOR_SHIFT) >=
		       begin + g->block_sectors;
}

/* The lock is held: every function whose name begins with __ says so. */
static inline void grid_assert_locked(const struct grid *g)
{
	grid_missing_assert_locked(g->gm);
}

/* Is block @b closed by detection?  The lock is held. */
static inline bool __grid_closed(const struct grid *g, u64 b)
{
	grid_assert_locked(g);
	return b >= g->closed_begin && b < g->closed_end;
}

/* Is block @b freed, and its discard not through?  The lock is held. */
static inline bool __grid_is_freed(const struct grid *g, u64 b)
{
	grid_assert_locked(g);
	return (b >= g->discard_begin && b < g->discard_end) ||
	       grid_bits_test(&g->freed, b) ||
	       (g->barrier_freeing && grid_bits_test(&g->taken, b));
}

/* Is epoch @a a later one than @b?  They wrap. */
static inline bool grid_epoch_after(u32 a, u32 b)
{
	return (s32)(a - b) > 0;
}

/*
 * Has a drain given up on @io, a write that is counted in?  The caller has
 * looked for its blocks in the bitmap: where a repair has cleared their bits,
 * this is seen as well.  Pairs with grid_drain(); litmus: late.
 */
static inline bool grid_is_late(const struct grid *g, const struct grid_io *io)
{
	smp_rmb(); /* orders the bitmap and this */
	return !grid_epoch_after(io->epoch, READ_ONCE(g->late));
}

/*
 * Open or shut the gate; the lock is held.  The release pairs with the acquire
 * in grid_map(): who finds it open sees all that was enqueued before.
 */
static inline void __grid_gate(struct grid *g, unsigned int bit, bool shut)
{
	grid_assert_locked(g);
	/* Pairs with grid_map(). */
	smp_store_release(&g->gate, shut ? g->gate | bit : g->gate & ~bit);
}

static inline bool grid_is_held(const struct grid *g)
{
	return READ_ONCE(g->gate) & GRID_GATE_HELD;
}

static inline bool grid_any(const unsigned long *map, u64 first, u64 last)
{
	if (first == last)
		return test_bit(first, map);
	return find_next_bit(map, last + 1, first) <= last;
}

/*
 * The lock, the only way to it but in grid_room_move().  That puts another
 * tracker in the place of one that knows nothing, under the old one's lock, so
 * whoever waited for the old one has to look again, and whoever has the lock
 * has that of grid->gm until he gives it away.
 */
static inline void grid_lock(struct grid *g, unsigned long *flags)
{
	struct grid_missing *gm;

	for (;;) {
		gm = READ_ONCE(g->gm);
		grid_missing_lock(gm, flags);
		if (likely(gm == READ_ONCE(g->gm)))
			return;
		grid_missing_unlock(gm, *flags);
	}
}

static inline void grid_unlock(struct grid *g, unsigned long flags)
{
	grid_missing_unlock(g->gm, flags);
}

/* map.c */
int grid_map(struct dm_target *ti, struct bio *bio);
int grid_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);

/* io.c */
void grid_end(struct grid_io *io, blk_status_t status);
void grid_requeue(struct grid_io *io);
void grid_cut(struct bio *bio, struct grid_io *io, sector_t sector);

/* options.c */
int grid_tunable(struct grid_options *opt, const char *key, const char *value);
int grid_parse_option(struct grid_options *opt, char *arg, char **error,
		      int (*set)(struct grid_options *opt, const char *key,
				 const char *value));
int grid_parse(struct dm_target *ti, struct grid_table *t, unsigned int argc,
	       char **argv);
void grid_emit_table(const struct grid_table *t, char *result,
		     unsigned int maxlen);
void grid_emit_ima(const struct grid_table *t, char *result,
		   unsigned int maxlen);

/* room.c */
int grid_room_first(struct grid *g, struct grid_table *t, const char *name,
		    char **error);
int grid_room_next(struct grid *g, struct grid_table *t, const char *name,
		   char **error);
int grid_room_move(struct grid_table *t);
void grid_room_free(struct grid_room *room);
void grid_room_last(struct grid *g);

/* verdict.c */

/** enum grid_verdict - what is to become of a bio */
enum grid_verdict {
	GRID_GO, /* nothing in its way */
	GRID_PARK, /* it is to wait for a block */
	GRID_FAIL, /* it is to end now, with a status */
	GRID_REQUEUE, /* dm is to have it back */
};

enum grid_verdict __grid_check(struct grid *g, struct grid_io *io, u64 *stop,
			       bool *kernel_wait, blk_status_t *status);

/* park.c */
void __grid_park(struct grid *g, struct grid_io *io, u64 b, bool kernel_wait);
void __grid_wake(struct grid *g, u64 b, bool freed);
void grid_pass_on(struct grid *g, struct grid_io *io);
void __grid_wake_range(struct grid *g, u64 begin, u64 end);
void grid_wake_range(struct grid *g, u64 begin, u64 end);
void __grid_queue(struct grid *g, struct grid_io *io);
bool __grid_has_readers(struct grid *g, u64 b);
void __grid_unpark(struct grid *g, struct grid_io *io, blk_status_t status);
struct grid_io *__grid_next_detecting(struct grid *g);
void grid_wake_held(struct grid *g);
void grid_requeue_all(struct grid *g);
void __grid_rearm(struct grid *g);
u64 __grid_oldest_ms(struct grid *g);
void grid_park_init(struct grid *g);

/* flush.c */
void grid_flush_init(struct grid *g);
void __grid_flush_down(struct grid *g, struct grid_io *io);
int grid_flush_below(struct grid_table *t);
void __grid_flush_note(struct grid *g, struct grid_flush_note *note, u32 *told);
blk_status_t __grid_flush_status(const struct grid *g,
				 const struct grid_io *io);
bool __grid_flush_waits(struct grid *g, struct grid_io *io);
int grid_flush_own(struct grid_table *t);
void __grid_flush_fails(struct grid *g, blk_status_t status);
void __grid_own_failed(struct grid *g);
bool grid_fua_owed(struct grid *g, struct grid_io *io);
blk_status_t grid_fua_ended(struct grid *g, const struct grid_io *io,
			    blk_status_t status);
bool grid_flush_ended(struct grid *g, struct grid_io *io, blk_status_t *error);
bool grid_barrier_lost(struct grid *g);

/* ends.c */

/**
 * struct grid_repair - a repair whose flush has not ended
 * @node: in grid->repairs (the lock, as all that follows)
 * @items: its blocks; what was done so far is in ->ended
 * @n: how many
 * @first: the lowest address among them
 * @last: the highest
 * @written: all its writes have ended
 * @flushing: ... before the barrier's flush began
 * @durable: which has succeeded
 * @lost: a flush failed
 */
struct grid_repair {
	struct list_head node;
	struct grid_missing_item *items;
	u32 n;
	u64 first, last;
	bool written, flushing, durable, lost;
};

void grid_ends_init(struct grid *g);
void __grid_end_begin(struct grid *g, u64 b);
void __grid_end_written(struct grid *g, u64 b);
void __grid_end_forget(struct grid *g, u64 b);
int __grid_lose(struct grid *g, u64 b, const struct grid_missing_checksum *sum);
bool __grid_found(struct grid *g, u64 b);
void __grid_flush_failed(struct grid *g);
void __grid_flush_begins(struct grid *g);
void __grid_flush_done(struct grid *g);
void grid_ends_freed(struct grid *g);
void grid_repair_begin(struct grid *g, struct grid_repair *rep);
void grid_repair_written(struct grid *g, struct grid_repair *rep);
void grid_repair_finish(struct grid *g, struct grid_repair *rep);

/* again.c */
void grid_again_init(struct grid *g);
bool grid_write_ended(struct grid *g, struct grid_io *io);
void grid_write_done(struct grid *g, struct grid_io *io);

/* meta_open.c */
int grid_meta_first(struct grid *g, const struct grid_table *t, char **error);
int grid_meta_next(struct grid *g, const struct grid_table *t, char **error);
bool grid_meta_overlap(const struct grid *g, const struct grid_table *t,
		       const struct grid_table *other);
void grid_meta_last(struct grid *g);

/* jump.c */
void __grid_jump_took(struct grid *g, u64 b);
int __grid_map_room(struct grid *g, u64 b, enum grid_missing_as as);
void __grid_jump_written(struct grid *g, u64 b);
void grid_jump_over(void *priv);

/* meta_change.c */
void __grid_meta_good(struct grid *g, u64 b, u64 count, bool written);
void __grid_meta_record(void *priv, u64 b);
void __grid_meta_record_table(void *priv, u32 slot);
int __grid_meta_supersede(struct grid *g, u64 b, bool durable);
void grid_meta_lock(struct grid *g, u32 changes, unsigned long *flags);
int __grid_meta_complete(struct grid *g, const struct grid_missing_item *item,
			 const struct grid_missing_record *was);
int grid_meta_room(void *priv, u32 changes, enum grid_missing_room_how how);
void grid_meta_room_done(void *priv, u32 changes);
void __grid_meta_lose_again(struct grid *g, u64 b);

/* meta_wait.c */
bool __grid_meta_starves(struct grid *g, struct grid_io *io, u64 b,
			 bool listed);
void __grid_meta_unlist(struct grid_io *io);
u64 grid_meta_ticket(void *priv);
int grid_meta_sync(struct grid *g);
int grid_meta_flush(struct grid_table *t, struct bio *bio);
u64 grid_meta_flush_errors(struct grid *g);
bool grid_meta_write_ended(struct grid *g, struct grid_io *io,
			   blk_status_t *status);
bool grid_meta_write_looked(struct grid *g, struct grid_io *io,
			    blk_status_t *status);

/* meta_io.c */
bool __grid_meta_failed(const struct grid *g);
int grid_meta_grow(struct grid_table *t);
void grid_meta_live(struct grid_table *t);
void grid_meta_rest(struct grid *g);
int grid_meta_retry(struct grid *g);

/* epoch.c */
int grid_epoch_init(struct grid *g);
void grid_epoch_exit(struct grid *g);
void grid_epoch_enter(struct grid *g, struct grid_io *io);
void grid_epoch_leave(struct grid *g, struct grid_io *io);
void grid_drain(struct grid *g, const struct grid_missing_item *items, u32 n);
bool __grid_passed(struct grid *g, const struct grid_io *io);

/* lower.c */
struct bio *grid_kernel_bio(struct grid *g, struct block_device *bdev,
			    blk_opf_t opf, sector_t sector, void *data,
			    unsigned int bytes);
blk_status_t grid_read_block(struct grid_table *t, u64 b, void *buf);
void grid_write_items(struct grid_table *t, struct grid_missing_item *items,
		      u32 n);

/* repair.c */
int grid_hash_init(struct crypto_shash **out, const char *name, char **error);
int grid_repair(void *priv, struct grid_missing_item *items, u32 n);

/* detect.c */
void grid_detect_init(struct grid *g);
bool grid_detect(struct grid *g, struct grid_table *t, struct grid_io *io,
		 blk_status_t error);

/* release.c */
bool __grid_unrelease(struct grid *g, u64 b);
void grid_move(struct grid *g, struct grid_bits *from, struct grid_bits *to);
u32 __grid_released_in(struct grid *g, u64 b);
u32 grid_list_released(void *priv, u64 *cursor, u32 max,
		       struct grid_missing_released *out);
int grid_release(void *priv, const struct grid_missing_released *runs, u32 n);

/* lost.c */
void grid_lost_init(struct grid *g);
void __grid_undrop(struct grid *g, u64 b);
void grid_undrop_all(struct grid *g);
void grid_drop_lost(struct grid *g);
u64 grid_cancel_lost(void *priv, u64 first, u64 last);

/* discard.c */
void grid_discard_init(struct grid *g);
int grid_map_discard(struct grid_table *t, struct bio *bio, struct grid_io *io);
u64 __grid_discard_waits(struct grid *g, u64 first, u64 last);
void grid_stage_waiting(struct grid *g);

/* barrier.c */
void grid_barrier_init(struct grid *g);
int grid_map_flush(struct grid_table *t, struct bio *bio);
int grid_take(void *priv, u64 *id);
void grid_untake(struct grid *g);
int grid_durable(void *priv, u64 id);
int grid_durable_start(struct grid *g, u64 id);
int grid_revert(void *priv);
int grid_revert_start(struct grid *g);

#endif /* _DM_GRID_H */
