// SPDX-License-Identifier: MIT
/*
 * Checks, time, randomness, what a process holds, and the frame around every
 * test. The second process is in harness-peer.c.
 */
#include "harness.h"
#include "harness-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <linux/flowipc.h>

static const char *running_test = "?";
static char directory[64];
static bool failed;
static int fds_before;
static int maps_before;

bool test_in_child;

/* Checks */

void test_fail(const char *file, int line, const char *format, ...)
{
	const char *last = flowipc_last_error();
	char text[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length < 0)
		text[0] = '\0';
	/* One write, because several processes may fail at once. */
	dprintf(STDERR_FILENO, "%s:%d: %s[%d] %s%s%s%s\n", file, line,
		test_in_child ? "child" : "test", (int)syscall(SYS_gettid),
		text, last[0] ? " (last error: " : "", last,
		last[0] ? ")" : "");
	if (test_in_child || syscall(SYS_gettid) != getpid())
		_exit(98);
	failed = true;
	_fail(file, line);
	abort(); /* not reached: _fail() leaves the test */
}

static const char *describe(int64_t number, char *buffer, size_t size)
{
	if (number < 0 && number > -4096)
		snprintf(buffer, size, "%" PRId64 " (%s)", number,
			 strerror((int)-number));
	else
		snprintf(buffer, size, "%" PRId64, number);
	return buffer;
}

void test_gives(const char *file, int line, const char *call, int64_t got,
		int64_t wanted)
{
	char got_text[96], wanted_text[96];

	if (got == wanted)
		return;
	test_fail(file, line, "%s gave %s, not %s", call,
		  describe(got, got_text, sizeof(got_text)),
		  describe(wanted, wanted_text, sizeof(wanted_text)));
}

int64_t test_gives_one_of(const char *file, int line, const char *call,
			  int64_t got, const int64_t *wanted, size_t count)
{
	char got_text[96];
	size_t i;

	for (i = 0; i < count; i++)
		if (got == wanted[i])
			return got;
	test_fail(file, line, "%s gave %s", call,
		  describe(got, got_text, sizeof(got_text)));
}

int64_t test_sys(const char *file, int line, const char *call, int64_t got)
{
	if (got == -1)
		test_fail(file, line, "%s: %s", call, strerror(errno));
	return got;
}

void test_last_error_has(const char *word)
{
	const char *last = flowipc_last_error();

	check_msg(strstr(last, word), "\"%s\" does not name \"%s\"", last,
		  word);
	check_msg(!strchr(last, '\n'), "\"%s\" has a line end", last);
}

/* Scale */

static int environment_factor(void)
{
	const char *value = getenv("FLOWIPC_TEST_SLOW");
	int factor = value ? atoi(value) : 1;

	return factor < 1 ? 1 : factor;
}

int test_slow(void)
{
	return environment_factor() *
	       (TEST_WITH_TSAN ? 4 : TEST_WITH_ASAN ? 3 : 1);
}

int test_ms(int milliseconds)
{
	return milliseconds * test_slow();
}

int test_wait_ms(int milliseconds)
{
	return milliseconds + milliseconds * (test_slow() - 1) / 8;
}

int test_loops(int count)
{
	/* limits must be generous, the count of loops need not be small */
	int loops = count / ((test_slow() + 1) / 2);

	return loops < 1 ? 1 : loops;
}

uint64_t test_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void test_sleep_ms(int milliseconds)
{
	struct timespec rest = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = milliseconds % 1000 * 1000000L,
	};

	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

/* Randomness */

uint64_t test_seed(void)
{
	static uint64_t seed;
	const char *value = getenv("FLOWIPC_TEST_SEED");

	if (!seed) {
		seed = value ? strtoull(value, NULL, 0) :
			       (test_now_ns() ^ (uint64_t)getpid()) >> 4;
		seed |= 1;
		fprintf(stderr, "seed: FLOWIPC_TEST_SEED=%" PRIu64 "\n", seed);
	}
	return seed;
}

uint64_t test_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t test_random_below(uint64_t *state, uint64_t below)
{
	return below ? test_random(state) % below : 0;
}

/* Contents */

/* What a process holds */

int test_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	check(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 3; /* ".", ".." and the folder's own */
}

void test_deny_fds(bool deny)
{
	struct rlimit limit;
	int lowest = -1;

	if (deny) {
		lowest = (int)sys(dup(STDIN_FILENO));
		close(lowest);
	}
	sys(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = deny ? (rlim_t)lowest : limit.rlim_max;
	sys(setrlimit(RLIMIT_NOFILE, &limit));
}

int test_shared_maps(const char *rights, struct map *maps, int count)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512], got[5], name[64];
	unsigned long start, end;
	int found = 0;

	check(file);
	while (fgets(line, sizeof(line), file)) {
		name[0] = '\0';
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %63[^\n]", &start,
			   &end, got, name) < 3 || got[3] != 's' || strncmp(got, rights, strlen(rights)))
			continue;
		if (found < count) {
			maps[found].start = start;
			maps[found].end = end;
			memcpy(maps[found].rights, got, sizeof(got));
			memcpy(maps[found].name, name, sizeof(name));
		}
		found++;
	}
	fclose(file);
	return found;
}

int test_count_shared_maps(void)
{
	return test_shared_maps("", NULL, 0);
}

