/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_LOCKDEP_H
#define _SHIM_LINUX_LOCKDEP_H

#ifdef SHIM_DEBUG
#include <stdlib.h>
#define lockdep_assert_held(l)         \
	do {                           \
		if (!(l)->locked)      \
			abort();       \
	} while (0)
#else
#define lockdep_assert_held(l) ((void)(l))
#endif

#endif /* _SHIM_LINUX_LOCKDEP_H */
