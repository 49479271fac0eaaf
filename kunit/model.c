// SPDX-License-Identifier: GPL-2.0
/*
 * The model's numbers and addresses, and what each operation does to it: faults,
 * tables, repairs, cancels, checkpoints, jumps.  See model.h.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "../kmod/tracker/private.h"
#include "model.h"

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

u32 model_below(struct model_run *r, u32 bound)
{
	return r->src.below(&r->src, bound);
}

/* The addresses of a run: the smallest, the largest, neighbours, strangers. */
u64 model_address(u32 i)
{
	if (i == 0)
		return 0;
	if (i == 1)
		return U64_MAX;
	return i % 2 ? 64 + i : i * 0x123456789abULL;
}

u32 model_address_index(u64 address)
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

struct model_fault *model_find(struct model *m, u64 address, bool aside)
{
	u32 i;

	for (i = 0; i < m->n; i++)
		if (m->faults[i].address == address &&
		    m->faults[i].aside == aside)
			return &m->faults[i];
	return NULL;
}

struct model_fault *model_find_any(struct model *m, u64 address)
{
	struct model_fault *f = model_find(m, address, false);

	return f ? f : model_find(m, address, true);
}

bool model_active(const struct model_table *tab)
{
	return tab->state == GRID_MISSING_TABLE_INDEXING ||
	       tab->state == GRID_MISSING_TABLE_FILLING;
}

int model_find_table(const struct model *m, u64 address)
{
	int i;

	for (i = 0; i < MODEL_TABLES; i++)
		if (model_active(&m->tables[i]) &&
		    m->tables[i].address == address)
			return i;
	return -1;
}

bool model_same(const struct grid_missing_checksum *a,
		const struct grid_missing_checksum *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool model_is_single(const struct model_fault *f)
{
	return f->cause == GRID_MISSING_CAUSE_BLOCK;
}

u32 model_singles(const struct model *m)
{
	u32 i, n = 0;

	for (i = 0; i < m->n; i++)
		n += model_is_single(&m->faults[i]);
	return n;
}

/* Writing, or aborting, members of tables. */
u32 model_members(const struct model *m, u8 state)
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

void model_remove(struct model_run *r, struct model_fault *f)
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

void model_join(struct model *m, struct model_fault *f)
{
	f->place = MODEL_NEVER;
	f->seq = ++m->seq;
	f->inherits = false;
}

bool model_retry_one(struct model *m, struct model_fault *f)
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
void model_want(struct model *m, struct model_fault *f, bool *flag)
{
	if (!*flag && f->state == MODEL_WAITING &&
	    (f->place == MODEL_NEVER || f->place == MODEL_REQUESTED)) {
		f->seq = ++m->seq;
		f->inherits = false;
	}
	*flag = true;
}

void model_lose_readers(struct model *m, struct model_fault *f)
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

int model_enqueue_block(struct model *m, u64 address,
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

int model_enqueue_table(struct model_run *r, u64 address,
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
int model_commence(struct model *m, u64 address,
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

int model_enqueue_values(struct model *m, int table,
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

int model_complete(struct model_run *r, u64 address,
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

int model_failed(struct model_run *r, u64 address,
		 const struct grid_missing_checksum *sum, u32 owner, u64 now)
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

int model_revert(struct model_run *r, u64 address, u32 owner)
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

int model_supersede(struct model_run *r, u64 address)
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

int model_cancel(struct model_run *r, u64 address, bool keep)
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

bool model_in_set(const struct model_set *set, u64 address)
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

int model_cancel_by_index(struct model_run *r, u64 address, bool keep)
{
	int table = model_find_table(&r->m, address);

	if (r->m.jump)
		return -EBUSY;
	if (table < 0)
		return -ENOENT;
	model_cancel_table(r, table, keep);
	return 0;
}

int model_checkpoint(struct model_run *r, const struct model_set *set)
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

u32 model_state_count(const struct model *m, u8 state)
{
	u32 i, n = 0;

	for (i = 0; i < m->n; i++)
		n += m->faults[i].state == state;
	return n;
}

int model_checkpoint_complete(struct model *m)
{
	if (!m->checkpoint)
		return -EINVAL;
	if (model_state_count(m, MODEL_ABORTING))
		return -EAGAIN;
	m->checkpoint = false;
	return 0;
}

int model_cancel_all(struct model_run *r, bool keep)
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

int model_jump(struct model_run *r)
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

int model_land(struct model_run *r, const u64 *cancel, u32 n, bool *either)
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
