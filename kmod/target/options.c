// SPDX-License-Identifier: GPL-2.0
/*
 * The target's table line, as text: read, and written so that it creates the
 * same target again (D8).
 *
 *   <device> <offset> <block_sectors> [<#args> key:value ...]
 *
 * Nothing here needs a lock: a table line is read before its table exists, and
 * who writes it has it.
 */
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "grid.h"

/* One number in the range of an option. */
static int grid_number(const char *s, unsigned int min, unsigned int max,
		       unsigned int *out)
{
	unsigned int n;

	if (kstrtouint(s, 10, &n) || n < min || n > max)
		return -EINVAL;
	*out = n;
	return 0;
}

/* One word of two. */
static int grid_choice(const char *s, const char *no, const char *yes,
		       bool *out)
{
	if (strcmp(s, no) && strcmp(s, yes))
		return -EINVAL;
	*out = !strcmp(s, yes);
	return 0;
}

/* Options that a message may change; -ENOENT for any other key. */
int grid_tunable(struct grid_options *opt, const char *key, const char *value)
{
	if (!strcmp(key, "on_missing"))
		return grid_choice(value, "park", "error",
				   &opt->on_missing_error);
	if (!strcmp(key, "detect"))
		return grid_choice(value, "off", "on", &opt->detect);
	if (!strcmp(key, "park_timeout_ms"))
		return grid_number(value, 0, GRID_PARK_TIMEOUT_MS_MAX,
				   &opt->park_timeout_ms);
	if (!strcmp(key, "no_helper_ms"))
		return grid_number(value, 0, GRID_PARK_TIMEOUT_MS_MAX,
				   &opt->no_helper_ms);
	return -ENOENT;
}

static int grid_option(struct grid_options *opt, const char *key,
		       const char *value)
{
	int r = grid_tunable(opt, key, value);
	u64 n;

	if (r != -ENOENT)
		return r;
	if (!strcmp(key, "checkpoint"))
		return grid_choice(value, "flush", "explicit",
				   &opt->explicit_checkpoint);
	if (!strcmp(key, "start"))
		return grid_choice(value, "clean", "held", &opt->start_held);
	if (!strcmp(key, "checksum")) {
		if (!*value ||
		    strscpy(opt->checksum, value,
			    sizeof_field(struct grid_missing_geometry,
					 checksum)) < 0)
			return -EINVAL;
		return 0;
	}
	if (!strcmp(key, "metadata")) {
		kfree(opt->meta_path);
		opt->meta_path = kstrdup(value, GFP_KERNEL);
		return opt->meta_path ? 0 : -ENOMEM;
	}
	if (!strcmp(key, "metadata_start")) {
		if (kstrtoull(value, 10, &n) || n != (sector_t)n)
			return -EINVAL;
		opt->meta_start = n;
		return 0;
	}
	if (!strcmp(key, "metadata_uuid")) {
		opt->has_meta_uuid = !uuid_parse(value, &opt->meta_uuid);
		return opt->has_meta_uuid ? 0 : -EINVAL;
	}
	if (!strcmp(key, "blocks_max"))
		return grid_number(value, 1, U32_MAX, &opt->limits.blocks_max);
	if (!strcmp(key, "tables_max"))
		return grid_number(value, 0, U32_MAX, &opt->limits.tables_max);
	if (!strcmp(key, "table_values_max"))
		return grid_number(value, 1, U32_MAX,
				   &opt->limits.table_values_max);
	return -ENOENT;
}

/* Splits "key:value" in place and hands it on; says what is wrong. */
int grid_parse_option(struct grid_options *opt, char *arg, char **error,
		      int (*set)(struct grid_options *opt, const char *key,
				 const char *value))
{
	char *value = strchr(arg, ':');
	int r;

	if (!value) {
		*error = "an option is key:value";
		DMERR("option \"%s\" is not key:value", arg);
		return -EINVAL;
	}
	*value++ = '\0';
	r = set(opt, arg, value);
	if (r == -ENOENT) {
		*error = "unknown option";
		DMERR("unknown option \"%s\"", arg);
		return -EINVAL;
	}
	if (r) {
		*error = "bad value of an option";
		DMERR("option %s: bad value \"%s\"", arg, value);
	}
	return r;
}

