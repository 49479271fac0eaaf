// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl remove: the end of a device.
 *
 * What only looks at a device (udev's blkid, after each close of a writer) is
 * gone in a moment and is waited for; what holds it for good is named at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "ctl.h"

#define BUSY_SECONDS 10

/* Who holds the dm device @name? */
static bool holders(const char *name, enum ctl_holders which, char *text,
		    size_t size)
{
	unsigned int major, minor;

	*text = 0;
	return !gm_resolve(name, &major, &minor) &&
	       ctl_holders(makedev(major, minor), which, text, size);
}

int ctl_remove(const struct ctl *ctl, const char *name,
	       int (*may)(const struct ctl *ctl, const char *name))
{
	double end = ctl_now() + BUSY_SECONDS;
	char who[512] = "";
	int code, err;

	for (;;) {
		code = may ? may(ctl, name) : CTL_GOOD;
		if (code)
			return code;
		err = gm_dm_remove(name, false);
		if (err != -EBUSY ||
		    holders(name, HOLDERS_LASTING, who, sizeof(who)) ||
		    ctl_now() >= end)
			break;
		ctl_pause(200);
	}
	if (err == -EBUSY && !*who)
		holders(name, HOLDERS_ALL, who, sizeof(who));
	if (err == -EBUSY)
		return ctl_fail(
			ctl, CTL_FAILED, "%s is in use: %s", name,
			*who ? who :
			       "by what cannot be seen from here (another mount namespace, or the kernel itself)");
	if (err)
		return ctl_dm_error(ctl, err, "%s", name);
	return CTL_GOOD;
}

/* Does metadata keep what is missing? */
static bool is_kept(const char *name)
{
	struct grid_missing_status s;
	struct gm_dev dev;
	bool kept = false;

	if (gm_open(&dev, O_RDONLY))
		return false;
	if (!gm_attach(&dev, name, 0) && !gm_status(&dev, &s))
		kept = s.state & GRID_MISSING_STATUS_METADATA;
	gm_close(&dev);
	return kept;
}

/* Removed when its last user closes it, which may be now. */
static int remove_deferred(const struct ctl *ctl, const char *name, bool *later)
{
	char *type, *params, who[512];
	bool kept = is_kept(ctl->argv[0]);
	int err = gm_dm_remove(name, true);

	*later = false;
	if (err)
		return ctl_dm_error(ctl, err, "%s", name);
	if (gm_dm_info(name, true, &type, &params))
		return CTL_GOOD;
	free(type);
	free(params);
	*later = true;
	holders(name, HOLDERS_ALL, who, sizeof(who));
	ctl_note(ctl, "%s is still there, and goes when it is closed: %s%s",
		 name, *who ? who : "who holds it cannot be seen from here",
		 kept ? "" : "; what goes missing until then is forgotten");
	return CTL_LATER;
}

/* Would missing blocks be forgotten?  CTL_GOOD if not, or an exit code. */
static int check_missing(const struct ctl *ctl, const char *name)
{
	struct grid_missing_status s;
	struct gm_dev dev;
	int code, err;

	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (!code) {
		err = gm_status(&dev, &s);
		gm_close(&dev);
		if (err)
			code = ctl_error(ctl, err, "%s", name);
	}
	if (code)
		return ctl_fail(
			ctl, CTL_FORCE,
			"%s: cannot see whether blocks are missing: --force removes it all the same",
			name);
	if (!ctl_missing(&s))
		return CTL_GOOD;
	if (s.state & GRID_MISSING_STATUS_METADATA_FAILED)
		return ctl_fail(
			ctl, CTL_FORCE,
			"%s: %" PRIu64
			" blocks are missing, and those that the failed metadata has not would be forgotten: \"dmsetup message %s 0 metadata retry\" keeps them, --force forgets them",
			name, ctl_missing(&s), name);
	if (s.state & GRID_MISSING_STATUS_METADATA)
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_FORCE,
		"%s: %" PRIu64
		" blocks are missing, and would be forgotten: \"gridctl save\" keeps them, --force forgets them",
		name, ctl_missing(&s));
}

int verb_remove(struct ctl *ctl)
{
	struct json_object *o;
	bool later = false;
	char name[128];
	int code;

	code = ctl_dm_name(ctl, name, sizeof(name));
	if (!code)
		code = ctl_must_be_grid(ctl, name);
	if (code)
		return code;
	if (!ctl_option(ctl, "deferred")) {
		code = ctl_remove(ctl, name,
				  ctl_option(ctl, "force") ? NULL :
							     check_missing);
	} else {
		if (!ctl_option(ctl, "force"))
			code = check_missing(ctl, name);
		if (!code)
			code = remove_deferred(ctl, name, &later);
	}
	if (ctl->json && (!code || later)) {
		o = ctl_object();
		ctl_put_string(o, "device", name);
		ctl_put_bool(o, "removed", !later);
		ctl_print(o);
	}
	return code;
}
