/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_COMPILER_H
#define _SHIM_LINUX_COMPILER_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline))
#define __aligned(x) __attribute__((aligned(x)))
#define __releases(x)
#define __must_hold(x)
#define __printf(a, b) __attribute__((format(printf, a, b)))

#endif /* _SHIM_LINUX_COMPILER_H */
