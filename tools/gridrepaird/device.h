/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One grid device under repair; see device.c.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "config.h"
#include "index_format.h"
#include "known.h"
#include "marks.h"
#include "source.h"

#define HEARTBEAT_US 500000U /* the device's thread tells that often that it is alive */

/* How a source is doing, for whoever asks. */
struct source_gauges {
	atomic_bool up;
	atomic_uint budget, in_flight;
	atomic_ullong median_us;
};

struct device {
	struct device *next; /* main.c's */
	struct config_device *config; /* its own */
	struct known known;
	struct index_format index;
	struct marks *marks; /* set before device_start() */

	pthread_t thread;
	bool started, stuck;
	int stop_event;
	atomic_bool stop, drain, ended;
	atomic_ullong heartbeat; /* now_us() of its last round */
	atomic_bool attached;
	atomic_uint jobs; /* blocks under way */
	atomic_ullong repaired, refused, unavailable;
	/* Readers' blocks asked for; requests of others sent while they waited. */
	atomic_ullong urgent, overtaken;
	struct source_stats stats[POLICY_SOURCES_MAX];
	struct source_gauges gauges[POLICY_SOURCES_MAX];
	uint64_t random;
};

/*
 * Load what it needs.  The configuration becomes its own when that went well.
 * NULL with @error filled in.
 */
struct device *device_new(struct config_device *config, char *error,
			  size_t size);
int device_start(struct device *d);
/* End it at once. */
void device_stop(struct device *d);
/* End it when what is under way is done, or ten seconds later. */
void device_drain(struct device *d);
/* After either: true when it has ended within @ms. */
bool device_join(struct device *d, unsigned int ms);
void device_free(struct device *d);

/* For the device's own thread. */
uint64_t device_random(struct device *d);
/* From three quarters to five quarters of @period. */
uint64_t device_jitter(struct device *d, uint64_t period);

#endif /* DEVICE_H */
