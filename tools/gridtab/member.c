// SPDX-License-Identifier: GPL-2.0
/*
 * grid-member: is this disk below a grid?  For the udev rules (SPEC S2).
 *
 *	grid-member DEVNODE
 *
 * Run by 61-grid-member.rules for each block device, with the device's
 * properties in the environment.  When a line of /etc/gridtab names the device,
 * by its node or by one of its links, or ID_GRID_NAME is there already (a
 * partition has it from its disk), it prints properties for udev and ends with
 * 0; else with 1.  ID_GRID_LINKS is what is left of the links without those by
 * what lies on the disk: udev learnt to take away single ones only in version
 * 253.  It opens nothing but the table.
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

static void print_links(const char *links)
{
	size_t len;

	fputs("ID_GRID_LINKS=", stdout);
	for (; *links; links += len) {
		links += strspn(links, " ");
		len = strcspn(links, " ");
		/* Rules name links below /dev. */
		if (strncmp(links, "/dev/", 5) ||
		    !strncmp(links, "/dev/disk/by-uuid/", 18) ||
		    !strncmp(links, "/dev/disk/by-label/", 19))
			continue;
		printf("%.*s ", (int)len - 5, links + 5);
	}
	putchar('\n');
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
	if (!links)
		links = "";
	if (getenv("ID_GRID_NAME") && *getenv("ID_GRID_NAME")) {
		print_links(links);
		return 0;
	}
	if (gridtab_read(path, &tab))
		return 1;
	for (i = 0; i < tab.count; i++) {
		/* A line with another fault still says whose the disk is. */
		e = &tab.entries[i];
		if (!e->name)
			continue;
		if (is_device(e->data, argv[1], links))
			role = "data";
		else if (is_device(e->metadata, argv[1], links))
			role = "metadata";
		else
			continue;
		printf("ID_GRID_NAME=%s\nID_GRID_ROLE=%s\n", e->name, role);
		print_links(links);
		return 0;
	}
	return 1;
}
