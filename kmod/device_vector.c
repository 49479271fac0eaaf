// SPDX-License-Identifier: GPL-2.0
/*
 * The calls on many blocks: enqueue, batch, repair, commence, complete,
 * unavailable, retry, cancel, and the listings.
 *
 * A vector is worked through in chunks, so that it needs no large allocation,
 * holds the tracker's lock for short times, and can be interrupted:
 *
 *	copy in a chunk		nothing held: user memory may stall for ever
 *	gm_begin()		the bind lock; live, or EAGAIN
 *	do it			kernel memory only
 *	gm_end()
 *	copy out the results	nothing held
 *
 * Elements are handled in order, and `done` counts those whose result reached
 * the caller.  What cannot be read or written back ends the call there; what
 * is wrong with an element itself is its own result.  An element that was
 * handled but whose result could not be delivered (memory unmapped meanwhile)
 * is not counted; to do it again is harmless: enqueue answers that it is a
 * duplicate, the others ENOENT; a commence is undone.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "core.h"
#include "device.h"

/* Elements that are handled in one go, with the tracker's lock held. */
#define GM_CHUNK 64U

/*
 * Memory, without waiting for what only the caller can repair: reclaim might
 * write to a device whose blocks he is about to bring back (U6).
 */
static void *gm_alloc_noio(size_t size)
{
	unsigned int noio = memalloc_noio_save();
	void *p;

	p = kvmalloc(size, GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
	memalloc_noio_restore(noio);
	return p;
}

/* ---- user memory ---- */

static void __user *gm_elem(const struct grid_missing_vector *v, u32 i)
{
	return u64_to_user_ptr(v->elems + (u64)i * v->elem_size);
}

/* @min: size of an element's first version. */
static int gm_check_vector(const struct grid_missing_vector *v, size_t min)
{
	if (v->count > GRID_MISSING_VECTOR_MAX)
		return -E2BIG;
	if (!v->count)
		return 0;
	if (v->elem_size < min)
		return -EINVAL;
	if (v->elem_size > PAGE_SIZE)
		return -E2BIG;
	return 0;
}

/*
 * Copy @n elements from the @first on into @elems, of @size bytes each here.
 * Returns how many came; *@err says why not all.
 */
static u32 gm_get_elems(const struct grid_missing_vector *v, u32 first, u32 n,
			void *elems, size_t size, int *err)
{
	unsigned long left;
	u32 i;

	if (v->elem_size == size) {
		left = copy_from_user(elems, gm_elem(v, first), n * size);
		if (!left)
			return n;
		*err = -EFAULT;
		return n - DIV_ROUND_UP(left, size);
	}
	for (i = 0; i < n; i++) {
		*err = copy_struct_from_user(elems + i * size, size,
					     gm_elem(v, first + i),
					     v->elem_size);
		if (*err)
			break;
	}
	return i;
}

/* The way back; zero where the caller knows more than we. */
static u32 gm_put_elems(const struct grid_missing_vector *v, u32 first, u32 n,
			const void *elems, size_t size, int *err)
{
	size_t known = min_t(size_t, size, v->elem_size);
	unsigned long left;
	u32 i;

	if (v->elem_size == size) {
		left = copy_to_user(gm_elem(v, first), elems, n * size);
		if (!left)
			return n;
		*err = -EFAULT;
		return n - DIV_ROUND_UP(left, size);
	}
	for (i = 0; i < n; i++) {
		void __user *elem = gm_elem(v, first + i);

		if (copy_to_user(elem, elems + i * size, known) ||
		    (v->elem_size > known &&
		     clear_user(elem + known, v->elem_size - known))) {
			*err = -EFAULT;
			break;
		}
	}
	return i;
}

static bool gm_sum_is_zero(const struct grid_missing_checksum *sum)
{
	return !memchr_inv(sum, 0, sizeof(*sum));
}

/* What the tracker takes for "nobody knows it". */
static const struct grid_missing_checksum *
gm_sum(u32 flags, const struct grid_missing_checksum *sum)
{
	return flags & GRID_MISSING_F_NO_CHECKSUM ? NULL : sum;
}

/* ---- blocks in and out ---- */

/**
 * struct gm_block_op - a call on a vector of struct grid_missing_block
 * @flags: what an element's flags may be
 * @run: does @n elements whose result is 0 and sets that; bind lock held
 * @wait: waits for what @run began; nothing held; may be NULL
 * @undo: the results of these @n could not be delivered; nothing held; may be
 *	NULL; for private trackers, where no target has seen what @run did
 */
struct gm_block_op {
	u32 flags;
	void (*run)(struct gm_ioctl_call *c, struct grid_missing_block *b,
		    u32 n);
	int (*wait)(struct gm_ioctl_call *c, const struct grid_missing_block *b,
		    u32 n);
	void (*undo)(struct gm_ioctl_call *c,
		     const struct grid_missing_block *b, u32 n);
};

static void gm_check_blocks(const struct gm_block_op *op,
			    struct grid_missing_block *b, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		b[i].result = 0;
		if ((b[i].flags & ~op->flags) ||
		    ((b[i].flags & GRID_MISSING_F_NO_CHECKSUM) &&
		     !gm_sum_is_zero(&b[i].checksum)))
			b[i].result = -EINVAL;
	}
}

