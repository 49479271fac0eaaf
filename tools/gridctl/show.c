// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl status, faults, tables, wait, monitor: looking.
 *
 * All of them open the device read-only, and so disturb nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"

/* ------------------------------------------------------------------ status */

/* @rate: blocks repaired a second, 0 when that is not known. */
/* Where the map is kept. */
static const char *metadata_of(const struct grid_missing_status *s)
{
	if (s->state & GRID_MISSING_STATUS_METADATA_FAILED)
		return "failed";
	return s->state & GRID_MISSING_STATUS_METADATA ? "ok" : "none";
}

static void status_json(const struct ctl *ctl, const struct gm_dev *dev,
			const struct grid_missing_status *s, double rate)
{
	struct json_object *o = ctl_object(), *capacity, *use, *progress, *list;
	uint32_t i;

	ctl_put_string(o, "device", ctl->argv[0]);
	ctl_put_u64(o, "id", s->id);
	ctl_put_u64(o, "block_size", s->block_size);
	ctl_put_u64(o, "blocks", s->blocks);
	ctl_put_string(o, "checksum", *dev->checksum ? dev->checksum : "none");
	ctl_put_bool(o, "clean", !ctl_missing(s));
	ctl_put_bool(o, "checkpoint_open",
		     s->state & GRID_MISSING_STATUS_CHECKPOINT);
	ctl_put_bool(o, "sync_jump_open",
		     s->state & GRID_MISSING_STATUS_SYNC_JUMP);
	ctl_put_bool(o, "suspended", s->state & GRID_MISSING_STATUS_SUSPENDED);
	ctl_put_bool(o, "held", s->state & GRID_MISSING_STATUS_HELD);
	ctl_put_string(o, "metadata", metadata_of(s));
	ctl_put_bool(o, "private", s->state & GRID_MISSING_STATUS_PRIVATE);
	ctl_put_u64(o, "waiting", s->waiting);
	ctl_put_u64(o, "writing", s->writing);
	ctl_put_u64(o, "aborting", s->aborting);
	ctl_put_u64(o, "parked", s->parked);
	json_object_object_add(
		o, "oldest_waiting_s",
		json_object_new_double((double)s->oldest_waiting_ms / 1000));
	ctl_put_u64(o, "timeouts", s->timeouts);
	ctl_put_u64(o, "unavailable", s->unavailable);
	ctl_put_u64(o, "repaired", s->repaired);
	ctl_put_u64(o, "unverified", s->unverified);
	ctl_put_u64(o, "superseded", s->superseded);
	ctl_put_u64(o, "detected", s->detected);
	ctl_put_u64(o, "lost", s->lost);
	ctl_put_u64(o, "lost_full", s->lost_full);
	ctl_put_u64(o, "passed_up", s->passed_up);
	ctl_put_u64(o, "passed_up_medium", s->passed_up_medium);
	ctl_put_u64(o, "passed_up_io", s->passed_up_io);
	if (s->passed_up)
		ctl_put_u64(o, "passed_up_block", s->passed_up_block);
	if (s->passed_up_count) {
		list = json_object_new_array();
		for (i = 0; i < s->passed_up_count; i++)
			json_object_array_add(
				list,
				json_object_new_uint64(s->passed_up_blocks[i]));
		json_object_object_add(o, "passed_up_blocks", list);
	}
	ctl_put_u64(o, "verify_failed", s->verify_failed);
	ctl_put_u64(o, "write_failed", s->write_failed);
	ctl_put_u64(o, "freed", s->freed);
	ctl_put_u64(o, "cancelled", s->cancelled);
	ctl_put_u64(o, "checkpoints", s->checkpoints);
	ctl_put_u64(o, "checkpoint_taken", s->checkpoint_taken);
	ctl_put_u64(o, "released", s->released);
	ctl_put_u64(o, "discarding", s->discarding);
	ctl_put_u64(o, "helpers", s->helpers);
	capacity = json_object_new_object();
	ctl_put_u64(capacity, "blocks_max", s->blocks_max);
	ctl_put_u64(capacity, "tables_max", s->tables_max);
	ctl_put_u64(capacity, "table_values_max", s->table_values_max);
	json_object_object_add(o, "capacity", capacity);
	use = json_object_new_object();
	ctl_put_u64(use, "blocks_single", s->blocks_single);
	ctl_put_u64(use, "blocks_table", s->blocks_table);
	ctl_put_u64(use, "tables", s->tables);
	ctl_put_u64(use, "tables_reclaimable", s->tables_free);
	json_object_object_add(o, "use", use);
	if (ctl_missing(s) && rate > 0) {
		progress = json_object_new_object();
		ctl_put_u64(progress, "repaired", s->repaired);
		ctl_put_u64(progress, "total", s->repaired + ctl_missing(s));
		json_object_object_add(progress, "blocks_per_s",
				       json_object_new_double(rate));
		json_object_object_add(
			progress, "left_s",
			json_object_new_double((double)ctl_missing(s) / rate));
		json_object_object_add(o, "progress", progress);
	}
	ctl_print(o);
}

