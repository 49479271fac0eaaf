// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl doctor: what a machine needs for grids, and what of it isn't there.
 *
 * One line a finding: "ok", "warning" (something is not as it should be) or
 * "wrong" (it will not work), with the remedy.  It looks at this machine only,
 * and changes nothing.
 */
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "gridtab.h"
#include "helper.h"
#include "module.h"
#include "proc.h"
#include "stack.h"

extern char **environ;

enum level { GOOD, WARNING, WRONG };

static const char *const level_name[] = { "ok", "warning", "wrong" };

struct doctor {
	const struct ctl *ctl;
	enum level worst;
	dev_t *grids; /* that are there */
	size_t grid_count;
};

__attribute__((format(printf, 4, 5))) static void find(struct doctor *d,
						       enum level level,
						       const char *what,
						       const char *format, ...)
{
	struct json_object *o;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (level > d->worst)
		d->worst = level;
	if (!d->ctl->json) {
		printf("%-8s %-12s %s\n", level_name[level], what, text);
		return;
	}
	o = ctl_object();
	ctl_put_string(o, "level", level_name[level]);
	ctl_put_string(o, "what", what);
	ctl_put_string(o, "text", text);
	ctl_print(o);
}

static bool is_file(const char *path)
{
	return !access(path, F_OK);
}

/* The first word of a small file; false when it can't be read. */
static bool word_of(const char *path, char *text, size_t size)
{
	bool good = gm_first_line(path, text, size);

	if (good)
		text[strcspn(text, " \t")] = 0;
	return good;
}

/* dm-grid.ko, compressed or not, anywhere below @dir. */
static bool has_module(const char *dir, int depth)
{
	struct dirent *entry;
	char path[4096];
	bool found = false;
	DIR *d = depth ? opendir(dir) : NULL;

	while (d && !found && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!strncmp(entry->d_name, "dm-grid.ko", 10))
			found = true;
		else if (entry->d_type == DT_DIR &&
			 (size_t)snprintf(path, sizeof(path), "%s/%s", dir,
					  entry->d_name) < sizeof(path))
			found = has_module(path, depth - 1);
	}
	if (d)
		closedir(d);
	return found;
}

/* What has this kernel load signed modules only, or NULL. */
static const char *enforces(void)
{
	char text[128];

	if (word_of("/sys/module/module/parameters/sig_enforce", text,
		    sizeof(text)) &&
	    (*text == 'Y' || *text == '1'))
		return "module.sig_enforce";
	if (gm_first_line("/sys/kernel/security/lockdown", text,
			  sizeof(text)) &&
	    (strstr(text, "[integrity]") || strstr(text, "[confidentiality]")))
		return "lockdown";
	return NULL;
}

/* Will the kernel take the module that is installed? */
static void signatures(struct doctor *d, const struct module *m)
{
	const char *why = enforces();
	enum level level = m->runs ? WARNING : WRONG;
	const char *certificate;
	enum module_key key;

	if (!why) {
		find(d, GOOD, "signatures", "this kernel asks for none");
		return;
	}
	if (!m->installed)
		return; /* which has been said */
	if (!*m->next_signer) {
		find(d, level, "signatures",
		     "this kernel loads signed modules only (%s), and dm-grid is not signed: let dkms do it, or make install MOK=key CERT=certificate",
		     why);
		return;
	}
	key = module_key_look(m, &certificate);
	if (key == MODULE_KEY_THERE)
		find(d, GOOD, "signatures",
		     "this kernel loads signed modules only (%s), and has the key of \"%s\" that signed dm-grid",
		     why, m->next_signer);
	else if (key == MODULE_KEY_UNSEEN)
		find(d, WARNING, "signatures",
		     "this kernel loads signed modules only (%s); whether it knows the key of \"%s\", who signed dm-grid, root can see",
		     why, m->next_signer);
	else if (key == MODULE_KEY_NAME)
		find(d, WARNING, "signatures",
		     "this kernel loads signed modules only (%s), and has a key of \"%s\", who signed dm-grid; nothing here tells whether it is the same one (serial number %s): mokutil --test-key CERTIFICATE",
		     why, m->next_signer,
		     *m->next_key ? m->next_key : "unknown");
	else
		find(d, level, "signatures",
		     "this kernel loads signed modules only (%s), and has no key of \"%s\"%s, who signed dm-grid: mokutil --import %s, reboot, and enrol it when the firmware asks",
		     why, m->next_signer,
		     key == MODULE_KEY_OTHER ? " but another one" : "",
		     certificate ? certificate : "CERTIFICATE");
}

