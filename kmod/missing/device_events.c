// SPDX-License-Identifier: GPL-2.0
/*
 * The files that events are read from (U1): GRID_MISSING_EVENTS makes them.
 *
 * They are files of their own so that each has one condition: what is attached
 * is readable while there is something to repair, and these while events are
 * unread.  Loops that know no more than readable and writable then never find a
 * file ready that has nothing for them.  A file holds a reference to the
 * tracker, nothing of the file that it came from, and so stays when that is
 * closed.  There can be many, each with its own cursor in the tracker's ring.
 *
 * Locks: gm_reader->lock around a read(); see core.h.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core.h"
#include "device.h"

/* Events that read() copies in one go. */
#define GM_READ_EVENTS 16U

static int gm_reader_close(struct inode *inode, struct file *file)
{
	struct gm_reader *r = file->private_data;

	gm_del_reader(r);
	grid_missing_put(r->gm);
	kfree(r);
	return 0;
}

static __poll_t gm_reader_poll(struct file *file, poll_table *wait)
{
	struct gm_reader *r = file->private_data;
	__poll_t mask = 0;

	/* Join, arm, look, in this order: see __gm_wake(). */
	poll_wait(file, &r->wait, wait);
	gm_arm(r->gm, GM_WAKE_EVENT);
	if (gm_events_unread(r->gm, READ_ONCE(r->cursor)))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (gm_removed(r->gm))
		mask |= EPOLLHUP;
	return mask;
}

static bool gm_reader_ready(struct gm_reader *r)
{
	gm_arm(r->gm, GM_WAKE_EVENT);
	return gm_removed(r->gm) ||
	       gm_events_unread(r->gm, READ_ONCE(r->cursor));
}

/*
 * Whole records.  What could not be copied out is still there for the next
 * call.  Once the device is gone and all is read: 0, the end.
 */
static ssize_t gm_reader_read(struct file *file, char __user *buf, size_t len,
			      loff_t *pos)
{
	struct gm_reader *r = file->private_data;
	struct grid_missing_event *events;
	size_t done = 0;
	ssize_t ret;
	bool removed;
	u64 cursor;
	u32 n;

	if (len < sizeof(*events))
		return -EINVAL;
	events = kmalloc_array(GM_READ_EVENTS, sizeof(*events), GFP_KERNEL);
	if (!events)
		return -ENOMEM;

again:
	if (mutex_lock_interruptible(&r->lock)) {
		ret = -EINTR;
		goto out_free;
	}
	/* Before it looks: what comes before the removal is read before it. */
	removed = gm_removed(r->gm);
	ret = 0;
	while (len - done >= sizeof(*events)) {
		n = min_t(size_t, (len - done) / sizeof(*events),
			  GM_READ_EVENTS);
		cursor = r->cursor;
		n = gm_events_read(r->gm, &cursor, events, n);
		if (!n)
			break;
		if (copy_to_user(buf + done, events, n * sizeof(*events))) {
			ret = -EFAULT;
			break;
		}
		WRITE_ONCE(r->cursor, cursor);
		done += n * sizeof(*events);
		if (signal_pending(current))
			break;
		cond_resched();
	}
	mutex_unlock(&r->lock);
	if (done || ret || removed)
		goto out_free;

	ret = -EAGAIN;
	if (file->f_flags & O_NONBLOCK)
		goto out_free;
	ret = -EINTR;
	if (!wait_event_interruptible(r->wait, gm_reader_ready(r)))
		goto again;
out_free:
	kfree(events);
	return done ? done : ret;
}

static void gm_reader_fdinfo(struct seq_file *m, struct file *file)
{
	struct gm_reader *r = file->private_data;

	seq_printf(m, "grid-missing-id:\t%llu\n", r->gm->id);
	seq_printf(m, "grid-missing-events-unread:\t%llu\n",
		   gm_events_unread(r->gm, READ_ONCE(r->cursor)));
}

static const struct file_operations gm_reader_fops = {
	.owner = THIS_MODULE,
	.release = gm_reader_close,
	.read = gm_reader_read,
	.poll = gm_reader_poll,
	.show_fdinfo = gm_reader_fdinfo,
};

int gm_ioctl_events(struct gm_ioctl_call *c)
{
	struct grid_missing_events *a = &c->arg.events;
	int flags = O_RDONLY | O_CLOEXEC, ret;
	struct gm_reader *r;
	struct file *file;

	if (a->reserved)
		return -EINVAL;
	if (a->flags & GRID_MISSING_EVENTS_NONBLOCK)
		flags |= O_NONBLOCK;
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	mutex_init(&r->lock);
	init_waitqueue_head(&r->wait);
	ret = gm_add_reader(c->gm, r);
	if (ret)
		goto err_free;
	ret = get_unused_fd_flags(flags);
	if (ret < 0)
		goto err_reader;
	a->fd = ret;
	file = anon_inode_getfile("[grid_missing_events]", &gm_reader_fops, r,
				  flags);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_fd;
	}
	/* It has no position. */
	stream_open(file_inode(file), file);
	kref_get(&c->gm->ref);
	c->made = file;
	return 0;

err_fd:
	put_unused_fd(a->fd);
err_reader:
	gm_del_reader(r);
err_free:
	kfree(r);
	return ret;
}

/* The call's argument is with its caller; or, with @err, it is not. */
void gm_events_install(struct gm_ioctl_call *c, int err)
{
	if (!err) {
		fd_install(c->arg.events.fd, c->made);
		return;
	}
	put_unused_fd(c->arg.events.fd);
	fput(c->made);
}
