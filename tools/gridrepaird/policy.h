/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whom to ask for which block, and when: the policy of gridrepaird as pure
 * code.
 *
 * It reads no clock, does no I/O and takes no lock; time (microseconds, any
 * origin) and randomness (a seed) are arguments, so that tests run it on a
 * clock of their own.  The device (session.c) tells it what happened and does
 * what it says.
 *
 * A *job* is a block to be fetched; a *request* is one question for it to one
 * source.  At most one request of a job is with a source at a time.
 *
 *  - A source is drawn at random among the best priority; another is asked
 *    when the first has not answered for hedge_us, or at once when it answered
 *    with an error or with wrong data.
 *  - Every source has a budget of requests.  A request that is expired (its
 *    source needs longer than expiry_us, or four times its median) gives its
 *    place in the budget back, but its answer is still used when it comes.
 *  - The budget grows while the source keeps up, and halves on expiry.  It also
 *    follows latency: when answers take queue_us longer than they do when the
 *    source is asked for one block alone, more requests would only wait in its
 *    queue, and readers' blocks behind them, so it shrinks.
 *  - An error, a short read or wrong data is held against that source for this
 *    block.  One answer says nothing about a source: only a block that another
 *    one had counts against it, and when it fails most of what can be compared
 *    so, it rests: it is asked only for what no other one is left for, by the
 *    background less at a time.  A block beyond its end isn't asked of it.
 *  - When every source that counts has failed the block, it is given up at once.
 *    A source that is away counts for patience_us if it ever answered, or was
 *    lost before it could; one that was silent doesn't.
 *  - A request that is lost while its source is up costs that source a pause.
 *  - A block whose sources have no room now keeps neither the others waiting nor
 *    their sources idle; and late requests of a source have a share of all there
 *    may be, as have all whose answers are in doubt together.
 *  - A block that cannot be verified (nobody knows its checksum) is accepted
 *    only from a trusted source, or when `agree` sources returned the same.
 *  - Blocks with parked readers go first, wanted ones next; these are *urgent*.
 *    They have the whole budget to themselves; the others, the *background*, have
 *    what is left of it, but a quarter in any case.  So neither waits for
 *    the other.  A rate limit holds only the background.  While readers are
 *    about, what is with a source of the background is bounded by time: so much
 *    as it serves in 2 ms, but two.
 *  - Every period is jittered.
 */
#ifndef POLICY_H
#define POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gridmissing.h"

#define POLICY_SOURCES_MAX 64
#define POLICY_NEVER UINT64_MAX
#define POLICY_KEPT_MAX 8
#define POLICY_SAMPLES 31
/* A connection that lasts so long isn't one that is dropped at once. */
#define POLICY_LASTING_US 10000000ULL

struct policy_config {
	uint64_t hedge_us; /* ask another after that (100 ms) */
	uint64_t expiry_us; /* a request's place is free after that (250 ms) */
	uint64_t patience_us; /* a source gone for longer doesn't count (60 s) */
	unsigned int budget; /* of a source, to begin with */
	unsigned int budget_max;
	uint64_t queue_us; /* more delay than that shrinks it; 0: none does */
	unsigned int agree; /* sources that must agree; below 2: not allowed */
	uint64_t rate; /* bytes a second for what no reader waits for; 0: any */
	uint32_t block_size;
	unsigned int jobs_max, requests_max;
};

enum policy_urgency {
	POLICY_READERS,
	POLICY_WANTED,
	POLICY_NORMAL,
	POLICY_URGENCIES
};

struct policy_link {
	struct policy_link *next, *prev;
};

enum policy_job_state {
	JOB_READY, /* in a ready list: to be asked for now */
	JOB_ASKED, /* in the heap: to be asked for elsewhere at `hedge` */
	JOB_IDLE, /* everyone who counts has been asked: waits for answers */
	JOB_ENDED, /* accepted or unserved; stays until its answers are in */
};

struct policy_request;

