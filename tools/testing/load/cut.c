// SPDX-License-Identifier: GPL-2.0
/*
 * The power fails: whenever it does, what the application was promised is there.
 *
 *	cut run GRID BELOW LOG [KEY=VALUE...]	transactions=N (300) seed=N (1)
 *		start=SECTOR (0) of the grid on BELOW
 *		blocks=N (all) of the grid are the store's
 *		fua=FILE fua_start=BYTE fua_first=BLOCK fua_count=N
 *			a file's bytes from BYTE on lie on so many blocks of the
 *			grid, from BLOCK on, that are not the store's
 *	cut check LOG BLOCK-BYTES [KEY=VALUE...]	start=SECTOR (0)
 *		area=BYTES (0) seed=N (1) subsets=N (1)
 *
 * `run` keeps a small store on GRID (cut_store.c).  LOG is what records that:
 *
 *  - the name of a dm-log-writes device, whose node is BELOW; it may carry
 *    metadata at its head, and then the grid begins at START;
 *  - or the path (with a slash) of the sequence to which the disks below append
 *    (disk.c, record=): disk 0, which is BELOW, and disk 1, which has AREA bytes of
 *    metadata.
 *
 * `check` reads the log, or the sequence, and cuts the power after each entry
 * (cut_writes.c, cut_disks.c): what may then be there has to hold
 * (cut_check.c).  With metadata a crash forgets nothing (M3): it is loaded as the
 * kernel loads it.  Of several disks with caches, SUBSETS subsets of what no
 * flush has made durable are drawn each time.
 */
#include <fcntl.h>

#include "cut.h"

static void run(int argc, char **argv)
{
	struct store_options o = { .grid = argv[0],
				   .below = argv[1],
				   .log = argv[2],
				   .transactions = 300,
				   .seed = 1 };
	int a;

	for (a = 3; a < argc; a++)
		if (!strncmp(argv[a], "fua=", 4))
			o.fua = argv[a] + 4;
		else if (sscanf(argv[a], "transactions=%u", &o.transactions) !=
				 1 &&
			 sscanf(argv[a], "seed=%u", &o.seed) != 1 &&
			 sscanf(argv[a], "start=%llu", &o.start) != 1 &&
			 sscanf(argv[a], "blocks=%llu", &o.blocks) != 1 &&
			 sscanf(argv[a], "fua_start=%llu", &o.fua_start) != 1 &&
			 sscanf(argv[a], "fua_first=%llu", &o.fua_first) != 1 &&
			 sscanf(argv[a], "fua_count=%llu", &o.fua_count) != 1)
			load_die("unknown: %s", argv[a]);
	store_run(&o);
}

static const unsigned char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	unsigned char *data;
	size_t at;
	ssize_t n;

	if (end <= 0)
		load_die("%s: %s", path, end ? strerror(errno) : "empty");
	data = load_memory(end);
	for (at = 0; at < (size_t)end; at += n) {
		n = pread(fd, data + at, end - at, at);
		if (n <= 0)
			load_die("%s: %s", path, strerror(errno));
	}
	close(fd);
	*size = end;
	return data;
}

static void check(int argc, char **argv)
{
	unsigned long long block = strtoull(argv[1], NULL, 10);
	unsigned long long start = 0, area = 0;
	unsigned int seed = 1, subsets = 1;
	const unsigned char *log;
	size_t size;
	int a;

	if (!block || block % SECTOR || block > 1U << 20)
		load_die("a block of %s bytes", argv[1]);
	for (a = 2; a < argc; a++)
		if (sscanf(argv[a], "start=%llu", &start) != 1 &&
		    sscanf(argv[a], "area=%llu", &area) != 1 &&
		    sscanf(argv[a], "seed=%u", &seed) != 1 &&
		    sscanf(argv[a], "subsets=%u", &subsets) != 1)
			load_die("unknown: %s", argv[a]);
	log = read_file(argv[0], &size);
	check_init(block, start ? start * SECTOR : area);
	if (writes_is_log(log, size))
		writes_check(argv[0], log, size, start);
	else if (disks_is_log(log, size))
		disks_check(argv[0], log, size, seed, subsets);
	else
		load_die(
			"%s is neither a log of dm-log-writes nor a sequence of disks",
			argv[0]);
	check_told();
}

int main(int argc, char **argv)
{
	if (argc >= 5 && !strcmp(argv[1], "run"))
		run(argc - 2, argv + 2);
	else if (argc >= 4 && !strcmp(argv[1], "check"))
		check(argc - 2, argv + 2);
	else
		load_die(
			"usage: cut run GRID BELOW LOG [KEY=VALUE...] | cut check LOG BLOCK-BYTES [KEY=VALUE...]");
	return 0;
}
