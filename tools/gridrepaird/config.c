// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration; see config.h.
 *
 * Options are one table, used for lines "key = value" of the file and for
 * --key=value alike, so that what one can say the other can.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "helper.h"
#include "log.h"

#define USAGE                                                                                \
	"Usage: gridrepaird [--config FILE]\n"                                               \
	"       gridrepaird --check [--config FILE]\n"                                       \
	"       gridrepaird --status [--json] [--config FILE | --runtime-dir DIR]\n"         \
	"       gridrepaird --device DEV --source URI [--source URI …] [OPTION…]\n"      \
	"\n"                                                                                 \
	"Repair the missing blocks of grid devices from other replicas.\n"                   \
	"\n"                                                                                 \
	"  --config FILE         configuration (/etc/gridrepaird.conf)\n"                    \
	"  --device DEV          dm name, path or MAJOR:MINOR\n"                             \
	"  --source URI          nbd://HOST[:PORT]/EXPORT, nbds://…,\n"                    \
	"                        nbd+unix:///EXPORT?socket=PATH, or a path\n"                \
	"\n"                                                                                 \
	"Options of a source: after a --source, of that one; before the first, of all:\n"    \
	"  --trust               also repair from it what nobody knows the checksum of\n"    \
	"  --source-offset SIZE  where the grid begins in it (0)\n"                          \
	"  --priority N          lower is asked first (0)\n"                                 \
	"\n"                                                                                 \
	"Options of the device:\n"                                                           \
	"  --manifest FILE       checksums of blocks, for faults without one\n"              \
	"  --agree N             accept what N sources say alike, for these (never)\n"       \
	"  --checksum NAME       hash to verify by, when the device has none\n"              \
	"  --batch N             faults taken from the kernel at a time (64)\n"              \
	"  --budget N            requests to a source at a time, to begin with (16)\n"       \
	"  --budget-max N        and at most (64)\n"                                         \
	"  --hedge TIME          ask another source after that (100ms)\n"                    \
	"  --queue TIME          delay in a source's queue that shrinks its budget (25ms)\n" \
	"  --expiry TIME         a request's place is free after that (250ms)\n"             \
	"  --patience TIME       a source that is away for longer doesn't count (60s)\n"     \
	"  --answer-timeout TIME reconnect when nothing is answered for that (15s)\n"        \
	"  --min-age TIME        the kernel hands a fault out again after that (500ms)\n"    \
	"  --retry TIME          try again what no source had (60s; 0 never)\n"              \
	"  --rate SIZE           bytes a second, for what no reader waits for (any)\n"       \
	"  --memory SIZE         for blocks on their way (64M)\n"                            \
	"  --index-format FILE   plug-in that reads tables' index blocks (built in)\n"       \
	"\n"                                                                                 \
	"Options of the daemon:\n"                                                           \
	"  --foreground          stay in the foreground (it always does)\n"                  \
	"  --stats-interval TIME log counters of each source this often (never)\n"           \
	"  --check               read it and the files it names, say what is wrong, end\n"   \
	"  --status              ask the daemon that runs for its counters, end\n"           \
	"  --json                these as JSON\n"                                            \
	"  --metrics FILE        write them there for node-exporter (nowhere)\n"             \
	"  --runtime-dir DIR     for --status, and for what outlives a crash\n"              \
	"                        (RUNTIME_DIRECTORY or /run/gridrepaird)\n"                  \
	"  --log-level LEVEL     error, warning, notice, info or debug (info)\n"             \
	"  --no-lock             don't lock memory\n"                                        \
	"  --help, --version\n"

static int fail(struct config *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct config *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->error, sizeof(c->error), format, args);
	va_end(args);
	return -EINVAL;
}

void config_inherit(struct config *c, const struct config *from)
{
	c->given = from->given;
	if (c->given & CONFIG_STATS)
		c->stats_interval_ms = from->stats_interval_ms;
	if (c->given & CONFIG_LEVEL)
		c->log_level = from->log_level;
	if (c->given & CONFIG_METRICS)
		c->metrics = from->metrics ? strdup(from->metrics) : NULL;
}

void config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	config->log_level = LOG_INFO;
	config->lock_memory = true;
	config->runtime_dir = strdup(gm_helper_dir());
}

