// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "clock.h"
#include "crowd.h"
#include "error.h"

/* How often others are given the processor before the lock is taken again. */
#define BREATHE_YIELDS 64

struct crowd *flowipc__crowd_create(void)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	pthread_condattr_t attr;

	if (!crowd) {
		flowipc__fail(-ENOMEM, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&crowd->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&crowd->look, &attr);
	pthread_condattr_destroy(&attr);
	return crowd;
}

void flowipc__crowd_free(struct crowd *crowd)
{
	if (!crowd)
		return;
	pthread_cond_destroy(&crowd->look);
	pthread_mutex_destroy(&crowd->lock);
	free(crowd);
}

void flowipc__crowd_breathe(struct crowd *crowd)
{
	int yields = BREATHE_YIELDS;

	if (!crowd ||
	    !atomic_load_explicit(&crowd->entering, memory_order_relaxed))
		return;
	pthread_mutex_unlock(&crowd->lock);
	/* Who takes the lock at once again keeps a sleeper out for ever. */
	do {
		sched_yield();
	} while (atomic_load_explicit(&crowd->entering, memory_order_relaxed) &&
		 --yields);
	flowipc__crowd_enter(crowd);
}

void flowipc__crowd_call(struct crowd *crowd)
{
	if (crowd && crowd->followers)
		pthread_cond_broadcast(&crowd->look);
}

bool flowipc__crowd_follow(struct crowd *crowd, uint64_t deadline)
{
	struct timespec limit = {
		.tv_sec = (time_t)(deadline / 1000000000),
		.tv_nsec = (long)(deadline % 1000000000),
	};
	int err;

	crowd->followers++;
	err = deadline == FLOWIPC__NEVER ?
		      pthread_cond_wait(&crowd->look, &crowd->lock) :
		      pthread_cond_timedwait(&crowd->look, &crowd->lock,
					     &limit);
	crowd->followers--;
	return err != ETIMEDOUT;
}
