// SPDX-License-Identifier: MIT
/*
 * Channels that the peer opens. They wait in the control socket, which is why
 * its descriptor is readable as long as there are some; they are only read in
 * advance once the peer has hung up, to learn what it said last.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "error.h"
#include "process.h"
#include "session.h"

/* The order of the descriptors in an open; then those of the doorbell. */
enum {
	OFFER_OUTBOX,
	OFFER_ANSWER,
	OFFER_DOORBELL
};

struct flowipc_offer {
	struct flowipc_offer *next;
	struct flowipc_session *session; /* held, once it is the user's */
	struct control packet;
	int fds[FLOWIPC__PACKET_FDS];
	unsigned int fd_count;
	size_t metadata_size;
	unsigned char metadata[];
};

void flowipc__offer_free(struct flowipc_offer *offer)
{
	flowipc__close_all(offer->fds, offer->fd_count);
	free(offer);
}

/* Under the session's lock. */
static int offer_violation(struct flowipc_session *session, const char *what)
{
	int err = flowipc__fail(-EPROTO, "the peer sent %s", what);

	flowipc__session_finish(session, FLOWIPC_END_PROTOCOL, err);
	return err;
}

static void offer_say_no(const struct flowipc_session *session, int answer,
			 int error)
{
	struct control packet = {.kind = CONTROL_REFUSE, .error = error};

	if (flowipc__process_is(session->process))
		flowipc__control_send(answer, &packet, NULL, NULL, 0);
}

static int offer_create(struct flowipc_session *session,
			const struct control *packet,
			const struct packet_tail *metadata, const int *fds,
			struct flowipc_offer **offer)
{
	unsigned int count = OFFER_DOORBELL + session->backend->doorbell_fds;
	struct flowipc_offer *new = malloc(sizeof(*new) + metadata->size);

	if (!new) {
		offer_say_no(session, fds[OFFER_ANSWER], ENOMEM);
		flowipc__close_all(fds, count);
		return flowipc__fail(-ENOMEM, "out of memory");
	}
	*new = (struct flowipc_offer){.session = session,
				      .packet = *packet,
				      .fd_count = count,
				      .metadata_size = metadata->size};
	memcpy(new->fds, fds, count * sizeof(*fds));
	memcpy(new->metadata, metadata->data, metadata->size);
	*offer = new;
	return 0;
}

/* Has the opener given it up? */
static bool offer_is_withdrawn(const struct flowipc_offer *offer)
{
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;

	if (flowipc__control_receive(offer->fds[OFFER_ANSWER], &packet, NULL,
				     fds, &count))
		return false;
	flowipc__close_all(fds, count);
	return packet.kind == CONTROL_CANCEL;
}

struct flowipc_offer *flowipc__offer_next(struct flowipc_session *session)
{
	struct flowipc_offer *offer = session->offers;

	if (offer)
		session->offers = offer->next;
	return offer;
}

/*
 * Under the session's lock: read one packet. -EAGAIN: there is none; -ECANCELED:
 * there was one, but no offer in it, so look again.
 */
static int offer_read(struct flowipc_session *session,
		      struct flowipc_offer **offer)
{
	unsigned char metadata[FLOWIPC__METADATA_MAX];
	struct packet_tail tail = {.data = metadata, .size = sizeof(metadata)};
	int fds[FLOWIPC__PACKET_FDS];
	struct flowipc_offer *new = NULL;
	struct control packet;
	unsigned int count;
	int err;

	err = flowipc__control_receive(session->control, &packet, &tail, fds,
				       &count);
	switch (err) {
	case 0:
		break;
	case -EPIPE:
		flowipc__session_finish(
			session, FLOWIPC_END_PEER_DIED,
			flowipc__fail(-EPIPE,
				      "the peer has ended, without a word"));
		return flowipc__session_error(session);
	case -EMFILE:
		return flowipc__fail(err, "no descriptor left for a channel");
	case -EPROTO:
		return offer_violation(session, "an unknown packet");
	default:
		return err;
	}
	if (packet.kind == CONTROL_GOODBYE && !count) {
		flowipc__session_part(session, packet.error);
		return flowipc__session_error(session);
	}
	if (packet.kind != CONTROL_OPEN ||
	    count != OFFER_DOORBELL + session->backend->doorbell_fds ||
	    !flowipc__is_unix_socket(fds[OFFER_ANSWER], SOCK_SEQPACKET)) {
		flowipc__close_all(fds, count);
		return offer_violation(session,
				       packet.kind == CONTROL_OPEN ?
					       "an open that makes no sense" :
					       "an unknown packet");
	}
	err = offer_create(session, &packet, &tail, fds, &new);
	if (err)
		return err;
	if (offer_is_withdrawn(new)) {
		flowipc__offer_free(new);
		return -ECANCELED;
	}
	*offer = new;
	return 0;
}

/* Under the session's lock. */
static int offer_take(struct flowipc_session *session,
		      struct flowipc_offer **offer)
{
	int err;

	while ((*offer = flowipc__offer_next(session))) {
		if (!offer_is_withdrawn(*offer))
			return 0;
		flowipc__offer_free(*offer);
	}
	err = flowipc__session_error(session);
	if (err)
		return err;
	do {
		err = offer_read(session, offer);
	} while (err == -ECANCELED);
	return err;
}

