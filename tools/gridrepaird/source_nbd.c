// SPDX-License-Identifier: GPL-2.0
/*
 * NBD sources, by libnbd's asynchronous calls.
 *
 * One thread with one connection.  It connects, then moves reads between its
 * queue and the server, with as many in flight as the owner's budget submits,
 * and hashes what arrives.  When the connection dies, every read that is out
 * comes back as lost, and it connects again, with back-off, which a connection
 * ends only by an answer or by lasting: a server that takes every connection and
 * drops it is not worn down.  One that answers nothing for answer_timeout counts
 * as dead.
 */
#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"

#define LASTING_US 10000000U

struct connection {
	struct source *source;
	struct nbd_handle *nbd;
	struct gm_hash hash;
	bool hashing;
	int64_t size;
	struct read out; /* reads with the server: a ring */
	unsigned int out_count;
	uint64_t heard; /* when the server last answered */
	bool answered; /* on this connection */
};

static void out_add(struct connection *c, struct read *r)
{
	if (!c->out_count)
		c->heard = now_us();
	r->nbd_next = &c->out;
	r->nbd_prev = c->out.nbd_prev;
	r->nbd_prev->nbd_next = r;
	c->out.nbd_prev = r;
	c->out_count++;
}

static void out_del(struct connection *c, struct read *r)
{
	r->nbd_prev->nbd_next = r->nbd_next;
	r->nbd_next->nbd_prev = r->nbd_prev;
	c->out_count--;
}

struct pair {
	struct connection *connection;
	struct read *read;
};

static int completed(void *data, int *error)
{
	struct pair *pair = data;
	struct connection *c = pair->connection;
	struct read *r = pair->read;
	enum read_status status = READ_GOOD;

	out_del(c, r);
	c->heard = now_us();
	/*
	 * The server's errors are those the protocol knows; others are the
	 * connection's end, seen from each read that was under way.  (The
	 * handle must not be asked here: libnbd holds its lock.)
	 */
	if (*error)
		status = *error == ENOTCONN || *error == ECONNRESET ||
					 *error == EPIPE ||
					 *error == ESHUTDOWN ?
				 READ_LOST :
				 READ_ERROR;
	c->answered |= status == READ_GOOD;
	source_answer(c->source, c->hashing ? &c->hash : NULL, r, status,
		      *error);
	return 1;
}

static void start_read(struct connection *c, struct read *r)
{
	struct pair *pair;
	nbd_completion_callback callback = {
		.callback = completed,
		.free = free,
	};

	if (r->offset > (uint64_t)c->size ||
	    r->len > (uint64_t)c->size - r->offset) {
		source_answer(c->source, NULL, r, READ_SHORT, 0);
		return;
	}
	pair = malloc(sizeof(*pair));
	if (!pair) {
		source_answer(c->source, NULL, r, READ_LOST, ENOMEM);
		return;
	}
	pair->connection = c;
	pair->read = r;
	callback.user_data = pair;
	out_add(c, r);
	/* On failure libnbd frees the callback's data, and doesn't call it. */
	if (nbd_aio_pread(c->nbd, r->buf, r->len, r->offset, callback, 0) < 0) {
		out_del(c, r);
		source_answer(c->source, NULL, r, READ_LOST, nbd_get_errno());
	}
}

/* One round of the loop: false when the connection has come to its end. */
static bool serve(struct connection *c, bool ready)
{
	struct source *s = c->source;
	struct pollfd p[2] = {
		{ .fd = s->queue.event, .events = POLLIN },
		{ .fd = nbd_aio_get_fd(c->nbd) },
	};
	unsigned int direction = nbd_aio_get_direction(c->nbd);
	struct mail *mail, *next;
	int r = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		p[1].events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		p[1].events |= POLLOUT;
	if (poll(p, 2, 200) < 0 && errno != EINTR)
		return false;
	if (p[0].revents & POLLIN)
		for (mail = inbox_take(&s->queue); mail; mail = next) {
			next = mail->next;
			if (ready)
				start_read(c, (struct read *)mail);
			else
				source_answer(s, NULL, (struct read *)mail,
					      READ_LOST, ENOTCONN);
		}
	/* The state may have moved on by the reads just started. */
	direction = nbd_aio_get_direction(c->nbd);
	if (p[1].revents & (POLLIN | POLLHUP | POLLERR) &&
	    direction & LIBNBD_AIO_DIRECTION_READ)
		r = nbd_aio_notify_read(c->nbd);
	else if (p[1].revents & (POLLOUT | POLLHUP | POLLERR) &&
		 direction & LIBNBD_AIO_DIRECTION_WRITE)
		r = nbd_aio_notify_write(c->nbd);
	return r == 0 && nbd_aio_is_dead(c->nbd) == 0 &&
	       nbd_aio_is_closed(c->nbd) == 0;
}

