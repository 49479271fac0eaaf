// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl faults, tables, released: what a tracker lists.
 *
 * All of them open the device read-only, and so disturb nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

void ctl_print_fault(const struct ctl *ctl, const struct grid_missing_fault *f)
{
	char sum[GM_CHECKSUM_TEXT], flags[64] = "", table[48] = "-";
	struct json_object *o;

	if (!f) {
		if (!ctl->json)
			printf("%12s  %-8s  %-11s  %-32s  %-18s  %s\n",
			       "ADDRESS", "STATE", "CAUSE", "CHECKSUM",
			       "TABLE[VALUE]", "FLAGS");
		return;
	}
	if (ctl->json) {
		o = ctl_object();
		ctl_put_u64(o, "address", f->address);
		ctl_put_string(o, "state", gm_state_name(f->state));
		ctl_put_string(o, "cause", gm_cause_name(f->cause));
		ctl_put_checksum(o, "checksum", &f->checksum, f->flags);
		if (f->flags & GRID_MISSING_F_NO_CHECKSUM)
			ctl_put_u64(o, "serial", f->serial);
		if (f->cause != GRID_MISSING_CAUSE_BLOCK)
			ctl_put_u64(o, "table", f->table);
		if (f->cause == GRID_MISSING_CAUSE_TABLE_VALUE)
			ctl_put_u64(o, "value_index", f->value_index);
		ctl_put_u64(o, "failures", f->failures);
		ctl_put_bool(o, "readers", f->flags & GRID_MISSING_F_READERS);
		ctl_put_bool(o, "wanted", f->flags & GRID_MISSING_F_WANTED);
		ctl_put_bool(o, "unavailable",
			     f->flags & GRID_MISSING_F_UNAVAILABLE);
		ctl_put_bool(o, "aside", f->flags & GRID_MISSING_F_ASIDE);
		ctl_print(o);
		return;
	}
	if (f->cause == GRID_MISSING_CAUSE_TABLE_INDEX)
		snprintf(table, sizeof(table), "%" PRIu64, (uint64_t)f->table);
	else if (f->cause == GRID_MISSING_CAUSE_TABLE_VALUE)
		snprintf(table, sizeof(table), "%" PRIu64 "[%u]",
			 (uint64_t)f->table, f->value_index);
	snprintf(flags, sizeof(flags), "%s%s%s%s",
		 f->flags & GRID_MISSING_F_READERS ? "readers " : "",
		 f->flags & GRID_MISSING_F_WANTED ? "wanted " : "",
		 f->flags & GRID_MISSING_F_UNAVAILABLE ? "unavailable " : "",
		 f->flags & GRID_MISSING_F_ASIDE ? "aside " : "");
	if (!*flags)
		strcpy(flags, "-");
	flags[strcspn(flags, " ")] = flags[strcspn(flags, " ")] ? ',' : 0;
	if (*flags && flags[strlen(flags) - 1] == ',')
		flags[strlen(flags) - 1] = 0;
	printf("%12" PRIu64 "  %-8s  %-11s  %-32s  %-18s  %s\n",
	       (uint64_t)f->address, gm_state_name(f->state),
	       gm_cause_name(f->cause),
	       f->flags & GRID_MISSING_F_NO_CHECKSUM ?
		       "-" :
		       gm_format_checksum(&f->checksum, sum),
	       table, flags);
}

/*
 * --range=FIRST-LAST, or --bytes=OFFSET+SIZE of a device: which blocks.  False
 * when neither is given; CTL_USAGE in *@code when one is wrong.
 */
static bool range(const struct ctl *ctl, const struct gm_dev *dev,
		  uint64_t *first, uint64_t *last, int *code)
{
	const char *blocks = ctl_option(ctl, "range");
	const char *bytes = ctl_option(ctl, "bytes");
	const char *text = blocks ? blocks : bytes;
	char *from = NULL, *to;
	bool good = false;

	if (!text)
		return false;
	if (!blocks != !bytes)
		from = strdup(text);
	to = from ? strchr(from, blocks ? '-' : '+') : NULL;
	if (to) {
		*to++ = 0;
		if (blocks)
			good = !gm_parse_u64(from, first) &&
			       !gm_parse_u64(to, last) && *first <= *last;
		else
			good = !gm_parse_size(from, first) &&
			       !gm_parse_size(to, last) && *last &&
			       dev->block_size &&
			       *last - 1 <= UINT64_MAX - *first;
	} else if (from && blocks) {
		good = !gm_parse_u64(from, first);
		*last = *first;
	}
	free(from);
	if (!good) {
		*code = ctl_fail(
			ctl, CTL_USAGE,
			blocks && bytes ? "--range and --bytes" :
			blocks ? "--range=%s: must be FIRST-LAST or ADDRESS" :
			dev->block_size ?
				 "--bytes=%s: must be OFFSET+SIZE" :
				 "--bytes=%s: a private tracker has none",
			text);
	} else if (bytes) {
		*last = (*first + *last - 1) / dev->block_size;
		*first /= dev->block_size;
	}
	return true;
}

