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
				d->s.config->device, gm_reason(err));
		said = err;
		until = now_us() + session_jitter(&d->s.random, wait);
		while ((now = now_us()) < until &&
		       !atomic_load(&d->s.orders.stop) &&
		       !atomic_load(&d->s.orders.drain)) {
			atomic_store(&d->s.gauges.heartbeat, now);
			poll(&p, 1,
			     until - now > HEARTBEAT_US ?
				     (int)(HEARTBEAT_US / 1000) :
				     (int)((until - now) / 1000) + 1);
		}
		if (wait < 4000000)
			wait *= 2;
	}
	atomic_store(&d->ended, true);
	return NULL;
}

/* -------------------------------------------------------------- the device */

struct device *device_new(struct config_device *config, char *error,
			  size_t size)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d) {
		snprintf(error, size, "out of memory");
		return NULL;
	}
	d->s.orders.event = -1;
	if (config->manifest &&
	    known_load(&d->s.known, config->manifest, error, size))
		goto err_free;
	if (config->index_format &&
	    index_format_open(&d->s.index, config->index_format, error, size))
		goto err_free;
	if (getrandom(&d->s.random, sizeof(d->s.random), GRND_NONBLOCK) < 0)
		d->s.random = now_us();
	d->s.orders.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->s.orders.event < 0) {
		snprintf(error, size, "eventfd: %s", strerrordesc_np(errno));
		goto err_free;
	}
	d->config = config;
	d->s.config = config;
	return d;

err_free:
	device_free(d);
	return NULL;
}

int device_start(struct device *d)
{
	pthread_attr_t attr;
	int err;

	atomic_store(&d->s.gauges.heartbeat, now_us());
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	err = pthread_create(&d->thread, &attr, device_thread, d);
	pthread_attr_destroy(&attr);
	d->started = !err;
	return -err;
}

void device_stop(struct device *d)
{
	uint64_t one = 1;

	atomic_store(&d->s.orders.stop, true);
	if (write(d->s.orders.event, &one, sizeof(one)) < 0)
		return; /* rung already */
}

void device_drain(struct device *d)
{
	uint64_t one = 1;

	atomic_store(&d->s.orders.drain, true);
	if (write(d->s.orders.event, &one, sizeof(one)) < 0)
		return; /* rung already */
}

bool device_join(struct device *d, unsigned int ms)
{
	struct timespec step = { 0, 1000000 };

	if (!d->started)
		return true;
	for (; !atomic_load(&d->ended); ms--) {
		if (!ms)
			return false;
		nanosleep(&step, NULL);
	}
	pthread_join(d->thread, NULL);
	d->started = false;
	return true;
}

void device_free(struct device *d)
{
	/* A thread of its sources will use it, should it ever go on. */
	if (d->s.stuck)
		return;
	known_free(&d->s.known);
	index_format_close(&d->s.index);
	marks_put(d->s.marks);
	config_device_free(d->config);
	if (d->s.orders.event >= 0)
		close(d->s.orders.event);
	free(d);
}
