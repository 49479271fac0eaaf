// SPDX-License-Identifier: GPL-2.0
/*
 * Coverage-guided fuzzing of the tracker: the bytes choose the limits and the
 * operations of kunit/model_run.c, which compares the tracker with its model after
 * each.  Without a fuzzer (REPLAY) it runs the files it is given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <linux/random.h>
#include <linux/sched.h>
#include "../../../kunit/model.h"

static const struct gm_limits fuzz_limits[] = {
	{ 3, 2, 3 },  { 1, 1, 1 }, { 8, 3, 4 }, { 5, 0, 1 },
	{ 20, 8, 8 }, { 2, 1, 8 }, { 1, 8, 1 }, { 12, 2, 8 },
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct model_run run;

	if (!size)
		return 0;
	shim_seed = data[0] >> 3;
	shim_resched = model_pause;
	if (model_begin(&run, &fuzz_limits[data[0] % 8],
			model_bytes(data + 1, size - 1)))
		return 0;
	while (model_step(&run))
		;
	if (!run.failed)
		model_settle(&run);
	if (run.failed) {
		printf("%s\n", run.err);
		fflush(stdout);
		abort();
	}
	model_end(&run);
	return 0;
}

#include "replay_files.h"
