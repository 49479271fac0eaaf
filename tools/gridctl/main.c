// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl: the command line of grid_missing.
 *
 * This file holds the table of verbs, which is also the help, and the parsing
 * of the command line by that table.  The verbs themselves are in files of their
 * own, mostly by their names: also show.c (what is listed), change.c (blocks),
 * tab.c (attach, detach), resize.c (and resume).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

static const struct ctl_verb verbs[] = {
	{ "create",
	  "NAME DEVICE",
	  2,
	  2,
	  "create a grid device on top of a block device",
	  "With --metadata the set of missing blocks outlives a crash, and what isn't given\n"
	  "is as \"format\" was told.  Without, it is volatile: a crash, a removal or a\n"
	  "module upgrade forgets it, and blocks that were not repaired would read as good\n"
	  "again.  After a crash, create the device with --start=held, enqueue what\n"
	  "your application's checksums or a manifest say is missing, then \"ready\".\n"
	  "Over a planned stop, \"save\" and \"load\" carry it.\n",
	  { { "block-size", "SIZE",
	      "bytes a block, 4K to 1M, a power of two (required)" },
	    { "metadata", "DEVICE",
	      "where its map is kept, or \"internal\": see \"format\"" },
	    { "metadata-start", "SECTORS",
	      "where on that device it begins (0)" },
	    { "metadata-uuid", "UUID", "what its uuid has to be" },
	    { "offset", "SIZE", "where the grid begins on DEVICE (0)" },
	    { "length", "SIZE",
	      "its length (all that is left, in whole blocks)" },
	    { "checksum", "NAME",
	      "hash of the kernel's crypto API, or none (none)" },
	    { "on-missing", "park|error",
	      "what a read of a missing block does (park)" },
	    { "park-timeout", "TIME", "how long it may wait (60s)" },
	    { "no-helper", "TIME", "the same while no helper is there (5s)" },
	    { "checkpoint", "flush|explicit", "what a checkpoint is (flush)" },
	    { "start", "clean|held", "held: I/O waits for \"ready\" (clean)" },
	    { "detect", "on|off", "whether read errors become faults (on)" },
	    { "blocks-max", "N", "most single faults (65536)" },
	    { "tables-max", "N", "most tables at a time (8)" },
	    { "table-values-max", "N", "most values of a table (16384)" },
	    { "read-only", NULL, "a device that cannot be written" },
	    { "force", NULL, "whatever lies on DEVICE ahead of --offset" },
	    { "uuid", "UUID", "of the dm device (GRID- and a random one)" },
	    { "print-table", NULL, "print the table line, create nothing" } },
	  verb_create },
	{ "remove",
	  "NAME",
	  1,
	  1,
	  "remove a grid device",
	  "Missing blocks that were not repaired are forgotten with it, unless it has\n"
	  "metadata that hasn't failed: see \"save\".\n",
	  { { "deferred", NULL, "when its last user closes it" },
	    { "force", NULL, "though missing blocks are forgotten" } },
	  verb_remove },
	{ "resize",
	  "DEV",
	  1,
	  1,
	  "make a device as long as the one below has become",
	  "What is missing stays known.  What the module refuses is told in its words, and\n"
	  "leaves the device as it was.\n",
	  { { "length", "SIZE",
	      "its new length (all there is, in whole blocks)" },
	    { "force", NULL, "shorter, though it is in use" } },
	  verb_resize },
	{ "resume",
	  "DEV",
	  1,
	  1,
	  "let a suspended device go on",
	  NULL,
	  { { 0 } },
	  verb_resume },
	{ "attach",
	  "[NAME]",
	  0,
	  1,
	  "create a device as /etc/gridtab says",
	  "Waits for its disks.  A device that starts held is compared with the manifest\n"
	  "that its line names, or waits until \"gridctl ready\" is said; see gridtab(5).\n",
	  { { "all", NULL, "all of them, but those with noauto" },
	    { "nowait", NULL, "leave a held device held" },
	    { "tab", "FILE", "another table (/etc/gridtab)" } },
	  verb_attach },
	{ "detach",
	  "[NAME]",
	  0,
	  1,
	  "remove a device that /etc/gridtab names",
	  "What is missing on it is forgotten, unless it has metadata that hasn't failed.\n",
	  { { "all", NULL, "all of them, but those with noauto" },
	    { "tab", "FILE", "another table (/etc/gridtab)" } },
	  verb_detach },
	{ "list", "", 0, 0, "list trackers", NULL, { { 0 } }, verb_list },
	{ "status",
	  "DEV",
	  1,
	  1,
	  "counters of a device",
	  NULL,
	  { { "watch", "TIME", "again and again, this often" } },
	  verb_status },
	{ "faults",
	  "DEV",
	  1,
	  1,
	  "list missing blocks",
	  NULL,
	  { { "state", "STATE", "only these: waiting, writing or aborting" },
	    { "unavailable", NULL, "only those that fail their readers" },
	    { "range", "FIRST-LAST", "only of these blocks" },
	    { "bytes", "OFFSET+SIZE", "only what these bytes of DEV touch" },
	    { "limit", "N", "at most so many" } },
	  verb_faults },
	{ "tables", "DEV", 1, 1, "list tables", NULL, { { 0 } }, verb_tables },
	{ "released",
	  "DEV",
	  1,
	  1,
	  "list what is released and not yet discarded",
	  "States: released (the next checkpoint's), taken (freed once the checkpoint that\n"
	  "was taken is durable), freed (its discard is still to come).\n",
	  { { 0 } },
	  verb_released },
	{ "enqueue",
	  "DEV [BLOCK…]",
	  1,
	  -1,
	  "say that blocks are missing",
	  "BLOCK is ADDRESS, ADDRESS:CHECKSUM, ADDRESS CHECKSUM, or FIRST-LAST (no\n"
	  "checksum).  With \"-\" or --manifest, lines ADDRESS CHECKSUM [table].\n",
	  { { "manifest", "FILE",
	      "read them from there (\"-\": standard input)" },
	    { "all", NULL, "every block of the device, without checksum" } },
	  verb_enqueue },
	{ "enqueue-table",
	  "DEV BLOCK…",
	  2,
	  -1,
	  "say that tables are missing, by their index blocks",
	  "BLOCK is ADDRESS, ADDRESS:CHECKSUM or ADDRESS CHECKSUM.\n",
	  { { 0 } },
	  verb_enqueue_table },
	{ "batch",
	  "DEV",
	  1,
	  1,
	  "what to repair next",
	  "This hands out: what it prints goes to the end of the queue.\n",
	  { { "max", "N", "at most so many (64)" },
	    { "min-age", "TIME", "nothing handed out less than that ago (0)" } },
	  verb_batch },
	{ "repair",
	  "DEV [ADDRESS [CHECKSUM]]",
	  1,
	  -1,
	  "put blocks back",
	  "With one ADDRESS, its data comes from standard input or --data.  With\n"
	  "--from, each ADDRESS (all that wait, when none is given) is read at its own\n"
	  "place in SOURCE, a file or block device.\n",
	  { { "data", "FILE", "the block's data" },
	    { "from", "SOURCE", "a replica: a file or block device" },
	    { "source-offset", "SIZE", "where the grid begins in SOURCE (0)" },
	    { "serial", "N",
	      "only the fault that had this number when the data was fetched" },
	    { "trust", NULL,
	      "with --from: also blocks that can't be verified" } },
	  verb_repair },
	{ "unavailable",
	  "DEV ADDRESS…",
	  2,
	  -1,
	  "mark blocks that no source has: their readers fail at once",
	  NULL,
	  { { 0 } },
	  verb_unavailable },
	{ "retry",
	  "DEV [ADDRESS…]",
	  1,
	  -1,
	  "try blocks again that were marked unavailable",
	  NULL,
	  { { "all", NULL, "all of them" } },
	  verb_retry },
	{ "reclaim",
	  "DEV",
	  1,
	  1,
	  "free the slots of ended tables",
	  NULL,
	  { { 0 } },
	  verb_reclaim },
	{ "cancel",
	  "DEV [ADDRESS…]",
	  1,
	  -1,
	  "forget missing blocks",
	  "Afterwards reads of them return what the lower device has.  Where that isn't\n"
	  "what a checksum says, or nobody knows one, this wants --force (exit code 6).\n",
	  { { "all", NULL, "all of them, and all tables" },
	    { "tables", NULL,
	      "each ADDRESS is a table's index: all that the table has left" },
	    { "nowait", NULL, "don't wait for writes under way" },
	    { "force", NULL, "though blocks aren't known to be good" } },
	  verb_cancel },
	{ "checkpoint",
	  "DEV [take | durable ID | revert]",
	  1,
	  3,
	  "take a checkpoint, make it durable",
	  "Without more: both at once (with checkpoint:flush, a flush). revert: what is\n"
	  "released and not yet freed is in use again.\n",
	  { { 0 } },
	  verb_checkpoint },
	{ "sync-jump",
	  "DEV commence | complete [ADDRESS…]",
	  2,
	  -1,
	  "the store jumps to a newer checkpoint",
	  "complete: cancel the tables with these index addresses, resume the others.\n",
	  { { 0 } },
	  verb_sync_jump },
	{ "ready",
	  "DEV",
	  1,
	  1,
	  "end of --start=held: let I/O through",
	  NULL,
	  { { 0 } },
	  verb_ready },
	{ "save",
	  "DEV FILE",
	  2,
	  2,
	  "write the missing blocks of a suspended device to a file",
	  "For a planned stop.  The device must be suspended, and stay so until it is\n"
	  "removed: otherwise what changes afterwards is not in FILE.\n",
	  { { "suspend", NULL, "suspend it first; it stays suspended" },
	    { "timeout", "TIME",
	      "with --suspend: resume it if FILE takes longer (30s)" } },
	  verb_save },
	{ "load",
	  "DEV FILE",
	  2,
	  2,
	  "enqueue what \"save\" wrote, before \"ready\"",
	  "FILE is renamed to FILE.loaded, for it must not be used again after a crash.\n",
	  { { "planned-reboot", NULL,
	      "FILE is from before a reboot that was no crash" } },
	  verb_load },
	{ "set",
	  "DEV OPTION:VALUE…",
	  2,
	  -1,
	  "change options of a device",
	  "Options as in a table line, such as on_missing:error or park_timeout_ms:1000.\n",
	  { { 0 } },
	  verb_set },
	{ "wait",
	  "DEV",
	  1,
	  1,
	  "wait until something holds",
	  "When all that is missing is marked unavailable, exit code 5 at once.\n",
	  { { "until", "clean|checkpoint",
	      "nothing is missing; no checkpoint is open (clean)" },
	    { "timeout", "TIME", "exit 4 after that (never)" },
	    { "progress", NULL,
	      "lines of progress though this is no terminal" } },
	  verb_wait },
	{ "monitor",
	  "DEV",
	  1,
	  1,
	  "follow events",
	  "What happens to each block, and to tables, checkpoints, sync jumps and the\n"
	  "device as a whole. A table's values are one event, with their number.\n",
	  { { "count", "N", "end after so many" },
	    { "timeout", "TIME", "end after that" } },
	  verb_monitor },
	{ "check",
	  "DEV",
	  1,
	  1,
	  "for monitoring: one line, exit code 0, 1, 2 or 3",
	  "Exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, with performance data.\n",
	  { { "warning", "TIME",
	      "a reader that waits longer is a warning (5s)" },
	    { "critical", "TIME",
	      "a reader that waits longer is critical (30s)" } },
	  verb_check },
	{ "sync",
	  "DEV",
	  1,
	  1,
	  "make a device what a manifest says, and wait for it",
	  "Enqueues what the manifest lists, with --scan only what of it is not on the\n"
	  "device, and waits until nothing is missing.  A scan reads below the grid, so\n"
	  "it works on a device that is held.  What was written after the manifest was made\n"
	  "is undone, so a device that is open for writing and not held wants --force.  When\n"
	  "no source has what is left, it ends with exit code 5.\n",
	  { { "manifest", "FILE",
	      "lines ADDRESS CHECKSUM [table] (\"-\": standard input)" },
	    { "scan", NULL,
	      "enqueue only what doesn't match, or can't be read" },
	    { "jobs", "N", "read so many blocks at a time (8)" },
	    { "ready", NULL, "let I/O through once all is enqueued" },
	    { "incomplete", NULL,
	      "the manifest is all there is, though it has no end mark" },
	    { "portions", NULL,
	      "what doesn't fit is enqueued later, and served until then" },
	    { "force", NULL, "though the device is open for writing" },
	    { "nowait", NULL, "end as soon as all is enqueued" },
	    { "timeout", "TIME", "exit 4 after that (never)" },
	    { "progress", NULL,
	      "lines of progress though this is no terminal" } },
	  verb_sync },
	{ "manifest",
	  "FILE",
	  1,
	  1,
	  "print ADDRESS CHECKSUM of each block of a device or image",
	  NULL,
	  { { "block-size", "SIZE", "bytes a block (required)" },
	    { "checksum", "NAME", "hash of the kernel's crypto API (sha256)" },
	    { "offset", "SIZE", "where the grid begins in FILE (0)" },
	    { "blocks", "N", "how many (all)" },
	    { "tables", NULL, "mark tables' indexes, leave out their values" },
	    { "output", "FILE", "write it there, complete or not at all" },
	    { "jobs", "N", "read so many blocks at a time (4)" },
	    { "progress", NULL,
	      "lines of progress though this is no terminal" } },
	  verb_manifest },
	{ "doctor",
	  "",
	  0,
	  0,
	  "what this machine lacks for grids",
	  "Modules and headers, signatures, udev rules, the helper, /etc/gridtab, mounts,\n"
	  "LVM, the clock, devices.\n"
	  "Exit code 1 when something will not work.\n",
	  { { 0 } },
	  verb_doctor },
	{ "format",
	  "DEVICE",
	  1,
	  1,
	  "make metadata, where the map of missing blocks is kept",
	  "DEVICE is the data device.  Without --metadata its head is taken, which destroys\n"
	  "what is there, and the data begins after it.  \"create --metadata\" uses it.\n",
	  { { "metadata", "DEVICE",
	      "where it is made (internal: at the head of the disk)" },
	    { "metadata-start", "SECTORS",
	      "where on that device it begins (0)" },
	    { "block-size", "SIZE",
	      "bytes a block, 4K to 1M, a power of two (required)" },
	    { "offset", "SIZE", "where the grid begins on DEVICE (0)" },
	    { "length", "SIZE",
	      "its length (all that is left, in whole blocks)" },
	    { "checksum", "NAME",
	      "hash of the kernel's crypto API, or none (none)" },
	    { "blocks-max", "N", "most single faults (65536)" },
	    { "tables-max", "N", "most tables at a time (8)" },
	    { "table-values-max", "N", "most values of a table (16384)" },
	    { "force", NULL, "overwrite what is there" } },
	  verb_format },
	{ "metadata",
	  "check|dump|repair|set DEVICE",
	  2,
	  2,
	  "look at metadata that is not in use, and mend it",
	  "check and dump change nothing; check fails when something is wrong.\n",
	  { { "metadata-start", "SECTORS", "where on DEVICE it begins (0)" },
	    { "data", "DEVICE",
	      "the data device: compare it (check, dump), record it anew (set)" },
	    { "manifest", NULL, "dump: the missing blocks, as a manifest" },
	    { "state", "active|retired", "set: whether it may be used" },
	    { "lose-changes", NULL,
	      "repair: forget what follows the damaged place" } },
	  verb_metadata },
	{ "version",
	  "",
	  0,
	  0,
	  "versions of gridctl and of the kernel's module",
	  NULL,
	  { { 0 } },
	  verb_version },
};

