// SPDX-License-Identifier: GPL-2.0
/*
 * What can fail, fails, each once and in turn, in every ioctl:
 *
 *	fail MAJOR:MINOR [STRIDE]	a dm-grid device of 4 KiB blocks
 *
 *  - every allocation, where the kernel can be told so (/proc/self/fail-nth),
 *  - every user copy: the argument, its elements, the lists and data they point
 *    to end in a hole or in memory that cannot be written, every few bytes
 *    (STRIDE times as many on a slow kernel).
 *
 * Each time the call answers an errno of the header or what it has done, the
 * tracker is sound, and the same call, made again with nothing in its way, does
 * what is left: nothing is stuck, nothing was done that was not told, but for
 * what the header says of results that could not be delivered.
 */
#include <stddef.h>

#include "dev.h"

#define PAGE 4096U
#define COUNT 3U

static int fd, fail_nth = -1;
static __u32 stride = 1;
static __u64 checkpoint_id;
static struct grid_missing_attach on_device = { .size = sizeof(on_device) };

/* The argument as it should be, and what it points to. */
static union {
	__u32 word[256];
	char bytes[1024];
	struct grid_missing_attach attach;
	struct grid_missing_create create;
	struct grid_missing_vector vector;
	struct grid_missing_checkpoint checkpoint;
	struct grid_missing_sync_jump jump;
} arg;
static union {
	char bytes[COUNT * 256];
	__u64 addresses[COUNT];
	struct grid_missing_released runs[COUNT];
	struct grid_missing_block block[COUNT];
	struct grid_missing_repair repair[COUNT];
} elems;
static struct grid_missing_value values[COUNT];
static char data[COUNT][PAGE];

/**
 * struct op - a call
 * @name: for messages
 * @cmd: of the ioctl
 * @size: of its argument
 * @elem: size of an element, 0 when it has none
 * @fill: makes the file (setup) and fills in the rest of @arg and @elems
 * @again: what an element may answer when it was handled before and its result
 *	could not be delivered
 * @more: size of what the first element points to: its data or values
 */
struct op {
	const char *name;
	unsigned long cmd;
	size_t size, elem;
	void (*fill)(void);
	int again;
	size_t more;
};

static bool is_vector(const struct op *op)
{
	return op->elem && op->size == sizeof(struct grid_missing_vector) &&
	       op->cmd != GRID_MISSING_CHECKPOINT;
}

/* ---- what each call needs ---- */

static void fill_open(void)
{
	fd = must_open(O_RDWR);
}

static void fill_create(void)
{
	fill_open();
	arg.create.blocks_max = 8;
	arg.create.tables_max = 2;
	arg.create.table_values_max = 8;
}

static void fill_attach(void)
{
	arg.attach = on_device;
	fill_open();
}

static void fill_private(void)
{
	fd = private(8, 2, 8);
}

static void fill_blocks(void)
{
	__u32 i;

	fill_private();
	for (i = 0; i < COUNT; i++)
		elems.block[i] =
			(struct grid_missing_block){ .address = i,
						     .checksum = sum_of(i) };
}

static void fill_enqueue(void)
{
	fill_blocks();
	elems.block[1].flags = GRID_MISSING_F_TABLE;
}

static void fill_waiting(void)
{
	__u32 i;

	fill_blocks();
	for (i = 0; i < COUNT; i++)
		EQ(enqueue(fd, i), 0);
}

static void fill_writing(void)
{
	__u32 i;

	fill_waiting();
	for (i = 0; i < COUNT; i++)
		EQ(commence(fd, i), 0);
}

/* RETRY and the like want no checksums. */
static void no_sums(void)
{
	__u32 i;

	for (i = 0; i < COUNT; i++)
		memset(&elems.block[i].checksum, 0,
		       sizeof(elems.block[i].checksum));
}

static void fill_bare(void)
{
	fill_waiting();
	no_sums();
}

static void fill_revert(void)
{
	fill_writing();
	no_sums();
	arg.vector.flags = GRID_MISSING_CANCEL_REVERT;
}

static void fill_complete(void)
{
	__u32 i;

	fill_writing();
	for (i = 0; i < COUNT; i++)
		elems.repair[i] =
			(struct grid_missing_repair){ .address = i,
						      .checksum = sum_of(i) };
}

