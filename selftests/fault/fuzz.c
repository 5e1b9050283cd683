// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: fuzz
 *
 * Random calls from several processes with two threads each: all of the
 * module's own, right and wrong, on all kinds of objects; mmap and all that
 * changes, reads, pins or loses a mapping; fork, exec, exit and kill; descriptors
 * that are closed, doubled, waited for and passed on. What is looked for is in
 * the kernel's log, most of it only on a debug kernel; here it is checked that
 *
 * - every one of the module's calls succeeded sometimes, or this would be a test
 *   of error paths,
 * - none failed with an error that its documentation does not have,
 * - no process stood still,
 * - when all is closed, the module's totals are what they were before.
 *
 * The seed decides what every thread does in its n-th step. When they meet is
 * not decided by it, so a failure comes again with some luck only:
 *
 *	fuzz --seed SEED --steps N --processes P
 *
 * Output is a line every few seconds and a table of the calls at the end; the
 * exit status is 0 or 1, or 4 when there is no module.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "totals.h"

#define LIMIT_BYTES	"134217728"
#define LINE_SECONDS	5

struct shared *shared;

static unsigned int seconds = 60, hang_seconds = 60;
static bool failed;

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How far the fastest thread has come. */
static uint64_t steps_made(void)
{
	uint64_t steps = 0, step;
	unsigned int i;

	for (i = 0; i < PROCESSES_MAX * THREADS; i++) {
		step = atomic_load(&shared->worker[i / THREADS]
				   .thread[i % THREADS].step);
		if (step > steps)
			steps = step;
	}

	return steps;
}

static void fail(const char *format, ...)
{
	va_list args;

	failed = true;
	printf("not ok ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" - again: fuzz --seed %" PRIu64 " --steps %" PRIu64
	       " --processes %u\n", shared->seed, steps_made(),
	       shared->processes);
	fflush(stdout);
}

static void die(const char *what)
{
	printf("# %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "fuzz: not a number: %s\n", text);
		exit(2);
	}

	return number;
}

static void usage(FILE *out)
{
	fputs("Usage: fuzz [OPTION...]\n"
	      "Random calls to flowipc.ko from several processes.\n\n"
	      "  --seed S       decide as the run that printed S (default: random)\n"
	      "  --seconds N    end after so long (default 60)\n"
	      "  --steps N      end when every thread has made N steps\n"
	      "  --processes N  1 to 8 (default 4)\n"
	      "  --hang N       seconds without a step that count as a hang\n"
	      "  --help         show this\n", out);
}

static void options_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "steps", required_argument, NULL, 'n' },
		{ "processes", required_argument, NULL, 'p' },
		{ "hang", required_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			shared->seed = number_of(optarg);
			break;
		case 't':
			seconds = number_of(optarg);
			break;
		case 'n':
			shared->steps = number_of(optarg);
			break;
		case 'p':
			shared->processes = number_of(optarg);
			break;
		case 'x':
			hang_seconds = number_of(optarg);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc || !shared->processes ||
	    shared->processes > PROCESSES_MAX) {
		usage(stderr);
		exit(2);
	}
}

static void shared_map(int fd)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	if (shared == MAP_FAILED)
		die("mmap");
}

/* Moves @fd to where all workers know it. */
static void fd_fix(int fd, int at)
{
	if (fd == -1)
		return;
	if (fd != at) {
		if (dup2(fd, at) != at)
			die("dup2");
		close(fd);
	}
	fcntl(at, F_SETFD, 0);
}

static void shared_create(void)
{
	/* Above all the numbers that are given here. */
	int fd = fcntl(memfd_create("fuzz", 0), F_DUPFD, 2 * FD_FIRST_FREE);

	if (fd == -1 || ftruncate(fd, sizeof(*shared)))
		die("memfd");
	shared_map(fd);
	close_range(3, 2 * FD_FIRST_FREE - 1, 0);
	fd_fix(fd, FD_SHARED);
	shared->seed = now_ns() ^ getpid();
	shared->steps = UINT64_MAX;
	shared->processes = 4;
}

