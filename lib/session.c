// SPDX-License-Identifier: MIT
/* A session: what holds it, and how it ends. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "error.h"
#include "options.h"
#include "process.h"
#include "session.h"

int flowipc__session_create(int control, int courier,
			    const struct backend *backend,
			    const struct flowipc_peer *peer, const char *name,
			    bool client, struct flowipc_session **session)
{
	const char *slash = strrchr(name, '/');
	struct flowipc_session *new = calloc(1, sizeof(*new));

	if (!new) {
		close(control);
		close(courier);
		return flowipc__fail(-ENOMEM, "out of memory");
	}
	atomic_init(&new->refs, 1);
	new->process = flowipc__process();
	new->control = control;
	flowipc__packet_reserve(control);
	new->backend = backend;
	new->peer = *peer;
	strncpy(new->name, slash ? slash + 1 : name, FLOWIPC__NAME_MAX);
	atomic_init(&new->next_channel, client ? 1 : 2);
	pthread_mutex_init(&new->lock, NULL);
	flowipc__courier_init(&new->courier, courier, backend, peer);
	*session = new;
	return 0;
}

void flowipc__session_get(struct flowipc_session *session)
{
	atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
}

/* A forked child has the descriptors, but nothing to say. */
static bool session_is_ours(const struct flowipc_session *session)
{
	return flowipc__process_is(session->process);
}

static void session_say_goodbye(struct flowipc_session *session, int error)
{
	struct control packet = {.kind = CONTROL_GOODBYE, .error = error};

	if (!session_is_ours(session))
		return;
	/* Opens that the peer has not looked at must not be in the way. */
	flowipc__packet_use_reserve(session->control);
	flowipc__control_send(session->control, &packet, NULL, NULL, 0);
}

static void offers_drop(struct flowipc_session *session)
{
	struct flowipc_offer *offer;

	while ((offer = flowipc__offer_next(session)))
		flowipc__offer_free(offer);
}

