/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is stacked on a block device: partitions, md, dm, loops of files.  Not
 * exported.
 *
 * All of it is read from /proc and /sys, and no file is touched that could lie
 * on the device itself: such a look would hang on a suspended one.
 */
#ifndef STACK_H
#define STACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Is @top the device @dev, or stacked on it? */
bool gm_stack_on(dev_t top, dev_t dev);
/* Does the file or directory @path lie on @dev, or on what is stacked on it? */
bool gm_stack_holds(dev_t dev, const char *path);

/*
 * The device with the data of @grid, and where on it that begins, by its table; 0 or
 * a negative errno.
 */
int gm_stack_data(dev_t grid, dev_t *data, uint64_t *sector);

/* How a source of blocks and a grid are stacked. */
enum gm_stacked {
	GM_APART,
	GM_ON_GRID, /* it is the grid, or lies on it: a read of it waits for itself */
	GM_BELOW_GRID, /* its data lies on it: it has what the grid has, no better */
};

/* @path: a file or block device; APART as well when nothing is seen. */
enum gm_stacked gm_stack_source(const char *path, dev_t grid);

#endif
