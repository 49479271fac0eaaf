// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl: what the kernel says only in its log.
 *
 * What is wrong with a table line is such a thing.  What can be checked before
 * is checked before; for the rest /dev/kmsg is read from where it stood before
 * the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

int ctl_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* How much what device-mapper said has to do with the grid: it may name another. */
enum about { ABOUT_OTHERS, ABOUT_ANY, ABOUT_IT };

/* "table: MAJOR:MINOR: grid: …" or "grid: MAJOR:MINOR: …"; some have no number. */
static enum about about(const char *said, unsigned int major,
			unsigned int minor)
{
	unsigned int ma, mi;
	int end = 0;

	if (sscanf(said, "table: %u:%u: grid:%n", &ma, &mi, &end) == 2 && end)
		return ma == major && mi == minor ? ABOUT_IT : ABOUT_OTHERS;
	if (strncmp(said, "grid: ", 6))
		return ABOUT_OTHERS;
	if (sscanf(said, "grid: %u:%u:%n", &ma, &mi, &end) == 2 && end)
		return ma == major && mi == minor ? ABOUT_IT : ABOUT_OTHERS;
	return ABOUT_ANY;
}

void ctl_log_close(int fd, unsigned int major, unsigned int minor, char *text,
		   size_t size)
{
	static const char prefix[] = "device-mapper: ";
	enum about best = ABOUT_ANY, is;
	char record[2048], *line;
	ssize_t n;

	*text = 0;
	if (fd < 0)
		return;
	while ((n = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		record[n] = 0;
		line = strchr(record, ';');
		if (!line)
			continue;
		line++;
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, prefix, strlen(prefix)))
			continue;
		line += strlen(prefix);
		is = about(line, major, minor);
		if (is < best)
			continue;
		best = is;
		snprintf(text, size, "%s", line);
	}
	close(fd);
}
