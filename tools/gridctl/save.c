// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl save: what is missing and released, for a planned stop (D11); see
 * savefile.h.
 *
 * A save is true only for the stop it was made for.  So it is made of a
 * suspended device, it is refused in another boot unless the operator says that
 * the reboot was planned, "load" wants a device that lets no I/O through yet,
 * and renames the file when it is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"
#include "savefile.h"
#include "stack.h"

#define SAVE_MS 30000 /* for FILE, while the device is suspended */

static int by_table(const void *a, const void *b)
{
	const struct grid_missing_fault *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return x->value_index < y->value_index ?
		       -1 :
		       x->value_index > y->value_index;
}

static const char *sum_text(const struct grid_missing_checksum *sum,
			    uint32_t flags, char text[GM_CHECKSUM_TEXT])
{
	return flags & GRID_MISSING_F_NO_CHECKSUM ?
		       "-" :
		       gm_format_checksum(sum, text);
}

/*
 * The faults @v of no table, or whose index is missing; those of other tables
 * go to @values.  Returns the number of lines.
 */
static uint64_t write_faults(FILE *f, const struct grid_missing_fault *v,
			     size_t count, struct grid_missing_fault *values,
			     size_t *values_count)
{
	char sum[GM_CHECKSUM_TEXT];
	uint64_t lines = 0;
	size_t i, n = 0;

	for (i = 0; i < count; i++) {
		if (v[i].cause == GRID_MISSING_CAUSE_TABLE_VALUE) {
			values[n++] = v[i];
			continue;
		}
		fprintf(f, "%s %" PRIu64 " %s\n",
			v[i].cause == GRID_MISSING_CAUSE_TABLE_INDEX ? "table" :
								       "block",
			(uint64_t)v[i].address,
			sum_text(&v[i].checksum, v[i].flags, sum));
		lines++;
	}
	*values_count = n;
	return lines;
}

/* The tables whose index is good, with what is missing of them. */
static int write_tables(struct gm_dev *dev, FILE *f,
			struct grid_missing_fault *values, size_t count,
			uint64_t *lines, uint64_t *tables)
{
	char sum[GM_CHECKSUM_TEXT];
	struct grid_missing_table t[64];
	uint64_t cursor = 0;
	size_t first, end, written = 0;
	int n, i;

	qsort(values, count, sizeof(*values), by_table);
	while (cursor != GM_CURSOR_END) {
		n = gm_list_tables(dev, &cursor, t, 64);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		for (i = 0; i < n; i++) {
			if (t[i].state != GRID_MISSING_TABLE_FILLING)
				continue;
			for (first = 0; first < count; first++)
				if (values[first].table == t[i].address)
					break;
			for (end = first; end < count; end++)
				if (values[end].table != t[i].address)
					break;
			fprintf(f, "values %" PRIu64 " %s %zu\n",
				(uint64_t)t[i].address,
				sum_text(&t[i].checksum, t[i].flags, sum),
				end - first);
			*lines += 1 + end - first;
			++*tables;
			written += end - first;
			for (; first < end; first++)
				fprintf(f, "value %" PRIu64 " %s\n",
					(uint64_t)values[first].address,
					sum_text(&values[first].checksum,
						 values[first].flags, sum));
		}
	}
	/* None may be lost, whatever changed meanwhile. */
	return written == count ? 0 : -EAGAIN;
}

/* The runs with @flags; those freed are open again. */
static int write_released(struct gm_dev *dev, FILE *f, const char *word,
			  uint32_t flags, uint64_t *lines, uint64_t *blocks)
{
	struct grid_missing_released r[256];
	uint64_t cursor = 0;
	int n, i;

	while (cursor != GM_CURSOR_END) {
		n = gm_list_released(dev, &cursor, r, 256);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		for (i = 0; i < n; i++) {
			if (!(r[i].flags & flags))
				continue;
			fprintf(f, "%s %" PRIu64 " %" PRIu64 "\n", word,
				(uint64_t)r[i].address, (uint64_t)r[i].count);
			++*lines;
			*blocks += r[i].count;
		}
	}
	return 0;
}

struct saved {
	uint64_t faults, tables, released;
};

/* Everything but the header; 0 or a negative errno. */
static int write_state(struct gm_dev *dev, FILE *f,
		       const struct grid_missing_status *s,
		       const struct grid_missing_fault *v, size_t count,
		       struct saved *saved)
{
	struct grid_missing_fault *values = calloc(count + 1, sizeof(*values));
	size_t values_count;
	uint64_t lines;
	int err;

