// SPDX-License-Identifier: GPL-2.0
/*
 * What the daemon tells about itself; see status.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "helper.h"
#include "status.h"

#define SCHEMA_VERSION 1

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
	return atomic_load((
		const atomic_ullong *)((const char *)&d->s.gauges.stats[source] +
				       c->offset));
}

static void put(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *source_status(const struct device *d, unsigned int i)
{
	struct json_object *o = json_object_new_object();
	const struct source_gauges *g = &d->s.gauges.sources[i];
	unsigned int j;

	json_object_object_add(
		o, "source", json_object_new_string(d->config->sources[i].uri));
	json_object_object_add(o, "up",
			       json_object_new_boolean(atomic_load(&g->up)));
	for (j = 0; j < COUNTERS; j++)
		put(o, counters[j].name, count(d, i, &counters[j]));
	put(o, "budget", atomic_load(&g->budget));
	put(o, "in_flight", atomic_load(&g->in_flight));
	put(o, "median_us", atomic_load(&g->median_us));
	return o;
}

static void put_state(struct json_object *o, const char *key,
		      const struct loader *l)
{
	json_object_object_add(
		o, key,
		json_object_new_string(loader_state_name(loader_state(l))));
}

static struct json_object *device_status(const struct device *d)
{
	struct json_object *o = json_object_new_object();
	struct json_object *sources = json_object_new_array();
	unsigned int i;

	json_object_object_add(o, "device",
			       json_object_new_string(d->config->device));
	json_object_object_add(
		o, "attached",
		json_object_new_boolean(atomic_load(&d->s.gauges.attached)));
	json_object_object_add(
		o, "settled",
		json_object_new_boolean(atomic_load(&d->s.gauges.attached) &&
					atomic_load(&d->s.gauges.settled)));
	put_state(o, "manifest", &d->s.manifest);
	put_state(o, "index_format", &d->s.index);
	put(o, "repaired", atomic_load(&d->s.gauges.repaired));
	put(o, "refused", atomic_load(&d->s.gauges.refused));
	put(o, "unavailable", atomic_load(&d->s.gauges.unavailable));
	put(o, "under_way", atomic_load(&d->s.gauges.jobs));
	put(o, "urgent", atomic_load(&d->s.gauges.urgent));
	put(o, "overtaken", atomic_load(&d->s.gauges.overtaken));
	put(o, "tracker", atomic_load(&d->s.gauges.tracker));
	for (i = 0; i < d->config->source_count; i++)
		json_object_array_add(sources, source_status(d, i));
	json_object_object_add(o, "sources", sources);
	return o;
}

/* All there is to be told: what --status gets, and the log prints. */
static struct json_object *all_status(const struct device *d)
{
	struct json_object *o = json_object_new_object();
	struct json_object *devices = json_object_new_array();

	put(o, "schema_version", SCHEMA_VERSION);
	for (; d; d = d->next)
		json_object_array_add(devices, device_status(d));
	json_object_object_add(o, "devices", devices);
	return o;
}

static const char *string(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static bool lacks(struct json_object *o, const char *key)
{
	const char *state = string(o, key);

	return state && (!strcmp(state, "away") || !strcmp(state, "coming"));
}

static bool is(struct json_object *o, const char *key)
{
	return json_object_get_boolean(json_object_object_get(o, key));
}

static void print_numbers(FILE *f, struct json_object *o)
{
	struct json_object_iterator at = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);
	struct json_object *value;

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		value = json_object_iter_peek_value(&at);
		if (json_object_is_type(value, json_type_int))
			fprintf(f, " %s=%" PRIu64,
				json_object_iter_peek_name(&at),
				json_object_get_uint64(value));
	}
	fputc('\n', f);
}

