// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls on a dm device's tracker: repair, suspend, removal.
 *
 *	dm PLAIN HASHED
 *
 * Names of two dm-grid devices of 4 KiB blocks, at least 4096 of them:
 * PLAIN with checksum:none and checkpoint:explicit, HASHED with
 * checksum:sha256.  PLAIN is removed in the end.
 */
#include <linux/if_alg.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "dev.h"

#define BLOCK 4096
#define MANY 3000

static const char *plain, *hashed;
static char data[MANY][BLOCK];

static int run(const char *format, const char *name)
{
	char command[256];

	snprintf(command, sizeof(command), format, name);
	return system(command);
}

static struct grid_missing_attach attach_arg(const char *name)
{
	struct grid_missing_attach a = { .size = sizeof(a) };
	struct stat s;
	char path[128];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	if (stat(path, &s)) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		exit(1);
	}
	a.major = major(s.st_rdev);
	a.minor = minor(s.st_rdev);
	return a;
}

/* A new file on the device, whose tracker is empty. */
static int attached(const char *name)
{
	struct grid_missing_attach a = attach_arg(name);
	int fd = must_open(O_RDWR);

	EQ(do_ioctl(fd, GRID_MISSING_ATTACH, &a), 0);
	EQ(on_all(fd, GRID_MISSING_CANCEL, 0), 0);
	return fd;
}

/* The kernel's sha256, as the device would compute it. */
static struct grid_missing_checksum hash_of(const void *block)
{
	struct sockaddr_alg a = { .salg_family = AF_ALG,
				  .salg_type = "hash",
				  .salg_name = "sha256" };
	unsigned char out[32] = {};
	int s = socket(AF_ALG, SOCK_SEQPACKET, 0), op;
	struct grid_missing_checksum sum;

	if (s < 0 || bind(s, (void *)&a, sizeof(a))) {
		printf("Bail out! AF_ALG: %s\n", strerror(errno));
		exit(1);
	}
	op = accept(s, NULL, 0);
	if (send(op, block, BLOCK, 0) != BLOCK ||
	    read(op, out, sizeof(out)) != sizeof(out))
		printf("# AF_ALG: %s\n", strerror(errno));
	close(op);
	close(s);
	memcpy(sum.bytes, out, sizeof(sum.bytes));
	return sum;
}

static void fill(void *block, __u64 address, __u32 salt)
{
	__u32 i, *p = block;

	for (i = 0; i < BLOCK / sizeof(*p); i++)
		p[i] = address * 2654435761U + i * 40503U + salt;
}

/* Does @address of the device hold what is at @want? */
static bool holds(const char *name, __u64 address, const void *want)
{
	char path[128];
	void *buf;
	bool same;
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_RDONLY | O_DIRECT);
	buf = aligned_alloc(BLOCK, BLOCK);
	same = pread(fd, buf, BLOCK, address * BLOCK) == BLOCK &&
	       !memcmp(buf, want, BLOCK);
	free(buf);
	close(fd);
	return same;
}

/* The whole block, in one write. */
static void write_block(const char *name, __u64 address, const void *from)
{
	char path[128];
	void *buf;
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_WRONLY | O_DIRECT);
	buf = aligned_alloc(BLOCK, BLOCK);
	memcpy(buf, from, BLOCK);
	EQ(pwrite(fd, buf, BLOCK, address * BLOCK), BLOCK);
	free(buf);
	close(fd);
}

static int enqueue_sum(int fd, __u64 address, struct grid_missing_checksum sum)
{
	struct grid_missing_block b = { .address = address, .checksum = sum };
	int ret = do_all(fd, GRID_MISSING_ENQUEUE, &b, sizeof(b), 1);

	return ret ? ret : b.result;
}

static struct grid_missing_repair repair_of(__u64 address, const void *block)
{
	return (struct grid_missing_repair){ .address = address,
					     .checksum = hash_of(block),
					     .result = 777,
					     .data = ptr(block) };
}

