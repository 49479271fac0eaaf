// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/grid_missing: one function for each ioctl.
 *
 * Every vector call comes down to vector_call(), which cuts what it gets into
 * slices that the kernel takes and goes on where the kernel stopped early (a
 * signal, a full slice of data).  The kernel's rule is that a call answers 0
 * when anything was done and says how much; the errno is seen only by the call
 * that did nothing, so going on is what finds the cause.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gridmissing.h"
#include "proc.h"

/* All of the tools are built alike: else a disk's offsets wrap, in 32 bits. */
_Static_assert(sizeof(off_t) == 8, "-D_FILE_OFFSET_BITS=64 is missing");

int gm_open(struct gm_dev *dev, int flags)
{
	memset(dev, 0, sizeof(*dev));
	dev->fd = open(GRID_MISSING_DEVICE, flags | O_CLOEXEC);
	return dev->fd < 0 ? -errno : 0;
}

void gm_close(struct gm_dev *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
	dev->id = 0;
}

static int call(const struct gm_dev *dev, unsigned long request, void *arg)
{
	return ioctl(dev->fd, request, arg) < 0 ? -errno : 0;
}

/* ------------------------------------------------------------------- names */

/* "MAJOR:MINOR", decimal or 0x…; -EINVAL when it isn't that. */
static int parse_number(const char *name, unsigned int *major,
			unsigned int *minor)
{
	const char *colon = strchr(name, ':');
	uint64_t ma, mi;
	char text[32];

	if (!colon || (size_t)(colon - name) >= sizeof(text))
		return -EINVAL;
	memcpy(text, name, (size_t)(colon - name));
	text[colon - name] = 0;
	if (gm_parse_u64(text, &ma) || gm_parse_u64(colon + 1, &mi) ||
	    ma > 0xfff || mi > 0xfffff)
		return -EINVAL;
	*major = (unsigned int)ma;
	*minor = (unsigned int)mi;
	return 0;
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' :
	       c >= 'a' && c <= 'f'	 ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F'	 ? c - 'A' + 10 :
					   -1;
}

/* "a\x20b", as libdevmapper names a device to the kernel, is "a b". */
static void unmangle(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] == 'x' && hex(s[2]) >= 0 &&
		    hex(s[3]) >= 0 && (hex(s[2]) || hex(s[3]))) {
			*to++ = (char)(hex(s[2]) << 4 | hex(s[3]));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

int gm_dm_name(unsigned int major, unsigned int minor, char *name, size_t size)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/name", major,
		 minor);
	if (!gm_first_line(path, text, sizeof(text)))
		return -ENODEV;
	unmangle(text);
	snprintf(name, size, "%s", text);
	return 0;
}

/*
 * A dm name, as the kernel has it or as people say it, by sysfs: that needs no
 * privilege and no dm ioctl.
 */
static int find_dm(const char *name, unsigned int *major, unsigned int *minor)
{
	char path[sizeof("/sys/block//dm/name") + NAME_MAX], text[512];
	struct dirent *entry;
	int err = -ENODEV;
	DIR *dir;

	dir = opendir("/sys/block");
	if (!dir)
		return -ENODEV;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "dm-", 3))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/dm/name",
			 entry->d_name);
		if (!gm_first_line(path, text, sizeof(text)))
			continue;
		if (strcmp(text, name)) {
			unmangle(text);
			if (strcmp(text, name))
				continue;
		}
		snprintf(path, sizeof(path), "/sys/block/%s/dev",
			 entry->d_name);
		if (gm_first_line(path, text, sizeof(text)))
			err = parse_number(text, major, minor);
		break;
	}
	closedir(dir);
	return err;
}

int gm_resolve(const char *name, unsigned int *major, unsigned int *minor)
{
	struct stat st;

	if (!*name)
		return -ENODEV;
	if (strchr(name, '/')) {
		if (stat(name, &st))
			return errno == ENOENT ? -ENODEV : -errno;
		if (!S_ISBLK(st.st_mode))
			return -ENOTBLK;
		*major = major(st.st_rdev);
		*minor = minor(st.st_rdev);
		return 0;
	}
	if (!find_dm(name, major, minor))
		return 0;
	return parse_number(name, major, minor) ? -ENODEV : 0;
}

