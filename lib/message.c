// SPDX-License-Identifier: MIT
/* Messages as a user has them in hand: made, looked at, given up. */
#include <errno.h>
#include <stdlib.h>

#include "channel.h"
#include "error.h"
#include "probes.h"
#include "session.h"

/* Unused messages are kept, so that the hot path allocates nothing. */
struct flowipc_message *flowipc__message_get(struct flowipc_channel *channel,
					     struct flowipc_message **unused)
{
	struct flowipc_message *message = *unused;

	if (message) {
		*unused = message->next;
	} else {
		message = aligned_alloc(_Alignof(struct flowipc_message),
					sizeof(*message));
		if (!message) {
			flowipc__fail(-ENOMEM, "out of memory");
			return NULL;
		}
		message->channel = channel;
	}
	message->type = 0;
	message->correlation = 0;
	message->role = SLOT_PLAIN;
	message->call = 0;
	message->region = NULL;
	message->import = NULL;
	message->chunk = 0;
	message->fd_count = 0;
	message->copy = NULL;
	message->to_be_sealed = false;
	message->seal = 0;
	message->rest = NULL;
	message->further = 0;
	return message;
}

void flowipc__message_put(struct flowipc_message *message,
			  struct flowipc_message **unused)
{
	struct flowipc_message *rest;

	if (message->fd_count)
		flowipc__fds_close(message);
	if (message->copy)
		free(message->copy);
	for (; message; message = rest) {
		rest = message->rest;
		message->next = *unused;
		*unused = message;
	}
}

static int size_check(const struct sender *sender, uint64_t size)
{
	if (size <= sender->max_message_bytes)
		return 0;
	return flowipc__fail(
		-EMSGSIZE,
		"a message of %llu bytes is larger than the %llu allowed (max_message_bytes)",
		(unsigned long long)size,
		(unsigned long long)sender->max_message_bytes);
}

static int message_new(struct flowipc_channel *channel, uint64_t size,
		       bool sealed, int timeout_ms,
		       struct flowipc_message **message)
{
	struct sender *sender = &channel->sender;
	struct flowipc_message *new;
	int err;

	err = flowipc__sender_error(channel);
	if (!err)
		err = size_check(sender, size);
	if (err)
		return err;
	new = flowipc__message_get(channel, &sender->unused);
	if (!new)
		return -ENOMEM;
	new->received = false;
	new->to_be_sealed = sealed;
	new->size = size;
	if (size <= FLOWIPC__INLINE_MAX) {
		new->kind = SLOT_INLINE;
		new->data = new->bytes;
	} else {
		err = flowipc__message_lend(new, flowipc__deadline(timeout_ms));
		if (err) {
			flowipc__message_put(new, &sender->unused);
			return err;
		}
	}
	sender->held++;
	*message = new;
	return 0;
}

int flowipc_message_new(struct flowipc_channel *channel, uint64_t size,
			int timeout_ms, struct flowipc_message **message)
{
	int err;

	flowipc__sender_enter(channel);
	err = message_new(channel, size, false, timeout_ms, message);
	flowipc__sender_leave(channel);
	return err;
}

int flowipc_message_new_sealed(struct flowipc_channel *channel, uint64_t size,
			       int timeout_ms, struct flowipc_message **message)
{
	int err = flowipc__seals_check(channel);

	if (err)
		return err;
	flowipc__sender_enter(channel);
	err = message_new(channel, size, true, timeout_ms, message);
	flowipc__sender_leave(channel);
	return err;
}

static int message_from_region(struct flowipc_channel *channel,
			       struct flowipc_region *region, uint64_t offset,
			       uint64_t length, int timeout_ms,
			       struct flowipc_message **message)
{
	struct sender *sender = &channel->sender;
	struct flowipc_message *new;
	uint64_t end;
	int err;

