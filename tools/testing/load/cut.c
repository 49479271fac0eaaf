// SPDX-License-Identifier: GPL-2.0
/*
 * The power fails: after every write that came below, what the application was
 * promised is there.
 *
 *	cut run GRID BELOW NAME [KEY=VALUE...]	transactions=N (300) seed=N (1)
 *						start=SECTOR (0) of the grid on BELOW
 *	cut check LOG BLOCK-BYTES [START]
 *
 * `run` keeps a small store on GRID, which lies on the dm-log-writes device NAME,
 * whose node is BELOW.  The store never overwrites: an item gets a new block,
 * then one of two roots (blocks 0 and 1, the newer counts) names the new
 * blocks, then the old ones are discarded, and all that is durable when a flush
 * ends; only then are the old blocks used for something else.  Meanwhile blocks
 * of items are enqueued and spoilt below, and repaired some time later: at times
 * so late that the block has been freed and used again.
 *
 * `check` plays the log of dm-log-writes back, write by write.  It orders writes
 * as the flushes made them durable, those not flushed are lost.  A discard may
 * have happened at any time since the last flush, so each is taken to be its
 * first deed.  After each write the newest whole root must be one not older
 * than the last flush that ended promised, and each block it names must hold
 * what it had when it was named; or was enqueued, and no repair of it has ended
 * well: a crash forgets faults (D11).  The run's promises are marks in the log:
 *
 *	root:VERSION	a flush ended that followed this root
 *	good:BLOCK	a repair of it ended well
 *
 * The block's checksum is a number that names one enqueue, and the write that its
 * repair would bring back.
 *
 * With START the head of the disk is the grid's metadata, and a crash forgets
 * nothing (M3): after each write it is loaded, and every block that is bad has to
 * be missing, until it is freed, of which there is a mark as well:
 *
 *	freed:BLOCK	it is about to be discarded
 *
 * Some blocks are lost while they are free, and then written.  One that is missing has to be repaired to what the promised root
 * says, where that is the newest.
 */
#include <libdevmapper.h>
#include <linux/fs.h>
#include <pthread.h>

#include "../../../kmod/target/meta.h"
#include "calls.h"

#define ROOT_MAGIC 0x746f6f726472696bULL
#define ROOT_BYTES 4096U
#define ITEMS 48
#define ROOTS 2
#define LATE 12 /* most repairs that are due */

struct root {
	uint64_t magic, version;
	struct {
		uint32_t block, sequence; /* which write of it */
	} item[ITEMS];
	uint64_t sum;
};

static uint64_t root_sum(const struct root *r)
{
	const unsigned char *p = (const void *)r;
	uint64_t sum = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < offsetof(struct root, sum); i++)
		sum = (sum ^ p[i]) *
		      0x100000001b3ULL; /* FNV-1a, by its authors' figures */
	return sum;
}

static void stamp_block(void *buffer, unsigned int block_size, uint64_t b,
			uint32_t sequence, enum load_writer who)
{
	unsigned int i, n = block_size / SECTOR;

	for (i = 0; i < n; i++)
		load_stamp((char *)buffer + i * SECTOR, b * n + i, sequence,
			   who);
}

/* Has @buffer what write @sequence of block @b, or a repair, put there? */
static bool block_is(const void *buffer, unsigned int block_size, uint64_t b,
		     uint32_t sequence)
{
	unsigned int i, n = block_size / SECTOR;
	struct load_stamp s;

	for (i = 0; i < n; i++)
		if (!load_stamp_of((const char *)buffer + i * SECTOR, &s) ||
		    s.sector != b * n + i || s.sequence != sequence ||
		    s.writer == LOAD_SPOILER)
			return false;
	return true;
}

static void tell_block(const void *buffer, unsigned int block_size)
{
	unsigned int i, n = block_size / SECTOR;
	struct load_stamp s;

	for (i = 0; i < n; i++) {
		if (load_stamp_of((const char *)buffer + i * SECTOR, &s))
			printf("sector %u: of %llu, write %u, writer %u\n", i,
			       (unsigned long long)s.sector, s.sequence,
			       s.writer);
		else
			printf("sector %u: no stamp\n", i);
	}
}

