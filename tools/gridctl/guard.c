// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl: what wants --force, for it may undo what was written or let stale
 * blocks be read.  Where it isn't known to be harmless it is refused; nothing
 * has been changed by then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "scan.h"

/* ------------------------------------------------------------------ cancel */

/* Blocks whose content must be known to be good. */
struct wanted {
	struct grid_missing_block *v;
	size_t count, room;
	uint64_t bad; /* the first that isn't */
	bool unknown; /* for nobody knows its checksum */
};

static int want(struct wanted *w, const struct grid_missing_fault *f)
{
	struct grid_missing_block *more;

	if (w->count == w->room) {
		w->room = 2 * w->room + 64;
		more = realloc(w->v, w->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		w->v = more;
	}
	w->v[w->count++] = (struct grid_missing_block){
		.address = f->address,
		.checksum = f->checksum,
		.flags = (f->flags & GRID_MISSING_F_NO_CHECKSUM) |
			 (f->cause == GRID_MISSING_CAUSE_TABLE_INDEX ?
				  GRID_MISSING_F_TABLE :
				  0),
	};
	return 0;
}

/* The faults that a cancel of these would forget. */
static int collect(const struct ctl *ctl, struct gm_dev *dev,
		   const uint64_t *addresses, size_t count, bool tables,
		   struct wanted *w)
{
	struct grid_missing_fault *faults, f[2];
	uint64_t cursor;
	size_t n, i, j;
	int got, code;

	for (i = 0; i < count && !tables; i++) {
		cursor = 0;
		do
			got = gm_list_range(dev, addresses[i], addresses[i],
					    &cursor, f, 2);
		while (got == -EINTR);
		/* What isn't missing the call itself will tell. */
		if (got < 0 && got != -ERANGE && got != -EINVAL)
			return ctl_error(ctl, got, "%s", ctl->argv[0]);
		if (got > 0 && want(w, f))
			return ctl_error(ctl, -ENOMEM, "%zu blocks", count);
	}
	if (count && !tables)
		return CTL_GOOD;
	code = ctl_all_faults(ctl, dev, &faults, &n);
	if (code)
		return code;
	for (i = 0; i < n && !code; i++) {
		for (j = 0; j < count && addresses[j] != faults[i].table; j++)
			;
		if (count &&
		    (j == count || faults[i].cause == GRID_MISSING_CAUSE_BLOCK))
			continue;
		if (want(w, &faults[i]))
			code = ctl_error(ctl, -ENOMEM, "%zu blocks", n);
	}
	free(faults);
	return code;
}

static int found(void *arg, struct grid_missing_block *v, size_t n)
{
	struct wanted *w = arg;

	w->bad = v[0].address;
	return n ? -ECANCELED : 0;
}

int ctl_known_good(const struct ctl *ctl, struct gm_dev *dev,
		   const uint64_t *addresses, size_t count, bool tables)
{
	struct wanted w = { 0 };
	struct scan scan = {
		.ctl = ctl,
		.dev = dev,
		.algorithm = dev->checksum,
		.jobs = 4,
		.found = found,
		.arg = &w,
	};
	size_t i;
	int code;

	code = collect(ctl, dev, addresses, count, tables, &w);
	for (i = 0; i < w.count && !w.unknown; i++) {
		w.bad = w.v[i].address;
		w.unknown = !*dev->checksum ||
			    w.v[i].flags & GRID_MISSING_F_NO_CHECKSUM;
	}
	if (!code && w.count && !w.unknown)
		code = scan_blocks(&scan, w.v, w.count);
	if (!code && (w.unknown || scan.stopped || scan.unknown))
		code = ctl_fail(
			ctl, CTL_FORCE,
			"%s: block %" PRIu64
			" is not known to be good (%s), and could be read at once; nothing was changed: --force cancels it all the same",
			ctl->argv[0], w.bad,
			w.unknown ? "nobody knows its checksum" :
			scan.stopped ?
				    "the disk has not what its checksum says" :
				    "its table is of a format of its own");
	free(w.v);
	return code;
}

/* --------------------------------------------------------------- sync --scan */

int ctl_not_written(const struct ctl *ctl, const struct gm_dev *dev)
{
	struct gm_dm_state state;
	char name[128], who[512];
	unsigned int writers = 0;
	int err;

	err = gm_dm_name(dev->major, dev->minor, name, sizeof(name));
	if (!err)
		err = gm_dm_state(name, &state);
	if (!err && (!state.open_count || state.read_only))
		return CTL_GOOD;
	if (err)
		snprintf(who, sizeof(who), "%s", gm_dm_reason(err));
	else
		writers = ctl_holders(makedev(dev->major, dev->minor),
				      HOLDERS_WRITE, who, sizeof(who));
	if (!err && !writers) {
		if (ctl_holders(makedev(dev->major, dev->minor), HOLDERS_ALL,
				who, sizeof(who)) >= state.open_count)
			return CTL_GOOD; /* only readers, all of them seen */
		*who = 0;
	}
	return ctl_fail(
		ctl, CTL_FORCE,
		"%s %s (%s), and is not held: what is written after the manifest was made would be undone; nothing was changed: --force if nothing is written",
		ctl->argv[0],
		writers ? "is open for writing" : "may be open for writing",
		*who ? who : "by what cannot be seen from here");
}
