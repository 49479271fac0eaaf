// SPDX-License-Identifier: GPL-2.0
/* Where gridrepaird can be asked what it does: see helper.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "helper.h"

const char *gm_helper_dir(void)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");

	return dir && *dir ? dir : HELPER_DIR;
}

int gm_helper_address(struct sockaddr_un *a, const char *dir)
{
	int n;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path, sizeof(a->sun_path), "%s/" HELPER_SOCKET,
		     dir);
	return n < 0 || (size_t)n >= sizeof(a->sun_path) ? -ENAMETOOLONG : 0;
}

int gm_helper_reach(const struct sockaddr_un *a, int flags)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), err;
	struct timeval limit = { .tv_sec = 10 };

	if (fd < 0)
		return -errno;
	/* One that is stopped takes no connection after some. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	do
		err = connect(fd, (const struct sockaddr *)a, sizeof(*a)) ?
			      -errno :
			      0;
	while (err == -EINTR); /* we were, with that limit */
	if (!err)
		return fd;
	close(fd);
	return err;
}
