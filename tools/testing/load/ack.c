// SPDX-License-Identifier: GPL-2.0
/*
 * A checker that knows every acknowledged write of a grid device.
 *
 *	ack GRID LOWER [KEY=VALUE...]
 *
 * Writers own runs of blocks and stamp every sector with its number and a
 * sequence.  Of each page it is known which write was acknowledged last and
 * which was issued last; a read must find something in between.  Meanwhile
 * blocks are discarded, checkpoints taken, and blocks enqueued and repaired,
 * with what a replica would have: the content at the time of the enqueue.  When
 * nobody was at a block as it was enqueued, what is below is spoilt, and no
 * reader may see that.
 *
 *	writes=N   in all (2000)
 *	seed=N     of the random numbers (1)
 *	explicit=1 the device has checkpoint:explicit
 *	errors=1   I/O errors and calls that fail for want of memory are no
 *	           fault: something injects them
 *	calm=CMD   run when the load is over, before everything must become good
 *	log=FILE   the log of the disk below (disk.c): no block was repaired
 *	           after it was freed
 *
 * The device has checksum:none: the checksum of a fault is a number that names
 * one enqueue, so a repair can't be taken for that of another.
 */
#include <linux/fs.h>
#include <pthread.h>

#include "calls.h"

#define PAGE 4096U
#define SECTORS (PAGE / SECTOR)
#define WRITERS 3
#define READERS 2
#define REPAIRERS 2
#define FLUSHERS 2
#define SPAN 3 /* most blocks of a request */
#define BATCH 8

/* A page as the application knows it. */
struct page {
	uint32_t issued, acked;
	uint32_t discards;
	bool undefined; /* discarded, not written since */
};

struct block {
	pthread_mutex_t gate; /* held to begin and to end, not meanwhile */
	unsigned int writes, reads; /* under way */
	struct page *pages;
	uint32_t *replica; /* what a replica has, for enqueue @number */
	uint64_t number;
	uint64_t discarded; /* which discard of all that was; 0: used since */
	uint64_t freed; /* since when; 0: not, or used again */
};

/* A block was free in this time: no repair of it may come below. */
struct interval {
	uint64_t block, begin, end;
};

static struct load_grid grid;
static int lower;
static unsigned int block_size, pages;
static uint64_t blocks;
static struct block *block;
static bool explicit_checkpoint, errors;
static unsigned int stopping; /* 1: load; 2: also repairs */
static unsigned int writes_left = 2000, seed = 1;
static uint32_t sequence;
static uint64_t discards, numbers;
static unsigned int checkpoints_open;
static struct interval *intervals;
static unsigned int intervals_count;
static pthread_mutex_t intervals_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	unsigned int writes, reads, enqueued, spoilt, repaired, discards,
		checkpoints, errors;
} total;

#define COUNT(what) __atomic_add_fetch(&total.what, 1, __ATOMIC_RELAXED)

static bool load_over(void)
{
	return __atomic_load_n(&stopping, __ATOMIC_RELAXED) >= 1;
}

static bool repairs_over(void)
{
	return __atomic_load_n(&stopping, __ATOMIC_RELAXED) >= 2;
}

/* ---- contents ---- */

static void stamp_page(void *buffer, uint64_t page, uint32_t seq,
		       enum load_writer writer)
{
	unsigned int i;

	for (i = 0; i < SECTORS; i++)
		load_stamp((char *)buffer + i * SECTOR, page * SECTORS + i, seq,
			   writer);
}

