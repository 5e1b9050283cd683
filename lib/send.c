// SPDX-License-Identifier: MIT
/* Sending: from a message to a slot of our ring. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "packet.h"
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

/* Slots that are waited for. */
struct vacancy {
	struct flowipc_channel *channel;
	uint64_t count;
};

static int slots_ready(void *context)
{
	const struct vacancy *vacancy = context;
	struct flowipc_channel *channel = vacancy->channel;
	struct sender *sender = &channel->sender;
	int err = flowipc__consumed_look(channel);

	if (err)
		return err;
	for (;;) {
		if (sender->position + vacancy->count - sender->oldest <=
		    channel->mine.slot_mask + 1)
			return 1;
		if (!flowipc__sender_drops(sender))
			return flowipc__channel_error(channel);
		err = flowipc__oldest_drop(channel);
		if (err <= 0)
			return err;
	}
}

int flowipc__channel_disconnect(struct flowipc_channel *channel)
{
	atomic_store(&channel->broken, -ECONNABORTED);
	atomic_store_explicit(&channel->mine.span->cut, 1,
			      memory_order_relaxed);
	flowipc__sender_end(channel);
	flowipc__lane_ring(&channel->sender.lane);
	/* Threads of ours that wait for the peer, are not to wait any more. */
	flowipc__channel_cut(channel);
	return flowipc__fail(
		-ECONNABORTED,
		"the peer was too slow, the channel is at its end");
}

/*
 * Is somebody else to wake the peer, later? Not while a thread of ours waits for
 * it: a peer that sleeps would wait for us, and we for it.
 */
static bool sender_is_quiet(const struct sender *sender)
{
	return (sender->corked || sender->batches) && !sender->waiting;
}

/* What a wait gives, to a sender that may be one that waits no longer. */
static int patience_ended(struct flowipc_channel *channel, int err)
{
	if ((err == -EAGAIN || err == -ETIMEDOUT) &&
	    channel->sender.when_full == FLOWIPC_FULL_DISCONNECT)
		return flowipc__channel_disconnect(channel);
	return err;
}

int flowipc__sender_wait(struct flowipc_channel *channel, lane_ready_fn *ready,
			 void *context, uint64_t deadline)
{
	struct sender *sender = &channel->sender;
	int err;

	if (sender_is_quiet(sender))
		flowipc__lane_ring(&sender->lane);
	sender->waiting++;
	err = flowipc__lane_wait(&sender->lane, ready, context, deadline);
	sender->waiting--;
	/* Of what is to be polled for, the bell alone is to tell. */
	if (err == -EAGAIN)
		flowipc__doorbell_watch(&channel->doorbell, -1);
	return patience_ended(channel, err);
}

int flowipc__sender_wait_socket(struct flowipc_channel *channel, int socket,
				struct patience *patience)
{
	int err = flowipc__packet_wait(socket, POLLOUT,
				       flowipc__patience_deadline(patience));

	int polled;

	polled = err == -EAGAIN && channel->sender.lane.polled ? socket : -1;
	polled = flowipc__doorbell_watch(&channel->doorbell, polled);
	return patience_ended(channel, polled ? polled : err);
}

static int slots_wait(struct flowipc_channel *channel, uint64_t count,
		      struct patience *patience)
{
	struct sender *sender = &channel->sender;
	struct vacancy vacancy = {.channel = channel, .count = count};
	int err;

	if (sender->position + count - sender->oldest <=
	    channel->mine.slot_mask + 1)
		return 0;
	err = slots_ready(&vacancy);
	if (err)
		return err < 0 ? err : 0;
	return flowipc__sender_wait(channel, slots_ready, &vacancy,
				    flowipc__patience_deadline(patience));
}

/* Write a piece into the slot that it will be in, and publish that. */
static void slot_publish(struct flowipc_channel *channel,
			 const struct flowipc_message *piece, uint64_t position,
			 uint64_t sent_ns)
{
	struct slot *slot =
		&channel->mine.slots[position & channel->mine.slot_mask];

	slot->type = piece->type;
	slot->correlation = piece->correlation;
	slot->sent_ns = sent_ns;
	slot->kind = (uint8_t)piece->kind;
	slot->role = (uint8_t)piece->role;
	slot->fds = (uint8_t)piece->fd_count;
	slot->further = (uint8_t)piece->further;
	slot->call = piece->call;
	if (piece->kind == SLOT_INLINE) {
		slot->length = (uint32_t)piece->size;
		memcpy(slot->bytes, piece->bytes, piece->size);
	} else {
		slot->size = piece->size;
		slot->loan = piece->loan;
		slot->region = piece->number;
		slot->chunk = channel->sender.loans[piece->loan].piece.chunk;
		slot->offset = piece->offset;
		slot->seal = piece->seal;
	}
	/* Pairs with the load in slot_arrived(). */
	atomic_store_explicit(&slot->sequence, position + 1,
			      memory_order_release);
}

static void message_publish(struct flowipc_channel *channel,
			    const struct flowipc_message *message)
{
	struct sender *sender = &channel->sender;
	bool traced = FLOWIPC__TRACED(send);
	uint64_t sent_ns = traced ? flowipc__now() : 0;
	const struct flowipc_message *piece;
	uint64_t position = sender->position;

	/* The first one is what the peer looks for. */
	for (piece = message->rest; piece; piece = piece->rest)
		slot_publish(channel, piece, ++position, 0);
	slot_publish(channel, message, sender->position, sent_ns);
	sender->position = position + 1;
	/* Somebody waits for the answer, or for this one. */
	if (!sender_is_quiet(sender) || message->role != SLOT_PLAIN)
		flowipc__lane_ring(&sender->lane);
	if (traced)
		FLOWIPC__PROBE(send, sender->lane.stream, sender->lane.label,
			       message->type, flowipc_message_total(message),
			       sent_ns);
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
		err = flowipc__sender_wait_socket(
			channel, channel->courier->socket, patience);
		if (err)
			return err;
	}
}

