/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The metadata's sources, included rather than linked, so that nothing need be
 * exported for its suites; and a small area in memory for them to work on.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "../kmod/target/meta_format.c"
#include "../kmod/target/meta_map.c"
#include "../kmod/target/meta_load.c"

#define META_UNIT 4096
#define META_BYTES (7 * 1024 * 1024)

/* The superblock of an area that fits into META_BYTES. */
static void meta_init_super(struct gmeta_super *sb)
{
	memset(sb, 0, sizeof(*sb));
	sb->version = GRID_META_VERSION;
	sb->state = GRID_META_ACTIVE;
	memcpy(sb->uuid, "0123456789abcdef", 16);
	sb->sequence = 1;
	sb->block_size = 4096;
	sb->unit_size = META_UNIT;
	sb->blocks = 1000;
	sb->data_start = 8;
	sb->data_sectors = 8 + 8000 + 7;
	sb->blocks_max = 100;
	sb->tables_max = 3;
	sb->table_values_max = 10;
	memcpy(sb->hash, "sha256", sizeof("sha256"));
	memcpy(sb->wwid, "eui.0011", sizeof("eui.0011"));
	sb->commit_max = GRID_META_COMMIT_MIN;
	sb->snapshot_place[0] = GRID_META_HEAD / META_UNIT;
	sb->snapshot_units = GRID_META_PIECE_MAX / META_UNIT;
	sb->snapshot_place[1] = sb->snapshot_place[0] + sb->snapshot_units;
	sb->log_place = sb->snapshot_place[1] + sb->snapshot_units;
	sb->log_units = 4 * GRID_META_COMMIT_MIN / META_UNIT;
	sb->area_units = sb->log_place + sb->log_units;
	sb->floor = GRID_META_SESSION;
	sb->begin_previous = GRID_META_SESSION;
	sb->reach = GRID_META_SESSION;
	sb->snapshot_end = GRID_META_SESSION;
}

/* @sb becomes both superblocks of the area at @area. */
static void meta_put_supers(const struct gmeta_super *sb, u8 *area)
{
	gmeta_super_encode(sb, area);
	gmeta_super_encode(sb, area + GRID_META_SUPER_SECOND);
}
