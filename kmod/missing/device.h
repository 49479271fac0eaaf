/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What device.c, device_events.c, device_vector.c and device_repair.c share: one ioctl under
 * way, and the vector that it works through.
 */
#ifndef _GM_DEVICE_H
#define _GM_DEVICE_H

#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/types.h>
#include <uapi/linux/grid_missing.h>

struct file;
struct gm_file;
struct grid_missing;

/* A repair copies so many bytes in before it writes them (U6). */
#define GM_REPAIR_SLICE SZ_8M
/* Elements that are handled in one go, with the tracker's lock held. */
#define GM_CHUNK 64U

/**
 * struct gm_ioctl_call - one ioctl under way
 * @file: the file
 * @gm: what it is attached to, or NULL
 * @made: a file that the call made, for arg.events.fd, or NULL
 * @arg: the argument, in and out; @arg.head.size is the caller's sizeof
 */
struct gm_ioctl_call {
	struct gm_file *file;
	struct grid_missing *gm;
	struct file *made;
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
		struct grid_missing_events events;
	} arg;
};

static inline void __user *gm_elem(const struct grid_missing_vector *v, u32 i)
{
	return u64_to_user_ptr(v->elems + (u64)i * v->elem_size);
}

static inline bool gm_sum_is_zero(const struct grid_missing_checksum *sum)
{
	return !memchr_inv(sum, 0, sizeof(*sum));
}

/* What the tracker takes for "nobody knows it". */
static inline const struct grid_missing_checksum *
gm_sum(u32 flags, const struct grid_missing_checksum *sum)
{
	return flags & GRID_MISSING_F_NO_CHECKSUM ? NULL : sum;
}

/* device_vector.c */
void *gm_alloc_noio(size_t size);
int gm_check_vector(const struct grid_missing_vector *v, size_t min);
u32 gm_get_elems(const struct grid_missing_vector *v, u32 first, u32 n,
		 void *elems, size_t size, int *err);
u32 gm_put_elems(const struct grid_missing_vector *v, u32 first, u32 n,
		 const void *elems, size_t size, int *err);
int gm_ioctl_list_trackers(struct gm_ioctl_call *c);
int gm_ioctl_enqueue(struct gm_ioctl_call *c);
int gm_ioctl_batch(struct gm_ioctl_call *c);
int gm_ioctl_commence(struct gm_ioctl_call *c);
int gm_ioctl_unavailable(struct gm_ioctl_call *c);
int gm_ioctl_retry(struct gm_ioctl_call *c);
int gm_ioctl_cancel(struct gm_ioctl_call *c);
int gm_ioctl_reclaim(struct gm_ioctl_call *c);
int gm_ioctl_list_faults(struct gm_ioctl_call *c);
int gm_ioctl_list_tables(struct gm_ioctl_call *c);
int gm_ioctl_list_released(struct gm_ioctl_call *c);

/* device_events.c */
int gm_ioctl_events(struct gm_ioctl_call *c);
void gm_events_install(struct gm_ioctl_call *c, int err);

/* device_repair.c */
int gm_ioctl_enqueue_values(struct gm_ioctl_call *c);
int gm_ioctl_complete(struct gm_ioctl_call *c);
int gm_ioctl_repair(struct gm_ioctl_call *c);

#endif /* _GM_DEVICE_H */
