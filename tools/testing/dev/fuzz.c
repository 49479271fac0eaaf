// SPDX-License-Identifier: GPL-2.0
/*
 * Random ioctls on /dev/grid_missing.
 *
 *	fuzz CALLS SEED [DM-DEVICE-NUMBER]
 *
 * Several processes share a few files on one private tracker of small limits
 * and, with MAJOR:MINOR, on that dm device's tracker.  Most calls are nearly
 * right, so that they get past the checks; some are spoilt.  It fails when
 * the kernel says what the header does not allow, or verify finds a fault.
 */
#include <linux/types.h>

#include "dev.h"

#define PROCESSES 3
#define FILES 4
#define ELEMS 80

static __u64 random_state;

static __u64 rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 2685821657736338717ULL;
}

/* Less than @n. */
static __u32 below(__u32 n)
{
	return (rnd() >> 33) % n;
}

static bool one_in(__u32 n)
{
	return !below(n);
}

/*
 * Memory: good, or running into a hole, or read-only.  The good one is shared
 * by all processes, so that it changes while the kernel looks at it.
 */
static char *good, *edge, *read_only;
#define AREA (64 * 4096)

static void *memory(size_t size)
{
	if (one_in(40))
		return edge + AREA - below(size + 64);
	if (one_in(60))
		return read_only;
	if (one_in(200))
		return ptr_of(rnd());
	return good + below(64) * 8;
}

/* May the pointer be written here: only our own, and not past the end. */
static bool usable(const char *p, size_t size)
{
	return (p >= good && p + size <= good + AREA) ||
	       (p >= edge && p + size <= edge + AREA);
}

static __u64 address(void)
{
	if (one_in(100))
		return rnd();
	return below(one_in(4) ? 4000 : 40);
}

static void fill_block(struct grid_missing_block *b)
{
	memset(b, 0, sizeof(*b));
	b->address = address();
	if (one_in(8))
		b->flags = GRID_MISSING_F_NO_CHECKSUM;
	else
		b->checksum = sum_of(b->address);
	if (one_in(6))
		b->flags |= GRID_MISSING_F_TABLE;
	if (one_in(100))
		b->flags = rnd();
	b->result = rnd();
}

static void fill_repair(struct grid_missing_repair *r, bool data)
{
	__u32 i, n = below(6);
	struct grid_missing_value *v = memory(n * sizeof(*v));

	memset(r, 0, sizeof(*r));
	r->address = address();
	if (one_in(8))
		r->flags = GRID_MISSING_F_NO_CHECKSUM;
	else
		r->checksum = sum_of(r->address);
	if (!data && one_in(5))
		r->flags |= GRID_MISSING_F_FAILED;
	if (data)
		r->data = ptr(memory(4096));
	if (one_in(3)) {
		for (i = 0; i < n && usable((char *)v, n * sizeof(*v)); i++) {
			v[i].address = address();
			v[i].checksum = sum_of(v[i].address);
		}
		r->values = ptr(v);
		r->values_count = n;
		r->value_size = sizeof(*v);
	}
	if (one_in(200))
		r->values_count = rnd();
	if (one_in(200))
		r->value_size = rnd();
	if (one_in(200))
		r->serial = rnd();
}

static bool allowed(int error)
{
	static const int errnos[] = {
		0,	EACCES,	   EPERM,  ENOTTY,  EINVAL, E2BIG,
		EFAULT, ENXIO,	   ENODEV, EBUSY,   EAGAIN, ENOENT,
		ESTALE, EEXIST,	   ENOSPC, EBADMSG, ERANGE, EOPNOTSUPP,
		EIO,	ECANCELED, ENOMEM, EINTR,
	};
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(errnos); i++)
		if (error == errnos[i])
			return true;
	return false;
}

/*
 * Calls that got past the checks of command, file, sizes and pointers, in all
 * processes: what they answer comes from further inside.
 */
static __u64 *inside;

static void count(int ret)
{
	switch (-ret) {
	case ENOTTY:
	case EACCES:
	case EINVAL:
	case E2BIG:
	case EFAULT:
	case ENXIO:
		return;
	}
	__atomic_fetch_add(inside, 1, __ATOMIC_RELAXED);
}

static int files[FILES];
static int files_count;

