/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Metadata: the map of missing blocks on a device (SPEC section 8).
 *
 *	meta_load.c	what is on the device, read into plain dictionaries
 *	meta_map.c	the dictionaries
 *	meta_format.c	bytes to structs and back, and what is wrong with them
 *
 * Each calls only files below it.  They are pure: they know neither bio nor
 * lock nor clock, and the same source is linked into gridctl, which makes,
 * reads and mends metadata offline, and into the crash and fuzz tests.  Nothing
 * that was read is trusted: what is wrong is an error that names the place.
 */
#ifndef _GRID_META_H
#define _GRID_META_H

#include <linux/grid_metadata.h>
#include <linux/types.h>

/* Room for the sentence that tells what is wrong, and where. */
#define GMETA_WHY 192

/* Say it, to who wants to know. */
#define gmeta_say(why, ...)                                           \
	do {                                                          \
		char *_why = (why);                                   \
		if (_why)                                             \
			snprintf(_why, GMETA_WHY, __VA_ARGS__);       \
	} while (0)

/** struct gmeta_super - a superblock; the fields are the disk's */
struct gmeta_super {
	u32 version;
	u32 compat, ro_compat, incompat;
	u32 state;
	u8 uuid[16];
	u64 sequence;
	u64 created;
	u32 block_size;
	u32 unit_size;
	u64 blocks;
	u64 data_start, data_sectors;
	u32 flags;
	u32 blocks_max, tables_max, table_values_max;
	char hash[GRID_META_HASH_SIZE];
	char wwid[GRID_META_WWID_SIZE];
	char partuuid[GRID_META_PARTUUID_SIZE];
	u32 commit_max;
	u64 area_units;
	u64 snapshot_place[2];
	u64 snapshot_units;
	u64 log_place, log_units;
	u64 floor;
	u64 reach;
	u64 snapshot;
	u32 snapshot_which;
	u32 snapshot_pieces;
	u64 snapshot_entries;
	u64 begin_unit;
	u64 begin_previous;
	u64 snapshot_end;
};

/**
 * struct gmeta_head - a commit, or a piece of a snapshot
 * @piece: it is a piece of a snapshot
 */
struct gmeta_head {
	bool piece;
	u64 number;
	u64 previous;
	u64 place;
	u32 length;
	u32 count;
};

/**
 * struct gmeta_entry - one entry
 * @kind: enum grid_meta_kind
 * @has_sum: @sum is known
 * @more: the next entry belongs to the same group
 * @address: fault: its block; table: its index block; run: the first block
 * @count: run: how many
 * @sum: checksum
 * @table: which table slot
 * @value: value: which of its table; table: how many it has
 */
struct gmeta_entry {
	u8 kind;
	bool has_sum;
	bool more;
	u64 address;
	u64 count;
	u8 sum[16];
	u32 table;
	u32 value;
};

/* meta_format.c */

/* What a superblock's limits come to. */
u64 gmeta_records_max(const struct gmeta_super *sb);
u64 gmeta_commit_bytes(u32 table_values_max);
u64 gmeta_snapshot_bytes(const struct gmeta_super *sb);

void gmeta_super_encode(const struct gmeta_super *sb, void *block);
int gmeta_super_decode(const void *block, u64 bytes, struct gmeta_super *sb,
		       char *why);
int gmeta_super_check(const struct gmeta_super *sb, char *why);

/**
 * struct gmeta_writer - a commit or a piece that is being put together
 * @buf: where; @size bytes
 * @used: bytes so far, head included
 * @count: entries so far
 * @whole: of @used, up to the end of the last whole group
 * @whole_count: likewise
 */
struct gmeta_writer {
	u8 *buf;
	u32 size;
	u32 used;
	u32 count;
	u32 whole;
	u32 whole_count;
};

void gmeta_begin(struct gmeta_writer *w, void *buf, u32 size);
int gmeta_add(struct gmeta_writer *w, const struct gmeta_entry *e);
u32 gmeta_end(struct gmeta_writer *w, const struct gmeta_super *sb,
	      struct gmeta_head *head);

