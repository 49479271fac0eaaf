// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/grid_missing: files, poll and the dispatch of ioctls.
 *
 * A file is opened, attached once (to a dm device's tracker, or to a private
 * one that it creates or joins), and then used.  How it was opened decides for
 * good what it may do (U5).  Calls on many blocks are in device_vector.c
 * and device_repair.c, files of events in device_events.c.
 */
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "core.h"
#include "device.h"
#include "trace.h"

/* Whom a tracker knows a file as (U3): from 1, free again after the close. */
static DEFINE_IDA(gm_owners);

/*
 * The tracker that @f is attached to.  Set once, so that whoever saw it may
 * use it as long as it uses the file.
 */
static struct grid_missing *gm_file_tracker(struct gm_file *f)
{
	/* Pairs with gm_attach_file(). */
	return smp_load_acquire(&f->gm);
}

/* ---- open and close ---- */

/* A fault may have become due by age: let pollers look again. */
static void gm_file_timer(struct timer_list *t)
{
	struct gm_file *f = container_of(t, struct gm_file, timer);

	wake_up_interruptible_poll(&f->wait, EPOLLIN | EPOLLRDNORM);
}

static int gm_open(struct inode *inode, struct file *file)
{
	struct gm_file *f;
	int owner;

	/* In the initial namespace, and now; later only the file counts (U5). */
	if ((file->f_mode & FMODE_WRITE) && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	owner = ida_alloc_min(&gm_owners, GM_OWNER_KERNEL + 1, GFP_KERNEL);
	if (owner < 0) {
		kfree(f);
		return owner;
	}
	mutex_init(&f->lock);
	init_waitqueue_head(&f->wait);
	timer_setup(&f->timer, gm_file_timer, 0);
	f->owner = owner;
	f->writable = file->f_mode & FMODE_WRITE;
	file->private_data = f;
	return stream_open(inode, file);
}

/* The last close of the open file description (U3). */
static int gm_close(struct inode *inode, struct file *file)
{
	struct gm_file *f = file->private_data;
	struct grid_missing *gm = f->gm;

	/* Nobody polls any more, so nobody arms it again. */
	timer_delete_sync(&f->timer);
	if (gm) {
		if (f->creator)
			grid_missing_remove(gm);
		else if (gm->private && f->writable)
			gm_revert_owner(&gm->tracker, f->owner);
		gm_detach_file(gm, f);
		grid_missing_put(gm);
	}
	ida_free(&gm_owners, f->owner);
	kfree(f);
	return 0;
}

/* ---- poll ---- */

/*
 * Level-triggered: EPOLLIN as long as a batch with this file's minimum age would
 * return something.  A file that is attached to nothing yet has an error
 * condition.
 */
static __poll_t gm_poll(struct file *file, poll_table *wait)
{
	struct gm_file *f = file->private_data;
	struct grid_missing *gm;
	u64 due;

	/* Join, arm, look, in this order: see __gm_wake(). */
	poll_wait(file, &f->wait, wait);
	gm = gm_file_tracker(f);
	if (!gm)
		return EPOLLERR;
	if (!(poll_requested_events(wait) & (EPOLLIN | EPOLLRDNORM)))
		return gm_removed(gm) ? EPOLLHUP : 0;
	gm_arm(gm, GM_WAKE_WORK);

	if (gm_removed(gm))
		return EPOLLHUP;
	due = gm_due(gm, READ_ONCE(f->min_age_ms));
	if (!due)
		return EPOLLIN | EPOLLRDNORM;
	/*
	 * Nothing changes any more, but time goes on.  Only ever earlier: two
	 * who poll one file may see different states and get here in the wrong
	 * order.  Who is woken too early looks and arms again.
	 */
	if (due != GM_NEVER) {
		due = min_t(u64, due, jiffies_to_msecs(MAX_JIFFY_OFFSET / 2));
		timer_reduce(&f->timer, jiffies + msecs_to_jiffies(due) + 1);
	}
	return 0;
}

static void gm_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct gm_file *f = file->private_data;
	struct grid_missing *gm = gm_file_tracker(f);
	struct gm_counts c;

	seq_printf(m, "grid-missing-owner:\t%u\n", f->owner);
	if (!gm) {
		seq_puts(m, "grid-missing-id:\t0\n");
		return;
	}
	gm_get_counts(&gm->tracker, &c);
	seq_printf(m, "grid-missing-id:\t%llu\n", gm->id);
	seq_printf(m, "grid-missing-device:\t%u:%u\n", gm->major, gm->minor);
	seq_printf(m, "grid-missing-state:\t%s\n",
		   gm_removed(gm)   ? "removed" :
		   gm_suspended(gm) ? "suspended" :
				      "live");
	seq_printf(m, "grid-missing-faults:\t%llu\n",
		   c.waiting + c.writing + c.aborting);
	seq_printf(m, "grid-missing-min-age-ms:\t%u\n",
		   READ_ONCE(f->min_age_ms));
}

