/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a device and its sources are doing: figures that the device's threads
 * write and anybody may read at any time.
 */
#ifndef GAUGES_H
#define GAUGES_H

#include "source.h"

struct source_gauges {
	atomic_bool up;
	atomic_uint budget, in_flight;
	atomic_ullong median_us;
};

struct gauges {
	atomic_ullong heartbeat; /* now_us() of the device thread's last round */
	atomic_bool attached;
	atomic_ullong tracker; /* the last it was attached to, or 0 */
	/* Nothing is under way, and what is marked stays so for now. */
	atomic_bool settled;
	atomic_uint jobs; /* blocks under way */
	atomic_ullong repaired, refused, unavailable;
	/* Readers' blocks asked for; requests of others sent while they waited. */
	atomic_ullong urgent, overtaken;
	struct source_stats stats[POLICY_SOURCES_MAX];
	struct source_gauges sources[POLICY_SOURCES_MAX];
};

#endif /* GAUGES_H */
