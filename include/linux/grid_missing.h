/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The API of grid_missing.ko for device-mapper targets.
 *
 * A target creates a tracker for its mapped device (or finds the one that an
 * earlier table of that device made), binds its operations to it while it is
 * the live table, and tells it of missing blocks, readers and checkpoints.
 * The tracker calls back on every transition and for what ioctls ask.
 *
 * Lock order: bind lock (a sleeping lock inside the tracker, held around
 * struct grid_missing_ops calls made for an ioctl) -> tracker lock (spinlock,
 * interrupts off) -> what the target's change() takes.
 *
 * This file says what there is; each function's context and errors stand once,
 * where it is defined, in kmod/missing.  Those called __ want the tracker's lock.
 */
#ifndef _LINUX_GRID_MISSING_H
#define _LINUX_GRID_MISSING_H

#include <linux/types.h>
#include <uapi/linux/grid_missing.h>
#include <linux/grid_missing_record.h>

/* What modinfo tells; of both modules, and the packages. */
#define GRID_MISSING_VERSION "0.1"

struct grid_missing;
struct grid_missing_room;

/**
 * struct grid_missing_limits - capacity of a tracker
 * @blocks_max: most single faults, at least 1
 * @tables_max: most tables at a time
 * @table_values_max: most values a table
 */
struct grid_missing_limits {
	u32 blocks_max;
	u32 tables_max;
	u32 table_values_max;
};

/**
 * struct grid_missing_geometry - the grid of a dm device
 * @blocks: number of blocks
 * @block_size: bytes a block, power of two, 4 KiB to 1 MiB
 * @checksum: name of the hash, empty for none
 */
struct grid_missing_geometry {
	u64 blocks;
	u32 block_size;
	char checksum[64];
};

/**
 * struct grid_missing_item - one block of a repair, in kernel memory
 * @address: the block
 * @sum: stated checksum
 * @serial: of the fault that @data is for, or 0 for whichever is there
 * @has_sum: false: no checksum was stated
 * @is_index: @values is a list, possibly empty
 * @data: one block, from kvmalloc(), vmalloc() or pages
 * @values: an index's values
 * @values_count: how many
 * @result: out: 0 or a negative errno; preset to 0; items whose result is set
 *	already are to be left alone
 * @commenced: the target's own: its fault is writing
 * @ended: the target's own: its fault is gone, and a flush is to come
 * @had_sum: the target's own: of that fault: its checksum was known
 */
struct grid_missing_item {
	u64 address;
	struct grid_missing_checksum sum;
	u64 serial;
	bool has_sum;
	bool is_index;
	void *data;
	const struct grid_missing_value *values;
	u32 values_count;
	int result;
	bool commenced;
	bool ended;
	bool had_sum;
};

/**
 * enum grid_missing_room_how - how ops->room is asked
 * @GRID_MISSING_ROOM_WAIT: wait until there is some; nobody keeps it
 * @GRID_MISSING_ROOM_KEEP: likewise, interruptible; it is kept until ops->room_done
 * @GRID_MISSING_ROOM_TRY: as KEEP, but without waiting
 */
enum grid_missing_room_how {
	GRID_MISSING_ROOM_WAIT,
	GRID_MISSING_ROOM_KEEP,
	GRID_MISSING_ROOM_TRY,
};