static void check_page(const void *buffer, uint64_t page, uint32_t from,
		       uint32_t to)
{
	const char *sector = buffer;
	struct load_stamp a, b;
	unsigned int i;

	for (i = 0; i < SECTORS; i++, sector += SECTOR) {
		if (load_stamp_of(sector, &a) &&
		    a.sector == page * SECTORS + i && a.sequence >= from &&
		    a.sequence <= to && a.writer != LOAD_SPOILER)
			continue;
		memcpy(&b, sector + SECTOR - sizeof(b), sizeof(b));
		load_die("block %llu page %llu sector %u: magic %llx sector %llu writer %u, write %u (at its end %u); acknowledged %u, issued %u",
			 (unsigned long long)(page / pages),
			 (unsigned long long)(page % pages), i,
			 (unsigned long long)a.magic,
			 (unsigned long long)a.sector, a.writer, a.sequence,
			 b.sequence, from, to);
	}
}

/* ---- requests of the application ---- */

/* A request's pages; blocks from first to last are locked in that order. */
struct span {
	uint64_t page, count, first, last;
};

static void span_lock(const struct span *s)
{
	uint64_t b;

	for (b = s->first; b <= s->last; b++)
		pthread_mutex_lock(&block[b].gate);
}

static void span_unlock(const struct span *s)
{
	uint64_t b;

	for (b = s->first; b <= s->last; b++)
		pthread_mutex_unlock(&block[b].gate);
}

static struct page *page_of(uint64_t page)
{
	return &block[page / pages].pages[page % pages];
}

/* Pages from some of blocks @begin to before @end; whole blocks half the time. */
static struct span random_span(uint64_t begin, uint64_t end, unsigned int *r)
{
	struct span s;
	uint64_t n = end - begin, b = begin + rand_r(r) % n;

	n = end - b < SPAN ? end - b : SPAN;
	n = 1 + rand_r(r) % n;
	s.page = b * pages;
	s.count = n * pages;
	if (rand_r(r) & 1) {
		s.page += rand_r(r) % pages;
		s.count = 1 + rand_r(r) % ((b + n) * pages - s.page);
	}
	s.first = s.page / pages;
	s.last = (s.page + s.count - 1) / pages;
	return s;
}

static void failed(const char *what, const struct span *s)
{
	int error = errno;

	if (!errors)
		load_die("%s of %llu pages at block %llu page %llu: %s", what,
			 (unsigned long long)s->count,
			 (unsigned long long)s->first,
			 (unsigned long long)(s->page % pages),
			 strerror(error));
	COUNT(errors);
}

/* Block @b is used again; its gate is held. */
static void use(struct block *b)
{
	b->discarded = 0;
	if (!b->freed)
		return;
	pthread_mutex_lock(&intervals_lock);
	intervals = realloc(intervals,
			    (intervals_count + 1) * sizeof(*intervals));
	if (!intervals)
		load_die("out of memory");
	intervals[intervals_count].block = b - block;
	intervals[intervals_count].begin = b->freed;
	intervals[intervals_count++].end = load_now();
	pthread_mutex_unlock(&intervals_lock);
	b->freed = 0;
}

static bool write_span(const struct span *s, char *buffer)
{
	uint32_t seq = __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED);
	ssize_t n;
	uint64_t p, b;

	for (p = s->page; p < s->page + s->count; p++)
		stamp_page(buffer + (p - s->page) * PAGE, p, seq,
			   LOAD_APPLICATION);
	span_lock(s);
	for (b = s->first; b <= s->last; b++) {
		block[b].writes++;
		use(&block[b]);
	}
	for (p = s->page; p < s->page + s->count; p++)
		page_of(p)->issued = seq;
	span_unlock(s);
	n = pwrite(grid.device, buffer, s->count * PAGE, s->page * PAGE);
	if (n < 0)
		failed("write", s);
	else if ((uint64_t)n != s->count * PAGE && !errors)
		load_die("a write ended short");
	span_lock(s);
	for (b = s->first; b <= s->last; b++)
		block[b].writes--;
	for (p = s->page; n > 0 && p < s->page + n / PAGE; p++) {
		page_of(p)->acked = seq;
		page_of(p)->undefined = false;
	}
	span_unlock(s);
	COUNT(writes);
	return n > 0 && (uint64_t)n == s->count * PAGE;
}