int gm_attach(struct gm_dev *dev, const char *name, uint32_t min_age_ms)
{
	struct grid_missing_attach a = {
		.size = sizeof(a),
		.min_age_ms = min_age_ms,
	};
	bool by_id = !strncmp(name, "id:", 3);
	unsigned int major, minor;
	uint64_t id;
	int err;

	if (by_id) {
		if (gm_parse_u64(name + 3, &id) || !id)
			return -EINVAL;
		a.id = id;
	} else {
		err = gm_resolve(name, &a.major, &a.minor);
		if (err)
			return err;
	}
	err = call(dev, GRID_MISSING_ATTACH, &a);
	/* Meanwhile the number may have become another device's. */
	if (!err && !by_id) {
		err = gm_resolve(name, &major, &minor);
		if (!err && (major != a.major || minor != a.minor))
			err = -ENODEV;
	}
	if (err)
		return err;
	dev->id = a.id;
	dev->major = a.major;
	dev->minor = a.minor;
	dev->block_size = a.block_size;
	dev->blocks = a.blocks;
	memcpy(dev->checksum, a.checksum, sizeof(a.checksum));
	dev->checksum[sizeof(a.checksum)] = 0;
	return 0;
}

/* @arg of @size bytes begins with its size; it holds that much at least. */
static int set_size(void *arg, size_t size)
{
	uint32_t bytes = (uint32_t)size;

	if (size < 2 * sizeof(bytes) || size > UINT32_MAX)
		return -EINVAL;
	memcpy(arg, &bytes, sizeof(bytes));
	return 0;
}

/* The kernel fills in what it knows of an @arg of @size bytes. */
static int get(struct gm_dev *dev, unsigned long request, void *arg,
	       size_t size)
{
	memset(arg, 0, size);
	return set_size(arg, size) ?: call(dev, request, arg);
}

int(gm_create)(struct gm_dev *dev, struct grid_missing_create *create,
	       size_t size)
{
	int err = set_size(create, size);

	if (err)
		return err;
	err = call(dev, GRID_MISSING_CREATE, create);
	if (!err)
		dev->id = create->id;
	return err;
}

int(gm_query)(struct gm_dev *dev, struct grid_missing_query *query, size_t size)
{
	return get(dev, GRID_MISSING_QUERY, query, size);
}

int(gm_status)(struct gm_dev *dev, struct grid_missing_status *status,
	       size_t size)
{
	return get(dev, GRID_MISSING_STATUS, status, size);
}

/* ------------------------------------------------------------------ events */

int gm_events(struct gm_dev *dev, int flags)
{
	struct grid_missing_events e = {
		.size = sizeof(e),
		.flags = flags & O_NONBLOCK ? GRID_MISSING_EVENTS_NONBLOCK : 0,
	};
	int err = call(dev, GRID_MISSING_EVENTS, &e);

	return err ? err : e.fd;
}

/*
 * The kernel's records may be longer than ours: then fewer come, none if not
 * even one fits, and so it gets more room until one does.
 */
int(gm_read_events)(int fd, struct grid_missing_event *v, uint32_t max,
		    size_t size)
{
	uint64_t buf[512];
	char *to = (char *)v;
	size_t room, at;
	uint32_t bytes;
	ssize_t n;
	int count = 0;

	if (!max)
		return 0;
	room = max * sizeof(*v);
	if (max > sizeof(buf) / (sizeof(*v)))
		room = sizeof(buf) / (sizeof(*v)) * sizeof(*v);
	while ((n = read(fd, buf, room)) < 0) {
		if (errno != EINVAL || room == sizeof(buf))
			return -errno;
		room = 2 * room < sizeof(buf) ? 2 * room : sizeof(buf);
	}
	for (at = 0; at < (size_t)n; at += bytes, to += size, count++) {
		memcpy(&bytes, (char *)buf + at, sizeof(bytes));
		if (bytes < sizeof(bytes) || bytes > (size_t)n - at)
			return -EIO;
		memset(to, 0, size);
		memcpy(to, (char *)buf + at, bytes < size ? bytes : size);
	}
	return count;
}

/* ----------------------------------------------------------------- vectors */

/* What is too large for the field is too large for the kernel. */
static uint32_t elem_size(size_t size)
{
	return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

static int vector_call(struct gm_dev *dev, unsigned long request, void *elems,
		       size_t size, size_t count, uint32_t flags, size_t *done)
{
	struct grid_missing_vector v;
	size_t n, at = 0;
	int err = 0;

	while (at < count) {
		n = count - at;
		if (n > GRID_MISSING_VECTOR_MAX)
			n = GRID_MISSING_VECTOR_MAX;
		memset(&v, 0, sizeof(v));
		v.size = sizeof(v);
		v.flags = flags;
		v.elem_size = elem_size(size);
		v.count = (uint32_t)n;
		v.elems = (uintptr_t)((char *)elems + at * size);
		err = call(dev, request, &v);
		if (err)
			break;
		if (!v.done || v.done > n) {
			err = -EIO; /* a kernel that breaks its own rule */
			break;
		}
		at += v.done;
	}
	if (done)
		*done = at;
	return err;
}

/* A call on all there are. */
static int call_on_all(struct gm_dev *dev, unsigned long request,
		       uint32_t flags)
{
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.flags = flags | GRID_MISSING_ALL,
	};

	return call(dev, request, &v);
}

