/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: dropping the oldest message of a channel, for Spin
 *
 * A sender that never waits for room, but drops what is oldest, and a receiver
 * that takes messages in batches; lib/drop.c, and lib/receive.c, whose names
 * these are. What is checked, over all interleavings, with the death of either
 * at any step:
 *
 *   - what the receiver takes is whole, and stays so until it has consumed it;
 *   - each message is taken or dropped, and never both: what the sender counts
 *     as dropped, it writes over;
 *   - the receiver has missed as many as the sender has dropped;
 *   - nobody waits for ever.
 *
 *   -DBUG_...    one mistake: the check must find it
 */

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif

/* Memory, by words. */

#define SLOT(position)	   ((position) % SLOTS)
#define CONTENT(position)  SLOT(position)
#define SEQUENCE(position) (SLOTS + SLOT(position))
#define CONSUMED	   (2 * SLOTS)
#define TAKING		   (2 * SLOTS + 1)
#define SKIPPED		   (2 * SLOTS + 2)
#define FIRST		   (2 * SLOTS + 3)
#define WORDS		   (2 * SLOTS + 4)

#include "memory.pml"

#define BATCH 2

/* For the assertions. */
byte published;
byte passed; /* the receiver is at this position, and has consumed so far */
byte missed;
bit taken[MESSAGES];
bit dropped[MESSAGES];
byte dropped_count;

/* drop.c */

inline position_dropped(position_)
{
	d_step {
		assert(!taken[position_]);
		assert(!dropped[position_]);
		dropped[position_] = 1;
		dropped_count++
	}
}

/* flowipc__consumed_look() and flowipc__contest_settle() */
inline consumed_look()
{
	seen = memory[CONSUMED];
	if
	:: contested != 0 && seen >= contested ->
		if
#ifdef BUG_CONTEST_FORGOTTEN
		:: false
#else
		:: memory[SKIPPED] == contested ->
			position_dropped(contested - 1)
#endif
		:: else
		fi;
		contested = 0
	:: else
	fi;
	if
	:: seen > oldest -> oldest = seen
	:: else
	fi;
	seen = 0
}

#ifdef BUG_NO_SENDER_FENCE
#define SENDER_FENCE true
#else
#define SENDER_FENCE IS_FENCED(SENDER)
#endif

inline oldest_drop()
{
	if
	:: contested == 0 ->
		store(SENDER, FIRST, oldest + 1, 1);
		SENDER_FENCE;
		if
#ifdef BUG_NO_SENDER_LOOK
		:: true ->
#else
		:: memory[TAKING] <= oldest ->
#endif
			oldest++;
			position_dropped(oldest - 1)
#ifndef BUG_NO_SENDER_LOOK
		:: else -> contested = oldest + 1
#endif
		fi
	:: else
	fi;
	if
	:: contested != 0 ->
		/* How it waits is ring.pml's business. */
		memory[CONSUMED] >= contested || gone[RECEIVER];
		consumed_look()
	:: else
	fi
}

active proctype sender()
{
	byte position, oldest, contested, seen;

	{
		do
		:: position == MESSAGES || gone[RECEIVER] -> break
		:: else ->
			consumed_look();
			if
			:: position - oldest >= SLOTS -> oldest_drop()
			/* There is a slot, but no memory. */
			:: position - oldest < SLOTS && position > oldest ->
				oldest_drop()
			:: position - oldest < SLOTS ->
				store(SENDER, CONTENT(position), position + 1,
				      0);
				d_step {
					buffers[SENDER].count < DEPTH ->
					store(SENDER, SEQUENCE(position),
					      position + 1, 1);
					position++;
					published++
				}
			fi
		od;
		passed == published || gone[RECEIVER];
		IS_FENCED(RECEIVER);
		consumed_look();
		assert(gone[RECEIVER] || killed == RECEIVER ||
		       missed == dropped_count)
	} unless { killed == SENDER };
	IS_FENCED(SENDER);
	gone[SENDER] = 1
}

/* receive.c */

inline slots_consumed()
{
	d_step {
		buffers[RECEIVER].count < DEPTH ->
		store(RECEIVER, CONSUMED, position, 1);
		passed = position
	}
}

/* messages_skip(); count: of messages that were passed by it */
inline messages_skip()
{
	count = 0;
	if
	:: memory[FIRST] > position -> count = memory[FIRST] - position
	:: else
	fi;
	if
	:: count > 0 ->
		missed = missed + count;
		position = position + count;
#ifdef BUG_CONSUMED_BEFORE_SKIPPED
		slots_consumed();
		store(RECEIVER, SKIPPED, position, 0)
#else
		store(RECEIVER, SKIPPED, position, 0);
		slots_consumed()
#endif
	:: else
	fi
}

#define SLOT_ARRIVED (memory[SEQUENCE(position)] == position + 1)

#ifdef BUG_NO_RECEIVER_FENCE
#define RECEIVER_FENCE true
#else
#define RECEIVER_FENCE IS_FENCED(RECEIVER)
#endif

/* message_claim() and message_take() */
inline message_take()
{
#ifndef BUG_NOT_ANNOUNCED
	store(RECEIVER, TAKING, position + 1, 1);
#endif
	RECEIVER_FENCE;
#ifdef BUG_NO_RECEIVER_LOOK
	count = 0;
#else
	messages_skip();
#endif
	if
	:: count == 0 ->
		assert(memory[CONTENT(position)] == position + 1);
		d_step {
			assert(!dropped[position]);
			taken[position] = 1
		}
		/* It is being copied out of the slot. */
		assert(memory[CONTENT(position)] == position + 1);
		position++;
		batch++
	:: else
	fi;
	count = 0
}

active proctype receiver()
{
	byte position, count, batch;

	{
		do
		:: SLOT_ARRIVED || memory[FIRST] > position ->
			messages_skip();
			batch = 0;
			do
			:: SLOT_ARRIVED && batch < BATCH -> message_take()
			:: else -> break
			od;
			if
			:: batch > 0 -> slots_consumed()
			:: else
			fi;
			batch = 0;
			count = 0
		:: gone[SENDER] && !SLOT_ARRIVED &&
		   memory[FIRST] <= position -> break
		od;
		assert(passed == published)
	} unless { killed == RECEIVER };
	IS_FENCED(RECEIVER);
	gone[RECEIVER] = 1
}
