// SPDX-License-Identifier: MIT
#include "probes.h"

#ifdef HAVE_SYS_SDT_H

#define DEFINE_SEMAPHORE(probe)                             \
	volatile unsigned short flowipc_##probe##_semaphore \
		__attribute__((section(".probes")))

DEFINE_SEMAPHORE(send);
DEFINE_SEMAPHORE(receive);
DEFINE_SEMAPHORE(release);
DEFINE_SEMAPHORE(sleep);
DEFINE_SEMAPHORE(wake);

#else

typedef int flowipc__probes_are_left_out;

#endif
