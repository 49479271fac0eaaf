// SPDX-License-Identifier: GPL-2.0
/*
 * What comes between: cancels, sync jumps, messages; suspends of every kind and
 * reloads; a disk below that fails and holds requests; helpers that are killed
 * in the middle of a repair.  Each of these is a thread of its own.
 *
 * Who drops faults tells the model before (model_lose), with the block's gate
 * held, or in bulk with faults_lock held for writing.
 */
#include <libdevmapper.h>
#include <signal.h>
#include <sys/wait.h>

#include "ack.h"

const char *disturb_options = "";

static FILE *disk_in, *disk_out;
static const char *dm_name;
static uint64_t sectors, sectors_max;
static unsigned int blocks_max = 256;
static bool detect = true, in_jump;
static pthread_mutex_t dm_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- device mapper ---- */

static void quiet_dm(int level, const char *file, int line, int dm_errno,
		     const char *f, ...)
{
	(void)level;
	(void)file;
	(void)line;
	(void)dm_errno;
	(void)f;
}

/* Run @task and forget it; 0 or a negative errno. */
static int dm_run(struct dm_task *task, const char *what)
{
	int r = 0;

	watch_begin(what, 0);
	if (!dm_task_run(task))
		r = -(dm_task_get_errno(task) ?: EIO);
	watch_end();
	dm_task_destroy(task);
	return r;
}

static struct dm_task *dm_task(int type)
{
	struct dm_task *task = dm_task_create(type);

	if (!task || !dm_task_set_name(task, dm_name))
		load_die("device mapper: out of memory");
	return task;
}

/* The reply goes to @reply, if that is wanted. */
static int message(const char *text, char *reply, size_t n)
{
	struct dm_task *task = dm_task(DM_DEVICE_TARGET_MSG);
	const char *got;
	int r = 0;

	dm_task_set_sector(task, 0);
	dm_task_set_message(task, text);
	watch_begin(text, 0);
	if (!dm_task_run(task))
		r = -(dm_task_get_errno(task) ?: EIO);
	watch_end();
	got = r ? NULL : dm_task_get_message_response(task);
	if (reply)
		snprintf(reply, n, "%s", got ?: "");
	dm_task_destroy(task);
	COUNT(messages);
	return r;
}

static int suspend(bool noflush)
{
	struct dm_task *task = dm_task(DM_DEVICE_SUSPEND);

	dm_task_skip_lockfs(task);
	if (noflush)
		dm_task_no_flush(task);
	return dm_run(task, noflush ? "suspend --noflush" : "suspend");
}

static int resume(void)
{
	return dm_run(dm_task(DM_DEVICE_RESUME), "resume");
}

static int load_table(uint64_t len, unsigned int block_bytes,
		      unsigned int max)
{
	struct dm_task *task = dm_task(DM_DEVICE_RELOAD);
	char options[400], line[600];
	unsigned int n = 0;
	const char *c;

	snprintf(options, sizeof(options),
		 "%s checkpoint:%s detect:%s blocks_max:%u tables_max:4 table_values_max:8",
		 disturb_options, explicit_checkpoint ? "explicit" : "flush",
		 detect ? "on" : "off", max);
	for (c = options; *c; c++)
		n += *c != ' ' && (c == options || c[-1] == ' ');
	snprintf(line, sizeof(line), "%s 0 %u %u %s", lower_path,
		 block_bytes / SECTOR, n, options);
	dm_task_add_target(task, 0, len, "grid", line);
	return dm_run(task, "load");
}

static void must(int r, const char *what)
{
	if (r)
		load_die("%s: %s", what, strerror(-r));
}

