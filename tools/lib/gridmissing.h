/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libgridmissing: the userspace side of /dev/grid_missing.
 *
 * One thin function for each ioctl, which fills in sizes and goes on where a
 * call was cut short; and the few helpers that a tool around it needs: device
 * names, numbers, checksums, hashes, the format of table indexes, manifests,
 * and device-mapper tables of target "grid".
 *
 * Conventions:
 *  - Functions return 0 (or a count) or a negative errno, as documented in
 *    <linux/grid_missing.h>.  gm_reason() makes a sentence of it.
 *  - There is no global state.  A struct gm_dev may be used by several threads
 *    at once, each call by itself; everything else belongs to one thread.
 *  - Nothing is printed, no signal handled, no environment read.
 *  - Structures passed in vectors are the kernel's own, so that a caller may
 *    know everything the kernel says.  They grow, so whoever passes one says how
 *    large he knows it: a macro of the function's own name does, and a program
 *    that can't use it calls the function with its @size.  No byte beyond that
 *    is touched, however new the library is, and what the kernel doesn't know
 *    is 0.
 *  - The library's own structures never grow: they have room.
 *  - Symbols have the version of the release that they came with.
 */
#ifndef GRIDMISSING_H
#define GRIDMISSING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/grid_missing.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GM_VERSION "0.1"

#define GM_BLOCK_SIZE_MIN 4096U
#define GM_BLOCK_SIZE_MAX 1048576U

/* ------------------------------------------------------------------ errors */

/*
 * A sentence for an errno (its sign doesn't matter), in the words of
 * <linux/grid_missing.h> where that defines it.  Never NULL, never freed.
 */
const char *gm_reason(int err);
/* The same for one of open(2) and its like, and for one of gm_dm_…(). */
const char *gm_open_reason(int err);
const char *gm_dm_reason(int err);

/* Names of the enums, as printed by the tools; "?" for an unknown value. */
const char *gm_state_name(unsigned int state);
const char *gm_cause_name(unsigned int cause);
const char *gm_why_name(unsigned int reason);
const char *gm_table_state_name(unsigned int state);
/* Of GRID_MISSING_RELEASED_* flags. */
const char *gm_released_name(uint32_t flags);

/* -------------------------------------------------------------------- text */

/*
 * The next line of @f, without its end: 1, or 0 at the end of the file.
 * -EBADMSG: it is not text; -E2BIG: longer than fits in @size; or what reading
 * says.
 */
int gm_read_line(FILE *f, char *line, size_t size);

/* Decimal or 0x…; the whole string.  -EINVAL, -ERANGE. */
int gm_parse_u64(const char *s, uint64_t *value);
/* A number and K, M, G, T (powers of 1024; "KiB" and "k" too). */
int gm_parse_size(const char *s, uint64_t *bytes);
/*
 * A time: a number and ms, s, m (min) or h.  A bare number is -EINVAL unless it
 * is 0: where seconds are usual in one place and milliseconds in the next, it
 * would be taken for the other.
 */
int gm_parse_ms(const char *s, uint64_t *ms);
/*
 * A checksum in hexadecimal, of a length that a hash of the kernel's has (2, 4,
 * 8, 16, 20, 24, 28, 32, 40, 48 or 64 bytes).  Its first 16 bytes count, a
 * shorter one is padded with zeroes: what the kernel does with a hash.
 * -EINVAL, or -ERANGE for another length.
 */
int gm_parse_checksum(const char *s, struct grid_missing_checksum *sum);

#define GM_CHECKSUM_TEXT 33
/* 32 hexadecimal digits and a NUL; returns @text. */
char *gm_format_checksum(const struct grid_missing_checksum *sum,
			 char text[GM_CHECKSUM_TEXT]);
bool gm_checksum_equal(const struct grid_missing_checksum *a,
		       const struct grid_missing_checksum *b);
/* A size people read ("64 KiB", "1.5 GiB"); returns @text. */
char *gm_format_size(uint64_t bytes, char *text, size_t size);

/* ------------------------------------------------------------------ device */

/**
 * struct gm_dev - an open /dev/grid_missing, attached to a tracker or not
 * @fd: for poll(); see <linux/grid_missing.h>
 * @id: the tracker's, 0 while it is attached to nothing
 * @major: of the dm device, 0 for a private tracker
 * @minor: likewise
 * @block_size: bytes a block, 0 for a private tracker
 * @blocks: how many
 * @checksum: the device's hash, empty when it has none
 * @reserved: 0
 */
