// SPDX-License-Identifier: GPL-2.0
/*
 * gridrepaird: repairs the missing blocks of grid devices from other replicas.
 *
 * The main thread only minds signals, the watchdog and the counters, by an event
 * loop of libsystemd; a thread for each device does the work (device.c,
 * session.c).  It opens no file but in the runtime directory once it has begun:
 * any other may hang.  There is no state worth saving: kill -9 at any moment
 * loses nothing, since the kernel knows what is missing.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "device.h"
#include "log.h"
#include "measure.h"
#include "status.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define EXIT_USAGE 2
#define STALLED_US 10000000 /* a device thread without a heartbeat */
#define METRICS_US 15000000
#define TICK_US 500000
#define STATUS_TICKS 4
#define REREAD_US 10000000 /* for the configuration file, before that is told */

/* The configuration file, read anew by a thread. */
struct reread {
	struct config *config;
	int err;
	int event; /* the daemon's; rung at the end */
	char path[];
};

struct daemon {
	struct config *config;
	struct device *devices;
	struct device *leaving; /* of earlier configurations: finishing */
	int listen;

	sd_event *loop;
	sd_event_source *tick, *stats, *metrics, *slow; /* timers */
	sd_event_source *asked; /* somebody wants our status */
	unsigned int ticks;
	bool stalled;

	int event; /* a reread has ended */
	struct reread *reread; /* under way */
	bool again; /* and then once more */
};

static struct device *find(struct device *d, const char *name)
{
	while (d && strcmp(d->config->device, name))
		d = d->next;
	return d;
}

static void free_list(struct device *d)
{
	struct device *next;

	for (; d; d = next) {
		next = d->next;
		device_free(d);
	}
}

/* What there is for all devices' blocks: half of what the machine could give. */
static uint64_t memory_there(void)
{
	unsigned long long kib;
	uint64_t bytes = UINT64_MAX;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			bytes = kib * 1024 / 2;
	if (f)
		fclose(f);
	return bytes;
}

/*
 * It is locked: more than there is would end in the hands of the OOM killer.
 * What devices of before have they give back: those that are there, others have
 * none.  What is stuck isn't theirs any more, and is not in what the machine could give.
 */
static void fit_memory(struct config *config, const struct daemon *m)
{
	uint64_t there = memory_there(), held = 0, share;
	const struct device *d;

	for (d = m->devices; d; d = d->next)
		if (atomic_load(&d->s.gauges.attached))
			held += d->config->memory_used;
	there = there > UINT64_MAX - held ? UINT64_MAX : there + held;
	share = config_fit_memory(config, there);
	if (share)
		log_warning(
			"the devices' memory is more than half of what there is: none gets more than %" PRIu64
			" KiB of it (memory = )",
			share >> 10);
}

/* All devices, before any starts.  NULL: memory. */
static struct device *make_devices(struct config *config)
{
	struct device *all = NULL, *d;
	unsigned int i;

	for (i = config->device_count; i--;) {
		d = device_new(config->devices[i]);
		if (!d) {
			free_list(all);
			return NULL;
		}
		config->devices[i] = NULL;
		d->next = all;
		all = d;
	}
	return all;
}

/* It can't, for now: the others needn't mind. */
static void start_device(struct daemon *m, struct device *d,
			 const struct device *before)
{
	int err;

	if (!d->s.marks)
		d->s.marks = before && before->s.marks ?
				     marks_get(before->s.marks) :
				     marks_new(m->config->runtime_dir,
					       d->config->device);
	err = d->s.marks ? device_start(d) : -ENOMEM;
	if (err && err != d->said)
		log_err("%s: cannot start a thread: %s; trying on",
			d->config->device, strerrordesc_np(-err));
	d->said = err;
}

/* Those that could not be started before, too. */
static void start_devices(struct daemon *m)
{
	struct device *d;

	for (d = m->devices; d; d = d->next)
		if (!d->started)
			start_device(m, d, NULL);
}

