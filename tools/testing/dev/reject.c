// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/grid_missing says no: each way to call it wrongly, alone, gets the errno
 * of the header and changes nothing.
 */
#include <grp.h>
#include <pwd.h>

#include <stddef.h>

#include "dev.h"

enum kind { VECTOR_RW, VECTOR_OUT, FIXED };

/*
 * Every command: @size of its argument, @elem of a vector's elements, @write
 * and @attached: what it needs of the file.
 */
static const struct command {
	unsigned long cmd;
	const char *name;
	size_t size, elem;
	size_t least; /* what its first version had, if it has grown */
	enum kind kind;
	bool write, attached;
	__u32 flags; /* known ones */
} commands[] = {
#define V(c, e, k, w, a, f)                                                    \
	{                                                                      \
		.cmd = GRID_MISSING_##c, .name = #c,                           \
		.size = sizeof(struct grid_missing_vector), .elem = sizeof(e), \
		.kind = k, .write = w, .attached = a, .flags = f               \
	}
#define F(c, t, w, a)                                                          \
	{                                                                      \
		.cmd = GRID_MISSING_##c, .name = #c, .size = sizeof(struct t), \
		.kind = FIXED, .write = w, .attached = a                       \
	}
	F(QUERY, grid_missing_query, false, false),
	V(LIST_TRACKERS, struct grid_missing_tracker, VECTOR_OUT, false, false,
	  0),
	F(ATTACH, grid_missing_attach, false, false),
	{ .cmd = GRID_MISSING_CREATE,
	  .name = "CREATE",
	  .size = sizeof(struct grid_missing_create),
	  .kind = FIXED,
	  .write = true,
	  .flags = GRID_MISSING_CREATE_EXCLUSIVE },
	V(ENQUEUE, struct grid_missing_block, VECTOR_RW, true, true, 0),
	V(BATCH, struct grid_missing_fault, VECTOR_OUT, true, true, 3),
	V(REPAIR, struct grid_missing_repair, VECTOR_RW, true, true, 0),
	V(COMMENCE, struct grid_missing_block, VECTOR_RW, true, true, 0),
	V(COMPLETE, struct grid_missing_repair, VECTOR_RW, true, true, 0),
	V(MARK_UNAVAILABLE, struct grid_missing_block, VECTOR_RW, true, true,
	  0),
	V(RETRY, struct grid_missing_block, VECTOR_RW, true, true,
	  GRID_MISSING_ALL),
	V(CANCEL, struct grid_missing_block, VECTOR_RW, true, true, 15),
	F(CHECKPOINT, grid_missing_checkpoint, true, true),
	F(SYNC_JUMP, grid_missing_sync_jump, true, true),
	V(RECLAIM, struct grid_missing_table, VECTOR_OUT, true, true, 0),
	V(LIST_FAULTS, struct grid_missing_fault, VECTOR_OUT, false, true,
	  GRID_MISSING_LIST_RANGE),
	V(LIST_TABLES, struct grid_missing_table, VECTOR_OUT, false, true, 0),
	{ .cmd = GRID_MISSING_STATUS,
	  .name = "STATUS",
	  .size = sizeof(struct grid_missing_status),
	  .least = offsetof(struct grid_missing_status, passed_up_blocks),
	  .kind = FIXED,
	  .attached = true },
	F(READY, grid_missing_simple, true, true),
	V(LIST_RELEASED, struct grid_missing_released, VECTOR_OUT, false, true,
	  0),
	V(ENQUEUE_VALUES, struct grid_missing_repair, VECTOR_RW, true, true, 0),
	{ .cmd = GRID_MISSING_EVENTS,
	  .name = "EVENTS",
	  .size = sizeof(struct grid_missing_events),
	  .kind = FIXED,
	  .attached = true,
	  .flags = GRID_MISSING_EVENTS_NONBLOCK },
};

#define FOR_EACH(c) for (c = commands; c < commands + ARRAY_SIZE(commands); c++)