static void modules(struct doctor *d)
{
	char path[512];
	struct utsname u;
	struct module m;
	bool built;

	uname(&u);
	/* Where dkms, make install and distributions put what isn't the kernel's. */
	snprintf(path, sizeof(path), "/lib/modules/%s/updates", u.release);
	built = has_module(path, 3);
	if (!built) {
		snprintf(path, sizeof(path), "/lib/modules/%s/extra",
			 u.release);
		built = has_module(path, 3);
	}
	module_look("dm-grid", &m);
	if (m.runs && module_differs(&m))
		find(d, WARNING, "module",
		     "dm-grid %s runs, and %s is installed: detach the grids and load it anew, or reboot",
		     *m.version ? m.version : "of an unknown version",
		     !*m.next_version ? "another one" :
		     !strcmp(m.version, m.next_version) ?
					"another build of it" :
					m.next_version);
	else if (m.runs)
		find(d, GOOD, "module", "dm-grid %s is loaded", m.version);
	else if (built)
		find(d, GOOD, "module", "dm-grid is there for %s, not loaded",
		     u.release);
	else
		find(d, WRONG, "module",
		     "there is no dm-grid for the kernel %s: dkms autoinstall -k %s, or make install",
		     u.release, u.release);
	if (is_file("/sys/module/dm_grid") && !built)
		find(d, WARNING, "module",
		     "it runs, but is not installed: it is gone with the next boot");
	snprintf(path, sizeof(path), "/lib/modules/%s/build", u.release);
	if (is_file(path))
		find(d, GOOD, "headers", "%s", path);
	else
		find(d, WARNING, "headers",
		     "no headers of %s: modules can't be built for it (linux-headers-%s)",
		     u.release, u.release);
	signatures(d, &m);
}

/*
 * Does a file or disk that is a source of grid @name lie on it, or below it?  Nothing
 * is touched but what the helper, which has it open, has touched before.
 */
static bool is_tangled(const char *name, const char *uri, bool open)
{
	const char *path = strncmp(uri, "file://", 7) ? uri : uri + 7;
	bool tangled = false;
	struct gm_dev dev;

	if (*path != '/' || (!open && strncmp(path, "/dev/", 5)) ||
	    gm_open(&dev, O_RDONLY))
		return false;
	if (!gm_attach(&dev, name, 0) && dev.block_size)
		tangled = gm_stack_source(path, makedev(dev.major, dev.minor));
	gm_close(&dev);
	return tangled;
}

/* What gridrepaird says of its devices and their sources. */
static void sources(struct doctor *d)
{
	struct json_tokener *tokener = json_tokener_new();
	FILE *f = popen(
		"PATH=$PATH:/usr/local/sbin:/usr/sbin gridrepaird --status --json 2> /dev/null < /dev/null",
		"re");
	struct json_object *all = NULL, *devices, *device, *list, *source;
	const char *name, *uri;
	char buf[4096];
	size_t n, i, j, up;
	bool answers;

	while (f && tokener && !all && (n = fread(buf, 1, sizeof(buf), f)))
		all = json_tokener_parse_ex(tokener, buf, (int)n);
	if (f)
		pclose(f);
	json_tokener_free(tokener);
	if (!json_object_object_get_ex(all, "devices", &devices)) {
		find(d, WRONG, "helper",
		     "gridrepaird does not answer: gridrepaird --status, systemctl status gridrepaird");
		json_object_put(all);
		return;
	}
	find(d, GOOD, "helper", "gridrepaird runs");
	for (i = 0; i < json_object_array_length(devices); i++) {
		device = json_object_array_get_idx(devices, i);
		name = json_object_get_string(
			json_object_object_get(device, "device"));
		list = json_object_object_get(device, "sources");
		/* Its sources are reached when the device is there. */
		if (!json_object_get_boolean(
			    json_object_object_get(device, "attached"))) {
			find(d, WARNING, "helper",
			     "%s: the device is not there", name);
			continue;
		}
		for (j = up = 0; j < json_object_array_length(list); j++) {
			source = json_object_array_get_idx(list, j);
			uri = json_object_get_string(
				json_object_object_get(source, "source"));
			answers = json_object_get_boolean(
				json_object_object_get(source, "up"));
			if (answers)
				up++;
			else
				find(d, WARNING, "source",
				     "%s: %s does not answer", name, uri);
			if (is_tangled(name, uri, answers))
				find(d, WRONG, "source",
				     "%s: %s lies on that grid, or below it: it can't have what is missing",
				     name, uri);
		}
		find(d, up ? GOOD : WRONG, "source",
		     "%s: %zu of %zu sources answer", name, up,
		     (size_t)json_object_array_length(list));
	}
	json_object_put(all);
}

