// SPDX-License-Identifier: GPL-2.0
/*
 * Whose is what is being written (U3): two files on one private tracker never
 * write the same block, each takes back only its own, and the last close of an
 * open file description (dup, fork, a passed file) reverts what it wrote.
 */
#include <sys/socket.h>

#include "dev.h"

static int second(int fd, int flags)
{
	int other = must_open(flags);

	EQ(do_attach(other, status(fd).id, 0), 0);
	return other;
}

static void not_the_others(void)
{
	int a = private(8, 2, 8), b = second(a, O_RDWR);
	struct grid_missing_block r = { .address = 1 };

	EQ(enqueue(a, 1), 0);
	EQ(enqueue(b, 2), 0);
	EQ(commence(a, 1), 0);
	EQ(commence(b, 1), -EBUSY);
	EQ(complete(b, 1, 0, NULL, 0), -EBUSY);
	EQ(complete(b, 1, GRID_MISSING_F_FAILED, NULL, 0), -EBUSY);
	EQ(commence(b, 2), 0);
	EQ(do_vector(b, GRID_MISSING_CANCEL, &r, sizeof(r), 1,
		     GRID_MISSING_CANCEL_REVERT, 0, NULL, NULL),
	   0);
	EQ(r.result, -EBUSY);
	EQ(status(a).writing, 2);
	/* All that is its own, and only that. */
	EQ(on_all(b, GRID_MISSING_CANCEL, GRID_MISSING_CANCEL_REVERT), 0);
	EQ(status(a).writing, 1);
	EQ(status(a).waiting, 1);
	EQ(on_all(b, GRID_MISSING_CANCEL,
		  GRID_MISSING_CANCEL_REVERT | GRID_MISSING_CANCEL_OLD),
	   0);
	EQ(status(a).writing, 1);
	EQ(complete(a, 1, 0, NULL, 0), 0);
	VERIFY();
}

static void revert_one(void)
{
	int a = private(8, 2, 8);
	struct grid_missing_block r[2] = { { .address = 1 }, { .address = 9 } };

	EQ(enqueue(a, 1), 0);
	EQ(commence(a, 1), 0);
	EQ(do_vector(a, GRID_MISSING_CANCEL, r, sizeof(r[0]), 2,
		     GRID_MISSING_CANCEL_REVERT, 0, NULL, NULL),
	   0);
	EQ(r[0].result, 0);
	EQ(r[1].result, -ENOENT);
	EQ(status(a).waiting, 1);
	EQ(repaired(a, 1), 0);
}

static void close_reverts(void)
{
	int a = private(8, 2, 8), b = second(a, O_RDWR);

	EQ(status(a).helpers, 2);
	EQ(enqueue(a, 1), 0);
	EQ(enqueue(a, 2), 0);
	EQ(commence(a, 1), 0);
	EQ(commence(b, 2), 0);
	close_now(b);
	EQ(status(a).writing, 1);
	EQ(status(a).waiting, 1);
	EQ(status(a).helpers, 1);
	EQ(complete(a, 1, 0, NULL, 0), 0);
	EQ(repaired(a, 2), 0);
	VERIFY();
}

static void dup_is_the_same(void)
{
	int a = private(8, 2, 8), b = second(a, O_RDWR), c;

	EQ(enqueue(a, 1), 0);
	EQ(commence(b, 1), 0);
	c = dup(b);
	close_now(b);
	EQ(status(a).writing, 1);
	EQ(complete(c, 1, 0, NULL, 0), 0);
	EQ(enqueue(a, 1), 0);
	EQ(commence(c, 1), 0);
	close(c);
	EQ(status(a).writing, 0);
	EQ(status(a).waiting, 1);
}

static void fork_is_the_same(void)
{
	int a = private(8, 2, 8), b = second(a, O_RDWR), state, fds[2];
	char go;
	pid_t pid;

	EQ(pipe(fds), 0);
	EQ(enqueue(a, 1), 0);
	EQ(enqueue(a, 2), 0);
	EQ(commence(b, 1), 0);
	EQ(commence(b, 2), 0);
	pid = fork();
	if (!pid) {
		close(fds[1]);
		if (read(fds[0], &go, 1) != 1)
			_exit(1);
		if (complete(b, 1, 0, NULL, 0))
			_exit(2);
		/* Dies with block 2 under way. */
		kill(getpid(), SIGKILL);
	}
	close_now(b);
	EQ(status(a).writing, 2);
	EQ(write(fds[1], "x", 1), 1);
	EQ(waitpid(pid, &state, 0), pid);
	CHECK(WIFSIGNALED(state));
	EQ(status(a).writing, 0);
	EQ(status(a).waiting, 1);
	EQ(status(a).repaired, 1);
	close(fds[0]);
	close(fds[1]);
	VERIFY();
}