static void attach_by_number(void)
{
	struct grid_missing_attach a = attach_arg(hashed);
	struct grid_missing_tracker t[64];
	bool found = false;
	__u64 cursor = 0;
	__u32 done, i;
	int fd = must_open(O_RDONLY), other;

	EQ(do_ioctl(fd, GRID_MISSING_ATTACH, &a), 0);
	CHECK(a.id != 0);
	EQ(a.block_size, BLOCK);
	CHECK(a.blocks >= 4096);
	EQ(strcmp(a.checksum, "sha256"), 0);
	EQ(do_vector(fd, GRID_MISSING_LIST_TRACKERS, t, sizeof(t[0]), 64, 0, 0,
		     &cursor, &done),
	   0);
	for (i = 0; i < done; i++) {
		if (t[i].id != a.id)
			continue;
		found = true;
		EQ(t[i].major, a.major);
		EQ(t[i].minor, a.minor);
		EQ(t[i].blocks, a.blocks);
		EQ(t[i].block_size, BLOCK);
		test_check(!strcmp(t[i].name, hashed), __LINE__, "name: %s",
			   t[i].name);
	}
	CHECK(found);
	other = must_open(O_RDWR);
	EQ(do_attach(other, a.id, 0), 0);
	EQ(status(other).helpers, 1);
	EQ(status(other).id, a.id);
	close_now(other);
	EQ(status(fd).helpers, 0);
}

static void not_on_a_device(void)
{
	int fd = attached(plain);
	__u64 a[1] = { 1 };

	EQ(commence(fd, 1), -EOPNOTSUPP);
	EQ(complete(fd, 1, 0, NULL, 0), -EOPNOTSUPP);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_RELEASE, NULL, NULL, a, 1),
	   -EOPNOTSUPP);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, NULL, NULL,
		      0),
	   -EOPNOTSUPP);
	EQ(do_vector(fd, GRID_MISSING_CANCEL, NULL, 0, 0,
		     GRID_MISSING_CANCEL_REVERT, 0, NULL, NULL),
	   -EOPNOTSUPP);
	EQ(enqueue(fd, attach_arg(plain).blocks + (1ULL << 40)), -ERANGE);
	EQ(enqueue(fd, ~0ULL), -ERANGE);
	EQ(enqueue_table(fd, ~0ULL), -ERANGE);
	EQ(status(fd).waiting, 0);
}

static void repair_one(void)
{
	int fd = attached(hashed);
	struct grid_missing_status s, before = status(fd);
	struct grid_missing_repair r;

	fill(data[0], 5, 1);
	fill(data[1], 5, 2);
	EQ(enqueue_sum(fd, 5, hash_of(data[0])), 0);
	/* Not what was asked for, though what is stated fits the data. */
	r = repair_of(5, data[1]);
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, -ESTALE);
	/* Not what is stated. */
	r = repair_of(5, data[0]);
	r.data = ptr(data[1]);
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, -EBADMSG);
	s = status(fd);
	EQ(s.waiting, 1);
	EQ(s.verify_failed, before.verify_failed + 1);
	/* Nothing is stated, where there is a hash. */
	r = (struct grid_missing_repair){ .address = 5,
					  .flags = GRID_MISSING_F_NO_CHECKSUM,
					  .data = ptr(data[0]) };
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, -EINVAL);
	r = repair_of(5, data[0]);
	r.flags = GRID_MISSING_F_FAILED;
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, -EINVAL);
	EQ(status(fd).waiting, 1);
	r = repair_of(5, data[0]);
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, 0);
	CHECK(holds(hashed, 5, data[0]));
	EQ(status(fd).repaired, before.repaired + 1);
	EQ(status(fd).unverified, before.unverified);
	/* Nothing is missing there. */
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, -ENOENT);
	r = repair_of(~0ULL, data[0]);
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, -ERANGE);
	/* A fault without a checksum: counted. */
	EQ(one_block(fd, GRID_MISSING_ENQUEUE, 6, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	r = repair_of(6, data[0]);
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, 0);
	EQ(status(fd).unverified, before.unverified + 1);
	VERIFY();
}

/* The serial number of the only fault there is; it is handed out. */
static __u64 serial_of(int fd, __u64 address)
{
	struct grid_missing_fault f[2] = {};

	EQ(batch(fd, f, 2), 1);
	EQ(f[0].address, address);
	return f[0].serial;
}

static int repair_serial(int fd, __u64 address, const void *block, __u64 serial)
{
	struct grid_missing_repair r = repair_of(address, block);

	r.serial = serial;
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	return r.result;
}

/*
 * D2: data was fetched for a block whose checksum nobody knows; the block is
 * overwritten, and goes missing again, before that data comes.
 */
