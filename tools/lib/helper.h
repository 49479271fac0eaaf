/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where gridrepaird can be asked what it does: a socket in its runtime directory,
 * that says all of it in JSON to whoever connects.  Not exported.
 */
#ifndef HELPER_H
#define HELPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define HELPER_DIR "/run/gridrepaird"
#define HELPER_SOCKET "status" /* in there */

/* Its runtime directory: RUNTIME_DIRECTORY, or where its unit has it. */
const char *gm_helper_dir(void);
/* The socket's address; -ENAMETOOLONG. */
int gm_helper_address(struct sockaddr_un *a, const char *dir);
/*
 * A connected socket of type @flags (SOCK_NONBLOCK or 0), or a negative errno: -EAGAIN
 * when somebody listens and takes no more, at once or after ten seconds.
 */
int gm_helper_reach(const struct sockaddr_un *a, int flags);
/* Where ten seconds from now end. */
uint64_t gm_helper_end(void);
/*
 * From now on calls of @kind (SO_RCVTIMEO, SO_SNDTIMEO) on @fd wait no longer than until
 * @end; false when that has come, and they wait for nothing.  With a limit even a stop
 * of us interrupts them: whoever does them again sets what is left.
 */
bool gm_helper_limit(int fd, int kind, uint64_t end);

#endif
