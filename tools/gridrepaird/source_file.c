// SPDX-License-Identifier: GPL-2.0
/*
 * Files and block devices as sources: a few threads that read.
 *
 * The *feeder* opens the file, tries again while it cannot, and hands the reads of
 * the queue to the *workers*.  A worker that is stuck in a read (a dying disk)
 * keeps only its own read; the source is silent once others wait for it in vain.
 * Reads that a reader waits for go first, and one worker is theirs.
 *
 * After a read has failed, or brought wrong data, and at a reload, the feeder
 * looks whether there is another file or device by this name now (a disk that was
 * replaced, an image that was renamed into its place), and goes on with that.  What
 * lies on the device under repair, or below it, is no source.  The feeder also
 * looks now and then while the file is shorter than the device: it may grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"
#include "stack.h"

#define WORKERS 3
#define PAGE_MOST 65536 /* of any machine */

static void look(struct source *s)
{
	if (!atomic_exchange(&s->file_look, true))
		inbox_ring(&s->queue);
}

static void read_block(struct source *s, struct gm_hash *hash, struct read *r)
{
	unsigned int changes = atomic_load(&s->file_changes);
	size_t at = 0;
	ssize_t n;

	/* Only whole pages are dropped. */
	if (atomic_load(&s->file_cached))
		posix_fadvise(s->file_fd,
			      (off_t)(r->offset - r->offset % PAGE_MOST),
			      r->len + 2 * PAGE_MOST, POSIX_FADV_DONTNEED);
	while (at < r->len) {
		n = pread(s->file_fd, (char *)r->buf + at, r->len - at,
			  (off_t)(r->offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			source_answer(s, NULL, r, n ? READ_ERROR : READ_SHORT,
				      n ? errno : 0);
			look(s);
			return;
		}
		at += (size_t)n;
	}
	r->device = atomic_load(&s->file_device);
	r->node = atomic_load(&s->file_node);
	/* Part of it may be of another file; odd: while that is put in place. */
	if (changes % 2 || changes != atomic_load(&s->file_changes))
		source_answer(s, NULL, r, READ_LOST, ESTALE);
	else
		source_answer(s, hash, r, READ_GOOD, 0);
}

static void wake(struct source *s)
{
	pthread_mutex_lock(&s->file_lock);
	pthread_cond_broadcast(&s->file_cond);
	pthread_mutex_unlock(&s->file_lock);
}

/* The next read to do, or NULL: none is there that this one may do. */
static struct mail *take(struct source *s)
{
	unsigned int u = s->file_first[1] ? 1 : 0;
	struct mail *mail = s->file_first[u];

	if (!mail || (!u && s->file_background == WORKERS - 1))
		return NULL;
	s->file_background += !u;
	atomic_fetch_add(&s->file_reading, 1);
	s->file_first[u] = mail->next;
	if (!mail->next)
		s->file_last[u] = &s->file_first[u];
	return mail;
}

/* All workers are at a read, or there are more reads than these. */
static bool waits(const struct source *s)
{
	unsigned int reading = atomic_load(&s->file_reading);

	return reading == WORKERS || atomic_load(&s->asked) > reading;
}

static void *worker(void *arg)
{
	struct source *s = arg;
	struct gm_hash hash;
	bool hashing = false, urgent;
	struct mail *mail;
	int said = 0;

	for (;;) {
		/* The feeder could, before it said that the source is up. */
		while (s->hash && !hashing && !atomic_load(&s->stop)) {
			hashing = source_hash(s, &hash, &said);
			if (!hashing)
				poll(NULL, 0, 250);
		}
		pthread_mutex_lock(&s->file_lock);
		while (!(mail = take(s)) && !atomic_load(&s->stop))
			pthread_cond_wait(&s->file_cond, &s->file_lock);
		pthread_mutex_unlock(&s->file_lock);
		if (!mail)
			break;
		urgent = ((struct read *)mail)->urgent;
		if (atomic_load(&s->stop))
			source_answer(s, NULL, (struct read *)mail, READ_LOST,
				      ECANCELED);
		else
			read_block(s, hashing ? &hash : NULL,
				   (struct read *)mail);
		atomic_fetch_sub(&s->file_reading, 1);
		if (urgent)
			continue;
		pthread_mutex_lock(&s->file_lock);
		s->file_background--;
		if (s->file_first[0])
			pthread_cond_signal(&s->file_cond);
		pthread_mutex_unlock(&s->file_lock);
	}
	if (hashing)
		gm_hash_close(&hash);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

/*
 * Can it have what the device has not?  0, or a negative errno that says why not.
 * A read of what lies on the device would wait for the repair that it is for; what
 * the device lies on has its missing blocks as they are, and trusted would repair
 * them with that.
 */
static int suits(const struct source *s)
{
	switch (gm_stack_source(s->config->path, s->grid)) {
	case GM_ON_GRID:
		return -EDEADLK;
	case GM_BELOW_GRID:
		return -EXDEV;
	case GM_APART:
		break;
	}
	return 0;
}

/* It can't be opened, which is told once; @then: what it does. */
static void tell(const struct source *s, int err, int *said, const char *then)
{
	if (err == *said)
		return;
	*said = err;
	if (err == -EDEADLK)
		log_err("source %s: it is %s, or lies on it, and would wait for itself; %s",
			s->config->uri, s->device, then);
	else if (err == -EXDEV)
		log_err("source %s: %s lies on it: it has what is missing no better; %s",
			s->config->uri, s->device, then);
	else
		log_err("source %s: cannot open: %s%s; %s", s->config->uri,
			strerrordesc_np(-err), source_hint(-err), then);
}

/*
 * A descriptor, or a negative errno.  A disk is read past the page cache: that
 * has old data where somebody writes to the disk by another way, as a dm device
 * on top of it does.  Where its blocks begin or end amid a sector, what is cached of
 * each is dropped before it is read.
 */
static int open_file(const struct source *s)
{
	int sector = 0;
	int fd = open(s->config->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	err = suits(s);
	if (err)
		goto err_close;
	if (!fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
		if (S_ISBLK(st.st_mode) && !ioctl(fd, BLKSSZGET, &sector) &&
		    sector > 0 && !(s->config->offset % (unsigned int)sector) &&
		    !(s->block_size % (unsigned int)sector))
			fcntl(fd, F_SETFL, O_DIRECT);
		return fd;
	}
	err = S_ISDIR(st.st_mode) ? -EISDIR : -ENOTBLK;
err_close:
	close(fd);
	return err;
}

/* Bytes it has, now. */
static uint64_t size_of(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	return end < 0 ? UINT64_MAX : (uint64_t)end;
}

/* Which file or disk it is, by whatever name. */
static void identify(struct source *s)
{
	struct stat st;
	bool disk;

	if (fstat(s->file_fd, &st))
		return;
	disk = S_ISBLK(st.st_mode);
	atomic_store(&s->file_device, disk ? st.st_rdev : st.st_dev);
	atomic_store(&s->file_node, disk ? 0 : st.st_ino);
	atomic_store(&s->file_cached,
		     disk && !(fcntl(s->file_fd, F_GETFL) & O_DIRECT));
}

/* Can it hash, and be read?  Else that is told once. */
static bool begin(struct source *s, int *said, int *hash_said)
{
	struct gm_hash hash;
	int fd;

	if (!source_begin(s))
		return false;
	if (s->hash) {
		if (!source_hash(s, &hash, hash_said))
			return false;
		gm_hash_close(&hash);
	}
	fd = open_file(s);
	if (fd < 0) {
		tell(s, fd, said, "trying on");
		return false;
	}
	s->file_fd = fd;
	identify(s);
	atomic_store(&s->size, size_of(fd));
	return true;
}

/* Nothing more to look for: it is the same file, or the new one is in place. */
static bool look_again(struct source *s, int *said)
{
	struct stat now, then;
	uint64_t size;
	bool changed;
	int fd;

	if (stat(s->config->path, &now) || fstat(s->file_fd, &then))
		return false;
	if (now.st_dev == then.st_dev && now.st_ino == then.st_ino &&
	    now.st_rdev == then.st_rdev) {
		size = size_of(s->file_fd);
		if (size == atomic_exchange(&s->size, size))
			return true;
		log_notice("source %s: it has another size now",
			   s->config->uri);
		source_says(s, MAIL_DOWN);
		source_says(s, MAIL_UP);
		return true;
	}
	fd = open_file(s);
	if (fd == -EDEADLK || fd == -EXDEV)
		tell(s, fd, said, "going on with what it was");
	if (fd < 0)
		return false;
	*said = 0;
	atomic_fetch_add(&s->file_changes, 1);
	changed = dup3(fd, s->file_fd, O_CLOEXEC) >= 0;
	identify(s);
	atomic_fetch_add(&s->file_changes, 1);
	close(fd);
	if (!changed)
		return false;
	atomic_store(&s->size, size_of(s->file_fd));
	log_notice("source %s: it is another one now", s->config->uri);
	source_says(s, MAIL_DOWN);
	source_says(s, MAIL_UP);
	return true;
}

/* Hand on what it is asked for, and look after the file, until it is to end. */
static void feed(struct source *s)
{
	struct pollfd p = { .fd = s->queue.event, .events = POLLIN };
	uint64_t now, look_at = 0;
	unsigned int times = 0;
	struct mail *mail, *next;
	bool due = false; /* to look again */
	unsigned int u;
	int said = 0;

	while ((mail = inbox_take(&s->queue)) || !atomic_load(&s->stop)) {
		pthread_mutex_lock(&s->file_lock);
		for (; mail; mail = next) {
			next = mail->next;
			u = ((struct read *)mail)->urgent;
			mail->next = NULL;
			*s->file_last[u] = mail;
			s->file_last[u] = &mail->next;
		}
		pthread_cond_broadcast(&s->file_cond);
		pthread_mutex_unlock(&s->file_lock);
		if (atomic_exchange(&s->file_look, false) ||
		    atomic_load(&s->size) < s->length)
			due = true;
		now = now_us();
		if (due && now >= look_at) {
			due = !look_again(s, &said) ||
			      atomic_load(&s->size) < s->length;
			if (!due)
				times = 0;
			look_at = now + source_pause(&times) * 1000ULL;
		}
		poll(&p, 1, due ? (int)((look_at - now) / 1000) + 1 : -1);
	}
}

static void *feeder(void *arg)
{
	struct source *s = arg;
	int said = 0, hash_said = 0;
	unsigned int times = 0;

	while (!atomic_load(&s->stop) && s->file_fd < 0)
		if (!begin(s, &said, &hash_said)) {
			if (!s->barred || times >= BARRED_TIMES)
				source_failed(s);
			source_wait(s, source_pause(&times));
		}
	if (!atomic_load(&s->stop)) {
		log_notice("source %s: open", s->config->uri);
		source_says(s, MAIL_UP);
	}
	feed(s);
	wake(s);
	atomic_fetch_sub(&s->running, 1);
	return NULL;
}

static int start(struct source *s)
{
	int err = 0, i;

	pthread_mutex_init(&s->file_lock, NULL);
	pthread_cond_init(&s->file_cond, NULL);
	for (i = 0; i < 2; i++)
		s->file_last[i] = &s->file_first[i];
	for (i = 0; !err && i < WORKERS; i++)
		err = source_start_thread(s, worker);
	return err ? err : source_start_thread(s, feeder);
}

const struct source_ops source_file = {
	.name = "file",
	.stack = THREAD_SMALL,
	.start = start,
	.wake = wake,
	.look = look,
	.waits = waits,
};
