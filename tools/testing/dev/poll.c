// SPDX-License-Identifier: GPL-2.0
/*
 * poll and events: no lost wake-up, also by age alone; every transition is
 * told, or how many were lost.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "dev.h"

static int aged(__u32 min_age)
{
	int fd = must_open(O_RDWR);

	EQ(do_create(fd, 8, 2, 8, min_age, 0, NULL), 0);
	return fd;
}

static void level_triggered(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_fault f[8];

	EQ(poll_for(fd, POLLIN, 0), 0);
	EQ(enqueue(fd, 1), 0);
	EQ(poll_for(fd, POLLIN, 0), POLLIN);
	EQ(poll_for(fd, POLLIN, -1), POLLIN);
	/* No minimum age: it is due again at once. */
	EQ(batch(fd, f, 8), 1);
	EQ(poll_for(fd, POLLIN, 0), POLLIN);
	EQ(commence(fd, 1), 0);
	EQ(poll_for(fd, POLLIN, 0), 0);
	EQ(complete(fd, 1, 0, NULL, 0), 0);
	EQ(poll_for(fd, POLLIN, 0), 0);
}

/* From now on this is the file's minimum age. */
static void set_age(int fd, __u32 age)
{
	struct grid_missing_fault f;

	EQ(do_vector(fd, GRID_MISSING_BATCH, &f, sizeof(f), 0,
		     GRID_MISSING_BATCH_MIN_AGE, age, NULL, NULL),
	   0);
}

/*
 * Nothing here depends on how fast it runs: what is not due yet is so for
 * hours, and that something comes too early is seen from before its beginning.
 */
static void due_by_age(void)
{
	int fd = aged(10000000);
	struct grid_missing_fault f[8];
	__u64 start;

	EQ(enqueue(fd, 1), 0);
	EQ(poll_for(fd, POLLIN, 0), POLLIN);
	EQ(batch(fd, f, 8), 1);
	EQ(poll_for(fd, POLLIN, 0), 0);
	EQ(poll_for(fd, POLLIN, 500), 0);
	/* The age is the file's; a batch may change it. */
	set_age(fd, 0);
	EQ(poll_for(fd, POLLIN, 0), POLLIN);
	start = now_ms();
	EQ(batch(fd, f, 8), 1);
	set_age(fd, 500);
	EQ(poll_for(fd, POLLIN, 60000), POLLIN);
	CHECK(now_ms() - start >= 499);
	EQ(batch(fd, f, 8), 1);
}

/* A failed write is due again after its back-off. */
static void due_after_back_off(void)
{
	int fd = private(8, 2, 8);
	struct grid_missing_fault f[8];
	__u64 start;

	EQ(enqueue(fd, 1), 0);
	EQ(commence(fd, 1), 0);
	start = now_ms();
	EQ(complete(fd, 1, GRID_MISSING_F_FAILED, NULL, 0), 0);
	EQ(poll_for(fd, POLLIN, 60000), POLLIN);
	CHECK(now_ms() - start >= 999);
	EQ(batch(fd, f, 8), 1);
}

static void epoll_by_age(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int fd = aged(300), ep = epoll_create1(0);
	struct grid_missing_fault f[8];
	__u64 start = 0;
	int i;

	EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	EQ(epoll_wait(ep, &e, 1, 0), 0);
	EQ(enqueue(fd, 1), 0);
	for (i = 0; i < 3; i++) {
		EQ(epoll_wait(ep, &e, 1, 60000), 1);
		CHECK(now_ms() - start >= 299);
		start = now_ms();
		EQ(batch(fd, f, 8), 1);
	}
	set_age(fd, 10000000);
	EQ(epoll_wait(ep, &e, 1, 0), 0);
	close(ep);
}

