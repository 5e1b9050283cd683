// SPDX-License-Identifier: GPL-2.0-only
/* The histogram must look as bcc prints it, byte by byte. */
#include "tools/trace/histogram.h"

#include <stdlib.h>
#include <string.h>

static int failures;

static void check(int good, const char *what)
{
	static int number;

	printf("%sok %d - %s\n", good ? "" : "not ", ++number, what);
	failures += !good;
}

/* Does @slots print as @expected? Shows both if not. */
static void check_print(const uint64_t *slots, const char *unit,
			const char *expected, const char *what)
{
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	if (!out)
		abort();
	histogram_print(out, slots, unit);
	fclose(out);
	check(!strcmp(printed, expected), what);
	if (strcmp(printed, expected))
		fprintf(stderr, "--- expected\n%s--- printed\n%s", expected,
			printed);
	free(printed);
}

static void test_narrow(void)
{
	uint64_t slots[HISTOGRAM_SLOTS] = { 0 };

	check_print(slots, "nsecs", "", "nothing when empty");
	slots[0] = 1;
	slots[2] = 40;
	slots[3] = 10;
	slots[4] = 39;
	check_print(slots, "nsecs",
"     nsecs               : count     distribution\n"
"         0 -> 1          : 1        |*                                       |\n"
"         2 -> 3          : 0        |                                        |\n"
"         4 -> 7          : 40       |****************************************|\n"
"         8 -> 15         : 10       |**********                              |\n"
"        16 -> 31         : 39       |*************************************** |\n",
		    "narrow columns");
}

static void test_wide(void)
{
	uint64_t slots[HISTOGRAM_SLOTS] = { 0 };
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);
	const char *head =
"               usecs                         : count     distribution\n"
"                   0 -> 1                    : 0        |                    |\n";
	const char *tail =
"          4294967296 -> 8589934591           : 18446744073709551615 |********************|\n";

	slots[31] = UINT64_MAX / 2;
	slots[32] = UINT64_MAX;
	if (!out)
		abort();
	histogram_print(out, slots, "usecs");
	fclose(out);
	check(!strncmp(printed, head, strlen(head)), "wide columns, head");
	check(size > strlen(tail) &&
	      !strcmp(printed + size - strlen(tail), tail),
	      "wide columns, 64-bit counts");
	free(printed);
}

static void test_numbers(void)
{
	uint64_t slots[HISTOGRAM_SLOTS] = { 0 };

	check(histogram_low(0) == 0 && histogram_high(0) == 1 &&
	      histogram_low(10) == 1024 && histogram_high(10) == 2047 &&
	      histogram_high(63) == UINT64_MAX, "edges of buckets");
	check(histogram_percentile(slots, 50) == 0, "no percentile of nothing");
	slots[4] = 50;
	slots[5] = 40;
	slots[6] = 9;
	slots[7] = 1;
	check(histogram_count(slots) == 100, "count");
	check(histogram_percentile(slots, 50) == 31 &&
	      histogram_percentile(slots, 51) == 63 &&
	      histogram_percentile(slots, 90) == 63 &&
	      histogram_percentile(slots, 99) == 127 &&
	      histogram_percentile(slots, 100) == 255, "percentiles");
	slots[4] = 0;
	slots[5] = 0;
	slots[6] = 0;
	check(histogram_percentile(slots, 50) == 255, "percentile of one");
}

int main(void)
{
	test_narrow();
	test_wide();
	test_numbers();
	return failures != 0;
}