/* A reload that lives: same, more or fewer faults, longer, other options. */
static void reload(unsigned int *r)
{
	unsigned int max = blocks_max;
	uint64_t len = sectors;
	bool mode = false;
	int ret;

	switch (rand_r(r) % 6) {
	case 0:
		max = 64 + rand_r(r) % 512;
		break;
	case 1:
		if (len < sectors_max)
			len += block_size / SECTOR;
		break;
	case 2:
		mode = true;
		commotion_begin();
		explicit_checkpoint = !explicit_checkpoint;
		break;
	case 3:
		detect = !detect;
		break;
	case 4:
		/* One for another shape comes and goes. */
		load_table(len, block_size / 2, max);
		break;
	}
	ret = load_table(len, block_size, max);
	if (ret == -EBUSY && max < blocks_max)
		ret = load_table(len, block_size, max = blocks_max);
	must(ret, "load");
	must(suspend(rand_r(r) & 1), "suspend");
	usleep(rand_r(r) % 20000);
	ret = resume();
	/* More than fits came in between. */
	if (ret == -EBUSY && max < blocks_max) {
		must(load_table(len, block_size, max = blocks_max), "load");
		ret = resume();
	}
	must(ret, "resume");
	sectors = len;
	blocks_max = max;
	if (mode)
		commotion_end();
	COUNT(loads);
}

static void disturb_dm(unsigned int *r)
{
	char reply[32], text[64];

	pthread_mutex_lock(&dm_lock);
	switch (rand_r(r) % 4) {
	case 0:
		must(suspend(true), "suspend --noflush");
		usleep(rand_r(r) % 20000);
		must(resume(), "resume");
		break;
	case 1:
		must(suspend(false), "suspend");
		usleep(rand_r(r) % 20000);
		must(resume(), "resume");
		break;
	case 2:
		/* The suspend that dm makes by itself calls no hook. */
		must(message("@stats_create - /1", reply, sizeof(reply)),
		     "message");
		snprintf(text, sizeof(text), "@stats_delete %s", reply);
		must(message(text, NULL, 0), "message");
		break;
	default:
		reload(r);
		break;
	}
	pthread_mutex_unlock(&dm_lock);
	COUNT(suspends);
}

/* ---- faults that vanish ---- */

/* What may vanish without a repair: all, or but the tables' members. */
static void lose_all(bool members)
{
	struct grid_missing_fault f[FAULTS];
	int n = members ? 0 : list_faults(f);
	uint64_t b;

	for (b = 0; b < blocks; b++) {
		pthread_mutex_lock(&block[b].gate);
		if (!table_fault(f, n, b))
			model_lose(b);
		pthread_mutex_unlock(&block[b].gate);
	}
}

static int cancel_call(uint64_t b, unsigned int flags)
{
	struct grid_missing_block e = { .address = b };
	struct grid_missing_vector v = { .size = sizeof(v), .flags = flags };
	int r;

	if (!(flags & GRID_MISSING_ALL)) {
		v.count = 1;
		v.elem_size = sizeof(e);
		v.elems = (uintptr_t)&e;
	}
	watch_begin("cancel", b);
	r = ioctl(grid.helper, GRID_MISSING_CANCEL, &v) ? -errno : e.result;
	watch_end();
	return r;
}

static void cancel_one(unsigned int *r)
{
	uint64_t b = any_block(r);
	char text[64];
	int ret;

	pthread_mutex_lock(&block[b].gate);
	model_lose(b);
	if (rand_r(r) & 1) {
		snprintf(text, sizeof(text), "cancel %llu",
			 (unsigned long long)b);
		ret = message(text, NULL, 0);
	} else {
		ret = cancel_call(b, rand_r(r) & 1 ?
					     GRID_MISSING_CANCEL_NOWAIT :
					     0);
	}
	pthread_mutex_unlock(&block[b].gate);
	if (ret && !excused(ret))
		load_die("cancel: %s", strerror(-ret));
	COUNT(cancels);
}

