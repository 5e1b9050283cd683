// SPDX-License-Identifier: MIT
/* flowipc-bench: the command line, and the table of tests. */
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* A new test is a file and a row. */
static const struct bench_test *const tests[] = {
	&bench_rtt,
	&bench_wake,
	&bench_map,
};

#define TEST_COUNT (sizeof(tests) / sizeof(tests[0]))

_Noreturn void bench_die(const char *format, ...)
{
	va_list args;

	bench_progress(NULL);
	fputs("flowipc-bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void bench_note(const char *format, ...)
{
	va_list args;

	fputs("flowipc-bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* One line that is written over, on terminals only; NULL clears it. */
void bench_progress(const char *format, ...)
{
	va_list args;

	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	if (!format)
		return;
	fputs("measuring ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fflush(stderr);
}

/* --- the command line ---------------------------------------------------- */

static const struct argp_option options[] = {
	{ "size", 's', "BYTES", 0,
	  "rtt: size of the messages, both ways [64]; map: of the memory [512M]; "
	  "as in 64, 4K, 1M; several by commas or by repeating the option; or \"all\"", 0 },
	{ "mode", 'm', "MODE", 0,
	  "rtt: how to wait: spin, adaptive, sleep; several likewise; or \"all\" [all]", 0 },
	{ "duration", 'd', "SECONDS", 0,
	  "rtt, wake: how long each measurement lasts [1]", 0 },
	{ "iterations", 'n', "COUNT", 0,
	  "How often each is measured, instead of a duration [map: 5]", 0 },
	{ "cpus", 'c', "A,B", 0,
	  "The two CPUs to measure between [the first two cores of a chip]", 0 },
	{ "backend", 'b', "NAME", 0,
	  "device, memfd or auto [auto]", 0 },
	{ "json", 'j', NULL, 0, "One JSON object instead of a table", 0 },
	{ 0 },
};

static void parse_size(struct bench_config *config, const char *word,
		       struct argp_state *state)
{
	unsigned long long size;
	char *end;

	if (!strcmp(word, "all")) {
		config->all_sizes = true;
		return;
	}
	errno = 0;
	size = strtoull(word, &end, 10);
	if (*end == 'K')
		size <<= 10, end++;
	else if (*end == 'M')
		size <<= 20, end++;
	else if (*end == 'G')
		size <<= 30, end++;
	if (errno || end == word || *end || *word == '-' || size < 1 ||
	    size > UINT64_C(1) << 32)
		argp_error(state, "size \"%s\": a number from 1 to 4G is needed",
			   word);
	if (config->size_count == BENCH_MAX_SIZES)
		argp_error(state, "more than %d sizes", BENCH_MAX_SIZES);
	config->sizes[config->size_count++] = size;
}

static void parse_mode(struct bench_config *config, const char *word,
		       struct argp_state *state)
{
	if (!strcmp(word, "all")) {
		config->modes = (1 << BENCH_MODES) - 1;
		return;
	}
	for (int mode = 0; mode < BENCH_MODES; mode++) {
		if (!strcmp(word, bench_mode_name(mode))) {
			config->modes |= 1U << mode;
			return;
		}
	}
	argp_error(state, "mode \"%s\": spin, adaptive, sleep or all is needed",
		   word);
}

static void parse_list(struct bench_config *config, char *list,
		       struct argp_state *state,
		       void (*parse)(struct bench_config *config,
				     const char *word,
				     struct argp_state *state))
{
	char *word;

	while ((word = strsep(&list, ",")))
		parse(config, word, state);
}

static double parse_number(const char *what, const char *word, double least,
			   double most, struct argp_state *state)
{
	char *end;
	double value = strtod(word, &end);

	if (end == word || *end || !(value >= least && value <= most))
		argp_error(state, "%s \"%s\": a number from %g to %g is needed",
			   what, word, least, most);
	return value;
}

static void parse_backend(struct bench_config *config, const char *word,
			  struct argp_state *state)
{
	for (enum flowipc_backend backend = FLOWIPC_BACKEND_AUTO;
	     backend <= FLOWIPC_BACKEND_MEMFD; backend++) {
		if (!strcmp(word, flowipc_backend_name(backend))) {
			config->backend = backend;
			return;
		}
	}
	argp_error(state, "back end \"%s\": device, memfd or auto is needed",
		   word);
}

static void parse_test(struct bench_config *config, const char *word,
		       struct argp_state *state)
{
	if (config->test)
		argp_error(state, "one test at a time, not also \"%s\"", word);
	for (size_t i = 0; i < TEST_COUNT; i++)
		if (!strcmp(tests[i]->name, word))
			config->test = tests[i];
	if (!config->test)
		argp_error(state, "there is no test \"%s\"", word);
}

static uint32_t option_bit(int key)
{
	return UINT32_C(1) << (key - 'a');
}

/* The test may come after its options, so they are held against it last. */
static void check_options(struct bench_config *config, struct argp_state *state)
{
	const struct bench_test *test = config->test;

	for (const struct argp_option *option = options; option->name; option++)
		if (test->without && strchr(test->without, option->key) &&
		    config->given & option_bit(option->key))
			argp_error(state, "%s has no option --%s", test->name,
				   option->name);
	if (config->all_sizes || !config->size_count) {
		config->size_count = 0;
		for (int i = 0; test->sizes[i]; i++)
			if (config->all_sizes ||
			    test->sizes[i] == test->default_size)
				config->sizes[config->size_count++] =
					test->sizes[i];
	}
	for (unsigned int i = 0; i < config->size_count; i++)
		if (test->size_unit && config->sizes[i] % test->size_unit)
			argp_error(state, "size \"%llu\": a multiple of %llu is needed",
				   (unsigned long long)config->sizes[i],
				   (unsigned long long)test->size_unit);
	if (!config->modes)
		config->modes = (1 << BENCH_MODES) - 1;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench_config *config = state->input;
	char rest;

	if (key >= 'a' && key <= 'z')
		config->given |= option_bit(key);
	switch (key) {
	case 's':
		parse_list(config, arg, state, parse_size);
		break;
	case 'm':
		parse_list(config, arg, state, parse_mode);
		break;
	case 'd':
		config->duration_ns = (uint64_t)(
			1e9 * parse_number("duration", arg, 0.001, 3600, state));
		break;
	case 'n':
		config->iterations = (uint64_t)parse_number("count", arg, 1,
							    1e8, state);
		break;
	case 'c':
		if (sscanf(arg, "%d,%d%c", &config->cpus[0], &config->cpus[1],
			   &rest) != 2 ||
		    config->cpus[0] < 0 || config->cpus[1] < 0)
			argp_error(state, "CPUs \"%s\": two numbers like 0,1 are needed",
				   arg);
		break;
	case 'b':
		parse_backend(config, arg, state);
		break;
	case 'j':
		config->json = true;
		break;
	case ARGP_KEY_ARG:
		parse_test(config, arg, state);
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which test? rtt, wake or map");
		break;
	case ARGP_KEY_SUCCESS:
		check_options(config, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* The tests are listed by --help from their own table. */
static char *help(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t size;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&list, &size);
	if (!out)
		return (char *)text;
	fputs("Tests:\n", out);
	for (size_t i = 0; i < TEST_COUNT; i++)
		fprintf(out, "  %-10s %s\n", tests[i]->name,
			tests[i]->summary);
	fprintf(out, "\n%s", text);
	fclose(out);
	return list;
}

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "flowipc-bench %s\n", flowipc_version());
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "TEST",
	.doc = "Measure flowipc between two processes, beside what the machine can do at best: "
	       "a cache line, a futex, a pipe, a memfd, in the same run."
	       "\v"
	       "Examples:\n"
	       "  flowipc-bench rtt --size 64,4K,1M --mode spin\n"
	       "  flowipc-bench wake --duration 5\n"
	       "  flowipc-bench map --size 64M,512M --json\n",
	.help_filter = help,
};

/* The back end to use; and, if it is not the device, why not. */
static void find_backend(struct bench_config *config)
{
	enum flowipc_backend wanted = config->backend, device;

	if (flowipc_backend_find(wanted, &config->backend))
		bench_die("%s", flowipc_last_error());
	if (config->backend == FLOWIPC_BACKEND_DEVICE)
		return;
	snprintf(config->no_device, sizeof(config->no_device), "%s",
		 flowipc_backend_find(FLOWIPC_BACKEND_DEVICE, &device) ?
			 flowipc_last_error() :
			 "the memfd back end was asked for");
}

int main(int argc, char **argv)
{
	struct bench_config config = {
		.duration_ns = 1000000000,
		.cpus = { -1, -1 },
	};
	static struct bench_report report;

	argp_err_exit_status = 2;
	argp_program_version_hook = print_version;
	argp_parse(&argp, argc, argv, 0, NULL, &config);
	if (config.cpus[0] < 0)
		bench_pick_cpus(config.cpus);
	bench_check_cpu(config.cpus[0]);
	bench_check_cpu(config.cpus[1]);
	find_backend(&config);

	report.config = &config;
	bench_pin(config.cpus[0]);
	config.test->run(&config, &report);
	if (config.json)
		bench_report_json(&report);
	else
		config.test->print(&report);
	if (fflush(stdout) || ferror(stdout))
		bench_die("cannot write the results: %s", strerror(errno));
	return 0;
}
