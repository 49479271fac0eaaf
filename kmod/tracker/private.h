/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tracker's files share, and nobody else sees.
 *
 *   tracker.c  single blocks are enqueued; faults are found and listed
 *   fault.c    a fault: found by its address, comes, changes, goes
 *   table.c    tables: enqueued, their values, done, reclaimed
 *   batch.c    what is handed out, and when: queues, readers, retries
 *   repair.c   what is being written: commence, complete, failed, ...
 *   sweep.c    checkpoint and cancel, in slices
 *   jump.c     the sync jump: what is set aside, and how it comes back
 *   memory.c   its memory: taken, freed, moved to another size
 *   record.c   how a block or table stands, to be kept elsewhere; restored
 *   verify.c   counts everything again (T14)
 *
 * All of it wants the lock held, but where nobody else can see the tracker.
 * What is small and on the way of every call is inline.
 */
#ifndef _GM_TRACKER_PRIVATE_H
#define _GM_TRACKER_PRIVATE_H

#include <linux/compiler.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>
#include "tracker.h"

/* gm_fault.member: a value is table slot * table_values_max + position. */
#define GM_SINGLE 0xffffffffU
#define GM_ORPHAN_INDEX 0xfffffffeU /* aborting: its table may be another's */
#define GM_ORPHAN_VALUE 0xfffffffdU
#define GM_INDEX 0x80000000U /* or'ed with the table slot */
#define GM_SLOTS_MAX 0x40000000U /* the two bits above are marks in members[] */

#define GM_MARK_INSERTED 0x80000000U
#define GM_MARK_ADOPTED 0x40000000U
#define GM_MARKS (GM_MARK_INSERTED | GM_MARK_ADOPTED)

/* gm_fault.word */
#define GM_W_POS 0x00000007U /* enum gm_pos */
#define GM_W_SUM 0x00000008U /* its checksum is known */
#define GM_W_READERS 0x00000010U /* readers are parked on it */
#define GM_W_WANTED 0x00000020U /* read-ahead wants it */
#define GM_W_UNAVAILABLE 0x00000040U /* fails its readers at once */
#define GM_W_BORN 0x00000080U /* came while the sweep runs, not meant by it */
#define GM_W_FAILURES 0x0000ff00U /* failed writes in a row */
#define GM_W_FAILURE 0x00000100U
#define GM_W_WHEN 0xffff0000U /* lower half of a time in ms */
#define GM_W_WHEN_SHIFT 16

/*
 * Where a fault is.  The time is: requested: when it was handed out last;
 * back-off: when its write failed.  Aborting: the reason instead.
 */
enum gm_pos {
	GM_POS_FREE,
	GM_POS_NEVER,
	GM_POS_REQUESTED,
	GM_POS_BACKOFF,
	GM_POS_HELD, /* a helper says that no source has it: in no queue */
	GM_POS_WRITING,
	GM_POS_ABORTING,
};

/* gm_bucket.info; a field that would overflow stays at its maximum for good. */
#define GM_B_USED 0x0000000fU
#define GM_B_FAR 0x0000fff0U /* how many buckets further to look */
#define GM_B_FAR_SHIFT 4
#define GM_B_AWAY 0xffff0000U /* how many faults are there */
#define GM_B_AWAY_SHIFT 16

#define GM_GROUP_BITS 6
#define GM_GROUP 64U

/* Tests use other figures, to meet the corners sooner. */

/* Cells used of 15 on average, when full, in quarters: 10.75. */
#ifndef GM_FILL_QUARTERS
#define GM_FILL_QUARTERS 43
#endif
/* Entries a lock hold (T8), and what is done between two. */
#ifndef GM_SLICE
#define GM_SLICE 1024
#endif
#ifndef gm_pause
#define gm_pause() cond_resched()
#endif
/* A vector's elements a lock hold; how many are fetched ahead. */
#ifndef GM_VECTOR
#define GM_VECTOR 64
#endif
#ifndef GM_AHEAD
#define GM_AHEAD 32
#endif
/* How far gm_sort() looks from either end of a queue. */
#ifndef GM_SORT_STEPS
#define GM_SORT_STEPS 256
#endif

