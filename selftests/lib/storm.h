/* SPDX-License-Identifier: MIT */
/*
 * The storm's parts:
 *
 * storm.c            who kills, and the verdict
 * storm-message.c    what message is where in a stream: both sides know
 * storm-flow.c       one side of a stream: send, receive, compare
 * storm-client.c     senders and receivers
 * storm-server.c     the server, with all clients in one loop
 * storm-subscriber.c subscribers
 * storm-publisher.c  the publisher, with all subscribers in one loop
 */
#ifndef FLOWIPC_SELFTESTS_STORM_H
#define FLOWIPC_SELFTESTS_STORM_H

#include "harness.h"

#include <stdatomic.h>

enum direction { TO_SERVER, FROM_SERVER, FROM_PUBLISHER, DIRECTIONS };

enum { CLIENTS_END, SERVERS_END };

enum role {
	SERVER,
	PUBLISHER, /* up to here others connect to them */
	SENDER,
	OTHER_SENDER,
	RECEIVER,
	OTHER_RECEIVER,
	SUBSCRIBER,
	OTHER_SUBSCRIBER,
	ROLES,
};

enum {
	STREAMS = 4096, /* far more than can be of interest at a time */
	KEPT = 8,
	HISTORY = 8, /* of a topic */
	PIECES = 6,
	REGION_BYTES = 100000,
	REGION_SEED = 77,
};

struct stream {
	_Atomic uint64_t sent; /* by word of the library */
	_Atomic uint64_t received; /* and checked */
	_Atomic bool closing; /* the client, or publisher, leaves by itself */
};

/* Seen by all processes. */
struct storm {
	uint64_t seed;
	_Atomic bool over[2]; /* for clients, and then for who serves them */
	_Atomic uint64_t next_stream;
	_Atomic uint64_t progress[ROLES];
	_Atomic uint64_t compared[DIRECTIONS];
	_Atomic uint64_t shut_down; /* and of these, by who said that it was all */
	struct stream streams[STREAMS];
};

extern struct storm *storm;
extern enum role role; /* of this process */

/* What is said of a channel when it is opened. */
struct hello {
	uint64_t stream; /* 0 from subscribers: the publisher's */
	uint64_t direction;
	uint64_t when_full; /* what a subscriber wants to be to the publisher */
};

/* Received, and looked at once more when it is given back. */
struct kept {
	struct flowipc_message *message;
	uint64_t position;
};

/* Where one side is in a stream. */
struct flow {
	struct flowipc_channel *channel;
	struct stream *account;
	uint64_t stream;
	bool published;
	uint64_t position;
	uint64_t first; /* position at which a subscriber began */
	struct flowipc_region *region; /* to send from */
	struct kept kept[KEPT];
};

/* The same on both sides, as a message has no more pieces than slots. */
uint32_t slots_of(uint64_t stream);
/* What a stream has at a position. */
int message_make(struct flow *flow, int timeout,
		 struct flowipc_message **message);
int publication_make(const struct flow *flow, struct flowipc_topic *topic,
		     struct flowipc_publication **publication);
void message_check(const struct flow *flow,
		   const struct flowipc_message *message, uint64_t position);
/* All but the last, which is left in the message. */
void message_take_fds(const struct flow *flow, struct flowipc_message *message);

/* Of a channel, as the dice fall. */
const struct flowipc_channel_opts *some_options(uint64_t *random,
						uint64_t stream);
uint64_t stream_new(void);
void flow_begin(struct flow *flow, uint64_t stream);
void progressed(void);
/* 0; -EAGAIN, -ETIMEDOUT; -EPIPE the other side is gone, or sends no more. */
int flow_send(struct flow *flow, int timeout);
int flow_receive(struct flow *flow, int timeout);
void flow_keep(struct flow *flow, struct flowipc_message *message);
void flow_end(struct flow *flow);

/* When the other side is gone: the two accounts, and why the session ended. */
void receiver_compare(const struct flow *flow);
void sender_compare(const struct flow *flow);
void compared(enum direction direction);
/* False as long as it has not ended. */
bool has_ended(struct flowipc_session *session, bool may_be_closed);
void await_end(struct flowipc_session *session, bool may_be_closed);

/* Connect and open. False: the other side died under it; better luck next time. */
bool client_start(const char *name, const struct hello *hello,
		  struct flow *flow, struct flowipc_session **session,
		  uint64_t *random);

/* Processes; the argument is their role. */
void client(int sync, void *arg);
void server(int sync, void *arg);
void subscriber(int sync, void *arg);
void publisher(int sync, void *arg);

#endif /* FLOWIPC_SELFTESTS_STORM_H */
