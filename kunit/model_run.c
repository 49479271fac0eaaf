// SPDX-License-Identifier: GPL-2.0
/*
 * The driver: random operations, valid and invalid ones, on the tracker and on the
 * model; also between the slices of a sweep; and the end, which must be clean.  See
 * model.h.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "../kmod/tracker/private.h"
#include "model.h"

/* Whose sweep is under way: KUnit runs a suite's cases one after another. */
static struct model_run *model_current;

static void model_event(struct gm_tracker *t, u8 why, u64 address, u64 count)
{
	struct model_run *r = container_of(t, struct model_run, t);

	if (why == GRID_MISSING_WHY_TABLE_DONE)
		r->done++;
	else if (why == GRID_MISSING_WHY_TABLE_CANCELLED)
		r->cancelled++;
	else if (why == GRID_MISSING_WHY_VALUES_ENQUEUED)
		r->values_told += count;
	else
		model_fail(r, "unknown event", address, why);
}

static void model_change(struct gm_tracker *t, const struct gm_change *c)
{
	struct model_run *r = container_of(t, struct model_run, t);
	u32 i = model_address_index(c->address);

	r->calls++;
	if (i == MODEL_ADDRESSES)
		return;
	if (r->seen[i] != c->from)
		model_fail(r, "change: from", c->from, r->seen[i]);
	if (!c->why || c->why > GRID_MISSING_WHY_JUMPED)
		model_fail(r, "change: why", c->why, 0);
	r->seen[i] = c->to;
}

static int model_admit(struct gm_tracker *t, u64 address,
		       enum grid_missing_as as)
{
	const struct model_run *r = container_of(t, struct model_run, t);

	return address == r->m.refused ? -ERANGE : 0;
}

static void model_record(struct gm_tracker *t, u64 address)
{
	struct model_run *r = container_of(t, struct model_run, t);
	u32 i = model_address_index(address);

	if (i < MODEL_ADDRESSES)
		__gm_record(t, address, &r->kept[i]);
}

static void model_record_table(struct gm_tracker *t, u32 s)
{
	struct model_run *r = container_of(t, struct model_run, t);

	__gm_record_table(t, s, &r->kept_tables[s]);
}

static struct grid_missing_checksum model_sum(u32 i)
{
	struct grid_missing_checksum sum;

	/* All-zero and all-ones are values like any other. */
	memset(&sum, i % 2 ? 0xff : 0, sizeof(sum));
	if (i > 1)
		sum.bytes[i % 16] ^= 1 + i;
	return sum;
}

/* Usually the checksum of an address, at times another or none. */
static const struct grid_missing_checksum *
model_pick_sum(struct model_run *r, u32 i, struct grid_missing_checksum *sum)
{
	u32 what = model_below(r, 16);

	if (what == 0)
		return NULL;
	*sum = model_sum(what == 1 ? i + 1 : i);
	return sum;
}

static u64 model_set_next(const struct gm_set *set, u64 from, bool *found)
{
	const struct model_set *s = container_of(set, struct model_set, set);
	u64 next = U64_MAX;
	u32 i;

	*found = false;
	for (i = 0; i < s->n; i++) {
		if (s->v[i] < from || (*found && s->v[i] >= next))
			continue;
		next = s->v[i];
		*found = true;
	}
	return next;
}

static bool model_set_test(const struct gm_set *set, u64 address)
{
	return model_in_set(container_of(set, struct model_set, set), address);
}

/* A set of up to @max; @count may lie, so that both ways of walking it run. */
static void model_pick_set(struct model_run *r, u32 max)
{
	struct model_set *s = &r->set;
	u32 n = model_below(r, max + 1);

	s->n = 0;
	while (n--) {
		u64 address = model_address(model_below(r, MODEL_ADDRESSES));

		if (!model_in_set(s, address))
			s->v[s->n++] = address;
	}
	s->set.count = model_below(r, 2) ? s->n : 0;
	s->set.test = model_set_test;
	s->set.next = model_set_next;
}

/* Of a table's enqueue: all it has left will have gone when the sweep is through. */
static bool model_has_nearly_ended(struct model_run *r, u64 address, int got)
{
	return r->nested && (got == GM_DUPLICATE || got == -ESTALE) &&
	       model_find_table(&r->m, address) < 0;
}