/* False when a thread is stuck: then nothing of it may be freed. */
static bool daemon_stop(struct daemon *m)
{
	bool ended = true;
	struct device *d;

	for (d = m->devices; d; d = d->next)
		device_stop(d);
	for (d = m->leaving; d; d = d->next)
		device_stop(d);
	for (d = m->devices; d; d = d->next)
		ended &= device_join(d, 5000);
	for (d = m->leaving; d; d = d->next)
		ended &= device_join(d, 5000);
	return ended;
}

static void daemon_free(struct daemon *m)
{
	free_list(m->devices);
	free_list(m->leaving);
	sd_event_source_unref(m->tick);
	sd_event_source_unref(m->stats);
	sd_event_source_unref(m->metrics);
	sd_event_source_unref(m->slow);
	sd_event_source_unref(m->asked);
	sd_event_unref(m->loop);
	config_free(m->config);
	free(m->config);
	memset(m, 0, sizeof(*m));
}

static void move_count(atomic_ullong *to, atomic_ullong *from)
{
	atomic_fetch_add(to, atomic_exchange(from, 0));
}

/* Counters go on over a change of the configuration. */
static void move_counters(struct device *to, struct device *from)
{
	unsigned int i, j;
	size_t k;

	move_count(&to->s.gauges.repaired, &from->s.gauges.repaired);
	move_count(&to->s.gauges.refused, &from->s.gauges.refused);
	move_count(&to->s.gauges.unavailable, &from->s.gauges.unavailable);
	move_count(&to->s.gauges.urgent, &from->s.gauges.urgent);
	move_count(&to->s.gauges.overtaken, &from->s.gauges.overtaken);
	for (i = 0; i < to->config->source_count; i++) {
		atomic_ullong *t = (atomic_ullong *)&to->s.gauges.stats[i];

		for (j = 0; j < from->config->source_count; j++)
			if (!strcmp(to->config->sources[i].uri,
				    from->config->sources[j].uri))
				break;
		for (k = 0; j < from->config->source_count &&
			    k < sizeof(to->s.gauges.stats[i]) / sizeof(*t);
		     k++)
			move_count(&t[k],
				   (atomic_ullong *)&from->s.gauges.stats[j] +
					   k);
	}
}

/* Those that have finished; what they do meanwhile counts for their successors. */
static void reap(struct daemon *m)
{
	struct device **at = &m->leaving, *d, *heir;
	bool ended;

	while ((d = *at)) {
		ended = device_join(d, 0);
		heir = find(m->devices, d->config->device);
		if (heir)
			move_counters(heir, d);
		if (!ended) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		device_free(d);
	}
}

/*
 * From the devices of before to those of the new configuration.  One that
 * says the same goes on as it is, but for its files.  Of one that changed the old finishes
 * what it has under way, while the new begins.
 */
static void replace(struct daemon *m, struct device *fresh)
{
	struct device **at = &fresh, *old = m->devices, **o, *d, *before;

	m->devices = NULL;
	while ((d = *at)) {
		for (o = &old; *o; o = &(*o)->next)
			if (!strcmp((*o)->config->device, d->config->device))
				break;
		before = *o;
		if (before && config_device_equal(before->config, d->config)) {
			*o = before->next;
			before->next = d->next;
			*at = before;
			device_free(d);
			device_files(before);
			at = &before->next;
			continue;
		}
		if (before)
			move_counters(d, before);
		start_device(m, d, before);
		at = &d->next;
	}
	m->devices = fresh;
	while ((d = old)) {
		old = d->next;
		device_drain(d);
		d->next = m->leaving;
		m->leaving = d;
	}
}

/* What the file says now; what is wrong with it changes nothing. */
static void use(struct daemon *m, struct config *config)
{
	struct device *fresh;

	fit_memory(config, m);
	fresh = make_devices(config);
	if (!fresh) {
		log_err("not reloaded: out of memory");
		return;
	}
	/* These three are of the process: its directory stays. */
	m->config->log_level = config->log_level;
	m->config->stats_interval_ms = config->stats_interval_ms;
	free(m->config->metrics);
	m->config->metrics = config->metrics;
	config->metrics = NULL;
	log_level(config->log_level);
	replace(m, fresh);
	log_notice("reloaded %s", m->config->path);
}