struct policy_job {
	struct policy_link link; /* in ready[], idle or unserved */
	struct policy_job *chain; /* hash chain, or the free list */
	uint64_t address;
	struct grid_missing_checksum checksum;
	uint64_t serial; /* which fault of this address it is for */
	bool known; /* checksum: the fault's, or the manifest's */
	bool verifiable; /* known, and there is a hash to check it by */
	bool index; /* a table's index block */
	bool busy; /* the caller holds it: accepted, not yet finished */
	bool accepted;
	bool passed; /* ready, but its sources had no room */
	uint8_t state, urgency;
	uint64_t asked; /* sources with a request, late ones too */
	uint64_t failed; /* sources that failed it */
	uint64_t blamed; /* of these: it counts against them when another has it */
	uint64_t hedge;
	size_t heap; /* its place there */
	struct policy_request *kept[POLICY_KEPT_MAX]; /* for agreement */
	unsigned int kept_count;
	unsigned int requests; /* how many were made for it */
	uint64_t since; /* background requests sent before it became urgent */
	void *data; /* the caller's, of what is accepted */
};

struct policy_request {
	struct policy_link link; /* in its source's list, oldest first */
	struct policy_job *job;
	unsigned int source;
	uint64_t sent;
	bool late;
	bool doubtful; /* late, or its source has not answered so far, or in time */
	bool background;
	bool alone; /* sent while the source had nothing else to do */
	bool crowded; /* sent while the budget was more than half used */
	void *data; /* the caller's */
};

struct policy_source {
	bool up, trust;
	unsigned int priority;
	uint64_t down_since;
	struct policy_link requests; /* not late */
	unsigned int inflight, late; /* late ones are beside the budget */
	unsigned int doubtful; /* of both; all->doubtful has those of sources that are up */
	unsigned int background; /* of those in flight */
	unsigned int budget, acks;
	uint64_t shrunk; /* when the budget was last halved */
	bool tried; /* it has been up, or failed to come up */
	bool answered; /* a request, ever */
	bool lost; /* it was up, and went away, though not by its silence */
	bool useful; /* it has answered, or just lasted, since it was last lost */
	uint64_t up_since;
	uint64_t end; /* blocks it has */
	uint32_t history; /* of what could be compared: 1 failed, newest first */
	unsigned int compared, rests;
	uint64_t rest, rest_end; /* rests till then; the latest one's end */
	uint64_t hold; /* not asked at all before that */
	unsigned int losses; /* without a reason, in a row */
	uint64_t samples[POLICY_SAMPLES], median;
	unsigned int sample_count, sample_at;
	uint64_t pace, last; /* us a block, when busy; its last answer */
	uint64_t base; /* latency when asked for one block alone; 0: unknown */
	uint64_t probe_at; /* when to measure it again */
	bool probing; /* the background holds back till then, for a while */
};

struct policy_deferred {
	uint64_t address, until;
	unsigned int times;
};

#define POLICY_DEFERRALS 16384

struct policy {
	struct policy_config config;
	struct policy_source sources[POLICY_SOURCES_MAX];
	unsigned int source_count;
	uint64_t random;

	struct policy_job *jobs, *jobs_free, **hash;
	size_t hash_mask;
	unsigned int job_count; /* not ended */
	struct policy_request *requests, *requests_free;
	unsigned int requests_left, doubtful; /* of those that are not left */

	struct policy_link ready[POLICY_URGENCIES], idle, unserved;
	unsigned int ready_count[POLICY_URGENCIES];
	unsigned int passed_count[POLICY_URGENCIES]; /* of these */
	bool look_again; /* not all of them were looked at */
	struct policy_job **heap;
	size_t heap_count;

	uint64_t readers_until; /* readers are about */
	uint64_t tokens, tokens_at; /* the rate's bucket, in bytes */
	struct policy_deferred *deferred;

	/* Counters: urgent blocks asked for; background requests sent meanwhile. */
	uint64_t background_sent, urgent_sent, overtaken;

	/* Are the data of two requests equal? */
	bool (*equal)(const struct policy_request *a,
		      const struct policy_request *b);
	/* Are they of one thing, that is a source by two names? */
	bool (*twins)(const struct policy_request *a,
		      const struct policy_request *b);
};

