// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl sync --scan: which of the blocks listed are not what they should be.
 *
 * They are read below the grid, from the device it lies on: there nothing
 * parks, also while the grid is held or a block is missing, and a block that
 * cannot be read becomes no fault without checksum on the way.  Direct I/O,
 * some threads, runs of up to RUN_BYTES.
 *
 * A table is its index and all that this lists: where an index is good, its
 * values are checked too, by the checksums in the index.  One of them that is
 * wrong is found as a single block, for the index needs no repair.  The values
 * of an index in another format than the library's stay unknown.
 *
 * A block that is missing already is found without being read: what matters is
 * that its fault learns the checksum, if it has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

#define RUN_BYTES (1U << 20)

/* Blocks that grow in number. */
struct list {
	struct grid_missing_block *v;
	size_t count, room;
};

struct crew {
	struct scan *scan;
	const struct grid_missing_block *v;
	size_t count;
	int fd;
	uint64_t offset; /* where the grid begins on it */
	unsigned int run; /* blocks read at once */
	atomic_size_t next;
	atomic_uint running;
	atomic_int error; /* the first errno; ends it */
	atomic_ullong total, checked, matched, unreadable, unknown;
	pthread_mutex_t lock; /* around scan->found */
};

struct worker {
	struct crew *crew;
	pthread_t thread;
	struct gm_hash hash;
	char *data;
	struct list bad, values;
	struct grid_missing_value *index;
};

static void give_up(struct crew *c, int err)
{
	int none = 0;

	atomic_compare_exchange_strong(&c->error, &none, err);
}

static bool list_add(struct list *l, const struct grid_missing_block *block)
{
	struct grid_missing_block *more;

	if (l->count == l->room) {
		more = realloc(l->v, (2 * l->room + 64) * sizeof(*more));
		if (!more)
			return false;
		l->v = more;
		l->room = 2 * l->room + 64;
	}
	l->v[l->count++] = *block;
	return true;
}

static void add_bad(struct worker *w, const struct grid_missing_block *block)
{
	if (!list_add(&w->bad, block))
		give_up(w->crew, -ENOMEM);
}

/* The values of the good index in @data, to be checked next. */
static void add_values(struct worker *w, const struct grid_missing_block *table,
		       const void *data)
{
	const struct gm_dev *dev = w->crew->scan->dev;
	uint32_t room = gm_index_capacity(dev->block_size);
	struct grid_missing_block block = { 0 };
	int n, i;

	n = gm_index_decode(data, dev->block_size, dev->blocks, table->address,
			    w->index, room, NULL);
	if (n < 0) {
		/* It is what it should be, but of another format. */
		atomic_fetch_add(&w->crew->unknown, 1);
		return;
	}
	for (i = 0; i < n; i++) {
		block.address = w->index[i].address;
		block.checksum = w->index[i].checksum;
		if (!list_add(&w->values, &block))
			give_up(w->crew, -ENOMEM);
	}
	atomic_fetch_add(&w->crew->total, (uint64_t)n);
}

/* @data is NULL when it could not be read. */
static void judge(struct worker *w, const struct grid_missing_block *block,
		  const void *data)
{
	const struct gm_dev *dev = w->crew->scan->dev;
	struct grid_missing_checksum sum;
	int err;

	atomic_fetch_add(&w->crew->checked, 1);
	if (!data) {
		atomic_fetch_add(&w->crew->unreadable, 1);
		add_bad(w, block);
		return;
	}
	if (block->flags & GRID_MISSING_F_NO_CHECKSUM) {
		atomic_fetch_add(&w->crew->unknown, 1);
		return;
	}
	err = gm_hash(&w->hash, data, dev->block_size, &sum);
	if (err) {
		give_up(w->crew, err);
		return;
	}
	if (!gm_checksum_equal(&sum, &block->checksum)) {
		add_bad(w, block);
		return;
	}
	atomic_fetch_add(&w->crew->matched, 1);
	if (block->flags & GRID_MISSING_F_TABLE)
		add_values(w, block, data);
}

