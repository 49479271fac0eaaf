// SPDX-License-Identifier: GPL-2.0
/*
 * What gridrepaird says about a device, asked as gridrepaird --status asks it.
 *
 * Nobody depends on its answer: a daemon may have its runtime directory
 * elsewhere, be stopped, or be another program.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl.h"
#include "helper.h"

#define ANSWER_MS 1000

/* A connection to one in @dir, or a negative errno. */
static int reach(const char *dir)
{
	struct sockaddr_un a;
	int err = gm_helper_address(&a, dir);

	/* One that is stopped takes no connection after some. */
	return err ? err : gm_helper_reach(&a, SOCK_NONBLOCK);
}

/* What it says, or NULL. */
static struct json_object *ask(void)
{
	double end = ctl_now() + ANSWER_MS / 1000.0, left;
	struct json_tokener *tokener;
	struct json_object *all = NULL;
	struct pollfd p = { .events = POLLIN };
	char buf[4096];
	bool last;
	ssize_t n;

	p.fd = reach(gm_helper_dir());
	/* We may run in a unit of another's, with a directory of its own. */
	if (p.fd < 0)
		p.fd = reach(HELPER_DIR);
	if (p.fd < 0)
		return NULL;
	tokener = json_tokener_new();
	for (last = !tokener; !all && !last;) {
		left = end - ctl_now();
		/* What came while we were kept from looking counts. */
		last = left <= 0;
		if (poll(&p, 1, last ? 0 : (int)(left * 1000) + 1) <= 0)
			continue;
		n = read(p.fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		all = json_tokener_parse_ex(tokener, buf, (int)n);
	}
	if (tokener)
		json_tokener_free(tokener);
	close(p.fd);
	return all;
}

/* Is it ours; or will it be, by the name that we have, once it is attached? */
static bool is_ours(const struct ctl *ctl, struct json_object *d,
		    uint64_t tracker)
{
	struct json_object *id = json_object_object_get(d, "tracker");
	const char *name =
		json_object_get_string(json_object_object_get(d, "device"));

	if (json_object_get_boolean(json_object_object_get(d, "attached")))
		return json_object_get_uint64(id) == tracker;
	return name && !strcmp(name, ctl->argv[0]);
}

int ctl_helper_settled(const struct ctl *ctl, uint64_t tracker)
{
	struct json_object *all = ask(), *devices, *d, *settled;
	int answer = -1, one;
	size_t i;

	devices = json_object_object_get(all, "devices");
	if (!json_object_is_type(devices, json_type_array))
		goto out;
	for (i = 0; i < json_object_array_length(devices); i++) {
		d = json_object_array_get_idx(devices, i);
		settled = json_object_object_get(d, "settled");
		/* An older one doesn't say. */
		if (!settled || !is_ours(ctl, d, tracker))
			continue;
		one = json_object_get_boolean(settled);
		answer = answer < 0 ? one : answer && one;
	}
out:
	json_object_put(all);
	return answer;
}
