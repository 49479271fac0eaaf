// SPDX-License-Identifier: GPL-2.0
/* See model.h. */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "../kmod/tracker/private.h"
#include "model.h"

#define MODEL_WAITING GRID_MISSING_STATE_WAITING
#define MODEL_WRITING GRID_MISSING_STATE_WRITING
#define MODEL_ABORTING GRID_MISSING_STATE_ABORTING

/*
 * Numbers.
 */

static u32 model_random_below(struct model_source *src, u32 bound)
{
	u64 z = src->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return ((z >> 32) * bound) >> 32;
}

static bool model_random_ended(const struct model_source *src)
{
	return false;
}

struct model_source model_random(u64 seed)
{
	return (struct model_source){
		.below = model_random_below,
		.ended = model_random_ended,
		.state = seed,
	};
}

static u32 model_bytes_below(struct model_source *src, u32 bound)
{
	return src->p < src->end ? *src->p++ % bound : 0;
}

static bool model_bytes_ended(const struct model_source *src)
{
	return src->p == src->end;
}

struct model_source model_bytes(const u8 *p, size_t len)
{
	return (struct model_source){
		.below = model_bytes_below,
		.ended = model_bytes_ended,
		.p = p,
		.end = p + len,
	};
}

static u32 model_below(struct model_run *r, u32 bound)
{
	return r->src.below(&r->src, bound);
}

/* The addresses of a run: the smallest, the largest, neighbours, strangers. */
static u64 model_address(u32 i)
{
	if (i == 0)
		return 0;
	if (i == 1)
		return U64_MAX;
	return i % 2 ? 64 + i : i * 0x123456789abULL;
}

static u32 model_address_index(u64 address)
{
	u32 i;

	for (i = 0; i < MODEL_ADDRESSES; i++)
		if (model_address(i) == address)
			break;
	return i;
}

/*
 * The model.
 */

static struct model_fault *model_find(struct model *m, u64 address, bool aside)
{
	u32 i;

	for (i = 0; i < m->n; i++)
		if (m->faults[i].address == address &&
		    m->faults[i].aside == aside)
			return &m->faults[i];
	return NULL;
}

static struct model_fault *model_find_any(struct model *m, u64 address)
{
	struct model_fault *f = model_find(m, address, false);

	return f ? f : model_find(m, address, true);
}

static bool model_active(const struct model_table *tab)
{
	return tab->state == GRID_MISSING_TABLE_INDEXING ||
	       tab->state == GRID_MISSING_TABLE_FILLING;
}

static int model_find_table(const struct model *m, u64 address)
{
	int i;

	for (i = 0; i < MODEL_TABLES; i++)
		if (model_active(&m->tables[i]) &&
		    m->tables[i].address == address)
			return i;
	return -1;
}

