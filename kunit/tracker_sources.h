/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracker's sources, included rather than linked, so that nothing need be
 * exported for its suites and each may choose its own figures (GM_SLICE...).
 */
#include "../kmod/tracker/tracker.c"
#include "../kmod/tracker/batch.c"
#include "../kmod/tracker/fault.c"
#include "../kmod/tracker/jump.c"
#include "../kmod/tracker/memory.c"
#include "../kmod/tracker/record.c"
#include "../kmod/tracker/repair.c"
#include "../kmod/tracker/sweep.c"
#include "../kmod/tracker/table.c"
#include "../kmod/tracker/verify.c"
