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

struct blocks {
	struct grid_missing_block *v;
	size_t count, room;
};

static int add(struct blocks *b, uint64_t address, uint32_t flags)
{
	struct grid_missing_block *more;

	if (b->count == b->room) {
		b->room = 2 * b->room + 64;
		more = realloc(b->v, b->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		b->v = more;
	}
	b->v[b->count++] = (struct grid_missing_block){ .address = address,
							.flags = flags };
	return 0;
}

/**
 * struct wanted - what a cancel would forget
 * @read: the faults: what is below must be known to be good
 * @bad: the first that isn't
 * @unknown: for nobody knows its checksum
 * @cancel: how to cancel them
 * @missing: how many of these are missing; the others come last
 */
struct wanted {
	struct blocks read, cancel;
	size_t missing;
	uint64_t bad;
	bool unknown;
};

static uint32_t want_flags(const struct grid_missing_fault *f)
{
	return (f->flags & GRID_MISSING_F_NO_CHECKSUM) |
	       (f->cause == GRID_MISSING_CAUSE_TABLE_INDEX ?
			GRID_MISSING_F_TABLE :
			0);
}

static int want(struct wanted *w, const struct grid_missing_fault *f)
{
	int err = add(&w->read, f->address, want_flags(f));

	if (!err)
		w->read.v[w->read.count - 1].checksum = f->checksum;
	return err;
}

/* Those of @addresses that are missing come first, and are counted. */
static int collect_blocks(const struct ctl *ctl, struct gm_dev *dev,
			  const uint64_t *addresses, size_t count,
			  struct wanted *w)
{
	struct grid_missing_block *v, last;
	struct grid_missing_fault f[2];
	uint64_t cursor;
	int got, err = 0;
	size_t i;

	for (i = 0; i < count && !err; i++) {
		cursor = 0;
		do
			got = gm_list_range(dev, addresses[i], addresses[i],
					    &cursor, f, 2);
		while (got == -EINTR);
		err = got < 0 ? got : add(&w->cancel, addresses[i], 0);
		v = w->cancel.v;
		if (!err && !got) {
			v[i].result = -ENOENT;
		} else if (!err) {
			last = v[i];
			v[i] = v[w->missing];
			v[w->missing++] = last;
			err = want(w, f);
		}
	}
	return err ? ctl_error(ctl, err, "%s", ctl->argv[0]) : CTL_GOOD;
}

/* Every table that has not ended. */
static int collect_tables(const struct ctl *ctl, struct gm_dev *dev,
			  struct wanted *w)
{
	struct grid_missing_table t[64];
	uint64_t cursor = 0;
	int n, i, err = 0;

	while (cursor != GM_CURSOR_END && !err) {
		n = gm_list_tables(dev, &cursor, t, 64);
		if (n < 0 && n != -EINTR)
			err = n;
		for (i = 0; i < n && !err; i++)
			if (t[i].state != GRID_MISSING_TABLE_DONE &&
			    t[i].state != GRID_MISSING_TABLE_CANCELLED)
				err = add(&w->cancel, t[i].address,
					  GRID_MISSING_F_TABLE);
	}
	return err ? ctl_error(ctl, err, "%s", ctl->argv[0]) : CTL_GOOD;
}

/* The faults of the tables in ->cancel; with @all the single ones, too. */
static int collect_faults(const struct ctl *ctl, struct gm_dev *dev, bool all,
			  struct wanted *w)
{
	struct grid_missing_fault *faults;
	size_t tables = w->cancel.count, n, i, j;
	bool single;
	int code, err = 0;

	code = ctl_all_faults(ctl, dev, &faults, &n);
	if (code)
		return code;
	for (i = 0; i < n && !err; i++) {
		single = faults[i].cause == GRID_MISSING_CAUSE_BLOCK;
		for (j = 0; j < tables && !single; j++)
			if (w->cancel.v[j].address == faults[i].table)
				break;
		if (single ? !all : j == tables)
			continue;
		err = want(w, &faults[i]);
		if (!err && single)
			err = add(&w->cancel, faults[i].address, 0);
	}
	free(faults);
	return err ? ctl_error(ctl, err, "%s", ctl->argv[0]) : CTL_GOOD;
}

/*
 * What a cancel of @addresses (as ctl_known_good()) forgets.  A fault that comes
 * later than this is not looked at, and so not cancelled.
 */
static int collect(const struct ctl *ctl, struct gm_dev *dev,
		   const uint64_t *addresses, size_t count, bool tables,
		   struct wanted *w)
{
	size_t i;
	int code;

	if (count && !tables)
		return collect_blocks(ctl, dev, addresses, count, w);
	for (i = 0; i < count; i++)
		if (add(&w->cancel, addresses[i], GRID_MISSING_F_TABLE))
			return ctl_error(ctl, -ENOMEM, "%zu tables", count);
	code = count ? CTL_GOOD : collect_tables(ctl, dev, w);
	if (!code)
		code = collect_faults(ctl, dev, !count, w);
	w->missing = w->cancel.count;
	return code;
}

/*
 * What is missing without a slot is in no listing, so that nobody can look; the
 * kernel takes it by its address, or with all.
 */
static int none_lost(const struct ctl *ctl, struct gm_dev *dev)
{
	struct grid_missing_status s;
	int err = gm_status(dev, &s);

	if (err)
		return ctl_error(ctl, err, "%s", ctl->argv[0]);
	if (!s.lost)
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_FORCE,
		"%s: %" PRIu64
		" blocks are missing without a slot, and nobody can look at these; nothing was changed: --force cancels all the same",
		ctl->argv[0], (uint64_t)s.lost);
}

