// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl: who holds a block device (for "remove", and for what must not be
 * done while somebody could write).
 *
 * All of it is read from /proc and /sys, and no file is touched that could lie
 * on the device itself: such a look would hang on a suspended one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctl.h"
#include "proc.h"

#define SPACES_MAX 1024 /* mount namespaces that are told apart */
#define SEEN_MAX 256 /* open files of processes, likewise */

struct seen {
	int pid, fd;
};

struct holders {
	dev_t dev;
	enum ctl_holders which;
	char *text;
	size_t size;
	unsigned int count;
	unsigned int opens; /* of the device, at least, that these make */
	struct seen seen[SEEN_MAX];
	size_t seen_count;
};

__attribute__((format(printf, 2, 3))) static void add(struct holders *h,
						      const char *format, ...)
{
	size_t len = strlen(h->text);
	va_list args;

	/* Two are enough to begin with; what has no room left is cut off. */
	if (++h->count > 3 || len + 2 >= h->size)
		return;
	if (len)
		len += (size_t)snprintf(h->text + len, h->size - len, ", ");
	if (h->count == 3) {
		snprintf(h->text + len, h->size - len, "…");
		return;
	}
	va_start(args, format);
	vsnprintf(h->text + len, h->size - len, format, args);
	va_end(args);
}

static bool is_block(const char *path, dev_t dev)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

/* Of an entry of /proc. */
static bool is_process(const char *name)
{
	return !name[strspn(name, "0123456789")];
}

/* "ro" is the first of a file system's own options, or "rw". */
static bool read_only(const char *options)
{
	return !strncmp(options, "ro", 2) && (!options[2] || options[2] == ',');
}

/* A file system opens its device once, wherever it is mounted: true if it is. */
static bool mounts_of(struct holders *h, const char *pid)
{
	char *line = NULL, path[64];
	bool found = false;
	size_t room = 0;
	struct gm_mount m;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0) {
		if (!gm_parse_mount(line, &m))
			continue;
		if (h->which == HOLDERS_WRITE && read_only(m.options))
			continue;
		/* Some file systems have a number of their own. */
		if (makedev(m.major, m.minor) != h->dev &&
		    (m.major || *m.source != '/' ||
		     !is_block(m.source, h->dev)))
			continue;
		found = true;
		if (!strcmp(pid, "self"))
			add(h, "mounted on %s", m.point);
		else
			add(h, "mounted on %s, for process %s", m.point, pid);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* The mount namespace of a process, or 0. */
static ino_t space_of(const char *pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* Here, and in every other namespace that has a process. */
static void mounts(struct holders *h)
{
	ino_t seen[SPACES_MAX], space;
	struct dirent *entry;
	unsigned int n = 0, i;
	bool found;
	DIR *dir;

	seen[n++] = space_of("self");
	found = mounts_of(h, "self");
	dir = opendir("/proc");
	while (dir && (entry = readdir(dir))) {
		if (!is_process(entry->d_name))
			continue;
		space = space_of(entry->d_name);
		for (i = 0; i < n && seen[i] != space; i++)
			;
		if (!space || i < n)
			continue;
		if (n < SPACES_MAX)
			seen[n++] = space;
		found |= mounts_of(h, entry->d_name);
	}
	if (dir)
		closedir(dir);
	h->opens += found;
}

static void swaps(struct holders *h)
{
	FILE *f = fopen("/proc/swaps", "re");
	char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		line[strcspn(line, " \t\n")] = 0;
		gm_unescape(line);
		if (*line == '/' && is_block(line, h->dev)) {
			h->opens++;
			add(h, "used as swap");
		}
	}
	free(line);
	if (f)
		fclose(f);
}

static void devices(struct holders *h)
{
	char path[PATH_MAX], name[256];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders",
		 major(h->dev), minor(h->dev));
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		h->opens++;
		snprintf(path, sizeof(path), "/sys/class/block/%s/dm/name",
			 entry->d_name);
		if (gm_first_line(path, name, sizeof(name)))
			add(h, "the dm device %s lies on it", name);
		else
			add(h, "%s lies on it", entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/* How fd @name of process @pid was opened; false: it is closed by now. */
static bool fd_flags(const char *pid, const char *name, unsigned int *flags)
{
	char path[PATH_MAX], line[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, name);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "flags: %o", flags) == 1;
	if (f)
		fclose(f);
	return found;
}

/*
 * Is it an open file that was not met yet?  Processes share those that they had
 * before a fork().  What can't be compared is taken for one that was met: what has
 * been seen must not outnumber what is there.
 */
static bool is_new(struct holders *h, const char *pid, const char *fd)
{
	struct seen one = { .pid = atoi(pid), .fd = atoi(fd) };
	size_t i;

	if (h->seen_count == SEEN_MAX)
		return false;
	for (i = 0; i < h->seen_count; i++)
		if (syscall(SYS_kcmp, (long)one.pid, (long)h->seen[i].pid,
			    (long)KCMP_FILE, (long)one.fd,
			    (long)h->seen[i].fd) <= 0)
			return false;
	h->seen[h->seen_count++] = one;
	return true;
}

/* Does the process @pid have it open? */
static bool has_open(struct holders *h, const char *pid)
{
	char path[PATH_MAX], link[PATH_MAX];
	struct dirent *entry;
	unsigned int flags;
	bool found = false;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid,
			 entry->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		if (strncmp(link, "/dev/", 5) || !is_block(path, h->dev) ||
		    !fd_flags(pid, entry->d_name, &flags))
			continue;
		/* O_PATH opens nothing. */
		if (flags & O_PATH || (h->which == HOLDERS_WRITE &&
				       (flags & O_ACCMODE) == O_RDONLY))
			continue;
		found = true;
		h->opens += is_new(h, pid, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void processes(struct holders *h)
{
	char path[PATH_MAX], name[64];
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		if (!is_process(entry->d_name) || !has_open(h, entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!gm_first_line(path, name, sizeof(name)))
			strcpy(name, "?");
		add(h, "open in process %s (%s)", entry->d_name, name);
	}
	if (dir)
		closedir(dir);
}

unsigned int ctl_holders(dev_t dev, enum ctl_holders which, char *text,
			 size_t size)
{
	struct holders h = {
		.dev = dev,
		.which = which,
		.text = text,
		.size = size,
	};

	*text = 0;
	mounts(&h);
	swaps(&h);
	devices(&h);
	if (which != HOLDERS_LASTING)
		processes(&h);
	return h.opens;
}