#define VERBS (sizeof(verbs) / sizeof(*verbs))

static void help(FILE *out)
{
	size_t i;

	fputs("Usage: gridctl [--json] COMMAND [OPTION…] [OPERAND…]\n\n"
	      "Control devices of target \"grid\": which blocks are missing, and their repair.\n\n"
	      "Commands:\n",
	      out);
	for (i = 0; i < VERBS; i++)
		fprintf(out, "  %-14s %s\n", verbs[i].name, verbs[i].summary);
	fputs("\nDEV is a dm name, a path, MAJOR:MINOR, or id:N for a tracker's id.  Addresses\n"
	      "and numbers are decimal or 0x…; sizes take K, M, G, T; times must have\n"
	      "a unit: ms, s, m, h.\n\n"
	      "  --json         machine-readable output (schema_version, JSON Lines)\n"
	      "  --help         help; \"gridctl COMMAND --help\" tells more\n"
	      "  --version      as \"gridctl version\"\n\n"
	      "Exit codes: 0 good, 1 failed, 2 usage, 3 no such device or tracker,\n"
	      "4 timed out, 5 all that is left is unavailable, 6 refused without --force,\n"
	      "7 still to come (\"check\" has its own).\n",
	      out);
}

static void verb_help(const struct ctl_verb *verb)
{
	const struct ctl_option *o;
	char left[48];

	printf("Usage: gridctl [--json] %s%s%s%s\n\n%c%s.\n", verb->name,
	       verb->options[0].name ? " [OPTION…]" : "",
	       *verb->operands ? " " : "", verb->operands,
	       verb->summary[0] - 'a' + 'A', verb->summary + 1);
	if (verb->text)
		printf("%s", verb->text);
	if (!verb->options[0].name)
		return;
	puts("\nOptions:");
	for (o = verb->options; o->name; o++) {
		snprintf(left, sizeof(left), "--%s%s%s", o->name,
			 o->arg ? "=" : "", o->arg ? o->arg : "");
		printf("  %-27s %s\n", left, o->help);
	}
}

