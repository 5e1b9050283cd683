// SPDX-License-Identifier: MIT
#include "arguments.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define MAX_SECONDS 1e9

/* In nanoseconds. */
int64_t parse_seconds(const struct argp_state *state, const char *what,
		      const char *text)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(seconds) ||
	    seconds < 0.001 || seconds > MAX_SECONDS)
		argp_failure(state, 2, 0,
			     "%s is not a number of seconds, 0.001 or more: %s",
			     what, text);
	return (int64_t)(seconds * NS_PER_S);
}

static bool parse_positive(const char *text, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	return end != text && !*end && !errno && *number >= 1 &&
	       *number <= INT_MAX;
}

long parse_count(const struct argp_state *state, const char *what,
		 const char *text)
{
	long count;

	if (!parse_positive(text, &count))
		argp_failure(state, 2, 0,
			     "%s is not a positive number: %s", what, text);
	return count;
}

pid_t parse_pid(const struct argp_state *state, const char *text)
{
	long pid;

	if (!parse_positive(text, &pid))
		argp_failure(state, 2, 0, "not a process id: %s", text);
	return (pid_t)pid;
}
