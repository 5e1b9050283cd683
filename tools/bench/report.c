// SPDX-License-Identifier: MIT
/*
 * Results as a table for people and as JSON for programs. The JSON keeps its
 * shape as tests and peers are added: one object a result, all with the same
 * members, and null where something could not be measured.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

const char *bench_mode_name(enum bench_mode mode)
{
	static const char *const names[BENCH_MODES] = {
		[BENCH_SPIN] = "spin",
		[BENCH_ADAPTIVE] = "adaptive",
		[BENCH_SLEEP] = "sleep",
	};

	return names[mode];
}

void bench_report_add(struct bench_report *report,
		      const struct bench_result *result)
{
	if (report->count == BENCH_MAX_RESULTS)
		bench_die("more than %d measurements in one run",
			  BENCH_MAX_RESULTS);
	report->results[report->count++] = *result;
}

/* The median of a floor, at the first size it was measured with; 0: none. */
static uint64_t floor_p50(const struct bench_report *report, const char *peer)
{
	for (unsigned int i = 0; i < report->count; i++)
		if (!strcmp(report->results[i].peer, peer))
			return report->results[i].ns.p50;
	return 0;
}

static void print_time(uint64_t ns)
{
	if (ns < 100000)
		printf(" %7" PRIu64 " ns", ns);
	else if (ns < 100000000)
		printf(" %7.1f us", (double)ns / 1e3);
	else
		printf(" %7.1f ms", (double)ns / 1e6);
}

static void print_ratio(uint64_t ns, uint64_t floor)
{
	if (floor)
		printf(" %10.2f", (double)ns / (double)floor);
	else
		printf(" %10s", "-");
}

void bench_report_table(const struct bench_report *report)
{
	const struct bench_config *config = report->config;
	uint64_t cacheline = floor_p50(report, "cacheline");
	uint64_t futex = floor_p50(report, "futex");

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

		printf("%-10s %-9s %10" PRIu64, result->peer,
		       bench_mode_name(result->mode), result->size);
		print_time(result->ns.p50);
		print_time(result->ns.p90);
		print_time(result->ns.p99);
		print_time(result->ns.p99_9);
		print_time(result->ns.max);
		printf(" %10" PRIu64, result->ns.count);
		print_ratio(result->ns.p50, cacheline);
		print_ratio(result->ns.p50, futex);
		putchar('\n');
	}
	printf("\n/cacheline: p50 over that of a cache line carried there and back, what spinning is held against\n"
	       "/futex:     p50 over that of two bare wake-ups, what sleeping is held against\n");
}

static void json_ratio(const char *key, uint64_t ns, uint64_t floor)
{
	if (floor)
		printf(",\"%s\":%.3f", key, (double)ns / (double)floor);
	else
		printf(",\"%s\":null", key);
}

static void json_floors(const struct bench_report *report)
{
	const char *separator = "";

	for (int i = 0; bench_peers[i]; i++) {
		uint64_t p50;

		if (!bench_peers[i]->is_floor)
			continue;
		p50 = floor_p50(report, bench_peers[i]->name);
		printf("%s\"%s_%s_p50_ns\":", separator, bench_peers[i]->name,
		       report->config->test);
		if (p50)
			printf("%" PRIu64, p50);
		else
			printf("null");
		separator = ",";
	}
}

void bench_report_json(const struct bench_report *report)
{
	const struct bench_config *config = report->config;
	uint64_t cacheline = floor_p50(report, "cacheline");
	uint64_t futex = floor_p50(report, "futex");

	printf("{\"schema\":1,\"version\":\"%s\",\"backend\":\"%s\","
	       "\"cpus\":[%d,%d],\"clock_ns\":%" PRIu64 ",\n"
	       " \"floor\":{",
	       flowipc_version(), flowipc_backend_name(config->backend),
	       config->cpus[0], config->cpus[1], report->clock_ns);
	json_floors(report);
	printf("},\n \"results\":[");
	for (unsigned int i = 0; i < report->count; i++) {
		const struct bench_result *result = &report->results[i];

		printf("%s\n  {\"peer\":\"%s\",\"test\":\"%s\",\"mode\":\"%s\",\"size\":%" PRIu64
		       ",\"count\":%" PRIu64 ",\"p50_ns\":%" PRIu64
		       ",\"p90_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64
		       ",\"p99_9_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64,
		       i ? "," : "", result->peer, result->test,
		       bench_mode_name(result->mode), result->size,
		       result->ns.count, result->ns.p50, result->ns.p90,
		       result->ns.p99, result->ns.p99_9, result->ns.max);
		json_ratio("ratio_to_floor", result->ns.p50, cacheline);
		json_ratio("ratio_to_futex", result->ns.p50, futex);
		putchar('}');
	}
	printf("\n ]}\n");
}
