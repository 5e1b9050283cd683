// SPDX-License-Identifier: MIT
/*
 * Somebody between client and server who changes what they tell each other:
 * packets that are cut, changed, doubled, lost or late, and descriptors that
 * are not what they should be. Both sides keep to their time limits, give
 * errors that are documented, and neither crashes nor keeps anything.
 *
 * The meddler knows nothing of the protocol. It passes on whatever it reads
 * from sockets of type SOCK_SEQPACKET, also from those that are passed
 * through it, and spoils one packet.
 */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define MIB (1024ull * 1024)

enum meddling {
	NOTHING,	/* as a check of the meddler: all must work */
	LOST,
	DOUBLED,
	FLOODED,
	CUT,
	LENGTHENED,
	EMPTIED,
	BITS_CHANGED,
	WORD_CHANGED,
	RANDOMISED,
	HUNG_UP,
	FDS_MISSING,
	FDS_SWAPPED,
	FDS_ADDED,
	FDS_DOUBLED,
	/* from here on another descriptor in place of one */
	PIPE,
	FILE_ON_DISK,
	FOLDER,
	DEV_NULL,
	EPOLL,
	DATAGRAM_SOCKET,
	LONELY_SOCKET,
	STREAM_SOCKET,
	UNSEALED_MEMFD,
	SEALED_MEMFD,	/* as it should be, only with other contents */
	EMPTY_MEMFD,
	TINY_MEMFD,
	LAST_MEDDLING,
};

static const char *const names[] = {
	"nothing", "lost", "doubled", "flooded", "cut", "lengthened", "emptied",
	"bits changed", "word changed", "randomised", "hung up",
	"fds missing", "fds swapped", "fds added", "fds doubled", "pipe",
	"file on disk", "folder", "/dev/null", "epoll", "datagram socket",
	"lonely socket", "stream socket", "unsealed memfd", "sealed memfd",
	"empty memfd", "tiny memfd",
};