static void vector_call(int fd, unsigned long cmd, size_t size)
{
	struct grid_missing_vector *v = memory(sizeof(*v)), local;
	__u32 i, n = one_in(10) ? below(ELEMS) : below(4);
	char *elems = memory(n * size);
	int ret;

	if (usable(elems, n * size)) {
		for (i = 0; i < n; i++) {
			if (size == sizeof(struct grid_missing_block))
				fill_block((void *)(elems + i * size));
			else if (size == sizeof(struct grid_missing_repair))
				fill_repair((void *)(elems + i * size),
					    cmd == GRID_MISSING_REPAIR);
		}
	}
	memset(&local, 0, sizeof(local));
	local.size = sizeof(local);
	local.elem_size = size;
	local.count = n;
	local.elems = ptr(elems);
	if (cmd == GRID_MISSING_LIST_FAULTS ||
	    cmd == GRID_MISSING_LIST_TABLES ||
	    cmd == GRID_MISSING_LIST_TRACKERS ||
	    cmd == GRID_MISSING_LIST_RELEASED)
		local.cursor = one_in(2) ? 0 : below(200);
	if (cmd == GRID_MISSING_LIST_FAULTS && one_in(2)) {
		local.flags = GRID_MISSING_LIST_RANGE;
		local.first = below(200);
		local.last = local.first + (one_in(2) ? below(20) : 1ULL << 40);
	}
	if (cmd == GRID_MISSING_BATCH && one_in(4)) {
		local.flags = GRID_MISSING_BATCH_MIN_AGE;
		local.arg = below(20);
	}
	if (cmd == GRID_MISSING_BATCH && one_in(4))
		local.flags |= GRID_MISSING_BATCH_URGENT;
	if (cmd == GRID_MISSING_CANCEL && one_in(50)) {
		local.flags = below(8);
		local.count = one_in(2) ? 0 : n;
	}
	if (one_in(100))
		((__u32 *)&local)[below(sizeof(local) / 4)] = rnd();
	if (usable((char *)v, sizeof(*v)))
		*v = local;
	ret = do_ioctl(fd, cmd, v);
	count(ret);
	test_check(allowed(-ret), __LINE__, "command %#lx: %s", cmd,
		   strerror(-ret));
}

static void fixed_call(int fd, unsigned long cmd, size_t size)
{
	union {
		__u32 word[256];
		struct grid_missing_checkpoint checkpoint;
		struct grid_missing_sync_jump jump;
	} a;
	struct grid_missing_released runs[8];
	__u64 list[8];
	char *p = memory(size);
	__u32 i;
	int ret;

	_Static_assert(sizeof(struct grid_missing_status) <= sizeof(a),
		       "the largest that is passed here");
	memset(&a, 0, sizeof(a));
	a.word[0] = size;
	for (i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = address();
	memset(runs, 0, sizeof(runs));
	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		runs[i].address = address();
		runs[i].count = 1 + below(one_in(50) ? 100000 : 20);
	}
	if (cmd == GRID_MISSING_CHECKPOINT) {
		a.checkpoint.op = 1 + below(4);
		if (a.checkpoint.op == GRID_MISSING_CHECKPOINT_RELEASE) {
			a.checkpoint.elems = ptr(runs);
			a.checkpoint.count = below(8);
			a.checkpoint.elem_size = sizeof(runs[0]);
		}
		if (a.checkpoint.op == GRID_MISSING_CHECKPOINT_DURABLE)
			a.checkpoint.id = below(1000);
	} else if (cmd == GRID_MISSING_SYNC_JUMP) {
		a.jump.op = one_in(4) ? 1 : 2;
		if (a.jump.op == 2) {
			a.jump.elems = ptr(list);
			a.jump.count = below(8);
			a.jump.elem_size = 8;
		}
	}
	if (one_in(50))
		a.word[below(size / 4)] = rnd();
	if (usable(p, size))
		memcpy(p, &a, size);
	ret = do_ioctl(fd, cmd, p);
	count(ret);
	test_check(allowed(-ret), __LINE__, "command %#lx: %s", cmd,
		   strerror(-ret));
}

/* DURABLE with the right id, or nothing would ever become durable. */
static void take_and_free(int fd)
{
	__u32 pending;
	__u64 id = 0;

	if (checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0))
		return;
	checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0);
	checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, &pending, NULL,
		   0);
}

/* A file of our own on the same tracker, closed with what it was writing. */
static void reopen(__u64 id)
{
	int i = 1 + below(FILES - 1), fd;

	fd = try_open(one_in(8) ? O_RDONLY : O_RDWR);
	if (fd < 0)
		return;
	close(files[i]);
	files[i] = fd;
	if (!one_in(16))
		do_attach(fd, id, below(10));
}

