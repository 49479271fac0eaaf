// SPDX-License-Identifier: GPL-2.0
/*
 * A disk that does what it is told: the server behind a kernel's nbd device.
 *
 *	disk FILE DEVICE LOG [flush] [fua] [trim] [record=SEQUENCE,N]
 *
 * Its data is FILE, so a test can look below.  What no dm target can do, it
 * does: a request lands at once and is answered later, or lands later, while
 * others pass it by.  With flush it has a write cache, with fua writes that go
 * past it, with trim it can discard (and then reads zeros).  With record
 * all that changes what it holds, or what of that is durable, is appended to
 * SEQUENCE as disk N's (record.h): who cuts the power knows what it may have
 * lost.  Commands come on stdin, one a line, each is answered with one line,
 * "ok ..." or "error ...":
 *
 *	land OP OFFSET LENGTH [SKIP]   hold the next OP that touches the range:
 *	                               it is done now (a read has seen what it
 *	                               will tell), and answered by `release`
 *	keep OP OFFSET LENGTH [SKIP]   likewise, but done only by `release`
 *	fail OP OFFSET LENGTH [SKIP]   it is answered with an error, at once
 *	bad OFFSET LENGTH              reads of it fail until it is written
 *	held                           how many are held now
 *	release [OP]                   let all go (of that kind), in the order
 *	                               they came
 *	refuse [OP]                    likewise, with an error
 *	forget                         none of the above is to come any more
 *	jitter SEED                    from now on every request takes a random
 *	                               time, and lands at its begin or its end
 *	count OP OFFSET LENGTH         how many of these have come since `mark`;
 *	                               OP may be fua here: writes that go past
 *	                               the cache
 *	mark                           ... which is now
 *	quit
 *
 * OP is read, write, trim or flush; the range of a flush is 0 0.  SKIP lets so
 * many pass first.  LOG gets a line for every request as it comes:
 *
 *	NANOSECONDS OP OFFSET LENGTH WRITER
 *
 * by CLOCK_MONOTONIC, with the writer of a stamped sector (load.h).
 */
#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "record.h"

#define REQUESTS 256
#define RULES 16
#define LENGTH_MAX (4U << 20)
#define JITTER_NS 8000000U

enum op {
	READ = NBD_CMD_READ,
	WRITE = NBD_CMD_WRITE,
	FLUSH = NBD_CMD_FLUSH,
	TRIM = NBD_CMD_TRIM
};

static const char *const op_names[] = {
	[READ] = "read",
	[WRITE] = "write",
	[FLUSH] = "flush",
	[TRIM] = "trim",
};

/* A request that was not answered yet; in the order of arrival. */
struct request {
	struct nbd_request head;
	enum op op;
	uint64_t offset;
	uint32_t length;
	bool fua;
	uint64_t number; /* for the sequence */
	bool done; /* carried out */
	bool held; /* by a rule; else until @due */
	int error; /* what it is answered with */
	uint64_t due;
	unsigned char *data; /* of a write, or of a read that is done */
};

struct rule {
	enum { LAND, KEEP, FAIL } what;
	enum op op;
	uint64_t offset, length;
	unsigned int skip;
};

static struct request requests[REQUESTS];
static unsigned int requests_count;
static struct rule rules[RULES];
static unsigned int rules_count;
static uint64_t bad_begin, bad_end;
static unsigned char *data;
static uint64_t size;
static int client, device;
static FILE *journal;
static int sequence = -1; /* of all disks */
static unsigned int disk_number;
static bool jitter;
static unsigned int seed;

/* What came since `mark`, for `count`. */
struct marked {
	enum op op;
	uint64_t offset;
	uint32_t length;
	bool fua;
};

static struct marked *marked;
static unsigned int marked_count, marked_room;

static bool touches(uint64_t offset, uint64_t length, uint64_t begin,
		    uint64_t end)
{
	return offset < end && offset + length > begin;
}

static void read_all(void *buffer, size_t n)
{
	ssize_t r = recv(client, buffer, n, MSG_WAITALL);

	if (r < 0 || (size_t)r != n)
		load_die("nbd: receive: %zd of %zu: %s", r, n, strerror(errno));
}

