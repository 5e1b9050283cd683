/* SPDX-License-Identifier: MIT */
/*
 * DOC: waiting for the peer, and waking it
 *
 * Each direction of a channel end waits for one thing: the receiver for a
 * message, the sender for space. A lane is such a wait together with its
 * counterpart, the ringing for what the peer waits for:
 *
 *   receiver: sleeps on its own MESSAGE bell, rings the peer's SPACE bell
 *   sender:   sleeps on its own SPACE bell, rings the peer's MESSAGE bell
 *
 * To sleep: store the number of this sleep into the own bell, fence, look once
 * more, then wait for the doorbell. To wake: publish, fence, read the peer's
 * bell, and kick the doorbell if the number there is one that was not rung
 * for yet. So a sleeper costs its waker one system call, and a peer that is
 * awake none. See fence.h for who pays for the fences.
 */
#ifndef FLOWIPC_LIB_LANE_H
#define FLOWIPC_LIB_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <flowipc/channel.h>

#include "backend.h"
#include "clock.h"
#include "crowd.h"
#include "fence.h"
#include "outbox.h"

struct courier;
struct opening;
struct watch;

struct lane {
	const struct doorbell *doorbell;
	struct courier *courier;
	struct outbox theirs; /* this direction's view of it */
	struct watch *watch; /* NULL: the peer may take its time */
	struct opening *opening; /* NULL: the peer has answered, opening.h */
	struct crowd *crowd; /* NULL: there is one thread */
	enum flowipc_wait_mode mode;
	bool polled; /* -EAGAIN asks for the event that a poll waits for */
	bool remote_fence;

	unsigned int event; /* what we wait for */
	_Atomic uint64_t *bell;
	uint64_t sleeps;
	bool armed;
	uint64_t spin_ns;
	uint64_t waits;

	unsigned int peer_event; /* what the peer waits for */
	const _Atomic uint64_t *peer_bell;
	uint64_t rung;

	bool hung_up;
	uint64_t looked_ticks;

	/* For the probes. */
	uint64_t stream;
	const char *label;
};

/* 1 what is waited for is there; 0 not yet; negative errno. */
typedef int lane_ready_fn(void *context);

/*
 * Wait until @ready. 0; -EAGAIN, -ETIMEDOUT; -EINTR; -EPIPE the peer is gone
 * and @ready found nothing after that; what @ready fails with.
 */
int flowipc__lane_wait(struct lane *lane, lane_ready_fn *ready, void *context,
		       uint64_t deadline);

/*
 * Make a lane ready for use. The bell is set from the start, so that a
 * descriptor that is polled first reports a first message that comes later.
 */
void flowipc__lane_prepare(struct lane *lane);

/* From now on the peer is known by its outbox @theirs. */
void flowipc__lane_face(struct lane *lane, const struct outbox *theirs,
			bool remote_fence);

void flowipc__lane_disarm(struct lane *lane);
void flowipc__lane_kick(struct lane *lane);
/* What only the kernel knows: is the peer gone, has it withdrawn a region? */
bool flowipc__lane_look(struct lane *lane);

/* What is waited for was there without waiting; but another may be waiting. */
static inline void flowipc__lane_awake(struct lane *lane)
{
	if (lane->armed && !flowipc__crowd_is_led(lane->crowd))
		flowipc__lane_disarm(lane);
}

/* Something was published: wake the peer if it sleeps. */
static inline void flowipc__lane_ring(struct lane *lane)
{
	uint64_t sleep;

	flowipc__fence_sender(lane->remote_fence);
	sleep = atomic_load_explicit(lane->peer_bell, memory_order_relaxed);
	if (__builtin_expect(sleep != 0 && sleep != lane->rung, 0)) {
		lane->rung = sleep;
		flowipc__lane_kick(lane);
	}
}

/* Is the peer gone? Looks now and then only, so that asking costs nothing. */
static inline bool flowipc__lane_hung_up(struct lane *lane)
{
	if (__builtin_expect(
		    flowipc__ticks() - lane->looked_ticks < FLOWIPC__TICKS, 1))
		return lane->hung_up;
	return flowipc__lane_look(lane);
}

#endif
