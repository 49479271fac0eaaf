/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_MINMAX_H
#define _KERNEL_LINUX_MINMAX_H

#define min_t(type, x, y)          \
	({                         \
		type _x = (x);     \
		type _y = (y);     \
		_x < _y ? _x : _y; \
	})
#define max_t(type, x, y)          \
	({                         \
		type _x = (x);     \
		type _y = (y);     \
		_x > _y ? _x : _y; \
	})
#define min(x, y) min_t(__typeof__(x), x, y)
#define max(x, y) max_t(__typeof__(x), x, y)

#endif /* _KERNEL_LINUX_MINMAX_H */
