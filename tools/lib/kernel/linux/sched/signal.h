/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_SCHED_SIGNAL_H
#define _KERNEL_LINUX_SCHED_SIGNAL_H

/* A program dies by its signals. */
#define fatal_signal_pending(task) 0

#endif /* _KERNEL_LINUX_SCHED_SIGNAL_H */
