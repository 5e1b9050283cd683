/* SPDX-License-Identifier: MIT */
/* Sessions, and the packets on their control sockets. */
#ifndef FLOWIPC_LIB_SESSION_H
#define FLOWIPC_LIB_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>

#include <flowipc/session.h>

#include "backend.h"
#include "courier.h"
#include "packet.h"

#define FLOWIPC__NAME_MAX 64

/* The oldest and the newest protocol that this library speaks. */
#define FLOWIPC__PROTOCOL_OLDEST 1
#define FLOWIPC__PROTOCOL	 1

#define FLOWIPC__CONTROL_MAGIC 0x636f6c66 /* "floc" */

enum control_kind {
	CONTROL_HELLO = 1, /* client: versions, back ends */
	CONTROL_WELCOME =
		2, /* server: version, back end; the courier's socket */
	CONTROL_REFUSED = 3, /* server: error */
	CONTROL_OPEN = 4, /* channel, token; outbox, doorbell */
	CONTROL_ACCEPT = 5, /* channel; outbox */
	CONTROL_REFUSE = 6, /* channel, error */
	CONTROL_CANCEL = 7, /* channel: the opener waits no more */
};

struct control {
	uint32_t magic;
	uint16_t kind;
	uint16_t backends; /* bits 1 << enum flowipc_backend */
	uint16_t oldest;
	uint16_t newest;
	int32_t error; /* a positive errno */
	uint32_t channel; /* number: odd if the client opened it, else even */
	uint32_t reserved;
	uint64_t token; /* what tracers know the channel by */
};

/* An open of the peer that waits to be accepted. */
struct control_pending {
	struct control_pending *next;
	struct control packet;
	int fds[FLOWIPC__PACKET_FDS];
	unsigned int fd_count;
};

struct flowipc_session {
	/* One for the user, one for each channel. */
	_Atomic unsigned int refs;
	int control;
	const struct backend *backend;
	struct flowipc_peer peer;
	struct courier courier;
	char name[FLOWIPC__NAME_MAX + 1];
	uint32_t next_channel;
	struct control_pending *pending; /* opens of the peer, oldest first */
	unsigned int pending_count;
};

/*
 * Takes over both sockets, also when it fails. @name is for people, it is not
 * interpreted.
 */
int flowipc__session_create(int control, int courier,
			    const struct backend *backend,
			    const struct flowipc_peer *peer, const char *name,
			    bool client, struct flowipc_session **session);
void flowipc__session_get(struct flowipc_session *session);
void flowipc__session_put(struct flowipc_session *session);

int flowipc__control_send(int socket, const struct control *packet,
			  const int *fds, unsigned int fd_count);
/* -EAGAIN; -EPIPE; -EPROTO. Never waits. */
int flowipc__control_receive(int socket, struct control *packet, int *fds,
			     unsigned int *fd_count);

/* Who is at the other end of @socket, and is that one welcome? */
int flowipc__peer_identify(int socket, struct flowipc_peer *peer);
bool flowipc__peer_is_allowed(int socket, const struct flowipc_peer *peer,
			      enum flowipc_policy policy);

/* The set of back ends to offer for a session, for control.backends. */
int flowipc__backends_offer(enum flowipc_backend wanted, uint16_t *backends);

#endif
