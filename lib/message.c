// SPDX-License-Identifier: MIT
/* Making messages, and handing them over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "payload.h"
#include "probes.h"
#include "session.h"

static int channel_error(struct flowipc_channel *channel)
{
	int err = atomic_load_explicit(&channel->broken, memory_order_relaxed);

	if (__builtin_expect(err, 0))
		return err;
	return 0;
}

/* Unused messages are kept, so that the hot path allocates nothing. */
static struct flowipc_message *message_get(struct flowipc_channel *channel,
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
	message->region = NULL;
	message->import = NULL;
	return message;
}

static void message_put(struct flowipc_message *message,
			struct flowipc_message **unused)
{
	message->next = *unused;
	*unused = message;
}

/* What a message needs before it can be written. */
struct lending {
	struct flowipc_channel *channel;
	uint64_t size;
	uint32_t loan;
};

static int lending_ready(void *context)
{
	struct lending *lending = context;
	struct sender *sender = &lending->channel->sender;
	struct payload *payload = sender->payload;
	struct loan *loan;
	uint64_t offset;
	int64_t piece;

	if (flowipc__loan_take(sender, &lending->loan)) {
		int err = flowipc__loans_reclaim(lending->channel);

		if (err)
			return err;
		if (flowipc__loan_take(sender, &lending->loan))
			return 0;
	}
	if (!lending->size)
		return 1;
	piece = flowipc__payload_take(payload, lending->size, &offset);
	if (piece < 0) {
		int err = flowipc__loans_reclaim(lending->channel);

		if (err) {
			flowipc__loan_give(sender, lending->loan);
			return err;
		}
		piece = flowipc__payload_take(payload, lending->size, &offset);
	}
	if (piece < 0) {
		flowipc__loan_give(sender, lending->loan);
		return 0;
	}
	loan = &sender->loans[lending->loan];
	loan->in_payload = true;
	loan->piece = (uint32_t)piece;
	loan->offset = offset;
	return 1;
}

/* Take a loan, with @size bytes of the payload area unless that is 0. */
static int lend(struct flowipc_channel *channel, uint64_t size,
		uint64_t deadline, uint32_t *loan)
{
	struct lending lending = { .channel = channel, .size = size };
	int err = lending_ready(&lending);

	if (!err)
		err = flowipc__lane_wait(&channel->sender.lane, lending_ready,
					 &lending, deadline);
	if (err < 0)
		return err;
	*loan = lending.loan;
	return 0;
}

/*
 * Somewhat more than @size, an eighth at most, so that messages which differ a
 * little in size can use the same region one after the other.
 */
static uint64_t own_region_size(uint64_t size)
{
	uint64_t step = 1ULL << (63 - __builtin_clzll(size)) >> 3;
	uint64_t rounded = (size + step - 1) & ~(step - 1);

	return rounded < size ? size : rounded;
}

/* A message too large for the payload area has a region of its own. */
static int lend_own_region(struct flowipc_channel *channel, uint64_t size,
			   struct loan *loan)
{
	struct sender *sender = &channel->sender;
	struct flowipc_region *spare = sender->spare;
	int err;

	loan->own_region = true;
	size = own_region_size(size);
	if (spare && spare->mapping.size >= size) {
		loan->region = spare;
		sender->spare = NULL;
		return 0;
	}
	err = flowipc__region_create(channel->session->backend, size,
				     &loan->region);
	if (err && spare) {
		/* There may be memory for the one, if not for both. */
		sender->spare = NULL;
		flowipc__region_put(spare);
		err = flowipc__region_create(channel->session->backend, size,
					     &loan->region);
	}
	return err;
}

static int size_check(const struct sender *sender, uint64_t size)
{
	if (size <= sender->max_message_bytes)
		return 0;
	return flowipc__fail(-EMSGSIZE,
			     "a message of %llu bytes is larger than the %llu allowed (max_message_bytes)",
			     (unsigned long long)size,
			     (unsigned long long)sender->max_message_bytes);
}

