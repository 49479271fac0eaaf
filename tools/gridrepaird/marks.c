// SPDX-License-Identifier: GPL-2.0
/*
 * The blocks of a device that this daemon has marked unavailable; see marks.h.
 *
 * Bits, in pages that are made when the first block of a page is marked: when
 * all sources are away for long, that may be all blocks that are missing, and
 * none of the marks may be forgotten.
 *
 * The file has a header and a bit for each block that was ever marked, and not
 * repaired since: a mark that it has then is an operator's.  What was never written
 * is a hole.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "marks.h"

#define PAGE_BLOCKS 32768U
#define WORDS (PAGE_BLOCKS / 64)
#define MAGIC 0x33736b72616d6467ULL /* of this format */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct page {
	uint64_t set[WORDS]; /* marked in the kernel, by us */
	uint64_t lacking[WORDS]; /* because no source had it */
	uint64_t told[WORDS]; /* the log has it */
	uint64_t counted[WORDS]; /* the counter has it */
	uint64_t ever[WORDS]; /* as in the file */
	uint64_t open[WORDS]; /* taken, and not heard of since */
};

/* Trackers' ids are unique within a boot. */
struct header {
	uint64_t magic, tracker;
	char boot[40]; /* as in BOOT_ID; the rest 0 */
};

struct marks {
	pthread_mutex_t lock;
	atomic_uint users;
	uint64_t tracker;
	char boot[sizeof(((struct header *)0)->boot)];
	bool attached;
	struct page **pages;
	uint64_t page_count;
	int fd; /* of the file, or -1 */
	bool headed; /* the file is this tracker's */
	int said; /* errno of a write that failed */
	unsigned int open; /* how many are */
};

/* Without it nothing is carried over. */
static bool read_boot(struct marks *m)
{
	FILE *f = fopen(BOOT_ID, "re");
	bool ok = f && fgets(m->boot, sizeof(m->boot), f) &&
		  strlen(m->boot) >= 36;

	if (f)
		fclose(f);
	return ok;
}

struct marks *marks_new(const char *dir, const char *device)
{
	struct marks *m = calloc(1, sizeof(*m));
	char path[512], *p;
	int n;

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	atomic_store(&m->users, 1);
	m->fd = -1;
	if (!dir)
		return m;
	if (!read_boot(m)) {
		log_warning(BOOT_ID ": %s; marks are lost when this ends",
			    strerrordesc_np(errno));
		return m;
	}
	n = snprintf(path, sizeof(path), "%s/marked.%s", dir, device);
	if (n < 0 || (size_t)n >= sizeof(path))
		return m;
	for (p = path + strlen(dir) + 1; *p; p++)
		if (*p == '/')
			*p = '!';
	m->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
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

static void free_pages(struct marks *m)
{
	uint64_t i;

	for (i = 0; i < m->page_count; i++)
		free(m->pages[i]);
	free(m->pages);
	m->pages = NULL;
	m->page_count = 0;
	m->open = 0;
}

void marks_put(struct marks *m)
{
	if (!m || atomic_fetch_sub(&m->users, 1) != 1)
		return;
	if (m->fd >= 0)
		close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free_pages(m);
	free(m);
}

/* The page of @address, made if need be; NULL when there is none. */
static struct page *page_of(struct marks *m, uint64_t address, bool make)
{
	uint64_t i = address / PAGE_BLOCKS;

