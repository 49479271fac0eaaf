/* SPDX-License-Identifier: GPL-2.0 */
/* The model's sources, included for the same reason as those in tracker_sources.h. */
#include "model.c"
#include "model_batch.c"
#include "model_compare.c"
#include "model_run.c"