static bool model_same(const struct grid_missing_checksum *a,
		       const struct grid_missing_checksum *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool model_is_single(const struct model_fault *f)
{
	return f->cause == GRID_MISSING_CAUSE_BLOCK;
}

static u32 model_singles(const struct model *m)
{
	u32 i, n = 0;

	for (i = 0; i < m->n; i++)
		n += model_is_single(&m->faults[i]);
	return n;
}

/* Writing, or aborting, members of tables. */
static u32 model_members(const struct model *m, u8 state)
{
	u32 i, n = 0;

	for (i = 0; i < m->n; i++)
		n += !model_is_single(&m->faults[i]) &&
		     m->faults[i].state == state;
	return n;
}

static u32 model_left(const struct model *m, int table)
{
	u32 i, n = 0;

	for (i = 0; i < m->n; i++)
		n += m->faults[i].table == table;
	return n;
}

static void model_end_table(struct model_run *r, int table, u8 state)
{
	r->m.tables[table].state = state;
	r->m.tables[table].ended = r->epoch;
	if (state == GRID_MISSING_TABLE_DONE)
		r->m.done++;
	else
		r->m.cancelled++;
}

/* A fault leaves its table, for good. */
static void model_leave(struct model_run *r, struct model_fault *f)
{
	struct model_table *tab;
	int table = f->table;

	if (table < 0)
		return;
	tab = &r->m.tables[table];
	f->table = -1;
	if (f->cause == GRID_MISSING_CAUSE_TABLE_VALUE)
		tab->gone++;
	else if (tab->state == GRID_MISSING_TABLE_INDEXING)
		model_end_table(r, table, GRID_MISSING_TABLE_CANCELLED);
	if (tab->state == GRID_MISSING_TABLE_FILLING &&
	    !model_left(&r->m, table))
		model_end_table(r, table,
				tab->lost ? GRID_MISSING_TABLE_CANCELLED :
					    GRID_MISSING_TABLE_DONE);
}

static void model_want(struct model *m, struct model_fault *f, bool *flag);

static void model_remove(struct model_run *r, struct model_fault *f)
{
	struct model_fault was = *f, *aside;

	model_leave(r, f);
	*f = r->m.faults[--r->m.n];
	/* Whoever waits for it waits for the one that was set aside, now as before. */
	aside = was.aside ? NULL : model_find(&r->m, was.address, true);
	if (aside && was.wanted)
		model_want(&r->m, aside, &aside->wanted);
	if (aside && was.readers) {
		model_want(&r->m, aside, &aside->readers);
		aside->inherits = true;
	}
}

static void model_abort(struct model_run *r, struct model_fault *f)
{
	model_leave(r, f);
	f->state = MODEL_ABORTING;
	f->readers = false;
	f->wanted = false;
	f->unavailable = false;
}

/* What a checkpoint or cancel does to a fault it means. */
static void model_drop(struct model_run *r, struct model_fault *f, bool keep)
{
	if (f->state != MODEL_WAITING && keep) {
		if (f->state == MODEL_WRITING)
			model_abort(r, f);
		return;
	}
	model_remove(r, f);
}

static void model_join(struct model *m, struct model_fault *f)
{
	f->place = MODEL_NEVER;
	f->seq = ++m->seq;
	f->inherits = false;
}

static bool model_retry_one(struct model *m, struct model_fault *f)
{
	bool changed = f->unavailable || f->failures;

	if (f->state == MODEL_WAITING &&
	    (f->place == MODEL_HELD || f->place == MODEL_BACKOFF))
		model_join(m, f);
	f->unavailable = false;
	f->failures = 0;
	return changed;
}

/* Set a flag that decides about the class: to that class's queue. */
static void model_want(struct model *m, struct model_fault *f, bool *flag)
{
	if (!*flag && f->state == MODEL_WAITING &&
	    (f->place == MODEL_NEVER || f->place == MODEL_REQUESTED)) {
		f->seq = ++m->seq;
		f->inherits = false;
	}
	*flag = true;
}

static void model_lose_readers(struct model *m, struct model_fault *f)
{
	if (f->readers && f->state == MODEL_WAITING &&
	    (f->place == MODEL_NEVER || f->place == MODEL_REQUESTED))
		model_join(m, f);
	f->readers = false;
}

static struct model_fault *model_insert(struct model *m, u64 address,
					const struct grid_missing_checksum *sum)
{
	struct model_fault *f;

	if (m->n == m->slots)
		return NULL;
	f = &m->faults[m->n++];
	memset(f, 0, sizeof(*f));
	f->address = address;
	f->state = MODEL_WAITING;
	f->table = -1;
	f->has_sum = sum;
	if (sum)
		f->sum = *sum;
	model_join(m, f);
	return f;
}

static void model_adopt(struct model *m, struct model_fault *f,
			const struct grid_missing_checksum *sum)
{
	f->has_sum = true;
	f->sum = *sum;
	if (f->cause == GRID_MISSING_CAUSE_TABLE_INDEX && f->table >= 0) {
		m->tables[f->table].has_sum = true;
		m->tables[f->table].sum = *sum;
	}
}

/* T2 for a fault that is there. */
static int model_again(struct model *m, struct model_fault *f,
		       const struct grid_missing_checksum *sum)
{
	if (f->state == MODEL_ABORTING)
		return -EBUSY;
	if (sum && f->has_sum && !model_same(sum, &f->sum))
		return -ESTALE;
	if (sum && !f->has_sum)
		model_adopt(m, f, sum);
	if (f->unavailable)
		model_retry_one(m, f);
	return GM_DUPLICATE;
}

static int model_enqueue_block(struct model *m, u64 address,
			       const struct grid_missing_checksum *sum)
{
	struct model_fault *f = model_find(m, address, false), *aside;

	if (f)
		return model_again(m, f, sum);
	if (model_singles(m) >= m->limits.blocks_max)
		return -ENOSPC;
	f = model_insert(m, address, sum);
	if (!f)
		return -EAGAIN;
	aside = model_find(m, address, true);
	if (aside) {
		if (aside->wanted)
			model_want(m, f, &f->wanted);
		if (aside->readers)
			model_want(m, f, &f->readers);
		model_lose_readers(m, aside);
	}
	return GM_INSERTED;
}

static int model_enqueue_table(struct model_run *r, u64 address,
			       const struct grid_missing_checksum *sum)
{
	struct model *m = &r->m;
	struct model_table *tab;
	struct model_fault *f;
	u32 i;
	int s;

	if (m->jump)
		return -EBUSY;
	s = model_find_table(m, address);
	if (s >= 0) {
		tab = &m->tables[s];
		if (tab->state == GRID_MISSING_TABLE_INDEXING)
			return model_again(m, model_find(m, address, false),
					   sum);
		if (sum && tab->has_sum && !model_same(sum, &tab->sum))
			return -ESTALE;
		return GM_DUPLICATE;
	}
	f = model_find(m, address, false);
	if (f) {
		if (f->state == MODEL_ABORTING)
			return -EBUSY;
		if (!model_is_single(f))
			return -EEXIST;
		if (sum && f->has_sum && !model_same(sum, &f->sum))
			return -ESTALE;
	}
	if (address == m->refused)
		return -ERANGE;
	for (i = 0; i < m->limits.tables_max; i++)
		if (!m->tables[i].state)
			break;
	if (i == m->limits.tables_max)
		return -ENOSPC;
	if (!f) {
		f = model_insert(m, address, sum);
		if (!f)
			return -EAGAIN;
	} else {
		model_again(m, f, sum);
	}
	tab = &m->tables[i];
	memset(tab, 0, sizeof(*tab));
	tab->state = GRID_MISSING_TABLE_INDEXING;
	tab->address = address;
	tab->has_sum = f->has_sum;
	tab->sum = f->sum;
	tab->enqueued = ++m->seq;
	f->cause = GRID_MISSING_CAUSE_TABLE_INDEX;
	f->table = i;
	return GM_INSERTED;
}

static bool model_fits(const struct model_fault *f,
		       const struct grid_missing_checksum *sum)
{
	return !f->has_sum || (sum && model_same(sum, &f->sum));
}

/* @older: the data is for an older fault, as its serial number says. */
static int model_commence(struct model *m, u64 address,
			  const struct grid_missing_checksum *sum, bool older,
			  u32 owner, u64 now)
{
	struct model_fault *f = model_find(m, address, false);

	if (!f)
		return -ENOENT;
	if (!model_fits(f, sum) || (older && !f->has_sum))
		return -ESTALE;
	if (f->state != MODEL_WAITING)
		return -EBUSY;
	if (!model_is_single(f) &&
	    model_members(m, MODEL_WRITING) +
			    model_members(m, MODEL_ABORTING) >=
		    m->reserve)
		return -EAGAIN;
	f->state = MODEL_WRITING;
	f->owner = owner;
	f->start = now;
	return 0;
}

/* The fault that @owner is writing, or aborting. */
static int model_writing(struct model *m, u64 address,
			 const struct grid_missing_checksum *sum, bool any_sum,
			 u32 owner, struct model_fault **f)
{
	*f = model_find(m, address, false);
	if (!*f)
		return -ENOENT;
	if (!any_sum && !model_fits(*f, sum))
		return -ESTALE;
	if ((*f)->state == MODEL_WAITING)
		return -EINVAL;
	if ((*f)->owner != owner)
		return -EBUSY;
	return 0;
}

static int model_enqueue_values(struct model *m, int table,
				const struct grid_missing_value *v, u32 n)
{
	struct model_fault *f;
	u32 i;

	for (i = 0; i < n; i++) {
		f = model_find(m, v[i].address, false);
		if (v[i].address == m->refused)
			return -ERANGE;
		if (!f) {
			f = model_insert(m, v[i].address, &v[i].checksum);
			if (!f)
				return -EAGAIN;
		} else if (f->state == MODEL_ABORTING) {
			return -EBUSY;
		} else if (!model_is_single(f)) {
			return -EEXIST;
		} else if (f->has_sum && !model_same(&f->sum, &v[i].checksum)) {
			return -ESTALE;
		}
		f->has_sum = true;
		f->sum = v[i].checksum;
		f->cause = GRID_MISSING_CAUSE_TABLE_VALUE;
		f->table = table;
		f->value = i;
	}
	for (i = 0; i < n; i++) {
		f = model_find(m, v[i].address, false);
		if (f->unavailable)
			model_retry_one(m, f);
	}
	m->values += n;
	return 0;
}

static int model_complete(struct model_run *r, u64 address,
			  const struct grid_missing_checksum *sum, u32 owner,
			  const struct grid_missing_value *v, u32 n)
{
	struct model *m = &r->m;
	struct model_fault *f;
	int e = model_writing(m, address, sum, false, owner, &f), table;

	if (e)
		return e;
	if (f->state == MODEL_ABORTING) {
		model_remove(r, f);
		return -ECANCELED;
	}
	if (f->cause != GRID_MISSING_CAUSE_TABLE_INDEX) {
		if (n)
			return -EINVAL;
		model_remove(r, f);
		return 0;
	}
	if (!v)
		return -EINVAL;
	if (n > m->limits.table_values_max)
		return -E2BIG;
	table = f->table;
	r->before = *m;
	e = model_enqueue_values(m, table, v, n);
	if (e) {
		*m = r->before;
		return e;
	}
	m->tables[table].state = GRID_MISSING_TABLE_FILLING;
	m->tables[table].values = n;
	model_remove(r, model_find(m, address, false));
	return 0;
}

static int model_failed(struct model_run *r, u64 address,
			const struct grid_missing_checksum *sum, u32 owner,
			u64 now)
{
	struct model *m = &r->m;
	struct model_fault *f;
	/* The kernel need not say what it was writing. */
	int e = model_writing(m, address, sum, owner == GM_OWNER_KERNEL, owner,
			      &f);

	if (e)
		return e;
	if (f->state == MODEL_ABORTING) {
		model_remove(r, f);
		return -ECANCELED;
	}
	m->now = max(m->now, now);
	f->state = MODEL_WAITING;
	f->failures = min(f->failures + 1, 255U);
	f->place = MODEL_BACKOFF;
	f->when = m->now;
	f->seq = ++m->seq;
	return 0;
}

static int model_revert(struct model_run *r, u64 address, u32 owner)
{
	struct model_fault *f;
	int e = model_writing(&r->m, address, NULL, true, owner, &f);

	if (e)
		return e;
	if (f->state == MODEL_ABORTING) {
		model_remove(r, f);
		return -ECANCELED;
	}
	f->state = MODEL_WAITING;
	model_join(&r->m, f);
	return 0;
}

static int model_supersede(struct model_run *r, u64 address)
{
	struct model_fault *f = model_find(&r->m, address, false);
	struct model_fault *aside = model_find(&r->m, address, true);

	if (!f && !aside)
		return -ENOENT;
	if (f && f->state != MODEL_WAITING)
		return -EBUSY;
	if (aside)
		model_remove(r, aside);
	f = model_find(&r->m, address, false);
	if (f)
		model_remove(r, f);
	return 0;
}

static int model_cancel(struct model_run *r, u64 address, bool keep)
{
	struct model_fault *f = model_find(&r->m, address, false);

	if (!f)
		return -ENOENT;
	if (f->state == MODEL_ABORTING)
		return -EBUSY;
	/* Not all of the table will be there. */
	if (f->table >= 0)
		r->m.tables[f->table].lost = true;
	model_drop(r, f, keep);
	return 0;
}

static bool model_in_set(const struct model_set *set, u64 address)
{
	u32 i;

	for (i = 0; i < set->n; i++)
		if (set->v[i] == address)
			return true;
	return false;
}

/* Cancel a table and drop what it has left. */
static void model_cancel_table(struct model_run *r, int table, bool keep)
{
	struct model *m = &r->m;
	u32 i;

	if (!model_active(&m->tables[table]))
		return;
	model_end_table(r, table, GRID_MISSING_TABLE_CANCELLED);
	for (i = m->n; i-- > 0;)
		if (m->faults[i].table == table)
			model_drop(r, &m->faults[i], keep);
}

static int model_cancel_by_index(struct model_run *r, u64 address, bool keep)
{
	int table = model_find_table(&r->m, address);

	if (r->m.jump)
		return -EBUSY;
	if (table < 0)
		return -ENOENT;
	model_cancel_table(r, table, keep);
	return 0;
}

static int model_checkpoint(struct model_run *r, const struct model_set *set)
{
	struct model *m = &r->m;
	u32 i;

	if (m->checkpoint || m->jump)
		return -EBUSY;
	m->checkpoint = true;
	for (i = 0; i < MODEL_TABLES; i++)
		if (model_active(&m->tables[i]) &&
		    model_in_set(set, m->tables[i].address))
			model_cancel_table(r, i, true);
	for (i = m->n; i-- > 0;)
		if (model_in_set(set, m->faults[i].address))
			model_drop(r, &m->faults[i], true);
	return 0;
}

static u32 model_state_count(const struct model *m, u8 state)
{
	u32 i, n = 0;

	for (i = 0; i < m->n; i++)
		n += m->faults[i].state == state;
	return n;
}

static int model_checkpoint_complete(struct model *m)
{
	if (!m->checkpoint)
		return -EINVAL;
	if (model_state_count(m, MODEL_ABORTING))
		return -EAGAIN;
	m->checkpoint = false;
	return 0;
}

static int model_cancel_all(struct model_run *r, bool keep)
{
	struct model *m = &r->m;
	u32 i;

	m->jump = false;
	if (!keep)
		m->checkpoint = false;
	for (i = 0; i < MODEL_TABLES; i++)
		model_cancel_table(r, i, true);
	for (i = m->n; i-- > 0;)
		model_drop(r, &m->faults[i], keep);
	return 0;
}

/*
 * Singles are dropped in the order of their slots, in which those that were set aside
 * get their readers.  Before the tracker is called.
 */
static struct model_fault *model_first_single(struct model_run *r)
{
	struct model_fault *f, *found = NULL;
	u32 i, slot, member, first = GM_NIL;
	struct gm_key k;

	for (i = 0; i < r->m.n; i++) {
		f = &r->m.faults[i];
		if (!model_is_single(f))
			continue;
		gm_key_init(&r->t, f->address, &k);
		gm_lookup_both(&r->t, &k, &slot, &member);
		if (found && slot >= first)
			continue;
		found = f;
		first = slot;
	}
	return found;
}

static int model_jump(struct model_run *r)
{
	struct model *m = &r->m;
	struct model_fault *f;
	u32 i;

	if (m->checkpoint || model_state_count(m, MODEL_WRITING) ||
	    model_state_count(m, MODEL_ABORTING))
		return -EBUSY;
	m->jump = true;
	for (i = 0; i < m->n; i++)
		if (!model_is_single(&m->faults[i]))
			m->faults[i].aside = true;
	while ((f = model_first_single(r)))
		model_remove(r, f);
	return 0;
}

/* The single faults of the jump go behind the others in their queues. */
static void model_land_order(struct model *m)
{
	u64 first = m->seq + 1;
	struct model_fault *f;
	u32 i;

	for (;;) {
		f = NULL;
		for (i = 0; i < m->n; i++)
			if (!m->faults[i].aside && m->faults[i].seq < first &&
			    (!f || m->faults[i].seq < f->seq))
				f = &m->faults[i];
		if (!f)
			return;
		f->seq = ++m->seq;
	}
}

static int model_land(struct model_run *r, const u64 *cancel, u32 n,
		      bool *either)
{
	bool listed[MODEL_TABLES] = { false };
	struct model *m = &r->m;
	struct model_fault *f, *o;
	int e = 0, pair;
	u32 i, j;

	*either = false;
	if (!m->jump)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		int s = model_find_table(m, cancel[i]);

		if (s >= 0) {
			listed[s] = true;
			continue;
		}
		for (j = 0; j < MODEL_TABLES; j++)
			if (m->tables[j].state &&
			    m->tables[j].address == cancel[i])
				break;
		if (j == MODEL_TABLES)
			return -ENOENT;
	}
	for (i = 0; i < m->n; i++) {
		o = &m->faults[i];
		f = o->aside ? model_find(m, o->address, false) : NULL;
		if (!f || listed[o->table])
			continue;
		pair = 0;
		if (f->state == MODEL_ABORTING)
			pair = -EBUSY;
		else if (f->has_sum && o->has_sum &&
			 !model_same(&f->sum, &o->sum))
			pair = -ESTALE;
		/* With several conflicts, whichever is met first. */
		if (e && pair && e != pair)
			*either = true;
		if (pair)
			e = pair;
	}
	if (e)
		return e;

	for (i = 0; i < MODEL_TABLES; i++)
		if (listed[i])
			model_cancel_table(r, i, true);
	m->jump = false;
	model_land_order(m);
	for (i = 0; i < m->n; i++) {
		o = &m->faults[i];
		if (!o->aside)
			continue;
		o->aside = false;
		for (j = 0; j < m->n; j++)
			if (j != i && m->faults[j].address == o->address)
				break;
		if (j == m->n)
			continue;
		f = &m->faults[j];
		if (!f->has_sum && o->has_sum)
			model_adopt(m, f, &o->sum);
		f->table = o->table;
		f->cause = o->cause;
		f->value = o->value;
		if (f->has_sum)
			model_adopt(m, f, &f->sum);
		m->faults[i--] = m->faults[--m->n];
	}
	return 0;
}