static void discard_block(uint64_t b)
{
	uint64_t range[] = { b * block_size, block_size };
	unsigned int i;

	pthread_mutex_lock(&block[b].gate);
	for (i = 0; i < pages; i++) {
		block[b].pages[i].undefined = true;
		block[b].pages[i].discards++;
	}
	pthread_mutex_unlock(&block[b].gate);
	if (ioctl(grid.device, BLKDISCARD, range)) {
		if (!errors)
			load_die("discard: %s", strerror(errno));
		COUNT(errors);
		return;
	}
	/* Its owner is here: nobody wrote it meanwhile. */
	pthread_mutex_lock(&block[b].gate);
	if (!block[b].discarded)
		block[b].discarded =
			__atomic_add_fetch(&discards, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&block[b].gate);
	COUNT(discards);
}

static void *writer(void *arg)
{
	uint64_t me = (uintptr_t)arg, begin = blocks * me / WRITERS,
		 end = blocks * (me + 1) / WRITERS;
	char *buffer = load_memory((size_t)SPAN * block_size);
	unsigned int r = seed * 100 + me;
	struct span s;

	while ((int)__atomic_fetch_sub(&writes_left, 1, __ATOMIC_RELAXED) > 0) {
		if (rand_r(&r) % 8 == 0)
			discard_block(begin + rand_r(&r) % (end - begin));
		s = random_span(begin, end, &r);
		write_span(&s, buffer);
	}
	free(buffer);
	return NULL;
}

/* Read and check; the pages' states before are in @from. */
static bool read_span(const struct span *s, char *buffer, struct page *from)
{
	bool undefined = false;
	struct page *now;
	uint64_t p, b;
	ssize_t n;
	int error;

	span_lock(s);
	for (b = s->first; b <= s->last; b++)
		block[b].reads++;
	for (p = 0; p < s->count; p++)
		from[p] = *page_of(s->page + p);
	span_unlock(s);
	n = pread(grid.device, buffer, s->count * PAGE, s->page * PAGE);
	error = errno;
	span_lock(s);
	for (b = s->first; b <= s->last; b++)
		block[b].reads--;
	for (p = 0; p < s->count; p++) {
		now = page_of(s->page + p);
		if (from[p].undefined || from[p].discards != now->discards)
			undefined = true;
		else if (n > 0 && p < (uint64_t)n / PAGE)
			check_page(buffer + p * PAGE, s->page + p,
				   from[p].acked, now->issued);
	}
	/* A block that was freed meanwhile may fail its readers (D10). */
	errno = error;
	if (n < 0 && !(undefined && error == EIO))
		failed("read", s);
	span_unlock(s);
	COUNT(reads);
	return n > 0 && (uint64_t)n == s->count * PAGE;
}

static void *reader(void *arg)
{
	char *buffer = load_memory((size_t)SPAN * block_size);
	struct page *from = load_memory((size_t)SPAN * pages * sizeof(*from));
	unsigned int r = seed * 200 + (uintptr_t)arg;
	struct span s;

	while (!load_over()) {
		s = random_span(0, blocks, &r);
		read_span(&s, buffer, from);
	}
	free(from);
	free(buffer);
	return NULL;
}

/* ---- faults and repairs ---- */

/* Is @error one that may come at any time? */
static bool excused(int error)
{
	switch (-error) {
	case EAGAIN: /* suspended */
	case EBUSY:
	case ESTALE:
	case ENOENT:
	case ECANCELED:
		return true;
	case EIO:
	case ENOMEM:
	case EINVAL: /* a fault found by an error got its checksum meanwhile */
		return errors;
	}
	return false;
}

static void spoil(uint64_t b, char *buffer)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		stamp_page(buffer + i * PAGE, b * pages + i, 0, LOAD_SPOILER);
	if (pwrite(lower, buffer, block_size, b * block_size) != block_size &&
	    !errors)
		load_die("spoil: %s", strerror(errno));
	COUNT(spoilt);
}

