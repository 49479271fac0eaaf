// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl enqueue, batch, unavailable, retry, reclaim, cancel, checkpoint,
 * sync-jump, ready: changing what is missing.
 *
 * A vector's elements succeed or fail each by itself; a verb reports the first
 * few that failed, how many there were, and ends with CTL_FAILED when any did.
 * The input as a whole is read and checked before anything is changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define TELL_MAX 10

/* Tell of the failed among @v; returns how many, and the duplicates. */
static uint64_t tell_failed(const struct ctl *ctl,
			    const struct grid_missing_block *v, size_t count,
			    uint64_t *duplicates)
{
	uint64_t failed = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (v[i].result == GRID_MISSING_DUPLICATE)
			++*duplicates;
		if (v[i].result >= 0)
			continue;
		if (++failed <= TELL_MAX)
			ctl_error(ctl, v[i].result, "%s: block %" PRIu64,
				  ctl->argv[0], (uint64_t)v[i].address);
	}
	if (failed > TELL_MAX)
		ctl_note(ctl, "%s: and %" PRIu64 " blocks more", ctl->argv[0],
			 failed - TELL_MAX);
	return failed;
}

/* The end of a verb on a vector: tell what came of it. */
static int conclude(const struct ctl *ctl, const char *verb,
		    const struct grid_missing_block *v, size_t count,
		    size_t done, int err)
{
	uint64_t duplicates = 0, failed, good;
	struct json_object *o;

	failed = tell_failed(ctl, v, done, &duplicates);
	good = done - failed - duplicates;
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", ctl->argv[0]);
		ctl_put_u64(o, verb, good);
		ctl_put_u64(o, "duplicate", duplicates);
		ctl_put_u64(o, "failed", failed + (err ? count - done : 0));
		ctl_print(o);
	} else {
		printf("%s: %" PRIu64 " blocks %s", ctl->argv[0], good, verb);
		if (duplicates)
			printf(", %" PRIu64 " were missing already",
			       duplicates);
		if (failed)
			printf(", %" PRIu64 " failed", failed);
		putchar('\n');
	}
	if (err)
		return ctl_error(ctl, err,
				 "%s: stopped after %zu of %zu blocks",
				 ctl->argv[0], done, count);
	return failed ? CTL_FAILED : CTL_GOOD;
}

static int all_blocks(const struct ctl *ctl, const struct gm_dev *dev,
		      struct grid_missing_block **blocks, size_t *count)
{
	struct grid_missing_block *v;
	uint64_t i;

	if (!dev->block_size)
		return ctl_fail(ctl, CTL_USAGE,
				"a private tracker doesn't know its blocks");
	/* In 32 bits not all of them may be countable. */
	v = (size_t)dev->blocks == dev->blocks ?
		    calloc((size_t)dev->blocks, sizeof(*v)) :
		    NULL;
	if (!v)
		return ctl_error(ctl, -ENOMEM, "%" PRIu64 " blocks",
				 dev->blocks);
	for (i = 0; i < dev->blocks; i++) {
		v[i].address = i;
		v[i].flags = GRID_MISSING_F_NO_CHECKSUM;
	}
	*blocks = v;
	*count = (size_t)dev->blocks;
	return CTL_GOOD;
}

static int enqueue(struct ctl *ctl, uint32_t flags)
{
	const char *manifest = ctl_option(ctl, "manifest");
	struct grid_missing_block *v = NULL;
	size_t count = 0, done = 0;
	struct gm_dev dev;
	int code, err;

	if (!manifest && ctl->argc == 2 && !strcmp(ctl->argv[1], "-")) {
		manifest = "-";
		ctl->argc = 1;
	}
	if (!!manifest + !!ctl_option(ctl, "all") + (ctl->argc > 1) != 1)
		return ctl_fail(
			ctl, CTL_USAGE,
			"which blocks?  Give addresses, or --manifest, or --all");
	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		return code;
	if (manifest)
		code = ctl_manifest(ctl, &dev, manifest, &v, &count, NULL,
				    NULL);
	else if (ctl->argc > 1)
		code = ctl_blocks(ctl, &dev, 1, flags, &v, &count);
	else
		code = all_blocks(ctl, &dev, &v, &count);
	if (!code)
		code = ctl_check_range(ctl, &dev, v, count);
	if (!code) {
		err = gm_enqueue(&dev, v, count, &done);
		code = conclude(ctl, "enqueued", v, count, done, err);
	}
	free(v);
	gm_close(&dev);
	return code;
}

