// SPDX-License-Identifier: MIT
/*
 * A region's number is its place in the table and, above that, a generation,
 * so that a number is never used twice and a late one finds nothing.
 *
 * Locks: shares_lock guards every list and table of shares of the process (a
 * region and a session each know a share, and either may end first). It is
 * taken when a region meets a session for the first time and when one of them
 * ends, and to look a share up. courier.lock guards the imports of a session.
 * Neither is taken under the other.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "courier.h"
#include "error.h"
#include "packet.h"
#include "region.h"

enum {
	PARCEL_SHARE = 1, /* with a descriptor */
	PARCEL_WITHDRAW = 2, /* nothing will be sent from it any more */
};

struct parcel {
	uint32_t kind;
	uint32_t number;
	uint64_t messages; /* withdrawn: how many were sent from it */
};

struct share {
	struct flowipc_region *region; /* NULL: gone, still to be withdrawn */
	struct courier *courier;
	struct share *next; /* of the same region */
	struct share **link;
	struct share *next_by_region; /* in a list of the courier's */
	uint32_t number;
	uint64_t grant; /* for region_revoke() */
	uint64_t messages; /* sent from it, to this peer */
	bool forgotten; /* revoked; only kept to be withdrawn */
	bool unsaid; /* withdrawn, but the peer had no room to hear it */
};

/*
 * A channel may end, and its regions be withdrawn, before all its messages are
 * read. So an import is kept until as many were received as were sent.
 */
struct import {
	struct import *next; /* of the same place */
	struct mapping mapping;
	uint32_t number;
	unsigned int holders; /* messages in our user's hands, and views */
	uint64_t received; /* by holders that are gone */
	uint64_t messages; /* UINT64_MAX as long as it is not withdrawn */
};

/*
 * What a peer may make us map. It can have withdrawn regions whose messages we
 * have not read, and use their places again.
 */
#define IMPORTS_MAX (4 * FLOWIPC__REGIONS_MAX)

static pthread_mutex_t shares_lock = PTHREAD_MUTEX_INITIALIZER;

static uint32_t place(uint32_t number)
{
	return number % FLOWIPC__REGIONS_MAX;
}

void flowipc__courier_init(struct courier *courier, int socket,
			   const struct backend *backend,
			   const struct flowipc_peer *peer)
{
	memset(courier, 0, sizeof(*courier));
	courier->socket = socket;
	courier->backend = backend;
	courier->peer = *peer;
	pthread_mutex_init(&courier->lock, NULL);
}

/* The list that a share of @region is in. */
static struct share **list_by_region(struct courier *courier,
				     const struct flowipc_region *region)
{
	uint64_t mixed = (uintptr_t)region * 0x9e3779b97f4a7c15ULL;

	return &courier->by_region[(mixed >> 32) % FLOWIPC__SHARE_LISTS];
}

/*
 * Under shares_lock. What many peers share is found as fast as what one does:
 * a session does not share many regions, but a region may be many sessions'.
 */
static struct share *share_find(struct courier *courier,
				const struct flowipc_region *region)
{
	struct share *share = *list_by_region(courier, region);

	while (share && (share->region != region || share->forgotten))
		share = share->next_by_region;
	return share;
}

/* Under shares_lock. */
static void share_link(struct share *share)
{
	struct flowipc_region *region = share->region;
	struct share **list = list_by_region(share->courier, region);

	share->next_by_region = *list;
	*list = share;
	share->next = region->shares;
	share->link = &region->shares;
	if (share->next)
		share->next->link = &share->next;
	region->shares = share;
}

/* Under shares_lock: it is not its region's any more. */
static void share_unlink(struct share *share)
{
	struct share **list = list_by_region(share->courier, share->region);

	while (*list != share)
		list = &(*list)->next_by_region;
	*list = share->next_by_region;
	*share->link = share->next;
	if (share->next)
		share->next->link = share->link;
	share->region = NULL;
}

static int share_send(struct share *share)
{
	struct parcel parcel = {.kind = PARCEL_SHARE, .number = share->number};
	struct flowipc_region *region = share->region;
	struct courier *courier = share->courier;
	int fd, err;

	err = courier->backend->region_share(region->fd, region->mapping.size,
					     &courier->peer, &fd,
					     &share->grant);
	if (err)
		return err;
	err = flowipc__packet_send(courier->socket, &parcel, sizeof(parcel),
				   &fd, 1);
	if (fd != region->fd)
		close(fd);
	return err;
}

/*
 * Under shares_lock: tell the peer that nothing will be sent from the share's
 * region any more, and free the share. False if the peer has no room to hear
 * it; then the share keeps its place until there is.
 */
static bool share_withdraw(struct share *share)
{
	struct parcel parcel = {.kind = PARCEL_WITHDRAW,
				.number = share->number,
				.messages = share->messages};
	struct courier *courier = share->courier;

	if (flowipc__packet_send(courier->socket, &parcel, sizeof(parcel), NULL,
				 0) == -EAGAIN) {
		if (!share->unsaid)
			atomic_fetch_add(&courier->unsaid, 1);
		share->unsaid = true;
		return false;
	}
	if (share->unsaid)
		atomic_fetch_sub(&courier->unsaid, 1);
	courier->shares[place(share->number)] = NULL;
	free(share);
	return true;
}

