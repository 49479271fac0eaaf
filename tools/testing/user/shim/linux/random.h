/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_RANDOM_H
#define _SHIM_LINUX_RANDOM_H

#include <linux/types.h>

/* Set by a program that wants other layouts; fixed, so that runs repeat. */
extern u64 shim_seed;

static inline u64 get_random_u64(void)
{
	u64 z = shim_seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

#endif /* _SHIM_LINUX_RANDOM_H */
