// SPDX-License-Identifier: GPL-2.0
/*
 * A grid device under repair, from one attach to the loss of the device: a
 * *session*.
 *
 * Three kinds of threads work for it.  The device's own thread holds the
 * policy: it takes faults from the kernel, sends requests to sources, and
 * judges what comes back.  The sources' threads fetch and hash.  The writers
 * (writer.c) put what was accepted below.  They talk by inboxes only.
 *
 * All memory for blocks is taken when a session begins.  An *item* is one
 * buffer on its way: free, with a source, kept for an agreement, or with the
 * writer.
 *
 * Nothing here has to survive: the kernel's tracker is the truth.  A fault that
 * is forgotten (a crash, a full queue) is handed out again after its age.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "random.h"
#include "session_parts.h"

#define THROTTLE_US 20000U
#define EVENTS_US 500U /* events are read that often, */
#define EVENTS_BURST 8U /* but for so many times */
#define URGENT_BATCH 16U
#define DRAIN_US 10000000U
#define SILENT_US 1000000U
#define LOOK_US 500000U

uint64_t session_jitter(uint64_t *random, uint64_t period)
{
	return period - period / 4 + random_next(random) % (period / 2 + 1);
}

void orders_read(struct orders *orders)
{
	uint64_t count;

	if (read(orders->event, &count, sizeof(count)) < 0)
		return; /* nothing was rung meanwhile */
}

/* ------------------------------------------------------------------- items */

static struct item *item_of(struct read *read)
{
	return (struct item *)read;
}

void session_item_free(struct session *s, struct item *item)
{
	free(item->values);
	item->values = NULL;
	item->request = NULL;
	item->job = NULL;
	item->next = s->items_free;
	s->items_free = item;
}

bool session_equal(const struct policy_request *a,
		   const struct policy_request *b)
{
	const struct item *x = a->data, *y = b->data;

	return !memcmp(x->read.buf, y->read.buf, x->read.len);
}

bool session_twins(const struct policy_request *a,
		   const struct policy_request *b)
{
	const struct item *ia = a->data, *ib = b->data;
	const struct read *x = &ia->read, *y = &ib->read;
	unsigned int suppressed;

	if (!(x->device || x->node) || x->device != y->device ||
	    x->node != y->node)
		return false;
	if (log_allowed(&y->source->limit, now_us(), &suppressed))
		log_warning(
			"source %s: it is the same as source %s: both say it once",
			y->source->config->uri, x->source->config->uri);
	return true;
}

void session_release_kept(struct session *s, struct policy_job *job)
{
	unsigned int i;

	for (i = 0; i < job->kept_count; i++) {
		session_item_free(s, job->kept[i]->data);
		policy_release(&s->policy, job->kept[i]);
	}
	job->kept_count = 0;
}

/* ----------------------------------------------------------------- repairs */

static void accept_item(struct session *s, struct item *item)
{
	struct policy_job *job = item->job;
	struct grid_missing_repair *what = &item->repair.what;

	memset(what, 0, sizeof(*what));
	what->address = job->address;
	what->serial = job->serial;
	what->data = (uintptr_t)item->read.buf;
	if (job->known)
		what->checksum = job->checksum;
	else if (item->read.hashed)
		what->checksum = item->read.digest;
	else
		what->flags = GRID_MISSING_F_NO_CHECKSUM;
	if (item->values_count) {
		what->values = (uintptr_t)item->values;
		what->values_count = item->values_count;
		what->value_size = sizeof(*item->values);
	}
	session_release_kept(s, job);
	s->accepted++;
	item->repair.mail = &item->read.mail;
	job->data = item;
	writers_put(&s->writers, &item->repair, policy_urgent(job));
}

/* A reader waits for @address: for what is under way here, if it is. */
static bool urge(struct session *s, uint64_t address)
{
	struct policy_job *job = policy_urge(&s->policy, address);
	struct item *item;

	if (!job)
		return false;
	item = job->data;
	if (item)
		writers_urge(&s->writers, &item->repair);
	return true;
}

