/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The blocks of a device that this daemon has marked unavailable.
 *
 * It may undo its own marks when it has a new reason to, never an operator's
 * (gridctl unavailable): the kernel doesn't tell them apart, so they are kept
 * here.  A file in the runtime directory carries them over the daemon's death:
 * an address is written there before the kernel hears of it.  Sessions that
 * follow each other, and the two that overlap in a reload, share one set.
 */
#ifndef MARKS_H
#define MARKS_H

#include <stdbool.h>
#include <stdint.h>

struct marks;

/* @dir: the runtime directory, or NULL: nothing is carried over.  NULL: memory. */
struct marks *marks_new(const char *dir, const char *device);
struct marks *marks_get(struct marks *m);
void marks_put(struct marks *m);

/*
 * The marks that follow are of this tracker, of so many blocks; those of another
 * are forgotten.  0 or -ENOMEM.
 */
int marks_attach(struct marks *m, uint64_t tracker, uint64_t blocks);
/*
 * @address is about to be marked; @lacking: because no source had it, or for
 * another reason that may pass, so that time, or a source that comes up, is a
 * reason to try again.  True when it has not been marked before.
 */
bool marks_add(struct marks *m, uint64_t address, bool lacking);
/* The kernel has marked it: true for the first time. */
bool marks_first(struct marks *m, uint64_t address);
/* It is no fault any more. */
void marks_forget(struct marks *m, uint64_t address);
/*
 * Take up to @max marks out, all or those @lacking; *@cursor is 0 to begin
 * with.  0 at the end.
 */
unsigned int marks_take(struct marks *m, bool lacking, uint64_t *cursor,
			uint64_t *addresses, unsigned int max);
/* How many of those taken are neither marked again nor repaired yet. */
unsigned int marks_open(struct marks *m);
/* Don't wait for these any longer. */
void marks_let_go(struct marks *m);
/* These, which were taken, are marked in the kernel all the same. */
void marks_restore(struct marks *m, const uint64_t *addresses, unsigned int n);

#endif /* MARKS_H */
