/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: what the tests of channels have in common
 *
 * A channel with its two ends, and sleepers at them.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <pthread.h>

#include "harness.h"
#include "objects.h"

FIXTURE(channel) {
	int device;
	int here;
	int there;
};

FIXTURE_SETUP(channel)
{
	int ends[2];

	self->device = device_open();
	ASSERT_LE(0, self->device);
	ASSERT_EQ(0, channel_create(self->device, ends));
	self->here = ends[0];
	self->there = ends[1];
}

FIXTURE_TEARDOWN(channel)
{
}

/* One thread in WAIT, and what it got. */
struct waiter {
	int end;
	uint32_t events;
	volatile pid_t tid;
	volatile int result;
	volatile int done;
	pthread_t thread;
};

static inline void *waiter_run(void *arg)
{
	struct waiter *waiter = arg;

	waiter->tid = syscall(SYS_gettid);
	/* With a deadline, a wake-up that never came would look like a late one. */
	waiter->result = channel_wait(waiter->end, waiter->events, FOREVER);
	if (waiter->result == -1)
		waiter->result = -errno;
	waiter->done = 1;

	return NULL;
}

/* Returns when it is asleep. */
static inline void waiter_start(struct waiter *waiter, int end, uint32_t events)
{
	memset(waiter, 0, sizeof(*waiter));
	waiter->end = end;
	waiter->events = events;
	ASSERT_EQ(0, pthread_create(&waiter->thread, NULL, waiter_run, waiter));
	ASSERT_TRUE(EVENTUALLY(waiter->tid && sleeps_in_ioctl(getpid(), waiter->tid)));
}

static inline int waiter_result(struct waiter *waiter)
{
	pthread_join(waiter->thread, NULL);

	return waiter->result;
}

static inline void ignore_signal(int signal)
{
	(void)signal;
}

/* The child does it; it returns in both, without an *@child in the child. */
static inline void signal_when_asleep(int flags, pid_t *child)
{
	struct sigaction action = {
		.sa_handler = ignore_signal, .sa_flags = flags,
	};

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	*child = fork();
	ASSERT_LE(0, *child);
	if (!*child) {
		ASSERT_TRUE(EVENTUALLY(sleeps_in_ioctl(getppid(), getppid())));
		ASSERT_EQ(0, kill(getppid(), SIGUSR1));
	}
}

#endif /* CHANNEL_H */
