// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a private tracker through its ioctls: every verb, one after the
 * other, with what the listings, counters and events say after it.
 */
#include "dev.h"

static void query(void)
{
	struct grid_missing_query q = { .size = sizeof(q) };

	EQ(do_ioctl(must_open(O_RDONLY), GRID_MISSING_QUERY, &q), 0);
	EQ(q.features & 7, 7);
	CHECK(q.features & GRID_MISSING_FEATURE_URGENT);
	EQ(q.vector_max, GRID_MISSING_VECTOR_MAX);
	CHECK(q.slice_max >= 1 << 20);
	EQ(q.size, sizeof(q));
}

static void one_fault(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_status s;
	struct grid_missing_fault f[8];
	__u32 done;

	EQ(enqueue(fd, 0), 0);
	EQ(enqueue(fd, 0), GRID_MISSING_DUPLICATE);
	EQ(enqueue(fd, ~0ULL), 0);
	s = status(fd);
	EQ(s.waiting, 2);
	EQ(s.blocks_single, 2);
	EQ(s.blocks_max, 8);
	EQ(s.tables_max, 2);
	EQ(s.table_values_max, 8);
	EQ(s.state, GRID_MISSING_STATUS_PRIVATE);
	EQ(s.size, sizeof(s));
	/* What it returns may be passed again. */
	EQ(do_ioctl(fd, GRID_MISSING_STATUS, &s), 0);
	/* Nobody reads here. */
	EQ(do_vector(fd, GRID_MISSING_BATCH, f, sizeof(*f), 8,
		     GRID_MISSING_BATCH_URGENT, 0, NULL, &done),
	   0);
	EQ(done, 0);
	EQ(batch(fd, f, 1), 1);
	EQ(f[0].address, 0);
	EQ(f[0].state, GRID_MISSING_STATE_WAITING);
	EQ(f[0].cause, GRID_MISSING_CAUSE_BLOCK);
	EQ(memcmp(&f[0].checksum,
		  &(struct grid_missing_checksum[]){ sum_of(0) }, 16),
	   0);
	EQ(complete(fd, 0, 0, NULL, 0) < 0, 1);
	EQ(commence(fd, 0), 0);
	EQ(commence(fd, 0), -EBUSY);
	EQ(commence(fd, 7), -ENOENT);
	EQ(status(fd).writing, 1);
	EQ(complete(fd, 0, 0, NULL, 0), 0);
	EQ(complete(fd, 0, 0, NULL, 0), -ENOENT);
	EQ(repaired(fd, ~0ULL), 0);
	s = status(fd);
	EQ(s.waiting + s.writing + s.aborting, 0);
	EQ(s.repaired, 2);
	EQ(s.unverified, 0);
	VERIFY();
}

