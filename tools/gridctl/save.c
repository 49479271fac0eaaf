// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl save, load: what is missing, over a planned stop.
 *
 * The file is text: a header that says of which device it is, then a line for
 * each fault or table, then "end" with their number, so that a file cut short
 * is known as such.  Values of a table whose index is written already are kept
 * as single blocks: which of them are missing is what counts, and the index is
 * good.
 *
 * A save is true only for the stop it was made for.  So it is made of a
 * suspended device, it is refused in another boot unless the operator says that
 * the reboot was planned, and "load" renames it when it is done.  What is
 * released but not yet freed is not in it: the interface cannot list that;
 * "save" refuses while there is any.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define HEADER "grid-missing save 1"

static int boot_id(char id[64])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(id, 64, f))
		strcpy(id, "unknown");
	if (f)
		fclose(f);
	id[strcspn(id, "\n")] = 0;
	return 0;
}

/* Write the file beside its place, then put it there. */
static int write_save(const struct ctl *ctl, const struct gm_dev *dev,
		      const struct grid_missing_fault *v, size_t count)
{
	const char *path = ctl->argv[1];
	char temporary[4096], boot[64], sum[GM_CHECKSUM_TEXT];
	bool table;
	size_t i;
	FILE *f;
	int err;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >=
	    (int)sizeof(temporary))
		return ctl_fail(ctl, CTL_FAILED, "%s: the name is too long",
				path);
	f = fopen(temporary, "we");
	if (!f)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", temporary,
				strerrordesc_np(errno));
	boot_id(boot);
	fprintf(f,
		HEADER "\nboot_id %s\nblock_size %u\nblocks %" PRIu64
		       "\nchecksum %s\n",
		boot, dev->block_size, dev->blocks,
		*dev->checksum ? dev->checksum : "none");
	for (i = 0; i < count; i++) {
		table = v[i].cause == GRID_MISSING_CAUSE_TABLE_INDEX;
		fprintf(f, "%s %" PRIu64 " %s\n", table ? "table" : "block",
			(uint64_t)v[i].address,
			v[i].flags & GRID_MISSING_F_NO_CHECKSUM ?
				"-" :
				gm_format_checksum(&v[i].checksum, sum));
	}
	fprintf(f, "end %zu\n", count);
	err = fflush(f) || ferror(f) || fsync(fileno(f)) ? errno : 0;
	if (fclose(f) && !err)
		err = errno;
	if (!err && rename(temporary, path))
		err = errno;
	if (err) {
		unlink(temporary);
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", path,
				strerrordesc_np(err));
	}
	return CTL_GOOD;
}

int verb_save(struct ctl *ctl)
{
	struct grid_missing_fault *v = NULL;
	struct grid_missing_status s;
	struct gm_dev dev;
	size_t count = 0;
	char name[128];
	int code, err;

	code = ctl_dm_name(ctl, name, sizeof(name));
	if (code)
		return code;
	code = ctl_attach(ctl, &dev, O_RDONLY);
	if (code)
		return code;
	if (ctl_option(ctl, "suspend")) {
		err = gm_dm_suspend(name);
		if (err) {
			code = ctl_error(ctl, err, "%s: suspend", name);
			goto out_close;
		}
	}
	err = gm_status(&dev, &s);
	if (err) {
		code = ctl_error(ctl, err, "%s", name);
		goto out_close;
	}
	if (!(s.flags & GRID_MISSING_STATUS_SUSPENDED)) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s is not suspended: dmsetup suspend it first, or use --suspend",
			name);
		goto out_close;
	}
	if (s.released || s.discarding) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: %" PRIu64
			" blocks are released and not yet freed, which a save cannot hold: resume it, \"gridctl checkpoint %s\", and again",
			name, (uint64_t)(s.released + s.discarding), name);
		goto out_close;
	}
	code = ctl_all_faults(ctl, &dev, &v, &count);
	if (!code)
		code = write_save(ctl, &dev, v, count);
	if (!code && !ctl->json)
		printf("%s: %zu missing blocks are in %s; the device stays suspended\n",
		       name, count, ctl->argv[1]);
	free(v);
out_close:
	gm_close(&dev);
	return code;
}

/* Read and check all of the file; CTL_GOOD or an exit code. */
static int read_save(const struct ctl *ctl, const struct gm_dev *dev,
		     struct grid_missing_block **blocks, size_t *count)
{
	struct grid_missing_block *v = NULL, *more;
	char line[512], boot[64], key[32], sum[160], extra, checksum[64] = "?";
	const char *path = ctl->argv[1], *what = NULL;
	unsigned long number = 0;
	uint64_t address, n = 0, room = 0, size = 0, device_blocks = 0;
	bool ended = false, same_boot = false;
	FILE *f;

