/* SPDX-License-Identifier: GPL-2.0 */
/* A file for a group of tests: cmocka's setup and teardown. After <cmocka.h>. */
#ifndef TEMP_FILE_H
#define TEMP_FILE_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static int setup(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/grid_test.XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

#endif