struct gm_dev {
	int fd;
	uint64_t id;
	unsigned int major, minor;
	uint32_t block_size;
	uint64_t blocks;
	char checksum[65];
	uint64_t reserved[8];
};

/*
 * Open the device node; attached to nothing.  @flags: O_RDONLY or O_RDWR and
 * O_NONBLOCK; O_CLOEXEC is added.  -ENOENT and -ENXIO: the module isn't there.
 */
int gm_open(struct gm_dev *dev, int flags);
void gm_close(struct gm_dev *dev);

/*
 * The device number of what the user called @name: a dm name, a path of a
 * block device, or MAJOR:MINOR.  -ENODEV, -ENOTBLK, -EINVAL.
 */
int gm_resolve(const char *name, unsigned int *major, unsigned int *minor);

/*
 * Attach to @name as in gm_resolve(), or "id:N".  0 or a negative errno: then @dev
 * is good for gm_close() only.
 */
int gm_attach(struct gm_dev *dev, const char *name, uint32_t min_age_ms);
/* A private tracker, which lives as long as the file. */
int gm_create(struct gm_dev *dev, struct grid_missing_create *create,
	      size_t size);
#define gm_create(dev, create) \
	gm_create(dev, create, sizeof(struct grid_missing_create))

int gm_query(struct gm_dev *dev, struct grid_missing_query *query, size_t size);
#define gm_query(dev, query) \
	gm_query(dev, query, sizeof(struct grid_missing_query))
int gm_status(struct gm_dev *dev, struct grid_missing_status *status,
	      size_t size);
#define gm_status(dev, status) \
	gm_status(dev, status, sizeof(struct grid_missing_status))

/*
 * A file to read events from, from now on: its number, to be closed on its own.
 * @flags: 0 or O_NONBLOCK; O_CLOEXEC is added.
 */
int gm_events(struct gm_dev *dev, int flags);
/*
 * Up to @max of them: how many; 0 at the end, when the device is gone; -EAGAIN,
 * -EINTR.
 */
int gm_read_events(int fd, struct grid_missing_event *v, uint32_t max,
		   size_t size);
#define gm_read_events(fd, v, max) \
	gm_read_events(fd, v, max, sizeof(struct grid_missing_event))

/*
 * Calls on vectors.  They take any @count, in slices that the kernel accepts,
 * and go on where it stopped early.  *@done (may be NULL) is how many were
 * handled; each of these has its own result.  0: all were handled.  Else the
 * errno that stopped it, with those from *@done on untouched.  @size: of an
 * element.
 */
int gm_enqueue(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
	       size_t *done, size_t size);
#define gm_enqueue(dev, v, count, done) \
	gm_enqueue(dev, v, count, done, sizeof(struct grid_missing_block))
int gm_commence(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
		size_t *done, size_t size);
#define gm_commence(dev, v, count, done) \
	gm_commence(dev, v, count, done, sizeof(struct grid_missing_block))
int gm_unavailable(struct gm_dev *dev, struct grid_missing_block *v,
		   size_t count, size_t *done, size_t size);
#define gm_unavailable(dev, v, count, done) \
	gm_unavailable(dev, v, count, done, sizeof(struct grid_missing_block))
int gm_retry(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
	     size_t *done, size_t size);
#define gm_retry(dev, v, count, done) \
	gm_retry(dev, v, count, done, sizeof(struct grid_missing_block))
int gm_retry_all(struct gm_dev *dev);
int gm_cancel(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
	      uint32_t flags, size_t *done, size_t size);
#define gm_cancel(dev, v, count, flags, done) \
	gm_cancel(dev, v, count, flags, done, sizeof(struct grid_missing_block))
int gm_cancel_all(struct gm_dev *dev, uint32_t flags);
int gm_repair(struct gm_dev *dev, struct grid_missing_repair *v, size_t count,
	      size_t *done, size_t size);
#define gm_repair(dev, v, count, done) \
	gm_repair(dev, v, count, done, sizeof(struct grid_missing_repair))
int gm_complete(struct gm_dev *dev, struct grid_missing_repair *v, size_t count,
		size_t *done, size_t size);
#define gm_complete(dev, v, count, done) \
	gm_complete(dev, v, count, done, sizeof(struct grid_missing_repair))