void flowipc__session_put(struct flowipc_session *session)
{
	if (atomic_fetch_sub(&session->refs, 1) != 1)
		return;
	if (!session->end.reason)
		session_say_goodbye(session, 0);
	offers_drop(session);
	flowipc__courier_close(&session->courier);
	close(session->control);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

void flowipc_session_close(struct flowipc_session *session)
{
	if (session)
		flowipc__session_put(session);
}

/* A peer that has left by itself can still have left something. */
static bool end_breaks(enum flowipc_end_reason reason)
{
	return reason == FLOWIPC_END_PROTOCOL || reason == FLOWIPC_END_STUCK ||
	       reason == FLOWIPC_END_LOCAL;
}

void flowipc__session_add(struct flowipc_session *session,
			  struct flowipc_channel *channel)
{
	pthread_mutex_lock(&session->lock);
	channel->next_in_session = session->channels;
	channel->link_in_session = &session->channels;
	if (session->channels)
		session->channels->link_in_session = &channel->next_in_session;
	session->channels = channel;
	if (end_breaks(session->end.reason))
		atomic_store(&channel->broken, session->ended);
	pthread_mutex_unlock(&session->lock);
}

void flowipc__session_remove(struct flowipc_session *session,
			     struct flowipc_channel *channel)
{
	pthread_mutex_lock(&session->lock);
	if (channel->link_in_session) {
		*channel->link_in_session = channel->next_in_session;
		if (channel->next_in_session)
			channel->next_in_session->link_in_session =
				channel->link_in_session;
		channel->link_in_session = NULL;
	}
	pthread_mutex_unlock(&session->lock);
}

/* Under the lock: there is no going on with this peer, in any channel. */
static void session_break(struct flowipc_session *session, int error)
{
	struct flowipc_channel *channel;

	offers_drop(session);
	session_say_goodbye(session, -error);
	for (channel = session->channels; channel;
	     channel = channel->next_in_session) {
		atomic_store(&channel->broken, error);
		flowipc__channel_cut(channel);
	}
}

void flowipc__session_finish(struct flowipc_session *session,
			     enum flowipc_end_reason reason, int error)
{
	struct flowipc_session_end *end = &session->end;

	if (end->reason || !session_is_ours(session))
		return;
	end->reason = reason;
	snprintf(end->text, sizeof(end->text), "%s", flowipc_last_error());
	atomic_store(&session->ended, error);
	if (end_breaks(reason))
		session_break(session, error);
	/* Who waits for the session is woken, and its descriptor stays so. */
	shutdown(session->control, SHUT_RDWR);
}

void flowipc__session_fail(struct flowipc_session *session,
			   enum flowipc_end_reason reason, int error)
{
	pthread_mutex_lock(&session->lock);
	flowipc__session_finish(session, reason, error);
	pthread_mutex_unlock(&session->lock);
}

void flowipc__session_part(struct flowipc_session *session, int error)
{
	enum flowipc_end_reason reason = FLOWIPC_END_PEER_CLOSED;
	const char *why;

	switch (error) {
	case EPROTO:
		why = "ended the session: it says that we broke the protocol";
		break;
	case ECONNABORTED:
		why = "ended the session: it says that we are stuck";
		break;
	case EACCES:
		why = "revoked the session";
		reason = FLOWIPC_END_REVOKED;
		break;
	default:
		why = "closed the session";
	}
	flowipc__fail(-EPIPE, "the peer has %s", why);
	flowipc__session_finish(session, reason, -EPIPE);
}

int flowipc__session_error(struct flowipc_session *session)
{
	int error = atomic_load(&session->ended);

	if (!session_is_ours(session))
		return flowipc__process_refuse();
	/* The words were written before, once and for all. */
	return error ? flowipc__fail(error, "the session has ended: %s",
				     session->end.text) :
		       0;
}

/* Has the peer hung up, or is that what it says next? */
static bool control_is_at_end(const struct flowipc_session *session)
{
	struct pollfd pollfd = {.fd = session->control};
	struct control packet;

	if (poll(&pollfd, 1, 0) > 0)
		return pollfd.revents & (POLLHUP | POLLERR);
	return recv(session->control, &packet, sizeof(packet),
		    MSG_PEEK | MSG_DONTWAIT) == sizeof(packet) &&
	       packet.kind == CONTROL_GOODBYE;
}

int flowipc_session_end(struct flowipc_session *session,
			struct flowipc_session_end *end)
{
	struct error_line line;

	if (!session_is_ours(session))
		return flowipc__process_refuse();
	pthread_mutex_lock(&session->lock);
	if (!session->end.reason && control_is_at_end(session)) {
		flowipc__error_keep(&line);
		flowipc__offers_collect(session);
		flowipc__error_restore(&line);
	}
	pthread_mutex_unlock(&session->lock);
	if (!atomic_load(&session->ended))
		return -EAGAIN;
	return flowipc__options_answer(end, &session->end, sizeof(session->end),
				       "session end");
}

int flowipc_session_revoke(struct flowipc_session *session)
{
	const struct backend *backend = session->backend;
	int err;

	if (!(backend->features & FLOWIPC_HAS_REVOKE))
		return flowipc__fail(-EOPNOTSUPP,
				     "the %s back end cannot revoke memory",
				     flowipc_backend_name(backend->id));
	if (!session_is_ours(session))
		return flowipc__process_refuse();
	err = flowipc__courier_revoke(&session->courier);
	flowipc__fail(-EACCES, "this process has revoked it");
	flowipc__session_fail(session, FLOWIPC_END_LOCAL, -EACCES);
	return err;
}

int flowipc_session_fd(const struct flowipc_session *session)
{
	return session->control;
}

void flowipc_session_peer(const struct flowipc_session *session,
			  struct flowipc_peer *peer)
{
	*peer = session->peer;
}

enum flowipc_backend
flowipc_session_backend(const struct flowipc_session *session)
{
	return session->backend->id;
}
