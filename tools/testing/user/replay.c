// SPDX-License-Identifier: GPL-2.0
/*
 * replay FILE...: replay recorded runs of the original tracker, and runs
 * written by hand, on this one.  Every result, state and dump must agree;
 * gm_verify() runs after every operation.  Prints the first line of a file
 * that disagrees and what was expected; exits 0 only when all agree.
 *
 * Recordings know the operations in the first half of the table below.  Runs
 * written by hand also know the second half, "= -ERRNO" after any operation,
 * and comments.  See traces/README.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../../kmod/tracker/tracker.h"

#define OWNER 7

static struct gm_tracker tracker;
static struct gm_limits limits;
static bool live;
static bool jump_kind; /* the newer original: it has sync jumps */
static u64 now;
static bool own_time;

static const char *path;
static unsigned long line_number;

static struct grid_missing_fault *faults;
static size_t faults_room;

struct text {
	char *s;
	size_t len, room;
};

static struct text got;

static void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p) {
		fprintf(stderr, "replay: out of memory\n");
		exit(2);
	}
	return p;
}

static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	for (;;) {
		va_start(ap, fmt);
		n = vsnprintf(t->s + t->len, t->room - t->len, fmt, ap);
		va_end(ap);
		if (t->len + n < t->room)
			break;
		t->room = 2 * (t->room + n + 64);
		t->s = grow(t->s, t->room);
	}
	t->len += n;
}

static void bad_line(const char *why)
{
	printf("%s:%lu: %s\n", path, line_number, why);
	exit(2);
}

/* The next word of the line, or NULL. */
static char *word(char **line)
{
	char *w = *line;

	if (!w || !*w)
		return NULL;
	*line = strchr(w, ' ');
	if (*line)
		*(*line)++ = 0;
	return w;
}

static char *need(char **line)
{
	char *w = word(line);

	if (!w)
		bad_line("a word is missing");
	return w;
}

static u64 number(const char *w)
{
	char *end;
	u64 n;

	errno = 0;
	n = strtoull(w, &end, 10);
	if (errno || end == w || *end)
		bad_line("not a number");
	return n;
}

/* A checksum, or NULL for "none". */
static struct grid_missing_checksum *checksum(const char *w,
					      struct grid_missing_checksum *sum)
{
	int i;

	if (!strcmp(w, "none"))
		return NULL;
	if (strlen(w) != 32)
		bad_line("not a checksum");
	for (i = 0; i < 16; i++)
		if (sscanf(w + 2 * i, "%2hhx", &sum->bytes[i]) != 1)
			bad_line("not a checksum");
	return sum;
}

static void add_checksum(struct text *t, const struct grid_missing_fault *f)
{
	int i;

	if (f->flags & GRID_MISSING_F_NO_CHECKSUM) {
		add(t, "none");
		return;
	}
	for (i = 0; i < 16; i++)
		add(t, "%02x", f->checksum.bytes[i]);
}

static const struct {
	int value;
	const char *name;
} errnos[] = {
	{ EAGAIN, "-EAGAIN" },	     { EBUSY, "-EBUSY" },
	{ EINVAL, "-EINVAL" },	     { ENOENT, "-ENOENT" },
	{ ESTALE, "-ESTALE" },	     { EEXIST, "-EEXIST" },
	{ ENOSPC, "-ENOSPC" },	     { E2BIG, "-E2BIG" },
	{ ECANCELED, "-ECANCELED" }, { ENOMEM, "-ENOMEM" },
};

/* "@ok", or the name of an errno; nothing for 0 when @ok is NULL. */
static void add_result(int r, const char *ok)
{
	size_t i;

	if (r >= 0) {
		if (ok)
			add(&got, " = %s", ok);
		return;
	}
	for (i = 0; i < sizeof(errnos) / sizeof(*errnos); i++) {
		if (errnos[i].value == -r) {
			add(&got, " = %s", errnos[i].name);
			return;
		}
	}
	add(&got, " = %d", r);
}

