/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The checker of acknowledged writes: what its files share.
 *
 *	model.c       what was written, acknowledged, discarded, lost; the checks
 *	faults.c      enqueues, what is below spoilt, tables, repairs
 *	checkpoint.c  flushes and checkpoints; what is free, and when
 *	disturb.c     cancels, jumps, suspends, reloads, messages, a bad disk,
 *	              helpers that die
 *	ack.c         the threads, and that each of their calls ends
 *
 * The model knows no device: who writes, tells it (model_*), and a program that
 * cuts the power (SPEC M9) can use it alone.  Every change of it can go to a
 * file, with the clock of disk.c's log, so that both are one sequence.
 *
 * Locks, outermost first: faults_lock (read: an enqueue with what belongs to
 * it; write: what drops faults in bulk), a block's gate in the order of blocks,
 * the locks inside a file.
 */
#ifndef LOAD_ACK_H
#define LOAD_ACK_H

#include <pthread.h>

#include "calls.h"

#define PAGE 4096U
#define SECTORS (PAGE / SECTOR)
#define SPAN 3 /* most blocks of a request */
#define BATCH 8
#define VALUES 3 /* of a table */
#define FAULTS 512 /* that are looked at: all */
/* wild: these blocks are the indexes of tables, and are never discarded. */
#define INDEX_EVERY 8

/* A page as the application knows it. */
struct page {
	uint32_t issued, acked;
	uint32_t discards; /* how often it became undefined */
	bool undefined; /* discarded, not written since */
	bool lost; /* cancelled while what is below was spoilt */
};

struct block {
	pthread_mutex_t gate; /* held to begin and to end, not meanwhile */
	unsigned int writes, reads; /* under way */
	struct page *pages;
	uint32_t *replica; /* what a replica has, for enqueue @number */
	uint64_t number;
	uint32_t discards; /* of its first page, at that enqueue */
	bool spoilt; /* what is below is wrong, as far as we know */
	uint64_t discarded; /* which discard of all that was; 0: used since */
	uint64_t freed; /* since when; 0: not, or used again */
	uint64_t trouble; /* until when its I/O may fail; UINT64_MAX: no end yet */
};

/* A request's pages; blocks from first to last are locked in that order. */
struct span {
	uint64_t page, count, first, last;
};

/* model.c */
extern unsigned int block_size, pages;
extern uint64_t blocks;
extern struct block *block;
extern FILE *model_trace;

void model_init(uint64_t n, unsigned int size);
void model_event(const char *what, uint64_t first, uint64_t count,
		 uint64_t number);
struct span span_of_block(uint64_t b);
uint64_t random_block(uint64_t begin, uint64_t end, unsigned int *r);
struct span random_span(uint64_t begin, uint64_t end, unsigned int *r);
void stamp_page(void *buffer, uint64_t page, uint32_t seq,
		enum load_writer writer);
uint32_t model_write(const struct span *s, void *buffer);
void model_wrote(const struct span *s, uint32_t seq, uint64_t done);
void model_read(const struct span *s, struct page *from);
bool model_was_read(const struct span *s, const void *buffer,
		    const struct page *from, uint64_t done);
void model_discard(uint64_t b);
void model_discarded(uint64_t b);
void model_enqueued(uint64_t b, uint64_t number);
void model_repaired(uint64_t b, uint64_t number);
void model_lose(uint64_t b);
uint64_t model_discards(void);
void model_freed(uint64_t limit);
void model_use(struct block *b);
void model_check_log(const char *path);

/* ack.c */
extern struct load_grid grid;
extern const char *grid_path, *lower_path;
extern int lower;
extern bool errors; /* what fails for an outer reason is no fault */
extern unsigned int seed;
extern struct ack_totals {
	unsigned int writes, reads, enqueued, spoilt, repaired, discards,
		checkpoints, errors, tables, cancels, jumps, suspends, loads,
		messages, deaths, disk;
} total;

#define COUNT(what) __atomic_add_fetch(&total.what, 1, __ATOMIC_RELAXED)

uint64_t any_block(unsigned int *r);
bool load_over(void);
bool repairs_over(void);
bool excused(int error);
void trouble_begin(uint64_t first, uint64_t last);
void trouble_end(uint64_t b);
void watch_begin(const char *what, uint64_t n);
void watch_end(void);
void get_status(struct grid_missing_status *status);

/* faults.c */
extern pthread_rwlock_t faults_lock;
int list_faults(struct grid_missing_fault f[FAULTS]);
const struct grid_missing_fault *
table_fault(const struct grid_missing_fault f[FAULTS], int count, uint64_t n);
void *enqueuer(void *arg);
void *repairer(void *arg);
int repair_some(char *buffer);
int repair_prepare(struct grid_missing_repair *e, char *buffer);

/* checkpoint.c */
extern bool explicit_checkpoint;
void commotion_begin(void);
void commotion_end(void);
extern unsigned int checkpoints_open;
void *flusher(void *arg);
void flush_leftover(void);
void free_everything(void);

/* disturb.c */
extern const char *disturb_options;
void disturb_init(const char *disk);
void *disturber(void *arg);
void *mortal(void *arg);
void disturb_calm(void);
void ready(unsigned int *r);

#endif /* LOAD_ACK_H */
