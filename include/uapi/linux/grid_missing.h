/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * grid_missing: the missing blocks of a grid, and their repair.
 *
 * This header is the only ABI between /dev/grid_missing and userspace.  It
 * compiles alone, as C and as C++, and means the same to a 32-bit program on
 * a 64-bit kernel.
 */
#ifndef _UAPI_LINUX_GRID_MISSING_H
#define _UAPI_LINUX_GRID_MISSING_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: Model
 *
 * A *tracker* knows which blocks of one grid are missing.  Every entry is a
 * *fault*: an address, the checksum that identifies the right content (or
 * none), a state and a cause.  A fault is waiting, then writing, then gone; a
 * failed write brings it back to waiting, and a checkpoint that frees the
 * block while its write is under way makes it aborting, then gone.
 *
 * A tracker belongs to a device-mapper device of target ``grid`` and is
 * attached to, or it is private to the file that created it and lives as long
 * as that file; others may attach to it by its id until then.  An id is never
 * used again.
 */

/**
 * DOC: Ownership
 *
 * On a dm device data comes only through GRID_MISSING_REPAIR, which commences,
 * writes and completes in one call; whatever is under way belongs to the
 * kernel and ends by itself.  On a private tracker what a file is writing
 * belongs to the open file description that commenced it (dup, fork and
 * SCM_RIGHTS share it); its last close brings it back to waiting.
 */

/**
 * DOC: Sizes and vectors
 *
 * All structs have their fields where a packed one would have them: there is no
 * padding, and every field is aligned to its size.  Numbers are in the machine's
 * byte order, pointers are 64 bits wide.  Command number N is the ioctl request
 * 0xBD00 + N.
 *
 * Every argument starts with __u32 size, the caller's sizeof, and __u32 flags.
 * A shorter, older struct is accepted down to the size of the first version,
 * missing fields count as zero; a longer, newer one is accepted when what the
 * kernel doesn't know is zero, otherwise E2BIG.  Reserved fields must be zero.
 * A vector states the size of its elements (elem_size), which grows by the
 * same rules, and holds at most GRID_MISSING_VECTOR_MAX elements.  Every
 * element has its own result; the call returns 0 and sets done when anything
 * was done, else the errno.  Elements are handled in order, those from done on
 * were not looked at.  Memory that cannot be read or written, an element too
 * long, a suspend or a signal end the call at that element; what is wrong with
 * the element itself, also with a pointer in it, is its result.  When its result
 * cannot be delivered any more, an element does not count although it was handled
 * (a commence is taken back then).
 */

/**
 * DOC: poll and events
 *
 * EPOLLIN: a batch with the file's minimum age would return something; woken
 * also by age alone, not while the device is suspended.  EPOLLHUP: the device
 * is gone.  EPOLLERR: the file is attached to nothing yet.  There is nothing to
 * read(): EINVAL.
 *
 * Events come through a file of their own, which GRID_MISSING_EVENTS returns;
 * there may be many.  EPOLLIN: some are unread.  EPOLLHUP: the device is gone.
 * read() returns whole struct grid_missing_event, from those that came after the
 * call; EAGAIN or sleep when there is none, EINVAL when there is no room for
 * one, 0, the end, when the device is gone and all were read.  It is closed on
 * its own and stays when the file that it came from is closed.
 *
 * All conditions are level-triggered, and a file that is not readable is not
 * said to be.
 */