/* ---- run ---- */

struct late {
	uint64_t block, number;
	uint32_t sequence; /* what it had when it was enqueued */
};

static struct load_grid grid;
static int below;
static uint64_t start; /* of the grid, bytes */
static const char *log_name;
static struct root root;
static uint32_t *free_blocks, *left_blocks; /* left: until the next flush */
static unsigned int free_count, left_count;
static uint32_t sequence;
static uint64_t numbers;
static unsigned int r_state = 1;
static bool stopping;
static bool whole; /* blocks are written in one go */

/*
 * One flush at a time comes below: dm-log-writes logs what a flush made durable
 * when that flush ends, though one that began later may have ended before.
 */
static pthread_mutex_t flushing = PTHREAD_MUTEX_INITIALIZER;

/* Of both threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct late late[LATE];
static unsigned int late_count;
static bool *faulty; /* a repair of it is due or under way */

static struct {
	unsigned int flushes, spoilt, repaired, not_repaired, refused;
} total;

/* Put a mark into the log; @lock is held, libdevmapper is not for two at once. */
static void mark(const char *what, uint64_t number)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_TARGET_MSG);
	char message[64];

	snprintf(message, sizeof(message), "mark %s:%llu", what,
		 (unsigned long long)number);
	if (!task || !dm_task_set_name(task, log_name) ||
	    !dm_task_set_sector(task, 0) ||
	    !dm_task_set_message(task, message) || !dm_task_run(task))
		load_die("%s: %s: %s", log_name, message, strerror(errno));
	dm_task_destroy(task);
}

static void flush_at(int fd)
{
	pthread_mutex_lock(&flushing);
	if (fdatasync(fd))
		load_die("flush: %s", strerror(errno));
	pthread_mutex_unlock(&flushing);
}

static void write_at(int fd, const void *buffer, size_t n, uint64_t offset)
{
	ssize_t r = pwrite(fd, buffer, n, offset);

	if (r < 0 || (size_t)r != n)
		load_die("write of %zu at %llu: %s", n,
			 (unsigned long long)offset, strerror(errno));
}

/* One element of a repair; 0 or a negative errno. */
static int repair(const struct late *l, void *buffer)
{
	struct grid_missing_repair e = {
		.address = l->block,
		.checksum = load_checksum(l->number),
		.data = (uintptr_t)buffer,
	};
	int done;

	stamp_block(buffer, grid.block_size, l->block, l->sequence,
		    LOAD_REPAIR);
	pthread_mutex_lock(&flushing);
	done = load_call(&grid, GRID_MISSING_REPAIR, &e, sizeof(e), 1);
	pthread_mutex_unlock(&flushing);
	return done < 0 ? done : e.result;
}

static void *repairer(void *arg)
{
	void *buffer = load_memory(grid.block_size);
	unsigned int r = r_state + 1, i;
	struct late l;
	int error;

	(void)arg;
	for (;;) {
		usleep(rand_r(&r) % 8000);
		pthread_mutex_lock(&lock);
		if (!late_count) {
			bool over = stopping;

			pthread_mutex_unlock(&lock);
			if (over)
				break;
			continue;
		}
		i = rand_r(&r) % late_count;
		l = late[i];
		late[i] = late[--late_count];
		pthread_mutex_unlock(&lock);
		error = repair(&l, buffer);
		pthread_mutex_lock(&lock);
		if (!error) {
			mark("good", l.block);
			total.repaired++;
		} else {
			total.not_repaired++;
		}
		faulty[l.block] = false;
		pthread_mutex_unlock(&lock);
	}
	free(buffer);
	return NULL;
}

