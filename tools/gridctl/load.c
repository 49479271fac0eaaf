// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl load: what "save" wrote becomes missing again; see savefile.h.
 *
 * It wants a device that lets no I/O through yet, and a file of this boot, unless
 * the operator says that the reboot was planned; and renames the file when it is
 * done.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "savefile.h"

void save_boot_id(char id[64])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(id, 64, f))
		strcpy(id, "unknown");
	if (f)
		fclose(f);
	id[strcspn(id, "\n")] = 0;
}

/* An array that grows. */
struct list {
	void *v;
	size_t count, room;
};

/* Room for one more of @size bytes, zeroed; NULL when memory is out. */
static void *list_add(struct list *l, size_t size)
{
	void *more;

	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 1024;
		more = realloc(l->v, l->room * size);
		if (!more)
			return NULL;
		l->v = more;
	}
	return memset((char *)l->v + l->count++ * size, 0, size);
}

/**
 * struct load - a file of "save"
 * @blocks: struct grid_missing_block: faults, and tables by their index
 * @tables: struct grid_missing_repair: tables by their values; ->data is the
 *	place of the first in @values
 * @values: struct grid_missing_value
 * @taken: struct grid_missing_released: of the checkpoint that was taken
 * @released: likewise, of the next one
 * @releases: blocks in both
 * @checkpoint: its id, or 0
 * @left: values that the table above still wants
 */
struct load {
	struct list blocks, tables, values, taken, released;
	uint64_t releases;
	uint64_t checkpoint;
	uint64_t block_size, device_blocks;
	char boot[64], checksum[64];
	uint64_t left, lines;
	bool ended;
};

static void free_load(struct load *l)
{
	free(l->blocks.v);
	free(l->tables.v);
	free(l->values.v);
	free(l->taken.v);
	free(l->released.v);
}

static bool parse_sum(const char *text, struct grid_missing_checksum *sum,
		      uint32_t *flags)
{
	if (!strcmp(text, "-")) {
		*flags |= GRID_MISSING_F_NO_CHECKSUM;
		return true;
	}
	return !gm_parse_checksum(text, sum);
}

static const char *parse_block(struct load *l, const char *key,
			       uint64_t address, const char *sum)
{
	struct grid_missing_block *b = list_add(&l->blocks, sizeof(*b));

	if (!b)
		return "memory is out";
	b->address = address;
	if (!strcmp(key, "table"))
		b->flags |= GRID_MISSING_F_TABLE;
	return parse_sum(sum, &b->checksum, &b->flags) ? NULL :
							 "not a checksum";
}

static const char *parse_values(struct load *l, uint64_t address,
				const char *sum, const char *count)
{
	struct grid_missing_repair *t = list_add(&l->tables, sizeof(*t));

	if (!t)
		return "memory is out";
	t->address = address;
	t->data = l->values.count;
	if (gm_parse_u64(count, &l->left) || !l->left || l->left > UINT32_MAX)
		return "not a number of values";
	t->values_count = (uint32_t)l->left;
	return parse_sum(sum, &t->checksum, &t->flags) ? NULL :
							 "not a checksum";
}

static const char *parse_value(struct load *l, uint64_t address,
			       const char *sum)
{
	struct grid_missing_value *v = list_add(&l->values, sizeof(*v));

	if (!v)
		return "memory is out";
	if (!l->left)
		return "a value without a table";
	l->left--;
	v->address = address;
	return gm_parse_checksum(sum, &v->checksum) ? "not a checksum" : NULL;
}

static const char *parse_run(struct load *l, struct list *list, uint64_t first,
			     const char *count)
{
	struct grid_missing_released *run;
	uint64_t n;

	if (gm_parse_u64(count, &n) || !n || n > l->device_blocks ||
	    first > l->device_blocks - n)
		return "the blocks lie beyond the end of the device";
	run = list_add(list, sizeof(*run));
	if (!run)
		return "memory is out";
	run->address = first;
	run->count = n;
	l->releases += n;
	return NULL;
}

/* The header: true when @key is of that, with *@what set when it is wrong. */
static bool parse_header(struct load *l, const char *key, const char *value,
			 const char **what)
{
	if (!strcmp(key, "boot_id"))
		snprintf(l->boot, sizeof(l->boot), "%s", value);
	else if (!strcmp(key, "checksum"))
		snprintf(l->checksum, sizeof(l->checksum), "%s", value);
	else if (!strcmp(key, "block_size"))
		*what = gm_parse_u64(value, &l->block_size) ? "not a number" :
							      NULL;
	else if (!strcmp(key, "blocks"))
		*what = gm_parse_u64(value, &l->device_blocks) ?
				"not a number" :
				NULL;
	else
		return false;
	return true;
}

