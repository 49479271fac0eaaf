// SPDX-License-Identifier: GPL-2.0
/*
 * A checker that knows every acknowledged write of a grid device.
 *
 *	ack GRID LOWER [KEY=VALUE...]
 *
 * Writers own runs of blocks and stamp every sector with its number and a
 * sequence; readers find what was acknowledged last, or later (model.c).
 * Meanwhile blocks are discarded, checkpoints taken, and blocks enqueued and
 * repaired, with what a replica would have (faults.c, checkpoint.c).  With
 * wild=1 everything else comes in between as well (disturb.c).  Each call ends
 * within its bound, and when nothing disturbs any more all must become good.
 *
 *	writes=N   in all (2000)
 *	seconds=N  instead: so long
 *	seed=N     of the random numbers (1)
 *	explicit=1 the device has checkpoint:explicit
 *	errors=1   I/O errors and calls that fail for want of memory are no
 *	           fault: something injects them
 *	calm=CMD   run when the load is over, before everything must become good
 *	log=FILE   the log of the disk below (disk.c): no block was repaired
 *	           after it was freed
 *	wild=1     disturb; errors=1 follows
 *	options=S  wild: what a reload's table has besides
 *	disk=PATH  wild: PATH.in and PATH.out command the disk below
 *	held=1     the device is held; ready comes soon
 *	bound=N    seconds in which every call must end (120, or $GRID_SLOW times that)
 *	trace=FILE what the model knows, as it comes (model.c)
 *
 * The device has checksum:none: the checksum of a fault is a number that names
 * one enqueue, so a repair can't be taken for that of another.
 */
#include <linux/fs.h>
#include <sys/uio.h>

#include "ack.h"

#define WRITERS 3
#define READERS 3
#define REPAIRERS 2
#define FLUSHERS 2
#define DISTURBERS 3
#define THREADS 32

struct load_grid grid;
const char *grid_path, *lower_path;
int lower;
bool errors;
unsigned int seed = 1;
struct ack_totals total;

static unsigned int stopping; /* 1: load; 2: also repairs */
static unsigned int writes_left = 2000, bound = 120;
static uint64_t load_end;
static bool wild;

/* The run of blocks that writer @w owns. */
static void run_of(unsigned int w, uint64_t *begin, uint64_t *end)
{
	*begin = blocks * w / WRITERS;
	*end = blocks * (w + 1) / WRITERS;
}

/* Likewise, but of whichever writer. */
uint64_t any_block(unsigned int *r)
{
	uint64_t begin, end;

	run_of(rand_r(r) % WRITERS, &begin, &end);
	return random_block(begin, end, r);
}

bool load_over(void)
{
	return __atomic_load_n(&stopping, __ATOMIC_RELAXED) >= 1;
}

bool repairs_over(void)
{
	return __atomic_load_n(&stopping, __ATOMIC_RELAXED) >= 2;
}

/* Is @error one that may come at any time? */
bool excused(int error)
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
	case EEXIST: /* tables */
	case ENOSPC:
	case EOPNOTSUPP: /* another checkpoint: than it was */
		return wild;
	}
	return false;
}

/*
 * What was made to fail: blocks @first to @last, until trouble_end().  Every
 * error of a read or a write must come from there (D10).
 */
void trouble_begin(uint64_t first, uint64_t last)
{
	uint64_t b;

	for (b = first; b <= last; b++)
		__atomic_store_n(&block[b].trouble, UINT64_MAX,
				 __ATOMIC_SEQ_CST);
}

void trouble_end(uint64_t b)
{
	if (__atomic_load_n(&block[b].trouble, __ATOMIC_SEQ_CST) == UINT64_MAX)
		__atomic_store_n(&block[b].trouble, load_now(),
				 __ATOMIC_SEQ_CST);
}

/* May a request for @s that began at @since have failed? */
static bool in_trouble(const struct span *s, uint64_t since)
{
	struct grid_missing_status st;
	uint64_t b;

	for (b = s->first; b <= s->last; b++)
		if (__atomic_load_n(&block[b].trouble, __ATOMIC_SEQ_CST) >=
		    since)
			return true;
	/* A suspend shortens all waits: on a slow host one may be too short. */
	get_status(&st);
	return st.timeouts;
}

