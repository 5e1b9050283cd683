// SPDX-License-Identifier: MIT
/* Finding memory for a message that does not travel in its slot. */
#include <errno.h>

#include "channel.h"
#include "error.h"
#include "session.h"

struct lending {
	struct flowipc_channel *channel;
	uint64_t bytes; /* in a chunk; 0: a loan alone */
	uint32_t loan;
	bool taken;
	bool rigid; /* there is no further chunk to be had */
	uint64_t apart; /* bytes that have room, but not in one piece */
};

/* -EAGAIN: not now. */
static int lending_try(struct lending *lending, bool anywhere)
{
	struct sender *sender = &lending->channel->sender;
	struct loan *loan;
	int err;

	err = flowipc__loan_take(sender, &lending->loan);
	if (err)
		return err;
	loan = &sender->loans[lending->loan];
	if (lending->bytes) {
		err = flowipc__chunks_take(&sender->chunks, lending->bytes,
					   anywhere, &loan->piece);
		if (err) {
			flowipc__loan_give(sender, lending->loan);
			return err;
		}
		loan->in_payload = true;
	}
	lending->taken = true;
	return 0;
}

static bool lending_can_grow(const struct lending *lending)
{
	return !lending->rigid &&
	       flowipc__chunks_can_grow(&lending->channel->sender.chunks,
					lending->bytes);
}

/*
 * There is room enough, were it not for pieces that lie in between. A receiver
 * may be waiting for this very message, so it gets a region of its own; but all
 * that do so, and all in chunks, do not take up more than is allowed.
 */
static bool lending_is_fragmented(const struct lending *lending)
{
	const struct sender *sender = &lending->channel->sender;
	const struct chunks *chunks = &sender->chunks;
	uint64_t limit = lending->rigid ? chunks->reserved : chunks->max;
	uint64_t used = flowipc__chunks_used(chunks) + sender->apart_bytes;

	return used <= limit && limit - used >= lending->bytes;
}

/* 1: something is taken, or there is another way than to wait or to drop. */
static int lending_look(struct lending *lending)
{
	int err = lending_try(lending, false);

	if (err == -EAGAIN) {
		err = flowipc__loans_reclaim(lending->channel);
		if (!err)
			err = lending_try(lending, true);
	}
	if (err != -EAGAIN)
		return err ? err : 1;
	return lending->bytes &&
	       flowipc__loan_is_there(&lending->channel->sender) &&
	       (lending_can_grow(lending) || lending_is_fragmented(lending));
}

static int lending_ready(void *context)
{
	struct lending *lending = context;
	struct flowipc_channel *channel = lending->channel;
	int err = lending_look(lending);

	while (!err && flowipc__sender_drops(&channel->sender)) {
		err = flowipc__consumed_look(channel);
		if (err || !flowipc__dropping_frees(channel))
			return err;
		err = flowipc__oldest_drop(channel);
		if (err <= 0)
			return err;
		err = lending_look(lending);
	}
	return err;
}

static int lending_grow(struct lending *lending)
{
	struct chunks *chunks = &lending->channel->sender.chunks;
	const struct backend *backend = lending->channel->session->backend;
	struct error_line line;
	int err;

	flowipc__error_keep(&line);
	err = flowipc__chunks_grow(chunks, backend, lending->bytes);
	if (!err || !flowipc__chunks_hold(chunks, lending->bytes))
		return err;
	/* It will fit into what there is, when the peer releases it. */
	flowipc__error_restore(&line);
	lending->rigid = true;
	return 0;
}

static int lend(struct lending *lending, uint64_t deadline)
{
	struct flowipc_channel *channel = lending->channel;
	int err = 0;

	/* Loans are many, but what is behind one may be a whole region. */
	if (!lending->bytes)
		err = flowipc__loans_reclaim(channel);
	while (!err && !lending->taken) {
		err = lending_ready(lending);
		if (!err)
			err = flowipc__sender_wait(channel, lending_ready,
						   lending, deadline);
		if (err < 0)
			return err;
		err = 0;
		if (lending->taken)
			break;
		if (lending_can_grow(lending)) {
			err = lending_grow(lending);
		} else {
			lending->apart = lending->bytes;
			lending->bytes = 0;
		}
	}
	return err;
}

int flowipc__loan_wait(struct flowipc_channel *channel, uint64_t deadline,
		       uint32_t *loan)
{
	struct lending lending = {.channel = channel};
	int err = lend(&lending, deadline);

	if (!err)
		*loan = lending.loan;
	return err;
}

/* A message too large for the payload area has a region of its own. */
static int lend_own_region(struct flowipc_channel *channel, uint64_t size,
			   unsigned int flags, struct loan *loan)
{
	const struct backend *backend = channel->session->backend;
	struct spare *spare = flowipc__spare_of(&channel->sender, flags);
	struct flowipc_region *region = spare->region;
	int err;

	loan->own_region = true;
	size = flowipc__region_size_round(size);
	if (region && region->mapping.size >= size) {
		loan->region = region;
		spare->region = NULL;
		return 0;
	}
	err = flowipc__region_create(backend, size, flags, &loan->region);
	if (err && region) {
		/* There may be memory for the one, if not for both. */
		spare->region = NULL;
		flowipc__region_put(region);
		err = flowipc__region_create(backend, size, flags,
					     &loan->region);
	}
	return err;
}

int flowipc__message_lend(struct flowipc_message *message, uint64_t deadline)
{
	struct flowipc_channel *channel = message->channel;
	struct sender *sender = &channel->sender;
	struct lending lending = {.channel = channel};
	struct loan *loan;
	int err;

	/* Seals are of whole pages, so there must be nothing else in them. */
	if (!message->to_be_sealed &&
	    flowipc__chunks_could_hold(&sender->chunks, message->size))
		lending.bytes = message->size;
	err = lend(&lending, deadline);
	if (err)
		return err;
	message->loan = lending.loan;
	loan = &sender->loans[message->loan];
	if (loan->in_payload) {
		message->kind = SLOT_PAYLOAD;
		message->offset = loan->piece.offset;
		message->data =
			flowipc__chunks_data(&sender->chunks, &loan->piece);
		return 0;
	}
	err = lend_own_region(channel, message->size,
			      message->to_be_sealed ? FLOWIPC__SEALABLE : 0,
			      loan);
	if (err) {
		flowipc__loan_give(sender, message->loan);
		return err;
	}
	sender->own_bytes += loan->region->mapping.size;
	sender->apart_bytes += lending.apart;
	loan->apart = lending.apart;
	message->kind = SLOT_REGION;
	message->region = loan->region;
	message->offset = 0;
	message->data = loan->region->mapping.base;
	return 0;
}
