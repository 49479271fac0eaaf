// SPDX-License-Identifier: GPL-2.0
/*
 * The debug verify (T14): recounts everything from scratch, every counter,
 * list, hash chain and table, and says in a sentence what does not agree.  It
 * trusts no link and no counter: a broken tracker must not hang it.  For tests
 * and debugfs: the lock is held throughout.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/stdarg.h>
#include "private.h"

struct gm_recount {
	u32 queued, free, waiting, writing, aborting, single, members, orphans;
	u32 members_writing, readers, unavailable, twins, born, away;
	u32 tables_active, tables_count;
};

/* The sentence for gm_verify(); what it returns. */
static __printf(3, 4) int gm_bad(char *buf, size_t len, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, len, fmt, args);
	va_end(args);
	if (n >= 0 && n + 1U < len) {
		buf[n] = '\n';
		buf[n + 1] = '\0';
	}
	return -EUCLEAN;
}

static int gm_verify_queue(struct gm_tracker *t, struct gm_queue *q,
			   bool by_time, struct gm_recount *r, char *buf,
			   size_t len)
{
	u32 slot = q->head, prev = GM_NIL, n;

	for (n = 0; n < q->count; n++) {
		const struct gm_fault *f = &t->faults[slot];

		if (slot >= t->used)
			return gm_bad(buf, len, "queue ends after %u of %u", n,
				      q->count);
		if (t->links[slot].prev != prev)
			return gm_bad(buf, len, "slot %u: wrong link back",
				      slot);
		if (gm_queue(t, f) != q)
			return gm_bad(buf, len, "slot %u: in a wrong queue",
				      slot);
		if (by_time && prev != GM_NIL &&
		    gm_age(t, slot) > gm_age(t, prev))
			return gm_bad(buf, len, "slot %u: out of order", slot);
		prev = slot;
		slot = t->links[slot].next;
	}
	if (slot != GM_NIL || q->tail != prev)
		return gm_bad(buf, len, "queue doesn't end after %u", n);
	r->queued += n;
	return 0;
}

static int gm_verify_queues(struct gm_tracker *t, struct gm_recount *r,
			    char *buf, size_t len)
{
	u32 s, i;
	int e = 0;

	for (s = 0; s < 2 && !e; s++) {
		struct gm_side *side = &t->side[s];

		for (i = 0; i < GM_CLASSES && !e; i++) {
			e = gm_verify_queue(t, &side->never[i], false, r, buf,
					    len);
			if (!e)
				e = gm_verify_queue(t, &side->requested[i],
						    !t->unsorted, r, buf, len);
		}
		for (i = 0; i < GM_LEVELS && !e; i++)
			e = gm_verify_queue(t, &side->backoff[i], true, r, buf,
					    len);
	}
	return e;
}

/* How many cells of the buckets after @n belong to @n. */
static u32 gm_verify_away(const struct gm_tracker *t, u32 n)
{
	u32 far = gm_bucket_far(t, &t->buckets[n]), at = n, found = 0, i;

	while (far--) {
		const struct gm_bucket *b;

		at = gm_bucket_after(t, at);
		b = &t->buckets[at];
		for (i = 0; i < (b->info & GM_B_USED); i++) {
			u32 slot = b->cell[i] & t->slot_mask;
			struct gm_key k;

			gm_key_init(t, t->faults[slot].address, &k);
			found += k.bucket == n;
		}
	}
	return found;
}

static int gm_verify_hash(const struct gm_tracker *t, struct gm_recount *r,
			  char *buf, size_t len)
{
	u32 n, i, cells = 0, elsewhere = 0;

	for (n = 0; n < t->buckets_count; n++) {
		const struct gm_bucket *b = &t->buckets[n];
		u32 away = b->info >> GM_B_AWAY_SHIFT;

		for (i = 0; i < (b->info & GM_B_USED); i++) {
			u32 slot = b->cell[i] & t->slot_mask;
			struct gm_key k;

			if (slot >= t->used ||
			    gm_pos(&t->faults[slot]) == GM_POS_FREE)
				return gm_bad(buf, len,
					      "bucket %u: slot %u is free", n,
					      slot);
			gm_key_init(t, t->faults[slot].address, &k);
			if ((b->cell[i] & ~t->slot_mask) != k.tag)
				return gm_bad(buf, len, "bucket %u: wrong tag",
					      n);
			elsewhere += k.bucket != n;
			cells++;
		}
		r->away += away;
		if (!away && (b->info & GM_B_FAR))
			return gm_bad(buf, len, "bucket %u: looks too far", n);
		if (away && away != GM_B_AWAY >> GM_B_AWAY_SHIFT &&
		    gm_verify_away(t, n) != away)
			return gm_bad(buf, len, "bucket %u: not %u elsewhere",
				      n, away);
	}
	if (cells != t->waiting + t->writing + t->aborting)
		return gm_bad(buf, len, "%u cells in the hash table", cells);
	if (elsewhere != r->away)
		return gm_bad(buf, len, "%u elsewhere, not %u", elsewhere,
			      r->away);
	return 0;
}

