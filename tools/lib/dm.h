/* SPDX-License-Identifier: GPL-2.0 */
/* Of device-mapper, what is not exported. */
#ifndef DM_H
#define DM_H

#include <sys/types.h>

#include "gridmissing.h"

/*
 * gm_dm_create(), and which number the device has; when it fails that it had, or
 * nothing is put there.
 */
int gm_dm_make(const struct gm_dm_create *create, dev_t *number);

#endif
