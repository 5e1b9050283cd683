// SPDX-License-Identifier: MIT
/* Accesses that may raise a signal. */
#include "harness.h"

#include <signal.h>

static sigjmp_buf fault_return;

static void on_fault(int signal_number)
{
	siglongjmp(fault_return, signal_number);
}

static int access_raises(volatile char *at, bool write)
{
	struct sigaction action = { .sa_handler = on_fault };
	struct sigaction segv, bus;
	/* What changes between the two jumps must not live in a register. */
	volatile int raised;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	raised = sigsetjmp(fault_return, 1);
	if (!raised && write)
		*at = 'w';
	else if (!raised)
		(void)*at;
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return raised;
}

int test_read_raises(const void *at)
{
	return access_raises((volatile char *)at, false);
}

int test_write_raises(void *at)
{
	return access_raises(at, true);
}