int(gm_enqueue)(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
		size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_ENQUEUE, v, size, count, 0, done);
}

int(gm_commence)(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
		 size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_COMMENCE, v, size, count, 0, done);
}

int(gm_unavailable)(struct gm_dev *dev, struct grid_missing_block *v,
		    size_t count, size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_MARK_UNAVAILABLE, v, size, count,
			   0, done);
}

int(gm_retry)(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
	      size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_RETRY, v, size, count, 0, done);
}

int gm_retry_all(struct gm_dev *dev)
{
	return call_on_all(dev, GRID_MISSING_RETRY, 0);
}

int(gm_cancel)(struct gm_dev *dev, struct grid_missing_block *v, size_t count,
	       uint32_t flags, size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_CANCEL, v, size, count, flags,
			   done);
}

int gm_cancel_all(struct gm_dev *dev, uint32_t flags)
{
	return call_on_all(dev, GRID_MISSING_CANCEL, flags);
}

int(gm_repair)(struct gm_dev *dev, struct grid_missing_repair *v, size_t count,
	       size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_REPAIR, v, size, count, 0, done);
}

int(gm_complete)(struct gm_dev *dev, struct grid_missing_repair *v,
		 size_t count, size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_COMPLETE, v, size, count, 0, done);
}

int(gm_enqueue_values)(struct gm_dev *dev, struct grid_missing_repair *v,
		       size_t count, size_t *done, size_t size)
{
	return vector_call(dev, GRID_MISSING_ENQUEUE_VALUES, v, size, count, 0,
			   done);
}

static int batch_call(struct gm_dev *dev, struct grid_missing_fault *faults,
		      uint32_t max, uint32_t min_age_ms, size_t size,
		      uint32_t flags)
{
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.flags = flags,
		.elem_size = elem_size(size),
		.count = max < GRID_MISSING_VECTOR_MAX ?
				 max :
				 GRID_MISSING_VECTOR_MAX,
		.elems = (uintptr_t)faults,
	};
	int err;

	if (min_age_ms != GM_KEEP_AGE) {
		v.flags |= GRID_MISSING_BATCH_MIN_AGE;
		v.arg = min_age_ms;
	}
	err = call(dev, GRID_MISSING_BATCH, &v);
	return err ? err : (int)v.done;
}

int(gm_batch)(struct gm_dev *dev, struct grid_missing_fault *faults,
	      uint32_t max, uint32_t min_age_ms, size_t size)
{
	return batch_call(dev, faults, max, min_age_ms, size, 0);
}

int(gm_batch_urgent)(struct gm_dev *dev, struct grid_missing_fault *faults,
		     uint32_t max, uint32_t min_age_ms, size_t size)
{
	return batch_call(dev, faults, max, min_age_ms, size,
			  GRID_MISSING_BATCH_URGENT);
}

/* ---------------------------------------------------------------- listings */

/* @range: the first and the last block, or NULL for all. */
static int list_call(struct gm_dev *dev, unsigned long request, void *elems,
		     size_t size, uint32_t max, uint64_t *cursor,
		     const uint64_t *range)
{
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.elem_size = elem_size(size),
		.count = max < GRID_MISSING_VECTOR_MAX ?
				 max :
				 GRID_MISSING_VECTOR_MAX,
		.cursor = *cursor,
		.elems = (uintptr_t)elems,
	};
	int err;

	if (range) {
		v.flags = GRID_MISSING_LIST_RANGE;
		v.first = range[0];
		v.last = range[1];
	}

	if (*cursor == GM_CURSOR_END)
		return 0;
	err = call(dev, request, &v);
	if (err)
		return err;
	*cursor = v.cursor;
	return (int)v.done;
}

int(gm_list_faults)(struct gm_dev *dev, uint64_t *cursor,
		    struct grid_missing_fault *v, uint32_t max, size_t size)
{
	return list_call(dev, GRID_MISSING_LIST_FAULTS, v, size, max, cursor,
			 NULL);
}

