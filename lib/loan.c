// SPDX-License-Identifier: MIT
/*
 * The books of what was lent to the peer. They are private: the peer only
 * names, in its releases, loans that it gives back, and each is checked.
 */
#include <errno.h>
#include <stdlib.h>

#include "channel.h"
#include "error.h"
#include "payload.h"

#define NONE UINT32_MAX

int flowipc__loans_init(struct sender *sender, uint64_t payload_bytes)
{
	uint32_t i;

	sender->loans = calloc(FLOWIPC__LOANS, sizeof(*sender->loans));
	sender->payload =
		flowipc__payload_create(payload_bytes, FLOWIPC__LOANS);
	if (!sender->loans || !sender->payload)
		return flowipc__fail(-ENOMEM, "out of memory");
	for (i = 0; i < FLOWIPC__LOANS; i++)
		sender->loans[i].next = i + 1 < FLOWIPC__LOANS ? i + 1 : NONE;
	return 0;
}

/* Whatever the peer still reads from: to us it is no longer lent. */
void flowipc__loans_free(struct sender *sender)
{
	uint32_t i;

	for (i = 0; sender->loans && i < FLOWIPC__LOANS; i++) {
		if (sender->loans[i].state != LOAN_UNUSED)
			flowipc__loan_give(sender, i);
	}
	if (sender->spare)
		flowipc__region_put(sender->spare);
	sender->spare = NULL;
	free(sender->loans);
	flowipc__payload_free(sender->payload);
}

/* -EAGAIN when the peer holds them all. */
int flowipc__loan_take(struct sender *sender, uint32_t *loan)
{
	if (sender->unused_loan == NONE)
		return -EAGAIN;
	*loan = sender->unused_loan;
	sender->unused_loan = sender->loans[*loan].next;
	sender->loans[*loan] = (struct loan){.state = LOAN_HELD};
	return 0;
}

/* Before it is published: from then on the peer may give it back. */
void flowipc__loan_sent(struct sender *sender, uint32_t index)
{
	struct loan *loan = &sender->loans[index];

	loan->state = LOAN_SENT;
	sender->lent++;
	if (loan->region)
		atomic_fetch_add(&loan->region->lent, 1);
}

/* Keep the larger one of two regions that were made for a message each. */
static void spare_keep(struct sender *sender, struct flowipc_region *region)
{
	struct flowipc_region *other = sender->spare;

	if (other && other->mapping.size >= region->mapping.size) {
		flowipc__region_put(region);
		return;
	}
	sender->spare = region;
	if (other)
		flowipc__region_put(other);
}

void flowipc__loan_give(struct sender *sender, uint32_t index)
{
	struct loan *loan = &sender->loans[index];

	if (loan->state == LOAN_SENT) {
		sender->lent--;
		if (loan->region)
			atomic_fetch_sub(&loan->region->lent, 1);
	}
	if (loan->in_payload)
		flowipc__payload_give(sender->payload, loan->piece);
	if (loan->region && loan->own_region)
		spare_keep(sender, loan->region);
	else if (loan->region)
		flowipc__region_put(loan->region);
	*loan = (struct loan){.state = LOAN_UNUSED,
			      .next = sender->unused_loan};
	sender->unused_loan = index;
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
