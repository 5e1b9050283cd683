// SPDX-License-Identifier: MIT
/* Receiving: from a slot of the peer's ring to a message, and giving it back. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "probes.h"

static bool slot_arrived(struct flowipc_channel *channel)
{
	const struct outbox *theirs = &channel->receiver.lane.theirs;
	uint64_t position = channel->receiver.position;
	const struct slot *slot = &theirs->slots[position & theirs->slot_mask];

	/* Pairs with the store in slot_publish(). */
	return atomic_load_explicit(&slot->sequence, memory_order_acquire) ==
	       position + 1;
}

static int protocol_error(struct flowipc_channel *channel, const char *what)
{
	return flowipc__channel_break(
		channel, flowipc__fail(-EPROTO, "the peer sent %s", what));
}

/* The slots are read: the sender may use them again. */
static void slots_consumed(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;

	/* Pairs with the load in slot_ready(). */
	atomic_store_explicit(&channel->mine.cursor->consumed,
			      receiver->position, memory_order_release);
	flowipc__lane_ring(&receiver->lane);
}

/* Go past what the peer has dropped. True if there was something. */
static bool messages_skip(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;
	uint64_t first;

	if (!receiver->lane.theirs.drops)
		return false;
	/* Pairs with the store in flowipc__oldest_drop(). */
	first = atomic_load_explicit(&receiver->lane.theirs.span->first,
				     memory_order_acquire);
	if (first <= receiver->position)
		return false;
	receiver->missed += first - receiver->position;
	receiver->position = first;
	atomic_store_explicit(&channel->mine.cursor->skipped, first,
			      memory_order_relaxed);
	slots_consumed(channel);
	return true;
}

/* Is the next message there, and not dropped while we take it? */
static bool message_claim(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;

	while (slot_arrived(channel)) {
		if (!receiver->lane.theirs.drops)
			return true;
		atomic_store_explicit(&channel->mine.cursor->taking,
				      receiver->position + 1,
				      memory_order_release);
		/* Pairs with the fence in flowipc__oldest_drop(). */
		flowipc__fence_full();
		if (!messages_skip(channel))
			return true;
	}
	return false;
}

/* 1 the peer has said that it sends no more than what was received; 0; -EPROTO */
static int stream_ended(struct flowipc_channel *channel)
{
	const struct receiver *receiver = &channel->receiver;
	uint64_t end;

	/* Pairs with the store in flowipc__sender_end(). */
	end = atomic_load_explicit(&receiver->lane.theirs.span->end,
				   memory_order_acquire);
	if (!end || end - 1 > receiver->position)
		return 0;
	if (end - 1 < receiver->position)
		return protocol_error(channel, "messages after its end");
	return 1;
}

/* Is there a message, or will there never be one? */
static int message_arrived(void *context)
{
	int ended;

	messages_skip(context);
	if (slot_arrived(context))
		return 1;
	ended = flowipc__channel_error(context);
	if (ended)
		return ended;
	flowipc__views_collect(context);
	ended = stream_ended(context);
	return ended > 0 ? -EPIPE : ended;
}

uint64_t flowipc_channel_missed(const struct flowipc_channel *channel)
{
	return channel->receiver.missed;
}

bool flowipc_channel_was_shut_down(struct flowipc_channel *channel)
{
	const struct outbox *theirs = &channel->receiver.lane.theirs;

	messages_skip(channel);
	return !flowipc__channel_error(channel) && stream_ended(channel) > 0 &&
	       !atomic_load_explicit(&theirs->span->cut, memory_order_relaxed);
}

static void payload_put(struct flowipc_message *message)
{
	struct flowipc_channel *channel = message->channel;

	if (message->import)
		flowipc__courier_release(channel->courier, message->import, 1);
	else if (message->chunk)
		flowipc__view_put(channel, message->chunk);
}