/* A helper of which a page can be on the device it repairs waits for itself. */
static void locked(struct doctor *d)
{
	char path[300], line[128];
	unsigned long long kib;
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	FILE *f;

	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!word_of(path, line, sizeof(line)) ||
		    strcmp(line, "gridrepaird"))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/status", entry->d_name);
		f = fopen(path, "re");
		kib = 1;
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "VmLck: %llu kB", &kib) == 1)
				break;
		if (f)
			fclose(f);
		if (!kib)
			find(d, WARNING, "locks",
			     "the memory of gridrepaird (%s) is not locked: LimitMEMLOCK=infinity, and no --no-lock",
			     entry->d_name);
		else
			find(d, GOOD, "locks",
			     "the memory of gridrepaird (%s) is locked",
			     entry->d_name);
	}
	if (proc)
		closedir(proc);
}

static void helper(struct doctor *d)
{
	static const char *const dirs[] = { "/lib/udev/rules.d/",
					    "/usr/lib/udev/rules.d/",
					    "/etc/udev/rules.d/" };
	static const char *const rules[] = { "56-grid-missing.rules",
					     "63-zz-grid-member.rules" };
	char path[256];
	size_t i, j;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < 3; j++) {
			snprintf(path, sizeof(path), "%s%s", dirs[j], rules[i]);
			if (is_file(path))
				break;
		}
		if (j < 3)
			find(d, GOOD, "udev rule", "%s", path);
		else
			find(d, WRONG, "udev rule",
			     "%s is nowhere: install the tools again (the disk under a grid may be mounted)",
			     rules[i]);
	}
	if (!is_file("/etc/gridrepaird.conf"))
		find(d, WARNING, "helper",
		     "no /etc/gridrepaird.conf: nothing is repaired unless gridrepaird is started by hand");
	else if (!is_file(HELPER_DIR "/" HELPER_SOCKET))
		find(d, WRONG, "helper",
		     "gridrepaird does not run: systemctl status gridrepaird");
	else
		sources(d);
	locked(d);
}

/*
 * Where udev has no link, mount UUID= looks at all disks itself; while a grid isn't
 * there, it finds the one below it.
 */
static bool only_udev(void)
{
	FILE *f = fopen("/etc/blkid.conf", "re");
	char line[256];
	bool only = false;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "EVALUATE=", 9))
			only = !strcmp(line, "EVALUATE=udev\n");
	if (f)
		fclose(f);
	return only;
}

/* Does a physical volume of LVM begin on that disk? */
static bool holds_pv(struct doctor *d, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	blkid_probe probe = fd < 0 ? NULL : ctl_probe(d->ctl, path, fd, 0);
	const char *type;
	bool holds = false;

	while (probe && !holds && !blkid_do_probe(probe))
		holds = !blkid_probe_lookup_value(probe, "TYPE", &type, NULL) &&
			!strcmp(type, "LVM2_member");
	blkid_free_probe(probe);
	if (fd >= 0)
		close(fd);
	return holds;
}

/*
 * A physical volume on a grid lies on the disk below it as well.  LVM's filters are
 * LVM's to judge: it is asked for what it sees of that disk alone, as a scan of
 * all would wait for what is missing.
 */
static void lvm(struct doctor *d, const char *name, const char *disk)
{
	static const char script[] =
		"PATH=$PATH:/usr/sbin:/sbin; exec pvck --dump headers \"$1\" > /dev/null 2>&1 < /dev/null";
	char *path = realpath(disk, NULL);
	char *const argv[] = { (char *)"sh",
			       (char *)"-c",
			       (char *)script,
			       (char *)"sh",
			       path ? path : (char *)disk,
			       NULL };
	int status;
	pid_t pid;

	if (holds_pv(d, disk) &&
	    !posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) &&
	    waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	    !WEXITSTATUS(status))
		find(d, WARNING, "lvm",
		     "%s: LVM also sees the physical volume on the disk below it, %s: give lvm.conf a filter (gridtab(5))",
		     name, argv[4]);
	free(path);
}

static bool is_grid(const char *name)
{
	char type[16];

	return !ctl_target(name, type) && !strcmp(type, "grid");
}

