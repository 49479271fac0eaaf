// SPDX-License-Identifier: GPL-2.0
/*
 * What the application knows: of each page which write was acknowledged last
 * and which was issued last.  A read must find something in between, or
 * anything where the page was discarded, or cancelled while it was missing.
 * ack.h tells the rest.
 *
 * A block's fault is enqueued with a number in place of a checksum, and the
 * content of that moment: what was issued last.  Where a write is under way it
 * may be in or not, and is not acknowledged yet.
 */
#include "ack.h"

unsigned int block_size, pages;
uint64_t blocks;
struct block *block;
FILE *model_trace;

static uint32_t sequence;
static uint64_t discards;

/* A block was free in this time: no repair of it may come below. */
static struct interval {
	uint64_t block, begin, end;
} *intervals;
static unsigned int intervals_count;
static pthread_mutex_t intervals_lock = PTHREAD_MUTEX_INITIALIZER;

void model_init(uint64_t n, unsigned int size)
{
	uint64_t b;

	blocks = n;
	block_size = size;
	pages = size / PAGE;
	block = load_memory(blocks * sizeof(*block));
	for (b = 0; b < blocks; b++) {
		pthread_mutex_init(&block[b].gate, NULL);
		block[b].pages = load_memory(pages * sizeof(struct page));
		block[b].replica = load_memory(pages * sizeof(uint32_t));
	}
}

/* What was acknowledged, or begun, for a program that cuts afterwards. */
void model_event(const char *what, uint64_t first, uint64_t count,
		 uint64_t number)
{
	if (model_trace)
		fprintf(model_trace, "%llu %s %llu %llu %llu\n",
			(unsigned long long)load_now(), what,
			(unsigned long long)first, (unsigned long long)count,
			(unsigned long long)number);
}

/* ---- contents ---- */

