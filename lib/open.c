// SPDX-License-Identifier: MIT
/* Opening a channel, and the answer to it; see opening.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "error.h"
#include "session.h"

/* A bell that is not known, but is to be rung for each message. */
static const _Atomic uint64_t unknown_bell = 1;

/*
 * A refusal is said. Only where the peer could not even receive the socket to
 * say it, that is closed instead; or the peer is gone, as its control socket
 * will show, which may be closed next. So much time has one that waits for the
 * answer.
 */
#define GRACE_MS 100

void flowipc__opening_init(struct opening *opening,
			   struct flowipc_channel *channel)
{
	pthread_mutex_init(&opening->lock, NULL);
	opening->channel = channel;
	opening->socket = -1;
}

void flowipc__opening_close(struct opening *opening, bool cancel)
{
	struct control packet = {.kind = CONTROL_CANCEL};

	if (opening->socket < 0)
		return;
	if (cancel && flowipc__process_is(opening->channel->process))
		flowipc__control_send(opening->socket, &packet, NULL, NULL, 0);
	close(opening->socket);
	opening->socket = -1;
}

/* There is no answer, and there will be none. */
static int opening_hung_up(struct opening *opening)
{
	struct pollfd pollfd = {.fd = opening->channel->session->control};

	if (poll(&pollfd, 1, opening->grace_ms) > 0 &&
	    pollfd.revents & (POLLHUP | POLLERR))
		return flowipc__fail(-EPIPE, "the peer is gone");
	return flowipc__fail(-ECONNREFUSED, "the peer refused the channel");
}

/* Under the lock: -EAGAIN; 0 accepted; else why not. */
static int opening_receive(struct opening *opening)
{
	struct flowipc_channel *channel = opening->channel;
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;
	int err;

	err = flowipc__control_receive(opening->socket, &packet, NULL, fds,
				       &count);
	if (err == -EPIPE)
		return opening_hung_up(opening);
	if (err == -EMFILE)
		return flowipc__fail(err, "no descriptor left for a channel");
	if (err == -EPROTO)
		return flowipc__fail(err, "the peer sent an unknown packet");
	if (err)
		return err;
	if (packet.kind == CONTROL_ACCEPT && count == 1)
		err = flowipc__channel_import(channel, fds[0],
					      &opening->theirs);
	else if (packet.kind == CONTROL_REFUSE && packet.error)
		err = flowipc__fail(-ECONNREFUSED,
				    "the peer refused the channel: %s",
				    flowipc_strerror(packet.error));
	else if (packet.kind == CONTROL_REFUSE)
		err = flowipc__fail(-ECONNREFUSED,
				    "the peer refused the channel");
	else
		err = flowipc__fail(-EPROTO, "the peer sent an unknown packet");
	flowipc__close_all(fds, count);
	return err;
}

int flowipc__opening_look(struct opening *opening, struct lane *lane)
{
	struct flowipc_channel *channel = opening->channel;
	int err = -EAGAIN;

	pthread_mutex_lock(&opening->lock);
	if (opening->socket >= 0)
		err = opening_receive(opening);
	if (err != -EAGAIN) {
		flowipc__opening_close(opening, false);
		opening->error = err;
		if (err)
			flowipc__channel_break(channel, err);
	}
	if (opening->socket < 0)
		err = opening->error;
	if (!err) {
		flowipc__lane_face(lane, &opening->theirs,
				   channel->mine.remote_fence &&
					   opening->theirs.remote_fence);
		lane->opening = NULL;
	}
	pthread_mutex_unlock(&opening->lock);
	return err == -EAGAIN ? 0 : err;
}

/* Wait for the answer, for both directions. */
static int opening_wait(struct opening *opening, uint64_t deadline)
{
	struct flowipc_channel *channel = opening->channel;
	int err;

	for (;;) {
		err = flowipc__opening_look(opening, &channel->sender.lane);
		if (!err && !channel->sender.lane.opening)
			return flowipc__opening_look(opening,
						     &channel->receiver.lane);
		if (!err)
			err = flowipc__packet_wait(opening->socket, POLLIN,
						   deadline);
		if (err == -ETIMEDOUT)
			flowipc__fail(
				err,
				"the peer did not accept the channel in time");
		if (err)
			return err;
	}
}

