// SPDX-License-Identifier: MIT
/*
 * wake: a process wakes another and sleeps until it is woken itself. Measured
 * with both on one processor, where all of it is work of the kernel, and on
 * two, where it is mostly how long an idle processor takes to notice.
 *
 * What the module's channels do is held against the futex, the least that two
 * processes can do without it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define MAX_WAKE 16

static const char same[] = "same", across[] = "across";

static const char *problem(const struct bench_config *config,
			   const struct bench_peer *peer)
{
	if (!peer->needs_device)
		return NULL;
	if (*config->no_device)
		return config->no_device;
	return bench_channel_problem(peer);
}

static void run(const struct bench_config *config, struct bench_report *report)
{
	static struct bench_measurement list[MAX_WAKE];
	const bool two = config->cpus[0] != config->cpus[1];
	unsigned int count = 0;

	if (!two)
		bench_note("both processes are on CPU %d: waking across CPUs cannot be measured there and is left out",
			   config->cpus[0]);
	for (int i = 0; bench_wake_peers[i]; i++) {
		const struct bench_peer *peer = bench_wake_peers[i];
		const char *why = problem(config, peer);
		struct bench_link link = {
			.config = config,
			.mode = BENCH_SLEEP,
			.cpus = { config->cpus[0], config->cpus[0] },
		};

		if (why) {
			bench_report_missing(report, peer->name, why);
			continue;
		}
		bench_roundtrips_add(&list[count++], same, &link, peer);
		if (!two)
			continue;
		link.cpus[1] = config->cpus[1];
		bench_roundtrips_add(&list[count++], across, &link, peer);
	}
	bench_roundtrips(list, count, report);

	for (unsigned int i = 0; i < report->count; i++) {
		struct bench_result *result = &report->results[i];

		result->ratio_to_futex = bench_ratio(
			result,
			bench_report_find(report, "futex", result->mode, 0));
	}
	for (int i = 0; bench_wake_peers[i]; i++) {
		if (!bench_wake_peers[i]->is_floor)
			continue;
		bench_report_floor(report, bench_wake_peers[i]->name, same);
		bench_report_floor(report, bench_wake_peers[i]->name, across);
	}
}

static void print_placement(const struct bench_report *report,
			    const char *placement)
{
	for (unsigned int i = 0; i < report->count; i++) {
		const struct bench_result *result = &report->results[i];

		if (strcmp(result->mode, placement))
			continue;
		printf("%-14s %-8s", result->peer, result->mode);
		bench_print_time(result->ns.p50);
		bench_print_time(result->ns.p90);
		bench_print_time(result->ns.p99);
		printf(" %10" PRIu64, result->ns.count);
		bench_print_ratio(result->ratio_to_futex);
		putchar('\n');
	}
}

static void print(const struct bench_report *report)
{
	const struct bench_config *config = report->config;

	printf("Round trip between two processes that sleep; same: both on CPU %d",
	       config->cpus[0]);
	if (config->cpus[0] != config->cpus[1])
		printf("; across: on CPUs %d and %d", config->cpus[0],
		       config->cpus[1]);
	printf(".\nReading the clock, %" PRIu64 " ns, is part of each round trip.\n\n",
	       report->clock_ns);
	printf("%-14s %-8s %10s %10s %10s %10s %10s\n", "peer", "CPUs", "p50",
	       "p90", "p99", "count", "/futex");
	print_placement(report, same);
	print_placement(report, across);
	printf("\n/futex: p50 over that of FUTEX_WAKE and FUTEX_WAIT on the same CPUs\n");
	bench_print_missing(report);
}

const struct bench_test bench_wake = {
	.name = "wake",
	.summary = "two sleeping processes wake each other, by the module and without",
	.without = "sm",
	.run = run,
	.print = print,
};