static void cancel_all(unsigned int *r)
{
	bool by_message = rand_r(r) % 4 == 0;
	struct grid_missing_status st;
	int ret;

	/*
	 * Nobody waits for it here: who has it may wait for a parked reader
	 * (`dm stats`), and that for the repair of an index, which takes
	 * faults_lock, or for the end of a jump, which this thread brings.
	 */
	by_message = by_message && !pthread_mutex_trylock(&dm_lock);
	commotion_begin();
	pthread_rwlock_wrlock(&faults_lock);
	lose_all(true);
	if (by_message) {
		/* A message only starts it; a suspend waits for it. */
		ret = message("cancel all", NULL, 0);
		must(suspend(true), "suspend --noflush");
		must(resume(), "resume");
	} else {
		ret = cancel_call(0,
				  GRID_MISSING_ALL |
					  (rand_r(r) & 1 ?
						   GRID_MISSING_CANCEL_NOWAIT :
						   0));
	}
	get_status(&st);
	if (in_jump && !(st.state & GRID_MISSING_STATUS_SYNC_JUMP)) {
		in_jump = false;
		commotion_end();
	}
	pthread_rwlock_unlock(&faults_lock);
	commotion_end();
	if (by_message)
		pthread_mutex_unlock(&dm_lock);
	if (ret && !excused(ret))
		load_die("cancel all: %s", strerror(-ret));
	COUNT(cancels);
}

static int jump_call(unsigned int op, uint64_t *tables, unsigned int n)
{
	struct grid_missing_sync_jump j = { .size = sizeof(j), .op = op,
					    .count = n };
	int r;

	if (op == GRID_MISSING_SYNC_JUMP_COMPLETE) {
		j.elems = (uintptr_t)tables;
		j.elem_size = sizeof(*tables);
	}
	watch_begin("sync jump", op);
	r = ioctl(grid.helper, GRID_MISSING_SYNC_JUMP, &j) ? -errno : 0;
	watch_end();
	return r;
}

static int jump_commence(void)
{
	unsigned int i;
	int ret = -EBUSY;

	pthread_rwlock_wrlock(&faults_lock);
	lose_all(false);
	for (i = 0; (ret == -EBUSY || ret == -EAGAIN) && i < 100; i++) {
		if (i)
			usleep(5000);
		ret = jump_call(GRID_MISSING_SYNC_JUMP_COMMENCE, NULL, 0);
	}
	pthread_rwlock_unlock(&faults_lock);
	return ret;
}

/* Land; where a fault of the jump is in the way, without any table. */
static int jump_complete(bool all)
{
	struct grid_missing_table t[16];
	struct grid_missing_vector v = {
		.size = sizeof(v),
		.elem_size = sizeof(t[0]),
		.count = ARRAY_SIZE(t),
		.elems = (uintptr_t)t,
	};
	uint64_t index[ARRAY_SIZE(t)];
	unsigned int i;
	int ret;

	if (!all) {
		ret = jump_call(GRID_MISSING_SYNC_JUMP_COMPLETE, index, 0);
		if (ret != -ESTALE)
			return ret;
	}
	pthread_rwlock_wrlock(&faults_lock);
	lose_all(true);
	ret = ioctl(grid.helper, GRID_MISSING_LIST_TABLES, &v) ? -errno : 0;
	for (i = 0; !ret && i < v.done; i++)
		index[i] = t[i].address;
	if (!ret)
		ret = jump_call(GRID_MISSING_SYNC_JUMP_COMPLETE, index, v.done);
	pthread_rwlock_unlock(&faults_lock);
	return ret;
}

static void jump_on(unsigned int *r)
{
	struct grid_missing_status st;
	int ret;

	if (!in_jump) {
		commotion_begin();
		ret = jump_commence();
		if (!ret)
			in_jump = true;
		else
			commotion_end();
	} else {
		ret = rand_r(r) % 4 ? jump_complete(rand_r(r) % 3 == 0) :
				      jump_commence();
		get_status(&st);
		if (!(st.state & GRID_MISSING_STATUS_SYNC_JUMP)) {
			in_jump = false;
			commotion_end();
		}
	}
	if (ret && !excused(ret) && ret != -EINVAL)
		load_die("sync jump: %s", strerror(-ret));
	if (!ret)
		COUNT(jumps);
}

static void jump_end(void)
{
	struct grid_missing_status st;
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		get_status(&st);
		if (!(st.state & GRID_MISSING_STATUS_SYNC_JUMP))
			break;
		jump_complete(i > 10);
		usleep(5000);
	}
	if (st.state & GRID_MISSING_STATUS_SYNC_JUMP)
		load_die("a sync jump can't be completed");
	if (in_jump)
		commotion_end();
	in_jump = false;
}