static void descriptors_open(void)
{
	int device = device_open(), pair[2];
	unsigned int i;

	if (device == -1) {
		printf("1..0 # SKIP %s: %s\n", FLOWIPC_DEVICE_PATH,
		       strerror(errno));
		exit(4);
	}
	fd_fix(device, FD_DEVICE);
	/* A disk for direct I/O: the debug kernel has one in memory. */
	fd_fix(open("/dev/ram0", O_RDWR | O_DIRECT), FD_DISK);
	for (i = 0; i < PROCESSES_MAX; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
			die("socketpair");
		fd_fix(fcntl(pair[0], F_DUPFD, 2 * FD_FIRST_FREE),
		       2 * FD_FIRST_FREE + 2 * i);
		fd_fix(fcntl(pair[1], F_DUPFD, 2 * FD_FIRST_FREE),
		       2 * FD_FIRST_FREE + 2 * i + 1);
		close(pair[0]);
		close(pair[1]);
	}
	for (i = 0; i < 2 * PROCESSES_MAX; i++)
		fd_fix(2 * FD_FIRST_FREE + i, FD_INBOX + i);
}

static void worker_start(unsigned int number)
{
	struct worker_state *worker = &shared->worker[number];
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		worker_run(number);
	if (pid == -1)
		die("fork");
	atomic_store(&worker->pid, pid);
	atomic_fetch_add(&worker->lives, 1);
}

static int worker_of(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < shared->processes; i++)
		if (atomic_load(&shared->worker[i].pid) == pid)
			return i;

	return -1;
}

static bool worker_is_done(unsigned int number)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (atomic_load(&shared->worker[number].thread[i].step) <
		    shared->steps)
			return false;

	return true;
}

