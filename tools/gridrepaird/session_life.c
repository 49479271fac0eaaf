// SPDX-License-Identifier: GPL-2.0
/*
 * A session: its memory and threads, from the attach to the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "random.h"
#include "session_parts.h"

static int session_memory(struct session *s)
{
	const struct config_device *c = s->d->config;
	uint64_t n = c->memory_used / s->gm.block_size;
	unsigned int i;

	if (n < 8)
		n = 8;
	if (n > 8192)
		n = 8192;
	s->item_count = (unsigned int)n;
	s->buffers_size = (size_t)(n * s->gm.block_size);
	if (s->buffers_size != n * s->gm.block_size)
		return -ENOMEM; /* there is no such room in 32 bits */
	s->buffers = mmap(NULL, s->buffers_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->buffers == MAP_FAILED) {
		s->buffers = NULL;
		return -ENOMEM;
	}
	s->items = calloc(s->item_count, sizeof(*s->items));
	s->faults = calloc(c->batch, sizeof(*s->faults));
	s->events = calloc(EVENTS, sizeof(*s->events));
	if (!s->items || !s->faults || !s->events)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		s->items[i].read.buf =
			s->buffers + (size_t)i * s->gm.block_size;
		session_item_free(s, &s->items[i]);
	}
	return 0;
}

static int session_policy(struct session *s)
{
	const struct config_device *c = s->d->config;
	struct policy_config p = {
		.hedge_us = c->hedge_ms * 1000,
		.expiry_us = c->expiry_ms * 1000,
		.patience_us = c->patience_ms * 1000,
		.budget = c->budget,
		.budget_max = c->budget_max,
		.queue_us = c->queue_ms * 1000,
		.agree = c->agree,
		.rate = c->rate,
		.block_size = s->gm.block_size,
		.jobs_max = s->item_count,
		.requests_max = s->item_count,
	};
	unsigned int i;
	int err;

	err = policy_init(&s->policy, &p, random_next(&s->d->random), now_us());
	if (err)
		return err;
	s->policy.equal = session_equal;
	s->policy.twins = session_twins;
	for (i = 0; i < c->source_count; i++)
		policy_add_source(&s->policy, c->sources[i].trust,
				  c->sources[i].priority, now_us());
	return 0;
}

static int session_threads(struct session *s)
{
	const struct config_device *c = s->d->config;
	unsigned int i;
	int err;

	err = inbox_init(&s->inbox);
	if (err)
		return err;
	err = writers_start(&s->writers, &s->gm, &s->inbox);
	for (i = 0; !err && i < c->source_count; i++) {
		struct source *source = &s->sources[i];

		source->config = &c->sources[i];
		source->device = c->device;
		source->grid = makedev(s->gm.major, s->gm.minor);
		source->file_fd = -1;
		source->number = i;
		source->owner = &s->inbox;
		source->hash = s->hash;
		source->answer_timeout_ms = c->answer_timeout_ms;
		source->block_size = s->gm.block_size;
		source->length = source->config->offset +
				 s->gm.blocks * s->gm.block_size;
		source->stats = &s->d->gauges.stats[i];
		err = source_start(source);
		s->source_count++;
	}
	return err;
}

/* Have all threads ended within @ms?  @tell: of those that haven't. */
static bool join(struct session *s, unsigned int ms, bool tell)
{
	bool ended = true;
	unsigned int i;

	for (i = 0; i < s->source_count; i++) {
		if (source_join(&s->sources[i], ms))
			continue;
		if (tell)
			log_warning(
				"%s: source %s is stuck; its memory stays until it goes on",
				s->d->config->device,
				s->sources[i].config->uri);
		ended = false;
		ms = ms < 100 ? ms : 100;
	}
	for (i = writers_join(&s->writers, &ms); i; i--) {
		if (tell)
			log_warning(
				"%s: a repair is stuck below; its memory stays until it goes on",
				s->d->config->device);
		ended = false;
	}
	return ended;
}

/* False when a thread is stuck: then its memory must stay. */
static bool session_end(struct session *s)
{
	unsigned int i;

	writers_stop(&s->writers);
	for (i = 0; i < s->source_count; i++)
		source_stop(&s->sources[i]);
	return join(s, 3000, true);
}