int verb_enqueue(struct ctl *ctl)
{
	return enqueue(ctl, 0);
}

int verb_enqueue_table(struct ctl *ctl)
{
	return enqueue(ctl, GRID_MISSING_F_TABLE);
}

int verb_batch(struct ctl *ctl)
{
	uint64_t max = 64, age = 0;
	struct grid_missing_fault *v;
	struct gm_dev dev;
	int code, n, i;

	if (!ctl_u64(ctl, "max", &max) || !ctl_ms(ctl, "min-age", &age))
		return CTL_USAGE;
	if (!max || max > GRID_MISSING_VECTOR_MAX || age >= GM_KEEP_AGE)
		return ctl_fail(ctl, CTL_USAGE, "--max is from 1 to %d",
				GRID_MISSING_VECTOR_MAX);
	v = calloc(max, sizeof(*v));
	if (!v)
		return ctl_error(ctl, -ENOMEM, "%" PRIu64 " faults", max);
	code = ctl_attach(ctl, &dev, O_RDWR);
	if (!code) {
		n = gm_batch(&dev, v, (uint32_t)max, (uint32_t)age);
		if (n < 0)
			code = ctl_error(ctl, n, "%s", ctl->argv[0]);
		else
			ctl_print_fault(ctl, NULL);
		for (i = 0; i < n; i++)
			ctl_print_fault(ctl, &v[i]);
		gm_close(&dev);
	}
	free(v);
	return code;
}

/* unavailable, retry and cancel: a call on the addresses given, @each flagged. */
static int
on_addresses(struct ctl *ctl, const char *what, uint32_t flags, uint32_t each,
	     int (*call)(struct gm_dev *dev, struct grid_missing_block *v,
			 size_t count, uint32_t flags, size_t *done))
{
	struct grid_missing_block *v;
	size_t count, done, i;
	uint64_t *addresses;
	struct gm_dev dev;
	int code, err;

	code = ctl_addresses(ctl, 1, &addresses, &count);
	if (code)
		return code;
	v = calloc(count + 1, sizeof(*v));
	if (!v) {
		code = ctl_error(ctl, -ENOMEM, "%zu blocks", count);
		goto out_free;
	}
	for (i = 0; i < count; i++)
		v[i] = (struct grid_missing_block){ .address = addresses[i],
						    .flags = each };
	code = ctl_attach(ctl, &dev, O_RDWR);
	if (!code) {
		err = call(&dev, v, count, flags, &done);
		gm_close(&dev);
		code = conclude(ctl, what, v, count, done, err);
	}
	free(v);
out_free:
	free(addresses);
	return code;
}

static int call_unavailable(struct gm_dev *dev, struct grid_missing_block *v,
			    size_t count, uint32_t flags, size_t *done)
{
	(void)flags;
	return gm_unavailable(dev, v, count, done);
}

static int call_retry(struct gm_dev *dev, struct grid_missing_block *v,
		      size_t count, uint32_t flags, size_t *done)
{
	(void)flags;
	return gm_retry(dev, v, count, done);
}

static int call_cancel(struct gm_dev *dev, struct grid_missing_block *v,
		       size_t count, uint32_t flags, size_t *done)
{
	return gm_cancel(dev, v, count, flags, done);
}

int verb_unavailable(struct ctl *ctl)
{
	return on_addresses(ctl, "unavailable", 0, 0, call_unavailable);
}

/* The end of a verb without a vector: with --json, what came of it. */
static int tell(const struct ctl *ctl, const char *key,
		struct json_object *value)
{
	struct json_object *o;

	if (!ctl->json) {
		json_object_put(value);
		return CTL_GOOD;
	}
	o = ctl_object();
	ctl_put_string(o, "device", ctl->argv[0]);
	json_object_object_add(o, key, value);
	ctl_print(o);
	return CTL_GOOD;
}

static int retry_all(struct ctl *ctl)
{
	struct grid_missing_status s = { 0 };
	struct gm_dev dev;
	int code, err;

	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		return code;
	err = gm_status(&dev, &s);
	if (!err)
		err = gm_retry_all(&dev);
	gm_close(&dev);
	if (err)
		return ctl_error(ctl, err, "%s", ctl->argv[0]);
	return tell(ctl, "retried", json_object_new_uint64(s.unavailable));
}