static void one_call(int fd)
{
	static const struct {
		unsigned long cmd;
		size_t size;
		bool vector;
		int weight;
	} calls[] = {
#define C(cmd, type, vector, weight)                                      \
	{ GRID_MISSING_##cmd, sizeof(struct grid_missing_##type), vector, \
	  weight }
		C(ENQUEUE, block, true, 30),
		C(BATCH, fault, true, 10),
		C(REPAIR, repair, true, 10),
		C(COMMENCE, block, true, 30),
		C(COMPLETE, repair, true, 40),
		C(MARK_UNAVAILABLE, block, true, 3),
		C(RETRY, block, true, 5),
		C(CANCEL, block, true, 5),
		C(LIST_FAULTS, fault, true, 3),
		C(LIST_TABLES, table, true, 3),
		C(LIST_TRACKERS, tracker, true, 1),
		C(LIST_RELEASED, released, true, 3),
		C(ENQUEUE_VALUES, repair, true, 10),
		C(QUERY, query, false, 1),
		C(ATTACH, attach, false, 1),
		C(CREATE, create, false, 1),
		C(CHECKPOINT, checkpoint, false, 10),
		C(SYNC_JUMP, sync_jump, false, 4),
		C(RECLAIM, table, true, 8),
		C(STATUS, status, false, 2),
		C(READY, simple, false, 1),
	};
	int pick = below(181);
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(calls) - 1 && pick >= calls[i].weight; i++)
		pick -= calls[i].weight;
	if (calls[i].vector)
		vector_call(fd, calls[i].cmd, calls[i].size);
	else
		fixed_call(fd, calls[i].cmd, calls[i].size);
}

static int child(__u64 calls, __u64 id)
{
	struct grid_missing_events a = {};
	struct grid_missing_event e[8];
	int events = -1;
	__u64 i;

	for (i = 0; i < calls; i++) {
		int fd = files[below(files_count)];

		switch (below(400)) {
		case 0:
			reopen(id);
			break;
		case 1:
			take_and_free(fd);
			break;
		case 2:
			poll_for(fd, POLLIN, below(2));
			break;
		case 3:
			if (events < 0 || one_in(8)) {
				if (events >= 0)
					close(events);
				a.size = sizeof(a);
				a.flags = GRID_MISSING_EVENTS_NONBLOCK;
				a.fd = -1;
				do_ioctl(fd, GRID_MISSING_EVENTS, &a);
				events = a.fd;
			}
			if (poll_for(events, POLLIN, 0) & POLLIN)
				i += read(events, e, sizeof(e)) < 0;
			break;
		case 4:
			do_ioctl(fd, rnd(), memory(64));
			break;
		default:
			one_call(fd);
		}
		if (i % 4096 == 0)
			VERIFY();
	}
	VERIFY();
	return test_failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	__u64 calls = argc > 1 ? strtoull(argv[1], NULL, 0) : 100000;
	__u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : now_ms();
	struct grid_missing_attach a = { .size = sizeof(a) };
	int i, state, bad = 0;
	__u64 id;

	printf("# seed %llu\n", seed);
	good = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	edge = before_hole(AREA);
	inside = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	read_only =
		mmap(NULL, AREA, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	files[0] = must_open(O_RDWR);
	if (do_create(files[0], 24, 3, 4, 0, 5, &id))
		return 1;
	for (i = 1; i < FILES; i++) {
		files[i] = must_open(O_RDWR);
		do_attach(files[i], id, 0);
	}
	files_count = FILES;
	if (argc > 3) {
		/* The last one is on the device. */
		sscanf(argv[3], "%u:%u", &a.major, &a.minor);
		close(files[FILES - 1]);
		files[FILES - 1] = must_open(O_RDWR);
		EQ(do_ioctl(files[FILES - 1], GRID_MISSING_ATTACH, &a), 0);
	}
	fflush(stdout);
	for (i = 0; i < PROCESSES; i++) {
		if (!fork()) {
			random_state =
				seed * PROCESSES + i + 0x9e3779b97f4a7c15;
			_exit(child(calls / PROCESSES, id));
		}
	}
	for (i = 0; i < PROCESSES; i++) {
		wait(&state);
		bad |= state;
	}
	/* Most should: a fuzzer that is turned away finds nothing. */
	printf("# %llu of %llu calls got past the checks\n", *inside, calls);
	bad |= *inside < calls / 10;
	printf("%sok 1 - fuzz, %llu calls, seed %llu\n1..1\n",
	       bad ? "not " : "", calls, seed);
	return bad ? 1 : 0;
}
