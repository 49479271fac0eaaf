// SPDX-License-Identifier: GPL-2.0
/*
 * Vectored repairs, from two queues; see writer.h.
 */
#include <poll.h>
#include <time.h>

#include "thread.h"
#include "writer.h"

#define VECTOR_BYTES (8U << 20) /* one slice of the kernel */
#define VECTOR_BLOCKS 512U
#define PASSING_MS 50

/*
 * Repair all of @batch; those that could not be done for the moment stay in
 * front, and their number is returned.
 */
static unsigned int repair(struct writers *w, struct repair **batch,
			   struct grid_missing_repair *v, unsigned int n)
{
	unsigned int i, left = 0;
	size_t done = 0;
	int err;

	for (i = 0; i < n; i++) {
		v[i] = batch[i]->what;
		v[i].result = 0;
	}
	err = gm_repair(w->gm, v, n, &done);
	for (i = 0; i < n; i++) {
		struct repair *r = batch[i];

		r->what.result = i < done ? v[i].result : err;
		if (passing(r->what.result)) {
			batch[left++] = r;
			continue;
		}
		r->mail->kind = MAIL_REPAIRED;
		inbox_put(w->owner, r->mail);
	}
	return left;
}

/* Fill @batch, which has @n; waits while there is nothing.  False: it ends. */
static bool take(struct writer *writer, struct repair **batch, unsigned int *n,
		 unsigned int room)
{
	struct writers *w = writer->all;
	struct repair *r;
	bool stop;

	pthread_mutex_lock(&w->lock);
	while (!w->stop && !*n && TAILQ_EMPTY(&writer->queue))
		pthread_cond_wait(&writer->cond, &w->lock);
	while (*n < room && (r = TAILQ_FIRST(&writer->queue))) {
		TAILQ_REMOVE(&writer->queue, r, link);
		r->queued = false;
		batch[(*n)++] = r;
	}
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	return !stop;
}

static void *writer_thread(void *arg)
{
	struct writer *writer = arg;
	struct writers *w = writer->all;
	struct grid_missing_repair v[VECTOR_BLOCKS];
	struct repair *batch[VECTOR_BLOCKS];
	unsigned int n = 0, left, room = VECTOR_BYTES / w->gm->block_size;

	if (!room)
		room = 1;
	if (room > VECTOR_BLOCKS)
		room = VECTOR_BLOCKS;
	while (take(writer, batch, &n, room)) {
		left = repair(w, batch, v, n);
		if (left == n) /* suspended, or short of memory */
			poll(NULL, 0, PASSING_MS);
		n = left;
	}
	atomic_store(&writer->ended, true);
	return NULL;
}

static void put(struct writers *w, struct repair *r, bool urgent)
{
	struct writer *writer = &w->writers[urgent];

	r->queued = !urgent;
	TAILQ_INSERT_TAIL(&writer->queue, r, link);
	pthread_cond_signal(&writer->cond);
}

void writers_put(struct writers *w, struct repair *r, bool urgent)
{
	pthread_mutex_lock(&w->lock);
	put(w, r, urgent);
	pthread_mutex_unlock(&w->lock);
}

void writers_urge(struct writers *w, struct repair *r)
{
	pthread_mutex_lock(&w->lock);
	if (r->queued) {
		TAILQ_REMOVE(&w->writers[0].queue, r, link);
		put(w, r, true);
	}
	pthread_mutex_unlock(&w->lock);
}

int writers_start(struct writers *w, struct gm_dev *gm, struct inbox *owner)
{
	struct writer *writer;
	int err = 0;

	w->gm = gm;
	w->owner = owner;
	pthread_mutex_init(&w->lock, NULL);
	for (writer = w->writers; writer < w->writers + 2; writer++) {
		writer->all = w;
		TAILQ_INIT(&writer->queue);
		pthread_cond_init(&writer->cond, NULL);
	}
	for (writer = w->writers; !err && writer < w->writers + 2; writer++) {
		err = thread_start(&writer->thread, THREAD_SMALL, writer_thread,
				   writer);
		writer->started = !err;
	}
	return err;
}

void writers_stop(struct writers *w)
{
	struct writer *writer;

	if (!w->gm)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	for (writer = w->writers; writer < w->writers + 2; writer++)
		pthread_cond_signal(&writer->cond);
	pthread_mutex_unlock(&w->lock);
}

unsigned int writers_join(struct writers *w, unsigned int *ms)
{
	struct timespec step = { 0, 1000000 };
	struct writer *writer;
	unsigned int left = 0;

	for (writer = w->writers; writer < w->writers + 2; writer++) {
		if (!writer->started)
			continue;
		for (; !atomic_load(&writer->ended) && *ms; --*ms)
			nanosleep(&step, NULL);
		if (!atomic_load(&writer->ended)) {
			left++;
			continue;
		}
		pthread_join(writer->thread, NULL);
		writer->started = false;
	}
	return left;
}

void writers_free(struct writers *w)
{
	struct writer *writer;

	if (!w->gm)
		return;
	for (writer = w->writers; writer < w->writers + 2; writer++)
		pthread_cond_destroy(&writer->cond);
	pthread_mutex_destroy(&w->lock);
}