static void passed_on(void)
{
	int a = private(8, 2, 8), b = second(a, O_RDWR), s[2], got = -1;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} u = {};
	struct iovec io = { .iov_base = "x", .iov_len = 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = u.buf,
			    .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	char byte;

	EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	EQ(enqueue(a, 1), 0);
	EQ(commence(b, 1), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &b, sizeof(int));
	EQ(sendmsg(s[0], &m, 0), 1);
	close_now(b);
	/* In flight it is open. */
	EQ(status(a).writing, 1);
	io.iov_base = &byte;
	m.msg_controllen = sizeof(u.buf);
	EQ(recvmsg(s[1], &m, 0), 1);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	EQ(complete(got, 1, 0, NULL, 0), 0);
	close(got);
	close(s[0]);
	close(s[1]);
}

#define OLD_MS 1000

static void by_age(void)
{
	struct grid_missing_block r = { .address = 2 };
	int a = must_open(O_RDWR), b;
	__u64 began;

	EQ(do_create(a, 8, 2, 8, 0, OLD_MS, NULL), 0);
	b = second(a, O_RDWR);
	EQ(enqueue(a, 1), 0);
	EQ(commence(a, 1), 0);
	EQ(on_all(b, GRID_MISSING_CANCEL,
		  GRID_MISSING_CANCEL_REVERT | GRID_MISSING_CANCEL_OLD),
	   0);
	usleep((OLD_MS + 200) * 1000);
	EQ(enqueue(a, 2), 0);
	for (;;) {
		began = now_ms();
		EQ(commence(a, 2), 0);
		EQ(on_all(b, GRID_MISSING_CANCEL,
			  GRID_MISSING_CANCEL_REVERT | GRID_MISSING_CANCEL_OLD),
		   0);
		if (now_ms() - began < OLD_MS)
			break;
		/* It was old by then: that shows nothing. */
		do_vector(a, GRID_MISSING_CANCEL, &r, sizeof(r), 1,
			  GRID_MISSING_CANCEL_REVERT, 0, NULL, NULL);
	}
	EQ(status(a).waiting, 1);
	EQ(commence(b, 1), 0);
	EQ(complete(a, 1, 0, NULL, 0), -EBUSY);
	EQ(complete(b, 1, 0, NULL, 0), 0);
	VERIFY();
}

/* The tracker goes with the file that created it. */
static void creator_closes(void)
{
	int a = private(8, 2, 8), b = second(a, O_RDWR);
	struct grid_missing_event e;
	struct grid_missing_status s = { .size = sizeof(s) };
	int ev = events_of(b);
	__u64 id = status(a).id;

	EQ(enqueue(a, 1), 0);
	EQ(commence(b, 1), 0);
	close_now(a);
	EQ(poll_for(b, POLLIN, 1000), POLLHUP);
	EQ(do_ioctl(b, GRID_MISSING_STATUS, &s), -ENODEV);
	EQ(complete(b, 1, 0, NULL, 0), -ENODEV);
	/* What happened can still be read. */
	EQ(poll_for(ev, POLLIN, 0), POLLIN | POLLHUP);
	EQ(read(ev, &e, sizeof(e)), sizeof(e));
	EQ(e.reason, GRID_MISSING_WHY_ENQUEUED);
	EQ(read(ev, &e, sizeof(e)), sizeof(e));
	/* The end. */
	EQ(poll_for(ev, POLLIN, 0), POLLHUP);
	EQ(read(ev, &e, sizeof(e)), 0);
	EQ(read(ev, &e, sizeof(e)), 0);
	EQ(try_events(b, 0), -ENODEV);
	EQ(do_attach(must_open(O_RDWR), id, 0), -ENODEV);
}

static void readers_are_no_helpers(void)
{
	int a = private(8, 2, 8), b = second(a, O_RDONLY);

	EQ(status(b).helpers, 1);
	close_now(b);
	EQ(status(a).helpers, 1);
}

int main(void)
{
	RUN(not_the_others);
	RUN(revert_one);
	RUN(close_reverts);
	RUN(dup_is_the_same);
	RUN(fork_is_the_same);
	RUN(passed_on);
	RUN(by_age);
	RUN(creator_closes);
	RUN(readers_are_no_helpers);
	return test_end();
}