static void line(const char *key, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void line(const char *key, const char *format, ...)
{
	va_list args;

	printf("  %-16s ", key);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void status_human(const struct ctl *ctl, const struct gm_dev *dev,
			 const struct grid_missing_status *s, double rate)
{
	char size[32], human[32], left[32];

	gm_format_size(s->block_size, size, sizeof(size));
	gm_format_size(s->block_size * s->blocks, human, sizeof(human));
	printf("%s: %s%s%s%s%s%s\n", ctl->argv[0],
	       ctl_missing(s) ? "blocks missing" : "clean",
	       s->state & GRID_MISSING_STATUS_HELD ?
		       ", held (waits for \"gridctl ready\")" :
		       "",
	       s->state & GRID_MISSING_STATUS_SUSPENDED ? ", suspended" : "",
	       s->state & GRID_MISSING_STATUS_CHECKPOINT ?
		       ", a checkpoint is open" :
		       "",
	       s->state & GRID_MISSING_STATUS_SYNC_JUMP ?
		       ", a sync jump is open" :
		       "",
	       s->state & GRID_MISSING_STATUS_METADATA_FAILED ?
		       ", METADATA FAILED" :
		       "");
	if (s->state & GRID_MISSING_STATUS_PRIVATE)
		line("tracker", "%" PRIu64 ", private", (uint64_t)s->id);
	else
		line("grid", "%" PRIu64 " blocks of %s (%s), checksum %s",
		     (uint64_t)s->blocks, size, human,
		     *dev->checksum ? dev->checksum : "none");
	line("missing",
	     "%" PRIu64 " waiting, %" PRIu64 " writing, %" PRIu64 " aborting",
	     (uint64_t)s->waiting, (uint64_t)s->writing, (uint64_t)s->aborting);
	if (s->lost)
		line("without a slot",
		     "%" PRIu64
		     " missing: their reads fail until a repair makes room",
		     (uint64_t)s->lost);
	line("unavailable", "%" PRIu64, (uint64_t)s->unavailable);
	line("readers",
	     "%" PRIu64 " parked, oldest %.1f s; %" PRIu64 " timed out",
	     (uint64_t)s->parked, (double)s->oldest_waiting_ms / 1000,
	     (uint64_t)s->timeouts);
	line("repaired", "%" PRIu64 " (%" PRIu64 " unverified)",
	     (uint64_t)s->repaired, (uint64_t)s->unverified);
	if (ctl_missing(s) && rate > 0) {
		gm_format_size((uint64_t)(rate * s->block_size), human,
			       sizeof(human));
		ctl_format_left((double)ctl_missing(s) / rate, left,
				sizeof(left));
		line("progress",
		     "%" PRIu64 " of %" PRIu64
		     " blocks (%.1f %%), %.0f blocks/s (%s/s), %s left",
		     (uint64_t)s->repaired,
		     (uint64_t)(s->repaired + ctl_missing(s)),
		     100.0 * (double)s->repaired /
			     (double)(s->repaired + ctl_missing(s)),
		     rate, human, left);
	}
	line("otherwise gone",
	     "%" PRIu64 " superseded, %" PRIu64 " freed, %" PRIu64 " cancelled",
	     (uint64_t)s->superseded, (uint64_t)s->freed,
	     (uint64_t)s->cancelled);
	line("detected", "%" PRIu64 " by read errors, %" PRIu64 " lost (full)",
	     (uint64_t)s->detected, (uint64_t)s->lost_full);
	if (s->passed_up)
		line("passed up",
		     "%" PRIu64 " read errors (%" PRIu64 " medium, %" PRIu64
		     " I/O, %" PRIu64 " others), the last of block %" PRIu64,
		     (uint64_t)s->passed_up, (uint64_t)s->passed_up_medium,
		     (uint64_t)s->passed_up_io,
		     (uint64_t)(s->passed_up - s->passed_up_medium -
				s->passed_up_io),
		     (uint64_t)s->passed_up_block);
	line("refused", "%" PRIu64 " wrong data, %" PRIu64 " failed writes",
	     (uint64_t)s->verify_failed, (uint64_t)s->write_failed);
	line("checkpoints",
	     "%" PRIu64 " done; %" PRIu64 " blocks released, %" PRIu64
	     " in discard",
	     (uint64_t)s->checkpoints, (uint64_t)s->released,
	     (uint64_t)s->discarding);
	line("helpers", "%u", s->helpers);
	line("capacity",
	     "%" PRIu64
	     " of %u blocks, %u of %u tables (%u reclaimable, %u values each)",
	     (uint64_t)s->blocks_single, s->blocks_max, s->tables,
	     s->tables_max, s->tables_free, s->table_values_max);
}

int verb_status(struct ctl *ctl)
{
	struct grid_missing_status s, before;
	uint64_t watch = 0, last = 0;
	double then = 0, rate;
	struct gm_dev dev;
	int code, err;

	if (!ctl_ms(ctl, "watch", &watch))
		return CTL_USAGE;
	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	for (;;) {
		err = gm_status(&dev, &s);
		if (err)
			break;
		rate = 0;
		if (then > 0) {
			rate = (double)(s.repaired - last) / (ctl_now() - then);
		} else if (!ctl->json && ctl_missing(&s) && s.helpers) {
			/* One more look, for a rate. */
			before = s;
			then = ctl_now();
			ctl_pause(250);
			err = gm_status(&dev, &s);
			if (err)
				break;
			rate = (double)(s.repaired - before.repaired) /
			       (ctl_now() - then);
		}
		if (ctl->json)
			status_json(ctl, &dev, &s, rate);
		else
			status_human(ctl, &dev, &s, rate);
		if (!watch)
			break;
		fflush(stdout);
		last = s.repaired;
		then = ctl_now();
		ctl_pause(watch < UINT_MAX ? (unsigned int)watch : UINT_MAX);
	}
	gm_close(&dev);
	return err ? ctl_error(ctl, err, "%s", ctl->argv[0]) : CTL_GOOD;
}

/* ---------------------------------------------------------------- listings */

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

int verb_tables(struct ctl *ctl)
{
	struct grid_missing_table v[64];
	uint64_t cursor = 0;
	struct gm_dev dev;
	int code, n = 0, i;

	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	if (!ctl->json)
		printf("%12s  %-9s  %8s  %8s  %-32s  %s\n", "ADDRESS", "STATE",
		       "VALUES", "GONE", "CHECKSUM", "FLAGS");
	while (cursor != GM_CURSOR_END) {
		n = gm_list_tables(&dev, &cursor, v, 64);
		if (n == -EINTR)
			continue;
		if (n < 0)
			break;
		for (i = 0; i < n; i++)
			ctl_show_table(ctl, &v[i]);
	}
	gm_close(&dev);
	return n < 0 ? ctl_error(ctl, n, "%s", ctl->argv[0]) : CTL_GOOD;
}

/* ---------------------------------------------------------------- released */

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

int verb_released(struct ctl *ctl)
{
	struct grid_missing_released v[256], run = { 0 };
	uint64_t cursor = 0;
	struct gm_dev dev;
	int code, n = 0, i;

	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	if (!ctl->json)
		printf("%12s  %12s  %s\n", "ADDRESS", "COUNT", "STATE");
	while (cursor != GM_CURSOR_END) {
		n = gm_list_released(&dev, &cursor, v, 256);
		if (n == -EINTR)
			continue;
		if (n < 0)
			break;
		for (i = 0; i < n; i++) {
			/* One that goes on where the last ended is the same. */
			if (run.count &&
			    v[i].address == run.address + run.count &&
			    v[i].flags == run.flags) {
				run.count += v[i].count;
				continue;
			}
			print_run(ctl, &run);
			run = v[i];
		}
	}
	print_run(ctl, &run);
	gm_close(&dev);
	return n < 0 ? ctl_error(ctl, n, "%s", ctl->argv[0]) : CTL_GOOD;
}

/* -------------------------------------------------------------------- wait */

int verb_wait(struct ctl *ctl)
{
	const char *until = ctl_option(ctl, "until");
	bool checkpoint = until && !strcmp(until, "checkpoint");
	bool terminal = isatty(STDERR_FILENO), told = false, held,
	     stuck = false;
	bool show = !ctl->json && (terminal || ctl_option(ctl, "progress"));
	struct grid_missing_status s, first;
	uint64_t timeout = 0;
	struct ctl_stuck still = { 0 };
	double start, now, next = 0;
	struct gm_dev dev;
	unsigned int step = 10;
	int code, err;

	if (until && !checkpoint && strcmp(until, "clean"))
		return ctl_fail(ctl, CTL_USAGE,
				"--until=%s: must be clean or checkpoint",
				until);
	if (!ctl_ms(ctl, "timeout", &timeout))
		return CTL_USAGE;
	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	start = ctl_now();
	err = gm_status(&dev, &first);
	for (; !err; err = gm_status(&dev, &s)) {
		if (!next)
			s = first;
		now = ctl_now();
		held = checkpoint ? s.state & GRID_MISSING_STATUS_CHECKPOINT :
				    ctl_missing(&s);
		if (show && (!held || now >= next || !next)) {
			ctl_progress("", s.repaired - first.repaired,
				     ctl_missing(&s), s.block_size, now - start,
				     terminal);
			next = now + (terminal ? 0.2 : 2);
		} else if (!next) {
			next = now;
		}
		if (!held)
			break;
		if (!checkpoint && !told)
			told = ctl_no_helper(ctl, &s, now - start);
		if (ctl_option(ctl, "timeout") &&
		    now - start >= (double)timeout / 1000) {
			if (show && terminal)
				fputc('\n', stderr);
			gm_close(&dev);
			if (checkpoint)
				return ctl_fail(
					ctl, CTL_TIMEOUT,
					"%s: the checkpoint is still open: timed out",
					ctl->argv[0]);
			return ctl_fail(ctl, CTL_TIMEOUT,
					"%s: %" PRIu64
					" blocks are still missing (%" PRIu64
					" unavailable, %u helpers): timed out",
					ctl->argv[0], ctl_missing(&s),
					(uint64_t)s.unavailable, s.helpers);
		}
		if (!checkpoint && ctl_stuck(ctl, &s, &still)) {
			stuck = true;
			break;
		}
		ctl_pause(step);
		if (step < 100)
			step *= 2;
	}
	gm_close(&dev);
	if (show && terminal)
		fputc('\n', stderr);
	if (err)
		return ctl_error(ctl, err, "%s", ctl->argv[0]);
	if (ctl->json)
		status_json(ctl, &dev, &s, 0);
	return stuck ? ctl_unavailable(ctl, &s) : CTL_GOOD;
}

/* ----------------------------------------------------------------- monitor */

/* An event of more than one block. */
static void print_whole(const struct grid_missing_event *e)
{
	const char *what =
		e->reason <= GRID_MISSING_WHY_TABLE_CANCELLED	  ? "table" :
		e->reason <= GRID_MISSING_WHY_CHECKPOINT_REVERTED ? "id" :
								    "";

	if (*what && e->address)
		printf("%s %" PRIu64 " ", what, (uint64_t)e->address);
	printf("%s", gm_why_name(e->reason));
	if (e->count)
		printf(" (%" PRIu64 ")", (uint64_t)e->count);
	printf("  ");
}

static void print_event(const struct ctl *ctl,
			const struct grid_missing_event *e)
{
	struct timespec boot, real;
	struct json_object *o;
	char clock[32];
	struct tm tm;
	int64_t ns;
	time_t t;

	if (ctl->json) {
		o = ctl_object();
		ctl_put_u64(o, "sequence", e->sequence);
		if (e->lost) {
			ctl_put_u64(o, "lost", e->lost);
		} else {
			ctl_put_u64(o, "time_ns", e->time_ns);
			ctl_put_string(o, "reason", gm_why_name(e->reason));
			ctl_put_u64(o, "address", e->address);
			ctl_put_string(o, "state", gm_state_name(e->state));
			ctl_put_u64(o, "count", e->count);
			ctl_put_u64(o, "who", e->who);
		}
		ctl_print(o);
		return;
	}
	if (e->lost) {
		printf("(%" PRIu64 " events were lost here)\n",
		       (uint64_t)e->lost);
		return;
	}
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	ns = real.tv_sec * 1000000000LL + real.tv_nsec -
	     (boot.tv_sec * 1000000000LL + boot.tv_nsec) + (int64_t)e->time_ns;
	t = ns / 1000000000;
	localtime_r(&t, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%s.%03d  ", clock, (int)(ns / 1000000 % 1000));
	if (e->reason >= GRID_MISSING_WHY_VALUES_ENQUEUED)
		print_whole(e);
	else
		printf("block %-12" PRIu64 " %-14s now %-8s  ",
		       (uint64_t)e->address, gm_why_name(e->reason),
		       gm_state_name(e->state));
	if (e->who)
		printf("by pid %u\n", e->who);
	else
		puts("by the kernel");
}

int verb_monitor(struct ctl *ctl)
{
	uint64_t count = UINT64_MAX, timeout = 0;
	struct grid_missing_event v[64];
	struct grid_missing_query q;
	struct pollfd p = { .fd = -1, .events = POLLIN };
	struct gm_dev dev;
	double start = ctl_now(), left;
	int code, err, n, i;

	if (!ctl_u64(ctl, "count", &count) || !ctl_ms(ctl, "timeout", &timeout))
		return CTL_USAGE;
	code = ctl_attach(ctl, &dev, O_RDONLY | O_NONBLOCK);
	if (code)
		return code;
	err = gm_query(&dev, &q);
	if (!err && !(q.features & GRID_MISSING_FEATURE_EVENTS)) {
		gm_close(&dev);
		return ctl_fail(
			ctl, CTL_FAILED,
			"this module has no events (it is older than gridctl); \"gridctl status --watch=1s\" works");
	}
	if (!err) {
		p.fd = gm_events(&dev, O_NONBLOCK);
		err = p.fd < 0 ? p.fd : 0;
	}
	while (!err && count) {
		n = gm_read_events(p.fd, v, 64);
		if (n < 0 && n != -EAGAIN && n != -EINTR) {
			err = n;
			break;
		}
		for (i = 0; i < n && count; i++, count--)
			print_event(ctl, &v[i]);
		if (n > 0)
			continue;
		fflush(stdout);
		if (!n) {
			err = -ENODEV;
			break;
		}
		left = -1;
		if (ctl_option(ctl, "timeout")) {
			left = (double)timeout - (ctl_now() - start) * 1000;
			if (left <= 0)
				break;
		}
		poll(&p, 1,
		     left < 0	     ? -1 :
		     left >= INT_MAX ? INT_MAX :
				       (int)left + 1);
	}
	if (p.fd >= 0)
		close(p.fd);
	gm_close(&dev);
	return err ? ctl_error(ctl, err, "%s", ctl->argv[0]) : CTL_GOOD;
}