	boot_id(boot);
	f = fopen(path, "re");
	if (!f)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", path,
				strerrordesc_np(errno));
	while (!what && fgets(line, sizeof(line), f)) {
		number++;
		line[strcspn(line, "\n")] = 0;
		if (number == 1) {
			if (strcmp(line, HEADER))
				what = "this is no file of \"gridctl save\"";
			continue;
		}
		if (ended) {
			what = "there is more after the end";
		} else if (sscanf(line, "boot_id %159s%c", sum, &extra) == 1) {
			same_boot = !strcmp(sum, boot);
		} else if (sscanf(line, "checksum %63s%c", checksum, &extra) ==
			   1) {
			continue;
		} else if (sscanf(line, "block_size %159s%c", sum, &extra) ==
			   1) {
			if (gm_parse_u64(sum, &size))
				what = "not a number";
		} else if (sscanf(line, "blocks %159s%c", sum, &extra) == 1) {
			if (gm_parse_u64(sum, &device_blocks))
				what = "not a number";
		} else if (sscanf(line, "end %159s%c", sum, &extra) == 1) {
			ended = true;
			if (gm_parse_u64(sum, &address) || address != n)
				what = "the number of blocks is another";
		} else if (sscanf(line, "%31s %63s %159s%c", key, boot, sum,
				  &extra) == 3 &&
			   (!strcmp(key, "block") || !strcmp(key, "table"))) {
			if (n == room) {
				room = room ? 2 * room : 4096;
				more = realloc(v, room * sizeof(*v));
				if (!more) {
					what = "memory is out";
					continue;
				}
				v = more;
			}
			memset(&v[n], 0, sizeof(v[n]));
			if (!strcmp(key, "table"))
				v[n].flags |= GRID_MISSING_F_TABLE;
			if (!strcmp(sum, "-"))
				v[n].flags |= GRID_MISSING_F_NO_CHECKSUM;
			else if (gm_parse_checksum(sum, &v[n].checksum))
				what = "not a checksum";
			if (gm_parse_u64(boot, &address))
				what = "not a block address";
			else if (address >= dev->blocks)
				what = "the block lies beyond the end of the device";
			v[n++].address = address;
		} else {
			what = "unknown line";
		}
	}
	fclose(f);
	if (what) {
		ctl_fail(ctl, CTL_FAILED, "%s:%lu: %s; nothing was changed",
			 path, number, what);
	} else if (!ended) {
		ctl_fail(ctl, CTL_FAILED,
			 "%s is cut short; nothing was changed", path);
	} else if (size != dev->block_size || device_blocks != dev->blocks ||
		   strcmp(checksum, *dev->checksum ? dev->checksum : "none")) {
		ctl_fail(ctl, CTL_FAILED,
			 "%s is of a grid of %" PRIu64 " blocks of %" PRIu64
			 " bytes (checksum %s), %s has %" PRIu64
			 " of %u (%s); nothing was changed",
			 path, device_blocks, size, checksum, ctl->argv[0],
			 dev->blocks, dev->block_size,
			 *dev->checksum ? dev->checksum : "none");
	} else if (!same_boot && !ctl_option(ctl, "planned-reboot")) {
		ctl_fail(
			ctl, CTL_FAILED,
			"%s was saved in another boot: if the machine crashed, it is wrong, and only your application's checksums can say what is missing; if not, --planned-reboot",
			path);
	} else {
		*blocks = v;
		*count = n;
		return CTL_GOOD;
	}
	free(v);
	return CTL_FAILED;
}

int verb_load(struct ctl *ctl)
{
	struct grid_missing_block *v = NULL;
	char used[4096];
	size_t count = 0, done = 0, i;
	uint64_t failed = 0;
	struct gm_dev dev;
	int code, err;

	code = ctl_attach(ctl, &dev, O_RDWR);
	if (code)
		return code;
	code = read_save(ctl, &dev, &v, &count);
	if (code)
		goto out_close;
	err = gm_enqueue(&dev, v, count, &done);
	for (i = 0; i < done; i++)
		if (v[i].result < 0 && ++failed <= 10)
			ctl_error(ctl, v[i].result, "%s: block %" PRIu64,
				  ctl->argv[0], (uint64_t)v[i].address);
	if (err || failed) {
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: %" PRIu64
			" of %zu blocks are not enqueued: don't let I/O through (%s)",
			ctl->argv[0], failed + (count - done), count,
			gm_reason(err ? err : -EINVAL));
		goto out_free;
	}
	snprintf(used, sizeof(used), "%s.loaded", ctl->argv[1]);
	if (rename(ctl->argv[1], used))
		code = ctl_fail(
			ctl, CTL_FAILED,
			"%s: loaded, but it cannot be renamed (%s): remove it yourself",
			ctl->argv[1], strerrordesc_np(errno));
	if (!ctl->json)
		printf("%s: %zu blocks enqueued from %s\n", ctl->argv[0], count,
		       ctl->argv[1]);
out_free:
	free(v);
out_close:
	gm_close(&dev);
	return code;
}