void flowipc__offers_collect(struct flowipc_session *session)
{
	struct flowipc_offer **link = &session->offers;
	struct flowipc_offer *offer;
	int err;

	while (*link)
		link = &(*link)->next;
	do {
		err = offer_read(session, &offer);
		if (err)
			continue;
		offer->next = NULL;
		*link = offer;
		link = &offer->next;
	} while (!atomic_load(&session->ended) && err != -EAGAIN);
}

int flowipc_session_next_offer(struct flowipc_session *session, int timeout_ms,
			       struct flowipc_offer **offer)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct flowipc_offer *new;
	int err;

	for (;;) {
		pthread_mutex_lock(&session->lock);
		err = offer_take(session, &new);
		pthread_mutex_unlock(&session->lock);
		if (!err) {
			flowipc__session_get(session);
			*offer = new;
			return 0;
		}
		if (err == -EAGAIN)
			err = flowipc__packet_wait(session->control, POLLIN,
						   deadline);
		if (err == -ETIMEDOUT)
			flowipc__fail(err,
				      "the peer opened no channel in time");
		if (err)
			return err;
	}
}

const void *flowipc_offer_metadata(const struct flowipc_offer *offer,
				   size_t *size)
{
	if (size)
		*size = offer->metadata_size;
	return offer->metadata_size ? offer->metadata : NULL;
}

/* Answer with our outbox, and wake the opener. */
static int offer_say_yes(struct flowipc_offer *offer,
			 struct flowipc_channel *channel)
{
	struct control packet = {.kind = CONTROL_ACCEPT};
	struct flowipc_session *session = offer->session;
	struct flowipc_region *region = channel->region;
	uint64_t grant;
	int share, err;

	err = session->backend->region_share(region->fd, region->mapping.size,
					     &session->peer, &share, &grant);
	if (err)
		return err;
	err = flowipc__control_send(offer->fds[OFFER_ANSWER], &packet, NULL,
				    &share, 1);
	if (share != region->fd)
		close(share);
	/* An opener that is gone has left what it had sent. */
	if (err && err != -EPIPE)
		return flowipc__fail(err, "cannot answer the peer: %s",
				     strerror(-err));
	session->backend->doorbell_kick(&channel->doorbell, FLOWIPC__SPACE);
	return 0;
}

/* Descriptors that were taken over are no longer the offer's. */
static int offer_join(struct flowipc_offer *offer,
		      struct flowipc_channel *channel)
{
	const struct backend *backend = offer->session->backend;
	struct outbox theirs;
	int err;

	err = flowipc__channel_describe(channel, offer->metadata,
					offer->metadata_size);
	if (!err)
		err = backend->doorbell_import(&channel->doorbell,
					       offer->fds + OFFER_DOORBELL);
	if (err)
		return err;
	offer->fd_count = OFFER_DOORBELL;
	err = flowipc__channel_import(channel, offer->fds[OFFER_OUTBOX],
				      &theirs);
	if (err)
		return err;
	flowipc__channel_prepare(channel, &theirs, offer->packet.channel,
				 offer->packet.token, false);
	return offer_say_yes(offer, channel);
}

int flowipc_offer_accept(struct flowipc_offer *offer,
			 const struct flowipc_channel_opts *opts,
			 struct flowipc_channel **channel)
{
	struct flowipc_session *session = offer->session;
	struct flowipc_channel_opts known;
	struct flowipc_channel *new = NULL;
	int err;

	if (flowipc__process_is(session->process))
		err = flowipc__channel_options_read(&known, opts);
	else
		err = flowipc__process_refuse();
	if (!err && known.metadata_size)
		err = flowipc__fail(
			-EINVAL,
			"channel options: metadata is the opener's to give");
	if (!err)
		err = flowipc__channel_create(session, &known, &new);
	if (!err)
		err = offer_join(offer, new);
	if (err) {
		offer_say_no(session, offer->fds[OFFER_ANSWER], -err);
		if (err == -EPROTO)
			flowipc__session_fail(session, FLOWIPC_END_PROTOCOL,
					      err);
		if (new)
			flowipc__channel_free(new);
	} else {
		flowipc__session_add(session, new);
		*channel = new;
	}
	flowipc__offer_free(offer);
	flowipc__session_put(session);
	return err;
}

void flowipc_offer_refuse(struct flowipc_offer *offer)
{
	struct flowipc_session *session;

	if (!offer)
		return;
	session = offer->session;
	offer_say_no(session, offer->fds[OFFER_ANSWER], 0);
	flowipc__offer_free(offer);
	flowipc__session_put(session);
}

int flowipc_channel_accept(struct flowipc_session *session,
			   const struct flowipc_channel_opts *opts,
			   int timeout_ms, struct flowipc_channel **channel)
{
	struct flowipc_channel_opts known;
	struct flowipc_offer *offer;
	int err;

	/* What is wrong with them is not to be held against the peer. */
	err = flowipc__channel_options_read(&known, opts);
	if (!err)
		err = flowipc_session_next_offer(session, timeout_ms, &offer);
	return err ? err : flowipc_offer_accept(offer, opts, channel);
}
