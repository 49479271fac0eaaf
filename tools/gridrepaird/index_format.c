// SPDX-License-Identifier: GPL-2.0
/*
 * How a device's index blocks are read; see index_format.h.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gridmissing.h"
#include "index_format.h"

/*
 * dlopen() holds a lock that others want (to look up a host's name, to end): a
 * file that hangs is to do so before.
 */
static int read_all(const char *path)
{
	char buf[4096];
	int fd, err = 0;
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf, sizeof(buf));
	} while (n > 0);
	if (n < 0)
		err = -errno;
	close(fd);
	return err;
}

static void index_format_close(void *thing)
{
	struct index_format *f = thing;

	if (f->handle)
		dlclose(f->handle);
	free(f);
}

static void *index_format_open(const char *path, char *error, size_t size)
{
	struct index_format *f = calloc(1, sizeof(*f));
	const struct grid_index_format *p;
	const char *why;
	int err;

	if (!f) {
		snprintf(error, size, "out of memory");
		return NULL;
	}
	/* Without a slash it is looked for where libraries are. */
	err = strchr(path, '/') ? read_all(path) : 0;
	if (err) {
		snprintf(error, size, "%s: %s", path, strerrordesc_np(-err));
		goto err_free;
	}
	f->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!f->handle) {
		why = dlerror();
		snprintf(error, size, "%s", why ? why : path);
		goto err_free;
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
		return f;
	}
	snprintf(error, size, "%s: %s", path, why);
err_free:
	index_format_close(f);
	return NULL;
}

/* One that is loaded stays: its code may be in use. */
const struct loader_kind index_format_kind = {
	.what = "index-format",
	.load = index_format_open,
	.free = index_format_close,
};

uint32_t index_format_room(const struct index_format *f, uint32_t block_size)
{
	return f ? block_size / f->plugin->entry_size :
		   gm_index_capacity(block_size);
}

int index_format_decode(const struct index_format *f, const void *block,
			uint32_t block_size, uint64_t blocks, uint64_t self,
			struct grid_missing_value *values, uint32_t room,
			const char **why)
{
	int n, i;

	if (!f)
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
