/* SPDX-License-Identifier: MIT */
/*
 * Watching a peer that lives, but may be stuck: there are messages for it, and
 * it takes none. What is needed for this stands in the two outboxes, so each
 * direction watches by itself, whenever its thread looks at the clock anyway.
 * There is no timer, and a peer that has nothing to do is not stuck.
 */
#ifndef FLOWIPC_LIB_WATCH_H
#define FLOWIPC_LIB_WATCH_H

#include <stdint.h>

struct flowipc_channel;
struct lane;

struct watch {
	struct flowipc_channel *channel;
	uint64_t limit_ns;
	uint64_t consumed; /* by the peer, as last seen, */
	uint64_t since_ns; /* for the first time then; 0: nothing to consume */
};

/*
 * Ends the session, and gives the error, if the peer is stuck. *@until is when
 * to look next.
 */
int flowipc__watch_look(struct watch *watch, const struct lane *lane,
			uint64_t *until);

#endif
