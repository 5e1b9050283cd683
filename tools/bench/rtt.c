// SPDX-License-Identifier: MIT
/*
 * Round trips: one process sends a message and waits for the answer of the
 * other, over and over, each on a processor of its own. A sample is the time
 * from one answer to the next, so the clock is read once per round trip.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/*
 * The speed of a machine drifts, and a virtual one's processors move apart and
 * together again, by a factor of four for a cache line. So nothing is measured
 * in one go: all measurements take turns, and a ratio compares what was
 * sampled at about the same times.
 */
#define ROUNDS	   5
#define MAX_SAMPLES (UINT64_C(1) << 20) /* of one measurement, all rounds */
#define MIN_WARMUP 100 /* round trips, or */
#define MAX_WARMUP UINT64_C(20000000) /* ns, if that is sooner */
#define PAGE	   4096

struct measurement {
	const struct bench_peer *peer;
	struct bench_link link;
	uint64_t *samples;
	uint64_t count, room;
};

static void *shared_memory(size_t size, int flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		bench_die("cannot map %zu bytes: %s", size, strerror(errno));
	return memory;
}

static _Noreturn void answer(const struct bench_peer *peer,
			     struct bench_link *link, pid_t parent)
{
	/* Whatever happens to the measuring process, do not stay behind. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM))
		bench_die("cannot tie processes together: %s",
			  strerror(errno));
	if (getppid() != parent)
		_exit(1);
	bench_pin(link->config->cpus[1]);
	peer->serve(link);
	_exit(0);
}

/* Its end of the pipe closes when the answering process is gone. */
static void reap(const struct bench_peer *peer, pid_t child, int pipe_fd)
{
	struct pollfd end = { .fd = pipe_fd };
	int status;

	if (poll(&end, 1, BENCH_HANG_MS) == 0)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	close(pipe_fd);
	if (WIFSIGNALED(status))
		bench_die("%s: the answering process died: %s", peer->name,
			  strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		exit(1); /* and it has said why */
}

/* In round @round of a measurement, by the asking process. */
static void sample(struct measurement *m, unsigned int round)
{
	const struct bench_config *config = m->link.config;
	uint64_t limit = m->room * (round + 1) / ROUNDS;
	uint64_t slice = config->duration_ns / ROUNDS;
	uint64_t number = 0, until, last, now;

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
}

static void run_round(struct measurement *m, unsigned int round)
{
	pid_t child, parent = getpid();
	int ready[2];
	char byte;

	bench_progress("round %u of %d: %s, %s, %llu bytes", round + 1, ROUNDS,
		       m->peer->name, bench_mode_name(m->link.mode),
		       (unsigned long long)m->link.size);
	if (pipe2(ready, O_CLOEXEC))
		bench_die("cannot make a pipe: %s", strerror(errno));
	m->link.ready_fd = ready[1];
	m->link.shared = shared_memory(PAGE, MAP_SHARED);
	if (m->peer->prepare)
		m->peer->prepare(&m->link);
	child = fork();
	if (child < 0)
		bench_die("cannot fork: %s", strerror(errno));
	if (!child) {
		close(ready[0]);
		answer(m->peer, &m->link, parent);
	}
	close(ready[1]);

	if (read(ready[0], &byte, 1) == 1) {
		if (m->peer->connect)
			m->peer->connect(&m->link);
		sample(m, round);
		m->peer->disconnect(&m->link);
	}
	reap(m->peer, child, ready[0]);
	munmap(m->link.shared, PAGE);
}

static bool possible(const struct bench_config *config,
		     const struct bench_peer *peer, enum bench_mode mode)
{
	if (!(peer->modes & 1U << mode))
		return false;
	/* On one processor, who spins keeps the other from answering. */
	if (mode == BENCH_SPIN && config->cpus[0] == config->cpus[1])
		return false;
	return peer->is_floor || config->modes & 1U << mode;
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

static struct measurement *add(struct measurement *m,
			       const struct bench_config *config,
			       const struct bench_peer *peer,
			       enum bench_mode mode, uint64_t size)
{
	m->peer = peer;
	m->link.config = config;
	m->link.mode = mode;
	m->link.size = size;
	m->room = config->iterations ? config->iterations : MAX_SAMPLES;
	/* Resident from the start: no sample is to pay for a page fault. */
	m->samples = shared_memory(m->room * sizeof(*m->samples),
				   MAP_PRIVATE | MAP_POPULATE);
	return m + 1;
}

/* All that was asked for, and the floors; returns the end of the list. */
static struct measurement *plan(struct measurement *m,
				const struct bench_config *config)
{
	const struct measurement *end = m + BENCH_MAX_RESULTS;

	for (int i = 0; bench_peers[i]; i++) {
		const struct bench_peer *peer = bench_peers[i];
		unsigned int sizes = peer->fixed_size ? 1 : config->size_count;

		for (unsigned int s = 0; s < sizes; s++) {
			uint64_t size = peer->fixed_size ? peer->fixed_size :
							   config->sizes[s];

			for (int mode = 0; mode < BENCH_MODES; mode++) {
				if (!possible(config, peer, mode))
					continue;
				if (m == end)
					bench_die("more than %d measurements in one run",
						  BENCH_MAX_RESULTS);
				m = add(m, config, peer, mode, size);
			}
		}
	}
	return m;
}

void bench_rtt(const struct bench_config *config, struct bench_report *report)
{
	static struct measurement list[BENCH_MAX_RESULTS];
	struct measurement *m, *end;

	if (config->cpus[0] == config->cpus[1])
		bench_note("both processes are on CPU %d: spinning cannot be measured there and is left out",
			   config->cpus[0]);
	bench_pin(config->cpus[0]);
	report->clock_ns = clock_cost();
	end = plan(list, config);
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (m = list; m < end; m++)
			run_round(m, round);
	bench_progress(NULL);

	for (m = list; m < end; m++) {
		struct bench_result result = {
			.peer = m->peer->name,
			.test = "rtt",
			.mode = m->link.mode,
			.size = m->link.size,
			.is_floor = m->peer->is_floor,
		};

		bench_stats_of(m->samples, m->count, &result.ns);
		bench_report_add(report, &result);
		munmap(m->samples, m->room * sizeof(*m->samples));
	}
}