/* A file may be polled before it is attached. */
static void epoll_then_attach(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int fd = must_open(O_RDWR), ep = epoll_create1(0);

	EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	EQ(epoll_wait(ep, &e, 1, 0), 1);
	EQ(e.events, EPOLLERR);
	EQ(do_create(fd, 8, 2, 8, 0, 0, NULL), 0);
	EQ(epoll_wait(ep, &e, 1, 0), 0);
	EQ(enqueue(fd, 1), 0);
	EQ(epoll_wait(ep, &e, 1, 20000), 1);
	EQ(e.events, EPOLLIN);
	close(ep);
}

struct worker {
	pthread_t thread;
	int fd;
	bool twice;
	__u64 target, got;
};

/* Blocks that were handed out once; a worker slept though there was work. */
static unsigned char handed_out[4096];
static volatile bool stuck;

/*
 * Only polls and batches; must not sleep while work is due.  With @twice a
 * block is repaired when it comes for the second time, which it does by age
 * alone.
 */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct grid_missing_fault f[4];
	int n, i;

	while (!stuck && w->got < w->target) {
		if (poll_for(w->fd, POLLIN, 60000) != POLLIN) {
			stuck = true;
			break;
		}
		n = batch(w->fd, f, 4);
		for (i = 0; i < n; i++) {
			if (w->twice && !handed_out[f[i].address]++)
				continue;
			if (!repaired(w->fd, f[i].address))
				w->got++;
		}
	}
	return NULL;
}

static void no_lost_wakeup_of(bool twice, __u32 age, __u64 target)
{
	struct worker w = { .target = target, .twice = twice };
	__u64 i;

	stuck = false;
	memset(handed_out, 0, sizeof(handed_out));
	w.fd = must_open(O_RDWR);
	EQ(do_create(w.fd, 4, 1, 1, age, 0, NULL), 0);
	pthread_create(&w.thread, NULL, work, &w);
	for (i = 0; i < target && !stuck; i++) {
		while (enqueue(w.fd, i) == -ENOSPC && !stuck)
			sched_yield();
		/* Let it go to sleep now and then. */
		if (i % 64 == 0)
			usleep(2000);
	}
	pthread_join(w.thread, NULL);
	EQ(w.got, target);
	VERIFY();
}

static void no_lost_wakeup(void)
{
	no_lost_wakeup_of(false, 0, 3000);
}

static void no_lost_wakeup_by_age(void)
{
	no_lost_wakeup_of(true, 5, 200);
}

static void events(void)
{
	int fd = private(8, 2, 8);
	static const struct {
		__u32 reason, state;
	} want[] = {
		{ GRID_MISSING_WHY_ENQUEUED, GRID_MISSING_STATE_WAITING },
		{ GRID_MISSING_WHY_COMMENCED, GRID_MISSING_STATE_WRITING },
		{ GRID_MISSING_WHY_WRITE_FAILED, GRID_MISSING_STATE_WAITING },
		{ GRID_MISSING_WHY_UNAVAILABLE, GRID_MISSING_STATE_WAITING },
		{ GRID_MISSING_WHY_RETRIED, GRID_MISSING_STATE_WAITING },
		{ GRID_MISSING_WHY_COMMENCED, GRID_MISSING_STATE_WRITING },
		{ GRID_MISSING_WHY_REPAIRED, GRID_MISSING_STATE_GONE },
	};
	struct grid_missing_event e[16];
	__u64 time = 0;
	int ev = try_events(fd, GRID_MISSING_EVENTS_NONBLOCK), i, n;

	EQ(poll_for(ev, POLLIN, 0), 0);
	EQ(enqueue(fd, 7), 0);
	EQ(poll_for(ev, POLLIN, 0), POLLIN);
	/* Each file tells of its own. */
	EQ(poll_for(fd, POLLPRI, 0), 0);
	EQ(commence(fd, 7), 0);
	EQ(complete(fd, 7, GRID_MISSING_F_FAILED, NULL, 0), 0);
	EQ(one_block(fd, GRID_MISSING_MARK_UNAVAILABLE, 7, 0), 0);
	EQ(one_block(fd, GRID_MISSING_RETRY, 7, 0), 0);
	EQ(repaired(fd, 7), 0);
	memset(e, 0xee, sizeof(e));
	/* Whole records only. */
	n = read(ev, e, sizeof(e) - 1) / sizeof(e[0]);
	EQ(n, ARRAY_SIZE(want));
	for (i = 0; i < n && i < (int)ARRAY_SIZE(want); i++) {
		EQ(e[i].size, sizeof(e[0]));
		EQ(e[i].reason, want[i].reason);
		EQ(e[i].state, want[i].state);
		EQ(e[i].sequence, i + 1);
		EQ(e[i].address, 7);
		EQ(e[i].who, getpid());
		EQ(e[i].count, 1);
		EQ(e[i].lost, 0);
		CHECK(e[i].time_ns >= time && e[i].time_ns);
		time = e[i].time_ns;
	}
	EQ(poll_for(ev, POLLIN, 0), 0);
	EQ(read(ev, e, sizeof(e)), -1);
	EQ(errno, EAGAIN);
}

