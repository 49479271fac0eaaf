// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl attach, detach: the grids of /etc/gridtab.
 *
 * They are what the units of gridtab-generator run, and what an administrator
 * types.  Attaching is waiting for the disks, "create" and, for a grid that
 * starts held, "sync --scan" or waiting for somebody's "ready"; the commands
 * are run as a user would run them, so that all they check and say is theirs.
 * Every wait has an end, and what was waited for is named then: it is what
 * "systemctl status grid@NAME" shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "ctl.h"
#include "gridtab.h"

extern char **environ;

/* ---------------------------------------------------- a command of gridctl */

struct command {
	char *argv[64];
	int argc;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void word(struct command *c,
						       const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0 || c->argc == 63) {
		if (n >= 0)
			free(text);
		c->failed = true;
		return;
	}
	c->argv[c->argc++] = text;
}

static void begin(const struct ctl *ctl, struct command *c, const char *verb)
{
	word(c, "gridctl");
	if (ctl->json)
		word(c, "--json");
	word(c, "%s", verb);
}

/* Run it and free its words; its exit code. */
static int run(const struct ctl *ctl, struct command *c)
{
	int status = 0, err = c->failed ? ENOMEM : 0;
	pid_t pid;

	fflush(stdout);
	if (!err)
		err = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, c->argv,
				  environ);
	while (!err && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err = errno;
	while (c->argc)
		free(c->argv[--c->argc]);
	if (err)
		return ctl_error(ctl, -err, "cannot run gridctl");
	return WIFEXITED(status) ? WEXITSTATUS(status) : CTL_FAILED;
}

/* -------------------------------------------------------------- the table */

static const char *tab_path(const struct ctl *ctl)
{
	const char *path = ctl_option(ctl, "tab");

	return path ? path : GRIDTAB_PATH;
}

static int read_tab(const struct ctl *ctl, struct gridtab *tab)
{
	const char *path = tab_path(ctl);
	int err = gridtab_read(path, tab);

	return err ? ctl_fail(ctl, CTL_FAILED, "%s: %s", path,
			      gm_open_reason(err)) :
		     CTL_GOOD;
}

/* ---------------------------------------------------------------- attaching */

/* Not yet a disk: an array that is not assembled, which has its node already. */
static bool is_empty(dev_t dev)
{
	char path[64], first;
	bool empty;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(dev),
		 minor(dev));
	f = fopen(path, "re");
	empty = f && fread(&first, 1, 1, f) == 1 && first == '0';
	if (f)
		fclose(f);
	return empty;
}

/* Wait for a block device that has a size. */
static int wait_disk(const struct ctl *ctl, const struct gridtab_entry *e,
		     const char *what, const char *disk, char path[PATH_MAX])
{
	uint64_t limit = gridtab_device_timeout(e);
	double end = ctl_now() + (double)limit / 1000;
	struct stat st;
	bool there;

	if (!gridtab_path(disk, path))
		return ctl_fail(ctl, CTL_FAILED, "%s: %s: the name is too long",
				e->name, disk);
	for (;;) {
		there = !stat(path, &st);
		if (there && !S_ISBLK(st.st_mode))
			return ctl_fail(ctl, CTL_FAILED,
					"%s: the %s %s is not a block device",
					e->name, what, path);
		if (there && !is_empty(st.st_rdev))
			return CTL_GOOD;
		if (!there && errno != ENOENT)
			return ctl_open_error(ctl, -errno, "%s: the %s %s",
					      e->name, what, path);
		if (ctl_now() >= end)
			break;
		ctl_pause(100);
	}
	return ctl_fail(
		ctl, CTL_NO_DEVICE,
		"%s: the %s %s %s within %g s (x-systemd.device-timeout= in %s)",
		e->name, what, path,
		there ? "had no size (is it an array that is not assembled?)" :
			"did not appear",
		(double)limit / 1000, tab_path(ctl));
}

