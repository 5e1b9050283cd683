// SPDX-License-Identifier: MIT
/* Descriptors that go with messages. */
#include "harness.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../../lib/outbox.h"

/* A file that holds a number, so that each can be told from the others. */
static int numbered(uint64_t number)
{
	int fd = (int)sys(memfd_create("numbered", MFD_CLOEXEC));

	gives(pwrite(fd, &number, sizeof(number), 0), sizeof(number));
	return fd;
}

static uint64_t number_of(int fd)
{
	uint64_t number = 0;

	gives(pread(fd, &number, sizeof(number), 0), sizeof(number));
	return number;
}

/* Send a message with as many numbered files, none of which stays open here. */
static int send_numbered(struct flowipc_channel *channel, uint64_t size,
			 uint64_t first, unsigned int count, int timeout_ms)
{
	struct flowipc_message *message;
	unsigned int i;
	int fd, err;

	err = flowipc_message_new(channel, size, timeout_ms, &message);
	if (err)
		return err;
	pattern_fill(flowipc_message_buffer(message), size, first);
	flowipc_message_set_type(message, first);
	for (i = 0; i < count; i++) {
		gives(flowipc_message_fd_count(message), i);
		fd = numbered(first + i);
		ok(flowipc_message_attach_fd(message, fd));
		close(fd);
	}
	gives(flowipc_message_fd_count(message), count);
	err = flowipc_message_send(message, timeout_ms);
	if (err)
		flowipc_message_release(message);
	return err;
}

static void receive_numbered(struct flowipc_channel *channel, uint64_t first,
			     unsigned int count)
{
	struct flowipc_message *message;
	unsigned int i;
	int fd;

	ok(flowipc_message_receive(channel, &message, test_ms(10000)));
	gives(flowipc_message_type(message), first);
	pattern_check(flowipc_message_data(message),
		      flowipc_message_size(message), first);
	gives(flowipc_message_fd_count(message), count);
	for (i = 0; i < count; i++) {
		fd = flowipc_message_take_fd(message, i);
		check(fd >= 0);
		gives(sys(fcntl(fd, F_GETFD)), FD_CLOEXEC);
		gives(number_of(fd), first + i);
		close(fd);
	}
	flowipc_message_release(message);
}

static const uint64_t sizes[] = { 0, 72, 80, 81, 5000, 100000, 5000000 };

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void receive_all(struct link *far, void *arg)
{
	int fds = test_count_fds();
	unsigned int i, count;

	(void)arg;
	for (i = 0; i < SIZES; i++)
		for (count = 0; count <= FLOWIPC_MESSAGE_FDS; count++)
			receive_numbered(far->channel, i * 1000 + count, count);
	/* also without taking any, and by copying */
	sync_put(far->sync, 0);
	for (i = 0; i < 2; i++) {
		struct flowipc_message *message;
		char byte;

		if (i) {
			gives(flowipc_receive(far->channel, &byte, 1,
					      test_ms(5000)), 1);
		} else {
			ok(flowipc_message_receive(far->channel, &message,
						   test_ms(5000)));
			gives(test_count_fds(), fds + 5);
			flowipc_message_release(message);
		}
		gives(test_count_fds(), fds);
	}
}

static void every_number_of_them(void **state)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	unsigned int i, count;
	struct link link;
	int fds;

	(void)state;
	link_start(&link, NULL, NULL, receive_all, NULL);
	fds = test_count_fds();
	for (i = 0; i < SIZES; i++)
		for (count = 0; count <= FLOWIPC_MESSAGE_FDS; count++)
			ok(send_numbered(link.channel, sizes[i],
					 i * 1000 + count, count,
					 test_ms(10000)));
	sync_get(link.sync);
	ok(send_numbered(link.channel, 1, 5, 5, test_ms(5000)));
	ok(send_numbered(link.channel, 1, 6, 3, test_ms(5000)));
	ok(flowipc_channel_memory(link.channel, &memory));
	/* what is sent is not open here: only memory is, in use and spare */
	check(test_count_fds() <= fds + (int)memory.chunks + 1);
	link_stop(&link);
}

static void receive_carefully(struct link *far, void *arg)
{
	struct flowipc_message *message;
	int fd;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	gives(flowipc_message_fd_count(message), 2);
	gives(flowipc_message_take_fd(message, 2), -EINVAL);
	gives(flowipc_message_take_fd(message, UINT32_MAX), -EINVAL);
	gives(flowipc_message_attach_fd(message, 0), -EINVAL);
	/* in any order, but once */
	fd = flowipc_message_take_fd(message, 1);
	gives(number_of(fd), 2);
	gives(flowipc_message_take_fd(message, 1), -EBADF);
	test_last_error_has("taken");
	flowipc_message_release(message);
	/* taken means that it stays */
	gives(number_of(fd), 2);
	close(fd);
}

