// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "chunk.h"
#include "clock.h"
#include "courier.h"
#include "error.h"
#include "outbox.h"
#include "payload.h"
#include "region.h"

/* A chunk in which there was nothing for so long, about a second, is given up. */
#define FREE_TICKS (32 * FLOWIPC__TICKS)

static int chunk_init(struct chunk *chunk, void *base, uint64_t bytes)
{
	uint64_t pieces = bytes / FLOWIPC__PAYLOAD_ALIGN;

	if (pieces > FLOWIPC__LOANS)
		pieces = FLOWIPC__LOANS;
	*chunk = (struct chunk){.base = base, .bytes = bytes};
	chunk->payload = flowipc__payload_create(bytes, (uint32_t)pieces);
	if (!chunk->payload)
		return flowipc__fail(-ENOMEM, "out of memory");
	return 0;
}

int flowipc__chunks_init(struct chunks *chunks, void *base, uint64_t bytes,
			 uint64_t max)
{
	memset(chunks, 0, sizeof(*chunks));
	chunks->count = 1;
	chunks->reserved = bytes;
	chunks->max = max;
	return chunk_init(&chunks->list[0], base, bytes);
}

static void chunk_drop(struct chunks *chunks, struct chunk *chunk, bool unread)
{
	chunks->reserved -= chunk->bytes;
	flowipc__payload_free(chunk->payload);
	if (chunk->shared)
		flowipc__courier_count(chunk->region,
				       unread ? 0 : chunk->messages);
	if (chunk->region)
		flowipc__region_put(chunk->region);
	*chunk = (struct chunk){0};
	while (chunks->count > 1 && !chunks->list[chunks->count - 1].payload)
		chunks->count--;
	chunks->current = 0;
}

void flowipc__chunks_free(struct chunks *chunks, bool unread)
{
	uint32_t i;

	for (i = chunks->count; i--;) {
		if (chunks->list[i].payload)
			chunk_drop(chunks, &chunks->list[i], unread);
	}
}

void flowipc__chunks_retire(struct chunks *chunks, uint32_t place)
{
	chunk_drop(chunks, &chunks->list[place], false);
}

static bool chunk_take(struct chunks *chunks, uint32_t index, uint64_t bytes,
		       struct piece *piece)
{
	struct chunk *chunk = &chunks->list[index];
	int64_t handle;

	if (!chunk->payload)
		return false;
	handle = flowipc__payload_take(chunk->payload, bytes, &piece->offset);
	if (handle < 0)
		return false;
	piece->chunk = index;
	piece->handle = (uint32_t)handle;
	chunk->free_ticks = 0;
	return true;
}

int flowipc__chunks_take(struct chunks *chunks, uint64_t bytes, bool anywhere,
			 struct piece *piece)
{
	uint32_t i;

	if (!anywhere)
		return chunk_take(chunks, chunks->current, bytes, piece) ?
			       0 :
			       -EAGAIN;
	/* The first is the smallest, and most likely to be in a cache. */
	for (i = 0; i < chunks->count; i++) {
		if (chunk_take(chunks, i, bytes, piece)) {
			chunks->current = i;
			return 0;
		}
	}
	return -EAGAIN;
}

void flowipc__chunks_give(struct chunks *chunks, const struct piece *piece)
{
	flowipc__payload_give(chunks->list[piece->chunk].payload,
			      piece->handle);
}

void flowipc__chunks_trim(struct chunks *chunks, const struct piece *piece,
			  uint64_t bytes)
{
	flowipc__payload_trim(chunks->list[piece->chunk].payload, piece->handle,
			      bytes);
}

void *flowipc__chunks_data(const struct chunks *chunks,
			   const struct piece *piece)
{
	return chunks->list[piece->chunk].base + piece->offset;
}

static bool chunk_is_free(const struct chunk *chunk)
{
	return chunk->region &&
	       flowipc__payload_free_bytes(chunk->payload) == chunk->bytes;
}

