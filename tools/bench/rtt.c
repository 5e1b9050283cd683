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

#define MAX_SAMPLES (UINT64_C(1) << 22)
#define MIN_WARMUP  100

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

static uint64_t sample(const struct bench_peer *peer, struct bench_link *link,
		       uint64_t *samples)
{
	const struct bench_config *config = link->config;
	uint64_t number = 0, count = 0, limit, until, last, now;

	limit = MIN_WARMUP + config->iterations / 10;
	until = config->iterations ? 0 : bench_now() + config->duration_ns / 10;
	while (number < limit || bench_now() < until)
		peer->ping(link, ++number);

	limit = config->iterations ? config->iterations : MAX_SAMPLES;
	last = bench_now();
	until = config->iterations ? UINT64_MAX : last + config->duration_ns;
	while (count < limit && last < until) {
		peer->ping(link, ++number);
		now = bench_now();
		samples[count++] = now - last;
		last = now;
	}
	return count;
}

static void measure(const struct bench_config *config,
		    const struct bench_peer *peer, enum bench_mode mode,
		    uint64_t size, uint64_t *samples,
		    struct bench_report *report)
{
	struct bench_link link = {
		.config = config,
		.mode = mode,
		.size = size,
		.shared = shared_memory(4096, MAP_SHARED),
	};
	struct bench_result result = {
		.peer = peer->name,
		.test = "rtt",
		.mode = mode,
		.size = size,
		.is_floor = peer->is_floor,
	};
	pid_t child, parent = getpid();
	uint64_t count;
	int ready[2];
	char byte;

	bench_progress("%s, %s, %llu bytes", peer->name, bench_mode_name(mode),
		       (unsigned long long)size);
	if (pipe2(ready, O_CLOEXEC))
		bench_die("cannot make a pipe: %s", strerror(errno));
	link.ready_fd = ready[1];
	if (peer->prepare)
		peer->prepare(&link);
	child = fork();
	if (child < 0)
		bench_die("cannot fork: %s", strerror(errno));
	if (!child) {
		close(ready[0]);
		answer(peer, &link, parent);
	}
	close(ready[1]);

	if (read(ready[0], &byte, 1) == 1) {
		if (peer->connect)
			peer->connect(&link);
		count = sample(peer, &link, samples);
		peer->disconnect(&link);
		bench_stats_of(samples, count, &result.ns);
		bench_report_add(report, &result);
	}
	reap(peer, child, ready[0]);
	munmap(link.shared, 4096);
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
static uint64_t clock_cost(uint64_t *samples)
{
	struct bench_stats stats;
	uint64_t last = bench_now(), now;

	for (int i = 0; i < 10000; i++) {
		now = bench_now();
		samples[i] = now - last;
		last = now;
	}
	bench_stats_of(samples, 10000, &stats);
	return stats.p50;
}

void bench_rtt(const struct bench_config *config, struct bench_report *report)
{
	uint64_t *samples, room = MAX_SAMPLES;

	if (config->cpus[0] == config->cpus[1])
		bench_note("both processes are on CPU %d: spinning cannot be measured there and is left out",
			   config->cpus[0]);
	if (config->iterations > room)
		room = config->iterations;
	/* Resident from the start: no sample is to pay for a page fault. */
	samples = shared_memory(room * sizeof(*samples),
				MAP_PRIVATE | MAP_POPULATE);
	bench_pin(config->cpus[0]);
	report->clock_ns = clock_cost(samples);

	for (int i = 0; bench_peers[i]; i++) {
		const struct bench_peer *peer = bench_peers[i];

		for (unsigned int s = 0; s < config->size_count; s++) {
			uint64_t size = peer->fixed_size ? peer->fixed_size :
							   config->sizes[s];

			for (int mode = 0; mode < BENCH_MODES; mode++)
				if (possible(config, peer, mode))
					measure(config, peer, mode, size,
						samples, report);
			if (peer->fixed_size)
				break;
		}
	}
	bench_progress(NULL);
	munmap(samples, room * sizeof(*samples));
}
