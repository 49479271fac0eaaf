// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: what every tracker holds, and whether it is right (U7).
 *
 *	grid_missing/dump	each tracker, its counters, and all its faults
 *	grid_missing/verify	recounts each from scratch: "<id> ok", or why not
 *
 * Two files for all trackers, and none of a tracker's own: removing a debugfs
 * file waits for its readers, and a reader may stall on his own memory.
 * verify holds a tracker's lock as long as it counts: it is for debugging.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "core.h"

#define GM_DUMP_CHUNK 64U

static struct dentry *gm_debugfs;

/**
 * struct gm_dump - a walk over trackers and, in each, over its faults
 * @gm: where it is, referenced; NULL at the end
 * @pos: how many steps it took
 * @cursor: where the next chunk of faults begins
 * @n: faults in @faults: 0 for the step that shows the tracker itself
 * @head: this step shows the tracker itself
 * @faults: a chunk
 *
 * A step is either a tracker's first lines or a chunk of its faults.
 */
struct gm_dump {
	struct grid_missing *gm;
	loff_t pos;
	u64 cursor;
	u32 n;
	bool head;
	struct grid_missing_fault faults[GM_DUMP_CHUNK];
};

static void gm_dump_tracker(struct gm_dump *d, u64 from)
{
	grid_missing_put(d->gm);
	d->gm = gm_find_next(from);
	d->cursor = 0;
	d->head = true;
	d->n = 0;
}

static void gm_dump_step(struct gm_dump *d)
{
	int n = 0;

	d->pos++;
	d->head = false;
	while (!n && d->cursor != U64_MAX)
		n = gm_faults(d->gm, &d->cursor, GM_DUMP_CHUNK, d->faults);
	d->n = max(n, 0);
	if (!d->n)
		gm_dump_tracker(d, d->gm->id + 1);
}

static void *gm_dump_start(struct seq_file *m, loff_t *pos)
{
	struct gm_dump *d = m->private;

	if (!*pos || *pos < d->pos) {
		d->pos = 0;
		gm_dump_tracker(d, 0);
	}
	while (d->gm && d->pos < *pos)
		gm_dump_step(d);
	return d->gm ? d : NULL;
}

static void *gm_dump_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct gm_dump *d = m->private;

	gm_dump_step(d);
	++*pos;
	return d->gm ? d : NULL;
}

static void gm_dump_stop(struct seq_file *m, void *v)
{
}

static void gm_dump_head(struct seq_file *m, struct grid_missing *gm)
{
	struct grid_missing_status st;

	grid_missing_get_status(gm, &st);
	seq_printf(m, "tracker %llu %u:%u %s%s%s\n", gm->id, gm->major,
		   gm->minor, gm->name, gm_suspended(gm) ? " suspended" : "",
		   gm_removed(gm) ? " removed" : "");
	seq_printf(m, " waiting %llu writing %llu aborting %llu\n", st.waiting,
		   st.writing, st.aborting);
	seq_printf(m, " single %llu/%u tables %u/%u of %u values, %u free\n",
		   st.blocks_single, st.blocks_max, st.tables, st.tables_max,
		   st.table_values_max, st.tables_free);
	seq_printf(
		m,
		" repaired %llu unverified %llu superseded %llu freed %llu cancelled %llu\n",
		st.repaired, st.unverified, st.superseded, st.freed,
		st.cancelled);
	seq_printf(
		m,
		" verify_failed %llu write_failed %llu unavailable %llu checkpoints %llu helpers %u\n",
		st.verify_failed, st.write_failed, st.unavailable,
		st.checkpoints, st.helpers);
}

static int gm_dump_show(struct seq_file *m, void *v)
{
	static const char *const states[] = {
		[GRID_MISSING_STATE_GONE] = "gone",
		[GRID_MISSING_STATE_WAITING] = "waiting",
		[GRID_MISSING_STATE_WRITING] = "writing",
		[GRID_MISSING_STATE_ABORTING] = "aborting",
	};
	static const char *const causes[] = {
		[GRID_MISSING_CAUSE_BLOCK] = "block",
		[GRID_MISSING_CAUSE_TABLE_INDEX] = "table_index",
		[GRID_MISSING_CAUSE_TABLE_VALUE] = "table_value",
	};
	struct gm_dump *d = v;
	u32 i;

	if (d->head)
		gm_dump_head(m, d->gm);
	for (i = 0; i < d->n; i++) {
		const struct grid_missing_fault *f = &d->faults[i];

		seq_printf(
			m, "  %llu %s %s flags %#x failures %u sum %*phN",
			f->address,
			f->state < ARRAY_SIZE(states) ? states[f->state] : "?",
			f->cause < ARRAY_SIZE(causes) ? causes[f->cause] : "?",
			f->flags, f->failures, (int)sizeof(f->checksum),
			&f->checksum);
		if (f->cause != GRID_MISSING_CAUSE_BLOCK)
			seq_printf(m, " table %llu value %u", f->table,
				   f->value_index);
		seq_putc(m, '\n');
	}
	return 0;
}

static const struct seq_operations gm_dump_ops = {
	.start = gm_dump_start,
	.next = gm_dump_next,
	.stop = gm_dump_stop,
	.show = gm_dump_show,
};

static int gm_dump_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &gm_dump_ops, sizeof(struct gm_dump));
}

static int gm_dump_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct gm_dump *d = m->private;

	grid_missing_put(d->gm);
	return seq_release_private(inode, file);
}

static const struct file_operations gm_dump_fops = {
	.owner = THIS_MODULE,
	.open = gm_dump_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = gm_dump_release,
};

static int gm_verify_show(struct seq_file *m, void *unused)
{
	struct grid_missing *gm;
	char why[160];
	u64 id = 0;
	int ret;

	while ((gm = gm_find_next(id))) {
		why[0] = '\0';
		ret = gm_verify_idle(gm, why, sizeof(why));
		seq_printf(m, "%llu %s\n", gm->id, ret ? why : "ok");
		id = gm->id + 1;
		grid_missing_put(gm);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gm_verify);

void __init gm_debugfs_init(void)
{
	gm_debugfs = debugfs_create_dir("grid_missing", NULL);
	debugfs_create_file("dump", 0444, gm_debugfs, NULL, &gm_dump_fops);
	debugfs_create_file("verify", 0444, gm_debugfs, NULL, &gm_verify_fops);
}

void gm_debugfs_exit(void)
{
	debugfs_remove_recursive(gm_debugfs);
}