void stamp_page(void *buffer, uint64_t page, uint32_t seq,
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

/* ---- requests ---- */

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

struct span span_of_block(uint64_t b)
{
	return (struct span){ .page = b * pages, .count = pages, .first = b,
			      .last = b };
}

/*
 * One of blocks @begin to before @end: half the time the one where everybody is
 * just now, or they would seldom meet.
 */
uint64_t random_block(uint64_t begin, uint64_t end, unsigned int *r)
{
	uint64_t n = end - begin;

	if (rand_r(r) & 1)
		return begin + rand_r(r) % n;
	return begin + load_now() / 250000000 * 7 % n;
}

/* Pages from some of blocks @begin to before @end; whole blocks half the time. */
struct span random_span(uint64_t begin, uint64_t end, unsigned int *r)
{
	struct span s;
	uint64_t n, b = random_block(begin, end, r);

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

/* Does @s cover all of block @b? */
static bool covers(const struct span *s, uint64_t b)
{
	return s->page <= b * pages && s->page + s->count >= (b + 1) * pages;
}

/* Block @b is used again; its gate is held. */
void model_use(struct block *b)
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

/* A write is about to be issued: its number; @buffer gets its content. */
uint32_t model_write(const struct span *s, void *buffer)
{
	uint32_t seq = __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED);
	uint64_t p, b;

	for (p = s->page; p < s->page + s->count; p++)
		stamp_page((char *)buffer + (p - s->page) * PAGE, p, seq,
			   LOAD_APPLICATION);
	span_lock(s);
	for (b = s->first; b <= s->last; b++) {
		block[b].writes++;
		model_use(&block[b]);
	}
	for (p = s->page; p < s->page + s->count; p++)
		page_of(p)->issued = seq;
	model_event("write", s->page, s->count, seq);
	span_unlock(s);
	return seq;
}

/* It has ended, and @done pages of it are acknowledged. */
void model_wrote(const struct span *s, uint32_t seq, uint64_t done)
{
	uint64_t p, b;

	span_lock(s);
	for (b = s->first; b <= s->last; b++) {
		block[b].writes--;
		if (done == s->count && covers(s, b))
			block[b].spoilt = false;
	}
	for (p = s->page; p < s->page + done; p++) {
		page_of(p)->acked = seq;
		page_of(p)->undefined = false;
		page_of(p)->lost = false;
	}
	model_event("wrote", s->page, done, seq);
	span_unlock(s);
}

/* A read is about to be issued: the pages as they are go to @from. */
void model_read(const struct span *s, struct page *from)
{
	uint64_t p, b;

	span_lock(s);
	for (b = s->first; b <= s->last; b++)
		block[b].reads++;
	for (p = 0; p < s->count; p++)
		from[p] = *page_of(s->page + p);
	span_unlock(s);
}

/* It has ended: are those @done pages right?  False: nobody can tell of some. */
bool model_was_read(const struct span *s, const void *buffer,
		    const struct page *from, uint64_t done)
{
	bool defined = true;
	struct page *now;
	uint64_t p, b;

	span_lock(s);
	for (b = s->first; b <= s->last; b++)
		block[b].reads--;
	for (p = 0; p < s->count; p++) {
		now = page_of(s->page + p);
		if (from[p].undefined || from[p].lost ||
		    from[p].discards != now->discards)
			defined = false;
		else if (p < done)
			check_page((const char *)buffer + p * PAGE,
				   s->page + p, from[p].acked, now->issued);
	}
	span_unlock(s);
	return defined;
}

/* Its owner is about to discard block @b, which nobody writes meanwhile. */
void model_discard(uint64_t b)
{
	unsigned int i;

	pthread_mutex_lock(&block[b].gate);
	for (i = 0; i < pages; i++) {
		block[b].pages[i].undefined = true;
		block[b].pages[i].discards++;
	}
	model_event("discard", b, 1, 0);
	pthread_mutex_unlock(&block[b].gate);
}

void model_discarded(uint64_t b)
{
	pthread_mutex_lock(&block[b].gate);
	if (!block[b].discarded)
		block[b].discarded =
			__atomic_add_fetch(&discards, 1, __ATOMIC_SEQ_CST);
	model_event("discarded", b, 1, block[b].discarded);
	pthread_mutex_unlock(&block[b].gate);
}

/* ---- faults; the gate of block @b is held ---- */

void model_enqueued(uint64_t b, uint64_t number)
{
	unsigned int i;

	block[b].number = number;
	block[b].discards = block[b].pages[0].discards;
	for (i = 0; i < pages; i++)
		block[b].replica[i] = block[b].pages[i].issued;
	model_event("enqueued", b, 1, number);
}

/* What was lost with a cancel is there again, and whatever came later. */
void model_repaired(uint64_t b, uint64_t number)
{
	struct page *p = block[b].pages;
	unsigned int i;

	model_event("repaired", b, 1, number);
	if (block[b].number != number || block[b].discards != p->discards)
		return;
	block[b].spoilt = false;
	for (i = 0; i < pages; i++, p++) {
		p->lost = false;
		if (p->acked < block[b].replica[i])
			p->acked = block[b].replica[i];
	}
}

/* Its fault may be about to vanish without a repair. */
void model_lose(uint64_t b)
{
	unsigned int i;

	model_event("cancel", b, 1, 0);
	if (!block[b].spoilt)
		return;
	block[b].spoilt = false;
	for (i = 0; i < pages; i++) {
		block[b].pages[i].lost = true;
		block[b].pages[i].discards++;
	}
}

/* ---- what is free ---- */

uint64_t model_discards(void)
{
	return __atomic_load_n(&discards, __ATOMIC_SEQ_CST);
}

/* A checkpoint is durable: what was discarded up to @limit and not used is free. */
void model_freed(uint64_t limit)
{
	uint64_t b;

	for (b = 0; b < blocks; b++) {
		pthread_mutex_lock(&block[b].gate);
		if (block[b].discarded && block[b].discarded <= limit &&
		    !block[b].freed)
			block[b].freed = load_now();
		pthread_mutex_unlock(&block[b].gate);
	}
	model_event("freed", 0, blocks, limit);
}

/* What the disk below has seen. */
void model_check_log(const char *path)
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