static void repaired(struct session *s, struct item *item)
{
	struct policy_job *job = item->job;
	int result = item->repair.what.result;
	uint64_t address = job->address, now = now_us();
	unsigned int suppressed;

	s->accepted--;
	if (!result || result == -ENOENT)
		marks_forget(s->d->marks, address);
	switch (result) {
	case 0:
		atomic_fetch_add(&s->d->gauges.repaired, 1);
		log_debug("%s: block %" PRIu64 ": repaired from %s",
			  s->d->config->device, address,
			  item->read.source->config->uri);
		break;
	case -ENODEV:
		s->end = -ENODEV;
		break;
	case -ENOENT: /* superseded, freed or cancelled meanwhile */
	case -ESTALE:
	case -ECANCELED:
	case -EBUSY: /* another helper, or a checkpoint, is at it */
		log_debug("%s: block %" PRIu64 ": not needed any more (%s)",
			  s->d->config->device, address,
			  strerrorname_np(-result));
		break;
	case -E2BIG:
	case -EEXIST:
	case -EINVAL:
		/*
		 * It would come back for ever.  But what is in its way (a value
		 * of another table, a maximum) may go: it is tried again.
		 */
		if (job->index && s->mark_count < MARKS_MAX) {
			marks_add(s->d->marks, address, true);
			s->mark[s->mark_count++] = address;
		}
		/* fall through */
	default:
		atomic_fetch_add(&s->d->gauges.refused, 1);
		if (log_allowed(&s->write_limit, now, &suppressed))
			log_err("%s: block %" PRIu64
				" from %s: repair refused: %s",
				s->d->config->device, address,
				item->read.source->config->uri,
				gm_reason(result));
	}
	policy_release(&s->policy, item->request);
	policy_finish(&s->policy, job);
	session_item_free(s, item);
}

/* ----------------------------------------------------------------- answers */

static const char *judge_index(struct session *s, struct item *item)
{
	const char *why = "memory is out";
	const struct index_format *format = s->d->index.thing;
	uint32_t room = index_format_room(format, s->gm.block_size);
	int n;

	/* The most there can be: a hostile index is bounded by its block. */
	item->values = calloc(room ? room : 1, sizeof(*item->values));
	if (!item->values)
		return why;
	n = index_format_decode(format, item->read.buf, s->gm.block_size,
				s->gm.blocks, item->job->address, item->values,
				room, &why);
	if (n <= 0)
		return why;
	item->values_count = (uint32_t)n;
	return NULL;
}

/* ------------------------------------------ sources that come and go */

static void source_is(struct session *s, unsigned int n, enum mail_kind what,
		      uint64_t now)
{
	bool up = what == MAIL_UP;
	const struct source *source = &s->sources[n];
	unsigned long long size = atomic_load(&source->size);
	uint64_t offset = source->config->offset;

	atomic_store(&s->d->gauges.sources[n].up, up);
	if (!up) {
		policy_source_down(&s->policy, n, what == MAIL_SILENT, now);
		return;
	}
	policy_source_end(&s->policy, n,
			  size > offset ? (size - offset) / s->gm.block_size :
					  0);
	policy_source_up(&s->policy, n, now);
	s->heard[n] = now;
	s->anew = true;
	session_retry_marked(s, true);
}

/* It said something. */
static void hear(struct session *s, unsigned int n, uint64_t now)
{
	s->heard[n] = now;
	if (!s->silent[n])
		return;
	s->silent[n] = false;
	log_notice("source %s: it answers again", s->sources[n].config->uri);
	source_is(s, n, MAIL_UP, now);
}

/*
 * A source in which requests wait, and that answers none, is down, whatever it
 * is.  (Those of NBD find that out by themselves, and first.)
 */
static void find_silent(struct session *s, uint64_t now)
{
	uint64_t timeout = s->d->config->answer_timeout_ms * 1000 + SILENT_US;
	unsigned int n;

	for (n = 0; n < s->source_count; n++) {
		const struct policy_source *p = &s->policy.sources[n];

		if (!(p->inflight + p->late) || s->silent[n])
			continue;
		if (!source_waits(&s->sources[n]))
			s->heard[n] = now;
		if (!p->up || now - s->heard[n] < timeout)
			continue;
		s->silent[n] = true;
		log_warning(
			"source %s: no answers for %llu ms; it isn't asked until it answers",
			s->sources[n].config->uri,
			(unsigned long long)s->d->config->answer_timeout_ms);
		source_is(s, n, MAIL_SILENT, now);
	}
}

