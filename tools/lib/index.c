// SPDX-License-Identifier: GPL-2.0
/*
 * Index blocks of tables: the format that <gridmissing.h> documents.
 *
 * The decoder meets whatever a source sends, so it trusts nothing: every
 * number is checked before it is used, in 64 bits, and nothing is read beyond
 * the block.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "gridmissing.h"
#include "le.h"

uint32_t gm_index_capacity(uint32_t block_size)
{
	return block_size < GM_INDEX_HEADER ?
		       0 :
		       (block_size - GM_INDEX_HEADER) / GM_INDEX_ENTRY;
}

/* Values of @size bytes each, as the caller knows them. */
static bool value_size_ok(size_t size)
{
	return size >= offsetof(struct grid_missing_value, checksum) +
			       sizeof(struct grid_missing_checksum);
}

int(gm_index_encode)(void *block, uint32_t block_size,
		     const struct grid_missing_value *values, uint32_t count,
		     size_t size)
{
	const struct grid_missing_value *value;
	uint32_t i, version = htole32(GM_INDEX_VERSION), n = htole32(count);
	uint8_t *p = block;
	uint64_t address;

	if (!count || !value_size_ok(size))
		return -EINVAL;
	if (count > gm_index_capacity(block_size))
		return -E2BIG;
	memset(block, 0, block_size);
	memcpy(p, GM_INDEX_MAGIC, 8);
	memcpy(p + 8, &version, sizeof(version));
	memcpy(p + 12, &n, sizeof(n));
	for (i = 0, p += GM_INDEX_HEADER; i < count; i++, p += GM_INDEX_ENTRY) {
		value = (const void *)((const char *)values + i * size);
		address = htole64(value->address);
		memcpy(p, &address, sizeof(address));
		memcpy(p + 8, value->checksum.bytes,
		       sizeof(value->checksum.bytes));
	}
	return 0;
}

static int bad(const char **why, const char *what)
{
	if (why)
		*why = what;
	return -EBADMSG;
}

int(gm_index_decode)(const void *block, uint32_t block_size, uint64_t blocks,
		     uint64_t self, struct grid_missing_value *values,
		     uint32_t room, const char **why, size_t size)
{
	struct grid_missing_value *value;
	const uint8_t *p = block;
	uint32_t count, i;
	uint64_t address;

	if (!value_size_ok(size))
		return -EINVAL;
	if (block_size < GM_INDEX_HEADER)
		return bad(why, "the block is shorter than an index's header");
	if (memcmp(p, GM_INDEX_MAGIC, 8))
		return bad(why, "it doesn't begin with " GM_INDEX_MAGIC);
	if (get_le32(p + 8) != GM_INDEX_VERSION)
		return bad(why, "unknown version of the index format");
	count = get_le32(p + 12);
	if (!count)
		return bad(why, "it lists no values");
	if (count > gm_index_capacity(block_size))
		return bad(why, "it lists more values than fit in a block");
	if (values && count > room)
		return -E2BIG;
	for (i = 0, p += GM_INDEX_HEADER; i < count; i++, p += GM_INDEX_ENTRY) {
		address = get_le64(p);
		if (address >= blocks)
			return bad(why, "a value lies beyond the device's end");
		if (address == self)
			return bad(why, "a value is the index block itself");
		if (!values)
			continue;
		value = (void *)((char *)values + i * size);
		memset(value, 0, size);
		value->address = address;
		memcpy(value->checksum.bytes, p + 8,
		       sizeof(value->checksum.bytes));
	}
	return (int)count;
}