int verb_retry(struct ctl *ctl)
{
	if (!!ctl_option(ctl, "all") + (ctl->argc > 1) != 1)
		return ctl_fail(ctl, CTL_USAGE,
				"which blocks?  Give addresses, or --all");
	if (ctl->argc == 1)
		return retry_all(ctl);
	return on_addresses(ctl, "retried", 0, 0, call_retry);
}

/* All of them: what was looked at, or with --force whatever there is. */
static int cancel_all(struct ctl *ctl, struct gm_dev *dev,
		      const struct ctl_known *known, uint32_t flags)
{
	struct grid_missing_status before, after;
	uint64_t failed = 0, duplicates = 0;
	size_t done = 0, i;
	int code, err = gm_status(dev, &before);

	if (!err && ctl_option(ctl, "force")) {
		err = gm_cancel_all(dev, flags);
	} else if (!err) {
		code = ctl_cancel_known(ctl, dev, known, flags, &done, &err);
		if (code)
			return code;
	}
	/* What was repaired meanwhile is gone as well. */
	for (i = 0; i < done; i++)
		if (known->cancel[i].result == -ENOENT)
			known->cancel[i].result = 0;
	failed = tell_failed(ctl, known->cancel, done, &duplicates);
	if (!err)
		err = gm_status(dev, &after);
	if (err)
		return ctl_error(ctl, err, "%s", ctl->argv[0]);
	tell(ctl, "cancelled",
	     json_object_new_uint64(after.cancelled - before.cancelled));
	return failed ? CTL_FAILED : CTL_GOOD;
}

int verb_cancel(struct ctl *ctl)
{
	uint32_t flags =
		ctl_option(ctl, "nowait") ? GRID_MISSING_CANCEL_NOWAIT : 0;
	bool tables = ctl_option(ctl, "tables"),
	     force = ctl_option(ctl, "force");
	struct ctl_known known = { 0 };
	size_t count, done = 0;
	uint64_t *addresses;
	struct gm_dev dev;
	int code, err;

	if (tables && ctl_option(ctl, "all"))
		return ctl_fail(ctl, CTL_USAGE, "--all, or --tables");
	if (!!ctl_option(ctl, "all") + (ctl->argc > 1) != 1)
		return ctl_fail(ctl, CTL_USAGE,
				"which blocks?  Give addresses, or --all");
	if (force && ctl->argc > 1)
		return on_addresses(ctl, "cancelled", flags,
				    tables ? GRID_MISSING_F_TABLE : 0,
				    call_cancel);
	code = ctl_addresses(ctl, 1, &addresses, &count);
	if (code)
		return code;
	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		goto out_free;
	if (!force)
		code = ctl_known_good(ctl, &dev, addresses, count, tables,
				      &known);
	if (!code && !count) {
		code = cancel_all(ctl, &dev, &known, flags);
	} else if (!code) {
		code = ctl_cancel_known(ctl, &dev, &known, flags, &done, &err);
		if (!code)
			code = conclude(ctl, "cancelled", known.cancel, count,
					err ? done : count, err);
	}
	gm_close(&dev);
	ctl_known_free(&known);
out_free:
	free(addresses);
	return code;
}

int verb_reclaim(struct ctl *ctl)
{
	struct grid_missing_table v[64];
	uint64_t slots = 0;
	struct gm_dev dev;
	int code, n, i;

	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		return code;
	do {
		n = gm_reclaim(&dev, v, 64);
		for (i = 0; i < n; i++)
			ctl_show_table(ctl, &v[i]);
		slots += n > 0 ? n : 0;
	} while (n > 0);
	gm_close(&dev);
	if (n < 0)
		return ctl_error(ctl, n, "%s", ctl->argv[0]);
	if (ctl->json)
		return tell(ctl, "reclaimed", json_object_new_uint64(slots));
	printf("%s: %" PRIu64 " table slots are free again\n", ctl->argv[0],
	       slots);
	return CTL_GOOD;
}

int verb_ready(struct ctl *ctl)
{
	struct gm_dev dev;
	int code, err;

	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		return code;
	err = gm_ready(&dev);
	gm_close(&dev);
	if (err)
		return ctl_error(ctl, err, "%s", ctl->argv[0]);
	return tell(ctl, "held", json_object_new_boolean(false));
}

/* -------------------------------------------------------------- checkpoint */

