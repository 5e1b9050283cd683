// SPDX-License-Identifier: GPL-2.0-only
/*
 * A worker: a process whose threads make one step after another. The next
 * step's number is in shared memory, so when the process has ended, whoever
 * follows it in its place goes on from there, with nothing but the descriptors
 * that survived exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define SLOTS		32
#define USER		12345
#define DEPTH_MAX	2
#define SELDOM		6	/* what ends a process or hinders all of them */

__thread sigjmp_buf guard;
__thread volatile bool guarded;

bool copy_guarded(void *to, const void *from, size_t bytes)
{
	return GUARDED(memcpy(to, from, bytes));
}

/* Kind, range and descriptor in one word, so that it is read as a whole. */
static atomic_ullong slots[SLOTS];

static unsigned long long slot_pack(const struct slot *slot)
{
	return (unsigned long long)slot->kind << 56 |
	       (unsigned long long)(slot->first & 0xfff) << 44 |
	       (unsigned long long)(slot->pages & 0xfff) << 32 |
	       (unsigned int)slot->fd;
}

static struct slot slot_unpack(unsigned long long word)
{
	return (struct slot){
		.kind = word >> 56,
		.fd = (unsigned int)word,
		.first = word >> 44 & 0xfff,
		.pages = word >> 32 & 0xfff,
	};
}

/* One of @kind, or now and then of any; KIND_NONE is any. */
bool slots_find(struct act *act, enum kind kind, struct slot *slot)
{
	unsigned int first = roll(&act->dice, SLOTS), i;
	struct slot seen;

	if (one_in(&act->dice, 48))
		kind = KIND_NONE;
	for (i = 0; i < SLOTS; i++) {
		seen = slot_unpack(atomic_load(&slots[(first + i) % SLOTS]));
		if (!seen.kind || (kind && seen.kind != kind))
			continue;
		*slot = seen;
		return true;
	}

	return false;
}

/* Also closes what was in its place. */
void slots_put(struct act *act, enum kind kind, int fd, unsigned int first,
	       unsigned int pages)
{
	const struct slot slot = {
		.kind = kind, .fd = fd, .first = first, .pages = pages,
	};
	struct slot old;

	/* A number that another thread has written into the argument. */
	if (fd < FD_FIRST_FREE)
		return;
	old = slot_unpack(atomic_exchange(&slots[roll(&act->dice, SLOTS)],
					  slot_pack(&slot)));
	if (old.kind && old.fd != fd)
		close(old.fd);
}

bool slots_take(struct act *act, struct slot *slot)
{
	*slot = slot_unpack(atomic_exchange(&slots[roll(&act->dice, SLOTS)], 0));

	return slot->kind;
}

/* After exec: what is still open, by what /proc calls it. */
static void slots_adopt(void)
{
	static const struct {
		const char	*text;
		enum kind	kind;
	} names[] = {
		{ "/dev/flowipc", KIND_DEVICE },
		{ "flowipc-region", KIND_REGION },
		{ "flowipc-grant", KIND_GRANT },
		{ "flowipc-claim", KIND_CLAIM },
		{ "flowipc-channel", KIND_CHANNEL },
		{ "[eventfd]", KIND_EVENTFD },
		{ "[eventpoll]", KIND_EPOLL },
	};
	char path[32], name[64];
	struct slot slot = {};
	unsigned int i;
	ssize_t length;
	int fd;

	for (fd = FD_FIRST_FREE; fd < FDS_MAX; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, name, sizeof(name) - 1);
		if (length == -1)
			continue;
		name[length] = '\0';
		slot.kind = KIND_OTHER;
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strstr(name, names[i].text))
				slot.kind = names[i].kind;
		slot.fd = fd;
		atomic_store(&slots[fd % SLOTS], slot_pack(&slot));
	}
}

static bool act_once(struct act *act);
static void timer_start(void);

static bool fork_make(struct act *act)
{
	unsigned int steps = roll(&act->dice, 12);
	struct act child = *act;
	pid_t pid;

	if (act->depth == DEPTH_MAX)
		return false;
	pid = fork();
	if (pid == -1)
		return false;
	if (pid) {
		/* It is not awaited: SIGCHLD is ignored. */
		if (one_in(&act->dice, 2))
			waitpid(pid, NULL, 0);
		return true;
	}
	coverage_end();
	timer_start();
	child.depth++;
	while (steps-- && !atomic_load(&shared->stop))
		act_once(&child);
	_exit(0);
}

static bool exec_make(struct act *act)
{
	char worker[8];

	if (act->depth || !one_in(&act->dice, SELDOM))
		return false;
	snprintf(worker, sizeof(worker), "%u", act->worker);
	execl("/proc/self/exe", "fuzz", "--worker", worker, NULL);

	return false;
}

static bool exit_make(struct act *act)
{
	if (one_in(&act->dice, SELDOM))
		_exit(0);

	return false;
}

static bool kill_make(struct act *act)
{
	unsigned int worker = roll(&act->dice, shared->processes);
	pid_t pid = atomic_load(&shared->worker[worker].pid);

	return one_in(&act->dice, SELDOM) && pid > 0 && !kill(pid, SIGKILL);
}

