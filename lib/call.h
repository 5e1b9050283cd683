/* SPDX-License-Identifier: MIT */
/*
 * DOC: request and reply
 *
 * A request is a message whose slot has a number that its sender has chosen; a
 * reply is one whose slot gives that number back. All else is in private memory
 * of who calls: the books of the calls in flight, in which a reply is looked up
 * by its number. Numbers count up and are not used again, so that whatever a
 * peer sends, a reply is either to one of these calls, or late, or was never
 * asked for. The answering side has no books: a number is all there is to keep.
 *
 * Nobody receives on behalf of the calls. Who waits for a reply takes what
 * arrives in the meantime and hands it on: replies to their calls, all else to
 * the queue of those who receive; and so do those who receive. In a crowd one
 * waits for the peer on behalf of the others (see crowd.h). Whoever hands
 * something on need not wake anybody: it has arrived after the one's bell was
 * armed, so the peer has rung it, and the one lets the others look.
 */
#ifndef FLOWIPC_LIB_CALL_H
#define FLOWIPC_LIB_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include <flowipc/call.h>

struct flowipc_channel;
struct flowipc_message;

/* Messages in order, linked by their next. */
struct queue {
	struct flowipc_message *first;
	struct flowipc_message *last;
};

struct flowipc_call {
	struct flowipc_channel *channel;
	uint64_t number;
	struct flowipc_call *next; /* in its bucket, or of the unused ones */
	struct flowipc_call *next_answered;
	struct flowipc_call **link_answered; /* NULL: it is not among them */
	struct queue replies; /* that nobody has waited for yet */
	bool complete; /* the last reply was received */
	int error; /* why there is none */
	void *user;
};

#define FLOWIPC__CALL_BUCKETS 64

/* Of one channel; they belong to the receiving thread. */
struct calls {
	/* Numbers count up, so they are spread evenly. */
	struct flowipc_call *buckets[FLOWIPC__CALL_BUCKETS];
	uint64_t last_number;
	uint64_t in_flight;
	/* Those with something that flowipc_call_next() has not told of. */
	struct flowipc_call *answered;
	struct flowipc_call **answered_end;
	struct flowipc_call *unused; /* kept, to allocate nothing */
	uint64_t replies;
	uint64_t late;
	uint64_t unknown;
};

void flowipc__calls_init(struct calls *calls);
/* The channel was closed: the replies of its calls go with it. */
void flowipc__calls_close(struct flowipc_channel *channel);
void flowipc__calls_free(struct calls *calls);

/* Is there something to be told to who waits for a reply? */
static inline bool flowipc__call_is_served(const struct flowipc_call *call)
{
	return call->replies.first || call->complete || call->error;
}

/* A reply was received: its call gets it, or nobody. */
void flowipc__reply_deliver(struct flowipc_message *reply);
/* The same for one of no use: @error is why. */
void flowipc__reply_lose(const struct flowipc_message *reply, int error);

#endif
