/* SPDX-License-Identifier: MIT */
#ifndef STAT_MODULE_H
#define STAT_MODULE_H

#include <stdbool.h>
#include <stdint.h>

/* What the module counts itself; UNTOLD what it does not tell us. */
struct module {
	bool loaded;
	/* From /dev/flowipc, for those who may open it. */
	int64_t used_total_bytes;
	int64_t max_total_bytes;
	int64_t max_objects_per_user;
	/* From debugfs, for root. */
	int64_t regions;
	int64_t grants;
	int64_t claims;
	int64_t seals;
	int64_t channels;
};

void module_read(struct module *module);

#endif /* STAT_MODULE_H */
