/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of the tracker: arrays, linear search, nothing clever, obviously
 * right; and a driver that does the same operations, valid and invalid ones,
 * on the tracker and on the model, and compares everything after each.
 *
 * Works in KUnit and in userspace; the operations come from any source of
 * numbers (a generator with a seed, a fuzzer's bytes).  model_run.c drives,
 * model_compare.c compares, model_batch.c and model.c are the model.
 */
#ifndef _GM_MODEL_H
#define _GM_MODEL_H

#include "../kmod/tracker/tracker.h"

#define MODEL_FAULTS 128
#define MODEL_TABLES 8
#define MODEL_VALUES 8
#define MODEL_ADDRESSES 24
#define MODEL_NOTHING 12345ULL /* an address that is none of them */

enum model_place { MODEL_NEVER, MODEL_REQUESTED, MODEL_BACKOFF, MODEL_HELD };

/* Orders the queue it is in: by @when (not MODEL_NEVER), then by @seq. */
struct model_fault {
	u64 address;
	bool has_sum;
	struct grid_missing_checksum sum;
	u8 state;
	u8 cause;
	int table; /* -1: single, or aborting */
	u32 value;
	bool aside;
	bool readers;
	bool wanted;
	bool unavailable;
	u32 failures;
	enum model_place place;
	u64 when;
	u64 seq;
	bool inherits; /* a sweep gives it readers: @seq is when it begins or later */
	u32 owner;
	u64 start;
	u64 serial; /* as listed first */
};

struct model_table {
	u8 state; /* 0: free */
	u64 address;
	bool has_sum;
	struct grid_missing_checksum sum;
	u32 values;
	u32 gone;
	bool lost; /* a value was cancelled */
	u64 enqueued;
	u64 ended; /* the epoch that ended it */
};

struct model {
	struct gm_limits limits;
	u32 slots, reserve;
	struct model_fault faults[MODEL_FAULTS];
	u32 n;
	struct model_table tables[MODEL_TABLES];
	bool jump;
	bool checkpoint;
	bool readers_odd;
	u64 now;
	u64 seq;
	u64 done, cancelled, values; /* that gm_hooks.event told of */
	u64 refused; /* by gm_hooks.admit: an address, or MODEL_NOTHING */
};

/* A set of addresses, as gm_set. */
struct model_set {
	struct gm_set set;
	u64 v[MODEL_ADDRESSES];
	u32 n;
};

/* Where numbers come from: one below @bound; @ended says that there are no more. */
struct model_source {
	u32 (*below)(struct model_source *src, u32 bound);
	bool (*ended)(const struct model_source *src);
	u64 state;
	const u8 *p, *end;
};

struct model_source model_random(u64 seed);
struct model_source model_bytes(const u8 *p, size_t len);

/**
 * struct model_run - a tracker, its model, and what links them
 * @t: the tracker under test
 * @m: its model
 * @before: the model before an operation that turned out to be refused
 * @src: numbers
 * @time: in ms
 * @steps: operations so far
 * @epoch: likewise, but a sweep and what happens in it are one
 * @nested: inside a sweep's pause; the model is ahead of the tracker
 * @failed: they disagreed; see @err
 * @op: the name of the operation that is being compared
 * @sweep: the name of the one around it
 * @seen: state of every address as far as gm_hooks.change told
 * @back: a tracker that is restored from what was kept
 * @kept: its record as far as gm_hooks.record told (M1), and of each table slot
 * @kept_tables: likewise
 * @done: tables that gm_hooks.event told of, and @cancelled
 * @values_told: likewise, values enqueued
 */
struct model_run {
	struct gm_tracker t;
	struct model m;
	struct model before;
	struct model_source src;
	u64 time;
	u32 steps;
	u32 epoch;
	bool nested;
	bool failed;
	const char *op;
	const char *sweep;
	u8 seen[MODEL_ADDRESSES];
	struct gm_tracker back;
	struct grid_missing_record kept[MODEL_ADDRESSES];
	struct grid_missing_record_table kept_tables[MODEL_TABLES];
	u32 calls;
	u64 done, cancelled, values_told;
	struct model_set set;
	struct grid_missing_fault out[MODEL_FAULTS];
	struct grid_missing_value values[MODEL_VALUES + 2];
	u64 order[MODEL_FAULTS];
	char err[300];
};

/* 0, or the errno of gm_tracker_init(). */
int model_begin(struct model_run *r, const struct gm_limits *limits,
		struct model_source src);
/* One random operation; false when they disagree or the source has ended. */
bool model_step(struct model_run *r);
/* Inside a sweep, between two slices: some operations. */
void model_pause(void);
/*
 * Stop doing harm: what is left must become clean in a bounded number of
 * steps.  False when it doesn't.
 */
bool model_settle(struct model_run *r);
void model_end(struct model_run *r);

/*
 * Between its files: model.c, what the operations do to the model ...
 */
#define MODEL_WAITING GRID_MISSING_STATE_WAITING
#define MODEL_WRITING GRID_MISSING_STATE_WRITING
#define MODEL_ABORTING GRID_MISSING_STATE_ABORTING

u32 model_below(struct model_run *r, u32 bound);
u64 model_address(u32 i);
u32 model_address_index(u64 address);
struct model_fault *model_find(struct model *m, u64 address, bool aside);
struct model_fault *model_find_any(struct model *m, u64 address);
bool model_active(const struct model_table *tab);
int model_find_table(const struct model *m, u64 address);
bool model_same(const struct grid_missing_checksum *a,
		const struct grid_missing_checksum *b);
u32 model_singles(const struct model *m);
u32 model_members(const struct model *m, u8 state);
void model_remove(struct model_run *r, struct model_fault *f);
void model_join(struct model *m, struct model_fault *f);
bool model_retry_one(struct model *m, struct model_fault *f);
void model_want(struct model *m, struct model_fault *f, bool *flag);
void model_lose_readers(struct model *m, struct model_fault *f);
int model_enqueue_block(struct model *m, u64 address,
			const struct grid_missing_checksum *sum);
int model_enqueue_table(struct model_run *r, u64 address,
			const struct grid_missing_checksum *sum);
int model_commence(struct model *m, u64 address,
		   const struct grid_missing_checksum *sum, bool older,
		   u32 owner, u64 now);
int model_enqueue_values(struct model *m, int table,
			 const struct grid_missing_value *v, u32 n);
int model_complete(struct model_run *r, u64 address,
		   const struct grid_missing_checksum *sum, u32 owner,
		   const struct grid_missing_value *v, u32 n);
int model_failed(struct model_run *r, u64 address,
		 const struct grid_missing_checksum *sum, u32 owner, u64 now);
int model_revert(struct model_run *r, u64 address, u32 owner);
int model_supersede(struct model_run *r, u64 address);
int model_cancel(struct model_run *r, u64 address, bool keep);
bool model_in_set(const struct model_set *set, u64 address);
int model_cancel_by_index(struct model_run *r, u64 address, bool keep);
int model_checkpoint(struct model_run *r, const struct model_set *set);
u32 model_state_count(const struct model *m, u8 state);
int model_checkpoint_complete(struct model *m);
int model_cancel_all(struct model_run *r, bool keep);
int model_jump(struct model_run *r);
int model_land(struct model_run *r, const u64 *cancel, u32 n, bool *either);

/* ... model_batch.c: NULL, or what is wrong with the batch in @r->out ... */
const char *model_check_batch(struct model_run *r, bool urgent, u32 max,
			      u32 min_age, u64 now, u32 n);
const char *model_check_partial(struct model_run *r, u32 min_age, u64 now,
				u32 n);
u64 model_due(struct model *m, u32 min_age, u64 now);

/* ... model_compare.c: false where they disagree, and @r->err says how. */
bool model_fail(struct model_run *r, const char *what, s64 got, s64 want);
bool model_expect(struct model_run *r, const char *what, s64 got, s64 want);
bool model_compare(struct model_run *r);

#endif /* _GM_MODEL_H */
