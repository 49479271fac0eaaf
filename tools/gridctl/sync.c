// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl sync: enqueue what a manifest lists, or with --scan only what of it
 * is not on the device, and wait until it is clean.
 *
 * More blocks than the tracker has room for could be fed to it in portions, but
 * those that are not in yet are served as they are.  That is harmless on a
 * device that is held (nothing is served), else it is for the operator to say
 * (--portions).  Without a scan the room is known to be too small before
 * anything is changed; a scan enqueues what it finds at once, as much as fits,
 * since every block known to be missing is better than none.
 *
 * What is enqueued is repaired to what the manifest says, and that undoes what was
 * written since.  So nobody may have a device open for writing that is not held,
 * until all is in: it is claimed as a mount would claim it, and whoever opens it
 * otherwise is looked for each time before something is enqueued.
 *
 * A file opened for writing counts as a helper, and while there is one readers
 * wait longer.  So the device is opened again, for reading, once all is in.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

#define TELL_MAX 10
#define JOBS_MAX 64

struct sync {
	struct ctl *ctl;
	struct gm_dev dev;
	uint64_t *tracked; /* a bit for each block that was missing before */
	/* What is still to be enqueued: blocks[first … count - 1]. */
	struct grid_missing_block *blocks;
	size_t first, count, room;
	bool slots_short; /* a table found no slot */
	int err; /* the errno that ended enqueueing */
	int claim; /* its file that keeps mounts away, or negative */
	int refused; /* the exit code when somebody was there */
	uint64_t listed, enqueued, duplicates, failed;
	uint64_t unguarded; /* of these: not missing now, as far as is known */
	struct scan scan;
	double start;
};

static uint64_t to_come(const struct sync *s)
{
	return s->count - s->first;
}

/* It may find room, or its address free, in a while. */
static bool must_wait(int result)
{
	return result == -ENOSPC || result == -EBUSY || result == -EAGAIN;
}

/*
 * Count the results of @n blocks; those that must wait go to the end of them.
 * Returns how many these are.
 */
static size_t settle(struct sync *s, struct grid_missing_block *v, size_t n)
{
	size_t i, to = n;
	int result;

	for (i = n; i-- > 0;) {
		result = v[i].result;
		if (must_wait(result)) {
			if (result == -ENOSPC &&
			    v[i].flags & GRID_MISSING_F_TABLE)
				s->slots_short = true;
			v[--to] = v[i];
		} else if (result == GRID_MISSING_DUPLICATE) {
			s->duplicates++;
		} else if (result >= 0) {
			s->enqueued++;
		} else {
			/* One with another checksum is missing all the same. */
			s->unguarded += result != -ESTALE;
			if (++s->failed > TELL_MAX)
				continue;
			ctl_error(s->ctl, result, "%s: block %" PRIu64,
				  s->ctl->argv[0], (uint64_t)v[i].address);
		}
	}
	return n - to;
}

/* Room for more tables; what became of the others is told by the count. */
static int reclaim(struct sync *s)
{
	struct grid_missing_table ended[64];
	int n;

	do
		n = gm_reclaim(&s->dev, ended, 64);
	while (n > 0);
	return n;
}

/* Is it held still?  Who could write to it then has to wait. */
static bool is_held(struct sync *s)
{
	struct grid_missing_status st;

	return !gm_status(&s->dev, &st) && st.state & GRID_MISSING_STATUS_HELD;
}

/* CTL_GOOD, or an exit code, which has been said. */
static int nobody_writes(struct sync *s)
{
	/* A duplicate may have learnt its checksum. */
	bool changed = s->enqueued || s->duplicates;

	return is_held(s) ?
		       CTL_GOOD :
		       ctl_not_written(s->ctl, &s->dev, s->claim >= 0, changed);
}

/*
 * Enqueue what fits; what must wait stays.  0 or a negative errno, which not_fed()
 * tells.
 */
static int feed(struct sync *s)
{
	size_t n, done, waiting = 0;
	int err = 0;

	if (to_come(s) && !ctl_option(s->ctl, "force"))
		s->refused = nobody_writes(s);
	if (s->refused)
		return -ECANCELED;
	if (s->slots_short)
		err = reclaim(s);
	s->slots_short = false;
	while (s->first < s->count && !waiting && !err) {
		n = s->count - s->first;
		if (n > GRID_MISSING_VECTOR_MAX)
			n = GRID_MISSING_VECTOR_MAX;
		err = gm_enqueue(&s->dev, s->blocks + s->first, n, &done);
		waiting = settle(s, s->blocks + s->first, done);
		s->first += done - waiting;
	}
	return err == -EAGAIN ? 0 : err;
}

