// SPDX-License-Identifier: GPL-2.0
/*
 * Device-mapper devices of target "grid", through libdevmapper.
 *
 * Each function is one dm task (creation is three: create, load, resume, so
 * that a wrong table leaves nothing behind).  libdevmapper reports errors by a
 * log function and an errno; only the errno is used here.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dm.h"

__attribute__((format(printf, 5, 6))) static void quiet(int level,
							const char *file,
							int line, int dm_errno,
							const char *format, ...)
{
	(void)level;
	(void)file;
	(void)line;
	(void)dm_errno;
	(void)format;
}

/* It would print on its own; what went wrong is said by who asks. */
void gm_dm_quiet(void)
{
	dm_log_with_errno_init(quiet);
}

/* Why libdevmapper does nothing, of which it gives no errno. */
static int no_answer(int otherwise)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return otherwise;
	}
	return errno == ENOENT || errno == ENODEV || errno == ENXIO ? -ENOSYS :
								      -errno;
}

static int task_errno(struct dm_task *task)
{
	int err = dm_task_get_errno(task);

	return err ? -err : no_answer(-EIO);
}

/*
 * Run @task and, where udev has a part in it, wait until it has done that; from
 * there on, if all went well, with the signals of @mask, unless it is NULL.
 */
static int run_masked(struct dm_task *task, bool udev, const sigset_t *mask)
{
	uint32_t cookie = 0;
	int err = 0;

	if (udev && !dm_task_set_cookie(task, &cookie, 0))
		return -ENOMEM;
	if (!dm_task_run(task))
		err = task_errno(task);
	if (!err && mask)
		pthread_sigmask(SIG_SETMASK, mask, NULL);
	if (udev)
		dm_udev_wait(cookie);
	return err;
}

static int run(struct dm_task *task, bool udev)
{
	return run_masked(task, udev, NULL);
}

static int task_for(struct dm_task **task, int type, const char *name)
{
	*task = dm_task_create(type);
	if (!*task)
		return no_answer(-ENOMEM);
	/* Too long, or of characters that are half mangled. */
	if (!dm_task_set_name(*task, name)) {
		dm_task_destroy(*task);
		return -EINVAL;
	}
	return 0;
}

/* A task that needs nothing but a name; @mask as run_masked(). */
static int simple_masked(int type, const char *name, bool udev,
			 const sigset_t *mask)
{
	struct dm_task *task;
	int err = task_for(&task, type, name);

	if (err)
		return err;
	err = run_masked(task, udev, mask);
	dm_task_destroy(task);
	return err;
}

static int simple(int type, const char *name, bool udev)
{
	return simple_masked(type, name, udev, NULL);
}

int gm_dm_reload(const struct gm_dm_create *c)
{
	struct dm_task *task;
	int err = task_for(&task, DM_DEVICE_RELOAD, c->name);

	if (err)
		return err;
	if (!dm_task_add_target(task, 0, c->sectors, "grid", c->params) ||
	    (c->read_only && !dm_task_set_ro(task)))
		err = -ENOMEM;
	else
		err = run(task, false);
	dm_task_destroy(task);
	return err;
}

/* @mask: once it is whole, while udev is waited for. */
static int create(const struct gm_dm_create *c, const sigset_t *mask,
		  dev_t *number)
{
	struct dm_task *task;
	struct dm_info info;
	int err;

	err = task_for(&task, DM_DEVICE_CREATE, c->name);
	if (err)
		return err;
	if (c->uuid && !dm_task_set_uuid(task, c->uuid))
		err = -EINVAL;
	else
		err = run(task, false);
	if (!err && dm_task_get_info(task, &info))
		*number = makedev(info.major, info.minor);
	dm_task_destroy(task);
	if (err)
		return err == -EBUSY ? -EEXIST : err;
	err = gm_dm_reload(c);
	if (!err)
		err = simple_masked(DM_DEVICE_RESUME, c->name, true, mask);
	if (err)
		simple(DM_DEVICE_REMOVE, c->name, true);
	return err;
}

