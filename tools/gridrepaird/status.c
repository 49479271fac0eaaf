// SPDX-License-Identifier: GPL-2.0
/*
 * What the daemon tells about itself; see status.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "status.h"

/* ----------------------------------------------------------------- figures */

static const struct counter {
	const char *name;
	size_t offset;
	const char *help;
} counters[] = {
#define OF(member) offsetof(struct source_stats, member)
	{ "asked", OF(asked), "Requests sent" },
	{ "served", OF(served), "Blocks that came" },
	{ "late", OF(late), "Answers after expiry" },
	{ "wrong", OF(wrong), "Blocks that did not match" },
	{ "errors", OF(errors), "Blocks it failed or had not" },
	{ "lost", OF(lost), "Requests lost with the connection" },
	{ "bytes", OF(bytes), "Bytes that came" },
#undef OF
};

#define COUNTERS (sizeof(counters) / sizeof(*counters))

static unsigned long long count(const struct device *d, unsigned int source,
				const struct counter *c)
{
	return atomic_load(
		(const atomic_ullong *)((const char *)&d->stats[source] +
					c->offset));
}

static void print_status(FILE *f, const struct device *d)
{
	unsigned int i, j;

	for (; d; d = d->next) {
		fprintf(f,
			"device %s: %s repaired=%llu refused=%llu unavailable=%llu under_way=%u urgent=%llu overtaken=%llu\n",
			d->config->device,
			atomic_load(&d->attached) ? "attached" : "not there",
			atomic_load(&d->repaired), atomic_load(&d->refused),
			atomic_load(&d->unavailable), atomic_load(&d->jobs),
			atomic_load(&d->urgent), atomic_load(&d->overtaken));
		for (i = 0; i < d->config->source_count; i++) {
			const struct source_gauges *g = &d->gauges[i];

			fprintf(f, "device %s: source %s: %s",
				d->config->device, d->config->sources[i].uri,
				atomic_load(&g->up) ? "up" : "down");
			for (j = 0; j < COUNTERS; j++)
				fprintf(f, " %s=%llu", counters[j].name,
					count(d, i, &counters[j]));
			fprintf(f, " budget=%u in_flight=%u median_us=%llu\n",
				atomic_load(&g->budget),
				atomic_load(&g->in_flight),
				atomic_load(&g->median_us));
		}
	}
}

void status_log(const struct device *d)
{
	char *text = NULL, *line, *save;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	print_status(f, d);
	fclose(f);
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		log_info("%s", line);
	free(text);
}

/* ------------------------------------------------------------------ socket */

static int make_address(struct sockaddr_un *a, const char *dir)
{
	int n;

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	n = snprintf(a->sun_path, sizeof(a->sun_path), "%s/status", dir);
	return n < 0 || (size_t)n >= sizeof(a->sun_path) ? -ENAMETOOLONG : 0;
}

/* A connected socket, or a negative errno. */
static int reach(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)a, sizeof(*a)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int status_listen(const char *dir)
{
	struct sockaddr_un a;
	mode_t mask;
	int fd = -1, err;

	err = make_address(&a, dir);
	if (err)
		goto err_say;
	fd = reach(&a);
	if (fd >= 0) {
		log_warning(
			"another gridrepaird answers in %s; --status won't reach this one (--runtime-dir)",
			dir);
		close(fd);
		return -1;
	}
	unlink(a.sun_path);
	err = 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(fd, 8))
		err = -errno;
	umask(mask);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
err_say:
	log_warning("%s: %s; there will be no --status", dir,
		    strerrordesc_np(-err));
	return -1;
}

