// SPDX-License-Identifier: GPL-2.0
/*
 * gridtab-generator: a unit for each line of /etc/gridtab (SPEC S1, S3, S4).
 *
 * systemd runs it early in a boot and at daemon-reload, when nothing but the
 * root file system is there; it only reads the table and writes
 * grid@NAME.service and links into the first of the directories it is given.
 * It says what it has to say in the kernel's log.
 *
 * A grid's disk is no device to systemd (the udev rules say SYSTEMD_READY=0, so
 * that nobody mounts it).  So the unit does not wait for a .device unit:
 * gridctl attach waits itself, and says in the unit's status what it waited
 * for.  For the same reason a wrong line becomes a unit all the same: starting
 * it tells what is wrong.
 *
 * Order: a mount on a grid stands after blockdev@dev-mapper-NAME.target, and so
 * after the unit, in going up and, the other way round, in going down: the grid
 * is detached when it is unmounted.  (Also one by UUID=: once it is mounted, systemd
 * knows the device from /proc/self/mountinfo.)  The helper, where it runs, is started
 * before remote-fs-pre.target, and the units of _netdev lines after that.  LVM volumes
 * on a grid end with blk-availability.service, before it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gridtab.h"

#ifndef SBINDIR
#define SBINDIR "/usr/sbin"
#endif
#ifndef UNITDIR
#define UNITDIR "/lib/systemd/system"
#endif

static int bad;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	/* <3>: an error; kmsg takes a record a write. */
	FILE *f = getenv("GRIDTAB_STDERR") ? NULL : fopen("/dev/kmsg", "we");
	char text[1024];
	va_list args;

	bad = 1;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(f ? f : stderr, "%sgridtab-generator: %s\n", f ? "<3>" : "",
		text);
	if (f)
		fclose(f);
}

/* A specifier's % and a $ mean something in unit files. */
static void put_quoted(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s; s++) {
		if (*s == '%' || *s == '$')
			putc(*s, f);
		if (*s == '"' || *s == '\\')
			putc('\\', f);
		putc(*s, f);
	}
	putc('"', f);
}

/* A path in [Unit]: blanks separate there, and there is no $. */
static void put_path(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s; s++) {
		if (*s == '%')
			putc(*s, f);
		if (*s == '"' || *s == '\\')
			putc('\\', f);
		putc(*s, f);
	}
	putc('"', f);
}

/* DIR/sub/UNIT -> FROM/UNIT */
static void link_unit(const char *dir, const char *sub, const char *from,
		      const char *unit)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, sub);
	if (mkdir(path, 0755) && errno != EEXIST) {
		say("%s: %s", path, strerrordesc_np(errno));
		return;
	}
	snprintf(target, sizeof(target), "%s/%s", from, unit);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s", dir, sub, unit) >=
	    sizeof(path))
		return;
	if (symlink(target, path) && errno != EEXIST)
		say("%s: %s", path, strerrordesc_np(errno));
}

/* x-systemd.OPTION=UNIT, each one there is, as KEY=UNIT. */
static void unit_options(FILE *f, const struct gridtab_entry *e,
			 const char *option, const char *key, bool after)
{
	size_t len = strlen(option);
	char name[NAME_MAX];
	const char *v;
	char **o;

	for (o = e->options; o && *o; o++) {
		if (strncmp(*o, option, len) || (*o)[len] != '=')
			continue;
		v = *o + len + 1;
		if (*v == '/') {
			if (!gridtab_escape_path(v, name, sizeof(name) - 8))
				continue;
			strcat(name,
			       strncmp(v, "/dev/", 5) ? ".mount" : ".device");
			v = name;
		}
		if (strpbrk(v, " \t\n%\"")) {
			say(GRIDTAB_PATH ":%u: %s: not a unit's name", e->line,
			    *o);
			continue;
		}
		fprintf(f, "%s=%s\n", key, v);
		if (after)
			fprintf(f, "After=%s\n", v);
	}
}

/* A file on another file system has to be there before it is read. */
static void needs_mount(FILE *f, const char *path)
{
	if (path && *path == '/' && strncmp(path, "/dev/", 5)) {
		fputs("RequiresMountsFor=", f);
		put_path(f, path);
		putc('\n', f);
	}
}

/*
 * What gridctl waits for it bounds itself, and says why; this one, in seconds, only
 * catches what nobody thought of (a disk that doesn't answer).  UINT64_MAX: nothing.
 */