static void repair_too_late(void)
{
	int fd = attached(hashed);
	__u64 before = status(fd).superseded, first, second;

	fill(data[0], 5, 1);
	fill(data[1], 5, 2);
	EQ(one_block(fd, GRID_MISSING_ENQUEUE, 5, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	first = serial_of(fd, 5);
	CHECK(first != 0);
	write_block(hashed, 5, data[1]);
	EQ(status(fd).superseded, before + 1);
	EQ(repair_serial(fd, 5, data[0], first), -ENOENT);
	EQ(one_block(fd, GRID_MISSING_ENQUEUE, 5, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	second = serial_of(fd, 5);
	CHECK(second > first);
	EQ(repair_serial(fd, 5, data[0], first), -ESTALE);
	/* Fetched for a fault whose checksum was known. */
	EQ(repair_serial(fd, 5, data[0], GRID_MISSING_SERIAL_CHECKSUM),
	   -ESTALE);
	EQ(status(fd).waiting, 1);
	EQ(repair_serial(fd, 5, data[1], second), 0);
	CHECK(holds(hashed, 5, data[1]));

	/* Whoever doesn't say is believed. */
	EQ(one_block(fd, GRID_MISSING_ENQUEUE, 5, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	EQ(repair_serial(fd, 5, data[0], 0), 0);
	/* A checksum, also one that came later, says more than the number. */
	EQ(one_block(fd, GRID_MISSING_ENQUEUE, 5, GRID_MISSING_F_NO_CHECKSUM),
	   0);
	first = serial_of(fd, 5);
	EQ(enqueue_sum(fd, 5, hash_of(data[1])), GRID_MISSING_DUPLICATE);
	EQ(serial_of(fd, 5), GRID_MISSING_SERIAL_CHECKSUM);
	EQ(repair_serial(fd, 5, data[0], first), -ESTALE);
	EQ(repair_serial(fd, 5, data[1], second), 0);
	CHECK(holds(hashed, 5, data[1]));
	VERIFY();
}

/* More than a slice, and some of it is bad. */
static void repair_many(void)
{
	int fd = attached(plain);
	static struct grid_missing_block b[MANY];
	static struct grid_missing_repair r[MANY];
	__u64 i, bad = 0;

	for (i = 0; i < MANY; i++) {
		fill(data[i], i, 7);
		b[i] = (struct grid_missing_block){
			.address = i, .flags = GRID_MISSING_F_NO_CHECKSUM
		};
		r[i] = (struct grid_missing_repair){
			.address = i,
			.flags = GRID_MISSING_F_NO_CHECKSUM,
			.data = ptr(data[i])
		};
	}
	EQ(ALL(fd, GRID_MISSING_ENQUEUE, b), 0);
	r[1].data = 8;
	r[2500].data = 8;
	r[2501].flags |= 1U << 20;
	EQ(ALL(fd, GRID_MISSING_REPAIR, r), 0);
	for (i = 0; i < MANY; i++) {
		int want = i == 1 || i == 2500 ? -EFAULT :
			   i == 2501	       ? -EINVAL :
						 0;

		bad += r[i].result != want;
	}
	EQ(bad, 0);
	EQ(status(fd).waiting, 3);
	for (i = 0; i < MANY; i += 97)
		CHECK(holds(plain, i, data[i]));
	EQ(on_all(fd, GRID_MISSING_CANCEL, 0), 0);
	VERIFY();
}

static void repair_into_a_hole(void)
{
	int fd = attached(plain);
	struct grid_missing_repair *r = before_hole(10 * sizeof(*r) + 16);
	__u32 i, done;

	for (i = 0; i < 10; i++) {
		EQ(one_block(fd, GRID_MISSING_ENQUEUE, i,
			     GRID_MISSING_F_NO_CHECKSUM),
		   0);
		r[i] = (struct grid_missing_repair){
			.address = i,
			.flags = GRID_MISSING_F_NO_CHECKSUM,
			.result = 777,
			.data = ptr(data[i])
		};
	}
	EQ(enqueue(fd, 10), 0);
	EQ(do_vector(fd, GRID_MISSING_REPAIR, r, sizeof(*r), 20, 0, 0, NULL,
		     &done),
	   0);
	EQ(done, 10);
	for (i = 0; i < 10; i++)
		EQ(r[i].result, 0);
	EQ(status(fd).waiting, 1);
	VERIFY();
}

static void repair_table(void)
{
	int fd = attached(plain);
	struct grid_missing_value v[3] = {
		{ .address = 21, .checksum = sum_of(21) },
		{ .address = 22, .checksum = sum_of(22) },
		{ .address = ~0ULL, .checksum = sum_of(23) }
	};
	struct grid_missing_repair r = { .address = 20,
					 .checksum = sum_of(20),
					 .data = ptr(data[20]) };
	struct grid_missing_fault f[4];

	EQ(enqueue_table(fd, 20), 0);
	/* An index needs its list, even an empty one. */
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	CHECK(r.result < 0);
	EQ(status(fd).waiting, 1);
	/* One of the values lies beyond the end. */
	EQ(on_all(fd, GRID_MISSING_RETRY, 0), 0);
	r.values = ptr(v);
	r.values_count = 3;
	r.value_size = sizeof(v[0]);
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, -ERANGE);
	EQ(status(fd).waiting, 1);
	EQ(status(fd).writing, 0);
	EQ(on_all(fd, GRID_MISSING_RETRY, 0), 0);
	v[2].address = 23;
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, 0);
	EQ(batch(fd, f, 4), 3);
	EQ(f[0].table, 20);
	VERIFY();
}

static void suspended(void)
{
	int fd = attached(plain);
	__u64 cursor = 0;
	struct grid_missing_fault f[4];
	struct grid_missing_repair r = { .address = 30,
					 .checksum = sum_of(30),
					 .data = ptr(data[30]) };
	__u32 done;

	EQ(enqueue(fd, 30), 0);
	EQ(poll_for(fd, POLLIN, 0), POLLIN);
	EQ(run("dmsetup suspend --noudevsync %s", plain), 0);
	EQ(enqueue(fd, 31), -EAGAIN);
	EQ(cancel(fd, 30), -EAGAIN);
	EQ(batch(fd, f, 4), -EAGAIN);
	EQ(do_vector(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1, 0, 0, NULL,
		     &done),
	   -EAGAIN);
	EQ(done, 0);
	EQ(reclaim(fd), -EAGAIN);
	EQ(poll_for(fd, POLLIN, 0), 0);
	CHECK(status(fd).state & GRID_MISSING_STATUS_SUSPENDED);
	EQ(do_vector(fd, GRID_MISSING_LIST_FAULTS, f, sizeof(f[0]), 4, 0, 0,
		     &cursor, &done),
	   0);
	EQ(done, 1);
	EQ(run("dmsetup resume --noudevsync %s", plain), 0);
	EQ(poll_for(fd, POLLIN, 0), POLLIN);
	EQ(do_all(fd, GRID_MISSING_REPAIR, &r, sizeof(r), 1), 0);
	EQ(r.result, 0);
	EQ(status(fd).state & GRID_MISSING_STATUS_SUSPENDED, 0);
}

struct stalled {
	pthread_t thread;
	int fd;
	struct grid_missing_repair *r;
	int ret;
	__u32 done;
};

static void *repair_stalled(void *arg)
{
	struct stalled *s = arg;

	s->ret = do_vector(s->fd, GRID_MISSING_REPAIR, s->r, sizeof(*s->r), 2,
			   0, 0, NULL, &s->done);
	return NULL;
}

/*
 * A page of the data never comes (until we let it): neither a suspend nor a
 * second helper has to wait for it.
 */
static void stalled_memory(void)
{
	int fd = attached(plain), other = must_open(O_RDWR);
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = {};
	struct stalled s = { .fd = fd };
	struct grid_missing_repair r[2], mine;
	char *page;

	if (uffd < 0) {
		printf("# no userfaultfd here: %s\n", strerror(errno));
		return;
	}
	EQ(do_attach(other, status(fd).id, 0), 0);
	page = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EQ(ioctl(uffd, UFFDIO_API, &api), 0);
	reg.range.start = ptr(page);
	reg.range.len = BLOCK;
	EQ(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
	EQ(enqueue(fd, 40), 0);
	EQ(enqueue(fd, 41), 0);
	EQ(enqueue(fd, 42), 0);
	r[0] = (struct grid_missing_repair){ .address = 40,
					     .checksum = sum_of(40),
					     .data = ptr(data[0]) };
	r[1] = (struct grid_missing_repair){ .address = 41,
					     .checksum = sum_of(41),
					     .data = ptr(page) };
	mine = (struct grid_missing_repair){ .address = 42,
					     .checksum = sum_of(42),
					     .data = ptr(data[2]) };
	s.r = r;
	pthread_create(&s.thread, NULL, repair_stalled, &s);
	usleep(300 * 1000);
	EQ(do_all(other, GRID_MISSING_REPAIR, &mine, sizeof(mine), 1), 0);
	EQ(mine.result, 0);
	EQ(run("dmsetup suspend --noudevsync %s", plain), 0);
	EQ(run("dmsetup resume --noudevsync %s", plain), 0);
	zero.range = reg.range;
	EQ(ioctl(uffd, UFFDIO_ZEROPAGE, &zero), 0);
	pthread_join(s.thread, NULL);
	EQ(s.ret, 0);
	EQ(s.done, 2);
	EQ(r[0].result, 0);
	EQ(r[1].result, 0);
	EQ(status(fd).waiting, 0);
	close(uffd);
	munmap(page, BLOCK);
}

static void explicit_checkpoint(void)
{
	int fd = attached(plain);
	__u64 id = 0, wrong;

	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	CHECK(id != 0);
	wrong = id + 1;
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &wrong, NULL, NULL,
		      0),
	   -ENOENT);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   0);
	EQ(status(fd).state & GRID_MISSING_STATUS_CHECKPOINT, 0);
}

static void reload(void)
{
	struct grid_missing_attach a = attach_arg(plain);
	int fd = attached(plain);
	__u64 id = status(fd).id;
	struct grid_missing_fault f[4];

	EQ(enqueue(fd, 50), 0);
	EQ(run("dmsetup table %1$s | dmsetup reload --noudevsync %1$s && dmsetup resume --noudevsync %1$s",
	       plain),
	   0);
	EQ(status(fd).id, id);
	EQ(status(fd).waiting, 1);
	EQ(batch(fd, f, 4), 1);
	EQ(do_ioctl(must_open(O_RDWR), GRID_MISSING_ATTACH, &a), 0);
	EQ(a.id, id);
	EQ(status(fd).helpers, 2);
}

static void *sleep_in_poll(void *arg)
{
	struct stalled *s = arg;

	s->ret = poll_for(s->fd, POLLIN, 30000);
	return NULL;
}

/* A suspend, and its end, are events. */
static void suspend_is_told(void)
{
	int events = try_events(attached(plain), GRID_MISSING_EVENTS_NONBLOCK);
	struct grid_missing_event e[4];

	EQ(run("dmsetup suspend %s", plain), 0);
	EQ(run("dmsetup resume %s", plain), 0);
	EQ(read(events, e, sizeof(e)), 2 * sizeof(e[0]));
	EQ(e[0].reason, GRID_MISSING_WHY_SUSPENDED);
	EQ(e[1].reason, GRID_MISSING_WHY_RESUMED);
	EQ(e[0].address + e[0].count + e[0].lost, 0);
}

/* An attached file does not hold the device, and learns that it is gone. */
static void removed(void)
{
	struct grid_missing_attach a = attach_arg(plain);
	int fd = attached(plain);
	struct stalled s = { .fd = fd };
	struct grid_missing_event e;
	struct grid_missing_status st = { .size = sizeof(st) };
	__u64 id = status(fd).id;
	int events = events_of(fd);

	pthread_create(&s.thread, NULL, sleep_in_poll, &s);
	usleep(100 * 1000);
	EQ(run("dmsetup remove --noudevsync %s", plain), 0);
	pthread_join(s.thread, NULL);
	EQ(s.ret, POLLHUP);
	EQ(do_ioctl(fd, GRID_MISSING_STATUS, &st), -ENODEV);
	EQ(enqueue(fd, 1), -ENODEV);
	EQ(do_attach(must_open(O_RDWR), id, 0), -ENODEV);
	EQ(do_ioctl(must_open(O_RDWR), GRID_MISSING_ATTACH, &a), -ENODEV);
	while (read(events, &e, sizeof(e)) > 0)
		;
	EQ(read(events, &e, sizeof(e)), 0);
	EQ(poll_for(events, POLLIN, -1), POLLHUP);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: dm PLAIN HASHED\n");
		return 2;
	}
	plain = argv[1];
	hashed = argv[2];
	RUN(attach_by_number);
	RUN(not_on_a_device);
	RUN(repair_one);
	RUN(repair_too_late);
	RUN(repair_many);
	RUN(repair_into_a_hole);
	RUN(repair_table);
	RUN(suspended);
	RUN(stalled_memory);
	RUN(explicit_checkpoint);
	RUN(reload);
	RUN(suspend_is_told);
	RUN(removed);
	return test_end();
}
