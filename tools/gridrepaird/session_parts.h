/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of a session share; for others there is session.h.
 */
#ifndef SESSION_PARTS_H
#define SESSION_PARTS_H

#include "session.h"
#include "writer.h"

#define EVENTS 64 /* as many as gm_read_events() brings at a time, or less */
#define MARKS_MAX 512U

struct item {
	struct read read; /* first: its mail is what travels */
	struct item *next; /* free */
	struct policy_request *request;
	struct policy_job *job; /* once accepted, its ->data is this item */
	struct repair repair;
	struct grid_missing_value *values;
	uint32_t values_count;
};

struct session {
	struct session_device *d;
	struct session *next; /* stuck */
	struct gm_dev gm;
	struct policy policy;
	struct inbox inbox;
	struct source sources[POLICY_SOURCES_MAX];
	unsigned int source_count;
	const char *hash;
	const struct known *known; /* the manifest, if it is of this device */

	struct item *items, *items_free;
	unsigned int item_count;
	char *buffers;
	size_t buffers_size;

	struct writers writers;

	/* Blocks that cannot be repaired, to be marked. */
	uint64_t mark[MARKS_MAX];
	unsigned int mark_count;
	uint64_t retry_at;
	struct {
		bool on, again;
		bool lacking; /* those that sources lacked, only */
		unsigned int slice; /* at a time */
		uint64_t cursor, begun, at; /* not before that */
	} redo; /* of marks, see session_redo() */
	uint64_t drain_until; /* 0: not asked to */
	uint64_t urgent, overtaken; /* the policy's, when last published */
	unsigned int accepted; /* with the writer */

	/* Of each source: when it last said anything; it says nothing. */
	uint64_t heard[POLICY_SOURCES_MAX];
	bool silent[POLICY_SOURCES_MAX];
	uint64_t anew_at[POLICY_SOURCES_MAX]; /* it came up, as it is now */
	uint64_t looks_at; /* when to look at the device next */
	bool looked;
	uint64_t passed_up; /* read errors of it that were told */
	bool anew; /* a source came up: what was handed out lately, too */

	struct log_limit lost_limit, write_limit, passed_limit;
	struct grid_missing_fault *faults;
	uint64_t batch_after;

	/* Events of the kernel tell when readers come. */
	int watch; /* events */
	struct grid_missing_event *events;
	uint64_t events_after, look_at;
	bool wanted; /* for blocks that we don't know of */
	int end; /* errno that ended it */
};

/* ------------------------------------------------------------- session.c */

void session_item_free(struct session *s, struct item *item);
void session_release_kept(struct session *s, struct policy_job *job);
/* The manifest as it is now, if it is of this device. */
void session_use_manifest(struct session *s);
bool session_equal(const struct policy_request *a,
		   const struct policy_request *b);
/* A file, or a disk, that is there by two names says nothing beside itself. */
bool session_twins(const struct policy_request *a,
		   const struct policy_request *b);
void session_loop(struct session *s);

/* ------------------------------------------------------- session_marks.c */

/* Undo our own marks: all of them, or those of blocks that sources lacked. */
void session_retry_marked(struct session *s, bool lacking);
bool session_any_up(const struct session *s);
void session_redo(struct session *s, uint64_t now);
/* Tell the kernel what is to be marked. */
void session_mark(struct session *s);
void session_end_unserved(struct session *s, uint64_t now);

#endif /* SESSION_PARTS_H */
