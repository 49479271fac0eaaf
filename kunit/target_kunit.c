// SPDX-License-Identifier: GPL-2.0
/*
 * The target's parts that are about blocks, not about bios, beside a tracker that does
 * what a case tells it: moments that no disk can be made to hit, and figures.
 *
 * The sources are included, not linked; what they call in other files is below.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "../kmod/target/alloc.h"
#include "../kmod/target/meta_io.h"

/* What is taken in memory is counted; so many pages are available. */
static u64 target_took;
static unsigned long target_pages;

static void *target_alloc_named(unsigned long bytes)
{
	target_took += bytes;
	return grid_alloc_named(bytes);
}

#define grid_alloc_named(bytes) target_alloc_named(bytes)
#define si_mem_available() target_pages
#include "../kmod/target/bits.c"
#include "../kmod/target/room.c"
#include "../kmod/target/ends.c"
#include "../kmod/target/jump.c"
#include "../kmod/target/release.c"
#include "../kmod/target/lost.c"
#include "../kmod/target/barrier.c"
#include "../kmod/target/verdict.c"

#define TARGET_BLOCKS 64

/**
 * struct grid_missing - the tracker: faults of single blocks, all waiting
 * @lock: the lock
 * @limits: its maxima
 * @faults: where there are some
 * @wanted: ... that a reader wants
 * @single: how many count as single ones
 * @jumping: a sync jump is open
 * @looked: calls that look for a fault
 * @commence: what a barrier is told
 * @meanwhile: what happens before
 */
struct grid_missing {
	spinlock_t lock; /* the rest, and what the target says */
	struct grid_missing_limits limits;
	DECLARE_BITMAP(faults, TARGET_BLOCKS);
	DECLARE_BITMAP(wanted, TARGET_BLOCKS);
	u32 single;
	bool jumping;
	u32 looked;
	int commence;
	void (*meanwhile)(struct kunit *test);
};

/** struct target - what a case has */
struct target {
	struct kunit *test;
	struct grid g;
	struct grid_table t;
	struct grid_meta m;
	struct grid_missing gm;
	struct grid_missing_item item;
	struct grid_repair rep;
	struct work_struct finish;
	struct completion finished;
};

static struct target *T;

#define EQ(a, b) KUNIT_EXPECT_EQ(test, (long long)(a), (long long)(b))
#define YES(a) KUNIT_EXPECT_TRUE(test, a)

/* ---- the tracker ---- */

void grid_missing_lock(struct grid_missing *gm, unsigned long *flags)
	__acquires(&gm->lock)
{
	spin_lock_irqsave(&gm->lock, *flags);
}

void grid_missing_unlock(struct grid_missing *gm, unsigned long flags)
	__releases(&gm->lock)
{
	spin_unlock_irqrestore(&gm->lock, flags);
}

#ifdef CONFIG_LOCKDEP
void grid_missing_assert_locked(const struct grid_missing *gm)
{
	lockdep_assert_held(&gm->lock);
}
#endif

const struct grid_missing_limits *
grid_missing_limits(const struct grid_missing *gm)
{
	return &gm->limits;
}

u32 __grid_missing_single(struct grid_missing *gm)
{
	return gm->single;
}

bool __grid_missing_jumping(struct grid_missing *gm)
{
	return gm->jumping;
}

u8 __grid_missing_peek(struct grid_missing *gm, u64 address, u32 *flags,
		       bool *freed)
{
	gm->looked++;
	*flags = test_bit(address, gm->wanted) ? GRID_MISSING_F_WANTED : 0;
	*freed = false;
	return test_bit(address, gm->faults) ? GRID_MISSING_STATE_WAITING :
					       GRID_MISSING_STATE_GONE;
}

int __grid_missing_wanted(struct grid_missing *gm, u64 address)
{
	gm->looked++;
	if (!test_bit(address, gm->faults))
		return -ENOENT;
	set_bit(address, gm->wanted);
	return 0;
}

/* Also what the target does when it is told of a new fault. */
int __grid_missing_enqueue_again(struct grid_missing *gm, u64 address,
				 const struct grid_missing_checksum *sum)
{
	if (gm->single >= gm->limits.blocks_max)
		return -ENOSPC;
	gm->single += !test_and_set_bit(address, gm->faults);
	set_bit(address, T->g.missing);
	grid_bits_clear(&T->g.lost, address);
	return 0;
}

