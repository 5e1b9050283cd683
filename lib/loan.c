// SPDX-License-Identifier: MIT
/*
 * The books of what was lent to the peer. They are private: the peer only
 * names, in its releases, loans that it gives back, and each is checked.
 */
#include <errno.h>
#include <stdlib.h>

#include "channel.h"
#include "courier.h"
#include "error.h"
#include "topic.h"

#define NONE UINT32_MAX

/* A spare region that nobody asked for so long, about a second, is given up. */
#define SPARE_TICKS (32 * FLOWIPC__TICKS)

int flowipc__loans_init(struct sender *sender)
{
	sender->unused_loan = NONE;
	sender->loans = calloc(FLOWIPC__LOANS, sizeof(*sender->loans));
	if (!sender->loans)
		return flowipc__fail(-ENOMEM, "out of memory");
	return 0;
}

/* One of those that can be sealed, one of those that cannot. */
struct spare *flowipc__spare_of(struct sender *sender, unsigned int flags)
{
	return &sender->spares[flags & FLOWIPC__SEALABLE ? 1 : 0];
}

static void spare_drop(struct spare *spare)
{
	if (spare->region)
		flowipc__region_put(spare->region);
	spare->region = NULL;
}

/* Whatever the peer still reads from: to us it is no longer lent. */
void flowipc__loans_free(struct sender *sender, bool unread)
{
	struct loan *loan;
	uint32_t i;

	for (i = 0; i < sender->fresh_loan; i++) {
		loan = &sender->loans[i];
		if (loan->state == LOAN_UNUSED)
			continue;
		if (unread && loan->own_region && loan->state == LOAN_SENT)
			flowipc__courier_count(loan->region, 0);
		flowipc__loan_give(sender, i);
	}
	for (i = 0; i < 2; i++)
		spare_drop(&sender->spares[i]);
	free(sender->loans);
	flowipc__chunks_free(&sender->chunks, unread);
}

bool flowipc__loan_is_there(const struct sender *sender)
{
	return sender->unused_loan != NONE ||
	       sender->fresh_loan < FLOWIPC__LOANS;
}

/* -EAGAIN when the peer holds them all. */
int flowipc__loan_take(struct sender *sender, uint32_t *loan)
{
	if (sender->unused_loan != NONE) {
		*loan = sender->unused_loan;
		sender->unused_loan = sender->loans[*loan].next;
	} else if (sender->fresh_loan < FLOWIPC__LOANS) {
		*loan = sender->fresh_loan++;
	} else {
		return -EAGAIN;
	}
	sender->loans[*loan] = (struct loan){.state = LOAN_HELD};
	return 0;
}

/* Before it is published: from then on the peer may give it back. */
void flowipc__loan_sent(struct sender *sender, uint32_t index, uint64_t bytes,
			uint64_t position)
{
	struct loan *loan = &sender->loans[index];

	loan->state = LOAN_SENT;
	loan->bytes = bytes;
	loan->position = position;
	sender->lent++;
	sender->lent_bytes += bytes;
	if (loan->region)
		atomic_fetch_add(&loan->region->lent, 1);
}

/* Keep the larger one of two regions that were made for a message each. */
static void spare_keep(struct sender *sender, struct flowipc_region *region)
{
	struct spare *spare = flowipc__spare_of(sender, region->flags);
	struct flowipc_region *other = spare->region;

	spare->ticks = flowipc__ticks();
	if (other && other->mapping.size >= region->mapping.size) {
		flowipc__region_put(region);
		return;
	}
	spare->region = region;
	if (other)
		flowipc__region_put(other);
}

static void own_region_give(struct sender *sender, const struct loan *loan)
{
	struct flowipc_region *region = loan->region;

	sender->own_bytes -= region->mapping.size;
	/* To write what is sealed raises a signal. */
	if (loan->spoilt || !flowipc__region_is_unsealed(region))
		flowipc__region_put(region);
	else
		spare_keep(sender, region);
}

void flowipc__loan_give(struct sender *sender, uint32_t index)
{
	struct loan *loan = &sender->loans[index];

	if (loan->state == LOAN_SENT) {
		sender->lent--;
		sender->lent_bytes -= loan->bytes;
		if (loan->region)
			atomic_fetch_sub(&loan->region->lent, 1);
	}
	if (loan->in_payload)
		flowipc__chunks_give(&sender->chunks, &loan->piece);
	sender->apart_bytes -= loan->apart;
	if (loan->region && loan->own_region)
		own_region_give(sender, loan);
	else if (loan->region)
		flowipc__region_put(loan->region);
	if (loan->publication)
		flowipc__publication_put(loan->publication);
	*loan = (struct loan){.state = LOAN_UNUSED,
			      .next = sender->unused_loan};
	sender->unused_loan = index;
}

int flowipc__loan_drop(struct flowipc_channel *channel, uint32_t index,
		       uint64_t position)
{
	struct sender *sender = &channel->sender;
	struct loan *loan = &sender->loans[index % FLOWIPC__LOANS];
	struct chunk *chunk = &sender->chunks.list[loan->piece.chunk];

	/* It may be another message's by now. */
	if (index >= FLOWIPC__LOANS || loan->state != LOAN_SENT ||
	    loan->position != position)
		return flowipc__channel_break(
			channel,
			flowipc__fail(
				-EPROTO,
				"the peer released a message that it has not received"));
	/* The peer keeps memory until it has received as many as were sent. */
	if (!loan->in_payload)
		flowipc__courier_unshare(channel->courier, loan->region);
	else if (chunk->region)
		chunk->messages--;
	flowipc__loan_give(sender, index);
	return 0;
}

int flowipc__loans_reclaim(struct flowipc_channel *channel)
{
	struct sender *sender = &channel->sender;
	struct outbox *theirs = &sender->lane.theirs;
	/* Pairs with the store in message_give_back(). */
	uint64_t released = atomic_load_explicit(&theirs->cursor->released,
						 memory_order_acquire);
	uint32_t loan;

	if (released - sender->released > sender->lent)
		return flowipc__channel_break(
			channel,
			flowipc__fail(
				-EPROTO,
				"the peer released more messages than it has"));
	for (; sender->released != released; sender->released++) {
		loan = atomic_load_explicit(
			&theirs->releases[sender->released % FLOWIPC__LOANS],
			memory_order_relaxed);
		if (loan >= FLOWIPC__LOANS ||
		    sender->loans[loan].state != LOAN_SENT)
			return flowipc__channel_break(
				channel,
				flowipc__fail(
					-EPROTO,
					"the peer released a message that it does not have"));
		flowipc__loan_give(sender, loan);
	}
	return 0;
}

int flowipc__loans_tidy(struct flowipc_channel *channel)
{
	struct sender *sender = &channel->sender;
	struct spare *spare;
	bool shrunk;
	int err, i;

	sender->tidied_ticks = sender->lane.looked_ticks;
	err = flowipc__loans_reclaim(channel);
	if (err)
		return err;
	shrunk = flowipc__chunks_shrink(&sender->chunks);
	for (i = 0; i < 2; i++) {
		spare = &sender->spares[i];
		if (spare->region &&
		    flowipc__ticks() - spare->ticks > SPARE_TICKS) {
			spare_drop(spare);
			shrunk = true;
		}
	}
	flowipc__courier_repeat(channel->courier);
	/* A peer that sleeps has it mapped until it wakes up. */
	if (shrunk)
		flowipc__lane_ring(&sender->lane);
	return 0;
}
