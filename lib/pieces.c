// SPDX-License-Identifier: MIT
/*
 * Messages of several pieces. Each piece is a message like any other, with a
 * slot and a loan of its own; the slot of the first one says how many follow it
 * and is published last, so they arrive together or not at all.
 */
#include <errno.h>
#include <string.h>

#include "channel.h"
#include "error.h"

static int pieces_check(const struct flowipc_message *message,
			const struct flowipc_message *added)
{
	const struct flowipc_channel *channel = message->channel;
	uint64_t most = channel->mine.slot_mask + 1;
	uint64_t total;

	if (most > FLOWIPC_MESSAGE_PIECES)
		most = FLOWIPC_MESSAGE_PIECES;
	if (message->received || added->received)
		return flowipc__fail(-EINVAL,
				     "a received message cannot be sent on");
	if (added->channel != channel || added == message)
		return flowipc__fail(
			-EINVAL,
			"what is appended must be another message of the same channel");
	if (2 + message->further + added->further > most)
		return flowipc__fail(
			-E2BIG,
			"a message has at most %llu pieces in this channel",
			(unsigned long long)most);
	if (message->fd_count + added->fd_count > FLOWIPC_MESSAGE_FDS)
		return flowipc__fail(-E2BIG,
				     "a message has at most %d descriptors",
				     FLOWIPC_MESSAGE_FDS);
	if (__builtin_add_overflow(flowipc_message_total(message),
				   flowipc_message_total(added), &total) ||
	    total > channel->sender.max_message_bytes)
		return flowipc__fail(
			-EMSGSIZE,
			"with another piece the message is larger than the %llu bytes allowed (max_message_bytes)",
			(unsigned long long)channel->sender.max_message_bytes);
	return 0;
}

int flowipc_message_append(struct flowipc_message *message,
			   struct flowipc_message *added)
{
	struct flowipc_message *last = message;
	int err = pieces_check(message, added);

	if (err)
		return err;
	while (last->rest)
		last = last->rest;
	last->rest = added;
	message->further += 1 + added->further;
	memcpy(message->fds + message->fd_count, added->fds,
	       added->fd_count * sizeof(*added->fds));
	message->fd_count += added->fd_count;
	added->further = 0;
	added->fd_count = 0;
	flowipc__sender_enter(message->channel);
	message->channel->sender.held--;
	flowipc__sender_leave(message->channel);
	return 0;
}

unsigned int
flowipc_message_piece_count(const struct flowipc_message *message)
{
	return 1 + message->further;
}

int flowipc_message_piece(const struct flowipc_message *message,
			  unsigned int index, const void **data, uint64_t *size)
{
	if (index > message->further)
		return flowipc__fail(-EINVAL,
				     "piece %u of a message that has %u", index,
				     1 + message->further);
	while (index--)
		message = message->rest;
	*data = message->data;
	*size = message->size;
	return 0;
}

uint64_t flowipc_message_total(const struct flowipc_message *message)
{
	uint64_t total = 0;

	for (; message; message = message->rest)
		total += message->size;
	return total;
}