/* ---- calls on the whole tracker ---- */

static int gm_ioctl_query(struct gm_ioctl_call *c)
{
	struct grid_missing_query *q = &c->arg.query;

	q->features = GRID_MISSING_FEATURE_PRIVATE |
		      GRID_MISSING_FEATURE_SYNC_JUMP |
		      GRID_MISSING_FEATURE_EVENTS | GRID_MISSING_FEATURE_CARRY |
		      GRID_MISSING_FEATURE_URGENT;
	q->vector_max = GRID_MISSING_VECTOR_MAX;
	q->slice_max = GM_REPAIR_SLICE;
	return 0;
}

static int gm_ioctl_attach(struct gm_ioctl_call *c)
{
	struct grid_missing_attach *a = &c->arg.attach;
	struct gm_file *f = c->file;
	struct grid_missing *gm;
	int ret;

	if (mutex_lock_interruptible(&f->lock))
		return -EINTR;
	ret = -EBUSY;
	if (f->gm)
		goto out_unlock;
	ret = -ENODEV;
	gm = a->id ? gm_find_id(a->id) : grid_missing_find(a->major, a->minor);
	if (!gm)
		goto out_unlock;
	/* Both are given: nothing that is said is ignored. */
	ret = -EINVAL;
	if ((a->major || a->minor) &&
	    (gm->major != a->major || gm->minor != a->minor))
		goto out_put;
	ret = -EPERM;
	if (gm->exclusive && f->writable)
		goto out_put;
	WRITE_ONCE(f->min_age_ms, a->min_age_ms);
	gm_attach_file(gm, f);
	a->id = gm->id;
	a->major = gm->major;
	a->minor = gm->minor;
	a->block_size = gm->geometry.block_size;
	a->blocks = gm->geometry.blocks;
	strscpy_pad(a->checksum, gm->geometry.checksum, sizeof(a->checksum));
	mutex_unlock(&f->lock);
	return 0;

out_put:
	grid_missing_put(gm);
out_unlock:
	mutex_unlock(&f->lock);
	return ret;
}

static int gm_ioctl_create(struct gm_ioctl_call *c)
{
	struct grid_missing_create *a = &c->arg.create;
	const struct gm_limits limits = {
		.blocks_max = a->blocks_max,
		.tables_max = a->tables_max,
		.table_values_max = a->table_values_max,
	};
	struct gm_file *f = c->file;
	char name[TASK_COMM_LEN];
	struct grid_missing *gm;
	int ret;

	/* The tracker's times are compared modulo 2^32 ms. */
	if (a->reserved || !a->blocks_max || !a->table_values_max ||
	    a->revert_age_ms > S32_MAX)
		return -EINVAL;
	if (mutex_lock_interruptible(&f->lock))
		return -EINTR;
	ret = -EBUSY;
	if (f->gm)
		goto out_unlock;
	gm = gm_create_private(&limits, a->revert_age_ms,
			       a->flags & GRID_MISSING_CREATE_EXCLUSIVE,
			       get_task_comm(name, current));
	ret = PTR_ERR_OR_ZERO(gm);
	if (ret)
		goto out_unlock;
	WRITE_ONCE(f->min_age_ms, a->min_age_ms);
	f->creator = true;
	gm_attach_file(gm, f);
	a->id = gm->id;
out_unlock:
	mutex_unlock(&f->lock);
	return ret;
}