static void checksums(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_block b = { .address = 1, .checksum = sum_of(2) };

	EQ(one_block(fd, GRID_MISSING_ENQUEUE, 1, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	EQ(one_block(fd, GRID_MISSING_COMMENCE, 1, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	EQ(complete(fd, 1, 0, NULL, 0), 0);
	EQ(status(fd).unverified, 1);

	/* One that becomes known is adopted, another one is refused. */
	EQ(one_block(fd, GRID_MISSING_ENQUEUE, 1, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	EQ(enqueue(fd, 1), GRID_MISSING_DUPLICATE);
	EQ(do_all(fd, GRID_MISSING_ENQUEUE, &b, sizeof(b), 1), 0);
	EQ(b.result, -ESTALE);
	EQ(do_all(fd, GRID_MISSING_COMMENCE, &b, sizeof(b), 1), 0);
	EQ(b.result, -ESTALE);
	EQ(repaired(fd, 1), 0);
	EQ(status(fd).unverified, 1);
	VERIFY();
}

static void full(void)
{
	int fd = private(3, 1, 8);
	__u64 i;

	for (i = 0; i < 3; i++)
		EQ(enqueue(fd, i), 0);
	EQ(enqueue(fd, 3), -ENOSPC);
	EQ(enqueue(fd, 2), GRID_MISSING_DUPLICATE);
	EQ(repaired(fd, 1), 0);
	EQ(enqueue(fd, 3), 0);
	EQ(enqueue_table(fd, 0), 0);
	EQ(enqueue_table(fd, 100), -ENOSPC);
	VERIFY();
}

static void failed_write(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_fault f[8];

	EQ(enqueue(fd, 5), 0);
	EQ(commence(fd, 5), 0);
	EQ(complete(fd, 5, GRID_MISSING_F_FAILED, NULL, 0), 0);
	EQ(status(fd).waiting, 1);
	EQ(status(fd).write_failed, 1);
	/* It waits a second before it is handed out again, or until retry. */
	EQ(batch(fd, f, 8), 0);
	EQ(one_block(fd, GRID_MISSING_RETRY, 5, 0), 0);
	EQ(batch(fd, f, 8), 1);
	EQ(one_block(fd, GRID_MISSING_RETRY, 6, 0), -ENOENT);
	EQ(repaired(fd, 5), 0);
	VERIFY();
}

static void unavailable(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_fault f[8];

	EQ(enqueue(fd, 5), 0);
	EQ(enqueue(fd, 6), 0);
	EQ(one_block(fd, GRID_MISSING_MARK_UNAVAILABLE, 5, 0), 0);
	EQ(one_block(fd, GRID_MISSING_MARK_UNAVAILABLE, 7, 0), -ENOENT);
	EQ(status(fd).unavailable, 1);
	EQ(batch(fd, f, 8), 1);
	EQ(f[0].address, 6);
	EQ(on_all(fd, GRID_MISSING_RETRY, 0), 0);
	EQ(status(fd).unavailable, 0);
	EQ(batch(fd, f, 8), 2);
	VERIFY();
}

static void table(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_table t[4];
	struct grid_missing_value v[8];
	struct grid_missing_fault f[16];
	__u64 cursor = 0;
	__u32 i, done;

	for (i = 0; i < 8; i++) {
		v[i] = (struct grid_missing_value){
			.address = 100 + i, .checksum = sum_of(100 + i)
		};
	}
	EQ(enqueue(fd, 103), 0); /* it will be promoted */
	EQ(enqueue_table(fd, 50), 0);
	EQ(enqueue_table(fd, 50), GRID_MISSING_DUPLICATE);
	EQ(do_vector(fd, GRID_MISSING_LIST_TABLES, t, sizeof(t[0]), 4, 0, 0,
		     &cursor, &done),
	   0);
	EQ(done, 1);
	EQ(t[0].address, 50);
	EQ(t[0].state, GRID_MISSING_TABLE_INDEXING);
	EQ(t[0].values, 0);
	EQ(cursor, ~0ULL);

	EQ(commence(fd, 50), 0);
	EQ(complete(fd, 50, 0, v, 8), 0);
	EQ(status(fd).blocks_table, 8);
	EQ(status(fd).blocks_single, 0);
	EQ(batch(fd, f, 16), 8);
	for (i = 0; i < 8; i++) {
		EQ(f[i].cause, GRID_MISSING_CAUSE_TABLE_VALUE);
		EQ(f[i].table, 50);
		EQ(f[i].address, 100 + f[i].value_index);
	}
	for (i = 0; i < 8; i++) {
		cursor = 0;
		EQ(do_vector(fd, GRID_MISSING_LIST_TABLES, t, sizeof(t[0]), 4,
			     0, 0, &cursor, &done),
		   0);
		EQ(t[0].state, GRID_MISSING_TABLE_FILLING);
		EQ(t[0].values, 8);
		EQ(t[0].values_gone, i);
		EQ(reclaim(fd), 0);
		EQ(repaired(fd, 100 + i), 0);
	}
	EQ(status(fd).tables_free, 1);
	EQ(reclaim(fd), 1);
	EQ(reclaim(fd), 0);
	EQ(status(fd).tables, 0);

	/* An index without values: an address, and a count of none. */
	EQ(enqueue_table(fd, 60), 0);
	EQ(commence(fd, 60), 0);
	EQ(complete(fd, 60, 0, NULL, 0), -EINVAL);
	EQ(complete(fd, 60, 0, v, 0), 0);
	EQ(reclaim(fd), 1);
	VERIFY();
}

static void two_generations(void)
{
	static const __u64 revert[3] = { 5, 6, 7 };
	int fd = private(64, 2, 8);
	__u64 first[] = { 1, 2, 3, ~1ULL }, second[] = { 4, 1ULL << 40 };
	__u64 id = 0, id2 = 0, i;
	__u32 pending;

	for (i = 0; i < 8; i++)
		EQ(enqueue(fd, i), 0);
	EQ(enqueue(fd, ~1ULL), 0);
	EQ(commence(fd, 2), 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL, first,
		      4),
	   0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL, first,
		      2),
	   0);
	EQ(status(fd).released, 4);
	/* Released is not freed. */
	EQ(status(fd).waiting, 8);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	CHECK(id != 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id2, NULL, NULL, 0),
	   -EBUSY);
	/* What comes now belongs to the next one. */
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL, second,
		      2),
	   0);
	EQ(status(fd).released, 6);
	id2 = id + 1;
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id2, NULL, NULL, 0),
	   -ENOENT);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   0);
	EQ(status(fd).state & GRID_MISSING_STATUS_CHECKPOINT,
	   GRID_MISSING_STATUS_CHECKPOINT);
	EQ(status(fd).waiting, 5);
	EQ(status(fd).aborting, 1);
	EQ(status(fd).freed, 4);
	EQ(status(fd).released, 2);
	EQ(enqueue(fd, 2), -EBUSY);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, &pending,
		      NULL, 0),
	   0);
	EQ(pending, 1);
	/* The next one may be taken, but must wait with becoming durable. */
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id2, NULL, NULL, 0),
	   0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id2, NULL, NULL, 0),
	   -EBUSY);
	EQ(complete(fd, 2, 0, NULL, 0), -ECANCELED);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, &pending,
		      NULL, 0),
	   0);
	EQ(pending, 0);
	EQ(status(fd).checkpoints, 1);
	/* Twice is as good as once: who was interrupted asks again. */
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   0);
	EQ(status(fd).state & GRID_MISSING_STATUS_CHECKPOINT, 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id2, NULL, NULL, 0),
	   0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, &pending,
		      NULL, 0),
	   0);
	EQ(pending, 0);
	EQ(status(fd).waiting, 4);
	EQ(status(fd).released, 0);
	EQ(status(fd).checkpoints, 2);
	EQ(enqueue(fd, 2), 0);
	/* Both generations are in use again; the next is a new one. */
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL, revert,
		      2),
	   0);
	id = 0;
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL,
		      revert + 1, 2),
	   0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_REVERT, NULL, NULL, NULL, 0),
	   0);
	EQ(status(fd).released, 0);
	EQ(status(fd).checkpoint_taken, 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   -ENOENT);
	EQ(status(fd).waiting, 5);
	VERIFY();
}

