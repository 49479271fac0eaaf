/* SPDX-License-Identifier: GPL-2.0 */
/* What the checkers ask of a grid device: attached to it, and vector calls. */
#ifndef LOAD_CALLS_H
#define LOAD_CALLS_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/grid_missing.h>

#include "load.h"

struct load_grid {
	int device, helper; /* both open */
	unsigned int block_size;
	uint64_t blocks;
};

/* An open that a failed allocation keeps from succeeding, once more. */
static inline int load_open(const char *path, int flags)
{
	unsigned int tries = 0;
	int fd;

	do {
		fd = open(path, flags | O_CLOEXEC);
	} while (fd < 0 && errno == ENOMEM && ++tries < 1000);
	if (fd < 0)
		load_die("%s: %s", path, strerror(errno));
	return fd;
}

static inline void load_attach(struct load_grid *g, const char *path)
{
	struct grid_missing_attach a = { .size = sizeof(a) };
	unsigned int tries = 0;
	struct stat s;

	g->helper = load_open(GRID_MISSING_DEVICE, O_RDWR);
	g->device = load_open(path, O_RDWR | O_DIRECT);
	if (fstat(g->device, &s))
		load_die("%s: %s", path, strerror(errno));
	a.major = major(s.st_rdev);
	a.minor = minor(s.st_rdev);
	while (ioctl(g->helper, GRID_MISSING_ATTACH, &a))
		if (errno != ENOMEM || ++tries == 1000)
			load_die("attach: %s", strerror(errno));
	g->block_size = a.block_size;
	g->blocks = a.blocks;
}

/* A vector call; a negative errno, or how many elements were handled. */
static inline int load_call(const struct load_grid *g, unsigned long command,
			    void *elements, unsigned int size,
			    unsigned int count)
{
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.elem_size = size,
		.count = count,
		.elems = (uintptr_t)elements,
	};

	return ioctl(g->helper, command, &v) ? -errno : (int)v.done;
}

/* A number that names one enqueue, as its checksum (the device has none). */
static inline struct grid_missing_checksum load_checksum(uint64_t number)
{
	struct grid_missing_checksum c = {};

	memcpy(c.bytes, &number, sizeof(number));
	return c;
}

static inline uint64_t load_number(const struct grid_missing_checksum *c)
{
	uint64_t number;

	memcpy(&number, c->bytes, sizeof(number));
	return number;
}

#endif /* LOAD_CALLS_H */