/*
 * Batches.
 */

static int model_class(const struct model_fault *f)
{
	return f->readers ? 0 : f->wanted ? 1 : 2;
}

static u64 model_delay(const struct model_fault *f)
{
	static const u64 delay[] = { 0,	   1000,  2000,	 4000,
				     8000, 16000, 32000, 60000 };

	return delay[min(f->failures, 7U)];
}

static void model_end_backoff(struct model *m, u32 max)
{
	struct model_fault *best, *f;
	u64 due, best_due = 0;
	u32 i;

	while (max--) {
		best = NULL;
		for (i = 0; i < m->n; i++) {
			f = &m->faults[i];
			due = f->when + model_delay(f);
			if (f->state != MODEL_WAITING || f->aside ||
			    f->place != MODEL_BACKOFF || due > m->now)
				continue;
			if (best && due == best_due &&
			    min(f->failures, 7U) == min(best->failures, 7U) &&
			    f->seq > best->seq)
				continue;
			if (best && due == best_due &&
			    min(f->failures, 7U) > min(best->failures, 7U))
				continue;
			if (best && due > best_due)
				continue;
			best = f;
			best_due = due;
		}
		if (!best)
			return;
		model_join(m, best);
	}
}

/* The fault of a class and place that comes after @last, in order. */
static struct model_fault *model_after(struct model *m, int cls,
				       enum model_place place,
				       const struct model_fault *last)
{
	struct model_fault *next = NULL, *f;
	u32 i;

	for (i = 0; i < m->n; i++) {
		f = &m->faults[i];
		if (f->state != MODEL_WAITING || f->aside ||
		    f->place != place || model_class(f) != cls)
			continue;
		if (place == MODEL_REQUESTED) {
			if (last &&
			    (f->when < last->when ||
			     (f->when == last->when && f->seq <= last->seq)))
				continue;
			if (next &&
			    (f->when > next->when ||
			     (f->when == next->when && f->seq > next->seq)))
				continue;
		} else {
			if (last && f->seq <= last->seq)
				continue;
			if (next && f->seq > next->seq)
				continue;
		}
		next = f;
	}
	return next;
}

