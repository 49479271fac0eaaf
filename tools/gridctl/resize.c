// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl resize, resume: a device of another length, and one that stands still.
 *
 * What may be reloaded is the module's to say (D9), and its sentence is what the
 * operator gets.  Whatever fails, the device goes on as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "area.h"
#include "ctl.h"

/* What stands in the table of a grid. */
struct shape {
	unsigned int major, minor;
	uint64_t offset, block; /* sectors */
	bool internal; /* its metadata is on the same disk */
};

/* Sectors of the device below, from the grid's start on. */
static int sectors_below(const struct ctl *ctl, const struct shape *shape,
			 uint64_t *sectors)
{
	int fd = ctl_open_block(shape->major, shape->minor, O_RDONLY), err = 0;
	uint64_t offset;
	off_t end = 0;

	if (fd < 0)
		return ctl_open_error(ctl, fd, "%s: the device below",
				      ctl->argv[0]);
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		err = errno;
	close(fd);
	if (err)
		return ctl_open_error(ctl, err, "%s: the device below",
				      ctl->argv[0]);
	/* With its metadata the disk has an end that stays free (M7). */
	offset = shape->offset + (shape->internal ? GRID_META_TAIL / 512 : 0);
	*sectors = (uint64_t)end / 512 > offset ? (uint64_t)end / 512 - offset :
						  0;
	return CTL_GOOD;
}

/* The module's sentence where it has said one. */
static int refused(const struct ctl *ctl, const char *name, const char *what,
		   const char *text, int err)
{
	return *text ? ctl_fail(ctl, CTL_FAILED, "%s: %s: %s", name, what,
				text) :
		       ctl_dm_error(ctl, err, "%s: %s", name, what);
}

/* Load @table and make it live, or leave things as they were with @before. */
static int load(const struct ctl *ctl, const struct gm_dm_create *table,
		const struct gm_dm_create *before,
		const struct gm_dm_state *state)
{
	int log = ctl_log_open(), code, err;
	bool live = false;
	char text[1024];

	err = gm_dm_reload(table);
	if (!err) {
		err = gm_dm_switch(table->name);
		live = err;
	}
	ctl_log_close(log, state->major, state->minor, text, sizeof(text));
	if (!err)
		return CTL_GOOD;
	code = refused(ctl, table->name, "refused", text, err);
	if (!live)
		return code;
	err = gm_dm_reload(before);
	if (!err)
		err = gm_dm_switch(before->name);
	if (err)
		ctl_dm_error(ctl, err, "%s stays suspended: its old table",
			     table->name);
	return code;
}

/*
 * The same, and no signal leaves it suspended amid that, nor interrupts the suspend, as
 * even Ctrl-Z does: dm fails what it is given back just then.
 */
static int change(const struct ctl *ctl, const struct gm_dm_create *table,
		  const struct gm_dm_create *before,
		  const struct gm_dm_state *state)
{
	sigset_t all, mask;
	int code;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask);
	code = load(ctl, table, before, state);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return code;
}

static int resize(struct ctl *ctl, const char *name, const char *params)
{
	struct gm_dm_create table = { .name = name, .params = params }, before;
	struct gm_dm_state state;
	struct json_object *o;
	struct shape shape;
	uint64_t length, there = 0;
	char who[512];
	int code, err;

	if (sscanf(params, "%u:%u %" SCNu64 " %" SCNu64, &shape.major,
		   &shape.minor, &shape.offset, &shape.block) != 4 ||
	    !shape.block)
		return ctl_fail(ctl, CTL_FAILED,
				"%s: its table is none of target grid: %s",
				name, params);
	snprintf(who, sizeof(who), " metadata:%u:%u ", shape.major,
		 shape.minor);
	shape.internal = strstr(params, who);
	err = gm_dm_state(name, &state);
	if (err)
		return ctl_dm_error(ctl, err, "%s", name);
	if (state.suspended)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s is suspended, by somebody who wants it so: \"gridctl resume %s\" first",
			name, name);
	code = sectors_below(ctl, &shape, &there);
	if (code)
		return code;
	length = there / shape.block * shape.block * 512;
	if (!ctl_size(ctl, "length", &length))
		return CTL_USAGE;
	if (!length || length % (shape.block * 512))
		return ctl_fail(
			ctl, CTL_USAGE,
			"--length=%s is not a multiple of the block size",
			ctl_option(ctl, "length") ?: "0");
	if (length / 512 > there)
		return ctl_fail(ctl, CTL_FAILED,
				"%s: the device below has only %" PRIu64
				" bytes for it",
				name, there * 512);
	table.sectors = length / 512;
	table.read_only = state.read_only;
	before = table;
	before.sectors = state.sectors;
	if (table.sectors < state.sectors && state.open_count &&
	    !ctl_option(ctl, "force")) {
		ctl_holders(makedev(state.major, state.minor), HOLDERS_ALL, who,
			    sizeof(who));
		return ctl_fail(
			ctl, CTL_FORCE,
			"%s would get shorter, from %" PRIu64 " to %" PRIu64
			" blocks, and is in use (%s): --force if what is cut off is not needed any more",
			name, state.sectors / shape.block,
			table.sectors / shape.block, *who ? who : "open");
	}
	if (table.sectors != state.sectors)
		code = change(ctl, &table, &before, &state);
	if (code)
		return code;
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", name);
		ctl_put_u64(o, "blocks_before", state.sectors / shape.block);
		ctl_put_u64(o, "blocks", table.sectors / shape.block);
		ctl_put_u64(o, "unused_bytes", (there - table.sectors) * 512);
		ctl_print(o);
	} else if (table.sectors == state.sectors) {
		printf("%s: %" PRIu64 " blocks, as before\n", name,
		       table.sectors / shape.block);
	} else {
		printf("%s: %" PRIu64 " blocks, %" PRIu64 " before\n", name,
		       table.sectors / shape.block,
		       state.sectors / shape.block);
	}
	return CTL_GOOD;
}

int verb_resize(struct ctl *ctl)
{
	char name[128], *type, *params;
	int code, err;

	code = ctl_dm_name(ctl, name, sizeof(name));
	if (!code)
		code = ctl_must_be_grid(ctl, name);
	if (code)
		return code;
	err = gm_dm_info(name, true, &type, &params);
	if (err)
		return ctl_dm_error(ctl, err, "%s", name);
	code = resize(ctl, name, params);
	free(type);
	free(params);
	return code;
}

int verb_resume(struct ctl *ctl)
{
	struct gm_dm_state state;
	struct json_object *o;
	char name[128], text[1024];
	int code, err, log;

	code = ctl_dm_name(ctl, name, sizeof(name));
	if (!code)
		code = ctl_must_be_grid(ctl, name);
	if (code)
		return code;
	err = gm_dm_state(name, &state);
	if (err)
		return ctl_dm_error(ctl, err, "%s", name);
	if (state.suspended) {
		log = ctl_log_open();
		err = gm_dm_resume(name);
		ctl_log_close(log, state.major, state.minor, text,
			      sizeof(text));
		if (err)
			return refused(ctl, name, "stays suspended", text, err);
	}
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", name);
		ctl_put_bool(o, "was_suspended", state.suspended);
		ctl_put_bool(o, "suspended", false);
		ctl_print(o);
	} else {
		printf(state.suspended ? "%s goes on\n" :
					 "%s was not suspended\n",
		       name);
	}
	return CTL_GOOD;
}