/* NULL with ->error. */
static struct config_device *add_device(struct config *c, const char *name)
{
	struct config_device *d = calloc(1, sizeof(*d)), **more;

	if (d && name)
		d->device = strdup(name);
	more = realloc(c->devices, (c->device_count + 1) * sizeof(*more));
	if (more)
		c->devices = more;
	if (!d || !more || (name && !d->device)) {
		if (d)
			free(d->device);
		free(d);
		fail(c, "out of memory");
		return NULL;
	}
	more[c->device_count++] = d;
	d->batch = 64;
	d->budget = 16;
	d->budget_max = 64;
	d->hedge_ms = 100;
	d->expiry_ms = 250;
	d->queue_ms = 25;
	d->patience_ms = 60000;
	d->min_age_ms = 500;
	d->answer_timeout_ms = 15000;
	d->retry_ms = 60000;
	d->memory = 64 << 20;
	d->memory_used = d->memory;
	return d;
}

/* ----------------------------------------------------------------- options */

enum value_kind {
	V_STRING,
	V_NUMBER, /* unsigned int */
	V_SIZE, /* uint64_t */
	V_TIME, /* uint64_t, ms */
};

static const struct option_of_device {
	const char *name;
	enum value_kind kind;
	size_t offset;
	uint64_t min, max;
} device_options[] = {
#define OF(member) offsetof(struct config_device, member)
	{ "device", V_STRING, OF(device), 0, 0 },
	{ "manifest", V_STRING, OF(manifest), 0, 0 },
	{ "checksum", V_STRING, OF(checksum), 0, 0 },
	{ "index-format", V_STRING, OF(index_format), 0, 0 },
	{ "agree", V_NUMBER, OF(agree), 2, POLICY_KEPT_MAX },
	{ "batch", V_NUMBER, OF(batch), 1, GRID_MISSING_VECTOR_MAX },
	{ "budget", V_NUMBER, OF(budget), 1, 1024 },
	{ "budget-max", V_NUMBER, OF(budget_max), 1, 1024 },
	{ "hedge", V_TIME, OF(hedge_ms), 1, 3600000 },
	{ "queue", V_TIME, OF(queue_ms), 0, 3600000 },
	{ "expiry", V_TIME, OF(expiry_ms), 1, 3600000 },
	{ "patience", V_TIME, OF(patience_ms), 0, 86400000 },
	{ "answer-timeout", V_TIME, OF(answer_timeout_ms), 100, 3600000 },
	{ "min-age", V_TIME, OF(min_age_ms), 1, 3600000 },
	{ "retry", V_TIME, OF(retry_ms), 0, 86400000 },
	{ "rate", V_SIZE, OF(rate), 4096, UINT64_MAX / 1000000 },
	{ "memory", V_SIZE, OF(memory), 4 << 20, 16ULL << 30 },
#undef OF
};

#define MEMORY_LEAST (1ULL << 20) /* whatever there is */
#define MEMORY_BESIDES (2ULL << 20) /* stacks, requests: measured with 200 */

/*
 * Of a manifest, for each byte of its file: of a line of 42 bytes 24 are kept, and
 * up to 48 more are needed while it is read anew.
 */
#define MANIFEST_TIMES 2

#define DEVICE_OPTIONS (sizeof(device_options) / sizeof(*device_options))

void config_device_free(struct config_device *d)
{
	unsigned int i;

	if (!d)
		return;
	for (i = 0; i < d->source_count; i++)
		free(d->sources[i].uri);
	for (i = 0; i < DEVICE_OPTIONS; i++)
		if (device_options[i].kind == V_STRING)
			free(*(char **)((char *)d + device_options[i].offset));
	free(d);
}

void config_free(struct config *config)
{
	unsigned int i;

	for (i = 0; i < config->device_count; i++)
		config_device_free(config->devices[i]);
	free(config->devices);
	free(config->path);
	free(config->metrics);
	free(config->runtime_dir);
	memset(config, 0, sizeof(*config));
}