/* Block @b is missing, and spoilt below; its repair would bring @number. */
static void spoil(uint32_t b, uint64_t number, void *buffer)
{
	struct grid_missing_block e = { .address = b,
					.checksum = load_checksum(number) };
	unsigned int tries = 0;
	int done;

	/* It may flush; and a block whose discard is not through is busy. */
	do {
		if (tries)
			usleep(2000);
		pthread_mutex_lock(&flushing);
		done = load_call(&grid, GRID_MISSING_ENQUEUE, &e, sizeof(e), 1);
		pthread_mutex_unlock(&flushing);
	} while (done == 1 && e.result == -EBUSY && ++tries < 5000);
	if (done != 1 || e.result)
		load_die("enqueue of block %u: %d, %d", b, done, e.result);
	stamp_block(buffer, grid.block_size, b, 0, LOAD_SPOILER);
	write_at(below, buffer, grid.block_size,
		 start + (uint64_t)b * grid.block_size);
	/* In the log, too, the block is bad before it is good again. */
	flush_at(below);
	total.spoilt++;
}

/* A block of an item is lost; its repair is in @l.  False if it can't be now. */
static bool lose(uint64_t item, struct late *l, void *buffer)
{
	uint32_t b = root.item[item].block;
	bool busy;

	pthread_mutex_lock(&lock);
	busy = faulty[b] || late_count == LATE;
	if (!busy)
		faulty[b] = true;
	pthread_mutex_unlock(&lock);
	if (busy)
		return false;
	l->block = b;
	l->sequence = root.item[item].sequence;
	l->number = ++numbers << 32 | l->sequence;
	spoil(l->block, l->number, buffer);
	return true;
}

static void due(const struct late *l)
{
	pthread_mutex_lock(&lock);
	late[late_count++] = *l;
	pthread_mutex_unlock(&lock);
}

static uint32_t take_at(unsigned int i)
{
	uint32_t b = free_blocks[i];

	free_blocks[i] = free_blocks[--free_count];
	return b;
}

static uint32_t take_free(void)
{
	if (!free_count)
		load_die("no block is free");
	return take_at(rand_r(&r_state) % free_count);
}

static void take_this(uint32_t b)
{
	unsigned int i;

	for (i = 0; i < free_count; i++)
		if (free_blocks[i] == b)
			break;
	if (i == free_count)
		load_die("block %u is not free", b);
	take_at(i);
}

/* Block @b for @item; the old one, to be discarded once a root says so. */
static uint32_t write_item(uint64_t item, uint32_t b, void *buffer)
{
	uint32_t old = root.item[item].block, half = grid.block_size / 2;

	stamp_block(buffer, grid.block_size, b, ++sequence, LOAD_APPLICATION);
	if (whole || rand_r(&r_state) & 1) {
		write_at(grid.device, buffer, grid.block_size,
			 (uint64_t)b * grid.block_size);
	} else {
		write_at(grid.device, buffer, half,
			 (uint64_t)b * grid.block_size);
		write_at(grid.device, (char *)buffer + half, half,
			 (uint64_t)b * grid.block_size + half);
	}
	root.item[item].block = b;
	root.item[item].sequence = sequence;
	return old;
}

static void write_root(void *buffer)
{
	root.version++;
	root.sum = root_sum(&root);
	memset(buffer, 0, ROOT_BYTES);
	memcpy(buffer, &root, sizeof(root));
	write_at(grid.device, buffer, ROOT_BYTES,
		 root.version % ROOTS * grid.block_size);
}

static void discard(uint32_t b)
{
	uint64_t range[] = { (uint64_t)b * grid.block_size, grid.block_size };

	if (start) {
		pthread_mutex_lock(&lock);
		mark("freed", b);
		pthread_mutex_unlock(&lock);
	}
	if (ioctl(grid.device, BLKDISCARD, range))
		load_die("discard of block %u: %s", b, strerror(errno));
	left_blocks[left_count++] = b;
}

static void flush(void)
{
	flush_at(grid.device);
	total.flushes++;
	pthread_mutex_lock(&lock);
	mark("root", root.version);
	pthread_mutex_unlock(&lock);
	while (left_count)
		free_blocks[free_count++] = left_blocks[--left_count];
}

