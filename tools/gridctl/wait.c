// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl wait: until a device is clean, or its checkpoint durable.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

int verb_wait(struct ctl *ctl)
{
	const char *until = ctl_option(ctl, "until");
	bool checkpoint = until && !strcmp(until, "checkpoint");
	bool terminal = isatty(STDERR_FILENO), told = false, held,
	     stuck = false;
	bool show = !ctl->json && (terminal || ctl_option(ctl, "progress"));
	struct grid_missing_status s, first;
	uint64_t timeout = 0;
	struct ctl_stuck still = { 0 };
	double start, now, next = 0;
	struct gm_dev dev;
	unsigned int step = 10;
	int code, err;

	if (until && !checkpoint && strcmp(until, "clean"))
		return ctl_fail(ctl, CTL_USAGE,
				"--until=%s: must be clean or checkpoint",
				until);
	if (!ctl_ms(ctl, "timeout", &timeout))
		return CTL_USAGE;
	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	start = ctl_now();
	err = gm_status(&dev, &first);
	for (; !err; err = gm_status(&dev, &s)) {
		if (!next)
			s = first;
		now = ctl_now();
		held = checkpoint ? s.state & GRID_MISSING_STATUS_CHECKPOINT :
				    ctl_missing(&s);
		if (show && (!held || now >= next || !next)) {
			ctl_progress("", s.repaired - first.repaired,
				     ctl_missing(&s), s.block_size, now - start,
				     terminal);
			next = now + (terminal ? 0.2 : 2);
		} else if (!next) {
			next = now;
		}
		if (!held)
			break;
		if (!checkpoint && !told)
			told = ctl_no_helper(ctl, &s, now - start);
		if (ctl_option(ctl, "timeout") &&
		    now - start >= (double)timeout / 1000) {
			if (show && terminal)
				fputc('\n', stderr);
			gm_close(&dev);
			if (checkpoint)
				return ctl_fail(
					ctl, CTL_TIMEOUT,
					"%s: the checkpoint is still open: timed out",
					ctl->argv[0]);
			return ctl_fail(ctl, CTL_TIMEOUT,
					"%s: %" PRIu64
					" blocks are still missing (%" PRIu64
					" unavailable, %u helpers): timed out",
					ctl->argv[0], ctl_missing(&s),
					(uint64_t)s.unavailable, s.helpers);
		}
		if (!checkpoint && ctl_stuck(ctl, &s, &still)) {
			stuck = true;
			break;
		}
		ctl_pause(step);
		if (step < 100)
			step *= 2;
	}
	gm_close(&dev);
	if (show && terminal)
		fputc('\n', stderr);
	if (err)
		return ctl_error(ctl, err, "%s", ctl->argv[0]);
	if (ctl->json)
		ctl_status_json(ctl, &dev, &s, 0);
	return stuck ? ctl_unavailable(ctl, &s) : CTL_GOOD;
}
