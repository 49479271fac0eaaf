/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracker: which blocks of a grid are missing, as a pure state machine.
 *
 * It knows no bio, no user memory, no clock and no file; the same source
 * builds in userspace (tools/testing/user).  All memory is taken by
 * gm_tracker_init() (T1); after it nothing allocates, so that everything not
 * marked "may sleep" is legal in atomic context.
 *
 * Locking: one spinlock, taken with interrupts off.  gm_foo() takes it,
 * __gm_foo() wants it held.  It is a leaf but for what gm_hooks.change takes:
 * that is called with it held and must neither sleep nor call the tracker.
 */
#ifndef _GM_TRACKER_H
#define _GM_TRACKER_H

#include <linux/cache.h>
#include <linux/limits.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <uapi/linux/grid_missing.h>
#include <linux/grid_missing_record.h>

struct gm_tracker;

/* Nothing: the end of a list, no slot. */
#define GM_NIL U32_MAX

/*
 * Most values of a table: all of them are enqueued in one hold of the lock,
 * with interrupts off.
 */
#define GM_VALUES_MAX 65536U

/**
 * struct gm_limits - capacity, fixed at creation (T1)
 * @blocks_max: most single faults
 * @tables_max: most tables at a time
 * @table_values_max: most values of a table, at most GM_VALUES_MAX
 */
struct gm_limits {
	u32 blocks_max;
	u32 tables_max;
	u32 table_values_max;
};

/**
 * struct gm_change - one transition of one fault
 * @address: its block
 * @from: enum grid_missing_state before, GRID_MISSING_STATE_GONE for a new one
 * @to: enum grid_missing_state after, GRID_MISSING_STATE_GONE when it is gone
 * @why: enum grid_missing_reason
 * @part: of something that gm_hooks.event tells of as a whole
 */
struct gm_change {
	u64 address;
	u8 from;
	u8 to;
	u8 why;
	bool part;
};

/**
 * struct gm_hooks - what the owner of a tracker wants to know
 * @change: called under the lock, interrupts off, after each transition and
 *	each change of the unavailable flag.  May be NULL.  A member that a
 *	checkpoint, cancel or jump in slices has not reached yet is reported
 *	when it is met, but is treated as gone from the first slice on (T8).
 *	It tells of addresses: one where a sync jump has set a fault aside is
 *	missing as before, whatever comes and goes there meanwhile.  So @from is
 *	always what @to was, the last time that this address was told of.
 * @event: something happened to a table: its values were enqueued, it has ended.
 *	@address is its index's.  Called as @change.  May be NULL.
 * @admit: may this value of a table, or another table with this index, be enqueued:
 *	0 or a negative errno, which the call returns.  Called under the lock,
 *	in the same hold as the enqueue.  May be NULL.
 * @record: what __gm_record() says of this address may have changed (M1).
 *	Called under the lock once @recording is set; within one hold the last
 *	one counts.  May be NULL.
 * @record_table: likewise, of table slot @s.
 * @room: a call that meets very many faults is about to go on; may sleep,
 *	called without the lock while @recording is set.  May be NULL.
 */
struct gm_hooks {
	void (*change)(struct gm_tracker *t, const struct gm_change *c);
	void (*event)(struct gm_tracker *t, u8 why, u64 address, u64 count);
	int (*admit)(struct gm_tracker *t, u64 address,
		     enum grid_missing_as as);
	void (*record)(struct gm_tracker *t, u64 address);
	void (*record_table)(struct gm_tracker *t, u32 s);
	void (*room)(struct gm_tracker *t);
};

/**
 * struct gm_set - a set of block addresses, read only while it is in use
 * @count: number of members
 * @test: is @address a member
 * @next: the smallest member >= @from, or U64_MAX when there is none; sets
 *	*@found, since U64_MAX may be a member
 */
struct gm_set {
	u64 count;
	bool (*test)(const struct gm_set *set, u64 address);
	u64 (*next)(const struct gm_set *set, u64 from, bool *found);
};

/** struct gm_counts - a consistent picture of the counters */
struct gm_counts {
	u64 waiting, writing, aborting;
	u64 blocks_single, blocks_table; /* aborting ones too */
	u32 tables, tables_free; /* in use; of those done or cancelled */
	u64 readers; /* waiting or writing faults with parked readers */
	u64 unavailable;
	u64 unverified; /* ever completed without a checksum of their own */
	bool checkpoint, sync_jump;
};

