// SPDX-License-Identifier: GPL-2.0
/*
 * The release sets of a private tracker (T8, T9).
 *
 * What is released joins the open generation.  Taking a checkpoint closes it:
 * it becomes the taken one, and a new one opens.  When the taken checkpoint
 * becomes durable, its members are what it frees.  A generation is bitmaps of
 * GM_CHUNK_BITS addresses in a tree: dense sets cost a bit an address, and no
 * set costs more than GM_CHUNKS_MAX chunks, wherever they lie.
 *
 * Locking: gm->release_lock.  While the tracker walks the taken generation
 * (under its own lock) that is not changed.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "core.h"
#include "trace.h"

#define GM_CHUNK_SHIFT 12
#define GM_CHUNK_BITS BIT(GM_CHUNK_SHIFT)
/* 72 MiB a generation: 512 M addresses in a row, or 131072 far apart. */
#define GM_CHUNKS_MAX BIT(17)

/**
 * struct gm_chunk - neighbouring addresses
 * @node: in gm_generation.chunks, by @base
 * @base: the first of them
 * @bits: GM_CHUNK_BITS; apart, since both are of a size that slabs have
 */
struct gm_chunk {
	struct rb_node node;
	u64 base;
	unsigned long *bits;
};

#define GM_CHUNK_MASK (GM_CHUNK_BITS - 1)

struct gm_generation *gm_generation_new(void)
{
	struct gm_generation *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);

	if (g)
		g->chunks = RB_ROOT;
	return g;
}

void gm_generation_free(struct gm_generation *g)
{
	struct gm_chunk *c, *next;

	if (!g)
		return;
	rbtree_postorder_for_each_entry_safe(c, next, &g->chunks, node) {
		bitmap_free(c->bits);
		kfree(c);
		cond_resched();
	}
	kfree(g);
}

/* The chunk with @address, or the one after it, or NULL. */
static struct gm_chunk *gm_chunk_from(const struct gm_generation *g,
				      u64 address)
{
	struct rb_node *n = g->chunks.rb_node;
	u64 base = address & ~(u64)GM_CHUNK_MASK;
	struct gm_chunk *c, *after = NULL;

	while (n) {
		c = rb_entry(n, struct gm_chunk, node);
		if (c->base == base)
			return c;
		if (c->base > base)
			after = c;
		n = c->base > base ? n->rb_left : n->rb_right;
	}
	return after;
}

/* The chunk with @address, or NULL. */
static struct gm_chunk *gm_chunk_find(const struct gm_generation *g,
				      u64 address)
{
	struct gm_chunk *c = gm_chunk_from(g, address);

	return c && c->base <= address ? c : NULL;
}

static bool gm_chunk_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct gm_chunk, node)->base <
	       rb_entry(b, struct gm_chunk, node)->base;
}

static void gm_chunk_insert(struct gm_generation *g, struct gm_chunk *c)
{
	rb_add(&c->node, &g->chunks, gm_chunk_less);
	g->chunks_count++;
}

/* The chunk with @address, made if need be; ERR_PTR(-ENOMEM, -ENOSPC). */
static struct gm_chunk *gm_chunk_get(struct gm_generation *g, u64 address)
{
	struct gm_chunk *c = gm_chunk_find(g, address);

	if (c)
		return c;
	if (g->chunks_count >= GM_CHUNKS_MAX)
		return ERR_PTR(-ENOSPC);
	c = kmalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->bits = bitmap_zalloc(GM_CHUNK_BITS, GFP_KERNEL_ACCOUNT);
	if (!c->bits) {
		kfree(c);
		return ERR_PTR(-ENOMEM);
	}
	c->base = address & ~(u64)GM_CHUNK_MASK;
	gm_chunk_insert(g, c);
	return c;
}