int grid_missing_checkpoint_commence(struct grid_missing *gm,
				     const struct grid_missing_set *set)
{
	if (gm->meanwhile)
		gm->meanwhile(T->test);
	return gm->commence;
}

int grid_missing_checkpoint_complete(struct grid_missing *gm)
{
	return 0;
}

void __grid_missing_checkpoint_told(struct grid_missing *gm, u64 id)
{
}

void __grid_missing_checkpoint_durable(struct grid_missing *gm)
{
}

int grid_missing_commence(struct grid_missing *gm,
			  const struct grid_missing_item *item)
{
	return -ENOENT;
}

int grid_missing_failed(struct grid_missing *gm,
			const struct grid_missing_item *item, bool retry_now)
{
	return 0;
}

u64 grid_missing_bytes(const struct grid_missing_limits *limits)
{
	return 48 * (u64)limits->blocks_max;
}

void grid_missing_put(struct grid_missing *gm)
{
}

void grid_missing_room_free(struct grid_missing_room *room)
{
}

/* Of these no case makes use. */
struct grid_missing *
grid_missing_create(unsigned int major, unsigned int minor, const char *name,
		    const struct grid_missing_limits *limits,
		    const struct grid_missing_geometry *geometry)
{
	return ERR_PTR(-EOPNOTSUPP);
}

int grid_missing_add(struct grid_missing *gm)
{
	return -EOPNOTSUPP;
}

void grid_missing_remove(struct grid_missing *gm)
{
}

void grid_missing_suspend(struct grid_missing *gm, bool suspended)
{
}

struct grid_missing_room *
grid_missing_room_new(const struct grid_missing_limits *limits)
{
	return ERR_PTR(-EOPNOTSUPP);
}

int grid_missing_fits(struct grid_missing *gm,
		      const struct grid_missing_limits *limits)
{
	return -EOPNOTSUPP;
}

int grid_missing_move(struct grid_missing *gm, struct grid_missing_room *room,
		      u64 blocks)
{
	return -EOPNOTSUPP;
}

void grid_missing_get_status(struct grid_missing *gm,
			     struct grid_missing_status *st)
{
	memset(st, 0, sizeof(*st));
}

/* ---- other files of the target ---- */

void __grid_flush_note(struct grid *g, struct grid_flush_note *note, u32 *told)
{
}

void __grid_flush_down(struct grid *g, struct grid_io *io)
{
}

int grid_flush_below(struct grid_table *t)
{
	return 0;
}

void __grid_flush_fails(struct grid *g, blk_status_t status)
{
}

int grid_flush_own(struct grid_table *t)
{
	return 0;
}

bool grid_barrier_lost(struct grid *g)
{
	return false;
}

u64 __grid_discard_waits(struct grid *g, u64 first, u64 last)
{
	return U64_MAX;
}

void grid_stage_waiting(struct grid *g)
{
}

void grid_end(struct grid_io *io, blk_status_t status)
{
}

void grid_meta_lock(struct grid *g, u32 changes, unsigned long *flags)
{
	grid_lock(g, flags);
}

int grid_meta_sync(struct grid *g)
{
	return 0;
}

u64 grid_meta_flush_errors(struct grid *g)
{
	return 0;
}

int grid_meta_flush(struct grid_table *t, struct bio *bio)
{
	return DM_MAPIO_KILL;
}

int grid_meta_grow(struct grid_table *t)
{
	return 0;
}

void __grid_meta_good(struct grid *g, u64 b, u64 count, bool written)
{
}

void __grid_meta_lose_again(struct grid *g, u64 b)
{
}

void gmeta_log_written(struct gmeta_log *log, u64 address)
{
}

void gmeta_log_end(struct gmeta_log *log, const struct gmeta_fault *f,
		   bool durable, bool more)
{
}

void gmeta_log_want(struct gmeta_log *log)
{
}

bool gmeta_log_lost(struct gmeta_log *log)
{
	return false;
}

/* ---- cases ---- */

static void target_nothing(struct work_struct *work)
{
}