static void write_all(const void *buffer, size_t n)
{
	while (n) {
		ssize_t r = send(client, buffer, n, MSG_NOSIGNAL);

		if (r <= 0)
			load_die("nbd: send: %s", strerror(errno));
		buffer = (const char *)buffer + r;
		n -= r;
	}
}

/* It reaches the medium, or what is there is what it gets. */
static void carry_out(struct request *r)
{
	bool bad = touches(r->offset, r->length, bad_begin, bad_end);

	if (r->done)
		return;
	r->done = true;
	switch (r->op) {
	case READ:
		r->error = bad ? EIO : 0;
		memcpy(r->data, data + r->offset, r->length);
		break;
	case WRITE:
		memcpy(data + r->offset, r->data, r->length);
		if (bad)
			bad_begin = bad_end = 0;
		break;
	case TRIM:
		memset(data + r->offset, 0, r->length);
		break;
	case FLUSH:
		break;
	}
}

/* It came. */
static void tell_request(struct request *r)
{
	static const enum record_what what[] = {
		[WRITE] = RECORD_WRITE,
		[FLUSH] = RECORD_FLUSH,
		[TRIM] = RECORD_TRIM,
	};
	static uint64_t numbers;
	struct record rec = { .request = ++numbers,
			      .offset = r->offset,
			      .length = r->length,
			      .what = what[r->op],
			      .disk = disk_number,
			      .fua = r->fua };

	if (sequence < 0 || r->op == READ)
		return;
	r->number = numbers;
	record_append(sequence, &rec, r->data, r->op == WRITE ? r->length : 0);
}

static void tell_answer(const struct request *r)
{
	struct record rec = { .request = r->number,
			      .what = RECORD_ANSWER,
			      .disk = disk_number,
			      .error = r->error };

	if (sequence >= 0 && r->op != READ)
		record_append(sequence, &rec, NULL, 0);
}

static void answer(struct request *r)
{
	struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC),
				   .error = htonl(r->error) };

	tell_answer(r);
	memcpy(reply.handle, r->head.handle, sizeof(reply.handle));
	write_all(&reply, sizeof(reply));
	if (r->op == READ && !r->error)
		write_all(r->data, r->length);
	free(r->data);
}

static void finish(struct request *r)
{
	carry_out(r);
	answer(r);
}

static void finish_at(unsigned int i)
{
	finish(&requests[i]);
	requests_count--;
	memmove(&requests[i], &requests[i + 1],
		(requests_count - i) * sizeof(requests[0]));
}

static void journalize(const struct request *r)
{
	struct load_stamp stamp = {};

	if (r->op == WRITE && r->length >= sizeof(stamp))
		memcpy(&stamp, r->data, sizeof(stamp));
	if (stamp.magic != LOAD_MAGIC)
		stamp.writer = LOAD_NOBODY;
	fprintf(journal, "%llu %s %llu %u %u\n", (unsigned long long)load_now(),
		op_names[r->op], (unsigned long long)r->offset, r->length,
		stamp.writer);
	fflush(journal);
	if (marked_count == marked_room) {
		marked_room = marked_room * 2 + 64;
		marked = realloc(marked, marked_room * sizeof(*marked));
		if (!marked)
			load_die("out of memory");
	}
	marked[marked_count].op = r->op;
	marked[marked_count].offset = r->offset;
	marked[marked_count].fua = r->fua;
	marked[marked_count++].length = r->length;
}

/* The rule that @r meets, which is used up by it; NULL: none. */
static const struct rule *meet(const struct request *r)
{
	static struct rule met;
	unsigned int i;

	for (i = 0; i < rules_count; i++) {
		if (rules[i].op != r->op)
			continue;
		if (r->op != FLUSH &&
		    !touches(r->offset, r->length, rules[i].offset,
			     rules[i].offset + rules[i].length))
			continue;
		if (rules[i].skip) {
			rules[i].skip--;
			continue;
		}
		met = rules[i];
		rules_count--;
		memmove(&rules[i], &rules[i + 1],
			(rules_count - i) * sizeof(rules[0]));
		return &met;
	}
	return NULL;
}