int gm_enqueue_values(struct gm_dev *dev, struct grid_missing_repair *v,
		      size_t count, size_t *done, size_t size);
#define gm_enqueue_values(dev, v, count, done) \
	gm_enqueue_values(dev, v, count, done, \
			  sizeof(struct grid_missing_repair))

/*
 * Up to @max faults to repair next; returns how many, at most 4096.
 * @min_age_ms becomes the file's minimum age unless it is GM_KEEP_AGE.
 */
#define GM_KEEP_AGE UINT32_MAX
int gm_batch(struct gm_dev *dev, struct grid_missing_fault *v, uint32_t max,
	     uint32_t min_age_ms, size_t size);
#define gm_batch(dev, v, max, min_age_ms) \
	gm_batch(dev, v, max, min_age_ms, sizeof(struct grid_missing_fault))

/*
 * Only those that readers wait for, or read-ahead wants.  -EINVAL: the kernel
 * can't (GRID_MISSING_FEATURE_URGENT).
 */
int gm_batch_urgent(struct gm_dev *dev, struct grid_missing_fault *v,
		    uint32_t max, uint32_t min_age_ms, size_t size);
#define gm_batch_urgent(dev, v, max, min_age_ms) \
	gm_batch_urgent(dev, v, max, min_age_ms, \
			sizeof(struct grid_missing_fault))

/*
 * Listings.  *@cursor is 0 to begin with and GM_CURSOR_END at the end; returns
 * how many were filled in, which may be 0 before the end.
 */
#define GM_CURSOR_END UINT64_MAX
int gm_list_faults(struct gm_dev *dev, uint64_t *cursor,
		   struct grid_missing_fault *v, uint32_t max, size_t size);
#define gm_list_faults(dev, cursor, v, max) \
	gm_list_faults(dev, cursor, v, max, sizeof(struct grid_missing_fault))
/* Those of the blocks from @first to @last, in no order. */
int gm_list_range(struct gm_dev *dev, uint64_t first, uint64_t last,
		  uint64_t *cursor, struct grid_missing_fault *v, uint32_t max,
		  size_t size);
#define gm_list_range(dev, first, last, cursor, v, max) \
	gm_list_range(dev, first, last, cursor, v, max, \
		      sizeof(struct grid_missing_fault))
int gm_list_tables(struct gm_dev *dev, uint64_t *cursor,
		   struct grid_missing_table *v, uint32_t max, size_t size);
#define gm_list_tables(dev, cursor, v, max) \
	gm_list_tables(dev, cursor, v, max, sizeof(struct grid_missing_table))
int gm_list_released(struct gm_dev *dev, uint64_t *cursor,
		     struct grid_missing_released *v, uint32_t max,
		     size_t size);
#define gm_list_released(dev, cursor, v, max) \
	gm_list_released(dev, cursor, v, max, \
			 sizeof(struct grid_missing_released))
int gm_list_trackers(struct gm_dev *dev, uint64_t *cursor,
		     struct grid_missing_tracker *v, uint32_t max, size_t size);
#define gm_list_trackers(dev, cursor, v, max) \
	gm_list_trackers(dev, cursor, v, max, \
			 sizeof(struct grid_missing_tracker))

/*
 * Checkpoints and sync jumps; see enum grid_missing_checkpoint_op.  release is
 * of at most 4096 runs, all or none.  take wants
 * *@id set: 0, or the id that it is to have.
 */
int gm_checkpoint_release(struct gm_dev *dev,
			  const struct grid_missing_released *runs,
			  uint32_t count, size_t size);
#define gm_checkpoint_release(dev, runs, count) \
	gm_checkpoint_release(dev, runs, count, \
			      sizeof(struct grid_missing_released))
int gm_checkpoint_take(struct gm_dev *dev, uint64_t *id);
int gm_checkpoint_durable(struct gm_dev *dev, uint64_t id);
int gm_checkpoint_complete(struct gm_dev *dev, uint32_t *pending);
/* What is released and not yet freed is in use again. */
int gm_checkpoint_revert(struct gm_dev *dev);
int gm_sync_jump_commence(struct gm_dev *dev);
int gm_sync_jump_complete(struct gm_dev *dev, const uint64_t *cancel,
			  uint32_t count);
