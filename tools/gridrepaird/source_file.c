// SPDX-License-Identifier: GPL-2.0
/*
 * Files and block devices as sources: a few threads that read.
 *
 * The first thread opens the file, tries again while it cannot, and hands the
 * reads of the queue to the others and to itself.  A thread that is stuck in a
 * read (a dying disk) keeps only its own read; when all are stuck, the policy
 * sees late answers and asks elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"

static void read_block(struct source *s, struct gm_hash *hash, struct read *r)
{
	size_t at = 0;
	ssize_t n;

	while (at < r->len) {
		n = pread(s->file_fd, (char *)r->buf + at, r->len - at,
			  (off_t)(r->offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			source_answer(s, NULL, r, READ_ERROR, errno);
			return;
		}
		if (!n) {
			source_answer(s, NULL, r, READ_SHORT, 0);
			return;
		}
		at += (size_t)n;
	}
	source_answer(s, hash, r, READ_GOOD, 0);
}

static bool open_hash(struct source *s, struct gm_hash *hash)
{
	int err;

	if (!s->hash)
		return false;
	err = gm_hash_open(hash, s->hash);
	if (err)
		log_err("source %s: hash %s: %s", s->config->uri, s->hash,
			strerrordesc_np(-err));
	return !err;
}

void source_file_wake(struct source *s)
{
	pthread_mutex_lock(&s->file_lock);
	pthread_cond_broadcast(&s->file_cond);
	pthread_mutex_unlock(&s->file_lock);
}

static void *worker(void *arg)
{
	struct source *s = arg;
	struct gm_hash hash;
	bool hashing = open_hash(s, &hash);
	struct mail *mail;

	for (;;) {
		pthread_mutex_lock(&s->file_lock);
		while (!s->file_first && !atomic_load(&s->stop))
			pthread_cond_wait(&s->file_cond, &s->file_lock);
		mail = s->file_first;
		if (mail) {
			s->file_first = mail->next;
			if (!s->file_first)
				s->file_last = &s->file_first;
		}
		pthread_mutex_unlock(&s->file_lock);
		if (!mail)
			break;
		if (atomic_load(&s->stop))
			source_answer(s, NULL, (struct read *)mail, READ_LOST,
				      ECANCELED);
		else
			read_block(s, hashing ? &hash : NULL,
				   (struct read *)mail);
	}
	if (hashing)
		gm_hash_close(&hash);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

/*
 * Open it; an errno, or 0.  A disk is read past the page cache: that has old
 * data where somebody writes to the disk by another way, as a dm device on top
 * of it does.
 */
static int open_file(struct source *s)
{
	struct stat st;
	int err;

	s->file_fd = open(s->config->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (s->file_fd < 0)
		return errno;
	if (!fstat(s->file_fd, &st) &&
	    (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
		if (S_ISBLK(st.st_mode) && !(s->config->offset % 4096))
			fcntl(s->file_fd, F_SETFL, O_DIRECT);
		return 0;
	}
	err = S_ISDIR(st.st_mode) ? EISDIR : ENOTBLK;
	close(s->file_fd);
	s->file_fd = -1;
	return err;
}

static void *feeder(void *arg)
{
	struct source *s = arg;
	struct pollfd p = { .fd = s->queue.event, .events = POLLIN };
	struct mail *mail, *next;
	unsigned int times = 0;
	int err, said = 0;

	while (!atomic_load(&s->stop)) {
		err = open_file(s);
		if (!err)
			break;
		if (err != said)
			log_err("source %s: cannot open: %s; trying on",
				s->config->uri, strerrordesc_np(err));
		said = err;
		source_backoff(s, &times);
	}
	if (!atomic_load(&s->stop)) {
		log_notice("source %s: open", s->config->uri);
		source_says(s, true);
	}
	for (;;) {
		mail = inbox_take(&s->queue);
		if (!mail) {
			if (atomic_load(&s->stop))
				break;
			poll(&p, 1, -1);
			continue;
		}
		pthread_mutex_lock(&s->file_lock);
		for (; mail; mail = next) {
			next = mail->next;
			mail->next = NULL;
			*s->file_last = mail;
			s->file_last = &mail->next;
		}
		pthread_cond_broadcast(&s->file_cond);
		pthread_mutex_unlock(&s->file_lock);
	}
	source_file_wake(s);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

int source_file_start(struct source *s)
{
	int err = 0, i;

	pthread_mutex_init(&s->file_lock, NULL);
	pthread_cond_init(&s->file_cond, NULL);
	s->file_first = NULL;
	s->file_last = &s->file_first;
	s->file_fd = -1;
	for (i = 0; !err && i < 3; i++)
		err = source_start_thread(s, worker);
	return err ? err : source_start_thread(s, feeder);
}
