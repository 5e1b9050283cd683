// SPDX-License-Identifier: MIT
/* Sending and receiving with copying, on plain buffers. */
#include <errno.h>
#include <string.h>

#include "channel.h"
#include "error.h"

int flowipc_send(struct flowipc_channel *channel, const void *data,
		 uint64_t size, int timeout_ms)
{
	struct flowipc_message *message;
	int err;

	err = flowipc_message_new(channel, size, timeout_ms, &message);
	if (err)
		return err;
	if (size)
		memcpy((void *)message->data, data, size);
	err = flowipc_message_send(message, timeout_ms);
	if (err)
		flowipc_message_release(message);
	return err;
}

ssize_t flowipc_receive(struct flowipc_channel *channel, void *buffer,
			uint64_t capacity, int timeout_ms)
{
	struct flowipc_message *message, *piece;
	unsigned char *to = buffer;
	uint64_t total = 0;
	int got;

	flowipc__receiver_enter(channel);
	got = flowipc__messages_receive(channel, &message, 1, timeout_ms);
	if (got > 0)
		total = flowipc_message_total(message);
	if (got > 0 && total > capacity)
		flowipc__pile_put_back(channel, message);
	flowipc__receiver_leave(channel);
	if (got < 0)
		return got;
	if (total > capacity)
		return flowipc__fail(
			-EMSGSIZE,
			"the message has %llu bytes, the buffer %llu",
			(unsigned long long)total,
			(unsigned long long)capacity);
	for (piece = message; piece; piece = piece->rest) {
		if (!piece->size)
			continue;
		memcpy(to, piece->data, (size_t)piece->size);
		to += piece->size;
	}
	flowipc_message_release(message);
	return (ssize_t)total;
}