static void model_op_enqueue(struct model_run *r, bool table)
{
	u32 i = model_below(r, MODEL_ADDRESSES);
	const struct grid_missing_checksum *sum;
	struct grid_missing_checksum buf;
	u64 address = model_address(i);
	int got, want;

	sum = model_pick_sum(r, i, &buf);
	if (table) {
		r->op = "enqueue_table";
		got = gm_enqueue_table(&r->t, address, sum);
		if (model_has_nearly_ended(r, address, got))
			return;
		want = model_enqueue_table(r, address, sum);
	} else {
		r->op = "enqueue_block";
		got = gm_enqueue_block(&r->t, address, sum,
				       GRID_MISSING_WHY_ENQUEUED);
		/* Full of what the sweep is about to drop. */
		if (r->nested && got == -EAGAIN)
			return;
		want = model_enqueue_block(&r->m, address, sum);
	}
	model_expect(r, "result", got, want);
}

/* Values of a table, in r->values; how many: at most one too many. */
static u32 model_pick_values(struct model_run *r)
{
	u32 n = model_below(r, r->m.limits.table_values_max + 2), j, k;

	for (j = 0; j < n; j++) {
		k = model_below(r, MODEL_ADDRESSES);
		r->values[j].address = model_address(k);
		r->values[j].checksum = model_sum(k);
		if (!model_below(r, 32))
			r->values[j].checksum = model_sum(k + 1);
	}
	return n;
}

static int model_values_of(struct model_run *r, u64 address,
			   const struct grid_missing_checksum *sum,
			   const struct grid_missing_value *v, u32 n)
{
	struct model *m = &r->m;
	struct model_table *tab;
	u32 i;
	int s, e;

	if (!n)
		return -EINVAL;
	if (n > m->limits.table_values_max)
		return -E2BIG;
	for (i = 0; i < n; i++)
		if (v[i].address == address)
			return -EEXIST;
	if (address == m->refused)
		return -ERANGE;
	if (m->jump || model_find(m, address, false))
		return -EBUSY;
	s = model_find_table(m, address);
	if (s >= 0) {
		tab = &m->tables[s];
		if (sum && tab->has_sum && !model_same(sum, &tab->sum))
			return -ESTALE;
		return GM_DUPLICATE;
	}
	for (i = 0; i < m->limits.tables_max; i++)
		if (!m->tables[i].state)
			break;
	if (i == m->limits.tables_max)
		return -ENOSPC;
	r->before = *m;
	tab = &m->tables[i];
	memset(tab, 0, sizeof(*tab));
	tab->state = GRID_MISSING_TABLE_FILLING;
	tab->address = address;
	tab->values = n;
	tab->has_sum = sum;
	if (sum)
		tab->sum = *sum;
	tab->enqueued = ++m->seq;
	e = model_enqueue_values(m, i, v, n);
	if (e)
		*m = r->before;
	return e;
}

static void model_op_values_of(struct model_run *r)
{
	u32 i = model_below(r, MODEL_ADDRESSES), n;
	const struct grid_missing_checksum *sum;
	struct grid_missing_checksum buf;
	struct grid_missing_value *v = r->values;
	u64 address = model_address(i);
	int got, want;

	r->op = "values_of";
	sum = model_pick_sum(r, i, &buf);
	n = model_pick_values(r);
	got = gm_enqueue_values_of(&r->t, address, sum, v, n);
	if (got == -EAGAIN && r->t.recording && r->t.special)
		return;
	if (model_has_nearly_ended(r, address, got))
		return;
	want = model_values_of(r, address, sum, v, n);
	model_expect(r, "result", got, want);
}

