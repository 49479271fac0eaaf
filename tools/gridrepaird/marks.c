// SPDX-License-Identifier: GPL-2.0
/*
 * The blocks of a device that this daemon has marked unavailable; see marks.h.
 *
 * A hash set with linear probing, of fixed size: nothing is removed from it but
 * by marks_attach(), only flags change.  What doesn't fit is marked in the
 * kernel all the same, and is then the operator's to retry.
 *
 * The file has a line "TRACKER ADDRESS" for each block that was ever marked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "marks.h"

#define SLOTS 131072U

#define MARK_USED 1U
#define MARK_SET 2U /* marked in the kernel, by us */
#define MARK_LACKING 4U
#define MARK_TOLD 8U

struct mark {
	uint64_t address;
	unsigned int flags;
};

struct marks {
	pthread_mutex_t lock;
	atomic_uint users;
	uint64_t tracker;
	bool attached;
	struct mark *slots;
	unsigned int used;
	int fd; /* of the file, or -1 */
};

struct marks *marks_new(const char *dir, const char *device)
{
	struct marks *m = calloc(1, sizeof(*m));
	char path[512], *p;
	int n;

	if (!m)
		return NULL;
	m->slots = calloc(SLOTS, sizeof(*m->slots));
	if (!m->slots) {
		free(m);
		return NULL;
	}
	pthread_mutex_init(&m->lock, NULL);
	atomic_store(&m->users, 1);
	m->fd = -1;
	if (!dir)
		return m;
	n = snprintf(path, sizeof(path), "%s/marked.%s", dir, device);
	if (n < 0 || (size_t)n >= sizeof(path))
		return m;
	for (p = path + strlen(dir) + 1; *p; p++)
		if (*p == '/')
			*p = '!';
	m->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (m->fd < 0)
		log_warning("%s: %s; marks are lost when this ends", path,
			    strerrordesc_np(errno));
	return m;
}

struct marks *marks_get(struct marks *m)
{
	atomic_fetch_add(&m->users, 1);
	return m;
}

void marks_put(struct marks *m)
{
	if (!m || atomic_fetch_sub(&m->users, 1) != 1)
		return;
	if (m->fd >= 0)
		close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m->slots);
	free(m);
}

/* The slot of @address, a new one if need be; NULL when it is full. */
static struct mark *slot_of(struct marks *m, uint64_t address, bool make)
{
	uint64_t i = address * 0x9e3779b97f4a7c15ULL >> 40;

	for (;; i++) {
		struct mark *mark = &m->slots[i % SLOTS];

		if (mark->flags && mark->address == address)
			return mark;
		if (mark->flags)
			continue;
		if (!make || m->used >= SLOTS / 2)
			return NULL;
		m->used++;
		mark->address = address;
		mark->flags = MARK_USED;
		return mark;
	}
}

/* What the file says of this tracker; without such lines it begins anew. */
static void load(struct marks *m)
{
	uint64_t tracker, address;
	struct mark *mark;
	FILE *f;
	int fd;

	if (m->fd < 0)
		return;
	fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	f = fd < 0 ? NULL : fdopen(fd, "re");
	if (f) {
		rewind(f);
		while (fscanf(f, "%" SCNu64 " %" SCNu64, &tracker, &address) ==
		       2) {
			mark = tracker == m->tracker ?
				       slot_of(m, address, true) :
				       NULL;
			if (mark)
				mark->flags |= MARK_SET;
		}
		fclose(f);
	} else if (fd >= 0) {
		close(fd);
	}
	if (!m->used && ftruncate(m->fd, 0))
		log_warning("file of marks: %s", strerrordesc_np(errno));
}

void marks_attach(struct marks *m, uint64_t tracker)
{
	pthread_mutex_lock(&m->lock);
	if (!m->attached || m->tracker != tracker) {
		memset(m->slots, 0, SLOTS * sizeof(*m->slots));
		m->used = 0;
		m->tracker = tracker;
		m->attached = true;
		load(m);
	}
	pthread_mutex_unlock(&m->lock);
}

bool marks_add(struct marks *m, uint64_t address, bool lacking)
{
	struct mark *mark;
	char line[64];
	bool first = false;
	int n;

	pthread_mutex_lock(&m->lock);
	mark = slot_of(m, address, false);
	if (!mark) {
		mark = slot_of(m, address, true);
		n = snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu64 "\n",
			     m->tracker, address);
		if (mark && m->fd >= 0 && write(m->fd, line, (size_t)n) != n)
			log_warning("file of marks: %s",
				    strerrordesc_np(errno));
	}
	if (mark) {
		first = !(mark->flags & MARK_TOLD);
		mark->flags = MARK_USED | MARK_SET | MARK_TOLD |
			      (lacking ? MARK_LACKING : 0);
	}
	pthread_mutex_unlock(&m->lock);
	return first;
}

void marks_forget(struct marks *m, uint64_t address)
{
	struct mark *mark;

	pthread_mutex_lock(&m->lock);
	mark = slot_of(m, address, false);
	if (mark)
		mark->flags &= ~MARK_SET;
	pthread_mutex_unlock(&m->lock);
}

unsigned int marks_take(struct marks *m, bool lacking, unsigned int *cursor,
			uint64_t *addresses, unsigned int max)
{
	unsigned int want = MARK_SET | (lacking ? MARK_LACKING : 0), n = 0;

	pthread_mutex_lock(&m->lock);
	for (; m->used && *cursor < SLOTS && n < max; ++*cursor) {
		struct mark *mark = &m->slots[*cursor];

		if ((mark->flags & want) != want)
			continue;
		mark->flags &= ~MARK_SET;
		addresses[n++] = mark->address;
	}
	pthread_mutex_unlock(&m->lock);
	return n;
}
