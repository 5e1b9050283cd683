/* SPDX-License-Identifier: MIT */
/*
 * A topic, and subscribers in processes of their own that do as they are told
 * and check what they get.
 */
#ifndef FLOWIPC_SELFTESTS_AUDIENCE_H
#define FLOWIPC_SELFTESTS_AUDIENCE_H

#include "harness.h"

enum { SEATS = 4, HELD_MAX = 4096, LARGE = 100000 };

/* What a subscriber is told to do; the count is above. */
enum order {
	LEAVE, /* close, and end */
	TAKE, /* receive so many, tell the number of the last */
	TAKE_ALL, /* receive what there is, tell how many */
	HOLD, /* receive so many and keep them, tell the number of the last */
	CHECK, /* what is kept is as it was; tell how many */
	LOSE, /* what is kept cannot be read any more; tell how many */
	RELEASE, /* what is kept; tell how many */
	RELEASE_LATE, /* the same, a while after telling it */
	TAKE_LATE, /* receive so many, a while after telling 0 */
	END, /* receive the end; tell whether it was all */
	CLOSE, /* the channel; tell 0 */
	HOARD, /* receive and keep what comes, until the end; tell how many */
	SCRIBBLE, /* over all that the publisher reads of it; tell 0 */
	LISTEN, /* take what comes, in order, until the end; tell how many */
};

struct seat {
	struct peer peer;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
};

struct scene {
	struct flowipc_server *server;
	struct flowipc_topic *topic;
	struct seat seats[SEATS];
};

/* Sizes: two of three are copied, one is lent. */
uint64_t mixed(uint64_t number);

/* Orders; the second one waits for the answer. */
void tell(struct seat *seat, enum order order, uint64_t count);
uint64_t ask(struct seat *seat, enum order order, uint64_t count);

/* A subscriber, which is killed by the test or told to leave. */
void seat_take(struct scene *scene, int place,
	       const struct flowipc_channel_opts *opts);
void seat_clear(struct scene *scene, int place);
void seat_leave(struct scene *scene, int place);

void scene_start(struct scene *scene, uint32_t history, uint64_t max_bytes);
void scene_stop(struct scene *scene);

struct flowipc_topic_stats stats(struct scene *scene);

/* Publications, which say their number. */
int write_one(struct scene *scene, uint64_t number, uint64_t size,
	      int timeout_ms, struct flowipc_publication **publication);
int publish(struct scene *scene, uint64_t number, uint64_t size,
	    int timeout_ms);

/* Whose end is there to be told? */
void ended(struct scene *scene, int place, int wanted);
void none_ended(struct scene *scene);

#endif /* FLOWIPC_SELFTESTS_AUDIENCE_H */
