/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the daemon tells about itself: `gridrepaird --status`, a file for
 * node-exporter, the log.
 */
#ifndef STATUS_H
#define STATUS_H

#include "device.h"

/*
 * Answer at a socket in @dir.  Returns what to poll for status_answer(), or -1
 * when that cannot be (said in the log).
 */
int status_listen(const char *dir);
/* False: not now, as when descriptors are used up; who asks goes on waiting. */
bool status_answer(int fd, const struct device *devices);
void status_close(int fd, const char *dir);
/* The other end: print what the daemon says; an exit status. */
int status_ask(const char *dir, bool json);

void status_log(const struct device *devices);

/*
 * Write the file for node-exporter, by a thread of its own: the file system
 * may lie on a device under repair.  While one write is stuck, others are left
 * out.
 */
void metrics_write(const char *path, const struct device *devices);

#endif /* STATUS_H */
