/* SPDX-License-Identifier: MIT */
/*
 * What every program of this suite needs: checks that also work in forked
 * children and in threads, a second process to talk to, and limits on every
 * wait.
 *
 * cmocka's own asserts jump back into the runner, which would make a forked
 * child run the rest of the suite; so the suite uses the checks below.
 *
 * Environment:
 *   FLOWIPC_BACKEND     back end under test, as for every program
 *   FLOWIPC_TEST_SLOW   how many times slower than hardware this machine is;
 *                       loops become shorter and limits longer. Default 1.
 *   FLOWIPC_TEST_SEED   seed of whatever is random; printed by such tests
 *   FLOWIPC_TEST_WORDS, FLOWIPC_TEST_KILLS, FLOWIPC_TEST_SOAK
 *                       how much of scribble, storm and soak: 10000000 words,
 *                       10000 kills and 600 seconds are a thorough test
 */
#ifndef FLOWIPC_SELFTESTS_HARNESS_H
#define FLOWIPC_SELFTESTS_HARNESS_H

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include <flowipc/flowipc.h>

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif

#ifdef TEST_ASAN
enum { TEST_WITH_ASAN = 1 };
#else
enum { TEST_WITH_ASAN = 0 };
#endif
#ifdef TEST_TSAN
enum { TEST_WITH_TSAN = 1 };
#else
enum { TEST_WITH_TSAN = 0 };
#endif

/* Checks */

__attribute__((noreturn, format(printf, 3, 4)))
void test_fail(const char *file, int line, const char *format, ...);

#define check_msg(condition, ...)					\
	do {								\
		if (!(condition))					\
			test_fail(__FILE__, __LINE__, __VA_ARGS__);	\
	} while (0)

