/* SPDX-License-Identifier: MIT */
#ifndef STAT_REPORT_H
#define STAT_REPORT_H

#include "module.h"
#include "scan.h"
#include "view.h"

#include <stdio.h>
#include <time.h>

/* What is to be shown. */
struct report {
	/* Kinds, by bits; 0 for all. */
	unsigned int kinds;
	/* Only what this process holds; 0 for all. */
	pid_t pid;
	bool json;
};

struct state {
	struct scan scan;
	struct module module;
	struct timespec time;
};

/* What the regions that were found pin, by the user they are counted for. */
struct pinned {
	struct pinned_user {
		int64_t uid;
		int64_t regions;
		int64_t bytes;
		int64_t locked_bytes;
	} *users;
	size_t count;
	int64_t bytes;
	/* Regions whose size is not known. */
	int64_t unknown;
};

void pinned_count(struct pinned *pinned, const struct scan *scan);
void pinned_free(struct pinned *pinned);

void table_print(FILE *out, const struct report *report,
		 const struct state *state);
void json_print(FILE *out, const struct report *report,
		const struct state *state);

#endif /* STAT_REPORT_H */