int(gm_list_range)(struct gm_dev *dev, uint64_t first, uint64_t last,
		   uint64_t *cursor, struct grid_missing_fault *v, uint32_t max,
		   size_t size)
{
	const uint64_t range[] = { first, last };

	return list_call(dev, GRID_MISSING_LIST_FAULTS, v, size, max, cursor,
			 range);
}

int(gm_list_tables)(struct gm_dev *dev, uint64_t *cursor,
		    struct grid_missing_table *v, uint32_t max, size_t size)
{
	return list_call(dev, GRID_MISSING_LIST_TABLES, v, size, max, cursor,
			 NULL);
}

int(gm_list_trackers)(struct gm_dev *dev, uint64_t *cursor,
		      struct grid_missing_tracker *v, uint32_t max, size_t size)
{
	return list_call(dev, GRID_MISSING_LIST_TRACKERS, v, size, max, cursor,
			 NULL);
}

int(gm_list_released)(struct gm_dev *dev, uint64_t *cursor,
		      struct grid_missing_released *v, uint32_t max,
		      size_t size)
{
	return list_call(dev, GRID_MISSING_LIST_RELEASED, v, size, max, cursor,
			 NULL);
}

/* ------------------------------------------------- checkpoints, sync jumps */

int(gm_checkpoint_release)(struct gm_dev *dev,
			   const struct grid_missing_released *runs,
			   uint32_t count, size_t size)
{
	struct grid_missing_checkpoint c = {
		.size = sizeof(c),
		.op = GRID_MISSING_CHECKPOINT_RELEASE,
		.elems = (uintptr_t)runs,
		.count = count,
		.elem_size = elem_size(size),
	};

	return call(dev, GRID_MISSING_CHECKPOINT, &c);
}

int gm_checkpoint_take(struct gm_dev *dev, uint64_t *id)
{
	struct grid_missing_checkpoint c = {
		.size = sizeof(c),
		.op = GRID_MISSING_CHECKPOINT_TAKE,
		.id = *id,
	};
	int err = call(dev, GRID_MISSING_CHECKPOINT, &c);

	if (!err)
		*id = c.id;
	return err;
}

int gm_checkpoint_durable(struct gm_dev *dev, uint64_t id)
{
	struct grid_missing_checkpoint c = {
		.size = sizeof(c),
		.op = GRID_MISSING_CHECKPOINT_DURABLE,
		.id = id,
	};

	return call(dev, GRID_MISSING_CHECKPOINT, &c);
}

int gm_checkpoint_revert(struct gm_dev *dev)
{
	struct grid_missing_checkpoint c = {
		.size = sizeof(c),
		.op = GRID_MISSING_CHECKPOINT_REVERT,
	};

	return call(dev, GRID_MISSING_CHECKPOINT, &c);
}

int gm_checkpoint_complete(struct gm_dev *dev, uint32_t *pending)
{
	struct grid_missing_checkpoint c = {
		.size = sizeof(c),
		.op = GRID_MISSING_CHECKPOINT_COMPLETE,
	};
	int err = call(dev, GRID_MISSING_CHECKPOINT, &c);

	if (!err)
		*pending = c.pending;
	return err;
}

int gm_sync_jump_commence(struct gm_dev *dev)
{
	struct grid_missing_sync_jump j = {
		.size = sizeof(j),
		.op = GRID_MISSING_SYNC_JUMP_COMMENCE,
	};

	return call(dev, GRID_MISSING_SYNC_JUMP, &j);
}

int gm_sync_jump_complete(struct gm_dev *dev, const uint64_t *cancel,
			  uint32_t count)
{
	struct grid_missing_sync_jump j = {
		.size = sizeof(j),
		.op = GRID_MISSING_SYNC_JUMP_COMPLETE,
		.count = count,
		.elems = (uintptr_t)cancel,
		.elem_size = sizeof(*cancel),
	};

	return call(dev, GRID_MISSING_SYNC_JUMP, &j);
}

int(gm_reclaim)(struct gm_dev *dev, struct grid_missing_table *v, uint32_t max,
		size_t size)
{
	struct grid_missing_vector vector = {
		.size = sizeof(vector),
		.elem_size = elem_size(size),
		.count = max < GRID_MISSING_VECTOR_MAX ?
				 max :
				 GRID_MISSING_VECTOR_MAX,
		.elems = (uintptr_t)v,
	};
	int err = call(dev, GRID_MISSING_RECLAIM, &vector);

	return err ? err : (int)vector.done;
}

int gm_ready(struct gm_dev *dev)
{
	struct grid_missing_simple s = { .size = sizeof(s) };

	return call(dev, GRID_MISSING_READY, &s);
}
