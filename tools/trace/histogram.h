/* SPDX-License-Identifier: MIT */
#ifndef FLOWIPC_TOOLS_TRACE_HISTOGRAM_H
#define FLOWIPC_TOOLS_TRACE_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

/*
 * A histogram of powers of two: slot n counts values from 2^n to 2^(n+1)-1,
 * slot 0 also zeros.
 */
#define HISTOGRAM_SLOTS 64

uint64_t histogram_low(unsigned int slot);
uint64_t histogram_high(unsigned int slot);

/* How many values were counted. */
uint64_t histogram_count(const uint64_t slots[HISTOGRAM_SLOTS]);

/*
 * The upper edge of the slot that holds the value at this percentile: at
 * least so many percent of the values are not above it. 0 if there are none.
 */
uint64_t histogram_percentile(const uint64_t slots[HISTOGRAM_SLOTS],
			      unsigned int percent);

/*
 * Print it just as bcc's tools do, because scripts read that; nothing if it
 * is empty.
 */
void histogram_print(FILE *out, const uint64_t slots[HISTOGRAM_SLOTS],
		     const char *unit);

#endif