/* Tell why feed() failed, unless it has; the exit code. */
static int not_fed(const struct sync *s, int err)
{
	return s->refused ? s->refused :
			    ctl_error(s->ctl, err, "%s", s->ctl->argv[0]);
}

/* After feed(): does any wait for room, rather than for a moment? */
static bool short_of_room(const struct sync *s)
{
	size_t i;

	for (i = s->first; i < s->count; i++)
		if (s->blocks[i].result == -ENOSPC)
			return true;
	return false;
}

/* What the scan has found goes in at once; what doesn't fit is kept. */
static int found(void *arg, struct grid_missing_block *v, size_t n)
{
	struct grid_missing_block *more;
	struct sync *s = arg;

	if (s->first == s->count)
		s->first = s->count = 0;
	if (s->count + n > s->room) {
		s->room = 2 * s->room + n;
		more = realloc(s->blocks, s->room * sizeof(*more));
		if (!more) {
			s->err = -ENOMEM;
			return s->err;
		}
		s->blocks = more;
	}
	memcpy(s->blocks + s->count, v, n * sizeof(*v));
	s->count += n;
	s->err = feed(s);
	return s->err;
}

static int mark_tracked(struct sync *s)
{
	struct grid_missing_fault v[512];
	uint64_t cursor = 0, words = s->dev.blocks / 64 + 1;
	int n, i;

	if ((size_t)words == words)
		s->tracked = calloc((size_t)words, sizeof(*s->tracked));
	if (!s->tracked)
		return -ENOMEM;
	while (cursor != GM_CURSOR_END) {
		n = gm_list_faults(&s->dev, &cursor, v, 512);
		if (n < 0 && n != -EINTR)
			return n;
		/* It may have grown since it was attached. */
		for (i = 0; i < n; i++)
			if (v[i].address < s->dev.blocks)
				s->tracked[v[i].address / 64] |=
					1ULL << v[i].address % 64;
	}
	return 0;
}

static int no_room(const struct sync *s, const struct grid_missing_status *st,
		   uint64_t left, const char *done)
{
	return ctl_fail(
		s->ctl, CTL_FAILED,
		"%s: %" PRIu64
		" blocks don't fit (blocks_max %u, tables_max %u), and would be served as they are; %s.  Larger maxima (a table reload keeps what is missing) take all at once; --portions feeds the rest as room comes",
		s->ctl->argv[0], left, st->blocks_max, st->tables_max, done);
}

/* Is there room for all that is listed? */
static int check_room(const struct sync *s,
		      const struct grid_missing_status *st)
{
	uint64_t blocks = 0, tables = 0, room, slots;
	size_t i;

	for (i = 0; i < s->count; i++) {
		if (scan_tracked(s->tracked, s->blocks[i].address))
			continue;
		if (s->blocks[i].flags & GRID_MISSING_F_TABLE)
			tables++;
		else
			blocks++;
	}
	room = st->blocks_max > st->blocks_single ?
		       st->blocks_max - st->blocks_single :
		       0;
	slots = st->tables_max - st->tables + st->tables_free;
	if (blocks <= room && tables <= slots)
		return CTL_GOOD;
	return no_room(s, st,
		       (blocks > room ? blocks - room : 0) +
			       (tables > slots ? tables - slots : 0),
		       "nothing was changed");
}

static void unclaim(struct sync *s)
{
	if (s->claim >= 0)
		close(s->claim);
	s->claim = -1;
}

/* All is in: let I/O through if that was asked for; from now on only look. */
static int all_in(struct sync *s, bool held)
{
	int err = 0;

	if (held && ctl_option(s->ctl, "ready") && s->unguarded)
		return ctl_fail(
			s->ctl, CTL_FAILED,
			"%s stays held: %" PRIu64
			" blocks would be served that don't match, and could not be enqueued",
			s->ctl->argv[0], s->unguarded);
	if (held && ctl_option(s->ctl, "ready"))
		err = gm_ready(&s->dev);
	/* Somebody else has said so. */
	if (err == -EINVAL && !is_held(s))
		err = 0;
	unclaim(s);
	gm_close(&s->dev);
	if (err)
		return ctl_error(s->ctl, err, "%s: ready", s->ctl->argv[0]);
	return ctl_attach(s->ctl, &s->dev, O_RDONLY);
}