/*
 * Private to this room from here to the end of struct gm_tracker.
 *
 * A fault is known by its slot, an index into parallel arrays: what a lookup
 * needs (gm_fault, never across a cache line), its neighbours in a queue
 * (gm_link, small, so that walking and unlinking stay in the cache) and the
 * upper half of a time.  A fault never changes its slot, which therefore is
 * the cursor of listings.
 */

/**
 * struct gm_fault - what is known of one missing block
 * @address: its block
 * @sum: its checksum, when GM_W_SUM is set; else its serial number in sum[0]
 * @member: GM_SINGLE, or which member of which table it is
 * @word: position, flags, failures and the lower half of a time (GM_W_*)
 */
struct gm_fault {
	u64 address;
	u64 sum[2];
	u32 member;
	u32 word;
} __aligned(32);

/**
 * struct gm_link - neighbours in a queue
 * @prev: towards the head; of a fault being written: its owner
 * @next: towards the tail; of a fault being written: when that began, in ms
 *	(modulo 2^32, a month and a half); of a free slot: the next free one
 */
struct gm_link {
	u32 prev;
	u32 next;
};

#define GM_CELLS 15

/**
 * struct gm_bucket - one cache line of the hash table
 * @cell: tag of the address above, slot below; GM_NIL when unused; the used
 *	ones come first
 * @info: how many cells are used, how many faults that belong here are in
 *	later buckets, and how far away (GM_B_*)
 */
struct gm_bucket {
	u32 cell[GM_CELLS];
	u32 info;
} __aligned(64);

/**
 * struct gm_queue - waiting faults, first in first out
 * @head: handed out next
 * @tail: joined last
 * @count: how many
 * @mark: a fault that began a batch (see gm_begin_batch())
 * @aligned: how often in a row it did so again
 * @since: faults handed out since @mark was chosen
 */
struct gm_queue {
	u32 head;
	u32 tail;
	u32 count;
	u32 mark;
	u32 aligned;
	u32 since;
};

enum gm_class {
	GM_CLASS_READERS,
	GM_CLASS_WANTED,
	GM_CLASS_NORMAL,
	GM_CLASSES
};

#define GM_LEVELS 7

/**
 * struct gm_side - all queues of the faults that batches may come from
 * @never: never requested, or not since they fell back to waiting
 * @requested: by the time they were handed out, longest ago first
 * @backoff: their write failed, one queue a delay
 *
 * There are two sides: during a sync jump single faults live on side 1 and
 * the tables' members stay, set aside, on side 0.
 */
struct gm_side {
	struct gm_queue never[GM_CLASSES];
	struct gm_queue requested[GM_CLASSES];
	struct gm_queue backoff[GM_LEVELS];
};

/**
 * struct gm_table - one table slot
 * @address: of its index block
 * @sum: checksum of its index block, when @has_sum
 * @index: slot of the index fault, or GM_NIL
 * @values: number of values, 0 while indexing
 * @gone: values that are done, or lost to a checkpoint or cancel
 * @left: faults that belong to it
 * @writing: of those, how many are being written
 * @next: in the list of free, active, ended or dying tables
 * @prev: in the list of active tables
 * @hash_next: in the hash of active tables
 * @state: enum grid_missing_table_state, 0 for a free slot
 * @has_sum: @sum is known
 * @born: enqueued while a sweep runs that would otherwise take it
 * @listed: to be cancelled by the sync jump that is being completed
 * @lost: one of its values was cancelled: not all of it will be there
 */
struct gm_table {
	u64 address;
	u64 sum[2];
	u32 index;
	u32 values;
	u32 gone;
	u32 left;
	u32 writing;
	u32 next;
	u32 prev;
	u32 hash_next;
	u8 state;
	bool has_sum;
	bool born;
	bool listed;
	bool lost;
};

/**
 * struct gm_sweep - a call that meets very many faults, in slices (T8)
 * @kind: enum gm_sweep_kind, GM_SWEEP_NONE when none runs
 * @phase: enum gm_sweep_phase
 * @keep: cancel: what is being written becomes aborting
 * @again: jump: commenced during a jump
 * @by_set: checkpoint: the set is smaller than the number of faults
 * @conflict: jump: a pair was found that can't be merged, and why
 * @seq: counts sweeps; tells the caller that its own has ended
 * @result: where the caller waits for the outcome
 * @set: checkpoint: what is freed
 * @address: checkpoint: next member to look at
 * @slot: next fault slot to look at
 * @slots_end: no fault that the sweep wants is at or above it
 * @list: land: index addresses of the tables to cancel
 * @list_count: how many
 * @table: next table to look at: active ones: its slot, of @list: its place,
 *	clear: its slot
 * @member: next member of the first dying table to look at
 * @born: faults and tables that came during the sweep and are not meant
 */