void get_status(struct grid_missing_status *status)
{
	memset(status, 0, sizeof(*status));
	status->size = sizeof(*status);
	if (ioctl(grid.helper, GRID_MISSING_STATUS, status))
		load_die("status: %s", strerror(errno));
}

/* ---- every call ends ---- */

static struct watch {
	const char *what;
	uint64_t n, since;
} watches[THREADS];
static unsigned int watches_count;

void watch_begin(const char *what, uint64_t n)
{
	static __thread struct watch *own;

	if (what && !own)
		own = &watches[__atomic_fetch_add(&watches_count, 1,
						  __ATOMIC_RELAXED)];
	if (!own)
		return;
	own->what = what ?: own->what;
	own->n = what ? n : own->n;
	__atomic_store_n(&own->since, what ? load_now() : 0, __ATOMIC_RELEASE);
}

void watch_end(void)
{
	watch_begin(NULL, 0);
}

/* What there is to know of a call that doesn't end: who else is stuck, and what on. */
static void tell_all(void)
{
	struct grid_missing_fault f[FAULTS];
	uint64_t now = load_now(), since;
	int i, n;

	for (i = 0; i < THREADS; i++) {
		since = __atomic_load_n(&watches[i].since, __ATOMIC_ACQUIRE);
		if (since)
			fprintf(stderr, "%s of %llu for %llu ms\n",
				watches[i].what,
				(unsigned long long)watches[i].n,
				(unsigned long long)(now - since) / 1000000);
	}
	n = list_faults(f);
	for (i = 0; i < n; i++)
		fprintf(stderr,
			"fault %llu: number %llu, flags %x, state %u, cause %u, %u failures, table %llu; ours has %llu%s\n",
			(unsigned long long)f[i].address,
			(unsigned long long)load_number(&f[i].checksum),
			f[i].flags, f[i].state, f[i].cause, f[i].failures,
			(unsigned long long)f[i].table,
			(unsigned long long)block[f[i].address].number,
			block[f[i].address].freed ? ", freed" : "");
}

static void *watcher(void *arg)
{
	struct grid_missing_status st;
	unsigned int i;
	uint64_t since;

	for (;;) {
		sleep(1);
		for (i = 0; i < THREADS; i++) {
			since = __atomic_load_n(&watches[i].since,
						__ATOMIC_ACQUIRE);
			if (!since || load_now() - since < bound * 1000000000ULL)
				continue;
			get_status(&st);
			tell_all();
			load_die("%s of %llu: no end within %u s; %llu waiting, %llu writing, %llu aborting, %llu parked, flags %x",
				 watches[i].what,
				 (unsigned long long)watches[i].n, bound,
				 (unsigned long long)st.waiting,
				 (unsigned long long)st.writing,
				 (unsigned long long)st.aborting,
				 (unsigned long long)st.parked, st.state);
		}
	}
	return arg;
}

/* ---- the application ---- */

static void failed(const char *what, const struct span *s, uint64_t since)
{
	int error = errno;

	if (!errors || (wild && !in_trouble(s, since)))
		load_die("%s of %llu pages at block %llu page %llu: %s", what,
			 (unsigned long long)s->count,
			 (unsigned long long)s->first,
			 (unsigned long long)(s->page % pages),
			 strerror(error));
	COUNT(errors);
}

static void write_span(const struct span *s, char *buffer)
{
	static const int flags[] = { 0, 0, 0, RWF_DSYNC };
	uint32_t seq = model_write(s, buffer);
	uint64_t since = load_now();
	struct iovec iov = { .iov_base = buffer, .iov_len = s->count * PAGE };
	int flag = wild ? flags[seq % ARRAY_SIZE(flags)] : 0;
	ssize_t n;

	watch_begin("write", s->first);
	n = pwritev2(grid.device, &iov, 1, s->page * PAGE, flag);
	watch_end();
	/* With RWF_DSYNC it may be told of a flush that failed before (grid_fua). */
	if (n < 0 && errno == EIO && flag)
		COUNT(errors);
	else if (n < 0)
		failed("write", s, since);
	else if ((uint64_t)n != s->count * PAGE && !errors)
		load_die("a write ended short");
	model_wrote(s, seq, n > 0 ? n / PAGE : 0);
	COUNT(writes);
}

