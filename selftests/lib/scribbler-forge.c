// SPDX-License-Identifier: MIT
/* Messages, and progress, that look like those of the library. */
#include "scribbler-private.h"

#include <sched.h>

#define PUT(attacker, word, number)				\
	do {							\
		(word) = (__typeof__(word))(number);		\
		count_word(attacker, (const void *)&(word));	\
	} while (0)

/* Requests, and replies to calls that are in flight, were, and never will be. */
NO_TSAN static void role_forge(struct attacker *attacker, struct slot *slot,
			       bool honest)
{
	uint64_t *random = &attacker->random;

	PUT(attacker, slot->role,
	    test_random_below(random, SLOT_REPLY_MORE + 1));
	PUT(attacker, slot->call, 1 + test_random_below(random, 400));
	if (honest)
		return;
	switch (test_random_below(random, 8)) {
	case 0:
		PUT(attacker, slot->role, chosen(attacker, slot->role));
		break;
	case 1:
		PUT(attacker, slot->call, chosen(attacker, slot->call));
		break;
	case 2:
		PUT(attacker, slot->role, SLOT_REQUEST);
		PUT(attacker, slot->call, 0);
		break;
	}
}

/* Memory that the victim knows, or could know. */
NO_TSAN static void place_forge(struct attacker *attacker, struct slot *slot)
{
	uint64_t *random = &attacker->random;
	unsigned int i;

	if (!attacker->shared_count)
		return;
	i = (unsigned int)test_random_below(random, attacker->shared_count);
	PUT(attacker, slot->kind,
	    attacker->shared[i].chunk ? SLOT_PAYLOAD : SLOT_REGION);
	PUT(attacker, slot->chunk, attacker->shared[i].chunk);
	/* another's number, now and then */
	if (!test_random_below(random, 32))
		i = 0;
	PUT(attacker, slot->region, attacker->shared[i].region);
	PUT(attacker, slot->size, test_random_below(random, 100));
	PUT(attacker, slot->offset, test_random_below(random, 4000));
	PUT(attacker, slot->seal, test_random_below(random, 64) ? 0 :
	    chosen(attacker, slot->seal));
}

/* One that is what it says, or says a little more than it is. */
NO_TSAN static void message_forge(struct attacker *attacker, struct slot *slot,
				  uint64_t further)
{
	uint64_t *random = &attacker->random;
	bool honest = test_random_below(random, 64);
	uint64_t most = test_random_below(random, 8) ? 4096 :
		attacker->payload_bytes, size;

	PUT(attacker, slot->type, chosen(attacker, slot->type));
	PUT(attacker, slot->correlation, test_random(random));
	PUT(attacker, slot->sent_ns, chosen(attacker, slot->sent_ns));
	PUT(attacker, slot->loan, test_random_below(random, 5000));
	PUT(attacker, slot->chunk, 0);
	PUT(attacker, slot->fds, honest ? 0 : test_random_below(random, 18));
	role_forge(attacker, slot, honest);
	PUT(attacker, slot->further, further);
	if (!honest && !test_random_below(random, 4))
		PUT(attacker, slot->further, test_random_below(random, 70));
	if (test_random_below(random, 2)) {
		PUT(attacker, slot->kind, SLOT_INLINE);
		PUT(attacker, slot->length,
		    honest ? test_random_below(random, FLOWIPC__INLINE_MAX + 1) :
			     chosen(attacker, slot->length));
		return;
	}
	size = test_random_below(random, most + 1);
	PUT(attacker, slot->kind, SLOT_PAYLOAD);
	PUT(attacker, slot->size, size);
	PUT(attacker, slot->offset,
	    test_random_below(random, attacker->payload_bytes - size + 1));
	if (!test_random_below(random, 3))
		place_forge(attacker, slot);
	if (honest)
		return;
	switch (test_random_below(random, 7)) {
	case 0:
		PUT(attacker, slot->kind, SLOT_REGION);
		PUT(attacker, slot->region, chosen(attacker, slot->region));
		break;
	case 1:
		PUT(attacker, slot->kind, chosen(attacker, slot->kind));
		break;
	case 2:
		PUT(attacker, slot->size, chosen(attacker, slot->size));
		break;
	case 3:
		PUT(attacker, slot->offset, attacker->payload_bytes - size +
		    test_random_below(random, 3));
		break;
	case 4:
		PUT(attacker, slot->chunk, test_random_below(random, 40));
		PUT(attacker, slot->region, chosen(attacker, slot->region));
		break;
	case 5:
		PUT(attacker, slot->offset, -test_random_below(random, size +
							       2));
		break;
	default:
		PUT(attacker, slot->offset, chosen(attacker, slot->offset));
	}
}

