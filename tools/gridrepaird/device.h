/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One grid device under repair; see device.c.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "session.h"

struct device {
	struct device *next; /* main.c's */
	struct config_device *config; /* its own */
	struct session_device s; /* ->marks is set before device_start() */

	pthread_t thread;
	bool started;
	int said; /* errno: why it could not be started */
	atomic_bool ended;
};

/* The configuration becomes its own.  NULL: memory. */
struct device *device_new(struct config_device *config);
/* 0 or a negative errno: it may be tried again. */
int device_start(struct device *d);
/* Look at its files again, and those of its sources: they may have changed. */
void device_files(struct device *d);
/* End it at once. */
void device_stop(struct device *d);
/* End it when what is under way is done, or ten seconds later. */
void device_drain(struct device *d);
/*
 * After either: true when it has ended within @ms, with all threads of its sources
 * and writers.
 */
bool device_join(struct device *d, unsigned int ms);
/* Once it has, or was never started. */
void device_free(struct device *d);

#endif /* DEVICE_H */
