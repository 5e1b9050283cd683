/* SPDX-License-Identifier: MIT */
/* Which files of this machine carry the probes of libflowipc. */
#ifndef FLOWIPC_TOOLS_TRACE_FILES_H
#define FLOWIPC_TOOLS_TRACE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct trace_file {
	/* For people; what is meant is the open file, whatever becomes of it. */
	char *path;
	/* -1 if it has no probes and is only remembered. */
	int fd;
	dev_t dev;
	ino_t ino;
	/* Its receivers are to be traced, not only its senders. */
	bool wanted;
	/* Some process has it mapped. */
	bool in_use;
};

struct trace_files {
	struct trace_file *files;
	size_t count;
};

/*
 * Find them: those in @libraries, which ends with NULL, if that is not NULL;
 * else each libflowipc.so that some process has mapped, the executable
 * of @pid if the library is linked into that, and the installed library, for
 * processes to come. @pid is 0 for all processes.
 *
 * Says on stderr what is wrong and returns -1 if there is nothing to trace.
 */
int trace_files_find(struct trace_files *files, char *const *libraries,
		     pid_t pid);
void trace_files_free(struct trace_files *files);

/* 1 if the file has the probes "send" and "receive", 0 if not, or -errno. */
int trace_file_has_probes(int fd);

#endif
