/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_KTHREAD_H
#define _SHIM_LINUX_KTHREAD_H

#include <pthread.h>
#include <stdlib.h>
#include <linux/types.h>

struct task_struct {
	pthread_t thread;
	int (*fn)(void *data);
	void *data;
};

static inline void *shim_thread(void *arg)
{
	struct task_struct *task = arg;

	task->fn(task->data);
	return NULL;
}

static inline struct task_struct *shim_run(int (*fn)(void *), void *data)
{
	struct task_struct *task = malloc(sizeof(*task));

	task->fn = fn;
	task->data = data;
	if (pthread_create(&task->thread, NULL, shim_thread, task))
		abort();
	return task;
}

static inline int kthread_stop(struct task_struct *task)
{
	pthread_join(task->thread, NULL);
	free(task);
	return 0;
}

#define kthread_run(fn, data, ...) shim_run(fn, data)
/* Stopping waits for the end. */
#define kthread_should_stop() true
#define set_current_state(s) ((void)0)
#define __set_current_state(s) ((void)0)
#define schedule() ((void)0)
#define IS_ERR(p) (!(p))
#define xchg(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)

#endif /* _SHIM_LINUX_KTHREAD_H */