/*
 * With the gate held, nobody begins or ends anything here.  What was issued
 * last is what a replica has: where a write is under way it may be in or not,
 * and is not acknowledged yet.
 */
static void enqueue(uint64_t n, char *buffer)
{
	struct block *b = &block[n];
	uint64_t number = __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
	struct grid_missing_block e = { .address = n,
					.checksum = load_checksum(number) };
	unsigned int i;
	int done;

	pthread_mutex_lock(&b->gate);
	/* From here on a repair is no surprise. */
	if (b->freed)
		use(b);
	done = load_call(&grid, GRID_MISSING_ENQUEUE, &e, sizeof(e), 1);
	if (done < 0)
		e.result = done;
	if (e.result >= 0) {
		b->number = number;
		for (i = 0; i < pages; i++)
			b->replica[i] = b->pages[i].issued;
		COUNT(enqueued);
	} else if (!excused(e.result)) {
		load_die("enqueue of block %llu: %s", (unsigned long long)n,
			 strerror(-e.result));
	}
	if (!e.result && !b->writes && !b->reads)
		spoil(n, buffer);
	/* Whether a checkpoint under way frees it, nobody can tell. */
	if (__atomic_load_n(&checkpoints_open, __ATOMIC_SEQ_CST))
		b->discarded = 0;
	pthread_mutex_unlock(&b->gate);
}

static void *enqueuer(void *arg)
{
	char *buffer = load_memory(block_size);
	unsigned int r = seed * 300;

	(void)arg;
	while (!load_over()) {
		enqueue(rand_r(&r) % blocks, buffer);
		usleep(rand_r(&r) % 8000);
	}
	free(buffer);
	return NULL;
}

static void repair_content(char *buffer, uint64_t n, const struct block *b,
			   bool known)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		stamp_page(buffer + i * PAGE, n * pages + i,
			   known ? b->replica[i] : b->pages[i].issued,
			   LOAD_REPAIR);
}

static void repair_call(struct grid_missing_repair *e, unsigned int count)
{
	int done = load_call(&grid, GRID_MISSING_REPAIR, e, sizeof(*e), count);
	int i;

	if (done < 0 && !excused(done))
		load_die("repair: %s", strerror(-done));
	for (i = 0; i < done; i++) {
		if (!e[i].result)
			COUNT(repaired);
		else if (!excused(e[i].result))
			load_die("repair of block %llu: %s",
				 (unsigned long long)e[i].address,
				 strerror(-e[i].result));
	}
}

/* One batch; how many faults it had. */
static int repair(char *buffer)
{
	struct grid_missing_repair e[BATCH] = {};
	struct grid_missing_fault f[BATCH];
	int i, n, count = 0;
	bool known;

	n = load_call(&grid, GRID_MISSING_BATCH, f, sizeof(f[0]), BATCH);
	if (n < 0 && !excused(n))
		load_die("batch: %s", strerror(-n));
	for (i = 0; i < n; i++) {
		struct grid_missing_repair *r = &e[count];
		struct block *b = &block[f[i].address];
		struct grid_missing_checksum c;

		known = !(f[i].flags & GRID_MISSING_F_NO_CHECKSUM);
		r->address = f[i].address;
		r->data = (uintptr_t)buffer + (size_t)count * block_size;
		r->checksum = f[i].checksum;
		r->flags = known ? 0 : GRID_MISSING_F_NO_CHECKSUM;
		pthread_mutex_lock(&b->gate);
		c = load_checksum(b->number);
		if (!known) {
			/*
			 * Nothing tells one media error from the next: no
			 * write may come between this content and its repair.
			 */
			repair_content((char *)(uintptr_t)r->data, r->address,
				       b, false);
			repair_call(r, 1);
		} else if (!memcmp(&c, &r->checksum, sizeof(c))) {
			repair_content((char *)(uintptr_t)r->data, r->address,
				       b, true);
			count++;
		}
		pthread_mutex_unlock(&b->gate);
	}
	if (count)
		repair_call(e, count);
	return n;
}