static void read_item(uint64_t item, void *buffer)
{
	uint64_t b = root.item[item].block;
	ssize_t n = pread(grid.device, buffer, grid.block_size,
			  b * grid.block_size);

	if (n != grid.block_size)
		load_die("read of block %llu: %s", (unsigned long long)b,
			 strerror(errno));
	if (!block_is(buffer, grid.block_size, b, root.item[item].sequence)) {
		tell_block(buffer, grid.block_size);
		load_die("block %llu was read without write %u",
			 (unsigned long long)b, root.item[item].sequence);
	}
}

static void transaction(void *buffer)
{
	unsigned int n = 1 + rand_r(&r_state) % 3, i;
	uint32_t old[3];

	for (i = 0; i < n; i++)
		old[i] = write_item(rand_r(&r_state) % ITEMS, take_free(),
				    buffer);
	write_root(buffer);
	for (i = 0; i < n; i++)
		discard(old[i]);
}

/* A free block is lost, and written: with the flush it is good. */
static void overwrite(void *buffer)
{
	uint64_t item = rand_r(&r_state) % ITEMS;
	uint32_t b, old;
	bool busy;

	b = take_free();
	pthread_mutex_lock(&lock);
	busy = faulty[b];
	pthread_mutex_unlock(&lock);
	if (!busy)
		spoil(b, ++numbers << 32, buffer);
	whole = true;
	old = write_item(item, b, buffer);
	whole = false;
	write_root(buffer);
	flush();
	/* Only now: that flush was to have nothing to free. */
	discard(old);
}

/* A block is lost, freed, and used again; then comes its repair. */
static void too_late(void *buffer)
{
	uint64_t item;
	struct late l;
	uint32_t b;
	int error;

	/* The repairer makes room. */
	do
		item = rand_r(&r_state) % ITEMS;
	while (!lose(item, &l, buffer));
	b = write_item(item, take_free(), buffer);
	write_root(buffer);
	discard(b);
	flush();
	if (rand_r(&r_state) & 1) {
		uint32_t old;

		take_this(b);
		item = rand_r(&r_state) % ITEMS;
		old = write_item(item, b, buffer);
		write_root(buffer);
		discard(old);
	}
	error = repair(&l, buffer);
	if (!error)
		load_die(
			"a late repair of block %u ended well, which was freed",
			b);
	pthread_mutex_lock(&lock);
	faulty[b] = false;
	pthread_mutex_unlock(&lock);
	total.refused++;
}

static void run(unsigned int transactions)
{
	void *buffer = load_memory(grid.block_size);
	pthread_t thread;
	unsigned int t;
	struct late l;
	uint64_t i;

	free_blocks = load_memory(grid.blocks * sizeof(*free_blocks));
	left_blocks = load_memory(grid.blocks * sizeof(*left_blocks));
	faulty = load_memory(grid.blocks * sizeof(*faulty));
	for (i = ROOTS; i < grid.blocks; i++)
		free_blocks[free_count++] = i;
	root.magic = ROOT_MAGIC;
	for (i = 0; i < ITEMS; i++)
		write_item(i, take_free(), buffer);
	flush();
	write_root(buffer);
	flush();
	if (pthread_create(&thread, NULL, repairer, NULL))
		load_die("pthread_create");
	for (t = 0; t < transactions; t++) {
		if (rand_r(&r_state) % 2 &&
		    lose(rand_r(&r_state) % ITEMS, &l, buffer))
			due(&l);
		if (t % 16 == 8)
			too_late(buffer);
		if (start && t % 4 == 1)
			overwrite(buffer);
		if (rand_r(&r_state) % 4 == 0)
			read_item(rand_r(&r_state) % ITEMS, buffer);
		transaction(buffer);
		flush();
	}
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	for (i = 0; i < ITEMS; i++)
		read_item(i, buffer);
	flush();
	printf("%u transactions, %u flushes, %u blocks spoilt, %u repaired, %u repairs too late, %u long after\n",
	       transactions, total.flushes, total.spoilt, total.repaired,
	       total.not_repaired, total.refused);
	if (!total.repaired || !total.refused)
		load_die("too little has happened");
	free(buffer);
}