struct gm_sweep {
	u8 kind;
	u8 phase;
	bool keep;
	bool again;
	bool by_set;
	int conflict;
	u32 seq;
	int *result;
	const struct gm_set *set;
	u64 address;
	u32 slot;
	u32 slots_end;
	const u64 *list;
	u32 list_count;
	u32 table;
	u32 member;
	u32 born;
};

/**
 * struct gm_tracker - the missing blocks of one grid
 * @lock: guards everything that is not fixed at creation
 */
struct gm_tracker {
	/* Fixed at creation. */
	struct gm_fault *faults;
	struct gm_link *links;
	struct gm_bucket *buckets;
	u16 *when_hi; /* upper half of the time whose lower half is in @word */
	u64 seed;
	u32 buckets_count;
	u32 slot_mask; /* of a cell; the rest is the tag */
	u32 near_bits; /* 2^n addresses in a row have buckets in a row */
	u32 slots;
	u8 *groups; /* faults in each GM_GROUP slots */
	u32 *members; /* fault slot of each value of each table */
	struct gm_table *tables;
	u32 *table_hash;
	u32 table_hash_mask;
	u32 reserve; /* slots for aborting members, see gm_init_sizes() */
	struct gm_limits limits;
	void (*change)(struct gm_tracker *t, const struct gm_change *c);
	int (*admit)(struct gm_tracker *t, u64 address,
		     enum grid_missing_as as);
	const struct gm_hooks *hooks; /* the rest of them, or NULL */
	bool recording; /* record hooks are called; the lock */
	bool restored; /* there may be more than blocks_max single ones */

	spinlock_t lock ____cacheline_aligned;
	u32 free; /* list of free slots, last freed first */
	u32 used; /* slots from here on were never used */
	bool special; /* a jump or a sweep: lookups take the long way */
	bool jump;
	bool checkpoint;
	bool readers_odd; /* whose turn the odd place of a batch is */
	bool unsorted; /* a requested queue may be out of order, see gm_sort() */
	u32 waiting, writing, aborting;
	u32 single, members_count; /* aborting ones too */
	u32 members_writing;
	u32 orphans; /* aborting members of tables */
	u32 readers;
	u32 unavailable;
	u64 unverified; /* completed without a checksum; only grows */
	u32 twins; /* single faults whose address is set aside too */

	u32 tables_free; /* list of free table slots */
	u32 tables_used;
	u32 tables_active;
	u32 tables_count; /* active and ended */
	u32 active_head, active_tail; /* in the order they were enqueued */
	u32 ended_head, ended_tail; /* in the order they ended */
	u32 dying_head, dying_tail; /* cancelled, but not swept yet */

	u64 serial; /* the newest of faults without a checksum */
	u64 now; /* latest time seen, so that time never runs back */
	u64 random;
	struct gm_side side[2];
	struct gm_sweep sweep;
};

/* Enqueue: inserted (or promoted); there already.  Else a negative errno. */
#define GM_INSERTED 0
#define GM_DUPLICATE GRID_MISSING_DUPLICATE

/* Who commenced a write: files have ids from 1, the kernel itself is 0. */
#define GM_OWNER_KERNEL 0U

#define GM_NEVER U64_MAX

/*
 * Creation; may sleep.  0, -EINVAL (blocks_max or table_values_max of 0, or
 * too many values, or more than 2^30 faults altogether), -ENOMEM.
 */
int gm_tracker_init(struct gm_tracker *t, const struct gm_limits *limits,
		    const struct gm_hooks *hooks);
void gm_tracker_exit(struct gm_tracker *t);
/* Bytes that gm_tracker_init() would take for these limits. */
u64 gm_tracker_bytes(const struct gm_limits *limits);
/*
 * Another capacity (D9): would all that is there fit; move it to @room.  Both
 * may sleep; nobody else may call the tracker during the move.  -EBUSY, -EINVAL.
 */
int gm_tracker_fits(struct gm_tracker *t, const struct gm_limits *limits);
int gm_tracker_move(struct gm_tracker *t, struct gm_tracker *room);

/*
 * Enqueue (T2, T3, T4).  @sum is NULL when nobody knows it.  @why is ENQUEUED
 * or DETECTED.  An enqueue of a fault marked unavailable makes it worth
 * trying again.
 */