/* Share memory as it should be, and see what it is called. */
NO_TSAN static uint64_t share_honestly(struct attacker *attacker)
{
	static const char bytes[30000];
	uint64_t position = 0, i;
	const struct slot *slot;

	for (i = 0; i < attacker->slot_count / 2 && i < 8; i++) {
		if (i % 2)
			send_from_region(attacker);
		else
			flowipc_send(attacker->channel, bytes, sizeof(bytes),
				     0);
	}
	attacker->shared_count = 0;
	for (i = 0; i < attacker->slot_count && i < 8; i++) {
		slot = &attacker->slots[i];
		if (atomic_load(&slot->sequence) > position)
			position = atomic_load(&slot->sequence);
		if (slot->kind == SLOT_REGION ||
		    (slot->kind == SLOT_PAYLOAD && slot->chunk)) {
			attacker->shared[attacker->shared_count].region =
				slot->region;
			attacker->shared[attacker->shared_count++].chunk =
				slot->chunk;
		}
	}
	return position;
}

NO_TSAN static void slot_publish(struct attacker *attacker, uint64_t position,
				 uint64_t further)
{
	struct slot *slot =
		&attacker->slots[position & (attacker->slot_count - 1)];

	message_forge(attacker, slot, further);
	atomic_store(&slot->sequence, position + 1);
	count_word(attacker, &slot->sequence);
}

/* Publish without the library, as fast as the victim reads. */
NO_TSAN void forge_messages(struct attacker *attacker)
{
	uint64_t position = share_honestly(attacker), consumed, idle = 0;
	uint64_t *random = &attacker->random, end = position + 2000, further, i;

	while (position < end && idle < 300) {
		further = test_random_below(random, 8) ? 0 :
			test_random_below(random, attacker->slot_count < 8 ?
					  attacker->slot_count : 8);
		consumed = atomic_load(&attacker->their_cursor->consumed);
		if (position + further - consumed >= attacker->slot_count) {
			sched_yield();
			if (++idle % 16 == 0 && is_alone(attacker))
				break;
			continue;
		}
		idle = 0;
		/* the first one is what the victim looks for */
		for (i = further; i; i--)
			if (test_random_below(random, 64))
				slot_publish(attacker, position + i, 0);
		slot_publish(attacker, position, further);
		position += 1 + further;
	}
}

/* Consume and release without the library. */
NO_TSAN void forge_progress(struct attacker *attacker)
{
	uint64_t *random = &attacker->random;
	uint64_t position = 0, released = 0, idle = 0;
	const struct slot *slot;
	uint32_t loan;

	while (position < 2000 && idle < 300) {
		slot = &attacker->their_slots[position &
					      (attacker->their_slot_count - 1)];
		if (atomic_load(&slot->sequence) != position + 1) {
			sched_yield();
			if (++idle % 16 == 0 && is_alone(attacker))
				break;
			continue;
		}
		idle = 0;
		position++;
		if (slot->kind != SLOT_INLINE) {
			loan = slot->loan;
			if (!test_random_below(random, 100))
				loan = (uint32_t)chosen(attacker, loan);
			PUT(attacker, attacker->releases[released % FLOWIPC__LOANS],
			    loan);
			released++;
			if (!test_random_below(random, 200))
				released = chosen(attacker, released);
			atomic_store(&attacker->cursor->released, released);
			count_word(attacker, &attacker->cursor->released);
		}
		atomic_store(&attacker->cursor->consumed,
			     test_random_below(random, 200) ? position :
			     chosen(attacker, position));
		count_word(attacker, &attacker->cursor->consumed);
	}
}
