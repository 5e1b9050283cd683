// SPDX-License-Identifier: MIT
/* Sending: from a message to a slot of our ring. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "probes.h"

int flowipc__consumed_look(struct flowipc_channel *channel)
{
	struct sender *sender = &channel->sender;
	uint64_t consumed;
	int err = 0;

	/* Pairs with the store in slots_consumed(). */
	consumed = atomic_load_explicit(&sender->lane.theirs.cursor->consumed,
					memory_order_acquire);
	if (consumed - sender->consumed > sender->position - sender->consumed)
		return flowipc__channel_break(
			channel,
			flowipc__fail(
				-EPROTO,
				"the peer consumed more messages than were sent"));
	sender->consumed = consumed;
	if (sender->contested && consumed >= sender->contested)
		err = flowipc__contest_settle(channel);
	if (consumed > sender->oldest)
		sender->oldest = consumed;
	return err;
}

static int slot_ready(void *context)
{
	struct flowipc_channel *channel = context;
	struct sender *sender = &channel->sender;
	int err = flowipc__consumed_look(channel);

	if (err)
		return err;
	if (sender->position - sender->oldest <= channel->mine.slot_mask)
		return 1;
	return flowipc__sender_drops(sender) ? flowipc__oldest_drop(channel) :
					       flowipc__channel_error(channel);
}

/* The peer gets what was sent up to now, and the end, but no more from us. */
static int channel_disconnect(struct flowipc_channel *channel)
{
	atomic_store(&channel->broken, -ECONNABORTED);
	atomic_store_explicit(&channel->mine.span->cut, 1,
			      memory_order_relaxed);
	flowipc__sender_end(channel);
	flowipc__lane_ring(&channel->sender.lane);
	return flowipc__fail(
		-ECONNABORTED,
		"the peer was too slow, the channel is at its end");
}

int flowipc__sender_wait(struct flowipc_channel *channel, lane_ready_fn *ready,
			 void *context, uint64_t deadline)
{
	struct sender *sender = &channel->sender;
	int err;

	/* A peer that sleeps would wait for us, and we for it. */
	if (sender->corked)
		flowipc__lane_ring(&sender->lane);
	err = flowipc__lane_wait(&sender->lane, ready, context, deadline);
	if ((err == -EAGAIN || err == -ETIMEDOUT) &&
	    sender->when_full == FLOWIPC_FULL_DISCONNECT)
		err = channel_disconnect(channel);
	return err;
}

static int slot_wait(struct flowipc_channel *channel, struct patience *patience)
{
	struct sender *sender = &channel->sender;
	int err;

	if (sender->position - sender->oldest <= channel->mine.slot_mask)
		return 0;
	err = slot_ready(channel);
	if (err)
		return err < 0 ? err : 0;
	return flowipc__sender_wait(channel, slot_ready, channel,
				    flowipc__patience_deadline(patience));
}

static void slot_publish(struct flowipc_channel *channel,
			 const struct flowipc_message *message, uint32_t region)
{
	struct sender *sender = &channel->sender;
	uint64_t position = sender->position++;
	struct slot *slot =
		&channel->mine.slots[position & channel->mine.slot_mask];
	bool traced = FLOWIPC__TRACED(send);
	uint64_t sent_ns = traced ? flowipc__now() : 0;

	slot->type = message->type;
	slot->correlation = message->correlation;
	slot->sent_ns = sent_ns;
	slot->kind = (uint16_t)message->kind;
	slot->fds = (uint16_t)message->fd_count;
	slot->size = message->size;
	if (message->kind == SLOT_INLINE) {
		memcpy(slot->bytes, message->bytes, message->size);
	} else {
		slot->loan = message->loan;
		slot->region = region;
		slot->chunk = sender->loans[message->loan].piece.chunk;
		slot->offset = message->offset;
	}
	/* Pairs with the load in slot_arrived(). */
	atomic_store_explicit(&slot->sequence, position + 1,
			      memory_order_release);
	if (!sender->corked)
		flowipc__lane_ring(&sender->lane);
	if (traced)
		FLOWIPC__PROBE(send, sender->lane.stream, sender->lane.label,
			       message->type, message->size, sent_ns);
}

/* See that the peer has the region that a message is from. */
static int region_share(struct flowipc_channel *channel,
			struct flowipc_region *region,
			struct patience *patience, uint32_t *number)
{
	int err;

	for (;;) {
		err = flowipc__courier_share(channel->courier, region, number);
		if (err != -EAGAIN)
			return err;
		/*
		 * A peer that sleeps for want of messages must wake up to
		 * listen to the courier.
		 */
		flowipc__lane_kick(&channel->sender.lane);
		err = flowipc__courier_wait(
			channel->courier, flowipc__patience_deadline(patience));
		if (err)
			return err;
	}
}

/* The same for the memory that a message is in, whatever that is. */
static int memory_share(struct flowipc_message *message,
			struct patience *patience, uint32_t *number)
{
	struct flowipc_channel *channel = message->channel;
	struct sender *sender = &channel->sender;
	struct chunk *chunk;
	int err;

