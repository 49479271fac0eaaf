// SPDX-License-Identifier: GPL-2.0
/* Reading a disk that is written another way: see disk.h. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "disk.h"

bool gm_past_cache(int fd, uint64_t offset, uint64_t block_size)
{
	unsigned int sector;
	struct stat st;
	int size = 0;

	if (fstat(fd, &st) || !S_ISBLK(st.st_mode))
		return false;
	if (ioctl(fd, BLKSSZGET, &size) || size <= 0)
		return true;
	sector = (unsigned int)size;
	return offset % sector || block_size % sector ||
	       fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT);
}
