// SPDX-License-Identifier: MIT
/* Offers: metadata, acceptance, refusal, withdrawal. */
#include "harness.h"

#include <poll.h>

enum { METADATA_MAX = 4096 };

static void check_metadata(const void *data, size_t size, size_t wanted)
{
	gives(size, wanted);
	if (wanted)
		pattern_check(data, wanted, wanted);
	else
		check(!data);
}

static void open_with_metadata(int sync, void *arg)
{
	static const size_t sizes[] = { 0, 1, 100, METADATA_MAX };
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;
	char bytes[METADATA_MAX];
	const void *data;
	size_t size, i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		pattern_fill(bytes, sizes[i], sizes[i]);
		ok(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
				.metadata = bytes, .metadata_size = sizes[i]),
				i % 2 ? test_ms(10000) : 0, &channel));
		memset(bytes, 0, sizeof(bytes));
		data = flowipc_channel_metadata(channel, &size);
		check_metadata(data, size, sizes[i]);
		test_put(channel, i);
		gives(test_take(channel), i);
		flowipc_channel_close(channel);
	}
	gives(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
			.metadata = bytes, .metadata_size = METADATA_MAX + 1),
			0, &channel), -EINVAL);
	test_last_error_has("4096");
	gives(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
			.metadata_size = 1), 0, &channel), -EINVAL);
	sync_get(sync);
	flowipc_session_close(session);
}

static void metadata(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, METADATA_MAX };
	struct flowipc_channel *channel;
	struct flowipc_offer *offer;
	struct link link;
	const void *data;
	size_t size, i;

	(void)state;
	test_session_start(&link, open_with_metadata, NULL);
	for (i = 0; i < 4; i++) {
		ok(flowipc_session_next_offer(link.session, test_ms(10000),
					      &offer));
		data = flowipc_offer_metadata(offer, &size);
		check_metadata(data, size, sizes[i]);
		check(flowipc_offer_metadata(offer, NULL) == data);
		ok(flowipc_offer_accept(offer, NULL, &channel));
		data = flowipc_channel_metadata(channel, &size);
		check_metadata(data, size, sizes[i]);
		gives(test_take(channel), i);
		test_put(channel, i);
		gives(flowipc_receive(channel, &(uint64_t){ 0 }, 8,
				      test_ms(10000)), -EPIPE);
		flowipc_channel_close(channel);
	}
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void expect_refusals(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel = NULL;
	struct pollfd poller = { .events = POLLIN };
	int fds = test_count_fds(), maps = test_count_shared_maps(), i;

	(void)arg;
	/* one that waits for the answer */
	gives(flowipc_channel_open(session, NULL, test_ms(10000), &channel),
	      -ECONNREFUSED);
	check(!channel);
	/* that sleeps in receive, that sleeps in send, and that polls */
	for (i = 0; i < 3; i++) {
		ok(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
				.slots = 2, .wait_mode = FLOWIPC_WAIT_SLEEP),
				0, &channel));
		ok(flowipc_send(channel, "a", 1, 0));
		ok(flowipc_send(channel, "b", 1, 0));
		poller.fd = flowipc_channel_fd(channel);
		gives(poll(&poller, 1, 0), 0);
		sync_put(sync, 0);
		if (i == 0)
			gives(flowipc_receive(channel, &(char){ 0 }, 1,
					      test_ms(10000)), -ECONNREFUSED);
		else if (i == 1)
			gives(flowipc_send(channel, "c", 1, test_ms(10000)),
			      -ECONNREFUSED);
		else
			gives(poll(&poller, 1, test_ms(10000)), 1);
		check(i < 2 || poller.revents & POLLHUP);
		/* and whatever comes then */
		gives(flowipc_receive(channel, &(char){ 0 }, 1, 0),
		      -ECONNREFUSED);
		gives(flowipc_send(channel, "c", 1, 0), -ECONNREFUSED);
		gives(flowipc_channel_reclaim(channel), -ECONNREFUSED);
		flowipc_channel_close(channel);
	}
	gives(test_count_fds(), fds);
	gives(test_count_shared_maps(), maps);
	/* the session is none the worse for it */
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &channel));
	test_put(channel, 3);
	flowipc_channel_close(channel);
	flowipc_session_close(session);
}

static void refusals(void **state)
{
	struct flowipc_channel *channel;
	struct flowipc_offer *offer;
	struct link link;
	int fds, i;

	(void)state;
	test_session_start(&link, expect_refusals, NULL);
	fds = test_count_fds();
	for (i = 0; i < 4; i++) {
		ok(flowipc_session_next_offer(link.session, test_ms(10000),
					      &offer));
		if (i) {
			sync_get(link.sync);
			/* let it fall asleep */
			test_sleep_ms(50);
		}
		flowipc_offer_refuse(offer);
	}
	flowipc_offer_refuse(NULL);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				  &channel));
	gives(test_take(channel), 3);
	flowipc_channel_close(channel);
	gives(test_count_fds(), fds);
	link_stop(&link);
}