/* EQ() that names the command. */
#define WANT(c, got, want)                                                   \
	({                                                                   \
		int _g = (got), _w = (want);                                 \
		test_check(_g == _w, __LINE__, "%s: %d (%s), not %d (%s)",   \
			   (c)->name, _g, strerror(-_g), _w, strerror(-_w)); \
	})

static union {
	__u32 word[4096];
	struct grid_missing_vector vector;
	struct grid_missing_create create;
} arg;

/* An argument that would be all right, if it were not spoilt. */
static void good(const struct command *c)
{
	static char elems[64 * 256];

	memset(&arg, 0, sizeof(arg));
	arg.word[0] = c->size;
	if (c->kind != FIXED) {
		memset(elems, 0, sizeof(elems));
		arg.vector.elem_size = c->elem;
		arg.vector.count = 1;
		arg.vector.elems = ptr(elems);
	}
	if (c->cmd == GRID_MISSING_CREATE) {
		arg.create.blocks_max = 8;
		arg.create.table_values_max = 8;
	}
}

static int bad_fd(const struct command *c)
{
	return c->attached ? private(8, 2, 8) : must_open(O_RDWR);
}

static void unchanged(int fd, const struct command *c)
{
	struct grid_missing_status s;

	if (!c->attached)
		return;
	s = status(fd);
	WANT(c, s.waiting + s.writing + s.aborting + s.tables, 0);
}

static void too_short(void)
{
	const struct command *c;
	int fd;

	FOR_EACH(c)
	{
		fd = bad_fd(c);
		good(c);
		arg.word[0] = (c->least ? c->least : c->size) - 1;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
		if (c->least) {
			/* A program that was built before it grew. */
			memset(&arg, 0xee, sizeof(arg));
			arg.word[0] = c->least;
			arg.word[1] = 0;
			WANT(c, do_ioctl(fd, c->cmd, &arg), 0);
			WANT(c, arg.word[0], c->least);
			WANT(c, arg.word[c->least / 4] == 0xeeeeeeee, true);
		}
		arg.word[0] = 0;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
		arg.word[0] = 8;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
		unchanged(fd, c);
		close_now(fd);
	}
}

/* A newer program's struct: fine with zero in what we don't know. */
static void longer(void)
{
	const struct command *c;
	int fd, plain, ret;

	FOR_EACH(c)
	{
		fd = bad_fd(c);
		good(c);
		plain = do_ioctl(fd, c->cmd, &arg);
		close_now(fd);
		fd = bad_fd(c);
		good(c);
		arg.word[0] = c->size + 64;
		ret = do_ioctl(fd, c->cmd, &arg);
		WANT(c, ret, plain);
		close_now(fd);
	}
}

static void longer_not_zero(void)
{
	const struct command *c;
	int fd;

	FOR_EACH(c)
	{
		fd = bad_fd(c);
		good(c);
		arg.word[0] = c->size + 64;
		((char *)&arg)[c->size + 63] = 1;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -E2BIG);
		unchanged(fd, c);
		close_now(fd);
	}
}

static void huge(void)
{
	const struct command *c;
	int fd;

	FOR_EACH(c)
	{
		fd = bad_fd(c);
		good(c);
		arg.word[0] = sysconf(_SC_PAGESIZE) + 1;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -E2BIG);
		arg.word[0] = ~0U;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -E2BIG);
		unchanged(fd, c);
		close_now(fd);
	}
}

static void unknown_flags(void)
{
	const struct command *c;
	int fd, bit;

	FOR_EACH(c)
	{
		fd = bad_fd(c);
		for (bit = 0; bit < 32; bit++) {
			if (c->flags & 1U << bit)
				continue;
			good(c);
			arg.word[1] = 1U << bit;
			WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
		}
		unchanged(fd, c);
		close_now(fd);
	}
}

static void bad_pointer(void)
{
	const struct command *c;
	char *p;
	int fd;

	FOR_EACH(c)
	{
		fd = bad_fd(c);
		WANT(c, do_ioctl(fd, c->cmd, NULL), -EFAULT);
		WANT(c, do_ioctl(fd, c->cmd, ptr_of(~0UL & ~7UL)), -EFAULT);
		/* The argument ends in a hole. */
		good(c);
		p = before_hole(c->size - 4);
		memcpy(p, &arg, c->size - 4);
		WANT(c, do_ioctl(fd, c->cmd, p), -EFAULT);
		/* It can be read, but not be written. */
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(p, &arg, c->size);
		mprotect(p, 4096, PROT_READ);
		WANT(c, do_ioctl(fd, c->cmd, p), -EFAULT);
		munmap(p, 4096);
		unchanged(fd, c);
		close_now(fd);
	}
}

