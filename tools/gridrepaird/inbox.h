/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the daemon's threads talk: a queue of mail with an eventfd, many writers,
 * one reader.  Takes no lock but its own, and never waits.
 */
#ifndef INBOX_H
#define INBOX_H

#include <pthread.h>
#include <stdint.h>

#include "clock.h"

/* What is put on an inbox; embedded as the first member. */
enum mail_kind {
	MAIL_READ,
	MAIL_UP,
	MAIL_DOWN,
	MAIL_SILENT, /* down: it said nothing for too long */
	MAIL_REPAIRED
};

struct mail {
	struct mail *next;
	enum mail_kind kind;
};

struct inbox {
	pthread_mutex_t lock;
	struct mail *first, **last;
	int event;
};

int inbox_init(struct inbox *inbox);
void inbox_exit(struct inbox *inbox);
void inbox_put(struct inbox *inbox, struct mail *mail);
/* All of it, oldest first; clears the event. */
struct mail *inbox_take(struct inbox *inbox);
/* Wake the reader, who may find nothing. */
void inbox_ring(struct inbox *inbox);

#endif /* INBOX_H */