/* Send an open as soon as there is room for it. */
static int open_send(struct flowipc_session *session,
		     const struct control *packet,
		     const struct packet_tail *metadata, const int *fds,
		     unsigned int fd_count, uint64_t deadline)
{
	int err;

	for (;;) {
		err = flowipc__session_error(session);
		if (err)
			return err;
		err = flowipc__control_send(session->control, packet, metadata,
					    fds, fd_count);
		if (err == -EPIPE)
			return flowipc__fail(err, "the session has ended");
		if (err == -EAGAIN)
			err = flowipc__packet_wait(session->control, POLLOUT,
						   deadline);
		else
			return err;
		if (err)
			return flowipc__fail(
				err,
				"the peer does not look at the channels that were opened before");
	}
}

/* Pass our outbox, the peer's end of the answer socket, and @doorbell. */
static int opening_announce(struct opening *opening, struct control *packet,
			    const struct packet_tail *metadata,
			    const int *doorbell, uint64_t deadline)
{
	struct flowipc_channel *channel = opening->channel;
	struct flowipc_session *session = channel->session;
	const struct backend *backend = session->backend;
	struct flowipc_region *region = channel->region;
	int fds[2 + FLOWIPC__DOORBELL_FDS];
	uint64_t grant;
	int answer[2];
	int err;

	err = backend->region_share(region->fd, region->mapping.size,
				    &session->peer, &fds[0], &grant);
	if (err)
		return err;
	err = flowipc__packet_pair(answer);
	if (!err) {
		opening->socket = answer[0];
		fds[1] = answer[1];
		memcpy(fds + 2, doorbell,
		       backend->doorbell_fds * sizeof(*doorbell));
		err = open_send(session, packet, metadata, fds,
				2 + backend->doorbell_fds, deadline);
		close(answer[1]);
	}
	if (fds[0] != region->fd)
		close(fds[0]);
	return err;
}

static int channel_announce(struct flowipc_channel *channel, uint64_t deadline)
{
	const struct backend *backend = channel->session->backend;
	struct packet_tail metadata = {.data = channel->metadata,
				       .size = channel->metadata_size};
	struct control packet = {.kind = CONTROL_OPEN};
	int theirs[FLOWIPC__DOORBELL_FDS];
	int err;

	err = backend->doorbell_create(&channel->doorbell, theirs);
	if (err)
		return err;
	packet.channel = atomic_fetch_add(&channel->session->next_channel, 2);
	if (getrandom(&packet.token, sizeof(packet.token), GRND_NONBLOCK) !=
	    sizeof(packet.token))
		packet.token = flowipc__now();
	flowipc__channel_prepare(channel, flowipc__outbox_blank(),
				 packet.channel, packet.token, true);
	channel->sender.lane.opening = &channel->opening;
	channel->sender.lane.peer_bell = &unknown_bell;
	channel->receiver.lane.opening = &channel->opening;
	err = opening_announce(&channel->opening, &packet, &metadata, theirs,
			       deadline);
	flowipc__close_all(theirs, backend->doorbell_fds);
	return err;
}

int flowipc__channel_begin(struct flowipc_session *session,
			   const struct flowipc_channel_opts *opts,
			   uint64_t deadline, struct flowipc_channel **channel)
{
	struct flowipc_channel_opts known;
	struct flowipc_channel *new;
	int err;

	err = flowipc__channel_options_read(&known, opts);
	if (err)
		return err;
	err = flowipc__channel_create(session, &known, &new);
	if (err)
		return err;
	err = flowipc__channel_describe(new, known.metadata,
					known.metadata_size);
	if (!err)
		err = channel_announce(new, deadline);
	if (err) {
		flowipc__channel_free(new);
		return err;
	}
	flowipc__session_add(session, new);
	*channel = new;
	return 0;
}

int flowipc_channel_open(struct flowipc_session *session,
			 const struct flowipc_channel_opts *opts,
			 int timeout_ms, struct flowipc_channel **channel)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct flowipc_channel *new;
	int err;

	err = flowipc__channel_begin(session, opts, deadline, &new);
	if (err)
		return err;
	if (deadline) {
		new->opening.grace_ms = GRACE_MS;
		err = opening_wait(&new->opening, deadline);
		new->opening.grace_ms = 0;
	}
	if (err) {
		flowipc__channel_free(new);
		return err;
	}
	*channel = new;
	return 0;
}