static bool read_run(struct worker *w, uint64_t address, size_t blocks)
{
	const struct crew *c = w->crew;
	size_t size = blocks * c->scan->dev->block_size, at = 0;
	off_t from = (off_t)(c->offset + address * c->scan->dev->block_size);
	ssize_t n;

	while (at < size) {
		n = pread(c->fd, w->data + at, size - at, from + (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static void scan_run(struct worker *w, const struct grid_missing_block *v,
		     size_t n)
{
	uint32_t size = w->crew->scan->dev->block_size;
	bool whole = read_run(w, v->address, n);
	char *data;
	size_t i;

	for (i = 0; i < n; i++) {
		data = whole ? w->data + i * size :
		       n > 1 && read_run(w, v[i].address, 1) ? w->data :
							       NULL;
		judge(w, &v[i], data);
	}
}

static void scan_range(struct worker *w, const struct grid_missing_block *v,
		       size_t n)
{
	struct crew *c = w->crew;
	size_t i, run;

	for (i = 0; i < n && !atomic_load(&c->error); i += run) {
		run = 1;
		if (scan_tracked(c->scan->tracked, v[i].address)) {
			atomic_fetch_add(&c->checked, 1);
			add_bad(w, &v[i]);
			continue;
		}
		while (run < c->run && i + run < n &&
		       v[i + run].address == v[i].address + run &&
		       !scan_tracked(c->scan->tracked, v[i + run].address))
			run++;
		scan_run(w, v + i, run);
	}
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;
	struct crew *c = w->crew;
	size_t at, n;

	while (!atomic_load(&c->error)) {
		at = atomic_fetch_add(&c->next, c->run);
		if (at >= c->count)
			break;
		n = c->count - at < c->run ? c->count - at : c->run;
		w->bad.count = 0;
		w->values.count = 0;
		scan_range(w, c->v + at, n);
		scan_range(w, w->values.v, w->values.count);
		if (!w->bad.count)
			continue;
		pthread_mutex_lock(&c->lock);
		/* What was found after its end is not told any more. */
		if (!c->scan->stopped &&
		    c->scan->found(c->scan->arg, w->bad.v, w->bad.count)) {
			c->scan->stopped = true;
			give_up(c, -ECANCELED);
		}
		pthread_mutex_unlock(&c->lock);
	}
	atomic_fetch_sub(&c->running, 1);
	return NULL;
}

static int worker_start(struct crew *c, struct worker *w)
{
	const struct gm_dev *dev = c->scan->dev;
	int err;

	w->crew = c;
	w->data = aligned_alloc(4096, (size_t)c->run * dev->block_size);
	w->index =
		calloc(gm_index_capacity(dev->block_size), sizeof(*w->index));
	err = w->data && w->index ? gm_hash_open(&w->hash, c->scan->algorithm) :
				    -ENOMEM;
	if (err)
		goto err_free;
	atomic_fetch_add(&c->running, 1);
	err = -pthread_create(&w->thread, NULL, worker_thread, w);
	if (!err)
		return 0;
	atomic_fetch_sub(&c->running, 1);
	gm_hash_close(&w->hash);
err_free:
	free(w->data);
	free(w->index);
	return err;
}

static void worker_end(struct worker *w)
{
	pthread_join(w->thread, NULL);
	gm_hash_close(&w->hash);
	free(w->data);
	free(w->index);
	free(w->bad.v);
	free(w->values.v);
}

/* Wait for the crew, and show how far it is. */
static void watch(struct crew *c)
{
	bool terminal = isatty(STDERR_FILENO);
	double start = ctl_now(), now, next = start;
	uint64_t checked;
	unsigned int running, step = 1;

	do {
		running = atomic_load(&c->running);
		now = ctl_now();
		if (running && c->scan->until > 0 && now >= c->scan->until)
			give_up(c, -ETIMEDOUT);
		if (c->scan->show && (now >= next || !running)) {
			checked = atomic_load(&c->checked);
			ctl_progress("scan: ", checked,
				     atomic_load(&c->total) - checked,
				     c->scan->dev->block_size, now - start,
				     terminal);
			next = now + (terminal ? 0.2 : 2);
		}
		if (running)
			ctl_pause(step);
		if (step < 100)
			step *= 2;
	} while (running);
	if (c->scan->show && terminal)
		fputc('\n', stderr);
}

int scan_blocks(struct scan *s, const struct grid_missing_block *v,
		size_t count)
{
	struct crew c = {
		.scan = s,
		.v = v,
		.count = count,
		.run = RUN_BYTES / s->dev->block_size,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	struct worker *workers;
	unsigned int i, n;
	int err = 0;

	atomic_store(&c.total, count);
	c.fd = ctl_open_below(s->dev, O_RDONLY | O_DIRECT, &c.offset);
	if (c.fd < 0)
		return ctl_open_error(s->ctl, c.fd, "%s: the device below",
				      s->ctl->argv[0]);
	workers = calloc(s->jobs, sizeof(*workers));
	if (!workers) {
		close(c.fd);
		return ctl_error(s->ctl, -ENOMEM, "%u jobs", s->jobs);
	}
	for (n = 0; n < s->jobs && !err; n += !err)
		err = worker_start(&c, &workers[n]);
	if (err)
		give_up(&c, err);
	watch(&c);
	for (i = 0; i < n; i++)
		worker_end(&workers[i]);
	free(workers);
	close(c.fd);
	s->checked = atomic_load(&c.checked);
	s->matched = atomic_load(&c.matched);
	s->unreadable = atomic_load(&c.unreadable);
	s->unknown = atomic_load(&c.unknown);
	err = atomic_load(&c.error);
	if (err == -ECANCELED)
		return CTL_GOOD;
	if (err == -ETIMEDOUT)
		return ctl_fail(s->ctl, CTL_TIMEOUT,
				"%s: %" PRIu64 " of %" PRIu64
				" blocks were checked: timed out",
				s->ctl->argv[0], s->checked,
				(uint64_t)atomic_load(&c.total));
	if (err == -ENOENT)
		return ctl_fail(
			s->ctl, CTL_FAILED,
			"hash \"%s\": neither the kernel nor libgcrypt has it",
			s->algorithm);
	if (err)
		return ctl_error(s->ctl, err, "%s: scan", s->ctl->argv[0]);
	return CTL_GOOD;
}
