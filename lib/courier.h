/* SPDX-License-Identifier: MIT */
/*
 * The courier of a session carries regions: it passes each region that is sent
 * from to the peer, once, under a number, and maps those that the peer passes.
 * It has a socket of its own, so that whoever reads a message and meets an
 * unknown number can fetch the region there and then: it was passed before
 * the message was published.
 */
#ifndef FLOWIPC_LIB_COURIER_H
#define FLOWIPC_LIB_COURIER_H

#include <pthread.h>
#include <stdatomic.h>

#include <flowipc/session.h>

#include "backend.h"

/* Regions that can be shared at a time in a session, each way. */
#define FLOWIPC__REGIONS_MAX 1024

/* Lists that what is shared is divided among, by the region. */
#define FLOWIPC__SHARE_LISTS 256

struct flowipc_region;
struct import;

struct courier {
	int socket;
	const struct backend *backend;
	struct flowipc_peer peer;

	/* What we share: under the lock of all shares, see courier.c. */
	struct share *shares[FLOWIPC__REGIONS_MAX];
	struct share *by_region[FLOWIPC__SHARE_LISTS];
	uint32_t generation;
	bool revoked; /* nothing is shared any more */
	/* Withdrawals for which the peer had no room; read without the lock. */
	_Atomic unsigned int unsaid;

	/* What the peer shares; how many of them is read without the lock. */
	pthread_mutex_t lock;
	_Atomic unsigned int import_count;
	/* Goes up when one was withdrawn while it is held. */
	_Atomic uint32_t withdrawals;
	struct import *imports[FLOWIPC__REGIONS_MAX];
};

/* Takes over @socket. */
void flowipc__courier_init(struct courier *courier, int socket,
			   const struct backend *backend,
			   const struct flowipc_peer *peer);
void flowipc__courier_close(struct courier *courier);

/*
 * See that the peer has @region, one of the same back end; *number is what it
 * is called in slots. -EAGAIN: the peer is behind with what it was told before;
 * -EACCES: all was revoked.
 */
int flowipc__courier_share(struct courier *courier,
			   struct flowipc_region *region, uint32_t *number);
/* A message that was to be sent from it, or was, will not be received. */
void flowipc__courier_unshare(struct courier *courier,
			      struct flowipc_region *region);
/* Nobody sends from the region any more: tell all peers to unmap it. */
void flowipc__courier_withdraw(struct flowipc_region *region);
/* All messages that were sent from a region, where share() was not asked. */
void flowipc__courier_count(struct flowipc_region *region, uint64_t messages);
/* The region was revoked: what was shared is of no more use. */
void flowipc__courier_forget(struct flowipc_region *region);
/* Take back all that the peer has, from the peer alone, and share no more. */
int flowipc__courier_revoke(struct courier *courier);

/*
 * The mapping called @number, held until flowipc__courier_release(), which is
 * told how many messages were received from it meanwhile.
 */
int flowipc__courier_find(struct courier *courier, uint32_t number,
			  struct import **import, struct mapping *mapping);
void flowipc__courier_release(struct courier *courier, struct import *import,
			      uint64_t received);
/* Will nothing be sent from it any more? */
bool flowipc__courier_is_withdrawn(struct courier *courier,
				   const struct import *import);
/* Say what the peer had no room to hear before, as far as it has now. */
void flowipc__courier_repeat(struct courier *courier);
/*
 * The same, and see what the peer has withdrawn, and unmap it. What it has
 * shared can wait until it is sent from. Never waits.
 */
void flowipc__courier_collect(struct courier *courier);

#endif
