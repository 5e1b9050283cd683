// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "error.h"
#include "outbox.h"
#include "region.h"

#define OUTBOX_MAGIC   0x31786f62776f6c66ULL /* "flowbox1" */
#define OUTBOX_VERSION 1

#define CURSOR_OFFSET	FLOWIPC__LINE_PAIR
#define BELLS_OFFSET	(2 * FLOWIPC__LINE_PAIR)
#define SPAN_OFFSET	(3 * FLOWIPC__LINE_PAIR)
#define RELEASES_OFFSET (4 * FLOWIPC__LINE_PAIR)
#define RELEASES_BYTES	(FLOWIPC__LOANS * sizeof(uint32_t))
#define SLOTS_OFFSET	(RELEASES_OFFSET + RELEASES_BYTES)

#define SLOTS_MAX 65536

_Static_assert(sizeof(struct outbox_header) <= CURSOR_OFFSET, "must fit");
_Static_assert(sizeof(struct outbox_header) % sizeof(uint64_t) == 0,
	       "read by words");
_Static_assert(SLOTS_OFFSET % FLOWIPC__LINE_PAIR == 0, "slots are aligned");

static uint64_t payload_offset(uint32_t slots)
{
	return flowipc__page_align(SLOTS_OFFSET +
				   (uint64_t)slots * sizeof(struct slot));
}

uint64_t flowipc__outbox_size(uint32_t slots, uint64_t payload_bytes)
{
	uint64_t size;

	if (__builtin_add_overflow(payload_offset(slots), payload_bytes, &size))
		return 0;
	return flowipc__page_align(size);
}

static void outbox_locate(struct outbox *outbox, const struct mapping *mapping,
			  const struct outbox_header *header)
{
	unsigned char *base = mapping->base;

	*outbox = (struct outbox){
		.mapping = *mapping,
		.cursor = (void *)(base + CURSOR_OFFSET),
		.bells = (void *)(base + BELLS_OFFSET),
		.span = (void *)(base + SPAN_OFFSET),
		.releases = (void *)(base + header->releases_offset),
		.slots = (void *)(base + header->slots_offset),
		.slot_mask = header->slots - 1,
		.payload = base + header->payload_offset,
		.payload_bytes = header->payload_bytes,
		.remote_fence = header->flags & OUTBOX_REMOTE_FENCE,
		.drops = header->flags & OUTBOX_DROPS,
	};
}

void flowipc__outbox_format(struct outbox *outbox,
			    const struct mapping *mapping, uint32_t slots,
			    uint64_t payload_bytes, uint32_t flags)
{
	struct outbox_header header = {
		.magic = OUTBOX_MAGIC,
		.version = OUTBOX_VERSION,
		.flags = flags,
		.slots = slots,
		.releases = FLOWIPC__LOANS,
		.releases_offset = RELEASES_OFFSET,
		.slots_offset = SLOTS_OFFSET,
		.payload_offset = payload_offset(slots),
		.payload_bytes = payload_bytes,
	};

	memcpy(mapping->base, &header, sizeof(header));
	outbox_locate(outbox, mapping, &header);
}

/* Is [offset, offset + count * size) in the mapping, and aligned? */
static bool range_fits(const struct mapping *mapping, uint64_t offset,
		       uint64_t count, uint64_t size, uint64_t align)
{
	uint64_t bytes, end;

	return offset % align == 0 &&
	       !__builtin_mul_overflow(count, size, &bytes) &&
	       !__builtin_add_overflow(offset, bytes, &end) &&
	       end <= mapping->size;
}

int flowipc__outbox_open(struct outbox *outbox, const struct mapping *mapping)
{
	uint64_t words[sizeof(struct outbox_header) / sizeof(uint64_t)];
	const uint64_t *theirs = mapping->base;
	struct outbox_header header;
	unsigned int i;

	if (mapping->size < SLOTS_OFFSET)
		return flowipc__fail(-EPROTO,
				     "the peer's outbox has %llu bytes only",
				     (unsigned long long)mapping->size);
	/* From here on only our copy counts. */
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		words[i] = flowipc__peek(theirs[i]);
	memcpy(&header, words, sizeof(header));
	if (header.magic != OUTBOX_MAGIC || header.version != OUTBOX_VERSION)
		return flowipc__fail(-EPROTO,
				     "the peer's outbox is not of version %d",
				     OUTBOX_VERSION);
	if (header.slots < 2 || header.slots > SLOTS_MAX ||
	    header.slots & (header.slots - 1) ||
	    header.releases != FLOWIPC__LOANS ||
	    !range_fits(mapping, header.releases_offset, header.releases,
			sizeof(uint32_t), sizeof(uint32_t)) ||
	    !range_fits(mapping, header.slots_offset, header.slots,
			sizeof(struct slot), FLOWIPC__LINE_PAIR) ||
	    !range_fits(mapping, header.payload_offset, header.payload_bytes, 1,
			1))
		return flowipc__fail(
			-EPROTO,
			"the geometry of the peer's outbox makes no sense");
	outbox_locate(outbox, mapping, &header);
	return 0;
}

const struct outbox *flowipc__outbox_blank(void)
{
	/* Nobody writes to it; and for one slot the sequence 0 is enough. */
	static _Alignas(FLOWIPC__LINE_PAIR) unsigned char
		blank[SLOTS_OFFSET + sizeof(struct slot)];
	static const struct outbox outbox = {
		.cursor = (void *)(blank + CURSOR_OFFSET),
		.bells = (void *)(blank + BELLS_OFFSET),
		.span = (void *)(blank + SPAN_OFFSET),
		.releases = (void *)(blank + RELEASES_OFFSET),
		.slots = (void *)(blank + SLOTS_OFFSET),
		.remote_fence = true,
	};

	return &outbox;
}
