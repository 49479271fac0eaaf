// SPDX-License-Identifier: GPL-2.0
/*
 * gm_attach() by a name: a device's number may be another's by the time that the
 * kernel is asked for it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "gridmissing.h"

#define NAME "/dev/mapper/store"

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_stat64(const char *path, struct stat *st);

/* Where the name leads; and where, once it was attached to. */
static unsigned int minor_now, minor_then;
static int gone; /* errno, then */

int __wrap_stat64(const char *path, struct stat *st)
{
	assert_string_equal(path, NAME);
	if (minor_now == minor_then && gone) {
		errno = gone;
		return -1;
	}
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFBLK;
	st->st_rdev = makedev(253, minor_now);
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct grid_missing_attach *a;
	va_list args;

	assert_int_equal(fd, 1);
	assert_int_equal(request, GRID_MISSING_ATTACH);
	va_start(args, request);
	a = va_arg(args, struct grid_missing_attach *);
	va_end(args);
	if (a->id) {
		a->major = 253;
		a->minor = 9;
	}
	assert_int_equal(a->major, 253);
	a->id = 77;
	a->blocks = 5;
	minor_now = minor_then;
	return 0;
}

static int attach(const char *name, unsigned int now, unsigned int then,
		  struct gm_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	dev->fd = 1;
	minor_now = now;
	minor_then = then;
	return gm_attach(dev, name, 0);
}

static void test_same(void **state)
{
	struct gm_dev dev;

	(void)state;
	assert_int_equal(attach(NAME, 3, 3, &dev), 0);
	assert_int_equal(dev.id, 77);
	assert_int_equal(dev.minor, 3);
	assert_int_equal(dev.blocks, 5);
	assert_int_equal(attach("id:77", 3, 4, &dev), 0);
	assert_int_equal(dev.minor, 9);
}

static void test_another(void **state)
{
	struct gm_dev dev;

	(void)state;
	assert_int_equal(attach(NAME, 3, 4, &dev), -ENODEV);
	assert_int_equal(dev.id, 0);
}

static void test_gone(void **state)
{
	struct gm_dev dev;

	(void)state;
	gone = ENOENT;
	assert_int_equal(attach(NAME, 3, 4, &dev), -ENODEV);
	assert_int_equal(dev.id, 0);
	gone = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_another),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