/*
 * Free the slots of tables that ended, those first that ended first: returns how
 * many, and what they were in @v.  0: none is left.
 */
int gm_reclaim(struct gm_dev *dev, struct grid_missing_table *v, uint32_t max,
	       size_t size);
#define gm_reclaim(dev, v, max) \
	gm_reclaim(dev, v, max, sizeof(struct grid_missing_table))
/* Let I/O through, and have udev scan the device, which it left alone so far. */
int gm_ready(struct gm_dev *dev);

/* ------------------------------------------------------------------ hashes */

/**
 * struct gm_hash - one hash, by its name in the kernel's crypto API
 *
 * Through AF_ALG where the kernel offers programs that one, else by libgcrypt or
 * code of the library's own: the usual ones work everywhere.
 */
struct gm_hash {
	int bound, op;
	int own;
	uint32_t reserved[5];
};

/* -ENOENT: no such algorithm; -EAFNOSUPPORT: no AF_ALG here. */
int gm_hash_open(struct gm_hash *hash, const char *name);
/* As gm_hash_open(), but through AF_ALG only. */
int gm_hash_open_kernel(struct gm_hash *hash, const char *name);
/* As gm_hash_open(), but without the kernel.  -ENOENT: not one of the usual. */
int gm_hash_open_own(struct gm_hash *hash, const char *name);
int gm_hash(struct gm_hash *hash, const void *data, size_t len,
	    struct grid_missing_checksum *sum);
void gm_hash_close(struct gm_hash *hash);

/* ------------------------------------------------------------ table indexes */

/**
 * DOC: Format of a table's index block
 *
 * All numbers are little endian.
 *
 *	offset	size	field
 *	0	8	"GRIDINDX"
 *	8	4	version, 1
 *	12	4	number of values, at least 1
 *	16	24 each	values: address (8 bytes), checksum (16 bytes)
 *
 * The values must fit in the block and lie on the device; none may be the
 * index itself.  What follows the last value is not looked at.
 */
#define GM_INDEX_MAGIC "GRIDINDX"
#define GM_INDEX_VERSION 1U
#define GM_INDEX_HEADER 16U
#define GM_INDEX_ENTRY 24U

/* Most values that fit in an index block of @block_size bytes. */
uint32_t gm_index_capacity(uint32_t block_size);
/*
 * Write an index into @block, zero after the last value.  -E2BIG, -EINVAL
 * (no value).
 */
int gm_index_encode(void *block, uint32_t block_size,
		    const struct grid_missing_value *values, uint32_t count,
		    size_t size);
#define gm_index_encode(block, block_size, values, count) \
	gm_index_encode(block, block_size, values, count, \
			sizeof(struct grid_missing_value))
/*
 * Read one.  @blocks is the number of blocks of the device, @self the index
 * block's own address.  Returns the number of values, in @values (room for
 * @room; NULL to check only).  -EBADMSG: not an index, *@why (may be NULL)
 * says what is wrong with it; -E2BIG: more than @room.
 */
int gm_index_decode(const void *block, uint32_t block_size, uint64_t blocks,
		    uint64_t self, struct grid_missing_value *values,
		    uint32_t room, const char **why, size_t size);
#define gm_index_decode(block, block_size, blocks, self, values, room, why) \
	gm_index_decode(block, block_size, blocks, self, values, room, why, \
			sizeof(struct grid_missing_value))

/* --------------------------------------------------------------- manifests */

/**
 * DOC: Format of a manifest
 *
 * Text, one block a line: ADDRESS CHECKSUM [table].  A checksum is hexadecimal,
 * or "-" when nobody knows it; "table" says that the block is a table's index.
 * Empty lines and what follows a '#' don't count.  A line "#! block_size N" or
 * "#! checksum NAME" tells how it was made; gm_manifest_fits() looks whether a
 * device is so.  All checksums have one length.  Lines end with a newline, or
 * with a carriage return and a newline.
 *
 * The last line, "#! end COUNT", says how many blocks are listed: a file that
 * was cut has none.  What comes after it, or another count, is refused.  One
 * without it is read all the same, and says so in @ended.
 */

/**
 * struct gm_manifest - one that is being read
 * @file: where from
 * @name: of the file, for messages
 * @line: the last line
 * @number: its number
 * @block_size: what the manifest says, 0 while it has said nothing
 * @checksum: the hash's name that it says, or ""
 * @error: what is wrong with it
 * @count: blocks so far
 * @sum_bytes: of each checksum, 0 while there was none
 * @ended: its end mark was met, with the right count
 * @reserved: 0
 */
