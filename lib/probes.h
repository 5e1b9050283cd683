/* SPDX-License-Identifier: MIT */
/*
 * USDT probes, provider "flowipc". Their arguments are part of what users
 * rely on: add at the end, never change.
 *
 *   send(stream, label, type, size, sent_ns)
 *   receive(stream, label, type, size, sent_ns, received_ns)
 *   release(stream, label, size)
 *   sleep(stream, label, event)
 *   wake(stream, label, event, slept_ns)
 *
 * An untraced probe costs a nop and a predictable branch on its semaphore,
 * which the kernel raises while somebody is attached: no clock is read and no
 * argument is made before.
 */
#ifndef FLOWIPC_LIB_PROBES_H
#define FLOWIPC_LIB_PROBES_H

#include "config.h"

#ifdef HAVE_SYS_SDT_H

#define _SDT_HAS_SEMAPHORES 1
#define SDT_USE_VARIADIC 1
/* No argument as an address with an index: not every tracer can parse that. */
#define STAP_SDT_ARG_CONSTRAINT nr
#include <sys/sdt.h>

#define FLOWIPC__SEMAPHORE(probe)                                  \
	extern volatile unsigned short flowipc_##probe##_semaphore \
		__attribute__((visibility("hidden")))

FLOWIPC__SEMAPHORE(send);
FLOWIPC__SEMAPHORE(receive);
FLOWIPC__SEMAPHORE(release);
FLOWIPC__SEMAPHORE(sleep);
FLOWIPC__SEMAPHORE(wake);

#define FLOWIPC__TRACED(probe) \
	__builtin_expect(flowipc_##probe##_semaphore, 0)
#define FLOWIPC__PROBE(probe, ...) STAP_PROBEV(flowipc, probe, __VA_ARGS__)

#else

#define FLOWIPC__TRACED(probe) 0
#define FLOWIPC__PROBE(probe, ...) flowipc__no_probe(0, __VA_ARGS__)

/* Evaluates nothing at run time, and keeps arguments from being unused. */
static inline void flowipc__no_probe(int unused, ...)
{
	(void)unused;
}

#endif
#endif
