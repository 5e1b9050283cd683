// SPDX-License-Identifier: MIT
/*
 * flowipc-trace: how long messages take from send to receive, per channel.
 */
#include "config.h"

#include "attach.h"
#include "files.h"
#include "report.h"
#include "streams.h"
#include "tools/common/arguments.h"
#include "why.h"

#include <argp.h>
#include <errno.h>
#include <error.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NEVER INT64_MAX

const char *argp_program_version = "flowipc-trace " PACKAGE_VERSION;

static const char doc[] =
	"Trace how long messages of flowipc take from send to receive, and show "
	"it as a histogram for each channel and direction.\v"
	"A channel is shown by its label: the name of its session, its number "
	"in it, and > for messages from the side that opened it or < for those "
	"to it. Each direction is reported on its own, together with the "
	"process that receives.\n"
	"\n"
	"Processes need not be restarted: all that use libflowipc are traced, "
	"also those that start later. Messages whose sender was not traced when "
	"it sent them are counted as untraced. Percentiles are upper edges of a "
	"bucket. Reports go to standard output, everything else to standard "
	"error.\n"
	"\n"
	"Run it as root. CAP_BPF and CAP_PERFMON are enough where the kernel "
	"does not demand CAP_SYS_ADMIN for uprobes; CAP_SYS_PTRACE finds the "
	"libraries that processes of other users have mapped.\n"
	"\n"
	"Exit status: 0 traced, also when ended by Ctrl-C; 1 cannot trace; 2 "
	"wrong usage.\n"
	"\n"
	"Examples:\n"
	"  flowipc-trace                   # all channels, until Ctrl-C\n"
	"  flowipc-trace -d 10 -u          # for 10 seconds, in microseconds\n"
	"  flowipc-trace -i 1 -T           # every second, with the time\n"
	"  flowipc-trace -p 181            # what process 181 receives\n"
	"  flowipc-trace -C 'cache#*>'     # requests of sessions named cache\n"
	"  flowipc-trace -i 1 --json | jq .p99_le_ns\n"
	"  flowipc-trace --library ./app   # libflowipc is linked into ./app\n";

enum {
	OPTION_JSON = 0x100,
	OPTION_LIBRARY,
};

static const struct argp_option options[] = {
	{ "pid", 'p', "PID", 0,
	  "Only messages received by this process; ends when it exits", 0 },
	{ "channel", 'C', "GLOB", 0,
	  "Only channels whose label matches this shell pattern", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Report at this interval (default: once, at the end)", 0 },
	{ "duration", 'd', "SECONDS", 0,
	  "End after this time (default: at Ctrl-C)", 0 },
	{ "timestamp", 'T', NULL, 0, "Print the time with each report", 0 },
	{ "microseconds", 'u', NULL, 0, "Microseconds instead of ns", 0 },
	{ "milliseconds", 'm', NULL, 0, "Milliseconds instead of ns", 0 },
	{ "json", OPTION_JSON, NULL, 0,
	  "One JSON object a line for each interval and channel, in ns", 0 },
	{ "library", OPTION_LIBRARY, "FILE", 0,
	  "Trace users of this library, or this executable that libflowipc is "
	  "linked into; may be repeated (default: every libflowipc.so in use "
	  "and the installed one)", 0 },
	{ "verbose", 'v', NULL, 0,
	  "Say what is attached to, and pass on the messages of libbpf", 0 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 }
};

struct settings {
	pid_t pid;
	int64_t interval_ns;
	int64_t duration_ns;
	bool verbose;
	char **libraries;
	size_t library_count;
	struct trace_report report;
};

static void set_unit(const struct argp_state *state, struct trace_report *report,
		     const char *unit, uint64_t unit_ns)
{
	if (report->unit_ns != 1 && report->unit_ns != unit_ns)
		argp_failure(state, 2, 0, "-u and -m exclude each other");
	report->unit = unit;
	report->unit_ns = unit_ns;
}

static void add_library(struct settings *settings, char *path)
{
	size_t count = settings->library_count + 1;

	/* one more for the NULL at the end */
	settings->libraries = reallocarray(settings->libraries, count + 1,
					   sizeof(*settings->libraries));
	if (!settings->libraries)
		error(1, ENOMEM, "--library");
	settings->libraries[count - 1] = path;
	settings->libraries[count] = NULL;
	settings->library_count = count;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'p':
		settings->pid = parse_pid(state, arg);
		break;
	case 'C':
		settings->report.glob = arg;
		break;
	case 'i':
		settings->interval_ns = parse_seconds(state, "interval", arg);
		break;
	case 'd':
		settings->duration_ns = parse_seconds(state, "duration", arg);
		break;
	case 'T':
		settings->report.timestamp = true;
		break;
	case 'u':
		set_unit(state, &settings->report, "usecs", 1000);
		break;
	case 'm':
		set_unit(state, &settings->report, "msecs", 1000000);
		break;
	case 'v':
		settings->verbose = true;
		break;
	case OPTION_JSON:
		settings->report.json = true;
		break;
	case OPTION_LIBRARY:
		add_library(settings, arg);
		break;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		break;
	case ARGP_KEY_ARG:
		argp_failure(state, 2, 0, "unexpected argument: %s", arg);
		break;
	case ARGP_KEY_END:
		if (settings->report.json && settings->report.unit_ns != 1)
			argp_failure(state, 2, 0, "--json is always in ns: it excludes -u and -m");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/*
 * Signals that end the program are read from a descriptor instead, but not
 * those we were told to ignore, as by nohup: blocked, they would arrive.
 */
static int open_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action;
	sigset_t set;
	size_t i;
	int fd;

	sigemptyset(&set);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!sigaction(numbers[i], NULL, &action) &&
		    action.sa_handler != SIG_IGN)
			sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		error(1, errno, "signalfd");
	return fd;
}

