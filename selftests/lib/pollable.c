// SPDX-License-Identifier: MIT
/* Channels and sessions by their descriptors: poll and epoll. */
#include "harness.h"

#include <poll.h>
#include <sys/epoll.h>

/* On each number: 1 send a message, 0 end. */
static void send_when_told(struct link *far, void *arg)
{
	(void)arg;
	while (sync_get(far->sync)) {
		test_put(far->channel, 11);
		sync_put(far->sync, 0);
	}
}

static void tell(struct link *link)
{
	sync_put(link->sync, 1);
	sync_get(link->sync);
}

static int ready(int epoll, uint32_t *events, int milliseconds)
{
	struct epoll_event event = { .events = 0 };
	int count = (int)sys(epoll_wait(epoll, &event, 1, milliseconds));

	*events = event.events;
	return count;
}

static void descriptor_of(enum flowipc_wait_mode mode)
{
	struct epoll_event event = { .events = EPOLLIN };
	uint64_t number;
	struct link link;
	uint32_t events;
	int epoll, fd, round;

	link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode), NULL,
		   send_when_told, NULL);
	fd = flowipc_channel_fd(link.channel);
	check(fd >= 0);
	epoll = (int)sys(epoll_create1(EPOLL_CLOEXEC));
	sys(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	for (round = 0; round < 50; round++) {
		gives(flowipc_receive(link.channel, &number, sizeof(number), 0),
		      -EAGAIN);
		gives(ready(epoll, &events, 0), 0);
		tell(&link);
		/* level-triggered: as often as one asks, until taken */
		gives(ready(epoll, &events, test_ms(5000)), 1);
		check(events & EPOLLIN && !(events & EPOLLHUP));
		gives(ready(epoll, &events, 0), 1);
		tell(&link);
		gives(test_take(link.channel), 11);
		gives(test_take(link.channel), 11);
	}
	gives(flowipc_receive(link.channel, &number, sizeof(number), 0),
	      -EAGAIN);
	gives(ready(epoll, &events, 0), 0);
	/* a message first, then the end: both are learned in this order */
	tell(&link);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
	gives(ready(epoll, &events, test_ms(5000)), 1);
	gives(test_take(link.channel), 11);
	gives(flowipc_receive(link.channel, &number, sizeof(number), 0),
	      -EPIPE);
	gives(ready(epoll, &events, test_ms(5000)), 1);
	check(events & EPOLLHUP);
	gives(flowipc_receive(link.channel, &number, sizeof(number), -1),
	      -EPIPE);
	gives(flowipc_send(link.channel, &number, sizeof(number), -1), -EPIPE);
	close(epoll);
	link_close(&link);
}

static void descriptor(void **state)
{
	(void)state;
	descriptor_of(FLOWIPC_WAIT_ADAPTIVE);
	descriptor_of(FLOWIPC_WAIT_SLEEP);
}

static void descriptor_without_messages(void **state)
{
	struct epoll_event event = { .events = EPOLLIN };
	uint64_t number;
	uint32_t events;
	struct link link;
	int epoll;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel,
			.wait_mode = FLOWIPC_WAIT_SPIN), NULL,
		   send_when_told, NULL);
	epoll = (int)sys(epoll_create1(EPOLL_CLOEXEC));
	sys(epoll_ctl(epoll, EPOLL_CTL_ADD, flowipc_channel_fd(link.channel),
		      &event));
	gives(flowipc_receive(link.channel, &number, sizeof(number), 0),
	      -EAGAIN);
	tell(&link);
	/* this mode promises nothing but the end */
	gives(test_take(link.channel), 11);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
	gives(ready(epoll, &events, test_ms(5000)), 1);
	check(events & EPOLLHUP);
	gives(flowipc_receive(link.channel, &number, sizeof(number),
			      test_ms(5000)), -EPIPE);
	close(epoll);
	link_close(&link);
}