	*number = 0;
	if (message->kind == SLOT_INLINE)
		return 0;
	if (message->kind == SLOT_REGION)
		return region_share(channel, message->region, patience, number);
	chunk = &sender->chunks.list[sender->loans[message->loan].piece.chunk];
	if (!chunk->region)
		return 0;
	if (!chunk->shared) {
		err = region_share(channel, chunk->region, patience,
				   &chunk->number);
		if (err)
			return err;
		chunk->shared = true;
	}
	chunk->messages++;
	*number = chunk->number;
	return 0;
}

/* The message will not be published after all. */
static void memory_unshare(struct flowipc_message *message)
{
	struct sender *sender = &message->channel->sender;
	struct chunk *chunk;

	if (message->kind == SLOT_INLINE)
		return;
	if (message->kind == SLOT_REGION) {
		flowipc__courier_unshare(message->channel->courier,
					 message->region);
		return;
	}
	chunk = &sender->chunks.list[sender->loans[message->loan].piece.chunk];
	if (chunk->region)
		chunk->messages--;
}

int flowipc__sender_error(struct flowipc_channel *channel)
{
	int err = flowipc__channel_error(channel);

	if (!err && channel->sender.shut)
		err = flowipc__fail(
			-EPIPE,
			"this side of the channel was shut down for sending");
	return err;
}

void flowipc__sender_end(struct flowipc_channel *channel)
{
	struct sender *sender = &channel->sender;

	if (sender->shut)
		return;
	sender->shut = true;
	/* Pairs with the load in stream_ended(). */
	atomic_store_explicit(&channel->mine.span->end, sender->position + 1,
			      memory_order_release);
}

int flowipc_channel_shutdown(struct flowipc_channel *channel)
{
	int err = flowipc__channel_error(channel);

	if (err)
		return err;
	flowipc__sender_end(channel);
	flowipc__lane_ring(&channel->sender.lane);
	return 0;
}

static int message_send(struct flowipc_message *message,
			struct patience *patience)
{
	struct flowipc_channel *channel = message->channel;
	struct sender *sender = &channel->sender;
	uint32_t region;
	int err;

	err = flowipc__sender_error(channel);
	if (err)
		return err;
	if (flowipc__lane_hung_up(&sender->lane)) {
		err = flowipc__channel_error(channel);
		return err ? err : -EPIPE;
	}
	/* Now and then, when the lane has looked at the clock. */
	if (sender->lane.looked_ticks != sender->tidied_ticks) {
		err = flowipc__loans_tidy(channel);
		if (err)
			return err;
	}
	err = slot_wait(channel, patience);
	if (!err)
		err = memory_share(message, patience, &region);
	if (err)
		return err;
	if (message->fd_count) {
		err = flowipc__fds_send(message, patience);
		if (err) {
			memory_unshare(message);
			return err;
		}
	}
	if (message->kind != SLOT_INLINE)
		flowipc__loan_sent(sender, message->loan, message->size);
	slot_publish(channel, message, region);
	sender->held--;
	flowipc__message_put(message, &sender->unused);
	return 0;
}

static int refuse_received(void)
{
	return flowipc__fail(-EINVAL, "a received message cannot be sent on");
}

int flowipc_message_send(struct flowipc_message *message, int timeout_ms)
{
	struct patience patience = {.timeout_ms = timeout_ms};

	if (message->received)
		return refuse_received();
	return message_send(message, &patience);
}

static int batch_check(struct flowipc_message *const *messages, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (messages[i]->received)
			return refuse_received();
		if (messages[i]->channel != messages[0]->channel)
			return flowipc__fail(
				-EINVAL,
				"message %zu of the batch is of another channel than the first",
				i);
	}
	return 0;
}

int flowipc_message_send_batch(struct flowipc_message *const *messages,
			       size_t count, int timeout_ms)
{
	struct patience patience = {.timeout_ms = timeout_ms};
	struct flowipc_channel *channel;
	bool corked;
	size_t i;
	int err;

	if (count > INT_MAX)
		count = INT_MAX;
	err = batch_check(messages, count);
	if (err || !count)
		return err;
	channel = messages[0]->channel;
	corked = channel->sender.corked;
	channel->sender.corked = true;
	for (i = 0; i < count && !err; i++)
		err = message_send(messages[i], &patience);
	channel->sender.corked = corked;
	if (err)
		i--;
	if (i && !corked)
		flowipc__lane_ring(&channel->sender.lane);
	return i ? (int)i : err;
}

void flowipc_channel_cork(struct flowipc_channel *channel)
{
	channel->sender.corked = true;
}

int flowipc_channel_flush(struct flowipc_channel *channel)
{
	int err = flowipc__channel_error(channel);

	channel->sender.corked = false;
	if (!err)
		flowipc__lane_ring(&channel->sender.lane);
	return err;
}

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