static void fill_values(void)
{
	__u32 i;

	for (i = 0; i < COUNT; i++)
		values[i] = (struct grid_missing_value){
			.address = 100 + i, .checksum = sum_of(100 + i)
		};
	elems.repair[0] = (struct grid_missing_repair){
		.address = 50,
		.checksum = sum_of(50),
		.values = ptr(values),
		.values_count = COUNT,
		.value_size = sizeof(values[0]),
	};
}

/* An index, then two blocks. */
static void fill_complete_index(void)
{
	fill_complete();
	EQ(enqueue_table(fd, 50), 0);
	EQ(commence(fd, 50), 0);
	fill_values();
}

static void fill_enqueue_values(void)
{
	fill_private();
	fill_values();
	arg.vector.count = 1;
}

static void fill_all(void)
{
	fill_waiting();
	arg.vector.count = 0;
	arg.vector.elem_size = 0;
	arg.vector.flags = GRID_MISSING_ALL;
}

static void fill_tables(void)
{
	fill_private();
	EQ(enqueue_table(fd, 50), 0);
}

static void fill_ended(void)
{
	fill_tables();
	EQ(cancel(fd, 50), 0);
}

static void fill_released(void)
{
	const __u64 a[] = { 1, 3, 5 };

	fill_private();
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL, a, 3),
	   0);
}

static void fill_release(void)
{
	__u32 i;

	fill_waiting();
	arg.checkpoint.op = GRID_MISSING_CHECKPOINT_RELEASE;
	arg.checkpoint.elem_size = sizeof(elems.runs[0]);
	arg.checkpoint.count = COUNT;
	for (i = 0; i < COUNT; i++)
		elems.runs[i] = (struct grid_missing_released){
			.address = (__u64)i << 40, .count = 5000
		};
}

static void fill_take(void)
{
	fill_released();
	arg.checkpoint.op = GRID_MISSING_CHECKPOINT_TAKE;
}

static void fill_durable(void)
{
	fill_released();
	checkpoint_id = 0;
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &checkpoint_id, NULL,
		      NULL, 0),
	   0);
	arg.checkpoint.op = GRID_MISSING_CHECKPOINT_DURABLE;
	arg.checkpoint.id = checkpoint_id;
}

static void fill_durable_complete(void)
{
	fill_durable();
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &checkpoint_id, NULL,
		      NULL, 0),
	   0);
	arg.checkpoint.op = GRID_MISSING_CHECKPOINT_COMPLETE;
	arg.checkpoint.id = 0;
}

static void fill_jump(void)
{
	fill_tables();
	arg.jump.op = GRID_MISSING_SYNC_JUMP_COMMENCE;
}

static void fill_land(void)
{
	fill_tables();
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0), 0);
	arg.jump.op = GRID_MISSING_SYNC_JUMP_COMPLETE;
	arg.jump.elem_size = sizeof(__u64);
	arg.jump.count = 1;
	elems.addresses[0] = 50;
}

static void fill_device(void)
{
	fill_open();
	EQ(do_ioctl(fd, GRID_MISSING_ATTACH, &on_device), 0);
	EQ(on_all(fd, GRID_MISSING_CANCEL, 0), 0);
	reclaim(fd);
}

static void fill_enqueue_device(void)
{
	__u32 i;

	fill_device();
	for (i = 0; i < COUNT; i++)
		elems.block[i] =
			(struct grid_missing_block){ .address = i,
						     .checksum = sum_of(i) };
}

static void fill_repair(void)
{
	__u32 i;

	fill_device();
	for (i = 0; i < COUNT; i++) {
		EQ(enqueue(fd, i), 0);
		elems.repair[i] =
			(struct grid_missing_repair){ .address = i,
						      .checksum = sum_of(i),
						      .data = ptr(data[i]) };
	}
}

static void fill_repair_index(void)
{
	fill_repair();
	EQ(enqueue_table(fd, 50), 0);
	fill_values();
	elems.repair[0].data = ptr(data[0]);
}

