// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl metadata: look at a metadata area, and mend it, offline (SPEC M8).
 *
 * check and dump change nothing.  repair writes what can be known for sure; what
 * would forget changes it does only with --lose-changes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "area.h"

/* What an error of the load means, and what helps. */
static const char *remedy(int err)
{
	switch (err) {
	case -ENODATA:
		return "is this the right device, and --metadata-start? \"gridctl format\" makes new metadata";
	case -EOPNOTSUPP:
		return "it was made by a newer version: use that one";
	case -ENOSPC:
		return "the device or the limits are too small for it: use the device it was made on";
	case -EUCLEAN:
		return "\"gridctl metadata repair\" mends what can be mended";
	case -EIO:
		return "the device fails: copy what can be read to another one, and check that";
	}
	return "nothing was changed";
}

static int tell(const struct ctl *ctl, const struct area *a, int err,
		const struct gmeta_loaded *l)
{
	return ctl_fail(ctl, CTL_FAILED, "%s: %s%s%s (%s)", a->path,
			err == -ENODATA || !*l->why ? "" : "metadata: ",
			*l->why ? l->why : strerrordesc_np(-err), "",
			remedy(err));
}

/* Does it use nothing that only who knows it may write?  Else an exit code. */
static int may_write(const struct ctl *ctl, const struct area *a,
		     const struct gmeta_super *sb)
{
	uint32_t unknown = sb->ro_compat & ~GRID_META_RO_COMPAT_KNOWN;

	if (!unknown)
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_FAILED,
		"%s: metadata: uses features that are not known (%#x): it can only be read (%s)",
		a->path, unknown, remedy(-EOPNOTSUPP));
}

static uint64_t tables_active(const struct gmeta_map *map)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < map->tables_max; i++)
		n += map->tables[i].kind == GRID_META_INDEXING ||
		     map->tables[i].kind == GRID_META_FILLING;
	return n;
}

/* Is it the metadata of the device that --data names? */
static int compare_data(const struct ctl *ctl, const struct gmeta_super *sb)
{
	const char *path = ctl_option(ctl, "data");
	struct gmeta_super now = *sb;
	int code;

	if (!path)
		return CTL_GOOD;
	code = area_identify(ctl, path, &now);
	if (code)
		return code;
	if (now.data_sectors <
	    sb->data_start + sb->blocks * (sb->block_size / 512))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: too small: it has %" PRIu64
			" sectors, the grid was on a device of %" PRIu64,
			path, now.data_sectors, sb->data_sectors);
	if (area_other(sb, &now))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s is not the device that this metadata was made for: %" PRIu64
			" sectors, WWID \"%s\", PARTUUID \"%s\" instead of %" PRIu64
			", \"%s\", \"%s\" (\"gridctl metadata set --data\" records it anew, if its blocks are the same)",
			path, now.data_sectors, now.wwid, now.partuuid,
			sb->data_sectors, sb->wwid, sb->partuuid);
	return CTL_GOOD;
}

static const char *state_name(const struct gmeta_super *sb)
{
	return sb->state == GRID_META_RETIRED ? "retired" : "active";
}

static void print_super(const struct ctl *ctl, const struct gmeta_loaded *l,
			const char *state)
{
	const struct gmeta_super *sb = &l->super;
	char uuid[AREA_UUID_TEXT], size[32];
	struct json_object *o;

	area_uuid(sb->uuid, uuid);
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "uuid", uuid);
		ctl_put_string(o, "condition", state);
		ctl_put_string(o, "state", state_name(sb));
		ctl_put_bool(o, "internal", sb->flags & GRID_META_INTERNAL);
		ctl_put_u64(o, "block_size", sb->block_size);
		ctl_put_u64(o, "blocks", sb->blocks);
		ctl_put_u64(o, "data_start", sb->data_start * 512);
		ctl_put_string(o, "checksum", sb->hash);
		ctl_put_u64(o, "blocks_max", sb->blocks_max);
		ctl_put_u64(o, "tables_max", sb->tables_max);
		ctl_put_u64(o, "table_values_max", sb->table_values_max);
		ctl_put_u64(o, "data_sectors", sb->data_sectors);
		ctl_put_string(o, "wwid", sb->wwid);
		ctl_put_string(o, "partuuid", sb->partuuid);
		ctl_put_u64(o, "missing", l->map.count);
		ctl_put_u64(o, "tables", tables_active(&l->map));
		ctl_put_u64(o, "commits", l->commits);
		ctl_put_u64(o, "last_commit", l->last);
		ctl_put_u64(o, "log_units", sb->log_units);
		ctl_put_u64(o, "log_used", l->used_units);
		ctl_put_u64(o, "unreadable", l->unreadable);
		ctl_print(o);
		return;
	}
	printf("uuid:      %s\n", uuid);
	printf("condition: %s%s\n", state,
	       sb->state == GRID_META_RETIRED ? ", retired" : "");
	printf("grid:      %" PRIu64 " blocks of %s, from byte %" PRIu64
	       " of the %s; hash %s\n",
	       sb->blocks, gm_format_size(sb->block_size, size, sizeof(size)),
	       sb->data_start * 512,
	       sb->flags & GRID_META_INTERNAL ? "same disk" : "data device",
	       sb->hash);
	printf("limits:    blocks_max %u, tables_max %u, table_values_max %u\n",
	       sb->blocks_max, sb->tables_max, sb->table_values_max);
	printf("data:      %" PRIu64 " sectors, WWID \"%s\", PARTUUID \"%s\"\n",
	       sb->data_sectors, sb->wwid, sb->partuuid);
	printf("log:       %" PRIu64 " commits after snapshot %" PRIu64
	       ", %" PRIu64 " of %" PRIu64 " units used\n",
	       l->commits, sb->snapshot, l->used_units, sb->log_units);
	printf("missing:   %" PRIu64 " blocks, %" PRIu64 " tables active\n",
	       l->map.count, tables_active(&l->map));
}

