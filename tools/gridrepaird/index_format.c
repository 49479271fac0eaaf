// SPDX-License-Identifier: GPL-2.0
/*
 * How a device's index blocks are read; see index_format.h.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gridmissing.h"
#include "index_format.h"

int index_format_open(struct index_format *f, const char *path, char *error,
		      size_t size)
{
	const struct grid_index_format *p;
	const char *why;

	f->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!f->handle) {
		why = dlerror();
		snprintf(error, size, "index-format: %s", why ? why : path);
		return -ENOENT;
	}
	p = dlsym(f->handle, "grid_index_format");
	if (!p)
		why = "it exports no grid_index_format";
	else if (p->abi != GRID_INDEX_ABI)
		why = "it was made for another version of <gridindex.h>";
	else if (!p->entry_size || !p->decode || !p->name)
		why = "its grid_index_format is not filled in";
	else {
		f->plugin = p;
		return 0;
	}
	snprintf(error, size, "index-format: %s: %s", path, why);
	index_format_close(f);
	return -EINVAL;
}

void index_format_close(struct index_format *f)
{
	if (f->handle)
		dlclose(f->handle);
	memset(f, 0, sizeof(*f));
}

uint32_t index_format_room(const struct index_format *f, uint32_t block_size)
{
	return f->plugin ? block_size / f->plugin->entry_size :
			   gm_index_capacity(block_size);
}

int index_format_decode(const struct index_format *f, const void *block,
			uint32_t block_size, uint64_t blocks, uint64_t self,
			struct grid_missing_value *values, uint32_t room,
			const char **why)
{
	int n, i;

	if (!f->plugin)
		return gm_index_decode(block, block_size, blocks, self, values,
				       room, why);
	*why = "the index-format refused it";
	n = f->plugin->decode(block, block_size, blocks, self, values, room,
			      why);
	if (n < 0)
		return n;
	*why = "the index-format found no values, or too many";
	if (!n || (uint32_t)n > room)
		return -EBADMSG;
	for (i = 0; i < n; i++) {
		*why = "a value lies beyond the device's end";
		if (values[i].address >= blocks)
			return -EBADMSG;
		*why = "a value is the index block itself";
		if (values[i].address == self)
			return -EBADMSG;
	}
	return n;
}