static void owners(void **state)
{
	struct flowipc_message *message;
	struct link link;
	int fds, fd, i;

	(void)state;
	link_start(&link, NULL, NULL, receive_carefully, NULL);
	fds = test_count_fds();
	ok(flowipc_message_new(link.channel, 10, 0, &message));
	gives(flowipc_message_attach_fd(message, -1), -EBADF);
	gives(flowipc_message_attach_fd(message, 1000000), -EBADF);
	gives(flowipc_message_take_fd(message, 0), -EINVAL);
	fd = numbered(7);
	for (i = 0; i < FLOWIPC_MESSAGE_FDS; i++)
		ok(flowipc_message_attach_fd(message, fd));
	gives(flowipc_message_attach_fd(message, fd), -E2BIG);
	gives(flowipc_message_fd_count(message), FLOWIPC_MESSAGE_FDS);
	gives(test_count_fds(), fds + 1 + FLOWIPC_MESSAGE_FDS);
	/* given up: they go, and the caller's stays */
	flowipc_message_release(message);
	gives(test_count_fds(), fds + 1);
	gives(number_of(fd), 7);
	ok(flowipc_message_new(link.channel, 10, 0, &message));
	gives(flowipc_message_fd_count(message), 0);
	test_deny_fds(true);
	gives(flowipc_message_attach_fd(message, fd), -EMFILE);
	test_deny_fds(false);
	flowipc_message_release(message);
	close(fd);
	ok(send_numbered(link.channel, 100, 1, 2, 0));
	gives(test_count_fds(), fds);
	link_stop(&link);
}

enum { MANY = 1500 };

static void receive_when_told(struct link *far, void *arg)
{
	uint64_t count, i, seen = 0;

	(void)arg;
	while ((count = sync_get(far->sync))) {
		for (i = 0; i < count; i++, seen++)
			receive_numbered(far->channel, seen, 1 + seen % 3);
		sync_put(far->sync, 0);
	}
}

/* There is an end to what can be under way, and it goes on after that. */
static void as_many_as_can_wait(void **state)
{
	uint64_t sent = 0, round, start;
	struct link link;
	int err = 0, fds;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4096), NULL,
		   receive_when_told, NULL);
	fds = test_count_fds();
	for (round = 0; round < 2; round++) {
		start = sent;
		while (sent < start + MANY) {
			err = send_numbered(link.channel, sent % 2 ? 10 : 200,
					    sent, 1 + sent % 3, 0);
			if (err)
				break;
			sent++;
		}
		check(sent < start + MANY && sent > start + 10);
		gives_one_of(err, -EAGAIN, -EMFILE);
		if (err == -EAGAIN)
			gives(send_numbered(link.channel, 10, sent, 1, 20),
			      -ETIMEDOUT);
		gives(test_count_fds() - fds < 10, 1);
		sync_put(link.sync, sent - start);
		sync_get(link.sync);
	}
	/* what waits for room goes on when there is some */
	start = sent;
	sync_put(link.sync, MANY);
	for (; sent < start + MANY; sent++) {
		do {
			err = send_numbered(link.channel, 10, sent,
					    1 + sent % 3, test_ms(10000));
		} while (err == -EMFILE);
		ok(err);
	}
	sync_get(link.sync);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void receive_without_room(struct link *far, void *arg)
{
	struct flowipc_message *message;
	int fds = test_count_fds();

	(void)arg;
	sync_get(far->sync);
	test_deny_fds(true);
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	test_deny_fds(false);
	/* the message is there, and says what is missing */
	pattern_check(flowipc_message_data(message), 1000, 1);
	gives(flowipc_message_fd_count(message), 2);
	gives(flowipc_message_take_fd(message, 0), -EMFILE);
	gives(flowipc_message_take_fd(message, 1), -EMFILE);
	flowipc_message_release(message);
	gives(test_count_fds(), fds);
	receive_numbered(far->channel, 3, 4);
}

static void no_room_for_them(void **state)
{
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, receive_without_room, NULL);
	ok(send_numbered(link.channel, 1000, 1, 2, 0));
	ok(send_numbered(link.channel, 10, 3, 4, 0));
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void send_and_wait(struct link *far, void *arg)
{
	uint64_t i;

	(void)arg;
	for (i = 0; i < 20; i++)
		ok(send_numbered(far->channel, i % 2 ? 10 : 1000, i, 3, 0));
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void sent_by_one_that_died(void **state)
{
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, NULL, NULL, send_and_wait, NULL);
	sync_get(link.sync);
	peer_kill(&link.peer);
	for (i = 0; i < 20; i++)
		receive_numbered(link.channel, i, 3);
	gives(flowipc_receive(link.channel, &i, 1, test_ms(5000)), -EPIPE);
	link_close(&link);
}

