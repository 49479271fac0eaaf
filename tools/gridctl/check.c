// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl check: one line for a monitoring system, and an exit code.
 *
 * A state is made of what is so now.  What was counted since the device was
 * created goes to the performance data: a device that had trouble once would
 * be critical for ever otherwise.  So a read error that was passed up (26) is
 * told when the block cannot be read now, which a child finds out: a disk that
 * says nothing must not keep the monitoring waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"

#define READ_MS 5000 /* how long the child may take */

enum { OK, WARNING, CRITICAL, UNKNOWN };

struct check {
	const struct ctl *ctl;
	int level;
	char text[512];
};

/*
 * All findings of the worst level are told, in the order they were found.  What
 * nobody knows is better than what is known to be bad, and never hides it.
 */
__attribute__((format(printf, 3, 4))) static void
finding(struct check *c, int level, const char *format, ...)
{
	static const int rank[] = {
		[OK] = 0, [UNKNOWN] = 1, [WARNING] = 2, [CRITICAL] = 3
	};
	size_t len;
	va_list args;

	if (rank[level] < rank[c->level])
		return;
	if (level != c->level)
		*c->text = 0;
	c->level = level;
	len = strlen(c->text);
	if (len && len + 2 < sizeof(c->text)) {
		strcpy(c->text + len, "; ");
		len += 2;
	}
	va_start(args, format);
	vsnprintf(c->text + len, sizeof(c->text) - len, format, args);
	va_end(args);
}

static int print(const struct check *c, const struct grid_missing_status *s,
		 uint64_t warning, uint64_t critical)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL",
					     "UNKNOWN" };
	const char *name = c->ctl->argv[0];
	struct json_object *o;

	if (c->ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", name);
		ctl_put_string(o, "state", words[c->level]);
		ctl_put_string(o, "text", c->text);
		if (s) {
			ctl_put_u64(o, "missing", ctl_missing(s));
			ctl_put_u64(o, "unavailable", s->unavailable);
			ctl_put_u64(o, "parked", s->parked);
			ctl_put_u64(o, "timeouts", s->timeouts);
			ctl_put_u64(o, "repaired", s->repaired);
			ctl_put_u64(o, "lost_full", s->lost_full);
			ctl_put_u64(o, "passed_up", s->passed_up);
		}
		ctl_print(o);
		return c->level;
	}
	printf("GRID %s - %s: %s", words[c->level], name, c->text);
	if (s)
		printf(" | missing=%" PRIu64 ";;;0;%u unavailable=%" PRIu64
		       " parked=%" PRIu64
		       " oldest=%.3fs;%.3f;%.3f timeouts=%" PRIu64
		       "c repaired=%" PRIu64 "c lost_full=%" PRIu64
		       "c passed_up=%" PRIu64 "c",
		       ctl_missing(s), s->blocks_max, (uint64_t)s->unavailable,
		       (uint64_t)s->parked, (double)s->oldest_waiting_ms / 1000,
		       (double)warning / 1000, (double)critical / 1000,
		       (uint64_t)s->timeouts, (uint64_t)s->repaired,
		       (uint64_t)s->lost_full, (uint64_t)s->passed_up);
	putchar('\n');
	return c->level;
}

/* What came of reading a block. */
struct tried {
	enum {
		READABLE,
		UNREADABLE, /* the disk has failed the read */
		NOT_TRIED, /* so nobody knows */
	} outcome;
	int err;
};

/* Errors of a read that say nothing of the disk. */
static bool says_nothing(int err)
{
	return err == ENOMEM || err == EAGAIN || err == EINVAL || err == EBADF;
}

/* In a child: read a block below the grid. */
static struct tried read_block(const struct gm_dev *dev, uint64_t block)
{
	uint64_t offset;
	size_t at = 0;
	void *data;
	ssize_t n;
	int fd;

	fd = ctl_open_below(dev, O_RDONLY | O_DIRECT, &offset);
	if (fd < 0)
		return (struct tried){ NOT_TRIED, -fd };
	data = aligned_alloc(4096, dev->block_size);
	if (!data)
		return (struct tried){ NOT_TRIED, ENOMEM };
	while (at < dev->block_size) {
		n = pread(fd, (char *)data + at, dev->block_size - at,
			  (off_t)(offset + block * dev->block_size + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && says_nothing(errno))
			return (struct tried){ NOT_TRIED, errno };
		if (n <= 0)
			return (struct tried){ UNREADABLE, n ? errno : EIO };
		at += (size_t)n;
	}
	return (struct tried){ READABLE, 0 };
}

/*
 * Only a child that has said so knows anything: one that could not be made, was
 * killed, or hears nothing of its disk is no answer.
 */
static struct tried try_block(const struct gm_dev *dev, uint64_t block)
{
	struct tried tried = { NOT_TRIED, 0 };
	struct pollfd p = { .events = POLLIN };
	double end = ctl_now() + READ_MS / 1e3;
	pid_t child = -1;
	int ends[2], i, n;

