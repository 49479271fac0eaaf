// SPDX-License-Identifier: GPL-2.0
/*
 * Faults: enqueued with what a replica has at that moment, and repaired with
 * it.  When nobody was at a block as it was enqueued, what is below is spoilt,
 * and no reader may see that.
 *
 * Tables: an index is enqueued like a block; who repairs it chooses its values,
 * which become faults at that moment.
 */
#include "ack.h"

pthread_rwlock_t faults_lock = PTHREAD_RWLOCK_INITIALIZER;
static uint64_t numbers;

static uint64_t new_number(void)
{
	return __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
}

/* The gate is held, nobody is at the block. */
static void spoil(uint64_t b, char *buffer)
{
	unsigned int i;

	block[b].spoilt = true;
	for (i = 0; i < pages; i++)
		stamp_page(buffer + i * PAGE, b * pages + i, 0, LOAD_SPOILER);
	if (pwrite(lower, buffer, block_size, b * block_size) != block_size &&
	    !errors)
		load_die("spoil: %s", strerror(errno));
	COUNT(spoilt);
}

static bool quiet(uint64_t b)
{
	return !block[b].writes && !block[b].reads;
}

int list_faults(struct grid_missing_fault f[FAULTS])
{
	return load_call(&grid, GRID_MISSING_LIST_FAULTS, f, sizeof(f[0]),
			 FAULTS);
}

/*
 * What a table waits for at block @n, as the tracker has it just now; NULL:
 * nothing.  The table's index counts, too: what a sync jump has set aside stays,
 * whatever is repaired there.
 */
const struct grid_missing_fault *
table_fault(const struct grid_missing_fault f[FAULTS], int count, uint64_t n)
{
	int i;

	for (i = 0; i < count; i++)
		if (f[i].address == n &&
		    (f[i].cause == GRID_MISSING_CAUSE_TABLE_VALUE ||
		     f[i].cause == GRID_MISSING_CAUSE_TABLE_INDEX))
			return &f[i];
	return NULL;
}

/* With the gate held, nobody begins or ends anything here. */
static void enqueue(uint64_t n, char *buffer, bool table)
{
	struct block *b = &block[n];
	struct grid_missing_block e = { .address = n };
	const struct grid_missing_fault *of_table;
	struct grid_missing_fault f[FAULTS];
	uint64_t number;
	bool again;
	int done;

	pthread_rwlock_rdlock(&faults_lock);
	pthread_mutex_lock(&b->gate);
	/* From here on a repair is no surprise. */
	if (b->freed)
		model_use(b);
	/*
	 * What a table waits for is still what its index says.  While it is
	 * aside another checksum would be a second truth.
	 */
	of_table = table_fault(f, list_faults(f), n);
	again = of_table && load_number(&of_table->checksum) == b->number &&
		!b->writes;
	if (of_table && of_table->flags & GRID_MISSING_F_ASIDE && !again)
		goto out;
	number = again ? b->number : new_number();
	e.checksum = load_checksum(number);
	e.flags = table ? GRID_MISSING_F_TABLE : 0;
	watch_begin("enqueue", n);
	done = load_call(&grid, GRID_MISSING_ENQUEUE, &e, sizeof(e), 1);
	watch_end();
	if (done < 0)
		e.result = done;
	if (e.result >= 0) {
		if (!again)
			model_enqueued(n, number);
		COUNT(enqueued);
		if (table)
			COUNT(tables);
	} else if (!excused(e.result)) {
		load_die("enqueue of block %llu: %s", (unsigned long long)n,
			 strerror(-e.result));
	}
	if (!e.result && quiet(n))
		spoil(n, buffer);
	/* Whether a checkpoint under way frees it, nobody can tell. */
	if (__atomic_load_n(&checkpoints_open, __ATOMIC_SEQ_CST))
		b->discarded = 0;
out:
	pthread_mutex_unlock(&b->gate);
	pthread_rwlock_unlock(&faults_lock);
}

static void reclaim(void)
{
	struct grid_missing_table t[64];
	int done = load_call(&grid, GRID_MISSING_RECLAIM, t, sizeof(t[0]),
			     ARRAY_SIZE(t));

	if (done < 0 && !excused(done))
		load_die("reclaim: %s", strerror(-done));
}

void *enqueuer(void *arg)
{
	char *buffer = load_memory(block_size);
	unsigned int r = seed * 300;
	bool tables = arg;

	while (!load_over()) {
		uint64_t b = any_block(&r);
		bool table = tables && rand_r(&r) % 8 == 0;

		if (table)
			b -= b % INDEX_EVERY;
		enqueue(b, buffer, table);
		if (table)
			reclaim();
		usleep(rand_r(&r) % 8000);
	}
	free(buffer);
	return NULL;
}

/* ---- repairs ---- */

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
	int done, i;

	watch_begin("repair", e->address);
	done = load_call(&grid, GRID_MISSING_REPAIR, e, sizeof(*e), count);
	watch_end();
	if (done < 0 && !excused(done))
		load_die("repair: %s", strerror(-done));
	for (i = 0; i < (int)count; i++)
		if (i >= done)
			e[i].result = -EAGAIN;
		else if (!e[i].result)
			COUNT(repaired);
		else if (!excused(e[i].result))
			load_die("repair of block %llu: %s",
				 (unsigned long long)e[i].address,
				 strerror(-e[i].result));
}

