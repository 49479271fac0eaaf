// SPDX-License-Identifier: GPL-2.0
/*
 * The calls on many blocks: enqueue, batch, commence, unavailable, retry,
 * cancel, and the listings.  Those that bring data or values are in
 * device_repair.c.
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

/*
 * Memory, without waiting for what only the caller can repair: reclaim might
 * write to a device whose blocks he is about to bring back (U6).
 */
void *gm_alloc_noio(size_t size)
{
	unsigned int noio = memalloc_noio_save();
	void *p;

	p = kvmalloc(size, GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
	memalloc_noio_restore(noio);
	return p;
}

/* ---- user memory ---- */

/* @min: size of an element's first version. */
int gm_check_vector(const struct grid_missing_vector *v, size_t min)
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
u32 gm_get_elems(const struct grid_missing_vector *v, u32 first, u32 n,
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
u32 gm_put_elems(const struct grid_missing_vector *v, u32 first, u32 n,
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

/* ---- blocks in and out ---- */

/**
 * struct gm_block_op - a call on a vector of struct grid_missing_block
 * @flags: what an element's flags may be
 * @no_sum: it uses no checksum: that must be zero
 * @changes: it changes the map (M1): so many records an element, at most
 * @commits: it returns when what it names is committed (M2)
 * @run: does @n elements whose result is 0 and sets that; bind lock held
 * @sweep: likewise, those that @run has left: they ask for room themselves, and who
 *	waits for room keeps none; may be NULL
 * @wait: waits for what @run began; nothing held; may be NULL
 * @undo: the results of these @n could not be delivered; nothing held; may be
 *	NULL; for private trackers, where no target has seen what @run did
 */
struct gm_block_op {
	u32 flags;
	bool no_sum;
	bool commits;
	u32 changes;
	void (*run)(struct gm_ioctl_call *c, struct grid_missing_block *b,
		    u32 n);
	void (*sweep)(struct gm_ioctl_call *c, struct grid_missing_block *b,
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
		    ((op->no_sum ||
		      (b[i].flags & GRID_MISSING_F_NO_CHECKSUM)) &&
		     !gm_sum_is_zero(&b[i].checksum)))
			b[i].result = -EINVAL;
	}
}

static int gm_do_blocks(struct gm_ioctl_call *c, const struct gm_block_op *op)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing_block *b;
	u32 n, got, put;
	u64 ticket = 0;
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
		if (op->changes)
			ret = gm_room(c->gm, got * op->changes);
		if (!ret) {
			op->run(c, b, got);
			if (op->changes)
				gm_room_done(c->gm, got * op->changes);
			if (op->sweep)
				op->sweep(c, b, got);
		}
		if (op->commits)
			ticket = gm_ticket(c->gm);
		gm_end(c->gm);
		if (ret) {
			err = ret;
			break;
		}
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
	if (ticket && v->done) {
		ret = gm_wait_committed(c->gm, ticket);
		if (ret) {
			/* What is missing is so, but nobody may rely on it. */
			v->done = 0;
			err = ret;
		}
	}
	return v->done ? 0 : err;
}

static void gm_run_enqueue(struct gm_ioctl_call *c,
			   struct grid_missing_block *b, u32 n)
{
	struct gm_tracker *t = &c->gm->tracker;
	const struct grid_missing_checksum *sum;
	unsigned long flags;
	bool valid = true, full = false, full_tables = false;
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
		/* Whether it is another table, the tracker finds out, and asks. */
		b[i].result =
			__gm_enqueue_ok(c->gm, b[i].address,
					b[i].flags & GRID_MISSING_F_TABLE ?
						GRID_MISSING_AS_VALUE :
						GRID_MISSING_AS_BLOCK);
		sum = gm_sum(b[i].flags, &b[i].checksum);
		if (!b[i].result && (b[i].flags & GRID_MISSING_F_TABLE))
			b[i].result = __gm_enqueue_table(t, b[i].address, sum);
		else if (!b[i].result)
			b[i].result =
				__gm_enqueue_block(t, b[i].address, sum,
						   GRID_MISSING_WHY_ENQUEUED);
		if (b[i].result != -ENOSPC)
			continue;
		if (b[i].flags & GRID_MISSING_F_TABLE)
			full_tables = true;
		else
			full = true;
	}
	GM_UNLOCK(t, flags);
	if (full)
		gm_say_full(c->gm, false);
	if (full_tables)
		gm_say_full(c->gm, true);
}

int gm_ioctl_enqueue(struct gm_ioctl_call *c)
{
	static const struct gm_block_op op = {
		.flags = GRID_MISSING_F_NO_CHECKSUM | GRID_MISSING_F_TABLE,
		.commits = true,
		.changes = GM_ROOM_TABLE,
		.run = gm_run_enqueue,
	};

	return gm_do_blocks(c, &op);
}

