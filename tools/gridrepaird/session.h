/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A grid device from one attach to its loss; see session.c.
 */
#ifndef SESSION_H
#define SESSION_H

#include "config.h"
#include "gauges.h"
#include "index_format.h"
#include "known.h"
#include "marks.h"

#define HEARTBEAT_US \
	500000U /* the device's thread tells that often that it is alive */

/* What is asked of the device's thread, by others. */
struct orders {
	int event; /* rung with each, and when a file was loaded */
	atomic_bool stop; /* end at once */
	atomic_bool drain; /* end when what is under way is done */
	atomic_bool look; /* at what is by the sources' names now */
};

/* The event was rung: what it is about shows afterwards. */
void orders_read(struct orders *orders);

/* What a session needs of its device, which outlives it. */
struct session;

struct session_device {
	const struct config_device *config;
	struct loader manifest, index; /* of struct known, index_format */
	struct marks *marks;
	struct gauges gauges;
	struct orders orders;
	uint64_t random; /* state of session_jitter() */
	const char *why; /* out: the errno as a sentence */
	struct session *stuck; /* those with a thread that could not be ended */
};

/*
 * Attach and repair until the device is gone, or an order comes; the errno that
 * ended it, -ERESTART when the device has another length now.
 */
int session_run(struct session_device *d);
/*
 * Free those stuck whose threads have ended now; true: all of them.  Of the
 * device's thread, and when that has ended of who joined it.
 */
bool session_reap(struct session_device *d);
/* Look after the device's files: for who waits for the device. */
void session_files(struct session_device *d, uint64_t now);

/* From three quarters to five quarters of @period; *@random: any state. */
uint64_t session_jitter(uint64_t *random, uint64_t period);

#endif /* SESSION_H */