static void bad_elements(void)
{
	const struct command *c;
	int fd;

	FOR_EACH(c)
	{
		if (c->kind == FIXED)
			continue;
		/* REPAIR is not for these, COMMENCE and others find nothing. */
		if (c->cmd == GRID_MISSING_REPAIR)
			continue;
		fd = bad_fd(c);
		good(c);
		arg.vector.elem_size = c->elem - 1;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
		good(c);
		arg.vector.elem_size = 0;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
		good(c);
		arg.vector.elem_size = 4097;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -E2BIG);
		good(c);
		arg.vector.count = GRID_MISSING_VECTOR_MAX + 1;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -E2BIG);
		good(c);
		arg.vector.count = ~0U;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -E2BIG);
		if (c->kind == VECTOR_RW) {
			good(c);
			arg.vector.elems = 0;
			WANT(c, do_ioctl(fd, c->cmd, &arg), -EFAULT);
			WANT(c, arg.vector.done, 0);
			good(c);
			arg.vector.elems = ~0ULL - 63;
			WANT(c, do_ioctl(fd, c->cmd, &arg), -EFAULT);
			good(c);
			arg.vector.cursor = 1;
			WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
			/* A longer element, not zero where it is unknown. */
			good(c);
			arg.vector.elem_size = c->elem + 8;
			((char *)ptr_of(arg.vector.elems))[c->elem + 7] = 1;
			WANT(c, do_ioctl(fd, c->cmd, &arg), -E2BIG);
		}
		good(c);
		arg.vector.arg = 1;
		WANT(c, do_ioctl(fd, c->cmd, &arg), -EINVAL);
		unchanged(fd, c);
		close_now(fd);
	}
}

static void not_attached(void)
{
	int fd = must_open(O_RDWR);
	const struct command *c;
	char buf[64];

	FOR_EACH(c)
	{
		if (!c->attached)
			continue;
		good(c);
		WANT(c, do_ioctl(fd, c->cmd, &arg), -ENXIO);
	}
	EQ(read(fd, buf, sizeof(buf)), -1);
	EQ(errno, EINVAL);
	EQ(poll_for(fd, POLLIN, 0), POLLERR);
}

static void read_only(void)
{
	const struct command *c;
	int owner, fd;
	__u64 id;

	owner = must_open(O_RDWR);
	EQ(do_create(owner, 8, 2, 8, 0, 0, &id), 0);
	fd = must_open(O_RDONLY);
	EQ(do_attach(fd, id, 0), 0);
	FOR_EACH(c)
	{
		good(c);
		if (c->write)
			WANT(c, do_ioctl(fd, c->cmd, &arg), -EACCES);
		else if (c->cmd != GRID_MISSING_ATTACH)
			WANT(c, do_ioctl(fd, c->cmd, &arg), 0);
	}
	EQ(status(owner).helpers, 1);
	EQ(poll_for(fd, POLLIN | POLLPRI, 0), 0);
	EQ(poll_for(events_of(fd), POLLIN | POLLPRI, 0), 0);
}

static void unknown_commands(void)
{
	int fd = private(8, 2, 8);
	char buf[64] = {};
	int nr;

	for (nr = ARRAY_SIZE(commands); nr < 256; nr++)
		EQ(do_ioctl(fd, _IO(GRID_MISSING_IOC, nr), buf), -ENOTTY);
	for (nr = 0; nr < 256; nr++) {
		EQ(do_ioctl(fd, _IO(GRID_MISSING_IOC + 1, nr), buf), -ENOTTY);
		EQ(do_ioctl(fd, _IOWR(GRID_MISSING_IOC, nr, __u32), buf),
		   -ENOTTY);
	}
	EQ(do_ioctl(fd, 0xffffffff, buf), -ENOTTY);
}

