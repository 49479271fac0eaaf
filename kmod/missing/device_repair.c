// SPDX-License-Identifier: GPL-2.0
/*
 * The calls on blocks that bring data or values: enqueue_values, complete,
 * repair.  How a vector is worked through is told in device_vector.c; data and
 * lists are copied in before the bind lock is taken, like the elements.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "core.h"
#include "device.h"

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
	if (e->flags & ~flags)
		return -EINVAL;
	if ((e->flags & GRID_MISSING_F_NO_CHECKSUM) &&
	    !gm_sum_is_zero(&e->checksum))
		return -EINVAL;
	return 0;
}

/* ---- tables with a good index ---- */

static int gm_enqueue_values_one(struct gm_ioctl_call *c,
				 const struct grid_missing_repair *e,
				 u64 *ticket, int *stop)
{
	const struct grid_missing_checksum *sum =
		gm_sum(e->flags, &e->checksum);
	struct grid_missing_value *values = NULL;
	struct grid_missing *gm = c->gm;
	int ret;

	ret = gm_check_repair(e, GRID_MISSING_F_NO_CHECKSUM);
	if (ret)
		return ret;
	if (e->data || e->serial || !e->values_count)
		return -EINVAL;
	ret = gm_get_values(gm, e, &values);
	if (ret)
		return ret;

	*stop = gm_begin(gm, true);
	if (*stop)
		goto out_free;
	*stop = gm_room(gm, e->values_count + 1);
	if (!*stop) {
		ret = gm_enqueue_values_of(&gm->tracker, e->address, sum,
					   values, e->values_count);
		gm_room_done(gm, e->values_count + 1);
		*ticket = gm_ticket(gm);
	}
	gm_end(gm);
	if (ret == -ENOSPC)
		gm_say_full(gm, true);
out_free:
	kvfree(values);
	return ret;
}

int gm_ioctl_enqueue_values(struct gm_ioctl_call *c)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct grid_missing_repair e;
	u64 ticket = 0;
	int result, err;

	err = gm_check_vector(v,
			      offsetofend(struct grid_missing_repair, serial));
	while (v->done < v->count && !err) {
		err = gm_get_repair(v, v->done, &e);
		if (err)
			break;
		result = gm_enqueue_values_one(c, &e, &ticket, &err);
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
	if (ticket && v->done) {
		result = gm_wait_committed(c->gm, ticket);
		if (result) {
			v->done = 0;
			err = result;
		}
	}
	return v->done ? 0 : err;
}

/* ---- complete ---- */

/**
 * struct gm_complete_chunk - some elements of COMPLETE, in kernel memory
 * @e: as copied in
 * @b: the same as the tracker's vectors have them
 */
struct gm_complete_chunk {
	struct grid_missing_repair e[GM_CHUNK];
	struct grid_missing_block b[GM_CHUNK];
};

static bool gm_has_values(const struct grid_missing_repair *e)
{
	return e->values || e->values_count;
}

static int gm_check_complete(const struct grid_missing_repair *e)
{
	int ret = gm_check_repair(e, GRID_MISSING_F_NO_CHECKSUM |
					     GRID_MISSING_F_FAILED);

	if (ret)
		return ret;
	if (e->data || e->serial ||
	    ((e->flags & GRID_MISSING_F_FAILED) && gm_has_values(e)))
		return -EINVAL;
	return 0;
}

/*
 * The blocks among @n elements that bring no values, up to the first that does
 * or is wrong: all of them at once.  Returns how many.
 */
static u32 gm_complete_blocks(struct gm_ioctl_call *c,
			      struct grid_missing_repair *e,
			      struct grid_missing_block *b, u32 n)
{
	u32 i;

	for (i = 0; i < n && !gm_has_values(&e[i]); i++) {
		if (gm_check_complete(&e[i]))
			break;
		b[i].address = e[i].address;
		b[i].checksum = e[i].checksum;
		b[i].flags = e[i].flags;
	}
	n = i;
	gm_repair_complete_vector(&c->gm->tracker, b, n, c->file->owner,
				  gm_now_ms());
	for (i = 0; i < n; i++)
		e[i].result = b[i].result;
	return n;
}

/*
 * Some of @n elements that are in kernel memory: a run of blocks, or one index.
 * Returns how many, 0 with *@stop when the call ends here.
 */
static u32 gm_complete_some(struct gm_ioctl_call *c,
			    struct gm_complete_chunk *chunk, u32 i, u32 n,
			    int *stop)
{
	struct grid_missing_value *values = NULL;
	struct grid_missing_repair *e = &chunk->e[i];
	u32 done = 1;

	e->result = gm_check_complete(e);
	if (!e->result && gm_has_values(e))
		e->result = gm_get_values(c->gm, e, &values);
	if (e->result)
		return 1;
	*stop = gm_begin(c->gm, true);
	if (*stop) {
		done = 0;
		goto out_free;
	}
	if (values)
		e->result = gm_repair_complete(&c->gm->tracker, e->address,
					       gm_sum(e->flags, &e->checksum),
					       c->file->owner, values,
					       e->values_count);
	else
		done = gm_complete_blocks(c, e, &chunk->b[i], n - i);
	gm_end(c->gm);
out_free:
	kvfree(values);
	return done;
}

/*
 * Elements whose result can be written back, which is seen to before anything
 * is done for them.  Returns how many from @first on; *@err says why not all.
 */
static u32 gm_get_repairs(const struct grid_missing_vector *v, u32 first, u32 n,
			  struct grid_missing_repair *e, int *err)
{
	int ret;
	u32 i;

	n = gm_get_elems(v, first, n, e, sizeof(*e), err);
	for (i = 0; i < n; i++) {
		ret = gm_put_result(v, first + i, e[i].result);
		if (ret) {
			*err = ret;
			return i;
		}
	}
	return n;
}

int gm_ioctl_complete(struct gm_ioctl_call *c)
{
	struct grid_missing_vector *v = &c->arg.vector;
	struct gm_complete_chunk *chunk;
	u32 n, i, some;
	int err, ret;

	if (!c->gm->private)
		return -EOPNOTSUPP;
	err = gm_check_vector(v,
			      offsetofend(struct grid_missing_repair, serial));
	if (err || !v->count)
		return err;
	chunk = gm_alloc_noio(sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;

	while (v->done < v->count && !err) {
		n = min(v->count - v->done, GM_CHUNK);
		n = gm_get_repairs(v, v->done, n, chunk->e, &err);
		for (i = 0; i < n; i += some) {
			some = gm_complete_some(c, chunk, i, n, &ret);
			if (!some) {
				err = ret;
				break;
			}
		}
		n = i;
		for (i = 0; i < n; i++) {
			ret = gm_put_result(v, v->done, chunk->e[i].result);
			if (ret) {
				err = ret;
				break;
			}
			v->done++;
		}
		if (signal_pending(current) && !err)
			err = -EINTR;
		cond_resched();
	}
	kvfree(chunk);
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
	item->serial = e.serial;
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
	err = gm_check_vector(v,
			      offsetofend(struct grid_missing_repair, serial));
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
