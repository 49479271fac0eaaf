/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small TAP harness for the tests of /dev/grid_missing, and its ioctls as
 * functions that return a negative errno.  A test is a function; what it opens
 * is closed after it, so that each begins with nothing.
 */
#ifndef DEV_H
#define DEV_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/grid_missing.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static bool test_failed;
static int test_count, tests_bad;
static int test_fds[64], test_fds_count;

__attribute__((format(printf, 3, 4), unused)) static bool
test_check(bool ok, int line, const char *format, ...)
{
	va_list args;

	if (ok)
		return true;
	test_failed = true;
	printf("# line %d: ", line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return false;
}

#define CHECK(cond) test_check(cond, __LINE__, "not so: %s", #cond)

/* Both as long long: numbers and errnos. */
#define EQ(got, want)                                                     \
	({                                                                \
		long long _g = (long long)(got), _w = (long long)(want);  \
		test_check(_g == _w, __LINE__, "%s: %lld, not %lld (%s)", \
			   #got, _g, _w, #want);                          \
	})

static inline void test_run(const char *name, void (*test)(void))
{
	int i;

	test_failed = false;
	test();
	for (i = 0; i < test_fds_count; i++)
		close(test_fds[i]);
	test_fds_count = 0;
	test_count++;
	tests_bad += test_failed;
	printf("%sok %d - %s\n", test_failed ? "not " : "", test_count, name);
	fflush(stdout);
}

#define RUN(test) test_run(#test, test)

static inline int test_end(void)
{
	printf("1..%d\n", test_count);
	return tests_bad ? 1 : 0;
}

static inline __u64 ptr(const void *p)
{
	return (uintptr_t)p;
}

static inline void *ptr_of(__u64 p)
{
	return (void *)(uintptr_t)p;
}

static inline __u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static inline int try_open(int flags)
{
	int fd = open(GRID_MISSING_DEVICE, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Closed after the test, unless the test does it (close_now()). */
static inline int must_open(int flags)
{
	int fd = try_open(flags);

	if (fd < 0) {
		printf("Bail out! %s: %s\n", GRID_MISSING_DEVICE,
		       strerror(-fd));
		exit(1);
	}
	test_fds[test_fds_count++] = fd;
	return fd;
}

static inline void close_now(int fd)
{
	int i;

	for (i = 0; i < test_fds_count; i++) {
		if (test_fds[i] == fd) {
			test_fds[i] = test_fds[--test_fds_count];
			break;
		}
	}
	close(fd);
}

static inline int do_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

static inline int do_create(int fd, __u32 blocks, __u32 tables, __u32 values,
			    __u32 min_age, __u32 revert_age, __u64 *id)
{
	struct grid_missing_create c = {
		.size = sizeof(c),
		.blocks_max = blocks,
		.tables_max = tables,
		.table_values_max = values,
		.min_age_ms = min_age,
		.revert_age_ms = revert_age,
	};
	int ret = do_ioctl(fd, GRID_MISSING_CREATE, &c);

	if (id)
		*id = c.id;
	return ret;
}

/* A new file with a private tracker of its own. */
static inline int private(__u32 blocks, __u32 tables, __u32 values)
{
	int fd = must_open(O_RDWR);

	EQ(do_create(fd, blocks, tables, values, 0, 0, NULL), 0);
	return fd;
}

static inline int do_attach(int fd, __u64 id, __u32 min_age)
{
	struct grid_missing_attach a = {
		.size = sizeof(a),
		.id = id,
		.min_age_ms = min_age,
	};

	return do_ioctl(fd, GRID_MISSING_ATTACH, &a);
}

/* A vector call; *done and *cursor may be NULL. */
static inline int do_vector(int fd, unsigned long cmd, void *elems, __u32 size,
			    __u32 count, __u32 flags, __u32 arg, __u64 *cursor,
			    __u32 *done)
{
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.flags = flags,
		.elem_size = size,
		.count = count,
		.done = 12345,
		.arg = arg,
		.cursor = cursor ? *cursor : 0,
		.elems = ptr(elems),
	};
	int ret = do_ioctl(fd, cmd, &v);

	if (cursor)
		*cursor = v.cursor;
	if (done)
		*done = v.done;
	return ret;
}

/* On whole arrays of the first version's elements; all must be handled. */
static inline int do_all(int fd, unsigned long cmd, void *elems, __u32 size,
			 __u32 count)
{
	__u32 done;
	int ret = do_vector(fd, cmd, elems, size, count, 0, 0, NULL, &done);

	if (!ret)
		EQ(done, count);
	return ret;
}

#define ALL(fd, cmd, array) \
	do_all(fd, cmd, array, sizeof((array)[0]), ARRAY_SIZE(array))

static inline struct grid_missing_checksum sum_of(__u64 address)
{
	struct grid_missing_checksum s = {};

	memcpy(s.bytes, &address, sizeof(address));
	s.bytes[15] = 0x5a;
	return s;
}

/* One block: the call's errno, or the element's result. */
static inline int one_block(int fd, unsigned long cmd, __u64 address,
			    __u32 flags)
{
	struct grid_missing_block b = { .address = address,
					.flags = flags,
					.result = 777 };
	int ret;

	if (!(flags & GRID_MISSING_F_NO_CHECKSUM) &&
	    (cmd == GRID_MISSING_ENQUEUE || cmd == GRID_MISSING_COMMENCE))
		b.checksum = sum_of(address);
	ret = do_vector(fd, cmd, &b, sizeof(b), 1, 0, 0, NULL, NULL);
	return ret ? ret : b.result;
}

static inline int enqueue(int fd, __u64 address)
{
	return one_block(fd, GRID_MISSING_ENQUEUE, address, 0);
}

static inline int enqueue_table(int fd, __u64 address)
{
	return one_block(fd, GRID_MISSING_ENQUEUE, address,
			 GRID_MISSING_F_TABLE);
}

static inline int commence(int fd, __u64 address)
{
	return one_block(fd, GRID_MISSING_COMMENCE, address, 0);
}

static inline int cancel(int fd, __u64 address)
{
	return one_block(fd, GRID_MISSING_CANCEL, address, 0);
}

/* @values NULL: no index; @n values. */
static inline int complete(int fd, __u64 address, __u32 flags,
			   const struct grid_missing_value *values, __u32 n)
{
	struct grid_missing_repair r = {
		.address = address,
		.checksum = sum_of(address),
		.flags = flags,
		.result = 777,
		.values = ptr(values),
		.values_count = n,
		.value_size = n ? sizeof(*values) : 0,
	};
	int ret = do_vector(fd, GRID_MISSING_COMPLETE, &r, sizeof(r), 1, 0, 0,
			    NULL, NULL);

	return ret ? ret : r.result;
}

/* Both in one: the repair of a block. */
static inline int repaired(int fd, __u64 address)
{
	int ret = commence(fd, address);

	return ret ? ret : complete(fd, address, 0, NULL, 0);
}

static inline struct grid_missing_status status(int fd)
{
	struct grid_missing_status s = { .size = sizeof(s) };

	EQ(do_ioctl(fd, GRID_MISSING_STATUS, &s), 0);
	return s;
}

/* How many faults a batch of at most @max returns, in @out; or an errno. */
static inline int batch(int fd, struct grid_missing_fault *out, __u32 max)
{
	__u32 done;
	int ret = do_vector(fd, GRID_MISSING_BATCH, out, sizeof(*out), max, 0,
			    0, NULL, &done);

	return ret ? ret : (int)done;
}

/* With RELEASE: of runs of one block each. */
static inline int checkpoint(int fd, __u32 op, __u64 *id, __u32 *pending,
			     const __u64 *addresses, __u32 count)
{
	static struct grid_missing_released runs[GRID_MISSING_VECTOR_MAX];
	struct grid_missing_checkpoint c = {
		.size = sizeof(c),
		.op = op,
		.id = id ? *id : 0,
		.elems = addresses ? ptr(runs) : 0,
		.count = count,
		.elem_size = addresses ? sizeof(*runs) : 0,
	};
	__u32 i;
	int ret;

	for (i = 0; addresses && i < count; i++)
		runs[i] =
			(struct grid_missing_released){ .address = addresses[i],
							.count = 1 };
	ret = do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c);

	if (id)
		*id = c.id;
	if (pending)
		*pending = c.pending;
	return ret;
}

static inline int sync_jump(int fd, __u32 op, const __u64 *addresses,
			    __u32 count)
{
	struct grid_missing_sync_jump j = {
		.size = sizeof(j),
		.op = op,
		.count = count,
		.elems = ptr(addresses),
		.elem_size = op == GRID_MISSING_SYNC_JUMP_COMPLETE ? 8 : 0,
	};

	return do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j);
}

/* Release @count blocks from @address on. */
static inline int release_run(int fd, __u64 address, __u64 count)
{
	struct grid_missing_released r = { .address = address, .count = count };
	struct grid_missing_checkpoint c = {
		.size = sizeof(c),
		.op = GRID_MISSING_CHECKPOINT_RELEASE,
		.elems = ptr(&r),
		.count = 1,
		.elem_size = sizeof(r),
	};

	return do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c);
}

