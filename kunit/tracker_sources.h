/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracker's sources, included rather than linked, so that nothing need be
 * exported for its suites and each may choose its own figures (GM_SLICE...).
 */
#include "../kmod/tracker.c"
#include "../kmod/tracker_batch.c"
#include "../kmod/tracker_fault.c"
#include "../kmod/tracker_jump.c"
#include "../kmod/tracker_memory.c"
#include "../kmod/tracker_repair.c"
#include "../kmod/tracker_sweep.c"
#include "../kmod/tracker_table.c"
#include "../kmod/tracker_verify.c"