static void discard_block(uint64_t b)
{
	uint64_t range[] = { b * block_size, block_size };
	int r;

	if (wild && b % INDEX_EVERY == 0)
		return;
	model_discard(b);
	watch_begin("discard", b);
	r = ioctl(grid.device, BLKDISCARD, range);
	watch_end();
	if (r) {
		if (!errors)
			load_die("discard: %s", strerror(errno));
		COUNT(errors);
		return;
	}
	model_discarded(b);
	COUNT(discards);
}

static bool more_writes(void)
{
	if (load_end)
		return load_now() < load_end;
	return (int)__atomic_fetch_sub(&writes_left, 1, __ATOMIC_RELAXED) > 0;
}

static void *writer(void *arg)
{
	uint64_t me = (uintptr_t)arg, begin, end;
	char *buffer = load_memory((size_t)SPAN * block_size);
	unsigned int r = seed * 100 + me;
	struct span s;

	run_of(me, &begin, &end);
	while (more_writes()) {
		if (rand_r(&r) % 8 == 0)
			discard_block(random_block(begin, end, &r));
		s = random_span(begin, end, &r);
		write_span(&s, buffer);
	}
	free(buffer);
	return NULL;
}

/* Read and check; @from is memory for the pages' states. */
static bool read_span(const struct span *s, char *buffer, struct page *from)
{
	uint64_t since = load_now();
	bool defined;
	ssize_t n;
	int error;

	model_read(s, from);
	watch_begin("read", s->first);
	n = pread(grid.device, buffer, s->count * PAGE, s->page * PAGE);
	error = errno;
	watch_end();
	defined = model_was_read(s, buffer, from, n > 0 ? n / PAGE : 0);
	/* A block that was freed meanwhile may fail its readers (D10). */
	errno = error;
	if (n < 0 && (defined || error != EIO))
		failed("read", s, since);
	COUNT(reads);
	return n > 0 && (uint64_t)n == s->count * PAGE;
}

static void *reader(void *arg)
{
	char *buffer = load_memory((size_t)SPAN * block_size);
	struct page *from = load_memory((size_t)SPAN * pages * sizeof(*from));
	unsigned int r = seed * 200 + (uintptr_t)arg;
	struct span s;
	uint64_t b;

	while (!load_over()) {
		b = any_block(&r);
		s = random_span(b, b + SPAN < blocks ? b + SPAN : blocks, &r);
		read_span(&s, buffer, from);
	}
	free(from);
	free(buffer);
	return NULL;
}

/* ---- */

static void prepare(void)
{
	char *buffer = load_memory(block_size);
	unsigned int i;
	uint64_t b;

	for (b = 0; b < blocks; b++) {
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
	uint64_t end = load_now() + bound * 1000000000ULL, b;
	struct page *from = load_memory(pages * sizeof(*from));
	char *buffer = load_memory((size_t)BATCH * block_size);
	struct grid_missing_status status;

	flush_leftover();
	errors = false;
	for (;;) {
		get_status(&status);
		if (!status.waiting && !status.writing && !status.aborting)
			break;
		if (load_now() > end) {
			tell_all();
			load_die("%llu faults are left that nobody can repair, %llu writing, %llu aborting",
				 (unsigned long long)status.waiting,
				 (unsigned long long)status.writing,
				 (unsigned long long)status.aborting);
		}
		if (!repair_some(buffer))
			usleep(10000);
	}
	for (b = 0; b < blocks; b++) {
		struct span s = span_of_block(b);

		if (!read_span(&s, buffer, from))
			load_die("block %llu can't be read",
				 (unsigned long long)b);
	}
	if (wild)
		free_everything();
	get_status(&status);
	if (status.parked)
		load_die("%llu are still parked",
			 (unsigned long long)status.parked);
	free(buffer);
	free(from);
}

static bool number_argument(const char *arg, const char *key, unsigned int *n)
{
	size_t len = strlen(key);

	if (strncmp(arg, key, len) || arg[len] != '=')
		return false;
	*n = atoi(arg + len + 1);
	return true;
}

static bool text_argument(const char *arg, const char *key, const char **text)
{
	size_t len = strlen(key);

	if (strncmp(arg, key, len) || arg[len] != '=')
		return false;
	*text = arg + len + 1;
	return true;
}

static pthread_t start(void *(*run)(void *arg), unsigned int i)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)i))
		load_die("pthread_create");
	return thread;
}