/* ---- check ---- */

/* The log's format: Documentation/admin-guide/device-mapper/log-writes.rst */
#define LOG_MAGIC 0x6a736677736872ULL
#define LOG_FLUSH 1U
#define LOG_DISCARD 4U
#define LOG_MARK 8U
#define IMAGE_SECTORS (1U << 18)

struct log_super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};

struct log_entry {
	uint64_t sector, sectors, flags, length;
	const char *data; /* in memory only: what was written, or the mark */
};

static unsigned char *image; /* of the grid: the disk from @start on */
static unsigned char *area; /* of its metadata, or NULL */
static bool area_changed;
static struct gmeta_loaded map;
static bool *excused; /* a block is bad, and nobody said otherwise */
static bool *freed; /* likewise: it was discarded since it became bad */
static unsigned int block_bytes;
static uint64_t promised; /* the root a flush made durable */
static struct {
	unsigned int writes, discards, flushes, roots, good, excused, loads;
} seen;

static bool root_at(unsigned int slot, struct root *r)
{
	memcpy(r, image + (size_t)slot * block_bytes, sizeof(*r));
	return r->magic == ROOT_MAGIC && r->sum == root_sum(r) &&
	       r->version % ROOTS == slot;
}

/* What the log has of block @b; and of roots, for the order. */
static void tell(const struct log_entry *entry, uint64_t count, uint32_t b)
{
	uint64_t begin = (start + (uint64_t)b * block_bytes) / SECTOR, i;
	uint64_t end = begin + block_bytes / SECTOR;
	struct load_stamp s = {};
	struct root r;

	for (i = 0; i < count; i++) {
		const struct log_entry *e = &entry[i];
		bool hit = e->sector < end && e->sector + e->sectors > begin;

		if (e->flags & LOG_MARK) {
			printf("%6llu %.*s\n", (unsigned long long)i,
			       (int)e->length, e->data);
		} else if (e->flags & LOG_DISCARD) {
			if (hit)
				printf("%6llu discard\n",
				       (unsigned long long)i);
		} else if (!e->sectors) {
			printf("%6llu flush\n", (unsigned long long)i);
		} else if (hit && e->sector >= begin) {
			load_stamp_of(e->data, &s);
			printf("%6llu write %u by %u at +%llu\n",
			       (unsigned long long)i, s.sequence, s.writer,
			       (unsigned long long)(e->sector - begin));
		} else if (e->sectors * SECTOR == ROOT_BYTES) {
			memcpy(&r, e->data, sizeof(r));
			if (r.magic == ROOT_MAGIC)
				printf("%6llu root %llu\n",
				       (unsigned long long)i,
				       (unsigned long long)r.version);
		}
	}
}

static int area_read(void *priv, u64 from, void *buf, u32 bytes)
{
	(void)priv;
	memcpy(buf, area + from, bytes);
	return 0;
}

/* The metadata as the disk has it now. False: it is not there yet. */
static bool load_map(uint64_t where)
{
	const struct gmeta_device dev = { .read = area_read, .bytes = start };
	int e;

	if (area_changed) {
		gmeta_unload(&map);
		e = gmeta_load(&dev, &map);
		/* While it is being made. */
		if (e == -ENODATA && !promised)
			return false;
		if (e)
			load_die("entry %llu: the metadata: %s (%d)",
				 (unsigned long long)where, map.why, e);
		area_changed = false;
		seen.loads++;
	}
	return true;
}

/* Is block @b, that should have write @sequence, missing, as it should be? */
static bool map_has(uint32_t b, bool bad, uint32_t wanted, bool newest)
{
	const struct gmeta_fault *f = gmeta_map_find(&map.map, b);
	uint64_t number = 0;

	if (!f)
		return !bad;
	memcpy(&number, f->sum, sizeof(number));
	seen.excused += bad;
	return !newest || (uint32_t)number == wanted;
}

