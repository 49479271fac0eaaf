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
	int event; /* rung with each */
	atomic_bool stop; /* end at once */
	atomic_bool drain; /* end when what is under way is done */
};

/* What a session needs of its device, which outlives it. */
struct session_device {
	const struct config_device *config;
	struct known known;
	struct index_format index;
	struct marks *marks;
	struct gauges gauges;
	struct orders orders;
	uint64_t random; /* state of session_jitter() */
	bool stuck; /* out: a thread of a source could not be ended */
};

/*
 * Attach and repair until the device is gone, or an order comes; the errno that
 * ended it.
 */
int session_run(struct session_device *d);

/* From three quarters to five quarters of @period; *@random: any state. */
uint64_t session_jitter(uint64_t *random, uint64_t period);

#endif /* SESSION_H */
