/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads of gridrepaird.  All of a stack is locked in memory, and there are
 * hundreds of them where there are many devices: each has what it needs.
 */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>
#include <stddef.h>

#define THREAD_SMALL (128U << 10) /* own code, and libc's */
#define THREAD_LARGE (256U << 10) /* name servers, TLS, plug-ins */

/*
 * Start @run(@arg).  @thread is to be joined; NULL: nobody waits for it.
 * 0 or a negative errno.
 */
int thread_start(pthread_t *thread, size_t stack, void *(*run)(void *),
		 void *arg);

#endif /* THREAD_H */