enum gm_sweep_kind {
	GM_SWEEP_NONE,
	GM_SWEEP_CHECKPOINT,
	GM_SWEEP_CANCEL,
	GM_SWEEP_JUMP,
	GM_SWEEP_LAND,
	GM_SWEEP_TABLE,
};

enum gm_sweep_phase {
	GM_PHASE_LIST, /* land: tables to cancel are being marked */
	GM_PHASE_CHECK, /* land: can every pair be merged? */
	GM_PHASE_TABLES, /* tables are cancelled, oldest or first listed first */
	GM_PHASE_SET, /* checkpoint: faults by the set's members */
	GM_PHASE_SLOTS, /* faults by slots */
	GM_PHASE_DYING, /* members of cancelled tables */
	GM_PHASE_CLEAR, /* all are gone; what was born becomes ordinary */
};

struct gm_key {
	u64 address;
	u32 bucket;
	u32 tag;
};

/*
 * Faults.
 */

static inline u32 gm_pos(const struct gm_fault *f)
{
	return f->word & GM_W_POS;
}

static inline void gm_set_pos(struct gm_fault *f, enum gm_pos pos)
{
	f->word = (f->word & ~GM_W_POS) | pos;
}

static inline u8 gm_state(const struct gm_fault *f)
{
	switch (gm_pos(f)) {
	case GM_POS_FREE:
		return GRID_MISSING_STATE_GONE;
	case GM_POS_WRITING:
		return GRID_MISSING_STATE_WRITING;
	case GM_POS_ABORTING:
		return GRID_MISSING_STATE_ABORTING;
	default:
		return GRID_MISSING_STATE_WAITING;
	}
}

static inline bool gm_is_waiting(const struct gm_fault *f)
{
	return gm_pos(f) - GM_POS_NEVER <= GM_POS_HELD - GM_POS_NEVER;
}

static inline bool gm_is_single(const struct gm_fault *f)
{
	return f->member == GM_SINGLE;
}

/* Is it a member of a table that is there? */
static inline bool gm_is_member(const struct gm_fault *f)
{
	return f->member < GM_ORPHAN_VALUE;
}

static inline bool gm_is_index(const struct gm_fault *f)
{
	return gm_is_member(f) && (f->member & GM_INDEX);
}

static inline struct gm_table *gm_table_of(const struct gm_tracker *t,
					   const struct gm_fault *f)
{
	if (f->member & GM_INDEX)
		return &t->tables[f->member & ~GM_INDEX];
	return &t->tables[f->member / t->limits.table_values_max];
}

static inline u32 gm_when(const struct gm_tracker *t, u32 slot)
{
	return (t->faults[slot].word >> GM_W_WHEN_SHIFT) | (u32)t->when_hi[slot]
								   << 16;
}

static inline void gm_set_when(struct gm_tracker *t, u32 slot, u32 when)
{
	struct gm_fault *f = &t->faults[slot];

	f->word = (f->word & ~GM_W_WHEN) | when << GM_W_WHEN_SHIFT;
	t->when_hi[slot] = when >> 16;
}

/* ms since the time of @slot; exact for a month and a half. */
static inline u32 gm_age(const struct gm_tracker *t, u32 slot)
{
	return (u32)t->now - gm_when(t, slot);
}

/* Callers read their clock before they take the lock: it may be behind. */
static inline void gm_tick(struct gm_tracker *t, u64 now)
{
	if (now > t->now)
		t->now = now;
}

static inline void gm_copy_sum(u64 *to, const struct grid_missing_checksum *sum)
{
	memcpy(to, sum->bytes, sizeof(sum->bytes));
}