static int by_address(const void *x, const void *y)
{
	const struct gmeta_fault *a = *(const struct gmeta_fault *const *)x,
				 *b = *(const struct gmeta_fault *const *)y;

	return a->address < b->address ? -1 : a->address > b->address;
}

/* All faults by address; with --manifest, as one. */
static int print_faults(const struct ctl *ctl, const struct gmeta_loaded *l)
{
	static const char *const causes[] = { "block", "table_index",
					      "table_value" };
	const struct gmeta_fault **v, *f;
	struct grid_missing_checksum sum;
	bool manifest = ctl_option(ctl, "manifest");
	char text[GM_CHECKSUM_TEXT];
	struct json_object *o;
	uint64_t i, n = 0;

	v = calloc(l->map.count + 1, sizeof(*v));
	if (!v)
		return ctl_error(ctl, -ENOMEM, "%" PRIu64 " blocks",
				 (uint64_t)l->map.count);
	for (i = 0; i < l->map.cells; i++)
		if (l->map.faults[i].kind)
			v[n++] = &l->map.faults[i];
	qsort(v, n, sizeof(*v), by_address);
	if (manifest && !ctl->json) {
		printf("#! block_size %u\n", l->super.block_size);
		if (strcmp(l->super.hash, "none"))
			printf("#! checksum %s\n", l->super.hash);
	}
	for (i = 0; i < n; i++) {
		f = v[i];
		memcpy(sum.bytes, f->sum, sizeof(sum.bytes));
		if (f->has_sum)
			gm_format_checksum(&sum, text);
		else
			strcpy(text, "-");
		if (ctl->json) {
			o = ctl_object();
			ctl_put_u64(o, "address", f->address);
			ctl_put_string(o, "checksum", f->has_sum ? text : NULL);
			ctl_put_string(o, "cause",
				       causes[f->kind - GRID_META_BLOCK]);
			if (f->kind != GRID_META_BLOCK)
				ctl_put_u64(o, "table",
					    l->map.tables[f->table].address);
			ctl_print(o);
		} else if (manifest) {
			printf("%" PRIu64 " %s%s\n", (uint64_t)f->address, text,
			       f->kind == GRID_META_INDEX ? " table" : "");
		} else {
			printf("%12" PRIu64 "  %-32s  %s\n",
			       (uint64_t)f->address, text,
			       causes[f->kind - GRID_META_BLOCK]);
		}
	}
	/* One that was cut has no end. */
	if (manifest && ctl->json) {
		o = ctl_object();
		ctl_put_u64(o, "block_size", l->super.block_size);
		ctl_put_string(o, "checksum", l->super.hash);
		ctl_put_u64(o, "end", n);
		ctl_print(o);
	} else if (manifest) {
		printf("#! end %" PRIu64 "\n", n);
	}
	free(v);
	return CTL_GOOD;
}

static int check(const struct ctl *ctl, const struct area *a, bool dump)
{
	struct gmeta_loaded l;
	int err = gmeta_load(&a->dev, &l), code = CTL_GOOD;
	bool manifest = dump && ctl_option(ctl, "manifest");

	if (err) {
		code = tell(ctl, a, err, &l);
	} else if (!dump && !l.super_same) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: %s; nothing is lost (\"gridctl metadata repair\" writes both anew)",
			a->path,
			!l.super_good[0] ?
				"the first superblock is damaged" :
			!l.super_good[1] ?
				"the second superblock is damaged" :
				"one superblock is older than the other");
	}
	/* Of a damaged one the superblock is told at least. */
	if (!manifest && (!err || l.damaged))
		print_super(ctl, &l, err ? "damaged" : "good");
	if (!err && dump)
		code = print_faults(ctl, &l);
	if (!err && !code)
		code = compare_data(ctl, &l.super);
	gmeta_unload(&l);
	return code;
}