/* Connect; false with *@why. */
static bool establish(struct connection *c, char *why, size_t size)
{
	struct source *s = c->source;
	uint64_t until = now_us() + s->answer_timeout_ms * 1000;
	const char *error;

	c->nbd = nbd_create();
	if (!c->nbd)
		goto fail;
	nbd_set_handshake_flags(c->nbd,
				LIBNBD_HANDSHAKE_FLAG_FIXED_NEWSTYLE |
					LIBNBD_HANDSHAKE_FLAG_NO_ZEROES);
	/* Certificates of nbds:// URIs are files of this machine. */
	nbd_set_uri_allow_local_file(c->nbd, true);
	if (nbd_aio_connect_uri(c->nbd, s->config->uri) < 0)
		goto fail;
	while (nbd_aio_is_connecting(c->nbd) == 1) {
		if (atomic_load(&s->stop))
			goto fail;
		if (now_us() >= until) {
			snprintf(why, size, "no answer for %llu ms",
				 (unsigned long long)s->answer_timeout_ms);
			return false;
		}
		if (!serve(c, false))
			goto fail;
	}
	if (nbd_aio_is_ready(c->nbd) != 1 && nbd_aio_is_processing(c->nbd) != 1)
		goto fail;
	c->size = nbd_get_size(c->nbd);
	if (c->size < 0)
		goto fail;
	return true;

fail:
	error = nbd_get_error();
	snprintf(why, size, "%s", error ? error : "the connection ended");
	return false;
}

static void lose_all(struct connection *c)
{
	struct mail *mail, *next;
	struct read *r;

	while (c->out_count) {
		r = c->out.nbd_next;
		out_del(c, r);
		source_answer(c->source, NULL, r, READ_LOST, ENOTCONN);
	}
	for (mail = inbox_take(&c->source->queue); mail; mail = next) {
		next = mail->next;
		source_answer(c->source, NULL, (struct read *)mail, READ_LOST,
			      ENOTCONN);
	}
}

/* While it is connected; how long to wait before the next time, in ms. */
static unsigned int stay(struct connection *c, unsigned int *times)
{
	struct source *s = c->source;
	uint64_t timeout = s->answer_timeout_ms * 1000, begin = now_us();
	unsigned int ms;
	bool silent = false;

	log_notice("source %s: connected, %lld bytes", s->config->uri,
		   (long long)c->size);
	c->heard = begin;
	c->answered = false;
	source_says(s, true);
	while (!atomic_load(&s->stop) && !silent && serve(c, true))
		silent = c->out_count && now_us() - c->heard > timeout;
	source_says(s, false);
	if (c->answered || now_us() - begin >= LASTING_US)
		*times = 0;
	ms = source_pause(times);
	if (!atomic_load(&s->stop))
		log_warning(
			"source %s: connection lost (%s); connecting again in %u ms",
			s->config->uri, silent ? "no answers" : "it ended", ms);
	return ms;
}

/* Connect, serve, and end; how long to wait before the next time, in ms. */
static unsigned int connection(struct connection *c, unsigned int *times,
			       char *said, size_t size)
{
	struct source *s = c->source;
	unsigned int ms;
	char why[256];
	bool good;

	good = establish(c, why, sizeof(why));
	if (good && s->config->offset + s->block_size > (uint64_t)c->size) {
		good = false;
		snprintf(why, sizeof(why), "the export has only %lld bytes",
			 (long long)c->size);
	}
	if (good) {
		*said = 0;
		ms = stay(c, times);
	} else {
		ms = source_pause(times);
		/* Said once, till it is another trouble. */
		if (!atomic_load(&s->stop) && strcmp(why, said))
			log_err("source %s: cannot connect: %s; trying on",
				s->config->uri, why);
		snprintf(said, size, "%s", why);
	}
	/*
	 * After this no read is libnbd's.  It may still complete some as they
	 * are dropped: these leave the ring by themselves.
	 */
	nbd_close(c->nbd);
	c->nbd = NULL;
	lose_all(c);
	return ms;
}

static void *nbd_thread(void *arg)
{
	struct source *s = arg;
	struct connection c = { .source = s };
	unsigned int times = 0, ms;
	char said[256] = "";
	int hash_said = 0;

	c.out.nbd_next = &c.out;
	c.out.nbd_prev = &c.out;
	while (!atomic_load(&s->stop)) {
		if (s->hash && !c.hashing)
			c.hashing = source_hash(s, &c.hash, &hash_said);
		if (s->hash && !c.hashing)
			ms = source_pause(&times);
		else
			ms = connection(&c, &times, said, sizeof(said));
		source_wait(s, ms);
	}
	lose_all(&c);
	if (c.hashing)
		gm_hash_close(&c.hash);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

static int start(struct source *s)
{
	return source_start_thread(s, nbd_thread);
}

const struct source_ops source_nbd = {
	.name = "NBD",
	.start = start,
};