static int gm_do_blocks(struct gm_ioctl_call *c, const struct gm_block_op *op)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing_block *b;
	u32 n, got, put;
	int err, ret;

	err = gm_check_vector(v,
			      offsetofend(struct grid_missing_block, result));
	if (err)
		return err;
	b = gm_alloc_noio(GM_CHUNK * sizeof(*b));
	if (!b)
		return -ENOMEM;

	while (v->done < v->count && !err) {
		n = min(v->count - v->done, GM_CHUNK);
		got = gm_get_elems(v, v->done, n, b, sizeof(*b), &err);
		if (!got)
			break;
		gm_check_blocks(op, b, got);

		ret = gm_begin(c->gm, true);
		if (ret) {
			err = ret;
			break;
		}
		op->run(c, b, got);
		gm_end(c->gm);
		if (op->wait) {
			ret = op->wait(c, b, got);
			if (ret) {
				err = ret;
				break;
			}
		}

		put = gm_put_elems(v, v->done, got, b, sizeof(*b), &err);
		v->done += put;
		if (put < got && op->undo)
			op->undo(c, b + put, got - put);
		if (signal_pending(current) && !err)
			err = -EINTR;
		cond_resched();
	}
	kvfree(b);
	return v->done ? 0 : err;
}

static void gm_run_enqueue(struct gm_ioctl_call *c,
			   struct grid_missing_block *b, u32 n)
{
	struct gm_tracker *t = &c->gm->tracker;
	const struct grid_missing_checksum *sum;
	unsigned long flags;
	bool valid = true;
	u32 i;

	for (i = 0; i < n; i++)
		valid &= !b[i].result;
	if (c->gm->private && valid) {
		gm_enqueue_vector(t, b, n);
		return;
	}

	GM_LOCK(t, flags);
	for (i = 0; i < n; i++) {
		if (b[i].result)
			continue;
		b[i].result = __gm_enqueue_ok(c->gm, b[i].address);
		if (b[i].result)
			continue;
		sum = gm_sum(b[i].flags, &b[i].checksum);
		if (b[i].flags & GRID_MISSING_F_TABLE)
			b[i].result = __gm_enqueue_table(t, b[i].address, sum);
		else
			b[i].result =
				__gm_enqueue_block(t, b[i].address, sum,
						   GRID_MISSING_WHY_ENQUEUED);
	}
	GM_UNLOCK(t, flags);
}