/*
 * @address comes where the model has @f.  The tracker's sweep goes on while others
 * join, the model's is over at once: then one that inherits readers may have got them
 * later than the model says.
 */
static struct model_fault *model_earlier(struct model *m, struct model_fault *f,
					 u64 address)
{
	struct model_fault *g = model_find(m, address, false);
	u64 seq = f->seq;
	u32 i;

	if (!g || g->place != f->place || model_class(g) != model_class(f) ||
	    (!f->inherits && !g->inherits))
		return NULL;
	for (i = 0; i < m->n; i++)
		if (m->faults[i].seq >= seq && m->faults[i].seq < g->seq)
			m->faults[i].seq++;
	g->seq = seq;
	return g;
}

static const char *model_check_batch(struct model_run *r, bool urgent, u32 max,
				     u32 min_age, u64 now, u32 n)
{
	struct model *m = &r->m;
	u32 never[3], requested[3], eligible[3], take[3], at = 0, i, j, share;
	struct model_fault *f, *g;
	u32 others;
	int cls;

	m->now = max(m->now, now);
	model_end_backoff(m, max);
	for (cls = 0; cls < 3; cls++) {
		never[cls] = 0;
		requested[cls] = 0;
		eligible[cls] = 0;
		for (f = NULL; (f = model_after(m, cls, MODEL_NEVER, f));)
			never[cls]++;
		for (f = NULL; (f = model_after(m, cls, MODEL_REQUESTED, f));) {
			requested[cls]++;
			eligible[cls] += m->now - f->when >= min_age;
		}
		eligible[cls] = min(max, eligible[cls] + never[cls]);
	}
	if (urgent)
		eligible[2] = 0;
	others = min(max, eligible[1] + eligible[2]);
	take[0] = eligible[0];
	if (eligible[0] + others > max) {
		share = max / 2;
		if (max % 2 && eligible[0] > share && others > share) {
			if (!m->readers_odd)
				share++;
			m->readers_odd = !m->readers_odd;
		}
		take[0] = min(eligible[0], max(share, max - others));
	}
	take[1] = min(eligible[1], max - take[0]);
	take[2] = min(eligible[2], max - take[0] - take[1]);
	if (n != take[0] + take[1] + take[2])
		return "another number";

	for (cls = 0; cls < 3; cls++) {
		u32 first = at, k = min(take[cls], never[cls]);

		for (f = NULL; k--; at++) {
			f = model_after(m, cls, MODEL_NEVER, f);
			if (r->out[at].address != f->address)
				f = model_earlier(m, f, r->out[at].address);
			if (!f)
				return "never-requested out of order";
		}
		k = take[cls] - (at - first);
		f = model_after(m, cls, MODEL_REQUESTED, NULL);
		/*
		 * It may leave some of the oldest to the next call, when there
		 * are more than it takes; those taken are in a row.
		 */
		j = 0;
		while (k && k < requested[cls] && j < k &&
		       f->address != r->out[at].address) {
			f = model_after(m, cls, MODEL_REQUESTED, f);
			j++;
		}
		for (i = 0; i < k; i++, at++) {
			if (!f || r->out[at].address != f->address)
				return "requested out of order";
			if (m->now - f->when < min_age)
				return "too young";
			f = model_after(m, cls, MODEL_REQUESTED, f);
		}
	}
	for (i = 0; i < n; i++) {
		g = model_find(m, r->out[i].address, false);
		g->place = MODEL_REQUESTED;
		g->when = m->now;
		g->seq = ++m->seq;
		if (i >= take[0] && i < take[0] + take[1])
			g->wanted = false;
	}
	return NULL;
}