	err = flowipc__sender_error(channel);
	if (!err)
		err = size_check(sender, length);
	if (err)
		return err;
	if (!flowipc__mapping_is_ours(&region->mapping))
		return flowipc__process_refuse();
	if (__builtin_add_overflow(offset, length, &end) ||
	    end > region->mapping.size)
		return flowipc__fail(
			-EINVAL,
			"%llu bytes at %llu are not in a region of %llu",
			(unsigned long long)length, (unsigned long long)offset,
			(unsigned long long)region->mapping.size);
	if (region->backend != channel->session->backend)
		return flowipc__fail(
			-EOPNOTSUPP,
			"a %s region cannot be sent in a %s session",
			flowipc_backend_name(region->backend->id),
			flowipc_backend_name(channel->session->backend->id));
	new = flowipc__message_get(channel, &sender->unused);
	if (!new)
		return -ENOMEM;
	err = flowipc__loan_wait(channel, flowipc__deadline(timeout_ms),
				 &new->loan);
	if (err) {
		flowipc__message_put(new, &sender->unused);
		return err;
	}
	flowipc__region_get(region);
	sender->loans[new->loan].region = region;
	new->received = false;
	new->kind = SLOT_REGION;
	new->region = region;
	new->offset = offset;
	new->size = length;
	new->data = (unsigned char *)region->mapping.base + offset;
	sender->held++;
	*message = new;
	return 0;
}

int flowipc_message_from_region(struct flowipc_channel *channel,
				struct flowipc_region *region, uint64_t offset,
				uint64_t length, int timeout_ms,
				struct flowipc_message **message)
{
	int err;

	flowipc__sender_enter(channel);
	err = message_from_region(channel, region, offset, length, timeout_ms,
				  message);
	flowipc__sender_leave(channel);
	return err;
}

void flowipc_message_release(struct flowipc_message *message)
{
	struct flowipc_channel *channel;
	struct flowipc_message *piece;

	if (!message)
		return;
	channel = message->channel;
	if (message->received) {
		if (FLOWIPC__TRACED(release))
			FLOWIPC__PROBE(release, channel->receiver.lane.stream,
				       channel->receiver.lane.label,
				       flowipc_message_total(message));
		flowipc__receiver_enter(channel);
		flowipc__message_give_back(message);
		channel->receiver.held--;
		flowipc__message_put(message, &channel->receiver.unused);
		flowipc__receiver_leave(channel);
	} else {
		flowipc__sender_enter(channel);
		for (piece = message; piece; piece = piece->rest) {
			if (piece->kind != SLOT_INLINE)
				flowipc__loan_give(&channel->sender,
						   piece->loan);
		}
		channel->sender.held--;
		flowipc__message_put(message, &channel->sender.unused);
		flowipc__sender_leave(channel);
	}
	if (channel->closed)
		flowipc__channel_free_if_unused(channel);
}

void *flowipc_message_buffer(struct flowipc_message *message)
{
	bool from_users_region =
		message->kind == SLOT_REGION && !message->received &&
		!message->channel->sender.loans[message->loan].own_region;

	if (message->received || from_users_region)
		return NULL;
	return (void *)message->data;
}

const void *flowipc_message_data(const struct flowipc_message *message)
{
	return message->data;
}

uint64_t flowipc_message_size(const struct flowipc_message *message)
{
	return message->size;
}

int flowipc_message_truncate(struct flowipc_message *message, uint64_t size)
{
	struct sender *sender = &message->channel->sender;

	if (message->received || size > message->size)
		return flowipc__fail(
			-EINVAL,
			"a message of %llu bytes cannot be cut to %llu",
			(unsigned long long)message->size,
			(unsigned long long)size);
	flowipc__sender_enter(message->channel);
	message->size = size;
	if (message->kind == SLOT_PAYLOAD)
		flowipc__chunks_trim(&sender->chunks,
				     &sender->loans[message->loan].piece, size);
	flowipc__sender_leave(message->channel);
	return 0;
}

uint64_t flowipc_message_type(const struct flowipc_message *message)
{
	return message->type;
}

void flowipc_message_set_type(struct flowipc_message *message, uint64_t type)
{
	message->type = type;
}

uint64_t flowipc_message_correlation(const struct flowipc_message *message)
{
	return message->correlation;
}

void flowipc_message_set_correlation(struct flowipc_message *message,
				     uint64_t correlation)
{
	message->correlation = correlation;
}