uint64_t test_shmem_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	check(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Shmem: %llu kB", &kib) == 1)
			break;
	fclose(file);
	return (uint64_t)kib * 1024;
}

uint64_t test_device_bytes(void)
{
	struct flowipc_query query = { .flags = 0 };
	int fd = open(FLOWIPC_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return 0;
	sys(ioctl(fd, FLOWIPC_IOC_QUERY, &query));
	close(fd);
	return query.used_total_bytes;
}

void test_device_bytes_return_to(uint64_t bytes)
{
	uint64_t limit = test_now_ns() + (uint64_t)test_ms(5000) * 1000000u;
	uint64_t now;

	while ((now = test_device_bytes()) > bytes) {
		check_msg(test_now_ns() < limit, "the device holds %" PRIu64
			  " bytes, %" PRIu64 " before", now, bytes);
		usleep(1000);
	}
}

enum flowipc_backend test_backend(void)
{
	enum flowipc_backend backend;

	ok(flowipc_backend_find(FLOWIPC_BACKEND_AUTO, &backend));
	return backend;
}

bool test_has(uint64_t features)
{
	return (flowipc_features(FLOWIPC_BACKEND_AUTO) & features) == features;
}

const char *test_dir(void)
{
	return directory;
}

const char *test_path(const char *format, ...)
{
	static __thread char path[512];
	va_list args;
	int length;

	length = snprintf(path, sizeof(path), "%s/", directory);
	va_start(args, format);
	vsnprintf(path + length, sizeof(path) - (size_t)length, format, args);
	va_end(args);
	return path;
}

bool test_is_root(void)
{
	return geteuid() == 0;
}

/* Threads */

static void *thread_main(void *arg)
{
	struct thread *thread = arg;

	thread->run(thread->arg);
	return NULL;
}

void thread_start(struct thread *thread, void (*run)(void *arg), void *arg)
{
	pthread_t id;

	thread->run = run;
	thread->arg = arg;
	ok(pthread_create(&id, NULL, thread_main, thread));
	thread->id = (unsigned long)id;
}

void thread_join(struct thread *thread)
{
	ok(pthread_join((pthread_t)thread->id, NULL));
}

static void on_interrupt(int signal_number)
{
	(void)signal_number;
}

static _Atomic bool interrupting;

static void interrupt(void *arg)
{
	pthread_t *interrupted = arg;

	/* More than once, because one could come before the wait begins. */
	while (interrupting) {
		test_sleep_ms(20);
		pthread_kill(*interrupted, SIGUSR1);
	}
}

void thread_start_interrupting(struct thread *thread)
{
	struct sigaction action = { .sa_handler = on_interrupt };
	static pthread_t interrupted;

	interrupted = pthread_self();
	interrupting = true;
	sys(sigaction(SIGUSR1, &action, NULL));
	thread_start(thread, interrupt, &interrupted);
}

void thread_stop_interrupting(struct thread *thread)
{
	interrupting = false;
	thread_join(thread);
}

/* The frame around every test */

static void on_alarm(int signal_number)
{
	char text[160];
	int length = snprintf(text, sizeof(text),
			      "%s[%d] hangs: signal %d ends it\n",
			      running_test, (int)getpid(), signal_number);

	if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
		_exit(97);
	_exit(97);
}

void test_arm_alarm(void)
{
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	alarm((unsigned int)(60 * test_slow()));
}

static int remove_entry(const char *path, const struct stat *status, int kind,
			struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

int test_setup(void **state)
{
	struct flowipc_region *region;

	(void)state;
	failed = false;
	test_arm_alarm();
	strcpy(directory, "/tmp/flowipc-test-XXXXXX");
	if (!mkdtemp(directory)) {
		perror(directory);
		return -1;
	}
	if (setenv("XDG_RUNTIME_DIR", directory, 1))
		return -1;
	/* What the library opens once and keeps is there from here on. */
	if (flowipc_region_create(1, NULL, &region)) {
		fprintf(stderr, "no usable back end: %s\n",
			flowipc_last_error());
		return -1;
	}
	flowipc_region_destroy(region);
	fds_before = test_count_fds();
	maps_before = test_count_shared_maps();
	return 0;
}

int test_teardown(void **state)
{
	int fds, maps;

	(void)state;
	test_end_peers();
	test_deny_fds(false);
	fds = test_count_fds();
	maps = test_count_shared_maps();
	alarm(0);
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	if (failed)
		return 0; /* what it held is still open */
	if (fds != fds_before) {
		fprintf(stderr, "%d descriptors before, %d after\n",
			fds_before, fds);
		return -1;
	}
	if (maps != maps_before) {
		fprintf(stderr, "%d shared mappings before, %d after\n",
			maps_before, maps);
		return -1;
	}
	return 0;
}

int test_main(int argc, char **argv, const char *name,
	      const struct CMUnitTest *tests, size_t count,
	      const struct peer_function *functions)
{
	const char *slash = strrchr(name, '/');

	running_test = slash ? slash + 1 : name;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "--peer"))
		return test_run_exec(functions, argv[2], atoi(argv[3]));
	if (argc == 2 && argv[1][0] != '-') {
		cmocka_set_test_filter(argv[1]);
	} else if (argc != 1) {
		fprintf(stderr, "usage: %s [TEST]\n", argv[0]);
		return 2;
	}
	return _cmocka_run_group_tests(running_test, tests, count, NULL,
				       NULL) ? 1 : 0;
}