static int gm_verify_fault(struct gm_tracker *t, u32 slot, struct gm_recount *r,
			   char *buf, size_t len)
{
	const struct gm_fault *f = &t->faults[slot];
	u32 pos = gm_pos(f), other, member;
	struct gm_key k;

	gm_key_init(t, f->address, &k);
	gm_lookup_both(t, &k, &other, &member);
	if (slot != other && slot != member)
		return gm_bad(buf, len,
			      "slot %u: not in the hash table, or twice", slot);
	if (other != GM_NIL && member != GM_NIL) {
		if (!t->jump && t->sweep.kind == GM_SWEEP_NONE)
			return gm_bad(buf, len,
				      "slot %u: address is there twice", slot);
		r->twins += slot == other;
	}

	r->waiting += gm_is_waiting(f);
	r->writing += pos == GM_POS_WRITING;
	r->aborting += pos == GM_POS_ABORTING;
	r->born += !!(f->word & GM_W_BORN);
	r->readers += !!(f->word & GM_W_READERS);
	r->unavailable += !!(f->word & GM_W_UNAVAILABLE);
	if (pos > GM_POS_ABORTING)
		return gm_bad(buf, len, "slot %u: position %u", slot, pos);
	if (pos == GM_POS_ABORTING &&
	    (f->word & (GM_W_READERS | GM_W_WANTED | GM_W_UNAVAILABLE)))
		return gm_bad(buf, len, "slot %u: flags while aborting", slot);
	if (pos == GM_POS_HELD && !(f->word & GM_W_UNAVAILABLE))
		return gm_bad(buf, len, "slot %u: held, but available", slot);
	if (!(f->word & GM_W_SUM) && (!f->sum[0] || f->sum[0] > t->serial))
		return gm_bad(buf, len, "slot %u: serial number", slot);
	if (gm_is_single(f)) {
		r->single++;
		return 0;
	}
	r->members++;
	if (!gm_is_member(f)) {
		r->orphans++;
		if (pos != GM_POS_ABORTING)
			return gm_bad(buf, len,
				      "slot %u: orphan in position %u", slot,
				      pos);
		return 0;
	}

	r->members_writing += pos == GM_POS_WRITING;
	if (pos == GM_POS_ABORTING)
		return gm_bad(buf, len, "slot %u: aborting member of a table",
			      slot);
	if (f->member & GM_INDEX) {
		u32 s = f->member & ~GM_INDEX;

		if (s >= t->tables_used || t->tables[s].index != slot ||
		    t->tables[s].address != f->address)
			return gm_bad(buf, len,
				      "slot %u: not index of table %u", slot,
				      s);
	} else if (f->member / t->limits.table_values_max >= t->tables_used ||
		   t->members[f->member] != slot) {
		return gm_bad(buf, len, "slot %u: not value %u", slot,
			      f->member);
	}
	return 0;
}

static int gm_verify_table(struct gm_tracker *t, u32 s, struct gm_recount *r,
			   char *buf, size_t len)
{
	const struct gm_table *tab = &t->tables[s];
	const u32 *m = &t->members[s * t->limits.table_values_max];
	u32 left = 0, writing = 0, i, n = 0, steps;

	if (!tab->state)
		return 0;
	r->tables_count++;
	r->tables_active += gm_table_active(tab);
	r->born += tab->born;
	if (tab->listed && t->sweep.kind != GM_SWEEP_LAND)
		return gm_bad(buf, len, "table %u: listed", s);
	for (i = 0; i < t->limits.table_values_max; i++) {
		if (m[i] == GM_NIL)
			continue;
		if (m[i] >= t->used || i >= tab->values ||
		    t->faults[m[i]].member !=
			    s * t->limits.table_values_max + i)
			return gm_bad(buf, len, "table %u: wrong value %u", s,
				      i);
		left++;
		writing += gm_pos(&t->faults[m[i]]) == GM_POS_WRITING;
	}
	if (tab->gone != tab->values - left)
		return gm_bad(buf, len, "table %u: %u of %u gone, %u left", s,
			      tab->gone, tab->values, left);
	if (tab->index != GM_NIL) {
		if (tab->index >= t->used ||
		    t->faults[tab->index].member != (GM_INDEX | s))
			return gm_bad(buf, len, "table %u: wrong index", s);
		left++;
		writing += gm_pos(&t->faults[tab->index]) == GM_POS_WRITING;
		if (tab->has_sum != !!(t->faults[tab->index].word & GM_W_SUM))
			return gm_bad(buf, len,
				      "table %u: checksum of the index", s);
	}
	if (tab->left != left || tab->writing != writing)
		return gm_bad(buf, len, "table %u: %u left, %u writing", s,
			      left, writing);
	if (gm_table_active(tab)) {
		if (!left)
			return gm_bad(buf, len,
				      "table %u: active, but has nothing left",
				      s);
		if ((tab->state == GRID_MISSING_TABLE_INDEXING) !=
		    (tab->index != GM_NIL))
			return gm_bad(buf, len, "table %u: state %u", s,
				      tab->state);
		i = *gm_table_chain(t, tab->address);
		for (steps = t->tables_used; i != GM_NIL && steps; steps--) {
			if (t->tables[i].address == tab->address) {
				n++;
				if (i != s)
					return gm_bad(buf, len,
						      "table %u: as %u", s, i);
			}
			i = t->tables[i].hash_next;
		}
		if (n != 1 || i != GM_NIL)
			return gm_bad(buf, len,
				      "table %u: not in the hash table", s);
	} else if (left && t->sweep.kind == GM_SWEEP_NONE) {
		return gm_bad(buf, len, "table %u: ended with %u left", s,
			      left);
	}
	return 0;
}

