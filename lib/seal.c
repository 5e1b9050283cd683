// SPDX-License-Identifier: MIT
/*
 * Sealed messages. The sender has the kernel seal the pages of a message in
 * the name of the receiver's end of the channel, which alone can break the seal
 * again, and tells its number in the slot. The receiver asks the kernel what
 * that number covers before it relies on it, and breaks the seal when the
 * message is released.
 *
 * A number that stands in two slots would be broken with the first message, and
 * the second could then be changed while it is read. So those that are held are
 * kept in a list, and each number is accepted once.
 *
 * Nor does the sender rely on the receiver: it asks whether the pages are free
 * of seals before it writes to them again.
 */
#include <errno.h>

#include "channel.h"
#include "error.h"
#include "session.h"

int flowipc__seals_check(const struct flowipc_channel *channel)
{
	const struct backend *backend = channel->session->backend;

	if (!backend->region_seal)
		return flowipc__fail(-EOPNOTSUPP,
				     "the %s back end cannot seal a message",
				     flowipc_backend_name(backend->id));
	if (flowipc__sender_drops(&channel->sender))
		return flowipc__fail(
			-EINVAL,
			"a message that may be dropped cannot be sealed: nobody would break the seal");
	return 0;
}

static int message_seal(struct flowipc_message *message)
{
	const struct flowipc_region *region = message->region;
	uint64_t page = flowipc__page_align(1);

	if (message->received)
		return flowipc__fail(-EINVAL,
				     "a received message cannot be sealed");
	if (message->to_be_sealed)
		return 0;
	if (!region || !(region->flags & FLOWIPC__SEALABLE))
		return flowipc__fail(
			-EINVAL,
			"a message can be sealed if it is from flowipc_message_new_sealed() or from a sealable region");
	if (message->offset % page || message->size % page)
		return flowipc__fail(
			-EINVAL,
			"%llu bytes at %llu are not whole pages, which alone can be sealed",
			(unsigned long long)message->size,
			(unsigned long long)message->offset);
	message->to_be_sealed = true;
	return 0;
}

int flowipc_message_seal(struct flowipc_message *message)
{
	int err = flowipc__seals_check(message->channel);

	return err ? err : message_seal(message);
}

int flowipc__seals_make(struct flowipc_message *message)
{
	struct flowipc_channel *channel = message->channel;
	const struct backend *backend = channel->session->backend;
	struct flowipc_message *piece;
	int err;

	for (piece = message; piece; piece = piece->rest) {
		/* It may have been sealed when it was to be sent before. */
		if (!piece->to_be_sealed || piece->seal || !piece->size ||
		    piece->kind != SLOT_REGION)
			continue;
		err = backend->region_seal(
			piece->region->fd, &channel->doorbell, piece->offset,
			flowipc__page_align(piece->size), &piece->seal);
		/* Who has a part of it for I/O may have it for long. */
		if (err == -EBUSY)
			channel->sender.loans[piece->loan].spoilt = true;
		if (err)
			return err;
	}
	return 0;
}

bool flowipc__region_is_unsealed(const struct flowipc_region *region)
{
	uint32_t seals;

	return !(region->flags & FLOWIPC__SEALABLE) ||
	       (!region->backend->region_count_seals(region->fd, &seals) &&
		!seals);
}

int64_t flowipc_region_seals(const struct flowipc_region *region)
{
	uint32_t seals;
	int err;

	if (!(region->flags & FLOWIPC__SEALABLE))
		return flowipc__fail(-EOPNOTSUPP,
				     "the region is not a sealable one");
	err = region->backend->region_count_seals(region->fd, &seals);
	return err ? err : (int64_t)seals;
}

/* A message that is held under that seal, or NULL. */
static struct flowipc_message *seal_find(struct receiver *receiver,
					 uint64_t seal)
{
	struct flowipc_message *piece = receiver->sealed;

	while (piece && piece->seal != seal)
		piece = piece->next_sealed;
	return piece;
}

int flowipc__seal_accept(struct flowipc_message *piece,
			 const struct mapping *mapping)
{
	struct flowipc_channel *channel = piece->channel;
	struct receiver *receiver = &channel->receiver;
	const struct backend *backend = channel->session->backend;

	if (seal_find(receiver, piece->seal) || !backend->seal_covers ||
	    !backend->seal_covers(&channel->doorbell, piece->seal, mapping,
				  piece->offset, piece->size))
		return flowipc__fail(
			-EPROTO,
			"the peer sent a message that is not sealed as it says");
	piece->next_sealed = receiver->sealed;
	receiver->sealed = piece;
	return 0;
}

void flowipc__seal_break(struct flowipc_message *piece)
{
	struct flowipc_channel *channel = piece->channel;
	struct flowipc_message **link = &channel->receiver.sealed;
	const struct backend *backend = channel->session->backend;
	uint64_t seal = piece->seal;

	while (*link && *link != piece)
		link = &(*link)->next_sealed;
	if (*link)
		*link = piece->next_sealed;
	piece->seal = 0;
	/* One that was not accepted may bear the number of another. */
	if (backend->seal_break && !seal_find(&channel->receiver, seal))
		backend->seal_break(&channel->doorbell, seal);
}