/* A vector, which must do what its elements do one by one. */
static void model_op_vector(struct model_run *r)
{
	const struct grid_missing_checksum *sum;
	struct grid_missing_block v[5];
	u32 n = model_below(r, 6), what = model_below(r, 3), i, j;
	u32 owner = model_below(r, 3);
	int want;

	r->op = "vector";
	memset(v, 0, sizeof(v));
	for (i = 0; i < n; i++) {
		j = model_below(r, MODEL_ADDRESSES);
		v[i].address = model_address(j);
		sum = model_pick_sum(r, j, &v[i].checksum);
		if (!sum)
			v[i].flags |= GRID_MISSING_F_NO_CHECKSUM;
		if (what == 0 && !model_below(r, 4))
			v[i].flags |= GRID_MISSING_F_TABLE;
		if (what == 2 && !model_below(r, 4))
			v[i].flags |= GRID_MISSING_F_FAILED;
		if (!model_below(r, 32))
			v[i].flags |= 1U << 20;
	}
	if (what == 0)
		gm_enqueue_vector(&r->t, v, n);
	else if (what == 1)
		gm_repair_commence_vector(&r->t, v, n, owner, r->time);
	else
		gm_repair_complete_vector(&r->t, v, n, owner, r->time);
	for (i = 0; i < n; i++) {
		sum = v[i].flags & GRID_MISSING_F_NO_CHECKSUM ? NULL :
								&v[i].checksum;
		if (v[i].flags & 1U << 20)
			want = -EINVAL;
		else if (what == 0 && (v[i].flags & GRID_MISSING_F_TABLE) &&
			 model_has_nearly_ended(r, v[i].address, v[i].result))
			continue;
		else if (what == 0 && (v[i].flags & GRID_MISSING_F_TABLE))
			want = model_enqueue_table(r, v[i].address, sum);
		else if (what == 0 && r->nested && v[i].result == -EAGAIN)
			continue;
		else if (what == 0)
			want = model_enqueue_block(&r->m, v[i].address, sum);
		else if (what == 1)
			want = model_commence(&r->m, v[i].address, sum, false,
					      owner, r->time);
		else if (v[i].flags & GRID_MISSING_F_FAILED)
			want = model_failed(r, v[i].address, sum, owner,
					    r->time);
		else
			want = model_complete(r, v[i].address, sum, owner, NULL,
					      0);
		model_expect(r, "result", v[i].result, want);
	}
}

static void model_op_batch(struct model_run *r)
{
	u32 max = model_below(r, 8), age = model_below(r, 3) * 100, n;
	bool urgent = r->time % 4 == 3; /* as recorded runs have it */
	const char *wrong = NULL;

	r->op = urgent ? "urgent batch" : "batch";
	n = urgent ? gm_next_urgent(&r->t, max, age, r->time, r->out) :
		     gm_next_batch(&r->t, max, age, r->time, r->out);
	if (!max && !n)
		return;
	if (r->nested)
		wrong = model_check_partial(r, age, r->time, n);
	else
		wrong = model_check_batch(r, urgent, max, age, r->time, n);
	if (wrong)
		model_fail(r, wrong, n, max);
}

/* A fault, often one in @state, to do something with. */
static u32 model_pick(struct model_run *r, u8 state)
{
	u32 n = model_below(r, MODEL_FAULTS), i;

	for (i = 0; i < r->m.n && model_below(r, 16); i++) {
		struct model_fault *f = &r->m.faults[(i + n) % r->m.n];

		if (f->state == state)
			return model_address_index(f->address);
	}
	return model_below(r, MODEL_ADDRESSES);
}

static u32 model_pick_owner(struct model_run *r, u64 address)
{
	struct model_fault *f = model_find(&r->m, address, false);

	if (f && f->state != MODEL_WAITING && model_below(r, 16))
		return f->owner;
	return model_below(r, 3);
}

/* Whichever fault is there, the one that is there, or an older one. */
static u64 model_pick_serial(struct model_run *r, u64 address, bool *older)
{
	struct grid_missing_fault o = {};
	unsigned long flags;

	GM_LOCK(&r->t, flags);
	__gm_find(&r->t, address, &o);
	GM_UNLOCK(&r->t, flags);
	*older = !model_below(r, 4);
	return *older ? o.serial + 1 : model_below(r, 2) ? o.serial : 0;
}

static void model_op_commence(struct model_run *r)
{
	u32 i = model_pick(r, MODEL_WAITING), owner = model_below(r, 3);
	const struct grid_missing_checksum *sum;
	struct grid_missing_checksum buf;
	u64 address = model_address(i), serial;
	struct model_fault *f;
	bool older;

	r->op = "commence";
	sum = model_pick_sum(r, i, &buf);
	f = model_find(&r->m, address, false);
	if (f && f->has_sum && model_below(r, 4))
		sum = &f->sum;
	serial = model_pick_serial(r, address, &older);
	model_expect(
		r, "result",
		gm_repair_commence(&r->t, address, sum, serial, owner, r->time),
		model_commence(&r->m, address, sum, older, owner, r->time));
}

