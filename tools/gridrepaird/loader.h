/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a device reads from a file of its own: its manifest, its plug-in.
 *
 * Any file may lie where an open or a read never ends, so a thread that nobody
 * waits for loads it.  A file that isn't there, or is no good, is tried again
 * with growing pauses, and when that is asked for; what was loaded before is
 * used meanwhile.
 *
 * A loader has one user, the device's thread; only loader_again() and
 * loader_state() are for others, too.
 */
#ifndef LOADER_H
#define LOADER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What kind of thing a file holds. */
struct loader_kind {
	const char *what; /* in messages */
	/* Read it, however long that takes; NULL with @error filled in. */
	void *(*load)(const char *path, char *error, size_t size);
	void (*free)(void *thing);
	/* Is it the same?  NULL: what is loaded isn't looked at again. */
	bool (*equal)(const void *a, const void *b);
};

enum loader_state {
	LOADER_NONE, /* no file is configured */
	LOADER_COMING, /* it may be there in a moment */
	LOADER_THERE,
	LOADER_AWAY, /* it can't be read, or that takes very long */
};

struct load;

struct loader {
	const struct loader_kind *kind;
	const char *device, *path; /* its owner's; no path: no file */
	uint64_t patience_us; /* how long the first load may take */
	struct load *load; /* under way */
	void *thing; /* or NULL */
	uint64_t begun, due;
	unsigned int times;
	atomic_int state;
	atomic_bool again;
	char said[512];
};

void loader_init(struct loader *l, const struct loader_kind *kind,
		 const char *device, const char *path, uint64_t patience_us);
/*
 * Begin a load when it is time for one, and look at what came of the last;
 * true: there is another thing now.  @event, of the caller, is rung when a load
 * has ended.  Never waits.
 */
bool loader_look(struct loader *l, int event, uint64_t now);
/* Load it again, now. */
void loader_again(struct loader *l);
enum loader_state loader_state(const struct loader *l);
/* For messages: "none", "coming", … */
const char *loader_state_name(enum loader_state state);
void loader_exit(struct loader *l);
/* Is a thread still at one?  Then the process must end by _exit(). */
bool loader_busy(void);

#endif /* LOADER_H */
