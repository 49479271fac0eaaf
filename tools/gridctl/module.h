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
	/* Version, hash of the source, who signed it; "" when it doesn't say. */
	char version[64], source[64];
	char next_version[64], next_source[64];
	char next_signer[64];
};

void module_look(const char *name, struct module *m);
/* Will the next load take another one than what runs? */
bool module_differs(const struct module *m);

#endif /* MODULE_H */
