// SPDX-License-Identifier: MIT
#include "raw.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	check(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	return address;
}

int raw_connect(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = (int)sys(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	sys(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

int raw_listen(const char *path, int type)
{
	struct sockaddr_un address = address_of(path);
	int fd = (int)sys(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));

	sys(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	sys(listen(fd, 16));
	return fd;
}

int raw_accept(int listener)
{
	struct pollfd poller = { .fd = listener, .events = POLLIN };

	gives(poll(&poller, 1, test_ms(10000)), 1);
	return (int)sys(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static void send_bytes(int fd, void *bytes, size_t size, const int *fds,
		       unsigned int fd_count)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { bytes, size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd_count) {
		check(fd_count <= 16);
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, fd_count * sizeof(int));
	}
	gives(sendmsg(fd, &header, MSG_NOSIGNAL), size);
}

void raw_send(int fd, const struct control *packet, const int *fds,
	      unsigned int fd_count)
{
	struct control sent = *packet;

	sent.magic = FLOWIPC__CONTROL_MAGIC;
	send_bytes(fd, &sent, sizeof(sent), fds, fd_count);
}

void raw_send_empty(int fd, const int *fds, unsigned int fd_count)
{
	send_bytes(fd, NULL, 0, fds, fd_count);
}

static void wait_readable(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	gives(poll(&poller, 1, test_ms(10000)), 1);
}

void raw_receive(int fd, struct control *packet)
{
	wait_readable(fd);
	/* without room for descriptors the kernel closes them */
	gives(recv(fd, packet, sizeof(*packet), 0), sizeof(*packet));
	gives(packet->magic, FLOWIPC__CONTROL_MAGIC);
}

unsigned int raw_receive_fds(int fd, struct control *packet, int *fds)
{
	char control[CMSG_SPACE(16 * sizeof(int))];
	struct iovec iov = { packet, sizeof(*packet) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	unsigned int count;

	wait_readable(fd);
	gives(recvmsg(fd, &header, MSG_CMSG_CLOEXEC), sizeof(*packet));
	gives(packet->magic, FLOWIPC__CONTROL_MAGIC);
	cmsg = CMSG_FIRSTHDR(&header);
	if (!cmsg)
		return 0;
	count = (unsigned int)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
	return count;
}

void raw_expect_end(int fd)
{
	char byte;

	wait_readable(fd);
	check(recv(fd, &byte, 1, 0) <= 0);
}
