// SPDX-License-Identifier: GPL-2.0
/*
 * How far something long is, how long it will take, and whether it ever ends.
 */
#include <inttypes.h>

#include "ctl.h"

void ctl_format_left(double seconds, char *text, size_t size)
{
	if (seconds > 359999)
		snprintf(text, size, "days");
	else if (seconds >= 60)
		snprintf(text, size, "%d:%02d:%02d", (int)seconds / 3600,
			 (int)seconds / 60 % 60, (int)seconds % 60);
	else
		snprintf(text, size, "%.0f s", seconds);
}

void ctl_progress(const char *what, uint64_t done, uint64_t left,
		  uint32_t block_size, double seconds, bool terminal)
{
	double part = done + left ? (double)done / (double)(done + left) : 1;
	double rate = seconds > 0 ? (double)done / seconds : 0;
	int i, full = (int)(part * 30);
	/* All of it only when it is all. */
	double percent = left && part > 0.999 ? 99.9 : 100 * part;
	char human[32], time[32] = "?";

	gm_format_size((uint64_t)(rate * block_size), human, sizeof(human));
	if (rate > 0)
		ctl_format_left((double)left / rate, time, sizeof(time));
	if (terminal)
		fputc('\r', stderr);
	fputs(what, stderr);
	if (terminal) {
		fputc('[', stderr);
		for (i = 0; i < 30; i++)
			fputc(i < full && (i < 29 || !left) ? '#' : '.',
			      stderr);
		fputs("] ", stderr);
	}
	fprintf(stderr,
		"%5.1f %%  %" PRIu64 " of %" PRIu64
		" blocks, %.0f/s (%s/s), %s left%s",
		percent, done, done + left, rate, human, time,
		terminal ? "   \033[K" : "\n");
	fflush(stderr);
}

#define HELPER_SECONDS 1 /* one that is just starting is none to miss */

#define STUCK_SECONDS 2 /* a helper may ask again, and doesn't say */

bool ctl_no_helper(const struct ctl *ctl, const struct grid_missing_status *s,
		   double seconds)
{
	if (s->helpers || seconds < HELPER_SECONDS)
		return false;
	ctl_note(
		ctl,
		"%s: no helper is attached, so nothing is repaired (see gridrepaird)",
		ctl->argv[0]);
	return true;
}

bool ctl_stuck(const struct ctl *ctl, const struct grid_missing_status *s,
	       struct ctl_stuck *stuck)
{
	double now = ctl_now();
	int settled;

	/* What has no slot can't be marked, and gets one when another is repaired. */
	if (!s->unavailable || s->unavailable < ctl_missing(s) - s->lost) {
		*stuck = (struct ctl_stuck){ 0 };
		return false;
	}
	/* It said so before it was looked again, and found the same. */
	if (stuck->settled)
		return true;
	settled = ctl_helper_settled(ctl, s->id);
	if (settled >= 0) {
		stuck->settled = settled;
		stuck->since = 0;
		return false;
	}
	if (!stuck->since)
		stuck->since = now;
	return !s->helpers || now - stuck->since >= STUCK_SECONDS;
}

int ctl_unavailable(const struct ctl *ctl, const struct grid_missing_status *s)
{
	char lost[64] = "";

	if (s->lost)
		snprintf(lost, sizeof(lost), " (%" PRIu64 " more have no slot)",
			 (uint64_t)s->lost);
	return ctl_fail(
		ctl, CTL_UNAVAILABLE,
		"%s: all %" PRIu64 " blocks left are marked unavailable%s%s",
		ctl->argv[0], (uint64_t)(ctl_missing(s) - s->lost), lost,
		s->helpers ?
			": no source has them, or none is there (\"gridctl retry\" tries them again)" :
			", and no helper is attached (see gridrepaird)");
}
