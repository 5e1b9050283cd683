// SPDX-License-Identifier: MIT
/*
 * flowipc-stat: which regions, grants, claims and channels there are, who holds
 * them, and how much they pin.
 */
#include "config.h"

#include "report.h"
#include "tools/common/arguments.h"

#include <argp.h>
#include <errno.h>
#include <error.h>
#include <signal.h>
#include <stdlib.h>

const char *argp_program_version = "flowipc-stat " PACKAGE_VERSION;

static const char doc[] =
	"List what there is of flowipc: regions, grants, claims and channels, "
	"which processes hold them, and how much memory they pin.\v"
	"Every user sees what his own processes hold; root sees all. What could "
	"not be looked into is counted and said at the end.\n"
	"\n"
	"Exit status: 0 listed, also if there is nothing; 1 cannot be listed; 2 "
	"wrong usage.\n"
	"\n"
	"Examples:\n"
	"  flowipc-stat                    # all there is\n"
	"  flowipc-stat --regions -i 1     # the regions, every second\n"
	"  flowipc-stat -p 181             # what process 181 holds, and who else\n"
	"  flowipc-stat --json | jq 'select(.kind == \"region\") | .size_bytes'\n";

enum {
	OPTION_JSON = 0x100,
	/* and the kind */
	OPTION_KIND = 0x200,
};

static const struct argp_option options[] = {
	{ "pid", 'p', "PID", 0,
	  "Only what this process holds, with all who hold it too", 0 },
	{ "regions", OPTION_KIND + KIND_REGION, NULL, 0,
	  "Only regions; this and the next may be combined", 1 },
	{ "grants", OPTION_KIND + KIND_GRANT, NULL, 0, "Only grants", 1 },
	{ "claims", OPTION_KIND + KIND_CLAIM, NULL, 0, "Only claims", 1 },
	{ "channels", OPTION_KIND + KIND_CHANNEL, NULL, 0, "Only channels", 1 },
	{ "devices", OPTION_KIND + KIND_DEVICE, NULL, 0,
	  "Only who has the device open", 1 },
	{ "memfds", OPTION_KIND + KIND_MEMFD, NULL, 0,
	  "Only the regions of the embedded default", 1 },
	{ "interval", 'i', "SECONDS", 0,
	  "List again at this interval, until Ctrl-C", 2 },
	{ "count", 'n', "NUMBER", 0, "List so many times (with -i)", 2 },
	{ "json", OPTION_JSON, NULL, 0, "One JSON object a line", 2 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 }
};

struct settings {
	struct report report;
	int64_t interval_ns;
	/* 0: for ever */
	long count;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case 'p':
		settings->report.pid = parse_pid(state, arg);
		break;
	case 'i':
		settings->interval_ns = parse_seconds(state, "interval", arg);
		break;
	case 'n':
		settings->count = parse_count(state, "count", arg);
		break;
	case OPTION_JSON:
		settings->report.json = true;
		break;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		break;
	case ARGP_KEY_ARG:
		argp_failure(state, 2, 0, "unexpected argument: %s", arg);
		break;
	case ARGP_KEY_END:
		if (settings->count && !settings->interval_ns)
			argp_failure(state, 2, 0, "-n needs an interval, -i");
		break;
	default:
		if (key <= OPTION_KIND || key >= OPTION_KIND + KINDS)
			return ARGP_ERR_UNKNOWN;
		settings->report.kinds |= 1U << (key - OPTION_KIND);
	}
	return 0;
}

static void print_time(FILE *out, const struct timespec *time)
{
	char text[16];
	struct tm tm;

	localtime_r(&time->tv_sec, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	fprintf(out, "\n%s\n", text);
}

static void list(FILE *out, const struct settings *settings)
{
	const struct report *report = &settings->report;
	struct state state;
	int ret;

	clock_gettime(CLOCK_REALTIME, &state.time);
	ret = scan_processes(&state.scan);
	if (ret)
		error(1, -ret, "cannot read /proc");
	module_read(&state.module);
	if (report->json) {
		json_print(out, report, &state);
	} else {
		if (settings->interval_ns)
			print_time(out, &state.time);
		table_print(out, report, &state);
	}
	scan_free(&state.scan);
	if (fflush(out) || ferror(out))
		error(1, errno, "cannot write the list");
}

static void require_process(pid_t pid)
{
	if (kill(pid, 0) && errno == ESRCH)
		error(1, 0, "there is no process %d", (int)pid);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options, .parser = parse_option, .doc = doc,
	};
	struct settings settings = { 0 };
	struct timespec pause;
	long number;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &settings);
	pause.tv_sec = settings.interval_ns / NS_PER_S;
	pause.tv_nsec = settings.interval_ns % NS_PER_S;

	for (number = 1;; number++) {
		if (settings.report.pid)
			require_process(settings.report.pid);
		list(stdout, &settings);
		if (!settings.interval_ns || number == settings.count)
			return 0;
		nanosleep(&pause, NULL);
	}
}
