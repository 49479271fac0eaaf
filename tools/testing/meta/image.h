/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small metadata area in memory, for the tests of the loader: two
 * superblocks, a snapshot in one of the places, a log.
 */
#ifndef _META_IMAGE_H
#define _META_IMAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/errno.h>
#include "../../../kmod/target/meta.h"

#define IMAGE_UNIT 4096
#define IMAGE_BYTES (7 * 1024 * 1024)
#define IMAGE_LOG (3 * 1024 * 1024)

static u8 image[IMAGE_BYTES];

static inline int image_read(void *priv, u64 from, void *buf, u32 bytes)
{
	/* A loader that asks for what is not there has a fault. */
	if (from > IMAGE_BYTES || bytes > IMAGE_BYTES - from)
		abort();
	memcpy(buf, image + from, bytes);
	return 0;
}

static const struct gmeta_device image_device = { .read = image_read,
						  .bytes = IMAGE_BYTES };

static inline struct gmeta_super image_super(void)
{
	struct gmeta_super sb = {
		.version = GRID_META_VERSION,
		.state = GRID_META_ACTIVE,
		.uuid = "0123456789abcde",
		.sequence = 1,
		.block_size = 65536,
		.unit_size = IMAGE_UNIT,
		.blocks = 1 << 20,
		.data_sectors = 1ULL << 27,
		.blocks_max = 200,
		.tables_max = 4,
		.table_values_max = 100,
		.hash = "sha256",
		.commit_max = GRID_META_COMMIT_MIN,
		.snapshot_place = { 256, 512 },
		.snapshot_units = 256,
		.log_place = IMAGE_LOG / IMAGE_UNIT,
		.log_units = 1024,
		.area_units = IMAGE_BYTES / IMAGE_UNIT,
		.floor = GRID_META_SESSION,
		.begin_previous = GRID_META_SESSION,
		.reach = GRID_META_SESSION,
		.snapshot_end = GRID_META_SESSION,
	};

	/* 66182 records in 1 MiB pieces of 32766 want three. */
	sb.blocks = 30000;
	return sb;
}

#endif /* _META_IMAGE_H */