/* Is there a dm device of that name, and is it a grid?  CTL_GOOD or an exit code. */
static int is_there(const struct ctl *ctl, const char *name, bool *there)
{
	char type[16];
	int err = ctl_target(name, type);

	*there = !err;
	if (err == -ENXIO || err == -ENODEV)
		return CTL_GOOD;
	if (err)
		return ctl_dm_error(ctl, err, "%s", name);
	if (!*type)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s is there already, and has no table: \"dmsetup remove %s\" takes it away, if whoever was making it was killed",
			name, name);
	if (strcmp(type, "grid"))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s is there already, and is not a device of target grid",
			name);
	return CTL_GOOD;
}

static int create(const struct ctl *ctl, const struct gridtab_entry *e)
{
	static const char *const pass[] = {
		"block-size",	  "offset",	   "length",
		"checksum",	  "on-missing",	   "park-timeout",
		"no-helper",	  "checkpoint",	   "detect",
		"blocks-max",	  "tables-max",	   "table-values-max",
		"metadata-start", "metadata-uuid",
	};
	char data[PATH_MAX], metadata[PATH_MAX];
	struct command c = { 0 };
	const char *value;
	size_t i;
	int code;

	code = wait_disk(ctl, e, "data device", e->data, data);
	if (code)
		return code;
	begin(ctl, &c, "create");
	for (i = 0; i < sizeof(pass) / sizeof(*pass); i++) {
		value = gridtab_option(e, pass[i]);
		if (value)
			word(&c, "--%s=%s", pass[i], value);
	}
	if (gridtab_option(e, "start"))
		word(&c, "--start=%s", gridtab_option(e, "start"));
	else if (gridtab_held(e))
		word(&c, "--start=held");
	/* The line says where it is to lie; by hand it was asked once. */
	word(&c, "--force");
	if (gridtab_option(e, "read-only"))
		word(&c, "--read-only");
	if (!strcmp(e->metadata, "internal")) {
		word(&c, "--metadata=internal");
	} else if (strcmp(e->metadata, "none")) {
		code = wait_disk(ctl, e, "metadata device", e->metadata,
				 metadata);
		word(&c, "--metadata=%s", metadata);
	}
	word(&c, "--");
	word(&c, "%s", e->name);
	word(&c, "%s", data);
	if (code) {
		while (c.argc)
			free(c.argv[--c.argc]);
		return code;
	}
	return run(ctl, &c);
}

/* Wait until @name is not held any more. */
static int wait_ready(const struct ctl *ctl, const struct gridtab_entry *e)
{
	uint64_t limit = gridtab_ready_timeout(e);
	double end = ctl_now() + (double)limit / 1000;
	struct grid_missing_status s;
	struct gm_dev dev;
	int err;

	err = ctl_open(ctl, &dev, O_RDONLY);
	if (err)
		return err;
	err = gm_attach(&dev, e->name, 0);
	while (!err) {
		err = gm_status(&dev, &s);
		if (err || !(s.state & GRID_MISSING_STATUS_HELD) ||
		    ctl_now() >= end)
			break;
		ctl_pause(200);
	}
	gm_close(&dev);
	if (err)
		return ctl_error(ctl, err, "%s", e->name);
	if (!(s.state & GRID_MISSING_STATUS_HELD))
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_TIMEOUT,
		"%s is held, and nobody said within %g s that it is ready: enqueue what is missing (\"gridctl sync %s --scan …\"), then \"gridctl ready %s\"",
		e->name, (double)limit / 1000, e->name, e->name);
}

/* Is the device held now?  Only when that is known. */
static bool held_now(const char *name)
{
	struct grid_missing_status s;
	struct gm_dev dev;
	bool held = false;

	if (gm_open(&dev, O_RDONLY))
		return false;
	if (!gm_attach(&dev, name, 0) && !gm_status(&dev, &s))
		held = s.state & GRID_MISSING_STATUS_HELD;
	gm_close(&dev);
	return held;
}

static int sync_manifest(const struct ctl *ctl, const struct gridtab_entry *e,
			 const char *manifest)
{
	struct command c = { 0 };
	int code;

	begin(ctl, &c, "sync");
	word(&c, "--manifest=%s", manifest);
	word(&c, "--scan");
	word(&c, "--nowait");
	word(&c, "--ready");
	word(&c, "--timeout=%" PRIu64 "ms", gridtab_ready_timeout(e));
	word(&c, "--");
	word(&c, "%s", e->name);
	code = run(ctl, &c);
	if (code)
		return ctl_fail(
			ctl, code,
			held_now(e->name) ?
				"%s stays held: it could not be compared with the manifest %s" :
				"%s is live, but not all that the manifest %s lists could be enqueued as it says",
			e->name, manifest);
	return CTL_GOOD;
}