int gmeta_head_decode(const void *unit, const struct gmeta_super *sb,
		      struct gmeta_head *head);
bool gmeta_crc_good(const void *buf, u32 bytes);
int gmeta_next(const struct gmeta_super *sb, const struct gmeta_head *head,
	       const void *buf, u32 *at, struct gmeta_entry *e, char *why);

/* Bytes of whole units. */
static inline u32 gmeta_padded(const struct gmeta_super *sb, u32 length)
{
	return (length + sb->unit_size - 1) & ~(sb->unit_size - 1);
}

/* meta_map.c */

/**
 * struct gmeta_fault - one missing block
 * @kind: GRID_META_BLOCK, _INDEX or _VALUE; 0 for an unused cell
 */
struct gmeta_fault {
	u64 address;
	u8 sum[16];
	u32 table;
	u32 value;
	u8 kind;
	bool has_sum;
};

/**
 * struct gmeta_table - one table slot
 * @kind: GRID_META_INDEXING, _FILLING, _DONE, _CANCELLED; 0 for a free slot
 * @left: values that are missing; set by gmeta_map_check()
 */
struct gmeta_table {
	u64 address;
	u8 sum[16];
	u32 values;
	u32 left;
	u8 kind;
	bool has_sum;
};

/**
 * struct gmeta_map - what is missing
 * @faults: hash table of @cells cells, a power of two
 * @count: faults in it
 * @tables: by slot, @tables_max of them
 */
struct gmeta_map {
	struct gmeta_fault *faults;
	u64 cells;
	u64 count;
	struct gmeta_table *tables;
	u32 tables_max;
};

int gmeta_map_init(struct gmeta_map *map, const struct gmeta_super *sb);
void gmeta_map_exit(struct gmeta_map *map);
int gmeta_map_apply(struct gmeta_map *map, const struct gmeta_entry *e);
const struct gmeta_fault *gmeta_map_find(const struct gmeta_map *map,
					 u64 address);
int gmeta_map_check(struct gmeta_map *map, const struct gmeta_super *sb,
		    char *why);

/* meta_load.c */

/**
 * struct gmeta_device - where metadata is read from
 * @read: fill @buf with @bytes bytes from @from on, which lie within @bytes;
 *	0 or a negative errno
 * @seen: of each entry that is replayed; may be NULL
 * @priv: theirs
 * @bytes: size of the area
 */
struct gmeta_device {
	int (*read)(void *priv, u64 from, void *buf, u32 bytes);
	void (*seen)(void *priv, const struct gmeta_head *head,
		     const struct gmeta_entry *e);
	void *priv;
	u64 bytes;
};

/**
 * struct gmeta_loaded - what a load found
 * @super: the newer of the good superblocks
 * @super_good: which of the two can be read; 0: @super is from the other one
 * @super_same: both say the same
 * @map: what is missing
 * @last: number of the last commit
 * @next_unit: where in the log the next one goes
 * @highest: of all numbers seen in the log, also beyond the end
 * @commits: replayed
 * @entries: in these and in the snapshot
 * @used_units: of the log, from where the replay begins
 * @unreadable: units of the log's free part that can't be read
 * @damaged: the log or the snapshot is damaged; @map is what precedes the place
 * @why: what is wrong, when an error was returned or @damaged
 */
struct gmeta_loaded {
	struct gmeta_super super;
	bool super_good[2];
	bool super_same;
	struct gmeta_map map;
	u64 last;
	u64 next_unit;
	u64 highest;
	u64 commits;
	u64 entries;
	u64 used_units;
	u64 unreadable;
	bool damaged;
	char why[GMETA_WHY];
};

int gmeta_load_super(const struct gmeta_device *dev, struct gmeta_loaded *l);
int gmeta_load(const struct gmeta_device *dev, struct gmeta_loaded *l);
void gmeta_unload(struct gmeta_loaded *l);

#endif /* _GRID_META_H */