/* Do readers wait, while sources are away?  Then these hurry. */
static void look_for_readers(struct session *s,
			     const struct grid_missing_status *status)
{
	bool away = false;
	unsigned int n;

	for (n = 0; n < s->source_count; n++)
		away |= !s->policy.sources[n].up;
	for (n = 0; n < s->source_count; n++)
		source_hurry(&s->sources[n], away && status->parked);
}

/* Read errors that nobody repairs: the disk below fails again and again. */
static void tell_passed_up(struct session *s,
			   const struct grid_missing_status *status,
			   uint64_t now)
{
	unsigned int suppressed;
	uint64_t more;

	if (!s->looked)
		s->passed_up = status->passed_up;
	more = status->passed_up - s->passed_up;
	if (!more || !log_allowed(&s->passed_limit, now, &suppressed))
		return;
	log_err("%s: %" PRIu64
		" read errors of the disk below were passed up, the last of block %" PRIu64
		": it isn't repaired, or fails again",
		s->d->config->device, more, (uint64_t)status->passed_up_block);
	s->passed_up = status->passed_up;
}

/* Twice a second: what no event tells. */
static void look_at_device(struct session *s, uint64_t now)
{
	struct grid_missing_status status;

	if (now < s->looks_at)
		return;
	s->looks_at = now + LOOK_US;
	session_reap(s->d);
	if (gm_status(&s->gm, &status))
		return;
	look_for_readers(s, &status);
	tell_passed_up(s, &status, now);
	s->looked = true;
	/* The size of everything here depends on it: begin anew. */
	if (status.blocks != s->gm.blocks) {
		log_notice("%s: has %" PRIu64 " blocks now; attaching anew",
			   s->d->config->device, (uint64_t)status.blocks);
		s->end = -ERESTART;
	}
}

static void answered(struct session *s, struct item *item, uint64_t now)
{
	struct policy_request *r = item->request;
	struct policy_job *job = r->job;
	struct source *source = item->read.source;
	struct source_stats *stats = &s->d->gauges.stats[source->number];
	enum policy_outcome outcome = POLICY_GOOD;
	const char *why = NULL;
	unsigned int suppressed;

	hear(s, source->number, now);
	item->job = job;
	item->values_count = 0;
	switch (item->read.status) {
	case READ_GOOD:
		atomic_fetch_add(&stats->served, 1);
		atomic_fetch_add(&stats->bytes, item->read.len);
		if (job->verifiable &&
		    (!item->read.hashed ||
		     !gm_checksum_equal(&item->read.digest, &job->checksum)))
			why = "its checksum is wrong";
		else if (job->index && job->state != JOB_ENDED)
			why = judge_index(s, item);
		if (why) {
			outcome = POLICY_WRONG;
			atomic_fetch_add(&stats->wrong, 1);
			source_look(source);
		}
		break;
	case READ_SHORT:
		outcome = POLICY_ERROR;
		why = "it ends before the block does";
		atomic_fetch_add(&stats->errors, 1);
		break;
	case READ_ERROR:
		outcome = POLICY_ERROR;
		why = strerrordesc_np(item->read.error);
		atomic_fetch_add(&stats->errors, 1);
		break;
	case READ_LOST:
		outcome = POLICY_LOST;
		atomic_fetch_add(&stats->lost, 1);
		break;
	}
	/* It was another file then, or shorter: that says nothing of this one. */
	if (outcome != POLICY_GOOD && r->sent < s->anew_at[source->number]) {
		outcome = POLICY_LOST;
		why = NULL;
	}
	if (r->late && outcome != POLICY_LOST)
		atomic_fetch_add(&stats->late, 1);
	if (why && log_allowed(&source->limit, now, &suppressed)) {
		log_warning("%s: block %" PRIu64 " from %s: %s",
			    s->d->config->device, job->address,
			    source->config->uri, why);
		if (suppressed)
			log_warning(
				"%s: source %s: %u such messages were left out",
				s->d->config->device, source->config->uri,
				suppressed);
	}
	switch (policy_answer(&s->policy, r, outcome, now)) {
	case POLICY_ACCEPT:
		accept_item(s, item);
		break;
	case POLICY_KEEP:
		break;
	case POLICY_DROP:
		session_item_free(s, item);
		break;
	}
}