/* @count addresses from @address on; 0, -ENOMEM, -ENOSPC, -EINTR. */
static int gm_generation_add(struct gm_generation *g, u64 address, u64 count)
{
	u64 last = address + count - 1;
	unsigned int from, n;
	struct gm_chunk *c;

	for (;;) {
		c = gm_chunk_get(g, address);
		if (IS_ERR(c))
			return PTR_ERR(c);
		from = address & GM_CHUNK_MASK;
		n = min_t(u64, last - address + 1, GM_CHUNK_BITS - from);
		g->count -= bitmap_weight(c->bits, GM_CHUNK_BITS);
		bitmap_set(c->bits, from, n);
		g->count += bitmap_weight(c->bits, GM_CHUNK_BITS);
		if (last - address < n)
			return 0;
		address += n;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

/*
 * All of @from joins @to, which needs no memory: a chunk that @to doesn't have
 * moves.  -ENOSPC, and nothing is changed.
 */
static int gm_generation_merge(struct gm_generation *to,
			       struct gm_generation *from)
{
	struct rb_node *node, *next;
	unsigned long more = 0;
	struct gm_chunk *c, *there;

	for (node = rb_first(&from->chunks); node; node = rb_next(node)) {
		c = rb_entry(node, struct gm_chunk, node);
		more += !gm_chunk_find(to, c->base);
		cond_resched();
	}
	if (to->chunks_count + more > GM_CHUNKS_MAX)
		return -ENOSPC;
	for (node = rb_first(&from->chunks); node; node = next) {
		next = rb_next(node);
		c = rb_entry(node, struct gm_chunk, node);
		there = gm_chunk_find(to, c->base);
		if (there) {
			to->count -= bitmap_weight(there->bits, GM_CHUNK_BITS);
			bitmap_or(there->bits, there->bits, c->bits,
				  GM_CHUNK_BITS);
			to->count += bitmap_weight(there->bits, GM_CHUNK_BITS);
		} else {
			rb_erase(node, &from->chunks);
			from->chunks_count--;
			gm_chunk_insert(to, c);
			to->count += bitmap_weight(c->bits, GM_CHUNK_BITS);
		}
		cond_resched();
	}
	return 0;
}

static bool gm_generation_has(struct gm_generation *g, u64 address)
{
	struct gm_chunk *c = gm_chunk_find(g, address);

	return c && test_bit(address & GM_CHUNK_MASK, c->bits);
}

/* The smallest member >= @from, or U64_MAX, which is never one. */
static u64 gm_generation_from(struct gm_generation *g, u64 from)
{
	struct gm_chunk *c = gm_chunk_from(g, from);
	unsigned long bit;

	while (c) {
		bit = c->base <= from ? from & GM_CHUNK_MASK : 0;
		bit = find_next_bit(c->bits, GM_CHUNK_BITS, bit);
		if (bit < GM_CHUNK_BITS)
			return c->base | bit;
		c = rb_entry_safe(rb_next(&c->node), struct gm_chunk, node);
	}
	return U64_MAX;
}

/* GRID_MISSING_RELEASED_*: which generations @address is in. */
static u32 gm_released_in(struct grid_missing *gm, u64 address)
{
	u32 flags = 0;

	if (gm_generation_has(gm->open, address))
		flags |= GRID_MISSING_RELEASED_OPEN;
	if (gm->taken && gm_generation_has(gm->taken, address))
		flags |= GRID_MISSING_RELEASED_TAKEN;
	return flags;
}

/**
 * gm_list_released - what is released, some at a time
 * @gm: a private tracker
 * @cursor: the address to begin with; U64_MAX at the end
 * @max: room in @out
 * @out: runs
 *
 * Context: may sleep.
 * Return: how many; may be 0 before the end.  -EINTR.
 */
int gm_list_released(struct grid_missing *gm, u64 *cursor, u32 max,
		     struct grid_missing_released *out)
{
	struct grid_missing_released *run;
	u64 address = *cursor, taken;
	u32 budget, n;

	if (mutex_lock_interruptible(&gm->release_lock))
		return -EINTR;
	for (n = 0; n < max; n++) {
		taken = gm->taken ? gm_generation_from(gm->taken, address) :
				    U64_MAX;
		address = min(gm_generation_from(gm->open, address), taken);
		if (address == U64_MAX)
			break;
		run = &out[n];
		*run = (struct grid_missing_released){
			.address = address,
			.flags = gm_released_in(gm, address),
		};
		for (budget = GM_CHUNK_BITS; budget; budget--, address++)
			if (gm_released_in(gm, address) != run->flags)
				break;
		run->count = address - run->address;
	}
	*cursor = address;
	mutex_unlock(&gm->release_lock);
	return n;
}

/**
 * gm_release - runs of blocks join the open generation
 * @gm: a private tracker
 * @runs: which, none empty
 * @n: how many, at most GRID_MISSING_VECTOR_MAX
 *
 * All of them or none.  The last of all addresses is the end of a listing and
 * no block's.  Context: may sleep.
 * Return: 0, -ERANGE, -ENOMEM, -ENOSPC, -EINTR.
 */
int gm_release(struct grid_missing *gm,
	       const struct grid_missing_released *runs, u32 n)
{
	struct gm_generation *more;
	int ret = 0;
	u64 before;
	u32 i;

	for (i = 0; i < n; i++)
		if (runs[i].count > U64_MAX - runs[i].address)
			return -ERANGE;
	more = gm_generation_new();
	if (!more)
		return -ENOMEM;
	for (i = 0; i < n && !ret; i++)
		ret = gm_generation_add(more, runs[i].address, runs[i].count);
	if (ret)
		goto out_free;
	if (mutex_lock_interruptible(&gm->release_lock)) {
		ret = -EINTR;
		goto out_free;
	}
	before = gm->open->count;
	ret = gm_generation_merge(gm->open, more);
	WRITE_ONCE(gm->released, gm->released + gm->open->count - before);
	mutex_unlock(&gm->release_lock);
out_free:
	gm_generation_free(more);
	return ret;
}

/**
 * gm_take - close the open generation: a checkpoint is taken
 * @gm: a private tracker
 * @id: in: 0, or the id that it is to have; out: the checkpoint's id
 *
 * Context: may sleep.
 * Return: 0, -EBUSY when the last one taken did not become durable yet,
 * -EINVAL when its id is not greater than any before, -ENOMEM, -EINTR.
 */
int gm_take(struct grid_missing *gm, u64 *id)
{
	struct gm_generation *fresh = gm_generation_new();
	int ret = 0;

	if (!fresh)
		return -ENOMEM;
	if (mutex_lock_interruptible(&gm->release_lock)) {
		ret = -EINTR;
		goto out_free;
	}
	if (gm->taken) {
		ret = -EBUSY;
		goto out_unlock;
	}
	if (*id && *id <= gm->checkpoint_id) {
		ret = -EINVAL;
		goto out_unlock;
	}
	gm->taken = gm->open;
	gm->open = fresh;
	fresh = NULL;
	gm->checkpoint_id = *id ?: gm->checkpoint_id + 1;
	*id = gm->checkpoint_id;
	WRITE_ONCE(gm->checkpoint_taken, *id);
	trace_grid_missing_tracker(gm->id, GM_TRACE_TAKEN, *id);
	gm_tell_event(gm, GRID_MISSING_WHY_CHECKPOINT_TAKEN, *id, 0);
out_unlock:
	mutex_unlock(&gm->release_lock);
out_free:
	gm_generation_free(fresh);
	return ret;
}

/**
 * gm_revert - what is released is in use again, in both generations
 * @gm: a private tracker
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EINTR.
 */
int gm_revert(struct grid_missing *gm)
{
	struct gm_generation *open = gm_generation_new(), *taken = NULL;
	int ret = -EINTR;

	if (!open)
		return -ENOMEM;
	if (mutex_lock_interruptible(&gm->release_lock))
		goto out_free;
	swap(gm->open, open);
	swap(gm->taken, taken);
	gm_tell_event(gm, GRID_MISSING_WHY_CHECKPOINT_REVERTED, 0, 0);
	WRITE_ONCE(gm->checkpoint_taken, 0);
	WRITE_ONCE(gm->released, 0);
	ret = 0;
	mutex_unlock(&gm->release_lock);
out_free:
	gm_generation_free(open);
	gm_generation_free(taken);
	return ret;
}

struct gm_generation_set {
	struct gm_set set;
	struct gm_generation *g;
};

static bool gm_generation_test(const struct gm_set *set, u64 address)
{
	struct gm_generation *g =
		container_of(set, struct gm_generation_set, set)->g;

	return gm_generation_has(g, address);
}

static u64 gm_generation_next(const struct gm_set *set, u64 from, bool *found)
{
	struct gm_generation *g =
		container_of(set, struct gm_generation_set, set)->g;
	u64 address = gm_generation_from(g, from);

	*found = address != U64_MAX;
	return address;
}

/**
 * gm_durable - the taken checkpoint is becoming durable
 * @gm: a private tracker
 * @id: of gm_take()
 *
 * Context: may sleep.
 * Return: 0: commenced, ask with gm_durable_complete(); also when it was
 * before, as on a dm device.  -ENOENT: no such checkpoint is taken; -EBUSY:
 * another is open, or a sync jump; -EINTR.
 */
int gm_durable(struct grid_missing *gm, u64 id)
{
	struct gm_generation_set s = {
		.set = {
			.test = gm_generation_test,
			.next = gm_generation_next,
		},
	};
	int ret;

	if (mutex_lock_interruptible(&gm->release_lock))
		return -EINTR;
	s.g = NULL;
	ret = 0;
	if (id && gm->checkpoint_durable == id)
		goto out_unlock;
	ret = -ENOENT;
	if (!gm->taken || gm->checkpoint_id != id)
		goto out_unlock;
	s.g = gm->taken;
	s.set.count = gm->taken->count;
	ret = gm_checkpoint_commence(&gm->tracker, &s.set);
	if (ret)
		goto out_unlock;
	gm->taken = NULL;
	gm->checkpoint_durable = id;
	WRITE_ONCE(gm->checkpoint_taken, 0);
	WRITE_ONCE(gm->released, gm->released - s.set.count);
	trace_grid_missing_tracker(gm->id, GM_TRACE_DURABLE_COMMENCED, id);
	gm_tell_commenced(gm, id, s.set.count);
out_unlock:
	mutex_unlock(&gm->release_lock);
	if (!ret)
		gm_generation_free(s.g);
	return ret;
}

/**
 * gm_durable_complete - is the open checkpoint done?
 * @gm: a private tracker
 * @pending: out: writes of freed blocks that are under way; 0: done and closed
 *
 * Context: may sleep.
 * Return: 0, -EINVAL when none is open, -EINTR.
 */
int gm_durable_complete(struct grid_missing *gm, u32 *pending)
{
	struct gm_counts c;
	int ret;

	if (mutex_lock_interruptible(&gm->release_lock))
		return -EINTR;
	*pending = 0;
	ret = grid_missing_checkpoint_complete(gm);
	if (ret == -EAGAIN) {
		gm_get_counts(&gm->tracker, &c);
		*pending = clamp_t(u64, c.aborting, 1, U32_MAX);
		ret = 0;
	}
	mutex_unlock(&gm->release_lock);
	return ret;
}