static void attach(void)
{
	int fd = private(8, 2, 8), other;
	struct grid_missing_attach a = { .size = sizeof(a), .id = ~0ULL };
	__u64 id = status(fd).id;

	EQ(do_attach(fd, id, 0), -EBUSY);
	EQ(do_create(fd, 8, 2, 8, 0, 0, NULL), -EBUSY);
	other = must_open(O_RDWR);
	EQ(do_ioctl(other, GRID_MISSING_ATTACH, &a), -ENODEV);
	/* Private trackers have no device; 0:0 is not theirs. */
	a.id = 0;
	EQ(do_ioctl(other, GRID_MISSING_ATTACH, &a), -ENODEV);
	a.major = 12345;
	EQ(do_ioctl(other, GRID_MISSING_ATTACH, &a), -ENODEV);
	/* With an id the numbers are its device's, or 0:0. */
	a.id = id;
	EQ(do_ioctl(other, GRID_MISSING_ATTACH, &a), -EINVAL);
	a.major = 0;
	EQ(do_ioctl(other, GRID_MISSING_ATTACH, &a), 0);
	EQ(a.id, id);
	EQ(a.major, 0);
	EQ(a.block_size, 0);
	EQ(a.checksum[0], 0);
	EQ(do_ioctl(other, GRID_MISSING_ATTACH, &a), -EBUSY);
	EQ(status(other).helpers, 2);
}

static void create_values(void)
{
	static const __u32 bad[][3] = {
		{ 0, 2, 8 },	   { 8, 2, 0 },	    { 0, 0, 0 },
		{ ~0U, ~0U, ~0U }, { 1, ~0U, ~0U },
	};
	struct grid_missing_create c = { .size = sizeof(c),
					 .blocks_max = 1,
					 .table_values_max = 1,
					 .reserved = 1 };
	int fd = must_open(O_RDWR), ret;
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ret = do_create(fd, bad[i][0], bad[i][1], bad[i][2], 0, 0,
				NULL);
		CHECK(ret == -EINVAL || ret == -ENOMEM);
	}
	EQ(do_ioctl(fd, GRID_MISSING_CREATE, &c), -EINVAL);
	c.reserved = 0;
	EQ(do_ioctl(fd, GRID_MISSING_CREATE, &c), 0);
	CHECK(c.id != 0);
}

static void wrong_kind(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_simple s = { .size = sizeof(s) };
	struct grid_missing_repair r = { .address = 1 };

	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), -EOPNOTSUPP);
	EQ(do_ioctl(fd, GRID_MISSING_READY, &s), -EOPNOTSUPP);
	s.value = 1;
	EQ(do_ioctl(fd, GRID_MISSING_READY, &s), -EINVAL);
}

static void bad_blocks(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_block b[4] = {
		{ .address = 1, .flags = 1U << 31 },
		{ .address = 2,
		  .flags = GRID_MISSING_F_NO_CHECKSUM,
		  .checksum.bytes[3] = 1 },
		{ .address = 3, .flags = GRID_MISSING_F_FAILED },
		{ .address = 4 },
	};

	/* What is wrong with one is its own result; the others are done. */
	EQ(ALL(fd, GRID_MISSING_ENQUEUE, b), 0);
	EQ(b[0].result, -EINVAL);
	EQ(b[1].result, -EINVAL);
	EQ(b[2].result, -EINVAL);
	EQ(b[3].result, 0);
	EQ(status(fd).waiting, 1);
	EQ(one_block(fd, GRID_MISSING_COMMENCE, 4, GRID_MISSING_F_TABLE),
	   -EINVAL);
	EQ(one_block(fd, GRID_MISSING_CANCEL, 4, GRID_MISSING_F_NO_CHECKSUM),
	   -EINVAL);
	EQ(one_block(fd, GRID_MISSING_RETRY, 4, 1U << 4), -EINVAL);
	EQ(one_block(fd, GRID_MISSING_MARK_UNAVAILABLE, 4, 1), -EINVAL);
	EQ(status(fd).waiting, 1);
}

