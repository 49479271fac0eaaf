// SPDX-License-Identifier: GPL-2.0
/* What is stacked on a block device: see stack.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gridmissing.h"
#include "proc.h"
#include "stack.h"

#define DEPTH_MAX 16

/*
 * What is looked for below: a block device, or with @file a file.  No device is
 * looked below twice: a loop whose backing file is found by its path can lie on
 * itself.
 */
struct base {
	dev_t dev;
	const struct stat *file;
	dev_t seen[64];
	unsigned int seen_count;
};

static bool path_on(const char *path, struct base *base, int depth);

static bool is_file(const char *path, const struct stat *file)
{
	struct stat st;

	return !stat(path, &st) && st.st_dev == file->st_dev &&
	       st.st_ino == file->st_ino;
}

/* With too many of them, only the depth is an end. */
static bool is_seen(dev_t dev, struct base *base)
{
	unsigned int i;

	for (i = 0; i < base->seen_count; i++)
		if (base->seen[i] == dev)
			return true;
	if (i < sizeof(base->seen) / sizeof(*base->seen))
		base->seen[base->seen_count++] = dev;
	return false;
}

/* The file of the loop device @sys, if it is one. */
static bool loop_on(const char *sys, struct base *base, int depth)
{
	char path[64 + sizeof("/loop/backing_file")];
	char *file = malloc(PATH_MAX);
	bool on = false;

	snprintf(path, sizeof(path), "%s/loop/backing_file", sys);
	if (file && gm_first_line(path, file, PATH_MAX))
		on = (base->file && is_file(file, base->file)) ||
		     path_on(file, base, depth);
	free(file);
	return on;
}

/*
 * Is @top the base, or stacked on it?  Called on threads with little stack: a level
 * of it is small.
 */
static bool device_on(dev_t top, struct base *base, int depth)
{
	char path[64 + NAME_MAX + 16], sys[64], text[32];
	unsigned int ma, mi;
	struct dirent *entry;
	bool on = false;
	DIR *dir;

	if (!base->file && top == base->dev)
		return true;
	if (depth <= 0 || is_seen(top, base))
		return false;
	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u", major(top),
		 minor(top));
	snprintf(path, sizeof(path), "%s/slaves", sys);
	dir = opendir(path);
	while (dir && !on && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/slaves/%s/dev", sys,
			 entry->d_name);
		on = *entry->d_name != '.' &&
		     gm_first_line(path, text, sizeof(text)) &&
		     sscanf(text, "%u:%u", &ma, &mi) == 2 &&
		     device_on(makedev(ma, mi), base, depth - 1);
	}
	if (dir)
		closedir(dir);
	snprintf(path, sizeof(path), "%s/partition", sys);
	if (!on && !access(path, F_OK)) {
		snprintf(path, sizeof(path), "%s/../dev", sys);
		on = gm_first_line(path, text, sizeof(text)) &&
		     sscanf(text, "%u:%u", &ma, &mi) == 2 &&
		     device_on(makedev(ma, mi), base, depth - 1);
	}
	return on || loop_on(sys, base, depth - 1);
}

/* A file system without a number of its own: what its mount says. */
static bool mount_on(unsigned int id, struct base *base, int depth)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *upper;
	bool on = false;
	size_t room = 0;
	struct stat st;
	struct gm_mount m;

	while (f && !on && getline(&line, &room, f) > 0) {
		if (!gm_parse_mount(line, &m) || m.id != id)
			continue;
		upper = strstr(m.options, "upperdir=");
		/* Others may be names on a server that doesn't answer. */
		if (!strncmp(m.source, "/dev/", 5) && !stat(m.source, &st) &&
		    S_ISBLK(st.st_mode)) {
			on = device_on(st.st_rdev, base, depth);
		} else if (upper) {
			upper += strlen("upperdir=");
			upper[strcspn(upper, ",")] = 0;
			on = path_on(upper, base, depth);
		}
	}
	free(line);
	if (f)
		fclose(f);
	return on;
}

static bool path_on(const char *path, struct base *base, int depth)
{
	struct statx st;

	if (depth < 0 || statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st))
		return false;
	if (st.stx_dev_major)
		return device_on(makedev(st.stx_dev_major, st.stx_dev_minor),
				 base, depth);
	return mount_on((unsigned int)st.stx_mnt_id, base, depth - 1);
}

bool gm_stack_on(dev_t top, dev_t dev)
{
	return device_on(top, &(struct base){ .dev = dev }, DEPTH_MAX);
}

bool gm_stack_holds(dev_t dev, const char *path)
{
	return path_on(path, &(struct base){ .dev = dev }, DEPTH_MAX);
}

int gm_stack_data(dev_t grid, dev_t *data, uint64_t *sector)
{
	/* libdevmapper is not made for threads. */
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char name[128], *type, *params;
	unsigned int ma, mi;
	int err;

	err = gm_dm_name(major(grid), minor(grid), name, sizeof(name));
	if (err)
		return err;
	pthread_mutex_lock(&lock);
	err = gm_dm_info(name, true, &type, &params);
	pthread_mutex_unlock(&lock);
	if (err)
		return err;
	if (sscanf(params, "%u:%u %" SCNu64, &ma, &mi, sector) == 3)
		*data = makedev(ma, mi);
	else
		err = -EINVAL;
	free(type);
	free(params);
	return err;
}

enum gm_stacked gm_stack_source(const char *path, dev_t grid)
{
	struct base base = { 0 };
	uint64_t sector;
	struct stat st;
	dev_t data;

	if (stat(path, &st))
		return GM_APART;
	if (!S_ISBLK(st.st_mode) && gm_stack_holds(grid, path))
		return GM_ON_GRID;
	if (S_ISBLK(st.st_mode) && gm_stack_on(st.st_rdev, grid))
		return GM_ON_GRID;
	if (S_ISBLK(st.st_mode))
		base.dev = st.st_rdev;
	else
		base.file = &st;
	/* Where its metadata lies is no matter, if that can be told. */
	if (gm_stack_data(grid, &data, &sector))
		data = grid;
	return device_on(data, &base, DEPTH_MAX) ? GM_BELOW_GRID : GM_APART;
}