static inline bool gm_same_sum(const u64 *a,
			       const struct grid_missing_checksum *sum)
{
	u64 b[2];

	memcpy(b, sum->bytes, sizeof(b));
	return a[0] == b[0] && a[1] == b[1];
}

static inline bool gm_same_sums(const u64 *a, const u64 *b)
{
	return a[0] == b[0] && a[1] == b[1];
}

/* A fault without a checksum: its serial number is kept in place of that. */
static inline void gm_number(struct gm_tracker *t, struct gm_fault *f)
{
	f->sum[0] = ++t->serial;
}

/* Is data for the fault @serial, or for any (0), meant for this one? */
static inline bool gm_serial_fits(const struct gm_fault *f, u64 serial)
{
	return !serial || (f->word & GM_W_SUM) || serial == f->sum[0];
}

/* Does a repairer's @sum fit?  A fault without one accepts any. */
static inline bool gm_sum_fits(const struct gm_fault *f,
			       const struct grid_missing_checksum *sum)
{
	if (!(f->word & GM_W_SUM))
		return true;
	return sum && gm_same_sum(f->sum, sum);
}

/* Why the fault is aborting, and what its end is to be told as. */
static inline u8 gm_abort_why(const struct gm_fault *f)
{
	return f->word >> GM_W_WHEN_SHIFT;
}

/* The checksum of a vector's element. */
static inline const struct grid_missing_checksum *
gm_block_sum(const struct grid_missing_block *v)
{
	return v->flags & GRID_MISSING_F_NO_CHECKSUM ? NULL : &v->checksum;
}

/* What others are to know of the fault at @slot. */
static inline void gm_fill(const struct gm_tracker *t, u32 slot,
			   struct grid_missing_fault *out)
{
	const struct gm_fault *f = &t->faults[slot];
	const u32 word = f->word;

	out->address = f->address;
	out->flags = (word & GM_W_READERS ? GRID_MISSING_F_READERS : 0) |
		     (word & GM_W_WANTED ? GRID_MISSING_F_WANTED : 0) |
		     (word & GM_W_UNAVAILABLE ? GRID_MISSING_F_UNAVAILABLE : 0);
	if (likely(word & GM_W_SUM)) {
		memcpy(out->checksum.bytes, f->sum, sizeof(f->sum));
		out->serial = GRID_MISSING_SERIAL_CHECKSUM;
	} else {
		memset(out->checksum.bytes, 0, sizeof(f->sum));
		out->serial = f->sum[0];
		out->flags |= GRID_MISSING_F_NO_CHECKSUM;
	}
	out->state = gm_state(f);
	out->cause = GRID_MISSING_CAUSE_BLOCK;
	out->failures = (word & GM_W_FAILURES) / GM_W_FAILURE;
	out->reserved0 = 0;
	out->table = 0;
	out->value_index = 0;
	out->reserved1 = 0;
	if (likely(gm_is_single(f)))
		return;

	out->cause = GRID_MISSING_CAUSE_TABLE_VALUE;
	if (gm_is_index(f) || f->member == GM_ORPHAN_INDEX)
		out->cause = GRID_MISSING_CAUSE_TABLE_INDEX;
	if (!gm_is_member(f))
		return;
	if (unlikely(t->jump))
		out->flags |= GRID_MISSING_F_ASIDE;
	out->table = gm_table_of(t, f)->address;
	if (out->cause == GRID_MISSING_CAUSE_TABLE_VALUE)
		out->value_index = f->member % t->limits.table_values_max;
}

/* How the block at @address stands may have changed (M1). */
static inline void gm_recorded(struct gm_tracker *t, u64 address)
{
	if (unlikely(t->recording))
		t->hooks->record(t, address);
}

static inline void gm_recorded_table(struct gm_tracker *t,
				     const struct gm_table *tab)
{
	if (unlikely(t->recording))
		t->hooks->record_table(t, tab - t->tables);
}

/* fault.c */
void gm_tell(struct gm_tracker *t, u64 address, u8 from, u8 to, u8 why,
	     bool part);