/* A place for one more chunk; FLOWIPC__CHUNKS if there is none. */
static uint32_t place_find(const struct chunks *chunks)
{
	uint32_t place = 0;

	while (place < FLOWIPC__CHUNKS && chunks->list[place].payload)
		place++;
	return place;
}

bool flowipc__chunks_can_grow(const struct chunks *chunks, uint64_t bytes)
{
	uint64_t left = chunks->max - chunks->reserved;
	bool place = place_find(chunks) < FLOWIPC__CHUNKS;
	uint32_t i;

	/* Free chunks, too small for this one, make room for another. */
	for (i = 1; i < chunks->count; i++) {
		if (chunk_is_free(&chunks->list[i])) {
			left += chunks->list[i].bytes;
			place = true;
		}
	}
	return place && flowipc__page_align(bytes) <= left;
}

/* What @bytes need, but as much again as there is, as far as the limit goes. */
static uint64_t chunk_bytes(const struct chunks *chunks, uint64_t bytes)
{
	uint64_t left = chunks->max - chunks->reserved;
	uint64_t size =
		flowipc__page_align(flowipc__region_size_round(bytes));

	if (size < chunks->reserved)
		size = chunks->reserved;
	return size < left ? size : left;
}

int flowipc__chunks_grow(struct chunks *chunks, const struct backend *backend,
			 uint64_t bytes)
{
	uint64_t least = flowipc__page_align(bytes), size;
	struct flowipc_region *region;
	uint32_t place, i;
	int err;

	for (i = 1; i < chunks->count; i++) {
		if (chunks->max - chunks->reserved >= least &&
		    place_find(chunks) < FLOWIPC__CHUNKS)
			break;
		if (chunk_is_free(&chunks->list[i]))
			chunk_drop(chunks, &chunks->list[i], false);
	}
	size = chunk_bytes(chunks, bytes);
	err = flowipc__region_create(backend, size, 0, &region);
	/* There may be memory for this message, if not for more. */
	if (err && size > least)
		err = flowipc__region_create(backend, least, 0, &region);
	if (err)
		return err;
	place = place_find(chunks);
	err = chunk_init(&chunks->list[place], region->mapping.base,
			 region->mapping.size);
	if (err) {
		flowipc__region_put(region);
		return err;
	}
	chunks->list[place].region = region;
	chunks->reserved += region->mapping.size;
	if (place >= chunks->count)
		chunks->count = place + 1;
	return 0;
}

bool flowipc__chunks_hold(const struct chunks *chunks, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; i < chunks->count; i++) {
		if (chunks->list[i].bytes >= bytes)
			return true;
	}
	return false;
}

bool flowipc__chunks_could_hold(const struct chunks *chunks, uint64_t bytes)
{
	/* The first one always stays. */
	return bytes <= chunks->list[0].bytes ||
	       bytes <= chunks->max - chunks->list[0].bytes;
}

bool flowipc__chunks_shrink(struct chunks *chunks)
{
	uint64_t now = flowipc__ticks();
	bool shrunk = false;
	struct chunk *chunk;
	uint32_t i;

	for (i = chunks->count; --i;) {
		chunk = &chunks->list[i];
		if (!chunk->payload || !chunk_is_free(chunk))
			continue;
		if (!chunk->free_ticks) {
			chunk->free_ticks = now;
		} else if (now - chunk->free_ticks > FREE_TICKS) {
			chunk_drop(chunks, chunk, false);
			shrunk = true;
		}
	}
	return shrunk;
}

uint64_t flowipc__chunks_used(const struct chunks *chunks)
{
	uint64_t used = chunks->reserved;
	uint32_t i;

	for (i = 0; i < chunks->count; i++) {
		if (chunks->list[i].payload)
			used -= flowipc__payload_free_bytes(
				chunks->list[i].payload);
	}
	return used;
}

uint32_t flowipc__chunks_count(const struct chunks *chunks)
{
	uint32_t count = 0, i;

	for (i = 0; i < chunks->count; i++)
		count += chunks->list[i].payload != NULL;
	return count;
}
