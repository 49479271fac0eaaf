/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One grid device under repair; see device.c.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "config.h"
#include "source.h"

/* Checksums of a manifest, sorted by address. */
struct manifest_entry {
	uint64_t address;
	struct grid_missing_checksum checksum;
};

struct device {
	const struct config_device *config;
	struct manifest_entry *manifest;
	size_t manifest_count;

	pthread_t thread;
	bool started;
	int stop_event;
	atomic_bool stop, ended;
	atomic_ullong heartbeat; /* now_us() of its last round */
	atomic_bool attached;
	atomic_ullong repaired, refused, unavailable;
	struct source_stats stats[POLICY_SOURCES_MAX];
	uint64_t random;
};

/* Load the manifest.  0, or a negative errno with @error filled in. */
int device_init(struct device *d, const struct config_device *config,
		char *error, size_t size);
int device_start(struct device *d);
void device_stop(struct device *d);
/* After device_stop(): true when it has ended within @ms. */
bool device_join(struct device *d, unsigned int ms);
void device_free(struct device *d);
void device_log_stats(struct device *d);

#endif /* DEVICE_H */
