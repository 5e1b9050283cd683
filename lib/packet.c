// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "packet.h"

union fd_buffer {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FLOWIPC__PACKET_FDS_MAX * sizeof(int))];
};

void flowipc__close_all(const int *fds, unsigned int fd_count)
{
	unsigned int i;

	for (i = 0; i < fd_count; i++)
		close(fds[i]);
}

bool flowipc__is_unix_socket(int fd, int wanted_type)
{
	socklen_t size = sizeof(int);
	int domain, type;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size))
		return false;
	size = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size))
		return false;
	return domain == AF_UNIX && type == wanted_type;
}

int flowipc__packet_pair(int pair[2])
{
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return 0;
	return flowipc__fail(-errno, "cannot make a pair of sockets: %s",
			     strerror(errno));
}

int flowipc__packet_send(int socket, const void *data, size_t size,
			 const int *fds, unsigned int fd_count)
{
	return flowipc__packet_send_tail(
		socket, data, size, &(struct packet_tail){0}, fds, fd_count);
}

int flowipc__packet_send_tail(int socket, const void *data, size_t size,
			      const struct packet_tail *tail, const int *fds,
			      unsigned int fd_count)
{
	union fd_buffer control = {0};
	struct iovec iov[2] = {
		{.iov_base = (void *)data, .iov_len = size},
		{.iov_base = tail->data, .iov_len = tail->size},
	};
	struct msghdr header = {.msg_iov = iov, .msg_iovlen = 2};

	if (fd_count) {
		struct cmsghdr *cmsg = &control.align;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, fd_count * sizeof(int));
	}
	if (sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
		return -EAGAIN;
	case ETOOMANYREFS:
		return -EMFILE;
	case ENOMEM:
		return -ENOMEM;
	default:
		return -EPIPE;
	}
}

static int send_room(int socket)
{
	socklen_t size = sizeof(int);
	int bytes = 0;

	getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, &size);
	return bytes;
}

/* The kernel grants what it allows, and counts twice what it is asked for. */
static void send_room_set(int socket, int bytes)
{
	setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void flowipc__packet_reserve(int socket)
{
	int usual = send_room(socket);
	int half;

	send_room_set(socket, INT_MAX);
	half = send_room(socket) / 2;
	send_room_set(socket, (usual < half ? usual : half) / 2);
}

void flowipc__packet_use_reserve(int socket)
{
	send_room_set(socket, INT_MAX);
}

/* Collect the descriptors of a packet; how many. */
static unsigned int packet_fds(struct msghdr *header, int *fds)
{
	struct cmsghdr *cmsg;
	unsigned int count = 0;

	for (cmsg = CMSG_FIRSTHDR(header); cmsg;
	     cmsg = CMSG_NXTHDR(header, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
	}
	return count;
}

/*
 * A reset is reported once, ahead of packets that still wait. The end is, too,
 * if the last packet and the end come just when the kernel has looked for a
 * packet: asked again, it has the packet.
 */
static ssize_t packet_take(int socket, struct msghdr *header)
{
	const size_t room = header->msg_controllen;
	bool ended = false;
	ssize_t got;

	for (;;) {
		header->msg_controllen = room;
		got = recvmsg(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		/* An empty packet with descriptors is not the end: they are ours. */
		if (got || ended || header->msg_controllen)
			return got;
		ended = true;
	}
}

static int packet_receive(int socket, void *data, size_t size,
			  struct packet_tail *tail, int *fds, unsigned int room,
			  unsigned int *fd_count)
{
	union fd_buffer control;
	struct iovec iov[2] = {
		{.iov_base = data, .iov_len = size},
		{.iov_base = tail->data, .iov_len = tail->size},
	};
	struct msghdr header = {.msg_iov = iov,
				.msg_iovlen = 2,
				.msg_control = control.bytes,
				/* Not CMSG_SPACE: the padding of an odd number
				 * would be room for one more. */
				.msg_controllen = CMSG_LEN(room * sizeof(int))};
	ssize_t got;
	int err = 0;

	*fd_count = 0;
	got = packet_take(socket, &header);
	if (got < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;

	*fd_count = packet_fds(&header, fds);
	/* No packet of ours is empty, so this is the end, or an enemy. */
	if (!got)
		err = -EPIPE;
	else if ((size_t)got < size || header.msg_flags & MSG_TRUNC)
		err = -EPROTO;
	/* Cut off although there was room: there is none in our table. */
	else if (header.msg_flags & MSG_CTRUNC)
		err = *fd_count < room ? -EMFILE : -EPROTO;
	tail->size = (size_t)got > size ? (size_t)got - size : 0;
	if (err) {
		flowipc__close_all(fds, *fd_count);
		*fd_count = 0;
	}
	return err;
}

int flowipc__packet_receive(int socket, void *data, size_t size, int *fds,
			    unsigned int *fd_count)
{
	return packet_receive(socket, data, size, &(struct packet_tail){0}, fds,
			      FLOWIPC__PACKET_FDS, fd_count);
}

int flowipc__packet_receive_many(int socket, void *data, size_t size, int *fds,
				 unsigned int room, unsigned int *fd_count)
{
	return packet_receive(socket, data, size, &(struct packet_tail){0}, fds,
			      room, fd_count);
}

int flowipc__packet_receive_tail(int socket, void *data, size_t size,
				 struct packet_tail *tail, int *fds,
				 unsigned int *fd_count)
{
	return packet_receive(socket, data, size, tail, fds,
			      FLOWIPC__PACKET_FDS, fd_count);
}

int flowipc__packet_wait(int socket, short events, uint64_t deadline)
{
	struct pollfd pollfd = {.fd = socket, .events = events};
	const struct timespec *left;
	struct timespec storage;
	int ready;

	/* The caller has looked; a peer that sends on and on buys no time. */
	if (!flowipc__left(deadline, &storage, &left))
		return deadline ? -ETIMEDOUT : -EAGAIN;
	ready = ppoll(&pollfd, 1, left, NULL);
	if (ready > 0)
		return 0;
	return ready ? -errno : -ETIMEDOUT;
}
