// SPDX-License-Identifier: MIT
#include "meddler.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MIB (1024ull * 1024)

const char *const meddling_names[] = {
	"nothing", "lost", "doubled", "flooded", "cut", "lengthened", "emptied",
	"bits changed", "word changed", "randomised", "hung up",
	"fds missing", "fds swapped", "fds added", "fds doubled", "pipe",
	"file on disk", "folder", "/dev/null", "epoll", "datagram socket",
	"lonely socket", "stream socket", "unsealed memfd", "sealed memfd",
	"empty memfd", "tiny memfd", "copy changed", "copy cut",
};

enum { MAX_FDS = 24, MAX_LINES = 16, MAX_BYTES = 65536 };

struct packet {
	unsigned char bytes[MAX_BYTES];
	size_t size;
	int fds[MAX_FDS];
	int fd_count;
};

static struct pollfd lines[2 * MAX_LINES];
static int line_count;
static int unsealed = -1;

static void line_add(int one, int other)
{
	check(line_count < MAX_LINES);
	lines[2 * line_count] = (struct pollfd){ one, POLLIN, 0 };
	lines[2 * line_count + 1] = (struct pollfd){ other, POLLIN, 0 };
	line_count++;
}

static bool packet_read(int fd, struct packet *packet)
{
	char control[CMSG_SPACE(MAX_FDS * sizeof(int))];
	struct iovec iov = { packet->bytes, sizeof(packet->bytes) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	ssize_t got;

	got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	packet->fd_count = 0;
	for (cmsg = got < 0 ? NULL : CMSG_FIRSTHDR(&header); cmsg;
	     cmsg = CMSG_NXTHDR(&header, cmsg)) {
		if (cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		packet->fd_count = (int)((cmsg->cmsg_len - CMSG_LEN(0)) /
					 sizeof(int));
		memcpy(packet->fds, CMSG_DATA(cmsg),
		       (size_t)packet->fd_count * sizeof(int));
	}
	packet->size = got < 0 ? 0 : (size_t)got;
	return got > 0;
}

static bool packet_write(int fd, const struct packet *packet)
{
	char control[CMSG_SPACE(MAX_FDS * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)packet->bytes, packet->size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (packet->fd_count) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE((size_t)packet->fd_count *
						   sizeof(int));
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN((size_t)packet->fd_count *
					  sizeof(int));
		memcpy(CMSG_DATA(cmsg), packet->fds,
		       (size_t)packet->fd_count * sizeof(int));
	}
	return sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
	       errno != EPIPE;
}

/* Put ourselves in between wherever another such socket is passed. */
static void packet_tap(struct packet *packet)
{
	socklen_t size = sizeof(int);
	int type, i, pair[2];

	for (i = 0; i < packet->fd_count; i++) {
		if (getsockopt(packet->fds[i], SOL_SOCKET, SO_TYPE, &type,
			       &size) || type != SOCK_SEQPACKET)
			continue;
		sys(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			       pair));
		line_add(packet->fds[i], pair[0]);
		packet->fds[i] = pair[1];
	}
}

static int memfd_of(off_t bytes, unsigned int seals, uint64_t *random)
{
	uint64_t words[512];
	int fd = (int)sys(memfd_create("flowipc", MFD_CLOEXEC |
				       MFD_ALLOW_SEALING));
	size_t i;

	for (i = 0; i < 512; i++)
		words[i] = test_random(random);
	sys(ftruncate(fd, bytes));
	if (bytes >= (off_t)sizeof(words))
		sys(pwrite(fd, words, sizeof(words), 0));
	if (seals)
		sys(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static int other_descriptor(enum meddling kind, uint64_t *random)
{
	const unsigned int seals = F_SEAL_SHRINK | F_SEAL_GROW;
	int pair[2];

	switch (kind) {
	case PIPE:
		sys(pipe2(pair, O_CLOEXEC));
		close(pair[1]);
		return pair[0];
	case FILE_ON_DISK:
		pair[0] = (int)sys(open(test_path("file"), O_RDWR | O_CREAT |
					O_CLOEXEC, 0600));
		sys(ftruncate(pair[0], 8 * MIB));
		/* may be cut off under a reader, like what has no seal */
		unsealed = dup(pair[0]);
		return pair[0];
	case FOLDER:
		return (int)sys(open("/", O_RDONLY | O_CLOEXEC));
	case DEV_NULL:
		return (int)sys(open("/dev/null", O_RDWR | O_CLOEXEC));
	case EPOLL:
		return (int)sys(epoll_create1(EPOLL_CLOEXEC));
	case DATAGRAM_SOCKET:
		sys(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
		return pair[0];
	case LONELY_SOCKET:
		return (int)sys(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
				       0));
	case STREAM_SOCKET:
		sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
		return pair[0];
	case UNSEALED_MEMFD:
		pair[0] = memfd_of(8 * MIB, 0, random);
		unsealed = dup(pair[0]);
		return pair[0];
	case SEALED_MEMFD:
		return memfd_of(8 * MIB, seals, random);
	case EMPTY_MEMFD:
		return memfd_of(0, seals, random);
	default:
		return memfd_of(4096, seals, random);
	}
}

static bool is_memfd(int fd)
{
	return fcntl(fd, F_GET_SEALS) > 0;
}

/* Another memfd with the same contents, except for what a peer may do. */
static int copy_of(int fd, enum meddling kind, uint64_t *random)
{
	static const uint64_t values[] = {
		0, 1, 3, 64, 4096, 65536, 131072, 1u << 31, UINT32_MAX,
		1ull << 32, 1ull << 40, INT64_MAX, 1ull << 63, UINT64_MAX,
		UINT64_MAX - 63, UINT64_MAX - 4095,
	};
	static char bytes[MIB];
	ssize_t size = sys(pread(fd, bytes, sizeof(bytes), 0));
	size_t at = test_random_below(random, 20) * 4;
	uint64_t value = values[test_random_below(random,
			sizeof(values) / sizeof(values[0]))];
	int copy = (int)sys(memfd_create("flowipc", MFD_CLOEXEC |
					 MFD_ALLOW_SEALING));

	if (kind == COPY_CHANGED && size > 128)
		memcpy(bytes + at, &value, test_random_below(random, 2) ? 4 :
		       8);
	if (kind == COPY_CUT)
		size = (ssize_t)test_random_below(random, (uint64_t)size);
	check(write(copy, bytes, (size_t)size) == size);
	sys(fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	close(fd);
	return copy;
}

/* True if there is still something to pass on. */
static bool packet_spoil(struct packet *packet, enum meddling kind,
			 uint64_t *random)
{
	size_t at = test_random_below(random, packet->size);
	int swap, other, i;

	switch (kind) {
	case NOTHING:
	case DOUBLED:
	case FLOODED:
		break;
	case LOST:
	case HUNG_UP:
		return false;
	case CUT:
		packet->size = test_random_below(random, packet->size);
		break;
	case LENGTHENED:
		packet->size += 1 + test_random_below(random, 1000);
		break;
	case EMPTIED:
		packet->size = 0;
		break;
	case BITS_CHANGED:
		packet->bytes[at] ^= (unsigned char)
			(1 << test_random_below(random, 8));
		break;
	case WORD_CHANGED:
		at &= ~3ull;
		swap = (int)test_random(random);
		memcpy(packet->bytes + at, &swap, 4);
		break;
	case RANDOMISED:
		for (at = 0; at < packet->size; at++)
			packet->bytes[at] = (unsigned char)test_random(random);
		break;
	case FDS_MISSING:
		for (i = 0; i < packet->fd_count; i++)
			close(packet->fds[i]);
		packet->fd_count = 0;
		break;
	case FDS_SWAPPED:
		if (packet->fd_count > 1) {
			swap = packet->fds[0];
			packet->fds[0] = packet->fds[packet->fd_count - 1];
			packet->fds[packet->fd_count - 1] = swap;
		}
		break;
	case FDS_ADDED:
		for (i = 1 + (int)test_random_below(random, 16); i; i--)
			packet->fds[packet->fd_count++] =
				other_descriptor(DEV_NULL, random);
		break;
	case FDS_DOUBLED:
		if (packet->fd_count)
			packet->fds[packet->fd_count++] =
				(int)sys(dup(packet->fds[0]));
		break;
	case COPY_CHANGED:
	case COPY_CUT:
		packet->fds[0] = copy_of(packet->fds[0], kind, random);
		break;
	default:
		other = other_descriptor(kind, random);
		if (!packet->fd_count) {
			packet->fds[packet->fd_count++] = other;
		} else {
			i = (int)test_random_below(random,
					(uint64_t)packet->fd_count);
			close(packet->fds[i]);
			packet->fds[i] = other;
		}
	}
	return true;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = (int)sys(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	sys(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	sys(listen(fd, 4));
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = (int)sys(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	sys(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

void meddler(int sync, void *arg)
{
	const struct plan *plan = arg;
	static struct packet packet;
	uint64_t random = plan->seed;
	int front = listen_at(test_path("front")), count = 0, i, j, open = 2;
	bool pass, counts;

	sync_put(sync, 0);
	i = (int)sys(accept4(front, NULL, NULL, SOCK_CLOEXEC));
	line_add(i, connect_to(test_path("back")));
	while (open > 0) {
		sys(poll(lines, (nfds_t)(2 * line_count), -1));
		for (i = 0; i < 2 * line_count; i++) {
			if (lines[i].fd < 0 || !lines[i].revents)
				continue;
			if (!packet_read(lines[i].fd, &packet)) {
				/* the end: pass it on, too */
				close(lines[i].fd);
				if (lines[i ^ 1].fd >= 0)
					shutdown(lines[i ^ 1].fd, SHUT_RDWR);
				lines[i].fd = -1;
				open -= i < 2;
				continue;
			}
			packet_tap(&packet);
			pass = true;
			counts = plan->kind < COPY_CHANGED ||
				(packet.fd_count && is_memfd(packet.fds[0]));
			if (counts && count++ == plan->packet)
				pass = packet_spoil(&packet, plan->kind,
						    &random);
			if (pass)
				packet_write(lines[i ^ 1].fd, &packet);
			if (pass && count - 1 == plan->packet &&
			    plan->kind == DOUBLED)
				packet_write(lines[i ^ 1].fd, &packet);
			/* without end, as long as anybody is there */
			while (count - 1 == plan->packet &&
			       plan->kind == FLOODED &&
			       packet_write(lines[i ^ 1].fd, &packet))
				;
			for (j = 0; j < packet.fd_count; j++)
				close(packet.fds[j]);
			if (!pass && plan->kind == HUNG_UP)
				_exit(0);
			if (unsealed >= 0) {
				/* after it was accepted, if it was */
				usleep(5000);
				sys(ftruncate(unsealed, 0));
			}
		}
	}
}
