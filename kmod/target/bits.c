// SPDX-License-Identifier: GPL-2.0
/*
 * Bitmaps whose walk costs its members; see bits.h for the design.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "alloc.h"
#include "bits.h"

#define WORD_SHIFT ilog2(BITS_PER_LONG)

static u64 bits_to_words(u64 bits)
{
	return (bits + BITS_PER_LONG - 1) >> WORD_SHIFT;
}

/** grid_bits_bytes - memory of a set of numbers below @size, at least 1 */
u64 grid_bits_bytes(u64 size)
{
	u64 bytes = 0;

	do {
		size = bits_to_words(size);
		bytes += size * sizeof(long);
	} while (size > 1);
	return bytes;
}

/**
 * grid_bits_init - an empty set of numbers below @size
 * @b: the set
 * @size: at least 1
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int grid_bits_init(struct grid_bits *b, u64 size)
{
	u64 bits = size;

	memset(b, 0, sizeof(*b));
	b->size = size;
	do {
		u64 words = bits_to_words(bits);

		if (b->levels == GRID_BITS_LEVELS)
			goto err_level;
		b->level[b->levels] = grid_alloc_named(words * sizeof(long));
		if (!b->level[b->levels])
			goto err_level;
		b->levels++;
		bits = words;
	} while (bits > 1);
	return 0;

err_level:
	grid_bits_exit(b);
	return -ENOMEM;
}

/**
 * grid_bits_exit - give the memory back
 * @b: the set; may be all zero, or exited already
 */
void grid_bits_exit(struct grid_bits *b)
{
	while (b->levels)
		vfree(b->level[--b->levels]);
	memset(b, 0, sizeof(*b));
}

/** grid_bits_test - is @n a member; any context, no lock */
bool grid_bits_test(const struct grid_bits *b, u64 n)
{
	return n < b->size && (READ_ONCE(b->level[0][n >> WORD_SHIFT]) &
			       BIT(n & (BITS_PER_LONG - 1)));
}

/** grid_bits_set - add @n; true when it was not a member */
bool grid_bits_set(struct grid_bits *b, u64 n)
{
	unsigned int l;

	if (n >= b->size || grid_bits_test(b, n))
		return false;
	b->count++;
	for (l = 0; l < b->levels; l++) {
		unsigned long *word = &b->level[l][n >> WORD_SHIFT];
		unsigned long old = *word;

		WRITE_ONCE(*word, old | BIT(n & (BITS_PER_LONG - 1)));
		if (old)
			break;
		n >>= WORD_SHIFT;
	}
	return true;
}

/** grid_bits_clear - remove @n; true when it was a member */
bool grid_bits_clear(struct grid_bits *b, u64 n)
{
	unsigned int l;

	if (!grid_bits_test(b, n))
		return false;
	b->count--;
	for (l = 0; l < b->levels; l++) {
		unsigned long *word = &b->level[l][n >> WORD_SHIFT];

		WRITE_ONCE(*word, *word & ~BIT(n & (BITS_PER_LONG - 1)));
		if (*word)
			break;
		n >>= WORD_SHIFT;
	}
	return true;
}

/**
 * grid_bits_next - the smallest member >= @from, or U64_MAX
 * @b: the set
 * @from: where to begin
 *
 * Climbs until a word has a bit at or after the place, then descends along
 * the lowest bits.  Beside a concurrent change a descent may meet a word that
 * has just become empty; it then goes on behind it.
 */
u64 grid_bits_next(const struct grid_bits *b, u64 from)
{
	u64 n = from;
	unsigned int l = 0;

	if (from >= b->size)
		return U64_MAX;
	for (;;) {
		u64 w = n >> WORD_SHIFT;
		unsigned long word = READ_ONCE(b->level[l][w]) &
				     (~0UL << (n & (BITS_PER_LONG - 1)));

		if (word) {
			n = (w << WORD_SHIFT) + __ffs(word);
			if (!l)
				return n;
			l--;
			n <<= WORD_SHIFT;
			continue;
		}
		l++;
		n = w + 1;
		if (l == b->levels || n > (b->size - 1) >> (WORD_SHIFT * l))
			return U64_MAX;
	}
}

/** grid_bits_swap - exchange two sets of one size */
void grid_bits_swap(struct grid_bits *a, struct grid_bits *b)
{
	swap(*a, *b);
}