/* A fault made a transition: tell the owner of the tracker. */
static inline void gm_note(struct gm_tracker *t, u64 address, u8 from, u8 to,
			   u8 why)
{
	if (unlikely(t->change))
		gm_tell(t, address, from, to, why, false);
}

/* Likewise, as a part of what gm_tell_table() tells of. */
static inline void gm_note_part(struct gm_tracker *t, u64 address, u8 from,
				u8 to, u8 why)
{
	if (unlikely(t->change))
		gm_tell(t, address, from, to, why, true);
}

/* Something happened to a table. */
static inline void gm_tell_table(struct gm_tracker *t,
				 const struct gm_table *tab, u8 why, u64 count)
{
	if (t->hooks && t->hooks->event)
		t->hooks->event(t, why, tab->address, count);
}

/*
 * The hash table and its keys.
 */

/*
 * Addresses in a row have buckets in a row, so that runs of them (a replica
 * that fills, a table's values) stay within a page; runs are scattered.
 */
static inline void gm_key_init(const struct gm_tracker *t, u64 address,
			       struct gm_key *k)
{
	u32 near = (u32)address & ((1U << t->near_bits) - 1);
	u64 h = (address >> t->near_bits) ^ t->seed;
	u32 b;

	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	b = (u32)(((h >> 32) * t->buckets_count) >> 32) + near;
	if (b >= t->buckets_count)
		b -= t->buckets_count;
	k->address = address;
	k->bucket = b;
	k->tag = ((u32)h ^ near << 26) & ~t->slot_mask;
}

static inline u32 gm_bucket_after(const struct gm_tracker *t, u32 b)
{
	return b + 1 == t->buckets_count ? 0 : b + 1;
}

static inline u32 gm_bucket_far(const struct gm_tracker *t,
				const struct gm_bucket *b)
{
	u32 far = (b->info & GM_B_FAR) >> GM_B_FAR_SHIFT;

	if (unlikely(far == GM_B_FAR >> GM_B_FAR_SHIFT))
		return t->buckets_count - 1;
	return far;
}

/*
 * The first fault in bucket @b, from cell *@i on, whose address is @k's.  *@i
 * becomes the cell after it.
 */
static inline u32 gm_bucket_find(const struct gm_tracker *t,
				 const struct gm_bucket *b,
				 const struct gm_key *k, u32 *i)
{
	const u32 used = b->info & GM_B_USED;
	const u32 tag = k->tag, mask = t->slot_mask;
	u32 n = *i;

	while (n < used) {
		u32 slot = b->cell[n++] ^ tag;

		if (slot < mask && t->faults[slot].address == k->address) {
			*i = n;
			return slot;
		}
	}
	*i = n;
	return GM_NIL;
}

/* fault.c */
u32 gm_lookup_away(const struct gm_tracker *t, const struct gm_key *k);
void gm_lookup_both(const struct gm_tracker *t, const struct gm_key *k,
		    u32 *other, u32 *member);
void gm_hash_insert(struct gm_tracker *t, const struct gm_key *k, u32 slot);
void gm_fetch(struct gm_tracker *t, const struct gm_key *k, u32 n,
	      bool neighbours);
void gm_fetch_vector(struct gm_tracker *t, const struct grid_missing_block *v,
		     u32 n, struct gm_key *k, bool neighbours);
u32 gm_insert(struct gm_tracker *t, const struct gm_key *k, u32 member,
	      const struct grid_missing_checksum *sum);
void gm_erase(struct gm_tracker *t, u32 slot, const struct gm_key *k);
void gm_remove_key(struct gm_tracker *t, u32 slot, u8 why,
		   const struct gm_key *k);
void gm_abort(struct gm_tracker *t, u32 slot, u8 why);

/* The fault at @k, when there can be only one: neither jump nor sweep. */
static inline u32 gm_lookup(const struct gm_tracker *t, const struct gm_key *k)
{
	const struct gm_bucket *b = &t->buckets[k->bucket];
	u32 i = 0, slot = gm_bucket_find(t, b, k, &i);

	if (slot == GM_NIL && unlikely(b->info & GM_B_AWAY))
		return gm_lookup_away(t, k);
	return slot;
}

