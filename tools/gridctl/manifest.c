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

struct image {
	const struct ctl *ctl;
	FILE *out;
	int fd;
	struct gm_hash hash;
	uint64_t block_size, offset, blocks;
	char *data; /* of one block */
	uint64_t listed;
};

/* What a block is to the tables. */
enum role {
	ROLE_NONE,
	ROLE_INDEX, /* decodes as an index */
	ROLE_TABLE, /* is one, of values that are all there */
	ROLE_VALUE, /* of such a table */
};

/* Read block @i into @im->data. */
static int read_block(const struct image *im, uint64_t i)
{
	uint64_t at;
	ssize_t n;

	for (at = 0; at < im->block_size; at += (uint64_t)n) {
		n = pread(im->fd, im->data + at, im->block_size - at,
			  (off_t)(im->offset + i * im->block_size + at));
		if (n > 0)
			continue;
		return ctl_fail(im->ctl, CTL_FAILED,
				"%s: block %" PRIu64 ": %s", im->ctl->argv[0],
				i,
				n ? strerrordesc_np(errno) : "it ends before");
	}
	return CTL_GOOD;
}

static int hash_block(struct image *im, uint64_t i,
		      struct grid_missing_checksum *sum)
{
	int code = read_block(im, i), err;

	if (code)
		return code;
	err = gm_hash(&im->hash, im->data, im->block_size, sum);
	if (err)
		return ctl_fail(im->ctl, CTL_FAILED, "hashing: %s",
				strerrordesc_np(-err));
	return CTL_GOOD;
}

static void print_block(struct image *im, uint64_t i,
			const struct grid_missing_checksum *sum, bool table)
{
	char text[GM_CHECKSUM_TEXT];

	im->listed++;
	fprintf(im->out, "%" PRIu64 " %s%s\n", i, gm_format_checksum(sum, text),
		table ? " table" : "");
}

static int print_all(struct image *im)
{
	struct grid_missing_checksum sum;
	int code = CTL_GOOD;
	uint64_t i;

	for (i = 0; i < im->blocks && !code; i++) {
		code = hash_block(im, i, &sum);
		if (!code)
			print_block(im, i, &sum, false);
	}
	return code;
}

/*
 * Block @i decodes as an index.  It is a table's only if all its values are
 * there, each once, and no other table's or index: a store leaves many an old
 * index behind.
 */
static int mark_table(const struct image *im, uint64_t i, uint8_t *role,
		      const struct grid_missing_checksum *sums,
		      struct grid_missing_value *values, uint32_t room)
{
	int code = read_block(im, i), n, k;

	if (code)
		return code;
	n = gm_index_decode(im->data, (uint32_t)im->block_size, im->blocks, i,
			    values, room, NULL);
	for (k = 0; k < n; k++) {
		if (role[values[k].address] != ROLE_NONE ||
		    !gm_checksum_equal(&values[k].checksum,
				       &sums[values[k].address]))
			break;
		role[values[k].address] = ROLE_VALUE;
	}
	if (k == n) {
		role[i] = ROLE_TABLE;
		return CTL_GOOD;
	}
	while (k-- > 0)
		role[values[k].address] = ROLE_NONE;
	return CTL_GOOD;
}

/* With tables marked, and without their values: an index brings these. */
static int print_tables(struct image *im)
{
	uint32_t room = gm_index_capacity((uint32_t)im->block_size);
	struct grid_missing_checksum *sums = calloc(im->blocks, sizeof(*sums));
	struct grid_missing_value *values = calloc(room, sizeof(*values));
	uint8_t *role = calloc(im->blocks, sizeof(*role));
	int code = CTL_GOOD;
	uint64_t i;

	if (!sums || !values || !role)
		code = ctl_error(im->ctl, -ENOMEM, "%" PRIu64 " blocks",
				 im->blocks);
	for (i = 0; i < im->blocks && !code; i++) {
		code = hash_block(im, i, &sums[i]);
		if (!code && gm_index_decode(im->data, (uint32_t)im->block_size,
					     im->blocks, i, NULL, 0, NULL) > 0)
			role[i] = ROLE_INDEX;
	}
	for (i = 0; i < im->blocks && !code; i++)
		if (role[i] == ROLE_INDEX)
			code = mark_table(im, i, role, sums, values, room);
	for (i = 0; i < im->blocks && !code; i++)
		if (role[i] != ROLE_VALUE)
			print_block(im, i, &sums[i], role[i] == ROLE_TABLE);
	free(sums);
	free(values);
	free(role);
	return code;
}

int verb_manifest(struct ctl *ctl)
{
	const char *algorithm = ctl_option(ctl, "checksum");
	const char *output = ctl_option(ctl, "output");
	uint64_t block_size = 0, offset = 0, blocks = UINT64_MAX, there;
	struct image im = { .ctl = ctl, .out = stdout };
	char temporary[4096];
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
	im.fd = fd;
	im.block_size = block_size;
	im.offset = offset;
	im.blocks = blocks;
	im.data = aligned_alloc(4096, block_size);
	if (!im.data) {
		code = ctl_error(ctl, -ENOMEM, "a block");
		goto out_close;
	}
	err = gm_hash_open(&im.hash, algorithm);
	if (err) {
		code = ctl_fail(
			ctl, CTL_FAILED, "hash \"%s\": %s", algorithm,
			err == -ENOENT || err == -EAFNOSUPPORT ?
				"neither the kernel nor libgcrypt has such a hash" :
				strerrordesc_np(-err));
		goto out_close;
	}
	if (output) {
		snprintf(temporary, sizeof(temporary), "%s.new", output);
		im.out = fopen(temporary, "we");
		if (!im.out) {
			code = ctl_fail(ctl, CTL_FAILED, "%s: %s", temporary,
					strerrordesc_np(errno));
			goto out_hash;
		}
	}
	fprintf(im.out, "#! block_size %" PRIu64 "\n#! checksum %s\n",
		block_size, algorithm);
	code = ctl_option(ctl, "tables") ? print_tables(&im) : print_all(&im);
	/* One that was cut has no end. */
	if (!code)
		fprintf(im.out, "#! end %" PRIu64 "\n", im.listed);
	if (output) {
		err = ferror(im.out) || fflush(im.out) ||
				      fsync(fileno(im.out)) ?
			      errno :
			      0;
		if (fclose(im.out) && !err)
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
	gm_hash_close(&im.hash);
out_close:
	free(im.data);
	close(fd);
	return code;
}
