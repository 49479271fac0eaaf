/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A grid device from one attach to its loss; see session.c.
 */
#ifndef SESSION_H
#define SESSION_H

#include "device.h"

/*
 * Attach and repair until the device is gone, or @d is stopped or drained; the
 * errno that ended it.  @d->stuck: a thread of a source could not be ended.
 */
int session_run(struct device *d);

#endif /* SESSION_H */
