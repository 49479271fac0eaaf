/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_LINUX_MINMAX_H
#define _SHIM_LINUX_MINMAX_H

#define __shim_min(x, y)                                              \
	({                                                            \
		__typeof__(x) _x = (x);                               \
		__typeof__(y) _y = (y);                               \
		(void)(&_x == &_y); /* the kernel wants equal types */ \
		_x < _y ? _x : _y;                                    \
	})
#define min(x, y) __shim_min(x, y)
#define max(x, y)                       \
	({                              \
		__typeof__(x) _x = (x); \
		__typeof__(y) _y = (y); \
		(void)(&_x == &_y);     \
		_x > _y ? _x : _y;      \
	})
#define min_t(type, x, y) min((type)(x), (type)(y))
#define max_t(type, x, y) max((type)(x), (type)(y))
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define clamp_t(type, v, lo, hi) min_t(type, max_t(type, v, lo), hi)
#define swap(x, y)                      \
	do {                            \
		__typeof__(x) _x = (x); \
		(x) = (y);              \
		(y) = _x;               \
	} while (0)

#endif /* _SHIM_LINUX_MINMAX_H */
