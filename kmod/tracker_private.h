/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tracker's files share, and nobody else sees.
 *
 *   tracker.c         the state machine: faults, tables, batches, sweeps
 *   tracker_memory.c  its memory: taken, freed, moved to another size
 *   tracker_verify.c  counts everything again (T14)
 *
 * All of it wants the lock held, but where nobody else can see the tracker.
 */
#ifndef _GM_TRACKER_PRIVATE_H
#define _GM_TRACKER_PRIVATE_H

#include <linux/compiler.h>
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

/* Does a repairer's @sum fit?  A fault without one accepts any. */
static inline bool gm_sum_fits(const struct gm_fault *f,
			       const struct grid_missing_checksum *sum)
{
	if (!(f->word & GM_W_SUM))
		return true;
	return sum && gm_same_sum(f->sum, sum);
}

/*
 * Keys of the hash table.
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

void gm_lookup_both(const struct gm_tracker *t, const struct gm_key *k,
		    u32 *other, u32 *member);
void gm_hash_insert(struct gm_tracker *t, const struct gm_key *k, u32 slot);

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

struct gm_side *gm_side_jump(struct gm_tracker *t, const struct gm_fault *f);

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

static inline bool gm_table_active(const struct gm_table *tab)
{
	return tab->state == GRID_MISSING_TABLE_INDEXING ||
	       tab->state == GRID_MISSING_TABLE_FILLING;
}

u32 *gm_table_chain(const struct gm_tracker *t, u64 address);

#endif /* _GM_TRACKER_PRIVATE_H */
