/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Configuration of gridrepaird: one file, or all of it on the command line for
 * one device.  The format is described in gridrepaird.conf(5).
 *
 * It is read and checked as a whole before anything starts; a mistake names
 * file, line and remedy.  At the start a mistake in a device's section costs
 * that device only; at a reload nothing is changed, since all goes on then.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "policy.h"

enum source_kind { SOURCE_NBD, SOURCE_FILE };

struct config_source {
	char *uri; /* as given: its name in messages */
	enum source_kind kind;
	const char *path; /* of a file or block device; within uri */
	bool trust;
	unsigned int priority;
	uint64_t offset;
};

struct config_device {
	char *device;
	struct config_source sources[POLICY_SOURCES_MAX];
	unsigned int source_count;
	char *manifest;
	char *checksum; /* hash by name, for a device that has none */
	char *index_format; /* a plug-in, or NULL */
	unsigned int agree;
	unsigned int batch;
	unsigned int budget, budget_max;
	uint64_t hedge_ms, expiry_ms, patience_ms, queue_ms;
	uint64_t min_age_ms;
	uint64_t answer_timeout_ms;
	uint64_t retry_ms;
	uint64_t rate;
	uint64_t memory;
	uint64_t memory_used; /* what it gets of that */
	uint64_t manifest_size; /* bytes of the file, see measure.h */
	/* For options of sources to come. */
	struct config_source source_defaults;
};

enum {
	CONFIG_STATS = 1,
	CONFIG_LEVEL = 2,
	CONFIG_METRICS = 4,
	CONFIG_RUNTIME = 8,
};

struct config {
	struct config_device **devices;
	unsigned int device_count;
	uint64_t stats_interval_ms;
	char *metrics; /* a file for node-exporter, or NULL */
	char *runtime_dir; /* or NULL: there is none */
	int log_level;
	bool foreground;
	bool lock_memory;
	bool status; /* don't run, ask the daemon that does */
	bool check; /* don't run, say what is wrong with the configuration */
	bool json; /* and print the answer so */
	char *path; /* of the file, or NULL */
	unsigned int given; /* on the command line: the file doesn't change it */
	bool command_line; /* it is being read */
	bool lenient; /* a device with mistakes is left out, and told */
	char error[512];
};

/* 0; -EINVAL with ->error; 1: help or version was asked for and shown. */
int config_command_line(struct config *config, int argc, char **argv);
/* Before config_file(): what @from has from the command line stands. */
void config_inherit(struct config *config, const struct config *from);
/* Read the file at @path into an empty @config. */
int config_file(struct config *config, const char *path);
void config_init(struct config *config);
void config_free(struct config *config);
void config_device_free(struct config_device *d);
/*
 * Give each device the memory it is to have, or less of it where @available
 * bytes are less than the sum, with what a device and its manifest take besides;
 * then the most that any gets is returned, else 0.
 */
uint64_t config_fit_memory(struct config *c, uint64_t available);
/* Do they say the same? */
bool config_device_equal(const struct config_device *a,
			 const struct config_device *b);

#endif /* CONFIG_H */
