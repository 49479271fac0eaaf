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
#include <sys/types.h>

/* Is @top the device @dev, or stacked on it? */
bool gm_stack_on(dev_t top, dev_t dev);
/* Does the file or directory @path lie on @dev, or on what is stacked on it? */
bool gm_stack_holds(dev_t dev, const char *path);

#endif
