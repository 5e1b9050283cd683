// SPDX-License-Identifier: MIT
/*
 * How the messages of one side end: by a shutdown, which leaves the other
 * direction as it is, by a close, or without a word. All that was sent before
 * is received, and what kind of end it was can be told.
 */
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>

#include "outbox.h"

enum { COUNT = 100, LARGE = 30000 };

/* Small, from the payload area, and one with a region of its own. */
static uint64_t size_of(uint64_t number)
{
	if (number == COUNT / 2)
		return 5 << 20;
	return number % 3 ? number : LARGE + number;
}

static void send_numbered(struct flowipc_channel *channel, uint64_t number)
{
	uint64_t size = size_of(number);
	struct flowipc_message *message;

	ok(flowipc_message_new(channel, size, test_ms(10000), &message));
	pattern_fill(flowipc_message_buffer(message), size, number);
	ok(flowipc_message_send(message, test_ms(10000)));
}

static void receive_numbered(struct flowipc_channel *channel, uint64_t number)
{
	struct flowipc_message *message;

	ok(flowipc_message_receive(channel, &message, test_ms(10000)));
	gives(flowipc_message_size(message), size_of(number));
	pattern_check(flowipc_message_data(message), size_of(number), number);
	flowipc_message_release(message);
}

static void receive_the_end(struct flowipc_channel *channel, bool announced)
{
	struct flowipc_message *message;
	uint64_t byte;

	gives(flowipc_message_receive(channel, &message, test_ms(10000)),
	      -EPIPE);
	gives(flowipc_message_receive(channel, &message, 0), -EPIPE);
	gives(flowipc_receive(channel, &byte, 1, -1), -EPIPE);
	gives(flowipc_channel_was_shut_down(channel), announced);
}

static void cannot_send(struct flowipc_channel *channel,
			struct flowipc_region *region)
{
	struct flowipc_message *message;

	gives(flowipc_send(channel, "", 1, 0), -EPIPE);
	test_last_error_has("shut down");
	gives(flowipc_message_new(channel, LARGE, -1, &message), -EPIPE);
	gives(flowipc_message_from_region(channel, region, 0, 64, 0, &message),
	      -EPIPE);
}

/* All that comes, then the end; and then it answers. */
static void drain_and_answer(struct link *far, void *arg)
{
	uint64_t i;

	(void)arg;
	check(!flowipc_channel_was_shut_down(far->channel));
	sync_get(far->sync);
	for (i = 0; i < COUNT; i++) {
		check(!flowipc_channel_was_shut_down(far->channel));
		receive_numbered(far->channel, i);
	}
	receive_the_end(far->channel, true);
	for (i = 0; i < COUNT; i++)
		send_numbered(far->channel, i);
	/* the other side sees this end at last */
	ok(flowipc_channel_shutdown(far->channel));
	cannot_send(far->channel, NULL);
	receive_the_end(far->channel, true);
	sync_get(far->sync);
}

static void half_close(void **state)
{
	enum flowipc_wait_mode mode;
	struct flowipc_message *message;
	struct flowipc_region *region;
	struct link link;
	uint64_t i;

	(void)state;
	for (mode = FLOWIPC_WAIT_ADAPTIVE; mode <= FLOWIPC_WAIT_SLEEP;
	     mode++) {
		link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode),
			   FLOWIPC_OPTS(channel, .wait_mode = mode),
			   drain_and_answer, NULL);
		ok(flowipc_region_create(4096, NULL, &region));
		for (i = 0; i < COUNT; i++)
			send_numbered(link.channel, i);
		ok(flowipc_message_new(link.channel, LARGE, 0, &message));
		ok(flowipc_channel_shutdown(link.channel));
		ok(flowipc_channel_shutdown(link.channel));
		gives(flowipc_message_send(message, 0), -EPIPE);
		flowipc_message_release(message);
		cannot_send(link.channel, region);
		sync_put(link.sync, 0);
		for (i = 0; i < COUNT; i++)
			receive_numbered(link.channel, i);
		receive_the_end(link.channel, true);
		gives(flowipc_channel_reclaim(link.channel), 0);
		flowipc_region_destroy(region);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

/* Nothing at all was sent, so there is nothing but the end to wake it. */
static void wait_for_the_end(struct link *far, void *arg)
{
	struct pollfd poller = { .fd = flowipc_channel_fd(far->channel),
				 .events = POLLIN };
	bool polls = *(bool *)arg;
	uint64_t byte;

	if (polls) {
		gives(flowipc_receive(far->channel, &byte, 1, 0), -EAGAIN);
		sync_put(far->sync, 0);
		gives(poll(&poller, 1, test_ms(10000)), 1);
		check(poller.revents & POLLIN && !(poller.revents & POLLHUP));
		gives(flowipc_receive(far->channel, &byte, 1, 0), -EPIPE);
	} else {
		sync_put(far->sync, 0);
		gives(flowipc_receive(far->channel, &byte, 1, -1), -EPIPE);
	}
	check(flowipc_channel_was_shut_down(far->channel));
	test_put(far->channel, 5);
	sync_get(far->sync);
}