/* All device threads have been round lately? */
static bool alive(struct daemon *m)
{
	uint64_t now = now_us(), heartbeat;
	struct device *d;

	for (d = m->devices; d; d = d->next) {
		if (!d->started)
			continue;
		heartbeat = atomic_load(&d->s.gauges.heartbeat);
		if (now > heartbeat && now - heartbeat > STALLED_US)
			return false;
	}
	return true;
}

static void notify_status(struct daemon *m)
{
	unsigned long long repaired = 0;
	unsigned int attached = 0, count = 0;
	struct device *d;

	for (d = m->devices; d; d = d->next, count++) {
		repaired += atomic_load(&d->s.gauges.repaired);
		attached += atomic_load(&d->s.gauges.attached);
	}
	sd_notifyf(0, "STATUS=%u of %u devices there, %llu blocks repaired",
		   attached, count, repaired);
}

/* ----------------------------------------------------------------- timers */

/* Anew in @us, or not at all. */
static void set_timer(sd_event_source *timer, uint64_t us)
{
	if (us)
		sd_event_source_set_time_relative(timer, us);
	sd_event_source_set_enabled(timer,
				    us ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_tick(sd_event_source *timer, uint64_t when, void *arg)
{
	struct daemon *m = arg;
	bool stalled = !alive(m);

	(void)when;
	/* Without its food the watchdog bites. */
	if (stalled != m->stalled) {
		if (stalled)
			log_err("a device's thread is stuck");
		sd_event_set_watchdog(m->loop, !stalled);
		m->stalled = stalled;
	}
	start_devices(m);
	reap(m);
	if (m->asked)
		sd_event_source_set_enabled(m->asked, SD_EVENT_ON);
	if (!(m->ticks++ % STATUS_TICKS))
		notify_status(m);
	set_timer(timer, TICK_US);
	return 0;
}

static int on_stats(sd_event_source *timer, uint64_t when, void *arg)
{
	struct daemon *m = arg;

	(void)when;
	status_log(m->devices);
	set_timer(timer, m->config->stats_interval_ms * 1000);
	return 0;
}

static int on_metrics(sd_event_source *timer, uint64_t when, void *arg)
{
	struct daemon *m = arg;

	(void)when;
	metrics_write(m->config->metrics, m->devices);
	set_timer(timer, METRICS_US);
	return 0;
}

/* As the configuration has them. */
static void set_timers(struct daemon *m)
{
	set_timer(m->stats, m->config->stats_interval_ms * 1000);
	set_timer(m->metrics, m->config->metrics ? 1 : 0);
}

/* ----------------------------------------------------------------- reloads */

static void reread_free(struct reread *r)
{
	config_free(r->config);
	free(r->config);
	free(r);
}

static void *reread_thread(void *arg)
{
	struct reread *r = arg;
	uint64_t one = 1;

	r->err = config_file(r->config, r->path);
	if (!r->err)
		measure_manifests(r->config);
	if (write(r->event, &one, sizeof(one)) < 0)
		return NULL; /* it is rung already */
	return NULL;
}

/* 0 or a negative errno. */
static int reread(struct daemon *m)
{
	const char *path = m->config->path;
	struct reread *r = calloc(1, sizeof(*r) + strlen(path) + 1);
	int err;

	if (!r)
		return -ENOMEM;
	strcpy(r->path, path);
	r->event = m->event;
	r->config = calloc(1, sizeof(*r->config));
	if (!r->config) {
		free(r);
		return -ENOMEM;
	}
	config_init(r->config);
	config_inherit(r->config, m->config);
	err = thread_start(NULL, THREAD_SMALL, reread_thread, r);
	if (err)
		reread_free(r);
	else
		m->reread = r;
	return err;
}

static void reload(struct daemon *m)
{
	int err;

	if (!m->config->path) {
		log_notice("there is no configuration file to read again");
		return;
	}
	if (m->reread) {
		m->again = true;
		return;
	}
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_us());
	err = reread(m);
	if (err) {
		log_err("not reloaded: %s", strerrordesc_np(-err));
		sd_notify(0, "READY=1");
		return;
	}
	set_timer(m->slow, REREAD_US);
}

static int on_slow(sd_event_source *timer, uint64_t when, void *arg)
{
	struct daemon *m = arg;

	(void)timer;
	(void)when;
	log_warning("%s can't be read for long; reloading when it can",
		    m->config->path);
	sd_notify(0, "READY=1");
	return 0;
}

static int on_reread(sd_event_source *source, int fd, uint32_t events,
		     void *arg)
{
	struct daemon *m = arg;
	struct reread *r = m->reread;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(fd, &count, sizeof(count)) < 0 || !r)
		return 0;
	m->reread = NULL;
	set_timer(m->slow, 0);
	if (r->err)
		log_err("not reloaded: %s", r->config->error);
	else
		use(m, r->config);
	reread_free(r);
	set_timers(m);
	sd_notify(0, "READY=1");
	if (m->again) {
		m->again = false;
		reload(m);
	}
	return 0;
}