static void model_op_complete(struct model_run *r)
{
	u32 i = model_pick(r, MODEL_WRITING), n = 0, owner;
	const struct grid_missing_checksum *sum;
	struct grid_missing_value *v = NULL;
	struct grid_missing_checksum buf;
	u64 address = model_address(i);
	struct model_fault *f;
	int got, want;

	r->op = "complete";
	sum = model_pick_sum(r, i, &buf);
	f = model_find(&r->m, address, false);
	if (f && f->has_sum && model_below(r, 4)) {
		buf = f->sum;
		sum = &buf;
	}
	owner = model_pick_owner(r, address);
	if (f && f->cause == GRID_MISSING_CAUSE_TABLE_INDEX &&
	    model_below(r, 16)) {
		v = r->values;
		n = model_pick_values(r);
	} else if (!model_below(r, 16)) {
		v = r->values;
		n = model_below(r, 2);
		memset(v, 0, sizeof(*v));
	}
	if (model_below(r, 6)) {
		got = gm_repair_complete(&r->t, address, sum, owner, v, n);
		/* What a sweep has not come to is in the list's way. */
		if (got == -EAGAIN && n && r->t.recording && r->t.special)
			return;
		want = model_complete(r, address, sum, owner, v, n);
	} else if (model_below(r, 2)) {
		r->op = "failed";
		got = gm_repair_failed(&r->t, address, sum, owner, r->time);
		want = model_failed(r, address, sum, owner, r->time);
	} else {
		r->op = "revert";
		got = gm_repair_revert(&r->t, address, owner);
		want = model_revert(r, address, owner);
	}
	model_expect(r, "result", got, want);
}

static void model_op_flag(struct model_run *r)
{
	u64 address = model_address(model_pick(r, MODEL_WAITING));
	struct model_fault *f = model_find_any(&r->m, address);
	u32 what = model_below(r, 5);
	unsigned long flags;
	int got, want = 0;

	if (!f)
		want = -ENOENT;
	else if (f->state == MODEL_ABORTING)
		want = -EBUSY;
	GM_LOCK(&r->t, flags);
	switch (what) {
	case 0:
		r->op = "readers";
		got = __gm_set_readers(&r->t, address, true);
		if (!want)
			model_want(&r->m, f, &f->readers);
		break;
	case 1:
		r->op = "no readers";
		got = __gm_set_readers(&r->t, address, false);
		if (want == -EBUSY)
			want = 0;
		else if (!want)
			model_lose_readers(&r->m, f);
		break;
	case 2:
		r->op = "wanted";
		got = __gm_set_wanted(&r->t, address);
		if (!want)
			model_want(&r->m, f, &f->wanted);
		break;
	default:
		r->op = "unavailable";
		got = __gm_set_unavailable(&r->t, address,
					   GRID_MISSING_WHY_UNAVAILABLE,
					   what == 3);
		if (!want) {
			f->unavailable = true;
			if (what == 3 && f->state == MODEL_WAITING)
				f->place = MODEL_HELD;
		}
		break;
	}
	GM_UNLOCK(&r->t, flags);
	model_expect(r, "result", got, want);
}

static void model_op_retry(struct model_run *r)
{
	u64 address = model_address(model_below(r, MODEL_ADDRESSES)), n = 0;
	struct model_fault *f;
	int want = 0;
	u32 i;

	if (model_below(r, 4)) {
		r->op = "retry";
		f = model_find_any(&r->m, address);
		if (!f)
			want = -ENOENT;
		else if (f->state == MODEL_ABORTING)
			want = -EBUSY;
		else
			model_retry_one(&r->m, f);
		model_expect(r, "result", gm_retry(&r->t, address), want);
		return;
	}
	if (r->nested)
		return;
	r->op = "retry_all";
	for (i = 0; i < r->m.n; i++) {
		f = model_find(&r->m, r->order[i],
			       r->out[i].flags & GRID_MISSING_F_ASIDE);
		if (f->state != MODEL_ABORTING)
			n += model_retry_one(&r->m, f);
	}
	model_expect(r, "result", gm_retry_all(&r->t), n);
}

/* Does @owner's end, or an age, end what is being written of @f? */
static bool model_reverts(const struct model_fault *f, bool older, u64 limit,
			  u32 owner)
{
	if (f->state == MODEL_WAITING || f->aside)
		return false;
	return older ? f->owner != GM_OWNER_KERNEL && f->start < limit :
		       f->owner == owner;
}