/**
 * DOC: Errors
 *
 * ======== ==============================================================
 * EACCES   the file was opened read-only and the call changes something
 * EPERM    opened for writing without CAP_SYS_ADMIN; ATTACH: the private tracker
 *          is exclusive, and the file was opened for writing
 * ENOTTY   unknown command
 * EINVAL   unknown flag, non-zero field that is reserved or that this call does
 *          not use, impossible value, a struct too short, wrong state for the
 *          call
 * E2BIG    unknown non-zero bytes at the end of a struct, too many elements,
 *          or more values than a table may have
 * EFAULT   a pointer that cannot be read, or written: the argument has to be
 *          writable for every call
 * ENXIO    the file is attached to nothing yet
 * ENODEV   the device of this file is gone, or there is no such device or
 *          tracker; also when it goes while a call waits for what it has done
 * EBUSY    the file is attached already; the block is being written (for
 *          COMPLETE: by another file), or is aborting, or its discard is not
 *          through; a checkpoint or a sync jump is open, or one of them or a
 *          cancel is being carried out; ENQUEUE_VALUES: the table's index block
 *          is missing
 * EAGAIN   the device is suspended, or too much is under way (what a checkpoint drops
 *          counts for blocks_max until that is committed): try again
 * ENOENT   no fault at this address, no such table or checkpoint id
 * ESTALE   there is a fault at this address, with another checksum, or
 *          (REPAIR) another one than its serial number says
 * EEXIST   a value belongs to another active table, or is its index, or is twice
 *          in the list; the index of a table to be enqueued is such a value
 * ENOSPC   the tracker is full: blocks_max, for which blocks that are lost, or that
 *          a sync jump has taken, count as well where there is metadata; or
 *          tables_max; or (private trackers) there is no room for more released
 *          blocks
 * EBADMSG  the data does not match the checksum; nothing was written
 * ERANGE   the address lies beyond the end of the device, or cannot be released
 * EOPNOTSUPP  not on this kind of tracker (commence and complete on a dm
 *          device, repair on a private tracker), or not now (release on a dm
 *          device that is not held, take and durable with checkpoint:flush)
 * EIO      the metadata failed, so what was enqueued is not kept (ENQUEUE*);
 *          the lower device failed the write, or a flush that it needs, and
 *          the fault waits again;
 *          DURABLE: it failed the flush, or one of ours before, and the
 *          checkpoint is taken as before
 * ECANCELED the block was freed or cancelled while it was being written
 * ENOMEM   out of memory; nothing was done
 * EMFILE   EVENTS: the process has as many files open as it may, or the tracker
 *          256 files of events
 * ENFILE   EVENTS: likewise, the machine
 * EINTR    a signal came before anything was done; or, of calls that wait for what
 *          they have done, before that was through: ENQUEUE* (is it kept), CANCEL
 *          (has what was being written ended), DURABLE and REVERT, which go on;
 *          RELEASE (and with EAGAIN): some runs may be released.  To call again
 *          does no harm
 * ======== ==============================================================
 */

#define GRID_MISSING_DEVICE "/dev/grid_missing"
#define GRID_MISSING_VECTOR_MAX 4096
#define GRID_MISSING_NAME_MAX 128

/**
 * struct grid_missing_checksum - what identifies a block's right content
 * @bytes: the first 16 bytes of the device's hash, zero-padded when shorter
 *
 * Any value is valid, all-zero too; "none" is a flag beside it.
 */
struct grid_missing_checksum {
	__u8 bytes[16];
};

/** enum grid_missing_state - the state of a fault */
enum grid_missing_state {
	GRID_MISSING_STATE_GONE = 0, /* not a fault (only in events) */
	GRID_MISSING_STATE_WAITING = 1, /* waits for its repair */
	GRID_MISSING_STATE_WRITING = 2, /* its data is being written */
	/* freed or cancelled while being written */
	GRID_MISSING_STATE_ABORTING = 3,
};

/** enum grid_missing_cause - why a block was enqueued */
enum grid_missing_cause {
	GRID_MISSING_CAUSE_BLOCK = 0, /* one block */
	GRID_MISSING_CAUSE_TABLE_INDEX = 1, /* the index block of a table */
	GRID_MISSING_CAUSE_TABLE_VALUE = 2, /* a value block of a table */
};

/**
 * enum grid_missing_reason - why a fault changed its state (events, traces), or
 *	what else happened
 */
enum grid_missing_reason {
	GRID_MISSING_WHY_ENQUEUED = 1, /* by an enqueue */
	GRID_MISSING_WHY_DETECTED = 2, /* by a read error of the lower device */
	/* a single fault became a table's member */
	GRID_MISSING_WHY_PROMOTED = 3,
	GRID_MISSING_WHY_COMMENCED = 4, /* its repair is being written */
	GRID_MISSING_WHY_REPAIRED = 5, /* written and verified */
	/* the lower device failed the write */
	GRID_MISSING_WHY_WRITE_FAILED = 6,
	/* data did not match the checksum */
	GRID_MISSING_WHY_VERIFY_FAILED = 7,
	GRID_MISSING_WHY_SUPERSEDED = 8, /* a full write made it good */
	GRID_MISSING_WHY_FREED = 9, /* freed by a checkpoint */
	/* dropped by cancel, or its table was */
	GRID_MISSING_WHY_CANCELLED = 10,
	GRID_MISSING_WHY_REVERTED = 11, /* its writer went away */
	GRID_MISSING_WHY_TIMED_OUT = 12, /* a reader waited in vain */
	GRID_MISSING_WHY_UNAVAILABLE = 13, /* no source has it */
	GRID_MISSING_WHY_RETRIED = 14, /* worth trying again */
	GRID_MISSING_WHY_WANTED = 15, /* a reader waits, or read-ahead met it */
	GRID_MISSING_WHY_JUMPED = 16, /* dropped or merged by a sync jump */
	/*
	 * Events only, of more than one block.  An index was written, or a table
	 * enqueued by its values: these are missing (count); address is the
	 * index's.
	 */
	GRID_MISSING_WHY_VALUES_ENQUEUED = 32,
	/* A table has ended, of so many values; address is its index's. */
	GRID_MISSING_WHY_TABLE_DONE = 33,
	GRID_MISSING_WHY_TABLE_CANCELLED = 34,
	/*
	 * Address is the checkpoint's id, or 0 where it has none (flushes).  It
	 * was taken; it is becoming durable, and frees count blocks; it is, and
	 * no repair touches them any more; or all releases were reverted.  A
	 * flush that frees nothing is no event.
	 */
	GRID_MISSING_WHY_CHECKPOINT_TAKEN = 35,
	GRID_MISSING_WHY_CHECKPOINT_COMMENCED = 36,
	GRID_MISSING_WHY_CHECKPOINT_DURABLE = 37,
	GRID_MISSING_WHY_CHECKPOINT_REVERTED = 38,
	/* A sync jump has begun; is complete, and count tables were listed. */
	GRID_MISSING_WHY_JUMP_COMMENCED = 39,
	GRID_MISSING_WHY_JUMP_COMPLETED = 40,
	/* The device. */
	GRID_MISSING_WHY_SUSPENDED = 41,
	GRID_MISSING_WHY_RESUMED = 42,
};