static void *repairer(void *arg)
{
	char *buffer = load_memory((size_t)BATCH * block_size);

	(void)arg;
	while (!repairs_over())
		if (repair(buffer) <= 0)
			usleep(1000);
	free(buffer);
	return NULL;
}

/* ---- checkpoints ---- */

static int checkpoint(unsigned int op, uint64_t *id)
{
	struct grid_missing_checkpoint c = { .size = sizeof(c), .op = op,
					     .id = *id };

	if (ioctl(grid.helper, GRID_MISSING_CHECKPOINT, &c))
		return -errno;
	*id = c.id;
	return 0;
}

/* A checkpoint begins: what it frees was discarded up to the number returned. */
static uint64_t checkpoint_open(void)
{
	__atomic_add_fetch(&checkpoints_open, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&discards, __ATOMIC_SEQ_CST);
}

static void checkpoint_close(void)
{
	__atomic_sub_fetch(&checkpoints_open, 1, __ATOMIC_SEQ_CST);
}

/* It is durable, not closed yet: what was not used since is free. */
static void freed(uint64_t limit)
{
	uint64_t b;

	for (b = 0; b < blocks; b++) {
		pthread_mutex_lock(&block[b].gate);
		if (block[b].discarded && block[b].discarded <= limit &&
		    !block[b].freed)
			block[b].freed = load_now();
		pthread_mutex_unlock(&block[b].gate);
	}
}

static void flush(void)
{
	uint64_t limit = checkpoint_open();

	if (fdatasync(grid.device)) {
		if (!errors)
			load_die("flush: %s", strerror(errno));
		COUNT(errors);
	} else if (!explicit_checkpoint) {
		freed(limit);
	}
	checkpoint_close();
}

static void take_durable(void)
{
	uint64_t limit = checkpoint_open(), id = 0;
	int r = checkpoint(GRID_MISSING_CHECKPOINT_TAKE, &id);

	if (!r) {
		/* What failed is still taken. */
		do
			r = checkpoint(GRID_MISSING_CHECKPOINT_DURABLE, &id);
		while (r == -EAGAIN || (r == -EIO && errors));
		if (!r)
			freed(limit);
	}
	if (r && !excused(r))
		load_die("checkpoint: %s", strerror(-r));
	checkpoint_close();
}

static void *flusher(void *arg)
{
	unsigned int r = seed * 400 + (uintptr_t)arg;

	while (!load_over()) {
		usleep(rand_r(&r) % 30000);
		/* One at a time takes; the other flushes. */
		if (explicit_checkpoint && !arg)
			take_durable();
		else
			flush();
		COUNT(checkpoints);
	}
	return NULL;
}

/* ---- what the disk below has seen ---- */

static void check_log(const char *path)
{
	unsigned long long when, offset;
	unsigned int length, who, i, repairs = 0;
	FILE *f = fopen(path, "r");
	char op[16];

	if (!f)
		load_die("%s: %s", path, strerror(errno));
	while (fscanf(f, "%llu %15s %llu %u %u", &when, op, &offset, &length,
		      &who) == 5) {
		if (who != LOAD_REPAIR)
			continue;
		repairs++;
		for (i = 0; i < intervals_count; i++)
			if (offset / block_size == intervals[i].block &&
			    when > intervals[i].begin &&
			    when < intervals[i].end)
				load_die("block %llu was repaired below at %llu, free from %llu to %llu",
					 offset / block_size, when,
					 (unsigned long long)intervals[i].begin,
					 (unsigned long long)intervals[i].end);
	}
	fclose(f);
	printf("%u times a block was free, %u repairs came below, none meanwhile\n",
	       intervals_count, repairs);
}

/* ---- */