/* Find memory for a message that does not travel in its slot. */
static int message_lend(struct flowipc_message *message, uint64_t deadline)
{
	struct flowipc_channel *channel = message->channel;
	struct sender *sender = &channel->sender;
	bool in_payload = message->size <= channel->mine.payload_bytes;
	struct loan *loan;
	int err;

	err = lend(channel, in_payload ? message->size : 0, deadline,
		   &message->loan);
	if (err)
		return err;
	loan = &sender->loans[message->loan];
	if (in_payload) {
		message->kind = SLOT_PAYLOAD;
		message->offset = loan->offset;
		message->data = channel->mine.payload + loan->offset;
		return 0;
	}
	err = lend_own_region(channel, message->size, loan);
	if (err) {
		flowipc__loan_give(sender, message->loan);
		return err;
	}
	message->kind = SLOT_REGION;
	message->region = loan->region;
	message->offset = 0;
	message->data = loan->region->mapping.base;
	return 0;
}

int flowipc_message_new(struct flowipc_channel *channel, uint64_t size,
			int timeout_ms, struct flowipc_message **message)
{
	struct sender *sender = &channel->sender;
	struct flowipc_message *new;
	int err;

	err = channel_error(channel);
	if (!err)
		err = size_check(sender, size);
	if (err)
		return err;
	new = message_get(channel, &sender->unused);
	if (!new)
		return -ENOMEM;
	new->received = false;
	new->size = size;
	if (size <= FLOWIPC__INLINE_MAX) {
		new->kind = SLOT_INLINE;
		new->data = new->bytes;
	} else {
		err = message_lend(new, flowipc__deadline(timeout_ms));
		if (err) {
			message_put(new, &sender->unused);
			return err;
		}
	}
	sender->held++;
	*message = new;
	return 0;
}

int flowipc_message_from_region(struct flowipc_channel *channel,
				struct flowipc_region *region, uint64_t offset,
				uint64_t length, int timeout_ms,
				struct flowipc_message **message)
{
	struct sender *sender = &channel->sender;
	struct flowipc_message *new;
	uint64_t end;
	int err;

