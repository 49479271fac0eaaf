// SPDX-License-Identifier: GPL-2.0
/*
 * What the ioctls cost over what they call.
 *
 *	ioctl [GRID-DEVICE LOWER-DEVICE]
 *
 * The tracker's source runs in this process (with the shim of
 * tools/testing/user) and in the kernel behind its ioctls: the same million of
 * blocks, one after the other, in one run, so that the ratio means something
 * where instructions are counted (tools/bench/ioctl).
 *
 * With devices: the repair of 64 blocks of 64 KiB over the bare copy, hash,
 * write and flush.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "../../kmod/tracker/tracker.h"

#define MANY 1000000U
#define CHUNK 64U
#define BLOCKS 64U
#define BLOCK 65536U

static struct gm_tracker t;
static struct grid_missing_block *block;
static struct grid_missing_repair *repair;
static struct grid_missing_fault *fault;

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void expect(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "ioctl: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *get(size_t bytes)
{
	void *p = aligned_alloc(BLOCK, (bytes + BLOCK - 1) / BLOCK * BLOCK);

	expect(p, "memory");
	return memset(p, 1, bytes);
}

/* Addresses in no order, each once. */
static void fill(void)
{
	u32 i;

	for (i = 0; i < MANY; i++) {
		u64 a = i * 2654435769U;

		memset(&block[i], 0, sizeof(block[i]));
		block[i].address = a;
		memcpy(block[i].checksum.bytes, &a, sizeof(a));
		memset(&repair[i], 0, sizeof(repair[i]));
		repair[i].address = a;
		repair[i].checksum = block[i].checksum;
	}
}

/* One of the vector calls on all of them; @elems NULL: a listing. */
static double call(int fd, unsigned long cmd, void *elems, size_t size)
{
	struct grid_missing_vector v;
	double begin = seconds();
	u64 cursor = 0;
	u32 i, n;

	for (i = 0; i < MANY; i += n) {
		n = MANY - i < GRID_MISSING_VECTOR_MAX ?
			    MANY - i :
			    GRID_MISSING_VECTOR_MAX;
		memset(&v, 0, sizeof(v));
		v.size = sizeof(v);
		v.elem_size = size;
		v.count = n;
		v.cursor = cursor;
		v.elems = (u64)((char *)(elems ?: fault) +
				(elems ? i * size : 0));
		expect(!ioctl(fd, cmd, &v) && v.done == n, "vector");
		cursor = elems ? 0 : v.cursor;
	}
	return (seconds() - begin) * 1e9 / MANY;
}

static void row(const char *what, double own, double ours, const char *wanted)
{
	printf("%-42s %9.0f %9.0f  %.2f%s\n", what, own, ours, ours / own,
	       wanted);
}

static void compare(void)
{
	const struct gm_limits limits = { MANY, 1, 1 };
	struct grid_missing_create create = {
		.size = sizeof(create),
		.blocks_max = MANY,
		.table_values_max = 1,
		.tables_max = 1,
	};
	int fd = open(GRID_MISSING_DEVICE, O_RDWR);
	double own[4], ours[4];
	u64 cursor = 0, now = 1;
	u32 i;

	expect(fd >= 0, GRID_MISSING_DEVICE);
	expect(!ioctl(fd, GRID_MISSING_CREATE, &create), "create");
	expect(!gm_tracker_init(&t, &limits, NULL), "init");
	fill();

	own[0] = seconds();
	for (i = 0; i < MANY; i += CHUNK)
		gm_enqueue_vector(&t, block + i, CHUNK);
	own[1] = seconds();
	while (cursor != U64_MAX)
		gm_list_faults(&t, &cursor, CHUNK, fault);
	own[2] = seconds();
	for (i = 0; i < MANY; i += CHUNK)
		gm_repair_commence_vector(&t, block + i, CHUNK, 1, now);
	own[3] = seconds();
	for (i = 0; i < MANY; i += CHUNK)
		gm_repair_complete_vector(&t, block + i, CHUNK, 1, now);
	own[0] = own[1] - own[0];
	own[1] = own[2] - own[1];
	own[2] = own[3] - own[2];
	own[3] = seconds() - own[3];
	for (i = 0; i < 4; i++)
		own[i] *= 1e9 / MANY;
	expect(!t.writing && !t.waiting, "own");
	gm_tracker_exit(&t);

	fill();
	ours[0] = call(fd, GRID_MISSING_ENQUEUE, block, sizeof(*block));
	ours[1] = call(fd, GRID_MISSING_LIST_FAULTS, NULL, sizeof(*fault));
	ours[2] = call(fd, GRID_MISSING_COMMENCE, block, sizeof(*block));
	ours[3] = call(fd, GRID_MISSING_COMPLETE, repair, sizeof(*repair));
	close(fd);

	printf("%-42s %9s %9s  %s\n", "a block, of a million (ns)", "tracker",
	       "ioctl", "ratio");
	row("enqueue", own[0], ours[0], "");
	row("list", own[1], ours[1], "");
	row("enqueue and list", own[0] + own[1], ours[0] + ours[1], "  (2)");
	row("commence", own[2], ours[2], "");
	row("complete", own[3], ours[3], "");
}