static void close_watch(struct session *s)
{
	if (s->watch >= 0)
		close(s->watch);
	s->watch = -1;
}

static void session_free(struct session *s)
{
	struct mail *mail, *next;
	unsigned int i;

	for (i = 0; i < s->source_count; i++)
		source_free(&s->sources[i]);
	/* News of sources is memory of its own. */
	for (mail = s->source_count ? inbox_take(&s->inbox) : NULL; mail;
	     mail = next) {
		next = mail->next;
		if (mail->kind == MAIL_UP || mail->kind == MAIL_DOWN ||
		    mail->kind == MAIL_SILENT)
			free(mail);
	}
	for (i = 0; s->items && i < s->item_count; i++)
		free(s->items[i].values);
	if (s->inbox.last)
		inbox_exit(&s->inbox);
	writers_free(&s->writers);
	policy_exit(&s->policy);
	if (s->buffers)
		munmap(s->buffers, s->buffers_size);
	free(s->items);
	free(s->faults);
	free(s->events);
	gm_close(&s->gm);
	close_watch(s);
	free(s);
}

/*
 * It stays for its threads.  The file must go, or it counts as a helper for ever;
 * but a writer may still be about to use it, and its number be another's then.
 */
static void set_aside(struct session *s)
{
	unsigned int ms = 0;

	if (!writers_join(&s->writers, &ms))
		gm_close(&s->gm);
	close_watch(s);
	s->next = s->d->stuck;
	s->d->stuck = s;
}

bool session_reap(struct session_device *d)
{
	struct session **at = &d->stuck, *s;

	while ((s = *at)) {
		if (!join(s, 0, false)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		session_free(s);
	}
	return !d->stuck;
}

int session_run(struct session_device *d)
{
	struct session *s = calloc(1, sizeof(*s));
	unsigned int major, minor, i;
	int err;

	if (!s)
		return -ENOMEM;
	s->d = d;
	s->watch = -1;
	err = gm_open(&s->gm, O_RDWR | O_NONBLOCK);
	if (err) {
		d->why = gm_open_reason(err);
		if (err == -ENOENT || err == -ENXIO)
			err = -ENODEV;
		goto out_free;
	}
	err = gm_attach(&s->gm, d->config->device,
			(uint32_t)d->config->min_age_ms);
	if (err && gm_resolve(d->config->device, &major, &minor) == err) {
		/* Its name, rather than a call on the tracker. */
		d->why = gm_open_reason(err);
		goto out_free;
	}
	if (!err && !s->gm.block_size)
		err = -EOPNOTSUPP;
	if (!err) {
		s->watch = gm_events(&s->gm, O_NONBLOCK);
		err = s->watch < 0 ? s->watch : 0;
	}
	if (err)
		goto out_why;
	s->hash = *s->gm.checksum     ? s->gm.checksum :
		  d->config->checksum ? d->config->checksum :
					NULL;
	log_notice("%s: attached to tracker %" PRIu64 ": %" PRIu64
		   " blocks of %u bytes, checksum %s",
		   d->config->device, s->gm.id, s->gm.blocks, s->gm.block_size,
		   s->hash ? s->hash : "none");
	if (!s->hash)
		log_warning(
			"%s: no hash: nothing can be verified, so only what is trusted or agreed on is repaired",
			d->config->device);
	session_use_manifest(s);
	err = session_memory(s);
	if (!err)
		err = session_policy(s);
	if (!err)
		err = session_threads(s);
	if (!err)
		err = marks_attach(d->marks, s->gm.id, s->gm.blocks);
	if (!err) {
		atomic_store(&d->gauges.tracker, s->gm.id);
		atomic_store(&d->gauges.settled, false);
		atomic_store(&d->gauges.attached, true);
		/* A new start, or configuration, is a reason to try again. */
		session_retry_marked(s, false);
		session_loop(s);
		err = s->end;
		atomic_store(&d->gauges.attached, false);
		for (i = 0; i < d->config->source_count; i++)
			atomic_store(&d->gauges.sources[i].up, false);
	}
	if (!session_end(s)) {
		d->why = gm_reason(err);
		set_aside(s);
		return err;
	}
out_why:
	d->why = gm_reason(err);
out_free:
	session_free(s);
	return err;
}