/* A vector that runs into a hole: what came before counts, exactly. */
static void fault_in_vector(void)
{
	const __u32 fits = 100;
	int fd = private(1000, 2, 8);
	struct grid_missing_block *b = before_hole(fits * sizeof(*b) + 8);
	struct grid_missing_fault *f = before_hole(50 * sizeof(*f) + 20);
	__u32 i, done;
	__u64 cursor = 0;

	for (i = 0; i < fits; i++) {
		b[i] = (struct grid_missing_block){ .address = i,
						    .checksum = sum_of(i),
						    .result = 99 };
	}
	EQ(do_vector(fd, GRID_MISSING_ENQUEUE, b, sizeof(*b), 200, 0, 0, NULL,
		     &done),
	   0);
	EQ(done, fits);
	EQ(status(fd).waiting, fits);
	for (i = 0; i < fits; i++)
		EQ(b[i].result, 0);
	/* Nothing at all could be read: the errno. */
	EQ(do_vector(fd, GRID_MISSING_ENQUEUE, b + fits, sizeof(*b), 1, 0, 0,
		     NULL, &done),
	   -EFAULT);
	EQ(done, 0);

	/* A listing that runs into one: done and cursor agree. */
	EQ(do_vector(fd, GRID_MISSING_LIST_FAULTS, f, sizeof(*f), 100, 0, 0,
		     &cursor, &done),
	   -EFAULT);
	EQ(done, 0);
	EQ(cursor, 0);
	EQ(do_vector(fd, GRID_MISSING_BATCH, f, sizeof(*f), 100, 0, 0, NULL,
		     &done),
	   0);
	EQ(done, 50);
	VERIFY();
}

/* Results that cannot be written: a commence is taken back. */
static void fault_in_result(void)
{
	int fd = private(1000, 2, 8);
	struct grid_missing_block *b = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct grid_missing_repair *r;
	const __u32 first = 4096 / sizeof(*b);
	__u32 i, done;

	for (i = 0; i < 8192 / sizeof(*b); i++) {
		b[i] = (struct grid_missing_block){ .address = i,
						    .checksum = sum_of(i) };
	}
	EQ(do_all(fd, GRID_MISSING_ENQUEUE, b, sizeof(*b), 2 * first), 0);
	/* The second page can be read only. */
	mprotect((char *)b + 4096, 4096, PROT_READ);
	EQ(do_vector(fd, GRID_MISSING_COMMENCE, b, sizeof(*b), 2 * first, 0, 0,
		     NULL, &done),
	   0);
	EQ(done, first);
	EQ(status(fd).writing, first);
	EQ(status(fd).waiting, first);
	mprotect((char *)b + 4096, 4096, PROT_READ | PROT_WRITE);

	/* complete looks first whether it can tell. */
	r = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < 8192 / sizeof(*r); i++) {
		r[i] = (struct grid_missing_repair){ .address = i,
						     .checksum = sum_of(i) };
	}
	mprotect((char *)r + 4096, 4096, PROT_READ);
	EQ(do_vector(fd, GRID_MISSING_COMPLETE, r, sizeof(*r), first, 0, 0,
		     NULL, &done),
	   0);
	EQ(done, 4096 / sizeof(*r));
	EQ(status(fd).writing, first - 4096 / sizeof(*r));
	EQ(status(fd).repaired, 4096 / sizeof(*r));
	munmap(r, 8192);
	munmap(b, 8192);
	VERIFY();
}

