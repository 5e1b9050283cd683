// SPDX-License-Identifier: MIT
/*
 * The floor under everything that sleeps: two processes that wake each other
 * by a word in shared memory, with no message and no protocol around it.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define END UINT32_MAX

struct words {
	_Alignas(128) _Atomic uint32_t ping;
	_Alignas(128) _Atomic uint32_t pong;
};

/* Without a limit, which would cost a timer: see bench_watch(). */
static uint32_t wait_past(_Atomic uint32_t *word, uint32_t old)
{
	uint32_t value;

	while ((value = atomic_load(word)) == old) {
		if (!syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0))
			continue;
		if (errno != EAGAIN && errno != EINTR)
			bench_die("futex: cannot wait: %s", strerror(errno));
	}
	return value;
}

static void post(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		bench_die("futex: cannot wake: %s", strerror(errno));
}

static void serve(struct bench_link *link)
{
	struct words *words = link->shared;
	uint32_t seen = 0;

	bench_ready(link);
	while ((seen = wait_past(&words->ping, seen)) != END)
		post(&words->pong, seen);
}

static void ping(struct bench_link *link, uint64_t number)
{
	struct words *words = link->shared;

	post(&words->ping, (uint32_t)number);
	if (wait_past(&words->pong, (uint32_t)number - 1) != (uint32_t)number)
		bench_die("futex: a reply is not the one that was asked for");
}

static void disconnect(struct bench_link *link)
{
	struct words *words = link->shared;

	post(&words->ping, END);
}

const struct bench_peer bench_futex = {
	.name = "futex",
	.modes = 1 << BENCH_SLEEP,
	.fixed_size = sizeof(uint32_t),
	.is_floor = true,
	.serve = serve,
	.ping = ping,
	.disconnect = disconnect,
};
