// SPDX-License-Identifier: GPL-2.0
/*
 * grid_missing.ko: its init and exit.
 */
#include <linux/module.h>

#include "core.h"

static int __init gm_init(void)
{
	int ret;

	gm_debugfs_init();
	ret = gm_device_init();
	if (ret)
		goto err_debugfs;
	return 0;

err_debugfs:
	gm_debugfs_exit();
	return ret;
}

static void __exit gm_exit(void)
{
	gm_device_exit();
	gm_debugfs_exit();
}

module_init(gm_init);
module_exit(gm_exit);

MODULE_DESCRIPTION("The missing blocks of a grid, and their repair");
MODULE_AUTHOR("The grid-missing project");
MODULE_VERSION(GRID_MISSING_VERSION);
MODULE_LICENSE("GPL");
