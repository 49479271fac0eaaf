// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration: the command line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config_parts.h"

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

enum {
	O_DEVICE = 1000, /* and the others of config_options[] after it */
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

/* What has been said so far. */
struct line {
	struct config_device *d; /* NULL: nothing of a device */
	const char *file;
	bool runtime;
};

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

#define FIXED (sizeof(fixed) / sizeof(*fixed))

/* An option of a device or of a source; 0 or -EINVAL. */
static int option_of_device(struct config *c, struct line *l, int o)
{
	struct config_source *s;

	if (!l->d)
		l->d = config_add_device(c, NULL);
	if (!l->d)
		return -EINVAL;
	s = l->d->source_count ? &l->d->sources[l->d->source_count - 1] :
				 &l->d->source_defaults;
	switch (o) {
	case O_SOURCE:
		return config_add_source(c, l->d, optarg);
	case O_TRUST:
		return config_set_source(c, s, "trust", NULL);
	case O_OFFSET:
		return config_set_source(c, s, "offset", optarg);
	case O_PRIORITY:
		return config_set_source(c, s, "priority", optarg);
	default:
		return config_set_device(c, l->d, &config_options[o - O_DEVICE],
					 optarg);
	}
}

/* 0, -EINVAL, or 1: that was all. */
static int option(struct config *c, struct line *l, int o, char **argv)
{
	switch (o) {
	case O_HELP:
	case 'h':
		fputs(USAGE, stdout);
		return 1;
	case O_VERSION:
		puts("gridrepaird " GM_VERSION);
		return 1;
	case ':':
		return config_fail(c, "%s needs an argument", argv[optind - 1]);
	case '?':
		return config_fail(c, "unknown option \"%s\" (--help)",
				   argv[optind - 1]);
	case O_CONFIG:
		l->file = optarg;
		return 0;
	case O_FOREGROUND:
		c->foreground = true;
		return 0;
	case O_NO_LOCK:
		c->lock_memory = false;
		return 0;
	case O_STATUS:
		c->status = true;
		return 0;
	case O_CHECK:
		c->check = true;
		return 0;
	case O_JSON:
		c->json = true;
		return 0;
	case O_STATS:
		return config_set_global(c, "stats-interval", optarg);
	case O_LEVEL:
		return config_set_global(c, "log-level", optarg);
	case O_METRICS:
		return config_set_global(c, "metrics", optarg);
	case O_RUNTIME:
		l->runtime = true;
		return config_set_global(c, "runtime-dir", optarg);
	default:
		return option_of_device(c, l, o);
	}
}

/* What goes with what; 0 or -EINVAL. */
static int fits(struct config *c, const struct line *l)
{
	if (l->d && l->file)
		return config_fail(c, "either --config or a device, not both");
	if (l->d && c->status)
		return config_fail(c, "--status takes no device");
	if (c->check && c->status)
		return config_fail(c, "either --check or --status");
	if (c->json && !c->status)
		return config_fail(c, "--json goes with --status");
	return 0;
}

int config_command_line(struct config *c, int argc, char **argv)
{
	struct option longs[CONFIG_OPTIONS + FIXED + 1] = { { 0 } };
	struct line l = { 0 };
	int o, err = 0, i;

	for (i = 0; i < CONFIG_OPTIONS; i++) {
		longs[i].name = config_options[i].name;
		longs[i].has_arg = required_argument;
		longs[i].val = O_DEVICE + i;
	}
	memcpy(longs + CONFIG_OPTIONS, fixed, sizeof(fixed));
	c->command_line = true;
	optind = 0;
	opterr = 0;
	while (!err && (o = getopt_long(argc, argv, ":h", longs, NULL)) != -1)
		err = option(c, &l, o, argv);
	c->command_line = false;
	if (err)
		return err;
	if (optind < argc)
		return config_fail(c, "what is \"%s\"? (--help)", argv[optind]);
	err = fits(c, &l);
	if (err)
		return err;
	if (l.d)
		return config_check(c, "the command line");
	/* A daemon without configuration file is asked in its directory. */
	if (c->status && (l.runtime || !l.file))
		return 0;
	c->path = strdup(l.file ? l.file : "/etc/gridrepaird.conf");
	if (!c->path)
		return config_fail(c, "out of memory");
	/* At a start a mistake in a section costs that device only; --check tells it. */
	c->lenient = !c->check;
	return config_file(c, c->path);
}