static const struct op ops[] = {
#define V(what, type, ...)                                  \
	{                                                   \
		.name = #what, .cmd = GRID_MISSING_##what,  \
		.size = sizeof(struct grid_missing_vector), \
		.elem = sizeof(struct grid_missing_##type), \
		.fill = __VA_ARGS__                         \
	}
#define F(what, type, ...)                                  \
	{                                                   \
		.name = #what, .cmd = GRID_MISSING_##what,  \
		.size = sizeof(struct grid_missing_##type), \
		.fill = __VA_ARGS__                         \
	}
	F(QUERY, query, fill_open),
	F(ATTACH, attach, fill_attach),
	F(CREATE, create, fill_create),
	V(LIST_TRACKERS, tracker, fill_private),
	V(ENQUEUE, block, fill_enqueue, GRID_MISSING_DUPLICATE),
	V(ENQUEUE, block, fill_enqueue_device, GRID_MISSING_DUPLICATE),
	V(BATCH, fault, fill_waiting),
	V(COMMENCE, block, fill_waiting, -EBUSY),
	V(COMPLETE, repair, fill_complete, -ENOENT),
	V(COMPLETE, repair, fill_complete_index, -ENOENT, sizeof(values)),
	V(ENQUEUE_VALUES, repair, fill_enqueue_values, GRID_MISSING_DUPLICATE,
	  sizeof(values)),
	V(REPAIR, repair, fill_repair, -ENOENT, PAGE),
	V(REPAIR, repair, fill_repair_index, -ENOENT, PAGE),
	V(MARK_UNAVAILABLE, block, fill_bare),
	V(RETRY, block, fill_bare),
	V(RETRY, block, fill_all),
	V(CANCEL, block, fill_bare, -ENOENT),
	V(CANCEL, block, fill_all),
	V(CANCEL, block, fill_revert, -EINVAL),
	{ "CHECKPOINT release", GRID_MISSING_CHECKPOINT,
	  sizeof(struct grid_missing_checkpoint),
	  sizeof(struct grid_missing_released), fill_release, 0, 0 },
	F(CHECKPOINT, checkpoint, fill_take),
	F(CHECKPOINT, checkpoint, fill_durable),
	F(CHECKPOINT, checkpoint, fill_durable_complete),
	F(SYNC_JUMP, sync_jump, fill_jump),
	{ "SYNC_JUMP complete", GRID_MISSING_SYNC_JUMP,
	  sizeof(struct grid_missing_sync_jump), sizeof(__u64), fill_land, 0,
	  0 },
	V(RECLAIM, table, fill_ended),
	V(LIST_FAULTS, fault, fill_waiting),
	V(LIST_TABLES, table, fill_tables),
	V(LIST_RELEASED, released, fill_released),
	F(STATUS, status, fill_waiting),
	F(STATUS, status, fill_device),
};

/* ---- a call ---- */

/* The same call from new on, in a world of its own; @where elements lie. */
static void begin(const struct op *op, void *where)
{
	memset(&arg, 0, sizeof(arg));
	memset(&elems, 0, sizeof(elems));
	arg.word[0] = op->size;
	if (is_vector(op)) {
		arg.vector.elem_size = op->elem;
		arg.vector.count = COUNT;
	}
	op->fill();
	arg.word[0] = op->size;
	if (!op->elem || (is_vector(op) && !arg.vector.count))
		return;
	if (op->cmd == GRID_MISSING_CHECKPOINT)
		arg.checkpoint.elems = ptr(where);
	else if (op->cmd == GRID_MISSING_SYNC_JUMP)
		arg.jump.elems = ptr(where);
	else
		arg.vector.elems = ptr(where);
}

static bool is_good(int ret)
{
	return ret == 0 || ret == -EFAULT || ret == -ENOMEM;
}

/*
 * Again, with nothing in its way.  The first @done elements were handled and
 * told; those after it may have been handled.
 */
static void again(const struct op *op, int line, __u32 place, int ret,
		  __u32 done)
{
	struct grid_missing_vector *v = &arg.vector;
	static char good[sizeof(elems)];
	__s32 result;
	__u32 i;

	test_check(is_good(ret), line, "%s at %u: %s", op->name, place,
		   strerror(-ret));
	VERIFY();
	if (!ret && (!is_vector(op) || done == v->count))
		return;
	memcpy(good, &elems, sizeof(good));
	if (op->elem && !(is_vector(op) && !v->count)) {
		if (op->cmd == GRID_MISSING_CHECKPOINT)
			arg.checkpoint.elems = ptr(good);
		else if (op->cmd == GRID_MISSING_SYNC_JUMP)
			arg.jump.elems = ptr(good);
		else
			v->elems = ptr(good);
	}
	ret = do_ioctl(fd, op->cmd, &arg);
	test_check(!ret, line, "%s at %u, again: %s", op->name, place,
		   strerror(-ret));
	if (!is_vector(op) || !v->count)
		return;
	for (i = 0; i < v->done; i++) {
		if (op->elem == sizeof(struct grid_missing_block))
			result = ((struct grid_missing_block *)good)[i].result;
		else if (op->elem == sizeof(struct grid_missing_repair))
			result = ((struct grid_missing_repair *)good)[i].result;
		else
			break;
		/* A commence whose result was not told is taken back. */
		if (op->cmd == GRID_MISSING_COMMENCE && i >= done)
			test_check(!result, line, "%s at %u: %u is stuck: %d",
				   op->name, place, i, result);
		else
			test_check(!result || result == op->again, line,
				   "%s at %u, again: %u: %d", op->name, place,
				   i, result);
	}
	VERIFY();
}

static void end(void)
{
	close_now(fd);
}

/* ---- allocations ---- */

static void set_fail(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	EQ(pwrite(fail_nth, text, strlen(text), 0), strlen(text));
}

/* Was it reached: then nothing is left to count. */
static bool has_failed(void)
{
	char text[16] = "";

	EQ(pread(fail_nth, text, sizeof(text) - 1, 0) > 0, 1);
	return !strtoul(text, NULL, 10);
}

/* Allocations that were made to fail, in all. */
static unsigned int failed_allocations;

static void allocations_of(const struct op *op)
{
	unsigned int n;
	bool failed = true;
	__u32 done;
	int ret;

	for (n = 1; failed && n < 1000; n++) {
		begin(op, &elems);
		set_fail(n);
		ret = do_ioctl(fd, op->cmd, &arg);
		failed = has_failed();
		set_fail(0);
		done = is_vector(op) ? arg.vector.done : 0;
		if (!failed)
			test_check(!ret, __LINE__, "%s: %s", op->name,
				   strerror(-ret));
		again(op, __LINE__, n, ret, done);
		end();
		failed_allocations += failed;
	}
	CHECK(!failed);
}

static void allocations(void)
{
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		allocations_of(&ops[i]);
	printf("# %u allocations failed\n", failed_allocations);
	CHECK(failed_allocations > 30);
}

static void allocations_of_files(void)
{
	struct grid_missing_event e;
	bool failed = true;
	unsigned int n;
	int ret, other, events;

	for (n = 1; failed && n < 1000; n++) {
		set_fail(n);
		other = try_open(O_RDWR);
		failed = has_failed();
		set_fail(0);
		if (other >= 0)
			close(other);
		else
			EQ(other, -ENOMEM);
	}
	CHECK(!failed);
	fill_waiting();
	for (n = 1, failed = true; failed && n < 1000; n++) {
		set_fail(n);
		other = try_events(fd, 0);
		failed = has_failed();
		set_fail(0);
		if (other >= 0)
			close_now(other);
		else
			EQ(other, -ENOMEM);
	}
	CHECK(!failed);
	events = events_of(fd);
	enqueue(fd, 12345);
	for (n = 1, failed = true; failed && n < 1000; n++) {
		set_fail(n);
		ret = read(events, &e, sizeof(e));
		failed = has_failed();
		set_fail(0);
		if (ret < 0) {
			EQ(errno, ENOMEM);
		} else {
			/* What failed may be a debug kernel's own: once more. */
			EQ(ret, sizeof(e));
			cancel(fd, 12345);
			enqueue(fd, 12345);
		}
	}
	CHECK(!failed);
	end();
}

/* ---- user memory ---- */

/* Two pages, the second one gone, or not to be written. */
static char *pages(bool read_only)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!read_only)
		munmap(p + PAGE, PAGE);
	return p;
}

