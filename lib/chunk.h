/* SPDX-License-Identifier: MIT */
/*
 * The payload area of one direction of a channel: a list of chunks. The first
 * one is part of the outbox; further ones are regions of their own, made when
 * there is no room and given up when they were free for a while. So a channel
 * starts small, and is as large as what is under way in it.
 *
 * A slot names a chunk by its place in the list and, because a place is used
 * again, by the number that the courier calls the region.
 */
#ifndef FLOWIPC_LIB_CHUNK_H
#define FLOWIPC_LIB_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

/* Places in the list. Each chunk being as large as all before, they suffice. */
#define FLOWIPC__CHUNKS 32

struct flowipc_region;
struct payload;

struct chunk {
	struct payload *payload; /* NULL: the place is free */
	struct flowipc_region *region; /* NULL: part of the outbox */
	unsigned char *base;
	uint64_t bytes;
	uint64_t free_ticks; /* since then nothing was in it; 0: not known */
	uint64_t messages; /* sent from it */
	uint32_t number; /* what the courier calls it, once shared */
	bool shared;
};

struct chunks {
	struct chunk list[FLOWIPC__CHUNKS];
	uint32_t count; /* places that are looked at */
	uint32_t current; /* where there was room the last time */
	uint64_t reserved; /* bytes of all */
	uint64_t max; /* and how many they may become */
};

/* Memory for one message. */
struct piece {
	uint32_t chunk; /* place in the list */
	uint32_t handle; /* of its payload */
	uint64_t offset; /* in the chunk */
};

/* Begin with @bytes at @base, which somebody else frees. -ENOMEM. */
int flowipc__chunks_init(struct chunks *chunks, void *base, uint64_t bytes,
			 uint64_t max);
/* All at once. @unread: nobody will receive what was sent from them. */
void flowipc__chunks_free(struct chunks *chunks, bool unread);

/*
 * Take @bytes, at least 1, from where there was room the last time, or with
 * @anywhere from the first chunk that has room. -EAGAIN.
 */
int flowipc__chunks_take(struct chunks *chunks, uint64_t bytes, bool anywhere,
			 struct piece *piece);
void flowipc__chunks_give(struct chunks *chunks, const struct piece *piece);
/* Have no more to do with a chunk, whatever is in it. */
void flowipc__chunks_retire(struct chunks *chunks, uint32_t place);
/* Give back the end of a piece, all but its first @bytes. */
void flowipc__chunks_trim(struct chunks *chunks, const struct piece *piece,
			  uint64_t bytes);
void *flowipc__chunks_data(const struct chunks *chunks,
			   const struct piece *piece);

/* Would @bytes fit into a further chunk? */
bool flowipc__chunks_can_grow(const struct chunks *chunks, uint64_t bytes);
/* Make a chunk that has room for @bytes. Errors as of making a region. */
int flowipc__chunks_grow(struct chunks *chunks, const struct backend *backend,
			 uint64_t bytes);
/* Is there a chunk as large as that, whatever is in it? */
bool flowipc__chunks_hold(const struct chunks *chunks, uint64_t bytes);
/* Could there be one? */
bool flowipc__chunks_could_hold(const struct chunks *chunks, uint64_t bytes);
/* Give up what was free for a while. True if there was something. */
bool flowipc__chunks_shrink(struct chunks *chunks);

/* Bytes that messages take up. */
uint64_t flowipc__chunks_used(const struct chunks *chunks);
/* How many chunks there are. */
uint32_t flowipc__chunks_count(const struct chunks *chunks);

#endif
