/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: test harness
 *
 * What the kernel's selftests look like, written for this tree: TEST(), or
 * FIXTURE() with TEST_F(); ASSERT_*() ends the test, EXPECT_*() goes on; SKIP()
 * says why. HARNESS_MAIN at the end of the file.
 *
 * Each test is a process of its own in a process group of its own. When it is
 * over, or over its time, the whole group is killed and reaped, so that nothing
 * it left behind is seen by the next one. A failed ASSERT in a child or thread
 * of the test ends that process; the verdict is in shared memory and counts.
 *
 * Output is TAP 13; exit status 0 is success, 1 failure, 4 all skipped. Names
 * given as arguments select the tests whose name contains one of them.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HARNESS_PASS		0
#define HARNESS_FAIL		1
#define HARNESS_SKIP		4

/* Nothing here is expected to take long; this is for what hangs. */
#define HARNESS_TIMEOUT_S	60

struct harness_test {
	const char		*name;
	void			(*run)(void);
	int			signal;
	int			timeout_s;
	struct harness_test	*next;
};

/* Written by the test and its children, read by the parent. */
struct harness_verdict {
	int			failed;
	int			skipped;
	char			reason[160];
};

static struct harness_test *harness_first;
static struct harness_test **harness_last = &harness_first;
static struct harness_verdict *harness_verdict;
static const char *harness_name;
static sigjmp_buf harness_end;
static pid_t harness_tid;
static struct timespec harness_began;

static inline void harness_add(struct harness_test *test)
{
	*harness_last = test;
	harness_last = &test->next;
}

static inline pid_t harness_gettid(void)
{
	return syscall(SYS_gettid);
}

static inline void harness_fail(bool fatal)
{
	harness_verdict->failed = 1;
	fflush(stdout);
	if (!fatal)
		return;
	if (harness_gettid() == harness_tid)
		siglongjmp(harness_end, 1);
	_exit(HARNESS_FAIL);
}

static inline void harness_skip(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static inline void harness_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(harness_verdict->reason, sizeof(harness_verdict->reason),
		  format, args);
	va_end(args);
	harness_verdict->skipped = 1;
}

static inline void harness_check(const char *file, int line, bool fatal,
				 const char *op, bool holds,
				 const char *expected, long long expected_value,
				 const char *seen, long long seen_value)
{
	int error = errno;

	if (holds)
		return;

	printf("# %s:%d:%s: expected %s (%lld) %s %s (%lld), errno %d: %s\n",
	       file, line, harness_name, expected, expected_value, op,
	       seen, seen_value, error, strerror(error));
	harness_fail(fatal);
}

static inline void harness_check_str(const char *file, int line, bool fatal,
				     const char *expected, const char *seen)
{
	if (!strcmp(expected, seen))
		return;

	printf("# %s:%d:%s: expected \"%s\", seen \"%s\"\n",
	       file, line, harness_name, expected, seen);
	harness_fail(fatal);
}

/* -1 with the errno; MAP_FAILED is a -1 too. */
static inline void harness_check_errno(const char *file, int line, bool fatal,
				       int expected, const char *call,
				       long long value)
{
	int error = errno;

	if (value == -1 && error == expected)
		return;

	if (value == -1)
		printf("# %s:%d:%s: expected errno %d (%s), seen %d (%s): %s\n",
		       file, line, harness_name, expected, strerror(expected),
		       error, strerror(error), call);
	else
		printf("# %s:%d:%s: expected errno %d (%s), seen success (%lld): %s\n",
		       file, line, harness_name, expected, strerror(expected),
		       value, call);
	harness_fail(fatal);
}

/* One type for integers and pointers: no warnings about their signedness. */
#define HARNESS_VALUE(x)	((long long)(uintptr_t)(x))