/* The power fails now. @where: the entry before. */
static void power_cut(const struct log_entry *entry, uint64_t count,
		      uint64_t where)
{
	struct root newest = {}, r;
	unsigned int i;
	uint32_t b;
	bool good;

	if (area && !load_map(where))
		return;
	for (b = 0; area && b < map.super.blocks; b++)
		if (excused[b] && !freed[b] && !gmeta_map_find(&map.map, b)) {
			tell(entry, count, b);
			load_die("entry %llu: block %u is bad, and not missing",
				 (unsigned long long)where, b);
		}
	for (i = 0; i < ROOTS; i++)
		if (root_at(i, &r) && r.version > newest.version)
			newest = r;
	if (newest.version < promised)
		load_die(
			"entry %llu: root %llu is the newest, %llu was promised",
			(unsigned long long)where,
			(unsigned long long)newest.version,
			(unsigned long long)promised);
	if (!newest.version)
		return;
	for (i = 0; i < ITEMS; i++) {
		b = newest.item[i].block;
		good = block_is(image + (size_t)b * block_bytes, block_bytes, b,
				newest.item[i].sequence);
		if (area ? map_has(b, !good, newest.item[i].sequence,
				   newest.version == promised) :
			   good)
			continue;
		if (!area && excused[b]) {
			seen.excused++;
			continue;
		}
		tell(entry, count, b);
		tell_block(image + (size_t)b * block_bytes, block_bytes);
		load_die(
			"entry %llu: block %u has not write %u, as root %llu says",
			(unsigned long long)where, b, newest.item[i].sequence,
			(unsigned long long)newest.version);
	}
}

static void play_write(const struct log_entry *e)
{
	struct load_stamp s;
	uint64_t i;

	if (area && e->sector < start / SECTOR) {
		memcpy(area + e->sector * SECTOR, e->data, e->sectors * SECTOR);
		area_changed = true;
		seen.writes++;
		return;
	}
	for (i = 0; i < e->sectors; i++) {
		const char *sector = e->data + i * SECTOR;
		uint64_t b = ((e->sector + i) * SECTOR - start) / block_bytes;

		if (load_stamp_of(sector, &s)) {
			excused[b] = s.writer == LOAD_SPOILER;
			freed[b] &= !excused[b];
		}
		memcpy(image + (e->sector + i) * SECTOR - start, sector,
		       SECTOR);
	}
	seen.writes++;
}

static void play_discard(const struct log_entry *e)
{
	memset(image + e->sector * SECTOR - start, 0, e->sectors * SECTOR);
}

static void play_mark(const struct log_entry *e)
{
	char mark[SECTOR + 1] = "";
	unsigned long long n;

	memcpy(mark, e->data, e->length < SECTOR ? e->length : SECTOR);
	if (sscanf(mark, "root:%llu", &n) == 1) {
		promised = n;
		seen.roots++;
	} else if (sscanf(mark, "freed:%llu", &n) == 1) {
		freed[n] = true;
	} else if (sscanf(mark, "good:%llu", &n) == 1) {
		excused[n] = false;
		seen.good++;
	}
}

/* All entries of the log, their sectors counted in 512 bytes. */
static struct log_entry *read_log(const char *path, uint64_t *count)
{
	struct log_entry *entry;
	struct log_super super;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at, i;
	off_t size;
	char *log;

