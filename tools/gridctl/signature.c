// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl: what lies on a disk, and what of it ahead of a grid, by libblkid.
 *
 * A grid carries what a replica holds, a file system too; that is its own.  A
 * signature before its begin is somebody else's: of something that has the whole
 * disk, and that the grid would lie in the midst of.
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "ctl.h"

static int failed(const struct ctl *ctl, const char *path)
{
	return ctl_fail(ctl, CTL_FAILED,
			"%s: can't look what is on it (libblkid)", path);
}

blkid_probe ctl_probe(const struct ctl *ctl, const char *path, int fd,
		      uint64_t start)
{
	blkid_probe probe = blkid_new_probe();

	if (!probe ||
	    blkid_probe_set_device(probe, fd, (blkid_loff_t)start, 0)) {
		blkid_free_probe(probe);
		failed(ctl, path);
		return NULL;
	}
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE |
							 BLKID_SUBLKS_MAGIC);
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC);
	return probe;
}

/* The name of what begins below @begin: 1; 0 if there is nothing, or an errno. */
static int find(blkid_probe probe, uint64_t begin, char *name, size_t size)
{
	const char *type, *at;
	int err;

	while (!(err = blkid_do_probe(probe))) {
		if ((blkid_probe_lookup_value(probe, "SBMAGIC_OFFSET", &at,
					      NULL) ||
		     blkid_probe_lookup_value(probe, "TYPE", &type, NULL)) &&
		    (blkid_probe_lookup_value(probe, "PTMAGIC_OFFSET", &at,
					      NULL) ||
		     blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL)))
			continue;
		if (strtoull(at, NULL, 10) >= begin)
			continue;
		snprintf(name, size, "%s", type);
		return 1;
	}
	return err < 0 ? -EIO : 0;
}

int ctl_check_ahead(const struct ctl *ctl, const char *path, int fd,
		    uint64_t begin)
{
	blkid_probe probe;
	char name[64];
	int found;

	if (!begin || ctl_option(ctl, "force"))
		return CTL_GOOD;
	probe = ctl_probe(ctl, path, fd, 0);
	if (!probe)
		return CTL_FAILED;
	found = find(probe, begin, name, sizeof(name));
	blkid_free_probe(probe);
	if (found < 0)
		return failed(ctl, path);
	if (!found)
		return CTL_GOOD;
	return ctl_fail(
		ctl, CTL_FAILED,
		"%s holds %s ahead of byte %" PRIu64
		", in the midst of which the grid would lie: another device or --offset, or --force",
		path, name, begin);
}
