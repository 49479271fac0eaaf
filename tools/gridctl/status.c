// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl status: how a device is, once or again and again.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>

#include "ctl.h"

/* Where the map is kept. */
static const char *metadata_of(const struct grid_missing_status *s)
{
	if (s->state & GRID_MISSING_STATUS_METADATA_FAILED)
		return "failed";
	return s->state & GRID_MISSING_STATUS_METADATA ? "ok" : "none";
}

static void put_passed_up(struct json_object *o,
			  const struct grid_missing_status *s)
{
	struct json_object *list;
	uint32_t i;

	ctl_put_u64(o, "passed_up", s->passed_up);
	ctl_put_u64(o, "passed_up_medium", s->passed_up_medium);
	ctl_put_u64(o, "passed_up_io", s->passed_up_io);
	if (s->passed_up)
		ctl_put_u64(o, "passed_up_block", s->passed_up_block);
	if (!s->passed_up_count)
		return;
	list = json_object_new_array();
	for (i = 0; i < s->passed_up_count; i++)
		json_object_array_add(
			list, json_object_new_uint64(s->passed_up_blocks[i]));
	json_object_object_add(o, "passed_up_blocks", list);
}

static void put_room(struct json_object *o, const struct grid_missing_status *s)
{
	struct json_object *capacity = json_object_new_object(),
			   *use = json_object_new_object();

	ctl_put_u64(capacity, "blocks_max", s->blocks_max);
	ctl_put_u64(capacity, "tables_max", s->tables_max);
	ctl_put_u64(capacity, "table_values_max", s->table_values_max);
	json_object_object_add(o, "capacity", capacity);
	ctl_put_u64(use, "blocks_single", s->blocks_single);
	ctl_put_u64(use, "blocks_table", s->blocks_table);
	ctl_put_u64(use, "tables", s->tables);
	ctl_put_u64(use, "tables_reclaimable", s->tables_free);
	json_object_object_add(o, "use", use);
}

static void put_progress(struct json_object *o,
			 const struct grid_missing_status *s, double rate)
{
	struct json_object *progress = json_object_new_object();

	ctl_put_u64(progress, "repaired", s->repaired);
	ctl_put_u64(progress, "total", s->repaired + ctl_missing(s));
	json_object_object_add(progress, "blocks_per_s",
			       json_object_new_double(rate));
	json_object_object_add(
		progress, "left_s",
		json_object_new_double((double)ctl_missing(s) / rate));
	json_object_object_add(o, "progress", progress);
}

void ctl_status_json(const struct ctl *ctl, const struct gm_dev *dev,
		     const struct grid_missing_status *s, double rate)
{
	struct json_object *o = ctl_object();

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
	put_passed_up(o, s);
	ctl_put_u64(o, "verify_failed", s->verify_failed);
	ctl_put_u64(o, "write_failed", s->write_failed);
	ctl_put_u64(o, "freed", s->freed);
	ctl_put_u64(o, "cancelled", s->cancelled);
	ctl_put_u64(o, "checkpoints", s->checkpoints);
	ctl_put_u64(o, "checkpoint_taken", s->checkpoint_taken);
	ctl_put_u64(o, "released", s->released);
	ctl_put_u64(o, "discarding", s->discarding);
	ctl_put_u64(o, "helpers", s->helpers);
	put_room(o, s);
	if (ctl_missing(s) && rate > 0)
		put_progress(o, s, rate);
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

static void headline(const struct ctl *ctl, const struct grid_missing_status *s)
{
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
}

static void progress_line(const struct grid_missing_status *s, double rate)
{
	char human[32], left[32];

	gm_format_size((uint64_t)(rate * s->block_size), human, sizeof(human));
	ctl_format_left((double)ctl_missing(s) / rate, left, sizeof(left));
	line("progress",
	     "%" PRIu64 " of %" PRIu64
	     " blocks (%.1f %%), %.0f blocks/s (%s/s), %s left",
	     (uint64_t)s->repaired, (uint64_t)(s->repaired + ctl_missing(s)),
	     100.0 * (double)s->repaired /
		     (double)(s->repaired + ctl_missing(s)),
	     rate, human, left);
}

static void status_human(const struct ctl *ctl, const struct gm_dev *dev,
			 const struct grid_missing_status *s, double rate)
{
	char size[32], human[32];

	gm_format_size(s->block_size, size, sizeof(size));
	gm_format_size(s->block_size * s->blocks, human, sizeof(human));
	headline(ctl, s);
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
	if (ctl_missing(s) && rate > 0)
		progress_line(s, rate);
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
			ctl_status_json(ctl, &dev, &s, rate);
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
