// SPDX-License-Identifier: GPL-2.0
/*
 * The tracker beside the model: everything that can be listed, counted, told or
 * recorded is compared, and what was recorded is restored.  See model.h.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "../kmod/tracker/private.h"
#include "model.h"

bool model_fail(struct model_run *r, const char *what, s64 got, s64 want)
{
	if (!r->failed)
		snprintf(r->err, sizeof(r->err),
			 "step %u, %s%s%s: %s: %lld, the model says %lld",
			 r->steps, r->nested ? r->sweep : "",
			 r->nested ? ", " : "", r->op, what, (long long)got,
			 (long long)want);
	r->failed = true;
	return false;
}

bool model_expect(struct model_run *r, const char *what, s64 got, s64 want)
{
	return got == want || model_fail(r, what, got, want);
}

static bool model_compare_fault(struct model_run *r,
				const struct grid_missing_fault *o)
{
	struct model_fault *f =
		model_find(&r->m, o->address, o->flags & GRID_MISSING_F_ASIDE);
	u32 flags = 0;

	if (!f)
		return model_fail(r, "lists an address", o->address, -1);
	if (f->readers)
		flags |= GRID_MISSING_F_READERS;
	if (f->wanted)
		flags |= GRID_MISSING_F_WANTED;
	if (f->unavailable)
		flags |= GRID_MISSING_F_UNAVAILABLE;
	if (f->aside)
		flags |= GRID_MISSING_F_ASIDE;
	if (!f->has_sum)
		flags |= GRID_MISSING_F_NO_CHECKSUM;
	else if (!model_same(&f->sum, &o->checksum))
		return model_fail(r, "checksum", o->address, -1);
	/* Its number stays what it is, whatever is refused meanwhile. */
	if (!f->serial)
		f->serial = o->serial;
	if (!f->has_sum && !model_expect(r, "serial", o->serial, f->serial))
		return false;
	return model_expect(r, "flags", o->flags, flags) &&
	       model_expect(r, "state", o->state, f->state) &&
	       model_expect(r, "cause", o->cause, f->cause) &&
	       (f->state == MODEL_ABORTING ||
		model_expect(r, "failures", o->failures, f->failures)) &&
	       model_expect(r, "table", o->table,
			    f->table < 0 ? 0 : r->m.tables[f->table].address) &&
	       model_expect(r, "value_index", o->value_index,
			    f->table < 0 ? 0 : f->value);
}

static u32 model_list(struct model_run *r)
{
	u64 cursor = 0;
	u32 n = 0;

	while (cursor != U64_MAX)
		n += gm_list_faults(&r->t, &cursor, min(3U, MODEL_FAULTS - n),
				    r->out + n);
	return n;
}

/* All faults in slot order; also what revert and retry go by. */
static bool model_compare_faults(struct model_run *r)
{
	unsigned long flags;
	u32 n, i;

	/* A listing passes over what a sweep is about to take, and changes nothing. */
	if (!model_expect(r, "faults seen", model_list(r), r->m.n))
		return false;
	for (i = 0; i < MODEL_ADDRESSES; i++) {
		GM_LOCK(&r->t, flags);
		__gm_find(&r->t, model_address(i), NULL);
		GM_UNLOCK(&r->t, flags);
	}
	n = model_list(r);
	if (!model_expect(r, "faults", n, r->m.n))
		return false;
	for (i = 0; i < n; i++) {
		if (!model_compare_fault(r, &r->out[i]))
			return false;
		r->order[i] = r->out[i].address;
	}
	return true;
}

static bool model_compare_tables(struct model_run *r)
{
	bool seen[MODEL_TABLES] = { false };
	struct grid_missing_table o[2];
	u32 n = 0, want = 0, i, j, some;
	u64 cursor = 0;

	while (cursor != U64_MAX) {
		some = gm_list_tables(&r->t, &cursor, 2, o);
		for (i = 0; i < some; i++) {
			for (j = 0; j < MODEL_TABLES; j++) {
				struct model_table *tab = &r->m.tables[j];

				if (!seen[j] && tab->state == o[i].state &&
				    tab->address == o[i].address &&
				    tab->values == o[i].values &&
				    tab->gone == o[i].values_gone)
					break;
			}
			if (j == MODEL_TABLES)
				return model_fail(r, "table", o[i].address,
						  o[i].state);
			seen[j] = true;
			n++;
		}
	}
	for (j = 0; j < MODEL_TABLES; j++)
		want += !!r->m.tables[j].state;
	return model_expect(r, "tables", n, want);
}

static bool model_compare_counts(struct model_run *r)
{
	u32 single = model_singles(&r->m), tables = 0, active = 0, readers = 0,
	    unavailable = 0, i;
	struct gm_counts c;

	gm_get_counts(&r->t, &c);
	for (i = 0; i < r->m.n; i++) {
		readers += r->m.faults[i].readers;
		unavailable += r->m.faults[i].unavailable;
	}
	for (i = 0; i < MODEL_TABLES; i++) {
		tables += !!r->m.tables[i].state;
		active += model_active(&r->m.tables[i]);
	}
	return model_expect(r, "waiting", c.waiting,
			    model_state_count(&r->m, MODEL_WAITING)) &&
	       model_expect(r, "writing", c.writing,
			    model_state_count(&r->m, MODEL_WRITING)) &&
	       model_expect(r, "aborting", c.aborting,
			    model_state_count(&r->m, MODEL_ABORTING)) &&
	       model_expect(r, "single", c.blocks_single, single) &&
	       model_expect(r, "of tables", c.blocks_table, r->m.n - single) &&
	       model_expect(r, "readers", c.readers, readers) &&
	       model_expect(r, "unavailable", c.unavailable, unavailable) &&
	       model_expect(r, "table slots", c.tables, tables) &&
	       model_expect(r, "ended", c.tables_free, tables - active) &&
	       model_expect(r, "checkpoint", c.checkpoint, r->m.checkpoint) &&
	       model_expect(r, "jump", c.sync_jump, r->m.jump);
}