	size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	if (size < (off_t)sizeof(super))
		load_die("%s: %s", path, strerror(errno));
	log = load_memory(size);
	for (at = 0; at < (uint64_t)size; at += i) {
		ssize_t n = pread(fd, log + at, size - at, at);

		if (n <= 0)
			load_die("%s: %s", path, strerror(errno));
		i = n;
	}
	close(fd);
	memcpy(&super, log, sizeof(super));
	if (super.magic != LOG_MAGIC || super.version != 1 ||
	    super.sector_size < SECTOR || super.sector_size % SECTOR)
		load_die("%s is no log of dm-log-writes", path);
	entry = load_memory((super.entries + 1) * sizeof(*entry));
	at = super.sector_size;
	for (i = 0; i < super.entries; i++) {
		struct log_entry *e = &entry[i];
		size_t header = offsetof(struct log_entry, data);

		if (at + super.sector_size > (uint64_t)size)
			load_die("%s ends in entry %llu", path,
				 (unsigned long long)i);
		memcpy(e, log + at, header);
		e->data = log + at +
			  (e->flags & LOG_MARK ? header : super.sector_size);
		at += super.sector_size;
		if (!(e->flags & LOG_DISCARD))
			at += e->sectors * super.sector_size;
		e->sector *= super.sector_size / SECTOR;
		e->sectors *= super.sector_size / SECTOR;
		if (at > (uint64_t)size || e->sectors > IMAGE_SECTORS ||
		    e->sector > IMAGE_SECTORS - e->sectors ||
		    (e->flags & LOG_MARK && e->length > SECTOR - header))
			load_die("%s: entry %llu is wrong", path,
				 (unsigned long long)i);
	}
	*count = super.entries;
	return entry;
}

/* What comes between a flush, the entry before @i, and the next may come first. */
static void discard_early(const struct log_entry *entry, uint64_t count,
			  uint64_t i)
{
	for (; i < count && !(entry[i].flags & LOG_FLUSH); i++)
		if (entry[i].flags & LOG_DISCARD)
			play_discard(&entry[i]);
}

static void check(const char *path)
{
	struct log_entry *entry;
	uint64_t count, i;

	image = load_memory((size_t)IMAGE_SECTORS * SECTOR);
	if (start)
		area = load_memory(start);
	excused = load_memory((size_t)IMAGE_SECTORS * SECTOR / block_bytes *
			      sizeof(*excused));
	freed = load_memory((size_t)IMAGE_SECTORS * SECTOR / block_bytes *
			    sizeof(*freed));
	entry = read_log(path, &count);
	for (i = 0; i < count; i++) {
		const struct log_entry *e = &entry[i];

		if (e->flags & LOG_MARK) {
			play_mark(e);
		} else if (e->flags & LOG_DISCARD) {
			play_discard(e);
			seen.discards++;
		} else if (e->sectors) {
			play_write(e);
		}
		if (e->flags & LOG_FLUSH) {
			seen.flushes++;
			discard_early(entry, count, i + 1);
		}
		power_cut(entry, count, i);
	}
	printf("%llu entries: %u writes, %u discards, %u flushes, %u roots promised, %u repairs; at no moment was anything lost (%u times a block waited for its repair)\n",
	       (unsigned long long)count, seen.writes, seen.discards,
	       seen.flushes, seen.roots, seen.good, seen.excused);
	if (area)
		printf("the map was loaded %u times\n", seen.loads);
	if (!seen.writes || !seen.discards || !seen.flushes || !seen.roots ||
	    !seen.good)
		load_die("the log lacks something");
}

/* ---- */

int main(int argc, char **argv)
{
	unsigned int transactions = 300;
	int a;

	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "check")) {
		block_bytes = atoi(argv[3]);
		if (!block_bytes || block_bytes % SECTOR)
			load_die("a block of %s bytes", argv[3]);
		if (argc == 5)
			start = strtoull(argv[4], NULL, 10) * SECTOR;
		check(argv[2]);
		return 0;
	}
	if (argc < 5 || strcmp(argv[1], "run"))
		load_die(
			"usage: cut run GRID BELOW NAME [KEY=VALUE...] | cut check LOG BLOCK-BYTES [START]");
	for (a = 5; a < argc; a++) {
		if (!strncmp(argv[a], "transactions=", 13))
			transactions = atoi(argv[a] + 13);
		else if (!strncmp(argv[a], "seed=", 5))
			r_state = atoi(argv[a] + 5);
		else if (!strncmp(argv[a], "start=", 6))
			start = strtoull(argv[a] + 6, NULL, 10) * SECTOR;
		else
			load_die("unknown: %s", argv[a]);
	}
	log_name = argv[4];
	below = open(argv[3], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (below < 0)
		load_die("%s: %s", argv[3], strerror(errno));
	load_attach(&grid, argv[2]);
	run(transactions);
	return 0;
}