	err = channel_error(channel);
	if (!err)
		err = size_check(sender, length);
	if (err)
		return err;
	if (__builtin_add_overflow(offset, length, &end) ||
	    end > region->mapping.size)
		return flowipc__fail(-EINVAL,
				     "%llu bytes at %llu are not in a region of %llu",
				     (unsigned long long)length,
				     (unsigned long long)offset,
				     (unsigned long long)region->mapping.size);
	if (region->backend != channel->session->backend)
		return flowipc__fail(-EOPNOTSUPP,
				     "a %s region cannot be sent in a %s session",
				     flowipc_backend_name(region->backend->id),
				     flowipc_backend_name(channel->session->backend->id));
	new = message_get(channel, &sender->unused);
	if (!new)
		return -ENOMEM;
	err = lend(channel, 0, flowipc__deadline(timeout_ms), &new->loan);
	if (err) {
		message_put(new, &sender->unused);
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

static int slot_ready(void *context)
{
	struct flowipc_channel *channel = context;
	struct sender *sender = &channel->sender;
	uint64_t slots = channel->mine.slot_mask + 1;
	uint64_t consumed;

	/* Pairs with the store in slot_consumed(). */
	consumed = atomic_load_explicit(&channel->theirs.cursor->consumed,
					memory_order_acquire);
	if (consumed - sender->consumed > sender->position - sender->consumed)
		return flowipc__channel_break(
			channel,
			flowipc__fail(-EPROTO,
				      "the peer consumed more messages than were sent"));
	sender->consumed = consumed;
	return sender->position - consumed < slots;
}

static int slot_wait(struct flowipc_channel *channel, int timeout_ms)
{
	struct sender *sender = &channel->sender;
	int err;

	if (sender->position - sender->consumed <= channel->mine.slot_mask)
		return 0;
	err = slot_ready(channel);
	if (err)
		return err < 0 ? err : 0;
	return flowipc__lane_wait(&sender->lane, slot_ready, channel,
				  flowipc__deadline(timeout_ms));
}

static void slot_publish(struct flowipc_channel *channel,
			 const struct flowipc_message *message,
			 uint32_t region)
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
	slot->kind = message->kind;
	slot->size = message->size;
	if (message->kind == SLOT_INLINE) {
		memcpy(slot->bytes, message->bytes, message->size);
	} else {
		slot->loan = message->loan;
		slot->region = region;
		slot->offset = message->offset;
	}
	/* Pairs with the load in slot_arrived(). */
	atomic_store_explicit(&slot->sequence, position + 1,
			      memory_order_release);
	flowipc__lane_ring(&sender->lane);
	if (traced)
		FLOWIPC__PROBE(send, sender->lane.stream, sender->lane.label,
			       message->type, message->size, sent_ns);
}

int flowipc_message_send(struct flowipc_message *message, int timeout_ms)
{
	struct flowipc_channel *channel = message->channel;
	struct sender *sender = &channel->sender;
	uint32_t region = 0;
	int err;

	if (message->received)
		return flowipc__fail(-EINVAL,
				     "a received message cannot be sent on");
	err = channel_error(channel);
	if (err)
		return err;
	if (flowipc__lane_hung_up(&sender->lane))
		return -EPIPE;
	err = slot_wait(channel, timeout_ms);
	if (!err && message->kind == SLOT_REGION)
		err = flowipc__courier_share(channel->courier, message->region,
					     flowipc__deadline(timeout_ms),
					     &region);
	if (err)
		return err;
	if (message->kind != SLOT_INLINE)
		flowipc__loan_sent(sender, message->loan);
	slot_publish(channel, message, region);
	sender->held--;
	message_put(message, &sender->unused);
	return 0;
}

static int slot_arrived(void *context)
{
	struct flowipc_channel *channel = context;
	uint64_t position = channel->receiver.position;
	const struct slot *slot =
		&channel->theirs.slots[position & channel->theirs.slot_mask];

	/* Pairs with the store in slot_publish(). */
	return atomic_load_explicit(&slot->sequence, memory_order_acquire) ==
	       position + 1;
}

/* The slot is read: the sender may use it again. */
static void slot_consumed(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;

	/* Pairs with the load in slot_ready(). */
	atomic_store_explicit(&channel->mine.cursor->consumed,
			      ++receiver->position, memory_order_release);
	flowipc__lane_ring(&receiver->lane);
}

/* The peer gets back what it lent us. */
static void message_give_back(struct flowipc_message *message)
{
	struct flowipc_channel *channel = message->channel;
	struct receiver *receiver = &channel->receiver;

	if (message->kind == SLOT_INLINE)
		return;
	if (message->import)
		flowipc__courier_release(channel->courier, message->import);
	atomic_store_explicit(
		&channel->mine.releases[receiver->released % FLOWIPC__LOANS],
		message->loan, memory_order_relaxed);
	/* Pairs with the load in flowipc__loans_reclaim(). */
	atomic_store_explicit(&channel->mine.cursor->released,
			      ++receiver->released, memory_order_release);
	if (!channel->closed)
		flowipc__lane_ring(&receiver->lane);
}

static int protocol_error(struct flowipc_channel *channel, const char *what)
{
	return flowipc__channel_break(
		channel, flowipc__fail(-EPROTO, "the peer sent %s", what));
}

/* Find the payload that a slot speaks of. Each of its words was read once. */
static int payload_find(struct flowipc_message *message, uint32_t region)
{
	struct flowipc_channel *channel = message->channel;
	struct outbox *theirs = &channel->theirs;
	struct mapping mapping;
	uint64_t end;
	int err;

	if (message->kind == SLOT_PAYLOAD) {
		mapping.base = theirs->payload;
		mapping.size = theirs->payload_bytes;
	} else {
		err = flowipc__courier_find(channel->courier, region,
					    &message->import, &mapping);
		if (err)
			return err == -EACCES ?
				       err :
				       flowipc__channel_break(channel, err);
	}
	if (__builtin_add_overflow(message->offset, message->size, &end) ||
	    end > mapping.size) {
		if (message->import)
			flowipc__courier_release(channel->courier,
						 message->import);
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
	const struct slot *slot =
		&channel->theirs
			 .slots[receiver->position & channel->theirs.slot_mask];
	uint64_t sent_ns = flowipc__peek(slot->sent_ns);
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
			return protocol_error(channel,
					      "a message that is not in its slot");
		memcpy(message->bytes, slot->bytes, message->size);
		message->data = message->bytes;
		break;
	case SLOT_PAYLOAD:
	case SLOT_REGION:
		message->loan = flowipc__peek(slot->loan);
		message->offset = flowipc__peek(slot->offset);
		region = flowipc__peek(slot->region);
		err = payload_find(message, region);
		break;
	default:
		return protocol_error(channel, "a message of unknown kind");
	}
	if (err && err != -EACCES)
		return err;
	slot_consumed(channel);
	if (err) {
		/* Revoked before we saw it: of no use to us, nor lent. */
		message_give_back(message);
		return err;
	}
	if (FLOWIPC__TRACED(receive))
		FLOWIPC__PROBE(receive, receiver->lane.stream,
			       receiver->lane.label, message->type,
			       message->size, sent_ns, flowipc__now());
	return 0;
}

int flowipc_message_receive(struct flowipc_channel *channel,
			    struct flowipc_message **message, int timeout_ms)
{
	struct receiver *receiver = &channel->receiver;
	struct flowipc_message *new;
	int err;

