// SPDX-License-Identifier: GPL-2.0
/*
 * random FIRST LAST [STEPS]: seeds of random operations on the tracker beside
 * its model (kunit/model.h), other operations in the pauses of its sweeps,
 * and a liveness phase at the end of each.  Exits 0 when all agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <linux/random.h>
#include <linux/sched.h>
#include "../../../kunit/model.h"

static const struct gm_limits random_limits[] = {
	{ 3, 2, 3 },  { 1, 1, 1 }, { 8, 3, 4 }, { 5, 0, 1 },
	{ 20, 8, 8 }, { 2, 1, 8 }, { 1, 8, 1 },
};

int main(int argc, char **argv)
{
	static struct model_run run;
	u64 seed, first, last;
	u32 steps, i, bad = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s FIRST LAST [STEPS]\n", argv[0]);
		return 2;
	}
	first = strtoull(argv[1], NULL, 0);
	last = strtoull(argv[2], NULL, 0);
	steps = argc > 3 ? strtoul(argv[3], NULL, 0) : 2000;
	shim_resched = model_pause;
	for (seed = first; seed <= last && bad < 5; seed++) {
		shim_seed = seed;
		if (model_begin(&run, &random_limits[seed % 7],
				model_random(seed)))
			return 2;
		for (i = 0; i < steps && model_step(&run); i++)
			;
		if (!run.failed)
			model_settle(&run);
		if (run.failed) {
			printf("seed %llu: %s\n", (unsigned long long)seed,
			       run.err);
			bad++;
		}
		model_end(&run);
	}
	if (!bad)
		printf("seeds %s to %s: %u operations each agree\n", argv[1],
		       argv[2], steps);
	return bad != 0;
}
