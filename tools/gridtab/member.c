// SPDX-License-Identifier: GPL-2.0
/*
 * grid-member: is this disk below a grid?  For the udev rules (SPEC S2).
 *
 *	grid-member DEVNODE
 *
 * Run by 63-zz-grid-member.rules for each block device, with the device's
 * properties in the environment.  When a line of /etc/gridtab names the device,
 * by its node, one of its links or a link to these, or grid metadata begins it, or
 * ID_GRID_ROLE is there already (a partition has it from its disk), it prints
 * properties for udev and ends with 0; else with 1.  ID_GRID_LINKS is what is left of the links
 * without those by what lies on the disk: udev learnt to take away single ones
 * only in version 253.
 *
 * Only a device of which udev knows no content, and which may be read at this
 * time, is opened: a grid is never, since a read of a missing block waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gridtab.h"

/* GRID_META_MAGIC of <linux/grid_metadata.h>, which wants the kernel's types. */
#define MAGIC "gridmeta"

#define LINKS_MAX 16

/* Is @path the node, or one of the links (separated by blanks)? */
static bool is_name(const char *path, const char *node, const char *links)
{
	size_t len = strlen(path);
	const char *hit;

	if (!strcmp(path, node))
		return true;
	for (hit = links; len && (hit = strstr(hit, path)); hit += len)
		if ((hit == links || hit[-1] == ' ') &&
		    (!hit[len] || hit[len] == ' '))
			return true;
	return false;
}

/* Its directory without links and dots, where that is there. */
static void clean(char path[PATH_MAX])
{
	char directory[PATH_MAX], cleaned[PATH_MAX];
	char *base = strrchr(path, '/');

	*base = 0;
	if (!realpath(*path ? path : "/", directory))
		strcpy(directory, path);
	*base = '/';
	if ((size_t)snprintf(cleaned, sizeof(cleaned), "%s%s",
			     strcmp(directory, "/") ? directory : "",
			     base) < sizeof(cleaned))
		strcpy(path, cleaned);
}

/* Where the link @path leads; false: it is none. */
static bool follow(char path[PATH_MAX])
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	char *to = path;

	if (n <= 0)
		return false;
	target[n] = 0;
	if (*target != '/')
		to = strrchr(path, '/') + 1;
	if (to - path + n >= PATH_MAX)
		return false;
	strcpy(to, target);
	return true;
}

/*
 * Does the line mean this device?  By a link of somebody's own, too.  What udev is
 * to make of this very event isn't there yet, so each step is compared by its name.
 */
static bool is_device(const char *disk, const char *node, const char *links)
{
	char path[PATH_MAX];
	int i;

	if (!gridtab_path(disk, path) || *path != '/')
		return false;
	for (i = 0; i < LINKS_MAX; i++) {
		if (is_name(path, node, links))
			return true;
		clean(path);
		if (is_name(path, node, links))
			return true;
		if (!follow(path))
			return false;
	}
	return false;
}

/* Is that link named by what lies on the disk?  Also one of a partition, by-path. */
static bool by_content(const char *link, size_t len)
{
	return memmem(link, len, "/by-uuid/", 9) ||
	       memmem(link, len, "/by-label/", 10);
}

static void print_links(const char *links)
{
	size_t len;

	fputs("ID_GRID_LINKS=", stdout);
	for (; *links; links += len) {
		links += strspn(links, " ");
		len = strcspn(links, " ");
		/* Rules name links below /dev. */
		if (strncmp(links, "/dev/", 5) || by_content(links, len))
			continue;
		printf("%.*s ", (int)len - 5, links + 5);
	}
	putchar('\n');
}

static bool property(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* Does grid metadata begin it?  @noscan: "1" when device-mapper's rules forbid to look. */
static bool has_metadata(const char *node, const char *noscan)
{
	const char *uuid = getenv("DM_UUID");
	char magic[sizeof(MAGIC) - 1];
	bool has;
	int fd;

	if (property("ID_FS_TYPE") || property("ID_PART_TABLE_TYPE") ||
	    (uuid && !strncmp(uuid, "GRID-", 5)) ||
	    (noscan && !strcmp(noscan, "1")))
		return false;
	fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	has = pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	      !memcmp(magic, MAGIC, sizeof(magic));
	close(fd);
	return has;
}

int main(int argc, char **argv)
{
	const char *path = getenv("GRIDTAB") ? getenv("GRIDTAB") : GRIDTAB_PATH;
	const char *links = getenv("DEVLINKS"), *role = NULL;
	const struct gridtab_entry *e;
	struct gridtab tab;
	size_t i;

	if (argc != 2 && argc != 3) {
		fputs("usage: grid-member DEVNODE [NOSCAN]\nRun by udev; see gridtab(5).\n",
		      stderr);
		return 2;
	}
	if (!links)
		links = "";
	if (property("ID_GRID_ROLE")) {
		print_links(links);
		return 0;
	}
	memset(&tab, 0, sizeof(tab));
	if (gridtab_read(path, &tab))
		tab.count = 0;
	for (i = 0; i < tab.count && !role; i++) {
		/* A line with another fault still says whose the disk is. */
		e = &tab.entries[i];
		if (!e->data)
			continue;
		if (is_device(e->data, argv[1], links))
			role = "data";
		else if (is_device(e->metadata, argv[1], links))
			role = "metadata";
		if (role && e->name)
			printf("ID_GRID_NAME=%s\n", e->name);
	}
	gridtab_free(&tab);
	if (!role && has_metadata(argv[1], argv[2] ?: getenv("DM_NOSCAN")))
		role = "metadata";
	if (!role)
		return 1;
	printf("ID_GRID_ROLE=%s\n", role);
	print_links(links);
	return 0;
}