int main(int argc, char **argv)
{
	const struct {
		void *(*run)(void *arg);
		unsigned int first, count;
	} kinds[] = {
		/* Those before the repairers end with the load, they later. */
		{ writer, 0, WRITERS },
		{ reader, 0, READERS },
		{ enqueuer, 0, 1 },
		{ flusher, 0, FLUSHERS },
		{ disturber, 0, DISTURBERS },
		{ mortal, 0, 1 },
		{ repairer, 0, REPAIRERS },
	};
	unsigned int is_explicit = 0, is_wild = 0, is_errors = 0, held = 0,
		     seconds = 0;
	const char *calm = NULL, *log = NULL, *trace = NULL, *disk = NULL;
	const char *slow = getenv("GRID_SLOW");
	pthread_t threads[THREADS];
	unsigned int i, k, n = 0;
	int a;

	if (slow && atoi(slow) > 1)
		bound *= (unsigned int)atoi(slow);
	if (argc < 3)
		load_die("usage: ack GRID LOWER [KEY=VALUE...]");
	for (a = 3; a < argc; a++)
		if (!number_argument(argv[a], "writes", &writes_left) &&
		    !number_argument(argv[a], "seconds", &seconds) &&
		    !number_argument(argv[a], "seed", &seed) &&
		    !number_argument(argv[a], "explicit", &is_explicit) &&
		    !number_argument(argv[a], "errors", &is_errors) &&
		    !number_argument(argv[a], "wild", &is_wild) &&
		    !number_argument(argv[a], "held", &held) &&
		    !number_argument(argv[a], "bound", &bound) &&
		    !text_argument(argv[a], "options", &disturb_options) &&
		    !text_argument(argv[a], "disk", &disk) &&
		    !text_argument(argv[a], "calm", &calm) &&
		    !text_argument(argv[a], "trace", &trace) &&
		    !text_argument(argv[a], "log", &log))
			load_die("unknown: %s", argv[a]);
	explicit_checkpoint = is_explicit;
	wild = is_wild;
	errors = is_errors || wild;
	grid_path = argv[1];
	lower_path = argv[2];
	if (trace) {
		model_trace = fopen(trace, "w");
		if (!model_trace)
			load_die("%s: %s", trace, strerror(errno));
	}
	lower = open(lower_path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (lower < 0)
		load_die("%s: %s", lower_path, strerror(errno));
	load_attach(&grid, grid_path);
	model_init(grid.blocks, grid.block_size);
	prepare();
	if (wild)
		disturb_init(disk);
	start(watcher, 0);
	if (seconds)
		load_end = load_now() + seconds * 1000000000ULL;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (!wild && (kinds[k].run == disturber || kinds[k].run == mortal))
			continue;
		for (i = 0; i < kinds[k].count; i++)
			threads[n++] = start(kinds[k].run,
					     kinds[k].run == enqueuer ? wild :
									i);
	}
	if (held) {
		usleep(rand_r(&seed) % 300000);
		ready(&seed);
	}
	/* The writers come first: when they are done, all is; repairs are last. */
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	if (calm && system(calm))
		load_die("%s failed", calm);
	__atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
	for (; i < n - REPAIRERS; i++)
		pthread_join(threads[i], NULL);
	if (wild)
		disturb_calm();
	__atomic_store_n(&stopping, 2, __ATOMIC_RELAXED);
	for (; i < n; i++)
		pthread_join(threads[i], NULL);
	finish();
	if (log)
		model_check_log(log);
	if (wild)
		printf("%u tables, %u cancels, %u jumps, %u suspends, %u loads, %u messages, %u helpers dead, %u commands of the disk\n",
		       total.tables, total.cancels, total.jumps,
		       total.suspends, total.loads, total.messages,
		       total.deaths, total.disk);
	printf("%u writes, %u reads, %u enqueued (%u spoilt), %u repaired, %u discards, %u checkpoints, %u errors\n",
	       total.writes, total.reads, total.enqueued, total.spoilt,
	       total.repaired, total.discards, total.checkpoints, total.errors);
	return 0;
}