#define check(condition)						\
	check_msg(condition, "%s is not so", #condition)

/* The call gives exactly this number. */
#define gives(call, number)						\
	test_gives(__FILE__, __LINE__, #call, (int64_t)(call),		\
		   (int64_t)(number))

/* The call gives 0. */
#define ok(call) gives(call, 0)

/* The call gives one of up to eight numbers; returns which. */
#define gives_one_of(call, ...)						\
	test_gives_one_of(__FILE__, __LINE__, #call, (int64_t)(call),	\
			  (const int64_t[]){ __VA_ARGS__ },		\
			  sizeof((const int64_t[]){ __VA_ARGS__ }) /	\
			  sizeof(int64_t))

/* The call, a system call that sets errno, does not give -1. */
#define sys(call)							\
	test_sys(__FILE__, __LINE__, #call, (int64_t)(call))

void test_gives(const char *file, int line, const char *call, int64_t got,
		int64_t wanted);
int64_t test_gives_one_of(const char *file, int line, const char *call,
			  int64_t got, const int64_t *wanted, size_t count);
int64_t test_sys(const char *file, int line, const char *call, int64_t got);

/* The last error of this thread is one line that contains a word. */
void test_last_error_has(const char *word);

/* Scale */

int test_slow(void);
int test_ms(int milliseconds);	/* a limit, longer on a slow machine */
/* a wait that will be in vain: somewhat longer on a slow machine */
int test_wait_ms(int milliseconds);
int test_loops(int count);	/* a count, smaller on a slow machine */
uint64_t test_now_ns(void);
void test_sleep_ms(int milliseconds);
/* From now on, this process may take as long as a test may. */
void test_arm_alarm(void);

/* Randomness: a seed per program, printed once, and a small generator */

uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);
/* evenly from [0, below) */
uint64_t test_random_below(uint64_t *state, uint64_t below);

/* Contents that say which message and which place they belong to */

void pattern_fill(void *data, uint64_t size, uint64_t seed);
void pattern_check(const void *data, uint64_t size, uint64_t seed);

/* A message whose type is its number, and its contents as well; 0 or an error. */
int test_send_numbered(struct flowipc_channel *channel, uint64_t number,
		       uint64_t size, int timeout_ms);
/* It is what was sent under that number, which is returned. */
uint64_t test_check_numbered(const struct flowipc_message *message);

/* Which signal it raises to read or write a byte; 0 none. For one thread. */

int test_read_raises(const void *at);
int test_write_raises(void *at);

/* Another process */

struct peer {
	pid_t pid;
	int sync;	/* numbers to and from the other process */
};

/*
 * Run a function in a forked process, which ends with 0 when it returns and
 * with something else when a check in it fails.
 */
void peer_start(struct peer *peer, void (*run)(int sync, void *arg), void *arg);
/* The same, in a process that has called exec: run is named in test_main(). */
void peer_start_exec(struct peer *peer, const char *run);
/* The process ends with 0. */
void peer_join(struct peer *peer);
/* The process ends by a signal. */
void peer_join_signalled(struct peer *peer, int signal_number);
/* kill -9, and wait for it. */
void peer_kill(struct peer *peer);
/* How the process ended, as for waitpid(), within the limit. */
int peer_wait(struct peer *peer);
/* The same in words, for one that says nothing; it is ended if it hangs. */
const char *peer_fate(struct peer *peer);

void sync_put(int sync, uint64_t number);
uint64_t sync_get(int sync);
/* Whether a number is there within this time, or never will be. */
bool sync_poll(int sync, int milliseconds);
/* The same, taking the number; false also if the other process is gone. */
bool sync_try(int sync, int milliseconds, uint64_t *number);

/* A session with one channel between this process and a forked one */

struct link {
	struct flowipc_server *server;		/* near side only */
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct peer peer;			/* near side only */
	int sync;
};

typedef void (*far_side)(struct link *far, void *arg);

/* The far side connects and opens, the near side listens and accepts. */
void link_start(struct link *near, const struct flowipc_channel_opts *near_opts,
		const struct flowipc_channel_opts *far_opts, far_side run,
		void *arg);
/* Close what is open, and the far side must end with 0. */
void link_stop(struct link *near);
/* Close what is open, without asking how the far side ended. */
void link_drop(struct link *near);

/* The parts of link_start(), for tests that need something in between. */
void link_connect(struct link *far, const struct flowipc_channel_opts *opts);
void link_close(struct link *side);

/* The same without a channel; and what the forked process begins with. */
void test_session_start(struct link *near, void (*run)(int sync, void *arg),
			void *arg);
struct flowipc_session *test_session_connect(void);

/* One word through a channel that is open */

void test_put(struct flowipc_channel *channel, uint64_t number);
uint64_t test_take(struct flowipc_channel *channel);

/* One word from client to server and back, in a session of its own */

void test_serve_one(struct flowipc_server *server, uint64_t word);
void test_say(const char *name, uint64_t word);
void test_say_to(int sync, void *name);	/* the word 42, for peer_start() */

/* What a process holds */

int test_count_fds(void);
int test_count_shared_maps(void);
/* From now on no descriptor can be had in this process; or it can again. */
void test_deny_fds(bool deny);
uint64_t test_shmem_bytes(void);	/* of the whole machine */
uint64_t test_device_bytes(void);	/* of the whole machine; 0 if no device */
/* The kernel frees some things a little later than the last close. */
void test_device_bytes_return_to(uint64_t bytes);

struct map {
	uintptr_t start;
	uintptr_t end;
	char rights[5];
	char name[64];
};

/* Shared mappings of this process whose rights begin with those given. */
int test_shared_maps(const char *rights, struct map *maps, int count);

/* The back end that new objects get by default. */
enum flowipc_backend test_backend(void);
bool test_has(uint64_t features);

/* A folder of this test alone; XDG_RUNTIME_DIR of all its processes. */
const char *test_dir(void);
/* A path in it, in a static buffer of this thread. */
const char *test_path(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
bool test_is_root(void);

/* A thread whose failing check fails the program */

struct thread {
	unsigned long id;
	void (*run)(void *arg);
	void *arg;
};

void thread_start(struct thread *thread, void (*run)(void *arg), void *arg);
void thread_join(struct thread *thread);
/* One that interrupts the calling thread, every 20 ms until it is stopped. */
void thread_start_interrupting(struct thread *thread);
void thread_stop_interrupting(struct thread *thread);

/* cmocka */

int test_setup(void **state);
int test_teardown(void **state);

#define TEST(function)							\
	{ #function, function, test_setup, test_teardown, NULL }

/* Functions that peer_start_exec() can run, ended by one without a name. */
struct peer_function {
	const char *name;
	void (*run)(int sync, void *arg);
};

int test_main(int argc, char **argv, const char *name,
	      const struct CMUnitTest *tests, size_t count,
	      const struct peer_function *functions);

#define TEST_MAIN(tests, functions)					\
	int main(int argc, char **argv)					\
	{								\
		return test_main(argc, argv, __FILE__, tests,		\
				 sizeof(tests) / sizeof((tests)[0]),	\
				 functions);				\
	}

#endif /* FLOWIPC_SELFTESTS_HARNESS_H */