static void unavailable(unsigned int *r)
{
	struct grid_missing_block e = { .address = any_block(r) };

	trouble_begin(e.address, e.address);
	load_call(&grid, GRID_MISSING_MARK_UNAVAILABLE, &e, sizeof(e), 1);
	usleep(rand_r(r) % 10000);
	while (load_call(&grid, GRID_MISSING_RETRY, &e, sizeof(e), 1) == -EAGAIN)
		usleep(1000);
	/* The disk's troubles have one end for all: disturb_disk(). */
}

static void checkpoint_message(unsigned int *r)
{
	char text[64], id[32];

	if (rand_r(r) & 1)
		message("checkpoint take", id, sizeof(id));
	else
		snprintf(id, sizeof(id), "%u", rand_r(r) % 16);
	snprintf(text, sizeof(text), "checkpoint durable %s", id);
	if (*id)
		message(text, NULL, 0);
}

/* The application begins anew: what it released is in use again. */
static void checkpoint_revert(unsigned int *r)
{
	struct grid_missing_checkpoint c = {
		.size = sizeof(c), .op = GRID_MISSING_CHECKPOINT_REVERT,
	};
	uint64_t b;

	commotion_begin();
	if (rand_r(r) & 1) {
		message("checkpoint revert", NULL, 0);
	} else {
		watch_begin("revert", 0);
		if (ioctl(grid.helper, GRID_MISSING_CHECKPOINT, &c) &&
		    !excused(-errno))
			load_die("revert: %s", strerror(errno));
		watch_end();
	}
	for (b = 0; b < blocks; b++) {
		pthread_mutex_lock(&block[b].gate);
		block[b].discarded = 0;
		pthread_mutex_unlock(&block[b].gate);
	}
	commotion_end();
}

static void disturb_faults(unsigned int *r)
{
	unsigned int what = rand_r(r) % 64;

	/* What drops all of them leaves little to be checked: seldom. */
	if (what < 1)
		cancel_all(r);
	else if (what < 4 || (in_jump && what < 16))
		jump_on(r);
	else if (what < 44)
		cancel_one(r);
	else if (what < 52)
		unavailable(r);
	else if (what < 59)
		checkpoint_message(r);
	else if (what < 61)
		checkpoint_revert(r);
	else
		message(rand_r(r) & 1 ? "set no_helper_ms:3600000" :
					"set park_timeout_ms:3600000",
			NULL, 0);
}

/* ---- the disk ---- */

static void disk(const char *format, ...)
{
	char line[128];
	va_list args;

	va_start(args, format);
	vfprintf(disk_in, format, args);
	va_end(args);
	fputc('\n', disk_in);
	fflush(disk_in);
	if (!fgets(line, sizeof(line), disk_out) || strncmp(line, "ok", 2))
		load_die("disk: %s: %s", format, line);
	COUNT(disk);
}

/* Nothing fails any more. */
static void forget(void)
{
	uint64_t b;

	disk("forget");
	disk("release");
	/*
	 * A flush of the grid's own that failed is told to the next one (F1, M2),
	 * which may be that of a write with RWF_DSYNC: it is this one.
	 */
	watch_begin("flush", 0);
	if (fdatasync(grid.device))
		COUNT(errors);
	watch_end();
	for (b = 0; b < blocks; b++)
		trouble_end(b);
}

static void disturb_disk(unsigned int *r)
{
	static const char *const ops[] = { "read", "write", "trim" };
	static unsigned int commands;
	uint64_t b = any_block(r);
	unsigned long long at = b * block_size;
	const char *op = ops[rand_r(r) % ARRAY_SIZE(ops)];

	if (!disk_in)
		return;
	switch (rand_r(r) % 6) {
	case 0:
	case 1:
		trouble_begin(b, b);
		disk("bad %llu %u", at + rand_r(r) % pages * PAGE, PAGE);
		break;
	case 2:
		trouble_begin(b, b);
		disk("fail %s %llu %u", op, at, block_size);
		break;
	case 3:
		/* A write with RWF_DSYNC may meet it. */
		trouble_begin(0, blocks - 1);
		disk("fail flush 0 0");
		break;
	default:
		disk("%s %s %llu %u", rand_r(r) & 1 ? "land" : "keep", op, at,
		     block_size);
		break;
	}
	usleep(rand_r(r) % 60000);
	disk("release");
	/* A rule that nothing meets stays: there is room for 16. */
	if (++commands == 12 || rand_r(r) % 8 == 0) {
		forget();
		commands = 0;
	}
}

