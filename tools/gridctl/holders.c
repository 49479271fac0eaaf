// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl: what is stacked on a block device, seen from both ends: who holds it
 * (for "remove"), and whether a file lies on it (for "save --suspend").
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

#define DEPTH_MAX 16 /* of a stack of devices */
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

static bool first_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool good = f && fgets(text, (int)size, f);

	if (f)
		fclose(f);
	if (good)
		text[strcspn(text, "\n")] = 0;
	return good;
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

/* "\040" and the like, as the kernel writes paths with blanks. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

/* A line of mountinfo. */
struct mount {
	unsigned int id, major, minor;
	char *point, *source, *options;
};

static bool parse_mount(char *line, struct mount *m)
{
	char *at = line, *word, *words[64];
	unsigned int n = 0, dash;

	line[strcspn(line, "\n")] = 0;
	while (n < 64 && (word = strsep(&at, " ")))
		words[n++] = word;
	for (dash = 6; dash < n && strcmp(words[dash], "-"); dash++)
		;
	if (dash + 3 >= n || sscanf(words[0], "%u", &m->id) != 1 ||
	    sscanf(words[2], "%u:%u", &m->major, &m->minor) != 2)
		return false;
	m->point = words[4];
	m->source = words[dash + 2];
	m->options = words[dash + 3];
	unescape(m->point);
	unescape(m->source);
	return true;
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
	struct mount m;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	f = fopen(path, "re");
	while (f && getline(&line, &room, f) > 0) {
		if (!parse_mount(line, &m))
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
		unescape(line);
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
		if (first_line(path, name, sizeof(name)))
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
		if (!first_line(path, name, sizeof(name)))
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

/* ------------------------------------------------------------ files on it */

static bool path_on(const char *path, dev_t dev, int depth);

/* Is @top the device @dev, or stacked on it? */
static bool device_on(dev_t top, dev_t dev, int depth)
{
	char path[PATH_MAX], sys[64], text[PATH_MAX];
	unsigned int ma, mi;
	struct dirent *entry;
	bool on = false;
	DIR *dir;

	if (top == dev)
		return true;
	if (!depth)
		return false;
	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u", major(top),
		 minor(top));
	snprintf(path, sizeof(path), "%s/slaves", sys);
	dir = opendir(path);
	while (dir && !on && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/slaves/%s/dev", sys,
			 entry->d_name);
		on = *entry->d_name != '.' &&
		     first_line(path, text, sizeof(text)) &&
		     sscanf(text, "%u:%u", &ma, &mi) == 2 &&
		     device_on(makedev(ma, mi), dev, depth - 1);
	}
	if (dir)
		closedir(dir);
	snprintf(path, sizeof(path), "%s/partition", sys);
	if (!on && !access(path, F_OK)) {
		snprintf(path, sizeof(path), "%s/../dev", sys);
		on = first_line(path, text, sizeof(text)) &&
		     sscanf(text, "%u:%u", &ma, &mi) == 2 &&
		     device_on(makedev(ma, mi), dev, depth - 1);
	}
	snprintf(path, sizeof(path), "%s/loop/backing_file", sys);
	if (!on && first_line(path, text, sizeof(text)))
		on = path_on(text, dev, depth - 1);
	return on;
}

/* A file system without a number of its own: what its mount says. */
static bool mount_on(unsigned int id, dev_t dev, int depth)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *upper;
	bool on = false;
	size_t room = 0;
	struct stat st;
	struct mount m;

	while (f && !on && getline(&line, &room, f) > 0) {
		if (!parse_mount(line, &m) || m.id != id)
			continue;
		upper = strstr(m.options, "upperdir=");
		if (*m.source == '/' && !stat(m.source, &st) &&
		    S_ISBLK(st.st_mode)) {
			on = device_on(st.st_rdev, dev, depth);
		} else if (upper) {
			upper += strlen("upperdir=");
			upper[strcspn(upper, ",")] = 0;
			on = path_on(upper, dev, depth);
		}
	}
	free(line);
	if (f)
		fclose(f);
	return on;
}

static bool path_on(const char *path, dev_t dev, int depth)
{
	struct statx st;

	if (depth < 0 || statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st))
		return false;
	if (st.stx_dev_major)
		return device_on(makedev(st.stx_dev_major, st.stx_dev_minor),
				 dev, depth);
	return mount_on((unsigned int)st.stx_mnt_id, dev, depth - 1);
}

bool ctl_lies_on(const char *path, dev_t dev)
{
	return path_on(path, dev, DEPTH_MAX);
}