int gm_ioctl_enqueue(struct gm_ioctl_call *c)
{
	static const struct gm_block_op op = {
		.flags = GRID_MISSING_F_NO_CHECKSUM | GRID_MISSING_F_TABLE,
		.run = gm_run_enqueue,
	};

	return gm_do_blocks(c, &op);
}

static void gm_run_commence(struct gm_ioctl_call *c,
			    struct grid_missing_block *b, u32 n)
{
	u64 now = gm_now_ms();
	u32 i;

	for (i = 0; i < n; i++)
		if (!b[i].result)
			b[i].result = gm_repair_commence(
				&c->gm->tracker, b[i].address,
				gm_sum(b[i].flags, &b[i].checksum),
				c->file->owner, now);
}

static void gm_undo_commence(struct gm_ioctl_call *c,
			     const struct grid_missing_block *b, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (!b[i].result)
			gm_repair_revert(&c->gm->tracker, b[i].address,
					 c->file->owner);
}

int gm_ioctl_commence(struct gm_ioctl_call *c)
{
	static const struct gm_block_op op = {
		.flags = GRID_MISSING_F_NO_CHECKSUM,
		.run = gm_run_commence,
		.undo = gm_undo_commence,
	};

	return c->gm->private ? gm_do_blocks(c, &op) : -EOPNOTSUPP;
}

static void gm_run_unavailable(struct gm_ioctl_call *c,
			       struct grid_missing_block *b, u32 n)
{
	struct gm_tracker *t = &c->gm->tracker;
	unsigned long flags;
	u32 i;

	GM_LOCK(t, flags);
	for (i = 0; i < n; i++)
		if (!b[i].result)
			b[i].result = __gm_set_unavailable(
				t, b[i].address, GRID_MISSING_WHY_UNAVAILABLE,
				true);
	GM_UNLOCK(t, flags);
}

int gm_ioctl_unavailable(struct gm_ioctl_call *c)
{
	static const struct gm_block_op op = {
		.run = gm_run_unavailable,
	};

	return gm_do_blocks(c, &op);
}

static void gm_run_retry(struct gm_ioctl_call *c, struct grid_missing_block *b,
			 u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (!b[i].result)
			b[i].result = gm_retry(&c->gm->tracker, b[i].address);
	/* The end of a back-off is no transition. */
	gm_wake(c->gm, GM_WAKE_WORK);
}

int gm_ioctl_retry(struct gm_ioctl_call *c)
{
	static const struct gm_block_op op = {
		.run = gm_run_retry,
	};
	int ret;

	if (c->arg.vector.count)
		return gm_do_blocks(c, &op);
	ret = gm_begin(c->gm, true);
	if (ret)
		return ret;
	gm_retry_all(&c->gm->tracker);
	gm_wake(c->gm, GM_WAKE_WORK);
	gm_end(c->gm);
	return 0;
}

/* ---- cancel ---- */

static void gm_run_cancel(struct gm_ioctl_call *c, struct grid_missing_block *b,
			  u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (!b[i].result)
			b[i].result = gm_cancel(&c->gm->tracker, b[i].address,
						!c->gm->private);
}

/*
 * Those that we made aborting are being written by the kernel.  Whoever is
 * interrupted here asks again: what is aborting still answers EBUSY then.
 */
static int gm_wait_cancel(struct gm_ioctl_call *c,
			  const struct grid_missing_block *b, u32 n)
{
	int ret = 0;
	u32 i;

	if (c->gm->private ||
	    (c->arg.vector.flags & GRID_MISSING_CANCEL_NOWAIT))
		return 0;
	for (i = 0; i < n && !ret; i++)
		if (!b[i].result || b[i].result == -EBUSY)
			ret = gm_wait_idle(c->gm, &b[i].address);
	return ret;
}

static void gm_run_revert(struct gm_ioctl_call *c, struct grid_missing_block *b,
			  u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (!b[i].result)
			b[i].result = gm_repair_revert(
				&c->gm->tracker, b[i].address, c->file->owner);
}