static void many_released(void)
{
	int fd = private(20000, 2, 8);
	static struct grid_missing_block b[GRID_MISSING_VECTOR_MAX];
	static __u64 a[GRID_MISSING_VECTOR_MAX];
	__u64 id = 0;
	__u32 i, k, pending;

	for (k = 0; k < 4; k++) {
		for (i = 0; i < ARRAY_SIZE(b); i++) {
			__u64 n = (k * ARRAY_SIZE(b) + i) * 1000003ULL;

			b[i] = (struct grid_missing_block){
				.address = n, .checksum = sum_of(n)
			};
			a[i] = n;
		}
		EQ(ALL(fd, GRID_MISSING_ENQUEUE, b), 0);
		if (k % 2)
			continue;
		EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL,
			      a, ARRAY_SIZE(a)),
		   0);
	}
	EQ(status(fd).waiting, 4 * ARRAY_SIZE(b));
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, &pending,
		      NULL, 0),
	   0);
	EQ(pending, 0);
	EQ(status(fd).waiting, 2 * ARRAY_SIZE(b));
	EQ(status(fd).freed, 2 * ARRAY_SIZE(b));
	VERIFY();
}

/* Answers of take and durable that nobody expects to need. */
static void checkpoint_answers(void)
{
	int fd = private(64, 2, 8);
	__u64 id = 0, huge = 1ULL << 63;

	/* Those that follow count on from it: it leaves them room. */
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &huge, NULL, NULL, 0),
	   -EINVAL);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	/* Not while the store jumps: later. */
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0), 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   -EBUSY);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMPLETE, NULL, 0), 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   0);
	VERIFY();
}

/* An exclusive tracker can be looked at by others, and changed by none. */
static void exclusive(void)
{
	struct grid_missing_create c = {
		.size = sizeof(c),
		.flags = GRID_MISSING_CREATE_EXCLUSIVE,
		.blocks_max = 8,
		.tables_max = 2,
		.table_values_max = 65536,
	};
	struct grid_missing_attach a = { .size = sizeof(a) };
	int fd = must_open(O_RDWR), other = must_open(O_RDWR);
	int reader = must_open(O_RDONLY);

	c.revert_age_ms = 1U << 31;
	EQ(do_ioctl(fd, GRID_MISSING_CREATE, &c), -EINVAL);
	c.revert_age_ms--;
	c.table_values_max++;
	EQ(do_ioctl(fd, GRID_MISSING_CREATE, &c), -EINVAL);
	c.table_values_max--;
	EQ(do_ioctl(fd, GRID_MISSING_CREATE, &c), 0);
	a.id = c.id;
	EQ(do_ioctl(other, GRID_MISSING_ATTACH, &a), -EPERM);
	EQ(do_ioctl(reader, GRID_MISSING_ATTACH, &a), 0);
	EQ(enqueue(fd, 1), 0);
	EQ(status(reader).waiting, 1);
}

static int list_released(int fd, struct grid_missing_released *r, __u32 max,
			 __u64 *cursor)
{
	__u32 done;
	int ret = do_vector(fd, GRID_MISSING_LIST_RELEASED, r, sizeof(*r), max,
			    0, 0, cursor, &done);

	return ret ? ret : (int)done;
}

