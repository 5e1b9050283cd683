/* SPDX-License-Identifier: MIT */
/* The BPF program, loaded and attached to the probes. */
#ifndef FLOWIPC_TOOLS_TRACE_ATTACH_H
#define FLOWIPC_TOOLS_TRACE_ATTACH_H

#include "files.h"
#include "streams.h"

#include <stdint.h>

struct trace_attachment;

/*
 * Attach to the probes of @files: to send in all processes, to receive in
 * @pid, or in all if that is 0. Latencies are counted in units of @unit_ns.
 *
 * Says on stderr what is wrong and returns NULL if nothing can be traced.
 */
struct trace_attachment *trace_attach(const struct trace_files *files,
				      pid_t pid, uint64_t unit_ns,
				      bool verbose);
void trace_detach(struct trace_attachment *attachment);

/* Read all counters. Returns 0 or -errno. */
int trace_read(const struct trace_attachment *attachment,
	       struct streams *streams);

/* How many receives were not counted. */
uint64_t trace_lost(const struct trace_attachment *attachment);

#endif