static void table(struct doctor *d)
{
	struct gridtab tab;
	size_t i, bad = 0;
	int err;

	err = gridtab_read(GRIDTAB_PATH, &tab);
	if (err == -ENOENT) {
		find(d, GOOD, "gridtab",
		     "no " GRIDTAB_PATH ": no grids at boot");
		return;
	}
	if (err) {
		find(d, WRONG, "gridtab", GRIDTAB_PATH ": %s",
		     strerrordesc_np(-err));
		return;
	}
	for (i = 0; i < tab.count; i++) {
		const struct gridtab_entry *e = &tab.entries[i];
		char data[PATH_MAX];

		if (e->error) {
			bad++;
			find(d, WRONG, "gridtab", GRIDTAB_PATH ":%u: %s",
			     e->line, e->error);
		} else if (!gridtab_path(e->data, data) || !is_file(data)) {
			find(d, gridtab_option(e, "noauto") ? WARNING : WRONG,
			     "gridtab", "%s: its disk %s is not there", e->name,
			     e->data);
		} else if (!strncmp(data, "/dev/sd", 7) ||
			   !strncmp(data, "/dev/nvme", 9) ||
			   !strncmp(data, "/dev/vd", 7)) {
			find(d, WARNING, "gridtab",
			     "%s: %s may be another disk after the next boot: use /dev/disk/by-id or PARTUUID=",
			     e->name, data);
		}
		if (!e->error && !gridtab_option(e, "_netdev") &&
		    !gridtab_option(e, "noauto") &&
		    is_file("/etc/gridrepaird.conf"))
			find(d, WARNING, "gridtab",
			     "%s: attached before the network is up, and gridrepaird runs only after that: what a boot reads of it then waits for its missing blocks (_netdev)",
			     e->name);
		/* Of a grid that is there, its table tells the disk. */
		if (!e->error && !is_grid(e->name))
			lvm(d, e->name, data);
	}
	if (!bad)
		find(d, GOOD, "gridtab", "%zu lines", tab.count);
	if (tab.count && !only_udev())
		find(d, WARNING, "blkid",
		     "while a grid is not there, \"mount UUID=\" takes the disk below it: EVALUATE=udev in /etc/blkid.conf");
	gridtab_free(&tab);
}

/* Is the mount at @dir one that fstab has with _netdev, or not of fstab at all? */
static bool ordered(const char *dir)
{
	FILE *f = setmntent("/etc/fstab", "re");
	bool good = true;
	struct mntent *m;

	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_dir, dir))
			good = hasmntopt(m, "_netdev");
	if (f)
		endmntent(f);
	return good;
}

static bool on_grid(const struct doctor *d, dev_t dev)
{
	size_t i;

	for (i = 0; i < d->grid_count; i++)
		if (gm_stack_on(dev, d->grids[i]))
			return true;
	return false;
}

/* Does what is mounted lie on a grid, be it through LVM, a partition, or md? */
static bool mounted_on_grid(const struct doctor *d, const struct gm_mount *m)
{
	struct stat st;

	if (on_grid(d, makedev(m->major, m->minor)))
		return true;
	/*
	 * Some file systems have a number of their own.  Sources elsewhere may be
	 * names on a server that doesn't answer.
	 */
	return !m->major && !strncmp(m->source, "/dev/", 5) &&
	       !stat(m->source, &st) && S_ISBLK(st.st_mode) &&
	       on_grid(d, st.st_rdev);
}

/* At shutdown the helper stops when what is mounted with _netdev is unmounted. */
static void mounts(struct doctor *d)
{
	FILE *f = d->grid_count ? fopen("/proc/self/mountinfo", "re") : NULL;
	struct gm_mount m;
	char *line = NULL;
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0)
		if (gm_parse_mount(line, &m) && mounted_on_grid(d, &m) &&
		    !ordered(m.point))
			find(d, WARNING, "fstab",
			     "%s lies on a grid, and has no _netdev: at shutdown the helper may stop before it is unmounted",
			     m.point);
	free(line);
	if (f)
		fclose(f);
}

/* Certificates of sources are judged by it. */
static void clock_of(struct doctor *d)
{
	struct timex t = { 0 };

	if (time(NULL) < 1700000000)
		find(d, WRONG, "clock",
		     "it is far in the past: certificates of sources will not be valid");
	else if (adjtimex(&t) == TIME_ERROR || t.status & STA_UNSYNC)
		find(d, WARNING, "clock",
		     "nothing keeps it right: certificates of sources are judged by it (timedatectl set-ntp true)");
	else
		find(d, GOOD, "clock", "it is kept right");
}