static int target_init(struct kunit *test)
{
	struct grid_room room = { .what = GRID_ROOM_MAPS };
	const struct grid_missing_geometry geo = {
		.blocks = TARGET_BLOCKS,
		.block_size = 4096,
	};
	struct grid *g;

	T = kunit_kzalloc(test, sizeof(*T), GFP_KERNEL);
	if (!T)
		return -ENOMEM;
	T->test = test;
	spin_lock_init(&T->gm.lock);
	T->gm.limits.blocks_max = TARGET_BLOCKS;
	g = &T->g;
	g->gm = &T->gm;
	g->block_sectors = geo.block_size >> SECTOR_SHIFT;
	g->block_shift = ilog2(g->block_sectors);
	g->live = &T->t;
	T->t.grid = g;
	T->t.opt.explicit_checkpoint = true;
	/* Who finds a block missing fails, and does not park. */
	T->t.opt.on_missing_error = true;
	if (grid_room_maps(&room, TARGET_BLOCKS, true)) {
		grid_room_exit(&room);
		return -ENOMEM;
	}
	grid_room_swap(g, &room, &geo);
	grid_barrier_init(g);
	grid_lost_init(g);
	grid_ends_init(g);
	bio_list_init(&g->discards_waiting);
	bio_list_init(&g->discards_staging);
	INIT_WORK(&g->discard_work, target_nothing);
	g->wq = alloc_workqueue("target_kunit", WQ_UNBOUND, 0);
	return g->wq ? 0 : -ENOMEM;
}

static void target_exit(struct kunit *test)
{
	if (T && T->g.wq)
		destroy_workqueue(T->g.wq);
	if (T)
		grid_room_last(&T->g);
	T = NULL;
}

static void target_set(struct grid_bits *bits, u64 b)
{
	unsigned long flags;

	grid_lock(&T->g, &flags);
	grid_bits_set(bits, b);
	grid_unlock(&T->g, flags);
}

static void target_fault(u64 b)
{
	unsigned long flags;

	grid_lock(&T->g, &flags);
	__grid_missing_enqueue_again(&T->gm, b, NULL);
	grid_unlock(&T->g, flags);
}

/* Block 5 is taken; its barrier runs to its end, and answers @r. */
static void target_barrier(struct kunit *test, int r)
{
	struct grid *g = &T->g;
	u64 id = 0;

	target_set(&g->open, 5);
	EQ(grid_take(g, &id), 0);
	EQ(grid_durable_start(g, id), 0);
	flush_workqueue(g->wq);
	YES(!g->barrier_running);
	EQ(g->barrier_error, r);
}

static void target_finish(struct work_struct *work)
{
	struct target *t = container_of(work, struct target, finish);

	grid_repair_finish(&t->g, &t->rep);
	complete(&t->finished);
}

/* Until it is through, or waits for the barrier. */
static void target_finish_meanwhile(struct kunit *test)
{
	schedule_work(&T->finish);
	while (!completion_done(&T->finished) &&
	       /* Only this work waits there, and it stays. */
	       !waitqueue_active(&T->g.barrier_wait))
		msleep(20);
}

/*
 * D1, F1: the flush of a repair fails while a barrier asks the tracker to drop the
 * block.  When that is put off the block is in use, and it is missing: it is not on
 * the disk.  When not, nobody needs it.
 */
static void d1_lost_beside_a_barrier(struct kunit *test)
{
	static const int answers[] = { -EBUSY, 0 };
	unsigned int i;

	/* A jump: it doesn't try again. */
	T->gm.jumping = true;
	T->gm.meanwhile = target_finish_meanwhile;
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		T->gm.commence = answers[i];
		bitmap_zero(T->gm.faults, TARGET_BLOCKS);
		T->item = (struct grid_missing_item){ .address = 5 };
		T->rep = (struct grid_repair){ .items = &T->item, .n = 1 };
		INIT_WORK(&T->finish, target_finish);
		init_completion(&T->finished);
		grid_repair_begin(&T->g, &T->rep);
		T->item.commenced = true;
		T->item.ended = true;
		T->rep.lost = true;
		target_barrier(test, answers[i]);
		flush_work(&T->finish);
		EQ(T->item.result, -EIO);
		EQ(test_bit(5, T->gm.faults), !!answers[i]);
		EQ(grid_bits_test(&T->g.freed, 5), !answers[i]);
		/* The next one takes it again. */
		T->g.checkpoint_taken = false;
		grid_bits_clear(&T->g.taken, 5);
	}
}

static void target_slot_meanwhile(struct kunit *test)
{
	T->gm.limits.blocks_max = TARGET_BLOCKS;
	queue_work(T->g.wq, &T->g.lost_work);
	flush_work(&T->g.lost_work);
	YES(grid_bits_test(&T->g.lost, 5));
}

