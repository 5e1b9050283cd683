/* SPDX-License-Identifier: MIT */
/**
 * @file common.h
 * @brief Versions, options structures and errors in words.
 */
#ifndef FLOWIPC_COMMON_H
#define FLOWIPC_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FLOWIPC_API __attribute__((visibility("default")))

#define FLOWIPC_VERSION_MAJOR 0
#define FLOWIPC_VERSION_MINOR 1
#define FLOWIPC_VERSION_PATCH 0

/**
 * Options structures begin with their own size, so that a program built
 * against an older header works with a newer library and the other way round:
 * fields that the caller does not know have their default, and a field that
 * the library does not know must be zero (else -E2BIG). A zero field always
 * means the default. Fill one in place:
 *
 *	flowipc_connect("cache", FLOWIPC_OPTS(connect,
 *			.policy = FLOWIPC_POLICY_ANYONE), 1000, &session);
 */
#define FLOWIPC_OPTS(object, ...)					\
	(&(const struct flowipc_##object##_opts){			\
		.sz = sizeof(struct flowipc_##object##_opts), __VA_ARGS__ })

/**
 * @brief Version of the library that is running, as "0.1.0".
 * @return a constant string.
 *
 * Thread-safe, async-signal-safe. Since 0.1.
 */
FLOWIPC_API const char *flowipc_version(void);

/**
 * @brief What a negative errno of this library means, in a few words.
 * @param error value returned by a flowipc function; its sign does not matter.
 * @return a constant string; "unknown error" for a number it does not know.
 *
 * Thread-safe, async-signal-safe. Since 0.1.
 */
FLOWIPC_API const char *flowipc_strerror(int error);

/**
 * @brief One line about the last failure in this thread: which object, which
 * value, and what to do about it, e.g. "cannot open /dev/flowipc: permission
 * denied (its group is flowipc)".
 * @return a string without a line end, empty before the first failure. It
 * stays valid and unchanged until the next flowipc call of the same thread
 * fails. Read it only after a call that failed: success does not clear it.
 *
 * -EAGAIN, -ETIMEDOUT and -EPIPE on the message path are ordinary events and
 * leave the line alone.
 *
 * Thread-safe. Since 0.1.
 */
FLOWIPC_API const char *flowipc_last_error(void);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_COMMON_H */