/* Is what precedes the damage a state that the map once was in? */
static bool is_state(struct gmeta_loaded *l, char *why)
{
	if (l->last >= l->super.snapshot_end)
		return !gmeta_map_check(&l->map, &l->super, why);
	strcpy(why, "its snapshot's end was not come to");
	return false;
}

/* Words, or with --json whether something was mended (and up to which commit). */
static void tell_repair(const struct ctl *ctl, const struct area *a,
			bool repaired, uint64_t commit, const char *words)
{
	struct json_object *o;

	if (!ctl->json) {
		printf("%s: %s\n", a->path, words);
		return;
	}
	o = ctl_object();
	ctl_put_string(o, "metadata", a->path);
	ctl_put_bool(o, "repaired", repaired);
	if (commit)
		ctl_put_u64(o, "last_commit", commit);
	ctl_print(o);
}

static int repair(const struct ctl *ctl, struct area *a)
{
	struct gmeta_loaded l;
	char why[GMETA_WHY], words[96];
	int err = gmeta_load(&a->dev, &l), code = may_write(ctl, a, &l.super);

	if (code) {
		;
	} else if (!err && l.super_same) {
		tell_repair(ctl, a, false, 0, "nothing to mend");
	} else if (!err) {
		err = area_write_super(a, &l.super);
		if (err)
			code = ctl_open_error(ctl, err, "%s", a->path);
		else
			tell_repair(
				ctl, a, true, 0,
				"both superblocks are written anew; nothing was lost");
	} else if (!l.damaged) {
		code = tell(ctl, a, err, &l);
	} else if (!is_state(&l, why)) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: %s; what precedes it is no whole map (%s), so this can't be mended: \"gridctl format --force\", and enqueue what is missing before \"ready\" (gridctl sync --scan)",
			a->path, l.why, why);
	} else if (!ctl_option(ctl, "lose-changes")) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: %s; nothing was changed: with --lose-changes the map becomes what it was before that place (%" PRIu64
			" blocks missing), and blocks enqueued later READ AS GOOD, blocks written later are repaired over",
			a->path, l.why, (uint64_t)l.map.count);
	} else {
		err = area_write_map(a, &l.super, &l.map,
				     l.highest > l.last ? l.highest : l.last);
		snprintf(words, sizeof(words),
			 "the map is what it was after commit %" PRIu64
			 "; later changes are lost",
			 (uint64_t)l.last);
		if (err)
			code = ctl_open_error(ctl, err, "%s", a->path);
		else
			tell_repair(ctl, a, true, l.last, words);
	}
	gmeta_unload(&l);
	return code;
}

static int set(const struct ctl *ctl, struct area *a)
{
	const char *data = ctl_option(ctl, "data"),
		   *state = ctl_option(ctl, "state");
	struct json_object *o;
	struct gmeta_loaded l;
	int err, code = CTL_GOOD;

	if (!data && !state)
		return ctl_fail(ctl, CTL_USAGE,
				"nothing to set: --data or --state");
	if (state && strcmp(state, "active") && strcmp(state, "retired"))
		return ctl_fail(ctl, CTL_USAGE,
				"--state=%s: must be active or retired", state);
	err = gmeta_load(&a->dev, &l);
	if (err) {
		code = tell(ctl, a, err, &l);
		goto out;
	}
	code = may_write(ctl, a, &l.super);
	if (!code && data)
		code = area_identify(ctl, data, &l.super);
	if (code)
		goto out;
	if (state)
		l.super.state = strcmp(state, "active") ? GRID_META_RETIRED :
							  GRID_META_ACTIVE;
	if (gmeta_super_check(&l.super, l.why)) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: the grid doesn't fit on it (%s); nothing was changed",
			data ? data : a->path, l.why);
		goto out;
	}
	err = area_write_super(a, &l.super);
	if (err) {
		code = ctl_open_error(ctl, err, "%s", a->path);
	} else if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "metadata", a->path);
		ctl_put_string(o, "state", state_name(&l.super));
		ctl_print(o);
	}
out:
	gmeta_unload(&l);
	return code;
}

int verb_metadata(struct ctl *ctl)
{
	const char *what = ctl->argv[0];
	bool writes = !strcmp(what, "repair") || !strcmp(what, "set");
	struct area a;
	uint64_t start;
	int code;

	if (!writes && strcmp(what, "check") && strcmp(what, "dump"))
		return ctl_fail(ctl, CTL_USAGE,
				"\"%s\": must be check, dump, repair or set",
				what);
	if (!area_start(ctl, &start))
		return CTL_USAGE;
	code = area_open(ctl, &a, ctl->argv[1], start, writes);
	if (code)
		return code;
	if (!strcmp(what, "repair"))
		code = repair(ctl, &a);
	else if (writes)
		code = set(ctl, &a);
	else
		code = check(ctl, &a, !strcmp(what, "dump"));
	area_close(&a);
	return code;
}
