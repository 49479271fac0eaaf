// SPDX-License-Identifier: GPL-2.0
/*
 * NBD sources, by libnbd's asynchronous calls.
 *
 * Two threads with a connection each.  The first connects, then moves reads
 * between its queue and the server, with as many in flight as the owner's budget
 * submits, and hashes what arrives.  When the connection dies, every read that is
 * out comes back as lost, and it connects again, with back-off, which a connection
 * ends only by an answer or by lasting: a server that takes every connection and
 * drops it is not worn down.  One that answers nothing for answer_timeout counts
 * as dead, and so does one that goes on answering, but not one of the reads for twice
 * as long, though it has answered later ones: what it forgot can be asked for again
 * only on another connection.  (Where it answers in their order the oldest has
 * waited for those before it.)
 *
 * The second, while the first is up, has what readers wait for: on one
 * connection it would wait behind the background.  A server that takes only one
 * is asked again seldom, and all goes over the first.  What the second can't do
 * any more goes over the first, too; nobody else hears of its troubles.
 *
 * A read is cut into what the server takes at most, and widened to what it
 * takes at least.
 */
#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "source.h"

#define PART_MAX (32U << 20)
#define IDLE_MS 10000 /* nothing is due */
#define SECOND_MS 5000U /* for a second connection to come up */
#define SECOND_PAUSE_MS 60000U /* before it is tried again */

struct connection {
	struct source *source;
	struct inbox *queue;
	bool second; /* the readers' own */
	struct nbd_handle *nbd;
	struct gm_hash hash;
	bool hashing;
	int64_t size;
	uint64_t least, most; /* of a request: aligned to, bytes */
	struct read out; /* reads with the server: a ring, oldest first */
	unsigned int out_count;
	uint64_t heard; /* when the server last answered */
	uint64_t newest; /* of what it answered: when that was asked for */
	bool answered; /* on this connection */
};

