// SPDX-License-Identifier: GPL-2.0
/* Options and configuration of gridrepaird: tools/gridrepaird/config*.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "log.h"
#include "temp_file.h"

static int line(struct config *c, const char *first, ...)
{
	const char *argv[32] = { "gridrepaird", first };
	va_list args;
	int n = 2;

	config_init(c);
	va_start(args, first);
	while ((argv[n] = va_arg(args, const char *)))
		n++;
	va_end(args);
	return config_command_line(c, n, (char **)argv);
}

#define LINE(c, ...) line(c, __VA_ARGS__, (char *)NULL)

static void test_line(void **state)
{
	struct config_device *d;
	struct config c;

	(void)state;
	assert_int_equal(LINE(&c, "--device", "grid0", "--trust", "--source",
			      "nbd://host:10810/x", "--source=/a/file",
			      "--source-offset=1M", "--priority", "2",
			      "--agree=2", "--budget", "100", "--rate=2M",
			      "--hedge=50ms", "--foreground",
			      "--stats-interval", "10s"),
			 0);
	assert_int_equal(c.device_count, 1);
	d = c.devices[0];
	assert_string_equal(d->device, "grid0");
	assert_int_equal(d->source_count, 2);
	assert_int_equal(d->sources[0].kind, SOURCE_NBD);
	assert_true(d->sources[0].trust);
	assert_int_equal(d->sources[0].offset, 0);
	assert_int_equal(d->sources[1].kind, SOURCE_FILE);
	assert_string_equal(d->sources[1].path, "/a/file");
	assert_true(d->sources[1].trust); /* given before the first */
	assert_int_equal(d->sources[1].offset, 1 << 20);
	assert_int_equal(d->sources[1].priority, 2);
	assert_int_equal(d->sources[0].priority, 0);
	assert_int_equal(d->agree, 2);
	assert_int_equal(d->budget, 64); /* no more than budget-max */
	assert_int_equal(d->rate, 2 << 20);
	assert_int_equal(d->hedge_ms, 50);
	assert_int_equal(d->expiry_ms, 250);
	assert_int_equal(c.stats_interval_ms, 10000);
	assert_true(c.foreground);
	config_free(&c);
	/* After a source, trust is that one's. */
	assert_int_equal(LINE(&c, "--device", "d", "--source", "/a", "--source",
			      "/b", "--trust"),
			 0);
	assert_false(c.devices[0]->sources[0].trust);
	assert_true(c.devices[0]->sources[1].trust);
	config_free(&c);
}

#define REFUSED(want, ...)                                                    \
	do {                                                                  \
		struct config c;                                              \
		assert_int_equal(LINE(&c, __VA_ARGS__), -EINVAL);             \
		if (!strstr(c.error, want))                                   \
			fail_msg("\"%s\" doesn't say \"%s\"", c.error, want); \
		config_free(&c);                                              \
	} while (0)

static void test_line_refused(void **state)
{
	(void)state;
	REFUSED("no device", "--source", "/a");
	REFUSED("has no source", "--device", "d");
	REFUSED("unknown option \"--frob\"", "--frob");
	REFUSED("--device needs an argument", "--device");
	REFUSED("what is \"x\"", "--device", "d", "--source", "/a", "x");
	REFUSED("not both", "--config", "/x", "--device", "d");
	REFUSED("unknown scheme", "--device", "d", "--source", "ftp://x/");
	REFUSED("names no socket", "--device", "d", "--source",
		"nbd+unix:///x");
	REFUSED("source is empty", "--device", "d", "--source", "");
	REFUSED("device is empty", "--device", "");
	REFUSED("not a number", "--device", "d", "--batch", "x");
	REFUSED("not from 1 to 4096", "--device", "d", "--batch", "4097");
	REFUSED("not from 2 to 8", "--device", "d", "--agree", "1");
	REFUSED("3 sources shall agree, it has 1", "--device", "d", "--source",
		"/a", "--agree", "3");
	REFUSED("not a time", "--device", "d", "--hedge", "1y");
	REFUSED("not a size", "--device", "d", "--rate", "fast");
	REFUSED("priority", "--device", "d", "--source", "/a", "--priority",
		"-1");
	REFUSED("log-level", "--log-level", "loud");
	REFUSED("stats-interval", "--stats-interval", "often");
	REFUSED("not a time with a unit", "--stats-interval", "10");
}

