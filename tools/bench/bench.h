/* SPDX-License-Identifier: MIT */
/*
 * The parts of flowipc-bench and how they fit together.
 *
 * A test (rtt, wake, map) says what is measured. Two of them are round trips
 * between two processes, and a peer (flowipc, futex, pipe ...) is by what means
 * these talk. Tests and peers are rows in tables, with a file of their own. A
 * test hands its results to the report, which prints them as a table or JSON.
 */
#ifndef FLOWIPC_BENCH_H
#define FLOWIPC_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <flowipc/flowipc.h>

/* How long anything may take before it counts as hung. */
#define BENCH_HANG_MS 10000
#define BENCH_HANG_NS (BENCH_HANG_MS * UINT64_C(1000000))

#define BENCH_MAX_SIZES	  32
#define BENCH_MAX_RESULTS 256
#define BENCH_MAX_FLOORS  16
#define BENCH_MAX_MISSING 8

/*
 * The speed of a machine drifts, and a virtual one's processors move apart and
 * together again, by a factor of four for a cache line. So nothing is measured
 * in one go: all measurements take turns, and a ratio compares what was
 * sampled at about the same times.
 */
#define BENCH_ROUNDS 5

enum bench_mode {
	BENCH_SPIN,
	BENCH_ADAPTIVE,
	BENCH_SLEEP,
	BENCH_MODES,
};

struct bench_config {
	const struct bench_test *test;
	uint64_t sizes[BENCH_MAX_SIZES];
	unsigned int size_count;
	bool all_sizes;
	uint32_t given; /* which options: 1 << (letter - 'a') */
	unsigned int modes; /* 1 << enum bench_mode */
	uint64_t iterations; /* 0: for as long as duration_ns */
	uint64_t duration_ns; /* of one measurement */
	int cpus[2];
	enum flowipc_backend backend;
	char no_device[256]; /* why the device cannot be used; "": it can */
	bool json;
};

struct bench_stats {
	uint64_t count, p50, p90, p99, p99_9, max;
};

/* A member that is 0 does not apply, or could not be measured. */
struct bench_result {
	const char *peer;
	const char *mode; /* what this is to say is up to the test */
	uint64_t size;
	uint64_t huge_bytes; /* of them, mapped 2 MiB at a time */
	struct bench_stats ns;
	double ratio_to_floor, ratio_to_futex, ratio_to_4k, ratio_to_memfd;
};

/* What results of this run can be held against. */
struct bench_floor {
	char key[48];
	uint64_t p50;
};

/* What could not be measured, and why. */
struct bench_missing {
	const char *peer;
	char why[256];
};

struct bench_report {
	const struct bench_config *config;
	uint64_t clock_ns; /* what reading the clock adds to each sample */
	struct bench_result results[BENCH_MAX_RESULTS];
	unsigned int count;
	struct bench_floor floors[BENCH_MAX_FLOORS];
	unsigned int floor_count;
	struct bench_missing missing[BENCH_MAX_MISSING];
	unsigned int missing_count;
};

/* A conversation between two processes, as one of them sees it. */
struct bench_link {
	const struct bench_config *config;
	enum bench_mode mode;
	uint64_t size;
	int cpus[2]; /* of the asking and of the answering process */
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
	bool needs_device;

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
	const char *without; /* the letters of options it does not have */
	uint64_t sizes[BENCH_MAX_SIZES]; /* all of them, ended by 0 */
	uint64_t default_size; /* one of them */
	uint64_t size_unit; /* that all must be multiples of; 0: of none */
	void (*run)(const struct bench_config *config,
		    struct bench_report *report);
	void (*print)(const struct bench_report *report);
};

/* A peer in one mode and size between two processors, and its samples. */
struct bench_measurement {
	const struct bench_peer *peer;
	const char *label; /* the mode of its result */
	struct bench_link link;
	uint64_t *samples;
	uint64_t count, room;
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

/* peers.c: the tables, each ended by NULL, floors first. */
extern const struct bench_peer *const bench_rtt_peers[];
extern const struct bench_peer *const bench_wake_peers[];

/* The answering process can be connected to. */
void bench_ready(const struct bench_link *link);
/* Put @number into a message, and check that it came back. */
void bench_stamp(void *buffer, uint64_t size, uint64_t number);
void bench_check(const struct bench_peer *peer, const void *buffer,
		 uint64_t size, uint64_t number);

extern const struct bench_peer bench_cacheline, bench_eventfd, bench_flowipc,
	bench_futex, bench_kick, bench_kick_and_wait, bench_pipe, bench_unix;

/* peer-channel.c: why @peer cannot be used with this module; NULL: it can. */
const char *bench_channel_problem(const struct bench_peer *peer);

/* process.c */
void *bench_shared_memory(size_t size, int flags);
/* In a forked child: run on @cpu, and do not outlive @parent. */
void bench_child(int cpu, pid_t parent);
/* Waits for @child to close @pipe_fd and exit; dies when it has failed. */
void bench_reap(const char *name, pid_t child, int pipe_fd);
/* Die when *@progress stays the same for too long; NULL: watch no more. */
void bench_watch(const char *name, const volatile uint64_t *progress);

/* roundtrips.c */
void bench_roundtrips_add(struct bench_measurement *m, const char *label,
			  const struct bench_link *link,
			  const struct bench_peer *peer);
/* Runs all of @list in turns; its results are added in the same order. */
void bench_roundtrips(struct bench_measurement *list, unsigned int count,
		      struct bench_report *report);

/* The tests. */
extern const struct bench_test bench_map, bench_rtt, bench_wake;

/* stats.c: sorts the samples. */
void bench_stats_of(uint64_t *samples, uint64_t count,
		    struct bench_stats *stats);

/* report.c */
const char *bench_mode_name(enum bench_mode mode);
/* Zeroed, but for its names. */
struct bench_result *bench_report_add(struct bench_report *report,
				      const char *peer, const char *mode);
/* @mode NULL: any; @size 0: any. The first, NULL if there is none. */
const struct bench_result *bench_report_find(const struct bench_report *report,
					     const char *peer, const char *mode,
					     uint64_t size);
/* @mode NULL: any, and not part of the floor's name. */
void bench_report_floor(struct bench_report *report, const char *peer,
			const char *mode);
void bench_report_missing(struct bench_report *report, const char *peer,
			  const char *why);
/* Of medians; 0 if @floor is NULL. */
double bench_ratio(const struct bench_result *result,
		   const struct bench_result *floor);
void bench_print_time(uint64_t ns);
void bench_print_ratio(double ratio);
void bench_print_missing(const struct bench_report *report);
void bench_report_json(const struct bench_report *report);

static inline uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