	if (pipe(ends)) {
		tried.err = errno;
		return tried;
	}
	child = fork();
	if (child < 0) {
		tried.err = errno;
		goto out_close;
	}
	if (!child) {
		/* Who waits for the end of our output doesn't wait for it. */
		for (i = 0; i < 3; i++)
			if (i != ends[1])
				close(i);
		tried = read_block(dev, block);
		_exit(write(ends[1], &tried, sizeof(tried)) != sizeof(tried));
	}
	close(ends[1]);
	ends[1] = -1;
	p.fd = ends[0];
	do {
		i = (int)((end - ctl_now()) * 1e3);
		n = poll(&p, 1, i > 0 ? i : 0);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		tried.err = n ? errno : ETIMEDOUT;
		kill(child, SIGKILL);
	} else if (read(ends[0], &tried, sizeof(tried)) != sizeof(tried)) {
		tried = (struct tried){ NOT_TRIED, ECHILD };
	}
	/* Not waited for where its disk is silent: nothing ends it. */
	if (n > 0)
		waitpid(child, NULL, 0);
out_close:
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return tried;
}

static void look_at_disk(struct check *c, const struct gm_dev *dev,
			 const struct grid_missing_status *s)
{
	uint64_t block = s->passed_up_block;
	struct tried tried = { READABLE, 0 };
	uint32_t n = s->passed_up_count, i;

	if (!s->passed_up || !dev->block_size)
		return;
	/* An older module tells the last one only. */
	for (i = 0; i < (n ? n : 1) && tried.outcome == READABLE; i++) {
		if (n)
			block = s->passed_up_blocks[i];
		tried = try_block(dev, block);
	}
	if (tried.outcome == UNREADABLE)
		finding(c, CRITICAL,
			"block %" PRIu64
			" cannot be read (%s), and is not repaired: %" PRIu64
			" read errors passed up",
			block, strerrordesc_np(tried.err),
			(uint64_t)s->passed_up);
	else if (tried.outcome == NOT_TRIED)
		finding(c, UNKNOWN,
			"whether block %" PRIu64
			" can be read now (%s): %" PRIu64
			" read errors passed up",
			block,
			tried.err == ETIMEDOUT ?
				"its disk has said nothing for 5 s" :
			tried.err == ECHILD ? "who read it was killed" :
					      strerrordesc_np(tried.err),
			(uint64_t)s->passed_up);
}

static void look(struct check *c, const struct gm_dev *dev,
		 const struct grid_missing_status *s, uint64_t warning,
		 uint64_t critical)
{
	uint64_t missing = ctl_missing(s);
	double use = s->blocks_max ?
			     100.0 * (double)s->blocks_single / s->blocks_max :
			     0;

	if (missing && !s->helpers)
		finding(c, CRITICAL,
			"%" PRIu64 " blocks missing and no helper running",
			missing);
	look_at_disk(c, dev, s);
	/*
	 * A reader's time-out marks a block as a helper's word does, and nobody
	 * can tell these apart: what timed out since the device was created says
	 * nothing of those that are marked now.
	 */
	if (s->unavailable)
		finding(c, CRITICAL,
			"%" PRIu64
			" blocks fail their readers (no source has them, or their repair didn't come in time)",
			(uint64_t)s->unavailable);
	if (s->lost)
		finding(c, CRITICAL,
			"%" PRIu64
			" blocks are missing for which the tracker has no slot: their reads fail",
			(uint64_t)s->lost);
	if (s->oldest_waiting_ms >= critical)
		finding(c, CRITICAL, "a reader has waited for %.1f s",
			(double)s->oldest_waiting_ms / 1000);
	else if (s->oldest_waiting_ms >= warning)
		finding(c, WARNING, "a reader has waited for %.1f s",
			(double)s->oldest_waiting_ms / 1000);
	if (s->blocks_single == s->blocks_max && s->blocks_max)
		finding(c, CRITICAL, "the tracker is full (blocks_max %u)",
			s->blocks_max);
	else if (use >= 90)
		finding(c, WARNING, "the tracker is %.0f %% full", use);
	if (s->state & GRID_MISSING_STATUS_SUSPENDED)
		finding(c, WARNING, "suspended");
	if (s->state & GRID_MISSING_STATUS_METADATA_FAILED)
		finding(c, CRITICAL,
			"the metadata device has failed: what is missing is not kept, and flushes fail (\"dmsetup message ... metadata retry\")");
	if (s->state & GRID_MISSING_STATUS_HELD)
		finding(c, WARNING, "held, waits for \"gridctl ready\"");
	if (c->level == OK)
		finding(c, OK, "%" PRIu64 " blocks missing", missing);
}

int verb_check(struct ctl *ctl)
{
	uint64_t warning = 5000, critical = 30000;
	struct check c = { .ctl = ctl };
	struct grid_missing_status s;
	struct gm_dev dev;
	int err;

	if (!ctl_ms(ctl, "warning", &warning) ||
	    !ctl_ms(ctl, "critical", &critical))
		return UNKNOWN;
	if (ctl_attach(ctl, &dev, O_RDONLY)) {
		finding(&c, UNKNOWN, "not to be asked");
		return print(&c, NULL, 0, 0);
	}
	err = gm_status(&dev, &s);
	if (err)
		finding(&c, UNKNOWN, "%s", gm_reason(err));
	else
		look(&c, &dev, &s, warning, critical);
	gm_close(&dev);
	return print(&c, err ? NULL : &s, warning, critical);
}