static int file(struct config *c, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	config_init(c);
	return config_file(c, path);
}

static void test_file(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(
		file(&c, "# all of it\nlog-level = debug\n"
			 "stats-interval = 60s\n\n[ grid0 ]\n"
			 "source = nbd://a/x priority=1\n"
			 "source = \"/a path/with blanks\" trust offset=4K\n"
			 "memory=128M\n; another\n[253:4]\n"
			 "source=file:///x\n"),
		0);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_int_equal(c.stats_interval_ms, 60000);
	assert_int_equal(c.device_count, 2);
	assert_string_equal(c.devices[0]->device, "grid0");
	assert_int_equal(c.devices[0]->sources[0].priority, 1);
	assert_string_equal(c.devices[0]->sources[1].path,
			    "/a path/with blanks");
	assert_true(c.devices[0]->sources[1].trust);
	assert_int_equal(c.devices[0]->sources[1].offset, 4096);
	assert_int_equal(c.devices[0]->memory, 128 << 20);
	assert_int_equal(c.devices[1]->memory, 64 << 20);
	assert_string_equal(c.devices[1]->device, "253:4");
	assert_string_equal(c.devices[1]->sources[0].path, "/x");
	config_free(&c);
}

static void test_file_refused(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "", "there is no device" },
		{ "[d]\n", "device d has no source" },
		{ "[d]\nsource=/a\n[d]\nsource=/b\n", "d is there twice" },
		{ "[d\n", ":1: a section is written [DEVICE]" },
		{ "[]\n", ":1: a section is written [DEVICE]" },
		{ "source = /a\n", ":1: source is of a device" },
		{ "[d]\nsource\n", ":2: \"source\" is not KEY = VALUE" },
		{ "[d]\n\nfrob = 1\n", ":3: unknown option \"frob\"" },
		{ "[d]\ndevice = e\n", ":2: unknown option \"device\"" },
		{ "[d]\nsource = /a frob\n", "unknown word \"frob\"" },
		{ "[d]\nsource = /a trust=1\n", "unknown word \"trust\"" },
		{ "[d]\nsource = /a offset\n", "unknown word \"offset\"" },
		{ "[d]\nsource = /a offset=x\n", "not a size" },
		{ "[d]\nsource = \"/a\n", "the quote isn't closed" },
		{ "[d]\nsource = /a\nlog-level = info\n",
		  "before the first [DEVICE]" },
		{ "[d]\nsource = /a\nbudget = 0\n",
		  ":3: budget: 0 is not from" },
		{ "[d]\nsource=/a\nsource=/b\nsource=/a\nagree=2\n",
		  "device d: source /a is there twice" },
		{ "[d]\nsource=/a\nsource=file:///a\nagree=2\n",
		  "source file:///a is there twice" },
		{ "[d]\nsource=nbd://h/x\nsource=nbds://u@H:10809/%78?a=b\nagree=2\n",
		  "%78?a=b is there twice" },
		{ "[d]\nsource=nbd://[::1]\nsource=nbd://[::1]:010809/\nagree=2\n",
		  "010809/ is there twice" },
		{ "[d]\nsource=nbd+unix:///x?socket=/a/b\nsource=nbd+unix:///x?y&socket=%2fa/b#\nagree=2\n",
		  "%2fa/b# is there twice" },
		{ "stats-interval = 18446744073709551615ms\n",
		  ":1: stats-interval: \"18446744073709551615ms\" is not a time" },
	};
	struct config c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		assert_int_equal(file(&c, t[i].text), -EINVAL);
		if (!strstr(c.error, t[i].want))
			fail_msg("\"%s\" doesn't say \"%s\"", c.error,
				 t[i].want);
		if (strncmp(c.error, path, strlen(path)))
			fail_msg("\"%s\" doesn't name the file", c.error);
		config_free(&c);
	}
}

/* Others may agree with each other. */
static void test_agree(void **state)
{
	static const char *const t[][2] = {
		{ "/a", "/b" },
		{ "nbd://h/x", "nbd://h/X" },
		{ "nbd://h/x", "nbd://h/x/" },
		{ "nbd://h/x", "nbd://i/x" },
		{ "nbd://h/x", "nbd://h:10810/x" },
		{ "nbd+unix:///?socket=/a", "nbd+unix:///?socket=/b" },
		{ "nbd+unix:///x?socket=/a", "nbd+unix:///?socket=/a" },
		{ "nbd://h", "nbd+unix:///?socket=h" },
	};
	char text[256];
	struct config c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		snprintf(text, sizeof(text),
			 "[d]\nsource=%s\nsource=%s\nagree=2\n", t[i][0],
			 t[i][1]);
		assert_int_equal(file(&c, text), 0);
		config_free(&c);
	}
}

