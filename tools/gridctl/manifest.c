// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl manifest: the checksums of a good device or image.
 *
 * With --output the file is there complete or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

static int hash_all(const struct ctl *ctl, FILE *out, int fd,
		    struct gm_hash *hash, uint64_t block_size, uint64_t offset,
		    uint64_t blocks)
{
	char sum_text[GM_CHECKSUM_TEXT], *data;
	struct grid_missing_checksum sum;
	uint64_t i, at;
	int code = CTL_GOOD, err;
	ssize_t n;

	data = aligned_alloc(4096, block_size);
	if (!data)
		return ctl_error(ctl, -ENOMEM, "a block");
	for (i = 0; i < blocks; i++) {
		for (at = 0; at < block_size; at += (uint64_t)n) {
			n = pread(fd, data + at, block_size - at,
				  (off_t)(offset + i * block_size + at));
			if (n > 0)
				continue;
			code = ctl_fail(
				ctl, CTL_FAILED, "%s: block %" PRIu64 ": %s",
				ctl->argv[0], i,
				n ? strerrordesc_np(errno) : "it ends before");
			goto out;
		}
		err = gm_hash(hash, data, block_size, &sum);
		if (err) {
			code = ctl_fail(ctl, CTL_FAILED, "hashing: %s",
					strerrordesc_np(-err));
			goto out;
		}
		fprintf(out, "%" PRIu64 " %s\n", i,
			gm_format_checksum(&sum, sum_text));
	}
out:
	free(data);
	return code;
}

int verb_manifest(struct ctl *ctl)
{
	const char *algorithm = ctl_option(ctl, "checksum");
	const char *output = ctl_option(ctl, "output");
	uint64_t block_size = 0, offset = 0, blocks = UINT64_MAX, there;
	char temporary[4096];
	struct gm_hash hash;
	FILE *out = stdout;
	int code, err, fd;
	off_t end;

	if (!algorithm)
		algorithm = "sha256";
	if (!ctl_option(ctl, "block-size"))
		return ctl_fail(ctl, CTL_USAGE,
				"--block-size is required (4K to 1M)");
	if (!ctl_size(ctl, "block-size", &block_size) ||
	    !ctl_size(ctl, "offset", &offset) ||
	    !ctl_u64(ctl, "blocks", &blocks))
		return CTL_USAGE;
	if (block_size < GM_BLOCK_SIZE_MIN || block_size > GM_BLOCK_SIZE_MAX ||
	    block_size & (block_size - 1))
		return ctl_fail(
			ctl, CTL_USAGE,
			"--block-size=%s: must be a power of two from 4K to 1M",
			ctl_option(ctl, "block-size"));
	fd = open(ctl->argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ctl_fail(ctl, CTL_FAILED, "%s: %s", ctl->argv[0],
				strerrordesc_np(errno));
	end = lseek(fd, 0, SEEK_END);
	there = end < 0 || (uint64_t)end < offset ?
			0 :
			((uint64_t)end - offset) / block_size;
	if (blocks == UINT64_MAX)
		blocks = there;
	if (!blocks || blocks > there) {
		code = ctl_fail(ctl, CTL_FAILED,
				"%s has %" PRIu64 " blocks of %" PRIu64
				" bytes",
				ctl->argv[0], there, block_size);
		goto out_close;
	}
	err = gm_hash_open(&hash, algorithm);
	if (err) {
		code = ctl_fail(
			ctl, CTL_FAILED, "hash \"%s\": %s", algorithm,
			err == -ENOENT ?
				"the kernel has no such hash" :
			err == -EAFNOSUPPORT ?
				"this kernel has no AF_ALG; only sha256 works without it" :
				strerrordesc_np(-err));
		goto out_close;
	}
	if (output) {
		snprintf(temporary, sizeof(temporary), "%s.new", output);
		out = fopen(temporary, "we");
		if (!out) {
			code = ctl_fail(ctl, CTL_FAILED, "%s: %s", temporary,
					strerrordesc_np(errno));
			goto out_hash;
		}
	}
	fprintf(out, "#! block_size %" PRIu64 "\n#! checksum %s\n", block_size,
		algorithm);
	code = hash_all(ctl, out, fd, &hash, block_size, offset, blocks);
	if (output) {
		err = ferror(out) || fflush(out) || fsync(fileno(out)) ? errno :
									 0;
		if (fclose(out) && !err)
			err = errno;
		if (!code && !err && rename(temporary, output))
			err = errno;
		if (!code && err)
			code = ctl_fail(ctl, CTL_FAILED, "%s: %s", output,
					strerrordesc_np(err));
		if (code)
			unlink(temporary);
	}
out_hash:
	gm_hash_close(&hash);
out_close:
	close(fd);
	return code;
}
