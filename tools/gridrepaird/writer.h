/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writers: what was accepted becomes vectored repairs, by threads of their own,
 * so that nobody else waits for the lower device.
 *
 * There are two queues with a thread each.  What readers wait for has its own,
 * and waits for no vector of the background's; a block of the background whose
 * reader comes only now passes the others (writers_urge()), unless it is in a
 * vector already.
 *
 * Who owns a repair: the writers from writers_put() on, until it is in the owner's
 * inbox.  Lock: the writers' own, and no other below it but the inbox's.
 */
#ifndef WRITER_H
#define WRITER_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "gridmissing.h"
#include "inbox.h"

/* Trouble of the moment, that says nothing about the block. */
static inline bool passing(int err)
{
	return err == -EAGAIN || err == -EINTR || err == -ENOMEM;
}

struct repair {
	TAILQ_ENTRY(repair) link;
	struct grid_missing_repair what; /* ->result: what came of it */
	struct mail *mail; /* goes to the owner then, as MAIL_REPAIRED */
	bool queued; /* in the background's queue */
};

TAILQ_HEAD(repairs, repair);

struct writers;

struct writer {
	struct writers *all;
	struct repairs queue;
	pthread_cond_t cond;
	pthread_t thread;
	bool started;
	atomic_bool ended;
};

struct writers {
	struct gm_dev *gm;
	struct inbox *owner;
	pthread_mutex_t lock; /* of the queues, and of ->stop */
	bool stop;
	struct writer writers[2]; /* [1]: of what readers wait for */
};

/* Start the threads: 0 or a negative errno; writers_stop() is for both. */
int writers_start(struct writers *w, struct gm_dev *gm, struct inbox *owner);
void writers_put(struct writers *w, struct repair *r, bool urgent);
/* A reader waits for it now. */
void writers_urge(struct writers *w, struct repair *r);
/* They are to end; what is queued then stays where it is. */
void writers_stop(struct writers *w);
/*
 * After writers_stop(): how many are still at it after *@ms, of which is
 * subtracted what that took.
 */
unsigned int writers_join(struct writers *w, unsigned int *ms);
/* After writers_join() has said none. */
void writers_free(struct writers *w);

#endif /* WRITER_H */
