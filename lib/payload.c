// SPDX-License-Identifier: MIT
/*
 * A chunk is a chain of extents in the order of their addresses, each taken
 * or free, and no two free ones side by side. The search for room starts where
 * the last one ended: messages are mostly given back in the order they were
 * taken, and then the next extent is the right one at once.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "payload.h"

#define NONE UINT32_MAX

struct extent {
	uint64_t offset;
	uint64_t bytes;
	uint32_t previous;
	uint32_t next; /* also chains the unused structures */
	bool taken;
};

struct payload {
	uint32_t unused;
	uint32_t fresh; /* from here on they were never used, nor touched */
	uint32_t count;
	uint32_t rover;
	uint64_t free_bytes;
	struct extent extents[];
};

struct payload *flowipc__payload_create(uint64_t bytes, uint32_t pieces)
{
	/* A free extent may stand on either side of every piece. */
	uint32_t count = 2 * pieces + 1;
	struct payload *payload;

	payload = calloc(1, sizeof(*payload) + count * sizeof(struct extent));
	if (!payload)
		return NULL;
	payload->extents[0] =
		(struct extent){.bytes = bytes, .previous = NONE, .next = NONE};
	payload->free_bytes = bytes;
	payload->unused = NONE;
	payload->fresh = 1;
	payload->count = count;
	return payload;
}

void flowipc__payload_free(struct payload *payload)
{
	free(payload);
}

static uint32_t extent_unused(struct payload *payload)
{
	uint32_t index = payload->unused;

	if (index != NONE)
		payload->unused = payload->extents[index].next;
	else if (payload->fresh < payload->count)
		index = payload->fresh++;
	return index;
}

/* Cut @extent after @bytes: what is left over becomes a free extent. */
static void extent_split(struct payload *payload, uint32_t index,
			 uint64_t bytes)
{
	struct extent *extent = &payload->extents[index];
	struct extent *rest;
	uint32_t rest_index;

	if (extent->bytes == bytes)
		return;
	rest_index = extent_unused(payload);
	if (rest_index == NONE)
		return;
	rest = &payload->extents[rest_index];
	*rest = (struct extent){.offset = extent->offset + bytes,
				.bytes = extent->bytes - bytes,
				.previous = index,
				.next = extent->next};
	if (extent->next != NONE)
		payload->extents[extent->next].previous = rest_index;
	extent->next = rest_index;
	extent->bytes = bytes;
}

/* Let @extent swallow its successor, if that is free. */
static void extent_merge_next(struct payload *payload, uint32_t index)
{
	struct extent *extent = &payload->extents[index];
	uint32_t next_index = extent->next;
	struct extent *next;

	if (next_index == NONE || payload->extents[next_index].taken)
		return;
	next = &payload->extents[next_index];
	extent->bytes += next->bytes;
	extent->next = next->next;
	if (next->next != NONE)
		payload->extents[next->next].previous = index;
	if (payload->rover == next_index)
		payload->rover = index;
	next->next = payload->unused;
	payload->unused = next_index;
}

static uint64_t payload_round(uint64_t bytes)
{
	return (bytes + FLOWIPC__PAYLOAD_ALIGN - 1) &
	       ~(uint64_t)(FLOWIPC__PAYLOAD_ALIGN - 1);
}

int64_t flowipc__payload_take(struct payload *payload, uint64_t bytes,
			      uint64_t *offset)
{
	uint64_t wanted = payload_round(bytes);
	uint32_t index = payload->rover;
	struct extent *extent;

	if (payload->free_bytes < wanted)
		return -EAGAIN;
	do {
		extent = &payload->extents[index];
		if (!extent->taken && extent->bytes >= wanted) {
			extent_split(payload, index, wanted);
			extent->taken = true;
			payload->free_bytes -= extent->bytes;
			payload->rover =
				extent->next == NONE ? 0 : extent->next;
			*offset = extent->offset;
			return index;
		}
		index = extent->next == NONE ? 0 : extent->next;
	} while (index != payload->rover);
	return -EAGAIN;
}

void flowipc__payload_give(struct payload *payload, uint32_t handle)
{
	uint32_t previous = payload->extents[handle].previous;

	payload->free_bytes += payload->extents[handle].bytes;
	payload->extents[handle].taken = false;
	extent_merge_next(payload, handle);
	if (previous != NONE && !payload->extents[previous].taken)
		extent_merge_next(payload, previous);
}

void flowipc__payload_trim(struct payload *payload, uint32_t handle,
			   uint64_t bytes)
{
	struct extent *extent = &payload->extents[handle];
	uint64_t before = extent->bytes;

	/* A piece stays a piece: only payload_give() ends it. */
	extent_split(payload, handle, payload_round(bytes ? bytes : 1));
	if (extent->bytes == before)
		return;
	payload->free_bytes += before - extent->bytes;
	extent_merge_next(payload, extent->next);
}

uint64_t flowipc__payload_free_bytes(const struct payload *payload)
{
	return payload->free_bytes;
}