/* With checkpoint:flush, a flush is the checkpoint. */
static int flush_checkpoint(const struct ctl *ctl, const struct gm_dev *dev)
{
	int fd = ctl_open_block(dev->major, dev->minor, O_RDWR), err = 0;

	if (fd < 0)
		err = -fd;
	else if (fsync(fd))
		err = errno;
	if (fd >= 0)
		close(fd);
	if (err)
		return ctl_fail(ctl, CTL_FAILED, "%s: flush: %s", ctl->argv[0],
				gm_open_reason(err));
	return tell(ctl, "durable", json_object_new_boolean(true));
}

static bool is_explicit(const struct gm_dev *dev)
{
	char name[128], *type, *params;
	bool is;

	if (!dev->block_size)
		return true; /* a private tracker */
	if (gm_dm_name(dev->major, dev->minor, name, sizeof(name)) ||
	    gm_dm_info(name, true, &type, &params))
		return true;
	is = strstr(params, "checkpoint:explicit");
	free(type);
	free(params);
	return is;
}

int verb_checkpoint(struct ctl *ctl)
{
	const char *op = ctl->argc > 1 ? ctl->argv[1] : NULL;
	bool take = !op || !strcmp(op, "take");
	bool durable = !op || !strcmp(op, "durable");
	bool revert = op && !strcmp(op, "revert"), taken;
	struct json_object *o;
	struct gm_dev dev;
	int code, err = 0;
	uint64_t id = 0;

	if (op && ((!take && !durable && !revert) ||
		   ((take || revert) && ctl->argc != 2) ||
		   (durable && ctl->argc != 3)))
		return ctl_fail(
			ctl, CTL_USAGE,
			"usage: gridctl checkpoint DEV [take | durable ID | revert]");
	if (op && durable && gm_parse_u64(ctl->argv[2], &id))
		return ctl_fail(ctl, CTL_USAGE,
				"\"%s\" is not a checkpoint's id",
				ctl->argv[2]);
	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		return code;
	if (!op && !is_explicit(&dev)) {
		code = flush_checkpoint(ctl, &dev);
		gm_close(&dev);
		return code;
	}
	if (take)
		err = gm_checkpoint_take(&dev, &id);
	taken = take && !err;
	if (!err && durable)
		err = gm_checkpoint_durable(&dev, id);
	if (revert)
		err = gm_checkpoint_revert(&dev);
	gm_close(&dev);
	/* Another one can't be taken before this one is durable. */
	if (err && taken)
		return ctl_error(
			ctl, err,
			"%s: checkpoint %" PRIu64
			" is taken, but not durable (\"gridctl checkpoint %s durable %" PRIu64
			"\")",
			ctl->argv[0], id, ctl->argv[0], id);
	if (err)
		return ctl_error(ctl, err, "%s: checkpoint %s", ctl->argv[0],
				 op ? op : "");
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", ctl->argv[0]);
		if (revert)
			ctl_put_bool(o, "reverted", true);
		else
			ctl_put_u64(o, "checkpoint", id);
		ctl_put_bool(o, "durable", durable);
		ctl_print(o);
	} else if (take) {
		printf("%" PRIu64 "\n", id);
	}
	return CTL_GOOD;
}

int verb_sync_jump(struct ctl *ctl)
{
	uint64_t *addresses = NULL;
	size_t count = 0;
	struct gm_dev dev;
	bool commence;
	int code, err;

	commence = !strcmp(ctl->argv[1], "commence");
	if ((!commence && strcmp(ctl->argv[1], "complete")) ||
	    (commence && ctl->argc != 2))
		return ctl_fail(
			ctl, CTL_USAGE,
			"usage: gridctl sync-jump DEV commence | complete [ADDRESS…]");
	code = ctl_addresses(ctl, 2, &addresses, &count);
	if (code)
		return code;
	code = ctl_attach(ctl, &dev, O_RDWR);
	if (!code) {
		err = commence ? gm_sync_jump_commence(&dev) :
				 gm_sync_jump_complete(&dev, addresses,
						       (uint32_t)count);
		gm_close(&dev);
		if (err)
			code = ctl_error(ctl, err, "%s: sync jump, %s",
					 ctl->argv[0], ctl->argv[1]);
		else
			code = tell(ctl, "sync_jump",
				    json_object_new_string(ctl->argv[1]));
	}
	free(addresses);
	return code;
}