static int by_address(const void *a, const void *b)
{
	const struct grid_missing_block *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int found(void *arg, struct grid_missing_block *v, size_t n)
{
	struct wanted *w = arg;

	w->bad = v[0].address;
	return n ? -ECANCELED : 0;
}

int ctl_known_good(const struct ctl *ctl, struct gm_dev *dev,
		   const uint64_t *addresses, size_t count, bool tables,
		   struct ctl_known *known)
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
	const struct grid_missing_block *v;
	size_t i;
	int code;

	code = collect(ctl, dev, addresses, count, tables, &w);
	if (!code && (!count || w.missing < count))
		code = none_lost(ctl, dev);
	v = w.read.v;
	for (i = 0; i < w.read.count && !w.unknown; i++) {
		w.bad = v[i].address;
		w.unknown = !*dev->checksum ||
			    v[i].flags & GRID_MISSING_F_NO_CHECKSUM;
	}
	if (!code && w.read.count && !w.unknown)
		code = scan_blocks(&scan, v, w.read.count);
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
	*known = (struct ctl_known){
		.read = w.read.v,
		.reads = w.read.count,
		.cancel = w.cancel.v,
		.count = w.missing,
	};
	if (known->reads)
		qsort(known->read, known->reads, sizeof(*known->read),
		      by_address);
	return code;
}

void ctl_known_free(struct ctl_known *known)
{
	free(known->read);
	free(known->cancel);
}

/* Is @f what was read below? */
static bool was_read(const struct ctl_known *known,
		     const struct grid_missing_fault *f)
{
	struct grid_missing_block key = { .address = f->address }, *b = NULL;

	if (known->reads)
		b = bsearch(&key, known->read, known->reads, sizeof(key),
			    by_address);
	return b && b->flags == want_flags(f) &&
	       gm_checksum_equal(&b->checksum, &f->checksum);
}

/*
 * 0, or why @b is not to be cancelled; @faults: those there are, for a table.  What
 * has gone is left out as well: it may be missing without a slot by now.
 */