static void release(int fd, __u64 first, __u32 count)
{
	EQ(release_run(fd, first, count), 0);
}

/* Long runs, over many chunks, and all or none of them. */
static void release_runs(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_released r[64];
	__u64 cursor = 0, sum = 0, next = 100;
	int n, i;

	EQ(release_run(fd, 5000, 1000000), 0);
	EQ(release_run(fd, 100, 4900), 0);
	EQ(release_run(fd, 4000, 5000), 0);
	EQ(status(fd).released, 1004900);
	/* More than there is room for, a part of it released already. */
	/* 260,000 allocations: minutes where each is watched, as in debug. */
	if (strcmp(getenv("GRID_KERNEL") ?: "", "debug")) {
		EQ(release_run(fd, 4000, 1ULL << 40), -ENOSPC);
		EQ(release_run(fd, 1ULL << 63, ~0ULL >> 1), -ENOSPC);
	}
	EQ(release_run(fd, 1ULL << 63, 1ULL << 63), -ERANGE);
	EQ(release_run(fd, 5, 0), -EINVAL);
	EQ(status(fd).released, 1004900);
	while (cursor != ~0ULL) {
		n = list_released(fd, r, ARRAY_SIZE(r), &cursor);
		CHECK(n >= 0);
		for (i = 0; i < n; i++) {
			EQ(r[i].address, next);
			next += r[i].count;
			sum += r[i].count;
		}
	}
	EQ(sum, 1004900);
	EQ(release_run(fd, ~1ULL - 4096, 4097), 0);
	EQ(status(fd).released, 1004900 + 4097);
}

/* A table by its index, also when that is written. */
static void cancel_table(void)
{
	static struct grid_missing_value v[4000];
	int fd = private(8, 2, ARRAY_SIZE(v));
	struct grid_missing_table t[2];
	__u32 i, done;

	for (i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = (struct grid_missing_value){
			.address = 100 + i, .checksum = sum_of(100 + i)
		};
	EQ(enqueue_table(fd, 50), 0);
	EQ(commence(fd, 50), 0);
	EQ(complete(fd, 50, 0, v, ARRAY_SIZE(v)), 0);
	EQ(enqueue_table(fd, 51), 0);
	EQ(enqueue(fd, 7), 0);
	EQ(commence(fd, 101), 0);
	EQ(cancel(fd, 50), -ENOENT);
	EQ(one_block(fd, GRID_MISSING_CANCEL, 7, GRID_MISSING_F_TABLE),
	   -ENOENT);
	EQ(one_block(fd, GRID_MISSING_CANCEL, 50, GRID_MISSING_F_TABLE), 0);
	EQ(status(fd).blocks_table, 1);
	EQ(status(fd).waiting, 2);
	EQ(complete(fd, 101, 0, NULL, 0), -ENOENT);
	EQ(one_block(fd, GRID_MISSING_CANCEL, 50, GRID_MISSING_F_TABLE),
	   -ENOENT);
	EQ(one_block(fd, GRID_MISSING_CANCEL, 51, GRID_MISSING_F_TABLE), 0);
	EQ(status(fd).waiting, 1);
	EQ(do_vector(fd, GRID_MISSING_RECLAIM, t, sizeof(t[0]), 2, 0, 0, NULL,
		     &done),
	   0);
	EQ(done, 2);
	EQ(t[0].address, 50);
	EQ(t[0].state, GRID_MISSING_TABLE_CANCELLED);
	EQ(t[0].values, ARRAY_SIZE(v));
	VERIFY();
}

/* How many faults from @first to @last are told, each once. */
static int in_range(int fd, __u64 first, __u64 last, __u32 room)
{
	struct grid_missing_fault f[64];
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.flags = GRID_MISSING_LIST_RANGE,
		.elem_size = sizeof(f[0]),
		.count = room,
		.elems = ptr(f),
		.first = first,
		.last = last,
	};
	__u32 i, turns = 0;
	int n = 0;

	while (v.cursor != ~0ULL && turns++ < 10000) {
		if (!EQ(do_ioctl(fd, GRID_MISSING_LIST_FAULTS, &v), 0))
			break;
		for (i = 0; i < v.done; i++, n++)
			CHECK(f[i].address >= first && f[i].address <= last);
	}
	return n;
}

static void list_range(void)
{
	int fd = private(4096, 2, 8);
	__u32 room;
	__u64 i;

	for (i = 0; i < 1000; i++)
		EQ(enqueue(fd, i * 1000), 0);
	for (room = 1; room <= 64; room += 63) {
		EQ(in_range(fd, 5000, 5000, room), 1);
		EQ(in_range(fd, 5001, 5999, room), 0);
		EQ(in_range(fd, 5000, 5999, room), 1);
		EQ(in_range(fd, 0, 0, room), 1);
		EQ(in_range(fd, 1, 100000, room), 100);
		EQ(in_range(fd, 0, ~0ULL, room), 1000);
		EQ(in_range(fd, 1000000, ~0ULL, room), 0);
	}
}

