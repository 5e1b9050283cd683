// SPDX-License-Identifier: MIT
/*
 * The floor under everything that shares memory: how long a store by one
 * processor takes to be seen by another, and a store by that one to be seen
 * by the first. Each side writes a cache line of its own and only reads the
 * other's. No pause in the loops: it would add to what is to be a floor.
 */
#include <stdatomic.h>

#include "bench.h"

#define END UINT64_MAX

/* A line pair each, because processors like to fetch them in pairs. */
struct lines {
	_Alignas(128) _Atomic uint64_t ping;
	_Alignas(128) _Atomic uint64_t pong;
};

/* Looking at the clock on every turn would be most of the turn. */
#define TURNS_PER_LOOK (UINT64_C(1) << 24)

static uint64_t wait_past(_Atomic uint64_t *word, uint64_t old)
{
	uint64_t since = 0, value;

	for (uint64_t turn = 1;; turn++) {
		value = atomic_load_explicit(word, memory_order_acquire);
		if (value != old)
			return value;
		if (turn % TURNS_PER_LOOK == 0) {
			if (!since)
				since = bench_now();
			else if (bench_now() - since > BENCH_HANG_NS)
				bench_die("cacheline: the other process does not answer");
		}
	}
}

static void serve(struct bench_link *link)
{
	struct lines *lines = link->shared;
	uint64_t seen = 0;

	bench_ready(link);
	while ((seen = wait_past(&lines->ping, seen)) != END)
		atomic_store_explicit(&lines->pong, seen,
				      memory_order_release);
}

static void ping(struct bench_link *link, uint64_t number)
{
	struct lines *lines = link->shared;

	atomic_store_explicit(&lines->ping, number, memory_order_release);
	if (wait_past(&lines->pong, number - 1) != number)
		bench_die("cacheline: a reply is not the one that was asked for");
}

static void disconnect(struct bench_link *link)
{
	struct lines *lines = link->shared;

	atomic_store_explicit(&lines->ping, END, memory_order_release);
}

const struct bench_peer bench_cacheline = {
	.name = "cacheline",
	.modes = 1 << BENCH_SPIN,
	.fixed_size = sizeof(uint64_t),
	.is_floor = true,
	.serve = serve,
	.ping = ping,
	.disconnect = disconnect,
};
