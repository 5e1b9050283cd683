// SPDX-License-Identifier: MIT
/*
 * Results, for the tables of the tests and as JSON for programs. The JSON keeps
 * its shape as tests and peers are added: one object a result, all with the
 * same members, and null where something could not be measured.
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

struct bench_result *bench_report_add(struct bench_report *report,
				      const char *peer, const char *mode)
{
	struct bench_result *result = &report->results[report->count];

	if (report->count++ == BENCH_MAX_RESULTS)
		bench_die("more than %d measurements in one run",
			  BENCH_MAX_RESULTS);
	*result = (struct bench_result){ .peer = peer, .mode = mode };
	return result;
}

const struct bench_result *bench_report_find(const struct bench_report *report,
					     const char *peer, const char *mode,
					     uint64_t size)
{
	for (unsigned int i = 0; i < report->count; i++) {
		const struct bench_result *result = &report->results[i];

		if (!strcmp(result->peer, peer) &&
		    (!mode || !strcmp(result->mode, mode)) &&
		    (!size || result->size == size))
			return result;
	}
	return NULL;
}

void bench_report_floor(struct bench_report *report, const char *peer,
			const char *mode)
{
	const struct bench_result *result =
		bench_report_find(report, peer, mode, 0);
	struct bench_floor *floor = &report->floors[report->floor_count];

	if (report->floor_count++ == BENCH_MAX_FLOORS)
		bench_die("more than %d floors", BENCH_MAX_FLOORS);
	snprintf(floor->key, sizeof(floor->key), "%s_%s%s%s_p50_ns", peer,
		 report->config->test->name, mode ? "_" : "",
		 mode ? mode : "");
	floor->p50 = result ? result->ns.p50 : 0;
}

void bench_report_missing(struct bench_report *report, const char *peer,
			  const char *why)
{
	struct bench_missing *missing = &report->missing[report->missing_count];

	if (report->missing_count++ == BENCH_MAX_MISSING)
		bench_die("more than %d peers are missing", BENCH_MAX_MISSING);
	missing->peer = peer;
	snprintf(missing->why, sizeof(missing->why), "%s", why);
}

double bench_ratio(const struct bench_result *result,
		   const struct bench_result *floor)
{
	return floor ? (double)result->ns.p50 / (double)floor->ns.p50 : 0;
}

void bench_print_time(uint64_t ns)
{
	if (ns < 100000)
		printf(" %7" PRIu64 " ns", ns);
	else if (ns < 100000000)
		printf(" %7.1f us", (double)ns / 1e3);
	else
		printf(" %7.1f ms", (double)ns / 1e6);
}

void bench_print_ratio(double ratio)
{
	if (ratio > 0)
		printf(" %10.*f", ratio < 0.2 ? 4 : 2, ratio);
	else
		printf(" %10s", "-");
}

void bench_print_missing(const struct bench_report *report)
{
	for (unsigned int i = 0; i < report->missing_count; i++)
		printf("%s%s is not here: %s\n", i ? "" : "\n",
		       report->missing[i].peer, report->missing[i].why);
}

/* Quotes what may be in a message: no control characters, but quotes. */
static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < ' ' ? ' ' : *text);
	}
	putchar('"');
}

static void json_ratio(const char *key, double ratio)
{
	if (ratio > 0)
		printf(",\"%s\":%.4f", key, ratio);
	else
		printf(",\"%s\":null", key);
}

static void json_floors(const struct bench_report *report)
{
	for (unsigned int i = 0; i < report->floor_count; i++) {
		const struct bench_floor *floor = &report->floors[i];

		printf("%s\"%s\":", i ? "," : "", floor->key);
		if (floor->p50)
			printf("%" PRIu64, floor->p50);
		else
			printf("null");
	}
}

static void json_result(const struct bench_result *result, const char *test)
{
	printf("{\"peer\":\"%s\",\"test\":\"%s\",\"mode\":\"%s\",\"size\":%" PRIu64
	       ",\"huge_bytes\":%" PRIu64 ",\"count\":%" PRIu64
	       ",\"p50_ns\":%" PRIu64 ",\"p90_ns\":%" PRIu64
	       ",\"p99_ns\":%" PRIu64 ",\"p99_9_ns\":%" PRIu64
	       ",\"max_ns\":%" PRIu64,
	       result->peer, test, result->mode, result->size,
	       result->huge_bytes, result->ns.count, result->ns.p50,
	       result->ns.p90, result->ns.p99, result->ns.p99_9,
	       result->ns.max);
	json_ratio("ratio_to_floor", result->ratio_to_floor);
	json_ratio("ratio_to_futex", result->ratio_to_futex);
	json_ratio("ratio_to_4k", result->ratio_to_4k);
	json_ratio("ratio_to_memfd", result->ratio_to_memfd);
	putchar('}');
}

void bench_report_json(const struct bench_report *report)
{
	const struct bench_config *config = report->config;

	printf("{\"schema\":1,\"version\":\"%s\",\"backend\":\"%s\","
	       "\"cpus\":[%d,%d],\"clock_ns\":%" PRIu64 ",\n"
	       " \"floor\":{",
	       flowipc_version(), flowipc_backend_name(config->backend),
	       config->cpus[0], config->cpus[1], report->clock_ns);
	json_floors(report);
	printf("},\n \"results\":[");
	for (unsigned int i = 0; i < report->count; i++) {
		printf("%s\n  ", i ? "," : "");
		json_result(&report->results[i], config->test->name);
	}
	printf("\n ],\n \"missing\":[");
	for (unsigned int i = 0; i < report->missing_count; i++) {
		printf("%s\n  {\"peer\":\"%s\",\"why\":", i ? "," : "",
		       report->missing[i].peer);
		json_string(report->missing[i].why);
		putchar('}');
	}
	printf("\n ]}\n");
}