/* Both generations, as runs in the order of addresses. */
static void released(void)
{
	static const struct grid_missing_released want[] = {
		{ 10, 4, GRID_MISSING_RELEASED_TAKEN, 0 },
		{ 14, 1,
		  GRID_MISSING_RELEASED_TAKEN | GRID_MISSING_RELEASED_OPEN, 0 },
		{ 15, 5, GRID_MISSING_RELEASED_OPEN, 0 },
		{ 1ULL << 40, 1, GRID_MISSING_RELEASED_TAKEN, 0 },
		{ ~1ULL, 1, GRID_MISSING_RELEASED_OPEN, 0 },
	};
	int fd = private(8, 2, 8);
	struct grid_missing_released r[16];
	__u64 cursor = 0, id = 7, last = ~0ULL;
	int n, i;

	EQ(list_released(fd, r, 16, &cursor), 0);
	EQ(cursor, ~0ULL);
	release(fd, 10, 5);
	release(fd, 1ULL << 40, 1);
	EQ(status(fd).checkpoint_taken, 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	EQ(id, 7); /* as wanted */
	EQ(status(fd).checkpoint_taken, 7);
	release(fd, 14, 6);
	release(fd, ~1ULL, 1);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL, &last,
		      1),
	   -ERANGE);
	cursor = 0;
	n = list_released(fd, r, 16, &cursor);
	EQ(n, ARRAY_SIZE(want));
	EQ(cursor, ~0ULL);
	for (i = 0; i < n; i++)
		test_check(!memcmp(&r[i], &want[i], sizeof(r[i])), __LINE__,
			   "run %d: %llu %llu %#x", i, r[i].address, r[i].count,
			   r[i].flags);
	/* One at a time it is the same. */
	cursor = 0;
	for (i = 0; i < n; i++) {
		EQ(list_released(fd, r, 1, &cursor), 1);
		EQ(r[0].address, want[i].address);
	}
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   0);
	EQ(status(fd).checkpoint_taken, 0);
	cursor = 0;
	EQ(list_released(fd, r, 16, &cursor), 2);
	EQ(r[0].address, 14);
	EQ(r[0].count, 6);
	EQ(r[1].address, ~1ULL);
	/* An id is greater than those before. */
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0),
	   -EINVAL);
	id = 0;
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	EQ(id, 8);
}

/* What stays released is listed once, though the generations change. */
static void list_released_meanwhile(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_released r;
	__u64 cursor = 0, blocks = 0, next = 0, id = 0;
	__u32 i;

	for (i = 0; i < 100; i++)
		release(fd, 1000 + 10 * i, 1 + i % 3);
	for (i = 0; cursor != ~0ULL && i < 10000; i++) {
		if (list_released(fd, &r, 1, &cursor) == 1) {
			CHECK(r.address >= next);
			next = r.address + r.count;
			blocks += r.count;
		}
		if (i == 30)
			EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id,
				      NULL, NULL, 0),
			   0);
		/* Behind the cursor: not seen. */
		if (i < 60)
			release(fd, i, 1);
	}
	EQ(cursor, ~0ULL);
	EQ(blocks, 199);
}

static int enqueue_values(int fd, __u64 index,
			  const struct grid_missing_value *v, __u32 n)
{
	struct grid_missing_repair r = {
		.address = index,
		.checksum = sum_of(index),
		.result = 777,
		.values = ptr(v),
		.values_count = n,
		.value_size = sizeof(*v),
	};
	int ret = do_all(fd, GRID_MISSING_ENQUEUE_VALUES, &r, sizeof(r), 1);

	return ret ? ret : r.result;
}

