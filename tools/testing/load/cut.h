/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The power fails: what the files of cut have in common.
 *
 *	cut.c         what it is for, and how it is called
 *	cut_store.c   `run`: the store, what is lost and repaired, the promises
 *	cut_writes.c  `check`, of the log of one dm-log-writes disk
 *	cut_disks.c   `check`, of the sequence of several disks with caches
 *	cut_check.c   what has to hold when the power fails
 *	cut_root.c    what the store keeps: blocks, and a root that names them
 */
#ifndef LOAD_CUT_H
#define LOAD_CUT_H

#include <stddef.h>

#include "load.h"

/* cut_root.c */
#define ROOT_MAGIC 0x746f6f726472696bULL
#define ROOT_BYTES 4096U
#define ITEMS 48
#define ROOTS 2

struct root {
	uint64_t magic, version;
	struct {
		uint32_t block, sequence; /* which write of it */
	} item[ITEMS];
	uint64_t sum;
};

uint64_t root_sum(const struct root *r);
void stamp_block(void *buffer, unsigned int block_size, uint64_t b,
		 uint32_t sequence, enum load_writer who);
bool block_is(const void *buffer, unsigned int block_size, uint64_t b,
	      uint32_t sequence);
void tell_block(const void *buffer, unsigned int block_size);

/* cut_store.c */
struct store_options {
	const char *grid, *below; /* device nodes */
	const char *log; /* the dm-log-writes device, or the disks' sequence */
	unsigned int transactions, seed;
	unsigned long long start; /* of the grid on what is below, in sectors */
	unsigned long long blocks; /* these are the store's, 0: all */
	const char *fua; /* a file on blocks that are not */
	unsigned long long fua_start, fua_first, fua_count;
};

void store_run(const struct store_options *o);

/* cut_check.c */
enum check_medium { CHECK_DATA, CHECK_AREA };

#define IMAGE_SECTORS (1U << 16)

void check_init(unsigned int block, uint64_t area);
bool check_fits(enum check_medium m, uint64_t sector, uint64_t count);
const unsigned char *check_at(enum check_medium m, uint64_t sector);
void check_put(enum check_medium m, uint64_t sector, const void *data,
	       uint64_t count);
void check_try(enum check_medium m, uint64_t sector, const void *data);
void check_spoils(uint64_t sector, const void *data, uint64_t count);
void check_mark(const void *text, size_t bytes);
void check_cut(uint64_t where, bool area_tried);
void check_told(void);

/* The store's run has begun: what precedes it promises nothing. */
extern bool check_begun;
/* For people: what the log has of some sectors, in the last entries up to @where. */
#define TELL_ENTRIES 150U
extern void (*check_tell)(uint64_t begin, uint64_t end, uint64_t where);
void check_tell_write(uint64_t where, const void *data, uint64_t at,
		      uint64_t count, uint64_t begin, uint64_t end);

/* Does a log begin with @header bytes, the first of them @number? */
static inline bool log_begins(const void *log, size_t size, size_t header,
			      uint64_t number)
{
	return size >= header && !memcmp(log, &number, sizeof(number));
}

/* What the log has, its path, to be read as the file that it is. */
bool writes_is_log(const void *log, size_t size);
void writes_check(const char *path, const unsigned char *log, size_t size,
		  uint64_t start);
bool disks_is_log(const void *log, size_t size);
void disks_check(const char *path, const unsigned char *log, size_t size,
		 unsigned int seed, unsigned int subsets);

#endif /* LOAD_CUT_H */