/* D1: what is lost gets no slot while a barrier frees it, and one when that is put off. */
static void d1_slot_after_a_barrier(struct kunit *test)
{
	T->gm.jumping = true;
	T->gm.commence = -EBUSY;
	T->gm.limits.blocks_max = 0;
	T->gm.meanwhile = target_slot_meanwhile;
	target_set(&T->g.lost, 5);
	target_barrier(test, -EBUSY);
	flush_work(&T->g.lost_work);
	YES(test_bit(5, T->gm.faults));
	YES(!grid_bits_test(&T->g.lost, 5));
}

static int target_room(u64 b, enum grid_missing_as as)
{
	unsigned long flags;
	int r;

	grid_lock(&T->g, &flags);
	r = __grid_map_room(&T->g, b, as);
	grid_unlock(&T->g, flags);
	return r;
}

/* M1: what is missing without a slot counts against the map's maximum, with metadata. */
static void m1_room_in_the_map(struct kunit *test)
{
	struct grid *g = &T->g;

	T->gm.limits.blocks_max = 4;
	T->gm.single = 2;
	set_bit(1, g->missing);
	target_set(&g->lost, 10);
	set_bit(10, g->missing);
	g->meta = &T->m;
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), 0);
	EQ(target_room(20, GRID_MISSING_AS_TABLE), 0);
	target_set(&g->lost, 11);
	set_bit(11, g->missing);
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), -ENOSPC);
	EQ(target_room(20, GRID_MISSING_AS_TABLE), -ENOSPC);
	/* It is in the map; but a table brings values. */
	EQ(target_room(1, GRID_MISSING_AS_BLOCK), 0);
	EQ(target_room(10, GRID_MISSING_AS_BLOCK), 0);
	EQ(target_room(1, GRID_MISSING_AS_TABLE), -ENOSPC);
	g->meta = NULL;
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), 0);

	/* What a jump has taken is in the map, and not missing. */
	g->meta = &T->m;
	grid_bits_clear(&g->lost, 11);
	target_set(&g->jumped, 30);
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), -ENOSPC);
	EQ(target_room(20, GRID_MISSING_AS_TABLE), -ENOSPC);
	EQ(target_room(30, GRID_MISSING_AS_BLOCK), 0);
	EQ(target_room(30, GRID_MISSING_AS_TABLE), -ENOSPC);
	/* The tracker itself says when it is full. */
	grid_bits_clear(&g->lost, 10);
	grid_bits_clear(&g->jumped, 30);
	T->gm.single = 4;
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), 0);
}

/* M1: of what is dropped so much has room; beyond that, until the barrier has ended. */
static void m1_room_beside_a_barrier(struct kunit *test)
{
	struct grid *g = &T->g;

	T->gm.limits.blocks_max = 4;
	T->gm.single = 2;
	g->meta = &T->m;
	/* Of which is not asked. */
	g->dropped.count = GMETA_DROPPED_MAX + 1;
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), 0);
	g->dropped.count++;
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), -EAGAIN);
	EQ(target_room(20, GRID_MISSING_AS_TABLE), -EAGAIN);
	set_bit(1, g->missing);
	EQ(target_room(1, GRID_MISSING_AS_BLOCK), 0);
	/* Together with what is lost; that alone does not pass. */
	g->dropped.count--;
	target_set(&g->lost, 10);
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), -EAGAIN);
	target_set(&g->lost, 11);
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), -ENOSPC);
	g->meta = NULL;
	EQ(target_room(20, GRID_MISSING_AS_BLOCK), 0);
	g->dropped.count = 0;
}

/* A read of [@first, @last] is stopped by block @at; @looks: so often for a fault. */
static void target_read(struct kunit *test, u64 first, u64 last, u64 at,
			u32 looks)
{
	struct bio bio = { .bi_opf = REQ_OP_READ };
	struct grid_io io = {
		.bio = &bio,
		.iter = { .bi_sector = first * 8,
			  .bi_size = (last - first + 1) * 4096 },
	};
	enum grid_verdict v;
	unsigned long flags;
	blk_status_t status;
	bool kernel_wait;
	u64 stop;

	T->gm.looked = 0;
	grid_lock(&T->g, &flags);
	v = __grid_check(&T->g, &io, &stop, &kernel_wait, &status);
	grid_unlock(&T->g, flags);
	EQ(v, GRID_FAIL);
	EQ(stop, at);
	YES(T->gm.looked <= looks);
}