/* ---- repair ---- */

static void hash(int op, const char *data, struct grid_missing_checksum *sum)
{
	unsigned char digest[32];

	expect(send(op, data, BLOCK, 0) == BLOCK &&
		       read(op, digest, sizeof(digest)) == sizeof(digest),
	       "AF_ALG");
	memcpy(sum->bytes, digest, sizeof(sum->bytes));
}

static int hash_open(void)
{
	struct sockaddr_alg a = { .salg_family = AF_ALG,
				  .salg_type = "hash",
				  .salg_name = "sha256" };
	int s = socket(AF_ALG, SOCK_SEQPACKET, 0);

	expect(s >= 0 && !bind(s, (void *)&a, sizeof(a)), "AF_ALG");
	return accept(s, NULL, 0);
}

static void compare_repair(const char *grid, const char *lower)
{
	struct grid_missing_attach a = { .size = sizeof(a) };
	struct grid_missing_vector v = { .size = sizeof(v), .count = BLOCKS };
	char *data = get((size_t)BLOCKS * BLOCK);
	char *copy = get((size_t)BLOCKS * BLOCK);
	double at[5], ours;
	struct stat st;
	int fd, disk, op = hash_open();
	u32 i;

	for (i = 0; i < BLOCKS; i++)
		memset(data + i * BLOCK, i, BLOCK);
	disk = open(lower, O_RDWR | O_DIRECT);
	fd = open(GRID_MISSING_DEVICE, O_RDWR);
	expect(disk >= 0 && fd >= 0 && !stat(grid, &st), grid);
	a.major = major(st.st_rdev);
	a.minor = minor(st.st_rdev);
	expect(!ioctl(fd, GRID_MISSING_ATTACH, &a), "attach");

	at[0] = seconds();
	memcpy(copy, data, (size_t)BLOCKS * BLOCK);
	at[1] = seconds();
	for (i = 0; i < BLOCKS; i++) {
		hash(op, copy + i * BLOCK, &repair[i].checksum);
		block[i].checksum = repair[i].checksum;
	}
	at[2] = seconds();
	for (i = 0; i < BLOCKS; i++)
		expect(pwrite(disk, copy + i * BLOCK, BLOCK,
			      (off_t)i * 2 * BLOCK) == BLOCK,
		       "write");
	at[3] = seconds();
	expect(!fsync(disk), "flush");
	at[4] = seconds();

	for (i = 0; i < BLOCKS; i++) {
		block[i].address = i * 2;
		block[i].flags = 0;
		repair[i].address = i * 2;
		repair[i].data = (u64)(data + i * BLOCK);
	}
	v.elem_size = sizeof(*block);
	v.elems = (u64)block;
	expect(!ioctl(fd, GRID_MISSING_ENQUEUE, &v), "enqueue");
	v.done = 0;
	v.elem_size = sizeof(*repair);
	v.elems = (u64)repair;
	ours = seconds();
	expect(!ioctl(fd, GRID_MISSING_REPAIR, &v), "repair");
	ours = seconds() - ours;
	for (i = 0; i < BLOCKS; i++)
		expect(!repair[i].result, "a block's repair");

	printf("\n%-42s %9s %9s  %s\n", "64 blocks of 64 KiB (us)", "bare",
	       "repair", "ratio");
	printf("  copy %.0f, sha256 %.0f, write %.0f, flush %.0f\n",
	       (at[1] - at[0]) * 1e6, (at[2] - at[1]) * 1e6,
	       (at[3] - at[2]) * 1e6, (at[4] - at[3]) * 1e6);
	row("copy, hash, write, flush", (at[4] - at[0]) * 1e6, ours * 1e6, "");
}

int main(int argc, char **argv)
{
	block = get(MANY * sizeof(*block));
	repair = get(MANY * sizeof(*repair));
	fault = get(GRID_MISSING_VECTOR_MAX * sizeof(*fault));
	compare();
	fill();
	if (argc == 3)
		compare_repair(argv[1], argv[2]);
	return 0;
}
