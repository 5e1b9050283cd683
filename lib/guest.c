// SPDX-License-Identifier: MIT
/*
 * A client is heard on a socket of its own, next to all others, so that one
 * that says nothing delays nobody.
 *
 * It is told of a refusal no more than that there is one, or, if it is welcome
 * but too old or too new, what it would have to speak. Who was refused, and
 * why, is remembered for the server.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "error.h"
#include "guest.h"
#include "options.h"
#include "session.h"

#define PATIENCE_NS 5000000000ULL

int flowipc__lobby_open(struct lobby *lobby)
{
	int i;

	for (i = 0; i < FLOWIPC__GUESTS_MAX; i++)
		lobby->guests[i].socket = -1;
	lobby->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (lobby->epoll < 0)
		return flowipc__fail(-errno,
				     "cannot make an epoll instance: %s",
				     strerror(errno));
	return 0;
}

void flowipc__lobby_close(struct lobby *lobby)
{
	int i;

	for (i = 0; i < FLOWIPC__GUESTS_MAX; i++) {
		if (lobby->guests[i].socket >= 0)
			close(lobby->guests[i].socket);
	}
	if (lobby->epoll >= 0)
		close(lobby->epoll);
	flowipc__policy_clear(&lobby->policy);
}

int flowipc__lobby_watch(struct lobby *lobby, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(lobby->epoll, EPOLL_CTL_ADD, fd, &event))
		return flowipc__fail(-errno, "cannot watch a socket: %s",
				     strerror(errno));
	return 0;
}

static void refusal_add(struct lobby *lobby, const struct guest *guest,
			enum flowipc_refusal_reason reason, const char *text)
{
	struct flowipc_refusal *new;

	if (lobby->refusal_count == FLOWIPC__REFUSALS_MAX) {
		lobby->refusal_first++;
		lobby->refusal_count--;
		lobby->refusals_lost++;
	}
	new = &lobby->refusals[(lobby->refusal_first + lobby->refusal_count++) %
			       FLOWIPC__REFUSALS_MAX];
	*new = (struct flowipc_refusal){.peer = guest->peer, .reason = reason};
	snprintf(new->text, sizeof(new->text), "%s", text);
}

int flowipc__refusal_take(struct lobby *lobby, struct flowipc_refusal *refusal)
{
	struct flowipc_refusal *oldest;
	int err;

	if (!lobby->refusal_count)
		return -EAGAIN;
	oldest = &lobby->refusals[lobby->refusal_first % FLOWIPC__REFUSALS_MAX];
	oldest->lost = lobby->refusals_lost;
	err = flowipc__options_answer(refusal, oldest, sizeof(*oldest),
				      "refusal");
	if (err)
		return err;
	lobby->refusal_first++;
	lobby->refusal_count--;
	lobby->refusals_lost = 0;
	return 0;
}

static void guest_dismiss(struct guest *guest)
{
	/* Closing a socket takes it out of the epoll instance, too. */
	close(guest->socket);
	guest->socket = -1;
}

static void guest_refuse(struct lobby *lobby, struct guest *guest,
			 enum flowipc_refusal_reason reason, const char *text)
{
	struct control packet = {.kind = CONTROL_REFUSED, .error = EACCES};

	switch (reason) {
	case FLOWIPC_REFUSED_VERSION:
	case FLOWIPC_REFUSED_BACKEND:
		packet.error = EPROTONOSUPPORT;
		packet.oldest = FLOWIPC__PROTOCOL_OLDEST;
		packet.newest = FLOWIPC__PROTOCOL;
		packet.backends = lobby->backends;
		break;
	case FLOWIPC_REFUSED_SILENT:
	case FLOWIPC_REFUSED_PROTOCOL:
		packet.error = EPROTO;
		break;
	default:
		break;
	}
	flowipc__control_send(guest->socket, &packet, NULL, NULL, 0);
	refusal_add(lobby, guest, reason, text);
	guest_dismiss(guest);
}

/* A place for one more guest: the one who was silent for longest must go. */
static struct guest *guest_place(struct lobby *lobby)
{
	struct guest *oldest = &lobby->guests[0];
	int i;

	for (i = 0; i < FLOWIPC__GUESTS_MAX; i++) {
		struct guest *guest = &lobby->guests[i];

		if (guest->socket < 0)
			return guest;
		if (guest->since < oldest->since)
			oldest = guest;
	}
	guest_refuse(lobby, oldest, FLOWIPC_REFUSED_SILENT,
		     "it said nothing, and others wait");
	return oldest;
}

void flowipc__guests_expire(struct lobby *lobby)
{
	uint64_t now = flowipc__now();
	int i;

	for (i = 0; i < FLOWIPC__GUESTS_MAX; i++) {
		struct guest *guest = &lobby->guests[i];

		if (guest->socket >= 0 && now - guest->since > PATIENCE_NS)
			guest_refuse(lobby, guest, FLOWIPC_REFUSED_SILENT,
				     "it said nothing in time");
	}
}