static const struct ctl_verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

enum { OPTION_HELP = 1000, OPTION_JSON };

/* 0 to go on, else how to end: 1 usage error, 2 help was shown. */
static int parse_options(struct ctl *ctl, int argc, char **argv)
{
	struct option longs[CTL_OPTIONS_MAX + 3] = { { 0 } };
	const struct ctl_option *o;
	char letter[3] = "";
	int n = 0, c;

	for (o = ctl->verb->options; o->name; o++, n++) {
		longs[n].name = o->name;
		longs[n].has_arg = o->arg ? required_argument : no_argument;
		longs[n].val = n;
	}
	longs[n] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	longs[n + 1] =
		(struct option){ "json", no_argument, NULL, OPTION_JSON };

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c == OPTION_HELP || c == 'h') {
			verb_help(ctl->verb);
			return 2;
		}
		if (c == ':' || c == '?') {
			/* Of letters in a row optind is still at the first one's word. */
			if (c == '?' && optopt > ' ' && optopt < 0x7f)
				snprintf(letter, sizeof(letter), "-%c", optopt);
			ctl_fail(ctl, CTL_USAGE, "%s: %s (gridctl %s --help)",
				 *letter ? letter : argv[optind - 1],
				 c == ':' ? "needs an argument" :
					    "unknown option, or a wrong one",
				 ctl->verb->name);
			return 1;
		}
		if (c == OPTION_JSON)
			ctl->json = true;
		else
			ctl->values[c] = optarg ? optarg : "";
	}
	ctl->argc = argc - optind;
	ctl->argv = argv + optind;
	if (ctl->argc < ctl->verb->min ||
	    (ctl->verb->max >= 0 && ctl->argc > ctl->verb->max)) {
		ctl_fail(ctl, CTL_USAGE, "usage: gridctl %s %s",
			 ctl->verb->name, ctl->verb->operands);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	int at = 1, code;

	static const struct ctl_verb none = { .name = NULL };

	gm_dm_quiet();
	/* Errors of what comes before it are told so, too. */
	for (code = 1; code < argc && strcmp(argv[code], "--"); code++)
		if (!strcmp(argv[code], "--json"))
			ctl.json = true;
	ctl.verb = &none;
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (!strcmp(argv[at], "--help") || !strcmp(argv[at], "-h")) {
			help(stdout);
			return CTL_GOOD;
		}
		if (!strcmp(argv[at], "--version")) {
			argv[at] = (char *)"version";
			break;
		}
		if (strcmp(argv[at], "--json"))
			return ctl_fail(
				&ctl, CTL_USAGE,
				"unknown option \"%s\" (gridctl --help)",
				argv[at]);
	}
	if (at == argc) {
		if (ctl.json)
			return ctl_fail(&ctl, CTL_USAGE,
					"no command (gridctl --help)");
		help(stderr);
		return CTL_USAGE;
	}
	if (!strcmp(argv[at], "help")) {
		ctl.verb = at + 1 < argc ? find_verb(argv[at + 1]) : NULL;
		if (ctl.verb)
			verb_help(ctl.verb);
		else
			help(stdout);
		return CTL_GOOD;
	}
	if (!find_verb(argv[at]))
		return ctl_fail(&ctl, CTL_USAGE,
				"unknown command \"%s\" (gridctl --help)",
				argv[at]);
	ctl.verb = find_verb(argv[at]);
	switch (parse_options(&ctl, argc - at, argv + at)) {
	case 1:
		/* To a monitoring system 2 is CRITICAL. */
		return ctl.verb->run == verb_check ? 3 : CTL_USAGE;
	case 2:
		return CTL_GOOD;
	}
	code = ctl.verb->run(&ctl);
	if (fflush(stdout) || ferror(stdout))
		return ctl_fail(&ctl, code ? code : CTL_FAILED,
				"cannot write the output: %s",
				strerrordesc_np(errno));
	return code;
}
