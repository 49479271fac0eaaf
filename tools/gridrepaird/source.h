/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sources: where blocks come from.
 *
 * A source has threads of its own, so that whatever it waits for (a name
 * server, a dead disk) holds up no other.  It takes *reads* from a queue and
 * puts them on its owner's *inbox* when they are answered, whatever the answer;
 * it also says there when it came up and went away.  It knows no policy.
 *
 * A kind of source is a table of calls (source_nbd.c, source_file.c), which
 * source.c picks by the URI; what kinds share is in source_kind.c.
 *
 * Who owns a read: the queue from source_submit() on, until it is in the inbox.
 * Nobody else touches its buffer meanwhile.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "gridmissing.h"
#include "inbox.h"
#include "log.h"
#include "thread.h"

enum read_status {
	READ_GOOD,
	READ_SHORT, /* it ends before the block does */
	READ_ERROR, /* ->error */
	READ_LOST, /* the source went away */
};

struct source;

struct read {
	struct mail mail;
	struct source *source;
	uint64_t offset;
	uint32_t len;
	void *buf;
	enum read_status status;
	int error;
	struct grid_missing_checksum digest; /* when the source has a hash */
	bool hashed;
	bool urgent; /* a reader waits for it */
	/* Of source_file.c: which file or disk; both 0: unknown. */
	uint64_t device, node;
	/* Of source_nbd.c. */
	struct read *nbd_next, *nbd_prev;
	uint64_t nbd_since; /* with the server */
};

/* Counters that others may read at any time. */
struct source_stats {
	atomic_ullong asked, served, late, wrong, errors, lost, bytes;
};

/* A kind of sources. */
struct source_ops {
	const char *name;
	size_t stack; /* of a thread */
	/* Start its threads, with source_start_thread(); 0 or a negative errno. */
	int (*start)(struct source *s);
	/* It is to end: wake those of its threads that don't wait for the queue. */
	void (*wake)(struct source *s); /* or NULL */
	/* See source_look(). */
	void (*look)(struct source *s); /* or NULL */
	/* See source_waits(). */
	bool (*waits)(const struct source *s); /* or NULL: nobody knows */
};

extern const struct source_ops source_nbd, source_file;

struct source {
	const struct source_ops *ops; /* by its URI */
	const struct config_source *config;
	const char *device;
	dev_t grid; /* the device's number */
	unsigned int number;
	struct inbox *owner;
	const char *hash; /* algorithm, or NULL */
	uint64_t answer_timeout_ms;
	uint32_t block_size;

	uint64_t length; /* where the device's last block ends in it */

	struct inbox queue; /* of reads */
	atomic_uint asked; /* reads that are not answered yet */
	atomic_bool stop, up;
	atomic_ullong size; /* bytes it has; set before it is said to be up */
	atomic_bool hurry; /* readers wait: try again within a second */
	bool told; /* that it could not come up */
	struct source *begun_next; /* see source_begin() */
	bool begun, barred;
	struct source_stats *stats;
	struct log_limit limit; /* of the owner's messages */

	pthread_t threads[4];
	unsigned int thread_count;
	atomic_uint running;

	/* Of source_nbd.c: reads for the connection that is readers' own. */
	struct inbox urgent;
	atomic_bool urgent_up, multi;

	/* Of source_file.c: reads taken from the queue; [1]: the urgent ones. */
	pthread_mutex_t file_lock;
	pthread_cond_t file_cond;
	struct mail *file_first[2], **file_last[2];
	unsigned int file_background; /* that workers are at */
	atomic_uint file_reading; /* workers that are at one, of any kind */
	int file_fd; /* -1 before it is open */
	atomic_ullong file_device, file_node; /* what that is */
	atomic_bool file_cached; /* a disk that is read through the page cache */
	atomic_uint file_changes; /* times two; odd while these are changed */
	atomic_bool file_look; /* a read has failed, or source_look() */
};

/* Start its threads.  0 or a negative errno. */
int source_start(struct source *s);
/* Ask it to end; its reads come back as READ_LOST. */
void source_stop(struct source *s);
/* After source_stop(): true when its threads have ended within @ms. */
bool source_join(struct source *s, unsigned int ms);
/* After source_join() has said true. */
void source_free(struct source *s);
void source_submit(struct source *s, struct read *r);
/*
 * Does something wait in it for a thread that is at something else?  Where not,
 * a read that hangs says nothing of what it is asked for next.
 */
bool source_waits(const struct source *s);
/* Another thing may be by its name now: it is to look, soon. */
void source_look(struct source *s);
/* Do readers wait? */
void source_hurry(struct source *s, bool hurry);

/* For the kinds of sources. */
void source_answer(struct source *s, struct gm_hash *hash, struct read *r,
		   enum read_status status, int error);
/* MAIL_UP, MAIL_DOWN, or MAIL_SILENT: it is left, for it says nothing. */
void source_says(struct source *s, enum mail_kind what);
/*
 * Before it is opened or connected to: false when it may not be, for now, which is
 * told once.  One that is stuck keeps its session's threads and memory; with every
 * reload there would be another.
 */
bool source_begin(struct source *s);
/* Pauses of one that may not begin, before that counts as a failure. */
#define BARRED_TIMES 6U
/* It could not come up; its owner hears that once. */
void source_failed(struct source *s);
/* How long to wait, in ms: jittered, and doubling from 250 ms to 10 s or so. */
unsigned int source_pause(unsigned int *times);
/*
 * Wait so long, or until it is to end, or for most of a second when readers
 * wait; what it is asked for is lost.
 */
void source_wait(struct source *s, unsigned int ms);
/*
 * Open its hash; false when that can't be for now, which is told once: without
 * it good blocks would count as wrong.
 */
bool source_hash(struct source *s, struct gm_hash *hash, int *said);
/* What more to say, after @error; or nothing. */
const char *source_hint(int error);
int source_start_thread(struct source *s, void *(*run)(void *));

#endif /* SOURCE_H */