static void keep(const struct request *r)
{
	if (requests_count == REQUESTS)
		load_die("more than %u requests at once", REQUESTS);
	requests[requests_count++] = *r;
}

/* False: the kernel has disconnected. */
static bool serve(void)
{
	const struct rule *rule;
	struct request r = {};
	uint32_t type;

	read_all(&r.head, sizeof(r.head));
	if (ntohl(r.head.magic) != NBD_REQUEST_MAGIC)
		load_die("nbd: bad magic");
	type = ntohl(r.head.type);
	r.fua = type & NBD_CMD_FLAG_FUA;
	type &= 0xffff;
	if (type == NBD_CMD_DISC)
		return false;
	r.op = type;
	r.offset = be64toh(r.head.from);
	r.length = ntohl(r.head.len);
	if (type > TRIM || r.offset > size || r.length > size - r.offset ||
	    (type <= WRITE && r.length > LENGTH_MAX))
		load_die("nbd: request %u: %llu %u", type,
			 (unsigned long long)r.offset, r.length);
	if (r.op == READ || r.op == WRITE) {
		r.data = malloc(r.length);
		if (!r.data)
			load_die("out of memory");
		if (r.op == WRITE)
			read_all(r.data, r.length);
	}
	tell_request(&r);
	journalize(&r);

	rule = meet(&r);
	if (rule && rule->what == FAIL) {
		r.error = EIO;
		answer(&r);
	} else if (rule) {
		r.held = true;
		if (rule->what == LAND)
			carry_out(&r);
		keep(&r);
	} else if (jitter) {
		r.due = load_now() + rand_r(&seed) % JITTER_NS;
		if (rand_r(&seed) & 1)
			carry_out(&r);
		keep(&r);
	} else {
		finish(&r);
	}
	return true;
}

/* Milliseconds until the next answer is due; -1: none is. */
static int answer_due(void)
{
	uint64_t now = load_now(), next = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < requests_count;) {
		if (requests[i].held) {
			i++;
		} else if (requests[i].due <= now) {
			finish_at(i);
		} else {
			if (requests[i].due < next)
				next = requests[i].due;
			i++;
		}
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000) + 1;
}

static bool parse_op(const char *name, enum op *op)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(op_names); i++) {
		if (op_names[i] && !strcmp(name, op_names[i])) {
			*op = i;
			return true;
		}
	}
	return false;
}

static unsigned int count_marked(enum op op, bool fua, uint64_t offset,
				 uint64_t length)
{
	unsigned int i, n = 0;

	for (i = 0; i < marked_count; i++)
		n += marked[i].op == op && marked[i].fua >= fua &&
		     (op == FLUSH || touches(marked[i].offset, marked[i].length,
					     offset, offset + length));
	return n;
}

static void add_rule(const char *verb, enum op op, uint64_t offset,
		     uint64_t length, unsigned int skip)
{
	struct rule r = {
		.op = op, .offset = offset, .length = length, .skip = skip
	};

	if (rules_count == RULES)
		load_die("more than %u rules", RULES);
	r.what = verb[0] == 'l' ? LAND : verb[0] == 'k' ? KEEP : FAIL;
	rules[rules_count++] = r;
}

static unsigned int count_held(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < requests_count; i++)
		n += requests[i].held;
	return n;
}

static void command(char *line)
{
	unsigned long long offset = 0, length = 0;
	char verb[16] = "", name[16] = "";
	unsigned int skip = 0, value = 0, i;
	enum op op;

	if (sscanf(line, "count fua %llu %llu", &offset, &length) == 2) {
		value = count_marked(WRITE, true, offset, length);
		goto ok;
	}
	if (sscanf(line, "%15s %15s %llu %llu %u", verb, name, &offset, &length,
		   &skip) >= 4 &&
	    parse_op(name, &op)) {
		if (!strcmp(verb, "land") || !strcmp(verb, "keep") ||
		    !strcmp(verb, "fail")) {
			add_rule(verb, op, offset, length, skip);
			goto ok;
		}
		if (!strcmp(verb, "count")) {
			value = count_marked(op, false, offset, length);
			goto ok;
		}
	}
	if (sscanf(line, "bad %llu %llu", &offset, &length) == 2) {
		bad_begin = offset;
		bad_end = offset + length;
	} else if (!strcmp(verb, "held")) {
		value = count_held();
	} else if (!strcmp(verb, "mark")) {
		marked_count = 0;
	} else if (!strcmp(verb, "forget")) {
		rules_count = 0;
		bad_begin = bad_end = 0;
	} else if ((!strcmp(verb, "release") || !strcmp(verb, "refuse")) &&
		   (!*name || parse_op(name, &op))) {
		for (i = 0; i < requests_count;) {
			if (requests[i].held &&
			    (!*name || requests[i].op == op)) {
				if (!strcmp(verb, "refuse"))
					requests[i].error = EIO;
				finish_at(i);
				value++;
			} else {
				i++;
			}
		}
	} else if (sscanf(line, "jitter %u", &seed) == 1) {
		jitter = true;
	} else {
		printf("error: %s", line);
		fflush(stdout);
		return;
	}
ok:
	printf("ok %u\n", value);
	fflush(stdout);
}