/* Each file reads for itself, from its attach on. */
static void event_cursors(void)
{
	int a = private(8, 2, 8), first = events_of(a), b, second;
	struct grid_missing_event e[16];

	EQ(enqueue(a, 1), 0);
	b = must_open(O_RDONLY);
	EQ(do_attach(b, status(a).id, 0), 0);
	second = events_of(b);
	/* It stays when the file that it came from is closed. */
	close_now(b);
	EQ(poll_for(second, POLLIN, 0), 0);
	EQ(enqueue(a, 2), 0);
	EQ(read(second, e, sizeof(e)), sizeof(e[0]));
	EQ(e[0].address, 2);
	EQ(e[0].sequence, 2);
	EQ(e[0].who, getpid());
	EQ(read(first, e, sizeof(e)), 2 * sizeof(e[0]));
	EQ(poll_for(first, POLLIN, 0), 0);
}

static void events_lost(void)
{
	int fd = private(20000, 2, 8), events = events_of(fd);
	static struct grid_missing_block b[1000];
	static struct grid_missing_event e[8192];
	__u64 i, k, sequence;
	int n;

	for (k = 0; k < 10; k++) {
		for (i = 0; i < 1000; i++) {
			__u64 a = k * 1000 + i;

			b[i] = (struct grid_missing_block){
				.address = a, .checksum = sum_of(a)
			};
		}
		EQ(ALL(fd, GRID_MISSING_ENQUEUE, b), 0);
	}
	n = read(events, e, sizeof(e)) / sizeof(e[0]);
	CHECK(n > 1);
	CHECK(e[0].lost > 0);
	EQ(e[0].size, sizeof(e[0]));
	EQ(e[0].reason + e[0].sequence + e[0].address + e[0].time_ns, 0);
	EQ(e[0].lost + n - 1, 10000);
	sequence = e[0].lost;
	for (i = 1; i < (__u64)n; i++) {
		if (!EQ(e[i].sequence, ++sequence) ||
		    !EQ(e[i].address, sequence - 1))
			break;
	}
}

/* The events' reasons, in order; the others are not looked at. */
static void told(int line, int events, const struct grid_missing_event *want,
		 int count)
{
	static struct grid_missing_event e[4096];
	int n = read(events, e, sizeof(e)) / (int)sizeof(e[0]), i, k = 0;

	for (i = 0; i < n; i++) {
		test_check(!e[i].lost, line, "%llu lost", e[i].lost);
		if (e[i].reason < GRID_MISSING_WHY_VALUES_ENQUEUED)
			continue;
		if (!test_check(k < count, line, "one too many: %u",
				e[i].reason))
			return;
		test_check(e[i].reason == want[k].reason &&
				   e[i].address == want[k].address &&
				   e[i].count == want[k].count,
			   line, "event %d: reason %u of %llu, %llu", k,
			   e[i].reason, e[i].address, e[i].count);
		k++;
	}
	test_check(k == count, line, "%d events, not %d", k, count);
}

