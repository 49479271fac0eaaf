// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl monitor: what happens to a device, as it happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"

/* An event of more than one block. */
static void print_whole(const struct grid_missing_event *e)
{
	const char *what =
		e->reason <= GRID_MISSING_WHY_TABLE_CANCELLED	  ? "table" :
		e->reason <= GRID_MISSING_WHY_CHECKPOINT_REVERTED ? "id" :
								    "";

	if (*what && e->address)
		printf("%s %" PRIu64 " ", what, (uint64_t)e->address);
	printf("%s", gm_why_name(e->reason));
	if (e->count)
		printf(" (%" PRIu64 ")", (uint64_t)e->count);
	printf("  ");
}

static void print_event(const struct ctl *ctl,
			const struct grid_missing_event *e)
{
	struct timespec boot, real;
	struct json_object *o;
	char clock[32];
	struct tm tm;
	int64_t ns;
	time_t t;

	if (ctl->json) {
		o = ctl_object();
		ctl_put_u64(o, "sequence", e->sequence);
		if (e->lost) {
			ctl_put_u64(o, "lost", e->lost);
		} else {
			ctl_put_u64(o, "time_ns", e->time_ns);
			ctl_put_string(o, "reason", gm_why_name(e->reason));
			ctl_put_u64(o, "address", e->address);
			ctl_put_string(o, "state", gm_state_name(e->state));
			ctl_put_u64(o, "count", e->count);
			ctl_put_u64(o, "who", e->who);
		}
		ctl_print(o);
		return;
	}
	if (e->lost) {
		printf("(%" PRIu64 " events were lost here)\n",
		       (uint64_t)e->lost);
		return;
	}
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	ns = real.tv_sec * 1000000000LL + real.tv_nsec -
	     (boot.tv_sec * 1000000000LL + boot.tv_nsec) + (int64_t)e->time_ns;
	t = ns / 1000000000;
	localtime_r(&t, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%s.%03d  ", clock, (int)(ns / 1000000 % 1000));
	if (e->reason >= GRID_MISSING_WHY_VALUES_ENQUEUED)
		print_whole(e);
	else
		printf("block %-12" PRIu64 " %-14s now %-8s  ",
		       (uint64_t)e->address, gm_why_name(e->reason),
		       gm_state_name(e->state));
	if (e->who)
		printf("by pid %u\n", e->who);
	else
		puts("by the kernel");
}

int verb_monitor(struct ctl *ctl)
{
	uint64_t count = UINT64_MAX, timeout = 0;
	struct grid_missing_event v[64];
	struct grid_missing_query q;
	struct pollfd p = { .fd = -1, .events = POLLIN };
	struct gm_dev dev;
	double start = ctl_now(), left;
	int code, err, n, i;

	if (!ctl_u64(ctl, "count", &count) || !ctl_ms(ctl, "timeout", &timeout))
		return CTL_USAGE;
	code = ctl_attach(ctl, &dev, O_RDONLY | O_NONBLOCK);
	if (code)
		return code;
	err = gm_query(&dev, &q);
	if (!err && !(q.features & GRID_MISSING_FEATURE_EVENTS)) {
		gm_close(&dev);
		return ctl_fail(
			ctl, CTL_FAILED,
			"this module has no events (it is older than gridctl); \"gridctl status --watch=1s\" works");
	}
	if (!err) {
		p.fd = gm_events(&dev, O_NONBLOCK);
		err = p.fd < 0 ? p.fd : 0;
	}
	while (!err && count) {
		n = gm_read_events(p.fd, v, 64);
		if (n < 0 && n != -EAGAIN && n != -EINTR) {
			err = n;
			break;
		}
		for (i = 0; i < n && count; i++, count--)
			print_event(ctl, &v[i]);
		if (n > 0)
			continue;
		fflush(stdout);
		if (!n) {
			err = -ENODEV;
			break;
		}
		left = -1;
		if (ctl_option(ctl, "timeout")) {
			left = (double)timeout - (ctl_now() - start) * 1000;
			if (left <= 0)
				break;
		}
		poll(&p, 1,
		     left < 0	     ? -1 :
		     left >= INT_MAX ? INT_MAX :
				       (int)left + 1);
	}
	if (p.fd >= 0)
		close(p.fd);
	gm_close(&dev);
	return err ? ctl_error(ctl, err, "%s", ctl->argv[0]) : CTL_GOOD;
}
