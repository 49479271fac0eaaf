/* SPDX-License-Identifier: GPL-2.0 */
/* What the disk and the checkers have in common: stamps and small helpers. */
#ifndef LOAD_H
#define LOAD_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SECTOR 512U

/* Who wrote a sector. */
enum load_writer {
	LOAD_NOBODY = 0, /* no stamp */
	LOAD_APPLICATION = 1,
	LOAD_REPAIR = 2,
	LOAD_SPOILER = 3, /* what nobody may ever read */
};

#define LOAD_MAGIC 0x6b636f6c62646972ULL

/* At the start of every sector, and once more at its end. */
struct load_stamp {
	uint64_t magic;
	uint64_t sector;
	uint32_t sequence;
	uint32_t writer;
};

static inline void load_stamp(void *sector, uint64_t number, uint32_t sequence,
			      enum load_writer writer)
{
	struct load_stamp s = { .magic = LOAD_MAGIC,
				.sector = number,
				.sequence = sequence,
				.writer = writer };

	memcpy(sector, &s, sizeof(s));
	memcpy((char *)sector + SECTOR - sizeof(s), &s, sizeof(s));
}

/* The stamp of @sector into @stamp; is it whole, and the same at both ends? */
static inline bool load_stamp_of(const void *sector, struct load_stamp *stamp)
{
	memcpy(stamp, sector, sizeof(*stamp));
	return stamp->magic == LOAD_MAGIC &&
	       !memcmp(stamp, (const char *)sector + SECTOR - sizeof(*stamp),
		       sizeof(*stamp));
}

static inline uint64_t load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

__attribute__((format(printf, 1, 2), noreturn)) static inline void
load_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	exit(1);
}

/* Zeroed memory for direct I/O. */
static inline void *load_memory(size_t n)
{
	void *p;

	if (posix_memalign(&p, 4096, n))
		load_die("out of memory");
	memset(p, 0, n);
	return p;
}

#endif /* LOAD_H */
