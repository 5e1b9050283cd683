// SPDX-License-Identifier: MIT
/* What was measured, as a table or as JSON, and what it amounts to. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filecache.h"

/* The most that the largest file may take, in times of the smallest. */
#define RATIO_LIMIT 1.5

static const struct {
	uint64_t bit;
	const char *name, *text;
} guarantees[] = {
	{ FLOWIPC_HAS_READ_ONLY, "read-only",
	  "that a peer cannot write what it was lent" },
	{ FLOWIPC_HAS_BOUND_GRANTS, "bound-grants",
	  "that only the process it was meant for can use memory" },
	{ FLOWIPC_HAS_REVOKE, "revoke", "that memory can be taken back" },
	{ FLOWIPC_HAS_RESIDENT, "resident",
	  "that memory is there from the start and never swapped" },
	{ FLOWIPC_HAS_HANGUP, "hangup",
	  "that the death of the peer is known at once" },
};

#define GUARANTEES (sizeof(guarantees) / sizeof(guarantees[0]))

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Exact: the smallest sample that at least so many of all do not exceed. */
void timing_of(uint64_t *samples, uint64_t count, struct timing *timing)
{
	qsort(samples, count, sizeof(*samples), compare);
	timing->count = count;
	timing->p50 = samples[(count * 50 + 99) / 100 - 1];
	timing->p99 = samples[(count * 99 + 99) / 100 - 1];
	timing->max = samples[count - 1];
}

const char *size_text(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	static char texts[4][32];
	static unsigned int turn;
	char *text = texts[turn++ % 4];
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit < 4; unit++)
		value /= 1024;
	if (value == (double)(uint64_t)value || value >= 1000)
		snprintf(text, sizeof(texts[0]), "%.0f %s", value, units[unit]);
	else
		snprintf(text, sizeof(texts[0]), "%.1f %s", value, units[unit]);
	return text;
}

/* --- table ------------------------------------------------------------------ */

/* Three digits and a unit, ten columns. */
static void print_time(uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s " };
	double value = (double)ns;
	size_t unit = 0;
	int digits;

	for (; value >= 999.5 && unit < 3; unit++)
		value /= 1000;
	digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	printf(" %6.*f %s", digits, value, units[unit]);
}

static void print_row(const struct measured *measured)
{
	const struct timing *fast = &measured->flowipc;
	const struct timing *slow = &measured->socket;
	const char *name = measured->file->name;
	size_t length = strlen(name);
	double ratio;

	/* The end of a path tells more than its beginning. */
	printf("%s%-*s %9s", length > 32 ? "..." : "", length > 32 ? 29 : 32,
	       length > 32 ? name + length - 29 : name,
	       size_text(measured->file->size));
	print_time(measured->first);
	print_time(fast->p50);
	print_time(fast->p99);
	print_time(fast->max);
	if (slow->count) {
		ratio = (double)slow->p50 / (double)fast->p50;
		printf("  ");
		print_time(slow->p50);
		print_time(slow->p99);
		print_time(slow->max);
		printf(" %8" PRIu64 " %11.*f", slow->count, ratio < 100, ratio);
	}
	putchar('\n');
}

static void print_table(const struct measured *measured, size_t count)
{
	bool socket = measured[0].socket.count;

	printf("%42s   %-42s%s\n", "", "flowipc",
	       socket ? "Unix stream socket" : "");
	printf("%-32s %9s %9s %9s %9s %9s", "file", "size", "first", "p50",
	       "p99", "max");
	if (socket)
		printf("   %9s %9s %9s %8s %11s", "p50", "p99", "max",
		       "requests", "/ flowipc");
	putchar('\n');
	for (size_t i = 0; i < count; i++)
		print_row(&measured[i]);
}