/* ---------------------------------------------------------------- the loop */

static void read_mail(struct session *s)
{
	struct mail *mail, *next;
	uint64_t now = now_us();

	for (mail = inbox_take(&s->inbox); mail; mail = next) {
		struct read *read = (struct read *)mail;

		next = mail->next;
		switch (mail->kind) {
		case MAIL_READ:
			answered(s, item_of(read), now);
			break;
		case MAIL_REPAIRED:
			repaired(s, item_of(read));
			break;
		case MAIL_UP:
		case MAIL_DOWN:
		case MAIL_SILENT:
			s->silent[read->source->number] = false;
			if (mail->kind == MAIL_UP)
				s->anew_at[read->source->number] = now;
			source_is(s, read->source->number, mail->kind, now);
			free(read);
			break;
		}
	}
}

static void send_requests(struct session *s, uint64_t now)
{
	struct policy_request *r;
	struct item *item;

	while ((r = policy_next(&s->policy, now))) {
		struct source *source = &s->sources[r->source];

		/* There are as many items as the policy has requests. */
		item = s->items_free;
		s->items_free = item->next;
		item->request = r;
		item->job = r->job;
		r->data = item;
		item->read.offset = source->config->offset +
				    r->job->address * s->gm.block_size;
		item->read.len = s->gm.block_size;
		item->read.urgent = !r->background;
		item->read.device = 0;
		item->read.node = 0;
		if (r->alone)
			s->heard[r->source] = now;
		atomic_fetch_add(&s->d->gauges.stats[r->source].asked, 1);
		source_submit(source, &item->read);
	}
}

/* Have readers come?  Their blocks are queued here, or to be asked for. */
static void read_events(struct session *s, uint64_t now)
{
	int n = gm_read_events(s->watch, s->events, EVENTS), i;

	for (i = 0; i < n; i++) {
		const struct grid_missing_event *e = &s->events[i];

		if (e->lost || (e->reason == GRID_MISSING_WHY_WANTED &&
				!urge(s, e->address)))
			s->wanted = true;
	}
	/* There may be more: then at once. */
	if (n == EVENTS)
		return;
	if (s->events_after + EVENTS_BURST * EVENTS_US < now)
		s->events_after = now - EVENTS_BURST * EVENTS_US;
	s->events_after += EVENTS_US;
}

/* --------------------------------------------------- what files tell of blocks */

void session_use_manifest(struct session *s)
{
	struct session_device *d = s->d;
	struct known *known = d->manifest.thing;
	char why[256];

	s->known = NULL;
	if (!known)
		return;
	if (known->count && !s->hash)
		log_err("%s: the manifest is not used: nothing says by which hash: checksum=%s",
			d->config->device, known->manifest.checksum);
	else if (known_fits(known, d->config->device, s->gm.block_size, s->hash,
			    why, sizeof(why)))
		s->known = known;
	else
		log_err("%s: the manifest is not used: %s", d->config->device,
			why);
}

static void look_at_files(struct session *s, uint64_t now)
{
	struct session_device *d = s->d;
	bool stated = s->known;
	unsigned int n;
	bool manifest = loader_look(&d->manifest, d->orders.event, now);
	bool index = loader_look(&d->index, d->orders.event, now);

	if (atomic_exchange(&d->orders.look, false))
		for (n = 0; n < s->source_count; n++)
			source_look(&s->sources[n]);
	if (manifest)
		session_use_manifest(s);
	/* What is under way is by the one before: begin anew. */
	if (manifest && stated)
		s->end = -ERESTART;
	else if (manifest || index)
		session_retry_marked(s, false);
}

void session_files(struct session_device *d, uint64_t now)
{
	loader_look(&d->manifest, d->orders.event, now);
	loader_look(&d->index, d->orders.event, now);
}

/*
 * Does a file have to be there first?  Until then neither a manifest's block is
 * repaired on trust, for it may state a checksum, nor is an index read in
 * another format than its own.  It waits while the file may be there in a moment;
 * then it is unavailable, until the file comes.
 */
