/* SPDX-License-Identifier: MIT */
/* What a session consists of. */
#ifndef FLOWIPC_LIB_SESSION_H
#define FLOWIPC_LIB_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>

#include <flowipc/session.h>

#include "backend.h"
#include "control.h"
#include "courier.h"
#include "packet.h"

#define FLOWIPC__NAME_MAX 64

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

#endif