/* Runs as long as the nbd device is connected. */
static void *nbd_thread(void *arg)
{
	(void)arg;
	if (ioctl(device, NBD_DO_IT) < 0 && errno != ECONNRESET)
		printf("NBD_DO_IT: %s\n", strerror(errno));
	return NULL;
}

static void connect_nbd(unsigned long flags, pthread_t *thread)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		load_die("socketpair: %s", strerror(errno));
	client = pair[0];
	if (ioctl(device, NBD_SET_BLKSIZE, (unsigned long)SECTOR) ||
	    ioctl(device, NBD_SET_SIZE_BLOCKS, (unsigned long)size / SECTOR) ||
	    ioctl(device, NBD_SET_FLAGS, flags) ||
	    ioctl(device, NBD_SET_SOCK, (unsigned long)pair[1]))
		load_die("nbd: %s", strerror(errno));
	if (pthread_create(thread, NULL, nbd_thread, NULL))
		load_die("pthread_create");
}

static void open_data(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat s;

	if (fd < 0 || fstat(fd, &s))
		load_die("%s: %s", path, strerror(errno));
	size = s.st_size;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		load_die("%s: %s", path, strerror(errno));
	close(fd);
}

static unsigned long parse_option(const char *option)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} names[] = {
		{ "flush", NBD_FLAG_SEND_FLUSH },
		{ "fua", NBD_FLAG_SEND_FUA },
		{ "trim", NBD_FLAG_SEND_TRIM },
	};
	char path[256];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(option, names[i].name))
			return names[i].flag;
	if (sscanf(option, "record=%255[^,],%u", path, &disk_number) != 2)
		load_die("unknown: %s", option);
	sequence = record_open(path);
	return 0;
}

int main(int argc, char **argv)
{
	struct pollfd p[2] = { { .events = POLLIN },
			       { .fd = 0, .events = POLLIN } };
	unsigned long flags = NBD_FLAG_HAS_FLAGS;
	static char line[256];
	pthread_t thread;
	int i;

	if (argc < 4)
		load_die(
			"usage: disk FILE DEVICE LOG [flush] [fua] [trim] [record=SEQUENCE,N]");
	for (i = 4; i < argc; i++)
		flags |= parse_option(argv[i]);
	open_data(argv[1]);
	device = open(argv[2], O_RDWR | O_CLOEXEC);
	if (device < 0)
		load_die("%s: %s", argv[2], strerror(errno));
	journal = fopen(argv[3], "w");
	if (!journal)
		load_die("%s: %s", argv[3], strerror(errno));
	/* One command a read: the tests wait for each answer. */
	setvbuf(stdin, NULL, _IONBF, 0);
	connect_nbd(flags, &thread);
	p[0].fd = client;

	for (;;) {
		if (poll(p, 2, answer_due()) < 0)
			load_die("poll: %s", strerror(errno));
		if (p[0].revents && !serve())
			break;
		if (!p[1].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin) ||
		    !strcmp(line, "quit\n"))
			/* The answer to this is a last request. */
			ioctl(device, NBD_DISCONNECT);
		else
			command(line);
	}
	close(client);
	pthread_join(thread, NULL);
	ioctl(device, NBD_CLEAR_SOCK);
	return 0;
}
