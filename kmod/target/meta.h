/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Metadata: the map of missing blocks on a device (SPEC section 8).
 *
 *	meta_log.c	what to write next, and what waits for it
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

#include <linux/errno.h>
#include <linux/grid_metadata.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/types.h>

/*
 * What a map has on top of its limits at most: blocks that are lost, of what two commits
 * made good, and that were dropped and are missing again.  While there are any, or more,
 * nothing else is enqueued.
 */
#define GMETA_RESERVE 65536U

/* Blocks that a commit may make good before a flush. */
#define GMETA_ENDS_MAX (GMETA_RESERVE / 8 * 3)
#define GMETA_DROPPED_MAX (GMETA_RESERVE - 2 * GMETA_ENDS_MAX)

/* Numbers of commits and snapshots end here, and floors at half of it: none wraps. */
#define GMETA_NUMBERS 0x4000000000000000ULL

/* Entries of a commit that who can wait leaves free for who can't. */
#define GRID_META_MARGIN 8192U

/* Room for the sentence that tells what is wrong, and where. */
#define GMETA_WHY 192

/* In long loops: let others run; -EINTR when nobody waits for the end any more. */
static inline int gmeta_breathe(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Say it, to who wants to know. */
#define gmeta_say(why, ...)                                     \
	do {                                                    \
		char *_why = (why);                             \
		if (_why)                                       \
			snprintf(_why, GMETA_WHY, __VA_ARGS__); \
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
 * @members: faults that are said to be its index or its values
 * @lost: filling: some values were cancelled
 */
struct gmeta_table {
	u64 address;
	u8 sum[16];
	u32 values;
	u32 left;
	u64 members;
	u8 kind;
	bool has_sum;
	bool lost;
};

/**
 * struct gmeta_map - what is missing
 * @faults: hash table of @cells cells, 2^@bits
 * @cells_max: it gets no larger; 0: whatever memory there is
 * @multiplier: of its hash: odd, and unknown to who made the entries
 * @count: faults in it
 * @tables: by slot, @tables_max of them
 */
struct gmeta_map {
	struct gmeta_fault *faults;
	u64 cells;
	u32 bits;
	u64 cells_max;
	u64 multiplier;
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
 * @cells_max: as in struct gmeta_map
 * @seed: random, for its hash; 0: none
 */
struct gmeta_device {
	int (*read)(void *priv, u64 from, void *buf, u32 bytes);
	void (*seen)(void *priv, const struct gmeta_head *head,
		     const struct gmeta_entry *e);
	void *priv;
	u64 bytes;
	u64 cells_max;
	u64 seed;
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
int gmeta_load_map(const struct gmeta_device *dev, struct gmeta_loaded *l);
int gmeta_load(const struct gmeta_device *dev, struct gmeta_loaded *l);
void gmeta_unload(struct gmeta_loaded *l);

/* meta_log.c */

/** enum gmeta_do - what the log's caller does next */
enum gmeta_do {
	GMETA_NOTHING,
	GMETA_FLUSH_DATA, /* flush the data device */
	GMETA_FLUSH, /* flush the metadata device */
	GMETA_WRITE, /* write to the metadata device, with FUA */
	GMETA_FILL, /* put more of the map into a piece, see gmeta_log_next() */
};

/**
 * struct gmeta_io - one thing to do
 * @what: enum gmeta_do
 * @sector: of the area
 * @buf: what to write
 * @bytes: of it
 * @piece: fill this one
 */
struct gmeta_io {
	enum gmeta_do what;
	u64 sector;
	const void *buf;
	u32 bytes;
	struct gmeta_writer *piece;
};

/**
 * struct gmeta_end - a block that is good as soon as a data flush succeeds
 * @again: it was not changed since: a fault again when the flush fails
 * @dropped: written to since; nothing brings it back (D2)
 * @next: in its hash chain
 */
struct gmeta_end {
	u64 address;
	u8 sum[16];
	bool has_sum;
	bool again;
	bool dropped;
	u32 next;
};

/**
 * struct gmeta_commit - changes that become durable together
 * @serial: counts commits; what waiters wait for
 * @unflushed: it has ends that want a data flush first
 * @good: it has entries that say good
 * @flush: an application's flush waits for it
 */
struct gmeta_commit {
	struct gmeta_writer w;
	u64 serial;
	struct gmeta_end *ends;
	u32 *heads;
	u32 count;
	bool unflushed;
	bool good;
	bool flush;
};

/** struct gmeta_flush - an application's flush that waits */
struct gmeta_flush {
	u64 serial;
	u64 errors;
};

/**
 * struct gmeta_log - the log, as it is written
 *
 * All fields are the engine's own; the caller's lock protects them.
 *
 * @sb: what both superblocks say
 * @next_sb: what they are being made to say
 * @blocks: so many they are to say there are, or 0
 * @data_sectors: likewise, of the data device
 * @commits: one open, one under way
 * @open: changes are appended here
 * @cut: this one is under way
 * @last: number of the last commit that is written
 * @unit: of the log, where the next one goes
 * @used: units of the log that a load may still read
 * @done: serial of the last commit that is durable
 * @errors: data flushes that failed
 * @told: of these, how many an application's flush was told
 * @failed: metadata failed (M4)
 * @stale: something changed while the whole was written
 * @lost: a data flush failed that was not ours: our next one is as if it had
 * @snap_tries: how often the snapshot began anew
 * @again: called for each block that is a fault again, under the lock
 */
struct gmeta_log {
	struct gmeta_super sb, next_sb;
	u64 blocks, data_sectors;
	struct gmeta_commit commits[2];
	struct gmeta_commit *open, *cut;
	u8 *super;
	struct gmeta_writer piece;
	u8 *piece_buf;
	u32 ends_max, heads_mask;

	u64 last, unit, used;
	u64 number, place; /* of the commit under way */
	u64 done;
	u64 errors, told;
	void (*again)(void *priv, const struct gmeta_end *end);
	void *priv;

	int step;
	bool busy, sealed, tried, begun, wanted, mark, turn;
	bool failed, stopped, whole, snap_whole, stale, dirty, lost;

	int snapshot;
	u64 snap_unit, snap_begin, snap_previous, snap_used, snap_entries;
	u64 snap_left;
	u32 snap_pieces;
	u8 snap_tries;
};

int gmeta_log_init(struct gmeta_log *log, const struct gmeta_loaded *l);
void gmeta_log_exit(struct gmeta_log *log);

bool gmeta_log_room(const struct gmeta_log *log, u32 entries, u32 ends);
void gmeta_log_add(struct gmeta_log *log, const struct gmeta_entry *e);
void gmeta_log_end(struct gmeta_log *log, const struct gmeta_fault *f,
		   bool durable, bool more);
void gmeta_log_written(struct gmeta_log *log, u64 address);
void gmeta_log_unflushed(struct gmeta_log *log);
bool gmeta_log_lost(struct gmeta_log *log);

void gmeta_log_want(struct gmeta_log *log);
u64 gmeta_log_ticket(const struct gmeta_log *log);
u64 gmeta_log_good_ticket(const struct gmeta_log *log);
int gmeta_log_state(const struct gmeta_log *log, u64 ticket);
void gmeta_log_flush(struct gmeta_log *log, struct gmeta_flush *f);
int gmeta_log_flush_state(struct gmeta_log *log, const struct gmeta_flush *f);

void gmeta_log_mark(struct gmeta_log *log);
void gmeta_log_grow(struct gmeta_log *log, u64 blocks, u64 data_sectors);
void gmeta_log_retry(struct gmeta_log *log);
void gmeta_log_next(struct gmeta_log *log, struct gmeta_io *io);
void gmeta_log_seal(struct gmeta_log *log, struct gmeta_io *io);
void gmeta_log_told(struct gmeta_log *log, int r);

#endif /* _GRID_META_H */
