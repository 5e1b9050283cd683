// SPDX-License-Identifier: MIT
/*
 * The chunks of the peer's payload area as we have them mapped. Each is looked
 * up once, at the courier's, and from then on belongs to the receiving thread
 * alone: a message in it costs no lock.
 */
#include <errno.h>

#include "channel.h"
#include "courier.h"
#include "error.h"

static void view_drop(struct flowipc_channel *channel, struct view *view)
{
	flowipc__courier_release(channel->courier, view->import,
				 view->received);
	*view = (struct view){0};
}

int flowipc__view_get(struct flowipc_channel *channel, uint32_t place,
		      uint32_t number, struct mapping *mapping)
{
	struct view *view;
	int err;

	if (place >= FLOWIPC__CHUNKS)
		return flowipc__fail(-EPROTO,
				     "the peer sent from chunk %u of at most %d",
				     place, FLOWIPC__CHUNKS);
	view = &channel->receiver.views[place];
	if (!view->import || view->number != number) {
		/* Who gives a chunk up must have got back what was in it. */
		if (view->held)
			return flowipc__fail(
				-EPROTO,
				"the peer gave up memory that it has lent");
		if (view->import)
			view_drop(channel, view);
		err = flowipc__courier_find(channel->courier, number,
					    &view->import, &view->mapping);
		if (err)
			return err;
		view->number = number;
	}
	view->held++;
	view->received++;
	*mapping = view->mapping;
	return 0;
}

void flowipc__view_put(struct flowipc_channel *channel, uint32_t place)
{
	channel->receiver.views[place].held--;
}

void flowipc__views_collect(struct flowipc_channel *channel)
{
	struct receiver *receiver = &channel->receiver;
	uint32_t withdrawals = atomic_load_explicit(
		&channel->courier->withdrawals, memory_order_relaxed);
	struct view *view;
	uint32_t i;

	if (withdrawals == receiver->withdrawals)
		return;
	receiver->withdrawals = withdrawals;
	for (i = 1; i < FLOWIPC__CHUNKS; i++) {
		view = &receiver->views[i];
		if (view->import && !view->held &&
		    flowipc__courier_is_withdrawn(channel->courier,
						  view->import))
			view_drop(channel, view);
	}
}

void flowipc__views_free(struct flowipc_channel *channel)
{
	struct view *view;
	uint32_t i;

	for (i = 1; i < FLOWIPC__CHUNKS; i++) {
		view = &channel->receiver.views[i];
		if (view->import)
			view_drop(channel, view);
	}
}
