// SPDX-License-Identifier: MIT
/* Receiving: from a slot of the peer's ring to a message, and giving it back. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "probes.h"

static const struct slot *slot_at(const struct flowipc_channel *channel,
				  uint64_t position)
{
	const struct outbox *theirs = &channel->receiver.lane.theirs;

	return &theirs->slots[position & theirs->slot_mask];
}

static bool slot_holds(const struct flowipc_channel *channel, uint64_t position)
{
	/* Pairs with the store in slot_publish(). */
	return atomic_load_explicit(&slot_at(channel, position)->sequence,
				    memory_order_acquire) == position + 1;
}

static bool slot_arrived(struct flowipc_channel *channel)
{
	return slot_holds(channel, channel->receiver.position);
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

	/* Pairs with the load in flowipc__consumed_look(). */
	atomic_store_explicit(&channel->mine.cursor->consumed,
			      receiver->position, memory_order_release);
	flowipc__lane_ring(&receiver->lane);
}

/* Go past what the peer has dropped. True if there was something. */
static bool messages_skip(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;
	const struct outbox_span *span = receiver->lane.theirs.span;
	uint64_t first, dropped;

	if (!receiver->lane.theirs.drops)
		return false;
	/* Pairs with the store in drop_announce(). */
	first = atomic_load_explicit(&span->first, memory_order_acquire) >> 1;
	if (first <= receiver->position)
		return false;
	/* There is one message at least in so many positions at most. */
	if (flowipc__drops_read(span, &first, &dropped) ||
	    first <= receiver->position || dropped <= receiver->missed ||
	    dropped - receiver->missed > first - receiver->position) {
		protocol_error(channel, "nonsense about what it has dropped");
		return false;
	}
	receiver->missed = dropped;
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

/* Is there something in the ring, or will there never be? */
static int ring_look(struct flowipc_channel *channel)
{
	int ended;

	messages_skip(channel);
	ended = flowipc__channel_error(channel);
	if (ended)
		return ended;
	if (slot_arrived(channel))
		return 1;
	flowipc__views_collect(channel);
	ended = stream_ended(channel);
	return ended > 0 ? -EPIPE : ended;
}

/* Is there a message, or will there never be one? */
static int message_arrived(void *context)
{
	struct flowipc_channel *channel = context;

	if (channel->receiver.kept.first || channel->receiver.owed)
		return 1;
	return ring_look(channel);
}

bool flowipc_channel_was_shut_down(struct flowipc_channel *channel)
{
	bool ended;

	if (!flowipc__channel_is_ours(channel))
		return false;
	flowipc__receiver_enter(channel);
	messages_skip(channel);
	ended = !flowipc__channel_error(channel) && stream_ended(channel) > 0 &&
		!atomic_load_explicit(&channel->receiver.lane.theirs.span->cut,
				      memory_order_relaxed);
	flowipc__receiver_leave(channel);
	return ended;
}

static void payload_put(struct flowipc_message *message)
{
	struct flowipc_channel *channel = message->channel;

	if (message->seal)
		flowipc__seal_break(message);
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
	uint64_t released = receiver->released;

	/* A forked child has nothing to give back. */
	if (!flowipc__channel_is_ours(channel))
		return;
	for (; message; message = message->rest) {
		if (message->kind == SLOT_INLINE)
			continue;
		payload_put(message);
		atomic_store_explicit(
			&channel->mine.releases[released++ % FLOWIPC__LOANS],
			message->loan, memory_order_relaxed);
	}
	if (released == receiver->released)
		return;
	receiver->released = released;
	/* Pairs with the load in flowipc__loans_reclaim(). */
	atomic_store_explicit(&channel->mine.cursor->released, released,
			      memory_order_release);
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
	if (message->seal) {
		err = flowipc__seal_accept(message, &mapping);
		if (err) {
			payload_put(message);
			return flowipc__channel_break(channel, err);
		}
	}
	message->data = (unsigned char *)mapping.base + message->offset;
	return 0;
}

/* Read a slot. -EACCES: what it speaks of was revoked, and is of no use. */
static int slot_take(struct flowipc_message *piece, const struct slot *slot)
{
	struct flowipc_channel *channel = piece->channel;

	piece->received = true;
	piece->type = flowipc__peek(slot->type);
	piece->correlation = flowipc__peek(slot->correlation);
	piece->kind = flowipc__peek(slot->kind);
	switch (piece->kind) {
	case SLOT_INLINE:
		piece->size = flowipc__peek(slot->length);
		if (piece->size > FLOWIPC__INLINE_MAX)
			return protocol_error(
				channel, "a message that is not in its slot");
		memcpy(piece->bytes, slot->bytes, piece->size);
		piece->data = piece->bytes;
		return 0;
	case SLOT_PAYLOAD:
	case SLOT_REGION:
		piece->size = flowipc__peek(slot->size);
		piece->loan = flowipc__peek(slot->loan);
		piece->chunk = flowipc__peek(slot->chunk);
		piece->offset = flowipc__peek(slot->offset);
		if (piece->kind == SLOT_REGION)
			piece->seal = flowipc__peek(slot->seal);
		return payload_find(piece, flowipc__peek(slot->region));
	default:
		return protocol_error(channel, "a message of unknown kind");
	}
}

/* Objects for all pieces of the message that has arrived. */
static int pieces_get(struct flowipc_channel *channel,
		      struct flowipc_message **message)
{
	struct receiver *receiver = &channel->receiver;
	unsigned int further =
		flowipc__peek(slot_at(channel, receiver->position)->further);
	struct flowipc_message *head, *piece;
	unsigned int i;

	if (further >= FLOWIPC_MESSAGE_PIECES)
		return protocol_error(channel, "a message of too many pieces");
	for (i = 1; i <= further; i++) {
		if (!slot_holds(channel, receiver->position + i))
			return protocol_error(channel,
					      "a message without all its pieces");
	}
	head = flowipc__message_get(channel, &receiver->unused);
	for (i = 1; head && i <= further; i++) {
		piece = flowipc__message_get(channel, &receiver->unused);
		if (!piece) {
			flowipc__message_put(head, &receiver->unused);
			return -ENOMEM;
		}
		piece->rest = head->rest;
		head->rest = piece;
	}
	if (!head)
		return -ENOMEM;
	head->further = further;
	*message = head;
	return 0;
}

/* Read the slots of a message. If it fails otherwise than with -EACCES, none. */
static int pieces_take(struct flowipc_message *message)
{
	struct flowipc_channel *channel = message->channel;
	uint64_t position = channel->receiver.position, total = 0;
	struct flowipc_message *piece, *taken;
	bool revoked = false;
	int err = 0;

	for (piece = message; piece; piece = piece->rest) {
		err = slot_take(piece, slot_at(channel, position++));
		if (err == -EACCES) {
			revoked = true;
			err = 0;
		}
		if (err)
			break;
		if (!revoked &&
		    __builtin_add_overflow(total, piece->size, &total)) {
			payload_put(piece);
			err = protocol_error(channel,
					     "a message of impossible size");
			break;
		}
	}
	if (!err)
		return revoked ? -EACCES : 0;
	for (taken = message; taken != piece; taken = taken->rest)
		payload_put(taken);
	return err;
}

static int role_take(struct flowipc_message *message, const struct slot *slot)
{
	message->role = flowipc__peek(slot->role);
	if (__builtin_expect(message->role == SLOT_PLAIN, 1))
		return 0;
	message->call = flowipc__peek(slot->call);
	if (message->role > SLOT_REPLY_MORE)
		return protocol_error(message->channel,
				      "a message of unknown role");
	if (message->role == SLOT_REQUEST && !message->call)
		return protocol_error(message->channel,
				      "a request without a number");
	return 0;
}

/* Take the message that has arrived. 1; 0: it was a reply, and is delivered. */
static int message_take(struct flowipc_channel *channel,
			struct flowipc_message **message)
{
	struct receiver *receiver = &channel->receiver;
	const struct slot *slot = slot_at(channel, receiver->position);
	uint64_t sent_ns = flowipc__peek(slot->sent_ns);
	unsigned int fd_count = flowipc__peek(slot->fds);
	struct flowipc_message *new = NULL, *piece;
	int err;

	err = pieces_get(channel, &new);
	if (err)
		return err;
	err = role_take(new, slot);
	if (!err)
		err = pieces_take(new);
	if (!err && fd_count) {
		err = flowipc__fds_receive(new, fd_count);
		if (err) {
			flowipc__channel_break(channel, err);
			for (piece = new; piece; piece = piece->rest)
				payload_put(piece);
		}
	}
	if (!err || err == -EACCES)
		receiver->position += 1 + new->further;
	if (err) {
		/* Revoked before we saw it: of no use to us, nor lent. */
		if (err == -EACCES) {
			flowipc__message_give_back(new);
			if (new->role >= SLOT_REPLY) {
				flowipc__reply_lose(new, err);
				err = 0;
			}
		}
		flowipc__message_put(new, &receiver->unused);
		return err;
	}
	if (FLOWIPC__TRACED(receive))
		FLOWIPC__PROBE(receive, receiver->lane.stream,
			       receiver->lane.label, new->type,
			       flowipc_message_total(new), sent_ns,
			       flowipc__now());
	receiver->held++;
	if (new->role >= SLOT_REPLY) {
		flowipc__reply_deliver(new);
		return 0;
	}
	*message = new;
	return 1;
}

/* May what has arrived be taken? A reply only if there is room for it. */
static bool message_has_room(const struct flowipc_channel *channel)
{
	return !flowipc__pile_is_full(channel) ||
	       flowipc__peek(
		       slot_at(channel, channel->receiver.position)->role) <
		       SLOT_REPLY;
}

/*
 * Take what has arrived: up to @count messages in all, of which there are
 * *@taken, and a ring full at most, so that the peer cannot keep us here.
 */
static int messages_take(struct flowipc_channel *channel,
			 struct flowipc_message **messages, size_t count,
			 int *taken)
{
	struct receiver *receiver = &channel->receiver;
	uint64_t published = receiver->position;
	int err = 0;

	while ((size_t)*taken < count &&
	       receiver->position - published <=
		       receiver->lane.theirs.slot_mask &&
	       message_claim(channel)) {
		err = message_has_room(channel) ?
			      message_take(channel, &messages[*taken]) :
			      -ENOBUFS;
		if (err < 0)
			break;
		*taken += err;
	}
	if (receiver->position != published)
		slots_consumed(channel);
	return err < 0 ? err : 0;
}

/* Messages that are taken at a time by who does not want them. */
#define KEEP_BATCH 8

/* So many messages for others at a time, and then a look at the clock. */
#define FLOOD 4096

int flowipc__messages_keep(struct flowipc_channel *channel,
			   const struct flowipc_call *call)
{
	struct receiver *receiver = &channel->receiver;
	struct flowipc_message *messages[KEEP_BATCH];
	uint64_t start = receiver->position;
	int err, taken, i;

	while (!flowipc__call_is_served(call)) {
		err = ring_look(channel);
		if (err <= 0)
			return err;
		if (flowipc__pile_is_full(channel))
			return -ENOBUFS;
		if (receiver->position - start >= FLOOD)
			return -EBUSY;
		taken = 0;
		err = messages_take(channel, messages, KEEP_BATCH, &taken);
		for (i = 0; i < taken; i++)
			flowipc__pile_add(channel, &receiver->kept,
					  messages[i]);
		/* It was a message, so it is for a receiver to be told. */
		if (err == -EACCES)
			receiver->owed = err;
		else if (err)
			return err;
	}
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

int flowipc__messages_receive(struct flowipc_channel *channel,
			      struct flowipc_message **messages, size_t count,
			      int timeout_ms)
{
	struct receiver *receiver = &channel->receiver;
	struct patience patience = {.timeout_ms = timeout_ms};
	uint64_t start = receiver->position;
	int taken = 0, err;

	if (!flowipc__channel_is_ours(channel))
		return flowipc__process_refuse();
	do {
		err = message_wait(channel, &patience);
		while (receiver->kept.first && (size_t)taken < count)
			messages[taken++] =
				flowipc__pile_take(channel, &receiver->kept);
		if (!err) {
			err = receiver->owed;
			receiver->owed = 0;
		}
		if (!err)
			err = messages_take(channel, messages, count, &taken);
		/*
		 * What had arrived may have been dropped before it was taken,
		 * or have been replies.
		 */
		if (!err && !taken && receiver->position - start >= FLOOD &&
		    slot_arrived(channel)) {
			start = receiver->position;
			err = -EBUSY;
		}
		if (!taken && (err == -ENOBUFS || err == -EBUSY))
			err = flowipc__pile_wait(channel, err, &patience);
	} while (!err && !taken);
	if (!taken)
		return err;
	/* It is told the next time, unless it is still so then. */
	if (err == -EACCES)
		receiver->owed = err;
	return taken;
}

int flowipc_message_receive_batch(struct flowipc_channel *channel,
				  struct flowipc_message **messages,
				  size_t count, int timeout_ms)
{
	int got;

	if (count > INT_MAX)
		count = INT_MAX;
	if (!count)
		return 0;
	flowipc__receiver_enter(channel);
	got = flowipc__messages_receive(channel, messages, count, timeout_ms);
	flowipc__receiver_leave(channel);
	return got;
}

int flowipc_message_receive(struct flowipc_channel *channel,
			    struct flowipc_message **message, int timeout_ms)
{
	int got =
		flowipc_message_receive_batch(channel, message, 1, timeout_ms);

	return got < 0 ? got : 0;
}

void flowipc__message_discard(struct flowipc_message *message)
{
	struct receiver *receiver = &message->channel->receiver;

	flowipc__message_give_back(message);
	receiver->held--;
	flowipc__message_put(message, &receiver->unused);
}

/* Nobody will read what has arrived: give it back, as if it had been read. */
void flowipc__messages_discard(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;
	uint64_t budget = receiver->lane.theirs.slot_mask + 1;
	struct flowipc_message *message;
	int err;

	while (budget-- && !flowipc__channel_error(channel) &&
	       message_claim(channel)) {
		err = message_take(channel, &message);
		if (err == -ENOMEM)
			return;
		if (err > 0)
			flowipc__message_discard(message);
	}
	slots_consumed(channel);
}
