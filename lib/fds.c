// SPDX-License-Identifier: MIT
/*
 * Descriptors that go with a message. They travel over a socket that belongs
 * to the channel, one packet for each message that has some, in the order of
 * the messages; the slot says how many there are. So none of them is received
 * before its message is, and what piles up does so in the socket of the sender.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "error.h"
#include "packet.h"

_Static_assert(FLOWIPC_MESSAGE_FDS <= FLOWIPC__PACKET_FDS_MAX, "one packet");

/* Packets of messages that were never received; more come from an enemy. */
#define STALE_MAX 65536

int flowipc_message_attach_fd(struct flowipc_message *message, int fd)
{
	int own;

	if (message->received)
		return flowipc__fail(
			-EINVAL,
			"a descriptor cannot be attached to a received message");
	if (message->fd_count == FLOWIPC_MESSAGE_FDS)
		return flowipc__fail(-E2BIG,
				     "a message has at most %d descriptors",
				     FLOWIPC_MESSAGE_FDS);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return flowipc__fail(errno == EINVAL ? -EMFILE : -errno,
				     "cannot attach descriptor %d: %s", fd,
				     strerror(errno));
	message->fds[message->fd_count++] = own;
	return 0;
}

unsigned int flowipc_message_fd_count(const struct flowipc_message *message)
{
	return message->fd_count;
}

int flowipc_message_take_fd(struct flowipc_message *message, unsigned int index)
{
	int fd;

	if (!message->received || index >= message->fd_count)
		return flowipc__fail(
			-EINVAL, "descriptor %u of a message that has %u%s",
			index, message->fd_count,
			message->received ? "" : " and was not received");
	fd = message->fds[index];
	if (fd < 0)
		return flowipc__fail(
			fd,
			fd == -EBADF ?
				"descriptor %u was taken already" :
				"descriptor %u came when this process had no room for it",
			index);
	message->fds[index] = -EBADF;
	return fd;
}

void flowipc__fds_close(struct flowipc_message *message)
{
	unsigned int i;

	for (i = 0; i < message->fd_count; i++) {
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	}
	message->fd_count = 0;
}

int flowipc__fds_send(struct flowipc_message *message,
		      struct patience *patience)
{
	struct flowipc_channel *channel = message->channel;
	uint64_t position = channel->sender.position;
	int socket = channel->doorbell.fds_fd;
	int err;

	for (;;) {
		err = flowipc__packet_send(socket, &position, sizeof(position),
					   message->fds, message->fd_count);
		if (err == -EMFILE)
			return flowipc__fail(
				err,
				"too many descriptors are under way (ulimit -n)");
		if (err != -EAGAIN)
			return err;
		/* It receives them when it receives the messages. */
		flowipc__lane_ring(&channel->sender.lane);
		err = flowipc__sender_wait_socket(channel, socket, patience);
		if (err)
			return err;
	}
}

int flowipc__fds_receive(struct flowipc_message *message, unsigned int count)
{
	struct flowipc_channel *channel = message->channel;
	uint64_t wanted = channel->receiver.position, position = 0;
	int budget = STALE_MAX;
	unsigned int got = 0, i;
	int err;

	if (count > FLOWIPC_MESSAGE_FDS)
		return flowipc__fail(-EPROTO,
				     "the peer sent %u descriptors at once",
				     count);
	/* Those of messages that were given up on the way come first. */
	do {
		flowipc__close_all(message->fds, got);
		err = flowipc__packet_receive_many(
			channel->doorbell.fds_fd, &position, sizeof(position),
			message->fds, FLOWIPC_MESSAGE_FDS, &got);
	} while ((!err || err == -EMFILE) && position < wanted && --budget);
	if (err == -EMFILE && position == wanted) {
		/* The message is there: only what needs these misses them. */
		for (i = 0; i < count; i++)
			message->fds[i] = -EMFILE;
		message->fd_count = count;
		return 0;
	}
	if (err || position != wanted || got != count) {
		flowipc__close_all(message->fds, err ? 0 : got);
		return flowipc__fail(
			-EPROTO,
			"the peer sent a message without the %u descriptors it speaks of",
			count);
	}
	message->fd_count = count;
	return 0;
}