/* Copies in the addresses of a jump; free with kvfree(). */
static u64 *gm_get_addresses(u64 elems, u32 count, u32 elem_size)
{
	u64 *addresses;

	if (elem_size != sizeof(u64))
		return ERR_PTR(elem_size > sizeof(u64) ? -E2BIG : -EINVAL);
	if (count > GRID_MISSING_VECTOR_MAX)
		return ERR_PTR(-E2BIG);
	addresses = kvmalloc_array(count ?: 1, sizeof(u64), GFP_KERNEL);
	if (!addresses)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(addresses, u64_to_user_ptr(elems),
			   count * sizeof(u64))) {
		kvfree(addresses);
		return ERR_PTR(-EFAULT);
	}
	return addresses;
}

/* Copies in the runs that are released; free with kvfree(). */
static struct grid_missing_released *
gm_get_runs(const struct grid_missing_checkpoint *a)
{
	const struct grid_missing_vector v = {
		.elem_size = a->elem_size,
		.count = a->count,
		.elems = a->elems,
	};
	struct grid_missing_released *runs;
	int err;
	u32 i;

	err = gm_check_vector(&v, sizeof(*runs));
	if (err)
		return ERR_PTR(err);
	runs = kvmalloc_array(v.count ?: 1, sizeof(*runs), GFP_KERNEL);
	if (!runs)
		return ERR_PTR(-ENOMEM);
	if (v.count &&
	    gm_get_elems(&v, 0, v.count, runs, sizeof(*runs), &err) < v.count)
		goto err_free;
	err = -EINVAL;
	for (i = 0; i < v.count; i++)
		if (!runs[i].count || runs[i].flags || runs[i].reserved)
			goto err_free;
	return runs;

err_free:
	kvfree(runs);
	return ERR_PTR(err);
}

static int gm_checkpoint_op(struct grid_missing *gm,
			    struct grid_missing_checkpoint *a,
			    const struct grid_missing_released *runs)
{
	const struct grid_missing_ops *ops = gm->ops;

	switch (a->op) {
	case GRID_MISSING_CHECKPOINT_RELEASE:
		if (gm->private)
			return gm_release(gm, runs, a->count);
		return ops->release ? ops->release(gm->priv, runs, a->count) :
				      -EOPNOTSUPP;
	case GRID_MISSING_CHECKPOINT_TAKE:
		if (gm->private)
			return gm_take(gm, &a->id);
		return ops->take ? ops->take(gm->priv, &a->id) : -EOPNOTSUPP;
	case GRID_MISSING_CHECKPOINT_DURABLE:
		if (gm->private)
			return gm_durable(gm, a->id);
		return ops->durable ? ops->durable(gm->priv, a->id) :
				      -EOPNOTSUPP;
	case GRID_MISSING_CHECKPOINT_COMPLETE:
		return gm->private ? gm_durable_complete(gm, &a->pending) :
				     -EOPNOTSUPP;
	case GRID_MISSING_CHECKPOINT_REVERT:
		if (gm->private)
			return gm_revert(gm);
		return ops->revert ? ops->revert(gm->priv) : -EOPNOTSUPP;
	}
	return -EINVAL;
}

