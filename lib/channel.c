// SPDX-License-Identifier: MIT
/* Opening, accepting and closing channels. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "options.h"
#include "session.h"

#define SLOTS_DEFAULT	    256
#define SLOTS_MAX	    65536
#define PAYLOAD_DEFAULT	    (4ULL << 20)
#define MAX_MESSAGE_DEFAULT (16ULL << 30)
#define OPEN_TIMEOUT_MS	    5000

/* Opens of the peer that wait to be accepted; more are refused. */
#define PENDING_MAX 64

int flowipc__channel_break(struct flowipc_channel *channel, int error)
{
	atomic_store(&channel->broken, error);
	return error;
}

static int options_read(struct flowipc_channel_opts *known,
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
	if (!known->payload_bytes)
		known->payload_bytes = PAYLOAD_DEFAULT;
	if (!flowipc__outbox_size(known->slots, known->payload_bytes))
		return flowipc__fail(-EINVAL,
				     "channel options: payload_bytes is %llu",
				     (unsigned long long)known->payload_bytes);
	known->payload_bytes = flowipc__page_align(known->payload_bytes);
	if (!known->max_message_bytes)
		known->max_message_bytes = MAX_MESSAGE_DEFAULT;
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

static void channel_free(struct flowipc_channel *channel)
{
	flowipc__loans_free(&channel->sender);
	messages_free(channel->sender.unused);
	messages_free(channel->receiver.unused);
	flowipc__doorbell_close(&channel->doorbell);
	flowipc__unmap(&channel->theirs.mapping);
	if (channel->region)
		flowipc__region_put(channel->region);
	flowipc__session_put(channel->session);
	free(channel);
}

void flowipc__channel_free_if_unused(struct flowipc_channel *channel)
{
	if (!channel->sender.held && !channel->receiver.held)
		channel_free(channel);
}

void flowipc_channel_close(struct flowipc_channel *channel)
{
	if (!channel)
		return;
	if (channel->receiver.kept)
		flowipc_message_release(channel->receiver.kept);
	channel->closed = true;
	/* The peer is told now, whatever our user still holds. */
	flowipc__doorbell_close(&channel->doorbell);
	flowipc__channel_free_if_unused(channel);
}

int flowipc_channel_fd(const struct flowipc_channel *channel)
{
	return channel->doorbell.fd;
}

int64_t flowipc_channel_reclaim(struct flowipc_channel *channel)
{
	int err = flowipc__channel_error(channel);

	if (!err)
		err = flowipc__loans_reclaim(channel);
	return err ? err : (int64_t)channel->sender.lent;
}

/* Our half: the outbox and the books. */
static int channel_create(struct flowipc_session *session,
			  const struct flowipc_channel_opts *opts,
			  struct flowipc_channel **channel)
{
	uint64_t size = flowipc__outbox_size(opts->slots, opts->payload_bytes);
	struct flowipc_channel *new;
	int err;

	new = aligned_alloc(FLOWIPC__LINE_PAIR, sizeof(*new));
	if (!new)
		return flowipc__fail(-ENOMEM, "out of memory");
	memset(new, 0, sizeof(*new));
	new->session = session;
	new->courier = &session->courier;
	new->doorbell.fd = -1;
	new->doorbell.space_fd = -1;
	new->sender.lane.mode = opts->wait_mode;
	new->receiver.lane.mode = opts->wait_mode;
	new->sender.max_message_bytes = opts->max_message_bytes;
	flowipc__session_get(session);

	err = flowipc__loans_init(&new->sender, opts->payload_bytes);
	if (!err)
		err = flowipc__region_create(session->backend, size,
					     &new->region);
	if (err) {
		channel_free(new);
		return err;
	}
	flowipc__outbox_format(&new->mine, &new->region->mapping, opts->slots,
			       opts->payload_bytes,
			       flowipc__fence_can_be_remote());
	*channel = new;
	return 0;
}

/* The peer's half has come: join the two. Takes @outbox_fd over. */
static int channel_join(struct flowipc_channel *channel, int outbox_fd,
			uint32_t number, uint64_t token, bool opener)
{
	struct sender *sender = &channel->sender;
	struct receiver *receiver = &channel->receiver;
	struct mapping mapping;
	bool remote_fence;
	int err;

	err = channel->session->backend->region_import(outbox_fd, &mapping);
	close(outbox_fd);
	if (err)
		return err;
	err = flowipc__outbox_open(&channel->theirs, &mapping);
	if (err) {
		flowipc__unmap(&mapping);
		return err;
	}

	remote_fence =
		channel->mine.remote_fence && channel->theirs.remote_fence;
	snprintf(sender->label, sizeof(sender->label), "%s#%u%c",
		 channel->session->name, number, opener ? '>' : '<');
	snprintf(receiver->label, sizeof(receiver->label), "%s#%u%c",
		 channel->session->name, number, opener ? '<' : '>');
	token &= ~1ULL;
	sender->lane = (struct lane){
		.doorbell = &channel->doorbell,
		.courier = channel->courier,
		.mode = sender->lane.mode,
		.remote_fence = remote_fence,
		.event = FLOWIPC__SPACE,
		.bell = &channel->mine.bells->space,
		.peer_event = FLOWIPC__MESSAGE,
		.peer_bell = &channel->theirs.bells->message,
		.stream = token | !opener,
		.label = sender->label,
	};
	receiver->lane = (struct lane){
		.doorbell = &channel->doorbell,
		.courier = channel->courier,
		.mode = receiver->lane.mode,
		.remote_fence = remote_fence,
		.event = FLOWIPC__MESSAGE,
		.bell = &channel->mine.bells->message,
		.peer_event = FLOWIPC__SPACE,
		.peer_bell = &channel->theirs.bells->space,
		.stream = token | opener,
		.label = receiver->label,
	};
	flowipc__lane_prepare(&sender->lane);
	flowipc__lane_prepare(&receiver->lane);
	return 0;
}

/* Pass our outbox, and @fds with it. */
static int channel_announce(struct flowipc_channel *channel,
			    const struct control *packet, const int *fds,
			    unsigned int fd_count)
{
	struct flowipc_session *session = channel->session;
	struct flowipc_region *region = channel->region;
	int passed[FLOWIPC__PACKET_FDS];
	unsigned int i;
	int err;

	err = session->backend->region_share(region->fd, region->mapping.size,
					     &session->peer, &passed[0]);
	if (err)
		return err;
	for (i = 0; i < fd_count; i++)
		passed[1 + i] = fds[i];
	err = flowipc__control_send(session->control, packet, passed,
				    1 + fd_count);
	if (passed[0] != region->fd)
		close(passed[0]);
	if (err)
		return flowipc__fail(err == -EAGAIN ? -EPIPE : err,
				     "the session has ended");
	return 0;
}

static void refuse(struct flowipc_session *session,
		   const struct control *packet, int error)
{
	struct control reply = {.kind = CONTROL_REFUSE,
				.channel = packet->channel,
				.error = error};

	flowipc__control_send(session->control, &reply, NULL, 0);
}

/* An open of the peer that nobody has accepted yet. */
static void pending_add(struct flowipc_session *session,
			const struct control *packet, const int *fds,
			unsigned int fd_count)
{
	struct control_pending **link = &session->pending;
	struct control_pending *new = NULL;

	if (session->pending_count < PENDING_MAX)
		new = malloc(sizeof(*new));
	if (!new) {
		refuse(session, packet, EAGAIN);
		flowipc__close_all(fds, fd_count);
		return;
	}
	*new = (struct control_pending){.packet = *packet,
					.fd_count = fd_count};
	memcpy(new->fds, fds, fd_count * sizeof(*fds));
	while (*link)
		link = &(*link)->next;
	*link = new;
	session->pending_count++;
}

static bool pending_take(struct flowipc_session *session,
			 struct control *packet, int *fds,
			 unsigned int *fd_count)
{
	struct control_pending *first = session->pending;

	if (!first)
		return false;
	*packet = first->packet;
	*fd_count = first->fd_count;
	memcpy(fds, first->fds, first->fd_count * sizeof(*fds));
	session->pending = first->next;
	session->pending_count--;
	free(first);
	return true;
}

static int control_wait(struct flowipc_session *session, uint64_t deadline,
			struct control *packet, int *fds,
			unsigned int *fd_count)
{
	int err;

	for (;;) {
		err = flowipc__control_receive(session->control, packet, fds,
					       fd_count);
		if (err == -EPIPE)
			return flowipc__fail(err, "the session has ended");
		if (err == -EPROTO)
			return flowipc__fail(err,
					     "the peer sent an unknown packet");
		if (err != -EAGAIN)
			return err;
		err = flowipc__packet_wait(session->control, POLLIN, deadline);
		if (err)
			return err;
	}
}

/* Wait for the peer's answer to our open of channel @number. */
static int answer_wait(struct flowipc_session *session, uint32_t number,
		       uint64_t deadline, int *outbox_fd)
{
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;
	int err;

	for (;;) {
		err = control_wait(session, deadline, &packet, fds, &count);
		if (err == -ETIMEDOUT)
			return flowipc__fail(
				err,
				"the peer did not accept the channel in time");
		if (err)
			return err;
		if (packet.kind == CONTROL_OPEN) {
			pending_add(session, &packet, fds, count);
			continue;
		}
		if (packet.channel == number)
			break;
		/* To an open that was given up. */
		flowipc__close_all(fds, count);
	}
	if (packet.kind == CONTROL_ACCEPT && count == 1) {
		*outbox_fd = fds[0];
		return 0;
	}
	flowipc__close_all(fds, count);
	if (packet.kind == CONTROL_REFUSE)
		return flowipc__fail(-ECONNREFUSED,
				     "the peer refused the channel: %s",
				     flowipc_strerror(packet.error));
	return flowipc__fail(-EPROTO, "the peer sent an unknown packet");
}

int flowipc_channel_open(struct flowipc_session *session,
			 const struct flowipc_channel_opts *opts,
			 int timeout_ms, struct flowipc_channel **channel)
{
	const struct backend *backend = session->backend;
	struct control packet = {.kind = CONTROL_OPEN};
	int theirs[FLOWIPC__DOORBELL_FDS];
	struct flowipc_channel_opts known;
	struct flowipc_channel *new;
	uint64_t deadline;
	int outbox_fd = -1, err;

	deadline = flowipc__deadline(timeout_ms ? timeout_ms : OPEN_TIMEOUT_MS);
	err = options_read(&known, opts);
	if (err)
		return err;
	err = channel_create(session, &known, &new);
	if (err)
		return err;
	err = backend->doorbell_create(&new->doorbell, theirs);
	if (err)
		goto fail;
	packet.channel = session->next_channel;
	session->next_channel += 2;
	if (getrandom(&packet.token, sizeof(packet.token), GRND_NONBLOCK) !=
	    sizeof(packet.token))
		packet.token = flowipc__now();
	err = channel_announce(new, &packet, theirs, backend->doorbell_fds);
	flowipc__close_all(theirs, backend->doorbell_fds);
	if (err)
		goto fail;
	err = answer_wait(session, packet.channel, deadline, &outbox_fd);
	if (err)
		goto fail;
	err = channel_join(new, outbox_fd, packet.channel, packet.token, true);
	if (err)
		goto fail;
	*channel = new;
	return 0;
fail:
	channel_free(new);
	return err;
}

/* Wait for an open of the peer. */
static int open_wait(struct flowipc_session *session, uint64_t deadline,
		     struct control *packet, int *fds, unsigned int *count)
{
	int err;

	if (pending_take(session, packet, fds, count))
		return 0;
	for (;;) {
		err = control_wait(session, deadline, packet, fds, count);
		if (err || packet->kind == CONTROL_OPEN)
			return err;
		/* An answer to an open that was given up. */
		flowipc__close_all(fds, *count);
	}
}

/* Make our half for an open of the peer's. Takes the descriptors over. */
static int open_accept(struct flowipc_session *session,
		       const struct flowipc_channel_opts *opts,
		       const struct control *packet, const int *fds,
		       unsigned int count, struct flowipc_channel **channel)
{
	struct control reply = {.kind = CONTROL_ACCEPT,
				.channel = packet->channel};
	const struct backend *backend = session->backend;
	struct flowipc_channel *new;
	int err;

	if (count != 1 + backend->doorbell_fds) {
		flowipc__close_all(fds, count);
		return flowipc__fail(
			-EPROTO,
			"the peer opened a channel with %u descriptors", count);
	}
	err = channel_create(session, opts, &new);
	if (err) {
		flowipc__close_all(fds, count);
		return err;
	}
	err = backend->doorbell_import(&new->doorbell, fds + 1);
	if (err) {
		flowipc__close_all(fds, count);
		goto fail;
	}
	err = channel_join(new, fds[0], packet->channel, packet->token, false);
	if (err)
		goto fail;
	err = channel_announce(new, &reply, NULL, 0);
	if (err)
		goto fail;
	*channel = new;
	return 0;
fail:
	channel_free(new);
	return err;
}

int flowipc_channel_accept(struct flowipc_session *session,
			   const struct flowipc_channel_opts *opts,
			   int timeout_ms, struct flowipc_channel **channel)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct flowipc_channel_opts known;
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;
	int err;

	err = options_read(&known, opts);
	if (err)
		return err;
	err = open_wait(session, deadline, &packet, fds, &count);
	if (err)
		return err;
	err = open_accept(session, &known, &packet, fds, count, channel);
	if (err)
		refuse(session, &packet, -err);
	return err;
}
