/* SPDX-License-Identifier: MIT */
/* The packets on the control socket of a session. */
#ifndef FLOWIPC_LIB_CONTROL_H
#define FLOWIPC_LIB_CONTROL_H

#include <stdint.h>

#include <flowipc/backend.h>

#include "packet.h"

/* The oldest and the newest protocol that this library speaks. */
#define FLOWIPC__PROTOCOL_OLDEST 1
#define FLOWIPC__PROTOCOL	 1

/*
 * Parts of the protocol that both sides must know before one uses them: bits
 * of control.features. Version 1 has none yet.
 */
#define FLOWIPC__FEATURES 0ULL

/* What an opener can say about a channel. */
#define FLOWIPC__METADATA_MAX 4096

#define FLOWIPC__CONTROL_MAGIC 0x636f6c66 /* "floc" */

/*
 * HELLO, WELCOME and REFUSED are spoken before a version is agreed on, so
 * where their fields are does not change with it. HELLO may become longer.
 */
enum control_kind {
	CONTROL_HELLO = 1, /* client: versions, back ends, features */
	CONTROL_WELCOME =
		2, /* server: version, back end, features; the courier's socket */
	CONTROL_REFUSED = 3, /* server: error; versions, back ends */
	CONTROL_GOODBYE = 8, /* error, if the other side is the reason */
	CONTROL_OPEN =
		4, /* channel, token; outbox, answer socket, doorbell; metadata */

	/* On the answer socket of one open. */
	CONTROL_ACCEPT = 5, /* acceptor: outbox */
	CONTROL_REFUSE = 6, /* acceptor: error */
	CONTROL_CANCEL = 7, /* opener: it waits no more, and has sent nothing */
};

struct control {
	uint32_t magic;
	uint16_t kind;
	uint16_t backends; /* bits 1 << enum flowipc_backend */
	uint16_t oldest;
	uint16_t newest; /* WELCOME: the one that was agreed on */
	int32_t error; /* a positive errno */
	uint64_t features;
	uint32_t channel; /* number: odd if the client opened it, else even */
	uint32_t reserved;
	uint64_t token; /* what tracers know the channel by */
};

/* @tail may be NULL. */
int flowipc__control_send(int socket, const struct control *packet,
			  const struct packet_tail *tail, const int *fds,
			  unsigned int fd_count);
/*
 * -EAGAIN; -EPIPE; -EPROTO; -EMFILE: the packet, without its descriptors. Never
 * waits. Where @tail is NULL there is none.
 */
int flowipc__control_receive(int socket, struct control *packet,
			     struct packet_tail *tail, int *fds,
			     unsigned int *fd_count);

/* The set of back ends to offer for a session, for control.backends. */
int flowipc__backends_offer(enum flowipc_backend wanted, uint16_t *backends);

/* What one side speaks, in words. */
struct offer_name {
	char text[64];
};

struct offer_name flowipc__versions_name(uint16_t oldest, uint16_t newest);
struct offer_name flowipc__backends_name(uint16_t backends);

#endif
