/* SPDX-License-Identifier: MIT */
/*
 * DOC: a topic
 *
 * A publication is written once, into memory of the topic, and sent to each
 * subscriber as a message from a region: a slot in its channel, and a loan that
 * remembers the publication. Who holds a publication is counted: the user who
 * writes it, the history, and each of those loans. When nobody does, its memory
 * is free.
 *
 * A subscriber that leaves with messages in hand may go on reading them, and
 * nobody would tell when it is done. So the chunks that those are in are retired:
 * nothing is written to them any more, and the last holder frees them.
 *
 * Everything here belongs to one thread, the sending one of all its channels.
 */
#ifndef FLOWIPC_LIB_TOPIC_H
#define FLOWIPC_LIB_TOPIC_H

#include <stdbool.h>
#include <stdint.h>

#include <flowipc/topic.h>

#include "channel.h"
#include "chunk.h"

struct flowipc_publication {
	struct flowipc_topic *topic;
	struct flowipc_publication *next; /* in the list of all */
	struct flowipc_publication *next_unused;
	unsigned int holders;
	uint64_t number; /* from 1, once it was sent; 0: not yet */
	uint64_t size;
	uint64_t type;
	uint64_t correlation;
	struct flowipc_region *region; /* NULL: it is in @bytes */
	uint64_t offset;
	bool in_chunk; /* @piece is to be given back */
	struct piece piece;
	uint64_t
		apart; /* of a region of its own, as there was no room in one piece */
	_Alignas(64) unsigned char bytes[FLOWIPC__INLINE_MAX];
};

/* A channel in the care of a topic. */
struct subscriber {
	struct flowipc_topic *topic;
	struct flowipc_channel *channel;
	struct subscriber *next;
	struct subscriber **link;
	uint64_t backlog; /* see unreceived_shed() */
	uint64_t wanted; /* number of the publication that it gets next */
	int ended; /* why; 0: it has not */
};

struct flowipc_topic {
	const struct backend *backend;
	uint64_t process;
	struct chunks chunks;
	uint64_t apart_bytes; /* of publications, see there */
	uint64_t made_bytes; /* of those that the user has in hand, not sent */
	uint64_t tidied_ticks; /* when memory was last looked after */
	struct subscriber *subscribers;
	struct flowipc_publication *publications; /* all, used or not */
	struct flowipc_publication *unused;
	uint64_t published;
	uint64_t missed;
	uint32_t history_max;
	uint32_t history_count;
	uint32_t history_first;
	struct flowipc_publication *history[];
};

/* Not in a forked child, which has none of its memory. */
static inline bool flowipc__topic_is_ours(const struct flowipc_topic *topic)
{
	return flowipc__process_is(topic->process);
}

/* topic.c: its channel is of no more use to the topic */
void flowipc__subscriber_end(struct subscriber *subscriber, int error);
/* See what all have released. */
void flowipc__subscribers_reclaim(struct flowipc_topic *topic);

/* publication.c */
void flowipc__publication_hold(struct flowipc_publication *publication);
void flowipc__publication_put(struct flowipc_publication *publication);
/* The user has it in hand no more. */
void flowipc__publication_unmake(const struct flowipc_publication *publication);
/* Somebody may read it, for as long as nobody knows. */
void flowipc__publication_abandon(struct flowipc_publication *publication);
void flowipc__publications_free(struct flowipc_topic *topic);

/* history.c: keep a publication for those who come later */
void flowipc__history_add(struct flowipc_topic *topic,
			  struct flowipc_publication *publication);
void flowipc__history_drop(struct flowipc_topic *topic);
struct flowipc_publication *
flowipc__history_get(const struct flowipc_topic *topic, uint32_t index);

#endif