static bool lacks_file(struct session *s, const struct grid_missing_fault *f,
		       uint64_t now)
{
	struct session_device *d = s->d;
	const char *what = NULL;
	enum loader_state state = LOADER_NONE;
	unsigned int suppressed;

	if (f->flags & GRID_MISSING_F_NO_CHECKSUM && !s->known) {
		state = loader_state(&d->manifest);
		what = "its checksum may be in the manifest, which can't be used";
	}
	if (f->cause == GRID_MISSING_CAUSE_TABLE_INDEX && !d->index.thing &&
	    (state == LOADER_NONE || state == LOADER_COMING)) {
		state = loader_state(&d->index);
		what = "its index-format isn't there";
	}
	if (state == LOADER_NONE)
		return false;
	if (state == LOADER_COMING)
		return true;
	if (s->mark_count == MARKS_MAX)
		session_mark(s);
	s->mark[s->mark_count++] = f->address;
	if (marks_add(d->marks, f->address, false) &&
	    log_allowed(&s->lost_limit, now, &suppressed))
		log_err("%s: block %" PRIu64 " cannot be repaired: %s%s",
			d->config->device, (uint64_t)f->address, what,
			suppressed ? " (and others)" : "");
	return true;
}

/*
 * Take what the kernel wants repaired: so much as there is room for; or what
 * readers wait for, and nothing beside it: what is handed out and dropped is
 * handed out to nobody for a while, though a reader comes.
 */
static void take_batch(struct session *s, bool urgent, uint64_t now)
{
	struct session_device *d = s->d;
	unsigned int room = policy_room(&s->policy, urgent, now);
	uint32_t age = s->anew ?
			       1 :
			       (uint32_t)session_jitter(&d->random,
							d->config->min_age_ms);
	unsigned int added = 0;
	bool cut = room < URGENT_BATCH;
	int n = -EINVAL, i;

	if (!room)
		return;
	if (urgent) {
		room = cut ? room : URGENT_BATCH;
		s->wanted = false;
		s->look_at = now + session_jitter(&d->random,
						  d->config->min_age_ms * 500);
	}
	if (room > d->config->batch)
		room = d->config->batch;
	if (urgent)
		n = gm_batch_urgent(&s->gm, s->faults, room, age);
	if (n == -EINVAL) /* or the kernel is older: then with others */
		n = gm_batch(&s->gm, s->faults, room, age);
	s->anew &= urgent;
	if (n < 0) {
		if (n == -ENODEV)
			s->end = n;
		else if (!passing(n))
			log_err("%s: batch: %s", d->config->device,
				gm_reason(n));
		s->batch_after =
			now + session_jitter(&d->random, 5 * THROTTLE_US);
		if (urgent)
			s->look_at = s->batch_after;
		return;
	}
	for (i = 0; i < n; i++) {
		const struct grid_missing_fault *f = &s->faults[i];
		const struct grid_missing_checksum *stated = NULL;

		if (f->address >= s->gm.blocks)
			continue;
		if (lacks_file(s, f, now))
			continue;
		if (s->known && f->flags & GRID_MISSING_F_NO_CHECKSUM)
			stated = known_find(s->known, f->address);
		switch (policy_add(&s->policy, f, stated, s->hash, now)) {
		case POLICY_ADDED:
			added++;
			break;
		case POLICY_KNOWN:
			if (f->flags &
			    (GRID_MISSING_F_READERS | GRID_MISSING_F_WANTED))
				urge(s, f->address);
			break;
		default:
			break;
		}
	}
	/* As many as were asked for: there may be more. */
	if (urgent)
		s->wanted = (added || cut) && (unsigned int)n == room;
	/* Nothing new: it is all under way, or put off.  Don't spin. */
	else if (!added)
		s->batch_after = now + session_jitter(&d->random, THROTTLE_US);
}

/* Figures for whoever asks. */
static void publish(struct session *s)
{
	unsigned int i;

	atomic_store(&s->d->gauges.jobs, s->policy.job_count);
	atomic_fetch_add(&s->d->gauges.urgent,
			 s->policy.urgent_sent - s->urgent);
	atomic_fetch_add(&s->d->gauges.overtaken,
			 s->policy.overtaken - s->overtaken);
	s->urgent = s->policy.urgent_sent;
	s->overtaken = s->policy.overtaken;
	for (i = 0; i < s->source_count; i++) {
		struct source_gauges *g = &s->d->gauges.sources[i];
		const struct policy_source *p = &s->policy.sources[i];

		atomic_store(&g->budget, p->budget);
		atomic_store(&g->in_flight, p->inflight + p->late);
		atomic_store(&g->median_us, p->median);
	}
}

