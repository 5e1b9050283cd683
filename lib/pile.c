// SPDX-License-Identifier: MIT
/*
 * The pile: what was taken from the ring before somebody has asked for it. That
 * happens to messages that come while their receiver waits for a reply, and to
 * replies that come while their caller waits for something else.
 *
 * A peer must not fill our memory with it, so it has a limit. What is beyond
 * stays in the ring, where its sender has to wait, until something is taken from
 * the pile. The only receiver there is can do so only if it is told, and where
 * there are many, all may be waiting for replies, at both ends: so nobody waits
 * for long for another to make room.
 */
#include <errno.h>

#include "channel.h"
#include "error.h"

/* A piece counts as one; a descriptor is worth more. */
#define PILE_MAX	 1024
#define PILE_PER_FD	 8
#define PILE_PATIENCE_NS 1000000000

static uint32_t room_of(const struct flowipc_message *message)
{
	return 1 + message->further + PILE_PER_FD * message->fd_count;
}

bool flowipc__pile_is_full(const struct flowipc_channel *channel)
{
	return channel->receiver.piled >= PILE_MAX;
}

void flowipc__pile_add(struct flowipc_channel *channel, struct queue *queue,
		       struct flowipc_message *message)
{
	message->next = NULL;
	if (queue->first)
		queue->last->next = message;
	else
		queue->first = message;
	queue->last = message;
	channel->receiver.piled += room_of(message);
}

void flowipc__pile_put_back(struct flowipc_channel *channel,
			    struct flowipc_message *message)
{
	struct queue *kept = &channel->receiver.kept;

	message->next = kept->first;
	if (!kept->first)
		kept->last = message;
	kept->first = message;
	channel->receiver.piled += room_of(message);
}

struct flowipc_message *flowipc__pile_take(struct flowipc_channel *channel,
					   struct queue *queue)
{
	struct flowipc_message *message = queue->first;

	if (!message)
		return NULL;
	if (flowipc__pile_is_full(channel))
		flowipc__crowd_call(channel->receiver.lane.crowd);
	queue->first = message->next;
	channel->receiver.piled -= room_of(message);
	return message;
}

void flowipc__pile_discard(struct flowipc_channel *channel, struct queue *queue)
{
	struct flowipc_message *message;

	while ((message = flowipc__pile_take(channel, queue)))
		flowipc__message_discard(message);
}

int flowipc__pile_wait(struct flowipc_channel *channel, int err,
		       struct patience *patience)
{
	struct crowd *crowd = channel->receiver.lane.crowd;
	uint64_t deadline = flowipc__patience_deadline(patience);
	uint64_t now = flowipc__now(), limit = now + PILE_PATIENCE_NS;

	if (err == -ENOBUFS) {
		if (crowd && deadline &&
		    flowipc__crowd_follow(crowd,
					  limit < deadline ? limit : deadline))
			return 0;
		return flowipc__fail(
			err,
			"too many messages or replies wait to be taken: receive them first");
	}
	if (!deadline)
		return flowipc__fail(-EINTR,
				     "replies to no call arrive without end");
	if (now >= deadline)
		return -ETIMEDOUT;
	flowipc__crowd_breathe(crowd);
	return 0;
}
