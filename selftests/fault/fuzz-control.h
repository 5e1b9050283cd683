/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: the parts of the library's fuzzer
 *
 * fuzz-control.c         roles, the steps of an input, setup
 * fuzz-control-enemy.c   what we are: packets, the outbox, bells
 * fuzz-control-victim.c  what the library is asked to do
 * fuzz-control-seeds.c   inputs to begin with
 */
#ifndef FUZZ_CONTROL_H
#define FUZZ_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <flowipc/flowipc.h>

#include "outbox.h"
#include "session.h"

/* Ends the run, and libFuzzer keeps the input. */
#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: not so: %s (%s)\n",	\
				__FILE__, __LINE__, #condition,		\
				flowipc_last_error());				\
			abort();					\
		}							\
	} while (0)

/* The first byte of an input: what the library is. */
enum role {
	LISTENER, /* a server whose guest we are */
	SERVER, /* a server with a session */
	CLIENT, /* a client with a session */
	CONNECTOR, /* a client that connects to us */
	ACCEPTOR, /* a server with a channel that we opened */
	OPENER, /* a client with a channel that it opened */
	ROLES,
};

/* Then one of these after the other. */
enum step {
	STEP_CONTROL, /* a control packet */
	STEP_PARCEL,
	STEP_FDS, /* descriptors that go with a message */
	STEP_CALL,
	STEP_WRITE, /* a word of our outbox */
	STEP_FORGE, /* a message in our outbox */
	STEP_RING,
	STEP_ANSWER, /* a control packet on the socket for an answer */
	STEP_HANG_UP,
	STEPS,
};

/* Descriptors that go with a packet. */
enum passed {
	PASS_OUTBOX,
	PASS_BELL,
	PASS_BELL_OF_SPACE,
	PASS_REGION,
	PASS_COURIER,
	PASS_FDS,
	PASS_UNSEALED,
	PASS_DEV_NULL,
	PASS_EPOLL,
	PASS_ANSWER,
	PASSABLE,
};

enum call {
	CALL_ACCEPT,
	CALL_CHANNEL_ACCEPT,
	CALL_CHANNEL_OPEN,
	CALL_RECEIVE,
	CALL_TAKE_FD,
	CALL_SEND,
	CALL_SEND_FROM_REGION,
	CALL_SEND_FD,
	CALL_SHUTDOWN,
	CALL_RECLAIM,
	CALL_CHANNEL_CLOSE,
	CALL_OFFER,
	CALL_SESSION_END,
	CALL_SEND_PIECES,
	CALL_PUBLISH,
	CALL_MAKE_PRIVATE,
	CALL_ASK,
	CALLS,
};

enum {
	OUTBOX_SLOTS = 4,
	OUTBOX_PAYLOAD = 8192,
	CHANNELS = 3,
	HELD = 3,
	STEPS_MAX = 200,
	FDS_MAX = 6, /* two more than the library ever takes */
};

/* As in courier.c, where it is nobody else's business. */
enum { PARCEL_BYTES = 16 };

/* As in fds.c: which message they are for. */
enum { FDS_BYTES = 8 };

/* Lengths of a packet that do not stand for themselves, or 0: as it should be. */
enum {
	LENGTH_METADATA = 253, /* and as much behind it as can be */
	LENGTH_TOO_MUCH = 254, /* and one more */
	LENGTH_EMPTY = 255,
	SPOKEN_MAX = 128, /* what is behind that is 0 */
};

struct input {
	const uint8_t *data;
	size_t left;
};

struct enemy {
	int control; /* our end, as all of these */
	int courier;
	int bells[2];
	int their_bells[2];
	int their_courier;
	int fds;
	int their_fds;
	int answer;
	int their_answer;
	int outbox_fd;
	int region_fd;
	int other_fds[3];
	struct outbox outbox;
	uint64_t position; /* of the next message that is forged */
};

struct victim {
	struct flowipc_session *session;
	struct flowipc_channel *channels[CHANNELS];
	struct flowipc_message *held[HELD];
	struct flowipc_topic *topic;
	struct flowipc_region *region;
	enum flowipc_end_reason reason; /* that the session ended, if seen */
};

/* How far inputs came, to see whether the seeds still fit the protocol. */
struct reached {
	unsigned long inputs;
	unsigned long sessions;
	unsigned long channels;
	unsigned long messages;
	unsigned long pieces;
	unsigned long metadata;
	unsigned long ends;
	unsigned long violations;
};

extern struct reached reached;
extern struct flowipc_server *server;

/* fuzz-control.c */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
uint64_t take(struct input *input, unsigned int bytes);
void take_bytes(struct input *input, void *to, size_t bytes);

/* fuzz-control-enemy.c */
void enemy_start(struct enemy *enemy);
void enemy_end(struct enemy *enemy);
void enemy_hear(struct enemy *enemy);
bool packet_send(int socket, const void *data, size_t size, const int *fds,
		 size_t fd_count);
bool packet_step(struct input *input, struct enemy *enemy, int socket,
		 size_t proper_size, bool is_control);
void write_step(struct input *input, struct enemy *enemy);
void forge_step(struct input *input, struct enemy *enemy);
void hang_up_step(struct input *input, struct enemy *enemy);

/* fuzz-control-victim.c */
int64_t fine(int64_t result);
void victim_start(struct victim *victim);
void victim_end(struct victim *victim);
void channel_begin(struct victim *victim, uint64_t which, bool opens);
void call_step(struct input *input, struct victim *victim);

/* fuzz-control-seeds.c */
void seeds_write(const char *to);

#endif /* FUZZ_CONTROL_H */