/* Flags of a block: in elements of vectors and in listings. */
#define GRID_MISSING_F_NO_CHECKSUM (1U << 0) /* checksum is unknown */
/* enqueue, cancel: address is a table's index */
#define GRID_MISSING_F_TABLE (1U << 1)
#define GRID_MISSING_F_FAILED (1U << 2) /* complete: the write failed */
#define GRID_MISSING_F_READERS (1U << 3) /* out: readers are parked on it */
#define GRID_MISSING_F_WANTED (1U << 4) /* out: read-ahead wants it */
#define GRID_MISSING_F_UNAVAILABLE (1U << 5) /* out: fails its readers */
#define GRID_MISSING_F_ASIDE (1U << 6) /* out: set aside by a sync jump */

/**
 * struct grid_missing_query - GRID_MISSING_QUERY: what this kernel can do
 * @size: sizeof(struct grid_missing_query)
 * @flags: 0
 * @features: out: GRID_MISSING_FEATURE_*
 * @vector_max: out: most elements of a vector
 * @slice_max: out: bytes that one repair copies before it writes them
 */
struct grid_missing_query {
	__u32 size;
	__u32 flags;
	__u64 features;
	__u32 vector_max;
	__u32 slice_max;
};

#define GRID_MISSING_FEATURE_PRIVATE (1ULL << 0) /* GRID_MISSING_CREATE */
#define GRID_MISSING_FEATURE_SYNC_JUMP (1ULL << 1) /* GRID_MISSING_SYNC_JUMP */
#define GRID_MISSING_FEATURE_EVENTS (1ULL << 2) /* GRID_MISSING_EVENTS */
/*
 * GRID_MISSING_LIST_RELEASED, GRID_MISSING_ENQUEUE_VALUES, releases on a held
 * dm device: what it takes to carry a tracker over a planned stop.
 */
#define GRID_MISSING_FEATURE_CARRY (1ULL << 3)
#define GRID_MISSING_FEATURE_URGENT (1ULL << 4) /* GRID_MISSING_BATCH_URGENT */

/**
 * struct grid_missing_attach - GRID_MISSING_ATTACH: use a tracker
 * @size: sizeof(struct grid_missing_attach)
 * @flags: 0
 * @id: in: the tracker's id, or 0 to look up a dm device's by device number;
 *	out: its id
 * @major: in: major number of the dm device; out.  With an @id 0:0, or the
 *	numbers of that tracker's device
 * @minor: in: minor number; out
 * @min_age_ms: this file's minimum age: a fault handed out less than that ago
 *	is not handed out again, nor does poll report it
 * @block_size: out: bytes a block
 * @blocks: out: number of blocks
 * @checksum: out: name of the device's hash, empty when it has none
 */
struct grid_missing_attach {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u32 major;
	__u32 minor;
	__u32 min_age_ms;
	__u32 block_size;
	__u64 blocks;
	char checksum[64];
};

/**
 * struct grid_missing_create - GRID_MISSING_CREATE: a private tracker
 * @size: sizeof(struct grid_missing_create)
 * @flags: GRID_MISSING_CREATE_EXCLUSIVE
 * @id: out: its id
 * @blocks_max: most single faults, at least 1
 * @tables_max: most tables at a time, may be 0
 * @table_values_max: most values of a table, 1 to 65536
 * @min_age_ms: as in struct grid_missing_attach
 * @revert_age_ms: a fault writing for longer may be reverted by another file;
 *	0 for never; at most 2^31 - 1
 * @reserved: 0
 */