/* The peer gets back what it lent us. */
void flowipc__message_give_back(struct flowipc_message *message)
{
	struct flowipc_channel *channel = message->channel;
	struct receiver *receiver = &channel->receiver;

	if (message->kind == SLOT_INLINE)
		return;
	payload_put(message);
	atomic_store_explicit(
		&channel->mine.releases[receiver->released % FLOWIPC__LOANS],
		message->loan, memory_order_relaxed);
	/* Pairs with the load in flowipc__loans_reclaim(). */
	atomic_store_explicit(&channel->mine.cursor->released,
			      ++receiver->released, memory_order_release);
	if (!channel->closed)
		flowipc__lane_ring(&receiver->lane);
}

/* Map the memory that a slot speaks of. Each of its words was read once. */
static int payload_get(struct flowipc_message *message, uint32_t region,
		       struct mapping *mapping)
{
	struct flowipc_channel *channel = message->channel;
	const struct outbox *theirs = &channel->receiver.lane.theirs;
	uint32_t place = message->chunk;
	int err;

	if (message->kind == SLOT_REGION) {
		message->chunk = 0;
		return flowipc__courier_find(channel->courier, region,
					     &message->import, mapping);
	}
	if (!place) {
		mapping->base = theirs->payload;
		mapping->size = theirs->payload_bytes;
		return 0;
	}
	message->chunk = 0;
	err = flowipc__view_get(channel, place, region, mapping);
	if (!err)
		message->chunk = place;
	return err;
}

static int payload_find(struct flowipc_message *message, uint32_t region)
{
	struct flowipc_channel *channel = message->channel;
	struct mapping mapping;
	uint64_t end;
	int err;

	err = payload_get(message, region, &mapping);
	if (err)
		return err == -EACCES ? err :
					flowipc__channel_break(channel, err);
	if (__builtin_add_overflow(message->offset, message->size, &end) ||
	    end > mapping.size) {
		payload_put(message);
		return protocol_error(channel,
				      "a message that is not in its region");
	}
	message->data = (unsigned char *)mapping.base + message->offset;
	return 0;
}

static int slot_take(struct flowipc_channel *channel,
		     struct flowipc_message *message)
{
	struct receiver *receiver = &channel->receiver;
	const struct outbox *theirs = &receiver->lane.theirs;
	const struct slot *slot =
		&theirs->slots[receiver->position & theirs->slot_mask];
	uint64_t sent_ns = flowipc__peek(slot->sent_ns);
	unsigned int fd_count = flowipc__peek(slot->fds);
	uint32_t region;
	int err = 0;

	message->received = true;
	message->type = flowipc__peek(slot->type);
	message->correlation = flowipc__peek(slot->correlation);
	message->kind = flowipc__peek(slot->kind);
	message->size = flowipc__peek(slot->size);
	switch (message->kind) {
	case SLOT_INLINE:
		if (message->size > FLOWIPC__INLINE_MAX)
			return protocol_error(
				channel, "a message that is not in its slot");
		memcpy(message->bytes, slot->bytes, message->size);
		message->data = message->bytes;
		break;
	case SLOT_PAYLOAD:
	case SLOT_REGION:
		message->loan = flowipc__peek(slot->loan);
		message->chunk = flowipc__peek(slot->chunk);
		message->offset = flowipc__peek(slot->offset);
		region = flowipc__peek(slot->region);
		err = payload_find(message, region);
		break;
	default:
		return protocol_error(channel, "a message of unknown kind");
	}
	if (!err && fd_count) {
		err = flowipc__fds_receive(message, fd_count);
		if (err) {
			payload_put(message);
			return flowipc__channel_break(channel, err);
		}
	}
	if (err && err != -EACCES)
		return err;
	receiver->position++;
	if (err) {
		/* Revoked before we saw it: of no use to us, nor lent. */
		flowipc__message_give_back(message);
		return err;
	}
	if (FLOWIPC__TRACED(receive))
		FLOWIPC__PROBE(receive, receiver->lane.stream,
			       receiver->lane.label, message->type,
			       message->size, sent_ns, flowipc__now());
	return 0;
}