static bool same_option(const struct config_device *a,
			const struct config_device *b,
			const struct option_of_device *o)
{
	const void *x = (const char *)a + o->offset;
	const void *y = (const char *)b + o->offset;
	const char *s, *t;

	switch (o->kind) {
	case V_STRING:
		s = *(char *const *)x;
		t = *(char *const *)y;
		return s && t ? !strcmp(s, t) : s == t;
	case V_NUMBER:
		return *(const unsigned int *)x == *(const unsigned int *)y;
	default:
		return *(const uint64_t *)x == *(const uint64_t *)y;
	}
}

bool config_device_equal(const struct config_device *a,
			 const struct config_device *b)
{
	unsigned int i;

	if (a->source_count != b->source_count)
		return false;
	for (i = 0; i < a->source_count; i++) {
		const struct config_source *s = &a->sources[i];
		const struct config_source *t = &b->sources[i];

		if (strcmp(s->uri, t->uri) || s->trust != t->trust ||
		    s->priority != t->priority || s->offset != t->offset)
			return false;
	}
	for (i = 0; i < DEVICE_OPTIONS; i++)
		if (!same_option(a, b, &device_options[i]))
			return false;
	return true;
}

static int set_device(struct config *c, struct config_device *d,
		      const struct option_of_device *o, const char *value)
{
	char *at = (char *)d + o->offset, *copy;
	uint64_t n = 0;
	int err = 0;

	switch (o->kind) {
	case V_STRING:
		if (!*value)
			return fail(c, "%s is empty", o->name);
		copy = strdup(value);
		if (!copy)
			return fail(c, "out of memory");
		free(*(char **)at);
		*(char **)at = copy;
		return 0;
	case V_NUMBER:
		err = gm_parse_u64(value, &n);
		break;
	case V_SIZE:
		err = gm_parse_size(value, &n);
		break;
	case V_TIME:
		err = gm_parse_ms(value, &n);
		break;
	}
	if (err)
		return fail(c, "%s: \"%s\" is not a %s", o->name, value,
			    o->kind == V_NUMBER ?
				    "number" :
			    o->kind == V_SIZE ?
				    "size (such as 64M)" :
				    "time with a unit (such as 100ms or 5s)");
	if (n < o->min || n > o->max)
		return fail(c, "%s: %s is not from %llu to %llu%s", o->name,
			    value, (unsigned long long)o->min,
			    (unsigned long long)o->max,
			    o->kind == V_TIME ? " ms" : "");
	if (o->kind == V_NUMBER)
		*(unsigned int *)at = (unsigned int)n;
	else
		*(uint64_t *)at = n;
	return 0;
}

/* Options of a source; @s is the last one, or the defaults. */
static int set_source(struct config *c, struct config_source *s,
		      const char *name, const char *value)
{
	uint64_t n;

	if (!strcmp(name, "trust")) {
		s->trust = true;
	} else if (!strcmp(name, "offset")) {
		if (gm_parse_size(value, &n) || n > INT64_MAX)
			return fail(c, "offset: \"%s\" is not a size", value);
		s->offset = n;
	} else {
		if (gm_parse_u64(value, &n) || n > 1000)
			return fail(c, "priority: \"%s\" is not from 0 to 1000",
				    value);
		s->priority = (unsigned int)n;
	}
	return 0;
}

/*
 * What is wrong with an NBD URI, or NULL.  libnbd would say so only when it
 * connects, again and again.
 */