static void gm_run_commence(struct gm_ioctl_call *c,
			    struct grid_missing_block *b, u32 n)
{
	u64 now = gm_now_ms();
	u32 i, end;

	/* All that are right at once, which is fast; those between are not. */
	for (i = 0; i < n; i = end + 1) {
		for (end = i; end < n && !b[end].result; end++)
			;
		gm_repair_commence_vector(&c->gm->tracker, b + i, end - i,
					  c->file->owner, now);
	}
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
		.no_sum = true,
		.run = gm_run_unavailable,
	};

	return gm_do_blocks(c, &op);
}

/* All of them, or a list of them: never both. */
static int gm_check_all(const struct grid_missing_vector *v)
{
	return v->count || v->elem_size || v->elems ? -EINVAL : 0;
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
		.no_sum = true,
		.run = gm_run_retry,
	};
	int ret;

	if (!(c->arg.vector.flags & GRID_MISSING_ALL))
		return gm_do_blocks(c, &op);
	ret = gm_check_all(&c->arg.vector);
	if (ret)
		return ret;
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
		if (!b[i].result && !(b[i].flags & GRID_MISSING_F_TABLE))
			b[i].result = gm_cancel_one(c->gm, b[i].address);
}

/* Tables, which may be of many values. */
static void gm_sweep_cancel(struct gm_ioctl_call *c,
			    struct grid_missing_block *b, u32 n)
{
	struct gm_tracker *t = &c->gm->tracker;
	u32 i;

	for (i = 0; i < n; i++) {
		if (b[i].result || !(b[i].flags & GRID_MISSING_F_TABLE))
			continue;
		gm_record_room(t);
		b[i].result = gm_cancel_table(t, b[i].address, !c->gm->private);
	}
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
	for (i = 0; i < n && !ret; i++) {
		/* Which of them were a table's, nobody knows any more. */
		bool all = b[i].flags & GRID_MISSING_F_TABLE;

		if (!b[i].result || b[i].result == -EBUSY)
			ret = gm_wait_idle(c->gm, all ? NULL : &b[i].address);
	}
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
	if ((c->arg.vector.flags & GRID_MISSING_CANCEL_OLD) &&
	    gm->revert_age_ms && now > gm->revert_age_ms)
		gm_revert_older(&gm->tracker, now - gm->revert_age_ms);
	gm_end(gm);
	return 0;
}

static int gm_ioctl_cancel_all(struct gm_ioctl_call *c)
{
	struct grid_missing *gm = c->gm;
	bool wait = !gm->private &&
		    !(c->arg.vector.flags & GRID_MISSING_CANCEL_NOWAIT);
	int ret;

	for (;;) {
		ret = gm_begin(gm, true);
		if (ret)
			return ret;
		ret = gm_cancel_everything(gm);
		gm_end(gm);
		if (ret != -EBUSY || !wait)
			break;
		/* Another sweep runs, perhaps until what it made aborting is gone. */
		ret = gm_wait_idle(gm, NULL);
		if (ret)
			return ret;
		schedule_timeout_interruptible(1);
		if (signal_pending(current))
			return -EINTR;
	}
	if (!ret && wait)
		ret = gm_wait_idle(gm, NULL);
	return ret;
}

int gm_ioctl_cancel(struct gm_ioctl_call *c)
{
	static const struct gm_block_op cancel = {
		.flags = GRID_MISSING_F_TABLE,
		.no_sum = true,
		.changes = GM_ROOM_ONE,
		.run = gm_run_cancel,
		.sweep = gm_sweep_cancel,
		.wait = gm_wait_cancel,
	};
	static const struct gm_block_op revert = {
		.no_sum = true,
		.run = gm_run_revert,
	};
	const struct grid_missing_vector *v = &c->arg.vector;
	bool all = v->flags & GRID_MISSING_ALL;
	int ret;

	if (all) {
		ret = gm_check_all(v);
		if (ret)
			return ret;
	}
	if ((v->flags & GRID_MISSING_CANCEL_OLD) &&
	    (!all || !(v->flags & GRID_MISSING_CANCEL_REVERT)))
		return -EINVAL;
	if (v->flags & GRID_MISSING_CANCEL_REVERT) {
		if (v->flags & GRID_MISSING_CANCEL_NOWAIT)
			return -EINVAL;
		/* There nothing that is being written belongs to a file. */
		if (!c->gm->private)
			return -EOPNOTSUPP;
		return all ? gm_revert_all(c) : gm_do_blocks(c, &revert);
	}
	if (all)
		return gm_ioctl_cancel_all(c);
	return gm_do_blocks(c, &cancel);
}

/* ---- blocks out ---- */