int verb_faults(struct ctl *ctl)
{
	const char *state = ctl_option(ctl, "state");
	bool unavailable = ctl_option(ctl, "unavailable");
	uint64_t limit = UINT64_MAX, cursor = 0, first, last;
	struct grid_missing_fault v[512];
	bool ranged;
	struct gm_dev dev;
	int code, n = 0, i;

	if (!ctl_u64(ctl, "limit", &limit))
		return CTL_USAGE;
	if (state && strcmp(state, "waiting") && strcmp(state, "writing") &&
	    strcmp(state, "aborting"))
		return ctl_fail(
			ctl, CTL_USAGE,
			"--state=%s: must be waiting, writing or aborting",
			state);
	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	ranged = range(ctl, &dev, &first, &last, &code);
	if (code)
		goto out_close;
	ctl_print_fault(ctl, NULL);
	while (cursor != GM_CURSOR_END && limit) {
		n = ranged ? gm_list_range(&dev, first, last, &cursor, v, 512) :
			     gm_list_faults(&dev, &cursor, v, 512);
		if (n == -EINTR)
			continue;
		if (n < 0)
			break;
		for (i = 0; i < n && limit; i++) {
			if (state && strcmp(state, gm_state_name(v[i].state)))
				continue;
			if (unavailable &&
			    !(v[i].flags & GRID_MISSING_F_UNAVAILABLE))
				continue;
			ctl_print_fault(ctl, &v[i]);
			limit--;
		}
	}
	if (n < 0)
		code = ctl_error(ctl, n, "%s", ctl->argv[0]);
out_close:
	gm_close(&dev);
	return code;
}

void ctl_show_table(const struct ctl *ctl, const struct grid_missing_table *t)
{
	bool aside = t->flags & GRID_MISSING_F_ASIDE;
	char sum[GM_CHECKSUM_TEXT];
	struct json_object *o;

	if (ctl->json) {
		o = ctl_object();
		ctl_put_u64(o, "address", t->address);
		ctl_put_string(o, "state", gm_table_state_name(t->state));
		ctl_put_u64(o, "values", t->values);
		ctl_put_u64(o, "values_gone", t->values_gone);
		ctl_put_checksum(o, "checksum", &t->checksum, t->flags);
		ctl_put_bool(o, "aside", aside);
		ctl_print(o);
		return;
	}
	printf("%12" PRIu64 "  %-9s  %8u  %8u  %-32s  %s\n",
	       (uint64_t)t->address, gm_table_state_name(t->state), t->values,
	       t->values_gone,
	       t->flags & GRID_MISSING_F_NO_CHECKSUM ?
		       "-" :
		       gm_format_checksum(&t->checksum, sum),
	       aside ? "aside" : "-");
}

/* Attach, and call @next until its cursor is at the end. */
static int each(const struct ctl *ctl, const char *heading,
		int (*next)(const struct ctl *ctl, struct gm_dev *dev,
			    uint64_t *cursor, void *arg),
		void *arg)
{
	uint64_t cursor = 0;
	struct gm_dev dev;
	int code, n = 0;

	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	if (!ctl->json)
		puts(heading);
	while (cursor != GM_CURSOR_END) {
		n = next(ctl, &dev, &cursor, arg);
		if (n < 0 && n != -EINTR)
			break;
	}
	gm_close(&dev);
	return n < 0 ? ctl_error(ctl, n, "%s", ctl->argv[0]) : CTL_GOOD;
}

static int next_tables(const struct ctl *ctl, struct gm_dev *dev,
		       uint64_t *cursor, void *arg)
{
	struct grid_missing_table v[64];
	int n = gm_list_tables(dev, cursor, v, 64), i;

	(void)arg;
	for (i = 0; i < n; i++)
		ctl_show_table(ctl, &v[i]);
	return n;
}

int verb_tables(struct ctl *ctl)
{
	char heading[128];

	snprintf(heading, sizeof(heading), "%12s  %-9s  %8s  %8s  %-32s  %s",
		 "ADDRESS", "STATE", "VALUES", "GONE", "CHECKSUM", "FLAGS");
	return each(ctl, heading, next_tables, NULL);
}

static void print_run(const struct ctl *ctl,
		      const struct grid_missing_released *run)
{
	struct json_object *o;

	if (!run->count)
		return;
	if (!ctl->json) {
		printf("%12" PRIu64 "  %12" PRIu64 "  %s\n",
		       (uint64_t)run->address, (uint64_t)run->count,
		       gm_released_name(run->flags));
		return;
	}
	o = ctl_object();
	ctl_put_u64(o, "address", run->address);
	ctl_put_u64(o, "count", run->count);
	ctl_put_string(o, "state", gm_released_name(run->flags));
	ctl_print(o);
}

/* One that goes on where the last, @arg, ended is the same. */
static int next_released(const struct ctl *ctl, struct gm_dev *dev,
			 uint64_t *cursor, void *arg)
{
	struct grid_missing_released v[256], *run = arg;
	int n = gm_list_released(dev, cursor, v, 256), i;

	for (i = 0; i < n; i++) {
		if (run->count && v[i].address == run->address + run->count &&
		    v[i].flags == run->flags) {
			run->count += v[i].count;
			continue;
		}
		print_run(ctl, run);
		*run = v[i];
	}
	return n;
}

int verb_released(struct ctl *ctl)
{
	struct grid_missing_released run = { 0 };
	char heading[64];
	int code;

	snprintf(heading, sizeof(heading), "%12s  %12s  %s", "ADDRESS", "COUNT",
		 "STATE");
	code = each(ctl, heading, next_released, &run);
	print_run(ctl, &run);
	return code;
}