static const char *nbd_mistake(const char *uri)
{
	const char *rest = strstr(uri, "://") + 3, *host, *end, *port, *p;
	bool local = strstr(uri, "+unix://") == rest - 8;
	size_t len = strcspn(rest, "/?#");
	char *stop;
	unsigned long n;

	for (p = uri; *p; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p))
			return "has a blank (%20)";
	p = strstr(rest, "socket=");
	if (local) {
		/* A user (of a TLS key) is no host. */
		if (len && rest[len - 1] != '@')
			return "has a host, and a socket: nbd+unix:///EXPORT?socket=PATH";
		if (!p || !strchr(rest, '?') || strchr(rest, '?') > p)
			return "names no socket: nbd+unix:///EXPORT?socket=PATH";
		p += strlen("socket=");
		return !*p || *p == '&' ? "names an empty socket" : NULL;
	}
	end = rest + len;
	host = memchr(rest, '@', len);
	host = host ? host + 1 : rest;
	if (*host == '[') {
		port = memchr(host, ']', (size_t)(end - host));
		if (!port)
			return "has an address whose bracket isn't closed";
		if (port == host + 1)
			return "names no host";
		port++;
		if (port < end && *port != ':')
			return "has something after its address: [ADDRESS]:PORT";
	} else {
		port = memchr(host, ':', (size_t)(end - host));
		if (!port)
			port = end;
		if (port == host)
			return "names no host";
		if (port < end &&
		    memchr(port + 1, ':', (size_t)(end - port - 1)))
			return "has an address of IPv6 without brackets: [ADDRESS]:PORT";
	}
	if (port == end)
		return NULL;
	n = strtoul(++port, &stop, 10);
	if (stop != end || stop == port || !isdigit((unsigned char)*port) ||
	    !n || n > 65535)
		return "has no port from 1 to 65535 after the colon";
	return NULL;
}

/* What an NBD URI without a mistake names: an export of a server. */
struct nbd_name {
	struct text {
		const char *at;
		size_t len;
	} host, socket, export;
	unsigned long port;
};

static struct nbd_name nbd_name(const char *uri)
{
	const char *rest = strstr(uri, "://") + 3, *p;
	size_t len = strcspn(rest, "/?#");
	struct nbd_name n = { .port = 10809 };

	p = memchr(rest, '@', len);
	n.host.at = p ? p + 1 : rest;
	n.host.len = strcspn(n.host.at, *n.host.at == '[' ? "]" : ":/?#");
	p = memchr(n.host.at + n.host.len, ':',
		   (size_t)(rest + len - n.host.at) - n.host.len);
	if (p)
		n.port = strtoul(p + 1, NULL, 10);
	n.export.at = rest + len + (rest[len] == '/');
	n.export.len = strcspn(n.export.at, "?#");
	p = strstr(n.export.at + n.export.len, "socket=");
	if (p && !n.host.len) {
		n.socket.at = p + strlen("socket=");
		n.socket.len = strcspn(n.socket.at, "&#");
	}
	return n;
}

/* The next character, where "%41" is "A". */
static int next_char(struct text *t)
{
	char code[3] = { 0 };

	if (t->at[0] == '%' && t->len > 2 &&
	    isxdigit((unsigned char)t->at[1]) &&
	    isxdigit((unsigned char)t->at[2])) {
		memcpy(code, t->at + 1, 2);
		t->at += 3;
		t->len -= 3;
		return (int)strtoul(code, NULL, 16);
	}
	t->len--;
	return (unsigned char)*t->at++;
}

static bool same_text(struct text a, struct text b)
{
	while (a.len && b.len)
		if (next_char(&a) != next_char(&b))
			return false;
	return a.len == b.len;
}

/* By another spelling, too; what is one by links shows when it is open. */
static bool same_source(const struct config_source *a,
			const struct config_source *b)
{
	struct nbd_name x, y;

	if (a->kind != b->kind)
		return false;
	if (a->kind == SOURCE_FILE)
		return !strcmp(a->path, b->path);
	x = nbd_name(a->uri);
	y = nbd_name(b->uri);
	return x.port == y.port && x.host.len == y.host.len &&
	       !strncasecmp(x.host.at, y.host.at, x.host.len) &&
	       same_text(x.socket, y.socket) && same_text(x.export, y.export);
}