static void model_op_revert_many(struct model_run *r)
{
	u32 owner = model_below(r, 3), i, writing = 0;
	bool older = model_below(r, 2);
	u64 limit = r->time - min_t(u64, r->time, model_below(r, 4) * 100);
	struct model_fault *f;
	u64 n = 0;

	r->op = older ? "revert_older" : "revert_owner";
	/* In a sweep we don't know the slots, nor with that their order. */
	for (i = 0; i < r->m.n; i++)
		writing += r->m.faults[i].state == MODEL_WRITING &&
			   model_reverts(&r->m.faults[i], older, limit, owner);
	if (r->nested && writing > 1)
		return;
	/* What waits again does so in the order of the slots. */
	for (i = 0; i < r->m.n; i++) {
		f = r->nested ?
			    &r->m.faults[i] :
			    model_find(&r->m, r->order[i],
				       r->out[i].flags & GRID_MISSING_F_ASIDE);
		if (!f || f->state != MODEL_WRITING ||
		    !model_reverts(f, older, limit, owner))
			continue;
		f->state = MODEL_WAITING;
		model_join(&r->m, f);
		n++;
	}
	for (i = r->m.n; i-- > 0;) {
		f = &r->m.faults[i];
		if (!model_reverts(f, older, limit, owner))
			continue;
		model_remove(r, f);
		n++;
	}
	model_expect(r, "result",
		     older ? gm_revert_older(&r->t, limit) :
			     gm_revert_owner(&r->t, owner),
		     n);
}

static void model_op_drop(struct model_run *r)
{
	u64 address = model_address(model_pick(r, MODEL_WRITING));
	bool keep = model_below(r, 2);

	if (model_below(r, 2)) {
		r->op = "supersede";
		model_expect(r, "result", gm_supersede(&r->t, address),
			     model_supersede(r, address));
	} else {
		r->op = "cancel";
		model_expect(r, "result", gm_cancel(&r->t, address, keep),
			     model_cancel(r, address, keep));
	}
}

static void model_op_reclaim(struct model_run *r)
{
	struct grid_missing_table o;
	u32 i, j, n = 0;

	r->op = "reclaim";
	if (!model_below(r, 4)) {
		for (i = 0; i < MODEL_TABLES; i++) {
			if (!r->m.tables[i].state ||
			    model_active(&r->m.tables[i]))
				continue;
			r->m.tables[i].state = 0;
			n++;
		}
		model_expect(r, "result",
			     gm_reclaim_tables(&r->t, U32_MAX, NULL), n);
		return;
	}
	/* The first that ended; of those that ended at once, any. */
	for (i = 0, j = MODEL_TABLES; i < MODEL_TABLES; i++) {
		struct model_table *tab = &r->m.tables[i];

		if (tab->state && !model_active(tab) &&
		    (j == MODEL_TABLES || tab->ended < r->m.tables[j].ended))
			j = i;
	}
	n = gm_reclaim_tables(&r->t, 1, &o);
	if (!model_expect(r, "result", n, j < MODEL_TABLES) || !n)
		return;
	for (i = 0; i < MODEL_TABLES; i++) {
		struct model_table *tab = &r->m.tables[i];

		if (tab->state && !model_active(tab) &&
		    tab->ended == r->m.tables[j].ended &&
		    o.address == tab->address && o.state == tab->state &&
		    o.values == tab->values && o.values_gone == tab->gone) {
			tab->state = 0;
			return;
		}
	}
	model_fail(r, "another table", o.address, r->m.tables[j].address);
}

