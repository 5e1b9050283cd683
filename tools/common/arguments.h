/* SPDX-License-Identifier: MIT */
#ifndef COMMON_ARGUMENTS_H
#define COMMON_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>
#include <sys/types.h>

#define NS_PER_S 1000000000

/*
 * Values of options; a wrong one is reported as a usage error, with exit status
 * 2. @what is how the value is called in that report.
 */
int64_t parse_seconds(const struct argp_state *state, const char *what,
		      const char *text);
long parse_count(const struct argp_state *state, const char *what,
		 const char *text);
pid_t parse_pid(const struct argp_state *state, const char *text);

#endif /* COMMON_ARGUMENTS_H */