static int gm_ioctl_checkpoint(struct gm_ioctl_call *c)
{
	struct grid_missing_checkpoint *a = &c->arg.checkpoint;
	struct grid_missing_released *runs = NULL;
	int ret;

	if (a->op < GRID_MISSING_CHECKPOINT_RELEASE ||
	    a->op > GRID_MISSING_CHECKPOINT_REVERT)
		return -EINVAL;
	/* Those that follow count up from it, and are never to wrap. */
	if (a->op == GRID_MISSING_CHECKPOINT_TAKE && a->id > S64_MAX)
		return -EINVAL;
	if (a->id && a->op != GRID_MISSING_CHECKPOINT_TAKE &&
	    a->op != GRID_MISSING_CHECKPOINT_DURABLE)
		return -EINVAL;
	if (a->op == GRID_MISSING_CHECKPOINT_RELEASE) {
		runs = gm_get_runs(a);
		if (IS_ERR(runs))
			return PTR_ERR(runs);
	} else if (a->elems || a->count || a->elem_size) {
		return -EINVAL;
	}

	ret = gm_begin(c->gm, true);
	if (!ret) {
		ret = gm_checkpoint_op(c->gm, a, runs);
		gm_end(c->gm);
	}
	kvfree(runs);
	return ret;
}

static int gm_ioctl_sync_jump(struct gm_ioctl_call *c)
{
	struct grid_missing_sync_jump *a = &c->arg.sync_jump;
	struct grid_missing *gm = c->gm;
	u64 *addresses = NULL;
	int ret;

	if (a->reserved)
		return -EINVAL;
	switch (a->op) {
	case GRID_MISSING_SYNC_JUMP_COMMENCE:
		if (a->elems || a->count || a->elem_size)
			return -EINVAL;
		break;
	case GRID_MISSING_SYNC_JUMP_COMPLETE:
		addresses = gm_get_addresses(a->elems, a->count, a->elem_size);
		if (IS_ERR(addresses))
			return PTR_ERR(addresses);
		break;
	default:
		return -EINVAL;
	}

	ret = gm_begin(gm, true);
	if (ret)
		goto out_free;
	gm_record_room(&gm->tracker);
	if (a->op == GRID_MISSING_SYNC_JUMP_COMMENCE)
		ret = gm_sync_jump_commence(&gm->tracker);
	else
		ret = gm_sync_jump_complete(&gm->tracker, addresses, a->count);
	if (!ret && a->op == GRID_MISSING_SYNC_JUMP_COMPLETE)
		gm_jump_over(gm);
	gm_end(gm);
	if (!ret) {
		trace_grid_missing_tracker(
			gm->id,
			a->op == GRID_MISSING_SYNC_JUMP_COMMENCE ?
				GM_TRACE_JUMP_COMMENCED :
				GM_TRACE_JUMP_COMPLETED,
			a->count);
		gm_tell_event(gm,
			      a->op == GRID_MISSING_SYNC_JUMP_COMMENCE ?
				      GRID_MISSING_WHY_JUMP_COMMENCED :
				      GRID_MISSING_WHY_JUMP_COMPLETED,
			      0, a->count);
		/* What resumes is due again, and no change told so. */
		gm_wake_all(gm);
	}
out_free:
	kvfree(addresses);
	return ret;
}

static int gm_ioctl_status(struct gm_ioctl_call *c)
{
	struct grid_missing_status *st = &c->arg.status;
	struct grid_missing *gm = c->gm;
	int ret;

	/* Also while suspended: only what the target knows may be missing. */
	ret = gm_begin(gm, false);
	if (ret)
		return ret;
	grid_missing_get_status(gm, st);
	if (gm->ops && gm->ops->status)
		gm->ops->status(gm->priv, st);
	gm_end(gm);
	return 0;
}

static int gm_ioctl_ready(struct gm_ioctl_call *c)
{
	struct grid_missing *gm = c->gm;
	int ret;

	if (c->arg.simple.value)
		return -EINVAL;
	if (gm->private)
		return -EOPNOTSUPP;
	ret = gm_begin(gm, true);
	if (ret)
		return ret;
	ret = gm->ops->ready ? gm->ops->ready(gm->priv) : -EOPNOTSUPP;
	gm_end(gm);
	return ret;
}

/* ---- dispatch ---- */