/**
 * struct grid_missing_ops - what a live target does for its tracker
 * @change: a fault changed its state (@from and @to are enum
 *	grid_missing_state, GONE for none) or became unavailable or worth
 *	retrying (@from == @to).  Tracker lock held, interrupts off: must not
 *	sleep nor call the tracker, but for the __grid_missing_*() calls.
 * @helpers: the number of attached files that can repair is now @n; may sleep.
 * @repair: verify, commence, write, complete, flush once; sets each item's
 *	result.  May sleep, bounded by the lower device.  Returns 0, or
 *	-EAGAIN while suspended (nothing was done then).
 * @take: close the open generation of releases; its id in *@id, which may want
 *	one that is greater than any before.  Never sleeps.  0; -EBUSY while the one
 *	before isn't durable; -EINVAL: there was a greater id; -EOPNOTSUPP with
 *	checkpoint:flush; -EAGAIN while suspended.
 * @durable: the barrier for @id; returns when it is done; interruptible.  0, also
 *	when it was done before; -ENOENT: not taken, or reverted meanwhile; -EBUSY
 *	while a sync jump or a revert is under way, and -EIO when the lower device
 *	can't flush or the metadata failed: it is still taken; -EOPNOTSUPP and
 *	-EAGAIN as @take; -EINTR: the barrier goes on.
 * @revert: what is released and not yet freed is in use again, once no barrier
 *	runs; interruptible.  0; -EIO: it is, but the metadata does not say so;
 *	-EAGAIN while suspended; -EINTR: what was begun goes on.
 * @ready: ends start:held.  Never sleeps.  -EINVAL when not held.
 * @enqueue_ok: may @address be enqueued, @as what it is: 0, -ERANGE, -EBUSY (its
 *	discard is not through), -ENOSPC (the map is full) or -EAGAIN (it is until a
 *	barrier has ended); none of these two of a value.  Tracker lock held,
 *	interrupts off.
 * @list_released: fill in up to @max runs of released blocks from *@cursor on,
 *	which is moved; U64_MAX at the end.  Also while suspended.
 * @release: @n runs of blocks join the open generation, before @ready.  May sleep.
 *	-ERANGE: nothing was done; -EOPNOTSUPP when not held, -EAGAIN while suspended
 *	and -EINTR: some may be released.
 * @cancel: what is missing from @first to @last without a fault, for want of a
 *	slot, is good now; returns how many that were.  Room for one change was
 *	asked for; for more it may sleep as @room.
 * @status: add what the target knows to @st: parked, oldest_waiting_ms, timeouts,
 *	detected, lost_full, lost, passed_up and what is said of it, checkpoints,
 *	released, discarding, checkpoint_taken, and of state what grid_missing.ko
 *	doesn't know.  Never sleeps; also while suspended.
 *
 * For a target that keeps the map elsewhere (M1); NULL in all others:
 *
 * @record: how @address stands may have changed: ask __grid_missing_record().
 *	Tracker lock held, interrupts off; within one hold of it the last call
 *	counts.
 * @record_table: likewise, of table slot @slot.
 * @room: up to @changes calls of the two above are to come: is there room for
 *	them?  0; -EINTR; of TRY, which never sleeps, -EAGAIN.  The others may
 *	sleep, as long as the target's devices take.
 * @room_done: says that they have come, for so many @changes.  Never sleeps.
 * @jump_over: a sync jump is over, or all was cancelled: what it dropped, and
 *	nobody enqueued since, leaves the map.  May sleep, as @room.
 * @ticket: what was changed up to now is to be committed: a number for
 *	grid_missing_committed().  Never sleeps.
 */
struct grid_missing_ops {
	void (*change)(void *priv, u64 address, u8 from, u8 to, u8 why);
	void (*helpers)(void *priv, u32 n);
	int (*repair)(void *priv, struct grid_missing_item *items, u32 n);
	int (*take)(void *priv, u64 *id);
	int (*durable)(void *priv, u64 id);
	int (*revert)(void *priv);
	int (*ready)(void *priv);
	int (*enqueue_ok)(void *priv, u64 address, enum grid_missing_as as);
	u32 (*list_released)(void *priv, u64 *cursor, u32 max,
			     struct grid_missing_released *out);
	int (*release)(void *priv, const struct grid_missing_released *runs,
		       u32 n);
	u64 (*cancel)(void *priv, u64 first, u64 last);
	void (*status)(void *priv, struct grid_missing_status *st);
	void (*record)(void *priv, u64 address);
	void (*record_table)(void *priv, u32 slot);
	int (*room)(void *priv, u32 changes, enum grid_missing_room_how how);
	void (*room_done)(void *priv, u32 changes);
	void (*jump_over)(void *priv);
	u64 (*ticket)(void *priv);
};

/* Life: made, found by others, and gone with its device. */
struct grid_missing *
grid_missing_create(unsigned int major, unsigned int minor, const char *name,
		    const struct grid_missing_limits *limits,
		    const struct grid_missing_geometry *geometry);
int grid_missing_add(struct grid_missing *gm);
struct grid_missing *grid_missing_find(unsigned int major, unsigned int minor);
void grid_missing_put(struct grid_missing *gm);
void grid_missing_remove(struct grid_missing *gm);
u64 grid_missing_bytes(const struct grid_missing_limits *limits);
const struct grid_missing_limits *
grid_missing_limits(const struct grid_missing *gm);

/* Another capacity or length for the tracker of a suspended device (D9). */
struct grid_missing_room *
grid_missing_room_new(const struct grid_missing_limits *limits);
void grid_missing_room_free(struct grid_missing_room *room);
int grid_missing_fits(struct grid_missing *gm,
		      const struct grid_missing_limits *limits);