static void bad_values(void)
{
	int fd = private(8, 2, 4);
	struct grid_missing_value v[5];
	struct grid_missing_repair r = { .address = 1, .checksum = sum_of(1) };
	char *big;
	__u32 i;

	for (i = 0; i < 5; i++) {
		v[i] = (struct grid_missing_value){
			.address = 10 + i, .checksum = sum_of(10 + i)
		};
	}
	EQ(enqueue_table(fd, 1), 0);
	EQ(commence(fd, 1), 0);
#define TRY(want)                                                           \
	({                                                                  \
		EQ(do_all(fd, GRID_MISSING_COMPLETE, &r, sizeof(r), 1), 0); \
		EQ(r.result, want);                                         \
	})
	/* An index without a list. */
	TRY(-EINVAL);
	r.values = ptr(v);
	r.values_count = 5;
	r.value_size = sizeof(v[0]);
	TRY(-E2BIG);
	r.values_count = ~0U;
	TRY(-E2BIG);
	r.values_count = 4;
	r.value_size = sizeof(v[0]) - 8;
	TRY(-EINVAL);
	r.value_size = 0;
	TRY(-EINVAL);
	r.value_size = 4097;
	TRY(-E2BIG);
	r.value_size = sizeof(v[0]);
	r.values = 8;
	TRY(-EFAULT);
	r.values = 0;
	TRY(-EFAULT);
	r.values = ptr(v);
	r.data = 1;
	TRY(-EINVAL);
	r.data = 0;
	r.serial = 1;
	TRY(-EINVAL);
	r.serial = 0;
	r.flags = GRID_MISSING_F_FAILED;
	TRY(-EINVAL);
	r.flags = 1U << 30;
	TRY(-EINVAL);
	r.flags = 0;
	v[3].address = v[0].address;
	TRY(-EEXIST);
	v[3].address = 13;
	EQ(status(fd).writing, 1);
	/* Longer values of a newer program, not zero, then zero. */
	big = calloc(4, 40);
	for (i = 0; i < 4; i++)
		memcpy(big + i * 40, &v[i], sizeof(v[i]));
	big[3 * 40 + 39] = 1;
	r.values = ptr(big);
	r.value_size = 40;
	TRY(-E2BIG);
	big[3 * 40 + 39] = 0;
	TRY(0);
	free(big);
	EQ(status(fd).waiting, 4);
	EQ(status(fd).blocks_table, 4);
	VERIFY();
}

static void bad_ranges(void)
{
	struct grid_missing_fault f;
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.elem_size = sizeof(f),
		.count = 1,
		.elems = ptr(&f),
		.first = 1,
	};
	int fd = private(8, 2, 8);

	EQ(do_ioctl(fd, GRID_MISSING_LIST_FAULTS, &v), -EINVAL);
	v.first = 0;
	v.last = 1;
	EQ(do_ioctl(fd, GRID_MISSING_LIST_FAULTS, &v), -EINVAL);
	EQ(do_ioctl(fd, GRID_MISSING_BATCH, &v), -EINVAL);
	v.flags = GRID_MISSING_LIST_RANGE;
	EQ(do_ioctl(fd, GRID_MISSING_LIST_TABLES, &v), -EINVAL);
	EQ(do_ioctl(fd, GRID_MISSING_LIST_FAULTS, &v), 0);
	v.cursor = 0;
	v.first = 2;
	EQ(do_ioctl(fd, GRID_MISSING_LIST_FAULTS, &v), -EINVAL);
}

static void bad_checkpoints(void)
{
	struct grid_missing_checkpoint c = { .size = sizeof(c) };
	int fd = private(8, 2, 8);
	struct grid_missing_released a[2] = { { .address = 1, .count = 1 },
					      { .address = 2, .count = 1 } };
	__u64 id = 1;
	__u32 pending;

	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	c.op = 6;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	c.op = GRID_MISSING_CHECKPOINT_REVERT;
	c.id = 1;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	c.op = GRID_MISSING_CHECKPOINT_COMPLETE;
	c.id = 1;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	c.op = GRID_MISSING_CHECKPOINT_RELEASE;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	c.id = 0;
	c.elems = ptr(a);
	c.count = 2;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	c.elem_size = sizeof(a[0]) - 1;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	c.elem_size = 4097;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -E2BIG);
	/* One that is longer: what we don't know isn't zero. */
	c.elem_size = sizeof(a);
	c.count = 1;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -E2BIG);
	c.elem_size = sizeof(a[0]);
	c.count = 2;
	a[1].flags = GRID_MISSING_RELEASED_OPEN;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	a[1].flags = 0;
	a[1].reserved = 1;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	a[1].reserved = 0;
	a[1].count = 0;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	a[1].count = ~0ULL - 1;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -ERANGE);
	a[1].count = ~0ULL - 2;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -ENOSPC);
	a[1].count = 1;
	c.count = GRID_MISSING_VECTOR_MAX + 1;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -E2BIG);
	c.count = 2;
	c.elems = 8;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EFAULT);
	c.op = GRID_MISSING_CHECKPOINT_TAKE;
	EQ(do_ioctl(fd, GRID_MISSING_CHECKPOINT, &c), -EINVAL);
	EQ(status(fd).released, 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   -ENOENT);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, &pending,
		      NULL, 0),
	   -EINVAL);
}