static int look_again(struct gm_dev *dev, const struct ctl_known *known,
		      const struct grid_missing_block *b,
		      const struct grid_missing_fault *faults, size_t n)
{
	struct grid_missing_fault f[2];
	uint64_t cursor = 0;
	size_t i;
	int got;

	if (b->flags & GRID_MISSING_F_TABLE) {
		for (i = 0; i < n; i++)
			if (faults[i].cause != GRID_MISSING_CAUSE_BLOCK &&
			    faults[i].table == b->address &&
			    !was_read(known, &faults[i]))
				return -ESTALE;
		return 0;
	}
	do
		got = gm_list_range(dev, b->address, b->address, &cursor, f, 2);
	while (got == -EINTR);
	if (got <= 0)
		return got ? got : -ENOENT;
	return was_read(known, f) ? 0 : -ESTALE;
}

/* Those of @v[n] that are to be cancelled come first; *@keep says how many. */
static int sort_out(const struct ctl *ctl, struct gm_dev *dev,
		    const struct ctl_known *known, struct grid_missing_block *v,
		    size_t n, size_t *keep)
{
	struct grid_missing_fault *faults = NULL;
	struct grid_missing_block block;
	size_t there = 0, i;
	int code;

	*keep = 0;
	for (i = 0; i < n && !(v[i].flags & GRID_MISSING_F_TABLE); i++)
		;
	code = i < n ? ctl_all_faults(ctl, dev, &faults, &there) : CTL_GOOD;
	for (i = 0; i < n && !code; i++) {
		v[i].result = look_again(dev, known, &v[i], faults, there);
		if (v[i].result == -ENOENT || v[i].result == -ESTALE)
			continue;
		if (v[i].result) {
			code = ctl_error(ctl, v[i].result, "%s", ctl->argv[0]);
			break;
		}
		block = v[i];
		v[i] = v[*keep];
		v[(*keep)++] = block;
	}
	free(faults);
	return code;
}

#define SLICE 64 /* looked at again, and then cancelled */

/*
 * While others were read, hours maybe, a fault may have ended, and its block gone
 * missing again, for other data.  The kernel goes by addresses alone: so each is
 * looked at again directly before.
 */
int ctl_cancel_known(const struct ctl *ctl, struct gm_dev *dev,
		     const struct ctl_known *known, uint32_t flags,
		     size_t *done, int *err)
{
	size_t n, keep, some;
	int code;

	*err = 0;
	for (*done = 0; *done < known->count; *done += n) {
		struct grid_missing_block *v = known->cancel + *done;

		n = known->count - *done < SLICE ? known->count - *done : SLICE;
		code = sort_out(ctl, dev, known, v, n, &keep);
		if (code)
			return code;
		*err = gm_cancel(dev, v, keep, flags, &some);
		if (*err) {
			*done += some;
			break;
		}
	}
	return CTL_GOOD;
}

/* -------------------------------------------------------------------- sync */

#define LOOKS 10 /* for who is gone before it can be seen */

int ctl_not_written(const struct ctl *ctl, const struct gm_dev *dev,
		    unsigned int own, bool changed)
{
	dev_t number = makedev(dev->major, dev->minor);
	unsigned int writers = 0, looks = 0;
	struct gm_dm_state state;
	char name[128], who[512];
	int err;

	for (; looks < LOOKS; looks++) {
		if (looks)
			ctl_pause(50);
		err = gm_dm_name(dev->major, dev->minor, name, sizeof(name));
		if (!err)
			err = gm_dm_state(name, &state);
		if (!err && (state.open_count <= own || state.read_only))
			return CTL_GOOD;
		snprintf(who, sizeof(who), "%s", err ? gm_dm_reason(err) : "");
		if (err)
			break;
		writers = ctl_holders(number, HOLDERS_WRITE, who, sizeof(who));
		if (writers)
			break;
		if (ctl_holders(number, HOLDERS_ALL, who, sizeof(who)) ==
		    state.open_count)
			return CTL_GOOD; /* only readers, all of them seen */
		*who = 0;
	}
	return ctl_fail(
		ctl, changed ? CTL_FAILED : CTL_FORCE,
		"%s %s (%s), and is not held: what is written after the manifest was made would be undone; %s: --force if nothing is written",
		ctl->argv[0],
		writers ? "is open for writing" : "may be open for writing",
		*who ? who : "by what cannot be seen from here",
		changed ? "what was found before is enqueued" :
			  "nothing was changed");
}