/*
 * On each number: 1 receive and keep, 2 release that, 0 end, with what is kept,
 * which is not to be taken for lost.
 */
static void make_room_when_told(struct link *far, void *arg)
{
	static struct flowipc_message *message;
	uint64_t order;

	(void)arg;
	while ((order = sync_get(far->sync))) {
		flowipc_message_release(message);
		message = NULL;
		if (order == 1)
			ok(flowipc_message_receive(far->channel, &message,
						   test_ms(5000)));
		sync_put(far->sync, 0);
	}
}

static void give(struct link *link, uint64_t order)
{
	sync_put(link->sync, order);
	sync_get(link->sync);
}

static void room_of(enum flowipc_wait_mode mode)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct flowipc_message *message;
	struct link link;
	uint32_t events;
	int epoll, fd, round, err;

	link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode,
			.slots = 4, .payload_bytes = 16384,
			.payload_max_bytes = 16384), NULL,
		   make_room_when_told, NULL);
	fd = flowipc_channel_space_fd(link.channel);
	check(fd >= 0 && fd != flowipc_channel_fd(link.channel));
	gives(flowipc_channel_space_fd(link.channel), fd);
	epoll = (int)sys(epoll_create1(EPOLL_CLOEXEC));
	sys(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	gives(ready(epoll, &events, 0), 0);
	while (!(err = flowipc_send(link.channel, "", 1, 0)))
		;
	for (round = 0; round < 50; round++) {
		gives(err, -EAGAIN);
		gives(ready(epoll, &events, 0), 0);
		give(&link, 1);
		gives(ready(epoll, &events, test_ms(5000)), 1);
		check(events & EPOLLIN && !(events & EPOLLHUP));
		gives(ready(epoll, &events, 0), 1);
		give(&link, 2);
		ok(flowipc_send(link.channel, "", 1, 0));
		err = flowipc_send(link.channel, "", 1, 0);
	}
	/* the other kind of room, for what is lent */
	for (round = 0; round < 4; round++)
		give(&link, 1);
	gives(flowipc_send(link.channel, "", 1, 0), 0);
	give(&link, 1);
	ok(flowipc_message_new(link.channel, 12000, 0, &message));
	ok(flowipc_message_send(message, 0));
	give(&link, 1);
	for (round = 0; round < 50; round++) {
		gives(flowipc_message_new(link.channel, 12000, 0, &message),
		      -EAGAIN);
		gives(ready(epoll, &events, 0), 0);
		give(&link, 2);
		gives(ready(epoll, &events, test_ms(5000)), 1);
		ok(flowipc_message_new(link.channel, 12000, 0, &message));
		ok(flowipc_message_send(message, 0));
		give(&link, 1);
	}
	gives(flowipc_message_new(link.channel, 12000, 0, &message), -EAGAIN);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
	gives(ready(epoll, &events, test_ms(5000)), 1);
	gives(flowipc_message_new(link.channel, 12000, 0, &message), -EPIPE);
	gives(flowipc_send(link.channel, "", 1, 0), -EPIPE);
	close(epoll);
	link_close(&link);
}

static void room(void **state)
{
	(void)state;
	room_of(FLOWIPC_WAIT_ADAPTIVE);
	room_of(FLOWIPC_WAIT_SLEEP);
}

/* There are slots and memory, but no room in a socket. */
enum load { DESCRIPTORS, REGIONS };

enum { LOADS = 900 };

static struct flowipc_region *regions[LOADS];

static int send_load(struct link *link, enum load load, int number)
{
	struct flowipc_message *message;
	int err;

	if (load == DESCRIPTORS) {
		ok(flowipc_message_new(link->channel, 1, 0, &message));
		ok(flowipc_message_attach_fd(message, link->sync));
	} else {
		if (!regions[number])
			ok(flowipc_region_create(1, NULL, &regions[number]));
		ok(flowipc_message_from_region(link->channel, regions[number],
					       0, 1, 0, &message));
	}
	err = flowipc_message_send(message, 0);
	if (err)
		flowipc_message_release(message);
	return err;
}