/* A table whose index is good comes by its values. */
static void table_by_values(void)
{
	int fd = private(8, 2, 4);
	struct grid_missing_value v[5], other[2];
	struct grid_missing_table t[4];
	struct grid_missing_fault f[16];
	__u64 cursor = 0, gone[] = { 70 };
	__u32 i, done;

	for (i = 0; i < 5; i++)
		v[i] = (struct grid_missing_value){
			.address = 100 + i, .checksum = sum_of(100 + i)
		};
	EQ(enqueue_values(fd, 50, v, 0), -EINVAL);
	EQ(enqueue_values(fd, 50, v, 5), -E2BIG);
	EQ(enqueue_values(fd, 102, v, 4), -EEXIST);
	v[3].address = 100;
	EQ(enqueue_values(fd, 50, v, 4), -EEXIST);
	v[3].address = 103;
	/* Its index is missing: that comes first. */
	EQ(enqueue(fd, 50), 0);
	EQ(enqueue_values(fd, 50, v, 4), -EBUSY);
	EQ(cancel(fd, 50), 0);
	EQ(enqueue(fd, 103), 0); /* it will be promoted */
	EQ(status(fd).tables, 0);
	VERIFY();

	EQ(enqueue_values(fd, 50, v, 4), 0);
	EQ(enqueue_values(fd, 50, v, 4), GRID_MISSING_DUPLICATE);
	EQ(status(fd).blocks_single, 0);
	EQ(status(fd).blocks_table, 4);
	EQ(do_vector(fd, GRID_MISSING_LIST_TABLES, t, sizeof(t[0]), 4, 0, 0,
		     &cursor, &done),
	   0);
	EQ(done, 1);
	EQ(t[0].address, 50);
	EQ(t[0].state, GRID_MISSING_TABLE_FILLING);
	EQ(t[0].values, 4);
	EQ(t[0].values_gone, 0);
	EQ(t[0].flags, 0);
	/* A value belongs to one table; nothing of the other comes. */
	other[0] = (struct grid_missing_value){ .address = 200,
						.checksum = sum_of(200) };
	other[1] = v[1];
	EQ(enqueue_values(fd, 60, other, 2), -EEXIST);
	EQ(status(fd).tables, 1);
	EQ(status(fd).blocks_table, 4);
	VERIFY();
	EQ(enqueue_values(fd, 70, other, 1), 0);
	EQ(enqueue_values(fd, 80, &v[4], 1), -ENOSPC);
	EQ(batch(fd, f, 16), 5);
	for (i = 0; i < 4; i++)
		EQ(repaired(fd, 100 + i), 0);
	EQ(status(fd).tables_free, 1);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0), 0);
	EQ(enqueue_values(fd, 80, &v[4], 1), -EBUSY);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMPLETE, gone, 1), 0);
	EQ(status(fd).waiting, 0);
	EQ(reclaim(fd), 2);
	VERIFY();
}

static void jump(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_value v[2] = {
		{ .address = 100, .checksum = sum_of(100) },
		{ .address = 101, .checksum = sum_of(101) }
	};
	__u64 gone[] = { 60 };
	struct grid_missing_table t[4];
	struct grid_missing_fault f[8];
	__u64 cursor = 0;
	__u32 done;

	EQ(enqueue(fd, 1), 0);
	EQ(enqueue_table(fd, 50), 0);
	EQ(commence(fd, 50), 0);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0), -EBUSY);
	EQ(complete(fd, 50, 0, v, 2), 0);
	EQ(enqueue_table(fd, 60), 0);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0), 0);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0), 0);
	EQ(status(fd).state & GRID_MISSING_STATUS_SYNC_JUMP,
	   GRID_MISSING_STATUS_SYNC_JUMP);
	EQ(batch(fd, f, 8), 0);
	EQ(poll_for(fd, POLLIN, 0), 0);
	EQ(do_vector(fd, GRID_MISSING_LIST_TABLES, t, sizeof(t[0]), 4, 0, 0,
		     &cursor, &done),
	   0);
	EQ(done, 2);
	EQ(t[0].flags & GRID_MISSING_F_ASIDE, GRID_MISSING_F_ASIDE);
	EQ(enqueue(fd, 2), 0);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMPLETE, gone, 1), 0);
	EQ(status(fd).state & GRID_MISSING_STATUS_SYNC_JUMP, 0);
	EQ(status(fd).waiting, 3); /* 2, 100, 101 */
	EQ(poll_for(fd, POLLIN, 0), POLLIN);
	EQ(batch(fd, f, 8), 3);
	EQ(reclaim(fd), 1);
	VERIFY();
}

static void cancels(void)
{
	int fd = private(8, 2, 8);
	__u64 i;

	for (i = 0; i < 4; i++)
		EQ(enqueue(fd, i), 0);
	EQ(enqueue_table(fd, 50), 0);
	EQ(cancel(fd, 2), 0);
	EQ(cancel(fd, 2), -ENOENT);
	EQ(commence(fd, 1), 0);
	EQ(cancel(fd, 50), 0);
	EQ(reclaim(fd), 1);
	EQ(status(fd).cancelled, 2);
	EQ(on_all(fd, GRID_MISSING_CANCEL, 0), 0);
	EQ(status(fd).waiting + status(fd).writing + status(fd).aborting, 0);
	EQ(status(fd).cancelled, 5);
	EQ(complete(fd, 1, 0, NULL, 0), -ENOENT);
	EQ(enqueue(fd, 1), 0);
	VERIFY();
}

