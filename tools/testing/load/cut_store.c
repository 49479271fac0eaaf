// SPDX-License-Identifier: GPL-2.0
/*
 * A small store on a grid device, blocks of which are lost and repaired.
 *
 * The store never overwrites: an item gets a new block, then one of two roots
 * (blocks 0 and 1, the newer counts) names the new blocks, then the old ones are
 * discarded, and all that is durable when a flush ends; only then are the old
 * blocks used for something else, and the next root is written.  Meanwhile
 * blocks of items are enqueued and spoilt below, and repaired some time later:
 * at times so late that the block has been freed and used again.
 *
 * What it was promised goes into the log as a mark, when it was:
 *
 *	begin:0		from now on
 *	root:VERSION	a flush ended that followed this root
 *	good:BLOCK	a repair of it ended well; with metadata it still wants a flush
 *	fua:NUMBER	a FUA write ended: the block's number by 2^32, and which write
 *
 * and with metadata (M3)
 *
 *	freed:BLOCK	it is about to be discarded
 *	gone:BLOCK	... and a flush that came later has ended
 *	lost:BLOCK	... and it is about to be enqueued
 *
 * Then some blocks are also lost while they are free, and then written; and some,
 * that belong to a file, are written with FUA alone: on the device itself a flush
 * follows each FUA write.
 *
 * A checksum is a number that names one enqueue, and the write that its repair
 * would bring back.
 */
#include <libdevmapper.h>
#include <linux/fs.h>
#include <pthread.h>

#include "calls.h"
#include "cut.h"
#include "record.h"

#define LATE 12 /* most repairs that are due */

struct late {
	uint64_t block, number;
	uint32_t sequence; /* what it had when it was enqueued */
};

static struct load_grid grid;
static int below;
static uint64_t start; /* of the grid, bytes */
static const char *log_name; /* of a dm-log-writes device, or */
static int log_fd = -1; /* the sequence of the disks below */
static bool has_map; /* there is metadata */
static struct root root;
static uint32_t *free_blocks, *left_blocks; /* left: until the next flush */
static unsigned int free_count, left_count;
static uint32_t sequence;
static uint64_t numbers;
static unsigned int r_state = 1;
static bool stopping;
static bool whole; /* blocks are written in one go */
static int fua_file = -1;
static uint64_t fua_start, fua_first, fua_count;
static uint32_t *fua_written; /* which write each of its blocks has */

/*
 * One flush at a time comes below dm-log-writes: it logs what a flush made
 * durable when that flush ends, though one that began later may have ended
 * before.
 */
static pthread_mutex_t flushing = PTHREAD_MUTEX_INITIALIZER;

/* Of both threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct late late[LATE];
static unsigned int late_count;
static bool *faulty; /* a repair of it is due or under way */

static struct {
	unsigned int flushes, spoilt, repaired, not_repaired, refused, fua;
} total;

/* Put a mark into the log; @lock is held, libdevmapper is not for two at once. */
static void mark(const char *what, uint64_t number)
{
	struct dm_task *task;
	char message[64] = "mark ";
	char *text = message + strlen(message);

	snprintf(text, sizeof(message) - strlen(message), "%s:%llu", what,
		 (unsigned long long)number);
	if (log_fd >= 0) {
		record_mark(log_fd, text);
		return;
	}
	task = dm_task_create(DM_DEVICE_TARGET_MSG);
	if (!task || !dm_task_set_name(task, log_name) ||
	    !dm_task_set_sector(task, 0) ||
	    !dm_task_set_message(task, message) || !dm_task_run(task))
		load_die("%s: %s: %s", log_name, message, strerror(errno));
	dm_task_destroy(task);
}

/* As mark(), where @lock is not held. */
static void mark_locked(const char *what, uint64_t number)
{
	pthread_mutex_lock(&lock);
	mark(what, number);
	pthread_mutex_unlock(&lock);
}

/* What may flush, begins and ends. */
static void flush_begin(void)
{
	if (log_fd < 0)
		pthread_mutex_lock(&flushing);
}

static void flush_end(void)
{
	if (log_fd < 0)
		pthread_mutex_unlock(&flushing);
}