struct grid_missing_create {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u32 blocks_max;
	__u32 tables_max;
	__u32 table_values_max;
	__u32 min_age_ms;
	__u32 revert_age_ms;
	__u32 reserved;
};

/* GRID_MISSING_CREATE: no other file that can change it may attach (EPERM). */
#define GRID_MISSING_CREATE_EXCLUSIVE (1U << 0)

/**
 * struct grid_missing_vector - the argument of every call on many blocks
 * @size: sizeof(struct grid_missing_vector)
 * @flags: call flags, see each call
 * @elem_size: sizeof one element
 * @count: number of elements (for BATCH, RECLAIM and listings: room)
 * @done: out: elements that were handled
 * @arg: GRID_MISSING_BATCH: minimum age in ms with
 *	GRID_MISSING_BATCH_MIN_AGE; else 0
 * @cursor: listings: in: 0 to begin, out: where to go on, ~0 at the end; else 0
 * @elems: the elements' address
 * @first: with GRID_MISSING_LIST_RANGE: the first block; else 0
 * @last: with GRID_MISSING_LIST_RANGE: the last block; else 0
 */
struct grid_missing_vector {
	__u32 size;
	__u32 flags;
	__u32 elem_size;
	__u32 count;
	__u32 done;
	__u32 arg;
	__u64 cursor;
	__u64 elems;
	__u64 first;
	__u64 last;
};

/*
 * GRID_MISSING_LIST_FAULTS: only those from @first to @last, in no order; @first
 * and @last are the same in every call with the same @cursor.  Costs the number
 * of blocks or that of faults, whichever is smaller.
 */
#define GRID_MISSING_LIST_RANGE (1U << 0)
/* GRID_MISSING_BATCH: @arg becomes this file's minimum age. */
#define GRID_MISSING_BATCH_MIN_AGE (1U << 0)
/*
 * GRID_MISSING_BATCH: only those with parked readers and those that read-ahead
 * wants, for a helper that has no room for others; see
 * GRID_MISSING_FEATURE_URGENT.
 */
#define GRID_MISSING_BATCH_URGENT (1U << 1)
/*
 * GRID_MISSING_RETRY, GRID_MISSING_CANCEL: all there are instead of those
 * listed; @count, @elem_size and @elems are 0 then.  A count of 0 without it is
 * nothing.
 */
#define GRID_MISSING_ALL (1U << 0)
/*
 * GRID_MISSING_CANCEL, private trackers: what this file was writing waits
 * again (those listed, or all with GRID_MISSING_ALL); nothing is lost.
 */
#define GRID_MISSING_CANCEL_REVERT (1U << 1)
/*
 * GRID_MISSING_CANCEL: return at once though writes of cancelled faults are
 * still under way (the default on a dm device is to wait for them).
 */
#define GRID_MISSING_CANCEL_NOWAIT (1U << 2)
/*
 * With GRID_MISSING_CANCEL_REVERT and GRID_MISSING_ALL: also what others have
 * been writing for longer than revert_age_ms.
 */
#define GRID_MISSING_CANCEL_OLD (1U << 3)

/**
 * struct grid_missing_block - element of ENQUEUE, COMMENCE, UNAVAILABLE, RETRY
 *	and CANCEL
 * @address: the block
 * @checksum: its checksum, zero with GRID_MISSING_F_NO_CHECKSUM
 * @flags: GRID_MISSING_F_NO_CHECKSUM, GRID_MISSING_F_TABLE
 * @result: out: 0, GRID_MISSING_DUPLICATE (enqueue only), or a negative errno
 *
 * CANCEL, UNAVAILABLE and RETRY want the checksum to be 0, and the flags; but
 * CANCEL of a table, in whichever state it is that has not ended, says
 * GRID_MISSING_F_TABLE.  Without it CANCEL is of the fault at @address, or of what
 * is missing there without one, for want of a slot; that of an index which is
 * missing cancels its table too.
 */
struct grid_missing_block {
	__u64 address;
	struct grid_missing_checksum checksum;
	__u32 flags;
	__s32 result;
};

/* ENQUEUE: the block or table was tracked already. */
#define GRID_MISSING_DUPLICATE 1

/**
 * struct grid_missing_value - one value block of a table
 * @address: the block
 * @checksum: its checksum
 */
struct grid_missing_value {
	__u64 address;
	struct grid_missing_checksum checksum;
};

