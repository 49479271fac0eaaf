/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of grid_missing.ko share.
 *
 *   main.c           init and exit
 *   device.c         /dev/grid_missing: files, poll, ioctl dispatch
 *   device_events.c  the files that events are read from
 *   device_repair.c  the calls on many blocks that bring data or values
 *   device_vector.c  the others
 *   debugfs.c        dump and verify
 *   core.c           a tracker with an identity: its life, where it is found,
 *                    another capacity
 *   generation.c     the release sets of private trackers
 *   record.c         for targets that keep the map elsewhere: records, commits
 *   faults.c         what a target does with its faults
 *   bind.c           who acts on it: the target that is bound, attached files
 *   events.c         what is told of it: counters, events, wake-ups
 *   trace.c          the tracepoints
 *   ../tracker/      the state machine: no file, no user memory, no clock
 *
 * A file calls only files below it in this list, but for calls by pointer
 * (hooks, operations, workers); tools/testing/layers checks it.
 *
 * Locks, outermost first:
 *   gm_file->lock         (mutex) one attach at a time
 *   gm_reader->lock       (mutex) one read() at a time; held while user memory
 *                         is touched, so nothing but calls on the same file
 *                         may wait for it
 *   gm->reserve_lock      (mutex) the reserve block; likewise
 *   gm->release_lock      (mutex) private trackers: generations, checkpoint
 *   gm->bind              (rwsem) held for read around calls into the target,
 *                         and around every call on the tracker that a target
 *                         did not ask for: held for write, it can be moved.
 *                         Never while user memory is touched: a page of that
 *                         may be somebody's userfaultfd or FUSE file, and a
 *                         suspend or a removal would wait for him
 *   gm_registry_lock      (mutex) the list of trackers
 *   gm->helpers_lock      (mutex) makes the target see helper counts in order
 *   gm->tracker.lock      (spinlock, irqs off) "the lock"
 *   gm->files_lock        (spinlock, irqs off) who is to be woken
 */
#ifndef _GM_CORE_H
#define _GM_CORE_H

#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/timer.h>
#include <linux/wait.h>

#include <linux/grid_missing.h>
#include "tracker/tracker.h"

/* Events that are kept for those who have not read them yet; power of two. */
#define GM_EVENTS 4096U

/* All of them are woken with interrupts off. */
#define GM_READERS_MAX 256U

/* What somebody may sleep for; see __gm_wake() in events.c. */
#define GM_WAKE_WORK BIT(0) /* a batch may return something */
#define GM_WAKE_EVENT BIT(1) /* read() returns something */
#define GM_WAKE_IDLE BIT(2) /* a fault is aborting no more */

/**
 * struct gm_event - an event in the ring
 * @time_ns: CLOCK_BOOTTIME
 * @address: the block, or what @why says
 * @count: of how many it tells, or what @why says
 * @who: process that called, or 0
 * @why: enum grid_missing_reason
 * @state: enum grid_missing_state after it
 *
 * Its sequence number s is its place: it lies at (s & (GM_EVENTS - 1)).
 */
struct gm_event {
	u64 time_ns;
	u64 address;
	u64 count;
	u32 who;
	u8 why;
	u8 state;
};

/**
 * struct gm_generation - addresses released before one checkpoint (T9)
 * @chunks: of struct gm_chunk, bitmaps of neighbouring addresses, by address
 * @chunks_count: how many
 * @count: addresses in them
 */
struct gm_generation {
	struct rb_root chunks;
	unsigned long chunks_count;
	u64 count;
};

/**
 * struct gm_call - one ioctl under way, so that its events can name it
 * @node: in gm->calls
 * @task: who runs it
 * @who: its process id
 */
struct gm_call {
	struct list_head node;
	struct task_struct *task;
	u32 who;
};

/** struct gm_counters - events since creation, under the lock */
struct gm_counters {
	u64 repaired;
	u64 superseded;
	u64 verify_failed;
	u64 write_failed;
	u64 freed;
	u64 cancelled;
	u64 checkpoints;
};

struct grid_missing {
	struct gm_tracker tracker;

	/* Changes with bind held for write and the lock held: a move (D9). */
	struct grid_missing_limits limits;
	struct grid_missing_geometry geometry; /* only its length */

