// SPDX-License-Identifier: GPL-2.0
/*
 * Loading a device's files without waiting for them; see loader.h.
 *
 * A load is shared by the thread that does it and the loader that began it;
 * whoever is last frees it.  So a device can go away while its file hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inbox.h"
#include "loader.h"
#include "log.h"
#include "source.h"

struct load {
	const struct loader_kind *kind;
	atomic_uint users;
	atomic_bool ended;
	int event;
	void *thing; /* the loader's, once it has ended */
	char error[512];
	char path[];
};

static atomic_uint busy;

bool loader_busy(void)
{
	return atomic_load(&busy);
}

static void load_put(struct load *load)
{
	if (atomic_fetch_sub(&load->users, 1) != 1)
		return;
	if (load->thing)
		load->kind->free(load->thing);
	close(load->event);
	free(load);
}

static void ring(int event)
{
	uint64_t one = 1;

	if (write(event, &one, sizeof(one)) < 0)
		return; /* it is rung already */
}

static void *load_thread(void *arg)
{
	struct load *load = arg;

	load->thing =
		load->kind->load(load->path, load->error, sizeof(load->error));
	atomic_store(&load->ended, true);
	ring(load->event);
	load_put(load);
	atomic_fetch_sub(&busy, 1);
	return NULL;
}

/* 0 or a negative errno. */
static int begin(struct loader *l, int event)
{
	struct load *load = calloc(1, sizeof(*load) + strlen(l->path) + 1);
	int err;

	if (!load)
		return -ENOMEM;
	load->kind = l->kind;
	strcpy(load->path, l->path);
	atomic_store(&load->users, 2);
	/* Its own: the device may be gone, and its number another file's. */
	load->event = fcntl(event, F_DUPFD_CLOEXEC, 0);
	if (load->event < 0) {
		err = -errno;
		free(load);
		return err;
	}
	atomic_fetch_add(&busy, 1);
	err = thread_start(NULL, THREAD_LARGE, load_thread, load);
	if (err) {
		atomic_fetch_sub(&busy, 1);
		close(load->event);
		free(load);
		return err;
	}
	l->load = load;
	return 0;
}

/* It isn't there for now: told once, until it is something else. */
static void away(struct loader *l, const char *why, uint64_t now)
{
	atomic_store(&l->state, l->thing ? LOADER_THERE : LOADER_AWAY);
	if (!l->due)
		l->due = now + source_pause(&l->times) * 1000ULL;
	if (!strcmp(why, l->said))
		return;
	log_err("%s: %s: %s; trying on%s", l->device, l->kind->what, why,
		l->thing ? ", with what it was" : "");
	snprintf(l->said, sizeof(l->said), "%s", why);
}

/* What a load that has ended brought. */
static bool end(struct loader *l, uint64_t now)
{
	struct load *load = l->load;
	void *old = l->thing;

	l->load = NULL;
	l->due = 0;
	if (!load->thing) {
		away(l, load->error, now);
		load_put(load);
		return false;
	}
	l->times = 0;
	*l->said = 0;
	if (old && l->kind->equal(old, load->thing)) {
		load_put(load);
		return false;
	}
	l->thing = load->thing;
	load->thing = NULL;
	load_put(load);
	if (old)
		l->kind->free(old);
	atomic_store(&l->state, LOADER_THERE);
	log_info("%s: %s %s: read", l->device, l->kind->what, l->path);
	return true;
}

void loader_init(struct loader *l, const struct loader_kind *kind,
		 const char *device, const char *path, uint64_t patience_us)
{
	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->device = device;
	l->path = path;
	l->patience_us = patience_us;
	atomic_store(&l->state, path ? LOADER_COMING : LOADER_NONE);
	atomic_store(&l->again, !!path);
}

bool loader_look(struct loader *l, int event, uint64_t now)
{
	int err;

	if (!l->path)
		return false;
	if (l->load) {
		if (atomic_load(&l->load->ended))
			return end(l, now);
		if (now - l->begun >= l->patience_us)
			away(l, "it can't be read for long", now);
		return false;
	}
	if (l->thing && !l->kind->equal)
		return false;
	if (!atomic_exchange(&l->again, false) && (!l->due || now < l->due))
		return false;
	l->begun = now;
	l->due = 0;
	err = begin(l, event);
	if (err)
		away(l, strerrordesc_np(-err), now);
	return false;
}

void loader_again(struct loader *l)
{
	atomic_store(&l->again, !!l->path);
}

enum loader_state loader_state(const struct loader *l)
{
	return atomic_load(&l->state);
}

const char *loader_state_name(enum loader_state state)
{
	static const char *const names[] = {
		[LOADER_NONE] = "none",
		[LOADER_COMING] = "coming",
		[LOADER_THERE] = "there",
		[LOADER_AWAY] = "away",
	};

	return names[state];
}

void loader_exit(struct loader *l)
{
	if (l->load)
		load_put(l->load);
	if (l->thing)
		l->kind->free(l->thing);
	memset(l, 0, sizeof(*l));
}
