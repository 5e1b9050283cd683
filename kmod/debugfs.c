// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: totals
 *
 * How many objects of each kind there are, one number a file, in
 * /sys/kernel/debug/flowipc. An object is counted from its allocation until it
 * is freed, so after whatever happened the numbers are where they began, or
 * something has leaked.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>

#include "flowipc.h"

atomic64_t flowipc_totals[FLOWIPC_TOTALS];

static struct dentry *debugfs_dir;

static int total_get(void *data, u64 *value)
{
	*value = atomic64_read(data);

	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(total_fops, total_get, NULL, "%llu\n");

static int region_bytes_get(void *data, u64 *value)
{
	*value = flowipc_used_total_bytes();

	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(region_bytes_fops, region_bytes_get, NULL, "%llu\n");

/* debugfs reports its errors itself, and nothing depends on it. */
void __init flowipc_debugfs_init(void)
{
	static const char * const name[FLOWIPC_TOTALS] = {
		[FLOWIPC_TOTAL_REGIONS]		= "regions",
		[FLOWIPC_TOTAL_GRANTS]		= "grants",
		[FLOWIPC_TOTAL_CLAIMS]		= "claims",
		[FLOWIPC_TOTAL_SEALS]		= "seals",
		[FLOWIPC_TOTAL_CHANNELS]	= "channels",
	};
	int i;

	/* Lockdown allows no other mode; the root of debugfs is root's alone. */
	debugfs_dir = debugfs_create_dir("flowipc", NULL);
	for (i = 0; i < FLOWIPC_TOTALS; i++)
		debugfs_create_file(name[i], 0444, debugfs_dir,
				    &flowipc_totals[i], &total_fops);
	debugfs_create_file("region_bytes", 0444, debugfs_dir, NULL,
			    &region_bytes_fops);
}

void flowipc_debugfs_exit(void)
{
	debugfs_remove(debugfs_dir);
}