	/* Never changes. */
	u64 id;
	unsigned int major, minor;
	bool private;
	bool exclusive; /* private, and its creator's alone to change */
	u32 revert_age_ms;
	char name[GRID_MISSING_NAME_MAX];

	struct kref ref; /* the last one is dropped under gm_registry_lock */
	struct list_head node; /* gm_registry_lock; by id; empty once removed */

	/*
	 * Binding.  ops and priv change with bind held for write *and* the lock
	 * held: either is enough to use them, and once unbind has returned
	 * neither a change() nor an ioctl's call is running.
	 */
	struct rw_semaphore bind;
	const struct grid_missing_ops *ops;
	void *priv;
	bool suspended; /* set before bind is taken for write: no queue */
	bool removed; /* never cleared */

	struct mutex helpers_lock; /* counts and tells in order */
	u32 helpers; /* files that can repair; helpers_lock */

	/* The lock. */
	struct gm_counters counters;
	struct gm_event *events;
	u64 event_last; /* sequence number of the newest, 0 for none */
	bool commence_told; /* its end is to be told too */
	u64 commence_id; /* as which it was told */
	struct list_head calls;
	unsigned int armed; /* GM_WAKE_* that somebody sleeps for */
	unsigned int waking; /* GM_WAKE_* that wake_work is to wake */

	struct irq_work wake_work;
	spinlock_t files_lock; /* files, readers */
	struct list_head files; /* gm_file->node */
	struct list_head readers; /* gm_reader->node */
	u32 readers_count; /* up to GM_READERS_MAX */
	wait_queue_head_t idle_wait; /* who waits for aborting faults */

	/* Of a target that keeps the map: record.c. */
	wait_queue_head_t commit_wait; /* who waits for a commit */
	u64 committed; /* up to this ticket */
	bool commit_failed; /* nothing is committed any more */

	/* A block for a repair when no other memory is there; dm only. */
	struct mutex reserve_lock; /* the reserve's content */
	void *reserve;

	/* Private trackers; release_lock. */
	struct mutex release_lock; /* the rest of them */
	struct gm_generation *open; /* what is released goes here */
	struct gm_generation *taken; /* its checkpoint is not durable yet */
	u64 released; /* addresses in both */
	u64 checkpoint_id; /* the last one taken */
	u64 checkpoint_taken; /* the same until it is becoming durable, or 0 */
	u64 checkpoint_durable; /* the last one that was commenced */
};

/**
 * struct gm_file - one open file description of /dev/grid_missing
 * @lock: serializes attach
 * @gm: what it is attached to, NULL at first; set once
 * @writable: it was opened for writing, and counts as a helper once attached
 * @creator: its tracker is private and goes when it is closed
 * @owner: whom the tracker knows it as (U3)
 * @min_age_ms: faults handed out less than that ago are not due
 * @wait: pollers
 * @timer: wakes pollers when a fault becomes due by age alone
 * @node: in gm->files, under gm->files_lock
 */
struct gm_file {
	struct mutex lock; /* attach */
	struct grid_missing *gm;
	bool writable;
	bool creator;
	u32 owner;
	u32 min_age_ms;
	wait_queue_head_t wait;
	struct timer_list timer;
	struct list_head node;
};

/**
 * struct gm_reader - one open file description that events are read from
 * @lock: one read() at a time; @cursor
 * @gm: whose events; with a reference
 * @cursor: sequence number of the next event to read
 * @wait: pollers and readers
 * @node: in gm->readers, under gm->files_lock
 */
struct gm_reader {
	struct mutex lock; /* one read() at a time */
	struct grid_missing *gm;
	u64 cursor;
	wait_queue_head_t wait;
	struct list_head node;
};

/* core.c */
extern struct list_head gm_registry;
extern struct mutex gm_registry_lock;

struct grid_missing *gm_create_private(const struct gm_limits *limits,
				       u32 revert_age_ms, bool exclusive,
				       const char *name);
struct grid_missing *gm_find_id(u64 id);
struct grid_missing *gm_find_next(u64 id);

/* bind.c */
int gm_begin(struct grid_missing *gm, bool live);
void gm_end(struct grid_missing *gm);
void gm_attach_file(struct grid_missing *gm, struct gm_file *f);
void gm_detach_file(struct grid_missing *gm, struct gm_file *f);
int gm_faults(struct grid_missing *gm, u64 *cursor, u32 max,
	      struct grid_missing_fault *out);