/* Copy so that the last page begins @at bytes from the beginning. */
static char *put_at(char *p, const void *from, size_t size, size_t at,
		    bool read_only)
{
	char *to = p + PAGE - at;

	if (!read_only)
		return memcpy(to, from, at);
	mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE);
	memcpy(to, from, size);
	mprotect(p + PAGE, PAGE, PROT_READ);
	return to;
}

/* From place @at on to the next one; @size itself is the last. */
static __u32 step(__u32 at, __u32 size, __u32 by)
{
	by *= stride;
	return at == size || by < size - at ? by : size - at;
}

/* The argument itself ends at every place. */
static void argument_of(const struct op *op, char *p, bool read_only)
{
	__u32 at, done;
	char *a;
	int ret;

	for (at = 0; at <= op->size; at += step(at, op->size, 8)) {
		begin(op, &elems);
		a = put_at(p, &arg, op->size, at, read_only);
		ret = do_ioctl(fd, op->cmd, a);
		/* Nothing is done that could not be told. */
		test_check(ret == (at < op->size ? -EFAULT : 0), __LINE__,
			   "%s at %u: %d", op->name, at, ret);
		memcpy(&arg, a, at);
		done = is_vector(op) && at == op->size ? arg.vector.done : 0;
		again(op, __LINE__, at, ret, done);
		end();
	}
}