int __gm_enqueue_block(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u8 why);
int gm_enqueue_block(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum, u8 why);
int __gm_enqueue_table(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum);
int gm_enqueue_table(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum);
/*
 * A table whose index block is good, by those of its values that are missing.
 * GM_INSERTED or GM_DUPLICATE; a bad list changes nothing.
 */
int gm_enqueue_values_of(struct gm_tracker *t, u64 address,
			 const struct grid_missing_checksum *sum,
			 const struct grid_missing_value *values, u32 n);
/*
 * Vectors of blocks and tables (GRID_MISSING_F_TABLE); results in the elements.
 * They take the lock once for some dozens and fetch ahead: use them for more
 * than one block.
 */
void gm_enqueue_vector(struct gm_tracker *t, struct grid_missing_block *v,
		       u32 n);

/*
 * Up to @max waiting faults (T5), in the order they should be repaired.
 * Returns how many.  @now and @min_age in ms.
 */
u32 gm_next_batch(struct gm_tracker *t, u32 max, u32 min_age, u64 now,
		  struct grid_missing_fault *out);
/* Only those with readers, or wanted. */
u32 gm_next_urgent(struct gm_tracker *t, u32 max, u32 min_age, u64 now,
		   struct grid_missing_fault *out);
/* ms from @now until gm_next_batch() would return something: 0 now, or GM_NEVER. */
u64 gm_next_due(struct gm_tracker *t, u32 min_age, u64 now);

/*
 * Repair (T6).  @sum NULL only for a fault without one; a fault without one
 * accepts any @sum, if @serial is its own or 0.  -ENOENT, -ESTALE, -EBUSY (not
 * waiting), -EAGAIN.
 */
int gm_repair_commence(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u64 serial,
		       u32 owner, u64 now);
/*
 * The write is through.  0, or -ECANCELED when the fault was aborting: it is
 * gone now, and @values (which may be NULL) were not looked at.  A bad list
 * changes nothing: -E2BIG, -EEXIST, -ESTALE, -EBUSY (a value is aborting),
 * -EINVAL (values for a fault that is no index, none for an index with
 * @values NULL); the fault is still writing.
 */
int gm_repair_complete(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u32 owner,
		       const struct grid_missing_value *values, u32 n);
int __gm_repair_complete(struct gm_tracker *t, u64 address,
			 const struct grid_missing_checksum *sum, u32 owner,
			 const struct grid_missing_value *values, u32 n);
/*
 * Vectors of both.  complete: a block with GRID_MISSING_F_FAILED failed; an
 * index answers -EINVAL, since it needs its values: gm_repair_complete().
 */
void gm_repair_commence_vector(struct gm_tracker *t,
			       struct grid_missing_block *v, u32 n, u32 owner,
			       u64 now);
void gm_repair_complete_vector(struct gm_tracker *t,
			       struct grid_missing_block *v, u32 n, u32 owner,
			       u64 now);
/* The write failed; waits again with back-off, or gone if aborting (-ECANCELED). */
int gm_repair_failed(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum, u32 owner,
		     u64 now);
/*
 * Give up a commenced write that was never begun: back to waiting without
 * back-off, or gone if aborting (-ECANCELED).
 */
int gm_repair_revert(struct gm_tracker *t, u64 address, u32 owner);
/*
 * Everything @owner was writing waits again, and what was aborting is gone; may
 * sleep, works in slices (T8, T11).  With @older_than, whatever any owner but
 * the kernel commenced before that time (ms).  Returns how many.
 */
u64 gm_revert_owner(struct gm_tracker *t, u32 owner);
u64 gm_revert_older(struct gm_tracker *t, u64 older_than);

/*
 * Records (M1), lock held.  record: how @address stands.  table: how slot @s
 * does; false beyond the last one.  list: up to @max records from slot *@cursor
 * on, U64_MAX at the end; may be none before it.
 */
void __gm_record(struct gm_tracker *t, u64 address,
		 struct grid_missing_record *out);
bool __gm_record_table(const struct gm_tracker *t, u32 s,
		       struct grid_missing_record_table *out);
u32 __gm_list_records(struct gm_tracker *t, u64 *cursor, u32 max,
		      struct grid_missing_record *out);
/*
 * Fill a tracker that nobody uses yet, and that knows nothing, from records:
 * all slots of tables from 0 on, then the faults.  -EINVAL, -ENOSPC.
 */
int gm_restore_table(struct gm_tracker *t, u32 s,
		     const struct grid_missing_record_table *r);
int gm_restore(struct gm_tracker *t, const struct grid_missing_record *r);