static int attach(const struct ctl *ctl, const struct gridtab_entry *e)
{
	const char *manifest = gridtab_option(e, "manifest");
	struct json_object *o;
	bool there;
	int code;

	if (e->error)
		return ctl_fail(ctl, CTL_USAGE, "%s:%u: %s", tab_path(ctl),
				e->line, e->error);
	code = is_there(ctl, e->name, &there);
	if (!code && !there)
		code = create(ctl, e);
	if (!code && !ctl_option(ctl, "nowait") && held_now(e->name))
		code = manifest ? sync_manifest(ctl, e, manifest) :
				  wait_ready(ctl, e);
	if (code || !ctl->json)
		return code;
	o = ctl_object();
	ctl_put_string(o, "device", e->name);
	ctl_put_bool(o, "created", !there);
	ctl_put_bool(o, "held", held_now(e->name));
	ctl_print(o);
	return CTL_GOOD;
}

/* One line's, or every one's; of those that fail the last exit code is the result. */
static int each(struct ctl *ctl, int (*one)(const struct ctl *ctl,
					    const struct gridtab_entry *e))
{
	const struct gridtab_entry *e;
	struct gridtab tab;
	int code, result;
	size_t i;

	if (!ctl_option(ctl, "all") == !ctl->argc)
		return ctl_fail(ctl, CTL_USAGE, "either NAME or --all");
	result = read_tab(ctl, &tab);
	if (result)
		return result;
	if (ctl->argc) {
		e = gridtab_find(&tab, ctl->argv[0]);
		result = e ? one(ctl, e) :
			     ctl_fail(ctl, CTL_NO_DEVICE, "%s is not in %s",
				      ctl->argv[0], tab_path(ctl));
	}
	for (i = 0; !ctl->argc && i < tab.count; i++) {
		e = &tab.entries[i];
		if (gridtab_option(e, "noauto"))
			continue;
		code = e->name ? one(ctl, e) :
				 ctl_fail(ctl, CTL_USAGE, "%s:%u: %s",
					  tab_path(ctl), e->line, e->error);
		if (code)
			result = code;
	}
	gridtab_free(&tab);
	return result;
}

int verb_attach(struct ctl *ctl)
{
	return each(ctl, attach);
}

/* ---------------------------------------------------------------- detaching */

static int detach_name(const struct ctl *ctl, const char *name)
{
	struct json_object *o;
	bool there;
	int code;

	code = is_there(ctl, name, &there);
	/*
	 * What is missing is forgotten here, or kept by the metadata device:
	 * either is what the table's line says.
	 */
	if (!code && there)
		code = ctl_remove(ctl, name, NULL);
	if (code || !ctl->json)
		return code;
	o = ctl_object();
	ctl_put_string(o, "device", name);
	ctl_put_bool(o, "removed", there);
	ctl_print(o);
	return CTL_GOOD;
}

static int detach(const struct ctl *ctl, const struct gridtab_entry *e)
{
	return e->name ? detach_name(ctl, e->name) : CTL_GOOD;
}

/* A line that was removed from the table leaves a device to detach. */
static int detach_by_hand(const struct ctl *ctl, const char *name)
{
	struct gridtab tab;
	bool there, known;
	int code;

	code = is_there(ctl, name, &there);
	if (code || there)
		return code ? code : detach_name(ctl, name);
	known = !gridtab_read(tab_path(ctl), &tab) && gridtab_find(&tab, name);
	gridtab_free(&tab);
	return known ? detach_name(ctl, name) :
		       ctl_fail(ctl, CTL_NO_DEVICE,
				"there is no dm device %s, nor is it in %s",
				name, tab_path(ctl));
}

int verb_detach(struct ctl *ctl)
{
	if (ctl->argc && !ctl_option(ctl, "all"))
		return detach_by_hand(ctl, ctl->argv[0]);
	return each(ctl, detach);
}