static void open_and_leave(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;
	uint64_t number;

	(void)arg;
	/* nothing was sent: it is as if it had never been */
	ok(flowipc_channel_open(session, NULL, 0, &channel));
	flowipc_channel_close(channel);
	gives(flowipc_channel_open(session, NULL, 50, &channel), -ETIMEDOUT);
	/* but what was sent arrives */
	ok(flowipc_channel_open(session, NULL, 0, &channel));
	for (number = 0; number < 5; number++)
		test_put(channel, number);
	flowipc_channel_close(channel);
	/* also of one that is killed next */
	ok(flowipc_channel_open(session, NULL, 0, &channel));
	for (number = 10; number < 15; number++)
		test_put(channel, number);
	sync_put(sync, 0);
	pause();
}

static void opener_that_is_gone(void **state)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct flowipc_channel *channel;
	struct pollfd poller = { .events = POLLIN };
	struct link link;
	uint64_t number;

	(void)state;
	test_session_start(&link, open_and_leave, NULL);
	sync_get(link.sync);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
				  &channel));
	for (number = 0; number < 5; number++)
		gives(test_take(channel), number);
	gives(flowipc_receive(channel, &number, sizeof(number),
			      test_ms(10000)), -EPIPE);
	flowipc_channel_close(channel);
	peer_kill(&link.peer);
	/* whoever asks for the end takes nothing away */
	poller.fd = flowipc_session_fd(link.session);
	gives(poll(&poller, 1, test_ms(10000)), 1);
	while (flowipc_session_end(link.session, &end))
		test_sleep_ms(1);
	gives(end.reason, FLOWIPC_END_PEER_DIED);
	ok(flowipc_channel_accept(link.session, NULL, 0, &channel));
	for (number = 10; number < 15; number++)
		gives(test_take(channel), number);
	gives(flowipc_receive(channel, &number, sizeof(number),
			      test_ms(10000)), -EPIPE);
	flowipc_channel_close(channel);
	gives(flowipc_channel_accept(link.session, NULL, 0, &channel), -EPIPE);
	link_close(&link);
}

static void offer_many(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channels[4];
	int i;

	(void)arg;
	for (i = 0; i < 4; i++) {
		ok(flowipc_channel_open(session, NULL, 0, &channels[i]));
		test_put(channels[i], (uint64_t)i);
	}
	sync_put(sync, 0);
	sync_get(sync);
	gives(flowipc_receive(channels[0], &(uint64_t){ 0 }, 8,
			      test_ms(10000)), -ECONNREFUSED);
	for (i = 1; i < 4; i++)
		gives(test_take(channels[i]), 10 * i);
	for (i = 0; i < 4; i++)
		flowipc_channel_close(channels[i]);
	flowipc_session_close(session);
}

/* In any order, and some not at all; also after the session was closed. */
static void offers_in_hand(void **state)
{
	struct pollfd poller = { .events = POLLIN };
	struct flowipc_offer *offers[4];
	struct flowipc_channel *channel;
	struct link link;
	int i;

	(void)state;
	test_session_start(&link, offer_many, NULL);
	sync_get(link.sync);
	poller.fd = flowipc_session_fd(link.session);
	for (i = 0; i < 4; i++) {
		/* readable as long as there is one */
		gives(poll(&poller, 1, 0), 1);
		ok(flowipc_session_next_offer(link.session, 0, &offers[i]));
	}
	gives(poll(&poller, 1, 0), 0);
	gives(flowipc_session_next_offer(link.session, 0, &offers[0]),
	      -EAGAIN);
	gives(flowipc_session_next_offer(link.session, 50, &offers[0]),
	      -ETIMEDOUT);
	sync_put(link.sync, 0);
	flowipc_session_close(link.session);
	link.session = NULL;
	/* bad options are the acceptor's own fault: the offer is used up */
	gives(flowipc_offer_accept(offers[0], FLOWIPC_OPTS(channel,
			.metadata = "x", .metadata_size = 1), &channel),
	      -EINVAL);
	for (i = 3; i > 0; i--) {
		ok(flowipc_offer_accept(offers[i], NULL, &channel));
		gives(test_take(channel), i);
		test_put(channel, 10 * (uint64_t)i);
		flowipc_channel_close(channel);
	}
	link_stop(&link);
}