/* The elements do. */
static void elements_of(const struct op *op, char *p, bool read_only)
{
	size_t end_of, size = COUNT * op->elem;
	__u32 at, done;
	int ret;

	if (!op->elem)
		return;
	for (at = 0; at <= size; at += step(at, size, 20)) {
		/* Where they lie is told before they are filled in. */
		begin(op, p + PAGE - at);
		put_at(p, &elems, size, at, read_only);
		ret = do_ioctl(fd, op->cmd, &arg);
		done = is_vector(op) ? arg.vector.done : 0;
		/* Of a repair only the result is written. */
		end_of = op->elem;
		if (read_only && op->elem == sizeof(elems.repair[0]))
			end_of = offsetof(struct grid_missing_repair, data);
		test_check(!done || (done - 1) * op->elem + end_of <= at,
			   __LINE__, "%s at %u: %u done", op->name, at, done);
		again(op, __LINE__, at, ret, done);
		end();
	}
}

/* So does what the first element points to: its list, or its data. */
static void more_of(const struct op *op, char *p)
{
	struct grid_missing_repair *r = &elems.repair[0];
	__u32 at, by = op->more > 256 ? 1020 : 20;
	int ret;

	for (at = 0; at < op->more; at += step(at, op->more, by)) {
		begin(op, &elems);
		if (op->more == sizeof(values))
			r->values = ptr(put_at(p, values, op->more, at, false));
		else
			r->data = ptr(put_at(p, data[0], op->more, at, false));
		ret = do_ioctl(fd, op->cmd, &arg);
		EQ(ret, 0);
		EQ(r->result, -EFAULT);
		EQ(arg.vector.done, arg.vector.count);
		/* The others are done, and this one can be. */
		if (op->more == sizeof(values))
			r->values = ptr(values);
		else
			r->data = ptr(data[0]);
		again(op, __LINE__, at, -EFAULT, 0);
		end();
	}
}

static void user_memory(bool read_only)
{
	char *p = pages(read_only);
	const struct op *op;

	for (op = ops; op < ops + ARRAY_SIZE(ops); op++) {
		argument_of(op, p, read_only);
		elements_of(op, p, read_only);
		if (!read_only && op->more)
			more_of(op, p);
	}
	munmap(p, 2 * PAGE);
}

static void memory_that_ends(void)
{
	user_memory(false);
}

static void memory_not_to_be_written(void)
{
	user_memory(true);
}

int main(int argc, char **argv)
{
	if (argc < 2 ||
	    sscanf(argv[1], "%u:%u", &on_device.major, &on_device.minor) != 2) {
		fprintf(stderr, "usage: fail MAJOR:MINOR [STRIDE]\n");
		return 2;
	}
	if (argc > 2)
		stride = strtoul(argv[2], NULL, 0);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0) {
		printf("# no fail-nth in this kernel\n");
	} else {
		RUN(allocations);
		RUN(allocations_of_files);
	}
	RUN(memory_that_ends);
	RUN(memory_not_to_be_written);
	return test_end();
}
