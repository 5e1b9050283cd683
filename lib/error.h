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

/*
 * Failures on the way to a success are nobody's business: keep the line from
 * before them.
 */
struct error_line {
	char text[256];
};

void flowipc__error_keep(struct error_line *line);
void flowipc__error_restore(const struct error_line *line);

#endif