static u32 gm_verify_list(const struct gm_tracker *t, u32 s)
{
	u32 n = 0;

	for (; s != GM_NIL && n <= t->tables_used; s = t->tables[s].next)
		n++;
	return n;
}

static int gm_verify_all(struct gm_tracker *t, char *buf, size_t len)
{
	struct gm_recount r = {};
	u32 i, group = 0;
	int e;

	e = gm_verify_queues(t, &r, buf, len);
	if (e)
		return e;
	for (i = t->free; i != GM_NIL; i = t->links[i].next) {
		if (i >= t->used || gm_pos(&t->faults[i]) != GM_POS_FREE ||
		    r.free++ > t->used)
			return gm_bad(buf, len, "free slot %u", i);
	}
	for (i = 0; i < t->used; i++) {
		if (gm_pos(&t->faults[i]) != GM_POS_FREE) {
			e = gm_verify_fault(t, i, &r, buf, len);
			if (e)
				return e;
			group++;
			if (gm_pos(&t->faults[i]) <= GM_POS_BACKOFF)
				r.queued--;
		}
		if (i % GM_GROUP == GM_GROUP - 1 || i == t->used - 1) {
			if (t->groups[i >> GM_GROUP_BITS] != group)
				return gm_bad(buf, len, "group of slot %u: %u",
					      i, group);
			group = 0;
		}
	}
	if (r.queued)
		return gm_bad(buf, len, "a fault is in no queue");
	if (r.free + r.waiting + r.writing + r.aborting != t->used)
		return gm_bad(buf, len, "%u slots are lost",
			      t->used - r.free - r.waiting - r.writing -
				      r.aborting);
	if (r.waiting != t->waiting || r.writing != t->writing ||
	    r.aborting != t->aborting)
		return gm_bad(buf, len, "%u waiting, %u writing, %u aborting",
			      r.waiting, r.writing, r.aborting);
	if (r.single != t->single || r.members != t->members_count ||
	    r.orphans != t->orphans || r.members_writing != t->members_writing)
		return gm_bad(buf, len,
			      "%u single, %u of tables, %u orphans, %u writing",
			      r.single, r.members, r.orphans,
			      r.members_writing);
	if (r.single > t->limits.blocks_max && !t->restored)
		return gm_bad(buf, len, "%u single, too many", r.single);
	if (r.readers != t->readers || r.unavailable != t->unavailable)
		return gm_bad(buf, len, "%u with readers, %u unavailable",
			      r.readers, r.unavailable);
	if (r.twins != t->twins)
		return gm_bad(buf, len, "%u pairs", r.twins);
	e = gm_verify_hash(t, &r, buf, len);
	if (e)
		return e;

	for (i = 0; i < t->tables_used; i++) {
		e = gm_verify_table(t, i, &r, buf, len);
		if (e)
			return e;
	}
	if (r.tables_active != t->tables_active ||
	    r.tables_count != t->tables_count)
		return gm_bad(buf, len, "%u tables, %u active", r.tables_count,
			      r.tables_active);
	if (gm_verify_list(t, t->tables_free) !=
	    t->tables_used - r.tables_count)
		return gm_bad(buf, len, "list of free tables");
	if (gm_verify_list(t, t->active_head) != r.tables_active)
		return gm_bad(buf, len, "list of active tables");
	if (gm_verify_list(t, t->ended_head) +
		    gm_verify_list(t, t->dying_head) !=
	    r.tables_count - r.tables_active)
		return gm_bad(buf, len, "list of ended tables");
	if (t->sweep.kind != GM_SWEEP_NONE) {
		if (r.born != t->sweep.born)
			return gm_bad(buf, len, "%u born", r.born);
	} else if (r.born || t->dying_head != GM_NIL || t->special != t->jump) {
		return gm_bad(buf, len, "remains of a sweep");
	}
	if (t->jump && t->checkpoint)
		return gm_bad(buf, len, "a jump and a checkpoint");
	return 0;
}

/**
 * gm_verify() - recount everything from scratch (T14)
 * @t: tracker
 * @buf: for a sentence about what is wrong
 * @len: its size
 *
 * Context: any, but holds the lock for long: for tests and debugfs.
 * Return: 0 or -EUCLEAN.
 */
int gm_verify(struct gm_tracker *t, char *buf, size_t len)
{
	unsigned long flags;
	int r;

	GM_LOCK(t, flags);
	r = gm_verify_all(t, buf, len);
	GM_UNLOCK(t, flags);
	return r;
}
