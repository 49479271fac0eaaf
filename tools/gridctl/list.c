// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl list: the trackers there are, devices' and programs' own.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ctl.h"

int verb_list(struct ctl *ctl)
{
	struct grid_missing_tracker v[64];
	char human[32], device[32];
	struct json_object *o;
	uint64_t cursor = 0;
	struct gm_dev dev;
	int err, n, i;

	err = ctl_open(ctl, &dev, O_RDONLY);
	if (err)
		return err;
	if (!ctl->json)
		printf("%6s  %-8s  %-20s %10s %12s %12s\n", "ID", "DEVICE",
		       "NAME", "BLOCK", "BLOCKS", "MISSING");
	while (cursor != GM_CURSOR_END) {
		n = gm_list_trackers(&dev, &cursor, v, 64);
		if (n < 0) {
			gm_close(&dev);
			return ctl_error(ctl, n, "%s", GRID_MISSING_DEVICE);
		}
		for (i = 0; i < n; i++) {
			v[i].name[sizeof(v[i].name) - 1] = 0;
			/* It may have been renamed since the tracker was made. */
			if (v[i].block_size)
				gm_dm_name(v[i].major, v[i].minor, v[i].name,
					   sizeof(v[i].name));
			snprintf(device, sizeof(device), "%u:%u", v[i].major,
				 v[i].minor);
			if (ctl->json) {
				o = ctl_object();
				ctl_put_u64(o, "id", v[i].id);
				ctl_put_string(o, "name", v[i].name);
				ctl_put_string(o, "device", device);
				ctl_put_bool(o, "private", !v[i].block_size);
				ctl_put_u64(o, "block_size", v[i].block_size);
				ctl_put_u64(o, "blocks", v[i].blocks);
				ctl_put_u64(o, "missing", v[i].faults);
				ctl_print(o);
				continue;
			}
			printf("%6" PRIu64 "  %-8s  %-20s %10s %12" PRIu64
			       " %12" PRIu64 "\n",
			       (uint64_t)v[i].id,
			       v[i].block_size ? device : "private", v[i].name,
			       gm_format_size(v[i].block_size, human,
					      sizeof(human)),
			       (uint64_t)v[i].blocks, (uint64_t)v[i].faults);
		}
	}
	gm_close(&dev);
	return CTL_GOOD;
}