/* sweep.c */
bool gm_table_pending(const struct gm_tracker *t, const struct gm_table *tab);
bool gm_born(struct gm_tracker *t, u64 address);
void gm_take_pending(struct gm_tracker *t, u32 slot);
u32 gm_get_special(struct gm_tracker *t, const struct gm_key *k, u32 *aside);
bool gm_settle(struct gm_tracker *t, u32 slot);
u32 gm_see(struct gm_tracker *t, const struct gm_key *k);
void gm_inherit_readers(struct gm_tracker *t, const struct gm_key *k, u32 slot);
bool gm_shows(struct gm_tracker *t, u32 slot);
bool gm_is_due(const struct gm_tracker *t, const struct gm_key *k);
void gm_sweep_phase(struct gm_tracker *t, enum gm_sweep_phase phase);
void gm_sweep_slice(struct gm_tracker *t);
void gm_sweep_begin(struct gm_tracker *t, enum gm_sweep_kind kind,
		    enum gm_sweep_phase phase, int *result);
void gm_sweep_run(struct gm_tracker *t, unsigned long *flags)
	__releases(&t->lock);

/* The fault that calls see at @k, or GM_NIL. */
static inline u32 gm_get(struct gm_tracker *t, const struct gm_key *k)
{
	lockdep_assert_held(&t->lock);
	if (likely(!t->special))
		return gm_lookup(t, k);
	return gm_get_special(t, k, NULL);
}

/* Likewise, or else the one that a jump has set aside. */
static inline u32 gm_get_any(struct gm_tracker *t, const struct gm_key *k)
{
	u32 slot, aside = GM_NIL;

	lockdep_assert_held(&t->lock);
	if (likely(!t->special))
		return gm_lookup(t, k);
	slot = gm_get_special(t, k, &aside);
	return slot == GM_NIL ? aside : slot;
}

/* Skip groups without a fault; each costs some of *@budget. */
static inline u32 gm_slot_skip(const struct gm_tracker *t, u32 slot, u32 end,
			       int *budget)
{
	while (slot < end && !(slot & (GM_GROUP - 1)) &&
	       !t->groups[slot >> GM_GROUP_BITS] && *budget > 0) {
		slot += GM_GROUP;
		(*budget)--;
	}
	return min(slot, end);
}

/*
 * Queues and tables.
 */

static inline enum gm_class gm_class(const struct gm_fault *f)
{
	if (f->word & GM_W_READERS)
		return GM_CLASS_READERS;
	return f->word & GM_W_WANTED ? GM_CLASS_WANTED : GM_CLASS_NORMAL;
}

/* Is the sweep past its checks, and not through yet with what it takes? */
static inline bool gm_sweeping(const struct gm_tracker *t)
{
	return t->sweep.kind != GM_SWEEP_NONE &&
	       t->sweep.phase >= GM_PHASE_TABLES &&
	       t->sweep.phase < GM_PHASE_CLEAR;
}

/* jump.c */
struct gm_side *gm_side_jump(struct gm_tracker *t, const struct gm_fault *f);
void gm_join_sides(struct gm_tracker *t);
u32 gm_untwin(struct gm_tracker *t, u32 slot, const struct gm_key *k);
int gm_pair_conflict(const struct gm_tracker *t, u32 other, u32 member);
void gm_check_pair(struct gm_tracker *t, const struct gm_key *k);
void gm_merge(struct gm_tracker *t, u32 single, u32 aside,
	      const struct gm_key *k);
u8 gm_insert_twin(struct gm_tracker *t, const struct gm_key *k, u32 slot);

static inline struct gm_side *gm_side(struct gm_tracker *t,
				      const struct gm_fault *f)
{
	if (likely(!t->jump))
		return &t->side[0];
	return gm_side_jump(t, f);
}

