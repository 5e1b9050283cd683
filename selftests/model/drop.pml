/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: dropping the oldest message of a channel, and pieces, for Spin
 *
 * A sender that has no room and drops what is oldest, or waits, and a receiver
 * that takes messages in batches. Some messages have two pieces, each in a slot of
 * its own. Names are those of lib/drop.c, lib/send.c and lib/receive.c. What is
 * checked, over all interleavings, with the death of either at any step:
 *
 *   - what the receiver takes is whole, all pieces of it, and stays so until it
 *     has consumed it;
 *   - each piece is taken or dropped, and never both: what the sender counts as
 *     dropped, it writes over;
 *   - the receiver has missed as many as the sender has dropped;
 *   - nobody waits for ever.
 *
 *   -DBUG_...    one mistake: the check must find it
 */

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif
#define PIECES (MESSAGES + 1) /* of all of them together, at most */

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

/* What is in a slot: its position, and what it is of a message. */
#define FIRST_PIECE(position, further) ((position) + 1 + ((further) << 4))
#define LAST_PIECE(position)	       ((position) + 1 + 32)
#define POSITION(content)	       (((content) & 15) - 1)
#define FURTHER(content)	       (((content) >> 4) & 1)
#define IS_FIRST(content)	       ((content) < 32)

/* For the assertions. Positions are of pieces, as in the library. */
byte published;
byte passed; /* the receiver is at this position, and has consumed so far */
byte missed;
bit taken[PIECES];
bit dropped[PIECES];
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

inline positions_dropped(end_)
{
	d_step {
		do
		:: oldest < end_ ->
			oldest++;
			position_dropped(oldest - 1)
		:: else -> break
		od
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
			positions_dropped(contested)
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

#ifdef BUG_ONE_PIECE_DROPPED
#define OLDEST_FURTHER 0
#else
#define OLDEST_FURTHER furthers[SLOT(oldest)]
#endif

inline oldest_drop()
{
	if
	:: contested == 0 ->
		first = oldest + 1 + OLDEST_FURTHER;
		store(SENDER, FIRST, first, 1);
		SENDER_FENCE;
		if
#ifdef BUG_NO_SENDER_LOOK
		:: true ->
#else
		:: memory[TAKING] <= oldest ->
#endif
			positions_dropped(first)
#ifndef BUG_NO_SENDER_LOOK
		:: else -> contested = first
#endif
		fi;
		first = 0
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

/* send.c */

#ifdef BUG_ROOM_FOR_ONE_PIECE
#define ROOM (position - oldest < SLOTS)
#else
#define ROOM (position + further - oldest < SLOTS)
#endif

/* slots_wait(), of a sender that does not drop */
inline slots_wait()
{
	memory[CONSUMED] > oldest || gone[RECEIVER];
	consumed_look()
}

inline piece_publish(position_)
{
	store(SENDER, CONTENT(position_), LAST_PIECE(position_), 0);
	store(SENDER, SEQUENCE(position_), position_ + 1, 1)
}

/* message_publish(): the first piece last, it is what the peer looks for */
inline message_publish()
{
	furthers[SLOT(position)] = further;
#ifndef BUG_FIRST_PIECE_FIRST
	if
	:: further -> piece_publish(position + 1)
	:: else
	fi;
#endif
	store(SENDER, CONTENT(position), FIRST_PIECE(position, further), 0);
	d_step {
		buffers[SENDER].count < DEPTH ->
		store(SENDER, SEQUENCE(position), position + 1, 1);
		published = position + 1 + further
	}
#ifdef BUG_FIRST_PIECE_FIRST
	if
	:: further -> piece_publish(position + 1)
	:: else
	fi;
#endif
	position = position + 1 + further
}

active proctype sender()
{
	byte position, oldest, contested, seen, first;
	bit further, chosen;
	bit furthers[SLOTS];

	{
		do
		:: position == PIECES || gone[RECEIVER] -> break
		:: else ->
			if
			:: !chosen -> further = 0
			:: !chosen && position + 2 <= PIECES -> further = 1
			:: chosen
			fi;
			chosen = 1;
			consumed_look();
			if
			:: !ROOM -> oldest_drop()
			:: !ROOM && contested == 0 -> slots_wait()
			/* There is a slot, but no memory. */
			:: ROOM && position > oldest -> oldest_drop()
			:: ROOM -> message_publish(); chosen = 0
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

inline piece_take(position_)
{
	d_step {
		assert(!dropped[position_]);
		taken[position_] = 1
	}
	/* It is being copied out of the slot. */
	assert(POSITION(memory[CONTENT(position_)]) == position_)
}

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
		assert(IS_FIRST(memory[CONTENT(position)]));
		further = FURTHER(memory[CONTENT(position)]);
		/* pieces_get(): else it is a message without all its pieces */
		assert(!further || memory[SEQUENCE(position + 1)] ==
				   position + 2);
		piece_take(position);
		position = position + 1 + further;
#ifdef BUG_PIECE_CONSUMED_BEFORE_READ
		slots_consumed();
#endif
		if
		:: further -> piece_take(position - 1)
		:: else
		fi;
		further = 0;
		batch++
	:: else
	fi;
	count = 0
}

active proctype receiver()
{
	byte position, count, batch;
	bit further;

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
