// SPDX-License-Identifier: MIT
/* What a channel end is made of, and how it ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "options.h"
#include "session.h"

#define SLOTS_DEFAULT	    256
#define SLOTS_MAX	    65536
#define PAYLOAD_DEFAULT	    (64ULL << 10)
#define PAYLOAD_MAX_DEFAULT (64ULL << 20)
#define MAX_MESSAGE_DEFAULT (16ULL << 30)

int flowipc__channel_break(struct flowipc_channel *channel, int error)
{
	atomic_store(&channel->broken, error);
	if (error == -EPROTO)
		flowipc__session_fail(channel->session, FLOWIPC_END_PROTOCOL,
				      error);
	return error;
}

void flowipc__channel_cut(struct flowipc_channel *channel)
{
	atomic_store(&channel->cut, true);
	channel->doorbell.backend->doorbell_hang_up(&channel->doorbell);
}

int flowipc__channel_options_read(struct flowipc_channel_opts *known,
				  const struct flowipc_channel_opts *opts)
{
	int err = flowipc__options_read(known, sizeof(*known), opts, "channel");

	if (err)
		return err;
	if (!known->slots)
		known->slots = SLOTS_DEFAULT;
	if (known->slots < 2 || known->slots > SLOTS_MAX ||
	    known->slots & (known->slots - 1))
		return flowipc__fail(
			-EINVAL,
			"channel options: slots is %u, not a power of two from 2 to %d",
			known->slots, SLOTS_MAX);
	if (known->wait_mode < FLOWIPC_WAIT_ADAPTIVE ||
	    known->wait_mode > FLOWIPC_WAIT_SLEEP)
		return flowipc__fail(
			-EINVAL, "channel options: there is no wait mode %d",
			(int)known->wait_mode);
	if (known->when_full < FLOWIPC_FULL_WAIT ||
	    known->when_full > FLOWIPC_FULL_DISCONNECT)
		return flowipc__fail(
			-EINVAL,
			"channel options: there is no %d for when_full",
			(int)known->when_full);
	if (known->threads < FLOWIPC_THREADS_ONE_EACH ||
	    known->threads > FLOWIPC_THREADS_MANY)
		return flowipc__fail(
			-EINVAL, "channel options: there is no %d for threads",
			(int)known->threads);
	if (!known->payload_bytes)
		known->payload_bytes = PAYLOAD_DEFAULT;
	if (!flowipc__outbox_size(known->slots, known->payload_bytes))
		return flowipc__fail(-EINVAL,
				     "channel options: payload_bytes is %llu",
				     (unsigned long long)known->payload_bytes);
	known->payload_bytes = flowipc__page_align(known->payload_bytes);
	if (!known->payload_max_bytes)
		known->payload_max_bytes =
			known->payload_bytes > PAYLOAD_MAX_DEFAULT ?
				known->payload_bytes :
				PAYLOAD_MAX_DEFAULT;
	known->payload_max_bytes =
		flowipc__page_align(known->payload_max_bytes);
	if (known->payload_max_bytes < known->payload_bytes)
		return flowipc__fail(
			-EINVAL,
			"channel options: payload_max_bytes is %llu, less than payload_bytes",
			(unsigned long long)opts->payload_max_bytes);
	if (!known->max_message_bytes)
		known->max_message_bytes = MAX_MESSAGE_DEFAULT;
	if (known->metadata_size > FLOWIPC__METADATA_MAX ||
	    (known->metadata_size && !known->metadata))
		return flowipc__fail(
			-EINVAL,
			"channel options: metadata has %zu bytes, and may have %d",
			known->metadata_size, FLOWIPC__METADATA_MAX);
	return 0;
}

static void messages_free(struct flowipc_message *message)
{
	struct flowipc_message *next;

	for (; message; message = next) {
		next = message->next;
		free(message);
	}
}

void flowipc__channel_free(struct flowipc_channel *channel)
{
	flowipc__session_remove(channel->session, channel);
	flowipc__opening_close(&channel->opening, true);
	flowipc__loans_free(&channel->sender, channel->unread);
	flowipc__calls_free(&channel->receiver.calls);
	flowipc__views_free(channel);
	messages_free(channel->sender.unused);
	messages_free(channel->receiver.unused);
	flowipc__crowd_free(channel->sender.lane.crowd);
	flowipc__crowd_free(channel->receiver.lane.crowd);
	flowipc__doorbell_close(&channel->doorbell);
	flowipc__unmap(&channel->theirs);
	if (channel->region)
		flowipc__region_put(channel->region);
	pthread_mutex_destroy(&channel->opening.lock);
	free(channel->metadata);
	flowipc__session_put(channel->session);
	free(channel);
}

void flowipc__channel_free_if_unused(struct flowipc_channel *channel)
{
	if (!channel->sender.held && !channel->receiver.held &&
	    !channel->receiver.calls.in_flight)
		flowipc__channel_free(channel);
}

void flowipc_channel_close(struct flowipc_channel *channel)
{
	if (!channel)
		return;
	if (channel->sender.subscriber)
		flowipc__subscriber_remove(channel->sender.subscriber);
	/* A forked child has neither outbox, and nothing to give back. */
	if (flowipc__channel_is_ours(channel)) {
		flowipc__messages_discard(channel);
		flowipc__pile_discard(channel, &channel->receiver.kept);
		flowipc__calls_close(channel);
		flowipc__sender_end(channel);
	}
	channel->closed = true;
	/* It was not the peer who hung up what was cut. */
	channel->unread = !atomic_load(&channel->cut) &&
			  flowipc__doorbell_is_hung_up(&channel->doorbell);
	flowipc__session_remove(channel->session, channel);
	/* What was sent before the peer has answered is not taken back. */
	flowipc__opening_close(&channel->opening, !channel->sender.position);
	/* The peer is told now, whatever our user still holds. */
	flowipc__doorbell_close(&channel->doorbell);
	flowipc__channel_free_if_unused(channel);
}