int gm_faults_of(struct grid_missing *gm, u64 first, u64 last, u64 *cursor,
		 u32 max, struct grid_missing_fault *out);
int gm_tables(struct grid_missing *gm, u64 *cursor, u32 max,
	      struct grid_missing_table *out);
int gm_verify_idle(struct grid_missing *gm, char *why, size_t len);
u64 gm_due(struct grid_missing *gm, u32 min_age);

/* events.c */
int gm_events_init(struct grid_missing *gm);
void gm_change(struct gm_tracker *t, const struct gm_change *c);
void gm_table_event(struct gm_tracker *t, u8 why, u64 address, u64 count);
void gm_events_exit(struct grid_missing *gm);
void gm_call_begin(struct grid_missing *gm, struct gm_call *call);
void gm_call_end(struct grid_missing *gm, struct gm_call *call);
void gm_arm(struct grid_missing *gm, unsigned int what);
void __gm_wake(struct grid_missing *gm, unsigned int what);
void gm_wake(struct grid_missing *gm, unsigned int what);
void gm_wake_all(struct grid_missing *gm);
int gm_wait_idle(struct grid_missing *gm, const u64 *address);
void __gm_event(struct grid_missing *gm, u64 address, u8 from, u8 to, u8 why);
void __gm_tell(struct grid_missing *gm, u8 why, u64 address, u64 count);
void gm_tell_event(struct grid_missing *gm, u8 why, u64 address, u64 count);
int gm_add_reader(struct grid_missing *gm, struct gm_reader *r);
void gm_del_reader(struct gm_reader *r);
u32 gm_events_read(struct grid_missing *gm, u64 *cursor,
		   struct grid_missing_event *out, u32 max);
u64 gm_events_unread(struct grid_missing *gm, u64 cursor);

/* faults.c */
int __gm_enqueue_ok(struct grid_missing *gm, u64 address,
		    enum grid_missing_as as);
int gm_may_enqueue(struct gm_tracker *t, u64 address, enum grid_missing_as as);
void gm_say_full(struct grid_missing *gm, bool table);
void gm_tell_commenced(struct grid_missing *gm, u64 id, u64 count);
int gm_cancel_one(struct grid_missing *gm, u64 address);
int gm_cancel_everything(struct grid_missing *gm);

/* The tracker's idea of time: ms, never going back. */
static inline u64 gm_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

static inline bool gm_removed(const struct grid_missing *gm)
{
	return READ_ONCE(gm->removed);
}

static inline bool gm_suspended(const struct grid_missing *gm)
{
	return !gm->private &&
	       (READ_ONCE(gm->suspended) || !READ_ONCE(gm->ops));
}

/* record.c */
/* What a batch may change: of what a sweep takes, and of what backs off. */
#define GM_ROOM_BATCH 3328U
/* ... and a call on one block. */
#define GM_ROOM_ONE 3U
/* A table, where a cancel has not come to the one that was there. */
#define GM_ROOM_TABLE 5U
void gm_record_init(struct grid_missing *gm);
void gm_record(struct gm_tracker *t, u64 address);
void gm_record_table(struct gm_tracker *t, u32 s);
void gm_record_room(struct gm_tracker *t);
int gm_room(struct grid_missing *gm, u32 changes);
int gm_try_room(struct grid_missing *gm, u32 changes);
void gm_room_done(struct grid_missing *gm, u32 changes);
u64 gm_ticket(struct grid_missing *gm);
void gm_jump_over(struct grid_missing *gm);
int gm_wait_committed(struct grid_missing *gm, u64 ticket);

/* generation.c */
struct gm_generation *gm_generation_new(void);
void gm_generation_free(struct gm_generation *g);
int gm_list_released(struct grid_missing *gm, u64 *cursor, u32 max,
		     struct grid_missing_released *out);
int gm_release(struct grid_missing *gm,
	       const struct grid_missing_released *runs, u32 n);
int gm_take(struct grid_missing *gm, u64 *id);
int gm_durable(struct grid_missing *gm, u64 id);
int gm_revert(struct grid_missing *gm);
int gm_durable_complete(struct grid_missing *gm, u32 *pending);

/* device.c */
int __init gm_device_init(void);
void gm_device_exit(void);

/* debugfs.c */
void __init gm_debugfs_init(void);
void gm_debugfs_exit(void);

#endif /* _GM_CORE_H */