#define HARNESS_COMPARE(fatal, expected, op, seen)			\
	do {								\
		long long expected_ = HARNESS_VALUE(expected);		\
		long long seen_ = HARNESS_VALUE(seen);			\
									\
		harness_check(__FILE__, __LINE__, fatal, #op,		\
			      expected_ op seen_, #expected, expected_,	\
			      #seen, seen_);				\
	} while (0)

#define ASSERT_EQ(expected, seen)	HARNESS_COMPARE(true, expected, ==, seen)
#define ASSERT_NE(expected, seen)	HARNESS_COMPARE(true, expected, !=, seen)
#define ASSERT_LT(expected, seen)	HARNESS_COMPARE(true, expected, <, seen)
#define ASSERT_LE(expected, seen)	HARNESS_COMPARE(true, expected, <=, seen)
#define ASSERT_GT(expected, seen)	HARNESS_COMPARE(true, expected, >, seen)
#define ASSERT_GE(expected, seen)	HARNESS_COMPARE(true, expected, >=, seen)
#define ASSERT_TRUE(seen)		HARNESS_COMPARE(true, 0, !=, seen)
#define ASSERT_FALSE(seen)		HARNESS_COMPARE(true, 0, ==, seen)
#define EXPECT_EQ(expected, seen)	HARNESS_COMPARE(false, expected, ==, seen)
#define EXPECT_NE(expected, seen)	HARNESS_COMPARE(false, expected, !=, seen)
#define EXPECT_LT(expected, seen)	HARNESS_COMPARE(false, expected, <, seen)
#define EXPECT_LE(expected, seen)	HARNESS_COMPARE(false, expected, <=, seen)
#define EXPECT_GT(expected, seen)	HARNESS_COMPARE(false, expected, >, seen)
#define EXPECT_GE(expected, seen)	HARNESS_COMPARE(false, expected, >=, seen)
#define EXPECT_TRUE(seen)		HARNESS_COMPARE(false, 0, !=, seen)
#define EXPECT_FALSE(seen)		HARNESS_COMPARE(false, 0, ==, seen)

#define ASSERT_STREQ(expected, seen) \
	harness_check_str(__FILE__, __LINE__, true, expected, seen)
#define EXPECT_STREQ(expected, seen) \
	harness_check_str(__FILE__, __LINE__, false, expected, seen)

#define ASSERT_ERRNO(expected, call) \
	harness_check_errno(__FILE__, __LINE__, true, expected, #call, \
			    HARNESS_VALUE(call))
#define EXPECT_ERRNO(expected, call) \
	harness_check_errno(__FILE__, __LINE__, false, expected, #call, \
			    HARNESS_VALUE(call))

/* SKIP(return, "why"); the statement leaves the test. */
#define SKIP(statement, ...)						\
	do {								\
		harness_skip(__VA_ARGS__);				\
		statement;						\
	} while (0)

/* Runs @call; false if a failed ASSERT, or a SKIP, ended it. */
#define HARNESS_PART(call)						\
	(sigsetjmp(harness_end, 1) ? false :				\
	 ((call), !harness_verdict->skipped))

#define HARNESS_REGISTER(id, title, run_, signal_, timeout_)		\
	static struct harness_test harness_test_##id = {		\
		.name = title,						\
		.run = run_,						\
		.signal = signal_,					\
		.timeout_s = timeout_,					\
	};								\
	__attribute__((constructor)) static void harness_add_##id(void)	\
	{								\
		harness_add(&harness_test_##id);			\
	}

#define HARNESS_TEST(test, signal_, timeout_)				\
	static void test(void);						\
	static void harness_run_##test(void)				\
	{								\
		(void)HARNESS_PART(test());				\
	}								\
	HARNESS_REGISTER(test, #test, harness_run_##test, signal_,	\
			 timeout_)					\
	static void test(void)

#define TEST(test)		HARNESS_TEST(test, 0, HARNESS_TIMEOUT_S)
#define TEST_SIGNAL(test, sig)	HARNESS_TEST(test, sig, HARNESS_TIMEOUT_S)
#define TEST_TIMEOUT(test, s)	HARNESS_TEST(test, 0, s)

#define FIXTURE(fixture)	struct fixture
#define FIXTURE_SETUP(fixture)	\
	static inline void fixture##_setup(struct fixture *self)
#define FIXTURE_TEARDOWN(fixture) \
	static inline void fixture##_teardown( \
		__attribute__((unused)) struct fixture *self)