static void summary(const struct sync *s, uint64_t repaired, uint64_t left)
{
	const struct scan *scan = &s->scan;
	bool scanned = ctl_option(s->ctl, "scan");
	struct json_object *o;

	if (s->ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", s->ctl->argv[0]);
		ctl_put_u64(o, "listed", s->listed);
		if (scanned) {
			ctl_put_u64(o, "scanned", scan->checked);
			ctl_put_u64(o, "matched", scan->matched);
			ctl_put_u64(o, "unreadable", scan->unreadable);
			ctl_put_u64(o, "unknown", scan->unknown);
		}
		ctl_put_u64(o, "enqueued", s->enqueued);
		ctl_put_u64(o, "duplicate", s->duplicates);
		ctl_put_u64(o, "failed", s->failed);
		ctl_put_u64(o, "not_enqueued", to_come(s));
		ctl_put_u64(o, "repaired", repaired);
		ctl_put_u64(o, "missing", left);
		ctl_put_bool(o, "clean", !left && !to_come(s) && !s->failed);
		json_object_object_add(
			o, "seconds",
			json_object_new_double(ctl_now() - s->start));
		ctl_print(o);
		return;
	}
	printf("%s: %" PRIu64 " blocks listed", s->ctl->argv[0], s->listed);
	if (scanned)
		printf(", %" PRIu64 " of %" PRIu64 " match", scan->matched,
		       scan->checked);
	if (scanned && scan->unreadable)
		printf(", %" PRIu64 " could not be read", scan->unreadable);
	if (scanned && scan->unknown)
		printf(", of %" PRIu64 " nobody knows", scan->unknown);
	printf(", %" PRIu64 " enqueued", s->enqueued);
	if (s->duplicates)
		printf(", %" PRIu64 " were missing already", s->duplicates);
	if (s->failed)
		printf(", %" PRIu64 " failed", s->failed);
	if (to_come(s))
		printf(", %" PRIu64 " not enqueued", to_come(s));
	printf("; %" PRIu64 " repaired, ", repaired);
	if (left || to_come(s) || s->failed)
		printf("%" PRIu64 " are missing\n", left);
	else
		puts("clean");
}

/* Feed, wait, show, till it is clean. */
static int follow(struct sync *s, const struct grid_missing_status *before)
{
	bool terminal = isatty(STDERR_FILENO), opened = false, told = false;
	bool wait = !ctl_option(s->ctl, "nowait"), show = s->scan.show;
	bool held = before->state & GRID_MISSING_STATUS_HELD;
	struct grid_missing_status st = *before, first;
	double start = ctl_now(), now, next = 0;
	struct ctl_stuck still = { 0 };
	unsigned int step = 10;
	int code = CTL_GOOD, err;

	for (err = gm_status(&s->dev, &first); !err;) {
		err = to_come(s) ? feed(s) : 0;
		if (!err && !opened && !to_come(s)) {
			code = all_in(s, held);
			if (code)
				return code;
			opened = true;
		}
		if (!err)
			err = gm_status(&s->dev, &st);
		if (err)
			break;
		now = ctl_now();
		if (show && wait && (now >= next || !ctl_missing(&st))) {
			ctl_progress("", st.repaired - first.repaired,
				     ctl_missing(&st) + to_come(s),
				     st.block_size, now - start, terminal);
			next = now + (terminal ? 0.2 : 2);
		}
		if (opened && (!wait || !ctl_missing(&st)))
			break;
		if (((wait && opened) || to_come(s)) && !told)
			told = ctl_no_helper(s->ctl, &st, now - start);
		if (s->scan.until > 0 && now >= s->scan.until) {
			code = CTL_TIMEOUT;
			break;
		}
		if ((wait || to_come(s)) && ctl_stuck(s->ctl, &st, &still) &&
		    (!to_come(s) || short_of_room(s))) {
			code = CTL_UNAVAILABLE;
			break;
		}
		ctl_pause(step);
		if (step < 100)
			step *= 2;
	}
	if (show && wait && terminal)
		fputc('\n', stderr);
	summary(s, st.repaired - before->repaired, ctl_missing(&st));
	if (err)
		return not_fed(s, err);
	if (code == CTL_TIMEOUT)
		return ctl_fail(s->ctl, code,
				"%s: %" PRIu64
				" blocks are still missing (%" PRIu64
				" unavailable, %u helpers): timed out",
				s->ctl->argv[0], ctl_missing(&st) + to_come(s),
				(uint64_t)st.unavailable, st.helpers);
	if (code == CTL_UNAVAILABLE)
		return ctl_unavailable(s->ctl, &st);
	if (s->failed > TELL_MAX)
		ctl_note(s->ctl, "%s: and %" PRIu64 " blocks more",
			 s->ctl->argv[0], s->failed - TELL_MAX);
	return s->failed ? CTL_FAILED : CTL_GOOD;
}