/* What this file was writing, or others for too long, waits again. */
static int gm_revert_all(struct gm_ioctl_call *c)
{
	struct grid_missing *gm = c->gm;
	u64 now = gm_now_ms();
	int ret = gm_begin(gm, true);

	if (ret)
		return ret;
	gm_revert_owner(&gm->tracker, c->file->owner);
	if ((c->arg.vector.flags & GRID_MISSING_CANCEL_ALL) &&
	    gm->revert_age_ms && now > gm->revert_age_ms)
		gm_revert_older(&gm->tracker, now - gm->revert_age_ms);
	gm_end(gm);
	return 0;
}

static int gm_cancel_everything(struct gm_ioctl_call *c)
{
	struct grid_missing *gm = c->gm;
	bool wait = !gm->private &&
		    !(c->arg.vector.flags & GRID_MISSING_CANCEL_NOWAIT);
	int ret;

	for (;;) {
		ret = gm_begin(gm, true);
		if (ret)
			return ret;
		if (gm->private)
			ret = gm_cancel_all(&gm->tracker, false);
		else
			ret = grid_missing_cancel_all(gm);
		gm_end(gm);
		if (ret != -EBUSY || !wait)
			break;
		/* What an earlier cancel made aborting is still there. */
		ret = gm_wait_idle(gm, NULL);
		if (ret)
			return ret;
		cond_resched();
	}
	if (!ret && wait)
		ret = gm_wait_idle(gm, NULL);
	return ret;
}

int gm_ioctl_cancel(struct gm_ioctl_call *c)
{
	static const struct gm_block_op cancel = {
		.run = gm_run_cancel,
		.wait = gm_wait_cancel,
	};
	static const struct gm_block_op revert = {
		.run = gm_run_revert,
	};
	const struct grid_missing_vector *v = &c->arg.vector;

	/* All of them, or a list of them. */
	if ((v->flags & GRID_MISSING_CANCEL_ALL) && v->count)
		return -EINVAL;
	if (v->flags & GRID_MISSING_CANCEL_REVERT) {
		if (v->flags & GRID_MISSING_CANCEL_NOWAIT)
			return -EINVAL;
		/* There nothing that is being written belongs to a file. */
		if (!c->gm->private)
			return -EOPNOTSUPP;
		return v->count ? gm_do_blocks(c, &revert) : gm_revert_all(c);
	}
	if (v->flags & GRID_MISSING_CANCEL_ALL)
		return gm_cancel_everything(c);
	return gm_do_blocks(c, &cancel);
}

/* ---- blocks out ---- */

int gm_ioctl_batch(struct gm_ioctl_call *c)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing_fault *out;
	u64 now = gm_now_ms();
	u32 min_age, n, got, put;
	int err;

	err = gm_check_vector(v, offsetofend(struct grid_missing_fault,
					     reserved2));
	if (err)
		return err;
	if (v->flags & GRID_MISSING_BATCH_MIN_AGE) {
		WRITE_ONCE(c->file->min_age_ms, v->arg);
		wake_up_all(&c->file->wait);
	}
	min_age = READ_ONCE(c->file->min_age_ms);
	out = gm_alloc_noio(GM_CHUNK * sizeof(*out));
	if (!out)
		return -ENOMEM;

	while (v->done < v->count && !err) {
		n = min(v->count - v->done, GM_CHUNK);
		err = gm_begin(c->gm, true);
		if (err)
			break;
		got = gm_next_batch(&c->gm->tracker, n, min_age, now, out);
		gm_end(c->gm);
		/*
		 * What cannot be delivered counts as handed out, like what is
		 * lost with its helper: its turn comes again.
		 */
		put = gm_put_elems(v, v->done, got, out, sizeof(*out), &err);
		v->done += put;
		if (got < n)
			break;
		if (signal_pending(current) && !err)
			err = -EINTR;
		/* What the last chunk got is not to come again in this one. */
		min_age = max(min_age, 1U);
		cond_resched();
	}
	kvfree(out);
	return v->done ? 0 : err;
}