/* The same for people to read. */
static void print_status(FILE *f, struct json_object *all)
{
	struct json_object *devices = json_object_object_get(all, "devices");
	struct json_object *d, *sources, *s;
	size_t i, j;

	for (i = 0; i < json_object_array_length(devices); i++) {
		d = json_object_array_get_idx(devices, i);
		fprintf(f, "device %s: %s%s%s", string(d, "device"),
			is(d, "attached") ? "attached" : "not there",
			lacks(d, "manifest") ? ", without its manifest" : "",
			lacks(d, "index_format") ?
				", without its index-format" :
				"");
		print_numbers(f, d);
		sources = json_object_object_get(d, "sources");
		for (j = 0; j < json_object_array_length(sources); j++) {
			s = json_object_array_get_idx(sources, j);
			fprintf(f, "device %s: source %s: %s",
				string(d, "device"), string(s, "source"),
				is(s, "up") ? "up" : "down");
			print_numbers(f, s);
		}
	}
}

void status_log(const struct device *d)
{
	char *text = NULL, *line, *save;
	struct json_object *all;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	all = all_status(d);
	print_status(f, all);
	json_object_put(all);
	fclose(f);
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		log_info("%s", line);
	free(text);
}

/* ------------------------------------------------------------------ socket */

int status_listen(const char *dir)
{
	struct sockaddr_un a;
	mode_t mask;
	int fd = -1, err;

	err = gm_helper_address(&a, dir);
	if (err)
		goto err_say;
	/* Nobody is waited for: nothing is repaired yet, and signals are blocked. */
	fd = gm_helper_reach(&a, SOCK_NONBLOCK);
	if (fd >= 0 || fd == -EAGAIN) {
		log_warning(
			"another gridrepaird answers in %s; --status won't reach this one (--runtime-dir)",
			dir);
		if (fd >= 0)
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

bool status_answer(int fd, const struct device *devices)
{
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct timeval limit = { .tv_sec = 1 };
	struct json_object *all;
	const char *text;
	size_t size, at;
	ssize_t n;

	if (c < 0)
		return false;
	/* Who doesn't read is not waited for. */
	setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	all = all_status(devices);
	text = json_object_to_json_string_length(
		all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		&size);
	for (at = 0; at < size; at += (size_t)n) {
		n = send(c, text + at, size - at, MSG_NOSIGNAL);
		/* Where there is a limit, a stop and its end interrupt. */
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			break;
	}
	json_object_put(all);
	close(c);
	return true;
}

void status_close(int fd, const char *dir)
{
	struct sockaddr_un a;

	if (fd < 0)
		return;
	if (!gm_helper_address(&a, dir))
		unlink(a.sun_path);
	close(fd);
}

int status_ask(const char *dir, bool json)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *all = NULL;
	struct sockaddr_un a;
	uint64_t end;
	bool left;
	const char *why = "it hung up";
	char buf[4096];
	ssize_t n;
	int fd;

	fd = gm_helper_address(&a, dir);
	if (!fd)
		fd = gm_helper_reach(&a, 0);
	if (fd < 0) {
		fprintf(stderr,
			"gridrepaird: no daemon answers in %s: %s (is it running? --runtime-dir)\n",
			dir, strerrordesc_np(-fd));
		json_tokener_free(tokener);
		return EXIT_FAILURE;
	}
	end = gm_helper_end();
	do {
		left = gm_helper_limit(fd, SO_RCVTIMEO, end);
		n = read(fd, buf, sizeof(buf));
		if (n > 0)
			all = json_tokener_parse_ex(tokener, buf, (int)n);
	} while (!all && (n > 0 || (n && errno == EINTR && left)));
	if (!all && n < 0)
		why = strerrordesc_np(errno);
	close(fd);
	json_tokener_free(tokener);
	if (!all) {
		fprintf(stderr, "gridrepaird: the daemon doesn't answer: %s\n",
			why);
		return EXIT_FAILURE;
	}
	if (json)
		puts(json_object_to_json_string_ext(
			all, JSON_C_TO_STRING_PLAIN |
				     JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_status(stdout, all);
	json_object_put(all);
	return EXIT_SUCCESS;
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
#define OF(member) offsetof(struct device, s.gauges.member)
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
		fprintf(f, "%u\n", atomic_load(&d->s.gauges.attached));
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
			fprintf(f, "%u\n",
				atomic_load(&d->s.gauges.sources[i].up));
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
	if (!thread_start(NULL, THREAD_SMALL, metrics_thread, m))
		return; /* it is its own now */

err_free:
	if (m)
		free(m->text);
	free(m);
	atomic_store(&metrics_busy, false);
}
