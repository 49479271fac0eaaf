/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How large the files are that devices read into memory.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "config.h"

/*
 * Fill in ->manifest_size of each device, for config_fit_memory().  Any file may lie
 * where a stat never ends: for all of them together a second is waited, and
 * what isn't known then is 0, as is all while an earlier one still hangs.
 */
void measure_manifests(struct config *c);

#endif /* MEASURE_H */
