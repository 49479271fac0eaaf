// SPDX-License-Identifier: GPL-2.0
/*
 * What the demo needs in the guest and no tool has: a reader that times each
 * call, damage at random from a seed, a small store with tables, a checkpoint
 * that is timed to the microsecond, and a look at the result.
 *
 * Every number is printed as key=value, one a line, for guest to read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "gridmissing.h"

#define CHUNK (128 << 10)

__attribute__((noreturn, format(printf, 1, 2))) static void
die(const char *format, ...)
{
	va_list args;

	fputs("demo: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void *get(size_t size)
{
	/* For O_DIRECT, too. */
	void *p = aligned_alloc(4096, (size + 4095) / 4096 * 4096);

	if (!p)
		die("no memory");
	memset(p, 0, size);
	return p;
}

/* As get(), of an array that grows. */
static void *grow(void *old, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return old;
	*room = *room ? *room * 2 : 256;
	old = reallocarray(old, *room, size);
	if (!old)
		die("no memory");
	return old;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* splitmix64: the same numbers everywhere. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void fill(void *data, size_t size, uint64_t seed)
{
	uint64_t *p = data;
	size_t i;

	for (i = 0; i < size / 8; i++)
		p[i] = draw(&seed);
}

static uint64_t number(const char *s)
{
	uint64_t value;

	if (gm_parse_u64(s, &value))
		die("\"%s\" is not a number", s);
	return value;
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void read_at(int fd, const char *path, void *data, size_t size,
		    uint64_t at)
{
	ssize_t n = pread(fd, data, size, (off_t)at);

	if (n != (ssize_t)size)
		die("%s: reading at %" PRIu64 ": %s", path, at,
		    n < 0 ? strerror(errno) : "it ends");
}

static void write_at(int fd, const char *path, const void *data, size_t size,
		     uint64_t at)
{
	ssize_t n = pwrite(fd, data, size, (off_t)at);

	if (n != (ssize_t)size)
		die("%s: writing at %" PRIu64 ": %s", path, at,
		    n < 0 ? strerror(errno) : "it ends");
}

/* -------------------------------------------------------------------- read */

struct times {
	double *v;
	size_t count, room;
};

static void add_time(struct times *t, double seconds)
{
	t->v = grow(t->v, t->count, &t->room, sizeof(*t->v));
	t->v[t->count++] = seconds;
}

static int by_time(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

/* In ms; nothing is said about what never happened. */
static void print_times(const char *name, struct times *t)
{
	printf("%s=%zu\n", name, t->count);
	if (!t->count)
		return;
	qsort(t->v, t->count, sizeof(*t->v), by_time);
	printf("%s_median=%.3f\n%s_max=%.3f\n", name, 1e3 * t->v[t->count / 2],
	       name, 1e3 * t->v[t->count - 1]);
}

/**
 * struct reader - reads files and times what the kernel takes for it
 * @dev: the grid below, if it is to be watched
 * @watched: it is
 * @repaired: its counter before the call that is timed
 * @begin: when that began
 * @calls: every open() and read()
 * @waits: those during which a block was repaired
 */
struct reader {
	struct gm_dev dev;
	bool watched;
	uint64_t repaired;
	double begin;
	struct times calls, waits;
};

static uint64_t repaired(struct reader *r)
{
	struct grid_missing_status s;
	int err;

	if (!r->watched)
		return 0;
	err = gm_status(&r->dev, &s);
	if (err)
		die("status of the grid: %s", gm_reason(err));
	return s.repaired;
}

static void call_begins(struct reader *r)
{
	r->begin = now();
}

static void call_ends(struct reader *r)
{
	double seconds = now() - r->begin;
	uint64_t after = repaired(r);

	add_time(&r->calls, seconds);
	if (after != r->repaired)
		add_time(&r->waits, seconds);
	r->repaired = after;
}

/* The file's bytes and hash; 0 or a negative errno. */
static int read_file(struct reader *r, int root, const char *path, void *data,
		     EVP_MD_CTX *md, uint64_t *bytes, char text[65])
{
	unsigned char sum[32];
	unsigned int i;
	int fd, err = 0;
	ssize_t n;

	call_begins(r);
	fd = openat(root, path + 1, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err = -errno;
	call_ends(r);
	if (err)
		return err;
	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	do {
		call_begins(r);
		n = read(fd, data, CHUNK);
		if (n < 0)
			err = -errno;
		call_ends(r);
		if (n > 0) {
			EVP_DigestUpdate(md, data, (size_t)n);
			*bytes += (uint64_t)n;
		}
	} while (n > 0);
	close(fd);
	EVP_DigestFinal_ex(md, sum, NULL);
	for (i = 0; i < 32; i++)
		sprintf(text + 2 * i, "%02x", sum[i]);
	return err;
}

struct file {
	char *path;
	char sum[65];
};

/* Lines "SHA256  PATH", or only PATH. */
static struct file *read_list(const char *name, size_t *count)
{
	struct file *v = NULL;
	size_t room = 0, size = 0;
	char *line = NULL, *path;
	FILE *f = fopen(name, "re");

	if (!f)
		die("%s: %s", name, strerror(errno));
	*count = 0;
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		path = strchr(line, '/');
		if (!path)
			die("%s: \"%s\" has no path", name, line);
		v = grow(v, *count, &room, sizeof(*v));
		memset(&v[*count], 0, sizeof(*v));
		if (path != line && path - line < 64)
			die("%s: \"%s\" has no sha256", name, line);
		if (path != line)
			memcpy(v[*count].sum, line, 64);
		v[*count].path = strdup(path);
		if (!v[*count].path)
			die("no memory");
		(*count)++;
	}
	free(line);
	fclose(f);
	return v;
}

/*
 * read ROOT LIST SEED|- GRID|- PROGRESS|- [SUMS]: read every file of LIST below
 * ROOT, in the order that SEED gives.  Those of known sha256 are compared;
 * SUMS is a new LIST, with what was read.
 */
static int do_read(int argc, char **argv)
{
	struct reader r = { 0 };
	uint64_t bytes = 0, seed, swap;
	size_t count, i, good = 0, failed = 0, wrong = 0;
	struct file *files, other;
	int root, err, progress = -1;
	char text[65], done[32];
	FILE *sums = NULL;
	EVP_MD_CTX *md;
	double begin;
	void *data;

	root = open_or_die(argv[0], O_RDONLY | O_DIRECTORY);
	files = read_list(argv[1], &count);
	if (strcmp(argv[2], "-")) {
		seed = number(argv[2]);
		for (i = count; i > 1; i--) {
			swap = draw(&seed) % i;
			other = files[i - 1];
			files[i - 1] = files[swap];
			files[swap] = other;
		}
	}
	if (strcmp(argv[3], "-")) {
		err = gm_open(&r.dev, O_RDONLY);
		if (!err)
			err = gm_attach(&r.dev, argv[3], 0);
		if (err)
			die("%s: %s", argv[3], gm_reason(err));
		r.watched = true;
		r.repaired = repaired(&r);
	}
	if (strcmp(argv[4], "-"))
		progress = open_or_die(argv[4], O_WRONLY | O_CREAT);
	if (argc > 5) {
		sums = fopen(argv[5], "we");
		if (!sums)
			die("%s: %s", argv[5], strerror(errno));
	}
	md = EVP_MD_CTX_new();
	if (!md)
		die("no memory");
	data = get(CHUNK);

	begin = now();
	for (i = 0; i < count; i++) {
		err = read_file(&r, root, files[i].path, data, md, &bytes,
				text);
		if (err) {
			failed++;
			fprintf(stderr, "%s: %s\n", files[i].path,
				strerror(-err));
		} else if (*files[i].sum && strcmp(files[i].sum, text)) {
			wrong++;
			fprintf(stderr, "%s: is not the replica's\n",
				files[i].path);
		} else {
			good++;
			if (sums)
				fprintf(sums, "%s  %s\n", text, files[i].path);
		}
		if (progress >= 0) {
			snprintf(done, sizeof(done), "%zu\n", i + 1);
			write_at(progress, argv[4], done, strlen(done), 0);
		}
	}
	printf("files=%zu\ngood=%zu\nfailed=%zu\nwrong=%zu\nbytes=%" PRIu64
	       "\nseconds=%.3f\n",
	       count, good, failed, wrong, bytes, now() - begin);
	print_times("calls", &r.calls);
	print_times("waits", &r.waits);
	if (sums && fclose(sums))
		die("%s: %s", argv[5], strerror(errno));
	return 0;
}

/* ------------------------------------------------------------------ damage */

struct use {
	uint64_t block;
	bool data;
};

static int by_block(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

/*
 * damage MAP DISK SEED FILES META: overwrite that many blocks (4 KiB) of files
 * and of metadata, at random, among those that MAP names.  Prints which.
 */
static int do_damage(int argc, char **argv)
{
	size_t count = 0, room = 0, i, n, want[2], there[2] = { 0 };
	uint64_t seed = number(argv[2]), picked;
	struct use *v = NULL, swap;
	char kind[16];
	uint64_t block;
	void *data;
	FILE *map;
	int fd;

	(void)argc;
	want[0] = number(argv[4]);
	want[1] = number(argv[3]);
	map = fopen(argv[0], "re");
	if (!map)
		die("%s: %s", argv[0], strerror(errno));
	while (fscanf(map, "%15s %" SCNu64 " %*s", kind, &block) == 2) {
		v = grow(v, count, &room, sizeof(*v));
		v[count].block = block;
		v[count++].data = !strcmp(kind, "file");
	}
	fclose(map);
	if (!count)
		die("%s names no blocks", argv[0]);
	qsort(v, count, sizeof(*v), by_block);
	for (i = n = 1; i < count; i++)
		if (v[i].block != v[i - 1].block)
			v[n++] = v[i];
	count = n;
	for (i = 0; i < count; i++)
		there[v[i].data]++;
	if (want[0] > there[0] || want[1] > there[1])
		die("only %zu blocks of files and %zu of metadata", there[1],
		    there[0]);

	fd = open_or_die(argv[1], O_WRONLY | O_DIRECT);
	data = get(4096);
	for (i = 0; want[0] || want[1]; i++) {
		picked = i + draw(&seed) % (count - i);
		swap = v[i];
		v[i] = v[picked];
		v[picked] = swap;
		if (!want[v[i].data])
			continue;
		want[v[i].data]--;
		fill(data, 4096, draw(&seed));
		write_at(fd, argv[1], data, 4096, v[i].block * 4096);
		printf("%s %" PRIu64 "\n", v[i].data ? "file" : "metadata",
		       v[i].block);
	}
	if (fsync(fd))
		die("%s: %s", argv[1], strerror(errno));
	return 0;
}

/* ------------------------------------------------------------------- store */

/*
 * The store of step 5: 320 blocks of 64 KiB.  Three tables with 40 values each,
 * single blocks, and blocks that are healthy all the time.  Freed are: all of
 * the last table, with its index; some values of the middle one; some single
 * blocks.  Of these, the application uses some again at once.
 */
#define STORE_BLOCK (64U << 10)
#define STORE_BLOCKS 320
#define STORE_TABLES 3
#define STORE_VALUES 40
#define STORE_STALE 0xa5

enum part { INDEX, VALUE, SINGLE, HEALTHY };

static uint64_t store_value(unsigned int table, unsigned int i)
{
	return 8 + (uint64_t)table * STORE_VALUES + i;
}

static enum part store_part(uint64_t block)
{
	if (block < STORE_TABLES)
		return INDEX;
	if (block >= 8 && block < 8 + STORE_TABLES * STORE_VALUES)
		return VALUE;
	if (block >= 128 && block < 192)
		return SINGLE;
	return HEALTHY;
}

/* Where they begin and how many: discards. */
static const struct range {
	uint64_t first, count;
} store_freed[] = {
	{ 2, 1 }, /* the last table's index */
	{ 48, 8 }, /* values of the middle one */
	{ 88, 40 }, /* the last table's values */
	{ 144, 32 }, /* single blocks */
}, store_reused[] = {
	{ 48, 4 },
	{ 88, 8 },
	{ 144, 16 },
};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static bool within(const struct range *r, size_t count, uint64_t block)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (block >= r[i].first && block < r[i].first + r[i].count)
			return true;
	return false;
}

static bool is_freed(uint64_t block)
{
	return within(store_freed, LENGTH(store_freed), block);
}

static bool is_reused(uint64_t block)
{
	return within(store_reused, LENGTH(store_reused), block);
}

/* What the application writes into a block that it uses again. */
static void reused_data(void *data, uint64_t seed, uint64_t block)
{
	fill(data, STORE_BLOCK, seed ^ (block + 1) << 32);
}

/*
 * store REPLICA DISK TABLES SINGLES SEED: write the replica; the disk, where
 * all that is missing holds something stale; and what is to be enqueued.
 */
static int do_store(int argc, char **argv)
{
	struct grid_missing_value values[STORE_VALUES];
	char text[GM_CHECKSUM_TEXT];
	struct grid_missing_checksum sum;
	uint64_t seed = number(argv[4]), b;
	int replica, disk, err;
	struct gm_hash hash;
	unsigned int t, i;
	FILE *out[2];
	void *data, *stale;

	(void)argc;
	replica = open_or_die(argv[0], O_RDWR | O_CREAT | O_TRUNC);
	disk = open_or_die(argv[1], O_WRONLY | O_DIRECT);
	err = gm_hash_open(&hash, "sha256");
	if (err)
		die("sha256: %s", gm_reason(err));
	out[0] = fopen(argv[2], "we");
	out[1] = fopen(argv[3], "we");
	if (!out[0] || !out[1])
		die("%s, %s: %s", argv[2], argv[3], strerror(errno));
	data = get(STORE_BLOCK);
	stale = get(STORE_BLOCK);
	memset(stale, STORE_STALE, STORE_BLOCK);

	for (b = 0; b < STORE_BLOCKS; b++) {
		fill(data, STORE_BLOCK, seed + b);
		if (store_part(b) != INDEX)
			write_at(replica, argv[0], data, STORE_BLOCK,
				 b * STORE_BLOCK);
		write_at(disk, argv[1], store_part(b) == HEALTHY ? data : stale,
			 STORE_BLOCK, b * STORE_BLOCK);
		if (store_part(b) == SINGLE) {
			err = gm_hash(&hash, data, STORE_BLOCK, &sum);
			if (err)
				die("sha256: %s", gm_reason(err));
			fprintf(out[1], "%" PRIu64 " %s\n", b,
				gm_format_checksum(&sum, text));
		}
	}
	for (t = 0; t < STORE_TABLES; t++) {
		for (i = 0; i < STORE_VALUES; i++) {
			values[i].address = store_value(t, i);
			read_at(replica, argv[0], data, STORE_BLOCK,
				values[i].address * STORE_BLOCK);
			err = gm_hash(&hash, data, STORE_BLOCK,
				      &values[i].checksum);
			if (err)
				die("sha256: %s", gm_reason(err));
		}
		err = gm_index_encode(data, STORE_BLOCK, values, STORE_VALUES);
		if (!err)
			err = gm_hash(&hash, data, STORE_BLOCK, &sum);
		if (err)
			die("index %u: %s", t, gm_reason(err));
		write_at(replica, argv[0], data, STORE_BLOCK,
			 (uint64_t)t * STORE_BLOCK);
		fprintf(out[0], "%u %s\n", t, gm_format_checksum(&sum, text));
	}
	if (fclose(out[0]) || fclose(out[1]) || fsync(replica) || fsync(disk))
		die("writing the store: %s", strerror(errno));
	gm_hash_close(&hash);
	return 0;
}

static uint64_t count_of(const struct range *r, size_t count)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < count; i++)
		n += r[i].count;
	return n;
}

static void mark(int marker, const char *text)
{
	if (write(marker, text, strlen(text)) < 0)
		die("trace_marker: %s", strerror(errno));
}

/* How many of the freed blocks are missing now, by state. */
static void freed_states(struct gm_dev *dev, const char *when)
{
	struct grid_missing_fault v[STORE_BLOCKS];
	uint64_t cursor = 0, by[4] = { 0 };
	int n, i;

	while (cursor != GM_CURSOR_END) {
		n = gm_list_faults(dev, &cursor, v, STORE_BLOCKS);
		if (n == -EINTR)
			continue;
		if (n < 0)
			die("listing faults: %s", gm_reason(n));
		for (i = 0; i < n; i++)
			if (is_freed(v[i].address) && v[i].state < 4)
				by[v[i].state]++;
	}
	printf("%s_waiting=%" PRIu64 "\n%s_writing=%" PRIu64
	       "\n%s_aborting=%" PRIu64 "\n",
	       when, by[GRID_MISSING_STATE_WAITING], when,
	       by[GRID_MISSING_STATE_WRITING], when,
	       by[GRID_MISSING_STATE_ABORTING]);
}

/*
 * free GRID DEVICE SEED MARKER SECONDS: wait until freed blocks of every kind are
 * under repair, discard them, flush, and use some of them again.
 */
static int do_free(int argc, char **argv)
{
	const char *path = argv[1];
	struct grid_missing_fault v[STORE_BLOCKS];
	uint64_t seed = number(argv[2]), range[2], cursor, b;
	double begin, end = now() + (double)number(argv[4]);
	int fd, err, n, i, marker;
	unsigned int waiting, writing, value, fresh;
	bool under[STORE_BLOCKS] = {};
	struct gm_dev dev;
	void *data;

	(void)argc;
	fd = open_or_die(path, O_RDWR | O_DIRECT);
	marker = open_or_die(argv[3], O_WRONLY);
	err = gm_open(&dev, O_RDONLY);
	if (!err)
		err = gm_attach(&dev, argv[0], 0);
	if (err)
		die("%s: %s", argv[0], gm_reason(err));

	/*
	 * Of what is to be freed, some must wait and some be on their way down,
	 * one since just now, so that it still is when the flush comes; and the
	 * last table's values must be known.
	 */
	for (;;) {
		bool before[STORE_BLOCKS];

		memcpy(before, under, sizeof(before));
		memset(under, 0, sizeof(under));
		waiting = writing = value = fresh = 0;
		cursor = 0;
		while (cursor != GM_CURSOR_END) {
			n = gm_list_faults(&dev, &cursor, v, STORE_BLOCKS);
			if (n < 0 && n != -EINTR)
				die("listing faults: %s", gm_reason(n));
			for (i = 0; i < n; i++) {
				if (!is_freed(v[i].address))
					continue;
				if (v[i].state == GRID_MISSING_STATE_WAITING)
					waiting++;
				if (v[i].state == GRID_MISSING_STATE_WRITING) {
					writing++;
					fresh += !before[v[i].address];
					under[v[i].address] = true;
				}
				if (store_part(v[i].address) == VALUE &&
				    v[i].table == STORE_TABLES - 1)
					value++;
			}
		}
		if (waiting && writing > 1 && fresh && value)
			break;
		if (now() > end)
			die("no freed block was under repair in time (%u wait, %u are being written, %u of the last table)",
			    waiting, writing, value);
		usleep(2000);
	}

	freed_states(&dev, "before");
	mark(marker, "demo: discards begin");
	for (i = 0; i < (int)LENGTH(store_freed); i++) {
		range[0] = store_freed[i].first * STORE_BLOCK;
		range[1] = store_freed[i].count * STORE_BLOCK;
		if (ioctl(fd, BLKDISCARD, range))
			die("%s: discard of block %" PRIu64 ": %s", path,
			    store_freed[i].first, strerror(errno));
	}
	mark(marker, "demo: barrier begins");
	begin = now();
	if (fsync(fd))
		die("%s: flush: %s", path, strerror(errno));
	mark(marker, "demo: barrier ended");
	printf("barrier_ms=%.1f\n", 1e3 * (now() - begin));
	freed_states(&dev, "after");
	printf("freed=%" PRIu64 "\nreused=%" PRIu64 "\n",
	       count_of(store_freed, LENGTH(store_freed)),
	       count_of(store_reused, LENGTH(store_reused)));

	data = get(STORE_BLOCK);
	for (b = 0; b < STORE_BLOCKS; b++) {
		if (!is_reused(b))
			continue;
		reused_data(data, seed, b);
		write_at(fd, path, data, STORE_BLOCK, b * STORE_BLOCK);
	}
	mark(marker, "demo: written again");
	gm_close(&dev);
	return 0;
}

static bool all(const unsigned char *data, unsigned char byte)
{
	return data[0] == byte && !memcmp(data, data + 1, STORE_BLOCK - 1);
}

/*
 * look DISK REPLICA SEED: what is beneath now, block by block; which must be
 * what, is for guest to judge.
 */
static int do_look(int argc, char **argv)
{
	uint64_t seed = number(argv[2]), b, kept = 0, kept_equal = 0,
		 reused_equal = 0, left = 0, left_zero = 0, left_stale = 0,
		 left_replica = 0, left_other = 0;
	void *data, *good, *own;
	int disk, replica;

	(void)argc;
	disk = open_or_die(argv[0], O_RDONLY | O_DIRECT);
	replica = open_or_die(argv[1], O_RDONLY);
	data = get(STORE_BLOCK);
	good = get(STORE_BLOCK);
	own = get(STORE_BLOCK);
	for (b = 0; b < STORE_BLOCKS; b++) {
		read_at(disk, argv[0], data, STORE_BLOCK, b * STORE_BLOCK);
		read_at(replica, argv[1], good, STORE_BLOCK, b * STORE_BLOCK);
		if (is_reused(b)) {
			reused_data(own, seed, b);
			reused_equal += !memcmp(data, own, STORE_BLOCK);
		} else if (is_freed(b)) {
			left++;
			if (all(data, 0))
				left_zero++;
			else if (all(data, STORE_STALE))
				left_stale++;
			else if (!memcmp(data, good, STORE_BLOCK))
				left_replica++;
			else
				left_other++;
		} else {
			kept++;
			kept_equal += !memcmp(data, good, STORE_BLOCK);
		}
	}
	printf("kept=%" PRIu64 "\nkept_equal=%" PRIu64 "\nreused_equal=%" PRIu64
	       "\nleft=%" PRIu64 "\nleft_zero=%" PRIu64 "\nleft_stale=%" PRIu64
	       "\nleft_replica=%" PRIu64 "\nleft_other=%" PRIu64 "\n",
	       kept, kept_equal, reused_equal, left, left_zero, left_stale,
	       left_replica, left_other);
	return 0;
}

/*
 * trace FILE: the requests that the disk below the store got (block_rq_issue) and
 * what became of the faults (grid_missing_change), from a trace of do_free().
 */
static int do_trace(int argc, char **argv)
{
	uint64_t sector, b, late = 0, discards = 0, writes = 0, address, held,
			    written;
	char *line = NULL, *at, rwbs[16], change[32];
	unsigned int count, aborted = 0, dropped = 0, landed = 0;
	size_t size = 0;
	bool began = false, ended = false, whole = false;
	FILE *f = fopen(argv[0], "re");

	(void)argc;
	if (!f)
		die("%s: %s", argv[0], strerror(errno));
	while (getline(&line, &size, f) > 0) {
		if (strstr(line, "demo: barrier begins")) {
			began = true;
		} else if (strstr(line, "demo: barrier ended")) {
			ended = true;
		} else if (sscanf(line,
				  "# entries-in-buffer/entries-written: %" SCNu64
				  "/%" SCNu64,
				  &held, &written) == 2) {
			if (held != written)
				die("the trace has lost events: %s", line);
			whole = true;
		}
		at = strstr(line, "block_rq_issue: ");
		if (at &&
		    sscanf(at,
			   "block_rq_issue: %*s %15s %*u () %" SCNu64 " + %u",
			   rwbs, &sector, &count) == 3) {
			if (strchr(rwbs, 'D')) {
				discards += ended;
				continue;
			}
			if (!strchr(rwbs, 'W') || !count)
				continue;
			writes++;
			/*
			 * What the application writes again itself can't be
			 * told from a repair here; its content is compared.
			 */
			for (b = sector / (STORE_BLOCK / 512);
			     b <= (sector + count - 1) / (STORE_BLOCK / 512);
			     b++) {
				if (!is_freed(b) || is_reused(b))
					continue;
				late += ended;
			}
		}
		at = strstr(line, "grid_missing_change: ");
		at = at ? strstr(at, "address=") : NULL;
		if (!at ||
		    sscanf(at, "address=%" SCNu64 " %31s", &address, change) !=
			    2 ||
		    !is_freed(address))
			continue;
		aborted += !strcmp(change, "writing->aborting");
		dropped += !strcmp(change, "waiting->gone");
		landed += !strcmp(change, "writing->gone");
	}
	if (!began || !ended || !whole || !writes)
		die("%s: the trace is not whole", argv[0]);
	printf("late=%" PRIu64 "\ndiscards=%" PRIu64 "\nwrites=%" PRIu64
	       "\naborted=%u\ndropped=%u\nlanded=%u\n",
	       late, discards, writes, aborted, dropped, landed);
	free(line);
	fclose(f);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int min, max;
		int (*run)(int argc, char **argv);
	} verbs[] = {
		{ "read", 5, 6, do_read },   { "damage", 5, 5, do_damage },
		{ "store", 5, 5, do_store }, { "free", 5, 5, do_free },
		{ "look", 3, 3, do_look },   { "trace", 1, 1, do_trace },
	};
	size_t i;
	int code;

	for (i = 0; argc > 1 && i < LENGTH(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) || argc - 2 < verbs[i].min ||
		    argc - 2 > verbs[i].max)
			continue;
		code = verbs[i].run(argc - 2, argv + 2);
		if (fflush(stdout) || ferror(stdout))
			die("writing: %s", strerror(errno));
		return code;
	}
	fputs("usage: see demo.c\n", stderr);
	return 2;
}
