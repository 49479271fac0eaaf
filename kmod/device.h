/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What device.c and device_vector.c share: one ioctl under way.
 */
#ifndef _GM_DEVICE_H
#define _GM_DEVICE_H

#include <linux/sizes.h>
#include <linux/types.h>
#include <uapi/linux/grid_missing.h>

struct gm_file;
struct grid_missing;

/* A repair copies so many bytes in before it writes them (U6). */
#define GM_REPAIR_SLICE SZ_8M

/**
 * struct gm_ioctl_call - one ioctl under way
 * @file: the file
 * @gm: what it is attached to, or NULL
 * @arg: the argument, in and out; @arg.head.size is the caller's sizeof
 */
struct gm_ioctl_call {
	struct gm_file *file;
	struct grid_missing *gm;
	union {
		struct {
			__u32 size;
			__u32 flags;
		} head;
		struct grid_missing_query query;
		struct grid_missing_attach attach;
		struct grid_missing_create create;
		struct grid_missing_vector vector;
		struct grid_missing_checkpoint checkpoint;
		struct grid_missing_sync_jump sync_jump;
		struct grid_missing_simple simple;
		struct grid_missing_status status;
	} arg;
};

/* device_vector.c */
int gm_ioctl_list_trackers(struct gm_ioctl_call *c);
int gm_ioctl_enqueue(struct gm_ioctl_call *c);
int gm_ioctl_batch(struct gm_ioctl_call *c);
int gm_ioctl_repair(struct gm_ioctl_call *c);
int gm_ioctl_commence(struct gm_ioctl_call *c);
int gm_ioctl_complete(struct gm_ioctl_call *c);
int gm_ioctl_unavailable(struct gm_ioctl_call *c);
int gm_ioctl_retry(struct gm_ioctl_call *c);
int gm_ioctl_cancel(struct gm_ioctl_call *c);
int gm_ioctl_list_faults(struct gm_ioctl_call *c);
int gm_ioctl_list_tables(struct gm_ioctl_call *c);

#endif /* _GM_DEVICE_H */
