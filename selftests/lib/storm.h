/* SPDX-License-Identifier: MIT */
/*
 * The storm's parts:
 *
 * storm.c         who kills, and the verdict
 * storm-flow.c    one side of a stream: send, receive, compare
 * storm-client.c  senders and receivers
 * storm-server.c  the server, with all clients in one loop
 */
#ifndef FLOWIPC_SELFTESTS_STORM_H
#define FLOWIPC_SELFTESTS_STORM_H

#include "harness.h"

#include <stdatomic.h>

enum direction { TO_SERVER, FROM_SERVER };

enum { CLIENTS_END, SERVER_ENDS };

enum role { SERVER, SENDER, OTHER_SENDER, RECEIVER, OTHER_RECEIVER, ROLES };

enum {
	STREAMS = 4096, /* far more than can be of interest at a time */
	KEPT = 8,
	REGION_BYTES = 100000,
	REGION_SEED = 77,
};

struct stream {
	_Atomic uint64_t sent; /* by word of the library */
	_Atomic uint64_t received; /* and checked */
	_Atomic bool closing; /* the client leaves by itself */
};

/* Seen by all processes. */
struct storm {
	uint64_t seed;
	_Atomic bool over[2]; /* for clients, and then for the server */
	_Atomic uint64_t next_stream;
	_Atomic uint64_t progress[ROLES];
	_Atomic uint64_t compared[2]; /* streams, by their direction */
	struct stream streams[STREAMS];
};

extern struct storm *storm;
extern enum role role; /* of this process */

/* What a client says first. */
struct hello {
	uint64_t stream;
	uint64_t direction;
};

/* Where one side is in a stream. */
struct flow {
	struct flowipc_channel *channel;
	struct stream *account;
	uint64_t stream;
	uint64_t position;
	struct flowipc_region *region; /* to send from */
	struct flowipc_message *kept[KEPT];
};

/* Of a channel, as the dice fall. */
const struct flowipc_channel_opts *some_options(uint64_t *random);

/* 0; -EAGAIN, -ETIMEDOUT; -EPIPE the other side is gone. */
int flow_send(struct flow *flow, int timeout);
int flow_receive(struct flow *flow, int timeout);
void flow_end(struct flow *flow);

/* When the other side is gone: the two accounts, and why the session ended. */
void receiver_compare(const struct flow *flow);
void sender_compare(const struct flow *flow);
void compared(enum direction direction);
void check_end(struct flowipc_session *session, bool may_be_closed);

/* Processes; the argument is their role. */
void client(int sync, void *arg);
void server(int sync, void *arg);

#endif /* FLOWIPC_SELFTESTS_STORM_H */