/* The block became good by other means (T15). */
int __gm_supersede(struct gm_tracker *t, u64 address);
int gm_supersede(struct gm_tracker *t, u64 address);

/*
 * Checkpoint (T8).  @set stays valid until the call returns; may sleep, works
 * in slices.  -EBUSY when one is open or another sweep runs.
 */
int gm_checkpoint_commence(struct gm_tracker *t, const struct gm_set *set);
/*
 * 0 once nothing is aborting, and closes it; -EAGAIN before that; -EINVAL when
 * none is open: a cancel closed it.
 */
int gm_checkpoint_complete(struct gm_tracker *t);
bool gm_is_swept(struct gm_tracker *t);

/*
 * Drop everything (T11).  With @keep_writing, what is writing becomes
 * aborting; without it (private trackers) that is dropped too.  Ends an open
 * checkpoint (with @keep_writing gm_checkpoint_complete() does, once the
 * aborting are gone) and a sync jump.  -EBUSY while another sweep runs.  May
 * sleep, works in slices.
 */
int gm_cancel_all(struct gm_tracker *t, bool keep_writing);
/*
 * Drop one fault; an index cancels its table.  A writing one becomes aborting
 * (with @keep_writing) or is dropped.  -ENOENT, -EBUSY (aborting already).
 */
int gm_cancel(struct gm_tracker *t, u64 address, bool keep_writing);
/* A table by its index; may sleep, works in slices.  -ENOENT, -EBUSY. */
int gm_cancel_table(struct gm_tracker *t, u64 address, bool keep_writing);

/* Sync jump (T12); may sleep. */
int gm_sync_jump_commence(struct gm_tracker *t);
int gm_sync_jump_complete(struct gm_tracker *t, const u64 *cancel, u32 n);

/*
 * Free the slots of at most @max done and cancelled tables (T7), those that
 * ended first, and what they were to @out (may be NULL); how many.
 */
u32 gm_reclaim_tables(struct gm_tracker *t, u32 max,
		      struct grid_missing_table *out);

/*
 * What the target knows of readers: they make the fault come first (T5).
 * -ENOENT.  Wanted (read-ahead) comes right after.
 */
int __gm_set_readers(struct gm_tracker *t, u64 address, bool readers);
int __gm_set_wanted(struct gm_tracker *t, u64 address);
/*
 * Fails its readers at once.  With @hold it is not handed out either (a
 * helper says that no source has it), else it stays in its queue (readers
 * timed out).  gm_retry() undoes both and the back-off.
 */
int __gm_set_unavailable(struct gm_tracker *t, u64 address, u8 why, bool hold);
int gm_retry(struct gm_tracker *t, u64 address);
/* All of them; may sleep, works in slices.  Returns how many had a change. */
u64 gm_retry_all(struct gm_tracker *t);

/*
 * The fault at @address: its state, GRID_MISSING_STATE_GONE when there is
 * none; *@info (may be NULL) is filled in when there is one.
 */
u8 __gm_peek(struct gm_tracker *t, u64 address, struct grid_missing_fault *info,
	     bool *freed);
u8 __gm_find(struct gm_tracker *t, u64 address,
	     struct grid_missing_fault *info);

/*
 * Listing by cursor: 0 begins; returns how many of @max were filled in and
 * moves *@cursor, to U64_MAX at the end.  What stayed in the tracker is
 * neither skipped nor listed twice.  Looks at a bounded number of slots.
 */
u32 gm_list_faults(struct gm_tracker *t, u64 *cursor, u32 max,
		   struct grid_missing_fault *out);
/* Likewise, of those from @first to @last. */
u32 gm_list_range(struct gm_tracker *t, u64 first, u64 last, u64 *cursor,
		  u32 max, struct grid_missing_fault *out);
u32 gm_list_tables(struct gm_tracker *t, u64 *cursor, u32 max,
		   struct grid_missing_table *out);
void gm_get_counts(struct gm_tracker *t, struct gm_counts *c);

/*
 * Recount everything from scratch (T14): every counter, list, hash chain and
 * table.  0, or -EUCLEAN and a sentence in @buf.  Holds the lock throughout:
 * for tests and debugfs.
 */
int gm_verify(struct gm_tracker *t, char *buf, size_t len);

#define GM_LOCK(t, flags) spin_lock_irqsave(&(t)->lock, flags)
#define GM_UNLOCK(t, flags) spin_unlock_irqrestore(&(t)->lock, flags)

#endif /* _GM_TRACKER_H */