int grid_parse(struct dm_target *ti, struct grid_table *t, unsigned int argc,
	       char **argv)
{
	static const struct dm_arg args[] = {
		{ 0, 64, "number of options out of range" },
	};
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct grid_options *opt = &t->opt;
	unsigned long long start;
	unsigned int n;
	char dummy;
	int r;

	opt->park_timeout_ms = GRID_PARK_TIMEOUT_MS;
	opt->no_helper_ms = GRID_NO_HELPER_MS;
	opt->detect = true;
	strscpy(opt->checksum, "none", sizeof(opt->checksum));
	opt->limits.blocks_max = GRID_BLOCKS_MAX;
	opt->limits.tables_max = GRID_TABLES_MAX;
	opt->limits.table_values_max = GRID_TABLE_VALUES_MAX;

	if (argc < 3) {
		ti->error =
			"wants <device> <offset> <block_sectors> [<#args> key:value ...]";
		return -EINVAL;
	}
	dm_consume_args(&as, 1);
	if (sscanf(dm_shift_arg(&as), "%llu%c", &start, &dummy) != 1 ||
	    start != (sector_t)start) {
		ti->error = "bad offset on the lower device";
		return -EINVAL;
	}
	t->start = start;
	if (grid_number(dm_shift_arg(&as), GRID_BLOCK_SIZE_MIN >> SECTOR_SHIFT,
			GRID_BLOCK_SIZE_MAX >> SECTOR_SHIFT,
			&t->block_sectors) ||
	    !is_power_of_2(t->block_sectors)) {
		ti->error =
			"block_sectors must be a power of two from 8 (4 KiB) to 2048 (1 MiB)";
		return -EINVAL;
	}
	if (ti->len & (t->block_sectors - 1)) {
		ti->error = "the length must be a multiple of block_sectors";
		return -EINVAL;
	}
	if (!as.argc)
		return 0;
	r = dm_read_arg_group(args, &as, &n, &ti->error);
	if (r)
		return r;
	while (n--) {
		r = grid_parse_option(opt, (char *)dm_shift_arg(&as),
				      &ti->error, grid_option);
		if (r)
			return r;
	}
	if (!opt->meta_path != !opt->has_meta_uuid ||
	    (!opt->meta_path && opt->meta_start)) {
		ti->error = "metadata and metadata_uuid go together";
		return -EINVAL;
	}
	if (as.argc) {
		ti->error = "more options than the number before them says";
		return -EINVAL;
	}
	return 0;
}

void grid_emit_table(const struct grid_table *t, char *result,
		     unsigned int maxlen)
{
	const struct grid_options *o = &t->opt;
	unsigned int sz = 0;

	DMEMIT("%s %llu %u %u", t->dev->name, (u64)t->start, t->block_sectors,
	       t->meta_dev ? 13 : 10);
	DMEMIT(" on_missing:%s park_timeout_ms:%u checksum:%s",
	       o->on_missing_error ? "error" : "park", o->park_timeout_ms,
	       o->checksum);
	DMEMIT(" checkpoint:%s no_helper_ms:%u start:%s detect:%s",
	       o->explicit_checkpoint ? "explicit" : "flush", o->no_helper_ms,
	       o->start_held ? "held" : "clean", o->detect ? "on" : "off");
	DMEMIT(" blocks_max:%u tables_max:%u table_values_max:%u",
	       o->limits.blocks_max, o->limits.tables_max,
	       o->limits.table_values_max);
	if (t->meta_dev)
		DMEMIT(" metadata:%s metadata_start:%llu metadata_uuid:%pUb",
		       t->meta_dev->name, (u64)o->meta_start, &o->meta_uuid);
}

/* What of a table line decides on what is read and written, for whoever measures it. */
void grid_emit_ima(const struct grid_table *t, char *result,
		   unsigned int maxlen)
{
	const struct grid_options *o = &t->opt;
	unsigned int sz = 0;

	DMEMIT_TARGET_NAME_VERSION(t->ti->type);
	DMEMIT(",device_name=%s,start=%llu,block_sectors=%u", t->dev->name,
	       (u64)t->start, t->block_sectors);
	DMEMIT(",checksum=%s,on_missing=%s,checkpoint=%s", o->checksum,
	       o->on_missing_error ? "error" : "park",
	       o->explicit_checkpoint ? "explicit" : "flush");
	if (t->meta_dev)
		DMEMIT(",metadata_device=%s,metadata_start=%llu,metadata_uuid=%pUb",
		       t->meta_dev->name, (u64)o->meta_start, &o->meta_uuid);
	DMEMIT(";");
}