/* A listing: fill in up to @max from *@cursor on; ~0 at the end. */
typedef u32 (*gm_list_fn)(struct gm_ioctl_call *c, u64 *cursor, u32 max,
			  void *out);

static int gm_list(struct gm_ioctl_call *c, gm_list_fn list, size_t size,
		   u32 chunk)
{
	struct grid_missing_vector *v = &c->arg.vector;
	u32 n, got, put;
	u64 cursor;
	void *out;
	int err;

	/* Out only: the sizes of the first versions are today's. */
	err = gm_check_vector(v, size);
	if (err)
		return err;
	out = gm_alloc_noio(chunk * size);
	if (!out)
		return -ENOMEM;

	while (v->done < v->count && v->cursor != U64_MAX) {
		n = min(v->count - v->done, chunk);
		cursor = v->cursor;
		got = list(c, &cursor, n, out);
		put = gm_put_elems(v, v->done, got, out, size, &err);
		if (put < got) {
			/*
			 * The cursor stays before the chunk, and so does done:
			 * together they say where to go on.
			 */
			break;
		}
		v->done += put;
		v->cursor = cursor;
		/* The cursor has moved: that is progress, even with no fault. */
		if (signal_pending(current))
			break;
		cond_resched();
	}
	kvfree(out);
	return v->done ? 0 : err;
}

static u32 gm_list_some_faults(struct gm_ioctl_call *c, u64 *cursor, u32 max,
			       void *out)
{
	return gm_faults(c->gm, cursor, max, out);
}

int gm_ioctl_list_faults(struct gm_ioctl_call *c)
{
	return gm_list(c, gm_list_some_faults,
		       sizeof(struct grid_missing_fault), GM_CHUNK);
}

static u32 gm_list_some_tables(struct gm_ioctl_call *c, u64 *cursor, u32 max,
			       void *out)
{
	return gm_tables(c->gm, cursor, max, out);
}

int gm_ioctl_list_tables(struct gm_ioctl_call *c)
{
	return gm_list(c, gm_list_some_tables,
		       sizeof(struct grid_missing_table), GM_CHUNK);
}

/* The cursor is the id to go on with. */
static u32 gm_list_some_trackers(struct gm_ioctl_call *c, u64 *cursor, u32 max,
				 void *out)
{
	struct grid_missing_tracker *t = out;
	struct grid_missing *gm;
	u32 n;

	for (n = 0; n < max; n++) {
		gm = gm_find_next(*cursor);
		if (!gm) {
			*cursor = U64_MAX;
			break;
		}
		memset(&t[n], 0, sizeof(t[n]));
		t[n].id = gm->id;
		t[n].major = gm->major;
		t[n].minor = gm->minor;
		t[n].block_size = gm->geometry.block_size;
		t[n].blocks = gm->geometry.blocks;
		t[n].faults = grid_missing_count(gm);
		strscpy(t[n].name, gm->name, sizeof(t[n].name));
		*cursor = gm->id + 1;
		grid_missing_put(gm);
	}
	return n;
}

int gm_ioctl_list_trackers(struct gm_ioctl_call *c)
{
	return gm_list(c, gm_list_some_trackers,
		       sizeof(struct grid_missing_tracker), GM_CHUNK / 4);
}

/* ---- data and values ---- */

/*
 * Copy in an index's list; free with kvfree().  *@values is NULL for what is
 * no index (no address and no count), and a list of none is a list.
 */
static int gm_get_values(struct grid_missing *gm,
			 const struct grid_missing_repair *e,
			 struct grid_missing_value **values)
{
	const size_t size = sizeof(**values);
	struct grid_missing_value *list;
	void __user *from;
	int ret = 0;
	u32 i;

