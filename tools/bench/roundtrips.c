// SPDX-License-Identifier: MIT
/*
 * Round trips: one process sends a message and waits for the answer of the
 * other, over and over, each on a processor of its own. A sample is the time
 * from one answer to the next, so the clock is read once per round trip.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define MAX_SAMPLES (UINT64_C(1) << 20) /* of one measurement, all rounds */
#define MIN_WARMUP 100 /* round trips, or */
#define MAX_WARMUP UINT64_C(20000000) /* ns, if that is sooner */
#define PAGE	   4096

/* In round @round of a measurement, by the asking process. */
static void sample(struct bench_measurement *m, unsigned int round)
{
	const struct bench_config *config = m->link.config;
	uint64_t limit = m->room * (round + 1) / BENCH_ROUNDS;
	uint64_t slice = config->duration_ns / BENCH_ROUNDS;
	volatile uint64_t number = 0;
	uint64_t until, last, now;

	bench_watch(m->peer->name, &number);
	last = bench_now();
	until = config->iterations ? 0 : last + slice / 10;
	do
		m->peer->ping(&m->link, ++number);
	while ((number < MIN_WARMUP && bench_now() < last + MAX_WARMUP) ||
	       bench_now() < until);

	last = bench_now();
	until = config->iterations ? UINT64_MAX : last + slice;
	while (m->count < limit && last < until) {
		m->peer->ping(&m->link, ++number);
		now = bench_now();
		m->samples[m->count++] = now - last;
		last = now;
	}
	bench_watch(NULL, NULL);
}

static void run_round(struct bench_measurement *m, unsigned int round)
{
	pid_t child, parent = getpid();
	int ready[2];
	char byte;

	bench_progress("round %u of %d: %s, %s, %llu bytes, CPUs %d and %d",
		       round + 1, BENCH_ROUNDS, m->peer->name, m->label,
		       (unsigned long long)m->link.size, m->link.cpus[0],
		       m->link.cpus[1]);
	if (pipe2(ready, O_CLOEXEC))
		bench_die("cannot make a pipe: %s", strerror(errno));
	m->link.ready_fd = ready[1];
	m->link.shared = bench_shared_memory(PAGE, MAP_SHARED);
	if (m->peer->prepare)
		m->peer->prepare(&m->link);
	child = fork();
	if (child < 0)
		bench_die("cannot fork: %s", strerror(errno));
	if (!child) {
		close(ready[0]);
		bench_child(m->link.cpus[1], parent);
		m->peer->serve(&m->link);
		_exit(0);
	}
	close(ready[1]);
	bench_pin(m->link.cpus[0]);

	if (read(ready[0], &byte, 1) == 1) {
		if (m->peer->connect)
			m->peer->connect(&m->link);
		sample(m, round);
		m->peer->disconnect(&m->link);
	}
	bench_reap(m->peer->name, child, ready[0]);
	munmap(m->link.shared, PAGE);
}

/* What one reading of the clock costs, at the median. */
static uint64_t clock_cost(void)
{
	static uint64_t samples[10000];
	struct bench_stats stats;
	uint64_t last = bench_now(), now;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		now = bench_now();
		samples[i] = now - last;
		last = now;
	}
	bench_stats_of(samples, sizeof(samples) / sizeof(samples[0]), &stats);
	return stats.p50;
}

void bench_roundtrips_add(struct bench_measurement *m, const char *label,
			  const struct bench_link *link,
			  const struct bench_peer *peer)
{
	const struct bench_config *config = link->config;

	m->peer = peer;
	m->label = label;
	m->link = *link;
	m->room = config->iterations ? config->iterations : MAX_SAMPLES;
	/* Resident from the start: no sample is to pay for a page fault. */
	m->samples = bench_shared_memory(m->room * sizeof(*m->samples),
					 MAP_PRIVATE | MAP_POPULATE);
}

void bench_roundtrips(struct bench_measurement *list, unsigned int count,
		      struct bench_report *report)
{
	report->clock_ns = clock_cost();
	for (unsigned int round = 0; round < BENCH_ROUNDS; round++)
		for (unsigned int i = 0; i < count; i++)
			run_round(&list[i], round);
	bench_progress(NULL);

	for (unsigned int i = 0; i < count; i++) {
		struct bench_measurement *m = &list[i];
		struct bench_result *result =
			bench_report_add(report, m->peer->name, m->label);

		result->size = m->link.size;
		bench_stats_of(m->samples, m->count, &result->ns);
		munmap(m->samples, m->room * sizeof(*m->samples));
	}
}