/* How many of at most 64, or a negative errno. */
static inline int reclaim(int fd)
{
	struct grid_missing_table t[64];
	__u32 done;
	int ret = do_vector(fd, GRID_MISSING_RECLAIM, t, sizeof(t[0]), 64, 0, 0,
			    NULL, &done);

	return ret ? ret : (int)done;
}

/* RETRY or CANCEL on all there are; @flags besides. */
static inline int on_all(int fd, unsigned long cmd, __u32 flags)
{
	return do_vector(fd, cmd, NULL, 0, 0, flags | GRID_MISSING_ALL, 0, NULL,
			 NULL);
}

static inline int poll_for(int fd, short events, int timeout)
{
	struct pollfd p = { .fd = fd, .events = events };
	int ret = poll(&p, 1, timeout);

	return ret < 0 ? -errno : p.revents;
}

/* A file with the events of @fd's tracker from now on; or an errno. */
static inline int try_events(int fd, __u32 flags)
{
	struct grid_missing_events e = { .size = sizeof(e), .flags = flags };
	int ret = do_ioctl(fd, GRID_MISSING_EVENTS, &e);

	if (ret)
		return ret;
	test_fds[test_fds_count++] = e.fd;
	return e.fd;
}

static inline int events_of(int fd)
{
	int events = try_events(fd, 0);

	CHECK(events >= 0);
	return events;
}

/* Two pages of which the second cannot be touched; the last @n bytes of the first. */
static inline void *before_hole(size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t first = (n + page - 1) / page * page;
	char *p = mmap(NULL, first + page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + first, page);
	return p + first - n;
}

/* verify in debugfs says nothing but ok, when it is there. */
static inline void verify(int line)
{
	char buf[4096], *p;
	FILE *f = fopen("/sys/kernel/debug/grid_missing/verify", "r");

	if (!f)
		return;
	while (fgets(buf, sizeof(buf), f)) {
		p = strchr(buf, ' ');
		test_check(p && !strcmp(p, " ok\n"), line, "verify: %s", buf);
	}
	fclose(f);
}

#define VERIFY() verify(__LINE__)

#endif /* DEV_H */
