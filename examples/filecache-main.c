// SPDX-License-Identifier: MIT
/* The command line of filecache. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filecache.h"

enum role { BOTH = 1, SERVER = 2, CLIENT = 4 };

struct arguments {
	enum role role;
	struct options options;
	struct file_list list;
};

enum { KEY_CHECK = 256, KEY_MAX_MESSAGE, KEY_SOCKET_TIME };

#define MAX_OPTIONS 16

static const struct {
	unsigned int roles;
	struct argp_option option;
} all_options[] = {
	{ BOTH | SERVER | CLIENT,
	  { "backend", 'b', "NAME", 0, "device, memfd or auto [auto]", 0 } },
	{ BOTH | SERVER | CLIENT,
	  { "timeout", 't', "SECONDS", 0,
	    "How long to wait for the other side [10; both sides: 120]", 0 } },
	{ SERVER | CLIENT,
	  { "name", 'n', "NAME", 0, "Name of the server [" DEFAULT_NAME "]",
	    0 } },
	{ BOTH | SERVER,
	  { "max-message", KEY_MAX_MESSAGE, "BYTES", 0,
	    "Largest file to hand out; 4K, 1M, 2G [16G]", 0 } },
	{ BOTH | CLIENT,
	  { "requests", 'r', "COUNT", 0, "Requests for each file [1000]",
	    0 } },
	{ BOTH | CLIENT,
	  { "socket-time", KEY_SOCKET_TIME, "SECONDS", 0,
	    "How long to measure each file over a Unix socket; "
	    "three requests are made even in ten times that; 0 leaves it out [1]",
	    0 } },
	{ BOTH | CLIENT,
	  { "json", 'j', NULL, 0, "One JSON object instead of a table", 0 } },
	{ BOTH | CLIENT,
	  { "check", KEY_CHECK, NULL, 0,
	    "Fail if the largest file takes more than 1.5 times as long as the smallest",
	    0 } },
	{ BOTH,
	  { "size", 's', "BYTES", 0, "Size of the large file; 64M, 2G [1G]",
	    0 } },
	{ BOTH,
	  { "directory", 'd', "DIR", 0,
	    "Where to make files, gone afterwards [$TMPDIR or /tmp]", 0 } },
};

static uint64_t parse_size(const char *what, const char *word,
			   struct argp_state *state)
{
	unsigned long long size;
	unsigned int shift = 0;
	char *rest;

	errno = 0;
	size = strtoull(word, &rest, 10);
	if (*rest && strchr("KMG", *rest)) {
		shift = *rest == 'K' ? 10 : *rest == 'M' ? 20 : 30;
		rest++;
	}
	if (errno || rest == word || *rest || *word == '-' || !size ||
	    size > UINT64_C(1) << (50 - shift))
		argp_error(state, "%s \"%s\": a number of bytes is needed, like 64M",
			   what, word);
	return size << shift;
}

static double parse_number(const char *what, const char *word, double least,
			   double most, struct argp_state *state)
{
	char *rest;
	double value = strtod(word, &rest);

	if (rest == word || *rest || !(value >= least && value <= most))
		argp_error(state, "%s \"%s\": a number from %.10g to %.10g is needed",
			   what, word, least, most);
	return value;
}

static enum flowipc_backend parse_backend(const char *word,
					  struct argp_state *state)
{
	for (enum flowipc_backend backend = FLOWIPC_BACKEND_AUTO;
	     backend <= FLOWIPC_BACKEND_MEMFD; backend++)
		if (!strcmp(word, flowipc_backend_name(backend)))
			return backend;
	argp_error(state, "back end \"%s\": device, memfd or auto is needed",
		   word);
	return FLOWIPC_BACKEND_AUTO;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct options *options = &arguments->options;

	switch (key) {
	case 'b':
		options->backend = parse_backend(arg, state);
		return 0;
	case 'd':
		options->directory = arg;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'n':
		options->name = arg;
		return 0;
	case 'r':
		options->requests = (uint64_t)parse_number("count", arg, 1, 1e6,
							   state);
		return 0;
	case 's':
		options->big_size = parse_size("size", arg, state);
		return 0;
	case 't':
		options->timeout_ms = (int)(1e3 * parse_number("timeout", arg,
							       0.001, 86400,
							       state));
		return 0;
	case KEY_CHECK:
		options->check = true;
		return 0;
	case KEY_MAX_MESSAGE:
		options->max_message = parse_size("size", arg, state);
		return 0;
	case KEY_SOCKET_TIME:
		options->socket_seconds = parse_number("time", arg, 0, 3600,
						       state);
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->role == BOTH)
			argp_error(state, "\"%s\": server, client or nothing is needed",
				   arg);
		file_open(&arguments->list, arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (arguments->role != BOTH)
			argp_error(state, "which files?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "filecache %s\n", flowipc_version());
}

/* The words after the role, if one is named. */
static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	struct argp_option options[MAX_OPTIONS] = { 0 };
	struct argp argp = { .options = options, .parser = parse };
	size_t count = 0;

	arguments->role = BOTH;
	if (argc > 1 && !strcmp(argv[1], "server"))
		arguments->role = SERVER;
	else if (argc > 1 && !strcmp(argv[1], "client"))
		arguments->role = CLIENT;
	switch (arguments->role) {
	case BOTH:
		argp.doc = "Hand files from one process to another, the largest as fast as the smallest. "
			   "Starts both sides, on files of this machine. Each on its own:\n"
			   "  filecache server FILE...\n"
			   "  filecache client FILE...";
		break;
	case SERVER:
		argp.args_doc = "FILE...";
		argp.doc = "Load files into memory and serve them by name, until interrupted.";
		break;
	case CLIENT:
		argp.args_doc = "FILE...";
		argp.doc = "Ask a server for files, check them against those on disk, and time it.";
		break;
	}
	if (arguments->role != BOTH) {
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	for (size_t i = 0; i < sizeof(all_options) / sizeof(all_options[0]); i++)
		if (all_options[i].roles & arguments->role)
			options[count++] = all_options[i].option;
	argp_err_exit_status = 2;
	argp_program_version_hook = print_version;
	argp_parse(&argp, argc, argv, 0, NULL, arguments);
}

int main(int argc, char **argv)
{
	static struct arguments arguments = {
		.options = {
			.name = DEFAULT_NAME,
			.requests = 1000,
			.socket_seconds = 1,
			.big_size = 1 << 30,
			.cpus = { -1, -1 },
		},
	};
	struct options *options = &arguments.options;

	parse_arguments(argc, argv, &arguments);
	if (!options->directory)
		options->directory = getenv("TMPDIR");
	if (!options->directory || !*options->directory)
		options->directory = "/tmp";
	/* With both sides started at once, loading comes before answering. */
	if (!options->timeout_ms)
		options->timeout_ms = arguments.role == BOTH ? 120000 : 10000;

	switch (arguments.role) {
	case SERVER:
		server_run(options, &arguments.list);
		return 0;
	case CLIENT:
		return client_run(options, &arguments.list);
	default:
		return demonstrate(options);
	}
}
