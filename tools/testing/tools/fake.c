// SPDX-License-Identifier: GPL-2.0
/*
 * A /dev/grid_missing for tests without the kernel's modules.
 *
 * Linked into the tools with --wrap=open64, --wrap=ioctl, so that the same
 * sources run under the sanitizers, unprivileged and in a second.  It is no
 * model of the tracker: it knows just enough for the tools to do all of their
 * work (enqueue, tables, batch by age, verified repair, unavailable), and keeps
 * it in the file $GRID_FAKE, locked for each call, so that several processes
 * share it and any of them may be killed.
 *
 *	GRID_FAKE=state GRID_FAKE_DISK=disk fake-gridctl …
 *
 * A state that is empty is made for a disk of blocks of $GRID_FAKE_BLOCK bytes
 * (4096), with checksum $GRID_FAKE_CHECKSUM (sha256, "none" for none), room for
 * $GRID_FAKE_MAX single faults (4096), held when $GRID_FAKE_HELD is set.  The
 * device is "id:1", and "0:0" to device-mapper; the device below it is the disk, whose block
 * $GRID_FAKE_UNREADABLE cannot be read, and which is one (not a file) with sectors of
 * $GRID_FAKE_SECTOR bytes, where that is set.  Another dm device is there, "linear", which
 * is no grid.
 *
 * Counters: with $GRID_FAKE_LOST, $GRID_FAKE_LOST_FULL and $GRID_FAKE_TIMEOUTS, some; and
 * $GRID_FAKE_PASSED_UP are the blocks, with blanks between, of 60 read errors that
 * were passed up (while the file $GRID_FAKE_PASSED_UP_WHILE is there, if it is
 * set).  A reader is parked while the file $GRID_FAKE_PARKED is there, a helper
 * attached while $GRID_FAKE_HELPER is.  With $GRID_FAKE_READERS readers wait for
 * each block that is handed out.
 *
 * $GRID_FAKE_METADATA: it has some ("ok"), or some that has "failed".
 *
 * $GRID_FAKE_FAILS names what fails: pipe, fork, open (of the device below), or
 * killed (who reads the device below), pwrite, status, enqueue, suspend (it is killed
 * when that is done), suspended (it is resumed when what is released is listed), resume (the first one), length
 * (it has grown to twice of what it was when the file was attached), durable, info
 * (what device-mapper has).  $GRID_FAKE_BUSY times (for ever:
 * -1) the device is in use when it shall be removed.  It is open
 * $GRID_FAKE_OPEN times (0), while the file $GRID_FAKE_OPEN_WHILE is there, if it is
 * set, and once by who claimed it.
 *
 * With $GRID_FAKE_EXPLICIT it has checkpoint:explicit; there is a checkpoint 7.
 * $GRID_FAKE_TABLE: its whole table.  With $GRID_FAKE_PRIVATE nothing but 64 private
 * trackers is there.
 *
 * Nobody may look at the file /dev/hidden.
 *
 * What is released stands in $GRID_FAKE_RELEASED: address, count and flags of
 * each run, with blanks between.
 *
 * What lies below /etc, /lib, /proc, /run, /sys and /usr/lib is looked for in the
 * directory $GRID_FAKE_ROOT, where that is set.  $GRID_FAKE_CLOCK: "past", or "free",
 * which nothing keeps right, else right.  A descriptor that leads to /dev/fake is of
 * the device; "open: N" in its fdinfo says which open file it is.
 *
 * $GRID_FAKE_KMSG: a file with what the kernel logs from now on, a record a line.
 *
 * $GRID_FAKE_SYNCS: a file that tells, a line each, what is renamed, synced and (to be)
 * removed; with
 * $GRID_FAKE_FAILS "sync" a directory can't be.  Who has renamed something gets the
 * signal number $GRID_FAKE_RENAMED; who has failed to switch tables $GRID_FAKE_SWITCHED.  While the file $GRID_FAKE_NO_ACCEPT is there, nobody
 * who connects is accepted, for want of a descriptor; each try is told there as well, and
 * which way the disk is read.
 *
 * In a process with $GRID_FAKE_FLAKY set three of four calls that change something
 * do nothing but fail, for reasons that pass.  While the file
 * $GRID_FAKE_NO_HASH is there, no hash can be opened; while $GRID_FAKE_SILENT is,
 * what was read of the file $GRID_FAKE_SILENT_SOURCE doesn't come back (only its block
 * $GRID_FAKE_SILENT_BLOCK, where that is set), nor does a stat of $GRID_FAKE_SILENT_STAT; while $GRID_FAKE_AGAIN is, repairs are to be tried again, as those of a device that is suspended.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <mntent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gridmissing.h"

#define BLOCKS 4096
#define TABLES 8
#define BELOW "/dev/block/0:0"

struct fault {
	uint8_t state, cause;
	uint32_t flags, value_index;
	struct grid_missing_checksum checksum;
	uint64_t handed, table, serial;
};

struct state {
	uint64_t made;
	uint32_t block_size;
	uint64_t blocks, loaded;
	char checksum[64];
	struct fault faults[BLOCKS];
	struct grid_missing_table tables[TABLES];
	struct grid_missing_status counters;
	uint64_t cursor; /* a batch begins there */
	uint64_t serial; /* the newest fault's */
	uint32_t blocks_max;
	int suspended, held, busy, removed, resume_failed;
};

int __real_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
ssize_t __real_pread64(int fd, void *data, size_t size, off_t offset);
int __real_gm_dm_name(unsigned int major, unsigned int minor, char *name,
		      size_t size);