	if (i >= m->page_count)
		return NULL;
	if (!m->pages[i] && make)
		m->pages[i] = calloc(1, sizeof(**m->pages));
	return m->pages[i];
}

/* -------------------------------------------------------------------- file */

/* What the file says of this tracker; without that it begins anew. */
static void load(struct marks *m)
{
	uint64_t words[WORDS], i, w;
	struct header h;
	struct page *page;
	ssize_t n;

	m->headed = false;
	if (m->fd < 0)
		return;
	if (pread(m->fd, &h, sizeof(h), 0) != sizeof(h) || h.magic != MAGIC ||
	    h.tracker != m->tracker ||
	    memcmp(h.boot, m->boot, sizeof(h.boot))) {
		if (ftruncate(m->fd, 0))
			log_warning("file of marks: %s",
				    strerrordesc_np(errno));
		return;
	}
	m->headed = true;
	for (i = 0; i < m->page_count; i++) {
		memset(words, 0, sizeof(words));
		n = pread(m->fd, words, sizeof(words),
			  (off_t)(sizeof(h) + i * sizeof(words)));
		if (n <= 0)
			break;
		for (w = 0; w < WORDS && !words[w]; w++)
			;
		page = w < WORDS ? page_of(m, i * PAGE_BLOCKS, true) : NULL;
		if (page) {
			memcpy(page->set, words, sizeof(words));
			memcpy(page->ever, words, sizeof(words));
		}
	}
}

static int write_at(int fd, const void *data, size_t size, uint64_t offset)
{
	ssize_t n = pwrite(fd, data, size, (off_t)offset);

	if (n < 0)
		return errno;
	return (size_t)n == size ? 0 : ENOSPC;
}

/* Write the word of @address. */
static void save(struct marks *m, const struct page *page, uint64_t address)
{
	struct header h = { .magic = MAGIC, .tracker = m->tracker };
	uint64_t w = address / 64;
	int err = 0;

	memcpy(h.boot, m->boot, sizeof(h.boot));
	if (m->fd < 0)
		return;
	if (!m->headed)
		err = write_at(m->fd, &h, sizeof(h), 0);
	m->headed = !err;
	if (!err)
		err = write_at(m->fd, &page->ever[w % WORDS], sizeof(w),
			       sizeof(h) + w * sizeof(w));
	if (err && err != m->said)
		log_warning("file of marks: %s", strerrordesc_np(err));
	m->said = err;
}

/* ------------------------------------------------------------------- marks */

static void close_one(struct marks *m, struct page *page, uint64_t w,
		      uint64_t bit)
{
	if (page->open[w] & bit)
		m->open--;
	page->open[w] &= ~bit;
}

unsigned int marks_open(struct marks *m)
{
	unsigned int n;

	pthread_mutex_lock(&m->lock);
	n = m->open;
	pthread_mutex_unlock(&m->lock);
	return n;
}

void marks_let_go(struct marks *m)
{
	uint64_t i;

	pthread_mutex_lock(&m->lock);
	for (i = 0; m->open && i < m->page_count; i++)
		if (m->pages[i])
			memset(m->pages[i]->open, 0, sizeof(m->pages[i]->open));
	m->open = 0;
	pthread_mutex_unlock(&m->lock);
}

int marks_attach(struct marks *m, uint64_t tracker, uint64_t blocks)
{
	uint64_t pages = blocks / PAGE_BLOCKS + 1, i;
	struct page **more;
	int err = 0;

	pthread_mutex_lock(&m->lock);
	if (m->attached && m->tracker != tracker) {
		free_pages(m);
		m->attached = false;
	}
	if (pages > m->page_count) {
		more = reallocarray(m->pages, pages, sizeof(*more));
		if (!more) {
			err = -ENOMEM;
			goto out;
		}
		for (i = m->page_count; i < pages; i++)
			more[i] = NULL;
		m->pages = more;
		m->page_count = pages;
	}
	m->tracker = tracker;
	if (!m->attached)
		load(m);
	m->attached = true;
out:
	pthread_mutex_unlock(&m->lock);
	return err;
}

bool marks_add(struct marks *m, uint64_t address, bool lacking)
{
	uint64_t w = address / 64 % WORDS, bit = 1ULL << address % 64;
	struct page *page;
	bool first = false;

	pthread_mutex_lock(&m->lock);
	page = page_of(m, address, true);
	if (page) {
		first = !(page->told[w] & bit);
		page->told[w] |= bit;
		page->set[w] |= bit;
		close_one(m, page, w, bit);
		if (lacking)
			page->lacking[w] |= bit;
		else
			page->lacking[w] &= ~bit;
		if (!(page->ever[w] & bit)) {
			page->ever[w] |= bit;
			save(m, page, address);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return first;
}

bool marks_first(struct marks *m, uint64_t address)
{
	uint64_t w = address / 64 % WORDS, bit = 1ULL << address % 64;
	struct page *page;
	bool first = false;

	pthread_mutex_lock(&m->lock);
	page = page_of(m, address, false);
	if (page) {
		first = !(page->counted[w] & bit);
		page->counted[w] |= bit;
	}
	pthread_mutex_unlock(&m->lock);
	return first;
}

void marks_forget(struct marks *m, uint64_t address)
{
	uint64_t w = address / 64 % WORDS, bit = 1ULL << address % 64;
	struct page *page;

	pthread_mutex_lock(&m->lock);
	page = page_of(m, address, false);
	if (page) {
		page->set[w] &= ~bit;
		close_one(m, page, w, bit);
		if (page->ever[w] & bit) {
			page->ever[w] &= ~bit;
			save(m, page, address);
		}
	}
	pthread_mutex_unlock(&m->lock);
}

void marks_restore(struct marks *m, const uint64_t *addresses, unsigned int n)
{
	struct page *page;
	unsigned int i;

	pthread_mutex_lock(&m->lock);
	for (i = 0; i < n; i++) {
		page = page_of(m, addresses[i], false);
		if (page) {
			page->set[addresses[i] / 64 % WORDS] |=
				1ULL << addresses[i] % 64;
			close_one(m, page, addresses[i] / 64 % WORDS,
				  1ULL << addresses[i] % 64);
		}
	}
	pthread_mutex_unlock(&m->lock);
}

unsigned int marks_take(struct marks *m, bool lacking, uint64_t *cursor,
			uint64_t *addresses, unsigned int max)
{
	uint64_t w, bits, bit;
	struct page *page;
	unsigned int n = 0;

	pthread_mutex_lock(&m->lock);
	while (*cursor / PAGE_BLOCKS < m->page_count && n < max) {
		page = m->pages[*cursor / PAGE_BLOCKS];
		if (!page) {
			*cursor += PAGE_BLOCKS;
			continue;
		}
		w = *cursor / 64 % WORDS;
		bits = page->set[w];
		if (lacking)
			bits &= page->lacking[w];
		for (; bits && n < max; bits &= bits - 1) {
			bit = bits & -bits;
			page->set[w] &= ~bit;
			m->open += !(page->open[w] & bit);
			page->open[w] |= bit;
			addresses[n++] =
				*cursor + (uint64_t)__builtin_ctzll(bit);
		}
		if (!bits)
			*cursor += 64;
	}
	pthread_mutex_unlock(&m->lock);
	return n;
}
