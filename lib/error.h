/* SPDX-License-Identifier: MIT */
/* The line behind flowipc_last_error(). */
#ifndef FLOWIPC_LIB_ERROR_H
#define FLOWIPC_LIB_ERROR_H

/*
 * Remember, for this thread, what failed, and return @error, so that a
 * failing path reads: return flowipc__fail(-EINVAL, "slots is %u", n).
 */
int flowipc__fail(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

#endif
