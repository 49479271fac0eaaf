/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a device's index blocks are read: by the library, or by a plug-in; see
 * <gridindex.h>.
 */
#ifndef INDEX_FORMAT_H
#define INDEX_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "gridindex.h"
#include "loader.h"

/* A plug-in; where there is none (NULL, below), it is the library's. */
struct index_format {
	void *handle;
	const struct grid_index_format *plugin;
};

/* Things of this kind are struct index_format. */
extern const struct loader_kind index_format_kind;

/* The most values that any index block of this size may list. */
uint32_t index_format_room(const struct index_format *f, uint32_t block_size);
/*
 * As gm_index_decode(), but every value is also checked when a plug-in has
 * decoded it.
 */
int index_format_decode(const struct index_format *f, const void *block,
			uint32_t block_size, uint64_t blocks, uint64_t self,
			struct grid_missing_value *values, uint32_t room,
			const char **why);

#endif /* INDEX_FORMAT_H */
