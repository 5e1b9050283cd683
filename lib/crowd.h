/* SPDX-License-Identifier: MIT */
/*
 * Many threads in one direction of a channel: the books of the direction are
 * under a lock, and one thread waits for the peer on behalf of all. The others
 * wait for their turn, each until its own deadline, and look whenever the one
 * has armed the bell or was woken. Whoever sleeps or spins has let the lock go.
 */
#ifndef FLOWIPC_LIB_CROWD_H
#define FLOWIPC_LIB_CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t look; /* what is waited for may be there */
	_Atomic unsigned int entering;
	unsigned int followers;
	bool led; /* one of them waits for the peer */
};

/* NULL: out of memory. */
struct crowd *flowipc__crowd_create(void);
void flowipc__crowd_free(struct crowd *crowd);

/* All of these do nothing without a crowd: there is one thread only. */
static inline void flowipc__crowd_enter(struct crowd *crowd)
{
	if (__builtin_expect(!crowd, 1))
		return;
	atomic_fetch_add_explicit(&crowd->entering, 1, memory_order_relaxed);
	pthread_mutex_lock(&crowd->lock);
	atomic_fetch_sub_explicit(&crowd->entering, 1, memory_order_relaxed);
}

static inline void flowipc__crowd_leave(struct crowd *crowd)
{
	if (__builtin_expect(crowd != NULL, 0))
		pthread_mutex_unlock(&crowd->lock);
}

static inline bool flowipc__crowd_is_led(const struct crowd *crowd)
{
	return crowd && crowd->led;
}

/* Let in whoever waits to enter. */
void flowipc__crowd_breathe(struct crowd *crowd);
/* The followers are to look. */
void flowipc__crowd_call(struct crowd *crowd);
/* Wait to be called. False when @deadline has passed. */
bool flowipc__crowd_follow(struct crowd *crowd, uint64_t deadline);

#endif