/* True while there are children. */
static bool reap_some(void)
{
	siginfo_t info;
	int worker;

	for (;;) {
		info.si_pid = 0;
		/* Seen first and reaped then, so that nobody kills a stranger. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT))
			return false;
		if (!info.si_pid)
			return true;
		worker = worker_of(info.si_pid);
		if (worker >= 0)
			atomic_store(&shared->worker[worker].pid, 0);
		waitpid(info.si_pid, NULL, 0);
		if (info.si_code != CLD_EXITED && info.si_status != SIGKILL)
			fail("process %d (worker %d) ended by signal %d",
			     info.si_pid, worker, info.si_status);
		else if (info.si_code == CLD_EXITED && info.si_status)
			fail("process %d (worker %d) ended with status %d",
			     info.si_pid, worker, info.si_status);
		if (worker >= 0 && !atomic_load(&shared->stop) &&
		    !worker_is_done(worker))
			worker_start(worker);
	}
}

static uint64_t calls_made(void)
{
	uint64_t made = 0;
	unsigned int i;

	for (i = 0; i < calls_count(); i++)
		made += atomic_load(&shared->count[i].made);

	return made;
}

static void line_print(uint64_t started)
{
	unsigned int lives = 0, i;

	for (i = 0; i < shared->processes; i++)
		lives += atomic_load(&shared->worker[i].lives);
	printf("# %3" PRIu64 " s: %" PRIu64 " calls, %u processes",
	       (now_ns() - started) / 1000000000, calls_made(), lives);
	if (shared->coverage)
		printf(", %u places", atomic_load(&shared->places_count));
	printf("\n");
	fflush(stdout);
}

/* Where every thread of every process but this stands in the kernel. */
static void stacks_print(void)
{
	char command[] = "for t in /proc/[0-9]*/task/[0-9]*; do "
		"case $(cat $t/comm) in fuzz*) echo \"# $t: $(cat $t/stat)\"; "
		"sed 's/^/#   /' $t/stack;; esac; done 2>/dev/null";

	fflush(stdout);
	if (system(command))
		printf("# no stacks\n");
}

/* True if a worker made no step for long. */
static bool somebody_hangs(void)
{
	static struct {
		uint64_t	steps;
		uint64_t	since;
	} seen[PROCESSES_MAX];
	uint64_t steps;
	unsigned int i, j;

	for (i = 0; i < shared->processes; i++) {
		steps = atomic_load(&shared->worker[i].lives);
		for (j = 0; j < THREADS; j++)
			steps += atomic_load(&shared->worker[i].thread[j].step);
		if (steps != seen[i].steps || !seen[i].since) {
			seen[i].steps = steps;
			seen[i].since = now_ns();
		} else if (!worker_is_done(i) &&
			   now_ns() - seen[i].since >
			   hang_seconds * 1000000000ULL) {
			fail("worker %u made no step for %u s", i, hang_seconds);
			return true;
		}
	}

	return false;
}

static bool all_done(void)
{
	unsigned int i;

	for (i = 0; i < shared->processes; i++)
		if (!worker_is_done(i))
			return false;

	return true;
}

static void supervise(void)
{
	uint64_t started = now_ns(), line = started;
	unsigned int i;

	for (i = 0; i < shared->processes; i++)
		worker_start(i);
	while (now_ns() - started < seconds * 1000000000ULL && !all_done()) {
		reap_some();
		if (now_ns() - line >= LINE_SECONDS * 1000000000ULL) {
			line_print(started);
			line += LINE_SECONDS * 1000000000ULL;
		}
		if (somebody_hangs()) {
			stacks_print();
			break;
		}
		sleep_ms(2);
	}
	line_print(started);
}

/* All workers and what they forked, which is ours when they are gone. */
static void end_all(void)
{
	uint64_t until = now_ns() + hang_seconds * 1000000000ULL;
	unsigned int i;
	pid_t pid;

	atomic_store(&shared->stop, true);
	while (reap_some() && now_ns() < until)
		sleep_ms(10);
	if (!reap_some())
		return;
	fail("processes that do not end");
	stacks_print();
	for (i = 0; i < shared->processes; i++) {
		pid = atomic_load(&shared->worker[i].pid);
		if (pid > 0)
			kill(pid, SIGKILL);
	}
	until = now_ns() + hang_seconds * 1000000000ULL;
	while (reap_some() && now_ns() < until)
		sleep_ms(10);
}

static bool limits_write(void)
{
	return write_text("/sys/module/flowipc/parameters/max_total_bytes",
			  LIMIT_BYTES) &&
	       write_text("/sys/module/flowipc/parameters/max_region_bytes",
			  "4194304") &&
	       write_text("/sys/module/flowipc/parameters/max_objects_per_user",
			  "16384");
}

static void verdict_calls(void)
{
	uint64_t made, succeeded, ioctls = 0, right = 0, calls = 0;
	const struct call *call;
	unsigned int i, error;

	printf("# %-18s %10s %10s\n", "call", "made", "succeeded");
	for (i = 0; i < calls_count(); i++) {
		call = call_at(i);
		made = atomic_load(&shared->count[i].made);
		succeeded = atomic_load(&shared->count[i].succeeded);
		calls += made;
		printf("# %-18s %10" PRIu64 " %10" PRIu64 " %3" PRIu64 " %%\n",
		       call->name, made, succeeded,
		       made ? succeeded * 100 / made : 0);
		if (!call->is_ioctl)
			continue;
		ioctls += made;
		right += succeeded;
		/* A short run need not come to all. */
		if (!succeeded && made >= 100)
			fail("%s never succeeded", call->name);
		for (error = 0; error < ERRNO_MAX; error++)
			if (atomic_load(&shared->surprise[i][error]))
				fail("%s failed with %s, which is not documented",
				     call->name, strerror(error));
	}
	printf("# %" PRIu64 " calls, %" PRIu64 " of them to the module, of which %"
	       PRIu64 " %% succeeded\n", calls, ioctls,
	       ioctls ? right * 100 / ioctls : 0);
}

static void verdict_totals(const struct totals *before)
{
	unsigned int i;

	/* What was sent and not received. */
	for (i = 0; i < 2 * PROCESSES_MAX; i++)
		close(FD_INBOX + i);
	if (!EVENTUALLY(totals_equal(FD_DEVICE, before))) {
		fail("something is left");
		totals_print(FD_DEVICE, before);
	}
}

int main(int argc, char **argv)
{
	struct totals before;

	if (argc == 3 && !strcmp(argv[1], "--worker")) {
		shared_map(FD_SHARED);
		worker_run(number_of(argv[2]));
	}

	shared_create();
	options_parse(argc, argv);
	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		return 4;
	}
	descriptors_open();
	coverage_setup();
	/* What workers leave behind comes to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	before = totals_now(FD_DEVICE);
	if (!limits_write())
		die("the module's parameters");
	printf("# fuzz --seed %" PRIu64 " --processes %u, for %u s\n",
	       shared->seed, shared->processes, seconds);

	supervise();
	end_all();
	limits_write();
	verdict_calls();
	verdict_totals(&before);
	coverage_report();
	printf("%s fuzz\n", failed ? "not ok" : "ok");

	return failed;
}
