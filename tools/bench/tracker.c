// SPDX-License-Identifier: GPL-2.0
/*
 * What the tracker's operations cost, natively, one thread, its lock included.
 *
 *   tracker [-r ROUNDS] [-n N,N,...] [-q]
 *
 * For every number of faults, addresses at random and in sequence: the median
 * of several rounds.  Each figure stands twice, in ns and in dependent random
 * loads over memory as large as the tracker's (the same run measures those),
 * so that machines can be compared.  Other load on the machine only makes
 * figures larger: the smallest of the rounds is printed in brackets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/vmalloc.h>
#include "../../kmod/tracker/tracker.h"

#define MANY 16

static u64 rng = 1;

static u64 random64(void)
{
	u64 z = rng += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static u64 ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void *get(size_t bytes)
{
	void *p = vmalloc_huge(bytes, __GFP_ZERO);

	if (!p) {
		fprintf(stderr, "tracker: out of memory\n");
		exit(2);
	}
	return p;
}

/* One figure: samples of several rounds, printed in the order of first use. */
struct figure {
	const char *name;
	double goal; /* at one million, 0: none */
	double v[MANY];
	int n;
};

static struct figure figures[40];
static int figures_count;

static void sample(const char *name, double goal, double value)
{
	struct figure *f;
	int i;

	for (i = 0; i < figures_count; i++)
		if (!strcmp(figures[i].name, name))
			break;
	f = &figures[i];
	if (i == figures_count) {
		figures_count++;
		f->name = name;
		f->goal = goal;
	}
	if (f->n < MANY)
		f->v[f->n++] = value;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* A dependent random load: a cycle through all of @bytes, line by line. */
static double load_ns(size_t bytes)
{
	u32 lines = bytes / 64, i, at, steps = 1000000;
	u32 *order = get(lines * sizeof(*order));
	u32 *mem = get((size_t)lines * 64);
	u64 t0;

	for (i = 0; i < lines; i++)
		order[i] = i;
	for (i = lines - 1; i > 0; i--) {
		u32 j = random64() % (i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (i = 0; i < lines; i++)
		mem[order[i] * 16ULL] = order[(i + 1) % lines];
	for (at = 0, i = 0; i < 100000; i++)
		at = mem[at * 16ULL];
	t0 = ns();
	for (i = 0; i < steps; i++)
		at = mem[at * 16ULL];
	t0 = ns() - t0;
	__asm__ volatile("" ::"r"(at));
	vfree(order);
	vfree(mem);
	return (double)t0 / steps;
}

/* A set: a bitmap over positions, for addresses in ascending order. */
struct sorted_set {
	struct gm_set set;
	u64 *v;
	u64 *bits;
	u64 span;
};

static u64 sorted_next(const struct gm_set *set, u64 from, bool *found)
{
	struct sorted_set *s = (struct sorted_set *)set;
	static u64 hint;

	/* Walked in order, as a bitmap would be. */
	if (!from)
		hint = 0;
	while (hint < set->count && s->v[hint] < from)
		hint++;
	*found = hint < set->count;
	return *found ? s->v[hint] : U64_MAX;
}

static bool sorted_test(const struct gm_set *set, u64 address)
{
	struct sorted_set *s = (struct sorted_set *)set;

	return address < s->span && (s->bits[address / 64] >> address % 64) & 1;
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static struct gm_tracker t;
static u64 *address; /* in the order of their enqueue */
static u64 *shuffled; /* the same, at random */
static struct grid_missing_block *vec; /* for all of them, shuffled */
static struct grid_missing_fault out[64];
static u64 span;

static struct grid_missing_checksum sum_of(u64 a)
{
	struct grid_missing_checksum sum;

	memcpy(sum.bytes, &a, 8);
	memset(sum.bytes + 8, 7, 8);
	return sum;
}

/* Distinct addresses below @span: a grid of which a fourth is missing. */
static void choose(u32 n, bool sequential)
{
	u32 i, bits = 2;

	while ((1ULL << bits) < 4ULL * n)
		bits += 2;
	span = 1ULL << bits;
	for (i = 0; i < n; i++) {
		u64 half = bits / 2, mask = (1ULL << half) - 1, a = i, k;

		/* A permutation of the span: a small Feistel network. */
		for (k = 1; !sequential && k <= 4; k++) {
			u64 l = a >> half, r = a & mask;

			l ^= ((r + k) * 0x9e3779b97f4a7c15ULL + rng) >> 40 &
			     mask;
			a = r << half | l;
		}
		address[i] = a;
		shuffled[i] = a;
	}
	if (!sequential) {
		for (i = n - 1; i > 0; i--) {
			u32 j = random64() % (i + 1);
			u64 swap = shuffled[i];

			shuffled[i] = shuffled[j];
			shuffled[j] = swap;
		}
	}
	memset(vec, 0, n * sizeof(*vec));
	for (i = 0; i < n; i++) {
		vec[i].address = shuffled[i];
		vec[i].checksum = sum_of(shuffled[i]);
	}
}

static void start(u32 n)
{
	struct gm_limits limits = { n, 0, 1 };

	if (gm_tracker_init(&t, &limits, NULL)) {
		fprintf(stderr, "tracker: out of memory\n");
		exit(2);
	}
}

static void fill(u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		struct grid_missing_checksum sum = sum_of(address[i]);

		gm_enqueue_block(&t, address[i], &sum, 1);
	}
}

/* All waiting again, as fresh as after fill(). */
static void restart(u32 n)
{
	gm_tracker_exit(&t);
	start(n);
	fill(n);
}

static void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tracker: wrong result of %s\n", what);
	exit(1);
}

static void batches(const char *name, double goal, u32 calls)
{
	u64 t0 = ns(), n = 0, now = 1000;
	u32 i;

	for (i = 0; i < calls; i++)
		n += gm_next_batch(&t, 64, 0, now++, out);
	sample(name, goal, (double)(ns() - t0) / calls);
	expect(n, name);
}

static void checkpoint(const char *name, double goal, u32 n, u32 part)
{
	struct sorted_set s = {
		.set = { .count = n / part,
			 .test = sorted_test,
			 .next = sorted_next },
		.span = span,
	};
	u64 t0, i;

	s.v = get(s.set.count * sizeof(*s.v));
	s.bits = get(span / 8 + 8);
	for (i = 0; i < s.set.count; i++) {
		u64 a = shuffled[i * part];

		s.v[i] = a;
		s.bits[a / 64] |= 1ULL << a % 64;
	}
	qsort(s.v, s.set.count, sizeof(*s.v), compare_u64);
	t0 = ns();
	gm_checkpoint_commence(&t, &s.set);
	sample(name, goal, (double)(ns() - t0) / 1000);
	expect(!gm_checkpoint_complete(&t), name);
	for (i = 0; i < s.set.count; i++) {
		struct grid_missing_checksum sum = sum_of(s.v[i]);

		expect(!gm_enqueue_block(&t, s.v[i], &sum, 1), name);
	}
	vfree(s.v);
	vfree(s.bits);
}

static void one_round(u32 n)
{
	struct grid_missing_checksum sum;
	u64 t0, now = 1;
	u32 i, ops = n < 1000000 ? n : 1000000, step = n / ops;

	start(n);
	t0 = ns();
	for (i = 0; i < n; i++) {
		sum = sum_of(address[i]);
		gm_enqueue_block(&t, address[i], &sum, 1);
	}
	sample("enqueue_block, new", 40, (double)(ns() - t0) / n);
	expect(t.waiting == n, "enqueue");

	t0 = ns();
	for (i = 0; i < ops; i++) {
		sum = sum_of(shuffled[i * step]);
		gm_enqueue_block(&t, shuffled[i * step], &sum, 1);
	}
	sample("enqueue_block, duplicate", 30, (double)(ns() - t0) / ops);

	batches("batch of 64, all waiting", 385, n / 64 < 2000 ? n / 64 : 2000);

	checkpoint("checkpoint, 0.1 % freed (us)", 60, n, 1000);
	checkpoint("checkpoint, 10 % freed (us)", 7000, n, 10);

	restart(n);
	t0 = ns();
	for (i = 0; i < n; i++) {
		sum = sum_of(shuffled[i]);
		gm_repair_commence(&t, shuffled[i], &sum, 0, 1, now);
	}
	sample("commence", 45, (double)(ns() - t0) / n);
	expect(t.writing == n, "commence");
	t0 = ns();
	for (i = 0; i < n; i++) {
		sum = sum_of(shuffled[i]);
		gm_repair_complete(&t, shuffled[i], &sum, 1, NULL, 0);
	}
	sample("complete (single)", 70, (double)(ns() - t0) / n);
	expect(!t.writing, "complete");
	gm_tracker_exit(&t);

	start(n);
	for (i = 0; i < n; i++) {
		vec[i].address = address[i];
		vec[i].checksum = sum_of(address[i]);
	}
	t0 = ns();
	for (i = 0; i < n; i += 64)
		gm_enqueue_vector(&t, vec + i, n - i < 64 ? n - i : 64);
	sample("in vectors of 64: enqueue, new", 25, (double)(ns() - t0) / n);
	expect(t.waiting == n, "enqueue vector");
	for (i = 0; i < n; i++) {
		vec[i].address = shuffled[i];
		vec[i].checksum = sum_of(shuffled[i]);
	}
	t0 = ns();
	for (i = 0; i < n; i += 64)
		gm_enqueue_vector(&t, vec + i, n - i < 64 ? n - i : 64);
	sample("  duplicate", 0, (double)(ns() - t0) / n);
	t0 = ns();
	for (i = 0; i < n; i += 64)
		gm_repair_commence_vector(&t, vec + i, n - i < 64 ? n - i : 64,
					  1, now);
	sample("  commence", 0, (double)(ns() - t0) / n);
	expect(t.writing == n, "commence vector");
	t0 = ns();
	for (i = 0; i < n; i += 64)
		gm_repair_complete_vector(&t, vec + i, n - i < 64 ? n - i : 64,
					  1, now);
	sample("  complete", 0, (double)(ns() - t0) / n);
	expect(!t.writing, "complete vector");

	/* 99 % writing, at random. */
	restart(n);
	for (i = 0; i < n - n / 100; i++) {
		sum = sum_of(shuffled[i]);
		gm_repair_commence(&t, shuffled[i], &sum, 0, 1, now);
	}
	batches("batch of 64, 99 % writing", 500, 2000);

	/* A million random completions and re-enqueues. */
	restart(n);
	for (i = 0; i < 1000000; i++) {
		u64 a = shuffled[random64() % n];

		sum = sum_of(a);
		gm_repair_commence(&t, a, &sum, 0, 1, now);
		gm_repair_complete(&t, a, &sum, 1, NULL, 0);
		gm_enqueue_block(&t, a, &sum, 1);
	}
	batches("batch of 64, after churn", 0, 2000);
	gm_tracker_exit(&t);
}

/* Tables: a thousand active, and the values of an index. */
static void tables_round(void)
{
	struct gm_limits limits = { 1000, 2000, 1000 };
	struct grid_missing_checksum sum;
	struct grid_missing_value *v = get(1000 * sizeof(*v));
	double fresh = 0, again = 0, values = 0;
	u32 round, i, j;
	u64 t0;

	for (round = 0; round < 5; round++) {
		expect(!gm_tracker_init(&t, &limits, NULL), "init");
		for (i = 0; i < 1000; i++) {
			sum = sum_of(i * 77777ULL);
			gm_enqueue_table(&t, i * 77777ULL, &sum);
		}
		t0 = ns();
		for (i = 1000; i < 2000; i++) {
			sum = sum_of(i * 77777ULL);
			gm_enqueue_table(&t, i * 77777ULL, &sum);
		}
		fresh += (double)(ns() - t0) / 1000;
		t0 = ns();
		for (i = 0; i < 2000; i++) {
			u64 a = (i * 7 % 2000) * 77777ULL;

			sum = sum_of(a);
			gm_enqueue_table(&t, a, &sum);
		}
		again += (double)(ns() - t0) / 2000;
		expect(t.tables_active == 2000, "enqueue_table");
		t0 = 0;
		for (i = 0; i < 100; i++) {
			u64 index = i * 77777ULL, t1;

			for (j = 0; j < 1000; j++) {
				/* Scattered, and none twice. */
				v[j].address =
					1ULL << 41 |
					((i * 1000ULL + j) * 0x9e3779b97fULL &
					 ((1ULL << 40) - 1));
				v[j].checksum = sum_of(v[j].address);
			}
			sum = sum_of(index);
			gm_repair_commence(&t, index, &sum, 0, 1, 1);
			t1 = ns();
			expect(!gm_repair_complete(&t, index, &sum, 1, v, 1000),
			       "index");
			t0 += ns() - t1;
		}
		values += (double)t0 / 100000;
		gm_tracker_exit(&t);
	}
	sample("enqueue_table, new", 100, fresh / 5);
	sample("enqueue_table, duplicate", 40, again / 5);
	sample("index complete, a value", 15, values / 5);
	vfree(v);
}

static void print(u32 n, const char *what, bool goals)
{
	double load, least;
	int i;

	/* The first figure is the load. */
	qsort(figures[0].v, figures[0].n, sizeof(double), compare_double);
	load = figures[0].v[figures[0].n / 2];
	least = figures[0].v[0];
	printf("\n%u faults, %s; a dependent random load: %.1f ns (%.1f)\n", n,
	       what, load, least);
	printf("  %-34s %10s %8s %10s %8s%s\n", "", "ns", "loads", "(least",
	       "loads)", goals ? "       goal" : "");
	for (i = 1; i < figures_count; i++) {
		struct figure *f = &figures[i];
		double median;

		qsort(f->v, f->n, sizeof(*f->v), compare_double);
		median = f->v[f->n / 2];
		printf("  %-34s %10.1f ", f->name, median);
		if (strstr(f->name, "(us)"))
			printf("%8s %10.1f %8s", "", f->v[0], "");
		else
			printf("%8.2f %10.1f %8.2f", median / load, f->v[0],
			       f->v[0] / least);
		if (goals && f->goal)
			printf(" %10.0f%s", f->goal,
			       median <= f->goal  ? "  reached" :
			       f->v[0] <= f->goal ? "  reached at best" :
						    "");
		printf("\n");
	}
	figures_count = 0;
	memset(figures, 0, sizeof(figures));
}

int main(int argc, char **argv)
{
	const char *sizes = "10000,100000,1000000,4000000";
	int rounds = 5, opt, i;
	struct gm_limits limits;
	u32 n;

	while ((opt = getopt(argc, argv, "r:n:")) != -1) {
		switch (opt) {
		case 'r':
			rounds = atoi(optarg);
			break;
		case 'n':
			sizes = optarg;
			break;
		default:
			return 2;
		}
	}
	if (rounds < 1 || rounds > MANY)
		rounds = 5;
	while (*sizes) {
		int sequential;
		char *end;

		n = strtoul(sizes, &end, 10);
		sizes = *end ? end + 1 : end;
		if (n < 1000)
			return 2;
		limits = (struct gm_limits){ n, 0, 1 };
		address = get(n * sizeof(*address));
		shuffled = get(n * sizeof(*shuffled));
		vec = get(n * sizeof(*vec));
		for (sequential = 0; sequential < 2; sequential++) {
			choose(n, sequential);
			for (i = 0; i < rounds; i++) {
				sample("load", 0,
				       load_ns(gm_tracker_bytes(&limits)));
				one_round(n);
			}
			print(n, sequential ? "in sequence" : "at random",
			      n == 1000000);
		}
		printf("  memory, bytes a fault of capacity: %.2f\n",
		       (double)gm_tracker_bytes(&limits) / n);
		vfree(address);
		vfree(shuffled);
		vfree(vec);
	}

	limits = (struct gm_limits){ 1000, 2000, 1000 };
	for (i = 0; i < rounds; i++) {
		sample("load", 0, load_ns(gm_tracker_bytes(&limits)));
		tables_round();
	}
	print(100000, "of 1000 to 2000 tables", true);
	limits = (struct gm_limits){ 65536, 8, 16384 };
	printf("  memory with the default maxima, bytes a fault: %.2f\n",
	       (double)gm_tracker_bytes(&limits) / (65536 + 8 * 16384));
	return 0;
}