static int add_source(struct config *c, struct config_device *d,
		      const char *uri)
{
	static const char *const schemes[] = {
		"nbd://",
		"nbds://",
		"nbd+unix://",
		"nbds+unix://",
	};
	struct config_source *s = &d->sources[d->source_count];
	const char *mistake = NULL;
	size_t i;

	if (d->source_count == POLICY_SOURCES_MAX)
		return fail(c, "more than %d sources", POLICY_SOURCES_MAX);
	if (!*uri)
		return fail(c, "source is empty");
	*s = d->source_defaults;
	s->kind = SOURCE_FILE;
	for (i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (!strncmp(uri, schemes[i], strlen(schemes[i])))
			s->kind = SOURCE_NBD;
	if (s->kind == SOURCE_NBD)
		mistake = nbd_mistake(uri);
	if (mistake)
		return fail(c, "source %s %s", uri, mistake);
	if (s->kind == SOURCE_FILE && strstr(uri, "://") &&
	    strncmp(uri, "file://", 7))
		return fail(
			c,
			"source %s: unknown scheme (nbd://, nbds://, nbd+unix://, file:// or a path)",
			uri);
	/* "nbd:host:port", as QEMU writes it, "nbd:/x", "nbd+unix:x", "file:x". */
	if (s->kind == SOURCE_FILE && strncmp(uri, "file://", 7) &&
	    (!strncmp(uri, "nbd", 3) || !strncmp(uri, "file", 4)) &&
	    strcspn(uri, ":") < strcspn(uri, "/"))
		return fail(
			c,
			"source %s: no file by such a name is meant, is it? (nbd://HOST:PORT/EXPORT; ./NAME for a file)",
			uri);
	s->uri = strdup(uri);
	if (!s->uri)
		return fail(c, "out of memory");
	s->path = s->uri + (strncmp(uri, "file://", 7) ? 0 : 7);
	if (s->kind == SOURCE_FILE && !*s->path) {
		free(s->uri);
		s->uri = NULL;
		return fail(c, "source %s names no file", uri);
	}
	d->source_count++;
	return 0;
}

/* What agrees with itself proves nothing. */
static const char *source_twice(const struct config_device *d)
{
	unsigned int i, j;

	for (i = 0; i < d->source_count; i++)
		for (j = 0; j < i; j++)
			if (same_source(&d->sources[i], &d->sources[j]))
				return d->sources[i].uri;
	return NULL;
}

uint64_t config_fit_memory(struct config *c, uint64_t available)
{
	uint64_t sum = 0, left, share, small;
	uint64_t besides = c->device_count * MEMORY_BESIDES;
	unsigned int i, many;

	for (i = 0; i < c->device_count; i++)
		besides += c->devices[i]->manifest_size * MANIFEST_TIMES;
	available -= available < besides ? available : besides;
	for (i = 0; i < c->device_count; i++) {
		c->devices[i]->memory_used = c->devices[i]->memory;
		sum += c->devices[i]->memory;
	}
	if (sum <= available)
		return 0;
	/* Those that want less than a share have it; the others share what is left. */
	for (share = available / c->device_count;;) {
		left = available;
		small = 0;
		for (i = 0; i < c->device_count; i++)
			if (c->devices[i]->memory <= share) {
				left -= c->devices[i]->memory;
				small++;
			}
		many = c->device_count - (unsigned int)small;
		if (!many || left / many <= share)
			break;
		share = left / many;
	}
	if (share < MEMORY_LEAST)
		share = MEMORY_LEAST;
	for (i = 0; i < c->device_count; i++)
		if (c->devices[i]->memory_used > share)
			c->devices[i]->memory_used = share;
	return share;
}

/* The n-th device by itself, and beside those before it. */
static int check_device(struct config *c, unsigned int n)
{
	struct config_device *d = c->devices[n];
	const char *twice;
	unsigned int i;

	if (!d->device)
		return fail(c, "there is no device (--device DEV)");
	if (!d->source_count)
		return fail(c, "device %s has no source", d->device);
	if (d->agree > d->source_count)
		return fail(c, "device %s: %u sources shall agree, it has %u",
			    d->device, d->agree, d->source_count);
	twice = d->agree ? source_twice(d) : NULL;
	if (twice)
		return fail(
			c,
			"device %s: source %s is there twice, and would agree with itself",
			d->device, twice);
	if (d->budget > d->budget_max)
		d->budget = d->budget_max;
	for (i = 0; i < n; i++)
		if (!strcmp(d->device, c->devices[i]->device))
			return fail(c, "device %s is there twice", d->device);
	return 0;
}

/* The n-th device is left out, for ->error, at this place. */
static void leave_out(struct config *c, unsigned int n, const char *place)
{
	struct config_device *d = c->devices[n];

	if (!c->status)
		log_err("%s: %.400s; [%s] is left out", place, c->error,
			d->device);
	config_device_free(d);
	memmove(c->devices + n, c->devices + n + 1,
		(--c->device_count - n) * sizeof(*c->devices));
}

static int check(struct config *c, const char *path)
{
	unsigned int i;
	int err;

	for (i = 0; i < c->device_count; i++) {
		err = check_device(c, i);
		if (err && !c->lenient)
			return err;
		if (err)
			leave_out(c, i--, path);
	}
	if (!c->device_count)
		return fail(c, "there is no device");
	return 0;
}

static unsigned int given_bit(const char *name)
{
	return !strcmp(name, "stats-interval") ? CONFIG_STATS :
	       !strcmp(name, "log-level")      ? CONFIG_LEVEL :
	       !strcmp(name, "metrics")	       ? CONFIG_METRICS :
						 CONFIG_RUNTIME;
}

static int set_global(struct config *c, const char *name, const char *value)
{
	static const char *const levels[] = {
		[LOG_ERR] = "error",	 [LOG_WARNING] = "warning",
		[LOG_NOTICE] = "notice", [LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	struct config unused = { .error = "" };
	uint64_t ms;
	int i, err;

	/* What the command line said stands; the file's is checked all the same. */
	if (c->given & given_bit(name) && !c->command_line) {
		err = set_global(&unused, name, value);
		free(unused.metrics);
		free(unused.runtime_dir);
		if (err)
			memcpy(c->error, unused.error, sizeof(c->error));
		return err;
	}
	if (c->command_line)
		c->given |= given_bit(name);
	if (!strcmp(name, "stats-interval")) {
		if (gm_parse_ms(value, &ms) || ms > 86400000)
			return fail(
				c,
				"stats-interval: \"%s\" is not a time with a unit (such as 60s) up to a day",
				value);
		c->stats_interval_ms = ms;
		return 0;
	}
	if (!strcmp(name, "metrics") || !strcmp(name, "runtime-dir")) {
		char **at = *name == 'm' ? &c->metrics : &c->runtime_dir;

		if (*value != '/')
			return fail(c, "%s: \"%s\" is not an absolute path",
				    name, value);
		free(*at);
		*at = strdup(value);
		return 0;
	}
	for (i = LOG_ERR; i <= LOG_DEBUG; i++)
		if (!strcmp(value, levels[i])) {
			c->log_level = i;
			return 0;
		}
	return fail(
		c,
		"log-level: \"%s\" is not error, warning, notice, info or debug",
		value);
}

/* -------------------------------------------------------------------- file */

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = 0;
	return s;
}

/* "URI [trust] [priority=N] [offset=SIZE]"; a URI with blanks in quotes. */
static int source_line(struct config *c, struct config_device *d, char *text)
{
	char *uri = text, *rest, *word, *save, *value;
	struct config_source *s;
	int err;

	if (*text == '"') {
		uri = text + 1;
		rest = strchr(uri, '"');
		if (!rest)
			return fail(c, "the quote isn't closed");
		*rest++ = 0;
	} else {
		rest = text + strcspn(text, " \t");
		if (*rest)
			*rest++ = 0;
	}
	err = add_source(c, d, uri);
	if (err)
		return err;
	s = &d->sources[d->source_count - 1];
	for (word = strtok_r(rest, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save)) {
		value = strchr(word, '=');
		if (value)
			*value++ = 0;
		if (!!strcmp(word, "trust") != !!value ||
		    (strcmp(word, "trust") && strcmp(word, "priority") &&
		     strcmp(word, "offset")))
			return fail(
				c,
				"source: unknown word \"%s\" (trust, priority=N, offset=SIZE)",
				word);
		err = set_source(c, s, word, value);
		if (err)
			return err;
	}
	return 0;
}

static int config_line(struct config *c, struct config_device **d, char *line)
{
	char *key, *value;
	size_t i;

	if (*line == '[') {
		key = line + 1;
		if (!*key || line[strlen(line) - 1] != ']')
			return fail(c, "a section is written [DEVICE]");
		line[strlen(line) - 1] = 0;
		key = trim(key);
		if (!*key)
			return fail(c, "a section is written [DEVICE]");
		*d = add_device(c, key);
		return *d ? 0 : -EINVAL;
	}
	value = strchr(line, '=');
	if (!value)
		return fail(c, "\"%s\" is not KEY = VALUE", line);
	*value++ = 0;
	key = trim(line);
	value = trim(value);
	if (!strcmp(key, "stats-interval") || !strcmp(key, "log-level") ||
	    !strcmp(key, "metrics") || !strcmp(key, "runtime-dir")) {
		if (*d)
			return fail(
				c,
				"%s is of the daemon: before the first [DEVICE]",
				key);
		return set_global(c, key, value);
	}
	if (!*d)
		return fail(c, "%s is of a device: after a line [DEVICE]", key);
	if (!strcmp(key, "source"))
		return source_line(c, *d, value);
	for (i = 1; i < DEVICE_OPTIONS; i++)
		if (!strcmp(key, device_options[i].name))
			return set_device(c, *d, &device_options[i], value);
	return fail(c, "unknown option \"%s\" (see gridrepaird.conf(5))", key);
}

/* The rest of a line that wasn't taken. */
static void skip_line(FILE *f)
{
	int ch;

	do {
		ch = getc_unlocked(f);
	} while (ch != EOF && ch != '\n');
}

/*
 * All lines.  A mistake is of the section it is in, of which no more is read
 * when that is left out; one before all sections is everybody's.
 */
static int config_lines(struct config *c, FILE *f, const char *path)
{
	char line[8192], place[600], *text = line;
	struct config_device *d = NULL;
	bool skip = false, header;
	unsigned long number = 0;
	int got, err;

	while ((got = gm_read_line(f, line, sizeof(line)))) {
		number++;
		err = 0;
		header = false;
		if (got < 0) {
			err = fail(c, "%s",
				   got == -EBADMSG ? "not text" :
				   got == -E2BIG   ? "the line is too long" :
						     strerrordesc_np(-got));
		} else {
			text = trim(line);
			header = *text == '[';
			skip &= !header;
			if (!skip && *text && *text != '#' && *text != ';')
				err = config_line(c, &d, text);
		}
		if (!err)
			continue;
		snprintf(place, sizeof(place), "%s:%lu", path, number);
		if (!c->lenient || (!d && !skip && !header) ||
		    (got < 0 && got != -EBADMSG && got != -E2BIG)) {
			snprintf(line, sizeof(line), "%s", c->error);
			return fail(c, "%s: %.400s", place, line);
		}
		if (got < 0)
			skip_line(f);
		if (header) {
			if (!c->status)
				log_err("%s: %.400s; this section is left out",
					place, c->error);
		} else if (!skip) {
			leave_out(c, c->device_count - 1, place);
		}
		skip = true;
		d = NULL;
	}
	return 0;
}

int config_file(struct config *c, const char *path)
{
	char copy[sizeof(c->error)];
	FILE *f = fopen(path, "re");
	int err;

	if (!f)
		return fail(c, "%s: %s", path, strerrordesc_np(errno));
	err = config_lines(c, f, path);
	fclose(f);
	if (err)
		return err;
	err = check(c, path);
	if (err) {
		strcpy(copy, c->error);
		fail(c, "%s: %.400s", path, copy);
	}
	return err;
}

/* ------------------------------------------------------------ command line */

enum {
	O_DEVICE = 1000, /* and the others of device_options[] after it */
	O_CONFIG = 2000,
	O_SOURCE,
	O_TRUST,
	O_OFFSET,
	O_PRIORITY,
	O_FOREGROUND,
	O_STATS,
	O_LEVEL,
	O_METRICS,
	O_RUNTIME,
	O_STATUS,
	O_CHECK,
	O_JSON,
	O_NO_LOCK,
	O_HELP,
	O_VERSION,
};

int config_command_line(struct config *c, int argc, char **argv)
{
	static const struct option fixed[] = {
		{ "config", required_argument, NULL, O_CONFIG },
		{ "source", required_argument, NULL, O_SOURCE },
		{ "trust", no_argument, NULL, O_TRUST },
		{ "source-offset", required_argument, NULL, O_OFFSET },
		{ "priority", required_argument, NULL, O_PRIORITY },
		{ "foreground", no_argument, NULL, O_FOREGROUND },
		{ "stats-interval", required_argument, NULL, O_STATS },
		{ "log-level", required_argument, NULL, O_LEVEL },
		{ "metrics", required_argument, NULL, O_METRICS },
		{ "runtime-dir", required_argument, NULL, O_RUNTIME },
		{ "status", no_argument, NULL, O_STATUS },
		{ "check", no_argument, NULL, O_CHECK },
		{ "json", no_argument, NULL, O_JSON },
		{ "no-lock", no_argument, NULL, O_NO_LOCK },
		{ "help", no_argument, NULL, O_HELP },
		{ "version", no_argument, NULL, O_VERSION },
	};
	struct option longs[DEVICE_OPTIONS + sizeof(fixed) / sizeof(*fixed) +
			    1] = { { 0 } };
	struct config_device *d = NULL;
	struct config_source *s;
	const char *file = NULL;
	bool any = false, runtime = false;
	size_t i;
	int o, err = 0;

	for (i = 0; i < DEVICE_OPTIONS; i++) {
		longs[i].name = device_options[i].name;
		longs[i].has_arg = required_argument;
		longs[i].val = O_DEVICE + (int)i;
	}
	memcpy(longs + DEVICE_OPTIONS, fixed, sizeof(fixed));
	c->command_line = true;
	optind = 0;
	opterr = 0;
	while (!err && (o = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (o == O_HELP || o == 'h') {
			fputs(USAGE, stdout);
			return 1;
		}
		if (o == O_VERSION) {
			puts("gridrepaird " GM_VERSION);
			return 1;
		}
		if (o == ':')
			return fail(c, "%s needs an argument",
				    argv[optind - 1]);
		if (o == '?')
			return fail(c, "unknown option \"%s\" (--help)",
				    argv[optind - 1]);
		if (o == O_CONFIG) {
			file = optarg;
			continue;
		}
		if (o == O_FOREGROUND) {
			c->foreground = true;
			continue;
		}
		if (o == O_NO_LOCK) {
			c->lock_memory = false;
			continue;
		}
		if (o == O_STATUS) {
			c->status = true;
			continue;
		}
		if (o == O_CHECK) {
			c->check = true;
			continue;
		}
		if (o == O_JSON) {
			c->json = true;
			continue;
		}
		if (o == O_RUNTIME)
			runtime = true;
		if (o == O_STATS || o == O_LEVEL || o == O_METRICS ||
		    o == O_RUNTIME) {
			err = set_global(c,
					 o == O_STATS	? "stats-interval" :
					 o == O_LEVEL	? "log-level" :
					 o == O_METRICS ? "metrics" :
							  "runtime-dir",
					 optarg);
			continue;
		}
		any = true;
		if (!d)
			d = add_device(c, NULL);
		if (!d)
			return -EINVAL;
		s = d->source_count ? &d->sources[d->source_count - 1] :
				      &d->source_defaults;
		switch (o) {
		case O_SOURCE:
			err = add_source(c, d, optarg);
			break;
		case O_TRUST:
			err = set_source(c, s, "trust", NULL);
			break;
		case O_OFFSET:
			err = set_source(c, s, "offset", optarg);
			break;
		case O_PRIORITY:
			err = set_source(c, s, "priority", optarg);
			break;
		default:
			err = set_device(c, d, &device_options[o - O_DEVICE],
					 optarg);
		}
	}
	c->command_line = false;
	if (err)
		return err;
	if (optind < argc)
		return fail(c, "what is \"%s\"? (--help)", argv[optind]);
	if (any && file)
		return fail(c, "either --config or a device, not both");
	if (any && c->status)
		return fail(c, "--status takes no device");
	if (c->check && c->status)
		return fail(c, "either --check or --status");
	if (c->json && !c->status)
		return fail(c, "--json goes with --status");
	if (any)
		return check(c, "the command line");
	/* A daemon without configuration file is asked in its directory. */
	if (c->status && (runtime || !file))
		return 0;
	c->path = strdup(file ? file : "/etc/gridrepaird.conf");
	if (!c->path)
		return fail(c, "out of memory");
	/* At a start a mistake in a section costs that device only; --check tells it. */
	c->lenient = !c->check;
	return config_file(c, c->path);
}
