// SPDX-License-Identifier: GPL-2.0
/*
 * Starting threads; see thread.h.
 */
#include "thread.h"

int thread_start(pthread_t *thread, size_t stack, void *(*run)(void *),
		 void *arg)
{
	pthread_attr_t attr;
	pthread_t unused;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	if (!thread) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		thread = &unused;
	}
	err = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return -err;
}
