// SPDX-License-Identifier: GPL-2.0
/*
 * gridrepaird: repairs the missing blocks of grid devices from other replicas.
 *
 * The main thread only minds signals, the watchdog and the counters; a thread
 * for each device does the work (device.c).  There is no state worth saving:
 * kill -9 at any moment loses nothing, since the kernel knows what is missing.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "device.h"
#include "log.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define EXIT_USAGE 2
#define STALLED_US 10000000 /* a device thread without a heartbeat */

struct daemon {
	struct config *config;
	struct device *devices;
	unsigned int count;
};

/* All manifests are read before any device starts. */
static int daemon_init(struct daemon *m, struct config *config, char *error,
		       size_t size)
{
	unsigned int i;
	int err;

	m->config = config;
	m->devices = calloc(config->device_count, sizeof(*m->devices));
	m->count = 0;
	if (!m->devices) {
		snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < config->device_count; i++) {
		m->count++;
		err = device_init(&m->devices[i], config->devices[i], error,
				  size);
		if (err)
			return err;
	}
	return 0;
}

static int daemon_start(struct daemon *m)
{
	unsigned int i;
	int err;

	for (i = 0; i < m->count; i++) {
		err = device_start(&m->devices[i]);
		if (err) {
			log_err("cannot start a thread: %s",
				strerrordesc_np(-err));
			return err;
		}
	}
	return 0;
}

/* False when a thread is stuck: then nothing of it may be freed. */
static bool daemon_stop(struct daemon *m)
{
	bool ended = true;
	unsigned int i;

	for (i = 0; i < m->count; i++)
		device_stop(&m->devices[i]);
	for (i = 0; i < m->count; i++)
		ended &= device_join(&m->devices[i], 5000);
	return ended;
}

static void daemon_free(struct daemon *m)
{
	unsigned int i;

	for (i = 0; i < m->count; i++)
		device_free(&m->devices[i]);
	free(m->devices);
	config_free(m->config);
	free(m->config);
	memset(m, 0, sizeof(*m));
}

/* Read the file again; what is wrong with it changes nothing. */
static void reload(struct daemon *m)
{
	struct daemon fresh = { 0 };
	struct config *config;
	char error[512];

	if (!m->config->path) {
		log_notice("there is no configuration file to read again");
		return;
	}
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_us());
	config = calloc(1, sizeof(*config));
	if (!config)
		return;
	config_init(config);
	if (config_file(config, m->config->path)) {
		log_err("not reloaded: %s", config->error);
		config_free(config);
		free(config);
	} else if (daemon_init(&fresh, config, error, sizeof(error))) {
		log_err("not reloaded: %s", error);
		daemon_free(&fresh);
	} else {
		config->path = strdup(m->config->path);
		log_level(config->log_level);
		if (daemon_stop(m))
			daemon_free(m);
		*m = fresh;
		daemon_start(m);
		log_notice("reloaded %s", config->path);
	}
	sd_notify(0, "READY=1");
}

/* All device threads have been round lately? */
static bool alive(struct daemon *m)
{
	uint64_t now = now_us();
	unsigned int i;

	for (i = 0; i < m->count; i++)
		if (now - atomic_load(&m->devices[i].heartbeat) > STALLED_US &&
		    now > atomic_load(&m->devices[i].heartbeat))
			return false;
	return true;
}

static void notify_status(struct daemon *m)
{
	unsigned long long repaired = 0;
	unsigned int attached = 0, i;

	for (i = 0; i < m->count; i++) {
		repaired += atomic_load(&m->devices[i].repaired);
		attached += atomic_load(&m->devices[i].attached);
	}
	sd_notifyf(0, "STATUS=%u of %u devices there, %llu blocks repaired",
		   attached, m->count, repaired);
}

static void log_stats(struct daemon *m)
{
	unsigned int i;

	for (i = 0; i < m->count; i++)
		device_log_stats(&m->devices[i]);
}

static void run(struct daemon *m, int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };
	uint64_t watchdog = 0, interval, now, next_dog = 0, next_stats;
	struct signalfd_siginfo info;
	bool stalled = false;

	if (sd_watchdog_enabled(0, &watchdog) <= 0)
		watchdog = 0;
	interval = m->config->stats_interval_ms * 1000;
	next_stats = now_us() + interval;
	for (;;) {
		poll(&p, 1, 500);
		now = now_us();
		if (now >= next_dog) {
			if (alive(m)) {
				sd_notify(0, "WATCHDOG=1");
				stalled = false;
			} else if (!stalled) {
				log_err("a device's thread is stuck");
				stalled = true;
			}
			notify_status(m);
			next_dog = now + (watchdog ? watchdog / 4 : 2000000);
		}
		if (interval && now >= next_stats) {
			log_stats(m);
			next_stats = now + interval;
		}
		if (!(p.revents & POLLIN) ||
		    read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		switch (info.ssi_signo) {
		case SIGHUP:
			reload(m);
			interval = m->config->stats_interval_ms * 1000;
			break;
		case SIGUSR1:
			log_stats(m);
			break;
		default:
			return;
		}
	}
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	struct daemon m = { 0 };
	struct config *config;
	char error[512];
	int signals, err;
	bool ended;

	config = calloc(1, sizeof(*config));
	if (!config)
		return EXIT_FAILURE;
	config_init(config);
	err = config_command_line(config, argc, argv);
	if (err) {
		if (err < 0)
			fprintf(stderr, "gridrepaird: %s\n", config->error);
		config_free(config);
		free(config);
		return err < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	}
	if (daemon_init(&m, config, error, sizeof(error))) {
		fprintf(stderr, "gridrepaird: %s\n", error);
		daemon_free(&m);
		return EXIT_USAGE;
	}
	signals = block_signals();
	if (signals < 0) {
		fprintf(stderr, "gridrepaird: signalfd: %s\n",
			strerrordesc_np(errno));
		return EXIT_FAILURE;
	}
	/* Before any thread: they inherit it. */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		err = errno;
	log_start(config->log_level);
	if (err)
		log_info(
			"PR_SET_IO_FLUSHER: %s; memory shortage may make this wait for the device it repairs",
			strerrordesc_np(err));
	if (config->lock_memory && mlockall(MCL_CURRENT | MCL_FUTURE))
		log_warning("cannot lock memory: %s (--no-lock to do without)",
			    strerrordesc_np(errno));
	err = daemon_start(&m);
	if (!err) {
		sd_notify(0, "READY=1");
		run(&m, signals);
		sd_notify(0, "STOPPING=1");
	}
	ended = daemon_stop(&m);
	log_stats(&m);
	log_stop();
	if (!ended)
		_exit(err ? EXIT_FAILURE : EXIT_SUCCESS);
	daemon_free(&m);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
