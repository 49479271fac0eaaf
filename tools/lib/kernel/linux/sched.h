/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_SCHED_H
#define _KERNEL_LINUX_SCHED_H

#define cond_resched() ((void)0)

#endif /* _KERNEL_LINUX_SCHED_H */