static int sync_scan(struct sync *s, const char *algorithm,
		     const struct grid_missing_status *before)
{
	struct grid_missing_block *listed = s->blocks;
	size_t count = s->count;
	int code;

	if (!*algorithm)
		return ctl_fail(
			s->ctl, CTL_FAILED,
			"neither %s nor the manifest says by which hash its checksums are",
			s->ctl->argv[0]);
	s->scan.ctl = s->ctl;
	s->scan.dev = &s->dev;
	s->scan.algorithm = algorithm;
	s->scan.tracked = s->tracked;
	s->scan.found = found;
	s->scan.arg = s;
	s->blocks = NULL;
	s->count = 0;
	code = scan_blocks(&s->scan, listed, count);
	free(listed);
	if (!code && s->err)
		code = not_fed(s, s->err);
	if (code) {
		summary(s, 0, ctl_missing(before) + s->enqueued);
		return code;
	}
	s->err = feed(s);
	if (s->err)
		return not_fed(s, s->err);
	if (before->state & GRID_MISSING_STATUS_HELD ||
	    ctl_option(s->ctl, "portions") || !short_of_room(s))
		return CTL_GOOD;
	summary(s, 0, ctl_missing(before) + s->enqueued);
	return no_room(s, before, to_come(s), "the others are enqueued");
}

#define NO_END "%s has no end mark (\"#! end %zu\"), so it may have been cut"
#define IF_ALL "--incomplete if this is all that can be missing"

static int run(struct sync *s)
{
	bool scan = ctl_option(s->ctl, "scan");
	struct grid_missing_status before;
	char algorithm[64];
	bool ended, cut;
	int code, err;

	if (!s->dev.block_size)
		return ctl_fail(
			s->ctl, CTL_FAILED,
			"%s is a private tracker: only its own program repairs",
			s->ctl->argv[0]);
	code = ctl_manifest(s->ctl, &s->dev, ctl_option(s->ctl, "manifest"),
			    &s->blocks, &s->count, algorithm, &ended);
	cut = !code && !ended && !ctl_option(s->ctl, "incomplete");
	/* What a cut one doesn't list would be served as it is. */
	if (cut && ctl_option(s->ctl, "ready"))
		return ctl_fail(s->ctl, CTL_FAILED,
				NO_END "; nothing was changed: " IF_ALL,
				ctl_option(s->ctl, "manifest"), s->count);
	if (cut)
		ctl_note(s->ctl, NO_END ": " IF_ALL,
			 ctl_option(s->ctl, "manifest"), s->count);
	if (!code)
		code = ctl_check_range(s->ctl, &s->dev, s->blocks, s->count);
	if (code)
		return code;
	s->listed = s->count;
	err = mark_tracked(s);
	if (!err)
		err = gm_status(&s->dev, &before);
	if (err)
		return ctl_error(s->ctl, err, "%s", s->ctl->argv[0]);
	/* Where somebody has claimed it to read, there is only looking. */
	if (!ctl_option(s->ctl, "force")) {
		if (!(before.state & GRID_MISSING_STATUS_HELD))
			s->claim = ctl_open_block(s->dev.major, s->dev.minor,
						  O_RDONLY | O_EXCL);
		code = nobody_writes(s);
	}
	if (code)
		return code;
	if (scan)
		code = sync_scan(s,
				 *s->dev.checksum ? s->dev.checksum : algorithm,
				 &before);
	else if (!(before.state & GRID_MISSING_STATUS_HELD) &&
		 !ctl_option(s->ctl, "portions"))
		code = check_room(s, &before);
	return code ? code : follow(s, &before);
}

int verb_sync(struct ctl *ctl)
{
	struct sync s = { .ctl = ctl, .start = ctl_now(), .claim = -1 };
	uint64_t timeout = 0, jobs = 8;
	int code;

	if (!ctl_option(ctl, "manifest"))
		return ctl_fail(ctl, CTL_USAGE, "--manifest is required");
	if (!ctl_ms(ctl, "timeout", &timeout) || !ctl_u64(ctl, "jobs", &jobs))
		return CTL_USAGE;
	if (!jobs || jobs > JOBS_MAX)
		return ctl_fail(ctl, CTL_USAGE, "--jobs is from 1 to %d",
				JOBS_MAX);
	s.scan.jobs = (unsigned int)jobs;
	if (ctl_option(ctl, "timeout"))
		s.scan.until = s.start + (double)timeout / 1000;
	s.scan.show = !ctl->json &&
		      (isatty(STDERR_FILENO) || ctl_option(ctl, "progress"));
	code = ctl_attach(ctl, &s.dev, O_RDWR);
	if (code)
		return code;
	code = run(&s);
	unclaim(&s);
	gm_close(&s.dev);
	free(s.tracked);
	free(s.blocks);
	return code;
}