int __real_gm_dm_info(const char *name, bool table, char **type, char **params);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset);
int __wrap_gm_dm_name(unsigned int major, unsigned int minor, char *name,
		      size_t size);
int __wrap_gm_dm_info(const char *name, bool table, char **type, char **params);
int __wrap_gm_dm_suspend(const char *name);
int __wrap_gm_dm_resume(const char *name);
int __wrap_gm_dm_remove(const char *name, bool deferred);
int __wrap_gm_dm_state(const char *name, struct gm_dm_state *state);
int __wrap_gm_dm_reload(const struct gm_dm_create *table);
int __wrap_gm_dm_switch(const char *name);
int __real_pipe(int ends[2]);
int __wrap_pipe(int ends[2]);
ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
int __real_stat64(const char *path, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);
pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_gm_hash_open(struct gm_hash *hash, const char *name);
int __wrap_gm_hash_open(struct gm_hash *hash, const char *name);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
FILE *__real_setmntent(const char *path, const char *mode);
FILE *__wrap_setmntent(const char *path, const char *mode);
time_t __real_time(time_t *t);
time_t __wrap_time(time_t *t);
int __wrap_adjtimex(struct timex *t);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __real_fcntl64(int fd, int op, ...);
int __wrap_fcntl64(int fd, int op, ...);
int __real_posix_fadvise64(int fd, off_t offset, off_t size, int advice);
int __wrap_posix_fadvise64(int fd, off_t offset, off_t size, int advice);
ssize_t __real_readlink(const char *path, char *text, size_t size);
ssize_t __wrap_readlink(const char *path, char *text, size_t size);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_connect(int fd, const struct sockaddr *a, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t size);
int __real_accept4(int fd, struct sockaddr *a, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *size, int flags);

static bool fails(const char *what)
{
	const char *v = getenv("GRID_FAKE_FAILS");

	return v && !strcmp(v, what);
}

/* While the file that @name names is there. */
static bool while_there(const char *name)
{
	const char *path = getenv(name);

	return path && !access(path, F_OK);
}

int __wrap_pipe(int ends[2])
{
	if (!fails("pipe"))
		return __real_pipe(ends);
	errno = EMFILE;
	return -1;
}

/* Of what isn't the fake's own. */
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	if (!fails("pwrite"))
		return __real_pwrite64(fd, data, size, offset);
	errno = ENOSPC;
	return -1;
}