/*
 * Under shares_lock: find a place in the table. -EAGAIN: the peer is behind
 * with what was withdrawn; -ENOSPC.
 */
static int share_place(struct courier *courier, uint32_t *slot)
{
	bool behind = false;
	struct share *share;

	for (*slot = 0; *slot < FLOWIPC__REGIONS_MAX; ++*slot) {
		share = courier->shares[*slot];
		if (!share)
			return 0;
		if (share->region)
			continue;
		if (share_withdraw(share))
			return 0;
		behind = true;
	}
	if (behind)
		return -EAGAIN;
	return flowipc__fail(-ENOSPC,
			     "%d regions are shared in this session already",
			     FLOWIPC__REGIONS_MAX);
}

/* Under shares_lock. */
static int share_create(struct courier *courier, struct flowipc_region *region,
			struct share **new)
{
	struct share *share;
	uint32_t slot;
	int err;

	err = share_place(courier, &slot);
	if (err)
		return err;
	share = calloc(1, sizeof(*share));
	if (!share)
		return flowipc__fail(-ENOMEM, "out of memory");
	share->region = region;
	share->courier = courier;
	share->number = ++courier->generation * FLOWIPC__REGIONS_MAX + slot;
	err = share_send(share);
	if (err) {
		free(share);
		return err;
	}
	share_link(share);
	courier->shares[slot] = share;
	*new = share;
	return 0;
}

int flowipc__courier_share(struct courier *courier,
			   struct flowipc_region *region, uint32_t *number)
{
	struct share *share;
	int err = 0;

	pthread_mutex_lock(&shares_lock);
	share = share_find(courier, region);
	if (courier->revoked)
		err = flowipc__fail(-EACCES, "the session was revoked");
	else if (!share)
		err = share_create(courier, region, &share);
	if (!err) {
		share->messages++;
		*number = share->number;
	}
	pthread_mutex_unlock(&shares_lock);
	return err;
}

void flowipc__courier_unshare(struct courier *courier,
			      struct flowipc_region *region)
{
	struct share *share;

	pthread_mutex_lock(&shares_lock);
	share = share_find(courier, region);
	if (share)
		share->messages--;
	pthread_mutex_unlock(&shares_lock);
}

void flowipc__courier_withdraw(struct flowipc_region *region)
{
	/* A forked child speaks for nobody: it forgets, and says nothing. */
	bool ours = flowipc__mapping_is_ours(&region->mapping);
	struct share *share;

	pthread_mutex_lock(&shares_lock);
	while ((share = region->shares)) {
		share_unlink(share);
		if (ours) {
			share_withdraw(share);
		} else {
			share->courier->shares[place(share->number)] = NULL;
			free(share);
		}
	}
	pthread_mutex_unlock(&shares_lock);
}

void flowipc__courier_count(struct flowipc_region *region, uint64_t messages)
{
	struct share *share;

	pthread_mutex_lock(&shares_lock);
	for (share = region->shares; share; share = share->next)
		share->messages = messages;
	pthread_mutex_unlock(&shares_lock);
}

void flowipc__courier_forget(struct flowipc_region *region)
{
	struct share *share;

	pthread_mutex_lock(&shares_lock);
	for (share = region->shares; share; share = share->next)
		share->forgotten = true;
	pthread_mutex_unlock(&shares_lock);
}

int flowipc__courier_revoke(struct courier *courier)
{
	struct share *share;
	uint32_t slot;
	int err = 0, one;

	pthread_mutex_lock(&shares_lock);
	courier->revoked = true;
	for (slot = 0; slot < FLOWIPC__REGIONS_MAX; slot++) {
		share = courier->shares[slot];
		if (!share || !share->region)
			continue;
		one = courier->backend->region_revoke(share->region->fd,
						      share->grant);
		if (one)
			err = one;
		share->forgotten = true;
	}
	pthread_mutex_unlock(&shares_lock);
	return err;
}

/* Under courier->lock: the link that leads to @number, or to NULL. */
static struct import **import_link(struct courier *courier, uint32_t number)
{
	struct import **link = &courier->imports[place(number)];

	while (*link && (*link)->number != number)
		link = &(*link)->next;
	return link;
}

/* Under courier->lock. */
static void import_free(struct courier *courier, struct import **link)
{
	struct import *import = *link;

	*link = import->next;
	atomic_fetch_sub(&courier->import_count, 1);
	flowipc__unmap(&import->mapping);
	free(import);
}

/* Under courier->lock. */
static void import_free_if_unused(struct courier *courier, struct import **link)
{
	if (!(*link)->holders && (*link)->received >= (*link)->messages)
		import_free(courier, link);
}

