// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage, where the kernel has KCOV and the module was built for it: which of
 * the places the compiler marked were passed, by any thread, and which of the
 * module's functions never. It is shown, and leads nothing: steps are right
 * calls most of the time, and of the places that ten minutes reach, 2000 calls
 * reach nine in ten.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcov.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define KCOV_PATH	"/sys/kernel/debug/kcov"
#define KCOV_WORDS	(16 << 10)
#define FUNCTIONS_MAX	1024

struct function {
	uint64_t	address;
	bool		reached;
	char		name[64];
};

/* How many, then one for each place passed. */
static _Thread_local uint64_t *trace;

/* In the supervisor. Those without privileges count, too. */
void coverage_setup(void)
{
	shared->coverage = !chmod("/sys/kernel/debug", 0755) &&
			   !chmod(KCOV_PATH, 0666);
}

/* From here on, what this thread passes. */
void coverage_start(void)
{
	void *area;
	int fd;

	trace = NULL;
	if (!shared->coverage)
		return;
	fd = open(KCOV_PATH, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return;
	if (!ioctl(fd, KCOV_INIT_TRACE, (unsigned long)KCOV_WORDS)) {
		area = mmap(NULL, KCOV_WORDS * sizeof(*trace),
			    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (area != MAP_FAILED &&
		    !ioctl(fd, KCOV_ENABLE, (unsigned long)KCOV_TRACE_PC))
			trace = area;
	}
	/* Enabled until the thread ends; the mapping keeps it open. */
	close(fd);
}

/* Not measured: forked children. */
void coverage_end(void)
{
	trace = NULL;
}

static void place_add(uint64_t address)
{
	unsigned int at = address * 0x9e3779b97f4a7c15 >> 48, i;
	unsigned long long seen;

	for (i = 0; i < PLACES; i++, at++) {
		seen = atomic_load_explicit(&shared->places[at % PLACES],
					    memory_order_relaxed);
		if (seen == address)
			return;
		if (seen)
			continue;
		if (atomic_compare_exchange_strong(&shared->places[at % PLACES],
						   &seen, address)) {
			atomic_fetch_add(&shared->places_count, 1);
			return;
		}
		if (seen == address)
			return;
	}
}

void coverage_collect(void)
{
	uint64_t count, i;

	if (!trace)
		return;
	count = __atomic_exchange_n(&trace[0], 0, __ATOMIC_RELAXED);
	for (i = 1; i <= count && i < KCOV_WORDS; i++)
		place_add(trace[i]);
}

static int function_order(const void *a, const void *b)
{
	const struct function *left = a, *right = b;

	return (left->address > right->address) -
	       (left->address < right->address);
}

static unsigned int functions_read(struct function *functions)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	struct function *function = functions;
	char line[256], type;

	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (!strstr(line, "\t[flowipc]") ||
		    function == functions + FUNCTIONS_MAX)
			continue;
		if (sscanf(line, "%" SCNx64 " %c %63s", &function->address,
			   &type, function->name) != 3)
			continue;
		/* Not what the compiler has split off, or made for KASAN. */
		if ((type == 't' || type == 'T') &&
		    !strstr(function->name, ".cold") &&
		    strncmp(function->name, "_sub_", 5))
			function++;
	}
	if (symbols)
		fclose(symbols);
	qsort(functions, function - functions, sizeof(*functions),
	      function_order);

	return function - functions;
}

void coverage_report(void)
{
	static struct function functions[FUNCTIONS_MAX];
	unsigned int count, reached = 0, i, at;
	uint64_t address;

	if (!shared->coverage)
		return;
	count = functions_read(functions);
	for (i = 0; i < PLACES; i++) {
		address = atomic_load(&shared->places[i]);
		if (!address || !count || address < functions[0].address)
			continue;
		for (at = 1; at < count && functions[at].address <= address; at++)
			;
		functions[at - 1].reached = true;
	}
	printf("# functions never reached:");
	for (i = 0; i < count; i++) {
		reached += functions[i].reached;
		if (!functions[i].reached)
			printf(" %s", functions[i].name);
	}
	printf("\n# coverage: %u places, %u of %u functions\n",
	       atomic_load(&shared->places_count), reached, count);
}