static void out_add(struct connection *c, struct read *r)
{
	if (!c->out_count)
		c->heard = now_us();
	r->nbd_since = now_us();
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

/* A read with the server, in parts; each holds it, and start_read() does. */
struct pending {
	struct connection *connection;
	struct read *read;
	char *wide; /* instead of its buffer, or NULL */
	uint64_t before; /* what is too much at its begin */
	unsigned int holds, left;
	int error;
};

static void drop(void *data)
{
	struct pending *p = data;

	if (--p->holds)
		return;
	free(p->wide);
	free(p);
}

/* All its parts are in, or could not be asked for. */
static void finish(struct pending *p)
{
	struct connection *c = p->connection;
	struct read *r = p->read;
	enum read_status status = READ_GOOD;

	out_del(c, r);
	/*
	 * The server's errors are those the protocol knows; others are the
	 * connection's end, seen from each read that was under way.  (The
	 * handle must not be asked here: libnbd holds its lock.)
	 */
	if (p->error)
		status = p->error == ENOTCONN || p->error == ECONNRESET ||
					 p->error == EPIPE ||
					 p->error == ESHUTDOWN ||
					 p->error == ENOMEM ?
				 READ_LOST :
				 READ_ERROR;
	else if (p->wide)
		memcpy(r->buf, p->wide + p->before, r->len);
	c->answered |= status == READ_GOOD;
	if (status != READ_LOST && r->nbd_since > c->newest)
		c->newest = r->nbd_since;
	source_answer(c->source, c->hashing ? &c->hash : NULL, r, status,
		      p->error);
}

static int completed(void *data, int *error)
{
	struct pending *p = data;

	p->connection->heard = now_us();
	if (*error)
		p->error = *error;
	if (!--p->left)
		finish(p);
	return 1;
}

static void start_read(struct connection *c, struct read *r)
{
	uint64_t from = r->offset - r->offset % c->least;
	uint64_t to = r->offset + r->len, part;
	nbd_completion_callback callback = {
		.callback = completed,
		.free = drop,
	};
	struct pending *p;
	char *buf = r->buf;

	if (r->offset > (uint64_t)c->size ||
	    r->len > (uint64_t)c->size - r->offset) {
		source_answer(c->source, NULL, r, READ_SHORT, 0);
		return;
	}
	to += (c->least - to % c->least) % c->least;
	if (to > (uint64_t)c->size)
		to = (uint64_t)c->size;
	p = calloc(1, sizeof(*p));
	if (p && (from != r->offset || to != r->offset + r->len)) {
		p->wide = malloc(to - from);
		buf = p->wide;
	}
	if (!p || !buf) {
		free(p);
		source_answer(c->source, NULL, r, READ_LOST, ENOMEM);
		return;
	}
	p->connection = c;
	p->read = r;
	p->before = r->offset - from;
	p->holds = 1;
	p->left = (unsigned int)((to - from + c->most - 1) / c->most);
	callback.user_data = p;
	out_add(c, r);
	for (; from < to; from += part, buf += part) {
		part = to - from < c->most ? to - from : c->most;
		/* If it fails the callback's data is dropped, and it isn't called. */
		p->holds++;
		if (nbd_aio_pread(c->nbd, buf, part, from, callback, 0) >= 0)
			continue;
		/*
		 * Nothing was sent.  While the connection lives this is a
		 * failure of the block: asked again it would be the same.
		 */
		p->error = nbd_aio_is_dead(c->nbd) ||
					   nbd_aio_is_closed(c->nbd) ?
				   ENOTCONN :
				   nbd_get_errno();
		if (!p->error)
			p->error = EINVAL;
		p->left -= (unsigned int)((to - from + c->most - 1) / c->most);
		if (!p->left)
			finish(p);
		break;
	}
	drop(p);
}

/* What a read that cannot be done here is to go through. */
static void give_back(struct connection *c, struct read *r)
{
	if (c->second)
		inbox_put(&c->source->queue, &r->mail);
	else
		source_answer(c->source, NULL, r, READ_LOST, ENOTCONN);
}

/* One round of the loop: false when the connection has come to its end. */
static bool serve(struct connection *c, bool ready)
{
	struct pollfd p[2] = {
		{ .fd = c->queue->event, .events = POLLIN },
		{ .fd = nbd_aio_get_fd(c->nbd) },
	};
	unsigned int direction = nbd_aio_get_direction(c->nbd);
	struct mail *mail, *next;
	int r = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		p[1].events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		p[1].events |= POLLOUT;
	/* It is rung to end; time matters while something is asked for. */
	if (poll(p, 2, c->out_count || !ready ? 200 : IDLE_MS) < 0 &&
	    errno != EINTR)
		return false;
	if (p[0].revents & POLLIN)
		for (mail = inbox_take(c->queue); mail; mail = next) {
			next = mail->next;
			if (ready)
				start_read(c, (struct read *)mail);
			else
				give_back(c, (struct read *)mail);
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

/* What it takes at least and at most: 1 and 32 MiB where it doesn't say. */
static void limits(struct connection *c)
{
	int64_t least = nbd_get_block_size(c->nbd, LIBNBD_SIZE_MINIMUM);
	int64_t most = nbd_get_block_size(c->nbd, LIBNBD_SIZE_MAXIMUM);

	c->least = least > 0 && least <= PART_MAX ? (uint64_t)least : 1;
	c->most = most > 0 && most < PART_MAX ? (uint64_t)most : PART_MAX;
	c->most -= c->most % c->least;
	if (!c->most)
		c->most = c->least;
}

/* Connect; false with *@why. */
static bool establish(struct connection *c, char *why, size_t size)
{
	struct source *s = c->source;
	uint64_t ms = s->answer_timeout_ms, until;
	const char *error;

	if (c->second && ms > SECOND_MS)
		ms = SECOND_MS;
	until = now_us() + ms * 1000;

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
		if (atomic_load(&s->stop) ||
		    (c->second && !atomic_load(&s->up)))
			goto fail;
		if (now_us() >= until) {
			snprintf(why, size, "no answer for %llu ms",
				 (unsigned long long)ms);
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
	limits(c);
	return true;

fail:
	error = nbd_get_error();
	snprintf(why, size, "%s%s", error ? error : "the connection ended",
		 source_hint(error ? nbd_get_errno() : 0));
	return false;
}

static void lose_all(struct connection *c)
{
	struct mail *mail, *next;
	struct read *r;

	while (c->out_count) {
		r = c->out.nbd_next;
		out_del(c, r);
		give_back(c, r);
	}
	for (mail = inbox_take(c->queue); mail; mail = next) {
		next = mail->next;
		give_back(c, (struct read *)mail);
	}
}

/* Why it is to be left, or NULL. */
static const char *silence(const struct connection *c)
{
	uint64_t timeout = c->source->answer_timeout_ms * 1000, now = now_us();
	uint64_t oldest;

	if (!c->out_count)
		return NULL;
	if (now - c->heard > timeout)
		return "no answers";
	oldest = c->out.nbd_next->nbd_since;
	if (now - oldest > 2 * timeout && c->newest > oldest + timeout)
		return "one answer is missing";
	return NULL;
}

/* While it is connected; how long to wait before the next time, in ms. */
static unsigned int stay(struct connection *c, unsigned int *times)
{
	struct source *s = c->source;
	const char *why = NULL;
	uint64_t begin = now_us();
	unsigned int ms;

	log_notice("source %s: connected, %lld bytes", s->config->uri,
		   (long long)c->size);
	if (c->least > s->block_size || c->most < s->block_size)
		log_info("source %s: it takes reads of %llu to %llu bytes",
			 s->config->uri, (unsigned long long)c->least,
			 (unsigned long long)c->most);
	c->heard = begin;
	c->newest = 0;
	c->answered = false;
	atomic_store(&s->size, (unsigned long long)c->size);
	atomic_store(&s->multi, nbd_can_multi_conn(c->nbd) == 1);
	source_says(s, MAIL_UP);
	while (!atomic_load(&s->stop) && !why && serve(c, true))
		why = silence(c);
	source_says(s, why ? MAIL_SILENT : MAIL_DOWN);
	if (c->answered || now_us() - begin >= POLICY_LASTING_US)
		*times = 0;
	ms = source_pause(times);
	if (!atomic_load(&s->stop))
		log_warning(
			"source %s: connection lost (%s); connecting again in %u ms",
			s->config->uri, why ? why : "it ended", ms);
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
		source_failed(s);
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

static void *first_thread(void *arg)
{
	struct source *s = arg;
	struct connection c = { .source = s, .queue = &s->queue };
	unsigned int times = 0, ms;
	char said[256] = "";
	int hash_said = 0;
	bool good;

	c.out.nbd_next = &c.out;
	c.out.nbd_prev = &c.out;
	while (!atomic_load(&s->stop)) {
		good = source_begin(s);
		if (!good && times >= BARRED_TIMES)
			source_failed(s);
		if (good && s->hash && !c.hashing)
			good = c.hashing = source_hash(s, &c.hash, &hash_said);
		if (good)
			ms = connection(&c, &times, said, sizeof(said));
		else
			ms = source_pause(&times);
		source_wait(s, ms);
	}
	lose_all(&c);
	if (c.hashing)
		gm_hash_close(&c.hash);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

/*
 * The readers' connection, while there is one; false: there was none.  *@times and
 * *@told (that there is one) begin anew once it has answered, or lasted.
 */
static bool serve_readers(struct connection *c, unsigned int *times, bool *told)
{
	struct source *s = c->source;
	uint64_t begin;
	bool good;
	char why[256];

	good = establish(c, why, sizeof(why));
	if (good) {
		if (!*told)
			log_info("source %s: a connection for readers",
				 s->config->uri);
		begin = now_us();
		c->heard = begin;
		c->newest = 0;
		c->answered = false;
		atomic_store(&s->urgent_up, true);
		while (!atomic_load(&s->stop) && atomic_load(&s->up) &&
		       !silence(c) && serve(c, true))
			;
		atomic_store(&s->urgent_up, false);
		*told = !c->answered && now_us() - begin < POLICY_LASTING_US;
		if (!*told)
			*times = 0;
	}
	nbd_close(c->nbd);
	c->nbd = NULL;
	lose_all(c);
	return good;
}

static void *second_thread(void *arg)
{
	struct source *s = arg;
	struct connection c = { .source = s,
				.queue = &s->urgent,
				.second = true };
	struct pollfd p = { .fd = s->urgent.event, .events = POLLIN };
	unsigned int times = 0, ms;
	uint64_t next = 0, now;
	bool told = false;
	int said = 0;

	c.out.nbd_next = &c.out;
	c.out.nbd_prev = &c.out;
	while (!atomic_load(&s->stop)) {
		now = now_us();
		if (!atomic_load(&s->up) || now < next) {
			poll(&p, 1,
			     now < next ? (int)((next - now) / 1000) + 1 :
					  IDLE_MS);
			lose_all(&c);
			continue;
		}
		if (s->hash && !c.hashing)
			c.hashing = source_hash(s, &c.hash, &said);
		if (s->hash && !c.hashing) {
			next = now_us() + source_pause(&times) * 1000ULL;
			continue;
		}
		if (!serve_readers(&c, &times, &told) &&
		    !atomic_load(&s->multi) && atomic_load(&s->up))
			times = 6; /* it takes only one, it seems */
		ms = times > 5 ? SECOND_PAUSE_MS : source_pause(&times);
		log_debug(
			"source %s: no connection for readers; again in %u ms",
			s->config->uri, ms);
		next = now_us() + ms * 1000ULL;
	}
	lose_all(&c);
	if (c.hashing)
		gm_hash_close(&c.hash);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

static int start(struct source *s)
{
	int err = source_start_thread(s, first_thread);

	return err ? err : source_start_thread(s, second_thread);
}

const struct source_ops source_nbd = {
	.name = "NBD",
	.stack = THREAD_LARGE,
	.start = start,
};
