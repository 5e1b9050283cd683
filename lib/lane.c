// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sched.h>

#include "courier.h"
#include "lane.h"
#include "opening.h"
#include "probes.h"
#include "watch.h"

/* Longest and shortest spin before sleeping, when adaptive. */
#define SPIN_MAX_NS 50000
#define SPIN_MIN_NS 3000

/*
 * While spinning, let others have the processor this often: the peer may be
 * waiting for this very one.
 */
#define YIELD_NS 2000

/* After this many waits, whatever the ones before were like, spin for long. */
#define SPIN_RETRY 16

/* While spinning, look this often for what only the kernel knows. */
#define LOOK_NS 1000000

/* Pending events that are taken at a time; a peer of ours leaves one or two. */
#define DRAIN_MAX 16

/* Looks at memory between two looks at the clock. */
#define SPIN_BATCH 64

static inline void processor_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#endif
}

static void lane_arm(struct lane *lane)
{
	lane->armed = true;
	atomic_store_explicit(lane->bell, ++lane->sleeps, memory_order_relaxed);
	/* Pairs with flowipc__fence_sender() in flowipc__lane_ring(). */
	flowipc__fence_sleeper(lane->remote_fence);
}

void flowipc__lane_prepare(struct lane *lane)
{
	lane->spin_ns = SPIN_MAX_NS;
	if (!lane->polled)
		return;
	/*
	 * Not armed: there is no fence here, and the peer of an opener may have
	 * published before. So whoever waits arms the bell anew and looks.
	 */
	atomic_store_explicit(lane->bell, ++lane->sleeps, memory_order_relaxed);
}

void flowipc__lane_disarm(struct lane *lane)
{
	lane->armed = false;
	atomic_store_explicit(lane->bell, 0, memory_order_relaxed);
}

void flowipc__lane_face(struct lane *lane, const struct outbox *theirs,
			bool remote_fence)
{
	lane->theirs = *theirs;
	lane->remote_fence = remote_fence;
	lane->peer_bell = lane->event == FLOWIPC__MESSAGE ?
				  &theirs->bells->space :
				  &theirs->bells->message;
	lane->rung = 0;
}

/* Has the peer answered meanwhile? An error if it will not. */
static int lane_answer(struct lane *lane)
{
	return lane->opening ? flowipc__opening_look(lane->opening, lane) : 0;
}

/* Is the peer stuck? Until *@until it is not. */
static int lane_watch(struct lane *lane, uint64_t *until)
{
	*until = FLOWIPC__NEVER;
	return lane->watch ? flowipc__watch_look(lane->watch, lane, until) : 0;
}

void flowipc__lane_kick(struct lane *lane)
{
	/* Bells that are not known ring each time. */
	if (lane->opening) {
		lane->rung = 0;
		lane_answer(lane);
	}
	if (lane->doorbell->backend->doorbell_kick(lane->doorbell,
						   lane->peer_event))
		lane->hung_up = true;
}

bool flowipc__lane_look(struct lane *lane)
{
	uint64_t until;

	lane->looked_ticks = flowipc__ticks();
	lane_answer(lane);
	lane_watch(lane, &until);
	flowipc__courier_collect(lane->courier);
	if (!lane->hung_up)
		lane->hung_up = flowipc__doorbell_is_hung_up(lane->doorbell);
	return lane->hung_up;
}

/* The peer is gone: what it did before has been published, so look again. */
static int lane_end(struct lane *lane, lane_ready_fn *ready, void *context)
{
	int err = lane_answer(lane);

	lane->hung_up = true;
	if (!err)
		err = ready(context);
	if (!err)
		return -EPIPE;
	return err < 0 ? err : 0;
}

/*
 * Spin for @limit_ns. 0 ready; -ETIMEDOUT @limit_ns or @deadline has passed;
 * other errors as lane_wait().
 */
static int lane_spin(struct lane *lane, lane_ready_fn *ready, void *context,
		     uint64_t limit_ns, uint64_t deadline)
{
	uint64_t start = flowipc__now();
	uint64_t looked = start;
	uint64_t yielded = start;
	uint64_t now;
	int i, err;

	for (;;) {
		for (i = 0; i < SPIN_BATCH; i++) {
			err = ready(context);
			if (err)
				return err < 0 ? err : 0;
			processor_relax();
		}
		flowipc__crowd_breathe(lane->crowd);
		now = flowipc__now();
		if (now >= deadline || now - start >= limit_ns)
			return -ETIMEDOUT;
		if (now - looked >= LOOK_NS) {
			looked = now;
			if (flowipc__lane_look(lane))
				return lane_end(lane, ready, context);
		}
		if (now - yielded >= YIELD_NS) {
			sched_yield();
			yielded = flowipc__now();
		}
	}
}

static int lane_doorbell_wait(struct lane *lane, uint64_t deadline)
{
	const struct doorbell *doorbell = lane->doorbell;
	uint64_t began = 0;
	int got;

	if (FLOWIPC__TRACED(sleep))
		FLOWIPC__PROBE(sleep, lane->stream, lane->label, lane->event);
	if (FLOWIPC__TRACED(wake))
		began = flowipc__now();
	flowipc__crowd_leave(lane->crowd);
	got = doorbell->backend->doorbell_wait(doorbell, lane->event, deadline);
	flowipc__crowd_enter(lane->crowd);
	if (began)
		FLOWIPC__PROBE(wake, lane->stream, lane->label, lane->event,
			       flowipc__now() - began);
	return got;
}

