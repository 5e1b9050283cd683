/* SPDX-License-Identifier: MIT */
/* Why this process, or this kernel, cannot trace. */
#ifndef FLOWIPC_TOOLS_TRACE_WHY_H
#define FLOWIPC_TOOLS_TRACE_WHY_H

#include <stdbool.h>
#include <stddef.h>

/* Does this process have a capability, a CAP_ of <linux/capability.h>? */
bool trace_has_capability(unsigned int capability);

/*
 * Name the capabilities that are missing, in @why. Returns 0 if none is,
 * else -1. Asked first, because without them nothing else can be found out.
 */
int trace_lacks_capability(char *why, size_t size);

/*
 * After loading or attaching has failed with @error, a positive errno: name
 * the missing feature of the kernel. Returns 0 if all that is known to be
 * necessary is there, else -1.
 */
int trace_lacks_feature(int error, char *why, size_t size);

#endif
