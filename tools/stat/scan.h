/* SPDX-License-Identifier: MIT */
/*
 * DOC: scan
 *
 * Who holds what, from /proc: a holding is a descriptor of a process, or all
 * that one process has mapped of one region, or a claim which is known from its
 * region alone.
 *
 * Everything may change while it is read. A process or descriptor that is gone
 * before it was looked at is left out; what belongs to a descriptor comes from
 * one read of its fdinfo, so it is never half of one thing and half of another.
 */
#ifndef STAT_SCAN_H
#define STAT_SCAN_H

#include "facts.h"

#include <stddef.h>
#include <sys/types.h>

struct process {
	pid_t pid;
	uid_t uid;
	char comm[64];
};

struct holding {
	struct facts facts;
	/* NULL: a claim that its region lists */
	const struct process *process;
	/* -1: none */
	int fd;
	uint64_t mapped_bytes;
};

struct scan {
	struct holding *holdings;
	size_t count;
	struct process **processes;
	size_t process_count;
	/* All processes looked at, and those that may not be looked into. */
	unsigned int seen;
	unsigned int hidden;
};

/* Returns a negative error number if there is no /proc. */
int scan_processes(struct scan *scan);
void scan_free(struct scan *scan);

#endif /* STAT_SCAN_H */
