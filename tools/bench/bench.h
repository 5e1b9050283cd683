/* SPDX-License-Identifier: MIT */
/*
 * The parts of flowipc-bench and how they fit together.
 *
 * A test (rtt) says what is measured and a peer (flowipc, unix, futex,
 * cacheline) by what means two processes talk. Both are rows in a table, each
 * with a file of its own; a test runs over all peers and hands its results to
 * the report, which prints them as a table or as JSON.
 */
#ifndef FLOWIPC_BENCH_H
#define FLOWIPC_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <flowipc/flowipc.h>

/* How long anything may take before it counts as hung. */
#define BENCH_HANG_MS 10000
#define BENCH_HANG_NS (BENCH_HANG_MS * UINT64_C(1000000))

#define BENCH_MAX_SIZES	  32
#define BENCH_MAX_RESULTS 256

enum bench_mode {
	BENCH_SPIN,
	BENCH_ADAPTIVE,
	BENCH_SLEEP,
	BENCH_MODES,
};

struct bench_config {
	const char *test;
	uint64_t sizes[BENCH_MAX_SIZES];
	unsigned int size_count;
	unsigned int modes; /* 1 << enum bench_mode */
	uint64_t iterations; /* 0: for as long as duration_ns */
	uint64_t duration_ns; /* of one measurement */
	int cpus[2]; /* of the asking and of the answering process */
	enum flowipc_backend backend;
	bool json;
};

struct bench_stats {
	uint64_t count, p50, p90, p99, p99_9, max;
};

struct bench_result {
	const char *peer, *test;
	enum bench_mode mode;
	uint64_t size;
	bool is_floor;
	struct bench_stats ns;
};

struct bench_report {
	const struct bench_config *config;
	uint64_t clock_ns; /* what reading the clock adds to each sample */
	struct bench_result results[BENCH_MAX_RESULTS];
	unsigned int count;
};

/* A conversation between two processes, as one of them sees it. */
struct bench_link {
	const struct bench_config *config;
	enum bench_mode mode;
	uint64_t size;
	int ready_fd; /* answering side: see bench_ready() */
	void *shared; /* a zeroed page of memory that both sides write */
	void *state; /* the peer's own */
};

struct bench_peer {
	const char *name;
	unsigned int modes; /* that it can do */
	uint64_t fixed_size; /* it can only carry this many bytes; 0: any */
	/*
	 * What the hardware or the kernel can do at best: measured in every
	 * run, whatever was asked for, because results are compared to it.
	 */
	bool is_floor;

	/* Before the fork; may be NULL. */
	void (*prepare)(struct bench_link *link);
	/* Answering process: bench_ready(), then answer until the end. */
	void (*serve)(struct bench_link *link);
	/* Asking process, once the other is ready; may be NULL. */
	void (*connect)(struct bench_link *link);
	/* One message there and one back, which must carry @number too. */
	void (*ping)(struct bench_link *link, uint64_t number);
	/* Asking process: make serve() return. */
	void (*disconnect)(struct bench_link *link);
};

struct bench_test {
	const char *name;
	const char *summary;
	void (*run)(const struct bench_config *config,
		    struct bench_report *report);
};

/* main.c: one line on stderr, then exit with status 1. */
_Noreturn void bench_die(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
void bench_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_progress(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* cpus.c */
void bench_pick_cpus(int cpus[2]);
void bench_check_cpu(int cpu);
void bench_pin(int cpu);

/* peers.c: the table, ended by NULL, floors first. */
extern const struct bench_peer *const bench_peers[];

/* The answering process can be connected to. */
void bench_ready(const struct bench_link *link);
/* Put @number into a message, and check that it came back. */
void bench_stamp(void *buffer, uint64_t size, uint64_t number);
void bench_check(const struct bench_peer *peer, const void *buffer,
		 uint64_t size, uint64_t number);

extern const struct bench_peer bench_cacheline, bench_futex, bench_unix,
	bench_flowipc;

/* rtt.c */
void bench_rtt(const struct bench_config *config, struct bench_report *report);

/* stats.c: sorts the samples. */
void bench_stats_of(uint64_t *samples, uint64_t count,
		    struct bench_stats *stats);

/* report.c */
const char *bench_mode_name(enum bench_mode mode);
void bench_report_add(struct bench_report *report,
		      const struct bench_result *result);
void bench_report_table(const struct bench_report *report);
void bench_report_json(const struct bench_report *report);

static inline uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
