/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The on-disk format of dm-grid's metadata, for the kernel and the tools alike:
 * where the map of missing blocks outlives a crash (SPEC section 8).
 *
 * kmod/Documentation/metadata.rst tells every byte and the rules of reading and
 * writing; this header is only its figures.  All numbers are little endian.
 * Places are in units of the superblock's unit_size, from the start of the
 * metadata area, unless they say otherwise.
 */
#ifndef _LINUX_GRID_METADATA_H
#define _LINUX_GRID_METADATA_H

#include <linux/types.h>

#define GRID_META_MAGIC "gridmeta" /* the first 8 bytes of the area */
#define GRID_META_COMMIT_MAGIC "gcom"
#define GRID_META_PIECE_MAGIC "gsnp"
#define GRID_META_VERSION 1

/* Bytes. */
#define GRID_META_SUPER_SIZE 4096 /* of a superblock, in a unit of its own */
#define GRID_META_SUPER_SECOND (512 * 1024) /* where the second one begins */
#define GRID_META_HEAD (1024 * 1024) /* both superblocks; zero between */
#define GRID_META_UNIT_MIN 4096
#define GRID_META_UNIT_MAX 65536
#define GRID_META_PIECE_MAX (1024 * 1024) /* a piece of a snapshot */
#define GRID_META_COMMIT_MIN (1024 * 1024) /* commit_max is at least that */
#define GRID_META_COMMIT_LIMIT (512 * 1024 * 1024) /* ... and at most that */
/* Internal metadata: what is left free at the end of the disk (M7). */
#define GRID_META_TAIL (1024 * 1024)

/* Feature words, as in ext4; no feature is defined yet. */
#define GRID_META_COMPAT_KNOWN 0U
#define GRID_META_RO_COMPAT_KNOWN 0U
#define GRID_META_INCOMPAT_KNOWN 0U

/* Of struct grid_meta_disk_super.state. */
#define GRID_META_ACTIVE 1
#define GRID_META_RETIRED 2

/* Of struct grid_meta_disk_super.flags. */
#define GRID_META_INTERNAL 1U /* the area lies on the data device */

#define GRID_META_HASH_SIZE 64
#define GRID_META_WWID_SIZE 128
#define GRID_META_PARTUUID_SIZE 40

/* Numbers of one session lie above its floor, and less than this above it. */
#define GRID_META_SESSION 0x100000000ULL

/* A superblock; what follows up to GRID_META_SUPER_SIZE is zero. */
struct grid_meta_disk_super {
	__u8 magic[8];
	__le32 crc; /* of all GRID_META_SUPER_SIZE bytes, this field as 0 */
	__le32 version;
	__le32 compat;
	__le32 ro_compat;
	__le32 incompat;
	__le32 state;
	__u8 uuid[16];
	__le64 sequence; /* counts writes of superblocks */
	__le64 created; /* seconds since 1970, UTC */
	__le32 block_size;
	__le32 unit_size;
	__le64 blocks;
	__le64 data_start; /* sectors, on the data device */
	__le64 data_sectors; /* of the whole data device */
	__le32 flags;
	__le32 blocks_max;
	__le32 tables_max;
	__le32 table_values_max;
	__u8 hash[GRID_META_HASH_SIZE];
	__u8 wwid[GRID_META_WWID_SIZE];
	__u8 partuuid[GRID_META_PARTUUID_SIZE];
	__le32 commit_max; /* bytes of the longest commit, head included */
	__le32 reserved;
	__le64 area_units; /* all of it */
	__le64 snapshot_place[2];
	__le64 snapshot_units; /* of each */
	__le64 log_place;
	__le64 log_units;
	__le64 floor; /* the session's numbers are above it */
	__le64 reach; /* a load must come to this commit at least */
	__le64 snapshot; /* number of the newest snapshot */
	__le32 snapshot_which; /* in which place it is */
	__le32 snapshot_pieces;
	__le64 snapshot_entries;
	__le64 begin_unit; /* where in the log the replay begins */
	__le64 begin_previous; /* what the first commit there follows */
	__le64 snapshot_end; /* only with this commit the snapshot is a state */
};

/* The head of a commit and of a piece of a snapshot; entries follow. */
struct grid_meta_disk_head {
	__u8 magic[4];
	__le32 crc; /* of all units, this field as 0 */
	__u8 uuid[16];
	__le64 number; /* of the commit; of the snapshot */
	__le64 previous; /* commit: its predecessor's; piece: which, from 0 */
	__le64 place; /* where it lies: commit: in the log, piece: in the area */
	__le32 length; /* bytes, head included; zero from there on */
	__le32 count; /* entries */
	__le32 flags; /* 0 */
	__le32 reserved; /* 0 */
};

/*
 * An entry's first word: its kind below, the block's address above.  Runs are
 * of 16 bytes, all others of 32.
 */
#define GRID_META_MORE 0x80U /* the next entry belongs to the same group */
#define GRID_META_SUM 0x40U /* with a checksum; without, its bytes are 0 */
#define GRID_META_KIND 0x3fU
#define GRID_META_ADDRESS_SHIFT 8
#define GRID_META_ADDRESS_MAX ((1ULL << 56) - 1)

/** enum grid_meta_kind - what an entry says */
enum grid_meta_kind {
	GRID_META_GOOD = 0x01, /* a run: these blocks are not missing */
	/* 0x02 to 0x0f: further runs, of 16 bytes (absent blocks) */
	GRID_META_BLOCK = 0x10, /* a fault of its own */
	GRID_META_INDEX = 0x11, /* the index block of a table */
	GRID_META_VALUE = 0x12, /* a value block of a table */
	GRID_META_INDEXING = 0x20, /* a table whose index is missing */
	GRID_META_FILLING = 0x21, /* a table whose values are missing */
	GRID_META_DONE = 0x22, /* a table that is done */
	GRID_META_CANCELLED = 0x23, /* a table that was cancelled */
	GRID_META_FREE = 0x24, /* no table in this slot */
	GRID_META_PARTIAL = 0x25, /* as filling; some were cancelled */
};

struct grid_meta_disk_run {
	__le64 word;
	__le64 count; /* at least 1 */
};

struct grid_meta_disk_entry {
	__le64 word; /* fault: its block; table: its index block */
	__u8 sum[16];
	__le32 table; /* the table's slot; block: 0 */
	__le32 value; /* value: which of the table; table: how many */
};

#endif /* _LINUX_GRID_METADATA_H */