/**
 * struct grid_missing_repair - element of REPAIR, COMPLETE and ENQUEUE_VALUES
 * @address: the block
 * @checksum: its checksum; for a fault without one, what the repairer states
 * @flags: GRID_MISSING_F_NO_CHECKSUM (only where neither the fault nor the
 *	device has one), GRID_MISSING_F_FAILED (COMPLETE only)
 * @result: out: 0 or a negative errno
 * @data: REPAIR: address of one block of data; else 0
 * @values: an index block's values: address of struct grid_missing_value[],
 *	not 0 even when there are none; 0 for every other block
 * @values_count: how many; 0 for every other block
 * @value_size: sizeof(struct grid_missing_value) when @values_count is not 0
 * @serial: REPAIR: of the fault that the data was fetched for, or 0 for
 *	whichever is there; else 0
 *
 * A block may be repaired or overwritten, and go missing again, while data for
 * it is on its way.  Where a checksum is known it tells whether that data is
 * still right.  Where none is, only @serial does; who fetches data should
 * always state it.
 *
 * ENQUEUE_VALUES: @address and @checksum are those of the index block of a
 * table, which is good; @values are those of its values that are missing, at
 * least one.  What the index lists besides counts for nothing: the table has
 * @values_count values, in this order.  Results as of ENQUEUE, and EBUSY when
 * the index block itself is missing.
 */
struct grid_missing_repair {
	__u64 address;
	struct grid_missing_checksum checksum;
	__u32 flags;
	__s32 result;
	__u64 data;
	__u64 values;
	__u32 values_count;
	__u32 value_size;
	__u64 serial;
};

/**
 * struct grid_missing_fault - element of BATCH and LIST_FAULTS
 * @address: the block
 * @checksum: its checksum
 * @flags: GRID_MISSING_F_*
 * @state: enum grid_missing_state
 * @cause: enum grid_missing_cause
 * @failures: failed writes in a row, at most 255
 * @reserved0: 0
 * @table: address of the table's index block, for a table's members
 * @value_index: position in the table, for GRID_MISSING_CAUSE_TABLE_VALUE
 * @reserved1: 0
 * @serial: of a fault without a checksum: its number, which no other fault of
 *	this tracker ever has; else GRID_MISSING_SERIAL_CHECKSUM
 */
struct grid_missing_fault {
	__u64 address;
	struct grid_missing_checksum checksum;
	__u32 flags;
	__u8 state;
	__u8 cause;
	__u8 failures;
	__u8 reserved0;
	__u64 table;
	__u32 value_index;
	__u32 reserved1;
	__u64 serial;
};

/* Any fault with a known checksum: that says which data it wants. */
#define GRID_MISSING_SERIAL_CHECKSUM (~0ULL)

/** enum grid_missing_table_state - where a table stands */
enum grid_missing_table_state {
	GRID_MISSING_TABLE_INDEXING = 1, /* its index is not written yet */
	GRID_MISSING_TABLE_FILLING = 2, /* its values are being repaired */
	GRID_MISSING_TABLE_DONE = 3, /* all of it is there; reclaimable */
	GRID_MISSING_TABLE_CANCELLED = 4, /* cancelled; reclaimable */
};

/**
 * struct grid_missing_table - element of LIST_TABLES and RECLAIM
 * @address: of its index block
 * @checksum: of its index block
 * @state: enum grid_missing_table_state
 * @values: number of values, 0 while the index is not written
 * @values_gone: how many of them are repaired, superseded or freed
 * @flags: GRID_MISSING_F_NO_CHECKSUM, GRID_MISSING_F_ASIDE
 * @reserved: 0
 *
 * RECLAIM returns those that ended first, at most @count of the vector, and frees
 * the slots of just these: a table's outcome is told once.  It may return fewer
 * than have ended (a signal, a suspend): done of 0, without an error, says that
 * none is left.
 */
struct grid_missing_table {
	__u64 address;
	struct grid_missing_checksum checksum;
	__u32 state;
	__u32 values;
	__u32 values_gone;
	__u32 flags;
	__u64 reserved;
};

/**
 * struct grid_missing_released - element of LIST_RELEASED, and of
 *	GRID_MISSING_CHECKPOINT_RELEASE: a run of blocks
 * @address: the first of them
 * @count: how many, at least 1
 * @flags: out: GRID_MISSING_RELEASED_*, the same for all of them; in: 0
 * @reserved: 0
 *
 * Runs come in the order of their addresses.  A run may end where the next one
 * begins, though their flags are the same.
 */
struct grid_missing_released {
	__u64 address;
	__u64 count;
	__u32 flags;
	__u32 reserved;
};

/* Released since a checkpoint was taken last: the next one's. */
#define GRID_MISSING_RELEASED_OPEN (1U << 0)
/* Released before that: freed when the checkpoint taken becomes durable. */
#define GRID_MISSING_RELEASED_TAKEN (1U << 1)
/* Freed; the lower device was not told yet (dm devices). */
#define GRID_MISSING_RELEASED_FREED (1U << 2)

