// SPDX-License-Identifier: MIT
/* rtt: a message there and one back, on two processors. */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

static bool possible(const struct bench_config *config,
		     const struct bench_peer *peer, enum bench_mode mode)
{
	if (!(peer->modes & 1U << mode))
		return false;
	/* On one processor, who spins keeps the other from answering. */
	if (mode == BENCH_SPIN && config->cpus[0] == config->cpus[1])
		return false;
	return peer->is_floor || config->modes & 1U << mode;
}

/* All that was asked for, and the floors; returns how many. */
static unsigned int plan(struct bench_measurement *list,
			 const struct bench_config *config)
{
	struct bench_link link = {
		.config = config,
		.cpus = { config->cpus[0], config->cpus[1] },
	};
	unsigned int count = 0;

	for (int i = 0; bench_rtt_peers[i]; i++) {
		const struct bench_peer *peer = bench_rtt_peers[i];
		unsigned int sizes = peer->fixed_size ? 1 : config->size_count;

		for (unsigned int s = 0; s < sizes; s++) {
			link.size = peer->fixed_size ? peer->fixed_size :
						       config->sizes[s];

			for (int mode = 0; mode < BENCH_MODES; mode++) {
				link.mode = mode;
				if (!possible(config, peer, mode))
					continue;
				if (count == BENCH_MAX_RESULTS)
					bench_die("more than %d measurements in one run",
						  BENCH_MAX_RESULTS);
				bench_roundtrips_add(&list[count++],
						     bench_mode_name(mode),
						     &link, peer);
			}
		}
	}
	return count;
}

static void run(const struct bench_config *config, struct bench_report *report)
{
	static struct bench_measurement list[BENCH_MAX_RESULTS];
	const struct bench_result *cacheline, *futex;

	if (config->cpus[0] == config->cpus[1])
		bench_note("both processes are on CPU %d: spinning cannot be measured there and is left out",
			   config->cpus[0]);
	bench_roundtrips(list, plan(list, config), report);

	/* Of a floor, the first size. */
	cacheline = bench_report_find(report, "cacheline", NULL, 0);
	futex = bench_report_find(report, "futex", NULL, 0);
	for (unsigned int i = 0; i < report->count; i++) {
		struct bench_result *result = &report->results[i];

		result->ratio_to_floor = bench_ratio(result, cacheline);
		result->ratio_to_futex = bench_ratio(result, futex);
	}
	for (int i = 0; bench_rtt_peers[i]; i++)
		if (bench_rtt_peers[i]->is_floor)
			bench_report_floor(report, bench_rtt_peers[i]->name,
					   NULL);
}

static void print(const struct bench_report *report)
{
	const struct bench_config *config = report->config;

	printf("Round trip between a process on CPU %d and one on CPU %d; "
	       "flowipc %s, %s back end.\n"
	       "Reading the clock, %" PRIu64 " ns, is part of each round trip.\n\n",
	       config->cpus[0], config->cpus[1], flowipc_version(),
	       flowipc_backend_name(config->backend), report->clock_ns);
	printf("%-10s %-9s %10s %10s %10s %10s %10s %10s %10s %10s %10s\n",
	       "peer", "mode", "bytes", "p50", "p90", "p99", "p99.9", "max",
	       "count", "/cacheline", "/futex");
	for (unsigned int i = 0; i < report->count; i++) {
		const struct bench_result *result = &report->results[i];

		printf("%-10s %-9s %10" PRIu64, result->peer, result->mode,
		       result->size);
		bench_print_time(result->ns.p50);
		bench_print_time(result->ns.p90);
		bench_print_time(result->ns.p99);
		bench_print_time(result->ns.p99_9);
		bench_print_time(result->ns.max);
		printf(" %10" PRIu64, result->ns.count);
		bench_print_ratio(result->ratio_to_floor);
		bench_print_ratio(result->ratio_to_futex);
		putchar('\n');
	}
	printf("\n/cacheline: p50 over that of a cache line carried there and back, what spinning is held against\n"
	       "/futex:     p50 over that of two bare wake-ups, what sleeping is held against\n");
}

const struct bench_test bench_rtt = {
	.name = "rtt",
	.summary = "a message there and one back, floors beside it",
	.sizes = { 8, 64, 512, 4 << 10, 64 << 10, 1 << 20, 16 << 20 },
	.default_size = 64,
	.run = run,
	.print = print,
};
