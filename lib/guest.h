/* SPDX-License-Identifier: MIT */
/*
 * Clients that have knocked and have no session yet, and those of them that
 * were refused.
 */
#ifndef FLOWIPC_LIB_GUEST_H
#define FLOWIPC_LIB_GUEST_H

#include <flowipc/session.h>

#include "policy.h"

#define FLOWIPC__GUESTS_MAX 64

/* Refusals that are remembered. Of more, the oldest are forgotten. */
#define FLOWIPC__REFUSALS_MAX 64

struct guest {
	int socket; /* -1: this place is free */
	uint64_t since;
	struct flowipc_peer peer;
};

struct lobby {
	int epoll; /* a guest with something to say is readable here */
	const char *name; /* of the service */
	struct policy policy;
	uint16_t backends;
	struct guest guests[FLOWIPC__GUESTS_MAX];
	struct flowipc_refusal refusals[FLOWIPC__REFUSALS_MAX];
	unsigned int refusal_first;
	unsigned int refusal_count;
	uint64_t refusals_lost;
};

/* Policy, name and back ends are the caller's to fill in, before. */
int flowipc__lobby_open(struct lobby *lobby);
void flowipc__lobby_close(struct lobby *lobby);

int flowipc__lobby_watch(struct lobby *lobby, int fd);

/* A client has knocked. Takes @socket over. */
void flowipc__guest_admit(struct lobby *lobby, int socket);
/* Dismiss those who have been silent for too long. */
void flowipc__guests_expire(struct lobby *lobby);
/*
 * Hear what the guest at @socket has to say. -EAGAIN: no session comes of it,
 * or not yet.
 */
int flowipc__guest_hear(struct lobby *lobby, int socket,
			struct flowipc_session **session);

/* Take the oldest refusal that is remembered. -EAGAIN: there is none. */
int flowipc__refusal_take(struct lobby *lobby, struct flowipc_refusal *refusal);

#endif