/**
 * struct grid_missing_tracker - element of LIST_TRACKERS
 * @id: the tracker
 * @major: device number, 0:0 for a private tracker
 * @minor: device number
 * @block_size: bytes a block, 0 when private
 * @flags: 0
 * @blocks: number of blocks, 0 when private
 * @faults: faults now
 * @name: of the dm device when the tracker was made (a device may be renamed,
 *	its number stays), or of the creating process
 */
struct grid_missing_tracker {
	__u64 id;
	__u32 major;
	__u32 minor;
	__u32 block_size;
	__u32 flags;
	__u64 blocks;
	__u64 faults;
	char name[GRID_MISSING_NAME_MAX];
};

/** enum grid_missing_checkpoint_op - what GRID_MISSING_CHECKPOINT does */
enum grid_missing_checkpoint_op {
	/*
	 * The runs of blocks in elems (struct grid_missing_released, count of
	 * them) are released: they join the open generation, all or none.  On a
	 * dm device that is what a discard does, and this only before
	 * GRID_MISSING_READY, to load what was released before a planned stop.
	 */
	GRID_MISSING_CHECKPOINT_RELEASE = 1,
	/* Close the generation: what is released from now on is the next one's. */
	GRID_MISSING_CHECKPOINT_TAKE = 2,
	/*
	 * Checkpoint id is becoming durable.  dm device: flush, commence, wait
	 * for aborting writes, free: the barrier, done on return.  Private
	 * tracker: commence only; then ask with COMPLETE.  0 also when it
	 * is durable already; EBUSY during a sync jump.
	 */
	GRID_MISSING_CHECKPOINT_DURABLE = 3,
	/* Private tracker: pending is 0 once no fault is aborting: it is done. */
	GRID_MISSING_CHECKPOINT_COMPLETE = 4,
	/*
	 * What is released and not yet freed is in use again, in both
	 * generations; a checkpoint that was taken is none any more.  For an
	 * application that died while the device stayed: the state it restarts
	 * from still refers to what it released after its last durable
	 * checkpoint.  On a dm device it waits until a running barrier is
	 * done: what that freed is freed.  EIO: done, but metadata that has
	 * failed doesn't say so: after a crash some may be good, and is not.
	 */
	GRID_MISSING_CHECKPOINT_REVERT = 5,
};

/**
 * struct grid_missing_checkpoint - GRID_MISSING_CHECKPOINT
 * @size: sizeof(struct grid_missing_checkpoint)
 * @flags: 0
 * @op: enum grid_missing_checkpoint_op
 * @pending: out: COMPLETE: writes of freed blocks still under way
 * @id: TAKE: in: 0, or the id it is to have, greater than any before (to load
 *	one that was taken before a planned stop) and below 2^63; out: the
 *	checkpoint's id;
 *	DURABLE: in: that id; else 0
 * @elems: RELEASE: address of struct grid_missing_released[@count]
 * @count: RELEASE: how many, at most GRID_MISSING_VECTOR_MAX
 * @elem_size: RELEASE: sizeof(struct grid_missing_released)
 */
struct grid_missing_checkpoint {
	__u32 size;
	__u32 flags;
	__u32 op;
	__u32 pending;
	__u64 id;
	__u64 elems;
	__u32 count;
	__u32 elem_size;
};

/** enum grid_missing_sync_jump_op - what GRID_MISSING_SYNC_JUMP does */
enum grid_missing_sync_jump_op {
	GRID_MISSING_SYNC_JUMP_COMMENCE = 1, /* set the tables aside */
	GRID_MISSING_SYNC_JUMP_COMPLETE = 2, /* cancel those listed, resume */
};

/**
 * struct grid_missing_sync_jump - GRID_MISSING_SYNC_JUMP
 * @size: sizeof(struct grid_missing_sync_jump)
 * @flags: 0
 * @op: enum grid_missing_sync_jump_op
 * @count: COMPLETE: number of tables to cancel
 * @elems: COMPLETE: address of __u64 index_addresses[@count]
 * @elem_size: COMPLETE: 8
 * @reserved: 0
 *
 * COMMENCE wants @count, @elems and @elem_size to be 0.
 */
struct grid_missing_sync_jump {
	__u32 size;
	__u32 flags;
	__u32 op;
	__u32 count;
	__u64 elems;
	__u32 elem_size;
	__u32 reserved;
};

/**
 * struct grid_missing_simple - argument of calls that need nothing more
 * @size: sizeof(struct grid_missing_simple)
 * @flags: 0
 * @value: 0
 */
struct grid_missing_simple {
	__u32 size;
	__u32 flags;
	__u64 value;
};