/* What is under way is finished, nothing else is begun; true at the end. */
static bool drained(struct session *s, uint64_t now)
{
	if (!s->drain_until)
		s->drain_until = now + DRAIN_US;
	return (!policy_drain(&s->policy) && !s->accepted) ||
	       now >= s->drain_until;
}

/*
 * What is marked now stays so, until something happens: no mark is being undone,
 * and none will be for what the session has begun with.
 */
static bool settled(const struct session *s)
{
	unsigned int n;

	if (s->policy.job_count || s->accepted || s->mark_count ||
	    loader_state(&s->d->manifest) == LOADER_COMING ||
	    loader_state(&s->d->index) == LOADER_COMING)
		return false;
	for (n = 0; n < s->source_count; n++)
		if (!s->policy.sources[n].tried)
			return false;
	return !s->redo.on || !session_any_up(s);
}

void session_loop(struct session *s)
{
	struct session_device *d = s->d;
	struct pollfd p[4] = {
		{ .fd = s->inbox.event, .events = POLLIN },
		{ .fd = d->orders.event, .events = POLLIN },
		{ .fd = s->gm.fd },
		{ .fd = s->watch },
	};
	struct timespec ts;
	uint64_t now, when;
	unsigned int room;
	bool urgent, want, drain;

	s->retry_at = now_us() +
		      session_jitter(&d->random, d->config->retry_ms * 1000);
	while (!s->end && !atomic_load(&d->orders.stop)) {
		now = now_us();
		atomic_store(&d->gauges.heartbeat, now);
		look_at_files(s, now);
		if (s->end)
			break;
		find_silent(s, now);
		look_at_device(s, now);
		policy_tick(&s->policy, now);
		send_requests(s, now);
		session_end_unserved(s, now);
		publish(s);
		drain = atomic_load(&d->orders.drain);
		if (drain && drained(s, now))
			break;
		if (d->config->retry_ms && now >= s->retry_at) {
			session_retry_marked(s, true);
			s->retry_at = now + session_jitter(&d->random,
							   d->config->retry_ms *
								   1000);
		}
		session_redo(s, now);
		atomic_store(&d->gauges.settled, settled(s));
		room = drain ? 0 : policy_room(&s->policy, false, now);
		/* Seldom also unasked: what was handed out lately comes late. */
		urgent = (s->wanted || now >= s->look_at) && !drain &&
			 policy_room(&s->policy, true, now);
		want = urgent || (room && now >= s->batch_after);
		when = policy_timer(&s->policy, now);
		if (room && s->batch_after > now && s->batch_after < when)
			when = s->batch_after;
		if (s->look_at > now && s->look_at < when)
			when = s->look_at;
		if (s->events_after > now && s->events_after < when)
			when = s->events_after;
		if (s->redo.on && session_any_up(s) && !marks_open(d->marks) &&
		    s->redo.at < when)
			when = s->redo.at;
		if (when > now + HEARTBEAT_US)
			when = now + HEARTBEAT_US;
		when = when > now ? when - now : 0;
		ts.tv_sec = (time_t)(when / 1000000);
		ts.tv_nsec = (long)(when % 1000000) * 1000;
		p[1].events = drain ? 0 : POLLIN;
		p[2].events = want ? POLLIN : 0;
		p[3].events = now >= s->events_after ? POLLIN : 0;
		if (ppoll(p, 4, &ts, NULL) < 0 && errno != EINTR)
			s->end = -errno;
		if (p[1].revents)
			orders_read(&d->orders);
		if (p[3].revents & POLLIN)
			read_events(s, now_us());
		if (p[0].revents)
			read_mail(s);
		if (p[2].revents & (POLLHUP | POLLNVAL)) {
			s->end = -ENODEV;
		} else if (want && p[2].revents & (POLLIN | POLLERR)) {
			if (urgent)
				take_batch(s, true, now_us());
			if (room && now >= s->batch_after)
				take_batch(s, false, now_us());
		}
	}
}