#define HARNESS_TEST_F(fixture, test, signal_, timeout_)		\
	static void fixture##_##test(struct fixture *self);		\
	static void harness_run_##fixture##_##test(void)		\
	{								\
		static struct fixture self;				\
									\
		if (!HARNESS_PART(fixture##_setup(&self)))		\
			return;						\
		(void)HARNESS_PART(fixture##_##test(&self));		\
		(void)HARNESS_PART(fixture##_teardown(&self));		\
	}								\
	HARNESS_REGISTER(fixture##_##test, #fixture "." #test,		\
			 harness_run_##fixture##_##test, signal_,	\
			 timeout_)					\
	static void fixture##_##test(					\
		__attribute__((unused)) struct fixture *self)

#define TEST_F(fixture, test) \
	HARNESS_TEST_F(fixture, test, 0, HARNESS_TIMEOUT_S)
#define TEST_F_SIGNAL(fixture, test, sig) \
	HARNESS_TEST_F(fixture, test, sig, HARNESS_TIMEOUT_S)
#define TEST_F_TIMEOUT(fixture, test, s) \
	HARNESS_TEST_F(fixture, test, 0, s)

/*
 * Whether to try a race, tried @done times, once more: up to @most times, or,
 * where a kernel that looks at everything makes each try take long, for a while
 * and a sixth of that.
 */
#define HARNESS_RACE_S	10

static inline bool harness_once_more(int done, int most)
{
	struct timespec now;

	if (done * 6 < most)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);

	return done < most && now.tv_sec - harness_began.tv_sec < HARNESS_RACE_S;
}

static inline void harness_in_child(struct harness_test *test)
{
	clock_gettime(CLOCK_MONOTONIC, &harness_began);
	setpgid(0, 0);
	harness_tid = harness_gettid();
	test->run();
	fflush(stdout);
	_exit(HARNESS_PASS);
}

/* Returns the wait status, or -1 after the time is over. SIGCHLD is blocked. */
static inline int harness_await(pid_t pid, int timeout_s)
{
	struct timespec now, end, left;
	sigset_t chld;
	int status;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout_s;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end.tv_sec)
			return -1;
		left.tv_sec = end.tv_sec - now.tv_sec;
		left.tv_nsec = 0;
		sigtimedwait(&chld, NULL, &left);
	}

	return status;
}

static inline int harness_judge(struct harness_test *test, int status)
{
	if (status == -1)
		printf("# %s: not finished after %d s\n", test->name,
		       test->timeout_s);
	else if (WIFSIGNALED(status) && WTERMSIG(status) != test->signal)
		printf("# %s: ended by signal %d (%s)\n", test->name,
		       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) && harness_verdict->skipped)
		return HARNESS_SKIP;
	else if (WIFEXITED(status) && test->signal)
		printf("# %s: not ended by signal %d\n", test->name,
		       test->signal);
	else if (WIFEXITED(status) && WEXITSTATUS(status) != HARNESS_PASS)
		printf("# %s: exit status %d\n", test->name,
		       WEXITSTATUS(status));
	else if (!harness_verdict->failed)
		return HARNESS_PASS;

	return HARNESS_FAIL;
}

static inline int harness_run(struct harness_test *test)
{
	int status;
	pid_t pid;

	memset(harness_verdict, 0, sizeof(*harness_verdict));
	harness_name = test->name;
	printf("#  RUN           %s ...\n", test->name);
	fflush(stdout);

	pid = fork();
	if (pid == -1) {
		printf("# fork: %s\n", strerror(errno));
		return HARNESS_FAIL;
	}
	if (!pid) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		harness_in_child(test);
	}
	/* Here as well, so that it is done before the kill() below. */
	setpgid(pid, pid);

	status = harness_await(pid, test->timeout_s);
	kill(-pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;

	return harness_judge(test, status);
}

static inline bool harness_selected(const struct harness_test *test, int argc,
				    char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(test->name, argv[i]))
			return true;

	return argc < 2;
}

static inline int harness_main(int argc, char **argv)
{
	static const char * const word[] = {
		[HARNESS_PASS] = "OK", [HARNESS_FAIL] = "FAIL",
		[HARNESS_SKIP] = "SKIP",
	};
	int count[HARNESS_SKIP + 1] = {}, number = 0, planned = 0, result;
	struct harness_test *test;
	sigset_t chld;

	harness_verdict = mmap(NULL, sizeof(*harness_verdict),
			       PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (harness_verdict == MAP_FAILED) {
		perror("mmap");
		return HARNESS_FAIL;
	}
	/* Orphans come to us, so that we see them end. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);

	for (test = harness_first; test; test = test->next)
		planned += harness_selected(test, argc, argv);
	printf("TAP version 13\n1..%d\n", planned);

	for (test = harness_first; test; test = test->next) {
		if (!harness_selected(test, argc, argv))
			continue;
		result = harness_run(test);
		count[result]++;
		printf("#          %6s  %s\n", word[result], test->name);
		printf("%s %d %s%s%s\n", result == HARNESS_FAIL ? "not ok" : "ok",
		       ++number, test->name,
		       result == HARNESS_SKIP ? " # SKIP " : "",
		       result == HARNESS_SKIP ? harness_verdict->reason : "");
	}

	printf("# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0\n",
	       count[HARNESS_PASS], count[HARNESS_FAIL], count[HARNESS_SKIP]);

	if (count[HARNESS_FAIL] || !planned)
		return HARNESS_FAIL;

	return count[HARNESS_PASS] ? HARNESS_PASS : HARNESS_SKIP;
}

#define HARNESS_MAIN							\
	int main(int argc, char **argv)					\
	{								\
		return harness_main(argc, argv);			\
	}

#endif /* HARNESS_H */