static void bad_jumps(void)
{
	struct grid_missing_sync_jump j = { .size = sizeof(j) };
	int fd = private(8, 2, 8);
	__u64 a[2] = { 1, 2 };

	EQ(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j), -EINVAL);
	j.op = 3;
	EQ(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j), -EINVAL);
	j.op = GRID_MISSING_SYNC_JUMP_COMMENCE;
	j.reserved = 1;
	EQ(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j), -EINVAL);
	j.reserved = 0;
	j.count = 1;
	EQ(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j), -EINVAL);
	j.op = GRID_MISSING_SYNC_JUMP_COMPLETE;
	EQ(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j), -EINVAL);
	j.elem_size = 8;
	EQ(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j), -EFAULT);
	j.elems = ptr(a);
	j.count = GRID_MISSING_VECTOR_MAX + 1;
	EQ(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j), -E2BIG);
	/* No jump is open. */
	j.count = 0;
	CHECK(do_ioctl(fd, GRID_MISSING_SYNC_JUMP, &j) < 0);
	EQ(status(fd).state & GRID_MISSING_STATUS_SYNC_JUMP, 0);
}

static void bad_cancels(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_block b = { .address = 1, .checksum = sum_of(1) };

	EQ(enqueue(fd, 1), 0);
	EQ(do_vector(fd, GRID_MISSING_CANCEL, &b, sizeof(b), 1,
		     GRID_MISSING_ALL, 0, NULL, NULL),
	   -EINVAL);
	/* All, or those listed: nothing of a list is let pass in silence. */
	EQ(do_vector(fd, GRID_MISSING_CANCEL, &b, 0, 0, GRID_MISSING_ALL, 0,
		     NULL, NULL),
	   -EINVAL);
	EQ(do_vector(fd, GRID_MISSING_RETRY, NULL, sizeof(b), 0,
		     GRID_MISSING_ALL, 0, NULL, NULL),
	   -EINVAL);
	EQ(do_vector(fd, GRID_MISSING_RETRY, &b, sizeof(b), 1, GRID_MISSING_ALL,
		     0, NULL, NULL),
	   -EINVAL);
	EQ(on_all(fd, GRID_MISSING_CANCEL, GRID_MISSING_CANCEL_OLD), -EINVAL);
	EQ(do_vector(fd, GRID_MISSING_CANCEL, NULL, 0, 0,
		     GRID_MISSING_CANCEL_REVERT | GRID_MISSING_CANCEL_OLD, 0,
		     NULL, NULL),
	   -EINVAL);
	/* They use no checksum. */
	EQ(do_all(fd, GRID_MISSING_CANCEL, &b, sizeof(b), 1), 0);
	EQ(b.result, -EINVAL);
	EQ(do_all(fd, GRID_MISSING_RETRY, &b, sizeof(b), 1), 0);
	EQ(b.result, -EINVAL);
	EQ(do_all(fd, GRID_MISSING_MARK_UNAVAILABLE, &b, sizeof(b), 1), 0);
	EQ(b.result, -EINVAL);
	/* A count of 0 is nothing. */
	EQ(do_vector(fd, GRID_MISSING_CANCEL, NULL, 0, 0, 0, 0, NULL, NULL), 0);
	EQ(do_vector(fd, GRID_MISSING_CANCEL, &b, sizeof(b), 1,
		     GRID_MISSING_CANCEL_REVERT | GRID_MISSING_CANCEL_NOWAIT, 0,
		     NULL, NULL),
	   -EINVAL);
	EQ(cancel(fd, 2), -ENOENT);
	EQ(status(fd).waiting, 1);
}