/* Comma-separated addresses, "-" for none. */
static u64 *addresses(const char *w, u32 *n)
{
	static u64 *v;
	static u32 room;
	char *end;

	*n = 0;
	if (!strcmp(w, "-"))
		return v;
	for (;;) {
		if (*n == room) {
			room = 2 * room + 16;
			v = grow(v, room * sizeof(*v));
		}
		errno = 0;
		v[(*n)++] = strtoull(w, &end, 10);
		if (errno || end == w)
			bad_line("not a list of addresses");
		if (!*end)
			return v;
		if (*end != ',')
			bad_line("not a list of addresses");
		w = end + 1;
	}
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* A sorted array as a set. */
struct array_set {
	struct gm_set set;
	const u64 *v;
};

static u64 set_next(const struct gm_set *set, u64 from, bool *found)
{
	const struct array_set *a = (const struct array_set *)set;
	u64 lo = 0, hi = set->count;

	while (lo < hi) {
		u64 mid = (lo + hi) / 2;

		if (a->v[mid] < from)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < set->count;
	return *found ? a->v[lo] : U64_MAX;
}

static bool set_test(const struct gm_set *set, u64 address)
{
	bool found;

	return set_next(set, address, &found) == address && found;
}

static struct grid_missing_value *values(char *w, u32 *n)
{
	static struct grid_missing_value *v;
	static u32 room;
	char *colon, *comma;

	*n = 0;
	if (!v)
		v = grow(v, sizeof(*v));
	while (w && strcmp(w, "-")) {
		if (*n == room) {
			room = 2 * room + 16;
			v = grow(v, room * sizeof(*v));
		}
		comma = strchr(w, ',');
		if (comma)
			*comma = 0;
		colon = strchr(w, ':');
		if (!colon)
			bad_line("not a list of values");
		*colon = 0;
		v[*n].address = number(w);
		if (!checksum(colon + 1, &v[*n].checksum))
			bad_line("a value without a checksum");
		(*n)++;
		w = comma ? comma + 1 : NULL;
	}
	return v;
}

static int compare_faults(const void *a, const void *b)
{
	const struct grid_missing_fault *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void room_for_faults(size_t n)
{
	if (n <= faults_room)
		return;
	faults = grow(faults, n * sizeof(*faults));
	faults_room = n;
}

static u32 all_faults(void)
{
	u64 cursor = 0;
	u32 n = 0;

	while (cursor != U64_MAX) {
		room_for_faults(n + 5);
		n += gm_list_faults(&tracker, &cursor, 5, faults + n);
	}
	if (n)
		qsort(faults, n, sizeof(*faults), compare_faults);
	return n;
}

static void op_dump(bool aside)
{
	static const char *const states[] = { "gone", "waiting", "writing",
					      "aborting" };
	static const char *const causes[] = { "block", "table_index",
					      "table_data" };
	u32 n = all_faults(), i, listed = 0;

	for (i = 0; i < n; i++) {
		const struct grid_missing_fault *f = &faults[i];

		if (!(f->flags & GRID_MISSING_F_ASIDE) == aside)
			continue;
		add(&got, "%s%" PRIu64 ":", listed++ ? "," : " ",
		    (uint64_t)f->address);
		add_checksum(&got, f);
		add(&got, ":%s:%s", states[f->state], causes[f->cause]);
		if (f->cause == GRID_MISSING_CAUSE_TABLE_VALUE &&
		    f->state != GRID_MISSING_STATE_ABORTING)
			add(&got, ":%" PRIu64 ":%u", (uint64_t)f->table,
			    f->value_index);
	}
	if (!listed)
		add(&got, " -");
}

static void op_tables(void)
{
	static const char *const states[] = { "free", "indexing", "filling",
					      "done", "cancelled" };
	struct grid_missing_table tab;
	u64 cursor = 0;
	u32 listed = 0;

	while (cursor != U64_MAX)
		if (gm_list_tables(&tracker, &cursor, 1, &tab))
			add(&got, "%s%" PRIu64 ":%s:%u/%u",
			    listed++ ? "," : " ", (uint64_t)tab.address,
			    states[tab.state], tab.values_gone, tab.values);
	if (!listed)
		add(&got, " -");
}

static void op_state(void)
{
	struct gm_counts c;

	gm_get_counts(&tracker, &c);
	add(&got,
	    " blocks_single=%" PRIu64 " blocks_table=%" PRIu64
	    " aborting=%" PRIu64 " tables=%u tables_free=%u checkpoint=%d",
	    (uint64_t)c.blocks_single, (uint64_t)c.blocks_table,
	    (uint64_t)c.aborting, c.tables - c.tables_free, c.tables_free,
	    c.checkpoint);
	if (jump_kind)
		add(&got, " sync_jump=%d", c.sync_jump);
}

static bool is_waiting(u64 address)
{
	unsigned long flags;
	u8 state;

	GM_LOCK(&tracker, flags);
	state = __gm_find(&tracker, address, NULL);
	GM_UNLOCK(&tracker, flags);
	return state == GRID_MISSING_STATE_WAITING;
}

/*
 * Of a batch of N only the count is the original's; that those handed out are
 * waiting, and no two the same, is checked here.
 */
static void op_batch(const char *w, char *expect)
{
	struct gm_counts c;
	bool all = !strcmp(w, "ALL");
	u32 max, n, i;

	gm_get_counts(&tracker, &c);
	max = all ? c.waiting + 1 : number(w);
	room_for_faults(max);
	n = gm_next_batch(&tracker, max, 0, now, faults);
	if (n)
		qsort(faults, n, sizeof(*faults), compare_faults);
	add(&got, " = %u", n);
	for (i = 0; i < n; i++) {
		if (!is_waiting(faults[i].address) ||
		    (i && faults[i].address == faults[i - 1].address)) {
			add(&got, " %" PRIu64 " is not waiting",
			    (uint64_t)faults[i].address);
			return;
		}
	}
	if (all) {
		for (i = 0; i < n; i++)
			add(&got, " %" PRIu64, (uint64_t)faults[i].address);
	} else {
		/* Keep what was expected behind the count. */
		expect = expect ? strchr(expect, ' ') : NULL;
		if (expect)
			add(&got, "%s", expect);
	}
}

/* In order, and with a minimum age. */
static void op_next(u32 max, u32 min_age)
{
	u32 n, i;

	room_for_faults(max);
	n = gm_next_batch(&tracker, max, min_age, now, faults);
	add(&got, " =");
	for (i = 0; i < n; i++)
		add(&got, " %" PRIu64, (uint64_t)faults[i].address);
	if (!n)
		add(&got, " -");
}

static void op_find(u64 address)
{
	static const char *const states[] = { "gone", "waiting", "writing",
					      "aborting" };
	struct grid_missing_fault f;
	unsigned long flags;
	u8 state;

	GM_LOCK(&tracker, flags);
	state = __gm_find(&tracker, address, &f);
	GM_UNLOCK(&tracker, flags);
	add(&got, " = %s", states[state]);
	if (!state)
		return;
	if (f.flags & GRID_MISSING_F_READERS)
		add(&got, " readers");
	if (f.flags & GRID_MISSING_F_WANTED)
		add(&got, " wanted");
	if (f.flags & GRID_MISSING_F_UNAVAILABLE)
		add(&got, " unavailable");
	if (f.flags & GRID_MISSING_F_ASIDE)
		add(&got, " aside");
	if (f.failures)
		add(&got, " failures:%u", f.failures);
}

static void op_checkpoint(char *w)
{
	struct array_set a = { .set = { .test = set_test, .next = set_next } };
	u32 n;
	u64 *v = addresses(w, &n), i, unique = 0;

	if (n)
		qsort(v, n, sizeof(*v), compare_u64);
	for (i = 0; i < n; i++)
		if (!i || v[i] != v[i - 1])
			v[unique++] = v[i];
	a.set.count = unique;
	a.v = v;
	add_result(gm_checkpoint_commence(&tracker, &a.set), NULL);
}

static void op_init(char **line)
{
	if (live)
		gm_tracker_exit(&tracker);
	live = false;
	limits.blocks_max = number(need(line));
	limits.tables_max = number(need(line));
	limits.table_values_max = number(need(line));
	add(&got, " %u %u %u", limits.blocks_max, limits.tables_max,
	    limits.table_values_max);
	/* Without tables it doesn't matter how many values they'd have. */
	if (!limits.tables_max && !limits.table_values_max)
		limits.table_values_max = 1;
	live = !gm_tracker_init(&tracker, &limits, NULL);
	if (!live)
		bad_line("these limits are refused");
}

/*
 * What the line should have been, in @got.  @args are the operation's words
 * with the expected result behind them.
 */
static void replay_line(const char *op, char *args)
{
	static const char *const enqueued[] = { "insert", "duplicate" };
	struct grid_missing_checksum sum_buf, *sum = NULL;
	struct gm_counts c;
	unsigned long flags;
	char *expect, *w;
	u64 address = 0;
	u64 *list;
	u32 n;
	int r;

	expect = args ? strstr(args, "= ") : NULL;
	if (expect && (expect == args || expect[-1] == ' ')) {
		if (expect > args)
			expect[-1] = 0;
		*expect = 0;
		expect += 2;
	} else {
		expect = NULL;
	}

	got.len = 0;
	add(&got, "%s", op);
#define OP(name) (!strcmp(op, name))
	if (OP("init")) {
		op_init(&args);
		return;
	}
	if (!live)
		bad_line("not initialised");
	if (OP("state")) {
		op_state();
		return;
	}
	if (OP("dump") || OP("dump_syncing")) {
		op_dump(OP("dump_syncing"));
		return;
	}
	if (OP("tables")) {
		op_tables();
		return;
	}

	if (args && *args)
		add(&got, " %s", args);
	if (OP("enqueue_block") || OP("enqueue_table") || OP("commence") ||
	    OP("complete") || OP("failed")) {
		address = number(need(&args));
		sum = checksum(need(&args), &sum_buf);
	}

	if (OP("enqueue_block")) {
		r = gm_enqueue_block(&tracker, address, sum,
				     GRID_MISSING_WHY_ENQUEUED);
		add_result(r, r >= 0 ? enqueued[r] : NULL);
	} else if (OP("enqueue_table")) {
		r = gm_enqueue_table(&tracker, address, sum);
		add_result(r, r >= 0 ? enqueued[r] : NULL);
	} else if (OP("batch")) {
		op_batch(need(&args), expect);
	} else if (OP("commence")) {
		add_result(gm_repair_commence(&tracker, address, sum, 0, OWNER,
					      now),
			   NULL);
	} else if (OP("complete")) {
		struct grid_missing_value *v = NULL;

		n = 0;
		w = word(&args);
		if (w && !strcmp(w, "values"))
			v = values(word(&args), &n);
		r = gm_repair_complete(&tracker, address, sum, OWNER, v, n);
		/* The original has nothing to say about an aborting one. */
		if (r != -ECANCELED || expect)
			add_result(r, NULL);
	} else if (OP("checkpoint_commence")) {
		op_checkpoint(need(&args));
	} else if (OP("checkpoint_complete")) {
		add_result(0,
			   gm_checkpoint_complete(&tracker) ? "false" : "true");
	} else if (OP("cancel")) {
		if (jump_kind)
			gm_revert_owner(&tracker, OWNER);
		else
			add_result(gm_cancel_all(&tracker, false), NULL);
	} else if (OP("reclaim")) {
		add_result(0, gm_reclaim_tables(&tracker, 1, NULL) ? "yes" : "no");
	} else if (OP("available")) {
		gm_get_counts(&tracker, &c);
		add(&got, " = %" PRIu64,
		    (uint64_t)(limits.blocks_max - c.blocks_single));
	} else if (OP("sync_jump_commence")) {
		add_result(gm_sync_jump_commence(&tracker), NULL);
	} else if (OP("sync_tables_cancel")) {
		list = addresses(need(&args), &n);
		add_result(gm_sync_jump_complete(&tracker, list, n), NULL);
	} else if (OP("time")) {
		now = number(need(&args));
		own_time = true;
	} else if (OP("next")) {
		n = number(need(&args));
		w = word(&args);
		op_next(n, w ? number(w) : 0);
	} else if (OP("due")) {
		w = word(&args);
		address = gm_next_due(&tracker, w ? number(w) : 0, now);
		if (address == GM_NEVER)
			add(&got, " = never");
		else
			add(&got, " = %" PRIu64, (uint64_t)address);
	} else if (OP("failed")) {
		add_result(gm_repair_failed(&tracker, address, sum, OWNER, now),
			   NULL);
	} else if (OP("revert")) {
		add_result(gm_repair_revert(&tracker, number(need(&args)),
					    OWNER),
			   NULL);
	} else if (OP("revert_owner")) {
		add(&got, " = %" PRIu64,
		    (uint64_t)gm_revert_owner(&tracker, number(need(&args))));
	} else if (OP("revert_older")) {
		add(&got, " = %" PRIu64,
		    (uint64_t)gm_revert_older(&tracker, number(need(&args))));
	} else if (OP("supersede")) {
		add_result(gm_supersede(&tracker, number(need(&args))), NULL);
	} else if (OP("cancel_all")) {
		w = word(&args);
		add_result(gm_cancel_all(&tracker, w && !strcmp(w, "keep")),
			   NULL);
	} else if (OP("cancel_block")) {
		address = number(need(&args));
		w = word(&args);
		add_result(gm_cancel(&tracker, address,
				     w && !strcmp(w, "keep")),
			   NULL);
	} else if (OP("reclaim_all")) {
		add(&got, " = %u", gm_reclaim_tables(&tracker, U32_MAX, NULL));
	} else if (OP("readers") || OP("wanted") || OP("unavailable") ||
		   OP("hold") || OP("no_readers")) {
		address = number(need(&args));
		GM_LOCK(&tracker, flags);
		if (OP("wanted"))
			r = __gm_set_wanted(&tracker, address);
		else if (OP("unavailable") || OP("hold"))
			r = __gm_set_unavailable(&tracker, address,
						 GRID_MISSING_WHY_UNAVAILABLE,
						 OP("hold"));
		else
			r = __gm_set_readers(&tracker, address, OP("readers"));
		GM_UNLOCK(&tracker, flags);
		add_result(r, NULL);
	} else if (OP("retry")) {
		add_result(gm_retry(&tracker, number(need(&args))), NULL);
	} else if (OP("retry_all")) {
		add(&got, " = %" PRIu64, (uint64_t)gm_retry_all(&tracker));
	} else if (OP("find")) {
		op_find(number(need(&args)));
	} else {
		bad_line("unknown operation");
	}
#undef OP
}

static void print_cut(const char *what, const char *s)
{
	printf("  %s %.400s%s\n", what, s, strlen(s) > 400 ? " ..." : "");
}

static bool replay(const char *name)
{
	static char *line, *copy;
	static size_t room, copy_room;
	bool agreed = true;
	unsigned long ops = 0;
	ssize_t len;
	char buf[200];
	FILE *f;

	path = name;
	line_number = 0;
	now = 0;
	own_time = false;
	jump_kind = false;
	f = fopen(name, "r");
	if (!f) {
		printf("%s: %s\n", name, strerror(errno));
		return false;
	}
	/* The state lines tell which original was recorded. */
	while (getline(&line, &room, f) > 0) {
		if (strncmp(line, "state ", 6))
			continue;
		jump_kind = strstr(line, " sync_jump=");
		break;
	}
	rewind(f);

	while (agreed && (len = getline(&line, &room, f)) > 0) {
		char *args, *op;

		line_number++;
		if (!own_time)
			now = line_number;
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = 0;
		if (!len || line[0] == '#')
			continue;
		if ((size_t)len >= copy_room) {
			copy_room = 2 * len + 1;
			copy = grow(copy, copy_room);
		}
		memcpy(copy, line, len + 1);
		args = copy;
		op = word(&args);
		replay_line(op, args);
		ops++;
		if (strcmp(got.s, line)) {
			printf("%s:%lu: disagrees\n", name, line_number);
			print_cut("expected:", line);
			print_cut("got:     ", got.s);
			agreed = false;
		} else if (gm_verify(&tracker, buf, sizeof(buf))) {
			printf("%s:%lu: verify: %s", name, line_number, buf);
			agreed = false;
		}
	}
	fclose(f);
	if (live)
		gm_tracker_exit(&tracker);
	live = false;
	if (agreed && !ops) {
		printf("%s: empty\n", name);
		agreed = false;
	}
	if (agreed)
		printf("%s: %lu lines agree\n", name, ops);
	return agreed;
}

int main(int argc, char **argv)
{
	bool agreed = true;
	int i;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (i = 1; i < argc; i++)
		agreed &= replay(argv[i]);
	return !agreed;
}