#define TOLD(events, want) told(__LINE__, events, want, ARRAY_SIZE(want))

/* An index's values, more than the ring has room for, are one event. */
static void tables_are_told(void)
{
	static const struct grid_missing_event want[] = {
		{ .reason = GRID_MISSING_WHY_VALUES_ENQUEUED,
		  .address = 50,
		  .count = 16384 },
		{ .reason = GRID_MISSING_WHY_VALUES_ENQUEUED,
		  .address = 51,
		  .count = 1 },
		{ .reason = GRID_MISSING_WHY_TABLE_DONE,
		  .address = 51,
		  .count = 1 },
		{ .reason = GRID_MISSING_WHY_TABLE_CANCELLED,
		  .address = 52,
		  .count = 0 },
	};
	static struct grid_missing_value v[16384];
	int fd = private(8, 3, ARRAY_SIZE(v)), events = events_of(fd);
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = (struct grid_missing_value){
			.address = 1000 + i, .checksum = sum_of(1000 + i)
		};
	EQ(enqueue_table(fd, 50), 0);
	EQ(commence(fd, 50), 0);
	EQ(complete(fd, 50, 0, v, ARRAY_SIZE(v)), 0);
	for (i = 0; i < 2; i++)
		v[i] = (struct grid_missing_value){ .address = i,
						    .checksum = sum_of(i) };
	EQ(enqueue_table(fd, 51), 0);
	EQ(commence(fd, 51), 0);
	EQ(complete(fd, 51, 0, v, 1), 0);
	EQ(repaired(fd, 0), 0);
	EQ(enqueue_table(fd, 52), 0);
	EQ(cancel(fd, 52), 0);
	TOLD(events, want);
}

static void checkpoints_are_told(void)
{
	static const struct grid_missing_event want[] = {
		{ .reason = GRID_MISSING_WHY_CHECKPOINT_TAKEN, .address = 1 },
		{ .reason = GRID_MISSING_WHY_CHECKPOINT_COMMENCED,
		  .address = 1,
		  .count = 10 },
		{ .reason = GRID_MISSING_WHY_CHECKPOINT_DURABLE, .address = 1 },
		{ .reason = GRID_MISSING_WHY_CHECKPOINT_REVERTED },
		{ .reason = GRID_MISSING_WHY_JUMP_COMMENCED },
		{ .reason = GRID_MISSING_WHY_JUMP_COMPLETED, .count = 1 },
	};
	int fd = private(8, 3, 8), events = events_of(fd);
	__u64 id = 0, table = 50;
	__u32 pending;

	EQ(enqueue_table(fd, 50), 0);
	EQ(enqueue(fd, 3), 0);
	EQ(release_run(fd, 0, 10), 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_TAKE, &id, NULL, NULL, 0), 0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_DURABLE, &id, NULL, NULL, 0),
	   0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_COMPLETE, NULL, &pending,
		      NULL, 0),
	   0);
	EQ(checkpoint(fd, GRID_MISSING_CHECKPOINT_REVERT, NULL, NULL, NULL, 0),
	   0);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0), 0);
	EQ(cancel(fd, 3), -ENOENT);
	EQ(sync_jump(fd, GRID_MISSING_SYNC_JUMP_COMPLETE, &table, 1), 0);
	{
		static struct grid_missing_event all[ARRAY_SIZE(want) + 1];

		memcpy(all, want, sizeof(want));
		/* The table that was listed ends before the jump does. */
		all[6] = all[5];
		all[5] = (struct grid_missing_event){
			.reason = GRID_MISSING_WHY_TABLE_CANCELLED,
			.address = 50
		};
		TOLD(events, all);
	}
}

