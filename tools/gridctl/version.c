// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl version: gridctl's, and those of the modules that run and that are
 * installed; see module.h.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "module.h"
#include "proc.h"

static void file_line(const char *name, const char *file, char *text,
		      size_t size)
{
	char path[256], *c;

	snprintf(path, sizeof(path), "/sys/module/%s/%s", name, file);
	/* Of sysfs, where a module's dashes are underscores. */
	for (c = path; *c; c++)
		if (*c == '-')
			*c = '_';
	if (!gm_first_line(path, text, size))
		*text = 0;
}

/* What modinfo says of the installed one; it may be compressed. */
static void modinfo(const char *name, const char *field, char *text,
		    size_t size)
{
	char command[256];
	FILE *f;

	snprintf(
		command, sizeof(command),
		"PATH=$PATH:/usr/sbin:/sbin modinfo -F %s %s 2> /dev/null < /dev/null",
		field, name);
	f = popen(command, "re");
	if (!f || !fgets(text, (int)size, f))
		*text = 0;
	text[strcspn(text, "\n")] = 0;
	if (f)
		pclose(f);
}

void module_look(const char *name, struct module *m)
{
	char path[64];

	memset(m, 0, sizeof(*m));
	file_line(name, "initstate", path, sizeof(path));
	m->runs = *path;
	file_line(name, "version", m->version, sizeof(m->version));
	file_line(name, "srcversion", m->source, sizeof(m->source));
	modinfo(name, "filename", path, sizeof(path));
	m->installed = *path == '/';
	if (m->installed) {
		modinfo(name, "version", m->next_version,
			sizeof(m->next_version));
		modinfo(name, "srcversion", m->next_source,
			sizeof(m->next_source));
		modinfo(name, "signer", m->next_signer, sizeof(m->next_signer));
		modinfo(name, "sig_key", m->next_key, sizeof(m->next_key));
	}
}

bool module_differs(const struct module *m)
{
	if (!m->runs || !m->installed)
		return false;
	if (strcmp(m->version, m->next_version))
		return true;
	return *m->source && *m->next_source &&
	       strcmp(m->source, m->next_source);
}

static void features(const struct grid_missing_query *q)
{
	printf("module grid_missing:%s%s%s, vectors of %u, slices of %u bytes\n",
	       q->features & GRID_MISSING_FEATURE_PRIVATE ?
		       " private trackers," :
		       "",
	       q->features & GRID_MISSING_FEATURE_SYNC_JUMP ? " sync jump," :
							      "",
	       q->features & GRID_MISSING_FEATURE_EVENTS ? " events" : "",
	       q->vector_max, q->slice_max);
}

int verb_version(struct ctl *ctl)
{
	static const char *const names[] = { "grid_missing", "dm-grid" };
	struct grid_missing_query q = { 0 };
	struct json_object *o, *list, *one;
	struct module m;
	struct gm_dev dev;
	bool module;
	size_t i;

	module = !gm_open(&dev, O_RDONLY);
	if (module) {
		if (gm_query(&dev, &q))
			module = false;
		gm_close(&dev);
	}
	if (ctl->json) {
		o = ctl_object();
		ctl_put_string(o, "version", GM_VERSION);
		ctl_put_bool(o, "module", module);
		if (module) {
			ctl_put_u64(o, "features", q.features);
			ctl_put_u64(o, "vector_max", q.vector_max);
			ctl_put_u64(o, "slice_max", q.slice_max);
		}
		list = json_object_new_array();
		for (i = 0; i < 2; i++) {
			module_look(names[i], &m);
			one = json_object_new_object();
			ctl_put_string(one, "name", names[i]);
			ctl_put_bool(one, "runs", m.runs);
			ctl_put_string(one, "version", m.version);
			ctl_put_bool(one, "installed", m.installed);
			ctl_put_string(one, "installed_version",
				       m.next_version);
			ctl_put_bool(one, "differs", module_differs(&m));
			json_object_array_add(list, one);
		}
		json_object_object_add(o, "modules", list);
		ctl_print(o);
		return CTL_GOOD;
	}
	printf("gridctl %s\n", GM_VERSION);
	if (module)
		features(&q);
	else
		puts("module grid_missing: not loaded, or not permitted");
	for (i = 0; i < 2; i++) {
		module_look(names[i], &m);
		if (m.runs)
			printf("module %s: %s runs%s%s\n", names[i],
			       *m.version ? m.version : "an unknown version",
			       !module_differs(&m) ? "" :
						     "; the next load takes ",
			       !module_differs(&m) ? "" :
			       !*m.next_version	   ? "another one" :
			       strcmp(m.version, m.next_version) ?
						  m.next_version :
						  "another build of it");
		else if (m.installed)
			printf("module %s: %s is installed\n", names[i],
			       *m.next_version ? m.next_version :
						 "an unknown version");
	}
	return CTL_GOOD;
}