static void prepare(void)
{
	char *buffer = load_memory(block_size);
	unsigned int i;
	uint64_t b;

	block = load_memory(blocks * sizeof(*block));
	for (b = 0; b < blocks; b++) {
		pthread_mutex_init(&block[b].gate, NULL);
		block[b].pages = load_memory(pages * sizeof(struct page));
		block[b].replica = load_memory(pages * sizeof(uint32_t));
		for (i = 0; i < pages; i++)
			stamp_page(buffer + i * PAGE, b * pages + i, 0,
				   LOAD_APPLICATION);
		while (pwrite(lower, buffer, block_size, b * block_size) !=
		       block_size)
			if (!errors)
				load_die("write below: %s", strerror(errno));
	}
	free(buffer);
}

/* Nothing disturbs any more: all must become good, and be there. */
static void finish(void)
{
	struct grid_missing_status status = { .size = sizeof(status) };
	struct page *from = load_memory(pages * sizeof(*from));
	char *buffer = load_memory((size_t)BATCH * block_size);
	uint64_t b;

	errors = false;
	for (;;) {
		if (ioctl(grid.helper, GRID_MISSING_STATUS, &status))
			load_die("status: %s", strerror(errno));
		if (!status.waiting && !status.writing && !status.aborting)
			break;
		if (repair(buffer) <= 0)
			usleep(10000);
	}
	for (b = 0; b < blocks; b++) {
		struct span s = { .page = b * pages, .count = pages,
				  .first = b, .last = b };

		if (!read_span(&s, buffer, from))
			load_die("block %llu can't be read",
				 (unsigned long long)b);
	}
	free(buffer);
	free(from);
}

int main(int argc, char **argv)
{
	static const struct {
		void *(*run)(void *arg);
		unsigned int count;
	} kinds[] = {
		{ writer, WRITERS },   { reader, READERS },
		{ enqueuer, 1 },       { flusher, FLUSHERS },
		{ repairer, REPAIRERS },
	};
	pthread_t threads[16];
	const char *calm = NULL, *log = NULL;
	unsigned int i, n = 0;
	int a;

	if (argc < 3)
		load_die("usage: ack GRID LOWER [KEY=VALUE...]");
	for (a = 3; a < argc; a++) {
		if (!strncmp(argv[a], "writes=", 7))
			writes_left = atoi(argv[a] + 7);
		else if (!strncmp(argv[a], "seed=", 5))
			seed = atoi(argv[a] + 5);
		else if (!strncmp(argv[a], "explicit=", 9))
			explicit_checkpoint = atoi(argv[a] + 9);
		else if (!strncmp(argv[a], "errors=", 7))
			errors = atoi(argv[a] + 7);
		else if (!strncmp(argv[a], "calm=", 5))
			calm = argv[a] + 5;
		else if (!strncmp(argv[a], "log=", 4))
			log = argv[a] + 4;
		else
			load_die("unknown: %s", argv[a]);
	}
	lower = open(argv[2], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (lower < 0)
		load_die("%s: %s", argv[2], strerror(errno));
	load_attach(&grid, argv[1]);
	block_size = grid.block_size;
	blocks = grid.blocks;
	pages = block_size / PAGE;
	prepare();

	for (a = 0; a < (int)ARRAY_SIZE(kinds); a++)
		for (i = 0; i < kinds[a].count; i++)
			if (pthread_create(&threads[n++], NULL, kinds[a].run,
					   (void *)(uintptr_t)i))
				load_die("pthread_create");
	/* The writers come first: when they are done, all is; repairs are last. */
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	if (calm && system(calm))
		load_die("%s failed", calm);
	__atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
	for (; i < n - REPAIRERS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&stopping, 2, __ATOMIC_RELAXED);
	for (; i < n; i++)
		pthread_join(threads[i], NULL);
	finish();
	if (log)
		check_log(log);
	printf("%u writes, %u reads, %u enqueued (%u spoilt), %u repaired, %u discards, %u checkpoints, %u errors\n",
	       total.writes, total.reads, total.enqueued, total.spoilt,
	       total.repaired, total.discards, total.checkpoints, total.errors);
	return 0;
}
