/* SPDX-License-Identifier: MIT */
/* What a session consists of. */
#ifndef FLOWIPC_LIB_SESSION_H
#define FLOWIPC_LIB_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <flowipc/offer.h>
#include <flowipc/session.h>

#include "backend.h"
#include "control.h"
#include "courier.h"
#include "packet.h"

#define FLOWIPC__NAME_MAX 64

struct flowipc_session {
	/* One for the user, one for each channel and each offer. */
	_Atomic unsigned int refs;
	uint64_t process;
	int control;
	const struct backend *backend;
	struct flowipc_peer peer;
	struct courier courier;
	char name[FLOWIPC__NAME_MAX + 1];
	_Atomic uint32_t next_channel;

	/* Guards the rest, and reading from the control socket. */
	pthread_mutex_t lock;
	struct flowipc_offer *offers; /* read on the way to the end */
	struct flowipc_channel *channels;
	/* 0, or what to tell those who want something of it. */
	_Atomic int ended;
	struct flowipc_session_end end;
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

/* The list of channels that end with the session. */
void flowipc__session_add(struct flowipc_session *session,
			  struct flowipc_channel *channel);
void flowipc__session_remove(struct flowipc_session *session,
			     struct flowipc_channel *channel);

/*
 * End a session, unless it has ended: what is wanted of it from now on gives
 * @error. Why, in words, is the last error. Unless the peer has left by itself,
 * its channels end with it.
 */
void flowipc__session_fail(struct flowipc_session *session,
			   enum flowipc_end_reason reason, int error);
/* The same, under the lock. */
void flowipc__session_finish(struct flowipc_session *session,
			     enum flowipc_end_reason reason, int error);
/* Under the lock: the peer has said goodbye, because of @error of ours or 0. */
void flowipc__session_part(struct flowipc_session *session, int error);
/* The error of a session that has ended, with its words, else 0. */
int flowipc__session_error(struct flowipc_session *session);

/* offer.c: read what is left on the way to the end. Under the lock. */
void flowipc__offers_collect(struct flowipc_session *session);
/* Take what was read in that way. NULL: nothing. */
struct flowipc_offer *flowipc__offer_next(struct flowipc_session *session);
void flowipc__offer_free(struct flowipc_offer *offer);

#endif
