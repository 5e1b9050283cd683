// SPDX-License-Identifier: MIT
#include "histogram.h"

#include <inttypes.h>

/* From this slot on, its edges do not fit into the narrow columns. */
#define WIDE_SLOT 32
#define STARS 40

uint64_t histogram_low(unsigned int slot)
{
	return slot ? UINT64_C(1) << slot : 0;
}

uint64_t histogram_high(unsigned int slot)
{
	return (UINT64_C(2) << slot) - 1; /* 2 << 63 is 0, and this 2^64-1 */
}

uint64_t histogram_count(const uint64_t slots[HISTOGRAM_SLOTS])
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_SLOTS; i++)
		count += slots[i];
	return count;
}

uint64_t histogram_percentile(const uint64_t slots[HISTOGRAM_SLOTS],
			      unsigned int percent)
{
	uint64_t count = histogram_count(slots);
	/* ceil(count * percent / 100) without overflow */
	uint64_t rank = count / 100 * percent +
			(count % 100 * percent + 99) / 100;
	uint64_t seen = 0;
	unsigned int i;

	if (!count)
		return 0;
	for (i = 0; i < HISTOGRAM_SLOTS; i++) {
		seen += slots[i];
		if (seen && seen >= rank)
			return histogram_high(i);
	}
	return UINT64_MAX;
}

void histogram_print(FILE *out, const uint64_t slots[HISTOGRAM_SLOTS],
		     const char *unit)
{
	unsigned int i, used = 0;
	uint64_t most = 0;
	int wide, stars;

	for (i = 0; i < HISTOGRAM_SLOTS; i++) {
		if (slots[i])
			used = i + 1;
		if (slots[i] > most)
			most = slots[i];
	}
	if (!used)
		return;

	wide = used > WIDE_SLOT;
	stars = wide ? STARS / 2 : STARS;
	fprintf(out, "%*s%-*s : count     distribution\n", wide ? 15 : 5, "",
		wide ? 29 : 19, unit);
	for (i = 0; i < used; i++) {
		/* long double: exact, and the product does not overflow */
		int n = (int)((long double)slots[i] * stars / most);
		int j;

		fprintf(out, "%*" PRIu64 " -> %-*" PRIu64 " : %-8" PRIu64 " |",
			wide ? 20 : 10, histogram_low(i), wide ? 20 : 10,
			histogram_high(i), slots[i]);
		for (j = 0; j < stars; j++)
			putc(j < n ? '*' : ' ', out);
		fputs("|\n", out);
	}
}
