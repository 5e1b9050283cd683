// SPDX-License-Identifier: MIT
/* A received message in memory that its sender does not have. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "error.h"
#include "payload.h"

/* What a piece takes up in a copy; each begins like any other payload. */
static uint64_t copy_bytes(const struct flowipc_message *piece)
{
	uint64_t align = FLOWIPC__PAYLOAD_ALIGN;

	if (piece->kind == SLOT_INLINE)
		return 0;
	return (piece->size / align + 1) * align;
}

bool flowipc_message_is_private(const struct flowipc_message *message)
{
	for (; message; message = message->rest) {
		if (message->kind != SLOT_INLINE &&
		    (!message->seal || message->channel->closed))
			return false;
	}
	return true;
}

int flowipc_message_make_private(struct flowipc_message *message)
{
	struct flowipc_message *piece;
	uint64_t bytes = 0;
	unsigned char *to;

	if (!message->received)
		return flowipc__fail(
			-EINVAL,
			"only a received message can be made private");
	if (flowipc_message_is_private(message))
		return 0;
	if (!flowipc__channel_is_ours(message->channel))
		return flowipc__process_refuse();
	/* Each is in memory that is mapped, so this cannot overflow. */
	for (piece = message; piece; piece = piece->rest)
		bytes += copy_bytes(piece);
	to = aligned_alloc(FLOWIPC__PAYLOAD_ALIGN, bytes);
	if (!to)
		return flowipc__fail(
			-ENOMEM, "no memory for a private copy of %llu bytes",
			(unsigned long long)bytes);
	message->copy = to;
	for (piece = message; piece; piece = piece->rest) {
		if (piece->kind == SLOT_INLINE)
			continue;
		memcpy(to, piece->data, (size_t)piece->size);
		piece->data = to;
		to += copy_bytes(piece);
	}
	flowipc__receiver_enter(message->channel);
	flowipc__message_give_back(message);
	flowipc__receiver_leave(message->channel);
	/* From here on there is nothing of the peer's in it. */
	for (piece = message; piece; piece = piece->rest) {
		piece->kind = SLOT_INLINE;
		piece->import = NULL;
		piece->chunk = 0;
	}
	return 0;
}