	if (receiver->kept) {
		*message = receiver->kept;
		receiver->kept = NULL;
		return 0;
	}
	err = channel_error(channel);
	if (err)
		return err;
	if (slot_arrived(channel))
		flowipc__lane_awake(&receiver->lane);
	else
		err = flowipc__lane_wait(&receiver->lane, slot_arrived, channel,
					 flowipc__deadline(timeout_ms));
	if (err)
		return err;
	new = message_get(channel, &receiver->unused);
	if (!new)
		return -ENOMEM;
	err = slot_take(channel, new);
	if (err) {
		message_put(new, &receiver->unused);
		return err;
	}
	receiver->held++;
	*message = new;
	return 0;
}

void flowipc_message_release(struct flowipc_message *message)
{
	struct flowipc_channel *channel;

	if (!message)
		return;
	channel = message->channel;
	if (message->received) {
		if (FLOWIPC__TRACED(release))
			FLOWIPC__PROBE(release, channel->receiver.lane.stream,
				       channel->receiver.lane.label,
				       message->size);
		message_give_back(message);
		channel->receiver.held--;
		message_put(message, &channel->receiver.unused);
	} else {
		if (message->kind != SLOT_INLINE)
			flowipc__loan_give(&channel->sender, message->loan);
		channel->sender.held--;
		message_put(message, &channel->sender.unused);
	}
	if (channel->closed)
		flowipc__channel_free_if_unused(channel);
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
		return flowipc__fail(-EMSGSIZE,
				     "the message has %llu bytes, the buffer %llu",
				     (unsigned long long)message->size,
				     (unsigned long long)capacity);
	}
	if (size)
		memcpy(buffer, message->data, (size_t)size);
	flowipc_message_release(message);
	return size;
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
		return flowipc__fail(-EINVAL,
				     "a message of %llu bytes cannot be cut to %llu",
				     (unsigned long long)message->size,
				     (unsigned long long)size);
	message->size = size;
	if (message->kind == SLOT_PAYLOAD)
		flowipc__payload_trim(sender->payload,
				      sender->loans[message->loan].piece, size);
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