/* What ended is told once, in its order, and only with room for it. */
static void reclaim_tells(void)
{
	int fd = private(8, 4, 8);
	struct grid_missing_value v[] = { { 100, sum_of(100) } };
	struct grid_missing_table t[4];
	__u32 done;

	EQ(do_vector(fd, GRID_MISSING_RECLAIM, t, sizeof(t[0]), 4, 0, 0, NULL,
		     &done),
	   0);
	EQ(done, 0);
	EQ(enqueue_table(fd, 50), 0);
	EQ(enqueue_table(fd, 60), 0);
	EQ(enqueue_table(fd, 70), 0);
	EQ(commence(fd, 60), 0);
	EQ(complete(fd, 60, 0, v, 1), 0);
	EQ(repaired(fd, 100), 0);
	EQ(cancel(fd, 50), 0);
	/* Room for nothing, or none that can be written: nothing is lost. */
	EQ(do_vector(fd, GRID_MISSING_RECLAIM, NULL, 0, 0, 0, 0, NULL, &done),
	   0);
	EQ(do_vector(fd, GRID_MISSING_RECLAIM, before_hole(0), sizeof(t[0]), 4,
		     0, 0, NULL, &done),
	   -EFAULT);
	EQ(status(fd).tables_free, 2);
	memset(t, 0xff, sizeof(t));
	EQ(do_vector(fd, GRID_MISSING_RECLAIM, t, sizeof(t[0]), 1, 0, 0, NULL,
		     &done),
	   0);
	EQ(done, 1);
	EQ(t[0].address, 60);
	EQ(t[0].state, GRID_MISSING_TABLE_DONE);
	EQ(t[0].values, 1);
	EQ(t[0].values_gone, 1);
	EQ(t[0].flags | t[0].reserved, 0);
	EQ(memcmp(&t[0].checksum,
		  &(struct grid_missing_checksum[]){ sum_of(60) },
		  sizeof(t[0].checksum)),
	   0);
	EQ(t[1].address, ~0ULL);
	EQ(do_vector(fd, GRID_MISSING_RECLAIM, t, sizeof(t[0]), 4, 0, 0, NULL,
		     &done),
	   0);
	EQ(done, 1);
	EQ(t[0].address, 50);
	EQ(t[0].state, GRID_MISSING_TABLE_CANCELLED);
	EQ(t[0].values, 0);
	EQ(status(fd).tables, 1);
	VERIFY();
}

/* All is a flag, and a count of 0 is nothing. */
static void all_is_said(void)
{
	int fd = private(8, 2, 8);

	EQ(enqueue(fd, 5), 0);
	EQ(enqueue(fd, 6), 0);
	EQ(commence(fd, 6), 0);
	EQ(one_block(fd, GRID_MISSING_MARK_UNAVAILABLE, 5, 0), 0);
	EQ(do_vector(fd, GRID_MISSING_RETRY, NULL, 0, 0, 0, 0, NULL, NULL), 0);
	EQ(status(fd).unavailable, 1);
	EQ(do_vector(fd, GRID_MISSING_CANCEL, NULL, 0, 0,
		     GRID_MISSING_CANCEL_REVERT, 0, NULL, NULL),
	   0);
	EQ(status(fd).writing, 1);
	EQ(do_vector(fd, GRID_MISSING_CANCEL, NULL, 0, 0, 0, 0, NULL, NULL), 0);
	EQ(status(fd).waiting, 1);
	EQ(on_all(fd, GRID_MISSING_RETRY, 0), 0);
	EQ(status(fd).unavailable, 0);
	EQ(on_all(fd, GRID_MISSING_CANCEL, GRID_MISSING_CANCEL_REVERT), 0);
	EQ(status(fd).waiting, 2);
	EQ(on_all(fd, GRID_MISSING_CANCEL, 0), 0);
	EQ(status(fd).waiting, 0);
	VERIFY();
}

/* By small steps, while the tracker changes: what stayed is listed once. */
static void list_by_cursor(void)
{
	int fd = private(4096, 2, 8);
	static unsigned char seen[2000];
	struct grid_missing_fault f[7];
	__u64 cursor = 0, i;
	__u32 done, turns = 0;

	for (i = 0; i < 2000; i++)
		EQ(enqueue(fd, i), 0);
	memset(seen, 0, sizeof(seen));
	while (cursor != ~0ULL && turns++ < 10000) {
		EQ(do_vector(fd, GRID_MISSING_LIST_FAULTS, f, sizeof(f[0]), 7,
			     0, 0, &cursor, &done),
		   0);
		for (i = 0; i < done; i++)
			if (f[i].address < 2000)
				seen[f[i].address]++;
		/* 1000 .. 1999 go and others come. */
		if (turns <= 1000) {
			EQ(cancel(fd, 2000 - turns), 0);
			EQ(enqueue(fd, 10000 + turns), 0);
		}
	}
	for (i = 0; i < 1000; i++)
		if (!EQ(seen[i], 1))
			break;
	for (; i < 2000; i++)
		CHECK(seen[i] <= 1);
	/* Past the end there is nothing. */
	EQ(do_vector(fd, GRID_MISSING_LIST_FAULTS, f, sizeof(f[0]), 7, 0, 0,
		     &cursor, &done),
	   0);
	EQ(done, 0);
	EQ(cursor, ~0ULL);
}