pid_t __wrap_fork(void)
{
	if (!fails("fork"))
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

/* A file of the machine as the test has made it up; @buf: PATH_MAX. */
static const char *of_root(const char *path, char *buf)
{
	static const char *const below[] = { "/etc/",	 "/lib/", "/proc",
					     "/run/",	 "/sys/", "/usr/lib/",
					     "/var/lib/" };
	const char *root = getenv("GRID_FAKE_ROOT");
	size_t i;

	for (i = 0; root && i < sizeof(below) / sizeof(*below); i++)
		if (!strncmp(path, below[i], strlen(below[i]))) {
			snprintf(buf, PATH_MAX, "%s%s", root, path);
			return buf;
		}
	return path;
}

/* The disk below, or another one: $GRID_FAKE_NUMBER. */
static void be_disk(struct stat *st)
{
	const char *v = getenv("GRID_FAKE_NUMBER");
	unsigned int ma = 7, mi = 99;

	if (v && sscanf(v, "%u:%u", &ma, &mi) != 2)
		abort();
	st->st_mode = S_IFBLK;
	st->st_rdev = makedev(ma, mi);
}

/* The device is 0:0 for who has opened "/dev/fake" there. */
int __wrap_stat64(const char *path, struct stat *st)
{
	const char *silent = getenv("GRID_FAKE_SILENT_STAT");
	char buf[PATH_MAX], link[16];

	while (silent && !strcmp(path, silent) &&
	       !access(getenv("GRID_FAKE_SILENT"), F_OK))
		usleep(10000);
	if (!strcmp(path, BELOW) && getenv("GRID_FAKE_SECTOR")) {
		memset(st, 0, sizeof(*st));
		be_disk(st);
		return 0;
	}

	if (!strcmp(path, "/dev/hidden")) {
		errno = EACCES;
		return -1;
	}
	if (strncmp(path, "/proc/", 6))
		return __real_stat64(path, st);
	path = of_root(path, buf);
	if (__real_readlink(path, link, sizeof(link)) != 9 ||
	    memcmp(link, "/dev/fake", 9))
		return __real_stat64(path, st);
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFBLK;
	return 0;
}

ssize_t __wrap_readlink(const char *path, char *text, size_t size)
{
	char buf[PATH_MAX];

	return __real_readlink(of_root(path, buf), text, size);
}

/* The number of an open file, which stands in its fdinfo. */
static int open_of(long pid, long fd)
{
	char path[PATH_MAX], buf[PATH_MAX], line[64];
	int number = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/fdinfo/%ld", pid, fd);
	f = __real_fopen64(of_root(path, buf), "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "open: %d", &number);
	if (f)
		fclose(f);
	return number;
}

/* kcmp(KCMP_FILE), and what the libraries ask for. */
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;
	int i;

	va_start(args, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_kcmp)
		return open_of(a[0], a[3]) != open_of(a[1], a[4]);
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __wrap_access(const char *path, int mode)
{
	char buf[PATH_MAX];

	return __real_access(of_root(path, buf), mode);
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	char buf[PATH_MAX];

	return __real_fopen64(of_root(path, buf), mode);
}

DIR *__wrap_opendir(const char *path)
{
	char buf[PATH_MAX];

	return __real_opendir(of_root(path, buf));
}

FILE *__wrap_setmntent(const char *path, const char *mode)
{
	char buf[PATH_MAX];

	return __real_setmntent(of_root(path, buf), mode);
}

time_t __wrap_time(time_t *t)
{
	const char *v = getenv("GRID_FAKE_CLOCK");

	return v && !strcmp(v, "past") ? 0 : __real_time(t);
}

int __wrap_adjtimex(struct timex *t)
{
	const char *v = getenv("GRID_FAKE_CLOCK");
	bool free = v && !strcmp(v, "free");

	t->status = free ? STA_UNSYNC : 0;
	return free ? TIME_ERROR : TIME_OK;
}

static void record(const char *what, const char *path)
{
	const char *to = getenv("GRID_FAKE_SYNCS");
	FILE *f = to ? __real_fopen64(to, "ae") : NULL;

	if (!f)
		return;
	fprintf(f, "%s %s\n", what, path);
	fclose(f);
}

int __wrap_rename(const char *from, const char *to)
{
	const char *v = getenv("GRID_FAKE_RENAMED");
	int err;

	record("rename", to);
	err = __real_rename(from, to);
	if (!err && v)
		raise(atoi(v));
	return err;
}

int __wrap_fsync(int fd)
{
	char link[64], path[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fails("sync") && !__real_fstat64(fd, &st) && S_ISDIR(st.st_mode)) {
		errno = EIO;
		return -1;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = __real_readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = 0;
	record("fsync", path);
	return __real_fsync(fd);
}

int __wrap_connect(int fd, const struct sockaddr *a, socklen_t size)
{
	struct sockaddr_un moved = { .sun_family = AF_UNIX };
	char buf[PATH_MAX];
	const char *path;

	if (a->sa_family != AF_UNIX)
		return __real_connect(fd, a, size);
	path = of_root(((const struct sockaddr_un *)a)->sun_path, buf);
	if (strlen(path) >= sizeof(moved.sun_path))
		abort();
	strcpy(moved.sun_path, path);
	return __real_connect(fd, (struct sockaddr *)&moved, sizeof(moved));
}

int __wrap_accept4(int fd, struct sockaddr *a, socklen_t *size, int flags)
{
	if (!while_there("GRID_FAKE_NO_ACCEPT"))
		return __real_accept4(fd, a, size, flags);
	record("accept", "");
	errno = EMFILE;
	return -1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct state *lock_state(int *fd)
{
	const char *path = getenv("GRID_FAKE"), *v;
	struct state *s;
	struct stat st;

	*fd = __real_open64(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		abort();
	/* A signal may come while another process has it. */
	while (flock(*fd, LOCK_EX))
		if (errno != EINTR)
			abort();
	if (ftruncate(*fd, sizeof(*s)))
		abort();
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (s == MAP_FAILED)
		abort();
	if (!s->made) {
		if (__real_stat64(getenv("GRID_FAKE_DISK"), &st))
			abort();
		v = getenv("GRID_FAKE_BLOCK");
		s->block_size = v ? (uint32_t)atoi(v) : 4096;
		s->blocks = (uint64_t)st.st_size / s->block_size;
		v = getenv("GRID_FAKE_CHECKSUM");
		strcpy(s->checksum, !v ? "sha256" : strcmp(v, "none") ? v : "");
		v = getenv("GRID_FAKE_MAX");
		s->blocks_max = v ? (uint32_t)atoi(v) : BLOCKS;
		s->held = !!getenv("GRID_FAKE_HELD");
		v = getenv("GRID_FAKE_BUSY");
		s->busy = v ? atoi(v) : 0;
		if (s->blocks > BLOCKS)
			abort();
		s->made = 1;
	}
	return s;
}

static void unlock_state(struct state *s, int fd)
{
	munmap(s, sizeof(*s));
	close(fd);
}

/* The fds that are ours; the read-only ones cannot change anything. */
static uint8_t ours[4096];
#define OURS_READ 1
#define OURS_WRITE 2
#define OURS_ATTACHED 4
#define OURS_BELOW 8
static unsigned int claimed;
static uint32_t min_age[4096];

/* One record a read, as of /dev/kmsg. */
static int open_log(const char *path)
{
	char line[512];
	int ends[2];
	FILE *f;

	f = __real_fopen64(path, "re");
	if (!f || pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC))
		abort();
	while (fgets(line, sizeof(line), f))
		if (write(ends[1], line, strlen(line)) < 0)
			abort();
	fclose(f);
	close(ends[1]);
	return ends[0];
}

int __wrap_open64(const char *path, int flags, ...)
{
	char buf[PATH_MAX];
	va_list args;
	int mode, fd;

	va_start(args, flags);
	mode = va_arg(args, int);
	va_end(args);
	if (!strcmp(path, "/dev/kmsg") && getenv("GRID_FAKE_KMSG"))
		return open_log(getenv("GRID_FAKE_KMSG"));
	if (!strcmp(path, BELOW) && fails("open")) {
		errno = EMFILE;
		return -1;
	}
	if (!strcmp(path, BELOW)) {
		fd = __real_open64(getenv("GRID_FAKE_DISK"), flags & ~O_DIRECT);
		if (fd >= 0 && fd < 4096)
			ours[fd] = OURS_BELOW;
		claimed += fd >= 0 && flags & O_EXCL;
		return fd;
	}
	if (strcmp(path, GRID_MISSING_DEVICE)) {
		fd = __real_open64(of_root(path, buf), flags, mode);
		if (fd >= 0 && fd < 4096)
			ours[fd] = 0;
		return fd;
	}
	if (!getenv("GRID_FAKE")) {
		errno = ENOENT;
		return -1;
	}
	/* Always readable: a batch may find nothing. */
	fd = eventfd(1, EFD_CLOEXEC);
	if (fd >= 0 && fd < 4096)
		ours[fd] = (flags & O_ACCMODE) == O_RDONLY ? OURS_READ :
							     OURS_WRITE;
	return fd;
}

/* While the file $GRID_FAKE_SILENT is there, $GRID_FAKE_SILENT_SOURCE says nothing. */
static void silence(int fd, size_t size, off_t offset)
{
	const char *while_ = getenv("GRID_FAKE_SILENT"),
		   *block = getenv("GRID_FAKE_SILENT_BLOCK");
	char link[64], path[4096];
	ssize_t n;

	if (!while_ || size != (size_t)atoi(getenv("GRID_FAKE_BLOCK")) ||
	    (block && offset != (off_t)atoi(block) * (off_t)size))
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = __real_readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return;
	path[n] = 0;
	while (!strcmp(path, getenv("GRID_FAKE_SILENT_SOURCE")) &&
	       !access(while_, F_OK))
		usleep(10000);
}

/* A run with the bad block in it fails as a whole, as a disk's would. */
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset)
{
	const char *bad = getenv("GRID_FAKE_UNREADABLE");
	ssize_t n;
	off_t at;

	if (fd >= 0 && fd < 4096 && ours[fd] & OURS_BELOW && fails("killed"))
		raise(SIGKILL);
	if (bad && fd >= 0 && fd < 4096 && ours[fd] & OURS_BELOW) {
		at = (off_t)atoi(bad) * atoi(getenv("GRID_FAKE_BLOCK"));
		if (at >= offset && at < offset + (off_t)size) {
			errno = EIO;
			return -1;
		}
	}
	n = __real_pread64(fd, data, size, offset);
	silence(fd, size, offset);
	return n;
}

/* Is it the device below, and a disk? */
static bool is_disk(int fd)
{
	return fd >= 0 && fd < 4096 && ours[fd] & OURS_BELOW &&
	       getenv("GRID_FAKE_SECTOR");
}

int __wrap_fstat64(int fd, struct stat *st)
{
	int err = __real_fstat64(fd, st);

	if (!err && is_disk(fd))
		be_disk(st);
	return err;
}

int __wrap_fcntl64(int fd, int op, ...)
{
	va_list args;
	long arg;

	va_start(args, op);
	arg = va_arg(args, long);
	va_end(args);
	if (op != F_SETFL || !is_disk(fd))
		return __real_fcntl64(fd, op, arg);
	if (arg & O_DIRECT)
		record("direct", BELOW);
	return 0;
}

int __wrap_posix_fadvise64(int fd, off_t offset, off_t size, int advice)
{
	char text[64];

	if (advice == POSIX_FADV_DONTNEED && is_disk(fd)) {
		snprintf(text, sizeof(text), "%lld+%lld", (long long)offset,
			 (long long)size);
		record("drop", text);
	}
	return __real_posix_fadvise64(fd, offset, size, advice);
}

int __wrap_gm_dm_name(unsigned int major, unsigned int minor, char *name,
		      size_t size)
{
	if (major || minor)
		return __real_gm_dm_name(major, minor, name, size);
	snprintf(name, size, "fake");
	return 0;
}

int __wrap_gm_dm_info(const char *name, bool table, char **type, char **params)
{
	const char *line;
	struct state *s;
	int lock, removed, err;

	if (fails("info"))
		return -EACCES;
	if (!strcmp(name, "linear")) {
		*type = strdup("linear");
		*params = strdup("0:0 0");
		return *type && *params ? 0 : -ENOMEM;
	}
	if (strcmp(name, "fake")) {
		err = __real_gm_dm_info(name, table, type, params);
		return err == -ENOSYS ? -ENXIO : err; /* nor is any other */
	}
	s = lock_state(&lock);
	removed = s->removed;
	unlock_state(s, lock);
	if (removed)
		return -ENXIO;
	*type = strdup("grid");
	line = getenv("GRID_FAKE_TABLE");
	if (!line)
		line = getenv("GRID_FAKE_EXPLICIT") ?
			       "0:0 0 8 1 checkpoint:explicit" :
			       "0:0 0 8 0";
	*params = strdup(line);
	return *type && *params ? 0 : -ENOMEM;
}

static int set_suspended(int suspended)
{
	struct state *s;
	int lock;

	s = lock_state(&lock);
	s->suspended = suspended;
	unlock_state(s, lock);
	return 0;
}

int __wrap_gm_dm_suspend(const char *name)
{
	int err = set_suspended(1);

	(void)name;
	if (fails("suspend"))
		raise(SIGKILL);
	return err;
}

int __wrap_gm_dm_resume(const char *name)
{
	struct state *s;
	int lock, failed;

	(void)name;
	s = lock_state(&lock);
	failed = fails("resume") && !s->resume_failed;
	s->resume_failed |= failed;
	unlock_state(s, lock);
	return failed ? -EBUSY : set_suspended(0);
}

int __wrap_gm_dm_remove(const char *name, bool deferred)
{
	struct state *s;
	int lock, err;

	record("remove", name);
	s = lock_state(&lock);
	err = s->busy && !deferred ? -EBUSY : 0;
	s->removed = !s->busy;
	if (s->busy > 0)
		s->busy--;
	unlock_state(s, lock);
	return err;
}

int __wrap_gm_hash_open(struct gm_hash *hash, const char *name)
{
	if (while_there("GRID_FAKE_NO_HASH"))
		return -EMFILE;
	return __real_gm_hash_open(hash, name);
}

int __wrap_gm_dm_state(const char *name, struct gm_dm_state *state)
{
	const char *v = getenv("GRID_FAKE_OPEN"),
		   *while_ = getenv("GRID_FAKE_OPEN_WHILE");
	struct state *s;
	int lock;

	(void)name;
	s = lock_state(&lock);
	memset(state, 0, sizeof(*state));
	state->open_count = claimed;
	if (v && (!while_ || !access(while_, F_OK)))
		state->open_count += (uint32_t)atoi(v);
	state->suspended = s->suspended;
	state->sectors = s->blocks * s->block_size / 512;
	unlock_state(s, lock);
	return 0;
}

/* As the module: never without what is missing. */
int __wrap_gm_dm_reload(const struct gm_dm_create *table)
{
	uint64_t blocks, i;
	struct state *s;
	int lock, err = 0;

	s = lock_state(&lock);
	blocks = table->sectors * 512 / s->block_size;
	for (i = blocks; i < s->blocks; i++)
		if (s->faults[i].state)
			err = -EINVAL;
	if (!err)
		s->loaded = blocks;
	unlock_state(s, lock);
	return err;
}

/* With $GRID_FAKE_FAILS=switch, fails where something longer is to come. */
int __wrap_gm_dm_switch(const char *name)
{
	const char *v = getenv("GRID_FAKE_SWITCHED");
	struct state *s;
	int lock, err;

	(void)name;
	s = lock_state(&lock);
	err = fails("switch") && s->loaded > s->blocks ? -EINVAL : 0;
	s->suspended = !!err;
	if (!err)
		s->blocks = s->loaded;
	unlock_state(s, lock);
	if (err && v)
		raise(atoi(v));
	return err;
}

static atomic_uint flaky_calls;

/* 0, or why a call fails this time: in no rhythm, that callers could fall into. */
static int flaky(void)
{
	static const int why[] = { 0, -EINTR, -ENOMEM, -EAGAIN };
	uint32_t n;

	if (!getenv("GRID_FAKE_FLAKY"))
		return 0;
	/* The first one does. */
	n = (atomic_fetch_add(&flaky_calls, 1) + 2) * 2654435761U;
	n ^= n >> 15;
	return why[n * 2246822519U >> 30];
}

static void fill(const struct state *s, uint64_t i,
		 struct grid_missing_fault *f)
{
	memset(f, 0, sizeof(*f));
	f->address = i;
	f->checksum = s->faults[i].checksum;
	f->flags = s->faults[i].flags;
	f->state = s->faults[i].state;
	f->cause = s->faults[i].cause;
	f->table = s->faults[i].table;
	f->value_index = s->faults[i].value_index;
	f->serial = f->flags & GRID_MISSING_F_NO_CHECKSUM ?
			    s->faults[i].serial :
			    GRID_MISSING_SERIAL_CHECKSUM;
}

static bool ended(const struct grid_missing_table *t)
{
	return t->state == GRID_MISSING_TABLE_DONE ||
	       t->state == GRID_MISSING_TABLE_CANCELLED;
}

static uint32_t singles(const struct state *s)
{
	uint32_t n = 0;
	uint64_t i;

	for (i = 0; i < s->blocks; i++)
		n += s->faults[i].state &&
		     s->faults[i].cause == GRID_MISSING_CAUSE_BLOCK;
	return n;
}

static int enqueue(struct state *s, uint64_t address,
		   const struct grid_missing_checksum *sum, uint32_t flags,
		   uint8_t cause, uint64_t table, uint32_t value_index)
{
	struct fault *f;
	unsigned int i;

	if (address >= s->blocks)
		return -ERANGE;
	f = &s->faults[address];
	if (cause == GRID_MISSING_CAUSE_TABLE_INDEX) {
		for (i = 0; i < TABLES; i++)
			if (s->tables[i].state && !ended(&s->tables[i]) &&
			    s->tables[i].address == address)
				return GRID_MISSING_DUPLICATE;
		for (i = 0; i < TABLES && s->tables[i].state; i++)
			;
		if (i == TABLES)
			return -ENOSPC;
		s->tables[i].address = address;
		s->tables[i].checksum = *sum;
		s->tables[i].state = GRID_MISSING_TABLE_INDEXING;
		table = address;
	} else if (f->state) {
		if (!(flags & GRID_MISSING_F_NO_CHECKSUM) &&
		    !(f->flags & GRID_MISSING_F_NO_CHECKSUM) &&
		    !gm_checksum_equal(&f->checksum, sum))
			return -ESTALE;
		if (f->flags & GRID_MISSING_F_NO_CHECKSUM &&
		    !(flags & GRID_MISSING_F_NO_CHECKSUM)) {
			f->flags &= ~GRID_MISSING_F_NO_CHECKSUM;
			f->checksum = *sum;
		}
		return GRID_MISSING_DUPLICATE;
	} else if (cause == GRID_MISSING_CAUSE_BLOCK &&
		   singles(s) >= s->blocks_max) {
		return -ENOSPC;
	}
	f->state = GRID_MISSING_STATE_WAITING;
	f->cause = cause;
	f->flags = flags & GRID_MISSING_F_NO_CHECKSUM;
	f->checksum = *sum;
	f->table = table;
	f->value_index = value_index;
	f->handed = 0;
	f->serial = ++s->serial;
	return 0;
}

static void gone(struct state *s, uint64_t address)
{
	struct fault *f = &s->faults[address];
	unsigned int i;

	for (i = 0; i < TABLES; i++) {
		struct grid_missing_table *t = &s->tables[i];

		if (f->cause == GRID_MISSING_CAUSE_TABLE_VALUE &&
		    t->state == GRID_MISSING_TABLE_FILLING &&
		    t->address == f->table && ++t->values_gone == t->values)
			t->state = GRID_MISSING_TABLE_DONE;
	}
	memset(f, 0, sizeof(*f));
}

static int repair(struct state *s, const struct grid_missing_repair *r)
{
	const struct grid_missing_value *values =
		(const void *)(uintptr_t)r->values;
	struct grid_missing_checksum sum;
	struct gm_hash hash;
	struct fault *f;
	unsigned int i, t;
	int fd, err = 0;

	if (r->address >= s->blocks)
		return -ERANGE;
	f = &s->faults[r->address];
	if (!f->state)
		return -ENOENT;
	if (!(f->flags & GRID_MISSING_F_NO_CHECKSUM) &&
	    !gm_checksum_equal(&f->checksum, &r->checksum))
		return -ESTALE;
	/* Unlike the kernel: the tools always know which fault they mean. */
	if (f->flags & GRID_MISSING_F_NO_CHECKSUM && r->serial != f->serial)
		return -ESTALE;
	if (*s->checksum) {
		if (r->flags & GRID_MISSING_F_NO_CHECKSUM)
			return -EINVAL;
		if (__real_gm_hash_open(&hash, s->checksum))
			return -EIO;
		gm_hash(&hash, (void *)(uintptr_t)r->data, s->block_size, &sum);
		gm_hash_close(&hash);
		if (!gm_checksum_equal(&sum, &r->checksum)) {
			s->counters.verify_failed++;
			return -EBADMSG;
		}
	}
	if ((f->cause == GRID_MISSING_CAUSE_TABLE_INDEX) != !!r->values_count)
		return -EINVAL;
	for (i = 0; i < r->values_count; i++) {
		if (values[i].address >= s->blocks)
			return -ERANGE;
		if (s->faults[values[i].address].cause ==
		    GRID_MISSING_CAUSE_TABLE_VALUE)
			return -EEXIST; /* another table's */
	}
	fd = __real_open64(getenv("GRID_FAKE_DISK"), O_WRONLY | O_CLOEXEC);
	if (fd < 0 ||
	    __real_pwrite64(fd, (void *)(uintptr_t)r->data, s->block_size,
			    (off_t)(r->address * s->block_size)) !=
		    s->block_size)
		err = -EIO;
	close(fd);
	if (err)
		return err;
	s->counters.repaired++;
	if (f->flags & GRID_MISSING_F_NO_CHECKSUM)
		s->counters.unverified++;
	gone(s, r->address);
	for (t = 0; r->values_count && t < TABLES; t++)
		if (s->tables[t].state == GRID_MISSING_TABLE_INDEXING &&
		    s->tables[t].address == r->address) {
			s->tables[t].state = GRID_MISSING_TABLE_FILLING;
			s->tables[t].values = r->values_count;
			for (i = 0; i < r->values_count; i++)
				enqueue(s, values[i].address,
					&values[i].checksum, 0,
					GRID_MISSING_CAUSE_TABLE_VALUE,
					r->address, i);
		}
	return 0;
}

static int batch(struct state *s, struct grid_missing_vector *v, int fd)
{
	struct grid_missing_fault *out = (void *)(uintptr_t)v->elems;
	bool readers = getenv("GRID_FAKE_READERS");
	uint64_t i, at, now = now_ms();

	if (v->flags & GRID_MISSING_BATCH_MIN_AGE)
		min_age[fd] = v->arg;
	for (i = 0; i < s->blocks && v->done < v->count; i++) {
		struct fault *f = &s->faults[at = (s->cursor + i) % s->blocks];

		if (f->state != GRID_MISSING_STATE_WAITING ||
		    f->flags & GRID_MISSING_F_UNAVAILABLE ||
		    (v->flags & GRID_MISSING_BATCH_URGENT && !readers) ||
		    (f->handed && now - f->handed < min_age[fd]))
			continue;
		f->handed = now;
		fill(s, at, &out[v->done]);
		if (readers)
			out[v->done].flags |= GRID_MISSING_F_READERS;
		v->done++;
	}
	s->cursor += i;
	return 0;
}

static int cancel_table(struct state *s, uint64_t address)
{
	unsigned int t;
	uint64_t i;

	for (t = 0; t < TABLES; t++)
		if (s->tables[t].state && !ended(&s->tables[t]) &&
		    s->tables[t].address == address)
			break;
	if (t == TABLES)
		return -ENOENT;
	for (i = 0; i < s->blocks; i++) {
		if (!s->faults[i].state ||
		    s->faults[i].cause == GRID_MISSING_CAUSE_BLOCK ||
		    s->faults[i].table != address)
			continue;
		s->counters.cancelled++;
		memset(&s->faults[i], 0, sizeof(s->faults[i]));
	}
	s->tables[t].state = GRID_MISSING_TABLE_CANCELLED;
	return 0;
}

static int blocks_call(struct state *s, unsigned long request,
		       struct grid_missing_vector *v)
{
	struct grid_missing_block *b = (void *)(uintptr_t)v->elems;
	struct fault *f;
	uint64_t i;

	if (request == GRID_MISSING_RETRY && v->flags & GRID_MISSING_ALL)
		for (i = 0; i < s->blocks; i++)
			s->faults[i].flags &= ~GRID_MISSING_F_UNAVAILABLE;
	if (request == GRID_MISSING_CANCEL && v->flags & GRID_MISSING_ALL) {
		for (i = 0; i < s->blocks; i++)
			s->counters.cancelled += !!s->faults[i].state;
		memset(s->faults, 0, sizeof(s->faults));
		memset(s->tables, 0, sizeof(s->tables));
		return 0;
	}
	for (; v->done < v->count; v->done++, b++) {
		if (request == GRID_MISSING_ENQUEUE) {
			b->result =
				enqueue(s, b->address, &b->checksum, b->flags,
					b->flags & GRID_MISSING_F_TABLE ?
						GRID_MISSING_CAUSE_TABLE_INDEX :
						GRID_MISSING_CAUSE_BLOCK,
					0, 0);
			continue;
		}
		if (request == GRID_MISSING_CANCEL &&
		    b->flags & GRID_MISSING_F_TABLE) {
			b->result = cancel_table(s, b->address);
			continue;
		}
		f = b->address < s->blocks ? &s->faults[b->address] : NULL;
		b->result = f && f->state ? 0 : -ENOENT;
		/* What has no slot is known by its address alone. */
		if (request == GRID_MISSING_CANCEL && getenv("GRID_FAKE_LOST"))
			b->result = 0;
		if (b->result)
			continue;
		if (request == GRID_MISSING_CANCEL) {
			s->counters.cancelled++;
			gone(s, b->address);
		} else if (request == GRID_MISSING_RETRY)
			f->flags &= ~GRID_MISSING_F_UNAVAILABLE;
		else
			f->flags |= GRID_MISSING_F_UNAVAILABLE;
	}
	return 0;
}

static int lists(struct state *s, unsigned long request,
		 struct grid_missing_vector *v)
{
	struct grid_missing_tracker *tr = (void *)(uintptr_t)v->elems;
	struct grid_missing_fault *f = (void *)(uintptr_t)v->elems;
	struct grid_missing_table *t = (void *)(uintptr_t)v->elems;
	uint64_t i = v->cursor;

	if (request == GRID_MISSING_LIST_FAULTS) {
		for (; i < s->blocks && v->done < v->count; i++)
			if (s->faults[i].state &&
			    (!(v->flags & GRID_MISSING_LIST_RANGE) ||
			     (i >= v->first && i <= v->last)))
				fill(s, i, &f[v->done++]);
		v->cursor = i == s->blocks ? UINT64_MAX : i;
		return 0;
	}
	if (request == GRID_MISSING_LIST_TRACKERS &&
	    getenv("GRID_FAKE_PRIVATE")) {
		for (; i < 64 && v->done < v->count; i++) {
			memset(&tr[v->done], 0, sizeof(*tr));
			tr[v->done++].id = i + 1;
		}
		v->cursor = v->done ? i : UINT64_MAX;
		return 0;
	}
	v->cursor = UINT64_MAX;
	if (request == GRID_MISSING_LIST_TABLES) {
		for (i = 0; i < TABLES && v->done < v->count; i++)
			if (s->tables[i].state)
				t[v->done++] = s->tables[i];
		return 0;
	}
	memset(tr, 0, sizeof(*tr));
	tr->id = 1;
	tr->block_size = s->block_size;
	tr->blocks = s->blocks;
	strcpy(tr->name, "fake");
	v->done = 1;
	return 0;
}

static int released(struct grid_missing_vector *v)
{
	struct grid_missing_released *r = (void *)(uintptr_t)v->elems;
	char *text = getenv("GRID_FAKE_RELEASED");

	for (; text && *text && v->done < v->count; v->done++) {
		memset(&r[v->done], 0, sizeof(*r));
		r[v->done].address = strtoull(text, &text, 0);
		r[v->done].count = strtoull(text, &text, 0);
		r[v->done].flags = (uint32_t)strtoul(text, &text, 0);
	}
	v->cursor = UINT64_MAX;
	return 0;
}

static int reclaim(struct state *s, struct grid_missing_vector *v)
{
	struct grid_missing_table *t = (void *)(uintptr_t)v->elems;
	unsigned int i;

	for (i = 0; i < TABLES && v->done < v->count; i++)
		if (ended(&s->tables[i])) {
			t[v->done++] = s->tables[i];
			memset(&s->tables[i], 0, sizeof(s->tables[i]));
		}
	return 0;
}

static int status(const struct state *s, struct grid_missing_status *out)
{
	const char *metadata = getenv("GRID_FAKE_METADATA");
	const char *v;
	uint64_t i;

	*out = s->counters;
	out->size = sizeof(*out);
	out->id = 1;
	out->block_size = s->block_size;
	out->blocks = s->blocks;
	out->blocks_max = s->blocks_max;
	out->tables_max = TABLES;
	out->state = (s->suspended ? GRID_MISSING_STATUS_SUSPENDED : 0) |
		     (s->held ? GRID_MISSING_STATUS_HELD : 0) |
		     (metadata ? GRID_MISSING_STATUS_METADATA : 0);
	if (metadata && !strcmp(metadata, "failed"))
		out->state |= GRID_MISSING_STATUS_METADATA_FAILED;
	for (i = 0; i < s->blocks; i++) {
		out->waiting += !!s->faults[i].state;
		out->unavailable +=
			!!(s->faults[i].flags & GRID_MISSING_F_UNAVAILABLE);
	}
	if (getenv("GRID_FAKE_LOST"))
		out->lost = 3;
	if (getenv("GRID_FAKE_LOST_FULL"))
		out->lost_full = 7;
	if (getenv("GRID_FAKE_TIMEOUTS"))
		out->timeouts = 1;
	out->parked = while_there("GRID_FAKE_PARKED");
	out->helpers = while_there("GRID_FAKE_HELPER");
	v = getenv("GRID_FAKE_PASSED_UP_WHILE");
	if (getenv("GRID_FAKE_PASSED_UP") && (!v || !access(v, F_OK))) {
		out->passed_up = out->passed_up_medium = 60;
		v = getenv("GRID_FAKE_PASSED_UP");
		for (; *v && out->passed_up_count < GRID_MISSING_PASSED_UP;
		     v += *v == ' ')
			out->passed_up_blocks[out->passed_up_count++] =
				strtoull(v, (char **)&v, 10);
		out->passed_up_block = out->passed_up_blocks[0];
	}
	out->blocks_single = singles(s);
	out->blocks_table = out->waiting - out->blocks_single;
	for (i = 0; i < TABLES; i++) {
		out->tables += !!s->tables[i].state;
		out->tables_free += ended(&s->tables[i]);
	}
	return 0;
}

static int fake(struct state *s, int fd, unsigned long request, void *arg)
{
	struct grid_missing_vector *v = arg;
	struct grid_missing_checkpoint *c = arg;
	struct grid_missing_events *ev = arg;
	struct grid_missing_attach *a = arg;
	struct grid_missing_query *q = arg;
	struct grid_missing_repair *r;
	int err;

	switch (request) {
	case GRID_MISSING_QUERY:
		q->features = 0;
		q->vector_max = GRID_MISSING_VECTOR_MAX;
		q->slice_max = 8 << 20;
		return 0;
	case GRID_MISSING_LIST_TRACKERS:
		return lists(s, request, v);
	case GRID_MISSING_ATTACH:
		if (a->id > 1 || a->major || a->minor || s->removed)
			return -ENODEV;
		ours[fd] |= OURS_ATTACHED;
		min_age[fd] = a->min_age_ms;
		a->block_size = s->block_size;
		a->blocks = fails("length") ? s->blocks / 2 : s->blocks;
		memcpy(a->checksum, s->checksum, sizeof(a->checksum));
		return 0;
	}
	if (!(ours[fd] & OURS_ATTACHED))
		return -ENXIO;
	switch (request) {
	case GRID_MISSING_EVENTS:
		/* Nothing ever happens. */
		ev->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		return ev->fd < 0 ? -errno : 0;
	case GRID_MISSING_STATUS:
		return fails("status") ? -EIO : status(s, arg);
	case GRID_MISSING_LIST_FAULTS:
	case GRID_MISSING_LIST_TABLES:
		return lists(s, request, v);
	case GRID_MISSING_LIST_RELEASED:
		if (fails("suspended"))
			s->suspended = 0;
		return released(v);
	}
	if (!(ours[fd] & OURS_WRITE))
		return -EACCES;
	err = flaky();
	if (err)
		return err;
	switch (request) {
	case GRID_MISSING_ENQUEUE:
		if (fails("enqueue"))
			return -EPERM;
		return blocks_call(s, request, v);
	case GRID_MISSING_MARK_UNAVAILABLE:
	case GRID_MISSING_RETRY:
	case GRID_MISSING_CANCEL:
		return blocks_call(s, request, v);
	case GRID_MISSING_BATCH:
		return batch(s, v, fd);
	case GRID_MISSING_RECLAIM:
		return reclaim(s, v);
	case GRID_MISSING_READY:
		if (!s->held)
			return -EINVAL;
		s->held = 0;
		return 0;
	case GRID_MISSING_CHECKPOINT:
		if (c->op == GRID_MISSING_CHECKPOINT_TAKE)
			c->id = 7;
		else if (fails("durable"))
			return -EIO;
		return 0;
	case GRID_MISSING_REPAIR:
		if (while_there("GRID_FAKE_AGAIN"))
			return -EAGAIN;
		r = (void *)(uintptr_t)v->elems;
		/* In short steps: a call may do less than it was asked for. */
		for (; v->done < v->count && v->done < 7; v->done++)
			r[v->done].result = repair(s, &r[v->done]);
		return 0;
	}
	return -EOPNOTSUPP;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct state *s;
	int err, lock;
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == BLKSSZGET && is_disk(fd)) {
		*(int *)arg = atoi(getenv("GRID_FAKE_SECTOR"));
		return 0;
	}
	if (fd < 0 || fd >= 4096 || !ours[fd] ||
	    _IOC_TYPE(request) != GRID_MISSING_IOC)
		return __real_ioctl(fd, request, arg);
	s = lock_state(&lock);
	err = fake(s, fd, request, arg);
	unlock_state(s, lock);
	if (!err)
		return 0;
	errno = -err;
	return -1;
}
