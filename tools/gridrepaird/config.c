// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration; see config.h.
 *
 * Options are one table, used for lines "key = value" of the file and for
 * --key=value alike, so that what one can say the other can.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "helper.h"
#include "log.h"

int config_fail(struct config *c, const char *format, ...)
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
struct config_device *config_add_device(struct config *c, const char *name)
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
		config_fail(c, "out of memory");
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

const struct config_option config_options[CONFIG_OPTIONS] = {
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

void config_device_free(struct config_device *d)
{
	unsigned int i;

	if (!d)
		return;
	for (i = 0; i < d->source_count; i++)
		free(d->sources[i].uri);
	for (i = 0; i < CONFIG_OPTIONS; i++)
		if (config_options[i].kind == V_STRING)
			free(*(char **)((char *)d + config_options[i].offset));
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
			const struct config_option *o)
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
	for (i = 0; i < CONFIG_OPTIONS; i++)
		if (!same_option(a, b, &config_options[i]))
			return false;
	return true;
}

int config_set_device(struct config *c, struct config_device *d,
		      const struct config_option *o, const char *value)
{
	char *at = (char *)d + o->offset, *copy;
	uint64_t n = 0;
	int err = 0;

	switch (o->kind) {
	case V_STRING:
		if (!*value)
			return config_fail(c, "%s is empty", o->name);
		copy = strdup(value);
		if (!copy)
			return config_fail(c, "out of memory");
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
		return config_fail(
			c, "%s: \"%s\" is not a %s", o->name, value,
			o->kind == V_NUMBER ?
				"number" :
			o->kind == V_SIZE ?
				"size (such as 64M)" :
				"time with a unit (such as 100ms or 5s)");
	if (n < o->min || n > o->max)
		return config_fail(c, "%s: %s is not from %llu to %llu%s",
				   o->name, value, (unsigned long long)o->min,
				   (unsigned long long)o->max,
				   o->kind == V_TIME ? " ms" : "");
	if (o->kind == V_NUMBER)
		*(unsigned int *)at = (unsigned int)n;
	else
		*(uint64_t *)at = n;
	return 0;
}

/* Options of a source; @s is the last one, or the defaults. */
int config_set_source(struct config *c, struct config_source *s,
		      const char *name, const char *value)
{
	uint64_t n;

	if (!strcmp(name, "trust")) {
		s->trust = true;
	} else if (!strcmp(name, "offset")) {
		if (gm_parse_size(value, &n) || n > INT64_MAX)
			return config_fail(c, "offset: \"%s\" is not a size",
					   value);
		s->offset = n;
	} else {
		if (gm_parse_u64(value, &n) || n > 1000)
			return config_fail(
				c, "priority: \"%s\" is not from 0 to 1000",
				value);
		s->priority = (unsigned int)n;
	}
	return 0;
}

/* What agrees with itself proves nothing. */
static const char *source_twice(const struct config_device *d)
{
	unsigned int i, j;

	for (i = 0; i < d->source_count; i++)
		for (j = 0; j < i; j++)
			if (config_same_source(&d->sources[i], &d->sources[j]))
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
		return config_fail(c, "there is no device (--device DEV)");
	if (!d->source_count)
		return config_fail(c, "device %s has no source", d->device);
	if (d->agree > d->source_count)
		return config_fail(
			c, "device %s: %u sources shall agree, it has %u",
			d->device, d->agree, d->source_count);
	twice = d->agree ? source_twice(d) : NULL;
	if (twice)
		return config_fail(
			c,
			"device %s: source %s is there twice, and would agree with itself",
			d->device, twice);
	if (d->budget > d->budget_max)
		d->budget = d->budget_max;
	for (i = 0; i < n; i++)
		if (!strcmp(d->device, c->devices[i]->device))
			return config_fail(c, "device %s is there twice",
					   d->device);
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

int config_check(struct config *c, const char *path)
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
		return config_fail(c, "there is no device");
	return 0;
}

static unsigned int given_bit(const char *name)
{
	return !strcmp(name, "stats-interval") ? CONFIG_STATS :
	       !strcmp(name, "log-level")      ? CONFIG_LEVEL :
	       !strcmp(name, "metrics")	       ? CONFIG_METRICS :
						 CONFIG_RUNTIME;
}

int config_set_global(struct config *c, const char *name, const char *value)
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
		err = config_set_global(&unused, name, value);
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
			return config_fail(
				c,
				"stats-interval: \"%s\" is not a time with a unit (such as 60s) up to a day",
				value);
		c->stats_interval_ms = ms;
		return 0;
	}
	if (!strcmp(name, "metrics") || !strcmp(name, "runtime-dir")) {
		char **at = *name == 'm' ? &c->metrics : &c->runtime_dir;

		if (*value != '/')
			return config_fail(c,
					   "%s: \"%s\" is not an absolute path",
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
	return config_fail(
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
			return config_fail(c, "the quote isn't closed");
		*rest++ = 0;
	} else {
		rest = text + strcspn(text, " \t");
		if (*rest)
			*rest++ = 0;
	}
	err = config_add_source(c, d, uri);
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
			return config_fail(
				c,
				"source: unknown word \"%s\" (trust, priority=N, offset=SIZE)",
				word);
		err = config_set_source(c, s, word, value);
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
			return config_fail(c, "a section is written [DEVICE]");
		line[strlen(line) - 1] = 0;
		key = trim(key);
		if (!*key)
			return config_fail(c, "a section is written [DEVICE]");
		*d = config_add_device(c, key);
		return *d ? 0 : -EINVAL;
	}
	value = strchr(line, '=');
	if (!value)
		return config_fail(c, "\"%s\" is not KEY = VALUE", line);
	*value++ = 0;
	key = trim(line);
	value = trim(value);
	if (!strcmp(key, "stats-interval") || !strcmp(key, "log-level") ||
	    !strcmp(key, "metrics") || !strcmp(key, "runtime-dir")) {
		if (*d)
			return config_fail(
				c,
				"%s is of the daemon: before the first [DEVICE]",
				key);
		return config_set_global(c, key, value);
	}
	if (!*d)
		return config_fail(
			c, "%s is of a device: after a line [DEVICE]", key);
	if (!strcmp(key, "source"))
		return source_line(c, *d, value);
	for (i = 1; i < CONFIG_OPTIONS; i++)
		if (!strcmp(key, config_options[i].name))
			return config_set_device(c, *d, &config_options[i],
						 value);
	return config_fail(c, "unknown option \"%s\" (see gridrepaird.conf(5))",
			   key);
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
			err = config_fail(
				c, "%s",
				got == -EBADMSG ? "not text" :
				got == -E2BIG	? "the line is too long" :
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
			return config_fail(c, "%s: %.400s", place, line);
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
		return config_fail(c, "%s: %s", path, strerrordesc_np(errno));
	err = config_lines(c, f, path);
	fclose(f);
	if (err)
		return err;
	err = config_check(c, path);
	if (err) {
		strcpy(copy, c->error);
		config_fail(c, "%s: %.400s", path, copy);
	}
	return err;
}