static void flush_at(int fd)
{
	flush_begin();
	if (fdatasync(fd))
		load_die("flush: %s", strerror(errno));
	flush_end();
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
	flush_begin();
	done = load_call(&grid, GRID_MISSING_REPAIR, &e, sizeof(e), 1);
	flush_end();
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

/* Somebody else's flushes, of which nobody is told: commits are under way. */
static void *flusher(void *arg)
{
	unsigned int r = r_state + 2;
	bool over;

	(void)arg;
	do {
		usleep(rand_r(&r) % 20000);
		flush_at(grid.device);
		pthread_mutex_lock(&lock);
		over = stopping;
		pthread_mutex_unlock(&lock);
	} while (!over);
	return NULL;
}

/* Block @b is missing, and spoilt below; its repair would bring @number. */
static void spoil(uint32_t b, uint64_t number, void *buffer)
{
	struct grid_missing_block e = { .address = b,
					.checksum = load_checksum(number) };
	unsigned int tries = 0;
	int done;

	if (has_map)
		mark_locked("lost", b);
	/* It may flush; and a block whose discard is not through is busy. */
	do {
		if (tries)
			usleep(2000);
		flush_begin();
		done = load_call(&grid, GRID_MISSING_ENQUEUE, &e, sizeof(e), 1);
		flush_end();
	} while (done == 1 && e.result == -EBUSY && ++tries < 5000);
	if (done != 1 || e.result)
		load_die("enqueue of block %u: %d, %d", b, done, e.result);
	stamp_block(buffer, grid.block_size, b, 0, LOAD_SPOILER);
	write_at(below, buffer, grid.block_size,
		 start + (uint64_t)b * grid.block_size);
	/* Also in a log that has what is durable, it is bad before it is good again. */
	if (log_fd < 0)
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

	if (has_map)
		mark_locked("freed", b);
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
	while (left_count) {
		if (has_map)
			mark("gone", left_blocks[left_count - 1]);
		free_blocks[free_count++] = left_blocks[--left_count];
	}
	pthread_mutex_unlock(&lock);
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
		flush();
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

/* A block of the file is written with FUA, and nothing else; maybe it was lost. */
static void write_fua(void *buffer)
{
	unsigned int i = rand_r(&r_state) % fua_count;
	uint64_t b = fua_first + i;

	if (rand_r(&r_state) % 4)
		spoil(b, ++numbers << 32 | fua_written[i], buffer);
	stamp_block(buffer, grid.block_size, b, ++sequence, LOAD_APPLICATION);
	write_at(fua_file, buffer, grid.block_size,
		 fua_start + (uint64_t)i * grid.block_size);
	fua_written[i] = sequence;
	mark_locked("fua", b << 32 | sequence);
	total.fua++;
}

static void run(unsigned int transactions, uint64_t blocks)
{
	void *buffer = load_memory(grid.block_size);
	pthread_t thread, flushes;
	unsigned int t;
	struct late l;
	uint64_t i;

	free_blocks = load_memory(grid.blocks * sizeof(*free_blocks));
	left_blocks = load_memory(grid.blocks * sizeof(*left_blocks));
	faulty = load_memory(grid.blocks * sizeof(*faulty));
	for (i = ROOTS; i < blocks; i++)
		free_blocks[free_count++] = i;
	root.magic = ROOT_MAGIC;
	mark_locked("begin", 0);
	for (i = 0; i < ITEMS; i++)
		write_item(i, take_free(), buffer);
	flush();
	write_root(buffer);
	flush();
	if (pthread_create(&thread, NULL, repairer, NULL))
		load_die("pthread_create");
	if (log_fd >= 0 && pthread_create(&flushes, NULL, flusher, NULL))
		load_die("pthread_create");
	for (t = 0; t < transactions; t++) {
		if (rand_r(&r_state) % 2 &&
		    lose(rand_r(&r_state) % ITEMS, &l, buffer))
			due(&l);
		if (t % 16 == 8)
			too_late(buffer);
		if (has_map && t % 4 == 1)
			overwrite(buffer);
		if (fua_count && t % 2)
			write_fua(buffer);
		if (rand_r(&r_state) % 4 == 0)
			read_item(rand_r(&r_state) % ITEMS, buffer);
		transaction(buffer);
		flush();
	}
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	if (log_fd >= 0)
		pthread_join(flushes, NULL);
	for (i = 0; i < ITEMS; i++)
		read_item(i, buffer);
	flush();
	printf("%u transactions, %u flushes, %u blocks spoilt, %u repaired, %u repairs too late, %u long after, %u writes with FUA\n",
	       transactions, total.flushes, total.spoilt, total.repaired,
	       total.not_repaired, total.refused, total.fua);
	if (!total.repaired || !total.refused || !total.fua != !fua_count)
		load_die("too little has happened");
	free(buffer);
}

void store_run(const struct store_options *o)
{
	uint64_t blocks;

	start = o->start * SECTOR;
	r_state = o->seed;
	log_name = o->log;
	/* A path, or the name of a dm device. */
	if (strchr(o->log, '/'))
		log_fd = record_open(o->log);
	has_map = start || log_fd >= 0;
	below = load_open(o->below, O_RDWR | O_DIRECT);
	load_attach(&grid, o->grid);
	blocks = o->blocks ? o->blocks : grid.blocks;
	if (blocks > grid.blocks ||
	    (o->fua && (o->fua_first < blocks || !o->fua_count ||
			o->fua_first + o->fua_count > grid.blocks)))
		load_die("the grid has only %llu blocks",
			 (unsigned long long)grid.blocks);
	if (o->fua) {
		fua_start = o->fua_start;
		fua_first = o->fua_first;
		fua_count = o->fua_count;
		fua_written = load_memory(fua_count * sizeof(*fua_written));
		fua_file = load_open(o->fua, O_RDWR | O_DIRECT | O_DSYNC);
	}
	run(o->transactions, blocks);
}
