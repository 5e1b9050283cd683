/* SPDX-License-Identifier: MIT */
/*
 * Somebody between two sockets who passes packets on and spoils one of them.
 * The meddler knows nothing of the protocol: it reads from sockets of type
 * SOCK_SEQPACKET, also from those that are passed through it.
 */
#ifndef FLOWIPC_SELFTESTS_MEDDLER_H
#define FLOWIPC_SELFTESTS_MEDDLER_H

#include "harness.h"

enum meddling {
	NOTHING,	/* as a check of the meddler: all must work */
	LOST,
	DOUBLED,
	FLOODED,
	CUT,
	LENGTHENED,
	EMPTIED,
	BITS_CHANGED,
	WORD_CHANGED,
	RANDOMISED,
	HUNG_UP,
	FDS_MISSING,
	FDS_SWAPPED,
	FDS_ADDED,
	FDS_DOUBLED,
	/* from here on another descriptor in place of one */
	PIPE,
	FILE_ON_DISK,
	FOLDER,
	DEV_NULL,
	EPOLL,
	DATAGRAM_SOCKET,
	LONELY_SOCKET,
	STREAM_SOCKET,
	UNSEALED_MEMFD,
	SEALED_MEMFD,	/* as it should be, only with other contents */
	EMPTY_MEMFD,
	TINY_MEMFD,
	/* only packets with a memfd count here: another one like it */
	COPY_CHANGED,
	COPY_CUT,
	LAST_MEDDLING,
};

extern const char *const meddling_names[];

struct plan {
	enum meddling kind;
	int packet;	/* which one, counted over all sockets */
	uint64_t seed;
};

/*
 * Listen at "front" in the folder of the test, connect to "back", and pass on
 * until both sides are gone; for peer_start(), with a struct plan.
 */
void meddler(int sync, void *arg);

#endif /* FLOWIPC_SELFTESTS_MEDDLER_H */
