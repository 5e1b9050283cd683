// SPDX-License-Identifier: MIT
/*
 * Dropping the oldest message that the peer has not received, to make room.
 *
 * Each side writes its own outbox only, so there is no word on which both could
 * agree with one atomic step. Instead each announces what it is about to do,
 * fences, and looks at what the other has announced:
 *
 *   sender:   first = p + 1; fence; is the peer taking p, or beyond it?
 *   receiver: taking = p + 1; fence; is first still not beyond p?
 *
 * Of a message of several pieces, p is the position of the first, and what is
 * dropped ends behind the last.
 *
 * At least one of them sees the other. A receiver that sees the sender skips the
 * message. A sender that does not see the receiver has dropped it. A sender that
 * does see the receiver cannot tell what the receiver has seen: the message is
 * contested until the receiver says, in consumed, that it is past it, and in
 * skipped, in which way. No other message is dropped before that, so one word is
 * enough. The peer passes from taking to consumed without waiting for anything;
 * should it be stopped just there, there is no room, as if nothing were dropped.
 *
 * Positions do not tell how many messages were dropped, and what they were may be
 * overwritten. So first is announced together with their number, this one being
 * included: if the peer skips it, it was dropped. As the two are not stored in one
 * step there are two places for the number, used by turns, and the lowest bit of
 * the word first says which: a number that is read is the right one if first is
 * the same afterwards.
 */
#include <errno.h>
#include <sched.h>

#include "channel.h"

/* Of an honest peer, hardly one try is in vain. */
#define READ_TRIES 1000

/* How often a peer that is taking a message is given the processor. */
#define CONTEST_YIELDS 100

static const struct slot *slot_of(const struct flowipc_channel *channel,
				  uint64_t position)
{
	return &channel->mine.slots[position & channel->mine.slot_mask];
}

static int position_dropped(struct flowipc_channel *channel, uint64_t position)
{
	const struct slot *slot = slot_of(channel, position);

	if (slot->kind == SLOT_INLINE)
		return 0;
	return flowipc__loan_drop(channel, slot->loan, position);
}

/* A message, of which that are all pieces. */
static int message_dropped(struct flowipc_channel *channel, uint64_t from,
			   uint64_t end)
{
	int err = 0;

	channel->sender.dropped++;
	while (!err && from != end)
		err = position_dropped(channel, from++);
	return err;
}

int flowipc__contest_settle(struct flowipc_channel *channel)
{
	struct sender *sender = &channel->sender;
	const struct outbox_cursor *cursor = sender->lane.theirs.cursor;
	uint64_t contested = sender->contested;

	sender->contested = 0;
	/* Ordered by the load of consumed, which is past the message. */
	if (atomic_load_explicit(&cursor->skipped, memory_order_relaxed) !=
	    contested)
		return 0;
	return message_dropped(channel, sender->oldest, contested);
}

static void drop_announce(struct flowipc_channel *channel, uint64_t first)
{
	struct outbox_span *span = channel->mine.span;
	uint64_t turn = ~atomic_load_explicit(&span->first,
					      memory_order_relaxed) & 1;

	/* Both pair with the loads in flowipc__drops_read(). */
	atomic_store_explicit(&span->dropped[turn],
			      channel->sender.dropped + 1,
			      memory_order_release);
	atomic_store_explicit(&span->first, first << 1 | turn,
			      memory_order_release);
}

int flowipc__drops_read(const struct outbox_span *span, uint64_t *first,
			uint64_t *dropped)
{
	uint64_t word = atomic_load_explicit(&span->first,
					     memory_order_acquire);
	int tries = READ_TRIES;
	uint64_t before;

	do {
		before = word;
		*dropped = atomic_load_explicit(&span->dropped[word & 1],
						memory_order_acquire);
		word = atomic_load_explicit(&span->first, memory_order_acquire);
	} while (word != before && --tries);
	*first = word >> 1;
	return tries ? 0 : -EPROTO;
}

int flowipc__oldest_drop(struct flowipc_channel *channel)
{
	struct sender *sender = &channel->sender;
	uint64_t oldest = sender->oldest;
	uint64_t first;
	int i, err;

	/* A peer whose outbox we do not know yet may be taking it. */
	if (sender->lane.opening)
		return 0;
	if (!sender->contested) {
		if (oldest == sender->position)
			return 0;
		first = oldest + 1 + slot_of(channel, oldest)->further;
		/* Who has overwritten it is not to hang. */
		if (first > sender->position)
			first = sender->position;
		drop_announce(channel, first);
		/* Pairs with the fence in message_claim(). */
		flowipc__fence_full();
		if (atomic_load_explicit(&sender->lane.theirs.cursor->taking,
					 memory_order_acquire) <= oldest) {
			sender->oldest = first;
			err = message_dropped(channel, oldest, first);
			return err ? err : 1;
		}
		sender->contested = first;
	}
	for (i = 0; i < CONTEST_YIELDS; i++) {
		err = flowipc__consumed_look(channel);
		if (err)
			return err;
		if (!sender->contested)
			return 1;
		sched_yield();
	}
	return 0;
}

bool flowipc__dropping_frees(const struct flowipc_channel *channel)
{
	const struct sender *sender = &channel->sender;
	uint64_t position;

	for (position = sender->oldest; position != sender->position;
	     position++) {
		if (slot_of(channel, position)->kind != SLOT_INLINE)
			return true;
	}
	return false;
}

uint64_t flowipc_channel_dropped(struct flowipc_channel *channel)
{
	uint64_t dropped;

	flowipc__sender_enter(channel);
	dropped = channel->sender.dropped;
	flowipc__sender_leave(channel);
	return dropped;
}

uint64_t flowipc_channel_missed(struct flowipc_channel *channel)
{
	uint64_t missed;

	flowipc__receiver_enter(channel);
	missed = channel->receiver.missed;
	flowipc__receiver_leave(channel);
	return missed;
}
