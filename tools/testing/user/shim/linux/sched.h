/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_SCHED_H
#define _SHIM_LINUX_SCHED_H

/*
 * Called between the slices of a sweep, the lock not held: a test can do
 * here what another CPU might do meanwhile.
 */
extern void (*shim_resched)(void);

static inline void cond_resched(void)
{
	if (shim_resched)
		shim_resched();
}

#endif /* _SHIM_LINUX_SCHED_H */