static void short_reads(void)
{
	int fd = private(8, 2, 8), events = events_of(fd);
	struct grid_missing_events a = { .size = sizeof(a), .reserved = 1 };
	struct grid_missing_event e;

	EQ(do_ioctl(fd, GRID_MISSING_EVENTS, &a), -EINVAL);
	EQ(enqueue(fd, 1), 0);
	EQ(read(events, &e, sizeof(e) - 1), -1);
	EQ(errno, EINVAL);
	EQ(read(events, &e, 0), -1);
	EQ(errno, EINVAL);
	EQ(read(events, before_hole(8), sizeof(e)), -1);
	EQ(errno, EFAULT);
	/* It was not lost by that. */
	EQ(read(events, &e, sizeof(e)), sizeof(e));
	EQ(e.address, 1);
	EQ(write(events, &e, sizeof(e)), -1);
	EQ(errno, EBADF);
	EQ(lseek(events, 0, SEEK_SET), -1);
	EQ(errno, ESPIPE);
	EQ(fcntl(events, F_GETFD), FD_CLOEXEC);
	EQ(do_ioctl(events, GRID_MISSING_STATUS, &e), -ENOTTY);
	/* What is attached has nothing to be read. */
	EQ(read(fd, &e, sizeof(e)), -1);
	EQ(errno, EINVAL);
	EQ(write(fd, &e, sizeof(e)), -1);
	EQ(errno, EINVAL);
}

/* Without CAP_SYS_ADMIN: not for writing; what is open stays so. */
static void not_root(void)
{
	int fd = private(8, 2, 8);
	int state;
	pid_t pid;

	chmod(GRID_MISSING_DEVICE, 0666);
	pid = fork();
	if (!pid) {
		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(10);
		if (try_open(O_RDWR) != -EPERM)
			_exit(11);
		if (try_open(O_WRONLY) != -EPERM)
			_exit(12);
		if (try_open(O_RDONLY) < 0)
			_exit(13);
		if (enqueue(fd, 1))
			_exit(14);
		_exit(0);
	}
	EQ(waitpid(pid, &state, 0), pid);
	EQ(WIFEXITED(state) ? WEXITSTATUS(state) : -1, 0);
	EQ(chmod(GRID_MISSING_DEVICE, 0600), 0);
	EQ(status(fd).waiting, 1);
}

/* What we say about bytes that we don't know: nothing of the kernel's. */
static void no_leak(void)
{
	int fd = private(64, 2, 8);
	char out[8][96];
	__u32 i, j, done;
	__u64 cursor = 0;

	for (i = 0; i < 8; i++)
		EQ(enqueue(fd, i), 0);
	memset(out, 0xee, sizeof(out));
	EQ(do_vector(fd, GRID_MISSING_LIST_FAULTS, out, 96, 8, 0, 0, &cursor,
		     &done),
	   0);
	EQ(done, 8);
	for (i = 0; i < 8; i++) {
		EQ(((struct grid_missing_fault *)out[i])->reserved0, 0);
		EQ(((struct grid_missing_fault *)out[i])->reserved1, 0);
		EQ(((struct grid_missing_fault *)out[i])->serial,
		   GRID_MISSING_SERIAL_CHECKSUM);
		for (j = sizeof(struct grid_missing_fault); j < 96; j++)
			EQ(out[i][j], 0);
	}
}

int main(void)
{
	RUN(too_short);
	RUN(longer);
	RUN(longer_not_zero);
	RUN(huge);
	RUN(unknown_flags);
	RUN(bad_pointer);
	RUN(bad_elements);
	RUN(not_attached);
	RUN(read_only);
	RUN(unknown_commands);
	RUN(attach);
	RUN(create_values);
	RUN(wrong_kind);
	RUN(bad_blocks);
	RUN(fault_in_vector);
	RUN(fault_in_result);
	RUN(bad_values);
	RUN(bad_ranges);
	RUN(bad_checkpoints);
	RUN(bad_jumps);
	RUN(bad_cancels);
	RUN(short_reads);
	RUN(not_root);
	RUN(no_leak);
	return test_end();
}