int flowipc_channel_fd(const struct flowipc_channel *channel)
{
	return channel->doorbell.fd;
}

int flowipc_channel_space_fd(struct flowipc_channel *channel)
{
	struct lane *lane = &channel->sender.lane;
	int fd;

	flowipc__sender_enter(channel);
	fd = flowipc__doorbell_space_fd(&channel->doorbell);
	if (fd >= 0)
		lane->polled = lane->mode != FLOWIPC_WAIT_SPIN;
	flowipc__sender_leave(channel);
	return fd;
}

static int64_t channel_reclaim(struct flowipc_channel *channel)
{
	int err = flowipc__channel_error(channel);

	if (!err)
		err = flowipc__loans_tidy(channel);
	return err ? err : (int64_t)channel->sender.lent;
}

int64_t flowipc_channel_reclaim(struct flowipc_channel *channel)
{
	int64_t lent;

	flowipc__sender_enter(channel);
	lent = channel_reclaim(channel);
	flowipc__sender_leave(channel);
	return lent;
}

int flowipc_channel_memory(struct flowipc_channel *channel,
			   struct flowipc_channel_memory *memory)
{
	struct sender *sender = &channel->sender;
	struct flowipc_channel_memory known = {0};
	int64_t lent;
	int i;

	flowipc__sender_enter(channel);
	lent = channel_reclaim(channel);
	known.reserved = sender->chunks.reserved + sender->own_bytes;
	for (i = 0; i < 2; i++) {
		if (sender->spares[i].region)
			known.reserved += sender->spares[i].region->mapping.size;
	}
	known.used = flowipc__chunks_used(&sender->chunks) + sender->own_bytes;
	known.lent = sender->lent_bytes;
	known.lent_messages = (uint64_t)lent;
	known.chunks = flowipc__chunks_count(&sender->chunks);
	flowipc__sender_leave(channel);
	if (lent < 0)
		return (int)lent;
	return flowipc__options_answer(memory, &known, sizeof(known),
				       "channel memory");
}

/* Among the threads of this process. */
static int channel_share(struct flowipc_channel *channel)
{
	channel->sender.lane.crowd = flowipc__crowd_create();
	channel->receiver.lane.crowd = flowipc__crowd_create();
	return channel->sender.lane.crowd && channel->receiver.lane.crowd ?
		       0 :
		       -ENOMEM;
}

int flowipc__channel_create(struct flowipc_session *session,
			    const struct flowipc_channel_opts *opts,
			    struct flowipc_channel **channel)
{
	uint64_t size = flowipc__outbox_size(opts->slots, opts->payload_bytes);
	struct flowipc_channel *new;
	uint32_t flags = 0;
	unsigned int i;
	int err;