/* What the changes told must be what is there. */
static bool model_compare_seen(struct model_run *r)
{
	struct model_fault *f;
	u32 i;

	for (i = 0; i < MODEL_ADDRESSES; i++) {
		/* What is set aside is missing as before. */
		f = model_find_any(&r->m, model_address(i));
		if (!model_expect(r, "changes told", r->seen[i],
				  f ? f->state : GRID_MISSING_STATE_GONE))
			return false;
	}
	return true;
}

static bool model_same_record(const struct grid_missing_record *a,
			      const struct grid_missing_record *b)
{
	return a->address == b->address && a->kind == b->kind &&
	       a->table == b->table && a->value == b->value &&
	       a->has_sum == b->has_sum &&
	       !memcmp(&a->sum, &b->sum, sizeof(a->sum));
}

static bool model_same_table(const struct grid_missing_record_table *a,
			     const struct grid_missing_record_table *b)
{
	return a->address == b->address && a->values == b->values &&
	       a->state == b->state && a->has_sum == b->has_sum &&
	       a->lost == b->lost && !memcmp(&a->sum, &b->sum, sizeof(a->sum));
}

/* What was told is how everything stands, whenever the lock is not held. */
static bool model_compare_kept(struct model_run *r)
{
	struct grid_missing_record_table table;
	struct grid_missing_record record;
	unsigned long flags;
	bool same;
	u32 i;

	for (i = 0; i < MODEL_ADDRESSES; i++) {
		GM_LOCK(&r->t, flags);
		__gm_record(&r->t, model_address(i), &record);
		GM_UNLOCK(&r->t, flags);
		if (!model_same_record(&record, &r->kept[i]))
			return model_fail(r, "record told", i, 0);
	}
	for (i = 0; i < MODEL_TABLES; i++) {
		GM_LOCK(&r->t, flags);
		__gm_record_table(&r->t, i, &table);
		same = model_same_table(&table, &r->kept_tables[i]);
		GM_UNLOCK(&r->t, flags);
		if (!same)
			return model_fail(r, "table's record told", i, 0);
	}
	return true;
}

/* How @k comes back: alone if its table is cancelled. */
static struct grid_missing_record
model_comes_back(const struct model_run *r, const struct grid_missing_record *k)
{
	u8 state = r->kept_tables[k->table].state;
	struct grid_missing_record back = *k;

	if (k->kind > GRID_MISSING_RECORD_BLOCK &&
	    state == GRID_MISSING_TABLE_CANCELLED) {
		back.kind = GRID_MISSING_RECORD_BLOCK;
		back.table = 0;
		back.value = 0;
	}
	return back;
}

static bool model_restored(struct model_run *r, struct gm_tracker *t)
{
	struct grid_missing_record record[4], back;
	unsigned long flags;
	u32 i, n, count = 0;
	char why[160];
	u64 cursor = 0;
	int e;

	for (i = 0; i < r->m.limits.tables_max; i++) {
		e = gm_restore_table(t, i, &r->kept_tables[i]);
		if (e)
			return model_fail(r, "table restored", e, 0);
	}
	for (i = 0; i < MODEL_ADDRESSES; i++) {
		if (!r->kept[i].kind)
			continue;
		e = gm_restore(t, &r->kept[i]);
		if (e)
			return model_fail(r, "restored", e, 0);
		count++;
	}
	if (gm_verify(t, why, sizeof(why)))
		return model_fail(r, why, 0, 0);
	while (cursor != U64_MAX) {
		GM_LOCK(t, flags);
		n = __gm_list_records(t, &cursor, 4, record);
		GM_UNLOCK(t, flags);
		for (i = 0; i < n; i++) {
			u32 a = model_address_index(record[i].address);

			back = model_comes_back(r, &r->kept[a]);
			if (!model_same_record(&record[i], &back))
				return model_fail(r, "record listed", a, 0);
		}
		count -= n;
	}
	return model_expect(r, "records listed", count, 0);
}

/* From what was kept a tracker comes back that is the same. */
static bool model_compare_restored(struct model_run *r)
{
	bool same;
	int e;

	e = gm_tracker_init(&r->back, &r->m.limits, NULL);
	if (e)
		return model_fail(r, "tracker to restore", e, 0);
	same = model_restored(r, &r->back);
	gm_tracker_exit(&r->back);
	return same;
}

bool model_compare(struct model_run *r)
{
	char why[160];
	u32 age;

	if (r->failed)
		return false;
	if (gm_verify(&r->t, why, sizeof(why))) {
		model_fail(r, why, 0, 0);
		return false;
	}
	if (r->t.recording &&
	    (!model_compare_kept(r) ||
	     (!(r->steps % 16) && !model_compare_restored(r))))
		return false;
	/* To look at a fault is to finish what is pending there. */
	if (r->nested)
		return !r->failed;
	age = r->steps % 3 * 500;
	return model_expect(r, "done", r->done, r->m.done) &&
	       model_expect(r, "cancelled", r->cancelled, r->m.cancelled) &&
	       model_expect(r, "values told", r->values_told, r->m.values) &&
	       model_compare_faults(r) && model_compare_tables(r) &&
	       model_compare_counts(r) && model_compare_seen(r) &&
	       model_expect(r, "due", gm_next_due(&r->t, age, r->time),
			    model_due(&r->m, age, r->time));
}
