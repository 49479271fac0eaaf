// SPDX-License-Identifier: GPL-2.0
/*
 * One grid device under repair: its configuration, and the thread that waits
 * for the device and runs one session (session.c) after the other.  A device
 * that is not there is looked for with growing pauses, up to four seconds.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

static void *device_thread(void *arg)
{
	struct device *d = arg;
	struct pollfd p = { .fd = d->s.orders.event, .events = POLLIN };
	uint64_t wait = 250000, until, now;
	int err, said = 0;

	while (!atomic_load(&d->s.orders.stop) &&
	       !atomic_load(&d->s.orders.drain)) {
		now = now_us();
		err = session_run(&d->s);
		if (atomic_load(&d->s.orders.stop) ||
		    atomic_load(&d->s.orders.drain))
			break;
		if (err == -ERESTART)
			continue;
		if (now_us() - now > 5000000) {
			wait = 250000; /* it was there */
			said = 0;
		}
		if (err == -ENODEV && said != err)
			log_notice(
				"%s: the device is not there; waiting for it",
				d->s.config->device);
		else if (err != said)
			log_err("%s: cannot attach: %s; trying on",
				d->s.config->device, d->s.why);
		said = err;
		until = now_us() + session_jitter(&d->s.random, wait);
		while ((now = now_us()) < until &&
		       !atomic_load(&d->s.orders.stop) &&
		       !atomic_load(&d->s.orders.drain)) {
			atomic_store(&d->s.gauges.heartbeat, now);
			session_files(&d->s, now);
			session_reap(&d->s);
			if (poll(&p, 1,
				 until - now > HEARTBEAT_US ?
					 (int)(HEARTBEAT_US / 1000) :
					 (int)((until - now) / 1000) + 1) > 0)
				orders_read(&d->s.orders);
		}
		if (wait < 4000000)
			wait *= 2;
	}
	atomic_store(&d->ended, true);
	return NULL;
}

/* -------------------------------------------------------------- the device */

struct device *device_new(struct config_device *config)
{
	struct device *d = calloc(1, sizeof(*d));
	uint64_t patience = config->answer_timeout_ms * 1000;

	if (!d)
		return NULL;
	d->s.orders.event = -1;
	if (getrandom(&d->s.random, sizeof(d->s.random), GRND_NONBLOCK) < 0)
		d->s.random = now_us();
	d->config = config;
	d->s.config = config;
	loader_init(&d->s.manifest, &known_kind, config->device,
		    config->manifest, patience);
	loader_init(&d->s.index, &index_format_kind, config->device,
		    config->index_format, patience);
	return d;
}

int device_start(struct device *d)
{
	int err;

	if (d->s.orders.event < 0)
		d->s.orders.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->s.orders.event < 0)
		return -errno;
	atomic_store(&d->s.gauges.heartbeat, now_us());
	err = thread_start(&d->thread, THREAD_SMALL, device_thread, d);
	d->started = !err;
	return err;
}

static void ring(struct device *d)
{
	uint64_t one = 1;

	if (write(d->s.orders.event, &one, sizeof(one)) < 0)
		return; /* rung already; or it never began */
}

void device_stop(struct device *d)
{
	atomic_store(&d->s.orders.stop, true);
	ring(d);
}

void device_drain(struct device *d)
{
	atomic_store(&d->s.orders.drain, true);
	ring(d);
}

void device_files(struct device *d)
{
	atomic_store(&d->s.orders.look, true);
	loader_again(&d->s.manifest);
	loader_again(&d->s.index);
	ring(d);
}

bool device_join(struct device *d, unsigned int ms)
{
	struct timespec step = { 0, 1000000 };

	for (; d->started && !atomic_load(&d->ended); ms--) {
		if (!ms)
			return false;
		nanosleep(&step, NULL);
	}
	if (d->started)
		pthread_join(d->thread, NULL);
	d->started = false;
	/* What is stuck uses it, should it ever go on. */
	return session_reap(&d->s);
}

void device_free(struct device *d)
{
	loader_exit(&d->s.manifest);
	loader_exit(&d->s.index);
	marks_put(d->s.marks);
	config_device_free(d->config);
	if (d->s.orders.event >= 0)
		close(d->s.orders.event);
	free(d);
}
