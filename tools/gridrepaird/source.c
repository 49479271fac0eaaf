// SPDX-License-Identifier: GPL-2.0
/*
 * What all sources share: the inbox, threads, answering.  See source.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "source.h"

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int inbox_init(struct inbox *inbox)
{
	pthread_mutex_init(&inbox->lock, NULL);
	inbox->first = NULL;
	inbox->last = &inbox->first;
	inbox->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return inbox->event < 0 ? -errno : 0;
}

void inbox_exit(struct inbox *inbox)
{
	if (inbox->event >= 0)
		close(inbox->event);
	pthread_mutex_destroy(&inbox->lock);
}

static void ring(int event)
{
	uint64_t one = 1;

	/* EAGAIN: it is rung already, more often than anyone counts. */
	if (write(event, &one, sizeof(one)) < 0)
		return;
}

void inbox_put(struct inbox *inbox, struct mail *mail)
{
	bool first;

	mail->next = NULL;
	pthread_mutex_lock(&inbox->lock);
	first = !inbox->first;
	*inbox->last = mail;
	inbox->last = &mail->next;
	pthread_mutex_unlock(&inbox->lock);
	/* The reader takes everything: only the first needs to wake it. */
	if (first)
		ring(inbox->event);
}

struct mail *inbox_take(struct inbox *inbox)
{
	struct mail *mail;
	uint64_t count;

	/* First the event, then the mail: what comes between rings again. */
	if (read(inbox->event, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&inbox->lock);
	mail = inbox->first;
	inbox->first = NULL;
	inbox->last = &inbox->first;
	pthread_mutex_unlock(&inbox->lock);
	return mail;
}

void source_answer(struct source *s, struct gm_hash *hash, struct read *r,
		   enum read_status status, int error)
{
	r->hashed = false;
	if (status == READ_GOOD && hash) {
		error = -gm_hash(hash, r->buf, r->len, &r->digest);
		r->hashed = !error;
		if (error)
			status = READ_LOST; /* the kernel's trouble, not its */
	}
	r->status = status;
	r->error = error;
	r->mail.kind = MAIL_READ;
	inbox_put(s->owner, &r->mail);
}

void source_says(struct source *s, bool up)
{
	struct read *r;

	if (atomic_exchange(&s->up, up) == up)
		return;
	/* A read without buffer, that only carries the news. */
	r = calloc(1, sizeof(*r));
	if (!r)
		return;
	r->mail.kind = up ? MAIL_UP : MAIL_DOWN;
	r->source = s;
	inbox_put(s->owner, &r->mail);
}

unsigned int source_pause(unsigned int *times)
{
	unsigned int ms = 250U << (*times < 6 ? *times : 6);
	uint16_t r = 0;

	if (ms > 10000)
		ms = 10000;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r = (uint16_t)now_us();
	++*times;
	return ms + ms / 2 * r / UINT16_MAX;
}

void source_wait(struct source *s, unsigned int ms)
{
	struct pollfd p = { .fd = s->queue.event, .events = POLLIN };
	uint64_t now, until = now_us() + ms * 1000ULL;
	struct mail *mail, *next;

	while (!atomic_load(&s->stop)) {
		now = now_us();
		if (now >= until)
			break;
		poll(&p, 1, (int)((until - now) / 1000) + 1);
		for (mail = inbox_take(&s->queue); mail; mail = next) {
			next = mail->next;
			source_answer(s, NULL, (struct read *)mail, READ_LOST,
				      ENOTCONN);
		}
	}
}

bool source_hash(struct source *s, struct gm_hash *hash, int *said)
{
	int err = gm_hash_open(hash, s->hash);

	if (err && err != *said)
		log_err("source %s: hash %s: %s; trying on", s->config->uri,
			s->hash, strerrordesc_np(-err));
	*said = err;
	return !err;
}

void source_ring(struct source *s)
{
	ring(s->queue.event);
}

int source_start_thread(struct source *s, void *(*run)(void *))
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	/* All of it is locked in memory; libnbd and TLS need some. */
	pthread_attr_setstacksize(&attr, 512 << 10);
	atomic_fetch_add(&s->running, 1);
	err = pthread_create(&s->threads[s->thread_count], &attr, run, s);
	pthread_attr_destroy(&attr);
	if (err)
		atomic_fetch_sub(&s->running, 1);
	else
		s->thread_count++;
	return -err;
}

int source_start(struct source *s)
{
	int err = inbox_init(&s->queue);

	if (err)
		return err;
	if (s->config->kind == SOURCE_NBD)
		return source_start_thread(s, source_nbd_thread);
	return source_file_start(s);
}

void source_stop(struct source *s)
{
	atomic_store(&s->stop, true);
	ring(s->queue.event);
	if (s->config->kind == SOURCE_FILE)
		source_file_wake(s);
}

bool source_join(struct source *s, unsigned int ms)
{
	struct timespec step = { 0, 1000000 };
	unsigned int i;

	for (; atomic_load(&s->running); ms--) {
		if (!ms)
			return false;
		nanosleep(&step, NULL);
	}
	for (i = 0; i < s->thread_count; i++)
		pthread_join(s->threads[i], NULL);
	s->thread_count = 0;
	return true;
}

void source_free(struct source *s)
{
	if (s->config->kind == SOURCE_FILE && s->file_fd >= 0)
		close(s->file_fd);
	inbox_exit(&s->queue);
}

void source_submit(struct source *s, struct read *r)
{
	r->source = s;
	inbox_put(&s->queue, &r->mail);
}
