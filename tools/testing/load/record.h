/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One sequence of what several disks did, and of what somebody was promised.
 *
 * Each disk (disk.c, record=) appends what comes, and that it answers before it
 * does; who uses them (cut.c) appends what it was promised, when it was.  All
 * append to one file, each record by one write, so the file is an order in which
 * it may have happened.
 */
#ifndef LOAD_RECORD_H
#define LOAD_RECORD_H

#include <fcntl.h>
#include <sys/uio.h>

#include "load.h"

#define RECORD_MAGIC 0x64726f636572646cULL

enum record_what {
	RECORD_WRITE,
	RECORD_TRIM,
	RECORD_FLUSH,
	RECORD_ANSWER,
	RECORD_MARK, /* data: the promise */
};

/* The bytes of a write, or of a mark, follow it. */
struct record {
	uint64_t magic;
	uint64_t request; /* its number, one for the answer and what came */
	uint64_t offset, length;
	uint32_t what; /* enum record_what */
	uint32_t disk;
	uint32_t fua; /* a write's: it is to be durable when it is answered */
	uint32_t error; /* an answer's */
};

static inline int record_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		load_die("%s: %s", path, strerror(errno));
	return fd;
}

static inline void record_append(int fd, struct record *r, const void *data,
				 size_t bytes)
{
	struct iovec v[] = { { .iov_base = r, .iov_len = sizeof(*r) },
			     { .iov_base = (void *)data, .iov_len = bytes } };
	ssize_t n;

	r->magic = RECORD_MAGIC;
	n = writev(fd, v, 2);
	if (n < 0 || (size_t)n != sizeof(*r) + bytes)
		load_die("record: %zd of %zu: %s", n, sizeof(*r) + bytes,
			 strerror(errno));
}

/* A mark's text is padded, so that records are aligned. */
static inline void record_mark(int fd, const char *text)
{
	char padded[64] = "";
	struct record r = { .what = RECORD_MARK, .length = sizeof(padded) };

	snprintf(padded, sizeof(padded), "%s", text);
	record_append(fd, &r, padded, sizeof(padded));
}

#endif /* LOAD_RECORD_H */
