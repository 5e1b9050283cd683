// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <flowipc/common.h>

#include "error.h"

#define STRINGIFY(x) #x
#define VERSION_STRING(major, minor, patch) \
	STRINGIFY(major) "." STRINGIFY(minor) "." STRINGIFY(patch)

static _Thread_local struct error_line last_error;

int flowipc__fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_error.text, sizeof(last_error.text), format, args);
	va_end(args);
	return error;
}

const char *flowipc_last_error(void)
{
	return last_error.text;
}

void flowipc__error_keep(struct error_line *line)
{
	*line = last_error;
}

void flowipc__error_restore(const struct error_line *line)
{
	last_error = *line;
}

const char *flowipc_version(void)
{
	return VERSION_STRING(FLOWIPC_VERSION_MAJOR, FLOWIPC_VERSION_MINOR,
			      FLOWIPC_VERSION_PATCH);
}

const char *flowipc_strerror(int error)
{
	/* In this direction no number overflows. */
	switch (error > 0 ? -error : error) {
	case 0:
		return "success";
	case -EACCES:
		return "permission denied";
	case -EADDRINUSE:
		return "a live server has this name";
	case -EAGAIN:
		return "would have to wait";
	case -ECONNABORTED:
		return "the peer was too slow";
	case -ECONNREFUSED:
		return "refused, or no server of that name";
	case -EDQUOT:
		return "a limit of this user would be exceeded";
	case -EFBIG:
		return "larger than the limit of the kernel module";
	case -EINTR:
		return "interrupted by a signal";
	case -EINVAL:
		return "invalid argument";
	case -EMFILE:
		return "too many open descriptors";
	case -EMSGSIZE:
		return "message too large";
	case -ENAMETOOLONG:
		return "name too long";
	case -ENODEV:
		return "the kernel module is not loaded";
	case -ENOENT:
		return "no server of that name";
	case -ENOEXEC:
		return "the kernel module and the library do not fit together";
	case -ENOMEM:
		return "out of memory";
	case -ENOSPC:
		return "too many regions shared in this session";
	case -ENOSYS:
		return "not supported by this kernel";
	case -E2BIG:
		return "options this library does not know";
	case -EOPNOTSUPP:
		return "the back end cannot do this";
	case -EPERM:
		return "not permitted";
	case -EPIPE:
		return "the peer is gone, or sends no more";
	case -EPROTO:
		return "the peer broke the protocol";
	case -EPROTONOSUPPORT:
		return "no protocol version or back end in common";
	case -ETIMEDOUT:
		return "timed out";
	default:
		return "unknown error";
	}
}