static void close_unread(struct link *far, void *arg)
{
	(void)arg;
	sync_get(far->sync);
	link_close(far);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

/* What is never received is not kept open by anybody. */
static void never_received(void **state)
{
	struct flowipc_message *message;
	struct link link;
	char byte;
	int ends[2], i;

	(void)state;
	link_start(&link, NULL, NULL, close_unread, NULL);
	sys(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_new(link.channel, 10, 0, &message));
		ok(flowipc_message_attach_fd(message, ends[1]));
		ok(flowipc_message_send(message, 0));
	}
	close(ends[1]);
	/* on its way it is open */
	gives(read(ends[0], &byte, 1), -1);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	gives(sys(read(ends[0], &byte, 1)), 0);
	close(ends[0]);
	sync_put(link.sync, 0);
	link_stop(&link);
}

/* Packets and slots that do not fit together. */
enum forgery { NO_PACKET, TOO_MANY, FEWER, MORE, OF_ANOTHER, GARBAGE, STALE,
	       FORGERIES };

static int newest_packet_socket(void)
{
	socklen_t size = sizeof(int);
	int fd, type, found = -1;

	for (fd = 3; fd < 256; fd++)
		if (!getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) &&
		    type == SOCK_SEQPACKET)
			found = fd;
	check(found >= 0);
	return found;
}

static void packet_send(int socket, const void *data, size_t size, int fd,
			int count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)data, size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	int i;

	if (count) {
		control.header.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		for (i = 0; i < count; i++)
			memcpy(CMSG_DATA(&control.header) +
			       (size_t)i * sizeof(int), &fd, sizeof(int));
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
	}
	sys(sendmsg(socket, &header, MSG_NOSIGNAL));
}

static void forge(struct link *far, void *arg)
{
	enum forgery forgery = *(enum forgery *)arg;
	int socket = newest_packet_socket(), fd = numbered(1);
	const struct outbox_header *header;
	uint64_t position = 0, i;
	struct slot *slot;
	struct map map;

	gives(test_shared_maps("rw", &map, 1), 1);
	header = (const void *)map.start;
	slot = (void *)(map.start + header->slots_offset);
	slot->kind = SLOT_INLINE;
	slot->fds = 2;
	switch (forgery) {
	case NO_PACKET:
		break;
	case TOO_MANY:
		slot->fds = FLOWIPC_MESSAGE_FDS + 1;
		packet_send(socket, &position, 8, fd, FLOWIPC_MESSAGE_FDS + 1);
		break;
	case FEWER:
		packet_send(socket, &position, 8, fd, 1);
		break;
	case MORE:
		packet_send(socket, &position, 8, fd, 3);
		break;
	case OF_ANOTHER:
		position = 1;
		packet_send(socket, &position, 8, fd, 2);
		break;
	case GARBAGE:
		packet_send(socket, "what?", 5, fd, 2);
		break;
	default:
		/* for a message that was never published; then a good one */
		slot->fds = 0;
		packet_send(socket, &position, 8, fd, 5);
		packet_send(socket, &position, 8, fd, 16);
		slot[1] = *slot;
		slot[1].fds = 2;
		position = 1;
		packet_send(socket, &position, 8, fd, 2);
		atomic_store(&slot[1].sequence, 2);
	}
	atomic_store(&slot->sequence, 1);
	for (i = 0; i < 2; i++) {
		sync_put(far->sync, 0);
		sync_get(far->sync);
	}
	_exit(0);
}

static void forged(void **state)
{
	struct flowipc_message *message;
	enum forgery forgery;
	struct link link;
	int fds, fd;

	(void)state;
	for (forgery = 0; forgery < FORGERIES; forgery++) {
		link_start(&link, NULL, NULL, forge, &forgery);
		fds = test_count_fds();
		sync_get(link.sync);
		sync_put(link.sync, 0);
		if (forgery == STALE) {
			ok(flowipc_message_receive(link.channel, &message,
						   test_ms(5000)));
			gives(flowipc_message_fd_count(message), 0);
			flowipc_message_release(message);
			ok(flowipc_message_receive(link.channel, &message,
						   test_ms(5000)));
			gives(flowipc_message_fd_count(message), 2);
			fd = flowipc_message_take_fd(message, 1);
			gives(number_of(fd), 1);
			close(fd);
			flowipc_message_release(message);
		} else {
			gives(flowipc_message_receive(link.channel, &message,
						      test_ms(5000)), -EPROTO);
			test_last_error_has("descriptors");
		}
		gives(test_count_fds(), fds);
		sync_get(link.sync);
		sync_put(link.sync, 0);
		link_drop(&link);
	}
}

static const struct CMUnitTest tests[] = {
	TEST(every_number_of_them),
	TEST(owners),
	TEST(as_many_as_can_wait),
	TEST(no_room_for_them),
	TEST(sent_by_one_that_died),
	TEST(never_received),
	TEST(forged),
};

TEST_MAIN(tests, NULL)