int gm_ioctl_batch(struct gm_ioctl_call *c)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing_fault *out;
	u64 now = gm_now_ms();
	typeof(gm_next_batch) *next = v->flags & GRID_MISSING_BATCH_URGENT ?
					      gm_next_urgent :
					      gm_next_batch;
	u32 min_age, n, got, put;
	int err;

	err = gm_check_vector(v,
			      offsetofend(struct grid_missing_fault, serial));
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
		/* It may finish some of a sweep. */
		err = gm_room(c->gm, GM_ROOM_BATCH);
		got = 0;
		if (!err) {
			/*
			 * What the last chunk got is not to come again in this
			 * one, however long that took.
			 */
			if (v->done)
				min_age = max_t(u64, min_age,
						gm_now_ms() - now + 1);
			got = next(&c->gm->tracker, n, min_age, now, out);
			gm_room_done(c->gm, GM_ROOM_BATCH);
		}
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
		cond_resched();
	}
	kvfree(out);
	return v->done ? 0 : err;
}

/*
 * Only as many are reclaimed as there is room for, and only after that room was
 * seen to be writable: what is reclaimed is told nowhere else.
 */
int gm_ioctl_reclaim(struct gm_ioctl_call *c)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing_table *out;
	u32 n, got, put;
	int err;

	err = gm_check_vector(v, sizeof(*out));
	if (err)
		return err;
	out = gm_alloc_noio(GM_CHUNK * sizeof(*out));
	if (!out)
		return -ENOMEM;

	while (v->done < v->count && !err) {
		n = min(v->count - v->done, GM_CHUNK);
		memset(out, 0, n * sizeof(*out));
		n = gm_put_elems(v, v->done, n, out, sizeof(*out), &err);
		if (!n)
			break;
		/* What is wrong further on stops us when we get there. */
		err = gm_begin(c->gm, true);
		if (err)
			break;
		err = gm_room(c->gm, n);
		got = 0;
		if (!err) {
			got = gm_reclaim_tables(&c->gm->tracker, n, out);
			gm_room_done(c->gm, n);
		}
		gm_end(c->gm);
		put = gm_put_elems(v, v->done, got, out, sizeof(*out), &err);
		v->done += put;
		if (got < n)
			break;
		if (signal_pending(current) && !err)
			err = -EINTR;
		cond_resched();
	}
	kvfree(out);
	return v->done ? 0 : err;
}

/*
 * A listing: fill in up to @max from *@cursor on; ~0 at the end.  How many, or
 * a negative errno.
 */
typedef int (*gm_list_fn)(struct gm_ioctl_call *c, u64 *cursor, u32 max,
			  void *out);

static int gm_list(struct gm_ioctl_call *c, gm_list_fn list, size_t size,
		   u32 chunk)
{
	struct grid_missing_vector *v = &c->arg.vector;
	u32 n, put;
	u64 cursor;
	void *out;
	int err, got;

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
		if (got < 0) {
			err = got;
			break;
		}
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

static int gm_list_some_faults(struct gm_ioctl_call *c, u64 *cursor, u32 max,
			       void *out)
{
	const struct grid_missing_vector *v = &c->arg.vector;

	if (v->flags & GRID_MISSING_LIST_RANGE)
		return gm_faults_of(c->gm, v->first, v->last, cursor, max, out);
	return gm_faults(c->gm, cursor, max, out);
}

int gm_ioctl_list_faults(struct gm_ioctl_call *c)
{
	return gm_list(c, gm_list_some_faults,
		       sizeof(struct grid_missing_fault), GM_CHUNK);
}

static int gm_list_some_tables(struct gm_ioctl_call *c, u64 *cursor, u32 max,
			       void *out)
{
	return gm_tables(c->gm, cursor, max, out);
}

int gm_ioctl_list_tables(struct gm_ioctl_call *c)
{
	return gm_list(c, gm_list_some_tables,
		       sizeof(struct grid_missing_table), GM_CHUNK);
}

/*
 * The cursor is the address to go on with.  Also while suspended, when it is
 * saved; without a target nothing is released.
 */
static int gm_list_some_released(struct gm_ioctl_call *c, u64 *cursor, u32 max,
				 void *out)
{
	struct grid_missing *gm = c->gm;
	int ret;

	if (gm->private)
		return gm_list_released(gm, cursor, max, out);
	ret = gm_begin(gm, false);
	if (ret)
		return ret;
	if (gm->ops && gm->ops->list_released)
		ret = gm->ops->list_released(gm->priv, cursor, max, out);
	else
		*cursor = U64_MAX;
	gm_end(gm);
	return ret;
}

int gm_ioctl_list_released(struct gm_ioctl_call *c)
{
	return gm_list(c, gm_list_some_released,
		       sizeof(struct grid_missing_released), GM_CHUNK);
}

/* The cursor is the id to go on with. */
static int gm_list_some_trackers(struct gm_ioctl_call *c, u64 *cursor, u32 max,
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