static int lane_sleep(struct lane *lane, lane_ready_fn *ready, void *context,
		      uint64_t deadline)
{
	uint64_t until;
	int got, err;

	for (;;) {
		if (!lane->armed)
			lane_arm(lane);
		/* What came before the bell was set, they learn only so. */
		flowipc__crowd_call(lane->crowd);
		flowipc__courier_collect(lane->courier);
		err = lane_answer(lane);
		if (!err)
			err = ready(context);
		if (!err)
			err = lane_watch(lane, &until);
		if (err)
			return err < 0 ? err : 0;
		got = lane_doorbell_wait(lane,
					 until < deadline ? until : deadline);
		if (got == -ETIMEDOUT && until < deadline)
			continue;
		if (got > 0 && got & FLOWIPC__HUP)
			return lane_end(lane, ready, context);
		/* A peer that rings without end does not put the end off. */
		if (got > 0 && flowipc__now() >= deadline)
			got = -ETIMEDOUT;
		if (got < 0) {
			err = ready(context);
			if (!err)
				return got;
			return err < 0 ? err : 0;
		}
		/*
		 * The peer has rung for this sleep and will not again. Should
		 * what it brought not be enough, the next sleep is another one.
		 */
		flowipc__lane_disarm(lane);
	}
}

/*
 * Nothing is there and the caller does not want to wait. One that polls a
 * descriptor is to be told of what comes next, so nothing may be pending that
 * was seen already, and the bell must be armed.
 */
static int lane_would_wait(struct lane *lane, lane_ready_fn *ready,
			   void *context)
{
	const struct doorbell *doorbell = lane->doorbell;
	int budget = DRAIN_MAX;
	int got, err;

	if (!lane->polled) {
		if (flowipc__lane_hung_up(lane))
			return lane_end(lane, ready, context);
		return -EAGAIN;
	}
	/* Behind what is pending there may be the end. */
	do {
		got = doorbell->backend->doorbell_wait(doorbell, lane->event,
						       0);
		if (got > 0 && got & FLOWIPC__HUP)
			return lane_end(lane, ready, context);
		if (got > 0)
			flowipc__lane_awake(lane);
	} while (got > 0 && --budget);
	if (!lane->armed)
		lane_arm(lane);
	flowipc__courier_collect(lane->courier);
	err = ready(context);
	if (!err)
		return -EAGAIN;
	return err < 0 ? err : 0;
}

/*
 * Spin for longer as long as it pays off, and for less and less where it does
 * not. Because a peer that was slow can become fast, or get a processor of its
 * own, a long spin is tried anew now and then.
 */
static uint64_t lane_spin_ns(struct lane *lane)
{
	return ++lane->waits % SPIN_RETRY ? lane->spin_ns : SPIN_MAX_NS;
}

static void lane_adapt(struct lane *lane, uint64_t spun_ns, bool paid_off)
{
	if (paid_off)
		lane->spin_ns =
			spun_ns < SPIN_MAX_NS / 2 ? 2 * spun_ns : SPIN_MAX_NS;
	else if (lane->spin_ns > SPIN_MIN_NS)
		lane->spin_ns /= 2;
}

/* Wait for the peer, alone. */
static int lane_wait(struct lane *lane, lane_ready_fn *ready, void *context,
		     uint64_t deadline)
{
	uint64_t spin_ns, until;
	int err;

	err = lane_answer(lane);
	if (!err)
		err = lane_watch(lane, &until);
	if (err)
		return err;
	if (!deadline) {
		err = lane_would_wait(lane, ready, context);
	} else if (lane->mode == FLOWIPC_WAIT_SPIN) {
		err = lane_spin(lane, ready, context, UINT64_MAX, deadline);
	} else if (lane->mode == FLOWIPC_WAIT_SLEEP) {
		err = lane_sleep(lane, ready, context, deadline);
	} else {
		spin_ns = lane_spin_ns(lane);
		err = lane_spin(lane, ready, context, spin_ns, deadline);
		lane_adapt(lane, spin_ns, !err);
		if (err == -ETIMEDOUT)
			err = lane_sleep(lane, ready, context, deadline);
	}
	return err;
}

/*
 * Wait in a crowd: for the peer, or until somebody else does so no more. A lane
 * that spins has no use for a leader, and one that does not wait disturbs none.
 */
static int lane_wait_in_turn(struct lane *lane, lane_ready_fn *ready,
			     void *context, uint64_t deadline)
{
	struct crowd *crowd = lane->crowd;
	bool in_time = deadline;
	int err;

	while (crowd->led) {
		err = ready(context);
		if (err)
			return err < 0 ? err : 0;
		if (!in_time)
			return deadline ? -ETIMEDOUT : -EAGAIN;
		in_time = flowipc__crowd_follow(crowd, deadline);
	}
	crowd->led = deadline && lane->mode != FLOWIPC_WAIT_SPIN;
	err = lane_wait(lane, ready, context, deadline);
	if (deadline && lane->mode != FLOWIPC_WAIT_SPIN)
		crowd->led = false;
	flowipc__crowd_call(crowd);
	return err;
}

int flowipc__lane_wait(struct lane *lane, lane_ready_fn *ready, void *context,
		       uint64_t deadline)
{
	int err = lane->crowd ?
			  lane_wait_in_turn(lane, ready, context, deadline) :
			  lane_wait(lane, ready, context, deadline);

	if (err != -EAGAIN)
		flowipc__lane_awake(lane);
	return err;
}
