// SPDX-License-Identifier: GPL-2.0
/*
 * gridctl set: options of a device that is there.
 */
#include <string.h>

#include "ctl.h"

int verb_set(struct ctl *ctl)
{
	char name[128], message[512], text[512], *equals;
	unsigned int major = 0, minor = 0;
	struct json_object *o, *done;
	int code, err, i, log;

	gm_resolve(ctl->argv[0], &major, &minor);
	code = ctl_dm_name(ctl, name, sizeof(name));
	if (!code)
		code = ctl_must_be_grid(ctl, name);
	for (i = 1; !code && i < ctl->argc; i++)
		if (!strpbrk(ctl->argv[i], ":=") || strchr(ctl->argv[i], ' '))
			return ctl_fail(ctl, CTL_USAGE,
					"\"%s\" is not OPTION:VALUE",
					ctl->argv[i]);
	for (i = 1; !code && i < ctl->argc; i++) {
		snprintf(message, sizeof(message), "set %s", ctl->argv[i]);
		equals = strchr(message, '=');
		if (equals && !strchr(message, ':'))
			*equals = ':';
		log = ctl_log_open();
		err = gm_dm_message(name, message, NULL);
		ctl_log_close(log, major, minor, text, sizeof(text));
		if (err)
			code = ctl_fail(
				ctl, CTL_FAILED, "%s: \"%s\": %s%s", name,
				ctl->argv[i], *text ? text : gm_dm_reason(err),
				i > 1 ? "; what stands before it is set" : "");
	}
	if (code || !ctl->json)
		return code;
	o = ctl_object();
	done = json_object_new_array();
	for (i = 1; i < ctl->argc; i++)
		json_object_array_add(done,
				      json_object_new_string(ctl->argv[i]));
	ctl_put_string(o, "device", name);
	json_object_object_add(o, "set", done);
	ctl_print(o);
	return CTL_GOOD;
}
