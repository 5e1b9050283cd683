// SPDX-License-Identifier: MIT
/*
 * Exact percentiles: every sample is kept and all are sorted. A histogram
 * would be smaller and would round just where results are compared.
 */
#include <stdlib.h>

#include "bench.h"

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest sample that at least @per_mille of all do not exceed. */
static uint64_t percentile(const uint64_t *sorted, uint64_t count,
			   unsigned int per_mille)
{
	return sorted[(count * per_mille + 999) / 1000 - 1];
}

void bench_stats_of(uint64_t *samples, uint64_t count,
		    struct bench_stats *stats)
{
	qsort(samples, count, sizeof(*samples), compare);
	stats->count = count;
	stats->p50 = percentile(samples, count, 500);
	stats->p90 = percentile(samples, count, 900);
	stats->p99 = percentile(samples, count, 990);
	stats->p99_9 = percentile(samples, count, 999);
	stats->max = samples[count - 1];
}
