/* SPDX-License-Identifier: MIT */
/*
 * DOC: view
 *
 * What was found, put in order: one group for each object, and in it what each
 * process holds of it, one process after the other.
 */
#ifndef STAT_VIEW_H
#define STAT_VIEW_H

#include "scan.h"

struct group {
	enum kind kind;
	/* Of the holding that tells the most. */
	const struct facts *facts;
	const struct holding *const *holdings;
	size_t count;
};

/* What one process holds of a group. */
struct holder {
	const struct process *process;
	const struct holding *const *holdings;
	size_t count;
	uint64_t mapped_bytes;
};

/*
 * Calls @print for each object of @kind, in order of their numbers; if @pid is
 * not 0, only for those that this process holds too.
 */
void view_objects(const struct scan *scan, enum kind kind, pid_t pid,
		  void (*print)(const struct group *group, void *context),
		  void *context);

/* Goes through the holders of @group: begin with a @holder that is all zero. */
bool view_next_holder(const struct group *group, struct holder *holder);

#endif /* STAT_VIEW_H */
