/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's modules: which one runs, and which one the next load takes.
 *
 * After an upgrade these differ until the modules are loaded anew.
 */
#ifndef MODULE_H
#define MODULE_H

#include <stdbool.h>

struct module {
	bool runs, installed;
	/*
	 * Version, hash of the source, who signed it, the serial number of that
	 * certificate; "" when it doesn't say.
	 */
	char version[64], source[64];
	char next_version[64], next_source[64];
	char next_signer[64], next_key[128];
};

/* What this kernel's keyrings have of the key that signed a module. */
enum module_key {
	MODULE_KEY_UNSEEN, /* they show nothing at all, as to all but root */
	MODULE_KEY_NONE, /* none of that name, nor this one by another */
	MODULE_KEY_OTHER, /* one of that name, which is another key */
	MODULE_KEY_NAME, /* one of that name; nothing here tells which */
	MODULE_KEY_THERE,
};

void module_look(const char *name, struct module *m);
/* Will the next load take another one than what runs? */
bool module_differs(const struct module *m);
/* @certificate: the file that has its certificate, or NULL. */
enum module_key module_key_look(const struct module *m,
				const char **certificate);

#endif /* MODULE_H */
