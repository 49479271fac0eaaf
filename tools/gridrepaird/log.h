/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages of gridrepaird.
 *
 * They go to stderr through a thread of their own: whoever logs only copies a
 * line into a bounded queue, since a log that lies on the very device under
 * repair must not stop its repair.  A full queue drops, and says so later.
 * With systemd behind stderr, lines carry the priority prefix <N>.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LOG_ERR = 3,
	LOG_WARNING = 4,
	LOG_NOTICE = 5,
	LOG_INFO = 6,
	LOG_DEBUG = 7
};

void log_start(int level);
void log_level(int level);
/* Write out what is queued, for at most a second. */
void log_stop(void);

__attribute__((format(printf, 2, 3))) void logf_(int level, const char *format,
						 ...);

#define log_err(...) logf_(LOG_ERR, __VA_ARGS__)
#define log_warning(...) logf_(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) logf_(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) logf_(LOG_INFO, __VA_ARGS__)
#define log_debug(...) logf_(LOG_DEBUG, __VA_ARGS__)

/*
 * For messages that a failing disk or source would repeat: at most @LOG_BURST
 * in @LOG_PERIOD_US each.  *@suppressed tells how many were passed over before
 * one that may be said.  One user at a time.
 */
#define LOG_BURST 10
#define LOG_PERIOD_US 5000000

struct log_limit {
	uint64_t begin;
	unsigned int count, suppressed;
};

bool log_allowed(struct log_limit *limit, uint64_t now,
		 unsigned int *suppressed);

#endif /* LOG_H */
