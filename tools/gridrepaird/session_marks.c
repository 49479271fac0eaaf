// SPDX-License-Identifier: GPL-2.0
/*
 * A session: blocks that cannot be repaired for now: they are marked, and the marks
 * are undone when there is a reason to try again.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "session_parts.h"

#define UNDO_US 250000U
#define REDO_MAX 256U
#define REDO_US 20000000U

void session_retry_marked(struct session *s, bool lacking)
{
	if (s->redo.on) {
		s->redo.again = true;
		s->redo.lacking &= lacking;
		return;
	}
	s->redo.on = true;
	s->redo.lacking = lacking;
	s->redo.cursor = 0;
	s->redo.slice = 1;
}

bool session_any_up(const struct session *s)
{
	unsigned int n;

	for (n = 0; n < s->source_count; n++)
		if (s->policy.sources[n].up)
			return true;
	return false;
}

/*
 * The next of them, when the ones before are marked again or repaired: marks are
 * undone no faster than they are made.  It begins with one, since a source that
 * came up may not answer; meanwhile the readers of the others would wait for
 * nothing.  What an operator has marked stays.  When the kernel can't, for the
 * moment (memory is short, a signal came), it is done again in a while.
 */
void session_redo(struct session *s, uint64_t now)
{
	struct grid_missing_block v[REDO_MAX];
	uint64_t addresses[REDO_MAX];
	unsigned int n, i;
	size_t done = 0;
	int err;

	if (!s->redo.on || now < s->redo.at || !session_any_up(s))
		return;
	if (marks_open(s->d->marks)) {
		if (now - s->redo.begun < REDO_US)
			return;
		marks_let_go(s->d->marks);
		s->redo.slice = 1;
	}
	n = marks_take(s->d->marks, s->redo.lacking, &s->redo.cursor, addresses,
		       s->redo.slice);
	if (!n) {
		s->redo.on = false;
		if (s->redo.again)
			session_retry_marked(s, s->redo.lacking);
		s->redo.again = false;
		return;
	}
	memset(v, 0, sizeof(v));
	for (i = 0; i < n; i++)
		v[i].address = addresses[i];
	err = gm_retry(&s->gm, v, n, &done);
	for (i = 0; i < done; i++)
		if (v[i].result)
			marks_forget(s->d->marks, addresses[i]);
	s->redo.begun = now;
	if (s->redo.slice < REDO_MAX)
		s->redo.slice *= 2;
	if (!err)
		return;
	marks_restore(s->d->marks, addresses + done, n - (unsigned int)done);
	if (done < n)
		s->redo.cursor = addresses[done] - addresses[done] % 64;
	s->redo.at = now + UNDO_US;
	if (err == -ENODEV)
		s->end = err;
}

void session_mark(struct session *s)
{
	struct grid_missing_block v[MARKS_MAX];
	size_t done = 0, i;

	if (!s->mark_count)
		return;
	memset(v, 0, sizeof(v));
	for (i = 0; i < s->mark_count; i++)
		v[i].address = s->mark[i];
	if (gm_unavailable(&s->gm, v, s->mark_count, &done) == -ENODEV)
		s->end = -ENODEV;
	for (i = 0; i < done; i++)
		if (!v[i].result && marks_first(s->d->marks, v[i].address))
			atomic_fetch_add(&s->d->gauges.unavailable, 1);
	s->mark_count = 0;
}

void session_end_unserved(struct session *s, uint64_t now)
{
	enum policy_why why;
	struct policy_job *job;
	unsigned int suppressed;

	while ((job = policy_unserved(&s->policy, &why, now))) {
		if (s->mark_count == MARKS_MAX)
			session_mark(s);
		session_release_kept(s, job);
		if (why != POLICY_LATER && !atomic_load(&s->d->orders.drain)) {
			s->mark[s->mark_count++] = job->address;
			if (marks_add(s->d->marks, job->address,
				      why != POLICY_UNTRUSTED) &&
			    log_allowed(&s->lost_limit, now, &suppressed))
				log_err("%s: block %" PRIu64
					" cannot be repaired: %s%s",
					s->d->config->device, job->address,
					why == POLICY_UNTRUSTED ?
						"nobody knows its checksum (manifest, agree or trust would allow it)" :
					why == POLICY_UNREACHED ?
						"no source answers" :
					job->verifiable ?
						"no source has it" :
						"the sources don't agree on it",
					suppressed ? " (and others)" : "");
		}
		policy_finish(&s->policy, job);
	}
	session_mark(s);
}
