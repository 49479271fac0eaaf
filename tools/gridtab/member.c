// SPDX-License-Identifier: GPL-2.0
/*
 * grid-member: is this disk below a grid?  For the udev rules (SPEC S2).
 *
 *	grid-member DEVNODE
 *
 * Run by 61-grid-member.rules for each block device, with the device's
 * properties in the environment.  When a line of /etc/gridtab names the device,
 * by its node or by one of its links, it prints properties for udev and ends
 * with 0; else with 1.  It opens nothing but the table: what a disk's links say
 * udev knows already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gridtab.h"

/* Is @path the node, or one of the links (separated by blanks)? */
static bool is_device(const char *disk, const char *node, const char *links)
{
	char path[PATH_MAX];
	const char *hit;
	size_t len;

	if (!gridtab_path(disk, path))
		return false;
	if (!strcmp(path, node))
		return true;
	len = strlen(path);
	for (hit = links; len && (hit = strstr(hit, path)); hit += len)
		if ((hit == links || hit[-1] == ' ') &&
		    (!hit[len] || hit[len] == ' '))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const char *path = getenv("GRIDTAB") ? getenv("GRIDTAB") : GRIDTAB_PATH;
	const char *links = getenv("DEVLINKS"), *role;
	const struct gridtab_entry *e;
	struct gridtab tab;
	size_t i;

	if (argc != 2) {
		fputs("usage: grid-member DEVNODE\nRun by udev; see gridtab(5).\n",
		      stderr);
		return 2;
	}
	if (gridtab_read(path, &tab))
		return 1;
	for (i = 0; i < tab.count; i++) {
		/* A line with another fault still says whose the disk is. */
		e = &tab.entries[i];
		if (!e->name)
			continue;
		if (is_device(e->data, argv[1], links ? links : ""))
			role = "data";
		else if (is_device(e->metadata, argv[1], links ? links : ""))
			role = "metadata";
		else
			continue;
		printf("ID_GRID_NAME=%s\nID_GRID_ROLE=%s\n", e->name, role);
		return 0;
	}
	return 1;
}