#define GM_WRITE BIT(0) /* changes something: not for a read-only file */
#define GM_ATTACHED BIT(1) /* needs a tracker */
#define GM_IS_VECTOR BIT(2) /* its argument is struct grid_missing_vector */

/**
 * struct gm_ioctl - one command
 * @cmd: its number
 * @size: of its argument now
 * @min_size: of its first version
 * @flags: what its argument's flags may be
 * @needs: GM_*
 * @handler: does it, with nothing locked; 0 or a negative errno
 */
struct gm_ioctl {
	unsigned int cmd;
	u16 size;
	u16 min_size;
	u32 flags;
	u8 needs;
	int (*handler)(struct gm_ioctl_call *c);
};

/* @_last: the last field of the argument's first version. */
#define GM_IOCTL(_cmd, _type, _last, _flags, _needs, _handler) \
	[_IOC_NR(_cmd)] = {                                    \
		.cmd = _cmd,                                   \
		.size = sizeof(struct _type),                  \
		.min_size = offsetofend(struct _type, _last),  \
		.flags = _flags,                               \
		.needs = _needs,                               \
		.handler = _handler,                           \
	}

#define GM_VECTOR(_cmd, _flags, _needs, _handler)         \
	GM_IOCTL(_cmd, grid_missing_vector, last, _flags, \
		 (_needs) | GM_IS_VECTOR, _handler)

static const struct gm_ioctl gm_ioctls[] = {
	GM_IOCTL(GRID_MISSING_QUERY, grid_missing_query, slice_max, 0, 0,
		 gm_ioctl_query),
	GM_VECTOR(GRID_MISSING_LIST_TRACKERS, 0, 0, gm_ioctl_list_trackers),
	GM_IOCTL(GRID_MISSING_ATTACH, grid_missing_attach, checksum, 0, 0,
		 gm_ioctl_attach),
	GM_IOCTL(GRID_MISSING_CREATE, grid_missing_create, reserved,
		 GRID_MISSING_CREATE_EXCLUSIVE, GM_WRITE, gm_ioctl_create),
	GM_VECTOR(GRID_MISSING_ENQUEUE, 0, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_enqueue),
	GM_VECTOR(GRID_MISSING_BATCH,
		  GRID_MISSING_BATCH_MIN_AGE | GRID_MISSING_BATCH_URGENT,
		  GM_WRITE | GM_ATTACHED, gm_ioctl_batch),
	GM_VECTOR(GRID_MISSING_REPAIR, 0, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_repair),
	GM_VECTOR(GRID_MISSING_COMMENCE, 0, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_commence),
	GM_VECTOR(GRID_MISSING_COMPLETE, 0, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_complete),
	GM_VECTOR(GRID_MISSING_MARK_UNAVAILABLE, 0, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_unavailable),
	GM_VECTOR(GRID_MISSING_RETRY, GRID_MISSING_ALL, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_retry),
	GM_VECTOR(GRID_MISSING_CANCEL,
		  GRID_MISSING_ALL | GRID_MISSING_CANCEL_REVERT |
			  GRID_MISSING_CANCEL_NOWAIT | GRID_MISSING_CANCEL_OLD,
		  GM_WRITE | GM_ATTACHED, gm_ioctl_cancel),
	GM_IOCTL(GRID_MISSING_CHECKPOINT, grid_missing_checkpoint, elem_size, 0,
		 GM_WRITE | GM_ATTACHED, gm_ioctl_checkpoint),
	GM_IOCTL(GRID_MISSING_SYNC_JUMP, grid_missing_sync_jump, reserved, 0,
		 GM_WRITE | GM_ATTACHED, gm_ioctl_sync_jump),
	GM_VECTOR(GRID_MISSING_RECLAIM, 0, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_reclaim),
	GM_VECTOR(GRID_MISSING_LIST_FAULTS, GRID_MISSING_LIST_RANGE,
		  GM_ATTACHED, gm_ioctl_list_faults),
	GM_VECTOR(GRID_MISSING_LIST_TABLES, 0, GM_ATTACHED,
		  gm_ioctl_list_tables),
	GM_IOCTL(GRID_MISSING_STATUS, grid_missing_status, passed_up_block, 0,
		 GM_ATTACHED, gm_ioctl_status),
	GM_IOCTL(GRID_MISSING_READY, grid_missing_simple, value, 0,
		 GM_WRITE | GM_ATTACHED, gm_ioctl_ready),
	GM_VECTOR(GRID_MISSING_LIST_RELEASED, 0, GM_ATTACHED,
		  gm_ioctl_list_released),
	GM_VECTOR(GRID_MISSING_ENQUEUE_VALUES, 0, GM_WRITE | GM_ATTACHED,
		  gm_ioctl_enqueue_values),
	GM_IOCTL(GRID_MISSING_EVENTS, grid_missing_events, reserved,
		 GRID_MISSING_EVENTS_NONBLOCK, GM_ATTACHED, gm_ioctl_events),
};