/* ---------------------------------------------------------------- the loop */

static int on_hangup(sd_event_source *source,
		     const struct signalfd_siginfo *info, void *arg)
{
	(void)source;
	(void)info;
	reload(arg);
	return 0;
}

static int on_user(sd_event_source *source, const struct signalfd_siginfo *info,
		   void *arg)
{
	struct daemon *m = arg;

	(void)source;
	(void)info;
	status_log(m->devices);
	return 0;
}

static int on_asked(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct daemon *m = arg;

	(void)events;
	/* It stays readable: until the next tick it is not looked at. */
	if (!status_answer(fd, m->devices))
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int add_timer(struct daemon *m, sd_event_source **timer,
		     sd_event_time_handler_t handler)
{
	int err = sd_event_add_time_relative(m->loop, timer, CLOCK_MONOTONIC, 0,
					     1, handler, m);

	if (!err)
		set_timer(*timer, 0);
	return err;
}

/* 0 or a negative errno. */
static int loop_init(struct daemon *m)
{
	int err;

	m->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->event < 0)
		return -errno;
	err = sd_event_new(&m->loop);
	if (err < 0)
		return err;
	err = sd_event_add_signal(m->loop, NULL, SIGTERM, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_signal(m->loop, NULL, SIGINT, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_signal(m->loop, NULL, SIGHUP, on_hangup, m);
	if (err >= 0)
		err = sd_event_add_signal(m->loop, NULL, SIGUSR1, on_user, m);
	if (err >= 0)
		err = sd_event_add_io(m->loop, NULL, m->event, EPOLLIN,
				      on_reread, m);
	if (err >= 0)
		err = add_timer(m, &m->stats, on_stats);
	if (err >= 0)
		err = add_timer(m, &m->metrics, on_metrics);
	if (err >= 0)
		err = add_timer(m, &m->slow, on_slow);
	if (err >= 0)
		err = add_timer(m, &m->tick, on_tick);
	return err < 0 ? err : 0;
}

/* Until a signal ends it. */
static void run(struct daemon *m)
{
	int err;

	if (m->listen >= 0)
		sd_event_add_io(m->loop, &m->asked, m->listen, EPOLLIN,
				on_asked, m);
	set_timers(m);
	set_timer(m->tick, TICK_US);
	sd_event_set_watchdog(m->loop, true);
	err = sd_event_loop(m->loop);
	if (err < 0)
		log_err("the event loop ended: %s", strerrordesc_np(-err));
}

/*
 * A reload that is asked for early is done once all runs; whoever wants it to
 * end needn't wait so long.
 */
static void block_early(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The loop takes them. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A device takes some eight descriptors, and up to nine more a source. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_info("RLIMIT_NOFILE: %s", strerrordesc_np(errno));
}

/*
 * Lock memory, from a thread: the libraries below libnbd come to 50 MB, and it
 * takes seconds to read them, in which blocks can be repaired already.
 */
static void *lock_thread(void *arg)
{
	(void)arg;
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		log_warning("cannot lock memory: %s (--no-lock to do without)",
			    strerrordesc_np(errno));
	else
		log_debug("memory is locked");
	return NULL;
}

static void lock_memory(void)
{
	if (thread_start(NULL, THREAD_SMALL, lock_thread, NULL))
		lock_thread(NULL);
}

static bool check_file(const struct config_device *d,
		       const struct loader_kind *kind, const char *path)
{
	char error[512];
	void *thing = path ? kind->load(path, error, sizeof(error)) : NULL;

	if (thing)
		kind->free(thing);
	else if (path)
		fprintf(stderr, "gridrepaird: [%s]: %s: %s\n", d->device,
			kind->what, error);
	return thing || !path;
}

/* The configuration is good; are the files it names? */
static int check_files(const struct config *config)
{
	const struct config_device *d;
	bool good = true;
	unsigned int i;

	for (i = 0; i < config->device_count; i++) {
		d = config->devices[i];
		good &= check_file(d, &known_kind, d->manifest);
		good &= check_file(d, &index_format_kind, d->index_format);
	}
	if (!good)
		return EXIT_USAGE;
	printf("%s: good; devices: %u\n",
	       config->path ? config->path : "the command line",
	       config->device_count);
	return EXIT_SUCCESS;
}

/* The exit status of who has only told something: not @code if nobody could take it. */
static int told(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	fprintf(stderr, "gridrepaird: cannot write the output: %s\n",
		strerrordesc_np(errno));
	return code ? code : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct daemon m = { 0 };
	struct config *config;
	bool ended;
	int err, flusher;

	config = calloc(1, sizeof(*config));
	if (!config)
		return EXIT_FAILURE;
	block_early();
	gm_dm_quiet();
	config_init(config);
	err = config_command_line(config, argc, argv);
	if (err) {
		if (err < 0)
			fprintf(stderr, "gridrepaird: %s\n", config->error);
		config_free(config);
		free(config);
		return err < 0 ? EXIT_USAGE : told(EXIT_SUCCESS);
	}
	m.config = config;
	if (config->status) {
		err = told(status_ask(config->runtime_dir, config->json));
		daemon_free(&m);
		return err;
	}
	if (config->check) {
		err = told(check_files(config));
		daemon_free(&m);
		return err;
	}
	raise_limit();
	/* Before any thread: they inherit both. */
	block_signals();
	flusher = prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) ? errno : 0;
	measure_manifests(config);
	fit_memory(config, &m);
	m.devices = make_devices(config);
	if (!m.devices) {
		fprintf(stderr, "gridrepaird: out of memory\n");
		daemon_free(&m);
		return EXIT_FAILURE;
	}
	err = loop_init(&m);
	if (err) {
		fprintf(stderr, "gridrepaird: %s\n", strerrordesc_np(-err));
		return EXIT_FAILURE;
	}
	log_start(config->log_level);
	if (flusher)
		log_info(
			"PR_SET_IO_FLUSHER: %s; memory shortage may make this wait for the device it repairs",
			strerrordesc_np(flusher));
	if (mkdir(config->runtime_dir, 0755) && errno != EEXIST)
		log_warning("%s: %s", config->runtime_dir,
			    strerrordesc_np(errno));
	m.listen = status_listen(config->runtime_dir);
	start_devices(&m);
	if (config->lock_memory)
		lock_memory();
	sd_notify(0, "READY=1");
	run(&m);
	sd_notify(0, "STOPPING=1");
	status_close(m.listen, config->runtime_dir);
	ended = daemon_stop(&m);
	status_log(m.devices);
	log_stop();
	if (!ended || loader_busy() || m.reread)
		_exit(EXIT_SUCCESS);
	daemon_free(&m);
	return EXIT_SUCCESS;
}