/* Take the message that has arrived. */
static int message_take(struct flowipc_channel *channel,
			struct flowipc_message **message)
{
	struct receiver *receiver = &channel->receiver;
	struct flowipc_message *new;
	int err;

	new = flowipc__message_get(channel, &receiver->unused);
	if (!new)
		return -ENOMEM;
	err = slot_take(channel, new);
	if (err) {
		flowipc__message_put(new, &receiver->unused);
		return err;
	}
	receiver->held++;
	*message = new;
	return 0;
}

static int message_wait(struct flowipc_channel *channel,
			struct patience *patience)
{
	struct lane *lane = &channel->receiver.lane;
	int err = message_arrived(channel);

	if (err > 0)
		flowipc__lane_awake(lane);
	else if (!err)
		err = flowipc__lane_wait(lane, message_arrived, channel,
					 flowipc__patience_deadline(patience));
	return err < 0 ? err : 0;
}

int flowipc_message_receive_batch(struct flowipc_channel *channel,
				  struct flowipc_message **messages,
				  size_t count, int timeout_ms)
{
	struct receiver *receiver = &channel->receiver;
	struct patience patience = {.timeout_ms = timeout_ms};
	uint64_t published;
	int taken = 0, err;

	if (count > INT_MAX)
		count = INT_MAX;
	if (!count)
		return 0;
	if (receiver->kept) {
		messages[taken++] = receiver->kept;
		receiver->kept = NULL;
	}
	err = receiver->owed;
	receiver->owed = 0;
	if (!err)
		err = flowipc__channel_error(channel);
	do {
		if (!err && !taken)
			err = message_wait(channel, &patience);
		published = receiver->position;
		while (!err && (size_t)taken < count &&
		       message_claim(channel)) {
			err = message_take(channel, &messages[taken]);
			if (!err)
				taken++;
		}
		if (receiver->position != published)
			slots_consumed(channel);
		/* What had arrived may have been dropped before it was taken. */
	} while (!err && !taken);
	if (!taken)
		return err;
	/* It is told the next time, unless it is still so then. */
	if (err == -EACCES)
		receiver->owed = err;
	return taken;
}

int flowipc_message_receive(struct flowipc_channel *channel,
			    struct flowipc_message **message, int timeout_ms)
{
	int got =
		flowipc_message_receive_batch(channel, message, 1, timeout_ms);

	return got < 0 ? got : 0;
}

/* Nobody will read what has arrived: give it back, as if it had been read. */
void flowipc__messages_discard(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;
	uint64_t budget = receiver->lane.theirs.slot_mask + 1;
	struct flowipc_message *message;

	while (budget-- && !flowipc__channel_error(channel) &&
	       message_claim(channel)) {
		message = flowipc__message_get(channel, &receiver->unused);
		if (!message)
			return;
		if (!slot_take(channel, message))
			flowipc__message_give_back(message);
		flowipc__message_put(message, &receiver->unused);
	}
	slots_consumed(channel);
}

ssize_t flowipc_receive(struct flowipc_channel *channel, void *buffer,
			uint64_t capacity, int timeout_ms)
{
	struct flowipc_message *message;
	ssize_t size;
	int err;

	err = flowipc_message_receive(channel, &message, timeout_ms);
	if (err)
		return err;
	size = (ssize_t)message->size;
	if (message->size > capacity) {
		channel->receiver.kept = message;
		return flowipc__fail(
			-EMSGSIZE,
			"the message has %llu bytes, the buffer %llu",
			(unsigned long long)message->size,
			(unsigned long long)capacity);
	}
	if (size)
		memcpy(buffer, message->data, (size_t)size);
	flowipc_message_release(message);
	return size;
}