struct plan {
	enum meddling kind;
	int packet;	/* which one, counted over all sockets */
	uint64_t seed;
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

/* Pass on until both sides are gone; or until killed. */
static void meddler(int sync, void *arg)
{
	const struct plan *plan = arg;
	static struct packet packet;
	uint64_t random = plan->seed;
	int front = listen_at(test_path("front")), count = 0, i, j, open = 2;
	bool pass;

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
			if (count++ == plan->packet)
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

/* An error is fine, if it is one that the functions document. */
static int fine(int64_t result)
{
	if (result >= 0)
		return 0;
	return (int)gives_one_of(result, -EPROTO, -EPIPE, -ETIMEDOUT,
				 -EAGAIN, -ECONNREFUSED, -EPROTONOSUPPORT) ?
		-1 : 0;
}

static void read_all(struct flowipc_message *message)
{
	const volatile unsigned char *data = flowipc_message_data(message);
	uint64_t size = flowipc_message_size(message), i;

	for (i = 0; i < size; i++)
		(void)data[i];
	flowipc_message_release(message);
}

/* Small, lent, a region of its own, the user's; then what the peer sends. */
static int talk(struct flowipc_channel *channel, struct flowipc_region *region,
		int limit)
{
	static char bytes[20000];
	struct flowipc_message *message;
	int i;

	if (fine(flowipc_send(channel, bytes, 50, limit)) ||
	    fine(flowipc_send(channel, bytes, 5000, limit)) ||
	    fine(flowipc_send(channel, bytes, 20000, limit)))
		return -1;
	if (fine(flowipc_message_from_region(channel, region, 0, 4096, limit,
					     &message)))
		return -1;
	if (fine(flowipc_message_send(message, limit))) {
		flowipc_message_release(message);
		return -1;
	}
	for (i = 0; i < 4; i++) {
		if (fine(flowipc_message_receive(channel, &message, limit)))
			return -1;
		read_all(message);
	}
	return 0;
}

/* Both sides do the same, except for who begins. */
static int converse(struct flowipc_session *session, bool opens)
{
	const struct flowipc_channel_opts *opts = FLOWIPC_OPTS(channel,
			.payload_bytes = 16384);
	int limit = test_ms(200), err;
	struct flowipc_channel *channel;
	struct flowipc_region *region;

	ok(flowipc_region_create(4096, NULL, &region));
	err = fine(opens ? flowipc_channel_open(session, opts, limit,
						&channel) :
			   flowipc_channel_accept(session, opts, limit,
						  &channel));
	if (!err) {
		err = talk(channel, region, limit);
		flowipc_channel_close(channel);
	}
	flowipc_region_destroy(region);
	return err;
}

static void client(int sync, void *arg)
{
	int fds = test_count_fds(), maps = test_count_shared_maps(), err;
	struct flowipc_session *session;

	(void)arg;
	sync_get(sync);
	err = fine(flowipc_connect(test_path("front"), NULL, test_ms(400),
				   &session));
	if (!err) {
		err = converse(session, true);
		if (!err)
			err = converse(session, false);
		flowipc_session_close(session);
	}
	gives(test_count_fds(), fds);
	gives(test_count_shared_maps(), maps);
	sync_put(sync, err ? 1 : 0);
}

static void server(int sync, void *arg)
{
	int fds = test_count_fds(), maps = test_count_shared_maps(), err;
	struct flowipc_session *session;
	struct flowipc_server *server;

	(void)arg;
	ok(flowipc_listen(test_path("back"), NULL, &server));
	sync_put(sync, 0);
	err = fine(flowipc_accept(server, test_ms(600), &session));
	if (!err) {
		err = converse(session, false);
		if (!err)
			err = converse(session, true);
		flowipc_session_close(session);
	}
	flowipc_server_close(server);
	gives(test_count_fds(), fds);
	gives(test_count_shared_maps(), maps);
	sync_put(sync, err ? 1 : 0);
}

/* Whether the two could talk. */
static bool try(struct plan *plan)
{
	struct peer peers[3];
	uint64_t failed = 0, number;
	int i;

	unlink(test_path("front"));
	peer_start(&peers[0], server, NULL);
	peer_start(&peers[1], client, NULL);
	peer_start(&peers[2], meddler, plan);
	sync_get(peers[0].sync);
	sync_get(peers[2].sync);
	sync_put(peers[1].sync, 0);
	for (i = 0; i < 2; i++) {
		check_msg(sync_try(peers[i].sync, test_ms(20000), &number),
			  "the %s hangs or is dead: %s at packet %d, seed %"
			  PRIu64, i ? "client" : "server", names[plan->kind],
			  plan->packet, plan->seed);
		failed += number;
		peer_join(&peers[i]);
	}
	/* it may be waiting still; but it must not have failed by itself */
	kill(peers[2].pid, SIGKILL);
	number = (uint64_t)peer_wait(&peers[2]);
	check(!number || number == SIGKILL);
	return !failed;
}

static void left_alone_it_works(void **state)
{
	struct plan plan = { NOTHING, -1, 0 };

	(void)state;
	check(try(&plan));
}

enum { PACKETS = 14 };

/* Every kind of meddling with every packet, as far as time allows. */
static void meddled_with(enum meddling first, enum meddling end)
{
	uint64_t random = test_seed();
	struct plan plan;
	int runs = 0, failures = 0;
	int skip_below = 100 - test_loops(100);

	for (plan.kind = first; plan.kind < end; plan.kind++) {
		for (plan.packet = 0; plan.packet < PACKETS; plan.packet++) {
			plan.seed = test_random(&random);
			if ((int)test_random_below(&random, 100) < skip_below)
				continue;
			failures += !try(&plan);
			runs++;
		}
	}
	print_message("%d of %d conversations failed\n", failures, runs);
	check(failures);
}

static void packets(void **state)
{
	(void)state;
	meddled_with(LOST, FDS_MISSING);
}

static void descriptors(void **state)
{
	(void)state;
	meddled_with(FDS_MISSING, PIPE);
}

static void wrong_descriptors(void **state)
{
	(void)state;
	meddled_with(PIPE, LAST_MEDDLING);
}

static const struct CMUnitTest tests[] = {
	TEST(left_alone_it_works),
	TEST(packets),
	TEST(descriptors),
	TEST(wrong_descriptors),
};

TEST_MAIN(tests, NULL)