static struct chunk *piece_chunk(const struct flowipc_message *piece)
{
	struct sender *sender = &piece->channel->sender;

	return &sender->chunks.list[sender->loans[piece->loan].piece.chunk];
}

/* The same for the memory that a piece is in, whatever that is. */
static int piece_share(struct flowipc_message *piece, struct patience *patience)
{
	struct chunk *chunk;
	int err;

	piece->number = 0;
	if (piece->kind == SLOT_INLINE)
		return 0;
	if (piece->kind == SLOT_REGION)
		return region_share(piece->channel, piece->region, patience,
				    &piece->number);
	chunk = piece_chunk(piece);
	if (!chunk->region)
		return 0;
	if (!chunk->shared) {
		err = region_share(piece->channel, chunk->region, patience,
				   &chunk->number);
		if (err)
			return err;
		chunk->shared = true;
	}
	chunk->messages++;
	piece->number = chunk->number;
	return 0;
}

/* The message will not be published after all, at least not now. */
static void pieces_unshare(struct flowipc_message *message,
			   const struct flowipc_message *end)
{
	struct flowipc_message *piece;

	for (piece = message; piece != end; piece = piece->rest) {
		if (piece->kind == SLOT_REGION)
			flowipc__courier_unshare(piece->channel->courier,
						 piece->region);
		else if (piece->kind == SLOT_PAYLOAD &&
			 piece_chunk(piece)->region)
			piece_chunk(piece)->messages--;
	}
}

static int pieces_share(struct flowipc_message *message,
			struct patience *patience)
{
	struct flowipc_message *piece;
	int err = 0;

	for (piece = message; piece; piece = piece->rest) {
		err = piece_share(piece, patience);
		if (err)
			break;
	}
	/* After what may have to wait: it cannot be undone. */
	if (!err)
		err = flowipc__seals_make(message);
	if (!err && message->fd_count)
		err = flowipc__fds_send(message, patience);
	if (err)
		pieces_unshare(message, piece);
	return err;
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
	flowipc__sender_enter(channel);
	flowipc__sender_end(channel);
	flowipc__lane_ring(&channel->sender.lane);
	flowipc__sender_leave(channel);
	return 0;
}

static int message_send(struct flowipc_message *message,
			struct patience *patience)
{
	struct flowipc_channel *channel = message->channel;
	struct sender *sender = &channel->sender;
	struct flowipc_message *piece;
	uint64_t position;
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
	err = slots_wait(channel, 1 + message->further, patience);
	if (!err)
		err = pieces_share(message, patience);
	if (err)
		return err;
	position = sender->position;
	for (piece = message; piece; piece = piece->rest, position++) {
		if (piece->kind != SLOT_INLINE)
			flowipc__loan_sent(sender, piece->loan, piece->size,
					   position);
	}
	message_publish(channel, message);
	sender->held--;
	flowipc__message_put(message, &sender->unused);
	return 0;
}

static int refuse_received(void)
{
	return flowipc__fail(-EINVAL, "a received message cannot be sent on");
}

/* A request or a reply that is dropped would be waited for in vain. */
static int dropping_check(const struct sender *sender)
{
	if (!flowipc__sender_drops(sender) && !sender->lane.theirs.drops)
		return 0;
	return flowipc__fail(
		-EOPNOTSUPP,
		"no calls in a channel that drops messages (FLOWIPC_FULL_DROP_OLDEST)");
}

int flowipc__message_send_as(struct flowipc_message *message,
			     enum slot_role role, uint64_t call,
			     struct patience *patience)
{
	struct flowipc_channel *channel = message->channel;
	int err;

	if (message->received)
		return refuse_received();
	message->role = role;
	message->call = call;
	flowipc__sender_enter(channel);
	err = role == SLOT_PLAIN ? 0 : dropping_check(&channel->sender);
	if (!err)
		err = message_send(message, patience);
	if (err)
		message->role = SLOT_PLAIN;
	flowipc__sender_leave(channel);
	return err;
}

int flowipc_message_send(struct flowipc_message *message, int timeout_ms)
{
	struct patience patience = {.timeout_ms = timeout_ms};

	return flowipc__message_send_as(message, SLOT_PLAIN, 0, &patience);
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
	struct sender *sender;
	size_t i;
	int err;

	if (count > INT_MAX)
		count = INT_MAX;
	err = batch_check(messages, count);
	if (err || !count)
		return err;
	channel = messages[0]->channel;
	if (!flowipc__channel_is_ours(channel))
		return flowipc__process_refuse();
	sender = &channel->sender;
	flowipc__sender_enter(channel);
	sender->batches++;
	for (i = 0; i < count && !err; i++)
		err = message_send(messages[i], &patience);
	sender->batches--;
	if (err)
		i--;
	/* Somebody else may have sent while this batch was waiting. */
	if (!sender_is_quiet(sender))
		flowipc__lane_ring(&sender->lane);
	flowipc__sender_leave(channel);
	return i ? (int)i : err;
}

void flowipc_channel_cork(struct flowipc_channel *channel)
{
	flowipc__sender_enter(channel);
	channel->sender.corked = true;
	flowipc__sender_leave(channel);
}

int flowipc_channel_flush(struct flowipc_channel *channel)
{
	int err = flowipc__channel_error(channel);

	flowipc__sender_enter(channel);
	channel->sender.corked = false;
	if (!err)
		flowipc__lane_ring(&channel->sender.lane);
	flowipc__sender_leave(channel);
	return err;
}
