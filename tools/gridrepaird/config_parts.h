/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the configuration share; for others there is config.h.
 */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include "config.h"

enum value_kind {
	V_STRING,
	V_NUMBER, /* unsigned int */
	V_SIZE, /* uint64_t */
	V_TIME, /* uint64_t, ms */
};

/* Of a device: a line of the file, and --name=value. */
struct config_option {
	const char *name;
	enum value_kind kind;
	size_t offset;
	uint64_t min, max;
};

#define CONFIG_OPTIONS 17 /* the first one is its name */

extern const struct config_option config_options[CONFIG_OPTIONS];

/* -EINVAL with ->error. */
int config_fail(struct config *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* NULL with ->error. */
struct config_device *config_add_device(struct config *c, const char *name);
int config_set_device(struct config *c, struct config_device *d,
		      const struct config_option *o, const char *value);
/* Options of a source; @s is the last one, or the defaults. */
int config_set_source(struct config *c, struct config_source *s,
		      const char *name, const char *value);
int config_set_global(struct config *c, const char *name, const char *value);
/* All devices by themselves and beside each other; what is wrong is at @path. */
int config_check(struct config *c, const char *path);

/* Of config_uri.c. */
int config_add_source(struct config *c, struct config_device *d,
		      const char *uri);
/* By another spelling, too; what is one by links shows when it is open. */
bool config_same_source(const struct config_source *a,
			const struct config_source *b);

#endif /* CONFIG_PARTS_H */