/* The disk below a grid, as LVM calls it. */
static void below(struct doctor *d, const char *name)
{
	char *type, *params, path[64];
	unsigned int major, minor;

	if (gm_dm_info(name, true, &type, &params))
		return;
	if (!strcmp(type, "grid") &&
	    sscanf(params, "%u:%u", &major, &minor) == 2) {
		snprintf(path, sizeof(path), "/dev/block/%u:%u", major, minor);
		lvm(d, name, path);
	}
	free(type);
	free(params);
}

static void device(struct doctor *d, const char *name,
		   const struct grid_missing_status *s)
{
	uint64_t missing = ctl_missing(s);
	bool good = true;

	if (s->state & GRID_MISSING_STATUS_METADATA_FAILED) {
		good = false;
		find(d, WRONG, name,
		     "its metadata has failed: what is missing is not kept, and flushes fail; when that device is well again: dmsetup message %s 0 metadata retry",
		     name);
	}
	if (s->state & GRID_MISSING_STATUS_SUSPENDED) {
		good = false;
		find(d, WARNING, name,
		     "suspended: its I/O waits for \"gridctl resume %s\"",
		     name);
	}
	if (s->state & GRID_MISSING_STATUS_HELD) {
		good = false;
		find(d, WARNING, name, "held: it waits for \"gridctl ready\"");
	} else if (missing && !s->helpers) {
		good = false;
		find(d, WRONG, name,
		     "%" PRIu64 " blocks are missing, and no helper is there",
		     missing);
	}
	if (s->unavailable) {
		good = false;
		find(d, WRONG, name,
		     "%" PRIu64
		     " blocks fail their readers: no source has them, or their repair didn't come in time (gridctl retry %s --all)",
		     (uint64_t)s->unavailable, name);
	}
	if (good)
		find(d, GOOD, name, "%" PRIu64 " blocks are missing", missing);
}

static void devices(struct doctor *d)
{
	struct grid_missing_tracker v[64];
	struct grid_missing_status s;
	struct gm_dev dev, one;
	uint64_t cursor = 0;
	char id[32];
	int err, n, i;

	if (!is_file("/sys/module/grid_missing"))
		return;
	err = gm_open(&dev, O_RDONLY);
	if (err) {
		find(d, err == -EACCES || err == -EPERM ? WARNING : WRONG,
		     "device", "%s: %s", GRID_MISSING_DEVICE,
		     strerrordesc_np(-err));
		return;
	}
	while (cursor != GM_CURSOR_END &&
	       (n = gm_list_trackers(&dev, &cursor, v, 64)) >= 0) {
		for (i = 0; i < n; i++) {
			if (!v[i].block_size || gm_open(&one, O_RDONLY))
				continue;
			v[i].name[sizeof(v[i].name) - 1] = 0;
			gm_dm_name(v[i].major, v[i].minor, v[i].name,
				   sizeof(v[i].name));
			snprintf(id, sizeof(id), "id:%" PRIu64,
				 (uint64_t)v[i].id);
			if (!gm_attach(&one, id, 0) && !gm_status(&one, &s))
				device(d, v[i].name, &s);
			gm_close(&one);
			below(d, v[i].name);
		}
	}
	gm_close(&dev);
}

/* Those that are there; who may not see them is told so later. */
static void look_grids(struct doctor *d)
{
	struct grid_missing_tracker v[64];
	uint64_t cursor = 0;
	struct gm_dev dev;
	dev_t *grown;
	int n, i;

	if (!is_file("/sys/module/grid_missing") || gm_open(&dev, O_RDONLY))
		return;
	while (cursor != GM_CURSOR_END &&
	       (n = gm_list_trackers(&dev, &cursor, v, 64)) >= 0) {
		/* One more: of none it would be freed. */
		grown = reallocarray(d->grids, d->grid_count + (size_t)n + 1,
				     sizeof(*grown));
		if (!grown)
			break;
		d->grids = grown;
		for (i = 0; i < n; i++)
			if (v[i].block_size)
				grown[d->grid_count++] =
					makedev(v[i].major, v[i].minor);
	}
	gm_close(&dev);
}

int verb_doctor(struct ctl *ctl)
{
	struct doctor d = { .ctl = ctl };

	look_grids(&d);
	modules(&d);
	helper(&d);
	table(&d);
	mounts(&d);
	devices(&d);
	clock_of(&d);
	free(d.grids);
	return d.worst == WRONG ? CTL_FAILED : CTL_GOOD;
}