/* So many of the blocks whose read errors were passed up are remembered. */
#define GRID_MISSING_PASSED_UP 8

/**
 * struct grid_missing_status - GRID_MISSING_STATUS
 * @size: sizeof(struct grid_missing_status)
 * @flags: 0
 * @id: the tracker
 * @waiting: faults in each state
 * @writing: likewise
 * @aborting: likewise
 * @blocks_single: single faults, aborting ones too
 * @blocks_table: faults of tables, aborting ones too
 * @tables: tables in use, done and cancelled ones too
 * @tables_free: tables done or cancelled, not yet reclaimed
 * @blocks_max: capacity
 * @tables_max: capacity
 * @table_values_max: capacity
 * @helpers: files that can repair and are attached
 * @parked: bios that wait for a repair
 * @oldest_waiting_ms: how long the oldest of them has waited
 * @timeouts: parked bios that ended in a time-out
 * @unavailable: faults that fail their readers at once
 * @repaired: faults repaired since creation
 * @unverified: of those, without a checksum of the fault's own
 * @superseded: faults a full write made good
 * @detected: faults found by read errors
 * @lost_full: blocks found bad, each time, while the table was full
 * @verify_failed: blocks refused because their data was wrong
 * @write_failed: repairs that the lower device failed
 * @freed: faults dropped by checkpoints
 * @cancelled: faults dropped by cancel
 * @checkpoints: barriers completed
 * @released: blocks released and not yet freed
 * @discarding: blocks freed whose discard is not through
 * @block_size: bytes a block, 0 when private
 * @state: GRID_MISSING_STATUS_*
 * @blocks: number of blocks, 0 when private
 * @checkpoint_taken: id of the checkpoint that is taken and not durable, or 0
 * @passed_up: read errors of the lower device that became no fault
 * @passed_up_medium: of those, medium and protection errors: a block that fails
 *	though it was repaired, or that could not be made a fault
 * @passed_up_io: of those, I/O errors that say no more
 * @passed_up_block: the last of these blocks, if @passed_up isn't 0
 * @passed_up_blocks: the last of them, the newest first, each once
 * @passed_up_count: how many these are
 * @reserved1: 0
 * @lost: blocks missing without a fault, for want of a slot: their reads fail
 */
struct grid_missing_status {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u64 waiting;
	__u64 writing;
	__u64 aborting;
	__u64 blocks_single;
	__u64 blocks_table;
	__u32 tables;
	__u32 tables_free;
	__u32 blocks_max;
	__u32 tables_max;
	__u32 table_values_max;
	__u32 helpers;
	__u64 parked;
	__u64 oldest_waiting_ms;
	__u64 timeouts;
	__u64 unavailable;
	__u64 repaired;
	__u64 unverified;
	__u64 superseded;
	__u64 detected;
	__u64 lost_full;
	__u64 verify_failed;
	__u64 write_failed;
	__u64 freed;
	__u64 cancelled;
	__u64 checkpoints;
	__u64 released;
	__u64 discarding;
	__u32 block_size;
	__u32 state;
	__u64 blocks;
	__u64 checkpoint_taken;
	__u64 passed_up;
	__u64 passed_up_medium;
	__u64 passed_up_io;
	__u64 passed_up_block;
	__u64 passed_up_blocks[GRID_MISSING_PASSED_UP];
	__u32 passed_up_count;
	__u32 reserved1;
	__u64 lost;
};

#define GRID_MISSING_STATUS_CHECKPOINT (1U << 0) /* a checkpoint is open */
#define GRID_MISSING_STATUS_SYNC_JUMP (1U << 1) /* a sync jump is open */
#define GRID_MISSING_STATUS_SUSPENDED (1U << 2) /* the device is suspended */
#define GRID_MISSING_STATUS_HELD (1U << 3) /* waits for GRID_MISSING_READY */
#define GRID_MISSING_STATUS_PRIVATE (1U << 4) /* a private tracker */
#define GRID_MISSING_STATUS_METADATA (1U << 5) /* the map outlives a crash */
#define GRID_MISSING_STATUS_METADATA_FAILED (1U << 6) /* ... no more */

/**
 * struct grid_missing_events - GRID_MISSING_EVENTS: a file to read events from
 * @size: sizeof(struct grid_missing_events)
 * @flags: GRID_MISSING_EVENTS_NONBLOCK
 * @fd: out: the file, close-on-exec
 * @reserved: 0
 */
