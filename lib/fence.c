// SPDX-License-Identifier: MIT
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fence.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool registered;

static void fence_register(void)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (commands < 0 || !(commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED))
		return;
	registered = !syscall(SYS_membarrier,
			      MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

bool flowipc__fence_can_be_remote(void)
{
	pthread_once(&once, fence_register);
	return registered;
}

void flowipc__fence_sleeper(bool remote)
{
	if (remote)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
	flowipc__fence_full();
}