/* A loop that knows readable only finds nothing ready that has nothing. */
static void epoll_is_quiet(void)
{
	struct epoll_event e = { .events = EPOLLIN }, got[2];
	int fd = aged(10000000), events = events_of(fd);
	struct grid_missing_event all[16];
	struct grid_missing_fault f[8];
	int ep = epoll_create1(0);

	EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	EQ(epoll_ctl(ep, EPOLL_CTL_ADD, events, &e), 0);
	EQ(epoll_wait(ep, got, 2, 0), 0);
	EQ(enqueue(fd, 1), 0);
	EQ(epoll_wait(ep, got, 2, 60000) > 0, 1);
	EQ(batch(fd, f, 8), 1);
	CHECK(read(events, all, sizeof(all)) > 0);
	EQ(epoll_wait(ep, got, 2, 100), 0);
	close(ep);
}

static void *read_one(void *arg)
{
	struct worker *w = arg;
	struct grid_missing_event e;

	w->got = read(w->fd, &e, sizeof(e)) == sizeof(e) ? e.address : 0;
	return NULL;
}

static void read_blocks(void)
{
	struct worker w = {};
	int fd = private(8, 2, 8);

	w.fd = events_of(fd);
	pthread_create(&w.thread, NULL, read_one, &w);
	usleep(100 * 1000);
	EQ(enqueue(fd, 42), 0);
	pthread_join(w.thread, NULL);
	EQ(w.got, 42);
}

static void nothing(int signal)
{
	(void)signal;
}

static void read_is_interrupted(void)
{
	struct sigaction act = { .sa_handler = nothing };
	/* Again and again: the first may come before the read sleeps. */
	const struct itimerval often = { { 0, 200000 }, { 0, 200000 } };
	const struct itimerval never = {};
	int fd = events_of(private(8, 2, 8));
	struct grid_missing_event e;

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	EQ(read(fd, &e, sizeof(e)), -1);
	EQ(errno, EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
}

static void *sleep_in_poll(void *arg)
{
	struct worker *w = arg;

	w->got = poll_for(w->fd, POLLIN, 60000);
	return NULL;
}

/* retry ends a back-off, which is no transition: it wakes all the same. */
static void retry_wakes(void)
{
	struct worker w = {};
	struct grid_missing_fault f[8];
	int i;

	w.fd = private(8, 2, 8);
	EQ(enqueue(w.fd, 1), 0);
	for (i = 0; i < 6; i++) {
		EQ(commence(w.fd, 1), 0);
		EQ(complete(w.fd, 1, GRID_MISSING_F_FAILED, NULL, 0), 0);
	}
	/* Now it would be due in half a minute. */
	EQ(batch(w.fd, f, 8), 0);
	pthread_create(&w.thread, NULL, sleep_in_poll, &w);
	usleep(300 * 1000);
	EQ(one_block(w.fd, GRID_MISSING_RETRY, 1, 0), 0);
	pthread_join(w.thread, NULL);
	EQ(w.got, POLLIN);
}

static void hang_up_wakes(void)
{
	struct worker w = {};
	int a = private(8, 2, 8);

	w.fd = must_open(O_RDWR);
	EQ(do_attach(w.fd, status(a).id, 0), 0);
	pthread_create(&w.thread, NULL, sleep_in_poll, &w);
	usleep(100 * 1000);
	close_now(a);
	pthread_join(w.thread, NULL);
	EQ(w.got, POLLHUP);
}

int main(void)
{
	RUN(level_triggered);
	RUN(due_by_age);
	RUN(due_after_back_off);
	RUN(epoll_by_age);
	RUN(epoll_then_attach);
	RUN(no_lost_wakeup);
	RUN(no_lost_wakeup_by_age);
	RUN(events);
	RUN(event_cursors);
	RUN(events_lost);
	RUN(tables_are_told);
	RUN(checkpoints_are_told);
	RUN(epoll_is_quiet);
	RUN(read_blocks);
	RUN(read_is_interrupted);
	RUN(retry_wakes);
	RUN(hang_up_wakes);
	return test_end();
}