struct grid_missing_events {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

#define GRID_MISSING_EVENTS_NONBLOCK (1U << 0) /* as O_NONBLOCK */

/**
 * struct grid_missing_event - what read() returns, whole records only
 * @size: bytes of this record; step by it
 * @reason: enum grid_missing_reason
 * @sequence: counts every event of the tracker, from 1; a gap was lost
 * @time_ns: CLOCK_BOOTTIME
 * @address: the block, or what @reason says
 * @count: of how many blocks this tells, 1 for a fault's; or what @reason says
 * @who: process id of the caller in the initial namespace, 0 for the kernel
 *	itself
 * @state: enum grid_missing_state after it, of a fault
 * @lost: not 0: so many events were lost here, the rest of the record is zero
 */
struct grid_missing_event {
	__u32 size;
	__u32 reason;
	__u64 sequence;
	__u64 time_ns;
	__u64 address;
	__u64 count;
	__u32 who;
	__u32 state;
	__u64 lost;
};

/*
 * The commands.  The argument's size is its first field, so the number alone
 * names the command.
 *
 * ============== ========================= ======= =========================
 * QUERY          grid_missing_query        read    features
 * LIST_TRACKERS  vector of ..._tracker     read    all of them, by cursor
 * ATTACH         grid_missing_attach       read    to a dm device's tracker
 * CREATE         grid_missing_create       write   a private one
 * ENQUEUE        vector of ..._block       write   blocks and tables
 * BATCH          vector of ..._fault       write   what to repair next
 * REPAIR         vector of ..._repair      write   dm: verify, write, complete
 * COMMENCE       vector of ..._block       write   private: to writing
 * COMPLETE       vector of ..._repair      write   private: gone, or failed
 * MARK_UNAVAILABLE vector of ..._block     write   no source has it
 * RETRY          vector of ..._block       write   try again
 * CANCEL         vector of ..._block       write   forget faults
 * CHECKPOINT     grid_missing_checkpoint   write   release, take, durable
 * SYNC_JUMP      grid_missing_sync_jump    write   to a newer checkpoint
 * RECLAIM        vector of ..._table       write   ended tables: told, and freed
 * LIST_FAULTS    vector of ..._fault       read    by cursor
 * LIST_TABLES    vector of ..._table       read    by cursor
 * STATUS         grid_missing_status       read    counters
 * READY          grid_missing_simple       write   end of start:held
 * LIST_RELEASED  vector of ..._released    read    by cursor
 * ENQUEUE_VALUES vector of ..._repair      write   tables with a good index
 * EVENTS         grid_missing_events       read    a file to read events from
 * ============== ========================= ======= =========================
 */
#define GRID_MISSING_IOC 0xBD

#define GRID_MISSING_QUERY _IO(GRID_MISSING_IOC, 0x00)
#define GRID_MISSING_LIST_TRACKERS _IO(GRID_MISSING_IOC, 0x01)
#define GRID_MISSING_ATTACH _IO(GRID_MISSING_IOC, 0x02)
#define GRID_MISSING_CREATE _IO(GRID_MISSING_IOC, 0x03)
#define GRID_MISSING_ENQUEUE _IO(GRID_MISSING_IOC, 0x04)
#define GRID_MISSING_BATCH _IO(GRID_MISSING_IOC, 0x05)
#define GRID_MISSING_REPAIR _IO(GRID_MISSING_IOC, 0x06)
#define GRID_MISSING_COMMENCE _IO(GRID_MISSING_IOC, 0x07)
#define GRID_MISSING_COMPLETE _IO(GRID_MISSING_IOC, 0x08)
#define GRID_MISSING_MARK_UNAVAILABLE _IO(GRID_MISSING_IOC, 0x09)
#define GRID_MISSING_RETRY _IO(GRID_MISSING_IOC, 0x0a)
#define GRID_MISSING_CANCEL _IO(GRID_MISSING_IOC, 0x0b)
#define GRID_MISSING_CHECKPOINT _IO(GRID_MISSING_IOC, 0x0c)
#define GRID_MISSING_SYNC_JUMP _IO(GRID_MISSING_IOC, 0x0d)
#define GRID_MISSING_RECLAIM _IO(GRID_MISSING_IOC, 0x0e)
#define GRID_MISSING_LIST_FAULTS _IO(GRID_MISSING_IOC, 0x0f)
#define GRID_MISSING_LIST_TABLES _IO(GRID_MISSING_IOC, 0x10)
#define GRID_MISSING_STATUS _IO(GRID_MISSING_IOC, 0x11)
#define GRID_MISSING_READY _IO(GRID_MISSING_IOC, 0x12)
#define GRID_MISSING_LIST_RELEASED _IO(GRID_MISSING_IOC, 0x13)
#define GRID_MISSING_ENQUEUE_VALUES _IO(GRID_MISSING_IOC, 0x14)
#define GRID_MISSING_EVENTS _IO(GRID_MISSING_IOC, 0x15)

#endif /* _UAPI_LINUX_GRID_MISSING_H */
