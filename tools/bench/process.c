// SPDX-License-Identifier: MIT
/* Two processes that measure each other, and neither of which stays behind. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

void *bench_shared_memory(size_t size, int flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		bench_die("cannot map %zu bytes: %s", size, strerror(errno));
	return memory;
}

void bench_child(int cpu, pid_t parent)
{
	/* Whatever happens to the measuring process, do not stay behind. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM))
		bench_die("cannot tie processes together: %s",
			  strerror(errno));
	if (getppid() != parent)
		_exit(1);
	bench_pin(cpu);
}

/* Its end of the pipe closes when the child is gone. */
void bench_reap(const char *name, pid_t child, int pipe_fd)
{
	struct pollfd end = { .fd = pipe_fd };
	int status;

	if (poll(&end, 1, BENCH_HANG_MS) == 0)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	close(pipe_fd);
	if (WIFSIGNALED(status))
		bench_die("%s: the answering process died: %s", name,
			  strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		exit(1); /* and it has said why */
}

/*
 * A peer need not limit how long it waits, which would cost it a timer each
 * time: a clock ticks for all, slowly, and somebody looks what has been done
 * since.
 */
static const char *watched_name;
static const volatile uint64_t *watched;
static uint64_t watched_last;

static void tick(int signal_number)
{
	static const char line[] = ": the other process does not answer\n";

	(void)signal_number;
	if (*watched != watched_last) {
		watched_last = *watched;
		return;
	}
	/* Not bench_die(), which a signal handler may not call. */
	if (write(STDERR_FILENO, "flowipc-bench: ", 15) < 0 ||
	    write(STDERR_FILENO, watched_name, strlen(watched_name)) < 0 ||
	    write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		_exit(1);
	_exit(1);
}

void bench_watch(const char *name, const volatile uint64_t *progress)
{
	const struct sigaction action = {
		.sa_handler = tick,
		.sa_flags = SA_RESTART,
	};
	struct itimerval timer = { 0 };

	if (progress) {
		watched_name = name;
		watched = progress;
		watched_last = UINT64_MAX;
		timer.it_value.tv_sec = BENCH_HANG_MS / 1000;
		timer.it_interval = timer.it_value;
		sigaction(SIGALRM, &action, NULL);
	}
	setitimer(ITIMER_REAL, &timer, NULL);
}
