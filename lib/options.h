/* SPDX-License-Identifier: MIT */
/* Structures that begin with their size, for callers of another age. */
#ifndef FLOWIPC_LIB_OPTIONS_H
#define FLOWIPC_LIB_OPTIONS_H

#include <stddef.h>

/*
 * Fill @known, of @known_size bytes, from the caller's @given, which begins
 * with its size and may be NULL: what the caller did not know is zero, and
 * what this library does not know must be. @name is for the error line.
 */
int flowipc__options_read(void *known, size_t known_size, const void *given,
			  const char *name);

/*
 * The other way round: answer with @known in the caller's @asked, as much as
 * the caller knows. What this library does not know is zero there.
 */
int flowipc__options_answer(void *asked, const void *known, size_t known_size,
			    const char *name);

#endif