static void take_when_told(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t count;

	(void)arg;
	while ((count = sync_get(far->sync))) {
		while (count--) {
			ok(flowipc_message_receive(far->channel, &message,
						   test_ms(5000)));
			flowipc_message_release(message);
		}
		sync_put(far->sync, 0);
	}
}

static void room_in_a_socket_for(enum load load)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll, round, number = 0, count, err;
	struct link link;
	uint32_t events;

	link_start(&link, FLOWIPC_OPTS(channel, .slots = 1024), NULL,
		   take_when_told, NULL);
	epoll = (int)sys(epoll_create1(EPOLL_CLOEXEC));
	sys(epoll_ctl(epoll, EPOLL_CTL_ADD,
		      flowipc_channel_space_fd(link.channel), &event));
	for (round = 0; round < 2; round++) {
		for (count = 0; number < LOADS; count++, number++) {
			err = send_load(&link, load, number);
			if (err)
				break;
		}
		gives(err, -EAGAIN);
		check(count);
		gives(ready(epoll, &events, 0), 0);
		give(&link, (uint64_t)count);
		gives(ready(epoll, &events, test_ms(5000)), 1);
		check(events & EPOLLIN && !(events & EPOLLHUP));
	}
	ok(send_load(&link, load, number));
	give(&link, 1);
	/* for slots it is not readable because there is room in the socket */
	while (!(err = flowipc_send(link.channel, "", 1, 0)))
		;
	gives(err, -EAGAIN);
	gives(ready(epoll, &events, 0), 0);
	give(&link, 1);
	gives(ready(epoll, &events, test_ms(5000)), 1);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
	close(epoll);
	link_close(&link);
	while (number >= 0) {
		flowipc_region_destroy(regions[number]);
		regions[number--] = NULL;
	}
}

static void room_in_a_socket(void **state)
{
	(void)state;
	room_in_a_socket_for(DESCRIPTORS);
	room_in_a_socket_for(REGIONS);
}

/* A descriptor that cannot be had is not asked for in vain for ever. */
static void room_without_descriptors(void **state)
{
	struct link link;
	int fd;

	(void)state;
	link_start(&link, NULL, NULL, send_when_told, NULL);
	test_deny_fds(true);
	fd = flowipc_channel_space_fd(link.channel);
	test_deny_fds(false);
	if (fd < 0)
		gives(fd, -EMFILE);
	check(flowipc_channel_space_fd(link.channel) >= 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void open_when_told(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channels[2];

	(void)arg;
	sync_get(sync);
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channels[0]));
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channels[1]));
	flowipc_channel_close(channels[0]);
	flowipc_channel_close(channels[1]);
	flowipc_session_close(session);
}

static void descriptor_of_a_session(void **state)
{
	struct flowipc_channel *channel;
	struct pollfd poller;
	struct link link;
	int count = 0, err;

	(void)state;
	test_session_start(&link, open_when_told, NULL);
	poller.fd = flowipc_session_fd(link.session);
	poller.events = POLLIN;
	gives(flowipc_channel_accept(link.session, NULL, 0, &channel),
	      -EAGAIN);
	gives(poll(&poller, 1, 0), 0);
	sync_put(link.sync, 0);
	for (;;) {
		gives(poll(&poller, 1, test_ms(10000)), 1);
		err = (int)gives_one_of(flowipc_channel_accept(link.session,
				NULL, 0, &channel), 0, -EAGAIN, -EPIPE);
		if (err == -EPIPE)
			break;
		if (!err) {
			flowipc_channel_close(channel);
			count++;
		}
	}
	gives(count, 2);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(descriptor),
	TEST(descriptor_without_messages),
	TEST(room),
	TEST(room_in_a_socket),
	TEST(room_without_descriptors),
	TEST(descriptor_of_a_session),
};

TEST_MAIN(tests, NULL)