/* Is every field of a vector that its command does not use zero? */
static bool gm_vector_valid(const struct gm_ioctl *d,
			    const struct grid_missing_vector *v)
{
	bool range = d->cmd == GRID_MISSING_LIST_FAULTS &&
		     (v->flags & GRID_MISSING_LIST_RANGE);

	if (range ? v->first > v->last : v->first || v->last)
		return false;
	switch (d->cmd) {
	case GRID_MISSING_LIST_TRACKERS:
	case GRID_MISSING_LIST_FAULTS:
	case GRID_MISSING_LIST_TABLES:
	case GRID_MISSING_LIST_RELEASED:
		return !v->arg;
	case GRID_MISSING_BATCH:
		return !v->cursor &&
		       (!v->arg || (v->flags & GRID_MISSING_BATCH_MIN_AGE));
	default:
		return !v->cursor && !v->arg;
	}
}

static long gm_unlocked_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	unsigned int nr = _IOC_NR(cmd);
	void __user *uarg = (void __user *)arg;
	const struct gm_ioctl *d;
	struct gm_ioctl_call c;
	struct gm_call call;
	u32 size, known;
	bool is_vector, changes;
	int ret;

	if (nr >= ARRAY_SIZE(gm_ioctls))
		return -ENOTTY;
	d = &gm_ioctls[array_index_nospec(nr, ARRAY_SIZE(gm_ioctls))];
	if (d->cmd != cmd || !d->handler)
		return -ENOTTY;
	is_vector = d->needs & GM_IS_VECTOR;

	c.file = file->private_data;
	c.made = NULL;
	if ((d->needs & GM_WRITE) && !c.file->writable)
		return -EACCES;

	/* copy_struct_from_user() zeroes what an older caller doesn't know. */
	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < d->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	memset(&c.arg, 0, sizeof(c.arg));
	ret = copy_struct_from_user(&c.arg, d->size, uarg, size);
	if (ret)
		return ret;
	c.arg.head.size = size; /* not what it may have become meanwhile */
	if (c.arg.head.flags & ~d->flags)
		return -EINVAL;
	if (is_vector && !gm_vector_valid(d, &c.arg.vector))
		return -EINVAL;

	c.gm = gm_file_tracker(c.file);
	if (d->needs & GM_ATTACHED) {
		if (!c.gm)
			return -ENXIO;
		if (gm_removed(c.gm))
			return -ENODEV;
	}

	/* Before anything is done: can we say in the end what was done? */
	if (is_vector)
		c.arg.vector.done = 0;
	known = min_t(u32, size, d->size);
	if (copy_to_user(uarg, &c.arg, known))
		return -EFAULT;

	/* Who only looks makes no events, and is not to lengthen the list. */
	changes = (d->needs & GM_ATTACHED) && (d->needs & GM_WRITE);
	if (changes)
		gm_call_begin(c.gm, &call);
	ret = d->handler(&c);
	if (changes)
		gm_call_end(c.gm, &call);

	/* A vector's done and cursor hold also when it ends in an error. */
	if (ret && !is_vector)
		return ret;
	c.arg.head.size = size;
	if (copy_to_user(uarg, &c.arg, known))
		ret = -EFAULT;
	/* A file is there once nothing can fail any more. */
	if (c.made)
		gm_events_install(&c, ret);
	return ret;
}

