// SPDX-License-Identifier: GPL-2.0
/*
 * What the store keeps: blocks that are stamped with which write of all they
 * are, and a root that names them.
 */
#include "cut.h"

uint64_t root_sum(const struct root *r)
{
	const unsigned char *p = (const void *)r;
	uint64_t sum = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < offsetof(struct root, sum); i++)
		sum = (sum ^ p[i]) *
		      0x100000001b3ULL; /* FNV-1a, by its authors' figures */
	return sum;
}

void stamp_block(void *buffer, unsigned int block_size, uint64_t b,
		 uint32_t sequence, enum load_writer who)
{
	unsigned int i, n = block_size / SECTOR;

	for (i = 0; i < n; i++)
		load_stamp((char *)buffer + i * SECTOR, b * n + i, sequence,
			   who);
}

/* Has @buffer what write @sequence of block @b, or a repair, put there? */
bool block_is(const void *buffer, unsigned int block_size, uint64_t b,
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

void tell_block(const void *buffer, unsigned int block_size)
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
