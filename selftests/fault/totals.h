/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: totals
 *
 * What the module counts of all objects of all users: what QUERY tells, and the
 * files in debugfs. After a test they must be what they were before.
 */
#ifndef TOTALS_H
#define TOTALS_H

#include <inttypes.h>

#include "../kmod/objects.h"

#define TOTALS_DEBUGFS	"/sys/kernel/debug/flowipc/"

static const char * const totals_names[] = {
	"used_total_bytes", "regions", "region_bytes", "grants", "claims",
	"seals", "channels",
};

struct totals {
	uint64_t value[ARRAY_SIZE(totals_names)];
};

static inline struct totals totals_now(int device)
{
	struct totals totals = { { used_total_bytes(device) } };
	char path[64], text[32];
	size_t i;

	for (i = 1; i < ARRAY_SIZE(totals_names); i++) {
		snprintf(path, sizeof(path), TOTALS_DEBUGFS "%s",
			 totals_names[i]);
		read_text(path, text, sizeof(text));
		totals.value[i] = *text ? strtoull(text, NULL, 10) : UINT64_MAX;
	}

	return totals;
}

static inline bool totals_equal(int device, const struct totals *before)
{
	struct totals now = totals_now(device);

	return !memcmp(&now, before, sizeof(now));
}

/* One line for each that differs; one that cannot be read is shown as -1. */
static inline void totals_print(int device, const struct totals *before)
{
	struct totals now = totals_now(device);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(totals_names); i++)
		if (now.value[i] != before->value[i])
			printf("# %s: %" PRId64 " before, %" PRId64 " now\n",
			       totals_names[i], (int64_t)before->value[i],
			       (int64_t)now.value[i]);
}

static inline bool totals_in_debugfs(void)
{
	return !access(TOTALS_DEBUGFS "regions", R_OK);
}

#endif /* TOTALS_H */