/* -ENOMEM, or 0. */
int policy_init(struct policy *p, const struct policy_config *config,
		uint64_t seed, uint64_t now);
void policy_exit(struct policy *p);
/* Add a source, which is down; returns its number. */
unsigned int policy_add_source(struct policy *p, bool trust,
			       unsigned int priority, uint64_t now);
void policy_source_up(struct policy *p, unsigned int source, uint64_t now);
/* It has so many blocks. */
void policy_source_end(struct policy *p, unsigned int source, uint64_t blocks);
/*
 * Also: it failed to come up.  @silent: it is left since it says nothing.  Its
 * requests come back one by one as POLICY_LOST.
 */
void policy_source_down(struct policy *p, unsigned int source, bool silent,
			uint64_t now);

/* How many more blocks are worth asking the kernel for, now: urgent ones, or any. */
unsigned int policy_room(const struct policy *p, bool urgent, uint64_t now);
/* Forget what was never asked for; returns how many jobs are not ended yet. */
unsigned int policy_drain(struct policy *p);

enum policy_added {
	POLICY_ADDED,
	POLICY_KNOWN, /* under way already */
	POLICY_DEFERRED, /* it was tried lately, in vain */
	POLICY_FULL,
};

/*
 * A fault that the kernel handed out.  @stated is the manifest's checksum for a
 * fault without one, or NULL; @verifiable says that data can be checked against
 * a checksum at all (the device or the configuration has a hash).
 */
enum policy_added policy_add(struct policy *p,
			     const struct grid_missing_fault *fault,
			     const struct grid_missing_checksum *stated,
			     bool verifiable, uint64_t now);

/*
 * A reader waits for @address, or read-ahead met it.  Its job, whatever that is
 * at; NULL when nothing is known of it here: the kernel should be asked.
 */
struct policy_job *policy_urge(struct policy *p, uint64_t address);
/* A reader waits for it, or read-ahead has met it, as far as is known. */
bool policy_urgent(const struct policy_job *job);

/* The next request to send now, or NULL.  The caller sets ->data. */
struct policy_request *policy_next(struct policy *p, uint64_t now);
/* When to call policy_tick() and policy_next() again, at the latest. */
uint64_t policy_timer(const struct policy *p, uint64_t now);
/* Let time do its work: expiry, hedging. */
void policy_tick(struct policy *p, uint64_t now);

enum policy_outcome {
	POLICY_GOOD, /* data came; and its checksum matches, if it has one */
	POLICY_WRONG, /* data came, and it is not this block's */
	POLICY_ERROR, /* the source has an error for this block */
	POLICY_LOST, /* the source went away: says nothing about the block */
};

enum policy_verdict {
	POLICY_ACCEPT, /* repair with this data; then policy_finish() */
	POLICY_KEEP, /* hold the data: the job has it in ->kept */
	POLICY_DROP, /* not needed: the data can go */
};

/*
 * An answer.  After POLICY_ACCEPT and POLICY_KEEP the request stays; it is
 * given back by policy_release(), those kept when their job ends.  After
 * POLICY_DROP it is gone.
 */
enum policy_verdict policy_answer(struct policy *p, struct policy_request *r,
				  enum policy_outcome outcome, uint64_t now);

/* Why a job ended without being accepted. */
enum policy_why {
	POLICY_GIVE_UP, /* every source that counts failed it */
	POLICY_UNREACHED, /* no source that counts could be asked */
	POLICY_UNTRUSTED, /* its checksum is unknown, and nothing is trusted */
	POLICY_LATER, /* sources that may have it are away */
};

/*
 * The next job that ended so, or NULL.  Its kept requests are for the caller to
 * release, then policy_finish().
 */
struct policy_job *policy_unserved(struct policy *p, enum policy_why *why,
				   uint64_t now);
void policy_release(struct policy *p, struct policy_request *r);
/* The caller is done with an accepted or unserved job. */
void policy_finish(struct policy *p, struct policy_job *job);

#endif /* POLICY_H */