/* One line after the first; NULL, or what is wrong with it. */
static const char *parse_line(struct load *l, char *line)
{
	char *word[5] = { 0 }, *rest = NULL;
	const char *what = NULL;
	uint64_t address;
	int n = 0;

	for (; n < 5 && (word[n] = strtok_r(n ? NULL : line, " ", &rest)); n++)
		;
	if (l->ended)
		return "there is more after the end";
	if (n < 2)
		return "unknown line";
	if (n == 2 && parse_header(l, word[0], word[1], &what))
		return what;
	if (gm_parse_u64(word[1], &address))
		return "not a number";
	if (n == 2 && !strcmp(word[0], "end")) {
		l->ended = true;
		return address == l->lines ? NULL :
					     "the number of lines is another";
	}
	l->lines++;
	if (l->left && strcmp(word[0], "value"))
		return "a table has fewer values than it said";
	if (n == 2 && !strcmp(word[0], "checkpoint")) {
		l->checkpoint = address;
		return address ? NULL : "not a checkpoint's id";
	}
	if (address >= l->device_blocks)
		return "the block lies beyond the end of the device";
	if (n == 3 && (!strcmp(word[0], "block") || !strcmp(word[0], "table")))
		return parse_block(l, word[0], address, word[2]);
	if (n == 4 && !strcmp(word[0], "values"))
		return parse_values(l, address, word[2], word[3]);
	if (n == 3 && !strcmp(word[0], "value"))
		return parse_value(l, address, word[2]);
	if (n == 3 && !strcmp(word[0], "taken"))
		return parse_run(l, &l->taken, address, word[2]);
	if (n == 3 && !strcmp(word[0], "released"))
		return parse_run(l, &l->released, address, word[2]);
	return "unknown line";
}

static bool same_grid(const struct gm_dev *dev, const struct load *l)
{
	return l->block_size == dev->block_size &&
	       l->device_blocks == dev->blocks &&
	       !strcmp(l->checksum, *dev->checksum ? dev->checksum : "none");
}

/* Is it whole, of the same grid, and of the same boot? */
static int check_load(const struct ctl *ctl, const struct gm_dev *dev,
		      const struct load *l)
{
	const char *path = ctl->argv[1];
	char boot[64];

	if (!same_grid(dev, l))
		return ctl_fail(ctl, CTL_FAILED,
				"%s is of a grid of %" PRIu64
				" blocks of %" PRIu64
				" bytes (checksum %s), %s has %" PRIu64
				" of %u (%s); nothing was changed",
				path, l->device_blocks, l->block_size,
				l->checksum, ctl->argv[0], dev->blocks,
				dev->block_size,
				*dev->checksum ? dev->checksum : "none");
	if (!l->ended)
		return ctl_fail(ctl, CTL_FAILED,
				"%s is cut short; nothing was changed", path);
	if (l->taken.count && !l->checkpoint)
		return ctl_fail(ctl, CTL_FAILED,
				"%s: taken blocks and no checkpoint", path);
	save_boot_id(boot);
	if (strcmp(l->boot, boot) && !ctl_option(ctl, "planned-reboot"))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s was saved in another boot: if the machine crashed, it is wrong, and only your application's checksums can say what is missing; if not, --planned-reboot",
			path);
	return CTL_GOOD;
}

/* Read and check all of the file; CTL_GOOD or an exit code. */
static int read_save(const struct ctl *ctl, const struct gm_dev *dev,
		     struct load *l)
{
	const char *path = ctl->argv[1], *what = NULL;
	unsigned long number = 0;
	char line[512];
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", path,
				strerrordesc_np(errno));
	while (!what && fgets(line, sizeof(line), f)) {
		number++;
		line[strcspn(line, "\n")] = 0;
		if (number > 1)
			what = parse_line(l, line);
		else if (strcmp(line, SAVE_HEADER))
			what = "this is no file of \"gridctl save\"";
	}
	fclose(f);
	/* Of another grid, a block beyond the end is not what is wrong. */
	if (what && (!l->block_size || same_grid(dev, l)))
		return ctl_fail(ctl, CTL_FAILED,
				"%s:%lu: %s; nothing was changed", path, number,
				what);
	return check_load(ctl, dev, l);
}

