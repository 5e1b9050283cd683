/* SPDX-License-Identifier: MIT */
/*
 * DOC: opening a channel
 *
 * The opener passes its outbox, the peer's end of a doorbell, and the peer's
 * end of a socket for this one answer. It need not wait for the answer: until
 * it comes, each direction of its end looks at an outbox that says that the
 * peer has done nothing yet. So messages can be sent, and wait in the opener's
 * own outbox; and as the peer's bells are not known, each of them rings.
 *
 * Having answered, the acceptor rings for SPACE. Whoever waits, looks at the
 * kernel or rings on a lane that has no answer yet looks for it, and if it is
 * there turns to the peer's outbox; each direction by itself, in its own
 * thread. A refusal, or the end of the peer, hangs the doorbell up.
 */
#ifndef FLOWIPC_LIB_OPENING_H
#define FLOWIPC_LIB_OPENING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "outbox.h"

struct flowipc_channel;
struct flowipc_channel_opts;
struct flowipc_session;
struct lane;

/* An open of ours that was not answered yet, as far as one direction knows. */
struct opening {
	pthread_mutex_t lock; /* of two directions that look at once */
	struct flowipc_channel *channel;
	int socket; /* the answer comes here; -1: it has come */
	int grace_ms; /* how long to wait for the reason of a hang-up */
	int error; /* what came of it; 0 if it was accepted */
	struct outbox theirs; /* of use once it was accepted */
};

/*
 * Open a channel without waiting for the answer; until @deadline for room to
 * say it.
 */
int flowipc__channel_begin(struct flowipc_session *session,
			   const struct flowipc_channel_opts *opts,
			   uint64_t deadline, struct flowipc_channel **channel);

void flowipc__opening_init(struct opening *opening,
			   struct flowipc_channel *channel);
/* With @cancel, an acceptor that has not looked yet finds nothing. */
void flowipc__opening_close(struct opening *opening, bool cancel);

/*
 * Is the answer there? If so, turn @lane to the peer's outbox. An error if the
 * peer has refused, or if it is gone.
 */
int flowipc__opening_look(struct opening *opening, struct lane *lane);

#endif