/* Under courier->lock. */
static void import_withdraw(struct courier *courier,
			    const struct parcel *parcel)
{
	struct import **link = import_link(courier, parcel->number);

	if (!*link)
		return;
	(*link)->messages = parcel->messages;
	if ((*link)->holders)
		atomic_fetch_add(&courier->withdrawals, 1);
	import_free_if_unused(courier, link);
}

/* Under courier->lock. */
static int import_create(struct courier *courier, uint32_t number, int fd)
{
	struct import **link = import_link(courier, number);
	struct import *import;
	int err;

	if (*link)
		return flowipc__fail(
			-EPROTO,
			"the peer shared two regions under one number");
	if (courier->import_count == IMPORTS_MAX)
		return flowipc__fail(-EPROTO,
				     "the peer shares more than %d regions",
				     IMPORTS_MAX);
	import = calloc(1, sizeof(*import));
	if (!import)
		return flowipc__fail(-ENOMEM, "out of memory");
	err = courier->backend->region_import(fd, &import->mapping);
	if (err) {
		free(import);
		return err;
	}
	import->number = number;
	import->messages = UINT64_MAX;
	*link = import;
	atomic_fetch_add(&courier->import_count, 1);
	return 0;
}

void flowipc__courier_repeat(struct courier *courier)
{
	struct share *share;
	uint32_t slot;

	if (!atomic_load_explicit(&courier->unsaid, memory_order_relaxed))
		return;
	pthread_mutex_lock(&shares_lock);
	for (slot = 0; slot < FLOWIPC__REGIONS_MAX; slot++) {
		share = courier->shares[slot];
		if (share && !share->region && !share_withdraw(share))
			break;
	}
	pthread_mutex_unlock(&shares_lock);
}

/* Under courier->lock: take in one parcel. -EAGAIN: there is none. */
static int collect_one(struct courier *courier)
{
	int fds[FLOWIPC__PACKET_FDS];
	struct parcel parcel;
	unsigned int count;
	int err;

	err = flowipc__packet_receive(courier->socket, &parcel, sizeof(parcel),
				      fds, &count);
	if (err)
		return err;
	if (parcel.kind == PARCEL_SHARE && count == 1)
		err = import_create(courier, parcel.number, fds[0]);
	else if (parcel.kind == PARCEL_WITHDRAW && !count)
		import_withdraw(courier, &parcel);
	else
		err = flowipc__fail(-EPROTO, "the peer sent an unknown parcel");
	flowipc__close_all(fds, count);
	return err;
}

void flowipc__courier_collect(struct courier *courier)
{
	int budget = FLOWIPC__REGIONS_MAX;
	int err;

	flowipc__courier_repeat(courier);
	if (!atomic_load_explicit(&courier->import_count, memory_order_relaxed))
		return;
	/* Whoever holds the lock is collecting as well. */
	if (pthread_mutex_trylock(&courier->lock))
		return;
	/* What cannot be taken in is missed by the message that needs it. */
	do {
		err = collect_one(courier);
	} while (err != -EAGAIN && err != -EPIPE && --budget);
	pthread_mutex_unlock(&courier->lock);
}

int flowipc__courier_find(struct courier *courier, uint32_t number,
			  struct import **import, struct mapping *mapping)
{
	int budget = 2 * FLOWIPC__REGIONS_MAX;
	struct import *found;
	int err = 0;

	pthread_mutex_lock(&courier->lock);
	for (;;) {
		found = *import_link(courier, number);
		if (found)
			break;
		err = budget-- ? collect_one(courier) : -EPROTO;
		if (err)
			break;
	}
	if (!err) {
		found->holders++;
		*import = found;
		*mapping = found->mapping;
	}
	pthread_mutex_unlock(&courier->lock);
	if (err == -EAGAIN || err == -EPIPE)
		err = flowipc__fail(
			-EPROTO,
			"the peer sent from region %u, which it never shared",
			number);
	return err;
}

bool flowipc__courier_is_withdrawn(struct courier *courier,
				   const struct import *import)
{
	bool withdrawn;

	pthread_mutex_lock(&courier->lock);
	withdrawn = import->messages != UINT64_MAX;
	pthread_mutex_unlock(&courier->lock);
	return withdrawn;
}

void flowipc__courier_release(struct courier *courier, struct import *import,
			      uint64_t received)
{
	pthread_mutex_lock(&courier->lock);
	import->holders--;
	import->received += received;
	import_free_if_unused(courier, import_link(courier, import->number));
	pthread_mutex_unlock(&courier->lock);
}

void flowipc__courier_close(struct courier *courier)
{
	uint32_t slot;

	pthread_mutex_lock(&shares_lock);
	for (slot = 0; slot < FLOWIPC__REGIONS_MAX; slot++) {
		if (!courier->shares[slot])
			continue;
		if (courier->shares[slot]->region)
			share_unlink(courier->shares[slot]);
		free(courier->shares[slot]);
	}
	pthread_mutex_unlock(&shares_lock);

	for (slot = 0; slot < FLOWIPC__REGIONS_MAX; slot++) {
		while (courier->imports[slot])
			import_free(courier, &courier->imports[slot]);
	}
	pthread_mutex_destroy(&courier->lock);
	close(courier->socket);
}
