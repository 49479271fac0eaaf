// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that never block whoever writes them; see log.h.
 *
 * One lock guards the ring; the thread copies a line out of it before it
 * writes, so that the lock is never held across a system call that can wait.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LINES 256
#define LINE_MAX_ 600

/* The one log of the process; all of it under lock. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	char lines[LINES][LINE_MAX_];
	unsigned int head, count, lost;
	bool running, stop, prefix, writing;
	int level;
	pthread_t thread;
} ring = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
	.less = PTHREAD_COND_INITIALIZER,
	.level = LOG_INFO,
};

static void write_line(const char *line)
{
	size_t len = strlen(line), at = 0;
	ssize_t n;

	while (at < len) {
		n = write(STDERR_FILENO, line + at, len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody listens: not our business */
		at += (size_t)n;
	}
}

static void *log_thread(void *arg)
{
	char line[LINE_MAX_];
	unsigned int lost;

	(void)arg;
	pthread_mutex_lock(&ring.lock);
	for (;;) {
		while (!ring.count && !ring.lost && !ring.stop)
			pthread_cond_wait(&ring.more, &ring.lock);
		if (!ring.count && !ring.lost)
			break;
		lost = 0;
		if (ring.count) {
			memcpy(line, ring.lines[ring.head], sizeof(line));
			ring.head = (ring.head + 1) % LINES;
			ring.count--;
		} else {
			lost = ring.lost;
			ring.lost = 0;
		}
		ring.writing = true;
		pthread_mutex_unlock(&ring.lock);
		if (lost)
			snprintf(line, sizeof(line),
				 "%s%u messages were lost: the log is slow\n",
				 ring.prefix ? "<4>" : "gridrepaird: ", lost);
		write_line(line);
		pthread_mutex_lock(&ring.lock);
		ring.writing = false;
		pthread_cond_broadcast(&ring.less);
	}
	pthread_mutex_unlock(&ring.lock);
	return NULL;
}

void log_start(int level)
{
	ring.level = level;
	ring.prefix = getenv("JOURNAL_STREAM") || getenv("INVOCATION_ID");
	ring.running = !pthread_create(&ring.thread, NULL, log_thread, NULL);
}

void log_level(int level)
{
	pthread_mutex_lock(&ring.lock);
	ring.level = level;
	pthread_mutex_unlock(&ring.lock);
}

void log_stop(void)
{
	struct timespec until;

	if (!ring.running)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&ring.lock);
	ring.stop = true;
	pthread_cond_signal(&ring.more);
	while (ring.count || ring.lost || ring.writing)
		if (pthread_cond_timedwait(&ring.less, &ring.lock, &until))
			break;
	pthread_mutex_unlock(&ring.lock);
}

void logf_(int level, const char *format, ...)
{
	char text[LINE_MAX_ - 32], *line;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&ring.lock);
	if (level > ring.level) {
		pthread_mutex_unlock(&ring.lock);
		return;
	}
	if (!ring.running) {
		pthread_mutex_unlock(&ring.lock);
		fprintf(stderr, "gridrepaird: %s\n", text);
		return;
	}
	if (ring.count == LINES) {
		ring.lost++;
	} else {
		line = ring.lines[(ring.head + ring.count) % LINES];
		if (ring.prefix)
			snprintf(line, LINE_MAX_, "<%d>%s\n", level, text);
		else
			snprintf(line, LINE_MAX_, "gridrepaird: %s\n", text);
		ring.count++;
	}
	pthread_cond_signal(&ring.more);
	pthread_mutex_unlock(&ring.lock);
}

bool log_allowed(struct log_limit *limit, uint64_t now,
		 unsigned int *suppressed)
{
	*suppressed = 0;
	if (now - limit->begin >= LOG_PERIOD_US || !limit->begin) {
		*suppressed = limit->suppressed;
		limit->begin = now;
		limit->count = 0;
		limit->suppressed = 0;
	}
	if (limit->count < LOG_BURST) {
		limit->count++;
		return true;
	}
	limit->suppressed++;
	return false;
}
