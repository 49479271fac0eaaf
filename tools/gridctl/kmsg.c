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

/* The last thing device-mapper said about a grid since ctl_log_open(), or "". */
void ctl_log_close(int fd, char *text, size_t size)
{
	char record[2048], *line, *hit;
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
		hit = strstr(line, "device-mapper: ");
		if (hit && strstr(hit, "grid"))
			snprintf(text, size, "%s",
				 hit + strlen("device-mapper: "));
	}
	close(fd);
}