	*values = NULL;
	if (!e->values && !e->values_count)
		return 0;
	if (e->values_count > gm->limits.table_values_max)
		return -E2BIG;
	if (e->values_count) {
		if (e->value_size < size)
			return -EINVAL;
		if (e->value_size > PAGE_SIZE)
			return -E2BIG;
	}

	list = gm_alloc_noio(max(e->values_count, 1U) * size);
	if (!list)
		return -ENOMEM;
	if (e->value_size == size) {
		if (copy_from_user(list, u64_to_user_ptr(e->values),
				   e->values_count * size))
			ret = -EFAULT;
	} else {
		for (i = 0; i < e->values_count && !ret; i++) {
			from = u64_to_user_ptr(e->values +
					       (u64)i * e->value_size);
			ret = copy_struct_from_user(&list[i], size, from,
						    e->value_size);
			cond_resched();
		}
	}
	if (ret) {
		kvfree(list);
		return ret;
	}
	*values = list;
	return 0;
}

/*
 * Copy in the @i-th element and see that its result can be written back,
 * before anything is done for it.
 */
static int gm_get_repair(const struct grid_missing_vector *v, u32 i,
			 struct grid_missing_repair *e)
{
	struct grid_missing_repair __user *elem = gm_elem(v, i);
	int err = 0;

	if (!gm_get_elems(v, i, 1, e, sizeof(*e), &err))
		return err;
	return put_user(e->result, &elem->result);
}

static int gm_put_result(const struct grid_missing_vector *v, u32 i, int result)
{
	struct grid_missing_repair __user *elem = gm_elem(v, i);

	return put_user(result, &elem->result);
}

static int gm_check_repair(const struct grid_missing_repair *e, u32 flags)
{
	if ((e->flags & ~flags) || e->reserved)
		return -EINVAL;
	if ((e->flags & GRID_MISSING_F_NO_CHECKSUM) &&
	    !gm_sum_is_zero(&e->checksum))
		return -EINVAL;
	return 0;
}

/* ---- complete ---- */

/* One element of COMPLETE; the result is the element's, *@stop the call's. */
static int gm_complete_one(struct gm_ioctl_call *c,
			   const struct grid_missing_repair *e, int *stop)
{
	const struct grid_missing_checksum *sum =
		gm_sum(e->flags, &e->checksum);
	struct grid_missing_value *values = NULL;
	struct grid_missing *gm = c->gm;
	struct grid_missing_fault info;
	unsigned long flags;
	bool unverified;
	int ret;

	ret = gm_check_repair(e, GRID_MISSING_F_NO_CHECKSUM |
					 GRID_MISSING_F_FAILED);
	if (ret)
		return ret;
	if (e->data || ((e->flags & GRID_MISSING_F_FAILED) &&
			(e->values || e->values_count)))
		return -EINVAL;
	ret = gm_get_values(gm, e, &values);
	if (ret)
		return ret;

	*stop = gm_begin(gm, true);
	if (*stop)
		goto out_free;
	if (e->flags & GRID_MISSING_F_FAILED) {
		ret = gm_repair_failed(&gm->tracker, e->address, sum,
				       c->file->owner, gm_now_ms());
		goto out_end;
	}
	GM_LOCK(&gm->tracker, flags);
	unverified = __gm_find(&gm->tracker, e->address, &info) !=
			     GRID_MISSING_STATE_GONE &&
		     (info.flags & GRID_MISSING_F_NO_CHECKSUM);
	GM_UNLOCK(&gm->tracker, flags);
	ret = gm_repair_complete(&gm->tracker, e->address, sum, c->file->owner,
				 values, e->values_count);
	if (!ret && unverified) {
		GM_LOCK(&gm->tracker, flags);
		gm->counters.unverified++;
		GM_UNLOCK(&gm->tracker, flags);
	}
out_end:
	gm_end(gm);
out_free:
	kvfree(values);
	return ret;
}