void flowipc__guest_admit(struct lobby *lobby, int socket)
{
	struct guest *guest = guest_place(lobby);
	enum flowipc_refusal_reason reason;
	struct error_line line;

	*guest = (struct guest){.socket = socket, .since = flowipc__now()};
	flowipc__error_keep(&line);
	/* Before it says a word: what it says has no part in this. */
	if (flowipc__peer_identify(socket, &guest->peer) ||
	    flowipc__lobby_watch(lobby, socket))
		guest_dismiss(guest);
	else if (flowipc__policy_check(&lobby->policy, socket, &guest->peer,
				       &reason))
		guest_refuse(lobby, guest, reason, flowipc_last_error());
	flowipc__error_restore(&line);
}

/* The best back end that both sides offer, or NULL. */
static const struct backend *backend_agree(uint16_t ours, uint16_t theirs)
{
	uint16_t common = ours & theirs;

	if (common & 1U << FLOWIPC_BACKEND_DEVICE)
		return &flowipc__backend_device;
	if (common & 1U << FLOWIPC_BACKEND_MEMFD)
		return &flowipc__backend_memfd;
	return NULL;
}

/* A guest is welcome: the socket becomes a session's. */
static int guest_welcome(struct lobby *lobby, struct guest *guest,
			 const struct control *welcome,
			 const struct backend *backend,
			 struct flowipc_session **session)
{
	int courier[2];
	int socket, err;

	err = flowipc__packet_pair(courier);
	if (err) {
		guest_dismiss(guest);
		return err;
	}
	err = flowipc__control_send(guest->socket, welcome, NULL, &courier[1],
				    1);
	close(courier[1]);
	if (err) {
		close(courier[0]);
		guest_dismiss(guest);
		return -EAGAIN;
	}
	socket = guest->socket;
	guest->socket = -1;
	epoll_ctl(lobby->epoll, EPOLL_CTL_DEL, socket, NULL);
	return flowipc__session_create(socket, courier[0], backend,
				       &guest->peer, lobby->name, false,
				       session);
}

/* Agree on the newest of all that both sides speak. */
static int guest_agree(struct lobby *lobby, struct guest *guest,
		       const struct control *hello,
		       struct flowipc_session **session)
{
	const struct backend *backend =
		backend_agree(lobby->backends, hello->backends);
	struct control welcome = {
		.kind = CONTROL_WELCOME,
		.newest = hello->newest < FLOWIPC__PROTOCOL ? hello->newest :
							      FLOWIPC__PROTOCOL,
		.features = hello->features & FLOWIPC__FEATURES,
	};
	char text[sizeof(((struct flowipc_refusal *)0)->text)];

	if (hello->oldest > FLOWIPC__PROTOCOL ||
	    hello->newest < FLOWIPC__PROTOCOL_OLDEST) {
		snprintf(text, sizeof(text),
			 "it speaks %s of the protocol, this server %s",
			 flowipc__versions_name(hello->oldest, hello->newest)
				 .text,
			 flowipc__versions_name(FLOWIPC__PROTOCOL_OLDEST,
						FLOWIPC__PROTOCOL)
				 .text);
		guest_refuse(lobby, guest, FLOWIPC_REFUSED_VERSION, text);
		return -EAGAIN;
	}
	if (!backend) {
		snprintf(text, sizeof(text), "it can use %s, this server %s",
			 flowipc__backends_name(hello->backends).text,
			 flowipc__backends_name(lobby->backends).text);
		guest_refuse(lobby, guest, FLOWIPC_REFUSED_BACKEND, text);
		return -EAGAIN;
	}
	welcome.backends = (uint16_t)(1U << backend->id);
	return guest_welcome(lobby, guest, &welcome, backend, session);
}

static struct guest *guest_find(struct lobby *lobby, int socket)
{
	int i;

	for (i = 0; i < FLOWIPC__GUESTS_MAX; i++) {
		if (lobby->guests[i].socket == socket)
			return &lobby->guests[i];
	}
	return NULL;
}

int flowipc__guest_hear(struct lobby *lobby, int socket,
			struct flowipc_session **session)
{
	struct guest *guest = guest_find(lobby, socket);
	char later[FLOWIPC__METADATA_MAX];
	struct packet_tail tail = {.data = later, .size = sizeof(later)};
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;
	int err;

	if (!guest)
		return -EAGAIN;
	/* What a newer client says in addition is of no interest to us. */
	err = flowipc__control_receive(socket, &packet, &tail, fds, &count);
	if (err == -EAGAIN)
		return err;
	flowipc__close_all(fds, count);
	if (err == -EPIPE) {
		guest_dismiss(guest);
		return -EAGAIN;
	}
	if (err || packet.kind != CONTROL_HELLO ||
	    packet.oldest > packet.newest) {
		guest_refuse(lobby, guest, FLOWIPC_REFUSED_PROTOCOL,
			     "what it said is not of a flowipc client");
		return -EAGAIN;
	}
	return guest_agree(lobby, guest, &packet, session);
}