static const struct file_operations gm_fops = {
	.owner = THIS_MODULE,
	.open = gm_open,
	.release = gm_close,
	.poll = gm_poll,
	.unlocked_ioctl = gm_unlocked_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = gm_show_fdinfo,
};

static struct miscdevice gm_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "grid_missing",
	.nodename = "grid_missing",
	.mode = 0600,
	.fops = &gm_fops,
};

/*
 * The ABI: sizes, and no 64-bit field where a 32-bit program would put it
 * elsewhere (there they need alignment by 4 only).
 */
#define GM_ABI(_type, _size) BUILD_BUG_ON(sizeof(struct _type) != (_size))
#define GM_ABI_U64(_type, _field) \
	BUILD_BUG_ON(offsetof(struct _type, _field) % sizeof(u64))

static void __init gm_check_abi(void)
{
	GM_ABI(grid_missing_checksum, 16);
	GM_ABI(grid_missing_query, 24);
	GM_ABI_U64(grid_missing_query, features);
	GM_ABI(grid_missing_attach, 104);
	GM_ABI_U64(grid_missing_attach, id);
	GM_ABI_U64(grid_missing_attach, blocks);
	GM_ABI(grid_missing_create, 40);
	GM_ABI_U64(grid_missing_create, id);
	GM_ABI(grid_missing_vector, 56);
	GM_ABI_U64(grid_missing_vector, cursor);
	GM_ABI_U64(grid_missing_vector, elems);
	GM_ABI_U64(grid_missing_vector, first);
	GM_ABI(grid_missing_block, 32);
	GM_ABI_U64(grid_missing_block, address);
	GM_ABI(grid_missing_value, 24);
	GM_ABI_U64(grid_missing_value, address);
	GM_ABI(grid_missing_repair, 64);
	GM_ABI_U64(grid_missing_repair, data);
	GM_ABI_U64(grid_missing_repair, values);
	GM_ABI_U64(grid_missing_repair, serial);
	GM_ABI(grid_missing_fault, 56);
	GM_ABI_U64(grid_missing_fault, table);
	GM_ABI_U64(grid_missing_fault, serial);
	GM_ABI(grid_missing_table, 48);
	GM_ABI_U64(grid_missing_table, reserved);
	GM_ABI(grid_missing_released, 24);
	GM_ABI_U64(grid_missing_released, count);
	GM_ABI(grid_missing_tracker, 168);
	GM_ABI_U64(grid_missing_tracker, blocks);
	GM_ABI_U64(grid_missing_tracker, faults);
	GM_ABI(grid_missing_checkpoint, 40);
	GM_ABI_U64(grid_missing_checkpoint, id);
	GM_ABI_U64(grid_missing_checkpoint, elems);
	GM_ABI(grid_missing_sync_jump, 32);
	GM_ABI_U64(grid_missing_sync_jump, elems);
	GM_ABI(grid_missing_simple, 16);
	GM_ABI_U64(grid_missing_simple, value);
	GM_ABI(grid_missing_status, 344);
	GM_ABI_U64(grid_missing_status, id);
	GM_ABI_U64(grid_missing_status, parked);
	GM_ABI_U64(grid_missing_status, blocks);
	GM_ABI_U64(grid_missing_status, checkpoint_taken);
	GM_ABI(grid_missing_events, 16);
	GM_ABI(grid_missing_event, 56);
	GM_ABI_U64(grid_missing_event, sequence);
	GM_ABI_U64(grid_missing_event, lost);
}

int __init gm_device_init(void)
{
	gm_check_abi();
	return misc_register(&gm_misc);
}

void gm_device_exit(void)
{
	misc_deregister(&gm_misc);
	ida_destroy(&gm_owners);
}
