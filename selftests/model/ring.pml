/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the ring of a channel and the sleep protocol, for Spin
 *
 * One direction of a channel: a sender, a receiver, and each can be killed at
 * any step. What is checked, over all interleavings:
 *
 *   - the receiver gets what was sent: whole, in order, once (assertions);
 *   - nobody sleeps while what it sleeps for is there, and nobody sleeps for
 *     ever (no state without a next step, except the end);
 *   - a message that was published before its sender closed or was killed is
 *     received;
 *   - a receiver whose sender has half-closed the channel learns of it, and has
 *     all then.
 *
 * There are more messages than slots, so the ring wraps around. The receiver
 * sleeps or polls, as it likes, and now and then a sleep ends for no reason of
 * the protocol's: a timeout, or a bell that rang for an earlier sleep.
 *
 * Names are those of lib/lane.c, lib/send.c and lib/receive.c.
 *
 *   -DREMOTE_FENCE       the sleeper's fence reaches into the other process
 *                        (membarrier) and the sender has none
 *   -DHALF_CLOSE         the sender may half-close, at any position
 *   -DBUG_...            one mistake: the check must find it
 *
 * selftests/model/run has the list and runs them all.
 */

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifdef HALF_CLOSE
#define MOST (MESSAGES - 1) /* the end is another word to be seen */
#else
#define MOST MESSAGES
#endif

/* Memory, by words. */

#define SLOT(position)	   ((position) % SLOTS)
#define CONTENT(position)  SLOT(position)
#define SEQUENCE(position) (SLOTS + SLOT(position))
#define CONSUMED	   (2 * SLOTS)
#define MESSAGE_BELL	   (2 * SLOTS + 1)
#define SPACE_BELL	   (2 * SLOTS + 2)
#define SPAN_END	   (2 * SLOTS + 3)
#define WORDS		   (2 * SLOTS + 4)

#include "memory.pml"

/* fence.h: between "publish" and "is the other side asleep?" */
inline fence_sender(who)
{
#if defined(REMOTE_FENCE) || defined(BUG_NO_SENDER_FENCE)
	skip
#else
	IS_FENCED(who)
#endif
}

inline fence_sleeper(who)
{
#ifdef BUG_NO_SLEEPER_FENCE
	skip
#else
	IS_FENCED(who);
#if defined(REMOTE_FENCE) && !defined(BUG_FENCE_NOT_REMOTE)
	IS_FENCED(1 - who);
#endif
#endif
}

/* Doorbells: what the kernel keeps. */

#define MESSAGE 0
#define SPACE	1

bit pending[2];

byte timeouts = TIMEOUTS;

/* For the assertions. */
byte published;
byte received;
bit ended; /* the receiver knows that it has all */

/* lane_ring(): something was published, wake the peer if it sleeps. */
inline lane_ring(who, peer_bell, peer_event)
{
	fence_sender(who);
	atomic {
		if
		:: memory[peer_bell] != 0 && memory[peer_bell] != rung ->
			rung = memory[peer_bell];
			kicks = true
		:: else
		fi
	}
	/* Between the look and the kick a lot can happen. */
	if
	:: kicks -> d_step { kicks = false; pending[peer_event] = 1 }
	:: else
	fi
}

inline lane_arm(who, bell_)
{
	d_step {
		buffers[who].count < DEPTH ->
		armed = true;
#ifdef BUG_SLEEPS_NOT_NUMBERED
		sleeps = 1;
#else
		sleeps++;
#endif
		store(who, bell_, sleeps, 0)
	}
	fence_sleeper(who)
}

inline lane_awake(who, bell_)
{
	if
	:: d_step {
		armed && buffers[who].count < DEPTH ->
		armed = false;
		store(who, bell_, 0, 0)
	}
	:: !armed
	fi
}

#define THERE	 1
#define END	 2
#define NOTHING	 3

/* The peer is gone: what it did before has been published, so look again. */
inline lane_end(ready)
{
#ifndef BUG_NO_LAST_LOOK
	if
	:: ready -> result = THERE
	:: else -> result = END
	fi
#else
	result = END
#endif
}

/* lane_sleep() */
inline lane_sleep(who, bell_, event, ready)
{
	do
	:: true ->
#ifndef BUG_ARMED_AFTER_LOOK
		if
		:: !armed -> lane_arm(who, bell_)
		:: else
		fi;
#endif
#ifndef BUG_NO_RECHECK
		if
		:: ready -> result = THERE; break
		:: else
		fi;
#endif
#ifdef BUG_ARMED_AFTER_LOOK
		if
		:: !armed -> lane_arm(who, bell_)
		:: else
		fi;
#endif
		if
		:: d_step { pending[event] -> pending[event] = 0 }
		:: gone[1 - who] -> lane_end(ready); break
		:: d_step { timeouts > 0 -> timeouts-- }
			if
			:: ready -> result = THERE
			:: else -> result = NOTHING
			fi;
			break
		fi;
#ifndef BUG_RUNG_FOR_ONCE
		/* It was rung for this sleep: the next is another one. */
		lane_awake(who, bell_)
#endif
	od;
	lane_awake(who, bell_)
}

/* lane_would_wait(): what a receiver calls before it polls its descriptor. */
inline lane_would_wait(who, bell_, event, ready)
{
	result = NOTHING;
#ifndef BUG_DRAINED_AFTER_LOOK
	do
	:: gone[1 - who] -> lane_end(ready); break
	:: d_step { pending[event] -> pending[event] = 0 }
		lane_awake(who, bell_)
	:: else -> break
	od;
#endif
	if
	:: result == NOTHING ->
		if
		:: !armed -> lane_arm(who, bell_)
		:: else
		fi;
		if
		:: ready -> result = THERE
		:: else
		fi
	:: else
	fi;
#ifdef BUG_DRAINED_AFTER_LOOK
	pending[event] = 0;
	if
	:: gone[1 - who] && result == NOTHING -> lane_end(ready)
	:: else
	fi;
#endif
	if
	:: result != NOTHING -> lane_awake(who, bell_)
	:: else
	fi
}