int gm_dm_make(const struct gm_dm_create *c, dev_t *number)
{
	sigset_t ends, before;
	int err;

	if (!*c->name || strlen(c->name) > 127 || strchr(c->name, '/'))
		return -EINVAL;
	/* Half a device would be in the way of the next one that is made. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGQUIT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, &before);
	err = create(c, &before, number);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int gm_dm_create(const struct gm_dm_create *c)
{
	dev_t number;

	return gm_dm_make(c, &number);
}

int gm_dm_remove(const char *name, bool deferred)
{
	struct dm_task *task;
	int err = task_for(&task, DM_DEVICE_REMOVE, name);

	if (err)
		return err;
	if (deferred && !dm_task_deferred_remove(task))
		err = -ENOMEM;
	else
		err = run(task, true);
	dm_task_destroy(task);
	return err;
}

int gm_dm_suspend(const char *name)
{
	return simple(DM_DEVICE_SUSPEND, name, false);
}

int gm_dm_resume(const char *name)
{
	return simple(DM_DEVICE_RESUME, name, true);
}

int gm_dm_switch(const char *name)
{
	struct dm_task *task;
	int err = task_for(&task, DM_DEVICE_RESUME, name);

	if (err)
		return err;
	/* A flush would wait for readers, and these for their repair. */
	if (!dm_task_no_flush(task))
		err = -ENOMEM;
	else
		err = run(task, true);
	dm_task_destroy(task);
	return err;
}

int gm_dm_message(const char *name, const char *message, char **reply)
{
	struct dm_task *task;
	const char *text;
	int err = task_for(&task, DM_DEVICE_TARGET_MSG, name);

	if (reply)
		*reply = NULL;
	if (err)
		return err;
	if (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, message))
		err = -ENOMEM;
	else
		err = run(task, false);
	if (!err && reply) {
		text = dm_task_get_message_response(task);
		if (text) {
			*reply = strdup(text);
			if (!*reply)
				err = -ENOMEM;
		}
	}
	dm_task_destroy(task);
	return err;
}

int gm_dm_info(const char *name, bool table, char **type, char **params)
{
	struct dm_task *task;
	char *target = NULL, *text = NULL;
	uint64_t start, length;
	int err;

	err = task_for(&task, table ? DM_DEVICE_TABLE : DM_DEVICE_STATUS, name);
	if (err)
		return err;
	*type = NULL;
	*params = NULL;
	if (!dm_task_no_flush(task))
		err = -ENOMEM;
	else
		err = run(task, false);
	if (!err) {
		dm_get_next_target(task, NULL, &start, &length, &target, &text);
		*type = strdup(target ? target : "");
		*params = strdup(text ? text : "");
		if (!*type || !*params) {
			free(*type);
			free(*params);
			err = -ENOMEM;
		}
	}
	dm_task_destroy(task);
	return err;
}

int gm_dm_state(const char *name, struct gm_dm_state *state)
{
	uint64_t start, length;
	struct dm_info info;
	char *target, *text;
	struct dm_task *task;
	int err = task_for(&task, DM_DEVICE_TABLE, name);

	if (err)
		return err;
	memset(state, 0, sizeof(*state));
	if (!dm_task_no_flush(task))
		err = -ENOMEM;
	else
		err = run(task, false);
	if (!err && (!dm_task_get_info(task, &info) || !info.exists))
		err = -ENXIO;
	if (!err) {
		dm_get_next_target(task, NULL, &start, &length, &target, &text);
		state->major = info.major;
		state->minor = info.minor;
		state->open_count =
			info.open_count < 0 ? 0 : (uint32_t)info.open_count;
		state->suspended = info.suspended;
		state->read_only = info.read_only;
		state->sectors = length;
	}
	dm_task_destroy(task);
	return err;
}
