/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bitmaps whose walk costs its members (D5).
 *
 * Level 0 has a bit a block; a bit of level n+1 says that a word of level n
 * is not zero, up to a level of one word.  Setting, clearing and finding the
 * next member touch one word a level: a hierarchical bitmap with a fan-out of a
 * machine word.  All memory is taken by grid_bits_init().
 *
 * Locking is the caller's for changes.  grid_bits_test() and grid_bits_next()
 * may run beside a change: they see each bit before or after it.
 */
#ifndef _GRID_BITS_H
#define _GRID_BITS_H

#include <linux/types.h>

#define GRID_BITS_LEVELS 7

struct grid_bits {
	u64 size;
	u64 count;
	unsigned int levels;
	unsigned long *level[GRID_BITS_LEVELS];
};

u64 grid_bits_bytes(u64 size);
int grid_bits_init(struct grid_bits *b, u64 size);
void grid_bits_exit(struct grid_bits *b);
bool grid_bits_test(const struct grid_bits *b, u64 n);
bool grid_bits_set(struct grid_bits *b, u64 n);
bool grid_bits_clear(struct grid_bits *b, u64 n);
u64 grid_bits_next(const struct grid_bits *b, u64 from);
void grid_bits_swap(struct grid_bits *a, struct grid_bits *b);

#endif /* _GRID_BITS_H */
