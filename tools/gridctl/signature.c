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

int ctl_next_signature(blkid_probe probe, const char **name, uint64_t *at)
{
	const char *offset;
	int err;

	while (!(err = blkid_do_probe(probe))) {
		if ((blkid_probe_lookup_value(probe, "SBMAGIC_OFFSET", &offset,
					      NULL) ||
		     blkid_probe_lookup_value(probe, "TYPE", name, NULL)) &&
		    (blkid_probe_lookup_value(probe, "PTMAGIC_OFFSET", &offset,
					      NULL) ||
		     blkid_probe_lookup_value(probe, "PTTYPE", name, NULL)))
			continue;
		*at = strtoull(offset, NULL, 10);
		return 1;
	}
	return err < 0 ? -EIO : 0;
}

int ctl_check_ahead(const struct ctl *ctl, const char *path, int fd,
		    uint64_t begin)
{
	blkid_probe probe;
	const char *name;
	uint64_t at;
	int found, code = CTL_GOOD;

	if (!begin || ctl_option(ctl, "force"))
		return CTL_GOOD;
	probe = ctl_probe(ctl, path, fd, 0);
	if (!probe)
		return CTL_FAILED;
	while ((found = ctl_next_signature(probe, &name, &at)) > 0)
		if (at < begin)
			break;
	if (found < 0)
		code = failed(ctl, path);
	else if (found)
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s holds %s ahead of byte %" PRIu64
			", in the midst of which the grid would lie: another device or --offset, or --force",
			path, name, begin);
	blkid_free_probe(probe);
	return code;
}
