// SPDX-License-Identifier: GPL-2.0
/*
 * dmget NAME KEY: the value of KEY= in the status of the dm device's first
 * target; nothing if there is none.  Status 1 and a message if the device is
 * not there.
 *
 * The cases ask this all the time.  In an emulator most of what dmsetup takes is
 * loading its libraries; this is static and has none: the ioctl, and no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/dm-ioctl.h>

static union {
	struct dm_ioctl head;
	char bytes[16384];
} call;

int main(int argc, char **argv)
{
	char key[64], *text, *found;
	int fd;

	if (argc != 3 || strlen(argv[1]) >= DM_NAME_LEN ||
	    snprintf(key, sizeof(key), " %s=", argv[2]) >= (int)sizeof(key)) {
		fprintf(stderr, "usage: dmget NAME KEY\n");
		return 2;
	}
	call.head.version[0] = DM_VERSION_MAJOR;
	call.head.data_size = sizeof(call);
	call.head.data_start = sizeof(call.head);
	strcpy(call.head.name, argv[1]);
	fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, DM_TABLE_STATUS, &call)) {
		fprintf(stderr, "dmget: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	if (!call.head.target_count || call.head.flags & DM_BUFFER_FULL_FLAG) {
		fprintf(stderr, "dmget: %s: no status\n", argv[1]);
		return 1;
	}
	/* The blank before the first key is what ends the target's name. */
	text = call.bytes + call.head.data_start +
	       sizeof(struct dm_target_spec);
	text[-1] = ' ';
	found = strstr(text - 1, key);
	if (found) {
		found += strlen(key);
		found[strcspn(found, "\n ")] = '\0';
		puts(found);
	}
	return 0;
}