/* How many of @count elements of @size bytes with @result failed; says which. */
static uint64_t failed_among(const struct ctl *ctl, const char *v, size_t count,
			     size_t size, size_t result)
{
	uint64_t failed = 0, address;
	int32_t r;
	size_t i;

	for (i = 0; i < count; i++) {
		memcpy(&r, v + i * size + result, sizeof(r));
		if (r >= 0)
			continue;
		memcpy(&address, v + i * size, sizeof(address));
		if (++failed <= 10)
			ctl_error(ctl, r, "%s: block %" PRIu64, ctl->argv[0],
				  address);
	}
	return failed;
}

static int load_releases(struct gm_dev *dev, const struct list *list)
{
	const struct grid_missing_released *v = list->v;
	size_t at, n;
	int err = 0;

	for (at = 0; at < list->count && !err; at += n) {
		n = list->count - at;
		if (n > GRID_MISSING_VECTOR_MAX)
			n = GRID_MISSING_VECTOR_MAX;
		err = gm_checkpoint_release(dev, v + at, (uint32_t)n);
	}
	return err;
}

/* 0, or the first errno; what failed has been told. */
static int apply(const struct ctl *ctl, struct gm_dev *dev, struct load *l,
		 uint64_t *failed)
{
	struct grid_missing_value *values = l->values.v;
	struct grid_missing_repair *t = l->tables.v;
	struct grid_missing_block *b = l->blocks.v;
	size_t done = 0, i;
	int err;

	/* A take closes what was released before it. */
	err = load_releases(dev, &l->taken);
	if (!err && l->checkpoint)
		err = gm_checkpoint_take(dev, &l->checkpoint);
	if (!err)
		err = load_releases(dev, &l->released);
	if (err)
		return err;

	err = gm_enqueue(dev, b, l->blocks.count, &done);
	*failed += failed_among(ctl, l->blocks.v, done, sizeof(*b),
				offsetof(struct grid_missing_block, result));
	if (err)
		return err;
	for (i = 0; i < l->tables.count; i++) {
		t[i].values = (uintptr_t)(values + t[i].data);
		t[i].value_size = sizeof(*values);
		t[i].data = 0;
	}
	err = gm_enqueue_values(dev, t, l->tables.count, &done);
	*failed += failed_among(ctl, l->tables.v, done, sizeof(*t),
				offsetof(struct grid_missing_repair, result));
	return err;
}

int verb_load(struct ctl *ctl)
{
	struct load l = { .checksum = "?" };
	struct grid_missing_status s;
	struct json_object *o;
	uint64_t failed = 0;
	char used[4096];
	struct gm_dev dev;
	size_t missing;
	int code, err;

	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		return code;
	code = read_save(ctl, &dev, &l);
	if (code)
		goto out_free;
	err = gm_status(&dev, &s);
	if (err) {
		code = ctl_error(ctl, err, "%s", ctl->argv[0]);
		goto out_free;
	}
	if (!(s.state & GRID_MISSING_STATUS_HELD)) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s lets I/O through already, so what is missing may have been read: create it with --start=held",
			ctl->argv[0]);
		goto out_free;
	}
	err = apply(ctl, &dev, &l, &failed);
	if (err || failed) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: not all of %s is loaded: don't let I/O through (%s)",
			ctl->argv[0], ctl->argv[1],
			gm_reason(err ? err : -EINVAL));
		goto out_free;
	}
	snprintf(used, sizeof(used), "%s.loaded", ctl->argv[1]);
	err = ctl_rename(ctl->argv[1], used);
	if (err)
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: loaded, but it cannot be renamed for good (%s): remove it yourself",
			ctl->argv[1], strerrordesc_np(-err));
	missing = l.blocks.count + l.values.count;
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", ctl->argv[0]);
		ctl_put_u64(o, "missing", missing);
		ctl_put_u64(o, "released", l.releases);
		ctl_put_u64(o, "checkpoint_taken", l.checkpoint);
		ctl_print(o);
	} else {
		printf("%s: %zu blocks enqueued and %" PRIu64
		       " released from %s\n",
		       ctl->argv[0], missing, l.releases, ctl->argv[1]);
	}
out_free:
	free_load(&l);
	gm_close(&dev);
	return code;
}