static void print_guarantees(enum flowipc_backend backend)
{
	uint64_t features = flowipc_features(backend);
	const char *before = "It does not guarantee ";

	printf("Back end: %s. ", flowipc_backend_name(backend));
	for (size_t i = 0; i < GUARANTEES; i++) {
		if (features & guarantees[i].bit)
			continue;
		printf("%s%s", before, guarantees[i].text);
		before = ",\nnor ";
	}
	printf("%s.\n", *before == 'I' ? "It gives all guarantees" : "");
}

static void print_verdict(const struct options *options,
			  const struct measured *small,
			  const struct measured *large, double ratio)
{
	printf("\nAll replies have the XXH3 of the files on disk; %" PRIu64
	       " requests for each file, and the first.\n", options->requests);
	if (options->cpus[0] >= 0)
		printf("Over flowipc the server ran on CPU %d, the client on CPU %d.\n",
		       options->cpus[0], options->cpus[1]);
	if (small->file->size == large->file->size)
		return;
	printf("%s took %.2f times as long as %s (p50)",
	       size_text(large->file->size), ratio,
	       size_text(small->file->size));
	if (small->socket.count)
		printf("; over the socket, %.0f times",
		       (double)large->socket.p50 / (double)small->socket.p50);
	printf(".\n");
}

/* --- JSON ------------------------------------------------------------------- */

static void json_string(const char *text)
{
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < 0x20)
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	putchar('"');
}

static void json_timing(const char *key, const struct timing *timing)
{
	if (!timing->count)
		printf(",\"%s\":null", key);
	else
		printf(",\"%s\":{\"requests\":%" PRIu64 ",\"p50_ns\":%" PRIu64
		       ",\"p99_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64 "}",
		       key, timing->count, timing->p50, timing->p99,
		       timing->max);
}

static void print_json(enum flowipc_backend backend,
		       const struct measured *measured, size_t count,
		       double ratio)
{
	uint64_t features = flowipc_features(backend);
	const char *separator = "";

	printf("{\"schema\":1,\"version\":\"%s\",\"backend\":\"%s\",\"lacks\":[",
	       flowipc_version(), flowipc_backend_name(backend));
	for (size_t i = 0; i < GUARANTEES; i++) {
		if (features & guarantees[i].bit)
			continue;
		printf("%s\"%s\"", separator, guarantees[i].name);
		separator = ",";
	}
	printf("],\n \"files\":[");
	for (size_t i = 0; i < count; i++) {
		const struct measured *m = &measured[i];

		printf("%s\n  {\"file\":", i ? "," : "");
		json_string(m->file->name);
		printf(",\"size\":%" PRIu64 ",\"xxh3\":\"%016" PRIx64
		       "\",\"first_ns\":%" PRIu64,
		       m->file->size, m->hash, m->first);
		json_timing("flowipc", &m->flowipc);
		json_timing("unix", &m->socket);
		if (m->socket.count)
			printf(",\"ratio\":%.3f}", (double)m->socket.p50 /
						   (double)m->flowipc.p50);
		else
			printf(",\"ratio\":null}");
	}
	printf("\n ],\n \"largest_to_smallest\":%.3f}\n", ratio);
}

int report(const struct options *options, enum flowipc_backend backend,
	   const struct measured *measured, size_t count)
{
	const struct measured *small = measured, *large = measured;
	double ratio;

	for (size_t i = 1; i < count; i++) {
		if (measured[i].file->size < small->file->size)
			small = &measured[i];
		if (measured[i].file->size > large->file->size)
			large = &measured[i];
	}
	ratio = (double)large->flowipc.p50 / (double)small->flowipc.p50;
	if (options->json) {
		print_json(backend, measured, count, ratio);
	} else {
		print_table(measured, count);
		print_verdict(options, small, large, ratio);
		print_guarantees(backend);
		if (options->remark)
			printf("%s\n", options->remark);
	}
	if (fflush(stdout) || ferror(stdout))
		die("cannot write the results");
	if (options->check && ratio > RATIO_LIMIT) {
		say("%s took %.2f times as long as %s, more than %.1f times",
		    size_text(large->file->size), ratio,
		    size_text(small->file->size), RATIO_LIMIT);
		return 1;
	}
	return 0;
}
