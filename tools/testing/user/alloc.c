// SPDX-License-Identifier: GPL-2.0
/*
 * T1: all memory is taken at creation, as much as gm_tracker_bytes() says, and
 * every allocation may fail.
 */
#include <errno.h>
#include <stdio.h>
#include <linux/vmalloc.h>
#include "../../../kmod/tracker/tracker.h"

static const struct gm_limits limits[] = {
	{ 1, 0, 1 },
	{ 1, 1, 1 },
	{ 100, 8, 128 },
	{ 10000, 100, 1000 },
};

static int say(int ok, const char *what)
{
	static int n;

	printf("%s %d alloc.%s\n", ok ? "ok" : "not ok", ++n, what);
	return !ok;
}

int main(void)
{
	static struct gm_tracker t;
	int bytes = 1, failing = 1, later = 1, bad = 0;
	unsigned int i;
	u64 a, n;

	for (i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		shim_bytes = 0;
		shim_allocs = 0;
		shim_alloc_fail = 0;
		if (gm_tracker_init(&t, &limits[i], NULL))
			return 2;
		n = shim_allocs;
		/* An array without elements still takes a byte. */
		if (shim_bytes < gm_tracker_bytes(&limits[i]) ||
		    shim_bytes > gm_tracker_bytes(&limits[i]) + 2)
			bytes = 0;
		for (a = 0; a < limits[i].blocks_max; a++)
			gm_enqueue_block(&t, a, NULL,
					 GRID_MISSING_WHY_ENQUEUED);
		gm_enqueue_table(&t, a, NULL);
		gm_cancel_all(&t, false);
		later &= shim_allocs == n;
		gm_tracker_exit(&t);
		for (a = 1; a <= n; a++) {
			shim_allocs = 0;
			shim_alloc_fail = a;
			failing &= gm_tracker_init(&t, &limits[i], NULL) ==
				   -ENOMEM;
		}
	}
	bad |= say(bytes, "t01_bytes");
	bad |= say(later, "t01_nothing_later");
	bad |= say(failing, "t01_every_failure");
	printf("1..3\n");
	return bad;
}