/* During a sweep fewer may come; but only what is waiting, and none twice. */
static const char *model_check_partial(struct model_run *r, u32 min_age,
				       u64 now, u32 n)
{
	struct model *m = &r->m;
	struct model_fault *f;
	u32 i, j;

	m->now = max(m->now, now);
	m->readers_odd = r->t.readers_odd;
	for (i = 0; i < n; i++) {
		f = model_find(m, r->out[i].address, false);
		if (!f || f->state != MODEL_WAITING ||
		    (f->place != MODEL_NEVER && f->place != MODEL_REQUESTED))
			return "not waiting";
		if (f->place == MODEL_REQUESTED && m->now - f->when < min_age)
			return "too young";
		for (j = 0; j < i; j++)
			if (r->out[j].address == r->out[i].address)
				return "twice";
	}
	for (i = 0; i < n; i++) {
		f = model_find(m, r->out[i].address, false);
		f->place = MODEL_REQUESTED;
		f->when = m->now;
		f->seq = ++m->seq;
		if (!f->readers)
			f->wanted = false;
	}
	return NULL;
}

static u64 model_due(struct model *m, u32 min_age, u64 now)
{
	u64 due = GM_NEVER, at;
	u32 i;

	m->now = max(m->now, now);
	for (i = 0; i < m->n; i++) {
		struct model_fault *f = &m->faults[i];

		if (f->state != MODEL_WAITING || f->aside ||
		    f->place == MODEL_HELD)
			continue;
		at = 0;
		if (f->place == MODEL_REQUESTED)
			at = f->when + min_age;
		else if (f->place == MODEL_BACKOFF)
			at = f->when + model_delay(f);
		due = min(due, at > m->now ? at - m->now : 0);
	}
	return due;
}

/*
 * The driver.
 */

/* Whose sweep is under way: KUnit runs a suite's cases one after another. */
static struct model_run *model_current;

static bool model_fail(struct model_run *r, const char *what, s64 got, s64 want)
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

static bool model_expect(struct model_run *r, const char *what, s64 got,
			 s64 want)
{
	return got == want || model_fail(r, what, got, want);
}

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

static bool model_compare(struct model_run *r)
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
