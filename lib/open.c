// SPDX-License-Identifier: MIT
/*
 * Opening and accepting channels, over the control socket of a session.
 *
 * The opener passes its outbox and the peer's end of a doorbell, the acceptor
 * answers with its own outbox. Each side may open, also both at once, so
 * whoever waits for an answer may find an open instead, which goes into a list
 * until it is accepted.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "session.h"

#define OPEN_TIMEOUT_MS 5000

/* Opens of the peer that wait to be accepted; more are refused. */
#define PENDING_MAX 64

/* Packets in a row. More than can wait in a socket come from an enemy. */
#define PACKETS_MAX 4096

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

static void control_answer(struct flowipc_session *session,
			   enum control_kind kind, uint32_t channel, int error)
{
	struct control packet = {
		.kind = kind, .channel = channel, .error = error};

	flowipc__control_send(session->control, &packet, NULL, 0);
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
		control_answer(session, CONTROL_REFUSE, packet->channel,
			       EAGAIN);
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

/* Take the open of channel @number, or with 0 the oldest, out of the list. */
static struct control_pending *pending_take(struct flowipc_session *session,
					    uint32_t number)
{
	struct control_pending **link = &session->pending;
	struct control_pending *found;

	while (*link && number && (*link)->packet.channel != number)
		link = &(*link)->next;
	found = *link;
	if (found) {
		*link = found->next;
		session->pending_count--;
	}
	return found;
}

static void pending_drop(struct control_pending *pending)
{
	if (!pending)
		return;
	flowipc__close_all(pending->fds, pending->fd_count);
	free(pending);
}

/*
 * Receive control packets until one is the answer to our open of channel
 * @number, whose descriptors are then the caller's. Opens of the peer go into
 * the list, and come out again when the peer has given them up. An answer to
 * an open that we gave up is dropped. -EAGAIN: there is nothing more.
 */
static int control_next(struct flowipc_session *session, uint32_t number,
			struct control *packet, int *fds,
			unsigned int *fd_count)
{
	int budget = PACKETS_MAX;
	int err;

	while (budget--) {
		err = flowipc__control_receive(session->control, packet, fds,
					       fd_count);
		if (err == -EMFILE && packet->kind == CONTROL_OPEN)
			control_answer(session, CONTROL_REFUSE, packet->channel,
				       EMFILE);
		switch (err) {
		case 0:
			break;
		case -EPIPE:
			return flowipc__fail(err, "the session has ended");
		case -EPROTO:
			return flowipc__fail(err,
					     "the peer sent an unknown packet");
		case -EMFILE:
			return flowipc__fail(
				err, "no descriptor left for a channel");
		default:
			return err;
		}
		switch (packet->kind) {
		case CONTROL_OPEN:
			pending_add(session, packet, fds, *fd_count);
			break;
		case CONTROL_CANCEL:
			pending_drop(pending_take(session, packet->channel));
			flowipc__close_all(fds, *fd_count);
			break;
		case CONTROL_ACCEPT:
		case CONTROL_REFUSE:
			if (number && packet->channel == number)
				return 0;
			flowipc__close_all(fds, *fd_count);
			break;
		default:
			flowipc__close_all(fds, *fd_count);
			return flowipc__fail(-EPROTO,
					     "the peer sent an unknown packet");
		}
	}
	return flowipc__fail(-EPROTO, "the peer sends packets without end");
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
		err = control_next(session, number, &packet, fds, &count);
		if (!err)
			break;
		if (err == -EAGAIN)
			err = flowipc__packet_wait(session->control, POLLIN,
						   deadline);
		if (err == -ETIMEDOUT)
			flowipc__fail(
				err,
				"the peer did not accept the channel in time");
		if (err) {
			control_answer(session, CONTROL_CANCEL, number, 0);
			return err;
		}
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
	err = flowipc__channel_options_read(&known, opts);
	if (err)
		return err;
	err = flowipc__channel_create(session, &known, &new);
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
	err = flowipc__channel_join(new, outbox_fd, packet.channel,
				    packet.token, true);
	if (err)
		goto fail;
	*channel = new;
	return 0;
fail:
	flowipc__channel_free(new);
	return err;
}

/* Wait for an open of the peer. */
static int open_wait(struct flowipc_session *session, uint64_t deadline,
		     struct control_pending **open)
{
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;
	int err;

	for (;;) {
		/* All there is, because the peer may have given up by now. */
		err = control_next(session, 0, &packet, fds, &count);
		*open = pending_take(session, 0);
		if (*open)
			return 0;
		if (err == -EAGAIN)
			err = flowipc__packet_wait(session->control, POLLIN,
						   deadline);
		if (err == -ETIMEDOUT)
			flowipc__fail(err, "the peer opened no channel in time");
		if (err)
			return err;
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
	err = flowipc__channel_create(session, opts, &new);
	if (err) {
		flowipc__close_all(fds, count);
		return err;
	}
	err = backend->doorbell_import(&new->doorbell, fds + 1);
	if (err) {
		flowipc__close_all(fds, count);
		goto fail;
	}
	err = flowipc__channel_join(new, fds[0], packet->channel, packet->token,
				    false);
	if (err)
		goto fail;
	err = channel_announce(new, &reply, NULL, 0);
	if (err)
		goto fail;
	*channel = new;
	return 0;
fail:
	flowipc__channel_free(new);
	return err;
}

int flowipc_channel_accept(struct flowipc_session *session,
			   const struct flowipc_channel_opts *opts,
			   int timeout_ms, struct flowipc_channel **channel)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct flowipc_channel_opts known;
	struct control_pending *open;
	int err;

	err = flowipc__channel_options_read(&known, opts);
	if (err)
		return err;
	err = open_wait(session, deadline, &open);
	if (err)
		return err;
	err = open_accept(session, &known, &open->packet, open->fds,
			  open->fd_count, channel);
	if (err)
		control_answer(session, CONTROL_REFUSE, open->packet.channel,
			       -err);
	free(open);
	return err;
}