void status_answer(int fd, const struct device *devices)
{
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct timeval limit = { .tv_sec = 1 };
	char *text = NULL;
	size_t size = 0, at;
	ssize_t n;
	FILE *f;

	if (c < 0)
		return;
	/* Who doesn't read is not waited for. */
	setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	f = open_memstream(&text, &size);
	if (f) {
		print_status(f, devices);
		fclose(f);
	}
	for (at = 0; at < size; at += (size_t)n) {
		n = send(c, text + at, size - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
	}
	free(text);
	close(c);
}

void status_close(int fd, const char *dir)
{
	struct sockaddr_un a;

	if (fd < 0)
		return;
	if (!make_address(&a, dir))
		unlink(a.sun_path);
	close(fd);
}

int status_ask(const char *dir)
{
	struct timeval limit = { .tv_sec = 10 };
	struct sockaddr_un a;
	char buf[4096];
	size_t all = 0;
	ssize_t n;
	int fd;

	fd = make_address(&a, dir);
	if (!fd)
		fd = reach(&a);
	if (fd < 0) {
		fprintf(stderr,
			"gridrepaird: no daemon answers in %s: %s (is it running? --runtime-dir)\n",
			dir, strerrordesc_np(-fd));
		return EXIT_FAILURE;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		fwrite(buf, 1, (size_t)n, stdout);
		all += (size_t)n;
	}
	if (n < 0)
		fprintf(stderr, "gridrepaird: the daemon doesn't answer: %s\n",
			strerrordesc_np(errno));
	close(fd);
	return n || !all ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ----------------------------------------------------------- node-exporter */

/* A label's value: quotes, backslashes and line ends escaped. */
static void print_label(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		if (*s == '\n')
			fputs("\\n", f);
		else
			fputc(*s, f);
	}
}

static void print_name(FILE *f, const char *name, const struct device *d,
		       const char *source)
{
	fprintf(f, "gridrepaird_%s{device=\"", name);
	print_label(f, d->config->device);
	if (source) {
		fputs("\",source=\"", f);
		print_label(f, source);
	}
	fputs("\"} ", f);
}

static void print_metrics(FILE *f, const struct device *devices)
{
	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} own[] = {
#define OF(member) offsetof(struct device, member)
		{ "repaired_total", "counter", "Blocks repaired",
		  OF(repaired) },
		{ "refused_total", "counter", "Repairs the kernel refused",
		  OF(refused) },
		{ "unavailable_total", "counter", "Blocks marked unavailable",
		  OF(unavailable) },
		{ "urgent_total", "counter",
		  "Blocks asked for that readers wait for", OF(urgent) },
#undef OF
	};
	const struct device *d;
	unsigned int i, j;

	fputs("# HELP gridrepaird_attached The device is there\n"
	      "# TYPE gridrepaird_attached gauge\n",
	      f);
	for (d = devices; d; d = d->next) {
		print_name(f, "attached", d, NULL);
		fprintf(f, "%u\n", atomic_load(&d->attached));
	}
	for (i = 0; i < sizeof(own) / sizeof(*own); i++) {
		fprintf(f,
			"# HELP gridrepaird_%s %s\n# TYPE gridrepaird_%s %s\n",
			own[i].name, own[i].help, own[i].name, own[i].type);
		for (d = devices; d; d = d->next) {
			print_name(f, own[i].name, d, NULL);
			fprintf(f, "%llu\n",
				atomic_load((
					const atomic_ullong *)((const char *)d +
							       own[i].offset)));
		}
	}
	fputs("# HELP gridrepaird_source_up The source answers\n"
	      "# TYPE gridrepaird_source_up gauge\n",
	      f);
	for (d = devices; d; d = d->next)
		for (i = 0; i < d->config->source_count; i++) {
			print_name(f, "source_up", d,
				   d->config->sources[i].uri);
			fprintf(f, "%u\n", atomic_load(&d->gauges[i].up));
		}
	for (j = 0; j < COUNTERS; j++) {
		char name[64];

		snprintf(name, sizeof(name), "source_%s_total",
			 counters[j].name);
		fprintf(f,
			"# HELP gridrepaird_%s %s\n# TYPE gridrepaird_%s counter\n",
			name, counters[j].help, name);
		for (d = devices; d; d = d->next)
			for (i = 0; i < d->config->source_count; i++) {
				print_name(f, name, d,
					   d->config->sources[i].uri);
				fprintf(f, "%llu\n", count(d, i, &counters[j]));
			}
	}
}

/* What the writing thread is given; it frees it. */
struct metrics {
	char *path, *text;
	size_t size;
};

static atomic_bool metrics_busy;

static int write_file(const struct metrics *m)
{
	char temp[4096];
	size_t at;
	ssize_t n;
	int fd, err = 0;

	n = snprintf(temp, sizeof(temp), "%s.%d.tmp", m->path, getpid());
	if (n < 0 || (size_t)n >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	/* For everyone to read, whatever our own mask is. */
	if (fchmod(fd, 0644))
		err = -errno;
	for (at = 0; !err && at < m->size; at += (size_t)n) {
		n = write(fd, m->text + at, m->size - at);
		if (n < 0)
			err = -errno;
	}
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(temp, m->path))
		err = -errno;
	if (err)
		unlink(temp);
	return err;
}

static void *metrics_thread(void *arg)
{
	static atomic_int said;
	struct metrics *m = arg;
	int err = write_file(m);

	if (err && err != atomic_load(&said))
		log_warning("metrics %s: %s", m->path, strerrordesc_np(-err));
	atomic_store(&said, err);
	free(m->path);
	free(m->text);
	free(m);
	atomic_store(&metrics_busy, false);
	return NULL;
}

void metrics_write(const char *path, const struct device *devices)
{
	struct metrics *m;
	pthread_attr_t attr;
	pthread_t thread;
	FILE *f;

	if (atomic_exchange(&metrics_busy, true))
		return;
	m = calloc(1, sizeof(*m));
	f = m ? open_memstream(&m->text, &m->size) : NULL;
	if (!f)
		goto err_free;
	print_metrics(f, devices);
	fclose(f);
	m->path = strdup(path);
	if (!m->path)
		goto err_free;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (!pthread_create(&thread, &attr, metrics_thread, m))
		m = NULL; /* its own now */
	pthread_attr_destroy(&attr);
	if (!m)
		return;

err_free:
	if (m)
		free(m->text);
	free(m);
	atomic_store(&metrics_busy, false);
}