static void the_end_alone_wakes(void **state)
{
	static const enum flowipc_wait_mode modes[] = {
		FLOWIPC_WAIT_ADAPTIVE, FLOWIPC_WAIT_SPIN, FLOWIPC_WAIT_SLEEP,
		FLOWIPC_WAIT_ADAPTIVE, FLOWIPC_WAIT_SLEEP,
	};
	struct link link;
	bool polls;
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		polls = i >= 3;
		link_start(&link, NULL, FLOWIPC_OPTS(channel,
				.wait_mode = modes[i]), wait_for_the_end,
			   &polls);
		sync_get(link.sync);
		test_sleep_ms(50);
		ok(flowipc_channel_shutdown(link.channel));
		gives(test_take(link.channel), 5);
		sync_put(link.sync, 0);
		link_stop(&link);
	}
}

enum end { CLOSE, EXIT, KILL };

static void send_and_end(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t i;

	for (i = 0; i < COUNT; i++)
		send_numbered(far->channel, i);
	/* one that it never comes to send */
	ok(flowipc_message_new(far->channel, LARGE, 0, &message));
	switch (*(enum end *)arg) {
	case CLOSE:
		flowipc_message_release(message);
		return;
	case EXIT:
		_exit(0);
	case KILL:
		raise(SIGKILL);
	}
}

static void what_was_sent_arrives(void **state)
{
	struct link link;
	enum end end;
	uint64_t i;

	(void)state;
	for (end = CLOSE; end <= KILL; end++) {
		link_start(&link, NULL, NULL, send_and_end, &end);
		if (end == KILL)
			peer_join_signalled(&link.peer, SIGKILL);
		else
			peer_join(&link.peer);
		for (i = 0; i < COUNT; i++)
			receive_numbered(link.channel, i);
		receive_the_end(link.channel, end == CLOSE);
		gives(flowipc_send(link.channel, &i, sizeof(i), -1), -EPIPE);
		/* to shut down what nobody listens to does no harm */
		ok(flowipc_channel_shutdown(link.channel));
		link_close(&link);
	}
}

/* After a shutdown, the death of the side is still noticed. */
static void shut_down_and_die(struct link *far, void *arg)
{
	(void)arg;
	ok(flowipc_channel_shutdown(far->channel));
	sync_get(far->sync);
	raise(SIGKILL);
}

static void death_after_the_end(void **state)
{
	struct link link;
	uint64_t i;
	int err;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 2), NULL,
		   shut_down_and_die, NULL);
	receive_the_end(link.channel, true);
	ok(flowipc_send(link.channel, "", 1, 0));
	sync_put(link.sync, 0);
	for (i = 0; !(err = flowipc_send(link.channel, &i, sizeof(i), -1)); i++)
		;
	gives(err, -EPIPE);
	peer_join_signalled(&link.peer, SIGKILL);
	link_close(&link);
}

/* The word that says where the messages end, in the memory of its owner. */
enum { END_AT = 3 * FLOWIPC__LINE_PAIR + offsetof(struct outbox_span, end) };

static void lie_about_the_end(struct link *far, void *arg)
{
	struct map maps[64];
	int count = test_shared_maps("rw", maps, 64), i;

	check(count <= 64);
	test_put(far->channel, 1);
	test_put(far->channel, 2);
	sync_get(far->sync);
	for (i = 0; i < count; i++)
		if (!memcmp((void *)maps[i].start, "flowbox", 7))
			atomic_store((_Atomic uint64_t *)(maps[i].start +
					END_AT), *(uint64_t *)arg);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void the_end_is_a_lie(void **state)
{
	struct flowipc_message *message;
	uint64_t ends[] = { 1, 2, 4, UINT64_MAX };
	struct link link;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		link_start(&link, NULL, NULL, lie_about_the_end, &ends[i]);
		gives(test_take(link.channel), 1);
		gives(test_take(link.channel), 2);
		sync_put(link.sync, 0);
		sync_get(link.sync);
		check(!flowipc_channel_was_shut_down(link.channel));
		/* one that lies behind is a breach, one ahead says nothing */
		gives(flowipc_message_receive(link.channel, &message, 0),
		      ends[i] < 3 ? -EPROTO : -EAGAIN);
		if (ends[i] < 3) {
			test_last_error_has("end");
			gives(flowipc_channel_shutdown(link.channel), -EPROTO);
		}
		sync_put(link.sync, 0);
		link_drop(&link);
	}
}

static const struct CMUnitTest tests[] = {
	TEST(half_close),
	TEST(the_end_alone_wakes),
	TEST(what_was_sent_arrives),
	TEST(death_after_the_end),
	TEST(the_end_is_a_lie),
};

TEST_MAIN(tests, NULL)