static void model_op_sweep(struct model_run *r)
{
	static const struct gm_set none = {
		.test = model_set_test,
		.next = model_set_next,
	};
	u64 cancel[MODEL_TABLES];
	u32 what = model_below(r, 9), n, i;
	bool keep, either = false;
	int got, want;
	u64 address;

	if (r->nested) {
		/* There can be only one. */
		r->op = "second sweep";
		/* Unless an enqueue has ended the first one meanwhile. */
		if (!r->t.sweep.kind)
			return;
		got = what < 4 ? gm_checkpoint_commence(&r->t, &none) :
		      what < 6 ? gm_cancel_all(&r->t, true) :
		      what < 8 ? gm_sync_jump_commence(&r->t) :
				 gm_cancel_table(&r->t, model_address(0), true);
		model_expect(r, "result", got, -EBUSY);
		return;
	}
	model_current = r;
	switch (what) {
	case 0:
		r->op = "cancel_all";
		keep = model_below(r, 2);
		want = model_cancel_all(r, keep);
		got = gm_cancel_all(&r->t, keep);
		break;
	case 1:
	case 2:
		r->op = "jump";
		want = model_jump(r);
		if (want)
			model_current = NULL;
		got = gm_sync_jump_commence(&r->t);
		break;
	case 3:
	case 4:
		r->op = "land";
		n = model_below(r, 3);
		for (i = 0; i < n; i++) {
			struct model_table *tab =
				&r->m.tables[model_below(r, MODEL_TABLES)];

			cancel[i] = tab->state && model_below(r, 8) ?
					    tab->address :
					    model_address(model_below(
						    r, MODEL_ADDRESSES));
		}
		want = model_land(r, cancel, n, &either);
		/* Others could make, or end, a conflict meanwhile. */
		if (want || r->t.twins)
			model_current = NULL;
		got = gm_sync_jump_complete(&r->t, cancel, n);
		if (either && (got == -EBUSY || got == -ESTALE))
			want = got;
		break;
	case 5:
		r->op = "cancel_table";
		n = model_below(r, MODEL_TABLES);
		address =
			r->m.tables[n].state && model_below(r, 8) ?
				r->m.tables[n].address :
				model_address(model_below(r, MODEL_ADDRESSES));
		keep = model_below(r, 2);
		want = model_cancel_by_index(r, address, keep);
		if (want)
			model_current = NULL;
		got = gm_cancel_table(&r->t, address, keep);
		break;
	default:
		r->op = "checkpoint";
		model_pick_set(r, MODEL_ADDRESSES);
		want = model_checkpoint(r, &r->set);
		if (want)
			model_current = NULL;
		got = gm_checkpoint_commence(&r->t, &r->set.set);
		break;
	}
	model_current = NULL;
	model_expect(r, "result", got, want);
}

/* Another capacity (D9); slots and table slots in use stay where they are. */
static void model_op_move(struct model_run *r)
{
	static const struct gm_limits limits[] = {
		{ 3, 2, 3 },  { 1, 1, 1 }, { 8, 3, 4 }, { 5, 0, 1 },
		{ 20, 8, 8 }, { 2, 1, 8 }, { 1, 8, 1 },
	};
	const struct gm_limits *l =
		&limits[model_below(r, sizeof(limits) / sizeof(*limits))];
	u32 tables = 0, values = 0, writing, i;
	struct gm_tracker room;
	int got, want = 0;

	r->op = "move";
	if (r->nested)
		return;
	got = gm_tracker_init(&room, l, NULL);
	if (got) {
		model_fail(r, "no room", got, 0);
		return;
	}
	for (i = 0; i < MODEL_TABLES; i++) {
		tables += !!r->m.tables[i].state;
		if (r->m.tables[i].state)
			values = max(values, r->m.tables[i].values);
	}
	writing = model_members(&r->m, MODEL_WRITING) +
		  model_members(&r->m, MODEL_ABORTING);
	if (model_singles(&r->m) > l->blocks_max || tables > l->tables_max ||
	    values > l->table_values_max || writing > room.reserve ||
	    (r->m.n && r->t.used > room.slots) ||
	    (tables && r->t.tables_used > l->tables_max))
		want = -EBUSY;
	model_expect(r, "fits", gm_tracker_fits(&r->t, l), want);
	got = gm_tracker_move(&r->t, &room);
	gm_tracker_exit(&room);
	if (!model_expect(r, "result", got, want) || got)
		return;
	r->m.limits = *l;
	r->m.slots = r->t.slots;
	r->m.reserve = r->t.reserve;
}

static void model_op_checkpoint_complete(struct model_run *r)
{
	bool commencing = r->nested && r->t.sweep.kind &&
			  !strcmp(r->sweep, "checkpoint");
	int got = gm_checkpoint_complete(&r->t), want;

	r->op = "checkpoint_complete";
	if (commencing) {
		/* What it has not reached yet may be about to abort. */
		want = -EAGAIN;
	} else if (r->nested && !got && r->m.checkpoint) {
		/*
		 * What a cancel has not reached yet is no freed block's write:
		 * the checkpoint need not wait for it, nor be closed by others.
		 */
		r->m.checkpoint = false;
		want = 0;
	} else {
		want = model_checkpoint_complete(&r->m);
	}
	model_expect(r, "result", got, want);
}

