// SPDX-License-Identifier: GPL-2.0
/*
 * A source, whatever its kind, from start to end.  See source.h.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "source.h"

#define BEGUN_MAX \
	3U /* sessions' of one source; a reload's begins while others still end */

static const struct source_ops *const kinds[] = {
	[SOURCE_NBD] = &source_nbd,
	[SOURCE_FILE] = &source_file,
};

/* Those that have begun, and not ended, in whatever session. */
static pthread_mutex_t begun_lock = PTHREAD_MUTEX_INITIALIZER;
static struct source *begun;

static bool is_same(const struct source *a, const struct source *b)
{
	return !strcmp(a->config->uri, b->config->uri) &&
	       !strcmp(a->device, b->device);
}

/* The sessions beside its own that have begun with @s: each may do so more than once. */
static unsigned int others_begun(const struct source *s)
{
	const struct source *o, *first;
	unsigned int count = 0;

	for (o = begun; o; o = o->begun_next) {
		if (o->owner == s->owner || !is_same(o, s))
			continue;
		for (first = begun;
		     first->owner != o->owner || !is_same(first, s);)
			first = first->begun_next;
		count += first == o;
	}
	return count;
}

bool source_begin(struct source *s)
{
	unsigned int same;

	if (s->begun)
		return true;
	pthread_mutex_lock(&begun_lock);
	same = others_begun(s);
	if (same < BEGUN_MAX) {
		s->begun = true;
		s->begun_next = begun;
		begun = s;
	}
	pthread_mutex_unlock(&begun_lock);
	if (!s->begun && !s->barred)
		log_warning(
			"source %s: %u before it have not ended; it isn't used until one has",
			s->config->uri, same);
	s->barred = !s->begun;
	return s->begun;
}

static void source_ended(struct source *s)
{
	struct source **at = &begun;

	if (!s->begun)
		return;
	pthread_mutex_lock(&begun_lock);
	while (*at != s)
		at = &(*at)->begun_next;
	*at = s->begun_next;
	s->begun = false;
	pthread_mutex_unlock(&begun_lock);
}

int source_start(struct source *s)
{
	int err;

	s->urgent.event = -1;
	err = inbox_init(&s->queue);
	if (!err)
		err = inbox_init(&s->urgent);
	s->ops = kinds[s->config->kind];
	return err ? err : s->ops->start(s);
}

void source_stop(struct source *s)
{
	atomic_store(&s->stop, true);
	inbox_ring(&s->queue);
	inbox_ring(&s->urgent);
	if (s->ops->wake)
		s->ops->wake(s);
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
	source_ended(s);
	return true;
}

void source_free(struct source *s)
{
	if (s->file_fd >= 0)
		close(s->file_fd);
	inbox_exit(&s->queue);
	inbox_exit(&s->urgent);
}

void source_submit(struct source *s, struct read *r)
{
	r->source = s;
	atomic_fetch_add(&s->asked, 1);
	inbox_put(r->urgent && atomic_load(&s->urgent_up) ? &s->urgent :
							    &s->queue,
		  &r->mail);
}

bool source_waits(const struct source *s)
{
	return !s->ops->waits || s->ops->waits(s);
}

void source_look(struct source *s)
{
	if (s->ops->look)
		s->ops->look(s);
}

void source_hurry(struct source *s, bool hurry)
{
	if (atomic_exchange(&s->hurry, hurry) != hurry && hurry)
		inbox_ring(&s->queue);
}