/* ---- helpers that die ---- */

static void repair_and_die(const struct grid_missing_repair *e, int n)
{
	struct load_grid own;

	load_attach(&own, grid_path);
	load_call(&own, GRID_MISSING_REPAIR, (void *)e, sizeof(*e), n);
	_exit(0);
}

void *mortal(void *arg)
{
	char *buffer = load_memory((size_t)BATCH * block_size);
	struct grid_missing_repair e[BATCH];
	unsigned int r = seed * 600;
	pid_t pid;
	int n;

	(void)arg;
	while (!load_over()) {
		usleep(rand_r(&r) % 50000);
		n = repair_prepare(e, buffer);
		if (n <= 0)
			continue;
		pid = fork();
		if (pid < 0)
			load_die("fork: %s", strerror(errno));
		if (!pid)
			repair_and_die(e, n);
		usleep(rand_r(&r) % 20000);
		kill(pid, SIGKILL);
		watch_begin("the end of a helper", pid);
		waitpid(pid, NULL, 0);
		watch_end();
		COUNT(deaths);
	}
	free(buffer);
	return NULL;
}

/* ---- */

/* @disk: PATH of PATH.in and PATH.out, to command the disk; or NULL. */
void disturb_init(const char *path)
{
	struct grid_missing_status st;
	char name[200];

	dm_log_with_errno_init(quiet_dm);
	dm_name = strrchr(grid_path, '/') + 1;
	/* What the library opens, it opens here. */
	dm_run(dm_task(DM_DEVICE_INFO), "info");
	get_status(&st);
	sectors = st.blocks * (block_size / SECTOR);
	sectors_max = lseek(lower, 0, SEEK_END) / SECTOR;
	if (!path)
		return;
	snprintf(name, sizeof(name), "%s.in", path);
	disk_in = fopen(name, "r+");
	snprintf(name, sizeof(name), "%s.out", path);
	disk_out = fopen(name, "r+");
	if (!disk_in || !disk_out)
		load_die("%s: %s", name, strerror(errno));
	setvbuf(disk_out, NULL, _IONBF, 0);
}

void *disturber(void *arg)
{
	static void (*const kinds[])(unsigned int *r) = {
		disturb_faults, disturb_dm, disturb_disk,
	};
	static const unsigned int pause_us[] = { 100000, 400000, 100000 };
	unsigned int i = (uintptr_t)arg, r = seed * 500 + i;

	while (!load_over()) {
		usleep(rand_r(&r) % pause_us[i]);
		kinds[i](&r);
	}
	/* `dm stats` may wait for a reader of what is aside. */
	if (kinds[i] == disturb_faults)
		jump_end();
	/* A suspend may wait for what an old rule will hold from now on. */
	if (kinds[i] == disturb_disk && disk_in)
		forget();
	return NULL;
}

/* The disturbers have ended: nothing is left of what they did. */
void disturb_calm(void)
{
	detect = true;
	must(load_table(sectors, block_size, blocks_max), "load");
	must(suspend(true), "suspend");
	must(resume(), "resume");
	jump_end();
}

/* The device was created held. */
void ready(unsigned int *r)
{
	struct grid_missing_simple s = { .size = sizeof(s) };
	int ret;

	if (rand_r(r) & 1) {
		must(message("ready", NULL, 0), "message ready");
		return;
	}
	while ((ret = ioctl(grid.helper, GRID_MISSING_READY, &s)) &&
	       errno == EAGAIN)
		usleep(1000); /* suspended */
	if (ret)
		load_die("ready: %s", strerror(errno));
}
