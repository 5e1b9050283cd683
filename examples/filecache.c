// SPDX-License-Identifier: MIT
/*
 * filecache: files served by name out of another process's memory.
 *
 *	filecache server FILE...	loads files and serves them
 *	filecache client FILE...	asks for files, checks and times them
 *	filecache			starts both, on files of this machine
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filecache.h"

#define SMALL_SIZE (100 << 10)

static void put_line(const char *format, va_list args)
{
	char line[2 * MAX_NAME];

	/* In one piece: server and client share a terminal. */
	vsnprintf(line, sizeof(line), format, args);
	fprintf(stderr, "filecache: %s\n", line);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(format, args);
	va_end(args);
}

_Noreturn void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(format, args);
	va_end(args);
	exit(1);
}

const char *flowipc_why(int error)
{
	const char *line = flowipc_last_error();

	if (error == -EAGAIN || error == -EPIPE || !*line)
		return flowipc_strerror(error);
	return line;
}

void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

/* --- both sides ------------------------------------------------------------- */

/* A process that ends with this one. It begins as it would on its own. */
static pid_t start(const struct options *options, const struct file_list *list,
		   bool server, const sigset_t *mask)
{
	pid_t parent = getpid(), child = fork();

	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (!server)
		exit(client_run(options, list));
	server_run(options, list);
	exit(0);
}

/* What a shell would say of it: 0 if all went well. */
static int end(pid_t child, int signal)
{
	int status;

	if (signal)
		kill(child, signal);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

static bool has_ended(pid_t child)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)child, &info,
		      WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static int outcome(const char *who, int status)
{
	/* Ctrl-C reaches everybody, and needs no explanation. */
	if (status <= 128 || status == 128 + SIGINT)
		return status;
	say("the %s was ended by a signal: %s", who, strsignal(status - 128));
	return 1;
}

/* Until the client is through, or either side fails, or we are told to stop. */
static int run_both(const struct options *options,
		    const struct file_list *list)
{
	sigset_t signals, before;
	pid_t server, client;
	int number = 0, status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &before);
	server = start(options, list, true, &before);
	client = start(options, list, false, &before);

	while (!has_ended(server) && !has_ended(client)) {
		number = sigwaitinfo(&signals, NULL);
		if (number == SIGINT || number == SIGTERM) {
			end(client, SIGTERM);
			end(server, SIGTERM);
			return 128 + number;
		}
	}
	if (has_ended(client)) {
		status = outcome("client", end(client, 0));
		end(server, SIGTERM);
		return status;
	}
	/* The client has nobody left to talk to. */
	end(client, SIGTERM);
	outcome("server", end(server, 0));
	return 1;
}

/*
 * Once server and client share a processor on a busy machine, the scheduler
 * may leave them there, and then each must sleep for the other to answer. So
 * that the table does not hang on that, each gets one of its own.
 */
static void pick_cpus(int cpus[2])
{
	cpu_set_t allowed;
	int count = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) ||
	    CPU_COUNT(&allowed) < 2)
		return;
	for (int cpu = 0; count < 2; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[count++] = cpu;
}

int demonstrate(struct options *options)
{
	struct file_list sources = { .count = 0 }, list = { .count = 0 };
	enum flowipc_backend backend;
	char name[64], remark[128];
	int err, result;

	/* Before work is put into it, and while there is one side to complain. */
	err = flowipc_backend_find(options->backend, &backend);
	if (err)
		die("%s", flowipc_why(err));
	if (options->big_size < SMALL_SIZE)
		die("the large file cannot be smaller than %s",
		    size_text(SMALL_SIZE));
	snprintf(name, sizeof(name), "filecache-demo.%d", (int)getpid());
	options->name = name;
	pick_cpus(options->cpus);
	/* In the server, and once more in the client by way of the socket. */
	check_room(options->directory, options->big_size + SMALL_SIZE,
		   options->big_size * (options->socket_seconds > 0 ? 2 : 1));
	machine_files(&sources, remark, sizeof(remark));
	options->remark = *remark ? remark : NULL;

	made_file(&list, &sources, options->directory, SMALL_SIZE);
	for (size_t i = 0; i < sources.count; i++)
		list.files[list.count++] = sources.files[i];
	made_file(&list, &sources, options->directory, options->big_size);
	result = run_both(options, &list);
	while (list.count)
		file_drop_last(&list);
	return result;
}