/* send.c */

#ifdef BUG_SLOT_TOO_MANY
#define SLOT_READY (position - memory[CONSUMED] <= SLOTS)
#else
#define SLOT_READY (position - memory[CONSUMED] < SLOTS)
#endif

#ifdef BUG_SEQUENCE_NOT_UNIQUE
#define SEQUENCE_OF(position) 1
#else
#define SEQUENCE_OF(position) (position + 1)
#endif

#ifdef BUG_PUBLISH_NOT_RELEASE
#define PUBLISH_RELEASE 0
#else
#define PUBLISH_RELEASE 1
#endif

inline slot_publish()
{
#ifdef BUG_RUNG_BEFORE_PUBLISHED
	lane_ring(SENDER, MESSAGE_BELL, MESSAGE);
#endif
	store(SENDER, CONTENT(position), position + 1, 0);
	d_step {
		buffers[SENDER].count < DEPTH ->
		store(SENDER, SEQUENCE(position), SEQUENCE_OF(position),
		      PUBLISH_RELEASE);
		published++;
		position++
	}
#ifndef BUG_RUNG_BEFORE_PUBLISHED
	lane_ring(SENDER, MESSAGE_BELL, MESSAGE)
#endif
}

/* flowipc_channel_shutdown(): and there is no other reason to wake up */
inline channel_shutdown()
{
	store(SENDER, SPAN_END, position + 1, 1);
#ifndef BUG_END_NOT_RUNG
	lane_ring(SENDER, MESSAGE_BELL, MESSAGE);
#endif
	ended || gone[RECEIVER]
}

active proctype sender()
{
	byte position, rung, sleeps, result;
	bit armed, kicks;

	{
		do
		:: position == MOST -> break
#ifdef HALF_CLOSE
		:: channel_shutdown(); break
#endif
		:: position < MOST ->
			if
			:: SLOT_READY -> slot_publish()
			:: else ->
				lane_sleep(SENDER, SPACE_BELL, SPACE,
					   SLOT_READY);
				if
				:: result == END -> break
				:: result == THERE -> slot_publish()
				:: result == NOTHING
				fi
			fi
		od;
		/* Close at once, or see everything arrive. */
		if
		:: true
		:: true -> received == MOST || gone[RECEIVER]
		fi
	} unless { killed == SENDER };
	IS_FENCED(SENDER);
	gone[SENDER] = 1
}

/* receive.c */

#define SLOT_ARRIVED (memory[SEQUENCE(position)] == SEQUENCE_OF(position))

/* stream_ended() */
#ifndef HALF_CLOSE
#define STREAM_ENDED false
#elif defined(BUG_END_NOT_COUNTED)
#define STREAM_ENDED (memory[SPAN_END] != 0)
#else
#define STREAM_ENDED \
	(memory[SPAN_END] != 0 && memory[SPAN_END] - 1 <= position)
#endif

#define MESSAGE_ARRIVED (SLOT_ARRIVED || STREAM_ENDED)

inline slot_take()
{
#ifdef BUG_CONSUMED_BEFORE_READ
	position++;
	store(RECEIVER, CONSUMED, position, 1);
	assert(memory[CONTENT(position - 1)] == position);
	received++;
#else
#ifdef BUG_READ_NOT_ACQUIRE
	assert(got == position + 1);
#else
	assert(memory[CONTENT(position)] == position + 1);
#endif
	d_step {
		buffers[RECEIVER].count < DEPTH ->
		position++;
		received++;
		store(RECEIVER, CONSUMED, position, 1)
	}
#endif
	lane_ring(RECEIVER, SPACE_BELL, SPACE)
}

active proctype receiver()
{
	byte position, rung, sleeps, result;
	bit armed, kicks;
#ifdef BUG_READ_NOT_ACQUIRE
	byte got;
#endif

	{
		/* lane_prepare(): the sender may have begun before. */
#ifdef BUG_PREPARED_WITHOUT_FENCE
		armed = true;
#endif
		sleeps = 1;
		store(RECEIVER, MESSAGE_BELL, sleeps, 0);
		do
		:: true ->
#ifdef BUG_READ_NOT_ACQUIRE
			got = memory[CONTENT(position)];
#endif
			if
			:: SLOT_ARRIVED ->
				lane_awake(RECEIVER, MESSAGE_BELL);
				result = THERE
			/* It is a second look: there may be a message by now. */
			:: else ->
				if
				:: STREAM_ENDED -> ended = 1; break
				:: else
				fi;
				if
				:: lane_sleep(RECEIVER, MESSAGE_BELL, MESSAGE,
					      MESSAGE_ARRIVED)
				:: lane_would_wait(RECEIVER, MESSAGE_BELL,
						   MESSAGE, MESSAGE_ARRIVED);
					if
					:: result == NOTHING ->
						/* poll() */
						pending[MESSAGE] || gone[SENDER]
					:: else
					fi
				fi
			fi;
			if
			:: result == THERE && SLOT_ARRIVED -> slot_take()
			:: result == THERE && !SLOT_ARRIVED
			:: result == END -> break
			:: result == NOTHING
			fi
		od;
		/* All that was published, be the sender quiet, closed or killed. */
		assert(received == published)
	} unless { killed == RECEIVER };
	IS_FENCED(RECEIVER);
	gone[RECEIVER] = 1
}