/* Each address once, as calls see it, however the tracker looks. */
static void model_op_range(struct model_run *r)
{
	u32 a = model_below(r, MODEL_ADDRESSES), max = 1 + model_below(r, 3);
	u32 b = a + model_below(r, MODEL_ADDRESSES - a), n = 0, want = 0, got;
	u64 first = model_address(a), last = model_address(b), cursor = 0, at;
	u32 rounds = 0, i;

	r->op = "list_range";
	/* Few addresses, or many: it looks them up, or at all faults. */
	if (model_below(r, 2))
		last = first + model_below(r, 8);
	if (r->nested || first > last)
		return;
	while (cursor != U64_MAX && rounds++ < 1000) {
		got = gm_list_range(&r->t, first, last, &cursor, max, r->out);
		for (i = 0; i < got; i++, n++) {
			at = r->out[i].address;
			if (at < first || at > last ||
			    (!model_find(&r->m, at, false) &&
			     !model_find(&r->m, at, true)))
				model_fail(r, "not there", at, first);
			if (model_find(&r->m, at, false) &&
			    r->out[i].flags & GRID_MISSING_F_ASIDE)
				model_fail(r, "the one aside", at, first);
		}
	}
	for (i = 0; i < MODEL_ADDRESSES; i++) {
		at = model_address(i);
		want += at >= first && at <= last &&
			(model_find(&r->m, at, false) ||
			 model_find(&r->m, at, true));
	}
	model_expect(r, "listed", n, want);
}

static bool model_backing_off(const struct model *m)
{
	u32 i;

	for (i = 0; i < m->n; i++)
		if (m->faults[i].state == MODEL_WAITING &&
		    m->faults[i].place == MODEL_BACKOFF)
			return true;
	return false;
}

static void model_one(struct model_run *r)
{
	static const u16 leaps[] = { 1, 10, 100, 1000, 60000 };
	u32 what = model_below(r, 64);

	r->steps++;
	if (!r->nested)
		r->epoch++;
	if (what < 14) {
		model_op_enqueue(r, false);
	} else if (what < 16) {
		if (!model_below(r, 8))
			r->m.refused = model_below(r, 3) ?
					       MODEL_NOTHING :
					       model_address(model_below(
						       r, MODEL_ADDRESSES));
		model_op_values_of(r);
	} else if (what < 19) {
		model_op_enqueue(r, true);
	} else if (what < 24) {
		/* How many back-offs end at once depends on the sweep. */
		if (!r->nested || !model_backing_off(&r->m))
			model_op_batch(r);
	} else if (what < 33) {
		model_op_commence(r);
	} else if (what < 43) {
		model_op_complete(r);
	} else if (what < 46) {
		model_op_vector(r);
	} else if (what < 50) {
		model_op_flag(r);
	} else if (what < 51) {
		model_op_retry(r);
	} else if (what < 52) {
		model_op_revert_many(r);
	} else if (what < 53) {
		model_op_drop(r);
	} else if (what < 54) {
		model_op_range(r);
	} else if (what < 56) {
		if (!r->nested)
			model_op_reclaim(r);
	} else if (what < 59) {
		model_op_sweep(r);
	} else if (what < 61) {
		model_op_checkpoint_complete(r);
	} else if (what < 62) {
		model_op_move(r);
	} else {
		r->time += model_below(r, leaps[model_below(r, 5)]);
		/* Clocks are read before the lock is taken. */
		if (!model_below(r, 8))
			r->time -= min_t(u64, r->time, 5);
	}
}

void model_pause(void)
{
	struct model_run *r = model_current;
	u32 n;

	if (!r || r->nested || r->failed)
		return;
	/* The jump's end is still being checked: nothing has happened yet. */
	if (r->t.jump && !r->m.jump)
		return;
	r->nested = true;
	r->sweep = r->op;
	for (n = model_below(r, 6); n-- && !r->failed;) {
		model_one(r);
		model_compare(r);
	}
	r->nested = false;
	r->op = r->sweep;
}

bool model_step(struct model_run *r)
{
	if (r->failed || r->src.ended(&r->src))
		return false;
	model_one(r);
	return model_compare(r);
}

int model_begin(struct model_run *r, const struct gm_limits *limits,
		struct model_source src)
{
	static const struct gm_hooks hooks = {
		.change = model_change,
		.event = model_event,
		.record = model_record,
		.record_table = model_record_table,
		.admit = model_admit,
	};
	int e;
	u32 i;