	if (!values)
		return -ENOMEM;
	lines = write_faults(f, v, count, values, &values_count);
	err = write_tables(dev, f, values, values_count, &lines,
			   &saved->tables);
	if (!err)
		err = write_released(dev, f, "taken",
				     GRID_MISSING_RELEASED_TAKEN, &lines,
				     &saved->released);
	if (!err && s->checkpoint_taken) {
		fprintf(f, "checkpoint %" PRIu64 "\n",
			(uint64_t)s->checkpoint_taken);
		lines++;
	}
	if (!err)
		err = write_released(dev, f, "released",
				     GRID_MISSING_RELEASED_OPEN |
					     GRID_MISSING_RELEASED_FREED,
				     &lines, &saved->released);
	fprintf(f, "end %" PRIu64 "\n", lines);
	saved->faults = count;
	free(values);
	return err;
}

/*
 * The file beside its place, opened while nothing is suspended yet.  With @watched
 * nothing but SIGKILL ends us between its coming in its place and the end.
 */
struct place {
	const char *path;
	char temporary[4096];
	FILE *f;
	bool watched;
	sigset_t before;
};

static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static void block_ends(sigset_t *before)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, before);
}

static int open_place(const struct ctl *ctl, const struct gm_dev *dev,
		      struct place *p)
{
	char directory[sizeof(p->temporary)];

	p->path = ctl->argv[1];
	p->watched = false;
	if (snprintf(p->temporary, sizeof(p->temporary), "%s.new", p->path) >=
	    (int)sizeof(p->temporary))
		return ctl_fail(ctl, CTL_FAILED, "%s: the name is too long",
				p->path);
	/*
	 * Writing it would wait for the device, which waits for us; on one that is
	 * suspended already even opening it would.
	 */
	snprintf(directory, sizeof(directory), "%s", p->path);
	if (gm_stack_holds(makedev(dev->major, dev->minor), dirname(directory)))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s lies on %s itself, where nothing can be written while that is suspended: choose another place",
			p->path, ctl->argv[0]);
	p->f = fopen(p->temporary, "we");
	if (!p->f)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", p->temporary,
				gm_open_reason(errno));
	return CTL_GOOD;
}

/* What is not true any more must not be loaded; a save of before stays. */
static void unplace(const struct place *p)
{
	struct stat ours, there;

	if (!fstat(fileno(p->f), &ours) && !stat(p->path, &there) &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(p->path);
}

static void drop_place(struct place *p)
{
	unplace(p);
	fclose(p->f);
	unlink(p->temporary);
}

/* Write it, and put it in its place. */
static int write_save(const struct ctl *ctl, struct gm_dev *dev,
		      struct place *p, const struct grid_missing_status *s,
		      const struct grid_missing_fault *v, size_t count,
		      struct saved *saved)
{
	struct grid_missing_status now = { 0 };
	char boot[64];
	int err;

	save_boot_id(boot);
	fprintf(p->f,
		SAVE_HEADER "\nboot_id %s\nblock_size %u\nblocks %" PRIu64
			    "\nchecksum %s\n",
		boot, dev->block_size, dev->blocks,
		*dev->checksum ? dev->checksum : "none");
	err = -write_state(dev, p->f, s, v, count, saved);
	if (!err && (fflush(p->f) || ferror(p->f) || fsync(fileno(p->f))))
		err = errno;
	if (!err)
		err = -gm_status(dev, &now);
	if (!err && !(now.state & GRID_MISSING_STATUS_SUSPENDED))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s was resumed while it was saved, and what is missing may be another set by now: nothing is saved",
			ctl->argv[0]);
	if (!err && p->watched)
		block_ends(NULL);
	if (!err)
		err = -ctl_rename(p->temporary, p->path);
	if (err)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", p->path,
				strerrordesc_np(err));
	return CTL_GOOD;
}

/* What the process that watches ends with. */
enum { WATCH_OFF, WATCH_RESUMED, WATCH_FAILED };

/*
 * Where FILE lies is known of local disks only.  By NFS, FUSE or a loop through
 * another machine its writes may come back to the device, and wait for ever
 * while that is suspended; nobody can tell beforehand.  So a process watches,
 * that writes nothing: when it isn't called off in time, or we die, the device
 * is resumed, and whoever was stuck on it, we too, goes on.  Then FILE, should it
 * be in its place, is taken away.
 */