int grid_missing_move(struct grid_missing *gm, struct grid_missing_room *room,
		      u64 blocks);

/*
 * Who acts for the tracker.  While nobody does, or while it is suspended, ioctls
 * that need the target answer EAGAIN and poll reports nothing.
 */
void grid_missing_bind(struct grid_missing *gm,
		       const struct grid_missing_ops *ops, void *priv);
void grid_missing_unbind(struct grid_missing *gm, void *priv);
void grid_missing_suspend(struct grid_missing *gm, bool suspended);
u32 grid_missing_helpers(struct grid_missing *gm);

/* The tracker's lock, for the __ calls. */
void grid_missing_lock(struct grid_missing *gm, unsigned long *flags);
void grid_missing_unlock(struct grid_missing *gm, unsigned long flags);
#ifdef CONFIG_LOCKDEP
void grid_missing_assert_locked(const struct grid_missing *gm);
#else
static inline void grid_missing_assert_locked(const struct grid_missing *gm)
{
}
#endif

/* One block: what it is, and what the target found out or did. */
u8 __grid_missing_find(struct grid_missing *gm, u64 address, u32 *flags);
u8 __grid_missing_peek(struct grid_missing *gm, u64 address, u32 *flags,
		       bool *freed);
int __grid_missing_detected(struct grid_missing *gm, u64 address);
int __grid_missing_supersede(struct grid_missing *gm, u64 address);
int __grid_missing_readers(struct grid_missing *gm, u64 address, bool readers);
int __grid_missing_wanted(struct grid_missing *gm, u64 address);
int __grid_missing_timed_out(struct grid_missing *gm, u64 address);

/* All of them. */
bool __grid_missing_jumping(struct grid_missing *gm);
u32 __grid_missing_single(struct grid_missing *gm);
void __grid_missing_checkpoint_told(struct grid_missing *gm, u64 id);
void __grid_missing_checkpoint_durable(struct grid_missing *gm);

/* Records (M1): how things stand, for a target that keeps the map. */
void __grid_missing_record(struct grid_missing *gm, u64 address,
			   struct grid_missing_record *out);
bool __grid_missing_record_table(struct grid_missing *gm, u32 slot,
				 struct grid_missing_record_table *out);
u32 __grid_missing_list_records(struct grid_missing *gm, u64 *cursor, u32 max,
				struct grid_missing_record *out);
int __grid_missing_enqueue_again(struct grid_missing *gm, u64 address,
				 const struct grid_missing_checksum *sum);

/* ... and from such a map: all tables by slot from 0 on, then the faults. */
int grid_missing_restore_table(struct grid_missing *gm, u32 slot,
			       const struct grid_missing_record_table *r);
int grid_missing_restore(struct grid_missing *gm,
			 const struct grid_missing_record *r);
void grid_missing_committed(struct grid_missing *gm, u64 ticket, bool failed);

/* What a dmsetup message does: as the ioctls. */
int grid_missing_enqueue(struct grid_missing *gm, u64 address,
			 const struct grid_missing_checksum *sum);
int grid_missing_cancel(struct grid_missing *gm, u64 address);

/* Repair, from within ops->repair: commenced, then one of the other two. */
int grid_missing_commence(struct grid_missing *gm,
			  const struct grid_missing_item *item);
int __grid_missing_complete(struct grid_missing *gm,
			    const struct grid_missing_item *item);
int grid_missing_failed(struct grid_missing *gm,
			const struct grid_missing_item *item, bool retry_now);
void grid_missing_verify_failed(struct grid_missing *gm, u64 address);

/**
 * struct grid_missing_set - a set of block addresses
 * @count: number of members
 * @id: the checkpoint's, for events; 0 where it has none
 * @test: is @address a member
 * @next: smallest member >= @from; *@found false when there is none
 */
struct grid_missing_set {
	u64 count;
	u64 id;
	bool (*test)(const struct grid_missing_set *set, u64 address);
	u64 (*next)(const struct grid_missing_set *set, u64 from, bool *found);
};

/* Checkpoint, and the end of everything. */
int grid_missing_checkpoint_commence(struct grid_missing *gm,
				     const struct grid_missing_set *set);
int grid_missing_checkpoint_complete(struct grid_missing *gm);
int grid_missing_cancel_all(struct grid_missing *gm);
u64 grid_missing_count(struct grid_missing *gm);

/* Counters and capacity, without what ops->status adds. */
void grid_missing_get_status(struct grid_missing *gm,
			     struct grid_missing_status *st);

#endif /* _LINUX_GRID_MISSING_H */