int gm_ioctl_complete(struct gm_ioctl_call *c)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing_repair e;
	int result, err;

	if (!c->gm->private)
		return -EOPNOTSUPP;
	err = gm_check_vector(v, offsetofend(struct grid_missing_repair,
					     reserved));
	while (v->done < v->count && !err) {
		err = gm_get_repair(v, v->done, &e);
		if (err)
			break;
		result = gm_complete_one(c, &e, &err);
		if (err)
			break;
		err = gm_put_result(v, v->done, result);
		if (err)
			break;
		v->done++;
		if (signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return v->done ? 0 : err;
}

/* ---- repair ---- */

/**
 * struct gm_slice - what of a vector is in kernel memory, to be repaired
 * @items: @max of them
 * @blocks: memory for the data of each, kept from slice to slice, or NULL
 * @max: most items
 * @n: items in use
 * @bytes: of data and lists in use
 * @one: for when there is not even memory for those
 * @one_block: likewise
 * @reserved: the only block is the tracker's reserve, whose lock we hold
 */
struct gm_slice {
	struct grid_missing_item *items;
	void **blocks;
	u32 max;
	u32 n;
	size_t bytes;
	struct grid_missing_item one;
	void *one_block;
	bool reserved;
};

static void gm_slice_init(struct gm_slice *s, const struct grid_missing *gm,
			  u32 count)
{
	memset(s, 0, sizeof(*s));
	s->max = min_t(u32, count, GM_REPAIR_SLICE / gm->geometry.block_size);
	s->max = max(s->max, 1U);
	s->items = gm_alloc_noio(s->max * sizeof(*s->items));
	s->blocks = gm_alloc_noio(s->max * sizeof(*s->blocks));
	if (s->items && s->blocks) {
		memset(s->blocks, 0, s->max * sizeof(*s->blocks));
		return;
	}
	kvfree(s->items);
	kvfree(s->blocks);
	s->items = &s->one;
	s->blocks = &s->one_block;
	s->max = 1;
}

/* Before the next slice: its lists go, its blocks stay, but for the reserve. */
static void gm_slice_reset(struct gm_slice *s, struct grid_missing *gm)
{
	u32 i;

	for (i = 0; i < s->n; i++)
		kvfree(s->items[i].values);
	s->n = 0;
	s->bytes = 0;
	if (s->reserved) {
		s->blocks[0] = NULL;
		s->reserved = false;
		mutex_unlock(&gm->reserve_lock);
	}
}

static void gm_slice_exit(struct gm_slice *s, struct grid_missing *gm)
{
	u32 i;

	gm_slice_reset(s, gm);
	for (i = 0; i < s->max; i++)
		kvfree(s->blocks[i]);
	if (s->items != &s->one) {
		kvfree(s->items);
		kvfree(s->blocks);
	}
}

/*
 * Memory for the next item's data.  With none at all the slice goes on with
 * the reserve, one block at a time; who has to wait for that can be
 * interrupted.  -ENOMEM: repair what is in the slice first.
 */
static int gm_slice_block(struct gm_slice *s, struct grid_missing *gm)
{
	if (s->reserved)
		return -ENOMEM;
	if (!s->blocks[s->n])
		s->blocks[s->n] = gm_alloc_noio(gm->geometry.block_size);
	if (s->blocks[s->n])
		return 0;
	if (s->n)
		return -ENOMEM;
	if (mutex_lock_interruptible(&gm->reserve_lock))
		return -EINTR;
	s->blocks[0] = gm->reserve;
	s->reserved = true;
	return 0;
}

/*
 * Add element @i to the slice.  What is wrong with the element becomes the
 * item's result.  Else: -ENOMEM: the slice is full; -EFAULT, -E2BIG, -EINTR
 * end the call.
 */
static int gm_slice_add(struct gm_slice *s, struct gm_ioctl_call *c, u32 i)
{
	struct grid_missing *gm = c->gm;
	u32 block_size = gm->geometry.block_size;
	struct grid_missing_value *values = NULL;
	struct grid_missing_item *item = &s->items[s->n];
	struct grid_missing_repair e;
	int ret;

	ret = gm_get_repair(&c->arg.vector, i, &e);
	if (ret)
		return ret;
	memset(item, 0, sizeof(*item));
	item->address = e.address;
	item->sum = e.checksum;
	item->has_sum = !(e.flags & GRID_MISSING_F_NO_CHECKSUM);

	ret = gm_check_repair(&e, GRID_MISSING_F_NO_CHECKSUM);
	/* Where there is a hash, there is something to be stated. */
	if (!ret && !item->has_sum && gm->geometry.checksum[0])
		ret = -EINVAL;
	if (!ret && e.address >= gm->geometry.blocks)
		ret = -ERANGE;
	if (ret)
		goto out_result;

	ret = gm_slice_block(s, gm);
	if (ret)
		return ret;
	item->data = s->blocks[s->n];
	if (copy_from_user(item->data, u64_to_user_ptr(e.data), block_size)) {
		ret = -EFAULT;
		goto out_result;
	}
	ret = gm_get_values(gm, &e, &values);
	if (ret == -ENOMEM && s->n)
		return ret;
	if (ret)
		goto out_result;
	item->is_index = values;
	item->values = values;
	item->values_count = values ? e.values_count : 0;
	s->bytes += block_size + item->values_count * sizeof(*values);
out_result:
	item->result = ret;
	s->n++;
	return 0;
}

/* Fill the slice from element @first on; 0, or what ends the call after it. */
static int gm_slice_fill(struct gm_slice *s, struct gm_ioctl_call *c, u32 first)
{
	u32 count = c->arg.vector.count;
	int ret;

	while (s->n < s->max && first + s->n < count &&
	       s->bytes < GM_REPAIR_SLICE) {
		ret = gm_slice_add(s, c, first + s->n);
		if (ret)
			return ret == -ENOMEM ? 0 : ret;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return 0;
}

static int gm_slice_repair(struct gm_slice *s, struct grid_missing *gm)
{
	unsigned int noio;
	bool any = false;
	int ret;
	u32 i;

	for (i = 0; i < s->n; i++)
		any |= !s->items[i].result;
	if (!any)
		return 0;

	ret = gm_begin(gm, true);
	if (ret)
		return ret;
	ret = -EOPNOTSUPP;
	if (gm->ops->repair) {
		noio = memalloc_noio_save();
		ret = gm->ops->repair(gm->priv, s->items, s->n);
		memalloc_noio_restore(noio);
	}
	gm_end(gm);
	return ret;
}

int gm_ioctl_repair(struct gm_ioctl_call *c)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing *gm = c->gm;
	struct gm_slice s;
	int err, ret;
	u32 i;

	if (gm->private)
		return -EOPNOTSUPP;
	err = gm_check_vector(v, offsetofend(struct grid_missing_repair,
					     reserved));
	if (err || !v->count)
		return err;

	gm_slice_init(&s, gm, v->count);
	while (v->done < v->count && !err) {
		err = gm_slice_fill(&s, c, v->done);
		if (!s.n)
			break;
		ret = gm_slice_repair(&s, gm);
		if (ret) {
			err = ret;
			break;
		}
		for (i = 0; i < s.n; i++) {
			ret = gm_put_result(v, v->done, s.items[i].result);
			if (ret) {
				err = ret;
				break;
			}
			v->done++;
		}
		gm_slice_reset(&s, gm);
		if (signal_pending(current) && !err)
			err = -EINTR;
		cond_resched();
	}
	gm_slice_exit(&s, gm);
	return v->done ? 0 : err;
}
