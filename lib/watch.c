// SPDX-License-Identifier: MIT
#include <errno.h>

#include "channel.h"
#include "clock.h"
#include "error.h"
#include "session.h"
#include "watch.h"

static int watch_give_up(struct watch *watch)
{
	int err = flowipc__fail(
		-ECONNABORTED,
		"the peer is stuck: it took no message for %llu ms",
		(unsigned long long)watch->limit_ns / 1000000);

	flowipc__session_fail(watch->channel->session, FLOWIPC_END_STUCK, err);
	atomic_store(&watch->channel->broken, err);
	return err;
}

int flowipc__watch_look(struct watch *watch, const struct lane *lane,
			uint64_t *until)
{
	const struct outbox *mine = &watch->channel->mine;
	const struct slot *slot;
	uint64_t consumed, now;

	*until = FLOWIPC__NEVER;
	/* Whoever has not answered yet has not begun. */
	if (lane->opening)
		return 0;
	consumed = atomic_load_explicit(&lane->theirs.cursor->consumed,
					memory_order_relaxed);
	slot = &mine->slots[consumed & mine->slot_mask];
	if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) <=
	    consumed) {
		watch->since_ns = 0;
		return 0;
	}
	now = flowipc__now();
	if (!watch->since_ns || consumed != watch->consumed) {
		watch->consumed = consumed;
		watch->since_ns = now;
	}
	*until = watch->since_ns + watch->limit_ns;
	return now < *until ? 0 : watch_give_up(watch);
}
