// SPDX-License-Identifier: GPL-2.0
/*
 * What the kinds of sources share: answering, waiting, threads.  See source.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "source.h"

#define HURRY_US 1000000U

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
	atomic_fetch_sub(&s->asked, 1);
	inbox_put(s->owner, &r->mail);
}

static void post_news(struct source *s, enum mail_kind kind)
{
	/* A read without buffer, that only carries the news. */
	struct read *r = calloc(1, sizeof(*r));

	if (!r)
		return;
	r->mail.kind = kind;
	r->source = s;
	inbox_put(s->owner, &r->mail);
}

void source_says(struct source *s, enum mail_kind what)
{
	bool up = what == MAIL_UP;

	if (atomic_exchange(&s->up, up) == up)
		return;
	s->told = true;
	inbox_ring(&s->urgent); /* who serves that depends on it */
	post_news(s, what);
}

void source_failed(struct source *s)
{
	if (!s->told)
		post_news(s, MAIL_DOWN);
	s->told = true;
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
	uint64_t now = now_us(), until = now + ms * 1000ULL;
	uint64_t soon = now + HURRY_US / 2 + ms * 1000ULL % (HURRY_US / 2);
	struct mail *mail, *next;

	while (!atomic_load(&s->stop)) {
		now = now_us();
		if (atomic_load(&s->hurry) && soon < until)
			until = soon;
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

const char *source_hint(int error)
{
	return error == EACCES ? " (has its unit CAP_DAC_OVERRIDE?)" : "";
}

int source_start_thread(struct source *s, void *(*run)(void *))
{
	int err;

	atomic_fetch_add(&s->running, 1);
	err = thread_start(&s->threads[s->thread_count], s->ops->stack, run, s);
	if (err)
		atomic_fetch_sub(&s->running, 1);
	else
		s->thread_count++;
	return err;
}