static uint64_t start_limit(const struct gridtab_entry *e)
{
	uint64_t waits[] = { gridtab_device_timeout(e),
			     gridtab_device_timeout(e),
			     gridtab_held(e) ? gridtab_ready_timeout(e) : 0 };
	uint64_t sum = 60000;
	size_t i;

	for (i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		if (__builtin_add_overflow(sum, waits[i], &sum))
			return UINT64_MAX;
	/* systemd counts microseconds; who waits for a century waits for ever. */
	return sum / 1000 > UINT32_MAX ? UINT64_MAX : sum / 1000;
}

static const char *target_of(const struct gridtab_entry *e)
{
	return gridtab_option(e, "_netdev") ? "remote-grid.target" :
					      "grid.target";
}

/* @device: its node, as systemd escapes it. */
static void put_unit(FILE *f, const struct gridtab_entry *e, const char *tab,
		     const char *device)
{
	fprintf(f,
		"# Made by gridtab-generator from %s, line %u.\n"
		"[Unit]\n"
		"Description=Grid device %%I\n"
		"Documentation=man:gridtab(5) man:gridctl(8)\n"
		"SourcePath=%s\n"
		"DefaultDependencies=no\n"
		"IgnoreOnIsolate=true\n"
		"After=systemd-udevd.service systemd-modules-load.service\n"
		"Wants=gridrepaird.service\n"
		"Conflicts=umount.target\n"
		"Before=umount.target blk-availability.service\n"
		"Wants=blockdev@%s.target\n"
		"Before=blockdev@%s.target\n",
		tab, e->line, tab, device, device);
	if (gridtab_option(e, "_netdev"))
		fputs("After=remote-fs-pre.target network-online.target\n"
		      "Wants=network-online.target\n",
		      f);
	if (!gridtab_option(e, "nofail"))
		fprintf(f, "Before=%s\n", target_of(e));
	/* Of a wrong line nothing is needed to tell what is wrong. */
	if (e->error)
		return;
	needs_mount(f, gridtab_option(e, "manifest"));
	needs_mount(f, e->data);
	unit_options(f, e, "x-systemd.requires", "Requires", true);
	unit_options(f, e, "x-systemd.wants", "Wants", false);
	unit_options(f, e, "x-systemd.after", "After", false);
	unit_options(f, e, "x-systemd.before", "Before", false);
}

static void put_service(FILE *f, const struct gridtab_entry *e)
{
	uint64_t limit = start_limit(e);

	fputs("\n[Service]\n"
	      "Type=oneshot\n"
	      "RemainAfterExit=yes\n",
	      f);
	if (limit == UINT64_MAX)
		fputs("TimeoutStartSec=infinity\n", f);
	else
		fprintf(f, "TimeoutStartSec=%" PRIu64 "s\n", limit);
	fputs("TimeoutStopSec=90s\n"
	      "ExecStart=" SBINDIR "/gridctl attach -- ",
	      f);
	put_quoted(f, e->name);
	fputs("\nExecStop=" SBINDIR "/gridctl detach -- ", f);
	put_quoted(f, e->name);
	putc('\n', f);
}

/* At boot it is wanted by its target, and that by what the boot is for. */
static void want(const char *dir, const struct gridtab_entry *e,
		 const char *unit)
{
	char sub[64];

	snprintf(sub, sizeof(sub), "%s.%s", target_of(e),
		 gridtab_option(e, "nofail") ? "wants" : "requires");
	link_unit(dir, sub, "..", unit);
	link_unit(dir,
		  gridtab_option(e, "_netdev") ? "multi-user.target.wants" :
						 "sysinit.target.wants",
		  UNITDIR, target_of(e));
}

static void generate(const char *dir, const struct gridtab_entry *e,
		     const char *tab)
{
	char instance[NAME_MAX - 16], unit[NAME_MAX], device[NAME_MAX],
		path[PATH_MAX];
	FILE *f;

	if (!gridtab_node(e->name, path, sizeof(path)) ||
	    !gridtab_escape(e->name, instance, sizeof(instance)) ||
	    !gridtab_escape_path(path, device, sizeof(device) - 16)) {
		say("%s:%u: %s: too long for a unit's name", tab, e->line,
		    e->name);
		return;
	}
	snprintf(unit, sizeof(unit), "grid@%s.service", instance);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, unit) >=
	    sizeof(path))
		return;
	f = fopen(path, "wxe");
	if (!f) {
		say("%s: %s", path, strerrordesc_np(errno));
		return;
	}
	put_unit(f, e, tab, device);
	put_service(f, e);
	if (fclose(f)) {
		say("%s: %s", path, strerrordesc_np(errno));
		return;
	}
	if (!gridtab_option(e, "noauto"))
		want(dir, e, unit);
}

int main(int argc, char **argv)
{
	const char *path = getenv("GRIDTAB") ? getenv("GRIDTAB") : GRIDTAB_PATH;
	struct gridtab tab;
	size_t i;
	int err;

	if (argc != 2 && argc != 4) {
		fputs("usage: gridtab-generator DIRECTORY [EARLY LATE]\n"
		      "Run by systemd; see gridtab(5).\n",
		      stderr);
		return 1;
	}
	umask(022);
	err = gridtab_read(path, &tab);
	if (err == -ENOENT)
		return 0;
	if (err) {
		say("%s: %s", path, strerrordesc_np(-err));
		return 1;
	}
	for (i = 0; i < tab.count; i++) {
		if (tab.entries[i].error)
			say("%s:%u: %s", path, tab.entries[i].line,
			    tab.entries[i].error);
		if (tab.entries[i].name)
			generate(argv[1], &tab.entries[i], path);
	}
	gridtab_free(&tab);
	return bad;
}
