/* SPDX-License-Identifier: MIT */
/* Time: CLOCK_MONOTONIC in nanoseconds, and deadlines in it. */
#ifndef FLOWIPC_LIB_CLOCK_H
#define FLOWIPC_LIB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define FLOWIPC__NEVER UINT64_MAX

static inline uint64_t flowipc__now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A deadline from a timeout in ms. 0 stays 0, a moment long past. */
static inline uint64_t flowipc__deadline(int timeout_ms)
{
	if (timeout_ms < 0)
		return FLOWIPC__NEVER;
	if (!timeout_ms)
		return 0;
	return flowipc__now() + (uint64_t)timeout_ms * 1000000;
}

/* A timeout whose deadline is reckoned, once, when somebody has to wait. */
struct patience {
	int timeout_ms;
	uint64_t deadline;
};

static inline uint64_t flowipc__patience_deadline(struct patience *patience)
{
	if (!patience->deadline)
		patience->deadline = flowipc__deadline(patience->timeout_ms);
	return patience->deadline;
}

/*
 * What is left until @deadline, for ppoll: false when it has passed. *@left is
 * NULL when there is no limit, else @storage.
 */
static inline bool flowipc__left(uint64_t deadline, struct timespec *storage,
				 const struct timespec **left)
{
	uint64_t now = 0;

	if (deadline == FLOWIPC__NEVER) {
		*left = NULL;
		return true;
	}
	*left = storage;
	if (deadline)
		now = flowipc__now();
	if (deadline <= now) {
		*storage = (struct timespec){0};
		return false;
	}
	storage->tv_sec = (time_t)((deadline - now) / 1000000000);
	storage->tv_nsec = (long)((deadline - now) % 1000000000);
	return true;
}

/*
 * A cheap clock of no particular unit, for "not oftener than every few ms".
 * FLOWIPC__TICKS is in the order of 20 ms.
 */
#if defined(__x86_64__) || defined(__i386__)
#define FLOWIPC__TICKS (1ULL << 26)
static inline uint64_t flowipc__ticks(void)
{
	return __builtin_ia32_rdtsc();
}
#else
#define FLOWIPC__TICKS 20000000ULL
static inline uint64_t flowipc__ticks(void)
{
	return flowipc__now();
}
#endif

#endif