/* What is no text, and what would fill memory. */
static void test_no_text(void **state)
{
	static const char zero[] = "[d]\nsource = /a\nbudget = 6\0004\n";
	char longest[10000];
	struct config c;
	FILE *f;

	(void)state;
	f = fopen(path, "w");
	assert_non_null(f);
	fwrite(zero, 1, sizeof(zero) - 1, f);
	fclose(f);
	config_init(&c);
	assert_int_equal(config_file(&c, path), -EINVAL);
	assert_non_null(strstr(c.error, ":3: not text"));
	config_free(&c);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(file(&c, longest), -EINVAL);
	assert_non_null(strstr(c.error, ":1: the line is too long"));
	config_free(&c);
	config_init(&c);
	assert_int_equal(config_file(&c, "/tmp"), -EINVAL);
	assert_non_null(strstr(c.error, "Is a directory"));
	config_free(&c);
}

/* A reload disturbs only what it changes. */
static void test_equal(void **state)
{
	static const char *const options[] = {
		"--manifest=/m",     "--agree=2",
		"--checksum=sha256", "--index-format=/x",
		"--batch=7",	     "--budget=7",
		"--budget-max=70",   "--hedge=7ms",
		"--expiry=7ms",	     "--patience=7s",
		"--min-age=7ms",     "--queue=7ms",
		"--retry=7s",	     "--rate=7M",
		"--memory=70M",	     "--trust",
		"--priority=7",	     "--source-offset=7K",
		"--source=/third",   "--answer-timeout=7s",
	};
	struct config a, b;
	size_t i;

	(void)state;
	assert_int_equal(
		LINE(&a, "--device=d", "--source=/one", "--source=/two"), 0);
	assert_int_equal(
		LINE(&b, "--device=d", "--source=/one", "--source=/two"), 0);
	assert_true(config_device_equal(a.devices[0], b.devices[0]));
	config_free(&b);
	assert_int_equal(
		LINE(&b, "--device=d", "--source=/two", "--source=/one"), 0);
	assert_false(config_device_equal(a.devices[0], b.devices[0]));
	config_free(&b);
	for (i = 0; i < sizeof(options) / sizeof(*options); i++) {
		assert_int_equal(LINE(&b, "--device=d", "--source=/one",
				      "--source=/two", options[i]),
				 0);
		assert_false(config_device_equal(a.devices[0], b.devices[0]));
		config_free(&b);
	}
	config_free(&a);
}

static void test_global(void **state)
{
	struct config c;

	(void)state;
	setenv("RUNTIME_DIRECTORY", "/run/x", 1);
	assert_int_equal(LINE(&c, "--status"), 0);
	assert_true(c.status);
	assert_string_equal(c.runtime_dir, "/run/x");
	config_free(&c);
	unsetenv("RUNTIME_DIRECTORY");
	assert_int_equal(LINE(&c, "--device=d", "--source=/s",
			      "--metrics=/a/b.prom"),
			 0);
	assert_string_equal(c.runtime_dir, "/run/gridrepaird");
	assert_string_equal(c.metrics, "/a/b.prom");
	config_free(&c);
	assert_int_equal(LINE(&c, "--device=d", "--source=/s", "--metrics=b"),
			 -EINVAL);
	assert_non_null(strstr(c.error, "not an absolute path"));
	config_free(&c);
	assert_int_equal(LINE(&c, "--status", "--runtime-dir=/y"), 0);
	assert_string_equal(c.runtime_dir, "/y");
	config_free(&c);
}