static inline u32 gm_level(const struct gm_fault *f)
{
	u32 failures = (f->word & GM_W_FAILURES) / GM_W_FAILURE;

	return clamp(failures, 1U, (u32)GM_LEVELS) - 1;
}

/* The queue a fault is in; NULL when it is in none. */
static inline struct gm_queue *gm_queue(struct gm_tracker *t,
					const struct gm_fault *f)
{
	switch (gm_pos(f)) {
	case GM_POS_NEVER:
		return &gm_side(t, f)->never[gm_class(f)];
	case GM_POS_REQUESTED:
		return &gm_side(t, f)->requested[gm_class(f)];
	case GM_POS_BACKOFF:
		return &gm_side(t, f)->backoff[gm_level(f)];
	default:
		return NULL;
	}
}

/* Append the run from @first to @last, linked already, @count of them. */
static inline void gm_append(struct gm_tracker *t, struct gm_queue *q,
			     u32 first, u32 last, u32 count)
{
	t->links[first].prev = q->tail;
	t->links[last].next = GM_NIL;
	if (q->tail == GM_NIL)
		q->head = first;
	else
		t->links[q->tail].next = first;
	q->tail = last;
	q->count += count;
}

/* Append @slot. */
static inline void gm_push(struct gm_tracker *t, struct gm_queue *q, u32 slot)
{
	gm_append(t, q, slot, slot, 1);
}

/* Take @slot out of @q, where it is. */
static inline void gm_unlink(struct gm_tracker *t, struct gm_queue *q, u32 slot)
{
	const struct gm_link l = t->links[slot];

	if (l.prev == GM_NIL)
		q->head = l.next;
	else
		t->links[l.prev].next = l.next;
	if (l.next == GM_NIL)
		q->tail = l.prev;
	else
		t->links[l.next].prev = l.prev;
	q->count--;
}

/* Out of its queue, if it is in one. */
static inline void gm_dequeue(struct gm_tracker *t, u32 slot)
{
	struct gm_queue *q = gm_queue(t, &t->faults[slot]);

	if (q)
		gm_unlink(t, q, slot);
}

/* batch.c */
void gm_join(struct gm_tracker *t, u32 slot);
void gm_want(struct gm_tracker *t, u32 slot, u32 flag);
void gm_lose_readers(struct gm_tracker *t, u32 slot);
bool gm_retry_slot(struct gm_tracker *t, u32 slot);

/* tracker.c */
int gm_again(struct gm_tracker *t, u32 slot, const struct gm_key *k,
	     const struct grid_missing_checksum *sum);

static inline bool gm_table_active(const struct gm_table *tab)
{
	return tab->state == GRID_MISSING_TABLE_INDEXING ||
	       tab->state == GRID_MISSING_TABLE_FILLING;
}

/* table.c */
u32 *gm_table_chain(const struct gm_tracker *t, u64 address);
void gm_table_add(struct gm_tracker *t, u32 s);
void gm_table_free(struct gm_tracker *t, u32 s);
void gm_table_append(struct gm_tracker *t, u32 *head, u32 *tail, u32 s);
void gm_table_end(struct gm_tracker *t, u32 s);
void gm_table_retire(struct gm_tracker *t, struct gm_table *tab, u8 state);
void gm_table_follow(struct gm_tracker *t, struct gm_table *tab);
struct gm_table *gm_leave(struct gm_tracker *t, const struct gm_fault *f);
void gm_enter(struct gm_tracker *t, u32 slot, u32 member);
struct gm_table *gm_table_find(struct gm_tracker *t, u64 address);
int gm_enqueue_table_key(struct gm_tracker *t, const struct gm_key *k,
			 const struct grid_missing_checksum *sum);
int gm_enqueue_values(struct gm_tracker *t, u32 base,
		      const struct grid_missing_value *v, u32 n);

#endif /* _GM_TRACKER_PRIVATE_H */
