// SPDX-License-Identifier: GPL-2.0
/*
 * A queue of mail with an eventfd; see inbox.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "inbox.h"

int inbox_init(struct inbox *inbox)
{
	pthread_mutex_init(&inbox->lock, NULL);
	inbox->first = NULL;
	inbox->last = &inbox->first;
	inbox->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return inbox->event < 0 ? -errno : 0;
}

void inbox_exit(struct inbox *inbox)
{
	if (inbox->event >= 0)
		close(inbox->event);
	pthread_mutex_destroy(&inbox->lock);
}

void inbox_ring(struct inbox *inbox)
{
	uint64_t one = 1;

	/* EAGAIN: it is rung already, more often than anyone counts. */
	if (write(inbox->event, &one, sizeof(one)) < 0)
		return;
}

void inbox_put(struct inbox *inbox, struct mail *mail)
{
	bool first;

	mail->next = NULL;
	pthread_mutex_lock(&inbox->lock);
	first = !inbox->first;
	*inbox->last = mail;
	inbox->last = &mail->next;
	pthread_mutex_unlock(&inbox->lock);
	/* The reader takes everything: only the first needs to wake it. */
	if (first)
		inbox_ring(inbox);
}

struct mail *inbox_take(struct inbox *inbox)
{
	struct mail *mail;
	uint64_t count;

	/* First the event, then the mail: what comes between rings again. */
	if (read(inbox->event, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_lock(&inbox->lock);
	mail = inbox->first;
	inbox->first = NULL;
	inbox->last = &inbox->first;
	pthread_mutex_unlock(&inbox->lock);
	return mail;
}
