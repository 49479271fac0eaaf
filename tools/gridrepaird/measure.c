// SPDX-License-Identifier: GPL-2.0
/*
 * How large devices' manifests are; see measure.h.
 *
 * What is measured is shared by the thread that does it and by who waits;
 * whoever is last frees it.  One that hangs is the only one: with each reload there
 * would be another.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "measure.h"
#include "thread.h"

#define WAIT_MS 1000

struct measure {
	atomic_uint users;
	int event;
	unsigned int count;
	struct {
		char *path; /* or NULL */
		atomic_ullong size;
	} files[];
};

static atomic_bool measuring; /* a thread is at it */

static void measure_put(struct measure *m)
{
	unsigned int i;

	if (atomic_fetch_sub(&m->users, 1) != 1)
		return;
	for (i = 0; i < m->count; i++)
		free(m->files[i].path);
	if (m->event >= 0)
		close(m->event);
	free(m);
}

static void *measure_thread(void *arg)
{
	struct measure *m = arg;
	uint64_t one = 1;
	struct stat st;
	unsigned int i;

	for (i = 0; i < m->count; i++)
		if (m->files[i].path && !stat(m->files[i].path, &st))
			atomic_store(&m->files[i].size,
				     (unsigned long long)st.st_size);
	/* Before it rings: who hears that may be back at once. */
	atomic_store(&measuring, false);
	if (write(m->event, &one, sizeof(one)) < 0)
		abort(); /* it has never been rung */
	measure_put(m);
	return NULL;
}

void measure_manifests(struct config *c)
{
	struct pollfd p = { .events = POLLIN };
	struct measure *m;
	const char *path;
	unsigned int i;

	if (atomic_exchange(&measuring, true))
		return;
	m = calloc(1, sizeof(*m) + c->device_count * sizeof(*m->files));
	if (!m)
		goto out_free;
	atomic_store(&m->users, 1);
	m->count = c->device_count;
	m->event = eventfd(0, EFD_CLOEXEC);
	if (m->event < 0)
		goto out_put;
	for (i = 0; i < m->count; i++) {
		path = c->devices[i]->manifest;
		m->files[i].path = path ? strdup(path) : NULL;
	}
	atomic_store(&m->users, 2);
	if (thread_start(NULL, THREAD_SMALL, measure_thread, m)) {
		atomic_store(&m->users, 1);
		goto out_put;
	}
	p.fd = m->event;
	poll(&p, 1, WAIT_MS);
	for (i = 0; i < m->count; i++)
		c->devices[i]->manifest_size = atomic_load(&m->files[i].size);
	measure_put(m);
	return;

out_put:
	measure_put(m);
out_free:
	atomic_store(&measuring, false);
}
