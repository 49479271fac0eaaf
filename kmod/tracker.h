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

#include <linux/spinlock.h>
#include <linux/types.h>
#include <uapi/linux/grid_missing.h>

struct gm_tracker;

/**
 * struct gm_limits - capacity, fixed at creation (T1)
 * @blocks_max: most single faults
 * @tables_max: most tables at a time
 * @table_values_max: most values of a table
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
 */
struct gm_change {
	u64 address;
	u8 from;
	u8 to;
	u8 why;
};

/**
 * struct gm_hooks - what the owner of a tracker wants to know
 * @change: called under the lock, interrupts off, after each transition and
 *	each change of the unavailable flag.  May be NULL.  A member that a
 *	checkpoint, cancel or jump in slices has not reached yet is reported
 *	when it is met, but is treated as gone from the first slice on (T8).
 *	An address that a sync jump sets aside is not reported as gone.
 */
struct gm_hooks {
	void (*change)(struct gm_tracker *t, const struct gm_change *c);
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
	bool checkpoint, sync_jump;
};

/* Enqueue: inserted (or promoted); there already.  Else a negative errno. */
#define GM_INSERTED 0
#define GM_DUPLICATE GRID_MISSING_DUPLICATE

/* Who commenced a write: files have ids from 1, the kernel itself is 0. */
#define GM_OWNER_KERNEL 0U

#define GM_NEVER U64_MAX

/* Creation; may sleep.  0, -EINVAL (a maximum of 0 or an impossible sum), -ENOMEM. */
int gm_tracker_init(struct gm_tracker *t, const struct gm_limits *limits,
		    const struct gm_hooks *hooks);
void gm_tracker_exit(struct gm_tracker *t);
/* Bytes that gm_tracker_init() would take for these limits. */
u64 gm_tracker_bytes(const struct gm_limits *limits);

/*
 * Enqueue (T2, T3, T4).  @sum is NULL when nobody knows it.  @why is ENQUEUED
 * or DETECTED.  An enqueue of a fault marked unavailable makes it worth
 * trying again.
 */
int __gm_enqueue_block(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u8 why);
int gm_enqueue_block(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum, u8 why);
int gm_enqueue_table(struct gm_tracker *t, u64 address,
		     const struct grid_missing_checksum *sum);
/* Vectors of blocks and tables (GRID_MISSING_F_TABLE); results in the elements. */
void gm_enqueue_vector(struct gm_tracker *t, struct grid_missing_block *v,
		       u32 n);

/*
 * Up to @max waiting faults (T5), in the order they should be repaired.
 * Returns how many; -EAGAIN never.  @now and @min_age in ms.
 */
u32 gm_next_batch(struct gm_tracker *t, u32 max, u32 min_age, u64 now,
		  struct grid_missing_fault *out);
/* ms from @now until gm_next_batch() would return something: 0 now, or GM_NEVER. */
u64 gm_next_due(struct gm_tracker *t, u32 min_age, u64 now);

/*
 * Repair (T6).  @sum NULL only for a fault without one; a fault without one
 * accepts any @sum.  -ENOENT, -ESTALE, -EBUSY (not waiting), -EAGAIN.
 */
int gm_repair_commence(struct gm_tracker *t, u64 address,
		       const struct grid_missing_checksum *sum, u32 owner,
		       u64 now);
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
 * Everything @owner was writing waits again; may sleep, works in slices (T8,
 * T11).  With @older_than, whatever any owner but the kernel commenced before
 * that time (ms).  Returns how many.
 */
u64 gm_revert_owner(struct gm_tracker *t, u32 owner);
u64 gm_revert_older(struct gm_tracker *t, u64 older_than);

/* The block became good by other means (T15). */
int __gm_supersede(struct gm_tracker *t, u64 address);
int gm_supersede(struct gm_tracker *t, u64 address);

/*
 * Checkpoint (T8).  @set stays valid until the call returns; may sleep, works
 * in slices.  -EBUSY when one is open or another sweep runs.
 */
int gm_checkpoint_commence(struct gm_tracker *t, const struct gm_set *set);
/* True once nothing is aborting, and closes it; false too when none is open. */
bool gm_checkpoint_complete(struct gm_tracker *t);

/*
 * Drop everything (T11).  With @keep_writing, what is writing becomes
 * aborting, -EBUSY while members aborted by an earlier one are left; without
 * it (private trackers) that is dropped too.  Ends an open checkpoint (with
 * @keep_writing: once the aborting are gone) and a sync jump.  May sleep,
 * works in slices.
 */
int gm_cancel_all(struct gm_tracker *t, bool keep_writing);
/*
 * Drop one fault; an index cancels its table.  A writing one becomes aborting
 * (with @keep_writing) or is dropped.  -ENOENT, -EBUSY (aborting already).
 */
int gm_cancel(struct gm_tracker *t, u64 address, bool keep_writing);

/* Sync jump (T12); may sleep. */
int gm_sync_jump_commence(struct gm_tracker *t);
int gm_sync_jump_complete(struct gm_tracker *t, const u64 *cancel, u32 n);

/* Free the slots of done and cancelled tables (T7); how many. */
u32 gm_reclaim_tables(struct gm_tracker *t);

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
u64 gm_retry_all(struct gm_tracker *t);

/*
 * The fault at @address: its state, GRID_MISSING_STATE_GONE when there is
 * none; *@info (may be NULL) is filled in when there is one.
 */
u8 __gm_find(struct gm_tracker *t, u64 address, struct grid_missing_fault *info);

/*
 * Listing by cursor: 0 begins; returns how many of @max were filled in and
 * moves *@cursor, to U64_MAX at the end.  What stayed in the tracker is
 * neither skipped nor listed twice.  Looks at a bounded number of slots.
 */
u32 gm_list_faults(struct gm_tracker *t, u64 *cursor, u32 max,
		   struct grid_missing_fault *out);
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