static void open_until_full(int sync, void *arg)
{
	enum { LIMIT = 2000 };
	static struct flowipc_channel *channels[LIMIT];
	struct flowipc_session *session = test_session_connect();
	int count = 0, err;

	(void)arg;
	while (count < LIMIT) {
		err = (int)gives_one_of(flowipc_channel_open(session,
				FLOWIPC_OPTS(channel, .slots = 2,
					     .payload_bytes = 1), 0,
				&channels[count]), 0, -EAGAIN, -EMFILE,
				-EDQUOT);
		if (err)
			break;
		count++;
	}
	check(count > 10 && count < LIMIT);
	/* it was refused in words, and without a wait */
	check(*flowipc_last_error());
	sync_put(sync, (uint64_t)count);
	sync_get(sync);
	while (count)
		flowipc_channel_close(channels[--count]);
	flowipc_session_close(session);
}

static void more_than_anybody_looks_at(void **state)
{
	struct flowipc_channel *channel;
	struct link link;
	uint64_t count, i;

	(void)state;
	test_session_start(&link, open_until_full, NULL);
	count = sync_get(link.sync);
	for (i = 0; i < count; i++) {
		ok(flowipc_channel_accept(link.session, FLOWIPC_OPTS(channel,
				.slots = 2, .payload_bytes = 1), 0,
				&channel));
		flowipc_channel_close(channel);
	}
	sync_put(link.sync, 0);
	link_stop(&link);
}

static void connect_with_channels(int sync, void *arg)
{
	const struct flowipc_channel_opts *const opts[3] = {
		FLOWIPC_OPTS(channel, .metadata = "first", .metadata_size = 5),
		NULL,
		FLOWIPC_OPTS(channel, .metadata = "third", .metadata_size = 5),
	};
	struct flowipc_channel *channels[40] = { NULL };
	struct flowipc_session *session = NULL;
	int fds = test_count_fds(), i;

	(void)arg;
	/* one that cannot be: then there is nothing */
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect, .channels = channels,
			.channel_opts = (const struct flowipc_channel_opts *[])
			{ NULL, FLOWIPC_OPTS(channel, .slots = 3) },
			.channel_count = 2), test_ms(10000), &session),
	      -EINVAL);
	test_last_error_has("slots");
	check(!session && !channels[0] && !channels[1]);
	gives(flowipc_connect("t", FLOWIPC_OPTS(connect, .channel_count = 2),
			      test_ms(10000), &session), -EINVAL);
	test_last_error_has("channels");
	gives(test_count_fds(), fds);

	ok(flowipc_connect("t", FLOWIPC_OPTS(connect, .channels = channels,
			.channel_opts = opts, .channel_count = 3),
			test_ms(10000), &session));
	for (i = 0; i < 3; i++) {
		test_put(channels[i], (uint64_t)i);
		gives(test_take(channels[i]), 10 + i);
		flowipc_channel_close(channels[i]);
	}
	flowipc_session_close(session);
	ok(flowipc_connect("t", FLOWIPC_OPTS(connect, .channels = channels,
			.channel_count = 40), test_ms(10000), &session));
	sync_put(sync, 0);
	for (i = 0; i < 40; i++) {
		test_put(channels[i], (uint64_t)i);
		flowipc_channel_close(channels[i]);
	}
	flowipc_session_close(session);
}

static void channels_at_connect(void **state)
{
	static const char *const words[3] = { "first", NULL, "third" };
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	const char *data;
	struct link link;
	size_t size;
	int i;

	(void)state;
	/* the session of the attempt that comes to nothing */
	test_session_start(&link, connect_with_channels, NULL);
	ok(flowipc_accept(link.server, test_ms(10000), &session));
	for (i = 0; i < 3; i++) {
		ok(flowipc_channel_accept(session, NULL, test_ms(10000),
					  &channel));
		data = flowipc_channel_metadata(channel, &size);
		check(words[i] ? size == 5 && !memcmp(data, words[i], 5) :
				 !data);
		gives(test_take(channel), i);
		test_put(channel, 10 + (uint64_t)i);
		gives(flowipc_receive(channel, &(char){ 0 }, 1,
				      test_ms(10000)), -EPIPE);
		flowipc_channel_close(channel);
	}
	flowipc_session_close(session);
	ok(flowipc_accept(link.server, test_ms(10000), &session));
	sync_get(link.sync);
	for (i = 0; i < 40; i++) {
		ok(flowipc_channel_accept(session, NULL, test_ms(10000),
					  &channel));
		gives(test_take(channel), i);
		flowipc_channel_close(channel);
	}
	flowipc_session_close(session);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(metadata),
	TEST(refusals),
	TEST(opener_that_is_gone),
	TEST(offers_in_hand),
	TEST(channels_at_connect),
	TEST(more_than_anybody_looks_at),
};

TEST_MAIN(tests, NULL)