	memset(r, 0, sizeof(*r));
	r->m.refused = MODEL_NOTHING;
	r->src = src;
	r->m.limits = *limits;
	e = gm_tracker_init(&r->t, limits, &hooks);
	r->m.slots = r->t.slots;
	r->m.reserve = r->t.reserve;
	r->op = "begin";
	/* Without metadata what is pending is finished on the way. */
	r->t.recording = model_below(r, 4);
	for (i = 0; i < MODEL_ADDRESSES; i++)
		r->kept[i].address = model_address(i);
	return e;
}

void model_end(struct model_run *r)
{
	gm_tracker_exit(&r->t);
}

/* An address that is no fault nor an active table's index, for a value. */
static u32 model_unused(struct model_run *r)
{
	u32 i;

	for (i = 0; i < MODEL_ADDRESSES; i++)
		if (!model_find_any(&r->m, model_address(i)) &&
		    model_find_table(&r->m, model_address(i)) < 0)
			break;
	return i;
}

/* One fault of a batch is repaired. */
static bool model_settle_one(struct model_run *r,
			     const struct grid_missing_fault *o)
{
	const struct grid_missing_checksum *sum = &o->checksum;
	struct grid_missing_value *v = NULL;
	u32 n = 0, i;
	int got, want;

	got = gm_repair_commence(&r->t, o->address, sum, o->serial, 1, r->time);
	want = model_commence(&r->m, o->address, sum, false, 1, r->time);
	if (!model_expect(r, "commence", got, want))
		return false;
	if (got)
		return true;
	if (o->cause == GRID_MISSING_CAUSE_TABLE_INDEX) {
		v = r->values;
		i = model_unused(r);
		if (i < MODEL_ADDRESSES && r->m.n < r->m.slots) {
			v[n].address = model_address(i);
			v[n++].checksum = model_sum(i);
		}
	}
	got = gm_repair_complete(&r->t, o->address, sum, 1, v, n);
	want = model_complete(r, o->address, sum, 1, v, n);
	return model_expect(r, "complete", got, want) && model_compare(r);
}

bool model_settle(struct model_run *r)
{
	struct grid_missing_fault batch[5];
	struct gm_counts c;
	bool either;
	u32 round, n, i;
	int want;

	r->op = "settle";
	r->m.refused = MODEL_NOTHING;
	if (r->failed || !model_compare(r))
		return false;
	/* Whoever was writing has died; what was aborting is through. */
	for (i = 0; i < MODEL_ADDRESSES; i++) {
		u64 address = model_address(i);
		u32 owner;

		for (owner = 0; owner < 3; owner++)
			model_expect(r, "revert",
				     gm_repair_revert(&r->t, address, owner),
				     model_revert(r, address, owner));
	}
	model_expect(r, "checkpoint", gm_checkpoint_complete(&r->t),
		     model_checkpoint_complete(&r->m));
	if (r->m.jump) {
		/* Its single faults may be in the way: jump once more. */
		want = model_jump(r);
		model_expect(r, "jump", gm_sync_jump_commence(&r->t), want);
		model_expect(r, "land", gm_sync_jump_complete(&r->t, NULL, 0),
			     model_land(r, NULL, 0, &either));
	}
	if (!model_compare(r))
		return false;
	for (i = 0; i < MODEL_ADDRESSES; i++) {
		struct model_fault *f =
			model_find(&r->m, model_address(i), false);

		if (!f)
			continue;
		model_expect(r, "retry", gm_retry(&r->t, f->address), 0);
		model_retry_one(&r->m, f);
	}
	for (round = 0; round < 4 * MODEL_FAULTS && !r->failed; round++) {
		const char *wrong;

		r->time += 10;
		n = gm_next_batch(&r->t, ARRAY_SIZE(batch), 100, r->time,
				  batch);
		memcpy(r->out, batch, sizeof(batch));
		wrong = model_check_batch(r, false, ARRAY_SIZE(batch), 100,
					  r->time, n);
		if (wrong)
			return model_fail(r, wrong, n, -1);
		if (!model_compare(r))
			return false;
		for (i = 0; i < n; i++)
			if (!model_settle_one(r, &batch[i]))
				return false;
		if (!r->m.n)
			break;
	}
	for (i = 0, n = 0; i < MODEL_TABLES; i++) {
		n += !!r->m.tables[i].state;
		r->m.tables[i].state = 0;
	}
	model_expect(r, "reclaim", gm_reclaim_tables(&r->t, U32_MAX, NULL), n);
	gm_get_counts(&r->t, &c);
	return model_compare(r) &&
	       model_expect(r, "still missing",
			    c.waiting + c.writing + c.aborting + c.tables, 0);
}