static bool target_wants(u64 first, u64 last)
{
	for (; first <= last; first++)
		if (test_bit(first, T->g.missing) !=
		    test_bit(first, T->gm.wanted))
			return false;
	return true;
}

/* D3: a read wants all that is missing in its way, and asks for each but once. */
static void d3_read_wants(struct kunit *test)
{
	u64 b;

	/* Those that are repaired below count on. */
	T->gm.limits.blocks_max = 2 * TARGET_BLOCKS;
	/* There are gaps, one at the end, and nothing of what is not in its way. */
	for (b = 0; b < TARGET_BLOCKS; b++)
		if (b % 4)
			target_fault(b);
	target_read(test, 4, 48, 5, 40);
	YES(target_wants(4, 48));
	EQ(bitmap_weight(T->gm.wanted, TARGET_BLOCKS), 33);
	/* What is left of it, as one after the other is repaired. */
	for (b = 5; b < 47; b++) {
		clear_bit(b, T->g.missing);
		clear_bit(b, T->gm.faults);
		clear_bit(b, T->gm.wanted);
		target_read(test, b, 48, b % 4 == 3 ? b + 2 : b + 1, 6);
	}
	/* Another one has wanted its end; or its begin. */
	bitmap_zero(T->gm.wanted, TARGET_BLOCKS);
	for (b = 1; b < TARGET_BLOCKS; b++)
		target_fault(b);
	set_bit(30, T->gm.wanted);
	target_read(test, 10, 30, 10, 30);
	YES(target_wants(10, 30));
	bitmap_zero(T->gm.wanted, TARGET_BLOCKS);
	set_bit(10, T->gm.wanted);
	set_bit(11, T->gm.wanted);
	target_read(test, 10, 30, 10, 30);
	YES(target_wants(10, 30));
	/* A single one, and the last one of the device. */
	target_read(test, 40, 40, 40, 2);
	YES(target_wants(40, 40));
	target_read(test, 60, 63, 60, 8);
	YES(target_wants(60, 63));
}

/* D9: the maps are counted as they are taken, and faults and maps have to fit together. */
static void d9_memory(struct kunit *test)
{
	static const u64 lengths[] = { 1, 64, 65, 4097, 262145, 1000003 };
	const unsigned int all = GRID_ROOM_MAPS | GRID_ROOM_LIMITS;
	struct grid_table t = {};
	struct grid_room room;
	unsigned int i, meta;
	struct dm_dev dev;
	char *error;
	u64 need;

	for (i = 0; i < 2 * ARRAY_SIZE(lengths); i++) {
		meta = i % 2;
		memset(&room, 0, sizeof(room));
		target_took = 0;
		EQ(grid_room_maps(&room, lengths[i / 2], meta), 0);
		EQ(target_took, grid_maps_bytes(lengths[i / 2], meta));
		grid_room_exit(&room);

		t.geo.blocks = lengths[i / 2];
		t.meta_dev = meta ? &dev : NULL;
		t.opt.limits.blocks_max = 100000;
		need = grid_missing_bytes(&t.opt.limits) + target_took;
		target_pages = DIV_ROUND_UP_ULL(need, PAGE_SIZE);
		EQ(grid_check_memory(&t, all, &error), 0);
		target_pages--;
		EQ(grid_check_memory(&t, all, &error), -ENOMEM);
		/* A reload: what it has stays. */
		target_pages = DIV_ROUND_UP_ULL(target_took, PAGE_SIZE);
		EQ(grid_check_memory(&t, GRID_ROOM_MAPS, &error), 0);
		/* Faults alone: no difference that is below nothing. */
		target_pages = 1;
		EQ(grid_check_memory(&t, all, &error), -ENOMEM);
	}
}

static struct kunit_case target_cases[] = {
	KUNIT_CASE(d1_lost_beside_a_barrier),
	KUNIT_CASE(d1_slot_after_a_barrier),
	KUNIT_CASE(m1_room_in_the_map),
	KUNIT_CASE(m1_room_beside_a_barrier),
	KUNIT_CASE(d3_read_wants),
	KUNIT_CASE(d9_memory),
	{}
};

static struct kunit_suite target_suite = {
	.name = "grid_target",
	.init = target_init,
	.exit = target_exit,
	.test_cases = target_cases,
};

kunit_test_suite(target_suite);

MODULE_DESCRIPTION("KUnit: what dm-grid does at moments of its own");
MODULE_LICENSE("GPL");