static void large_batch(void)
{
	int fd = private(5000, 2, 8);
	static struct grid_missing_fault f[GRID_MISSING_VECTOR_MAX];
	static unsigned char seen[5000];
	__u64 i;
	int n;

	for (i = 0; i < 130; i++)
		EQ(enqueue(fd, i), 0);
	/* No fault twice in one batch, though there is room. */
	n = batch(fd, f, GRID_MISSING_VECTOR_MAX);
	EQ(n, 130);
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < (__u64)n; i++)
		seen[f[i].address]++;
	for (i = 0; i < 130; i++)
		EQ(seen[i], 1);
	for (; i < 5000; i++)
		EQ(enqueue(fd, i), 0);
	/* Never handed out comes first; then the rest. */
	memset(seen, 0, sizeof(seen));
	n = batch(fd, f, GRID_MISSING_VECTOR_MAX);
	EQ(n, GRID_MISSING_VECTOR_MAX);
	for (i = 0; i < (__u64)n; i++) {
		CHECK(f[i].address >= 130);
		seen[f[i].address]++;
	}
	n = batch(fd, f, 5000 - 130 - GRID_MISSING_VECTOR_MAX);
	for (i = 0; i < (__u64)n; i++)
		seen[f[i].address]++;
	for (i = 130; i < 5000; i++)
		EQ(seen[i], 1);
	VERIFY();
}

static void list_trackers(void)
{
	int a = private(8, 2, 8), b = private(8, 2, 8), i;
	struct grid_missing_tracker t[3];
	__u64 id_a = status(a).id, id_b = status(b).id, cursor = 0;
	bool got_a = false, got_b = false;
	__u32 done;

	CHECK(id_b > id_a);
	EQ(enqueue(b, 1), 0);
	while (cursor != ~0ULL) {
		EQ(do_vector(a, GRID_MISSING_LIST_TRACKERS, t, sizeof(t[0]), 1,
			     0, 0, &cursor, &done),
		   0);
		for (i = 0; i < (int)done; i++) {
			got_a |= t[i].id == id_a;
			got_b |= t[i].id == id_b;
			if (t[i].id == id_b) {
				EQ(t[i].faults, 1);
				EQ(strcmp(t[i].name, "private"), 0);
				EQ(t[i].major, 0);
			}
		}
	}
	CHECK(got_a);
	CHECK(got_b);
	/* An id is never used again. */
	close_now(b);
	b = private(8, 2, 8);
	CHECK(status(b).id > id_b);
}

static void fdinfo(void)
{
	int fd = private(8, 2, 8);
	char path[64], line[128];
	__u64 id = 0, faults = 99;
	FILE *f;

	EQ(enqueue(fd, 1), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	if (!CHECK(f != NULL))
		return;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "grid-missing-id: %llu", &id);
		sscanf(line, "grid-missing-faults: %llu", &faults);
	}
	fclose(f);
	EQ(id, status(fd).id);
	EQ(faults, 1);
}

static void dump(void)
{
	int fd = private(4096, 2, 8);
	char line[512];
	__u64 i, id, address, mine = status(fd).id;
	__u32 lines = 0;
	bool here = false;
	FILE *f;

	for (i = 0; i < 1000; i++)
		EQ(enqueue(fd, i), 0);
	f = fopen("/sys/kernel/debug/grid_missing/dump", "r");
	if (!f) {
		printf("# no debugfs here\n");
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "tracker %llu", &id) == 1)
			here = id == mine;
		else if (here && sscanf(line, "  %llu waiting", &address) == 1)
			lines += address < 1000 && strstr(line, " sum ");
	}
	fclose(f);
	EQ(lines, 1000);
	VERIFY();
}

int main(void)
{
	RUN(query);
	RUN(one_fault);
	RUN(checksums);
	RUN(full);
	RUN(failed_write);
	RUN(unavailable);
	RUN(table);
	RUN(two_generations);
	RUN(checkpoint_answers);
	RUN(exclusive);
	RUN(many_released);
	RUN(released);
	RUN(list_released_meanwhile);
	RUN(table_by_values);
	RUN(jump);
	RUN(cancels);
	RUN(reclaim_tells);
	RUN(all_is_said);
	RUN(list_by_cursor);
	RUN(list_range);
	RUN(cancel_table);
	RUN(release_runs);
	RUN(large_batch);
	RUN(list_trackers);
	RUN(fdinfo);
	RUN(dump);
	return test_end();
}
