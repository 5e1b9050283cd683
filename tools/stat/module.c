// SPDX-License-Identifier: MIT
#include "module.h"

#include "facts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/flowipc.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug/flowipc/"

static int64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	int64_t value;

	if (!file)
		return UNTOLD;
	if (fscanf(file, "%" SCNd64, &value) != 1)
		value = UNTOLD;
	fclose(file);
	return value;
}

static void read_device(struct module *module)
{
	int fd = open(FLOWIPC_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	struct flowipc_query query = { 0 };

	if (fd < 0)
		return;
	if (!ioctl(fd, FLOWIPC_IOC_QUERY, &query)) {
		module->used_total_bytes = (int64_t)query.used_total_bytes;
		module->max_total_bytes = (int64_t)query.max_total_bytes;
		module->max_objects_per_user = query.max_objects_per_user;
	}
	close(fd);
}

void module_read(struct module *module)
{
	*module = (struct module){
		.loaded = !access("/sys/module/flowipc", F_OK),
		.used_total_bytes = read_number(DEBUGFS "region_bytes"),
		.max_total_bytes = UNTOLD,
		.max_objects_per_user = UNTOLD,
		.regions = read_number(DEBUGFS "regions"),
		.grants = read_number(DEBUGFS "grants"),
		.claims = read_number(DEBUGFS "claims"),
		.seals = read_number(DEBUGFS "seals"),
		.channels = read_number(DEBUGFS "channels"),
	};
	read_device(module);
}