/* Twenty devices on a small machine: each gets less, none nothing. */
static void test_memory(void **state)
{
	struct config c;
	unsigned int i;
	FILE *f;

	(void)state;
	f = fopen(path, "w");
	assert_non_null(f);
	for (i = 0; i < 20; i++)
		fprintf(f, "[d%u]\nsource = /x\nmemory = %s\n", i,
			i < 2 ? "4M" : "64M");
	fclose(f);
	config_init(&c);
	assert_int_equal(config_file(&c, path), 0);
	assert_int_equal(config_fit_memory(&c, 2ULL << 30), 0);
	assert_int_equal(c.devices[19]->memory_used, 64 << 20);
	/* What else they take is not theirs to share: 2 MiB each. */
	assert_int_equal(config_fit_memory(&c, 408 << 20), 20 << 20);
	assert_int_equal(c.devices[0]->memory_used, 4 << 20);
	assert_int_equal(c.devices[19]->memory_used, 20 << 20);
	/* Nor are their manifests, twice as large as the files. */
	c.devices[7]->manifest_size = 4 << 20;
	c.devices[19]->manifest_size = 14 << 20;
	assert_int_equal(config_fit_memory(&c, 408 << 20), 18 << 20);
	assert_int_equal(config_fit_memory(&c, 0), 1 << 20);
	assert_int_equal(c.devices[0]->memory_used, 1 << 20);
	config_free(&c);
}

/* URIs are checked when they are read. */
static void test_uris(void **state)
{
	static const char *const good[] = {
		"nbd://host",
		"nbd://host/x",
		"nbd://host:10809/x",
		"nbd://[::1]/x",
		"nbd://[fe80::1%25eth0]:10809/x",
		"nbds://user@host:1/x?tls-psk-file=/k",
		"nbd+unix:///?socket=/run/s",
		"nbds+unix:///x?tls-certificates=/c&socket=/run/s",
		"/a:b/c",
		"./nbd:host",
		"file:///x",
		"dir/nbd:x",
	};
	static const char *const bad[][2] = {
		{ "nbd://[::1:10809/x", "bracket isn't closed" },
		{ "nbd://[]/x", "names no host" },
		{ "nbd://[::1]10809/x", "after its address" },
		{ "nbd://::1/x", "names no host" },
		{ "nbd://fe80::1/x", "without brackets" },
		{ "nbd://host:abc/x", "no port" },
		{ "nbd://host:99999/x", "no port" },
		{ "nbd://host:0/x", "no port" },
		{ "nbd://host:-1/x", "no port" },
		{ "nbd://host:/x", "no port" },
		{ "nbd:///x", "names no host" },
		{ "nbd://:10809/x", "names no host" },
		{ "nbd://user@/x", "names no host" },
		{ "nbd://ho st/x", "has a blank" },
		{ "nbd+unix:///x", "names no socket" },
		{ "nbd+unix:///x?socket=", "an empty socket" },
		{ "nbd+unix:///x?socket=&a=b", "an empty socket" },
		{ "nbd+unix:///socket=x", "names no socket" },
		{ "nbd+unix://host/x?socket=/s", "has a host" },
		{ "nbd:host:10809", "no file by such a name" },
		{ "nbd:/host", "no file by such a name" },
		{ "file:x", "no file by such a name" },
		{ "file://", "names no file" },
		{ "http://x/", "unknown scheme" },
	};
	struct config c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(LINE(&c, "--device", "x", "--source", good[i]),
				 0);
		config_free(&c);
	}
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(LINE(&c, "--device", "x", "--source",
				      bad[i][0]),
				 -EINVAL);
		assert_non_null(strstr(c.error, bad[i][1]));
		config_free(&c);
	}
}

/* What the command line says of the daemon stands, also when the file is read again. */
static void test_command_line_stands(void **state)
{
	struct config c, again;
	FILE *f;

	(void)state;
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("log-level = error\nmetrics = /file.prom\nstats-interval = 5s\n[x]\nsource = /x\n",
	      f);
	fclose(f);
	assert_int_equal(LINE(&c, "--config", path, "--log-level=debug",
			      "--metrics=/line.prom"),
			 0);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_string_equal(c.metrics, "/line.prom");
	assert_int_equal(c.stats_interval_ms, 5000);
	config_init(&again);
	config_inherit(&again, &c);
	assert_int_equal(config_file(&again, path), 0);
	assert_int_equal(again.log_level, LOG_DEBUG);
	assert_string_equal(again.metrics, "/line.prom");
	assert_int_equal(again.stats_interval_ms, 5000);
	config_free(&c);
	config_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_line_refused),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_refused),
		cmocka_unit_test(test_agree),
		cmocka_unit_test(test_no_text),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_global),
		cmocka_unit_test(test_uris),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_command_line_stands),
	};

	return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
