/* SPDX-License-Identifier: MIT */
/* How flowipc-trace shows what it found, for people and for programs. */
#ifndef FLOWIPC_TOOLS_TRACE_REPORT_H
#define FLOWIPC_TOOLS_TRACE_REPORT_H

#include "streams.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct trace_report {
	/* Only channels whose label matches; NULL for all. */
	const char *glob;
	bool json;
	bool timestamp;
	/* "nsecs", "usecs" or "msecs", and how many ns that is. */
	const char *unit;
	uint64_t unit_ns;
};

/*
 * What was counted in one interval: @growth, @lost receives beside that, in
 * @duration_ns. Returns how many messages it is about.
 */
uint64_t trace_report_print(FILE *out, const struct trace_report *report,
			    const struct streams *growth, uint64_t lost,
			    uint64_t duration_ns);

#endif