struct watch {
	pid_t pid;
	int end; /* a byte begins its time, another one calls it off; its end doesn't */
};

static int watch_begin(const struct ctl *ctl, struct watch *w, const char *name,
		       struct place *place, uint64_t ms)
{
	struct pollfd p = { .events = POLLIN };
	struct gm_dm_state state;
	int pair[2], err;
	size_t i;

	if (pipe(pair))
		return ctl_fail(ctl, CTL_FAILED, "pipe: %s",
				strerrordesc_np(errno));
	w->end = pair[1];
	/* A Ctrl-C, or the end of a session, is for the one that is watched. */
	block_ends(&place->before);
	w->pid = fork();
	err = errno;
	if (w->pid) {
		sigprocmask(SIG_SETMASK, &place->before, NULL);
		close(pair[0]);
		place->watched = w->pid > 0;
		if (place->watched)
			return CTL_GOOD;
		close(pair[1]);
		return ctl_fail(ctl, CTL_FAILED, "fork: %s",
				strerrordesc_np(err));
	}
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		signal(ends[i], SIG_IGN);
	close(pair[1]);
	p.fd = pair[0];
	if (read(p.fd, &(char){ 0 }, 1) == 1 && poll(&p, 1, (int)ms) &&
	    read(p.fd, &(char){ 0 }, 1) == 1)
		_exit(WATCH_OFF);
	/* It may have died while it was suspending. */
	if ((gm_dm_state(name, &state) || state.suspended) &&
	    gm_dm_resume(name))
		_exit(WATCH_FAILED);
	/* Not before: that might wait for the device. */
	unplace(place);
	_exit(WATCH_RESUMED);
}

/* Nothing was suspended. */
static void watch_off(const struct watch *w)
{
	if (write(w->end, "\0", 2) == 2)
		waitpid(w->pid, NULL, 0);
	close(w->end);
}

/*
 * CTL_GOOD, or it was too late, and *@suspended tells what was left to us.  One that
 * was killed, or could not resume the device, has done nothing; it may have resumed
 * it before, so the device is asked, unless the one that watches says it was in time.
 */
static int watch_end(const struct ctl *ctl, const struct watch *w,
		     const char *file, const char *name, bool *suspended)
{
	struct gm_dm_state state;
	int status, by = -1;
	pid_t pid;

	/* It may have ended: that is told by its status. */
	if (write(w->end, "", 1) != 1 && errno != EPIPE)
		return CTL_GOOD;
	close(w->end);
	do
		pid = waitpid(w->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	if (pid == w->pid && WIFEXITED(status))
		by = WEXITSTATUS(status);
	if (by == WATCH_OFF)
		return CTL_GOOD;
	*suspended = gm_dm_state(name, &state) || state.suspended;
	if (*suspended && by != WATCH_RESUMED)
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_FAILED,
		"%s could not be written while %s was suspended%s: does it lie on that, by NFS or FUSE? (--timeout)",
		file, name, *suspended ? "" : ", which was resumed");
}

/* Is there anything that a save cannot hold? */
static int check_save(const struct ctl *ctl, const char *name,
		      const struct grid_missing_status *s)
{
	if (!(s->state & GRID_MISSING_STATUS_SUSPENDED))
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s is not suspended: dmsetup suspend it first, or use --suspend",
			name);
	if (s->state & GRID_MISSING_STATUS_SYNC_JUMP)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: a sync jump is open, which a save cannot hold: resume the device, complete the jump, and again",
			name);
	if (s->state & GRID_MISSING_STATUS_CHECKPOINT)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: a checkpoint is becoming durable, which a save cannot hold: resume the device, \"gridctl wait %s --until=checkpoint\", and again",
			name, name);
	/* No listing has them. */
	if (s->lost)
		return ctl_fail(
			ctl, CTL_FAILED,
			"%s: %" PRIu64
			" blocks are missing without a slot, which a save cannot hold: resume the device, let others be repaired so that these get one, and again",
			name, (uint64_t)s->lost);
	return CTL_GOOD;
}