	new = aligned_alloc(FLOWIPC__LINE_PAIR, sizeof(*new));
	if (!new)
		return flowipc__fail(-ENOMEM, "out of memory");
	memset(new, 0, sizeof(*new));
	new->session = session;
	new->process = session->process;
	new->courier = &session->courier;
	new->doorbell = flowipc__no_doorbell;
	new->sender.lane.mode = opts->wait_mode;
	new->receiver.lane.mode = opts->wait_mode;
	new->receiver.lane.polled = opts->wait_mode != FLOWIPC_WAIT_SPIN;
	new->sender.when_full = opts->when_full;
	new->sender.max_message_bytes = opts->max_message_bytes;
	flowipc__calls_init(&new->receiver.calls);
	flowipc__session_get(session);
	flowipc__opening_init(&new->opening, new);
	for (i = 0; i < 2; i++)
		new->watches[i] = (struct watch){
			.channel = new,
			.limit_ns = opts->stuck_timeout_ms * 1000000ULL};

	err = flowipc__loans_init(&new->sender);
	if (!err && opts->threads == FLOWIPC_THREADS_MANY)
		err = channel_share(new);
	if (!err)
		err = flowipc__region_create(session->backend, size, 0,
					     &new->region);
	if (err) {
		flowipc__channel_free(new);
		return err;
	}
	if (flowipc__fence_can_be_remote())
		flags |= OUTBOX_REMOTE_FENCE;
	if (opts->when_full == FLOWIPC_FULL_DROP_OLDEST)
		flags |= OUTBOX_DROPS;
	flowipc__outbox_format(&new->mine, &new->region->mapping, opts->slots,
			       opts->payload_bytes, flags);
	err = flowipc__chunks_init(&new->sender.chunks, new->mine.payload,
				   opts->payload_bytes,
				   opts->payload_max_bytes);
	if (err) {
		flowipc__channel_free(new);
		return err;
	}
	*channel = new;
	return 0;
}

int flowipc__channel_describe(struct flowipc_channel *channel,
			      const void *metadata, size_t size)
{
	if (!size)
		return 0;
	channel->metadata = malloc(size);
	if (!channel->metadata)
		return flowipc__fail(-ENOMEM, "out of memory");
	memcpy(channel->metadata, metadata, size);
	channel->metadata_size = size;
	return 0;
}

const void *flowipc_channel_metadata(const struct flowipc_channel *channel,
				     size_t *size)
{
	if (size)
		*size = channel->metadata_size;
	return channel->metadata;
}

int flowipc__channel_import(struct flowipc_channel *channel, int outbox_fd,
			    struct outbox *theirs)
{
	struct mapping mapping;
	int err;

	err = channel->session->backend->region_import(outbox_fd, &mapping);
	if (err)
		return err;
	err = flowipc__outbox_open(theirs, &mapping);
	if (err)
		flowipc__unmap(&mapping);
	else
		channel->theirs = mapping;
	return err;
}

void flowipc__channel_prepare(struct flowipc_channel *channel,
			      const struct outbox *theirs, uint32_t number,
			      uint64_t token, bool opener)
{
	struct sender *sender = &channel->sender;
	struct receiver *receiver = &channel->receiver;
	bool remote_fence = channel->mine.remote_fence && theirs->remote_fence;

	snprintf(sender->label, sizeof(sender->label), "%s#%u%c",
		 channel->session->name, number, opener ? '>' : '<');
	snprintf(receiver->label, sizeof(receiver->label), "%s#%u%c",
		 channel->session->name, number, opener ? '<' : '>');
	token &= ~1ULL;
	sender->lane = (struct lane){
		.doorbell = &channel->doorbell,
		.courier = channel->courier,
		.crowd = sender->lane.crowd,
		.mode = sender->lane.mode,
		.polled = sender->lane.polled,
		.event = FLOWIPC__SPACE,
		.bell = &channel->mine.bells->space,
		.peer_event = FLOWIPC__MESSAGE,
		.stream = token | !opener,
		.label = sender->label,
	};
	receiver->lane = (struct lane){
		.doorbell = &channel->doorbell,
		.courier = channel->courier,
		.crowd = receiver->lane.crowd,
		.mode = receiver->lane.mode,
		.polled = receiver->lane.polled,
		.event = FLOWIPC__MESSAGE,
		.bell = &channel->mine.bells->message,
		.peer_event = FLOWIPC__SPACE,
		.stream = token | opener,
		.label = receiver->label,
	};
	if (channel->watches[0].limit_ns) {
		sender->lane.watch = &channel->watches[0];
		receiver->lane.watch = &channel->watches[1];
	}
	flowipc__lane_face(&sender->lane, theirs, remote_fence);
	flowipc__lane_face(&receiver->lane, theirs, remote_fence);
	flowipc__lane_prepare(&sender->lane);
	flowipc__lane_prepare(&receiver->lane);
}