/*
 * An index was written, but a flush that failed may have lost it (F1): it is
 * missing again, as a single fault, and its values are faults all the same.
 * Nobody else knows their numbers.
 */
static bool is_fault(uint64_t n, uint64_t number)
{
	struct grid_missing_fault f[FAULTS];
	int i, count = list_faults(f);

	for (i = 0; i < count; i++)
		if (f[i].address == n &&
		    !(f[i].flags & GRID_MISSING_F_NO_CHECKSUM) &&
		    load_number(&f[i].checksum) == number)
			return true;
	return false;
}

/*
 * An index: its values are blocks that are good, as far as we know.  Their
 * gates are held until they are faults, or not.
 */
static void repair_index(struct grid_missing_repair *e, char *buffer)
{
	static unsigned int r = 1;
	struct grid_missing_value v[VALUES];
	uint64_t n, number[VALUES], from;
	unsigned int i;

	from = rand_r(&r) % (blocks - VALUES);
	if (e->address >= from && e->address < from + VALUES)
		return;
	pthread_rwlock_rdlock(&faults_lock);
	for (i = 0; i < VALUES; i++) {
		n = from + i;
		pthread_mutex_lock(&block[n].gate);
		if (block[n].freed)
			model_use(&block[n]);
		number[i] = new_number();
		v[i].address = n;
		v[i].checksum = load_checksum(number[i]);
	}
	e->values = (uintptr_t)v;
	e->values_count = VALUES;
	e->value_size = sizeof(v[0]);
	repair_call(e, 1);
	for (i = 0; i < VALUES; i++) {
		n = from + i;
		if (!e->result ||
		    (e->result == -EIO && is_fault(n, number[i]))) {
			model_enqueued(n, number[i]);
			if (quiet(n))
				spoil(n, buffer);
		}
		if (__atomic_load_n(&checkpoints_open, __ATOMIC_SEQ_CST))
			block[n].discarded = 0;
		pthread_mutex_unlock(&block[n].gate);
	}
	pthread_rwlock_unlock(&faults_lock);
}

/*
 * The faults of a batch whose content we have go to @e; others are repaired
 * here.  Returns how many; negative: the batch had none.
 */
int repair_prepare(struct grid_missing_repair *e, char *buffer)
{
	static __thread char *own;
	struct grid_missing_fault f[BATCH];
	int i, n, count = 0;

	if (!own)
		own = load_memory(block_size);
	n = load_call(&grid, GRID_MISSING_BATCH, f, sizeof(f[0]), BATCH);
	if (n < 0 && !excused(n))
		load_die("batch: %s", strerror(-n));
	for (i = 0; i < n; i++) {
		struct grid_missing_repair *r = &e[count];
		struct block *b = &block[f[i].address];
		bool known = !(f[i].flags & GRID_MISSING_F_NO_CHECKSUM);
		bool index = f[i].cause == GRID_MISSING_CAUSE_TABLE_INDEX;
		bool ours;

		memset(r, 0, sizeof(*r));
		r->address = f[i].address;
		r->data = (uintptr_t)buffer + (size_t)count * block_size;
		r->checksum = f[i].checksum;
		/* A read error may make another fault of it, which takes any data. */
		r->serial = f[i].serial;
		r->flags = known ? 0 : GRID_MISSING_F_NO_CHECKSUM;
		pthread_mutex_lock(&b->gate);
		ours = known && b->number == load_number(&r->checksum);
		if (ours)
			repair_content((char *)(uintptr_t)r->data, r->address,
				       b, true);
		if (ours && !index)
			count++;
		if (!known) {
			/*
			 * Nothing tells one media error from the next: no
			 * write may come between this content and its repair.
			 * A read error may well find one where it is free.
			 */
			if (b->freed)
				model_use(b);
			repair_content((char *)(uintptr_t)r->data, r->address,
				       b, false);
			repair_call(r, 1);
		}
		pthread_mutex_unlock(&b->gate);
		if (ours && index)
			repair_index(r, own);
	}
	return n > 0 ? count : -1;
}

/* One batch; false: there was none. */
int repair_some(char *buffer)
{
	struct grid_missing_repair e[BATCH];
	int i, n = repair_prepare(e, buffer);

	if (n > 0)
		repair_call(e, n);
	for (i = 0; i < n; i++) {
		struct block *b = &block[e[i].address];

		if (e[i].result)
			continue;
		pthread_mutex_lock(&b->gate);
		model_repaired(e[i].address, load_number(&e[i].checksum));
		pthread_mutex_unlock(&b->gate);
	}
	return n >= 0;
}

void *repairer(void *arg)
{
	char *buffer = load_memory((size_t)BATCH * block_size);

	(void)arg;
	while (!repairs_over())
		if (!repair_some(buffer))
			usleep(1000);
	free(buffer);
	return NULL;
}