struct gm_manifest {
	FILE *file;
	const char *name;
	char line[4096];
	unsigned long number;
	uint32_t block_size;
	char checksum[64];
	char error[256];
	uint64_t count;
	size_t sum_bytes;
	bool ended;
	uint64_t reserved[8];
};

/* @path "-" is standard input.  0 or a negative errno. */
int gm_manifest_open(struct gm_manifest *m, const char *path);
/*
 * The next block: 1 and *@block is filled in (result 0), 0 at the end, or
 * -EINVAL with a sentence in @m->error that names file and line.
 */
int gm_manifest_next(struct gm_manifest *m, struct grid_missing_block *block,
		     size_t size);
#define gm_manifest_next(m, block) \
	gm_manifest_next(m, block, sizeof(struct grid_missing_block))
void gm_manifest_close(struct gm_manifest *m);
/*
 * Open it, read all of it and close it: *@blocks in the order of the file,
 * allocated.  One that lists a block with two checksums is refused as well.
 * Except for ->file @m can be used afterwards.  0 or a negative errno, with
 * @m->error.
 */
int gm_manifest_read(struct gm_manifest *m, const char *path,
		     struct grid_missing_block **blocks, size_t *count,
		     size_t size);
#define gm_manifest_read(m, path, blocks, count) \
	gm_manifest_read(m, path, blocks, count, \
			 sizeof(struct grid_missing_block))
/*
 * Is what has been read of it meant for @device with these?  @block_size 0,
 * @hash NULL or "": any.  0, or -EINVAL with @m->error.
 */
int gm_manifest_fits(struct gm_manifest *m, const char *device,
		     uint32_t block_size, const char *hash);

/* ----------------------------------------------------------- device-mapper */

/**
 * struct gm_dm_create - a device of target "grid" to be created
 * @name: of the dm device
 * @uuid: or NULL
 * @sectors: length
 * @params: what follows "grid" in the table line
 * @read_only: no writes, for replicas that are only read
 * @reserved: 0
 */
struct gm_dm_create {
	const char *name;
	const char *uuid;
	uint64_t sectors;
	const char *params;
	bool read_only;
	uint64_t reserved[4];
};

/*
 * libdevmapper behind functions that return a negative errno, for which
 * gm_dm_reason() has a sentence; -ENOSYS where there is no device-mapper.  It
 * prints to stderr unless the program has called gm_dm_quiet().
 *
 * Names are as people say them.  One with a blank in it is "a\x20b" to the kernel
 * (libdevmapper's mangling, so that udev can take it), which is taken as well.
 */
void gm_dm_quiet(void);
int gm_dm_create(const struct gm_dm_create *create);
/* @deferred: when the last user closes it. */
int gm_dm_remove(const char *name, bool deferred);
/* *@reply (may be NULL) is allocated, or NULL when there is none. */
int gm_dm_message(const char *name, const char *message, char **reply);
/*
 * Target type and parameters of the first target, allocated, of the status or
 * the table line.
 */
int gm_dm_info(const char *name, bool table, char **type, char **params);
int gm_dm_suspend(const char *name);
int gm_dm_resume(const char *name);
/**
 * struct gm_dm_state - what device-mapper knows of a device
 * @major: its number
 * @minor: likewise
 * @open_count: how often it is open, by anybody and anything
 * @suspended: I/O waits
 * @read_only: no writes
 * @sectors: length of its table
 * @reserved: 0
 */
struct gm_dm_state {
	uint32_t major, minor;
	uint32_t open_count;
	bool suspended;
	bool read_only;
	uint64_t sectors;
	uint64_t reserved[4];
};

int gm_dm_state(const char *name, struct gm_dm_state *state);
/* Load a table for a device that is there (its uuid doesn't matter). */
int gm_dm_reload(const struct gm_dm_create *table);
/*
 * Put the table that was loaded in use, without waiting for readers that wait.
 * When this fails the device is suspended.
 */
int gm_dm_switch(const char *name);
/* The dm name of MAJOR:MINOR, as people say it.  -ENODEV when it is none. */
int gm_dm_name(unsigned int major, unsigned int minor, char *name, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* GRIDMISSING_H */
