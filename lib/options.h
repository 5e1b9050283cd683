/* SPDX-License-Identifier: MIT */
/* Reading an options structure that a caller of another age has filled in. */
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

#endif
