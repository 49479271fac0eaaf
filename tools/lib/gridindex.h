/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A plug-in for gridrepaird: another format of table indexes.
 *
 * A shared object that exports one object
 *
 *	const struct grid_index_format grid_index_format = {
 *		.abi = GRID_INDEX_ABI, .name = "mine", .decode = decode,
 *		.entry_size = 32,
 *	};
 *
 * and is named by "index-format = /path/mine.so" in gridrepaird.conf(5).  It
 * runs in a process that may do everything, so it must be trusted, and it meets
 * whatever a source sends (a block that matched its checksum, or that a
 * trusted source sent), so it must trust nothing.  It must not block, nor call
 * back, and may be called for several devices at once.
 */
#ifndef GRIDINDEX_H
#define GRIDINDEX_H

#include <stdint.h>

#include <linux/grid_missing.h>

#define GRID_INDEX_ABI 1U

struct grid_index_format {
	uint32_t abi; /* GRID_INDEX_ABI */
	uint32_t entry_size; /* the fewest bytes that a value takes, not 0 */
	const char *name;
	/*
	 * The values that @block (@block_size bytes) lists, into @values, which
	 * has room for @block_size / entry_size.  @blocks is the number of
	 * blocks of the device, @self the index block's own address.  Returns
	 * how many, at least 1; or a negative errno, and *@why is a sentence
	 * that stays valid.  The daemon checks what is returned once more: a
	 * value beyond the device, the index itself or too many refuse it.
	 */
	int (*decode)(const void *block, uint32_t block_size, uint64_t blocks,
		      uint64_t self, struct grid_missing_value *values,
		      uint32_t room, const char **why);
};

extern const struct grid_index_format grid_index_format;

#endif /* GRIDINDEX_H */