/* Said at once.  Who can't be told has a save all the same. */
static void print_saved(const struct ctl *ctl, const char *name,
			const struct saved *saved)
{
	struct json_object *o;

	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "device", name);
		ctl_put_u64(o, "missing", saved->faults);
		ctl_put_u64(o, "tables_by_values", saved->tables);
		ctl_put_u64(o, "released", saved->released);
		ctl_print(o);
	} else {
		printf("%s: %" PRIu64 " missing and %" PRIu64
		       " released blocks are in %s; the device stays suspended\n",
		       name, saved->faults, saved->released, ctl->argv[1]);
	}
	if (!fflush(stdout) && !ferror(stdout))
		return;
	ctl_note(
		ctl,
		"%s: saved in %s, and stays suspended, but the output cannot be written: %s",
		name, ctl->argv[1], strerrordesc_np(errno));
	/* Or main() would make it a failure. */
	__fpurge(stdout);
	clearerr(stdout);
}

/* Under watch.  What @suspended says is true of a failure, too. */
static int suspend(const struct ctl *ctl, const char *name, struct place *place,
		   struct watch *watch, uint64_t timeout, bool *suspended)
{
	int err, code = watch_begin(ctl, watch, name, place, timeout);

	if (code)
		return code;
	err = gm_dm_suspend(name);
	if (err) {
		watch_off(watch);
		return ctl_dm_error(ctl, err, "%s: suspend", name);
	}
	*suspended = true;
	return write(watch->end, "", 1) == 1 ?
		       CTL_GOOD :
		       ctl_fail(ctl, CTL_FAILED, "pipe: %s",
				strerrordesc_np(errno));
}

/* Of a device that is suspended. */
static int save(const struct ctl *ctl, const char *name, struct gm_dev *dev,
		struct place *place, struct saved *saved)
{
	struct grid_missing_fault *v = NULL;
	struct grid_missing_status s;
	size_t count = 0;
	int code, err;

	err = gm_status(dev, &s);
	if (err)
		return ctl_error(ctl, err, "%s", name);
	code = check_save(ctl, name, &s);
	if (!code)
		code = ctl_all_faults(ctl, dev, &v, &count);
	if (!code)
		code = write_save(ctl, dev, place, &s, v, count, saved);
	free(v);
	return code;
}

int verb_save(struct ctl *ctl)
{
	struct grid_missing_status s;
	struct saved saved = { 0 };
	uint64_t timeout = SAVE_MS;
	bool suspended = false;
	struct watch watch = { 0 };
	struct place place;
	struct gm_dev dev;
	char name[128];
	int code, late, err;

	if (!ctl_ms(ctl, "timeout", &timeout))
		return CTL_USAGE;
	if (!timeout || timeout > INT_MAX)
		return ctl_fail(ctl, CTL_USAGE,
				"--timeout=%s: must be from 1ms to 24 days",
				ctl_option(ctl, "timeout"));
	/* Who watches may be gone when it is told something, and who reads us. */
	signal(SIGPIPE, SIG_IGN);
	/* Ignored by who started us, it would keep from us how the watcher ended. */
	signal(SIGCHLD, SIG_DFL);
	code = ctl_dm_name(ctl, name, sizeof(name));
	if (code)
		return code;
	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	err = gm_status(&dev, &s);
	if (err) {
		code = ctl_error(ctl, err, "%s", name);
		goto out_close;
	}
	code = open_place(ctl, &dev, &place);
	if (code)
		goto out_close;
	if (ctl_option(ctl, "suspend") &&
	    !(s.state & GRID_MISSING_STATUS_SUSPENDED))
		code = suspend(ctl, name, &place, &watch, timeout, &suspended);
	if (!code)
		code = save(ctl, name, &dev, &place, &saved);
	/* From here on nobody watches. */
	if (suspended) {
		block_ends(NULL);
		late = watch_end(ctl, &watch, place.path, name, &suspended);
		code = code ? code : late;
	}
	/* Without a save there is no stop: whoever uses it must not hang. */
	if (code && suspended) {
		err = gm_dm_resume(name);
		if (err)
			ctl_dm_error(ctl, err, "%s stays suspended: resume",
				     name);
	}
	if (code) {
		drop_place(&place);
	} else {
		fclose(place.f);
		print_saved(ctl, name, &saved);
	}
	/* Whoever is ended now has told what it did. */
	if (place.watched)
		sigprocmask(SIG_SETMASK, &place.before, NULL);
out_close:
	gm_close(&dev);
	return code;
}