/* Returns -1 without a process, and on kernels before 5.3. */
static int open_process(pid_t pid)
{
	int fd;

	if (!pid)
		return -1;
	if (kill(pid, 0) && errno == ESRCH)
		error(1, 0, "there is no process %d", (int)pid);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 && errno == ESRCH)
		error(1, 0, "there is no process %d", (int)pid);
	return fd;
}

/* Returns true if it is time to end before @deadline. */
static bool wait_until(int64_t deadline, int signals, int process)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = process, .events = POLLIN },
	};

	for (;;) {
		int64_t left = deadline - now_ns();
		struct timespec timeout = {
			.tv_sec = left / NS_PER_S,
			.tv_nsec = left % NS_PER_S,
		};
		int ret;

		if (left <= 0)
			return false;
		ret = ppoll(fds, 2, deadline == NEVER ? NULL : &timeout, NULL);
		if (fds[1].revents)
			error(0, 0, "the process has exited");
		if (ret > 0)
			return true;
		if (ret < 0 && errno != EINTR)
			error(1, errno, "poll");
	}
}

struct tracing {
	const struct settings *settings;
	struct trace_attachment *attachment;
	struct streams last;
	uint64_t last_lost;
	int64_t last_ns;
	uint64_t messages;
};

/* Report what came in since the last time. */
static void report_interval(struct tracing *tracing)
{
	struct streams now, growth;
	int64_t time_ns = now_ns();
	uint64_t lost = trace_lost(tracing->attachment);
	uint64_t new_lost = lost - tracing->last_lost;
	int ret;

	ret = trace_read(tracing->attachment, &now);
	if (!ret)
		ret = streams_subtract(&growth, &now, &tracing->last);
	if (ret)
		error(1, -ret, "cannot read the counters");
	tracing->messages +=
		trace_report_print(stdout, &tracing->settings->report, &growth,
				   new_lost,
				   (uint64_t)(time_ns - tracing->last_ns));
	if (fflush(stdout) || ferror(stdout))
		error(1, errno, "cannot write the report");
	if (new_lost)
		error(0, 0, "lost: %" PRIu64
		      " messages were not counted: only %d channel directions are",
		      new_lost, LATENCY_MAX_STREAMS);
	streams_free(&growth);
	streams_free(&tracing->last);
	tracing->last = now;
	tracing->last_lost = lost;
	tracing->last_ns = time_ns;
}

static void trace(const struct settings *settings,
		  struct trace_attachment *attachment, int signals, int process)
{
	struct tracing tracing = {
		.settings = settings,
		.attachment = attachment,
		.last_ns = now_ns(),
	};
	int64_t start = tracing.last_ns;
	int64_t end = settings->duration_ns ? start + settings->duration_ns :
					      NEVER;
	int64_t next = start;
	bool ended;

	do {
		next = settings->interval_ns ? next + settings->interval_ns :
					       NEVER;
		ended = wait_until(next < end ? next : end, signals, process);
		report_interval(&tracing);
	} while (!ended && next < end);

	if (!tracing.messages)
		error(0, 0, "no message was received while tracing");
	streams_free(&tracing.last);
}

static int run(const struct settings *settings, int process)
{
	struct trace_attachment *attachment = NULL;
	struct trace_files files = { 0 };
	int signals;

	/* From here on Ctrl-C means to end with a report. */
	signals = open_signals();
	if (!trace_files_find(&files, settings->libraries, settings->pid))
		attachment = trace_attach(&files, settings->pid,
					  settings->report.unit_ns,
					  settings->verbose);
	trace_files_free(&files);
	if (attachment) {
		error(0, 0, "tracing send-to-receive latency... hit Ctrl-C to end");
		trace(settings, attachment, signals, process);
		trace_detach(attachment);
	}
	close(signals);
	return attachment ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};
	struct settings settings = {
		.report = { .unit = "nsecs", .unit_ns = 1 },
	};
	int process, status;
	char why[256];

	program_invocation_name = program_invocation_short_name;
	argv[0] = program_invocation_name;
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &settings);

	if (trace_lacks_capability(why, sizeof(why)))
		error(1, 0, "%s", why);
	process = open_process(settings.pid);
	status = run(&settings, process);
	if (process >= 0)
		close(process);
	free(settings.libraries);
	return status;
}