/* The limits, too, change while calls look at them. */
static bool limit_make(struct act *act)
{
	static const struct {
		const char	*name;
		const char	*values[4];
	} limits[] = {
		{ "max_region_bytes", { "4194304", "4194304", "65536", "0" } },
		{ "max_total_bytes", { "134217728", "134217728", "65536", "0" } },
		{ "max_objects_per_user", { "16384", "16384", "16", "0" } },
	};
	unsigned int which = roll(&act->dice, 3);
	const char *value = limits[which].values[roll(&act->dice, 4)];
	char path[64];
	bool written;
	int fd;

	if (!one_in(&act->dice, SELDOM))
		return false;
	snprintf(path, sizeof(path), "/sys/module/flowipc/parameters/%s",
		 limits[which].name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	written = write(fd, value, strlen(value)) > 0;
	sched_yield();
	/* Most of the time there must be room. */
	value = limits[which].values[0];
	written &= write(fd, value, strlen(value)) > 0;
	close(fd);

	return written;
}

#define CALL(name_, weight_, make_) \
	{ .name = name_, .weight = weight_, .make = make_##_make }

static const struct call process_calls[] = {
	CALL("fork", 4, fork),
	CALL("exec", 1, exec),
	CALL("exit", 1, exit),
	CALL("kill", 1, kill),
	CALL("limit", 1, limit),
};

#define PROCESS_CALLS	(sizeof(process_calls) / sizeof(process_calls[0]))

unsigned int calls_count(void)
{
	return ioctl_calls_count + memory_calls_count + file_calls_count +
	       PROCESS_CALLS;
}

const struct call *call_at(unsigned int number)
{
	if (number < ioctl_calls_count)
		return &ioctl_calls[number];
	number -= ioctl_calls_count;
	if (number < memory_calls_count)
		return &memory_calls[number];
	number -= memory_calls_count;
	if (number < file_calls_count)
		return &file_calls[number];

	return &process_calls[number - file_calls_count];
}

/* By weight; those that end the process are rare beside all others. */
static unsigned int call_pick(struct act *act)
{
	static unsigned int total;
	unsigned int number, at;

	if (!total)
		for (number = 0; number < calls_count(); number++)
			total += call_at(number)->weight;
	at = roll(&act->dice, total);
	for (number = 0; at >= call_at(number)->weight; number++)
		at -= call_at(number)->weight;

	return number;
}

static bool error_is_documented(const struct call *call, int error)
{
	const int *known;

	for (known = call->errors; *known; known++)
		if (*known == error)
			return true;

	return false;
}

static bool act_once(struct act *act)
{
	unsigned int number = call_pick(act);
	const struct call *call = call_at(number);
	struct call_count *count = &shared->count[number];

	act->error = 0;
	act->proper = false;
	atomic_fetch_add(&count->made, 1);
	if (call->make(act)) {
		atomic_fetch_add(&count->succeeded, 1);
		return true;
	}
	if (call->is_ioctl && act->proper &&
	    !error_is_documented(call, act->error))
		atomic_fetch_add(&shared->surprise[number][act->error %
							   ERRNO_MAX], 1);

	return false;
}

static void on_fault(int number)
{
	(void)number;
	if (guarded) {
		guarded = false;
		siglongjmp(guard, 1);
	}
	/* A fault nobody asked for: let it be seen. */
	signal(number, SIG_DFL);
}

static void on_alarm(int number)
{
	(void)number;
}

/* Ends what waits for ever, with EINTR, wherever it is. */
static void timer_start(void)
{
	struct itimerspec every = {
		{ .tv_nsec = 7000000 }, { .tv_nsec = 7000000 },
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM,
	};
	timer_t timer;

	event._sigev_un._tid = syscall(SYS_gettid);
	if (!timer_create(CLOCK_MONOTONIC, &event, &timer))
		timer_settime(timer, 0, &every, NULL);
}

struct thread {
	unsigned int	worker;
	unsigned int	number;
};

static void *thread_run(void *arg)
{
	const struct thread *thread = arg;
	struct thread_state *state =
		&shared->worker[thread->worker].thread[thread->number];
	struct act act = { .worker = thread->worker };
	uint64_t step;

	timer_start();
	coverage_start();
	while (!atomic_load(&shared->stop)) {
		step = atomic_load(&state->step);
		if (step >= shared->steps)
			break;
		/* Before it is made: a step may not come back. */
		atomic_store(&state->step, step + 1);
		act.dice = dice_of(shared->seed,
				   thread->worker * THREADS + thread->number,
				   step);
		act_once(&act);
		coverage_collect();
	}

	return NULL;
}

static void signals_setup(void)
{
	struct sigaction fault = {
		.sa_handler = on_fault, .sa_flags = SA_NODEFER,
	};
	struct sigaction alarm = { .sa_handler = on_alarm };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGALRM, &alarm, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
}

/* Odd workers are users: they meet limits that root does not. */
static void become_somebody(unsigned int worker)
{
	static const struct rlimit locked = { 4 << 20, 4 << 20 };
	static const struct rlimit files = { FDS_MAX, FDS_MAX };

	setrlimit(RLIMIT_NOFILE, &files);
	if (worker % 2 == 0 || geteuid())
		return;
	setrlimit(RLIMIT_MEMLOCK, &locked);
	if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 1);
}

void worker_run(unsigned int worker)
{
	static struct thread threads[THREADS];
	pthread_t handles[THREADS];
	unsigned int i;

	become_somebody(worker);
	signals_setup();
	ioctls_setup();
	memory_setup();
	files_setup();
	slots_adopt();
	for (i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ worker, i };
		if (i && pthread_create(&handles[i], NULL, thread_run,
					&threads[i]))
			_exit(1);
	}
	thread_run(&threads[0]);
	for (i = 1; i < THREADS; i++)
		pthread_join(handles[i], NULL);
	_exit(0);
}
