/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a missing block and a table stand, as the tracker tells who keeps that
 * elsewhere, and is filled from (M1).  Absolute: it says all there is to know.
 */
#ifndef _LINUX_GRID_MISSING_RECORD_H
#define _LINUX_GRID_MISSING_RECORD_H

#include <linux/types.h>
#include <uapi/linux/grid_missing.h>

/**
 * enum grid_missing_as - as what a block is to be enqueued, for who says whether it may
 * @GRID_MISSING_AS_BLOCK: for itself; one that is missing already is none more
 * @GRID_MISSING_AS_TABLE: as the index of another table, which has room for all its
 *	values from then on
 * @GRID_MISSING_AS_VALUE: as a value of a table, which has that room; or the table is
 *	still to be asked for
 */
enum grid_missing_as {
	GRID_MISSING_AS_BLOCK,
	GRID_MISSING_AS_TABLE,
	GRID_MISSING_AS_VALUE,
};

/** enum grid_missing_record_kind - what a record says of its block */
enum grid_missing_record_kind {
	GRID_MISSING_RECORD_GOOD, /* it is not missing */
	GRID_MISSING_RECORD_BLOCK,
	GRID_MISSING_RECORD_INDEX,
	GRID_MISSING_RECORD_VALUE,
};

/**
 * struct grid_missing_record - how one block stands, for who keeps it elsewhere (M1)
 * @address: the block
 * @sum: its checksum, when @has_sum
 * @table: index, value: slot of the table
 * @value: value: which of the table
 * @kind: enum grid_missing_record_kind
 */
struct grid_missing_record {
	u64 address;
	struct grid_missing_checksum sum;
	u32 table;
	u32 value;
	u8 kind;
	bool has_sum;
};

/**
 * struct grid_missing_record_table - how a table slot stands
 * @address: its index block
 * @sum: of that, when @has_sum
 * @values: how many it has, 0 while indexing
 * @state: enum grid_missing_table_state, 0 for a free slot
 * @lost: it is filling, and one of its values was cancelled: it won't be done
 */
struct grid_missing_record_table {
	u64 address;
	struct grid_missing_checksum sum;
	u32 values;
	u8 state;
	bool has_sum;
	bool lost;
};

#endif /* _LINUX_GRID_MISSING_RECORD_H */
